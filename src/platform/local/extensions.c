#include "platform/local/extensions.h"

#include "base/alloc.h"
#include "net/http_server.h"
#include "platform/local/json_check.h"
#include "platform/local/runtime_api.h"
#include "platform/local/uuid.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 512, VALUES_MAX = 1000 };

static const char id_header[] = "Lambda-Extension-Identifier";
static const char error_header[] = "Lambda-Extension-Function-Error-Type";

enum state { REGISTERED, READY, RUNNING, FAILED };

struct extension {
    char name[IC_EXTENSION_NAME_MAX + 1];
    char id[IC_UUID_SIZE];
    bool wants_invoke;
    enum state state;
    struct ic_http_request *next; /* READY: waits for an event */
};

struct ic_extensions {
    const struct ic_extensions_handler *handler;
    void *ctx;
    char *function, *version, *entry;
    bool closed;
    size_t count;
    struct extension list[IC_EXTENSIONS_MAX];
};

/* ---- answers ------------------------------------------------------------------- */

/* Takes JSON (NULL: out of memory) over. */
static void reply_json(struct ic_http_request *r, unsigned status,
                       const struct ic_http_header *extra, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    struct ic_buf *body = text == NULL ? NULL : ic_buf_new(strlen(text));
    if (body == NULL || ic_buf_append_str(body, text) < 0) {
        ic_buf_unref(body);
        ic_http_drop(r);
    } else {
        const struct ic_http_header headers[] = {{"Content-Type", "application/json"}, *extra};
        ic_http_reply(r, status, headers, 2, body);
    }
    free(text);
    json_decref(json);
}

__attribute__((format(printf, 3, 4))) static void refuse(struct ic_http_request *r,
                                                         const char *type, const char *format, ...)
{
    char words[WORDS_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    const struct ic_http_header header = {"Lambda-Runtime-Function-Error-Type", type};
    reply_json(r, 403, &header, json_pack("{s:s, s:s}", "errorMessage", words, "errorType", type));
}

static const char *state_name(enum state state)
{
    static const char *const names[] = {
        [REGISTERED] = "Registered", [READY] = "Ready", [RUNNING] = "Running", [FAILED] = "Failed"};
    return names[state];
}

static void refuse_transition(struct ic_http_request *r, const struct extension *x, const char *to)
{
    refuse(r, "Extension.InvalidExtensionState",
           "State transition from %s to %s failed for extension %s. Error: State transition is not "
           "allowed",
           state_name(x->state), to, x->id);
}

static void reply_accepted(struct ic_http_request *r, const struct extension *x)
{
    const struct ic_http_header header = {id_header, x->id};
    reply_json(r, 202, &header, json_pack("{s:s}", "status", "OK"));
}

/* ---- register ------------------------------------------------------------------ */

static const struct extension *find_name(const struct ic_extensions *e, const char *name)
{
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->list[i].name, name) == 0) {
            return &e->list[i];
        }
    }
    return NULL;
}

/* False: R has been refused. */
static bool take_event_names(struct ic_http_request *r, const json_t *events, bool *wants_invoke)
{
    size_t i;
    json_t *item;
    json_array_foreach(events, i, item)
    {
        const char *name = json_string_value(item);
        if (name != NULL && strcmp(name, "INVOKE") == 0) {
            *wants_invoke = true;
            continue;
        }
        bool shutdown = name != NULL && strcmp(name, "SHUTDOWN") == 0;
        refuse(r, "Extension.InvalidEventType", "%.100s: %s", name == NULL ? "" : name,
               shutdown ? "ShutdownEventNotSupportedForInternalExtension"
                        : "ErrorInvalidEventType");
        return false;
    }
    return true;
}

