#include "node/serve.h"

#include "base/alloc.h"
#include "base/log.h"
#include "node/offer.h"
#include "node/requests.h"
#include "proto/link_auth.h"

#include <assert.h>

enum state { IDLE, DIALLING, GREETING, ACTIVE, LEAVING, DONE };

struct ic_serve {
    struct ic_loop *loop;
    struct ic_chunks *chunks;
    void (*done)(void *ctx, bool served);
    void *ctx;

    struct ic_payload payload;
    enum state state;
    struct ic_stream *stream; /* owned; NULL between dials */
    struct ic_requests requests;
    uint8_t hello_mac[IC_LINK_MAC_BYTES];
    uint32_t dial;          /* HELLOs said in this invocation */
    uint32_t bye;           /* BYEs said */
    uint64_t deadline_ms;   /* on the loop's clock */
    uint64_t gone_since_ms; /* no welcomed link since; the invocation's start at first */
    bool welcomed;          /* at least once in this invocation */
    bool deadline_near;     /* BYE goes out for the deadline; requests do not keep us */
    bool dying;             /* OFFER instead of BYE */

    struct ic_timer dial_timer, gone_timer, lease_timer, deadline_timer;
};

enum event {
    EVENT_BEGIN,     /* an invocation, or the end of the instance after one */
    EVENT_CONNECTED, /* and HELLO queued */
    EVENT_WELCOME,
    EVENT_BROKEN, /* the link */
    EVENT_BYE,    /* said */
    EVENT_ANSWERED,
    EVENT_END, /* the invocation, for whatever reason */
};

static const struct ic_stream_handler stream_handler;

/* The only function that changes the state. */
static void settle(struct ic_serve *s, enum event event)
{
    switch (event) {
    case EVENT_BEGIN:
        assert(s->state == IDLE || s->state == DONE);
        s->state = DIALLING;
        return;
    case EVENT_CONNECTED:
        assert(s->state == DIALLING);
        s->state = GREETING;
        return;
    case EVENT_WELCOME:
        assert(s->state == GREETING);
        s->state = ACTIVE;
        return;
    case EVENT_BROKEN:
        assert(s->state != IDLE && s->state != DONE);
        s->state = DIALLING;
        return;
    case EVENT_BYE:
        assert(s->state == ACTIVE || s->state == LEAVING);
        s->state = LEAVING;
        return;
    case EVENT_ANSWERED:
        assert(s->state == ACTIVE || s->state == LEAVING);
        s->state = s->deadline_near ? s->state : ACTIVE;
        return;
    case EVENT_END:
        assert(s->state != IDLE && s->state != DONE);
        s->state = DONE;
        return;
    }
}

static uint64_t now_ms(const struct ic_serve *s)
{
    return ic_loop_now_ms(s->loop);
}

static uint64_t left_ms(const struct ic_serve *s)
{
    return s->deadline_ms > now_ms(s) ? s->deadline_ms - now_ms(s) : 0;
}

/* How long it stays without a link. */
static uint64_t gone_max_ms(const struct ic_serve *s)
{
    return s->payload.peer ? IC_LINK_PEER_GONE_MS : IC_LINK_GONE_MS;
}

static void drop_stream(struct ic_serve *s)
{
    ic_requests_end(&s->requests);
    ic_stream_free(s->stream);
    s->stream = NULL;
}

static void end(struct ic_serve *s, const char *reason)
{
    settle(s, EVENT_END);
    drop_stream(s);
    ic_timer_stop(&s->dial_timer);
    ic_timer_stop(&s->gone_timer);
    ic_timer_stop(&s->lease_timer);
    ic_timer_stop(&s->deadline_timer);
    ic_log(IC_LOG_INFO, "served",
           "reason=%s welcomed=%d dials=%u position=%llu held=%llu chunks=%llu", reason,
           s->welcomed, s->dial, (unsigned long long)ic_chunks_position(s->chunks),
           (unsigned long long)ic_chunks_held(s->chunks),
           (unsigned long long)ic_chunks_count(s->chunks));
    s->done(s->ctx, s->welcomed);
}

