#include "proxy/store_internal.h"

#include "proto/link_body.h"

/*
 * The catalog as the functions have it, when the journal is lost.
 *
 *     items of lists --> core/rebuild.h: the newest complete version of each key, the rest is
 *                        condemned
 *     then, in steps, the oldest version first:
 *         too few chunks, or expired --> condemned: the key is a miss
 *         else --> object and entry, attached and journalled; chunks that nobody has listed
 *                  are LOST, on a function that nobody knows yet: see store_list.c
 */

/* ---- gathering -------------------------------------------------------------- */

/* Claims take more than the catalog that they become, and dead versions are among them: half as
 * much again. What is too much for the catalog then is evicted. */
static uint64_t memory_max(const struct ic_store *s)
{
    uint64_t catalog = (uint64_t)ic_store_config(s)->catalog_memory;
    return catalog + catalog / 2;
}

static bool holds(void *ctx, uint16_t function, uint32_t serial)
{
    return ic_pool_holds(((struct ic_store *)ctx)->setup.pool, function, serial);
}

static void unwanted(void *ctx, uint16_t function, uint32_t serial, uint64_t object_id,
                     uint16_t chunk, uint64_t cost)
{
    struct ic_store *s = ctx;
    ic_pool_condemn(s->setup.pool, function, serial, object_id, chunk, cost, IC_POOL_FROM_LIST);
}

int ic_store_rebuild_begin(struct ic_store *s)
{
    struct ic_rebuild_settings settings = {
        .seed = ic_rng_next(s->setup.rng),
        .memory_max = memory_max(s),
        .holds = holds,
        .unwanted = unwanted,
        .ctx = s,
    };
    s->rebuild = ic_rebuild_new(&settings);
    return s->rebuild == NULL ? IC_ENOMEM : 0;
}

void ic_store_rebuild_item(struct ic_store *s, uint16_t function, uint32_t serial,
                           const struct ic_item *item)
{
    uint32_t epoch = (uint32_t)(s->next_id >> IC_STORE_ID_COUNTER_BITS);
    if (s->rebuild_result == 0 && !s->rebuild_settling && holds(s, function, serial)) {
        s->rebuild_result = ic_rebuild_item(s->rebuild, function, serial, epoch, item);
    }
}

int ic_store_rebuild_result(const struct ic_store *s)
{
    return s->rebuild_result;
}

struct ic_store_rebuild_stats ic_store_rebuild_stats(const struct ic_store *s)
{
    struct ic_store_rebuild_stats stats = s->rebuilt;
    if (s->rebuild != NULL) {
        struct ic_rebuild_stats gathered = ic_rebuild_stats(s->rebuild);
        stats.objects = gathered.claims + stats.restored + stats.unreadable + stats.expired;
        stats.bytes = gathered.bytes;
        stats.contested = gathered.contested;
        stats.dropped = gathered.dropped;
    }
    return stats;
}

/* ---- the outcome ------------------------------------------------------------ */

static uint32_t chunks_there(const struct ic_store *s, const struct ic_rebuilt *v)
{
    uint32_t count = 0;
    for (int i = 0; i < v->data + v->parity; i++) {
        count += ic_pool_holds(s->setup.pool, v->place[i].function, v->place[i].serial);
    }
    return count;
}

static struct ic_object *make_object(struct ic_store *s, const struct ic_rebuilt *v)
{
    struct ic_journal_object record = {
        .id = v->id,
        .size = v->size,
        .version = v->version,
        .unit = v->unit,
        .key_len = (uint32_t)v->key.len,
        .data = v->data,
        .parity = v->parity,
    };
    struct ic_object *o = ic_store_restore_draft(s, &record);
    for (uint16_t i = 0; o != NULL && i < v->data + v->parity; i++) {
        const struct ic_rebuild_place *from = &v->place[i];
        o->place[i].function = from->serial == 0 ? IC_FUNCTION_NONE : from->function;
        if (ic_pool_holds(s->setup.pool, from->function, from->serial)) {
            ic_pool_restore_chunk(s->setup.pool, from->function, from->serial, o->chunk_cost);
            ic_store_set_place(s, o, i, IC_CHUNK_HELD, from->serial);
        }
    }
    return o;
}

/* The key shows the version; both records are queued. */
static int restore(struct ic_store *s, const struct ic_rebuilt *v, int64_t wall_ms)
{
    struct ic_object *o = make_object(s, v);
    if (o == NULL) {
        return IC_ENOMEM;
    }
    struct ic_entry *e =
        ic_catalog_entry_new(s->catalog, v->key, ic_store_next_id(s), v->expires_ms);
    if (e == NULL) {
        return IC_ENOMEM;
    }
    e->accessed_ms = wall_ms;
    int result = ic_store_attach(s, e, o);
    if (result < 0) {
        ic_catalog_entry_free(s->catalog, e);
        return result;
    }
    ic_store_touched(s, v->key); /* a WATCH came before */
    result = ic_store_journal_object(s, o);
    return result < 0 ? result : ic_store_journal_entry(s, e);
}

static int take(struct ic_store *s, const struct ic_rebuilt *v, int64_t wall_ms)
{
    if (v->expires_ms != 0 && v->expires_ms <= wall_ms) {
        s->rebuilt.expired++;
    } else if (chunks_there(s, v) < v->data) {
        s->rebuilt.unreadable++;
    } else {
        s->rebuilt.restored++;
        return restore(s, v, wall_ms);
    }
    ic_rebuild_refuse(s->rebuild, v);
    return 0;
}

static void end(struct ic_store *s)
{
    s->rebuilt = ic_store_rebuild_stats(s);
    ic_rebuild_free(s->rebuild);
    s->rebuild = NULL;
    s->rebuild_settling = false;
    for (uint32_t i = 0; s->setup.condemned != NULL && i < ic_pool_count(s->setup.pool); i++) {
        s->setup.condemned(s->setup.ctx, (uint16_t)i);
    }
}

/* One name, or one version if all names are decided. *UNITS: of a step's slice. *MORE false: that
 * was all. */
static int step(struct ic_store *s, int64_t wall_ms, uint64_t *units, bool *more)
{
    struct ic_rebuilt v;
    *units = 1;
    int result = ic_rebuild_decide_name(s->rebuild);
    if (result != 0) {
        return result;
    }
    enum ic_rebuild_next next = ic_rebuild_next(s->rebuild, &v);
    *more = next != IC_REBUILD_END;
    if (next != IC_REBUILD_SHOWN) {
        return 0;
    }
    *units += v.key.len / IC_STORE_KEY_UNIT_BYTES;
    return take(s, &v, wall_ms);
}

int ic_store_rebuild_step(struct ic_store *s, int64_t wall_ms)
{
    int result = s->rebuild_result;
    bool more = true;
    uint64_t units;
    s->rebuild_settling = true;
    for (uint64_t done = 0; done < IC_STORE_REBUILD_SLICE && more && result >= 0; done += units) {
        result = step(s, wall_ms, &units, &more);
    }
    if (result >= 0) {
        result = ic_journal_commit(s->setup.journal);
    }
    if (result < 0) {
        return result;
    }
    if (!more) {
        end(s);
    }
    return more;
}
