/*
 * session.c - one client connection: its bytes to requests (proto/resp.h), values to
 * puts (value.h), requests to replies (dispatch.h, reply.h).
 *
 *   room: where shall bytes go?   [value's stripe buffers][shared read buffer]
 *   received: they came       --> work: parser events, one after the other, until something
 *                                 must be waited for; what is left of the buffer moves to `rest`
 *   continue: it may have come -> work on `rest`, send replies, read on
 */
#include "proxy/session.h"

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/dispatch.h"
#include "proxy/proxy.h"
#include "proxy/sessions.h"
#include "proxy/value.h"

#include <assert.h>

/* Nothing more is read, or begun, before what waits has gone on. */
static bool may_work(const struct ic_session *s)
{
    return !s->gone && s->state == IC_SESSION_READING && !ic_reply_full(&s->reply);
}

/* ---- reading ---- */

/* The beginning of an argument: shall it be kept, streamed or skipped? */
static void begin_argument(struct ic_session *s)
{
    struct ic_resp *r = &s->parser;
    uint32_t index = r->argc, key;
    if (index == 1) {
        ic_dispatch_name(s, ic_resp_arg(r, 0));
    }
    if (index > 0 && s->command != NULL && ic_command_is_value(s->command, index, r->total, &key)) {
        struct ic_value *v = NULL;
        if (ic_dispatch_wants_values(s, r->total)) {
            v = ic_value_begin(s, index, ic_resp_arg(r, key), r->bulk_length);
        }
        if (v == NULL) {
            ic_resp_skip(r);
            if (s->value_error != 0) {
                ic_dispatch_refuse(s);
            }
            return;
        }
        ic_resp_stream(r);
        s->streaming = v->left > 0 ? v : NULL;
    } else if (r->bulk_length > (uint64_t)s->proxy->config->max_key_size) {
        s->argument_too_long = true;
        ic_resp_skip(r);
    }
    ic_session_charge(s);
}

/* A value has all its bytes. Of MSET it is sealed while the next ones arrive, so that no value
 * waits for window memory while one before it keeps some. */
static void end_value(struct ic_session *s)
{
    struct ic_value *v = s->streaming;
    s->streaming = NULL;
    if (s->command->value_step != 0) {
        ic_value_seal(v, 0);
    }
}

/* Moves the body that begins IN to its put. False: no room now. */
static bool move_body(struct ic_session *s, struct ic_slice *in)
{
    struct ic_value *v = s->streaming;
    assert(v != NULL);
    size_t moved = ic_value_write(v, *in);
    if (moved == 0) {
        return false;
    }
    ic_resp_body_taken(&s->parser, moved);
    *in = ic_slice(in->data + moved, in->len - moved);
    if (v->left == 0) {
        end_value(s);
    }
    return true;
}

static void protocol_error(struct ic_session *s)
{
    ic_log(IC_LOG_DEBUG, "client-protocol-error", "client=%llu error=\"%s\"",
           (unsigned long long)s->id, s->parser.error);
    ic_stats_error(&s->sessions->stats, s->parser.error);
    ic_resp_error(&s->reply.out, s->parser.error);
    ic_session_close_after_reply(s);
}

/* Works on IN until it is used up or something must be waited for. */
static void work(struct ic_session *s, struct ic_slice *in)
{
    while (may_work(s)) {
        switch (ic_resp_feed(&s->parser, in)) {
        case IC_RESP_MORE:
            return;
        case IC_RESP_BULK:
            begin_argument(s);
            break;
        case IC_RESP_BODY:
            if (!move_body(s, in)) {
                return;
            }
            break;
        case IC_RESP_COMMAND:
            ic_dispatch_request(s);
            break;
        case IC_RESP_ERROR:
            protocol_error(s);
            break;
        }
    }
}

