/*
 * store.h - the objects: binds the catalog, the eviction policy, placement, the pool's
 * accounting and the journal. Everything that changes what a key shows goes through
 * ic_store_commit; everything that changes where chunks lie goes through here as well.
 *
 *   draft --(chunks written)--> sealed ... --commit PUT--> committed --overwritten,
 *     '--drop--> condemned                     |            deleted, expired, evicted--> dead
 *                                              |                                          |
 *                                       journal, at the turn's end           no pin, no reply shows
 * it |                                          | done(result)                          chunks
 * condemned
 *
 * A committed object that lost chunks is repaired in place: lost chunks get new functions and are
 * WRITING again (repair_begin), and are HELD when the journal has their new places (repair_commit).
 *
 * Within a turn later commands see the change at once. If the journal fails at the turn's end, the
 * turn's changes are undone in reverse and each done gets IC_EIO. Chunks of a replaced version are
 * condemned only after the journal has the change.
 */
#ifndef IC_PROXY_STORE_H
#define IC_PROXY_STORE_H

#include "base/error.h"
#include "base/list.h"
#include "base/random.h"
#include "base/slice.h"
#include "core/backup.h"
#include "core/catalog.h"

struct ic_config;
struct ic_item; /* proto/link_body.h: one chunk of a list */
struct ic_journal;
struct ic_pool;
struct ic_store;

enum { IC_STORE_WHY_MAX = 512 }; /* bytes of a reason, the terminating zero included */

/* How it was found that a committed object lacks chunks. */
enum ic_degraded {
    IC_DEGRADED_SWEEP, /* an instance is gone, or a list lacked chunks */
    IC_DEGRADED_WRITE, /* committed before all its chunks were sealed */
    IC_DEGRADED_READ,  /* by a read */
    IC_DEGRADED_ASKED, /* somebody wants it repaired */
};

struct ic_store_setup {
    const struct ic_config *config; /* read each time it is needed */
    struct ic_pool *pool;           /* ic_functions_pool */
    struct ic_journal *journal;
    uint32_t epoch; /* of the journal's meta */
    struct ic_rng *rng;
    /* Something is to be committed: call ic_store_turn_end once, at the end of this turn. */
    void (*schedule)(void *ctx);
    /* Chunks of FUNCTION were condemned (ic_functions_condemned). May be NULL. */
    void (*condemned)(void *ctx, uint16_t function);
    /* O lacks chunks. Changes nothing on this stack. May be NULL. */
    void (*degraded)(void *ctx, struct ic_object *o, enum ic_degraded found);
    void *ctx;
};

/* IC_EINVAL and WHY: the code table is wrong or needs more functions than there are. */
int ic_store_new(const struct ic_store_setup *setup, struct ic_store **out, char *why) IC_MUST_USE;
void ic_store_free(struct ic_store *s); /* NULL is fine; the journal stays its owner's */
/*
 * Fills the catalog from the journal, before ic_functions_start. A place on an instance becomes
 * HELD: presumably there, until the instance is listed; one on a function that the pool has not is
 * LOST. Keys that expired meanwhile are dropped.
 */
int ic_store_load(struct ic_store *s, int64_t wall_ms, char *why) IC_MUST_USE;

/* How the objects are that some key shows, as far as is known; every object is looked at. */
struct ic_store_shape {
    uint64_t whole, degraded, lost; /* all chunks held; enough of them; too few */
};
struct ic_store_shape ic_store_shape(const struct ic_store *s);

/*
 * Instead of ic_store_load, when the journal knows nothing: what instances list is gathered
 * (core/rebuild.h) instead of compared with the catalog, until the last step. IC_ENOMEM.
 */
int ic_store_rebuild_begin(struct ic_store *s) IC_MUST_USE;
/*
 * Every list has come that will: some of what was gathered becomes keys, and is in the journal when
 * this returns. 1: call it again in the next turn; 0: that was all, lists are compared from now on.
 * IC_EIO, IC_ENOMEM: it cannot go on; nothing is lost, a later start can rebuild anew.
 */
int ic_store_rebuild_step(struct ic_store *s, int64_t wall_ms) IC_MUST_USE;
/* 0, or IC_ENOMEM: a list could not be gathered, so the rebuild cannot go on. */
int ic_store_rebuild_result(const struct ic_store *s);

