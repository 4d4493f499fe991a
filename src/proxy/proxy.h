/*
 * proxy.h - the proxy: its one context struct, passed down to everything, and its life
 * on a loop from configuration to end. process.h makes a process of it.
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
#include "core/hedge.h"
#include "core/price.h"
#include "net/net.h"
#include "proxy/claims.h"
#include "proxy/pool_change.h"

struct ic_backups;
struct ic_books;
struct ic_functions;
struct ic_handover;
struct ic_rebuilder;
struct ic_repair;
struct ic_rs_set;
struct ic_store;
struct ic_window;
struct ic_sessions;

enum { IC_PROXY_WHY_MAX = IC_PRICE_WHY_MAX }; /* the longest reason is about prices */

struct ic_proxy {
    struct ic_loop *loop;
    struct ic_config *config;
    struct ic_store *store;         /* what lies where; journal, eviction */
    struct ic_books *books;         /* what it all costs */
    struct ic_functions *functions; /* the pool, the links, Invoke */
    struct ic_backups *backups;     /* copies between two instances of a function */
    struct ic_window *window;       /* buffers */
    struct ic_claims claims;        /* who waits for room in the pool */
    struct ic_repair *repair;       /* of lost chunks */
    struct ic_handover *handover;   /* of chunks of dying instances */
    struct ic_rs_set *codes;        /* erasure codes in use; made at first need */
    struct ic_list readers;         /* reads under way, for others to join; see reader.h */
    uint64_t read_turn, read_bytes; /* the loop's turn in which reads gave so much to clients */
    struct ic_hedge hedge;          /* how long READs take */
    struct ic_sessions *sessions;   /* clients */
    struct ic_prices prices;        /* list prices and the directive `prices` */
    struct ic_rebuilder *rebuilder; /* of the catalog, at this start; NULL: it was not needed */
    char pool_change[IC_POOL_CHANGE_MAX]; /* what this start found; "" */
    struct ic_rng rng;                    /* placement, back-off, sampling */
    uint64_t started_ms;                  /* monotonic */
};

/*
 * Builds a proxy on LOOP and opens its doors; clients are served from the next turn on. LOOP and
 * CONFIG are the caller's and outlive it. On an error WHY (IC_PROXY_WHY_MAX bytes) says the reason
 * and nothing is left.
 */
int ic_proxy_new(struct ic_loop *loop, struct ic_config *config, struct ic_proxy **out,
                 char *why) IC_MUST_USE;
/*
 * TOLD(ctx, true), once, when keys are served; before it TOLD(ctx, false) if that takes long, since
 * the catalog is being rebuilt. May be called at once.
 */
void ic_proxy_tell(struct ic_proxy *proxy, void (*told)(void *ctx, bool ready), void *ctx);
/* Why it stopped by itself; NULL: it did not. */
const char *ic_proxy_failure(const struct ic_proxy *proxy);
/* Closes everything, whether it was stopped before or not; the loop runs no more meanwhile. */
void ic_proxy_free(struct ic_proxy *proxy);
/* Begins to stop, from within the loop: SHUTDOWN and the signals. The loop is stopped when clients
 * and nodes are gone. */
void ic_proxy_stop(struct ic_proxy *proxy);

#endif
