/*
 * stream_queue.h - what a stream still has to send: a ring of slices, each with a
 * reference to its owner; short ownerless bytes are copied into shared blocks. An empty
 * queue keeps nothing.
 */
#ifndef IC_NET_STREAM_QUEUE_H
#define IC_NET_STREAM_QUEUE_H

#include "base/buf.h"

#include <stdbool.h>
#include <sys/uio.h>

struct ic_queued {
    const uint8_t *data;
    size_t len;
    size_t memory; /* of the queue's `memory`, what goes with this */
    struct ic_buf *owner;
};

struct ic_stream_queue {
    struct ic_queued *ring; /* capacity is 0 or a power of two */
    size_t capacity, head, count;
    size_t bytes;         /* queued in all */
    size_t memory;        /* that this keeps, but for buffers of a pool, which are counted there */
    struct ic_buf *block; /* where the next copied bytes go, or NULL */
    bool block_counted;   /* in the memory of a slice */
};

void ic_stream_queue_init(struct ic_stream_queue *q);
void ic_stream_queue_deinit(struct ic_stream_queue *q); /* drops every reference */

static inline bool ic_stream_queue_empty(const struct ic_stream_queue *q)
{
    return q->count == 0;
}

/* As ic_stream_write. IC_ENOMEM: unchanged. */
int ic_stream_queue_push(struct ic_stream_queue *q, struct ic_slice bytes,
                         struct ic_buf *owner) IC_MUST_USE;
/* Up to MAX iovecs from the front; returns how many. */
size_t ic_stream_queue_iovecs(const struct ic_stream_queue *q, struct iovec *iov, size_t max);
/* LEN bytes (<= q->bytes) from the front have been sent. */
void ic_stream_queue_sent(struct ic_stream_queue *q, size_t len);

#endif
