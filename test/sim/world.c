#include "sim/world.h"

#include "base/alloc.h"
#include "proxy/proxy.h"
#include "proxy/sessions.h"
#include "sim/report.h"
#include "sim/verdict.h"

#include <stdio.h>

enum {
    TICK_US = 50000, /* of the fault clock */
    RUN_US_MAX = 180 * 1000000,
    ANSWER_US = 120 * 1000000, /* no request of a client waits longer */
    WALL_BEGIN_S = 1780000000, /* in 2026 */
    RUNTIME_DELAY_US = 50,
    STALL_US = 3000000,
    STEP_US = 20000000,   /* of the wall clock, at most */
    ACTIONS_MAX = 12,     /* of a process that is about to crash */
    ALLOCATIONS_MAX = 40, /* one of the next so many of a turn fails */
    STORM_PERCENT = 70,
    DOWN_US = 4000000, /* the platform, at most */
    BURST_MAX = 40,    /* Invokes throttled in a row */
    CROWD_FUNCTIONS_MIN = 5,
    CROWD_SIZE_MAX = 256 << 10,
    CROWD_WINDOW = 1 << 20,
};

static struct sim_world the_world; /* of this process: base/clock.h has no argument for it */

struct sim_world *sim_world(void)
{
    return &the_world;
}

int64_t sim_wall_us(const struct sim_world *w)
{
    return (int64_t)sim_now_us(w) + INT64_C(1000000) * WALL_BEGIN_S + w->wall_offset_us;
}

static bool draw(struct sim_world *w, enum sim_fault fault)
{
    return sim_faults_draw(&w->faults, fault);
}

/* The instance that runs on LOOP, or NULL. */
static struct sim_instance *instance_on(const struct ic_loop *loop)
{
    return ic_sim_name(loop)[0] == 'n' ? ic_sim_owner(loop) : NULL;
}

/* ---- what the network asks -------------------------------------------------------- */

static void on_dial(void *ctx, struct ic_loop *from, struct ic_loop *to, uint16_t port,
                    struct ic_sim_quality *q)
{
    struct sim_world *w = ctx;
    const struct sim_instance *i = instance_on(from);
    (void)to;
    if (port > SIM_RUNTIME_PORT && port <= SIM_RUNTIME_PORT + SIM_INSTANCES_MAX) {
        q->delay_max_us = RUNTIME_DELAY_US;
        return;
    }
    q->delay_max_us = q->delay_min_us + sim_below(w, w->settings.delay_us);
    q->buffer_bytes = 2048U << sim_below(w, 7);
    q->bytes_per_ms = 2000U << sim_below(w, 6);
    if (draw(w, SIM_FAULT_SLOW_LINK)) {
        q->delay_max_us += 1000 + sim_below(w, 300000);
        q->bytes_per_ms = 20 + sim_below(w, 1000);
    }
    if (port == SIM_NODE_PORT) {
        q->lost = draw(w, SIM_FAULT_DIAL_LOST);
        q->refused = draw(w, SIM_FAULT_DIAL_REFUSED);
        if (i != NULL && (q->lost || q->refused)) {
            sim_platform_hindered(&w->platform, i->function);
        }
    }
}

/* A client may be killed whose command takes many turns that nobody shares. */
static void kill_who_is_alone(struct sim_world *w)
{
    const struct ic_proxy *p = w->host.proxy;
    struct ic_worker *alone = p == NULL ? NULL : p->sessions->turns.alone;
    if (alone == NULL) {
        return;
    }
    struct ic_session *s = IC_CONTAINER(alone, struct ic_session, worker);
    if (!s->gone && draw(w, SIM_FAULT_CLIENT_KILLED)) {
        ic_session_kill(s, NULL);
    }
}

static void on_turn(void *ctx, struct ic_loop *loop, bool begins)
{
    struct sim_world *w = ctx;
    ic_alloc_fail_at(0);
    if (!begins) {
        return;
    }
    if (loop == w->host.loop) {
        kill_who_is_alone(w);
        sim_host_looked(&w->host);
    }
    bool fails = (loop == w->host.loop && draw(w, SIM_FAULT_PROXY_MEMORY)) ||
                 (instance_on(loop) != NULL && draw(w, SIM_FAULT_NODE_MEMORY));
    if (fails) {
        ic_alloc_fail_at(1 + sim_below(w, ALLOCATIONS_MAX));
    }
}

static void on_stopped(void *ctx, struct ic_loop *loop)
{
    struct sim_world *w = ctx;
    struct sim_instance *i = instance_on(loop);
    if (loop == w->host.loop) {
        sim_host_stopped(&w->host);
    } else if (i != NULL) {
        sim_instance_exited(i);
    }
}

static void on_crashed(void *ctx, struct ic_loop *loop)
{
    struct sim_world *w = ctx;
    if (loop == w->host.loop) {
        sim_host_crash(&w->host, SIM_CRASH_KILLED);
    }
}

