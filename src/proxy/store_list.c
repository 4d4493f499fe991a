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
 * A LOST chunk whose function is not known (its function had not answered when the catalog was
 * rebuilt) is adopted by any function that has no other chunk of the object.
 *
 * HELD elsewhere by an instance whose memory is gone counts as LOST. HELD elsewhere by one that is
 * there: a right item is the copy on a second instance, if there is none yet; one that is being
 * copied to the listed instance is left as it is.
 *
 * At the end the whole catalog is looked at, a slice each turn, and meanwhile chunks are sealed and
 * lost as ever. So a place says in which round its instance was known to have the chunk, be it that
 * it was sealed or that it was listed; a list begins a new round, odd or even, and what is of the
 * other one when it is looked at is missing:
 *
 *   NONE --list_begin, a new round--> BEGUN --list_end--> ENDED --> LOOKED_FOR --all seen--> NONE
 *                                       ^                   |           |
 *                                       '---list_begin------'-----------'
 *
 * The last: no new round, since not everything has been seen in this one. What is missing then, and
 * was listed before, is found by who reads it.
 */
enum list { LIST_NONE, LIST_BEGUN, LIST_ENDED, LIST_LOOKED_FOR };

static bool round_of(const struct ic_store *s, uint16_t function, uint32_t serial)
{
    const struct ic_pool_instance *instance = ic_pool_find(s->setup.pool, function, serial);
    return instance != NULL && instance->odd_round;
}

/* SERIAL was known to have it in an odd round: this one, unless it had it BEFORE. */
static bool is_odd(const struct ic_store *s, const struct ic_chunk_place *before, uint32_t serial)
{
    bool held = before->state == IC_CHUNK_HELD;
    if (held && before->instance == serial) {
        return (before->marks & IC_PLACE_LISTED) != 0;
    }
    if (held && before->backup == serial && ic_place_copied(before)) {
        return (before->marks & IC_PLACE_BACKUP_LISTED) != 0;
    }
    return round_of(s, before->function, serial);
}

uint8_t ic_store_marks(const struct ic_store *s, const struct ic_chunk_place *before,
                       const struct ic_chunk_place *place)
{
    int marks = place->marks & IC_PLACE_COPYING;
    if (place->state == IC_CHUNK_HELD) {
        marks |= is_odd(s, before, place->instance) ? IC_PLACE_LISTED : 0;
        marks |= is_odd(s, before, place->backup) ? IC_PLACE_BACKUP_LISTED : 0;
    }
    return (uint8_t)marks;
}

/* SERIAL, which should have it, has it. */
static void mark_listed(const struct ic_store *s, struct ic_chunk_place *place, uint32_t serial)
{
    int mark = place->instance == serial ? IC_PLACE_LISTED : IC_PLACE_BACKUP_LISTED;
    bool odd = round_of(s, place->function, serial);
    place->marks = (uint8_t)(odd ? place->marks | mark : place->marks & ~mark);
}

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

static bool has_chunk(const struct ic_object *o, uint16_t function)
{
    bool found = false;
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        found |= o->place[i].state != IC_CHUNK_LOST && o->place[i].function == function;
    }
    return found;
}

/* The object whose chunk the item should be; NULL: no such chunk on that function. */
static struct ic_object *wanted(const struct ic_store *s, uint16_t function,
                                const struct ic_item *item)
{
    struct ic_object *o = ic_catalog_object(s->catalog, item->object_id);
    if (o == NULL || item->chunk >= ic_object_chunks(o)) {
        return NULL;
    }
    uint16_t of = o->place[item->chunk].function;
    return of == function || (of == IC_FUNCTION_NONE && !has_chunk(o, function)) ? o : NULL;
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

/* After a restart what the journal says is held is waited for. */
static void save_places(struct ic_store *s, const struct ic_object *o)
{
    if (o->state == IC_OBJECT_COMMITTED && ic_store_writable(s)) {
        int result = ic_store_journal_object(s, o);
        ic_store_need_turn_end(s);
        s->list_units += IC_STORE_SAVE_UNITS;
        (void)result; /* the journal is failed: it is begun anew, or not used again */
    }
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
    ic_pool_restore_chunk(s->setup.pool, place.function, serial, o->chunk_cost);
    ic_store_put_place(s, o, item->chunk, place);
    save_places(s, o);
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
        mark_listed(s, place, serial);
    } else {
        missing(s, o, item->chunk, serial);
        condemn_item(s, place->function, serial, item);
    }
}

