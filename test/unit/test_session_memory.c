/*
 * test_session_memory.c - what clients make the proxy keep: replies that nobody reads, requests
 * that are too large, the largest client, idle connections.
 */
#include "proxy/session.h"

#include "proxy/value.h"
#include "unit/session_world.h"

static void set(const char *name, const char *value)
{
    assert_int_equal(
        ic_config_set(world.config, ic_slice_str(name), ic_slice_str(value), world.why), 0);
}

static void say(int fd, const char *text)
{
    give(fd, text, strlen(text));
}

/* A whole pipeline before the first reply is read: the replies are kept, and are right. */
static void test_short_replies_nobody_reads_yet(void **state)
{
    (void)state;
    enum { BATCH = 1000, BATCHES = 300, LONG = 17 };
    static char reply[REPLY_MAX], batch[BATCH * LONG + 1], echoed[BATCH * LONG + 1];
    int fd = dial();
    set("min-read-rate", "0"); /* however long this takes */
    ask(fd, "SET k 0123456789\r\n", "+OK\r\n");
    for (size_t i = 0; i < BATCH; i++) {
        memcpy(batch + i * LONG, "ECHO 0123456789\r\n", LONG);
        memcpy(echoed + i * LONG, "$10\r\n0123456789\r\n", LONG);
    }
    for (int i = 0; i < BATCHES; i++) {
        give(fd, batch, BATCH * LONG); /* fails if it is not taken */
    }
    for (int i = 0; i < 500; i++) {
        say(fd, "GET k\r\nECHO 9\r\n");
    }
    struct ic_session *s = first_session();
    for (uint64_t until = clock_ms() + DEADLINE_MS; s->reply.objects < 500;) {
        assert_true(clock_ms() < until);
        turn();
    }
    assert_int_equal(s->charge.bytes, proxy.sessions->memory.total);
    assert_true(s->charge.bytes > IC_REPLY_QUEUE_MAX &&
                s->charge.bytes < 2 * BATCHES * BATCH * LONG);
    for (int i = 0; i < BATCHES; i++) {
        assert_int_equal(take_reply(fd, reply, BATCH * LONG), BATCH * LONG);
        assert_memory_equal(reply, echoed, BATCH * LONG);
    }
    for (int i = 0; i < 500; i++) {
        expect(fd, "$10\r\n0123456789\r\n$1\r\n9\r\n");
    }
    ask(fd, "PING\r\n", "+PONG\r\n");
    turn();
    assert_true(s->charge.bytes < 4096); /* of it all nothing is left */
    close(fd);
    settle(0);
}

/* Sends PINGs until the proxy has closed the connection. */
static void ping_until_closed(int fd)
{
    static char pings[6 * 1000];
    settle(1);
    for (size_t i = 0; i < sizeof pings; i += 6) {
        memcpy(pings + i, "PING\r\n", 6);
    }
    for (uint64_t until = clock_ms() + DEADLINE_MS; proxy.sessions->count == 1;) {
        assert_true(clock_ms() < until);
        (void)!send(fd, pings, sizeof pings, MSG_NOSIGNAL);
        turn();
    }
    close(fd);
}

static void test_output_limits(void **state)
{
    (void)state;
    int fd = dial();
    set("client-output-buffer-limit", "normal 1mb 0 0");
    ping_until_closed(fd);
    assert_int_equal(proxy.sessions->stats.output_buffer_limit_disconnections, 1);
    set("client-output-buffer-limit", "normal 0 600kb 1"); /* after a second or two */
    fd = dial();
    uint64_t begun_ms = clock_ms();
    ping_until_closed(fd);
    assert_true(clock_ms() - begun_ms >= 1000);
    assert_int_equal(proxy.sessions->stats.output_buffer_limit_disconnections, 2);
    set("client-output-buffer-limit", "normal 20000 0 0"); /* one reply is too long */
    fd = dial();
    settle(1);
    say(fd, "COMMAND\r\n");
    settle(0);
    close(fd);
    assert_int_equal(proxy.sessions->stats.output_buffer_limit_disconnections, 3);
    set("client-output-buffer-limit", "normal 1 1 1"); /* as in Redis 16 KiB do not count */
    fd = dial();
    ask(fd, "PING\r\nCONFIG SET client-output-buffer-limit \"normal 0 0 0\"\r\n",
        "+PONG\r\n+OK\r\n");
    close(fd);
    settle(0);
    assert_int_equal(proxy.sessions->stats.output_buffer_limit_disconnections, 3);
    assert_int_equal(proxy.sessions->stats.evicted_clients, 0);
}

