/*
 * test_reply.c - what clients have not read: how it waits, whose time it takes, and what it keeps
 * of the pool.
 */
#include "proxy/reply.h"

#include "unit/session_world.h"

/* Objects that nobody reads wait as objects: their bytes are not fetched. */
static void test_nobody_reads(void **state)
{
    (void)state;
    static char request[REPLY_MAX];
    int fd = dial();
    size_t length = make_set(request, "k", 300000);
    give(fd, request, length);
    expect(fd, "+OK\r\n");
    ssize_t sent = 0;
    for (int i = 0; i < 2000; i++) {
        sent = send(fd, "GET k\r\nECHO abcdefgh\r\n", 22, MSG_NOSIGNAL);
        turn();
    }
    assert_true(sent == 22 || sent == -1);
    struct ic_session *s = first_session();
    assert_true(ic_stream_queued(s->stream) <= 2 * IC_REPLY_QUEUE_MAX);
    assert_true(s->charge.bytes <= IC_REPLY_QUEUE_MAX + 300000);
    /* Who sends on is not slow, who does neither is. */
    uint64_t received = s->bytes_in;
    assert_true(ic_reply_fast_enough(&s->reply, 1000, 1000, received, false));
    assert_true(ic_reply_fast_enough(&s->reply, 7000, 1000, received + 6000, false));
    assert_false(ic_reply_fast_enough(&s->reply, 13000, 1000, received + 6000, false));
    assert_true(ic_reply_hold_ms(&s->reply, 15000) == UINT64_MAX);
    close(fd);
    settle(0);
}

/* Small values wait as copies, which the client is charged with, and leave the window to others. */
static void test_small_values_nobody_reads(void **state)
{
    (void)state;
    enum { COUNT = 60000, BATCH = 1000, SIZE = 100, REPLY = SIZE + 8 };
    static char request[SIZE + 100], gets[BATCH * 7], reply[BATCH * REPLY], want[BATCH * REPLY];
    int fd = dial_narrow(64 << 10);
    give(fd, request, make_set(request, "k", SIZE));
    expect(fd, "+OK\r\n");
    for (size_t i = 0; i < BATCH; i++) {
        memcpy(gets + i * 7, "GET k\r\n", 7);
        memcpy(want + i * REPLY, "$100\r\n", 6);
        memcpy(want + i * REPLY + 6, strstr(request, "\r\n$100\r\n") + 8, SIZE + 2);
    }
    for (int i = 0; i < COUNT / BATCH; i++) {
        give(fd, gets, sizeof gets);
    }
    struct ic_session *s = first_session();
    for (uint64_t until = clock_ms() + DEADLINE_MS;
         s->reply.get != NULL || ic_stream_queued(s->stream) <= IC_REPLY_QUEUE_MAX ||
         ic_window_stats(proxy.window).used > 0;) {
        assert_true(clock_ms() < until);
        turn();
    }
    uint64_t now_ms = ic_loop_now_ms(proxy.loop);
    assert_true(ic_reply_fast_enough(&s->reply, now_ms, 1000, 0, false));
    assert_int_equal(ic_reply_hold_ms(&s->reply, now_ms + 2000), 0); /* of what others wait for */
    for (int i = 0; i < COUNT / BATCH; i++) {
        assert_int_equal(take_reply(fd, reply, sizeof reply), sizeof reply);
        assert_memory_equal(reply, want, sizeof reply);
    }
    close(fd);
    settle(0);
}

static int no_reads(const struct ic_node_request *r)
{
    return r->op == IC_NODE_READ;
}

/* The client reads until S does not wait for it. Returns how much. */
static size_t read_until_stopped(const struct ic_session *s, int fd)
{
    static char out[REPLY_MAX];
    size_t got = 0;
    for (uint64_t until = clock_ms() + DEADLINE_MS; s->reply.pace.stopped_ms == 0; turn()) {
        ssize_t more = recv(fd, out, sizeof out, 0);
        got += more > 0 ? (size_t)more : 0;
        assert_true(clock_ms() < until);
    }
    return got;
}

/* A client that does not read what it asks for, COUNT times. Returns its session. */
static struct ic_session *get_unread(int *fd, int count)
{
    size_t before = proxy.sessions->count;
    *fd = dial_narrow(64 << 10);
    settle(before + 1);
    for (int i = 0; i < count; i++) {
        give(*fd, "GET k\r\n", 7);
    }
    struct ic_session *s = IC_CONTAINER(proxy.sessions->list.prev, struct ic_session, node);
    uint64_t out = 0, until = clock_ms() + DEADLINE_MS;
    for (int at_rest = 0; at_rest < 100; at_rest++, turn()) {
        assert_true(clock_ms() < until);
        bool stops =
            ic_stream_queued(s->stream) > 0 && s->reply.given > 0 && s->reply.bytes_out == out;
        at_rest = stops ? at_rest : -1;
        out = s->reply.bytes_out;
    }
    return s;
}

