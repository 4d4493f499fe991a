#include "proxy/store_internal.h"

#include <assert.h>

/*
 * A chunk on two instances of its function. Which of them came first means nothing; either may go:
 *
 *   instance A --copy_begin--> A, B being written --copy_end--> A and B --A is gone--> B
 *        ^                           |                            |
 *        '------- B is gone, or the copy failed: condemned -------'
 */

enum { JOURNAL_BATCH = 256 }; /* copies that one transaction of their own may wait for */

static bool holds(const struct ic_store *s, const struct ic_chunk_place *place, uint32_t serial)
{
    return serial != 0 && ic_pool_holds(s->setup.pool, place->function, serial);
}

bool ic_store_held(const struct ic_store *s, const struct ic_object *o, uint16_t chunk)
{
    const struct ic_chunk_place *place = &o->place[chunk];
    return place->state == IC_CHUNK_HELD &&
           (holds(s, place, place->instance) ||
            (ic_place_copied(place) && holds(s, place, place->backup)));
}

bool ic_store_has_copy(const struct ic_store *s, const struct ic_object *o, uint16_t chunk)
{
    const struct ic_chunk_place *place = &o->place[chunk];
    return place->state == IC_CHUNK_HELD && ic_place_copied(place) &&
           holds(s, place, place->instance) && holds(s, place, place->backup);
}

uint32_t ic_store_holder(const struct ic_store *s, const struct ic_object *o, uint16_t chunk)
{
    const struct ic_chunk_place *place = &o->place[chunk];
    if (place->state != IC_CHUNK_HELD || !ic_place_copied(place)) {
        return place->instance;
    }
    const struct ic_pool_instance *first =
        ic_pool_find(s->setup.pool, place->function, place->instance);
    const struct ic_pool_instance *second =
        ic_pool_find(s->setup.pool, place->function, place->backup);
    bool take_second = second != NULL && (first == NULL || (first->away && !second->away));
    return take_second ? place->backup : place->instance;
}

uint64_t ic_store_uncopied(const struct ic_store *s, uint16_t function)
{
    return s->uncopied[function];
}

uint64_t ic_store_sealed_bytes(const struct ic_store *s, uint16_t function)
{
    return s->evictable[function];
}

uint64_t ic_store_copies(const struct ic_store *s)
{
    return s->copies;
}

/* Its two instances are apart, and neither is under way to or from an invocation of the other. */
static bool is_apart(const struct ic_pool_function *f)
{
    return f->peer.state == IC_FUNCTION_ABSENT && !f->peer.response_due;
}

struct ic_backup_view ic_store_backup_view(const struct ic_store *s, uint16_t function,
                                           uint64_t now_ms)
{
    struct ic_pool *pool = s->setup.pool;
    const struct ic_pool_function *f = ic_pool_function(pool, function);
    const struct ic_pool_instance *current = ic_pool_find(pool, function, f->current);
    const struct ic_pool_instance *sibling = ic_pool_sibling(pool, function);
    uint64_t sealed = ic_store_sealed_bytes(s, function);
    return (struct ic_backup_view){
        .able = is_apart(f) && current != NULL &&
                (f->state == IC_FUNCTION_ACTIVE || ic_pool_may_invoke(pool, function, now_ms)),
        .turned = current != NULL && sibling != NULL && current->live<sealed, .holds = sealed> 0,
        .uncopied = ic_store_uncopied(s, function),
        .owed = sibling == NULL ? 0 : sibling->condemned,
        .age_ms = current == NULL || current->since_ms == 0 ? 0 : now_ms - current->since_ms,
    };
}

/* ---- holders that go -------------------------------------------------------- */

void ic_store_drop_holder(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t serial)
{
    struct ic_chunk_place place = o->place[chunk];
    assert(place.state == IC_CHUNK_HELD && serial != 0);
    if (serial == place.instance && !ic_place_copied(&place)) {
        ic_pool_condemn(s->setup.pool, place.function, place.backup, o->id, chunk, o->chunk_cost,
                        IC_POOL_FROM_IN_FLIGHT);
        ic_store_set_place(s, o, chunk, IC_CHUNK_LOST, 0);
        return;
    }
    if (serial == place.instance) {
        place.instance = place.backup;
    } else {
        assert(serial == place.backup);
    }
    place.backup = 0;
    place.marks = 0;
    ic_store_put_place(s, o, chunk, place);
}

void ic_store_drop_gone(struct ic_store *s, struct ic_object *o)
{
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        const struct ic_chunk_place *place = &o->place[i];
        if (place->state == IC_CHUNK_HELD && place->backup != 0 &&
            !holds(s, place, place->backup)) {
            ic_store_drop_holder(s, o, (uint16_t)i, place->backup);
        }
        if (place->state == IC_CHUNK_HELD && !holds(s, place, place->instance)) {
            ic_store_drop_holder(s, o, (uint16_t)i, place->instance);
        }
    }
}

