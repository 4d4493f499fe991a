/*
 * test_function.c - one function's life: how each failure of an Invoke ends its requests, what
 * becomes of instances that crash, vanish, return, or are not what we thought.
 */
#include "functions_world.h"

static void no_node_times_out(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    w.fake.mode = FAKE_HOLD;
    set(&w, "invoke-timeout", "100ms");
    struct ask write;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    assert_int_equal(wait_for(&w, &write), IC_EUNAVAIL);
    done_with(&write);
    close_world(&w);
}

/* Each failure of an Invoke, and what it makes of the request that caused it. */
static void invoke_failures(void **s)
{
    (void)s;
    static const struct {
        int error;
        bool function_error;
        enum ic_function_state state;
    } cases[] = {
        {IC_EUNAVAIL, false, IC_FUNCTION_LOST},    {IC_ENOENT, false, IC_FUNCTION_LOST},
        {IC_EIO, false, IC_FUNCTION_LOST},         {IC_ECLOSED, false, IC_FUNCTION_UNKNOWN},
        {IC_ETIMEOUT, false, IC_FUNCTION_UNKNOWN}, {0, true, IC_FUNCTION_LOST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;
        open_world(&w, 1);
        fake_run(&w.fake, is_ready, &w);
        set(&w, "invoke-timeout", "100ms");
        w.fake.mode = FAKE_ERROR;
        w.fake.error = (struct ic_lambda_reply){.error = cases[i].error,
                                                .function_error = cases[i].function_error};
        struct ask write;
        prepare_write(&w, &write, 6);
        submit(&w, &write);
        assert_int_equal(wait_for(&w, &write), IC_EUNAVAIL);
        assert_int_equal(state0(&w), cases[i].state);
        assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_DOWN);
        assert_int_equal(w.gone, cases[i].function_error ? 1 : 0);
        done_with(&write);
        close_world(&w);
    }
}

/* Whoever comes while a function is in back-off waits for it if that ends soon, and is refused
 * without an Invoke if it does not. */
static void a_short_back_off_is_waited_for(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    w.fake.mode = FAKE_ERROR;
    w.fake.error = (struct ic_lambda_reply){.function_error = true};
    uint32_t first = w.fake.invokes;
    for (uint64_t key = 6; true; key++) {
        struct ask write;
        prepare_write(&w, &write, key);
        uint32_t invokes = w.fake.invokes;
        submit(&w, &write);
        assert_int_equal(wait_for(&w, &write), IC_EUNAVAIL);
        done_with(&write);
        if (w.fake.invokes == invokes) {
            break;
        }
        assert_int_equal(w.fake.invokes, invokes + 1);
        assert_int_equal(state0(&w), IC_FUNCTION_LOST);
    }
    assert_in_range(w.fake.invokes - first, 4, 5); /* up to 100, 200, 400, 800, 1600 ms */
    close_world(&w);

    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    w.fake.mode = FAKE_ERROR;
    w.fake.error = (struct ic_lambda_reply){.function_error = true};
    struct ask fails, served;
    prepare_write(&w, &fails, 6);
    submit(&w, &fails);
    assert_int_equal(wait_for(&w, &fails), IC_EUNAVAIL);
    w.fake.mode = FAKE_SERVE;
    prepare_write(&w, &served, 7);
    submit(&w, &served);
    assert_int_equal(wait_for(&w, &served), 0);
    done_with(&fails);
    done_with(&served);
    close_world(&w);
}

static void throttled_requests_wait(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    w.fake.mode = FAKE_ERROR;
    w.fake.error = (struct ic_lambda_reply){.error = IC_ETHROTTLED, .status = 429};
    struct ask write;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    fake_run_for(&w.fake, 20);
    assert_int_equal(ic_functions_figures(w.f, 0).throttles, 1);
    w.fake.mode = FAKE_SERVE;
    assert_int_equal(wait_for(&w, &write), 0);
    done_with(&write);
    close_world(&w);
}

static bool is_unknown(void *ctx)
{
    return state0(ctx) == IC_FUNCTION_UNKNOWN;
}

static void a_lost_response_does_not_invoke_again(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    struct ic_lambda_call *call = n->call;
    w.fake.error = (struct ic_lambda_reply){.error = IC_ECLOSED};
    n->call = NULL;
    fake_answer(call, NULL); /* the node still runs, its link is up */
    assert_int_equal(state0(&w), IC_FUNCTION_ACTIVE);
    assert_int_equal(get(&w, 5, serial), 0);
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w); /* without a response: some time after BYE_OK */
    assert_int_equal(get(&w, 5, serial), 0);

    uint32_t invokes = w.fake.invokes;
    call = n->call;
    n->call = NULL;
    fake_bye(n, false);
    fake_run_for(&w.fake, 5);
    assert_int_equal(state0(&w), IC_FUNCTION_LEAVING);
    fake_answer(call, NULL);
    fake_run(&w.fake, is_unknown, &w);
    assert_int_equal(get(&w, 5, serial), IC_EUNAVAIL);
    assert_int_equal(w.fake.invokes, invokes);
    fake_run(&w.fake, is_asleep, &w);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(ic_functions_figures(w.f, 0).lost_responses, 2);
    close_world(&w);
}

