/*
 * api.c - from an HTTP request to its handler and back: route, signature, function name,
 * body; and the answer with AWS's headers.
 */
#include "platform/local/api.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "platform/local/api_internal.h"
#include "platform/local/json_check.h"
#include "platform/local/uri.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Of calls that need none: clients may send "{}". */
enum { UNUSED_BODY_MAX_BYTES = 4096 };

static ic_api_handler *const handlers[IC_API_CALL_COUNT] = {
    [IC_API_CREATE_FUNCTION] = ic_api_create_function,
    [IC_API_LIST_FUNCTIONS] = ic_api_list_functions,
    [IC_API_GET_FUNCTION] = ic_api_get_function,
    [IC_API_DELETE_FUNCTION] = ic_api_delete_function,
    [IC_API_UPDATE_CODE] = ic_api_update_code,
    [IC_API_GET_CONFIGURATION] = ic_api_get_configuration,
    [IC_API_UPDATE_CONFIGURATION] = ic_api_update_configuration,
    [IC_API_INVOKE] = ic_api_invoke,
    [IC_API_PUBLISH_VERSION] = ic_api_publish_version,
    [IC_API_LIST_VERSIONS] = ic_api_list_versions,
    [IC_API_GET_CODE_SIGNING] = ic_api_get_code_signing,
    [IC_API_GET_ACCOUNT] = ic_api_get_account,
    [IC_API_GET_CONCURRENCY] = ic_api_get_concurrency,
    [IC_API_PUT_CONCURRENCY] = ic_api_put_concurrency,
    [IC_API_DELETE_CONCURRENCY] = ic_api_delete_concurrency,
    [IC_API_LIST_TAGS] = ic_api_list_tags,
    [IC_API_TAG] = ic_api_tag,
    [IC_API_UNTAG] = ic_api_untag,
    [IC_API_LOCAL_INSTANCES] = ic_api_local_instances,
    [IC_API_LOCAL_BILL] = ic_api_local_bill,
    [IC_API_LOCAL_RECLAIM] = ic_api_local_reclaim,
    [IC_API_LOCAL_FAIL] = ic_api_local_fail,
    [IC_API_LOCAL_FAILING] = ic_api_local_failing,
    [IC_API_LOCAL_CODE] = ic_api_local_code,
};

/* ---- answers ---------------------------------------------------------------------------- */

void ic_api_send(struct ic_http_request *http, const char *request_id, unsigned status,
                 struct ic_buf *body)
{
    const struct ic_http_header headers[] = {{"Content-Type", "application/json"},
                                             {"x-amzn-RequestId", request_id}};
    ic_http_reply(http, status, headers, 2, body);
}

void ic_api_send_error(struct ic_http_request *http, const char *request_id,
                       const struct ic_api_error *error)
{
    const struct ic_http_header headers[] = {{"Content-Type", "application/json"},
                                             {"x-amzn-RequestId", request_id},
                                             {"x-amzn-ErrorType", ic_api_error_name(error->type)}};
    struct ic_buf *body = ic_buf_new(256);
    if (body == NULL || ic_api_error_body(error, body) < 0) {
        ic_buf_unref(body);
        body = NULL;
    }
    ic_http_reply(http, ic_api_error_status(error->type), headers, 3, body);
}

static void answer_error(struct ic_api_request *q, int error)
{
    (void)ic_api_fail(&q->error, IC_API_ServiceException, "This cannot be done now: %s.",
                      ic_error_text(error));
    ic_api_send_error(q->http, q->id, &q->error);
}

static void answer_json(struct ic_api_request *q, const json_t *reply)
{
    struct ic_buf *body = NULL;
    if (reply != NULL) {
        char *text = json_dumps(reply, JSON_COMPACT);
        body = text == NULL ? NULL : ic_buf_new(strlen(text));
        if (body == NULL || ic_buf_append_str(body, text) < 0) {
            free(text);
            ic_buf_unref(body);
            answer_error(q, IC_ENOMEM);
            return;
        }
        free(text);
    }
    ic_api_send(q->http, q->id, ic_api_success_status(q->route.call), body);
}

/* ---- checks before the handler --------------------------------------------------------------- */

static int check_local_peer(struct ic_api_request *q)
{
    if (!ic_http_peer_is_loopback(q->http)) {
        return ic_api_fail(&q->error, IC_API_AccessDeniedException,
                           "/_local/ answers programs on this machine only.");
    }
    return 0;
}

