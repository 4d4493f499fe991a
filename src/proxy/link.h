/*
 * link.h - the requests of one function and the connection that carries them. The
 * queues outlive the connection: what was sent and not answered is sent again when the
 * same instance dials in anew.
 *
 *   submit --> fast (small READs) --.
 *          --> bulk (the rest) -----+-> slots: sent, answered in order --> done
 *   condemned chunks (pool) --------'   (at most IC_LINK_WINDOW bytes)
 *
 *   DETACHED --attach (HELLO accepted)--> ATTACHED --drain (deadline near)--> DRAINING
 *       ^                                    |  broken, detach                  |
 *       '------------------------------------+----------------------------------'
 *
 * Bodies are never copied: a READ's bytes go from the socket to `into`, a WRITE's from
 * its owner's buffer to the socket.
 */
#ifndef IC_PROXY_LINK_H
#define IC_PROXY_LINK_H

#include "base/error.h"
#include "core/pool.h"
#include "proxy/functions.h"

struct ic_stream;
struct ic_link;

enum {
    IC_LINK_SLOTS = 128,             /* requests sent and not answered; a power of two */
    IC_LINK_WINDOW = 1 << 20,        /* their bytes: bandwidth-delay of 1 GB/s and 1 ms */
    IC_LINK_SMALL_BYTES = 16 << 10,  /* READs up to this go first, */
    IC_LINK_FAST_WINDOW = 256 << 10, /* beyond the window by so many bytes, */
    IC_LINK_FAST_RUN = 16,           /* but one of the bulk after so many in a row */
    /* A DELETE waits for others, and for a WRITE to go with: overwriting a small object would cost
     * each of its nodes a wake-up more. */
    IC_LINK_DELETE_MS = 5,
    IC_LINK_SCRATCH_BYTES = 64 << 10, /* bytes nobody wants any more are read into this */
};

/* What the link's owner is told. None may free the link. */
struct ic_link_handler {
    /* A request's outcome; the link has let go of it. Never on the stack of a call below. */
    void (*answered)(void *ctx, struct ic_node_request *r, int result);
    /* R, a WRITE or SEAL with instance 0, can be sent to SERIAL: the instance that it is for, see
     * ic_functions_handler.begin. Changes nothing of the link. */
    uint32_t (*bind)(void *ctx, const struct ic_node_request *r, uint32_t serial);
    /* R will not be sent; the owner says so to its owner later, not on this stack. RESULT 0:
     * because another instance is attached than the one R is for. */
    void (*refused)(void *ctx, struct ic_node_request *r, int result);
    bool (*next_delete)(void *ctx, struct ic_condemned *out); /* false: none */
    void (*deleted)(void *ctx, uint32_t serial, const struct ic_condemned *condemned);
    void (*not_deleted)(void *ctx, uint32_t serial, const struct ic_condemned *condemned);
    /* Some of a list, struct ic_items of one frame (IC_ITEM_BYTES_MAX: 15,420 at most): takes from
     * the front of ITEMS what may be taken now. False: there is more, or may be, to be taken after
     * ic_link_list_on; until then nothing is read, and the node is not silent. */
    bool (*items)(void *ctx, struct ic_slice *items);
    void (*listed)(void *ctx, uint64_t mark); /* that was all; the instance's mark */
    void (*bye)(void *ctx, bool deadline_near, uint64_t left_ms);
    /* OFFER: the instance ends, in LEFT_MS at most; ITEMS as in `items`, valid on this stack. */
    void (*offered)(void *ctx, struct ic_slice items, uint64_t left_ms);
    void (*idle)(void *ctx); /* draining, and nothing is outstanding any more */
    /* The connection is gone (not by ic_link_detach): IC_ECLOSED, IC_EPROTO, IC_ENOMEM, or
     * IC_ESTALE: the node's numbering of operations is not ours. The link is detached. */
    void (*broken)(void *ctx, int error);
};

