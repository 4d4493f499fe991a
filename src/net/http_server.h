/*
 * http_server.h - an HTTP/1.1 server on the loop (libmicrohttpd, whose epoll descriptor
 * libuv polls). A request is handed over when it is there whole; the answer may
 * come at once or much later.
 *
 *   connection:  NEW ---request line--> RECEIVING --last byte--> HANDLING --reply--> SENDING
 *                                           ^                                          |
 *                                           +--request line-- IDLE <--sent, keep-alive-+
 *
 * All but HANDLING (a long poll: its owner bounds it) have a deadline, so half requests and slow
 * readers end, and a client that is gone is let go within a second. When connections run out, the
 * oldest of the phase that has most of them makes room, so a crowd of any kind displaces itself;
 * one that is being handled, or an idle one whose next request has come, never does. When
 * memory runs out, the longest body that is being received and is longer than that for which there
 * is none makes room. What web pages ask is refused here, whatever the port is for (http_guard.h).
 * Everything runs on the loop's thread.
 */
#ifndef IC_NET_HTTP_SERVER_H
#define IC_NET_HTTP_SERVER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

struct ic_loop;
struct ic_http_server;
struct ic_http_request;

enum {
    IC_HTTP_HEADERS_MAX_BYTES = 32 * 1024, /* request line and headers; beyond: 431 */
    IC_HTTP_HEADERS_MAX = 64,              /* header lines of a request; beyond: 431 */
};

struct ic_http_options {
    const char *host;         /* numeric address */
    uint16_t port;            /* 0: any free one */
    const char *names;        /* for the guard (http_guard.h), outlives the server; NULL: none */
    uint32_t connections_max; /* 0: 12,000, and never more than the descriptors allow */
    uint32_t idle_s;          /* 0: 60, without a request */
    uint32_t receive_s;       /* 0: 120, for a whole request */
    uint32_t send_s;          /* 0: 120, for a whole reply */
    size_t memory_max_bytes;  /* 0: 512 MiB: bodies and replies in all; beyond, and if
                                 no longer body can make room: 503 */
    /* How many bytes of body this request may have; asked when its headers are in. A longer body is
     * read and dropped (up to 128 MiB; beyond, 413 and the connection is closed) and the
     * request is handed over marked too large, without a body. NULL: 1 MiB. */
    size_t (*body_max)(void *ctx, const struct ic_http_request *r);
    /* The request is whole. Must lead to exactly one ic_http_reply or ic_http_drop, now or
     * later, also when the client or the server is gone meanwhile. */
    void (*handle)(void *ctx, struct ic_http_request *r);
    void *ctx;
};

/* Listens and serves. IC_EBUSY: the port is taken; IC_EINVAL: HOST is no address of this machine;
 * IC_ENOMEM, IC_EIO. */
int ic_http_server_new(struct ic_loop *loop, const struct ic_http_options *options,
                       struct ic_http_server **out) IC_MUST_USE;
/* Closes everything. Requests being handled stay valid until they are answered (into the void).
 * Not to be called from a handler. NULL is fine. */
void ic_http_server_free(struct ic_http_server *s);
uint16_t ic_http_server_port(const struct ic_http_server *s);
uint32_t ic_http_server_connections(const struct ic_http_server *s);

/* ---- the request: valid, and its texts with it, until reply or drop ---- */

const char *ic_http_method(const struct ic_http_request *r);    /* "GET" */
struct ic_slice ic_http_path(const struct ic_http_request *r);  /* as sent, not decoded */
struct ic_slice ic_http_query(const struct ic_http_request *r); /* as sent, without '?' */
/* The first header NAME (any case), or NULL. */
const char *ic_http_header(const struct ic_http_request *r, const char *name);
struct ic_http_header {
    const char *name, *value;
};
/* All headers in the order they came; returns how many. */
size_t ic_http_headers(const struct ic_http_request *r, const struct ic_http_header **out);
struct ic_slice ic_http_body(const struct ic_http_request *r);
/* Takes the body over (one reference, may be NULL when empty). */
struct ic_buf *ic_http_take_body(struct ic_http_request *r);
bool ic_http_too_large(const struct ic_http_request *r);
bool ic_http_peer_is_loopback(const struct ic_http_request *r);

/* ---- the answer ---- */

/*
 * Answers with STATUS, HEADERS (copied) and BODY (its reference is taken over; NULL: empty).
 * Never fails: without memory the connection is closed instead. R is gone afterwards.
 */
void ic_http_reply(struct ic_http_request *r, unsigned status, const struct ic_http_header *headers,
                   size_t header_count, struct ic_buf *body);
/* The same with TEXT copied and one content type. */
void ic_http_reply_text(struct ic_http_request *r, unsigned status, const char *content_type,
                        struct ic_slice text);
/* Closes the connection without an answer. R is gone afterwards. */
void ic_http_drop(struct ic_http_request *r);

#endif
