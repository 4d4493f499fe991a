/*
 * test_function_lease.c - which lease goes out with what: the fixed one, or the decided; who
 * prolongs a stay and who does not; and never beyond the invocation's end.
 */
#include "functions_world.h"

#include <math.h>

/* t* for a request that waits for one node, from the world's prices and its first guess of a wake.
 */
static double break_even_ms(struct world *w, double wake_ms)
{
    struct ic_rate rate = ic_prices_rate(&w->prices, w->config->billing, w->config->architecture,
                                         (uint64_t)w->config->memory);
    double wait = w->config->latency_value / 1000 * wake_ms;
    return (rate.per_invocation + wait) / rate.per_ms;
}

static void a_fixed_lease_goes_out_as_it_is(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    set(&w, "lease", "60s");
    uint32_t serial = put(&w, 5);
    assert_int_equal(w.fake.lease_ms, 60000);
    assert_int_equal(node0(&w)->lease[IC_FRAME_WRITE], 60000);
    set(&w, "lease", "7s");
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(node0(&w)->lease[IC_FRAME_READ], 7000);
    assert_int_equal(ic_functions_stay(w.f, 0).lease_ms, 7000);
    close_world(&w);
}

/* Without history it is break-even, whatever was guessed of the wake before it was measured. */
static void by_default_it_is_decided(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    set(&w, "latency-value", "0");
    uint32_t serial = put(&w, 5);
    uint32_t cheap_ms = node0(&w)->lease[IC_FRAME_WRITE];
    assert_true(cheap_ms >= (uint32_t)break_even_ms(&w, 0));
    assert_true(cheap_ms < 2 * break_even_ms(&w, 0));
    set(&w, "latency-value", "1000"); /* nobody could be let wait: the longest there is */
    assert_int_equal(get(&w, 5, serial), 0);
    uint32_t dear_ms = node0(&w)->lease[IC_FRAME_READ];
    assert_true(dear_ms > 200000 && dear_ms <= 285000);
    close_world(&w);
}

static void a_delete_leaves_the_stay_as_it_is(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    set(&w, "lease", "60s");
    uint32_t serial = put(&w, 5);
    fake_run_for(&w.fake, 60);
    ic_pool_condemn(w.pool, 0, serial, 5, 0, chunk_cost(), IC_POOL_FROM_LIVE);
    ic_functions_flush_deletes(w.f, 0);
    fake_run_for(&w.fake, 20);
    assert_int_equal(node0(&w)->seen[IC_FRAME_DELETE], 1);
    assert_true(node0(&w)->lease[IC_FRAME_DELETE] <= 60000 - 59);
    assert_int_equal(ic_functions_stay(w.f, 0).lease_ms, 60000);

    set(&w, "lease", "1"); /* it has ended: the node goes as soon as it has deleted */
    uint32_t next = put(&w, 6);
    fake_run_for(&w.fake, 20);
    ic_pool_condemn(w.pool, 0, next, 6, 0, chunk_cost(), IC_POOL_FROM_LIVE);
    ic_functions_flush_deletes(w.f, 0);
    fake_run_for(&w.fake, 20);
    assert_int_equal(node0(&w)->seen[IC_FRAME_DELETE], 2);
    assert_int_equal(node0(&w)->lease[IC_FRAME_DELETE], 0);
    close_world(&w);
}

/* In cycles of 100 ms the end counts from when the last answer was there, so it is told again. */
static void cycles_are_told_when_the_node_is_idle(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    ic_functions_free(w.f);
    set(&w, "billing", "100ms");
    start(&w, 1);
    uint32_t serial = put(&w, 5);
    fake_run_for(&w.fake, 20);
    uint32_t kept = node0(&w)->seen[IC_FRAME_KEEP];
    assert_true(kept >= 1);
    assert_int_equal(get(&w, 5, serial), 0);
    fake_run_for(&w.fake, 20);
    assert_int_equal(node0(&w)->seen[IC_FRAME_KEEP], kept + 1);
    uint32_t lease_ms = node0(&w)->lease[IC_FRAME_KEEP];
    assert_true(lease_ms >= 1 && lease_ms <= 200); /* this cycle and the next */
    assert_int_equal(ic_functions_stay(w.f, 0).lease_ms, lease_ms);
    set(&w, "lease", "60s"); /* a fixed one needs no telling */
    assert_int_equal(get(&w, 5, serial), 0);
    fake_run_for(&w.fake, 20);
    assert_int_equal(node0(&w)->seen[IC_FRAME_KEEP], kept + 1);
    close_world(&w);
}

static void no_lease_outlasts_the_invocation(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    set(&w, "lease", "300s");
    uint32_t serial = put(&w, 5);
    assert_true(node0(&w)->lease[IC_FRAME_WRITE] <= 285000);
    struct ic_pool_function *p = (struct ic_pool_function *)ic_pool_function(w.pool, 0);
    p->deadline_ms -= 200000;
    assert_int_equal(get(&w, 5, serial), 0);
    assert_true(node0(&w)->lease[IC_FRAME_READ] <= 85000);
    assert_true(node0(&w)->lease[IC_FRAME_READ] > 1);
    close_world(&w);
}

/* Gaps are measured from the last answer, over goodbyes too; a request that is refused is none. */
static void gaps_are_measured(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    fake_bye(node0(&w), false);
    fake_run(&w.fake, is_asleep, &w);
    fake_run_for(&w.fake, 150);
    assert_int_equal(get(&w, 5, serial + 9), IC_ESTALE);
    uint64_t before_ms = ic_functions_stay(w.f, 0).gap_ms;
    assert_int_equal(get(&w, 5, serial), 0);
    /* An eighth of a gap of at least 150 ms. */
    assert_true(ic_functions_stay(w.f, 0).gap_ms >= before_ms + 15);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(a_fixed_lease_goes_out_as_it_is),
        leak_test(by_default_it_is_decided),
        leak_test(a_delete_leaves_the_stay_as_it_is),
        leak_test(cycles_are_told_when_the_node_is_idle),
        leak_test(no_lease_outlasts_the_invocation),
        leak_test(gaps_are_measured),
    };
    return cmocka_run_group_tests_name("function_lease", tests, NULL, NULL);
}
