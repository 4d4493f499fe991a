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
/* A proxy can have had EPOCH by now, its clock wrong by some years or its starts too frequent. What
 * is higher was made up: who believed it would have no epoch left for the starts to come. */
bool ic_epoch_is_possible(uint32_t epoch, int64_t wall_ms);

#endif
