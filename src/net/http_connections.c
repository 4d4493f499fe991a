/*
 * http_connections.c - which connections there are, how long they may take, and which go when there
 * are too many of them or their requests too long.
 *
 * The library is told of what comes by an edge-triggered epoll, and stops looking at a connection
 * when a read gave less than there was room for: an end of stream that came together with the last
 * bytes goes unseen, also that of a connection which is shut down here. So it is made to look.
 */
#include "net/http_internal.h"

#include "base/alloc.h"
#include "net/http_guard.h"

#include <sys/socket.h>

enum {
    SWEEP_MS = 1000, /* deadlines are seconds: looked at once a second */
    CUT_MS = 20,     /* between two looks at those that are cut */
};

void ic_http_enter(struct connection *c, enum phase phase)
{
    if (c->phase == PHASE_CUT) {
        return;
    }
    ic_list_remove(&c->node);
    c->phase = phase;
    c->since_ms = ic_loop_now_ms(c->server->loop);
    ic_list_push_back(&c->server->phase[phase], &c->node);
    if (phase != PHASE_HANDLING && !c->server->sweep_timer.armed) {
        ic_timer_start(&c->server->sweep_timer, SWEEP_MS);
    }
}

/* ---- cutting ---- */

/* It ends when the library has looked at it, which may be being done: not on this stack. */
static void cut(struct connection *c)
{
    struct ic_http_server *s = c->server;
    ic_http_enter(c, PHASE_CUT);
    (void)shutdown(c->fd, SHUT_RDWR);
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

static void sweep(void *ctx)
{
    struct ic_http_server *s = ctx;
    uint64_t now_ms = ic_loop_now_ms(s->loop);
    bool some = false;
    for (enum phase phase = PHASE_IDLE; phase < PHASE_CUT; phase++) {
        IC_LIST_EACH (node, &s->phase[phase]) {
            struct connection *c = IC_CONTAINER(node, struct connection, node);
            some = true;
            if (now_ms - c->since_ms < phase_limit_ms(s, phase)) {
                break; /* the oldest first: the rest is younger */
            }
            cut(c);
        }
    }
    if (some) {
        ic_timer_start(&s->sweep_timer, SWEEP_MS);
    }
}

/* Of those that are not being handled the one that has been quiet longest goes. */
static void make_room(struct ic_http_server *s)
{
    for (enum phase phase = PHASE_IDLE; phase <= PHASE_SENDING; phase++) {
        if (!ic_list_empty(&s->phase[phase])) {
            cut(IC_CONTAINER(s->phase[phase].next, struct connection, node));
            return;
        }
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
    if (s->connection_count > s->options.connections_max) {
        make_room(s);
    }
    ic_http_enter(c, PHASE_IDLE);
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
    ic_list_remove(&c->node);
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
