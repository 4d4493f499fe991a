/*
 * test_report.c - billing and Lambda's log lines and error bodies, word for word.
 */
#include "platform/local/report.h"

#include "unit/unit.h"

#define ID "8f507cfc-xmpl-4697-b07a-ac58fc914c95"

static void test_billing_rounds_up(void **state)
{
    (void)state;
    static const struct {
        uint64_t us;
        uint32_t granule;
        uint64_t billed;
    } row[] = {{0, 1, 1},          {1, 1, 1},
               {1000, 1, 1},       {1001, 1, 2},
               {0, 100, 100},      {1, 100, 100},
               {100000, 100, 100}, {100001, 100, 200},
               {299999, 1, 300},   {900000000, 1, 900000}};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        assert_int_equal(ic_billed_ms(row[i].us, row[i].granule), row[i].billed);
    }
}

/* Compares what is in BUF and empties it. */
static void assert_text(struct ic_buf *buf, const char *text)
{
    assert_int_equal(ic_buf_append(buf, "", 1), 0);
    assert_string_equal((const char *)buf->data, text);
    ic_buf_deinit(buf);
}

static void test_log_lines(void **state)
{
    (void)state;
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(ic_report_start(&out, ID, "$LATEST"), 0);
    assert_text(&out, "START RequestId: " ID " Version: $LATEST\n");
    assert_int_equal(ic_report_end(&out, ID), 0);
    assert_text(&out, "END RequestId: " ID "\n");
    assert_int_equal(ic_report_init(&out, 10008481, "init", IC_OUTCOME_INIT_TIMEOUT), 0);
    assert_text(&out, "INIT_REPORT Init Duration: 10008.48 ms\tPhase: init\tStatus: timeout\n");
    assert_int_equal(ic_report_init(&out, 4870, "invoke", IC_OUTCOME_EXITED), 0);
    assert_text(&out, "INIT_REPORT Init Duration: 4.87 ms\tPhase: invoke\tStatus: error\t"
                      "Error Type: Runtime.ExitError\n");
    struct ic_report r = {.request_id = ID,
                          .duration_us = 1234,
                          .billed_ms = 2,
                          .memory_mb = 256,
                          .max_memory_bytes = (30u << 20) - 5,
                          .outcome = IC_OUTCOME_ANSWERED};
    assert_int_equal(ic_report_report(&out, &r), 0);
    assert_text(&out, "REPORT RequestId: " ID "\tDuration: 1.23 ms\tBilled Duration: 2 ms\t"
                      "Memory Size: 256 MB\tMax Memory Used: 30 MB\t\n");
    r.init_us = 98765;
    r.duration_us = 1000996;
    r.outcome = IC_OUTCOME_TIMED_OUT;
    assert_int_equal(ic_report_report(&out, &r), 0);
    assert_text(&out, "REPORT RequestId: " ID "\tDuration: 1001.00 ms\tBilled Duration: 2 ms\t"
                      "Memory Size: 256 MB\tMax Memory Used: 30 MB\tInit Duration: 98.77 ms\t"
                      "Status: timeout\n");
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        struct ic_platform_error error;
        const char *body, *log;
    } row[] = {
        {{.outcome = IC_OUTCOME_EXITED, .wait_status = 9},
         "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: " ID
         " Error: Runtime exited with error: signal: killed\"}",
         "RequestId: " ID " Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n"},
        {{.outcome = IC_OUTCOME_EXITED, .wait_status = 3 << 8},
         "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: " ID
         " Error: Runtime exited with error: exit status 3\"}",
         "RequestId: " ID " Error: Runtime exited with error: exit status 3\nRuntime.ExitError\n"},
        {{.outcome = IC_OUTCOME_EXITED, .wait_status = 0},
         "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: " ID
         " Error: Runtime exited without providing a reason\"}",
         "RequestId: " ID " Error: Runtime exited without providing a reason\nRuntime.ExitError\n"},
        {{.outcome = IC_OUTCOME_TIMED_OUT, .timeout_ms = 3000, .wall_ms = 1769860800123},
         "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: " ID
         " Error: Task timed out after 3.00 seconds\"}",
         "2026-01-31T12:00:00.123Z " ID " Task timed out after 3.00 seconds\n\n"},
        {{.outcome = IC_OUTCOME_NO_ENTRY},
         "{\"errorType\":\"Runtime.InvalidEntrypoint\",\"errorMessage\":\"RequestId: " ID
         " Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]\"}",
         "RequestId: " ID
         " Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]\n"
         "Runtime.InvalidEntrypoint\n"},
        {{.outcome = IC_OUTCOME_NO_ENTRY, .detail = "No such file or directory"},
         "{\"errorType\":\"Runtime.InvalidEntrypoint\",\"errorMessage\":\"RequestId: " ID
         " Error: fork/exec /var/task/bootstrap: no such file or directory\"}",
         "RequestId: " ID " Error: fork/exec /var/task/bootstrap: no such file or directory\n"
         "Runtime.InvalidEntrypoint\n"},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct ic_platform_error error = row[i].error;
        struct ic_buf body, log;
        ic_buf_init(&body);
        ic_buf_init(&log);
        error.request_id = ID;
        assert_int_equal(ic_report_error(&error, &body, &log), 0);
        assert_text(&body, row[i].body);
        assert_text(&log, row[i].log);
    }
    struct ic_buf none;
    ic_buf_init(&none);
    const struct ic_platform_error own = {.outcome = IC_OUTCOME_FAILED, .request_id = ID};
    assert_int_equal(ic_report_error(&own, &none, &none), IC_EINVAL);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct ic_buf out;
    const struct ic_report r = {.request_id = ID, .init_us = 1};
    ic_buf_init(&out);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_report_report(&out, &r), IC_ENOMEM);
    ic_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_billing_rounds_up), leak_test(test_log_lines),
                                       leak_test(test_errors), leak_test(test_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
