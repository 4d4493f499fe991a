#include "proxy/journal.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/random.h"
#include "proxy/journal_record.h"
#include "proxy/journal_sync.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FORMAT = 1,
    EPOCH_MAX = (1 << 24) - 1, /* the high 24 bits of an object id */
    DATABASES = 3,
    MAP_BYTES_MIN = 64 << 20, /* grown by doubling; address space, not memory or disk */
    GROW_TRIES = 20,          /* 64 MiB << 20 is more than any disk */
};

enum op { OP_PUT_OBJECT, OP_DELETE_OBJECT, OP_PUT_ENTRY, OP_DELETE_ENTRY, OP_FLUSH };

struct op_header { /* in the queue, followed by LEN bytes of record */
    uint64_t id;
    uint32_t len;
    uint32_t op;
};

struct ic_journal {
    char path[PATH_MAX], lock_path[PATH_MAX];
    int lock_fd;
    MDB_env *env; /* NULL: nothing is kept, or (while FAILED) the file could not be opened again */
    MDB_dbi meta, objects, entries;
    bool memory_only;
    bool failed;
    bool unsynced; /* commits since the last fsync */
    int appendfsync;
    uint32_t functions;
    char failure[IC_JOURNAL_WHY_MAX];
    struct ic_buf queue; /* op_header, record, op_header, ... */
    uint64_t applied;    /* records of the last transaction */
    struct ic_journal_sync *sync;
    uint64_t synced_ms;
    struct ic_journal_stats stats;
};

/* WHY has IC_JOURNAL_WHY_MAX bytes; a text that is longer is cut. */
__attribute__((format(printf, 2, 3))) static void say(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, IC_JOURNAL_WHY_MAX, format, args);
    va_end(args);
}

/* ---- opening ---------------------------------------------------------------- */

/* WHY and the code for what LMDB or the system said of the journal's file. */
static int explain(const struct ic_journal *j, int rc, char *why)
{
    say(why, "journal %s: %s", j->path, mdb_strerror(rc));
    switch (rc) {
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        say(why, "journal %s is not a journal of this program, or damaged", j->path);
        return IC_ECORRUPT;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_INCOMPATIBLE:
    case MDB_NOTFOUND:
        say(why, "journal %s is damaged: %s", j->path, mdb_strerror(rc));
        return IC_ECORRUPT;
    case ENOENT:
        return IC_ENOENT;
    case ENOSPC:
        return IC_ENOSPC;
    case ENOMEM:
        return IC_ENOMEM;
    default:
        return IC_EIO;
    }
}

