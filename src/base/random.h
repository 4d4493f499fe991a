/*
 * random.h - random numbers: the system's, for secrets and seeds, and a seeded
 * generator for everything that must be repeatable.
 */
#ifndef IC_BASE_RANDOM_H
#define IC_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills OUT with unpredictable bytes; aborts when the system has none to give. */
void ic_random_fill(void *out, size_t len);
uint64_t ic_random_u64(void);

struct ic_rng { /* splitmix64: Steele, Lea, Flood, "Fast splittable generators", OOPSLA 2014 */
    uint64_t state;
};

static inline void ic_rng_init(struct ic_rng *rng, uint64_t seed)
{
    rng->state = seed;
}

uint64_t ic_rng_next(struct ic_rng *rng);
/* Uniform in [0, BOUND); BOUND > 0. */
uint64_t ic_rng_below(struct ic_rng *rng, uint64_t bound);
double ic_rng_unit(struct ic_rng *rng); /* uniform in [0, 1) */

#endif
