/*
 * test_repair_job.c - lost chunks come back byte for byte with right CRCs, in bounded memory, at
 * the rate allowed; whatever goes wrong, nothing is left of what was not committed.
 */
#include "proxy/repair_job.h"

#include "base/config.h"
#include "core/repair.h"
#include "proxy/reader.h"
#include "proxy/repair.h"

#include "fake_pool.h"

/* ---- the store's side of it ---- */

static struct ic_object *object;
static bool dead; /* the object was deleted meanwhile */
static int begin_result, commit_result;
static void (*committed)(void *ctx, int result); /* waits for the turn's end */
static void *committed_ctx;
static uint64_t committed_chunks;

bool ic_store_seal_key(const struct ic_object *o, struct ic_slice *key, int64_t *expires_ms)
{
    (void)o;
    *key = ic_slice_str("key");
    *expires_ms = 12345;
    return true;
}

struct ic_object *ic_store_object(const struct ic_store *s, uint64_t id)
{
    (void)s;
    assert_int_equal(id, object->id);
    return dead ? NULL : object;
}

/* Lost chunks get the functions that hold none. */
int ic_store_repair_begin(struct ic_store *s, struct ic_object *o, uint64_t *chunks)
{
    bool taken[FAKE_FUNCTIONS] = {false};
    *chunks = 0;
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        if (o->place[i].instance == fake.node[o->place[i].function].serial &&
            o->place[i].state == IC_CHUNK_HELD) {
            taken[o->place[i].function] = true;
        } else {
            *chunks |= UINT64_C(1) << i;
        }
    }
    if (begin_result < 0) {
        return begin_result;
    }
    uint16_t function = 0;
    for (uint64_t left = *chunks; left != 0; left &= left - 1, function++) {
        while (taken[function]) {
            function++;
        }
        o->place[__builtin_ctzll(left)] =
            (struct ic_chunk_place){.function = function, .state = IC_CHUNK_WRITING};
    }
    ic_store_pin(s, o);
    return 0;
}

void ic_store_repair_failed(struct ic_store *s, struct ic_object *o, uint16_t chunk)
{
    assert_int_equal(o->place[chunk].state, IC_CHUNK_WRITING);
    ic_store_lost(s, o, chunk, o->place[chunk].instance);
}

int ic_store_repair_commit(struct ic_store *s, struct ic_object *o, uint64_t chunks,
                           void (*done)(void *ctx, int result), void *ctx)
{
    (void)s;
    if (dead) {
        return IC_ENOENT;
    }
    for (uint64_t left = chunks; left != 0; left &= left - 1) {
        uint16_t i = (uint16_t)__builtin_ctzll(left);
        assert_true(o->place[i].instance != fake.node[o->place[i].function].serial ||
                    (*fake_find(o->place[i].function, o->id, i))->sealed);
        o->place[i].state = IC_CHUNK_HELD;
    }
    committed = done;
    committed_ctx = ctx;
    committed_chunks = chunks;
    return 0;
}

void ic_store_forget(struct ic_store *s, void *ctx)
{
    (void)s;
    if (committed_ctx == ctx) {
        committed = NULL;
    }
}

void ic_store_repair_end(struct ic_store *s, struct ic_object *o, uint64_t chunks)
{
    for (; chunks != 0; chunks &= chunks - 1) {
        uint16_t i = (uint16_t)__builtin_ctzll(chunks);
        if (o->place[i].state == IC_CHUNK_WRITING) {
            ic_store_lost(s, o, i, o->place[i].instance);
        }
    }
    ic_store_unpin(s, o);
}

void ic_store_sweep(struct ic_store *s, enum ic_degraded found)
{
    (void)s;
    (void)found;
}

uint32_t ic_store_lost_count(const struct ic_store *s, const struct ic_object *o)
{
    return (uint32_t)ic_object_chunks(o) - ic_store_held_count(s, o);
}

