#include "core/lease.h"

#include "base/config.h"
#include "core/price.h"

#include <assert.h>
#include <math.h>

/* Of a smoothed figure, the newest value's part. */
static const double NEWEST = 1.0 / 8;

/* ---- the settings ----------------------------------------------------------- */

struct ic_lease_settings ic_lease_settings_of(const struct ic_config *config,
                                              const struct ic_rate *rate,
                                              const struct ic_lease_measures *measures,
                                              uint64_t most_ms)
{
    return (struct ic_lease_settings){
        .cycle_ms = rate->granularity,
        .stay = rate->per_ms,
        .leave = rate->per_invocation + measures->startup_ms * rate->per_ms,
        .wait = config->latency_value / 1000 * measures->wake_ms,
        .most_ms = most_ms,
    };
}

void ic_lease_measure(struct ic_lease_measures *m, double wake_ms, double startup_ms)
{
    m->wake_ms += (wake_ms - m->wake_ms) * NEWEST;
    m->startup_ms += (startup_ms - m->startup_ms) * NEWEST;
}

/* ---- the gaps --------------------------------------------------------------- */

/* Bucket b holds gaps from 2^(b/2) up to 2^((b+1)/2); the last one all longer ones too. */
static double upper_edge(uint32_t bucket)
{
    return (bucket % 2 == 0 ? M_SQRT2 : 2.0) * (double)(UINT64_C(1) << (bucket / 2));
}

static uint32_t bucket_of(uint64_t gap_ms)
{
    uint32_t bucket = 0;
    while (bucket + 1 < IC_LEASE_BUCKETS && (double)gap_ms >= upper_edge(bucket)) {
        bucket++;
    }
    return bucket;
}

static void note_gap(struct ic_lease *l, uint64_t gap_ms)
{
    const double fade = exp(-1.0 / IC_LEASE_MEMORY);
    for (uint32_t i = 0; i < IC_LEASE_BUCKETS; i++) {
        l->weight[i] *= fade;
        l->sum_ms[i] *= fade;
    }
    uint32_t bucket = bucket_of(gap_ms);
    l->weight[bucket] += 1;
    l->sum_ms[bucket] += (double)gap_ms;
    l->gap_ms += l->gaps == 0 ? (double)gap_ms : ((double)gap_ms - l->gap_ms) * NEWEST;
    l->gaps++;
}

/* ---- ski rental ------------------------------------------------------------- */

double ic_lease_leaving(const struct ic_lease *l, const struct ic_lease_settings *s)
{
    return s->leave + s->wait * (l->share > 0 ? l->share : 1);
}

/* Thresholds are tried in rising order: what each outlasts only grows. */
struct trial {
    const struct ic_lease *l;
    double break_even_ms;
    uint32_t bucket;       /* those before have gaps that the threshold outlasts: */
    double outlasted_ms;   /* their sum */
    double longer;         /* weight of the others */
    double best_ms, least; /* so far */
};

/*
 * The expected cost of threshold T_MS, as a multiple of `stay` and of all weights together. The
 * prior's part is that of gaps spread evenly over (0, t*]. Of equals the longest is best.
 */
static void try_threshold(struct trial *t, double t_ms)
{
    const struct ic_lease *l = t->l;
    for (; t->bucket < IC_LEASE_BUCKETS; t->bucket++) {
        double weight = l->weight[t->bucket], sum_ms = l->sum_ms[t->bucket];
        if (sum_ms > t_ms * weight) {
            break; /* the bucket's mean gap is longer */
        }
        t->outlasted_ms += sum_ms;
        t->longer -= weight;
    }
    double x = t_ms / t->break_even_ms;
    double prior = IC_LEASE_PRIOR * t->break_even_ms * (1 - x * x / 2);
    double cost = prior + t->outlasted_ms + t->longer * (t_ms + t->break_even_ms);
    if (cost <= t->least) {
        t->least = cost;
        t->best_ms = t_ms;
    }
}

/* The best threshold among the floor, the buckets' edges above it, and t*. */
static double best_threshold(const struct ic_lease *l, double break_even_ms)
{
    double floor_ms = break_even_ms / IC_LEASE_FLOOR;
    struct trial t = {.l = l, .break_even_ms = break_even_ms, .least = INFINITY};
    for (uint32_t i = 0; i < IC_LEASE_BUCKETS; i++) {
        t.longer += l->weight[i];
    }
    try_threshold(&t, floor_ms);
    for (uint32_t i = 0; i < IC_LEASE_BUCKETS && upper_edge(i) < break_even_ms; i++) {
        if (upper_edge(i) > floor_ms) {
            try_threshold(&t, upper_edge(i));
        }
    }
    try_threshold(&t, break_even_ms);
    return t.best_ms;
}

static double threshold(const struct ic_lease *l, double break_even_ms)
{
    return l->regret > IC_LEASE_LOSSES ? break_even_ms : best_threshold(l, break_even_ms);
}

