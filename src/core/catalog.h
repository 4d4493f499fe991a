/*
 * catalog.h - which object lies where: keys, the stored versions they show, and the
 * places of each version's chunks. Pure: no I/O, no clock, no bytes of any value.
 *
 *   key "a" ---- entry --.
 *                         >-- object (one stored version): place[0..d+p-1] -> function, instance,
 *   key "b" ---- entry --'   (b is a COPY of a)                                 second instance
 *
 *                ic_catalog_attach             last entry detached
 *      DRAFT ------------------------> COMMITTED <---------------> DEAD --last use--> freed
 *        '------- dropped by its owner -------------------------->    (attached again: an undo)
 *
 * An entry belongs to a set of keys (struct ic_keys). FLUSH swaps the set for an empty one
 * and takes the old one apart in slices; objects stay in one table, by id.
 */
#ifndef IC_CORE_CATALOG_H
#define IC_CORE_CATALOG_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "core/eviction.h"

#include <assert.h>
#include <stddef.h>

enum ic_object_state { IC_OBJECT_DRAFT, IC_OBJECT_COMMITTED, IC_OBJECT_DEAD };

enum ic_chunk_state {
    IC_CHUNK_LOST,    /* not held: never sealed, or found missing */
    IC_CHUNK_WRITING, /* of a draft: planned (instance 0) or in flight (instance set) */
    IC_CHUNK_HELD,    /* sealed; counts as there while the pool holds that instance */
};

enum {                             /* marks of a place */
       IC_PLACE_LISTED = 1,        /* the round in which `instance` was known to have it, see */
       IC_PLACE_BACKUP_LISTED = 2, /* store_list.c; and `backup` */
       IC_PLACE_COPYING = 4,       /* `backup` is being written: it does not count yet */
};

/* In place of a function, of a LOST chunk: it was on one that the pool has not any more, or it is
 * not known where it is. */
enum { IC_FUNCTION_NONE = UINT16_MAX };
enum { IC_KEYS_LOOKED = 1000 }; /* buckets that one search for an entry looks at */

/* A sealed chunk may lie on two instances of its function, which differ in nothing: `instance` is
 * the one that had it first of those that are left. */
struct ic_chunk_place {
    uint32_t instance; /* serial, 0: none yet */
    uint32_t backup;   /* serial, 0: none; only of a HELD chunk */
    uint16_t function; /* or IC_FUNCTION_NONE */
    uint8_t state;     /* enum ic_chunk_state */
    uint8_t marks;     /* IC_PLACE_... */
};

/* What a draft has taken so far, of what others had. */
struct ic_draft_account {
    uint64_t bytes;         /* of the value, that room was made for */
    uint64_t evicted_bytes; /* of the objects that were evicted for them */
    uint32_t evicted_keys;
};
static_assert(offsetof(struct ic_eviction_node, inside) >= sizeof(struct ic_draft_account),
              "a draft's account leaves `inside` alone");

/* One stored version. Fields are for reading; the catalog and the store write them. */
struct ic_object {
    struct ic_map_node id_node;
    struct ic_list entries; /* of struct ic_entry: the keys that show it */
    struct ic_list node;    /* the store's: drafts, or objects whose keys go by and by */
    union {
        struct ic_eviction_node policy; /* in the eviction policy while COMMITTED */
        struct ic_draft_account draft;  /* of a DRAFT, which is in none */
    };
    uint64_t id;      /* epoch (24 bits) | counter (40 bits) */
    uint64_t version; /* orders the versions of a key; goes into the seals */
    uint64_t size;
    uint64_t chunk_length;
    /* ic_chunk_cost of each chunk, the sealed key included; of a draft: of what came of it so far
     */
    uint64_t chunk_cost;
    uint32_t unit;
    uint32_t key_len;       /* of the key in its seals */
    uint32_t pins;          /* its chunks stay */
    uint32_t replies;       /* parts of replies that show it: it stays, its chunks may go; */
    uint32_t senders;       /* of them those that are being sent: of the pins */
    uint16_t data, parity;  /* d, p */
    uint8_t state;          /* enum ic_object_state */
    uint8_t moving;         /* chunks WRITING whose bytes the proxy holds meanwhile: not lost */
    uint8_t counted;        /* the store's: its chunks are in the figures of what may be evicted */
    uint8_t evicted : 1;    /* ic_catalog_evict, or */
    uint8_t given_up : 1;   /* ic_catalog_give_up: it is empty */
    uint8_t waited_for : 1; /* the store's: DEAD, in the list of what only replies show */
    uint32_t names;         /* keys that show it */
    struct ic_chunk_place place[]; /* data + parity */
};

