/*
 * timers.h - the due times of a loop: a pairing heap of embedded timers, so that
 * starting and stopping allocate nothing and never fail. Shared by every backend.
 * After Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap", Algorithmica 1986.
 */
#ifndef IC_NET_TIMERS_H
#define IC_NET_TIMERS_H

#include "net/net.h"

struct ic_timers {
    struct ic_timer *root; /* the earliest, or NULL */
};

void ic_timers_insert(struct ic_timers *timers, struct ic_timer *t);
void ic_timers_remove(struct ic_timers *timers, struct ic_timer *t); /* must be in it */
/* Fires, one after another, what is due at NOW_MS; timers started meanwhile wait for the next call.
 */
void ic_timers_run(struct ic_timers *timers, uint64_t now_ms);

#endif
