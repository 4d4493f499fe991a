/*
 * reply.h - what one client is to be sent, in order: bytes that are there, and ranges
 * of objects that are fetched when their turn has come and go out by reference.
 *
 *   handlers --write--> [bytes][object 0-9][bytes] --pump--> stream
 *                                  |  ^
 *                               ic_get: data; paused while the stream's queue is long
 *
 * Memory: bytes and objects in line are counted, and bounded by the limit; a body by the stream's
 * queue (IC_REPLY_QUEUE_MAX and one segment) and by the window. What is short is copied into the
 * queue, bodies too, so that thousands of small objects hold nothing of the window. Nor do large
 * ones where there is no room for a stripe: they are fetched in pieces of a unit, the next when the
 * system has taken the last, so that nobody waits for a client that reads slowly.
 *
 * Objects of few bytes behind the first are fetched ahead, some at a time, as copies that are
 * counted: one by one, each would take a turn of the loop, which others may fill.
 *
 * A client that reads while it sends needs little of that: so no command begins while more waits
 * than the allowance. One that sends a whole pipeline before it reads is waited for in vain: the
 * allowance is raised each time nothing has gone out for a while, up to the limit.
 */
#ifndef IC_PROXY_REPLY_H
#define IC_PROXY_REPLY_H

#include "base/list.h"
#include "core/catalog.h"
#include "proto/resp.h"
#include "proxy/read_pace.h"

struct ic_get;
struct ic_object;
struct ic_proxy;
struct ic_stream;
struct ic_worker;

enum {
    IC_REPLY_KEYS_MAX = 16 << 20,   /* bytes of the keys that KEYS finds */
    IC_REPLY_QUEUE_MAX = 512 << 10, /* bytes in the stream: then nothing is added; the allowance */
    IC_REPLY_PART_MIN = 16 << 10,   /* bytes that wait longer are put away in pieces of this size */
};

/*
 * What the objects of one command cost, and when the last of them has gone out, or will not:
 * SETTLED is called then, once. EXEC's holds those of its commands.
 */
struct ic_reply_bill {
    size_t memory; /* of the bill and what hangs on it: counted until it is settled */
    struct ic_reply_bill *parent; /* on which this one is, or NULL */
    unsigned open;                /* objects still in line, and bills on this one */
    uint64_t turn_us;             /* monotonic: when the first object's turn came; 0: not yet */
    bool failed;                  /* an object could not be read (to its end) */
    double dollars;
    /* ERROR (as in ic_resp_error) is said in place of an object. */
    void (*refused)(struct ic_reply_bill *bill, const char *error);
    void (*settled)(struct ic_reply_bill *bill);
};

struct ic_reply {
    struct ic_resp_writer out; /* where handlers write */
    /* ---- */
    struct ic_proxy *proxy;
    struct ic_stream *stream;                   /* NULL: nothing goes out any more */
    struct ic_worker *worker;                   /* whose work it is to send: pumps again */
    void (*changed)(void *ctx);                 /* something went out: there may be room again */
    void (*broken)(void *ctx, const char *why); /* out of step: the connection must be closed */
    void *ctx;
    struct ic_buf tail;   /* written by handlers, not yet a part */
    struct ic_list parts; /* before it */
    uint64_t parts_made;  /* ever */
    size_t parts_memory;  /* with their bills' */
    size_t limit;         /* of parts and tail */
    size_t allowance;
    unsigned part_count;
    unsigned objects;
    unsigned ahead;     /* of them are fetched before their turn */
    unsigned holds;     /* while not 0 nothing goes out */
    bool silent;        /* what is added will be taken back: null in place of objects */
    struct ic_get *get; /* fetches the first part */
    bool begun;         /* its header is sent */
    uint64_t given;     /* bytes of it, to the stream; not 0: it goes on whatever holds the rest */
    uint64_t asked;     /* bytes that `get` is of */
    bool paused;
    uint64_t bytes_out; /* given to the stream, ever */
    uint64_t
        object_end; /* of them the last byte in a buffer of the window: until there it is held */
    struct ic_read_pace pace;
    uint64_t near_ms; /* how long the first part has been near its end at that pace */
};

struct ic_reply_mark {
    uint64_t parts; /* made by then */
    size_t length;  /* of the tail */
};