uint32_t ic_store_repair_level(const struct ic_store *s, const struct ic_object *o, int64_t wall_ms)
{
    (void)wall_ms;
    return ic_repair_level(0, ic_store_held_count(s, o) - o->data);
}

static void turn_end(void)
{
    if (committed == NULL) {
        return;
    }
    void (*done)(void *ctx, int result) = committed;
    committed = NULL;
    if (commit_result < 0) { /* the journal failed: taken back */
        for (uint64_t left = committed_chunks; left != 0; left &= left - 1) {
            ic_store_lost(NULL, object, (uint16_t)__builtin_ctzll(left),
                          object->place[__builtin_ctzll(left)].instance);
        }
    }
    done(committed_ctx, commit_result);
}

/* ---- a repair ---- */

static struct ic_token_bucket bucket;
static struct ic_repair_outcome outcome;
static uint32_t ends;

static void on_ended(void *ctx, struct ic_repair_job *job, const struct ic_repair_outcome *o)
{
    assert_ptr_equal(ctx, &ends);
    assert_int_equal(ic_repair_job_object(job), o->object_id);
    outcome = *o;
    ends++;
    ic_repair_job_free(job);
}

static void make(uint16_t data, uint16_t parity, uint64_t size, size_t window)
{
    fake_begin(data, parity, 256, window);
    object = fake_stored(1, size);
    dead = false;
    begin_result = commit_result = 0;
    committed = NULL;
    bucket = (struct ic_token_bucket){0};
    ends = 0;
    fake.proxy.config->repair_rate = 0;
}

static int begin(struct ic_repair_job **job)
{
    return ic_repair_job_new(&fake.proxy, object, &bucket, on_ended, &ends, job);
}

static void run(void)
{
    fake_run();
    turn_end();
    fake_run();
}

static void finish(void)
{
    fake_run();
    fake_free_object(object);
    assert_int_equal(fake_chunks(), 0); /* nothing was left anywhere */
    fake_end();
}

static struct fake_chunk copy_of(uint16_t i)
{
    struct fake_chunk copy = **fake_find(object->place[i].function, object->id, i);
    copy.bytes = malloc(copy.length + 1);
    memcpy(copy.bytes, (*fake_find(object->place[i].function, object->id, i))->bytes, copy.length);
    return copy;
}

/* Chunk I is there again as it was. */
static void check_chunk(uint16_t i, struct fake_chunk *was)
{
    struct ic_layout l;
    const struct fake_chunk *is = *fake_find(object->place[i].function, object->id, i);
    ic_layout_init(&l, object->size, object->data, object->parity, object->unit);
    assert_non_null(is);
    assert_int_equal(object->place[i].state, IC_CHUNK_HELD);
    assert_true(is->sealed && is->length == was->length);
    assert_memory_equal(is->bytes, was->bytes, was->length);
    for (uint64_t s = 0; s < l.stripes; s++) {
        const uint8_t *bytes = is->bytes + ic_layout_chunk_offset(&l, s);
        assert_int_equal(is->crcs[s],
                         ic_unit_crc(object->id, i, (uint32_t)s, bytes, ic_layout_unit(&l, s)));
    }
    free(was->bytes);
}

static const uint64_t sizes[] = {0, 1, 64, 255, 256, 2560, 2561, 100000, 1000000};

