#include "platform/local/routing.h"

#include "base/config.h"

#include <assert.h>
#include <stdbool.h>

size_t ic_routing_choose(int routing, size_t count, struct ic_rng *rng)
{
    assert(count > 0);
    switch (routing) {
    case IC_ROUTING_MRU:
        return count - 1;
    case IC_ROUTING_LRU:
        return 0;
    case IC_ROUTING_RANDOM:
        return (size_t)ic_rng_below(rng, count);
    default:
        assert(false); /* outside the directive's choices */
        return 0;
    }
}

size_t ic_reclaim_count(size_t count, double share)
{
    assert(share >= 0.0 && share <= 1.0);
    return (size_t)((double)count * share + 0.5);
}

/* The first TAKE steps of a Fisher-Yates shuffle. */
void ic_reclaim_choose(size_t count, size_t take, uint64_t seed, size_t *chosen)
{
    assert(take <= count);
    struct ic_rng rng;
    ic_rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        chosen[i] = i;
    }
    for (size_t i = 0; i < take; i++) {
        size_t j = i + (size_t)ic_rng_below(&rng, count - i);
        size_t other = chosen[j];
        chosen[j] = chosen[i];
        chosen[i] = other;
    }
}
