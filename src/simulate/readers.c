/*
 * readers.c - one read of an object: any d of its d + p chunks, the cheapest first
 * (core/read_plan.h); a chunk that fails, or is late by `read-deadline`, is replaced by another.
 */
#include "base/alloc.h"
#include "core/cost.h"
#include "core/read_plan.h"
#include "simulate/world.h"

#include <assert.h>

enum {
    JOIN_SCAN_MAX = 32, /* as IC_READER_JOIN_SCAN_MAX of proxy/reader.h, */
    PIECE = 256 << 10, /* and IC_READER_SEGMENT_BYTES: how long these take is what hedging learns */
};

struct ic_sim_reader {
    struct ic_list node; /* sim->readers */
    struct ic_sim *sim;
    struct ic_object *object; /* pinned */
    struct ic_list taps;
    struct ic_sim_event deadline;       /* and of an end that must not be told at once */
    uint64_t held, asked, late, failed; /* chunks */
    enum ic_cost_cause cause;
    uint64_t asked_us; /* when chunks were asked last */
    bool woken;        /* one of their nodes was not awake then */
    bool begun;        /* a chunk has come: nobody joins any more */
    struct ic_sim_ask ask[];
};

static uint32_t chunks_of(const struct ic_object *o)
{
    return (uint32_t)o->data + o->parity;
}

static uint32_t count(uint64_t set)
{
    return (uint32_t)__builtin_popcountll(set);
}

/* ---- the end ------------------------------------------------------------------ */

static void close_reader(struct ic_sim_reader *r)
{
    struct ic_sim *sim = r->sim;
    for (uint32_t i = 0; i < chunks_of(r->object); i++) {
        ic_sim_ask_cancel(sim, &r->ask[i]);
    }
    ic_sim_event_cancel(&sim->clock, &r->deadline);
    ic_list_remove(&r->node);
}

static enum ic_read_cost cost_of(const struct ic_sim_reader *r, uint32_t chunk, uint64_t least);

/* Something had to be rebuilt that could not be had. */
static bool is_decoded(const struct ic_sim_reader *r)
{
    uint64_t missing = ~r->held & ((UINT64_C(1) << r->object->data) - 1);
    for (; missing != 0; missing &= missing - 1) {
        if (cost_of(r, (uint32_t)__builtin_ctzll(missing), 0) == IC_READ_NEVER) {
            return true;
        }
    }
    return false;
}

static void finish(struct ic_sim_reader *r, int result)
{
    struct ic_sim *sim = r->sim;
    struct ic_list *node;
    bool decoded = result == 0 && is_decoded(r);
    close_reader(r);
    while ((node = ic_list_pop_front(&r->taps)) != NULL) {
        struct ic_sim_tap *tap = IC_CONTAINER(node, struct ic_sim_tap, node);
        tap->reader = NULL;
        tap->done(tap, result, decoded);
    }
    if (r->cause == IC_COST_SERVE) {
        ic_store_read_ended(sim->store, r->object, decoded);
    }
    ic_store_unpin(sim->store, r->object);
    ic_free(r);
}

void ic_sim_readers_free(struct ic_sim *sim)
{
    IC_LIST_EACH (node, &sim->readers) {
        struct ic_sim_reader *r = IC_CONTAINER(node, struct ic_sim_reader, node);
        close_reader(r);
        ic_store_unpin(sim->store, r->object);
        ic_free(r);
    }
}

/* ---- which chunks ------------------------------------------------------------- */

/* What a READ on instance SERIAL of FUNCTION costs, as ic_functions_status and cost_of of
 * proxy/reader.c have it. */
static enum ic_read_cost cost_on(const struct ic_sim *sim, uint16_t function, uint32_t serial)
{
    const struct ic_pool_function *f = ic_pool_function(sim->pool, function);
    const struct ic_pool_instance *instance = ic_pool_find(sim->pool, function, serial);
    if (instance == NULL || instance->away) {
        return IC_READ_NEVER;
    }
    switch (serial == f->beside ? f->peer.state : f->state) {
    case IC_FUNCTION_ACTIVE:
        return IC_READ_AWAKE;
    case IC_FUNCTION_INVOKING:
    case IC_FUNCTION_LEAVING:
        return IC_READ_WAKING;
    default:
        return IC_READ_ASLEEP;
    }
}

