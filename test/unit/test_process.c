/*
 * test_process.c - a process is known by more than its number; daemons start detached, say
 * why they cannot, and end within their grace.
 */
#include "cli/process.h"

#include "unit/unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GRACE_MS = 200 };

static char folder[] = "/tmp/test-process-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static int start(char *const *argv, struct ic_process *p, char *why)
{
    struct ic_daemon d = {.dir = folder, .name = "thing", .argv = argv, .ready_fd = -1};
    return ic_process_start(&d, p, why);
}

static void test_another_start_is_another_process(void **state)
{
    (void)state;
    struct ic_process self = ic_process_look(getpid());
    assert_int_equal(self.pid, getpid());
    assert_true(ic_process_alive(&self));
    assert_true(ic_process_resident(&self) > 0);
    self.start_ticks++;
    assert_false(ic_process_alive(&self));
    assert_int_equal(ic_process_look(0).pid, 0);
}

static void test_a_daemon_is_found_by_its_file(void **state)
{
    (void)state;
    char why[IC_PROCESS_WHY_MAX], path[64];
    char *argv[] = {"/bin/sleep", "60", NULL};
    struct ic_process p;
    assert_int_equal(start(argv, &p, why), 0);
    assert_int_equal(ic_process_of_file(folder, "thing").pid, p.pid);
    assert_int_equal(getsid(p.pid), p.pid);
    assert_int_equal(ic_process_of_file(folder, "other").pid, 0);
    assert_int_equal(ic_process_end(&p, GRACE_MS), 0);
    assert_int_equal(ic_process_of_file(folder, "thing").pid, 0);
    snprintf(path, sizeof path, "%s/thing.log", folder);
    assert_int_equal(access(path, R_OK), 0);
}

/* Whatever became of the folder. */
static void test_a_daemon_is_found_by_its_log(void **state)
{
    (void)state;
    char why[IC_PROCESS_WHY_MAX], path[64], found[IC_PROCESS_FOLDER_MAX];
    char *argv[] = {"/bin/sleep", "60", NULL};
    struct ic_process p;
    assert_int_equal(start(argv, &p, why), 0);
    for (int i = 0; i < 3; i++) {
        static const char *const gone[] = {"", "thing.pid", "thing.log"};
        snprintf(path, sizeof path, "%s/%s", folder, gone[i]);
        (void)unlink(path);
        assert_int_equal(ic_process_of_log(folder, "thing").pid, p.pid);
        assert_true(ic_process_folder(p.pid, "thing", found));
        assert_string_equal(found, folder);
    }
    assert_false(ic_process_folder(p.pid, "other", found));
    assert_int_equal(ic_process_of_log(folder, "other").pid, 0);
    assert_int_equal(ic_process_of_log("/tmp", "thing").pid, 0);
    assert_int_equal(ic_process_end(&p, GRACE_MS), 0);
    assert_int_equal(ic_process_of_log(folder, "thing").pid, 0);
}

/* A pid file that is none holds nobody up. */
static void test_a_pipe_is_no_pid_file(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/pipe.pid", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ic_process_of_file(folder, "pipe").pid, 0);
}

static void test_who_ignores_sigterm_is_killed(void **state)
{
    (void)state;
    char why[IC_PROCESS_WHY_MAX];
    char *argv[] = {"/bin/sh", "-c", "trap '' TERM; while :; do sleep 60 & wait; done", NULL};
    struct ic_process p;
    assert_int_equal(start(argv, &p, why), 0);
    assert_int_equal(ic_process_end(&p, GRACE_MS), 0);
    assert_false(ic_process_alive(&p));
    kill(-p.pid, SIGKILL); /* its sleep */
}

static void test_who_is_stopped_is_ended(void **state)
{
    (void)state;
    char why[IC_PROCESS_WHY_MAX];
    char *argv[] = {"/bin/sleep", "60", NULL};
    struct ic_process p;
    assert_int_equal(start(argv, &p, why), 0);
    kill(p.pid, SIGSTOP);
    assert_int_equal(ic_process_end(&p, GRACE_MS), 0);
    assert_false(ic_process_alive(&p));
}

static void *wait_for_the_end(void *arg)
{
    char byte;
    _exit(read(*(int *)arg, &byte, 1) == 0 ? 0 : 1);
}

/* A process whose first thread has ended; the other one stays until the result is closed. */
static int start_without_first_thread(pid_t *pid)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    *pid = fork();
    if (*pid == 0) {
        pthread_t thread;
        close(ends[1]);
        if (pthread_create(&thread, NULL, wait_for_the_end, &ends[0]) == 0) {
            pthread_exit(NULL);
        }
        _exit(1);
    }
    close(ends[0]);
    return ends[1];
}

/* As after kill -9, while the disk keeps one thread in a system call. */
static void test_who_has_a_thread_left_is_ending(void **state)
{
    (void)state;
    pid_t pid;
    int end = start_without_first_thread(&pid);
    struct ic_process p = ic_process_look(pid);
    while (p.pid != 0 && !p.ending) {
        ic_process_pause();
        p = ic_process_look(pid);
    }
    assert_int_equal(p.pid, pid);
    assert_true(ic_process_alive(&p));
    close(end);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(ic_process_alive(&p));
}

static void test_who_was_killed_is_waited_for(void **state)
{
    (void)state;
    char why[IC_PROCESS_WHY_MAX];
    char *argv[] = {"/bin/sleep", "60", NULL};
    struct ic_process p;
    assert_int_equal(start(argv, &p, why), 0);
    kill(p.pid, SIGKILL);
    assert_int_equal(ic_process_of_file(folder, "thing").pid, 0);
    assert_int_not_equal(waitpid(p.pid, NULL, WNOHANG), 0); /* it has ended */
}

static void test_a_program_that_is_missing_is_named(void **state)
{
    (void)state;
    char why[IC_PROCESS_WHY_MAX];
    char *argv[] = {"/no/such/program", NULL};
    struct ic_process p;
    assert_int_equal(start(argv, &p, why), IC_EIO);
    assert_non_null(strstr(why, "/no/such/program"));
    assert_int_equal(ic_process_of_file(folder, "thing").pid, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_start_is_another_process),
        cmocka_unit_test(test_a_daemon_is_found_by_its_file),
        cmocka_unit_test(test_a_daemon_is_found_by_its_log),
        cmocka_unit_test(test_a_pipe_is_no_pid_file),
        cmocka_unit_test(test_who_ignores_sigterm_is_killed),
        cmocka_unit_test(test_who_is_stopped_is_ended),
        cmocka_unit_test(test_who_has_a_thread_left_is_ending),
        cmocka_unit_test(test_who_was_killed_is_waited_for),
        cmocka_unit_test(test_a_program_that_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
