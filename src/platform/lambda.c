/*
 * lambda.c - libcurl's multi interface on the loop. libcurl says which sockets to watch
 * (on_socket) and when to call back (on_timer); we tell it what happened; finished
 * transfers are collected and answered.
 *
 *   uv_poll --readable/writable--> curl_multi_socket_action --> collect --> done(reply)
 *   timer   --due----------------> "                                ^
 *   curl    --wants socket watched, wants timer--> on_socket, on_timer
 */
#include "platform/lambda.h"

#include "base/alloc.h"
#include "base/list.h"
#include "net/net_uv.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    URL_MAX = 512,
    SECRET_MAX = 1024, /* a session token is long */
    CREDENTIALS_LINE_MAX = 256,
    LOG_RESULT_MAX = 8192, /* 4 KB of log in base64, and room */
    CONNECT_MS = 5000,
    KEEPALIVE_S = 60, /* NATs drop idle connections at 350 s */
};

static const char API[] = "/2015-03-31/functions";

struct ic_lambda {
    struct ic_loop *loop;
    CURLM *multi;
    struct ic_timer timer;
    struct ic_list calls;
    char endpoint[URL_MAX]; /* without a slash at its end */
    char sigv4[128];
    char user[SECRET_MAX]; /* key id:secret */
    char token[SECRET_MAX];
};

struct ic_lambda_call {
    struct ic_list node;
    struct ic_lambda *lambda;
    CURL *easy;
    struct curl_slist *headers;
    struct ic_buf request, response;
    struct ic_buf log_result; /* X-Amz-Log-Result */
    bool function_error, too_big;
    char error_type[IC_LAMBDA_TEXT_MAX]; /* x-amzn-ErrorType */
    char curl_error[CURL_ERROR_SIZE];
    ic_lambda_done *done;
    void *ctx;
};

/* A socket of libcurl's on the uv loop. */
struct watch {
    uv_poll_t poll;
    struct ic_lambda *lambda;
    curl_socket_t fd;
};

/* ---- what a call came to ---------------------------------------------------- */

static int error_of_status(long status)
{
    if (status >= 200 && status < 300) {
        return 0;
    }
    switch (status) {
    case 400:
        return IC_EINVAL;
    case 401:
    case 403:
        return IC_EAUTH;
    case 404:
        return IC_ENOENT;
    case 409:
        return IC_EEXIST;
    case 429:
        return IC_ETHROTTLED;
    case 504: /* a gateway gave up on it: it may be running */
        return IC_ETIMEOUT;
    default:
        return IC_EIO;
    }
}

/* Every web server answers 404: only Lambda's own says that there is no such function. */
static int error_of_answer(long status, const char *type)
{
    int error = error_of_status(status);
    bool own = strcmp(type, "ResourceNotFoundException") == 0;
    return error == IC_ENOENT && !own ? IC_EPROTO : error;
}

/* Whether anything of the request can have reached the other side. */
static int error_of_transfer(CURL *easy, CURLcode code)
{
    curl_off_t sent_us = 0;
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return IC_EUNAVAIL;
    case CURLE_OPERATION_TIMEDOUT:
        curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
        return sent_us == 0 ? IC_EUNAVAIL : IC_ETIMEOUT;
    default:
        return IC_ECLOSED;
    }
}

