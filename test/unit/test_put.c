#include "unit/put_world.h"

static const uint64_t sizes[] = {0,    1,    63,   64,   65,   255,  256,   257,
                                 1023, 1024, 1025, 4096, 5000, 8191, 65536, 100000};

/* The whole way, nodes answering whenever there is no room. */
static void put_all(struct client *c, uint64_t size, size_t piece)
{
    assert_int_equal(begin_put(c, size), 0);
    while (c->sent < size && c->ready == 0) {
        uint32_t resumed = c->resumed;
        if (feed(c, UINT64_MAX, piece) == 0) {
            fake_run();
            assert_true(c->resumed > resumed || c->ready > 0);
        }
    }
    if (c->put != NULL) {
        ic_put_seal(c->put, 0);
    }
    fake_run();
}

static void test_sizes(void **state)
{
    (void)state;
    static const uint16_t codes[][2] = {{1, 2}, {4, 2}, {10, 2}, {3, 0}, {1, 0}};
    uint64_t live = ic_alloc_live();
    for (size_t k = 0; k < sizeof codes / sizeof codes[0]; k++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct client c;
            fake_begin(codes[k][0], codes[k][1], 256, 1 << 20);
            put_all(&c, sizes[i], i % 3 == 0 ? 7777777 : 1 + i * 97);
            assert_int_equal(c.ready, 1);
            assert_int_equal(c.result, 0);
            assert_int_equal(ic_store_held_count(NULL, c.object), codes[k][0] + codes[k][1]);
            check_chunks(c.object);
            finish(&c);
        }
    }
    assert_int_equal(ic_alloc_live(), live);
}

/* Room is claimed for what has come; where there is none any more the put ends, on no stack of the
 * caller's, and nothing is left. */
static void test_claims_as_bytes_come(void **state)
{
    (void)state;
    struct client c;
    fake_begin(10, 2, 65536, 4 << 20);
    assert_int_equal(begin_put(&c, 100 << 20), 0);
    assert_int_equal(feed(&c, 655359, 5000), 655359);
    assert_int_equal(fake.claimed, 0);
    feed(&c, 1, 1);
    assert_int_equal(fake.claimed, 65536);
    fake_run();
    feed(&c, 655360, SIZE_MAX);
    assert_int_equal(fake.claimed, 131072);
    fake.claims_until = 131072;
    fake_run();
    feed(&c, 655360, SIZE_MAX);
    assert_int_equal(c.ready, 0);
    assert_false(ask_for_room(&c));
    fake_run();
    assert_int_equal(c.ready, 1);
    assert_int_equal(c.result, IC_ENOSPC);
    assert_int_equal(ic_window_stats(fake.proxy.window).taken, 0);
    finish(&c);
}

static void test_small_values_take_small_buffers(void **state)
{
    (void)state;
    struct client c;
    fake_begin(1, 2, 65536, 1 << 20);
    assert_int_equal(begin_put(&c, 1000), 0);
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 0); /* nobody sends yet */
    assert_true(ask_for_room(&c));
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 1024);
    assert_int_equal(ic_put_write(c.put, ic_slice("x", 1)), 1);
    assert_int_equal(ic_window_stats(fake.proxy.window).taken, 1024);
    finish(&c);
}

static void test_nodes_are_woken_before_the_body(void **state)
{
    (void)state;
    struct client c;
    fake_begin(10, 2, 65536, 4 << 20);
    assert_int_equal(begin_put(&c, 1 << 20), 0);
    uint32_t wakes = 0;
    for (int i = 0; i < FAKE_FUNCTIONS; i++) {
        wakes += fake.node[i].wakes;
    }
    assert_int_equal(wakes, 12);
    finish(&c);
}

static int never(struct ic_node_request *r)
{
    (void)r;
    return 1;
}

static void test_memory_is_bounded_when_nodes_do_not_answer(void **state)
{
    (void)state;
    struct client c;
    fake_begin(10, 2, 65536, 4 << 20);
    fake.script = never;
    assert_int_equal(begin_put(&c, 100 << 20), 0);
    uint64_t fed = feed(&c, UINT64_MAX, SIZE_MAX);
    struct ic_window_stats stats = ic_window_stats(fake.proxy.window);
    assert_true(fed >= 655360 && stats.used <= stats.limit);
    fake_run();
    assert_int_equal(c.resumed, 0);
    fake.script = NULL;
    fake_run();
    assert_true(c.resumed > 0);
    assert_true(feed(&c, UINT64_MAX, SIZE_MAX) > 0);
    finish(&c); /* in the middle: nothing is left */
}

