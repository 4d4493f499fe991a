#include "base/log.h"
#include "proxy/journal_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/*
 *     RC of LMDB or the system --short write? then its errno--> cause --> text, code, counter
 *
 * LMDB tells a write that ended short, as on a disk that is filling up, as EIO.
 */

void ic_journal_say(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, IC_JOURNAL_WHY_MAX, format, args);
    va_end(args);
}

/* The errno behind RC; RC if it is LMDB's own. */
static int errno_of(const struct ic_journal *j, int rc)
{
    mdb_filehandle_t fd;
    bool hidden = rc == EIO && j->env != NULL && mdb_env_get_fd(j->env, &fd) == 0;
    return hidden ? ic_disk_short_write(fd) : rc;
}

static int code_of(int error)
{
    switch (ic_disk_cause(error)) {
    case IC_DISK_FULL:
    case IC_DISK_QUOTA:
    case IC_DISK_FILE_SIZE:
        return IC_ENOSPC;
    case IC_DISK_MISSING:
        return IC_ENOENT;
    default:
        return error == ENOMEM ? IC_ENOMEM : IC_EIO;
    }
}

int ic_journal_explain_file(const char *path, int error, char *why)
{
    char text[IC_DISK_WHY_MAX];
    ic_journal_say(why, "journal %s", ic_disk_explain(path, error, text));
    return code_of(error);
}

int ic_journal_explain(const struct ic_journal *j, int rc, char *why)
{
    int error = errno_of(j, rc);
    if (error > 0) {
        return ic_journal_explain_file(j->path, error, why);
    }
    switch (error) {
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        ic_journal_say(why, "journal %s is not a journal of this program, or damaged", j->path);
        return IC_ECORRUPT;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_INCOMPATIBLE:
    case MDB_NOTFOUND:
        ic_journal_say(why, "journal %s is damaged: %s", j->path, mdb_strerror(error));
        return IC_ECORRUPT;
    default:
        ic_journal_say(why, "journal %s: %s", j->path, mdb_strerror(error));
        return IC_EIO;
    }
}

int ic_journal_fail(struct ic_journal *j, int rc)
{
    int error = errno_of(j, rc);
    enum ic_disk_cause cause = error > 0 ? ic_disk_cause(error) : IC_DISK_OTHER;
    if (error > 0) {
        ic_disk_explain(j->path, error, j->failure);
    } else {
        ic_journal_say(j->failure, "%s: %s", j->path, mdb_strerror(error));
    }
    if (!j->failed || cause != j->cause) {
        char text[IC_JOURNAL_WHY_MAX];
        ic_log(IC_LOG_ERROR, "journal-failed", "cause=%s error=%s", ic_disk_cause_name(cause),
               ic_log_quote(text, sizeof text, ic_slice_str(j->failure)));
    }
    j->failed = true;
    j->cause = cause;
    j->stats.failures[cause]++;
    return IC_EIO;
}

void ic_journal_recover(struct ic_journal *j)
{
    if (j->failed) {
        ic_log(IC_LOG_INFO, "journal-recovered", "cause=%s failures=%llu free_bytes=%llu",
               ic_disk_cause_name(j->cause), (unsigned long long)j->stats.failures[j->cause],
               (unsigned long long)ic_disk_free(j->path));
    }
    j->failed = false;
    j->failure[0] = '\0';
}
