/*
 * test_function_doubt.c - what a node lists cannot be: whoever waits for it goes elsewhere at once,
 * and nobody does until it has been heard again, for which no request is needed.
 */
#include "functions_world.h"

/* Function 0 has another instance, which lists more than it could hold. */
static struct fake_node *lie(struct world *w)
{
    put(w, 5);
    struct fake_node *n = node0(w);
    fake_bye(n, false);
    fake_run(&w->fake, is_asleep, w);
    n->instance[0] ^= 1;
    n->capacity = IC_CHUNK_OVERHEAD_BYTES + KEY_LEN - 1;
    return n;
}

struct awaited {
    const struct world *w;
    uint32_t gone;
};

static bool are_gone(void *ctx)
{
    const struct awaited *a = ctx;
    return a->w->gone == a->gone;
}

/* Until so many instances are. */
static void run_until_gone(struct world *w, uint32_t gone)
{
    struct awaited a = {w, gone};
    fake_run(&w->fake, are_gone, &a);
}

static bool is_down(struct world *w)
{
    return ic_functions_status(w->f, 0, 0) == IC_STATUS_DOWN;
}

/* The first time is not held against it: when it dials again it is heard, but not waited for. */
static void nobody_waits_for_who_is_not_believed(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    struct fake_node *n = lie(&w);
    struct ask write, later;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    run_until_gone(&w, 1);
    assert_true(is_down(&w));
    prepare_write(&w, &later, 7);
    submit(&w, &later);
    fake_dial(n);
    run_until_gone(&w, 3); /* and the one that did not answer twice */
    assert_int_equal(write.calls, 1);
    assert_int_equal(write.result, IC_ESTALE); /* it went out before the list was heard */
    assert_int_equal(later.calls, 1);
    assert_int_equal(later.result, IC_EUNAVAIL);
    done_with(&write);
    done_with(&later);
    close_world(&w);
}

static bool is_believed(void *ctx)
{
    return !ic_pool_function(((struct world *)ctx)->pool, 0)->doubted;
}

/* A warm-up would find nothing to be curious about: it holds nothing by then. */
static void it_is_heard_again_in_place_of_a_warm_up(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    struct fake_node *n = lie(&w);
    ic_functions_wake(w.f, 0);
    run_until_gone(&w, 1);
    fake_dial(n);
    run_until_gone(&w, 3); /* and the one that did not answer twice */
    fake_answer(n->call, n);
    assert_int_equal(state0(&w), IC_FUNCTION_LOST);
    assert_false(is_believed(&w));
    n->capacity = 100 << 20;
    fake_drop_chunk(IC_CONTAINER(n->chunks.next, struct fake_chunk, node));
    set(&w, "warm-interval", "20ms");
    fake_run(&w.fake, is_believed, &w);
    assert_int_equal(state0(&w), IC_FUNCTION_ACTIVE);
    put(&w, 8);
    check_accounts(&w);
    close_world(&w);
}

static bool is_refused(void *ctx)
{
    return ((struct fake_node *)ctx)->gone_link;
}

/* Its lists are right, and what it says of its position is not: when it dials again it is refused.
 */
static void nobody_waits_for_who_is_not_heard(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    struct fake_node *n = node0(&w);
    for (uint32_t i = 1; i <= 2; i++) {
        n->position += 3;
        fake_dial(n);
        run_until_gone(&w, i);
    }
    struct ic_pool_function *p = (struct ic_pool_function *)ic_pool_function(w.pool, 0);
    assert_true(p->deaf_ms > 0);
    p->deaf_ms += 60000;
    struct ask write;
    n->mute = true;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    for (int i = 0; i < 20; i++) {
        fake_dial(n);
        fake_run(&w.fake, is_refused, n);
    }
    assert_int_equal(write.calls, 1);
    assert_int_equal(write.result, IC_EUNAVAIL);
    done_with(&write);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(nobody_waits_for_who_is_not_believed),
        leak_test(it_is_heard_again_in_place_of_a_warm_up),
        leak_test(nobody_waits_for_who_is_not_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
