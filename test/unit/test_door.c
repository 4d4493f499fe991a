/* test_door.c - who is let in: one instance per invocation, with a fresh and genuine HELLO. */
#include "functions_world.h"

static void a_second_instance_is_dismissed(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    uint32_t serial = put(&w, 5);
    struct fake_node *first = node0(&w);
    struct fake_node *second = fake_node_new(&w.fake, "infinicache-0");
    second->follows_epochs = true;
    memcpy(second->invocation, first->invocation, 16);
    memcpy(second->key, first->key, 32);
    fake_dial(second);
    fake_run_for(&w.fake, 20);
    assert_int_equal(second->seen[IC_FRAME_BYE_OK], 1);
    assert_int_equal(ic_functions_figures(w.f, 0).dismissed, 1);
    assert_int_equal(second->highest_epoch, 0); /* it has not served us */
    assert_int_equal(get(&w, 5, serial), 0);
    assert_non_null(first->stream);
    close_world(&w);
}

static bool hung_up(void *ctx)
{
    return ((struct fake_node *)ctx)->gone_link;
}

static void refused_hellos(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 2);
    uint32_t serial = put(&w, 5);
    struct fake_node *n = node0(&w);
    struct fake_node *evil = fake_node_new(&w.fake, "infinicache-0");
    memcpy(evil->instance, n->instance, 16);
    memcpy(evil->invocation, n->invocation, 16);
    memcpy(evil->key, n->key, 32);
    evil->dial = 0; /* dials with 1: a replay of the real one's */
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    assert_false(evil->welcomed);
    evil->wrong_mac = true;
    evil->dial = 7;
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    evil->wrong_mac = false;
    ic_random_fill(evil->invocation, 16); /* an invocation that never was */
    evil->invocation[0] = 0xFF;
    ic_link_key(ic_slice(((uint8_t[32]){1, 2, 3}), 32), ic_slice_str("infinicache-0"),
                evil->invocation, evil->key);
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    strcpy(evil->function, "infinicache-9");
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    assert_int_equal(ic_functions_figures(w.f, -1).links_refused, 4);
    assert_int_equal(get(&w, 5, serial), 0);
    assert_int_equal(ic_functions_figures(w.f, 0).redials, 0);
    /* When the invocation is over, its HELLO is worth nothing. */
    memcpy(evil->invocation, n->invocation, 16);
    memcpy(evil->key, n->key, 32);
    strcpy(evil->function, "infinicache-0");
    fake_bye(n, false);
    fake_run(&w.fake, is_asleep, &w);
    evil->dial = 100;
    fake_dial(evil);
    fake_run(&w.fake, hung_up, evil);
    assert_int_equal(state0(&w), IC_FUNCTION_ASLEEP);
    close_world(&w);
}

static bool is_welcomed(void *ctx)
{
    return ((struct fake_node *)ctx)->welcomed;
}

/* The proxy begins again at EPOCH with a new journal. */
static void begin_with_new_journal(struct world *w, uint32_t epoch)
{
    ic_functions_free(w->f);
    w->strangers = w->follow_epochs = true;
    start(w, epoch);
}

/* A proxy with a new journal, of epoch 8, wakes a node that has SEEN another; it dials once. */
static struct fake_node *open_world_seen(struct world *w, uint32_t seen)
{
    open_world(w, 1);
    begin_with_new_journal(w, 8);
    struct fake_node *n = node0(w);
    n->follows_epochs = true;
    n->redials = false;
    n->highest_epoch = seen;
    ic_functions_wake(w->f, 0);
    return n;
}

/* A node that has seen a higher epoch, or the one that a new journal happened to begin with. */
static void an_epoch_seen_is_exceeded(void **s)
{
    (void)s;
    for (uint32_t seen = 7; seen <= 9; seen++) {
        struct world w;
        struct fake_node *n = open_world_seen(&w, seen);
        if (seen >= 8) {
            fake_run(&w.fake, hung_up, n);
            assert_int_equal(w.epoch_seen, seen);
            fake_dial(n);
        }
        fake_run(&w.fake, is_welcomed, n);
        assert_int_equal(n->highest_epoch, seen >= 8 ? seen + 1 : 8);
        uint32_t told = w.epoch_seen;
        fake_dial(n); /* now it is ours that it has seen */
        fake_run(&w.fake, is_welcomed, n);
        assert_int_equal(w.epoch_seen, told);
        close_world(&w);
    }
}

/* The epoch that was taken is one more guess: another proxy that lost its journal has taken the
 * same because of the same node, and what was stored then would be ours. */
