#include "proxy/store_internal.h"

#include "code/layout.h"
#include "proto/frame.h"

#include <stdio.h>

/*
 * The catalog as the journal has it. Chunks go to the instances the journal names: presumably
 * there, until those instances show up and are listed.
 *
 *     object records --> objects (drafts), chunks counted as live
 *     entry records ---> entries attached to them; what expired meanwhile is taken out
 *     an object that was evicted, which is on no function: its keys go on leaving
 *     at the end: an object that no entry shows is buried; if chunks were on functions that are
 *     gone, a sweep tells what lacks chunks and purges what lacks too many
 */

struct loading {
    struct ic_store *s;
    int64_t wall_ms;
    bool smaller; /* some chunks were on functions that the pool has not any more */
};

static uint32_t restore_chunk(struct ic_store *s, const struct ic_object *o, uint16_t function,
                              const uint8_t *instance)
{
    uint32_t serial = ic_pool_restore(s->setup.pool, function, instance)->serial;
    ic_pool_restore_chunk(s->setup.pool, function, serial, o->chunk_cost);
    return serial;
}

static void restore_place(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                          const struct ic_journal_place *from)
{
    struct ic_chunk_place place = {.function = from->function, .state = IC_CHUNK_HELD};
    place.instance = restore_chunk(s, o, from->function, from->instance);
    if (from->copied) {
        uint32_t backup = restore_chunk(s, o, from->function, from->backup);
        /* More instances than are remembered: the first may have given way to the second. */
        bool both = ic_pool_holds(s->setup.pool, from->function, place.instance);
        place.backup = both ? backup : 0;
        place.instance = both ? place.instance : backup;
    }
    ic_store_put_place(s, o, chunk, place);
}

struct ic_object *ic_store_restore_draft(struct ic_store *s, const struct ic_journal_object *record)
{
    struct ic_object *o =
        ic_catalog_object_new(s->catalog, record->id, record->data, record->parity);
    if (o == NULL) {
        return NULL;
    }
    struct ic_layout layout;
    ic_layout_init(&layout, record->size, record->data, record->parity, record->unit);
    o->size = record->size;
    o->version = record->version;
    o->unit = record->unit;
    o->key_len = record->key_len;
    o->chunk_length = layout.chunk_length;
    o->chunk_cost = ic_chunk_cost(layout.chunk_length, record->unit, record->key_len);
    ic_list_push_back(&s->drafts, &o->node);
    o->draft.bytes = o->size;
    s->draft_bytes += o->size;
    s->draft_count++;
    return o;
}

static int load_object(void *ctx, const struct ic_journal_object *record)
{
    struct loading *l = ctx;
    struct ic_store *s = l->s;
    if (ic_catalog_object(s->catalog, record->id) != NULL || record->unit == 0 ||
        record->unit % IC_LAYOUT_ALIGN != 0 || record->size > (UINT64_C(1) << 50) ||
        (size_t)record->data + record->parity > IC_PLACEMENT_MAX) {
        return IC_ECORRUPT;
    }
    struct ic_object *o = ic_store_restore_draft(s, record);
    if (o == NULL) {
        return IC_ENOMEM;
    }
    o->evicted = true; /* unless it is on some function */
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        const struct ic_journal_place *from = &record->place[i];
        o->evicted &= from->function == IC_FUNCTION_NONE;
        bool there = from->function < ic_pool_count(s->setup.pool);
        o->place[i].function = there ? from->function : IC_FUNCTION_NONE;
        if (from->held && there) {
            restore_place(s, o, (uint16_t)i, from);
        }
        l->smaller |= from->held && !there;
    }
    return 0;
}

/* Two entries of one key: the later one counts. Can only be if a write of an eviction was lost. */
static int resolve(struct ic_store *s, const struct ic_journal_entry *record)
{
    struct ic_entry *e = ic_catalog_find(s->catalog, record->key);
    if (e == NULL) {
        return 0;
    }
    return ic_store_remove_entry(s, e); /* entries come in the order of their ids */
}

static int load_entry(void *ctx, const struct ic_journal_entry *record)
{
    struct loading *l = ctx;
    struct ic_store *s = l->s;
    struct ic_object *o = ic_catalog_object(s->catalog, record->object_id);
    if (o == NULL) {
        return IC_ECORRUPT;
    }
    int result = resolve(s, record);
    if (result < 0) {
        return result;
    }
    struct ic_entry *e =
        ic_catalog_entry_new(s->catalog, record->key, record->id, record->expires_ms);
    if (e == NULL) {
        return IC_ENOMEM;
    }
    e->accessed_ms = record->accessed_ms;
    result = ic_store_attach(s, e, o);
    if (result < 0) {
        ic_catalog_entry_free(s->catalog, e);
        return result;
    }
    if (ic_store_expired(e, l->wall_ms)) {
        result = ic_store_remove_entry(s, e);
        s->stats.expired += result >= 0;
    }
    return result;
}

int ic_store_load(struct ic_store *s, int64_t wall_ms, char *why)
{
    struct loading l = {.s = s, .wall_ms = wall_ms};
    static const struct ic_journal_loader loader = {.object = load_object, .entry = load_entry};
    s->loading = true;
    int result = ic_journal_load(s->setup.journal, &loader, &l, why);
    s->loading = false;
    if (result < 0) {
        return result;
    }
    ic_pool_restored(s->setup.pool);
    if (ic_store_delete_hidden(s) < 0) {
        snprintf(why, IC_STORE_WHY_MAX, "store: out of memory");
        return IC_ENOMEM;
    }
    while (!ic_list_empty(&s->drafts)) {
        struct ic_object *o = IC_CONTAINER(s->drafts.next, struct ic_object, node);
        result = ic_journal_delete_object(s->setup.journal, o->id);
        if (result < 0) {
            snprintf(why, IC_STORE_WHY_MAX, "store: out of memory");
            return result;
        }
        ic_store_bury(s, o);
        ic_store_need_turn_end(s);
    }
    if (l.smaller) {
        ic_store_sweep(s, IC_DEGRADED_SWEEP);
    }
    return 0;
}

struct shaping {
    const struct ic_store *s;
    struct ic_store_shape shape;
};

static void shape_one(struct ic_object *o, void *ctx)
{
    struct shaping *shaping = ctx;
    uint32_t held = ic_store_held_count(shaping->s, o);
    if (o->state != IC_OBJECT_COMMITTED || o->evicted) {
        return;
    }
    shaping->shape.whole += held == ic_object_chunks(o);
    shaping->shape.degraded += held >= o->data && held < ic_object_chunks(o);
    shaping->shape.lost += held < o->data;
}

struct ic_store_shape ic_store_shape(const struct ic_store *s)
{
    struct shaping shaping = {.s = s};
    ic_catalog_object_each(s->catalog, shape_one, &shaping);
    return shaping.shape;
}
