/*
 * http_connections.c - which connections there are, how long they may take, and which go when there
 * are too many of them or their requests too long.
 *
 * The library is told of what comes by an edge-triggered epoll, and stops looking at a connection
 * when a read gave less than there was room for: an end of stream that came together with the last
 * bytes goes unseen, also that of a connection which is shut down here. So the sweep asks the
 * sockets themselves, and the library is made to look at those that are cut.
 */
#include "net/http_internal.h"

#include "base/alloc.h"
#include "net/http_guard.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    SWEEP_MS = 1000,            /* deadlines are seconds: looked at once a second */
    CUT_MS = 20,                /* between two looks at those that are cut */
    UNREAD_MAX_BYTES = 1 << 30, /* beyond any receive buffer */
    ROOM_LOOKS = 64, /* for each that is to make room: what is read soon is at the lists' ends */
};

static void leave_phase(struct connection *c)
{
    if (!ic_list_empty(&c->node)) { /* else it is new: in none yet */
        ic_list_remove(&c->node);
        c->server->phase_count[c->phase]--;
    }
}

void ic_http_enter(struct connection *c, enum phase phase)
{
    if (c->phase == PHASE_CUT) {
        return;
    }
    leave_phase(c);
    c->phase = phase;
    c->since_ms = ic_loop_now_ms(c->server->loop);
    ic_list_push_back(&c->server->phase[phase], &c->node);
    c->server->phase_count[phase]++;
    if (phase != PHASE_HANDLING && !c->server->sweep_timer.armed) {
        ic_timer_start(&c->server->sweep_timer, SWEEP_MS);
    }
}

/* ---- cutting ---- */

/* It ends when the library has looked at it, which may be being done: not on this stack. What it
 * has not read by then is thrown away, or it would be read piece by piece before the end is seen.
 */
static void cut(struct connection *c)
{
    struct ic_http_server *s = c->server;
    ic_http_enter(c, PHASE_CUT);
    (void)shutdown(c->fd, SHUT_RDWR);
    (void)recv(c->fd, NULL, UNREAD_MAX_BYTES, MSG_TRUNC | MSG_DONTWAIT);
    if (!s->cut_timer.armed || s->cut_timer.due_ms > ic_loop_now_ms(s->loop)) {
        ic_timer_start(&s->cut_timer, 0);
    }
}

/* Suspending and resuming a connection makes the library read from it, and wait for it anew. */
static void look_at_cut(void *ctx)
{
    struct ic_http_server *s = ctx;
    IC_LIST_EACH (node, &s->phase[PHASE_CUT]) {
        struct connection *c = IC_CONTAINER(node, struct connection, node);
        if (c->request == NULL || !c->request->suspended) {
            MHD_suspend_connection(c->mhd);
            MHD_resume_connection(c->mhd);
        }
    }
    ic_http_serve(s);
    if (!ic_list_empty(&s->phase[PHASE_CUT])) {
        ic_timer_start(&s->cut_timer, CUT_MS);
    }
}

static uint64_t phase_limit_ms(const struct ic_http_server *s, enum phase phase)
{
    switch (phase) {
    case PHASE_NEW:
    case PHASE_IDLE:
        return (uint64_t)s->options.idle_s * 1000;
    case PHASE_RECEIVING:
        return (uint64_t)s->options.receive_s * 1000;
    case PHASE_SENDING:
        return (uint64_t)s->options.send_s * 1000;
    case PHASE_CUT:
    case PHASE_HANDLING:
    case PHASE_COUNT:
        break;
    }
    return UINT64_MAX;
}

/* Whether all was read that C's client sent, and it will send no more. Who waits for an answer may
 * have closed its half, but what has not come whole by now never will. */
