#include "proxy/store_internal.h"

#include "base/alloc.h"

#include <assert.h>

/*
 * What an object shows can be gone at once, but not its keys, which may be very many:
 *
 *   evicted ------> ic_store_empty: no bytes, no chunks ---> `leaving' ---> some keys each turn,
 *   too many chunks are lost ------------------------------> `leaving' -'   the last with the
 * object
 *
 * Meanwhile each of them shows nothing, and whoever looks one up removes it. In the journal an
 * evicted object is on no function, so that after a crash they go on leaving.
 */

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

bool ic_store_unreadable(const struct ic_store *s, const struct ic_object *o)
{
    return ic_store_held_count(s, o) < o->data;
}

static struct ic_entry *first_key(const struct ic_object *o)
{
    return IC_CONTAINER(o->entries.next, struct ic_entry, sibling);
}

/* Undone if the journal fails. False: it stays. */
static bool remove_lost(struct ic_store *s, struct ic_entry *e)
{
    if (!ic_store_writable(s) || ic_store_remove_entry(s, e) < 0) {
        return false;
    }
    s->stats.purged++;
    ic_store_touched(s, ic_entry_key(e));
    return true;
}

void ic_store_purge(struct ic_store *s, struct ic_object *o)
{
    if (o->names > 1 && ic_list_empty(&o->node)) {
        ic_list_push_back(&s->leaving, &o->node);
    } else if (o->names == 1 && ic_store_is_current(s, o)) {
        remove_lost(s, first_key(o));
    }
}

static void owe(struct ic_store *s, uint64_t id, bool object)
{
    struct ic_owed owed = {.id = id, .object = object};
    int result = ic_buf_append(&s->owed, &owed, sizeof owed);
    assert(result >= 0);
}

/* E, whose object is evicted or about to be, leaves the journal, its object with it if it has no
 * other key. Room in `owed` comes first: without it the journal might keep what is evicted. */
static bool journal_leave(struct ic_store *s, const struct ic_entry *e)
{
    bool last = e->object->names == 1;
    size_t mark = ic_journal_mark(s->setup.journal);
    int result = ic_buf_reserve(&s->owed, 2 * sizeof(struct ic_owed));
    if (result >= 0) {
        result = ic_journal_delete_entry(s->setup.journal, e->id);
    }
    if (result >= 0 && last) {
        result = ic_journal_delete_object(s->setup.journal, e->object->id);
    }
    if (result < 0) {
        ic_journal_rewind(s->setup.journal, mark);
        return false;
    }
    owe(s, e->id, false);
    if (last) {
        owe(s, e->object->id, true);
    }
    ic_store_need_turn_end(s);
    return true;
}

static bool journal_evicted(struct ic_store *s, const struct ic_object *o)
{
    if (ic_buf_reserve(&s->owed, sizeof(struct ic_owed)) < 0 ||
        (ic_store_is_current(s, o) ? ic_store_journal_evicted(s, o)
                                   : ic_journal_delete_object(s->setup.journal, o->id)) < 0) {
        return false;
    }
    owe(s, o->id, true);
    ic_store_need_turn_end(s);
    return true;
}

/* The same in the catalog. */
static void detach_leaving(struct ic_store *s, struct ic_entry *e)
{
    struct ic_object *o = e->object;
    bool shown = ic_catalog_current(s->catalog, e);
    ic_store_detach(s, e);
    if (shown) {
        ic_store_touched(s, ic_entry_key(e));
    }
    ic_catalog_entry_free(s->catalog, e);
    if (o->names == 0) {
        ic_list_remove(&o->node);
    }
    ic_store_bury_if_dead(s, o);
}

/* E leaves its evicted object, which may be freed. Not undone. False: out of memory, it stays. */
static bool leave(struct ic_store *s, struct ic_entry *e)
{
    if (!journal_leave(s, e)) {
        return false;
    }
    detach_leaving(s, e);
    return true;
}

/* At once, and not undone: the room is wanted now, and an eviction breaks no promise. */
static bool evict(struct ic_store *s, struct ic_object *o)
{
    assert(o->pins == 0 && o->state == IC_OBJECT_COMMITTED);
    struct ic_entry *first = first_key(o);
    bool one = o->names == 1;
    if (!(one ? journal_leave(s, first) : journal_evicted(s, o))) {
        return false;
    }
    s->stats.evicted += ic_catalog_current(s->catalog, first) ? o->names : 0;
    ic_store_empty(s, o);
    if (one) {
        detach_leaving(s, first);
    }
    return true;
}

/* NULL: there is none that is not pinned. */
static struct ic_eviction_node *next_victim(struct ic_store *s)
{
    uint64_t before = ic_eviction_set_aside(s->eviction);
    struct ic_eviction_node *node = ic_eviction_victim(s->eviction);
    s->stats.set_aside += ic_eviction_set_aside(s->eviction) - before;
    return node;
}

/* Takes a key of a flushed set apart, or a set without any. False: there is none, or none was found
 * in a part of a table. */
