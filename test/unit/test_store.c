/*
 * test_store.c - the store by examples: what a key shows after each change, what the
 * instances are thought to hold, undo, eviction, restart, lists, watches.
 */
#include "proxy/store.h"

#include "unit/store_world.h"

#include <signal.h>

static const char *const small_code[] = {"code-table", "*:2+1", "unit-size", "64", NULL};

static struct world world;

static struct world *start(uint64_t capacity, const char *const *set)
{
    world_init(&world, 1, capacity, set);
    world_hello_all(&world);
    return &world;
}

static void test_set_get_del(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    assert_int_equal(world_get(w, "a"), 0);
    int64_t first = world_set(w, "a", 1000, 0);
    assert_true(first > 0);
    assert_int_equal(world_get(w, "a"), first);
    int64_t second = world_set(w, "a", 10, 0);
    assert_true(second > first);
    assert_int_equal(world_get(w, "a"), second);
    assert_int_equal(ic_store_count(w->store), 1);
    assert_int_equal(ic_store_stats(w->store).objects, 1); /* the first is buried */
    world_check(w);
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "a", NULL, 0), 0);
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "a", NULL, 0), 0);
    assert_int_equal(world_get(w, "a"), 0);
    world_check(w);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_deliver_deletes(w, i);
        assert_int_equal(w->node[i].count, 0);
        assert_int_equal(ic_pool_room(w->pool, i), 100000);
    }
    world_check(w);
    struct ic_store_stats stats = ic_store_stats(w->store);
    assert_int_equal(stats.hits, 2);
    assert_int_equal(stats.misses, 2);
    assert_int_equal(stats.objects, 0);
    assert_int_equal(stats.bytes, 0);
    ic_store_stats_reset(w->store);
    assert_int_equal(ic_store_stats(w->store).hits, 0);
    world_deinit(w);
}

static void test_copy_and_rename_share(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    int64_t a = world_set(w, "a", 1000, w->wall_ms + 500);
    world_set(w, "b", 5, 0);
    assert_int_equal(world_change(w, IC_CHANGE_COPY, "a", "b", 0), 0);
    assert_int_equal(world_get(w, "b"), a);
    assert_int_equal(ic_store_stats(w->store).objects, 1);
    assert_int_equal(ic_store_stats(w->store).bytes, 1000);
    assert_int_equal(world_change(w, IC_CHANGE_RENAME, "a", "c", 0), 0);
    assert_int_equal(world_get(w, "a"), 0);
    assert_int_equal(world_get(w, "c"), a);
    struct ic_entry *c = ic_store_find(w->store, ic_slice_str("c"), w->wall_ms);
    assert_int_equal(c->expires_ms, w->wall_ms + 500);
    assert_true(ic_store_memory_usage(w->store, c) > 1000);
    assert_int_equal(world_change(w, IC_CHANGE_RENAME, "c", "c", 0), 0);
    assert_int_equal(world_get(w, "c"), a);
    assert_int_equal(world_change(w, IC_CHANGE_RENAME, "x", "y", 0), IC_ENOENT);
    assert_int_equal(world_change(w, IC_CHANGE_COPY, "x", "y", 0), IC_ENOENT);
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "b", NULL, 0), 0);
    assert_int_equal(world_get(w, "c"), a); /* the version lives while one shows it */
    world_stop(w);
    world_start(w);
    world_hello_all(w);
    assert_int_equal(world_get(w, "c"), a);
    assert_int_equal(ic_store_count(w->store), 1);
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "c", NULL, 0), 0);
    assert_int_equal(ic_store_stats(w->store).objects, 0);
    world_check(w);
    world_deinit(w);
}

