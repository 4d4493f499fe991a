/*
 * process.h - the proxy as a process: a loop of its own, signals, limits, an exit status.
 */
#ifndef IC_PROXY_PROCESS_H
#define IC_PROXY_PROCESS_H

struct ic_config;

/*
 * Runs a proxy until SIGTERM, SIGINT or SHUTDOWN. Returns the process's exit status; a start that
 * fails says why on standard error. If READY_FD >= 0, a line "ready\n" is written there, and the
 * descriptor closed, when clients are served; or "loading\n" if that takes long, since the catalog
 * is being rebuilt.
 */
int ic_proxy_run(struct ic_config *config, int ready_fd);

#endif
