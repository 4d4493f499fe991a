/*
 * net_sim_stream.c - streams and listeners over links: what a socket says in net_uv.c a link says
 * here.
 */
#include "base/alloc.h"
#include "net/net_sim_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

const size_t ic_stream_bytes = sizeof(struct ic_sim_stream);

static struct ic_sim_stream *sim_stream_of(const struct ic_stream *s)
{
    return IC_CONTAINER(s, struct ic_sim_stream, stream);
}

/* ---- bytes ---- */

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

int64_t ic_transport_send(struct ic_stream *stream, const struct iovec *iov, size_t count)
{
    struct ic_sim_stream *s = sim_stream_of(stream);
    ic_sim_act();
    uint8_t mask;
    uint8_t *spoiled = spoil(stream, iov, count, &mask);
    int64_t sent = s->link == NULL ? IC_ECLOSED : ic_sim_write(s->link, s->side, iov, count);
    if (spoiled != NULL) {
        *spoiled ^= mask;
    }
    return sent;
}

int64_t ic_transport_receive(struct ic_stream *stream, const struct iovec *iov, size_t count)
{
    const struct ic_sim_stream *s = sim_stream_of(stream);
    return ic_sim_read(s->link, s->side, iov, count);
}

size_t ic_transport_unacknowledged(const struct ic_stream *stream)
{
    const struct ic_sim_stream *s = sim_stream_of(stream);
    return s->link == NULL ? 0 : ic_sim_unacknowledged(s->link, s->side);
}

size_t ic_transport_unread(const struct ic_stream *stream)
{
    const struct ic_sim_stream *s = sim_stream_of(stream);
    return s->link == NULL ? 0 : ic_sim_unread(s->link, s->side);
}

void ic_transport_watch(struct ic_stream *stream)
{
    ic_sim_signal(sim_stream_of(stream));
}

void ic_transport_stop(struct ic_stream *stream)
{
    ic_list_remove(&sim_stream_of(stream)->signal_node);
}

void ic_transport_release(struct ic_stream *stream)
{
    struct ic_sim_stream *s = sim_stream_of(stream);
    if (s->link != NULL) {
        ic_sim_close(s->link, s->side);
    }
    ic_free(s);
}

/* ---- events ---- */

static void look_if_connected(struct ic_sim_stream *s)
{
    const struct ic_sim_side *side = &s->link->side[s->side];
    if (side->error < 0) {
        ic_stream_connected(&s->stream, IC_EIO); /* refused, as ic_error_from_errno has it */
    } else if (side->established) {
        ic_stream_connected(&s->stream, 0);
    }
}

static bool may_read(const struct ic_sim_stream *s)
{
    return s->link != NULL && ic_stream_wants_read(&s->stream) && ic_sim_readable(s->link, s->side);
}

void ic_sim_poll(struct ic_sim_stream *s)
{
    struct ic_stream *stream = &s->stream;
    if (stream->freed || stream->closed || s->link == NULL) {
        return;
    }
    if (stream->connecting) {
        look_if_connected(s);
    } else {
        if (ic_stream_wants_write(stream) && ic_sim_writable(s->link, s->side)) {
            ic_stream_flush(stream);
        }
        if (may_read(s)) {
            ic_stream_read(stream);
        }
    }
    if (may_read(s)) {
        ic_sim_signal(s); /* the rest, next turn */
    }
}

/* ---- net.h ---- */

static struct ic_sim_stream *stream_new(struct ic_loop *loop, struct ic_sim_link *link, int side)
{
    struct ic_sim_stream *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->link = link;
    s->side = side;
    ic_list_init(&s->signal_node);
    ic_stream_init(&s->stream, loop);
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
    struct ic_sim_stream *s = stream_new(loop, NULL, 0);
    if (s == NULL) {
        return NULL;
    }
    ic_stream_begin(&s->stream, handler, ctx);
    ic_sim_act();
    s->link = ic_sim_dial(s, port);
    return &s->stream;
}

struct ic_stream *ic_stream_connect_unpaced(struct ic_loop *loop, const char *host, uint16_t port,
                                            const struct ic_stream_handler *handler, void *ctx)
{
    return ic_stream_connect(loop, host, port, handler, ctx);
}

void ic_sim_shutdown(struct ic_stream *stream)
{
    const struct ic_sim_stream *s = sim_stream_of(stream);
    if (s->link != NULL) {
        ic_sim_end_writing(s->link, s->side);
    }
}

static void print_address(const struct ic_sim_stream *s, int side, char *out)
{
    unsigned port = 0;
    if (s->link != NULL) {
        port = side == 0 ? s->link->client_port : s->link->port;
    }
    snprintf(out, IC_ADDRESS_MAX, "127.0.0.1:%u", port);
}

void ic_stream_peer(const struct ic_stream *s, char *out)
{
    print_address(sim_stream_of(s), !sim_stream_of(s)->side, out);
}

void ic_stream_local(const struct ic_stream *s, char *out)
{
    print_address(sim_stream_of(s), sim_stream_of(s)->side, out);
}

void ic_stream_reset_on_free(struct ic_stream *s)
{
    (void)s; /* what a link carries arrives, as it may in life */
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
    for (int i = 0; i < IC_ACCEPT_MAX && (node = ic_list_pop_front(&l->backlog)) != NULL; i++) {
        struct ic_sim_link *link = IC_CONTAINER(node, struct ic_sim_link, backlog);
        struct ic_sim_stream *s = stream_new(l->loop, link, 1);
        if (s == NULL) {
            ic_sim_close(link, 1);
            continue;
        }
        link->side[1].stream = s;
        l->accepted(l->ctx, &s->stream);
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
