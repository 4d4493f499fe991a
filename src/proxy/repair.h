/*
 * repair.h - brings lost chunks back: takes note of the objects that lack some, and runs a few jobs
 * (repair_job.h) at a time, in the order and at the times of core/repair.h.
 *
 *   store --degraded--> queue --next--> job --ended--> done | failed | dropped
 *     ^                                                      |
 *     '---- sweep: everything that lacks chunks, again ------'
 *
 * `repair eager`: whatever lacks chunks; `lazy`: what a read met; `off`: nothing. What is asked for
 * by name (IC.REPAIR) is repaired in any case. A repair yields: while requests wait for window
 * memory no more begin than one each IC_REPAIR_YIELD_MAX_MS; but what bears no further loss waits
 * for nobody.
 */
#ifndef IC_PROXY_REPAIR_H
#define IC_PROXY_REPAIR_H

#include "proxy/store.h"

struct ic_proxy;
struct ic_repair;

/* NULL: out of memory. */
struct ic_repair *ic_repair_new(struct ic_proxy *p);
/* Gives up what is under way, begins nothing any more. */
void ic_repair_stop(struct ic_repair *r);
void ic_repair_free(struct ic_repair *r); /* NULL is fine */

/* The store's word, or a client's (IC_DEGRADED_ASKED): O lacks chunks. */
void ic_repair_degraded(struct ic_repair *r, const struct ic_object *o, enum ic_degraded found);

struct ic_repair_stats {
    uint64_t done;            /* repairs that brought back all that was lost */
    uint64_t failed;          /* that did not */
    uint64_t dropped;         /* whose object was deleted, overwritten or evicted meanwhile */
    uint64_t postponed;       /* that could not begin: no room, too few functions answer */
    uint64_t chunks, bytes;   /* brought back */
    uint64_t waiting, active; /* objects, now */
};
struct ic_repair_stats ic_repair_stats(const struct ic_repair *r);
void ic_repair_stats_reset(struct ic_repair *r); /* CONFIG RESETSTAT */

#endif
