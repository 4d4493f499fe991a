/*
 * test_settings.c - arguments over file over defaults, what is saved and loaded again, what
 * differs, and the arguments a daemon is given.
 */
#include "cli/settings.h"

#include "unit/unit.h"

#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/test-settings-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[64];
    const char *const files[] = {"settings", "a.conf"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static const char *write_file(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/a.conf", folder);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    return path;
}

static int apply(struct ic_config *c, char *why, const char *a, const char *b, const char *d,
                 const char *e)
{
    const char *words[] = {"up", a, b, d, e};
    int count = 1;
    while (count < 5 && words[count] != NULL) {
        count++;
    }
    return ic_settings_apply(c, count, (char **)words, IC_SCOPE_PL | IC_SCOPE_U, why);
}

static void test_command_line_wins_over_file(void **state)
{
    (void)state;
    char why[IC_WHY_MAX];
    struct ic_config *c = ic_config_new();
    const char *path = write_file("lease 3s\nport 7000\n");
    assert_int_equal(apply(c, why, "--lease=4s", "--config", path, NULL), 0);
    assert_int_equal(c->lease, 4000);
    assert_int_equal(c->port, 7000);
    ic_config_free(c);
}

static void test_wrong_words_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *word, *value, *named;
    } wrong[] = {{"lease", NULL, "lease"},
                 {"--lease", NULL, "--lease"},
                 {"--", "x", "--"},
                 {"--nothing", "x", "no option --nothing; see `infinicache help up`"},
                 {"--function", "400", "--function, did you mean --functions?"},
                 {"--lease", "--port", "--lease needs"},
                 {"--lease", "soon", "soon"},
                 {"--config", "/no/such/file", "/no/such/file"}};
    char why[IC_WHY_MAX];
    struct ic_config *c = ic_config_new();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_true(apply(c, why, wrong[i].word, wrong[i].value, NULL, NULL) < 0);
        assert_non_null(strstr(why, wrong[i].named));
    }
    ic_config_free(c);
}

static void test_saved_settings_come_back(void **state)
{
    (void)state;
    char why[IC_WHY_MAX];
    struct ic_config *c = ic_config_new();
    assert_int_equal(apply(c, why, "--config", write_file("lease 3s\n"), "--routing", "lru"), 0);
    assert_int_equal(ic_settings_save(c, folder, why), 0);
    struct ic_config *back = ic_settings_load(folder);
    assert_non_null(back);
    assert_string_equal(back->file, c->file);
    struct ic_buf difference;
    ic_buf_init(&difference);
    assert_int_equal(ic_settings_difference(c, back, NULL, &difference), 0);
    assert_int_equal(difference.len, 0);
    ic_buf_deinit(&difference);
    ic_config_free(back);
    ic_config_free(c);
    assert_null(ic_settings_load("/no/such/folder"));
}

static void test_differences_are_named(void **state)
{
    (void)state;
    char why[IC_WHY_MAX];
    struct ic_config *a = ic_config_new(), *b = ic_config_new();
    struct ic_buf text;
    ic_buf_init(&text);
    assert_int_equal(apply(b, why, "--functions", "12", "--lease", "2s"), 0);
    assert_int_equal(ic_settings_difference(a, b, NULL, &text), 0);
    assert_int_equal(ic_buf_append(&text, "", 1), 0);
    assert_string_equal((const char *)text.data, "functions (runs with 16, asked for 12), "
                                                 "lease (runs with 0ms, asked for 2s)");
    ic_buf_deinit(&text);
    ic_config_free(a);
    ic_config_free(b);
}

/* Whether WORDS has A followed by B. */
static bool has_pair(char **words, const char *a, const char *b)
{
    for (size_t i = 0; words[i] != NULL && words[i + 1] != NULL; i++) {
        if (strcmp(words[i], a) == 0 && strcmp(words[i + 1], b) == 0) {
            return true;
        }
    }
    return false;
}

static void test_a_daemon_is_told_what_its_file_does_not_say(void **state)
{
    (void)state;
    char why[IC_WHY_MAX];
    struct ic_config *c = ic_config_new();
    const char *path = write_file("lease 3s\nwarm-interval 9s\n");
    assert_int_equal(apply(c, why, "--config", path, "--lease", "1s"), 0);
    char **words = ic_settings_arguments(c, IC_SCOPE_P, "program", "proxy");
    assert_string_equal(words[0], "program");
    assert_string_equal(words[1], "proxy");
    assert_true(has_pair(words, "--config", path));
    assert_true(has_pair(words, "--lease", "1s")); /* the default, but not the file's */
    assert_false(has_pair(words, "--warm-interval", "9s"));
    ic_settings_free_arguments(words);
    words = ic_settings_arguments(c, IC_SCOPE_L, "program", "platform");
    assert_false(has_pair(words, "--lease", "1s"));
    ic_settings_free_arguments(words);
    ic_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_command_line_wins_over_file),
        leak_test(test_wrong_words_are_named),
        leak_test(test_saved_settings_come_back),
        leak_test(test_differences_are_named),
        leak_test(test_a_daemon_is_told_what_its_file_does_not_say),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
