#include "node/runtime.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "node/payload.h"
#include "proto/http.h"

#include <assert.h>
#include <stdio.h>

enum { INPUT_BYTES = 8192, PATH_MAX_BYTES = IC_RUNTIME_ID_MAX + 64 };

static const char api[] = "/2018-06-01/runtime";

enum state { NEXT, INVOKED, POSTING, INIT_FAILED, LOST };

struct ic_runtime {
    struct ic_loop *loop;
    const struct ic_runtime_handler *handler;
    void *ctx;
    char host[IC_PAYLOAD_HOST_MAX];
    uint16_t port;
    const char *address; /* for the Host field */
    enum state state;
    uint32_t failures; /* in a row */

    struct ic_stream *stream; /* owned; NULL: to be made for the next request */
    bool connected;
    bool asked; /* the request is sent, the answer is awaited */
    struct ic_http http;
    struct ic_buf request; /* the current one, kept for a repetition */
    struct ic_buf payload;
    bool too_long;                  /* the payload */
    char id[IC_RUNTIME_ID_MAX + 1]; /* of the invocation */
    int64_t deadline_wall_ms;
    struct ic_timer retry;
    uint8_t input[INPUT_BYTES];
};

enum event { EVENT_INVOKED, EVENT_POST, EVENT_INIT_ERROR, EVENT_POSTED, EVENT_GIVE_UP };

/* The only function that changes the state. */
static void settle(struct ic_runtime *rt, enum event event)
{
    switch (event) {
    case EVENT_INVOKED:
        assert(rt->state == NEXT);
        rt->state = INVOKED;
        return;
    case EVENT_POST:
        assert(rt->state == INVOKED);
        rt->state = POSTING;
        return;
    case EVENT_INIT_ERROR:
        assert(rt->state == NEXT);
        rt->state = INIT_FAILED;
        return;
    case EVENT_POSTED:
        assert(rt->state == POSTING);
        rt->state = NEXT;
        return;
    case EVENT_GIVE_UP:
        rt->state = LOST;
        return;
    }
}

static const struct ic_stream_handler stream_handler;

static void drop_stream(struct ic_runtime *rt)
{
    ic_stream_free(rt->stream);
    rt->stream = NULL;
    rt->connected = rt->asked = false;
    ic_http_deinit(&rt->http);
    ic_http_init(&rt->http);
}

static void give_up(struct ic_runtime *rt)
{
    settle(rt, EVENT_GIVE_UP);
    drop_stream(rt);
    ic_timer_stop(&rt->retry);
    rt->handler->lost(rt->ctx);
}

static void failed(struct ic_runtime *rt, const char *why)
{
    drop_stream(rt);
    rt->failures++;
    if (rt->failures > 1) {
        ic_log(IC_LOG_WARNING, "runtime-api", "failures=%u reason=\"%s\"", rt->failures, why);
    }
    if (rt->failures >= IC_RUNTIME_TRIES_MAX) {
        give_up(rt);
        return;
    }
    uint64_t delay_ms = rt->failures == 1 ? 0 : (uint64_t)IC_RUNTIME_RETRY_MIN_MS << rt->failures;
    ic_timer_start(&rt->retry,
                   delay_ms < IC_RUNTIME_RETRY_MAX_MS ? delay_ms : IC_RUNTIME_RETRY_MAX_MS);
}

/* Sends the current request, over a new connection if there is none. */
static void ask(void *ctx)
{
    struct ic_runtime *rt = ctx;
    if (rt->stream == NULL) {
        rt->stream = ic_stream_connect(rt->loop, rt->host, rt->port, &stream_handler, rt);
        if (rt->stream == NULL) {
            failed(rt, "cannot connect");
        }
        return; /* on_connected comes back here */
    }
    if (!rt->connected || rt->asked) {
        return;
    }
    rt->asked = true;
    if (ic_stream_write(rt->stream, ic_buf_slice(&rt->request), NULL) < 0) {
        failed(rt, "out of memory");
    }
}

