/*
 * zipf.h - ranks with a Zipf distribution: rank k of 1 .. N comes in proportion to 1 / k^S. By
 * rejection-inversion (W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from
 * monotone discrete distributions", ACM TOMACS 6(3), 1996): no table, and less than 1.1 tries on
 * average whatever N is.
 */
#ifndef IC_SIMULATE_ZIPF_H
#define IC_SIMULATE_ZIPF_H

#include "base/random.h"

struct ic_zipf { /* fields are private */
    double exponent;
    double ranks;
    double first, last; /* of the hat's integral: below rank 1, and above the last */
    double sure;        /* a point so close above its rank is taken without a look */
};

/* RANKS >= 1, EXPONENT >= 0 (0: every rank alike). */
void ic_zipf_init(struct ic_zipf *z, uint64_t ranks, double exponent);
/* From 0 (the most frequent) to RANKS - 1. */
uint64_t ic_zipf_next(const struct ic_zipf *z, struct ic_rng *rng);

#endif
