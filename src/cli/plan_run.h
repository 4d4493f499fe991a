/*
 * plan_run.h - simulates configurations, several at a time, each in a process of its own. What is
 * assumed about the world, and not chosen, is one struct, so that it can be varied.
 *
 *   trial, trial, trial ... --> [child] [child] --outcome, by a pipe--> trials
 */
#ifndef IC_CLI_PLAN_RUN_H
#define IC_CLI_PLAN_RUN_H

#include "cli/plan_search.h"
#include "cli/work.h"
#include "core/price.h"
#include "model/cloud.h"

enum { IC_PLAN_RECLAIM_MAX = 256 };

struct ic_plan_world { /* what is assumed */
    struct ic_cloud cloud;
    struct ic_prices prices;
    char reclaim[IC_PLAN_RECLAIM_MAX]; /* the model's text */
    int billing;                       /* IC_BILLING_... */
    double shutdown;                   /* part of the reclaimed instances that can hand over */
    double speed; /* of the requests' clock: 2 is twice as many in the same time */
    uint64_t seed;
};

struct ic_plan_run {
    struct ic_work *work;
    const struct ic_plan_space *space;
    uint32_t children; /* at a time; >= 1 */
};

enum { IC_PLAN_RUN_WHY_MAX = 512 };

/* One simulation to be done, its outcome to be filled. */
struct ic_plan_job {
    struct ic_plan_point point;
    const struct ic_plan_world *world;
    struct ic_plan_outcome *out;
};

/*
 * Fills every outcome; one that cannot be simulated has `failed`, and WHY (IC_PLAN_RUN_WHY_MAX
 * bytes) says the last reason. DONE(ctx) after each. IC_EIO: no process could be made.
 */
int ic_plan_run(const struct ic_plan_run *run, const struct ic_plan_job *job, size_t count,
                void (*done)(void *ctx), void *ctx, char *why) IC_MUST_USE;
/* What warming the functions of POINT costs at least. */
double ic_plan_run_floor(const struct ic_plan_run *run, const struct ic_plan_world *world,
                         struct ic_plan_point point);
/* The proxies that FUNCTIONS need. */
uint32_t ic_plan_run_proxies(int64_t functions);

#endif
