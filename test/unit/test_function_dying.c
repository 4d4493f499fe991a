/*
 * test_function_dying.c - instances in the platform's shutdown phase: who is let in, that they are
 * asked READs alone and nobody else hears of it, and that their memory is gone afterwards, however
 * it ends.
 */
#include "functions_world.h"

static bool has_offered(void *ctx)
{
    return ((struct world *)ctx)->offers > 0;
}

static bool is_gone(void *ctx)
{
    return ((struct world *)ctx)->gone > 0;
}

/* Function 0 holds chunk 5 and sleeps. Returns the serial. */
static uint32_t asleep(struct world *w)
{
    open_world(w, 1);
    uint32_t serial = put(w, 5);
    fake_bye(node0(w), false);
    fake_run(&w->fake, is_asleep, w);
    return serial;
}

/* SIGTERM: N dials anew, and offers. */
static void die(struct world *w, struct fake_node *n)
{
    n->dying = true;
    fake_dial(n);
    fake_run(&w->fake, has_offered, w);
}

static void check_gone(struct world *w, uint32_t serial)
{
    assert_int_equal(w->gone, 1);
    assert_false(ic_pool_holds(w->pool, 0, serial));
    assert_int_equal(ic_functions_status(w->f, 0, serial), IC_STATUS_GONE);
    assert_int_equal(get(w, 5, serial), IC_ESTALE);
}

static bool said_goodbye(void *ctx)
{
    return node0(ctx)->seen[IC_FRAME_BYE_OK] > 1;
}

static void asleep_it_visits(void **s)
{
    (void)s;
    struct world w;
    uint32_t serial = asleep(&w), invokes = w.fake.invokes;
    die(&w, node0(&w));
    assert_int_equal(w.offer_function, 0);
    assert_int_equal(w.offer_serial, serial);
    assert_int_equal(w.offered_items, 1);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_AWAKE);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(get(&w, 77, serial), IC_ENOENT);
    assert_int_equal(node0(&w)->lease[IC_FRAME_READ], 0);
    ic_functions_release(w.f, 0, serial);
    assert_int_equal(w.gone, 1);
    fake_run(&w.fake, said_goodbye, &w);
    check_gone(&w, serial);
    assert_int_equal(state0(&w), IC_FUNCTION_ASLEEP);
    assert_int_equal(w.fake.invokes, invokes);
    assert_int_equal(ic_functions_figures(w.f, 0).hellos, 1);
    ic_functions_release(w.f, 0, serial); /* again: nothing */
    close_world(&w);
}

/* What waits for the function when its instance dies goes to the next one. */
static void serving_it_offers_on_its_link(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    fake_offer(n);
    fake_run(&w.fake, has_offered, &w);
    assert_int_equal(w.offer_serial, serial);
    uint32_t writes = n->seen[IC_FRAME_WRITE];
    struct ask write, read;
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    assert_int_equal(get(&w, 5, serial), 0); /* READs pass it */
    fake_offer(n);                           /* once is enough */
    prepare_read(&read, 5, serial);
    submit(&w, &read);
    snprintf(n->function, sizeof n->function, "ended");
    ic_functions_release(w.f, 0, serial); /* after what is under way */
    assert_int_equal(w.gone, 0);
    assert_int_equal(wait_for(&w, &read), 0);
    assert_int_equal(w.offers, 1);
    fake_run(&w.fake, is_gone, &w);
    assert_int_equal(n->seen[IC_FRAME_WRITE], writes);
    assert_int_equal(wait_for(&w, &write), 0);
    assert_int_not_equal(write.r.instance, serial);
    check_gone(&w, serial);
    done_with(&write);
    close_world(&w);
}

static bool has_swallowed(void *ctx)
{
    return ((struct fake_node *)ctx)->seen[IC_FRAME_READ] > 0;
}

/* Its link breaks at the same time: what was asked on it is asked again, READs alone. */
static void serving_it_dials_again(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    struct ask read, write;
    n->mute = true;
    prepare_read(&read, 5, serial);
    submit(&w, &read);
    fake_run(&w.fake, has_swallowed, n);
    n->mute = false;
    die(&w, n);
    assert_int_equal(wait_for(&w, &read), 0);
    uint32_t writes = n->seen[IC_FRAME_WRITE];
    prepare_write(&w, &write, 6);
    submit(&w, &write);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(n->seen[IC_FRAME_WRITE], writes);
    assert_int_equal(ic_functions_figures(w.f, 0).redials, 1);
    assert_int_equal(state0(&w), IC_FUNCTION_ACTIVE);
    snprintf(n->function, sizeof n->function, "ended");
    ic_functions_release(w.f, 0, serial);
    check_gone(&w, serial);
    assert_int_equal(wait_for(&w, &write), 0);
    done_with(&write);
    close_world(&w);
}

static void its_end_refuses_what_was_asked(void **s)
{
    (void)s;
    for (int how = 0; how < 4; how++) {
        struct world w;
        uint32_t serial = asleep(&w);
        struct fake_node *n = node0(&w);
        die(&w, n);
        n->mute = true;
        struct ask read, cancelled;
        prepare_read(&read, 5, serial);
        prepare_read(&cancelled, 5, serial);
        submit(&w, &read);
        submit(&w, &cancelled);
        ic_functions_cancel(w.f, &cancelled.r);
        if (how == 0) {
            fake_hang_up(n);
        } else if (how == 1) {
            fake_bye(n, true);
        } else if (how == 2) {
            ic_pool_gone(w.pool, 0, serial);
        } /* else its time is over */
        assert_int_equal(wait_for(&w, &read), IC_ESTALE);
        assert_int_equal(cancelled.calls, 0);
        check_gone(&w, serial);
        close_world(&w);
    }
}

