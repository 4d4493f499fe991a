/*
 * http_internal.h - what http_server.c (requests, answers, the library) and http_connections.c
 * (which connections there are, and which have to go) share.
 */
#ifndef IC_NET_HTTP_INTERNAL_H
#define IC_NET_HTTP_INTERNAL_H

#include "base/list.h"
#include "net/http_server.h"
#include "net/net_uv.h"

#include <microhttpd.h>

enum phase {
    PHASE_NEW,
    PHASE_RECEIVING,
    PHASE_IDLE,
    PHASE_SENDING,
    PHASE_CUT,
    PHASE_HANDLING,
    PHASE_COUNT,
};

struct connection {
    struct ic_list node; /* in server->phase[phase], the oldest first */
    struct ic_http_server *server;
    struct MHD_Connection *mhd;
    struct ic_http_request *request; /* NULL between requests */
    uint64_t since_ms;               /* in this phase */
    enum phase phase;
    int fd;
    bool loopback;
};

enum verdict {
    VERDICT_TAKE,
    VERDICT_TOO_LARGE, /* handed over without its body */
    VERDICT_NO_MEMORY,
    VERDICT_BAD_HEADERS,
    VERDICT_REFUSED, /* by the guard */
    VERDICT_ENDLESS, /* announces more than is read and dropped */
};

struct ic_http_request {
    struct connection *connection; /* NULL: gone; the answer goes into the void */
    char *target;                  /* path and query as sent; '?' replaced by a zero */
    const char *query;
    char *texts; /* one block: the method and all headers */
    const char *method;
    struct ic_http_header header[IC_HTTP_HEADERS_MAX];
    size_t header_count;
    struct ic_buf *body; /* NULL: none yet */
    size_t body_max_bytes;
    uint64_t body_seen_bytes;
    size_t charged_bytes; /* of server->memory_bytes */
    enum verdict verdict;
    bool may_lack_host;            /* HTTP/1.0 */
    bool begun;                    /* headers were taken over */
    bool handed;                   /* `handle` was called: its owner answers */
    bool answered;                 /* reply or drop was called */
    bool suspended;                /* the library does not look at the connection */
    struct MHD_Response *response; /* NULL and answered: drop */
    struct ic_buf *reply_body;
    unsigned status;
};

struct ic_http_server {
    struct ic_loop *loop;
    struct MHD_Daemon *daemon;
    uv_poll_t *poll; /* freed by its close callback */
    struct ic_timer run_timer, sweep_timer, cut_timer;
    struct ic_http_options options;
    struct ic_list phase[PHASE_COUNT];
    uint32_t phase_count[PHASE_COUNT]; /* lengths of those lists */
    uint32_t connection_count;
    size_t memory_bytes;
    int listen_fd;
    uint16_t port;
    bool serving; /* inside the library */
    bool resumed; /* while serving: one was answered that the library has passed already */
};

/* ---- http_connections.c ---- */

void ic_http_connections_init(struct ic_http_server *s);
/* The library's connections, as MHD_NotifyConnectionCallback tells of them; CLS: the server. */
void ic_http_on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                           enum MHD_ConnectionNotificationCode code);
/* The only function that changes a connection's phase; see the drawing in http_server.h. */
void ic_http_enter(struct connection *c, enum phase phase);
/* A request has no memory for its body: of those that receive a longer one, the longest goes.
 * False: there is none. */
bool ic_http_cut_largest(const struct ic_http_request *r);

/* ---- http_server.c ---- */

/* The library is done with R. While a handler owns it, it lives on. */
void ic_http_request_ends(struct ic_http_request *r);
/* The library looks at its connections now. */
void ic_http_serve(struct ic_http_server *s);
/* R's body, what there is and what comes, is not kept, for the reason VERDICT. */
void ic_http_drop_body(struct ic_http_request *r, enum verdict verdict);

#endif