static void test_expiry(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    int64_t a = world_set(w, "a", 10, w->wall_ms + 100);
    int64_t b = world_set(w, "b", 10, w->wall_ms + 100);
    int64_t c = world_set(w, "c", 10, 0);
    assert_int_equal(world_change(w, IC_CHANGE_EXPIRE, "c", NULL, w->wall_ms + 200), 0);
    assert_int_equal(world_change(w, IC_CHANGE_EXPIRE, "b", NULL, 0), 0);
    assert_int_equal(world_change(w, IC_CHANGE_EXPIRE, "x", NULL, 5), IC_ENOENT);
    assert_int_equal(ic_store_stats(w->store).expiring, 2);
    w->wall_ms += 99;
    assert_int_equal(world_get(w, "a"), a);
    w->wall_ms += 1;
    assert_int_equal(ic_store_count(w->store), 3);
    assert_int_equal(world_get(w, "a"), 0); /* by looking */
    world_turn_end(w);
    assert_int_equal(ic_store_count(w->store), 2);
    assert_int_equal(world_get(w, "c"), c);
    w->wall_ms += 100;
    assert_false(ic_store_tick(w->store, w->now_ms, w->wall_ms)); /* by and by */
    world_turn_end(w);
    assert_int_equal(ic_store_count(w->store), 1);
    assert_int_equal(ic_store_stats(w->store).expired, 2);
    assert_int_equal(world_get(w, "b"), b);
    assert_int_equal(world_change(w, IC_CHANGE_EXPIRE, "b", NULL, w->wall_ms), 0);
    assert_int_equal(world_get(w, "b"), 0); /* in the past: gone at once */
    world_check(w);
    /* while the proxy is down */
    world_set(w, "d", 10, w->wall_ms + 50);
    world_stop(w);
    w->wall_ms += 50;
    world_start(w);
    world_turn_end(w);
    assert_int_equal(ic_store_count(w->store), 0);
    world_hello_all(w);
    world_check(w);
    world_deinit(w);
}

/* A key that expired while the proxy was down takes nothing from those that show the same version,
 * whichever of them the journal has first. */
static void test_expired_copy_at_restart(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    int64_t a = world_set(w, "a", 10, w->wall_ms + 100);
    assert_int_equal(world_change(w, IC_CHANGE_COPY, "a", "b", 0), 0);
    assert_int_equal(world_change(w, IC_CHANGE_EXPIRE, "b", NULL, 0), 0);
    w->wall_ms += 100;
    for (int i = 0; i < 2; i++) {
        world_stop(w);
        world_start(w); /* the second time without what the first took out */
        world_turn_end(w);
        assert_int_equal(ic_store_count(w->store), 1);
        assert_int_equal(world_get(w, "b"), a);
    }
    world_hello_all(w);
    assert_int_equal(world_get(w, "b"), a);
    assert_int_equal(ic_store_stats(w->store).objects, 1);
    world_check(w);
    world_deinit(w);
}

static void test_pins(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    world_set(w, "a", 1000, 0);
    struct ic_object *old = ic_store_find(w->store, ic_slice_str("a"), w->wall_ms)->object;
    ic_store_pin(w->store, old);
    world_set(w, "a", 2000, 0);
    assert_int_equal(old->state, IC_OBJECT_DEAD);
    assert_int_equal(ic_store_held_count(w->store, old), 3); /* still readable */
    assert_int_equal(ic_store_stats(w->store).dead_bytes, 1000);
    world_check(w);
    ic_store_unpin(w->store, old);
    assert_int_equal(ic_store_stats(w->store).dead_bytes, 0);
    assert_int_equal(ic_store_stats(w->store).objects, 1);
    world_check(w);
    world_deinit(w);
}

static void test_dropped_draft(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    struct ic_object *o;
    assert_int_equal(world_draft(w, "a", 1000, &o), 0);
    assert_int_equal(ic_store_stats(w->store).drafts, 1);
    assert_int_equal(ic_store_stats(w->store).draft_bytes, 1000);
    uint64_t version = o->version;
    ic_store_seal(w->store, o);
    assert_true(o->version > version);
    world_write(w, o, 0, true);
    world_write(w, o, 1, false);
    ic_store_lost(w->store, o, 1, o->place[1].instance);
    ic_store_lost(w->store, o, 1, o->place[1].instance); /* again: nothing */
    ic_store_drop(w->store, o);
    assert_int_equal(ic_store_stats(w->store).drafts, 0);
    assert_int_equal(ic_store_stats(w->store).draft_bytes, 0);
    world_check(w);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_deliver_deletes(w, i);
        assert_int_equal(w->node[i].count, 0);
        assert_int_equal(ic_pool_room(w->pool, i), 100000);
    }
    world_deinit(w);
}

