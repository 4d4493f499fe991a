/*
 * store_world.h - a store with everything around it but the network: a real pool, a real
 * journal in a folder of its own, and nodes that are lists of chunks.
 *
 *   world: store -- pool -- node 0 (instance id, chunks it holds), and its peer
 *             |             node 1 ...
 *          journal (dir)
 */
#ifndef IC_TEST_STORE_WORLD_H
#define IC_TEST_STORE_WORLD_H

#include "base/config.h"
#include "base/random.h"
#include "core/pool.h"
#include "proto/frame.h"
#include "proto/link_body.h"
#include "proxy/journal.h"
#include "proxy/store_internal.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { WORLD_FUNCTIONS = 8, WORLD_CHUNKS_MAX = 4096 };

struct world_chunk {
    uint64_t object_id, length, size, cost;
    uint32_t unit, key_len;
    uint16_t chunk;
    bool sealed;
};

struct world_node {
    uint8_t id[16];
    uint32_t serial; /* 0: not heard of yet by this proxy */
    struct world_chunk chunk[WORLD_CHUNKS_MAX];
    size_t count;
};

struct world {
    char dir[64], why[IC_STORE_WHY_MAX];
    struct ic_config *config;
    struct ic_pool *pool;
    struct ic_journal *journal;
    struct ic_store *store;
    struct ic_rng rng;
    struct world_node node[WORLD_FUNCTIONS]; /* that answers */
    struct world_node peer[WORLD_FUNCTIONS]; /* a second instance, if it was met */
    uint64_t capacity;
    uint64_t now_ms;
    int64_t wall_ms;
    void (*degraded)(void *ctx, struct ic_object *o, enum ic_degraded found); /* NULL: nobody */
    bool due;     /* the store wants ic_store_turn_end */
    int result;   /* of the last commit's done */
    int results;  /* how many */
    bool rebuild; /* a journal that is missing is to be rebuilt */
};

static inline void world_schedule(void *ctx)
{
    struct world *w = ctx;
    assert_false(w->due);
    w->due = true;
}

static inline void world_gone(void *ctx, uint16_t function, uint32_t serial)
{
    struct world *w = ctx;
    if (w->store != NULL) {
        ic_store_instance_gone(w->store, function, serial);
    }
}

static inline void world_new_id(struct world *w, uint16_t i)
{
    uint64_t id[2] = {ic_rng_next(&w->rng), ic_rng_next(&w->rng)};
    memcpy(w->node[i].id, id, sizeof id);
    w->node[i].serial = 0;
    w->node[i].count = 0;
}

static inline void world_new_peer(struct world *w, uint16_t i)
{
    uint64_t id[2] = {ic_rng_next(&w->rng), ic_rng_next(&w->rng)};
    memcpy(w->peer[i].id, id, sizeof id);
    w->peer[i].serial = 0;
    w->peer[i].count = 0;
}

/* Journal, pool, store; loads. */
static inline void world_start(struct world *w)
{
    struct ic_journal_setup journal = {.dir = w->dir,
                                       .appendfsync = IC_FSYNC_NO,
                                       .prefix = "test",
                                       .functions = WORLD_FUNCTIONS,
                                       .memory = 1,
                                       .rebuild = w->rebuild};
    struct ic_journal_meta meta;
    if (ic_journal_open(&journal, &w->journal, &meta, w->why) < 0) {
        fail_msg("%s", w->why);
    }
    struct ic_pool_settings pool = {.functions = WORLD_FUNCTIONS,
                                    .capacity = w->capacity,
                                    .invocation_max_ms = 1000,
                                    .backoff_min_ms = 1,
                                    .backoff_max_ms = 1,
                                    .throttle_max_ms = 1,
                                    .gone = world_gone,
                                    .ctx = w};
    w->pool = ic_pool_new(&pool, w->now_ms);
    ic_pool_set_peers(w->pool, true);
    struct ic_store_setup setup = {.config = w->config,
                                   .pool = w->pool,
                                   .journal = w->journal,
                                   .epoch = meta.epoch,
                                   .rng = &w->rng,
                                   .schedule = world_schedule,
                                   .degraded = w->degraded,
                                   .ctx = w};
    if (ic_store_new(&setup, &w->store, w->why) < 0) {
        fail_msg("%s", w->why);
    }
    if (meta.rebuild) {
        assert_int_equal(ic_store_rebuild_begin(w->store), 0);
    } else if (ic_store_load(w->store, w->wall_ms, w->why) < 0) {
        fail_msg("%s", w->why);
    }
}

