#define _GNU_SOURCE /* O_CLOEXEC */
#include "platform/local/function_log.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/disk.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PREFIX_MAX = 192 };

struct ic_function_log {
    char *path, *old_path;
    int fd; /* -1: could not be opened again, which the next line tries */
    uint64_t bytes;
    uint64_t lost; /* lines since the last that could be written */
};

static int open_file(struct ic_function_log *log)
{
    log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (log->fd < 0) {
        return ic_error_from_errno(errno);
    }
    struct stat facts;
    log->bytes = fstat(log->fd, &facts) == 0 ? (uint64_t)facts.st_size : 0;
    return 0;
}

int ic_function_log_new(const char *path, struct ic_function_log **out)
{
    struct ic_function_log *log = ic_calloc(1, sizeof *log);
    if (log == NULL) {
        return IC_ENOMEM;
    }
    int result = IC_ENOMEM;
    size_t len = strlen(path);
    log->fd = -1;
    log->path = ic_strdup(path);
    log->old_path = ic_malloc(len + 3);
    if (log->path == NULL || log->old_path == NULL) {
        goto fail;
    }
    memcpy(log->old_path, path, len);
    memcpy(log->old_path + len, ".1", 3);
    result = open_file(log);
    if (result < 0) {
        goto fail;
    }
    *out = log;
    return 0;
fail:
    ic_function_log_free(log);
    return result;
}

void ic_function_log_free(struct ic_function_log *log)
{
    if (log == NULL) {
        return;
    }
    if (log->fd >= 0) {
        close(log->fd);
    }
    ic_free(log->old_path);
    ic_free(log->path);
    ic_free(log);
}

/* The platform's own log says when lines begin to be lost, and when that is over. */
static void note_loss(struct ic_function_log *log, int error)
{
    char why[IC_DISK_WHY_MAX], quoted[IC_DISK_WHY_MAX];
    if (log->lost++ == 0) {
        ic_disk_explain(log->path, error, why);
        ic_log(IC_LOG_ERROR, "function-log-failed", "error=%s",
               ic_log_quote(quoted, sizeof quoted, ic_slice_str(why)));
    }
}

static void note_success(struct ic_function_log *log)
{
    if (log->lost > 0) {
        ic_log(IC_LOG_WARNING, "function-log-recovered", "lines_lost=%llu",
               (unsigned long long)log->lost);
    }
    log->lost = 0;
}

static void renew(struct ic_function_log *log)
{
    (void)rename(log->path, log->old_path);
    close(log->fd);
    (void)open_file(log);
}

static void write_line(struct ic_function_log *log, struct ic_slice line, const char *function,
                       const char *instance)
{
    char prefix[PREFIX_MAX];
    int64_t now_ms = ic_clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t at = strftime(prefix, sizeof prefix, "%Y-%m-%dT%H:%M:%S", &utc);
    int more = snprintf(prefix + at, sizeof prefix - at, ".%03dZ %.140s %.16s ",
                        (int)(now_ms % 1000), function, instance);
    at += (size_t)more;
    /* What was written last may have ended in the middle of a line. */
    const struct iovec parts[] = {
        {(void *)(uintptr_t) "\n", log->lost > 0},
        {prefix, at},
        {(void *)(uintptr_t)line.data, line.len},
        {(void *)(uintptr_t) "\n", 1},
    };
    ssize_t written = writev(log->fd, parts, 4); /* a full disk costs the line */
    size_t whole = (log->lost > 0) + at + line.len + 1;
    if (written < 0 || (size_t)written < whole) {
        note_loss(log, written < 0 ? errno : ic_disk_short_write(log->fd));
    } else {
        note_success(log);
    }
    log->bytes += written > 0 ? (uint64_t)written : 0;
    if (log->bytes > IC_LOG_FILE_MAX_BYTES) {
        renew(log);
    }
}

static void flush_line(struct ic_function_log *log, struct ic_log_line *line, const char *function,
                       const char *instance)
{
    if (log->fd >= 0 || open_file(log) == 0) {
        write_line(log, ic_slice(line->text, line->len), function, instance);
    } else {
        note_loss(log, errno);
    }
    line->len = 0;
}

void ic_function_log_add(struct ic_function_log *log, struct ic_log_line *line,
                         const char *function, const char *instance, struct ic_slice text)
{
    for (size_t i = 0; log != NULL && i < text.len; i++) {
        if (text.data[i] == '\n') {
            flush_line(log, line, function, instance);
            continue;
        }
        if (line->len == sizeof line->text) {
            flush_line(log, line, function, instance);
        }
        line->text[line->len++] = (char)text.data[i];
    }
}
