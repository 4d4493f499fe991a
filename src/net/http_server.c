/*
 * http_server.c - libmicrohttpd without threads: its epoll descriptor is one poll handle
 * of the loop, its timeout one timer, and connections with a request being handled
 * are suspended. Deadlines are kept here, since the library's own timeout is moved on by
 * every byte and a slow writer would hold a connection forever.
 */
#include "net/http_server.h"

#include "base/alloc.h"
#include "net/http_guard.h"
#include "net/http_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_DEFAULT = 12000,
    CONNECTIONS_SPARE = 64,  /* accepted beyond the limit while older ones are being closed */
    DESCRIPTORS_SPARE = 256, /* left to the rest of the process */
    IDLE_DEFAULT_S = 60,
    RECEIVE_DEFAULT_S = 120,
    SEND_DEFAULT_S = 120,
    BACKLOG = 4096, /* the kernel cuts it to net.core.somaxconn */
};
static const size_t MEMORY_DEFAULT_BYTES = (size_t)512 << 20;
static const size_t BODY_DEFAULT_BYTES = (size_t)1 << 20;
static const uint64_t DISCARD_MAX_BYTES = (uint64_t)128 << 20;

/* ---- requests coming in ---------------------------------------------------------- */

static void request_free(struct ic_http_request *r)
{
    if (r->response != NULL) {
        MHD_destroy_response(r->response);
    }
    ic_buf_unref(r->reply_body);
    ic_buf_unref(r->body);
    ic_free(r->texts);
    ic_free(r->target);
    ic_free(r);
}

static void uncharge(struct ic_http_request *r)
{
    r->connection->server->memory_bytes -= r->charged_bytes;
    r->charged_bytes = 0;
}

void ic_http_request_ends(struct ic_http_request *r)
{
    struct connection *c = r->connection;
    uncharge(r);
    c->request = NULL;
    r->connection = NULL;
    if (!r->handed || r->answered) {
        request_free(r);
    }
}

/* Takes BYTES off the server's memory; who uploads more than R has gives way. False: none left. */
static bool charge(struct ic_http_request *r, size_t bytes)
{
    struct ic_http_server *s = r->connection->server;
    while (bytes > s->options.memory_max_bytes - s->memory_bytes) {
        if (!ic_http_cut_largest(r)) {
            return false;
        }
    }
    s->memory_bytes += bytes;
    r->charged_bytes += bytes;
    return true;
}

/* The request line is in. Its text is kept as sent: signatures cover that, not what it means. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    (void)cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *c = info->socket_context;
    struct ic_http_request *r = c == NULL ? NULL : ic_calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->target = ic_strdup(target);
    if (r->target == NULL) {
        ic_free(r);
        return NULL;
    }
    char *mark = strchr(r->target, '?');
    r->query = mark == NULL ? "" : mark + 1;
    if (mark != NULL) {
        *mark = '\0';
    }
    if (c->request != NULL) {
        ic_http_request_ends(c->request);
    }
    r->connection = c;
    c->request = r;
    ic_http_enter(c, PHASE_RECEIVING);
    return r;
}

struct header_copy {
    struct ic_http_request *r;
    size_t bytes;
    char *at; /* NULL: count only */
    bool too_many;
};

/* Copies TEXT without the blanks at its end, which the library leaves in values. */
static char *copy_text(struct header_copy *copy, const char *text)
{
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
        len--;
    }
    copy->bytes += len + 1;
    if (copy->at == NULL) {
        return NULL;
    }
    char *to = copy->at;
    memcpy(to, text, len);
    to[len] = '\0';
    copy->at += len + 1;
    return to;
}

static enum MHD_Result copy_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    (void)kind;
    struct header_copy *copy = cls;
    const char *own_name = copy_text(copy, name);
    const char *own_value = copy_text(copy, value == NULL ? "" : value);
    if (copy->at == NULL) {
        return MHD_YES;
    }
    if (copy->r->header_count == IC_HTTP_HEADERS_MAX) {
        copy->too_many = true;
        return MHD_NO;
    }
    copy->r->header[copy->r->header_count++] =
        (struct ic_http_header){.name = own_name, .value = own_value};
    return MHD_YES;
}

static unsigned guard(const struct ic_http_request *r, char *why)
{
    const struct ic_http_asked asked = {.target = r->target,
                                        .header = r->header,
                                        .header_count = r->header_count,
                                        .may_lack_host = r->may_lack_host};
    return ic_http_guard(&asked, r->connection->server->options.names, why);
}

