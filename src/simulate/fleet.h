/*
 * fleet.h - a pool of any size: proxies (simulate/simulate.h) that share the keys by their hash, as
 * the client library does. Results do not depend on threads and passes, only on the settings.
 *
 *   pass 0   worker 0: own source --key's hash--> proxies 0, 2 | others' keys are passed over
 *            worker 1: own source --------------> proxies 1, 3 |
 *   pass 1   ...                                               '--> merged in the proxies' order
 *
 * A pass has as many proxies in memory as `at_once` says.
 */
#ifndef IC_SIMULATE_FLEET_H
#define IC_SIMULATE_FLEET_H

#include "simulate/simulate.h"

enum { IC_SIM_THREADS_MAX = 64 };

struct ic_sim_fleet {
    struct ic_sim_settings settings; /* of all proxies together */
    uint32_t proxies;                /* 0: as many as the functions need */
    uint32_t threads;                /* 0 counts as 1 */
    uint32_t at_once;                /* proxies in memory at a time; 0: all */
    int64_t end_us; /* simulated until then, and at least until the last request's time */
    /* A source from the first request on; called by each worker in each pass, from its thread.
     * < 0: an error, with WHY (IC_SIM_WHY_MAX bytes). */
    int (*open)(void *ctx, struct ic_sim_source **out, char *why);
    void (*close)(void *ctx, struct ic_sim_source *source);
    /*
     * On the caller's thread, every so often: REQUESTS have been simulated so far in all, of a
     * source the caller's thread is at AT_US, in PASS of PASSES. False: the simulation is given up.
     * May be NULL.
     */
    uint32_t report_every; /* requests of that thread; 0 counts as 4096 */
    bool (*progress)(void *ctx, uint64_t requests, int64_t at_us, uint32_t pass, uint32_t passes);
    void *ctx;
};

/* The number of proxies that FUNCTIONS need. */
uint32_t ic_sim_fleet_proxies(uint32_t functions);
/*
 * OUT (zeroed before; deinit it also after an error) is what came of it. IC_ECANCELED: given up;
 * IC_EINVAL, IC_ENOMEM and the source's errors, with WHY.
 */
int ic_sim_fleet_run(const struct ic_sim_fleet *fleet, struct ic_sim_result *out,
                     char *why) IC_MUST_USE;

#endif
