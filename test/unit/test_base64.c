/* Base64: the examples of RFC 4648, what is refused, every byte there and back. */
#include "base/base64.h"

#include "unit/unit.h"

static void check(const char *plain, const char *coded)
{
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(ic_base64_encode(ic_slice_str(plain), &out), 0);
    assert_true(ic_slice_equal(ic_buf_slice(&out), ic_slice_str(coded)));
    out.len = 0;
    assert_int_equal(ic_base64_decode(ic_slice_str(coded), &out), 0);
    assert_true(ic_slice_equal(ic_buf_slice(&out), ic_slice_str(plain)));
    ic_buf_deinit(&out);
}

static void examples(void **s)
{
    (void)s;
    check("", "");
    check("f", "Zg==");
    check("fo", "Zm8=");
    check("foo", "Zm9v");
    check("foob", "Zm9vYg==");
    check("fooba", "Zm9vYmE=");
    check("foobar", "Zm9vYmFy");
}

static void refused(void **s)
{
    (void)s;
    static const char *const bad[] = {
        "Z", "Zg=", "Zg", "Z===", "====", "Zm9v!mFy", "Zg==Zg==", "Zm 9"};
    struct ic_buf out;
    ic_buf_init(&out);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ic_base64_decode(ic_slice_str(bad[i]), &out), IC_EINVAL);
        assert_int_equal(out.len, 0);
    }
    ic_alloc_fail_at(1);
    struct ic_buf fresh;
    ic_buf_init(&fresh);
    assert_int_equal(ic_base64_encode(ic_slice_str("foo"), &fresh), IC_ENOMEM);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_base64_decode(ic_slice_str("Zm9v"), &fresh), IC_ENOMEM);
    ic_buf_deinit(&fresh);
    ic_buf_deinit(&out);
}

static void every_byte(void **s)
{
    (void)s;
    uint8_t bytes[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    for (size_t len = 250; len <= 256; len++) {
        struct ic_buf coded;
        struct ic_buf plain;
        ic_buf_init(&coded);
        ic_buf_init(&plain);
        assert_int_equal(ic_base64_encode(ic_slice(bytes, len), &coded), 0);
        assert_int_equal(ic_base64_decode(ic_buf_slice(&coded), &plain), 0);
        assert_true(ic_slice_equal(ic_buf_slice(&plain), ic_slice(bytes, len)));
        ic_buf_deinit(&coded);
        ic_buf_deinit(&plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(examples), leak_test(refused),
                                       leak_test(every_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
