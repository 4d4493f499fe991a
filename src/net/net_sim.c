#include "net/net_sim.h"

#include "base/alloc.h"
#include "net/net_sim_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WAKE_JITTER_US = 30, /* a process is scheduled so much after what woke it, at most */
    PACE_US = 5,
    PORT_FIRST = 20000, /* of those nobody chose */
};

/* The only mutable state of its own kind: net.h makes loops without saying in which world. */
static struct ic_sim *current;

/* ---- the world ---- */

struct ic_sim *ic_sim_new(uint64_t seed)
{
    struct ic_sim *sim = calloc(1, sizeof *sim);
    assert(sim != NULL && current == NULL);
    ic_virtual_time_init(&sim->time, seed);
    ic_list_init(&sim->loops);
    ic_list_init(&sim->links);
    sim->next_port = PORT_FIRST;
    current = sim;
    return sim;
}

void ic_sim_set_hooks(struct ic_sim *sim, const struct ic_sim_hooks *hooks)
{
    sim->hooks = *hooks;
}

void ic_sim_free(struct ic_sim *sim)
{
    assert(sim == current && ic_list_empty(&sim->loops));
    while (ic_virtual_time_step(&sim->time)) { /* segments that travel free themselves */
    }
    ic_virtual_time_deinit(&sim->time);
    free(sim);
    current = NULL;
}

struct ic_sim *ic_sim_current(void)
{
    return current;
}

struct ic_virtual_time *ic_sim_time(struct ic_sim *sim)
{
    return &sim->time;
}

bool ic_sim_step(struct ic_sim *sim)
{
    return ic_virtual_time_step(&sim->time);
}

/* ---- turns ---- */

static void run_posts(struct ic_loop *loop)
{
    struct ic_list *node;
    while ((node = ic_list_pop_front(&loop->posts)) != NULL) {
        struct ic_sim_post *post = IC_CONTAINER(node, struct ic_sim_post, node);
        post->run(post->ctx);
    }
}

/* Those that are signalled meanwhile wait for the next turn. */
static void run_streams(struct ic_loop *loop)
{
    struct ic_list now, *node;
    ic_list_init(&now);
    ic_list_move_all(&loop->signalled, &now);
    while ((node = ic_list_pop_front(&now)) != NULL) {
        ic_sim_poll(IC_CONTAINER(node, struct ic_sim_stream, signal_node));
    }
    IC_LIST_EACH (listener, &loop->listeners) {
        ic_sim_accept(IC_CONTAINER(listener, struct ic_listener, node));
    }
}

static void tell_turn(struct ic_loop *loop, bool begins)
{
    struct ic_sim *sim = loop->sim;
    sim->running = begins ? loop : NULL;
    if (sim->hooks.turn != NULL) {
        sim->hooks.turn(sim->hooks.ctx, loop, begins);
    }
}

static void schedule(struct ic_loop *loop)
{
    if (!ic_list_empty(&loop->signalled) || !ic_list_empty(&loop->posts)) {
        ic_sim_wake(loop, 0);
    }
    if (loop->timers.root != NULL) {
        uint64_t due_us = loop->timers.root->due_ms * 1000;
        uint64_t now_us = loop->sim->time.now_us;
        ic_sim_wake(loop, due_us > now_us ? due_us - now_us : 0);
    }
}

static void run_turn(void *ctx)
{
    struct ic_loop *loop = ctx;
    struct ic_sim *sim = loop->sim;
    uint64_t pace_us = PACE_US + loop->pace_us;
    loop->free_us = sim->time.now_us + 1 + ic_rng_below(&sim->time.rng, pace_us);
    tell_turn(loop, true);
    if (setjmp(sim->crash) != 0) {
        tell_turn(loop, false);
        sim->hooks.crashed(sim->hooks.ctx, loop);
        return;
    }
    ic_timers_run(&loop->timers, ic_loop_now_ms(loop));
    run_posts(loop);
    run_streams(loop);
    ic_turn_end(&loop->turn);
    loop->turns++;
    loop->figures.turns++;
    tell_turn(loop, false);
    if (loop->stopped && sim->hooks.stopped != NULL) {
        sim->hooks.stopped(sim->hooks.ctx, loop);
    } else {
        schedule(loop);
    }
}

void ic_sim_wake(struct ic_loop *loop, uint64_t delay_us)
{
    struct ic_sim *sim = loop->sim;
    if (loop->dead || loop->frozen || sim->running == loop) {
        return; /* a turn looks for itself when it ends */
    }
    uint64_t at_us = sim->time.now_us + delay_us + ic_rng_below(&sim->time.rng, WAKE_JITTER_US);
    at_us = at_us < loop->free_us ? loop->free_us : at_us;
    if (!ic_event_waits(&loop->next) || at_us < loop->next.due_us) {
        ic_event_start(&sim->time, &loop->next, at_us - sim->time.now_us);
    }
}

void ic_sim_signal(struct ic_sim_stream *s)
{
    struct ic_loop *loop = s->stream.loop;
    if (s->stream.freed || loop->dead) {
        return;
    }
    if (ic_list_empty(&s->signal_node)) {
        if (ic_rng_below(&loop->sim->time.rng, 2) == 0) { /* an epoll has no order either */
            ic_list_push_back(&loop->signalled, &s->signal_node);
        } else {
            ic_list_push_front(&loop->signalled, &s->signal_node);
        }
    }
    ic_sim_wake(loop, 0);
}

/* ---- net.h: the loop ---- */

