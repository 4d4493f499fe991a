/*
 * glob.h - patterns as Redis's KEYS, SCAN and CONFIG GET understand them. The
 * system's fnmatch differs: there a leading dot and '/' can be special, "!" negates a
 * class as well, bytes must be valid in the locale, and texts end at a zero byte.
 *
 *   *  any bytes    ?  one byte    [a-z] [^a-z]  one of a class    \x  x itself
 */
#ifndef IC_BASE_GLOB_H
#define IC_BASE_GLOB_H

#include "base/slice.h"

enum {
    /* What a client's pattern may take, of some nanoseconds each: with a key, or with all names of
     * settings or commands. A pattern without long classes or many near misses takes about as many
     * as the text has bytes. */
    IC_GLOB_STEPS_MAX = 1 << 20,
};

/*
 * The whole TEXT matches PATTERN. That may take the product of their lengths in steps, which are
 * taken from *STEPS: 0 is left if there were too few, and the answer is false.
 */
bool ic_glob_match(struct ic_slice pattern, struct ic_slice text, bool ignore_case,
                   uint64_t *steps);

#endif
