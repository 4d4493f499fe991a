/*
 * test_glob.c - Redis's patterns; the last ones are where fnmatch says otherwise.
 */
#include "base/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool match(struct ic_slice pattern, struct ic_slice text, bool ignore_case)
{
    uint64_t steps = UINT64_MAX;
    return ic_glob_match(pattern, text, ignore_case, &steps);
}

static void expect(const char *pattern, const char *text, bool matches)
{
    assert_int_equal(match(ic_slice_str(pattern), ic_slice_str(text), false), matches);
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
    assert_true(match(ic_slice("a\0*", 3), ic_slice("a\0\xff", 3), false));
    assert_true(match(ic_slice_str("Max*[A-Z]"), ic_slice_str("maxmemorY"), true));
    assert_false(match(ic_slice_str("Max*"), ic_slice_str("maxmemory"), false));
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
    assert_true(match(ic_slice(pattern, 200), ic_slice(text, 5000), false));
    pattern[199] = 'b';
    assert_false(match(ic_slice(pattern, 200), ic_slice(text, 5000), false));
}

/* PATTERN, of which PERIOD is repeated up to LENGTH bytes after a star, takes more than 1,000 steps
 * with 1,000 times "a": it stops there. */
static void expect_too_hard(const char *period, size_t length)
{
    char *pattern = malloc(length), text[1000];
    pattern[0] = '*';
    for (size_t i = 1; i < length; i++) {
        pattern[i] = period[(i - 1) % strlen(period)];
    }
    memset(text, 'a', sizeof(text));
    uint64_t steps = 1000;
    assert_false(
        ic_glob_match(ic_slice(pattern, length), ic_slice(text, sizeof(text)), false, &steps));
    assert_int_equal(steps, 0);
    free(pattern);
}

static void test_steps(void **state)
{
    (void)state;
    uint64_t steps = 10;
    assert_true(ic_glob_match(ic_slice_str("a*d"), ic_slice_str("abcd"), false, &steps));
    assert_in_range(steps, 1, 6);
    /* A mismatch at the first byte takes one step, however long the pattern is. */
    char literal[5000];
    memset(literal, 'b', sizeof(literal));
    steps = 2;
    assert_false(ic_glob_match(ic_slice(literal, 5000), ic_slice_str("abcd"), false, &steps));
    assert_int_equal(steps, 1);
    expect_too_hard("[b", 5000);   /* a long class */
    expect_too_hard("aaaab", 900); /* near misses */
    expect_too_hard("*", 5000);    /* nothing but stars */
    expect_too_hard("[b]", 5000);  /* classes, the first of which never matches */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_not_as_fnmatch),
        cmocka_unit_test(test_many_stars),
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