static uint64_t failing_chunks; /* whose requests fail from `failing_from` on, in the chunk */
static uint64_t failing_from;
static int failing_result;

static int fail_some(struct ic_node_request *r)
{
    if ((failing_chunks >> r->chunk & 1) != 0 &&
        (r->op == IC_NODE_SEAL ? r->chunk_length : r->offset) >= failing_from) {
        return failing_result;
    }
    return 0;
}

static void test_failing_chunks(void **state)
{
    (void)state;
    static const struct {
        uint64_t chunks, from;
        int result, expected;
        uint32_t held;
    } rows[] = {
        {0x001, 0, IC_EUNAVAIL, 0, 11},           {0x800, 0, IC_ENOSPC, 0, 11},
        {0x004, 131072, IC_ESTALE, 0, 11},        {0x200, 200000, IC_ETIMEOUT, 0, 11},
        {0x003, 0, IC_EUNAVAIL, IC_EUNAVAIL, 0},  {0xC00, 65536, IC_ETIMEOUT, IC_ETIMEOUT, 0},
        {0x801, 200000, IC_ESTALE, IC_ESTALE, 0}, {0xFFF, 0, IC_ENOSPC, IC_ENOSPC, 0},
    };
    uint64_t live = ic_alloc_live();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        fake_begin(10, 2, 65536, 4 << 20);
        fake.script = fail_some;
        failing_chunks = rows[i].chunks;
        failing_from = rows[i].from;
        failing_result = rows[i].result;
        put_all(&c, 3 << 20, 100000);
        assert_int_equal(c.ready, 1);
        assert_int_equal(c.result, rows[i].expected);
        if (c.object != NULL) {
            assert_int_equal(ic_store_held_count(NULL, c.object), rows[i].held);
            check_chunks(c.object);
        }
        finish(&c);
    }
    assert_int_equal(ic_alloc_live(), live);
}

static uint32_t failing_functions; /* that cannot be woken */

static int fail_function(struct ic_node_request *r)
{
    return (failing_functions >> r->function & 1) != 0 ? IC_EUNAVAIL : 0;
}

/* Functions that cannot take their chunks: others do, whatever the size, if there are any. */
static void test_functions_that_fail(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct client c;
        fake_begin(4, 2, 256, 1 << 20);
        fake.script = fail_function;
        failing_functions = 0xE; /* of the first object the first three: too many to go without */
        put_all(&c, sizes[i], 100);
        assert_int_equal(c.result, 0);
        assert_int_equal(ic_store_held_count(NULL, c.object), 6);
        check_chunks(c.object);
        finish(&c);
    }
    struct client c;
    fake_begin(4, 2, 256, 1 << 20);
    fake.script = fail_function;
    failing_functions = 0x38E; /* and those that take their place */
    put_all(&c, 4096, 100);
    assert_int_equal(c.result, IC_EUNAVAIL);
    finish(&c);
    assert_int_equal(ic_alloc_live(), live);
}

static int last_is_late(struct ic_node_request *r)
{
    return r->chunk == 2;
}

/* An instance dies that has taken a part: what is here still goes to another. */
static void test_an_instance_that_dies(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    for (int answers = 0; answers < 12; answers++) {
        struct client c;
        fake_begin(1, 2, 256, 1 << 20);
        fake.script = last_is_late; /* so the first stripe is under way */
        assert_int_equal(begin_put(&c, 1000), 0);
        feed(&c, UINT64_MAX, SIZE_MAX);
        ic_put_seal(c.put, 0);
        for (int i = 0; i < answers; i++) {
            fake_step();
        }
        uint16_t function = 1; /* of the first chunk */
        bool sealed = fake.node[function].chunks != NULL && fake.node[function].chunks->sealed;
        fake_kill(function);
        fake_run();
        fake.script = NULL;
        fake_run();
        assert_int_equal(c.result, 0);
        assert_int_equal(ic_store_held_count(NULL, c.object), sealed ? 2 : 3);
        finish(&c);
    }
    assert_int_equal(ic_alloc_live(), live);
}

