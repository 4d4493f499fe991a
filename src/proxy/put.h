/*
 * put.h - one value on its way into the pool: the client's bytes are read straight into stripe
 * buffers; a full stripe is encoded and goes to its d + p functions while the next one fills.
 *
 *   client --recv--> stripe buffer [d data units | p parity units] --WRITE--> nodes
 *                     (window.h)      zero-padded   rs.h, CRCs       --SEAL-->
 *
 *   FILLING --seal--> SEALING --all sealed, or the deadline and enough--> READY --take--> (taken)
 *      '------------------'------- too many chunks failed -----------> FAILED
 *
 * A chunk whose function fails while all its bytes are here still goes to another function, once;
 * later, or if there is none, and another instance answers in place of the one that has its first
 * bytes, that one is recalled (recall.h).
 *
 * The draft object belongs to the put until it is taken; a put that is freed before that leaves
 * nothing: its requests are cancelled, its chunks condemned.
 */
#ifndef IC_PROXY_PUT_H
#define IC_PROXY_PUT_H

#include "base/error.h"
#include "base/slice.h"
#include "core/catalog.h"

#include <stdbool.h>
#include <sys/uio.h>

struct ic_buf;
struct ic_proxy;
struct ic_put;

/* Handlers are never called on the stack of a function below; they may call ic_put_free. */
struct ic_put_handler {
    /* ic_put_room gave 0 and now has room (ic_stream_resume). Not called after `ready`. */
    void (*resume)(void *ctx);
    /*
     * Once. 0: sealed, take it. Errors may come before ic_put_seal; the caller then discards what
     * is left of the body (ic_put_room gives 0 and does not resume):
     *   IC_EUNAVAIL, IC_ETIMEOUT, IC_ENOSPC, IC_EIO  the functions did not take enough chunks
     *   IC_ETIMEOUT  also: no window memory in time
     */
    void (*ready)(void *ctx, int result);
};

/*
 * A value of SIZE bytes for KEY (copied). Plans its chunks and wakes their functions; the first
 * ic_put_room or ic_put_write queues for window memory. NULL and *ERROR: IC_ETOOBIG, IC_ENOSPC,
 * IC_EIO (see ic_store_draft), IC_ENOMEM.
 */
struct ic_put *ic_put_new(struct ic_proxy *p, struct ic_slice key, uint64_t size,
                          const struct ic_put_handler *h, void *ctx, int *error);
/* Where the next bytes of the value go: at most MAX iovecs, never beyond the value's end. 0: wait
 * for `resume`, or the value is complete, or the put has failed. */
size_t ic_put_room(struct ic_put *put, struct iovec *iov, size_t max);
/* LEN bytes came to where the last ic_put_room said. */
void ic_put_received(struct ic_put *put, size_t len);
/* The same by copy, for bytes the caller has already. Returns how many were taken; fewer than
 * asked: wait for `resume`, or the put has failed. */
size_t ic_put_write(struct ic_put *put, struct ic_slice bytes);
/* All bytes came and the rest of the command is known: seal the chunks. Fine after a failure.
 * EXPIRES_MS goes into the seals: wall time, 0: never. */
void ic_put_seal(struct ic_put *put, int64_t expires_ms);
/* After `ready` with 0: the sealed draft, the caller's from now on (for ic_store_commit). Chunks
 * not sealed by then are given up. */
struct ic_object *ic_put_take(struct ic_put *put);
/*
 * Others wait for window memory. If the client keeps a stripe's waiting, at its pace, the put gives
 * that memory back: what came of the stripe is appended to BYTES, and is to be written again
 * (ic_put_write), which queues for memory again. Returns the bytes of that stripe; 0: nothing has
 * changed, as it is not the client who is waited for, or it soon is not, or for lack of memory.
 */
size_t ic_put_withdraw(struct ic_put *put, struct ic_buf *bytes);
/* Call about every second. AHEAD: bytes that are received and not written yet. False: the client,
 * while it was waited for, has sent less than RATE bytes per second for ten seconds. */
bool ic_put_fast_enough(struct ic_put *put, uint64_t ahead, uint64_t rate);
double ic_put_dollars(const struct ic_put *put);              /* what its requests cost so far */
struct ic_pool_use ic_put_pool_use(const struct ic_put *put); /* what it has claimed */
size_t ic_put_memory(const struct ic_put *put); /* its own, without buffers and draft */
void ic_put_free(struct ic_put *put);           /* NULL is fine */

#endif
