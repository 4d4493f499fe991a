/*
 * elsewhere.h - what the work of a simulation would have cost without functions, over the same
 * hours and at the same prices.
 *
 *   ElastiCache      the cheapest node type on which LRU has our hit ratio, and the node of the
 *                    FAST 2020 paper; a machine of its own, loss-free, without replicas
 *   Serverless       the bytes that our functions held, the requests as they came
 *   S3, S3 Express   every object kept from its first request on, and every GET answered there
 */
#ifndef IC_SIMULATE_ELSEWHERE_H
#define IC_SIMULATE_ELSEWHERE_H

#include "simulate/lru_curve.h"
#include "simulate/result.h"

struct ic_elsewhere_node {
    enum ic_price_id type;
    uint64_t nodes;
    double dollars;
    double object_hit_ratio, byte_hit_ratio; /* of LRU in its memory */
};

struct ic_elsewhere {
    uint64_t lru_bytes; /* the least LRU cache with our hit ratio, or that holds everything */
    struct ic_elsewhere_node same, paper;
    double serverless_redis, serverless_valkey, s3, s3_express;
};

/* CURVE: of the same requests. HIT_RATIO: of objects, 0 to 1. */
struct ic_elsewhere ic_elsewhere(const struct ic_sim_result *r, const struct ic_lru_curve *curve,
                                 const struct ic_prices *prices, double hit_ratio);

struct ic_elsewhere_stores {
    double s3, s3_express;
};
/* What S3 and S3 Express have charged at the end of HOUR, from 0; of the last one: in all. */
struct ic_elsewhere_stores ic_elsewhere_stores(const struct ic_sim_result *r,
                                               const struct ic_lru_curve *curve,
                                               const struct ic_prices *prices, uint32_t hour);

#endif
