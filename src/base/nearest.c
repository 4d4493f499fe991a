/*
 * nearest.c - see nearest.h. The edits are counted as the optimal string alignment distance, row by
 * row of the usual table, of which the last two rows are needed.
 */
#include "base/nearest.h"

#include <string.h>

enum {
    BEGINNING_MIN = 3, /* letters that name something longer */
    EDITS_SHARE = 3,   /* one edit in so many letters still means the name; always at least one */
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t count_edits(struct ic_slice a, struct ic_slice b)
{
    size_t rows[3][IC_NEAREST_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.len; j++) {
        above[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t other = above[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            row[j] = least(other, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
                a.data[i - 2] == b.data[j - 1]) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
        }
        size_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[b.len];
}

void ic_nearest_init(struct ic_nearest *n, struct ic_slice word)
{
    size_t edits = word.len < EDITS_SHARE ? 1 : word.len / EDITS_SHARE;
    *n = (struct ic_nearest){.word = word, .edits = edits + 1};
}

void ic_nearest_offer(struct ic_nearest *n, const char *name)
{
    struct ic_slice known = ic_slice_str(name);
    if (n->word.len == 0 || n->word.len > IC_NEAREST_MAX || known.len > IC_NEAREST_MAX) {
        return;
    }
    bool begins = n->word.len >= BEGINNING_MIN && n->word.len < known.len &&
                  memcmp(n->word.data, known.data, n->word.len) == 0;
    size_t edits = count_edits(n->word, known);
    edits = begins ? least(edits, 1) : edits;
    if (edits < n->edits) {
        n->name = name;
        n->edits = edits;
    }
}
