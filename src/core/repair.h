/*
 * repair.h - which of the objects that lost chunks is rebuilt next, onto which functions, and when.
 * Pure: objects are ids; time and random numbers are arguments.
 *
 *   offer --> level 0   [id id id]   nothing to spare, used lately
 *             level 1   [id]         ... idle twice as long
 *             ...
 *             level 20  [id id]      bears a further loss, used lately
 *             ...
 *             level 39  [id]         --next, the lowest level first--> repair --> done
 *
 *   full:   the least urgent is left out, and found again later
 *   failed: all that is degraded is looked for again, later
 *
 * Policy. A repair reads d chunks and writes the lost ones, so it invokes that many functions if
 * they sleep; an invocation is paid for until its lease ends. So repairs are not done one by one as
 * losses are found: the first waits GATHER_MS, until the losses of one reclaim have been found, and
 * then they go on, ACTIVE_MAX at a time, until none is left. Each goes within the leases of those
 * before it, and among equally urgent objects the one goes first that has most functions awake.
 * What bears no further loss goes first, however long nobody has used it; then what was used
 * lately.
 *
 * A repair takes room that is free; it never evicts. What lost its chunks is seldom worth more than
 * what would have to go for it, and the instance that takes the place of a lost one is empty. What
 * finds no room is looked for again after RETRY_MIN_MS, twice as long each time nothing could be
 * done, at most RETRY_MAX_MS.
 */
#ifndef IC_CORE_REPAIR_H
#define IC_CORE_REPAIR_H

#include "core/placement.h"

enum {
    IC_REPAIR_QUEUE_MAX = 65536, /* ids queued: about 5 MB */
    IC_REPAIR_ACTIVE_MAX = 4,    /* repairs under way: their windows stay a small part of it */
    IC_REPAIR_GATHER_MS = 300,   /* losses are found within a tick and a sweep; a lease is longer */
    IC_REPAIR_LOOK_MAX = 16,     /* ids of one level compared */
    IC_REPAIR_LEVELS = 40, /* log2 of idle seconds, of what bears a further loss, too, after */
    IC_REPAIR_URGENT_LEVELS = 20, /* those of what bears none */
    IC_REPAIR_RETRY_MIN_MS = 1000,
    IC_REPAIR_RETRY_MAX_MS = 60000,
};

struct ic_repair_queue;

/* At most MOST ids; SEED: see ic_map_init. NULL: out of memory. */
struct ic_repair_queue *ic_repair_queue_new(uint32_t most, uint64_t seed);
void ic_repair_queue_free(struct ic_repair_queue *q); /* NULL is fine */

/* The level of an object idle for so long of which SPARE more chunks may be lost. */
uint32_t ic_repair_level(int64_t idle_ms, uint32_t spare);
/* Something is queued of which no more chunks may be lost. */
bool ic_repair_is_urgent(const struct ic_repair_queue *q);
/*
 * Object ID is to be repaired. 1: queued; 0: it was already, and moves if LEVEL is more urgent;
 * IC_ENOSPC: it, or another less urgent, was left out, and a retry is due (ic_repair_retry_at);
 * IC_ENOMEM: left out likewise.
 */
int ic_repair_offer(struct ic_repair_queue *q, uint64_t id, uint32_t level, uint64_t now_ms);
/*
 * Takes the next id. AWAKE says how many functions of an object's chunks are awake, or < 0: it is
 * not to be repaired (any more), forget it. It is asked *LOOKS times at most, which is how many are
 * left afterwards. False: none now, or none was found.
 */
bool ic_repair_next(struct ic_repair_queue *q, uint64_t now_ms,
                    int (*awake)(void *ctx, uint64_t id), void *ctx, uint32_t *looks, uint64_t *id);
/* When ic_repair_next has one; UINT64_MAX: the queue is empty. */
uint64_t ic_repair_next_at(const struct ic_repair_queue *q);
uint32_t ic_repair_waiting(const struct ic_repair_queue *q);
void ic_repair_forget_all(struct ic_repair_queue *q); /* no retry is due either */

/* A repair restored something: the next retry comes early again. */
void ic_repair_succeeded(struct ic_repair_queue *q);
/* One could not be done: a retry is due. */
void ic_repair_failed(struct ic_repair_queue *q, uint64_t now_ms);
/* When all degraded objects are to be offered again; UINT64_MAX: no need. */
uint64_t ic_repair_retry_at(const struct ic_repair_queue *q);
/* They are being offered. */
void ic_repair_retried(struct ic_repair_queue *q);

/*
 * Chooses functions for at most WANTED chunks of COST bytes, the more the better, as
 * ic_placement_choose does, none of TAKEN (which hold the object's other chunks; their candidates
 * are changed). Returns how many were written to OUT (at least one) or IC_ENOSPC.
 */
int ic_repair_places(struct ic_candidate *candidate, uint32_t count, const uint16_t *taken,
                     uint32_t taken_count, uint64_t cost, uint32_t wanted, struct ic_rng *rng,
                     uint16_t *out) IC_MUST_USE;

#endif
