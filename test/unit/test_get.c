#include "proxy/get.h"

#include "proxy/reader_internal.h"

#include "unit/get_world.h"

static uint64_t ranges[][2] = {
    {0, UINT64_MAX}, {0, 1},    {1, 1},       {63, 2},   {255, 1},    {255, 2},     {256, 1},
    {1023, 2},       {1024, 1}, {1000, 2000}, {2559, 2}, {2560, 100}, {4000, 5000}, {100, 99900}};

static void test_sizes_and_ranges(void **state)
{
    (void)state;
    static const uint16_t codes[][2] = {{1, 2}, {4, 2}, {10, 2}, {3, 0}};
    static const uint64_t sizes[] = {0,    1,    63,   64,   65,   255,  256,   257,
                                     1023, 1024, 1025, 4096, 5000, 8191, 65536, 100000};
    uint64_t live = ic_alloc_live();
    for (size_t k = 0; k < sizeof codes / sizeof codes[0]; k++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct ic_object *o = begin(codes[k][0], codes[k][1], 256, sizes[i]);
            for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++) {
                if (ranges[r][0] <= sizes[i]) {
                    uint64_t most = sizes[i] - ranges[r][0];
                    check_read(o, ranges[r][0], ranges[r][1] < most ? ranges[r][1] : most);
                }
            }
            end(o);
        }
    }
    assert_int_equal(ic_alloc_live(), live);
}

static void test_no_bytes_ask_nobody(void **state)
{
    (void)state;
    struct ic_object *o = begin(4, 2, 256, 1000);
    check_read(o, 1000, 0);
    check_read(o, 0, 0);
    assert_int_equal(fake.reads, 0);
    end(o);
}

static void test_part_of_a_stripe_asks_few(void **state)
{
    (void)state;
    struct ic_object *o = begin(10, 2, 65536, 1 << 20);
    check_read(o, 70000, 100);
    assert_int_equal(fake.reads, 1);
    assert_int_equal(fake.read_bytes, 65536);
    fake_kill(o->place[1].function); /* that chunk: now d others are needed */
    fake.reads = 0;
    check_read(o, 70000, 100);
    assert_int_equal(fake.reads, 10);
    end(o);
}

static void test_every_pair_lost(void **state)
{
    (void)state;
    for (uint16_t a = 0; a < 6; a++) {
        for (uint16_t b = 0; b < 6; b++) {
            struct ic_object *o = begin(4, 2, 256, 10000);
            fake_kill(o->place[a].function);
            fake_kill(o->place[b].function);
            check_read(o, 0, 10000);
            check_read(o, 300, 5);
            end(o);
        }
    }
}

static uint64_t failing_chunks, failing_after; /* chunks; reads answered rightly before */
static int failing_result;

static int fail_some(struct ic_node_request *r)
{
    bool fails = (failing_chunks >> r->chunk & 1) != 0 && fake.reads >= failing_after;
    return fails ? failing_result : 0;
}

static void test_chunks_fail_in_the_middle(void **state)
{
    (void)state;
    static const int results[] = {IC_EUNAVAIL, IC_ESTALE, IC_EAWAY, IC_ENOENT, IC_ETIMEOUT, IC_EIO};
    static struct client c;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        for (uint64_t after = 0; after < 60; after += 7) {
            for (uint64_t chunks = 0; chunks < 64; chunks++) {
                struct ic_object *o = begin(4, 2, 64, 20000);
                fake.script = fail_some;
                failing_chunks = chunks;
                failing_after = after;
                failing_result = results[i];
                start(&c, o, 1, 0, 20000);
                fake_run();
                assert_int_equal(c.ended, 1);
                if (__builtin_popcountll(chunks) <= 2) {
                    assert_int_equal(c.result, 0);
                } else if (c.result < 0) {
                    bool lost =
                        results[i] == IC_ESTALE || results[i] == IC_ENOENT || results[i] == IC_EIO;
                    int timeout = results[i] == IC_ETIMEOUT ? IC_ETIMEOUT : IC_EUNAVAIL;
                    assert_int_equal(c.result, lost ? IC_ENOENT : timeout);
                }
                stop(&c);
                end(o);
            }
        }
    }
}

