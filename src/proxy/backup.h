/*
 * backup.h - keeps a second instance of each function up to date: brings two together
 * (struct ic_meeting), copies what one has and the other has not (chunk_copy.h), both ways, and
 * marks both as whole copies. When and which is core/backup.h's decision.
 *
 *   WAITING --met--> COPYING --nothing (more) to copy--> MARKING --both answered--> done
 *      '-------------- an instance leaves, cannot be had --'--------------------> failed
 *
 * What was copied before a failure stays copied. Deletes go out by themselves as soon as an
 * instance is there.
 */
#ifndef IC_PROXY_BACKUP_H
#define IC_PROXY_BACKUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct ic_backups;
struct ic_proxy;

/* After proxy->functions and proxy->store; runs by itself. NULL: out of memory. */
struct ic_backups *ic_backups_new(struct ic_proxy *proxy);
/* Gives up what is under way, before functions and store are freed; no more begins. NULL is fine.
 */
void ic_backups_stop(struct ic_backups *b);
void ic_backups_free(struct ic_backups *b);

/* FUNCTION's turn is now, as soon as there is room for another; also if backup-interval is 0. */
void ic_backups_ask(struct ic_backups *b, uint16_t function);

struct ic_backup_stats {
    uint64_t done, failed;  /* partial ones (no room for a chunk) are done */
    uint64_t bytes, chunks; /* copied */
    uint64_t deletes;       /* chunks that second instances were told to delete */
    uint64_t no_room;       /* chunks that found no room */
    uint64_t last_ms;       /* how long the last one took that was done */
    uint64_t running;
};
struct ic_backup_stats ic_backups_stats(const struct ic_backups *b);

/* Of one function. */
struct ic_backup_state {
    bool running;
    uint64_t uncopied; /* bytes on one instance only */
    int64_t age_ms;    /* since it was last whole; -1: it never was */
};
struct ic_backup_state ic_backups_state(const struct ic_backups *b, uint16_t function);

#endif
