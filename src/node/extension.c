#include "node/extension.h"

#include "base/alloc.h"
#include "base/log.h"
#include "node/payload.h"
#include "proto/http.h"

#include <stdio.h>

enum { INPUT_BYTES = 1024, ID_BYTES = 36, REQUEST_BYTES = 512 };

static const char api[] = "/2020-01-01/extension";

struct ic_extension {
    struct ic_loop *loop;
    const char *address; /* for the Host field */
    void (*settled)(void *ctx);
    void *ctx;
    enum { CONNECTING, REGISTERING, HELD, GONE } state;
    struct ic_stream *stream; /* owned */
    struct ic_http http;
    struct ic_timer patience;
    char id[ID_BYTES + 1];
    uint8_t input[INPUT_BYTES];
};

/* The registration is over; the state says how. */
static void conclude(struct ic_extension *e, bool registered)
{
    bool was_open = e->state == CONNECTING || e->state == REGISTERING;
    e->state = registered ? HELD : GONE;
    ic_timer_stop(&e->patience);
    if (!registered) {
        ic_stream_free(e->stream);
        e->stream = NULL;
    }
    if (was_open) {
        e->settled(e->ctx);
    }
}

static void send_text(struct ic_extension *e, const char *text, int len)
{
    if (len < 0 || len >= REQUEST_BYTES ||
        ic_stream_write(e->stream, ic_slice(text, (size_t)len), NULL) < 0) {
        conclude(e, false);
    }
}

static void on_connected(void *ctx)
{
    struct ic_extension *e = ctx;
    static const char body[] = "{\"events\":[]}";
    char text[REQUEST_BYTES];
    e->state = REGISTERING;
    int len = snprintf(text, sizeof(text),
                       "POST %s/register HTTP/1.1\r\nHost: %s\r\n"
                       "Lambda-Extension-Name: infinicache\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       api, e->address, sizeof(body) - 1, body);
    send_text(e, text, len);
}

static void ask_next(struct ic_extension *e)
{
    char text[REQUEST_BYTES];
    int len = snprintf(text, sizeof(text),
                       "GET %s/event/next HTTP/1.1\r\nHost: %s\r\n"
                       "Lambda-Extension-Identifier: %s\r\n\r\n",
                       api, e->address, e->id);
    send_text(e, text, len);
}

/* The head of the answer: are we registered, and as whom? */
static bool read_id(struct ic_extension *e)
{
    struct ic_slice id;
    if (e->http.status != 200 || !e->http.keep_alive ||
        !ic_http_field(&e->http, "lambda-extension-identifier", &id) || id.len != ID_BYTES) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        if (id.data[i] <= ' ' || id.data[i] >= 127) {
            return false; /* it becomes part of a header */
        }
    }
    memcpy(e->id, id.data, ID_BYTES);
    return true;
}

/* One event of the response; false: stop looking. */
static bool take_event(struct ic_extension *e, int event)
{
    switch (event) {
    case IC_HTTP_HEAD:
        if (!read_id(e)) {
            ic_log(IC_LOG_INFO, "no-shutdown-phase", "status=%d", e->http.status);
            conclude(e, false);
            return false;
        }
        return true;
    case IC_HTTP_BODY:
        return true;
    case IC_HTTP_END:
        ask_next(e);
        if (e->state == REGISTERING) {
            conclude(e, true);
        }
        return false;
    case IC_HTTP_MORE:
        return false;
    default:
        conclude(e, false);
        return false;
    }
}

static size_t on_room(void *ctx, struct iovec *iov, size_t max)
{
    struct ic_extension *e = ctx;
    (void)max;
    iov[0] = (struct iovec){e->input, sizeof(e->input)};
    return 1;
}

static void on_received(void *ctx, size_t len)
{
    struct ic_extension *e = ctx;
    struct ic_slice in = ic_slice(e->input, len), body;
    if (e->state != REGISTERING) {
        conclude(e, false); /* an event, though none was wanted: its meaning is unknown */
        return;
    }
    while (take_event(e, ic_http_next(&e->http, &in, &body))) {
    }
}

static void on_closed(void *ctx, int error)
{
    (void)error;
    conclude(ctx, false);
}

static void on_impatient(void *ctx)
{
    conclude(ctx, false);
}

static const struct ic_stream_handler stream_handler = {
    .room = on_room,
    .received = on_received,
    .closed = on_closed,
    .connected = on_connected,
};

struct ic_extension *ic_extension_new(struct ic_loop *loop, const char *address,
                                      void (*settled)(void *ctx), void *ctx)
{
    char host[IC_PAYLOAD_HOST_MAX];
    uint16_t port;
    struct ic_extension *e = ic_calloc(1, sizeof(*e));
    if (e == NULL) {
        return NULL;
    }
    *e = (struct ic_extension){
        .loop = loop, .address = address, .settled = settled, .ctx = ctx, .state = CONNECTING};
    ic_http_init(&e->http);
    ic_timer_init(&e->patience, loop, on_impatient, e);
    if (ic_payload_address(ic_slice_str(address), host, &port) == 0) {
        e->stream = ic_stream_connect(loop, host, port, &stream_handler, e);
    }
    if (e->stream == NULL) {
        ic_extension_free(e);
        return NULL;
    }
    ic_timer_start(&e->patience, IC_EXTENSION_PATIENCE_MS);
    return e;
}

void ic_extension_free(struct ic_extension *e)
{
    if (e == NULL) {
        return;
    }
    ic_timer_stop(&e->patience);
    ic_stream_free(e->stream);
    ic_http_deinit(&e->http);
    ic_free(e);
}
