/*
 * test_store_rebuild.c - the journal is lost and the nodes are not: what the store makes of
 * their lists, and that a journal is there again afterwards.
 */
#include "proxy/store.h"

#include "unit/store_world.h"

#include <signal.h>
#include <unistd.h>

static const char *const small_code[] = {"code-table", "*:2+1", "unit-size", "64", NULL};

enum { SEALS_MAX = 4096, KEY_MAX = 16 };

struct stored { /* what the seals of an object say */
    uint64_t id, version;
    int64_t expires_ms;
    uint64_t size;
    char key[KEY_MAX];
};

static struct world world;
static struct stored stored[SEALS_MAX];
static size_t stored_count;

static struct world *start(const char *const *set)
{
    stored_count = 0;
    world_init(&world, 1, 1 << 20, set);
    world_hello_all(&world);
    return &world;
}

static void put(struct world *w, const char *key, uint64_t size, int64_t expires_ms)
{
    assert_true(world_set(w, key, size, expires_ms) > 0);
    const struct ic_object *o = ic_store_find(w->store, ic_slice_str(key), w->wall_ms)->object;
    assert_true(stored_count < SEALS_MAX);
    struct stored *s = &stored[stored_count++];
    *s =
        (struct stored){.id = o->id, .version = o->version, .expires_ms = expires_ms, .size = size};
    snprintf(s->key, sizeof s->key, "%s", key);
}

static struct ic_item item_of(const struct world_chunk *c)
{
    const struct stored *s = stored;
    while (s->id != c->object_id) {
        s++;
        assert_true(s < stored + stored_count);
    }
    return (struct ic_item){.object_id = c->object_id,
                            .chunk = c->chunk,
                            .sealed = c->sealed,
                            .written_bytes = c->length,
                            .seal = {.chunk_length = c->length,
                                     .object_size = s->size,
                                     .version = s->version,
                                     .expires_ms = s->expires_ms,
                                     .unit = c->unit,
                                     .data = 2,
                                     .parity = 1,
                                     .key = ic_slice_str(s->key)}};
}

/* As functions.c: the instance is known when its list's end is told. */
static void list(struct world *w, uint16_t i)
{
    struct world_node *n = &w->node[i];
    struct ic_pool_instance *instance =
        ic_pool_heard(w->pool, i, n->id, w->capacity, 0, world_held(n), w->now_ms);
    n->serial = instance->serial;
    ic_store_list_begin(w->store, i, n->serial);
    for (size_t k = 0; k < n->count; k++) {
        struct ic_item item = item_of(&n->chunk[k]);
        (void)ic_store_list_item(w->store, i, n->serial, &item);
    }
    ic_pool_set_known(instance, true);
    ic_store_list_end(w->store, i, n->serial);
}

static void list_all(struct world *w)
{
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        list(w, i);
    }
}

/* The proxy dies, and its journal with it; another begins. */
static void lose_journal(struct world *w)
{
    char path[128];
    world_stop(w);
    snprintf(path, sizeof path, "%s/journal.lmdb", w->dir);
    assert_int_equal(unlink(path), 0);
    w->rebuild = true;
    world_start(w);
    ic_store_set_epoch(w->store, 0xfffff0); /* above what the nodes have seen */
}

static void settle(struct world *w)
{
    int result;
    while ((result = ic_store_rebuild_step(w->store, w->wall_ms)) > 0) {
    }
    assert_int_equal(result, 0);
    assert_int_equal(ic_journal_rebuilt(w->journal), 0);
}

static uint64_t last_id(void)
{
    return stored[stored_count - 1].id;
}

