/*
 * test_stats.c - counters, error codes, rates and the log of slow commands.
 */
#include "proxy/stats.h"

#include "unit/unit.h"

#include <stdio.h>

static const struct ic_command *command(const char *name)
{
    return ic_command_find_full(ic_slice_str(name));
}

static void test_counters(void **state)
{
    (void)state;
    struct ic_stats s;
    assert_int_equal(ic_stats_init(&s), 0);
    ic_stats_called(&s, command("get"), 0, false);
    ic_stats_called(&s, command("get"), 3, true);
    ic_stats_called(&s, command("client|list"), UINT64_MAX, false);
    ic_stats_rejected(&s, command("get"));
    const struct ic_command_figures *f = &s.command[ic_command_number(command("get"))];
    assert_int_equal(f->calls, 2);
    assert_int_equal(f->microseconds, 3);
    assert_int_equal(f->failed, 1);
    assert_int_equal(f->rejected, 1);
    assert_int_equal(f->times->count, 2);
    assert_int_equal(ic_histogram_quantile(f->times, 0.5), 0);
    assert_int_equal(ic_histogram_quantile(f->times, 1), 3);
    f = &s.command[ic_command_number(command("client|list"))];
    assert_true(f->times->max == UINT64_MAX);
    assert_null(s.command[ic_command_number(command("set"))].times);
    assert_int_equal(s.commands, 3);
    s.output_buffer_limit_disconnections = s.query_buffer_limit_refusals = 5;
    ic_stats_reset(&s);
    assert_int_equal(s.commands, 0);
    assert_int_equal(s.output_buffer_limit_disconnections + s.query_buffer_limit_refusals, 0);
    assert_int_equal(s.command[ic_command_number(command("get"))].calls, 0);
    assert_null(s.command[ic_command_number(command("get"))].times);
    ic_stats_deinit(&s);
}

/* Counted, though there was no memory for its time. */
static void test_no_memory(void **state)
{
    (void)state;
    struct ic_stats s;
    assert_int_equal(ic_stats_init(&s), 0);
    const struct ic_command_figures *f = &s.command[ic_command_number(command("get"))];
    ic_alloc_fail_at(1);
    ic_stats_called(&s, command("get"), 3, false);
    ic_alloc_fail_at(0);
    assert_int_equal(f->calls, 1);
    assert_null(f->times);
    ic_stats_called(&s, command("get"), 3, false);
    assert_int_equal(f->times->count, 1);
    ic_stats_deinit(&s);
}

static void test_errors(void **state)
{
    (void)state;
    struct ic_stats s;
    assert_int_equal(ic_stats_init(&s), 0);
    ic_stats_error(&s, "plain");
    ic_stats_error(&s, "-WRONGTYPE x");
    ic_stats_error(&s, "-WRONGTYPE y");
    ic_stats_error(&s, "-");
    ic_stats_error(&s, "-AVERYLONGCODETHATISNOCODEATALLANYMORE x");
    assert_int_equal(s.errors, 2);
    assert_string_equal(s.error[0].code, "ERR");
    assert_int_equal(s.error[0].count, 3);
    assert_string_equal(s.error[1].code, "WRONGTYPE");
    assert_int_equal(s.error[1].count, 2);
    for (int i = 0; i < 2 * IC_STATS_ERRORS_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "-CODE%d x", i);
        ic_stats_error(&s, text);
    }
    assert_int_equal(s.errors, IC_STATS_ERRORS_MAX);
    assert_int_equal(s.error_replies, 5 + 2 * IC_STATS_ERRORS_MAX);
    ic_stats_deinit(&s);
}

static void unknown(struct ic_stats *s, const char *name, const char *sub)
{
    ic_stats_unknown(s, ic_slice_str(name), ic_slice_str(sub));
}

static void test_unknown_commands(void **state)
{
    (void)state;
    struct ic_stats s;
    char name[IC_STATS_UNKNOWN_LEN + 1];
    assert_int_equal(ic_stats_init(&s), 0);
    unknown(&s, "HSET", "");
    unknown(&s, "hset", "");
    unknown(&s, "Client", "PAUSE");
    assert_int_equal(s.unknowns, 2);
    assert_string_equal(s.unknown[0].name, "hset");
    assert_int_equal(s.unknown[0].calls, 2);
    assert_string_equal(s.unknown[1].name, "client|pause");
    /* What could not be shown as it is: no name, a line of its own, a label's end, too long. */
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    unknown(&s, "", "");
    unknown(&s, "a\r\nb", "");
    unknown(&s, "a\"} 1", "");
    unknown(&s, "client", "\xc3\xa4");
    unknown(&s, "a|b", "");
    unknown(&s, name, "");
    unknown(&s, "client", name + 7);
    ic_stats_unknown(&s, ic_slice("get\0x", 5), ic_slice_str(""));
    assert_int_equal(s.unknowns, 2);
    assert_int_equal(s.unknown_others, 8);
    unknown(&s, name + 1, ""); /* the longest */
    unknown(&s, "client", name + 8);
    assert_int_equal(s.unknowns, 4);
    for (int i = 0; i < 2 * IC_STATS_UNKNOWN_MAX; i++) {
        snprintf(name, sizeof name, "made.up-%d", i);
        unknown(&s, name, "");
    }
    assert_int_equal(s.unknowns, IC_STATS_UNKNOWN_MAX);
    assert_int_equal(s.unknown_others, 8 + IC_STATS_UNKNOWN_MAX + 4);
    unknown(&s, "hset", ""); /* those that are told apart still count */
    assert_int_equal(s.unknown[0].calls, 3);
    ic_stats_reset(&s);
    assert_int_equal(s.unknowns + s.unknown_others, 0);
    ic_stats_deinit(&s);
}

