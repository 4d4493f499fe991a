#include "node/offer.h"

#include "base/alloc.h"

#include <stdlib.h>

/* No more can fit: 7,710 chunks, 60 KiB of pointers. */
enum { CHOSEN_MAX = IC_OFFER_BYTES_MAX / IC_ITEM_FIXED_BYTES };

/* The newest chunks seen so far, as a heap whose root is the oldest of them. */
struct choice {
    const struct ic_chunk **chunk;
    size_t count;
};

static bool older(const struct ic_chunk *a, const struct ic_chunk *b)
{
    return a->name.object_id != b->name.object_id ? a->name.object_id < b->name.object_id
                                                  : a->name.chunk < b->name.chunk;
}

static void swap(struct choice *c, size_t a, size_t b)
{
    const struct ic_chunk *chunk = c->chunk[a];
    c->chunk[a] = c->chunk[b];
    c->chunk[b] = chunk;
}

static void sink(struct choice *c)
{
    size_t at = 0;
    for (size_t child = 1; child < c->count; child = 2 * at + 1) {
        if (child + 1 < c->count && older(c->chunk[child + 1], c->chunk[child])) {
            child++;
        }
        if (!older(c->chunk[child], c->chunk[at])) {
            return;
        }
        swap(c, at, child);
        at = child;
    }
}

static void rise(struct choice *c)
{
    size_t at = c->count - 1;
    while (at > 0 && older(c->chunk[at], c->chunk[(at - 1) / 2])) {
        swap(c, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void choose(void *ctx, const struct ic_chunk *chunk)
{
    struct choice *c = ctx;
    if (!chunk->sealed) {
        return;
    }
    if (c->count < CHOSEN_MAX) {
        c->chunk[c->count++] = chunk;
        rise(c);
    } else if (older(c->chunk[0], chunk)) {
        c->chunk[0] = chunk;
        sink(c);
    }
}

static int newest_first(const void *a, const void *b)
{
    const struct ic_chunk *x = *(const struct ic_chunk *const *)a;
    const struct ic_chunk *y = *(const struct ic_chunk *const *)b;
    return older(x, y) ? 1 : older(y, x) ? -1 : 0;
}

int ic_offer_encode(const struct ic_chunks *chunks, struct ic_buf *out)
{
    struct choice c = {.chunk = ic_malloc(CHOSEN_MAX * sizeof(*c.chunk))};
    if (c.chunk == NULL) {
        return IC_ENOMEM;
    }
    uint64_t cursor = 0;
    do {
        cursor = ic_chunks_scan(chunks, cursor, choose, &c);
    } while (cursor != 0);
    if (c.count > 0) {
        qsort(c.chunk, c.count, sizeof(c.chunk[0]), newest_first);
    }
    int result = 0;
    size_t room = IC_OFFER_BYTES_MAX;
    for (size_t i = 0; i < c.count && result >= 0; i++) {
        struct ic_item item;
        ic_chunk_item(c.chunk[i], &item);
        if (ic_item_size(&item) > room) {
            break;
        }
        room -= ic_item_size(&item);
        result = ic_item_encode(&item, out);
    }
    ic_free(c.chunk);
    return result;
}
