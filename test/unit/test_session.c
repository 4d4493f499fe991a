/*
 * test_session.c - the client side by examples: sizes and cuts, pipelines, values and objects
 * that fail, clients that leave, a journal that fails, limits, memory that runs out.
 */
#include "proxy/session.h"

#include "unit/session_world.h"

static void test_sizes_and_cuts(void **state)
{
    (void)state;
    static char request[REPLY_MAX], reply[REPLY_MAX];
    int fd = dial();
    size_t sizes[] = {0, 1, 63, 64, 65, 127, 128, 129, 1000, 16384, 16390, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t length = make_set(request, "k", sizes[i]);
        size_t step = sizes[i] < 2000 ? 1 : 10007;
        for (size_t at = 0; at < length; at += step) {
            give(fd, request + at, length - at < step ? length - at : step);
        }
        expect(fd, "+OK\r\n");
        give(fd, "GET k\r\n", 7);
        size_t head = (size_t)sprintf(reply, "$%zu\r\n", sizes[i]);
        expect(fd, reply);
        assert_int_equal(take_reply(fd, reply, sizes[i] + 2), sizes[i] + 2);
        (void)head;
        assert_memory_equal(reply, request + length - sizes[i] - 2, sizes[i] + 2);
    }
    ask(fd, "GETRANGE k 299990 -1\r\n", "$10\r\n");
    take_reply(fd, reply, 12);
    close(fd);
}

static void test_pipeline_in_order(void **state)
{
    (void)state;
    int fd = dial();
    ask(fd,
        "SET a 1\r\nGET a\r\nSET a 2\r\nGET a\r\nDEL a\r\nGET a\r\nMSET a x b y\r\n"
        "MGET a b c\r\nNOSUCH\r\nEXPIRE a 100\r\nTTL a\r\nPING\r\n",
        "+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n:1\r\n$-1\r\n+OK\r\n*3\r\n$1\r\nx\r\n$1\r\ny\r\n$-"
        "1\r\n"
        "-ERR unknown command 'NOSUCH', with args beginning with: \r\n:1\r\n:100\r\n+PONG\r\n");
    close(fd);
}

static int refuse_writes(const struct ic_node_request *r)
{
    return r->op == IC_NODE_WRITE ? IC_EIO : 0;
}

