#define _GNU_SOURCE /* pipe2 */
#include "cli/process.h"

#include "base/clock.h"
#include "base/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    POLL_MS = 10,
    KILL_WAIT_MS = 10000, /* a killed process with much memory takes its time to go */
    BOOT_ID_MAX = 64,
    STAT_MAX = 1024,
    PATH_BYTES = 4096,
    PF_EXITING = 4, /* of the kernel's flags in /proc/PID/stat */
};

/* Reads at most SIZE - 1 bytes of PATH and a zero. False: not readable. */
static bool read_small(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, out, size - 1);
    close(fd);
    out[len < 0 ? 0 : len] = '\0';
    return len > 0;
}

static void read_boot_id(char *out)
{
    if (!read_small("/proc/sys/kernel/random/boot_id", out, BOOT_ID_MAX)) {
        strcpy(out, "-");
    }
    out[strcspn(out, "\n")] = '\0';
}

struct ic_process ic_process_look(pid_t pid)
{
    struct ic_process none = {0};
    char path[64], stat[STAT_MAX];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (pid <= 0 || !read_small(path, stat, sizeof stat)) {
        return none;
    }
    char *at = strrchr(stat, ')'); /* the name before it may hold anything */
    char state;
    unsigned flags, threads;
    uint64_t start, pending;
    /* proc(5): state is field 3, flags 9, num_threads 20, starttime 22, signal 31 */
    if (at == NULL ||
        sscanf(at + 1,
               " %c %*s %*s %*s %*s %*s %u %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %u "
               "%*s %" SCNu64 " %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
               &state, &flags, &threads, &start, &pending) != 5) {
        return none;
    }
    /* The first thread is a zombie as soon as it has ended, be another one still in a system call:
     * the files close when the last one has. */
    bool zombie = state == 'Z' || state == 'X';
    if (zombie && threads <= 1) {
        return none;
    }
    bool killed = (pending & UINT64_C(1) << (SIGKILL - 1)) != 0;
    return (struct ic_process){
        .pid = pid, .start_ticks = start, .ending = zombie || killed || (flags & PF_EXITING) != 0};
}

bool ic_process_alive(const struct ic_process *p)
{
    struct ic_process now = ic_process_look(p->pid);
    return now.pid != 0 && now.start_ticks == p->start_ticks;
}

void ic_process_run(const struct ic_process *p, char out[IC_PROCESS_RUN_MAX])
{
    char boot[BOOT_ID_MAX];
    read_boot_id(boot);
    snprintf(out, IC_PROCESS_RUN_MAX, "%s-%d-%" PRIu64, boot, (int)p->pid, p->start_ticks);
}

