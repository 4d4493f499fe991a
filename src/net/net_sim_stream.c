/*
 * net_sim_stream.c - streams and listeners, step by step as in net_uv.c: what a socket says there a
 * link says here.
 */
#include "base/alloc.h"
#include "net/net_sim_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

enum {
    READ_BUDGET_BYTES = 2 << 20, /* as in net_uv.c */
    READ_CALLS_MAX = 16,
    ACCEPT_MAX = 64,
    WRITE_IOVECS_MAX = 128,
};

static void mark_dirty(struct ic_stream *s)
{
    if (ic_list_empty(&s->dirty_node)) {
        ic_list_push_back(&s->loop->dirty, &s->dirty_node);
        ic_sim_wake(s->loop, 0);
    }
}

/* Ends the connection from below: the handler hears of it, once, and frees the stream. */
static void fail(struct ic_stream *s, int error)
{
    if (s->closed || s->freed) {
        return;
    }
    s->closed = true;
    ic_list_remove(&s->dirty_node);
    if (s->draining) {
        s->draining = false;
        ic_stream_free(s);
    } else if (s->handler != NULL) {
        s->handler->closed(s->ctx, error);
    }
}

/* ---- writing ---- */

/* What lies in a buffer with an owner may be a chunk: one byte of it may go out wrong. NULL: none
 * does; else it is spoiled now, and is to be spoiled by MASK again when it is sent. */
static uint8_t *spoil(struct ic_stream *s, const struct iovec *iov, size_t count, uint8_t *mask)
{
    const struct ic_sim_hooks *hooks = &s->loop->sim->hooks;
    *mask = 0;
    for (size_t i = 0; hooks->sending != NULL && i < count; i++) {
        const struct ic_queued *q = &s->queue.ring[(s->queue.head + i) & (s->queue.capacity - 1)];
        if (q->owner == NULL || q->owner->release == NULL) {
            continue;
        }
        struct ic_sim_spoiled wrong = hooks->sending(hooks->ctx, s->loop, iov[i].iov_len);
        if (wrong.mask != 0) {
            uint8_t *at = (uint8_t *)iov[i].iov_base + wrong.at;
            *at ^= wrong.mask;
            *mask = wrong.lasting ? 0 : wrong.mask;
            return at;
        }
    }
    return NULL;
}

/* Everything that fits; false: it does not fit, or has failed. */
static bool write_some(struct ic_stream *s)
{
    struct iovec iov[WRITE_IOVECS_MAX];
    size_t count = ic_stream_queue_iovecs(&s->queue, iov, WRITE_IOVECS_MAX);
    ic_sim_act();
    uint8_t mask;
    uint8_t *spoiled = spoil(s, iov, count, &mask);
    int64_t sent = s->link == NULL ? IC_ECLOSED : ic_sim_write(s->link, s->side, iov, count);
    if (spoiled != NULL) {
        *spoiled ^= mask;
    }
    if (sent < 0) {
        fail(s, (int)sent);
        return false;
    }
    ic_stream_queue_sent(&s->queue, (size_t)sent);
    return sent > 0;
}

void ic_sim_flush(struct ic_stream *s)
{
    while (!s->freed && !s->closed && !s->connecting && !ic_stream_queue_empty(&s->queue)) {
        if (!write_some(s)) {
            break;
        }
    }
    if (s->freed || s->closed || !ic_stream_queue_empty(&s->queue)) {
        return;
    }
    if (s->draining) {
        ic_stream_free(s);
    } else if (s->handler != NULL && s->handler->drained != NULL) {
        s->handler->drained(s->ctx);
    }
}

/* ---- reading ---- */