/* Makes the request that is sent, and repeated if need be, from now on. */
static void set_request(struct ic_runtime *rt, const char *method, const char *path,
                        struct ic_slice body)
{
    rt->request.len = 0;
    int result = ic_http_request(&rt->request, method, rt->address, path, "application/json", body);
    if (result < 0) {
        ic_log(IC_LOG_ERROR, "runtime-api", "reason=\"%s\"", ic_error_text(result));
        give_up(rt);
        return;
    }
    ask(rt);
}

static void ask_next(struct ic_runtime *rt)
{
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof(path), "%s/invocation/next", api);
    rt->payload.len = 0;
    rt->too_long = false;
    set_request(rt, "GET", path, ic_slice(NULL, 0));
}

/* ---- responses -------------------------------------------------------------------- */

/* What the head of an invocation says. False: it is none. */
static bool read_head(struct ic_runtime *rt)
{
    struct ic_slice id, deadline;
    if (rt->http.status != 200 || !ic_http_field(&rt->http, "lambda-runtime-aws-request-id", &id) ||
        id.len == 0 || id.len > IC_RUNTIME_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        if (id.data[i] <= ' ' || id.data[i] >= 127) {
            return false; /* it becomes part of a request line */
        }
    }
    memcpy(rt->id, id.data, id.len);
    rt->id[id.len] = '\0';
    if (!ic_http_field(&rt->http, "lambda-runtime-deadline-ms", &deadline) ||
        ic_slice_to_i64(deadline, &rt->deadline_wall_ms) < 0) {
        rt->deadline_wall_ms = 0;
    }
    return true;
}

/* The deadline is told in wall time; from here on it is a duration. */
static uint64_t deadline_left_ms(const struct ic_runtime *rt)
{
    int64_t left_ms = rt->deadline_wall_ms - ic_clock_wall_ms();
    if (left_ms < 0) {
        return 0;
    }
    return left_ms < IC_RUNTIME_DEADLINE_MAX_MS ? (uint64_t)left_ms : IC_RUNTIME_DEADLINE_MAX_MS;
}

static void keep_payload(struct ic_runtime *rt, struct ic_slice part)
{
    if (rt->state != NEXT || rt->too_long) {
        return;
    }
    if (rt->payload.len + part.len > IC_RUNTIME_PAYLOAD_MAX ||
        ic_buf_append_slice(&rt->payload, part) < 0) {
        rt->too_long = true;
        rt->payload.len = 0;
    }
}

static void take_response(struct ic_runtime *rt)
{
    rt->asked = false;
    if (!rt->http.keep_alive) {
        drop_stream(rt);
    }
    switch (rt->state) {
    case NEXT:
        rt->failures = 0;
        settle(rt, EVENT_INVOKED);
        rt->handler->invoked(rt->ctx, ic_buf_slice(&rt->payload), deadline_left_ms(rt));
        return;
    case POSTING:
        rt->failures = 0;
        settle(rt, EVENT_POSTED);
        ask_next(rt);
        return;
    case INIT_FAILED:
        give_up(rt);
        return;
    case INVOKED:
    case LOST:
        return;
    }
}

/* Is this an answer that settles the request? A 4xx to a POST does: the platform does not want it
 * any more, and would not want a repetition. */
static bool is_acceptable(struct ic_runtime *rt)
{
    int status = rt->http.status;
    if (rt->state == NEXT) {
        return read_head(rt);
    }
    if (status >= 400 && status < 500) {
        ic_log(IC_LOG_WARNING, "runtime-api", "status=%d request=%s", status, rt->id);
    }
    return status < 500;
}

/* One event of the response; false: stop looking. */
static bool take_event(struct ic_runtime *rt, int event, struct ic_slice body)
{
    switch (event) {
    case IC_HTTP_HEAD:
        if (!rt->asked || !is_acceptable(rt)) {
            failed(rt, "unexpected response");
            return false;
        }
        return true;
    case IC_HTTP_BODY:
        keep_payload(rt, body);
        return true;
    case IC_HTTP_END:
        take_response(rt);
        return false; /* one request, one response: what follows belongs to nobody */
    case IC_HTTP_MORE:
        return false;
    default:
        failed(rt, ic_error_text(event));
        return false;
    }
}

