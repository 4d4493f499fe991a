/*
 * pool.h - what the proxy knows and decides about its functions: the state of each,
 * the instances seen of it with their bytes, when it may be invoked, when it is due
 * for a warm-up. Pure: no I/O; time and random numbers are arguments.
 *
 *   function 0  ASLEEP    instance serial 1: live + condemned + in flight of capacity
 *   function 1  ACTIVE    instance serial 2  <- current: answered last
 *               ACTIVE    instance serial 7  <- the peer: raised beside it by a second Invoke
 *                         instance serial 5  (away: a sibling answers in its place)
 *
 * What that means for a sealed chunk:
 *
 *   HELD --a sibling answers--> UNREACHABLE --a second time in a row, or `peer-age`--> LOST
 *     ^                              |
 *     '---- its instance answers ----'           HELD --function error, timeout--> LOST
 *
 * A chunk's bytes move: planned (per function) -> in flight -> live -> condemned -> free
 * (per instance). An instance that is gone takes its bytes with it; every call about a
 * serial that is not held any more is a no-op.
 */
#ifndef IC_CORE_POOL_H
#define IC_CORE_POOL_H

#include "base/error.h"
#include "base/heap.h"
#include "core/condemned.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IC_POOL_FUNCTIONS_MAX = 4096,
    IC_POOL_INSTANCES_MAX = 4, /* remembered per function; the one heard longest ago gives way */
    IC_POOL_MISSES_MAX = 2, /* invocations (with peers: pairs of them) that siblings answer before
                               an instance counts as gone */
    IC_POOL_WARMING_MAX =
        32, /* warm-ups outstanding: a start of 4,096 functions is not one burst */
    IC_INSTANCE_ID_LEN = 16,
};

/*
 *                       INVOKE                HELLO (of a serve)
 *   ABSENT / ASLEEP ------------> INVOKING ----------------------> ACTIVE
 *      ^      ^  ^                 |  |  |                         |  |  |
 *      |      |  '--- RESPONSE ----'  |  |   .---- RESPONSE -------'  |  | GOODBYE (BYE_OK sent)
 *      |      |                       |  |   v                        |  v
 *      |      '-----------------------+--+--ASLEEP <-- RESPONSE ------+-- LEAVING
 *      |   NODE_LEFT                  |  |                            |
 *      |            .-----------------'  '--- FAILED ---> LOST        |
 *   UNKNOWN <-------+---------- RESPONSE_LOST ------------------------'   UNKNOWN --HELLO--> ACTIVE
 *
 * LOST behaves as ASLEEP once its back-off has passed. THROTTLED returns INVOKING to where it
 * came from and holds up the whole pool; Invokes that were under way by then tell nothing new. A
 * function that is THROTTLED time after time while others are had in between (it is its own
 * concurrency that is exhausted, or nought) is LOST instead, and holds up nobody.
 * CRASHED (function error or timeout): the instance's memory is gone; the function is ABSENT if no
 * other instance is remembered, else ASLEEP; LOST, if it crashed without a HELLO. An
 * invocation that served and then crashed, or ended without our BYE_OK, backs off as well if the
 * one before was no better. HELLO in ABSENT, ASLEEP or LOST: a node adopted after a restart; it has
 * no response to come. DEADLINE in UNKNOWN: neither a node nor an answer has come of it, and it is
 * LOST; else, where no response is due, as NODE_LEFT.
 * A function of which something was DOUBTED is LOST when that invocation ends, and again after each
 * further one, until its node is BELIEVED: its back-off is none at first, and grows with each doubt
 * that follows soon.
 *
 * A second Invoke, on purpose, while the function is ACTIVE: the platform gives it to another
 * instance, the peer, because the current one is busy. The peer's states, beside the function's:
 *
 *                  INVOKE                HELLO
 *   ABSENT (none) -------> INVOKING(peer) -----> ACTIVE ---GOODBYE---> LEAVING
 *      ^                     |      |              |                      |
 *      +---RESPONSE, CRASHED-+------+--------------+----------------------'
 *      +---THROTTLED, FAILED-'      '--RESPONSE_LOST--> UNKNOWN --HELLO--> ACTIVE
 *      '---DEADLINE, NODE_LEFT----------------------------'
 *
 * HELLO in ABSENT: a node of a peer, adopted after a restart; the function's own invocation, which
 * is to be adopted as well, may still be missing then.
 *
 * The function is not invoked while it has a peer: two outstanding Invokes are those two.
 * CRASHED with a HELLO before: that instance's memory is gone.
 */
