/*
 * test_tally.c - what is counted of a command, and when: not before its reply is complete, in all
 * the figures alike.
 */
#include "proxy/tally.h"

#include "unit/session_world.h"

static int hold_reads(const struct ic_node_request *r)
{
    return r->op == IC_NODE_READ;
}

static int refuse_reads(const struct ic_node_request *r)
{
    return r->op == IC_NODE_READ ? IC_EUNAVAIL : 0;
}

static int lose_reads(const struct ic_node_request *r)
{
    return r->op == IC_NODE_READ ? IC_ENOENT : 0;
}

static int refuse_writes(const struct ic_node_request *r)
{
    return r->op == IC_NODE_WRITE ? IC_EIO : 0;
}

static int refuse_seals(const struct ic_node_request *r)
{
    return r->op == IC_NODE_SEAL ? IC_EIO : 0;
}

static const struct ic_command_figures *of(const char *name)
{
    const struct ic_command *c = ic_command_find_full(ic_slice_str(name));
    return &proxy.sessions->stats.command[ic_command_number(c)];
}

static void expect_figures(const char *name, uint64_t calls, uint64_t rejected, uint64_t failed)
{
    const struct ic_command_figures *f = of(name);
    assert_int_equal(f->calls, calls);
    assert_int_equal(f->times == NULL ? 0 : f->times->count, calls);
    assert_int_equal(f->rejected, rejected);
    assert_int_equal(f->failed, failed);
}

/* The newest, or those before it. */
static const struct ic_slow_entry *slow_entry(size_t back)
{
    struct ic_list *node = proxy.sessions->stats.slow.next;
    while (back-- > 0) {
        node = node->next;
    }
    return IC_CONTAINER(node, struct ic_slow_entry, node);
}

static void turns(void)
{
    for (int i = 0; i < 50; i++) {
        turn();
    }
}

/* Reads up to the line's end, of an error that begins with TEXT. */
static void expect_error(int fd, const char *text)
{
    char byte = 0;
    expect(fd, text);
    while (byte != '\n') {
        assert_int_equal(take_reply(fd, &byte, 1), 1);
    }
}

/* Two keys, and from then on every command is slow. */
static int prepared(void)
{
    int fd = dial();
    ask(fd, "SET a 1\r\nSET b 2\r\nCONFIG RESETSTAT\r\n", "+OK\r\n+OK\r\n+OK\r\n");
    world.config->slowlog_log_slower_than = 0;
    return fd;
}

static void test_a_value_is_waited_for(void **state)
{
    (void)state;
    int fd = prepared();
    script = hold_reads;
    give(fd, "GET a\r\nECHO x\r\nMGET a b\r\nGETRANGE b 0 0\r\nSTRLEN a\r\n", 52);
    turns();
    expect_figures("get", 0, 0, 0);
    expect_figures("mget", 0, 0, 0);
    expect_figures("getrange", 0, 0, 0);
    expect_figures("echo", 1, 0, 0); /* it waits in line, but is done */
    expect_figures("strlen", 1, 0, 0);
    script = NULL;
    expect(fd, "$1\r\n1\r\n$1\r\nx\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n2\r\n:1\r\n");
    expect_figures("get", 1, 0, 0);
    expect_figures("mget", 1, 0, 0);
    expect_figures("getrange", 1, 0, 0);
    /* One clock. */
    assert_int_equal(slow_entry(0)->microseconds, of("getrange")->microseconds);
    assert_int_equal(slow_entry(1)->microseconds, of("mget")->microseconds);
    assert_int_equal(slow_entry(2)->microseconds, of("get")->microseconds);
    close(fd);
}

