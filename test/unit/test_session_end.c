/*
 * test_session_end.c - clients that end at one moment, in whichever way, are closed in many turns;
 * until it is its turn nothing is heard of one that is gone.
 */
#include "proxy/session.h"

#include "unit/session_world.h"

/* Units: a connection that ends is 40. */
enum { CROWD = 200, BUDGET = 300, AT_ONCE = 10 * CROWD, ECHOED = 20000 };

static void set(const char *name, const char *value)
{
    assert_int_equal(
        ic_config_set(world.config, ic_slice_str(name), ic_slice_str(value), world.why), 0);
}

static void say(int fd, const char *request)
{
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

/* They are there, and nothing has been counted since. */
static void have_crowd(int *fd)
{
    for (unsigned i = 0; i < CROWD; i++) {
        fd[i] = dial();
        ask(fd[i], "PING\r\n", "+PONG\r\n");
    }
    ic_turns_reset_figures(&proxy.sessions->turns);
}

/* All of them end, and no turn had more than its part of that. */
static void expect_ends(int *fd)
{
    settle(0);
    for (unsigned i = 0; i < CROWD; i++) {
        expect_end(fd[i]);
    }
    assert_in_range(proxy.sessions->turns.most_used, BUDGET / 2, AT_ONCE);
}

static void test_many_that_say_the_last_at_once(void **state)
{
    (void)state;
    static const char *const last[] = {"QUIT\r\n", "*1\r\n$x\r\n", "POST x\r\n", "PING\r\n"};
    int fd[CROWD];
    world.config->turn_work = BUDGET;
    for (size_t i = 0; i < sizeof last / sizeof last[0]; i++) {
        have_crowd(fd);
        for (unsigned k = 0; k < CROWD; k++) {
            say(fd[k], last[i]);
            shutdown(fd[k], SHUT_WR);
        }
        expect_ends(fd);
    }
}

static void test_many_that_are_killed_at_once(void **state)
{
    (void)state;
    int fd[CROWD], killer = dial();
    world.config->turn_work = BUDGET;
    ask(killer, "PING\r\n", "+PONG\r\n");
    have_crowd(fd);
    ask(killer, "CLIENT KILL TYPE normal\r\n", ":200\r\n");
    close(killer);
    expect_ends(fd);
}

/* All of them sleep. */
static void settle_delayed(void)
{
    IC_LIST_EACH (node, &proxy.sessions->list) {
        const struct ic_session *s = IC_CONTAINER(node, struct ic_session, node);
        for (uint64_t until = clock_ms() + DEADLINE_MS; s->state != IC_SESSION_DELAYED;) {
            assert_true(clock_ms() < until);
            turn();
        }
    }
}

static void test_many_with_replies_beyond_the_limit(void **state)
{
    (void)state;
    int fd[CROWD];
    char request[ECHOED + 100];
    world.config->turn_work = BUDGET;
    set("client-output-buffer-limit", "normal 0 1 1");
    snprintf(request, sizeof request, "MULTI\r\nECHO %0*d\r\nDEBUG SLEEP 3000\r\nEXEC\r\n", ECHOED,
             0);
    have_crowd(fd);
    for (unsigned i = 0; i < CROWD; i++) {
        say(fd[i], request);
    }
    settle_delayed();
    ic_turns_reset_figures(&proxy.sessions->turns);
    expect_ends(fd);
    assert_int_equal(proxy.sessions->stats.output_buffer_limit_disconnections, CROWD);
}

/* It ends in a turn that has no time for that. */
static void end_later(struct ic_session *s)
{
    struct ic_turns *turns = &proxy.sessions->turns;
    ic_turns_worked(turns, &proxy.sessions->chores, (uint64_t)*turns->budget);
    ic_session_end(s, NULL);
    assert_non_null(s->stream);
    assert_int_equal(proxy.sessions->count, 1);
}

static int hold_all(const struct ic_node_request *r)
{
    (void)r;
    return 1;
}

static void test_nothing_is_heard_of_who_is_gone(void **state)
{
    (void)state;
    static char request[REPLY_MAX];
    size_t length = make_set(request, "k", 300000);
    for (int held = 0; held < 2; held++) {
        int fd = dial();
        give(fd, request, length);
        expect(fd, "+OK\r\n");
        script = held ? hold_all : NULL;
        give(fd, "GET k\r\nGET k\r\nGET k\r\nGET k\r\n", 28);
        if (!held) {
            expect(fd, "$300000\r\n");
        }
        end_later(first_session());
        expect_end(fd);
        settle(0);
        script = NULL;
    }
    for (int held = 0; held < 2; held++) {
        int fd = dial();
        script = held ? hold_all : NULL;
        give(fd, request, length - 1000);
        end_later(first_session());
        say(fd, request + length - 100);
        settle(0);
        close(fd);
        script = NULL;
        assert_int_equal(ic_store_stats(world.store).drafts, 0);
    }
    int fd = dial();
    say(fd, "PING\r\nPING\r\n");
    expect(fd, "+PONG\r\n");
    close(fd);
    end_later(first_session());
    turn();
    settle(0);
}

#define session_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        session_test(test_many_that_say_the_last_at_once),
        session_test(test_many_that_are_killed_at_once),
        session_test(test_many_with_replies_beyond_the_limit),
        session_test(test_nothing_is_heard_of_who_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
