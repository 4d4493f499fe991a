/*
 * token_bucket.h - holds work to a rate: who takes more than there is owes it, and nobody takes
 * while something is owed. Pure: time is an argument.
 *
 *     tokens  +rate per second, at most one second's worth  --take--> may fall below 0: wait
 */
#ifndef IC_CORE_TOKEN_BUCKET_H
#define IC_CORE_TOKEN_BUCKET_H

#include <stdint.h>

struct ic_token_bucket { /* zeroed: full at its first use */
    int64_t tokens;
    uint64_t at_ms; /* when they were counted; 0: never */
};

/* Milliseconds until something may be taken; 0: now. RATE per second, 0: no limit. */
uint64_t ic_token_bucket_wait(struct ic_token_bucket *b, uint64_t rate, uint64_t now_ms);
/* AMOUNT is taken, whether it is there or not. */
void ic_token_bucket_take(struct ic_token_bucket *b, uint64_t rate, uint64_t amount,
                          uint64_t now_ms);

#endif