static void test_corrupt_units(void **state)
{
    (void)state;
    static struct client c;
    for (uint32_t bad = 1; bad <= 3; bad++) {
        struct ic_object *o = begin(4, 2, 256, 50000);
        for (uint16_t i = 0; i < bad; i++) {
            struct fake_chunk *chunk = *fake_find(o->place[i].function, o->id, i);
            chunk->bytes[chunk->length / 2 + i] ^= 0x10;
        }
        start(&c, o, 1, 0, 50000);
        fake_run();
        assert_int_equal(c.result, bad <= 2 ? 0 : IC_ENOENT);
        for (uint16_t i = 0; i < 6; i++) {
            assert_int_equal(o->place[i].state, i < bad ? IC_CHUNK_LOST : IC_CHUNK_HELD);
        }
        stop(&c);
        end(o);
    }
    struct ic_object *o = begin(4, 2, 256, 1000); /* right bytes of another place are wrong bytes */
    struct fake_chunk *a = *fake_find(o->place[0].function, o->id, 0);
    struct fake_chunk *b = *fake_find(o->place[1].function, o->id, 1);
    memcpy(a->bytes, b->bytes, 256);
    a->crcs[0] = b->crcs[0];
    check_read(o, 0, 1000);
    assert_int_equal(o->place[0].state, IC_CHUNK_LOST);
    end(o);
}

static uint64_t mute_chunks;

static int mute(struct ic_node_request *r)
{
    return (mute_chunks >> r->chunk & 1) != 0 ? 1 : 0;
}

static int refuse(struct ic_node_request *r)
{
    return r->chunk == 0 ? IC_ENOENT : 0;
}

/* The answer comes when a repair has given the chunk another place: it says nothing about that. */
static void test_answer_about_a_former_place(void **state)
{
    (void)state;
    static struct client c;
    struct ic_object *o = begin(4, 2, 256, 5000);
    struct ic_chunk_place before = o->place[0];
    fake.script = mute;
    mute_chunks = 0x3f;
    start(&c, o, 1, 0, 5000);
    fake_run();
    o->place[0].state = IC_CHUNK_WRITING;
    o->place[0].instance = 0;
    fake.script = refuse;
    fake_run();
    assert_int_equal(c.result, 0);
    assert_int_equal(o->place[0].state, IC_CHUNK_WRITING);
    o->place[0] = before;
    stop(&c);
    end(o);
}

static void test_late_chunks_are_replaced(void **state)
{
    (void)state;
    static struct client c;
    struct ic_object *o = begin(4, 2, 256, 400000);
    uint64_t patience = (uint64_t)fake.proxy.config->read_deadline;
    fake.script = mute;
    mute_chunks = 0x03;
    start(&c, o, 1, 0, 400000);
    fake_run();
    fake_pass(patience - 1);
    assert_int_equal(c.at, 0);
    fake_pass(1);
    assert_int_equal(c.ended, 1); /* the next spans did not wait for them again */
    assert_int_equal(c.result, 0);
    stop(&c);
    mute_chunks = 0x07; /* one too many: waits, and what comes late still counts */
    start(&c, o, 1, 0, 400000);
    fake_run();
    fake_pass(3 * patience);
    assert_int_equal(c.ended, 0);
    mute_chunks = 0x03;
    fake_run();
    assert_int_equal(c.result, 0);
    stop(&c);
    end(o);
}

static uint64_t asked_chunks;

static int note_asked(struct ic_node_request *r)
{
    asked_chunks |= UINT64_C(1) << r->chunk;
    return 0;
}

/* Once it is known how long READs take, a late one is not waited for until read-deadline, unless
 * `hedge off` says so; `always` asks all chunks at once. */