static void a_crash_is_told_at_once(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct ask read;
    prepare_read(&read, 5, serial);
    node0(&w)->mute = true;
    submit(&w, &read);
    fake_run_for(&w.fake, 10);
    fake_node_free(node0(&w)); /* killed while it serves */
    assert_int_equal(wait_for(&w, &read), IC_ESTALE);
    assert_int_equal(w.gone, 1);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_GONE);
    assert_int_equal(get(&w, 5, serial), IC_ESTALE);
    assert_true(put(&w, 6) > serial);
    close_world(&w);
}

static bool is_cut_off(void *ctx)
{
    return ic_functions_status(((struct world *)ctx)->f, 0, 0) != IC_STATUS_AWAKE;
}

/* Whoever comes when a node has died, but before its Invoke's answer tells so, has not failed. */
static void whoever_comes_before_a_crash_is_told_is_served(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    fake_node_free(node0(&w)); /* once is a mishap, the second time there is a back-off */
    fake_run_for(&w.fake, 5);
    put(&w, 6);
    struct fake_node *n = node0(&w);
    fake_hang_up(n);
    fake_run(&w.fake, is_cut_off, &w);
    struct ask write;
    prepare_write(&w, &write, 7);
    submit(&w, &write);
    fake_node_free(n);
    assert_int_equal(wait_for(&w, &write), 0);
    assert_int_equal(w.gone, 2);
    done_with(&write);
    close_world(&w);
}

static void killed_asleep_is_away_then_gone(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    fake_bye(node0(&w), false);
    fake_run(&w.fake, is_asleep, &w);
    fake_node_free(node0(&w));
    assert_int_equal(get(&w, 5, serial), IC_EAWAY); /* a fresh instance answered */
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_AWAY);
    assert_int_equal(get(&w, 5, serial), IC_EAWAY);
    fake_bye(node0(&w), false);
    fake_run(&w.fake, is_asleep, &w);
    put(&w, 6);
    assert_int_equal(w.gone, 1);
    assert_int_equal(get(&w, 5, serial), IC_ESTALE);
    close_world(&w);
}

static void an_instance_comes_back(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *a = node0(&w);
    fake_bye(a, false);
    fake_run(&w.fake, is_asleep, &w);
    ic_list_remove(&a->node); /* another is routed to */
    assert_int_equal(get(&w, 5, serial), IC_EAWAY);
    struct fake_node *b = node0(&w);
    fake_bye(b, false);
    fake_run(&w.fake, is_asleep, &w);
    ic_list_push_front(&w.fake.nodes, &a->node);
    put(&w, 6);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(w.lists, 0);
    close_world(&w);
}

static bool hung_up(void *ctx)
{
    return ((struct fake_node *)ctx)->gone_link;
}

static void a_node_is_adopted_after_a_restart(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    struct fake_node *n = node0(&w);
    uint32_t invokes = w.fake.invokes;
    restart(&w);
    uint32_t serial = restore(&w, n, 0);
    struct ask read; /* waits for the adoption, and costs no Invoke */
    prepare_read(&read, 5, serial);
    submit(&w, &read);
    n->dial = 5;
    fake_dial(n);
    assert_int_equal(wait_for(&w, &read), 0);
    assert_int_equal(state0(&w), IC_FUNCTION_ACTIVE);
    assert_int_equal(w.fake.invokes, invokes);
    assert_int_equal(w.lists + w.items, 2);
    check_accounts(&w);
    put(&w, 6);
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w);
    fake_dial(n); /* only once */
    fake_run(&w.fake, hung_up, n);
    assert_int_equal(get(&w, 6, serial), 0);
    close_world(&w);
}

/* Another instance held more, and may still come; but a request is for this one. */
static void who_is_waited_for_is_adopted(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    struct fake_node *n = node0(&w);
    uint32_t invokes = w.fake.invokes;
    struct fake_node other = {.instance = {0xee}};
    restart(&w);
    restore(&w, &other, 2);
    uint32_t serial = restore(&w, n, 0);
    struct ask read;
    prepare_read(&read, 5, serial);
    submit(&w, &read);
    n->dial = 5;
    fake_dial(n);
    assert_int_equal(wait_for(&w, &read), 0);
    assert_int_equal(ic_pool_function(w.pool, 0)->current, serial);
    assert_int_equal(w.fake.invokes, invokes);
    close_world(&w);
}

