/*
 * read_plan.h - which chunks of an object to ask, when any d of the d + p will do: the cheapest
 * first, data before parity on a tie. Pure.
 */
#ifndef IC_CORE_READ_PLAN_H
#define IC_CORE_READ_PLAN_H

#include <stdint.h>

enum { IC_READ_BUSY_BYTES = 2 << 20 }; /* queued on a node, more than on others: it is busy */

/* What asking a chunk costs, cheapest first. */
enum ic_read_cost {
    IC_READ_CHOSEN, /* this reader asks it already */
    IC_READ_AWAKE,
    IC_READ_BUSY,   /* awake, with much to send to others */
    IC_READ_WAKING, /* invoked, not here yet */
    IC_READ_ASLEEP, /* costs an invocation; a decode is cheaper */
    IC_READ_LATE,   /* did not answer this reader in time, or is slow (slow.h) */
    IC_READ_DOWN,   /* cannot be invoked at present: only if nothing else is left */
    IC_READ_NEVER,  /* its bytes are not there */
};

/* At most WANT chunks of the set CANDIDATES (bit i: chunk i), none that is NEVER. COST has one
 * ic_read_cost per chunk. */
uint64_t ic_read_plan(const uint8_t *cost, uint64_t candidates, uint32_t want);

#endif