static void test_flush(void **state)
{
    (void)state;
    struct world *w = start(1000000, small_code);
    for (int i = 0; i < 1200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_true(world_set(w, key, 100, i % 2 == 0 ? 0 : w->wall_ms + 100000) > 0);
    }
    assert_int_equal(world_change(w, IC_CHANGE_FLUSH, NULL, NULL, 0), 0);
    assert_int_equal(ic_store_count(w->store), 0);
    assert_int_equal(world_get(w, "k5"), 0);
    int64_t fresh = world_set(w, "k5", 100, 0);
    int turns = 1;
    while (ic_store_tick(w->store, w->now_ms, w->wall_ms)) {
        turns++;
    }
    assert_true(turns > 1); /* in slices */
    assert_int_equal(ic_store_stats(w->store).objects, 1);
    assert_int_equal(world_get(w, "k5"), fresh);
    world_check(w);
    world_stop(w);
    world_start(w);
    world_hello_all(w);
    assert_int_equal(ic_store_count(w->store), 1);
    assert_int_equal(world_get(w, "k5"), fresh);
    assert_int_equal(world_change(w, IC_CHANGE_FLUSH, NULL, NULL, 0), 0);
    world_deinit(w); /* with a set not taken apart yet */
}

/* Several changes at once: all, or none when one of them cannot be. */
static void test_atomic_commit(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    int64_t a = world_set(w, "a", 10, 0);
    struct ic_object *x, *y;
    assert_int_equal(world_draft(w, "a", 20, &x), 0);
    assert_int_equal(world_draft(w, "b", 30, &y), 0);
    world_write_all(w, x);
    world_write_all(w, y);
    struct ic_change changes[] = {
        {.kind = IC_CHANGE_PUT, .key = ic_slice_str("a"), .draft = x},
        {.kind = IC_CHANGE_PUT, .key = ic_slice_str("b"), .draft = y},
        {.kind = IC_CHANGE_FLUSH},
        {.kind = IC_CHANGE_RENAME, .key = ic_slice_str("nope"), .to = ic_slice_str("b")},
    };
    assert_int_equal(ic_store_commit(w->store, changes, 4, w->wall_ms, world_done, w), IC_ENOENT);
    assert_int_equal(world_get(w, "a"), a);
    assert_int_equal(world_get(w, "b"), 0);
    assert_int_equal(x->state, IC_OBJECT_DRAFT);
    assert_int_equal(ic_store_stats(w->store).drafts, 2);
    world_turn_end(w);
    world_check(w);
    assert_int_equal(ic_store_commit(w->store, changes, 2, w->wall_ms, world_done, w), 0);
    assert_int_equal(world_get(w, "a"), x->id); /* in the same turn */
    assert_int_equal(w->results, 1);
    world_turn_end(w);
    assert_int_equal(w->results, 2);
    assert_int_equal(world_get(w, "b"), y->id);
    world_stop(w);
    world_start(w);
    assert_int_equal(ic_store_count(w->store), 2);
    world_deinit(w);
}

static void test_journal_failure_is_undone(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct world *w = start(100000, small_code);
    int64_t a = world_set(w, "a", 10, 0), b = world_set(w, "b", 10, w->wall_ms + 1000);
    struct ic_object *o;
    assert_int_equal(world_draft(w, "a", 20, &o), 0);
    world_write_all(w, o);
    world_fail_disk(true);
    struct ic_change changes[] = {
        {.kind = IC_CHANGE_PUT, .key = ic_slice_str("a"), .draft = o},
        {.kind = IC_CHANGE_EXPIRE, .key = ic_slice_str("b"), .expires_ms = 0},
        {.kind = IC_CHANGE_RENAME, .key = ic_slice_str("a"), .to = ic_slice_str("c")},
        {.kind = IC_CHANGE_FLUSH},
    };
    assert_int_equal(ic_store_commit(w->store, changes, 4, w->wall_ms, world_done, w), 0);
    assert_int_equal(ic_store_count(w->store), 0);
    world_turn_end(w);
    world_fail_disk(false);
    assert_int_equal(w->result, IC_EIO);
    assert_false(ic_store_writable(w->store));
    assert_true(strlen(ic_store_failure(w->store)) > 0);
    assert_int_equal(world_get(w, "a"), a); /* reads go on */
    assert_int_equal(world_get(w, "b"), b);
    assert_int_equal(world_get(w, "c"), 0);
    assert_int_equal(ic_store_find(w->store, ic_slice_str("b"), w->wall_ms)->expires_ms,
                     w->wall_ms + 1000);
    assert_int_equal(ic_store_stats(w->store).drafts, 0); /* the draft was dropped */
    assert_int_equal(world_draft(w, "x", 1, &o), IC_EIO);
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "a", NULL, 0), IC_EIO);
    world_check(w);
    w->now_ms += 2000;
    ic_store_tick(w->store, w->now_ms, w->wall_ms); /* tries again: there is room */
    assert_true(ic_store_writable(w->store));
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "a", NULL, 0), 0);
    world_stop(w);
    world_start(w);
    assert_int_equal(world_get(w, "a"), 0);
    assert_int_equal(world_get(w, "b"), b);
    world_deinit(w);
}

