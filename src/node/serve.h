/*
 * serve.h - one serving invocation: dials the proxy, proves who it is and sees the proxy do the
 * same, answers requests (requests.h), and leaves when it is told it may.
 *
 *                connected                WELCOME is right             lease over, or deadline near
 *    DIALLING ---------------> GREETING -------------------> ACTIVE ----------------------->
 * LEAVING ^  |                     |   |  BYE_OK: dismissed      |  ^  a request was answered     |
 * | |  |                     |   '----------------------.  |  '-----------------------------'  | |
 * |                     |                          |  | BYE_OK (so too in LEAVING)        |
 *      '--+-- link broken ------+--------------------------+--+-----------------------------------'
 *         |                                                v  v
 *         '-- gone for 1 s, or the deadline is too near --> DONE --die--> DIALLING
 */
#ifndef IC_NODE_SERVE_H
#define IC_NODE_SERVE_H

#include "base/error.h"
#include "net/net.h"
#include "node/chunks.h"
#include "node/payload.h"

enum {
    IC_LINK_GONE_MS = 1000,     /* without a connection: leave; */
    IC_LINK_PEER_GONE_MS = 500, /* a peer, since platforms prefer the instance used last */
    IC_LINK_GREETING_MS = 5000, /* without a WELCOME, though connected: leave */
    IC_LINK_REDIAL_MS = 50,     /* between two dials */
    IC_LEASE_BUSY_MS = 20, /* a lease that ends while a reply is being sent is looked at again */
    IC_DEADLINE_BYE_MS = 20000,   /* left to the deadline when BYE is sent; a half of a short one */
    IC_DEADLINE_LEAVE_MS = 10000, /* left when the node leaves anyway; a quarter of a short one */
    IC_DYING_MS = 450,            /* of the 500 ms between SIGTERM and SIGKILL */
};

struct ic_serve;

/* DONE is called at the end of each invocation; SERVED: it was welcomed by the proxy. */
struct ic_serve *ic_serve_new(struct ic_loop *loop, struct ic_chunks *chunks,
                              void (*done)(void *ctx, bool served), void *ctx);
void ic_serve_free(struct ic_serve *s); /* NULL is fine */

/* PAYLOAD is copied. DEADLINE_MS: left to the invocation's deadline. None must be running. DONE may
 * be called before this returns. */
void ic_serve_begin(struct ic_serve *s, const struct ic_payload *payload, uint64_t deadline_ms);

/*
 * The instance ends in IC_DYING_MS: offers its chunks to the proxy it served last, on the link
 * there is or on a new one (HELLO with DYING, the dial counter one higher), and answers requests
 * until BYE_OK, a failed dial, or the end of that time; then DONE. False: there is nobody to offer
 * anything to, or nothing to offer; DONE is not called.
 */
bool ic_serve_die(struct ic_serve *s) IC_MUST_USE;

#endif