static uint64_t backlog_of(const struct ic_sim_reader *r, uint32_t chunk)
{
    return r->sim->function[r->object->place[chunk].function].own->backlog;
}

static enum ic_read_cost cost_of(const struct ic_sim_reader *r, uint32_t chunk, uint64_t least)
{
    const struct ic_object *o = r->object;
    if ((r->failed >> chunk & 1) != 0 || o->place[chunk].state != IC_CHUNK_HELD) {
        return IC_READ_NEVER;
    }
    enum ic_read_cost cost = cost_on(r->sim, o->place[chunk].function,
                                     ic_store_holder(r->sim->store, o, (uint16_t)chunk));
    bool busy = backlog_of(r, chunk) > least + IC_READ_BUSY_BYTES;
    return cost == IC_READ_AWAKE && busy ? IC_READ_BUSY : cost;
}

static uint64_t plan(const struct ic_sim_reader *r, uint32_t want)
{
    uint8_t cost[IC_PLACEMENT_MAX];
    uint32_t chunks = chunks_of(r->object);
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < chunks; i++) {
        least = backlog_of(r, i) < least ? backlog_of(r, i) : least;
    }
    for (uint32_t i = 0; i < chunks; i++) {
        cost[i] = (uint8_t)cost_of(r, i, least);
    }
    uint64_t all = (UINT64_C(1) << chunks) - 1;
    return ic_read_plan(cost, all & ~(r->held | r->asked), want);
}

static void give_up(struct ic_sim_reader *r, uint16_t chunk, uint32_t serial, int result)
{
    const struct ic_chunk_place *place = &r->object->place[chunk];
    if (result == IC_ESTALE) {
        ic_store_lost(r->sim->store, r->object, chunk, serial);
    }
    bool elsewhere =
        place->state == IC_CHUNK_HELD && ic_store_holder(r->sim->store, r->object, chunk) != serial;
    r->failed |= elsewhere ? 0 : UINT64_C(1) << chunk;
    r->asked &= ~(UINT64_C(1) << chunk);
}

/* Chunks to ask: d, or by `hedge always` all. */
static uint32_t chunks_to_ask(const struct ic_sim_reader *r)
{
    bool always = r->sim->config->hedge == IC_HEDGE_ALWAYS && r->cause == IC_COST_SERVE;
    return r->object->data + (always ? r->object->parity : 0U);
}

/* How long chunks are waited for before others are asked. */
static uint64_t patience_us(const struct ic_sim_reader *r)
{
    uint64_t longest_ms = (uint64_t)r->sim->config->read_deadline;
    bool adaptive = r->sim->config->hedge == IC_HEDGE_ADAPTIVE && r->cause == IC_COST_SERVE;
    return 1000 * (adaptive ? ic_hedge_delay(&r->sim->hedge, r->woken, longest_ms) : longest_ms);
}

/* What the first piece of the chunk took is learnt. */
static void learn(struct ic_sim_reader *r, const struct ic_sim_ask *ask)
{
    const struct ic_cloud *cloud = r->sim->cloud;
    double piece = ask->bytes < PIECE ? (double)ask->bytes : PIECE;
    double us = (double)(ask->began_us - r->asked_us) + cloud->round_trip_us + cloud->request_us +
                piece / r->sim->bandwidth * 1e6;
    if (r->cause == IC_COST_SERVE && ask->began_us >= r->asked_us) {
        ic_hedge_answered(&r->sim->hedge, r->woken, (uint64_t)(us / 1000));
    }
}

