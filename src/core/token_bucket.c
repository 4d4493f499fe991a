#include "core/token_bucket.h"

enum { FULL_MS = 1000 }; /* a full bucket: what comes in so long */

static void refill(struct ic_token_bucket *b, uint64_t rate, uint64_t now_ms)
{
    int64_t full = (int64_t)(rate * FULL_MS / 1000);
    uint64_t passed_ms = now_ms - b->at_ms;
    /* No longer than the lack takes: the products stay small. */
    if (b->at_ms == 0 || b->tokens >= full ||
        passed_ms >= (uint64_t)(full - b->tokens) * 1000 / rate + 1) {
        b->tokens = full;
        b->at_ms = now_ms;
        return;
    }
    uint64_t came = rate * passed_ms / 1000;
    b->tokens += (int64_t)came;
    b->at_ms += (came * 1000 + rate - 1) / rate; /* parts of a token are not lost */
}

uint64_t ic_token_bucket_wait(struct ic_token_bucket *b, uint64_t rate, uint64_t now_ms)
{
    if (rate == 0) {
        return 0;
    }
    refill(b, rate, now_ms);
    return b->tokens > 0 ? 0 : (uint64_t)-b->tokens * 1000 / rate + 1;
}

void ic_token_bucket_take(struct ic_token_bucket *b, uint64_t rate, uint64_t amount,
                          uint64_t now_ms)
{
    if (rate == 0) {
        *b = (struct ic_token_bucket){0};
        return;
    }
    refill(b, rate, now_ms);
    b->tokens -= (int64_t)amount;
}
