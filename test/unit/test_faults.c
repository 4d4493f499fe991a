/*
 * test_faults.c - ordered failures: for one function, for all, counted down, taken back, bounded.
 */
#include "platform/local/faults.h"

#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

static void test_orders(void **state)
{
    (void)state;
    struct ic_faults *f = ic_faults_new();
    assert_int_equal(ic_faults_take(f, "a"), 0);
    assert_int_equal(ic_faults_set(f, "a", 429, 2), 0);
    assert_int_equal(ic_faults_set(f, NULL, 503, 2), 0);
    assert_int_equal(ic_faults_left(f), 4);
    assert_int_equal(ic_faults_take(f, "b"), 503);
    assert_int_equal(ic_faults_take(f, "a"), 429);
    assert_int_equal(ic_faults_take(f, "a"), 429);
    assert_int_equal(ic_faults_take(f, "a"), 503); /* its own are used up */
    assert_int_equal(ic_faults_take(f, "a"), 0);
    assert_int_equal(ic_faults_set(f, "a", 500, 7), 0);
    assert_int_equal(ic_faults_set(f, "a", 502, 1), 0); /* replaces */
    assert_int_equal(ic_faults_left(f), 1);
    assert_int_equal(ic_faults_take(f, "a"), 502);
    assert_int_equal(ic_faults_set(f, "a", 502, 9), 0);
    assert_int_equal(ic_faults_set(f, "a", 502, 0), 0); /* takes back */
    assert_int_equal(ic_faults_set(f, "a", 502, 0), 0);
    assert_int_equal(ic_faults_left(f), 0);
    assert_int_equal(ic_faults_set(f, "left", 502, 9), 0);
    ic_faults_free(f);
    ic_faults_free(NULL);
}

static void test_bounds(void **state)
{
    (void)state;
    struct ic_faults *f = ic_faults_new();
    char name[IC_FAULT_FUNCTION_MAX + 2];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(ic_faults_set(f, name, 429, 1), IC_ERANGE);
    name[sizeof name - 2] = '\0';
    assert_int_equal(ic_faults_set(f, name, 429, 1), 0);
    assert_int_equal(ic_faults_take(f, name), 429);
    assert_int_equal(ic_faults_set(f, "a", 429, IC_FAULT_COUNT_MAX + 1), IC_ERANGE);
    for (int i = 0; i < IC_FAULTS_MAX; i++) {
        snprintf(name, sizeof name, "f%d", i);
        assert_int_equal(ic_faults_set(f, name, 429, 1), 0);
    }
    assert_int_equal(ic_faults_set(f, "one more", 429, 1), IC_ENOSPC);
    assert_int_equal(ic_faults_set(f, "one more", 429, 0), 0);
    assert_int_equal(ic_faults_set(f, "f7", 500, 3), 0);
    ic_faults_free(f);
}

static void test_without_memory(void **state)
{
    (void)state;
    ic_alloc_fail_at(1);
    assert_null(ic_faults_new());
    struct ic_faults *f = ic_faults_new();
    ic_alloc_fail_at(1);
    assert_int_equal(ic_faults_set(f, "a", 429, 1), IC_ENOMEM);
    assert_int_equal(ic_faults_left(f), 0);
    assert_int_equal(ic_faults_set(f, "a", 429, 1), 0);
    ic_faults_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_orders),
        leak_test(test_bounds),
        leak_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
