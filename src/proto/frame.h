/*
 * frame.h - frames of the node link: the 48-byte header, its bounds, and a parser that is fed by
 * readv and copies no large body. The bodies are in link_body.h, the rules in
 * doc/node-link.md. No I/O here.
 *
 *     0   magic "IC"    2  version u8   3  type u8   4  flags u8   5  status u8   6  chunk u16
 *     8   request u32  12  length u32 (bytes of body after the header)
 *    16   object id u64                24  op u64
 *    32   offset u64                   40  lease_ms u32            44  CRC-32C of bytes 0..43
 *
 * All little endian. Parser:
 *
 *            48 bytes, valid                    length bytes
 *    HEADER -----------------> BODY ------------------------------> HEADER ...
 *      | not valid              | places given are full: IC_FRAME_WANT
 *      v                        v ask the owner for more
 *    FAILED (stays so)
 */
#ifndef IC_PROTO_FRAME_H
#define IC_PROTO_FRAME_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <sys/uio.h>

enum {
    IC_FRAME_HEADER_BYTES = 48,
    IC_FRAME_VERSION = 1,
    IC_UNIT_BYTES_MIN = 64,          /* a unit is a multiple of this */
    IC_FRAME_DATA_MAX = 1024 * 1024, /* chunk bytes in one WRITE or DATA; also the largest unit */
    IC_FRAME_UNITS_MAX = IC_FRAME_DATA_MAX / IC_UNIT_BYTES_MIN, /* CRCs in one WRITE or DATA */
    IC_WRITE_PREFIX_BYTES = 16,                                 /* of a WRITE with IC_WRITE_FIRST */
    IC_FRAME_BODY_MAX = IC_WRITE_PREFIX_BYTES + 4 * IC_FRAME_UNITS_MAX + IC_FRAME_DATA_MAX,
    IC_FRAME_PLACES_MAX = 24, /* places given to the parser and not yet filled */
    /* Read ahead of what has a place: many small frames in one readv, of a large body the first
     * bytes, which are copied. */
    IC_FRAME_AHEAD_BYTES = 4096,
    /* What a chunk costs a node beyond its bytes, CRCs and key: its struct, its place in the index
     * and the list of its extents. Both sides charge it: see ic_chunk_cost. */
    IC_CHUNK_OVERHEAD_BYTES = 256,
    IC_CHUNK_STEP_BYTES = 64 * 1024, /* memory is given to a chunk in such steps as it is written */
};

enum {
    /* The program, its stacks and buffers: 1.5 MiB at rest, 2.5 MiB while a link is busy. */
    IC_NODE_RESERVE_BYTES = 4 * 1024 * 1024,
    /* And one part in 64 for what the heap wastes, when it wastes. */
    IC_NODE_SLACK_DIVISOR = 64,
    IC_NODE_MEMORY_MIN = 16 * 1024 * 1024,
};

enum ic_frame_type {
    /* proxy -> node */
    IC_FRAME_WELCOME = 1,
    IC_FRAME_READ = 2,
    IC_FRAME_WRITE = 3,
    IC_FRAME_SEAL = 4,
    IC_FRAME_DELETE = 5,
    IC_FRAME_LIST = 6,
    IC_FRAME_BYE_OK = 7,
    IC_FRAME_KEEP = 8,
    IC_FRAME_MARK = 9,
    /* node -> proxy */
    IC_FRAME_HELLO = 65,
    IC_FRAME_DATA = 66,
    IC_FRAME_DONE = 67,
    IC_FRAME_ITEM = 68,
    IC_FRAME_BYE = 69,
    IC_FRAME_ERROR = 70,
    IC_FRAME_OFFER = 71,
};

/* Flags mean something for one type each. */
enum {
    IC_WRITE_FIRST = 1,  /* WRITE: the body starts with chunk length and unit; offset is 0 */
    IC_ITEM_LAST = 1,    /* ITEM: no other follows */
    IC_BYE_DEADLINE = 1, /* BYE: the deadline is near; requests do not keep the node */
};

/* value, name, text, the IC_E... it becomes at the proxy */
#define IC_STATUSES(X)                                                                             \
    X(0, OK, "done", 0)                                                                            \
    X(1, NOSPACE, "no room for the chunk", IC_ENOSPC)                                              \
    X(2, NOENT, "no such chunk, or not sealed, or not written so far", IC_ENOENT)                  \
    X(3, GAP, "an earlier operation is missing", IC_ESTALE)                                        \
    X(4, STALE, "another instance was meant", IC_ESTALE)                                           \
    X(5, HOLE, "offset or length does not continue what is written", IC_ERANGE)                    \
    X(6, RANGE, "offset or length outside the chunk or not on a unit", IC_ERANGE)                  \
    X(7, SEALED, "the chunk is sealed", IC_EEXIST)                                                 \
    X(8, NOMEM, "out of memory for the reply", IC_ENOMEM)

enum ic_frame_status {
#define IC_STATUS_ENUM(value, name, text, error) IC_STATUS_##name = (value),
    IC_STATUSES(IC_STATUS_ENUM)
#undef IC_STATUS_ENUM
};

/* The IC_E... of STATUS: 0 for OK, IC_EPROTO for one not in the table. */
int ic_frame_status_error(uint8_t status);
const char *ic_frame_status_text(uint8_t status); /* static */
const char *ic_frame_type_text(uint8_t type);     /* static; "unknown" */