/* The headers are in: copies them, since the library's own texts end with the connection. */
static int request_begins(struct ic_http_request *r, struct MHD_Connection *mhd, const char *method)
{
    char why[IC_HTTP_GUARD_WHY_MAX];
    struct header_copy copy = {.r = r};
    (void)copy_text(&copy, method);
    (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, copy_header, &copy);
    r->texts = ic_malloc(copy.bytes);
    if (r->texts == NULL) {
        return IC_ENOMEM;
    }
    copy.at = r->texts;
    r->method = copy_text(&copy, method);
    (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, copy_header, &copy);
    r->verdict = copy.too_many        ? VERDICT_BAD_HEADERS
                 : guard(r, why) != 0 ? VERDICT_REFUSED
                                      : VERDICT_TAKE;
    const struct ic_http_options *options = &r->connection->server->options;
    const char *length = ic_http_header(r, "Content-Length"); /* digits: the library checked */
    if (length != NULL && strtoull(length, NULL, 10) > DISCARD_MAX_BYTES) {
        r->verdict = VERDICT_ENDLESS;
    }
    r->body_max_bytes =
        options->body_max == NULL ? BODY_DEFAULT_BYTES : options->body_max(options->ctx, r);
    r->begun = true;
    return 0;
}

void ic_http_drop_body(struct ic_http_request *r, enum verdict verdict)
{
    r->verdict = verdict;
    ic_buf_unref(r->body);
    r->body = NULL;
    uncharge(r);
}

/* Keeps the next bytes of the body, or only counts them. IC_ETOOBIG: beyond patience. */
static int request_receives(struct ic_http_request *r, const char *data, size_t len)
{
    r->body_seen_bytes += len;
    if (r->body_seen_bytes > DISCARD_MAX_BYTES) {
        return IC_ETOOBIG;
    }
    if (r->verdict != VERDICT_TAKE) {
        return 0;
    }
    if (r->body_seen_bytes > r->body_max_bytes) {
        ic_http_drop_body(r, VERDICT_TOO_LARGE);
        return 0;
    }
    bool kept = charge(r, len);
    if (kept && r->body == NULL) {
        r->body = ic_buf_new(len);
    }
    if (!kept || r->body == NULL || ic_buf_append(r->body, data, len) < 0) {
        ic_http_drop_body(r, VERDICT_NO_MEMORY);
    }
    return 0;
}

/* Says why in JSON, which the clients of AWS's APIs show to people. */
static void answer_refusal(struct ic_http_request *r)
{
    char why[IC_HTTP_GUARD_WHY_MAX], text[IC_HTTP_GUARD_WHY_MAX + 32];
    unsigned status = guard(r, why);
    int len = snprintf(text, sizeof text, "{\"message\": \"%s\"}\n", why);
    ic_http_reply_text(r, status, "application/json", ic_slice(text, (size_t)len));
}

/* Hands R to its handler, or answers in its place. */
static void request_is_whole(struct ic_http_request *r)
{
    ic_http_enter(r->connection, PHASE_HANDLING);
    r->handed = true;
    switch (r->verdict) {
    case VERDICT_TAKE:
    case VERDICT_TOO_LARGE: {
        const struct ic_http_options *options = &r->connection->server->options;
        options->handle(options->ctx, r);
        break;
    }
    case VERDICT_REFUSED:
        answer_refusal(r);
        break;
    case VERDICT_NO_MEMORY:
        ic_http_reply_text(r, 503, "text/plain", ic_slice_str("out of memory, try again\n"));
        break;
    case VERDICT_ENDLESS:
        ic_http_reply_text(r, 413, "text/plain", ic_slice_str("body too large\n"));
        break;
    case VERDICT_BAD_HEADERS:
        ic_http_reply_text(r, 431, "text/plain", ic_slice_str("too many headers\n"));
        break;
    }
}

/* Gives the library the answer that `reply` left in R. */
static enum MHD_Result send_answer(struct ic_http_request *r)
{
    if (r->response == NULL) {
        return MHD_NO;
    }
    ic_http_enter(r->connection, PHASE_SENDING);
    return MHD_queue_response(r->connection->mhd, r->status, r->response);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_len, void **context)
{
    (void)cls;
    (void)url;
    struct ic_http_request *r = *context;
    if (r == NULL) {
        return MHD_NO; /* no memory for it */
    }
    if (r->connection->phase == PHASE_CUT) {
        return MHD_NO; /* nobody would get the answer, and may ask again elsewhere */
    }
    if (!r->begun) {
        r->may_lack_host = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
        if (request_begins(r, mhd, method) < 0) {
            return MHD_NO;
        }
        if (r->verdict != VERDICT_ENDLESS) {
            return MHD_YES;
        }
    } else if (*data_len > 0) {
        int result = request_receives(r, data, *data_len);
        *data_len = 0;
        return result < 0 ? MHD_NO : MHD_YES;
    }
    if (!r->handed) {
        request_is_whole(r);
    }
    if (r->answered) {
        return send_answer(r);
    }
    r->suspended = true;
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)mhd;
    (void)code;
    struct ic_http_request *r = *context;
    *context = NULL;
    if (r != NULL && r->connection != NULL && r->connection->request == r) {
        ic_http_enter(r->connection, PHASE_IDLE);
        ic_http_request_ends(r);
    }
}

