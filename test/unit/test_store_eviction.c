/*
 * test_store_eviction.c - what the eviction policies are told by the store, and CONFIG SET eviction
 * with objects there.
 */
#include "proxy/store.h"

#include "proxy/store_internal.h"
#include "unit/store_world.h"

static struct world world;

enum { ROOM = 30000, SIZE = 1000 };

static struct world *start(const char *eviction)
{
    const char *const set[] = {"code-table", "*:1+1",     "unit-size", "64", "eviction",
                               eviction,     "maxmemory", "30000",     NULL};
    world_init(&world, 3, 2000000, set);
    world_hello_all(&world);
    return &world;
}

static void use(struct world *w, const char *name, const char *value)
{
    char why[IC_WHY_MAX];
    assert_int_equal(ic_config_set(w->config, ic_slice_str(name), ic_slice_str(value), why), 0);
}

/* COUNT objects called PREFIX0, PREFIX1, ... */
static void set_many(struct world *w, const char *prefix, int count, uint64_t size)
{
    for (int i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s%d", prefix, i);
        assert_true(world_set(w, key, size, 0) > 0);
    }
}

static bool there(struct world *w, const char *key)
{
    return ic_store_find(w->store, ic_slice_str(key), w->wall_ms) != NULL;
}

static uint64_t name_of(struct world *w, const char *key)
{
    return ic_store_find(w->store, ic_slice_str(key), w->wall_ms)->object->policy.name;
}

/* Two keys have two names, and one key the same each time: s3fifo and gdsf remember them. */
static void test_names(void **state)
{
    (void)state;
    struct world *w = start("s3fifo");
    set_many(w, "k", 2, SIZE);
    uint64_t name = name_of(w, "k0");
    assert_int_not_equal(name, name_of(w, "k1"));
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "k0", NULL, 0), 0);
    set_many(w, "k", 1, SIZE);
    assert_int_equal(name_of(w, "k0"), name);
    world_deinit(w);
}

/* A tiny object goes in its turn, unless reads of it in vain say that this was too early. */
static void test_misses_are_told(void **state)
{
    (void)state;
    struct world *w = start("gdsf");
    set_many(w, "tiny", 1, 1);
    set_many(w, "a", 3 * ROOM / SIZE, SIZE);
    assert_false(there(w, "tiny0"));
    assert_null(ic_store_read(w->store, ic_slice_str("tiny0"), w->wall_ms));
    set_many(w, "tiny", 1, 1);
    set_many(w, "b", 3 * ROOM / SIZE, SIZE);
    assert_true(there(w, "tiny0"));
    world_check(w);
    world_deinit(w);
}

/* 60 large objects with a tiny one each in room for 30, as clients of some caches store them. */
static void test_no_tiny_halves(void **state)
{
    (void)state;
    struct world *w = start("gdsf");
    int alone = 0;
    for (int i = 0; i < 60; i++) {
        char large[32], tiny[32];
        snprintf(large, sizeof large, "large%d", i);
        snprintf(tiny, sizeof tiny, "tiny%d", i);
        assert_true(world_set(w, large, SIZE, 0) > 0 && world_set(w, tiny, 1, 0) > 0);
    }
    for (int i = 0; i < 60; i++) {
        char large[32], tiny[32];
        snprintf(large, sizeof large, "large%d", i);
        snprintf(tiny, sizeof tiny, "tiny%d", i);
        alone += there(w, tiny) && !there(w, large);
    }
    assert_in_range(alone, 0, 7);
    world_check(w);
    world_deinit(w);
}

static void test_change(void **state)
{
    (void)state;
    struct world *w = start("lru");
    set_many(w, "k", 30, SIZE);
    ic_store_touch(w->store, ic_store_find(w->store, ic_slice_str("k0"), w->wall_ms), w->wall_ms);
    use(w, "eviction", "sieve");
    world_tick(w);
    assert_int_equal(ic_eviction_kind(w->store->eviction), IC_EVICTION_SIEVE);
    assert_int_equal(ic_store_count(w->store), 30);
    set_many(w, "new", 2, SIZE);
    assert_true(there(w, "k0") && there(w, "k3") && !there(w, "k1") && !there(w, "k2"));
    world_check(w);
    world_deinit(w);
}

