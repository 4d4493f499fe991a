#include "core/handover.h"

#include <stdlib.h>

static int urgency(const struct ic_handover_chunk *c)
{
    return c->spare < 0 ? 0 : c->spare == 0 ? 1 : 2;
}

static int by_order(const void *a, const void *b)
{
    const struct ic_handover_chunk *x = a, *y = b;
    if (urgency(x) != urgency(y)) {
        return urgency(x) - urgency(y);
    }
    if (x->object_id != y->object_id) {
        return x->object_id > y->object_id ? -1 : 1;
    }
    return (int)x->chunk - (int)y->chunk;
}

uint32_t ic_handover_choose(struct ic_handover_chunk *chunk, uint32_t count, uint64_t most,
                            uint32_t *distinct)
{
    uint32_t taken = 0;
    *distinct = 0;
    if (count == 0) {
        return 0;
    }
    qsort(chunk, count, sizeof *chunk, by_order);
    struct ic_handover_chunk last = {0};
    for (uint32_t i = 0; i < count; i++) {
        struct ic_handover_chunk c = chunk[i];
        if (i > 0 && c.object_id == last.object_id && c.chunk == last.chunk) {
            continue;
        }
        last = c;
        ++*distinct;
        if (c.bytes <= most) {
            most -= c.bytes;
            chunk[taken++] = c;
        }
    }
    return taken;
}
