/*
 * test_look_ahead.c - values of requests that follow are begun while one is sealed, and nobody can
 * tell but by the turns it takes.
 */
#include "proxy/look_ahead.h"

#include "unit/session_world.h"

#define session_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

enum { SETS = 200, LINE = 64 };

static struct ic_buf pipeline, answers;

static void ask_for(const char *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One request more in the pipeline: FORMAT's words, as bulks, with their ANSWER. */
static void ask_for(const char *answer, const char *format, ...)
{
    char line[LINE], *rest = line, *word;
    size_t words = 1;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (const char *c = line; *c != '\0'; c++) {
        words += *c == ' ';
    }
    assert_int_equal(ic_buf_printf(&pipeline, "*%zu\r\n", words), 0);
    while ((word = strsep(&rest, " ")) != NULL) {
        assert_int_equal(ic_buf_printf(&pipeline, "$%zu\r\n%s\r\n", strlen(word), word), 0);
    }
    assert_int_equal(ic_buf_append_str(&answers, answer), 0);
}

static void ask_for_sets(const char *answer)
{
    for (int i = 0; i < SETS; i++) {
        ask_for(answer, "SET key%d value%d", i, i);
    }
}

static void forget(void)
{
    ic_buf_deinit(&pipeline);
    ic_buf_deinit(&answers);
}

static void send_pipeline(int fd)
{
    assert_int_equal(send(fd, pipeline.data, pipeline.len, MSG_NOSIGNAL), pipeline.len);
}

/* Returns the turns until all of the answers have come, which are right. */
static unsigned await_answers(int fd)
{
    static char came[REPLY_MAX];
    unsigned turns = 0;
    size_t length = 0;
    for (uint64_t until = clock_ms() + DEADLINE_MS; length < answers.len; turns++) {
        ssize_t more = recv(fd, came + length, answers.len - length, MSG_DONTWAIT);
        length += more > 0 ? (size_t)more : 0;
        assert_true(clock_ms() < until);
        turn();
    }
    assert_memory_equal(came, answers.data, answers.len);
    forget();
    return turns;
}

/* The same with a client that sends the pipeline. */
static unsigned run_alone(void)
{
    int fd = dial();
    send_pipeline(fd);
    unsigned turns = await_answers(fd);
    close(fd);
    settle(0);
    return turns;
}

static void test_sets_share_turns(void **state)
{
    (void)state;
    ask_for_sets("+OK\r\n");
    assert_in_range(run_alone(), 2, SETS / 4);
}

static void test_so_do_those_of_a_transaction(void **state)
{
    (void)state;
    ask_for("+OK\r\n", "MULTI");
    ask_for_sets("+QUEUED\r\n");
    ask_for("*200\r\n", "EXEC");
    assert_int_equal(SETS, 200);
    for (int i = 0; i < SETS; i++) {
        assert_int_equal(ic_buf_append_str(&answers, "+OK\r\n"), 0);
    }
    assert_in_range(run_alone(), 2, SETS / 4);
}

static int64_t first_expiry_ms;

static int note_expiry(const struct ic_node_request *r)
{
    first_expiry_ms =
        r->op == IC_NODE_SEAL && first_expiry_ms == 0 ? r->expires_ms : first_expiry_ms;
    return 0;
}

static void test_values_that_expire_and_many_of_one_command(void **state)
{
    (void)state;
    for (int i = 0; i < SETS; i += 4) {
        ask_for("+OK\r\n", "SET key%d value EX 100", i);
        ask_for("+OK\r\n", "PSETEX key%d 100000 value", i + 1);
        ask_for("+OK\r\n", "MSET key%d value key%d value", i + 2, i + 3);
        ask_for(":100\r\n", "TTL key%d", i);
    }
    script = note_expiry;
    first_expiry_ms = 0;
    assert_in_range(run_alone(), 2, SETS / 4);
    assert_true(first_expiry_ms > 100000);
}

/* Whoever reads or writes in between sees what it would if they came one by one. */
static void test_all_happens_in_order(void **state)
{
    (void)state;
    ask_for("+OK\r\n", "SET a 1");
    for (int i = 0; i < 20; i++) {
        ask_for("$1\r\n1\r\n", "GET a");
        ask_for("+OK\r\n", "SET a 2");
        ask_for("$-1\r\n", "SET a 3 NX");
        ask_for("$1\r\n2\r\n", "SET a 4 GET");
        ask_for(":0\r\n", "SETNX a 5");
        ask_for("$1\r\n4\r\n", "GETSET a 6");
        ask_for(":1\r\n", "DEL a");
        ask_for("$-1\r\n", "SET a 7 XX");
        ask_for(":1\r\n", "SETNX a 8");
        ask_for(":0\r\n", "MSETNX b 1 a 9");
        ask_for("+OK\r\n", "MULTI");
        ask_for("+QUEUED\r\n", "SET a no");
        ask_for("+OK\r\n", "DISCARD");
        ask_for("+OK\r\n", "MULTI");
        ask_for("+QUEUED\r\n", "SET a 10");
        ask_for("+QUEUED\r\n", "GET a");
        ask_for("*2\r\n+OK\r\n$2\r\n10\r\n", "EXEC");
        ask_for("+OK\r\n", "MULTI");
        ask_for("-ERR unknown command 'NOSUCH', with args beginning with: \r\n", "NOSUCH");
        ask_for("+QUEUED\r\n", "SET a no");
        ask_for("-EXECABORT Transaction discarded because of previous errors.\r\n", "EXEC");
        ask_for("-ERR syntax error\r\n", "SET a no BAD");
        ask_for("-ERR invalid expire time in 'setex' command\r\n", "SETEX a 0 no");
        ask_for("$2\r\n10\r\n", "GET a");
        ask_for("+OK\r\n", "SET a 1");
    }
    run_alone();
}

static void test_errors_are_counted_once(void **state)
{
    (void)state;
    uint64_t before = proxy.sessions->stats.error_replies;
    for (int i = 0; i < 10; i++) {
        ask_for("+OK\r\n", "SET a 1");
        ask_for("-ERR syntax error\r\n", "SET a no BAD");
    }
    run_alone();
    assert_int_equal(proxy.sessions->stats.error_replies - before, 10);
}

static int never(const struct ic_node_request *r)
{
    (void)r;
    return 1;
}

/* Sends the pipeline and waits until values have been begun ahead; no function answers. */
static struct ic_session *begin_ahead(int fd)
{
    struct ic_session *s;
    settle(1);
    s = first_session();
    script = never;
    send_pipeline(fd);
    for (uint64_t until = clock_ms() + DEADLINE_MS; s->ahead.count == 0;) {
        assert_true(clock_ms() < until);
        turn();
    }
    return s;
}

static uint64_t first_id; /* of the object whose turn it is */

/* The functions refuse all others, and let that one wait. */
static int refuse_others(const struct ic_node_request *r)
{
    return r->object_id == first_id ? 1 : IC_EIO;
}

/* What fails ahead of its time is tried again when that has come. */
static void test_a_value_that_fails_ahead(void **state)
{
    (void)state;
    int fd = dial();
    ask_for_sets("+OK\r\n");
    struct ic_session *s = begin_ahead(fd);
    first_id = queue[0]->object_id;
    script = refuse_others;
    for (uint64_t until = clock_ms() + DEADLINE_MS; s->ahead.count > 0;) {
        assert_true(clock_ms() < until);
        turn();
    }
    script = NULL;
    await_answers(fd);
    close(fd);
    settle(0);
}

static void test_it_is_bounded_and_charged(void **state)
{
    (void)state;
    int fd = dial();
    ask_for_sets("");
    struct ic_session *s = begin_ahead(fd);
    for (int i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(s->ahead.under_way, IC_LOOK_AHEAD_UNDER_WAY);
    assert_int_equal(s->ahead.count, IC_LOOK_AHEAD_UNDER_WAY);
    assert_true(s->ahead.bytes > IC_LOOK_AHEAD_UNDER_WAY * sizeof(struct ic_node_request));
    assert_int_equal(s->charge.bytes, ic_session_memory(s));
    assert_true(s->charge.bytes > s->ahead.bytes);
    assert_true(ic_session_query_bytes(s) < s->ahead.bytes); /* it refuses no request */
    ic_session_kill(s, NULL);
    close(fd);
    settle(0);
    assert_int_equal(ic_store_stats(world.store).drafts, 0);
    forget();
}

/* Memory of the clients, or of the window, is for those that need it now. */
static void test_without_plenty_nothing_goes_ahead(void **state)
{
    (void)state;
    struct ic_grant most = {0};
    size_t half = (size_t)world.config->window_memory / 2;
    ask_for_sets("+OK\r\n");
    assert_int_equal(ic_window_admit(proxy.window, &most, IC_WINDOW_READ, half, NULL, NULL), 1);
    assert_in_range(run_alone(), SETS, 3 * SETS);
    ic_window_leave(&most);
    ask_for_sets("+OK\r\n");
    assert_in_range(run_alone(), 2, SETS / 4);
}

/* One MSET of VALUES small values, in how many turns. */
static unsigned run_mset(void)
{
    enum { VALUES = 40 };
    int fd = dial();
    assert_int_equal(ic_buf_printf(&pipeline, "*%d\r\n$4\r\nMSET\r\n", 1 + 2 * VALUES), 0);
    for (int i = 0; i < VALUES; i++) {
        assert_int_equal(ic_buf_printf(&pipeline, "$3\r\nk%02d\r\n$1\r\nv\r\n", i), 0);
    }
    assert_int_equal(ic_buf_append_str(&answers, "+OK\r\n"), 0);
    send_pipeline(fd);
    unsigned turns = await_answers(fd);
    close(fd);
    settle(0);
    return turns;
}

/* When all clients together have very many on their way, each goes on with one at a time. */
static void test_a_crowd_goes_one_by_one(void **state)
{
    (void)state;
    assert_in_range(run_mset(), 1, 20);
    proxy.sessions->sealing += IC_SESSIONS_SEALING_MAX;
    assert_in_range(run_mset(), 40, 200);
    ask_for_sets("+OK\r\n");
    assert_in_range(run_alone(), SETS, 3 * SETS);
    assert_int_equal(proxy.sessions->sealing, IC_SESSIONS_SEALING_MAX);
    proxy.sessions->sealing = 0;
}

/* It is not known when what follows will run: others may need the room. */
static void test_who_sleeps_keeps_nothing(void **state)
{
    (void)state;
    int fd = dial();
    ask_for("", "SET a 1");
    ask_for("", "DEBUG SLEEP 3000");
    ask_for_sets("");
    struct ic_session *s = begin_ahead(fd);
    script = NULL;
    for (uint64_t until = clock_ms() + DEADLINE_MS; s->state != IC_SESSION_DELAYED;) {
        assert_true(clock_ms() < until);
        turn();
    }
    assert_int_equal(s->ahead.count, 0);
    assert_int_equal(ic_store_stats(world.store).drafts, 0);
    ic_session_kill(s, NULL);
    close(fd);
    settle(0);
    forget();
}

static void test_who_says_quit_leaves_nothing(void **state)
{
    (void)state;
    ask_for("+OK\r\n", "SET a 1");
    ask_for("+OK\r\n", "QUIT");
    for (int i = 0; i < 10; i++) {
        ask_for("", "SET a 2");
    }
    run_alone();
    assert_int_equal(ic_store_stats(world.store).drafts, 0);
    ask_for("$1\r\n1\r\n", "GET a");
    run_alone();
}

/* Wherever it is when its client goes. */
static void test_a_client_that_goes(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 12; turns++) {
        int fd = dial();
        ask_for_sets("");
        begin_ahead(fd);
        forget();
        script = NULL;
        for (unsigned i = 0; i < turns; i++) {
            turn();
        }
        if (turns % 2 == 0) {
            ic_session_kill(first_session(), NULL);
        }
        close(fd);
        settle(0);
        assert_int_equal(ic_store_stats(world.store).drafts, 0);
    }
}

static void test_failing_allocations(void **state)
{
    (void)state;
    static char came[REPLY_MAX];
    for (uint64_t nth = 1; nth < 300; nth += nth < 100 ? 1 : 7) {
        int fd = dial();
        settle(1);
        ask_for_sets("");
        ask_for("", "QUIT");
        ic_alloc_fail_at(nth);
        give(fd, (char *)pipeline.data, pipeline.len);
        assert_true(take_reply(fd, came, sizeof came) < sizeof came);
        ic_alloc_fail_at(0);
        forget();
        close(fd);
        settle(0);
        assert_int_equal(ic_store_stats(world.store).drafts, 0);
        forget_chunks(); /* of so many, each is looked for one by one */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        session_test(test_sets_share_turns),
        session_test(test_so_do_those_of_a_transaction),
        session_test(test_values_that_expire_and_many_of_one_command),
        session_test(test_all_happens_in_order),
        session_test(test_errors_are_counted_once),
        session_test(test_a_value_that_fails_ahead),
        session_test(test_it_is_bounded_and_charged),
        session_test(test_without_plenty_nothing_goes_ahead),
        session_test(test_a_crowd_goes_one_by_one),
        session_test(test_who_sleeps_keeps_nothing),
        session_test(test_who_says_quit_leaves_nothing),
        session_test(test_a_client_that_goes),
        session_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