/* Keeps what could not be worked on. */
static void keep_rest(struct ic_session *s, struct ic_slice in)
{
    if (s->gone || s->state == IC_SESSION_CLOSING || in.len == 0) {
        return;
    }
    if (ic_buf_append_slice(&s->rest, in) != 0) {
        ic_session_end(s, "out of memory");
        return;
    }
    ic_session_charge(s);
}

static void work_on_rest(struct ic_session *s)
{
    struct ic_slice in = ic_buf_slice(&s->rest);
    work(s, &in);
    if (!s->gone) {
        ic_buf_consume(&s->rest, s->rest.len - in.len);
        if (s->rest.len == 0) {
            ic_buf_deinit(&s->rest);
        }
    }
}

/* A connection that is closing ends when its replies are the stream's; one whose client sends no
 * more is closing when everything it sent is worked on. */
static void end_if_done(struct ic_session *s)
{
    if (s->gone || s->reply.holds > 0 || !ic_reply_empty(&s->reply)) {
        return;
    }
    if (s->ended && s->state == IC_SESSION_READING && s->rest.len == 0) {
        s->state = IC_SESSION_CLOSING;
    }
    if (s->state == IC_SESSION_CLOSING) {
        ic_session_end(s, NULL);
    }
}

void ic_session_continue(struct ic_session *s)
{
    if (s->processing) {
        s->process_again = true;
        return;
    }
    s->processing = true;
    do {
        s->process_again = false;
        if (!s->gone && s->state == IC_SESSION_SEALING) {
            ic_dispatch_continue(s);
        }
        if (!s->gone) {
            work_on_rest(s);
        }
        if (!s->gone) {
            ic_reply_pump(&s->reply);
        }
    } while (s->process_again && !s->gone);
    s->processing = false;
    end_if_done(s);
    if (may_work(s) && s->rest.len == 0) {
        ic_stream_resume(s->stream);
    }
}

static size_t on_room(void *ctx, struct iovec *iov, size_t max)
{
    struct ic_session *s = ctx;
    s->streaming_room = 0;
    s->starved = !may_work(s) || s->rest.len > 0;
    if (s->starved) {
        return 0;
    }
    size_t count = 0;
    if (s->streaming != NULL) {
        count = ic_value_room(s->streaming, iov, max - 1);
        for (size_t i = 0; i < count; i++) {
            s->streaming_room += iov[i].iov_len;
        }
        if (s->streaming_room < s->streaming->left) {
            s->starved = count == 0;
            return count;
        }
    }
    iov[count] = (struct iovec){s->sessions->read_buffer, sizeof(s->sessions->read_buffer)};
    return count + 1;
}

static void on_received(void *ctx, size_t length)
{
    struct ic_session *s = ctx;
    size_t body = length < s->streaming_room ? length : s->streaming_room;
    s->active_ms = ic_loop_now_ms(s->proxy->loop);
    s->sessions->stats.bytes_in += length;
    s->processing = true;
    if (body > 0) {
        struct ic_value *v = s->streaming;
        ic_value_received(v, body);
        ic_resp_body_taken(&s->parser, body);
        if (v->left == 0) {
            end_value(s);
        }
    }
    struct ic_slice in = ic_slice(s->sessions->read_buffer, length - body);
    work(s, &in);
    keep_rest(s, in);
    s->processing = false;
    if (!s->gone) {
        ic_session_continue(s); /* replies, and what came meanwhile */
    }
}

static void on_drained(void *ctx)
{
    struct ic_session *s = ctx;
    ic_reply_drained(&s->reply);
    ic_session_continue(s);
}

static void on_ended(void *ctx)
{
    struct ic_session *s = ctx;
    s->ended = true;
    ic_session_continue(s);
}

static void on_closed(void *ctx, int error)
{
    (void)error;
    ic_session_end(ctx, NULL);
}

static const struct ic_stream_handler stream_handler = {
    .room = on_room,
    .received = on_received,
    .drained = on_drained,
    .closed = on_closed,
    .ended = on_ended,
};

/* ---- replies ---- */