static void test_hedge(void **state)
{
    (void)state;
    static struct client c;
    struct ic_object *o = begin(4, 2, 256, 400000);
    fake.proxy.config->hedge = IC_HEDGE_ADAPTIVE;
    for (int i = 0; i < IC_HEDGE_SAMPLES_MIN; i++) {
        check_read(o, 0, 400000);
    }
    fake.script = mute;
    mute_chunks = 0x03;
    start(&c, o, 1, 0, 400000);
    fake_run();
    fake_pass(IC_HEDGE_MIN_MS - 1);
    assert_int_equal(c.ended, 0);
    fake_pass(1);
    assert_int_equal(c.ended, 1);
    assert_int_equal(c.result, 0);
    stop(&c);
    fake.proxy.config->hedge = IC_HEDGE_OFF;
    start(&c, o, 1, 0, 400000);
    fake_run();
    fake_pass((uint64_t)fake.proxy.config->read_deadline - 1);
    assert_int_equal(c.ended, 0);
    fake_pass(1);
    assert_int_equal(c.ended, 1);
    stop(&c);
    fake.proxy.config->hedge = IC_HEDGE_ALWAYS;
    start(&c, o, 1, 0, 400000);
    fake_run(); /* two are mute, and nobody waits */
    assert_int_equal(c.ended, 1);
    assert_int_equal(c.result, 0);
    stop(&c);
    asked_chunks = 0;
    fake.script = note_asked;
    check_read(o, 0, 256); /* part of a stripe */
    assert_int_equal(asked_chunks, 0x01);
    end(o);
}

static void test_plan(void **state)
{
    (void)state;
    static const struct {
        uint64_t asleep, away, down, busy, slow, expected;
    } rows[] = {
        {0, 0, 0, 0, 0, 0x0F},       {0x02, 0, 0, 0, 0, 0x1D},    {0x30, 0, 0, 0, 0, 0x0F},
        {0, 0x03, 0, 0, 0, 0x3C},    {0x3C, 0, 0x03, 0, 0, 0x3C}, {0, 0, 0, 0x01, 0, 0x1E},
        {0x0E, 0, 0, 0x01, 0, 0x33}, {0x3F, 0, 0, 0, 0, 0x0F},    {0, 0x01, 0x02, 0, 0, 0x3C},
        {0, 0, 0, 0, 0x05, 0x3A},    {0x30, 0, 0, 0, 0x01, 0x1E}, {0, 0x30, 0, 0, 0x01, 0x0F},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct ic_object *o = begin(4, 2, 256, 10000);
        for (uint16_t i = 0; i < 6; i++) {
            struct fake_node *node = &fake.node[o->place[i].function];
            node->status = rows[k].asleep >> i & 1 ? IC_STATUS_ASLEEP
                           : rows[k].away >> i & 1 ? IC_STATUS_AWAY
                           : rows[k].down >> i & 1 ? IC_STATUS_DOWN
                           : rows[k].slow >> i & 1 ? IC_STATUS_SLOW
                                                   : IC_STATUS_AWAKE;
            node->backlog = rows[k].busy >> i & 1 ? 50 << 20 : 0;
        }
        asked_chunks = 0;
        fake.script = note_asked;
        check_read(o, 0, 10000);
        /* Row 6: chunks 1..3 asleep, 0 busy: 0, 4, 5 and one that sleeps. */
        assert_int_equal(asked_chunks, rows[k].expected);
        end(o);
    }
}

/* A late chunk of a part of a stripe, which its function answers for in other spans again: others
 * are asked, not it once more. */
static void test_what_is_asked_is_not_asked_again(void **state)
{
    (void)state;
    struct ic_object *o = begin(4, 2, 256, 10000);
    struct ic_reader r = {.proxy = &fake.proxy, .object = o};
    struct ic_span span = {.need = 0x02, .asked = 0x02, .late = 0x02};
    uint64_t more;
    assert_int_equal(ic_reader_plan(&r, &span, &more), 0);
    assert_int_equal(more, 0x1D);
    end(o);
}

static void test_paused_reads_are_bounded(void **state)
{
    (void)state;
    static struct client c;
    struct ic_object *o = begin(4, 2, 65536, 20 << 20);
    start(&c, o, 1, 0, 20 << 20);
    c.pause_every = 100000;
    fake_run();
    uint64_t last = 0;
    while (c.ended == 0) {
        assert_true(c.at > last); /* each resume brings something */
        last = c.at;
        struct ic_window_stats stats = ic_window_stats(fake.proxy.window);
        assert_true(stats.used <= 6 << 20); /* two spans of 4 * 256 KiB and what is kept */
        release_kept(&c);
        ic_get_resume(c.get);
        assert_int_equal(c.at, last); /* not on this stack */
        fake_run();
    }
    assert_int_equal(c.result, 0);
    stop(&c);
    end(o);
}