static inline size_t ic_object_chunks(const struct ic_object *o)
{
    return (size_t)o->data + o->parity;
}

/* What objects take of the pool, in its two measures. */
struct ic_pool_use {
    uint64_t values; /* bytes of values, as `maxmemory` counts them */
    uint64_t chunks; /* bytes on the functions: ic_chunk_cost of each chunk */
};

/* Of a draft, what came of it so far. */
static inline struct ic_pool_use ic_object_use(const struct ic_object *o)
{
    return (struct ic_pool_use){
        .values = o->state == IC_OBJECT_DRAFT ? o->draft.bytes : o->size,
        .chunks = o->chunk_cost * ic_object_chunks(o),
    };
}

static inline void ic_pool_use_add(struct ic_pool_use *sum, struct ic_pool_use more)
{
    sum->values += more.values;
    sum->chunks += more.chunks;
}

static inline void ic_pool_use_subtract(struct ic_pool_use *sum, struct ic_pool_use less)
{
    assert(sum->values >= less.values && sum->chunks >= less.chunks);
    sum->values -= less.values;
    sum->chunks -= less.chunks;
}

/* One key. */
struct ic_entry {
    struct ic_map_node map_node;
    struct ic_list sibling; /* in object->entries */
    struct ic_keys *keys;   /* the set it is in; NULL: detached */
    struct ic_object *object;
    uint64_t id;                /* names it in the journal */
    int64_t expires_ms;         /* wall time; 0: never */
    int64_t accessed_ms;        /* wall time */
    struct ic_heap_node expiry; /* in its set's heap if it expires */
    uint32_t key_len;
    uint8_t key[];
};

static inline struct ic_slice ic_entry_key(const struct ic_entry *e)
{
    return ic_slice(e->key, e->key_len);
}

struct ic_keys;
struct ic_catalog;

/* SEED: random, see ic_map_init. NULL: out of memory. */
struct ic_catalog *ic_catalog_new(uint64_t seed);
void ic_catalog_free(struct ic_catalog *c); /* and every object and entry in it; NULL is fine */

/* ---- objects ---------------------------------------------------------------- */

/* A DRAFT with every place LOST, in the table by ID, which must be new. NULL: out of memory. */
struct ic_object *ic_catalog_object_new(struct ic_catalog *c, uint64_t id, uint16_t data,
                                        uint16_t parity);
/* Takes it out of the table and frees it: no entry shows it, no pins, no replies. */
void ic_catalog_object_free(struct ic_catalog *c, struct ic_object *object);
struct ic_object *ic_catalog_object(const struct ic_catalog *c, uint64_t id); /* NULL: none */
uint64_t ic_catalog_object_count(const struct ic_catalog *c); /* drafts and dead ones included */
/* As ic_map_scan, over all objects. */
uint64_t ic_catalog_object_scan(const struct ic_catalog *c, uint64_t cursor,
                                void (*visit)(struct ic_object *object, void *ctx), void *ctx);
/* VISIT may change the object's places, nothing else. */
void ic_catalog_object_each(struct ic_catalog *c,
                            void (*visit)(struct ic_object *object, void *ctx), void *ctx);

/* ---- entries ---------------------------------------------------------------- */

/* A detached entry; NULL: out of memory. */
struct ic_entry *ic_catalog_entry_new(struct ic_catalog *c, struct ic_slice key, uint64_t id,
                                      int64_t expires_ms);
void ic_catalog_entry_free(struct ic_catalog *c, struct ic_entry *e); /* must be detached */

