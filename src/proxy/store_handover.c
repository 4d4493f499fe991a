#include "proxy/store_internal.h"

#include "core/repair.h"
#include "proto/link_body.h"

#include <assert.h>

/*
 * A chunk moves from a dying instance to another function:
 *
 *   HELD (dying) --move_begin: the proxy has its bytes--> WRITING --commit--> HELD (the new one)
 *                                                             '-- move_end --> LOST
 *
 * While it is WRITING it counts as held (ic_object.moving): its bytes are there, though no instance
 * answers for them, and an object that is short of them must not be purged.
 *
 * A draft's chunk moves without all that: it is written anew.
 */

/* Instance SERIAL is there, and is not being ended. */
static bool stays(const struct ic_store *s, const struct ic_chunk_place *place, uint32_t serial)
{
    const struct ic_pool_instance *instance = ic_pool_find(s->setup.pool, place->function, serial);
    return instance != NULL && !instance->dying;
}

/* Instance SERIAL of FUNCTION has the chunk, and nobody else who stays. */
static bool is_only_on(const struct ic_store *s, const struct ic_object *o, uint16_t chunk,
                       uint16_t function, uint32_t serial)
{
    const struct ic_chunk_place *place = &o->place[chunk];
    if (place->state != IC_CHUNK_HELD || place->function != function) {
        return false;
    }
    if (place->instance == serial) {
        return !ic_place_copied(place) || !stays(s, place, place->backup);
    }
    return ic_place_copied(place) && place->backup == serial && !stays(s, place, place->instance);
}

struct ic_object *ic_store_last_copy(const struct ic_store *s, uint16_t function, uint32_t serial,
                                     const struct ic_item *item)
{
    struct ic_slice key;
    int64_t expires_ms;
    struct ic_object *o = ic_store_object(s, item->object_id);
    if (o == NULL || item->chunk >= ic_object_chunks(o) || !ic_store_item_right(o, item) ||
        !is_only_on(s, o, item->chunk, function, serial) ||
        !ic_store_seal_key(o, &key, &expires_ms)) {
        return NULL;
    }
    return o;
}

int ic_store_spare(const struct ic_store *s, const struct ic_object *o)
{
    int left = o->moving;
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        const struct ic_chunk_place *place = &o->place[i];
        left += place->state == IC_CHUNK_HELD &&
                (stays(s, place, place->instance) ||
                 (ic_place_copied(place) && stays(s, place, place->backup)));
    }
    return left - (int)o->data;
}

/* ---- a new place ------------------------------------------------------------------ */

/* A WRITE to it costs no further invocation. */
static bool is_at_hand(const struct ic_pool_function *f)
{
    return f->state == IC_FUNCTION_ACTIVE ||
           (f->state == IC_FUNCTION_INVOKING && f->kind == IC_INVOKE_SERVE);
}

/* OWN: the function that the chunk is on will do. */
static int choose(struct ic_store *s, const struct ic_object *o, uint16_t chunk, bool own,
                  bool at_hand, uint16_t *function)
{
    uint16_t taken[IC_PLACEMENT_MAX];
    uint32_t taken_count = 0, count = ic_pool_count(s->setup.pool);
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        bool other = i != chunk && ic_store_fate(s, o, (uint16_t)i) != IC_FATE_LOST;
        if (other || (i == chunk && !own)) {
            taken[taken_count++] = o->place[i].function;
        }
    }
    ic_store_fill_candidates(s);
    for (uint32_t i = 0; at_hand && i < count; i++) {
        if (!is_at_hand(ic_pool_function(s->setup.pool, (uint16_t)i)) || s->candidate[i].down) {
            s->candidate[i].room = 0;
        }
    }
    int found = ic_repair_places(s->candidate, count, taken, taken_count, o->chunk_cost, 1,
                                 s->setup.rng, function);
    return found < 0 ? found : 0;
}

int ic_store_move_begin(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint16_t function,
                        uint32_t serial)
{
    uint16_t to;
    if (ic_store_object(s, o->id) != o || !is_only_on(s, o, chunk, function, serial)) {
        return IC_ENOENT;
    }
    if (!ic_store_writable(s)) {
        return IC_EIO;
    }
    int result = choose(s, o, chunk, true, true, &to);
    result = result < 0 ? choose(s, o, chunk, true, false, &to) : result;
    if (result < 0) {
        return result;
    }
    ic_store_give_up(s, o, chunk);
    ic_store_plan_place(s, o, chunk, to);
    o->moving++;
    ic_store_pin(s, o);
    return 0;
}

int ic_store_move_draft(struct ic_store *s, struct ic_object *draft, uint16_t chunk)
{
    uint16_t to;
    assert(draft->place[chunk].state == IC_CHUNK_WRITING);
    int result = choose(s, draft, chunk, false, false, &to);
    if (result < 0) {
        return result;
    }
    ic_store_give_up(s, draft, chunk);
    ic_store_plan_place(s, draft, chunk, to);
    return 0;
}

/* ---- the end ---------------------------------------------------------------------- */

int ic_store_move_commit(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                         void (*done)(void *ctx, int result), void *ctx)
{
    assert(o->moving > 0);
    int result = ic_store_repair_commit(s, o, UINT64_C(1) << chunk, done, ctx);
    if (result != IC_ENOENT) { /* then it is still WRITING */
        o->moving--;
    }
    return result;
}

void ic_store_move_end(struct ic_store *s, struct ic_object *o, uint16_t chunk)
{
    if (o->place[chunk].state == IC_CHUNK_WRITING) {
        assert(o->moving > 0);
        o->moving--;
        ic_store_give_up(s, o, chunk);
        s->stats.lost_chunks += o->state == IC_OBJECT_COMMITTED;
    }
    if (o->state == IC_OBJECT_COMMITTED && ic_store_unreadable(s, o)) {
        ic_store_purge(s, o);
    } else {
        ic_store_tell_degraded(s, o, IC_DEGRADED_SWEEP);
    }
    ic_store_unpin(s, o);
}
