#define _GNU_SOURCE /* close_range */
#include "platform/local/warden.h"

#include "base/alloc.h"
#include "base/log.h"
#include "platform/local/fleet.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    GROUPS_MAX = 2 * IC_INSTANCES_MAX, /* those that are ending and their successors */
    STAT_MAX = 2048,
    ARGUMENTS_FIELD = 48, /* arg_start in proc(5), /proc/PID/stat; arg_end follows */
};

struct ic_warden {
    int fd;
    pid_t pid;
};

/* ---- in the warden ------------------------------------------------------------- */

struct watched {
    pid_t group[GROUPS_MAX];
    size_t count;
};

static void take_order(struct watched *w, pid_t order)
{
    if (order > 1 && w->count < GROUPS_MAX) {
        w->group[w->count++] = order;
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        if (w->group[i] == -order) {
            w->group[i] = w->group[--w->count];
            return;
        }
    }
}

static _Noreturn void keep_watch(void)
{
    static struct watched w;
    pid_t order;
    for (;;) {
        ssize_t len = recv(STDIN_FILENO, &order, sizeof order, 0);
        if (len == (ssize_t)sizeof order) {
            take_order(&w, order);
        } else if (len >= 0 || errno != EINTR) {
            break;
        }
    }
    for (size_t i = 0; i < w.count; i++) {
        (void)kill(-w.group[i], SIGKILL);
    }
    _exit(0);
}

/*
 * `ps` shall not show a second platform: the title replaces the command line in its place, which
 * the kernel tells.
 */
static void change_title(const char *title)
{
    (void)prctl(PR_SET_NAME, title);
    char stat[STAT_MAX];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) {
        return;
    }
    size_t len = fread(stat, 1, sizeof stat - 1, file);
    fclose(file);
    stat[len] = '\0';
    char *at = strrchr(stat, ')');
    for (int field = 2; at != NULL && field < ARGUMENTS_FIELD; field++) {
        at = strchr(at + 1, ' ');
    }
    unsigned long begin = 0, end = 0;
    if (at == NULL || sscanf(at, "%lu %lu", &begin, &end) != 2 || begin == 0 || end <= begin) {
        return;
    }
    char *arguments = (char *)(uintptr_t)begin;
    memset(arguments, 0, end - begin);
    snprintf(arguments, end - begin, "%s", title);
}

static _Noreturn void become_warden(int fd)
{
    (void)setsid(); /* a signal to the platform's group is not for us */
    (void)dup2(fd, STDIN_FILENO);
    (void)close_range(STDERR_FILENO + 1, ~0u, 0);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    change_title("infinicache-warden");
    keep_watch();
}

/* ---- in the platform ----------------------------------------------------------- */

int ic_warden_new(struct ic_warden **out)
{
    int ends[2];
    struct ic_warden *w = ic_calloc(1, sizeof *w);
    if (w == NULL) {
        return IC_ENOMEM;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        ic_free(w);
        return IC_EUNAVAIL;
    }
    w->pid = fork();
    if (w->pid == 0) {
        become_warden(ends[1]);
    }
    close(ends[1]);
    if (w->pid < 0) {
        close(ends[0]);
        ic_free(w);
        return IC_EUNAVAIL;
    }
    w->fd = ends[0];
    *out = w;
    return 0;
}

void ic_warden_free(struct ic_warden *w)
{
    if (w == NULL) {
        return;
    }
    close(w->fd);
    while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    ic_free(w);
}

static void tell(struct ic_warden *w, pid_t order)
{
    ssize_t sent;
    do {
        sent = send(w->fd, &order, sizeof order, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        ic_log(IC_LOG_WARNING, "warden", "order=%d error=%d", (int)order, errno);
    }
}

void ic_warden_watch(struct ic_warden *w, pid_t leader)
{
    tell(w, leader);
}

void ic_warden_forget(struct ic_warden *w, pid_t leader)
{
    tell(w, -leader);
}
