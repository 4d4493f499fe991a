/*
 * test_histogram.c - quantiles against a sorted array, over every order of magnitude.
 */
#include "base/histogram.h"

#include "base/random.h"
#include "unit/unit.h"

#include <stdlib.h>

enum { VALUES = 20000 };

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_quantiles_of_any_magnitude(void **state)
{
    (void)state;
    static uint64_t value[VALUES];
    static const double shares[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    struct ic_rng rng;
    ic_rng_init(&rng, 1);
    static struct ic_histogram h;
    for (int i = 0; i < VALUES; i++) {
        value[i] = ic_rng_next(&rng) >> ic_rng_below(&rng, 64);
        ic_histogram_add(&h, value[i]);
    }
    qsort(value, VALUES, sizeof value[0], ascending);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        size_t rank = (size_t)(shares[i] * VALUES);
        uint64_t exact = value[rank == 0 ? 0 : rank - 1];
        uint64_t got = ic_histogram_quantile(&h, shares[i]);
        assert_true(got >= exact);
        assert_true(got - exact <= exact / 64);
    }
    assert_int_equal(ic_histogram_quantile(&h, 1), value[VALUES - 1]);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    static struct ic_histogram h;
    for (uint64_t v = 0; v < 128; v++) {
        ic_histogram_add(&h, v);
    }
    for (uint64_t v = 1; v <= 128; v++) {
        assert_int_equal(ic_histogram_quantile(&h, (double)v / 128), v - 1);
    }
    assert_true(ic_histogram_mean(&h) > 63.4 && ic_histogram_mean(&h) < 63.6);
}

static void test_the_bounds(void **state)
{
    (void)state;
    static struct ic_histogram h;
    assert_int_equal(ic_histogram_quantile(&h, 0.5), 0);
    assert_true(ic_histogram_mean(&h) == 0);
    ic_histogram_add(&h, UINT64_MAX);
    assert_true(ic_histogram_quantile(&h, 0.5) == UINT64_MAX);
    ic_histogram_add(&h, 0);
    assert_int_equal(ic_histogram_quantile(&h, 0.5), 0);
}

static void test_merged_is_as_if_counted_together(void **state)
{
    (void)state;
    static struct ic_histogram a, b, both;
    struct ic_rng rng;
    ic_rng_init(&rng, 2);
    for (int i = 0; i < VALUES; i++) {
        uint64_t v = ic_rng_below(&rng, 1000000);
        ic_histogram_add(i % 3 == 0 ? &a : &b, v);
        ic_histogram_add(&both, v);
    }
    ic_histogram_merge(&a, &b);
    assert_int_equal(a.count, both.count);
    assert_int_equal(a.max, both.max);
    assert_memory_equal(a.slot, both.slot, sizeof a.slot);
}

static void test_many_at_once_and_how_many_below(void **state)
{
    (void)state;
    static struct ic_histogram h;
    ic_histogram_add_many(&h, 100, 3);
    ic_histogram_add_many(&h, 1000000, 5);
    ic_histogram_add_many(&h, UINT64_MAX, 0);
    assert_int_equal(h.count, 8);
    assert_int_equal(h.max, 1000000);
    assert_int_equal(ic_histogram_upto(&h, 99), 0);
    assert_int_equal(ic_histogram_upto(&h, 100), 3);
    assert_int_equal(ic_histogram_upto(&h, 900000), 3);
    assert_int_equal(ic_histogram_upto(&h, UINT64_MAX), 8);
}

static void test_how_many_below_each_power_of_two(void **state)
{
    (void)state;
    struct ic_histogram h = {0};
    const uint64_t values[] = {0, 1, 1, 2, 3, 4, 127, 128, 129, 1000, 1 << 20, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ic_histogram_add(&h, values[i]);
    }
    uint64_t upto[64];
    ic_histogram_powers(&h, upto, 64);
    for (unsigned power = 0; power < 64; power++) {
        uint64_t below = 0;
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            below += values[i] < UINT64_C(1) << power;
        }
        assert_int_equal(upto[power], below);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_quantiles_of_any_magnitude),
        leak_test(test_small_values_are_exact),
        leak_test(test_the_bounds),
        leak_test(test_merged_is_as_if_counted_together),
        leak_test(test_many_at_once_and_how_many_below),
        leak_test(test_how_many_below_each_power_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
