/*
 * functions.h - asks the functions: whoever wants a chunk read, written or sealed
 * submits a request; a sleeping function is invoked, its node's link carries the
 * request, and `done` tells what came of it. Holds the pool (core/pool.h), the
 * listener for nodes, the Invokes and every timer about them.
 *
 *   put, get --submit--> queue per function --> link of its node --> done
 *                              |                    ^ HELLO
 *                              '--Invoke--> platform '
 */
#ifndef IC_PROXY_FUNCTIONS_H
#define IC_PROXY_FUNCTIONS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "base/slice.h"
#include "core/cost.h"
#include "core/listing.h"
#include "core/outage.h"

#include <assert.h>

struct ic_books;
struct ic_config;
struct ic_item; /* proto/link_body.h: one chunk of a list */
struct ic_functions;
struct ic_link;
struct ic_link_slot;
struct ic_loop;
struct ic_object; /* core/catalog.h */
struct ic_pool;   /* core/pool.h */
struct ic_prices; /* core/price.h */
struct ic_turns;  /* proxy/turns.h */

/* Bytes of ic_functions_trouble, its zero included: a function's name, the platform's words
 * (IC_LAMBDA_TEXT_MAX) and up to 90 of advice. */
enum { IC_TROUBLE_MAX = 400 };

enum ic_node_op { IC_NODE_READ, IC_NODE_WRITE, IC_NODE_SEAL, IC_NODE_STAT, IC_NODE_MARK };

enum {
    IC_NODE_READ_MAX = 1 << 20,  /* bytes of one READ */
    IC_NODE_WRITE_MAX = 1 << 20, /* bytes of one WRITE, without its CRCs */
};

/*
 * A request: embedded in its owner's struct, zeroed before first use, filled in, submitted. Between
 * submit and `done` (or cancel) it must not move or change, and what it points to must stay: it is
 * in queues then, which it knows (ic_node_request_is_idle). Whoever overwrites it or frees its
 * owner passes through one of the functions below, which see that it is in none.
 *
 * Results: 0, or
 *   IC_EUNAVAIL  the function cannot be invoked, or no node came within `invoke-timeout`; READ: the
 *                node has no memory to answer with
 *   IC_ESTALE    that instance is gone for good, the chunk with it
 *   IC_EAWAY     another instance answers in its place at present: as good as lost for this
 *                request (count it as a missing chunk), but do not record it as lost
 *   IC_ENOSPC    WRITE: the node has no room
 *   IC_ENOENT    READ: the node does not have the chunk (or not that range). STAT: nothing of it
 *   IC_ETIMEOUT  no answer within `node-timeout`, counted from when the node was awake
 *   IC_EIO       the node refused it for another reason (a hole, a wrong length): as if lost
 */
struct ic_node_request {
    enum ic_node_op op;
    enum ic_cost_cause cause; /* of the invocation, if this request is what makes one necessary */
    uint16_t function;
    uint16_t chunk;
    /*
     * Serial of the instance that holds the chunk. 0 on a WRITE or SEAL of a chunk that is on none
     * yet: set, before any byte is sent, to the one that ic_functions_handler.begin names.
     */
    uint32_t instance;
    uint32_t nodes; /* that the same client waits for at once, this one included; 0 counts as 1 */
    uint64_t object_id;
    uint64_t offset; /* in the chunk, on a unit's bound. MARK: wall time, the instance is a whole
                        copy as of then */
    uint32_t length; /* READ: bytes wanted, up to a unit's bound or the chunk's end */
    uint32_t unit;   /* the stripe layout's unit; READ and WRITE */

    /* WRITE */
    bool first; /* the chunk's first request: names its length (WRITE at offset 0, or SEAL of 0
                   bytes) */
    uint64_t chunk_length; /* WRITE and SEAL */
    const uint32_t *crcs;  /* one per unit of body, in host order */
    struct ic_slice body;  /* whole units, or up to the chunk's end */
    struct ic_buf *owner;  /* of body; a reference is taken while the bytes are queued */

    struct ic_object *object; /* WRITE with instance 0, and SEAL */

    /* SEAL */
    struct ic_slice key;
    int64_t expires_ms;

