/*
 * test_store_list.c - what an instance's list lacks is looked for in many turns, in which chunks
 * are sealed, lost and listed again; and it has nothing of another proxy's that would be ours.
 */
#include "unit/store_world.h"

enum { OBJECTS = 2 * IC_STORE_LIST_SLICE + 500 };

static const char *const small_code[] = {"code-table", "*:2+1", "unit-size", "64", NULL};

static struct world world;

static const char *key_of(int i)
{
    static char key[32];
    snprintf(key, sizeof key, "k%d", i);
    return key;
}

static struct world *start(void)
{
    struct world *w = &world;
    world_init(w, 1, 2000000, small_code);
    world_hello_all(w);
    for (int i = 0; i < OBJECTS; i++) {
        assert_true(world_set(w, key_of(i), 1, 0) > 0);
    }
    return w;
}

/* Chunks of COUNT objects are not on function 0's node any more, nobody knows why. */
static void take_away(struct world *w, size_t count)
{
    struct world_node *n = &w->node[0];
    assert_true(n->count > count);
    for (size_t i = 0; i < count; i++) {
        world_remove_chunk(n, n->chunk[0].object_id, n->chunk[0].chunk);
    }
}

static uint64_t lost(const struct world *w)
{
    return ic_store_stats(w->store).lost_chunks;
}

/* Until all is seen. Returns in how many ticks. */
static int look(struct world *w)
{
    int ticks = 1;
    while (ic_store_tick(w->store, w->now_ms, w->wall_ms)) {
        ticks++;
    }
    world_turn_end(w);
    return ticks;
}

static void test_in_many_turns(void **state)
{
    (void)state;
    struct world *w = start();
    take_away(w, 100);
    world_begin_list(w, 0, &w->node[0]);
    assert_int_equal(lost(w), 0);
    assert_true(look(w) > 2);
    assert_int_equal(lost(w), 100);
    world_check(w);
    world_list(w, 0, &w->node[0]); /* the next round is like the first */
    world_list(w, 0, &w->node[0]);
    assert_int_equal(lost(w), 100);
    take_away(w, 1);
    world_list(w, 0, &w->node[0]);
    assert_int_equal(lost(w), 101);
    world_check(w);
    world_deinit(w);
}

/* What is sealed after the end was not listed, and is there. */
static void test_sealed_meanwhile(void **state)
{
    (void)state;
    struct world *w = start();
    take_away(w, 10);
    for (int round = 0; round < 2; round++) {
        world_begin_list(w, 0, &w->node[0]);
        do {
            assert_true(world_set(w, "new", 1, 0) > 0);
            assert_true(world_set(w, "another", 1, 0) > 0);
            assert_true(world_set(w, key_of(round), 1, 0) > 0);
        } while (ic_store_tick(w->store, w->now_ms, w->wall_ms));
        world_turn_end(w);
        assert_in_range(lost(w), 8, 10);
        assert_int_equal(ic_store_count(w->store), OBJECTS + 2);
        world_deliver_deletes(w, 0);
    }
    world_list(w, 0, &w->node[0]);
    assert_in_range(lost(w), 8, 10);
    world_check(w);
    world_deinit(w);
}

/* Listed again before all was looked at, or before the end; another is listed meanwhile. */
static void test_listed_again(void **state)
{
    (void)state;
    struct world *w = start();
    take_away(w, 10);
    world_begin_list(w, 0, &w->node[0]);
    ic_store_tick(w->store, w->now_ms, w->wall_ms);
    ic_store_list_begin(w->store, 0, w->node[0].serial); /* whose link breaks */
    ic_store_tick(w->store, w->now_ms, w->wall_ms);
    world_begin_list(w, 1, &w->node[1]);
    world_begin_list(w, 0, &w->node[0]);
    look(w);
    assert_int_equal(lost(w), 10);
    world_check(w);
    take_away(w, 1);
    world_list(w, 0, &w->node[0]);
    assert_int_equal(lost(w), 11);
    world_check(w);
    world_deinit(w);
}

/* The ids of COUNT objects of a proxy with SEED. */
static void store_some(uint64_t seed, size_t count, uint64_t *id)
{
    struct world *w = &world;
    world_init(w, seed, 2000000, small_code);
    world_hello_all(w);
    for (size_t i = 0; i < count; i++) {
        struct ic_object *o;
        assert_int_equal(world_draft(w, key_of((int)i), 1, &o), 0);
        id[i] = o->id & ((UINT64_C(1) << 40) - 1);
        assert_true(id[i] > 0 && (i == 0 || id[i] > id[i - 1]));
        ic_store_drop(w->store, o);
    }
    world_turn_end(w);
    world_deinit(w);
}

/* Two proxies may have one epoch; what the nodes have of the one is none of the other's. */
static void test_two_of_one_epoch(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    static uint64_t one[COUNT], other[COUNT];
    store_some(1, COUNT, one);
    store_some(2, COUNT, other);
    assert_true(one[COUNT - 1] < other[0] || other[COUNT - 1] < one[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_in_many_turns),
        leak_test(test_sealed_meanwhile),
        leak_test(test_listed_again),
        leak_test(test_two_of_one_epoch),
    };
    return cmocka_run_group_tests_name("store list", tests, NULL, NULL);
}
