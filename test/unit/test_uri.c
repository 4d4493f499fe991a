/*
 * test_uri.c - percent-encoding and query parameters.
 */
#include "platform/local/uri.h"

#include "unit.h"

static void check_decode(const char *text, int result, const char *plain)
{
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(result, ic_uri_decode(ic_slice_str(text), &out));
    if (result == 0) {
        assert_true(ic_slice_equal(ic_buf_slice(&out), ic_slice_str(plain)));
    }
    ic_buf_deinit(&out);
}

static void test_decode(void **state)
{
    (void)state;
    check_decode("", 0, "");
    check_decode("a+b", 0, "a+b");
    check_decode("%41%3a%3A%7e", 0, "A::~");
    check_decode("%c3%a9", 0, "\xc3\xa9");
    check_decode("%", IC_EPROTO, NULL);
    check_decode("%4", IC_EPROTO, NULL);
    check_decode("%4g", IC_EPROTO, NULL);
    check_decode("a%00", IC_EPROTO, NULL);
}

static void test_encode(void **state)
{
    (void)state;
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(0, ic_uri_encode(ic_slice_str("aZ09-._~ /%\xff"), false, &out));
    assert_true(ic_slice_equal(ic_buf_slice(&out), ic_slice_str("aZ09-._~%20%2F%25%FF")));
    out.len = 0;
    assert_int_equal(0, ic_uri_encode(ic_slice_str("/a b"), true, &out));
    assert_true(ic_slice_equal(ic_buf_slice(&out), ic_slice_str("/a%20b")));
    ic_buf_deinit(&out);
}

static void test_params(void **state)
{
    (void)state;
    struct ic_slice query = ic_slice_str("&&a=1&b&=c&d=e=f&");
    static const char *const expected[][2] = {{"a", "1"}, {"b", ""}, {"", "c"}, {"d", "e=f"}};
    struct ic_uri_param param;
    for (size_t i = 0; i < 4; i++) {
        assert_true(ic_uri_next_param(&query, &param));
        assert_true(ic_slice_equal(param.name, ic_slice_str(expected[i][0])));
        assert_true(ic_slice_equal(param.value, ic_slice_str(expected[i][1])));
    }
    assert_false(ic_uri_next_param(&query, &param));
}

static void test_query_value(void **state)
{
    (void)state;
    struct ic_slice query = ic_slice_str("x=1&Marker=a%20b&Marker=c&bad=%");
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(0, ic_uri_query_value(query, "Marker", &out));
    assert_string_equal((const char *)out.data, "a b");
    assert_int_equal(IC_ENOENT, ic_uri_query_value(query, "marker", &out));
    assert_int_equal(IC_EPROTO, ic_uri_query_value(query, "bad", &out));
    ic_buf_deinit(&out);
    ic_alloc_fail_at(1);
    assert_int_equal(IC_ENOMEM, ic_uri_query_value(query, "x", &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_decode),
        leak_test(test_encode),
        leak_test(test_params),
        leak_test(test_query_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
