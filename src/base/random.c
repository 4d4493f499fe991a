#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void ic_random_fill(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno != EINTR) {
            abort();
        }
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

uint64_t ic_random_u64(void)
{
    uint64_t value;
    ic_random_fill(&value, sizeof value);
    return value;
}

uint64_t ic_rng_next(struct ic_rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t ic_rng_below(struct ic_rng *rng, uint64_t bound)
{
    assert(bound > 0);
    return (uint64_t)(((unsigned __int128)ic_rng_next(rng) * bound) >> 64);
}

double ic_rng_unit(struct ic_rng *rng)
{
    return (double)(ic_rng_next(rng) >> 11) * 0x1p-53;
}
