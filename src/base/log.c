#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 }; /* one write, so lines of several processes do not mix */

static enum ic_log_level threshold = IC_LOG_INFO; /* the process's, like its stderr */

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

void ic_log(enum ic_log_level level, const char *event, const char *format, ...)
{
    if (level < threshold) {
        return;
    }
    char line[LINE_MAX_BYTES];
    int64_t now_ms = ic_clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t at = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    at += (size_t)snprintf(line + at, sizeof line - at, ".%03dZ %s %s ", (int)(now_ms % 1000),
                           level_name(level), event);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + at, sizeof line - at - 1, format, args);
    va_end(args);
    at += more < 0 ? 0 : (size_t)more;
    if (at > sizeof line - 2) {
        at = sizeof line - 2;
    }
    line[at++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, at);
    (void)written; /* there is nobody to tell */
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