/* What a gap costs with a threshold, as a multiple of `stay`. */
static double gap_cost(double gap_ms, double threshold_ms, double break_even_ms)
{
    return gap_ms <= threshold_ms ? gap_ms : threshold_ms + break_even_ms;
}

static void note_regret(struct ic_lease *l, double gap_ms, double break_even_ms)
{
    double paid = gap_cost(gap_ms, threshold(l, break_even_ms), break_even_ms);
    double without = gap_cost(gap_ms, break_even_ms, break_even_ms);
    l->regret *= 1 - 1.0 / IC_LEASE_GRUDGE;
    l->regret = fmax(l->regret + (paid - without) / break_even_ms, 0);
}

/* t*; within the buckets, so that it is a number whatever the prices. */
static double break_even(const struct ic_lease *l, const struct ic_lease_settings *s)
{
    const double least_ms = 1, most_ms = upper_edge(IC_LEASE_BUCKETS - 1);
    double leaving = ic_lease_leaving(l, s);
    if (leaving >= most_ms * s->stay) {
        return most_ms;
    }
    return fmax(leaving / s->stay, least_ms);
}

/* ---- visits ----------------------------------------------------------------- */

static uint64_t cycle_at(const struct ic_lease *l, const struct ic_lease_settings *s,
                         uint64_t now_ms)
{
    return now_ms > l->begun_ms ? (now_ms - l->begun_ms) / s->cycle_ms : 0;
}

void ic_lease_begin(struct ic_lease *l, uint64_t begun_ms)
{
    l->begun_ms = begun_ms;
    l->cycle = 0;
    l->visits = 0;
}

void ic_lease_arrival(struct ic_lease *l, uint32_t nodes, const struct ic_lease_settings *s,
                      uint64_t now_ms)
{
    assert(nodes > 0 && s->cycle_ms > 0);
    if (l->quiet_ms != 0 && now_ms > l->quiet_ms) {
        uint64_t gap_ms = now_ms - l->quiet_ms;
        note_regret(l, (double)gap_ms, break_even(l, s)); /* before this gap is known */
        note_gap(l, gap_ms);
    }
    double share = 1.0 / nodes;
    l->share += l->share > 0 ? (share - l->share) * NEWEST : share;
    if (l->quiet_ms != 0 && now_ms == l->quiet_ms) {
        return; /* no pause: the same visit goes on */
    }
    uint64_t cycle = cycle_at(l, s, now_ms);
    l->visits = cycle == l->cycle ? l->visits + 1 : 1;
    l->cycle = cycle;
}

void ic_lease_quiet(struct ic_lease *l, uint64_t now_ms)
{
    l->quiet_ms = now_ms;
}

/* ---- the decision ----------------------------------------------------------- */

static uint64_t to_cycles_end(const struct ic_lease *l, const struct ic_lease_settings *s,
                              uint64_t now_ms)
{
    uint64_t cycle = cycle_at(l, s, now_ms);
    uint64_t end_ms = l->begun_ms + (cycle + 1) * s->cycle_ms;
    if (l->cycle == cycle && l->visits > 1) {
        end_ms += s->cycle_ms;
    }
    if (end_ms <= now_ms + IC_LEASE_MARGIN_MS) {
        end_ms += s->cycle_ms; /* too late for this one: the next is begun in any case */
    }
    return end_ms - IC_LEASE_MARGIN_MS - now_ms;
}

static uint64_t bounded(double lease_ms, const struct ic_lease_settings *s)
{
    uint64_t whole_ms = (uint64_t)ceil(lease_ms);
    whole_ms = whole_ms < s->most_ms ? whole_ms : s->most_ms;
    return whole_ms > 0 ? whole_ms : 1;
}

uint64_t ic_lease_ms(const struct ic_lease *l, const struct ic_lease_settings *s, uint64_t now_ms)
{
    double lease_ms =
        s->cycle_ms > 1 ? (double)to_cycles_end(l, s, now_ms) : threshold(l, break_even(l, s));
    return bounded(lease_ms, s);
}

uint64_t ic_lease_promised_ms(const struct ic_lease *l, const struct ic_lease_settings *s,
                              uint64_t now_ms)
{
    double lease_ms = s->cycle_ms > 1 ? (double)to_cycles_end(l, s, now_ms) : break_even(l, s);
    return bounded(lease_ms, s);
}

uint32_t ic_lease_told_ms(const struct ic_lease *l, const struct ic_lease_settings *s,
                          uint64_t fixed_ms, bool promised, uint64_t now_ms)
{
    uint64_t lease_ms = fixed_ms < s->most_ms ? fixed_ms : s->most_ms;
    if (fixed_ms == 0) {
        lease_ms = promised ? ic_lease_promised_ms(l, s, now_ms) : ic_lease_ms(l, s, now_ms);
    }
    return (uint32_t)(lease_ms > 0 ? lease_ms : 1);
}
