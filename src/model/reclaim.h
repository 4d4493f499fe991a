/*
 * reclaim.h - when a cloud takes instances back: seeded models of what was observed on AWS Lambda,
 * for the local platform, which does it, and for simulations. Pure: no clock, no instances.
 *
 *   MODEL = PART [+ PART ...]
 *     none           nothing is taken
 *     poisson:RATE   each minute a number with a Poisson distribution, RATE on average
 *     zipf:S         each minute k = 0, 1, ... with a probability of (k + 1)^-S
 *     mass:TIME      all at once, every TIME (90s, 27m, 6h)
 *     age:TIME       what has lived for TIME
 *     idle:TIME      what has not been used for TIME
 *
 * Numbers and choices of a minute follow from the seed, the minute and the instances there are, so
 * it does not matter how often the model is asked. Sources: doc/reclaim.md.
 */
#ifndef IC_MODEL_RECLAIM_H
#define IC_MODEL_RECLAIM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IC_RECLAIM_PARTS_MAX = 8,
    IC_RECLAIM_RATE_MAX = 10000, /* instances per minute */
    IC_RECLAIM_ZIPF_MAX = 400,   /* the largest number: instances in the study */
    IC_RECLAIM_EXPONENT_MAX = 16,
    IC_RECLAIM_MINUTES_MAX = 24 * 60, /* looked at in one step; what lies before is left out */
    IC_RECLAIM_MINUTE_MS = 60000,
    IC_RECLAIM_WHY_MAX = 160,
};

enum ic_reclaim_kind {
    IC_RECLAIM_POISSON,
    IC_RECLAIM_ZIPF,
    IC_RECLAIM_MASS,
    IC_RECLAIM_AGE,
    IC_RECLAIM_IDLE,
};

/* Fields are private. */
struct ic_reclaim_model {
    struct ic_reclaim_part {
        enum ic_reclaim_kind kind;
        double number; /* POISSON: per minute; ZIPF: the exponent */
        uint64_t ms;   /* of the others */
    } part[IC_RECLAIM_PARTS_MAX];
    size_t count;
    uint64_t seed;
    uint64_t minute; /* the last one looked at */
};

/* One instance as the model sees it. */
struct ic_reclaim_subject {
    uint64_t age_ms;  /* since it was started */
    uint64_t idle_ms; /* since it was used; 0: it is being used */
};

/* The model TEXT at its time 0. IC_EINVAL: WHY (IC_RECLAIM_WHY_MAX bytes) says the reason. */
int ic_reclaim_model_init(struct ic_reclaim_model *m, const char *text, uint64_t seed,
                          char *why) IC_MUST_USE;
bool ic_reclaim_model_none(const struct ic_reclaim_model *m); /* it never takes anything */

/*
 * The model's time is NOW_MS, not before that of the last call. Sets TAKEN[i] for each of the COUNT
 * subjects that goes, and clears the others; returns how many go. The same seed, order and ages of
 * subjects give the same choice.
 */
size_t ic_reclaim_model_step(struct ic_reclaim_model *m, uint64_t now_ms,
                             const struct ic_reclaim_subject *subject, size_t count, bool *taken);

#endif
