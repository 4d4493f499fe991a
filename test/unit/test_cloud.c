/* test_cloud.c - how fast the clouds are. */
#include "model/cloud.h"

#include "unit.h"

#include <math.h>
#include <stdlib.h>

#define MIB (UINT64_C(1) << 20)

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void latencies_are_as_said(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    const struct ic_latency l = {20000, 90000};
    uint64_t *draw = malloc(DRAWS * sizeof *draw);
    struct ic_rng rng;
    ic_rng_init(&rng, 7);
    for (int i = 0; i < DRAWS; i++) {
        draw[i] = ic_latency_draw(&l, &rng);
    }
    qsort(draw, DRAWS, sizeof *draw, compare);
    assert_true(fabs((double)draw[DRAWS / 2] / 20000 - 1) < 0.02);
    assert_true(fabs((double)draw[DRAWS / 100 * 99] / 90000 - 1) < 0.04);
    assert_true(draw[0] > 0);
    free(draw);
    const struct ic_latency none = {0, 0};
    assert_int_equal(ic_latency_draw(&none, &rng), 0);
}

static void bandwidth_is_between_the_points(void **state)
{
    (void)state;
    const struct ic_cloud c = {
        .network = {{128 * MIB, 10e6}, {256 * MIB, 30e6}, {1024 * MIB, 60e6}}, .networks = 3};
    assert_true(ic_cloud_bandwidth(&c, 64 * MIB) == 10e6);
    assert_true(ic_cloud_bandwidth(&c, 128 * MIB) == 10e6);
    assert_true(ic_cloud_bandwidth(&c, 192 * MIB) == 20e6);
    assert_true(ic_cloud_bandwidth(&c, 256 * MIB) == 30e6);
    assert_true(ic_cloud_bandwidth(&c, 640 * MIB) == 45e6);
    assert_true(ic_cloud_bandwidth(&c, 10240 * MIB) == 60e6);
}

static void elsewhere_takes_its_time(void **state)
{
    (void)state;
    struct ic_rng rng, same;
    ic_rng_init(&rng, 1);
    ic_rng_init(&same, 1);
    const struct ic_cloud *aws = ic_cloud_find("aws");
    uint64_t empty = ic_cloud_s3_us(aws, 0, &rng);
    uint64_t large = ic_cloud_s3_us(aws, 1000000000, &same);
    assert_true(fabs((double)(large - empty) - 1e15 / aws->s3_bytes_per_s) <= 1);
    assert_true(ic_cloud_elasticache_us(aws, 1000, &rng) < empty);
    assert_int_equal(ic_cloud_s3_us(ic_cloud_find("local"), 1000000, &rng), 0);
}

static void every_cloud_is_complete(void **state)
{
    (void)state;
    static const char *const names[] = {"aws", "local"};
    for (size_t i = 0; i < 2; i++) {
        const struct ic_cloud *c = ic_cloud_find(names[i]);
        assert_non_null(c);
        assert_string_equal(c->name, names[i]);
        assert_true(c->networks > 0 && c->networks <= IC_CLOUD_POINTS_MAX);
        for (uint32_t k = 1; k < c->networks; k++) {
            assert_true(c->network[k].memory > c->network[k - 1].memory);
            assert_true(c->network[k].bytes_per_s >= c->network[k - 1].bytes_per_s);
        }
        assert_true(c->warm.median_us > 0 && c->warm.p99_us >= c->warm.median_us);
        assert_true(c->cold.median_us >= c->warm.median_us);
        assert_true(c->proxy_bytes_per_s > 0);
    }
    assert_null(ic_cloud_find("azure"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(latencies_are_as_said), leak_test(bandwidth_is_between_the_points),
        leak_test(elsewhere_takes_its_time), leak_test(every_cloud_is_complete)};
    return cmocka_run_group_tests_name("cloud", tests, NULL, NULL);
}
