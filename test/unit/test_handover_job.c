/*
 * test_handover_job.c - a chunk of a dying instance arrives byte for byte on another function, also
 * when the instance is gone meanwhile; wrong bytes are not taken; whatever goes wrong, nothing is
 * left of it and no memory is held.
 */
#include "proxy/handover_job.h"

#include "base/config.h"

#include "fake_pool.h"

/* ---- the store's side of it ---- */

static struct ic_object *object;
static bool dead, renamed; /* meanwhile */
static int begin_result, commit_result;
static void (*committed)(void *ctx, int result); /* waits for the turn's end */
static void *committed_ctx;
static uint32_t moves;

bool ic_store_seal_key(const struct ic_object *o, struct ic_slice *key, int64_t *expires_ms)
{
    (void)o;
    *key = ic_slice_str("key");
    *expires_ms = 12345;
    return !renamed;
}

struct ic_object *ic_store_object(const struct ic_store *s, uint64_t id)
{
    (void)s;
    assert_int_equal(id, object->id);
    return dead ? NULL : object;
}

int ic_store_move_begin(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint16_t function,
                        uint32_t serial)
{
    bool taken[FAKE_FUNCTIONS] = {false};
    struct ic_chunk_place *place = &o->place[chunk];
    if (begin_result < 0) {
        return begin_result;
    }
    if (place->state != IC_CHUNK_HELD || place->function != function || place->instance != serial) {
        return IC_ENOENT;
    }
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        taken[o->place[i].function] = true;
    }
    uint16_t to = 0;
    while (taken[to]) {
        to++;
    }
    *place = (struct ic_chunk_place){.function = to, .state = IC_CHUNK_WRITING};
    ic_store_pin(s, o);
    moves++;
    return 0;
}

int ic_store_move_commit(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                         void (*done)(void *ctx, int result), void *ctx)
{
    (void)s;
    if (dead) {
        return IC_ENOENT;
    }
    o->place[chunk].state = IC_CHUNK_HELD;
    committed = done;
    committed_ctx = ctx;
    return 0;
}

void ic_store_move_end(struct ic_store *s, struct ic_object *o, uint16_t chunk)
{
    if (o->place[chunk].state == IC_CHUNK_WRITING) {
        ic_store_lost(s, o, chunk, o->place[chunk].instance);
    }
    ic_store_unpin(s, o);
    moves--;
}

void ic_store_forget(struct ic_store *s, void *ctx)
{
    (void)s;
    if (committed_ctx == ctx) {
        committed = NULL;
    }
}

static void turn_end(void)
{
    if (committed != NULL) {
        void (*done)(void *ctx, int result) = committed;
        committed = NULL;
        if (commit_result < 0) { /* the journal failed: taken back */
            ic_store_lost(NULL, object, 1, object->place[1].instance);
        }
        done(committed_ctx, commit_result);
    }
}

/* ---- a job ---- */

static uint32_t reads, ends;
static int outcome;

static void on_read(void *ctx)
{
    assert_ptr_equal(ctx, &ends);
    assert_int_equal(ends, 0);
    reads++;
}

static void on_ended(void *ctx, struct ic_handover_job *job, int result)
{
    assert_ptr_equal(ctx, &ends);
    assert_int_equal(reads, 1);
    outcome = result;
    ends++;
    ic_handover_job_free(job);
}

static const struct ic_handover_job_handler handler = {.read = on_read, .ended = on_ended};

static void make(uint64_t size, size_t window)
{
    fake_begin(4, 2, 256, window);
    object = fake_stored(1, size);
    dead = renamed = false;
    begin_result = commit_result = 0;
    committed = NULL;
    reads = ends = moves = 0;
}

/* Chunk 1 moves. */
static int begin(struct ic_handover_job **job)
{
    struct ic_handover_source from = {
        .function = object->place[1].function, .chunk = 1, .serial = object->place[1].instance};
    return ic_handover_job_new(&fake.proxy, object, &from, &handler, &ends, job);
}

static void run(void)
{
    fake_run();
    turn_end();
    fake_run();
}

/* The instance that had it is gone; what it had goes with it. */
static void bury(uint16_t function)
{
    fake_kill(function);
}

static void finish(void)
{
    run();
    assert_int_equal(moves, 0);
    assert_int_equal(ic_window_stats(fake.proxy.window).admitted, 0);
    fake_free_object(object);
    fake_end();
}

static uint8_t *copy_of(uint16_t i)
{
    const struct fake_chunk *c = *fake_find(object->place[i].function, object->id, i);
    uint8_t *bytes = malloc(c->length + 1);
    memcpy(bytes, c->bytes, c->length);
    return bytes;
}

static void check_chunk(uint16_t i, uint8_t *was)
{
    const struct fake_chunk *is = *fake_find(object->place[i].function, object->id, i);
    assert_non_null(is);
    assert_int_equal(object->place[i].state, IC_CHUNK_HELD);
    assert_true(is->sealed && is->length == object->chunk_length);
    assert_memory_equal(is->bytes, was, is->length);
    struct ic_layout l;
    ic_layout_init(&l, object->size, object->data, object->parity, object->unit);
    for (uint64_t s = 0; s < l.stripes; s++) {
        const uint8_t *bytes = is->bytes + ic_layout_chunk_offset(&l, s);
        assert_int_equal(is->crcs[s],
                         ic_unit_crc(object->id, i, (uint32_t)s, bytes, ic_layout_unit(&l, s)));
    }
    free(was);
}

