/*
 * runtime_api.h - the Lambda Runtime API (version 2018-06-01) towards one instance, which has
 * a listening address of its own: what comes in there is this instance's, whatever it says.
 *
 *   INIT --GET next: `asked`--> READY --ic_runtime_api_hand_out--> RUNNING
 *    |                            ^                                   | POST response / error:
 *    | POST init/error            | GET next: `asked`                 v `answered`
 *    v                            +------------------------------- ANSWERED
 *   FAILED
 *
 * A request that does not fit the state is refused with 403 InvalidStateTransition, another
 * invocation's id with 400 InvalidRequestID, as Lambda does. At the same address is the Extensions
 * API (extensions.h): `asked` waits until the registered extensions are ready, too.
 */
#ifndef IC_PLATFORM_LOCAL_RUNTIME_API_H
#define IC_PLATFORM_LOCAL_RUNTIME_API_H

#include "base/buf.h"
#include "base/error.h"
#include "platform/local/extensions.h"

struct ic_loop;
struct ic_runtime_api;

enum {
    IC_RESPONSE_MAX_BYTES = 6 * 1024 * 1024 + 100, /* of an answer: Lambda's limit */
    IC_RUNTIME_ADDRESS_MAX = 32,                   /* "127.12.34.56:40123" */
};

enum ic_answer { IC_ANSWER_RESPONSE, IC_ANSWER_ERROR, IC_ANSWER_TOO_LARGE };

struct ic_runtime_handler {
    /* It and all its extensions wait for an event: hand one out now or later. */
    void (*asked)(void *ctx);
    /* BODY is handed over; NULL: empty. TYPE: Lambda-Runtime-Function-Error-Type, or NULL. */
    void (*answered)(void *ctx, enum ic_answer answer, const char *type, struct ic_buf *body);
    void (*init_failed)(void *ctx, const char *type, struct ic_buf *body);
    /* An extension gives up: in its init or, EXITED, later. */
    void (*extension_failed)(void *ctx, bool exited);
};

/* FACTS are copied. IC_ENOMEM, IC_EIO: no descriptors. */
int ic_runtime_api_new(struct ic_loop *loop, const struct ic_extensions_facts *facts,
                       const struct ic_runtime_handler *handler, void *ctx,
                       struct ic_runtime_api **out) IC_MUST_USE;
/* Not from a handler. NULL is fine. */
void ic_runtime_api_free(struct ic_runtime_api *api);
size_t ic_runtime_api_extensions(const struct ic_runtime_api *api); /* that are registered */
/* What AWS_LAMBDA_RUNTIME_API says. */
const char *ic_runtime_api_address(const struct ic_runtime_api *api);

struct ic_event {
    const char *request_id; /* a UUID */
    const char *arn;
    const char *trace_id;
    const char *client_context; /* or NULL */
    int64_t deadline_ms;        /* wall time */
    struct ic_buf *payload;     /* a reference is taken; NULL: empty */
};
/* READY -> RUNNING: answers the `next` that waits, tells the extensions that want to know. */
void ic_runtime_api_hand_out(struct ic_runtime_api *api, const struct ic_event *event);

#endif