/* What a registration says. False: R has been refused. */
static bool parse(struct ic_http_request *r, bool *wants_invoke)
{
    struct ic_slice text = ic_http_body(r);
    json_t *body = NULL;
    if (text.len <= IC_REGISTER_BODY_MAX_BYTES && ic_json_check(text, VALUES_MAX) == 0) {
        body = json_loadb((const char *)text.data, text.len, 0, NULL);
    }
    const json_t *events = json_object_get(body, "events");
    bool valid = json_is_object(body) && (events == NULL || json_is_array(events));
    if (!valid) {
        refuse(r, "InvalidRequestFormat", "not a JSON object with an array \"events\"");
    } else {
        valid = take_event_names(r, events, wants_invoke);
    }
    json_decref(body);
    return valid;
}

static void add(struct ic_extensions *e, struct ic_http_request *r, const char *name,
                bool wants_invoke)
{
    struct extension *x = &e->list[e->count++];
    *x = (struct extension){.wants_invoke = wants_invoke, .state = REGISTERED};
    strcpy(x->name, name);
    ic_uuid(x->id);
    const struct ic_http_header header = {id_header, x->id};
    reply_json(r, 200, &header,
               json_pack("{s:s, s:s, s:s}", "functionName", e->function, "functionVersion",
                         e->version, "handler", e->entry));
}

static void on_register(struct ic_extensions *e, struct ic_http_request *r)
{
    const char *name = ic_http_header(r, "Lambda-Extension-Name");
    bool wants_invoke = false;
    if (name == NULL || name[0] == '\0') {
        refuse(r, "Extension.InvalidExtensionName", "Empty extension name");
    } else if (strlen(name) > IC_EXTENSION_NAME_MAX) {
        refuse(r, "Extension.InvalidExtensionName", "Extension name too long");
    } else if (!parse(r, &wants_invoke)) {
        return;
    } else if (e->closed) {
        refuse(r, "Extension.RegistrationClosed", "Extension registration closed already");
    } else if (find_name(e, name) != NULL) {
        refuse(r, "Extension.InvalidExtensionState", "Extension with this name already registered");
    } else if (e->count == IC_EXTENSIONS_MAX) {
        refuse(r, "Extension.TooManyExtensions", "Extension limit (%d) reached", IC_EXTENSIONS_MAX);
    } else {
        add(e, r, name, wants_invoke);
    }
}

/* ---- the calls of one that is registered ----------------------------------------- */

/* Who says R; NULL: it has been refused. */
static struct extension *caller(struct ic_extensions *e, struct ic_http_request *r)
{
    const char *id = ic_http_header(r, id_header);
    if (id == NULL || id[0] == '\0') {
        refuse(r, "Extension.MissingExtensionIdentifier", "Missing %s header", id_header);
        return NULL;
    }
    if (!ic_is_uuid(ic_slice_str(id))) {
        refuse(r, "Extension.InvalidExtensionIdentifier", "Invalid %s", id_header);
        return NULL;
    }
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->list[i].id, id) == 0) {
            return &e->list[i];
        }
    }
    refuse(r, "Extension.UnknownExtensionIdentifier", "Unknown extension %s", id);
    return NULL;
}

static void on_next(struct ic_extensions *e, struct extension *x, struct ic_http_request *r)
{
    switch (x->state) {
    case READY: /* it gave up waiting and asks anew */
        ic_http_drop(x->next);
        x->next = r;
        return;
    case REGISTERED:
    case RUNNING:
        x->state = READY;
        x->next = r;
        e->handler->ready(e->ctx);
        return;
    case FAILED:
        refuse_transition(r, x, "Ready");
        return;
    }
}

static void fail(struct ic_extensions *e, struct extension *x, struct ic_http_request *r,
                 bool exited)
{
    bool allowed = exited ? x->state != FAILED : x->state == REGISTERED;
    const char *type = ic_http_header(r, error_header);
    if (type == NULL || type[0] == '\0') {
        refuse(r, "Extension.MissingHeader", "%s not found", error_header);
        return;
    }
    if (!allowed) {
        refuse_transition(r, x, exited ? "ExitError" : "InitError");
        return;
    }
    if (x->next != NULL) {
        ic_http_drop(x->next);
        x->next = NULL;
    }
    x->state = FAILED;
    reply_accepted(r, x);
    e->handler->failed(e->ctx, exited);
}

