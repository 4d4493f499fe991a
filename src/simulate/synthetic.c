#include "simulate/synthetic.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>

static const double day_us = 86400e6, pi = 3.14159265358979323846;

struct ic_synthetic {
    struct ic_sim_source source;
    struct ic_synthetic_settings settings;
    struct ic_workload *workload;
    struct ic_rng rng; /* of the gaps */
    uint64_t made;
    double at_us;
};

/* Requests per microsecond at that time. */
static double rate(const struct ic_synthetic *s)
{
    double swing = s->settings.diurnal * cos(2 * pi * s->at_us / day_us);
    return s->settings.per_s / 1e6 * (1 - swing);
}

/* Gaps are so much shorter than a day that the rate at their begin is that of all of it; but at
 * the foot of a full swing, where it is next to none, a gap ends after an hour at the latest. */
static void pass_a_gap(struct ic_synthetic *s)
{
    static const double most_us = 3600e6;
    while (true) {
        double gap_us = -log(1 - ic_rng_unit(&s->rng)) / rate(s);
        if (gap_us < most_us) {
            s->at_us += gap_us;
            return;
        }
        s->at_us += most_us; /* the process has no memory: drawn anew from there */
    }
}

static int next(struct ic_sim_source *source, struct ic_sim_request *out)
{
    struct ic_synthetic *s = IC_CONTAINER(source, struct ic_synthetic, source);
    bool get;
    if (s->made == s->settings.requests) {
        return 0;
    }
    if (s->made++ > 0) {
        pass_a_gap(s);
    }
    if (s->settings.end_us > 0 && s->at_us > (double)s->settings.end_us) {
        s->made = s->settings.requests;
        return 0;
    }
    uint64_t key = ic_workload_next(s->workload, &get);
    *out = (struct ic_sim_request){
        .at_us = (int64_t)s->at_us,
        .key = key,
        .bytes = ic_workload_size(s->workload, key),
        .op = get ? IC_SIM_GET : IC_SIM_PUT,
    };
    return 1;
}

int ic_synthetic_new(const struct ic_synthetic_settings *settings, struct ic_synthetic **out,
                     char *why)
{
    struct ic_synthetic *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        snprintf(why, IC_WORKLOAD_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
        return IC_ENOMEM;
    }
    s->source.next = next;
    s->settings = *settings;
    ic_rng_init(&s->rng, ~settings->workload.seed); /* not the workload's own numbers */
    int result = ic_workload_new(&settings->workload, &s->workload, why);
    if (result < 0) {
        ic_synthetic_free(s);
        return result;
    }
    *out = s;
    return 0;
}

void ic_synthetic_free(struct ic_synthetic *s)
{
    if (s != NULL) {
        ic_workload_free(s->workload);
        ic_free(s);
    }
}

struct ic_sim_source *ic_synthetic_source(struct ic_synthetic *s)
{
    return &s->source;
}
