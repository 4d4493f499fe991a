/*
 * instance.h - one function instance: its process, its Runtime API, its log and its deadlines.
 * The states are in instance_state.h; the fleet decides who gets which invocation.
 *
 *   fleet --new, assign, end, reaped--> instance --signals, events--> process
 *   fleet <-- finished, again, gone --- instance <--HTTP, stdout, memory--- process
 *
 * An init that fails, or takes more than init_ms, is repeated once, by a new process, as part of
 * the invocation: within its timeout, and billed. Lambda calls that a suppressed init.
 */
#ifndef IC_PLATFORM_LOCAL_INSTANCE_H
#define IC_PLATFORM_LOCAL_INSTANCE_H

#include "base/buf.h"
#include "platform/local/fleet.h"
#include "platform/local/instance_state.h"
#include "platform/local/invocation.h"

struct ic_function_log;
struct ic_instance;
struct ic_loop;

enum {
    IC_INSTANCE_ID_HEX = 32,
    IC_INIT_TIMEOUT_MS = 10000,
    IC_SHUTDOWN_MS = 500, /* AWS: the shutdown phase of one with an internal extension */
};

/* Why an instance is ended. */
enum ic_end {
    IC_END_TIMEOUT,        /* its invocation takes too long */
    IC_END_INIT_TIMEOUT,   /* it does not ask for its first event */
    IC_END_INIT_FAILED,    /* it said so */
    IC_END_EXTENSION_INIT, /* an extension could not start, */
    IC_END_EXTENSION_EXIT, /* or gave up later */
    IC_END_KILLED,         /* memory exceeded; room wanted at once */
    IC_END_RECLAIMED,      /* idle for long, reclaimed, outdated: with a shutdown phase */
    IC_END_SHUTDOWN,       /* the platform stops: with a shutdown phase */
};

struct ic_instance_host {
    /*
     * INVOCATION is over and handed back; the instance is IDLE already, or GONE. RESULT is
     * borrowed. The host may assign the next invocation or end the instance in this call.
     */
    void (*finished)(void *ctx, struct ic_invocation *invocation,
                     const struct ic_invoke_result *result);
    /* IDLE without an invocation for so long that it should go. */
    void (*idle_for_long)(void *ctx);
    /* The process is reaped, and ic_instance_launch is to be called once more, not at once. */
    void (*again)(void *ctx);
    /* The process is reaped; the host frees the instance. */
    void (*gone)(void *ctx);
};

struct ic_instance_setup {
    struct ic_loop *loop;
    const struct ic_function_spec *spec; /* copied where needed */
    const char *function;                /* its name; outlives the instance */
    const char *region;
    uint32_t billing_ms;
    uint32_t idle_ms;            /* 0: for ever */
    uint32_t init_ms;            /* its init may take so long before it is repeated */
    struct ic_function_log *log; /* or NULL; outlives the instance */
    const struct ic_instance_host *host;
    void *ctx;
};

/*
 * Prepares an instance for INVOCATION, which it takes over on success; ic_instance_launch starts
 * its process. IC_ENOMEM; IC_EUNAVAIL: no descriptor to be had.
 */
int ic_instance_new(const struct ic_instance_setup *setup, struct ic_invocation *invocation,
                    struct ic_instance **out) IC_MUST_USE;
/*
 * Starts the process: once, and whenever the host is told `again`. What goes wrong is reported by
 * `finished` and `gone`, not on this stack: a bootstrap that cannot be executed as a function
 * error, no process to be had as IC_EUNAVAIL.
 */
void ic_instance_launch(struct ic_instance *i);
/* Only when it is GONE; released at the turn's end. */
void ic_instance_free(struct ic_instance *i);

/* IDLE -> BUSY: thaws it and hands INVOCATION out, which it takes over. */
void ic_instance_assign(struct ic_instance *i, struct ic_invocation *invocation);
/*
 * Kills it, or asks it to end and kills it IC_SHUTDOWN_MS later if WHY has a shutdown phase and it
 * has an extension (without one it would not know what for). Nothing if that has begun already,
 * but that a kill cuts the phase short. `finished` and `gone` follow when it is reaped.
 */
void ic_instance_end(struct ic_instance *i, enum ic_end why);
/* The process was reaped with WAIT_STATUS (as of waitpid): GONE, or STARTING again. */
void ic_instance_reaped(struct ic_instance *i, int wait_status);

pid_t ic_instance_pid(const struct ic_instance *i); /* 0: none was made (yet) */
enum ic_instance_state ic_instance_state(const struct ic_instance *i);
const char *ic_instance_version(const struct ic_instance *i);
void ic_instance_view(const struct ic_instance *i, struct ic_instance_view *view);

#endif
