#include "proxy/store_internal.h"

#include "core/repair.h"

#include <assert.h>

/* ---- finding what lacks chunks ----------------------------------------------- */

uint32_t ic_store_lost_count(const struct ic_store *s, const struct ic_object *o)
{
    uint32_t lost = 0;
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        lost += ic_store_fate(s, o, (uint16_t)i) == IC_FATE_LOST;
    }
    return lost;
}

/* Some key shows it: not flushed, not deleted, not evicted. */
static bool is_shown(const struct ic_store *s, const struct ic_object *o)
{
    return o->state == IC_OBJECT_COMMITTED && !o->evicted && ic_store_is_current(s, o);
}

struct ic_object *ic_store_object(const struct ic_store *s, uint64_t id)
{
    struct ic_object *o = ic_catalog_object(s->catalog, id);
    return o != NULL && is_shown(s, o) ? o : NULL;
}

void ic_store_tell_degraded(struct ic_store *s, struct ic_object *o, enum ic_degraded found)
{
    if (s->setup.degraded != NULL && is_shown(s, o) && ic_store_lost_count(s, o) > 0) {
        s->setup.degraded(s->setup.ctx, o, found);
    }
}

void ic_store_read_ended(struct ic_store *s, struct ic_object *o, bool decoded)
{
    s->stats.degraded_reads += decoded;
    ic_store_tell_degraded(s, o, IC_DEGRADED_READ);
}

void ic_store_sweep(struct ic_store *s, enum ic_degraded found)
{
    if (!s->sweep || found == IC_DEGRADED_ASKED) {
        s->sweep_found = found; /* who asked is served by a sweep that begins anew, too */
    }
    s->sweep = true;
    s->sweep_cursor = 0;
}

/* Purging only detaches keys; the objects leave the table at the turn's end. */
void ic_store_look(struct ic_store *s, struct ic_object *o, enum ic_degraded found)
{
    if (o->state != IC_OBJECT_COMMITTED || o->evicted) {
        return;
    }
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        if (o->place[i].state == IC_CHUNK_HELD && !ic_store_held(s, o, (uint16_t)i)) {
            ic_store_give_up(s, o, (uint16_t)i);
            s->stats.lost_chunks++;
        }
    }
    ic_store_drop_gone(s, o);
    if (ic_store_unreadable(s, o)) {
        ic_store_purge(s, o);
    } else {
        ic_store_tell_degraded(s, o, found);
    }
}

static void sweep_one(struct ic_object *o, void *ctx)
{
    struct ic_store *s = ctx;
    ic_store_look(s, o, s->sweep_found);
}

bool ic_store_sweep_some(struct ic_store *s)
{
    for (int i = 0; s->sweep && i < IC_STORE_SWEEP_SLICE; i++) {
        s->sweep_cursor = ic_catalog_object_scan(s->catalog, s->sweep_cursor, sweep_one, s);
        s->sweep = s->sweep_cursor != 0;
    }
    return s->sweep;
}

/* Since one of its keys was used, as far as they are looked at. */
static int64_t idle_ms(const struct ic_object *o, int64_t wall_ms)
{
    int64_t latest = 0;
    int looked = 0;
    for (const struct ic_list *node = o->entries.next;
         node != &o->entries && looked < IC_STORE_NAMES_LOOKED; node = node->next, looked++) {
        const struct ic_entry *e = IC_CONTAINER(node, struct ic_entry, sibling);
        latest = e->accessed_ms > latest ? e->accessed_ms : latest;
    }
    return wall_ms - latest;
}

uint32_t ic_store_repair_level(const struct ic_store *s, const struct ic_object *o, int64_t wall_ms)
{
    uint32_t held = ic_store_held_count(s, o);
    return ic_repair_level(idle_ms(o, wall_ms), held > o->data ? held - o->data : 0);
}

/* ---- repairing ---------------------------------------------------------------- */

bool ic_store_seal_key(const struct ic_object *o, struct ic_slice *key, int64_t *expires_ms)
{
    int looked = 0;
    for (const struct ic_list *node = o->entries.next;
         node != &o->entries && looked < IC_STORE_NAMES_LOOKED; node = node->next, looked++) {
        const struct ic_entry *e = IC_CONTAINER(node, struct ic_entry, sibling);
        if (e->key_len == o->key_len) {
            *key = ic_entry_key(e);
            *expires_ms = e->expires_ms;
            return true;
        }
    }
    return false;
}

