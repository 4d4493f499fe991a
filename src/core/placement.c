#include "core/placement.h"

#include <assert.h>

enum {
    /* Rooms that differ by less than this part of the capacity count as equal. */
    ROOM_STEPS = 256,
    /* Being awake is worth so many steps: an invocation saved, never a function overfilled. */
    AWAKE_STEPS = 8,
};

struct ranked {
    uint64_t rank;
    uint64_t lot; /* decides among equals */
    uint16_t index;
};

static bool better(const struct ranked *a, const struct ranked *b)
{
    return a->rank > b->rank || (a->rank == b->rank && a->lot > b->lot);
}

static uint64_t rank_of(const struct ic_candidate *c)
{
    uint64_t step = c->capacity / ROOM_STEPS + 1;
    uint64_t rank = c->room / step + (c->awake ? AWAKE_STEPS : 0);
    return c->down ? rank : rank + (UINT64_C(1) << 32);
}

/* Keeps BEST sorted, best first, at most WANTED long. */
static void consider(struct ranked *best, uint32_t *have, uint32_t wanted, struct ranked one)
{
    if (*have == wanted && !better(&one, &best[*have - 1])) {
        return;
    }
    uint32_t at = *have < wanted ? (*have)++ : *have - 1;
    for (; at > 0 && better(&one, &best[at - 1]); at--) {
        best[at] = best[at - 1];
    }
    best[at] = one;
}

int ic_placement_choose(const struct ic_candidate *candidate, uint32_t count, uint64_t cost,
                        uint32_t wanted, struct ic_rng *rng, uint16_t *out, uint32_t *missing)
{
    assert(wanted > 0 && wanted <= IC_PLACEMENT_MAX);
    struct ranked best[IC_PLACEMENT_MAX];
    uint32_t have = 0, could = 0;
    for (uint32_t i = 0; i < count; i++) {
        could += candidate[i].capacity >= cost;
        if (candidate[i].room >= cost) {
            struct ranked one = {
                .rank = rank_of(&candidate[i]), .lot = ic_rng_next(rng), .index = (uint16_t)i};
            consider(best, &have, wanted, one);
        }
    }
    if (missing != NULL) {
        *missing = wanted - have;
    }
    if (have < wanted) {
        return could < wanted ? IC_ETOOBIG : IC_ENOSPC;
    }
    /* Shuffled, or the emptiest function would always get chunk 0. */
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t pick = i + (uint32_t)ic_rng_below(rng, wanted - i);
        out[i] = best[pick].index;
        best[pick] = best[i];
    }
    return 0;
}

uint64_t ic_placement_memory_needed(uint64_t cost, uint64_t memory, uint64_t capacity)
{
    const uint64_t mib = UINT64_C(1) << 20;
    /* What a function keeps for itself is partly fixed and partly a share: allow for the larger. */
    uint64_t fixed = cost + (memory > capacity ? memory - capacity : 0);
    uint64_t share = 0;
    if (capacity > 0) {
        share = (uint64_t)((double)cost * ((double)memory / (double)capacity)) + 1;
    }
    uint64_t needed = fixed > share ? fixed : share;
    return (needed + mib - 1) / mib;
}
