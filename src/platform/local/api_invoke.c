/*
 * api_invoke.c - Invoke: what the caller asks for is checked, the fleet runs it, and the
 * answer goes to the caller if it is still there. The invocation goes on when it is not.
 *
 *   RequestResponse  200 and the function's payload      Event  202 at once
 *   DryRun           204, nothing is run
 */
#include "platform/local/api_internal.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "platform/local/api_view.h"
#include "platform/local/function_config.h"
#include "platform/local/json_check.h"

#include <stdio.h>

enum {
    EVENT_MAX_BYTES = 262144,        /* AWS: payload of an Event */
    CLIENT_CONTEXT_MAX_BYTES = 3583, /* AWS: base64 of X-Amz-Client-Context */
    HEADERS_MAX = 6,
};

/* An Invoke whose answer is waited for. */
struct waiting {
    struct ic_http_request *http;
    bool tail; /* X-Amz-Log-Type: Tail */
    char id[IC_UUID_SIZE];
};

enum invocation_type { TYPE_REQUEST_RESPONSE, TYPE_EVENT, TYPE_DRY_RUN };

struct ask {
    enum invocation_type type;
    bool tail;
    struct ic_buf context; /* decoded, with a zero behind it; empty: none */
};

/* ---- what is asked ------------------------------------------------------------------------- */

static int wrong_choice(struct ic_api_request *q, const char *member, const char *value,
                        const char *choices)
{
    return ic_api_fail(&q->error, IC_API_ValidationException,
                       "1 validation error detected: Value '%.100s' at '%s' failed to satisfy "
                       "constraint: Member must satisfy enum value set: %s",
                       value, member, choices);
}

static int take_type(struct ic_api_request *q, struct ask *ask)
{
    static const char *const names[] = {[TYPE_REQUEST_RESPONSE] = "RequestResponse",
                                        [TYPE_EVENT] = "Event",
                                        [TYPE_DRY_RUN] = "DryRun"};
    const char *value = ic_http_header(q->http, "X-Amz-Invocation-Type");
    if (value == NULL) {
        return 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(value, names[i]) == 0) {
            ask->type = (enum invocation_type)i;
            return 0;
        }
    }
    return wrong_choice(q, "invocationType", value, "[Event, RequestResponse, DryRun]");
}

static int take_log_type(struct ic_api_request *q, struct ask *ask)
{
    const char *value = ic_http_header(q->http, "X-Amz-Log-Type");
    if (value == NULL || strcmp(value, "None") == 0) {
        return 0;
    }
    ask->tail = true;
    return strcmp(value, "Tail") == 0 ? 0 : wrong_choice(q, "logType", value, "[None, Tail]");
}

static int take_context(struct ic_api_request *q, struct ask *ask)
{
    const char *value = ic_http_header(q->http, "X-Amz-Client-Context");
    if (value == NULL) {
        return 0;
    }
    int result = strlen(value) > CLIENT_CONTEXT_MAX_BYTES
                     ? IC_EINVAL
                     : ic_base64_decode(ic_slice_str(value), &ask->context);
    if (result == 0 && ic_json_check(ic_buf_slice(&ask->context), IC_API_VALUES_MAX) < 0) {
        result = IC_EINVAL;
    }
    if (result == 0) {
        result = ic_buf_append(&ask->context, "", 1);
    }
    return result == IC_EINVAL
               ? ic_api_fail(&q->error, IC_API_InvalidRequestContentException,
                             "Client context must be a valid Base64-encoded JSON object.")
               : result;
}

static int check_payload(struct ic_api_request *q, const struct ask *ask)
{
    struct ic_slice payload = ic_http_body(q->http);
    if (ask->type == TYPE_EVENT && payload.len > EVENT_MAX_BYTES) {
        return ic_api_fail(&q->error, IC_API_RequestTooLargeException,
                           "%zu byte payload is too large for the Event invocation type (limit "
                           "%d bytes)",
                           payload.len, EVENT_MAX_BYTES);
    }
    if (payload.len > 0 && ic_json_check(payload, SIZE_MAX) < 0) {
        return ic_api_fail(&q->error, IC_API_InvalidRequestContentException,
                           "Could not parse request body into json: not a JSON value.");
    }
    return 0;
}

