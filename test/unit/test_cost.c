/*
 * test_cost.c - every invocation is in the books once, by cause, function and minute; the
 * bounds of what is not reported; what the same would cost elsewhere; the budget's levels.
 */
#include "core/cost.h"

#include "base/config.h"
#include "unit/unit.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, START = 1700000000 };
static const int64_t start_ms = INT64_C(1000) * START / MINUTE * MINUTE;

static struct ic_prices prices;
static struct ic_cost *cost;

static void near(double a, double b)
{
    double off = a > b ? a - b : b - a;
    double size = b > 0 ? b : -b;
    assert_true(off <= 1e-9 * (size > 1e-12 ? size : 1e-12) + 1e-15);
}

static int begin_with(uint32_t functions, int billing, bool cross)
{
    ic_prices_init(&prices);
    struct ic_cost_setup setup = {
        .prices = &prices,
        .rate = ic_prices_rate(&prices, billing, IC_ARCHITECTURE_X86_64, 1 << 30),
        .functions = functions,
        .timeout_ms = 300000,
        .cross_zones = cross};
    cost = ic_cost_new(&setup);
    assert_non_null(cost);
    return 0;
}

static int begin(void **state)
{
    ic_alloc_fail_at(0);
    (void)state;
    return begin_with(3, IC_BILLING_1MS, false);
}

static int end(void **state)
{
    ic_cost_free(cost);
    return unit_no_leak(state);
}

static void charge(uint16_t function, enum ic_cost_cause cause, uint64_t ms, int64_t now_ms)
{
    ic_cost_invoke(cost, function);
    ic_cost_charge(cost, function, cause, ms, now_ms);
}

static void test_accounts(void **state)
{
    (void)state;
    charge(0, IC_COST_SERVE, 1000, start_ms);
    charge(0, IC_COST_WARM, 3, start_ms);
    charge(2, IC_COST_REPAIR, 50, start_ms);
    ic_cost_invoke(cost, 1);
    assert_int_equal(ic_cost_outstanding(cost), 1);
    ic_cost_not_run(cost, 1);
    assert_int_equal(ic_cost_outstanding(cost), 0);
    assert_int_equal(ic_cost_invocations(cost), 3);
    assert_int_equal(ic_cost_billed_ms(cost), 1053);
    const struct ic_cost_totals *t = ic_cost_totals(cost);
    assert_int_equal(t->billed_ms[IC_COST_SERVE], 1000);
    assert_int_equal(t->billed_ms[IC_COST_WARM], 3);
    assert_int_equal(t->billed_ms[IC_COST_BACKUP], 0);
    assert_int_equal(t->invocations[IC_COST_REPAIR], 1);
    near(t->dollars[IC_COST_SERVE], 0.0000166667 + 0.2e-6);
    near(ic_cost_dollars(cost), 1.053 * 0.0000166667 + 3 * 0.2e-6);
    assert_int_equal(ic_cost_account(cost, 0)->invocations, 2);
    assert_int_equal(ic_cost_account(cost, 0)->billed_ms, 1003);
    assert_int_equal(ic_cost_account(cost, 1)->invocations, 0);
    near(ic_cost_account(cost, 2)->dollars, 0.05 * 0.0000166667 + 0.2e-6);
}

/* A bound is never less than what may have been billed, and is known better if the end is. */
static void test_unreported(void **state)
{
    (void)state;
    ic_cost_invoke(cost, 0);
    ic_cost_unreported(cost, 0, UINT64_MAX, start_ms);
    assert_int_equal(ic_cost_totals(cost)->unreported, 1);
    uint64_t most = ic_cost_totals(cost)->unreported_ms_max;
    assert_true(most >= 300000 + IC_COST_BEYOND_TIMEOUT_MS);
    ic_cost_invoke(cost, 1);
    ic_cost_unreported(cost, 1, 1234, start_ms);
    assert_int_equal(ic_cost_totals(cost)->unreported_ms_max - most, 1235);
    assert_int_equal(ic_cost_account(cost, 1)->unreported_ms_max, 1235);
    assert_int_equal(ic_cost_invocations(cost), 0);
    near(ic_cost_dollars(cost), 0);
    assert_true(ic_cost_totals(cost)->unreported_dollars > 0);
    ic_cost_free(cost);
    begin_with(1, IC_BILLING_100MS, false);
    ic_cost_invoke(cost, 0);
    ic_cost_unreported(cost, 0, 1234, start_ms);
    assert_int_equal(ic_cost_totals(cost)->unreported_ms_max, 1300);
}