static void on_reply_changed(void *ctx)
{
    ic_session_continue(ctx);
}

static void on_reply_broken(void *ctx, const char *why)
{
    ic_session_end(ctx, why);
}

void ic_session_close_after_reply(struct ic_session *s)
{
    s->state = IC_SESSION_CLOSING;
}

/* ---- life ---- */

static void on_delay(void *ctx)
{
    struct ic_session *s = ctx;
    ic_reply_release(&s->reply);
    s->state = IC_SESSION_READING;
    ic_session_continue(s);
}

struct ic_session *ic_session_new(struct ic_sessions *all, struct ic_stream *stream)
{
    struct ic_session *s = ic_calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->sessions = all;
    s->proxy = all->proxy;
    s->stream = stream;
    s->id = ++all->last_id;
    s->created_ms = s->active_ms = ic_loop_now_ms(s->proxy->loop);
    s->authenticated = all->password.len == 0;
    ic_list_init(&s->node);
    ic_list_init(&s->queued);
    ic_list_init(&s->watches);
    ic_list_init(&s->values);
    ic_list_init(&s->reap.node);
    ic_buf_init(&s->rest);
    ic_resp_init(&s->parser, (uint64_t)s->proxy->config->proto_max_bulk_len);
    s->parser.unauthenticated = !s->authenticated;
    ic_timer_init(&s->delay, s->proxy->loop, on_delay, s);
    ic_reply_init(&s->reply, s->proxy, stream, on_reply_changed, on_reply_broken, s);
    ic_stream_peer(stream, s->peer);
    ic_stream_local(stream, s->local);
    ic_list_push_back(&all->list, &s->node);
    all->count++;
    ic_stream_start(stream, &stream_handler, s);
    return s;
}

static void reap(void *ctx)
{
    struct ic_session *s = ctx;
    ic_resp_deinit(&s->parser);
    ic_buf_deinit(&s->rest);
    ic_free(s->argv);
    ic_free(s->name);
    ic_free(s->library);
    ic_free(s->library_version);
    ic_free(s);
}

void ic_session_end(struct ic_session *s, const char *why)
{
    if (s->gone) {
        return;
    }
    if (why != NULL) {
        ic_log(IC_LOG_INFO, "client-closed", "client=%llu peer=%s why=\"%s\"",
               (unsigned long long)s->id, s->peer, why);
    }
    s->gone = true;
    ic_timer_stop(&s->delay);
    ic_list_remove(&s->node);
    s->sessions->count--;
    s->sessions->query_bytes -= s->charged;
    s->sessions->stats.bytes_out += s->reply.bytes_out;
    ic_reply_deinit(&s->reply);
    ic_dispatch_drop(s);
    ic_transaction_discard(s);
    ic_store_forget(s->proxy->store, s);
    if (why == NULL && s->state == IC_SESSION_CLOSING) {
        ic_stream_free_after_write(s->stream, IC_SESSION_LINGER_MS);
    } else {
        ic_stream_free(s->stream);
    }
    ic_loop_reap(s->proxy->loop, &s->reap, reap, s);
}

void ic_session_kill(struct ic_session *s, const struct ic_session *by)
{
    if (s == by) {
        ic_session_close_after_reply(s);
    } else {
        ic_session_end(s, "killed by another client");
    }
}

bool ic_session_charge(struct ic_session *s)
{
    if (s->gone) {
        return false;
    }
    size_t now = ic_resp_memory(&s->parser) + s->rest.cap + s->queued_bytes;
    size_t *all = &s->sessions->query_bytes;
    *all += now - s->charged;
    bool grown = now > s->charged;
    s->charged = now;
    bool too_much = now > IC_SESSION_QUERY_MAX || (*all > IC_SESSIONS_QUERY_MAX && !s->no_evict);
    if (grown && too_much) {
        s->sessions->stats.evicted_clients++;
        ic_session_end(s, "its requests take too much memory");
        return false;
    }
    return true;
}
