#include "core/slow.h"

void ic_slow_took(struct ic_slow *s, uint64_t ms, uint64_t now_ms)
{
    if (ic_slow_is(s, now_ms)) {
        return; /* it was asked because there was nobody else, or before */
    }
    if (ms < IC_SLOW_MS) {
        *s = (struct ic_slow){0};
        return;
    }
    uint64_t longer_ms = 2 * s->for_ms < IC_SLOW_FOR_MAX_MS ? 2 * s->for_ms : IC_SLOW_FOR_MAX_MS;
    s->for_ms = s->for_ms == 0 ? IC_SLOW_FOR_MS : longer_ms;
    s->until_ms = now_ms + s->for_ms;
}

void ic_slow_waits(struct ic_slow *s, uint64_t ms, uint64_t now_ms)
{
    if (ms >= IC_SLOW_MS) {
        ic_slow_took(s, ms, now_ms);
    }
}

bool ic_slow_is(const struct ic_slow *s, uint64_t now_ms)
{
    return now_ms < s->until_ms;
}
