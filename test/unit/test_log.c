/*
 * test_log.c - a line is one line of the form; those that a full disk costs are counted and told
 * when there is room again. A limit on the file's size stands for the disk.
 */
#include "base/log.h"

#include "unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char text[4096];

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* TEXT is what WRITE, given standard error that may have LIMIT bytes, leaves there; 0: no limit. */
static void capture(void (*write_lines)(void))
{
    char path[] = "/tmp/ic-log-XXXXXX";
    int fd = mkstemp(path), before = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    write_lines();
    dup2(before, STDERR_FILENO);
    close(before);
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    unlink(path);
    assert_true(len >= 0);
    text[len] = '\0';
}

static void write_two(void)
{
    ic_log(IC_LOG_DEBUG, "unseen", "a=%d", 1);
    ic_log(IC_LOG_INFO, "seen", "a=%d", 2);
}

static void test_a_line(void **state)
{
    (void)state;
    capture(write_two);
    assert_null(strstr(text, "unseen"));
    assert_non_null(strstr(text, "Z info seen a=2\n"));
}

static void write_through_a_full_disk(void)
{
    ic_log(IC_LOG_INFO, "first", "a=1");
    limit_files(60); /* in the middle of the second line */
    for (int i = 2; i < 7; i++) {
        ic_log(IC_LOG_INFO, "lost", "a=%d", i);
    }
    limit_files(0);
    ic_log(IC_LOG_INFO, "next", "a=7");
    ic_log(IC_LOG_INFO, "last", "a=8");
}

static void test_lines_lost(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    capture(write_through_a_full_disk);
    char *lost = strstr(text, " warning log-lines-lost lines=5 error=\"File too large\"\n");
    assert_non_null(lost);
    assert_non_null(strstr(lost, "Z info next a=7\n"));
    assert_non_null(strstr(lost, "Z info last a=8\n"));
    assert_null(strstr(lost + 20, "log-lines-lost"));
    /* It begins a line of its own, though the one before has no end. */
    assert_non_null(strstr(text, "\n20"));
    assert_int_equal(lost[-25], '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_a_line), leak_test(test_lines_lost)};
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
