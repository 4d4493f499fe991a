#include "proxy/store_internal.h"

#include "base/alloc.h"

#include <assert.h>

/*
 * A turn's changes: each is made in the catalog at once, queued in the journal, and remembered here
 * so that it can be taken back.
 *
 *     commit ... commit --turn end--> journal --0------> finish: forget replaced versions -->
 * done(0)
 *                                            '--IC_EIO-> undo, last first --------------->
 * done(IC_EIO)
 */

/* ---- arrays in buffers ------------------------------------------------------ */

static size_t undo_count(const struct ic_store *s)
{
    return s->undo.len / sizeof(struct ic_undo);
}

static struct ic_undo *undo_at(const struct ic_store *s, size_t i)
{
    return (struct ic_undo *)(void *)s->undo.data + i;
}

static struct ic_object *object_of(const struct ic_undo *undo)
{
    return undo->entry == NULL ? undo->object : undo->entry->object;
}

void ic_store_remember(struct ic_store *s, struct ic_undo undo)
{
    if (object_of(&undo) != NULL) {
        ic_store_pin(s, object_of(&undo));
    }
    int result = ic_buf_append(&s->undo, &undo, sizeof undo);
    assert(result >= 0);
}

void ic_store_need_turn_end(struct ic_store *s)
{
    if (!s->scheduled) {
        s->scheduled = true;
        s->setup.schedule(s->setup.ctx);
    }
}

/* ---- the journal's records --------------------------------------------------- */

int ic_store_journal_entry(struct ic_store *s, const struct ic_entry *e)
{
    struct ic_journal_entry record = {
        .id = e->id,
        .object_id = e->object->id,
        .expires_ms = e->expires_ms,
        .accessed_ms = e->accessed_ms,
        .key = ic_entry_key(e),
    };
    return ic_journal_put_entry(s->setup.journal, &record);
}

/* The instances whose memory holds the chunk, or will: one still being written is not there yet; a
 * list will tell. */
static struct ic_journal_place journal_place(const struct ic_store *s,
                                             const struct ic_chunk_place *from)
{
    struct ic_journal_place place = {.function = from->function};
    if (from->state == IC_CHUNK_LOST) {
        return place;
    }
    const struct ic_pool_instance *first =
        ic_pool_find(s->setup.pool, from->function, from->instance);
    const struct ic_pool_instance *second =
        (from->marks & IC_PLACE_COPYING) != 0
            ? NULL
            : ic_pool_find(s->setup.pool, from->function, from->backup);
    if (first == NULL) {
        first = second;
        second = NULL;
    }
    if (first != NULL) {
        place.held = from->state == IC_CHUNK_HELD;
        memcpy(place.instance, first->id, sizeof place.instance);
    }
    if (second != NULL) {
        place.copied = true;
        memcpy(place.backup, second->id, sizeof place.backup);
    }
    return place;
}

static int put_object(struct ic_store *s, const struct ic_object *o, uint64_t size,
                      struct ic_journal_place *place)
{
    struct ic_journal_object record = {
        .id = o->id,
        .size = size,
        .version = o->version,
        .unit = o->unit,
        .key_len = o->key_len,
        .data = o->data,
        .parity = o->parity,
        .place = place,
    };
    return ic_journal_put_object(s->setup.journal, &record);
}

int ic_store_journal_object(struct ic_store *s, const struct ic_object *o)
{
    struct ic_journal_place place[IC_PLACEMENT_MAX];
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        place[i] = journal_place(s, &o->place[i]);
    }
    return put_object(s, o, o->size, place);
}

int ic_store_journal_evicted(struct ic_store *s, const struct ic_object *o)
{
    struct ic_journal_place place[IC_PLACEMENT_MAX] = {0};
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        place[i].function = IC_FUNCTION_NONE;
    }
    return put_object(s, o, 0, place);
}

int ic_store_delete_hidden(struct ic_store *s)
{
    for (size_t i = 0; i < undo_count(s); i++) {
        const struct ic_object *o = undo_at(s, i)->entry->object;
        assert(undo_at(s, i)->kind == IC_UNDO_REMOVED);
        if (ic_list_empty(&o->entries) && ic_journal_delete_object(s->setup.journal, o->id) < 0) {
            return IC_ENOMEM;
        }
    }
    return 0;
}

/* ---- one change -------------------------------------------------------------- */

