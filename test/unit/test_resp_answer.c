/*
 * test_resp_answer.c - replies fed whole, in every pair of parts and byte by byte tell the same.
 */
#include "proto/resp_answer.h"

#include "base/buf.h"
#include "unit/unit.h"

/* What the events of INPUT, fed up to CUT and then on, tell: "L+OK;B5;hello;E;". */
static void tell(const char *input, size_t cut, size_t step, struct ic_buf *out)
{
    struct ic_resp_answer a = {.state = 0};
    size_t len = strlen(input);
    ic_buf_init(out);
    for (size_t at = 0; at < len;) {
        size_t end = at < cut ? cut : at + step;
        end = end > len ? len : end;
        struct ic_slice in = ic_slice(input + at, end - at), piece = ic_slice("", 0);
        int event;
        while ((event = ic_resp_answer_next(&a, &in, &piece)) != IC_RESP_ANSWER_MORE) {
            if (event == IC_RESP_ANSWER_LINE) {
                assert_int_equal(ic_buf_printf(out, "L%s;", a.line), 0);
            } else if (event == IC_RESP_ANSWER_BULK) {
                assert_int_equal(ic_buf_printf(out, "B%u;", (unsigned)a.length), 0);
            } else if (event == IC_RESP_ANSWER_BODY) {
                assert_int_equal(ic_buf_append_slice(out, piece), 0);
            } else if (event == IC_RESP_ANSWER_END) {
                assert_int_equal(ic_buf_append_str(out, ";E;"), 0);
            } else {
                assert_int_equal(event, IC_EPROTO);
                assert_int_equal(ic_buf_append_str(out, "!"), 0);
                return;
            }
        }
        at = end;
    }
}

static void expect(const char *input, const char *told)
{
    struct ic_buf out;
    for (size_t cut = 0; cut <= strlen(input); cut++) {
        for (size_t step = 1; step < 100; step += 98) {
            tell(input, cut, step, &out);
            assert_int_equal(out.len, strlen(told));
            assert_memory_equal(out.data, told, out.len);
            ic_buf_deinit(&out);
        }
    }
}

static void test_replies(void **state)
{
    (void)state;
    expect("+OK\r\n$5\r\nhello\r\n-ERR no\r\n$-1\r\n_\r\n:42\r\n",
           "L+OK;B5;hello;E;L-ERR no;L$-1;L_;L:42;");
    expect("$0\r\n\r\n$2\r\n\r\n\r\n", "B0;;E;B2;\r\n;E;");
}

static void test_nonsense_is_an_error(void **state)
{
    (void)state;
    expect("\r\n", "!");
    expect("*2\r\n", "!");
    expect("$x\r\n", "!");
    expect("$-2\r\n", "!");
    expect("$99999999999999\r\n", "!");
    expect("$1\r\naXY", "B1;a!");
}

static void test_a_long_line_is_cut(void **state)
{
    (void)state;
    char input[2 * IC_RESP_ANSWER_LINE_MAX];
    struct ic_resp_answer a = {.state = 0};
    memset(input, 'x', sizeof input);
    input[0] = '-';
    input[sizeof input - 1] = '\n';
    struct ic_slice in = ic_slice(input, sizeof input), piece;
    assert_int_equal(ic_resp_answer_next(&a, &in, &piece), IC_RESP_ANSWER_LINE);
    assert_int_equal(strlen(a.line), IC_RESP_ANSWER_LINE_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_replies),
        leak_test(test_nonsense_is_an_error),
        leak_test(test_a_long_line_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
