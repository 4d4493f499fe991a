/*
 * placement.h - chooses the functions that take an object's chunks: distinct ones with
 * room, the emptiest first, awake ones slightly preferred, ties by lot. Pure.
 *
 *   rooms   f0 [######....]  f1 [##........]  f2 [##........] awake   f3 [#########.]
 *   3 chunks that fit all but f3: f2, f1, f0 - in random order, so that parity is spread
 */
#ifndef IC_CORE_PLACEMENT_H
#define IC_CORE_PLACEMENT_H

#include "base/error.h"
#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    IC_PLACEMENT_MAX = 64
}; /* most chunks of an object: IC_CODE_DATA_MAX + IC_CODE_PARITY_MAX */

struct ic_candidate {  /* one function */
    uint64_t room;     /* bytes that new chunks may take now */
    uint64_t capacity; /* bytes when it is empty */
    bool awake;        /* a request costs no invocation */
    bool down; /* cannot be invoked at present, or is slow: only if there are too few others */
};

/*
 * Chooses WANTED distinct ones of CANDIDATE[0..COUNT) with room for COST bytes and writes their
 * indexes to OUT. Returns 0; IC_ENOSPC: fewer have room, *MISSING (may be NULL) says how many more
 * are needed; IC_ETOOBIG: fewer than WANTED could hold COST even when empty. WANTED <=
 * IC_PLACEMENT_MAX.
 */
int ic_placement_choose(const struct ic_candidate *candidate, uint32_t count, uint64_t cost,
                        uint32_t wanted, struct ic_rng *rng, uint16_t *out,
                        uint32_t *missing) IC_MUST_USE;

/*
 * The function memory that a chunk of COST bytes needs, in whole MiB, if a function of MEMORY bytes
 * has CAPACITY bytes for chunks.
 */
uint64_t ic_placement_memory_needed(uint64_t cost, uint64_t memory, uint64_t capacity);

#endif