static void test_moves(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 64, 1024, 1025, 100000, 9000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ic_handover_job *job;
        make(sizes[i], 8 << 20);
        uint8_t *was = copy_of(1);
        uint16_t from = object->place[1].function;
        assert_true(ic_handover_job_size(object) >= object->chunk_length);
        assert_int_equal(begin(&job), 0);
        assert_int_equal(reads, 0);
        assert_int_equal(ic_handover_job_source(job).function, from);
        run();
        assert_int_equal(ends, 1);
        assert_int_equal(outcome, 0);
        assert_int_not_equal(object->place[1].function, from);
        check_chunk(1, was);
        bury(from);
        finish();
    }
}

static uint16_t failing_function;
static enum ic_node_op failing_op;
static int failing_result;

static int fail_some(struct ic_node_request *r)
{
    bool hit =
        r->op == failing_op && (failing_op != IC_NODE_READ || r->function == failing_function);
    return hit ? failing_result : 0;
}

/* A READ, a WRITE or the SEAL fails; no function has room; it was renamed; the journal fails. */
static void test_fails(void **state)
{
    (void)state;
    for (int how = 0; how < 6; how++) {
        static const int expected[] = {IC_ENOENT, IC_ENOSPC, IC_EIO, IC_ENOSPC, IC_EINVAL, IC_EIO};
        struct ic_handover_job *job;
        make(20000, 1 << 20);
        uint16_t from = object->place[1].function;
        failing_function = from;
        failing_op = how == 0 ? IC_NODE_READ : how == 1 ? IC_NODE_WRITE : IC_NODE_SEAL;
        failing_result = expected[how];
        fake.script = how < 3 ? fail_some : NULL;
        begin_result = how == 3 ? IC_ENOSPC : 0;
        renamed = how == 4;
        commit_result = how == 5 ? IC_EIO : 0;
        assert_int_equal(begin(&job), 0);
        run();
        assert_int_equal(ends, 1);
        assert_int_equal(outcome, expected[how]);
        bury(from);
        finish();
    }
}

static void test_wrong_bytes(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 5000; at += 777) {
        struct ic_handover_job *job;
        make(20000, 1 << 20);
        uint16_t from = object->place[1].function;
        (*fake_find(from, object->id, 1))->bytes[at] ^= 0x20;
        assert_int_equal(begin(&job), 0);
        run();
        assert_int_equal(outcome, IC_ECORRUPT);
        assert_int_equal(fake.writes, 0);
        bury(from);
        finish();
    }
}

/* The instance goes, the object dies, or the proxy stops: at each of the first so many steps. */
static void test_ends_at_any_step(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        for (int step = 0; step < 12; step++) {
            struct ic_handover_job *job;
            make(9000000, 8 << 20);
            uint8_t *was = copy_of(1);
            uint16_t from = object->place[1].function;
            assert_int_equal(begin(&job), 0);
            for (int i = 0; i < step && fake_step(); i++) {
            }
            if (how == 0) {
                bury(from);
                bool all_read = reads > 0;
                if (ends == 0) {
                    ic_handover_job_gone(job);
                }
                run();
                assert_int_equal(ends, 1);
                assert_int_equal(outcome, all_read ? 0 : IC_ESTALE);
                if (all_read) {
                    check_chunk(1, was);
                    was = NULL;
                }
            } else if (how == 1) {
                dead = true;
                run();
                assert_int_equal(ends, 1);
            } else if (ends == 0) {
                ic_handover_job_free(job);
                run();
                assert_int_equal(ends, 0);
            }
            free(was);
            bury(from);
            finish();
        }
    }
}

static void nothing(void *ctx)
{
    (void)ctx;
}

/* It waits for memory while it holds none; gone meanwhile, it ends. */
static void test_waits_for_memory(void **state)
{
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        struct ic_handover_job *job;
        struct ic_grant grant = {.held = 0}, small = {.held = 0};
        make(20000, 1 << 20);
        uint16_t from = object->place[1].function;
        struct ic_window *w = fake.proxy.window;
        assert_true(ic_window_admit(w, &grant, IC_WINDOW_READ, 1 << 20, nothing, NULL));
        assert_true(ic_window_admit(w, &small, IC_WINDOW_READ, 64 << 10, nothing, NULL));
        assert_int_equal(begin(&job), 0);
        run();
        assert_int_equal(fake.reads, 0);
        if (gone) {
            ic_handover_job_gone(job);
            assert_int_equal(outcome, IC_ESTALE);
        }
        ic_window_leave(&grant);
        ic_window_leave(&small);
        fake_pass(100);
        run();
        assert_int_equal(ends, 1);
        assert_int_equal(outcome, gone ? IC_ESTALE : 0);
        bury(from);
        finish();
    }
    struct ic_handover_job *job;
    make(9000000, 1 << 20); /* a chunk is larger than the window */
    assert_int_equal(begin(&job), IC_ETOOBIG);
    finish();
}

static void test_failing_memory(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 6; at++) {
        struct ic_handover_job *job;
        make(20000, 1 << 20);
        uint16_t from = object->place[1].function;
        ic_alloc_fail_at(at);
        int result = begin(&job);
        run();
        ic_alloc_fail_at(0);
        fake_pass(100);
        run();
        assert_true(result == IC_ENOMEM || ends == 1);
        bury(from);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_fails),
        cmocka_unit_test(test_wrong_bytes),
        cmocka_unit_test(test_ends_at_any_step),
        cmocka_unit_test(test_waits_for_memory),
        cmocka_unit_test(test_failing_memory),
    };
    return cmocka_run_group_tests_name("handover_job", tests, NULL, NULL);
}
