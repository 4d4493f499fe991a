#include "proxy/store.h"

#include "base/alloc.h"
#include "code/layout.h"
#include "proto/frame.h"
#include "proxy/store_internal.h"
#include "proxy/window.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- life ------------------------------------------------------------------- */

int ic_store_new(const struct ic_store_setup *setup, struct ic_store **out, char *why)
{
    *out = NULL;
    uint32_t functions = ic_pool_count(setup->pool);
    struct ic_code_table codes;
    int result = ic_code_table_parse(&codes, setup->config->code_table, why, IC_STORE_WHY_MAX);
    if (result >= 0) {
        result = ic_code_table_check(&codes, functions, why, IC_STORE_WHY_MAX);
    }
    if (result < 0) {
        return IC_EINVAL;
    }
    struct ic_store *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        goto fail;
    }
    s->setup = *setup;
    s->codes = codes;
    ic_store_set_epoch(s, setup->epoch);
    ic_list_init(&s->drafts);
    ic_list_init(&s->retired);
    ic_list_init(&s->leaving);
    ic_list_init(&s->waited_for);
    ic_buf_init(&s->undo);
    ic_buf_init(&s->waiters);
    ic_buf_init(&s->ending);
    ic_buf_init(&s->owed);
    ic_store_watch_init(s, ic_rng_next(setup->rng));
    s->catalog = ic_catalog_new(ic_rng_next(setup->rng));
    s->eviction = ic_eviction_new(setup->config->eviction, IC_STORE_REACH_MAX);
    s->candidate = ic_calloc(functions, sizeof *s->candidate);
    s->evictable = ic_calloc(functions, sizeof *s->evictable);
    s->pinned = ic_calloc(functions, sizeof *s->pinned);
    s->waited = ic_calloc(functions, sizeof *s->waited);
    s->uncopied = ic_calloc(functions, sizeof *s->uncopied);
    if (s->catalog == NULL || s->eviction == NULL || s->candidate == NULL || s->evictable == NULL ||
        s->pinned == NULL || s->waited == NULL || s->uncopied == NULL) {
        goto fail;
    }
    *out = s;
    return 0;
fail:
    snprintf(why, IC_STORE_WHY_MAX, "store: out of memory");
    ic_store_free(s);
    return IC_ENOMEM;
}

static void free_retired(struct ic_store *s)
{
    struct ic_list *node;
    while ((node = ic_list_pop_front(&s->retired)) != NULL) {
        struct ic_retired *r = IC_CONTAINER(node, struct ic_retired, node);
        while (!ic_keys_empty(r->keys)) {
            struct ic_entry *e = ic_keys_any(r->keys);
            if (e != NULL) {
                ic_catalog_detach(s->catalog, e);
                ic_catalog_entry_free(s->catalog, e);
            }
        }
        ic_catalog_keys_free(s->catalog, r->keys);
        ic_free(r);
    }
}

void ic_store_free(struct ic_store *s)
{
    if (s == NULL) {
        return;
    }
    if (s->catalog != NULL) {
        ic_store_turn_end(s);
        free_retired(s);
    }
    ic_rebuild_free(s->rebuild);
    ic_catalog_free(s->catalog);
    ic_eviction_free(s->eviction);
    ic_map_deinit(&s->watches);
    ic_buf_deinit(&s->undo);
    ic_buf_deinit(&s->waiters);
    ic_buf_deinit(&s->ending);
    ic_buf_deinit(&s->owed);
    ic_free(s->candidate);
    ic_free(s->evictable);
    ic_free(s->pinned);
    ic_free(s->waited);
    ic_free(s->uncopied);
    ic_free(s);
}

void ic_store_set_epoch(struct ic_store *s, uint32_t epoch)
{
    uint64_t first = (uint64_t)epoch << IC_STORE_ID_COUNTER_BITS;
    if (s->next_id < first) {
        uint64_t skipped =
            ic_rng_below(s->setup.rng, UINT64_C(1) << (IC_STORE_ID_COUNTER_BITS - 1));
        s->next_id = first + 1 + skipped;
    }
}

uint64_t ic_store_next_id(struct ic_store *s)
{
    return s->next_id++;
}

