#include "proxy/store_internal.h"

#include "base/alloc.h"

#include <assert.h>

/* ---- leaving ----------------------------------------------------------------- */

/* Undone if the journal fails; not removed while it is failed, only not shown. */
static bool remove_expired(struct ic_store *s, struct ic_entry *e)
{
    if (!ic_store_writable(s) || ic_store_remove_entry(s, e) < 0) {
        return false;
    }
    s->stats.expired++;
    ic_store_touched(s, ic_entry_key(e));
    return true;
}

void ic_store_purge(struct ic_store *s, struct ic_object *o)
{
    while (ic_store_writable(s) && !ic_list_empty(&o->entries)) {
        struct ic_entry *e = IC_CONTAINER(o->entries.next, struct ic_entry, sibling);
        /* All of an object's keys are in the same set; a flushed one is on its way out. */
        if (!ic_catalog_current(s->catalog, e) || ic_store_remove_entry(s, e) < 0) {
            return;
        }
        s->stats.purged++;
        ic_store_touched(s, ic_entry_key(e));
    }
}

/* Room in `owed` for all records of O: without it the journal might keep what is evicted. */
static bool reserve_owed(struct ic_store *s, const struct ic_object *o)
{
    size_t records = 1;
    for (const struct ic_list *node = o->entries.next; node != &o->entries; node = node->next) {
        records++;
    }
    return ic_buf_reserve(&s->owed, records * sizeof(struct ic_owed)) >= 0;
}

static void owe(struct ic_store *s, uint64_t id, bool object)
{
    struct ic_owed owed = {.id = id, .object = object};
    int result = ic_buf_append(&s->owed, &owed, sizeof owed);
    assert(result >= 0);
}

static int journal_eviction(struct ic_store *s, const struct ic_object *o)
{
    size_t mark = ic_journal_mark(s->setup.journal);
    int result = ic_journal_delete_object(s->setup.journal, o->id);
    for (const struct ic_list *node = o->entries.next; node != &o->entries && result >= 0;
         node = node->next) {
        const struct ic_entry *e = IC_CONTAINER(node, struct ic_entry, sibling);
        result = ic_journal_delete_entry(s->setup.journal, e->id);
    }
    if (result < 0) {
        ic_journal_rewind(s->setup.journal, mark);
    }
    return result;
}

/* At once, and not undone: the room is wanted now, and an eviction breaks no promise. */
static bool evict(struct ic_store *s, struct ic_object *o)
{
    assert(o->pins == 0 && o->state == IC_OBJECT_COMMITTED);
    if (!reserve_owed(s, o) || journal_eviction(s, o) < 0) {
        return false;
    }
    owe(s, o->id, true);
    while (!ic_list_empty(&o->entries)) {
        struct ic_entry *e = IC_CONTAINER(o->entries.next, struct ic_entry, sibling);
        owe(s, e->id, false);
        bool shown = ic_catalog_current(s->catalog, e);
        ic_store_detach(s, e);
        if (shown) {
            ic_store_touched(s, ic_entry_key(e));
            s->stats.evicted++;
        }
        ic_catalog_entry_free(s->catalog, e);
    }
    ic_store_bury(s, o);
    ic_store_need_turn_end(s);
    return true;
}

bool ic_store_evict_one(struct ic_store *s)
{
    struct ic_list pinned;
    ic_list_init(&pinned);
    struct ic_eviction_node *node;
    struct ic_object *o = NULL;
    while ((node = ic_eviction_victim(s->eviction)) != NULL) {
        o = IC_CONTAINER(node, struct ic_object, policy);
        if (o->pins == 0) {
            break;
        }
        /* Evicting it would free nothing until its readers are done. */
        ic_list_push_back(&pinned, &node->link);
    }
    bool evicted = node != NULL && evict(s, o);
    if (node != NULL && !evicted) {
        ic_eviction_return(s->eviction, node);
    }
    struct ic_list *link;
    while ((link = ic_list_pop_front(&pinned)) != NULL) {
        ic_eviction_return(s->eviction, IC_CONTAINER(link, struct ic_eviction_node, link));
    }
    return evicted;
}

bool ic_store_evict_some(struct ic_store *s)
{
    for (int i = 0; i < IC_STORE_EVICT_SLICE; i++) {
        if (ic_store_check_limits(s, 0) != IC_EBUSY || !ic_store_evict_one(s)) {
            return false;
        }
    }
    return true;
}

/* ---- finding ----------------------------------------------------------------- */

