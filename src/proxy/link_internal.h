/*
 * link_internal.h - what the link's files share:
 *
 *   link.c    queues, slots, the connection    link_frame.c    a slot's request as a frame
 */
#ifndef IC_PROXY_LINK_INTERNAL_H
#define IC_PROXY_LINK_INTERNAL_H

#include "base/buf.h"
#include "net/net.h"
#include "proto/frame.h"
#include "proto/link_body.h"
#include "proxy/link.h"

enum ic_slot_kind {
    SLOT_READ,
    SLOT_WRITE,
    SLOT_SEAL,
    SLOT_STAT,
    SLOT_MARK,
    SLOT_DELETE,
    SLOT_LIST
};

struct ic_link_slot {
    struct ic_node_request *r; /* NULL: cancelled, or none (DELETE, LIST) */
    uint64_t condemned;        /* bytes that a DELETE is to free; 0: of none of the pool's chunks */
    enum ic_slot_kind kind;
    uint16_t chunk;
    uint32_t request;
    uint32_t units;
    uint32_t bytes; /* of the window; of a READ's answer without its CRCs */
    uint64_t object_id;
    uint64_t offset;
    uint64_t op;
};

struct ic_link {
    struct ic_loop *loop;
    const struct ic_link_handler *handler;
    void *ctx;
    uint8_t *scratch;
    struct ic_stream *stream; /* NULL: detached */
    struct ic_frame_parser parser;
    struct ic_list fast, bulk;
    struct ic_link_slot *slot; /* IC_LINK_SLOTS */
    uint32_t head, count;
    uint32_t next_request;
    uint32_t fast_run;
    uint32_t lease_ms;
    uint64_t stay_until_ms; /* the end of the lease that runs, if nothing is under way */
    uint32_t serial;
    uint8_t id[IC_INSTANCE_ID_LEN];
    uint64_t op_sent, op_done;
    uint64_t sent, received; /* bytes, since they were taken */
    uint64_t in_flight;      /* bytes of the slots */
    uint64_t queued_bytes;   /* of fast and bulk */
    uint32_t asked;          /* slots with a request whose owner waits */
    uint64_t heard_ms;
    uint64_t turn_ms;         /* when the head slot became that, */
    uint64_t answer_ms;       /* and what the last one took */
    struct ic_buf out;        /* a frame being put together */
    struct ic_buf list;       /* body of an ITEM */
    struct {                  /* the one of a list that is complete */
        struct ic_slice rest; /* not taken yet */
        bool last;
        uint64_t mark;
    } items;
    bool holds; /* they wait for ic_link_list_on */
    uint8_t text[IC_ERROR_TEXT_MAX];
    bool receiving; /* the head slot's answer has begun */
    bool draining;
    bool read_only;
    bool deletes_due;             /* DELETEs go out without a WRITE behind them, too */
    struct ic_timer delete_timer; /* until they do */
};

/* ---- link_frame.c ----------------------------------------------------------- */

/* l->out becomes the header of a frame of TYPE for SLOT, with LENGTH bytes of body to follow.
 * IC_ENOMEM. */
int ic_link_put_frame(struct ic_link *l, const struct ic_link_slot *slot, uint8_t type,
                      uint8_t flags, uint32_t length) IC_MUST_USE;
/* l->out becomes the frame of SLOT's request, but for the bytes of a WRITE. IC_ENOMEM. */
int ic_link_encode(struct ic_link *l, const struct ic_link_slot *slot) IC_MUST_USE;

#endif
