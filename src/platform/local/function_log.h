/*
 * function_log.h - the file where what functions print ends up (CloudWatch's place on one machine):
 * whole lines, each with its time, function and instance; the file is renamed to NAME.1 when
 * it has grown large.
 *
 *   2026-01-31T12:00:00.123Z infinicache-3 9f2c41d07a55e310 START RequestId: ...
 */
#ifndef IC_PLATFORM_LOCAL_FUNCTION_LOG_H
#define IC_PLATFORM_LOCAL_FUNCTION_LOG_H

#include "base/error.h"
#include "base/slice.h"

struct ic_function_log;

enum {
    IC_LOG_LINE_MAX = 1024,                   /* longer lines are cut into several */
    IC_LOG_FILE_MAX_BYTES = 16 * 1024 * 1024, /* so at most twice that on the disk */
};

/* The unfinished line of one instance; zero-initialised. */
struct ic_log_line {
    size_t len;
    char text[IC_LOG_LINE_MAX];
};

/* IC_ENOMEM, IC_EIO and others: the file cannot be opened. */
int ic_function_log_new(const char *path, struct ic_function_log **out) IC_MUST_USE;
void ic_function_log_free(struct ic_function_log *log); /* NULL is fine */
/* Writes the lines that TEXT finishes, keeps the rest in LINE. LOG NULL: nothing is written. */
void ic_function_log_add(struct ic_function_log *log, struct ic_log_line *line,
                         const char *function, const char *instance, struct ic_slice text);

#endif