/* Asks until enough chunks are there or may come. False: d cannot. */
static bool ask_more(struct ic_sim_reader *r)
{
    struct ic_object *o = r->object;
    uint32_t want = chunks_to_ask(r);
    r->asked_us = r->sim->clock.now_us;
    for (;;) {
        uint32_t good = count(r->held | (r->asked & ~r->late));
        uint64_t more = good < want ? plan(r, want - good) : 0;
        if (more == 0) {
            return count(r->held | r->asked) >= o->data;
        }
        for (; more != 0; more &= more - 1) {
            uint16_t chunk = (uint16_t)__builtin_ctzll(more);
            struct ic_sim_ask *ask = &r->ask[chunk];
            ask->function = o->place[chunk].function;
            ask->instance = ic_store_holder(r->sim->store, o, chunk);
            r->asked |= UINT64_C(1) << chunk;
            int result = ic_sim_ask_submit(r->sim, ask);
            if (result < 0) {
                give_up(r, chunk, ask->instance, result);
            }
            r->woken = r->woken || !ask->running;
        }
    }
}

static void on_answered(struct ic_sim_ask *ask, int result)
{
    struct ic_sim_reader *r = ask->ctx;
    uint64_t bit = UINT64_C(1) << ask->chunk;
    if (result < 0) {
        give_up(r, ask->chunk, ask->instance, result);
        if (!ask_more(r)) {
            finish(r, IC_ENOENT);
        }
        return;
    }
    learn(r, ask);
    r->begun = true;
    r->held |= bit;
    r->asked &= ~bit;
    if (count(r->held) == r->object->data) {
        finish(r, 0);
    }
}

/* Those that have not even begun are late; what has begun goes on. */
static void on_deadline(void *ctx)
{
    struct ic_sim_reader *r = ctx;
    for (uint64_t left = r->asked; left != 0; left &= left - 1) {
        uint32_t chunk = (uint32_t)__builtin_ctzll(left);
        r->late |= r->ask[chunk].running ? 0 : UINT64_C(1) << chunk;
    }
    if (!ask_more(r)) {
        finish(r, IC_ENOENT);
        return;
    }
    ic_sim_event_set(&r->sim->clock, &r->deadline, r->sim->clock.now_us + patience_us(r));
}

/* ---- joining ------------------------------------------------------------------ */

static struct ic_sim_reader *find(struct ic_sim *sim, const struct ic_object *o,
                                  enum ic_cost_cause cause)
{
    int looked_at = 0;
    IC_LIST_EACH (node, &sim->readers) {
        struct ic_sim_reader *r = IC_CONTAINER(node, struct ic_sim_reader, node);
        if (r->object == o && r->cause == cause && !r->begun) {
            return r;
        }
        if (++looked_at == JOIN_SCAN_MAX) {
            break;
        }
    }
    return NULL;
}

static struct ic_sim_reader *new_reader(struct ic_sim *sim, struct ic_object *o,
                                        enum ic_cost_cause cause)
{
    struct ic_sim_reader *r = ic_calloc(1, sizeof *r + chunks_of(o) * sizeof r->ask[0]);
    if (r == NULL) {
        return NULL;
    }
    r->sim = sim;
    r->object = o;
    r->cause = cause;
    ic_list_init(&r->taps);
    ic_list_push_front(&sim->readers, &r->node);
    ic_sim_event_init(&r->deadline, on_deadline, r);
    ic_store_pin(sim->store, o);
    for (uint32_t i = 0; i < chunks_of(o); i++) {
        r->ask[i] = (struct ic_sim_ask){.bytes = o->chunk_length,
                                        .nodes = o->data,
                                        .chunk = (uint16_t)i,
                                        .cause = (uint8_t)cause,
                                        .done = on_answered,
                                        .ctx = r};
        ic_list_init(&r->ask[i].node);
    }
    return r;
}

int ic_sim_reader_join(struct ic_sim *sim, struct ic_object *o, enum ic_cost_cause cause,
                       struct ic_sim_tap *tap)
{
    struct ic_sim_reader *r = find(sim, o, cause);
    if (r != NULL) {
        ic_list_push_back(&r->taps, &tap->node);
        tap->reader = r;
        return 0;
    }
    r = new_reader(sim, o, cause);
    if (r == NULL) {
        return IC_ENOMEM;
    }
    ic_list_push_back(&r->taps, &tap->node);
    tap->reader = r;
    /* What cannot even be asked is told in a turn to come: at once, by the same timer. */
    uint64_t wait_us = ask_more(r) ? patience_us(r) : 0;
    ic_sim_event_set(&sim->clock, &r->deadline, sim->clock.now_us + wait_us);
    return 0;
}
