#include "platform/local/runtime_api.h"

#include "base/alloc.h"
#include "base/random.h"
#include "net/http_server.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    ID_MAX = 64,
    CONNECTIONS_MAX = 16, /* of one instance: its runtime, its extensions, a stray one */
    LISTEN_TRIES = 4,
    ERROR_WORDS_MAX = 256,
};
/* A frozen instance answers nothing for hours; its connections are bounded, not timed. */
static const uint32_t FOREVER_S = 10u * 365 * 86400;
static const char prefix[] = "/2018-06-01/runtime/";
static const char extensions_prefix[] = IC_EXTENSIONS_PREFIX;

enum state { STATE_INIT, STATE_READY, STATE_RUNNING, STATE_ANSWERED, STATE_FAILED };

struct ic_runtime_api {
    struct ic_http_server *server;
    const struct ic_runtime_handler *handler;
    void *ctx;
    struct ic_extensions *extensions;
    struct ic_http_request *next; /* in READY: the request that waits for an event */
    enum state state;
    bool told;               /* in READY: `asked` was called */
    char request_id[ID_MAX]; /* in RUNNING and ANSWERED */
    char address[IC_RUNTIME_ADDRESS_MAX];
};

/* ---- answers ------------------------------------------------------------------- */

static void reply_json(struct ic_http_request *r, unsigned status, const char *text)
{
    ic_http_reply_text(r, status, "application/json", ic_slice_str(text));
}

static void reply_error(struct ic_http_request *r, unsigned status, const char *type,
                        const char *words)
{
    char text[ERROR_WORDS_MAX];
    snprintf(text, sizeof text, "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}", words, type);
    reply_json(r, status, text);
}

static const char *state_name(enum state state)
{
    switch (state) {
    case STATE_INIT:
        return "Started";
    case STATE_READY:
        return "Ready";
    case STATE_RUNNING:
        return "Running";
    case STATE_ANSWERED:
        return "InvocationResponseSent";
    case STATE_FAILED:
        return "InitError";
    }
    return "?";
}

static void reply_bad_transition(struct ic_runtime_api *api, struct ic_http_request *r,
                                 const char *to)
{
    char words[ERROR_WORDS_MAX / 2];
    snprintf(words, sizeof words,
             "State transition from %s to %s failed for runtime. Error: State transition is not "
             "allowed",
             state_name(api->state), to);
    reply_error(r, 403, "InvalidStateTransition", words);
}

/* ---- readiness ----------------------------------------------------------------- */

static void tell(void *ctx)
{
    struct ic_runtime_api *api = ctx;
    if (api->state == STATE_READY && !api->told && ic_extensions_ready(api->extensions)) {
        api->told = true;
        api->handler->asked(api->ctx);
    }
}

static void on_extension_failed(void *ctx, bool exited)
{
    struct ic_runtime_api *api = ctx;
    api->handler->extension_failed(api->ctx, exited);
}

static const struct ic_extensions_handler extensions_handler = {
    .ready = tell,
    .failed = on_extension_failed,
};

/* ---- requests ------------------------------------------------------------------ */

static void on_next(struct ic_runtime_api *api, struct ic_http_request *r)
{
    switch (api->state) {
    case STATE_READY: /* it gave up waiting and asks anew */
        ic_http_drop(api->next);
        api->next = r;
        return;
    case STATE_INIT:
    case STATE_ANSWERED:
        api->state = STATE_READY;
        api->next = r;
        ic_extensions_close_registration(api->extensions);
        tell(api);
        return;
    case STATE_RUNNING:
    case STATE_FAILED:
        reply_bad_transition(api, r, "Ready");
        return;
    }
}

static void on_init_error(struct ic_runtime_api *api, struct ic_http_request *r)
{
    if (api->state != STATE_INIT) {
        reply_bad_transition(api, r, "InitError");
        return;
    }
    api->state = STATE_FAILED;
    const char *type = ic_http_header(r, "Lambda-Runtime-Function-Error-Type");
    api->handler->init_failed(api->ctx, type, ic_http_take_body(r));
    reply_json(r, 202, "{\"status\":\"OK\"}\n");
}

