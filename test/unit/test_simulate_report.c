/*
 * test_simulate_report.c - the figures of a report: the bill's sums, availability by the hour, the
 * origin's requests.
 */
#include "cli/simulate_report.h"

#include "unit/unit.h"

#include <math.h>

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void test_the_bill(void **state)
{
    (void)state;
    struct ic_prices prices;
    ic_prices_init(&prices);
    struct ic_sim_settings settings = {.prices = &prices};
    struct ic_sim_result *s = ic_calloc(1, sizeof *s);
    s->end_us = INT64_C(2) * 3600 * 1000000;
    s->gets = 3000;
    s->hits = 1000;
    s->puts = 5000;
    for (int c = 0; c < IC_COST_CAUSES; c++) {
        s->cost.dollars[c] = c + 1;
    }
    struct ic_simulate_report r = {
        .settings = &settings, .result = s, .proxies = 3, .proxy_per_hour = 0.5};
    struct ic_simulate_bill bill = ic_simulate_bill(&r);
    assert_true(near(bill.functions, 15) && near(bill.proxy, 3) && near(bill.total, 18));
    assert_true(near(bill.cause[IC_COST_WARM], 2));
    assert_true(near(ic_simulate_origin(&r), 2 * 0.0004 + 5 * 0.005));
    assert_true(near(ic_simulate_hours(&r), 2));
    ic_free(s);
}

static void test_availability_is_of_hours(void **state)
{
    (void)state;
    static struct ic_sim_hour hours[] = {
        {.hits = 90, .resets = 10}, {.gets = 7}, {.hits = 1000}, {.hits = 50, .resets = 50}};
    double least;
    static struct ic_sim_result s = {.hour = hours, .hours = 4};
    assert_true(near(ic_simulate_availability(&s, &least), (0.9 + 1 + 0.5) / 3));
    assert_true(near(least, 0.5));
    s.hours = 0;
    assert_true(near(ic_simulate_availability(&s, &least), 1) && near(least, 1));
}

static void test_ratios(void **state)
{
    (void)state;
    assert_true(near(ic_simulate_ratio(1, 4), 0.25));
    assert_true(near(ic_simulate_ratio(0, 0), 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_the_bill),
        leak_test(test_availability_is_of_hours),
        leak_test(test_ratios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