/* S has read BYTES in two seconds. */
static uint64_t kept_at_pace(struct ic_session *s, uint64_t bytes)
{
    s->reply.pace = (struct ic_read_pace){0};
    assert_true(ic_reply_fast_enough(&s->reply, ic_loop_now_ms(proxy.loop) - 2000, 1, 0, false));
    s->reply.pace.before_mark -= bytes;
    return ic_reply_pool_use(&s->reply).values;
}

/* S has read so much, and was seen to for MS more. */
static uint64_t near_for(struct ic_session *s, uint64_t ms, uint64_t bytes)
{
    kept_at_pace(s, bytes);
    s->reply.pace.looked_ms = ic_loop_now_ms(proxy.loop) - ms;
    assert_true(ic_reply_fast_enough(&s->reply, ic_loop_now_ms(proxy.loop), 0, 0, false));
    s->reply.pace.before_ms = ic_loop_now_ms(proxy.loop) - 2000;
    s->reply.pace.before_mark = ic_reply_acknowledged(&s->reply) - bytes;
    return ic_reply_pool_use(&s->reply).values;
}

/* The object that is being sent counts, once, whoever reads it; and not for who reads it soon,
 * unless that has been said of him for long. */
static void test_what_replies_keep_of_the_pool(void **state)
{
    (void)state;
    enum { SIZE = 900000, COUNT = 10, NEAR_PACE = 2 * SIZE, FAR_PACE = SIZE / 100 };
    static char request[REPLY_MAX];
    int fd = dial(), one, other;
    give(fd, request, make_set(request, "k", SIZE));
    expect(fd, "+OK\r\n");
    struct ic_session *s = get_unread(&one, COUNT);
    s->reply.pace = (struct ic_read_pace){0};
    assert_int_equal(ic_reply_pool_use(&s->reply).values, 0); /* its pace is not known */
    assert_int_equal(kept_at_pace(s, FAR_PACE), SIZE);
    assert_int_equal(kept_at_pace(s, 0), SIZE);
    assert_int_equal(kept_at_pace(s, NEAR_PACE), 0);
    assert_int_equal(near_for(s, IC_SESSION_NEAR_MS - 1000, NEAR_PACE), 0);
    assert_int_equal(near_for(s, IC_SESSION_NEAR_MS + 1000, NEAR_PACE), SIZE);
    assert_int_equal(near_for(s, 2000, FAR_PACE), SIZE);
    assert_int_equal(kept_at_pace(s, NEAR_PACE), 0); /* a new forecast */
    struct ic_session *t = get_unread(&other, COUNT);
    assert_int_equal(kept_at_pace(s, 0) + kept_at_pace(t, 0), SIZE);
    close(one);
    settle(2);
    assert_int_equal(kept_at_pace(t, 0), SIZE);
    close(other);
    close(fd);
    settle(0);
}

/* What functions take is not the client's time. */
static void test_functions_are_waited_for(void **state)
{
    (void)state;
    enum { COUNT = 40, SIZE = 300000, REPLY = SIZE + 11 };
    static char request[REPLY_MAX], rest[COUNT * REPLY];
    int fd = dial_narrow(64 << 10);
    give(fd, request, make_set(request, "k", SIZE));
    expect(fd, "+OK\r\n");
    for (int i = 0; i < COUNT; i++) {
        give(fd, "GET k\r\n", 7);
    }
    struct ic_session *s = first_session();
    while (ic_stream_queued(s->stream) <= IC_REPLY_QUEUE_MAX) {
        turn();
    }
    assert_true(ic_reply_fast_enough(&s->reply, ic_loop_now_ms(proxy.loop), 1, 0, false));
    script = no_reads;
    size_t got = read_until_stopped(s, fd);
    assert_int_equal(ic_stream_queued(s->stream), 0);
    uint64_t before = s->reply.bytes_out;
    script = NULL;
    while (s->reply.bytes_out == before) {
        turn();
    }
    assert_int_equal(s->reply.pace.stopped_ms, 0);
    assert_int_equal(take_reply(fd, rest, COUNT * REPLY - got), COUNT * REPLY - got);
    close(fd);
    settle(0);
}

