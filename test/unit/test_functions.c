/*
 * test_functions.c - requests through the whole of functions.c against nodes over loopback and a
 * Lambda in memory: what is written is read back, and nothing waits for ever.
 */
#include "functions_world.h"

static void writes_seals_and_reads(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    assert_int_equal(w.fake.warm_invokes, 2); /* every function was warmed up at the start */
    uint32_t serial = put(&w, 5);
    assert_true(serial != 0);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(get(&w, 6, serial), IC_ENOENT);
    check_accounts(&w);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_AWAKE);
    fake_bye(node0(&w), false);
    fake_run(&w.fake, is_asleep, &w);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_ASLEEP);
    assert_int_equal(ic_functions_status(w.f, 0, serial + 9), IC_STATUS_GONE);
    assert_int_equal(get(&w, 5, serial), 0); /* wakes it again */
    assert_int_equal(w.fake.invokes, 4);
    assert_int_equal(w.fake.outstanding_max, 2);
    struct ic_function_figures figures = ic_functions_figures(w.f, -1);
    assert_int_equal(figures.invocations_serve, 2);
    const struct ic_cost_totals *totals = ic_cost_totals(ic_books_cost(w.books));
    assert_int_equal(totals->billed_ms[IC_COST_WARM], 14);
    assert_int_equal(totals->billed_ms[IC_COST_SERVE], 7);
    assert_int_equal(totals->unreported, 0);
    assert_int_equal(ic_cost_outstanding(ic_books_cost(w.books)), 1);
    close_world(&w);
}

static void deletes_go_before_writes_and_wake_nobody(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    fake_bye(node0(&w), false);
    fake_run(&w.fake, is_asleep, &w);
    uint32_t invokes = w.fake.invokes;
    ic_pool_condemn(w.pool, 0, serial, 5, 0, chunk_cost(), IC_POOL_FROM_LIVE);
    ic_functions_flush_deletes(w.f, 0);
    fake_run_for(&w.fake, 30);
    assert_int_equal(w.fake.invokes, invokes);
    check_accounts(&w);
    put(&w, 6);
    assert_int_equal(node0(&w)->seen[IC_FRAME_DELETE], 1);
    assert_int_equal(ic_pool_find(w.pool, 0, serial)->condemned, 0);
    check_accounts(&w);
    close_world(&w);
}

static bool has_deleted(void *ctx)
{
    return node0(ctx)->seen[IC_FRAME_DELETE] == 1;
}

/* To an active node a DELETE goes soon after it was condemned, with the next WRITE if one comes. */
static void deletes_wait_for_company(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    ic_pool_condemn(w.pool, 0, serial, 5, 0, chunk_cost(), IC_POOL_FROM_LIVE);
    ic_functions_condemned(w.f, 0);
    ic_functions_condemned(w.f, 0);
    assert_int_equal(ic_pool_find(w.pool, 0, serial)->condemned_chunks, 1);
    assert_false(ic_condemned_empty(&ic_pool_find(w.pool, 0, serial)->condemned_queue));
    fake_run(&w.fake, has_deleted, &w);
    put(&w, 6);
    ic_pool_condemn(w.pool, 0, serial, 6, 0, chunk_cost(), IC_POOL_FROM_LIVE);
    ic_functions_condemned(w.f, 0);
    put(&w, 7);
    assert_int_equal(node0(&w)->seen[IC_FRAME_DELETE], 2);
    check_accounts(&w);
    close_world(&w);
}

static void stopped(void *ctx)
{
    *(bool *)ctx = true;
}

static bool is_set(void *ctx)
{
    return *(bool *)ctx;
}

static void stop_sends_nodes_home(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    bool done = false;
    ic_functions_stop(w.f, 2000, stopped, &done);
    fake_run(&w.fake, is_set, &done);
    fake_run(&w.fake, is_asleep, &w);
    assert_int_equal(node0(&w)->seen[IC_FRAME_BYE_OK], 1);
    close_world(&w);
}

static bool has_lasted(void *ctx)
{
    struct world *w = ctx;
    return ic_functions_outstanding_ms(w->f) >= 30;
}

/* An invocation is billed at its end: until then it is told how long it has been under way. */
static void what_is_under_way_is_told(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 2);
    set(&w, "lease", "60s");
    assert_int_equal(ic_functions_outstanding_ms(w.f), 0);
    put(&w, 5);
    fake_run(&w.fake, has_lasted, &w);
    bool done = false;
    ic_functions_stop(w.f, 2000, stopped, &done);
    fake_run(&w.fake, is_set, &done);
    fake_run(&w.fake, is_asleep, &w);
    assert_int_equal(ic_functions_outstanding_ms(w.f), 0);
    close_world(&w);
}

/* Many requests of all kinds while nodes are killed, links break and Invokes fail: each is answered
 * once. */
static void nothing_waits_for_ever(void **s)
{
    (void)s;
    enum { ASKS = 400 };
    struct world w;
    open_world(&w, 1);
    set(&w, "invoke-timeout", "400ms");
    set(&w, "node-timeout", "200ms");
    struct ic_rng rng;
    ic_rng_init(&rng, 42);
    static struct ask asks[ASKS];
    uint32_t serial = put(&w, 5);
    int last = 0;
    for (int i = 0; i < ASKS; i++) {
        uint64_t dice = ic_rng_below(&rng, 100);
        if (dice < 50) {
            prepare_read(&asks[i], 5, serial);
        } else {
            prepare_write(&w, &asks[i], (uint64_t)i + 100);
        }
        submit(&w, &asks[i]);
        struct fake_node *n = node0(&w);
        if (dice % 10 == 0 && n->stream != NULL) {
            fake_hang_up(n);
        } else if (dice % 10 == 1 && n->call != NULL) {
            fake_dial(n);
        } else if (dice % 10 == 2 && n->welcomed && n->stream != NULL) {
            fake_bye(n, dice < 50);
        } else if (dice == 93 && n->call != NULL) {
            fake_node_free(n);
        } else if (dice == 73 && n->call != NULL) {
            n->mute = true;
        }
        w.fake.mode = ic_rng_below(&rng, 10) == 0 ? FAKE_ERROR : FAKE_SERVE;
        w.fake.error = (struct ic_lambda_reply){.error = IC_EUNAVAIL};
        fake_run_for(&w.fake, ic_rng_below(&rng, 4));
        assert_true(w.fake.outstanding <= 2);
        last = i;
    }
    w.fake.mode = FAKE_SERVE;
    for (int i = 0; i <= last; i++) {
        fake_run(&w.fake, is_done, &asks[i]);
        assert_int_equal(asks[i].calls, 1);
        done_with(&asks[i]);
    }
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(writes_seals_and_reads),   leak_test(deletes_go_before_writes_and_wake_nobody),
        leak_test(deletes_wait_for_company), leak_test(stop_sends_nodes_home),
        leak_test(nothing_waits_for_ever),   leak_test(what_is_under_way_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
