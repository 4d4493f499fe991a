/*
 * link_body.h - the bodies of the node link's frames: plain structs in, bytes out, and back. Chunk
 * bytes never pass through here. Layouts: doc/node-link.md. Decoders accept exactly what the
 * encoders write; anything else is IC_EPROTO. Decoded slices lie in the input.
 */
#ifndef IC_PROTO_LINK_BODY_H
#define IC_PROTO_LINK_BODY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    IC_INSTANCE_ID_BYTES = 16,    /* random, made when the instance's process starts */
    IC_INVOCATION_ID_BYTES = 16,  /* random, made by the proxy for each Invoke */
    IC_LINK_MAC_BYTES = 32,       /* HMAC-SHA-256 */
    IC_FUNCTION_NAME_MAX = 140,   /* Lambda: 64 for a name; an ARN is longer */
    IC_KEY_BYTES_MAX = 64 * 1024, /* as much as max-key-size may be (base/directives.h) */
    IC_ERROR_TEXT_MAX = 255,

    IC_HELLO_FIXED_BYTES = 2 + IC_INSTANCE_ID_BYTES + IC_INVOCATION_ID_BYTES + 4 + 4 + 4 + 5 * 8,
    IC_HELLO_BYTES_MIN = IC_HELLO_FIXED_BYTES + 1 + IC_LINK_MAC_BYTES,
    IC_HELLO_BYTES_MAX = IC_HELLO_FIXED_BYTES + IC_FUNCTION_NAME_MAX + IC_LINK_MAC_BYTES,
    IC_WELCOME_BYTES = 4 + 4 + IC_LINK_MAC_BYTES,
    IC_READ_BYTES = 4,
    IC_SEAL_FIXED_BYTES = IC_INSTANCE_ID_BYTES + 4 * 8 + 4 + 2 + 2 + 4,
    IC_SEAL_BYTES_MAX = IC_SEAL_FIXED_BYTES + IC_KEY_BYTES_MAX,
    IC_ITEM_FIXED_BYTES = 8 + 2 + 2 + 2 * 8 + 3 * 8 + 4 + 2 + 2 + 4,
    IC_ITEM_BYTES_MAX = 1024 * 1024, /* body of one ITEM frame: many entries */
    IC_OFFER_BYTES_MAX = 512 * 1024, /* of an OFFER: the newest chunks, as ITEM has them */
};

/* No function has so much memory, 16 GiB; with what it lists of its own that keeps every sum of
 * lengths far from 2^64. */
#define IC_CHUNK_BYTES_MAX (UINT64_C(1) << 34)

enum { IC_HELLO_DYING = 1 };

/*
 * HELLO. The MAC is over every byte before it, see link_auth.h: encode without it, then append the
 * 32 bytes of the MAC.
 */
struct ic_hello {
    struct ic_slice function; /* 1..IC_FUNCTION_NAME_MAX bytes */
    uint8_t instance[IC_INSTANCE_ID_BYTES];
    uint8_t invocation[IC_INVOCATION_ID_BYTES];
    uint32_t dial;          /* 1, 2, ... within the invocation */
    uint32_t highest_epoch; /* seen by this instance; 0 none */
    uint32_t flags;         /* IC_HELLO_... */
    uint64_t position;      /* last operation settled */
    uint64_t held_bytes;    /* sum of ic_chunk_cost */
    uint64_t capacity_bytes;
    uint64_t chunk_count;
    uint64_t deadline_ms; /* left until the invocation's deadline */
};

/* Appends the body but for its MAC. IC_EINVAL: no name, or too long. IC_ENOMEM. */
int ic_hello_encode(const struct ic_hello *hello, struct ic_buf *out) IC_MUST_USE;
/* BODY with its MAC. *SIGNED: the bytes the MAC is over; *MAC: the 32 bytes. IC_EPROTO. */
int ic_hello_decode(struct ic_slice body, struct ic_hello *out, struct ic_slice *signed_bytes,
                    struct ic_slice *mac) IC_MUST_USE;

struct ic_welcome {
    uint32_t epoch; /* of the proxy; a node that has seen a higher one refuses it */
    uint8_t mac[IC_LINK_MAC_BYTES];
};
void ic_welcome_encode(const struct ic_welcome *welcome, uint8_t out[IC_WELCOME_BYTES]);
int ic_welcome_decode(struct ic_slice body, struct ic_welcome *out) IC_MUST_USE;

/* READ: bytes wanted, 1..IC_FRAME_DATA_MAX. */
void ic_read_encode(uint32_t length, uint8_t out[IC_READ_BYTES]);
int ic_read_decode(struct ic_slice body, uint32_t *length) IC_MUST_USE;

/* The start of a WRITE with IC_WRITE_FIRST. UNIT: 64..IC_FRAME_DATA_MAX, a multiple of 64. */
struct ic_write_prefix {
    uint64_t chunk_length; /* > 0 */
    uint32_t unit;
};
void ic_write_prefix_encode(const struct ic_write_prefix *prefix,
                            uint8_t *out /* IC_WRITE_PREFIX_BYTES */);
int ic_write_prefix_decode(const uint8_t *in /* IC_WRITE_PREFIX_BYTES */,
                           struct ic_write_prefix *out) IC_MUST_USE;

/*
 * How BYTES, the body of a DATA or WRITE after any prefix, splits into CRCs and chunk bytes: they
 * are of whole units, but for the chunk's last. Returns the chunk bytes' length (the CRCs are BYTES
 * less that); IC_EPROTO if there is no such split.
 */
int64_t ic_frame_data_length(uint32_t bytes, uint32_t unit) IC_MUST_USE;

/* What a SEAL says of the chunk and its object. */
struct ic_seal {
    uint8_t instance[IC_INSTANCE_ID_BYTES]; /* that has the bytes */
    uint64_t chunk_length;
    uint64_t object_size;
    uint64_t version;
    int64_t expires_ms; /* wall clock; 0: never */
    uint32_t unit;      /* of the object; may be 0 if it is empty */
    uint16_t data, parity;
    struct ic_slice key; /* at most IC_KEY_BYTES_MAX */
};
int ic_seal_encode(const struct ic_seal *seal,
                   struct ic_buf *out) IC_MUST_USE; /* IC_EINVAL IC_ENOMEM */
int ic_seal_decode(struct ic_slice body, struct ic_seal *out) IC_MUST_USE;

/* One entry of an ITEM body: a chunk the node has. seal.instance is not sent. */
struct ic_item {
    uint64_t object_id;
    uint16_t chunk;
    bool sealed;            /* else of the seal only unit and chunk_length are known */
    uint64_t written_bytes; /* == seal.chunk_length when sealed */
    struct ic_seal seal;
};
int ic_item_encode(const struct ic_item *item,
                   struct ic_buf *out) IC_MUST_USE; /* appends one entry */
static inline size_t ic_item_size(const struct ic_item *item)
{
    return IC_ITEM_FIXED_BYTES + item->seal.key.len;
}
/* Takes the next entry off the front of *BODY. 1: *OUT is it; 0: *BODY was empty; IC_EPROTO. */
int ic_item_decode(struct ic_slice *body, struct ic_item *out) IC_MUST_USE;

/* ERROR: a text for logs, at most IC_ERROR_TEXT_MAX bytes, cut to that; the status is in the
 * header. */
struct ic_slice ic_error_body(struct ic_slice text);

#endif
