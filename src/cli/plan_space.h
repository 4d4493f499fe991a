/*
 * plan_space.h - what `plan` may choose: a grid with one dimension per choice. A point of it is a
 * configuration. What the user has said is fixed, and no dimension any more.
 *
 *   capacity  1 GiB, 1.1 GiB, 1.21 GiB ...   the functions' memory together; with `memory` it gives
 *                                            `functions`, so that both can be tried by themselves
 *   memory, code-table, warm-interval, ...   a directive's values each
 */
#ifndef IC_CLI_PLAN_SPACE_H
#define IC_CLI_PLAN_SPACE_H

#include "base/config.h"

enum ic_plan_dimension {
    IC_PLAN_CAPACITY,
    IC_PLAN_MEMORY,
    IC_PLAN_CODE,
    IC_PLAN_EVICTION,
    IC_PLAN_WARM,
    IC_PLAN_BACKUP,
    IC_PLAN_REPAIR,
    IC_PLAN_LATENCY,
    IC_PLAN_HEDGE,
    IC_PLAN_ARCHITECTURE,
    IC_PLAN_DIMENSIONS,
};

enum {
    IC_PLAN_CAPACITIES = 110, /* from 1 GiB to 32 TiB */
    IC_PLAN_FUNCTIONS_MAX = 65535,
};

struct ic_plan_point {
    uint8_t at[IC_PLAN_DIMENSIONS];
};

struct ic_plan_space { /* fields are private */
    const struct ic_config *base;
    bool fixed[IC_PLAN_DIMENSIONS];
};

/* BASE outlives it. SAID(ctx, name): the user has given that directive. */
void ic_plan_space_init(struct ic_plan_space *s, const struct ic_config *base,
                        bool (*said)(void *ctx, const char *name), void *ctx);
/* Values of a dimension: 1 if it is fixed. */
unsigned ic_plan_space_count(const struct ic_plan_space *s, enum ic_plan_dimension d);
/* Whether the values of D have an order, so that neighbours are alike. */
bool ic_plan_space_ordered(enum ic_plan_dimension d);
const char *ic_plan_space_name(enum ic_plan_dimension d); /* "capacity", or the directive's */
/* A point in the middle of things, with about BYTES of capacity. */
struct ic_plan_point ic_plan_space_start(const struct ic_plan_space *s, double bytes);
/* The point nearest to MEMORY bytes per function, else as P. */
struct ic_plan_point ic_plan_space_with_memory(const struct ic_plan_space *s,
                                               struct ic_plan_point p, uint64_t memory);

/* The configuration of P, to be freed. */
struct ic_config *ic_plan_space_config(const struct ic_plan_space *s, struct ic_plan_point p);
/* Appends "memory 1gb, warm-interval 5m": where P differs from FROM; "" if nowhere. IC_ENOMEM. */
int ic_plan_space_difference(const struct ic_plan_space *s, struct ic_plan_point from,
                             struct ic_plan_point p, struct ic_buf *out) IC_MUST_USE;

#endif
