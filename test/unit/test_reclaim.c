/*
 * test_reclaim.c - the models of reclaiming: their distributions (with fixed seeds, so that a run
 * says the same each time), their repeatability, and what the parser refuses.
 */
#include "model/reclaim.h"

#include "unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SUBJECTS = 500, MINUTES = 20000, CELLS = 12 };

static const uint64_t HOUR_MS = 3600000;

static struct ic_reclaim_model model(const char *text, uint64_t seed)
{
    struct ic_reclaim_model m;
    char why[IC_RECLAIM_WHY_MAX] = "";
    if (ic_reclaim_model_init(&m, text, seed, why) < 0) {
        fail_msg("%s: %s", text, why);
    }
    return m;
}

/* How often each number of instances was taken in a minute; the last cell: that or more. */
static void count_numbers(const char *text, uint64_t *cell, double *mean)
{
    static struct ic_reclaim_subject subject[SUBJECTS];
    static bool taken[SUBJECTS];
    struct ic_reclaim_model m = model(text, 7);
    uint64_t sum = 0;
    memset(cell, 0, CELLS * sizeof *cell);
    for (size_t i = 0; i < SUBJECTS; i++) {
        subject[i] = (struct ic_reclaim_subject){.age_ms = UINT64_MAX / 2, .idle_ms = 1};
    }
    for (uint64_t minute = 1; minute <= MINUTES; minute++) {
        size_t number =
            ic_reclaim_model_step(&m, minute * IC_RECLAIM_MINUTE_MS, subject, SUBJECTS, taken);
        size_t marked = 0;
        for (size_t i = 0; i < SUBJECTS; i++) {
            marked += taken[i];
        }
        assert_int_equal(marked, number);
        cell[number < CELLS ? number : CELLS - 1]++;
        sum += number;
    }
    *mean = (double)sum / MINUTES;
}

/* Pearson's statistic of CELLS cells against their probabilities. */
static double chi_square(const uint64_t *cell, const double *p)
{
    double sum = 0, rest = 1;
    for (size_t k = 0; k < CELLS; k++) {
        double expected = (k + 1 < CELLS ? p[k] : rest) * MINUTES;
        double off = (double)cell[k] - expected;
        sum += off * off / expected;
        rest -= p[k];
    }
    return sum;
}

/* 31.26: 11 degrees of freedom, one honest seed in a thousand is above it. */
static const double LIMIT = 31.26;

static void test_poisson(void **state)
{
    (void)state;
    uint64_t cell[CELLS];
    double mean, p[CELLS], at = exp(-4.0);
    count_numbers("poisson:4", cell, &mean);
    for (size_t k = 0; k < CELLS; k++) {
        p[k] = at;
        at *= 4.0 / (double)(k + 1);
    }
    assert_true(chi_square(cell, p) < LIMIT);
    assert_true(fabs(mean - 4) < 0.06); /* four deviations of the mean */
    count_numbers("poisson:3.5", cell, &mean);
    assert_true(chi_square(cell, p) > LIMIT); /* the statistic tells them apart */
    count_numbers("poisson:70", cell, &mean); /* a sum of small ones */
    assert_true(fabs(mean - 70) < 0.24);
    count_numbers("poisson:0", cell, &mean);
    assert_int_equal(cell[0], MINUTES);
}

static void test_zipf(void **state)
{
    (void)state;
    uint64_t cell[CELLS];
    double mean, p[CELLS], total = 0;
    for (size_t k = 0; k <= IC_RECLAIM_ZIPF_MAX; k++) {
        total += pow((double)(k + 1), -2);
    }
    for (size_t k = 0; k < CELLS; k++) {
        p[k] = pow((double)(k + 1), -2) / total;
    }
    count_numbers("zipf:2", cell, &mean);
    assert_true(chi_square(cell, p) < LIMIT);
    count_numbers("zipf:1.8", cell, &mean);
    assert_true(chi_square(cell, p) > LIMIT);
}

/* Every instance is as likely to go as any other. */
static void test_choice_is_even(void **state)
{
    (void)state;
    enum { FEW = CELLS };
    struct ic_reclaim_model m = model("poisson:1", 3);
    struct ic_reclaim_subject subject[FEW];
    bool taken[FEW];
    uint64_t cell[FEW] = {0}, sum = 0;
    for (size_t i = 0; i < FEW; i++) {
        subject[i] = (struct ic_reclaim_subject){.age_ms = UINT64_MAX / 2};
    }
    for (uint64_t minute = 1; minute <= MINUTES; minute++) {
        sum += ic_reclaim_model_step(&m, minute * IC_RECLAIM_MINUTE_MS, subject, FEW, taken);
        for (size_t i = 0; i < FEW; i++) {
            cell[i] += taken[i];
        }
    }
    double statistic = 0, expected = (double)sum / FEW;
    for (size_t i = 0; i < FEW; i++) {
        statistic += pow((double)cell[i] - expected, 2) / expected;
    }
    assert_true(statistic < LIMIT);
}