/* One readv. False: nothing more to read this turn. */
static bool read_once(struct ic_stream *s, size_t *total)
{
    struct iovec iov[IC_STREAM_ROOM_MAX];
    size_t count = s->handler->room(s->ctx, iov, IC_STREAM_ROOM_MAX);
    if (s->freed || s->closed) {
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
    int64_t got = ic_sim_read(s->link, s->side, iov, count);
    if (got == IC_EBUSY) {
        return false;
    }
    if (got == 0 && s->handler->ended != NULL) {
        s->ended = s->paused = true;
        s->handler->ended(s->ctx);
        return false;
    }
    if (got <= 0) {
        fail(s, got == 0 ? IC_ECLOSED : (int)got);
        return false;
    }
    *total += (size_t)got;
    s->handler->received(s->ctx, (size_t)got);
    return !s->freed && !s->closed && !s->paused && (size_t)got == room;
}

static bool wants_to_read(const struct ic_stream *s)
{
    return !s->freed && !s->closed && !s->paused && !s->connecting && !s->draining &&
           s->handler != NULL && s->link != NULL;
}

static void read_some(struct ic_stream *s)
{
    size_t total = 0;
    for (int calls = 0; calls < READ_CALLS_MAX && total < READ_BUDGET_BYTES; calls++) {
        if (s->handler == NULL || !read_once(s, &total)) {
            break;
        }
    }
}

/* ---- events ---- */

static void finish_connect(struct ic_stream *s)
{
    const struct ic_sim_side *side = &s->link->side[s->side];
    if (side->error < 0) {
        fail(s, IC_EIO); /* refused, as ic_error_from_errno has it */
    } else if (side->established) {
        s->connecting = false;
        if (s->handler->connected != NULL) {
            s->handler->connected(s->ctx);
        }
    }
}

void ic_sim_poll(struct ic_stream *s)
{
    if (s->freed || s->closed || s->link == NULL) {
        return;
    }
    if (s->connecting) {
        finish_connect(s);
    } else {
        if (!ic_stream_queue_empty(&s->queue) && ic_sim_writable(s->link, s->side)) {
            ic_sim_flush(s);
        }
        if (wants_to_read(s) && ic_sim_readable(s->link, s->side)) {
            read_some(s);
        }
    }
    if (wants_to_read(s) && ic_sim_readable(s->link, s->side)) {
        ic_sim_signal(s); /* the rest, next turn */
    }
}

/* ---- net.h ---- */

static void linger_over(void *ctx)
{
    ic_stream_free(ctx);
}

struct ic_stream *ic_sim_stream_new(struct ic_loop *loop, struct ic_sim_link *link, int side)
{
    struct ic_stream *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->loop = loop;
    s->link = link;
    s->side = side;
    ic_list_init(&s->dirty_node);
    ic_list_init(&s->signal_node);
    ic_timer_init(&s->linger, loop, linger_over, s);
    ic_stream_queue_init(&s->queue);
    return s;
}

static bool is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

struct ic_stream *ic_stream_connect(struct ic_loop *loop, const char *host, uint16_t port,
                                    const struct ic_stream_handler *handler, void *ctx)
{
    if (!is_address(host)) {
        return NULL;
    }
    struct ic_stream *s = ic_sim_stream_new(loop, NULL, 0);
    if (s == NULL) {
        return NULL;
    }
    s->handler = handler;
    s->ctx = ctx;
    s->connecting = true;
    ic_sim_act();
    s->link = ic_sim_dial(s, port);
    return s;
}

struct ic_stream *ic_stream_connect_unpaced(struct ic_loop *loop, const char *host, uint16_t port,
                                            const struct ic_stream_handler *handler, void *ctx)
{
    return ic_stream_connect(loop, host, port, handler, ctx);
}

void ic_stream_start(struct ic_stream *s, const struct ic_stream_handler *handler, void *ctx)
{
    s->handler = handler;
    s->ctx = ctx;
    ic_sim_signal(s);
}

static void release(void *ctx)
{
    struct ic_stream *s = ctx;
    ic_stream_queue_deinit(&s->queue);
    if (s->link != NULL) {
        ic_sim_close(s->link, s->side);
    }
    ic_free(s);
}

void ic_stream_free(struct ic_stream *s)
{
    if (s == NULL || s->freed) {
        return;
    }
    s->freed = true;
    s->handler = NULL;
    ic_list_remove(&s->dirty_node);
    ic_list_remove(&s->signal_node);
    ic_timer_stop(&s->linger);
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
    ic_timer_start(&s->linger, linger_ms);
    mark_dirty(s);
}

int ic_stream_write(struct ic_stream *s, struct ic_slice bytes, struct ic_buf *owner)
{
    assert(!s->freed && !s->draining);
    if (s->closed) {
        return 0;
    }
    int result = ic_stream_queue_push(&s->queue, bytes, owner);
    if (result == 0) {
        mark_dirty(s);
    }
    return result;
}

size_t ic_stream_queued(const struct ic_stream *s)
{
    return s->queue.bytes;
}

void ic_stream_resume(struct ic_stream *s)
{
    if (s->paused && !s->freed && !s->ended) {
        s->paused = false;
        ic_sim_signal(s);
    }
}

void ic_sim_shutdown(struct ic_stream *s)
{
    if (s->link != NULL) {
        ic_sim_end_writing(s->link, s->side);
    }
}

static void print_address(const struct ic_stream *s, int side, char *out)
{
    unsigned port = 0;
    if (s->link != NULL) {
        port = side == 0 ? s->link->client_port : s->link->port;
    }
    snprintf(out, IC_ADDRESS_MAX, "127.0.0.1:%u", port);
}

void ic_stream_peer(const struct ic_stream *s, char *out)
{
    print_address(s, !s->side, out);
}

void ic_stream_local(const struct ic_stream *s, char *out)
{
    print_address(s, s->side, out);
}

void ic_stream_keepalive(struct ic_stream *s, unsigned idle_s)
{
    (void)s; /* no link of the simulation is silent for so long */
    (void)idle_s;
}

/* ---- listeners ---- */

struct ic_listener *ic_sim_find_listener(struct ic_sim *sim, uint16_t port)
{
    IC_LIST_EACH (node, &sim->loops) {
        struct ic_loop *loop = IC_CONTAINER(node, struct ic_loop, node);
        IC_LIST_EACH (entry, &loop->listeners) {
            struct ic_listener *l = IC_CONTAINER(entry, struct ic_listener, node);
            if (l->port == port) {
                return l;
            }
        }
    }
    return NULL;
}

void ic_sim_accept(struct ic_listener *l)
{
    struct ic_list *node;
    for (int i = 0; i < ACCEPT_MAX && (node = ic_list_pop_front(&l->backlog)) != NULL; i++) {
        struct ic_sim_link *link = IC_CONTAINER(node, struct ic_sim_link, backlog);
        struct ic_stream *s = ic_sim_stream_new(l->loop, link, 1);
        if (s == NULL) {
            ic_sim_close(link, 1);
            continue;
        }
        link->side[1].stream = s;
        l->accepted(l->ctx, s);
    }
    if (!ic_list_empty(&l->backlog)) {
        ic_sim_wake(l->loop, 0);
    }
}

int ic_listener_new(struct ic_loop *loop, const char *host, uint16_t port,
                    void (*accepted)(void *ctx, struct ic_stream *s), void *ctx,
                    struct ic_listener **out)
{
    if (!is_address(host)) {
        return IC_EINVAL;
    }
    if (port != 0 && ic_sim_find_listener(loop->sim, port) != NULL) {
        return IC_EBUSY;
    }
    struct ic_listener *l = ic_calloc(1, sizeof *l);
    if (l == NULL) {
        return IC_ENOMEM;
    }
    l->loop = loop;
    l->port = port != 0 ? port : loop->sim->next_port++;
    l->accepted = accepted;
    l->ctx = ctx;
    ic_list_init(&l->backlog);
    ic_list_push_back(&loop->listeners, &l->node);
    *out = l;
    return 0;
}

void ic_listener_free(struct ic_listener *l)
{
    if (l == NULL) {
        return;
    }
    struct ic_list *node;
    while ((node = ic_list_pop_front(&l->backlog)) != NULL) {
        ic_sim_close(IC_CONTAINER(node, struct ic_sim_link, backlog), 1);
    }
    ic_list_remove(&l->node);
    ic_free(l);
}

uint16_t ic_listener_port(const struct ic_listener *l)
{
    return l->port;
}
