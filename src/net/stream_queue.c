#include "net/stream_queue.h"

#include "base/alloc.h"

#include <assert.h>

enum {
    RING_MIN = 8,
    BLOCK_BYTES = 4096, /* copied bytes are headers and short replies; longer ones get their own */
    FIRST_BLOCK_BYTES = 512, /* of an empty queue: most are sent before another byte comes */
};

void ic_stream_queue_init(struct ic_stream_queue *q)
{
    *q = (struct ic_stream_queue){0};
}

static struct ic_queued *at(const struct ic_stream_queue *q, size_t index)
{
    return &q->ring[(q->head + index) & (q->capacity - 1)];
}

void ic_stream_queue_deinit(struct ic_stream_queue *q)
{
    for (size_t i = 0; i < q->count; i++) {
        ic_buf_unref(at(q, i)->owner);
    }
    ic_buf_unref(q->block);
    ic_free(q->ring);
    ic_stream_queue_init(q);
}

static int grow(struct ic_stream_queue *q)
{
    size_t capacity = q->capacity == 0 ? RING_MIN : q->capacity * 2;
    struct ic_queued *ring = ic_malloc(capacity * sizeof *ring);
    if (ring == NULL) {
        return IC_ENOMEM;
    }
    for (size_t i = 0; i < q->count; i++) {
        ring[i] = *at(q, i);
    }
    ic_free(q->ring);
    q->memory += (capacity - q->capacity) * sizeof *ring;
    q->ring = ring;
    q->capacity = capacity;
    q->head = 0;
    return 0;
}

/* A block with room for LEN more bytes becomes q->block. */
static int make_room(struct ic_stream_queue *q, size_t len)
{
    if (q->block != NULL && q->block->cap - q->block->len >= len) {
        return 0;
    }
    size_t least = q->count == 0 ? FIRST_BLOCK_BYTES : BLOCK_BYTES;
    struct ic_buf *block = ic_buf_new(len > least ? len : least);
    if (block == NULL) {
        return IC_ENOMEM;
    }
    ic_buf_unref(q->block);
    q->block = block;
    q->block_counted = false;
    return 0;
}

/* What the next slice of OWNER counts: a pool's buffer nothing, a block once. */
static size_t memory_of(struct ic_stream_queue *q, const struct ic_buf *owner)
{
    if (owner->release != NULL || (owner == q->block && q->block_counted)) {
        return 0;
    }
    q->block_counted = q->block_counted || owner == q->block;
    return owner->cap + sizeof *owner;
}

static void push(struct ic_stream_queue *q, const uint8_t *data, size_t len, struct ic_buf *owner)
{
    struct ic_queued *last = q->count == 0 ? NULL : at(q, q->count - 1);
    q->bytes += len;
    if (last != NULL && last->owner == owner && last->data + last->len == data) {
        last->len += len;
        return;
    }
    size_t memory = memory_of(q, owner);
    q->memory += memory;
    q->count++;
    *at(q, q->count - 1) =
        (struct ic_queued){.data = data, .len = len, .memory = memory, .owner = ic_buf_ref(owner)};
}

int ic_stream_queue_push(struct ic_stream_queue *q, struct ic_slice bytes, struct ic_buf *owner)
{
    if (bytes.len == 0) {
        return 0;
    }
    if (q->count == q->capacity && grow(q) < 0) {
        return IC_ENOMEM;
    }
    if (owner != NULL) {
        push(q, bytes.data, bytes.len, owner);
        return 0;
    }
    if (make_room(q, bytes.len) < 0) {
        return IC_ENOMEM;
    }
    uint8_t *copy = q->block->data + q->block->len;
    memcpy(copy, bytes.data, bytes.len);
    q->block->len += bytes.len;
    push(q, copy, bytes.len, q->block);
    return 0;
}

size_t ic_stream_queue_iovecs(const struct ic_stream_queue *q, struct iovec *iov, size_t max)
{
    size_t count = q->count < max ? q->count : max;
    for (size_t i = 0; i < count; i++) {
        const struct ic_queued *item = at(q, i);
        iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)item->data, .iov_len = item->len};
    }
    return count;
}

void ic_stream_queue_sent(struct ic_stream_queue *q, size_t len)
{
    assert(len <= q->bytes);
    q->bytes -= len;
    while (len > 0) {
        struct ic_queued *first = at(q, 0);
        if (len < first->len) {
            first->data += len;
            first->len -= len;
            return;
        }
        len -= first->len;
        q->memory -= first->memory;
        ic_buf_unref(first->owner);
        q->head = (q->head + 1) & (q->capacity - 1);
        q->count--;
    }
    if (q->count == 0) {
        ic_stream_queue_deinit(q); /* thousands of idle streams keep no memory */
    }
}
