/*
 * test_store_random.c - random lives of a store against a model that is a plain array:
 * key -> id of the version, expiry. After every turn:
 *
 *   - a key shows the model's version or nothing, never another (an old one least of all);
 *     nothing only if it expired, was evicted or lost too many chunks
 *   - each instance's live + condemned + in flight is what its node holds
 *
 * with journal failures (the turn is taken back), nodes that die, deletes delivered late,
 * pinned readers, drafts given up half-way, flushes, copies between a function's two instances of
 * which now one answers and now the other, and restarts in between.
 */
#include "unit/store_world.h"

#include <signal.h>

enum { KEYS = 24, PINS = 4, DRAFTS = 3, COPIES = 3, STEPS = 1500, SEEDS = 12 };

struct model_key {
    uint64_t id; /* 0: shows nothing */
    int64_t expires_ms;
};

struct life {
    struct world w;
    struct model_key key[KEYS], before[KEYS]; /* before: at the turn's start */
    struct ic_object *pinned[PINS];
    struct ic_object *draft[DRAFTS];
    int draft_key[DRAFTS];
    struct world_copy copy[COPIES];
    uint64_t unexplained; /* keys that showed nothing although the model has them */
    uint64_t dropped; /* evicted and purged keys in earlier lives of the proxy, or not counted */
    bool flushed;     /* in this turn: an eviction is none of keys */
    int turns_failed;
};

static struct life life;

static const char *name_of(int key)
{
    static char name[32];
    snprintf(name, sizeof name, "key-%d", key);
    return name;
}

static void turn_done(void *ctx, int result)
{
    struct life *l = ctx;
    assert_true(result == 0 || result == IC_EIO);
    l->w.result = result;
}

static int commit(struct life *l, struct ic_change change)
{
    return ic_store_commit(l->w.store, &change, 1, l->w.wall_ms, turn_done, l);
}

static void start_draft(struct life *l, int slot)
{
    int key = (int)ic_rng_below(&l->w.rng, KEYS);
    uint64_t size = ic_rng_below(&l->w.rng, 4) == 0 ? 0 : ic_rng_below(&l->w.rng, 6000);
    int result = world_draft(&l->w, name_of(key), size, &l->draft[slot]);
    assert_true(result == 0 || result == IC_EIO || result == IC_ENOSPC);
    l->draft_key[slot] = key;
    if (result == 0) {
        for (uint16_t i = 0; i < 3; i++) {
            if (ic_rng_below(&l->w.rng, 4) > 0) { /* else later, or never */
                world_write(&l->w, l->draft[slot], i, ic_rng_below(&l->w.rng, 8) > 0);
            }
        }
    }
}

static void finish_draft(struct life *l, int slot)
{
    struct ic_object *o = l->draft[slot];
    l->draft[slot] = NULL;
    for (uint16_t i = 0; i < 3; i++) {
        if (o->place[i].state == IC_CHUNK_WRITING && o->place[i].instance == 0 &&
            ic_rng_below(&l->w.rng, 4) > 0) {
            world_write(&l->w, o, i, true);
        } else if (o->place[i].state == IC_CHUNK_WRITING) {
            ic_store_lost(l->w.store, o, i, o->place[i].instance);
        }
    }
    if (ic_store_held_count(l->w.store, o) < 2) {
        ic_store_drop(l->w.store, o);
        return;
    }
    uint64_t id = o->id;
    int key = l->draft_key[slot];
    int64_t expires =
        ic_rng_below(&l->w.rng, 3) == 0 ? l->w.wall_ms + (int64_t)ic_rng_below(&l->w.rng, 300) : 0;
    int result = commit(l, (struct ic_change){.kind = IC_CHANGE_PUT,
                                              .key = ic_slice_str(name_of(key)),
                                              .draft = o,
                                              .expires_ms = expires});
    if (result < 0) {
        assert_int_equal(result, IC_EIO);
        ic_store_drop(l->w.store, o);
        return;
    }
    l->key[key] = (struct model_key){.id = id, .expires_ms = expires};
}

static bool shows(struct life *l, int key)
{
    return ic_store_find(l->w.store, ic_slice_str(name_of(key)), l->w.wall_ms) != NULL;
}

