#include "base/log.h"
#include "proxy/journal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How large the file is. A commit writes a dozen pages, and those it takes the place of may not be
 * used again before the next state is on the disk: what is there, LIVE, lies among what was left.
 *
 *     [ LIVE | left by the commits since the fsync before the last | free ]
 *
 *     many commits    fsync on the thread, and what was left is free: the file grows no further
 *     map full        the same, waited for; twice the map if LIVE is over half of it
 *     at the start    less than half is LIVE: a copy without the rest takes the file's place
 */

enum { COMPACT_BYTES_MIN = 4 << 20 }; /* a smaller file stays as it is */

/* Pages of all databases. An LMDB code. */
static int read_live(struct ic_journal *j, uint64_t *bytes)
{
    const MDB_dbi all[] = {j->meta, j->objects, j->entries, j->ledger};
    MDB_txn *txn;
    int rc = mdb_txn_begin(j->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        return rc;
    }
    *bytes = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && rc == 0; i++) {
        MDB_stat s = {0};
        rc = mdb_stat(txn, all[i], &s);
        *bytes += (s.ms_branch_pages + s.ms_leaf_pages + s.ms_overflow_pages) * s.ms_psize;
    }
    mdb_txn_abort(txn);
    return rc;
}

/* No reader may be there while the map moves, so a new state is pinned afterwards. */
static int enlarge(struct ic_journal *j, size_t map_bytes)
{
    ic_journal_safe_unpin(&j->safe);
    int rc = mdb_env_set_mapsize(j->env, map_bytes);
    return rc == 0 ? ic_journal_make_durable(j) : rc;
}

int ic_journal_make_room(struct ic_journal *j)
{
    MDB_envinfo info;
    uint64_t live;
    bool waited = j->made_room_at == j->stats.commits + 1;
    j->made_room_at = j->stats.commits + 1;
    int rc = ic_journal_make_durable(j);
    if (rc == 0) {
        rc = mdb_env_info(j->env, &info);
    }
    if (rc == 0) {
        rc = read_live(j, &live);
    }
    if (rc != 0 || (live < info.me_mapsize / 2 && !waited)) {
        return rc;
    }
    return enlarge(j, info.me_mapsize * 2);
}

/* The directory's entry is on the disk. An errno. */
static int sync_folder(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    int fd = open(folder[0] == '\0' ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    int error = fsync(fd) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* A copy takes the file's place. What journal.safe says is of the old one, so that goes first: all
 * of the old one is on the disk then, and of the new one before it has the name. */
static int replace_by_copy(struct ic_journal *j)
{
    char copy[PATH_MAX + 16];
    snprintf(copy, sizeof copy, "%s.compact", j->path);
    unlink(copy); /* of a start that did not come to its end */
    int rc = mdb_env_sync(j->env, 1);
    if (rc == 0) {
        ic_journal_safe_remove(&j->safe);
        rc = ic_journal_copy(j, copy);
    }
    if (rc != 0) {
        return rc;
    }
    ic_journal_close_environment(j);
    if (rename(copy, j->path) < 0) {
        rc = errno;
        unlink(copy);
        return rc;
    }
    return sync_folder(j->path);
}

int ic_journal_compact(struct ic_journal *j)
{
    struct stat file;
    uint64_t live;
    int rc = read_live(j, &live);
    if (rc != 0 || stat(j->path, &file) < 0) {
        return rc;
    }
    uint64_t bytes = (uint64_t)file.st_size;
    if (bytes < COMPACT_BYTES_MIN || live >= bytes / 2) {
        return 0;
    }
    rc = replace_by_copy(j);
    if (rc != 0) {
        char why[IC_JOURNAL_WHY_MAX], quoted[IC_JOURNAL_WHY_MAX];
        (void)ic_journal_explain(j, rc, why);
        ic_log(IC_LOG_WARNING, "journal-not-compacted", "bytes=%llu live=%llu error=%s",
               (unsigned long long)bytes, (unsigned long long)live,
               ic_log_quote(quoted, sizeof quoted, ic_slice_str(why)));
    }
    return j->env == NULL ? ic_journal_open_environment(j) : 0;
}
