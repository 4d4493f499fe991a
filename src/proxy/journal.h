/*
 * journal.h - what survives the proxy: keys, versions and chunk places in LMDB, in one
 * file in `dir`. Shaped like the state, not like a log, so that loading it is one pass and what
 * commits leave is used again (journal_size.c). No byte of a value, ever.
 *
 *     entry  id -> object, expiry, key          object  id -> size, code, unit, places
 *     meta   format, epoch, secret, pool shape      ledger  what was spent (books.h)
 *
 *   changes of a turn --queue--> commit = one transaction --> done(result) of each
 *                                   | fsync: always: here; everysec: on a thread; no: never
 *                                   |        (after a power failure: the state of the last fsync)
 *                                   | full disk, I/O error --> IC_EIO, nothing of the turn is in it
 *                                   ' FAILED, with the cause, until a probe succeeds
 */
#ifndef IC_PROXY_JOURNAL_H
#define IC_PROXY_JOURNAL_H

#include "base/disk.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IC_JOURNAL_SECRET_LEN = 32,
    IC_JOURNAL_INSTANCE_LEN = 16,
    IC_JOURNAL_RUN_MAX = 128,             /* bytes of a run's name, the terminating zero included */
    IC_JOURNAL_WHY_MAX = IC_DISK_WHY_MAX, /* bytes of a reason, the terminating zero included */
};

struct ic_journal;

/* The pool a journal is of. */
struct ic_journal_pool {
    char prefix[128]; /* of its functions' names */
    uint32_t functions;
    uint64_t memory;              /* of each function */
    char run[IC_JOURNAL_RUN_MAX]; /* of their platform; "": not known */
};

/* What the journal knew of is nowhere in the pool that it is opened for; so it was emptied. */
enum ic_journal_emptied {
    IC_JOURNAL_NOT_EMPTIED,
    /* The functions have other names. Whatever these hold is older than what those held. */
    IC_JOURNAL_OTHER_NAMES,
    IC_JOURNAL_OTHER_RUN, /* the platform was started anew, its functions hold nothing */
};

struct ic_journal_meta {
    uint32_t epoch; /* raised by every open; see core/epoch.h */
    bool fresh;     /* there was no journal before */
    bool crashed;   /* it was not closed last time */
    bool rebuild;   /* it is empty: the catalog must come from the functions (ic_journal_rebuilt) */
    struct ic_journal_pool pool; /* as it was when the journal was opened last; fresh: as it is */
    enum ic_journal_emptied emptied;
    uint64_t emptied_objects;
    char aside[IC_JOURNAL_WHY_MAX]; /* OTHER_NAMES, and there was something in it: a copy of it is
                                       in this file */
    uint8_t secret[IC_JOURNAL_SECRET_LEN];
};

struct ic_journal_setup {
    const char *dir;    /* must exist; NULL or "": keep nothing (an in-memory cache; for tests) */
    int appendfsync;    /* IC_FSYNC_... of base/config.h */
    const char *prefix; /* the pool's shape: names of the functions ... */
    uint32_t functions; /* ... and how many */
    uint64_t memory;    /* of each */
    const char *run;    /* of the platform; NULL or "": not known, as if it were that of before */
    size_t map_bytes;   /* of the file at first, doubled when it is full; 0: 1 GiB, not for tests */
    /* A fresh journal, or one whose rebuild was not finished, is to be rebuilt; else it is empty.
     */
    bool rebuild;
    /* A fresh journal goes on with this secret and above this epoch; NULL: with its own. */
    const struct ic_journal_meta *heir_of;
};

/*
 * Opens or creates the journal, raises the epoch, and makes both durable before it returns. On an
 * error WHY (IC_JOURNAL_WHY_MAX bytes) says the reason and names the file:
 *   IC_EBUSY     another process has it
 *   IC_ECORRUPT  damaged, or not a journal
 *   IC_ENOSYS    the journal has another format
 *   IC_EINVAL    DIR is too long for a path
 *   IC_ENOSPC, IC_EIO, IC_ENOENT, IC_ENOMEM
 */
int ic_journal_open(const struct ic_journal_setup *setup, struct ic_journal **out,
                    struct ic_journal_meta *meta, char *why) IC_MUST_USE;
/* Commits what is queued, forces it to the disk. NULL is fine. */
void ic_journal_close(struct ic_journal *j);
/*
 * Reads all of the journal of SETUP in a child process, before it is opened: pages that were
 * damaged can end or hold up whoever follows them. IC_ECORRUPT and WHY: it is damaged. 0: it is
 * not, there is none, or opening it will say what is wrong.
 */
int ic_journal_verify(const struct ic_journal_setup *setup, char *why) IC_MUST_USE;
/*
 * Gives the closed journal in DIR another name, so that a fresh one takes its place; nothing is
 * deleted. PATH (IC_JOURNAL_WHY_MAX bytes) becomes the new name. IC_EIO, WHY.
 */
