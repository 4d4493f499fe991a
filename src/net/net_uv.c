/*
 * net_uv.c - the real backend: libuv's loop with sockets of our own on uv_poll_t, so
 * that a read goes into several places with one readv and a turn's writes leave
 * with one writev.
 *
 * One turn of the loop:
 *
 *   timers due -> sockets readable/writable -> dirty streams flushed -> reap -> watched -> sleep
 *                 (uv_poll callbacks)          \__________ uv_prepare ______________/
 *
 * What is watched changes at the end of a turn only: most streams that pause go on within the turn,
 * and each change costs libuv three epoll_ctl.
 */
#define _GNU_SOURCE /* accept4 */
#include "net/net_uv.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "net/stream.h"
#include "net/timers.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LISTEN_BACKLOG = 4096,
    SEND_TURN_BYTES = 16 << 20,  /* to sockets that have room again, in a turn; then only */
    SEND_SMALL_BYTES = 16 << 10, /* who has so little queued is not left to the next */
};

struct ic_loop {
    uv_loop_t uv;
    uv_timer_t wakeup; /* armed for the earliest of `timers` */
    uv_prepare_t prepare;
    struct ic_timers timers;
    struct ic_turn turn;
    struct ic_list moved; /* sockets of which something else may have to be watched */
    uint64_t turns;       /* ever */
    uint64_t sent_turn;   /* in which */
    size_t sent;          /* bytes went to sockets that have room again */
    struct ic_loop_figures figures;
    uint64_t ended_ns, idle_ns; /* when the last turn ended; how long it had slept by then */
    uint64_t now_ms;
    uint64_t wakeup_due_ms; /* what `wakeup` is armed for; 0: not armed */
};

struct socket {
    struct ic_stream stream;
    uv_poll_t poll;
    int fd;
    struct ic_list moved_node;
    int events;        /* what poll watches: UV_READABLE, UV_WRITABLE */
    int connect_error; /* connect failed at once; told from the loop like any other failure */
};

const size_t ic_stream_bytes = sizeof(struct socket);

static struct socket *socket_of(const struct ic_stream *s)
{
    return IC_CONTAINER(s, struct socket, stream);
}

/* ---- loop ---- */

static void watch_now(struct socket *s);

static void on_wakeup(uv_timer_t *t)
{
    struct ic_loop *loop = t->data;
    loop->now_ms = ic_clock_mono_ms();
    loop->wakeup_due_ms = 0;
    ic_timers_run(&loop->timers, loop->now_ms);
}

static void arm_wakeup(struct ic_loop *loop)
{
    uint64_t due_ms = loop->timers.root == NULL ? 0 : loop->timers.root->due_ms;
    if (due_ms == loop->wakeup_due_ms) {
        return;
    }
    loop->wakeup_due_ms = due_ms;
    if (due_ms == 0) {
        uv_timer_stop(&loop->wakeup);
        return;
    }
    uint64_t delay_ms = due_ms > loop->now_ms ? due_ms - loop->now_ms : 0;
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->wakeup, on_wakeup, delay_ms, 0);
}

/* A turn ends. */
static void count_turn(struct ic_loop *loop)
{
    uint64_t idle_ns = uv_metrics_idle_time(&loop->uv), now_ns = uv_hrtime();
    uint64_t us = (now_ns - loop->ended_ns - (idle_ns - loop->idle_ns)) / 1000;
    loop->turns++;
    loop->figures.turns++;
    loop->figures.busy_us += us;
    loop->figures.longest_us = us > loop->figures.longest_us ? us : loop->figures.longest_us;
    loop->ended_ns = now_ns;
    loop->idle_ns = idle_ns;
}

static void end_turn(uv_prepare_t *p)
{
    struct ic_loop *loop = p->data;
    struct ic_list *node;
    ic_turn_end(&loop->turn);
    while ((node = ic_list_pop_front(&loop->moved)) != NULL) {
        watch_now(IC_CONTAINER(node, struct socket, moved_node));
    }
    loop->now_ms = ic_clock_mono_ms();
    arm_wakeup(loop);
    count_turn(loop);
}

