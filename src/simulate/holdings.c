/*
 * holdings.c - which chunks a function holds, so that a loss, a backup or a hand-over looks at them
 * alone and not at the whole catalog. A function's list has an entry per chunk, the oldest first:
 * the object's number (object id without its epoch, which is 0 here) and the chunk's. Entries that
 * are not true any more are dropped when the list is walked, and when it has grown to twice what
 * was left then.
 */
#include "proto/link_body.h"
#include "simulate/world.h"

#include <assert.h>

enum { CHUNK_BITS = 6, COMPACT_MIN = 64 };
static_assert(IC_PLACEMENT_MAX <= 1 << CHUNK_BITS, "a chunk's number");

static uint64_t *entries(const struct ic_sim_function *f)
{
    return (uint64_t *)(void *)f->holdings.data;
}

static size_t count(const struct ic_sim_function *f)
{
    return f->holdings.len / sizeof(uint64_t);
}

/* The object of ENTRY if FUNCTION holds that chunk of it; else NULL. */
static struct ic_object *resolve(struct ic_sim *sim, uint16_t function, uint64_t entry)
{
    struct ic_object *o = ic_store_object(sim->store, entry >> CHUNK_BITS);
    const struct ic_chunk_place *place = o == NULL ? NULL : &o->place[entry % (1 << CHUNK_BITS)];
    return place != NULL && place->function == function && place->state == IC_CHUNK_HELD ? o : NULL;
}

/* Drops what is not true any more. */
static void compact(struct ic_sim *sim, uint16_t function)
{
    struct ic_sim_function *f = &sim->function[function];
    size_t kept = 0, alike = 0;
    for (size_t i = 0; i < count(f); i++) {
        alike = i < f->alike_count ? kept + 1 : alike;
        if (resolve(sim, function, entries(f)[i]) != NULL) {
            entries(f)[kept++] = entries(f)[i];
        }
    }
    f->alike_count = alike < kept ? alike : kept;
    f->holdings.len = kept * sizeof(uint64_t);
    f->holdings_look = kept < COMPACT_MIN ? COMPACT_MIN : 2 * kept;
}

void ic_sim_holdings_add(struct ic_sim *sim, const struct ic_object *o, uint16_t chunk)
{
    uint16_t function = o->place[chunk].function;
    struct ic_sim_function *f = &sim->function[function];
    uint64_t entry = o->id << CHUNK_BITS | chunk;
    assert(entry >> CHUNK_BITS == o->id);
    if (count(f) >= f->holdings_look) {
        compact(sim, function);
    }
    sim->failed |= ic_buf_append(&f->holdings, &entry, sizeof entry) < 0;
    ic_sim_backup_changed(sim, function);
}

/* Those from FIRST on. */
static void visit_from(struct ic_sim *sim, uint16_t function, size_t first,
                       void (*visit)(void *ctx, struct ic_object *o, uint16_t chunk), void *ctx)
{
    const struct ic_sim_function *f = &sim->function[function];
    for (size_t i = count(f); i-- > first;) {
        uint64_t entry = entries(f)[i];
        struct ic_object *o = resolve(sim, function, entry);
        if (o != NULL) { /* a visit before has not taken it away */
            visit(ctx, o, (uint16_t)(entry % (1 << CHUNK_BITS)));
        }
    }
}

void ic_sim_holdings_each(struct ic_sim *sim, uint16_t function,
                          void (*visit)(void *ctx, struct ic_object *o, uint16_t chunk), void *ctx)
{
    compact(sim, function);
    visit_from(sim, function, 0, visit, ctx);
}

static bool are_alike(const struct ic_sim_function *f, uint32_t a, uint32_t b)
{
    return (f->alike[0] == a && f->alike[1] == b) || (f->alike[0] == b && f->alike[1] == a);
}

void ic_sim_holdings_alike(struct ic_sim *sim, uint16_t function, uint32_t a, uint32_t b)
{
    struct ic_sim_function *f = &sim->function[function];
    f->alike[0] = a;
    f->alike[1] = b;
    f->alike_count = count(f);
}

void ic_sim_holdings_differ(struct ic_sim *sim, uint16_t function, uint32_t a, uint32_t b,
                            void (*visit)(void *ctx, struct ic_object *o, uint16_t chunk),
                            void *ctx)
{
    const struct ic_sim_function *f = &sim->function[function];
    visit_from(sim, function, are_alike(f, a, b) ? f->alike_count : 0, visit, ctx);
}

