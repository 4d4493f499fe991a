/*
 * test_store_repair.c - finding what lacks chunks, and giving it new places: what is committed
 * survives a restart, what is not leaves nothing, on any failure the books agree.
 */
#include "proxy/store.h"

#include "unit/store_world.h"

#include <signal.h>

static struct world world;

/* Writes and seals what a repair began. */
static void write_all(struct world *w, struct ic_object *o, uint64_t chunks)
{
    for (; chunks != 0; chunks &= chunks - 1) {
        world_rewrite(w, o, (uint16_t)__builtin_ctzll(chunks));
    }
}

static int commit(struct world *w, struct ic_object *o, uint64_t chunks)
{
    return world_end_commit(w, ic_store_repair_commit(w->store, o, chunks, world_done, w));
}

static void deliver(struct world *w)
{
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        world_deliver_deletes(w, i);
    }
    world_check(w);
}

static size_t chunks_on_nodes(const struct world *w)
{
    size_t count = 0;
    for (int i = 0; i < WORLD_FUNCTIONS; i++) {
        count += w->node[i].count;
    }
    return count;
}

static void check_distinct(const struct ic_object *o)
{
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < i; k++) {
            assert_int_not_equal(o->place[i].function, o->place[k].function);
        }
    }
}

static void test_repaired_and_restarted(void **state)
{
    (void)state;
    struct world *w = &world;
    struct ic_object *o = world_init_with_a(w);
    uint64_t chunks = 0;
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), IC_ENOENT);
    world_kill_chunk(w, o, 1);
    world_kill_chunk(w, o, 3);
    assert_int_equal(ic_store_fate(w->store, o, 1), IC_FATE_LOST);
    assert_int_equal(ic_store_lost_count(w->store, o), 2);
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0);
    assert_int_equal(chunks, 1 << 1 | 1 << 3);
    assert_int_equal(ic_store_fate(w->store, o, 1), IC_FATE_WRITING);
    check_distinct(o);
    write_all(w, o, chunks);
    world_check(w);
    assert_int_equal(ic_store_held_count(w->store, o), 2);
    assert_int_equal(commit(w, o, chunks), 0);
    assert_int_equal(ic_store_held_count(w->store, o), 4);
    ic_store_repair_end(w->store, o, chunks);
    assert_int_equal(ic_store_stats(w->store).lost_chunks, 2);
    world_check(w);
    uint16_t function = o->place[3].function;
    world_stop(w);
    world_start(w);
    o = world_object(w, "a");
    assert_int_equal(o->place[3].function, function);
    world_hello_all(w);
    assert_int_equal(ic_store_held_count(w->store, o), 4);
    world_check(w);
    world_kill_chunk(w, o, 0);
    world_kill_chunk(w, o, 2);
    assert_non_null(world_object(w, "a"));
    world_deinit(w);
}

static void test_given_up(void **state)
{
    (void)state;
    struct world *w = &world;
    struct ic_object *o = world_init_with_a(w);
    world_kill_chunk(w, o, 0);
    uint64_t chunks;
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0);
    ic_store_repair_end(w->store, o, chunks); /* nothing was sent */
    assert_int_equal(ic_store_fate(w->store, o, 0), IC_FATE_LOST);
    deliver(w);
    assert_int_equal(chunks_on_nodes(w), 3);
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0);
    write_all(w, o, chunks);
    ic_store_repair_failed(w->store, o, 0);
    ic_store_repair_end(w->store, o, chunks);
    deliver(w);
    assert_int_equal(chunks_on_nodes(w), 3);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        assert_int_equal(ic_pool_function(w->pool, i)->planned, 0);
    }
    world_deinit(w);
}

