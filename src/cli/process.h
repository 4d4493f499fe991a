/*
 * process.h - the daemons `up` starts and `down` ends: a pid file that cannot be taken
 * for another process's, a start in a session of its own, and an end with a deadline.
 *
 *   DIR/proxy.pid:  PID START BOOT      START: when the kernel started it, in its ticks;
 *                                       BOOT: the machine's boot. A recycled pid differs.
 */
#ifndef IC_CLI_PROCESS_H
#define IC_CLI_PROCESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ic_process {
    pid_t pid; /* 0: none */
    uint64_t start_ticks;
    bool ending; /* killed, or on its way out: it serves no more and still has its ports */
};

/* The process PID as it is now; pid 0 in the result if there is none. A zombie is none, unless
 * other threads of its have not ended yet. */
struct ic_process ic_process_look(pid_t pid);
/* True while exactly this process is there, be it ending. */
bool ic_process_alive(const struct ic_process *p);
enum { IC_PROCESS_RUN_MAX = 128 };
/* What no other process is called, on this machine and since whatever boot: "BOOT-PID-START". */
void ic_process_run(const struct ic_process *p, char out[IC_PROCESS_RUN_MAX]);
/* Resident bytes; 0 if it is gone. */
uint64_t ic_process_resident(const struct ic_process *p);
/* The command's short name into OUT; "?" if it is gone. */
void ic_process_name(pid_t pid, char *out, size_t out_size);

/* The process that DIR/NAME.pid names; pid 0: none. One that is ending is waited for, 10 s at
 * most. */
struct ic_process ic_process_of_file(const char *dir, const char *name);

enum { IC_PROCESS_FOLDER_MAX = 4096 };

/* True: PID is a daemon NAME, by the log it writes to, which may be deleted by now; its folder into
 * DIR (IC_PROCESS_FOLDER_MAX bytes). Other users' processes are none. */
bool ic_process_folder(pid_t pid, const char *name, char *dir);
/* The daemon NAME of DIR (absolute, without links), though its pid file is lost; pid 0: none. */
struct ic_process ic_process_of_log(const char *dir, const char *name);

struct ic_daemon {
    const char *dir, *name;       /* DIR/NAME.pid and DIR/NAME.log */
    char *const *argv;            /* argv[0] is the path of the program */
    const char *environment_less; /* a variable it is not to inherit, or NULL */
    int ready_fd;                 /* inherited as it is; or -1 */
};

enum { IC_PROCESS_WHY_MAX = 512 };

/*
 * Starts D in its own session, stdin /dev/null, stdout and stderr appended to its log, its pid file
 * written before it runs. IC_EIO: WHY (IC_PROCESS_WHY_MAX bytes) says what failed; nothing runs.
 */
int ic_process_start(const struct ic_daemon *d, struct ic_process *out, char *why) IC_MUST_USE;

/* SIGTERM, after GRACE_MS SIGKILL; returns when it is gone. IC_ETIMEOUT: not even then. */
int ic_process_end(const struct ic_process *p, uint64_t grace_ms) IC_MUST_USE;

/*
 * SIGKILLs every process whose program is a file `bootstrap` below DIR (function instances,
 * frozen ones as well) with its process group, and waits until they are gone. Returns how many
 * there were, or IC_ETIMEOUT.
 */
int ic_process_kill_instances(const char *dir) IC_MUST_USE;

/* Sleeps for one step of polling; waits are bounded by their callers' deadlines. */
void ic_process_pause(void);

#endif