void ic_store_lost(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t serial)
{
    const struct ic_chunk_place *place = &o->place[chunk];
    bool second = ic_place_copied(place) && serial == place->backup;
    if (serial != place->instance && !second) {
        return; /* it was found where it is not any more: a repair, or a copy, took its place */
    }
    if (place->state != IC_CHUNK_HELD) {
        ic_store_give_up(s, o, chunk);
        return;
    }
    ic_pool_condemn(s->setup.pool, place->function, serial, o->id, chunk, o->chunk_cost,
                    IC_POOL_FROM_LIVE);
    ic_store_drop_holder(s, o, chunk, serial);
    if (s->setup.condemned != NULL) {
        s->setup.condemned(s->setup.ctx, place->function);
    }
    if (place->state == IC_CHUNK_LOST && o->state == IC_OBJECT_COMMITTED) {
        s->stats.lost_chunks++;
        ic_store_tell_degraded(s, o, IC_DEGRADED_READ);
    }
}

enum ic_chunk_fate ic_store_fate(const struct ic_store *s, const struct ic_object *o,
                                 uint16_t chunk)
{
    const struct ic_chunk_place *place = &o->place[chunk];
    const struct ic_pool_instance *instance;
    switch ((enum ic_chunk_state)place->state) {
    case IC_CHUNK_WRITING:
        return IC_FATE_WRITING;
    case IC_CHUNK_HELD:
        instance = ic_pool_find(s->setup.pool, place->function, ic_store_holder(s, o, chunk));
        return instance == NULL ? IC_FATE_LOST
               : instance->away ? IC_FATE_UNREACHABLE
                                : IC_FATE_HELD;
    case IC_CHUNK_LOST:
        break;
    }
    return IC_FATE_LOST;
}

/* ---- copying ---------------------------------------------------------------- */

struct scan {
    struct ic_store *s;
    uint16_t function;
    uint32_t a, b;
    void (*visit)(void *ctx, struct ic_object *o, uint16_t chunk, uint32_t from);
    void *ctx;
};

/* Shown by a key, or about to be: not one that a flush has taken and that is being taken apart. */
static bool shown(const struct ic_store *s, const struct ic_object *o)
{
    return o->state == IC_OBJECT_COMMITTED && ic_store_is_current(s, o);
}

static bool lies_on(const struct ic_chunk_place *place, uint32_t serial)
{
    return place->instance == serial || (ic_place_copied(place) && place->backup == serial);
}

static void scan_object(struct ic_object *o, void *ctx)
{
    const struct scan *scan = ctx;
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        const struct ic_chunk_place *place = &o->place[i];
        if (place->function != scan->function || place->state != IC_CHUNK_HELD ||
            (place->marks & IC_PLACE_COPYING) != 0 || !shown(scan->s, o)) {
            continue;
        }
        bool on_a = lies_on(place, scan->a), on_b = lies_on(place, scan->b);
        if (on_a != on_b) {
            scan->visit(scan->ctx, o, (uint16_t)i, on_a ? scan->a : scan->b);
        }
    }
}

uint64_t ic_store_scan_uncopied(
    struct ic_store *s, uint16_t function, uint32_t a, uint32_t b, uint64_t cursor,
    void (*visit)(void *ctx, struct ic_object *o, uint16_t chunk, uint32_t from), void *ctx)
{
    struct scan scan = {.s = s, .function = function, .a = a, .b = b, .visit = visit, .ctx = ctx};
    return ic_catalog_object_scan(s->catalog, cursor, scan_object, &scan);
}

void ic_store_copy_begin(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t from,
                         uint32_t to)
{
    struct ic_chunk_place place = o->place[chunk];
    assert(place.state == IC_CHUNK_HELD && (place.marks & IC_PLACE_COPYING) == 0);
    assert(lies_on(&place, from) && !lies_on(&place, to));
    uint32_t third = from == place.instance ? place.backup : place.instance;
    ic_pool_condemn(s->setup.pool, place.function, third, o->id, chunk, o->chunk_cost,
                    IC_POOL_FROM_LIVE);
    place.instance = from;
    place.backup = to;
    place.marks = IC_PLACE_COPYING;
    ic_store_put_place(s, o, chunk, place);
    ic_pool_copy(s->setup.pool, place.function, to, o->chunk_cost);
    ic_store_pin(s, o);
}

/* A restart may forget a copy that is not in the journal; listing its instance finds it. */
static void journal_copy(struct ic_store *s, struct ic_object *o)
{
    if (shown(s, o) && ic_store_writable(s) && ic_store_journal_object(s, o) >= 0 &&
        ++s->unjournalled >= JOURNAL_BATCH) {
        ic_store_journal_copies(s);
    }
}

void ic_store_copy_end(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t to,
                       bool sealed)
{
    struct ic_chunk_place place = o->place[chunk];
    if (place.backup == to && (place.marks & IC_PLACE_COPYING) != 0) {
        place.marks = 0;
        if (sealed) {
            ic_pool_sealed(s->setup.pool, place.function, to, o->chunk_cost, o->chunk_cost);
        } else {
            place.backup = 0;
            ic_pool_condemn(s->setup.pool, place.function, to, o->id, chunk, o->chunk_cost,
                            IC_POOL_FROM_IN_FLIGHT);
        }
        ic_store_put_place(s, o, chunk, place);
        if (sealed) {
            journal_copy(s, o);
        } else if (s->setup.condemned != NULL) {
            s->setup.condemned(s->setup.ctx, place.function);
        }
    }
    ic_store_unpin(s, o);
}

void ic_store_journal_copies(struct ic_store *s)
{
    if (s->unjournalled > 0) {
        s->unjournalled = 0;
        ic_store_need_turn_end(s);
    }
}
