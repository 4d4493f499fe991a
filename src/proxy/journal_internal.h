/*
 * journal_internal.h - what the journal's files share:
 *
 *   journal.c         transactions, failure            journal_record.c  bytes of a record
 *   journal_open.c    the file, epoch, secret          journal_queue.c   changes to be committed
 *   journal_load.c    reading it all                   journal_sync.c    fsync on a thread
 *   journal_check.c   is it damaged, away with it      journal_safe.c    whole after a power
 * failure
 *   journal_failure.c what went wrong, in words       journal_size.c    growing, compacting
 */
#ifndef IC_PROXY_JOURNAL_INTERNAL_H
#define IC_PROXY_JOURNAL_INTERNAL_H

#include "proxy/journal.h"
#include "proxy/journal_queue.h"
#include "proxy/journal_safe.h"

#include <limits.h>
#include <lmdb.h>

struct ic_journal {
    char path[PATH_MAX], lock_path[PATH_MAX];
    int lock_fd;
    MDB_env *env; /* NULL: nothing is kept, or (while FAILED) the file could not be opened again */
    MDB_dbi meta, objects, entries, ledger;
    bool memory_only;
    bool failed;
    enum ic_disk_cause cause; /* of the last failure */
    size_t failed_bytes;      /* records of the commit that failed */
    uint64_t commits_unsynced, records_unsynced;
    uint64_t made_room_at; /* for which commit room was made last, from 1 */
    bool unsynced;         /* commits since the last fsync */
    int appendfsync;
    size_t map_bytes; /* at first; 0: as usual */
    char failure[IC_JOURNAL_WHY_MAX];
    struct ic_journal_queue queue;
    uint64_t applied;             /* records of the last transaction */
    struct ic_journal_sync *sync; /* NULL until the journal is open */
    bool syncing;                 /* its thread has a job */
    struct ic_journal_safe safe;
    uint64_t synced_ms;
    struct ic_journal_stats stats;
};

/* ---- journal_failure.c ------------------------------------------------------ */

/* WHY has IC_JOURNAL_WHY_MAX bytes; a text that is longer is cut. */
__attribute__((format(printf, 2, 3))) void ic_journal_say(char *why, const char *format, ...);
/* WHY and the code for what LMDB or the system (RC) said of the journal's file. */
int ic_journal_explain(const struct ic_journal *j, int rc, char *why);
/* The same of an errno and another file of the journal. */
int ic_journal_explain_file(const char *path, int error, char *why);
/* The journal is FAILED since RC; told in the log, when it begins and when the cause is another.
 * Returns IC_EIO. */
int ic_journal_fail(struct ic_journal *j, int rc);
/* It is not any more; told, too. */
void ic_journal_recover(struct ic_journal *j);

/* ---- journal_size.c --------------------------------------------------------- */

/* A transaction found the map full: it may be tried again. An errno or LMDB's code. */
int ic_journal_make_room(struct ic_journal *j);
/* Before anything else is done with the environment: a file of which most is not used becomes a
 * smaller one. What hinders that is logged. An errno or LMDB's code: there is no environment. */
int ic_journal_compact(struct ic_journal *j);

/* ---- journal_open.c --------------------------------------------------------- */

/* Flags of LMDB for a mode of appendfsync. */
unsigned ic_journal_sync_flag(int appendfsync);
/* Fills in the paths in DIR. IC_EINVAL and WHY: too long. */
int ic_journal_name(struct ic_journal *j, const char *dir, char *why);
/* One process at a time. IC_EBUSY, IC_ENOENT, IC_ENOSPC, IC_EIO, with WHY. */
int ic_journal_lock(struct ic_journal *j, char *why);
/* Opens j->env and its databases; an LMDB code, and j->env NULL if it is not 0. */
int ic_journal_open_environment(struct ic_journal *j);
/* A name in j's folder that no file has, for a journal that goes out of the way; SIZE is above
 * PATH_MAX by 64. */
void ic_journal_aside_name(const struct ic_journal *j, char *name, size_t size);
/* Writes all of j->env to a new file PATH, durably. An errno or LMDB's code; no file then. */
int ic_journal_copy(const struct ic_journal *j, const char *path);
int ic_journal_put_meta(MDB_txn *txn, MDB_dbi dbi, const char *name, const void *data, size_t len);

/* Waits until all commits so far are on the disk. An errno or LMDB's code. */
int ic_journal_make_durable(struct ic_journal *j);
/* Closes j->env and what hangs on it. */
void ic_journal_close_environment(struct ic_journal *j);

#endif
