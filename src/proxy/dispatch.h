/*
 * dispatch.h - from a request whose bytes are there to its reply: looks the command up,
 * refuses what must be refused (in Redis's order), waits for its values, runs or queues it.
 */
#ifndef IC_PROXY_DISPATCH_H
#define IC_PROXY_DISPATCH_H

#include "proxy/session.h"

/* The name (and a subcommand's) of the request being read is there: finds s->command. */
void ic_dispatch_name(struct ic_session *s, struct ic_slice name);
/* The values of a request for s->command with TOTAL arguments are worth reading. */
bool ic_dispatch_wants_values(struct ic_session *s, uint32_t total);
/* A request for COMMAND with so many arguments has values, and may store them. */
bool ic_dispatch_has_values(const struct ic_session *s, const struct ic_command *command,
                            uint32_t argc);
/* A value failed (s->value_error) although the request is still being read: replies at once, so
 * that a client that listens need not send the rest; what comes of it is thrown away. */
void ic_dispatch_refuse(struct ic_session *s);
/* The request being read takes more memory than it may: the same, and what it took is given back.
 * The parser skips the rest of it. */
void ic_dispatch_refuse_query(struct ic_session *s);
/* What came cannot be parsed: WHY is the last reply. */
void ic_dispatch_protocol_error(struct ic_session *s, const char *why);
/* Every byte of the request is there. */
void ic_dispatch_request(struct ic_session *s);
/* What the request waited for may be there: values sealed, room for an inline value, or its turn.
 * Fine if it waits for nothing. */
void ic_dispatch_continue(struct ic_session *s);
/* The request is over: its values, drafts and arguments are dropped. */
void ic_dispatch_drop(struct ic_session *s);
/* S is gone: the same, after what it does alone has come to its end. False: it has not yet. */
bool ic_dispatch_leave(struct ic_session *s);

#endif
