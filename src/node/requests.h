/*
 * requests.h - answers what the proxy asks on an established link, in order: READ WRITE SEAL
 * DELETE MARK LIST KEEP. Bodies of WRITEs go from the socket to where the chunk lies; DATA goes
 * from there to the socket.
 *
 *   RECEIVING --DELETE of a chunk that replies still point into--> HELD  --queue sent--> RECEIVING
 *             --LIST--------------------------------------------> LISTING --all items---> RECEIVING
 *
 * Bounds: nothing is read while more than IC_REPLY_QUEUE_MAX bytes of replies wait or the state is
 * not RECEIVING; a reply adds at most one DATA frame to that. Replies hold no copy of chunk memory.
 */
#ifndef IC_NODE_REQUESTS_H
#define IC_NODE_REQUESTS_H

#include "base/buf.h"
#include "base/error.h"
#include "net/net.h"
#include "node/chunks.h"
#include "proto/frame.h"

enum {
    IC_REPLY_QUEUE_MAX = 1024 * 1024, /* bytes: of the link's bandwidth-delay product, generously */
    IC_LIST_FRAME_BYTES = 64 * 1024,  /* an ITEM frame is sent when it has reached this */
    IC_SCRATCH_BYTES = 32 * 1024,     /* where unwanted bytes go */
};

struct ic_requests_handler {
    /* WELCOME or BYE_OK. < 0: close the link. */
    int (*control)(void *ctx, const struct ic_frame *frame, struct ic_slice body);
    /* A request has been answered. */
    void (*answered)(void *ctx, uint32_t lease_ms);
};

struct ic_requests {
    struct ic_chunks *chunks;
    const struct ic_requests_handler *handler;
    void *ctx;
    struct ic_stream *stream; /* of the link; not owned; NULL between links */
    struct ic_frame_parser parser;
    enum { IC_REQUESTS_RECEIVING, IC_REQUESTS_HELD, IC_REQUESTS_LISTING } state;
    enum { IC_BODY_SMALL, IC_BODY_PREFIX, IC_BODY_CHUNK, IC_BODY_SKIPPED } body_kind;
    enum ic_frame_status status; /* the current WRITE's answer */
    struct ic_chunk *chunk;      /* the current WRITE's */
    uint64_t length;             /* its chunk bytes */
    uint64_t placed;             /* of them, given a place */
    struct ic_buf body;          /* of a frame whose body is decoded */
    struct ic_buf items;         /* LISTING: the next ITEM frame's body */
    uint64_t cursor;
    int error;     /* LISTING: in the visitor */
    bool welcomed; /* set by the handler of WELCOME; before, nothing else is accepted */
    bool paused;
    bool settled; /* the current operation was settled before */
    uint8_t scratch[IC_SCRATCH_BYTES];
};

void ic_requests_init(struct ic_requests *r, struct ic_chunks *chunks,
                      const struct ic_requests_handler *handler, void *ctx);
void ic_requests_deinit(struct ic_requests *r);

void ic_requests_begin(struct ic_requests *r, struct ic_stream *stream); /* a new link */
/* The link is gone: what its last frame began is undone. */
void ic_requests_end(struct ic_requests *r);

/* The stream's handler passes these on. An error: close the link. */
size_t ic_requests_room(struct ic_requests *r, struct iovec *iov, size_t max);
int ic_requests_received(struct ic_requests *r, size_t len) IC_MUST_USE;
int ic_requests_drained(struct ic_requests *r) IC_MUST_USE;

/* Is something under way: a request half received, a reply not sent? */
bool ic_requests_busy(const struct ic_requests *r);

#endif
