/*
 * chunks.h - the chunks of one instance: bytes, unit CRCs, seals, within the memory the function
 * has. Knows the operations' order and the epochs; no sockets, no clock.
 *
 *   (none) --open--> OPEN --grow--written--> ... --seal--> SEALED
 *      ^               |                                  |
 *      '---------------+--------- drop, delete -----------'
 *         a new epoch drops what is open
 *
 * An open chunk has memory, and is charged, for what is written of it (ic_chunk_grown), whatever
 * length was announced.
 *
 * The memory: MemorySize less a reserve for the program itself is the capacity, which chunks are
 * charged against by ic_chunk_cost. Bytes lie in the arena (arena.h), structs with short keys and
 * few CRCs in a dense array (slots.h), the rest on the heap. What all three keep resident stays
 * below a limit of its own, whatever sizes come and go: unused pages are given back first, and a
 * chunk is refused if that is not enough.
 */
#ifndef IC_NODE_CHUNKS_H
#define IC_NODE_CHUNKS_H

#include "base/list.h"
#include "base/map.h"
#include "node/arena.h"
#include "proto/frame.h"
#include "proto/link_body.h"

#include <sys/uio.h>

enum {
    IC_CHUNK_CRCS_INSIDE = 8, /* bytes: two units */
    IC_CHUNK_KEY_INSIDE = 48,
};

/*
 * Fields are for reading. A chunk may move in memory whenever another is dropped, but not
 * while it has readers: find it again by its name.
 */
struct ic_chunk {
    union {
        struct ic_map_node node;
        struct ic_list hole; /* of a slot that is not used */
    };
    struct ic_chunk_name {
        uint64_t object_id;
        uint64_t chunk; /* a u16, widened: no padding in a hashed key */
    } name;
    uint64_t length, written;
    uint32_t unit;
    uint32_t readers; /* replies that still point into its memory; > 0: must not be dropped */
    uint64_t object_size, version;
    int64_t expires_ms;
    uint32_t key_len;
    uint16_t data, parity;
    bool sealed, is_hole;
    uint32_t steps; /* of IC_CHUNK_STEP_BYTES that it has memory for */
    struct ic_extents extents;
    /* Private: inside if all will fit, else on the heap. CRCs are 4 bytes per unit, as they came.
     */
    union {
        uint8_t crcs_inside[IC_CHUNK_CRCS_INSIDE];
        uint8_t *crcs;
    };
    union {
        uint8_t key_inside[IC_CHUNK_KEY_INSIDE];
        uint8_t *key;
    };
};

/* Bytes it has memory for, from its beginning; sealed: all. */
static inline uint64_t ic_chunk_reserved(const struct ic_chunk *chunk)
{
    uint64_t bytes = (uint64_t)chunk->steps * IC_CHUNK_STEP_BYTES;
    return bytes < chunk->length ? bytes : chunk->length;
}

struct ic_chunks;

/* MEMORY_BYTES: of the function. NULL: less than IC_NODE_MEMORY_MIN, or out of memory. */
struct ic_chunks *ic_chunks_new(uint64_t memory_bytes,
                                const uint8_t instance[IC_INSTANCE_ID_BYTES]);
void ic_chunks_free(struct ic_chunks *c); /* no chunk may have readers; NULL is fine */

uint64_t ic_chunks_capacity(const struct ic_chunks *c);
uint64_t ic_chunks_held(const struct ic_chunks *c); /* sum of ic_chunk_cost */
uint64_t ic_chunks_count(const struct ic_chunks *c);
uint64_t ic_chunks_position(const struct ic_chunks *c); /* the last operation settled; 0: none */
uint32_t ic_chunks_epoch(const struct ic_chunks *c);    /* the highest seen; 0: none */
const uint8_t *ic_chunks_instance(const struct ic_chunks *c);
/* What the last MARK said: when these chunks were last a whole copy of a sibling's, or 0. The
 * proxy's word, kept and returned. */