static struct ic_sim_spoiled on_sending(void *ctx, struct ic_loop *loop, size_t len)
{
    struct sim_world *w = ctx;
    struct sim_instance *i = instance_on(loop);
    struct ic_sim_spoiled wrong = {.mask = 0};
    if (i == NULL) {
        return wrong;
    }
    wrong.lasting = draw(w, SIM_FAULT_CORRUPT_MEMORY);
    if (wrong.lasting || draw(w, SIM_FAULT_CORRUPT_DATA)) {
        wrong.at = (size_t)sim_below(w, len);
        wrong.mask = (uint8_t)(1U << sim_below(w, 8));
        sim_platform_lost(&w->platform, i->function);
        sim_note("%s sends a wrong bit%s", ic_sim_name(loop), wrong.lasting ? ", for ever" : "");
    }
    return wrong;
}

/* ---- faults that happen by themselves ---------------------------------------------- */

static void break_some_link(struct sim_world *w, enum sim_fault fault, uint16_t port,
                            enum ic_sim_break how)
{
    if (draw(w, fault)) {
        struct ic_sim_link *link = ic_sim_pick_link(w->net, NULL, port);
        if (link != NULL) {
            sim_note("fault: %s", sim_fault_name(fault));
            ic_sim_break_link(link, how);
        }
    }
}

static void break_links(struct sim_world *w)
{
    break_some_link(w, SIM_FAULT_LINK_RESET, SIM_NODE_PORT, IC_SIM_RESET);
    break_some_link(w, SIM_FAULT_LINK_RESET_ONE, SIM_NODE_PORT, IC_SIM_RESET_ONE);
    break_some_link(w, SIM_FAULT_LINK_HALF_OPEN, SIM_NODE_PORT, IC_SIM_HALF_OPEN);
    break_some_link(w, SIM_FAULT_LINK_MUTE, SIM_NODE_PORT, IC_SIM_MUTE);
    break_some_link(w, SIM_FAULT_LINK_CUT_SHORT, SIM_NODE_PORT, IC_SIM_CUT_SHORT);
    break_some_link(w, SIM_FAULT_CLIENT_RESET, SIM_CLIENT_PORT,
                    sim_below(w, 2) == 0 ? IC_SIM_RESET : IC_SIM_CUT_SHORT);
}

static void reclaim(struct sim_world *w, enum sim_fault fault, enum sim_instance_state state)
{
    if (draw(w, fault)) {
        struct sim_instance *i = sim_platform_pick(&w->platform, state, -1);
        if (i != NULL) {
            sim_platform_reclaim(i, sim_below(w, 2) == 0 ? IC_SIM_SILENT : IC_SIM_CLOSED);
        }
    }
}

static void storm(struct sim_world *w)
{
    if (draw(w, SIM_FAULT_RECLAIM_STORM)) {
        sim_note("fault: a storm");
        IC_LIST_EACH (node, &w->platform.instances) {
            struct sim_instance *i = IC_CONTAINER(node, struct sim_instance, node);
            if (i->state != SIM_INSTANCE_DEAD && sim_below(w, 100) < STORM_PERCENT) {
                sim_platform_reclaim(i, IC_SIM_SILENT);
            }
        }
    }
}

static void trouble_nodes(struct sim_world *w)
{
    reclaim(w, SIM_FAULT_RECLAIM_IDLE, SIM_INSTANCE_IDLE);
    reclaim(w, SIM_FAULT_RECLAIM_BUSY, SIM_INSTANCE_BUSY);
    storm(w);
    struct sim_instance *i = sim_platform_pick(&w->platform, SIM_INSTANCE_IDLE, -1);
    if (i != NULL && draw(w, SIM_FAULT_SHUTDOWN)) {
        sim_platform_shut_down(i);
    }
    i = sim_platform_pick(&w->platform, SIM_INSTANCE_BUSY, -1);
    if (i != NULL && draw(w, SIM_FAULT_STALL_NODE)) {
        sim_note("fault: %s stalls", ic_sim_name(i->loop));
        sim_platform_stall(i, sim_below(w, STALL_US));
    }
}

static void trouble_platform(struct sim_world *w)
{
    if (draw(w, SIM_FAULT_THROTTLE_BURST)) {
        w->platform.throttles_left = 1 + (uint32_t)sim_below(w, BURST_MAX);
    }
    if (draw(w, SIM_FAULT_PLATFORM_KILLED)) {
        sim_platform_kill(&w->platform, sim_below(w, DOWN_US));
    }
}

static void trouble_proxy(struct sim_world *w)
{
    struct sim_host *h = &w->host;
    if (h->loop == NULL) {
        return;
    }
    if (draw(w, SIM_FAULT_PROXY_CRASH)) {
        sim_host_crash(h, SIM_CRASH_KILLED);
    } else if (draw(w, SIM_FAULT_POWER_FAILURE)) {
        sim_host_crash(h, SIM_CRASH_POWER);
    } else if (draw(w, SIM_FAULT_JOURNAL_LOST)) {
        sim_host_crash(h, SIM_CRASH_DISK);
    } else if (draw(w, SIM_FAULT_PROXY_STOP)) {
        sim_host_stop(h);
    } else if (draw(w, SIM_FAULT_PROXY_CRASH_IN_TURN)) {
        ic_sim_crash_in(h->loop, 1 + sim_below(w, ACTIONS_MAX));
    }
}

