/*
 * clock.h - virtual time: what is to happen, in order. Events are embedded in their owners; of two
 * at the same time the one set first comes first.
 */
#ifndef IC_SIMULATE_CLOCK_H
#define IC_SIMULATE_CLOCK_H

#include "base/heap.h"

#include <stdint.h>

struct ic_sim_event {
    struct ic_heap_node node;
    uint64_t at_us, order;
    void (*fire)(void *ctx);
    void *ctx;
};

struct ic_sim_clock {
    uint64_t now_us;
    uint64_t order, fired;
    struct ic_heap events;
    bool failed; /* an event could not be set: out of memory */
};

void ic_sim_clock_init(struct ic_sim_clock *c, uint64_t now_us);
void ic_sim_clock_deinit(struct ic_sim_clock *c); /* the events stay their owners' */
void ic_sim_event_init(struct ic_sim_event *e, void (*fire)(void *ctx), void *ctx);
/* FIRE will be called at AT_US (not before now), and not when it was to be before. */
void ic_sim_event_set(struct ic_sim_clock *c, struct ic_sim_event *e, uint64_t at_us);
void ic_sim_event_cancel(struct ic_sim_clock *c,
                         struct ic_sim_event *e); /* fine if it is not set */
static inline bool ic_sim_event_is_set(const struct ic_sim_event *e)
{
    return e->node.place != 0;
}
uint64_t ic_sim_clock_next(const struct ic_sim_clock *c); /* UINT64_MAX: nothing is set */
/* It is the next event's time, and that happens. */
void ic_sim_clock_fire(struct ic_sim_clock *c);

static inline uint64_t ic_sim_now_ms(const struct ic_sim_clock *c)
{
    return c->now_us / 1000;
}

#endif
