/*
 * fleet.h - the local platform's function instances: starts a process per instance,
 * gives it one event at a time, freezes it in between, bills it and takes it back.
 * What the REST front above it calls; the Lambda Runtime API lies below it.
 *
 *   REST front --ic_fleet_invoke--> fleet --which idle instance? start one? throttle?--+
 *                                     ^                                                |
 *                                     +--- result --- instance (process) <--- event ---+
 *
 * Everything runs on the loop's thread. Strings and slices passed in are borrowed for
 * the call; the fleet copies what it keeps.
 */
#ifndef IC_PLATFORM_LOCAL_FLEET_H
#define IC_PLATFORM_LOCAL_FLEET_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "platform/local/bill.h"
#include "platform/local/instance_state.h"

#include <sys/types.h>

struct ic_fleet;
struct ic_loop;
struct ic_reclaim_model;

struct ic_fleet_options {
    const char *region;   /* "us-east-1": AWS_REGION of the instances */
    int routing;          /* IC_ROUTING_... of base/config.h: which idle one gets an Invoke */
    uint32_t idle_ms;     /* an instance idle for so long is reclaimed; 0: never */
    uint32_t init_ms;     /* an init that takes longer is repeated; 0: AWS's IC_INIT_TIMEOUT_MS */
    uint32_t reuse_ms;    /* one that has just returned gets no Invoke for so long */
    uint32_t billing_ms;  /* billed time is rounded up to a multiple: 1 or 100 */
    uint32_t concurrency; /* Invokes at once over all functions without a reservation */
    uint64_t seed;        /* of random routing */
    const struct ic_reclaim_model *reclaim; /* copied; NULL: none */
    uint32_t reclaim_speed;                 /* the model's time to ours, > 0 with a model */
    const char *log_file; /* what functions print, START END REPORT included; NULL: nowhere */
};

/* Instances in all, however many descriptors there are (each takes about six). */
enum { IC_INSTANCES_MAX = 2000, IC_INSTANCE_DESCRIPTORS = 8 };

/*
 * NULL: out of memory or descriptors. Takes over SIGCHLD and every child of the process, raises
 * the process's own soft limit of descriptors to its hard one.
 */
struct ic_fleet *ic_fleet_new(struct ic_loop *loop, const struct ic_fleet_options *options);
/*
 * Kills every instance and calls STOPPED when the last is reaped; Invokes under way end with
 * IC_ECANCELED, later ones are refused with it.
 */
void ic_fleet_stop(struct ic_fleet *fleet, void (*stopped)(void *ctx), void *ctx);
/* Allowed before ic_fleet_new succeeded (NULL) and after STOPPED was called. */
void ic_fleet_free(struct ic_fleet *fleet);

/* As ic_fleet_options.concurrency: the account's limit less all reservations, when one changes. */
void ic_fleet_set_concurrency(struct ic_fleet *fleet, uint32_t concurrency);

struct ic_function_variable {
    const char *name, *value;
};

enum { IC_RESERVED_NONE = -1 };

struct ic_function_spec {
    const char *name;     /* "infinicache-0" */
    const char *arn;      /* as invoked: Lambda-Runtime-Invoked-Function-Arn */
    const char *version;  /* "$LATEST" */
    const char *code_dir; /* unzipped; absolute; holds `bootstrap` */
    const char *handler;  /* _HANDLER; may be "" */
    uint32_t memory_mb;
    uint32_t timeout_s;
    int32_t reserved; /* reserved concurrency, 0 throttles all; or IC_RESERVED_NONE */
    const struct ic_function_variable *variables;
    size_t variable_count;
};

struct ic_invoke_request {
    const char *id;             /* a UUID: Lambda-Runtime-Aws-Request-Id */
    struct ic_buf *payload;     /* the event; heap buffer, a reference is taken; NULL: "{}" */
    const char *trace_id;       /* the caller's X-Amzn-Trace-Id, or NULL: one is made */
    const char *client_context; /* JSON (decoded), or NULL */
};