static size_t on_room(void *ctx, struct iovec *iov, size_t max)
{
    struct ic_runtime *rt = ctx;
    (void)max;
    iov[0] = (struct iovec){rt->input, sizeof(rt->input)};
    return 1;
}

static void on_received(void *ctx, size_t len)
{
    struct ic_runtime *rt = ctx;
    struct ic_slice in = ic_slice(rt->input, len), body;
    int event;
    do {
        event = ic_http_next(&rt->http, &in, &body);
    } while (take_event(rt, event, body));
}

static void on_closed(void *ctx, int error)
{
    struct ic_runtime *rt = ctx;
    if (!rt->asked && rt->connected) {
        drop_stream(rt); /* an idle connection: the next request makes another */
        return;
    }
    if (rt->asked && ic_http_close(&rt->http) == IC_HTTP_END) {
        take_response(rt); /* a body that ends with its connection */
        return;
    }
    failed(rt, ic_error_text(error));
}

static void on_connected(void *ctx)
{
    struct ic_runtime *rt = ctx;
    rt->connected = true;
    ask(rt);
}

static const struct ic_stream_handler stream_handler = {
    .room = on_room,
    .received = on_received,
    .closed = on_closed,
    .connected = on_connected,
};

/* ---- the door --------------------------------------------------------------------- */

struct ic_runtime *ic_runtime_new(struct ic_loop *loop, const char *address,
                                  const struct ic_runtime_handler *handler, void *ctx)
{
    struct ic_runtime *rt = ic_calloc(1, sizeof(*rt));
    if (rt == NULL) {
        return NULL;
    }
    rt->loop = loop;
    rt->handler = handler;
    rt->ctx = ctx;
    rt->address = address;
    rt->state = NEXT;
    ic_http_init(&rt->http);
    ic_buf_init(&rt->request);
    ic_buf_init(&rt->payload);
    ic_timer_init(&rt->retry, loop, ask, rt);
    if (ic_payload_address(ic_slice_str(address), rt->host, &rt->port) < 0) {
        ic_runtime_free(rt);
        return NULL;
    }
    return rt;
}

void ic_runtime_start(struct ic_runtime *rt)
{
    ask_next(rt);
}

void ic_runtime_free(struct ic_runtime *rt)
{
    if (rt == NULL) {
        return;
    }
    ic_stream_free(rt->stream);
    ic_timer_stop(&rt->retry);
    ic_http_deinit(&rt->http);
    ic_buf_deinit(&rt->request);
    ic_buf_deinit(&rt->payload);
    ic_free(rt);
}

void ic_runtime_respond(struct ic_runtime *rt, struct ic_slice body)
{
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof(path), "%s/invocation/%s/response", api, rt->id);
    settle(rt, EVENT_POST);
    set_request(rt, "POST", path, body);
}

static void post_error(struct ic_runtime *rt, const char *path, const char *type,
                       const char *message)
{
    char body[512];
    int len = snprintf(body, sizeof(body), "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}",
                       message, type);
    assert(len > 0 && (size_t)len < sizeof(body));
    set_request(rt, "POST", path, ic_slice(body, (size_t)len));
}

void ic_runtime_fail(struct ic_runtime *rt, const char *type, const char *message)
{
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof(path), "%s/invocation/%s/error", api, rt->id);
    settle(rt, EVENT_POST);
    post_error(rt, path, type, message);
}

void ic_runtime_init_error(struct ic_runtime *rt, const char *type, const char *message)
{
    char path[PATH_MAX_BYTES];
    snprintf(path, sizeof(path), "%s/init/error", api);
    settle(rt, EVENT_INIT_ERROR);
    post_error(rt, path, type, message);
}