static void test_exec_has_its_commands_in_it(void **state)
{
    (void)state;
    int fd = prepared();
    script = hold_reads;
    ask(fd, "MULTI\r\nGET a\r\nPING\r\nMGET a b\r\nEXEC\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n");
    turns();
    expect_figures("ping", 1, 0, 0);
    expect_figures("get", 0, 0, 0);
    expect_figures("exec", 0, 0, 0);
    script = NULL;
    expect(fd, "$1\r\n1\r\n+PONG\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    expect_figures("get", 1, 0, 0);
    expect_figures("mget", 1, 0, 0);
    expect_figures("exec", 1, 0, 0);
    assert_true(of("get")->microseconds <= of("exec")->microseconds);
    assert_true(of("mget")->microseconds <= of("exec")->microseconds);
    /* GET's entry comes when GET is over, EXEC's last. */
    assert_int_equal(slow_entry(0)->microseconds, of("mget")->microseconds);
    assert_int_equal(slow_entry(1)->microseconds, of("get")->microseconds);
    close(fd);
}

static void test_a_value_that_cannot_be_read_is_a_failure(void **state)
{
    (void)state;
    int fd = prepared();
    script = refuse_reads;
    give(fd, "GET a\r\n", 7);
    expect_error(fd, "-UNAVAILABLE ");
    expect_figures("get", 1, 0, 1);
    ask(fd, "MULTI\r\nGET a\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n");
    expect_error(fd, "-UNAVAILABLE ");
    expect_figures("get", 2, 0, 2);
    expect_figures("exec", 1, 0, 0);
    assert_int_equal(proxy.sessions->stats.error_replies, 2);
    assert_string_equal(proxy.sessions->stats.error[0].code, "UNAVAILABLE");
    script = lose_reads;
    ask(fd, "GET a\r\n", "$-1\r\n"); /* a miss is none */
    expect_figures("get", 3, 0, 2);
    close(fd);
}

static void test_who_leaves_is_counted(void **state)
{
    (void)state;
    int fd = prepared();
    script = hold_reads;
    give(fd, "GET a\r\nMULTI\r\nGET b\r\nEXEC\r\n", 27);
    turns();
    expect_figures("get", 0, 0, 0);
    struct linger at_once = {.l_onoff = 1}; /* a reset: no half-closed client who still reads */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    settle(0);
    expect_figures("get", 2, 0, 0);
    expect_figures("exec", 1, 0, 0);
    fd = dial();
    script = NULL;
    ask(fd, "CLIENT REPLY OFF\r\nGET a\r\nCLIENT REPLY ON\r\n", "+OK\r\n");
    expect_figures("get", 3, 0, 0); /* nothing of it is sent: over at once */
    close(fd);
}

/* What is refused before it is tried is rejected, what was tried in vain has failed. */
static void test_values_that_cannot_be_stored(void **state)
{
    (void)state;
    static char request[REPLY_MAX];
    int fd = prepared();
    script = refuse_seals;
    give(fd, "SET a 1\r\n", 9);
    expect_error(fd, "-UNAVAILABLE ");
    expect_figures("set", 1, 0, 1);
    assert_int_equal(slow_entry(0)->microseconds, of("set")->microseconds);
    assert_true(slow_entry(0)->dollars > 0); /* what was tried was paid for */
    give(fd, "MSET a 1 b 2\r\n", 14);
    expect_error(fd, "-UNAVAILABLE ");
    expect_figures("mset", 1, 0, 1);
    ask(fd, "MULTI\r\n", "+OK\r\n");
    give(fd, "SET a 1\r\n", 9); /* would only have been queued */
    expect_error(fd, "-UNAVAILABLE ");
    expect_figures("set", 1, 1, 1);
    ask(fd, "EXEC\r\n", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    expect_figures("exec", 1, 0, 1);
    script = refuse_writes;
    size_t length = make_set(request, "a", 200000);
    give(fd, request, length / 2); /* in the middle of its request: it does not begin */
    expect_error(fd, "-UNAVAILABLE ");
    give(fd, request + length / 2, length - length / 2);
    script = NULL;
    ask(fd, "PING\r\n", "+PONG\r\n");
    expect_figures("set", 1, 2, 1);
    world.config->max_object_size = 1000;
    give(fd, request, make_set(request, "a", 2000));
    expect_error(fd, "-ERR object of 2000 bytes is larger than max-object-size");
    expect_figures("set", 1, 3, 1);
    world.config->max_object_size = INT64_C(4) << 30;
    ask(fd, "SETEX a 0 v\r\n", "-ERR invalid expire time in 'setex' command\r\n");
    expect_figures("setex", 1, 0, 1); /* as in Redis: its arguments are its own business */
    ask(fd, "SETEX a\r\n", "-ERR wrong number of arguments for 'setex' command\r\n");
    expect_figures("setex", 1, 1, 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_value_is_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(test_exec_has_its_commands_in_it, begin, end),
        cmocka_unit_test_setup_teardown(test_a_value_that_cannot_be_read_is_a_failure, begin, end),
        cmocka_unit_test_setup_teardown(test_who_leaves_is_counted, begin, end),
        cmocka_unit_test_setup_teardown(test_values_that_cannot_be_stored, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
