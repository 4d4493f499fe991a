/*
 * lanes.c - one invocation of a function after another: Invoke, HELLO, the lease, BYE, the
 * response and its bill; warm-ups.
 *
 *   Invoke --warm or cold--> HELLO -- asks ... quiet --lease--> BYE, BYE_OK --> response
 *      |       begun: billed from here                                 left: to here
 *      '--throttled--> later      a warm-up: --> response, no HELLO
 */
#include "base/alloc.h"
#include "core/cost.h"
#include "simulate/world.h"

#include <assert.h>
#include <math.h>

static void on_timer(void *ctx);

struct ic_sim_lane *ic_sim_lane_new(struct ic_sim *sim, uint16_t function, struct ic_sim_lane *own)
{
    struct ic_sim_lane *lane = ic_calloc(1, sizeof *lane);
    if (lane != NULL) {
        lane->sim = sim;
        lane->own = own == NULL ? lane : own;
        lane->lane = own == NULL ? IC_LANE_SERVE : IC_LANE_PEER;
        lane->function = function;
        ic_sim_port_init(&lane->port, sim->bandwidth);
        ic_sim_event_init(&lane->timer, on_timer, lane);
        ic_list_init(&lane->waiting);
    }
    return lane;
}

void ic_sim_lane_free(struct ic_sim_lane *lane)
{
    ic_free(lane);
}

static bool is_peer(const struct ic_sim_lane *lane)
{
    return lane->lane == IC_LANE_PEER;
}

const struct ic_pool_run *ic_sim_lane_run(const struct ic_sim_lane *lane)
{
    const struct ic_pool_function *f = ic_pool_function(lane->sim->pool, lane->function);
    return is_peer(lane) ? &f->peer : &f->serve;
}

uint32_t ic_sim_lane_serial(const struct ic_sim_lane *lane)
{
    const struct ic_pool_function *f = ic_pool_function(lane->sim->pool, lane->function);
    return is_peer(lane) ? f->beside : f->current;
}

static void tell_pool(struct ic_sim_lane *lane, enum ic_pool_event event)
{
    struct ic_sim *sim = lane->sim;
    ic_pool_lane_event(sim->pool, lane->function, lane->lane, event, ic_sim_ms(sim),
                       ic_rng_next(&sim->rng));
}

static void set_timer(struct ic_sim_lane *lane, enum ic_sim_step step, uint64_t at_us)
{
    lane->step = step;
    ic_sim_event_set(&lane->sim->clock, &lane->timer, at_us);
}

static uint64_t after(const struct ic_sim_lane *lane, double us)
{
    return lane->sim->clock.now_us + (uint64_t)us;
}

/* ---- the lease ---------------------------------------------------------------- */

struct ic_lease_settings ic_sim_lane_prices(const struct ic_sim_lane *lane)
{
    const struct ic_sim *sim = lane->sim;
    uint64_t now_ms = ic_sim_ms(sim);
    uint64_t end_ms = ic_pool_farewell_ms(sim->pool, lane->function, lane->lane);
    return ic_lease_settings_of(sim->config, &sim->rate, &sim->measures,
                                end_ms > now_ms ? end_ms - now_ms : 0);
}

static void reckon_lease(struct ic_sim_lane *lane, bool promised)
{
    struct ic_lease_settings s = ic_sim_lane_prices(lane);
    lane->lease_ms = ic_lease_told_ms(&lane->lease, &s, (uint64_t)lane->sim->config->lease,
                                      promised, ic_sim_ms(lane->sim));
}

/* ---- goodbye ------------------------------------------------------------------ */

/* Its node stays although its lease is over: see proxy/function_peer.c. */
static bool is_kept(const struct ic_sim_lane *lane)
{
    const struct ic_sim_lane *own = lane->own;
    if (own->meeting != NULL) {
        return true;
    }
    enum ic_function_state peer = ic_pool_function(own->sim->pool, own->function)->peer.state;
    return lane == own && (peer == IC_FUNCTION_ACTIVE || peer == IC_FUNCTION_LEAVING);
}

