/*
 * test_store_copy.c - chunks on two instances of their function: copies that are made, that
 * outlive the first, that follow deletes and overwrites, that fail half-way.
 */
#include "unit/store_world.h"

static struct world world;

static struct world *start(void)
{
    static const char *const small_code[] = {"code-table", "*:2+1", "unit-size", "64", NULL};
    world_init(&world, 1, 100000, small_code);
    world_hello_all(&world);
    return &world;
}

static uint64_t copies_of(struct world *w, const char *key)
{
    const struct ic_object *o = ic_store_find(w->store, ic_slice_str(key), w->wall_ms)->object;
    uint64_t copies = 0;
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        copies += ic_store_has_copy(w->store, o, i);
    }
    return copies;
}

static void back_up_all(struct world *w)
{
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_back_up(w, i);
    }
}

/* Every instance that answers is gone, and nothing is lost. */
static void test_copies_outlive_the_first(void **state)
{
    (void)state;
    struct world *w = start();
    int64_t a = world_set(w, "a", 1000, 0), b = world_set(w, "b", 50, 0);
    uint64_t uncopied = 0;
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        uncopied += ic_store_uncopied(w->store, i);
    }
    const struct ic_object *o = ic_store_find(w->store, ic_slice_str("a"), w->wall_ms)->object;
    const struct ic_object *p = ic_store_find(w->store, ic_slice_str("b"), w->wall_ms)->object;
    assert_int_equal(uncopied, 3 * (o->chunk_cost + p->chunk_cost));
    back_up_all(w);
    assert_int_equal(ic_store_copies(w->store), 6);
    assert_int_equal(copies_of(w, "a"), 3);
    world_check(w);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        assert_int_equal(ic_store_uncopied(w->store, i), 0);
        ic_pool_gone(w->pool, i, w->node[i].serial);
        world_new_id(w, i);
        world_flip(w, i);
    }
    assert_int_equal(world_get(w, "a"), a);
    assert_int_equal(world_get(w, "b"), b);
    assert_int_equal(ic_store_held_count(w->store, o), 3);
    for (uint16_t i = 0; i < 3; i++) {
        uint16_t function = o->place[i].function;
        assert_int_equal(ic_store_holder(w->store, o, i), w->node[function].serial);
    }
    while (ic_store_tick(w->store, w->now_ms, w->wall_ms)) {
    }
    assert_int_equal(ic_store_copies(w->store), 0); /* there is one of each again */
    assert_int_equal(
        ic_store_uncopied(w->store, o->place[0].function) % o->chunk_cost % p->chunk_cost, 0);
    world_check(w);
    world_deinit(w);
}

/* What is deleted goes from both; what is written while one answers reaches the other later. */
static void test_copies_follow(void **state)
{
    (void)state;
    struct world *w = start();
    world_set(w, "old", 1000, 0);
    world_set(w, "dead", 1000, 0);
    back_up_all(w);
    world_change(w, IC_CHANGE_DELETE, "dead", NULL, 0);
    int64_t old = world_set(w, "old", 3000, 0);
    world_check(w); /* condemned on both */
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_flip(w, i); /* the copies answer, not yet up to date */
        world_deliver_deletes(w, i);
        assert_int_equal(w->node[i].count, 0); /* they had nothing but what is dead */
    }
    assert_int_equal(world_get(w, "dead"), 0);
    assert_int_equal(world_get(w, "old"), old); /* away, but there */
    int64_t young = world_set(w, "young", 3000, 0);
    back_up_all(w); /* both ways */
    assert_int_equal(copies_of(w, "old"), 3);
    assert_int_equal(copies_of(w, "young"), 3);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        assert_int_equal(world_held(&w->node[i]), world_held(&w->peer[i]));
        world_kill_peer(w, i);
    }
    assert_int_equal(world_get(w, "young"), young);
    assert_int_equal(copies_of(w, "young"), 0);
    back_up_all(w); /* to fresh instances: all of it */
    assert_int_equal(copies_of(w, "young"), 3);
    world_check(w);
    world_deinit(w);
}

