/*
 * test_outage.c - since when no function can be had.
 */
#include "core/outage.h"

#include "unit/unit.h"

enum { TIMEOUT = 10000, COUNTS = IC_OUTAGE_INVOKES * TIMEOUT };

static void test_counts_after_a_while(void **state)
{
    (void)state;
    struct ic_outage o = {0};
    assert_int_equal(ic_outage_ms(&o, TIMEOUT, 1000000), 0);
    ic_outage_failed(&o, IC_OUTAGE_UNREACHABLE, 5000, 0);
    assert_int_equal(ic_outage_ms(&o, TIMEOUT, 5000), 0);
    ic_outage_failed(&o, IC_OUTAGE_DENIED, 5000 + COUNTS - 1, 0);
    assert_int_equal(ic_outage_ms(&o, TIMEOUT, 5000 + COUNTS - 1), 0);
    assert_int_equal(ic_outage_ms(&o, TIMEOUT, 5000 + COUNTS), COUNTS);
    assert_int_equal(o.cause, IC_OUTAGE_DENIED);
}

static void test_what_was_silent_was_so_before(void **state)
{
    (void)state;
    struct ic_outage o = {0};
    ic_outage_failed(&o, IC_OUTAGE_SILENT, 50000, COUNTS);
    assert_int_equal(ic_outage_ms(&o, TIMEOUT, 50000), COUNTS);
    ic_outage_failed(&o, IC_OUTAGE_SILENT, 60000, COUNTS); /* began no later for that */
    assert_int_equal(ic_outage_ms(&o, TIMEOUT, 60000), COUNTS + 10000);
    o = (struct ic_outage){0};
    ic_outage_failed(&o, IC_OUTAGE_SILENT, 10, COUNTS); /* not before the clock */
    assert_int_equal(o.since_ms, 0);
}

static void test_a_function_that_is_had_ends_it(void **state)
{
    (void)state;
    struct ic_outage o = {0};
    ic_outage_failed(&o, IC_OUTAGE_THROTTLED, 1, 0);
    assert_false(ic_outage_over(&o, true)); /* nobody was told */
    assert_int_equal(o.cause, IC_OUTAGE_NONE);
    ic_outage_failed(&o, IC_OUTAGE_THROTTLED, 2 * COUNTS, 0);
    assert_int_equal(ic_outage_ms(&o, TIMEOUT, 3 * COUNTS - 1), 0);
    o.told = true;
    assert_true(ic_outage_over(&o, false));
    assert_false(ic_outage_over(&o, false));
}

static void test_a_warm_up_says_nothing_of_links(void **state)
{
    (void)state;
    static const enum ic_outage_cause of_links[] = {IC_OUTAGE_NO_NODE, IC_OUTAGE_SILENT};
    for (size_t i = 0; i < 2; i++) {
        struct ic_outage o = {.told = true};
        ic_outage_failed(&o, of_links[i], 1, 0);
        assert_false(ic_outage_over(&o, true));
        assert_int_equal(o.cause, of_links[i]);
        o.told = true;
        assert_true(ic_outage_over(&o, false));
    }
}

static void test_nobody_has_asked_of_late(void **state)
{
    (void)state;
    struct ic_outage o = {0};
    ic_outage_failed(&o, IC_OUTAGE_FAILED, 1, 0);
    assert_int_not_equal(ic_outage_ms(&o, TIMEOUT, 1 + IC_OUTAGE_FRESH_MS), 0);
    assert_int_equal(ic_outage_ms(&o, TIMEOUT, 2 + IC_OUTAGE_FRESH_MS), 0);
}

static void test_each_cause_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < IC_OUTAGE_CAUSES; i++) {
        assert_non_null(ic_outage_cause_name((enum ic_outage_cause)i));
    }
    assert_string_equal(ic_outage_cause_name(IC_OUTAGE_NO_NODE), "no-node");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_counts_after_a_while),
        leak_test(test_what_was_silent_was_so_before),
        leak_test(test_a_function_that_is_had_ends_it),
        leak_test(test_a_warm_up_says_nothing_of_links),
        leak_test(test_nobody_has_asked_of_late),
        leak_test(test_each_cause_has_a_name),
    };
    return cmocka_run_group_tests_name("outage", tests, NULL, NULL);
}
