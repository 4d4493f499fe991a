/*
 * host.h - the machine of the proxy: one life of its process after the other, on one disk.
 */
#ifndef IC_SIM_HOST_H
#define IC_SIM_HOST_H

#include "base/config.h"
#include "net/net_sim.h"

struct ic_lambda;
struct ic_proxy;

struct sim_host {
    struct ic_loop *loop;     /* NULL: no process now */
    struct ic_proxy *proxy;   /* NULL: none, or it is being taken apart */
    struct ic_lambda *lambda; /* of this life, once it was used */
    struct ic_config *config;
    struct ic_event restart;
    struct ic_sim_post stop;
    uint32_t lives;
    uint32_t needs;   /* functions, by the code table */
    uint32_t pool;    /* whose functions it has in this life: below SIM_POOLS */
    uint64_t evicted; /* by the lives before */
};

void sim_host_init(struct sim_host *h);
void sim_host_start(struct sim_host *h);
enum sim_crash {
    SIM_CRASH_KILLED, /* the process */
    SIM_CRASH_POWER,  /* the machine has none for a while */
    SIM_CRASH_DISK,   /* the machine is another one, without the journal */
};
/* The process is gone; another life begins a while later. */
void sim_host_crash(struct sim_host *h, enum sim_crash crash);
/* It is asked to stop, as by SIGTERM. */
void sim_host_stop(struct sim_host *h);
/* Its loop has stopped. */
void sim_host_stopped(struct sim_host *h);
/* A turn of its begins: if it rebuilds its catalog, notes what it cannot see. */
void sim_host_looked(const struct sim_host *h);
/* Keys evicted in all lives. */
uint64_t sim_host_evicted(const struct sim_host *h);

#endif
