/*
 * hedge.h - when a READ is so late that another chunk is asked beside it. Pure: times are
 * arguments.
 *
 * Any d of d + p chunks do, so one slow node need not hold up a read: a further chunk is asked, and
 * whichever comes first is used. Asked too early that is wasted work, and an invocation if the
 * other node sleeps; so the delay is learnt from recent READs, the way TCP learns when a segment is
 * lost: the smoothed time plus four mean deviations (Jacobson, Congestion avoidance and control,
 * 1988; RFC 6298). Dean and Barroso (The tail at scale, CACM 2013) hedge after the 95th percentile,
 * which that is or exceeds for most distributions. READs that had to wake a node are learnt apart.
 */
#ifndef IC_CORE_HEDGE_H
#define IC_CORE_HEDGE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    IC_HEDGE_SAMPLES_MIN = 32, /* before that nothing is known */
    IC_HEDGE_MIN_MS = 20,      /* below it the proxy's own turns of work decide */
};

/* Fields are private. All zero: nothing is known. */
struct ic_hedge {
    struct ic_hedge_times {
        double mean_ms, deviation_ms;
        uint64_t samples;
    } awake, woken;
};

/* A READ was answered in MS. WOKEN: its node was not awake when it was asked. */
void ic_hedge_answered(struct ic_hedge *h, bool woken, uint64_t ms);
/* How long to wait for such READs; LONGEST at most, and while nothing is known. */
uint64_t ic_hedge_delay(const struct ic_hedge *h, bool woken, uint64_t longest_ms);

#endif
