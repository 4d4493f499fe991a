#include "sim/loss.h"

#include "sim/verdict.h"
#include "sim/world.h"

enum {
    LOSSES = 3,
    REBUILD_US = 60 * 1000000, /* the next life begins, looks at every function twice, and serves */
};

/* How long a SET takes that is answered. */
static uint64_t store(struct sim_world *w, uint32_t key, uint64_t size)
{
    uint64_t begun_us = sim_now_us(w);
    sim_verdict_serve(w, SIM_SET, key, size);
    return sim_now_us(w) - begun_us;
}

static void overwrite_and_lose(struct sim_world *w, uint32_t key)
{
    uint64_t size = sim_below(w, w->settings.size_max);
    store(w, key, size);
    uint64_t us = store(w, key, size); /* its functions are awake */
    if (w->client[0].connected && sim_client_do(&w->client[0], SIM_SET, key, size)) {
        sim_world_run_for(w, sim_below(w, us + 1), NULL);
    }
    w->faults.happened[SIM_FAULT_JOURNAL_LOST]++;
    sim_host_crash(&w->host, SIM_CRASH_DISK);
    sim_world_run_for(w, REBUILD_US, NULL);
    sim_verdict_serve(w, SIM_GET, key, 0);
}

void sim_loss(struct sim_world *w)
{
    for (int i = 0; i < LOSSES && w->faults.chance[SIM_FAULT_JOURNAL_LOST] != 0; i++) {
        overwrite_and_lose(w, (uint32_t)sim_below(w, w->model.keys));
    }
}
