/*
 * extension.h - the node as an internal extension of itself (Lambda Extensions API, 2020-01-01): it
 * registers for no event and asks for the next one, which never comes. All it is for is that the
 * platform then grants a shutdown phase: SIGTERM and 500 ms.
 *
 *   CONNECTING --> REGISTERING --200: asks event/next--> HELD
 *                      '--anything else, or too late---> GONE      both: `settled`, once
 *
 * A platform without this API answers 404, and everything goes on without.
 */
#ifndef IC_NODE_EXTENSION_H
#define IC_NODE_EXTENSION_H

#include "net/net.h"

enum { IC_EXTENSION_PATIENCE_MS = 500 }; /* for the registration; then on without it */

struct ic_extension;

/*
 * ADDRESS: of the Runtime API, must outlive it. SETTLED is called once, not on this stack: the
 * runtime may ask for its first invocation now, which ends the time for registering. NULL: out of
 * memory or no address; SETTLED is not called.
 */
struct ic_extension *ic_extension_new(struct ic_loop *loop, const char *address,
                                      void (*settled)(void *ctx), void *ctx);
void ic_extension_free(struct ic_extension *e); /* NULL is fine */

#endif
