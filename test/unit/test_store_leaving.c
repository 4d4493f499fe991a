/*
 * test_store_leaving.c - objects of very many keys (COPY) that are evicted or lost: what they show
 * is gone at once, the keys go some in each turn, whatever the disk or a crash does meanwhile.
 */
#include "proxy/store_internal.h"

#include "unit/store_world.h"

#include <signal.h>

enum { NAMES = 3 * IC_STORE_LEAVE_SLICE };

static const char *const small_code[] = {"code-table", "*:2+1", "unit-size", "64", NULL};

static struct world world;

static const char *copy_name(int i)
{
    static char name[32];
    snprintf(name, sizeof name, "copy%d", i);
    return name;
}

/* "a" of SIZE bytes, and copies of it: NAMES keys in all. There is room for several of them.
 */
static struct world *start(uint64_t size)
{
    struct world *w = &world;
    world_init(w, 1, 40000, small_code);
    world_hello_all(w);
    assert_true(world_set(w, "a", size, 0) > 0);
    for (int i = 1; i < NAMES; i++) {
        struct ic_change copy = {
            .kind = IC_CHANGE_COPY, .key = ic_slice_str("a"), .to = ic_slice_str(copy_name(i))};
        assert_int_equal(ic_store_commit(w->store, &copy, 1, w->wall_ms, NULL, NULL), 0);
    }
    world_turn_end(w);
    return w;
}

static void evict_a(struct world *w)
{
    struct ic_object *o;
    w->config->maxmemory = 60000;
    assert_int_equal(world_draft(w, "b", 30000, &o), 0);
    assert_int_equal(ic_store_stats(w->store).evicted, NAMES);
    ic_store_drop(w->store, o);
}

/* The keys go some at a time, until there are OTHERS. */
static void see_them_leave(struct world *w, uint64_t others)
{
    uint64_t before = ic_store_count(w->store);
    for (int ticks = 0; before > others; ticks++) {
        ic_store_tick(w->store, w->now_ms, w->wall_ms);
        world_turn_end(w);
        uint64_t now = ic_store_count(w->store);
        assert_true(now + IC_STORE_LEAVE_SLICE >= before && ticks < 10);
        before = now;
    }
    assert_int_equal(before, others);
    world_tick(w);
    assert_int_equal(ic_store_count(w->store), others);
    world_check(w);
}

static bool is_there(struct world *w, const char *key)
{
    return ic_store_find(w->store, ic_slice_str(key), w->wall_ms) != NULL;
}

static void watch(struct world *w, struct ic_watch *watch, const char *key)
{
    assert_int_equal(ic_store_watch(w->store, watch, ic_slice_str(key), w->wall_ms), 0);
}

/* The room is there at once. */
static void test_evicted(void **state)
{
    (void)state;
    struct world *w = start(40000);
    char present_key[32], late_key[32];
    struct ic_watch present, late;
    snprintf(present_key, sizeof present_key, "%s", copy_name(NAMES - 2));
    snprintf(late_key, sizeof late_key, "%s", copy_name(NAMES - 3));
    watch(w, &present, present_key);
    w->config->maxmemory = 60000;
    assert_true(world_set(w, "b", 30000, 0) > 0); /* evicts it */
    assert_int_equal(ic_store_stats(w->store).evicted, NAMES);
    assert_int_equal(ic_store_stats(w->store).bytes, 30000);
    assert_int_equal(ic_store_count(w->store), NAMES + 1);
    world_check(w);
    assert_true(ic_store_watch_dirty(w->store, &present, w->wall_ms));
    watch(w, &late, late_key); /* which shows nothing any more */
    assert_false(is_there(w, "a"));
    assert_int_equal(world_change(w, IC_CHANGE_COPY, "b", copy_name(NAMES - 1), 0), 0);
    see_them_leave(w, 2);
    assert_true(is_there(w, "b") && is_there(w, copy_name(NAMES - 1)));
    assert_true(ic_store_watch_dirty(w->store, &present, w->wall_ms));
    assert_false(ic_store_watch_dirty(w->store, &late, w->wall_ms));
    assert_int_equal(ic_store_stats(w->store).evicted, NAMES);
    assert_int_equal(ic_store_stats(w->store).objects, 1);
    ic_store_unwatch(w->store, &present);
    ic_store_unwatch(w->store, &late);
    world_deinit(w);
}

/* `catalog-memory` is kept by keys that leave anyway: nobody else goes for it. */
static void test_room_in_the_catalog(void **state)
{
    (void)state;
    struct world *w = start(40000);
    assert_true(world_set(w, "other", 10000, 0) > 0);
    ic_store_touch(w->store, ic_store_find(w->store, ic_slice_str("other"), w->wall_ms), 0);
    evict_a(w);
    uint64_t count = ic_store_count(w->store);
    w->config->catalog_memory = (int64_t)ic_store_stats(w->store).catalog_memory - 1000;
    assert_true(world_set(w, "c", 100, 0) > 0);
    assert_in_range(count - ic_store_count(w->store), 5, 50);
    assert_int_equal(ic_store_stats(w->store).evicted, NAMES);
    see_them_leave(w, 2);
    assert_true(is_there(w, "other") && is_there(w, "c"));
    world_deinit(w);
}

