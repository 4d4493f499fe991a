/*
 * test_workload.c - sizes in their proportions, orders with their popularity, keys that come once,
 * bad settings refused.
 */
#include "simulate/workload.h"

#include "unit/unit.h"

#include <string.h>

static struct ic_workload *make(struct ic_workload_settings s)
{
    char why[IC_WORKLOAD_WHY_MAX];
    struct ic_workload *w;
    assert_int_equal(ic_workload_new(&s, &w, why), 0);
    return w;
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

static void test_keys_that_come_once(void **state)
{
    (void)state;
    bool get;
    uint64_t once = 0;
    struct ic_workload *w = make((struct ic_workload_settings){.keys = 10,
                                                               .sizes = "1mb",
                                                               .get_percent = 0,
                                                               .one_hit_percent = 25,
                                                               .order = IC_ORDER_UNIFORM});
    for (int i = 0; i < 10000; i++) {
        uint64_t key = ic_workload_next(w, &get);
        assert_true(get == (key >= 10));
        if (key >= 10) {
            assert_int_equal(key, 10 + once);
            once++;
        }
        assert_int_equal(ic_workload_size(w, key), 1 << 20);
    }
    assert_in_range(once, 2400, 2600);
    ic_workload_free(w);
}

static void test_as_many_keys_as_one_likes(void **state)
{
    (void)state;
    bool get;
    uint64_t most = 0;
    struct ic_workload *w =
        make((struct ic_workload_settings){.keys = (uint64_t)IC_WORKLOAD_KEYS_MAX,
                                           .sizes = "uniform:0-99",
                                           .get_percent = 100,
                                           .zipf = 0.5,
                                           .order = IC_ORDER_ZIPF});
    uint64_t sum = 0;
    for (int i = 0; i < 10000; i++) {
        uint64_t key = ic_workload_next(w, &get);
        assert_true(key < (uint64_t)IC_WORKLOAD_KEYS_MAX);
        most = key > most ? key : most;
        sum += ic_workload_size(w, key);
    }
    assert_true(most > (uint64_t)IC_WORKLOAD_KEYS_MAX / 2);
    assert_in_range(sum, 480000, 510000); /* the mean is 49.5 */
    ic_workload_free(w);
}

static void test_the_seed_decides(void **state)
{
    (void)state;
    bool get;
    uint64_t same = 0, other = 0;
    struct ic_workload_settings s = {
        .keys = 1000, .sizes = "1", .get_percent = 50, .zipf = 0.9, .order = IC_ORDER_ZIPF};
    struct ic_workload *a = make(s), *b = make(s);
    s.seed = 7;
    struct ic_workload *c = make(s);
    for (int i = 0; i < 1000; i++) {
        uint64_t key = ic_workload_next(a, &get);
        same += key == ic_workload_next(b, &get);
        other += key == ic_workload_next(c, &get);
    }
    assert_int_equal(same, 1000);
    assert_true(other < 500);
    ic_workload_free(a);
    ic_workload_free(b);
    ic_workload_free(c);
}

static void test_bad_settings_are_refused(void **state)
{
    (void)state;
    char why[IC_WORKLOAD_WHY_MAX];
    struct ic_workload *w;
    struct ic_workload_settings sizes = {.keys = 1, .sizes = "1zb"};
    assert_int_equal(ic_workload_new(&sizes, &w, why), IC_EINVAL);
    assert_non_null(strstr(why, "bad sizes"));
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
        leak_test(test_orders),
        leak_test(test_keys_that_come_once),
        leak_test(test_as_many_keys_as_one_likes),
        leak_test(test_the_seed_decides),
        leak_test(test_bad_settings_are_refused),
        leak_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
