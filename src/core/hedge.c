#include "core/hedge.h"

#include <math.h>

/* RFC 6298, 2.3 */
static const double ALPHA = 1.0 / 8, BETA = 1.0 / 4, DEVIATIONS = 4;

void ic_hedge_answered(struct ic_hedge *h, bool woken, uint64_t ms)
{
    struct ic_hedge_times *t = woken ? &h->woken : &h->awake;
    double sample = (double)ms;
    if (t->samples++ == 0) {
        t->mean_ms = sample;
        t->deviation_ms = sample / 2;
        return;
    }
    t->deviation_ms += BETA * (fabs(sample - t->mean_ms) - t->deviation_ms);
    t->mean_ms += ALPHA * (sample - t->mean_ms);
}

uint64_t ic_hedge_delay(const struct ic_hedge *h, bool woken, uint64_t longest_ms)
{
    const struct ic_hedge_times *t = woken ? &h->woken : &h->awake;
    if (t->samples < IC_HEDGE_SAMPLES_MIN) {
        return longest_ms;
    }
    double delay_ms = ceil(t->mean_ms + DEVIATIONS * t->deviation_ms);
    delay_ms = delay_ms < IC_HEDGE_MIN_MS ? IC_HEDGE_MIN_MS : delay_ms;
    return delay_ms < (double)longest_ms ? (uint64_t)delay_ms : longest_ms;
}