struct ic_invoke_result {
    int status;                 /* 0; IC_ECANCELED: the platform stops; IC_EUNAVAIL: no
                                 * process to be had; IC_ENOMEM. The rest is
                                 * meaningful with 0 only. */
    const char *function_error; /* NULL, or X-Amz-Function-Error: "Unhandled" */
    struct ic_slice payload;    /* the function's answer, or its error as JSON */
    struct ic_slice log_tail;   /* the last 4 KiB of its log, raw */
    const char *version;        /* X-Amz-Executed-Version */
    enum ic_outcome outcome;
    uint64_t billed_ms;
};

typedef void ic_invoke_done(void *ctx, const struct ic_invoke_result *result);

/*
 * Invokes. On 0 DONE is called exactly once, later, never on this call's own stack, when the
 * instance has asked for its next event or is gone; RESULT is borrowed for that call. The Invoke
 * goes on whether anyone still wants the answer: DONE may be NULL.
 * IC_ETHROTTLED: above the limit of concurrency, or of instances on one machine. IC_EUNAVAIL: no
 * process or descriptor to be had. IC_ENOMEM. IC_ECANCELED: the fleet stops. A bootstrap that
 * cannot be executed is a function error like others.
 */
int ic_fleet_invoke(struct ic_fleet *fleet, const struct ic_function_spec *spec,
                    const struct ic_invoke_request *request, ic_invoke_done *done,
                    void *ctx) IC_MUST_USE;

/*
 * Code or configuration changed, or the function was deleted: instances made before are not
 * used again; idle ones end now, busy ones after their invocation. Their bill stays.
 */
void ic_fleet_function_changed(struct ic_fleet *fleet, const char *name);
void ic_fleet_function_removed(struct ic_fleet *fleet, const char *name);

/*
 * Takes instances back at once, busy ones included (their Invokes end with Runtime.ExitError), as
 * a cloud may do. DONE (may be NULL) is called, not on this stack, with their number when they
 * are reaped. IC_ENOMEM: nothing done.
 */
typedef void ic_reclaim_done(void *ctx, size_t count);
/* All instances of a function; none known: 0 instances. */
int ic_fleet_reclaim_function(struct ic_fleet *fleet, const char *name, ic_reclaim_done *done,
                              void *ctx) IC_MUST_USE;
/* A SHARE (0 to 1, else IC_ERANGE) of all, rounded to nearest, chosen by SEED alone. */
int ic_fleet_reclaim_share(struct ic_fleet *fleet, double share, uint64_t seed,
                           ic_reclaim_done *done, void *ctx) IC_MUST_USE;

/* One instance as GET /_local/instances shows it; borrowed for the call. */
struct ic_instance_view {
    const char *function;
    const char *instance; /* 32 hex digits */
    pid_t pid;
    enum ic_instance_state state; /* ic_instance_state_name */
    uint64_t invocations;         /* finished and current */
    uint64_t billed_ms;
    uint64_t max_memory_bytes;
};
/* By function name, then age. VISIT must not change the fleet. IC_ENOMEM: not visited. */
int ic_fleet_each_instance(struct ic_fleet *fleet,
                           void (*visit)(void *ctx, const struct ic_instance_view *view),
                           void *ctx) IC_MUST_USE;

/*
 * What was billed since the fleet began, instances and functions that are gone included. An Invoke
 * for which no process was to be had (IC_EUNAVAIL) is not on it.
 */
void ic_fleet_bill(const struct ic_fleet *fleet, struct ic_bill *sum);
/* By function name. IC_ENOMEM: not visited. */
int ic_fleet_each_bill(struct ic_fleet *fleet, void (*visit)(void *ctx, const struct ic_bill *bill),
                       void *ctx) IC_MUST_USE;

#endif
