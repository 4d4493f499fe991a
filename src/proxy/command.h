/*
 * command.h - the client commands: one table from which lookup, COMMAND, INFO and the
 * choice of streamed arguments derive, and what a handler may use.
 *
 *   session: request complete -> ic_command_find -> checks -> handler(call) -> reply
 *                                                                 |
 *                                              store: find, commit (journalled at the turn's end)
 *
 * A handler runs to its end within one turn, or piece by piece (ic_call_goes_on). It never sees the
 * bytes of a value: a value that comes in is a sealed draft, one that goes out is a range of an
 * object, fetched when its turn in the reply has come.
 */
#ifndef IC_PROXY_COMMAND_H
#define IC_PROXY_COMMAND_H

#include "base/buf.h"
#include "proto/resp.h"
#include "proxy/reply.h"
#include "proxy/store.h"

struct ic_proxy;
struct ic_session;

/* The order is the order in which COMMAND names them. */
enum ic_command_flag {
    IC_COMMAND_WRITE = 1 << 0,
    IC_COMMAND_READONLY = 1 << 1,
    IC_COMMAND_DENYOOM = 1 << 2,
    IC_COMMAND_ADMIN = 1 << 3,
    IC_COMMAND_NOSCRIPT = 1 << 4,
    IC_COMMAND_LOADING = 1 << 5,
    IC_COMMAND_STALE = 1 << 6,
    IC_COMMAND_SKIP_SLOWLOG = 1 << 7,
    IC_COMMAND_FAST = 1 << 8,
    IC_COMMAND_NO_AUTH = 1 << 9,
    IC_COMMAND_NO_ASYNC_LOADING = 1 << 10,
    IC_COMMAND_NO_MULTI = 1 << 11,
    IC_COMMAND_ALLOW_BUSY = 1 << 12,
    IC_COMMAND_FLAGS = 13,
    /* Not shown. */
    IC_COMMAND_IN_MULTI = 1 << 13, /* runs at once within MULTI: EXEC, DISCARD ... */
    IC_COMMAND_SECRET = 1 << 14,   /* its arguments are in no log */
    IC_COMMAND_WALKS = 1 << 15,    /* looks at keys that it does not name, however many */
};

enum ic_command_group {
    IC_GROUP_STRING,
    IC_GROUP_GENERIC,
    IC_GROUP_CONNECTION,
    IC_GROUP_SERVER,
    IC_GROUP_TRANSACTIONS,
    IC_GROUP_CLUSTER,
    IC_GROUP_INFINICACHE,
    IC_GROUP_COUNT,
};

/* Access categories that do not follow from the flags. */
enum {
    IC_CATEGORY_KEYSPACE = 1,
    IC_CATEGORY_STRING = 2,
    IC_CATEGORY_CONNECTION = 4,
    IC_CATEGORY_TRANSACTION = 8,
    IC_CATEGORY_DANGEROUS = 16,
};

struct ic_arg {
    struct ic_slice bytes;   /* data NULL: a value, which is a draft */
    struct ic_object *draft; /* the value, sealed; owned by the call until it is committed */
    double dollars;          /* what storing the value cost */
};

/* One command of one client, being executed. */
struct ic_call {
    struct ic_proxy *proxy;
    struct ic_session *session;
    const struct ic_command *command;
    struct ic_arg *argv;
    uint32_t argc;
    int64_t wall_ms; /* one time for the whole command, and for a whole EXEC */
    struct ic_resp_writer *out;
    bool failed; /* an error was replied */
    bool quiet;  /* it is only asked what would become of it: errors are neither said nor counted */

    /* Where a handler is that goes on in a later turn. */
    uint32_t next;               /* argument that ic_call_each comes to; 0: it has not begun */
    uint64_t cursor, end;        /* of another walk: how far it is, and where it shall end */
    uint64_t count;              /* so far, for the reply */
    void *job;                   /* what it keeps, or NULL; */
    void (*job_free)(void *job); /* frees it, when the call is over or comes to no end; */
    size_t job_memory;           /* and its bytes, which are charged to the client */

    /* ic_session_execute's */
    bool begun, unfinished;
    int64_t begun_us;
    uint64_t delay_before_ms;
    struct ic_reply_mark mark;
};

typedef void ic_command_handler(struct ic_call *c);

struct ic_command_key { /* as COMMAND shows it */
    const char *flags;  /* "RW access update"; NULL: no keys */
    int8_t first, last, step;
};

struct ic_command {
    const char *name;            /* lower case; of a subcommand: "client|list" */
    ic_command_handler *handler; /* NULL: only its subcommands are commands */
    /* May be NULL. Looks at the arguments before the values are sealed: *EXPIRES_MS is for the
     * seals. False: it replied with an error, and the handler is not called. */
    bool (*prepare)(struct ic_call *c, int64_t *expires_ms);
    const struct ic_command *subcommands;
    const char *since, *summary, *complexity;
    const char *tips;     /* separated by blanks, or NULL */
    const char *replaced; /* "6.2.0 what to use instead", or NULL */
    struct ic_command_key key[2];
    int16_t arity; /* the name included; negative: at least */
    uint16_t most; /* arguments, the name included; 0: any number */
    uint16_t subcommand_count;
    uint32_t flags;
    uint8_t group, categories;
    /* Argument `value` is streamed, and every value_step-th after it if that is not 0. */
    uint8_t value, value_step;
};