static void free_call(struct ic_lambda_call *call)
{
    ic_list_remove(&call->node);
    if (call->easy != NULL) {
        curl_multi_remove_handle(call->lambda->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    ic_buf_deinit(&call->request);
    ic_buf_deinit(&call->response);
    ic_buf_deinit(&call->log_result);
    ic_free(call);
}

static void finish(struct ic_lambda_call *call, CURLcode code)
{
    struct ic_lambda_reply reply = {.body = ic_buf_slice(&call->response),
                                    .function_error = call->function_error};
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    reply.status = (int)status;
    reply.error = error_of_transfer(call->easy, code);
    if (call->too_big) {
        reply.error = IC_ETOOBIG;
    } else if (reply.error != 0) {
        static_assert((int)IC_LAMBDA_TEXT_MAX >= (int)CURL_ERROR_SIZE, "it is not cut");
        snprintf(reply.why.message, sizeof reply.why.message, "%s",
                 call->curl_error[0] != '\0' ? call->curl_error : curl_easy_strerror(code));
    } else if (error_of_status(status) != 0) {
        ic_lambda_api_error_decode(reply.body, &reply.why);
        if (call->error_type[0] != '\0') {
            memcpy(reply.why.type, call->error_type, sizeof reply.why.type);
        }
        reply.error = error_of_answer(status, reply.why.type);
    } else if (reply.function_error) {
        ic_lambda_function_error_decode(reply.body, &reply.why);
    }
    if (call->log_result.len > 0) {
        reply.reported =
            ic_lambda_log_result_decode(ic_buf_slice(&call->log_result), &reply.report) == 0;
    }
    call->done(call->ctx, &reply);
    free_call(call);
}

static void collect(struct ic_lambda *l)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(l->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            struct ic_lambda_call *call = NULL;
            CURLcode code = message->data.result;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
            finish(call, code);
        }
    }
}

/* ---- libcurl on the loop ---------------------------------------------------- */

/* Of an error libcurl learns as it reads or writes: told of it, it would not ask once more on a
 * fresh connection when a kept one was reset, as it does when one was closed. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    struct ic_lambda *l = w->lambda;
    int flags = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT : 0;
    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    int running;
    curl_multi_socket_action(l->multi, w->fd, flags, &running);
    collect(l);
}

static void on_watch_closed(uv_handle_t *handle)
{
    ic_free(handle->data);
}

static struct watch *watch_new(struct ic_lambda *l, curl_socket_t fd)
{
    struct watch *w = ic_calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->lambda = l;
    w->fd = fd;
    w->poll.data = w;
    if (uv_poll_init_socket(ic_loop_uv(l->loop), &w->poll, fd) != 0) {
        ic_free(w);
        return NULL;
    }
    curl_multi_assign(l->multi, fd, w);
    return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    (void)easy;
    struct ic_lambda *l = ctx;
    struct watch *w = socket_ctx;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
            curl_multi_assign(l->multi, fd, NULL);
        }
        return 0;
    }
    if (w == NULL && (w = watch_new(l, fd)) == NULL) {
        return -1;
    }
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    uv_poll_start(&w->poll, events, on_poll);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    struct ic_lambda *l = ctx;
    if (timeout_ms < 0) {
        ic_timer_stop(&l->timer);
    } else {
        ic_timer_start(&l->timer, (uint64_t)timeout_ms);
    }
    return 0;
}

static void on_timer_due(void *ctx)
{
    struct ic_lambda *l = ctx;
    int running;
    curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(l);
}

/* ---- one call --------------------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct ic_lambda_call *call = ctx;
    size_t len = size * count;
    if (call->response.len + len > IC_LAMBDA_JSON_MAX) {
        call->too_big = true;
        return 0;
    }
    return ic_buf_append(&call->response, data, len) < 0 ? 0 : len;
}

/* The value of header NAME in LINE, or an empty slice. */
static struct ic_slice header_value(struct ic_slice line, const char *name)
{
    size_t len = strlen(name);
    if (line.len <= len || line.data[len] != ':' ||
        strncasecmp((const char *)line.data, name, len) != 0) {
        return ic_slice(NULL, 0);
    }
    const uint8_t *from = line.data + len + 1;
    const uint8_t *to = line.data + line.len;
    while (from < to && (*from == ' ' || *from == '\t')) {
        from++;
    }
    while (to > from && (to[-1] == '\r' || to[-1] == '\n' || to[-1] == ' ')) {
        to--;
    }
    return ic_slice(from, (size_t)(to - from));
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct ic_lambda_call *call = ctx;
    struct ic_slice line = ic_slice(data, size * count);
    struct ic_slice value = header_value(line, "X-Amz-Function-Error");
    if (value.len > 0) {
        call->function_error = true;
    }
    value = header_value(line, "X-Amz-Log-Result");
    if (value.len > 0 && value.len <= LOG_RESULT_MAX) {
        call->log_result.len = 0;
        if (ic_buf_append_slice(&call->log_result, value) < 0) {
            return 0;
        }
    }
    value = header_value(line, "x-amzn-ErrorType");
    if (value.len > 0) {
        /* "ResourceNotFoundException" or "ResourceNotFoundException:http://..." */
        const uint8_t *colon = memchr(value.data, ':', value.len);
        size_t len = colon == NULL ? value.len : (size_t)(colon - value.data);
        snprintf(call->error_type, sizeof call->error_type, "%.*s", (int)(len < 200 ? len : 200),
                 (const char *)value.data);
    }
    return line.len;
}

