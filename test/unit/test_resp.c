/*
 * test_resp.c - the protocol codec: every request is fed whole and byte by byte and
 * must give the same events; malformed ones must give Redis's error texts.
 */
#include "proto/resp.h"

#include "base/alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Runs INPUT in pieces of STEP bytes; writes events as text: "<a|b>" per command, "#5" a streamed
 * body, "!text" an error. A bulk longer than 8 bytes is streamed, one of 5 is skipped. */
static void run(struct ic_resp *r, const char *input, size_t length, size_t step,
                struct ic_buf *out)
{
    for (size_t at = 0; at < length; at += step) {
        struct ic_slice in = ic_slice(input + at, length - at < step ? length - at : step);
        for (;;) {
            enum ic_resp_event event = ic_resp_feed(r, &in);
            if (event == IC_RESP_MORE) {
                break;
            }
            if (event == IC_RESP_BULK && r->bulk_length > 8) {
                ic_resp_stream(r);
                assert_int_equal(ic_buf_printf(out, "#%d", (int)r->bulk_length), 0);
            } else if (event == IC_RESP_BULK && r->bulk_length == 5) {
                ic_resp_skip(r);
            } else if (event == IC_RESP_BODY) {
                size_t left = (size_t)ic_resp_body_left(r);
                size_t taken = in.len < left ? in.len : left;
                in = ic_slice(in.data + taken, in.len - taken);
                ic_resp_body_taken(r, taken);
            } else if (event == IC_RESP_COMMAND) {
                assert_int_equal(ic_buf_append_str(out, "<"), 0);
                for (uint32_t i = 0; i < r->argc; i++) {
                    struct ic_slice arg = ic_resp_arg(r, i);
                    assert_int_equal(ic_buf_append_str(out, i == 0 ? "" : "|"), 0);
                    if (arg.data == NULL) {
                        assert_int_equal(ic_buf_printf(out, "~%zu", arg.len), 0);
                    } else {
                        assert_int_equal(ic_buf_append_slice(out, arg), 0);
                    }
                }
                assert_int_equal(ic_buf_append_str(out, ">"), 0);
                ic_resp_reset(r);
                assert_true(ic_resp_idle(r));
            } else if (event == IC_RESP_ERROR) {
                assert_int_equal(ic_buf_printf(out, "!%s", r->error), 0);
                return;
            }
        }
    }
}

static void expect_bytes(const char *input, size_t length, const char *events, bool unauthenticated)
{
    for (size_t step = 1; step <= length; step = step < 4 ? step + 1 : step * 2) {
        struct ic_resp r;
        struct ic_buf out;
        ic_resp_init(&r, 1000);
        r.unauthenticated = unauthenticated;
        ic_buf_init(&out);
        run(&r, input, length, step, &out);
        assert_int_equal(ic_buf_append(&out, "", 1), 0);
        assert_string_equal((const char *)out.data, events);
        ic_buf_deinit(&out);
        ic_resp_deinit(&r);
    }
}

static void expect(const char *input, const char *events)
{
    expect_bytes(input, strlen(input), events, false);
}

static void test_arrays(void **state)
{
    (void)state;
    expect("*1\r\n$4\r\nPING\r\n", "<PING>");
    expect("*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n", "<GET|><PING>");
    expect("*0\r\n*-1\r\n*-5\r\n*1\r\n$1\r\na\r\n", "<a>");
    expect("*1\rx$1\rxaxx*1\r\n$1\r\nb\r\n", "<a><b>"); /* unseen bytes, as Redis */
    expect("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n*1\r\n$1\r\nb\r\n",
           "#10<SET|k|~10><b>");
    expect("*2\r\n$5\r\nabcde\r\n$1\r\nz\r\n", "<~5|z>");
    expect("*1\r\n", "");
}

static void test_inline(void **state)
{
    (void)state;
    expect("PING\r\nPING\n\r\n\n  \r\n a  b\tc \r\n", "<PING><PING><a|b|c>");
    expect("SET k \"a b\\x41\\n\\t\\r\\b\\a\\q\\xzz\" '\\'x\\y'\r\n",
           "<SET|k|a bA\n\t\r\b\aqxzz|'x\\y>");
    expect("a\"b\"\r\n", "<ab>");
    expect("\"\" ''\n", "<|>");
    expect_bytes("a b\0c d\n", 8, "<a|b>", false);
    expect_bytes("\0\n\n", 3, "", false);
}