/* So many parts of a reply that nothing is to be waited for are more than a turn's work. */
static void test_parts_take_turns(void **state)
{
    (void)state;
    enum { COUNT = 5000, SIZE = 300000, SHARE = 200 };
    static char request[REPLY_MAX], reply[SIZE + COUNT * 5 + 100];
    int fd = dial();
    ask(fd, "CONFIG SET turn-work 1000\r\n", "+OK\r\n");
    give(fd, request, make_set(request, "k", 20000)); /* not fetched ahead */
    expect(fd, "+OK\r\n");
    give(fd, request, make_set(request, "first", SIZE));
    expect(fd, "+OK\r\n");
    size_t length = (size_t)sprintf(request, "*%d\r\n$4\r\nMGET\r\n$5\r\nfirst\r\n", COUNT + 2);
    for (int i = 0; i < COUNT; i++) {
        length += (size_t)sprintf(request + length, "$1\r\nk\r\n");
    }
    script = no_reads;
    give(fd, request, length);
    const struct ic_session *s = first_session();
    for (uint64_t until = clock_ms() + DEADLINE_MS;
         s->reply.objects <= COUNT || s->reply.get == NULL; turn()) {
        assert_true(clock_ms() < until);
    }
    assert_true(ic_store_evict_one(world.store)); /* which can only be k */
    uint64_t before = proxy.sessions->turns.lined_up;
    script = NULL;
    length = (size_t)sprintf(request, "*%d\r\n$%d\r\n", COUNT + 1, SIZE) + SIZE + 2 + COUNT * 5;
    assert_int_equal(take_reply(fd, reply, length), length);
    assert_memory_equal(reply + length - 10, "$-1\r\n$-1\r\n", 10);
    assert_true(proxy.sessions->turns.lined_up - before > COUNT / SHARE / 2);
    close(fd);
    settle(0);
}

static size_t ahead_most;

static int note_ahead(const struct ic_node_request *r)
{
    (void)r;
    ahead_most = proxy.sessions->ahead > ahead_most ? proxy.sessions->ahead : ahead_most;
    return 0;
}

/* Small values are fetched many at a time: each would take a turn of the loop, however full others
 * make it. What is not there, or goes away meanwhile, is null in its place. */
static void test_small_values_are_fetched_ahead(void **state)
{
    (void)state;
    enum { COUNT = 300, SIZE = 100, LOST = 7 };
    static char request[REPLY_MAX], reply[REPLY_MAX], want[REPLY_MAX];
    int fd = dial();
    size_t ask_length = (size_t)sprintf(reply, "*%d\r\n$4\r\nMGET\r\n", COUNT + 1);
    size_t want_length = (size_t)sprintf(want, "*%d\r\n", COUNT);
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        sprintf(key, "k%03d", i);
        if (i % LOST != 0) {
            size_t length = make_set(request, key, SIZE);
            give(fd, request, length);
            expect(fd, "+OK\r\n");
            want_length += (size_t)sprintf(want + want_length, "$%d\r\n", SIZE);
            memcpy(want + want_length, request + length - SIZE - 2, SIZE + 2);
            want_length += SIZE + 2;
        } else {
            want_length += (size_t)sprintf(want + want_length, "$-1\r\n");
        }
        ask_length += (size_t)sprintf(reply + ask_length, "$4\r\n%s\r\n", key);
    }
    ahead_most = 0;
    script = note_ahead;
    give(fd, reply, ask_length);
    assert_int_equal(take_reply(fd, request, want_length), want_length);
    assert_memory_equal(request, want, want_length);
    assert_in_range(ahead_most, 16, 32);
    const struct ic_session *s = first_session();
    assert_int_equal(s->reply.ahead, 0);
    assert_int_equal(proxy.sessions->ahead, 0);
    /* Of two clients more, but not while much of the window is in use. */
    struct ic_grant grant = {0};
    size_t half = ic_window_stats(proxy.window).limit / 2;
    int other = dial();
    for (int full = 0; full < 2; full++) {
        if (full) {
            assert_int_equal(
                ic_window_admit(proxy.window, &grant, IC_WINDOW_WRITE, half, NULL, NULL), 1);
        }
        ahead_most = 0;
        give(fd, reply, ask_length);
        give(other, reply, ask_length);
        assert_int_equal(take_reply(fd, request, want_length), want_length);
        assert_int_equal(take_reply(other, request, want_length), want_length);
        assert_memory_equal(request, want, want_length);
        assert_in_range(ahead_most, full ? 16 : 33, full ? 32 : 64);
    }
    ic_window_leave(&grant);
    close(other);
    /* Its client leaves in the middle of it. */
    give(fd, reply, ask_length);
    for (uint64_t until = clock_ms() + DEADLINE_MS; s->reply.ahead == 0; turn()) {
        assert_true(clock_ms() < until);
    }
    close(fd);
    settle(0);
    assert_int_equal(proxy.sessions->ahead, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_reads, begin, end),
        cmocka_unit_test_setup_teardown(test_small_values_nobody_reads, begin, end),
        cmocka_unit_test_setup_teardown(test_small_values_are_fetched_ahead, begin, end),
        cmocka_unit_test_setup_teardown(test_what_replies_keep_of_the_pool, begin, end),
        cmocka_unit_test_setup_teardown(test_functions_are_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(test_parts_take_turns, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