static bool add_header(struct ic_lambda_call *call, const char *line)
{
    struct curl_slist *more = curl_slist_append(call->headers, line);
    if (more == NULL) {
        return false;
    }
    call->headers = more;
    return true;
}

static bool set_options(struct ic_lambda_call *call, const char *method, const char *url,
                        uint64_t timeout_ms)
{
    struct ic_lambda *l = call->lambda;
    CURL *e = call->easy;
    bool fine = curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
                curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK &&
                curl_easy_setopt(e, CURLOPT_USERPWD, l->user) == CURLE_OK &&
                curl_easy_setopt(e, CURLOPT_AWS_SIGV4, l->sigv4) == CURLE_OK;
    if (l->token[0] != '\0') {
        char line[SECRET_MAX + 32];
        snprintf(line, sizeof line, "X-Amz-Security-Token: %s", l->token);
        fine = fine && add_header(call, line);
    }
    if (call->request.len > 0) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, (const char *)call->request.data);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->request.len);
    }
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    if (strncmp(url, "http:", 5) == 0) {
        curl_easy_setopt(e, CURLOPT_NOPROXY, "*"); /* a plain endpoint is on this machine or net */
    }
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->curl_error);
    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
    return fine;
}

/* A call without a handle yet; its request may be filled in. NULL: out of memory. */
static struct ic_lambda_call *call_new(struct ic_lambda *l, ic_lambda_done *done, void *ctx)
{
    struct ic_lambda_call *call = ic_calloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    call->lambda = l;
    call->done = done;
    call->ctx = ctx;
    ic_list_init(&call->node);
    ic_buf_init(&call->request);
    ic_buf_init(&call->response);
    ic_buf_init(&call->log_result);
    return call;
}

/* Starts CALL for METHOD on PATH (appended to the API's). On an error CALL is freed. */
static int start(struct ic_lambda_call *call, const char *method, const char *path,
                 uint64_t timeout_ms)
{
    struct ic_lambda *l = call->lambda;
    char url[URL_MAX + 256];
    int len = snprintf(url, sizeof url, "%s%s%s", l->endpoint, API, path);
    assert(len > 0 && (size_t)len < sizeof url);
    call->easy = curl_easy_init();
    if (call->easy == NULL || !set_options(call, method, url, timeout_ms) ||
        curl_multi_add_handle(l->multi, call->easy) != CURLM_OK) {
        if (call->easy != NULL) {
            curl_easy_cleanup(call->easy);
            call->easy = NULL;
        }
        free_call(call);
        return IC_ENOMEM;
    }
    ic_list_push_back(&l->calls, &call->node);
    return 0;
}

static void function_path(char *out, size_t size, const char *function, const char *rest)
{
    assert(strlen(function) <= IC_LAMBDA_NAME_MAX);
    snprintf(out, size, "/%s%s", function, rest);
}

int ic_lambda_invoke(struct ic_lambda *l, const char *function, struct ic_slice payload,
                     uint64_t timeout_ms, ic_lambda_done *done, void *ctx,
                     struct ic_lambda_call **out)
{
    struct ic_lambda_call *call = call_new(l, done, ctx);
    if (call == NULL) {
        return IC_ENOMEM;
    }
    if (ic_buf_append_slice(&call->request, payload) < 0 ||
        !add_header(call, "Content-Type: application/json") ||
        !add_header(call, "X-Amz-Invocation-Type: RequestResponse") ||
        !add_header(call, "X-Amz-Log-Type: Tail")) {
        free_call(call);
        return IC_ENOMEM;
    }
    char path[IC_LAMBDA_NAME_MAX + 32];
    function_path(path, sizeof path, function, "/invocations");
    int result = start(call, "POST", path, timeout_ms);
    if (result == 0 && out != NULL) {
        *out = call;
    }
    return result;
}

