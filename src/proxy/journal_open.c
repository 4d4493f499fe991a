#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/random.h"
#include "core/epoch.h"
#include "proxy/journal_internal.h"
#include "proxy/journal_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FORMAT = 3, /* of what is written (journal_record.h) */
    FORMAT_MIN = 2,
    DATABASES = 4,
    META_CRASHED = 1,    /* not closed: it is in use, or its proxy died */
    META_REBUILDING = 2, /* what is in it is not all that the functions have */
    MAP_BYTES = 1 << 30, /* at first: address space, not memory or disk */
    LOCK_BYTES = 8192,   /* of LMDB's own lock file */
};

unsigned ic_journal_sync_flag(int appendfsync)
{
    return appendfsync == IC_FSYNC_ALWAYS ? 0 : MDB_NOSYNC;
}

/* A file shorter than its pages (cut off) would end the process on the first touch: fill it up with
 * zeros, which LMDB and the records' checks then find. */
static int fill_up(struct ic_journal *j)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    int rc = mdb_env_info(j->env, &info);
    if (rc == 0) {
        rc = mdb_env_stat(j->env, &stat);
    }
    if (rc != 0 || stat.ms_psize == 0 || info.me_last_pgno >= info.me_mapsize / stat.ms_psize) {
        return MDB_INVALID;
    }
    off_t needed = (off_t)((info.me_last_pgno + 1) * stat.ms_psize);
    if (lstat(j->path, &file) < 0) {
        return errno;
    }
    return file.st_size < needed && truncate(j->path, needed) < 0 ? errno : 0;
}

static int open_databases(struct ic_journal *j)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(j->env, NULL, 0, &txn);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &j->meta);
    if (rc == 0) {
        rc = mdb_dbi_open(txn, "objects", MDB_CREATE | MDB_INTEGERKEY, &j->objects);
    }
    if (rc == 0) {
        rc = mdb_dbi_open(txn, "entries", MDB_CREATE | MDB_INTEGERKEY, &j->entries);
    }
    if (rc == 0) {
        rc = mdb_dbi_open(txn, "ledger", MDB_CREATE | MDB_INTEGERKEY, &j->ledger);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* LMDB writes to its lock file through a map: on a full disk a page that is not there yet would end
 * the process. */
static int allocate_lock_file(const struct ic_journal *j)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s-lock", j->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    int error = posix_fallocate(fd, 0, LOCK_BYTES);
    close(fd);
    return error == EINVAL || error == EOPNOTSUPP ? 0 : error; /* not every file system can */
}

int ic_journal_open_environment(struct ic_journal *j)
{
    struct stat file;
    size_t map = j->map_bytes == 0 ? MAP_BYTES : j->map_bytes;
    if (stat(j->path, &file) == 0) {
        while (map / 2 < (size_t)file.st_size) {
            map *= 2;
        }
    }
    int rc = allocate_lock_file(j);
    if (rc == 0) {
        rc = mdb_env_create(&j->env);
    }
    if (rc != 0) {
        j->env = NULL;
        return rc;
    }
    mdb_env_set_maxdbs(j->env, DATABASES);
    mdb_env_set_mapsize(j->env, map);
    rc = mdb_env_open(j->env, j->path,
                      MDB_NOSUBDIR | MDB_NOTLS | ic_journal_sync_flag(j->appendfsync), 0600);
    if (rc == 0) {
        rc = fill_up(j);
    }
    if (rc == 0) {
        rc = open_databases(j);
    }
    if (rc != 0) {
        mdb_env_close(j->env);
        j->env = NULL;
    }
    return rc;
}

void ic_journal_close_environment(struct ic_journal *j)
{
    ic_journal_safe_unpin(&j->safe);
    if (j->env != NULL) {
        mdb_env_close(j->env);
        j->env = NULL;
    }
}

