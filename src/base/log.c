#include "base/log.h"

#include "base/clock.h"
#include "base/disk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 }; /* one write, so lines of several processes do not mix */

static enum ic_log_level threshold = IC_LOG_INFO; /* the process's, like its stderr */
static struct {
    uint64_t lines; /* since the last that could be written */
    int error;      /* an errno */
} lost;

void ic_log_set_level(enum ic_log_level level)
{
    threshold = level;
}

static const char *level_name(enum ic_log_level level)
{
    switch (level) {
    case IC_LOG_DEBUG:
        return "debug";
    case IC_LOG_INFO:
        return "info";
    case IC_LOG_WARNING:
        return "warning";
    case IC_LOG_ERROR:
        return "error";
    }
    return "?";
}

/* "TIME LEVEL EVENT " to LINE; returns how long it is. */
static size_t begin_line(char line[LINE_MAX_BYTES], enum ic_log_level level, const char *event)
{
    int64_t now_ms = ic_clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t at = strftime(line, LINE_MAX_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    return at + (size_t)snprintf(line + at, LINE_MAX_BYTES - at, ".%03dZ %s %s ",
                                 (int)(now_ms % 1000), level_name(level), event);
}

/* There is nobody to tell that a line could not be written but whoever reads the next one. */
static void write_line(const char *line, size_t len)
{
    if (lost.lines > 0) {
        char gap[LINE_MAX_BYTES + 1] = "\n"; /* the last one may have ended in its middle */
        size_t at = 1 + begin_line(gap + 1, IC_LOG_WARNING, "log-lines-lost");
        at += (size_t)snprintf(gap + at, sizeof gap - at, "lines=%llu error=\"%s\"\n",
                               (unsigned long long)lost.lines, strerror(lost.error));
        if (ic_disk_write(STDERR_FILENO, gap, at) != 0) {
            lost.lines++;
            return;
        }
        lost.lines = 0;
    }
    lost.error = ic_disk_write(STDERR_FILENO, line, len);
    lost.lines += lost.error != 0;
}

void ic_log(enum ic_log_level level, const char *event, const char *format, ...)
{
    if (level < threshold) {
        return;
    }
    char line[LINE_MAX_BYTES];
    size_t at = begin_line(line, level, event);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + at, sizeof line - at - 1, format, args);
    va_end(args);
    at += more < 0 ? 0 : (size_t)more;
    if (at > sizeof line - 2) {
        at = sizeof line - 2;
    }
    line[at++] = '\n';
    write_line(line, at);
}

const char *ic_log_quote(char *out, size_t out_size, struct ic_slice text)
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    out[at++] = '"';
    for (size_t i = 0; i < text.len && at + 6 < out_size; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = 'x';
            out[at++] = hex[c >> 4];
            out[at++] = hex[c & 15];
        } else {
            out[at++] = (char)c;
        }
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}