static bool three_lists(void *ctx)
{
    return ((struct world *)ctx)->lists >= 1;
}

static void a_wrong_position_is_listed(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w);
    n->position += 3; /* operations that we never sent */
    ic_functions_wake(w.f, 0);
    fake_run(&w.fake, three_lists, &w);
    assert_int_equal(w.gone, 1);
    assert_int_equal(get(&w, 5, serial), IC_ESTALE);
    assert_int_equal(get(&w, 5, ic_pool_function(w.pool, 0)->current), 0);
    put(&w, 6); /* numbered from the node's position */
    check_accounts(&w);
    close_world(&w);
}

static bool two_are_gone(void *ctx)
{
    return ((struct world *)ctx)->gone == 2;
}

/* A node may not name more chunks and keys than it could hold: we remember something of each. */
static void a_list_has_an_end(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    uint32_t lists = w.lists;
    struct fake_node *n = node0(&w);
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w);
    n->position += 3; /* it is a stranger, and listed, */
    n->capacity = IC_CHUNK_OVERHEAD_BYTES + KEY_LEN - 1;
    ic_functions_wake(w.f, 0);
    fake_run(&w.fake, two_are_gone, &w); /* and gone again */
    assert_int_equal(w.items, 0);
    assert_int_equal(w.lists, lists);
    close_world(&w);
}

static void a_difference_in_bytes_is_listed(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    struct fake_node *n = node0(&w);
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w);
    fake_drop_chunk(IC_CONTAINER(n->chunks.next, struct fake_chunk, node));
    ic_functions_wake(w.f, 0);
    fake_run(&w.fake, three_lists, &w);
    assert_int_equal(w.items, 0);
    close_world(&w);
}

static bool is_lost(void *ctx)
{
    return ic_functions_status(((struct world *)ctx)->f, 0, 0) == IC_STATUS_DOWN;
}

/* Its link breaks and it does not dial again, nor return: nobody waits for it, nobody invokes it.
 */
static void a_lost_node_is_left_alone_until_it_returns(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    struct ask write;
    n->mute = true;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    fake_run_for(&w.fake, 5);
    fake_hang_up(n);
    fake_run(&w.fake, is_lost, &w);
    assert_int_equal(wait_for(&w, &write), IC_EUNAVAIL);
    ic_pool_condemn(w.pool, 0, serial, 6, 0, chunk_cost(), IC_POOL_FROM_IN_FLIGHT);
    uint32_t invokes = w.fake.invokes;
    assert_int_equal(get(&w, 5, serial), IC_EUNAVAIL);
    assert_int_equal(w.fake.invokes, invokes);
    n->mute = false;
    fake_answer(n->call, n);
    assert_int_equal(get(&w, 5, serial), 0);
    put(&w, 7); /* the numbering goes on where the node is */
    assert_int_equal(w.gone + w.lists, 0);
    check_accounts(&w);
    done_with(&write);
    close_world(&w);
}

static bool said_goodbye(void *ctx)
{
    return node0(ctx)->seen[IC_FRAME_BYE_OK] > 0;
}

static void a_long_invocation_is_ended(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    ic_functions_free(w.f);
    set(&w, "function-timeout", "20s"); /* sent home 5 s before: wait for half a second of it */
    start(&w, 1);
    uint32_t serial = put(&w, 5);
    struct ic_pool_function *p = (struct ic_pool_function *)ic_pool_function(w.pool, 0);
    p->deadline_ms -= 14700;
    assert_int_equal(get(&w, 5, serial), 0);
    fake_run(&w.fake, said_goodbye, &w);
    assert_int_equal(get(&w, 5, serial), 0); /* invoked again */
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(no_node_times_out),
        leak_test(invoke_failures),
        leak_test(a_short_back_off_is_waited_for),
        leak_test(throttled_requests_wait),
        leak_test(a_lost_response_does_not_invoke_again),
        leak_test(a_crash_is_told_at_once),
        leak_test(whoever_comes_before_a_crash_is_told_is_served),
        leak_test(killed_asleep_is_away_then_gone),
        leak_test(an_instance_comes_back),
        leak_test(a_node_is_adopted_after_a_restart),
        leak_test(who_is_waited_for_is_adopted),
        leak_test(a_wrong_position_is_listed),
        leak_test(a_list_has_an_end),
        leak_test(a_difference_in_bytes_is_listed),
        leak_test(a_lost_node_is_left_alone_until_it_returns),
        leak_test(a_long_invocation_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
