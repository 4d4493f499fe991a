/*
 * store_claim.c - room for what has come of a draft, never for what was announced.
 *
 *   draft --stripe came--> claim: does each of its functions have room for its part?
 *                            |  no: evict one object, look again     the first time other functions
 *                            |      as many as a turn may: not now   may be taken instead
 *                            v
 *                          planned, or added to what is in flight
 *
 * Whoever is dropped in the middle has evicted for what it sent, and d + p times
 * IC_CHUNK_STEP_BYTES at most, in whole objects.
 */
#include "proxy/store_internal.h"

#include "base/log.h"
#include "proto/frame.h"
#include "proxy/window.h"

#include <assert.h>

static uint64_t cost_of(const struct ic_object *o, uint64_t chunk_bytes)
{
    return ic_chunk_cost(chunk_bytes, o->unit, o->key_len);
}

static bool is_writing(const struct ic_object *o, size_t i)
{
    return o->place[i].state == IC_CHUNK_WRITING;
}

struct ic_pool_use ic_store_rest_use(const struct ic_object *draft)
{
    uint64_t cost = cost_of(draft, draft->chunk_length) - draft->chunk_cost;
    return (struct ic_pool_use){
        .values = draft->size - draft->draft.bytes,
        .chunks = cost * ic_object_chunks(draft),
    };
}

/* What FUNCTION has room for now if everything that can be evicted now were. */
static uint64_t possible_now(const struct ic_store *s, uint16_t function, uint64_t room)
{
    return room + s->evictable[function] - s->pinned[function];
}

/* What of ALL is kept from a value of SIZE for small ones, so that these need not wait for uploads:
 * others than the value have OTHERS of it for now. An upload that is nearly alone may have all. */
static uint64_t kept_for_small(uint64_t size, uint64_t all, uint64_t others)
{
    uint64_t part = all / IC_STORE_LITTLE_PART;
    return ic_window_is_small(size) || others <= part ? 0 : part;
}

/* Of ALL so much is POSSIBLE; the rest others have, but for what a value of SIZE has: OWN. */
static uint64_t possible_for(uint64_t size, uint64_t own, uint64_t all, uint64_t possible)
{
    uint64_t others = all > possible + own ? all - possible - own : 0;
    uint64_t kept = kept_for_small(size, all, others);
    return possible > kept ? possible - kept : 0;
}

/* What FUNCTION has room for now, for O, if everything that can be evicted now were. */
static uint64_t possible_for_draft(const struct ic_store *s, const struct ic_object *o,
                                   uint16_t function, uint64_t room)
{
    return possible_for(o->size, o->chunk_cost, ic_pool_capacity(s->setup.pool, function),
                        possible_now(s, function, room));
}

/* Room for MORE bytes on the function of each chunk that is being written: 0, IC_EBUSY something
 * must go, IC_ENOSPC nothing that can go would do. */
static int room_where_it_is(const struct ic_store *s, const struct ic_object *o, uint64_t more)
{
    int result = 0;
    for (size_t i = 0; i < ic_object_chunks(o); i++) {
        uint16_t function = o->place[i].function;
        uint64_t room = ic_pool_room(s->setup.pool, function);
        if (!is_writing(o, i)) {
            continue;
        }
        if (possible_for_draft(s, o, function, room) < more) {
            return IC_ENOSPC;
        }
        result = room < more ? IC_EBUSY : result;
    }
    return result;
}

/* Functions of s->candidate that have room for COST of O if everything that can be evicted now
 * were. */
static uint32_t possible_functions_now(const struct ic_store *s, const struct ic_object *o,
                                       uint64_t cost)
{
    uint32_t could = 0;
    for (uint32_t i = 0; i < ic_pool_count(s->setup.pool); i++) {
        could += possible_for_draft(s, o, (uint16_t)i, s->candidate[i].room) >= cost;
    }
    return could;
}

/* Of s->candidate, those that can have no room for a whole chunk of O now have none from now on;
 * or, if that would leave too few, those that can have it neither now nor later, or not even for
 * COST now. Returns how many are left. */
static uint32_t keep_possible(struct ic_store *s, const struct ic_object *o, uint64_t cost)
{
    uint64_t whole = cost_of(o, o->chunk_length);
    bool enough_now = possible_functions_now(s, o, whole) >= ic_object_chunks(o);
    uint32_t could = 0;
    for (uint32_t i = 0; i < ic_pool_count(s->setup.pool); i++) {
        struct ic_candidate *c = &s->candidate[i];
        uint64_t now = possible_for_draft(s, o, (uint16_t)i, c->room);
        bool could_now = now >= cost && (enough_now ? now : c->room + s->evictable[i]) >= whole;
        could += could_now;
        c->room = could_now ? c->room : 0;
    }
    return could;
}