static void test_readers_at_one_place_share(void **state)
{
    (void)state;
    static struct client c[5];
    struct ic_object *o = begin(4, 2, 256, 100000);
    check_read(o, 0, 100000);
    uint64_t reads = fake.reads;
    fake.reads = 0;
    for (int i = 0; i < 5; i++) {
        start(&c[i], o, 1, 0, 100000);
    }
    c[4].leaves = true;
    fake_run();
    assert_int_equal(fake.reads, reads);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(c[i].result, i < 4 ? 0 : 1);
        stop(&c[i]);
    }
    end(o);
}

/* However many read one object: each turn has its bound. */
static void test_a_crowd_takes_turns(void **state)
{
    (void)state;
    enum { COUNT = 30, SIZE = 6 << 20 };
    static struct client c[COUNT];
    struct ic_object *o = begin(10, 2, 65536, SIZE);
    check_read(o, 0, SIZE);
    uint64_t reads = fake.reads;
    given.most = fake.reads = 0;
    for (int i = 0; i < COUNT; i++) {
        start(&c[i], o, 1, 0, SIZE);
        c[i].leaves = i % 7 == 3;
    }
    fake_run();
    assert_in_range(given.most, IC_READER_TURN_BYTES / 2, IC_READER_TURN_BYTES + SIZE);
    assert_int_equal(fake.reads, reads); /* together */
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(c[i].result, i % 7 == 3 ? 1 : 0);
        stop(&c[i]);
    }
    end(o);
}

/* However little they read. */
static void test_a_crowd_that_reads_little_takes_turns(void **state)
{
    (void)state;
    enum { MOST = IC_READER_TURN_BYTES / IC_READER_TAP_BYTES, COUNT = 2 * MOST };
    static struct client c[COUNT];
    struct ic_object *o = begin(10, 2, 65536, 1000);
    given.most_ends = 0;
    for (int i = 0; i < COUNT; i++) {
        start(&c[i], o, 1, 0, 10);
    }
    fake_run();
    assert_in_range(given.most_ends, MOST / 2, MOST + 1);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(c[i].result, 0);
        stop(&c[i]);
    }
    end(o);
}

static void test_slow_reader_does_not_stall_others(void **state)
{
    (void)state;
    static struct client fast, slow, later;
    struct ic_object *o = begin(4, 2, 65536, 30 << 20);
    start(&fast, o, 1, 0, 30 << 20);
    start(&slow, o, 1, 0, 30 << 20);
    slow.pause_every = 1;
    fake_run();
    assert_int_equal(fast.ended, 1);
    assert_int_equal(fast.result, 0);
    assert_true(slow.at > 0 && slow.at <= 65536);
    start(&later, o, 1, 0, 30 << 20); /* beyond what the slow one's reader still has: its own */
    fake_run();
    assert_int_equal(later.ended, 1);
    take_the_rest(&slow);
    stop(&fast);
    stop(&slow);
    stop(&later);
    end(o);
}

/* All that a reader may take is on its way to a client that does not read; another client of the
 * same reader wants more. */
static void test_what_slow_clients_hold_does_not_stall_others(void **state)
{
    (void)state;
    enum { SPANS = (1 << 20) + (1 << 19), WINDOW = 2900000 }; /* the growth share is little more */
    static struct client fast, slow;
    fake_begin(4, 2, 65536, WINDOW);
    struct ic_object *o = fake_stored(1, 8 << 20);
    start(&slow, o, 1, 0, 8 << 20);
    start(&fast, o, 1, 0, 8 << 20);
    slow.pause_every = SPANS;
    fake_run();
    assert_int_equal(slow.at, SPANS);
    assert_int_equal(fast.ended, 1);
    assert_int_equal(fast.result, 0);
    take_the_rest(&slow);
    stop(&fast);
    stop(&slow);
    end(o);
}

