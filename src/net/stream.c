#include "net/stream.h"

#include <assert.h>

enum {
    READ_BUDGET_BYTES = 2 << 20, /* per stream and turn, then the others have their go */
    READ_CALLS_MAX = 16,         /* per stream and turn */
    WRITE_IOVECS_MAX = 128,      /* per writev */
};

/* ---- turns ---- */

void ic_turn_init(struct ic_turn *turn)
{
    ic_list_init(&turn->dirty);
    ic_list_init(&turn->draining);
    ic_list_init(&turn->reaps);
}

void ic_turn_end(struct ic_turn *turn)
{
    struct ic_list *node;
    do {
        while ((node = ic_list_pop_front(&turn->dirty)) != NULL) {
            ic_stream_flush(IC_CONTAINER(node, struct ic_stream, dirty_node));
        }
        while ((node = ic_list_pop_front(&turn->reaps)) != NULL) {
            struct ic_reap *r = IC_CONTAINER(node, struct ic_reap, node);
            r->reap(r->ctx);
        }
    } while (!ic_list_empty(&turn->dirty));
}

void ic_turn_settle(struct ic_turn *turn)
{
    ic_turn_end(turn);
    IC_LIST_EACH (node, &turn->draining) {
        ic_stream_free(IC_CONTAINER(node, struct ic_stream, draining_node));
    }
    ic_turn_end(turn);
}

void ic_loop_reap(struct ic_loop *loop, struct ic_reap *r, void (*reap)(void *ctx), void *ctx)
{
    r->reap = reap;
    r->ctx = ctx;
    ic_list_push_back(&ic_loop_turn(loop)->reaps, &r->node);
}

/* ---- writing ---- */

static void mark_dirty(struct ic_stream *s)
{
    if (ic_list_empty(&s->dirty_node)) {
        ic_list_push_back(&ic_loop_turn(s->loop)->dirty, &s->dirty_node);
    }
}

void ic_stream_fail(struct ic_stream *s, int error)
{
    if (s->closed || s->freed) {
        return;
    }
    s->closed = true;
    ic_list_remove(&s->dirty_node);
    ic_transport_stop(s);
    if (s->draining) {
        s->draining = false;
        ic_stream_free(s);
    } else if (s->handler != NULL) {
        s->handler->closed(s->ctx, error);
    }
}

static bool is_open(const struct ic_stream *s)
{
    return !s->freed && !s->closed;
}

void ic_stream_flush(struct ic_stream *s)
{
    while (is_open(s) && !s->connecting && !ic_stream_queue_empty(&s->queue)) {
        struct iovec iov[WRITE_IOVECS_MAX];
        size_t count = ic_stream_queue_iovecs(&s->queue, iov, WRITE_IOVECS_MAX);
        int64_t sent = ic_transport_send(s, iov, count);
        if (sent < 0) {
            ic_stream_fail(s, (int)sent);
            return;
        }
        ic_stream_queue_sent(&s->queue, (size_t)sent);
        if (sent == 0) {
            break;
        }
    }
    if (!is_open(s) || !ic_stream_queue_empty(&s->queue)) {
        return;
    }
    if (s->draining) {
        ic_stream_free(s);
    } else if (s->handler != NULL && s->handler->drained != NULL) {
        s->handler->drained(s->ctx);
    }
}

int ic_stream_write(struct ic_stream *s, struct ic_slice bytes, struct ic_buf *owner)
{
    assert(!s->freed && !s->draining);
    if (s->closed) {
        return 0; /* `closed` has been or is being told; nothing goes out any more */
    }
    int result = ic_stream_queue_push(&s->queue, bytes, owner);
    if (result == 0) {
        mark_dirty(s);
    }
    return result;
}

size_t ic_stream_queued(const struct ic_stream *s)
{
    return s == NULL ? 0 : s->queue.bytes;
}

size_t ic_stream_unacknowledged(const struct ic_stream *s)
{
    return s == NULL ? 0 : s->queue.bytes + ic_transport_unacknowledged(s);
}

size_t ic_stream_unread(const struct ic_stream *s)
{
    return s == NULL ? 0 : ic_transport_unread(s);
}