/* ---- places ----------------------------------------------------------------- */

static void count_bytes(uint64_t *bytes, uint64_t cost, bool add)
{
    *bytes = add ? *bytes + cost : *bytes - cost;
}

/* What the figures say of a place of a committed object. */
static void count_place(struct ic_store *s, const struct ic_object *o, uint16_t chunk, bool add)
{
    const struct ic_chunk_place *place = &o->place[chunk];
    if (place->state != IC_CHUNK_HELD) {
        return;
    }
    if (o->waited_for) {
        count_bytes(&s->waited[place->function], o->chunk_cost, add);
        return;
    }
    count_bytes(&s->evictable[place->function], o->chunk_cost, add);
    if (o->pins > 0) {
        count_bytes(&s->pinned[place->function], o->chunk_cost, add);
    }
    if (place->backup == 0 || (place->marks & IC_PLACE_COPYING) != 0) {
        count_bytes(&s->uncopied[place->function], o->chunk_cost, add);
    } else {
        count_bytes(&s->copies, 1, add);
    }
}

void ic_store_put_place(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                        struct ic_chunk_place place)
{
    assert(chunk < ic_object_chunks(o) && place.function == o->place[chunk].function);
    assert(place.backup == 0 || (place.state == IC_CHUNK_HELD && place.backup != place.instance));
    if (o->counted) {
        count_place(s, o, chunk, false);
    }
    place.marks = ic_store_marks(s, &o->place[chunk], &place);
    o->place[chunk] = place;
    if (o->counted) {
        count_place(s, o, chunk, true);
    }
}

void ic_store_set_place(struct ic_store *s, struct ic_object *o, uint16_t chunk,
                        enum ic_chunk_state state, uint32_t serial)
{
    struct ic_chunk_place place = {
        .instance = serial, .function = o->place[chunk].function, .state = (uint8_t)state};
    ic_store_put_place(s, o, chunk, place);
}

static void count_places(struct ic_store *s, struct ic_object *o, bool add)
{
    assert(o->counted != add);
    o->counted = add;
    if (o->pins > 0) {
        count_bytes(&s->pinned_bytes, o->size, add);
    }
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        count_place(s, o, (uint16_t)i, add);
    }
}

/* O stays what it was BEFORE. */
static void restore_account(struct ic_object *o, enum ic_object_state before,
                            struct ic_draft_account draft)
{
    if (before == IC_OBJECT_DRAFT) {
        o->policy = (struct ic_eviction_node){0};
        o->draft = draft;
    }
}

int ic_store_attach(struct ic_store *s, struct ic_entry *e, struct ic_object *o)
{
    enum ic_object_state before = o->state;
    struct ic_draft_account draft = o->draft;
    if (before == IC_OBJECT_DRAFT) {
        o->policy = (struct ic_eviction_node){0};
    }
    bool enters = before != IC_OBJECT_COMMITTED && !o->evicted;
    if (enters) {
        uint64_t bytes = ic_object_use(o).chunks;
        uint64_t name = ic_catalog_hash(s->catalog, ic_entry_key(e));
        int result = ic_eviction_insert(s->eviction, &o->policy, bytes, name);
        if (result < 0) {
            restore_account(o, before, draft);
            return result;
        }
        if (o->pins > 0) {
            ic_eviction_pin(s->eviction, &o->policy);
        }
        count_places(s, o, true);
    }
    int result = ic_catalog_attach(s->catalog, e, o);
    if (result < 0) {
        if (enters) {
            count_places(s, o, false);
            ic_eviction_remove(s->eviction, &o->policy);
        }
        restore_account(o, before, draft);
        return result;
    }
    if (before == IC_OBJECT_DRAFT) {
        ic_list_remove(&o->node);
        s->draft_bytes -= draft.bytes;
        s->draft_count--;
    } else if (before == IC_OBJECT_DEAD) {
        s->dead_bytes -= o->size;
    }
    if (o->evicted) {
        ic_list_remove(&o->node);
        ic_list_push_front(&s->leaving, &o->node);
    }
    return 0;
}

