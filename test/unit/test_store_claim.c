/* Room is made for what has come of a value, never for what was announced. */
#include "store_world.h"

#include "proxy/store_internal.h"
#include "proxy/window.h"

#include "proto/frame.h"

enum {
    STEP = IC_CHUNK_STEP_BYTES,
    CAPACITY = 32 * (STEP + 512),
    OLD = 2 * STEP, /* bytes of each object that is there before; each of its chunks has STEP */
    OLD_COUNT = 62,
};

static struct world world;

/* Eight functions full of objects of 2+2: "0" to "61". */
static struct world *start_full(void)
{
    static const char *const code[] = {"code-table", "*:2+2", "unit-size", "64kb", NULL};
    struct world *w = &world;
    world_init(w, 1, CAPACITY, code);
    world_hello_all(w);
    for (int i = 0; i < OLD_COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        assert_true(world_set(w, key, OLD, 0) > 0);
    }
    assert_int_equal(ic_store_stats(w->store).evicted, 0);
    return w;
}

static int promise(struct world *w, uint64_t size, struct ic_object **out)
{
    return ic_store_draft(w->store, ic_slice_str("new"), size, out);
}

static uint64_t planned(const struct world *w)
{
    uint64_t sum = 0;
    for (uint16_t i = 0; i < ic_pool_count(w->pool); i++) {
        sum += ic_pool_function(w->pool, i)->planned;
    }
    return sum;
}

static void test_a_promise_takes_nothing(void **state)
{
    (void)state;
    struct world *w = start_full();
    struct ic_object *draft[100];
    for (int i = 0; i < 100; i++) {
        assert_int_equal(promise(w, 50 * STEP, &draft[i]), 0);
    }
    struct ic_store_stats stats = ic_store_stats(w->store);
    assert_int_equal(stats.evicted, 0);
    assert_int_equal(stats.draft_bytes, 0);
    assert_int_equal(planned(w), 0);
    /* More than there is was promised a hundred times: others have the room meanwhile. */
    assert_true(world_set(w, "honest", 20 * STEP, 0) > 0);
    assert_int_equal(world_object(w, "honest")->size, 20 * STEP);
    assert_in_range(ic_store_stats(w->store).evicted, 5, 30);
    for (int i = 0; i < 100; i++) {
        ic_store_drop(w->store, draft[i]);
    }
    stats = ic_store_stats(w->store);
    assert_int_equal(stats.abandoned, 100);
    assert_int_equal(stats.abandoned_keys, 0);
    world_check(w);
    world_deinit(w);
}

/* Four of eight functions are awake, so that all are promised a place there; what comes of it is
 * spread over all. */
static void test_many_promised_at_once_are_spread(void **state)
{
    (void)state;
    static const char *const code[] = {"code-table", "*:2+2", "unit-size", "64kb", NULL};
    enum { MANY = 40, EACH = MANY * 4 / 8 };
    struct world *w = &world;
    struct ic_object *draft[MANY];
    world_init(w, 1, CAPACITY, code);
    world_hello_all(w);
    for (uint16_t i = 0; i < 4; i++) {
        ic_pool_event(w->pool, i, IC_POOL_HELLO, w->now_ms, 0);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(promise(w, OLD, &draft[i]), 0);
        for (int k = 0; k < 4; k++) {
            assert_true(draft[i]->place[k].function < 4);
        }
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(ic_store_claim(w->store, draft[i], STEP), 0);
    }
    for (uint16_t i = 0; i < 8; i++) {
        assert_in_range(ic_pool_function(w->pool, i)->planned, (EACH - 3) * draft[0]->chunk_cost,
                        (EACH + 3) * draft[0]->chunk_cost);
    }
    for (int i = 0; i < MANY; i++) {
        ic_store_drop(w->store, draft[i]);
    }
    world_deinit(w);
}

static void pass_over(bool doubted)
{
    static const char *const code[] = {"code-table", "*:2+2", "unit-size", "64kb", NULL};
    struct world *w = &world;
    struct ic_object *draft;
    world_init(w, 1, CAPACITY, code);
    world_hello_all(w);
    for (uint16_t bad = 1; bad <= 5; bad++) {
        if (doubted) {
            ic_pool_event(w->pool, (uint16_t)(bad - 1), IC_POOL_HELLO, w->now_ms, 0);
            ic_pool_event(w->pool, (uint16_t)(bad - 1), IC_POOL_DOUBTED, w->now_ms, 0);
        } else {
            ic_pool_set_slow(w->pool, (uint16_t)(bad - 1), true);
            assert_int_equal(ic_pool_slow_count(w->pool), bad);
        }
        assert_int_equal(promise(w, OLD, &draft), 0);
        assert_int_equal(ic_store_claim(w->store, draft, STEP), 0);
        int on_bad = 0;
        for (int k = 0; k < 4; k++) {
            on_bad += draft->place[k].function < bad;
        }
        assert_int_equal(on_bad, bad == 5);
        ic_store_drop(w->store, draft);
    }
    world_deinit(w);
}

