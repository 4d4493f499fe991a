/*
 * writes.c - a SET: a draft with places, its chunks written and sealed, the commit. It is answered
 * when all are sealed or have failed; d + min(1, p) are enough.
 */
#include "base/alloc.h"
#include "core/cost.h"
#include "simulate/world.h"

#include <assert.h>

struct write {
    struct ic_list node; /* sim->writes */
    struct ic_sim *sim;
    struct ic_object *draft;
    uint64_t key;
    uint64_t began_us;
    uint32_t pending, sealed;
    void (*done)(void *ctx, int result);
    void *ctx;
    struct ic_sim_ask ask[];
};

static uint32_t chunks_of(const struct ic_object *o)
{
    return (uint32_t)o->data + o->parity;
}

static int commit(struct write *w)
{
    struct ic_sim *sim = w->sim;
    struct ic_object *o = w->draft;
    ic_store_seal(sim->store, o);
    struct ic_change change = {
        .kind = IC_CHANGE_PUT, .key = ic_slice(&w->key, sizeof w->key), .draft = o};
    int result = ic_store_commit(sim->store, &change, 1, ic_sim_wall_ms(sim), NULL, NULL);
    if (result < 0) {
        ic_store_drop(sim->store, o);
        return result;
    }
    for (uint32_t i = 0; i < chunks_of(o); i++) {
        if (o->place[i].state == IC_CHUNK_HELD) {
            ic_sim_holdings_add(sim, o, (uint16_t)i);
        }
    }
    ic_sim_key_stored(sim, w->key);
    ic_cost_set(sim->cost, o->size);
    ic_histogram_add(&sim->result.set_us, sim->clock.now_us - w->began_us);
    return 0;
}

/* Every chunk is sealed or has failed. */
static void finish(struct write *w)
{
    struct ic_object *o = w->draft;
    uint32_t enough = o->data + (o->parity > 0 ? 1u : 0u);
    int result = IC_EUNAVAIL;
    if (w->sealed >= enough) {
        result = commit(w);
    } else {
        ic_store_drop(w->sim->store, o);
    }
    w->done(w->ctx, result);
    ic_list_remove(&w->node);
    ic_free(w);
}

void ic_sim_writes_free(struct ic_sim *sim)
{
    struct ic_list *node;
    while ((node = ic_list_pop_front(&sim->writes)) != NULL) {
        struct write *w = IC_CONTAINER(node, struct write, node);
        for (uint32_t i = 0; i < chunks_of(w->draft); i++) {
            ic_sim_ask_cancel(sim, &w->ask[i]);
        }
        ic_store_drop(sim->store, w->draft);
        ic_free(w);
    }
}

static void on_written(struct ic_sim_ask *ask, int result)
{
    struct write *w = ask->ctx;
    if (result == 0) {
        ic_store_sealed(w->sim->store, w->draft, ask->chunk);
        w->sealed += w->draft->place[ask->chunk].state == IC_CHUNK_HELD;
    } else {
        ic_store_lost(w->sim->store, w->draft, ask->chunk, w->draft->place[ask->chunk].instance);
    }
    if (--w->pending == 0) {
        finish(w);
    }
}

static void begin(struct write *w)
{
    uint32_t chunks = chunks_of(w->draft);
    w->pending = chunks + 1; /* so that it does not end on this stack before the last */
    for (uint32_t i = 0; i < chunks; i++) {
        struct ic_sim_ask *ask = &w->ask[i];
        *ask = (struct ic_sim_ask){.object = w->draft,
                                   .bytes = w->draft->chunk_length,
                                   .function = w->draft->place[i].function,
                                   .chunk = (uint16_t)i,
                                   .nodes = chunks,
                                   .cause = IC_COST_SERVE,
                                   .write = true,
                                   .done = on_written,
                                   .ctx = w};
        ic_list_init(&ask->node);
        int result = ic_sim_ask_submit(w->sim, ask);
        if (result < 0) {
            on_written(ask, result);
        }
    }
    if (--w->pending == 0) {
        finish(w);
    }
}

int ic_sim_write(struct ic_sim *sim, uint64_t key, uint64_t bytes,
                 void (*done)(void *ctx, int result), void *ctx)
{
    struct ic_object *draft;
    int result = ic_store_draft(sim->store, ic_slice(&key, sizeof key), bytes, &draft);
    if (result < 0) {
        return result;
    }
    while ((result = ic_store_claim(sim->store, draft, draft->chunk_length)) == IC_EBUSY) {
        ic_store_turn_end(sim->store); /* it is there at once */
    }
    if (result < 0) {
        ic_store_drop(sim->store, draft);
        return result;
    }
    struct write *w = ic_calloc(1, sizeof *w + chunks_of(draft) * sizeof w->ask[0]);
    if (w == NULL) {
        ic_store_drop(sim->store, draft);
        return IC_ENOMEM;
    }
    w->sim = sim;
    w->draft = draft;
    w->key = key;
    w->began_us = sim->clock.now_us;
    w->done = done;
    w->ctx = ctx;
    ic_list_push_back(&sim->writes, &w->node);
    begin(w);
    return 0;
}