/* SCRATCH: IC_LINK_SCRATCH_BYTES shared by all links. NULL: out of memory. */
struct ic_link *ic_link_new(struct ic_loop *loop, uint8_t *scratch,
                            const struct ic_link_handler *handler, void *ctx);
void ic_link_free(struct ic_link *l); /* NULL is fine; no request may be queued */

/* Queues R; it is sent at once if the link is attached and its window has room. */
void ic_link_submit(struct ic_link *l, struct ic_node_request *r);
/* Lets go of R, sent or not; nothing of it is touched afterwards. */
void ic_link_cancel(struct ic_link *l, struct ic_node_request *r);
/* A condemned chunk is there. It is deleted before the next WRITE, or IC_LINK_DELETE_MS later. */
void ic_link_condemned(struct ic_link *l);
void ic_link_flush_deletes(struct ic_link *l); /* now */

/*
 * A node's HELLO was accepted and WELCOME written on STREAM, which the link takes over: instance
 * SERIAL with ID, whose last operation sent is OP_SENT. With LIST its chunks are listed first.
 * Unanswered requests of the same instance are sent again, those of another are refused.
 */
struct ic_link_attach {
    struct ic_stream *stream;
    uint32_t serial;
    uint8_t id[IC_INSTANCE_ID_LEN];
    uint64_t position;
    uint32_t lease_ms;
    bool list;
    bool read_only; /* as after ic_link_read_only */
};
void ic_link_attach(struct ic_link *l, const struct ic_link_attach *a);
/* `items` did not take everything. */
bool ic_link_holds_list(const struct ic_link *l);
/* It goes on with that, and with what has come behind. */
void ic_link_list_on(struct ic_link *l);
/* The lease that requests sent from now on carry. */
void ic_link_set_lease(struct ic_link *l, uint32_t lease_ms);
/* Renews the lease without a request, if attached and not draining. */
void ic_link_keep(struct ic_link *l, uint32_t lease_ms);
/* Lets go of the connection; queued and unanswered requests stay. */
void ic_link_detach(struct ic_link *l);
/* Writes BYE_OK and detaches; nothing may be outstanding (ic_link_idle). */
void ic_link_goodbye(struct ic_link *l);
/* The instance ends: READs go out, all else waits until another is attached, or is refused when
 * this one is forgotten. */
void ic_link_read_only(struct ic_link *l);
/* Sends nothing more; `idle` when what was sent is answered. */
void ic_link_drain(struct ic_link *l);
/* Refuses everything sent (and, with QUEUED, everything queued) with RESULT. */
void ic_link_fail(struct ic_link *l, int result, bool queued);

/* Instance SERIAL is gone: refuses (0) what was sent to it and what is queued for it. Detached if
 * it was attached to it. */
void ic_link_forget(struct ic_link *l, uint32_t serial);

bool ic_link_attached(const struct ic_link *l);
bool ic_link_idle(const struct ic_link *l);  /* nothing sent is unanswered */
bool ic_link_asked(const struct ic_link *l); /* a request (not: a DELETE) waits for its answer */
size_t ic_link_backlog(const struct ic_link *l);
uint32_t ic_link_serial(const struct ic_link *l);
uint64_t ic_link_op_sent(const struct ic_link *l);
uint64_t ic_link_op_done(const struct ic_link *l);
/* Adds the bytes sent and received since the last call. */
void ic_link_take_traffic(struct ic_link *l, uint64_t *sent, uint64_t *received);
uint64_t
ic_link_heard_ms(const struct ic_link *l); /* when bytes came last, or are held here: now */
/* How long the node took for its last answer, from when it was that one's turn: what it answered
 * before does not count. */
uint64_t ic_link_answer_ms(const struct ic_link *l);
uint64_t ic_link_due_ms(const struct ic_link *l); /* so far, of the one that is due; 0: none is */

#endif