void ic_store_detach(struct ic_store *s, struct ic_entry *e)
{
    struct ic_object *o = e->object;
    ic_catalog_detach(s->catalog, e);
    if (o->state == IC_OBJECT_DEAD) {
        if (o->counted) {
            count_places(s, o, false);
        }
        ic_eviction_remove(s->eviction, &o->policy);
        s->dead_bytes += o->size;
    }
}

void ic_store_give_up(struct ic_store *s, struct ic_object *o, uint16_t chunk)
{
    struct ic_chunk_place place = o->place[chunk];
    switch ((enum ic_chunk_state)place.state) {
    case IC_CHUNK_LOST:
        return;
    case IC_CHUNK_WRITING:
        if (place.instance == 0) {
            ic_pool_unplan(s->setup.pool, place.function, o->chunk_cost);
            break;
        }
        ic_pool_condemn(s->setup.pool, place.function, place.instance, o->id, chunk, o->chunk_cost,
                        IC_POOL_FROM_IN_FLIGHT);
        break;
    case IC_CHUNK_HELD:
        ic_pool_condemn(s->setup.pool, place.function, place.instance, o->id, chunk, o->chunk_cost,
                        IC_POOL_FROM_LIVE);
        ic_pool_condemn(s->setup.pool, place.function, place.backup, o->id, chunk, o->chunk_cost,
                        (place.marks & IC_PLACE_COPYING) != 0 ? IC_POOL_FROM_IN_FLIGHT
                                                              : IC_POOL_FROM_LIVE);
        break;
    }
    ic_store_set_place(s, o, chunk, IC_CHUNK_LOST, 0);
    if (place.instance != 0 && s->setup.condemned != NULL) {
        s->setup.condemned(s->setup.ctx, place.function);
    }
}

static void give_up_all(struct ic_store *s, struct ic_object *o)
{
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        ic_store_give_up(s, o, (uint16_t)i);
    }
}

void ic_store_empty(struct ic_store *s, struct ic_object *o)
{
    assert(o->pins == 0 && !o->policy.inside);
    give_up_all(s, o);
    count_places(s, o, false);
    ic_catalog_evict(s->catalog, o);
    ic_list_remove(&o->node); /* of a lost one they may be leaving already */
    ic_list_push_front(&s->leaving, &o->node);
}

/* O, DEAD and without pins, waits for the replies that show it. */
static void begin_waiting(struct ic_store *s, struct ic_object *o)
{
    o->waited_for = true;
    ic_list_remove(&o->node); /* its keys may have been leaving */
    ic_list_push_back(&s->waited_for, &o->node);
    s->waited_bytes += o->size;
    count_places(s, o, true);
}

static void end_waiting(struct ic_store *s, struct ic_object *o)
{
    count_places(s, o, false);
    s->waited_bytes -= o->size;
    ic_list_remove(&o->node);
    o->waited_for = false;
}

bool ic_store_give_up_waited(struct ic_store *s)
{
    if (ic_list_empty(&s->waited_for)) {
        return false;
    }
    struct ic_object *o = IC_CONTAINER(s->waited_for.next, struct ic_object, node);
    end_waiting(s, o);
    give_up_all(s, o);
    s->dead_bytes -= o->size;
    ic_catalog_give_up(s->catalog, o);
    return true;
}

void ic_store_bury(struct ic_store *s, struct ic_object *o)
{
    assert(o->pins + o->replies == 0 && o->state != IC_OBJECT_COMMITTED);
    if (o->waited_for) {
        end_waiting(s, o);
    }
    give_up_all(s, o);
    if (o->state == IC_OBJECT_DRAFT) {
        s->draft_bytes -= o->draft.bytes;
        s->draft_count--;
    } else {
        s->dead_bytes -= o->size;
    }
    ic_catalog_object_free(s->catalog, o);
}

void ic_store_bury_if_dead(struct ic_store *s, struct ic_object *o)
{
    if (o->state != IC_OBJECT_DEAD || o->pins > 0) {
        return;
    }
    if (o->replies == 0) {
        ic_store_bury(s, o);
    } else if (!o->evicted && !o->waited_for) {
        begin_waiting(s, o);
    }
}

