/*
 * cloud.h - how fast a cloud is: functions' network by their memory, invocations warm and cold, and
 * what else could have answered (S3, ElastiCache). Two clouds are known: AWS, from published
 * measurements, and the local platform, measured by bench/truth. Pure: random numbers are
 * arguments. Where each figure is from: doc/simulation.md.
 *
 *   invoke --invoke_us--> HELLO --request_us + bytes / bandwidth--> ... --leave_us--> billed
 *            | start_us of it are billed
 */
#ifndef IC_MODEL_CLOUD_H
#define IC_MODEL_CLOUD_H

#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

/* A latency: its median and its 99th percentile, with a lognormal distribution between. */
struct ic_latency {
    double median_us, p99_us;
};
/* One draw; 0 if the median is. */
uint64_t ic_latency_draw(const struct ic_latency *l, struct ic_rng *rng);

enum { IC_CLOUD_POINTS_MAX = 8 };

struct ic_cloud {
    const char *name;
    struct ic_latency warm, cold; /* from Invoke to a node that has said HELLO */
    struct ic_latency warm_up;    /* Invoke of a warm-up to its response */
    double start_billed_us;       /* of the time to HELLO: within the invocation, */
    double cold_billed_us;        /* and of a cold start, */
    double warm_up_billed_us;     /* and all of a warm-up's */
    double leave_us;              /* from the lease's end to the node's return, billed */
    double response_us;           /* from there to the answer of the Invoke */
    double round_trip_us;         /* proxy to node and back */
    double request_us;            /* the node's own time for a request */
    struct {                      /* of one function, in rising order of memory */
        uint64_t memory;
        double bytes_per_s;
    } network[IC_CLOUD_POINTS_MAX];
    uint32_t networks;
    double proxy_bytes_per_s; /* the proxy's own network */
    double client_us;         /* a client's round trip to the proxy */
    struct ic_latency s3;     /* to the first byte of a GET */
    double s3_bytes_per_s;    /* of one connection */
    struct ic_latency elasticache;
    double elasticache_bytes_per_s;
};

extern const struct ic_cloud ic_cloud_aws, ic_cloud_local;
const struct ic_cloud *ic_cloud_find(const char *name); /* "aws", "local"; NULL: neither */

/* Bytes per second of a function with MEMORY bytes: between the points in proportion, beyond them
 * as the nearest. */
double ic_cloud_bandwidth(const struct ic_cloud *c, uint64_t memory);
/* One GET of BYTES from S3, from ElastiCache. */
uint64_t ic_cloud_s3_us(const struct ic_cloud *c, uint64_t bytes, struct ic_rng *rng);
uint64_t ic_cloud_elasticache_us(const struct ic_cloud *c, uint64_t bytes, struct ic_rng *rng);

#endif
