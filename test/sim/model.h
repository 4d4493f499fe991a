/*
 * model.h - what the answers may be. Every key is a register: writes of values and of nothing, some
 * of them concurrent, some without an answer. A read is allowed to return what some order of
 * them could show that respects what came before what.
 *
 * Time is the count of events (a request goes out, a reply comes in), which is total. Of a write:
 *
 *   begun ------- settled: by then it has happened or never will      gone: by then it is
 * overwritten
 *
 *   1. W is known to have happened by T: what was settled before W began is gone by T.
 *   2. A read [b, e] shows W: what was settled before b, and is not W, is gone by e.
 *   A read [b, e] may show W if W began before e and was not gone before b.
 *
 * A miss that no write explains is allowed if the value was evicted (then the key stays empty), or
 * if its time has come, or if so many of the functions with its chunks have lost their memory
 * since, or have siblings that answer in their place for a while (and, if it is but one, could not
 * be reached meanwhile), that fewer than d are at hand. After a power failure the keys are what the
 * disk's mark says: what began later never was. When the journal is lost, any version that was ever
 * sealed may be shown; but if one is known to have been stored last, and only values have been
 * written since, it is not a miss before it, or one that came later, can have lost its chunks.
 */
#ifndef IC_SIM_MODEL_H
#define IC_SIM_MODEL_H

#include "base/slice.h"
#include "sim/platform.h"

enum { SIM_KEYS_MAX = 24, SIM_KEY_BYTES = 80 };

#define SIM_NEVER UINT64_MAX

struct sim_write {
    struct sim_write *next; /* older */
    uint32_t key, version;  /* version 0: the key is empty */
    uint64_t size;
    uint64_t begun, happened, settled, gone;
    uint64_t evicted; /* keys that had been evicted when it began */
    /* Chunks of it that each function had when it was answered, usually one at most (a lost one may
     * be found again where another has been put meanwhile); 1 where it is not known. */
    uint8_t chunks_on[SIM_FUNCTIONS_MAX];
    uint32_t spare; /* chunks of these may be lost */
    /* Wall time, milliseconds: it must not be shown after the one, it may be missing after the
     * other; INT64_MAX: never. */
    int64_t must_expire_ms, may_expire_ms;
    bool put_off;  /* its expiry was changed, or may have been */
    int copy_of;   /* the key whose value it shows, as that was between `begun` and `settled`; -1 */
    bool deleted;  /* the journal shows it again, but its chunks may have been deleted */
    bool outdated; /* it may be shown, but only if a later one is lost */
    bool failed;   /* answered with an error: it never happened */
    bool candidate; /* scratch of a check */
};

struct sim_model {
    uint64_t events, checks, hits, misses, excused, errors;
    uint32_t keys, versions;
    int64_t *wall_ms; /* of each event; owned */
    uint64_t wall_capacity;
    int64_t wall_high_ms; /* the clock's highest reading */
    uint64_t stepped;     /* the last event before it was set last */
    uint64_t undone;      /* the last power failure: what was asked before tells nothing any more */
    struct sim_write *write[SIM_KEYS_MAX]; /* newest first */
    bool put_off[SIM_KEYS_MAX];            /* see sim_model_expire_unknown */
    uint32_t expiring[SIM_KEYS_MAX];       /* changes of its expiry that are under way */
};

void sim_model_init(struct sim_model *m, uint32_t keys);
void sim_key_name(uint32_t key, char out[SIM_KEY_BYTES]);
/* Another key whose name is as long; KEY: there is none. */
uint32_t sim_key_twin(const struct sim_model *m, uint32_t key);
/* -1: none of ours. */
int sim_key_find(const struct sim_model *m, struct ic_slice name);

/* The present, as an event of its own. */
uint64_t sim_model_event(struct sim_model *m);

/* A write goes out; EMPTY: of nothing. */
struct sim_write *sim_model_begin(struct sim_model *m, uint32_t key, bool empty, uint64_t size);
/* A write of what FROM shows. */
struct sim_write *sim_model_begin_copy(struct sim_model *m, uint32_t from, uint32_t key);
/* KEY's expiry is being changed to AT_MS, or to never (INT64_MAX); and that has been answered. */
void sim_model_expire(struct sim_model *m, uint32_t key, int64_t at_ms);
void sim_model_expire_done(struct sim_model *m, uint32_t key, int64_t at_ms);
/* Nobody will say whether it was: it may be at any time while the proxy lives. */
void sim_model_expire_unknown(struct sim_model *m, uint32_t key, int64_t at_ms);
/* The write was answered LIFE_MS after which it must not be shown, unless that was put off. */
void sim_model_expires(struct sim_model *m, struct sim_write *w, int64_t life_ms);
void sim_model_done(struct sim_model *m, struct sim_write *w);   /* answered: it has happened */
void sim_model_failed(struct sim_model *m, struct sim_write *w); /* answered with an error */

/* Answered with an error that does not say whether it has happened: GETDEL deletes, then reads. */
void sim_model_unknown(struct sim_model *m, struct sim_write *w);

/* What a read that began at BEGUN has shown; a violation if that cannot be. */
void sim_model_saw_nothing(struct sim_model *m, uint32_t key, uint64_t begun);
void sim_model_saw_size(struct sim_model *m, uint32_t key, uint64_t begun, uint64_t size);
void sim_model_saw_something(struct sim_model *m, uint32_t key, uint64_t begun);
/* BYTES of a value from FROM on; TO: the offset of the last byte that was asked for, or SIM_NEVER:
 * all of it. */
void sim_model_saw_bytes(struct sim_model *m, uint32_t key, uint64_t begun, struct ic_slice bytes,
                         uint64_t from, uint64_t to);

void sim_model_clock_step(struct sim_model *m); /* the wall clock is about to be set */
void sim_model_proxy_gone(struct sim_model *m); /* what has no answer has happened or never will */
/* What the functions have is believed again: deletes, expiries and names since are unknown. */
void sim_model_journal_lost(struct sim_model *m);
void sim_model_power_failure(struct sim_model *m, uint64_t mark);

#endif