/* O, which is in the figures, gets its first pin, or loses its last. */
static void count_pinned(struct ic_store *s, const struct ic_object *o, bool add)
{
    count_bytes(&s->pinned_bytes, o->size, add);
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        const struct ic_chunk_place *place = &o->place[i];
        if (place->state == IC_CHUNK_HELD) {
            count_bytes(&s->pinned[place->function], o->chunk_cost, add);
        }
    }
}

void ic_store_pin(struct ic_store *s, struct ic_object *o)
{
    assert(o->pins < UINT32_MAX);
    if (o->waited_for) {
        end_waiting(s, o);
    }
    if (o->pins == 0 && o->counted) {
        count_pinned(s, o, true);
        ic_eviction_pin(s->eviction, &o->policy);
    }
    o->pins++;
}

void ic_store_unpin(struct ic_store *s, struct ic_object *o)
{
    assert(o->pins > 0);
    o->pins--;
    if (o->pins == 0 && o->counted) {
        count_pinned(s, o, false);
        ic_eviction_release(s->eviction, &o->policy);
    }
    ic_store_bury_if_dead(s, o);
}

void ic_store_show(struct ic_object *o)
{
    assert(o->replies < UINT32_MAX);
    o->replies++;
}

void ic_store_send(struct ic_store *s, struct ic_object *o)
{
    ic_store_pin(s, o);
    o->senders++;
}

void ic_store_sent(struct ic_store *s, struct ic_object *o)
{
    assert(o->senders > 0);
    o->senders--;
    ic_store_unpin(s, o);
}

void ic_store_show_no_more(struct ic_store *s, struct ic_object *o)
{
    assert(o->replies > 0);
    o->replies--;
    ic_store_bury_if_dead(s, o);
}

void ic_store_plan_place(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint16_t function)
{
    assert(o->place[chunk].state == IC_CHUNK_LOST);
    o->place[chunk].function = function;
    ic_store_set_place(s, o, chunk, IC_CHUNK_WRITING, 0);
    ic_pool_plan(s->setup.pool, function, o->chunk_cost);
}

uint32_t ic_store_begin(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t serial)
{
    const struct ic_chunk_place *place = &o->place[chunk];
    assert(place->state == IC_CHUNK_WRITING && serial != 0);
    if (place->instance == 0) {
        ic_pool_begin(s->setup.pool, place->function, serial, o->chunk_cost);
        ic_store_set_place(s, o, chunk, IC_CHUNK_WRITING, serial);
    }
    return place->instance;
}

void ic_store_sealed(struct ic_store *s, struct ic_object *o, uint16_t chunk)
{
    struct ic_chunk_place place = o->place[chunk];
    assert(place.state == IC_CHUNK_WRITING && place.instance != 0);
    ic_pool_sealed(s->setup.pool, place.function, place.instance, o->chunk_cost, o->chunk_cost);
    ic_store_set_place(s, o, chunk, IC_CHUNK_HELD, place.instance);
}

uint32_t ic_store_held_count(const struct ic_store *s, const struct ic_object *o)
{
    uint32_t held = o->moving;
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        held += ic_store_held(s, o, (uint16_t)i);
    }
    return held;
}

/* ---- drafts ----------------------------------------------------------------- */

struct plan { /* of a draft */
    struct ic_layout layout;
    uint64_t cost; /* of each chunk */
    uint32_t chunks;
};

/* `unit-size`, or as much of it as leaves room for a stripe of ROW's code in the window. */
static uint32_t unit_of(const struct ic_store *s, const struct ic_code_row *row)
{
    const struct ic_config *c = ic_store_config(s);
    size_t unit = (size_t)c->unit_size, units = (size_t)row->data + row->parity;
    size_t most = ic_window_stripe_max((size_t)c->window_memory);
    if (unit * units > most || ic_window_size(unit * units) > most) {
        unit = most / units;
    }
    return (uint32_t)(unit / IC_LAYOUT_ALIGN * IC_LAYOUT_ALIGN);
}