enum ic_function_state {
    IC_FUNCTION_ABSENT, /* no instance of it is known */
    IC_FUNCTION_ASLEEP,
    IC_FUNCTION_INVOKING, /* Invoke sent, no HELLO yet; `kind` says which */
    IC_FUNCTION_ACTIVE,   /* its node has said HELLO and may be asked */
    IC_FUNCTION_LEAVING,  /* BYE_OK sent: ask nothing until the response is there */
    IC_FUNCTION_UNKNOWN,  /* the response was lost: an invocation may be running, so no Invoke */
    IC_FUNCTION_LOST,     /* could not be invoked, or is not believed; backs off */
};

enum ic_invoke_kind { IC_INVOKE_SERVE, IC_INVOKE_WARM, IC_INVOKE_PEER };

/* Which of a function's invocations an event is about. */
enum ic_pool_lane { IC_LANE_SERVE, IC_LANE_PEER };

enum ic_pool_event {
    IC_POOL_INVOKE_SERVE,  /* an Invoke is being sent; ic_pool_may_invoke was true */
    IC_POOL_INVOKE_WARM,   /* the same, of a warm-up */
    IC_POOL_INVOKE_PEER,   /* the same, of a peer; ic_pool_may_raise was true */
    IC_POOL_HELLO,         /* a node's HELLO was accepted */
    IC_POOL_DOUBTED,       /* something in what its node says cannot be */
    IC_POOL_BELIEVED,      /* what its instance holds is known */
    IC_POOL_GOODBYE,       /* BYE_OK sent */
    IC_POOL_RESPONSE,      /* the Invoke was answered by the function */
    IC_POOL_CRASHED,       /* it was answered with a function error: that memory is gone */
    IC_POOL_THROTTLED,     /* 429 */
    IC_POOL_FAILED,        /* it was never run: refused connection, 4xx, 5xx */
    IC_POOL_RESPONSE_LOST, /* it may have run: the connection broke, or the answer is late */
    IC_POOL_NODE_LEFT,     /* no response is to come, but the node is known to have returned */
    IC_POOL_DEADLINE,      /* the invocation's deadline has passed */
};

/* One process of a function. Fields are for reading; pool.c writes them. */
struct ic_pool_instance {
    uint32_t serial; /* unique for the life of the proxy; 0: free slot */
    uint8_t id[IC_INSTANCE_ID_LEN];
    bool known;        /* its chunk set is known; else it is listed at its next HELLO */
    bool away;         /* a sibling answered the last invocation */
    bool greeted;      /* it has said HELLO, so the highest epoch it knows is ours; not pool.c's,
                          which keeps it when it forgets the instance, see ic_pool_has_greeted */
    bool dying;        /* the platform is ending it: it takes nothing any more; not pool.c's */
    bool odd_round;    /* of its lists, and */
    uint8_t list;      /* how far the last is; both not pool.c's, see store_list.c */
    uint8_t misses;    /* invocations in a row answered by siblings */
    uint64_t since_ms; /* heard first, since the proxy's start; 0: not heard yet */
    uint64_t heard_ms;
    int64_t copied_ms;  /* wall time: when it was last a whole copy of a sibling; 0: never */
    uint64_t capacity;  /* bytes, as the node reports them */
    uint64_t live;      /* bytes of sealed chunks that are wanted */
    uint64_t condemned; /* bytes of chunks whose DELETE is not answered yet */
    uint64_t in_flight; /* bytes of chunks being written */
    uint64_t live_chunks, condemned_chunks, in_flight_chunks;
    uint64_t held_reported; /* as the node said last */
    uint64_t op_sent;       /* number of the last operation sent to it, or its position if later */
    uint64_t op_done;       /* and of the last that was answered */
    struct ic_condemned_queue condemned_queue; /* to be deleted at the next serving invocation */
};

