#include "sim/platform.h"

#include "core/pool.h"
#include "node/node.h"
#include "proto/lambda_json.h"
#include "sim/report.h"
#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { MEMORY_MB = 16, START_US_MAX = 400000, SHUTDOWN_US = 500000 };

void sim_platform_init(struct sim_platform *p)
{
    struct sim_world *w = sim_world();
    *p = (struct sim_platform){.memory_mb = MEMORY_MB};
    ic_list_init(&p->instances);
    p->loop = ic_loop_new();
    p->routing = (enum sim_routing)sim_below(w, SIM_ROUTING_COUNT);
    p->has_extensions = sim_below(w, 3) != 0;
    p->start_us = 1000 + sim_below(w, START_US_MAX);
    ic_sim_set_owner(p->loop, p, "platform");
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)p->memory_mb);
    setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", text, 1);
}

void sim_platform_lost(struct sim_platform *p, uint16_t function)
{
    p->lost_at[function] = sim_world()->model.events;
}

void sim_platform_hindered(struct sim_platform *p, uint16_t function)
{
    p->hindered_at[function] = sim_world()->model.events;
}

uint16_t sim_platform_function(uint16_t index)
{
    return (uint16_t)(sim_world()->host.pool * SIM_POOL_MAX + index);
}

size_t sim_platform_alive(const struct sim_platform *p, int function)
{
    size_t alive = 0;
    IC_LIST_EACH (node, &p->instances) {
        const struct sim_instance *i = IC_CONTAINER(node, struct sim_instance, node);
        alive += i->state != SIM_INSTANCE_DEAD && (function < 0 || i->function == function);
    }
    return alive;
}

/* ---- instances ------------------------------------------------------------------ */

static void stall_over(void *ctx)
{
    struct sim_instance *i = ctx;
    if (i->state == SIM_INSTANCE_ENDING) {
        sim_platform_reclaim(i, IC_SIM_SILENT); /* SIGKILL */
    } else if (i->state != SIM_INSTANCE_IDLE && i->state != SIM_INSTANCE_DEAD) {
        ic_sim_thaw(i->loop);
    }
}

static struct sim_instance *start_instance(struct sim_platform *p, uint16_t function)
{
    struct sim_world *w = sim_world();
    struct sim_instance *i = sim_alloc(sizeof *i);
    char name[32];
    if (sim_platform_alive(p, function) > 0) {
        sim_platform_lost(p, function); /* a sibling: what the other holds may be given up */
    }
    i->number = ++p->instance_count;
    if (i->number > SIM_INSTANCES_MAX) {
        sim_violation("more instances than a run can need");
    }
    i->function = function;
    i->state = SIM_INSTANCE_STARTING;
    ic_event_init(&i->stall, stall_over, i);
    ic_list_push_back(&p->instances, &i->node);
    sim_runtime_open(i);
    i->loop = ic_loop_new();
    snprintf(name, sizeof name, "n%u.%u", function, i->number);
    ic_sim_set_owner(i->loop, i, name);
    if (sim_faults_draw(&w->faults, SIM_FAULT_SLOW_NODE)) {
        ic_sim_set_pace(i->loop, 1000 + sim_below(w, 100000));
    }
    snprintf(i->environment, sizeof i->environment, "AWS_LAMBDA_RUNTIME_API=127.0.0.1:%u",
             SIM_RUNTIME_PORT + i->number);
    putenv(i->environment);
    i->node_process = ic_node_new(i->loop);
    assert(i->node_process != NULL);
    ic_sim_freeze(i->loop); /* until the cold start is over */
    ic_event_start(sim_time(w), &i->stall, sim_below(w, p->start_us));
    sim_note("instance %s starts", name);
    return i;
}

/* The node's objects stay as they are: a process that is killed frees nothing either. */
static void bury(struct sim_instance *i, enum ic_sim_end how)
{
    sim_note("instance %s is gone", ic_sim_name(i->loop));
    ic_event_stop(sim_time(sim_world()), &i->stall);
    i->state = SIM_INSTANCE_DEAD;
    ic_sim_kill(i->loop, how);
    sim_runtime_close(i);
    sim_platform_lost(&sim_world()->platform, i->function);
}

static void end_invocation(struct sim_instance *i)
{
    struct sim_invocation *inv = i->running;
    if (inv != NULL) {
        ic_event_stop(sim_time(sim_world()), &inv->event);
        free(inv->payload);
        free(inv);
        i->running = NULL;
    }
}