/* What was evicted in a turn whose journal failed must not come back after a restart. */
static void test_eviction_survives_journal_failure(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct world *w = start(20000, small_code);
    for (int i = 0; ic_store_stats(w->store).evicted == 0; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_true(world_set(w, key, 5000, 0) > 0);
    }
    uint64_t count = ic_store_count(w->store);
    struct ic_object *o;
    assert_int_equal(world_draft(w, "new", 20000, &o), 0);
    uint64_t left = ic_store_count(w->store);
    assert_true(left < count);
    world_fail_disk(true);
    world_turn_end(w);
    world_fail_disk(false);
    assert_false(ic_store_writable(w->store));
    ic_store_drop(w->store, o);
    w->now_ms += 2000;
    ic_store_tick(w->store, w->now_ms, w->wall_ms);
    assert_true(ic_store_writable(w->store));
    world_stop(w);
    world_start(w);
    assert_int_equal(ic_store_count(w->store), left);
    world_deinit(w);
}

static void fill(struct world *w, const char *eviction)
{
    const char *const set[] = {"code-table", "*:2+1",  "unit-size", "64",
                               "eviction",   eviction, NULL};
    world_init(w, 3, 30000, set);
    world_hello_all(w);
    uint64_t stored = 0;
    for (int i = 0; stored < 3 * WORLD_FUNCTIONS * 30000; i++) {
        char key[16];
        uint64_t size = ic_rng_below(&w->rng, 20000);
        snprintf(key, sizeof key, "k%d", i);
        assert_true(world_set(w, key, size, 0) > 0);
        stored += size * 3 / 2;
        world_check(w);
    }
    assert_true(ic_store_stats(w->store).evicted > 10);
    assert_true(world_set(w, "large", 55000, 0) > 0); /* nearly a whole function each */
    world_check(w);
    world_deinit(w);
}

/* Filled three times over: never refused, never more than a node holds. */
static void test_eviction(void **state)
{
    (void)state;
    static const char *const kinds[] = {"gdsf", "sieve", "s3fifo", "lru", "clock"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        fill(&world, kinds[i]);
    }
}

static void test_pinned_is_not_evicted(void **state)
{
    (void)state;
    struct world *w = start(20000, small_code);
    int64_t a = world_set(w, "a", 30000, 0);
    struct ic_object *o = ic_store_find(w->store, ic_slice_str("a"), w->wall_ms)->object;
    ic_store_pin(w->store, o);
    for (int i = 0; i < 50; i++) {
        assert_true(world_set(w, i % 2 == 0 ? "x" : "y", 10000, 0) > 0);
    }
    assert_int_equal(world_get(w, "a"), a);
    ic_store_unpin(w->store, o);
    world_check(w);
    world_deinit(w);
}

/* Drafts fill the pool: refused at once, without evicting in vain. */
static void test_no_room(void **state)
{
    (void)state;
    struct world *w = start(20000, small_code);
    int64_t a = world_set(w, "a", 1, 0);
    struct ic_object *o[8];
    int count = 0;
    int result = 0;
    while (count < 8 && (result = world_draft(w, "d", 36000, &o[count])) == 0) {
        count++;
    }
    assert_int_equal(result, IC_ENOSPC);
    assert_true(count >= 2);
    assert_int_equal(world_get(w, "a"), a);
    while (count > 0) {
        ic_store_drop(w->store, o[--count]);
    }
    assert_true(world_set(w, "d", 36000, 0) > 0);
    world_deinit(w);
}

