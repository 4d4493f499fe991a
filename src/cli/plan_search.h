/*
 * plan_search.h - finds the cheapest point of a space that meets targets, by simulations:
 * coordinate descent from several starts. All simulations see the same requests and the same
 * chances, so that two points differ by what they are. Pure but for the one who simulates.
 *
 *   start --> each dimension in turn: neighbours, or all values, simulated in one batch
 *               '--> the best becomes the point --> ... until no dimension helps any more
 *   the best start first, the others while there are trials left --> the best of all
 */
#ifndef IC_CLI_PLAN_SEARCH_H
#define IC_CLI_PLAN_SEARCH_H

#include "cli/plan_space.h"

struct ic_plan_targets {              /* 0: none */
    double hit_ratio, byte_hit_ratio; /* at least, 0 to 1 */
    double availability;              /* at least, mean of the hours */
    double availability_least;        /* at least, of every hour */
    double p99_us;                    /* at most, of GETs that hit */
    double dollars_per_hour;          /* at most, of the functions; then the hit ratio is what is
                                         sought, as far as hit_ratio does not say how much */
};

struct ic_plan_outcome {
    bool failed;                     /* it could not be simulated */
    double hours, dollars, cause[8]; /* of the functions; by enum ic_cost_cause */
    double hit_ratio, byte_hit_ratio, availability, availability_least, p50_us, p99_us;
    double resets;
};

struct ic_plan_trial {
    struct ic_plan_point point;
    struct ic_plan_outcome outcome;
};

/* By how much OUTCOME misses the targets, each relative to itself; 0: it meets them. */
double ic_plan_shortfall(const struct ic_plan_targets *t, const struct ic_plan_outcome *o);
bool ic_plan_meets(const struct ic_plan_targets *t, const struct ic_plan_outcome *o);
/* A is to be preferred: it misses less; or, where both meet them, it is cheaper (under a budget
 * without a hit ratio: it hits more). */
bool ic_plan_better(const struct ic_plan_targets *t, const struct ic_plan_outcome *a,
                    const struct ic_plan_outcome *b);

enum { IC_PLAN_TRIALS_MAX = 5000, IC_PLAN_STARTS_MAX = 8 };

struct ic_plan_search {
    const struct ic_plan_space *space;
    struct ic_plan_targets targets;
    size_t most; /* trials, 1 to IC_PLAN_TRIALS_MAX */
    /* Fills the outcomes of COUNT trials. < 0 ends the search. */
    int (*simulate)(void *ctx, struct ic_plan_trial *trial, size_t count);
    /* What POINT costs at least, without a simulation. */
    double (*floor)(void *ctx, struct ic_plan_point point);
    void *ctx;
    struct ic_plan_trial *trial; /* all that were made; owned */
    size_t count;
};

/* The other fields zeroed; STARTS <= IC_PLAN_STARTS_MAX. Errors of `simulate`, IC_ENOMEM. */
int ic_plan_search_run(struct ic_plan_search *s, const struct ic_plan_point *start,
                       size_t starts) IC_MUST_USE;
/* The best trials, best first, into OUT; returns how many there are of the COUNT. */
size_t ic_plan_search_best(const struct ic_plan_search *s, const struct ic_plan_trial **out,
                           size_t count);
void ic_plan_search_deinit(struct ic_plan_search *s);

#endif
