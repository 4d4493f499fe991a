/*
 * session.h - the clients: one session per connection reads requests, executes them in
 * order and sends the replies; and what all of them share.
 *
 *              request complete, has values
 *   READING ------------------------------> SEALING      (a command without values runs at once,
 *    ^  ^ ^                                    |          within READING; bodies of values are
 *    |  | '--- every value sealed: it runs ----'          moved to their puts while READING)
 *    |  '----- or one failed: an error --------'
 *    |-------- WORKING <-- the command takes more than its share of a turn (turns.h)
 *    '-------- DELAYED <-- DEBUG SLEEP
 *   any: QUIT, protocol error -> CLOSING (replies still go out) -> gone;  error, kill -> gone
 *   gone -> closed -> freed, each as soon as a turn has time for it
 *
 * Reading stops while a command is executed, while a put has no room, and while much of the replies
 * waits and some of it goes out. While SEALING it goes on for a little, so that values of the
 * requests that follow are under way as well (look_ahead.h). If none goes out the client may be one
 * that sends a whole pipeline before it reads: after IC_SESSION_PATIENCE_MS reading goes on. A
 * client that ends its side gets the replies to what it sent.
 *
 * Memory: what a client makes the session keep is charged to it (ic_session_charge) and bounded
 *   by request   client-query-buffer-limit: arguments, queued commands, watched keys; then an error
 *   by replies   client-output-buffer-limit; then it is closed
 *   in all       maxmemory-clients: the largest are closed (client_memory.h)
 */
#ifndef IC_PROXY_SESSION_H
#define IC_PROXY_SESSION_H

#include "base/config.h"
#include "net/net.h"
#include "proxy/client_memory.h"
#include "proxy/command.h"
#include "proxy/look_ahead.h"
#include "proxy/reply.h"
#include "proxy/turns.h"

enum {
    IC_SESSION_READ_SIZE = 16 << 10, /* one read of requests; the buffer is shared by all */
    IC_SESSION_QUERY_SPARE =
        16 << 10,                 /* watches and queues leave room for the command that ends them */
    IC_SESSION_ARGV_KEPT = 8,     /* arguments an idle connection keeps room for */
    IC_SESSION_PATIENCE_MS = 100, /* replies wait and none goes out for so long: more may wait */
    IC_SESSION_SEALING_MAX = 500, /* values of a request that are sealed at a time, but */
    IC_SESSIONS_SEALING_MAX = 2000, /* of all together no more, beyond one each: who has one only
                                       stands behind them in the functions' links */
    IC_SESSION_LINGER_MS = 2000,    /* the words to a client that is not taken */
    IC_SESSION_STALL_MS = 30000,    /* a request with a value not continued, last replies not read:
                                       closed */
    IC_SESSION_NEAR_MS = 5000,      /* who gives back within this what others want is left alone */
};

enum ic_session_state {
    IC_SESSION_READING,
    IC_SESSION_SEALING,
    IC_SESSION_WORKING,
    IC_SESSION_DELAYED,
    IC_SESSION_CLOSING,
};

struct ic_value;
struct ic_queued_command;

struct ic_session {
    struct ic_list node;        /* in ic_sessions */
    struct ic_map_node id_node; /* there, too */
    struct ic_sessions *sessions;
    struct ic_proxy *proxy;
    struct ic_stream *stream; /* NULL: it is gone, and the connection closed */
    uint64_t id;
    uint64_t created_ms, active_ms; /* monotonic */
    uint64_t bytes_in;              /* received from the client, ever */
    enum ic_session_state state;
    char peer[IC_ADDRESS_MAX], local[IC_ADDRESS_MAX];

    /* What CLIENT, HELLO and RESET change. */
    char *name, *library, *library_version; /* owned, or NULL; set by ic_session_set_text */
    size_t text_bytes;                      /* of these */
    bool authenticated, no_evict, no_touch, reply_off, reply_skip, reply_skip_next;
    const struct ic_command *last_command;

    /* MULTI */
    bool multi, dirty_exec, queued_writes;
    struct ic_list queued; /* of struct ic_queued_command */
    uint32_t queued_count;
    size_t queued_bytes;
    struct ic_pool_use queued_use; /* of its values */
    struct ic_map watches;         /* of struct session_watch, by key; */
    struct ic_list watch_list;     /* and in order */
    size_t watched_bytes;

    /* The request being read. */
    struct ic_resp parser;
    struct ic_buf rest;               /* bytes read that could not be worked on yet */
    const struct ic_command *command; /* as soon as its name is there */
    struct ic_look_ahead ahead;       /* at the requests behind it, which are in `rest` */
    struct ic_list values;            /* of struct ic_value, in order: not drafts yet */
    size_t values_bytes;              /* of these, and of their puts */
    struct ic_pool_use drafts_use;    /* of those that are */
    struct ic_value *streaming;       /* whose body is being read, or NULL */
    struct ic_value *waiting;         /* whose first bytes wait for window memory, or NULL */
    size_t streaming_room;            /* bytes of the last `room` that are the value's */
    size_t sealing;                   /* values not sealed yet */
    int value_error;                  /* < 0: of the first value that failed */
    char value_why[256];              /* the words for it, if it needs some */
    bool refused;                     /* the request being read has its (error) reply already */
    bool key_too_long, processing, process_again, gone;
    bool starved;      /* reading waits for us, not for the client */
    size_t read_least; /* bytes of the last read, if it was a short one in a used-up turn, or 0; */
    bool reads_on;     /* there was more: it is in line to read what has come, */
    uint32_t reads;    /* and may read so many bytes now, */
    bool paid;         /* which are counted already: the last were of them; */
    bool ended;        /* the client sends no more */
    uint64_t reads_turn; /* in which it got them */

