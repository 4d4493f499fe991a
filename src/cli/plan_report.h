/*
 * plan_report.h - what `plan` has found: a configuration file that `infinicache up --config` takes
 * as it is, with all the rest in its comments; or JSON.
 */
#ifndef IC_CLI_PLAN_REPORT_H
#define IC_CLI_PLAN_REPORT_H

#include "cli/plan_run.h"
#include "simulate/elsewhere.h"

enum { IC_PLAN_RUNNERS_MAX = 20, IC_PLAN_VARIATIONS_MAX = 16 };

struct ic_plan_variation { /* the winner in another world */
    const char *what;      /* is different there */
    struct ic_plan_outcome outcome;
    double change; /* of the dollars, relative */
    double weight; /* how much hangs on it */
};

struct ic_plan_report { /* borrows all it points to */
    const struct ic_work *work;
    const struct ic_plan_space *space;
    const struct ic_plan_targets *targets;
    const struct ic_plan_world *world;
    struct ic_plan_trial winner;
    struct ic_plan_outcome first;       /* the winner's with the first seed alone */
    uint32_t seeds;                     /* over which the winner's outcome is the mean, */
    double dollars_least, dollars_most; /* and these the extremes */
    double resets_most;
    struct ic_plan_trial runner[IC_PLAN_RUNNERS_MAX]; /* the next best, best first */
    size_t runners;
    struct ic_plan_variation variation[IC_PLAN_VARIATIONS_MAX]; /* heaviest first */
    size_t variations;
    struct ic_elsewhere elsewhere;
    size_t trials; /* simulated */
    /* Directives that the user has said, beside those of the space: they are in the file too. */
    bool (*said)(void *ctx, const char *name);
    void *ctx;
};

void ic_plan_report_text(const struct ic_plan_report *r);
void ic_plan_report_json(const struct ic_plan_report *r);

#endif
