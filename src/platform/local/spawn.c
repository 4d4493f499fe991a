#define _GNU_SOURCE /* vfork, close_range */
#include "platform/local/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The last signal with a number of its own; the C library keeps some beyond for itself. */
enum { SIGNALS = 64 };

/* The machine's own memory shortage should end an instance rather than anything else. */
static void volunteer_for_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t written = write(fd, "500", 3);
        (void)written; /* a preference */
        close(fd);
    }
}

static void set_limit(int which, uint64_t value)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)which, &limit) != 0) {
        return;
    }
    rlim_t most = limit.rlim_max < value ? limit.rlim_max : (rlim_t)value;
    limit.rlim_cur = limit.rlim_max = most;
    (void)setrlimit((__rlimit_resource_t)which, &limit);
}

static void reset_signals(void)
{
    for (int number = 1; number <= SIGNALS; number++) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        (void)sigaction(number, &action, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Runs in the parent's memory until exec: system calls only. Returns an errno. */
static int become_instance(const struct ic_spawn *what, pid_t parent)
{
    if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        return errno;
    }
    if (getppid() != parent) {
        _exit(1); /* the platform died before it could be told */
    }
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(what->output_fd, 1) < 0 ||
        dup2(what->output_fd, 2) < 0 || chdir(what->directory) != 0) {
        return errno;
    }
    (void)close_range(3, ~0u, 0);
    set_limit(RLIMIT_DATA, what->data_limit_bytes);
    set_limit(RLIMIT_CORE, 0); /* no memory of an instance in a file */
    set_limit(RLIMIT_NOFILE, IC_SPAWN_DESCRIPTORS);
    volunteer_for_oom_killer();
    reset_signals();
    char *const arguments[] = {(char *)(uintptr_t)what->program, NULL};
    (void)execve(what->program, arguments, what->environment);
    return errno;
}

/* vfork shares the parent's memory and stops it until exec: cheap, whatever its size. */
static __attribute__((noinline)) pid_t start(const struct ic_spawn *what, volatile int *failure)
{
    pid_t parent = getpid();
    pid_t pid = vfork();
    if (pid == 0) {
        *failure = become_instance(what, parent);
        _exit(127);
    }
    return pid;
}

int ic_spawn(const struct ic_spawn *what, pid_t *pid, int *why)
{
    volatile int failure = 0;
    sigset_t all, before;
    sigfillset(&all);
    /* No handler of ours may run in the child while it uses our memory. */
    (void)sigprocmask(SIG_BLOCK, &all, &before);
    pid_t child = start(what, &failure);
    int fork_errno = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (child < 0) {
        *why = fork_errno;
        return IC_EUNAVAIL;
    }
    if (failure != 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
        *why = failure;
        return failure == EAGAIN || failure == ENOMEM ? IC_EUNAVAIL : IC_ENOENT;
    }
    *pid = child;
    return 0;
}

static void send_group(pid_t leader, int number)
{
    assert(leader > 1); /* 0 and 1 would mean ourselves and everybody */
    (void)kill(-leader, number);
}

void ic_group_freeze(pid_t leader)
{
    send_group(leader, SIGSTOP);
}

void ic_group_thaw(pid_t leader)
{
    send_group(leader, SIGCONT);
}

void ic_group_kill(pid_t leader)
{
    send_group(leader, SIGKILL);
}

void ic_group_terminate(pid_t leader)
{
    assert(leader > 1);
    ic_group_thaw(leader);
    (void)kill(leader, SIGTERM); /* now: while stopped, any of its threads might be given it */
}
