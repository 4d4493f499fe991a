/*
 * test_disk.c - the cause of a failed write is found and named, with the room there is.
 */
#include "base/disk.h"

#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_causes(void **state)
{
    (void)state;
    static const struct {
        int errno_value;
        const char *name;
    } all[] = {{ENOSPC, "no_space"}, {EDQUOT, "quota"},    {EFBIG, "file_size_limit"},
               {EROFS, "read_only"}, {EACCES, "denied"},   {EPERM, "denied"},
               {ENOENT, "missing"},  {ENOTDIR, "missing"}, {EIO, "device"},
               {EBADF, "other"},     {0, "other"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_string_equal(ic_disk_cause_name(ic_disk_cause(all[i].errno_value)), all[i].name);
    }
}

static void test_explanations(void **state)
{
    (void)state;
    char why[IC_DISK_WHY_MAX];
    ic_disk_explain("/tmp/none-such", ENOSPC, why);
    assert_ptr_equal(strstr(why, "/tmp/none-such: No space left on device ("), why);
    assert_non_null(strstr(why, " MiB free); free some space there"));
    assert_true(ic_disk_free("/tmp/none-such") > 0);
    assert_true(ic_disk_free("none-such") > 0);
    assert_true(ic_disk_free("/none-such") > 0);
    ic_disk_explain("/none-such/folder/file", ENOENT, why);
    assert_string_equal(why, "/none-such/folder/file: No such file or directory; "
                             "its folder is not there");
    assert_int_equal(ic_disk_free("/none-such/folder/file"), 0);
    char path[2 * IC_DISK_WHY_MAX];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    ic_disk_explain(path, EROFS, why);
    assert_non_null(strstr(why, "Read-only file system"));
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file is as it was, whether the cause was found or not. */
static void test_short_write(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    char path[] = "/tmp/ic-disk-XXXXXX", why[IC_DISK_WHY_MAX], bytes[5000];
    int fd = mkstemp(path);
    struct stat file;
    memset(bytes, 'a', sizeof bytes);
    limit_files(3000);
    ssize_t written = write(fd, bytes, sizeof bytes);
    int found = ic_disk_short_write(fd);
    ic_disk_explain(path, found, why);
    limit_files(0);
    assert_int_equal(written, 3000);
    assert_int_equal(found, EFBIG);
    assert_non_null(strstr(why, "File too large (files of process "));
    assert_non_null(strstr(why, " may have 0.0 MiB); raise the limit (prlimit --fsize)"));
    assert_int_equal(ic_disk_short_write(fd), EIO);
    assert_int_equal(fstat(fd, &file), 0);
    assert_int_equal(file.st_size, 3000);
    close(fd);
    unlink(path);
    assert_int_equal(ic_disk_short_write(-1), EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_causes),
        leak_test(test_explanations),
        leak_test(test_short_write),
    };
    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
