/*
 * test_buf.c - owned buffers: growth, printf, consumption, references and pools.
 * Slices and the number parser ride along: they have no state of their own.
 */
#include "base/buf.h"

#include "base/alloc.h"
#include "unit/unit.h"

static void test_grow_and_consume(void **state)
{
    (void)state;
    struct ic_buf buf;
    ic_buf_init(&buf);
    assert_int_equal(ic_buf_append_str(&buf, "hello "), 0);
    assert_int_equal(ic_buf_printf(&buf, "%d%s", 42, "!"), 0);
    assert_true(ic_slice_equal(ic_buf_slice(&buf), ic_slice_str("hello 42!")));
    ic_buf_consume(&buf, 6);
    assert_true(ic_slice_equal(ic_buf_slice(&buf), ic_slice_str("42!")));
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ic_buf_append_str(&buf, "0123456789"), 0);
    }
    assert_int_equal(buf.len, 10003);
    ic_buf_deinit(&buf);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct ic_buf buf;
    ic_buf_init(&buf);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_buf_append_str(&buf, "x"), IC_ENOMEM);
    assert_int_equal(buf.len, 0);
    assert_int_equal(ic_buf_reserve(&buf, SIZE_MAX), IC_ENOMEM);
    for (uint64_t fail = 1; fail <= 2; fail++) {
        ic_alloc_fail_at(fail);
        assert_null(ic_buf_new(10));
    }
    ic_buf_deinit(&buf);
}

static void take_back(struct ic_buf *buf, void *ctx)
{
    *(struct ic_buf **)ctx = buf;
}

static void test_references_and_pool(void **state)
{
    (void)state;
    struct ic_buf *returned = NULL;
    struct ic_buf *buf = ic_buf_new(16);
    ic_buf_on_release(buf, take_back, &returned);
    ic_buf_unref(ic_buf_ref(buf));
    assert_null(returned);
    ic_buf_unref(buf);
    assert_ptr_equal(returned, buf);
    ic_buf_revive(buf);
    ic_buf_on_release(buf, NULL, NULL);
    ic_buf_unref(buf);
    ic_buf_unref(NULL);
}

static void check_number(const char *text, int result, int64_t value)
{
    int64_t out = 0;
    assert_int_equal(ic_slice_to_i64(ic_slice_str(text), &out), result);
    assert_true(out == value);
}

static void test_numbers(void **state)
{
    (void)state;
    check_number("0", 0, 0);
    check_number("-1", 0, -1);
    check_number("9223372036854775807", 0, INT64_MAX);
    check_number("-9223372036854775808", 0, INT64_MIN);
    check_number("9223372036854775808", IC_ERANGE, 0);
    check_number("-9223372036854775809", IC_ERANGE, 0);
    check_number("99999999999999999999", IC_ERANGE, 0);
    check_number("", IC_EINVAL, 0);
    check_number("-", IC_EINVAL, 0);
    check_number("+1", IC_EINVAL, 0);
    check_number("1 ", IC_EINVAL, 0);
    assert_true(ic_slice_equal_nocase(ic_slice_str("GeT"), "get"));
    assert_false(ic_slice_equal_nocase(ic_slice_str("get"), "gets"));
    assert_false(ic_slice_equal_nocase(ic_slice_str("gets"), "get"));
}

static void check_real(const char *text, int result, double value)
{
    double out = 0;
    assert_int_equal(ic_slice_to_real(ic_slice_str(text), &out), result);
    assert_true(out == value);
}

static void test_reals(void **state)
{
    (void)state;
    check_real("0", 0, 0.0);
    check_real("0.25", 0, 0.25);
    check_real("-2.5", 0, -2.5);
    check_real("1e-6", 0, 1e-6);
    check_real("1.5E3", 0, 1500.0);
    check_real("1e999", IC_ERANGE, 0.0);
    check_real("", IC_EINVAL, 0.0);
    check_real("-", IC_EINVAL, 0.0);
    check_real(".", IC_EINVAL, 0.0);
    check_real("1.2.3", IC_EINVAL, 0.0);
    check_real("1e", IC_EINVAL, 0.0);
    check_real(" 1", IC_EINVAL, 0.0);
    check_real("1 ", IC_EINVAL, 0.0);
    check_real("0x10", IC_EINVAL, 0.0);
    check_real("inf", IC_EINVAL, 0.0);
    check_real("nan", IC_EINVAL, 0.0);
    check_real("0.000000000000000000000000000000000000000000000000000000000000001", IC_EINVAL, 0.0);
    double out = 0; /* a slice ends where it says, not at a zero byte, and may hold one */
    assert_int_equal(ic_slice_to_real(ic_slice("1234", 2), &out), 0);
    assert_true(out == 12.0);
    assert_int_equal(ic_slice_to_real(ic_slice("1\0", 2), &out), IC_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_grow_and_consume),
        leak_test(test_without_memory),
        leak_test(test_references_and_pool),
        leak_test(test_numbers),
        leak_test(test_reals),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