/* DELETE, EXPIRE, RENAME, COPY or FLUSH of what is there. */
static void change_key(struct life *l, enum ic_change_kind kind)
{
    int key = (int)ic_rng_below(&l->w.rng, KEYS), to = (int)ic_rng_below(&l->w.rng, KEYS);
    char name[32], to_name[32];
    snprintf(name, sizeof name, "%s", name_of(key));
    snprintf(to_name, sizeof to_name, "%s", name_of(to));
    int64_t expires = ic_rng_below(&l->w.rng, 2) == 0 ? 0 : l->w.wall_ms + 150;
    if (kind != IC_CHANGE_FLUSH && !shows(l, key)) {
        return;
    }
    int result = commit(l, (struct ic_change){.kind = kind,
                                              .key = ic_slice_str(name),
                                              .to = ic_slice_str(to_name),
                                              .expires_ms = expires});
    assert_true(result == 0 || result == IC_EIO);
    if (result < 0) {
        return;
    }
    switch (kind) {
    case IC_CHANGE_DELETE:
        l->key[key] = (struct model_key){0};
        break;
    case IC_CHANGE_EXPIRE:
        l->key[key].expires_ms = expires;
        break;
    case IC_CHANGE_RENAME:
    case IC_CHANGE_COPY: {
        struct model_key moved = l->key[key];
        if (kind == IC_CHANGE_RENAME && key != to) {
            l->key[key] = (struct model_key){0};
        }
        l->key[to] = moved;
        break;
    }
    case IC_CHANGE_FLUSH:
        memset(l->key, 0, sizeof l->key);
        l->flushed = true;
        break;
    case IC_CHANGE_PUT:
        break;
    }
}

static void toggle_pin(struct life *l, int slot)
{
    if (l->pinned[slot] != NULL) {
        ic_store_unpin(l->w.store, l->pinned[slot]);
        l->pinned[slot] = NULL;
        return;
    }
    struct ic_entry *e = ic_store_random(l->w.store, l->w.wall_ms, &(uint64_t){0});
    if (e != NULL) {
        l->pinned[slot] = e->object;
        ic_store_pin(l->w.store, e->object);
    }
}

/* Begins to copy a chunk between two instances, or ends that. */
static void copy_some(struct life *l, int slot)
{
    if (l->copy[slot].o != NULL) {
        world_copy_end(&l->w, &l->copy[slot], ic_rng_below(&l->w.rng, 6) > 0);
        return;
    }
    uint16_t function = (uint16_t)ic_rng_below(&l->w.rng, WORLD_FUNCTIONS);
    world_meet(&l->w, function);
    l->copy[slot] = world_find_copy(&l->w, function);
    if (l->copy[slot].o != NULL) {
        world_copy_begin(&l->w, &l->copy[slot]);
    }
}

static void check_keys(struct life *l)
{
    for (int key = 0; key < KEYS; key++) {
        struct model_key *m = &l->key[key];
        struct ic_entry *e = ic_store_find(l->w.store, ic_slice_str(name_of(key)), l->w.wall_ms);
        if (e != NULL) {
            assert_int_equal(e->object->id, m->id);
            assert_int_equal(e->expires_ms, m->expires_ms);
            assert_int_equal(e->object->state, IC_OBJECT_COMMITTED);
            continue;
        }
        if (!ic_store_writable(l->w.store)) {
            continue; /* not shown, but still there */
        }
        if (m->id != 0 && (m->expires_ms == 0 || m->expires_ms > l->w.wall_ms)) {
            l->unexplained++;
        }
        *m = (struct model_key){0}; /* gone for good: it must not come back */
    }
    struct ic_store_stats stats = ic_store_stats(l->w.store);
    if (ic_store_writable(l->w.store)) {
        assert_true(l->unexplained <= l->dropped + stats.evicted + stats.purged);
    }
}

static void end_turn(struct life *l)
{
    bool fail = ic_rng_below(&l->w.rng, 40) == 0;
    l->w.result = 0;
    if (fail) {
        world_fail_disk(true);
    }
    world_turn_end(&l->w);
    if (fail) {
        world_fail_disk(false);
    }
    if (!ic_store_writable(l->w.store)) {
        l->turns_failed++;
        l->dropped += l->flushed ? KEYS : 0;
        memcpy(l->key, l->before, sizeof l->key);
        check_keys(l);
        world_check(&l->w);
        l->w.now_ms += 2000;
        ic_store_tick(l->w.store, l->w.now_ms, l->w.wall_ms);
        assert_true(ic_store_writable(l->w.store));
    }
    l->flushed = false;
    check_keys(l);
    world_turn_end(&l->w); /* what check_keys found expired or lost */
    world_check(&l->w);
    memcpy(l->before, l->key, sizeof l->key);
}

static void give_up_all(struct life *l)
{
    for (int i = 0; i < PINS; i++) {
        if (l->pinned[i] != NULL) {
            ic_store_unpin(l->w.store, l->pinned[i]);
            l->pinned[i] = NULL;
        }
    }
    for (int i = 0; i < DRAFTS; i++) {
        if (l->draft[i] != NULL) {
            ic_store_drop(l->w.store, l->draft[i]);
            l->draft[i] = NULL;
        }
    }
    for (int i = 0; i < COPIES; i++) {
        if (l->copy[i].o != NULL) {
            world_copy_end(&l->w, &l->copy[i], true);
        }
    }
}