struct ic_loop *ic_loop_new(void)
{
    struct ic_loop *loop = ic_calloc(1, sizeof *loop);
    if (loop == NULL) {
        return NULL;
    }
    if (current == NULL) {
        ic_sim_new(0)->implicit = true;
    }
    loop->sim = current;
    ic_event_init(&loop->next, run_turn, loop);
    ic_turn_init(&loop->turn);
    ic_list_init(&loop->posts);
    ic_list_init(&loop->signalled);
    ic_list_init(&loop->listeners);
    ic_list_push_back(&current->loops, &loop->node);
    return loop;
}

void ic_loop_free(struct ic_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    struct ic_sim *sim = loop->sim;
    ic_loop_settle(loop);
    assert(ic_list_empty(&loop->listeners)); /* a listener of the owner's is still open */
    ic_event_stop(&sim->time, &loop->next);
    ic_list_remove(&loop->node);
    ic_free(loop);
    if (sim->implicit && ic_list_empty(&sim->loops)) {
        ic_sim_free(sim);
    }
}

void ic_loop_run(struct ic_loop *loop)
{
    loop->stopped = false;
    schedule(loop);
    while (!loop->stopped && ic_sim_step(loop->sim)) {
    }
}

void ic_loop_stop(struct ic_loop *loop)
{
    loop->stopped = true;
}

void ic_loop_settle(struct ic_loop *loop)
{
    ic_turn_settle(&loop->turn);
}

uint64_t ic_loop_turn_number(const struct ic_loop *loop)
{
    return loop->turns;
}

struct ic_loop_figures ic_loop_figures(const struct ic_loop *loop)
{
    return loop->figures;
}

void ic_loop_figures_reset(struct ic_loop *loop)
{
    loop->figures = (struct ic_loop_figures){0};
}

uint64_t ic_loop_now_ms(const struct ic_loop *loop)
{
    return loop->sim->time.now_us / 1000;
}

struct ic_turn *ic_loop_turn(struct ic_loop *loop)
{
    ic_sim_wake(loop, 0);
    return &loop->turn;
}

/* ---- net.h: timers ---- */

void ic_timer_init(struct ic_timer *t, struct ic_loop *loop, void (*fire)(void *ctx), void *ctx)
{
    *t = (struct ic_timer){.loop = loop, .fire = fire, .ctx = ctx};
}

void ic_timer_start(struct ic_timer *t, uint64_t delay_ms)
{
    ic_timer_stop(t);
    t->due_ms = ic_loop_now_ms(t->loop) + delay_ms;
    ic_timers_insert(&t->loop->timers, t);
    uint64_t due_us = t->due_ms * 1000, now_us = t->loop->sim->time.now_us;
    ic_sim_wake(t->loop, due_us > now_us ? due_us - now_us : 0);
}

void ic_timer_stop(struct ic_timer *t)
{
    if (t->armed) {
        ic_timers_remove(t->due_list != NULL ? t->due_list : &t->loop->timers, t);
        t->due_list = NULL;
    }
}

/* ---- processes ---- */

void ic_sim_set_owner(struct ic_loop *loop, void *owner, const char *name)
{
    loop->owner = owner;
    snprintf(loop->name, sizeof loop->name, "%s", name);
}

void *ic_sim_owner(const struct ic_loop *loop)
{
    return loop->owner;
}

const char *ic_sim_name(const struct ic_loop *loop)
{
    return loop->name;
}

struct ic_loop *ic_sim_running(const struct ic_sim *sim)
{
    return sim->running;
}

void ic_sim_set_pace(struct ic_loop *loop, uint64_t pace_us)
{
    loop->pace_us = pace_us;
}

void ic_sim_freeze(struct ic_loop *loop)
{
    assert(loop->sim->running != loop);
    loop->frozen = true;
    ic_event_stop(&loop->sim->time, &loop->next);
}

void ic_sim_thaw(struct ic_loop *loop)
{
    if (loop->frozen) {
        loop->frozen = false;
        ic_sim_wake(loop, 0);
    }
}

bool ic_sim_is_frozen(const struct ic_loop *loop)
{
    return loop->frozen;
}

void ic_sim_kill(struct ic_loop *loop, enum ic_sim_end how)
{
    struct ic_sim *sim = loop->sim;
    assert(sim->running != loop);
    loop->dead = true;
    ic_event_stop(&sim->time, &loop->next);
    IC_LIST_EACH (node, &sim->links) {
        struct ic_sim_link *link = IC_CONTAINER(node, struct ic_sim_link, node);
        for (int side = 0; side < 2; side++) {
            if (link->side[side].loop != loop || link->side[side].closed) {
                continue;
            }
            if (how == IC_SIM_SILENT) {
                ic_sim_abandon(link, side);
            } else {
                ic_sim_close(link, side);
            }
            break; /* nobody dials himself; and the link may be gone */
        }
    }
    ic_list_remove(&loop->node); /* of the world's: it may never be freed */
}

void ic_sim_crash_in(struct ic_loop *loop, uint64_t count)
{
    loop->crash_in = count;
}

void ic_sim_act(void)
{
    struct ic_loop *loop = current->running;
    if (loop != NULL && loop->crash_in != 0 && --loop->crash_in == 0) {
        longjmp(current->crash, 1);
    }
}

void ic_sim_post(struct ic_loop *loop, struct ic_sim_post *post, void (*run)(void *ctx), void *ctx)
{
    post->run = run;
    post->ctx = ctx;
    ic_list_push_back(&loop->posts, &post->node);
    ic_sim_wake(loop, 0);
}