/* ---- answers ------------------------------------------------------------------------ */

/* The answer in R is final: the library shall fetch it (or, with none, close). */
static void settle(struct ic_http_request *r)
{
    assert(!r->answered);
    r->answered = true;
    if (r->connection == NULL) {
        request_free(r);
        return;
    }
    if (r->suspended) {
        r->suspended = false;
        MHD_resume_connection(r->connection->mhd);
        r->connection->server->resumed = true;
        ic_timer_start(&r->connection->server->run_timer, 0);
    }
}

static struct MHD_Response *build_response(struct ic_buf *body,
                                           const struct ic_http_header *headers, size_t count)
{
    static char nothing[] = "";
    struct MHD_Response *response =
        body == NULL
            ? MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT)
            : MHD_create_response_from_buffer(body->len,
                                              body->data == NULL ? nothing : (char *)body->data,
                                              MHD_RESPMEM_PERSISTENT);
    for (size_t i = 0; response != NULL && i < count; i++) {
        if (MHD_add_response_header(response, headers[i].name, headers[i].value) != MHD_YES) {
            MHD_destroy_response(response);
            response = NULL;
        }
    }
    return response;
}

void ic_http_reply(struct ic_http_request *r, unsigned status, const struct ic_http_header *headers,
                   size_t header_count, struct ic_buf *body)
{
    r->reply_body = body;
    r->status = status;
    if (r->connection != NULL) {
        if (body != NULL && !charge(r, body->len)) {
            r->status = 503;
            r->response = build_response(NULL, NULL, 0);
        } else {
            r->response = build_response(body, headers, header_count);
        }
    }
    settle(r);
}

void ic_http_reply_text(struct ic_http_request *r, unsigned status, const char *content_type,
                        struct ic_slice text)
{
    struct ic_buf *body = ic_buf_new(text.len);
    if (body == NULL || ic_buf_append_slice(body, text) < 0) {
        ic_buf_unref(body);
        ic_http_drop(r);
        return;
    }
    const struct ic_http_header header = {.name = "Content-Type", .value = content_type};
    ic_http_reply(r, status, &header, 1, body);
}

void ic_http_drop(struct ic_http_request *r)
{
    settle(r);
}

/* ---- what a request says ---------------------------------------------------------- */

const char *ic_http_method(const struct ic_http_request *r)
{
    return r->method;
}

struct ic_slice ic_http_path(const struct ic_http_request *r)
{
    return ic_slice_str(r->target);
}

struct ic_slice ic_http_query(const struct ic_http_request *r)
{
    return ic_slice_str(r->query);
}

const char *ic_http_header(const struct ic_http_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (ic_slice_equal_nocase(ic_slice_str(r->header[i].name), name)) {
            return r->header[i].value;
        }
    }
    return NULL;
}

size_t ic_http_headers(const struct ic_http_request *r, const struct ic_http_header **out)
{
    *out = r->header;
    return r->header_count;
}

struct ic_slice ic_http_body(const struct ic_http_request *r)
{
    return r->body == NULL ? ic_slice("", 0) : ic_buf_slice(r->body);
}

struct ic_buf *ic_http_take_body(struct ic_http_request *r)
{
    struct ic_buf *body = r->body;
    r->body = NULL;
    return body;
}

bool ic_http_too_large(const struct ic_http_request *r)
{
    return r->verdict == VERDICT_TOO_LARGE;
}

bool ic_http_peer_is_loopback(const struct ic_http_request *r)
{
    return r->connection != NULL && r->connection->loopback;
}

/* ---- the server ---------------------------------------------------------------------- */

void ic_http_serve(struct ic_http_server *s)
{
    assert(!s->serving);
    s->serving = true;
    s->resumed = false;
    (void)MHD_run(s->daemon);
    s->serving = false;
    MHD_UNSIGNED_LONG_LONG wait_ms;
    if (s->resumed) { /* from a handler of this run: MHD_get_timeout does not know */
        ic_timer_start(&s->run_timer, 0);
    } else if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES) {
        ic_timer_start(&s->run_timer, wait_ms);
    } else {
        ic_timer_stop(&s->run_timer);
    }
}