static void test_hour(void **state)
{
    (void)state;
    charge(0, IC_COST_SERVE, 10, start_ms);
    charge(0, IC_COST_SERVE, 20, start_ms + 59 * MINUTE);
    assert_int_equal(ic_cost_hour(cost, start_ms + 59 * MINUTE).billed_ms, 30);
    assert_int_equal(ic_cost_hour(cost, start_ms + 60 * MINUTE).billed_ms, 20);
    charge(0, IC_COST_SERVE, 40, start_ms + 60 * MINUTE); /* takes the first one's slot */
    assert_int_equal(ic_cost_hour(cost, start_ms + 60 * MINUTE).billed_ms, 60);
    assert_int_equal(ic_cost_hour(cost, start_ms + 60 * MINUTE).invocations, 2);
    charge(0, IC_COST_SERVE, 80, start_ms); /* the clock went back: still the hour's */
    assert_int_equal(ic_cost_hour(cost, start_ms).billed_ms, 140);
    assert_int_equal(ic_cost_hour(cost, start_ms + 200 * MINUTE).billed_ms, 0);
    near(ic_cost_hour(cost, start_ms + 200 * MINUTE).dollars, 0);
    assert_int_equal(ic_cost_billed_ms(cost), 150);
}

static void test_transfer(void **state)
{
    (void)state;
    ic_cost_transfer(cost, 1 << 30, 1 << 30, start_ms);
    near(ic_cost_dollars(cost), 0);
    assert_int_equal(ic_cost_totals(cost)->sent_bytes, 1 << 30);
    ic_cost_free(cost);
    begin_with(1, IC_BILLING_1MS, true);
    ic_cost_transfer(cost, 1 << 30, UINT64_C(3) << 30, start_ms);
    near(ic_cost_totals(cost)->dollars[IC_COST_TRANSFER], 4 * 0.02);
    near(ic_cost_hour(cost, start_ms).dollars, 4 * 0.02);
}

/* A clock that was years ahead for a moment, or before a restart, leaves nothing in times to come.
 */
static void test_a_clock_that_was_ahead(void **state)
{
    (void)state;
    const int64_t ahead_ms[] = {INT64_C(8760) * HOUR + 7 * MINUTE, 90 * MINUTE, 3 * MINUTE};
    for (int restart = 0; restart < 2; restart++) {
        for (size_t i = 0; i < sizeof ahead_ms / sizeof ahead_ms[0]; i++) {
            ic_cost_free(cost);
            begin_with(3, IC_BILLING_1MS, false);
            charge(0, IC_COST_SERVE, 10, start_ms);
            charge(0, IC_COST_SERVE, 20, start_ms + ahead_ms[i]);
            if (restart == 1) {
                struct ic_cost *old = cost;
                begin_with(3, IC_BILLING_1MS, false);
                for (int m = 0; m < IC_COST_MINUTES; m++) {
                    ic_cost_restore_minute(cost, &ic_cost_minutes(old)[m]);
                }
                ic_cost_free(old);
            }
            ic_cost_set_clock(cost, start_ms + MINUTE);
            assert_int_equal(ic_cost_hour(cost, start_ms + MINUTE).billed_ms, 30);
            for (int m = 0; m < IC_COST_MINUTES; m++) {
                assert_true(ic_cost_minutes(cost)[m].minute <= (start_ms + MINUTE) / MINUTE);
            }
            charge(0, IC_COST_SERVE, 40, start_ms + 30 * MINUTE);
            assert_int_equal(ic_cost_hour(cost, start_ms + 30 * MINUTE).billed_ms, 70);
            assert_int_equal(ic_cost_hour(cost, start_ms + 60 * MINUTE).billed_ms, 60);
            assert_int_equal(ic_cost_hour(cost, start_ms + 61 * MINUTE).billed_ms, 40);
            assert_int_equal(ic_cost_hour(cost, start_ms + 2 * HOUR).billed_ms, 0);
        }
    }
}

/* 50 hours of 500 GiB: the paper's $518.40 at ElastiCache. */
static void test_alternatives(void **state)
{
    (void)state;
    uint64_t held = UINT64_C(500) << 30;
    ic_cost_hold(cost, held, start_ms);
    for (int i = 1; i <= 50; i++) {
        ic_cost_hold(cost, held, start_ms + (int64_t)i * HOUR);
    }
    for (int i = 0; i < 1000; i++) {
        ic_cost_get(cost, 1 << 20);
        ic_cost_set(cost, 100);
    }
    struct ic_cost_alternatives a = ic_cost_alternatives(cost);
    assert_int_equal(a.node, IC_PRICE_R5_24XLARGE);
    assert_int_equal(a.nodes, 1);
    near(a.elasticache, 518.40);
    near(a.serverless_redis, 25000 * 0.125 + (1024e3 + 1000) / 1e6 * 0.0034);
    near(a.serverless_valkey, 25000 * 0.084 + (1024e3 + 1000) / 1e6 * 0.0023);
    near(a.s3, 25000 / 730.0 * 0.023 + 0.0004 + 0.005);
    near(a.s3_express, 25000 / 730.0 * 0.11 + 0.00003 + 0.00113 + 1000 / 1024.0 * 0.0006 +
                           100e3 / (1 << 30) * 0.0032);
    charge(0, IC_COST_SERVE, 1000, start_ms);
    near(ic_cost_per_get(cost), (0.0000166667 + 0.2e-6) / 1000);
    near(ic_cost_per_gib(cost), (0.0000166667 + 0.2e-6) / (1000 / 1024.0));
    ic_cost_hold(cost, UINT64_C(1300) << 30, start_ms + INT64_C(50) * HOUR);
    assert_int_equal(ic_cost_alternatives(cost).nodes, 3);
}