static void item_lost(struct ic_store *s, struct ic_object *o, uint16_t function, uint32_t serial,
                      const struct ic_item *item)
{
    struct ic_chunk_place *place = &o->place[item->chunk];
    if (!ic_store_item_right(o, item) || o->state == IC_OBJECT_DRAFT) {
        condemn_item(s, function, serial, item);
        return;
    }
    place->function = function; /* it may have been IC_FUNCTION_NONE */
    ic_pool_restore_chunk(s->setup.pool, function, serial, o->chunk_cost);
    ic_store_set_place(s, o, item->chunk, IC_CHUNK_HELD, serial);
    save_places(s, o);
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
    instance->odd_round ^= instance->list == LIST_NONE;
    instance->list = LIST_BEGUN;
    /* What is queued to be deleted is in the list, or gone: the list queues it again. */
    struct ic_condemned condemned;
    while (ic_condemned_pop(&instance->condemned_queue, &condemned)) {
        ic_pool_deleted(s->setup.pool, function, serial, &condemned);
    }
}

static void list_item(struct ic_store *s, uint16_t function, uint32_t serial,
                      const struct ic_item *item)
{
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
            item_lost(s, o, function, serial, item);
        }
        break;
    case IC_CHUNK_LOST:
        item_lost(s, o, function, serial, item);
        break;
    }
}

uint32_t ic_store_list_item(struct ic_store *s, uint16_t function, uint32_t serial,
                            const struct ic_item *item)
{
    s->list_units = item->sealed ? (uint32_t)item->seal.key.len / IC_STORE_KEY_UNIT_BYTES : 0;
    if (s->rebuild != NULL) {
        ic_store_rebuild_item(s, function, serial, item);
    } else {
        list_item(s, function, serial, item);
    }
    return s->list_units;
}

/* SERIAL should have it: was it known to, in its last round? */
static void end_place(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t serial,
                      uint8_t mark)
{
    const struct ic_chunk_place *place = &o->place[chunk];
    const struct ic_pool_instance *instance = ic_pool_find(s->setup.pool, place->function, serial);
    if (instance != NULL && instance->list == LIST_LOOKED_FOR &&
        ((place->marks & mark) != 0) != instance->odd_round) {
        missing(s, o, chunk, serial);
    }
}

static void end_object(struct ic_object *o, void *ctx)
{
    struct ic_store *s = ctx;
    for (uint16_t i = 0; i < ic_object_chunks(o); i++) {
        const struct ic_chunk_place place = o->place[i];
        if (place.state == IC_CHUNK_HELD && ic_place_copied(&place)) {
            end_place(s, o, i, place.backup, IC_PLACE_BACKUP_LISTED);
        }
        if (place.state == IC_CHUNK_HELD) {
            end_place(s, o, i, place.instance, IC_PLACE_LISTED);
        }
    }
}

/* Lists that are FROM are TO from now on. True: there are some. */
static bool turn_lists(struct ic_store *s, enum list from, enum list to)
{
    bool any = false;
    for (uint32_t f = 0; f < ic_pool_count(s->setup.pool); f++) {
        for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
            uint32_t serial = ic_pool_function(s->setup.pool, (uint16_t)f)->instance[k].serial;
            struct ic_pool_instance *i =
                serial == 0 ? NULL : ic_pool_find(s->setup.pool, (uint16_t)f, serial);
            if (i != NULL && i->list == from) {
                i->list = (uint8_t)to;
                any = true;
            }
        }
    }
    return any;
}

/* A list that ends while others are looked for is looked for after them. */
static void begin_to_look(struct ic_store *s)
{
    s->end_lists = turn_lists(s, LIST_ENDED, LIST_LOOKED_FOR);
    s->end_cursor = 0;
}

bool ic_store_end_lists_some(struct ic_store *s)
{
    for (int i = 0; s->end_lists && i < IC_STORE_LIST_SLICE; i++) {
        s->end_cursor = ic_catalog_object_scan(s->catalog, s->end_cursor, end_object, s);
        if (s->end_cursor == 0) {
            turn_lists(s, LIST_LOOKED_FOR, LIST_NONE);
            begin_to_look(s);
            ic_store_sweep(s, IC_DEGRADED_SWEEP);
        }
    }
    return s->end_lists;
}

void ic_store_list_end(struct ic_store *s, uint16_t function, uint32_t serial)
{
    struct ic_pool_instance *instance = ic_pool_find(s->setup.pool, function, serial);
    if (instance == NULL) {
        return;
    }
    if (s->rebuild != NULL) {
        instance->list = LIST_NONE;
        if (s->rebuild_settling) {
            ic_pool_set_known(instance, false); /* too late: its next HELLO is listed again */
        }
        return;
    }
    instance->list = LIST_ENDED;
    if (!s->end_lists) {
        begin_to_look(s);
    }
    if (s->setup.condemned != NULL) {
        s->setup.condemned(s->setup.ctx, function);
    }
}
