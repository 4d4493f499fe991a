/*
 * slow.h - whether one function answers so late that others are asked first. Pure: time is an
 * argument.
 *
 *   in time --an answer took IC_SLOW_MS--> slow, for a while --over--> asked again: in time, or
 *      ^                                     ^                          |        |
 *      '-------------------------------------|--------------------------'        |
 *                                            '-------- for twice as long --------'
 *
 * What was asked of others meanwhile may have cost invocations: so a hiccup is not slow, which a
 * second chunk asked beside it makes up for (hedge.h).
 */
#ifndef IC_CORE_SLOW_H
#define IC_CORE_SLOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
    IC_SLOW_MS = 1000,
    IC_SLOW_FOR_MS = 10000, /* at first, and at most: */
    IC_SLOW_FOR_MAX_MS = 300000,
};

/* Zeroed: in time. */
struct ic_slow {
    uint64_t until_ms, for_ms;
};

/* An answer took MS. */
void ic_slow_took(struct ic_slow *s, uint64_t ms, uint64_t now_ms);
/* It is not there yet, after MS: if these are few, that tells nothing. */
void ic_slow_waits(struct ic_slow *s, uint64_t ms, uint64_t now_ms);
bool ic_slow_is(const struct ic_slow *s, uint64_t now_ms);

#endif
