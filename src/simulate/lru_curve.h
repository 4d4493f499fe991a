/*
 * lru_curve.h - the hit ratio of LRU caches of every size, from one look at the requests: a GET
 * hits where the bytes asked for since the last time, its own included, fit (R. Mattson et al.,
 * "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2), 1970). Loss-free;
 * a miss is filled.
 *
 *   A B C B A:  the second A was last asked for before B and C: it hits from size(A + B + C) on
 *
 * Exact up to IC_LRU_TRACKED_MAX objects; of more every second is followed, of twice that every
 * fourth and so on, chosen by their keys' hash, and stands for the others (C. Waldspurger et al.,
 * "Efficient MRC construction with SHARDS", FAST 2015). Sizes are known to 1 part in 64.
 */
#ifndef IC_SIMULATE_LRU_CURVE_H
#define IC_SIMULATE_LRU_CURVE_H

#include "simulate/request.h"

enum { IC_LRU_TRACKED_MAX = 1 << 20 };

struct ic_lru_curve;

struct ic_lru_curve *ic_lru_curve_new(void);    /* NULL: out of memory */
void ic_lru_curve_free(struct ic_lru_curve *c); /* NULL is fine */
void ic_lru_curve_request(struct ic_lru_curve *c, const struct ic_sim_request *r);

/* Of the GETs so far, and of their bytes, what a cache of BYTES would have had; 0 of none. */
double ic_lru_curve_hits(const struct ic_lru_curve *c, uint64_t bytes);
double ic_lru_curve_byte_hits(const struct ic_lru_curve *c, uint64_t bytes);
/* The least cache that hits SHARE of the GETs; UINT64_MAX: none does. */
uint64_t ic_lru_curve_bytes(const struct ic_lru_curve *c, double share);

struct ic_lru_kept { /* if every object asked for were kept until it is deleted */
    double objects, bytes;
    double byte_hours; /* from the first request to the last */
};
struct ic_lru_kept ic_lru_curve_kept(const struct ic_lru_curve *c);
/* The same at the end of HOUR, from 0; after the last request: as of that. */
struct ic_lru_kept ic_lru_curve_kept_at(const struct ic_lru_curve *c, uint32_t hour);

#endif
