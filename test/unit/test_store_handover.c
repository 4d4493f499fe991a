/*
 * test_store_handover.c - chunks of dying instances: which are worth taking, and that a chunk on
 * its way is neither lost nor held in two places; whatever fails, the books agree.
 */
#include "proxy/store.h"

#include "unit/store_world.h"

static struct world world;

/* Chunk I's instance is dying. Returns its function; *SERIAL. */
static uint16_t dying(struct world *w, const struct ic_object *o, uint16_t i, uint32_t *serial)
{
    *serial = o->place[i].instance;
    ic_pool_find(w->pool, o->place[i].function, *serial)->dying = true;
    return o->place[i].function;
}

static struct ic_item item_of(const struct ic_object *o, uint16_t chunk)
{
    return (struct ic_item){.object_id = o->id,
                            .chunk = chunk,
                            .sealed = true,
                            .written_bytes = o->chunk_length,
                            .seal = {.chunk_length = o->chunk_length,
                                     .object_size = o->size,
                                     .unit = o->unit,
                                     .key = ic_slice_str("a")}};
}

static int commit(struct world *w, struct ic_object *o, uint16_t chunk)
{
    return world_end_commit(w, ic_store_move_commit(w->store, o, chunk, world_done, w));
}

static void test_which(void **state)
{
    (void)state;
    struct world *w = &world;
    struct ic_object *o = world_init_with_a(w);
    uint32_t serial;
    uint16_t function = dying(w, o, 1, &serial);
    struct ic_item item = item_of(o, 1);
    assert_ptr_equal(ic_store_last_copy(w->store, function, serial, &item), o);
    assert_null(ic_store_last_copy(w->store, function, serial + 100, &item));
    assert_null(ic_store_last_copy(w->store, (uint16_t)(function ^ 1), serial, &item));
    struct ic_item lies[] = {item, item, item, item, item, item, item};
    lies[0].chunk = 2;
    lies[1].chunk = 60000;
    lies[2].object_id += 1000;
    lies[3].seal.chunk_length += 64;
    lies[4].seal.object_size = UINT64_MAX;
    lies[5].sealed = false;
    lies[6].seal.unit = 128;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        assert_null(ic_store_last_copy(w->store, function, serial, &lies[i]));
    }
    assert_int_equal(ic_store_spare(w->store, o), 1);
    dying(w, o, 2, &serial);
    assert_int_equal(ic_store_spare(w->store, o), 0);
    world_kill_chunk(w, o, 0);
    assert_int_equal(ic_store_spare(w->store, o), -1);
    world_change(w, IC_CHANGE_RENAME, "a", "longer", 0);
    item = item_of(o, 2);
    assert_null(ic_store_last_copy(w->store, o->place[2].function, serial, &item));
    world_change(w, IC_CHANGE_DELETE, "longer", NULL, 0);
    world_deinit(w);
}

/* A draft's chunk that its function cannot take goes to another, while there is one. */
static void test_a_draft(void **state)
{
    (void)state;
    struct world *w = &world;
    world_init_small(w, 100000);
    struct ic_object *o;
    assert_int_equal(world_draft(w, "a", 1000, &o), 0);
    uint16_t from = o->place[2].function;
    assert_int_equal(ic_store_move_draft(w->store, o, 2), 0);
    for (uint16_t i = 0; i < 4; i++) {
        assert_true(o->place[i].function != from);
        assert_int_equal(o->place[i].state, IC_CHUNK_WRITING);
        assert_true(i == 2 || o->place[i].function != o->place[2].function);
    }
    uint16_t to = o->place[2].function;
    assert_int_equal(ic_pool_function(w->pool, from)->planned, 0);
    assert_int_equal(ic_pool_function(w->pool, to)->planned, o->chunk_cost);
    uint64_t filled[WORLD_FUNCTIONS] = {0};
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        filled[i] = i == to ? 0 : ic_pool_room(w->pool, i);
        ic_pool_plan(w->pool, i, filled[i]);
    }
    assert_int_equal(ic_store_move_draft(w->store, o, 2), IC_ENOSPC); /* not to where it is */
    assert_int_equal(o->place[2].function, to);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        ic_pool_unplan(w->pool, i, filled[i]);
    }
    ic_store_drop(w->store, o);
    world_check_even(w);
    world_deinit(w);
}

/* A copy on a second instance is enough, unless that one is dying, too. */
static void test_copied(void **state)
{
    (void)state;
    struct world *w = &world;
    struct ic_object *o = world_init_with_a(w);
    static const uint8_t id[IC_INSTANCE_ID_LEN] = {9};
    uint16_t function = o->place[1].function;
    uint32_t first = o->place[1].instance;
    uint32_t second = ic_pool_restore(w->pool, function, id)->serial;
    struct ic_item item = item_of(o, 1);
    ic_store_copy_begin(w->store, o, 1, first, second);
    assert_ptr_equal(ic_store_last_copy(w->store, function, first, &item), o); /* not there yet */
    ic_store_copy_end(w->store, o, 1, second, true);
    ic_pool_find(w->pool, function, first)->dying = true;
    assert_null(ic_store_last_copy(w->store, function, first, &item));
    assert_int_equal(ic_store_spare(w->store, o), 2);
    ic_pool_find(w->pool, function, second)->dying = true;
    assert_int_equal(ic_store_spare(w->store, o), 1);
    assert_ptr_equal(ic_store_last_copy(w->store, function, first, &item), o);
    assert_ptr_equal(ic_store_last_copy(w->store, function, second, &item), o);
    assert_int_equal(ic_store_move_begin(w->store, o, 1, function, second), 0);
    assert_int_equal(ic_store_move_begin(w->store, o, 1, function, first), IC_ENOENT);
    assert_int_equal(ic_pool_find(w->pool, function, second)->live, 0);
    ic_pool_gone(w->pool, function, second);
    ic_store_move_end(w->store, o, 1);
    world_turn_end(w);
    world_deinit(w);
}

