/*
 * store_internal.h - what the store's files share:
 *
 *   store.c         life, drafts, chunks, pins       store_commit.c  changes, undo, the turn's end
 *   store_claim.c   room for what comes of a draft
 *   store_keys.c    finding, expiry, eviction        store_list.c    listed instances
 *   store_watch.c   WATCH                            store_load.c    the journal at start
 *   store_rebuild.c the functions' lists at start    store_repair.c  sweeps, repairs
 *   store_copy.c    a second instance's copies
 *   store_handover.c  chunks of dying instances
 *
 * An undo record pins the objects it speaks of, so that neither eviction nor a purge takes away
 * within the turn what the undo would need.
 */
#ifndef IC_PROXY_STORE_INTERNAL_H
#define IC_PROXY_STORE_INTERNAL_H

#include "base/buf.h"
#include "base/config.h"
#include "core/code_table.h"
#include "core/placement.h"
#include "core/pool.h"
#include "core/rebuild.h"
#include "proxy/journal.h"
#include "proxy/store.h"

enum {
    IC_STORE_ID_COUNTER_BITS = 40, /* object id = epoch (24 bits) | counter (40 bits) */
    IC_STORE_EXPIRE_SLICE = 200,   /* keys removed by one tick */
    IC_STORE_REAP_SLICE = 500,     /* keys of flushed sets taken apart by one tick */
    IC_STORE_SETTLE_SLICE = 2048,  /* buckets of the keys' table moved by one tick */
    IC_STORE_LEAVE_SLICE = 500,    /* keys of evicted and lost objects removed by one tick */
    IC_STORE_NAMES_LOOKED = 1000,  /* keys of one object looked at for what any of them may say */
    IC_STORE_SWEEP_SLICE = 2000,   /* buckets of objects looked at by one tick, and */
    IC_STORE_LIST_SLICE = 2000,    /* for what lists lacked */
    IC_STORE_CHANGE_SLICE = 2000,  /* objects that one tick carries into another eviction policy */
    IC_STORE_LITTLE_PART = 16,     /* a value is little if it takes at most such a part */
    IC_STORE_EVICT_SLICE = 250, /* objects evicted for drafts, or by one tick: up to 30 us each */
    IC_STORE_CLAIM_SLICE = 4 << 20, /* bytes of values: each takes a third of a ns to encode */
    IC_STORE_REACH_MAX = 4096,      /* pinned ones that an eviction may look at: some 0.4 us each */
    IC_STORE_PROBE_MS = 1000,       /* how often a failed journal is tried */
    IC_STORE_REBUILD_SLICE = 500,   /* versions of one step of a rebuild, one journal transaction */
    IC_STORE_KEY_UNIT_BYTES = 256,  /* of a key in a list that are a unit of work, as a chunk is */
    IC_STORE_SAVE_UNITS = 4,        /* units: an object's places go to the journal */
};

enum ic_undo_kind {
    IC_UNDO_ADDED,
    IC_UNDO_REMOVED,
    IC_UNDO_EXPIRY,
    IC_UNDO_FLUSHED,
    IC_UNDO_REPAIRED,
};

struct ic_undo {
    enum ic_undo_kind kind;
    bool was_draft;           /* ADDED: the object was a draft before */
    struct ic_entry *entry;   /* NULL: FLUSHED, REPAIRED */
    struct ic_object *object; /* REPAIRED, with `chunks`; else the entry's */
    uint64_t chunks;
    struct ic_retired *flushed; /* FLUSHED: owned */
    int64_t expires_ms;         /* EXPIRY: before */
};

struct ic_waiter { /* of the turn's end */
    void (*done)(void *ctx, int result);
    void *ctx;
};

struct ic_retired { /* a flushed set, being taken apart */
    struct ic_list node;
    struct ic_keys *keys;
};

struct ic_owed { /* a record that left the catalog and must leave the journal */
    uint64_t id;
    bool object;
};

struct ic_store {
    struct ic_store_setup setup;
    struct ic_catalog *catalog;
    struct ic_eviction *eviction;
    struct ic_code_table codes;
    uint64_t next_id;
    struct ic_candidate *candidate; /* one per function; scratch */
    uint64_t *evictable; /* bytes per function that eviction could free, sooner or later */
    uint64_t *pinned;    /* of these: not before the last pin of their objects goes */
    uint64_t *waited;    /* of DEAD objects that only replies show: if there is no room otherwise */
    uint64_t *uncopied;  /* of these: on one instance only */
    uint64_t copies;     /* chunks on two instances */
    uint32_t unjournalled; /* copies whose record has not been committed */
    struct ic_list drafts; /* of struct ic_object */
    struct ic_map watches; /* of struct ic_watch, leaders */
    uint64_t flushes;