struct ic_loop *ic_loop_new(void)
{
    struct ic_loop *loop = ic_calloc(1, sizeof *loop);
    if (loop == NULL) {
        return NULL;
    }
    if (uv_loop_init(&loop->uv) != 0) {
        ic_free(loop);
        return NULL;
    }
    uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME);
    ic_turn_init(&loop->turn);
    ic_list_init(&loop->moved);
    loop->ended_ns = uv_hrtime();
    loop->now_ms = ic_clock_mono_ms();
    uv_timer_init(&loop->uv, &loop->wakeup);
    uv_prepare_init(&loop->uv, &loop->prepare);
    loop->wakeup.data = loop->prepare.data = loop->uv.data = loop;
    uv_prepare_start(&loop->prepare, end_turn);
    return loop;
}

void ic_loop_free(struct ic_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    ic_loop_settle(loop);
    uv_close((uv_handle_t *)&loop->wakeup, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT); /* lets close callbacks of streams run, too */
    int busy = uv_loop_close(&loop->uv);
    assert(busy == 0); /* a stream, listener or handle of the owner's is still open */
    ic_free(loop);
}

void ic_loop_run(struct ic_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void ic_loop_stop(struct ic_loop *loop)
{
    uv_stop(&loop->uv);
}

/* Callbacks of foreign handles (libmicrohttpd's, libcurl's, signals) run before now_ms is set anew
 * in this turn; libuv has looked at the same clock after its sleep. */
void ic_loop_settle(struct ic_loop *loop)
{
    ic_turn_settle(&loop->turn);
    end_turn(&loop->prepare);
}

uint64_t ic_loop_turn_number(const struct ic_loop *loop)
{
    return loop->turns;
}

struct ic_loop_figures ic_loop_figures(const struct ic_loop *loop)
{
    return loop->figures;
}

void ic_loop_figures_reset(struct ic_loop *loop)
{
    loop->figures = (struct ic_loop_figures){0};
}

uint64_t ic_loop_now_ms(const struct ic_loop *loop)
{
    uint64_t woke_ms = uv_now(&loop->uv);
    return woke_ms > loop->now_ms ? woke_ms : loop->now_ms;
}

struct ic_turn *ic_loop_turn(struct ic_loop *loop)
{
    return &loop->turn; /* each sleep of libuv's is preceded by the end of a turn */
}

uv_loop_t *ic_loop_uv(struct ic_loop *loop)
{
    return &loop->uv;
}

/* ---- timers ---- */

void ic_timer_init(struct ic_timer *t, struct ic_loop *loop, void (*fire)(void *ctx), void *ctx)
{
    *t = (struct ic_timer){.loop = loop, .fire = fire, .ctx = ctx};
}

void ic_timer_start(struct ic_timer *t, uint64_t delay_ms)
{
    ic_timer_stop(t);
    t->due_ms = ic_loop_now_ms(t->loop) + delay_ms;
    ic_timers_insert(&t->loop->timers, t);
}

void ic_timer_stop(struct ic_timer *t)
{
    if (t->armed) {
        ic_timers_remove(t->due_list != NULL ? t->due_list : &t->loop->timers, t);
        t->due_list = NULL;
    }
}

/* ---- sockets ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

/* From the end of this turn on. */
void ic_transport_watch(struct ic_stream *stream)
{
    struct socket *s = socket_of(stream);
    if (ic_list_empty(&s->moved_node)) {
        ic_list_push_back(&stream->loop->moved, &s->moved_node);
    }
}

static void watch_now(struct socket *s)
{
    int events = (ic_stream_wants_read(&s->stream) ? UV_READABLE : 0) |
                 (ic_stream_wants_write(&s->stream) ? UV_WRITABLE : 0);
    if (events == s->events) {
        return;
    }
    s->events = events;
    if (events == 0) {
        uv_poll_stop(&s->poll);
    } else {
        uv_poll_start(&s->poll, events, on_poll);
    }
}

void ic_transport_stop(struct ic_stream *stream)
{
    struct socket *s = socket_of(stream);
    ic_list_remove(&s->moved_node);
    s->events = 0;
    uv_poll_stop(&s->poll);
}

int64_t ic_transport_send(struct ic_stream *stream, const struct iovec *iov, size_t count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count};
    ssize_t sent;
    do {
        sent = sendmsg(socket_of(stream)->fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    int error = errno;
    ic_transport_watch(stream); /* for room, or not any more */
    if (sent < 0 && (error == EAGAIN || error == EWOULDBLOCK)) {
        return 0;
    }
    return sent < 0 ? ic_error_from_errno(error) : sent;
}

int64_t ic_transport_receive(struct ic_stream *stream, const struct iovec *iov, size_t count)
{
    ssize_t got;
    do {
        got = readv(socket_of(stream)->fd, iov, (int)count);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return IC_EBUSY;
    }
    return got < 0 ? ic_error_from_errno(errno) : got;
}

size_t ic_transport_unacknowledged(const struct ic_stream *stream)
{
    int bytes = 0; /* tcp(7); an error is a connection that has none any more */
    return ioctl(socket_of(stream)->fd, SIOCOUTQ, &bytes) == 0 ? (size_t)bytes : 0;
}

size_t ic_transport_unread(const struct ic_stream *stream)
{
    int bytes = 0; /* tcp(7) */
    return ioctl(socket_of(stream)->fd, SIOCINQ, &bytes) == 0 ? (size_t)bytes : 0;
}

/* 0: it is connected, or the error. */
static int connect_result(const struct socket *s)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (s->connect_error < 0) {
        return s->connect_error;
    }
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        error = errno;
    }
    return error == 0 ? 0 : ic_error_from_errno(error);
}

