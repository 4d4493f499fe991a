#include "cli/plan_search.h"

#include "base/alloc.h"

#include <string.h>

enum { BATCH_MAX = 128 };

static const double EQUAL_HITS = 0.0005; /* ratios so near are the same */

/* ---- what is better --------------------------------------------------------- */

static double below(double is, double wanted)
{
    return wanted > 0 && is < wanted ? (wanted - is) / wanted : 0;
}

static double above(double is, double most)
{
    return most > 0 && is > most ? (is - most) / most : 0;
}

/* What lies beyond an availability is what counts: 99 instead of 99.9 % is ten times the losses. */
static double losses(double is, double wanted)
{
    double lost = 1 - is, may = 1 - wanted;
    return wanted > 0 && lost > may + 1e-12 ? (lost - may) / (may + 1e-4) : 0;
}

double ic_plan_shortfall(const struct ic_plan_targets *t, const struct ic_plan_outcome *o)
{
    if (o->failed) {
        return 1e9;
    }
    return below(o->hit_ratio, t->hit_ratio) + below(o->byte_hit_ratio, t->byte_hit_ratio) +
           losses(o->availability, t->availability) / 100 +
           losses(o->availability_least, t->availability_least) / 100 +
           above(o->p99_us, t->p99_us) +
           above(o->dollars / (o->hours > 0 ? o->hours : 1), t->dollars_per_hour);
}

bool ic_plan_meets(const struct ic_plan_targets *t, const struct ic_plan_outcome *o)
{
    return ic_plan_shortfall(t, o) == 0;
}

bool ic_plan_better(const struct ic_plan_targets *t, const struct ic_plan_outcome *a,
                    const struct ic_plan_outcome *b)
{
    double misses_a = ic_plan_shortfall(t, a), misses_b = ic_plan_shortfall(t, b);
    if (misses_a > 0 || misses_b > 0) {
        return misses_a < misses_b;
    }
    bool seek_hits = t->dollars_per_hour > 0 && t->hit_ratio <= 0;
    double more = a->hit_ratio - b->hit_ratio;
    if (seek_hits && (more > EQUAL_HITS || more < -EQUAL_HITS)) {
        return more > 0;
    }
    return a->dollars < b->dollars;
}

/* ---- trials ----------------------------------------------------------------- */

static bool same(struct ic_plan_point a, struct ic_plan_point b)
{
    return memcmp(a.at, b.at, sizeof a.at) == 0;
}

static const struct ic_plan_trial *find(const struct ic_plan_search *s, struct ic_plan_point p)
{
    for (size_t i = 0; i < s->count; i++) {
        if (same(s->trial[i].point, p)) {
            return &s->trial[i];
        }
    }
    return NULL;
}

/* The best trial but for those before which RANKED already are; NULL: there is none. */
static const struct ic_plan_trial *best_but(const struct ic_plan_search *s,
                                            const struct ic_plan_trial *const *ranked, size_t count)
{
    const struct ic_plan_trial *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        bool taken = false;
        for (size_t k = 0; k < count; k++) {
            taken |= ranked[k] == &s->trial[i];
        }
        if (!taken &&
            (best == NULL || ic_plan_better(&s->targets, &s->trial[i].outcome, &best->outcome))) {
            best = &s->trial[i];
        }
    }
    return best;
}

size_t ic_plan_search_best(const struct ic_plan_search *s, const struct ic_plan_trial **out,
                           size_t count)
{
    size_t found = 0;
    while (found < count && (out[found] = best_but(s, out, found)) != NULL) {
        found++;
    }
    return found;
}

/* Simulates those of POINT that were not yet. */
static int try_points(struct ic_plan_search *s, const struct ic_plan_point *point, size_t count)
{
    size_t first = s->count;
    for (size_t i = 0; i < count && s->count < s->most; i++) {
        if (find(s, point[i]) == NULL) {
            s->trial[s->count++] = (struct ic_plan_trial){.point = point[i]};
        }
    }
    if (s->count == first) {
        return 0;
    }
    int result = s->simulate(s->ctx, &s->trial[first], s->count - first);
    if (result < 0) {
        s->count = first;
    }
    return result;
}

