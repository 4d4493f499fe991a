#include "proxy/door.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "net/net.h"
#include "proto/frame.h"

#include <string.h>

enum { DISMISS_LINGER_MS = 1000 };

struct ic_door {
    struct ic_loop *loop;
    struct ic_listener *listener;
    struct ic_slice secret;
    uint32_t epoch;
    const struct ic_door_handler *handler;
    void *ctx;
    struct ic_list visitors; /* oldest first */
    size_t count;
    uint64_t logged_ms;
};

/* A connection that has not said HELLO. */
struct visitor {
    struct ic_list node;
    struct ic_door *door;
    struct ic_stream *stream;
    struct ic_timer timer;
    struct ic_reap reap;
    struct ic_frame frame;
    size_t have; /* bytes of header and body */
    uint8_t bytes[IC_FRAME_HEADER_BYTES + IC_HELLO_BYTES_MAX];
};

static void reap(void *ctx)
{
    ic_free(ctx);
}

/* The visitor goes; its stream too, unless it was handed over. */
static void leave(struct visitor *v)
{
    ic_list_remove(&v->node);
    v->door->count--;
    ic_timer_stop(&v->timer);
    ic_stream_free(v->stream);
    v->stream = NULL;
    ic_loop_reap(v->door->loop, &v->reap, reap, v);
}

static void refuse(struct visitor *v, const char *reason)
{
    struct ic_door *d = v->door;
    uint64_t now_ms = ic_loop_now_ms(d->loop);
    if (now_ms - d->logged_ms >= IC_DOOR_LOG_INTERVAL_MS) {
        char peer[IC_ADDRESS_MAX];
        ic_stream_peer(v->stream, peer);
        d->logged_ms = now_ms;
        ic_log(IC_LOG_WARNING, "link-refused", "peer=%s reason=%s", peer, reason);
    }
    d->handler->refused(d->ctx);
    leave(v);
}

/* ---- HELLO ------------------------------------------------------------------ */

static int write_frame(struct visitor *v, uint8_t type, const uint8_t *body, uint32_t length)
{
    struct ic_frame frame = {.type = type, .request = v->frame.request, .length = length};
    uint8_t header[IC_FRAME_HEADER_BYTES];
    ic_frame_encode(&frame, header);
    int result = ic_stream_write(v->stream, ic_slice(header, sizeof header), NULL);
    return result < 0 ? result : ic_stream_write(v->stream, ic_slice(body, length), NULL);
}

static int write_welcome(struct visitor *v, uint32_t epoch, const uint8_t key[IC_LINK_KEY_BYTES],
                         const uint8_t *hello_mac)
{
    struct ic_welcome welcome = {.epoch = epoch};
    ic_link_welcome_mac(key, welcome.epoch, hello_mac, welcome.mac);
    uint8_t body[IC_WELCOME_BYTES];
    ic_welcome_encode(&welcome, body);
    return write_frame(v, IC_FRAME_WELCOME, body, sizeof body);
}

static void dismiss(struct visitor *v)
{
    if (write_frame(v, IC_FRAME_BYE_OK, NULL, 0) == 0) {
        ic_stream_free_after_write(v->stream, DISMISS_LINGER_MS);
        v->stream = NULL;
    }
    leave(v);
}

static void hello(struct visitor *v)
{
    struct ic_door *d = v->door;
    struct ic_slice body = ic_slice(v->bytes + IC_FRAME_HEADER_BYTES, v->frame.length);
    struct ic_hello h;
    struct ic_slice signed_bytes;
    struct ic_slice mac;
    if (ic_hello_decode(body, &h, &signed_bytes, &mac) < 0) {
        refuse(v, "malformed-hello");
        return;
    }
    int function = d->handler->find(d->ctx, h.function);
    if (function < 0) {
        refuse(v, "unknown-function");
        return;
    }
    uint8_t key[IC_LINK_KEY_BYTES];
    uint8_t expected[IC_LINK_MAC_BYTES];
    ic_link_key(d->secret, h.function, h.invocation, key);
    ic_link_hello_mac(key, signed_bytes, expected);
    if (!ic_link_mac_equal(expected, mac.data)) {
        d->handler->stranger(d->ctx, (uint16_t)function);
        refuse(v, "wrong-mac");
        return;
    }
    enum ic_door_verdict verdict = d->handler->judge(d->ctx, (uint16_t)function, &h);
    /* Who goes at once has not served us, and must not say so the next time. */
    uint32_t epoch = verdict == IC_DOOR_DISMISS ? h.highest_epoch : d->epoch;
    if (verdict == IC_DOOR_REFUSE) {
        refuse(v, "not-expected");
    } else if (write_welcome(v, epoch, key, mac.data) < 0) {
        refuse(v, "no-memory");
    } else if (verdict == IC_DOOR_DISMISS) {
        dismiss(v);
    } else {
        struct ic_stream *stream = v->stream;
        v->stream = NULL;
        d->handler->enter(d->ctx, (uint16_t)function, &h, stream);
        leave(v);
    }
}