/* Nothing comes to a function that is slow or not believed, unless there are too few others. */
static void test_bad_functions_are_passed_over(void **state)
{
    (void)state;
    pass_over(false);
    pass_over(true);
}

/* What is evicted follows what has come, and is named when it was in vain. */
static void test_evicts_for_what_has_come(void **state)
{
    (void)state;
    struct world *w = start_full();
    struct ic_object *o;
    assert_int_equal(promise(w, 50 * STEP, &o), 0);
    for (uint64_t came = 1; came <= 10; came++) {
        assert_int_equal(ic_store_claim(w->store, o, came * STEP), 0);
        assert_int_equal(o->chunk_cost, ic_chunk_cost(came * STEP, o->unit, o->key_len));
        assert_int_equal(ic_store_stats(w->store).draft_bytes, came * 2 * STEP);
        assert_int_equal(planned(w), 4 * o->chunk_cost);
        /* Each object has a step on half of the functions. */
        assert_in_range(ic_store_stats(w->store).evicted, came < 2 ? 0 : came - 2, 3 * came);
        assert_int_equal(ic_store_claim(w->store, o, came * STEP - 64), 0); /* has room already */
    }
    uint64_t evicted = ic_store_stats(w->store).evicted;
    assert_int_equal(o->draft.evicted_keys, evicted);
    assert_int_equal(o->draft.evicted_bytes, evicted * OLD);
    ic_store_drop(w->store, o);
    struct ic_store_stats stats = ic_store_stats(w->store);
    assert_int_equal(stats.abandoned_keys, evicted);
    assert_int_equal(stats.abandoned_bytes, evicted * OLD);
    assert_int_equal(stats.draft_bytes, 0);
    assert_int_equal(planned(w), 0);
    world_check(w);
    world_deinit(w);
}

/* What takes the room of very many is given it by and by, and nothing before all of it is there. */
static void test_very_many_go_in_many_turns(void **state)
{
    (void)state;
    enum { SMALL = 100, FEW = 8, LEAST = 3 * IC_STORE_EVICT_SLICE };
    static const char *const code[] = {"code-table", "*:2+2", "unit-size", "64kb", NULL};
    struct world *w = &world;
    struct ic_object *o;
    char key[16];
    world_init(w, 1, CAPACITY / 4, code);
    world_hello_all(w);
    for (int i = 0; ic_store_stats(w->store).evicted == 0; i++) {
        snprintf(key, sizeof key, "%d", i);
        assert_true(world_set(w, key, SMALL, 0) > 0);
    }
    uint64_t before = ic_store_stats(w->store).evicted, evicted = before;
    unsigned turns = 0;
    assert_int_equal(promise(w, FEW * STEP, &o), 0);
    while (ic_store_claim(w->store, o, FEW / 2 * STEP) == IC_EBUSY) {
        assert_int_equal(ic_store_stats(w->store).evicted, evicted + IC_STORE_EVICT_SLICE);
        assert_int_equal(ic_store_claim(w->store, o, FEW / 2 * STEP), IC_EBUSY);
        evicted += IC_STORE_EVICT_SLICE;
        assert_int_equal(ic_store_stats(w->store).evicted, evicted);
        assert_int_equal(planned(w), 0);
        assert_true(w->due);
        world_turn_end(w);
        turns++;
    }
    assert_int_equal(planned(w), 4 * o->chunk_cost);
    assert_true(turns > LEAST / IC_STORE_EVICT_SLICE);
    assert_int_equal(o->draft.evicted_keys, ic_store_stats(w->store).evicted - before);
    ic_store_drop(w->store, o);
    world_check(w);
    world_deinit(w);
}

