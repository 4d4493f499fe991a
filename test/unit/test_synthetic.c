/*
 * test_synthetic.c - so many requests, at that rate, more of them at noon; the seed decides.
 */
#include "simulate/synthetic.h"

#include "unit/unit.h"

#include <string.h>

static struct ic_synthetic_settings settings = {
    .workload = {.keys = 100, .sizes = "1kb", .get_percent = 50, .order = IC_ORDER_UNIFORM},
    .requests = 200000,
    .per_s = 1,
};

static struct ic_synthetic *make(const struct ic_synthetic_settings *s)
{
    char why[IC_WORKLOAD_WHY_MAX];
    struct ic_synthetic *made;
    assert_int_equal(ic_synthetic_new(s, &made, why), 0);
    return made;
}

static int take(struct ic_synthetic *s, struct ic_sim_request *r)
{
    struct ic_sim_source *source = ic_synthetic_source(s);
    return source->next(source, r);
}

static void test_so_many_at_that_rate(void **state)
{
    (void)state;
    struct ic_synthetic *s = make(&settings);
    struct ic_sim_request r;
    uint64_t count = 0, gets = 0;
    int64_t last_us = 0;
    while (take(s, &r) == 1) {
        assert_true(count > 0 || r.at_us == 0);
        assert_true(r.at_us >= last_us);
        assert_int_equal(r.bytes, 1024);
        last_us = r.at_us;
        gets += r.op == IC_SIM_GET;
        count++;
    }
    assert_int_equal(take(s, &r), 0);
    assert_int_equal(count, 200000);
    assert_in_range(gets, 99000, 101000);
    assert_in_range((uint64_t)last_us, 199000000000, 201000000000);
    ic_synthetic_free(s);
}

static void test_more_at_noon(void **state)
{
    (void)state;
    struct ic_synthetic_settings daily = settings;
    daily.diurnal = 1;
    daily.end_us = INT64_C(86400) * 1000000;
    struct ic_synthetic *s = make(&daily);
    struct ic_sim_request r;
    uint64_t by_hour[24] = {0}, count = 0;
    while (take(s, &r) == 1) {
        assert_true(r.at_us <= daily.end_us);
        by_hour[r.at_us / 3600000000 % 24]++;
        count++;
    }
    assert_in_range(count, 84000, 89000); /* one a second on average */
    assert_in_range(by_hour[0], 0, 150);  /* 1 - cos of 7.5 degrees is 0.0086 */
    assert_in_range(by_hour[5], 2700, 3650);
    assert_in_range(by_hour[12], 6900, 7500);
    ic_synthetic_free(s);
}

static void test_the_seed_decides(void **state)
{
    (void)state;
    struct ic_synthetic_settings other = settings;
    other.workload.seed = 5;
    struct ic_synthetic *a = make(&settings), *b = make(&settings), *c = make(&other);
    struct ic_sim_request x, y, z;
    unsigned differ = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(take(a, &x) + take(b, &y) + take(c, &z), 3);
        assert_true(x.at_us == y.at_us && x.key == y.key && x.op == y.op);
        differ += x.at_us != z.at_us;
    }
    assert_true(differ > 990);
    ic_synthetic_free(a);
    ic_synthetic_free(b);
    ic_synthetic_free(c);
}

static void test_failing_memory_and_bad_sizes(void **state)
{
    (void)state;
    char why[IC_WORKLOAD_WHY_MAX];
    struct ic_synthetic *s;
    for (uint64_t n = 1; n <= 2; n++) {
        ic_alloc_fail_at(n);
        assert_int_equal(ic_synthetic_new(&settings, &s, why), IC_ENOMEM);
    }
    struct ic_synthetic_settings bad = settings;
    bad.workload.sizes = "huge";
    assert_int_equal(ic_synthetic_new(&bad, &s, why), IC_EINVAL);
    assert_non_null(strstr(why, "bad sizes 'huge'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_so_many_at_that_rate),
        leak_test(test_more_at_noon),
        leak_test(test_the_seed_decides),
        leak_test(test_failing_memory_and_bad_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