/* ---- bytes ------------------------------------------------------------------ */

static size_t wanted(const struct visitor *v)
{
    bool header = v->have < IC_FRAME_HEADER_BYTES;
    return (header ? IC_FRAME_HEADER_BYTES : IC_FRAME_HEADER_BYTES + v->frame.length) - v->have;
}

static size_t room(void *ctx, struct iovec *iov, size_t max)
{
    (void)max;
    struct visitor *v = ctx;
    iov[0] = (struct iovec){.iov_base = v->bytes + v->have, .iov_len = wanted(v)};
    return 1;
}

static void received(void *ctx, size_t len)
{
    struct visitor *v = ctx;
    v->have += len;
    if (v->have < IC_FRAME_HEADER_BYTES) {
        return;
    }
    if (v->have == IC_FRAME_HEADER_BYTES) {
        if (ic_frame_decode(v->bytes, &v->frame) < 0 || v->frame.type != IC_FRAME_HELLO ||
            v->frame.length > IC_HELLO_BYTES_MAX) {
            refuse(v, "no-hello");
        }
        return; /* a HELLO has a body */
    }
    if (wanted(v) == 0) {
        hello(v);
    }
}

static void closed(void *ctx, int error)
{
    (void)error;
    refuse(ctx, "closed");
}

static void too_late(void *ctx)
{
    refuse(ctx, "no-hello-in-time");
}

static void accepted(void *ctx, struct ic_stream *stream)
{
    static const struct ic_stream_handler handler = {
        .room = room, .received = received, .closed = closed};
    struct ic_door *d = ctx;
    struct visitor *v = ic_calloc(1, sizeof *v);
    if (v == NULL) {
        ic_stream_free(stream);
        return;
    }
    if (d->count == IC_DOOR_WAITING_MAX) {
        refuse(IC_CONTAINER(d->visitors.next, struct visitor, node), "crowded");
    }
    v->door = d;
    v->stream = stream;
    ic_timer_init(&v->timer, d->loop, too_late, v);
    ic_timer_start(&v->timer, IC_DOOR_HELLO_MS);
    ic_list_push_back(&d->visitors, &v->node);
    d->count++;
    ic_stream_start(stream, &handler, v);
}

/* ---- start and stop --------------------------------------------------------- */

int ic_door_new(struct ic_loop *loop, const char *host, uint16_t port, struct ic_slice secret,
                uint32_t epoch, const struct ic_door_handler *handler, void *ctx,
                struct ic_door **out)
{
    struct ic_door *d = ic_calloc(1, sizeof *d);
    if (d == NULL) {
        return IC_ENOMEM;
    }
    d->loop = loop;
    d->secret = secret;
    d->epoch = epoch;
    d->handler = handler;
    d->ctx = ctx;
    ic_list_init(&d->visitors);
    int result = ic_listener_new(loop, host, port, accepted, d, &d->listener);
    if (result < 0) {
        ic_free(d);
        return result;
    }
    *out = d;
    return 0;
}

void ic_door_free(struct ic_door *door)
{
    if (door == NULL) {
        return;
    }
    ic_listener_free(door->listener);
    IC_LIST_EACH (node, &door->visitors) {
        leave(IC_CONTAINER(node, struct visitor, node));
    }
    ic_free(door);
}

void ic_door_set_epoch(struct ic_door *door, uint32_t epoch)
{
    door->epoch = epoch;
}

uint16_t ic_door_port(const struct ic_door *door)
{
    return ic_listener_port(door->listener);
}