struct ic_frame { /* a header; fields a type has no use for are 0 */
    uint8_t type; /* enum ic_frame_type */
    uint8_t flags;
    uint8_t status; /* ERROR: enum ic_frame_status */
    uint16_t chunk;
    uint32_t request; /* chosen by who asks, returned by who answers */
    uint32_t length;  /* bytes of body */
    uint64_t object_id;
    uint64_t op;       /* WRITE SEAL DELETE MARK: number of the operation, and in its answer */
    uint64_t offset;   /* READ WRITE DATA: in the chunk. BYE OFFER: ms left to the end. MARK and the
                          last ITEM: the mark */
    uint32_t lease_ms; /* proxy -> node: stay this long after this request */
};

void ic_frame_encode(const struct ic_frame *frame, uint8_t out[IC_FRAME_HEADER_BYTES]);

/* IC_EPROTO: magic, version, CRC or type is wrong, a flag is unknown, or the length is not one that
 * type can have. */
int ic_frame_decode(const uint8_t in[IC_FRAME_HEADER_BYTES], struct ic_frame *out) IC_MUST_USE;

/* The least and the greatest body of TYPE; (1, 0) for an unknown type. */
void ic_frame_body_bounds(uint8_t type, uint32_t *min, uint32_t *max);

/* How many units of UNIT bytes cover LENGTH bytes: as many CRCs go with them. UNIT > 0. */
static inline uint64_t ic_frame_units(uint64_t length, uint32_t unit)
{
    return length / unit + (length % unit != 0);
}

/*
 * What a chunk counts against an instance's capacity, the same on both sides: its bytes, 4 for the
 * CRC of each unit, the key that its SEAL brings, and the fixed part. UNIT may be 0 if LENGTH is.
 * A chunk is charged with key_len 0 from its first WRITE and with its key from its SEAL.
 */
uint64_t ic_chunk_cost(uint64_t length, uint32_t unit, size_t key_len);
/* Bytes of memory a chunk of LENGTH has when its first WRITTEN bytes are there, or on their way:
 * the same on both sides. What is only announced takes none. */
uint64_t ic_chunk_grown(uint64_t written, uint64_t length);
/* The capacity that a node with MEMORY bytes (at least IC_NODE_MEMORY_MIN) reports. */
uint64_t ic_node_capacity(uint64_t memory);

/*
 * The parser. The owner's loop:
 *
 *   room(iov):      return ic_frame_parser_room(p, iov, max);
 *   received(len):  ic_frame_parser_received(p, len);
 *                   while ((event = ic_frame_parser_next(p)) > 0) ...
 *
 *   IC_FRAME_HEADER_READY  p->frame is a new frame. If its length > 0 say where the body goes.
 *   IC_FRAME_WANT    the places given are full and the body goes on: give more places (or none:
 * then room returns 0 until you do, which stops reading; resume the stream then). IC_FRAME_END the
 * body is complete; comes for every frame, also without body. IC_FRAME_MORE    (0) bytes are
 * needed.
 *
 * room offers the last places of a body and room to read ahead together: what comes before it has a
 * place waits there, and is copied when it gets one. So a stream of small frames costs a readv for
 * as many as there are, one of large frames a readv each.
 */
enum ic_frame_event { IC_FRAME_MORE, IC_FRAME_HEADER_READY, IC_FRAME_WANT, IC_FRAME_END };

struct ic_frame_parser {
    struct ic_frame frame; /* the current frame; valid from HEADER_READY to END */
    uint32_t body_left;    /* bytes of the current body not yet received */
    /* private: */
    enum { IC_PARSE_HEADER, IC_PARSE_BODY, IC_PARSE_FAILED } state;
    uint8_t ahead[IC_FRAME_AHEAD_BYTES]; /* bytes not yet looked at: first .. first + have */
    uint32_t ahead_first, ahead_have;
    uint32_t placed; /* bytes of the body that have a place and are not received */
    uint32_t place_first, place_count;
    struct iovec place[IC_FRAME_PLACES_MAX]; /* what is left to fill */
    uint8_t *scratch;                        /* skipping: where unwanted bytes go */
    size_t scratch_size;
    bool announced; /* IC_FRAME_WANT was given since the last place */
};

void ic_frame_parser_init(struct ic_frame_parser *p);
/* Between two frames: no byte of a next one has come. */
bool ic_frame_parser_idle(const struct ic_frame_parser *p);

/* Where the next bytes go: fills at most MAX (>= 2) iovecs, returns how many. 0: give places first,
 * or the parser has failed. */
size_t ic_frame_parser_room(struct ic_frame_parser *p, struct iovec *iov, size_t max);

/* LEN bytes came to where the last ic_frame_parser_room said. Then take every event. */
void ic_frame_parser_received(struct ic_frame_parser *p, size_t len);

/* The next event, or IC_EPROTO (from then on always: close the link). */
int ic_frame_parser_next(struct ic_frame_parser *p) IC_MUST_USE;

/*
 * The next LEN bytes of the current body (not placed yet) go to DATA, which must stay until
 * they have come. IC_ERANGE: that is more than the body has left without a place; IC_ENOSPC: too
 * many places (IC_FRAME_PLACES_MAX) - wait for IC_FRAME_WANT.
 */
int ic_frame_parser_place(struct ic_frame_parser *p, void *data, size_t len) IC_MUST_USE;

/* What is left of the current body is not wanted, also what had a place already: it goes to
 * SCRATCH, over and over (SIZE > 0). */
void ic_frame_parser_skip(struct ic_frame_parser *p, void *scratch, size_t size);

#endif