int ic_journal_set_aside(const char *dir, char *path, char *why) IC_MUST_USE;
/* The rebuild is complete: a later open loads the journal. Durable. IC_EIO. */
int ic_journal_rebuilt(struct ic_journal *j) IC_MUST_USE;
/* The epoch becomes *EPOCH, above SEEN, durably; unchanged if it is above already. IC_EIO;
 * IC_ERANGE: there is no such epoch. */
int ic_journal_raise_epoch(struct ic_journal *j, uint32_t seen, uint32_t *epoch) IC_MUST_USE;

/* ---- records ---------------------------------------------------------------- */

struct ic_journal_place {
    uint16_t function; /* perhaps not of this pool any more */
    bool held;
    bool copied; /* on `backup`, too */
    uint8_t instance[IC_JOURNAL_INSTANCE_LEN];
    uint8_t backup[IC_JOURNAL_INSTANCE_LEN];
};

struct ic_journal_object {
    uint64_t id, size, version;
    uint32_t unit, key_len;
    uint16_t data, parity;
    const struct ic_journal_place *place; /* data + parity */
};

struct ic_journal_entry {
    uint64_t id, object_id;
    int64_t expires_ms, accessed_ms;
    struct ic_slice key;
};

/* Queue a change of this turn, in memory. IC_ENOMEM: not queued. */
int ic_journal_put_object(struct ic_journal *j, const struct ic_journal_object *o) IC_MUST_USE;
int ic_journal_delete_object(struct ic_journal *j, uint64_t id) IC_MUST_USE;
int ic_journal_put_entry(struct ic_journal *j, const struct ic_journal_entry *e) IC_MUST_USE;
int ic_journal_delete_entry(struct ic_journal *j, uint64_t id) IC_MUST_USE;
int ic_journal_flush(struct ic_journal *j) IC_MUST_USE; /* every entry and object so far */
/* RECORD of the ledger, in place of the one with this KEY; its format is its owner's. */
int ic_journal_put_ledger(struct ic_journal *j, uint64_t key, struct ic_slice record) IC_MUST_USE;

/* A mark in the queue, to take back what was queued after it. */
size_t ic_journal_mark(struct ic_journal *j);
void ic_journal_rewind(struct ic_journal *j, size_t mark);

/*
 * One transaction with all that is queued; the queue is empty afterwards. 0, or IC_EIO: nothing of
 * it is in the journal, and the journal is FAILED. Only a probe ends that.
 */
int ic_journal_commit(struct ic_journal *j) IC_MUST_USE;
/* FAILED: the last commit or fsync failed. */
bool ic_journal_failed(const struct ic_journal *j);
/* While FAILED: the file, the cause, the room there is, and what helps (base/disk.h), for the log,
 * -MISCONF, INFO and /healthz; else empty. Never NULL. */
const char *ic_journal_failure(const struct ic_journal *j);
/* Tries a durable transaction about as large as the one that failed, which leaves nothing: 0 and no
 * longer FAILED, or IC_EIO. */
int ic_journal_probe(struct ic_journal *j) IC_MUST_USE;
/* Call at least once a second: starts the fsync of everysec on its thread, notices how it went. */
void ic_journal_tick(struct ic_journal *j, uint64_t now_ms);
/* CONFIG SET appendfsync. True: it waited for the disk; false: nothing changed, or it need not. */
bool ic_journal_set_appendfsync(struct ic_journal *j, int appendfsync);

/* ---- loading ---------------------------------------------------------------- */

struct ic_journal_loader { /* < 0 from either ends the load with that error */
    int (*object)(void *ctx, const struct ic_journal_object *o);
    int (*entry)(void *ctx, const struct ic_journal_entry *e);
};
/* Every object, then every entry. IC_ECORRUPT and WHY, naming the file, for a record that cannot
 * be. */
int ic_journal_load(struct ic_journal *j, const struct ic_journal_loader *loader, void *ctx,
                    char *why) IC_MUST_USE;

/* Every record of the ledger, in the order of the keys; one that EACH does not take ends the load
 * with its error and its WHY. Errors as ic_journal_load. */
int ic_journal_load_ledger(struct ic_journal *j,
                           int (*each)(void *ctx, uint64_t key, struct ic_slice record), void *ctx,
                           char *why) IC_MUST_USE;

struct ic_journal_stats {
    uint64_t commits, records;
    uint64_t failures[IC_DISK_CAUSE_COUNT]; /* of commits, fsyncs and probes */
    uint64_t syncs;                         /* fsyncs begun */
    uint64_t synced;                        /* of these on the thread: done */
    uint64_t bytes;                         /* of the file */
    uint64_t free;                          /* bytes on its file system */
};
struct ic_journal_stats ic_journal_stats(const struct ic_journal *j);

#endif