static int take_ask(struct ic_api_request *q, struct ask *ask)
{
    int result = take_type(q, ask);
    if (result == 0) {
        result = take_log_type(q, ask);
    }
    if (result == 0) {
        result = take_context(q, ask);
    }
    if (result == 0) {
        result = check_payload(q, ask);
    }
    return result;
}

/* ---- the answer ---------------------------------------------------------------------------------
 */

static int copy_payload(struct ic_slice payload, struct ic_buf **out)
{
    *out = ic_buf_new(payload.len);
    if (*out == NULL || ic_buf_append_slice(*out, payload) < 0) {
        ic_buf_unref(*out);
        *out = NULL;
        return IC_ENOMEM;
    }
    return 0;
}

/* The last IC_LOG_TAIL_MAX bytes of LOG as base64 text. */
static int encode_tail(struct ic_slice log, struct ic_buf *out)
{
    if (log.len > IC_LOG_TAIL_MAX) {
        log = ic_slice(log.data + (log.len - IC_LOG_TAIL_MAX), IC_LOG_TAIL_MAX);
    }
    int result = ic_base64_encode(log, out);
    return result < 0 ? result : ic_buf_append(out, "", 1);
}

static void answer_run(struct waiting *w, const struct ic_invoke_result *result)
{
    struct ic_http_header headers[HEADERS_MAX] = {{"Content-Type", "application/json"},
                                                  {"x-amzn-RequestId", w->id},
                                                  {"X-Amz-Executed-Version", result->version}};
    size_t count = 3;
    struct ic_buf tail, *payload = NULL;
    ic_buf_init(&tail);
    int status = copy_payload(result->payload, &payload);
    if (result->function_error != NULL) {
        headers[count++] = (struct ic_http_header){"X-Amz-Function-Error", result->function_error};
    }
    if (status == 0 && w->tail) {
        status = encode_tail(result->log_tail, &tail);
        headers[count++] = (struct ic_http_header){"X-Amz-Log-Result", (const char *)tail.data};
    }
    if (status == 0) {
        ic_http_reply(w->http, 200, headers, count, payload);
    } else {
        ic_buf_unref(payload);
        ic_http_drop(w->http);
    }
    ic_buf_deinit(&tail);
}

static void on_done(void *ctx, const struct ic_invoke_result *result)
{
    struct waiting *w = ctx;
    if (result->status == 0) {
        answer_run(w, result);
    } else {
        struct ic_api_error error = {0};
        (void)ic_api_fail(&error, IC_API_ServiceException, "The function was not run: %s.",
                          ic_error_text(result->status));
        ic_api_send_error(w->http, w->id, &error);
    }
    ic_free(w);
}

/* ---- the invocation
 * -------------------------------------------------------------------------------- */

static int throttled(struct ic_api_request *q, const struct ic_function *f)
{
    q->error.reason = f->reserved == IC_UNRESERVED
                          ? "ConcurrentInvocationLimitExceeded"
                          : "ReservedFunctionConcurrentInvocationLimitExceeded";
    return ic_api_fail(&q->error, IC_API_TooManyRequestsException, "Rate Exceeded.");
}

static struct ic_function_variable *list_variables(const json_t *variables, size_t *count)
{
    size_t n = 0;
    const char *name;
    json_t *value;
    struct ic_function_variable *list = ic_calloc(json_object_size(variables) + 1, sizeof *list);
    if (list != NULL) {
        json_object_foreach((json_t *)(uintptr_t)variables, name, value)
        {
            list[n++] = (struct ic_function_variable){name, json_string_value(value)};
        }
    }
    *count = n;
    return list;
}