    /* READ */
    uint8_t *into;       /* length bytes: read from the socket straight to here */
    uint32_t *crcs_into; /* one per unit of the range, in host order; not verified here */

    /* STAT: the chunk's item (ic_item_decode) is appended to this */
    struct ic_buf *item;

    /* Exactly once, never on the stack of submit or cancel; may submit again. */
    void (*done)(struct ic_node_request *r, int result);
    void *ctx;

    /* Set when it is answered: the invocation it caused and the time it made the node stay. */
    double dollars;

    /* Private to functions.c and link.c. */
    struct ic_list node, wait;
    uint64_t deadline_ms, submitted_ms;
    struct ic_link *link; /* that carries it */
    struct ic_link_slot *slot;
    int result;
    uint8_t stage;
    bool beside; /* it waits for the peer */
};

/* R is in no queue: not submitted, answered, or cancelled. */
static inline bool ic_node_request_is_idle(const struct ic_node_request *r)
{
    return r->stage == 0;
}
/* R, idle, becomes WHAT. */
static inline void ic_node_request_fill(struct ic_node_request *r,
                                        const struct ic_node_request *what)
{
    assert(ic_node_request_is_idle(r));
    *r = *what;
}
/* R's owner is about to be freed: R is idle, or a queue would be left with what is not there. */
static inline void ic_node_request_deinit(const struct ic_node_request *r)
{
    assert(ic_node_request_is_idle(r));
}

void ic_functions_submit(struct ic_functions *f, struct ic_node_request *r); /* R is idle */
/*
 * R is taken out of whatever queue it is in. DONE will not be called. A READ's `into` may be reused
 * at once (late bytes go to a scratch area); a WRITE that was sent may still be applied: drop its
 * chunk. Fine if R is idle.
 */
void ic_functions_cancel(struct ic_functions *f, struct ic_node_request *r);
/* Invokes the function if it sleeps, to serve: a request is about to follow. */
void ic_functions_wake(struct ic_functions *f, uint16_t function);

/*
 * Two instances of one function at a time: the one that answers, held active (and invoked, if it
 * sleeps), and its peer, raised by a second Invoke. While they are together, requests name either.
 *
 *   WAKING --active--> RAISING --the peer has said HELLO--> MET --part--> (both are sent home)
 *      '--------------------'---- met with an error          '-- one has left --> ended
 *
 * The owner fills in `function`, `cause`, the callbacks and ctx; the rest is private.
 */
struct ic_meeting {
    uint16_t function;
    enum ic_cost_cause cause; /* of the invocations it makes necessary */
    /* From the loop, once: 0 and the serials; or the meeting is over: IC_EUNAVAIL one of them
     * cannot be had, IC_ETIMEOUT it took longer than twice `invoke-timeout`. */
    void (*met)(struct ic_meeting *m, int result, uint32_t current, uint32_t beside);
    /* One of them has left: the meeting is over. Requests to it fail by themselves. */
    void (*ended)(struct ic_meeting *m);
    void *ctx;

    enum { IC_MEETING_OVER, IC_MEETING_WAKING, IC_MEETING_RAISING, IC_MEETING_MET } stage;
    uint64_t until_ms;
    uint32_t current, beside;
};
/* IC_EBUSY: FUNCTION's instances are together already, or not apart yet; IC_ENOMEM. */
int ic_functions_meet(struct ic_functions *f, struct ic_meeting *m) IC_MUST_USE;
/* No request of M's owner may be pending. M is free at once. Fine if it is over. */
void ic_functions_part(struct ic_functions *f, struct ic_meeting *m);

enum ic_function_status {
    IC_STATUS_GONE,   /* the instance's memory is gone: IC_ESTALE */
    IC_STATUS_AWAY,   /* a sibling answers at present: IC_EAWAY */
    IC_STATUS_DOWN,   /* cannot be invoked now (backs off): IC_EUNAVAIL */
    IC_STATUS_SLOW,   /* awake or not, and much later than others (core/slow.h); or not here yet
                         after as long */
    IC_STATUS_ASLEEP, /* a request would cost an invocation */
    IC_STATUS_WAKING, /* invoked, not here yet */
    IC_STATUS_AWAKE,
};
/* How a request to instance SERIAL of FUNCTION would fare now; SERIAL 0: to any instance. */
enum ic_function_status ic_functions_status(const struct ic_functions *f, uint16_t function,
                                            uint32_t serial);