static void on_answer(struct ic_runtime_api *api, struct ic_http_request *r, struct ic_slice id,
                      bool is_error)
{
    if ((api->state != STATE_RUNNING && api->state != STATE_ANSWERED) ||
        !ic_slice_equal(id, ic_slice_str(api->request_id))) {
        reply_error(r, 400, "InvalidRequestID", "Invalid request ID");
        return;
    }
    if (api->state == STATE_ANSWERED) {
        reply_bad_transition(api, r, is_error ? "InvocationErrorResponse" : "InvocationResponse");
        return;
    }
    api->state = STATE_ANSWERED;
    if (ic_http_too_large(r)) {
        api->handler->answered(api->ctx, IC_ANSWER_TOO_LARGE, NULL, NULL);
        reply_error(r, 413, "RequestEntityTooLarge",
                    "Exceeded maximum allowed payload size (6291556 bytes).");
        return;
    }
    const char *type = ic_http_header(r, "Lambda-Runtime-Function-Error-Type");
    api->handler->answered(api->ctx, is_error ? IC_ANSWER_ERROR : IC_ANSWER_RESPONSE,
                           is_error ? type : NULL, ic_http_take_body(r));
    reply_json(r, 202, "{\"status\":\"OK\"}\n");
}

/* The part of PATH before '/'; *REST is what follows it. */
static struct ic_slice first_part(struct ic_slice path, struct ic_slice *rest)
{
    const uint8_t *slash = path.len == 0 ? NULL : memchr(path.data, '/', path.len);
    size_t len = slash == NULL ? path.len : (size_t)(slash - path.data);
    size_t skip = slash == NULL ? len : len + 1;
    *rest = ic_slice(path.data + skip, path.len - skip);
    return ic_slice(path.data, len);
}

static bool is(struct ic_slice slice, const char *text)
{
    return ic_slice_equal(slice, ic_slice_str(text));
}

static bool allowed(struct ic_http_request *r, const char *method)
{
    if (strcmp(ic_http_method(r), method) == 0) {
        return true;
    }
    ic_http_reply(r, 405, NULL, 0, NULL);
    return false;
}

static void on_request(void *ctx, struct ic_http_request *r)
{
    struct ic_runtime_api *api = ctx;
    struct ic_slice path = ic_http_path(r);
    size_t skip = sizeof extensions_prefix - 1;
    if (path.len > skip && memcmp(path.data, extensions_prefix, skip) == 0) {
        ic_extensions_request(api->extensions, ic_slice(path.data + skip, path.len - skip), r);
        return;
    }
    skip = sizeof prefix - 1;
    if (path.len > skip && memcmp(path.data, prefix, skip) == 0) {
        path = ic_slice(path.data + skip, path.len - skip);
        struct ic_slice id, rest;
        if (is(path, "invocation/next")) {
            if (allowed(r, "GET")) {
                on_next(api, r);
            }
            return;
        }
        if (is(path, "init/error")) {
            if (allowed(r, "POST")) {
                on_init_error(api, r);
            }
            return;
        }
        if (is(first_part(path, &rest), "invocation")) {
            id = first_part(rest, &rest);
            if (is(rest, "response") || is(rest, "error")) {
                if (allowed(r, "POST")) {
                    on_answer(api, r, id, is(rest, "error"));
                }
                return;
            }
        }
    }
    ic_http_reply_text(r, 404, "text/plain", ic_slice_str("404 page not found\n"));
}

static size_t body_max(void *ctx, const struct ic_http_request *r)
{
    (void)ctx;
    (void)r;
    return IC_RESPONSE_MAX_BYTES;
}

/* ---- life ---------------------------------------------------------------------- */

