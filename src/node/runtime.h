/*
 * runtime.h - the node's side of the Lambda Runtime API (2018-06-01): asks for the next
 * invocation, hands it out, posts what came of it; over one connection that is kept, and made
 * again when it is lost.
 *
 *              200: invocation              respond, fail              2xx, 4xx
 *    NEXT ----------------------> INVOKED ---------------> POSTING ------------> NEXT
 *      connection lost: made again, the request repeated; too many in a row: lost
 */
#ifndef IC_NODE_RUNTIME_H
#define IC_NODE_RUNTIME_H

#include "base/buf.h"
#include "base/error.h"
#include "net/net.h"

enum {
    IC_RUNTIME_PAYLOAD_MAX = 64 * 1024, /* a longer payload is not ours: it is read and not kept */
    IC_RUNTIME_ID_MAX = 128,            /* of a request */
    IC_RUNTIME_TRIES_MAX = 12,          /* failures in a row: 10 + 20 + ... + 500 ms, about 4 s */
    IC_RUNTIME_RETRY_MIN_MS = 10,
    IC_RUNTIME_RETRY_MAX_MS = 500,
    IC_RUNTIME_DEADLINE_MAX_MS = 15 * 60 * 1000, /* Lambda's longest timeout */
};

struct ic_runtime;

struct ic_runtime_handler {
    /* An invocation; PAYLOAD is valid during the call (empty if too long). Answer with respond or
     * fail, now or later. DEADLINE_MS: left to its deadline. */
    void (*invoked)(void *ctx, struct ic_slice payload, uint64_t deadline_ms);
    /* The Runtime API does not answer any more, or init_error has been delivered: end the process.
     */
    void (*lost)(void *ctx);
};

/* ADDRESS: "127.0.0.1:9001". Asks nothing yet. NULL: no memory, or no address. */
struct ic_runtime *ic_runtime_new(struct ic_loop *loop, const char *address,
                                  const struct ic_runtime_handler *handler, void *ctx);
void ic_runtime_free(struct ic_runtime *rt); /* NULL is fine */
/* Asks for the first invocation. Once. */
void ic_runtime_start(struct ic_runtime *rt);

/* The invocation's result, a JSON document: copied. */
void ic_runtime_respond(struct ic_runtime *rt, struct ic_slice body);
/* The invocation has failed. TYPE and MESSAGE are plain text without quotes. */
void ic_runtime_fail(struct ic_runtime *rt, const char *type, const char *message);
/* The program could not start: says so instead of asking for an invocation. Instead of start. */
void ic_runtime_init_error(struct ic_runtime *rt, const char *type, const char *message);

#endif