static bool reap_one(struct ic_store *s)
{
    if (ic_list_empty(&s->retired)) {
        return false;
    }
    struct ic_retired *r = IC_CONTAINER(s->retired.next, struct ic_retired, node);
    struct ic_entry *e = ic_keys_any(r->keys);
    if (e != NULL) {
        struct ic_object *o = e->object;
        ic_store_detach(s, e);
        ic_catalog_entry_free(s->catalog, e);
        ic_store_bury_if_dead(s, o);
        return true;
    }
    if (!ic_keys_empty(r->keys)) {
        return false;
    }
    ic_list_remove(&r->node);
    ic_catalog_keys_free(s->catalog, r->keys);
    ic_free(r);
    return true;
}

bool ic_store_evict_one(struct ic_store *s)
{
    if (reap_one(s)) {
        return true;
    }
    struct ic_eviction_node *node = next_victim(s);
    if (node == NULL) {
        return false;
    }
    if (!evict(s, IC_CONTAINER(node, struct ic_object, policy))) {
        ic_eviction_return(s->eviction, node);
        return false;
    }
    return true;
}

static struct ic_object *first_leaving(const struct ic_store *s)
{
    return ic_list_empty(&s->leaving) ? NULL
                                      : IC_CONTAINER(s->leaving.next, struct ic_object, node);
}

bool ic_store_relieve(struct ic_store *s)
{
    const struct ic_object *o = ic_store_catalog_is_full(s) ? first_leaving(s) : NULL;
    if (o == NULL || !o->evicted || o->names == 0) {
        return ic_store_evict_one(s);
    }
    return leave(s, first_key(o));
}

bool ic_store_evict_some(struct ic_store *s)
{
    for (int i = 0; i < IC_STORE_EVICT_SLICE; i++) {
        if (ic_store_check_limits(s, 0) == 0 || !ic_store_relieve(s)) {
            return false;
        }
    }
    return true;
}

bool ic_store_remove_unreadable(struct ic_store *s, struct ic_entry *e)
{
    struct ic_object *o = e->object;
    if (o->evicted) {
        return ic_store_writable(s) && leave(s, e);
    }
    bool removed = remove_lost(s, e);
    ic_store_purge(s, o);
    return removed;
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
    if (ic_store_unreadable(s, e->object)) {
        ic_store_remove_unreadable(s, e);
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

struct ic_entry *ic_store_random(struct ic_store *s, int64_t wall_ms, uint64_t *looked)
{
    enum { TRIES = 100 }; /* as Redis: then an expired one may be shown */
    struct ic_entry *e = NULL;
    for (int i = 0; i < TRIES; i++) {
        e = ic_catalog_random(s->catalog, ic_rng_next(s->setup.rng), looked);
        if (e == NULL) {
            return NULL;
        }
        bool expired = ic_store_expired(e, wall_ms);
        if (!expired && !ic_store_unreadable(s, e->object)) {
            return e;
        }
        if (!(expired ? remove_expired(s, e) : ic_store_remove_unreadable(s, e))) {
            return NULL;
        }
    }
    return NULL;
}

uint64_t ic_store_memory_usage(const struct ic_store *s, const struct ic_entry *e)
{
    (void)s;
    return ic_object_use(e->object).chunks + ic_catalog_entry_memory(e);
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
        if (!reap_one(s)) {
            return !ic_list_empty(&s->retired);
        }
    }
    return true;
}

/* A step of leave_some. False: its key stays for now. */
static bool leave_one(struct ic_store *s, struct ic_object *o)
{
    if (o->evicted && o->names > 0) {
        return leave(s, first_key(o));
    }
    if (o->names > 0 && ic_store_is_current(s, o) && ic_store_unreadable(s, o)) {
        return remove_lost(s, first_key(o));
    }
    ic_list_remove(&o->node);
    return true;
}

static bool leave_some(struct ic_store *s)
{
    for (int i = 0; i < IC_STORE_LEAVE_SLICE; i++) {
        struct ic_object *o = first_leaving(s);
        if (o == NULL || !leave_one(s, o)) {
            return false;
        }
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

bool ic_store_set_appendfsync(struct ic_store *s)
{
    return ic_journal_set_appendfsync(s->setup.journal, ic_store_config(s)->appendfsync);
}

bool ic_store_tick(struct ic_store *s, uint64_t now_ms, int64_t wall_ms)
{
    ic_journal_tick(s->setup.journal, now_ms);
    ic_store_probe(s, now_ms);
    bool more = expire_some(s, wall_ms);
    more |= change_eviction(s);
    more |= reap_some(s);
    more |= ic_catalog_settle(s->catalog, IC_STORE_SETTLE_SLICE);
    more |= ic_store_writable(s) && leave_some(s);
    more |= ic_store_writable(s) && ic_store_evict_some(s);
    more |= ic_store_end_lists_some(s);
    more |= ic_store_sweep_some(s);
    return more;
}

void ic_store_instance_gone(struct ic_store *s, uint16_t function, uint32_t serial)
{
    (void)function;
    (void)serial;
    ic_store_sweep(s, IC_DEGRADED_SWEEP);
}