static void test_too_big(void **state)
{
    (void)state;
    const char *const set[] = {"code-table",      "*:2+1", "unit-size", "64",
                               "max-object-size", "1mb",   NULL};
    struct world *w = start(20000, set);
    struct ic_object *o;
    char why[256];
    assert_int_equal(world_draft(w, "a", 50000, &o), IC_ETOOBIG);
    ic_store_too_big_text(w->store, ic_slice_str("a"), 50000, why, sizeof why);
    assert_non_null(strstr(why, "memory of at least"));
    assert_int_equal(world_draft(w, "a", 2 << 20, &o), IC_ETOOBIG);
    ic_store_too_big_text(w->store, ic_slice_str("a"), 2 << 20, why, sizeof why);
    assert_non_null(strstr(why, "max-object-size"));
    assert_int_equal(ic_config_set(w->config, ic_slice_str("maxmemory"), ic_slice_str("1000"), why),
                     0);
    assert_int_equal(world_draft(w, "a", 1001, &o), IC_ETOOBIG);
    ic_store_too_big_text(w->store, ic_slice_str("a"), 1001, why, sizeof why);
    assert_non_null(strstr(why, "maxmemory"));
    world_deinit(w);
}

static void test_limits_evict(void **state)
{
    (void)state;
    const char *const set[] = {"code-table", "*:2+1", "maxmemory", "10kb", NULL};
    struct world *w = start(1 << 20, set);
    for (int i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_true(world_set(w, key, 1000, 0) > 0);
        assert_true(ic_store_stats(w->store).bytes <= 10240);
    }
    assert_int_equal(ic_store_count(w->store), 10);
    char why[IC_WHY_MAX];
    assert_int_equal(ic_config_set(w->config, ic_slice_str("maxmemory"), ic_slice_str("0"), why),
                     0);
    assert_int_equal(
        ic_config_set(w->config, ic_slice_str("catalog-memory"), ic_slice_str("1mb"), why), 0);
    for (int i = 0; i < 3000; i++) {
        char key[16];
        snprintf(key, sizeof key, "m%d", i);
        assert_true(world_set(w, key, 0, 0) > 0);
        assert_true(ic_store_stats(w->store).catalog_memory <= (1 << 20) + 2048);
    }
    assert_true(ic_store_count(w->store) > 1000);
    assert_true(ic_store_count(w->store) < 3000);
    world_deinit(w);
}

static void test_lost_instances(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    int64_t a = world_set(w, "a", 1000, 0);
    struct ic_object *o = ic_store_find(w->store, ic_slice_str("a"), w->wall_ms)->object;
    uint16_t f[3] = {o->place[0].function, o->place[1].function, o->place[2].function};
    world_kill_node(w, f[0]);
    assert_false(ic_store_held(w->store, o, 0));
    assert_int_equal(ic_store_held_count(w->store, o), 2);
    assert_int_equal(world_get(w, "a"), a);
    world_kill_node(w, f[2]);
    assert_int_equal(ic_store_count(w->store), 1);
    assert_int_equal(world_get(w, "a"), 0); /* more than p are lost */
    world_turn_end(w);
    assert_int_equal(ic_store_count(w->store), 0);
    assert_int_equal(ic_store_stats(w->store).purged, 1);
    world_check(w);
    /* the same without anybody asking for it */
    world_set(w, "b", 1000, 0);
    o = ic_store_find(w->store, ic_slice_str("b"), w->wall_ms)->object;
    uint16_t g[2] = {o->place[0].function, o->place[1].function};
    world_kill_node(w, g[0]);
    world_kill_node(w, g[1]);
    while (ic_store_tick(w->store, w->now_ms, w->wall_ms)) {
    }
    world_turn_end(w);
    assert_int_equal(ic_store_count(w->store), 0);
    world_check(w);
    world_deinit(w);
}

/* A chunk found wrong is lost and condemned; a late seal is held. */
/* What is written belongs to the instance that its first request could go to, which alone is
 * charged, whoever answers for the function afterwards. */
