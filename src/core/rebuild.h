/*
 * rebuild.h - which versions the functions hold, when no journal says so: seals as the
 * instances list them go in, the newest version of each key comes out. Pure: no I/O, no clock.
 *
 *   items, in any order --ic_rebuild_item--> claims, by key: the highest version seen so far
 *       |                                       |
 *       | older, unsealed, impossible,          '--ic_rebuild_next--> oldest version first
 *       | or beyond the memory: unwanted
 *       '--> condemned by the owner
 *
 * A claim is what agreeing seals say of one stored version. The highest version of a key of which
 * any seal is seen wins, however few chunks it has: an older one is never shown. Seals that
 * contradict each other (a damaged or hostile node) are claims of their own: the one with the most
 * chunks wins, on a tie none does.
 *
 * Beyond `memory_max` the oldest version goes, and from then on everything that is not newer than
 * it, so that no older version of its key can take its place.
 */
#ifndef IC_CORE_REBUILD_H
#define IC_CORE_REBUILD_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct ic_item; /* proto/link_body.h */
struct ic_rebuild;

struct ic_rebuild_settings {
    uint64_t seed;       /* random, see ic_map_init */
    uint64_t memory_max; /* bytes, of the claims or of the catalog they become */
    /* Does that instance's memory count as there? */
    bool (*holds)(void *ctx, uint16_t function, uint32_t serial);
    /* This chunk, of COST bytes, is wanted by nobody. */
    void (*unwanted)(void *ctx, uint16_t function, uint32_t serial, uint64_t object_id,
                     uint16_t chunk, uint64_t cost);
    void *ctx;
};

/* NULL: out of memory. */
struct ic_rebuild *ic_rebuild_new(const struct ic_rebuild_settings *settings);
void ic_rebuild_free(struct ic_rebuild *r); /* NULL is fine */

/*
 * Instance SERIAL of FUNCTION lists ITEM; EPOCH is the proxy's, which is above those of everything
 * stored before. The same item again is fine. IC_ENOMEM: the rebuild cannot go on.
 */
int ic_rebuild_item(struct ic_rebuild *r, uint16_t function, uint32_t serial, uint32_t epoch,
                    const struct ic_item *item) IC_MUST_USE;

struct ic_rebuild_place {
    uint32_t serial; /* 0: no instance has listed that chunk */
    uint16_t function;
};

/* One stored version and the only key it is known under: the one it was stored with. */
struct ic_rebuilt {
    struct ic_slice key;
    uint64_t id, version, size, chunk_length, chunk_cost;
    int64_t expires_ms;
    uint32_t unit;
    uint16_t data, parity;
    const struct ic_rebuild_place *place; /* data + parity */
};

/* The next version in rising order; no items after the first call. False: that was all. What OUT
 * points to is valid until the next call. */
bool ic_rebuild_next(struct ic_rebuild *r, struct ic_rebuilt *out) IC_MUST_USE;
/* Every chunk that V has is unwanted: its owner cannot use it. */
void ic_rebuild_refuse(struct ic_rebuild *r, const struct ic_rebuilt *v);

struct ic_rebuild_stats {
    uint64_t claims;     /* now, contradictory ones included */
    uint64_t memory;     /* bytes */
    uint64_t items;      /* seen */
    uint64_t bytes;      /* of chunks seen (ic_chunk_cost) */
    uint64_t impossible; /* items that no proxy of ours can have stored */
    uint64_t contested;  /* versions given up because their seals contradict each other */
    uint64_t
        dropped; /* versions given up because of memory_max; later items of theirs do not count */
};
struct ic_rebuild_stats ic_rebuild_stats(const struct ic_rebuild *r);

#endif
