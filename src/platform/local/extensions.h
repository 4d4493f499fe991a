/*
 * extensions.h - the Lambda Extensions API (version 2020-01-01) towards one instance: internal
 * extensions, parts of the runtime's own process, register, say when they are ready, and are told
 * of invocations if they asked for that. (External ones would come from layers, which this platform
 * has not.)
 *
 *                 GET event/next               INVOKE goes out, if it registered for that
 *    REGISTERED ------------------> READY ------------------------------------------------> RUNNING
 *        |                            ^                                                        |
 *        | POST init/error            +-------------------- GET event/next ---------------------+
 *        v
 *    FAILED  <-- POST exit/error: from every state
 *
 * Paths, headers, statuses: AWS, "Lambda Extensions API"; the errors' types are those of AWS's own
 * runtime interface emulator (lambda/rapi/handler).
 */
#ifndef IC_PLATFORM_LOCAL_EXTENSIONS_H
#define IC_PLATFORM_LOCAL_EXTENSIONS_H

#include "base/error.h"
#include "base/slice.h"

struct ic_event;
struct ic_extensions;
struct ic_http_request;

enum {
    IC_EXTENSIONS_MAX = 10, /* AWS */
    IC_EXTENSION_NAME_MAX = 128,
    IC_REGISTER_BODY_MAX_BYTES = 16 * 1024,
};

/* What comes after the host in the path of every call. */
#define IC_EXTENSIONS_PREFIX "/2020-01-01/extension/"

struct ic_extensions_handler {
    /* One more is READY; see ic_extensions_ready. */
    void (*ready)(void *ctx);
    /* One posted init/error or, EXITED, exit/error. */
    void (*failed)(void *ctx, bool exited);
};

/* What a registration is answered with. */
struct ic_extensions_facts {
    const char *function, *version, *handler;
};

/* FACTS are copied. NULL: out of memory. */
struct ic_extensions *ic_extensions_new(const struct ic_extensions_facts *facts,
                                        const struct ic_extensions_handler *handler, void *ctx);
/* Drops the requests that wait. Not from a handler. NULL is fine. */
void ic_extensions_free(struct ic_extensions *e);

/* Answers R, now or later; PATH is what follows the prefix. */
void ic_extensions_request(struct ic_extensions *e, struct ic_slice path,
                           struct ic_http_request *r);

/* The runtime is past its init: who has not registered by now never will. */
void ic_extensions_close_registration(struct ic_extensions *e);
size_t ic_extensions_count(const struct ic_extensions *e); /* registered */
bool ic_extensions_ready(const struct ic_extensions *e);   /* all of them are READY */
/* EVENT is handed to the runtime now: tells those who want to know. All are READY. */
void ic_extensions_invoke(struct ic_extensions *e, const struct ic_event *event);

#endif
