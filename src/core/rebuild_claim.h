/*
 * rebuild_claim.h - what the seals of chunks say of one stored version: which instances have its
 * chunks, and under which name it is known. Pure. For core/rebuild.c, which keeps the claims and
 * has them compete.
 *
 * A name is a key and an expiry. A chunk is sealed with that of its time: one that was sealed anew
 * after a RENAME or an EXPIRE, by a repair or a hand-over, differs from the others. So functions
 * vote, each with one name. The one that is said first is believed until the owner has heard all
 * and decides. All keys of a claim are of one length, since the cost of a chunk depends on it.
 */
#ifndef IC_CORE_REBUILD_CLAIM_H
#define IC_CORE_REBUILD_CLAIM_H

#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/slice.h"
#include "core/placement.h"
#include "core/rebuild.h"

struct ic_rebuild_claim_name; /* one that is not believed */
struct ic_item;               /* proto/link_body.h */
struct ic_seal;

/* Fields are for reading, but for the owner's. */
struct ic_rebuild_claim {
    struct ic_list same_id, same_key; /* the owner's, as are the next four */
    struct ic_heap_node rank, dispute;
    struct stored *stored;
    struct shown *shown;
    uint64_t version, size, chunk_length;
    struct ic_slice key; /* that is believed; its bytes are the owner's */
    int64_t expires_ms;  /* of it */
    struct ic_rebuild_claim_name *others;
    uint32_t unit;
    uint16_t data, parity;
    uint16_t seen;      /* chunks that have a place */
    uint16_t functions; /* that have them; */
    uint16_t lone;      /* if that is one: which */
    uint16_t votes;     /* functions that say the key that is believed */
    uint8_t tag;        /* of the name that is believed */
    struct ic_rebuild_place place[];
};

/* ITEM has a seal that a proxy of ours, of an epoch before EPOCH, can have written. */
bool ic_rebuild_claim_is_possible(const struct ic_item *item, uint32_t epoch);

/* What SEAL says, under KEY, which has its bytes; no chunk has a place. NULL: out of memory. */
struct ic_rebuild_claim *ic_rebuild_claim_new(const struct ic_seal *seal, struct ic_slice key);
void ic_rebuild_claim_free(struct ic_rebuild_claim *c);

/* It is of this version, though perhaps under another name. */
bool ic_rebuild_claim_agrees(const struct ic_rebuild_claim *c, const struct ic_seal *seal);
uint32_t ic_rebuild_claim_places_on(const struct ic_rebuild_claim *c, uint16_t function);
/* FUNCTION, and no other, has chunks. */
bool ic_rebuild_claim_is_of(const struct ic_rebuild_claim *c, uint16_t function);
uint64_t ic_rebuild_claim_chunk_cost(const struct ic_rebuild_claim *c);
/* Bytes, of the claim and its names. */
uint64_t ic_rebuild_claim_memory(const struct ic_rebuild_claim *c);

static inline size_t ic_rebuild_claim_chunks(const struct ic_rebuild_claim *c)
{
    return (size_t)c->data + c->parity;
}

/* Instance SERIAL of FUNCTION has CHUNK, which has no place, and says SEAL of it. A function that
 * has other chunks has voted. IC_ENOMEM: unchanged. */
int ic_rebuild_claim_set(struct ic_rebuild_claim *c, uint16_t chunk, uint16_t function,
                         uint32_t serial, const struct ic_seal *seal) IC_MUST_USE;
void ic_rebuild_claim_clear(struct ic_rebuild_claim *c, size_t chunk); /* it has a place */

/* More than one name is said, or was. */
static inline bool ic_rebuild_claim_is_disputed(const struct ic_rebuild_claim *c)
{
    return c->others != NULL;
}

/* One is believed, though perhaps nobody says it; each function may say another one, and one more
 * is being made. */
enum { IC_REBUILD_NAMES_MAX = IC_PLACEMENT_MAX + 2 };

struct ic_rebuild_claim_key {
    struct ic_slice key; /* valid until the claim changes */
    uint32_t votes;      /* functions that say it, with whatever expiry */
};

/* The keys that are said, the most said first, of as many the one that is believed. Returns how
 * many. */
size_t ic_rebuild_claim_keys(const struct ic_rebuild_claim *c,
                             struct ic_rebuild_claim_key out[IC_REBUILD_NAMES_MAX]);
/* KEY, which is said, is believed from now on, its bytes the owner's; and of it the expiry that
 * most say, of as many the latest. */
void ic_rebuild_claim_believe(struct ic_rebuild_claim *c, struct ic_slice key);

#endif
