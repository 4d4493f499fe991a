/*
 * test_function_name.c - every spelling of a function, and what is none.
 */
#include "platform/local/function_name.h"

#include "unit.h"

static int parse(const char *text, struct ic_function_ref *out)
{
    return ic_function_ref_parse(ic_slice_str(text), "us-east-1", "000000000000", out);
}

static void test_good_names(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"f", "f", ""},
        {"f:$LATEST", "f", "$LATEST"},
        {"f_-9:12", "f_-9", "12"},
        {"000000000000:function:f", "f", ""},
        {"000000000000:function:f:alias", "f", "alias"},
        {"arn:aws:lambda:us-east-1:000000000000:function:f", "f", ""},
        {"arn:aws:lambda:us-east-1:000000000000:function:f:3", "f", "3"},
        {"arn:aws-cn:lambda:us-east-1:000000000000:function:f", "f", ""},
    };
    struct ic_function_ref ref;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(0, parse(cases[i][0], &ref));
        assert_string_equal(ref.name, cases[i][1]);
        assert_string_equal(ref.qualifier, cases[i][2]);
    }
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        ":",
        "a b",
        "a/b",
        "a.b",
        "f:",
        ":1",
        "f:1:2",
        "f:$latest",
        "f:a b",
        "arn:aws:lambda:us-east-1:000000000000:function",
        "arn:aws:lambda:us-east-1:000000000000:layer:f",
        "arn:aws:s3:us-east-1:000000000000:function:f",
        "arn:x:lambda:us-east-1:000000000000:function:f",
        "arn:aws:lambda:us-east-1:00000000000:function:f",
        "arn:aws:lambda:us-east-1:000000000000:function:f:1:2",
        "00000000000x:function:f",
        "function:f:1",
        "0123456789012345678901234567890123456789012345678901234567890123x",
        "::::::::::::::::::::::",
    };
    struct ic_function_ref ref;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(IC_EINVAL, parse(cases[i], &ref));
    }
    char huge[IC_FUNCTION_REF_MAX + 2];
    memset(huge, 'a', sizeof huge);
    assert_int_equal(IC_EINVAL, ic_function_ref_parse(ic_slice(huge, sizeof huge), "r", "a", &ref));
}

static void test_others(void **state)
{
    (void)state;
    struct ic_function_ref ref;
    assert_int_equal(IC_ENOENT, parse("123456789012:function:f", &ref));
    assert_int_equal(IC_ENOENT, parse("arn:aws:lambda:eu-west-1:000000000000:function:f", &ref));
    assert_int_equal(IC_ENOENT, parse("arn:aws:lambda:us-east-1:123456789012:function:f", &ref));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_good_names),
        leak_test(test_bad_names),
        leak_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
