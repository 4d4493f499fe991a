/*
 * epoch.h - the proxy's starts, counted: who has seen a higher epoch than another belongs to a
 * proxy that came later. Pure: time is an argument.
 *
 * A journal that begins takes the minutes since 2026, so that a folder that was lost gets an epoch
 * above those its nodes have seen: starts are rarer than minutes.
 */
#ifndef IC_CORE_EPOCH_H
#define IC_CORE_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

enum { IC_EPOCH_MAX = (1 << 24) - 1 }; /* the high 24 bits of an object id */

/* WALL_MS: milliseconds since 1970. */
uint32_t ic_epoch_first(int64_t wall_ms);
/*
 * A node says that it has served an epoch above ours, which was OWN at this start. No one node may
 * have us take epochs until none is left for the starts to come, or more than the next proxy
 * believes of honest ones. So it is believed within IC_EPOCH_NEAR of what we know; what is further
 * ahead only of two functions, with a FRESH journal, and within what a clock explains that was
 * years ahead.
 */
enum { IC_EPOCH_NEAR = 1 << 16 }; /* starts, or minutes: 45 days */

struct ic_epoch_claim { /* zeroed: none */
    uint32_t epoch;     /* the highest that was claimed alone; 0: none */
    uint16_t function;
};

/* FUNCTION's node claims EPOCH at WALL_MS. Returns what is to be believed, at most EPOCH; 0:
 * nothing so far. *IMPOSSIBLE: nor will it ever be. */
uint32_t ic_epoch_believed(struct ic_epoch_claim *before, uint16_t function, uint32_t epoch,
                           uint32_t own, bool fresh, int64_t wall_ms, bool *impossible);

#endif
