/*
 * test_options.c - options, directives and words are told apart wherever they stand.
 */
#include "cli/options.h"

#include "base/config.h"

#include "unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
         a5[] = "trace", a6[] = "--format=json", a7[] = "--eviction=lru", a8[] = "--prices",
         a9[] = "--odd", a10[] = "--config", a11[] = "file";
    char *argv[] = {a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, NULL};
    int argc = 12;
    const char *seed = NULL, *format = NULL, *word = NULL;
    const struct ic_option options[] = {{"seed", &seed}, {"format", &format}, {NULL, NULL}};
    assert_int_equal(ic_options_split(options, IC_SCOPE_PL, &argc, argv, &word, 1, no_help), 1);
    assert_string_equal(seed, "5");
    assert_string_equal(format, "json");
    assert_string_equal(word, "trace");
    static const char *const left[] = {"simulate", "--memory", "1gb",      "--eviction=lru",
                                       "--prices", "--odd",    "--config", "file"};
    assert_int_equal(argc, 8);
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
    assert_int_equal(ic_options_split(options, IC_SCOPE_PL, &argc, many, &word, 1, no_help),
                     IC_OPTIONS_WRONG);
    argc = 3;
    assert_int_equal(ic_options_split(options, IC_SCOPE_PL, &argc, help, &word, 1, count_help),
                     IC_OPTIONS_DONE);
    assert_int_equal(helped, 1);
    argc = 2;
    assert_int_equal(ic_options_split(options, IC_SCOPE_PL, &argc, bare, &word, 1, no_help),
                     IC_OPTIONS_WRONG);
}

/* What standard error says while ic_options_split refuses A and B. */
static void refuse(const char *a, const char *b, char *said, size_t said_size)
{
    char a0[] = "simulate", a1[64], a2[64], a3[] = "trace";
    snprintf(a1, sizeof a1, "%s", a);
    snprintf(a2, sizeof a2, "%s", b);
    char *argv[] = {a0, a1, a2, a3, NULL};
    const char *seed = NULL, *plot = NULL, *words[4];
    const struct ic_option options[] = {
        {"seed", &seed}, {"plot", &plot}, {"batch", NULL}, {NULL, NULL}};
    int argc = 4, ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    int result = ic_options_split(options, IC_SCOPE_PL, &argc, argv, words, 4, no_help);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    ssize_t len = read(ends[0], said, said_size - 1);
    assert_true(len > 0);
    said[len] = '\0';
    close(saved);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(result, IC_OPTIONS_WRONG);
}

static void test_unknown_options_are_named_with_what_was_meant(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *said;
    } cases[] = {
        {"--json", "400",
         "infinicache: simulate: there is no option --json; see `infinicache help simulate`\n"},
        {"--sede=3", "400",
         "infinicache: simulate: there is no option --sede, did you mean --seed? "
         "See `infinicache help simulate`\n"},
        {"--function", "400",
         "infinicache: simulate: there is no option --function, did you mean --functions? "
         "See `infinicache help simulate`\n"},
        {"--plot", "--seed", "infinicache: simulate: --plot needs a value\n"},
        {"--plot", "--help", "infinicache: simulate: --plot needs a value\n"},
        {"--bacth", "400",
         "infinicache: simulate: there is no option --bacth, did you mean --batch? "
         "See `infinicache help simulate`\n"},
        {"--batch=yes", "400", "infinicache: simulate: --batch takes no value\n"},
        {"--prices", "--memory=1gb", "infinicache: simulate: --prices needs a value\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char said[512];
        refuse(cases[i].a, cases[i].b, said, sizeof said);
        assert_string_equal(said, cases[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_directives_stay_and_words_are_taken),
        leak_test(test_help_and_what_is_wrong),
        leak_test(test_unknown_options_are_named_with_what_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
