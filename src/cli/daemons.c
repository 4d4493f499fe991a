#define _GNU_SOURCE /* pipe2 */
#include "cli/daemons.h"

#include "base/clock.h"
#include "cli/place.h"
#include "cli/settings.h"
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOG_TAIL_BYTES = 2048,
    LOG_TAIL_LINES = 6,
    POLL_MS = 20,
    PATH_BYTES = IC_PLACE_MAX + 64,
};

const char *const ic_daemon_name[IC_DAEMONS] = {"platform", "proxy"};

int ic_daemons_ready_fd(void)
{
    const char *text = getenv(IC_READY_FD_VARIABLE);
    int fd = text == NULL ? -1 : atoi(text);
    unsetenv(IC_READY_FD_VARIABLE);
    return fd <= STDERR_FILENO || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
}

void ic_daemons_look(struct ic_daemons *d, const char *dir)
{
    for (int i = 0; i < IC_DAEMONS; i++) {
        d->process[i] = ic_process_of_file(dir, ic_daemon_name[i]);
        if (d->process[i].pid == 0) {
            d->process[i] = ic_process_of_log(dir, ic_daemon_name[i]);
        }
    }
}

/* ---- the reason in the log -------------------------------------------------- */

static off_t log_length(const char *dir, const char *name)
{
    char path[PATH_BYTES];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s.log", dir, name);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* The last lines that NAME's log got after byte FROM, indented, into OUT. */
static void log_tail(const char *dir, const char *name, off_t from, char *out, size_t out_size)
{
    char path[PATH_BYTES], text[LOG_TAIL_BYTES + 1];
    snprintf(path, sizeof path, "%s/%s.log", dir, name);
    out[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    off_t end = lseek(fd, 0, SEEK_END);
    if (end - from > LOG_TAIL_BYTES) {
        from = end - LOG_TAIL_BYTES;
    }
    ssize_t len = pread(fd, text, LOG_TAIL_BYTES, from);
    close(fd);
    text[len < 0 ? 0 : len] = '\0';
    const char *at = text + strlen(text);
    int lines = 0;
    while (at > text && lines < LOG_TAIL_LINES) {
        at--;
        lines += at > text && at[-1] == '\n';
    }
    size_t used = 0;
    while (*at != '\0' && used < out_size) {
        int line = (int)strcspn(at, "\n");
        used += (size_t)snprintf(out + used, out_size - used, "\n    %.*s", line, at);
        at += line + (at[line] == '\n');
    }
}

static void explain_exit(const struct ic_process *p, const char *name, char *out, size_t out_size)
{
    int status = 0;
    if (waitpid(p->pid, &status, WNOHANG) != p->pid) {
        snprintf(out, out_size, "the %s ended at once", name);
    } else if (WIFSIGNALED(status)) {
        snprintf(out, out_size, "the %s was killed by signal %d", name, WTERMSIG(status));
    } else {
        snprintf(out, out_size, "the %s ended with status %d", name, WEXITSTATUS(status));
    }
}

/* ---- start ------------------------------------------------------------------ */

/*
 * Has the daemon said that it serves? Waits POLL_MS at most. A word of its own, since on its port
 * another may answer: "ready" or, of a proxy, "loading", then its note (ic_proxy_run).
 */
static bool serves(struct ic_daemons *d, int ready_fd)
{
    struct pollfd p = {.fd = ready_fd, .events = POLLIN};
    char text[sizeof d->note + 16];
    ssize_t len = poll(&p, 1, POLL_MS) == 1 ? read(ready_fd, text, sizeof text - 1) : 0;
    if (len <= 0) {
        return false;
    }
    text[len] = '\0';
    const char *note = strchr(text, '\n');
    d->loading = text[0] == 'l';
    snprintf(d->note, sizeof d->note, "%s", note == NULL ? "" : note + 1);
    return true;
}

static int wait_until_serving(struct ic_daemons *d, enum ic_daemon_kind kind, int ready_fd,
                              uint64_t end_ms, char *why)
{
    const struct ic_process *p = &d->process[kind];
    const char *name = ic_daemon_name[kind];
    while (!serves(d, ready_fd)) {
        if (!ic_process_alive(p)) {
            explain_exit(p, name, why, IC_DAEMONS_WHY_MAX);
            return IC_EIO;
        }
        if (ic_signals_arrived()) {
            snprintf(why, IC_DAEMONS_WHY_MAX, "interrupted while the %s started", name);
            return IC_ECANCELED;
        }
        if (ic_clock_mono_ms() > end_ms) {
            snprintf(why, IC_DAEMONS_WHY_MAX, "the %s did not serve in time", name);
            return IC_ETIMEOUT;
        }
    }
    return 0;
}

/* Runs the program; *READY is a pipe's end to read from. */
static int launch(enum ic_daemon_kind kind, const struct ic_config *c, struct ic_process *p,
                  int *ready, char *why)
{
    char self[IC_PLACE_MAX], number[16];
    int ends[2];
    int result = ic_place_self(self, why);
    if (result < 0) {
        return result;
    }
    if (pipe2(ends, O_CLOEXEC) < 0) {
        snprintf(why, IC_DAEMONS_WHY_MAX, "cannot make a pipe: %s", strerror(errno));
        return IC_EIO;
    }
    bool proxy = kind == IC_DAEMON_PROXY;
    char **words =
        ic_settings_arguments(c, proxy ? IC_SCOPE_P : IC_SCOPE_L, self, ic_daemon_name[kind]);
    struct ic_daemon daemon = {
        .dir = c->dir,
        .name = ic_daemon_name[kind],
        .argv = words,
        .environment_less = proxy ? NULL : "INFINICACHE_PASSWORD",
        .ready_fd = ends[1],
    };
    snprintf(number, sizeof number, "%d", ends[1]);
    setenv(IC_READY_FD_VARIABLE, number, 1);
    result = ic_process_start(&daemon, p, why);
    unsetenv(IC_READY_FD_VARIABLE);
    ic_settings_free_arguments(words);
    close(ends[1]);
    *ready = ends[0];
    return result;
}

int ic_daemons_start(struct ic_daemons *d, enum ic_daemon_kind kind, const struct ic_config *c,
                     uint64_t end_ms, char *why)
{
    const char *name = ic_daemon_name[kind];
    off_t log_from = log_length(c->dir, name);
    int ready = -1;
    int result = launch(kind, c, &d->process[kind], &ready, why);
    if (result == 0) {
        result = wait_until_serving(d, kind, ready, end_ms, why);
    }
    if (ready >= 0) {
        close(ready);
    }
    if (result < 0) {
        size_t used = strlen(why);
        log_tail(c->dir, name, log_from, why + used, IC_DAEMONS_WHY_MAX - used);
    }
    return result;
}

/* ---- end -------------------------------------------------------------------- */

int ic_daemons_end(const struct ic_daemons *d, const char *dir)
{
    char path[PATH_BYTES];
    int result = 0;
    for (int i = IC_DAEMONS - 1; i >= 0; i--) {
        if (d->process[i].pid == 0) {
            continue;
        }
        int ended = ic_process_end(&d->process[i], IC_DAEMONS_GRACE_MS);
        if (ended < 0) {
            result = ended;
            continue;
        }
        snprintf(path, sizeof path, "%s/%s.pid", dir, ic_daemon_name[i]);
        unlink(path);
    }
    if (d->process[IC_DAEMON_PLATFORM].pid != 0) {
        int killed = ic_daemons_kill_instances(dir);
        result = killed < 0 ? killed : result;
    }
    return result;
}

int ic_daemons_kill_instances(const char *dir)
{
    char path[PATH_BYTES]; /* where the platform unpacks the functions' code */
    snprintf(path, sizeof path, "%s/code", dir);
    return ic_process_kill_instances(path);
}

int ic_daemons_lock(const char *dir, uint64_t wait_ms, char *why)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        snprintf(why, IC_DAEMONS_WHY_MAX, "cannot write %.2000s: %s", path, strerror(errno));
        return IC_EIO;
    }
    uint64_t end_ms = ic_clock_mono_ms() + wait_ms;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (ic_clock_mono_ms() > end_ms || ic_signals_arrived()) {
            close(fd);
            snprintf(why, IC_DAEMONS_WHY_MAX, "another `infinicache up` or `down` works on %s",
                     dir);
            return IC_EBUSY;
        }
        ic_process_pause();
    }
    return fd;
}
