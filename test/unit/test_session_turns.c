/*
 * test_session_turns.c - what many clients ask at one moment: who asks little is answered at once,
 * and of what may be much only so much is begun as the turn has time for.
 */
#include "proxy/session.h"

#include "unit/session_world.h"

#include <sys/eventfd.h>

enum {
    CROWD = 400,
    BUDGET = 10000,                             /* units of a turn: the default */
    LEAST = BUDGET / IC_TURNS_LEAST,            /* of each client, whatever the others have done; */
    MOST = BUDGET + BUDGET / 2 + LEAST * CROWD, /* of a turn that ends with something large */
    KEYS = 70000,
    PIECE = 1000,
    LONG = 1000, /* bytes of a key */
    HARD = 80,   /* bytes of a pattern, each of which is compared with each of a key's */
};

static void say(int fd, const char *request)
{
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

/* VERB of each key from FIRST on. */
static void for_all_keys(int fd, const char *verb, int first)
{
    static char request[PIECE * 32], reply[PIECE * 4];
    for (int i = first; i < KEYS; i += PIECE) {
        size_t length = 0;
        int end = i + PIECE < KEYS ? i + PIECE : KEYS;
        for (int k = i; k < end; k++) {
            length += (size_t)sprintf(request + length, "%s k%d\r\n", verb, k);
        }
        give(fd, request, length);
        size_t replies = 4 * (size_t)(end - i);
        assert_int_equal(take_reply(fd, reply, replies), replies);
        assert_memory_equal(reply + replies - 4, ":1\r\n", 4);
    }
}

/* All of them ask the same, but for a number, in one turn. Returns the most that one had. */
static uint64_t ask_at_once(const char *request)
{
    static char reply[REPLY_MAX];
    int fd[CROWD];
    for (unsigned i = 0; i < CROWD; i++) {
        fd[i] = dial();
        ask(fd[i], "PING\r\n", "+PONG\r\n");
    }
    ic_turns_reset_figures(&proxy.sessions->turns);
    for (unsigned i = 0; i < CROWD; i++) {
        char text[HARD + 200];
        int length = 0;
        for (const char *c = request; *c != '\0'; c++) {
            length +=
                *c == '#' ? sprintf(text + length, "%u", 1 + i) : sprintf(text + length, "%c", *c);
        }
        say(fd[i], text);
        shutdown(fd[i], SHUT_WR);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        take_reply(fd[i], reply, sizeof reply);
        close(fd[i]);
    }
    settle(1);
    return proxy.sessions->turns.most_used;
}

static void expect_bounded(const char *request)
{
    assert_in_range(ask_at_once(request), BUDGET, MOST);
}

static void test_many_keys(void **state)
{
    (void)state;
    int fd = dial();
    world.config->turn_work = BUDGET;
    ask(fd, "SET k0 v\r\n", "+OK\r\n");
    for_all_keys(fd, "COPY k0", 1);
    expect_bounded("DEL k1# k2# k3# k4# k5# k6# k7# k8# k9#\r\n");
    expect_bounded("MULTI\r\nDEL k1#0 k2#0 k3#0 k4#0 k5#0 k6#0 k7#0 k8#0 k9#0\r\nEXEC\r\n");
    close(fd);
}

static void test_reports(void **state)
{
    (void)state;
    int fd = dial();
    world.config->turn_work = BUDGET;
    expect_bounded("INFO everything\r\n");
    expect_bounded("MULTI\r\nPING\r\nINFO everything\r\nEXEC\r\n");
    close(fd);
}

static void test_a_pattern_that_is_hard(void **state)
{
    (void)state;
    static char request[LONG + 100];
    int fd = dial();
    world.config->turn_work = BUDGET;
    world.config->max_key_size = LONG;
    for (int i = 0; i < 24; i++) {
        snprintf(request, sizeof request, "SET %0*d v\r\n", LONG, i);
        ask(fd, request, "+OK\r\n");
    }
    int length = sprintf(request, "KEYS *[");
    memset(request + length, 'b', HARD);
    strcpy(request + length + HARD, "]\r\n");
    expect_bounded(request);
    close(fd);
}

/* It was kept large by a walk, and of its keys only few are left. */
static void test_a_sparse_table(void **state)
{
    (void)state;
    int fd = dial();
    world.config->turn_work = BUDGET;
    ask(fd, "SET k0 v\r\n", "+OK\r\n");
    for_all_keys(fd, "COPY k0", 1);
    ic_store_walk_begin(world.store);
    for_all_keys(fd, "DEL", 1);
    expect_bounded("RANDOMKEY\r\n");
    expect_bounded("MULTI\r\nRANDOMKEY\r\nEXEC\r\n");
    ic_store_walk_end(world.store);
    close(fd);
}

#define session_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

static void use_up(uv_poll_t *poll, int status, int events)
{
    static struct ic_worker others;
    (void)status;
    (void)events;
    ic_turns_worked(poll->data, &others, (uint64_t)world.config->turn_work);
}

/* Others use up each turn before any client's request is looked at. */
struct others {
    uv_poll_t poll;
    int ready;
};

static void begin_others(struct others *o)
{
    uint64_t one = 1;
    o->ready = eventfd(1, EFD_NONBLOCK); /* for ever, and before the clients in epoll's list */
    o->poll = (uv_poll_t){.data = &proxy.sessions->turns};
    assert_int_equal(write(o->ready, &one, sizeof one), sizeof one);
    uv_poll_init(ic_loop_uv(proxy.loop), &o->poll, o->ready);
    uv_poll_start(&o->poll, UV_READABLE, use_up);
}

static void end_others(struct others *o)
{
    uv_close((uv_handle_t *)&o->poll, NULL);
    turn();
    close(o->ready);
}

static void send_all(int fd, const char *bytes, size_t length)
{
    assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

static bool is_answered(int fd)
{
    char c;
    return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* A long request is read all the same. */
static void test_a_long_request_beside_others(void **state)
{
    (void)state;
    enum { SIZE = 60000, TURNS = 30 };
    static char request[SIZE + 100];
    struct others o;
    begin_others(&o);
    int fd = dial();
    settle(1);
    memset(request, 'x', sizeof request);
    int head = sprintf(request, "*2\r\n$4\r\nECHO\r\n$%d\r\n", SIZE);
    request[head] = 'x';
    memcpy(request + head + SIZE, "\r\n", 2);
    send_all(fd, request, (size_t)head + SIZE + 2);
    for (int turns = 0; !is_answered(fd); turns++) {
        assert_true(turns < TURNS);
        turn();
    }
    end_others(&o);
    close(fd);
    settle(0);
}

/* What a client was allowed to read in one turn it cannot keep for another. */
static void test_reads_are_not_kept(void **state)
{
    (void)state;
    enum { SIZE = 48000, TURNS = 20, LITTLE = 2048 };
    static char request[SIZE];
    struct others o;
    begin_others(&o);
    int fd = dial();
    settle(1);
    memset(request, ' ', SIZE);
    const struct ic_session *s = first_session();
    send_all(fd, request, 600); /* more than is read of it in such a turn */
    for (int i = 0; i < TURNS; i++) {
        turn();
    }
    assert_int_equal(s->bytes_in, 600);
    send_all(fd, request, SIZE);
    turn();
    assert_in_range(s->bytes_in, 601, 600 + LITTLE);
    end_others(&o);
    close(fd);
    settle(0);
}

/* It is before whoever comes, the first time. */
static void use_up_line(void *worker)
{
    ic_turns_worked(&proxy.sessions->turns, worker, (uint64_t)world.config->turn_work);
    ic_turns_line_up(&proxy.sessions->turns, worker);
}

/* A send is dearer than what is read of a pipeline in a turn that is used up: the replies go out
 * with those of its rest. */
static void test_a_pipeline_is_answered_when_its_turn_has_come(void **state)
{
    (void)state;
    enum { PINGS = 100, TURNS = 20 };
    char request[6 * PINGS + 1] = "";
    struct others o;
    struct ic_worker busy;
    begin_others(&o);
    ic_worker_init(&busy, use_up_line, &busy);
    ic_turns_line_up(&proxy.sessions->turns, &busy);
    int fd = dial();
    settle(1);
    for (int i = 0; i < PINGS; i++) {
        memcpy(request + 6 * i, "PING\r\n", 6);
    }
    const struct ic_session *s = first_session();
    send_all(fd, request, 6 * PINGS);
    for (int turns = 0; s->bytes_in == 0; turns++) {
        assert_true(turns < TURNS);
        turn();
    }
    turn();
    assert_true(s->bytes_in < 6 * PINGS && !is_answered(fd));
    ic_worker_leave(&busy);
    char reply[7 * PINGS];
    assert_int_equal(take_reply(fd, reply, sizeof reply), sizeof reply);
    assert_memory_equal(reply + 7 * (PINGS - 1), "+PONG\r\n", 7);
    end_others(&o);
    close(fd);
    settle(0);
}

/* A long line, whose last bytes come in a turn that is used up, is taken apart when its place in
 * the line has come, however long others go on. */
static void test_a_long_line_waits_for_time(void **state)
{
    (void)state;
    enum { SIZE = 60000, TURNS = 20 };
    static char request[SIZE];
    struct others o;
    struct ic_worker busy;
    int fd = dial();
    settle(1);
    memset(request, 'x', SIZE);
    send_all(fd, "ECHO ", 5);
    send_all(fd, request, SIZE);
    while (first_session()->bytes_in < SIZE + 5) {
        turn();
    }
    begin_others(&o);
    turn();
    ic_worker_init(&busy, use_up_line, &busy);
    ic_turns_line_up(&proxy.sessions->turns, &busy);
    send_all(fd, "\r\n", 2);
    while (first_session()->bytes_in < SIZE + 7) {
        assert_false(is_answered(fd));
        turn();
    }
    assert_false(is_answered(fd));
    for (int turns = 0; !is_answered(fd); turns++) {
        assert_true(turns < TURNS);
        turn();
    }
    ic_worker_leave(&busy);
    end_others(&o);
    close(fd);
    settle(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        session_test(test_many_keys),
        session_test(test_a_long_request_beside_others),
        session_test(test_reads_are_not_kept),
        session_test(test_a_pipeline_is_answered_when_its_turn_has_come),
        session_test(test_a_long_line_waits_for_time),
        session_test(test_reports),
        session_test(test_a_pattern_that_is_hard),
        session_test(test_a_sparse_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