static void plan_init(const struct ic_store *s, struct plan *p, struct ic_slice key, uint64_t size)
{
    const struct ic_code_row *row = ic_code_table_pick(&s->codes, size);
    uint32_t unit = unit_of(s, row);
    ic_layout_init(&p->layout, size, row->data, row->parity, unit);
    p->cost = ic_chunk_cost(p->layout.chunk_length, unit, key.len);
    p->chunks = (uint32_t)row->data + row->parity;
}

struct ic_pool_use ic_store_use(const struct ic_store *s, struct ic_slice key, uint64_t size)
{
    struct plan p;
    plan_init(s, &p, key, size);
    return (struct ic_pool_use){.values = size, .chunks = p.cost * p.chunks};
}

void ic_store_fill_candidates(struct ic_store *s)
{
    for (uint32_t i = 0; i < ic_pool_count(s->setup.pool); i++) {
        const struct ic_pool_function *f = ic_pool_function(s->setup.pool, (uint16_t)i);
        struct ic_pool_space space = ic_pool_space(s->setup.pool, (uint16_t)i);
        s->candidate[i] = (struct ic_candidate){
            .room = space.room,
            .capacity = space.capacity,
            .awake = f->state == IC_FUNCTION_ACTIVE,
            .down = f->state == IC_FUNCTION_LOST || f->state == IC_FUNCTION_UNKNOWN || f->slow ||
                    f->doubted || space.ending,
        };
    }
}

/* So little of ALL needs no room when it is promised: it can wait for what drafts have of it. */
static bool is_little(uint64_t size, uint64_t all)
{
    return size <= all / IC_STORE_LITTLE_PART;
}

/* FUNCTION would have room for COST if everything that can be evicted, sooner or later, were. */
static bool is_possible(const struct ic_store *s, uint32_t function, uint64_t cost)
{
    const struct ic_candidate *c = &s->candidate[function];
    return is_little(cost, c->capacity) ||
           c->room + s->evictable[function] + s->waited[function] >= cost;
}

/* Such functions of s->candidate: less than are needed, and evicting would empty the cache in vain.
 */
static uint32_t possible_functions(const struct ic_store *s, uint64_t cost)
{
    uint32_t could = 0;
    for (uint32_t i = 0; i < ic_pool_count(s->setup.pool); i++) {
        could += is_possible(s, i, cost);
    }
    return could;
}

bool ic_store_catalog_is_full(const struct ic_store *s)
{
    uint64_t memory = ic_catalog_memory(s->catalog) + ic_eviction_memory(s->eviction);
    return memory > (uint64_t)ic_store_config(s)->catalog_memory;
}

int ic_store_check_limits(const struct ic_store *s, uint64_t size)
{
    uint64_t most = (uint64_t)ic_store_config(s)->maxmemory;
    if (most != 0) {
        uint64_t fixed = s->draft_bytes + s->dead_bytes + s->pinned_bytes + size;
        if (fixed > most) {
            return IC_ENOSPC; /* but for what replies wait for */
        }
        if (fixed + ic_catalog_bytes(s->catalog) - s->pinned_bytes > most) {
            return IC_EBUSY;
        }
    }
    return ic_store_catalog_is_full(s) ? IC_EBUSY : 0;
}

/* Functions for a draft of which nothing has come: with room for all of it now, or else those that
 * would have it if others were evicted, the emptiest first. */
static int promise_places(struct ic_store *s, const struct plan *p, uint16_t *function)
{
    uint32_t count = ic_pool_count(s->setup.pool);
    uint64_t most = (uint64_t)ic_store_config(s)->maxmemory;
    uint64_t fixed = s->dead_bytes - s->waited_bytes;
    fixed += is_little(p->layout.size, most) ? 0 : s->draft_bytes;
    if (most != 0 && fixed + p->layout.size > most) {
        return IC_ENOSPC;
    }
    ic_store_fill_candidates(s);
    int result =
        ic_placement_choose(s->candidate, count, p->cost, p->chunks, s->setup.rng, function, NULL);
    if (result != IC_ENOSPC || possible_functions(s, p->cost) < p->chunks) {
        return result;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct ic_candidate *c = &s->candidate[i];
        c->room = is_possible(s, i, p->cost) ? c->room + p->cost : 0;
    }
    return ic_placement_choose(s->candidate, count, p->cost, p->chunks, s->setup.rng, function,
                               NULL);
}