static bool no_request_can_come(const struct connection *c)
{
    char byte;
    if (c->phase == PHASE_SENDING) {
        return false;
    }
    ssize_t got = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

/* Some of it may be a request, or the rest of one. */
static bool has_unread_bytes(const struct connection *c)
{
    int bytes = 0;
    return ioctl(c->fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

/* If all have unread bytes, those go nevertheless that had their turn to be read: a crowd of long
 * requests is not read as fast as it comes. What is idle and has unread bytes is read next. */
static struct connection *oldest_of_most(const struct ic_http_server *s)
{
    enum phase most = PHASE_NEW;
    for (enum phase phase = PHASE_NEW; phase < PHASE_CUT; phase++) {
        most = s->phase_count[phase] > s->phase_count[most] ? phase : most;
    }
    if (s->phase_count[most] == 0) {
        return NULL;
    }
    int looks = 0;
    IC_LIST_EACH (node, &s->phase[most]) {
        struct connection *c = IC_CONTAINER(node, struct connection, node);
        if (most == PHASE_SENDING || !has_unread_bytes(c)) { /* nobody reads while it is sent to */
            return c;
        }
        if (++looks == ROOM_LOOKS) {
            break;
        }
    }
    return most == PHASE_IDLE ? NULL : IC_CONTAINER(s->phase[most].next, struct connection, node);
}

static void make_room(struct ic_http_server *s)
{
    while (s->connection_count - s->phase_count[PHASE_CUT] > s->options.connections_max) {
        struct connection *c = oldest_of_most(s);
        if (c == NULL) {
            break; /* the next one that comes, or the sweep, finds some that are read by then */
        }
        cut(c);
    }
}

static void sweep(void *ctx)
{
    struct ic_http_server *s = ctx;
    uint64_t now_ms = ic_loop_now_ms(s->loop);
    bool some = false;
    for (enum phase phase = PHASE_NEW; phase < PHASE_CUT; phase++) {
        some = some || !ic_list_empty(&s->phase[phase]);
        IC_LIST_EACH (node, &s->phase[phase]) {
            struct connection *c = IC_CONTAINER(node, struct connection, node);
            if (now_ms - c->since_ms >= phase_limit_ms(s, phase) || no_request_can_come(c)) {
                cut(c);
            }
        }
    }
    make_room(s);
    if (some) {
        ic_timer_start(&s->sweep_timer, SWEEP_MS);
    }
}

bool ic_http_cut_largest(const struct ic_http_request *r)
{
    struct connection *largest = r->connection;
    IC_LIST_EACH (node, &r->connection->server->phase[PHASE_RECEIVING]) {
        struct connection *c = IC_CONTAINER(node, struct connection, node);
        largest = c->request->charged_bytes > largest->request->charged_bytes ? c : largest;
    }
    if (largest == r->connection) {
        return false;
    }
    ic_http_drop_body(largest->request, VERDICT_NO_MEMORY);
    cut(largest);
    return true;
}

/* ---- begin and end ---- */

static void connection_begins(struct ic_http_server *s, struct MHD_Connection *mhd, void **context)
{
    struct connection *c = ic_calloc(1, sizeof *c);
    *context = c;
    if (c == NULL) {
        return; /* refused when its first request line comes */
    }
    ic_list_init(&c->node);
    c->server = s;
    c->mhd = mhd;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->loopback = ic_http_address_is_loopback(
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    s->connection_count++;
    make_room(s);
    ic_http_enter(c, PHASE_NEW);
}

static void connection_ends(struct connection *c)
{
    if (c == NULL) {
        return;
    }
    if (c->request != NULL) {
        ic_http_request_ends(c->request);
    }
    c->server->connection_count--;
    leave_phase(c);
    ic_free(c);
}

void ic_http_on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                           enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_begins(cls, mhd, context);
    } else {
        connection_ends(*context);
        *context = NULL;
    }
}

void ic_http_connections_init(struct ic_http_server *s)
{
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        ic_list_init(&s->phase[i]);
    }
    ic_timer_init(&s->sweep_timer, s->loop, sweep, s);
    ic_timer_init(&s->cut_timer, s->loop, look_at_cut, s);
}