    /* this turn's, see store_commit.c; arrays in buffers */
    struct ic_buf undo;    /* of struct ic_undo */
    struct ic_buf waiters; /* of struct ic_waiter */
    struct ic_buf ending;  /* the waiters ic_store_turn_end is calling */
    struct ic_buf owed;    /* of struct ic_owed */
    uint32_t made_room;    /* objects that were evicted for drafts, and */
    uint64_t claimed;      /* bytes that came of them */
    bool scheduled;
    bool loading; /* not all entries are there: which one of an object is the last is not known */

    struct ic_list retired;    /* of struct ic_retired */
    uint32_t list_units;       /* of the item that is being listed */
    struct ic_list leaving;    /* of struct ic_object, see store_keys.c; the evicted come first */
    struct ic_list waited_for; /* of struct ic_object: DEAD, only replies show them, oldest first */
    uint64_t waited_bytes;     /* of `dead_bytes`, theirs */
    bool end_lists;            /* objects are being looked at for what lists lacked */
    uint64_t end_cursor;
    bool sweep; /* objects are being looked at for what they lack */
    enum ic_degraded sweep_found;
    uint64_t sweep_cursor;
    uint64_t probed_ms;
    uint64_t draft_bytes, dead_bytes, draft_count;
    uint64_t pinned_bytes; /* of COMMITTED objects that are pinned */
    struct ic_store_stats stats;

    struct ic_rebuild *rebuild; /* lists are gathered here; NULL: they are compared */
    int rebuild_result;         /* < 0: a list could not be gathered */
    bool rebuild_settling;      /* too late for further lists */
    struct ic_store_rebuild_stats rebuilt;
};

static inline const struct ic_config *ic_store_config(const struct ic_store *s)
{
    return s->setup.config;
}

/* Keys of the current set show O, which has some: all of an object's keys are in the same set. */
static inline bool ic_store_is_current(const struct ic_store *s, const struct ic_object *o)
{
    return o->names > 0 &&
           ic_catalog_current(s->catalog, IC_CONTAINER(o->entries.next, struct ic_entry, sibling));
}

/* ---- store.c ---------------------------------------------------------------- */

uint64_t ic_store_next_id(struct ic_store *s);
/* The only function that changes a place. Keeps `evictable`, `pinned`, `uncopied` and `copies`
 * right. */
void ic_store_put_place(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                        struct ic_chunk_place place);
/* The same with a single instance, or none. */
void ic_store_set_place(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                        enum ic_chunk_state state, uint32_t serial);
/* The chunk's bytes are given back, in whatever state they are; it is LOST, uncounted. */
void ic_store_give_up(struct ic_store *s, struct ic_object *o, uint16_t chunk);
/* A draft's or a repair's chunk gets FUNCTION: WRITING, planned. */
void ic_store_plan_place(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                         uint16_t function);
/* Fills s->candidate. */
void ic_store_fill_candidates(struct ic_store *s);
/* Attach and detach, with the eviction policy and the figures. IC_ENOMEM: unchanged. */
int ic_store_attach(struct ic_store *s, struct ic_entry *e, struct ic_object *o) IC_MUST_USE;
void ic_store_detach(struct ic_store *s, struct ic_entry *e);
/* A COMMITTED object without pins, which the eviction policy has let go: its chunks are condemned,
 * it is evicted; its keys are leaving. */
void ic_store_empty(struct ic_store *s, struct ic_object *o);
/* A DEAD object without pins, or a draft: its chunks are condemned, it is freed. */
void ic_store_bury(struct ic_store *s, struct ic_object *o);
/* What only replies show, the oldest first, is given up if there is no room. False: there is none.
 */
bool ic_store_give_up_waited(struct ic_store *s);
/* Buries O if it is DEAD and not pinned; or, if replies show it, it waits for them. */
void ic_store_bury_if_dead(struct ic_store *s, struct ic_object *o);

/* `catalog-memory` is passed. */
bool ic_store_catalog_is_full(const struct ic_store *s);
/* `maxmemory` and `catalog-memory` with MORE bytes of drafts: 0 within them, IC_EBUSY something
 * must go, IC_ENOSPC nothing that can go would do. */
int ic_store_check_limits(const struct ic_store *s, uint64_t more);

/* ---- store_load.c ----------------------------------------------------------- */

