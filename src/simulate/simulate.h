/*
 * simulate.h - one proxy, its functions and the cloud around them in virtual time. Everything that
 * is decided is decided by the proxy's own objects (src/core, proxy/store.h); no byte of a value
 * exists. Pure: what comes out follows from the settings and the requests alone.
 *
 *   request --> clients --> store (catalog, eviction, placement) --> chunks' requests
 *                  ^  miss: origin, SET                                   |
 *                  '----------- answered <-- functions <------------------'
 *                                              | pool, leases, warm-ups, backups, repairs
 *                                              v
 *                              cloud: instances, latencies, bandwidth, reclaims, bills
 *
 * More functions than one proxy has (IC_POOL_FUNCTIONS_MAX) are several: see simulate/fleet.h.
 */
#ifndef IC_SIMULATE_SIMULATE_H
#define IC_SIMULATE_SIMULATE_H

#include "simulate/request.h"
#include "simulate/result.h"

struct ic_cloud;  /* model/cloud.h */
struct ic_config; /* base/config.h */
struct ic_prices; /* core/price.h */
struct ic_sim;

enum { IC_SIM_WHY_MAX = 512 };

struct ic_sim_settings {
    /*
     * The directives. Of one proxy, but for `functions`, which is below. Those of the local
     * platform that say how a cloud behaves count as well: reclaim, routing, instance-idle,
     * concurrency.
     */
    const struct ic_config *config;
    const struct ic_prices *prices;
    const struct ic_cloud *cloud;
    uint32_t functions; /* of the whole pool */
    bool fill;          /* a GET that misses is fetched from the origin and SET */
    double shutdown;    /* 0 to 1: of reclaimed instances, the part that gets a shutdown phase and
                           can hand over */
    uint64_t seed;
};

/*
 * Proxy SHARD of PROXIES, which has its share of the functions. What SETTINGS points to outlives
 * it. IC_EINVAL and WHY (IC_SIM_WHY_MAX bytes): the directives contradict each other, or the
 * reclaim model's text is wrong; IC_ENOMEM.
 */
int ic_sim_new(const struct ic_sim_settings *settings, uint32_t shard, uint32_t proxies,
               struct ic_sim **out, char *why) IC_MUST_USE;
void ic_sim_free(struct ic_sim *sim); /* NULL is fine */

/* Time goes on to that of REQUEST, which then comes. IC_ENOMEM: the simulation is of no use. */
int ic_sim_request(struct ic_sim *sim, const struct ic_sim_request *request) IC_MUST_USE;
/* Time goes on to AT_US, then until every request is answered and every invocation billed. */
int ic_sim_finish(struct ic_sim *sim, int64_t at_us) IC_MUST_USE;
/* As of now; complete after ic_sim_finish. Valid as long as SIM. */
const struct ic_sim_result *ic_sim_result(struct ic_sim *sim);

#endif
