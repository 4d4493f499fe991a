/*
 * virtual_time.h - a clock that stands still while something happens and then jumps to the next
 * event. Events of the same time come in an order drawn from the seed, so that every order that
 * real time could show is met, and the same seed shows the same one.
 */
#ifndef IC_NET_VIRTUAL_TIME_H
#define IC_NET_VIRTUAL_TIME_H

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>

struct ic_event { /* embedded in what it happens to; fields are private */
    uint64_t due_us, tie;
    size_t place; /* in the heap, from 1; 0: not started */
    void (*fire)(void *ctx);
    void *ctx;
};

struct ic_virtual_time {
    uint64_t now_us;
    struct ic_rng rng;      /* ties, and whatever else the simulation draws */
    struct ic_event **heap; /* from 1 */
    size_t count, capacity;
    uint64_t fired;
};

void ic_virtual_time_init(struct ic_virtual_time *t, uint64_t seed);
void ic_virtual_time_deinit(struct ic_virtual_time *t); /* events that wait are forgotten */

void ic_event_init(struct ic_event *e, void (*fire)(void *ctx), void *ctx);
/* Again: moves it. */
void ic_event_start(struct ic_virtual_time *t, struct ic_event *e, uint64_t delay_us);
void ic_event_stop(struct ic_virtual_time *t, struct ic_event *e); /* fine if it does not wait */
static inline bool ic_event_waits(const struct ic_event *e)
{
    return e->place != 0;
}

/* The next event happens. False: there is none. */
bool ic_virtual_time_step(struct ic_virtual_time *t);

#endif