/* The object of RECORD as a draft, places LOST. NULL: out of memory. */
struct ic_object *ic_store_restore_draft(struct ic_store *s,
                                         const struct ic_journal_object *record);

/* ---- store_rebuild.c -------------------------------------------------------- */

/* An item of a list, while s->rebuild is there. */
void ic_store_rebuild_item(struct ic_store *s, uint16_t function, uint32_t serial,
                           const struct ic_item *item);

/* ---- store_copy.c ----------------------------------------------------------- */

/* `backup` has the chunk, too. */
static inline bool ic_place_copied(const struct ic_chunk_place *place)
{
    return place->backup != 0 && (place->marks & IC_PLACE_COPYING) == 0;
}

/* The place without SERIAL, one of its instances, whose bytes are accounted for already. */
void ic_store_drop_holder(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t serial);
/* The same for every holder whose memory is gone. */
void ic_store_drop_gone(struct ic_store *s, struct ic_object *o);

/* ---- store_list.c ----------------------------------------------------------- */

/* The marks of PLACE, which takes the place of BEFORE on the same function. */
uint8_t ic_store_marks(const struct ic_store *s, const struct ic_chunk_place *before,
                       const struct ic_chunk_place *place);
/* A slice of the objects, for lists that have ended; true: there is more. */
bool ic_store_end_lists_some(struct ic_store *s);
/* ITEM is of a sealed chunk of O, with the lengths of the catalog. */
bool ic_store_item_right(const struct ic_object *o, const struct ic_item *item);

/* ---- store_commit.c --------------------------------------------------------- */

/* The turn's end must come. */
void ic_store_need_turn_end(struct ic_store *s);
/* Queue the record of an object, an entry. IC_ENOMEM. */
int ic_store_journal_object(struct ic_store *s, const struct ic_object *o) IC_MUST_USE;
/* O's record as it is when it has been evicted. */
int ic_store_journal_evicted(struct ic_store *s, const struct ic_object *o) IC_MUST_USE;
int ic_store_journal_entry(struct ic_store *s, const struct ic_entry *e) IC_MUST_USE;
/* E is gone from its set, undoably and journalled. IC_ENOMEM: unchanged. */
int ic_store_remove_entry(struct ic_store *s, struct ic_entry *e) IC_MUST_USE;
/* After loading: takes the objects that only removed entries showed out of the journal. IC_ENOMEM.
 */
int ic_store_delete_hidden(struct ic_store *s) IC_MUST_USE;
/* Tries to bring the journal up to date after it failed. */
void ic_store_probe(struct ic_store *s, uint64_t now_ms);

/* Pins the object an undo record speaks of, and keeps the record; room was reserved. */
void ic_store_remember(struct ic_store *s, struct ic_undo undo);
/* DONE will be called at the turn's end, which must come; room was reserved in s->waiters. */
void ic_store_await(struct ic_store *s, void (*done)(void *ctx, int result), void *ctx);

/* ---- store_repair.c --------------------------------------------------------- */

/* O may lack chunks: if so, tells. */
void ic_store_tell_degraded(struct ic_store *s, struct ic_object *o, enum ic_degraded found);
/* A slice of the sweep; true: there is more. */
bool ic_store_sweep_some(struct ic_store *s);

/* ---- store_keys.c ----------------------------------------------------------- */

/* O has been evicted, or too many of its chunks are lost: its keys show nothing. */
bool ic_store_unreadable(const struct ic_store *s, const struct ic_object *o);
/* Every key of such an object goes: one at once, of more all by and by. */
void ic_store_purge(struct ic_store *s, struct ic_object *o);
/* E, which shows such an object, goes at once, the others by and by. False: it stays, because the
 * journal is failed or out of memory. */
bool ic_store_remove_unreadable(struct ic_store *s, struct ic_entry *e);

/* `maxmemory` or `catalog-memory` is passed: a slice of what must go. True: there is more. */
bool ic_store_evict_some(struct ic_store *s);
/* What was flushed goes first, a key of it; else evicts one object: false if none can be. */
bool ic_store_evict_one(struct ic_store *s);
/* One thing less for the limits: a key that is leaving if the catalog is full, else an object.
 * False: there is none. */
bool ic_store_relieve(struct ic_store *s);

/* ---- store_watch.c ---------------------------------------------------------- */

void ic_store_watch_init(struct ic_store *s, uint64_t seed);
void ic_store_touched(struct ic_store *s, struct ic_slice key); /* after the change */
void ic_store_touched_all(struct ic_store *s);                  /* by a flush */

#endif
