/*
 * test_function_late.c - a function whose node does not come, or does not return, is slow as soon
 * as that has taken as long as a slow answer; and when it has, to who would wake it again, for as
 * long as after a slow answer. Unless most are.
 */
#include "functions_world.h"

#include "proxy/function_internal.h"

static bool is_slow(void *ctx)
{
    return ic_functions_status(((struct world *)ctx)->f, 0, 0) == IC_STATUS_SLOW;
}

static bool is_shown(const struct world *w)
{
    return ic_pool_function(w->pool, 0)->slow && ic_pool_slow_count(w->pool) == 1;
}

static bool is_clear(const struct world *w)
{
    return !ic_pool_function(w->pool, 0)->slow && ic_pool_slow_count(w->pool) == 0;
}

static bool is_out(void *ctx)
{
    return state0(ctx) == IC_FUNCTION_LEAVING;
}

/* INDEX has come, late. So long it is slow to come. */
static void pass_slow(struct world *w, uint16_t index)
{
    struct ic_function *fn = &w->f->function[index];
    uint64_t now_ms = ic_loop_now_ms(w->loop);
    assert_true(ic_slow_is(&fn->slow, now_ms + IC_SLOW_FOR_MS - 1000));
    assert_int_equal(fn->slow_serial, 0);
    fn->slow.until_ms = now_ms;
    ic_function_show_pace(fn);
}

/* All have been warmed up, and what is invoked from now on is held. */
static void open_held(struct world *w)
{
    open_world(w, 1);
    fake_run(&w->fake, is_ready, w);
    w->fake.mode = FAKE_HOLD;
}

/* The last Invoke, which is held. */
static struct ic_lambda_call *held(struct world *w)
{
    return IC_CONTAINER(w->fake.calls.prev, struct ic_lambda_call, node);
}

/* Says BYE, hears BYE_OK, and does not return. Returns its Invoke. */
static struct ic_lambda_call *stay_out(struct fake_node *n)
{
    struct ic_lambda_call *call = n->call;
    n->call = NULL;
    fake_bye(n, false);
    return call;
}

static void who_does_not_come(void **s)
{
    (void)s;
    struct world w;
    struct ask write;
    open_held(&w);
    prepare_write(&w, &write, 5);
    submit(&w, &write);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_WAKING);
    assert_true(is_clear(&w));
    fake_run(&w.fake, is_slow, &w);
    assert_true(is_shown(&w));
    assert_int_equal(state0(&w), IC_FUNCTION_INVOKING);
    fake_take(node0(&w), held(&w));
    assert_int_equal(wait_for(&w, &write), 0);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_AWAKE);
    assert_true(is_shown(&w));
    done_with(&write);
    fake_bye(node0(&w), true);
    fake_run(&w.fake, is_asleep, &w);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_SLOW);
    pass_slow(&w, 0);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_ASLEEP);
    assert_true(is_clear(&w));
    close_world(&w);
}

static void who_does_not_return(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    struct ic_lambda_call *call = stay_out(n);
    fake_run(&w.fake, is_out, &w);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_WAKING);
    fake_run(&w.fake, is_slow, &w);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_SLOW);
    assert_true(is_shown(&w));
    fake_answer(call, n);
    assert_int_equal(state0(&w), IC_FUNCTION_ASLEEP);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_SLOW);
    pass_slow(&w, 0);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_ASLEEP);
    assert_true(is_clear(&w));
    assert_int_equal(get(&w, 5, serial), 0);
    close_world(&w);
}

static void a_warm_up_that_does_not_return(void **s)
{
    (void)s;
    struct world w;
    open_held(&w);
    ic_function_warm(&w.f->function[0]);
    fake_run(&w.fake, is_slow, &w);
    assert_true(is_shown(&w));
    fake_answer(held(&w), node0(&w));
    assert_true(is_shown(&w));
    pass_slow(&w, 0);
    assert_true(is_clear(&w));
    close_world(&w);
}

static bool are_all_late(void *ctx)
{
    return ic_pool_slow_count(((struct world *)ctx)->pool) == 2;
}

static bool is_other_active(void *ctx)
{
    return ic_pool_function(((struct world *)ctx)->pool, 1)->state == IC_FUNCTION_ACTIVE;
}