static void test_little_memory(void **state)
{
    (void)state;
    static struct client c[4];
    for (uint64_t chunks = 0; chunks < 64; chunks += 9) {
        fake_begin(4, 2, 65536, 6 * 65536 + 65536); /* one window, hardly more */
        struct ic_object *o = fake_stored(1, 3000000);
        struct ic_object *other = fake_stored(2, 1000000);
        fake.script = fail_some;
        failing_chunks = chunks;
        failing_after = 10;
        failing_result = IC_EUNAVAIL;
        for (int i = 0; i < 4; i++) {
            start(&c[i], i == 3 ? other : o, i == 3 ? 2 : 1, (uint64_t)i * 1000, 900000);
            c[i].pause_every = i == 2 ? 200000 : 0;
        }
        for (int i = 0; i < 100000 && c[0].ended + c[1].ended + c[2].ended + c[3].ended < 4; i++) {
            struct ic_window_stats stats = ic_window_stats(fake.proxy.window);
            assert_true(stats.used <= stats.limit && stats.peak <= stats.limit);
            fake_run();
            release_kept(&c[2]);
            ic_get_resume(c[2].get);
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(c[i].ended, 1);
            if (__builtin_popcountll(chunks) <= 2) {
                assert_int_equal(c[i].result, 0);
            }
            stop(&c[i]);
        }
        fake_free_object(other);
        end(o);
    }
}

static void no_matter(void *ctx)
{
    (void)ctx;
}

static void test_replacement_without_memory(void **state)
{
    (void)state;
    static struct client c;
    struct ic_grant waiting = {0};
    struct ic_object *o = begin(4, 2, 65536, 20 << 20);
    fake.script = mute;
    mute_chunks = 0x3F;
    start(&c, o, 1, 0, 20 << 20);
    fake_run();
    /* Somebody waits in line from now on: the read cannot grow, and two of its chunks fail. */
    assert_int_equal(
        ic_window_admit(fake.proxy.window, &waiting, IC_WINDOW_READ, 8 << 20, no_matter, NULL), 0);
    fake.script = fail_some;
    failing_chunks = 0x05;
    failing_after = 0;
    failing_result = IC_ETIMEOUT;
    fake_run();
    assert_int_equal(c.ended, 1);
    assert_int_equal(c.result, 0);
    ic_window_leave(&waiting);
    stop(&c);
    end(o);
}

/* A client keeps the memory of the only stripe there is room for; another read is of a part of a
 * unit, for whose chunk there is. If that chunk fails it stands in line, and holds nothing. */
static void test_a_part_of_a_unit_stands_in_no_line(void **state)
{
    (void)state;
    static struct client slow, part;
    enum { LENGTH = 2 * 65536 - 70000 };
    for (int fails = 0; fails < 2; fails++) {
        fake_begin(10, 2, 65536, 16 * 65536);
        struct ic_object *o = fake_stored(1, 2000000), *other = fake_stored(2, 2000000);
        assert_int_equal(ic_get_at_once(&fake.proxy, other, 70000, 1000000), 1000000);
        start(&slow, o, 1, 0, 2000000);
        slow.pause_every = 1000;
        fake_run();
        size_t used = ic_window_stats(fake.proxy.window).used;
        assert_int_equal(ic_get_at_once(&fake.proxy, other, 70000, 1000000), LENGTH);
        fake.reads = 0;
        fake.script = fails ? fail_some : NULL;
        failing_chunks = 2;
        failing_after = 0;
        failing_result = IC_EUNAVAIL;
        start(&part, other, 2, 70000, LENGTH);
        fake_run();
        struct ic_window_stats stats = ic_window_stats(fake.proxy.window);
        assert_int_equal(stats.waiting, fails);
        assert_int_equal(stats.used, used);
        assert_int_equal(part.ended, !fails);
        stop(&slow);
        fake_run();
        assert_int_equal(part.result, 0);
        assert_int_equal(fake.reads, fails ? 10 : 1);
        stop(&part);
        fake_free_object(other);
        end(o);
    }
}

/* The same, but the memory for a stripe has come free when it turns out to be needed. */
static void test_a_part_of_a_unit_begins_again_at_once(void **state)
{
    (void)state;
    static struct client slow, part;
    fake_begin(10, 2, 65536, 13 * 65536);
    struct ic_object *o = fake_stored(1, 2000000), *other = fake_stored(2, 2000000);
    start(&slow, o, 1, 0, 2000000);
    slow.pause_every = 1000;
    fake_run();
    fake_kill(other->place[1].function);
    start(&part, other, 2, 70000, 1000);
    ic_get_free(slow.get);
    slow.get = NULL;
    release_kept(&slow);
    fake_run();
    assert_int_equal(part.ended, 1);
    assert_int_equal(part.result, 0);
    stop(&part);
    fake_free_object(other);
    end(o);
}