static void say_goodbye(struct ic_sim_lane *lane)
{
    const struct ic_cloud *cloud = lane->sim->cloud;
    assert(lane->running == 0);
    tell_pool(lane, IC_POOL_GOODBYE);
    lane->bye_held = false;
    lane->left_us = after(lane, cloud->leave_us);
    set_timer(lane, IC_SIM_STEP_RESPONSE, after(lane, cloud->leave_us + cloud->response_us));
    ic_sim_meeting_step(lane);
}

static void leave(struct ic_sim_lane *lane)
{
    lane->step = IC_SIM_STEP_NONE;
    if (!lane->draining && is_kept(lane)) {
        lane->bye_held = true;
    } else {
        say_goodbye(lane);
    }
}

void ic_sim_lane_busy(struct ic_sim_lane *lane)
{
    if (lane->step == IC_SIM_STEP_LEAVE) {
        lane->step = IC_SIM_STEP_NONE;
        ic_sim_event_cancel(&lane->sim->clock, &lane->timer);
    }
    lane->bye_held = false;
}

void ic_sim_lane_quiet(struct ic_sim_lane *lane)
{
    ic_lease_quiet(&lane->lease, ic_sim_ms(lane->sim));
    if (lane->draining) {
        say_goodbye(lane);
        return;
    }
    reckon_lease(lane, false);
    set_timer(lane, IC_SIM_STEP_LEAVE, after(lane, lane->lease_ms * 1000.0));
}

/* Sends it home now if it has nothing to do. */
static void dismiss(struct ic_sim_lane *lane)
{
    if (ic_sim_lane_run(lane)->state == IC_FUNCTION_ACTIVE && lane->running == 0) {
        ic_sim_lane_busy(lane);
        say_goodbye(lane);
    }
}

void ic_sim_lane_part(struct ic_sim_lane *own)
{
    struct ic_sim_lane *peer = own->sim->function[own->function].peer;
    if (peer != NULL) {
        dismiss(peer);
    }
    if (own->bye_held && !is_kept(own)) {
        dismiss(own);
    }
}

/* ---- HELLO -------------------------------------------------------------------- */

void ic_sim_lane_delete(struct ic_sim *sim, uint16_t function)
{
    const struct ic_pool_function *f = ic_pool_function(sim->pool, function);
    const uint32_t serial[] = {f->state == IC_FUNCTION_ACTIVE ? f->current : 0,
                               f->peer.state == IC_FUNCTION_ACTIVE ? f->beside : 0};
    for (size_t i = 0; i < 2; i++) {
        struct ic_pool_instance *instance = ic_pool_find(sim->pool, function, serial[i]);
        struct ic_condemned c;
        while (instance != NULL && ic_condemned_pop(&instance->condemned_queue, &c)) {
            ic_pool_deleted(sim->pool, function, serial[i], &c);
        }
    }
}

/* The proxy hears which instance it is; one that it had forgotten is listed. */
static void hear(struct ic_sim_lane *lane)
{
    struct ic_sim *sim = lane->sim;
    struct ic_sim_instance *instance = lane->instance;
    const struct ic_pool_instance *known = ic_pool_find_id(sim->pool, lane->function, instance->id);
    uint64_t held = known != NULL ? known->live + known->condemned : instance->kept.len;
    uint64_t capacity = ic_node_capacity((uint64_t)sim->config->memory);
    struct ic_pool_instance *heard = (is_peer(lane) ? ic_pool_met : ic_pool_heard)(
        sim->pool, lane->function, instance->id, capacity, 0, held, ic_sim_ms(sim));
    instance->serial = heard->serial;
    if (!heard->known && ic_sim_lane_run(lane)->kind != IC_INVOKE_WARM) {
        ic_sim_holdings_list(sim, lane->function, heard->serial, &instance->kept);
        ic_pool_set_known(heard, true);
        instance->kept.len = 0;
    }
    ic_sim_backup_changed(sim, lane->function);
}

static void hello(struct ic_sim_lane *lane)
{
    struct ic_sim *sim = lane->sim;
    lane->step = IC_SIM_STEP_NONE;
    lane->draining = lane->bye_held = false;
    hear(lane);
    tell_pool(lane, IC_POOL_HELLO);
    ic_lease_begin(&lane->lease, lane->begun_us / 1000);
    ic_lease_measure(&sim->measures, (double)(sim->clock.now_us - lane->invoked_us) / 1000,
                     (double)(sim->clock.now_us - lane->begun_us) / 1000);
    ic_sim_lane_delete(sim, lane->function);
    ic_sim_asks_start(lane);
    if (lane->running == 0 && lane->step == IC_SIM_STEP_NONE) {
        set_timer(lane, IC_SIM_STEP_LEAVE, after(lane, lane->lease_ms * 1000.0));
    }
    ic_sim_meeting_step(lane);
}

