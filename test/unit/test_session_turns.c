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

/* Others use up each turn before this client's request is looked at: it is read all the same. */
static void test_a_long_request_beside_others(void **state)
{
    (void)state;
    enum { SIZE = 60000, TURNS = 30 };
    static char request[SIZE + 100];
    uint64_t one = 1;
    int ready = eventfd(1, EFD_NONBLOCK); /* for ever, and before the client in epoll's list */
    uv_poll_t poll = {.data = &proxy.sessions->turns};
    assert_int_equal(write(ready, &one, sizeof one), sizeof one);
    uv_poll_init(ic_loop_uv(proxy.loop), &poll, ready);
    uv_poll_start(&poll, UV_READABLE, use_up);
    int fd = dial();
    settle(1);
    memset(request, 'x', sizeof request);
    int head = sprintf(request, "*2\r\n$4\r\nECHO\r\n$%d\r\n", SIZE);
    request[head] = 'x';
    memcpy(request + head + SIZE, "\r\n", 2);
    assert_int_equal(send(fd, request, (size_t)head + SIZE + 2, MSG_NOSIGNAL), head + SIZE + 2);
    for (int turns = 0; recv(fd, request, 1, MSG_PEEK | MSG_DONTWAIT) < 1; turns++) {
        assert_true(turns < TURNS);
        turn();
    }
    uv_close((uv_handle_t *)&poll, NULL);
    turn();
    close(ready);
    close(fd);
    settle(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        session_test(test_many_keys),      session_test(test_a_long_request_beside_others),
        session_test(test_reports),        session_test(test_a_pattern_that_is_hard),
        session_test(test_a_sparse_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
