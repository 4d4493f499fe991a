/*
 * test_json_check.c - the grammar, case by case.
 */
#include "platform/local/json_check.h"

#include "unit.h"

#include <stdio.h>

static void check_all(const char *const *texts, size_t count, int result)
{
    for (size_t i = 0; i < count; i++) {
        if (ic_json_check(ic_slice_str(texts[i]), SIZE_MAX) != result) {
            fail_msg("%s", texts[i]);
        }
    }
}

static void test_good(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "10",
        "1.5",
        "-1.25e10",
        "1E+2",
        "1e-2",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\\u00e9\\n\\\"\\\\\\/\\b\\f\\r\\t\"",
        "\"\xc3\xa9\"",
        "\"\xe2\x82\xac\"",
        "\"\xf0\x9f\x98\x80\"",
        "[]",
        "{}",
        " [ ] ",
        "[1]",
        "[1,2,[3,[]],{}]",
        "{\"a\":1}",
        "{ \"a\" : 1 , \"b\" : { \"c\" : [ null ] } }",
        "\t\r\n 1 \n",
        "[[[[[[[[[[]]]]]]]]]]",
    };
    check_all(texts, sizeof texts / sizeof texts[0], 0);
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "x",
        "tru",
        "nul",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "\"",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\xff\"",
        "\"\xc3\"",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe0\x80\x80\"",
        "\"\xf0\x80\x80\x80\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "}",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[}",
        "{]",
        "1 2",
        "[]]",
        "{}{}",
        "'a'",
        "[1}",
    };
    check_all(texts, sizeof texts / sizeof texts[0], IC_EPROTO);
    assert_int_equal(IC_EPROTO, ic_json_check(ic_slice("\"a\0b\"", 5), SIZE_MAX));
    assert_int_equal(IC_EPROTO, ic_json_check(ic_slice("1\0", 2), SIZE_MAX));
}

static void test_bounds(void **state)
{
    (void)state;
    char deep[2 * (IC_JSON_DEPTH_MAX + 1)];
    for (size_t depth = IC_JSON_DEPTH_MAX; depth <= IC_JSON_DEPTH_MAX + 1; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        assert_int_equal(depth > IC_JSON_DEPTH_MAX ? IC_ETOOBIG : 0,
                         ic_json_check(ic_slice(deep, 2 * depth), SIZE_MAX));
    }
    assert_int_equal(0, ic_json_check(ic_slice_str("[1,{\"a\":2}]"), 4));
    assert_int_equal(IC_ETOOBIG, ic_json_check(ic_slice_str("[1,{\"a\":2}]"), 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_good),
        leak_test(test_bad),
        leak_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