/* ---- Invoke and its answer ---------------------------------------------------- */

static enum ic_cost_cause cause_of(const struct ic_sim_lane *lane, enum ic_invoke_kind kind)
{
    bool waited_for = !ic_list_empty(&lane->waiting);
    if (kind == IC_INVOKE_WARM) {
        return IC_COST_WARM;
    }
    if (kind == IC_INVOKE_PEER || (lane->meeting != NULL && !waited_for)) {
        return IC_COST_BACKUP;
    }
    return !lane->wanted && waited_for
               ? (enum ic_cost_cause)IC_CONTAINER(lane->waiting.next, struct ic_sim_ask, node)
                     ->cause
               : IC_COST_SERVE;
}

/* The Invoke reaches an instance: when it will be there, and from when on it is billed. */
static void start(struct ic_sim_lane *lane, enum ic_invoke_kind kind, bool cold)
{
    struct ic_sim *sim = lane->sim;
    const struct ic_cloud *cloud = sim->cloud;
    const struct ic_latency *latency = cold                     ? &cloud->cold
                                       : kind == IC_INVOKE_WARM ? &cloud->warm_up
                                                                : &cloud->warm;
    uint64_t at_us = sim->clock.now_us + ic_latency_draw(latency, &sim->cloud_rng);
    double billed_us = cold                     ? cloud->cold_billed_us
                       : kind == IC_INVOKE_WARM ? cloud->warm_up_billed_us
                                                : cloud->start_billed_us;
    uint64_t most_us = at_us - sim->clock.now_us;
    lane->begun_us = at_us - (billed_us < (double)most_us ? (uint64_t)billed_us : most_us);
    lane->left_us = at_us;
    set_timer(lane, kind == IC_INVOKE_WARM ? IC_SIM_STEP_WARMED : IC_SIM_STEP_HELLO, at_us);
}

void ic_sim_lane_invoke(struct ic_sim_lane *lane, enum ic_invoke_kind kind)
{
    static const enum ic_pool_event events[] = {[IC_INVOKE_SERVE] = IC_POOL_INVOKE_SERVE,
                                                [IC_INVOKE_WARM] = IC_POOL_INVOKE_WARM,
                                                [IC_INVOKE_PEER] = IC_POOL_INVOKE_PEER};
    struct ic_sim *sim = lane->sim;
    bool cold = false;
    tell_pool(lane, events[kind]);
    lane->invoked_us = sim->clock.now_us;
    ic_lease_begin(&lane->lease, ic_sim_ms(sim));
    lane->cause = cause_of(lane, kind);
    lane->bye_held = false;
    reckon_lease(lane, true);
    ic_cost_invoke(sim->cost, lane->function);
    sim->warming += kind == IC_INVOKE_WARM;
    if (sim->running >= (uint64_t)sim->config->concurrency) {
        set_timer(lane, IC_SIM_STEP_REFUSED, after(lane, sim->cloud->round_trip_us));
        return;
    }
    lane->instance = ic_sim_instance_take(sim, lane->function, &cold);
    if (lane->instance == NULL) {
        sim->failed = true;
        return;
    }
    start(lane, kind, cold);
}

static void charge(struct ic_sim_lane *lane)
{
    struct ic_sim *sim = lane->sim;
    double ms = (double)(lane->left_us - lane->begun_us) / 1000;
    uint64_t cycles = (uint64_t)ceil(ms / sim->rate.granularity);
    ic_cost_charge(sim->cost, lane->function, lane->cause,
                   (cycles > 0 ? cycles : 1) * sim->rate.granularity, ic_sim_wall_ms(sim));
    ic_sim_instance_release(sim, lane->instance);
    lane->instance = NULL;
    lane->wanted = lane->wanted && ic_sim_lane_run(lane)->kind == IC_INVOKE_WARM;
}

