/*
 * test_sizes.c - every distribution's quantiles, and what is none is refused.
 */
#include "simulate/sizes.h"

#include "unit/unit.h"

#include <math.h>
#include <string.h>

static struct ic_sizes parse(const char *text)
{
    char why[IC_SIZES_WHY_MAX];
    struct ic_sizes s;
    assert_int_equal(ic_sizes_parse(&s, text, why), 0);
    return s;
}

/* How many of 1,000 sizes at even places are below BYTES. */
static unsigned below(const struct ic_sizes *s, uint64_t bytes)
{
    unsigned count = 0;
    for (int i = 0; i < 1000; i++) {
        count += ic_sizes_at(s, (i + 0.5) / 1000) < bytes;
    }
    return count;
}

static void test_a_list_by_weight(void **state)
{
    (void)state;
    struct ic_sizes s = parse("1kb:9,10mb");
    assert_int_equal(below(&s, 1024), 0);
    assert_int_equal(below(&s, 1025), 900);
    assert_int_equal(below(&s, 10 << 20), 900);
    assert_int_equal(below(&s, (10 << 20) + 1), 1000);
}

static void test_ranges(void **state)
{
    (void)state;
    struct ic_sizes s = parse("uniform:100-199"), l = parse("loguniform:1-1000000");
    assert_int_equal(ic_sizes_at(&s, 0), 100);
    assert_int_equal(ic_sizes_at(&s, 0x1.fffffffffffffp-1), 199);
    assert_int_equal(below(&s, 150), 500);
    assert_int_equal(ic_sizes_at(&l, 0), 1);
    assert_in_range(below(&l, 1000), 499, 501);
}

/* The share of a normal distribution below x is erfc(-x / sqrt 2) / 2. */
static void test_a_log_normal_distribution(void **state)
{
    (void)state;
    struct ic_sizes s = parse("lognormal:1000000,2");
    static const double deviations[] = {-6, -3, -2.2, -1, -0.1, 0, 0.5, 1.9, 2.5, 4};
    for (size_t i = 0; i < sizeof deviations / sizeof deviations[0]; i++) {
        double place = erfc(-deviations[i] / sqrt(2)) / 2;
        double wanted = 1e6 * exp(2 * deviations[i]);
        assert_true(fabs((double)ic_sizes_at(&s, place) / wanted - 1) < 1e-6 + 0.5 / wanted);
    }
    assert_true(ic_sizes_at(&s, 0) < 1000);
}

static void test_a_pareto_distribution(void **state)
{
    (void)state;
    struct ic_sizes s = parse("pareto:1000,1"), heavy = parse("pareto:1gb,0.1");
    assert_int_equal(ic_sizes_at(&s, 0), 1000);
    assert_in_range(below(&s, 2000), 499, 501);
    assert_in_range(below(&s, 10000), 899, 901);
    assert_int_equal(ic_sizes_at(&heavy, 0x1.fffffffffffffp-1), IC_SIZES_MOST);
}

static void test_what_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "1mb,",
                                      "1mb:0",
                                      "1mb:",
                                      "-1",
                                      "uniform:1",
                                      "uniform:",
                                      "uniform:2-1",
                                      ",1",
                                      "1mb:a",
                                      "1mb 2",
                                      "1zb",
                                      "pareto:1m",
                                      "loguniform:0-1",
                                      "pareto:0,1",
                                      "lognormal:1k,",
                                      "lognormal:1k,-1"};
    char why[IC_SIZES_WHY_MAX];
    struct ic_sizes s;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ic_sizes_parse(&s, bad[i], why), IC_EINVAL);
        assert_non_null(strstr(why, "bad sizes"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_a_list_by_weight),          leak_test(test_ranges),
        leak_test(test_a_log_normal_distribution), leak_test(test_a_pareto_distribution),
        leak_test(test_what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
