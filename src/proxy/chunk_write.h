/*
 * chunk_write.h - the requests that write and seal one chunk of an object, filled in for whoever
 * submits them: a put writes the chunks of a draft stripe by stripe, a repair those that a
 * committed object lost.
 *
 *   fill --submit (functions.h)--> done --> fill the next --> ... --> fill the seal
 *
 * Which instance the chunk is on, if on any yet, is what its place says (ic_store_begin).
 */
#ifndef IC_PROXY_CHUNK_WRITE_H
#define IC_PROXY_CHUNK_WRITE_H

#include "proxy/functions.h"

struct ic_layout;

/* What is written, and to where. */
struct ic_chunk_target {
    struct ic_object *object;
    const struct ic_layout *layout;
    uint32_t nodes; /* that its owner waits for at once, see functions.h */
    uint16_t chunk;
    enum ic_cost_cause cause;
};

/*
 * *R becomes the WRITE of BYTES, the chunk's units of whole stripes from STRIPE on, with one of
 * CRCS each; both stay until `done`. OWNER holds BYTES.
 */
void ic_chunk_write_fill(struct ic_node_request *r, const struct ic_chunk_target *t,
                         uint64_t stripe, struct ic_slice bytes, const uint32_t *crcs,
                         struct ic_buf *owner);
/* *R becomes the SEAL with KEY, which stays until `done`. */
void ic_chunk_seal_fill(struct ic_node_request *r, const struct ic_chunk_target *t,
                        struct ic_slice key, int64_t expires_ms);

#endif
