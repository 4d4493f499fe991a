/*
 * spawn.h - starts and signals the processes of instances. A process is the leader of its own
 * group, in the platform's session, and gets SIGKILL when the platform's thread dies, however it
 * dies.
 *
 *   platform --vfork--> child: own group, pdeathsig, limits, stdin /dev/null,
 *      |                       stdout and stderr to the pipe, cwd --execve--> bootstrap
 *      +--waits for the exec (well under a millisecond), learns its errno
 */
#ifndef IC_PLATFORM_LOCAL_SPAWN_H
#define IC_PLATFORM_LOCAL_SPAWN_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct ic_spawn {
    const char *program; /* absolute */
    char *const *environment;
    const char *directory;     /* working directory */
    int output_fd;             /* becomes stdout and stderr */
    uint64_t data_limit_bytes; /* RLIMIT_DATA */
};

enum { IC_SPAWN_DESCRIPTORS = 1024 }; /* RLIMIT_NOFILE of an instance, as on Lambda */

/*
 * 0 and *PID; or IC_ENOENT with *WHY an errno: the program cannot be executed; IC_EUNAVAIL with
 * *WHY: no process could be made.
 */
int ic_spawn(const struct ic_spawn *what, pid_t *pid, int *why) IC_MUST_USE;

/* To the whole group of LEADER, which is not reaped yet. */
void ic_group_freeze(pid_t leader);
void ic_group_thaw(pid_t leader);
void ic_group_kill(pid_t leader);
/* Thaws the group and asks the leader, nobody else, to end: SIGTERM. */
void ic_group_terminate(pid_t leader);

#endif