struct ic_store_rebuild_stats {
    uint64_t objects;    /* versions gathered, also several of a key, and not given up since */
    uint64_t bytes;      /* of the chunks gathered, as functions count them */
    uint64_t restored;   /* of the objects: keys now */
    uint64_t unreadable; /* too few chunks are left, and of every older one of that key */
    uint64_t expired;
    uint64_t contested; /* their seals contradict each other */
    uint64_t dropped;   /* beyond catalog-memory */
};
/* Of the rebuild at this start; zeros without one. */
struct ic_store_rebuild_stats ic_store_rebuild_stats(const struct ic_store *s);
/* Objects stored from now on are of EPOCH, if it is above the present one. Their ids begin anywhere
 * in it: another proxy may have taken the same one, and nodes still have its chunks. */
void ic_store_set_epoch(struct ic_store *s, uint32_t epoch);

/* ---- drafts and chunks ------------------------------------------------------ */

/*
 * A draft of SIZE bytes whose seals will carry KEY: code by size, a fresh id, d + p distinct
 * functions; every place is WRITING, instance 0. It is a promise and takes nothing yet: room is
 * made as its bytes come (ic_store_claim), and what is promised to many may exceed what there is.
 * One of more than a sixteenth is not begun where drafts leave no room for it.
 * *OUT belongs to the caller until it is dropped or committed.
 *   IC_ETOOBIG  larger than max-object-size, or a chunk fits no function even when it is empty
 *               (ic_store_too_big_text says which memory would do)
 *   IC_ENOSPC   no room although everything that can be evicted were
 *   IC_EIO      the journal is failed: -MISCONF
 *   IC_ENOMEM
 */
int ic_store_draft(struct ic_store *s, struct ic_slice key, uint64_t size,
                   struct ic_object **out) IC_MUST_USE;
/*
 * So much of the draft has come that each of its chunks will have CHUNK_BYTES: room for them is
 * made, evicting as needed, and the cost planned on their functions (ic_pool_plan), or added to
 * what is in flight there. The first claim may choose other functions; of the later ones each
 * evicts at most what it needs, in whole objects. Nothing was claimed:
 *   IC_EBUSY   as many objects have been evicted as may be in a turn: ask again in a later one
 *   IC_ENOSPC  there is no room, but for what others' drafts have, or what is being read
 */
int ic_store_claim(struct ic_store *s, struct ic_object *draft, uint64_t chunk_bytes) IC_MUST_USE;
/* So much was claimed in this turn, or evicted for it, that what is to come can wait for the next.
 */
bool ic_store_has_claimed_much(const struct ic_store *s);
/* Something has come of drafts other than DRAFT: when they are stored it can be evicted. */
bool ic_store_others_hold_room(const struct ic_store *s, const struct ic_object *draft);
/* Something is being read, copied or repaired, and can be evicted when that is over. */
bool ic_store_is_read(const struct ic_store *s);
/* What a draft of SIZE bytes for KEY will have taken in the end. */
struct ic_pool_use ic_store_use(const struct ic_store *s, struct ic_slice key, uint64_t size);
/* Of that, what it has not claimed. */
struct ic_pool_use ic_store_rest_use(const struct ic_object *draft);
/*
 * Why a value that would take USE finds no room. It needs as many functions as it has chunks: of
 * those that could have the most room, the last is the tightest, and decides.
 */
struct ic_store_lack {
    struct ic_pool_use missing; /* to be given back at least; zeros: there is room */
    uint64_t stuck, capacity;   /* of the tightest: bytes that nothing can evict now, of how many */
    uint64_t stuck_on_all;      /* the same of all functions of the pool */
};
struct ic_store_lack ic_store_lack(const struct ic_store *s, struct ic_pool_use use);
/* The reason of the IC_ETOOBIG of a draft of SIZE bytes, without "ERR ". */
void ic_store_too_big_text(const struct ic_store *s, struct ic_slice key, uint64_t size, char *why,
                           size_t why_size);
/* The draft is about to be sealed: gives it a version above all given so far (ic_object.version).
 */
void ic_store_seal(struct ic_store *s, struct ic_object *draft);
/* Abandoned: what was begun is condemned, what was planned is free again. Not after a commit. */
void ic_store_drop(struct ic_store *s, struct ic_object *draft);
/*
 * Something of the chunk, which is WRITING, can be sent to instance SERIAL of its function. If it
 * is the first, the chunk is on SERIAL from now on, and its cost goes from planned to in flight
 * there: nothing else charges an instance with a chunk that is written, so that what its place says
 * is what was charged. Returns the instance that it is on, which alone may be sent anything of it.
 */
