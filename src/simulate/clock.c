#include "simulate/clock.h"

#include "base/list.h"

static struct ic_sim_event *event_of(const struct ic_heap_node *node)
{
    return IC_CONTAINER(node, struct ic_sim_event, node);
}

static bool before(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    const struct ic_sim_event *x = event_of(a), *y = event_of(b);
    return x->at_us < y->at_us || (x->at_us == y->at_us && x->order < y->order);
}

void ic_sim_clock_init(struct ic_sim_clock *c, uint64_t now_us)
{
    *c = (struct ic_sim_clock){.now_us = now_us};
    ic_heap_init(&c->events, before);
}

void ic_sim_clock_deinit(struct ic_sim_clock *c)
{
    ic_heap_deinit(&c->events);
}

void ic_sim_event_init(struct ic_sim_event *e, void (*fire)(void *ctx), void *ctx)
{
    *e = (struct ic_sim_event){.fire = fire, .ctx = ctx};
}

void ic_sim_event_set(struct ic_sim_clock *c, struct ic_sim_event *e, uint64_t at_us)
{
    e->at_us = at_us > c->now_us ? at_us : c->now_us;
    e->order = c->order++;
    if (ic_sim_event_is_set(e)) {
        ic_heap_moved(&c->events, &e->node);
    } else if (ic_heap_insert(&c->events, &e->node) < 0) {
        c->failed = true;
    }
}

void ic_sim_event_cancel(struct ic_sim_clock *c, struct ic_sim_event *e)
{
    ic_heap_remove(&c->events, &e->node);
}

uint64_t ic_sim_clock_next(const struct ic_sim_clock *c)
{
    const struct ic_heap_node *first = ic_heap_first(&c->events);
    return first == NULL ? UINT64_MAX : event_of(first)->at_us;
}

void ic_sim_clock_fire(struct ic_sim_clock *c)
{
    struct ic_sim_event *e = event_of(ic_heap_first(&c->events));
    ic_heap_remove(&c->events, &e->node);
    c->now_us = e->at_us > c->now_us ? e->at_us : c->now_us;
    c->fired++;
    e->fire(e->ctx);
}