static int check_signature(struct ic_api_request *q)
{
    const struct ic_http_header *headers;
    struct ic_sigv4_header header[IC_HTTP_HEADERS_MAX];
    size_t count = ic_http_headers(q->http, &headers);
    for (size_t i = 0; i < count; i++) {
        header[i] = (struct ic_sigv4_header){.name = ic_slice_str(headers[i].name),
                                             .value = ic_slice_str(headers[i].value)};
    }
    const struct ic_sigv4_request r = {.method = ic_slice_str(ic_http_method(q->http)),
                                       .path = ic_http_path(q->http),
                                       .query = ic_http_query(q->http),
                                       .header = header,
                                       .header_count = count,
                                       .body = ic_http_body(q->http)};
    const struct ic_sigv4_keys keys = {.key_id = q->api->key_id,
                                       .secret = q->api->secret,
                                       .region = q->api->region,
                                       .service = "lambda"};
    char why[IC_SIGV4_WHY_MAX];
    enum ic_sigv4_verdict verdict = ic_sigv4_verify(&r, &keys, ic_clock_wall_ms() / 1000, why);
    if (verdict == IC_SIGV4_OK) {
        return 0;
    }
    return ic_api_fail(&q->error, ic_api_error_find(ic_sigv4_error_type(verdict)), "%s", why);
}

/* The path's argument as a function reference. */
static int take_function_name(struct ic_api_request *q)
{
    struct ic_buf text;
    ic_buf_init(&text);
    int result = ic_uri_decode(q->route.argument, &text);
    if (result == 0) {
        result =
            ic_function_ref_parse(ic_buf_slice(&text), q->api->region, q->api->account, &q->ref);
    }
    if (result == IC_ENOENT) {
        (void)ic_api_fail(&q->error, IC_API_ResourceNotFoundException, "Function not found: %.*s",
                          (int)text.len, text.data);
    } else if (result == IC_EINVAL || result == IC_EPROTO) {
        (void)ic_api_fail(
            &q->error, IC_API_ValidationException,
            "1 validation error detected: Value '%.*s' at 'functionName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: "
            "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?"
            "(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
            (int)(text.len < 200 ? text.len : 200),
            text.len == 0 ? (const uint8_t *)"" : text.data);
    }
    ic_buf_deinit(&text);
    return result;
}

/* The body as JSON object, measured before it is built. An empty one is {}. */
static int take_body(struct ic_api_request *q)
{
    struct ic_slice text = ic_http_body(q->http);
    if (text.len == 0) {
        q->body = json_object();
        return q->body == NULL ? IC_ENOMEM : 0;
    }
    int result = ic_json_check(text, IC_API_VALUES_MAX);
    if (result == IC_ETOOBIG) {
        return ic_api_fail(&q->error, IC_API_InvalidRequestContentException,
                           "Could not parse request body into json: too many values.");
    }
    if (result == 0) {
        q->body = json_loadb((const char *)text.data, text.len, 0, NULL);
    }
    if (!json_is_object(q->body)) {
        return ic_api_fail(&q->error, IC_API_InvalidRequestContentException,
                           "Could not parse request body into json: not a JSON object.");
    }
    return 0;
}

static int check_size(struct ic_api_request *q)
{
    if (!ic_http_too_large(q->http)) {
        return 0;
    }
    bool invoke = q->route.call == IC_API_INVOKE;
    return ic_api_fail(
        &q->error, invoke ? IC_API_RequestTooLargeException : IC_API_RequestEntityTooLargeException,
        "Request must be smaller than %zu bytes for the %s operation",
        ic_api_body_max_bytes(q->route.call), invoke ? "InvokeFunction" : "requested");
}

static int find_route(struct ic_api_request *q)
{
    struct ic_slice path = ic_http_path(q->http);
    int result = ic_route_find(ic_slice_str(ic_http_method(q->http)), path, &q->route);
    if (result < 0) {
        return ic_api_fail(&q->error, IC_API_UnknownOperationException,
                           "This platform has no operation %s %.*s", ic_http_method(q->http),
                           (int)(path.len < 200 ? path.len : 200), path.data);
    }
    return 0;
}

static bool names_function(enum ic_api_call call)
{
    return call >= IC_API_GET_FUNCTION && call <= IC_API_UNTAG && call != IC_API_GET_ACCOUNT;
}

