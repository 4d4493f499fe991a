#include "proxy/store_internal.h"

#include "proto/frame.h"
#include "proto/link_body.h"

/*
 * An instance says what is on it; the catalog says what should be.
 *
 *                        catalog: HELD by it   HELD elsewhere   WRITING       LOST     no such
 * chunk item sealed, right            listed       condemn it       leave it      adopt    condemn
 * it item unsealed or wrong        lost,        condemn it       leave it      condemn  condemn it
 *                                 condemn it                                  it
 *   no item at the end            lost         -                leave it      -        -
 *
 * HELD elsewhere by an instance whose memory is gone counts as LOST. HELD elsewhere by one that is
 * there: a right item is the copy on a second instance, if there is none yet; one that is being
 * copied to the listed instance is left as it is.
 */

static uint64_t item_cost(const struct ic_item *item)
{
    return ic_chunk_cost(item->seal.chunk_length, item->seal.unit,
                         item->sealed ? item->seal.key.len : 0);
}

static void condemn_item(struct ic_store *s, uint16_t function, uint32_t serial,
                         const struct ic_item *item)
{
    ic_pool_condemn(s->setup.pool, function, serial, item->object_id, item->chunk, item_cost(item),
                    IC_POOL_FROM_LIST);
}

/* The object whose chunk the item should be; NULL: no such chunk on that function. */
static struct ic_object *wanted(const struct ic_store *s, uint16_t function,
                                const struct ic_item *item)
{
    struct ic_object *o = ic_catalog_object(s->catalog, item->object_id);
    if (o == NULL || item->chunk >= ic_object_chunks(o) ||
        o->place[item->chunk].function != function) {
        return NULL;
    }
    return o;
}

bool ic_store_item_right(const struct ic_object *o, const struct ic_item *item)
{
    return item->sealed && item->seal.chunk_length == o->chunk_length &&
           item->seal.object_size == o->size && item_cost(item) == o->chunk_cost;
}

/* A held chunk is not on SERIAL after all. */
static void missing(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t serial)
{
    ic_pool_missing(s->setup.pool, o->place[chunk].function, serial, o->chunk_cost);
    ic_store_drop_holder(s, o, chunk, serial);
    s->stats.lost_chunks +=
        o->state == IC_OBJECT_COMMITTED && o->place[chunk].state == IC_CHUNK_LOST;
}

static void item_is_copy(struct ic_store *s, struct ic_object *o, uint32_t serial,
                         const struct ic_item *item)
{
    struct ic_chunk_place place = o->place[item->chunk];
    if (place.backup != 0 || !ic_store_item_right(o, item) || o->state == IC_OBJECT_DRAFT) {
        condemn_item(s, place.function, serial, item);
        return;
    }
    place.backup = serial;
    place.marks |= IC_PLACE_BACKUP_LISTED;
    ic_pool_restore_chunk(s->setup.pool, place.function, serial, o->chunk_cost);
    ic_store_put_place(s, o, item->chunk, place);
}

static void item_held(struct ic_store *s, struct ic_object *o, uint32_t serial,
                      const struct ic_item *item)
{
    struct ic_chunk_place *place = &o->place[item->chunk];
    if (place->instance != serial && place->backup != serial) {
        item_is_copy(s, o, serial, item);
    } else if (place->backup == serial && (place->marks & IC_PLACE_COPYING) != 0) {
        return;
    } else if (ic_store_item_right(o, item)) {
        place->marks |= place->instance == serial ? IC_PLACE_LISTED : IC_PLACE_BACKUP_LISTED;
    } else {
        missing(s, o, item->chunk, serial);
        condemn_item(s, place->function, serial, item);
    }
}

static void item_lost(struct ic_store *s, struct ic_object *o, uint32_t serial,
                      const struct ic_item *item)
{
    struct ic_chunk_place *place = &o->place[item->chunk];
    if (!ic_store_item_right(o, item) || o->state == IC_OBJECT_DRAFT) {
        condemn_item(s, place->function, serial, item);
        return;
    }
    ic_pool_restore_chunk(s->setup.pool, place->function, serial, o->chunk_cost);
    ic_store_set_place(s, o, item->chunk, IC_CHUNK_HELD, serial);
    place->marks |= IC_PLACE_LISTED;
}