static void test_errors(void **state)
{
    (void)state;
    expect("*x\r\n", "!Protocol error: invalid multibulk length");
    expect("*1048577\r\n", "!Protocol error: invalid multibulk length");
    expect("*\r\n", "!Protocol error: invalid multibulk length");
    expect("*1234567890123456789012345678901234567890\r\n",
           "!Protocol error: invalid multibulk length");
    expect("*1\r\n$-1\r\n", "!Protocol error: invalid bulk length");
    expect("*1\r\n$1001\r\n", "!Protocol error: invalid bulk length");
    expect("*1\r\n$01\r\n", "!Protocol error: invalid bulk length");
    expect("*1\r\nfoo\r\n", "!Protocol error: expected '$', got 'f'");
    expect("*2\r\n$1\r\na\r\n\r\n", "!Protocol error: expected '$', got '\r'");
    expect("a 'b\r\n", "!Protocol error: unbalanced quotes in request");
    expect("a \"b\"c\r\n", "!Protocol error: unbalanced quotes in request");
    expect("a \"b\\\r\n", "!Protocol error: unbalanced quotes in request");
    const char eleven[] = "*11\r\n", long_bulk[] = "*1\r\n$16385\r\n";
    expect_bytes(eleven, sizeof(eleven) - 1, "!Protocol error: unauthenticated multibulk length",
                 true);
    struct ic_resp r;
    ic_resp_init(&r, 1 << 20);
    r.unauthenticated = true;
    struct ic_slice in = ic_slice_str(long_bulk);
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_ERROR);
    assert_string_equal(r.error, "Protocol error: unauthenticated bulk length");
    in = ic_slice_str("more");
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_ERROR);
    ic_resp_deinit(&r);
}

static void test_long_lines(void **state)
{
    (void)state;
    static char text[IC_RESP_LINE_MAX + 100];
    const char *begins[] = {"a", "*", "*1\r\n$"};
    const char *errors[] = {"Protocol error: too big inline request",
                            "Protocol error: too big mbulk count string",
                            "Protocol error: too big bulk count string"};
    for (size_t i = 0; i < 3; i++) {
        memset(text, '1', sizeof(text));
        memcpy(text, begins[i], strlen(begins[i]));
        struct ic_resp r;
        ic_resp_init(&r, 1000);
        struct ic_slice in = ic_slice(text, 1000);
        assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_MORE);
        in = ic_slice(text + 1000, sizeof(text) - 1000);
        assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_ERROR);
        assert_string_equal(r.error, errors[i]);
        ic_resp_deinit(&r);
    }
}

static void test_stream_is_abandoned(void **state)
{
    (void)state;
    struct ic_resp r;
    ic_resp_init(&r, 1000);
    struct ic_slice in = ic_slice_str("*1\r\n$10\r\n01234");
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_BULK);
    ic_resp_stream(&r);
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_BODY);
    assert_int_equal(in.len, 5);
    ic_resp_body_taken(&r, 2);
    assert_int_equal(ic_resp_body_left(&r), 8);
    ic_resp_skip_rest(&r);
    assert_int_equal(ic_resp_body_left(&r), 0);
    in = ic_slice_str("23456789\r\n");
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_COMMAND);
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_MORE); /* nothing left to look at */
    assert_int_equal(ic_resp_arg(&r, 0).len, 10);
    ic_resp_reset(&r);
    ic_resp_skip_rest(&r);
    in = ic_slice_str("*1\r\n$1\r\na\r\n*");
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_BULK);
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_COMMAND);
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_COMMAND); /* until it is reset */
    ic_resp_deinit(&r);
}

/* Nothing is kept of it, before or after, and it ends where it would have. */
static void test_request_is_skipped(void **state)
{
    (void)state;
    static const char text[] =
        "*4\r\n$3\r\nDEL\r\n$1\r\na\r\n$0\r\n\r\n$5\r\n*1\r\n$\r\n*1\r\n$1\r\nb\r\n";
    for (size_t step = 1; step < sizeof text; step++) {
        struct ic_resp r;
        ic_resp_init(&r, 1000);
        size_t bulks = 0, commands = 0;
        for (size_t at = 0; at < sizeof text - 1; at += step) {
            size_t left = sizeof text - 1 - at;
            struct ic_slice in = ic_slice(text + at, left < step ? left : step);
            enum ic_resp_event event;
            while ((event = ic_resp_feed(&r, &in)) != IC_RESP_MORE) {
                assert_true(event == IC_RESP_BULK || event == IC_RESP_COMMAND);
                bulks += event == IC_RESP_BULK;
                if (event == IC_RESP_BULK && bulks == 2) {
                    ic_resp_skip_request(&r);
                } else if (event == IC_RESP_COMMAND) {
                    assert_int_equal(r.argc, commands == 0 ? 4 : 1);
                    assert_true(ic_resp_memory(&r) == 0 || commands > 0);
                    ic_resp_reset(&r);
                    commands++;
                }
            }
        }
        assert_int_equal(commands, 2);
        assert_int_equal(bulks, 3); /* DEL, a, and b: the rest was not announced */
        ic_resp_deinit(&r);
    }
}