uint64_t ic_process_resident(const struct ic_process *p)
{
    char path[64], text[256];
    unsigned long long pages;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)p->pid);
    if (!ic_process_alive(p) || !read_small(path, text, sizeof text) ||
        sscanf(text, "%*s %llu", &pages) != 1) {
        return 0;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void ic_process_name(pid_t pid, char *out, size_t out_size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    if (!read_small(path, out, out_size)) {
        snprintf(out, out_size, "?");
    }
    out[strcspn(out, "\n")] = '\0';
}

void ic_process_pause(void)
{
    (void)poll(NULL, 0, POLL_MS);
}

static bool gone_within(const struct ic_process *p, uint64_t wait_ms)
{
    uint64_t end_ms = ic_clock_mono_ms() + wait_ms;
    while (ic_process_alive(p)) {
        if (ic_clock_mono_ms() > end_ms) {
            return false;
        }
        ic_process_pause();
        (void)waitpid(p->pid, NULL, WNOHANG); /* if it is a child of ours */
    }
    (void)waitpid(p->pid, NULL, WNOHANG);
    return true;
}

struct ic_process ic_process_of_file(const char *dir, const char *name)
{
    struct ic_process none = {0}, p;
    char path[PATH_BYTES], text[256], boot[BOOT_ID_MAX], boot_then[BOOT_ID_MAX];
    int pid;
    uint64_t start;
    snprintf(path, sizeof path, "%s/%s.pid", dir, name);
    if (!read_small(path, text, sizeof text) ||
        sscanf(text, "%d %" SCNu64 " %63s", &pid, &start, boot_then) != 3) {
        return none;
    }
    read_boot_id(boot);
    p = ic_process_look(pid);
    if (strcmp(boot, boot_then) != 0 || p.pid == 0 || p.start_ticks != start) {
        return none;
    }
    return p.ending && gone_within(&p, KILL_WAIT_MS) ? none : p;
}

/* Takes " (deleted)" off what /proc says of a file, of LEN bytes; returns the new length. */
static size_t cut_deleted(char *path, size_t len)
{
    static const char mark[] = " (deleted)";
    size_t mark_len = sizeof mark - 1;
    if (len > mark_len && strcmp(path + len - mark_len, mark) == 0) {
        len -= mark_len;
        path[len] = '\0';
    }
    return len;
}

bool ic_process_folder(pid_t pid, const char *name, char *dir)
{
    char link[64], end[64];
    snprintf(link, sizeof link, "/proc/%d/fd/1", (int)pid);
    ssize_t len = readlink(link, dir, IC_PROCESS_FOLDER_MAX - 1);
    if (len <= 0 || getsid(pid) != pid) {
        return false;
    }
    dir[len] = '\0';
    size_t path_len = cut_deleted(dir, (size_t)len);
    size_t end_len = (size_t)snprintf(end, sizeof end, "/%s.log", name);
    if (path_len <= end_len || strcmp(dir + path_len - end_len, end) != 0) {
        return false;
    }
    dir[path_len - end_len] = '\0';
    return true;
}

struct ic_process ic_process_of_log(const char *dir, const char *name)
{
    struct ic_process found = {0};
    char of[IC_PROCESS_FOLDER_MAX];
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc != NULL && found.pid == 0 && (e = readdir(proc)) != NULL;) {
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid > 0 && ic_process_folder(pid, name, of) && strcmp(of, dir) == 0) {
            found = ic_process_look(pid);
        }
    }
    if (proc != NULL) {
        closedir(proc);
    }
    return found;
}

/* ---- start ------------------------------------------------------------------ */

/* What the child tells its parent when it cannot become the daemon. */
struct start_error {
    char what[PATH_BYTES];
    int errno_value;
};

static void fail_start(int error_fd, const char *what, const char *detail)
{
    struct start_error error = {.errno_value = errno};
    snprintf(error.what, sizeof error.what, "%s %.4000s", what, detail);
    ssize_t written = write(error_fd, &error, sizeof error);
    (void)written; /* the parent sees the pipe close, at least */
    _exit(127);
}

static bool write_pid_file(const char *dir, const char *name, char *path)
{
    char text[256], boot[BOOT_ID_MAX], temporary[PATH_BYTES + 8];
    struct ic_process self = ic_process_look(getpid());
    read_boot_id(boot);
    int len =
        snprintf(text, sizeof text, "%d %" PRIu64 " %s\n", (int)self.pid, self.start_ticks, boot);
    snprintf(path, PATH_BYTES, "%s/%s.pid", dir, name);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return false;
    }
    int error = ic_disk_write(fd, text, (size_t)len);
    if ((close(fd) < 0 || rename(temporary, path) < 0) && error == 0) {
        error = errno;
    }
    if (error != 0) {
        unlink(temporary);
        errno = error;
    }
    return error == 0;
}