/* A sibling answers by now: both are known, and only the one is gone. */
static void a_sibling_stays(void **s)
{
    (void)s;
    struct world w;
    uint32_t serial = asleep(&w);
    struct fake_node *old = node0(&w);
    snprintf(old->function, sizeof old->function, "elsewhere");
    uint32_t other = put(&w, 6);
    assert_int_not_equal(other, serial);
    assert_int_equal(ic_functions_status(w.f, 0, serial), IC_STATUS_AWAY);
    snprintf(old->function, sizeof old->function, "infinicache-0");
    die(&w, old);
    assert_int_equal(w.offer_serial, serial);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(get(&w, 6, other), 0);
    ic_functions_release(w.f, 0, serial);
    check_gone(&w, serial);
    assert_int_equal(get(&w, 6, other), 0);
    close_world(&w);
}

static bool is_answered(void *ctx)
{
    const struct fake_node *n = ctx;
    return n->gone_link || n->stream == NULL;
}

static uint64_t refused(const struct world *w)
{
    struct ic_function_figures f = ic_functions_figures(w->f, -1);
    return f.hellos_refused + f.links_refused;
}

/* Wrong key, another epoch, a replay, an instance nobody knows, or twice. */
static void strangers_are_not_let_in(void **s)
{
    (void)s;
    struct world w;
    uint32_t serial = asleep(&w);
    struct fake_node *n = node0(&w);
    n->dying = true;
    n->wrong_mac = true;
    fake_dial(n);
    fake_run(&w.fake, is_answered, n);
    n->wrong_mac = false;
    assert_int_equal(refused(&w), 1);

    static const uint8_t secret[IC_SECRET_LEN] = {1, 2, 3};
    uint8_t invocation[16], key[32];
    memcpy(invocation, n->invocation, sizeof invocation);
    memcpy(key, n->key, sizeof key);
    for (int epoch = 0; epoch <= 2; epoch += 2) { /* ours is 1 */
        n->invocation[3] = (uint8_t)epoch;
        ic_link_key(ic_slice(secret, sizeof secret), ic_slice_str(n->function), n->invocation,
                    n->key);
        fake_dial(n);
        fake_run(&w.fake, is_answered, n);
        assert_false(n->welcomed);
    }
    memcpy(n->invocation, invocation, sizeof invocation);
    memcpy(n->key, key, sizeof key);
    n->dial = 0; /* fake_dial makes it 1, which was there already */
    fake_dial(n);
    fake_run(&w.fake, is_answered, n);
    assert_false(n->welcomed);
    assert_true(refused(&w) >= 4);

    uint8_t instance[16];
    memcpy(instance, n->instance, sizeof instance);
    n->instance[7] ^= 1;
    fake_dial(n);
    fake_run(&w.fake, is_answered, n);
    assert_int_equal(ic_functions_figures(w.f, 0).dismissed, 1);
    memcpy(n->instance, instance, sizeof instance);
    assert_int_equal(w.offers, 0);

    die(&w, n);
    struct fake_node *twin = fake_node_new(&w.fake, n->function);
    memcpy(twin->instance, n->instance, sizeof twin->instance);
    memcpy(twin->invocation, n->invocation, sizeof twin->invocation);
    memcpy(twin->key, n->key, sizeof twin->key);
    twin->dial = n->dial;
    twin->dying = true;
    fake_dial(twin);
    fake_run(&w.fake, is_answered, twin);
    assert_int_equal(ic_functions_figures(w.f, 0).dismissed, 2);
    assert_int_equal(w.offers, 1);
    assert_int_equal(get(&w, 5, serial), 0);
    close_world(&w);
}

static void on_stopped(void *ctx)
{
    *(bool *)ctx = true;
}

static bool is_set(void *ctx)
{
    return *(bool *)ctx;
}

static void the_proxy_stops(void **s)
{
    (void)s;
    struct world w;
    uint32_t serial = asleep(&w);
    struct fake_node *n = node0(&w);
    die(&w, n);
    n->mute = true;
    struct ask read;
    bool stopped = false;
    prepare_read(&read, 5, serial);
    submit(&w, &read);
    ic_functions_stop(w.f, 1000, on_stopped, &stopped);
    assert_int_equal(wait_for(&w, &read), IC_ESTALE);
    fake_run(&w.fake, is_set, &stopped);
    n->mute = false;
    fake_dial(n); /* once more: it is dismissed */
    fake_run(&w.fake, is_answered, n);
    assert_int_equal(w.offers, 1);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asleep_it_visits),       cmocka_unit_test(serving_it_offers_on_its_link),
        cmocka_unit_test(serving_it_dials_again), cmocka_unit_test(its_end_refuses_what_was_asked),
        cmocka_unit_test(a_sibling_stays),        cmocka_unit_test(strangers_are_not_let_in),
        cmocka_unit_test(the_proxy_stops),
    };
    return cmocka_run_group_tests_name("function_dying", tests, NULL, NULL);
}