/* ---- lists -------------------------------------------------------------------- */

struct keep {
    struct ic_sim *sim;
    struct ic_buf *kept;
    uint32_t serial;
};

static void keep(void *ctx, struct ic_object *o, uint16_t chunk)
{
    const struct keep *k = ctx;
    const struct ic_chunk_place *place = &o->place[chunk];
    bool copied = place->backup == k->serial && (place->marks & IC_PLACE_COPYING) == 0;
    if (place->instance == k->serial || copied) {
        uint64_t entry = o->id << CHUNK_BITS | chunk;
        k->sim->failed |= ic_buf_append(k->kept, &entry, sizeof entry) < 0;
    }
}

void ic_sim_holdings_keep(struct ic_sim *sim, uint16_t function, uint32_t serial,
                          struct ic_buf *kept)
{
    struct keep k = {.sim = sim, .kept = kept, .serial = serial};
    ic_sim_holdings_each(sim, function, keep, &k);
}

struct ic_item ic_sim_item(const struct ic_object *o, uint16_t chunk)
{
    struct ic_item item = {
        .object_id = o->id, .chunk = chunk, .sealed = true, .written_bytes = o->chunk_length};
    int64_t expires_ms;
    item.seal.chunk_length = o->chunk_length;
    item.seal.object_size = o->size;
    item.seal.version = o->version;
    item.seal.unit = o->unit;
    item.seal.data = o->data;
    item.seal.parity = o->parity;
    (void)ic_store_seal_key(o, &item.seal.key, &expires_ms); /* else the key stays empty */
    return item;
}

/* Chunks of objects that are not there any more are deleted, which leaves nothing to tell. */
void ic_sim_holdings_list(struct ic_sim *sim, uint16_t function, uint32_t serial,
                          const struct ic_buf *kept)
{
    const uint64_t *entry = (const uint64_t *)(const void *)kept->data;
    ic_store_list_begin(sim->store, function, serial);
    for (size_t i = 0; i < kept->len / sizeof *entry; i++) {
        uint16_t chunk = (uint16_t)(entry[i] % (1 << CHUNK_BITS));
        const struct ic_object *o = ic_store_object(sim->store, entry[i] >> CHUNK_BITS);
        if (o != NULL) {
            bool lost = o->place[chunk].state == IC_CHUNK_LOST;
            struct ic_item item = ic_sim_item(o, chunk);
            (void)ic_store_list_item(sim->store, function, serial, &item);
            if (lost && o->place[chunk].state == IC_CHUNK_HELD) {
                ic_sim_holdings_add(sim, o, chunk);
            }
        }
    }
    ic_store_list_end(sim->store, function, serial);
}

/* ---- losses ------------------------------------------------------------------- */

void ic_sim_holdings_lost(struct ic_sim *sim, uint16_t function)
{
    sim->function[function].lost = true;
    if (!ic_sim_event_is_set(&sim->look_timer)) {
        ic_sim_event_set(&sim->clock, &sim->look_timer, sim->clock.now_us + IC_SIM_TICK_MS * 1000);
    }
}

static bool is_gone(struct ic_sim *sim, uint16_t function, uint32_t serial)
{
    return serial != 0 && !ic_pool_holds(sim->pool, function, serial);
}

static void look(void *ctx, struct ic_object *o, uint16_t chunk)
{
    struct ic_sim *sim = ctx;
    const struct ic_chunk_place *place = &o->place[chunk];
    if (!is_gone(sim, place->function, place->instance) &&
        !is_gone(sim, place->function, place->backup)) {
        return;
    }
    ic_sim_look_at(sim, o);
}

void ic_sim_look_at(struct ic_sim *sim, struct ic_object *o)
{
    if (ic_store_held_count(sim->store, o) < o->data) {
        ic_sim_key_lost(sim, o);
    }
    ic_store_look(sim->store, o, IC_DEGRADED_SWEEP);
}

void ic_sim_look(void *ctx)
{
    struct ic_sim *sim = ctx;
    for (uint32_t i = 0; i < sim->functions; i++) {
        if (sim->function[i].lost) {
            sim->function[i].lost = false;
            ic_sim_holdings_each(sim, (uint16_t)i, look, sim);
        }
    }
    ic_sim_count_store(sim);
}
