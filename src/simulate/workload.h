/*
 * workload.h - made-up work: keys with sizes, and the order of the operations. Pure, and of the
 * same size however many keys there are; the same seed gives the same workload.
 *
 *   key 7 --> size: by the table of sizes            next --> GET key 3, GET key 7, SET key 3 ...
 *
 * Keys are 0 .. keys - 1, and above them, one after another, those that are asked for once.
 */
#ifndef IC_SIMULATE_WORKLOAD_H
#define IC_SIMULATE_WORKLOAD_H

#include "simulate/sizes.h"

#include <stdbool.h>

#define IC_WORKLOAD_KEYS_MAX (INT64_C(1) << 40)

enum { IC_WORKLOAD_WHY_MAX = IC_SIZES_WHY_MAX };

enum ic_workload_order { IC_ORDER_SEQUENCE, IC_ORDER_UNIFORM, IC_ORDER_ZIPF };

struct ic_workload_settings {
    uint64_t keys;     /* 1 .. IC_WORKLOAD_KEYS_MAX */
    const char *sizes; /* as simulate/sizes.h says */
    enum ic_workload_order order;
    double zipf;            /* exponent; the k-th key is asked for in proportion to 1 / k^zipf */
    double get_percent;     /* of the operations; the rest are SETs */
    double one_hit_percent; /* of the operations: GETs of a key that is never asked for again */
    uint64_t seed;
};

struct ic_workload;

/* IC_EINVAL with WHY (IC_WORKLOAD_WHY_MAX bytes), IC_ENOMEM. */
int ic_workload_new(const struct ic_workload_settings *settings, struct ic_workload **out,
                    char *why) IC_MUST_USE;
void ic_workload_free(struct ic_workload *w); /* NULL is fine */

uint64_t ic_workload_keys(const struct ic_workload *w);
uint64_t ic_workload_size(const struct ic_workload *w, uint64_t key); /* bytes of its value */
/* The next operation. */
uint64_t ic_workload_next(struct ic_workload *w, bool *get);
#endif