static void test_a_chunk_is_charged_to_one_instance(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    struct ic_object *o;
    assert_int_equal(world_draft(w, "a", 1000, &o), 0);
    uint16_t function = o->place[0].function;
    uint32_t first = w->node[function].serial;
    static const uint8_t other_id[IC_INSTANCE_ID_LEN] = "another";
    const struct ic_pool_instance *other =
        ic_pool_heard(w->pool, function, other_id, 100000, 0, 0, 1);
    const struct ic_pool_instance *one = ic_pool_find(w->pool, function, first);
    assert_int_equal(ic_store_begin(w->store, o, 0, first), first);
    assert_int_equal(ic_store_begin(w->store, o, 0, other->serial), first);
    assert_int_equal(ic_store_begin(w->store, o, 0, first), first);
    assert_int_equal(one->in_flight, o->chunk_cost);
    assert_int_equal(other->in_flight, 0);
    assert_int_equal(ic_pool_function(w->pool, function)->planned, 0);
    ic_store_drop(w->store, o);
    assert_int_equal(one->in_flight, 0);
    assert_int_equal(one->condemned_chunks, 1);
    assert_int_equal(other->condemned_chunks, 0);
    world_deinit(w);
}

static void test_lost_and_late_chunks(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    struct ic_object *o;
    assert_int_equal(world_draft(w, "a", 1000, &o), 0);
    world_write(w, o, 0, true);
    world_write(w, o, 1, true);
    world_write(w, o, 2, false);
    ic_store_pin(w->store, o);
    struct ic_change change = {.kind = IC_CHANGE_PUT, .key = ic_slice_str("a"), .draft = o};
    assert_int_equal(world_commit(w, &change), 0);
    assert_int_equal(ic_store_held_count(w->store, o), 2);
    uint16_t late = o->place[2].function;
    w->node[late].chunk[w->node[late].count - 1].sealed = true;
    ic_store_sealed(w->store, o, 2);
    assert_int_equal(ic_store_held_count(w->store, o), 3);
    ic_store_unpin(w->store, o);
    world_check(w);
    ic_store_lost(w->store, o, 1, o->place[1].instance);
    assert_int_equal(ic_store_held_count(w->store, o), 2);
    assert_int_equal(world_get(w, "a"), o->id);
    world_check(w);
    world_stop(w); /* the list finds what the journal does not know */
    world_start(w);
    world_hello_all(w);
    o = ic_store_find(w->store, ic_slice_str("a"), w->wall_ms)->object;
    assert_int_equal(ic_store_held_count(w->store, o), 3);
    world_check(w);
    world_deinit(w);
}

static void test_restart_and_lists(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    int64_t id[20];
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        id[i] = world_set(w, key, (uint64_t)i * 300, 0);
    }
    world_change(w, IC_CHANGE_DELETE, "k3", NULL, 0); /* its DELETEs are not delivered */
    struct ic_object *draft;
    assert_int_equal(world_draft(w, "d", 500, &draft), 0);
    world_write(w, draft, 0, true);
    world_write(w, draft, 1, false);
    world_stop(w);
    world_start(w);
    assert_int_equal(ic_store_count(w->store), 19);
    assert_true(ic_store_held_count(
                    w->store, ic_store_find(w->store, ic_slice_str("k5"), w->wall_ms)->object) ==
                3);     /* presumably */
    world_new_id(w, 0); /* reclaimed meanwhile */
    struct world_node *n = &w->node[1];
    assert_true(n->count > 0);
    n->chunk[0].sealed = false; /* as if it had lost its seal */
    world_hello_all(w);
    world_hello(w, 0); /* the old instance of 0 misses its second Invoke: gone */
    world_check(w);
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        uint64_t got = world_get(w, key);
        assert_true(got == (uint64_t)id[i] || got == 0);
        assert_true(i != 3 || got == 0);
    }
    world_turn_end(w);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_deliver_deletes(w, i);
    }
    world_check(w);
    struct ic_object *o;
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        for (size_t k = 0; k < w->node[i].count; k++) {
            assert_int_not_equal(w->node[i].chunk[k].object_id, id[3]);
        }
    }
    assert_int_equal(world_draft(w, "x", 1, &o), 0);
    assert_int_equal(o->id >> 40, ((uint64_t)id[0] >> 40) + 1); /* the new epoch */
    ic_store_drop(w->store, o);
    world_deinit(w);
}

