/*
 * test_function_log.c - whole lines of functions, in order; what a full disk costs is not glued to
 * what comes after, and a file that cannot be opened is tried again. A limit on the file's size
 * stands for the disk.
 */
#include "platform/local/function_log.h"

#include "unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[64], path[128], text[8192];

static int make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/ic-function-log-XXXXXX");
    snprintf(path, sizeof path, "%s/functions.log", mkdtemp(folder));
    signal(SIGXFSZ, SIG_IGN);
    return unit_setup(state);
}

static int remove_folder(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 ? -1 : unit_no_leak(state);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void add(struct ic_function_log *log, const char *words)
{
    struct ic_log_line line = {0};
    ic_function_log_add(log, &line, "f", "0123456789abcdef", ic_slice_str(words));
}

static void read_file(void)
{
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct ic_function_log *log;
    assert_int_equal(ic_function_log_new(path, &log), 0);
    add(log, "one\n");
    limit_files(70); /* in the middle of the second line */
    add(log, "two\nthree\nfour\n");
    limit_files(0);
    add(log, "five\n");
    add(log, "six\n");
    ic_function_log_free(log);
    read_file();
    assert_non_null(strstr(text, " f 0123456789abcdef one\n20"));
    assert_null(strstr(text, "three"));
    char *five = strstr(text, " f 0123456789abcdef five\n20");
    assert_non_null(five);
    assert_int_equal(five[-25], '\n');
    assert_null(strstr(text, "\n\n"));
}

static void test_opened_again(void **state)
{
    (void)state;
    char command[300], line[1001];
    struct ic_function_log *log;
    assert_int_equal(ic_function_log_new(path, &log), 0);
    memset(line, 'x', sizeof line);
    line[999] = '\n';
    line[1000] = '\0';
    snprintf(command, sizeof command, "mv %s %s.away", folder, folder);
    assert_int_equal(system(command), 0);
    for (int i = 0; i < IC_LOG_FILE_MAX_BYTES / 1000; i++) {
        add(log, line); /* the last finds no folder to begin another file in */
    }
    add(log, "lost\n");
    snprintf(command, sizeof command, "mv %s.away %s", folder, folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(unlink(path), 0);
    add(log, "found\n");
    ic_function_log_free(log);
    read_file();
    assert_non_null(strstr(text, " f 0123456789abcdef found\n"));
    assert_null(strstr(text, "lost"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_disk, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_opened_again, make_folder, remove_folder),
    };
    return cmocka_run_group_tests_name("function_log", tests, NULL, NULL);
}