size_t ic_stream_memory(const struct ic_stream *s)
{
    return s == NULL ? 0 : s->queue.memory;
}

bool ic_stream_wants_write(const struct ic_stream *s)
{
    return is_open(s) && (s->connecting || !ic_stream_queue_empty(&s->queue));
}

/* ---- reading ---- */

/* False: nothing more to read this turn. */
static bool read_once(struct ic_stream *s, size_t *total)
{
    struct iovec iov[IC_STREAM_ROOM_MAX];
    size_t count = s->handler->room(s->ctx, iov, IC_STREAM_ROOM_MAX);
    if (!is_open(s)) {
        return false;
    }
    if (count == 0) {
        s->paused = true;
        return false;
    }
    size_t room = 0;
    for (size_t i = 0; i < count; i++) {
        room += iov[i].iov_len;
    }
    int64_t got = ic_transport_receive(s, iov, count);
    if (got == IC_EBUSY) {
        return false;
    }
    if (got == 0 && s->handler->ended != NULL) {
        s->ended = s->paused = true;
        s->handler->ended(s->ctx);
        return false;
    }
    if (got <= 0) {
        ic_stream_fail(s, got == 0 ? IC_ECLOSED : (int)got);
        return false;
    }
    *total += (size_t)got;
    s->handler->received(s->ctx, (size_t)got);
    return ic_stream_wants_read(s) && (size_t)got == room;
}

void ic_stream_read(struct ic_stream *s)
{
    size_t total = 0;
    for (int calls = 0; calls < READ_CALLS_MAX && total < READ_BUDGET_BYTES; calls++) {
        if (!read_once(s, &total)) {
            break;
        }
    }
}

bool ic_stream_wants_read(const struct ic_stream *s)
{
    return is_open(s) && !s->paused && !s->connecting && !s->draining && s->handler != NULL;
}

void ic_stream_resume(struct ic_stream *s)
{
    if (s->paused && !s->freed && !s->ended) {
        s->paused = false;
        ic_transport_watch(s);
    }
}

/* ---- begin and end ---- */

static void linger_over(void *ctx)
{
    ic_stream_free(ctx);
}

void ic_stream_init(struct ic_stream *s, struct ic_loop *loop)
{
    *s = (struct ic_stream){.loop = loop};
    ic_list_init(&s->dirty_node);
    ic_list_init(&s->draining_node);
    ic_list_init(&s->reap.node);
    ic_timer_init(&s->linger, loop, linger_over, s);
    ic_stream_queue_init(&s->queue);
}

void ic_stream_begin(struct ic_stream *s, const struct ic_stream_handler *handler, void *ctx)
{
    s->connecting = true;
    s->handler = handler;
    s->ctx = ctx;
}

void ic_stream_connected(struct ic_stream *s, int error)
{
    if (error < 0) {
        ic_stream_fail(s, error);
        return;
    }
    s->connecting = false;
    if (s->handler != NULL && s->handler->connected != NULL) {
        s->handler->connected(s->ctx);
    }
}

void ic_stream_start(struct ic_stream *s, const struct ic_stream_handler *handler, void *ctx)
{
    s->handler = handler;
    s->ctx = ctx;
    ic_transport_watch(s);
}

static void release(void *ctx)
{
    struct ic_stream *s = ctx;
    ic_stream_queue_deinit(&s->queue);
    ic_transport_release(s);
}

void ic_stream_free(struct ic_stream *s)
{
    if (s == NULL || s->freed) {
        return;
    }
    s->freed = true;
    s->handler = NULL;
    ic_list_remove(&s->dirty_node);
    ic_list_remove(&s->draining_node);
    ic_timer_stop(&s->linger);
    ic_transport_stop(s);
    ic_loop_reap(s->loop, &s->reap, release, s);
}

void ic_stream_free_after_write(struct ic_stream *s, uint64_t linger_ms)
{
    if (s->closed || s->connecting || ic_stream_queue_empty(&s->queue)) {
        ic_stream_free(s);
        return;
    }
    s->handler = NULL;
    s->draining = true;
    ic_list_push_back(&ic_loop_turn(s->loop)->draining, &s->draining_node);
    ic_timer_start(&s->linger, linger_ms);
    mark_dirty(s);
}