void ic_lambda_cancel(struct ic_lambda_call *call)
{
    free_call(call);
}

/* A control call; ENCODE, if any, makes its body of SPEC. */
static int control(struct ic_lambda *l, const char *method, const char *path,
                   const struct ic_lambda_spec *spec,
                   int (*encode)(const struct ic_lambda_spec *, struct ic_buf *),
                   ic_lambda_done *done, void *ctx)
{
    struct ic_lambda_call *call = call_new(l, done, ctx);
    if (call == NULL) {
        return IC_ENOMEM;
    }
    if (encode != NULL &&
        (encode(spec, &call->request) < 0 || !add_header(call, "Content-Type: application/json"))) {
        free_call(call);
        return IC_ENOMEM;
    }
    return start(call, method, path, IC_LAMBDA_CONTROL_MS);
}

int ic_lambda_create(struct ic_lambda *l, const struct ic_lambda_spec *spec, ic_lambda_done *done,
                     void *ctx)
{
    return control(l, "POST", "", spec, ic_lambda_create_encode, done, ctx);
}

int ic_lambda_get(struct ic_lambda *l, const char *function, ic_lambda_done *done, void *ctx)
{
    char path[IC_LAMBDA_NAME_MAX + 32];
    function_path(path, sizeof path, function, "");
    return control(l, "GET", path, NULL, NULL, done, ctx);
}

int ic_lambda_get_configuration(struct ic_lambda *l, const char *function, ic_lambda_done *done,
                                void *ctx)
{
    char path[IC_LAMBDA_NAME_MAX + 32];
    function_path(path, sizeof path, function, "/configuration");
    return control(l, "GET", path, NULL, NULL, done, ctx);
}

int ic_lambda_list(struct ic_lambda *l, const char *marker, ic_lambda_done *done, void *ctx)
{
    char path[240] = "?MaxItems=50";
    if (marker != NULL) {
        char *escaped = curl_easy_escape(NULL, marker, 0);
        if (escaped == NULL) {
            return IC_ENOMEM;
        }
        int len = snprintf(path, sizeof path, "?Marker=%s&MaxItems=50", escaped);
        curl_free(escaped);
        if (len < 0 || (size_t)len >= sizeof path) {
            return IC_ENOMEM;
        }
    }
    return control(l, "GET", path, NULL, NULL, done, ctx);
}

int ic_lambda_update_code(struct ic_lambda *l, const struct ic_lambda_spec *spec,
                          ic_lambda_done *done, void *ctx)
{
    char path[IC_LAMBDA_NAME_MAX + 32];
    function_path(path, sizeof path, spec->name, "/code");
    return control(l, "PUT", path, spec, ic_lambda_update_code_encode, done, ctx);
}

int ic_lambda_update_configuration(struct ic_lambda *l, const struct ic_lambda_spec *spec,
                                   ic_lambda_done *done, void *ctx)
{
    char path[IC_LAMBDA_NAME_MAX + 32];
    function_path(path, sizeof path, spec->name, "/configuration");
    return control(l, "PUT", path, spec, ic_lambda_update_config_encode, done, ctx);
}

int ic_lambda_delete(struct ic_lambda *l, const char *function, ic_lambda_done *done, void *ctx)
{
    char path[IC_LAMBDA_NAME_MAX + 32];
    function_path(path, sizeof path, function, "");
    return control(l, "DELETE", path, NULL, NULL, done, ctx);
}

/* ---- start and stop --------------------------------------------------------- */

/* Reads one line of F without its end. False: none, or too long, or empty. */
static bool read_line(FILE *f, char *out, size_t size)
{
    if (fgets(out, (int)size, f) == NULL) {
        return false;
    }
    size_t len = strcspn(out, "\r\n");
    bool whole = out[len] != '\0' || feof(f);
    out[len] = '\0';
    return whole && len > 0;
}