/* WORKER is lined up (turns.h) when more is left to be pumped than this turn takes. */
void ic_reply_init(struct ic_reply *r, struct ic_proxy *proxy, struct ic_stream *stream,
                   struct ic_worker *worker, void (*changed)(void *ctx),
                   void (*broken)(void *ctx, const char *why), void *ctx);
void ic_reply_deinit(struct ic_reply *r); /* drops everything */
/* The same piece by piece. First nothing goes out any more, and neither the stream nor window
 * memory is held; what is still written is dropped with the rest; */
void ic_reply_stop(struct ic_reply *r);
/* then MOST parts are dropped. False: that was all. */
bool ic_reply_drop_some(struct ic_reply *r, unsigned most);

/* What waits may take so much memory from now on; more is a failure of the writer. At first there
 * is no limit. */
void ic_reply_set_limit(struct ic_reply *r, size_t limit);
/* Adds a bulk of LENGTH bytes of OBJECT from OFFSET on. If it turns out to be lost, or is evicted
 * before its turn comes, null is said, or the empty string if IS_RANGE. False: no memory, or beyond
 * the limit; the writer has failed. */
bool ic_reply_object(struct ic_reply *r, struct ic_object *object, uint64_t offset, uint64_t length,
                     bool is_range);
/* Adds what is in BYTES, without a copy if it is much: then BYTES is empty afterwards. */
void ic_reply_take(struct ic_reply *r, struct ic_buf *bytes);
/* A place in what waits, valid while nothing behind it goes out; rewind drops what was added since.
 * The object before it, of which a part was sent already, may come to its end meanwhile. */
struct ic_reply_mark ic_reply_mark(const struct ic_reply *r);
void ic_reply_rewind(struct ic_reply *r, struct ic_reply_mark mark);
/* What was added since MARK, until more is; empty if that is more than bytes of the last part. */
struct ic_slice ic_reply_since(const struct ic_reply *r, struct ic_reply_mark mark);
/* An object was added since MARK. */
bool ic_reply_has_objects(const struct ic_reply *r, struct ic_reply_mark mark);
/* The objects added since MARK, of which there is at least one, are on BILL, which must stay until
 * it is settled; those that are on bills already by these. */
void ic_reply_put_on_bill(struct ic_reply *r, struct ic_reply_mark mark,
                          struct ic_reply_bill *bill);
/* Between hold and release nothing goes out. */
void ic_reply_hold(struct ic_reply *r);
void ic_reply_release(struct ic_reply *r);
/* Sends what can be sent. */
void ic_reply_pump(struct ic_reply *r);
/* Nothing waits any more (the stream may still have bytes queued). */
bool ic_reply_empty(const struct ic_reply *r);
/* So much waits that no further command shall begin. */
bool ic_reply_full(const struct ic_reply *r);
/* It is full, and the client does not read: twice as much may wait. */
void ic_reply_allow_more(struct ic_reply *r);
/*
 * What the client keeps of the pool, where nothing can evict it: the object that is being sent, if
 * it is known that the client is slow and will not be through with it within IC_SESSION_NEAR_MS, or
 * if that has been said of it for longer than these. An object that is being sent to many is shared
 * out among them: all of them together keep it once, so who reads what is popular keeps little, and
 * to cut one of them would free nothing.
 */
struct ic_pool_use ic_reply_pool_use(const struct ic_reply *r);
/* Bytes that have come to the client's system, ever; asks ours. */
uint64_t ic_reply_acknowledged(const struct ic_reply *r);
/* Memory that waits to be sent; but for objects' bytes, which the window counts. */
size_t ic_reply_memory(const struct ic_reply *r);
/* The stream's queue has become empty. */
void ic_reply_drained(struct ic_reply *r);
/* How long the client, at its pace, will need to read so much that what it holds of the window is
 * given back; 0: it holds nothing, or its pace is not known yet; UINT64_MAX: it reads nothing. */
uint64_t ic_reply_hold_ms(const struct ic_reply *r, uint64_t now_ms);
/* Call about every second; RECEIVED bytes have come from the client, ever. False: it holds an
 * object or buffers of one, or anything if these are the LAST replies to it, and is slower than
 * RATE (read_pace.h), from object to object until it has read all. Who sends a whole pipeline
 * before the first reply is read is not slow. */
bool ic_reply_fast_enough(struct ic_reply *r, uint64_t now_ms, uint64_t rate, uint64_t received,
                          bool last);

#endif