/* Nothing comes back, also where the chunks are still there. */
static void test_a_crash_in_the_middle(void **state)
{
    (void)state;
    struct world *w = start(40000);
    evict_a(w);
    ic_store_tick(w->store, w->now_ms, w->wall_ms);
    world_turn_end(w);
    world_stop(w);
    world_start(w);
    assert_int_equal(ic_store_count(w->store), NAMES - IC_STORE_LEAVE_SLICE);
    world_hello_all(w);
    assert_false(is_there(w, copy_name(NAMES - 1)));
    assert_int_equal(ic_store_shape(w->store).lost, 0);
    see_them_leave(w, 0);
    world_check_even(w);
    assert_int_equal(ic_store_stats(w->store).objects, 0);
    world_stop(w);
    world_start(w);
    assert_int_equal(ic_store_count(w->store), 0);
    world_deinit(w);
}

/* Neither the turn of the eviction nor one in which keys leave is in the journal. */
static void test_a_full_disk(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct world *w = start(40000);
    evict_a(w);
    for (int i = 0; i < 2; i++) {
        world_fail_disk(true);
        world_turn_end(w);
        world_fail_disk(false);
        assert_false(ic_store_writable(w->store));
        assert_false(is_there(w, copy_name(NAMES - 1)));
        w->now_ms += 2000;
        ic_store_tick(w->store, w->now_ms, w->wall_ms); /* there is room again */
        assert_true(ic_store_writable(w->store));
    }
    w->now_ms += 2000;
    world_turn_end(w);
    world_stop(w);
    world_start(w);
    world_hello_all(w);
    assert_in_range(ic_store_count(w->store), 1, NAMES - IC_STORE_LEAVE_SLICE);
    assert_false(is_there(w, copy_name(NAMES - 1)));
    see_them_leave(w, 0);
    world_deinit(w);
}

/* The last key, overwritten in a turn that fails, shows what it showed: nothing. */
static void test_overwritten_in_vain(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct world *w = start(40000);
    evict_a(w);
    for (int i = 1; i < NAMES - 1; i++) {
        assert_false(is_there(w, copy_name(i)));
    }
    assert_false(is_there(w, copy_name(NAMES - 1)));
    world_turn_end(w);
    assert_int_equal(ic_store_count(w->store), 1);
    w->config->maxmemory = 0;
    struct ic_object *o;
    assert_int_equal(world_draft(w, "a", 1000, &o), 0);
    world_write_all(w, o);
    struct ic_change put = {.kind = IC_CHANGE_PUT, .key = ic_slice_str("a"), .draft = o};
    world_fail_disk(true);
    assert_int_equal(world_commit(w, &put), IC_EIO);
    world_fail_disk(false);
    w->now_ms += 2000;
    assert_false(is_there(w, "a"));
    assert_int_equal(ic_store_count(w->store), 1);
    world_tick(w);
    assert_int_equal(ic_store_count(w->store), 0);
    assert_int_equal(ic_store_stats(w->store).objects, 0);
    world_check(w);
    world_deinit(w);
}

/* More chunks than there is parity, as somebody finds who asks for a key, or a sweep. It may be
 * that a reply still shows it. */
static void test_lost(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        bool asked = (how & 1) != 0, shown = (how & 2) != 0;
        struct world *w = start(1000);
        struct ic_object *o = world_object(w, "a");
        if (shown) {
            ic_store_show(o);
        }
        uint16_t function[2] = {o->place[0].function, o->place[1].function};
        world_kill_node(w, function[0]);
        world_kill_node(w, function[1]);
        if (asked) {
            assert_false(is_there(w, "a"));
            world_turn_end(w);
            assert_int_equal(ic_store_count(w->store), NAMES - 1);
            assert_true(world_set(w, "a", 1000, 0) > 0);
            assert_true(world_set(w, copy_name(NAMES - 1), 1000, 0) > 0);
        }
        see_them_leave(w, asked ? 2 : 0);
        assert_int_equal(is_there(w, "a"), asked);
        assert_in_range(ic_store_stats(w->store).purged, NAMES - 1, NAMES);
        if (shown) {
            assert_int_equal(ic_store_stats(w->store).dead_bytes, 1000);
            world_check(w);
            ic_store_show_no_more(w->store, o);
        }
        assert_int_equal(ic_store_stats(w->store).dead_bytes, 0);
        world_deinit(w);
    }
}

/* Its keys are leaving already when it is evicted. */
static void test_evicted_when_lost(void **state)
{
    (void)state;
    struct world *w = start(1000);
    const struct ic_object *o = world_object(w, "a");
    uint16_t function[2] = {o->place[0].function, o->place[1].function};
    world_kill_node(w, function[0]);
    world_kill_node(w, function[1]);
    world_turn_end(w);
    assert_false(is_there(w, "a"));
    world_turn_end(w);
    assert_true(ic_store_evict_one(w->store));
    world_turn_end(w);
    see_them_leave(w, 0);
    world_deinit(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_evicted),
        leak_test(test_room_in_the_catalog),
        leak_test(test_a_crash_in_the_middle),
        leak_test(test_a_full_disk),
        leak_test(test_overwritten_in_vain),
        leak_test(test_lost),
        leak_test(test_evicted_when_lost),
    };
    return cmocka_run_group_tests_name("store leaving", tests, NULL, NULL);
}