    /* What it takes. */
    struct ic_client_charge charge;
    uint64_t soft_since_ms; /* above the soft limit of its class; 0: it is not */
    struct ic_timer patience;
    uint64_t patience_mark;      /* bytes acknowledged when `patience` was started */
    uint64_t tick_ms, tick_mark; /* the last tick that saw more of them acknowledged */

    /* The command being executed. */
    struct ic_worker worker;
    bool closing; /* while WORKING: CLOSING comes after it */
    struct ic_call call;
    uint32_t inline_next; /* first argument of an inline request not looked at for a value */
    struct ic_arg *argv;  /* with the drafts of a request that is being read, too */
    uint32_t argv_cap;    /* what is not of a request is zero */
    bool argv_drafts;     /* there may be some among them */
    int64_t begun_us;
    uint64_t delay_ms;
    uint64_t exec_units; /* of work, by what EXEC has run */
    bool in_exec, prepared;
    struct ic_timer delay;
    struct ic_reply_mark command_mark; /* of replies to this request */
    struct ic_reply_mark call_mark;    /* and to this command, which may be one of EXEC's */

    /* Replies that wait for the journal. */
    unsigned commits; /* not answered yet */
    bool commit_failed;
    struct ic_buf if_failed; /* what is said then instead, see end_reply */
    bool part_done;          /* of the command that takes many turns a part is in the journal */
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
/* A browser was led here to speak HTTP: it is closed, and the log has it, now and then. */
void ic_session_end_http(struct ic_session *s);
/* The connection ends after the replies so far. */
void ic_session_close_after_reply(struct ic_session *s);
bool ic_session_password_is(const struct ic_sessions *s, struct ic_slice password);
/* Runs the handler of a command whose arguments are checked; counts, times and logs it. False: it
 * is not done, call this again in a later turn. */
bool ic_session_execute(struct ic_session *s, struct ic_call *c) IC_MUST_USE;
/* C, begun or not, is answered with the error WHY. */
void ic_session_refuse(struct ic_session *s, struct ic_call *c, const char *why);

/* ---- transactions: command_transaction.c ------------------------------------------- */

void ic_transaction_init(struct ic_session *s);
/* MULTI: keeps S's request, its drafts included, for EXEC. */
void ic_transaction_queue(struct ic_session *s, struct ic_call *c);
/* S's arguments are forgotten, and their drafts dropped: many of them in turns to come, if there is
 * memory for that. */
void ic_transaction_drop_arguments(struct ic_session *s);
/* Of what transactions and requests have left, some is freed: queued commands, which are 2 steps
 * each, watches, 8, and drafts, 16. Returns the steps, about MOST of them; fewer: that was all. */
unsigned ic_transaction_free_some(struct ic_sessions *all, unsigned most);
/* What MULTI has queued can never run: it is given back. EXEC will say so. Fine outside of MULTI.
 */
void ic_transaction_drop_queue(struct ic_session *s);
/* The end of MULTI without EXEC, and of every watch. */
void ic_transaction_discard(struct ic_session *s);

/* ---- between session.c, dispatch.c and value.c ------------------------------------ */

struct ic_session *ic_session_new(struct ic_sessions *all, struct ic_stream *stream);
/* At once nothing more is read or sent, and nobody sees S. The connection is closed and the memory
 * given back in this turn, or in one to come if this is used up. */
void ic_session_end(struct ic_session *s, const char *why);
/* What the session waited for may have come: goes on with what was read, then reads on. */
void ic_session_continue(struct ic_session *s);
/* Argument INDEX of the request being read: room for it, and its draft. NULL: out of memory. */
struct ic_arg *ic_session_argument(struct ic_session *s, uint32_t index);
/* Bytes of its arguments, queued commands and watched keys; of a request being read as much as it
 * takes when it runs. */
size_t ic_session_query_bytes(const struct ic_session *s);
/* MORE of these would still be within client-query-buffer-limit. */
bool ic_session_query_fits(const struct ic_session *s, size_t more);
size_t ic_session_memory(const struct ic_session *s); /* all that it takes */
/* What others cannot have of the pool because of S: values of its transaction or of a request that
 * is not complete, and those that wait to be sent to it. */
struct ic_pool_use ic_session_pool_use(const struct ic_session *s);
/* Of those that are not drafts yet, the one that began last. NULL: there is none. */
struct ic_value *ic_session_last_value(const struct ic_session *s);
/* It has enough values that are being sealed: no further one is begun before one of them is. */
bool ic_session_seals_enough(const struct ic_session *s);
/* The value of a request that is not complete: streaming, or complete and not sealed. NULL: none.
 */
const struct ic_value *ic_session_open_value(const struct ic_session *s);
/* Of clients that are gone, S is closed and freed, or so much of it as a turn takes; what it does
 * alone goes on first. False: there is more. */
bool ic_session_leave(struct ic_session *s);
/* While they take more than maxmemory-clients the largest are closed, a few. True: more of them
 * have to be. */
bool ic_sessions_evict(struct ic_sessions *all);
/* Call when what it takes has changed. False: it was too much and the connection has been ended;
 * others may have been, too. Not within a command's handler. */
bool ic_session_charge(struct ic_session *s);
/* Ends the connection if its replies are beyond client-output-buffer-limit; now and then, since
 * time counts. False: it has. */
bool ic_session_check_output(struct ic_session *s);
/* *TEXT, one of S's, becomes a copy of VALUE. False: out of memory. */
bool ic_session_set_text(struct ic_session *s, char **text, struct ic_slice value);

#endif
