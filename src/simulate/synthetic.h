/*
 * synthetic.h - requests of a made-up workload at a made-up pace, as a source for a simulation.
 *
 *   per_s  .-'-.       .-'-.      arrivals are a Poisson process whose rate swings by `diurnal`
 *       .-'     '-. .-'     '-.   around its mean, most at noon: time 0 is midnight
 *      0h   12h   24h
 */
#ifndef IC_SIMULATE_SYNTHETIC_H
#define IC_SIMULATE_SYNTHETIC_H

#include "simulate/request.h"
#include "simulate/workload.h"

struct ic_synthetic_settings {
    struct ic_workload_settings workload;
    uint64_t requests; /* of them, or fewer: */
    int64_t end_us;    /* none comes later than that; 0: no end but their number */
    double per_s;      /* on average over a day; > 0 */
    double diurnal;    /* 0 to 1: 0.5 is half as many at midnight, and half as many more at noon */
};

struct ic_synthetic;

/* *OUT and its source, which ends with it. IC_EINVAL with WHY (IC_WORKLOAD_WHY_MAX bytes),
 * IC_ENOMEM. */
int ic_synthetic_new(const struct ic_synthetic_settings *settings, struct ic_synthetic **out,
                     char *why) IC_MUST_USE;
void ic_synthetic_free(struct ic_synthetic *s); /* NULL is fine */
struct ic_sim_source *ic_synthetic_source(struct ic_synthetic *s);

#endif