/*
 * The item may be what is being written there. Not if it is sealed although nothing of the chunk is
 * known to be written yet: a repair puts a chunk where a wrong one of the same name was, whose
 * DELETE is still to come. (A draft's chunk without bytes is written by its seal alone.)
 */
static bool being_written(const struct ic_object *o, uint32_t serial, const struct ic_item *item)
{
    uint32_t instance = o->place[item->chunk].instance;
    bool old = instance == 0 && item->sealed && o->chunk_length > 0;
    return !old && (instance == 0 || instance == serial);
}

void ic_store_list_begin(struct ic_store *s, uint16_t function, uint32_t serial)
{
    struct ic_pool_instance *instance = ic_pool_find(s->setup.pool, function, serial);
    if (instance == NULL) {
        return;
    }
    /* What is queued to be deleted is in the list, or gone: the list queues it again. */
    struct ic_pool_condemned *condemned;
    while ((condemned = ic_pool_condemned_pop(instance)) != NULL) {
        ic_pool_deleted(s->setup.pool, function, serial, condemned);
    }
}

void ic_store_list_item(struct ic_store *s, uint16_t function, uint32_t serial,
                        const struct ic_item *item)
{
    if (s->rebuild != NULL) {
        ic_store_rebuild_item(s, function, serial, item);
        return;
    }
    struct ic_object *o = wanted(s, function, item);
    if (o == NULL) {
        condemn_item(s, function, serial, item);
        return;
    }
    const struct ic_chunk_place *place = &o->place[item->chunk];
    switch ((enum ic_chunk_state)place->state) {
    case IC_CHUNK_WRITING:
        if (!being_written(o, serial, item)) {
            condemn_item(s, function, serial, item);
        }
        break;
    case IC_CHUNK_HELD:
        if (place->instance == serial || place->backup == serial ||
            ic_store_held(s, o, item->chunk)) {
            item_held(s, o, serial, item);
        } else {
            item_lost(s, o, serial, item);
        }
        break;
    case IC_CHUNK_LOST:
        item_lost(s, o, serial, item);
        break;
    }
}

struct list_end {
    struct ic_store *s;
    uint16_t function;
    uint32_t serial;
};

/* SERIAL should have it: has it said so? */
static void end_place(const struct list_end *end, struct ic_object *o, uint16_t chunk, uint8_t mark)
{
    struct ic_chunk_place *place = &o->place[chunk];
    if ((place->marks & mark) == 0) {
        missing(end->s, o, chunk, end->serial);
    }
    place->marks &= (uint8_t)~mark;
}

static void end_object(struct ic_object *o, void *ctx)
{
    const struct list_end *end = ctx;
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        const struct ic_chunk_place *place = &o->place[i];
        if (place->function != end->function || place->state != IC_CHUNK_HELD) {
            continue;
        }
        if (place->instance == end->serial) {
            end_place(end, o, (uint16_t)i, IC_PLACE_LISTED);
        } else if (place->backup == end->serial && (place->marks & IC_PLACE_COPYING) == 0) {
            end_place(end, o, (uint16_t)i, IC_PLACE_BACKUP_LISTED);
        }
    }
}

void ic_store_list_end(struct ic_store *s, uint16_t function, uint32_t serial)
{
    if (s->rebuild != NULL) {
        struct ic_pool_instance *instance = ic_pool_find(s->setup.pool, function, serial);
        if (s->rebuild_settling && instance != NULL) {
            ic_pool_set_known(instance, false); /* too late: its next HELLO is listed again */
        }
        return;
    }
    struct list_end end = {.s = s, .function = function, .serial = serial};
    ic_catalog_object_each(s->catalog, end_object, &end);
    ic_store_sweep(s, IC_DEGRADED_SWEEP);
    if (s->setup.condemned != NULL) {
        s->setup.condemned(s->setup.ctx, function);
    }
}