/* What is left of a request is nobody's memory: without values nothing is. */
static void test_long_requests_leave_nothing(void **state)
{
    (void)state;
    static char line[20000];
    size_t length = (size_t)sprintf(line, "GET");
    for (int i = 0; i < 5000; i++) {
        length += (size_t)sprintf(line + length, " k");
    }
    length += (size_t)sprintf(line + length, "\r\n");
    int fd = dial();
    for (int i = 0; i < 20; i++) {
        give(fd, line, length);
        expect(fd, "-ERR wrong number of arguments for 'get' command\r\n");
        assert_true(ic_list_empty(&proxy.sessions->old_queued));
    }
    close(fd);
}

/* In a transaction, too, where objects stand between: what one command may add is bounded. */
static void test_a_transaction_with_long_replies(void **state)
{
    (void)state;
    int fd = dial();
    set("maxmemory-clients", "1mb");
    set("turn-work", "1000000"); /* or it gets errors, which are short */
    ask(fd, "SET k v\r\nMULTI\r\n", "+OK\r\n+OK\r\n");
    for (int i = 0; i < 1000; i++) {
        ask(fd, "COMMAND\r\nGET k\r\n", "+QUEUED\r\n+QUEUED\r\n");
    }
    say(fd, "EXEC\r\n");
    settle(0);
    close(fd);
    size_t input, output;
    ic_client_memory_recent(&proxy.sessions->memory, ic_loop_now_ms(proxy.loop), &input, &output);
    assert_in_range(output, 1 << 20, 9 << 17); /* it stopped there */
    assert_int_equal(proxy.sessions->stats.evicted_clients, 1);
}

/* Beyond maxmemory-clients the largest goes, not who asks; who is spared goes later, but not after
 * those that take little. */
static void test_the_largest_is_evicted(void **state)
{
    (void)state;
    static char key[60000];
    memset(key, 'k', sizeof key);
    set("max-key-size", "64kb");
    set("maxmemory-clients", "1mb");
    int large = dial();
    settle(1);
    struct ic_session *s = first_session();
    ask(large, "PING\r\nPING\r\n", "+PONG\r\n+PONG\r\n");
    int spared = dial(), small = dial();
    ask(spared, "CLIENT NO-EVICT ON\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    ask(small, "WATCH a b c\r\n", "+OK\r\n");
    size_t before = s->charge.bytes;
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 2; j++) {
            int fd = j == 0 ? large : spared;
            say(fd, "*2\r\n$5\r\nWATCH\r\n$60000\r\n");
            key[0] = (char)('0' + i);
            give(fd, key, sizeof key);
            if (proxy.sessions->count < 3) {
                break;
            }
            ask(fd, "\r\n", "+OK\r\n");
        }
        if (proxy.sessions->count == 3) {
            assert_true(s->charge.bytes + 2000 >= before + sizeof key);
            before = s->charge.bytes;
        }
    }
    settle(2);
    assert_int_equal(proxy.sessions->stats.evicted_clients, 1);
    expect_end(large);
    for (int i = 10; proxy.sessions->count == 2; i++) {
        assert_true(i < 100);
        key[0] = (char)('0' + i);
        say(spared, "*2\r\n$5\r\nWATCH\r\n$60000\r\n");
        give(spared, key, sizeof key);
        say(spared, "\r\n");
    }
    close(spared);
    assert_int_equal(proxy.sessions->stats.evicted_clients, 2);
    ask(small, "PING\r\n", "+PONG\r\n");
    close(small);
    settle(0);
}