int ic_store_remove_entry(struct ic_store *s, struct ic_entry *e)
{
    struct ic_object *o = e->object;
    size_t mark = ic_journal_mark(s->setup.journal);
    int result = ic_buf_reserve(&s->undo, sizeof(struct ic_undo));
    if (result >= 0) {
        result = ic_journal_delete_entry(s->setup.journal, e->id);
    }
    if (result >= 0 && !s->loading && o->entries.next == o->entries.prev) { /* E is the only one */
        result = ic_journal_delete_object(s->setup.journal, o->id);
    }
    if (result < 0) {
        ic_journal_rewind(s->setup.journal, mark);
        return result;
    }
    ic_store_remember(s, (struct ic_undo){.kind = IC_UNDO_REMOVED, .entry = e});
    ic_store_detach(s, e);
    ic_store_need_turn_end(s);
    return 0;
}

static int remove_key(struct ic_store *s, struct ic_slice key)
{
    struct ic_entry *e = ic_catalog_find(s->catalog, key);
    return e == NULL ? 0 : ic_store_remove_entry(s, e);
}

/* KEY, which nothing shows, shows O. */
static int add_entry(struct ic_store *s, struct ic_slice key, struct ic_object *o,
                     int64_t expires_ms, int64_t wall_ms)
{
    bool was_draft = o->state == IC_OBJECT_DRAFT;
    int result = ic_buf_reserve(&s->undo, sizeof(struct ic_undo));
    if (result < 0) {
        return result;
    }
    struct ic_entry *e = ic_catalog_entry_new(s->catalog, key, ic_store_next_id(s), expires_ms);
    if (e == NULL) {
        return IC_ENOMEM;
    }
    e->accessed_ms = wall_ms;
    result = ic_store_attach(s, e, o);
    if (result < 0) {
        ic_catalog_entry_free(s->catalog, e);
        return result;
    }
    ic_store_remember(s,
                      (struct ic_undo){.kind = IC_UNDO_ADDED, .entry = e, .was_draft = was_draft});
    if (was_draft) {
        result = ic_store_journal_object(s, o);
    }
    return result < 0 ? result : ic_store_journal_entry(s, e);
}

static int change_put(struct ic_store *s, const struct ic_change *c, int64_t wall_ms)
{
    int result = remove_key(s, c->key);
    return result < 0 ? result : add_entry(s, c->key, c->draft, c->expires_ms, wall_ms);
}

static int change_expire(struct ic_store *s, const struct ic_change *c, int64_t wall_ms)
{
    struct ic_entry *e = ic_catalog_find(s->catalog, c->key);
    if (e == NULL) {
        return IC_ENOENT;
    }
    if (c->expires_ms != 0 && c->expires_ms <= wall_ms) {
        return ic_store_remove_entry(s, e);
    }
    int result = ic_buf_reserve(&s->undo, sizeof(struct ic_undo));
    if (result < 0) {
        return result;
    }
    int64_t before = e->expires_ms;
    result = ic_catalog_expire(s->catalog, e, c->expires_ms);
    if (result < 0) {
        return result;
    }
    ic_store_remember(s,
                      (struct ic_undo){.kind = IC_UNDO_EXPIRY, .entry = e, .expires_ms = before});
    return ic_store_journal_entry(s, e);
}

/* COPY, and RENAME, which also removes the old key. */
static int change_copy(struct ic_store *s, const struct ic_change *c, int64_t wall_ms)
{
    struct ic_entry *e = ic_catalog_find(s->catalog, c->key);
    if (e == NULL) {
        return IC_ENOENT;
    }
    if (ic_slice_equal(c->key, c->to)) {
        return 0;
    }
    int result = remove_key(s, c->to);
    if (result >= 0) {
        result = add_entry(s, c->to, e->object, e->expires_ms, wall_ms);
    }
    if (result >= 0 && c->kind == IC_CHANGE_RENAME) {
        result = ic_store_remove_entry(s, e);
    }
    return result;
}

static int change_flush(struct ic_store *s)
{
    struct ic_retired *flushed = ic_malloc(sizeof *flushed);
    int result = flushed == NULL ? IC_ENOMEM : ic_buf_reserve(&s->undo, sizeof(struct ic_undo));
    if (result >= 0) {
        result = ic_journal_flush(s->setup.journal);
    }
    if (result >= 0) {
        ic_store_touched_all(s);
        flushed->keys = ic_catalog_swap(s->catalog);
        result = flushed->keys == NULL ? IC_ENOMEM : 0;
    }
    if (result < 0) {
        ic_free(flushed);
        return result;
    }
    ic_list_init(&flushed->node);
    ic_store_remember(s, (struct ic_undo){.kind = IC_UNDO_FLUSHED, .flushed = flushed});
    return 0;
}

