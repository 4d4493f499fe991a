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

/* The whole TEXT matches PATTERN. Takes at most the product of the lengths in steps. */
bool ic_glob_match(struct ic_slice pattern, struct ic_slice text, bool ignore_case);

#endif