/* What is in flight already grows there, and becomes live or is condemned as a whole. */
static void test_grows_in_flight(void **state)
{
    (void)state;
    struct world *w = start_full();
    struct ic_object *o;
    assert_int_equal(promise(w, 6 * STEP, &o), 0);
    assert_int_equal(ic_store_claim(w->store, o, STEP), 0);
    uint16_t function = o->place[0].function;
    uint32_t serial = w->node[function].serial;
    assert_int_equal(ic_store_begin(w->store, o, 0, serial), serial);
    assert_int_equal(ic_store_claim(w->store, o, 3 * STEP), 0);
    assert_int_equal(ic_pool_find(w->pool, function, serial)->in_flight, o->chunk_cost);
    assert_int_equal(planned(w), 3 * o->chunk_cost);
    assert_int_equal(o->chunk_cost, ic_chunk_cost(3 * STEP, o->unit, o->key_len));
    ic_store_lost(w->store, o, 0, serial); /* given up: it claims nothing any more */
    uint64_t condemned = ic_pool_find(w->pool, function, serial)->condemned;
    assert_true(condemned >= o->chunk_cost);
    assert_int_equal(ic_pool_find(w->pool, function, serial)->in_flight, 0);
    ic_store_drop(w->store, o);
    assert_int_equal(planned(w), 0);
    world_deliver_deletes(w, function);
    world_check(w);
    world_deinit(w);
}

/* Two that have the room of one, on all functions: one is told so in the middle, the other goes on.
 */
static void test_no_room_in_the_middle(void **state)
{
    (void)state;
    static const char *const code[] = {"code-table", "*:6+2", "unit-size", "64kb", NULL};
    struct world *w = &world;
    struct ic_object *a, *b;
    world_init(w, 1, CAPACITY, code);
    world_hello_all(w);
    for (int i = 0; i < 31; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        assert_true(world_set(w, key, 6 * STEP, 0) > 0);
    }
    assert_int_equal(promise(w, 25 * 6 * STEP, &a), 0);
    assert_int_equal(promise(w, 25 * 6 * STEP, &b), 0);
    assert_int_equal(ic_store_claim(w->store, a, STEP), 0);
    assert_int_equal(ic_store_claim(w->store, b, STEP), 0);
    assert_int_equal(ic_store_claim(w->store, a, 12 * STEP), 0);
    assert_int_equal(ic_store_claim(w->store, b, 18 * STEP), 0);
    assert_int_equal(ic_store_claim(w->store, a, 20 * STEP), IC_ENOSPC);
    assert_int_equal(a->chunk_cost, ic_chunk_cost(12 * STEP, a->unit, a->key_len));
    ic_store_drop(w->store, a);
    assert_int_equal(ic_store_claim(w->store, b, 25 * STEP), 0);
    ic_store_drop(w->store, b);
    world_check(w);
    world_deinit(w);
}

/* More than all that could be evicted would give: nothing is evicted in vain. */
static void test_what_can_never_fit(void **state)
{
    (void)state;
    struct world *w = start_full();
    struct ic_object *o, *half[2];
    assert_int_equal(promise(w, 33 * 2 * STEP, &o), IC_ETOOBIG);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(promise(w, 50 * STEP, &half[i]), 0);
        assert_int_equal(ic_store_claim(w->store, half[i], 25 * STEP), 0);
    }
    uint64_t evicted = ic_store_stats(w->store).evicted;
    assert_int_equal(promise(w, 50 * STEP, &o), IC_ENOSPC);
    assert_int_equal(ic_store_stats(w->store).evicted, evicted);
    ic_store_drop(w->store, half[0]);
    assert_int_equal(promise(w, 50 * STEP, &o), 0);
    ic_store_drop(w->store, o);
    ic_store_drop(w->store, half[1]);
    world_deinit(w);
}

/* However large `unit-size` is, two stripes of all of an object's chunks have room in the window,
 * one that is read and one that is written, beside what is small. */
static void test_a_stripe_fits_into_the_window(void **state)
{
    (void)state;
    static const int64_t windows[] = {1 << 20, 1500000, 3 << 20, INT64_C(1) << 36};
    struct world *w = start_full();
    w->config->unit_size = 1 << 20;
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        struct ic_object *o;
        w->config->window_memory = windows[i];
        assert_int_equal(promise(w, OLD, &o), 0);
        uint64_t stripe = ic_window_size((size_t)o->unit * ic_object_chunks(o));
        assert_in_range(2 * stripe, 1, windows[i] / 16 * 14);
        assert_true(o->unit == 1 << 20 || 4 * stripe > (uint64_t)windows[i]);
        ic_store_drop(w->store, o);
    }
    world_deinit(w);
}

/* What was flushed, and is taken apart by and by, makes room before anything is evicted that came
 * since. */
static void test_what_was_flushed_goes_before_what_came_since(void **state)
{
    (void)state;
    struct world *w = start_full();
    assert_int_equal(world_change(w, IC_CHANGE_FLUSH, NULL, NULL, 0), 0);
    world_turn_end(w);
    for (int i = 0; i < OLD_COUNT - 8; i++) {
        char key[16];
        snprintf(key, sizeof key, "new%d", i);
        assert_true(world_set(w, key, OLD, 0) > 0);
    }
    assert_int_equal(ic_store_stats(w->store).evicted, 0);
    assert_int_equal(ic_store_count(w->store), OLD_COUNT - 8);
    world_check(w);
    world_deinit(w);
}