uint32_t ic_store_begin(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                        uint32_t serial) IC_MUST_USE;
/* The chunk is to be written anew: it gets a function other than its own and without a chunk of
 * DRAFT, WRITING and planned there; what may be on the old one is condemned. IC_ENOSPC: none has
 * room, nothing has changed. */
int ic_store_move_draft(struct ic_store *s, struct ic_object *draft, uint16_t chunk) IC_MUST_USE;
/* The chunk, which was begun, is sealed where it is: in flight -> live. */
void ic_store_sealed(struct ic_store *s, struct ic_object *o, uint16_t chunk);
/*
 * A chunk that is being written failed, or a held one was found missing or wrong on SERIAL (wrong
 * CRC, ENOENT, ESTALE): that instance does not hold it any more, and what may be left of it there
 * is condemned. A copy on another instance takes its place. Nothing if SERIAL does not hold it.
 */
void ic_store_lost(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t serial);
/* Where a chunk is, see core/pool.h. */
enum ic_chunk_fate {
    IC_FATE_HELD,        /* sealed, on an instance that answers for its function */
    IC_FATE_UNREACHABLE, /* sealed, but a sibling of its instance answers at present */
    IC_FATE_WRITING,
    IC_FATE_LOST,
};
enum ic_chunk_fate ic_store_fate(const struct ic_store *s, const struct ic_object *o,
                                 uint16_t chunk);
/* The chunk is sealed and the memory of an instance that has it counts as there: held or
 * unreachable. */
bool ic_store_held(const struct ic_store *s, const struct ic_object *o, uint16_t chunk);
/* Chunks held or unreachable, and those that are moving (store_handover.c); what has fewer than
 * o->data is lost. */
uint32_t ic_store_held_count(const struct ic_store *s, const struct ic_object *o);

/* ---- copies on a second instance -------------------------------------------- */

/* The instance to ask for a chunk: of those that have it one that answers for its function at
 * present, else one that is away. 0: none. */
uint32_t ic_store_holder(const struct ic_store *s, const struct ic_object *o, uint16_t chunk);
/* Two instances have it whose memory counts as there. */
bool ic_store_has_copy(const struct ic_store *s, const struct ic_object *o, uint16_t chunk);
/* Of committed objects: bytes (as functions count them) on FUNCTION that only one instance has; */
uint64_t ic_store_uncopied(const struct ic_store *s, uint16_t function);
/* of all that is sealed on it, on one instance or on two, each once; */
uint64_t ic_store_sealed_bytes(const struct ic_store *s, uint16_t function);
/* chunks that two instances have, on all functions. */
uint64_t ic_store_copies(const struct ic_store *s);
/*
 * VISIT for some chunks of FUNCTION, committed and shown, that one of the instances A and B has and
 * the other has not: it lies on FROM. VISIT may begin to copy it. Returns the next cursor, 0 at the
 * end; start with 0.
 */
uint64_t ic_store_scan_uncopied(
    struct ic_store *s, uint16_t function, uint32_t a, uint32_t b, uint64_t cursor,
    void (*visit)(void *ctx, struct ic_object *o, uint16_t chunk, uint32_t from), void *ctx);
/* The chunk is about to be written from FROM, which has it, to TO, which has not: its cost is in
 * flight there, O is pinned. A third instance's copy is condemned. */
void ic_store_copy_begin(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t from,
                         uint32_t to);
/* Ends that: the chunk is SEALED on TO, which is journalled by and by, or what may be there of it
 * is condemned. May free O. */
void ic_store_copy_end(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t to,
                       bool sealed);
/* How FUNCTION is, for core/backup.h. */
struct ic_backup_view ic_store_backup_view(const struct ic_store *s, uint16_t function,
                                           uint64_t now_ms);
/* Copies whose journal record is still to be committed are committed at this turn's end. */
void ic_store_journal_copies(struct ic_store *s);

/* A pinned version's chunks stay although it is dead, and are not evicted. Drafts need no pin. */
void ic_store_pin(struct ic_store *s, struct ic_object *o);
void ic_store_unpin(struct ic_store *s, struct ic_object *o); /* the last one may free O */
/* A part of a reply shows O, which stays, but may be evicted, or given up when it is dead: then it
 * is empty. While the part is being sent O is pinned. */
void ic_store_show(struct ic_object *o);
void ic_store_send(struct ic_store *s, struct ic_object *o);
void ic_store_sent(struct ic_store *s, struct ic_object *o);
void ic_store_show_no_more(struct ic_store *s, struct ic_object *o); /* the last one may free O */

/* ---- repair (store_repair.c) -------------------------------------------------- */

