#include "proxy/journal.h"

#include "base/alloc.h"
#include "base/config.h"
#include "proxy/journal_internal.h"
#include "proxy/journal_sync.h"

#include <assert.h>
#include <errno.h>
#include <sys/stat.h>

enum {
    GROW_TRIES = 20,             /* doublings of the map: 1 GiB << 20 is more than any disk */
    EVERYSEC_MS = 1000,          /* between fsyncs */
    COMMITS_UNSYNCED_MAX = 200,  /* what they leave is not used again: 45 KB each, or, of many */
    RECORDS_UNSYNCED_MAX = 5000, /* records, a page or two for each (journal_size.c) */
    SELDOM_MS = 30000, /* the same with `appendfsync no`: about when the kernel would write */
    PROBE_BYTES_MIN = 16 << 10, /* a turn's usual writes */
    PROBE_BYTES_MAX = 1 << 20,
};

static const char PROBE[] = "probe"; /* a meta record */

struct ic_journal_queue *ic_journal_queue_of(struct ic_journal *j)
{
    return j->memory_only ? NULL : &j->queue;
}

/* ---- committing ------------------------------------------------------------- */

static int apply_one(struct ic_journal *j, MDB_txn *txn, const struct ic_journal_change *c)
{
    size_t id = (size_t)c->id;
    MDB_val key = {.mv_size = sizeof id, .mv_data = &id};
    MDB_val value = {.mv_size = c->record.len, .mv_data = (void *)(uintptr_t)c->record.data};
    int rc = 0;
    switch (c->op) {
    case IC_JOURNAL_PUT_OBJECT:
        return mdb_put(txn, j->objects, &key, &value, 0);
    case IC_JOURNAL_PUT_ENTRY:
        return mdb_put(txn, j->entries, &key, &value, 0);
    case IC_JOURNAL_PUT_LEDGER:
        return mdb_put(txn, j->ledger, &key, &value, 0);
    case IC_JOURNAL_DELETE_OBJECT:
        rc = mdb_del(txn, j->objects, &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    case IC_JOURNAL_DELETE_ENTRY:
        rc = mdb_del(txn, j->entries, &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    case IC_JOURNAL_FLUSH:
        rc = mdb_drop(txn, j->objects, 0);
        return rc == 0 ? mdb_drop(txn, j->entries, 0) : rc;
    }
    assert(false); /* the queue is ours */
    return EINVAL;
}

static int apply_queue(struct ic_journal *j, MDB_txn *txn)
{
    struct ic_journal_change change;
    size_t at = 0;
    j->applied = 0;
    while (ic_journal_queue_next(&j->queue, &at, &change)) {
        int rc = apply_one(j, txn, &change);
        if (rc != 0) {
            return rc;
        }
        j->applied++;
    }
    return 0;
}

/* The environment, opened again if a failed write has made it unusable. */
static int begin(struct ic_journal *j, MDB_txn **txn)
{
    int rc = j->env == NULL ? MDB_PANIC : mdb_txn_begin(j->env, NULL, 0, txn);
    if (rc != MDB_PANIC) {
        return rc;
    }
    ic_journal_close_environment(j);
    rc = ic_journal_open_environment(j);
    return rc == 0 ? mdb_txn_begin(j->env, NULL, 0, txn) : rc;
}

static int run_transaction(struct ic_journal *j, int (*fill)(struct ic_journal *j, MDB_txn *txn))
{
    MDB_txn *txn;
    int rc = begin(j, &txn);
    if (rc != 0) {
        return rc;
    }
    rc = fill(j, txn);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int commit_growing(struct ic_journal *j)
{
    int rc = run_transaction(j, apply_queue);
    for (int i = 0; rc == MDB_MAP_FULL && i < GROW_TRIES; i++) {
        rc = ic_journal_make_room(j);
        if (rc == 0) {
            rc = run_transaction(j, apply_queue);
        }
    }
    return rc;
}

/* ---- fsync of everysec and no ------------------------------------------------ */

/* The thread has done its job. */
static void collect(struct ic_journal *j, int result)
{
    j->syncing = false;
    ic_journal_safe_settle(&j->safe, result);
    if (result != 0) {
        j->unsynced = true;
        (void)ic_journal_fail(j, result);
    } else {
        j->stats.synced++;
    }
}

static bool is_syncing(struct ic_journal *j)
{
    int result = 0;
    if (j->syncing && ic_journal_sync_finished(j->sync, &result)) {
        collect(j, result);
    }
    return j->syncing;
}

static void begin_sync(struct ic_journal *j)
{
    struct ic_safe_copy copy;
    int rc = ic_journal_safe_take(&j->safe, j->env, &copy);
    if (rc != 0) {
        (void)ic_journal_fail(j, rc);
        return;
    }
    ic_journal_sync_start(j->sync, j->safe.fd, &copy);
    j->syncing = true;
    j->unsynced = false;
    j->commits_unsynced = j->records_unsynced = 0;
    j->stats.syncs++;
}

int ic_journal_commit(struct ic_journal *j)
{
    if (ic_journal_queue_empty(&j->queue)) {
        return j->failed ? IC_EIO : 0;
    }
    int rc = commit_growing(j);
    uint64_t records = j->applied;
    j->failed_bytes = rc == 0 ? 0 : j->queue.bytes.len;
    ic_journal_queue_clear(&j->queue);
    if (rc != 0) {
        return ic_journal_fail(j, rc);
    }
    j->stats.commits++;
    j->commits_unsynced++;
    j->records_unsynced += records;
    j->stats.records += records;
    j->unsynced = j->appendfsync != IC_FSYNC_ALWAYS;
    j->stats.syncs += j->appendfsync == IC_FSYNC_ALWAYS;
    bool much =
        j->commits_unsynced >= COMMITS_UNSYNCED_MAX || j->records_unsynced >= RECORDS_UNSYNCED_MAX;
    if (j->unsynced && much && !is_syncing(j)) {
        begin_sync(j);
    }
    return 0;
}

bool ic_journal_failed(const struct ic_journal *j)
{
    return j->failed;
}

const char *ic_journal_failure(const struct ic_journal *j)
{
    return j->failure;
}

/* A disk that has room for less than what failed does not pass, or all would fail again. */
static int write_probe(struct ic_journal *j, MDB_txn *txn)
{
    size_t bytes = j->failed_bytes;
    bytes = bytes < PROBE_BYTES_MIN ? PROBE_BYTES_MIN : bytes;
    bytes = bytes > PROBE_BYTES_MAX ? PROBE_BYTES_MAX : bytes;
    MDB_val key = {.mv_size = strlen(PROBE), .mv_data = (void *)(uintptr_t)PROBE};
    MDB_val value = {.mv_size = bytes};
    int rc = mdb_put(txn, j->meta, &key, &value, MDB_RESERVE);
    if (rc == 0) {
        memset(value.mv_data, 0, bytes);
    }
    return rc;
}

static int delete_probe(struct ic_journal *j, MDB_txn *txn)
{
    MDB_val key = {.mv_size = strlen(PROBE), .mv_data = (void *)(uintptr_t)PROBE};
    return mdb_del(txn, j->meta, &key, NULL);
}

int ic_journal_probe(struct ic_journal *j)
{
    if (j->memory_only) {
        return 0;
    }
    int rc = run_transaction(j, write_probe);
    if (rc == 0) {
        rc = run_transaction(j, delete_probe);
    }
    if (rc == 0) {
        rc = ic_journal_make_durable(j);
    }
    if (rc != 0) {
        return ic_journal_fail(j, rc);
    }
    ic_journal_recover(j);
    j->unsynced = false;
    return 0;
}

void ic_journal_tick(struct ic_journal *j, uint64_t now_ms)
{
    uint64_t interval_ms = j->appendfsync == IC_FSYNC_EVERYSEC ? EVERYSEC_MS : SELDOM_MS;
    bool syncing = j->sync != NULL && is_syncing(j);
    bool due = now_ms - j->synced_ms >= interval_ms;
    if (j->sync != NULL && j->env != NULL && j->unsynced && !syncing && due) {
        j->synced_ms = now_ms;
        begin_sync(j);
    }
}

bool ic_journal_set_appendfsync(struct ic_journal *j, int appendfsync)
{
    bool always = j->appendfsync == IC_FSYNC_ALWAYS || appendfsync == IC_FSYNC_ALWAYS;
    bool syncs = j->appendfsync != appendfsync && j->env != NULL && always;
    j->appendfsync = appendfsync;
    if (syncs) {
        mdb_env_set_flags(j->env, MDB_NOSYNC, ic_journal_sync_flag(appendfsync) != 0);
        int rc = ic_journal_make_durable(j);
        if (rc != 0) {
            (void)ic_journal_fail(j, rc);
        }
    }
    return syncs;
}

struct ic_journal_stats ic_journal_stats(const struct ic_journal *j)
{
    struct ic_journal_stats stats = j->stats;
    struct stat file;
    if (!j->memory_only && stat(j->path, &file) == 0) {
        stats.bytes = (uint64_t)file.st_size;
        stats.free = ic_disk_free(j->path);
    }
    return stats;
}