uint64_t ic_chunks_mark(const struct ic_chunks *c);
void ic_chunks_set_mark(struct ic_chunks *c, uint64_t mark);

/* A proxy of EPOCH is there. IC_ESTALE: a higher one has been seen, ignore it. A higher one than
 * seen so far drops every chunk that is not sealed. */
int ic_chunks_enter_epoch(struct ic_chunks *c, uint32_t epoch) IC_MUST_USE;

/*
 * Operations are numbered 1, 2, ... per instance. An operation that is NEXT is carried out and,
 * whether it succeeded or was refused, settled; one settled before is answered from what is there
 * now.
 */
enum ic_op_order { IC_OP_NEXT, IC_OP_SETTLED, IC_OP_GAP };
enum ic_op_order ic_chunks_op_order(const struct ic_chunks *c, uint64_t op);
void ic_chunks_op_settle(struct ic_chunks *c, uint64_t op); /* OP is NEXT */

struct ic_chunk *ic_chunks_find(const struct ic_chunks *c, uint64_t object_id, uint16_t chunk);

/* The functions below return IC_STATUS_OK or why they refuse. */

/* A chunk that will have LENGTH > 0 bytes, none of them written, and no memory yet; an open one of
 * that name is dropped first. NOSPACE: also, more than the capacity; SEALED: one of that name is
 * sealed. */
enum ic_frame_status ic_chunks_open(struct ic_chunks *c, uint64_t object_id, uint16_t chunk,
                                    uint64_t length, uint32_t unit, struct ic_chunk **out);
/* CHUNK, which is open, gets memory for its first BYTES (<= length). NOSPACE: it may
 * have some of it. */
enum ic_frame_status ic_chunks_grow(struct ic_chunks *c, struct ic_chunk *chunk, uint64_t bytes);

/* May LEN bytes be written at OFFSET? SEALED, HOLE (not where the chunk's written part ends), RANGE
 * (not whole units, or beyond the end). */
enum ic_frame_status ic_chunk_check_write(const struct ic_chunk *chunk, uint64_t offset,
                                          uint64_t len);
/* The next LEN bytes and their CRCs are in place. */
void ic_chunk_written(struct ic_chunk *chunk, uint64_t len);

/* May LEN bytes be read at OFFSET? NOENT: CHUNK is NULL or open. RANGE. */
enum ic_frame_status ic_chunk_check_read(const struct ic_chunk *chunk, uint64_t offset,
                                         uint64_t len);

/* The memory of LEN bytes at OFFSET, in at most MAX pieces; returns how many. *COVERED: bytes in
 * them. */
size_t ic_chunk_memory(const struct ic_chunks *c, const struct ic_chunk *chunk, uint64_t offset,
                       uint64_t len, struct iovec *iov, size_t max, uint64_t *covered);
/* The CRCs of the units that cover LEN bytes at OFFSET (a unit's bound). */
struct iovec ic_chunk_crcs(struct ic_chunk *chunk, uint64_t offset, uint64_t len);

/* STALE: for another instance. NOENT: no such chunk. HOLE: not all written, or another length.
 * SEALED: sealed differently before. NOSPACE: for the key. An empty chunk needs no WRITE before. */
enum ic_frame_status ic_chunks_seal(struct ic_chunks *c, uint64_t object_id, uint16_t chunk,
                                    const struct ic_seal *seal);
/* What a SEAL that was settled before is answered. */
enum ic_frame_status ic_chunks_sealed(const struct ic_chunks *c, uint64_t object_id,
                                      uint16_t chunk);

/* Frees at once. CHUNK must have no readers. */
void ic_chunks_drop(struct ic_chunks *c, struct ic_chunk *chunk);

/* For LIST: VISIT for some chunks; returns the next cursor, 0 at the end; start with 0. */
uint64_t ic_chunks_scan(const struct ic_chunks *c, uint64_t cursor,
                        void (*visit)(void *ctx, const struct ic_chunk *chunk), void *ctx);
void ic_chunk_item(const struct ic_chunk *chunk, struct ic_item *out); /* slices into the chunk */

#endif