/* All objects are looked at, in ticks to come: what lacks chunks is told as FOUND, what lacks too
 * many is purged. */
void ic_store_sweep(struct ic_store *s, enum ic_degraded found);
/* The same of O alone, at once: its chunks whose memory is gone are LOST; what lacks chunks is told
 * as FOUND, what lacks too many is purged (which frees nothing before the turn's end). */
void ic_store_look(struct ic_store *s, struct ic_object *o, enum ic_degraded found);
/* A read of O has ended. DECODED: it had to rebuild what was not held. */
void ic_store_read_ended(struct ic_store *s, struct ic_object *o, bool decoded);
/* The object of that id if some key shows it, or NULL. */
struct ic_object *ic_store_object(const struct ic_store *s, uint64_t id);
/* Chunks that are neither held nor unreachable nor being written. */
uint32_t ic_store_lost_count(const struct ic_store *s, const struct ic_object *o);
/* Its place in the repair queue (ic_repair_offer). */
uint32_t ic_store_repair_level(const struct ic_store *s, const struct ic_object *o,
                               int64_t wall_ms);
/*
 * A key that O's seals carry or may carry: one that shows it, of the length its chunks were planned
 * with. *EXPIRES_MS: when that one expires. False: it was renamed to a name of another length.
 */
bool ic_store_seal_key(const struct ic_object *o, struct ic_slice *key, int64_t *expires_ms);
/*
 * Begins a repair: pins O and gives lost chunks functions with room that hold no other chunk of it;
 * *CHUNKS are they (at least one), WRITING and planned. On an error nothing has changed:
 *   IC_ENOENT   nothing is lost, or O is on its way out
 *   IC_EUNAVAIL fewer than d chunks are held on instances that answer
 *   IC_ENOSPC   no other function has room
 *   IC_EINVAL   no key for its seals, see ic_store_seal_key
 *   IC_EIO      the journal is failed
 */
int ic_store_repair_begin(struct ic_store *s, struct ic_object *o, uint64_t *chunks) IC_MUST_USE;
/*
 * CHUNKS, WRITING and begun, are sealed: HELD as soon as the journal has their places, at this
 * turn's end; then DONE(ctx, 0). IC_EIO instead, or returned: they are given up. IC_ENOENT: O is on
 * its way out; nothing has changed.
 */
int ic_store_repair_commit(struct ic_store *s, struct ic_object *o, uint64_t chunks,
                           void (*done)(void *ctx, int result), void *ctx) IC_MUST_USE;
/* A chunk that is being repaired failed: it is LOST again, what may be there of it condemned. */
void ic_store_repair_failed(struct ic_store *s, struct ic_object *o, uint16_t chunk);
/* Ends the repair: of CHUNKS what is still WRITING is given up, O is unpinned (and may be freed).
 */
void ic_store_repair_end(struct ic_store *s, struct ic_object *o, uint64_t chunks);

/* ---- handover (store_handover.c) ---------------------------------------------- */

/*
 * The object whose chunk ITEM is, if a key shows it, instance SERIAL of FUNCTION has the chunk and
 * nobody else has, what the item says of it is what the catalog says, and it can be sealed anew
 * (ic_store_seal_key). Else NULL.
 */
struct ic_object *ic_store_last_copy(const struct ic_store *s, uint16_t function, uint32_t serial,
                                     const struct ic_item *item);
/* Chunks of O beyond d that are left when every dying instance is gone; < 0: it is unreadable. */
int ic_store_spare(const struct ic_store *s, const struct ic_object *o);
/*
 * The caller has every byte of the chunk, which instance SERIAL of FUNCTION had: it gets another
 * function without a chunk of O, one that is awake if possible, and is WRITING and planned; O is
 * pinned. The chunk counts as held until the end of the move.
 *   IC_ENOENT  it is not there any more, or O is on its way out
 *   IC_ENOSPC  no function has room; IC_EIO the journal is failed
 */
int ic_store_move_begin(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint16_t function,
                        uint32_t serial) IC_MUST_USE;
/* As ic_store_repair_commit. */
int ic_store_move_commit(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                         void (*done)(void *ctx, int result), void *ctx) IC_MUST_USE;
/* Ends the move, whatever came of it: what is still WRITING is given up, O unpinned (and may be
 * freed). */
void ic_store_move_end(struct ic_store *s, struct ic_object *o, uint16_t chunk);

/* ---- keys ------------------------------------------------------------------- */