/* A wrong chunk on one of two instances: the other has it still. */
static void test_a_wrong_copy(void **state)
{
    (void)state;
    struct world *w = start();
    world_set(w, "a", 1000, 0);
    back_up_all(w);
    struct ic_object *o = ic_store_find(w->store, ic_slice_str("a"), w->wall_ms)->object;
    uint32_t first = o->place[0].instance, second = o->place[0].backup;
    ic_store_lost(w->store, o, 0, 9999); /* nobody's */
    assert_true(ic_store_has_copy(w->store, o, 0));
    ic_store_lost(w->store, o, 0, first);
    assert_int_equal(ic_store_holder(w->store, o, 0), second);
    assert_true(ic_store_held(w->store, o, 0));
    ic_store_lost(w->store, o, 1, o->place[1].backup);
    assert_true(ic_store_held(w->store, o, 1));
    assert_false(ic_store_has_copy(w->store, o, 1));
    ic_store_lost(w->store, o, 0, second);
    assert_false(ic_store_held(w->store, o, 0));
    world_check(w);
    world_deinit(w);
}

/* The source is lost, or the version dies, while it is being copied. */
static void test_copies_given_up(void **state)
{
    (void)state;
    struct world *w = start();
    world_set(w, "a", 1000, 0);
    struct ic_object *o = ic_store_find(w->store, ic_slice_str("a"), w->wall_ms)->object;
    uint16_t f = o->place[0].function;
    world_meet(w, f);
    struct world_copy copy = world_find_copy(w, f);
    assert_ptr_equal(copy.o, o);
    assert_true(world_copy_begin(w, &copy));
    world_check(w);
    assert_null(world_find_copy(w, f).o); /* not twice */
    ic_store_lost(w->store, o, 0, copy.from);
    world_check(w);
    world_copy_end(w, &copy, true);
    assert_false(ic_store_held(w->store, o, 0));
    world_check(w);
    world_set(w, "b", 1000, 0);
    o = ic_store_find(w->store, ic_slice_str("b"), w->wall_ms)->object;
    f = o->place[1].function;
    world_meet(w, f);
    copy = world_find_copy(w, f);
    assert_true(world_copy_begin(w, &copy));
    world_change(w, IC_CHANGE_FLUSH, NULL, NULL, 0);
    while (ic_store_tick(w->store, w->now_ms, w->wall_ms)) {
    }
    assert_int_equal(ic_store_stats(w->store).objects, 1); /* pinned */
    world_copy_end(w, &copy, true);
    assert_int_equal(ic_store_stats(w->store).objects, 0);
    world_check(w);
    world_deliver_deletes(w, f);
    world_deliver_deletes_to(w, f, &w->peer[f]);
    assert_int_equal(w->node[f].count + w->peer[f].count, 0);
    world_deinit(w);
}

/* The journal has the copies; so have the lists. */
static void test_copies_after_a_restart(void **state)
{
    (void)state;
    struct world *w = start();
    world_set(w, "a", 1000, 0);
    world_set(w, "b", 2000, 0);
    back_up_all(w);
    world_change(w, IC_CHANGE_DELETE, "b", NULL, 0);
    world_stop(w);
    world_start(w);
    assert_int_equal(copies_of(w, "a"), 3); /* presumably */
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_flip(w, i);
        world_meet(w, i);
    }
    assert_int_equal(copies_of(w, "a"), 3);
    assert_int_equal(world_get(w, "b"), 0);
    world_check(w);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_deliver_deletes(w, i);
        world_deliver_deletes_to(w, i, &w->peer[i]);
        assert_int_equal(w->node[i].count, w->peer[i].count);
    }
    world_stop(w); /* and if what was copied last was not committed, the lists find it */
    world_start(w);
    world_hello_all(w);
    world_set(w, "c", 1000, 0);
    const struct ic_object *o = ic_store_find(w->store, ic_slice_str("c"), w->wall_ms)->object;
    uint16_t f = o->place[0].function;
    world_meet(w, f);
    struct world_copy copy = world_find_copy(w, f);
    assert_true(world_copy_begin(w, &copy));
    world_copy_end(w, &copy, true);
    world_stop(w);
    world_start(w);
    world_hello(w, f);
    o = ic_store_find(w->store, ic_slice_str("c"), w->wall_ms)->object;
    assert_false(ic_store_has_copy(w->store, o, 0));
    world_meet(w, f);
    assert_true(ic_store_has_copy(w->store, o, 0));
    world_check(w);
    world_deinit(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_copies_outlive_the_first),
        leak_test(test_copies_follow),
        leak_test(test_a_wrong_copy),
        leak_test(test_copies_given_up),
        leak_test(test_copies_after_a_restart),
    };
    return cmocka_run_group_tests_name("store_copy", tests, NULL, NULL);
}
