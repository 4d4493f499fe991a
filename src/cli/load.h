/*
 * load.h - the load generator's engine: connections that ask a Redis server for what a source
 * says, when it says so, and tell how long each answer took.
 *
 *   phase 1: next --> request --> answered     (all of a phase is answered before the next begins)
 *   phase 2: ...
 *
 *   closed loop: a request is due at once; a connection asks again as soon as it is answered
 *   open loop:   it is due at a time, whether or not earlier ones are answered; its latency counts
 *                from then, so that a server that stalls cannot hide what waited (coordinated
 *                omission, G. Tene)
 */
#ifndef IC_CLI_LOAD_H
#define IC_CLI_LOAD_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct ic_contents; /* cli/contents.h */

enum {
    IC_LOAD_CLIENTS_MAX = 10000,
    IC_LOAD_PIPELINE_MAX = 1024,
    IC_LOAD_PREFIX_MAX = 64,
    IC_LOAD_WHY_MAX = 512,
    IC_LOAD_STALL_MS = 60000, /* nothing answered for so long: given up */
};

enum ic_load_op {
    IC_LOAD_AUTH /* the engine's own */,
    IC_LOAD_SET,
    IC_LOAD_GET,
    IC_LOAD_RANGE,
    IC_LOAD_DELETE
};

struct ic_load_request {
    enum ic_load_op op;
    uint64_t key;    /* its name is the prefix and this number */
    uint64_t offset; /* RANGE */
    uint64_t length; /* of the value, or of the range */
    uint64_t due_us; /* from the phase's begin; 0: at once */
};

enum ic_load_outcome {
    IC_LOAD_DONE,
    IC_LOAD_MISS,  /* GET and RANGE: there is no such key */
    IC_LOAD_WRONG, /* another length, or other bytes, than were stored */
    IC_LOAD_ERROR, /* an error reply */
};

struct ic_load_phase {
    const char *name; /* for the progress */
    /* 1: *OUT is the next request, ELAPSED_US after the phase's begin; 0: there is none any more.
     * Due times never fall. */
    int (*next)(void *ctx, uint64_t elapsed_us, struct ic_load_request *out);
    /* Returns true if a miss is to be followed by a SET of that key. May be NULL. */
    bool (*answered)(void *ctx, const struct ic_load_request *r, enum ic_load_outcome outcome,
                     uint64_t latency_us);
    double (*share)(void *ctx, uint64_t elapsed_us); /* done, 0 to 1 */
    void (*begin)(void *ctx);                        /* may be NULL */
    void (*end)(void *ctx, double seconds); /* from its begin to the last answer; may be NULL */
    bool must;                              /* an error reply ends it all */
};

struct ic_load_settings {
    const char *host, *port, *password; /* password "": none */
    const char *prefix;                 /* of the keys' names, at most IC_LOAD_PREFIX_MAX bytes */
    const struct ic_contents *contents;
    uint32_t clients, pipeline;
    bool verify;
    const struct ic_load_phase *phase; /* phases of them */
    uint32_t phases;
    void (*progress)(void *ctx, const char *phase, double share); /* a few times a second */
    void *ctx;                                                    /* of all functions here */
};

/*
 * Runs to the end. Errors with WHY (IC_LOAD_WHY_MAX bytes): IC_EUNAVAIL nobody listens, IC_EAUTH,
 * IC_ECLOSED a connection broke, IC_EPROTO, IC_ETIMEOUT nothing moved, IC_ECANCELED a held signal
 * (cli/signals.h), IC_EIO an error reply in a phase that must not have one, IC_ENOMEM. On success
 * WHY is the first error reply there was, or empty.
 */
int ic_load_run(const struct ic_load_settings *settings, char *why) IC_MUST_USE;

#endif