/* The lost chunks of O; TAKEN: the functions that hold its others. */
static uint64_t lost_chunks(const struct ic_store *s, const struct ic_object *o, uint16_t *taken,
                            uint32_t *taken_count, uint32_t *held)
{
    uint64_t lost = 0;
    *taken_count = *held = 0;
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        enum ic_chunk_fate fate = ic_store_fate(s, o, (uint16_t)i);
        if (fate == IC_FATE_LOST) {
            lost |= UINT64_C(1) << i;
        } else {
            taken[(*taken_count)++] = o->place[i].function;
        }
        *held += fate == IC_FATE_HELD;
    }
    return lost;
}

int ic_store_repair_begin(struct ic_store *s, struct ic_object *o, uint64_t *chunks)
{
    uint16_t taken[IC_PLACEMENT_MAX], function[IC_PLACEMENT_MAX];
    uint32_t taken_count, held;
    struct ic_slice key;
    int64_t expires_ms;
    uint64_t lost = lost_chunks(s, o, taken, &taken_count, &held);
    if (lost == 0 || !is_shown(s, o)) {
        return IC_ENOENT;
    }
    if (!ic_store_writable(s)) {
        return IC_EIO;
    }
    if (!ic_store_seal_key(o, &key, &expires_ms)) {
        return IC_EINVAL;
    }
    if (held < o->data && o->size > 0) {
        return IC_EUNAVAIL;
    }
    ic_store_fill_candidates(s);
    int found = ic_repair_places(s->candidate, ic_pool_count(s->setup.pool), taken, taken_count,
                                 o->chunk_cost, (uint32_t)__builtin_popcountll(lost), s->setup.rng,
                                 function);
    if (found < 0) {
        return found;
    }
    *chunks = 0;
    for (int i = 0; i < found; i++, lost &= lost - 1) {
        uint16_t chunk = (uint16_t)__builtin_ctzll(lost);
        if (o->place[chunk].state == IC_CHUNK_HELD) { /* by an instance that is gone */
            ic_store_give_up(s, o, chunk);
            s->stats.lost_chunks++;
        }
        ic_store_plan_place(s, o, chunk, function[i]);
        *chunks |= UINT64_C(1) << chunk;
    }
    ic_store_pin(s, o);
    return 0;
}

void ic_store_repair_failed(struct ic_store *s, struct ic_object *o, uint16_t chunk)
{
    assert(o->place[chunk].state == IC_CHUNK_WRITING);
    ic_store_give_up(s, o, chunk);
}

static void give_up_all(struct ic_store *s, struct ic_object *o, uint64_t chunks)
{
    for (; chunks != 0; chunks &= chunks - 1) {
        uint16_t chunk = (uint16_t)__builtin_ctzll(chunks);
        if (o->place[chunk].state == IC_CHUNK_WRITING) {
            ic_store_give_up(s, o, chunk);
        }
    }
}

int ic_store_repair_commit(struct ic_store *s, struct ic_object *o, uint64_t chunks,
                           void (*done)(void *ctx, int result), void *ctx)
{
    if (!is_shown(s, o)) {
        return IC_ENOENT;
    }
    int result = ic_store_writable(s) ? 0 : IC_EIO;
    result = result < 0 ? result : ic_buf_reserve(&s->undo, sizeof(struct ic_undo));
    result = result < 0 ? result : ic_buf_reserve(&s->waiters, sizeof(struct ic_waiter));
    for (uint64_t left = result < 0 ? 0 : chunks; left != 0; left &= left - 1) {
        uint16_t chunk = (uint16_t)__builtin_ctzll(left);
        ic_store_sealed(s, o, chunk);
    }
    result = result < 0 ? result : ic_store_journal_object(s, o);
    if (result < 0) {
        for (uint64_t left = chunks; left != 0; left &= left - 1) {
            ic_store_give_up(s, o, (uint16_t)__builtin_ctzll(left));
        }
        return IC_EIO;
    }
    ic_store_remember(s, (struct ic_undo){.kind = IC_UNDO_REPAIRED, .object = o, .chunks = chunks});
    ic_store_await(s, done, ctx);
    return 0;
}

void ic_store_repair_end(struct ic_store *s, struct ic_object *o, uint64_t chunks)
{
    give_up_all(s, o, chunks);
    ic_store_unpin(s, o);
}
