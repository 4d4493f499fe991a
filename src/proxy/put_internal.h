/*
 * put_internal.h - what put.c (stripes, deadlines, the put's state) and put_chunk.c (what becomes
 * of each chunk) share.
 */
#ifndef IC_PROXY_PUT_INTERNAL_H
#define IC_PROXY_PUT_INTERNAL_H

#include "code/layout.h"
#include "code/rs.h"
#include "proxy/functions.h"
#include "proxy/proxy.h"
#include "proxy/put.h"
#include "proxy/recall.h"
#include "proxy/window.h"
#include "proxy/write_pace.h"

enum ic_put_state { IC_PUT_FILLING, IC_PUT_SEALING, IC_PUT_READY, IC_PUT_TAKEN, IC_PUT_FAILED };
enum ic_put_chunk_state { IC_PUT_CHUNK_OPEN, IC_PUT_CHUNK_SEALED, IC_PUT_CHUNK_FAILED };

/* A stripe from its first byte until each of its chunks is written or given up. */
struct ic_put_stripe {
    struct ic_list node; /* put->stripes, in order */
    struct ic_reap reap;
    struct ic_put *put;
    struct ic_buf *buf;
    uint64_t index;
    uint64_t sent_ms;
    uint64_t pending;      /* chunks whose WRITE is under way, or waits for their instance */
    uint32_t unit, length; /* bytes per unit; bytes of the object in it */
    uint32_t filled;       /* bytes that came */
    uint32_t crc[IC_RS_CHUNKS_MAX];
    uint16_t chunk_count;           /* the put's, which may be freed before */
    struct ic_node_request write[]; /* d + p */
};

struct ic_put_chunk {
    struct ic_node_request seal;
    enum ic_put_chunk_state state;
    bool sealing;    /* its SEAL is under way, or waits for its instance */
    bool moved;      /* its first function could not take it */
    uint8_t recalls; /* since the last answer */
    struct ic_recall recall;
};

struct ic_put {
    struct ic_proxy *proxy;
    const struct ic_put_handler *handler;
    void *ctx;
    struct ic_object *object; /* ours until taken or dropped */
    struct ic_rs *rs;
    struct ic_layout layout;
    struct ic_grant grant;
    struct ic_claim claim;    /* for the stripe that is full, or for an empty value */
    struct ic_timer deadline; /* of admission, of the oldest stripe, of the seals */
    struct ic_timer report;   /* tells a failure that happened on the caller's stack */
    struct ic_reap reap;
    struct ic_list stripes;
    struct ic_put_stripe *filling; /* the last of them, if it is not full, or not sent */
    uint64_t next_stripe;
    uint64_t started_ms; /* of waiting for admission, then of sealing */
    uint64_t received;   /* bytes */
    struct ic_write_pace pace;
    uint32_t stripe_count;
    uint32_t sealed, failed; /* chunks */
    double dollars;          /* of the requests answered */
    int error;
    enum ic_put_state state;
    bool queued, admitted, served, blocked, freed; /* served: with memory for a stripe */
    bool ends;                                     /* it is to be sealed when all is sent */
    int64_t expires_ms;                            /* for the seals */
    uint8_t *key;                                  /* a copy: goes into the seals */
    size_t key_len;
    uint16_t chunk_count;
    struct ic_put_chunk chunk[]; /* d + p */
};

/* Chunks without which the value is not stored. */
static inline uint32_t ic_put_quorum(const struct ic_put *put)
{
    return put->object->data + (put->object->parity > 0 ? 1u : 0u);
}

/* ---- put.c ---- */

/* Nothing of it goes on. The handler is told, later if this is ON_CALLERS_STACK. */
void ic_put_fail(struct ic_put *put, int error, bool on_callers_stack);
/* Every chunk of S is written or given up. */
void ic_put_release_stripe(struct ic_put_stripe *s);
void ic_put_start_deadline(struct ic_put *put);
/* Looks whether the seals suffice: all that are left, or after the deadline just enough. */
void ic_put_settle(struct ic_put *put);
void ic_put_resume_if_blocked(struct ic_put *put);

/* ---- put_chunk.c ---- */

void ic_put_chunk_init(struct ic_put *put, uint16_t i);
void ic_put_chunk_deinit(struct ic_put *put, uint16_t i);
uint8_t *ic_put_unit_bytes(const struct ic_put_stripe *s, uint16_t chunk);
void ic_put_submit_write(struct ic_put_stripe *s, uint16_t chunk);
void ic_put_submit_seal(struct ic_put *put, uint16_t chunk, int64_t expires_ms);
/* Nothing of chunk I is in any queue afterwards; stripes nobody needs any more are released. */
void ic_put_cancel_chunk(struct ic_put *put, uint16_t i);
/* Chunk I, which is open, will not be there. */
void ic_put_give_up_chunk(struct ic_put *put, uint16_t i);

#endif