/* Starts it; DONE and CTX as for ic_fleet_invoke. */
static int start(struct ic_api_request *q, const struct ic_function *f, const json_t *config,
                 const struct ask *ask, ic_invoke_done *done, void *ctx)
{
    char arn[IC_ARN_SIZE];
    struct ic_function_settings settings;
    ic_function_config_read(config, &settings);
    ic_api_arn(q->api, f->name, q->ref.qualifier[0] == '\0' ? NULL : q->ref.qualifier, arn);
    struct ic_function_spec spec = {
        .name = f->name,
        .arn = arn,
        .version = json_string_value(json_object_get(config, "Version")),
        .code_dir = ic_code_store_path(q->api->code, settings.code_sha256),
        .handler = settings.handler,
        .memory_mb = settings.memory_mb,
        .timeout_s = settings.timeout_s,
        .reserved = f->reserved == IC_UNRESERVED ? IC_RESERVED_NONE : (int32_t)f->reserved,
    };
    struct ic_function_variable *variables =
        list_variables(settings.variables, &spec.variable_count);
    if (variables == NULL || spec.code_dir == NULL) {
        ic_free(variables);
        return IC_ENOMEM;
    }
    spec.variables = variables;
    struct ic_buf *payload = ic_http_take_body(q->http);
    struct ic_invoke_request request = {
        .id = q->id,
        .payload = payload != NULL && payload->len > 0 ? payload : NULL,
        .trace_id = ic_http_header(q->http, "X-Amzn-Trace-Id"),
        .client_context = ask->context.len > 0 ? (const char *)ask->context.data : NULL,
    };
    int result = ic_fleet_invoke(q->api->fleet, &spec, &request, done, ctx);
    ic_buf_unref(payload);
    ic_free(variables);
    return result;
}

static int run_waited_for(struct ic_api_request *q, const struct ic_function *f,
                          const json_t *config, const struct ask *ask)
{
    struct waiting *w = ic_calloc(1, sizeof *w);
    if (w == NULL) {
        return IC_ENOMEM;
    }
    w->http = q->http;
    w->tail = ask->tail;
    memcpy(w->id, q->id, sizeof w->id);
    int result = start(q, f, config, ask, on_done, w);
    if (result < 0) {
        ic_free(w);
    }
    return result;
}

/* POST /_local/fail ordered STATUS for this Invoke. */
static int fail_as_ordered(struct ic_api_request *q, unsigned status)
{
    static const char words[] = "As ordered by /_local/fail.";
    switch (status) {
    case 429:
        q->error.reason = "CallerRateLimitExceeded";
        return ic_api_fail(&q->error, IC_API_TooManyRequestsException, "%s", words);
    case 502:
        return ic_api_fail(&q->error, IC_API_EC2UnexpectedException, "%s", words);
    case 503:
        return ic_api_fail(&q->error, IC_API_ServiceUnavailable, "%s", words);
    default:
        return ic_api_fail(&q->error, IC_API_ServiceException, "%s", words);
    }
}

int ic_api_invoke(struct ic_api_request *q, json_t **reply)
{
    (void)reply;
    struct ic_function *f;
    struct ask ask = {0};
    const json_t *config = ic_api_version(q, &f);
    if (config == NULL) {
        return IC_EINVAL;
    }
    ic_buf_init(&ask.context);
    int result = take_ask(q, &ask);
    unsigned ordered = result == 0 ? ic_faults_take(q->api->faults, f->name) : 0;
    if (ordered != 0) {
        result = fail_as_ordered(q, ordered);
    } else if (result == 0 && ask.type == TYPE_REQUEST_RESPONSE) {
        result = run_waited_for(q, f, config, &ask);
    } else if (result == 0 && ask.type == TYPE_EVENT) {
        result = start(q, f, config, &ask, NULL, NULL);
    }
    ic_buf_deinit(&ask.context);
    if (result == IC_ETHROTTLED) {
        return throttled(q, f);
    }
    if (result < 0) {
        return result;
    }
    if (ask.type != TYPE_REQUEST_RESPONSE) {
        ic_api_send(q->http, q->id, ask.type == TYPE_EVENT ? 202 : 204, NULL);
    }
    return IC_API_ANSWERED;
}