/* Any two chunks, data or parity. */
static void test_two_come_back(void **state)
{
    (void)state;
    static const uint16_t codes[][2] = {{1, 2}, {4, 2}, {10, 2}};
    for (size_t k = 0; k < sizeof codes / sizeof codes[0] * 9; k++) {
        uint16_t d = codes[k / 9][0], n = (uint16_t)(d + 2);
        uint16_t a = (uint16_t)(k % n), b = (uint16_t)((a + 1 + k % (n - 1u)) % n);
        struct ic_repair_job *job;
        make(d, 2, sizes[k % 9], 1 << 20);
        if (a == b) {
            b = (uint16_t)((b + 1) % n);
        }
        struct fake_chunk was_a = copy_of(a), was_b = copy_of(b);
        fake_kill(object->place[a].function);
        fake_kill(object->place[b].function);
        assert_int_equal(begin(&job), 0);
        run();
        assert_int_equal(ends, 1);
        assert_int_equal(outcome.result, 0);
        assert_int_equal(outcome.chunks, 2);
        assert_int_equal(outcome.bytes, 2 * object->chunk_length);
        check_chunk(a, &was_a);
        check_chunk(b, &was_b);
        assert_int_equal(fake.reads_ended, 0); /* it is no client's read */
        finish();
    }
}

static void test_begin_refused(void **state)
{
    (void)state;
    struct ic_repair_job *job;
    make(4, 2, 1000, 1 << 20);
    fake_kill(object->place[0].function);
    begin_result = IC_ENOSPC;
    assert_int_equal(begin(&job), IC_ENOSPC);
    begin_result = 0;
    finish();
}

/* No more than the least window of a read and what is being written. */
static void test_memory_is_small(void **state)
{
    (void)state;
    struct ic_repair_job *job;
    make(10, 2, 3000000, 64 << 20);
    fake_kill(object->place[4].function);
    assert_int_equal(begin(&job), 0);
    run();
    assert_int_equal(outcome.result, 0);
    assert_true(ic_window_stats(fake.proxy.window).peak <= 3 * 12 * IC_READER_REBUILD_BYTES);
    finish();
    make(10, 2, 100000, 12 * ic_window_size(256)); /* one stripe is enough */
    fake_kill(object->place[4].function);
    assert_int_equal(begin(&job), 0);
    run();
    assert_int_equal(outcome.result, 0);
    finish();
}

static uint16_t failing_function;
static enum ic_node_op failing_op;
static int failing_result;

static int fail_some(struct ic_node_request *r)
{
    return r->function == failing_function && r->op == failing_op ? failing_result : 0;
}

/* A function that takes none of its chunk: the other one comes back all the same. */
static void test_one_of_two_fails(void **state)
{
    (void)state;
    for (int op = 0; op < 2; op++) {
        struct ic_repair_job *job;
        make(4, 2, 50000, 1 << 20);
        struct fake_chunk was = copy_of(3);
        fake_kill(object->place[1].function);
        fake_kill(object->place[3].function);
        assert_int_equal(begin(&job), 0);
        failing_function = object->place[1].function;
        failing_op = op == 0 ? IC_NODE_WRITE : IC_NODE_SEAL;
        failing_result = IC_ENOSPC;
        fake.script = fail_some;
        run();
        assert_int_equal(outcome.result, IC_ENOSPC);
        assert_int_equal(outcome.chunks, 1);
        check_chunk(3, &was);
        assert_int_equal(object->place[1].state, IC_CHUNK_LOST);
        finish();
    }
}

static int fail_one_for_another(struct ic_node_request *r)
{
    if (r->op == IC_NODE_SEAL) { /* since chunk 1 was given up: a hand-over has begun with it */
        object->place[1].state = IC_CHUNK_WRITING;
    }
    return fail_some(r);
}

/* A chunk that was given up may be somebody else's when the repair ends. */
static void test_what_is_given_up_is_left_alone(void **state)
{
    (void)state;
    struct ic_repair_job *job;
    make(4, 2, 50000, 1 << 20);
    struct fake_chunk was = copy_of(3);
    fake_kill(object->place[1].function);
    fake_kill(object->place[3].function);
    assert_int_equal(begin(&job), 0);
    failing_function = object->place[1].function;
    failing_op = IC_NODE_WRITE;
    failing_result = IC_ENOSPC;
    fake.script = fail_one_for_another;
    run();
    assert_int_equal(outcome.chunks, 1);
    check_chunk(3, &was);
    assert_int_equal(object->place[1].state, IC_CHUNK_WRITING);
    finish();
}

