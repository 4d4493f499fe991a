/*
 * listing.h - how long a function is waited for that is asked what it holds. Pure: time is an
 * argument.
 *
 * It has its patience, and more only for what it has named: so a million chunks may take their
 * time, and who names little, or the same again and again, is late in the end. Time in which its
 * list waited for us is not its own; but a tenth of the whole is, or who sends little at a time to
 * somebody who is busy would have no end.
 */
#ifndef IC_CORE_LISTING_H
#define IC_CORE_LISTING_H

#include <stdbool.h>
#include <stdint.h>

enum {
    IC_LISTING_BYTES_A_MS = 2048, /* of its memory: 8 small chunks, 0.7 KB on the line */
    IC_LISTING_OWN_PART = 10,     /* the tenth */
};

struct ic_listing {
    /* What the chunks take at the least that it has named in the longest list so far, so no more
     * than its capacity. */
    uint64_t bytes;
    uint64_t put_off_ms; /* that lists of its waited for their turn here, all together */
};

bool ic_listing_is_late(const struct ic_listing *l, uint64_t patience_ms, uint64_t waited_ms);

#endif
