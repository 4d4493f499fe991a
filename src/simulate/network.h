/*
 * network.h - bytes on their way between the proxy and its functions. The flows of one function
 * share its port evenly; when all ports together want more than the proxy's own network gives, all
 * go slower in proportion.
 *
 *   port of a function (75 MB/s)  flow, flow    -.
 *   port of another    (40 MB/s)  flow           |-- the proxy's network (1.25 GB/s)
 *   ...                                         -'
 *
 * Exact and cheap: inner time passes as fast as the clock while the proxy's network suffices, else
 * slower; a flow's end is a moment of inner time, which changes only when its own port's flows do.
 */
#ifndef IC_SIMULATE_NETWORK_H
#define IC_SIMULATE_NETWORK_H

#include "base/heap.h"
#include "base/list.h"

#include <stdint.h>

struct ic_sim_port {
    double bytes_per_s;
    uint32_t count;
    struct ic_list flows;
};

struct ic_sim_flow {
    struct ic_heap_node node;
    struct ic_list link; /* in its port's */
    struct ic_sim_port *port;
    double end; /* inner time */
    void (*done)(struct ic_sim_flow *flow);
};

struct ic_sim_network {
    double bytes_per_s;
    double wanted; /* by the ports that have flows */
    double inner;  /* microseconds, as of AT_US */
    uint64_t at_us;
    uint64_t ended;
    struct ic_heap flows; /* by end */
    bool failed;          /* out of memory */
};

void ic_sim_network_init(struct ic_sim_network *n, double bytes_per_s, uint64_t now_us);
void ic_sim_network_deinit(struct ic_sim_network *n); /* flows stay their owners' */
void ic_sim_port_init(struct ic_sim_port *p, double bytes_per_s);
/* FLOW, which is zeroed but for `done`, carries BYTES over P, after as much time as WAIT_US would
 * carry. DONE is called when they are there. */
void ic_sim_flow_begin(struct ic_sim_network *n, struct ic_sim_flow *flow, struct ic_sim_port *p,
                       uint64_t bytes, double wait_us, uint64_t now_us);
void ic_sim_flow_cancel(struct ic_sim_network *n, struct ic_sim_flow *flow, uint64_t now_us);
uint64_t ic_sim_network_next(const struct ic_sim_network *n); /* UINT64_MAX: nothing flows */
/* It is NOW_US: flows that are at their end are done. */
void ic_sim_network_run(struct ic_sim_network *n, uint64_t now_us);

#endif