/* More objects than a turn carries over: reads, writes and evictions go on meanwhile. */
static void test_change_in_slices(void **state)
{
    (void)state;
    struct world *w = start("clock");
    enum { COUNT = 2 * IC_STORE_CHANGE_SLICE + 100 };
    use(w, "maxmemory", "0");
    set_many(w, "k", COUNT, 1);
    use(w, "maxmemory", "4100");
    use(w, "eviction", "lru");
    assert_true(ic_store_tick(w->store, w->now_ms, w->wall_ms));
    set_many(w, "new", 500, 1); /* evicts */
    assert_false(there(w, "k0"));
    assert_true(there(w, "k1000"));
    use(w, "eviction", "sieve"); /* before the first change is at its end */
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "k3000", NULL, 0), 0);
    int ticks = 0;
    while (ic_eviction_kind(w->store->eviction) != IC_EVICTION_SIEVE ||
           ic_store_tick(w->store, w->now_ms, w->wall_ms)) {
        ic_store_tick(w->store, w->now_ms, w->wall_ms);
        assert_true(++ticks < 10);
    }
    set_many(w, "last", 500, 1);
    assert_false(there(w, "k700"));
    assert_true(there(w, "new0") && there(w, "last499"));
    assert_int_equal(ic_store_count(w->store), 4100);
    world_check(w);
    world_deinit(w);
}

/* The change begins when there is memory for it, and goes on when there is again. */
static void test_change_without_memory(void **state)
{
    (void)state;
    struct world *w = start("lru");
    set_many(w, "k", 30, SIZE);
    use(w, "eviction", "gdsf");
    for (uint64_t i = 1; i < 4; i++) {
        ic_alloc_fail_at(i);
        ic_store_tick(w->store, w->now_ms, w->wall_ms);
        ic_alloc_fail_at(0);
        assert_int_equal(ic_store_count(w->store), 30);
    }
    world_tick(w);
    assert_int_equal(ic_eviction_kind(w->store->eviction), IC_EVICTION_GDSF);
    set_many(w, "new", 31, SIZE);
    assert_int_equal(ic_store_count(w->store), 30);
    world_check(w);
    world_deinit(w);
}

/* `maxmemory` was lowered, and very much has to go: not all of it for the next SET. */
static void test_evicted_in_slices(void **state)
{
    (void)state;
    struct world *w = start("lru");
    enum { COUNT = 2 * IC_STORE_EVICT_SLICE + 100 };
    struct ic_object *o;
    use(w, "maxmemory", "0");
    set_many(w, "k", COUNT, 1);
    use(w, "maxmemory", "50");
    assert_int_equal(world_draft(w, "new", 1, &o), 0);
    assert_int_equal(ic_store_count(w->store), COUNT - IC_STORE_EVICT_SLICE);
    ic_store_drop(w->store, o);
    assert_int_equal(world_draft(w, "another", 1, &o), 0); /* in the same turn */
    assert_int_equal(ic_store_count(w->store), COUNT - IC_STORE_EVICT_SLICE);
    ic_store_drop(w->store, o);
    assert_true(ic_store_tick(w->store, w->now_ms, w->wall_ms));
    assert_int_equal(ic_store_count(w->store), COUNT - 2 * IC_STORE_EVICT_SLICE);
    world_tick(w);
    assert_int_equal(ic_store_count(w->store), 50);
    world_check(w);
    world_deinit(w);
}

/* COUNT objects called PREFIX0, ..., that are being read from now on, or are no more. */
static void pin_many(struct world *w, struct ic_object **o, const char *prefix, int count)
{
    for (int i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s%d", prefix, i);
        o[i] = world_object(w, key);
        ic_store_pin(w->store, o[i]);
    }
}

static void unpin_many(struct world *w, struct ic_object **o, int count)
{
    for (int i = 0; i < count; i++) {
        ic_store_unpin(w->store, o[i]);
    }
    world_check(w);
}

static uint64_t set_aside(struct world *w)
{
    return ic_store_stats(w->store).set_aside;
}