static void test_rates(void **state)
{
    (void)state;
    struct ic_stats s;
    assert_int_equal(ic_stats_init(&s), 0);
    s.commands = 500;
    s.bytes_in = 4000;
    s.bytes_out = 6000;
    ic_stats_sample(&s, 2000);
    assert_int_equal(s.ops_per_s, 250);
    assert_int_equal(s.in_per_s, 2000);
    assert_int_equal(s.out_per_s, 3000);
    ic_stats_sample(&s, 2000); /* the same turn: as it was */
    assert_int_equal(s.ops_per_s, 250);
    ic_stats_sample(&s, 3000);
    assert_int_equal(s.ops_per_s, 0);
    ic_stats_deinit(&s);
}

static void keep(struct ic_stats *s, const struct ic_call *c, const char *name, uint64_t us,
                 uint64_t most)
{
    struct ic_slow_entry *e = ic_stats_slow_new(c);
    if (e != NULL) {
        e->microseconds = us;
        ic_stats_slow_keep(s, e, "peer", name, most);
    }
}

static void test_slow_log(void **state)
{
    (void)state;
    struct ic_stats s;
    char large[200];
    struct ic_arg argv[40];
    memset(large, 'x', sizeof large);
    assert_int_equal(ic_stats_init(&s), 0);
    for (int i = 0; i < 40; i++) {
        argv[i] = (struct ic_arg){.bytes = ic_slice_str("arg")};
    }
    argv[1].bytes = ic_slice(large, sizeof large);
    argv[2].bytes = ic_slice(NULL, 1000000); /* a value */
    struct ic_call c = {.command = command("get"), .argv = argv, .argc = 40, .wall_ms = 5000};
    keep(&s, &c, "name", 77, 3);
    struct ic_slow_entry *e = IC_CONTAINER(s.slow.next, struct ic_slow_entry, node);
    assert_int_equal(e->microseconds, 77);
    assert_int_equal(e->wall_s, 5);
    assert_string_equal(e->peer, "peer");
    assert_int_equal(ic_buf_append(&e->args, "", 1), 0);
    const char *text = (const char *)e->args.data;
    assert_int_equal(strncmp(text, "*32\r\n$3\r\narg\r\n$147\r\nxxx", 23), 0);
    assert_non_null(strstr(text, "x... (72 more bytes)\r\n"));
    assert_non_null(strstr(text, "\r\n... (1000000 more bytes)\r\n"));
    assert_non_null(strstr(text, "... (9 more arguments)\r\n"));
    c.command = command("auth");
    c.argc = 2;
    keep(&s, &c, "", 1, 3);
    e = IC_CONTAINER(s.slow.next, struct ic_slow_entry, node);
    assert_int_equal(ic_buf_append(&e->args, "", 1), 0);
    assert_string_equal((const char *)e->args.data, "*2\r\n$3\r\narg\r\n$10\r\n(redacted)\r\n");
    for (int i = 0; i < 10; i++) {
        keep(&s, &c, "", 1, 3);
    }
    assert_int_equal(s.slow_count, 3);
    assert_int_equal(s.slow_next_id, 12);
    keep(&s, &c, "", 1, 0); /* the log is off */
    assert_int_equal(s.slow_next_id, 12);
    ic_stats_slow_reset(&s);
    assert_int_equal(s.slow_count, 0);
    for (uint64_t nth = 1; nth < 6; nth++) {
        ic_alloc_fail_at(nth);
        keep(&s, &c, "", 1, 3);
        ic_alloc_fail_at(0);
    }
    ic_stats_deinit(&s);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_stats_init(&s), IC_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_counters), leak_test(test_no_memory),
                                       leak_test(test_errors),   leak_test(test_unknown_commands),
                                       leak_test(test_rates),    leak_test(test_slow_log)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