static void test_instance_changes_in_the_middle(void **state)
{
    (void)state;
    struct client c;
    fake_begin(4, 2, 256, 1 << 20);
    assert_int_equal(begin_put(&c, 4096), 0);
    feed(&c, 1024, SIZE_MAX);
    fake_run();
    fake_kill(3);
    feed(&c, UINT64_MAX, SIZE_MAX);
    ic_put_seal(c.put, 0);
    fake_run();
    assert_int_equal(c.result, 0);
    assert_int_equal(ic_store_held_count(NULL, c.object), 5);
    check_chunks(c.object);
    finish(&c);
}

static uint32_t recalls; /* meetings asked for */

/* Chunks whose instance is away, but while it meets the one that answers. */
static int away(struct ic_node_request *r)
{
    struct fake_node *node = &fake.node[r->function];
    bool is_there = node->meeting != NULL && node->meeting->stage == IC_MEETING_MET;
    int result = is_there ? 0 : fail_some(r);
    node->status = result < 0 ? IC_STATUS_AWAY : IC_STATUS_AWAKE;
    return result;
}

static void run_meeting(int result)
{
    uint32_t count;
    do {
        fake_run();
        count = fake_meet_all(result);
        recalls += count;
    } while (count > 0);
}

/* Chunks 0 to 2 are away from the second stripe on, which is too many to go without. */
static void begin_away(struct client *c, int (*script)(struct ic_node_request *r))
{
    fake_begin(10, 2, 65536, 4 << 20);
    fake.script = script;
    failing_chunks = 0x7;
    failing_from = 65536;
    failing_result = IC_EAWAY;
    recalls = 0;
    assert_int_equal(begin_put(c, 5 << 20), 0);
}

/* Another instance answers in the middle: the one that has the first bytes is recalled, again and
 * again if need be, and not kept longer than it has something to do. */
static void test_instances_that_are_away(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    struct client c;
    begin_away(&c, away);
    while (c.sent < c.size) {
        uint64_t fed = feed(&c, 655360, SIZE_MAX);
        run_meeting(0);
        assert_true(fed > 0);
        fake_check_apart();
    }
    ic_put_seal(c.put, 0);
    run_meeting(0);
    fake_check_apart();
    assert_int_equal(recalls, 3 * 8); /* seven stripes and the seal */
    assert_int_equal(c.result, 0);
    assert_int_equal(ic_store_held_count(NULL, c.object), 12);
    check_chunks(c.object);
    finish(&c);
    assert_int_equal(ic_alloc_live(), live);
}

static void test_instances_that_stay_away(void **state)
{
    (void)state;
    static const struct {
        int (*script)(struct ic_node_request *r);
        int meeting, expected;
        uint32_t recalls;
    } rows[] = {
        {away, IC_EUNAVAIL, IC_EUNAVAIL, 3}, /* the other does not come */
        {fail_some, 0, IC_EAWAY, 9},         /* another comes, each time */
    };
    uint64_t live = ic_alloc_live();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        begin_away(&c, rows[i].script);
        feed(&c, 655360, SIZE_MAX);
        fake_run();
        feed(&c, 655360 * 2, SIZE_MAX);
        run_meeting(rows[i].meeting);
        assert_int_equal(c.ready, 1);
        assert_int_equal(c.result, rows[i].expected);
        assert_in_range(recalls, 2, rows[i].recalls);
        fake_check_apart();
        finish(&c);
    }
    assert_int_equal(ic_alloc_live(), live);
}