static void test_admission_has_a_deadline(void **state)
{
    (void)state;
    static struct client a, b;
    fake_begin(4, 2, 65536, 7 * 65536);
    struct ic_object *o = fake_stored(1, 1000000), *other = fake_stored(2, 1000000);
    fake.script = mute;
    mute_chunks = 0x3F;
    start(&a, o, 1, 0, 1000000);
    start(&b, other, 2, 0, 1000000);
    fake_pass((uint64_t)(fake.proxy.config->invoke_timeout + fake.proxy.config->node_timeout));
    assert_int_equal(a.ended, 0); /* the functions' own deadlines end this one */
    assert_int_equal(b.result, IC_EBUSY);
    stop(&b);
    stop(&a);
    fake_free_object(other);
    end(o);
}

static void note_ready(void *ctx)
{
    *(bool *)ctx = true;
}

/* A read that goes on for long gives what it has to who has waited for it, and comes again. */
static void test_who_waits_has_memory_before_a_long_read(void **state)
{
    (void)state;
    static struct client reader;
    bool ready = false;
    struct ic_grant writer = {.held = 0};
    fake_begin(4, 2, 65536, 7 * 65536);
    struct ic_object *o = fake_stored(1, 8 << 20);
    start(&reader, o, 1, 0, 8 << 20);
    reader.pause_every = 100000;
    fake_run();
    assert_false(ic_window_admit(fake.proxy.window, &writer, IC_WINDOW_WRITE, 6 * 65536, note_ready,
                                 &ready));
    for (int i = 0; i < 40 && !ready; i++) { /* 10 ms for 100,000 bytes */
        assert_true(reader.at < 6 << 20);
        fake_pass(10);
        release_kept(&reader);
        ic_get_resume(reader.get);
        fake_run();
    }
    assert_true(ready);
    uint64_t at = reader.at;
    fake_pass(100);
    assert_int_equal(reader.at, at);
    ic_window_leave(&writer);
    take_the_rest(&reader);
    assert_int_equal(reader.result, 0);
    assert_int_equal(reader.at, 8 << 20);
    stop(&reader);
    end(o);
}

static void test_leaving_at_any_time(void **state)
{
    (void)state;
    static struct client c;
    uint64_t live = ic_alloc_live();
    for (int steps = 0; steps < 60; steps++) {
        struct ic_object *o = begin(4, 2, 64, 30000);
        start(&c, o, 1, 0, 30000);
        for (int i = 0; i < steps; i++) {
            fake_step();
        }
        stop(&c);
        assert_int_equal(fake.queued, 0);
        end(o);
    }
    assert_int_equal(ic_alloc_live(), live);
}

static void test_no_memory_anywhere(void **state)
{
    (void)state;
    static struct client c;
    uint64_t live = ic_alloc_live();
    uint32_t ended = 0, refused = 0;
    for (uint64_t at = 1; at < 80; at++) {
        struct ic_object *o = begin(4, 2, 256, 30000);
        fake_kill(o->place[2].function);
        ic_alloc_fail_at(at);
        start(&c, o, 1, 0, 30000);
        for (int turn = 0; c.get != NULL && c.ended == 0 && turn < 100; turn++) {
            fake_pass(IC_WINDOW_RETRY_MS);
        }
        ic_alloc_fail_at(0);
        if (c.get == NULL) {
            refused++;
        } else {
            assert_int_equal(c.ended, 1);
            assert_true(c.result == 0 || c.result == IC_ENOMEM);
            ended++;
        }
        stop(&c);
        end(o);
    }
    assert_true(refused > 0 && ended > 10);
    assert_int_equal(ic_alloc_live(), live);
}

static uint32_t killed;

static int by_dice(struct ic_node_request *r)
{
    uint64_t dice = ic_rng_below(&fake.proxy.rng, 1000);
    if (dice < 400) {
        return 1;
    }
    if (dice < 402) {
        return (int[]){IC_EUNAVAIL, IC_ETIMEOUT}[dice % 2];
    }
    if (dice == 402 && killed < 2) {
        killed++;
        fake_kill(r->function);
    }
    if (dice < 405) {
        struct fake_chunk *c = *fake_find(r->function, r->object_id, r->chunk);
        if (c != NULL && killed < 2) {
            killed++;
            c->bytes[ic_rng_below(&fake.proxy.rng, c->length)] ^= 1;
        }
    }
    return 0;
}

