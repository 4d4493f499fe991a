/*
 * routing.h - pure choices among instances: which idle one gets an Invoke, and which
 * a reclaim of a share takes.
 */
#ifndef IC_PLATFORM_LOCAL_ROUTING_H
#define IC_PLATFORM_LOCAL_ROUTING_H

#include "base/random.h"

#include <stddef.h>
#include <stdint.h>

/*
 * COUNT (> 0) idle instances in the order of their last use, oldest first: the index to
 * take. ROUTING, of base/config.h: IC_ROUTING_MRU takes the one used last, so that the others
 * age and are reclaimed; IC_ROUTING_LRU the one unused for longest, so that all stay warm;
 * IC_ROUTING_RANDOM any.
 */
size_t ic_routing_choose(int routing, size_t count, struct ic_rng *rng);

/* How many of COUNT a SHARE in [0, 1] is, to nearest. */
size_t ic_reclaim_count(size_t count, double share);

/*
 * Puts a random choice of TAKE of COUNT indices, chosen by SEED alone, into CHOSEN (room for
 * COUNT). TAKE <= COUNT.
 */
void ic_reclaim_choose(size_t count, size_t take, uint64_t seed, size_t *chosen);

#endif
