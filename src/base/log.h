/*
 * log.h - one key=value line per event on standard error. Daemons log; libraries
 * and pure code never do. Never payloads, never secrets.
 *
 *     ic_log(IC_LOG_INFO, "node-hello", "function=%s instance=%s", name, id);
 *     2026-01-31T12:00:00.123Z info node-hello function=infinicache-3 instance=9f2c
 */
#ifndef IC_BASE_LOG_H
#define IC_BASE_LOG_H

#include "base/slice.h"

enum ic_log_level { IC_LOG_DEBUG, IC_LOG_INFO, IC_LOG_WARNING, IC_LOG_ERROR };

/* Events below LEVEL are dropped; the process's default is info. */
void ic_log_set_level(enum ic_log_level level);
void ic_log(enum ic_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* TEXT made fit for a value: quoted, escaped, cut to fit OUT. Returns OUT. */
const char *ic_log_quote(char *out, size_t out_size, struct ic_slice text);

#endif