static void test_watch(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    world_set(w, "a", 10, 0);
    world_set(w, "e", 10, w->wall_ms + 10);
    struct ic_watch a, a2, none, e;
    assert_int_equal(ic_store_watch(w->store, &a, ic_slice_str("a"), w->wall_ms), 0);
    assert_int_equal(ic_store_watch(w->store, &a2, ic_slice_str("a"), w->wall_ms), 0);
    assert_int_equal(ic_store_watch(w->store, &none, ic_slice_str("none"), w->wall_ms), 0);
    assert_int_equal(ic_store_watch(w->store, &e, ic_slice_str("e"), w->wall_ms), 0);
    world_get(w, "a");
    world_set(w, "other", 10, 0);
    world_change(w, IC_CHANGE_DELETE, "none", NULL, 0);
    assert_false(ic_store_watch_dirty(w->store, &a, w->wall_ms));
    assert_false(ic_store_watch_dirty(w->store, &none, w->wall_ms));
    ic_store_unwatch(w->store, &a); /* the leader leaves */
    world_change(w, IC_CHANGE_EXPIRE, "a", NULL, w->wall_ms + 1000);
    assert_true(ic_store_watch_dirty(w->store, &a2, w->wall_ms));
    world_change(w, IC_CHANGE_COPY, "a", "none", 0);
    world_change(w, IC_CHANGE_DELETE, "none", NULL, 0);
    assert_true(ic_store_watch_dirty(w->store, &none, w->wall_ms));
    assert_false(ic_store_watch_dirty(w->store, &e, w->wall_ms));
    w->wall_ms += 10;
    assert_true(ic_store_watch_dirty(w->store, &e, w->wall_ms)); /* expired, though still there */
    struct ic_watch late;
    assert_int_equal(ic_store_watch(w->store, &late, ic_slice_str("e"), w->wall_ms), 0);
    assert_int_equal(world_get(w, "e"), 0);
    assert_false(ic_store_watch_dirty(w->store, &late, w->wall_ms)); /* was expired already */
    assert_true(world_set(w, "e", 1, 0) > 0);
    assert_true(ic_store_watch_dirty(w->store, &late, w->wall_ms));
    struct ic_watch flushed, absent;
    assert_int_equal(ic_store_watch(w->store, &flushed, ic_slice_str("a"), w->wall_ms), 0);
    assert_int_equal(ic_store_watch(w->store, &absent, ic_slice_str("absent"), w->wall_ms), 0);
    world_change(w, IC_CHANGE_FLUSH, NULL, NULL, 0);
    assert_true(ic_store_watch_dirty(w->store, &flushed, w->wall_ms));
    assert_false(ic_store_watch_dirty(w->store, &absent, w->wall_ms));
    struct ic_watch *all[] = {&a2, &none, &e, &late, &flushed, &absent};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ic_store_unwatch(w->store, all[i]);
    }
    world_deinit(w);
}

/* A change and a flush look at one watch of a key, which tells all the others. */
static void test_watchers_are_not_told(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    enum { MANY = 100 };
    static struct ic_watch a[MANY], b[MANY];
    world_set(w, "a", 10, 0);
    world_set(w, "b", 10, 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(ic_store_watch(w->store, &a[i], ic_slice_str("a"), w->wall_ms), 0);
        assert_int_equal(ic_store_watch(w->store, &b[i], ic_slice_str("b"), w->wall_ms), 0);
    }
    world_set(w, "a", 10, 0);
    assert_true(a[0].changes > 0 && a[1].changes == 0);
    for (int i = 0; i < MANY; i++) {
        assert_false(ic_store_watch_dirty(w->store, &b[i], w->wall_ms));
    }
    world_change(w, IC_CHANGE_FLUSH, NULL, NULL, 0);
    for (int i = 0; i < MANY; i++) { /* the first of them leaves first, each time */
        assert_true(ic_store_watch_dirty(w->store, &a[i], w->wall_ms));
        assert_true(ic_store_watch_dirty(w->store, &b[i], w->wall_ms));
        ic_store_unwatch(w->store, &a[i]);
        ic_store_unwatch(w->store, &b[i]);
    }
    world_deinit(w);
}

static void commit_again(void *ctx, int result)
{
    struct world *w = ctx;
    assert_int_equal(result, 0);
    struct ic_change change = {.kind = IC_CHANGE_DELETE, .key = ic_slice_str("b")};
    assert_int_equal(ic_store_commit(w->store, &change, 1, w->wall_ms, world_done, w), 0);
}

