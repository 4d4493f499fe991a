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
 * Nodes say that they have served an epoch above ours, which was OWN at this start. No few of them
 * may have us take epochs until none is left for the starts to come, or more than the next proxy
 * believes of honest ones. So one function is believed within IC_EPOCH_NEAR of what we know. With a
 * FRESH journal, two are within what a clock explains that was years ahead; and three a little
 * further: what two that lie have us exceed, the others say at the next such start. A function of
 * which others say nearly as much has served one start more.
 */
enum {
    IC_EPOCH_NEAR = 1 << 16, /* starts, or minutes: 45 days */
    IC_EPOCH_MARGIN = 100,   /* starts of a lost proxy of which no node knows that answers */
    IC_EPOCH_CLAIMS_MAX = 3, /* functions that are believed */
};

struct ic_epoch_claims { /* zeroed: none */
    struct ic_epoch_claim {
        uint32_t epoch; /* 0: none */
        uint16_t function;
    } most[IC_EPOCH_CLAIMS_MAX]; /* of different functions, the highest first */
};

/* FUNCTION's node claims EPOCH at WALL_MS. Returns what is to be believed of all CLAIMS; 0:
 * nothing. *IMPOSSIBLE: this one will never be. */
uint32_t ic_epoch_believed(struct ic_epoch_claims *claims, uint16_t function, uint32_t epoch,
                           uint32_t own, bool fresh, int64_t wall_ms, bool *impossible);
/*
 * What is to be exceeded when BELIEVED is: with a FRESH journal a little more, which a node may
 * have seen that does not answer now. Starts that all lose their journal add that on one another,
 * so only as far as half of what is believed of one node; from there on it is one epoch a start.
 */
uint32_t ic_epoch_exceeded(uint32_t believed, uint32_t own, bool fresh, int64_t wall_ms);

#endif
