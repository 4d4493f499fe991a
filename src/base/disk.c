#include "base/disk.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 64 << 10,
    PIECES = 16, /* what one who ended short may have had before it, about */
    ROOM_MAX = 128,
};

static const double MIB = 1 << 20;

enum ic_disk_cause ic_disk_cause(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
        return IC_DISK_FULL;
    case EDQUOT:
        return IC_DISK_QUOTA;
    case EFBIG:
        return IC_DISK_FILE_SIZE;
    case EROFS:
        return IC_DISK_READ_ONLY;
    case EACCES:
    case EPERM:
        return IC_DISK_DENIED;
    case ENOENT:
    case ENOTDIR:
        return IC_DISK_MISSING;
    case EIO:
        return IC_DISK_DEVICE;
    default:
        return IC_DISK_OTHER;
    }
}

const char *ic_disk_cause_name(enum ic_disk_cause cause)
{
    static const char *const names[] = {
#define IC_DISK_CAUSE_NAME(name, label, help) label,
        IC_DISK_CAUSES(IC_DISK_CAUSE_NAME)
#undef IC_DISK_CAUSE_NAME
    };
    return names[cause];
}

static const char *help_of(enum ic_disk_cause cause)
{
    static const char *const help[] = {
#define IC_DISK_CAUSE_HELP(name, label, text) text,
        IC_DISK_CAUSES(IC_DISK_CAUSE_HELP)
#undef IC_DISK_CAUSE_HELP
    };
    return help[cause];
}

int ic_disk_write(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t written = write(fd, at, len);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        at += written < 0 ? 0 : written;
        len -= written < 0 ? 0 : (size_t)written;
    }
    return 0;
}

int ic_disk_short_write(int fd)
{
    static const char zeros[PIECE_BYTES];
    struct stat file;
    if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode)) {
        return EIO;
    }
    int found = EIO;
    off_t at = file.st_size;
    for (int i = 0; i < PIECES; i++) {
        ssize_t written = pwrite(fd, zeros, sizeof zeros, at);
        if (written < 0) {
            found = errno;
            break;
        }
        at += written;
    }
    return ftruncate(fd, file.st_size) < 0 ? errno : found;
}

/* The file system that PATH is on, or would be. */
static bool find_system(const char *path, struct statvfs *out)
{
    if (statvfs(path, out) == 0) {
        return true;
    }
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    if (len >= sizeof folder) {
        return false;
    }
    memcpy(folder, path, len);
    folder[len] = '\0';
    return statvfs(slash == NULL ? "." : len == 0 ? "/" : folder, out) == 0;
}

uint64_t ic_disk_free(const char *path)
{
    struct statvfs s;
    return find_system(path, &s) ? (uint64_t)s.f_bavail * s.f_frsize : 0;
}

static bool is_about_room(enum ic_disk_cause cause)
{
    return cause == IC_DISK_FULL || cause == IC_DISK_QUOTA || cause == IC_DISK_DEVICE;
}

/* How much room there is, or the limit that is in the way. */
static void say_room(const char *path, enum ic_disk_cause cause, char out[ROOM_MAX])
{
    struct statvfs s;
    struct rlimit limit;
    if (cause == IC_DISK_FILE_SIZE && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY) {
        snprintf(out, ROOM_MAX, " (files of process %d may have %.1f MiB)", (int)getpid(),
                 (double)limit.rlim_cur / MIB);
    } else if (!is_about_room(cause) || !find_system(path, &s)) {
        out[0] = '\0';
    } else if (cause == IC_DISK_FULL && s.f_files > 0 && s.f_favail == 0) {
        snprintf(out, ROOM_MAX, " (%llu files are there, as many as it can have)",
                 (unsigned long long)s.f_files);
    } else {
        snprintf(out, ROOM_MAX, " (%.1f of %.1f MiB free)",
                 (double)s.f_bavail * (double)s.f_frsize / MIB,
                 (double)s.f_blocks * (double)s.f_frsize / MIB);
    }
}

const char *ic_disk_explain(const char *path, int errno_value, char *out)
{
    char room[ROOM_MAX];
    enum ic_disk_cause cause = ic_disk_cause(errno_value);
    say_room(path, cause, room);
    const char *help = help_of(cause);
    snprintf(out, IC_DISK_WHY_MAX, "%.200s: %s%s%s%s", path, strerror(errno_value), room,
             help[0] == '\0' ? "" : "; ", help);
    return out;
}