void sim_platform_reclaim(struct sim_instance *i, enum ic_sim_end how)
{
    static const char text[] = "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"exit\"}";
    bury(i, how);
    if (i->running != NULL) {
        sim_lambda_respond(i->running, ic_slice_str(text), true);
        end_invocation(i);
    }
}

static void terminate(void *ctx)
{
    ic_node_terminate(((struct sim_instance *)ctx)->node_process);
}

void sim_platform_shut_down(struct sim_instance *i)
{
    assert(i->state == SIM_INSTANCE_IDLE);
    if (!i->is_told) {
        sim_platform_reclaim(i, IC_SIM_SILENT);
        return;
    }
    sim_note("SIGTERM to %s", ic_sim_name(i->loop));
    i->state = SIM_INSTANCE_ENDING;
    /* What it offers cannot be read from it any more, and elsewhere only when it is stored there.
     */
    sim_platform_lost(&sim_world()->platform, i->function);
    ic_event_start(sim_time(sim_world()), &i->stall, SHUTDOWN_US);
    ic_sim_post(i->loop, &i->terminate, terminate, i);
    ic_sim_thaw(i->loop);
}

void sim_platform_stall(struct sim_instance *i, uint64_t delay_us)
{
    ic_sim_freeze(i->loop);
    ic_event_start(sim_time(sim_world()), &i->stall, delay_us);
}

void sim_platform_kill(struct sim_platform *p, uint64_t down_us)
{
    sim_note("the platform is killed, for %llu ms", (unsigned long long)down_us / 1000);
    p->down_until_us = sim_now_us(sim_world()) + down_us;
    IC_LIST_EACH (node, &p->instances) {
        struct sim_instance *i = IC_CONTAINER(node, struct sim_instance, node);
        if (i->state == SIM_INSTANCE_DEAD) {
            continue;
        }
        bury(i, IC_SIM_CLOSED);
        if (i->running != NULL) {
            sim_lambda_cut_off(i->running);
            end_invocation(i);
        }
    }
}

bool sim_platform_is_down(const struct sim_platform *p)
{
    return sim_now_us(sim_world()) < p->down_until_us;
}

void sim_platform_calm(struct sim_platform *p)
{
    p->routing = SIM_ROUTING_NEWEST;
    p->down_until_us = p->throttles_left = 0;
    IC_LIST_EACH (node, &p->instances) {
        struct sim_instance *i = IC_CONTAINER(node, struct sim_instance, node);
        ic_sim_set_pace(i->loop, 0);
        if (i->state == SIM_INSTANCE_IDLE && sim_platform_alive(p, i->function) > 1) {
            sim_platform_reclaim(i, IC_SIM_SILENT);
        }
    }
}

struct sim_instance *sim_platform_pick(struct sim_platform *p, enum sim_instance_state state,
                                       int function)
{
    struct sim_instance *picked = NULL;
    uint64_t seen = 0;
    IC_LIST_EACH (node, &p->instances) {
        struct sim_instance *i = IC_CONTAINER(node, struct sim_instance, node);
        if (i->state == state && (function < 0 || i->function == function) &&
            sim_below(sim_world(), ++seen) == 0) {
            picked = i;
        }
    }
    return picked;
}

/* ---- invocations ---------------------------------------------------------------- */

/* The idle instance that was used last, or longest ago. */
static struct sim_instance *pick_by_use(struct sim_platform *p, uint16_t function, bool newest)
{
    struct sim_instance *best = NULL;
    IC_LIST_EACH (node, &p->instances) {
        struct sim_instance *i = IC_CONTAINER(node, struct sim_instance, node);
        if (i->state == SIM_INSTANCE_IDLE && i->function == function &&
            (best == NULL || (i->used_us > best->used_us) == newest)) {
            best = i;
        }
    }
    return best;
}

static struct sim_instance *route(struct sim_platform *p, uint16_t function)
{
    struct sim_faults *f = &sim_world()->faults;
    struct sim_instance *i = NULL;
    if (sim_platform_alive(p, function) > 0 && sim_faults_draw(f, SIM_FAULT_SECOND_INSTANCE)) {
        return start_instance(p, function);
    }
    enum sim_routing routing = p->routing;
    if (sim_platform_alive(p, function) > 1 && sim_faults_draw(f, SIM_FAULT_STALE_INSTANCE)) {
        routing = SIM_ROUTING_OLDEST;
    }
    switch (routing) {
    case SIM_ROUTING_NEWEST:
    case SIM_ROUTING_OLDEST:
        i = pick_by_use(p, function, routing == SIM_ROUTING_NEWEST);
        break;
    case SIM_ROUTING_ANY:
    case SIM_ROUTING_COUNT:
        i = sim_platform_pick(p, SIM_INSTANCE_IDLE, function);
        break;
    }
    return i != NULL ? i : start_instance(p, function);
}

