/*
 * map.h - hash map of intrusive nodes, chained, a power of two of buckets. Keys live
 * in the owner's struct; the owner hashes (ic_map_hash) and compares. A scan by
 * cursor returns every node that was there throughout, however the table was
 * resized between calls (reverse binary increment, as Redis's dict.c does it).
 *
 * No change takes longer because the table is large: a resize makes an empty table, and each
 * change after it moves a few buckets of the old one, which is empty before the next is due.
 *
 *     old     [moved, empty ....|next ... nodes ...]     inserts: the table
 *     table   [ ......... nodes ......... ]              finds, removes, scans: both
 */
#ifndef IC_BASE_MAP_H
#define IC_BASE_MAP_H

#include "base/error.h"
#include "base/slice.h"

struct ic_map_node {
    struct ic_map_node *next;
    uint64_t hash;
};

struct ic_map {
    struct ic_map_node **bucket; /* NULL until the first insert */
    size_t bucket_count;         /* 0 or a power of two */
    struct ic_map_node **old;    /* what a resize has left to move, or NULL */
    size_t old_count, old_next;  /* its buckets; those before old_next are empty */
    size_t count;                /* of nodes, in both */
    bool keep_size;              /* its owner's: it does not begin to shrink, so that a scan
                                    visits no node twice */
    uint64_t seed;
    bool (*match)(const struct ic_map_node *node, struct ic_slice key);
};

/* SEED: random where keys come from outside, so that nobody can choose collisions. */
void ic_map_init(struct ic_map *map, uint64_t seed,
                 bool (*match)(const struct ic_map_node *node, struct ic_slice key));
void ic_map_deinit(struct ic_map *map); /* the nodes stay their owner's */

/* XXH3-64 of KEY under the map's seed. */
uint64_t ic_map_hash(const struct ic_map *map, struct ic_slice key);
/* NULL: not there. */
struct ic_map_node *ic_map_find(const struct ic_map *map, struct ic_slice key);
/* Adds NODE under KEY, which must not be there yet. IC_ENOMEM: not added. */
int ic_map_insert(struct ic_map *map, struct ic_map_node *node, struct ic_slice key) IC_MUST_USE;
/* NODE must be in the map. Never fails; shrinks the table when it is nearly empty. */
void ic_map_remove(struct ic_map *map, struct ic_map_node *node);
/* What changes would do, without one: moves MOST buckets that a resize has left, and begins to
 * shrink a table that was kept large. True: there are more to be moved. */
bool ic_map_settle(struct ic_map *map, size_t most);
/* Calls VISIT for each node of the bucket at CURSOR (start with 0); returns the next cursor, 0 at
 * the end. VISIT must not change the map. A node is visited twice only if the table began to shrink
 * since the first call. */
uint64_t ic_map_scan(const struct ic_map *map, uint64_t cursor,
                     void (*visit)(struct ic_map_node *node, void *ctx), void *ctx);
/* Calls VISIT for every node; VISIT may free the node it is given, and change nothing else. */
void ic_map_each(struct ic_map *map, void (*visit)(struct ic_map_node *node, void *ctx), void *ctx);
/* Bytes of its tables. */
size_t ic_map_memory(const struct ic_map *map);
/* A node chosen by RANDOM (64 random bits); NULL when empty. Nearly uniform. *LOOKED grows by the
 * buckets looked at, which are many when the table has become sparse. */
struct ic_map_node *ic_map_pick(const struct ic_map *map, uint64_t random, uint64_t *looked);

#endif