static int read_credentials(struct ic_lambda *l, const char *path, char *why)
{
    char id[CREDENTIALS_LINE_MAX] = "test";
    char secret[CREDENTIALS_LINE_MAX] = "test";
    if (path != NULL && path[0] != '\0') {
        FILE *f = fopen(path, "re");
        bool fine = f != NULL && read_line(f, id, sizeof id) && read_line(f, secret, sizeof secret);
        if (f != NULL) {
            fclose(f);
        }
        if (!fine) {
            snprintf(why, IC_LAMBDA_WHY_MAX,
                     "%.300s: no access key id and secret, a line each, can be read", path);
            return IC_EIO;
        }
    } else if (getenv("AWS_ACCESS_KEY_ID") != NULL && getenv("AWS_SECRET_ACCESS_KEY") != NULL) {
        snprintf(id, sizeof id, "%s", getenv("AWS_ACCESS_KEY_ID"));
        snprintf(secret, sizeof secret, "%s", getenv("AWS_SECRET_ACCESS_KEY"));
        if (getenv("AWS_SESSION_TOKEN") != NULL) {
            snprintf(l->token, sizeof l->token, "%s", getenv("AWS_SESSION_TOKEN"));
        }
    }
    snprintf(l->user, sizeof l->user, "%s:%s", id, secret);
    return 0;
}

static int read_settings(struct ic_lambda *l, const struct ic_lambda_settings *s, char *why)
{
    size_t len = strlen(s->endpoint);
    while (len > 0 && s->endpoint[len - 1] == '/') {
        len--;
    }
    bool http = strncmp(s->endpoint, "http://", 7) == 0 && len > 7;
    bool https = strncmp(s->endpoint, "https://", 8) == 0 && len > 8;
    if ((!http && !https) || len >= sizeof l->endpoint || strlen(s->region) > 64) {
        snprintf(why, IC_LAMBDA_WHY_MAX, "platform-endpoint '%.300s' is not a URL of http or https",
                 s->endpoint);
        return IC_EINVAL;
    }
    memcpy(l->endpoint, s->endpoint, len);
    snprintf(l->sigv4, sizeof l->sigv4, "aws:amz:%s:lambda", s->region);
    return read_credentials(l, s->credentials_file, why);
}

int ic_lambda_new(struct ic_loop *loop, const struct ic_lambda_settings *settings,
                  struct ic_lambda **out, char *why)
{
    struct ic_lambda *l = ic_calloc(1, sizeof *l);
    if (l == NULL) {
        snprintf(why, IC_LAMBDA_WHY_MAX, "out of memory");
        return IC_ENOMEM;
    }
    l->loop = loop;
    ic_list_init(&l->calls);
    ic_timer_init(&l->timer, loop, on_timer_due, l);
    int result = read_settings(l, settings, why);
    if (result == 0) {
        curl_global_init(CURL_GLOBAL_DEFAULT); /* counted; undone in ic_lambda_free */
        l->multi = curl_multi_init();
        if (l->multi == NULL) {
            curl_global_cleanup();
            snprintf(why, IC_LAMBDA_WHY_MAX, "out of memory");
            result = IC_ENOMEM;
        }
    }
    if (result < 0) {
        ic_free(l);
        return result;
    }
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long)IC_LAMBDA_CONNECTIONS_MAX);
    curl_multi_setopt(l->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)IC_LAMBDA_CONNECTIONS_MAX);
    curl_multi_setopt(l->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    *out = l;
    return 0;
}

void ic_lambda_free(struct ic_lambda *l)
{
    if (l == NULL) {
        return;
    }
    IC_LIST_EACH (node, &l->calls) {
        free_call(IC_CONTAINER(node, struct ic_lambda_call, node));
    }
    curl_multi_cleanup(l->multi); /* closes idle connections: on_socket drops their watches */
    ic_timer_stop(&l->timer);
    curl_global_cleanup();
    ic_free(l);
}