/* Nodes stay as they are. What was not committed is lost, as with kill -9. */
static inline void world_stop(struct world *w)
{
    ic_journal_rewind(w->journal, 0);
    ic_store_free(w->store);
    ic_pool_free(w->pool);
    ic_journal_close(w->journal);
    w->store = NULL;
    w->due = false;
    for (int i = 0; i < WORLD_FUNCTIONS; i++) {
        w->node[i].serial = w->peer[i].serial = 0;
    }
}

/* SET: directives and values in turn, NULL-ended. */
static inline void world_init(struct world *w, uint64_t seed, uint64_t capacity,
                              const char *const *set)
{
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/ic-store-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    ic_rng_init(&w->rng, seed);
    w->capacity = capacity;
    w->now_ms = 1000;
    w->wall_ms = 1000000;
    w->config = ic_config_new();
    for (; set != NULL && set[0] != NULL; set += 2) {
        if (ic_config_set(w->config, ic_slice_str(set[0]), ic_slice_str(set[1]), w->why) < 0) {
            fail_msg("%s", w->why);
        }
    }
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_new_id(w, i);
        world_new_peer(w, i);
    }
    world_start(w);
}

static inline void world_deinit(struct world *w)
{
    char command[128];
    world_stop(w);
    ic_config_free(w->config);
    snprintf(command, sizeof command, "rm -rf %.63s", w->dir);
    assert_int_equal(system(command), 0);
}

static inline uint64_t world_held(const struct world_node *n)
{
    uint64_t held = 0;
    for (size_t i = 0; i < n->count; i++) {
        held += n->chunk[i].cost;
    }
    return held;
}

/* What it lacks is looked for in ticks to come. */
static inline void world_begin_list(struct world *w, uint16_t i, const struct world_node *n)
{
    static const uint8_t key[256];
    ic_store_list_begin(w->store, i, n->serial);
    for (size_t k = 0; k < n->count; k++) {
        const struct world_chunk *c = &n->chunk[k];
        struct ic_item item = {.object_id = c->object_id,
                               .chunk = c->chunk,
                               .sealed = c->sealed,
                               .written_bytes = c->length,
                               .seal = {.chunk_length = c->length,
                                        .object_size = c->size,
                                        .unit = c->unit,
                                        .key = ic_slice(key, c->sealed ? c->key_len : 0)}};
        (void)ic_store_list_item(w->store, i, n->serial, &item);
    }
    ic_store_list_end(w->store, i, n->serial);
}

static inline void world_list(struct world *w, uint16_t i, const struct world_node *n)
{
    world_begin_list(w, i, n);
    while (ic_store_end_lists_some(w->store)) {
    }
}

/* A node that a proxy has not seen before drops its unsealed chunks; it is listed if the pool does
 * not know it. */
static inline void world_enter(struct world *w, uint16_t i, struct world_node *n, bool peer)
{
    if (n->serial == 0) {
        for (size_t k = 0; k < n->count;) {
            if (n->chunk[k].sealed) {
                k++;
            } else {
                n->chunk[k] = n->chunk[--n->count];
            }
        }
    }
    uint64_t held = world_held(n);
    struct ic_pool_instance *instance =
        peer ? ic_pool_met(w->pool, i, n->id, w->capacity, 0, held, w->now_ms)
             : ic_pool_heard(w->pool, i, n->id, w->capacity, 0, held, w->now_ms);
    n->serial = instance->serial;
    if (!instance->known) {
        world_list(w, i, n);
        ic_pool_set_known(instance, true);
    }
}

/* Function I's node shows up (HELLO). */
static inline void world_hello(struct world *w, uint16_t i)
{
    world_enter(w, i, &w->node[i], false);
}

/* Its peer shows up beside it. */
static inline void world_meet(struct world *w, uint16_t i)
{
    world_enter(w, i, &w->peer[i], true);
}

/* The peer answers in the node's place from now on. */
static inline void world_flip(struct world *w, uint16_t i)
{
    static struct world_node node;
    node = w->node[i];
    w->node[i] = w->peer[i];
    w->peer[i] = node;
    world_hello(w, i);
}

static inline void world_hello_all(struct world *w)
{
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_hello(w, i);
    }
}

/* Reclaimed; a fresh instance takes its place. */
static inline void world_kill_node(struct world *w, uint16_t i)
{
    if (w->node[i].serial != 0) {
        ic_pool_gone(w->pool, i, w->node[i].serial);
    }
    world_new_id(w, i);
    world_hello(w, i);
}

static inline void world_kill_peer(struct world *w, uint16_t i)
{
    if (w->peer[i].serial != 0) {
        ic_pool_gone(w->pool, i, w->peer[i].serial);
    }
    world_new_peer(w, i);
}

