#include "model/cloud.h"

#include <math.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

const struct ic_cloud ic_cloud_aws = {
    .name = "aws",
    .warm = {15000, 60000},
    .cold = {160000, 500000},
    .warm_up = {13000, 50000},
    .start_billed_us = 2000,
    .cold_billed_us = 25000,
    .warm_up_billed_us = 900,
    .leave_us = 1500,
    .response_us = 5000,
    .round_trip_us = 700,
    .request_us = 100,
    .network = {{128 * MIB, 25e6}, {256 * MIB, 40e6}, {512 * MIB, 60e6}, {1024 * MIB, 75e6}},
    .networks = 4,
    .proxy_bytes_per_s = 1.25e9,
    .client_us = 500,
    .s3 = {15000, 30000},
    .s3_bytes_per_s = 93e6,
    .elasticache = {340, 1200},
    .elasticache_bytes_per_s = 625e6,
};

const struct ic_cloud ic_cloud_local = {
    .name = "local",
    .warm = {2000, 12000},
    .cold = {28000, 60000},
    .warm_up = {4000, 12000},
    .start_billed_us = 1500,
    .cold_billed_us = 8000,
    .warm_up_billed_us = 1700,
    .leave_us = 250,
    .response_us = 1000,
    .round_trip_us = 200,
    .request_us = 300,
    .network = {{128 * MIB, 400e6}},
    .networks = 1,
    .proxy_bytes_per_s = 280e6,
    .client_us = 200,
};

const struct ic_cloud *ic_cloud_find(const char *name)
{
    static const struct ic_cloud *const all[] = {&ic_cloud_aws, &ic_cloud_local};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i]->name, name) == 0) {
            return all[i];
        }
    }
    return NULL;
}

/* ---- latencies ------------------------------------------------------------------ */

/* Uniform in (0, 1]. */
static double uniform(struct ic_rng *rng)
{
    return ((double)(ic_rng_next(rng) >> 11) + 1) * 0x1p-53;
}

/* Normally distributed: Box and Muller, A note on the generation of random normal deviates, 1958.
 */
static double normal(struct ic_rng *rng)
{
    double radius = sqrt(-2 * log(uniform(rng)));
    return radius * cos(2 * M_PI * uniform(rng));
}

uint64_t ic_latency_draw(const struct ic_latency *l, struct ic_rng *rng)
{
    const double p99 = 2.3263478740408408; /* standard deviations */
    if (l->median_us <= 0) {
        return 0;
    }
    double sigma = log(l->p99_us / l->median_us) / p99;
    double us = l->median_us * exp(sigma * normal(rng));
    return us < 1 ? 1 : (uint64_t)us;
}

/* ---- bandwidths ----------------------------------------------------------------- */

double ic_cloud_bandwidth(const struct ic_cloud *c, uint64_t memory)
{
    uint32_t i = 0;
    while (i < c->networks && c->network[i].memory < memory) {
        i++;
    }
    if (i == 0 || i == c->networks) {
        return c->network[i == 0 ? 0 : i - 1].bytes_per_s;
    }
    double low = (double)c->network[i - 1].memory, high = (double)c->network[i].memory;
    double part = ((double)memory - low) / (high - low);
    return c->network[i - 1].bytes_per_s +
           part * (c->network[i].bytes_per_s - c->network[i - 1].bytes_per_s);
}

/* After the first byte, so long. */
static uint64_t transfer_us(double bytes_per_s, uint64_t bytes)
{
    return bytes_per_s > 0 ? (uint64_t)((double)bytes / bytes_per_s * 1e6) : 0;
}

uint64_t ic_cloud_s3_us(const struct ic_cloud *c, uint64_t bytes, struct ic_rng *rng)
{
    return ic_latency_draw(&c->s3, rng) + transfer_us(c->s3_bytes_per_s, bytes);
}

uint64_t ic_cloud_elasticache_us(const struct ic_cloud *c, uint64_t bytes, struct ic_rng *rng)
{
    return ic_latency_draw(&c->elasticache, rng) + transfer_us(c->elasticache_bytes_per_s, bytes);
}
