/*
 * test_plan_search.c - the search finds what a formula makes the best point, and what is better is
 * what the targets say.
 */
#include "cli/plan_search.h"

#include "unit/unit.h"

#include <math.h>

static bool nothing_said(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return false;
}

/*
 * A world of formulas: hits rise with the capacity, availability with the code's index; dollars
 * are least at memory 9, warm 7, repair 1, and rise with capacity and code. So the best are the
 * least capacity and code that meet the targets.
 */
struct world {
    size_t simulated;
    int fails_after; /* simulations; < 0: never */
};

static int simulate(void *ctx, struct ic_plan_trial *trial, size_t count)
{
    struct world *w = ctx;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = trial[i].point.at;
        trial[i].outcome = (struct ic_plan_outcome){
            .hours = 10,
            .hit_ratio = at[IC_PLAN_CAPACITY] / 100.0,
            .availability = 0.9 + at[IC_PLAN_CODE] / 100.0,
            .dollars = 10 + at[IC_PLAN_CAPACITY] + at[IC_PLAN_CODE] +
                       fabs(at[IC_PLAN_MEMORY] - 9.0) + fabs(at[IC_PLAN_WARM] - 7.0) +
                       fabs(at[IC_PLAN_REPAIR] - 1.0) + at[IC_PLAN_EVICTION] + at[IC_PLAN_BACKUP] +
                       at[IC_PLAN_LATENCY],
        };
        w->simulated++;
    }
    return w->fails_after >= 0 && w->simulated > (size_t)w->fails_after ? IC_EIO : 0;
}

static double no_floor(void *ctx, struct ic_plan_point point)
{
    (void)ctx;
    (void)point;
    return 0;
}

static struct ic_plan_search searching(const struct ic_plan_space *space, struct world *w)
{
    return (struct ic_plan_search){
        .space = space,
        .targets = {.hit_ratio = 0.4, .availability = 0.95},
        .most = 2000,
        .simulate = simulate,
        .floor = no_floor,
        .ctx = w,
    };
}

static void test_it_finds_the_best(void **state)
{
    (void)state;
    struct ic_config *base = ic_config_new();
    struct world w = {.fails_after = -1};
    struct ic_plan_space space;
    ic_plan_space_init(&space, base, nothing_said, NULL);
    struct ic_plan_search s = searching(&space, &w);
    struct ic_plan_point start = ic_plan_space_start(&space, 1e13); /* far above */
    assert_int_equal(ic_plan_search_run(&s, &start, 1), 0);
    const struct ic_plan_trial *best[2];
    assert_int_equal(ic_plan_search_best(&s, best, 2), 2);
    static const uint8_t wanted[IC_PLAN_DIMENSIONS] = {
        [IC_PLAN_CAPACITY] = 40, [IC_PLAN_MEMORY] = 9, [IC_PLAN_CODE] = 5,
        [IC_PLAN_WARM] = 7,      [IC_PLAN_REPAIR] = 1, [IC_PLAN_LATENCY] = 0};
    for (int d = 0; d <= IC_PLAN_LATENCY; d++) {
        assert_int_equal(best[0]->point.at[d], wanted[d]);
    }
    assert_true(best[1]->outcome.dollars >= best[0]->outcome.dollars);
    assert_int_equal(w.simulated, s.count); /* none twice */
    assert_true(s.count < 500);
    ic_plan_search_deinit(&s);
    ic_config_free(base);
}

static void test_no_more_trials_than_permitted_and_errors_end_it(void **state)
{
    (void)state;
    struct ic_config *base = ic_config_new();
    struct world w = {.fails_after = -1};
    struct ic_plan_space space;
    ic_plan_space_init(&space, base, nothing_said, NULL);
    struct ic_plan_search s = searching(&space, &w);
    s.most = 7;
    struct ic_plan_point start = ic_plan_space_start(&space, 1e10);
    assert_int_equal(ic_plan_search_run(&s, &start, 1), 0);
    assert_int_equal(w.simulated, 7);
    ic_plan_search_deinit(&s);
    w.fails_after = 20;
    s.most = 100;
    assert_int_equal(ic_plan_search_run(&s, &start, 1), IC_EIO);
    ic_plan_search_deinit(&s);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_plan_search_run(&s, &start, 1), IC_ENOMEM);
    ic_config_free(base);
}

static void test_what_is_better(void **state)
{
    (void)state;
    struct ic_plan_targets hits = {.hit_ratio = 0.5, .availability = 0.99, .p99_us = 1000},
                           budget = {.dollars_per_hour = 2};
    struct ic_plan_outcome o = {.hours = 1,
                                .hit_ratio = 0.6,
                                .availability = 1,
                                .availability_least = 1,
                                .p99_us = 900,
                                .dollars = 1.5};
    struct ic_plan_outcome cheap = o, poor = o, slow = o, lossy = o, bad_hour = o,
                           failed = {.failed = true};
    cheap.dollars = 1;
    poor.hit_ratio = 0.4;
    poor.dollars = 0.1;
    slow.p99_us = 1100;
    lossy.availability = 0.98;
    bad_hour.availability_least = 0.9;
    assert_true(ic_plan_shortfall(&hits, &o) == 0);
    assert_true(ic_plan_better(&hits, &cheap, &o) && !ic_plan_better(&hits, &o, &cheap));
    assert_true(ic_plan_better(&hits, &o, &poor) && ic_plan_better(&hits, &o, &slow));
    assert_true(ic_plan_better(&hits, &o, &lossy) && ic_plan_better(&hits, &poor, &failed));
    assert_true(ic_plan_shortfall(&hits, &bad_hour) == 0); /* the mean is what was asked for */
    hits.availability_least = 0.999;
    assert_true(ic_plan_shortfall(&hits, &o) == 0 && ic_plan_better(&hits, &o, &bad_hour));
    assert_true(ic_plan_better(&budget, &o, &poor)); /* it hits more, and both can be paid */
    o.dollars = 3;
    assert_true(ic_plan_better(&budget, &poor, &o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_it_finds_the_best),
        leak_test(test_no_more_trials_than_permitted_and_errors_end_it),
        leak_test(test_what_is_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