struct ic_entry *ic_store_find(struct ic_store *s, struct ic_slice key, int64_t wall_ms)
{
    struct ic_entry *e = ic_catalog_find(s->catalog, key);
    if (e == NULL) {
        return NULL;
    }
    if (ic_store_expired(e, wall_ms)) {
        remove_expired(s, e);
        return NULL;
    }
    if (ic_store_held_count(s, e->object) < e->object->data) {
        ic_store_purge(s, e->object);
        return NULL;
    }
    return e;
}

void ic_store_touch(struct ic_store *s, struct ic_entry *e, int64_t wall_ms)
{
    e->accessed_ms = wall_ms;
    ic_eviction_access(s->eviction, &e->object->policy);
}

struct ic_entry *ic_store_read(struct ic_store *s, struct ic_slice key, int64_t wall_ms)
{
    struct ic_entry *e = ic_store_find(s, key, wall_ms);
    if (e == NULL) {
        s->stats.misses++;
        ic_eviction_missed(s->eviction, ic_catalog_hash(s->catalog, key));
        return NULL;
    }
    s->stats.hits++;
    ic_store_touch(s, e, wall_ms);
    return e;
}

uint64_t ic_store_count(const struct ic_store *s)
{
    return ic_catalog_count(s->catalog);
}

uint64_t ic_store_scan(const struct ic_store *s, uint64_t cursor,
                       void (*visit)(struct ic_entry *e, void *ctx), void *ctx)
{
    return ic_catalog_scan(s->catalog, cursor, visit, ctx);
}

void ic_store_walk_begin(struct ic_store *s)
{
    ic_catalog_walk_begin(s->catalog);
}

void ic_store_walk_end(struct ic_store *s)
{
    ic_catalog_walk_end(s->catalog);
}

struct ic_entry *ic_store_random(struct ic_store *s, int64_t wall_ms)
{
    enum { TRIES = 100 }; /* as Redis: then an expired one may be shown */
    struct ic_entry *e = NULL;
    for (int i = 0; i < TRIES; i++) {
        e = ic_catalog_random(s->catalog, ic_rng_next(s->setup.rng));
        if (e == NULL || !ic_store_expired(e, wall_ms)) {
            return e;
        }
        if (!remove_expired(s, e)) {
            return NULL;
        }
    }
    return NULL;
}

uint64_t ic_store_memory_usage(const struct ic_store *s, const struct ic_entry *e)
{
    (void)s;
    return e->object->chunk_cost * ic_object_chunks(e->object) + ic_catalog_entry_memory(e);
}

/* ---- by and by --------------------------------------------------------------- */

static bool expire_some(struct ic_store *s, int64_t wall_ms)
{
    for (int i = 0; i < IC_STORE_EXPIRE_SLICE; i++) {
        struct ic_entry *e = ic_catalog_first_to_expire(s->catalog);
        if (e == NULL || !ic_store_expired(e, wall_ms) || !remove_expired(s, e)) {
            return false;
        }
    }
    return true;
}

static bool reap_some(struct ic_store *s)
{
    for (int i = 0; i < IC_STORE_REAP_SLICE; i++) {
        if (ic_list_empty(&s->retired)) {
            return false;
        }
        struct ic_retired *r = IC_CONTAINER(s->retired.next, struct ic_retired, node);
        struct ic_entry *e = ic_keys_any(r->keys);
        if (e == NULL) {
            ic_list_remove(&r->node);
            ic_catalog_keys_free(s->catalog, r->keys);
            ic_free(r);
            continue;
        }
        struct ic_object *o = e->object;
        ic_store_detach(s, e);
        ic_catalog_entry_free(s->catalog, e);
        ic_store_bury_if_dead(s, o);
    }
    return true;
}

/* CONFIG SET eviction. One change at a time: the next is begun when the last is at its end. */
static bool change_eviction(struct ic_store *s)
{
    int result = ic_eviction_change(s->eviction, ic_store_config(s)->eviction);
    if (result < 0 && result != IC_EBUSY) {
        return false; /* out of memory: the next tick tries again */
    }
    return ic_eviction_change_some(s->eviction, IC_STORE_CHANGE_SLICE) == 1;
}

bool ic_store_tick(struct ic_store *s, uint64_t now_ms, int64_t wall_ms)
{
    ic_journal_set_appendfsync(s->setup.journal, ic_store_config(s)->appendfsync);
    ic_journal_tick(s->setup.journal, now_ms);
    ic_store_probe(s, now_ms);
    bool more = expire_some(s, wall_ms);
    more |= change_eviction(s);
    more |= reap_some(s);
    more |= ic_store_writable(s) && ic_store_evict_some(s);
    more |= ic_store_sweep_some(s);
    return more;
}

void ic_store_instance_gone(struct ic_store *s, uint16_t function, uint32_t serial)
{
    (void)function;
    (void)serial;
    ic_store_sweep(s, IC_DEGRADED_SWEEP);
}
