/*
 * test_trace.c - the same requests from a plain file, a gzip, a tar.gz with two files, and a pipe;
 * files that are damaged or absent say so.
 */
#include "cli/trace.h"

#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/infinicache-trace-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void run(const char *command)
{
    char text[512];
    snprintf(text, sizeof text, "cd %s && %s", dir, command);
    assert_int_equal(system(text), 0);
}

/* Sum of the requests' bytes in PATH; < 0: the error, with WHY. */
static int64_t sum(const char *path, char *why)
{
    struct ic_trace *t;
    struct ic_trace_request r;
    int64_t bytes = 0;
    int result = ic_trace_open(path, &t, why);
    if (result < 0) {
        return result;
    }
    while ((result = ic_trace_next(t, &r, why)) > 0) {
        bytes += (int64_t)r.bytes;
    }
    ic_trace_close(t);
    return result < 0 ? result : bytes;
}

static int make_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    run("i=0; while [ $i -lt 20000 ]; do echo \"$i get key-$i 3\"; i=$((i + 1)); done >plain");
    run("gzip -c plain >plain.gz; printf '1 REST.GET.OBJECT k 7' >store; tar czf both.tar.gz plain "
        "store");
    run("head -c 30000 plain.gz >cut.gz; printf '0 get k 1\\nnonsense\\n' >bad");
    run("printf '0 get ' >long; head -c 100000 /dev/zero | tr '\\0' x >>long; : >empty");
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    run("rm -rf \"$PWD\"");
    return 0;
}

static void test_every_packing(void **state)
{
    (void)state;
    char why[IC_TRACE_WHY_MAX] = "";
    assert_int_equal(sum(path_of("plain"), why), 60000);
    assert_int_equal(sum(path_of("plain.gz"), why), 60000);
    assert_int_equal(sum(path_of("both.tar.gz"), why), 60007);
    assert_int_equal(sum(path_of("empty"), why), 0);
}

static void test_standard_input(void **state)
{
    (void)state;
    char why[IC_TRACE_WHY_MAX] = "";
    int saved = dup(STDIN_FILENO);
    assert_non_null(freopen(path_of("plain.gz"), "r", stdin));
    assert_int_equal(sum("-", why), 60000);
    assert_true(dup2(saved, STDIN_FILENO) >= 0);
    close(saved);
}

static void test_what_is_wrong_is_said(void **state)
{
    (void)state;
    char why[IC_TRACE_WHY_MAX] = "";
    assert_int_equal(sum(path_of("none"), why), IC_ENOENT);
    assert_int_equal(sum(path_of("cut.gz"), why), IC_EIO);
    assert_non_null(strstr(why, "cut.gz"));
    assert_int_equal(sum(path_of("bad"), why), IC_EPROTO);
    assert_non_null(strstr(why, "line 2"));
    assert_int_equal(sum(path_of("long"), why), IC_ETOOBIG);
}

static void test_failing_memory(void **state)
{
    (void)state;
    char why[IC_TRACE_WHY_MAX];
    ic_alloc_fail_at(1);
    assert_int_equal(sum(path_of("plain"), why), IC_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_every_packing), leak_test(test_standard_input),
        leak_test(test_what_is_wrong_is_said), leak_test(test_failing_memory)};
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