/* A read that fails is replaced by another chunk's, as long as there is one. */
static void test_reads_fail(void **state)
{
    (void)state;
    for (int lost = 1; lost <= 2; lost++) {
        struct ic_repair_job *job;
        make(4, 2, 50000, 1 << 20);
        struct fake_chunk was = copy_of(0);
        fake_kill(object->place[0].function);
        if (lost == 2) {
            fake_kill(object->place[5].function);
        }
        assert_int_equal(begin(&job), 0);
        failing_function = object->place[2].function;
        failing_op = IC_NODE_READ;
        failing_result = IC_EUNAVAIL;
        fake.script = fail_some;
        run();
        assert_int_equal(ends, 1);
        assert_int_equal(outcome.result, lost == 1 ? 0 : IC_EUNAVAIL);
        if (lost == 1) {
            check_chunk(0, &was);
        } else {
            free(was.bytes);
            assert_int_equal(object->place[0].state, IC_CHUNK_LOST);
        }
        finish();
    }
}

/* The object goes, or the target's instance, or the journal fails, or the proxy stops: at each of
 * the first so many steps. */
static void test_ends_at_any_step(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        for (int step = 0; step < 60; step++) {
            struct ic_repair_job *job;
            make(4, 2, 20000, 1 << 20);
            fake_kill(object->place[0].function);
            fake_kill(object->place[4].function);
            assert_int_equal(begin(&job), 0);
            for (int i = 0; i < step && fake_step(); i++) {
            }
            dead = how == 0;
            commit_result = how == 1 ? IC_EIO : 0;
            if (how == 2) {
                fake_kill(object->place[0].function);
            }
            if (how == 3 && ends == 0) {
                ic_repair_job_free(job);
            }
            run();
            assert_int_equal(ends, how != 3 || outcome.result == 0 ? ends : 0);
            assert_true(how == 3 || ends == 1);
            outcome.result = -1;
            finish();
        }
    }
}

/* What is moved in a second is what the rate allows. */
static void test_rate(void **state)
{
    (void)state;
    struct ic_repair_job *job;
    make(4, 2, 1000000, 1 << 20);
    fake.proxy.config->repair_rate = 400000;
    fake_kill(object->place[0].function);
    assert_int_equal(begin(&job), 0); /* 4 reads and a write of 250,000 bytes each */
    uint64_t from = fake.now_ms;
    while (ends == 0 && fake.now_ms < from + 60000) {
        fake_pass(50);
        turn_end();
    }
    assert_int_equal(outcome.result, 0);
    assert_true(fake.now_ms - from >= 1500 && fake.now_ms - from <= 4000);
    finish();
}

/* While it waits for the rate it holds no memory, and it sees its object die. */
static void test_waiting_holds_nothing(void **state)
{
    (void)state;
    struct ic_repair_job *job;
    make(4, 2, 1000000, 1 << 20);
    fake.proxy.config->repair_rate = 1000;
    fake_kill(object->place[0].function);
    assert_int_equal(begin(&job), 0);
    run();
    assert_true(fake.writes > 0);
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 0);
    fake_pass(5000);
    assert_int_equal(ends, 0);
    dead = true;
    fake_pass(1000);
    assert_int_equal(ends, 1);
    assert_int_equal(outcome.result, IC_ENOENT);
    finish();
}

static void on_grant(void *ctx)
{
    (*(uint32_t *)ctx)++;
}

/* A request that wants all memory gets it; afterwards the repair goes on. */
static void test_yields(void **state)
{
    (void)state;
    struct ic_repair_job *job;
    struct ic_grant grant = {.held = 0};
    uint32_t granted = 0;
    make(4, 2, 1000000, 1 << 20);
    fake_kill(object->place[0].function);
    assert_int_equal(begin(&job), 0);
    for (int i = 0; i < 10; i++) {
        fake_step();
    }
    assert_int_equal(ic_window_admit(fake.proxy.window, &grant, IC_WINDOW_READ, (1 << 20) / 16 * 14,
                                     on_grant, &granted),
                     0);
    fake_pass(1);
    assert_int_equal(granted, 1);
    assert_int_equal(ends, 0);
    fake_pass(1000); /* it waits for its own admission now */
    assert_int_equal(ends, 0);
    ic_window_leave(&grant);
    run();
    assert_int_equal(outcome.result, 0);
    finish();
}

