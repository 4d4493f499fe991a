/*
 * retire.h - after a pool has become smaller: deletes the functions that `up` made for it and that
 * are not in it any more, and with them their instances and the memory these take.
 */
#ifndef IC_CLI_RETIRE_H
#define IC_CLI_RETIRE_H

#include "base/config.h"
#include "base/error.h"

enum { IC_RETIRE_WHY_MAX = 1024 };

/*
 * Looks through all functions of C's platform, and deletes those that are named as C's pool names
 * its own, with a number that the pool has not, and described as `up` describes its own. *COUNT:
 * how many. Errors of lambda.h, IC_ETIMEOUT after WITHIN_MS; WHY (IC_RETIRE_WHY_MAX bytes).
 */
int ic_retire_functions(const struct ic_config *c, uint64_t within_ms, int64_t *count,
                        char *why) IC_MUST_USE;

#endif
