/*
 * test_workload.c - sizes in their proportions, orders with their popularity, bad settings refused.
 */
#include "cli/workload.h"

#include "unit/unit.h"

#include <string.h>

static struct ic_workload *make(struct ic_workload_settings s)
{
    char why[IC_WORKLOAD_WHY_MAX];
    struct ic_workload *w;
    assert_int_equal(ic_workload_new(&s, &w, why), 0);
    return w;
}

static void test_sizes_by_weight(void **state)
{
    (void)state;
    struct ic_workload *w =
        make((struct ic_workload_settings){.keys = 1000, .sizes = "1kb:9,10mb"});
    unsigned small = 0;
    for (uint64_t k = 0; k < 1000; k++) {
        uint64_t size = ic_workload_size(w, k);
        assert_true(size == 1024 || size == 10 << 20);
        small += size == 1024;
    }
    assert_in_range(small, 895, 905);
    ic_workload_free(w);
}

static void test_sizes_of_a_range(void **state)
{
    (void)state;
    struct ic_workload *w =
        make((struct ic_workload_settings){.keys = 1000, .sizes = "uniform:100-200"});
    struct ic_workload *l =
        make((struct ic_workload_settings){.keys = 1000, .sizes = "loguniform:1-1000000"});
    unsigned below_mean = 0, below_root = 0;
    for (uint64_t k = 0; k < 1000; k++) {
        assert_in_range(ic_workload_size(w, k), 100, 200);
        assert_in_range(ic_workload_size(l, k), 1, 1000000);
        below_mean += ic_workload_size(w, k) < 150;
        below_root += ic_workload_size(l, k) < 1000;
    }
    assert_in_range(below_mean, 480, 510);
    assert_in_range(below_root, 480, 510);
    ic_workload_free(w);
    ic_workload_free(l);
}

static void test_orders(void **state)
{
    (void)state;
    static unsigned asked[100];
    bool get;
    unsigned gets = 0;
    struct ic_workload *w =
        make((struct ic_workload_settings){.keys = 8, .sizes = "1", .get_percent = 100});
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(ic_workload_next(w, &get), i % 8);
        assert_true(get);
    }
    ic_workload_free(w);
    w = make((struct ic_workload_settings){
        .keys = 100, .sizes = "1", .get_percent = 30, .order = IC_ORDER_ZIPF, .zipf = 1});
    for (int i = 0; i < 100000; i++) {
        asked[ic_workload_next(w, &get)]++;
        gets += get;
    }
    /* Harmonic number of 100 is 5.187: the first key is asked for 19 % of the time, the tenth 1.9.
     */
    assert_in_range(asked[0], 18500, 20000);
    assert_in_range(asked[9], 1700, 2150);
    assert_in_range(gets, 29000, 31000);
    ic_workload_free(w);
}

static void test_bad_settings_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",   "x",     "1mb,",  "1mb:0",    "1mb:",           "-1", "uniform:1mb", "uniform:2-1",
        ",1", "1mb:a", "1mb 2", "uniform:", "loguniform:0-1", "1zb"};
    char why[IC_WORKLOAD_WHY_MAX];
    struct ic_workload *w;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ic_workload_settings s = {.keys = 1, .sizes = bad[i]};
        assert_int_equal(ic_workload_new(&s, &w, why), IC_EINVAL);
        assert_non_null(strstr(why, "bad sizes"));
    }
    struct ic_workload_settings none = {.keys = 0, .sizes = "1"};
    assert_int_equal(ic_workload_new(&none, &w, why), IC_EINVAL);
}

static void test_failing_memory(void **state)
{
    (void)state;
    char why[IC_WORKLOAD_WHY_MAX];
    struct ic_workload *w;
    struct ic_workload_settings s = {.keys = 10, .sizes = "1", .order = IC_ORDER_ZIPF, .zipf = 1};
    int result = IC_ENOMEM;
    for (uint64_t n = 1; result == IC_ENOMEM; n++) {
        ic_alloc_fail_at(n);
        result = ic_workload_new(&s, &w, why);
        ic_alloc_fail_at(0);
        assert_true(n == 1 || result == 0 || ic_alloc_live() == 0);
    }
    assert_int_equal(result, 0);
    ic_workload_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_sizes_by_weight), leak_test(test_sizes_of_a_range),
        leak_test(test_orders),          leak_test(test_bad_settings_are_refused),
        leak_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