/* Its two instances meet for another reason, or are just parting: asked again, for a while. */
static void test_a_recall_that_has_to_wait(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    for (int frees = 0; frees < 3; frees++) {
        struct client c;
        struct ic_meeting other[3] = {{.function = 1}, {.function = 2}, {.function = 3}};
        begin_away(&c, away);
        feed(&c, 655360, SIZE_MAX);
        fake_run();
        for (int i = 0; i < 3; i++) {
            assert_int_equal(ic_functions_meet(NULL, &other[i]), 0);
            other[i].stage = IC_MEETING_RAISING;
        }
        feed(&c, 655360, SIZE_MAX);
        fake_run();
        assert_int_equal(c.ready, 0);
        if (frees == 1) { /* the client leaves meanwhile */
            ic_put_free(c.put);
            c.put = NULL;
        }
        if (frees < 2) {
            for (int i = 0; i < 3; i++) {
                ic_functions_part(NULL, &other[i]);
            }
        }
        fake_pass(frees == 2 ? 2 * (uint64_t)fake.proxy.config->invoke_timeout + 100 : 100);
        run_meeting(0);
        assert_int_equal(recalls, frees == 0 ? 3 : 0);
        assert_int_equal(c.ready, frees == 2);
        assert_int_equal(c.result, frees == 2 ? IC_EBUSY : 1);
        for (int i = 0; frees == 2 && i < 3; i++) {
            ic_functions_part(NULL, &other[i]);
        }
        fake_check_apart();
        finish(&c);
    }
    assert_int_equal(ic_alloc_live(), live);
}

/* Chunk 2 is not answered; chunk 0 is away from its second stripe on. */
static int late_and_away(struct ic_node_request *r)
{
    return r->chunk == 2 ? 1 : away(r);
}

/*
 * A chunk that is whole here could move, but every other function has a chunk: it waits for its
 * instance, and nothing is let go of before that, whatever the others answer and however it ends.
 */
static void test_away_with_nowhere_to_move_to(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    for (int frees = 0; frees < 3; frees++) {
        struct client c;
        fake_begin(13, 3, 256, 1 << 20); /* all of FAKE_FUNCTIONS */
        fake.script = late_and_away;
        failing_chunks = 1;
        failing_from = 256;
        failing_result = IC_EAWAY;
        recalls = 0;
        assert_int_equal(begin_put(&c, 3 * 13 * 256), 0);
        feed(&c, UINT64_MAX, SIZE_MAX);
        fake_run();
        if (frees == 2) { /* once it has come back, and been asked again */
            assert_int_equal(fake_meet_all(0), 1);
        }
        fake.script = away; /* the first stripe is written */
        if (frees > 0) {
            ic_put_free(c.put);
            c.put = NULL;
        }
        run_meeting(0);
        if (frees == 0) {
            ic_put_seal(c.put, 0);
            run_meeting(0);
            assert_int_equal(c.result, 0);
            assert_int_equal(ic_store_held_count(NULL, c.object), 16);
            check_chunks(c.object);
        }
        fake_check_apart();
        finish(&c);
    }
    assert_int_equal(ic_alloc_live(), live);
}

static uint64_t mute_chunks;
static enum ic_node_op mute_op;

static int mute(struct ic_node_request *r)
{
    return (mute_chunks >> r->chunk & 1) != 0 && r->op >= mute_op ? 1 : 0;
}

static void test_write_deadline_at_the_seals(void **state)
{
    (void)state;
    struct client c;
    fake_begin(4, 2, 256, 1 << 20);
    fake.script = mute;
    mute_op = IC_NODE_SEAL;
    mute_chunks = 0x03; /* one too many */
    put_all(&c, 3000, 100);
    assert_int_equal(c.ready, 0);
    fake_pass((uint64_t)fake.proxy.config->write_deadline);
    assert_int_equal(c.ready, 0);
    mute_chunks = 0x02;
    fake_run();
    assert_int_equal(c.ready, 1); /* after the deadline enough is enough, at once */
    assert_int_equal(c.result, 0);
    assert_int_equal(ic_store_held_count(NULL, c.object), 5);
    finish(&c);

    fake_begin(4, 2, 256, 1 << 20);
    fake.script = mute;
    put_all(&c, 3000, 100);
    assert_int_equal(c.ready, 0);
    fake_pass((uint64_t)fake.proxy.config->write_deadline - 1);
    assert_int_equal(c.ready, 0);
    fake_pass(1);
    assert_int_equal(c.result, 0);
    finish(&c);
}