/*
 * What KEY shows, or NULL: no such key, expired (it is removed), or fewer than d chunks are held
 * (it is purged). Valid until the end of the turn or the next change. Leaves eviction order,
 * idle time and statistics alone.
 */
struct ic_entry *ic_store_find(struct ic_store *s, struct ic_slice key, int64_t wall_ms);
/* For commands that read the value: find, counted as hit or miss, and as an access. */
struct ic_entry *ic_store_read(struct ic_store *s, struct ic_slice key, int64_t wall_ms);
/* An access without a read (TOUCH, and a write that finds the key). */
void ic_store_touch(struct ic_store *s, struct ic_entry *e, int64_t wall_ms);
uint64_t ic_store_count(const struct ic_store *s); /* DBSIZE */
/* As ic_map_scan; VISIT changes nothing. What is hidden is visited too (ic_store_hidden). */
uint64_t ic_store_scan(const struct ic_store *s, uint64_t cursor,
                       void (*visit)(struct ic_entry *e, void *ctx), void *ctx);
/* Between begin and end, which may be nested, and over many turns, no scan is shown a key twice.
 * One that is there throughout is shown; of others, some. */
void ic_store_walk_begin(struct ic_store *s);
void ic_store_walk_end(struct ic_store *s);
/* One that shows something; NULL: it found none. *LOOKED as in ic_map_pick. */
struct ic_entry *ic_store_random(struct ic_store *s, int64_t wall_ms, uint64_t *looked);
static inline bool ic_store_expired(const struct ic_entry *e, int64_t wall_ms)
{
    return e->expires_ms != 0 && e->expires_ms <= wall_ms;
}
/* Not removed yet: it has expired, or its object was evicted. */
static inline bool ic_store_hidden(const struct ic_entry *e, int64_t wall_ms)
{
    return ic_store_expired(e, wall_ms) || e->object->evicted;
}
uint64_t ic_store_memory_usage(const struct ic_store *s, const struct ic_entry *e); /* MEMORY USAGE:
    the chunks' cost and the catalog's memory */

/* ---- changes ---------------------------------------------------------------- */

enum ic_change_kind {
    IC_CHANGE_PUT,    /* KEY shows DRAFT, which the store takes over, until EXPIRES_MS */
    IC_CHANGE_DELETE, /* KEY is gone; fine if it was not there */
    IC_CHANGE_EXPIRE, /* KEY expires at EXPIRES_MS; 0: never. IC_ENOENT if it is not there */
    IC_CHANGE_RENAME, /* what KEY shows is shown by TO, expiry included; KEY is gone. IC_ENOENT */
    IC_CHANGE_COPY,   /* TO shows the same stored version, same expiry. IC_ENOENT */
    IC_CHANGE_FLUSH,  /* every key is gone */
};

struct ic_change {
    enum ic_change_kind kind;
    struct ic_slice key, to;
    struct ic_object *draft;
    int64_t expires_ms; /* PUT, EXPIRE: wall time; 0: never */
};

/*
 * All of CHANGES or none, in order; the caller has checked conditions (NX, GT ...) in this same
 * turn. PUT replaces, and drops the old expiry. An expiry in the past deletes. On an error (IC_EIO:
 * the journal is failed, IC_ENOMEM, IC_ENOENT) nothing has changed, DONE is not called and the
 * drafts stay the caller's. Otherwise DONE(ctx, 0 or IC_EIO) is called from ic_store_turn_end; with
 * IC_EIO the change is undone and its drafts are dropped. DONE may be NULL.
 */
int ic_store_commit(struct ic_store *s, const struct ic_change *changes, size_t count,
                    int64_t wall_ms, void (*done)(void *ctx, int result), void *ctx) IC_MUST_USE;
/*
 * What is found in the catalog now rests on changes of this turn that are not in the journal yet,
 * and may be undone: 1, and DONE(ctx, result) is called as that of ic_store_commit. 0: it rests on
 * none. IC_ENOMEM.
 */
int ic_store_await_settled(struct ic_store *s, void (*done)(void *ctx, int result),
                           void *ctx) IC_MUST_USE;
/* DONE with this ctx will not be called (its session is gone); the change stays. */
void ic_store_forget(struct ic_store *s, void *ctx);
/* Journals the turn's changes and calls each done. */
void ic_store_turn_end(struct ic_store *s);
/* False: the journal cannot be written; writes are answered with -MISCONF (ic_store_failure). */
bool ic_store_writable(const struct ic_store *s);
const char *ic_store_failure(const struct ic_store *s);