/* ---- dialling --------------------------------------------------------------------- */

static void dial(void *ctx)
{
    struct ic_serve *s = ctx;
    assert(s->state == DIALLING && s->stream == NULL);
    s->stream = ic_stream_connect_unpaced(s->loop, s->payload.proxy_host, s->payload.proxy_port,
                                          &stream_handler, s);
    if (s->stream == NULL) {
        ic_timer_start(&s->dial_timer, IC_LINK_REDIAL_MS);
    }
}

/* The link has ended: dial again, unless that has been going on for too long. */
static void broken(struct ic_serve *s, const char *why)
{
    bool was_welcomed = s->state == ACTIVE || s->state == LEAVING;
    drop_stream(s);
    ic_timer_stop(&s->lease_timer);
    settle(s, EVENT_BROKEN);
    if (was_welcomed) {
        ic_log(IC_LOG_WARNING, "link-broken", "reason=\"%s\"", why);
        s->gone_since_ms = now_ms(s);
        ic_timer_start(&s->gone_timer, gone_max_ms(s));
    } else if (s->dying || now_ms(s) - s->gone_since_ms >= gone_max_ms(s)) {
        end(s, "no-link");
        return;
    }
    ic_timer_start(&s->dial_timer, was_welcomed ? 0 : IC_LINK_REDIAL_MS);
}

/* A connection that waits for its WELCOME is not a link that is gone, for a while. */
static void gone(void *ctx)
{
    struct ic_serve *s = ctx;
    uint64_t gone_ms = now_ms(s) - s->gone_since_ms;
    if (s->state == GREETING && gone_ms < IC_LINK_GREETING_MS) {
        ic_timer_start(&s->gone_timer, IC_LINK_GREETING_MS - gone_ms);
        return;
    }
    end(s, "no-link");
}

static int send_hello(struct ic_serve *s)
{
    struct ic_hello hello = {.function = ic_slice_str(s->payload.function),
                             .dial = ++s->dial,
                             .flags = s->dying ? IC_HELLO_DYING : 0,
                             .highest_epoch = ic_chunks_epoch(s->chunks),
                             .position = ic_chunks_position(s->chunks),
                             .held_bytes = ic_chunks_held(s->chunks),
                             .capacity_bytes = ic_chunks_capacity(s->chunks),
                             .chunk_count = ic_chunks_count(s->chunks),
                             .deadline_ms = left_ms(s)};
    memcpy(hello.instance, ic_chunks_instance(s->chunks), sizeof(hello.instance));
    memcpy(hello.invocation, s->payload.invocation, sizeof(hello.invocation));
    struct ic_buf body;
    ic_buf_init(&body);
    int result = ic_hello_encode(&hello, &body);
    if (result >= 0) {
        ic_link_hello_mac(s->payload.key, ic_buf_slice(&body), s->hello_mac);
        result = ic_buf_append(&body, s->hello_mac, sizeof(s->hello_mac));
    }
    if (result >= 0) {
        uint8_t header[IC_FRAME_HEADER_BYTES];
        ic_frame_encode(&(struct ic_frame){.type = IC_FRAME_HELLO, .length = (uint32_t)body.len},
                        header);
        result = ic_stream_write(s->stream, ic_slice(header, sizeof(header)), NULL);
    }
    if (result >= 0) {
        result = ic_stream_write(s->stream, ic_buf_slice(&body), NULL);
    }
    ic_buf_deinit(&body);
    return result;
}

static void on_connected(void *ctx)
{
    struct ic_serve *s = ctx;
    ic_requests_begin(&s->requests, s->stream);
    settle(s, EVENT_CONNECTED);
    int result = send_hello(s);
    if (result < 0) {
        broken(s, ic_error_text(result));
    }
}

/* ---- goodbye ---------------------------------------------------------------------- */