static void timed_out(void *ctx)
{
    static const char text[] =
        "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"timed out\"}";
    struct sim_invocation *inv = ctx;
    struct sim_instance *i = inv->instance;
    sim_note("invocation %u timed out", inv->number);
    bury(i, IC_SIM_SILENT);
    sim_lambda_respond(inv, ic_slice_str(text), true);
    end_invocation(i);
}

struct sim_invocation *sim_invocation_new(uint16_t function, const void *payload, size_t len,
                                          struct ic_lambda_call *call)
{
    struct sim_invocation *inv = sim_alloc(sizeof *inv);
    inv->number = ++sim_world()->platform.invocation_count;
    inv->function = function;
    inv->payload = sim_alloc(len);
    memcpy(inv->payload, payload, len);
    inv->payload_len = len;
    inv->call = call;
    return inv;
}

/* I is invoked, not its siblings: what these hold may be given up, sooner or later. */
static void pass_over_siblings(struct sim_platform *p, struct sim_instance *i)
{
    i->passed_over = 0;
    IC_LIST_EACH (node, &p->instances) {
        struct sim_instance *other = IC_CONTAINER(node, struct sim_instance, node);
        if (other != i && other->function == i->function && other->state != SIM_INSTANCE_DEAD &&
            ++other->passed_over >= IC_POOL_MISSES_MAX) {
            sim_platform_lost(p, i->function);
        }
    }
}

void sim_platform_invoke(struct sim_platform *p, struct sim_invocation *inv)
{
    struct sim_world *w = sim_world();
    struct sim_instance *i = route(p, inv->function);
    assert(i->running == NULL);
    sim_note("invocation %u to %s", inv->number, ic_sim_name(i->loop));
    pass_over_siblings(p, i);
    inv->instance = i;
    inv->begun_us = sim_now_us(w);
    i->running = inv;
    ic_event_init(&inv->event, timed_out, inv);
    ic_event_start(sim_time(w), &inv->event, p->timeout_us);
    if (i->state == SIM_INSTANCE_IDLE) {
        i->state = SIM_INSTANCE_BUSY;
        sim_runtime_hand_out(i);
        ic_sim_thaw(i->loop);
    }
}

/* ---- what an instance says ------------------------------------------------------- */

void sim_instance_asks(struct sim_instance *i)
{
    i->used_us = sim_now_us(sim_world());
    if (i->state == SIM_INSTANCE_BUSY) {
        return; /* the answer got lost: it is asked again */
    }
    if (i->state == SIM_INSTANCE_STARTING && i->running != NULL) {
        i->state = SIM_INSTANCE_BUSY;
        sim_runtime_hand_out(i);
        return;
    }
    i->state = SIM_INSTANCE_IDLE;
    ic_event_stop(sim_time(sim_world()), &i->stall);
    ic_sim_freeze(i->loop);
    if (sim_faults_draw(&sim_world()->faults, SIM_FAULT_FROZEN_LINKS)) {
        ic_sim_mute_links(i->loop, SIM_NODE_PORT);
    }
}

void sim_instance_responds(struct sim_instance *i, struct ic_slice body, bool error)
{
    if (i->running == NULL) {
        return;
    }
    struct ic_invoke_reply reply;
    if (!error && ic_invoke_reply_decode(body, &reply) == 0) {
        memcpy(i->id, reply.instance, sizeof i->id);
        i->held = reply.held;
        i->capacity = reply.capacity;
    }
    static const char text[] = "{\"errorType\":\"Simulated\",\"errorMessage\":\"error\"}";
    bool spoiled = sim_faults_draw(&sim_world()->faults, SIM_FAULT_FUNCTION_ERROR);
    sim_lambda_respond(i->running, spoiled ? ic_slice_str(text) : body, error || spoiled);
    end_invocation(i);
    i->state = SIM_INSTANCE_RETURNED;
}

void sim_instance_exited(struct sim_instance *i)
{
    sim_note("instance %s has ended itself", ic_sim_name(i->loop));
    sim_platform_reclaim(i, IC_SIM_CLOSED);
}