extern const struct ic_command ic_command_table[];
extern const size_t ic_command_count;
extern const char *const ic_command_flag_names[IC_COMMAND_FLAGS];
extern const char *const ic_command_group_names[IC_GROUP_COUNT];

/* Names are compared without regard to case. NULL: there is none. */
const struct ic_command *ic_command_find(struct ic_slice name);
const struct ic_command *ic_command_find_sub(const struct ic_command *c, struct ic_slice name);
/* Of "get" or "client|list", as COMMAND INFO takes it. */
const struct ic_command *ic_command_find_full(struct ic_slice name);
/* Finds the command, or subcommand, that C's arguments name. False: there is none, and WHY says so,
 * as Redis does. */
bool ic_call_resolve(struct ic_call *c, char *why, size_t why_size);
bool ic_command_arity_fits(const struct ic_command *c, uint64_t argc);
/* Argument INDEX of a request of TOTAL arguments is a streamed value; *KEY: the argument that names
 * it. */
bool ic_command_is_value(const struct ic_command *c, uint32_t index, uint32_t total, uint32_t *key);
/* Argument INDEX of a request of TOTAL arguments is a key. */
bool ic_command_is_key(const struct ic_command *c, uint32_t index, uint32_t total);
/* Every command and subcommand has a number in [0, ic_command_numbers()), for statistics. */
size_t ic_command_number(const struct ic_command *c);
size_t ic_command_numbers(void);

/* ---- for the handlers ------------------------------------------------------- */

/*
 * UNITS of work are done (turns.h). False: that is enough for this turn, so the handler returns,
 * and is called again in a later one, with the call as it left it; meanwhile others may change
 * keys.
 */
bool ic_call_goes_on(struct ic_call *c, uint64_t units) IC_MUST_USE;
/* The same for what must be seen, or changed, at one moment: if it takes more turns no other client
 * sees or changes a key before it is over. */
bool ic_call_goes_on_alone(struct ic_call *c, uint64_t units) IC_MUST_USE;
/* UNITS of work are done, and the handler goes on: few, or it cannot stop. */
void ic_call_worked(struct ic_call *c, uint64_t units);
/* Calls ONE for each argument from FIRST on, each of them UNITS of work. False: not for all of
 * them yet, so the handler returns, as with ic_call_goes_on. */
bool ic_call_each(struct ic_call *c, uint32_t first, uint64_t units,
                  void (*one)(struct ic_call *c, uint32_t index)) IC_MUST_USE;

/* The same, alone. */
bool ic_call_each_alone(struct ic_call *c, uint32_t first, uint64_t units,
                        void (*one)(struct ic_call *c, uint32_t index)) IC_MUST_USE;

/* What is written aside while it is counted, because the number comes first: the call's job. */
struct ic_gathering {
    struct ic_buf buf;
    struct ic_resp_writer items; /* writes into it */
};
/* A new one, or the one there is. NULL: replied with an error. */
struct ic_gathering *ic_call_gather(struct ic_call *c);
/* Replies with HEAD, which is given the call's `count`, and the items. */
void ic_call_gathered(struct ic_call *c, void (*head)(struct ic_resp_writer *w, size_t count));

/* Replies with an error and counts it. TEXT as in ic_resp_error. */
void ic_call_error(struct ic_call *c, const char *text);
void ic_call_errorf(struct ic_call *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ic_call_syntax_error(struct ic_call *c);
void ic_call_arity_error(struct ic_call *c);
/* A pattern, or all of a request, took more than so many STEPS. */
void ic_call_pattern_error(struct ic_call *c, uint64_t steps);
void ic_call_ok(struct ic_call *c);
/* A subcommand's HELP: LINES end with NULL. */
void ic_call_help(struct ic_call *c, const char *const *lines);

/* Argument INDEX is WORD, in any case. */
bool ic_call_is(const struct ic_call *c, uint32_t index, const char *word);
/* The argument as an integer. False: replied with ERROR, or if NULL with Redis's usual text. */
bool ic_call_integer(struct ic_call *c, uint32_t index, int64_t *out, const char *error);
/* The argument's bytes for an error text: as %.*s. */
#define IC_CALL_TEXT(c, index)                                                                     \
    (int)(c)->argv[index].bytes.len, (const char *)(c)->argv[index].bytes.data

/*
 * Commits CHANGES. False: nothing has changed, and an error is replied in place of whatever the
 * handler had written. True: drafts among them are
 * the store's, and the reply that the handler writes goes out once the journal has them
 * (else -MISCONF in its place).
 */
bool ic_call_commit(struct ic_call *c, const struct ic_change *changes, size_t count);
enum {
    IC_CALL_CHANGES = 64,     /* that a handler commits at a time */
    IC_CALL_CHANGE_UNITS = 6, /* of work: a key changed, journal included */
};
bool ic_call_change(struct ic_call *c, struct ic_change change);
/* Replies with the value O as a bulk, or null if it is lost, or evicted before its turn comes. */
void ic_call_object(struct ic_call *c, struct ic_object *o);
/* The same with LENGTH bytes of O from OFFSET on, or the empty string if it is lost. */
void ic_call_range(struct ic_call *c, struct ic_object *o, uint64_t offset, uint64_t length);
/* The reply waits so long; other clients go on. */
void ic_call_delay(struct ic_call *c, uint64_t delay_ms);

#endif