/* CONFIG SET: the directive `appendfsync` holds from now on. True: it waited for the disk. */
bool ic_store_set_appendfsync(struct ic_store *s);

/*
 * Call every 100 ms or so: removes expired keys and those of objects that were evicted or lost,
 * evicts what is beyond `maxmemory`, takes flushed ones apart, shrinks the table of keys, sweeps,
 * carries objects into another eviction policy if `eviction` has changed, each in bounded slices;
 * journal ticks; a failed journal is tried again. Returns true if more is to be done at once: call
 * it again in the next turn.
 */
bool ic_store_tick(struct ic_store *s, uint64_t now_ms, int64_t wall_ms);

/* ---- watching keys ---------------------------------------------------------- */

/* WATCH: embedded in the session's list, KEY is the session's and outlives it. */
struct ic_watch {
    struct ic_map_node group_node; /* of the first watch of a key; private */
    struct ic_list same;           /* the other watches of the key; private */
    struct ic_slice key;
    uint64_t changes;      /* of the first watch: how often its key has changed; private */
    uint64_t seen;         /* changes when it was watched */
    uint64_t flushes;      /* and flushes of everything */
    bool leader;           /* it is the first; private */
    bool removed;          /* of the first: the last change left no such key; private */
    bool expired_at_watch; /* it was expired already then: its removal does not count */
    bool present;          /* there was such a key */
};
/* IC_ENOMEM: not watched. */
int ic_store_watch(struct ic_store *s, struct ic_watch *w, struct ic_slice key,
                   int64_t wall_ms) IC_MUST_USE;
void ic_store_unwatch(struct ic_store *s, struct ic_watch *w);
/* Changed, or expired since (WALL_MS: now). */
bool ic_store_watch_dirty(struct ic_store *s, const struct ic_watch *w, int64_t wall_ms);

/* ---- what the functions say (struct ic_functions_handler) --------------------- */

/*
 * An instance is listed, before anything else is asked of it: what was queued to be deleted on it
 * is forgotten, the list finds it again. Each item: a live chunk of the catalog on that function
 * becomes HELD by SERIAL (a chunk being written is left as it is), anything else is condemned.
 * After the end, in ticks to come, chunks the catalog places on SERIAL that were not listed become
 * LOST.
 */
void ic_store_list_begin(struct ic_store *s, uint16_t function, uint32_t serial);
/* Returns the units of work (turns.h) that it was, besides the one that each item is. */
uint32_t ic_store_list_item(struct ic_store *s, uint16_t function, uint32_t serial,
                            const struct ic_item *item);
void ic_store_list_end(struct ic_store *s, uint16_t function, uint32_t serial);
/* Its memory is gone. Nothing is walked here: places are judged by ic_pool_holds when looked at,
 * and a sweep tells what lacks chunks and purges what became unreadable. */
void ic_store_instance_gone(struct ic_store *s, uint16_t function, uint32_t serial);

/* ---- figures ---------------------------------------------------------------- */

struct ic_store_stats {
    uint64_t hits, misses;     /* keyspace_hits, keyspace_misses */
    uint64_t expired, evicted; /* expired_keys, evicted_keys */
    uint64_t set_aside;        /* victims that could not be evicted, as they were pinned */
    uint64_t purged;           /* keys lost because more than p chunks were */
    uint64_t lost_chunks;      /* of committed objects */
    uint64_t degraded_reads;   /* that had to rebuild what was not held */
    uint64_t drafts;           /* now */
    uint64_t objects;          /* stored versions now, drafts and pinned dead ones included */
    uint64_t bytes;            /* of committed objects, each version once */
    uint64_t draft_bytes;      /* of drafts: what has come of them */
    uint64_t abandoned;        /* drafts that were dropped; */
    uint64_t abandoned_keys;   /* evicted for them */
    uint64_t abandoned_bytes;  /* of these objects */
    uint64_t dead_bytes;       /* of dead versions that are still pinned or being reaped */
    uint64_t catalog_memory;   /* bytes of the proxy's memory */
    uint64_t expiring;         /* keys with an expiry */
    int64_t mean_expiry_ms;    /* of theirs, wall time; 0: there are none */
    uint64_t commits;
    uint64_t journal_syncs; /* times the journal was forced to the disk */
};
struct ic_store_stats ic_store_stats(const struct ic_store *s);
void ic_store_stats_reset(struct ic_store *s); /* CONFIG RESETSTAT */
/* The journal it was given, for its figures. */
const struct ic_journal *ic_store_journal(const struct ic_store *s);

#endif
