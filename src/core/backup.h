/*
 * backup.h - when the two instances of which function are brought together. Pure: time is an
 * argument.
 *
 *   one turn per function and interval, staggered:  | f0 | f1 | f2 | f3 | f0 | f1 ...
 *     new or deleted data since the last one        at its turn
 *     chunks are out of reach                       after a thirtieth of an interval
 *     neither                                       when the peer would grow too old
 *     the last one failed                           later each time, up to half an interval
 *
 * Of those that are due, the oldest instances come first (clouds end instances after some hours,
 * however busy they are), then those with the most to lose. Old ones have their turn twice as
 * often.
 */
#ifndef IC_CORE_BACKUP_H
#define IC_CORE_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

enum {
    IC_BACKUP_JOBS_MAX = 4,   /* backups at a time */
    IC_BACKUP_COPIES_MAX = 8, /* chunks at a time of each: 8 MiB in all, more with units above 256
                                 KiB */
};

/* One function, as it is now. */
struct ic_backup_view {
    bool able;         /* it may be invoked, or is active, and its instances are apart */
    bool turned;       /* chunks lie only on an instance that does not answer at present */
    bool holds;        /* there is anything on it that is wanted */
    uint64_t uncopied; /* bytes that only one of its instances has */
    uint64_t owed;     /* bytes of deletes its sibling has not been told of */
    uint64_t age_ms;   /* of the instance that answers */
};

struct ic_backup_settings {
    uint64_t interval_ms;      /* between two turns of a function; 0: no backups */
    uint64_t peer_interval_ms; /* a sibling is met at least so often; 0: only for its bytes */
};

struct ic_backup_plan;
/* NULL: out of memory. */
struct ic_backup_plan *ic_backup_plan_new(uint32_t functions, uint64_t now_ms);
void ic_backup_plan_free(struct ic_backup_plan *plan); /* NULL is fine */

/*
 * The function to back up now, or -1; *NEXT_MS: when to ask again, if no function changes before.
 * VIEW(ctx, function) tells how a function is; it is asked of those that have changed and of those
 * whose time has come.
 */
int ic_backup_next(struct ic_backup_plan *plan, const struct ic_backup_settings *settings,
                   struct ic_backup_view (*view)(void *ctx, uint16_t function), void *ctx,
                   uint64_t now_ms, uint64_t *next_ms);
/* FUNCTION has changed: what it holds, which instance answers, or which it has. */
void ic_backup_changed(struct ic_backup_plan *plan, uint16_t function);
/* Its turn is now, whatever it holds; also when there are no backups otherwise. */
void ic_backup_ask(struct ic_backup_plan *plan, uint16_t function);
void ic_backup_began(struct ic_backup_plan *plan, uint16_t function, uint64_t now_ms);
void ic_backup_ended(struct ic_backup_plan *plan, uint16_t function, bool done, uint64_t now_ms);
/* The peer was there, as a restarted proxy learns from its mark. */
void ic_backup_seen(struct ic_backup_plan *plan, uint16_t function, uint64_t at_ms);

#endif
