/*
 * usage.h - what processes used between two moments: CPU time and the most memory, from /proc.
 */
#ifndef IC_CLI_USAGE_H
#define IC_CLI_USAGE_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

enum { IC_USAGE_PIDS_MAX = 512, IC_USAGE_WHY_MAX = 128 };

struct ic_usage {
    pid_t pid[IC_USAGE_PIDS_MAX];
    double cpu_s[IC_USAGE_PIDS_MAX]; /* at the begin; then of the time between */
    uint64_t peak_bytes[IC_USAGE_PIDS_MAX];
    uint32_t count;
};

/* TEXT: "123,456", or "" for none. IC_EINVAL with WHY (IC_USAGE_WHY_MAX bytes): not that, or no
 * such process. */
int ic_usage_parse(struct ic_usage *u, const char *text, char *why) IC_MUST_USE;
/* Peaks start anew where the system lets us (our own processes, or root). */
void ic_usage_begin(struct ic_usage *u);
void ic_usage_end(struct ic_usage *u); /* a process that is gone counts 0 */

#endif