static bool is_call(struct ic_slice path, const char *name)
{
    return ic_slice_equal(path, ic_slice_str(name));
}

void ic_extensions_request(struct ic_extensions *e, struct ic_slice path, struct ic_http_request *r)
{
    bool next = is_call(path, "event/next"), init = is_call(path, "init/error");
    bool registers = is_call(path, "register"), exited = is_call(path, "exit/error");
    if (!next && !init && !registers && !exited) {
        ic_http_reply_text(r, 404, "text/plain", ic_slice_str("404 page not found\n"));
        return;
    }
    if (strcmp(ic_http_method(r), next ? "GET" : "POST") != 0) {
        ic_http_reply(r, 405, NULL, 0, NULL);
        return;
    }
    if (registers) {
        on_register(e, r);
        return;
    }
    struct extension *x = caller(e, r);
    if (x == NULL) {
        return;
    }
    if (next) {
        on_next(e, x, r);
    } else {
        fail(e, x, r, exited);
    }
}

/* ---- what the Runtime API asks for ------------------------------------------------ */

void ic_extensions_close_registration(struct ic_extensions *e)
{
    e->closed = true;
}

size_t ic_extensions_count(const struct ic_extensions *e)
{
    return e->count;
}

bool ic_extensions_ready(const struct ic_extensions *e)
{
    for (size_t i = 0; i < e->count; i++) {
        if (e->list[i].state != READY) {
            return false;
        }
    }
    return true;
}

static void send_invoke(struct extension *x, const struct ic_event *event)
{
    char id[IC_UUID_SIZE];
    ic_uuid(id);
    const struct ic_http_header header = {"Lambda-Extension-Event-Identifier", id};
    json_t *json = json_pack("{s:s, s:I, s:s, s:s, s:{s:s, s:s}}", "eventType", "INVOKE",
                             "deadlineMs", (json_int_t)event->deadline_ms, "requestId",
                             event->request_id, "invokedFunctionArn", event->arn, "tracing", "type",
                             "X-Amzn-Trace-Id", "value", event->trace_id);
    struct ic_http_request *next = x->next;
    x->next = NULL;
    x->state = RUNNING;
    reply_json(next, 200, &header, json);
}

void ic_extensions_invoke(struct ic_extensions *e, const struct ic_event *event)
{
    assert(ic_extensions_ready(e));
    for (size_t i = 0; i < e->count; i++) {
        if (e->list[i].wants_invoke) {
            send_invoke(&e->list[i], event);
        }
    }
}

/* ---- life ------------------------------------------------------------------------ */

struct ic_extensions *ic_extensions_new(const struct ic_extensions_facts *facts,
                                        const struct ic_extensions_handler *handler, void *ctx)
{
    struct ic_extensions *e = ic_calloc(1, sizeof *e);
    if (e == NULL) {
        return NULL;
    }
    e->handler = handler;
    e->ctx = ctx;
    e->function = ic_strdup(facts->function);
    e->version = ic_strdup(facts->version);
    e->entry = ic_strdup(facts->handler);
    if (e->function == NULL || e->version == NULL || e->entry == NULL) {
        ic_extensions_free(e);
        return NULL;
    }
    return e;
}

void ic_extensions_free(struct ic_extensions *e)
{
    if (e == NULL) {
        return;
    }
    for (size_t i = 0; i < e->count; i++) {
        if (e->list[i].next != NULL) {
            ic_http_drop(e->list[i].next);
        }
    }
    ic_free(e->function);
    ic_free(e->version);
    ic_free(e->entry);
    ic_free(e);
}