/* What is metered at least. */
static void test_little_is_held(void **state)
{
    (void)state;
    near(ic_cost_per_get(cost), 0);
    ic_cost_hold(cost, 1 << 20, start_ms);
    ic_cost_hold(cost, 0, start_ms + HOUR);
    struct ic_cost_alternatives a = ic_cost_alternatives(cost);
    near(a.elasticache, 0.016);
    near(a.serverless_redis, 0.125);
    near(a.serverless_valkey, 0.0084);
    near(ic_cost_totals(cost)->hours, 1);
    assert_int_equal(ic_cost_totals(cost)->peak_bytes, 1 << 20);
}

static void test_budget(void **state)
{
    (void)state;
    double each = 0.0000166667 + 0.2e-6;
    assert_int_equal(ic_cost_budget(cost, 0, start_ms), IC_BUDGET_OPEN);
    static const enum ic_budget_level level[] = {
        IC_BUDGET_OPEN,    IC_BUDGET_OPEN,      IC_BUDGET_OPEN,      IC_BUDGET_OPEN,
        IC_BUDGET_OPEN,    IC_BUDGET_OPEN,      IC_BUDGET_OPEN,      IC_BUDGET_OPEN,
        IC_BUDGET_NO_WARM, IC_BUDGET_NO_BACKUP, IC_BUDGET_NO_NEW_KEY};
    for (int i = 0; i <= 10; i++) {
        assert_int_equal(ic_cost_budget(cost, each * 10 * 0.9999999, start_ms), level[i]);
        charge(0, IC_COST_SERVE, 1000, start_ms);
    }
    assert_int_equal(ic_cost_budget(cost, 0, start_ms), IC_BUDGET_OPEN);
    assert_int_equal(ic_cost_budget(cost, each * 10, start_ms + HOUR), IC_BUDGET_OPEN);
    ic_cost_invoke(cost, 0); /* what is not reported counts at its most */
    ic_cost_unreported(cost, 0, UINT64_MAX, start_ms + HOUR);
    assert_int_equal(ic_cost_budget(cost, each * 10, start_ms + HOUR), IC_BUDGET_NO_NEW_KEY);
}

/* What is stored is whole: totals, minutes and accounts go on, the outstanding is unreported. */
static void test_restart(void **state)
{
    (void)state;
    charge(0, IC_COST_SERVE, 10, start_ms);
    charge(1, IC_COST_WARM, 20, start_ms + MINUTE);
    ic_cost_invoke(cost, 1);
    struct ic_cost *old = cost;
    begin_with(3, IC_BILLING_1MS, false);
    ic_cost_restore_totals(cost, ic_cost_totals(old));
    for (int i = 0; i < IC_COST_MINUTES; i++) {
        ic_cost_restore_minute(cost, &ic_cost_minutes(old)[i]);
    }
    for (uint16_t i = 0; i < 3; i++) {
        ic_cost_restore_account(cost, i, ic_cost_account(old, i), start_ms + 2 * MINUTE);
    }
    ic_cost_free(old);
    assert_int_equal(ic_cost_billed_ms(cost), 30);
    assert_int_equal(ic_cost_hour(cost, start_ms + 2 * MINUTE).billed_ms, 30);
    assert_int_equal(ic_cost_hour(cost, start_ms + 60 * MINUTE).billed_ms, 20);
    assert_int_equal(ic_cost_outstanding(cost), 0);
    assert_int_equal(ic_cost_totals(cost)->unreported, 1);
    assert_int_equal(ic_cost_account(cost, 1)->unreported, 1);
    assert_true(ic_cost_totals(cost)->unreported_ms_max >= 300000);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct ic_cost_setup setup = {.prices = &prices, .functions = 1};
    ic_alloc_fail_at(1);
    assert_null(ic_cost_new(&setup));
    ic_alloc_fail_at(0);
    ic_cost_free(NULL);
}

#define cost_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cost_test(test_accounts),
        cost_test(test_unreported),
        cost_test(test_hour),
        cost_test(test_transfer),
        cost_test(test_alternatives),
        cost_test(test_little_is_held),
        cost_test(test_a_clock_that_was_ahead),
        cost_test(test_budget),
        cost_test(test_restart),
        cost_test(test_without_memory),
    };
    return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}