/* Bytes asked of or on the way to the function and not answered. */
size_t ic_functions_backlog(const struct ic_functions *f, uint16_t function);

/* The pool, for placement and accounting (core/pool.h). A chunk is deleted by ic_pool_condemn: it
 * goes out at the instance's next serving invocation, never waking it; if it is awake, soon
 * after ic_functions_condemned, or at once.
 */
struct ic_pool *ic_functions_pool(struct ic_functions *f);
void ic_functions_condemned(struct ic_functions *f, uint16_t function);
void ic_functions_flush_deletes(struct ic_functions *f, uint16_t function);

/*
 * A dying instance was `offered` (below), and nothing more will be asked of it: it is let go when
 * what is under way is answered, and its memory counts as gone, at once if nothing is.
 */
void ic_functions_release(struct ic_functions *f, uint16_t function, uint32_t serial);

/* ---- start and stop --------------------------------------------------------- */

/* What the owner of the catalog is told. All may be called in any turn; none may be NULL. */
struct ic_functions_handler {
    /*
     * An instance whose chunk set was not known has been listed: ITEM once per chunk on it, then
     * END. The handler condemns what is not live (IC_POOL_FROM_LIST), calls ic_pool_restore_chunk
     * for what is and was not counted yet, and later reports live chunks that were not among the
     * items as missing. All bytes counted as live before belong to the same instance SERIAL.
     */
    void (*list_begin)(void *ctx, uint16_t function, uint32_t serial);
    uint32_t (*list_item)(void *ctx, uint16_t function, uint32_t serial,
                          const struct ic_item *item); /* returns what ic_store_list_item does */
    void (*list_end)(void *ctx, uint16_t function, uint32_t serial);
    /*
     * The platform ends instance SERIAL within half a second: ITEMS, a list of struct ic_item,
     * valid on this stack, are what it says it holds, and it answers READs until it is released
     * (ic_functions_release, on this stack or later) or gone.
     */
    void (*offered)(void *ctx, uint16_t function, uint32_t serial, struct ic_slice items);
    /*
     * R, a WRITE or SEAL with instance 0, can go to instance SERIAL of its function: returns the
     * instance that its chunk is on, which is SERIAL from now on if it was none (ic_store_begin). R
     * is sent if it is SERIAL.
     */
    uint32_t (*begin)(void *ctx, const struct ic_node_request *r, uint32_t serial);
    /* The instance's memory is gone (ic_pool_holds is false by now). */
    void (*gone)(void *ctx, uint16_t function, uint32_t serial);
    /* FUNCTION's node has seen another proxy, of EPOCH, which is not below ours: to be answered
     * with ic_functions_set_epoch, or not at all; then it is not spoken to. False: it lies. */
    bool (*epoch_seen)(void *ctx, uint16_t function, uint32_t epoch);
};

enum { IC_SECRET_LEN = 32 };
struct ic_functions_setup {
    struct ic_loop *loop;
    const struct ic_config *config;
    const struct ic_prices *prices; /* of functions: the leases' */
    struct ic_books *books;         /* told of every invocation */
    uint8_t secret[IC_SECRET_LEN];  /* persisted: link keys derive from it */
    uint32_t epoch;                 /* raised at every start of the proxy */
    bool adopt; /* the proxy before did not send its nodes home: wait for them */
    /* A proxy may have run before whose secret is lost. A node of its does not answer to us and
     * leaves soon; meanwhile its function must not be invoked, or another instance would answer. */
    bool strangers;
    bool rebuild; /* until ic_functions_begin_warm_ups: no warm-up, and the epoch is a guess */
    const struct ic_functions_handler *handler;
    void *ctx;
};
/* Does not listen or invoke yet, so that the journal may be loaded into the pool first. IC_ENOMEM,
 * IC_EINVAL. */