/* Then they are as good as any. */
static void a_pool_that_starts_slowly_is_not_avoided(void **s)
{
    (void)s;
    struct world w;
    open_held(&w);
    ic_functions_wake(w.f, 0);
    ic_functions_wake(w.f, 1);
    fake_run(&w.fake, are_all_late, &w);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_WAKING);
    assert_int_equal(ic_functions_status(w.f, 1, 0), IC_STATUS_WAKING);
    fake_take(fake_node_of(&w.fake, "infinicache-1"), held(&w));
    fake_run(&w.fake, is_other_active, &w);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_WAKING);
    pass_slow(&w, 1);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_SLOW);
    close_world(&w);
}

static void on_met(struct ic_meeting *m, int result, uint32_t current, uint32_t beside)
{
    (void)current;
    (void)beside;
    assert_int_equal(result, 0);
    *(bool *)m->ctx = true;
}

static bool is_true(void *ctx)
{
    return *(bool *)ctx;
}

static bool has_a_leaving_peer(void *ctx)
{
    struct world *w = ctx;
    return ic_pool_function(w->pool, 0)->peer.state == IC_FUNCTION_LEAVING;
}

static bool is_peer_slow(void *ctx)
{
    struct world *w = ctx;
    uint32_t serial = ic_pool_function(w->pool, 0)->beside;
    return ic_functions_status(w->f, 0, serial) == IC_STATUS_SLOW;
}

/* The function is not invoked before it has. */
static void a_peer_that_does_not_return(void **s)
{
    (void)s;
    struct world w;
    bool met = false;
    struct ic_meeting m = {.met = on_met, .ctx = &met};
    open_world(&w, 1);
    fake_run(&w.fake, is_ready, &w);
    assert_int_equal(ic_functions_meet(w.f, &m), 0);
    fake_run(&w.fake, is_true, &met);
    struct fake_node *current = node0(&w);
    struct fake_node *peer = IC_CONTAINER(w.fake.nodes.prev, struct fake_node, node);
    struct ic_lambda_call *call = peer->call;
    peer->call = NULL;
    ic_functions_part(w.f, &m);
    fake_run(&w.fake, has_a_leaving_peer, &w);
    fake_run(&w.fake, is_peer_slow, &w);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_AWAKE);
    assert_true(is_clear(&w)); /* its own node is there */
    fake_answer(current->call, current);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_ASLEEP);
    fake_run(&w.fake, is_slow, &w);
    assert_true(is_shown(&w));
    fake_answer(call, peer);
    pass_slow(&w, 0);
    assert_int_equal(ic_functions_status(w.f, 0, 0), IC_STATUS_ASLEEP);
    assert_true(is_clear(&w));
    put(&w, 6);
    close_world(&w);
}

static bool is_lost(void *ctx)
{
    return state0(ctx) == IC_FUNCTION_LOST;
}

/* Neither its node nor an answer has ever come: it backs off as any that cannot be invoked. */
static void who_never_comes_has_failed(void **s)
{
    (void)s;
    struct world w;
    open_held(&w);
    ic_functions_wake(w.f, 0);
    fake_run(&w.fake, is_slow, &w);
    w.fake.error = (struct ic_lambda_reply){.error = IC_ETIMEOUT};
    fake_answer(held(&w), NULL);
    assert_int_equal(state0(&w), IC_FUNCTION_UNKNOWN);
    assert_true(is_clear(&w)); /* it is down, which is more */
    struct ic_pool_function *p = (struct ic_pool_function *)ic_pool_function(w.pool, 0);
    p->deadline_ms = ic_loop_now_ms(w.loop);
    struct ask write;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    assert_int_equal(wait_for(&w, &write), IC_EUNAVAIL);
    ic_function_schedule(&w.f->function[0]);
    fake_run(&w.fake, is_lost, &w);
    assert_int_equal(p->failures, 1);
    done_with(&write);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(who_does_not_come),
        leak_test(who_does_not_return),
        leak_test(a_warm_up_that_does_not_return),
        leak_test(a_pool_that_starts_slowly_is_not_avoided),
        leak_test(a_peer_that_does_not_return),
        leak_test(who_never_comes_has_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