/* Deleted, overwritten or flushed while it is repaired: nothing of it stays. */
static void test_the_version_dies(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct world *w = &world;
        struct ic_object *o = world_init_with_a(w);
        world_kill_chunk(w, o, 2);
        uint64_t chunks, id = o->id;
        assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0);
        write_all(w, o, chunks);
        if (how == 0) {
            world_change(w, IC_CHANGE_DELETE, "a", NULL, 0);
        } else if (how == 1) {
            world_set(w, "a", 500, 0);
        } else {
            world_change(w, IC_CHANGE_FLUSH, NULL, NULL, 0);
        }
        assert_null(ic_store_object(w->store, id));
        assert_int_equal(commit(w, o, chunks), IC_ENOENT);
        world_tick(w);
        ic_store_repair_end(w->store, o, chunks);
        world_tick(w);
        deliver(w);
        assert_int_equal(chunks_on_nodes(w), how == 1 ? 4 : 0);
        world_stop(w); /* and nothing in the journal */
        world_start(w);
        assert_int_equal(ic_store_stats(w->store).objects, how == 1);
        world_deinit(w);
    }
}

static void test_journal_failure(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct world *w = &world;
    struct ic_object *o = world_init_with_a(w);
    world_kill_chunk(w, o, 2);
    uint64_t chunks;
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0);
    write_all(w, o, chunks);
    world_fail_disk(true);
    assert_int_equal(commit(w, o, chunks), IC_EIO);
    world_fail_disk(false);
    assert_int_equal(ic_store_fate(w->store, o, 2), IC_FATE_LOST);
    ic_store_repair_end(w->store, o, chunks);
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), IC_EIO);
    deliver(w);
    assert_int_equal(chunks_on_nodes(w), 3);
    w->now_ms += 10000;
    world_tick(w);
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0);
    write_all(w, o, chunks);
    assert_int_equal(commit(w, o, chunks), 0);
    ic_store_repair_end(w->store, o, chunks);
    world_check(w);
    world_deinit(w);
}

static void test_refusals(void **state)
{
    (void)state;
    struct world *w = &world;
    world_init_small(w, 3000);
    uint64_t chunks;
    world_set(w, "a", 2000, 0);
    struct ic_object *o = world_object(w, "a");
    world_kill_chunk(w, o, 0);
    world_change(w, IC_CHANGE_RENAME, "a", "another name", 0);
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), IC_EINVAL);
    world_change(w, IC_CHANGE_COPY, "another name", "b", 0);
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0); /* under the name b */
    ic_store_repair_end(w->store, o, chunks);
    /* A sibling answers in place of two of the three that are left. */
    for (uint16_t i = 1; i <= 2; i++) {
        uint16_t function = o->place[i].function;
        uint8_t id[16] = {(uint8_t)i, 77};
        ic_pool_heard(w->pool, function, id, 3000, 0, 0, w->now_ms);
        assert_int_equal(ic_store_fate(w->store, o, i), IC_FATE_UNREACHABLE);
    }
    assert_int_equal(ic_store_lost_count(w->store, o), 1); /* these are not */
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), IC_EUNAVAIL);
    for (uint16_t i = 1; i <= 2; i++) {
        world_hello(w, o->place[i].function);
    }
    /* No room but where its other chunks are. */
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        ic_pool_plan(w->pool, i, 2500);
    }
    uint64_t evicted = ic_store_stats(w->store).evicted;
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), IC_ENOSPC);
    assert_int_equal(ic_store_stats(w->store).evicted, evicted);
    ic_pool_unplan(w->pool, o->place[0].function, 2500);
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0);
    ic_store_repair_end(w->store, o, chunks);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) {
        if (i != o->place[0].function) {
            ic_pool_unplan(w->pool, i, 2500);
        }
    }
    world_deinit(w);
}

static int told;
static enum ic_degraded told_how;

static void on_degraded(void *ctx, struct ic_object *o, enum ic_degraded found)
{
    (void)ctx;
    assert_true(o->state == IC_OBJECT_COMMITTED);
    told++;
    told_how = found;
}

