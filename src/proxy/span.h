/*
 * span.h - a few stripes of an object on their way from the nodes: each asked chunk's units of
 * these stripes are one READ into one segment, verified unit by unit as it comes; what is missing
 * is rebuilt. The mechanism; which chunks to ask is the reader's decision (reader.h).
 *
 *              stripe 3   stripe 4   stripe 5
 *   segment 0 [ unit     | unit     | unit     ]  <- chunk 0, contiguous
 *   segment 1 [ unit     | unit     | unit     ]  <- chunk 1
 *   ...                                              the object's order runs down, then right
 */
#ifndef IC_PROXY_SPAN_H
#define IC_PROXY_SPAN_H

#include "net/net.h"
#include "proxy/functions.h"

struct ic_layout;
struct ic_object;
struct ic_proxy;
struct ic_rs;

struct ic_segment {
    struct ic_node_request read;
    struct ic_buf *buf; /* NULL: none yet */
};

/* Fields are for reading; sets have one bit per chunk. */
struct ic_span {
    struct ic_list node; /* the reader's */
    struct ic_proxy *proxy;
    const struct ic_object *object;
    const struct ic_layout *layout;
    uint64_t first;    /* stripe */
    uint64_t from, to; /* bytes of the object that are wanted of it */
    uint64_t need;     /* chunks wanted of it: the data chunks in which these lie, or others */
    uint64_t asked;    /* READs under way */
    uint64_t late;     /* of these, no longer waited for */
    uint64_t held;     /* came and verified, or rebuilt */
    uint64_t asked_ms; /* when the last was asked */
    uint32_t stripes;
    uint16_t chunk_count;     /* d + p */
    uint32_t length;          /* bytes of each segment */
    enum ic_cost_cause cause; /* of its READs */
    bool complete;            /* all of `need` is held: bytes can be taken */
    bool starved;             /* the reader's: waits for a buffer */
    bool woken;               /* the reader's: a node it asked was not awake */
    /* From the loop: CHUNK came (0), or did not: the READ's result, or IC_ECORRUPT. */
    void (*answered)(struct ic_span *span, uint16_t chunk, int result);
    void *owner;
    struct ic_reap reap;
    uint32_t *crcs;              /* stripes per segment */
    struct ic_segment segment[]; /* d + p */
};

/*
 * STRIPES stripes from FIRST on, of which the bytes FROM..TO are wanted (both inside), or, if
 * CHUNKS is not empty, these chunks whole. LAYOUT and OBJECT outlive the span. NULL: out of memory.
 */
struct ic_span *ic_span_new(struct ic_proxy *p, const struct ic_object *object,
                            const struct ic_layout *layout, uint64_t first, uint32_t stripes,
                            uint64_t from, uint64_t to, uint64_t chunks);
/* Cancels what is under way and releases the buffers. */
void ic_span_free(struct ic_span *span);

/* Asks CHUNK, whose segment has a buffer of `length` bytes. */
void ic_span_ask(struct ic_span *span, uint16_t chunk);
/*
 * If d chunks are held or all that are needed: rebuilds what is missing (every needed segment has
 * a buffer), cancels what is still under way and is complete. IC_ENOMEM.
 */
int ic_span_finish(struct ic_span *span, struct ic_rs *rs) IC_MUST_USE;

/* The longest run of bytes of a complete span from AT on (from <= AT < to), before LIMIT; *OWNER
 * holds them. */
struct ic_slice ic_span_bytes(const struct ic_span *span, uint64_t at, uint64_t limit,
                              struct ic_buf **owner);

#endif
