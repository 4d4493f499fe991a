/*
 * nearest.h - which of some known names a mistyped word was meant to be: the one that takes the
 * fewest edits (a letter more, less or another, or two neighbours swapped), or that the word is
 * the beginning of.
 */
#ifndef IC_BASE_NEAREST_H
#define IC_BASE_NEAREST_H

#include "base/slice.h"

#include <stddef.h>

enum { IC_NEAREST_MAX = 48 }; /* bytes of a word or name; longer ones are near nothing */

struct ic_nearest {
    struct ic_slice word;
    const char *name; /* NULL: none so far is near */
    size_t edits;     /* that NAME takes, or one more than any near name may take */
};

void ic_nearest_init(struct ic_nearest *n, struct ic_slice word); /* WORD is borrowed */
/* Afterwards n->name is NAME if it is near, and nearer than all before it. */
void ic_nearest_offer(struct ic_nearest *n, const char *name);

#endif