/* So little waits for what drafts have: it is begun, and its claim says whose room is missing. */
static void test_a_little_is_begun_beside_drafts(void **state)
{
    (void)state;
    struct world *w = start_full();
    struct ic_object *large, *little, *more;
    w->config->maxmemory = 32 * OLD;
    assert_int_equal(promise(w, 32 * OLD, &large), 0);
    assert_int_equal(promise(w, 2 * OLD, &little), 0);
    assert_false(ic_store_others_hold_room(w->store, little));
    while (ic_store_claim(w->store, large, 32 * STEP) == IC_EBUSY) {
        world_turn_end(w);
    }
    ic_store_drop(w->store, little);
    assert_int_equal(promise(w, 2 * OLD + 1, &more), IC_ENOSPC);
    assert_int_equal(promise(w, 2 * OLD, &little), 0);
    assert_int_equal(ic_store_rest_use(little).values, 2 * OLD);
    assert_int_equal(ic_store_claim(w->store, little, STEP), IC_ENOSPC);
    assert_true(ic_store_others_hold_room(w->store, little));
    assert_false(ic_store_others_hold_room(w->store, large));
    ic_store_drop(w->store, large);
    assert_int_equal(ic_store_claim(w->store, little, STEP), 0);
    assert_int_equal(ic_store_rest_use(little).values, OLD);
    ic_store_drop(w->store, little);
    world_check(w);
    world_deinit(w);
}

static int claim(struct world *w, struct ic_object *draft, uint64_t chunk_bytes)
{
    int result = ic_store_claim(w->store, draft, chunk_bytes);
    while (result == IC_EBUSY) {
        world_turn_end(w);
        result = ic_store_claim(w->store, draft, chunk_bytes);
    }
    return result;
}

/* However much of uploads has come, small values find room, and in all of it: MAXMEMORY or, if that
 * is 0, what the functions have. */
static void check_room_for_small(int64_t maxmemory)
{
    enum { UPLOADS = 4, STEPS = 18, SMALL = 20 };
    struct world *w = start_full();
    struct ic_object *upload[UPLOADS], *small[SMALL];
    int refused = 0;
    w->config->maxmemory = maxmemory;
    for (int i = 0; i < UPLOADS; i++) {
        assert_int_equal(promise(w, STEPS * OLD, &upload[i]), 0);
    }
    for (uint64_t came = 1; came <= STEPS; came++) {
        for (int i = 0; i < UPLOADS; i++) {
            refused += claim(w, upload[i], came * STEP) == IC_ENOSPC;
        }
    }
    assert_true(refused > 0);
    for (int i = 0; i < SMALL; i++) {
        assert_int_equal(promise(w, 1000, &small[i]), 0);
        assert_int_equal(claim(w, small[i], 512), 0);
    }
    for (int i = 0; i < SMALL; i++) {
        ic_store_drop(w->store, small[i]);
    }
    for (int i = 1; i < UPLOADS; i++) {
        ic_store_drop(w->store, upload[i]);
    }
    assert_int_equal(claim(w, upload[0], STEPS * STEP), 0);
    ic_store_drop(w->store, upload[0]);
    world_check(w);
    world_deinit(w);
}

static void test_uploads_leave_room_for_small_values(void **state)
{
    (void)state;
    check_room_for_small(0);
    check_room_for_small(2 * 18 * OLD);
}

static void test_maxmemory_counts_what_has_come(void **state)
{
    (void)state;
    struct world *w = start_full();
    struct ic_object *o;
    w->config->maxmemory = OLD_COUNT * OLD;
    ic_store_evict_one(w->store); /* the functions have some room */
    ic_store_evict_one(w->store);
    ic_store_evict_one(w->store);
    ic_store_evict_one(w->store);
    world_turn_end(w);
    assert_int_equal(promise(w, 20 * OLD, &o), 0);
    assert_int_equal(ic_store_stats(w->store).evicted, 4);
    assert_int_equal(ic_store_claim(w->store, o, STEP), 0);
    assert_in_range(ic_store_stats(w->store).evicted, 4, 6);
    assert_int_equal(ic_store_claim(w->store, o, 20 * STEP), 0);
    struct ic_store_stats stats = ic_store_stats(w->store);
    assert_true(stats.bytes + stats.draft_bytes <= OLD_COUNT * OLD);
    ic_store_drop(w->store, o);
    world_deinit(w);
}

