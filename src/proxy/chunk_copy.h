/*
 * chunk_copy.h - one sealed chunk from one instance of its function to another, byte by byte as it
 * is: same object, number, unit CRCs and seal. Both instances are active.
 *
 *   STAT (what its seal says) -> READ -> verified -> WRITE -> READ ... -> SEAL -> done
 *             from                from                 to                  to
 *
 * A piece is read when the rate permits. Memory: one piece.
 */
#ifndef IC_PROXY_CHUNK_COPY_H
#define IC_PROXY_CHUNK_COPY_H

#include "base/buf.h"
#include "net/net.h"
#include "proxy/functions.h"

struct ic_proxy;
struct ic_token_bucket; /* core/token_bucket.h */

enum { IC_COPY_PIECE = 256 << 10 }; /* bytes, or one unit if that is more (at most 1 MiB) */

/* Zeroed before first use; fields are private but for those the owner is told to fill in. */
struct ic_chunk_copy {
    /* The owner's, before ic_chunk_copy_begin: */
    struct ic_proxy *proxy;
    struct ic_token_bucket *bucket;
    /*
     * Once, from the loop, unless it is cancelled; the copy may begin anew. BYTES were copied. 0,
     * or IC_ENOENT    there is nothing to copy (any more): the version died, the chunk was lost
     *   IC_ENOSPC    no room on the other instance
     *   others       as of the requests: an instance has left
     */
    void (*done)(struct ic_chunk_copy *c, int result, uint64_t bytes);
    void *ctx;

    struct ic_object *object; /* NULL: idle */
    uint16_t chunk;
    uint32_t from, to;
    uint64_t offset; /* of the piece under way */
    uint32_t length; /* its bytes */
    struct ic_buf *piece;
    struct ic_buf crcs; /* of the piece: uint32_t, host order */
    struct ic_buf item; /* what STAT said */
    struct ic_node_request ask, seal;
    struct ic_timer timer; /* the rate */
};

void ic_chunk_copy_init(struct ic_chunk_copy *c, struct ic_proxy *proxy,
                        struct ic_token_bucket *bucket);
/* Begins it in the store as well (ic_store_copy_begin). C is idle. */
void ic_chunk_copy_begin(struct ic_chunk_copy *c, struct ic_object *object, uint16_t chunk,
                         uint32_t from, uint32_t to);
/* Ends it in the store as failed. Fine if it is idle. */
void ic_chunk_copy_cancel(struct ic_chunk_copy *c);
void ic_chunk_copy_deinit(const struct ic_chunk_copy *c); /* its owner is about to be freed */

static inline bool ic_chunk_copy_busy(const struct ic_chunk_copy *c)
{
    return c->object != NULL;
}

#endif