static void trouble(void *ctx)
{
    struct sim_world *w = ctx;
    w->faults.paused = w->settled || w->operations_begun < w->settings.calm;
    break_links(w);
    trouble_nodes(w);
    trouble_platform(w);
    trouble_proxy(w);
    if (draw(w, SIM_FAULT_CROWD)) {
        sim_crowd_one(&w->crowd);
    }
    if (draw(w, SIM_FAULT_WALL_STEP)) {
        sim_model_clock_step(&w->model);
        w->wall_offset_us += (int64_t)sim_below(w, STEP_US) - STEP_US / 2;
    }
    sim_verdict_now(w);
    ic_event_start(sim_time(w), &w->fault_tick, TICK_US);
}

/* ---- the run ----------------------------------------------------------------------- */

static void choose_settings(struct sim_world *w)
{
    struct sim_settings *s = &w->settings;
    s->clients = 1 + (uint32_t)sim_below(w, SIM_CLIENTS_MAX);
    s->functions = 2 + (uint32_t)sim_below(w, 9);
    s->pipeline = 1 + (uint32_t)sim_below(w, 6);
    s->operations = 40 + sim_below(w, 260);
    s->calm = sim_below(w, s->operations / 2);
    s->think_ms = 1 + sim_below(w, 400);
    s->size_max = UINT64_C(512) << sim_below(w, 10);
    s->delay_us = 200 + sim_below(w, 5000);
    s->window_bytes = UINT64_C(1) << (20 + sim_below(w, 4));
    if (sim_has_crowd(w)) { /* stripes that are not small, a window for few */
        s->functions = CROWD_FUNCTIONS_MIN + s->functions / 2;
        s->size_max = CROWD_SIZE_MAX;
        s->window_bytes = CROWD_WINDOW;
    }
}

void sim_world_init(struct sim_world *w, uint64_t seed)
{
    struct ic_rng split;
    ic_rng_init(&split, seed);
    w->seed = seed;
    w->net = ic_sim_new(ic_rng_next(&split));
    ic_rng_init(&w->rng, ic_rng_next(&split));
    ic_rng_init(&w->system, ic_rng_next(&split));
    sim_faults_init(&w->faults, ic_rng_next(&split));
    w->faults.paused = true;
    choose_settings(w);
    struct ic_sim_hooks hooks = {.ctx = w,
                                 .dial = on_dial,
                                 .turn = on_turn,
                                 .stopped = on_stopped,
                                 .crashed = on_crashed,
                                 .sending = on_sending};
    ic_sim_set_hooks(w->net, &hooks);
    sim_model_init(&w->model, 4 + (uint32_t)sim_below(w, SIM_KEYS_MAX - 3));
    sim_disk_init(&w->disk);
    sim_platform_init(&w->platform);
    sim_host_init(&w->host);
    ic_event_init(&w->fault_tick, trouble, w);
    ic_event_start(sim_time(w), &w->fault_tick, TICK_US);
}

static bool all_quiet(const struct sim_world *w)
{
    for (uint32_t i = 0; i < w->settings.clients; i++) {
        if (!sim_client_is_quiet(&w->client[i])) {
            return false;
        }
    }
    return true;
}

bool sim_world_run_for(struct sim_world *w, uint64_t us, bool (*done)(const struct sim_world *w))
{
    uint64_t until_us = sim_now_us(w) + us;
    while (sim_now_us(w) < until_us && !(done != NULL && done(w))) {
        bool more = ic_sim_step(w->net);
        for (uint32_t i = 0; i < w->settings.clients; i++) {
            uint64_t since_us = sim_client_waits_since_us(&w->client[i]);
            if (since_us != SIM_NEVER && sim_now_us(w) - since_us > ANSWER_US) {
                sim_violation("client %u waits for an answer for too long", i);
            }
        }
        if (!more) {
            sim_violation("nothing happens any more");
        }
    }
    return done == NULL || done(w);
}

static bool has_worked(const struct sim_world *w)
{
    return w->operations_begun >= w->settings.operations && all_quiet(w);
}

static void end_faults(struct sim_world *w)
{
    sim_note("the faults are over");
    w->faults.paused = w->settled = true;
    for (uint32_t i = 0; i < w->settings.clients; i++) {
        sim_client_rest(&w->client[i]);
    }
    sim_crowd_leave(&w->crowd);
    sim_platform_calm(&w->platform);
}

void sim_world_run(struct sim_world *w)
{
    sim_host_start(&w->host);
    for (uint32_t i = 0; i < w->settings.clients; i++) {
        sim_client_init(&w->client[i], w, i);
    }
    if (sim_has_crowd(w)) {
        sim_crowd_init(&w->crowd, w);
    }
    sim_world_run_for(w, RUN_US_MAX, has_worked);
    end_faults(w);
    if (!sim_world_run_for(w, ANSWER_US, all_quiet)) {
        sim_violation("requests without an answer although the faults are over");
    }
    sim_verdict_at_end(w);
}
