/*
 * test_options.c - options, directives and words are told apart wherever they stand.
 */
#include "cli/options.h"

#include "unit/unit.h"

#include <string.h>

static void no_help(void)
{
    fail();
}

static unsigned helped;

static void count_help(void)
{
    helped++;
}

static void test_directives_stay_and_words_are_taken(void **state)
{
    (void)state;
    char a0[] = "simulate", a1[] = "--seed", a2[] = "5", a3[] = "--memory", a4[] = "1gb",
         a5[] = "trace", a6[] = "--format=json", a7[] = "--eviction=lru", a8[] = "--warm-interval",
         a9[] = "--odd";
    char *argv[] = {a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, NULL};
    int argc = 10;
    const char *seed = NULL, *format = NULL, *word = NULL;
    const struct ic_option options[] = {{"seed", &seed}, {"format", &format}, {NULL, NULL}};
    assert_int_equal(ic_options_split(options, &argc, argv, &word, 1, no_help), 1);
    assert_string_equal(seed, "5");
    assert_string_equal(format, "json");
    assert_string_equal(word, "trace");
    static const char *const left[] = {"simulate",       "--memory",        "1gb",
                                       "--eviction=lru", "--warm-interval", "--odd"};
    assert_int_equal(argc, 6);
    for (int i = 0; i < argc; i++) {
        assert_string_equal(argv[i], left[i]);
    }
}

static void test_help_and_what_is_wrong(void **state)
{
    (void)state;
    char a0[] = "simulate", a1[] = "one", a2[] = "two", a3[] = "--help", a4[] = "--seed";
    char *many[] = {a0, a1, a2, NULL}, *help[] = {a0, a1, a3, NULL}, *bare[] = {a0, a4, NULL};
    const char *seed = NULL, *word = NULL;
    const struct ic_option options[] = {{"seed", &seed}, {NULL, NULL}};
    int argc = 3;
    assert_int_equal(ic_options_split(options, &argc, many, &word, 1, no_help), IC_OPTIONS_WRONG);
    argc = 3;
    assert_int_equal(ic_options_split(options, &argc, help, &word, 1, count_help), IC_OPTIONS_DONE);
    assert_int_equal(helped, 1);
    argc = 2;
    assert_int_equal(ic_options_split(options, &argc, bare, &word, 1, no_help), IC_OPTIONS_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_directives_stay_and_words_are_taken),
        leak_test(test_help_and_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
