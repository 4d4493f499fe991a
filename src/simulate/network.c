#include "simulate/network.h"

#include <assert.h>
#include <math.h>

/* Inner time is a sum of parts; what ends within this of now has ended. */
static const double ROUNDING_US = 1e-3;

static struct ic_sim_flow *flow_of(const struct ic_heap_node *node)
{
    return IC_CONTAINER(node, struct ic_sim_flow, node);
}

static bool before(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    return flow_of(a)->end < flow_of(b)->end;
}

void ic_sim_network_init(struct ic_sim_network *n, double bytes_per_s, uint64_t now_us)
{
    *n = (struct ic_sim_network){.bytes_per_s = bytes_per_s, .at_us = now_us};
    ic_heap_init(&n->flows, before);
}

void ic_sim_network_deinit(struct ic_sim_network *n)
{
    ic_heap_deinit(&n->flows);
}

void ic_sim_port_init(struct ic_sim_port *p, double bytes_per_s)
{
    *p = (struct ic_sim_port){.bytes_per_s = bytes_per_s};
    ic_list_init(&p->flows);
}

/* How fast inner time passes. */
static double pace(const struct ic_sim_network *n)
{
    return n->wanted > n->bytes_per_s ? n->bytes_per_s / n->wanted : 1;
}

static void advance(struct ic_sim_network *n, uint64_t now_us)
{
    assert(now_us >= n->at_us);
    n->inner += (double)(now_us - n->at_us) * pace(n);
    n->at_us = now_us;
}

/* The flows of P are COUNT from now on: what is left of each takes so much longer, or shorter. */
static void share(struct ic_sim_network *n, struct ic_sim_port *p, uint32_t count)
{
    if (p->count > 0 && count > 0) {
        double factor = (double)count / p->count;
        IC_LIST_EACH (link, &p->flows) {
            struct ic_sim_flow *flow = IC_CONTAINER(link, struct ic_sim_flow, link);
            flow->end = n->inner + (flow->end - n->inner) * factor;
            ic_heap_moved(&n->flows, &flow->node);
        }
    }
    if ((p->count > 0) != (count > 0)) {
        n->wanted += count > 0 ? p->bytes_per_s : -p->bytes_per_s;
    }
    p->count = count;
}

void ic_sim_flow_begin(struct ic_sim_network *n, struct ic_sim_flow *flow, struct ic_sim_port *p,
                       uint64_t bytes, double wait_us, uint64_t now_us)
{
    advance(n, now_us);
    share(n, p, p->count + 1);
    flow->port = p;
    flow->end = n->inner + ((double)bytes / p->bytes_per_s * 1e6 + wait_us) * p->count;
    ic_list_push_back(&p->flows, &flow->link);
    n->failed |= ic_heap_insert(&n->flows, &flow->node) < 0;
}

void ic_sim_flow_cancel(struct ic_sim_network *n, struct ic_sim_flow *flow, uint64_t now_us)
{
    advance(n, now_us);
    ic_heap_remove(&n->flows, &flow->node);
    ic_list_remove(&flow->link);
    share(n, flow->port, flow->port->count - 1);
}

uint64_t ic_sim_network_next(const struct ic_sim_network *n)
{
    const struct ic_heap_node *first = ic_heap_first(&n->flows);
    if (first == NULL) {
        return UINT64_MAX;
    }
    double left_us = (flow_of(first)->end - n->inner) / pace(n);
    return n->at_us + (left_us > 0 ? (uint64_t)ceil(left_us) : 0);
}

void ic_sim_network_run(struct ic_sim_network *n, uint64_t now_us)
{
    struct ic_heap_node *first;
    advance(n, now_us);
    while ((first = ic_heap_first(&n->flows)) != NULL &&
           flow_of(first)->end <= n->inner + ROUNDING_US) {
        struct ic_sim_flow *flow = flow_of(first);
        ic_sim_flow_cancel(n, flow, now_us);
        n->ended++;
        flow->done(flow);
    }
}