static void responded(struct ic_sim_lane *lane)
{
    lane->step = IC_SIM_STEP_NONE;
    charge(lane);
    tell_pool(lane, IC_POOL_RESPONSE);
    ic_sim_backup_changed(lane->sim, lane->function);
    ic_sim_meeting_step(lane);
    if (is_peer(lane)) {
        ic_sim_lane_part(lane->own);
    }
    ic_sim_lane_pursue(lane->own);
}

static void refused(struct ic_sim_lane *lane)
{
    struct ic_sim *sim = lane->sim;
    bool warm_up = ic_sim_lane_run(lane)->kind == IC_INVOKE_WARM;
    lane->step = IC_SIM_STEP_NONE;
    ic_cost_not_run(sim->cost, lane->function);
    tell_pool(lane, IC_POOL_THROTTLED);
    if (warm_up) {
        sim->warming--;
        ic_sim_warm_start(sim);
    }
    ic_sim_meeting_step(lane);
    ic_sim_lane_pursue(lane->own);
}

void ic_sim_lane_pursue(struct ic_sim_lane *lane)
{
    struct ic_sim *sim = lane->sim;
    bool asked = !ic_list_empty(&lane->waiting) || lane->wanted;
    uint64_t at_ms = ic_pool_invoke_at(sim->pool, lane->function);
    if (!asked || at_ms == UINT64_MAX) {
        return;
    }
    if (at_ms <= ic_sim_ms(sim)) {
        ic_sim_lane_invoke(lane, IC_INVOKE_SERVE);
    } else if (lane->step == IC_SIM_STEP_NONE) {
        set_timer(lane, IC_SIM_STEP_RETRY, at_ms * 1000);
    }
}

/* ---- warm-ups ----------------------------------------------------------------- */

static void warmed(struct ic_sim_lane *lane)
{
    struct ic_sim *sim = lane->sim;
    lane->step = IC_SIM_STEP_NONE;
    hear(lane);
    charge(lane);
    tell_pool(lane, IC_POOL_RESPONSE);
    bool held_up = sim->warming-- == IC_POOL_WARMING_MAX;
    if (held_up) {
        ic_sim_warm_start(sim);
    }
    ic_sim_meeting_step(lane);
    ic_sim_lane_pursue(lane);
}

void ic_sim_warm_start(void *ctx)
{
    struct ic_sim *sim = ctx;
    uint64_t now_ms = ic_sim_ms(sim), next_ms = UINT64_MAX;
    int function = -1;
    if (sim->ending) {
        return;
    }
    if (ic_sim_budget(sim) >= IC_BUDGET_NO_WARM) {
        enum { LOOK_MS = 1000 };
        ic_sim_event_set(&sim->clock, &sim->warm_timer, (now_ms + LOOK_MS) * 1000);
        return;
    }
    while (!sim->failed && sim->warming < IC_POOL_WARMING_MAX &&
           (function = ic_pool_warm_next(sim->pool, now_ms, &next_ms)) >= 0) {
        struct ic_sim_lane *lane = sim->function[function].own;
        if (lane->step == IC_SIM_STEP_RETRY) {
            lane->step = IC_SIM_STEP_NONE;
        }
        ic_sim_lane_invoke(lane, IC_INVOKE_WARM);
    }
    if (sim->warming < IC_POOL_WARMING_MAX && next_ms != UINT64_MAX) {
        ic_sim_event_set(&sim->clock, &sim->warm_timer, next_ms * 1000);
    }
}

/* The only function that goes from one step to another by time. */
static void on_timer(void *ctx)
{
    struct ic_sim_lane *lane = ctx;
    switch (lane->step) {
    case IC_SIM_STEP_HELLO:
        hello(lane);
        break;
    case IC_SIM_STEP_REFUSED:
        refused(lane);
        break;
    case IC_SIM_STEP_WARMED:
        warmed(lane);
        break;
    case IC_SIM_STEP_LEAVE:
        leave(lane);
        break;
    case IC_SIM_STEP_RESPONSE:
        responded(lane);
        break;
    case IC_SIM_STEP_RETRY:
        lane->step = IC_SIM_STEP_NONE;
        ic_sim_lane_pursue(lane);
        break;
    case IC_SIM_STEP_NONE:
        break;
    }
}