static inline void world_remove_chunk(struct world_node *n, uint64_t object_id, uint16_t chunk)
{
    for (size_t k = 0; k < n->count; k++) {
        if (n->chunk[k].object_id == object_id && n->chunk[k].chunk == chunk) {
            n->chunk[k] = n->chunk[--n->count];
            return;
        }
    }
}

static inline void world_deliver_deletes_to(struct world *w, uint16_t i, struct world_node *n)
{
    struct ic_pool_instance *instance = ic_pool_find(w->pool, i, n->serial);
    struct ic_condemned c;
    while (instance != NULL && ic_condemned_pop(&instance->condemned_queue, &c)) {
        world_remove_chunk(n, c.object_id, c.chunk);
        ic_pool_deleted(w->pool, i, n->serial, &c);
    }
}

static inline void world_deliver_deletes(struct world *w, uint16_t i)
{
    world_deliver_deletes_to(w, i, &w->node[i]);
}

static inline void world_turn_end(struct world *w)
{
    if (w->due) {
        w->due = false;
        ic_store_turn_end(w->store);
    }
}

/* A draft all of whose bytes have come. */
static inline int world_draft(struct world *w, const char *key, uint64_t size,
                              struct ic_object **out)
{
    int result = ic_store_draft(w->store, ic_slice_str(key), size, out);
    if (result == 0) {
        result = ic_store_claim(w->store, *out, (*out)->chunk_length);
        if (result < 0) {
            ic_store_drop(w->store, *out);
            *out = NULL;
        }
    }
    return result;
}

/*
 * Writes, and seals if SEAL, chunk I of O; DELETEs precede WRITEs. The node never overflows: where
 * its sibling was asked for the room, it refuses.
 */
static inline void world_write(struct world *w, struct ic_object *o, uint16_t i, bool seal)
{
    uint16_t function = o->place[i].function;
    struct world_node *n = &w->node[function];
    world_deliver_deletes(w, function);
    assert_true(n->count < WORLD_CHUNKS_MAX);
    if (w->peer[function].serial != 0 && world_held(n) + o->chunk_cost > w->capacity) {
        assert_int_equal(ic_store_begin(w->store, o, i, n->serial), n->serial);
        ic_store_lost(w->store, o, i, n->serial);
        world_deliver_deletes(w, function); /* of what never arrived */
        return;
    }
    n->chunk[n->count++] = (struct world_chunk){.object_id = o->id,
                                                .length = o->chunk_length,
                                                .size = o->size,
                                                .cost = o->chunk_cost,
                                                .unit = o->unit,
                                                .key_len = o->key_len,
                                                .chunk = i,
                                                .sealed = seal};
    assert_true(world_held(n) <= w->capacity);
    assert_int_equal(ic_store_begin(w->store, o, i, n->serial), n->serial);
    if (seal) {
        ic_store_sealed(w->store, o, i);
    }
}

static inline void world_write_all(struct world *w, struct ic_object *o)
{
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        world_write(w, o, i, true);
    }
}

static inline void world_done(void *ctx, int result)
{
    struct world *w = ctx;
    w->result = result;
    w->results++;
}

static inline int world_commit(struct world *w, const struct ic_change *change)
{
    int result = ic_store_commit(w->store, change, 1, w->wall_ms, world_done, w);
    if (result < 0) {
        return result;
    }
    int before = w->results;
    world_turn_end(w);
    assert_int_equal(w->results, before + 1);
    return w->result;
}

/* Draft, writes, commit, turn end. The object's id, or error < 0. */
static inline int64_t world_set(struct world *w, const char *key, uint64_t size, int64_t expires_ms)
{
    struct ic_object *o;
    int result = world_draft(w, key, size, &o);
    if (result < 0) {
        return result;
    }
    int64_t id = (int64_t)o->id;
    world_write_all(w, o);
    struct ic_change change = {
        .kind = IC_CHANGE_PUT, .key = ic_slice_str(key), .draft = o, .expires_ms = expires_ms};
    result = world_commit(w, &change);
    return result < 0 ? result : id;
}

static inline int world_change(struct world *w, enum ic_change_kind kind, const char *key,
                               const char *to, int64_t expires_ms)
{
    struct ic_change change = {.kind = kind,
                               .key = ic_slice_str(key == NULL ? "" : key),
                               .to = ic_slice_str(to == NULL ? "" : to),
                               .expires_ms = expires_ms};
    return world_commit(w, &change);
}