static void test_done_may_commit_and_forget(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    world_set(w, "a", 10, 0);
    world_set(w, "b", 10, 0);
    struct ic_change change = {.kind = IC_CHANGE_DELETE, .key = ic_slice_str("a")};
    int other;
    assert_int_equal(ic_store_commit(w->store, &change, 1, w->wall_ms, commit_again, w), 0);
    assert_int_equal(ic_store_commit(w->store, &change, 1, w->wall_ms, commit_again, &other), 0);
    ic_store_forget(w->store, &other);
    int before = w->results;
    world_turn_end(w);
    assert_true(w->due);
    assert_int_equal(w->results, before);
    world_turn_end(w);
    assert_int_equal(w->results, before + 1);
    assert_int_equal(ic_store_count(w->store), 0);
    world_deinit(w);
}

static void count_visit(struct ic_entry *e, void *ctx)
{
    (void)e;
    ++*(int *)ctx;
}

static void test_scan_and_random(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    assert_null(ic_store_random(w->store, w->wall_ms, &(uint64_t){0}));
    for (int i = 0; i < 30; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        world_set(w, key, 1, i == 0 ? 0 : w->wall_ms + 1);
    }
    int seen = 0;
    uint64_t cursor = 0;
    do {
        cursor = ic_store_scan(w->store, cursor, count_visit, &seen);
    } while (cursor != 0);
    assert_int_equal(seen, 30);
    w->wall_ms += 1;
    struct ic_entry *e = ic_store_random(w->store, w->wall_ms, &(uint64_t){0});
    assert_true(e != NULL && ic_slice_equal(ic_entry_key(e), ic_slice_str("k0")));
    world_turn_end(w);
    world_deinit(w);
}

static void test_bad_code_table(void **state)
{
    (void)state;
    struct world *w = start(100000, small_code);
    char why[IC_STORE_WHY_MAX];
    struct ic_config *config = ic_config_new();
    struct ic_store *s;
    struct ic_store_setup setup = {.config = config, .pool = w->pool, .rng = &w->rng};
    assert_int_equal(ic_store_new(&setup, &s, why), IC_EINVAL);
    assert_non_null(strstr(why, "10+2")); /* of the default table; the pool has 8 */
    ic_config_free(config);
    world_deinit(w);
}

/* Every allocation of a small life fails once: nothing leaks, nothing is half done. */
static void test_failing_memory(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 40; at++) {
        struct world *w = start(20000, small_code);
        int64_t a = world_set(w, "a", 100, 0);
        ic_alloc_fail_at(at);
        int64_t b = world_set(w, "b", 100, w->wall_ms + 5);
        int copied = world_change(w, IC_CHANGE_COPY, "a", "c", 0);
        int flushed = world_change(w, IC_CHANGE_FLUSH, NULL, NULL, 0);
        ic_alloc_fail_at(0);
        assert_true(b > 0 || b == IC_ENOMEM);
        if (flushed < 0) {
            assert_int_equal(world_get(w, "a"), a);
            assert_int_equal(world_get(w, "b"), b > 0 ? b : 0);
            assert_int_equal(world_get(w, "c"), copied < 0 ? 0 : a);
        } else {
            assert_int_equal(ic_store_count(w->store), 0);
        }
        world_deinit(w);
        assert_int_equal(ic_alloc_live(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_set_get_del),
        leak_test(test_copy_and_rename_share),
        leak_test(test_expiry),
        leak_test(test_expired_copy_at_restart),
        leak_test(test_pins),
        leak_test(test_dropped_draft),
        leak_test(test_flush),
        leak_test(test_atomic_commit),
        leak_test(test_journal_failure_is_undone),
        leak_test(test_eviction_survives_journal_failure),
        leak_test(test_eviction),
        leak_test(test_pinned_is_not_evicted),
        leak_test(test_no_room),
        leak_test(test_too_big),
        leak_test(test_limits_evict),
        leak_test(test_lost_instances),
        leak_test(test_a_chunk_is_charged_to_one_instance),
        leak_test(test_lost_and_late_chunks),
        leak_test(test_restart_and_lists),
        leak_test(test_watch),
        leak_test(test_watchers_are_not_told),
        leak_test(test_done_may_commit_and_forget),
        leak_test(test_scan_and_random),
        leak_test(test_bad_code_table),
        leak_test(test_failing_memory),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
