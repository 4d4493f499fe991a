/*
 * test_elsewhere.c - what the same work costs elsewhere, calculated by hand.
 */
#include "simulate/elsewhere.h"

#include "unit/unit.h"

#include <math.h>
#include <stdbool.h>

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9 + 1e-6 * fabs(b);
}

/* 100 objects of 1 GiB, each asked for in the first second and then every hour, in order. */
static struct ic_lru_curve *look(int rounds)
{
    struct ic_lru_curve *c = ic_lru_curve_new();
    for (int round = 0; round < rounds; round++) {
        for (uint64_t k = 0; k < 100; k++) {
            struct ic_sim_request r = {
                .at_us = INT64_C(3600000000) * round, .key = k, .bytes = 1 << 30};
            ic_lru_curve_request(c, &r);
        }
    }
    return c;
}

static void test_ten_hours(void **state)
{
    (void)state;
    struct ic_prices p;
    ic_prices_init(&p);
    struct ic_lru_curve *c = look(11);
    struct ic_sim_result r = {
        .gets = 1100,
        .get_bytes = UINT64_C(1100) << 30,
        .end_us = INT64_C(36000000000),
        .cost = {.hours = 10, .valkey_gib_hours = 50, .redis_gib_hours = 60, .ecpus = 2e6},
    };
    struct ic_elsewhere e = ic_elsewhere(&r, c, &p, 0.9);
    assert_true(e.lru_bytes >= UINT64_C(100) << 30 && e.lru_bytes <= UINT64_C(102) << 30);
    assert_int_equal(e.same.type, IC_PRICE_R6G_4XLARGE);
    assert_int_equal(e.same.nodes, 1);
    assert_true(near(e.same.dollars, 16.42));
    assert_true(near(e.same.object_hit_ratio, 1000.0 / 1100));
    assert_true(near(e.paper.dollars, 103.68));
    assert_true(near(e.serverless_valkey, 50 * 0.084 + 2 * 0.0023));
    assert_true(near(e.serverless_redis, 60 * 0.125 + 2 * 0.0034));
    assert_true(near(e.s3, 1000 * 0.023 / 730 + 1.1 * 0.0004 + 0.1 * 0.005));
    assert_true(near(e.s3_express, 1000 * 0.11 / 730 + 1.1 * 0.00003 + 0.1 * 0.00113 +
                                       1100 * 0.0006 + 100 * 0.0032));
    ic_lru_curve_free(c);
}

/* The stores' bill by the hour: what was kept and asked for until then, and at the end all of it.
 */
static void test_stores_by_hour(void **state)
{
    (void)state;
    struct ic_prices p;
    ic_prices_init(&p);
    struct ic_lru_curve *c = look(11);
    struct ic_sim_hour hour[11] = {0};
    for (int i = 0; i < 11; i++) {
        hour[i] = (struct ic_sim_hour){.gets = 100, .get_bytes = UINT64_C(100) << 30};
    }
    struct ic_sim_result r = {.gets = 1100,
                              .get_bytes = UINT64_C(1100) << 30,
                              .end_us = INT64_C(36000000000),
                              .hour = hour,
                              .hours = 11};
    struct ic_elsewhere_stores first = ic_elsewhere_stores(&r, c, &p, 0);
    assert_true(near(first.s3, 100 * 0.023 / 730 + 0.1 * 0.0004 + 0.1 * 0.005));
    struct ic_elsewhere_stores last = ic_elsewhere_stores(&r, c, &p, 10);
    struct ic_elsewhere all = ic_elsewhere(&r, c, &p, 0.9);
    assert_true(near(last.s3, all.s3) && near(last.s3_express, all.s3_express));
    ic_lru_curve_free(c);
}

static void test_a_ratio_out_of_reach_takes_all_there_is(void **state)
{
    (void)state;
    struct ic_prices p;
    ic_prices_init(&p);
    struct ic_lru_curve *c = look(1);
    struct ic_sim_result r = {.gets = 100, .end_us = INT64_C(3600000000)};
    struct ic_elsewhere e = ic_elsewhere(&r, c, &p, 0.5);
    assert_int_equal(e.lru_bytes, UINT64_C(100) << 30);
    assert_true(e.same.object_hit_ratio == 0);
    e = ic_elsewhere(&r, c, &p, 0);
    assert_int_equal(e.same.type, IC_PRICE_T4G_MICRO);
    ic_lru_curve_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_ten_hours),
        leak_test(test_stores_by_hour),
        leak_test(test_a_ratio_out_of_reach_takes_all_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