/* However many evictions come, a victim that is pinned is looked at once; then it goes first. */
static void test_pinned_are_looked_at_once(void **state)
{
    (void)state;
    static const char *const policies[] = {"gdsf", "sieve", "s3fifo", "lru", "clock"};
    enum { PINNED = 20 };
    for (size_t i = 0; i < 5; i++) {
        struct world *w = start(policies[i]);
        struct ic_object *o[PINNED];
        set_many(w, "old", PINNED, SIZE);
        pin_many(w, o, "old", PINNED);
        set_many(w, "new", 50, SIZE);
        assert_in_range(set_aside(w), 1, PINNED);
        assert_true(there(w, "old0") && there(w, "old19"));
        assert_int_equal(ic_store_count(w->store), ROOM / SIZE);
        unpin_many(w, o, PINNED);
        set_many(w, "last", PINNED, SIZE);
        assert_false(there(w, "old0") || there(w, "old19"));
        assert_true(there(w, "new49"));
        world_deinit(w);
    }
}

/* What replies show is evicted like all else, and what is left of it counts as nobody's room. What
 * is dead stays for them as long as others can go. */
static void test_what_replies_show(void **state)
{
    (void)state;
    enum { SHOWN = 20 };
    struct world *w = start("lru");
    struct ic_object *o[SHOWN];
    set_many(w, "old", SHOWN, SIZE);
    for (int i = 0; i < SHOWN; i++) {
        char key[32];
        snprintf(key, sizeof key, "old%d", i);
        o[i] = world_object(w, key);
        ic_store_show(o[i]);
    }
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "old0", NULL, 0), 0);
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "old1", NULL, 0), 0);
    set_many(w, "new", ROOM / SIZE, SIZE);
    assert_int_equal(ic_store_count(w->store), ROOM / SIZE - 2);
    assert_true(there(w, "new2") && !there(w, "old19"));
    assert_int_equal(ic_store_stats(w->store).dead_bytes, 2 * SIZE);
    world_check(w);
    uint64_t memory = ic_store_stats(w->store).catalog_memory;
    for (int i = 2; i < SHOWN; i++) {
        assert_true(o[i]->evicted && !o[i]->given_up && o[i]->state == IC_OBJECT_DEAD);
        ic_store_show_no_more(w->store, o[i]);
    }
    assert_int_equal(ic_store_stats(w->store).catalog_memory, memory);
    ic_store_send(w->store, o[0]);
    set_many(w, "large", 1, ROOM - SIZE); /* all others go, and what is not being sent */
    assert_true(o[1]->given_up && !o[0]->evicted && there(w, "large0"));
    assert_int_equal(ic_store_stats(w->store).dead_bytes, SIZE);
    world_check(w);
    ic_store_sent(w->store, o[0]);
    ic_store_show_no_more(w->store, o[0]);
    ic_store_show_no_more(w->store, o[1]);
    assert_int_equal(ic_store_stats(w->store).dead_bytes, 0);
    world_check(w);
    world_deinit(w);
}

/* However many are pinned, one eviction looks at a bounded number; so it is when all are used. */
static void test_looks_are_bounded(void **state)
{
    (void)state;
    enum { PINNED = IC_STORE_REACH_MAX + 100 };
    static struct ic_object *o[PINNED];
    struct world *w = start("gdsf");
    use(w, "maxmemory", "0");
    set_many(w, "old", PINNED, 1);
    set_many(w, "new", 3, 1);
    pin_many(w, o, "old", PINNED);
    assert_int_equal(set_aside(w), 0);
    assert_true(ic_store_evict_one(w->store));
    assert_in_range(set_aside(w), 1, IC_STORE_REACH_MAX);
    for (int i = 0; i < PINNED; i++) {
        ic_eviction_access(w->store->eviction, &o[i]->policy);
    }
    world_check(w);
    uint64_t before = set_aside(w);
    assert_true(ic_store_evict_one(w->store));
    assert_true(set_aside(w) - before <= IC_STORE_REACH_MAX);
    unpin_many(w, o, PINNED);
    world_deinit(w);
}