static void restart(struct life *l)
{
    struct ic_store_stats stats = ic_store_stats(l->w.store);
    l->dropped += stats.evicted + stats.purged;
    memset(l->pinned, 0, sizeof l->pinned);
    memset(l->draft, 0, sizeof l->draft);
    memset(l->copy, 0, sizeof l->copy);
    memcpy(l->key, l->before, sizeof l->key); /* this turn's changes were not acknowledged */
    world_stop(&l->w);
    world_start(&l->w);
    check_keys(l);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_hello(&l->w, i);
    }
    end_turn(l);
}

static void step(struct life *l)
{
    struct ic_rng *rng = &l->w.rng;
    int slot = (int)ic_rng_below(rng, DRAFTS);
    switch (ic_rng_below(rng, 32)) {
    default:
        if (l->draft[slot] == NULL) {
            start_draft(l, slot);
        } else {
            finish_draft(l, slot);
        }
        break;
    case 0:
    case 1:
        change_key(l, IC_CHANGE_DELETE);
        break;
    case 2:
        change_key(l, IC_CHANGE_EXPIRE);
        break;
    case 3:
        change_key(l, IC_CHANGE_RENAME);
        break;
    case 4:
        change_key(l, IC_CHANGE_COPY);
        break;
    case 5:
        if (ic_rng_below(rng, 10) == 0) {
            change_key(l, IC_CHANGE_FLUSH);
        }
        break;
    case 6:
    case 7:
        toggle_pin(l, (int)ic_rng_below(rng, PINS));
        break;
    case 8:
        world_deliver_deletes(&l->w, (uint16_t)ic_rng_below(rng, WORLD_FUNCTIONS));
        break;
    case 9:
        l->w.wall_ms += 20;
        l->w.now_ms += 20;
        ic_store_tick(l->w.store, l->w.now_ms, l->w.wall_ms);
        break;
    case 10:
        if (ic_rng_below(rng, 12) == 0) {
            uint16_t function = (uint16_t)ic_rng_below(rng, WORLD_FUNCTIONS);
            world_kill_node(&l->w, function);
        }
        break;
    case 11:
        if (ic_rng_below(rng, 10) == 0) {
            restart(l);
        }
        break;
    case 12:
    case 13:
    case 14:
    case 15:
        copy_some(l, (int)ic_rng_below(rng, COPIES));
        break;
    case 16: {
        uint16_t function = (uint16_t)ic_rng_below(rng, WORLD_FUNCTIONS);
        if (ic_rng_below(rng, 8) == 0) {
            world_kill_peer(&l->w, function);
        } else if (l->w.peer[function].serial != 0) {
            world_flip(&l->w, function);
        }
        break;
    }
    }
}

static uint64_t evicted; /* or purged, in all lives */

/* Returns how many turns were taken back. */
static int live(uint64_t seed, const char *eviction)
{
    const char *const set[] = {"code-table", "*:2+1",  "unit-size", "64",
                               "eviction",   eviction, NULL};
    memset(&life, 0, sizeof life);
    world_init(&life.w, seed, 12000, set);
    world_hello_all(&life.w);
    for (int i = 0; i < STEPS; i++) {
        step(&life);
        if (ic_rng_below(&life.w.rng, 3) == 0) {
            end_turn(&life);
        }
    }
    end_turn(&life);
    evicted += life.dropped + ic_store_stats(life.w.store).evicted;
    give_up_all(&life);
    assert_int_equal(commit(&life, (struct ic_change){.kind = IC_CHANGE_FLUSH}), 0);
    world_turn_end(&life.w);
    while (ic_store_tick(life.w.store, life.w.now_ms, life.w.wall_ms)) {
    }
    world_turn_end(&life.w);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_deliver_deletes(&life.w, i);
        world_deliver_deletes_to(&life.w, i, &life.w.peer[i]);
        assert_int_equal(life.w.node[i].count, 0); /* no chunk is left behind */
        assert_true(life.w.peer[i].serial == 0 || life.w.peer[i].count == 0);
        assert_int_equal(ic_store_uncopied(life.w.store, i), 0);
        assert_int_equal(ic_pool_function(life.w.pool, i)->planned, 0);
    }
    world_check(&life.w);
    assert_int_equal(ic_store_copies(life.w.store), 0);
    assert_int_equal(ic_store_stats(life.w.store).objects, 0);
    world_deinit(&life.w);
    return life.turns_failed;
}

static void test_random_lives(void **state)
{
    (void)state;
    static const char *const kinds[] = {"gdsf", "sieve", "s3fifo", "lru", "clock"};
    signal(SIGXFSZ, SIG_IGN);
    int failed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        failed += live(seed, kinds[seed % 5]);
    }
    assert_true(failed > SEEDS);  /* the disk did fail, now and then, */
    assert_true(evicted > SEEDS); /* and memory was short */
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_random_lives)};
    return cmocka_run_group_tests_name("store_random", tests, NULL, NULL);
}