static bool is_on(const struct ic_object *o, uint16_t function)
{
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        if (o->place[i].function == function) {
            return true;
        }
    }
    return false;
}

/* Pins what is on FUNCTION of the objects "0" to COUNT - 1, but the first LEFT of them, which are
 * deleted. Returns how many it has pinned: PINNED. */
static int pin_all_on(struct world *w, uint16_t function, int count, int left,
                      struct ic_object **pinned)
{
    int found = 0;
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        struct ic_object *o = world_object(w, key);
        if (!is_on(o, function)) {
            continue;
        }
        if (left > 0) {
            left--;
            assert_true(world_change(w, IC_CHANGE_DELETE, key, NULL, 0) >= 0);
        } else {
            ic_store_pin(w->store, o);
            pinned[found++] = o;
        }
    }
    return found;
}

static void unpin(struct world *w, struct ic_object **pinned, int count)
{
    for (int i = 0; i < count; i++) {
        ic_store_unpin(w->store, pinned[i]);
    }
}

/* What is free there is more than elsewhere, but nothing else will be. */
static void test_a_function_that_is_kept_is_passed_over(void **state)
{
    (void)state;
    struct world *w = start_full();
    struct ic_object *o, *pinned[OLD_COUNT];
    int count = pin_all_on(w, 0, OLD_COUNT, 6, pinned);
    assert_int_equal(promise(w, 20 * STEP, &o), 0);
    for (uint64_t came = 1; came <= 10; came++) {
        assert_int_equal(ic_store_claim(w->store, o, came * STEP), 0);
        assert_false(is_on(o, 0));
    }
    ic_store_drop(w->store, o);
    unpin(w, pinned, count);
    world_deinit(w);
}

/* Values of eight chunks need the function that is kept. */
static void test_what_a_value_lacks(void **state)
{
    (void)state;
    enum { SIZE = 120 * STEP, COUNT = 8 * 20 };
    static const char *const code[] = {"code-table", "1mb:1+0,*:6+2", "unit-size", "64kb", NULL};
    struct world *w = &world;
    struct ic_object *pinned[COUNT];
    world_init(w, 1, CAPACITY, code);
    world_hello_all(w);
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        assert_true(world_set(w, key, STEP, 0) > 0);
    }
    struct ic_pool_use use = ic_store_use(w->store, ic_slice_str("new"), SIZE);
    struct ic_store_lack lack = ic_store_lack(w->store, use);
    assert_int_equal(lack.missing.chunks, 0); /* all can be evicted */
    assert_int_equal(lack.stuck, 0);
    int count = pin_all_on(w, 3, COUNT, 0, pinned);
    uint64_t each = pinned[0]->chunk_cost, kept = 0;
    for (int i = 0; i < count; i++) {
        kept += pinned[i]->chunk_cost;
    }
    lack = ic_store_lack(w->store, use);
    assert_int_equal(lack.stuck, kept);
    assert_int_equal(lack.stuck_on_all, kept);
    assert_int_equal(lack.capacity, CAPACITY);
    assert_true(use.chunks / 8 + kept > CAPACITY + each);
    uint64_t for_small = CAPACITY / IC_STORE_LITTLE_PART;
    assert_int_equal(lack.missing.chunks, use.chunks / 8 + kept + for_small - CAPACITY);
    assert_int_equal(lack.missing.values, 0);
    struct ic_pool_use small = ic_store_use(w->store, ic_slice_str("new"), STEP);
    assert_int_equal(ic_store_lack(w->store, small).stuck, 0); /* any function will do */
    w->config->maxmemory = SIZE;
    assert_int_equal(ic_store_lack(w->store, use).missing.values, (uint64_t)count * STEP);
    unpin(w, pinned, count);
    world_deinit(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_a_promise_takes_nothing),
        leak_test(test_many_promised_at_once_are_spread),
        leak_test(test_bad_functions_are_passed_over),
        leak_test(test_evicts_for_what_has_come),
        leak_test(test_very_many_go_in_many_turns),
        leak_test(test_grows_in_flight),
        leak_test(test_no_room_in_the_middle),
        leak_test(test_what_can_never_fit),
        leak_test(test_a_little_is_begun_beside_drafts),
        leak_test(test_what_was_flushed_goes_before_what_came_since),
        leak_test(test_a_stripe_fits_into_the_window),
        leak_test(test_uploads_leave_room_for_small_values),
        leak_test(test_maxmemory_counts_what_has_come),
        leak_test(test_a_function_that_is_kept_is_passed_over),
        leak_test(test_what_a_value_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
