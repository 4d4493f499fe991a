/*
 * session.h - the clients: one session per connection reads requests, executes them in
 * order and sends the replies; and what all of them share.
 *
 *              request complete, has values
 *   READING ------------------------------> SEALING      (a command without values runs at once,
 *    ^  ^ ^                                    |          within READING; bodies of values are
 *    |  | '--- every value sealed: it runs ----'          moved to their puts while READING)
 *    |  '----- or one failed: an error --------'
 *    '-------- DELAYED <-- DEBUG SLEEP
 *   any: QUIT, protocol error -> CLOSING (replies still go out) -> gone;  error, kill -> gone
 *
 * Reading stops while a command is executed, while much of the replies waits, and while a
 * put has no room: so a client can never make the proxy's memory grow. Objects that wait to be
 * sent are not much: a client may send a whole pipeline before it reads the first reply. One that
 * ends its side gets the replies to what it sent.
 */
#ifndef IC_PROXY_SESSION_H
#define IC_PROXY_SESSION_H

#include "base/config.h"
#include "net/net.h"
#include "proxy/command.h"
#include "proxy/reply.h"

enum {
    IC_SESSION_QUERY_MAX = 8 << 20,   /* arguments and queued commands of one connection */
    IC_SESSIONS_QUERY_MAX = 48 << 20, /* of all: who asks for more is closed */
    IC_SESSION_READ_SIZE = 16 << 10,  /* one read of requests; the buffer is shared by all */
    IC_SESSION_NAME_MAX = 255,        /* of CLIENT SETNAME and SETINFO */
    IC_SESSION_LINGER_MS = 2000,      /* last replies of a closing connection */
    IC_SESSION_STALL_MS = 30000,      /* a value that is not continued for so long: closed */
};

enum ic_session_state {
    IC_SESSION_READING,
    IC_SESSION_SEALING,
    IC_SESSION_DELAYED,
    IC_SESSION_CLOSING,
};

struct ic_value;
struct ic_queued_command;

struct ic_session {
    struct ic_list node; /* in ic_sessions */
    struct ic_sessions *sessions;
    struct ic_proxy *proxy;
    struct ic_stream *stream;
    uint64_t id;
    uint64_t created_ms, active_ms; /* monotonic */
    enum ic_session_state state;
    char peer[IC_ADDRESS_MAX], local[IC_ADDRESS_MAX];

    /* What CLIENT, HELLO and RESET change. */
    char *name, *library, *library_version; /* owned, or NULL */
    bool authenticated, no_evict, no_touch, reply_off, reply_skip, reply_skip_next;
    const struct ic_command *last_command;

    /* MULTI */
    bool multi, dirty_exec, queued_writes;
    struct ic_list queued; /* of struct ic_queued_command */
    uint32_t queued_count;
    size_t queued_bytes;
    struct ic_list watches; /* of struct ic_session_watch */

    /* The request being read. */
    struct ic_resp parser;
    struct ic_buf rest;               /* bytes read that could not be worked on yet */
    const struct ic_command *command; /* as soon as its name is there */
    struct ic_list values;            /* of struct ic_value, in order */
    struct ic_value *streaming;       /* whose body is being read, or NULL */
    size_t streaming_room;            /* bytes of the last `room` that are the value's */
    size_t sealing;                   /* values not sealed yet */
    int value_error;                  /* < 0: of the first value that failed */
    char value_why[256];              /* the words for it, if it needs some */
    bool refused;                     /* the request being read has its (error) reply already */
    bool argument_too_long, processing, process_again, gone;
    bool starved;   /* reading waits for us, not for the client */
    bool ended;     /* the client sends no more */
    size_t charged; /* in sessions->query_bytes */

    /* The command being executed. */
    struct ic_call call;
    uint32_t inline_next; /* first argument of an inline request not looked at for a value */
    struct ic_arg *argv;
    uint32_t argv_cap;
    int64_t begun_us;
    uint64_t delay_ms;
    bool in_exec, prepared;
    struct ic_timer delay;
    struct ic_reply_mark command_mark; /* of replies to this request */
    struct ic_reply_mark call_mark;    /* and to this command, which may be one of EXEC's */

    /* Replies that wait for the journal. */
    unsigned commits;        /* not answered yet */
    unsigned commit_replies; /* commands since the first of them */
    bool commit_failed;
    struct ic_reply_mark commit_mark;
    struct ic_reply reply;
    struct ic_reap reap;
};

/* ---- all clients (for the proxy's main) --------------------------------------- */

enum { IC_SESSIONS_WHY_MAX = 512 };

/* Reads the password. NULL: WHY (IC_SESSIONS_WHY_MAX bytes) says the reason. */
struct ic_sessions *ic_sessions_new(struct ic_proxy *proxy, char *why);
bool ic_sessions_have_password(const struct ic_sessions *s);
/* Listens on `bind`:`port`; errors as ic_listener_new. */
int ic_sessions_listen(struct ic_sessions *s) IC_MUST_USE;
uint16_t ic_sessions_port(const struct ic_sessions *s);
/* No new clients; ends the connections there are. */
void ic_sessions_close(struct ic_sessions *s);
void ic_sessions_free(struct ic_sessions *s); /* closes first; NULL is fine */

/* ---- for the commands ----------------------------------------------------------- */

/* As CLIENT LIST shows it, without the line's end. IC_ENOMEM. */
int ic_session_describe(const struct ic_session *s, struct ic_buf *out) IC_MUST_USE;
/* Ends the connection: of the session itself after its replies, of another one at once. */
void ic_session_kill(struct ic_session *s, const struct ic_session *by);
/* The connection ends after the replies so far. */
void ic_session_close_after_reply(struct ic_session *s);
bool ic_session_password_is(const struct ic_sessions *s, struct ic_slice password);
/* Runs the handler of a command whose arguments are checked; counts, times and logs it. */
void ic_session_execute(struct ic_session *s, struct ic_call *c);

/* ---- transactions: command_transaction.c ------------------------------------------- */

/* MULTI: keeps S's request, its drafts included, for EXEC. */
void ic_transaction_queue(struct ic_session *s, struct ic_call *c);
/* The end of MULTI without EXEC, and of every watch. */
void ic_transaction_discard(struct ic_session *s);

/* ---- between session.c, dispatch.c and value.c ------------------------------------ */

struct ic_session *ic_session_new(struct ic_sessions *all, struct ic_stream *stream);
/* Ends the connection at once; the memory goes at the turn's end. */
void ic_session_end(struct ic_session *s, const char *why);
/* What the session waited for may have come: goes on with what was read, then reads on. */
void ic_session_continue(struct ic_session *s);
/* False: this request takes more memory than it may; the connection is being closed. */
bool ic_session_charge(struct ic_session *s);

#endif