/* One of a function's two invocations. */
#define IC_POOL_RUN_FIELDS                                                                         \
    enum ic_function_state state;                                                                  \
    enum ic_invoke_kind kind;    /* of the last Invoke */                                          \
    enum ic_function_state from; /* the state the Invoke was sent from */                          \
    bool response_due;           /* an Invoke of ours is outstanding */                            \
    uint32_t failures;           /* without an invocation that ended well in between */            \
    uint64_t retry_ms;           /* LOST: not before */                                            \
    bool doubted;                /* and not believed since */                                      \
    uint32_t doubts;             /* in a row */                                                    \
    uint64_t deaf_ms;            /* after a doubt: no HELLO is accepted before */                  \
    uint64_t deadline_ms;        /* the running invocation ends by then */

struct ic_pool_run {
    IC_POOL_RUN_FIELDS
};

struct ic_pool_function {
    union { /* the function's own invocation: its fields are the function's */
        struct ic_pool_run serve;
        struct {
            IC_POOL_RUN_FIELDS
        };
    };
    struct ic_pool_run peer; /* ABSENT: there is none */
    uint32_t current; /* serial of the instance that answered the function's own invocation last */
    uint32_t runs;    /* the one that has its last invocation, as far as is known; 0: gone */
    uint32_t beside;  /* serial of the peer since its HELLO; 0: none */
    uint64_t used_ms; /* last invocation's start or end: the warm-up's clock */
    uint64_t warm_due_ms;
    struct ic_heap_node warm_node; /* by warm_due_ms */
    bool slow;          /* the owner's word: it answers, or comes, so late that others are better */
    uint32_t throttles; /* in a row, between which others were had; */
    uint64_t had_before; /* pool.c's: how many of these, at the last */
    uint64_t planned;    /* bytes of chunks that have a place here but no byte sent yet */
    struct ic_pool_instance instance[IC_POOL_INSTANCES_MAX];
};

struct ic_pool_settings {
    uint32_t functions;         /* 1 .. IC_POOL_FUNCTIONS_MAX */
    uint64_t capacity;          /* bytes assumed of an instance that has not reported yet, */
    uint64_t capacity_max;      /* and of one that reports more; 0: any */
    uint64_t warm_interval_ms;  /* 0: no warm-ups */
    uint64_t invocation_max_ms; /* an invocation lasts no longer */
    uint64_t backoff_min_ms, backoff_max_ms;
    uint64_t throttle_max_ms; /* and of the pool after 429; at least backoff_min_ms */
    /* An instance's memory is gone (the pool has forgotten it already). May be NULL. */
    void (*gone)(void *ctx, uint16_t function, uint32_t serial);
    void *ctx;
};

struct ic_config; /* base/config.h */
/* By the directives; nobody is told when an instance is gone. */
struct ic_pool_settings ic_pool_settings_of(const struct ic_config *config);

struct ic_pool;
struct ic_pool *ic_pool_new(const struct ic_pool_settings *settings,
                            uint64_t now_ms); /* NULL: memory */
void ic_pool_free(struct ic_pool *pool);      /* NULL is fine */

uint32_t ic_pool_count(const struct ic_pool *pool);
void ic_pool_set_slow(struct ic_pool *pool, uint16_t function, bool slow);
uint32_t ic_pool_slow_count(const struct ic_pool *pool);
uint64_t ic_pool_invocation_max(const struct ic_pool *pool); /* milliseconds */
const struct ic_pool_function *ic_pool_function(const struct ic_pool *pool, uint16_t function);
const char *ic_function_state_name(enum ic_function_state state);

/* ---- states ----------------------------------------------------------------- */

/*
 * EVENT happened to FUNCTION; RANDOM: 64 random bits (jitter). Returns the new state. The event
 * must fit the state (asserted): what comes from outside is checked by the caller first.
 */