static void test_memory(void **state)
{
    (void)state;
    struct ic_resp r;
    ic_resp_init(&r, 100000);
    assert_int_equal(ic_resp_memory(&r), 0);
    static char text[50000];
    int length = snprintf(text, sizeof(text), "*1\r\n$40000\r\n%040000d\r\n", 0);
    struct ic_slice in = ic_slice(text, (size_t)length);
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_BULK);
    assert_int_equal(ic_resp_feed(&r, &in), IC_RESP_COMMAND);
    assert_true(ic_resp_memory(&r) >= 40000);
    ic_resp_reset(&r);
    assert_int_equal(ic_resp_memory(&r), 0);
    ic_resp_deinit(&r);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    const char *inputs[] = {"*2\r\n$3\r\nabc\r\n$3\r\nabc\r\n", "SET a b\r\n"};
    for (size_t i = 0; i < 2; i++) {
        for (uint64_t nth = 1; nth <= 2; nth++) {
            struct ic_resp r;
            ic_resp_init(&r, 1000);
            ic_alloc_fail_at(nth);
            struct ic_slice in = ic_slice_str(inputs[i]);
            enum ic_resp_event event;
            while ((event = ic_resp_feed(&r, &in)) == IC_RESP_BULK) {
            }
            ic_alloc_fail_at(0);
            assert_int_equal(event, IC_RESP_ERROR);
            assert_string_equal(r.error, "out of memory");
            ic_resp_deinit(&r);
        }
    }
    assert_int_equal(ic_alloc_live(), 0);
}

static void expect_integer(const char *text, bool valid, int64_t value)
{
    int64_t out = 0;
    assert_int_equal(ic_resp_integer(ic_slice_str(text), &out), valid ? 0 : IC_EINVAL);
    assert_int_equal(out, value);
}

static void test_integers(void **state)
{
    (void)state;
    expect_integer("0", true, 0);
    expect_integer("-1", true, -1);
    expect_integer("9223372036854775807", true, INT64_MAX);
    expect_integer("-9223372036854775808", true, INT64_MIN);
    const char *bad[] = {"",
                         "-",
                         "-0",
                         "01",
                         "+1",
                         " 1",
                         "1 ",
                         "1x",
                         "9223372036854775808",
                         "-9223372036854775809",
                         "18446744073709551616",
                         "123456789012345678901"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect_integer(bad[i], false, 0);
    }
}

static void write_all(struct ic_resp_writer *w)
{
    ic_resp_status(w, "OK");
    ic_resp_error(w, "bad\r\nline");
    ic_resp_errorf(w, "-WRONGTYPE %d", 7);
    ic_resp_int(w, -5);
    ic_resp_bulk(w, ic_slice_str("ab"));
    ic_resp_bulkf(w, "%d", 12);
    ic_resp_null(w);
    ic_resp_null_array(w);
    ic_resp_array(w, 1);
    ic_resp_map(w, 1);
    ic_resp_set(w, 1);
    ic_resp_push(w, 1);
    ic_resp_bool(w, true);
    ic_resp_bool(w, false);
    ic_resp_double(w, 0.1);
    ic_resp_double(w, INFINITY);
    ic_resp_double(w, -INFINITY);
    ic_resp_double(w, NAN);
    ic_resp_verbatim(w, "txt", ic_slice_str("hi"));
    ic_resp_raw(w, ic_slice_str("raw"));
}

static void test_replies(void **state)
{
    (void)state;
    const char *expected[] = {
        "+OK\r\n-ERR bad  line\r\n-WRONGTYPE "
        "7\r\n:-5\r\n$2\r\nab\r\n$2\r\n12\r\n$-1\r\n*-1\r\n*1\r\n*2\r\n"
        "*1\r\n*1\r\n:1\r\n:0\r\n$3\r\n0.1\r\n$3\r\ninf\r\n$4\r\n-inf\r\n$3\r\nnan\r\n$"
        "2\r\nhi\r\nraw",
        "+OK\r\n-ERR bad  line\r\n-WRONGTYPE "
        "7\r\n:-5\r\n$2\r\nab\r\n$2\r\n12\r\n_\r\n_\r\n*1\r\n%1\r\n"
        "~1\r\n>1\r\n#t\r\n#f\r\n,0.1\r\n,inf\r\n,-inf\r\n,nan\r\n=6\r\ntxt:hi\r\nraw"};
    for (int version = 2; version <= 3; version++) {
        struct ic_buf buf;
        ic_buf_init(&buf);
        struct ic_resp_writer w = {.buf = &buf, .max = 1000, .version = version};
        write_all(&w);
        assert_false(w.failed);
        assert_int_equal(ic_buf_append(&buf, "", 1), 0);
        assert_string_equal((const char *)buf.data, expected[version - 2]);
        w.max = buf.len + 1;
        ic_resp_bulk_str(&w, "too long");
        assert_true(w.failed);
        size_t length = buf.len;
        ic_resp_status(&w, "x");
        assert_int_equal(buf.len, length); /* nothing follows a failure */
        ic_buf_deinit(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_inline),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_stream_is_abandoned),
        cmocka_unit_test(test_request_is_skipped),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
