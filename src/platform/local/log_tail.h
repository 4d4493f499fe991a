/*
 * log_tail.h - the last 4 KiB of what an invocation logged (X-Amz-Log-Result).
 *
 *   |<-------------- 4096 -------------->|
 *   | newest part ... ^ oldest part ...  |    ^ next write
 */
#ifndef IC_PLATFORM_LOCAL_LOG_TAIL_H
#define IC_PLATFORM_LOCAL_LOG_TAIL_H

#include "base/buf.h"
#include "base/slice.h"

enum { IC_LOG_TAIL_BYTES = 4096 };

struct ic_log_tail {
    uint64_t total; /* bytes ever added since the last clear */
    uint8_t ring[IC_LOG_TAIL_BYTES];
};

void ic_log_tail_clear(struct ic_log_tail *tail);
void ic_log_tail_add(struct ic_log_tail *tail, struct ic_slice text);
/* Writes the tail, oldest byte first, to OUT (IC_LOG_TAIL_BYTES); returns its length. */
size_t ic_log_tail_copy(const struct ic_log_tail *tail, uint8_t *out);

#endif