static void on_run_timer(void *ctx)
{
    ic_http_serve(ctx);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    ic_http_serve(poll->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
    ic_free(handle);
}

/* A listening socket of our own: the library's would be inherited by children. */
static int listen_on(struct ic_http_server *s)
{
    struct sockaddr_storage address = {0};
    if (uv_ip4_addr(s->options.host, s->options.port, (struct sockaddr_in *)(void *)&address) !=
            0 &&
        uv_ip6_addr(s->options.host, s->options.port, (struct sockaddr_in6 *)(void *)&address) !=
            0) {
        return IC_EINVAL;
    }
    socklen_t len =
        address.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    s->listen_fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listen_fd < 0) {
        return ic_error_from_errno(errno);
    }
    int one = 1;
    (void)setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->listen_fd, (struct sockaddr *)&address, len) < 0 ||
        listen(s->listen_fd, BACKLOG) < 0) {
        int result = errno == EADDRINUSE ? IC_EBUSY : errno == EADDRNOTAVAIL ? IC_EINVAL : IC_EIO;
        close(s->listen_fd);
        return result;
    }
    (void)getsockname(s->listen_fd, (struct sockaddr *)&address, &len);
    s->port = ntohs(((struct sockaddr_in *)(void *)&address)->sin_port); /* same place in IPv6 */
    return 0;
}

static void set_defaults(struct ic_http_options *o)
{
    struct rlimit files;
    uint64_t descriptors = 1024;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        descriptors = files.rlim_cur;
    }
    uint64_t room =
        descriptors > 2 * DESCRIPTORS_SPARE ? descriptors - DESCRIPTORS_SPARE : descriptors / 2;
    if (o->connections_max == 0) {
        o->connections_max = CONNECTIONS_DEFAULT;
    }
    if (o->connections_max > room) {
        o->connections_max = (uint32_t)room;
    }
    o->idle_s = o->idle_s == 0 ? IDLE_DEFAULT_S : o->idle_s;
    o->receive_s = o->receive_s == 0 ? RECEIVE_DEFAULT_S : o->receive_s;
    o->send_s = o->send_s == 0 ? SEND_DEFAULT_S : o->send_s;
    o->memory_max_bytes = o->memory_max_bytes == 0 ? MEMORY_DEFAULT_BYTES : o->memory_max_bytes;
}

static int start_daemon(struct ic_http_server *s)
{
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, s,
        MHD_OPTION_LISTEN_SOCKET, s->listen_fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)IC_HTTP_HEADERS_MAX_BYTES, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(s->options.connections_max + CONNECTIONS_SPARE), MHD_OPTION_CONNECTION_TIMEOUT,
        0u, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
        ic_http_on_connection, s, MHD_OPTION_END);
    return s->daemon == NULL ? IC_EIO : 0;
}

static int watch_daemon(struct ic_http_server *s)
{
    s->poll = ic_calloc(1, sizeof *s->poll);
    if (s->poll == NULL) {
        return IC_ENOMEM;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL || uv_poll_init(ic_loop_uv(s->loop), s->poll, info->epoll_fd) != 0) {
        ic_free(s->poll);
        s->poll = NULL;
        return IC_EIO;
    }
    s->poll->data = s;
    return uv_poll_start(s->poll, UV_READABLE, on_poll) == 0 ? 0 : IC_EIO;
}

int ic_http_server_new(struct ic_loop *loop, const struct ic_http_options *options,
                       struct ic_http_server **out)
{
    struct ic_http_server *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        return IC_ENOMEM;
    }
    s->loop = loop;
    s->options = *options;
    set_defaults(&s->options);
    ic_http_connections_init(s);
    ic_timer_init(&s->run_timer, loop, on_run_timer, s);
    int result = listen_on(s);
    if (result < 0) {
        ic_free(s);
        return result;
    }
    result = start_daemon(s);
    if (result < 0) {
        close(s->listen_fd);
        ic_free(s);
        return result;
    }
    result = watch_daemon(s);
    if (result < 0) {
        ic_http_server_free(s);
        return result;
    }
    *out = s;
    return 0;
}

void ic_http_server_free(struct ic_http_server *s)
{
    if (s == NULL) {
        return;
    }
    assert(!s->serving);
    if (s->poll != NULL) {
        uv_close((uv_handle_t *)s->poll, on_poll_closed);
    }
    /* The library refuses to stop with suspended connections. */
    for (enum phase phase = PHASE_CUT; phase <= PHASE_HANDLING; phase++) {
        IC_LIST_EACH (node, &s->phase[phase]) {
            struct connection *c = IC_CONTAINER(node, struct connection, node);
            if (c->request != NULL && c->request->suspended) {
                c->request->suspended = false;
                MHD_resume_connection(c->mhd);
            }
        }
    }
    MHD_stop_daemon(s->daemon); /* closes the listening socket too */
    ic_timer_stop(&s->run_timer);
    ic_timer_stop(&s->sweep_timer);
    ic_timer_stop(&s->cut_timer);
    assert(s->connection_count == 0);
    ic_free(s);
}

uint16_t ic_http_server_port(const struct ic_http_server *s)
{
    return s->port;
}

uint32_t ic_http_server_connections(const struct ic_http_server *s)
{
    return s->connection_count;
}