static void test_who_is_told(void **state)
{
    (void)state;
    struct world *w = &world;
    world_init_small(w, 100000);
    w->degraded = on_degraded;
    world_stop(w);
    world_start(w);
    world_hello_all(w);
    told = 0;
    for (int i = 0; i < 10; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        world_set(w, key, 1000, 0);
    }
    struct ic_object *o = world_object(w, "k0");
    world_tick(w);
    ic_store_read_ended(w->store, o, false);
    assert_int_equal(told, 0);
    world_kill_chunk(w, o, 0);
    world_tick(w);
    assert_true(told >= 1 && told_how == IC_DEGRADED_SWEEP);
    int lacking = told;
    told = 0;
    ic_store_read_ended(w->store, o, true);
    assert_true(told == 1 && told_how == IC_DEGRADED_READ);
    assert_int_equal(ic_store_stats(w->store).degraded_reads, 1);
    ic_store_sweep(w->store, IC_DEGRADED_ASKED);
    told = 0;
    world_tick(w);
    assert_true(told == lacking && told_how == IC_DEGRADED_ASKED);
    struct ic_object *draft; /* answered before its last chunk was sealed */
    assert_int_equal(world_draft(w, "late", 1000, &draft), 0);
    for (uint16_t i = 0; i < 3; i++) {
        world_write(w, draft, i, true);
    }
    ic_store_lost(w->store, draft, 3, draft->place[3].instance);
    told = 0;
    struct ic_change change = {.kind = IC_CHANGE_PUT, .key = ic_slice_str("late"), .draft = draft};
    assert_int_equal(world_commit(w, &change), 0);
    assert_true(told == 1 && told_how == IC_DEGRADED_WRITE);
    told = 0;
    ic_store_lost(w->store, draft, 2, draft->place[2].instance); /* found wrong */
    assert_true(told == 1 && told_how == IC_DEGRADED_READ);
    world_deinit(w);
}

/* A chunk found wrong is written anew to where it was: the list of that instance shows the old one,
 * whose DELETE is still to come. */
static void test_the_old_chunk_is_still_listed(void **state)
{
    (void)state;
    struct world *w = &world;
    struct ic_object *o = world_init_with_a(w);
    uint16_t function = o->place[1].function;
    ic_store_lost(w->store, o, 1, o->place[1].instance);
    for (uint16_t i = 0; i < WORLD_FUNCTIONS; i++) { /* there is no other place */
        if (i != function) {
            ic_pool_plan(w->pool, i, 100000);
        }
    }
    uint64_t chunks;
    assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0);
    assert_int_equal(o->place[1].function, function);
    world_list(w, function, &w->node[function]);
    world_check(w);
    assert_int_equal(ic_store_fate(w->store, o, 1), IC_FATE_WRITING);
    write_all(w, o, chunks);                     /* DELETEs precede WRITEs */
    world_list(w, function, &w->node[function]); /* now it is the new one */
    assert_int_equal(commit(w, o, chunks), 0);
    ic_store_repair_end(w->store, o, chunks);
    deliver(w);
    assert_int_equal(chunks_on_nodes(w), 4);
    assert_int_equal(ic_store_held_count(w->store, o), 4);
    world_deinit(w);
}

static void test_failing_memory(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 12; at++) {
        struct world *w = &world;
        struct ic_object *o = world_init_with_a(w);
        world_kill_chunk(w, o, 2);
        uint64_t chunks;
        assert_int_equal(ic_store_repair_begin(w->store, o, &chunks), 0);
        write_all(w, o, chunks);
        ic_alloc_fail_at(at);
        int result = commit(w, o, chunks);
        ic_alloc_fail_at(0);
        assert_true(result == 0 || result == IC_EIO);
        assert_int_equal(ic_store_held_count(w->store, o), result == 0 ? 4 : 3);
        ic_store_repair_end(w->store, o, chunks);
        world_check(w);
        world_deinit(w);
        assert_int_equal(ic_alloc_live(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_repaired_and_restarted),
        leak_test(test_given_up),
        leak_test(test_the_version_dies),
        leak_test(test_journal_failure),
        leak_test(test_refusals),
        leak_test(test_who_is_told),
        leak_test(test_the_old_chunk_is_still_listed),
        leak_test(test_failing_memory),
    };
    return cmocka_run_group_tests_name("store_repair", tests, NULL, NULL);
}