static int apply(struct ic_store *s, const struct ic_change *c, int64_t wall_ms)
{
    int result = IC_EINVAL;
    switch (c->kind) {
    case IC_CHANGE_PUT:
        result = change_put(s, c, wall_ms);
        break;
    case IC_CHANGE_DELETE: {
        if (ic_catalog_find(s->catalog, c->key) == NULL) {
            return 0;
        }
        result = remove_key(s, c->key);
        break;
    }
    case IC_CHANGE_EXPIRE:
        result = change_expire(s, c, wall_ms);
        break;
    case IC_CHANGE_RENAME:
    case IC_CHANGE_COPY:
        result = change_copy(s, c, wall_ms);
        if (result >= 0) {
            ic_store_touched(s, c->to);
        }
        if (c->kind == IC_CHANGE_COPY) {
            return result;
        }
        break;
    case IC_CHANGE_FLUSH:
        return change_flush(s);
    }
    if (result >= 0) {
        ic_store_touched(s, c->key);
    }
    return result;
}

/* ---- taking back --------------------------------------------------------------- */

/* KEEP_DRAFTS: an object that was a draft becomes one again; else it is buried. */
static void undo_one(struct ic_store *s, struct ic_undo undo, bool keep_drafts)
{
    struct ic_entry *e = undo.entry;
    struct ic_object *o = object_of(&undo);
    int result = 0;
    switch (undo.kind) {
    case IC_UNDO_ADDED:
        ic_store_detach(s, e);
        ic_catalog_entry_free(s->catalog, e);
        if (undo.was_draft && keep_drafts) {
            ic_catalog_redraft(s->catalog, o);
            s->dead_bytes -= o->size;
            o->draft = (struct ic_draft_account){.bytes = o->size};
            s->draft_bytes += o->size;
            s->draft_count++;
            ic_list_push_back(&s->drafts, &o->node);
        }
        break;
    case IC_UNDO_REMOVED:
        result = ic_store_attach(s, e, o);
        break;
    case IC_UNDO_EXPIRY:
        result = ic_catalog_expire(s->catalog, e, undo.expires_ms);
        break;
    case IC_UNDO_FLUSHED:
        ic_catalog_unswap(s->catalog, undo.flushed->keys);
        ic_free(undo.flushed);
        break;
    case IC_UNDO_REPAIRED:
        for (uint64_t left = undo.chunks; left != 0; left &= left - 1) {
            ic_store_give_up(s, o, (uint16_t)__builtin_ctzll(left));
        }
        break;
    }
    assert(result >= 0); /* they were there before: the tables have room */
    if (o != NULL) {
        ic_store_unpin(s, o);
    }
}

static void undo_down_to(struct ic_store *s, size_t count, bool keep_drafts)
{
    while (undo_count(s) > count) {
        struct ic_undo undo = *undo_at(s, undo_count(s) - 1);
        s->undo.len -= sizeof undo;
        undo_one(s, undo, keep_drafts);
    }
}

/* ---- for good ------------------------------------------------------------------ */

static void finish_all(struct ic_store *s)
{
    for (size_t i = 0; i < undo_count(s); i++) {
        struct ic_undo undo = *undo_at(s, i);
        struct ic_object *o = object_of(&undo);
        if (undo.kind == IC_UNDO_FLUSHED) {
            ic_list_push_back(&s->retired, &undo.flushed->node);
        } else if (undo.kind == IC_UNDO_REMOVED) {
            ic_catalog_entry_free(s->catalog, undo.entry);
        } else if (undo.was_draft) {
            ic_store_tell_degraded(s, o, IC_DEGRADED_WRITE);
        }
        if (o != NULL) {
            ic_store_unpin(s, o);
        }
    }
    s->undo.len = 0;
}

int ic_store_commit(struct ic_store *s, const struct ic_change *changes, size_t count,
                    int64_t wall_ms, void (*done)(void *ctx, int result), void *ctx)
{
    if (!ic_store_writable(s)) {
        return IC_EIO;
    }
    size_t undo_mark = undo_count(s);
    size_t journal_mark = ic_journal_mark(s->setup.journal);
    int result = ic_buf_reserve(&s->waiters, sizeof(struct ic_waiter));
    for (size_t i = 0; i < count && result >= 0; i++) {
        result = apply(s, &changes[i], wall_ms);
    }
    if (result < 0) {
        undo_down_to(s, undo_mark, true);
        ic_journal_rewind(s->setup.journal, journal_mark);
        return result;
    }
    if (done != NULL) {
        ic_store_await(s, done, ctx);
    }
    s->stats.commits++;
    ic_store_need_turn_end(s);
    return 0;
}

