/*
 * asks.c - requests to functions: a chunk to be read or written goes to the function's node if it
 * is there, else the node is invoked.
 */
#include "core/cost.h"
#include "simulate/world.h"

#include <assert.h>

/* The proxy asks a chunk piece by piece: so many bytes of it are queued at a time. */
enum { QUEUED_MAX = 1 << 20 };

static uint64_t queued(const struct ic_sim_ask *ask)
{
    return ask->bytes < QUEUED_MAX ? ask->bytes : QUEUED_MAX;
}

/* Why a request for an instance that is not there cannot be served. */
static int elsewhere(const struct ic_sim *sim, const struct ic_sim_ask *ask)
{
    return ic_pool_holds(sim->pool, ask->function, ask->instance) ? IC_EAWAY : IC_ESTALE;
}

static bool is_idle(const struct ic_sim_lane *lane)
{
    return lane->running == 0 && ic_list_empty(&lane->waiting);
}

static void leave(struct ic_sim_ask *ask)
{
    ask->lane->backlog -= queued(ask);
    ask->lane->running -= ask->running;
    ask->running = false;
    ask->lane = NULL;
    ic_list_remove(&ask->node);
}

static void on_flow(struct ic_sim_flow *flow)
{
    struct ic_sim_ask *ask = IC_CONTAINER(flow, struct ic_sim_ask, flow);
    struct ic_sim_lane *lane = ask->lane;
    struct ic_sim *sim = lane->sim;
    uint64_t *bytes = ask->write ? &sim->sent : &sim->received;
    *bytes += ask->bytes;
    leave(ask);
    ask->done(ask, 0);
    if (lane->running == 0 && ic_sim_lane_run(lane)->state == IC_FUNCTION_ACTIVE &&
        lane->step == IC_SIM_STEP_NONE) {
        ic_sim_lane_quiet(lane);
    }
}

/* The first WRITE of a chunk goes to whatever instance answers: it takes room there, or is refused.
 */
static int bind(struct ic_sim *sim, struct ic_sim_ask *ask, uint32_t serial)
{
    const struct ic_pool_instance *instance = ic_pool_find(sim->pool, ask->function, serial);
    uint64_t cost = ask->object->chunk_cost;
    if (instance->live + instance->in_flight + cost > instance->capacity) {
        return IC_ENOSPC;
    }
    ask->instance = ic_store_begin(sim->store, ask->object, ask->chunk, serial);
    assert(ask->instance == serial); /* one ask, one chunk */
    return 0;
}

/* ASK goes out to the node of its lane. < 0: it is refused. */
static int begin(struct ic_sim_ask *ask)
{
    struct ic_sim_lane *lane = ask->lane;
    struct ic_sim *sim = lane->sim;
    uint32_t serial = ic_sim_lane_serial(lane);
    if (ask->instance != 0 && ask->instance != serial) {
        return elsewhere(sim, ask);
    }
    int result = ask->instance == 0 ? bind(sim, ask, serial) : 0;
    if (result < 0) {
        return result;
    }
    double wait_us = sim->cloud->round_trip_us + sim->cloud->request_us;
    ask->running = true;
    ask->began_us = sim->clock.now_us;
    ask->flow = (struct ic_sim_flow){.done = on_flow};
    lane->running++;
    ic_sim_lane_busy(lane);
    /* A WRITE is followed by a SEAL: one more round trip. */
    ic_sim_flow_begin(&sim->network, &ask->flow, &lane->port, ask->bytes,
                      ask->write ? 2 * wait_us : wait_us, sim->clock.now_us);
    return 0;
}

/* The node is there and takes requests; one that has lasted long enough drains. */
static bool takes_requests(struct ic_sim_lane *lane)
{
    struct ic_sim *sim = lane->sim;
    if (ic_sim_lane_run(lane)->state != IC_FUNCTION_ACTIVE) {
        return false;
    }
    bool old = ic_pool_farewell_ms(sim->pool, lane->function, lane->lane) <= ic_sim_ms(sim);
    lane->draining = lane->draining || old;
    return !lane->draining;
}

static struct ic_sim_lane *lane_for(struct ic_sim *sim, const struct ic_sim_ask *ask)
{
    const struct ic_sim_function *f = &sim->function[ask->function];
    uint32_t beside = ic_pool_function(sim->pool, ask->function)->beside;
    return f->peer != NULL && ask->instance != 0 && ask->instance == beside ? f->peer : f->own;
}

/* Why ASK cannot even wait; 0: it can. */
static int refusal(struct ic_sim *sim, const struct ic_sim_ask *ask)
{
    const struct ic_pool_instance *instance = ic_pool_find(sim->pool, ask->function, ask->instance);
    bool absent = ask->instance != 0 && (instance == NULL || instance->away);
    return absent ? elsewhere(sim, ask) : 0;
}

int ic_sim_ask_submit(struct ic_sim *sim, struct ic_sim_ask *ask)
{
    int result = refusal(sim, ask);
    if (result < 0) {
        return result;
    }
    struct ic_sim_lane *lane = lane_for(sim, ask);
    if (is_idle(lane) && ask->cause == IC_COST_SERVE) {
        struct ic_lease_settings s = ic_sim_lane_prices(lane);
        ic_lease_arrival(&lane->lease, ask->nodes, &s, ic_sim_ms(sim));
    }
    ask->lane = lane;
    ask->running = false;
    lane->backlog += queued(ask);
    ic_list_init(&ask->node);
    if (takes_requests(lane)) {
        result = begin(ask);
        if (result < 0) {
            leave(ask);
        }
        return result;
    }
    ic_list_push_back(&lane->waiting, &ask->node);
    if (lane->draining && lane->running == 0 &&
        ic_sim_lane_run(lane)->state == IC_FUNCTION_ACTIVE) {
        ic_sim_lane_quiet(lane);
    }
    ic_sim_lane_pursue(lane->own);
    return 0;
}

void ic_sim_ask_cancel(struct ic_sim *sim, struct ic_sim_ask *ask)
{
    struct ic_sim_lane *lane = ask->lane;
    if (lane == NULL) {
        return;
    }
    bool ran = ask->running;
    if (ran) {
        ic_sim_flow_cancel(&sim->network, &ask->flow, sim->clock.now_us);
    }
    leave(ask);
    if (ran && lane->running == 0 && lane->step == IC_SIM_STEP_NONE &&
        ic_sim_lane_run(lane)->state == IC_FUNCTION_ACTIVE) {
        ic_sim_lane_quiet(lane);
    }
}

/* `done` of one that is refused may submit again, which goes its own way. */
void ic_sim_asks_start(struct ic_sim_lane *lane)
{
    struct ic_list now, *node;
    ic_list_init(&now);
    ic_list_move_all(&lane->waiting, &now);
    while ((node = ic_list_pop_front(&now)) != NULL) {
        struct ic_sim_ask *ask = IC_CONTAINER(node, struct ic_sim_ask, node);
        int result = begin(ask);
        if (result < 0) {
            leave(ask);
            ask->done(ask, result);
        }
    }
}
