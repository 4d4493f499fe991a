#define _GNU_SOURCE /* pipe2 */
#include "proxy/journal_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * LMDB believes its pages: one that was damaged can lead it out of its map or round in circles. So
 * a child goes first, and whatever ends it is told apart by its status.
 *
 *     verify --fork--> child: restore, open, every record, every free page --> 0 | DAMAGED | signal
 */

enum {
    CPU_SECONDS = 120, /* reading takes about a second per million records: more is a circle */
    DAMAGED = 1,       /* exit status of the child */
    NAMES_MAX = 1000,  /* journals set aside within a second */
};

/* ---- the child -------------------------------------------------------------- */

static int any_object(void *ctx, const struct ic_journal_object *o)
{
    (void)ctx;
    (void)o;
    return 0;
}

static int any_entry(void *ctx, const struct ic_journal_entry *e)
{
    (void)ctx;
    (void)e;
    return 0;
}

/* VALUE lists free pages as LMDB keeps them: how many, then their numbers, falling. */
static bool free_pages_fit(const MDB_val *value, size_t last_page)
{
    size_t count, page, before = last_page + 1;
    if (value->mv_size < sizeof count) {
        return false;
    }
    memcpy(&count, value->mv_data, sizeof count);
    if (count >= value->mv_size / sizeof count) {
        return false;
    }
    for (size_t i = 1; i <= count; i++) {
        memcpy(&page, (const uint8_t *)value->mv_data + i * sizeof page, sizeof page);
        if (page < 2 || page >= before) {
            return false;
        }
        before = page;
    }
    return true;
}

static bool free_list_fits(const struct ic_journal *j)
{
    MDB_envinfo info;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    if (mdb_env_info(j->env, &info) != 0 || mdb_txn_begin(j->env, NULL, MDB_RDONLY, &txn) != 0) {
        return true; /* no judgement */
    }
    const MDB_dbi free_list = 0;
    int rc = mdb_cursor_open(txn, free_list, &cursor);
    while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        if (!free_pages_fit(&value, info.me_last_pgno)) {
            return false; /* the process ends with this */
        }
    }
    return rc == MDB_NOTFOUND;
}

/* A page was to be written beyond where any file ends, and no limit of ours is in the way. */
static bool is_beyond(int rc)
{
    struct rlimit size;
    return rc == EFBIG && getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur == RLIM_INFINITY;
}

/* Exit status; WHY if it is DAMAGED. */
static int read_all(struct ic_journal *j, char *why)
{
    static const struct ic_journal_loader loader = {.object = any_object, .entry = any_entry};
    if (ic_journal_lock(j, why) < 0) {
        return 0;
    }
    ic_journal_safe_init(&j->safe, j->path);
    int rc = ic_journal_safe_restore(&j->safe, j->path);
    if (rc == 0) {
        rc = ic_journal_open_environment(j);
    }
    if (is_beyond(rc)) {
        rc = MDB_CORRUPTED;
    }
    if (rc != 0) {
        return ic_journal_explain(j, rc, why) == IC_ECORRUPT ? DAMAGED : 0;
    }
    if (ic_journal_load(j, &loader, NULL, why) == IC_ECORRUPT) {
        return DAMAGED;
    }
    if (!free_list_fits(j)) {
        ic_journal_say(why, "journal %s is damaged: list of free pages", j->path);
        return DAMAGED;
    }
    return 0;
}

static _Noreturn void run_child(struct ic_journal *j, int out)
{
    static const int ends[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU, SIGTERM, SIGINT};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        signal(ends[i], SIG_DFL); /* whatever the parent does with them */
    }
    char why[IC_JOURNAL_WHY_MAX] = "";
    struct rlimit cpu = {.rlim_cur = CPU_SECONDS, .rlim_max = CPU_SECONDS}, core = {0};
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &core);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC); /* LMDB's last words */
    if (nowhere >= 0) {
        dup2(nowhere, STDERR_FILENO);
    }
    int status = read_all(j, why);
    ssize_t written = write(out, why, strlen(why));
    (void)written; /* then the status alone must tell */
    _exit(status);
}

/* ---- the parent ------------------------------------------------------------- */

/* What the child wrote, and how it ended. */
static int wait_for(pid_t child, int in, char *why)
{
    int status = 0;
    size_t used = 0;
    ssize_t len;
    while (used < IC_JOURNAL_WHY_MAX - 1 &&
           ((len = read(in, why + used, IC_JOURNAL_WHY_MAX - 1 - used)) > 0 ||
            (len < 0 && errno == EINTR))) {
        used += len > 0 ? (size_t)len : 0;
    }
    why[used] = '\0';
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

int ic_journal_verify(const struct ic_journal_setup *setup, char *why)
{
    int ends[2];
    struct ic_journal j = {.lock_fd = -1, .safe = {.fd = -1}, .appendfsync = setup->appendfsync};
    int result = ic_journal_name(&j, setup->dir, why);
    if (result < 0 || access(j.path, F_OK) < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        return result;
    }
    pid_t child = fork();
    if (child == 0) {
        run_child(&j, ends[1]);
    }
    close(ends[1]);
    int status = child < 0 ? 0 : wait_for(child, ends[0], why);
    close(ends[0]);
    if (WIFSIGNALED(status)) {
        ic_journal_say(why, "journal %s is damaged: reading it fails (signal %d)", j.path,
                       WTERMSIG(status));
    }
    return WIFSIGNALED(status) || WEXITSTATUS(status) == DAMAGED ? IC_ECORRUPT : 0;
}

/* ---- out of the way --------------------------------------------------------- */

/* FROM gets a name of its own, TO; also without it, if MUST is false. */
static bool move(const char *from, const char *to, bool must)
{
    return rename(from, to) == 0 || (errno == ENOENT && !must);
}

void ic_journal_aside_name(const struct ic_journal *j, char *name, size_t size)
{
    char when[32];
    time_t now = (time_t)(ic_clock_wall_ms() / 1000);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(name, size, "%s.aside-%s", j->path, when);
    for (int i = 2; i < NAMES_MAX && access(name, F_OK) == 0; i++) {
        snprintf(name, size, "%s.aside-%s-%d", j->path, when, i);
    }
}

int ic_journal_copy(const struct ic_journal *j, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    int rc = mdb_env_copyfd2(j->env, fd, MDB_CP_COMPACT);
    if (rc == 0 && fsync(fd) < 0) {
        rc = errno;
    }
    close(fd);
    if (rc != 0) {
        unlink(path);
    }
    return rc;
}

int ic_journal_set_aside(const char *dir, char *path, char *why)
{
    struct ic_journal j = {.lock_fd = -1, .safe = {.fd = -1}};
    int result = ic_journal_name(&j, dir, why);
    if (result < 0) {
        return result;
    }
    ic_journal_safe_init(&j.safe, j.path);
    char name[PATH_MAX + 64], safe_name[PATH_MAX + 72];
    ic_journal_aside_name(&j, name, sizeof name);
    snprintf(safe_name, sizeof safe_name, "%s.safe", name);
    /* The copy first: alone it would be taken for one of the journal to come. */
    if (!move(j.safe.path, safe_name, false) || !move(j.path, name, true)) {
        ic_journal_say(why, "cannot rename %s: %s", j.path, strerror(errno));
        return IC_EIO;
    }
    ic_journal_say(path, "%s", name);
    return 0;
}
