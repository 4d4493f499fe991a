/*
 * sizes.h - how large objects are, as a text:
 *
 *   1mb                     all alike
 *   1kb:9,10mb:1            a list, with weights or without
 *   uniform:1kb-1mb         evenly between two
 *   loguniform:1kb-1gb      evenly between two on a logarithmic scale
 *   lognormal:1mb,2         median, and the standard deviation of the natural logarithm
 *   pareto:1mb,1.5          least, and the tail's exponent
 *
 * A size is a function of a place in [0, 1), the distribution's quantile there.
 */
#ifndef IC_SIMULATE_SIZES_H
#define IC_SIMULATE_SIZES_H

#include "base/error.h"

#include <stdint.h>

enum { IC_SIZES_LIST_MAX = 64, IC_SIZES_WHY_MAX = 256 };
#define IC_SIZES_MOST (UINT64_C(1) << 40) /* bytes; what is larger becomes this */

enum ic_sizes_shape {
    IC_SIZES_LIST,
    IC_SIZES_UNIFORM,
    IC_SIZES_LOG_UNIFORM,
    IC_SIZES_LOG_NORMAL,
    IC_SIZES_PARETO,
};

struct ic_sizes { /* fields are private */
    enum ic_sizes_shape shape;
    unsigned count;
    uint64_t size[IC_SIZES_LIST_MAX]; /* of a list; least and most of a range; median; least */
    double upto[IC_SIZES_LIST_MAX];   /* of a list: cumulative share of the keys */
    double number;                    /* deviation; exponent */
};

/* IC_EINVAL with WHY (IC_SIZES_WHY_MAX bytes). */
int ic_sizes_parse(struct ic_sizes *s, const char *text, char *why) IC_MUST_USE;
uint64_t ic_sizes_at(const struct ic_sizes *s, double place); /* 0 <= PLACE < 1 */

#endif