void ic_store_await(struct ic_store *s, void (*done)(void *ctx, int result), void *ctx)
{
    struct ic_waiter waiter = {.done = done, .ctx = ctx};
    int result = ic_buf_append(&s->waiters, &waiter, sizeof waiter);
    assert(result >= 0);
    ic_store_need_turn_end(s);
}

int ic_store_await_settled(struct ic_store *s, void (*done)(void *ctx, int result), void *ctx)
{
    if (undo_count(s) == 0) {
        return 0;
    }
    int result = ic_buf_reserve(&s->waiters, sizeof(struct ic_waiter));
    if (result < 0) {
        return result;
    }
    ic_store_await(s, done, ctx);
    return 1;
}

static void forget_in(struct ic_buf *waiters, const void *ctx)
{
    struct ic_waiter *w = (struct ic_waiter *)(void *)waiters->data;
    for (size_t i = 0; i < waiters->len / sizeof *w; i++) {
        if (w[i].ctx == ctx) {
            w[i].done = NULL;
        }
    }
}

void ic_store_forget(struct ic_store *s, void *ctx)
{
    forget_in(&s->waiters, ctx);
    forget_in(&s->ending, ctx);
}

static void call_waiters(struct ic_store *s, int result)
{
    /* A waiter may commit again, which belongs to the next turn, and may forget another. */
    assert(s->ending.len == 0);
    struct ic_buf waiters = s->waiters;
    s->waiters = s->ending;
    s->ending = waiters;
    for (size_t i = 0; i < s->ending.len / sizeof(struct ic_waiter); i++) {
        struct ic_waiter w = *((struct ic_waiter *)(void *)s->ending.data + i);
        if (w.done != NULL) {
            w.done(w.ctx, result);
        }
    }
    s->ending.len = 0;
}

void ic_store_turn_end(struct ic_store *s)
{
    if (!s->scheduled) {
        return;
    }
    s->scheduled = false;
    s->made_room = 0;
    s->claimed = 0;
    int result = ic_journal_commit(s->setup.journal);
    if (result >= 0) {
        s->owed.len = 0;
        finish_all(s);
    } else {
        undo_down_to(s, 0, false);
    }
    call_waiters(s, result < 0 ? IC_EIO : 0);
}

bool ic_store_writable(const struct ic_store *s)
{
    return !ic_journal_failed(s->setup.journal);
}

const char *ic_store_failure(const struct ic_store *s)
{
    return ic_journal_failure(s->setup.journal);
}

/* The keys of an object that was evicted may still be on their way out. */
static int pay_object(struct ic_store *s, uint64_t id)
{
    const struct ic_object *o = ic_catalog_object(s->catalog, id);
    return o != NULL && ic_store_is_current(s, o) ? ic_store_journal_evicted(s, o)
                                                  : ic_journal_delete_object(s->setup.journal, id);
}

/* What was evicted in the turn that failed is still in the journal: take it out first. */
static int pay_owed(struct ic_store *s)
{
    const struct ic_owed *owed = (const struct ic_owed *)(const void *)s->owed.data;
    int result = 0;
    for (size_t i = 0; i < s->owed.len / sizeof *owed && result >= 0; i++) {
        result = owed[i].object ? pay_object(s, owed[i].id)
                                : ic_journal_delete_entry(s->setup.journal, owed[i].id);
    }
    if (result >= 0) {
        result = ic_journal_commit(s->setup.journal);
    } else {
        ic_journal_rewind(s->setup.journal, 0);
    }
    if (result >= 0) {
        s->owed.len = 0;
    }
    return result;
}

void ic_store_probe(struct ic_store *s, uint64_t now_ms)
{
    if (ic_store_writable(s) || now_ms - s->probed_ms < IC_STORE_PROBE_MS) {
        return;
    }
    s->probed_ms = now_ms;
    if (s->owed.len > 0 && pay_owed(s) < 0) {
        return;
    }
    int result = ic_journal_probe(s->setup.journal);
    (void)result; /* it stays failed, and is tried again */
}