static void send_bye(struct ic_serve *s)
{
    struct ic_frame bye = {.type = IC_FRAME_BYE,
                           .flags = s->deadline_near ? IC_BYE_DEADLINE : 0,
                           .request = ++s->bye,
                           .offset = left_ms(s)};
    uint8_t header[IC_FRAME_HEADER_BYTES];
    ic_frame_encode(&bye, header);
    settle(s, EVENT_BYE);
    int result = ic_stream_write(s->stream, ic_slice(header, sizeof(header)), NULL);
    if (result < 0) {
        broken(s, ic_error_text(result));
    }
}

/* All the proxy may want of us; with nothing sealed, there is nothing to wait for. */
static void send_offer(struct ic_serve *s)
{
    struct ic_buf *body = ic_buf_new(0);
    int result = body == NULL ? IC_ENOMEM : ic_offer_encode(s->chunks, body);
    if (result >= 0 && body->len > 0) {
        uint8_t header[IC_FRAME_HEADER_BYTES];
        ic_frame_encode(&(struct ic_frame){.type = IC_FRAME_OFFER,
                                           .length = (uint32_t)body->len,
                                           .offset = left_ms(s)},
                        header);
        result = ic_stream_write(s->stream, ic_slice(header, sizeof(header)), NULL);
    }
    if (result >= 0 && body->len > 0) {
        result = ic_stream_write(s->stream, ic_buf_slice(body), body);
    }
    bool nothing = result >= 0 && body->len == 0;
    ic_buf_unref(body);
    if (result < 0 || nothing) {
        end(s, nothing ? "nothing-to-offer" : ic_error_text(result));
    }
}

static void lease_over(void *ctx)
{
    struct ic_serve *s = ctx;
    assert(s->state == ACTIVE || s->state == LEAVING);
    if (ic_requests_busy(&s->requests)) {
        ic_timer_start(&s->lease_timer, IC_LEASE_BUSY_MS);
    } else if (s->state == ACTIVE) {
        send_bye(s);
    }
}

static uint64_t at_most(uint64_t value, uint64_t bound)
{
    return value < bound ? value : bound;
}

static void too_near(void *ctx)
{
    end(ctx, "deadline");
}

static void near(void *ctx)
{
    struct ic_serve *s = ctx;
    s->deadline_near = true;
    s->deadline_timer.fire = too_near;
    uint64_t left = left_ms(s); /* twice the margin, but for a loop that was late */
    uint64_t margin = at_most(IC_DEADLINE_LEAVE_MS, left / 2);
    ic_timer_start(&s->deadline_timer, left - margin);
    if (s->state == ACTIVE || s->state == LEAVING) {
        send_bye(s);
    }
}

/* ---- the link's handlers ----------------------------------------------------------- */

static int on_welcome(struct ic_serve *s, struct ic_slice body)
{
    struct ic_welcome welcome;
    if (s->state != GREETING || ic_welcome_decode(body, &welcome) < 0) {
        return IC_EPROTO;
    }
    uint8_t mac[IC_LINK_MAC_BYTES];
    ic_link_welcome_mac(s->payload.key, welcome.epoch, s->hello_mac, mac);
    if (!ic_link_mac_equal(mac, welcome.mac)) {
        return IC_EAUTH;
    }
    if (ic_chunks_enter_epoch(s->chunks, welcome.epoch) < 0) {
        end(s, "old-epoch");
        return 0;
    }
    settle(s, EVENT_WELCOME);
    s->requests.welcomed = true;
    s->welcomed = true;
    ic_timer_stop(&s->gone_timer);
    if (s->dying) {
        send_offer(s);
        return 0;
    }
    ic_timer_start(&s->lease_timer, s->payload.lease_ms);
    if (s->deadline_near) {
        send_bye(s);
    }
    return 0;
}

static int on_control(void *ctx, const struct ic_frame *frame, struct ic_slice body)
{
    struct ic_serve *s = ctx;
    if (frame->type == IC_FRAME_WELCOME) {
        return on_welcome(s, body);
    }
    end(s, s->state == GREETING ? "dismissed" : "bye");
    return 0;
}

