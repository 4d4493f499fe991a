/*
 * load.h - the load generator's engine: connections that ask a Redis server for what a
 * workload says, and how long each answer took.
 *
 *   PREPARE every key once --> WARM (not counted) --> RUN --> figures
 *
 *   closed loop: a connection asks again as soon as it is answered
 *   open loop:   request i is due at i / rate, whether or not earlier ones are answered; its
 * latency counts from then, so that a server that stalls cannot hide what waited (coordinated
 * omission, G. Tene)
 */
#ifndef IC_CLI_LOAD_H
#define IC_CLI_LOAD_H

#include "base/error.h"
#include "base/histogram.h"

#include <stdbool.h>

struct ic_workload;

enum {
    IC_LOAD_CLIENTS_MAX = 10000,
    IC_LOAD_PIPELINE_MAX = 1024,
    IC_LOAD_WHY_MAX = 512,
    IC_LOAD_STALL_MS = 60000, /* nothing answered for so long: given up */
};

struct ic_load_settings {
    const char *host, *port, *password; /* password "": none */
    const char *prefix;                 /* of the keys' names */
    struct ic_workload *workload;
    uint32_t clients, pipeline;
    uint64_t requests;    /* of RUN; 0: for duration_ms */
    uint64_t duration_ms; /* of RUN, if requests is 0 */
    uint64_t warm_up_ms;
    double rate;          /* requests a second of all clients; 0: closed loop */
    uint64_t range_bytes; /* GETRANGE of so many bytes instead of GET; 0: GET */
    bool prepare, verify;
    void (*begin)(void *ctx); /* RUN begins */
    void (*end)(void *ctx);   /* and has ended */
    /* SHARE of all that is to be done, from 0 to 1; a few times a second. */
    void (*progress)(void *ctx, const char *phase, double share);
    void *ctx;
};

struct ic_load_figures {
    struct ic_histogram latency_us; /* of answered requests, misses included */
    uint64_t bytes;                 /* of values */
    uint64_t misses;
    uint64_t errors; /* error replies */
    uint64_t wrong;  /* values that are not what was stored */
};

struct ic_load_result {
    struct ic_load_figures get, set;
    double seconds;              /* RUN's first request to its last answer */
    char error[IC_LOAD_WHY_MAX]; /* the first error reply; empty: none */
};

/*
 * Runs to the end. *RESULT (large: keep it off the stack) is filled in all cases; errors with WHY
 * (IC_LOAD_WHY_MAX bytes): IC_EUNAVAIL nobody listens, IC_EAUTH, IC_ECLOSED a connection broke,
 * IC_EPROTO, IC_ETIMEOUT nothing moved, IC_ECANCELED a held signal (cli/signals.h), IC_EIO the
 * keys cannot be stored, IC_ENOMEM.
 */
int ic_load_run(const struct ic_load_settings *settings, struct ic_load_result *result,
                char *why) IC_MUST_USE;

#endif
