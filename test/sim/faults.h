/*
 * faults.h - everything that can go wrong in the simulation: one table of kinds, how likely each is
 * in this run (a seed switches about half of them off), and how often each has happened.
 *
 * Columns: name, how many runs of 100 have it, chance per occasion in 10,000 at its lowest and
 * highest. An occasion is what the kind happens to: a dial, an Invoke, a turn, a sent unit; of the
 * kinds that happen by themselves (see faults.c) it is a tick of the fault clock.
 */
#ifndef IC_SIM_FAULTS_H
#define IC_SIM_FAULTS_H

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define SIM_FAULTS(X) \
    /* the network */ \
    X(SLOW_LINK, "slow-link", 40, 500, 3000) \
    X(LINK_RESET, "link-reset", 40, 50, 1500) \
    X(LINK_RESET_ONE, "link-reset-one", 30, 50, 800) \
    X(LINK_HALF_OPEN, "link-half-open", 30, 50, 800) \
    X(LINK_MUTE, "link-mute", 30, 50, 800) \
    X(LINK_CUT_SHORT, "link-cut-short", 40, 50, 1500) \
    X(DIAL_LOST, "dial-lost", 30, 50, 1500) \
    X(DIAL_REFUSED, "dial-refused", 30, 50, 1500) \
    X(FROZEN_LINKS, "frozen-links", 40, 500, 5000) \
    /* nodes */ \
    X(SLOW_NODE, "slow-node", 40, 500, 4000) \
    X(STALL_NODE, "stall-node", 30, 20, 400) \
    X(RECLAIM_IDLE, "reclaim-idle", 40, 50, 800) \
    X(SHUTDOWN, "shutdown-phase", 40, 50, 800) \
    X(RECLAIM_BUSY, "reclaim-busy", 40, 20, 500) \
    X(RECLAIM_STORM, "reclaim-storm", 15, 5, 50) \
    X(SECOND_INSTANCE, "second-instance", 40, 50, 3000) \
    X(STALE_INSTANCE, "stale-instance", 40, 500, 9000) \
    X(NODE_MEMORY, "node-out-of-memory", 25, 2, 30) \
    X(CORRUPT_MEMORY, "corrupt-memory", 30, 10, 300) \
    X(CORRUPT_DATA, "corrupt-data", 30, 10, 300) \
    /* the platform */ \
    X(PLATFORM_KILLED, "platform-killed", 30, 3, 60) \
    X(THROTTLED, "invoke-throttled", 35, 50, 3000) \
    X(THROTTLE_BURST, "throttle-burst", 30, 5, 150) \
    X(SERVER_ERROR, "invoke-5xx", 35, 50, 2000) \
    X(INVOKE_REFUSED, "invoke-refused", 30, 50, 2000) \
    X(INVOKE_LATE, "invoke-late", 35, 50, 2000) \
    X(INVOKE_TWICE, "invoke-twice", 35, 50, 2000) \
    X(REQUEST_LOST, "request-lost", 25, 20, 500) \
    X(RESPONSE_LOST, "response-lost", 35, 50, 2000) \
    X(RESPONSE_LATE, "response-late", 35, 50, 3000) \
    X(FUNCTION_ERROR, "function-error", 25, 20, 500) \
    /* the proxy and its machine */ \
    X(PROXY_CRASH, "proxy-crash", 30, 3, 60) \
    X(PROXY_CRASH_IN_TURN, "proxy-crash-in-turn", 40, 5, 150) \
    X(PROXY_STOP, "proxy-stop", 25, 3, 40) \
    X(POWER_FAILURE, "power-failure", 25, 3, 40) \
    X(JOURNAL_LOST, "journal-lost", 15, 3, 25) \
    X(PROXY_MEMORY, "proxy-out-of-memory", 25, 1, 15) \
    X(JOURNAL_ERROR, "journal-error", 20, 20, 300) \
    X(SYNC_SLOW, "sync-slow", 30, 500, 5000) \
    X(WALL_STEP, "wall-clock-step", 30, 5, 100) \
    /* clients */ \
    X(CLIENT_GONE, "client-gone", 40, 20, 400) \
    X(CLIENT_RESET, "client-reset", 30, 20, 300) \
    X(CLIENT_SLOW, "client-slow", 40, 50, 2000) \
    X(CLIENT_PAUSES, "client-pauses", 30, 100, 4000) \
    X(CLIENT_HALF_CLOSE, "client-half-close", 25, 20, 300) \
    /* the pool of the next life, see host.c */ \
    X(POOL_SIZE, "pool-of-another-size", 35, 1000, 8000) \
    X(POOL_NAMES, "pool-of-other-names", 15, 500, 5000) \
    X(PLATFORM_ANEW, "platform-started-anew", 15, 500, 5000) \
    /* clients that hold the window, see crowd.h and siege.h */ \
    X(CROWD, "crowd", 15, 50, 1000) \
    /* by another client, while it alone has the keys: what it has begun goes on */ \
    X(CLIENT_KILLED, "client-killed-alone", 30, 100, 3000)
/* clang-format on */

enum sim_fault {
#define SIM_FAULT_ENUM(name, ...) SIM_FAULT_##name,
    SIM_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        SIM_FAULT_COUNT
};

struct sim_faults {
    uint32_t chance[SIM_FAULT_COUNT]; /* in 10,000; 0: not in this run */
    uint64_t happened[SIM_FAULT_COUNT];
    struct ic_rng rng;
    bool paused; /* nothing happens: not yet, or not any more */
};

const char *sim_fault_name(enum sim_fault fault);
/* Chooses this run's faults. */
void sim_faults_init(struct sim_faults *f, uint64_t seed);
/* One occasion of FAULT: does it happen? Counts it if so. */
bool sim_faults_draw(struct sim_faults *f, enum sim_fault fault);
uint64_t sim_faults_total(const struct sim_faults *f);

#endif