/* One step over an hour takes what sixty steps take, and the same seed the same. */
static void test_steps_do_not_matter(void **state)
{
    (void)state;
    enum { MANY = 100 };
    static const char text[] = "poisson:0.7+zipf:3+mass:50m+age:40m+idle:30m";
    struct ic_reclaim_subject subject[MANY], now[MANY];
    bool taken[MANY], once[MANY], all[MANY] = {false};
    for (size_t i = 0; i < MANY; i++) { /* as they are at the hour's end; some are started in it */
        subject[i].age_ms = (uint64_t)i * 70000;
        subject[i].idle_ms = (uint64_t)i * 50000;
    }
    struct ic_reclaim_model a = model(text, 5), b = model(text, 5), c = model(text, 6);
    size_t sum = ic_reclaim_model_step(&a, HOUR_MS, subject, MANY, once), steps = 0;
    for (uint64_t minute = 1; minute <= 60; minute++) {
        uint64_t later_ms = HOUR_MS - minute * IC_RECLAIM_MINUTE_MS;
        size_t index[MANY], count = 0;
        for (size_t i = 0; i < MANY; i++) {
            if (all[i] || subject[i].age_ms < later_ms) {
                continue;
            }
            now[count].age_ms = subject[i].age_ms - later_ms;
            now[count].idle_ms = subject[i].idle_ms < later_ms ? 0 : subject[i].idle_ms - later_ms;
            index[count++] = i;
        }
        steps += ic_reclaim_model_step(&b, HOUR_MS - later_ms, now, count, taken);
        for (size_t i = 0; i < count; i++) {
            all[index[i]] |= taken[i];
        }
    }
    assert_int_equal(sum, steps);
    assert_memory_equal(once, all, sizeof all);
    ic_reclaim_model_step(&c, HOUR_MS, subject, MANY, taken);
    assert_memory_not_equal(once, taken, sizeof taken);
}

static void test_times(void **state)
{
    (void)state;
    struct ic_reclaim_model m = model("age:2h", 1);
    const struct ic_reclaim_subject old[] = {
        {2 * HOUR_MS - 1, 0}, {2 * HOUR_MS, 0}, {3 * HOUR_MS, 3 * HOUR_MS}};
    bool taken[3];
    assert_int_equal(ic_reclaim_model_step(&m, 59999, old, 3, taken), 0); /* no minute is over */
    assert_int_equal(ic_reclaim_model_step(&m, 60000, old, 3, taken), 2);
    assert_true(!taken[0] && taken[1] && taken[2]);
    assert_int_equal(ic_reclaim_model_step(&m, 60001, old, 3, taken), 0);
    m = model("idle:27m", 1);
    const struct ic_reclaim_subject idle[] = {
        {HOUR_MS, 0}, {HOUR_MS, 26 * 60000}, {HOUR_MS, 27 * 60000}};
    assert_int_equal(ic_reclaim_model_step(&m, 60000, idle, 3, taken), 1);
    assert_true(taken[2]);
    m = model("mass:6h", 1);
    assert_int_equal(ic_reclaim_model_step(&m, 6 * HOUR_MS - 1, old, 3, taken), 0);
    assert_int_equal(ic_reclaim_model_step(&m, 6 * HOUR_MS, old, 3, taken), 3);
    assert_int_equal(ic_reclaim_model_step(&m, 12 * HOUR_MS - 1, old, 3, taken), 0);
    assert_int_equal(ic_reclaim_model_step(&m, 12 * HOUR_MS, old, 3, taken), 3);
    m = model("none", 1);
    assert_true(ic_reclaim_model_none(&m));
    assert_int_equal(ic_reclaim_model_step(&m, 100 * HOUR_MS, old, 3, taken), 0);
    m = model("poisson:5", 1);
    assert_false(ic_reclaim_model_none(&m));
    assert_int_equal(ic_reclaim_model_step(&m, HOUR_MS, NULL, 0, NULL), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "all",
        "none+none",
        "none+poisson:1",
        "poisson",
        "poisson:",
        "poisson:x",
        "poisson:-1",
        "poisson:1x",
        "poisson:1.2.3",
        "poisson:nan",
        "poisson:inf",
        "poisson:0x10",
        "poisson:1e3",
        "poisson:10001",
        "zipf:17",
        "zipf:2h",
        "mass:",
        "mass:6",
        "mass:6d",
        "mass:0s",
        "age:0.1ms",
        "age:-1h",
        "idle:1 h",
        "poisson:1+",
        "+poisson:1",
        "poisson:1 ",
        "age:1h+age:1h+age:1h+age:1h+age:1h+age:1h+age:1h+age:1h+age:1h",
        "poisson:0000000000000000000000000000000000000000000000000000000000000000001"};
    struct ic_reclaim_model m;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char why[IC_RECLAIM_WHY_MAX] = "";
        if (ic_reclaim_model_init(&m, bad[i], 1, why) != IC_EINVAL) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_true(strlen(why) > 10);
    }
    model("poisson:0.25+zipf:1.5+mass:6h+age:90s+idle:27m+age:1.5h+idle:500ms+mass:1s", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_poisson),        leak_test(test_zipf),
        leak_test(test_choice_is_even), leak_test(test_steps_do_not_matter),
        leak_test(test_times),          leak_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
