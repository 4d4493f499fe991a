/*
 * test_nearest.c - typing errors and beginnings find the name that was meant, other words none.
 */
#include "base/nearest.h"

#include "unit/unit.h"

#include <string.h>

static const char *nearest(const char *word)
{
    static const char *const names[] = {
        "seed", "memory", "functions", "function-prefix", "max-object-size", "x"};
    struct ic_nearest n;
    ic_nearest_init(&n, ic_slice_str(word));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ic_nearest_offer(&n, names[i]);
    }
    return n.name == NULL ? "" : n.name;
}

static void test_the_fewest_edits_win(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"seed", "seed"},
        {"sed", "seed"},
        {"sede", "seed"},
        {"seeed", "seed"},
        {"memroy", "memory"},
        {"mem", "memory"},
        {"function", "functions"},
        {"fucntions", "functions"},
        {"function-", "functions"},
        {"function-p", "function-prefix"},
        {"max-size", ""},
        {"max-objet-siz", "max-object-size"},
        {"json", ""},
        {"", ""},
        {"y", "x"},
        {"me", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(nearest(cases[i][0]), cases[i][1]);
    }
}

static void test_a_word_of_any_length_is_no_harm(void **state)
{
    (void)state;
    char word[2 * IC_NEAREST_MAX];
    memset(word, 's', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_string_equal(nearest(word), "");
    word[IC_NEAREST_MAX] = '\0';
    assert_string_equal(nearest(word), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_the_fewest_edits_win),
        leak_test(test_a_word_of_any_length_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