/* ---- descent ---------------------------------------------------------------- */

/* It costs more than a point that meets the targets, whatever it does. */
static bool is_hopeless(const struct ic_plan_search *s, const struct ic_plan_trial *at,
                        struct ic_plan_point p)
{
    bool by_cost = s->targets.dollars_per_hour <= 0 || s->targets.hit_ratio > 0;
    return by_cost && ic_plan_shortfall(&s->targets, &at->outcome) <= 0 &&
           s->floor(s->ctx, p) > at->outcome.dollars;
}

/* Where to look from AT along D: the neighbours of an ordered dimension, all of another. */
static size_t neighbours(const struct ic_plan_search *s, const struct ic_plan_trial *at, int d,
                         struct ic_plan_point *out)
{
    static const int steps[] = {-6, -3, -2, -1, 1, 2, 3, 6};
    int count = (int)ic_plan_space_count(s->space, (enum ic_plan_dimension)d);
    bool ordered = ic_plan_space_ordered((enum ic_plan_dimension)d);
    size_t found = 0;
    for (int i = 0; i < (ordered ? (int)(sizeof steps / sizeof steps[0]) : count); i++) {
        int to = ordered ? at->point.at[d] + steps[i] : i;
        struct ic_plan_point p = at->point;
        if (to < 0 || to >= count || to == at->point.at[d] || found == BATCH_MAX) {
            continue;
        }
        p.at[d] = (uint8_t)to;
        if (!is_hopeless(s, at, p)) {
            out[found++] = p;
        }
    }
    return found;
}

/* Moves *AT along D to the best of its neighbours, if that is better. 1: it moved. */
static int move_along(struct ic_plan_search *s, struct ic_plan_point *at, int d)
{
    struct ic_plan_point near[BATCH_MAX];
    size_t count = neighbours(s, find(s, *at), d, near);
    int result = try_points(s, near, count);
    if (result < 0) {
        return result;
    }
    const struct ic_plan_trial *best = find(s, *at), *begin = best;
    for (size_t i = 0; i < count; i++) {
        const struct ic_plan_trial *t = find(s, near[i]);
        if (t != NULL && ic_plan_better(&s->targets, &t->outcome, &best->outcome)) {
            best = t;
        }
    }
    *at = best->point;
    return best != begin;
}

static int descend(struct ic_plan_search *s, struct ic_plan_point at)
{
    bool moved = true;
    while (moved && s->count < s->most) {
        moved = false;
        for (int d = 0; d < IC_PLAN_DIMENSIONS && s->count < s->most; d++) {
            int result = move_along(s, &at, d);
            if (result < 0) {
                return result;
            }
            moved |= result > 0;
        }
    }
    return 0;
}

/* The best of START that no descent has begun from. */
static size_t next_start(const struct ic_plan_search *s, const struct ic_plan_point *start,
                         size_t starts, const bool *begun)
{
    const struct ic_plan_trial *best = NULL;
    size_t which = starts;
    for (size_t i = 0; i < starts; i++) {
        const struct ic_plan_trial *t = begun[i] ? NULL : find(s, start[i]);
        if (t != NULL &&
            (best == NULL || ic_plan_better(&s->targets, &t->outcome, &best->outcome))) {
            best = t;
            which = i;
        }
    }
    return which;
}

int ic_plan_search_run(struct ic_plan_search *s, const struct ic_plan_point *start, size_t starts)
{
    bool begun[IC_PLAN_STARTS_MAX] = {false};
    s->trial = ic_calloc(s->most, sizeof *s->trial);
    if (s->trial == NULL) {
        return IC_ENOMEM;
    }
    int result = try_points(s, start, starts);
    for (size_t i = 0; i < starts && result == 0; i++) {
        size_t which = next_start(s, start, starts, begun);
        if (which < starts) {
            begun[which] = true;
            result = descend(s, start[which]);
        }
    }
    return result;
}

void ic_plan_search_deinit(struct ic_plan_search *s)
{
    ic_free(s->trial);
    s->trial = NULL;
    s->count = 0;
}