static void an_epoch_taken_is_exceeded_as_well(void **s)
{
    (void)s;
    struct world w;
    struct fake_node *n = open_world_seen(&w, 9);
    fake_run(&w.fake, hung_up, n);
    assert_int_equal(w.epoch_seen, 9);
    n->highest_epoch = 10;
    fake_dial(n);
    fake_run(&w.fake, hung_up, n);
    assert_int_equal(w.epoch_seen, 10);
    assert_false(n->welcomed);
    fake_dial(n);
    fake_run(&w.fake, is_welcomed, n);
    assert_int_equal(n->highest_epoch, 11);
    close_world(&w);
}

/* Once nothing of another's is to be found any more it is no matter: nobody has ids of ours. */
static void an_epoch_of_ours_is_kept_after_the_rebuild(void **s)
{
    (void)s;
    struct world w;
    struct fake_node *n = open_world_seen(&w, 8);
    ic_functions_begin_warm_ups(w.f);
    fake_run(&w.fake, is_welcomed, n);
    assert_int_equal(w.epoch_seen, 0);
    assert_int_equal(n->highest_epoch, 8);
    close_world(&w);
}

/* It costs the uploads under way: for one function, that lies, it is taken a few times at most. */
static void an_epoch_is_not_taken_for_ever(void **s)
{
    (void)s;
    struct world w;
    struct fake_node *n = open_world_seen(&w, 9);
    ic_functions_begin_warm_ups(w.f);
    for (int i = 0; i < 20; i++) {
        fake_run(&w.fake, hung_up, n);
        ic_random_fill(n->instance, sizeof n->instance);
        n->highest_epoch = w.epoch_now + 1;
        fake_dial(n);
        fake_run_for(&w.fake, 5);
        assert_false(n->welcomed);
    }
    assert_int_equal(w.epoch_now, 16); /* four times */
    assert_non_null(strstr(ic_functions_trouble(w.f), "which cannot be"));
    close_world(&w);
}

/* Nothing is raised, its node is not spoken to, and clients hear why. */
static void an_impossible_epoch_is_not_believed(void **s)
{
    (void)s;
    struct world w;
    struct fake_node *n = open_world_seen(&w, EPOCH_IMPOSSIBLE);
    fake_run(&w.fake, hung_up, n);
    assert_int_equal(w.epoch_seen, EPOCH_IMPOSSIBLE);
    assert_false(n->welcomed);
    assert_non_null(strstr(ic_functions_trouble(w.f), "epoch 16777214, which cannot be"));
    n->highest_epoch = 7;
    fake_dial(n);
    fake_run(&w.fake, is_welcomed, n);
    assert_int_equal(n->highest_epoch, 8);
    close_world(&w);
}

/* A function error may be the program's own: the instance goes on, and its epoch is nobody else's.
 */
static void our_own_epoch_is_known_again(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    begin_with_new_journal(&w, 8);
    struct fake_node *n = node0(&w);
    n->follows_epochs = true;
    ic_functions_wake(w.f, 0);
    fake_run(&w.fake, is_welcomed, n);
    ic_pool_gone(w.pool, 0, ic_pool_find_id(w.pool, 0, n->instance)->serial);
    fake_dial(n);
    fake_run(&w.fake, is_welcomed, n);
    assert_int_equal(w.epoch_seen, 0);
    close_world(&w);
}

static bool invoked(void *ctx)
{
    return ((struct world *)ctx)->fake.invokes > 0;
}

/* An active node whose key is of a lost secret: its function is not invoked before it has left, nor
 * are others, whose nodes may be slower to show themselves. */
static void a_stranger_is_waited_for(void **s)
{
    (void)s;
    struct world w;
    open_world(&w, 1);
    put(&w, 5);
    struct fake_node *n = node0(&w);
    n->call = NULL; /* the proxy that invoked it is gone */
    begin_with_new_journal(&w, 8);
    n->wrong_mac = true;
    w.fake.invokes = 0;
    ic_functions_wake(w.f, 0);
    ic_functions_wake(w.f, 1);
    for (int i = 0; i < 12; i++) {
        fake_dial(n);
        fake_run(&w.fake, hung_up, n);
        fake_run_for(&w.fake, 50);
        assert_int_equal(w.fake.invokes, 0);
    }
    fake_run(&w.fake, invoked, &w);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(a_second_instance_is_dismissed),
        leak_test(refused_hellos),
        leak_test(an_epoch_seen_is_exceeded),
        leak_test(our_own_epoch_is_known_again),
        leak_test(an_epoch_taken_is_exceeded_as_well),
        leak_test(an_epoch_of_ours_is_kept_after_the_rebuild),
        leak_test(an_epoch_is_not_taken_for_ever),
        cmocka_unit_test(an_impossible_epoch_is_not_believed),
        leak_test(a_stranger_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