/* Thousands may begin to read at once: poll tells of those that are left again in the next turn. */
static void flush_again(struct ic_stream *stream)
{
    struct ic_loop *loop = stream->loop;
    size_t before = ic_stream_queued(stream);
    if (loop->sent_turn != loop->turns) {
        loop->sent_turn = loop->turns;
        loop->sent = 0;
    }
    if (loop->sent >= SEND_TURN_BYTES && before > SEND_SMALL_BYTES) {
        return;
    }
    ic_stream_flush(stream);
    size_t after = ic_stream_queued(stream); /* it may have been filled again */
    loop->sent += after < before ? before - after : before;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct socket *s = poll->data;
    struct ic_stream *stream = &s->stream;
    stream->loop->now_ms = ic_clock_mono_ms();
    if (status < 0) {
        ic_stream_fail(stream, IC_ECLOSED);
        return;
    }
    if (stream->connecting) {
        ic_stream_connected(stream, connect_result(s));
    } else {
        if ((events & UV_WRITABLE) != 0) {
            flush_again(stream);
        }
        if ((events & UV_READABLE) != 0 && ic_stream_wants_read(stream)) {
            ic_stream_read(stream);
        }
    }
    if (!stream->freed) {
        ic_transport_watch(stream);
    }
}

static void set_options(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Takes over FD, also on failure (closes it). */
static struct socket *socket_new(struct ic_loop *loop, int fd)
{
    struct socket *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        close(fd);
        return NULL;
    }
    if (uv_poll_init(&loop->uv, &s->poll, fd) != 0) {
        close(fd);
        ic_free(s);
        return NULL;
    }
    set_options(fd);
    s->poll.data = s;
    s->fd = fd;
    ic_list_init(&s->moved_node);
    ic_stream_init(&s->stream, loop);
    return s;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
    if (a->ss_family == AF_INET6) {
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    }
    return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/*
 * A socket about to connect to, or listen on, ADDRESS. Nothing is congested or lost on loopback,
 * but some congestion control is dear there: BBR arms a timer for each segment, and goes on doing
 * so for a socket that has once begun with it. Reno is on every Linux. Advice only.
 */
static void stop_pacing(int fd, const struct sockaddr_storage *address)
{
    if (is_loopback(address)) {
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", strlen("reno"));
    }
}

/* Numeric HOST, either family. Returns the length of the address, or 0. */
static socklen_t parse_address(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return sizeof *v6;
    }
    return 0;
}

static struct ic_stream *connect_to(struct ic_loop *loop, const char *host, uint16_t port,
                                    bool unpaced, const struct ic_stream_handler *handler,
                                    void *ctx)
{
    struct sockaddr_storage address;
    socklen_t len = parse_address(host, port, &address);
    int fd =
        len == 0 ? -1 : socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return NULL;
    }
    if (unpaced) {
        stop_pacing(fd, &address);
    }
    bool started = connect(fd, (struct sockaddr *)&address, len) == 0 || errno == EINPROGRESS;
    int error = started ? 0 : ic_error_from_errno(errno);
    struct socket *s = socket_new(loop, fd);
    if (s == NULL) {
        return NULL;
    }
    s->connect_error = error; /* an unconnected socket polls as writable and hung up at once */
    ic_stream_begin(&s->stream, handler, ctx);
    ic_transport_watch(&s->stream);
    return &s->stream;
}