static int prepare(struct ic_api_request *q)
{
    int result = find_route(q);
    if (result == 0) {
        result = check_size(q);
    }
    if (result == 0) {
        result = ic_api_call_is_local(q->route.call) ? check_local_peer(q) : check_signature(q);
    }
    if (result == 0 && names_function(q->route.call)) {
        result = take_function_name(q);
    }
    if (result == 0 && ic_api_body_max_bytes(q->route.call) > 0 && q->route.call != IC_API_INVOKE) {
        result = take_body(q);
    }
    return result;
}

/* ---- the request ----------------------------------------------------------------------------- */

static void handle(void *ctx, struct ic_http_request *http)
{
    struct ic_api_request q = {.api = ctx, .http = http};
    json_t *reply = NULL;
    ic_uuid(q.id);
    int result = prepare(&q);
    if (result == 0) {
        result = handlers[q.route.call](&q, &reply);
    }
    if (result == 0) {
        answer_json(&q, reply);
    } else if (result < 0) {
        answer_error(&q, result);
        ic_log(IC_LOG_DEBUG, "api-refused", "request=%s type=%s", q.id,
               ic_api_error_name(q.error.type));
    }
    json_decref(reply);
    json_decref(q.body);
}

static size_t body_max(void *ctx, const struct ic_http_request *http)
{
    (void)ctx;
    struct ic_route route;
    if (ic_route_find(ic_slice_str(ic_http_method(http)), ic_http_path(http), &route) < 0) {
        return 0;
    }
    size_t bytes = ic_api_body_max_bytes(route.call);
    return bytes > 0 ? bytes : UNUSED_BODY_MAX_BYTES;
}

/* ---- shared by the handlers ---------------------------------------------------------------------
 */

int ic_api_query(struct ic_api_request *q, const char *name, char *out, size_t size)
{
    struct ic_buf value;
    ic_buf_init(&value);
    out[0] = '\0';
    int result = ic_uri_query_value(ic_http_query(q->http), name, &value);
    if (result == 0 && value.len < size) {
        memcpy(out, value.data, value.len);
        out[value.len] = '\0';
    } else if (result == IC_ENOENT) {
        result = 0;
    } else if (result != IC_ENOMEM) {
        result = ic_api_fail(&q->error, IC_API_ValidationException,
                             "1 validation error detected: Value at '%s' failed to satisfy "
                             "constraint: Member must have length less than or equal to %zu",
                             name, size - 1);
    }
    ic_buf_deinit(&value);
    return result;
}

struct ic_function *ic_api_function(struct ic_api_request *q)
{
    struct ic_function *f = ic_registry_find(q->api->registry, q->ref.name);
    if (f == NULL) {
        (void)ic_api_fail(&q->error, IC_API_ResourceNotFoundException,
                          "Function not found: arn:aws:lambda:%s:%s:function:%s%s%s",
                          q->api->region, q->api->account, q->ref.name,
                          q->ref.qualifier[0] == '\0' ? "" : ":", q->ref.qualifier);
    }
    return f;
}

json_t *ic_api_version(struct ic_api_request *q, struct ic_function **function)
{
    char qualifier[IC_QUALIFIER_MAX + 1];
    if (ic_api_query(q, "Qualifier", qualifier, sizeof qualifier) < 0) {
        return NULL;
    }
    if (qualifier[0] != '\0') {
        if (!ic_qualifier_valid(ic_slice_str(qualifier))) {
            (void)ic_api_fail(&q->error, IC_API_ValidationException,
                              "1 validation error detected: Value '%s' at 'qualifier' failed to "
                              "satisfy constraint: Member must satisfy regular expression pattern: "
                              "(|[a-zA-Z0-9$_-]+)",
                              qualifier);
            return NULL;
        }
        if (q->ref.qualifier[0] != '\0' && strcmp(q->ref.qualifier, qualifier) != 0) {
            (void)ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                              "The derived qualifier from the function name does not match the "
                              "specified qualifier.");
            return NULL;
        }
        snprintf(q->ref.qualifier, sizeof q->ref.qualifier, "%s", qualifier);
    }
    *function = ic_api_function(q);
    json_t *config = *function == NULL ? NULL : ic_function_version(*function, q->ref.qualifier);
    if (config == NULL) {
        (void)ic_api_fail(&q->error, IC_API_ResourceNotFoundException,
                          "Function not found: arn:aws:lambda:%s:%s:function:%s:%s", q->api->region,
                          q->api->account, q->ref.name, q->ref.qualifier);
    }
    return config;
}