/* An object whose first LOST chunks are gone, beside requests that have all memory, or wait for it,
 * as long as it lasts. */
struct crowd {
    struct ic_grant all, waiting;
    struct ic_repair *repair;
};

static void crowd_init(struct crowd *c, uint16_t lost)
{
    *c = (struct crowd){.repair = NULL};
    make(4, 2, 20000, 1 << 20);
    struct ic_window *w = fake.proxy.window;
    c->repair = ic_repair_new(&fake.proxy);
    assert_true(ic_window_admit(w, &c->all, IC_WINDOW_WRITE, 600 << 10, on_grant, &ends));
    assert_false(ic_window_admit(w, &c->waiting, IC_WINDOW_WRITE, 600 << 10, on_grant, &ends));
    for (uint16_t i = 0; i < lost; i++) {
        fake_kill(object->place[i].function);
        ic_store_lost(fake.proxy.store, object, i, object->place[i].instance);
    }
    ic_repair_degraded(c->repair, object, IC_DEGRADED_ASKED);
}

static void crowd_deinit(struct crowd *c)
{
    ic_repair_free(c->repair);
    ic_window_leave(&c->all);
    ic_window_leave(&c->waiting);
    finish();
}

/* Requests go first, but not for ever: however long some wait, a repair begins. */
static void test_begins_though_others_wait(void **state)
{
    (void)state;
    struct crowd c;
    crowd_init(&c, 1);
    fake_pass(900);
    assert_int_equal(ic_repair_stats(c.repair).waiting, 1);
    fake_pass(200);
    assert_int_equal(ic_repair_stats(c.repair).active, 1);
    for (int i = 0; i < 5; i++) { /* it gives way at each step */
        fake_pass(IC_REPAIR_YIELD_MAX_MS);
        run();
    }
    assert_int_equal(ic_repair_stats(c.repair).done, 1);
    crowd_deinit(&c);
}

/* What bears no further loss does not go behind requests, however long they go on. */
static void test_urgent_waits_for_nobody(void **state)
{
    (void)state;
    struct crowd c;
    crowd_init(&c, 2);
    fake_pass(IC_REPAIR_GATHER_MS);
    run();
    assert_int_equal(ic_repair_stats(c.repair).done, 1);
    crowd_deinit(&c);
}

static void test_failing_memory(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 20; at++) {
        struct ic_repair_job *job;
        make(4, 2, 20000, 1 << 20);
        fake_kill(object->place[0].function);
        ic_alloc_fail_at(at);
        int result = begin(&job);
        run();
        ic_alloc_fail_at(0);
        fake_pass(100);
        run();
        fake_pass(60000); /* whatever waits has a deadline */
        run();
        assert_true(result == IC_ENOMEM || ends == 1);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_come_back),
        cmocka_unit_test(test_begin_refused),
        cmocka_unit_test(test_memory_is_small),
        cmocka_unit_test(test_one_of_two_fails),
        cmocka_unit_test(test_what_is_given_up_is_left_alone),
        cmocka_unit_test(test_reads_fail),
        cmocka_unit_test(test_ends_at_any_step),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_failing_memory),
        cmocka_unit_test(test_waiting_holds_nothing),
        cmocka_unit_test(test_yields),
        cmocka_unit_test(test_begins_though_others_wait),
        cmocka_unit_test(test_urgent_waits_for_nobody),
    };
    return cmocka_run_group_tests_name("repair_job", tests, NULL, NULL);
}