static void test_what_comes_back(void **state)
{
    (void)state;
    struct world *w = start(small_code);
    put(w, "a", 1000, 0);
    put(w, "a", 500, 0);
    uint64_t a = last_id();
    put(w, "empty", 0, 0);
    put(w, "soon", 300, w->wall_ms + 100);
    put(w, "later", 300, w->wall_ms + 100000);
    uint64_t later = last_id();
    put(w, "deleted", 300, 0);
    put(w, "gone", 300, 0);
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "deleted", NULL, 0), 0);
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "gone", NULL, 0), 0);
    const struct stored *gone = &stored[stored_count - 1];
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        for (uint16_t c = 0; c < 3; c++) { /* of "gone", the DELETEs have arrived */
            world_remove_chunk(&w->node[i], gone->id, c);
        }
    }
    lose_journal(w);
    list_all(w);
    assert_int_equal(ic_store_count(w->store), 0);
    list(w, 3);                                                    /* dialled again, listed again */
    assert_int_equal(ic_store_rebuild_stats(w->store).objects, 6); /* "a" was two */
    w->wall_ms += 1000;
    settle(w);
    struct ic_store_rebuild_stats stats = ic_store_rebuild_stats(w->store);
    assert_int_equal(stats.restored, 4);
    assert_int_equal(stats.expired, 1);
    assert_int_equal(stats.unreadable, 0);
    for (int life = 0; life < 2; life++) { /* rebuilt, then from the new journal */
        assert_int_equal(ic_store_count(w->store), 4);
        assert_int_equal(world_get(w, "a"), a);
        assert_true(world_get(w, "empty") > 0);
        assert_int_equal(world_get(w, "later"), later);
        assert_true(world_get(w, "deleted") > 0); /* nobody knows of that */
        assert_int_equal(world_get(w, "gone"), 0);
        assert_int_equal(world_get(w, "soon"), 0);
        world_check(w);
        world_stop(w);
        world_start(w);
        list_all(w);
    }
    put(w, "a", 77, 0);
    assert_true(last_id() > a);
    assert_true(stored[stored_count - 1].version > a);
    world_check(w);
    world_deinit(w);
}

/* Of 2+1 one chunk may be lost. Beyond that, as when it was only half written, an older version
 * that is whole is shown; if there is none it is a miss. */
static void test_lost_functions(void **state)
{
    (void)state;
    struct world *w = start(small_code);
    put(w, "a", 1000, 0);
    uint64_t older = last_id();
    put(w, "a", 2000, 0);
    uint64_t newer = last_id();
    put(w, "b", 1000, 0);
    uint64_t b = last_id();
    put(w, "c", 1000, 0);
    uint64_t c = last_id();
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_remove_chunk(&w->node[i], newer, 0);
        world_remove_chunk(&w->node[i], newer, 1);
        world_remove_chunk(&w->node[i], b, 2);
        world_remove_chunk(&w->node[i], c, 1);
        world_remove_chunk(&w->node[i], c, 2);
    }
    lose_journal(w);
    list_all(w);
    settle(w);
    assert_int_equal(world_get(w, "a"), older);
    assert_int_equal(world_get(w, "b"), b);
    assert_int_equal(world_get(w, "c"), 0);
    assert_int_equal(ic_store_rebuild_stats(w->store).unreadable, 1);
    world_check(w);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_deliver_deletes(w, i);
    }
    world_check(w);
    size_t chunks = 0;
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        chunks += w->node[i].count;
    }
    assert_int_equal(chunks, 3 + 2); /* of a and b: everything else is deleted */
    world_deinit(w);
}

/* A proxy that dies while it fills its journal leaves one that is rebuilt again. */
static void test_half_rebuilt(void **state)
{
    (void)state;
    struct world *w = start(small_code);
    enum { KEYS = 1200 };
    for (int i = 0; i < KEYS; i++) {
        char key[KEY_MAX];
        snprintf(key, sizeof key, "k%d", i);
        put(w, key, 10, 0);
    }
    lose_journal(w);
    list_all(w);
    assert_int_equal(ic_store_rebuild_step(w->store, w->wall_ms), 1);
    assert_true(ic_store_count(w->store) > 0 && ic_store_count(w->store) < KEYS);
    world_stop(w);
    world_start(w);
    assert_int_equal(ic_store_count(w->store), 0);
    ic_store_set_epoch(w->store, 0xfffff0);
    list_all(w);
    settle(w);
    assert_int_equal(ic_store_count(w->store), KEYS);
    world_check(w);
    world_stop(w);
    w->rebuild = false;
    world_start(w);
    assert_int_equal(ic_store_count(w->store), KEYS);
    world_deinit(w);
}

/* A function that was given up and shows up while the outcome is settled: it is listed anew. */
static uint32_t count_held(const struct world *w, uint16_t function)
{
    uint32_t held = 0;
    for (size_t i = 0; i < stored_count; i++) {
        const struct ic_object *o = ic_store_object(w->store, stored[i].id);
        for (size_t c = 0; o != NULL && c < ic_object_chunks(o); c++) {
            held += o->place[c].state == IC_CHUNK_HELD && o->place[c].function == function;
        }
    }
    return held;
}