/* What comes and goes is counted at once, not when its client leaves. */
static void test_bytes_are_counted(void **state)
{
    (void)state;
    const struct ic_stats *stats = &proxy.sessions->stats;
    int fd = dial();
    ask(fd, "SET k value\r\nGET k\r\n", "+OK\r\n$5\r\nvalue\r\n");
    assert_int_equal(stats->bytes_in, 20);
    assert_int_equal(stats->bytes_out, 16);
    ask(fd, "CONFIG RESETSTAT\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    assert_int_equal(stats->bytes_in, 0); /* both came in one read */
    assert_int_equal(stats->bytes_out, 12);
    close(fd);
    settle(0);
    assert_int_equal(stats->bytes_out, 12);
}

/* The rest of a line of a reply. */
static void skip_line(int fd)
{
    char byte = '\0';
    while (byte != '\n') {
        assert_int_equal(take_reply(fd, &byte, 1), 1);
    }
}

static void test_value_that_fails_in_the_middle(void **state)
{
    (void)state;
    static char request[REPLY_MAX];
    int fd = dial();
    ask(fd, "SET k old\r\n", "+OK\r\n");
    script = refuse_writes;
    size_t length = make_set(request, "k", 200000);
    give(fd, request, length / 2);
    expect(fd, "-UNAVAILABLE the value cannot be stored now: ");
    skip_line(fd);
    give(fd, request + length / 2, length - length / 2);
    script = NULL;
    ask(fd, "GET k\r\n", "$3\r\nold\r\n"); /* in step, and nothing is left of the value */
    assert_int_equal(ic_store_stats(world.store).drafts, 0);
    ask(fd, "MULTI\r\n", "+OK\r\n");
    script = refuse_writes;
    ask(fd, "SET k new\r\n", "-UNAVAILABLE");
    script = NULL;
    skip_line(fd);
    ask(fd, "EXEC\r\nGET k\r\n",
        "-EXECABORT Transaction discarded because of previous errors.\r\n$3\r\nold\r\n");
    close(fd);
}

/* One value of a request fails: it is answered at once, and none of its values stays, whether the
 * next one is being read or what comes behind the last is waited for. */
static void test_value_that_fails_before_the_end(void **state)
{
    (void)state;
    static char request[REPLY_MAX];
    static const char *const after[] = {"$1\r\nb\r\n$4\r\nha", "$1\r\nb", "$1"};
    static const char *const rest[] = {"lf\r\nGET k\r\n", "\r\n$0\r\n\r\nGET k\r\n",
                                       "\r\nb\r\n$1\r\nx\r\nGET k\r\n"};
    int fd = dial();
    for (int i = 0; i < 3; i++) {
        script = refuse_writes;
        size_t length = (size_t)sprintf(request, "*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$70000\r\n");
        memset(request + length, 'v', 70000);
        length += 70000;
        length += (size_t)sprintf(request + length, "\r\n%s", after[i]);
        give(fd, request, length);
        expect(fd, "-UNAVAILABLE the value cannot be stored now: ");
        skip_line(fd);
        script = NULL;
        assert_int_equal(ic_store_stats(world.store).drafts, 0);
        ask(fd, rest[i], "$-1\r\n");
    }
    script = refuse_writes;
    size_t length = make_set(request, "k", 70000);
    give(fd, request, length - 2);
    expect(fd, "-UNAVAILABLE the value cannot be stored now: ");
    skip_line(fd);
    script = NULL;
    ask(fd, "\r\nGET k\r\n", "$-1\r\n");
    close(fd);
    settle(0);
}

static void test_too_big_is_refused_at_once(void **state)
{
    (void)state;
    int fd = dial();
    ask(fd, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n", "-ERR ");
    close(fd);
    fd = dial();
    ask(fd, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000000000\r\n",
        "-ERR object of 5000000000 bytes is larger than max-object-size (4294967296 bytes)\r\n");
    close(fd);
    fd = dial();
    ask(fd, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000000000\r\n",
        "-ERR Protocol error: invalid bulk length\r\n"); /* longer than proto-max-bulk-len */
    expect_end(fd);
}

/* Who sends all of a value that is too large before it reads gets the error, and is served on. */
static void test_too_big_is_read_past(void **state)
{
    (void)state;
    static char request[3000];
    world.config->max_object_size = 1000;
    int fd = dial();
    give(fd, request, make_set(request, "k", 2000));
    expect(fd, "-ERR object of 2000 bytes is larger than max-object-size (1000 bytes)\r\n");
    ask(fd, "GET k\r\n", "$-1\r\n");
    close(fd);
    world.config->max_object_size = INT64_C(4) << 30;
}

static int lose_reads(const struct ic_node_request *r)
{
    return r->op == IC_NODE_READ ? IC_ENOENT : 0;
}

static int refuse_reads(const struct ic_node_request *r)
{
    return r->op == IC_NODE_READ ? IC_EUNAVAIL : 0;
}

static uint64_t reads_left;
static int lose_later_reads(const struct ic_node_request *r)
{
    if (r->op != IC_NODE_READ) {
        return 0;
    }
    return reads_left == 0 ? IC_ENOENT : (reads_left--, 0);
}

static void test_object_that_cannot_be_read(void **state)
{
    (void)state;
    static char request[REPLY_MAX];
    int fd = dial();
    size_t length = make_set(request, "k", 300000);
    ask(fd, "SET small v\r\nSET range abc\r\n", "+OK\r\n+OK\r\n");
    give(fd, request, length);
    expect(fd, "+OK\r\n");
    script = refuse_reads;
    ask(fd, "GET small\r\nPING\r\n",
        "-UNAVAILABLE the object cannot be read now: too few of its functions can be "
        "had; try again, IC.POOL shows the functions\r\n");
    expect(fd, "+PONG\r\n");
    script = lose_reads; /* the value is gone: a miss, from then on */
    ask(fd, "GET small\r\nPING\r\n", "$-1\r\n+PONG\r\n");
    ask(fd, "EXISTS small\r\n", ":0\r\n");
    ask(fd, "GETRANGE range 0 1\r\n", "$0\r\n\r\n"); /* never null, as in Redis */
    script = lose_later_reads;
    reads_left = 3;
    give(fd, "GET k\r\n", 7);
    static char reply[REPLY_MAX]; /* ends early, and is right as far as it goes */
    size_t got = take_reply(fd, reply, sizeof reply);
    assert_true(got < 300000);
    if (got > 9) {
        assert_memory_equal(reply, "$300000\r\n", 9);
        assert_memory_equal(reply + 9, request + length - 300002, got - 9);
    }
    close(fd);
    settle(0);
}

static void test_clients_that_leave(void **state)
{
    (void)state;
    static char request[REPLY_MAX];
    size_t length = make_set(request, "k", 300000);
    size_t cuts[] = {3, 20, 32, 1000, 150000, 300000, length - 1, length};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        int fd = dial();
        give(fd, request, cuts[i]);
        close(fd);
        settle(0);
        assert_int_equal(ic_store_stats(world.store).drafts, 0);
    }
    int fd = dial();
    give(fd, request, length);
    expect(fd, "+OK\r\n");
    give(fd, "GET k\r\nGET k\r\nGET k\r\n", 21);
    expect(fd, "$300000\r\n");
    close(fd);
    settle(0);
    fd = dial();
    ask(fd, "MULTI\r\nSET k v\r\nMSET a 1 b 2\r\n", "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    assert_int_equal(ic_store_stats(world.store).drafts, 3);
    close(fd);
    settle(0);
    assert_int_equal(ic_store_stats(world.store).drafts, 0);
}

static int hold_reads(const struct ic_node_request *r)
{
    return r->op == IC_NODE_READ;
}

/* An object that was being sent when the change was made is whole when the change is undone. */
static void test_journal_that_fails_behind_an_object(void **state)
{
    (void)state;
    int fd = dial();
    ask(fd, "SET k old\r\n", "+OK\r\n");
    script = hold_reads;
    give(fd, "GET k\r\n", 7);
    turn();
    world_fail_disk(true);
    script = NULL;
    give(fd, "DEL k\r\n", 7); /* in one turn: the change, the object's end, the failure */
    expect(fd, "$3\r\nold\r\n-MISCONF Errors");
    world_fail_disk(false);
    close(fd);
    settle(0);
}

/* Another client that looks in the same turn is not told of what is undone at its end, whether that
 * is a value or that there is none. */
static void test_journal_that_fails_before_others(void **state)
{
    (void)state;
    static const char *const looks[] = {"GET k\r\n",      "GET other\r\n", "EXISTS k\r\n",
                                        "SET k v NX\r\n", "DBSIZE\r\n",    "DEL other\r\n"};
    enum { COUNT = sizeof looks / sizeof looks[0] };
    int writer = dial(), reader[COUNT];
    ask(writer, "SET k old\r\n", "+OK\r\n");
    for (size_t i = 0; i < COUNT; i++) {
        reader[i] = dial();
        ask(reader[i], "PING\r\n", "+PONG\r\n");
    }
    world_fail_disk(true);
    assert_true(send(writer, "RENAME k other\r\n", 16, 0) == 16);
    for (size_t i = 0; i < COUNT; i++) { /* in one turn */
        assert_true(send(reader[i], looks[i], strlen(looks[i]), 0) > 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        expect(reader[i], "-MISCONF Errors");
        skip_line(reader[i]);
    }
    expect(writer, "-MISCONF Errors");
    skip_line(writer);
    world_fail_disk(false);
    for (size_t i = 0; i < COUNT; i++) {
        ask(reader[i], "GET k\r\n", "$3\r\nold\r\n");
        close(reader[i]);
    }
    close(writer);
    settle(0);
}

static void skip_error(int fd)
{
    expect(fd, "-MISCONF Errors");
    skip_line(fd);
}

/* A change and then REQUESTS, while the journal fails: the change has an error. Returns the client.
 */
static int fail_before(const char *requests)
{
    char text[256];
    int fd = dial();
    ask(fd, "SET k old\r\n", "+OK\r\n");
    world_fail_disk(true);
    give(fd, text, (size_t)sprintf(text, "DEL k\r\n%s", requests));
    skip_error(fd);
    return fd;
}

static void mend_disk(void)
{
    world_fail_disk(false);
    for (int i = 0; i < 20; i++) {
        world.now_ms += 1000;
        ic_store_tick(world.store, world.now_ms, world.wall_ms);
    }
}

static void end_failed(int fd)
{
    mend_disk();
    ask(fd, "ECHO two\r\n", "$3\r\ntwo\r\n");
    close(fd);
    settle(0);
}

/* It has no reply, nor has what comes after it. */
static void test_journal_that_fails_before_skip(void **state)
{
    (void)state;
    int fd = fail_before("CLIENT REPLY SKIP\r\nGET none\r\nECHO one\r\n");
    expect(fd, "$3\r\none\r\n");
    end_failed(fd);
}

static void test_journal_that_fails_before_off(void **state)
{
    (void)state;
    int fd = fail_before("CLIENT REPLY OFF\r\nGET none\r\nCLIENT REPLY ON\r\nECHO one\r\n");
    expect(fd, "+OK\r\n$3\r\none\r\n");
    end_failed(fd);
}

/* What is done whatever becomes of the keys is told so: nobody takes a connection for another than
 * it is. */
static void test_journal_that_fails_before_multi(void **state)
{
    (void)state;
    int fd = fail_before("MULTI\r\nEXISTS k\r\nNONE\r\n");
    expect(fd, "+OK\r\n+QUEUED\r\n-ERR unknown command");
    skip_line(fd);
    ask(fd, "EXEC\r\n", "-EXECABORT");
    skip_line(fd);
    end_failed(fd);
    fd = fail_before("MULTI\r\nGET k\r\n");
    expect(fd, "+OK\r\n+QUEUED\r\n");
    ask(fd, "EXEC\r\n", "*1\r\n$3\r\nold\r\n");
    end_failed(fd);
    fd = fail_before("MULTI\r\nEXISTS none\r\nEXEC\r\n");
    expect(fd, "+OK\r\n+QUEUED\r\n");
    skip_error(fd);
    end_failed(fd);
}

static void test_journal_that_fails_before_a_protocol_error(void **state)
{
    (void)state;
    char c;
    int fd = fail_before("*1\r\n!\r\n");
    expect(fd, "-ERR Protocol error: expected '$', got '!'\r\n");
    while (recv(fd, &c, 1, 0) != 0) {
        turn();
    }
    close(fd);
    mend_disk();
    settle(0);
}

static void test_journal_that_fails_before_hello(void **state)
{
    (void)state;
    int fd = fail_before("EXISTS k\r\nHELLO 3\r\nGET none\r\nINFO\r\nWATCH k\r\n");
    skip_error(fd);
    expect(fd, "%");
    for (const char *end = "*0\r\n"; *end != '\0';) {
        char c;
        take_reply(fd, &c, 1);
        end = c == *end ? end + 1 : "*0\r\n";
    }
    skip_error(fd);
    skip_error(fd);
    expect(fd, "+OK\r\n");
    ask(fd, "GET none\r\n", "_\r\n");
    end_failed(fd);
}

/* What takes many turns is in the journal in parts. */
static void test_journal_that_fails_within_a_command(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    static char text[COUNT * 30];
    int fd = dial();
    ask(fd, "CONFIG SET turn-work 100\r\n", "+OK\r\n");
    size_t length = (size_t)sprintf(text, "*%d\r\n$4\r\nMSET\r\n", 2 * COUNT + 1);
    for (int i = 0; i < COUNT; i++) {
        length += (size_t)sprintf(text + length, "$5\r\nk%04d\r\n$0\r\n\r\n", i);
    }
    give(fd, text, length);
    while (ic_store_count(world.store) == 0) {
        turn();
    }
    world_fail_disk(true);
    expect(fd,
           "-MISCONF Errors writing to the journal (a part of the command may have been done): ");
    skip_line(fd);
    assert_in_range(ic_store_count(world.store), 1, COUNT - 1);
    ask(fd, "DEL k0000\r\n", "-MISCONF Errors writing to the journal: ");
    skip_line(fd);
    world_fail_disk(false);
    close(fd);
    settle(0);
}

static void test_journal_that_fails(void **state)
{
    (void)state;
    int fd = dial();
    ask(fd, "SET k old\r\n", "+OK\r\n");
    world_fail_disk(true);
    ask(fd, "SET k new\r\n", "-MISCONF Errors writing to the journal: ");
    char c = 0;
    while (c != '\n') {
        take_reply(fd, &c, 1);
    }
    ask(fd, "GET k\r\n", "$3\r\nold\r\n");
    /* What one turn's changes are answered is one error each, reads between them included. */
    ask(fd, "DEL k\r\n", "-MISCONF Errors");
    c = 0;
    while (c != '\n') {
        take_reply(fd, &c, 1);
    }
    ask(fd, "GET k\r\nEXISTS k\r\n", "$3\r\nold\r\n:1\r\n");
    mend_disk();
    ask(fd, "SET k new\r\nGET k\r\n", "+OK\r\n$3\r\nnew\r\n");
    assert_int_equal(ic_store_stats(world.store).drafts, 0);
    close(fd);
}

static void test_debug_sleep_holds_up_nobody_else(void **state)
{
    (void)state;
    int fd = dial(), other = dial();
    give(fd, "DEBUG SLEEP 0.3\r\nECHO after\r\n", 29);
    uint64_t begun = clock_ms();
    ask(other, "PING\r\n", "+PONG\r\n");
    char c;
    for (int i = 0; i < 10; i++) {
        turn();
    }
    if (clock_ms() < begun + 250) {
        assert_int_equal(recv(fd, &c, 1, 0), -1); /* not answered yet, nor what follows */
    }
    expect(fd, "+OK\r\n$5\r\nafter\r\n");
    assert_true(clock_ms() >= begun + 250);
    close(fd);
    close(other);
}

static void test_reply_modes_and_ends(void **state)
{
    (void)state;
    int fd = dial(), other = dial();
    ask(fd, "CLIENT REPLY OFF\r\nSET k v\r\nGET k\r\nNOSUCH\r\nCLIENT REPLY ON\r\nGET k\r\n",
        "+OK\r\n$1\r\nv\r\n");
    ask(fd, "CLIENT REPLY SKIP\r\nGET k\r\nPING\r\n", "+PONG\r\n");
    /* A transaction is answered as when it began, and what it shows is kept for nobody. */
    ask(fd, "MULTI\r\nGET k\r\nCLIENT REPLY OFF\r\nGET k\r\nEXEC\r\nGET k\r\nCLIENT REPLY ON\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$1\r\nv\r\n+OK\r\n$1\r\nv\r\n+OK\r\n");
    ask(fd, "CLIENT REPLY OFF\r\nMULTI\r\nGET k\r\nCLIENT REPLY ON\r\nGET k\r\nEXEC\r\nPING\r\n",
        "+PONG\r\n");
    ask(fd, "MULTI\r\nCLIENT REPLY SKIP\r\nGET k\r\nEXEC\r\nPING\r\nECHO on\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\nv\r\n$2\r\non\r\n");
    ask(fd, "CLIENT REPLY SKIP\r\nRESET\r\nPING\r\n", "+PONG\r\n");
    static char text[2 * IC_REPLY_QUEUE_MAX]; /* long ones as well */
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 3; i++) {
        ask(fd, "CLIENT REPLY SKIP\r\n*2\r\n$4\r\nECHO\r\n$1048576\r\n", "");
        give(fd, text, sizeof text);
        ask(fd, "\r\nPING\r\n", "+PONG\r\n");
    }
    ask(fd, "CLIENT REPLY OFF\r\nRESET\r\n", "+RESET\r\n");
    ask(other, "CLIENT ID\r\n", ":2\r\n");
    ask(fd, "CLIENT KILL ID 2\r\n", ":1\r\n");
    expect_end(other);
    ask(fd, "CLIENT KILL ID 1 SKIPME no\r\n", ":1\r\n");
    expect_end(fd);
    fd = dial();
    ask(fd, "GET k\r\nQUIT\r\nGET k\r\n", "$1\r\nv\r\n+OK\r\n");
    expect_end(fd);
    fd = dial();
    ask(fd, "SHUTDOWN\r\n", "");
    expect_end(fd);
    turn();
    assert_true(stopped);
    settle(0);
}

/* A client may end its side at once: everything it sent is answered. */
static void test_half_closed(void **state)
{
    (void)state;
    static char request[REPLY_MAX], reply[REPLY_MAX];
    size_t length = make_set(request, "k", 100000);
    static const char more[] = "GET k\r\nGET k\r\nDEBUG SLEEP 0.05\r\nSET k v\r\nGET k\r\n";
    memcpy(request + length, more, sizeof more);
    int fd = dial();
    give(fd, request, length + sizeof more - 1);
    shutdown(fd, SHUT_WR);
    size_t got = take_reply(fd, reply, sizeof reply);
    assert_int_equal(got, 5 + 2 * (9 + 100000 + 2) + 5 + 5 + 7);
    assert_memory_equal(reply + got - 17, "+OK\r\n+OK\r\n$1\r\nv\r\n", 17);
    close(fd);
    settle(0);
    fd = dial();
    give(fd, request, length / 2);
    shutdown(fd, SHUT_WR);
    assert_int_equal(take_reply(fd, reply, sizeof reply), 0);
    close(fd);
    settle(0);
}

/* A client that sends a whole pipeline of large commands before it reads a reply is no deadlock. */
static void test_pipeline_sent_before_read(void **state)
{
    (void)state;
    static char request[REPLY_MAX], reply[REPLY_MAX];
    int fd = dial();
    size_t length = make_set(request, "k", 500000);
    memcpy(request + length, "GET k\r\n", 8);
    for (int i = 0; i < 40; i++) {
        give(fd, request, length + 7);
    }
    for (int i = 0; i < 40; i++) {
        expect(fd, "+OK\r\n$500000\r\n");
        assert_int_equal(take_reply(fd, reply, 500002), 500002);
        assert_memory_equal(reply, request + length - 500002, 500002);
    }
    close(fd);
    settle(0);
}

static void test_long_arguments(void **state)
{
    (void)state;
    static char request[1000];
    int fd = dial();
    size_t length = make_set(request, "k", 200);
    memcpy(request, "*3\r\n$3\r\nDEL", 11); /* the 200 bytes are a key now */
    give(fd, request, length);
    expect(fd, "-ERR a key is longer than max-key-size (100 bytes)\r\n");
    ask(fd, "PING\r\n", "+PONG\r\n");
    close(fd);
}

static const struct ic_slow_entry *slow_entry(size_t at)
{
    struct ic_list *node = proxy.sessions->stats.slow.next;
    while (at-- > 0) {
        node = node->next;
    }
    return IC_CONTAINER(node, struct ic_slow_entry, node);
}

/* Each request to a function costs a dollar: WRITEs and SEALs of a value, the READs of its way out,
 * which the entry waits for; nothing else. */
static void test_slow_log_tells_the_cost(void **state)
{
    (void)state;
    int fd = dial();
    world.config->slowlog_log_slower_than = 0;
    ask(fd, "SET a 1\r\n", "+OK\r\n");
    assert_true(slow_entry(0)->dollars == 6); /* 1+2 chunks, each written and sealed */
    ask(fd, "GET a\r\n", "$1\r\n1\r\n");
    assert_true(slow_entry(0)->dollars == 1);
    ask(fd, "PING\r\n", "+PONG\r\n");
    assert_true(slow_entry(0)->dollars == 0);
    ask(fd, "MULTI\r\nSET a 2\r\nGET a\r\nEXEC\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n2\r\n");
    assert_true(slow_entry(0)->dollars == 1);
    assert_true(slow_entry(1)->dollars == 6);
    uint64_t before = proxy.sessions->stats.slow_count;
    ask(fd, "CLIENT REPLY OFF\r\nGET a\r\nCLIENT REPLY ON\r\n", "+OK\r\n");
    assert_int_equal(proxy.sessions->stats.slow_count, before + 3); /* also of what is not sent */
    close(fd);
}

/* No new keys; what is there can be replaced, read and deleted. */
static void test_budget_that_is_spent(void **state)
{
    (void)state;
    int fd = dial();
    ask(fd, "SET old 1\r\n", "+OK\r\n");
    ic_books_invoke(proxy.books, 0);
    ic_books_charge(proxy.books, 0, IC_COST_SERVE, 1000);
    world.config->budget_per_hour = ic_books_spent(proxy.books) / 2;
    give(fd, "SET new 1\r\n", 11);
    expect(fd, "-ERR budget: no new keys, as $0.00000");
    char byte = 0;
    while (byte != '\n') {
        assert_int_equal(take_reply(fd, &byte, 1), 1);
    }
    ask(fd, "SET old 2\r\nGET old\r\nEXISTS new\r\nDEL old\r\n", "+OK\r\n$1\r\n2\r\n:0\r\n:1\r\n");
    world.config->budget_per_hour = 0;
    ask(fd, "SET new 1\r\n", "+OK\r\n");
    close(fd);
}

static void test_password(void **state)
{
    (void)state;
    assert_int_equal(ic_buf_append_str(&proxy.sessions->password, "secret"), 0);
    int fd = dial();
    ask(fd, "GET k\r\nSET k v\r\nPING\r\n",
        "-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n"
        "-NOAUTH Authentication required.\r\n");
    ask(fd, "AUTH wrong\r\nAUTH default wrong\r\nAUTH nobody secret\r\n", "-WRONGPASS");
    char c = 0;
    for (int lines = 0; lines < 3;) {
        take_reply(fd, &c, 1);
        lines += c == '\n';
    }
    ask(fd, "HELLO 3\r\n", "-NOAUTH HELLO must be called");
    while (take_reply(fd, &c, 1) == 1 && c != '\n') {
    }
    ask(fd, "HELLO 3 AUTH default secret\r\n", "%7\r\n");
    for (int lines = 0; lines < 25;) {
        assert_int_equal(take_reply(fd, &c, 1), 1);
        lines += c == '\n';
    }
    ask(fd, "SET k v\r\nGET none\r\n", "+OK\r\n_\r\n");
    ask(fd, "RESET\r\nGET k\r\nAUTH secret\r\nGET k\r\n",
        "+RESET\r\n-NOAUTH Authentication required.\r\n+OK\r\n$1\r\nv\r\n");
    close(fd);
    fd = dial();
    ask(fd, "*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n");
    expect_end(fd);
    fd = dial();
    ask(fd, "*2\r\n$4\r\nAUTH\r\n$16385\r\n",
        "-ERR Protocol error: unauthenticated bulk length\r\n");
    expect_end(fd);
}

static void test_maxclients(void **state)
{
    (void)state;
    assert_int_equal(
        ic_config_set(world.config, ic_slice_str("maxclients"), ic_slice_str("2"), world.why), 0);
    int a = dial(), b = dial();
    ask(a, "PING\r\n", "+PONG\r\n");
    ask(b, "PING\r\n", "+PONG\r\n");
    int c = dial();
    expect(c, "-ERR max number of clients reached\r\n");
    expect_end(c);
    close(a);
    settle(1);
    c = dial();
    ask(c, "PING\r\n", "+PONG\r\n");
    close(b);
    close(c);
}

/* Whichever allocation fails: an error or a closed connection, and nothing is left behind. */
static void test_failing_allocations(void **state)
{
    (void)state;
    static char request[REPLY_MAX], reply[REPLY_MAX];
    size_t length = make_set(request, "k", 5000);
    static const char more[] =
        "GET k\r\nMGET k k none\r\nMULTI\r\nSET k v\r\nGET k\r\nEXEC\r\nWATCH k\r\nMSET a 1 b 2\r\n"
        "CLIENT SETNAME me\r\nCLIENT LIST\r\nKEYS *\r\nSCAN 0\r\nCOPY a c\r\nRENAME c d\r\n"
        "EXPIRE a 10\r\nINFO all\r\nCOMMAND\r\nCONFIG GET *\r\nDEL a b c d k\r\nQUIT\r\n";
    memcpy(request + length, more, sizeof more - 1);
    length += sizeof more - 1;
    for (uint64_t nth = 1; nth < 400; nth += nth < 100 ? 1 : 7) {
        int fd = dial();
        settle(1);
        ic_alloc_fail_at(nth);
        give(fd, request, length);
        size_t got = take_reply(fd, reply, sizeof reply);
        ic_alloc_fail_at(0);
        assert_true(got < sizeof reply);
        close(fd);
        settle(0);
        assert_int_equal(ic_store_stats(world.store).drafts, 0);
    }
}

/* It has begun, and goes on alone in turns to come. */
static struct ic_session *begin_long_transaction(int fd)
{
    ask(fd, "CONFIG SET turn-work 100\r\nMULTI\r\n", "+OK\r\n+OK\r\n");
    for (int i = 0; i < 200; i++) {
        ask(fd, "EXISTS a b c d\r\n", "+QUEUED\r\n");
    }
    ask(fd, "CLIENT INFO\r\nCLIENT LIST\r\nGET k\r\nCOPY k last\r\n",
        "+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
    struct ic_session *s = first_session();
    give(fd, "EXEC\r\n", 6);
    for (uint64_t until = clock_ms() + DEADLINE_MS; proxy.sessions->turns.alone != &s->worker;) {
        assert_true(clock_ms() < until);
        turn();
    }
    return s;
}

/* What it has begun is done to its end, and finds no connection: that is freed. */
static void test_a_transaction_whose_client_is_gone(void **state)
{
    (void)state;
    int fd = dial();
    ask(fd, "SET k v\r\n", "+OK\r\n");
    struct ic_session *s = begin_long_transaction(fd);
    ic_session_end(s, NULL);
    unsigned turns = 0;
    for (; !ic_list_empty(&proxy.sessions->leaving); turns++) {
        assert_null(s->stream);
        turn();
    }
    assert_true(turns > 10);
    close(fd);
    int other = dial();
    ask(other, "EXISTS last\r\n", ":1\r\n");
    begin_long_transaction(other); /* and the proxy stops meanwhile */
    close(other);
}

#define session_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        session_test(test_sizes_and_cuts),
        session_test(test_pipeline_in_order),
        session_test(test_bytes_are_counted),
        session_test(test_value_that_fails_in_the_middle),
        session_test(test_value_that_fails_before_the_end),
        session_test(test_too_big_is_refused_at_once),
        session_test(test_too_big_is_read_past),
        session_test(test_object_that_cannot_be_read),
        session_test(test_clients_that_leave),
        session_test(test_journal_that_fails),
        session_test(test_journal_that_fails_within_a_command),
        session_test(test_journal_that_fails_behind_an_object),
        session_test(test_journal_that_fails_before_others),
        session_test(test_journal_that_fails_before_skip),
        session_test(test_journal_that_fails_before_off),
        session_test(test_journal_that_fails_before_multi),
        session_test(test_journal_that_fails_before_hello),
        session_test(test_journal_that_fails_before_a_protocol_error),
        session_test(test_debug_sleep_holds_up_nobody_else),
        session_test(test_reply_modes_and_ends),
        session_test(test_half_closed),
        session_test(test_pipeline_sent_before_read),
        session_test(test_long_arguments),
        session_test(test_slow_log_tells_the_cost),
        session_test(test_budget_that_is_spent),
        session_test(test_password),
        session_test(test_maxclients),
        session_test(test_a_transaction_whose_client_is_gone),
        session_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
