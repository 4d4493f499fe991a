/*
 * handover.h - which of the chunks that a dying instance offers are taken over, and in which order.
 * Pure.
 *
 *   offered, the only copy --> urgency 0  without it the object is unreadable   newest first
 *                              urgency 1  without it nothing is to spare        newest first
 *                              urgency 2  the others                            newest first
 *                          --> as many as fit into the bytes allowed
 *
 * What is newest is likeliest to be read again, and has been lost from memory nowhere else yet.
 */
#ifndef IC_CORE_HANDOVER_H
#define IC_CORE_HANDOVER_H

#include <stdint.h>

/*
 * What an instance can hand over: a function's network gives it 75 MB/s (600 Mbit/s), and of the
 * 500 ms from SIGTERM to SIGKILL 50 are its own reserve and some 20 go by until the first READ:
 * 0.43 s * 75 MB/s = 32 MB.
 */
enum { IC_HANDOVER_BYTES_MAX = 32 << 20 };

struct ic_handover_chunk {
    uint64_t object_id;
    uint64_t bytes;
    int32_t spare; /* chunks that may still be lost when this one is: < 0: unreadable without it */
    uint16_t chunk;
};

/*
 * Puts those of CHUNK[0..COUNT) that are taken to the front, in the order in which they are, and
 * returns how many: of the same chunk one, of all together at most MOST bytes; what does not fit
 * is passed over, smaller ones behind it are not. *DISTINCT: how many there were, each once.
 */
uint32_t ic_handover_choose(struct ic_handover_chunk *chunk, uint32_t count, uint64_t most,
                            uint32_t *distinct);

#endif
