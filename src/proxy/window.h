/*
 * window.h - the buffers for bytes on their way between clients and functions: a pool with one
 * total bound, so that the proxy's memory does not depend on what clients and nodes do.
 *
 *              admit(minimum)                  take(size)
 *   (none) ---> WAITING --first in line--> ADMITTED ----> buffers, shared by reference
 *                  '------- leave -------------'            '--last unref--> back to the pool
 *
 * A request states its minimum and starts when it is reserved, first come first served in its line;
 * it never waits for admission while it holds anything. Up to its minimum it always gets buffers;
 * beyond it while nobody waits and GROWTH_SHARE of the memory is not reached. Sizes are rounded up
 * to classes (2^k and 3 * 2^(k-1) bytes): at most a third is lost; large buffers are whole pages.
 *
 * Who is waited for with memory that others wait for is not the window's to know: see sessions.c.
 * There is a line for each of four uses, and to each a part of the memory is kept that the others
 * cannot have: however many clients upload and stall, values are read, and the other way round, and
 * what is small waits for neither; nor do small reads wait for small values that find no room in
 * the pool. A minimum that is more than what is kept for its use waits for the memory that its use
 * has nothing of; until it has it nobody later is let in, but for what is small, within its part.
 *
 *   [ small reads 1/16 | small writes 1/16 | reads 3/16 | writes 3/16 | whoever comes first ]
 */
#ifndef IC_PROXY_WINDOW_H
#define IC_PROXY_WINDOW_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"

struct ic_loop;
struct ic_window;

enum {
    IC_WINDOW_BUFFER_MAX = 64 << 20,  /* bytes of one buffer */
    IC_WINDOW_TRIM_MS = 100,          /* after so long without a take no free buffer is kept */
    IC_WINDOW_RETRY_MS = 10,          /* after the system gave no memory */
    IC_WINDOW_SMALL_BYTES = 64 << 10, /* a READ with a minimum up to this is small, or a value */
};

/* Of a READ, or of a value. */
static inline bool ic_window_is_small(uint64_t bytes)
{
    return bytes <= IC_WINDOW_SMALL_BYTES;
}

enum ic_window_use {
    IC_WINDOW_READ,
    IC_WINDOW_WRITE,
    IC_WINDOW_SMALL_READ, /* of few bytes */
    IC_WINDOW_SMALL_WRITE,
    IC_WINDOW_USES,
};

/* A request's share: embedded in its owner, zeroed before first use. Fields are private. */
struct ic_grant {
    struct ic_list node;    /* waiting for admission, or to be told */
    struct ic_list buffers; /* taken and not released yet */
    struct ic_window *window;
    size_t reserved;   /* the minimum */
    size_t held;       /* bytes taken and not released yet */
    uint64_t since_ms; /* when it asked for admission */
    enum ic_window_use use;
    bool admitted, wanting;
    bool in_front; /* ic_window_bring_forward */
    void (*ready)(void *ctx);
    void *ctx;
};

/* Buffers of LIMIT bytes in all; allocates none yet. NULL: out of memory. */
struct ic_window *ic_window_new(struct ic_loop *loop, size_t limit);
/* Every buffer must have been released. NULL is fine. */
void ic_window_free(struct ic_window *w);

/*
 * Queues G for MINIMUM bytes (sum of ic_window_size of what it needs at once) to be used for USE: a
 * READ of few bytes is a SMALL_READ; whether a WRITE is of a small value the caller knows.
 * True: admitted already; else READY(ctx) tells when. READY is also called, in a later turn, when a
 * take that failed is worth another try. More than the window has beside the parts of what is small
 * (of an object that was stored with larger units or a larger window) is given when nobody has any
 * but for what is small, which has its parts beside it.
 */
bool ic_window_admit(struct ic_window *w, struct ic_grant *g, enum ic_window_use use,
                     size_t minimum, void (*ready)(void *ctx), void *ctx) IC_MUST_USE;
/* G, if it waits for admission, goes before those of its line that were not brought forward: it has
 * what they wait for as well. */
void ic_window_bring_forward(struct ic_grant *g);
/* MINIMUM for USE would be admitted at once. */
bool ic_window_has_room(const struct ic_window *w, enum ic_window_use use, size_t minimum);
/* The end of G's share: READY is not called any more, buffers that are still referenced count until
 * their last unref. Fine if G was never admitted. */
void ic_window_leave(struct ic_grant *g);

/* A buffer with one reference, cap >= SIZE (at most IC_WINDOW_BUFFER_MAX), len 0; of an admitted G.
 * NULL: not now; READY will tell. */
struct ic_buf *ic_window_take(struct ic_grant *g, size_t size);
/* COUNT takes of SIZE would succeed now, unless the system has no memory. If not, READY will tell.
 */
bool ic_window_can_take(struct ic_grant *g, size_t size, uint32_t count);
/* WAITING(ctx) is called, by ic_window_admit, whenever one waits for admission and nobody else
 * does; it must not call the window. NULL: nothing. */
void ic_window_on_waiting(struct ic_window *w, void (*waiting)(void *ctx), void *ctx);
/* How long the first of those whom memory that a GIVER has helps has waited for admission, at
 * NOW_MS: of the same use, or of any, if that use has more than is kept for it. 0: none. */
uint64_t ic_window_waited_ms(const struct ic_window *w, enum ic_window_use giver, uint64_t now_ms);
/* So many wait for admission, or the first for USE has waited for so long, that each of those
 * before them should be out of their way as soon as it can. */
bool ic_window_is_crowded(const struct ic_window *w, enum ic_window_use use);
/* What a buffer of SIZE bytes counts. */
size_t ic_window_size(size_t size);
/* What of a window of LIMIT bytes is kept for USE. */
size_t ic_window_kept(size_t limit, enum ic_window_use use);
/* The most that a stripe's buffers should count in a window of LIMIT bytes, a size that is not
 * rounded up: one is read and another written at a time, although what is small has its parts. */
size_t ic_window_stripe_max(size_t limit);

struct ic_window_stats {
    size_t limit;
    size_t used;       /* reserved or taken */
    size_t taken;      /* in buffers that are out */
    size_t cached;     /* in buffers kept for reuse */
    size_t peak;       /* the most of taken + cached so far */
    uint32_t admitted; /* requests */
    uint32_t waiting;
};
struct ic_window_stats ic_window_stats(const struct ic_window *w);

#endif