static unsigned sync_flag(int appendfsync)
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
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int open_environment(struct ic_journal *j)
{
    struct stat file;
    size_t map = MAP_BYTES_MIN;
    if (stat(j->path, &file) == 0) {
        while (map / 2 < (size_t)file.st_size) {
            map *= 2;
        }
    }
    int rc = mdb_env_create(&j->env);
    if (rc != 0) {
        j->env = NULL;
        return rc;
    }
    mdb_env_set_maxdbs(j->env, DATABASES);
    mdb_env_set_mapsize(j->env, map);
    /* Its own lock file is not needed: only this process has it (lock_fd), and reads at start. */
    rc = mdb_env_open(j->env, j->path,
                      MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | sync_flag(j->appendfsync), 0600);
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

static int take_lock(struct ic_journal *j, char *why)
{
    j->lock_fd = open(j->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->lock_fd < 0) {
        int error = errno;
        say(why, "cannot open %s: %s", j->lock_path, strerror(error));
        return error == ENOENT ? IC_ENOENT : error == ENOSPC ? IC_ENOSPC : IC_EIO;
    }
    if (flock(j->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        say(why, "journal %s is in use by another process", j->path);
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

static int put_meta(MDB_txn *txn, MDB_dbi dbi, const char *name, const void *data, size_t len)
{
    MDB_val key = text_val(name);
    MDB_val value = {.mv_size = len, .mv_data = (void *)(uintptr_t)data};
    return mdb_put(txn, dbi, &key, &value, 0);
}

struct stored_meta {
    uint32_t format, epoch, functions, crashed;
    uint64_t memory;
    uint8_t secret[IC_JOURNAL_SECRET_LEN];
    char prefix[128];
};

/* Compares with what was stored and makes M what is to be stored. < 0: WHY. */
static int check_meta(struct ic_journal *j, const struct ic_journal_setup *setup,
                      struct stored_meta *m, char *why)
{
    if (m->format != FORMAT) {
        say(why, "journal %s has format %u, this program reads format %d", j->path, m->format,
            FORMAT);
        return IC_ECORRUPT;
    }
    m->prefix[sizeof m->prefix - 1] = '\0';
    if (strcmp(m->prefix, setup->prefix) != 0) {
        say(why, "journal %s is of the pool '%s', function-prefix is now '%s'", j->path, m->prefix,
            setup->prefix);
        return IC_EINVAL;
    }
    if (setup->functions < m->functions) {
        say(why, "journal %s is of a pool of %u functions, now there are %u", j->path, m->functions,
            setup->functions);
        return IC_EINVAL;
    }
    if (m->epoch >= EPOCH_MAX) {
        say(why, "journal %s: no epoch is left", j->path);
        return IC_ERANGE;
    }
    return 0;
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
        m.format = FORMAT;
        snprintf(m.prefix, sizeof m.prefix, "%s", setup->prefix);
        ic_random_fill(m.secret, sizeof m.secret);
    } else if (rc != 0) {
        return rc;
    }
    *result = check_meta(j, setup, &m, why);
    if (*result < 0) {
        return 0;
    }
    out->crashed = m.crashed != 0;
    out->epoch = ++m.epoch;
    memcpy(out->secret, m.secret, sizeof out->secret);
    m.functions = setup->functions;
    m.memory = setup->memory;
    m.crashed = 1;
    return put_meta(txn, j->meta, "meta", &m, sizeof m);
}

static int raise_epoch(struct ic_journal *j, const struct ic_journal_setup *setup,
                       struct ic_journal_meta *meta, char *why)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(j->env, NULL, 0, &txn);
    if (rc != 0) {
        return explain(j, rc, why);
    }
    int result = 0;
    rc = meta_transaction(j, txn, setup, meta, &result, why);
    if (rc != 0 || result < 0) {
        mdb_txn_abort(txn);
        return result < 0 ? result : explain(j, rc, why);
    }
    rc = mdb_txn_commit(txn);
    if (rc == 0) {
        rc = mdb_env_sync(j->env, 1);
    }
    return rc == 0 ? 0 : explain(j, rc, why);
}

static int open_file(struct ic_journal *j, const struct ic_journal_setup *setup,
                     struct ic_journal_meta *meta, char *why)
{
    if ((size_t)snprintf(j->path, sizeof j->path, "%s/journal.lmdb", setup->dir) >=
            sizeof j->path ||
        (size_t)snprintf(j->lock_path, sizeof j->lock_path, "%s/journal.lock", setup->dir) >=
            sizeof j->lock_path) {
        say(why, "dir is too long for a path");
        return IC_EINVAL;
    }
    int result = take_lock(j, why);
    if (result < 0) {
        return result;
    }
    int rc = open_environment(j);
    if (rc != 0) {
        return explain(j, rc, why);
    }
    return raise_epoch(j, setup, meta, why);
}

int ic_journal_open(const struct ic_journal_setup *setup, struct ic_journal **out,
                    struct ic_journal_meta *meta, char *why)
{
    *out = NULL;
    *meta = (struct ic_journal_meta){0};
    struct ic_journal *j = ic_calloc(1, sizeof *j);
    if (j == NULL) {
        say(why, "journal: out of memory");
        return IC_ENOMEM;
    }
    ic_buf_init(&j->queue);
    j->lock_fd = -1;
    j->appendfsync = setup->appendfsync;
    j->functions = setup->functions;
    j->memory_only = setup->dir == NULL || setup->dir[0] == '\0';
    if (j->memory_only) {
        meta->epoch = 1;
        meta->fresh = true;
        ic_random_fill(meta->secret, sizeof meta->secret);
        *out = j;
        return 0;
    }
    int result = open_file(j, setup, meta, why);
    if (result >= 0) {
        result = ic_journal_sync_new(j->path, &j->sync);
        if (result < 0) {
            say(why, "journal %s: cannot start its fsync thread: %s", j->path,
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

static void mark_closed(struct ic_journal *j)
{
    MDB_txn *txn;
    struct stored_meta m;
    if (mdb_txn_begin(j->env, NULL, 0, &txn) != 0) {
        return;
    }
    if (get_meta(txn, j->meta, "meta", &m, sizeof m) != 0) {
        mdb_txn_abort(txn);
        return;
    }
    m.crashed = 0;
    if (put_meta(txn, j->meta, "meta", &m, sizeof m) != 0) {
        mdb_txn_abort(txn);
        return;
    }
    if (mdb_txn_commit(txn) == 0) {
        mdb_env_sync(j->env, 1);
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
    if (j->env != NULL) {
        if (opened && result >= 0) {
            mark_closed(j);
        }
        mdb_env_close(j->env);
    }
    if (j->lock_fd >= 0) {
        close(j->lock_fd);
    }
    ic_buf_deinit(&j->queue);
    ic_free(j);
}

/* ---- records ---------------------------------------------------------------- */

static int queue(struct ic_journal *j, enum op op, uint64_t id, struct ic_slice record)
{
    if (j->memory_only) {
        return 0;
    }
    assert(record.len <= UINT32_MAX);
    struct op_header header = {.id = id, .len = (uint32_t)record.len, .op = op};
    int result = ic_buf_reserve(&j->queue, sizeof header + record.len);
    if (result < 0) {
        return result;
    }
    result = ic_buf_append(&j->queue, &header, sizeof header);
    assert(result >= 0);
    result = ic_buf_append_slice(&j->queue, record);
    assert(result >= 0);
    return 0;
}

int ic_journal_put_object(struct ic_journal *j, const struct ic_journal_object *o)
{
    struct ic_buf record;
    ic_buf_init(&record);
    int result = ic_journal_encode_object(&record, o);
    if (result >= 0) {
        result = queue(j, OP_PUT_OBJECT, o->id, ic_buf_slice(&record));
    }
    ic_buf_deinit(&record);
    return result;
}

int ic_journal_delete_object(struct ic_journal *j, uint64_t id)
{
    return queue(j, OP_DELETE_OBJECT, id, ic_slice(NULL, 0));
}

int ic_journal_put_entry(struct ic_journal *j, const struct ic_journal_entry *e)
{
    struct ic_buf record;
    ic_buf_init(&record);
    int result = ic_journal_encode_entry(&record, e);
    if (result >= 0) {
        result = queue(j, OP_PUT_ENTRY, e->id, ic_buf_slice(&record));
    }
    ic_buf_deinit(&record);
    return result;
}

int ic_journal_delete_entry(struct ic_journal *j, uint64_t id)
{
    return queue(j, OP_DELETE_ENTRY, id, ic_slice(NULL, 0));
}

int ic_journal_flush(struct ic_journal *j)
{
    return queue(j, OP_FLUSH, 0, ic_slice(NULL, 0));
}

size_t ic_journal_mark(const struct ic_journal *j)
{
    return j->queue.len;
}

void ic_journal_rewind(struct ic_journal *j, size_t mark)
{
    assert(mark <= j->queue.len);
    j->queue.len = mark;
}

/* ---- committing ------------------------------------------------------------- */

static int apply_one(struct ic_journal *j, MDB_txn *txn, const struct op_header *op,
                     const uint8_t *record)
{
    size_t id = (size_t)op->id;
    MDB_val key = {.mv_size = sizeof id, .mv_data = &id};
    MDB_val value = {.mv_size = op->len, .mv_data = (void *)(uintptr_t)record};
    int rc = 0;
    switch ((enum op)op->op) {
    case OP_PUT_OBJECT:
        return mdb_put(txn, j->objects, &key, &value, 0);
    case OP_PUT_ENTRY:
        return mdb_put(txn, j->entries, &key, &value, 0);
    case OP_DELETE_OBJECT:
        rc = mdb_del(txn, j->objects, &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    case OP_DELETE_ENTRY:
        rc = mdb_del(txn, j->entries, &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    case OP_FLUSH:
        rc = mdb_drop(txn, j->objects, 0);
        return rc == 0 ? mdb_drop(txn, j->entries, 0) : rc;
    }
    assert(false); /* the queue is ours */
    return EINVAL;
}

static int apply_queue(struct ic_journal *j, MDB_txn *txn)
{
    const uint8_t *at = j->queue.data, *end = at + j->queue.len;
    j->applied = 0;
    while (at < end) {
        struct op_header op;
        memcpy(&op, at, sizeof op);
        at += sizeof op;
        int rc = apply_one(j, txn, &op, at);
        if (rc != 0) {
            return rc;
        }
        at += op.len;
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
    if (j->env != NULL) {
        mdb_env_close(j->env);
        j->env = NULL;
    }
    rc = open_environment(j);
    return rc == 0 ? mdb_txn_begin(j->env, NULL, 0, txn) : rc;
}

static int commit_once(struct ic_journal *j)
{
    MDB_txn *txn;
    int rc = begin(j, &txn);
    if (rc != 0) {
        return rc;
    }
    rc = apply_queue(j, txn);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int commit_growing(struct ic_journal *j)
{
    int rc = commit_once(j);
    for (int i = 0; rc == MDB_MAP_FULL && i < GROW_TRIES; i++) {
        MDB_envinfo info;
        rc = mdb_env_info(j->env, &info);
        if (rc == 0) {
            rc = mdb_env_set_mapsize(j->env, info.me_mapsize * 2);
        }
        if (rc == 0) {
            rc = commit_once(j);
        }
    }
    return rc;
}

static int fail(struct ic_journal *j, int rc)
{
    j->failed = true;
    j->stats.failures++;
    say(j->failure, "%s: %s", j->path, mdb_strerror(rc));
    return IC_EIO;
}

int ic_journal_commit(struct ic_journal *j)
{
    if (j->queue.len == 0) {
        return j->failed ? IC_EIO : 0;
    }
    int rc = commit_growing(j);
    uint64_t records = j->applied;
    /* Bounded in the long run: one turn's changes. A rare large turn gives its memory back. */
    if (j->queue.cap > 1 << 20) {
        ic_buf_deinit(&j->queue);
    }
    j->queue.len = 0;
    if (rc != 0) {
        return fail(j, rc);
    }
    j->stats.commits++;
    j->stats.records += records;
    j->unsynced = j->appendfsync != IC_FSYNC_ALWAYS;
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

int ic_journal_probe(struct ic_journal *j)
{
    if (j->memory_only) {
        return 0;
    }
    /* As large as a turn's usual writes, so that a disk with room for a byte does not pass. */
    static const uint8_t probe[16 << 10];
    MDB_txn *txn;
    int rc = begin(j, &txn);
    if (rc != 0) {
        return fail(j, rc);
    }
    rc = put_meta(txn, j->meta, "probe", probe, sizeof probe);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return fail(j, rc);
    }
    rc = mdb_txn_commit(txn);
    if (rc == 0) {
        rc = mdb_env_sync(j->env, 1);
    }
    if (rc != 0) {
        return fail(j, rc);
    }
    j->failed = false;
    j->unsynced = false;
    return 0;
}

void ic_journal_tick(struct ic_journal *j, uint64_t now_ms)
{
    if (j->sync == NULL) {
        return;
    }
    int error = ic_journal_sync_result(j->sync);
    if (error != 0) {
        j->unsynced = true;
        (void)fail(j, error);
    }
    if (j->appendfsync == IC_FSYNC_EVERYSEC && j->unsynced && now_ms - j->synced_ms >= 1000 &&
        ic_journal_sync_start(j->sync)) {
        j->unsynced = false;
        j->synced_ms = now_ms;
        j->stats.syncs++;
    }
}

void ic_journal_set_appendfsync(struct ic_journal *j, int appendfsync)
{
    j->appendfsync = appendfsync;
    if (j->env != NULL) {
        mdb_env_set_flags(j->env, MDB_NOSYNC, sync_flag(appendfsync) != 0);
        if (appendfsync == IC_FSYNC_ALWAYS && j->unsynced) {
            int rc = mdb_env_sync(j->env, 1);
            if (rc != 0) {
                (void)fail(j, rc);
            }
            j->unsynced = false;
        }
    }
}

/* ---- loading ---------------------------------------------------------------- */

struct load {
    struct ic_journal *j;
    const struct ic_journal_loader *loader;
    void *ctx;
    char *why;
};

static int damaged(const struct load *l, const char *what, uint64_t id)
{
    say(l->why, "journal %s is damaged: record of %s %llu", l->j->path, what,
        (unsigned long long)id);
    return IC_ECORRUPT;
}

static int load_object(const struct load *l, uint64_t id, struct ic_slice record)
{
    struct ic_journal_object o;
    struct ic_journal_place place[IC_JOURNAL_PLACES_MAX];
    if (ic_journal_decode_object(record, id, l->j->functions, &o, place) < 0) {
        return damaged(l, "object", id);
    }
    int result = l->loader->object(l->ctx, &o);
    return result == IC_ECORRUPT ? damaged(l, "object", id) : result;
}

static int load_entry(const struct load *l, uint64_t id, struct ic_slice record)
{
    struct ic_journal_entry e;
    if (ic_journal_decode_entry(record, id, &e) < 0) {
        return damaged(l, "entry", id);
    }
    int result = l->loader->entry(l->ctx, &e);
    return result == IC_ECORRUPT ? damaged(l, "entry", id) : result;
}

static int load_database(const struct load *l, MDB_txn *txn, MDB_dbi dbi,
                         int (*load_one)(const struct load *l, uint64_t id, struct ic_slice record))
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int result = 0;
    int rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc != 0) {
        return explain(l->j, rc, l->why);
    }
    while (result >= 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        size_t id;
        if (key.mv_size != sizeof id) {
            rc = MDB_CORRUPTED;
            break;
        }
        memcpy(&id, key.mv_data, sizeof id);
        result = load_one(l, id, ic_slice(value.mv_data, value.mv_size));
    }
    mdb_cursor_close(cursor);
    if (result >= 0 && rc != MDB_NOTFOUND) {
        result = explain(l->j, rc, l->why);
    }
    return result;
}

int ic_journal_load(struct ic_journal *j, const struct ic_journal_loader *loader, void *ctx,
                    char *why)
{
    if (j->memory_only) {
        return 0;
    }
    struct load l = {.j = j, .loader = loader, .ctx = ctx, .why = why};
    MDB_txn *txn;
    int rc = mdb_txn_begin(j->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        return explain(j, rc, why);
    }
    say(why, "journal %s: out of memory while loading", j->path);
    int result = load_database(&l, txn, j->objects, load_object);
    if (result >= 0) {
        result = load_database(&l, txn, j->entries, load_entry);
    }
    mdb_txn_abort(txn);
    return result < 0 ? result : 0;
}

struct ic_journal_stats ic_journal_stats(const struct ic_journal *j)
{
    struct ic_journal_stats stats = j->stats;
    struct stat file;
    if (!j->memory_only && stat(j->path, &file) == 0) {
        stats.bytes = (uint64_t)file.st_size;
    }
    return stats;
}