/* An error first, and the connection goes on; what the request took is given back. */
static void test_requests_too_large_for_memory(void **state)
{
    (void)state;
    static char text[4096], reply[REPLY_MAX];
    int fd = dial();
    set("max-key-size", "64kb");
    set("client-query-buffer-limit", "1mb");
    memset(text, 'x', sizeof text);
    say(fd, "*1001\r\n$3\r\nDEL\r\n");
    for (int i = 0; i < 1000; i++) {
        say(fd, "$4096\r\n");
        give(fd, text, sizeof text);
        say(fd, "\r\n");
    }
    expect(fd, "-ERR the request takes more memory than client-query-buffer-limit (1048576 bytes)"
               "\r\n");
    ask(fd, "PING\r\n", "+PONG\r\n");
    assert_true(first_session()->charge.bytes < 4096);
    say(fd, "*2001\r\n$4\r\nMSET\r\n"); /* values do not count, their keys and puts do */
    for (int i = 0; i < 1000; i++) {
        say(fd, "$4096\r\n");
        give(fd, text, sizeof text);
        say(fd, "\r\n$1\r\nv\r\n");
    }
    expect(fd, "-ERR the request takes more memory");
    assert_int_equal(ic_store_stats(world.store).drafts, 0);
    take_reply(fd, reply, strlen(" than client-query-buffer-limit (1048576 bytes)\r\n"));
    ask(fd, "PING\r\nMULTI\r\n", "+PONG\r\n+OK\r\n");
    size_t queued_ones = 0;
    for (bool refused = false; !refused; queued_ones++) {
        say(fd, "*3\r\n$3\r\nSET\r\n$4096\r\n");
        give(fd, text, sizeof text);
        say(fd, "\r\n$1\r\nv\r\n");
        take_reply(fd, reply, 9);
        refused = reply[0] == '-';
        assert_true(queued_ones < 300);
    }
    expect(fd, "transaction takes more memory than client-query-buffer-limit (1048576 bytes)\r\n");
    assert_int_equal(ic_store_stats(world.store).drafts, 0);
    ask(fd, "EXEC\r\nPING\r\n",
        "-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n");
    for (int i = 0;; i++) {
        say(fd, "*2\r\n$5\r\nWATCH\r\n$4096\r\n");
        memcpy(text, &i, sizeof i);
        give(fd, text, sizeof text);
        say(fd, "\r\n");
        take_reply(fd, reply, 5);
        if (reply[0] == '-') {
            break;
        }
        assert_true(i < 300);
    }
    expect(fd, "the watched keys take more memory than client-query-buffer-limit (1048576 bytes)"
               "\r\n");
    ask(fd, "UNWATCH\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    assert_true(first_session()->charge.bytes < 4096);
    assert_int_equal(proxy.sessions->stats.query_buffer_limit_refusals, 4);
    assert_int_equal(proxy.sessions->stats.evicted_clients, 0);
    close(fd);
    settle(0);
}

/* However much it once was: an idle connection takes next to nothing, and says what it takes. */
static void test_idle_connections_take_little(void **state)
{
    (void)state;
    static char text[200000], reply[REPLY_MAX];
    int fd = dial();
    set("max-key-size", "64kb");
    size_t length = (size_t)sprintf(text, "*20001\r\n$6\r\nEXISTS\r\n");
    for (int i = 0; i < 20000; i++) {
        length += (size_t)sprintf(text + length, "$1\r\na\r\n");
    }
    give(fd, text, length / 2);
    struct ic_session *s = first_session();
    for (int i = 0; i < 1000; i++) {
        turn();
    }
    assert_true(s->charge.bytes > 10000 * (sizeof(struct ic_arg) + sizeof(struct ic_resp_span)));
    give(fd, text + length / 2, length - length / 2);
    expect(fd, ":0\r\n");
    ask(fd, "PING\r\n", "+PONG\r\n");
    turn();
    assert_true(s->charge.bytes < 3072);
    assert_true(s->parser.span_cap <= 8 && s->argv_cap <= IC_SESSION_ARGV_KEPT);
    size_t before = s->charge.bytes;
    length = (size_t)sprintf(text, "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1000\r\n");
    memset(text + length, 'n', 1000);
    memcpy(text + length + 1000, "\r\n", 2);
    give(fd, text, length + 1002);
    expect(fd, "+OK\r\n");
    ask(fd, "PING\r\n", "+PONG\r\n");
    assert_in_range(s->charge.bytes, before + 1000, before + 1300);
    ask(fd, "CLIENT SETNAME \"\"\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    assert_in_range(s->charge.bytes, before - 300, before + 300);
    say(fd, "CLIENT INFO\r\n");
    char shown[32];
    size_t got = 0;
    snprintf(shown, sizeof shown, "tot-mem=");
    do {
        got += take_reply(fd, reply + got, 1);
        reply[got] = '\0';
    } while (strstr(reply, "tot-mem=") == NULL || reply[got - 1] != ' ');
    assert_true(strtoul(strstr(reply, shown) + 8, NULL, 10) >= before - 300);
    close(fd);
    settle(0);
}

static int hold_seals(const struct ic_node_request *r)
{
    return r->op == IC_NODE_SEAL;
}

/* A value takes more while it is sealed than what is left of it: only some are at a time. */
static void test_values_of_one_request_are_sealed_by_and_by(void **state)
{
    (void)state;
    enum { COUNT = 3 * IC_SESSION_SEALING_MAX };
    static char text[COUNT * 30];
    int fd = dial();
    size_t length = (size_t)sprintf(text, "*%d\r\n$4\r\nMSET\r\n", 2 * COUNT + 1);
    for (int i = 0; i < COUNT; i++) {
        length += (size_t)sprintf(text + length, "$5\r\nk%04d\r\n$0\r\n\r\n", i);
    }
    script = hold_seals;
    give(fd, text, length);
    struct ic_session *s = first_session();
    for (int i = 0; i < 1000; i++) {
        turn();
    }
    assert_int_equal(s->sealing, IC_SESSION_SEALING_MAX);
    script = NULL;
    expect(fd, "+OK\r\n");
    close(fd);
    settle(0);
}

/* What others needed of an upload that stalls is counted, but does not make its client the largest.
 */
static void test_an_upload_that_gave_way_is_not_evicted(void **state)
{
    (void)state;
    enum { SIZE = 1000000, CAME = 400000, KEY = 60000 };
    static char value[CAME], key[KEY];
    set("unit-size", "256kb");   /* a stripe has twice that, */
    set("window-memory", "2mb"); /* which is not made smaller for this window */
    set("max-key-size", "64kb");
    set("maxmemory-clients", "1mb");
    int upload = dial();
    settle(1);
    struct ic_session *s = first_session();
    say(upload, "*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$1000000\r\n");
    give(upload, value, CAME);
    for (uint64_t until = clock_ms() + DEADLINE_MS;
         s->streaming == NULL || s->streaming->left + CAME != SIZE;) {
        assert_true(clock_ms() < until);
        turn();
    }
    for (uint64_t until = clock_ms() + DEADLINE_MS; ic_value_withdraw(s->streaming) == 0;) {
        assert_true(clock_ms() < until);
        turn();
    }
    assert_true(ic_session_charge(s));
    assert_true(s->charge.bytes > CAME);
    for (int i = 0; proxy.sessions->stats.evicted_clients == 0; i++) {
        int fd = dial();
        assert_true(i < 100);
        for (int j = 0; j < 3 && proxy.sessions->stats.evicted_clients == 0; j++) {
            say(fd, "*2\r\n$5\r\nWATCH\r\n$60000\r\n");
            key[0] = (char)('0' + j);
            give(fd, key, KEY);
            ask(fd, "\r\n", "+OK\r\n");
        }
    }
    assert_false(s->gone);
    close(upload);
}

/* Values come a turn later when very much of others has come in this one, or had to go for it. */
static void test_values_wait_for_others(void **state)
{
    (void)state;
    enum { SIZE = 300000, CAME = 50000 };
    static char value[SIZE];
    int upload = dial(), other = dial();
    settle(2);
    struct ic_session *s = first_session();
    for (int evicted = 0; evicted < 2; evicted++) {
        say(upload, "*3\r\n$3\r\nSET\r\n$1\r\nv\r\n$300000\r\n");
        give(upload, value, CAME);
        for (uint64_t until = clock_ms() + DEADLINE_MS;
             s->streaming == NULL || s->streaming->left + CAME != SIZE;) {
            assert_true(clock_ms() < until);
            turn();
        }
        world.store->made_room = evicted ? IC_STORE_EVICT_SLICE : 0;
        world.store->claimed = evicted ? 0 : IC_STORE_CLAIM_SLICE;
        give(upload, value, SIZE - CAME);
        for (int i = 0; i < 20; i++) {
            ask(other, "PING\r\n", "+PONG\r\n");
        }
        assert_true(s->streaming != NULL && s->streaming->left + CAME == SIZE);
        world.store->made_room = 0;
        world.store->claimed = 0;
        ask(upload, "\r\n", "+OK\r\n");
    }
    close(upload);
    close(other);
    settle(0);
}

#define session_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        session_test(test_short_replies_nobody_reads_yet),
        session_test(test_output_limits),
        session_test(test_long_requests_leave_nothing),
        session_test(test_a_transaction_with_long_replies),
        session_test(test_the_largest_is_evicted),
        session_test(test_an_upload_that_gave_way_is_not_evicted),
        session_test(test_values_wait_for_others),
        session_test(test_requests_too_large_for_memory),
        session_test(test_idle_connections_take_little),
        session_test(test_values_of_one_request_are_sealed_by_and_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