void ic_api_share_concurrency(struct ic_api *api)
{
    int64_t left = (int64_t)api->concurrency - ic_registry_reserved(api->registry);
    ic_fleet_set_concurrency(api->fleet, left < 0 ? 0 : (uint32_t)left);
}

/* ---- start and stop
 * --------------------------------------------------------------------------------- */

static void log_bad_file(void *ctx, const char *file)
{
    (void)ctx;
    char name[300];
    ic_log(IC_LOG_ERROR, "function-unreadable", "file=%s",
           ic_log_quote(name, sizeof name, ic_slice_str(file)));
}

/* Functions whose code is gone cannot run: they are forgotten. */
static int check_code(struct ic_api *api)
{
    size_t count;
    struct ic_function **all = ic_registry_sorted(api->registry, &count);
    if (all == NULL) {
        return IC_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const char *sha256 = json_string_value(json_object_get(all[i]->config, "CodeSha256"));
        int result = ic_code_store_ensure(api->code, sha256);
        if (result < 0) {
            ic_log(IC_LOG_ERROR, "function-without-code", "function=%s error=\"%s\"", all[i]->name,
                   ic_error_text(result));
            ic_registry_remove(api->registry, all[i]);
        }
    }
    ic_free(all);
    return 0;
}

static int load(struct ic_api *api, const char *dir, char *why)
{
    int result = ic_code_store_new(dir, &api->code);
    if (result == 0) {
        result = ic_registry_new(dir, log_bad_file, NULL, &api->registry);
    }
    if (result == 0) {
        result = check_code(api);
    }
    if (result < 0) {
        snprintf(why, IC_API_WHY_MAX, "dir %.300s: %s", dir, ic_error_text(result));
    }
    return result;
}

static int listen_on(struct ic_api *api, const struct ic_api_options *o, char *why)
{
    const struct ic_http_options options = {.host = o->host,
                                            .port = o->port,
                                            .names = o->names,
                                            .body_max = body_max,
                                            .handle = handle,
                                            .ctx = api};
    int result = ic_http_server_new(api->loop, &options, &api->http);
    if (result < 0) {
        snprintf(why, IC_API_WHY_MAX, "cannot listen on %.100s:%u: %s", o->host, o->port,
                 result == IC_EBUSY    ? "the port is in use"
                 : result == IC_EINVAL ? "not an address of this machine"
                                       : ic_error_text(result));
    }
    return result;
}

int ic_api_new(struct ic_loop *loop, struct ic_fleet *fleet, const struct ic_api_options *options,
               struct ic_api **out, char *why)
{
    struct ic_api *api = ic_calloc(1, sizeof *api);
    int result = IC_ENOMEM;
    if (api == NULL) {
        goto fail;
    }
    api->loop = loop;
    api->fleet = fleet;
    api->concurrency = options->concurrency;
    api->region = ic_strdup(options->region);
    api->account = ic_strdup(options->account);
    api->key_id = ic_strdup(options->key_id);
    api->secret = ic_strdup(options->secret);
    api->faults = ic_faults_new();
    if (api->region == NULL || api->account == NULL || api->key_id == NULL || api->secret == NULL ||
        api->faults == NULL) {
        goto fail;
    }
    result = load(api, options->dir, why);
    if (result < 0) {
        goto fail;
    }
    result = listen_on(api, options, why);
    if (result < 0) {
        goto fail;
    }
    ic_api_share_concurrency(api);
    *out = api;
    return 0;
fail:
    if (result == IC_ENOMEM) {
        snprintf(why, IC_API_WHY_MAX, "out of memory");
    }
    ic_api_free(api);
    return result;
}

void ic_api_stop(struct ic_api *api)
{
    ic_http_server_free(api->http);
    api->http = NULL;
}

void ic_api_free(struct ic_api *api)
{
    if (api == NULL) {
        return;
    }
    ic_api_stop(api);
    ic_registry_free(api->registry);
    ic_code_store_free(api->code);
    ic_faults_free(api->faults);
    ic_free(api->region);
    ic_free(api->account);
    ic_free(api->key_id);
    ic_free(api->secret);
    ic_free(api);
}

uint16_t ic_api_port(const struct ic_api *api)
{
    return ic_http_server_port(api->http);
}
