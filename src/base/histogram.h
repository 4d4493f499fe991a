/*
 * histogram.h - counts of values, log-linear: exact below 128, then 64 slots to every
 * doubling, so that a value is known to 1 part in 64 whatever its size. The layout is
 * HdrHistogram's (G. Tene, hdrhistogram.org). No allocation.
 *
 *   0 1 2 ... 127 | 128 130 ... 254 | 256 260 ... 508 | 512 520 ...
 */
#ifndef IC_BASE_HISTOGRAM_H
#define IC_BASE_HISTOGRAM_H

#include <stdint.h>

enum {
    IC_HISTOGRAM_STEP_BITS = 6,
    /* 128 exact values, then 64 slots for each of the doublings 2^7 .. 2^63. */
    IC_HISTOGRAM_SLOTS = (1 << (IC_HISTOGRAM_STEP_BITS + 1)) + 57 * (1 << IC_HISTOGRAM_STEP_BITS),
};

struct ic_histogram { /* fields are for reading; zeroed: empty */
    uint64_t count, max;
    double sum;
    uint64_t slot[IC_HISTOGRAM_SLOTS];
};

void ic_histogram_add(struct ic_histogram *h, uint64_t value);
void ic_histogram_add_many(struct ic_histogram *h, uint64_t value, uint64_t times);
void ic_histogram_merge(struct ic_histogram *into, const struct ic_histogram *from);
/* The least value that SHARE (0 to 1) of the values do not exceed, rounded up to its slot's end but
 * not above the maximum; 0 of an empty histogram. */
uint64_t ic_histogram_quantile(const struct ic_histogram *h, double share);
/* upto[k] = how many values are below 2^k, for each K below POWERS (at most 64); one pass. */
void ic_histogram_powers(const struct ic_histogram *h, uint64_t *upto, unsigned powers);
/* How many values do not exceed VALUE, those of its own slot included. */
uint64_t ic_histogram_upto(const struct ic_histogram *h, uint64_t value);
double ic_histogram_mean(const struct ic_histogram *h); /* 0 of an empty one */

#endif