/* The object that KEY names, or NULL. */
static inline struct ic_object *world_object(struct world *w, const char *key)
{
    struct ic_entry *e = ic_store_find(w->store, ic_slice_str(key), w->wall_ms);
    return e == NULL ? NULL : e->object;
}

/* Id of the version it shows, 0: none. */
static inline uint64_t world_get(struct world *w, const char *key)
{
    struct ic_entry *e = ic_store_read(w->store, ic_slice_str(key), w->wall_ms);
    if (e == NULL) {
        return 0;
    }
    assert_int_equal(e->object->state, IC_OBJECT_COMMITTED);
    assert_true(ic_store_held_count(w->store, e->object) >= e->object->data);
    return e->object->id;
}

/* ---- copies between a function's two instances ------------------------------- */

struct world_copy {
    struct ic_object *o; /* NULL: none */
    uint16_t chunk;
    uint32_t from, to;
};

static inline struct world_node *world_node_of(struct world *w, uint16_t function, uint32_t serial)
{
    return serial == 0                          ? NULL
           : w->node[function].serial == serial ? &w->node[function]
           : w->peer[function].serial == serial ? &w->peer[function]
                                                : NULL;
}

static inline struct world_chunk *world_chunk_of(struct world_node *n, uint64_t id, uint16_t chunk)
{
    for (size_t k = 0; n != NULL && k < n->count; k++) {
        if (n->chunk[k].object_id == id && n->chunk[k].chunk == chunk) {
            return &n->chunk[k];
        }
    }
    return NULL;
}

/* Written to its end, not sealed. False: the node has no room, and nothing was begun. */
static inline bool world_copy_begin(struct world *w, struct world_copy *copy)
{
    uint16_t function = copy->o->place[copy->chunk].function;
    struct world_node *to = world_node_of(w, function, copy->to);
    const struct world_chunk *from =
        world_chunk_of(world_node_of(w, function, copy->from), copy->o->id, copy->chunk);
    assert_true(from != NULL && from->sealed);
    world_deliver_deletes_to(w, function, to);
    if (world_held(to) + from->cost > w->capacity) {
        copy->o = NULL;
        return false;
    }
    struct world_chunk chunk = *from;
    chunk.sealed = false;
    ic_store_copy_begin(w->store, copy->o, copy->chunk, copy->from, copy->to);
    to->chunk[to->count++] = chunk;
    return true;
}

/* SEAL: the node seals it, if it has not been told to delete it meanwhile. */
static inline void world_copy_end(struct world *w, struct world_copy *copy, bool seal)
{
    uint16_t function = copy->o->place[copy->chunk].function;
    struct world_chunk *chunk =
        world_chunk_of(world_node_of(w, function, copy->to), copy->o->id, copy->chunk);
    seal = seal && chunk != NULL;
    if (seal) {
        chunk->sealed = true;
    }
    ic_store_copy_end(w->store, copy->o, copy->chunk, copy->to, seal);
    copy->o = NULL;
}

static inline void world_pick_copy(void *ctx, struct ic_object *o, uint16_t chunk, uint32_t from)
{
    struct world_copy *copy = ctx;
    if (copy->o == NULL) {
        copy->o = o;
        copy->chunk = chunk;
        copy->from = from;
    }
}

/* Something to copy between FUNCTION's two instances, either way; o NULL: nothing. */
static inline struct world_copy world_find_copy(struct world *w, uint16_t function)
{
    struct world_copy copy = {0};
    uint32_t a = w->node[function].serial, b = w->peer[function].serial;
    uint64_t cursor = 0;
    do {
        cursor = ic_store_scan_uncopied(w->store, function, a, b, cursor, world_pick_copy, &copy);
    } while (cursor != 0 && copy.o == NULL);
    copy.to = copy.from == a ? b : a;
    return copy;
}

static inline void world_back_up(struct world *w, uint16_t function)
{
    struct world_copy copy;
    world_meet(w, function);
    while ((copy = world_find_copy(w, function)).o != NULL && world_copy_begin(w, &copy)) {
        world_copy_end(w, &copy, true);
    }
    world_deliver_deletes_to(w, function, &w->peer[function]);
    ic_store_journal_copies(w->store);
    world_turn_end(w);
}

/* ---- chunks that are lost and written anew ------------------------------------ */

/* Functions of CAPACITY bytes, and 2+2 for all objects. */
static inline void world_init_small(struct world *w, uint64_t capacity)
{
    static const char *const code[] = {"code-table", "*:2+2", "unit-size", "64", NULL};
    world_init(w, 1, capacity, code);
    world_hello_all(w);
}