static void test_late_list(void **state)
{
    (void)state;
    struct world *w = start(small_code);
    for (int i = 0; i < 600; i++) {
        char key[KEY_MAX];
        snprintf(key, sizeof key, "k%d", i);
        put(w, key, 10, 0);
    }
    lose_journal(w);
    for (uint16_t i = 1; i < WORLD_FUNCTIONS; i++) {
        list(w, i);
    }
    assert_int_equal(ic_store_rebuild_step(w->store, w->wall_ms), 1);
    list(w, 0);
    assert_false(ic_pool_find(w->pool, 0, w->node[0].serial)->known);
    settle(w);
    assert_int_equal(ic_pool_find(w->pool, 0, w->node[0].serial)->live, 0);
    list(w, 0);
    assert_true(ic_pool_find(w->pool, 0, w->node[0].serial)->known);
    assert_int_equal(ic_pool_find(w->pool, 0, w->node[0].serial)->live, world_held(&w->node[0]));
    assert_int_equal(ic_store_count(w->store), 600);
    world_check(w);
    world_turn_end(w);
    uint32_t held = count_held(w, 0);
    assert_true(held > 0);
    world_stop(w);
    world_start(w);
    assert_int_equal(count_held(w, 0), held); /* the journal has what was brought back */
    world_deinit(w);
}

/* More keys than catalog-memory allows: the newest stay, the others' chunks are condemned. Half as
 * many again are gathered, and what is too much goes by and by. */
static void test_catalog_memory(void **state)
{
    (void)state;
    struct world *w = start(small_code);
    for (int i = 0; i < 4000; i++) {
        char key[KEY_MAX];
        snprintf(key, sizeof key, "k%d", i);
        put(w, key, 10, 0);
    }
    assert_int_equal(
        ic_config_set(w->config, ic_slice_str("catalog-memory"), ic_slice_str("1mb"), w->why), 0);
    lose_journal(w);
    list_all(w);
    settle(w);
    struct ic_store_rebuild_stats stats = ic_store_rebuild_stats(w->store);
    assert_true(stats.dropped > 100 && stats.restored > 2600);
    assert_true(stats.dropped + stats.restored <= 4000);
    for (int ticks = 0; ic_store_tick(w->store, w->now_ms, w->wall_ms); ticks++) {
        assert_true(ticks < 100);
    }
    assert_true(ic_store_stats(w->store).catalog_memory <= 1 << 20);
    assert_true(ic_store_count(w->store) > 2000);
    assert_true(world_get(w, "k3999") > 0);
    assert_int_equal(world_get(w, "k0"), 0);
    world_check(w);
    world_deinit(w);
}

/* A disk that is full: it cannot go on, and the nodes keep everything. */
static void test_full_disk(void **state)
{
    (void)state;
    struct world *w = start(small_code);
    for (int i = 0; i < 600; i++) {
        char key[KEY_MAX];
        snprintf(key, sizeof key, "k%d", i);
        put(w, key, 10, 0);
    }
    lose_journal(w);
    list_all(w);
    signal(SIGXFSZ, SIG_IGN);
    world_fail_disk(true);
    int result;
    while ((result = ic_store_rebuild_step(w->store, w->wall_ms)) > 0) {
    }
    world_fail_disk(false);
    assert_int_equal(result, IC_EIO);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        assert_int_equal(ic_pool_find(w->pool, i, w->node[i].serial)->condemned, 0);
    }
    world_stop(w);
    world_start(w);
    ic_store_set_epoch(w->store, 0xfffff0);
    list_all(w);
    settle(w);
    assert_int_equal(ic_store_count(w->store), 600);
    world_deinit(w);
}

static void test_failing_memory(void **state)
{
    (void)state;
    struct world *w = start(small_code);
    put(w, "a", 1000, 0);
    put(w, "b", 1000, 0);
    int failures = 0;
    lose_journal(w);
    for (unsigned n = 1; n < 40; n++) {
        ic_alloc_fail_at(n);
        list_all(w);
        int result = ic_store_rebuild_step(w->store, w->wall_ms);
        ic_alloc_fail_at(0);
        assert_true(result == 0 || result == IC_ENOMEM);
        failures += result < 0;
        world_stop(w);
        world_start(w);
        ic_store_set_epoch(w->store, 0xfffff0);
    }
    assert_true(failures > 5);
    list_all(w);
    settle(w);
    assert_true(world_get(w, "a") > 0 && world_get(w, "b") > 0);
    world_deinit(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_what_comes_back), leak_test(test_lost_functions),
        leak_test(test_half_rebuilt),    leak_test(test_late_list),
        leak_test(test_catalog_memory),  leak_test(test_full_disk),
        leak_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
