/*
 * world.h - one run of the simulation: everything that a seed decides, in one struct. The product's
 * object files run in it unchanged; the parts here stand where the real world would be.
 *
 *   clients (client.h) --RESP--> proxy (host.h) --node link--> nodes (platform.h)
 *      |                           |   '--lambda.h--> platform    ^ Runtime API (runtime_api.c)
 *      |                           '--journal.h--> disk (disk.h)   '----------'
 *      '-- every reply --> model (model.h): is it one that the design allows?
 *
 * A run: faults for a while, then none; when all is quiet everything must be served again.
 */
#ifndef IC_SIM_WORLD_H
#define IC_SIM_WORLD_H

#include "net/net_sim.h"
#include "sim/client.h"
#include "sim/crowd.h"
#include "sim/disk.h"
#include "sim/faults.h"
#include "sim/host.h"
#include "sim/lines.h"
#include "sim/model.h"
#include "sim/platform.h"

enum {
    SIM_CLIENTS_MAX = 5,
    SIM_NODE_PORT = 6380,
    SIM_CLIENT_PORT = 6378,
};

struct sim_settings { /* of a run, besides the proxy's own */
    uint32_t clients, functions, pipeline;
    uint64_t operations; /* of all clients, until the faults stop */
    uint64_t calm;       /* of these before the faults begin, so that there is something to lose */
    uint64_t think_ms;   /* between two operations of a client, at most */
    uint64_t size_max;   /* of a value */
    uint64_t delay_us;   /* of a link, usually at most */
    uint64_t window_bytes;
};

struct sim_world {
    uint64_t seed;
    bool traced;
    struct ic_sim *net;
    struct ic_rng rng;    /* the driver's choices */
    struct ic_rng system; /* what the processes get from base/random.h */
    int64_t wall_offset_us;
    struct sim_settings settings;
    struct sim_faults faults;
    struct sim_disk disk;
    struct sim_host host;
    struct sim_platform platform;
    struct sim_model model;
    struct sim_client client[SIM_CLIENTS_MAX];
    struct sim_crowd crowd; /* in runs that have one */
    struct sim_lines lines;
    struct ic_event fault_tick;
    uint64_t operations_begun;
    bool settled; /* no faults any more */
};

/* The one world of this process. */
struct sim_world *sim_world(void);
void sim_world_init(struct sim_world *w, uint64_t seed);
/* Runs it to its end; a violation ends the process (report.h). */
void sim_world_run(struct sim_world *w);

/* Lets US pass, or less: until DONE (may be NULL). Returns whether it was. */
bool sim_world_run_for(struct sim_world *w, uint64_t us, bool (*done)(const struct sim_world *w));

static inline uint64_t sim_now_us(const struct sim_world *w)
{
    return ic_sim_time(w->net)->now_us;
}
static inline struct ic_virtual_time *sim_time(const struct sim_world *w)
{
    return ic_sim_time(w->net);
}
static inline uint64_t sim_below(struct sim_world *w, uint64_t bound)
{
    return ic_rng_below(&w->rng, bound);
}
/* Clients that hold the window are among this run's faults. */
static inline bool sim_has_crowd(const struct sim_world *w)
{
    return w->faults.chance[SIM_FAULT_CROWD] != 0;
}
int64_t sim_wall_us(const struct sim_world *w);

#endif
