/*
 * payload.h - what an invocation asks for, and what it is answered: two small JSON objects. The
 * reader knows as much JSON as it needs to find our fields in a valid object and to step over
 * everything else; no library, since the node links none.
 *
 *   {"infinicache":1,"kind":"serve","function":NAME,"invocation":HEX32,"proxy":"127.0.0.1:6380",
 *    "key":HEX64,"epoch":N,"lease_ms":N}     (or "kind":"peer")
 *   {"instance":HEX32,"position":N,"held":N,"capacity":N,"chunks":N,"epoch":N,"served":true}
 */
#ifndef IC_NODE_PAYLOAD_H
#define IC_NODE_PAYLOAD_H

#include "base/buf.h"
#include "base/error.h"
#include "proto/link_auth.h"
#include "proto/link_body.h"

struct ic_chunks;

enum {
    IC_PAYLOAD_DEPTH_MAX = 64, /* of values inside values */
    IC_PAYLOAD_HOST_MAX = 64,
};

enum ic_payload_kind {
    IC_PAYLOAD_FOREIGN, /* not from our proxy: answer, do nothing */
    IC_PAYLOAD_WARM,    /* report and return */
    IC_PAYLOAD_SERVE,   /* dial the proxy, as a peer or not */
};

struct ic_payload {
    enum ic_payload_kind kind;
    bool peer; /* raised beside another instance of the function, which is to outstay it */
    char function[IC_FUNCTION_NAME_MAX + 1];
    uint8_t invocation[IC_INVOCATION_ID_BYTES];
    uint8_t key[IC_LINK_KEY_BYTES];
    char proxy_host[IC_PAYLOAD_HOST_MAX];
    uint16_t proxy_port;
    uint32_t epoch;
    uint32_t lease_ms;
};

/* Anything that is not a JSON object with "infinicache" is FOREIGN. IC_EINVAL: it is ours, and a
 * field that its kind needs is missing or out of range. */
int ic_payload_decode(struct ic_slice text, struct ic_payload *out) IC_MUST_USE;

/* Appends the response. IC_ENOMEM. */
int ic_payload_response(const struct ic_chunks *chunks, bool served,
                        struct ic_buf *out) IC_MUST_USE;

/* "10.0.0.1:80" or "[::1]:80" in two. IC_EINVAL. */
int ic_payload_address(struct ic_slice text, char host[IC_PAYLOAD_HOST_MAX],
                       uint16_t *port) IC_MUST_USE;

#endif