/* The first claim, of COST: nothing is on any function yet, so others may do as well, if they can
 * have room for the whole chunk, and what is by far emptier does better: much may have been
 * promised to the same ones at once. As above. */
static int room_anywhere(struct ic_store *s, struct ic_object *o, uint64_t cost)
{
    uint16_t function[IC_PLACEMENT_MAX];
    uint32_t chunks = (uint32_t)ic_object_chunks(o), count = ic_pool_count(s->setup.pool);
    ic_store_fill_candidates(s);
    if (keep_possible(s, o, cost) < chunks) {
        return IC_ENOSPC;
    }
    for (size_t i = 0; i < chunks; i++) {
        s->candidate[o->place[i].function].awake = true; /* it was woken for this */
    }
    int result =
        ic_placement_choose(s->candidate, count, cost, chunks, s->setup.rng, function, NULL);
    if (result < 0) {
        return IC_EBUSY;
    }
    for (size_t i = 0; i < chunks; i++) {
        assert(is_writing(o, i) && o->place[i].instance == 0);
        o->place[i].function = function[i];
    }
    return 0;
}

/* Evicts an object on O's account, or does what else keeps the LIMITS. False: nothing can go. */
static bool evict_for(struct ic_store *s, struct ic_object *o, bool limits)
{
    uint64_t keys = s->stats.evicted, bytes = ic_catalog_bytes(s->catalog);
    if (!(limits ? ic_store_relieve(s) : ic_store_evict_one(s))) {
        return false;
    }
    o->draft.evicted_keys += (uint32_t)(s->stats.evicted - keys);
    o->draft.evicted_bytes += bytes - ic_catalog_bytes(s->catalog);
    return true;
}

static bool has_made_room(const struct ic_store *s)
{
    return s->made_room >= IC_STORE_EVICT_SLICE;
}

bool ic_store_has_claimed_much(const struct ic_store *s)
{
    return has_made_room(s) || s->claimed >= IC_STORE_CLAIM_SLICE;
}

bool ic_store_others_hold_room(const struct ic_store *s, const struct ic_object *draft)
{
    return s->draft_bytes > draft->draft.bytes;
}

bool ic_store_is_read(const struct ic_store *s)
{
    return s->pinned_bytes > 0;
}

/* Nothing that can go would make room for MORE bytes of O's value beside all others'. */
static bool leaves_too_little(const struct ic_store *s, const struct ic_object *o, uint64_t more)
{
    uint64_t most = (uint64_t)ic_store_config(s)->maxmemory;
    uint64_t others = s->draft_bytes - o->draft.bytes;
    return ic_store_check_limits(s, more + kept_for_small(o->size, most, others)) == IC_ENOSPC;
}

/* Objects are evicted, or, where that does not do, what replies wait for is given up. When very
 * much must go, because `maxmemory` was lowered, the rest goes in turns to come, whoever claims;
 * and when it is for this claim, it waits for them: IC_EBUSY. */
static int make_room(struct ic_store *s, struct ic_object *o, uint64_t bytes, uint64_t cost)
{
    for (int steps = 0;; steps++) {
        int result = ic_store_check_limits(s, bytes - o->draft.bytes);
        bool limits = result == IC_EBUSY && !has_made_room(s);
        if (leaves_too_little(s, o, bytes - o->draft.bytes)) {
            result = IC_ENOSPC;
        } else if (result == 0 || (result == IC_EBUSY && !limits)) {
            result = o->chunk_cost == 0 ? room_anywhere(s, o, cost)
                                        : room_where_it_is(s, o, cost - o->chunk_cost);
        }
        if (result == 0 || (result == IC_EBUSY && has_made_room(s))) {
            return result;
        }
        bool evicts = result == IC_EBUSY && evict_for(s, o, limits);
        s->made_room += evicts;
        ic_store_need_turn_end(s);
        if (!evicts && (steps >= IC_STORE_EVICT_SLICE || !ic_store_give_up_waited(s))) {
            return IC_ENOSPC;
        }
    }
}

