/*
 * daemons.h - the platform and the proxy of one folder: which of them run, starting one
 * and waiting until it serves, ending both with everything they started.
 */
#ifndef IC_CLI_DAEMONS_H
#define IC_CLI_DAEMONS_H

#include "base/config.h"
#include "base/error.h"
#include "cli/process.h"

enum ic_daemon_kind { IC_DAEMON_PLATFORM, IC_DAEMON_PROXY, IC_DAEMONS };

enum {
    IC_DAEMONS_WHY_MAX = 4096,
    IC_DAEMONS_NOTE_MAX = 512,
    IC_DAEMONS_GRACE_MS = 8000, /* from SIGTERM to SIGKILL: the proxy sends its nodes home */
};

/* Set for a daemon by `up`: the number of the descriptor on which it says when it serves. */
#define IC_READY_FD_VARIABLE "INFINICACHE_READY_FD"

extern const char *const ic_daemon_name[IC_DAEMONS]; /* "platform", "proxy" */

struct ic_daemons {
    struct ic_process process[IC_DAEMONS]; /* pid 0: does not run */
    bool loading; /* the proxy that was started rebuilds its catalog, and serves no keys yet */
    char
        note[IC_DAEMONS_NOTE_MAX]; /* what it has to say of its pool (proxy/pool_change.h); or "" */
};

/* In a daemon: that descriptor, or -1. Neither it nor the variable is inherited afterwards. */
int ic_daemons_ready_fd(void);

/* By their pid files or, if those are lost, by the logs they write to. */
void ic_daemons_look(struct ic_daemons *d, const char *dir);

/*
 * Starts KIND with the settings C (c->dir is set) and waits until it serves. Errors, with WHY
 * (IC_DAEMONS_WHY_MAX bytes): IC_EIO it could not start, the end of its log is in WHY; IC_ETIMEOUT
 * not until the monotonic END_MS; IC_ECANCELED a held signal came. It is ended then.
 */
int ic_daemons_start(struct ic_daemons *d, enum ic_daemon_kind kind, const struct ic_config *c,
                     uint64_t end_ms, char *why) IC_MUST_USE;

/* Ends those of D that run, proxy first; with the platform go the instances of DIR. IC_ETIMEOUT. */
int ic_daemons_end(const struct ic_daemons *d, const char *dir) IC_MUST_USE;

/* Kills instances of DIR's platform that are left although it is gone. Returns how many, or
 * IC_ETIMEOUT. */
int ic_daemons_kill_instances(const char *dir) IC_MUST_USE;

/*
 * One `up` or `down` at a time: takes DIR's lock, waiting up to WAIT_MS. Returns a descriptor to
 * close, or IC_EBUSY, IC_EIO with WHY.
 */
int ic_daemons_lock(const char *dir, uint64_t wait_ms, char *why) IC_MUST_USE;

#endif
