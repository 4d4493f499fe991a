/*
 * invocation.h - one Invoke on its way through the platform: what the fleet hands to an instance
 * and gets back from it.
 */
#ifndef IC_PLATFORM_LOCAL_INVOCATION_H
#define IC_PLATFORM_LOCAL_INVOCATION_H

#include "platform/local/fleet.h"

/* The fields are the interface; all are owned by whoever holds the invocation. */
struct ic_invocation {
    char *id, *arn, *trace_id;
    char *client_context;   /* or NULL */
    struct ic_buf *payload; /* or NULL */
    ic_invoke_done *done;   /* or NULL */
    void *ctx;
    bool unreserved; /* counts against the account's concurrency */
};

/* Copies what it keeps of SPEC and REQUEST; the payload gets a reference. NULL: out of memory. */
struct ic_invocation *ic_invocation_new(const struct ic_function_spec *spec,
                                        const struct ic_invoke_request *request,
                                        ic_invoke_done *done, void *ctx);
void ic_invocation_free(struct ic_invocation *v); /* NULL is fine */

#endif