/* The object has d chunks, and one of them dies: it is there all the time. */
static void test_moved(void **state)
{
    (void)state;
    struct world *w = &world;
    struct ic_object *o = world_init_with_a(w);
    world_kill_chunk(w, o, 0);
    world_kill_chunk(w, o, 3);
    uint32_t serial;
    uint16_t function = dying(w, o, 1, &serial);
    assert_int_equal(ic_store_move_begin(w->store, o, 1, function, serial), 0);
    assert_int_equal(ic_store_fate(w->store, o, 1), IC_FATE_WRITING);
    assert_int_equal(ic_store_held_count(w->store, o), 2);
    assert_int_equal(ic_store_move_begin(w->store, o, 1, function, serial), IC_ENOENT);
    world_kill_node(w, function);
    world_tick(w);
    assert_ptr_equal(world_object(w, "a"), o); /* nobody has it, but it comes */
    assert_int_not_equal(o->place[1].function, function);
    assert_int_not_equal(o->place[1].function, o->place[2].function);
    world_rewrite(w, o, 1);
    assert_int_equal(commit(w, o, 1), 0);
    ic_store_move_end(w->store, o, 1);
    assert_int_equal(ic_store_held_count(w->store, o), 2);
    world_check_even(w);
    uint16_t to = o->place[1].function;
    world_stop(w);
    world_start(w);
    world_hello_all(w);
    o = world_object(w, "a");
    assert_non_null(o);
    assert_int_equal(o->place[1].function, to);
    assert_int_equal(ic_store_held_count(w->store, o), 2);
    world_deinit(w);
}

/* It fails when nothing, something, all is written: too few are left, so the object goes. */
static void test_failed(void **state)
{
    (void)state;
    for (int step = 0; step < 3; step++) {
        struct world *w = &world;
        struct ic_object *o = world_init_with_a(w);
        world_kill_chunk(w, o, 0);
        uint32_t serial;
        uint16_t function = dying(w, o, 1, &serial);
        assert_int_equal(ic_store_move_begin(w->store, o, 1, function, serial), 0);
        world_kill_node(w, function);
        if (step > 0) {
            world_rewrite(w, o, 1);
        }
        if (step == 2) {
            world_kill_chunk(w, o, 2); /* one more: d - 1 are left */
        }
        ic_store_move_end(w->store, o, 1);
        world_turn_end(w);
        if (step == 2) {
            assert_null(world_object(w, "a"));
        } else {
            assert_int_equal(ic_store_fate(w->store, world_object(w, "a"), 1), IC_FATE_LOST);
            assert_int_equal(ic_store_lost_count(w->store, o), 2);
        }
        world_check_even(w);
        world_deinit(w);
    }
}

static void test_the_version_dies(void **state)
{
    (void)state;
    struct world *w = &world;
    struct ic_object *o = world_init_with_a(w);
    uint32_t serial;
    uint16_t function = dying(w, o, 1, &serial);
    assert_int_equal(ic_store_move_begin(w->store, o, 1, function, serial), 0);
    world_change(w, IC_CHANGE_DELETE, "a", NULL, 0);
    world_kill_node(w, function);
    world_rewrite(w, o, 1);
    assert_int_equal(ic_store_move_commit(w->store, o, 1, world_done, w), IC_ENOENT);
    ic_store_move_end(w->store, o, 1);
    world_turn_end(w);
    world_check_even(w);
    assert_int_equal(ic_store_stats(w->store).objects, 0);
    world_deinit(w);
}

static void test_no_room(void **state)
{
    (void)state;
    struct world *w = &world;
    world_init_small(w, 1500); /* one chunk each: two of 500 bytes and more do not fit */
    world_set(w, "a", 1000, 0);
    world_set(w, "b", 1000, 0);
    struct ic_object *o = world_object(w, "a");
    uint64_t evicted = ic_store_stats(w->store).evicted;
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) { /* what is left of each is planned */
        ic_pool_plan(w->pool, i, ic_pool_room(w->pool, i));
    }
    uint32_t serial;
    uint16_t function = dying(w, o, 1, &serial);
    ic_pool_plan(w->pool, function, ic_pool_room(w->pool, function));
    assert_int_equal(ic_store_move_begin(w->store, o, 1, function, serial), IC_ENOSPC);
    assert_int_equal(ic_store_fate(w->store, o, 1), IC_FATE_HELD);
    assert_int_equal(ic_store_stats(w->store).evicted, evicted);
    ic_pool_unplan(w->pool, function, o->chunk_cost);
    /* Only its own function is left, where another instance will be. */
    assert_int_equal(ic_store_move_begin(w->store, o, 1, function, serial), 0);
    assert_int_equal(o->place[1].function, function);
    ic_store_move_end(w->store, o, 1);
    world_turn_end(w);
    world_deinit(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_a_draft),
        leak_test(test_which),
        leak_test(test_moved),
        leak_test(test_failed),
        leak_test(test_the_version_dies),
        leak_test(test_no_room),
        leak_test(test_copied),
    };
    return cmocka_run_group_tests_name("store_handover", tests, NULL, NULL);
}
