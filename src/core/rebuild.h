/*
 * rebuild.h - which versions the functions hold, when no journal says so: seals as the
 * instances list them go in, the newest complete version of each key comes out. Pure: no I/O, no
 * clock.
 *
 *   items, in any order --ic_rebuild_item--> claims, by key and by object id
 *       |                                       |
 *       | unsealed, impossible,                 | the memory is short, or those of
 *       | or beyond the bounds                  | one key are too many
 *       '--> condemned by the owner <-----------'
 *               ^                   ic_rebuild_decide_name: the key of each that has several
 *               |                   ic_rebuild_next: the best claim of each key, oldest version
 *               '------------------ first; the chunks of its other claims are condemned
 *
 * A claim is what agreeing seals say of one stored version: its id, version, size, unit and code,
 * and the length of its key (core/rebuild_claim.h). Its key and its expiry are what most functions
 * say: a chunk that was sealed anew has those of its time. What would not be shown under the key
 * that most say, because that one was set anew, may be under the next one.
 *
 *   vouched for   d functions each have a chunk, and two say the same key of it. (An acknowledged
 *                 version has d + 1 functions if its code has parity.)
 *   complete      d chunks, of which some are on the same function; or d is 1 and one function
 *                 alone speaks of it: shown if nothing is vouched for
 *   incomplete    it was being written, or chunks are lost. The newest is given out if there is
 *                 nothing better, for its owner to count.
 *
 * Of the same rank the newer one is shown. So a version of which too many chunks are lost gives way
 * to an older one that is not deleted yet. What is older than one that is vouched for under the
 * same key is outdated: where memory is short it goes before all others, but no sooner, since most
 * functions may say another key of it.
 *
 * Claims that contradict each other (of one id, or of one version of a key; a damaged or hostile
 * node): the one with the most chunks prevails, on a tie none does. A function may say one thing of
 * an id, and be the only one to speak of ALONE_MAX versions of a key; beyond them, and beyond
 * RIVALS_MAX claims of a key, outdated ones go first, then incomplete ones, then older ones.
 *
 * Codes need not be in the code table, which may have been another one when they were used. What
 * one function can still do by lying: keep its chunks, make up keys, and versions of keys that no
 * two others vouch for; complete a version that was being written and lacks one chunk; name, in
 * place of its own, one chunk that another has, which is then lost as well if it was listed first;
 * decide between two names that as many others say; and fill the memory, so that old versions go.
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
    uint64_t memory_max; /* bytes, of the claims */
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
    uint8_t name; /* core/rebuild_claim.h's, and */
    bool votes;   /* for it, as the first of its function */
};

/* One stored version and the only key it is known under: the one it was stored with, or that it had
 * when most of its chunks were sealed anew. It may be incomplete. */
struct ic_rebuilt {
    struct ic_slice key;
    uint64_t id, version, size, chunk_length, chunk_cost;
    int64_t expires_ms;
    uint32_t unit;
    uint16_t data, parity;
    const struct ic_rebuild_place *place; /* data + parity */
};

/* All items are there. Decides under which name one version is known that has several. 1: there may
 * be more of them; 0: that was all; IC_ENOMEM. */
int ic_rebuild_decide_name(struct ic_rebuild *r) IC_MUST_USE;

/* All names are decided: one version less. */
enum ic_rebuild_next {
    IC_REBUILD_END,    /* there is none */
    IC_REBUILD_HIDDEN, /* another one of its key is shown, or none */
    IC_REBUILD_SHOWN,  /* *OUT: what it points to is valid until the next call; in rising order, but
                          for what was renamed */
};
enum ic_rebuild_next ic_rebuild_next(struct ic_rebuild *r, struct ic_rebuilt *out) IC_MUST_USE;
/* Every chunk that V has is unwanted: its owner cannot use it. */
void ic_rebuild_refuse(struct ic_rebuild *r, const struct ic_rebuilt *v);

struct ic_rebuild_stats {
    uint64_t claims;     /* that have not come out yet, those of one key included */
    uint64_t memory;     /* bytes */
    uint64_t items;      /* seen */
    uint64_t bytes;      /* of chunks seen (ic_chunk_cost) */
    uint64_t impossible; /* items that no proxy of ours can have stored */
    uint64_t contested;  /* versions given up because their seals contradict each other */
    /* versions given up because of memory_max; later items of theirs do not count */
    uint64_t dropped;
};
struct ic_rebuild_stats ic_rebuild_stats(const struct ic_rebuild *r);

#endif