/* Nothing is evicted for what then finds no room because the others are pinned: of `maxmemory`, */
static void test_nothing_goes_in_vain(void **state)
{
    (void)state;
    struct world *w = start("lru");
    struct ic_object *o[25], *draft;
    set_many(w, "pinned", 25, SIZE);
    set_many(w, "k", 5, SIZE);
    pin_many(w, o, "pinned", 25);
    assert_int_equal(world_draft(w, "large", 6 * SIZE, &draft), IC_ENOSPC);
    assert_int_equal(ic_store_count(w->store), 30);
    assert_true(world_set(w, "small", 5 * SIZE, 0) > 0);
    unpin_many(w, o, 25);
    assert_true(world_set(w, "large", 6 * SIZE, 0) > 0);
    world_deinit(w);
}

/* nor of the functions. What comes later may have its room by then, though. */
static void test_nothing_goes_in_vain_on_functions(void **state)
{
    (void)state;
    static const char *const set[] = {"code-table", "*:1+1", "unit-size", "64", NULL};
    struct world *w = &world;
    struct ic_object *o[40], *draft;
    world_init(w, 3, 10000, set);
    world_hello_all(w);
    set_many(w, "k", 40, 800);
    uint64_t evicted = ic_store_stats(w->store).evicted;
    assert_int_equal(ic_store_count(w->store), 40 - evicted);
    int count = 0;
    for (int i = 0; i < 40; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%d", i);
        if (there(w, key)) {
            o[count] = world_object(w, key);
            ic_store_pin(w->store, o[count++]);
        }
    }
    ic_store_unpin(w->store, o[--count]);
    assert_int_equal(ic_store_draft(w->store, ic_slice_str("large"), 7000, &draft), 0);
    assert_int_equal(ic_store_claim(w->store, draft, 7000), IC_ENOSPC);
    assert_int_equal(ic_store_stats(w->store).evicted, evicted);
    unpin_many(w, o, count);
    assert_int_equal(ic_store_claim(w->store, draft, 7000), 0);
    assert_true(ic_store_stats(w->store).evicted > evicted);
    ic_store_drop(w->store, draft);
    world_check(w);
    world_deinit(w);
}

/* `maxmemory` is less than what is pinned: all else goes, and then these, when they can. */
static void test_less_than_is_pinned(void **state)
{
    (void)state;
    struct world *w = start("gdsf");
    struct ic_object *o[10];
    set_many(w, "pinned", 10, SIZE);
    set_many(w, "k", 20, SIZE);
    pin_many(w, o, "pinned", 10);
    use(w, "maxmemory", "3000");
    world_tick(w);
    assert_int_equal(ic_store_count(w->store), 10);
    unpin_many(w, o, 10);
    world_tick(w);
    assert_int_equal(ic_store_count(w->store), 3);
    world_check(w);
    world_deinit(w);
}

/* Of what is set aside some is deleted, overwritten, read; the policy changes; all is evictable in
 * the end, once. */
static void test_changes_of_what_is_set_aside(void **state)
{
    (void)state;
    struct world *w = start("sieve");
    struct ic_object *o[10];
    set_many(w, "pinned", 10, SIZE);
    pin_many(w, o, "pinned", 10);
    set_many(w, "k", 30, SIZE);
    assert_int_equal(set_aside(w), 10);
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "pinned0", NULL, 0), 0);
    set_many(w, "pinned", 2, SIZE);
    assert_true(world_get(w, "pinned2") != 0);
    use(w, "eviction", "gdsf");
    world_tick(w);
    assert_true(world_get(w, "pinned3") != 0);
    set_many(w, "new", 30, SIZE);
    assert_true(there(w, "pinned2") && there(w, "pinned9"));
    unpin_many(w, o, 10);
    use(w, "maxmemory", "1");
    world_tick(w);
    assert_int_equal(ic_store_count(w->store), 0);
    world_deinit(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_names),
        leak_test(test_misses_are_told),
        leak_test(test_no_tiny_halves),
        leak_test(test_change),
        leak_test(test_change_in_slices),
        leak_test(test_change_without_memory),
        leak_test(test_evicted_in_slices),
        leak_test(test_pinned_are_looked_at_once),
        leak_test(test_what_replies_show),
        leak_test(test_looks_are_bounded),
        leak_test(test_nothing_goes_in_vain),
        leak_test(test_nothing_goes_in_vain_on_functions),
        leak_test(test_less_than_is_pinned),
        leak_test(test_changes_of_what_is_set_aside),
    };
    return cmocka_run_group_tests_name("store eviction", tests, NULL, NULL);
}