enum ic_function_state ic_pool_event(struct ic_pool *pool, uint16_t function,
                                     enum ic_pool_event event, uint64_t now_ms, uint64_t random);
/* The same about the invocation of LANE; the peer's state if it is the peer's. */
enum ic_function_state ic_pool_lane_event(struct ic_pool *pool, uint16_t function,
                                          enum ic_pool_lane lane, enum ic_pool_event event,
                                          uint64_t now_ms, uint64_t random);
/* When the function may be invoked: NOW_MS or earlier: now; UINT64_MAX: an event must come first.
 */
uint64_t ic_pool_invoke_at(const struct ic_pool *pool, uint16_t function);
bool ic_pool_may_invoke(const struct ic_pool *pool, uint16_t function, uint64_t now_ms);
/* A HELLO may be accepted in this state (not: of a warm-up, or while LEAVING). */
bool ic_pool_may_hello(const struct ic_pool *pool, uint16_t function);
/*
 * The next function due for a warm-up at NOW_MS that may be invoked, or -1; *NEXT_MS: when to ask
 * again. Functions used within warm_interval_ms are passed over.
 */
int ic_pool_warm_next(struct ic_pool *pool, uint64_t now_ms, uint64_t *next_ms);
/* A second Invoke of FUNCTION, of a peer, may be sent now. */
bool ic_pool_may_raise(const struct ic_pool *pool, uint16_t function, uint64_t now_ms);
/* When the node of the running invocation of LANE is sent home at the latest, so that it does not
 * last too long. */
uint64_t ic_pool_farewell_ms(const struct ic_pool *pool, uint16_t function, enum ic_pool_lane lane);
/* The peer's HELLO may be accepted; ABSENT: of one that an earlier proxy raised. */
bool ic_pool_may_meet(const struct ic_pool *pool, uint16_t function);
/* Another interval from now on (0: no warm-ups); the same one changes nothing. */
void ic_pool_set_warm_interval(struct ic_pool *pool, uint64_t interval_ms, uint64_t now_ms);

/* ---- instances -------------------------------------------------------------- */

/*
 * Instance ID of FUNCTION was heard (HELLO or an Invoke's response) and reports CAPACITY, POSITION
 * and HELD bytes. It becomes the current one, its siblings but for the peer are away, and gone
 * after IC_POOL_MISSES_MAX invocations unless peers are raised. A new one that holds nothing is
 * known at once.
 */
struct ic_pool_instance *ic_pool_heard(struct ic_pool *pool, uint16_t function,
                                       const uint8_t id[IC_INSTANCE_ID_LEN], uint64_t capacity,
                                       uint64_t position, uint64_t held, uint64_t now_ms);
/*
 * The same of the peer: the current one stays, and siblings that neither Invoke has shown are gone
 * after IC_POOL_MISSES_MAX such pairs in a row.
 */
struct ic_pool_instance *ic_pool_met(struct ic_pool *pool, uint16_t function,
                                     const uint8_t id[IC_INSTANCE_ID_LEN], uint64_t capacity,
                                     uint64_t position, uint64_t held, uint64_t now_ms);
/* Peers are raised from now on, or not: then invocations that a sibling answers count as misses. */
void ic_pool_set_peers(struct ic_pool *pool, bool raised);
/* The sibling of the current instance that was heard last; NULL: none is remembered. */
const struct ic_pool_instance *ic_pool_sibling(const struct ic_pool *pool, uint16_t function);
/* At the proxy's start: an instance named by the journal. Not known, so listed at its first HELLO.
 */
struct ic_pool_instance *ic_pool_restore(struct ic_pool *pool, uint16_t function,
                                         const uint8_t id[IC_INSTANCE_ID_LEN]);
/* When all instances and their chunks are restored: of each function the one that holds the most is
 * the current one. */
void ic_pool_restored(struct ic_pool *pool);
/* An instance of FUNCTION holds more of what is wanted than instance ID does. */
bool ic_pool_outdone(const struct ic_pool *pool, uint16_t function,
                     const uint8_t id[IC_INSTANCE_ID_LEN]);