int ic_functions_new(const struct ic_functions_setup *setup, struct ic_functions **out) IC_MUST_USE;
/* Listens on `node-bind`:`node-port`, adopts nodes that dial in for `adopt-wait`, then warms every
 * function up (unless the catalog is to be rebuilt first). IC_EIO, IC_EEXIST: the address cannot be
 * had. */
int ic_functions_start(struct ic_functions *f) IC_MUST_USE;
/* What nodes list is work of TURNS from now on, or with NULL, as at first, is taken as it comes.
 * What waits for its turn then does so for ever: before F is freed. */
void ic_functions_share_turns(struct ic_functions *f, struct ic_turns *turns);
void ic_functions_begin_warm_ups(struct ic_functions *f);
/* The epoch of WELCOMEs and payloads from now on, above the present one. */
void ic_functions_set_epoch(struct ic_functions *f, uint32_t epoch);
/* Sends every awake node home (BYE_OK); DONE(ctx) when all links are closed, or after WITHIN_MS. */
void ic_functions_stop(struct ic_functions *f, uint64_t within_ms, void (*done)(void *ctx),
                       void *ctx);
void ic_functions_free(struct ic_functions *f); /* NULL is fine; no request may be pending */
/* The platform said last, and after SINCE_MS, that there is no such function. */
bool ic_functions_missing(const struct ic_functions *f, uint16_t function, uint64_t since_ms);
/* Sends FUNCTION's node home, if it is awake, once nothing is outstanding. */
void ic_functions_dismiss(struct ic_functions *f, uint16_t function);
/* What FUNCTION's node has listed since the start. */
struct ic_listing ic_functions_listing(const struct ic_functions *f, uint16_t function);
/* Every function has been heard of since the start, or is given up. */
bool ic_functions_ready(const struct ic_functions *f);
uint16_t ic_functions_node_port(const struct ic_functions *f);

/* ---- figures ---------------------------------------------------------------- */

struct ic_function_figures {
    /* Sent; what they cost is in the books. */
    uint64_t invocations_serve, invocations_warm, invocations_peer;
    uint64_t deletes_peer; /* chunks that peers were told to delete */
    uint64_t failures, throttles, crashes, lost_responses;
    uint64_t hellos, hellos_refused, dismissed, redials;
    uint64_t asked_ms;      /* a request was submitted last, on the loop's clock; 0: never */
    uint64_t links_refused; /* of all functions: links closed without a valid, expected HELLO */
};
/* Of one function, or of all with FUNCTION < 0. */
struct ic_function_figures ic_functions_figures(const struct ic_functions *f, int function);
/* Milliseconds since each Invoke was sent of which it is not known yet what it cost, all together.
 */
uint64_t ic_functions_outstanding_ms(const struct ic_functions *f);
/* The last trouble with a function in words, for clients: which, what and what helps; "" if there
 * was none for a minute. Valid until the next turn. */
const char *ic_functions_trouble(const struct ic_functions *f);
/* No function could be had for MS (core/outage.h), as the trouble tells; 0: they can, as far as is
 * known. */
struct ic_functions_outage {
    uint64_t ms;
    enum ic_outage_cause cause;
};
struct ic_functions_outage ic_functions_outage(const struct ic_functions *f);
/* FUNCTION, which was woken, has not been heard of for SILENT_MS: what that says is noted. */
void ic_functions_note_silence(struct ic_functions *f, uint16_t function, uint64_t silent_ms);
/* What FUNCTION's node is told of its stay, and why. */
struct ic_function_stay {
    uint32_t lease_ms; /* the last given; 0: none yet */
    uint64_t gap_ms;   /* between visits, smoothed; 0: not known */
};
struct ic_function_stay ic_functions_stay(const struct ic_functions *f, uint16_t function);
/* Call often: what went over the links since is entered in the books. */
void ic_functions_count_transfer(struct ic_functions *f);
/* What a read of a chunk on FUNCTION would cost now, and whether it would invoke the function; with
 * ASLEEP: if it slept. */
struct ic_read_price {
    bool invokes;
    double dollars;
};
struct ic_read_price ic_functions_read_price(const struct ic_functions *f, uint16_t function,
                                             bool asleep);
const char *ic_functions_name(const struct ic_functions *f, uint16_t function);

#endif
