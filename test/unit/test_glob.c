/*
 * test_glob.c - Redis's patterns; the last ones are where fnmatch says otherwise.
 */
#include "base/glob.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect(const char *pattern, const char *text, bool matches)
{
    assert_int_equal(ic_glob_match(ic_slice_str(pattern), ic_slice_str(text), false), matches);
}

static void test_patterns(void **state)
{
    (void)state;
    expect("", "", true);
    expect("", "a", false);
    expect("*", "", true);
    expect("*", "anything", true);
    expect("h?llo", "hello", true);
    expect("h?llo", "hllo", false);
    expect("h*llo", "heeeello", true);
    expect("*a*b", "xxaxxb", true);
    expect("*a*b", "xxaxxbx", false);
    expect("h[ae]llo", "hallo", true);
    expect("h[ae]llo", "hillo", false);
    expect("h[^e]llo", "hallo", true);
    expect("h[^e]llo", "hello", false);
    expect("h[a-c]llo", "hbllo", true);
    expect("h[c-a]llo", "hbllo", true);
    expect("h[a\\]b]llo", "h]llo", true);
    expect("a\\*b", "a*b", true);
    expect("a\\*b", "axb", false);
    expect("a\\", "a\\", true);
    expect("[ab", "a", true); /* cut off */
    expect("[", "a", false);
    expect("[^", "a", true);
    expect("a[]", "a", false);
    expect("**a**", "a", true);
}

static void test_not_as_fnmatch(void **state)
{
    (void)state;
    expect("*", ".hidden/a/b", true);
    expect("[!a]", "b", false);
    assert_true(ic_glob_match(ic_slice("a\0*", 3), ic_slice("a\0\xff", 3), false));
    assert_true(ic_glob_match(ic_slice_str("Max*[A-Z]"), ic_slice_str("maxmemorY"), true));
    assert_false(ic_glob_match(ic_slice_str("Max*"), ic_slice_str("maxmemory"), false));
}

/* A pattern of many stars takes product-of-lengths steps, not exponentially many. */
static void test_many_stars(void **state)
{
    (void)state;
    char pattern[201], text[5001];
    for (size_t i = 0; i < 200; i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    }
    memset(text, 'a', 5000);
    assert_true(ic_glob_match(ic_slice(pattern, 200), ic_slice(text, 5000), false));
    pattern[199] = 'b';
    assert_false(ic_glob_match(ic_slice(pattern, 200), ic_slice(text, 5000), false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_not_as_fnmatch),
        cmocka_unit_test(test_many_stars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