int ic_store_claim(struct ic_store *s, struct ic_object *draft, uint64_t chunk_bytes)
{
    assert(draft->state == IC_OBJECT_DRAFT && chunk_bytes <= draft->chunk_length);
    uint64_t grown = ic_chunk_grown(chunk_bytes, draft->chunk_length);
    uint64_t cost = cost_of(draft, grown);
    uint64_t bytes = grown * draft->data < draft->size ? grown * draft->data : draft->size;
    if (cost <= draft->chunk_cost) {
        return 0;
    }
    int result = make_room(s, draft, bytes, cost);
    if (result < 0) {
        return result;
    }
    uint64_t more = cost - draft->chunk_cost;
    for (size_t i = 0; i < ic_object_chunks(draft); i++) {
        const struct ic_chunk_place *place = &draft->place[i];
        if (is_writing(draft, i) && place->instance == 0) {
            ic_pool_plan(s->setup.pool, place->function, more);
        } else if (is_writing(draft, i)) {
            ic_pool_grow(s->setup.pool, place->function, place->instance, more);
        }
    }
    draft->chunk_cost = cost;
    s->claimed += bytes - draft->draft.bytes;
    ic_store_need_turn_end(s);
    s->draft_bytes += bytes - draft->draft.bytes;
    draft->draft.bytes = bytes;
    return 0;
}

/* ---- what a value lacks ------------------------------------------------------- */

struct space { /* of a function */
    uint64_t possible, capacity;
};

/* EMPTIEST, *COUNT of at most MOST, the emptiest first, gets ONE if it is among them. */
static void keep_emptiest(struct space *emptiest, uint32_t *count, uint32_t most, struct space one)
{
    uint32_t at = *count;
    if (at == most && emptiest[at - 1].possible >= one.possible) {
        return;
    }
    at = at == most ? at - 1 : at;
    *count = at + 1;
    for (; at > 0 && emptiest[at - 1].possible < one.possible; at--) {
        emptiest[at] = emptiest[at - 1];
    }
    emptiest[at] = one;
}

static uint64_t stuck_of(struct space f)
{
    return f.capacity > f.possible ? f.capacity - f.possible : 0;
}

static uint64_t missing_values(const struct ic_store *s, uint64_t size)
{
    uint64_t most = (uint64_t)ic_store_config(s)->maxmemory;
    uint64_t all = s->draft_bytes + s->dead_bytes - s->waited_bytes + s->pinned_bytes + size;
    all += kept_for_small(size, most, s->draft_bytes);
    return most != 0 && all > most ? all - most : 0;
}

struct ic_store_lack ic_store_lack(const struct ic_store *s, struct ic_pool_use use)
{
    const struct ic_code_row *row = ic_code_table_pick(&s->codes, use.values);
    uint32_t chunks = (uint32_t)row->data + row->parity, count = 0;
    struct space emptiest[IC_PLACEMENT_MAX] = {0};
    struct ic_store_lack lack = {.missing.values = missing_values(s, use.values)};
    for (uint32_t i = 0; i < ic_pool_count(s->setup.pool); i++) {
        struct ic_pool_space space = ic_pool_space(s->setup.pool, (uint16_t)i);
        struct space one = {possible_now(s, (uint16_t)i, space.room), space.capacity};
        keep_emptiest(emptiest, &count, chunks, one);
        lack.stuck_on_all += stuck_of(one);
    }
    struct space tightest = emptiest[chunks - 1];
    uint64_t cost = use.chunks / chunks;
    lack.stuck = stuck_of(tightest);
    lack.capacity = tightest.capacity;
    uint64_t possible = possible_for(use.values, 0, tightest.capacity, tightest.possible);
    lack.missing.chunks = possible < cost ? cost - possible : 0;
    return lack;
}

void ic_store_drop(struct ic_store *s, struct ic_object *draft)
{
    assert(draft->state == IC_OBJECT_DRAFT);
    const struct ic_draft_account *account = &draft->draft;
    s->stats.abandoned++;
    s->stats.abandoned_keys += account->evicted_keys;
    s->stats.abandoned_bytes += account->evicted_bytes;
    if (account->evicted_keys > 0) {
        ic_log(IC_LOG_INFO, "set-abandoned",
               "object=%llu announced=%llu came=%llu evicted_keys=%lu evicted_bytes=%llu",
               (unsigned long long)draft->id, (unsigned long long)draft->size,
               (unsigned long long)account->bytes, (unsigned long)account->evicted_keys,
               (unsigned long long)account->evicted_bytes);
    }
    ic_store_bury(s, draft);
}