/*
 * A free port of a random loopback address: nobody else's fixed port is there, and one instance
 * does not meet another's by counting.
 */
static int listen_somewhere(struct ic_loop *loop, struct ic_runtime_api *api)
{
    int result = IC_EIO;
    for (int i = 0; i < LISTEN_TRIES; i++) {
        uint8_t part[3];
        char host[IC_RUNTIME_ADDRESS_MAX];
        ic_random_fill(part, sizeof part);
        snprintf(host, sizeof host, "127.%d.%d.%d", part[0], part[1], 1 + part[2] % 254);
        const struct ic_http_options options = {
            .host = i + 1 < LISTEN_TRIES ? host : "127.0.0.1",
            .connections_max = CONNECTIONS_MAX,
            .idle_s = FOREVER_S,
            .receive_s = FOREVER_S,
            .send_s = FOREVER_S,
            .memory_max_bytes = 4 * (size_t)IC_RESPONSE_MAX_BYTES,
            .body_max = body_max,
            .handle = on_request,
            .ctx = api,
        };
        result = ic_http_server_new(loop, &options, &api->server);
        if (result >= 0) {
            snprintf(api->address, sizeof api->address, "%.15s:%" PRIu16, options.host,
                     ic_http_server_port(api->server));
            return 0;
        }
        if (result != IC_EBUSY && result != IC_EINVAL) {
            return result;
        }
    }
    return result;
}

int ic_runtime_api_new(struct ic_loop *loop, const struct ic_extensions_facts *facts,
                       const struct ic_runtime_handler *handler, void *ctx,
                       struct ic_runtime_api **out)
{
    struct ic_runtime_api *api = ic_calloc(1, sizeof *api);
    if (api == NULL) {
        return IC_ENOMEM;
    }
    api->handler = handler;
    api->ctx = ctx;
    api->extensions = ic_extensions_new(facts, &extensions_handler, api);
    int result = api->extensions == NULL ? IC_ENOMEM : listen_somewhere(loop, api);
    if (result < 0) {
        ic_extensions_free(api->extensions);
        ic_free(api);
        return result;
    }
    *out = api;
    return 0;
}

void ic_runtime_api_free(struct ic_runtime_api *api)
{
    if (api == NULL) {
        return;
    }
    if (api->next != NULL) {
        ic_http_drop(api->next);
    }
    ic_extensions_free(api->extensions);
    ic_http_server_free(api->server);
    ic_free(api);
}

size_t ic_runtime_api_extensions(const struct ic_runtime_api *api)
{
    return ic_extensions_count(api->extensions);
}

const char *ic_runtime_api_address(const struct ic_runtime_api *api)
{
    return api->address;
}

void ic_runtime_api_hand_out(struct ic_runtime_api *api, const struct ic_event *event)
{
    assert(api->state == STATE_READY && api->told && api->next != NULL);
    assert(strlen(event->request_id) < sizeof api->request_id);
    strcpy(api->request_id, event->request_id);
    char deadline[24];
    snprintf(deadline, sizeof deadline, "%" PRId64, event->deadline_ms);
    const struct ic_http_header headers[] = {
        {"Content-Type", "application/json"},
        {"Lambda-Runtime-Aws-Request-Id", event->request_id},
        {"Lambda-Runtime-Deadline-Ms", deadline},
        {"Lambda-Runtime-Invoked-Function-Arn", event->arn},
        {"Lambda-Runtime-Trace-Id", event->trace_id},
        {"Lambda-Runtime-Client-Context", event->client_context},
    };
    size_t count = sizeof headers / sizeof headers[0] - (event->client_context == NULL);
    struct ic_http_request *next = api->next;
    api->next = NULL;
    api->state = STATE_RUNNING;
    api->told = false;
    ic_extensions_invoke(api->extensions, event);
    ic_http_reply(next, 200, headers, count,
                  event->payload == NULL ? NULL : ic_buf_ref(event->payload));
}