/*
 * E shows OBJECT from now on (DRAFT or DEAD becomes COMMITTED), under a key that is not in the
 * current set. IC_ENOMEM: unchanged; cannot happen to an entry that was attached before.
 */
int ic_catalog_attach(struct ic_catalog *c, struct ic_entry *e,
                      struct ic_object *object) IC_MUST_USE;
/* OBJECT, COMMITTED, is nothing any more, though the entries that show it are still there: it has
 * no bytes, and its chunks are on no function. */
void ic_catalog_evict(struct ic_catalog *c, struct ic_object *object);
/* The same of a DEAD one. */
void ic_catalog_give_up(struct ic_catalog *c, struct ic_object *object);
/* A DEAD object that no entry shows is a DRAFT again: its commit was taken back. */
void ic_catalog_redraft(struct ic_catalog *c, struct ic_object *object);
/* E leaves its set, keeps ->object; the object becomes DEAD when no other entry shows it. */
void ic_catalog_detach(struct ic_catalog *c, struct ic_entry *e);
bool ic_catalog_current(const struct ic_catalog *c,
                        const struct ic_entry *e); /* in the current set */
/* Stays the same for as long as C is there. */
uint64_t ic_catalog_hash(const struct ic_catalog *c, struct ic_slice key);
/* NULL: no such key in the current set. Expired entries are found. */
struct ic_entry *ic_catalog_find(const struct ic_catalog *c, struct ic_slice key);
/* IC_ENOMEM: unchanged; cannot happen if E had an expiry at any time before. */
int ic_catalog_expire(struct ic_catalog *c, struct ic_entry *e, int64_t expires_ms) IC_MUST_USE;
/* The entry that expires first, or NULL. */
struct ic_entry *ic_catalog_first_to_expire(const struct ic_catalog *c);

uint64_t ic_catalog_count(const struct ic_catalog *c);          /* keys */
uint64_t ic_catalog_count_expiring(const struct ic_catalog *c); /* keys with an expiry */
int64_t ic_catalog_mean_expiry_ms(const struct ic_catalog *c);  /* of theirs; 0: there are none */
uint64_t ic_catalog_bytes(const struct ic_catalog *c);  /* sizes of COMMITTED objects, each once */
uint64_t ic_catalog_memory(const struct ic_catalog *c); /* the proxy's memory that all this takes */
uint64_t ic_catalog_entry_memory(const struct ic_entry *e); /* its own and its object's */
uint64_t ic_catalog_object_memory(const struct ic_object *o);
/* As ic_map_scan, over the current set. */
uint64_t ic_catalog_scan(const struct ic_catalog *c, uint64_t cursor,
                         void (*visit)(struct ic_entry *e, void *ctx), void *ctx);
/* Between begin and end, which may be nested, no scan is shown an entry twice. */
void ic_catalog_walk_begin(struct ic_catalog *c);
void ic_catalog_walk_end(struct ic_catalog *c);
/* As ic_map_settle: after walks, during which many entries went, the table is too large. */
bool ic_catalog_settle(struct ic_catalog *c, size_t most);
/* NULL: empty. *LOOKED as in ic_map_pick. */
struct ic_entry *ic_catalog_random(const struct ic_catalog *c, uint64_t random, uint64_t *looked);

/* ---- flush ------------------------------------------------------------------ */

/* The current set is empty from now on. Returns the old one, which the caller either puts back or
 * takes apart. NULL: out of memory, unchanged. */
struct ic_keys *ic_catalog_swap(struct ic_catalog *c);
/* Undoes the swap: the current set (which must be empty) is freed, KEYS takes its place. */
void ic_catalog_unswap(struct ic_catalog *c, struct ic_keys *keys);
/* Some entry of a swapped-out set; the caller detaches it. NULL: there is none, or none among the
 * next IC_KEYS_LOOKED buckets: call it again. */
struct ic_entry *ic_keys_any(struct ic_keys *keys);
bool ic_keys_empty(const struct ic_keys *keys);
void ic_catalog_keys_free(struct ic_catalog *c, struct ic_keys *keys); /* must be empty */

#endif