struct ic_stream *ic_stream_connect(struct ic_loop *loop, const char *host, uint16_t port,
                                    const struct ic_stream_handler *handler, void *ctx)
{
    return connect_to(loop, host, port, false, handler, ctx);
}

struct ic_stream *ic_stream_connect_unpaced(struct ic_loop *loop, const char *host, uint16_t port,
                                            const struct ic_stream_handler *handler, void *ctx)
{
    return connect_to(loop, host, port, true, handler, ctx);
}

static void on_poll_closed(uv_handle_t *handle)
{
    ic_free(handle->data);
}

void ic_transport_release(struct ic_stream *stream)
{
    struct socket *s = socket_of(stream);
    close(s->fd);
    uv_close((uv_handle_t *)&s->poll, on_poll_closed);
}

static void print_address(const struct sockaddr_storage *a, char *out)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(out, IC_ADDRESS_MAX, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(out, IC_ADDRESS_MAX, "%s:%u", host, ntohs(v4->sin_port));
    }
}

void ic_stream_peer(const struct ic_stream *s, char *out)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;
    getpeername(socket_of(s)->fd, (struct sockaddr *)&a, &len);
    print_address(&a, out);
}

void ic_stream_local(const struct ic_stream *s, char *out)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;
    getsockname(socket_of(s)->fd, (struct sockaddr *)&a, &len);
    print_address(&a, out);
}

void ic_stream_reset_on_free(struct ic_stream *s)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(socket_of(s)->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void ic_stream_keepalive(struct ic_stream *s, unsigned idle_s)
{
    int on = 1;
    int idle = (int)idle_s;
    int fd = socket_of(s)->fd;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof idle);
}

/* ---- listeners ---- */

struct ic_listener {
    struct ic_loop *loop;
    uv_poll_t poll;
    int fd;
    int spare_fd; /* given up for a moment to turn a client away when descriptors run out */
    void (*accepted)(void *ctx, struct ic_stream *s);
    void *ctx;
};

/* Out of descriptors: accept with the spare one and close, or the backlog would spin the loop. */
static void turn_away(struct ic_listener *l)
{
    if (l->spare_fd < 0) {
        return;
    }
    close(l->spare_fd);
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    l->spare_fd = dup(l->fd);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct ic_listener *l = poll->data;
    l->loop->now_ms = ic_clock_mono_ms();
    for (int i = 0; status == 0 && i < IC_ACCEPT_MAX; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                turn_away(l);
            }
            return;
        }
        struct socket *s = socket_new(l->loop, fd);
        if (s != NULL) {
            l->accepted(l->ctx, &s->stream);
        }
    }
}

static int open_listener(const char *host, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t len = parse_address(host, port, &address);
    if (len == 0) {
        return IC_EINVAL;
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return ic_error_from_errno(errno);
    }
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    stop_pacing(fd, &address);
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        int error = ic_error_from_errno(errno);
        close(fd);
        return error;
    }
    return fd;
}

int ic_listener_new(struct ic_loop *loop, const char *host, uint16_t port,
                    void (*accepted)(void *ctx, struct ic_stream *s), void *ctx,
                    struct ic_listener **out)
{
    int fd = open_listener(host, port);
    if (fd < 0) {
        return fd;
    }
    struct ic_listener *l = ic_calloc(1, sizeof *l);
    if (l == NULL || uv_poll_init(&loop->uv, &l->poll, fd) != 0) {
        ic_free(l);
        close(fd);
        return IC_ENOMEM;
    }
    l->loop = loop;
    l->fd = fd;
    l->spare_fd = dup(fd);
    l->accepted = accepted;
    l->ctx = ctx;
    l->poll.data = l;
    uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
    *out = l;
    return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
    ic_free(handle->data);
}

void ic_listener_free(struct ic_listener *l)
{
    if (l == NULL) {
        return;
    }
    uv_poll_stop(&l->poll);
    close(l->fd);
    if (l->spare_fd >= 0) {
        close(l->spare_fd);
    }
    uv_close((uv_handle_t *)&l->poll, on_listener_closed);
}

uint16_t ic_listener_port(const struct ic_listener *l)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;
    getsockname(l->fd, (struct sockaddr *)&a, &len);
    return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port)
                                   : ntohs(((struct sockaddr_in *)&a)->sin_port);
}