static void on_answered(void *ctx, uint32_t lease_ms)
{
    struct ic_serve *s = ctx;
    settle(s, EVENT_ANSWERED);
    if (!s->dying) {
        ic_timer_start(&s->lease_timer, lease_ms);
    }
}

static size_t on_room(void *ctx, struct iovec *iov, size_t max)
{
    struct ic_serve *s = ctx;
    return ic_requests_room(&s->requests, iov, max);
}

static void on_received(void *ctx, size_t len)
{
    struct ic_serve *s = ctx;
    int result = ic_requests_received(&s->requests, len);
    if (result < 0) {
        broken(s, ic_error_text(result));
    }
}

static void on_drained(void *ctx)
{
    struct ic_serve *s = ctx;
    if (s->requests.stream == NULL) {
        return;
    }
    int result = ic_requests_drained(&s->requests);
    if (result < 0) {
        broken(s, ic_error_text(result));
    }
}

static void on_closed(void *ctx, int error)
{
    broken(ctx, ic_error_text(error));
}

static const struct ic_stream_handler stream_handler = {
    .room = on_room,
    .received = on_received,
    .drained = on_drained,
    .closed = on_closed,
    .connected = on_connected,
};

static const struct ic_requests_handler requests_handler = {
    .control = on_control,
    .answered = on_answered,
};

/* ---- invocations ------------------------------------------------------------------- */

struct ic_serve *ic_serve_new(struct ic_loop *loop, struct ic_chunks *chunks,
                              void (*done)(void *ctx, bool served), void *ctx)
{
    struct ic_serve *s = ic_calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->loop = loop;
    s->chunks = chunks;
    s->done = done;
    s->ctx = ctx;
    s->state = IDLE;
    ic_requests_init(&s->requests, chunks, &requests_handler, s);
    ic_timer_init(&s->dial_timer, loop, dial, s);
    ic_timer_init(&s->gone_timer, loop, gone, s);
    ic_timer_init(&s->lease_timer, loop, lease_over, s);
    ic_timer_init(&s->deadline_timer, loop, near, s);
    return s;
}

void ic_serve_free(struct ic_serve *s)
{
    if (s == NULL) {
        return;
    }
    drop_stream(s);
    ic_timer_stop(&s->dial_timer);
    ic_timer_stop(&s->gone_timer);
    ic_timer_stop(&s->lease_timer);
    ic_timer_stop(&s->deadline_timer);
    ic_requests_deinit(&s->requests);
    ic_free(s);
}

void ic_serve_begin(struct ic_serve *s, const struct ic_payload *payload, uint64_t deadline_ms)
{
    s->payload = *payload;
    s->dial = s->bye = 0;
    s->welcomed = s->deadline_near = false;
    s->gone_since_ms = now_ms(s);
    s->deadline_ms = now_ms(s) + deadline_ms;
    settle(s, EVENT_BEGIN);
    if (payload->epoch < ic_chunks_epoch(s->chunks)) {
        end(s, "old-epoch");
        return;
    }
    uint64_t margin = at_most(IC_DEADLINE_BYE_MS, deadline_ms / 2);
    s->deadline_timer.fire = near;
    ic_timer_start(&s->deadline_timer, deadline_ms - margin);
    ic_timer_start(&s->gone_timer, gone_max_ms(s));
    dial(s);
}

bool ic_serve_die(struct ic_serve *s)
{
    if (s->state == IDLE || ic_chunks_count(s->chunks) == 0) {
        return false;
    }
    s->dying = true;
    s->deadline_ms = now_ms(s) + IC_DYING_MS;
    s->deadline_timer.fire = too_near;
    ic_timer_start(&s->deadline_timer, IC_DYING_MS);
    ic_timer_stop(&s->lease_timer);
    ic_timer_stop(&s->gone_timer);
    switch (s->state) {
    case DONE:
        settle(s, EVENT_BEGIN);
        dial(s);
        break;
    case ACTIVE:
    case LEAVING:
        send_offer(s);
        break;
    case IDLE:
    case DIALLING:
    case GREETING: /* the offer follows the WELCOME */
        break;
    }
    return true;
}