/* C has read a part of SIZE bytes and goes on with what can be had at once. */
static void read_on(struct client *c, struct ic_object *o, uint64_t seed, uint64_t size)
{
    uint64_t at = c->end;
    if (c->get != NULL && c->ended == 1 && c->result == 0 && at < size) {
        release_kept(c);
        ic_get_free(c->get);
        start(c, o, seed, at, ic_get_at_once(&fake.proxy, o, at, size - at));
    }
}

/* Several clients, random codes, sizes, ranges, pauses, departures, faults and little memory. */
static void random_life(uint64_t seed, uint32_t *whole, uint32_t *failed)
{
    static struct client c[6];
    struct ic_rng *rng = &fake.proxy.rng;
    fake_begin((uint16_t)(1 + seed % 6), (uint16_t)(seed % 3), 256, (size_t)8 << 10 << seed % 10);
    ic_rng_init(rng, seed);
    killed = 0;
    uint64_t size = 1 + ic_rng_below(rng, 60000);
    struct ic_object *o = fake_stored(seed, size);
    fake.script = by_dice;
    uint32_t running = 6;
    for (int i = 0; i < 6; i++) {
        uint64_t offset = i % 2 == 0 ? 0 : ic_rng_below(rng, size);
        start(&c[i], o, seed, offset, i % 2 == 0 ? size : 1 + ic_rng_below(rng, size - offset));
        c[i].pause_every = i % 3 == 0 ? 0 : 1 + ic_rng_below(rng, 5000);
    }
    stop(&c[2]);
    start(&c[2], o, seed, 0, ic_get_at_once(&fake.proxy, o, 0, size));
    for (int turn = 0; turn < 100000 && running > 0; turn++) {
        if (!fake_step()) {
            fake.now_ms += 500;
        }
        struct client *some = &c[ic_rng_below(rng, 6)];
        if (ic_rng_below(rng, 4) == 0) {
            release_kept(some);
            ic_get_resume(some->get);
        }
        struct ic_window_stats stats = ic_window_stats(fake.proxy.window);
        assert_true(stats.used <= stats.limit && stats.peak <= stats.limit);
        read_on(&c[2], o, seed, size);
        running = 0;
        for (int i = 0; i < 6; i++) {
            running += c[i].get != NULL && c[i].ended == 0;
        }
    }
    assert_int_equal(running, 0);
    for (int i = 0; i < 6; i++) {
        *whole += c[i].result == 0;
        *failed += c[i].result < 0;
        stop(&c[i]);
    }
    end(o);
}

static void test_random_lives(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    uint32_t whole = 0, failed = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        random_life(seed, &whole, &failed);
    }
    assert_true(whole > 1000 && failed > 20);
    assert_int_equal(ic_alloc_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_and_ranges),
        cmocka_unit_test(test_no_bytes_ask_nobody),
        cmocka_unit_test(test_part_of_a_stripe_asks_few),
        cmocka_unit_test(test_every_pair_lost),
        cmocka_unit_test(test_chunks_fail_in_the_middle),
        cmocka_unit_test(test_corrupt_units),
        cmocka_unit_test(test_answer_about_a_former_place),
        cmocka_unit_test(test_late_chunks_are_replaced),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_hedge),
        cmocka_unit_test(test_what_is_asked_is_not_asked_again),
        cmocka_unit_test(test_paused_reads_are_bounded),
        cmocka_unit_test(test_readers_at_one_place_share),
        cmocka_unit_test(test_a_crowd_takes_turns),
        cmocka_unit_test(test_a_crowd_that_reads_little_takes_turns),
        cmocka_unit_test(test_slow_reader_does_not_stall_others),
        cmocka_unit_test(test_what_slow_clients_hold_does_not_stall_others),
        cmocka_unit_test(test_little_memory),
        cmocka_unit_test(test_replacement_without_memory),
        cmocka_unit_test(test_a_part_of_a_unit_stands_in_no_line),
        cmocka_unit_test(test_a_part_of_a_unit_begins_again_at_once),
        cmocka_unit_test(test_admission_has_a_deadline),
        cmocka_unit_test(test_leaving_at_any_time),
        cmocka_unit_test(test_who_waits_has_memory_before_a_long_read),
        cmocka_unit_test(test_no_memory_anywhere),
        cmocka_unit_test(test_random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