/* Instance ID was `greeted`, be it forgotten since: as long as its place was not needed. */
bool ic_pool_has_greeted(struct ic_pool *pool, uint16_t function,
                         const uint8_t id[IC_INSTANCE_ID_LEN]);
/* NULL: not held (any more). */
struct ic_pool_instance *ic_pool_find(const struct ic_pool *pool, uint16_t function,
                                      uint32_t serial);
struct ic_pool_instance *ic_pool_find_id(struct ic_pool *pool, uint16_t function,
                                         const uint8_t id[IC_INSTANCE_ID_LEN]);
/* That instance's memory still counts as there (it may be away). */
bool ic_pool_holds(const struct ic_pool *pool, uint16_t function, uint32_t serial);
/* What is away and was not heard for AGE_MS (counted from the pool's start for an instance that
 * only the journal knows) is gone: platforms keep no idle instance so long. */
void ic_pool_expire_away(struct ic_pool *pool, uint64_t age_ms, uint64_t now_ms);
/* Its memory is gone: forget it. The sibling heard last, if there is one, takes its place. */
void ic_pool_gone(struct ic_pool *pool, uint16_t function, uint32_t serial);
void ic_pool_set_known(struct ic_pool_instance *instance, bool known);

/* ---- bytes ------------------------------------------------------------------ */

/*
 * Bytes that new chunks may take on FUNCTION: capacity - live - in flight of the current instance,
 * less what is planned. Condemned bytes count as free: their DELETEs precede every WRITE. An empty
 * instance will take the place of one that is dying.
 */
uint64_t ic_pool_room(const struct ic_pool *pool, uint16_t function);
/* Capacity of the current instance, or the assumed one. */
uint64_t ic_pool_capacity(const struct ic_pool *pool, uint16_t function);
struct ic_pool_space {
    uint64_t room, capacity; /* as above */
    bool ending; /* the current instance is dying: what takes its place is not there yet */
};
/* All of that at once. */
struct ic_pool_space ic_pool_space(const struct ic_pool *pool, uint16_t function);

void ic_pool_plan(struct ic_pool *pool, uint16_t function, uint64_t cost);
void ic_pool_unplan(struct ic_pool *pool, uint16_t function, uint64_t cost);
/* The chunk's first WRITE (or its SEAL) goes to SERIAL: planned -> in flight. */
void ic_pool_begin(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost);
/* The chunk, in flight on SERIAL, takes COST more. */
void ic_pool_grow(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost);
/* A chunk that lies on a sibling is about to be written to SERIAL: COST is in flight. */
void ic_pool_copy(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost);
/* The chunk is sealed: BEGUN (as given to ic_pool_begin, and grown) leaves in flight, COST becomes
 * live. */
void ic_pool_sealed(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t begun,
                    uint64_t cost);
/* From the journal or a list: COST becomes live. */
void ic_pool_restore_chunk(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost);
/* A live chunk was found not to be there (ENOENT, missing in the list): live -> free. */
void ic_pool_missing(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost);
/*
 * The chunk is not wanted: its bytes become condemned and its DELETE is queued. FROM says which
 * bytes they were. If the queue has no memory the instance becomes not known, so that listing it
 * finds the chunk.
 */
enum ic_pool_from { IC_POOL_FROM_LIVE, IC_POOL_FROM_IN_FLIGHT, IC_POOL_FROM_LIST };
void ic_pool_condemn(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t object_id,
                     uint16_t chunk, uint64_t cost, enum ic_pool_from from);
/* A DELETE, for what was taken off the queue, was not answered: back to its front. If that has no
 * memory the instance becomes not known, as above. */
void ic_pool_condemned_return(struct ic_pool *pool, uint16_t function, uint32_t serial,
                              const struct ic_condemned *condemned);
/* The DELETE was answered: the bytes are free. */
void ic_pool_deleted(struct ic_pool *pool, uint16_t function, uint32_t serial,
                     const struct ic_condemned *condemned);

#endif
