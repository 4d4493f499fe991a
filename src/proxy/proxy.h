/*
 * proxy.h - the proxy process: its one context struct, passed down to everything,
 * and its life from configuration to exit.
 *
 *   clients -- sessions -- commands -- store (catalog, journal, eviction)
 *                             |          |
 *                          put, get -- functions (pool, links, Invoke) -- nodes
 *                             |
 *                          window (the bytes in flight)
 */
#ifndef IC_PROXY_PROXY_H
#define IC_PROXY_PROXY_H

#include "base/config.h"
#include "base/random.h"
#include "core/price.h"
#include "net/net.h"

struct ic_functions;
struct ic_rs_set;
struct ic_store;
struct ic_window;
struct ic_sessions;

struct ic_proxy {
    struct ic_loop *loop;
    struct ic_config *config;
    struct ic_store *store;         /* what lies where; journal, eviction */
    struct ic_functions *functions; /* the pool, the links, Invoke */
    struct ic_window *window;       /* buffers */
    struct ic_rs_set *codes;        /* erasure codes in use; made at first need */
    struct ic_list readers;         /* reads under way, for others to join; see reader.h */
    struct ic_sessions *sessions;   /* clients */
    struct ic_prices prices;        /* list prices and the directive `prices` */
    struct ic_rng rng;              /* placement, back-off, sampling */
    uint64_t started_ms;            /* monotonic */
};

/*
 * Runs a proxy until SIGTERM, SIGINT or SHUTDOWN. Returns the process's exit status; a start that
 * fails says why on standard error. If READY_FD >= 0, a line "ready\n" is written there, and the
 * descriptor closed, when clients are served.
 */
int ic_proxy_run(struct ic_config *config, int ready_fd);
/* Begins to stop, from within the loop: SHUTDOWN and the signals. */
void ic_proxy_stop(struct ic_proxy *proxy);

#endif