/* The same, with an object of 1000 bytes: "a". */
static inline struct ic_object *world_init_with_a(struct world *w)
{
    world_init_small(w, 100000);
    world_set(w, "a", 1000, 0);
    return world_object(w, "a");
}

static inline void world_kill_chunk(struct world *w, const struct ic_object *o, uint16_t chunk)
{
    world_kill_node(w, o->place[chunk].function);
}

/* Chunk I is written to its new place and sealed there; the store is not told. */
static inline void world_rewrite(struct world *w, struct ic_object *o, uint16_t i)
{
    world_write(w, o, i, false);
    struct world_node *n = &w->node[o->place[i].function];
    n->chunk[n->count - 1].sealed = true;
}

/* What a commit ends with that returned RESULT and, if that is 0, tells world_done. */
static inline int world_end_commit(struct world *w, int result)
{
    int before = w->results;
    if (result < 0) {
        return result;
    }
    world_turn_end(w);
    assert_int_equal(w->results, before + 1);
    return w->result;
}

static inline void world_tick(struct world *w)
{
    while (ic_store_tick(w->store, w->now_ms, w->wall_ms)) {
    }
    world_turn_end(w);
}

/* ---- what must hold ----------------------------------------------------------- */

static inline void world_check_node(struct world *w, uint16_t i, const struct world_node *n)
{
    const struct ic_pool_instance *in = n->serial == 0 ? NULL : ic_pool_find(w->pool, i, n->serial);
    if (in != NULL) {
        assert_int_equal(in->live + in->condemned + in->in_flight, world_held(n));
        assert_int_equal(in->live_chunks + in->condemned_chunks + in->in_flight_chunks, n->count);
    }
}

struct world_sum { /* of committed objects, and of those that only replies show */
    uint64_t evictable[WORLD_FUNCTIONS], pinned[WORLD_FUNCTIONS], pinned_bytes;
    uint64_t waited[WORLD_FUNCTIONS], waited_bytes;
    uint32_t in_reach; /* pinned, and not set aside by the eviction */
};

static inline void world_add_object(struct ic_object *o, void *ctx)
{
    struct world_sum *sum = ctx;
    bool waits = o->state == IC_OBJECT_DEAD && o->pins == 0 && !o->evicted;
    assert_int_equal(o->waited_for, waits);
    sum->waited_bytes += waits ? o->size : 0;
    for (uint16_t i = 0; waits && i < o->data + o->parity; i++) {
        bool held = o->place[i].state == IC_CHUNK_HELD;
        sum->waited[held ? o->place[i].function : 0] += held ? o->chunk_cost : 0;
    }
    if (o->state != IC_OBJECT_COMMITTED || o->evicted) {
        return;
    }
    sum->pinned_bytes += o->pins > 0 ? o->size : 0;
    assert_int_equal(o->policy.pinned, o->pins > 0);
    sum->in_reach += o->policy.pinned && o->policy.away < IC_EVICTION_ASIDE;
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        uint16_t function = o->place[i].function;
        if (o->place[i].state == IC_CHUNK_HELD) {
            sum->evictable[function] += o->chunk_cost;
            sum->pinned[function] += o->pins > 0 ? o->chunk_cost : 0;
        }
    }
}

/* The figures of what can be evicted are those of the objects. */
static inline void world_check_evictable(struct world *w)
{
    struct world_sum sum = {0};
    ic_catalog_object_each(w->store->catalog, world_add_object, &sum);
    assert_int_equal(w->store->pinned_bytes, sum.pinned_bytes);
    assert_int_equal(w->store->waited_bytes, sum.waited_bytes);
    assert_int_equal(ic_eviction_in_reach(w->store->eviction), sum.in_reach);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        assert_int_equal(w->store->evictable[i], sum.evictable[i]);
        assert_int_equal(w->store->pinned[i], sum.pinned[i]);
        assert_int_equal(w->store->waited[i], sum.waited[i]);
    }
}

/* Each instance's live + condemned + in flight is what its node holds. */
static inline void world_check(struct world *w)
{
    world_check_evictable(w);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_check_node(w, i, &w->node[i]);
        world_check_node(w, i, &w->peer[i]);
    }
}

/* Whatever was to be deleted is, and nothing is planned. */
static inline void world_check_even(struct world *w)
{
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_deliver_deletes(w, i);
        assert_int_equal(ic_pool_function(w->pool, i)->planned, 0);
    }
    world_check(w);
}

/* Nothing can be written to files, by the whole process (stands for a full disk). */
static inline void world_fail_disk(bool fail)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = fail ? 1 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

#endif