static bool larger_than_limits(const struct ic_store *s, uint64_t size)
{
    const struct ic_config *c = ic_store_config(s);
    return size > (uint64_t)c->max_object_size ||
           (c->maxmemory != 0 && size > (uint64_t)c->maxmemory);
}

int ic_store_draft(struct ic_store *s, struct ic_slice key, uint64_t size, struct ic_object **out)
{
    *out = NULL;
    if (!ic_store_writable(s)) {
        return IC_EIO;
    }
    if (larger_than_limits(s, size)) {
        return IC_ETOOBIG;
    }
    struct plan p;
    plan_init(s, &p, key, size);
    uint16_t function[IC_PLACEMENT_MAX];
    int result = promise_places(s, &p, function);
    if (result < 0) {
        return result;
    }
    struct ic_object *o =
        ic_catalog_object_new(s->catalog, ic_store_next_id(s), p.layout.data, p.layout.parity);
    if (o == NULL) {
        return IC_ENOMEM;
    }
    o->version = o->id;
    o->size = size;
    o->unit = p.layout.unit;
    o->chunk_length = p.layout.chunk_length;
    o->key_len = (uint32_t)key.len;
    for (size_t i = 0; i < p.chunks; i++) {
        ic_store_plan_place(s, o, (uint16_t)i, function[i]);
    }
    ic_list_push_back(&s->drafts, &o->node);
    s->draft_count++;
    *out = o;
    return 0;
}

void ic_store_too_big_text(const struct ic_store *s, struct ic_slice key, uint64_t size, char *why,
                           size_t why_size)
{
    const struct ic_config *c = ic_store_config(s);
    if (size > (uint64_t)c->max_object_size) {
        snprintf(why, why_size,
                 "object of %" PRIu64 " bytes is larger than max-object-size (%" PRId64 " bytes)",
                 size, c->max_object_size);
        return;
    }
    if (larger_than_limits(s, size)) {
        snprintf(why, why_size,
                 "object of %" PRIu64 " bytes is larger than maxmemory (%" PRId64 " bytes)", size,
                 c->maxmemory);
        return;
    }
    struct plan p;
    plan_init(s, &p, key, size);
    uint64_t capacity = 0;
    for (uint32_t i = 0; i < ic_pool_count(s->setup.pool); i++) {
        uint64_t one = ic_pool_capacity(s->setup.pool, (uint16_t)i);
        capacity = one > capacity ? one : capacity;
    }
    snprintf(why, why_size,
             "object of %" PRIu64 " bytes needs %u functions with room for a chunk of %" PRIu64
             " bytes: a memory of at least %" PRIu64 "mb each (now %" PRId64 "mb)",
             size, p.chunks, p.cost,
             ic_placement_memory_needed(p.cost, (uint64_t)c->memory, capacity), c->memory >> 20);
}

void ic_store_seal(struct ic_store *s, struct ic_object *draft)
{
    assert(draft->state == IC_OBJECT_DRAFT);
    draft->version = ic_store_next_id(s);
}

/* ---- figures ---------------------------------------------------------------- */

struct ic_store_stats ic_store_stats(const struct ic_store *s)
{
    struct ic_store_stats stats = s->stats;
    stats.drafts = s->draft_count;
    stats.objects = ic_catalog_object_count(s->catalog);
    stats.bytes = ic_catalog_bytes(s->catalog);
    stats.draft_bytes = s->draft_bytes;
    stats.dead_bytes = s->dead_bytes;
    stats.catalog_memory = ic_catalog_memory(s->catalog) + ic_eviction_memory(s->eviction);
    stats.expiring = ic_catalog_count_expiring(s->catalog);
    stats.mean_expiry_ms = ic_catalog_mean_expiry_ms(s->catalog);
    stats.journal_syncs = ic_journal_stats(s->setup.journal).syncs;
    return stats;
}

const struct ic_journal *ic_store_journal(const struct ic_store *s)
{
    return s->setup.journal;
}

void ic_store_stats_reset(struct ic_store *s)
{
    s->stats = (struct ic_store_stats){0};
}
