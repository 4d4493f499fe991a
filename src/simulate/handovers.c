/*
 * handovers.c - an instance that is being ended offers its chunks, and what nobody else has moves
 * to other functions, as core/handover.h decides; see proxy/handover.c.
 *
 *   SIGTERM --> chosen --read: as long as its network takes--> new places, written --> committed
 *                        the instance is gone from here on
 */
#include "base/alloc.h"
#include "core/cost.h"
#include "core/handover.h"
#include "proto/link_body.h"
#include "simulate/world.h"

enum {
    HELLO_US = 20000,   /* from SIGTERM to the first READ, */
    SERVED_US = 450000, /* and to the end */
};

struct source {          /* a dying instance */
    struct ic_list node; /* sim->dying */
    struct ic_sim *sim;
    struct ic_sim_event read;
    struct ic_buf chunks; /* of struct ic_handover_chunk */
    uint32_t chosen, serial;
    uint16_t function;
};

struct move {
    struct ic_list node; /* sim->moves */
    struct ic_sim *sim;
    struct ic_object *object; /* pinned */
    struct ic_sim_ask ask;
    uint16_t chunk;
};

/* ---- one chunk ------------------------------------------------------------------- */

static void end_move(struct move *m, bool held)
{
    struct ic_sim *sim = m->sim;
    if (held) {
        sim->result.handed_over_chunks++;
        sim->result.handed_over_bytes += m->object->chunk_length;
        ic_sim_hour(sim)->handed_over++;
        ic_sim_holdings_add(sim, m->object, m->chunk);
    }
    ic_store_move_end(sim->store, m->object, m->chunk);
    ic_sim_count_store(sim);
    ic_list_remove(&m->node);
    ic_free(m);
}

static void on_committed(void *ctx, int result)
{
    end_move(ctx, result == 0);
}

static void on_written(struct ic_sim_ask *ask, int result)
{
    struct move *m = ask->ctx;
    if (result == 0) {
        result = ic_store_move_commit(m->sim->store, m->object, m->chunk, on_committed, m);
    }
    if (result < 0) {
        end_move(m, false);
    }
}

/* Its bytes are there: it gets a new place. */
static void begin_move(struct source *s, const struct ic_handover_chunk *c)
{
    struct ic_sim *sim = s->sim;
    struct ic_object *o = ic_store_object(sim->store, c->object_id);
    if (o == NULL || ic_store_move_begin(sim->store, o, c->chunk, s->function, s->serial) < 0) {
        return;
    }
    struct move *m = ic_calloc(1, sizeof *m);
    if (m == NULL) {
        ic_store_move_end(sim->store, o, c->chunk);
        sim->failed = true;
        return;
    }
    *m = (struct move){.sim = sim, .object = o, .chunk = c->chunk};
    ic_list_push_back(&sim->moves, &m->node);
    m->ask = (struct ic_sim_ask){.object = o,
                                 .bytes = o->chunk_length,
                                 .nodes = 1,
                                 .function = o->place[c->chunk].function,
                                 .chunk = c->chunk,
                                 .cause = IC_COST_REPAIR,
                                 .write = true,
                                 .done = on_written,
                                 .ctx = m};
    ic_list_init(&m->ask.node);
    sim->received += o->chunk_length;
    int result = ic_sim_ask_submit(sim, &m->ask);
    if (result < 0) {
        end_move(m, false);
    }
}

/* ---- a dying instance ------------------------------------------------------------- */

static void drop_source(struct source *s)
{
    ic_sim_event_cancel(&s->sim->clock, &s->read);
    ic_list_remove(&s->node);
    ic_buf_deinit(&s->chunks);
    ic_free(s);
}

static void on_read(void *ctx)
{
    struct source *s = ctx;
    struct ic_sim *sim = s->sim;
    const struct ic_handover_chunk *chunk = (const void *)s->chunks.data;
    for (uint32_t i = 0; i < s->chosen; i++) {
        begin_move(s, &chunk[i]);
    }
    ic_pool_gone(sim->pool, s->function, s->serial);
    drop_source(s);
}

static void offer(void *ctx, struct ic_object *o, uint16_t chunk)
{
    struct source *s = ctx;
    struct ic_sim *sim = s->sim;
    struct ic_item item = ic_sim_item(o, chunk);
    if (ic_store_last_copy(sim->store, s->function, s->serial, &item) != o) {
        return;
    }
    struct ic_handover_chunk one = {.object_id = o->id,
                                    .bytes = o->chunk_length,
                                    .spare = ic_store_spare(sim->store, o),
                                    .chunk = chunk};
    sim->failed |= ic_buf_append(&s->chunks, &one, sizeof one) < 0;
}

/* Chooses what its network lets out in time; returns how long that takes. */
static uint64_t choose(struct source *s)
{
    double bandwidth = s->sim->bandwidth;
    double most = bandwidth * (SERVED_US - HELLO_US) / 1e6;
    struct ic_handover_chunk *chunk = (void *)s->chunks.data;
    uint32_t distinct, count = (uint32_t)(s->chunks.len / sizeof *chunk);
    uint64_t bytes = 0;
    s->chosen = ic_handover_choose(
        chunk, count, most < IC_HANDOVER_BYTES_MAX ? (uint64_t)most : IC_HANDOVER_BYTES_MAX,
        &distinct);
    for (uint32_t i = 0; i < s->chosen; i++) {
        bytes += chunk[i].bytes;
    }
    return HELLO_US + (uint64_t)((double)bytes / bandwidth * 1e6);
}

void ic_sim_handover(struct ic_sim *sim, const struct ic_sim_instance *instance)
{
    struct ic_pool_instance *known = ic_pool_find_id(sim->pool, instance->function, instance->id);
    if (known == NULL) {
        return; /* the proxy had forgotten it */
    }
    struct source *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        sim->failed = true;
        return;
    }
    s->sim = sim;
    s->function = instance->function;
    s->serial = known->serial;
    ic_buf_init(&s->chunks);
    ic_sim_event_init(&s->read, on_read, s);
    ic_list_push_back(&sim->dying, &s->node);
    known->dying = true;
    ic_sim_holdings_each(sim, s->function, offer, s);
    ic_sim_event_set(&sim->clock, &s->read, sim->clock.now_us + choose(s));
}

void ic_sim_handovers_free(struct ic_sim *sim)
{
    struct ic_list *node;
    while (!ic_list_empty(&sim->dying)) {
        drop_source(IC_CONTAINER(sim->dying.next, struct source, node));
    }
    while ((node = ic_list_pop_front(&sim->moves)) != NULL) {
        struct move *m = IC_CONTAINER(node, struct move, node);
        ic_sim_ask_cancel(sim, &m->ask);
        ic_store_move_end(sim->store, m->object, m->chunk);
        ic_free(m);
    }
}