int ic_journal_make_durable(struct ic_journal *j)
{
    int rc = 0;
    if (j->syncing && ic_journal_sync_wait(j->sync, &rc)) {
        ic_journal_safe_settle(&j->safe, rc);
    }
    j->syncing = false;
    if (j->appendfsync == IC_FSYNC_ALWAYS) {
        rc = mdb_env_sync(j->env, 1);
        if (rc == 0) {
            ic_journal_safe_remove(&j->safe); /* every commit is whole on the disk by itself */
        }
    } else {
        struct ic_safe_copy copy;
        rc = ic_journal_safe_take(&j->safe, j->env, &copy);
        if (rc != 0) {
            return rc;
        }
        rc = mdb_env_sync(j->env, 1);
        if (rc == 0) {
            rc = ic_journal_safe_write(j->safe.fd, &copy);
        }
        ic_journal_safe_settle(&j->safe, rc);
    }
    j->unsynced = rc != 0;
    return rc;
}

int ic_journal_lock(struct ic_journal *j, char *why)
{
    j->lock_fd = open(j->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->lock_fd < 0) {
        return ic_journal_explain_file(j->lock_path, errno, why);
    }
    if (flock(j->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        ic_journal_say(why, "journal %s is in use by another process", j->path);
        return IC_EBUSY;
    }
    return 0;
}

static MDB_val text_val(const char *text)
{
    return (MDB_val){.mv_size = strlen(text), .mv_data = (void *)(uintptr_t)text};
}

/* A meta record of exactly LEN bytes; MDB_NOTFOUND, or MDB_CORRUPTED if it has another length. */
static int get_meta(MDB_txn *txn, MDB_dbi dbi, const char *name, void *out, size_t len)
{
    MDB_val key = text_val(name), value;
    int rc = mdb_get(txn, dbi, &key, &value);
    if (rc != 0) {
        return rc;
    }
    if (value.mv_size != len) {
        return MDB_CORRUPTED;
    }
    memcpy(out, value.mv_data, len);
    return 0;
}

int ic_journal_put_meta(MDB_txn *txn, MDB_dbi dbi, const char *name, const void *data, size_t len)
{
    MDB_val key = text_val(name);
    MDB_val value = {.mv_size = len, .mv_data = (void *)(uintptr_t)data};
    return mdb_put(txn, dbi, &key, &value, 0);
}

struct stored_meta {
    uint32_t format, epoch, functions, flags;
    uint64_t memory;
    uint8_t secret[IC_JOURNAL_SECRET_LEN];
    char prefix[128];
};

/* < 0: WHY. */
static int check_meta(struct ic_journal *j, struct stored_meta *m, char *why)
{
    if (m->format < FORMAT_MIN || m->format > FORMAT) {
        ic_journal_say(why, "journal %s has format %u, this program reads %d to %d", j->path,
                       m->format, FORMAT_MIN, FORMAT);
        return IC_ENOSYS;
    }
    m->format = FORMAT;
    m->prefix[sizeof m->prefix - 1] = '\0';
    if (m->epoch >= IC_EPOCH_MAX) { /* more starts than there can have been */
        ic_journal_say(why, "journal %s is damaged: its epoch is the last", j->path);
        return IC_ECORRUPT;
    }
    return 0;
}

static void set_pool(struct stored_meta *m, const struct ic_journal_setup *setup)
{
    memset(m->prefix, 0, sizeof m->prefix);
    snprintf(m->prefix, sizeof m->prefix, "%s", setup->prefix);
    m->functions = setup->functions;
    m->memory = setup->memory;
}

/* The run of the platform has a record of its own, which older journals have not. */
static int get_run(MDB_txn *txn, MDB_dbi dbi, char run[IC_JOURNAL_RUN_MAX])
{
    int rc = get_meta(txn, dbi, "run", run, IC_JOURNAL_RUN_MAX);
    run[IC_JOURNAL_RUN_MAX - 1] = '\0';
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_run(MDB_txn *txn, MDB_dbi dbi, const struct ic_journal_setup *setup)
{
    char run[IC_JOURNAL_RUN_MAX] = "";
    snprintf(run, sizeof run, "%s", setup->run == NULL ? "" : setup->run);
    return ic_journal_put_meta(txn, dbi, "run", run, sizeof run);
}

/* The meta record of a journal that begins. */
static void begin_meta(struct stored_meta *m, const struct ic_journal_setup *setup)
{
    const struct ic_journal_meta *before = setup->heir_of;
    *m = (struct stored_meta){.format = FORMAT, .epoch = ic_epoch_first(ic_clock_wall_ms()) - 1};
    if (setup->rebuild) {
        m->flags = META_REBUILDING;
    }
    set_pool(m, setup);
    ic_random_fill(m->secret, sizeof m->secret);
    if (before != NULL) {
        memcpy(m->secret, before->secret, sizeof m->secret);
        m->epoch = before->epoch > m->epoch ? before->epoch : m->epoch;
    }
}

static int drop_catalog(struct ic_journal *j, MDB_txn *txn)
{
    int rc = mdb_drop(txn, j->objects, 0);
    return rc == 0 ? mdb_drop(txn, j->entries, 0) : rc;
}

/* A rebuild that was not finished begins anew, or is given up. */
static int drop_half_rebuilt(struct ic_journal *j, MDB_txn *txn, struct stored_meta *m,
                             const struct ic_journal_setup *setup)
{
    if ((m->flags & META_REBUILDING) == 0) {
        return 0;
    }
    m->flags = setup->rebuild ? m->flags : m->flags & ~(uint32_t)META_REBUILDING;
    return drop_catalog(j, txn);
}

static enum ic_journal_emptied compare_pools(const struct ic_journal_pool *before,
                                             const struct ic_journal_setup *setup)
{
    if (strcmp(before->prefix, setup->prefix) != 0) {
        return IC_JOURNAL_OTHER_NAMES;
    }
    bool known = setup->run != NULL && setup->run[0] != '\0' && before->run[0] != '\0';
    return known && strcmp(before->run, setup->run) != 0 ? IC_JOURNAL_OTHER_RUN
                                                         : IC_JOURNAL_NOT_EMPTIED;
}

/*
 * Another pool: the catalog goes in the transaction that stores what the new pool is, so whoever is
 * killed meanwhile finds the one or the other. It is not rebuilt: what functions of other names
 * hold may be from before the pool that the journal was of, and overwritten there.
 */
static int empty_of_other_pool(struct ic_journal *j, MDB_txn *txn, struct stored_meta *m,
                               struct ic_journal_meta *out)
{
    if (out->emptied == IC_JOURNAL_NOT_EMPTIED) {
        return 0;
    }
    MDB_stat stat = {0};
    int rc = mdb_stat(txn, j->objects, &stat);
    out->emptied_objects = stat.ms_entries;
    m->flags &= ~(uint32_t)META_REBUILDING;
    return rc == 0 ? drop_catalog(j, txn) : rc;
}

static struct ic_journal_pool pool_of(const struct stored_meta *m)
{
    struct ic_journal_pool pool = {.functions = m->functions, .memory = m->memory};
    memcpy(pool.prefix, m->prefix, sizeof pool.prefix);
    return pool;
}

/* Fills in OUT's pool and how it differs from that of SETUP, then the catalog is as that asks. */
static int change_pool(struct ic_journal *j, MDB_txn *txn, struct stored_meta *m,
                       const struct ic_journal_setup *setup, struct ic_journal_meta *out)
{
    out->pool = pool_of(m);
    int rc = get_run(txn, j->meta, out->pool.run);
    if (rc != 0) {
        return rc;
    }
    out->emptied = compare_pools(&out->pool, setup);
    rc = empty_of_other_pool(j, txn, m, out);
    if (rc == 0) {
        rc = drop_half_rebuilt(j, txn, m, setup);
    }
    return rc == 0 ? put_run(txn, j->meta, setup) : rc;
}

/* Reads, checks, raises and writes the meta record. Returns an LMDB code; *RESULT < 0 with WHY says
 * what check_meta found. */
static int meta_transaction(struct ic_journal *j, MDB_txn *txn,
                            const struct ic_journal_setup *setup, struct ic_journal_meta *out,
                            int *result, char *why)
{
    struct stored_meta m = {0};
    int rc = get_meta(txn, j->meta, "meta", &m, sizeof m);
    out->fresh = rc == MDB_NOTFOUND;
    if (rc == MDB_NOTFOUND) {
        begin_meta(&m, setup);
    } else if (rc != 0) {
        return rc;
    }
    *result = check_meta(j, &m, why);
    if (*result < 0) {
        return 0;
    }
    rc = change_pool(j, txn, &m, setup, out);
    if (rc != 0) {
        return rc;
    }
    out->crashed = (m.flags & META_CRASHED) != 0;
    out->rebuild = (m.flags & META_REBUILDING) != 0;
    out->epoch = ++m.epoch;
    memcpy(out->secret, m.secret, sizeof out->secret);
    set_pool(&m, setup);
    m.flags |= META_CRASHED;
    return ic_journal_put_meta(txn, j->meta, "meta", &m, sizeof m);
}

/* What is about to be emptied because it is of other names is kept in another file. What was of
 * another run of the platform is nowhere. */
static int keep_aside(struct ic_journal *j, const struct ic_journal_setup *setup,
                      struct ic_journal_meta *out)
{
    char name[PATH_MAX + 64];
    struct stored_meta m = {0};
    MDB_stat stat = {0};
    MDB_txn *txn;
    int rc = mdb_txn_begin(j->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        return rc;
    }
    rc = get_meta(txn, j->meta, "meta", &m, sizeof m);
    if (rc == 0) {
        rc = mdb_stat(txn, j->objects, &stat);
    }
    mdb_txn_abort(txn);
    m.prefix[sizeof m.prefix - 1] = '\0';
    if (rc != 0 || stat.ms_entries == 0 || strcmp(m.prefix, setup->prefix) == 0) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    ic_journal_aside_name(j, name, sizeof name);
    ic_journal_say(out->aside, "%s", name);
    return ic_journal_copy(j, name);
}

static int begin_life(struct ic_journal *j, const struct ic_journal_setup *setup,
                      struct ic_journal_meta *meta, char *why)
{
    MDB_txn *txn;
    int result = 0, rc = keep_aside(j, setup, meta);
    if (rc == 0) {
        rc = mdb_txn_begin(j->env, NULL, 0, &txn);
    }
    if (rc != 0) {
        return ic_journal_explain(j, rc, why);
    }
    rc = meta_transaction(j, txn, setup, meta, &result, why);
    if (rc != 0 || result < 0) {
        mdb_txn_abort(txn);
        return result < 0 ? result : ic_journal_explain(j, rc, why);
    }
    rc = mdb_txn_commit(txn);
    if (rc == 0) {
        rc = ic_journal_make_durable(j);
    }
    return rc == 0 ? 0 : ic_journal_explain(j, rc, why);
}

int ic_journal_name(struct ic_journal *j, const char *dir, char *why)
{
    if ((size_t)snprintf(j->path, sizeof j->path, "%s/journal.lmdb", dir) >= sizeof j->path ||
        (size_t)snprintf(j->lock_path, sizeof j->lock_path, "%s/journal.lock", dir) >=
            sizeof j->lock_path) {
        ic_journal_say(why, "dir is too long for a path");
        return IC_EINVAL;
    }
    return 0;
}

static int open_file(struct ic_journal *j, const struct ic_journal_setup *setup,
                     struct ic_journal_meta *meta, char *why)
{
    int result = ic_journal_name(j, setup->dir, why);
    if (result == 0) {
        result = ic_journal_lock(j, why);
    }
    if (result < 0) {
        return result;
    }
    ic_journal_safe_init(&j->safe, j->path);
    int rc = ic_journal_safe_restore(&j->safe, j->path);
    if (rc == 0) {
        rc = ic_journal_open_environment(j);
    }
    if (rc == 0) {
        rc = ic_journal_compact(j);
    }
    if (rc != 0) {
        return ic_journal_explain(j, rc, why);
    }
    return begin_life(j, setup, meta, why);
}

int ic_journal_open(const struct ic_journal_setup *setup, struct ic_journal **out,
                    struct ic_journal_meta *meta, char *why)
{
    *out = NULL;
    *meta = (struct ic_journal_meta){0};
    struct ic_journal *j = ic_calloc(1, sizeof *j);
    if (j == NULL) {
        ic_journal_say(why, "journal: out of memory");
        return IC_ENOMEM;
    }
    ic_journal_queue_init(&j->queue);
    j->lock_fd = -1;
    j->safe.fd = -1;
    j->appendfsync = setup->appendfsync;
    j->map_bytes = setup->map_bytes;
    j->memory_only = setup->dir == NULL || setup->dir[0] == '\0';
    if (j->memory_only) {
        struct stored_meta m = {0};
        set_pool(&m, setup);
        meta->pool = pool_of(&m);
        meta->epoch = ic_epoch_first(ic_clock_wall_ms());
        meta->fresh = true;
        ic_random_fill(meta->secret, sizeof meta->secret);
        *out = j;
        return 0;
    }
    int result = open_file(j, setup, meta, why);
    if (result >= 0) {
        result = ic_journal_sync_new(j->path, &j->sync);
        if (result < 0) {
            ic_journal_say(why, "journal %s: cannot start its fsync thread: %s", j->path,
                           ic_error_text(result));
        }
    }
    if (result < 0) {
        ic_journal_close(j);
        return result;
    }
    *out = j;
    return 0;
}

/* Takes FLAGS off the meta record, and makes its epoch at least EPOCH; *NOW: what it is. */
static int change_meta(struct ic_journal *j, uint32_t flags, uint32_t epoch, uint32_t *now)
{
    MDB_txn *txn;
    struct stored_meta m;
    int rc = j->env == NULL ? EIO : mdb_txn_begin(j->env, NULL, 0, &txn);
    if (rc != 0) {
        return rc;
    }
    rc = get_meta(txn, j->meta, "meta", &m, sizeof m);
    if (rc == 0) {
        m.flags &= ~flags;
        m.epoch = m.epoch < epoch ? epoch : m.epoch;
        *now = m.epoch;
        rc = ic_journal_put_meta(txn, j->meta, "meta", &m, sizeof m);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

int ic_journal_rebuilt(struct ic_journal *j)
{
    uint32_t epoch;
    if (j->memory_only) {
        return 0;
    }
    int rc = change_meta(j, META_REBUILDING, 0, &epoch);
    return rc != 0 || ic_journal_make_durable(j) != 0 ? IC_EIO : 0;
}

int ic_journal_raise_epoch(struct ic_journal *j, uint32_t seen, uint32_t *epoch)
{
    if (seen >= IC_EPOCH_MAX) {
        return IC_ERANGE;
    }
    if (j->memory_only) {
        *epoch = *epoch > seen ? *epoch : seen + 1;
        return 0;
    }
    int rc = change_meta(j, 0, seen + 1, epoch);
    return rc != 0 || ic_journal_make_durable(j) != 0 ? IC_EIO : 0;
}

static void mark_closed(struct ic_journal *j)
{
    uint32_t epoch;
    if (change_meta(j, META_CRASHED, 0, &epoch) == 0 && mdb_env_sync(j->env, 1) == 0) {
        ic_journal_safe_remove(&j->safe); /* all is on the disk */
    }
}

void ic_journal_close(struct ic_journal *j)
{
    if (j == NULL) {
        return;
    }
    bool opened = j->sync != NULL;
    int result = opened ? ic_journal_commit(j) : 0;
    ic_journal_sync_free(j->sync);
    if (j->env != NULL && opened && result >= 0) {
        mark_closed(j);
    }
    ic_journal_close_environment(j);
    if (j->safe.fd >= 0) {
        close(j->safe.fd);
    }
    if (j->lock_fd >= 0) {
        close(j->lock_fd);
    }
    ic_journal_queue_deinit(&j->queue);
    ic_free(j);
}