static void test_write_deadline_in_the_body(void **state)
{
    (void)state;
    struct client c;
    fake_begin(10, 2, 65536, 4 << 20);
    fake.script = mute;
    mute_op = IC_NODE_WRITE;
    mute_chunks = 0x10;
    assert_int_equal(begin_put(&c, 20 << 20), 0);
    feed(&c, UINT64_MAX, SIZE_MAX);
    fake_run();
    assert_int_equal(feed(&c, UINT64_MAX, SIZE_MAX), 0); /* held up by one chunk */
    fake_pass((uint64_t)fake.proxy.config->write_deadline);
    while (c.sent < c.size) {
        assert_true(feed(&c, UINT64_MAX, SIZE_MAX) > 0);
        fake_run();
    }
    ic_put_seal(c.put, 0);
    fake_run();
    assert_int_equal(c.result, 0);
    assert_int_equal(ic_store_held_count(NULL, c.object), 11);
    finish(&c);
}

static void test_no_memory_anywhere(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        struct client c;
        fake_begin(4, 2, 256, 1 << 20);
        fake_run();
        ic_alloc_fail_at(at);
        int error = begin_put(&c, 5000);
        for (int turn = 0; error == 0 && c.ready == 0 && turn < 100; turn++) {
            feed(&c, UINT64_MAX, 1000);
            if (c.sent == c.size) {
                ic_put_seal(c.put, 0);
            }
            fake_pass(IC_WINDOW_RETRY_MS);
        }
        done = at > 40; /* far beyond the last one */
        ic_alloc_fail_at(0);
        assert_true(error < 0 ? error == IC_ENOMEM : c.ready == 1);
        if (error == 0 && c.result == 0) {
            check_chunks(c.object);
        }
        finish(&c);
        assert_int_equal(ic_alloc_live(), live);
    }
}

static int by_dice(struct ic_node_request *r)
{
    uint64_t dice = ic_rng_below(&fake.proxy.rng, 1000);
    if (dice < 300) {
        return 1; /* later */
    }
    if (dice < 303) {
        return (int[]){IC_EUNAVAIL, IC_ENOSPC, IC_ETIMEOUT}[dice % 3];
    }
    if (dice == 303) {
        fake_kill(r->function);
    }
    return 0;
}

static void test_random_lives(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    uint32_t stored = 0, failed = 0, dropped = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct client c;
        fake_begin((uint16_t)(1 + seed % 10), (uint16_t)(seed % 4), 256, 1 << 20);
        ic_rng_init(&fake.proxy.rng, seed);
        fake.script = by_dice;
        assert_int_equal(begin_put(&c, ic_rng_below(&fake.proxy.rng, 40000)), 0);
        bool sealed = false, leaves = seed % 7 == 0;
        for (int turn = 0; turn < 10000 && c.ready == 0; turn++) {
            feed(&c, 1 + ic_rng_below(&fake.proxy.rng, 5000),
                 1 + ic_rng_below(&fake.proxy.rng, 999));
            if (c.sent == c.size && !sealed) {
                ic_put_seal(c.put, 0);
                sealed = true;
            }
            fake_step();
            if (leaves && ic_rng_below(&fake.proxy.rng, 100) == 0) {
                break;
            }
        }
        stored += c.result == 0;
        failed += c.ready > 0 && c.result < 0;
        dropped += c.ready == 0;
        if (c.result == 0) {
            check_chunks(c.object);
        }
        finish(&c);
    }
    assert_true(stored > 100 && failed > 10 && dropped > 5);
    assert_int_equal(ic_alloc_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_claims_as_bytes_come),
        cmocka_unit_test(test_small_values_take_small_buffers),
        cmocka_unit_test(test_nodes_are_woken_before_the_body),
        cmocka_unit_test(test_memory_is_bounded_when_nodes_do_not_answer),
        cmocka_unit_test(test_failing_chunks),
        cmocka_unit_test(test_functions_that_fail),
        cmocka_unit_test(test_an_instance_that_dies),
        cmocka_unit_test(test_instance_changes_in_the_middle),
        cmocka_unit_test(test_instances_that_are_away),
        cmocka_unit_test(test_instances_that_stay_away),
        cmocka_unit_test(test_away_with_nowhere_to_move_to),
        cmocka_unit_test(test_a_recall_that_has_to_wait),
        cmocka_unit_test(test_write_deadline_at_the_seals),
        cmocka_unit_test(test_write_deadline_in_the_body),
        cmocka_unit_test(test_no_memory_anywhere),
        cmocka_unit_test(test_random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