/* The child's part, between fork and exec. */
static void become_daemon(const struct ic_daemon *d, int error_fd)
{
    char path[PATH_BYTES];
    errno = 0;
    if (setsid() < 0) {
        fail_start(error_fd, "cannot make a session for", d->name);
    }
    if (!write_pid_file(d->dir, d->name, path)) {
        fail_start(error_fd, "cannot write", path);
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/%s.log", d->dir, d->name);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (null < 0 || log < 0) {
        fail_start(error_fd, "cannot open", null < 0 ? "/dev/null" : path);
    }
    if (dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0) {
        fail_start(error_fd, "cannot redirect the output of", d->name);
    }
    if (d->ready_fd >= 0 && fcntl(d->ready_fd, F_SETFD, 0) < 0) {
        fail_start(error_fd, "cannot pass a descriptor to", d->name);
    }
    if (d->environment_less != NULL) {
        unsetenv(d->environment_less);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    execv(d->argv[0], d->argv);
    fail_start(error_fd, "cannot run", d->argv[0]);
}

int ic_process_start(const struct ic_daemon *d, struct ic_process *out, char *why)
{
    int error_pipe[2];
    if (pipe2(error_pipe, O_CLOEXEC) < 0) {
        snprintf(why, IC_PROCESS_WHY_MAX, "cannot make a pipe: %s", strerror(errno));
        return IC_EIO;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become_daemon(d, error_pipe[1]);
    }
    int fork_errno = errno;
    close(error_pipe[1]);
    if (pid < 0) {
        close(error_pipe[0]);
        snprintf(why, IC_PROCESS_WHY_MAX, "cannot start the %s: %s", d->name, strerror(fork_errno));
        return IC_EIO;
    }
    *out = ic_process_look(pid);
    struct start_error error;
    ssize_t len = read(error_pipe[0], &error, sizeof error); /* ends at the exec */
    close(error_pipe[0]);
    if (len != (ssize_t)sizeof error) {
        return 0;
    }
    waitpid(pid, NULL, 0);
    error.what[sizeof error.what - 1] = '\0';
    snprintf(why, IC_PROCESS_WHY_MAX, "%.400s: %s", error.what, strerror(error.errno_value));
    return IC_EIO;
}

/* ---- end -------------------------------------------------------------------- */

int ic_process_end(const struct ic_process *p, uint64_t grace_ms)
{
    if (!ic_process_alive(p)) {
        (void)waitpid(p->pid, NULL, WNOHANG);
        return 0;
    }
    kill(p->pid, SIGTERM);
    kill(p->pid, SIGCONT); /* somebody may have stopped it */
    if (gone_within(p, grace_ms)) {
        return 0;
    }
    if (ic_process_alive(p)) {
        kill(p->pid, SIGKILL);
    }
    return gone_within(p, KILL_WAIT_MS) ? 0 : IC_ETIMEOUT;
}

/* PID runs a file `bootstrap` below PREFIX, be it deleted by now. */
static bool is_instance(pid_t pid, const char *prefix)
{
    static const char name[] = "/bootstrap";
    char link[64], path[PATH_BYTES];
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len <= 0) {
        return false;
    }
    path[len] = '\0';
    size_t end = cut_deleted(path, (size_t)len);
    return strncmp(path, prefix, strlen(prefix)) == 0 && end >= sizeof name - 1 &&
           strncmp(path + end - (sizeof name - 1), name, sizeof name - 1) == 0;
}

/* Kills the processes once; returns how many there were. */
static int kill_round(const char *prefix)
{
    DIR *proc = opendir("/proc");
    if (proc == NULL) {
        return 0;
    }
    int found = 0;
    for (struct dirent *entry = readdir(proc); entry != NULL; entry = readdir(proc)) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid <= 0 || pid == getpid() || !is_instance(pid, prefix)) {
            continue;
        }
        found += ic_process_look(pid).pid != 0;
        if (getpgid(pid) == pid) {
            kill(-pid, SIGKILL);
        }
        kill(pid, SIGKILL);
    }
    closedir(proc);
    return found;
}

int ic_process_kill_instances(const char *dir)
{
    char prefix[PATH_BYTES];
    char *real = realpath(dir, NULL);
    if (real == NULL) {
        return 0;
    }
    snprintf(prefix, sizeof prefix, "%.4000s/", real);
    free(real);
    uint64_t end_ms = ic_clock_mono_ms() + KILL_WAIT_MS;
    int first = kill_round(prefix);
    for (int left = first; left > 0; left = kill_round(prefix)) {
        if (ic_clock_mono_ms() > end_ms) {
            return IC_ETIMEOUT;
        }
        ic_process_pause();
    }
    return first;
}
