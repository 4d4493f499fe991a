/*
 * files.c - open, read or write to the end, rename.
 */
#include "platform/local/files.h"

#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

int ic_file_read(const char *path, size_t max_bytes, struct ic_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ic_error_from_errno(errno);
    }
    size_t total = 0;
    int result = 0;
    while (result == 0) {
        result = ic_buf_reserve(out, READ_BYTES);
        if (result < 0) {
            break;
        }
        ssize_t got = read(fd, out->data + out->len, READ_BYTES);
        if (got < 0) {
            result = errno == EINTR ? 0 : ic_error_from_errno(errno);
            continue;
        }
        if (got == 0) {
            break;
        }
        out->len += (size_t)got;
        total += (size_t)got;
        result = total > max_bytes ? IC_ETOOBIG : 0;
    }
    close(fd);
    return result;
}

int ic_file_replace(const char *path, struct ic_slice bytes, mode_t mode, bool sync)
{
    char fresh[PATH_MAX];
    int len = snprintf(fresh, sizeof fresh, "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof fresh) {
        return IC_ETOOBIG;
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        return ic_error_from_errno(errno);
    }
    int error = ic_disk_write(fd, bytes.data, bytes.len);
    int result = error == 0 ? 0 : ic_error_from_errno(error);
    if (result == 0 && sync && fsync(fd) < 0) {
        result = ic_error_from_errno(errno);
    }
    if (close(fd) < 0 && result == 0) {
        result = ic_error_from_errno(errno);
    }
    if (result == 0 && rename(fresh, path) < 0) {
        result = ic_error_from_errno(errno);
    }
    if (result < 0) {
        (void)unlink(fresh);
    }
    return result;
}

int ic_folder_make(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : ic_error_from_errno(errno);
}
