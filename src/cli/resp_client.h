/*
 * resp_client.h - a blocking connection to the proxy that streams: what `put`, `get` and
 * `top` need of the Redis protocol. A value passes through in pieces, it is never held whole.
 * Every wait ends: when nothing moves for IC_RESP_STALL_MS, or when a held signal comes.
 */
#ifndef IC_CLI_RESP_CLIENT_H
#define IC_CLI_RESP_CLIENT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    IC_RESP_STALL_MS = 60000,
    IC_RESP_CHECK_MS = 100,
    IC_RESP_CLIENT_WHY_MAX = 1024,
    IC_RESP_REPLY_MAX = 512, /* of a reply's first line that is kept */
};

struct ic_resp_client;

/* How a connection waits, where the ordinary way will not do. */
struct ic_resp_wait {
    int stall_ms;             /* in place of IC_RESP_STALL_MS */
    bool (*go_on)(void *ctx); /* asked every IC_RESP_CHECK_MS; false: IC_ECANCELED */
    void *ctx;
};

/*
 * Connects and, if PASSWORD is not empty, authenticates. WAIT may be NULL. Each function below
 * returns 0 or an error and says why in WHY (IC_RESP_CLIENT_WHY_MAX bytes): IC_EUNAVAIL nobody
 * listens, IC_EAUTH, IC_ECLOSED the connection broke, IC_ETIMEOUT it stalled, IC_ECANCELED a
 * signal, IC_EPROTO not the Redis protocol, IC_ENOMEM.
 */
int ic_resp_client_open(const char *host, const char *port, const char *password,
                        const struct ic_resp_wait *wait, struct ic_resp_client **out,
                        char *why) IC_MUST_USE;
void ic_resp_client_close(struct ic_resp_client *c); /* NULL is fine */

/* Sends BYTES. Returns 1 if the proxy has answered before they were all sent: read its line. */
int ic_resp_client_send(struct ic_resp_client *c, struct ic_slice bytes, char *why) IC_MUST_USE;
/* Sends a command of COUNT words; if LAST is not NULL, announces one more word of *LAST bytes,
 * whose bytes and "\r\n" the caller sends. */
int ic_resp_client_command(struct ic_resp_client *c, const char *const *words, size_t count,
                           const uint64_t *last, char *why) IC_MUST_USE;
/* A reply's first line without "\r\n", type byte included, zero-terminated and cut to fit. */
int ic_resp_client_line(struct ic_resp_client *c, char line[IC_RESP_REPLY_MAX],
                        char *why) IC_MUST_USE;
/* Some bytes, at most SIZE (> 0), into OUT; *LEN says how many (> 0). */
int ic_resp_client_read(struct ic_resp_client *c, void *out, size_t size, size_t *len,
                        char *why) IC_MUST_USE;
/*
 * Appends a whole reply as it came, containers with all they hold, to OUT. A refusal is an error as
 * below; IC_ETOOBIG: it has more than MAX bytes, and the connection is of no more use.
 */
int ic_resp_client_reply(struct ic_resp_client *c, struct ic_buf *out, size_t max,
                         char *why) IC_MUST_USE;

/* Bytes that went over the connection so far; received: also what is not taken yet. */
struct ic_resp_traffic {
    uint64_t sent, received;
};
struct ic_resp_traffic ic_resp_client_traffic(const struct ic_resp_client *c);

/* LINE is a reply nobody asked for: an error of the proxy's, or nonsense. IC_EIO, IC_EAUTH,
 * IC_EPROTO with WHY. */
int ic_resp_client_refusal(const char *line, char *why) IC_MUST_USE;

/* The proxy's `max-object-size` into *OUT; UINT64_MAX if it does not say. */
int ic_resp_client_limit(struct ic_resp_client *c, uint64_t *out, char *why) IC_MUST_USE;

#endif
