/*
 * test_routing.c - which idle instance, and which share is reclaimed.
 */
#include "platform/local/routing.h"

#include "base/config.h"
#include "unit/unit.h"

static void test_choices(void **state)
{
    (void)state;
    struct ic_rng rng;
    ic_rng_init(&rng, 1);
    assert_int_equal(ic_routing_choose(IC_ROUTING_MRU, 5, &rng), 4);
    assert_int_equal(ic_routing_choose(IC_ROUTING_LRU, 5, &rng), 0);
    unsigned seen = 0;
    for (int i = 0; i < 200; i++) {
        size_t index = ic_routing_choose(IC_ROUTING_RANDOM, 5, &rng);
        assert_true(index < 5);
        seen |= 1u << index;
    }
    assert_int_equal(seen, 31);
    assert_int_equal(ic_routing_choose(IC_ROUTING_RANDOM, 1, &rng), 0);
}

static void test_share(void **state)
{
    (void)state;
    assert_int_equal(ic_reclaim_count(0, 1.0), 0);
    assert_int_equal(ic_reclaim_count(16, 0.0), 0);
    assert_int_equal(ic_reclaim_count(16, 0.25), 4);
    assert_int_equal(ic_reclaim_count(10, 0.25), 3);
    assert_int_equal(ic_reclaim_count(16, 1.0), 16);
}

static void test_same_seed_same_choice(void **state)
{
    (void)state;
    enum { COUNT = 40, TAKE = 10 };
    size_t a[COUNT], b[COUNT], c[COUNT];
    unsigned char taken[COUNT] = {0};
    ic_reclaim_choose(COUNT, TAKE, 7, a);
    ic_reclaim_choose(COUNT, TAKE, 7, b);
    ic_reclaim_choose(COUNT, TAKE, 8, c);
    assert_memory_equal(a, b, TAKE * sizeof a[0]);
    assert_memory_not_equal(a, c, TAKE * sizeof a[0]);
    for (size_t i = 0; i < TAKE; i++) {
        assert_true(a[i] < COUNT);
        assert_int_equal(taken[a[i]]++, 0);
    }
    ic_reclaim_choose(COUNT, COUNT, 7, a);
    ic_reclaim_choose(0, 0, 7, a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_choices), leak_test(test_share),
                                       leak_test(test_same_seed_same_choice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
