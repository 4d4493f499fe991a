#include "sim/loss.h"

#include "core/catalog.h"
#include "proxy/proxy.h"
#include "proxy/rebuilder.h"
#include "proxy/store.h"
#include "sim/report.h"
#include "sim/verdict.h"
#include "sim/world.h"

enum {
    LOSSES = 3,
    REBUILD_US = 60 * 1000000, /* the next life begins, looks at every function twice, and serves */
    REST_US = 10 * 1000000,    /* all instances are idle */
    REPAIR_US = 10 * 1000000,
    REPAIRS_MAX = 6, /* so many times until it is repaired */
};

/* How long a SET takes that is answered. */
static uint64_t store(struct sim_world *w, uint32_t key, uint64_t size)
{
    uint64_t begun_us = sim_now_us(w);
    sim_verdict_serve(w, SIM_SET, key, size);
    return sim_now_us(w) - begun_us;
}

static void lose(struct sim_world *w)
{
    w->faults.happened[SIM_FAULT_JOURNAL_LOST]++;
    sim_host_crash(&w->host, SIM_CRASH_DISK);
    sim_world_run_for(w, REBUILD_US, NULL);
}

static void overwrite_and_lose(struct sim_world *w, uint32_t key)
{
    uint64_t size = sim_below(w, w->settings.size_max);
    store(w, key, size);
    uint64_t us = store(w, key, size); /* its functions are awake */
    if (w->client[0].connected && sim_client_do(&w->client[0], SIM_SET, key, size)) {
        sim_world_run_for(w, sim_below(w, us + 1), NULL);
    }
    lose(w);
    sim_verdict_serve(w, SIM_GET, key, 0);
}

/* ---- renamed, and repaired ---------------------------------------------------------- */

static const struct ic_object *object_of(const struct sim_world *w, uint32_t key)
{
    char name[SIM_KEY_BYTES];
    sim_key_name(key, name);
    const struct ic_entry *e =
        ic_store_find(w->host.proxy->store, ic_slice_str(name), sim_wall_us(w) / 1000);
    return e == NULL || e->object->evicted ? NULL : e->object;
}

/* No chunk is lost, and another instance than BEFORE has CHUNK. */
static bool is_renewed(const struct sim_world *w, uint64_t id, uint16_t chunk, uint32_t before)
{
    const struct ic_object *o = ic_store_object(w->host.proxy->store, id);
    return o != NULL && o->place[chunk].instance != before &&
           ic_store_held_count(w->host.proxy->store, o) == ic_object_chunks(o);
}

/* What is on the function that has CHUNK of KEY's object is lost, and the object is repaired. */
static bool renew(struct sim_world *w, uint32_t key, uint64_t id, uint16_t chunk)
{
    const struct ic_chunk_place place = ic_store_object(w->host.proxy->store, id)->place[chunk];
    int function = sim_platform_function(place.function);
    struct sim_instance *i;
    sim_world_run_for(w, REST_US, NULL);
    while ((i = sim_platform_pick(&w->platform, SIM_INSTANCE_IDLE, function)) != NULL) {
        sim_platform_reclaim(i, IC_SIM_SILENT);
    }
    for (int n = 0; n < REPAIRS_MAX; n++) {
        sim_verdict_serve(w, SIM_GET, key, 0);
        sim_world_run_for(w, REPAIR_US, NULL);
        if (is_renewed(w, id, chunk, place.instance)) {
            return true;
        }
    }
    return false;
}

/* So many chunks of KEY's object are renewed, one after the other, that neither those nor the
 * others are enough. False: it did not come to that. */
static bool renew_half(struct sim_world *w, uint32_t key, uint64_t id)
{
    uint16_t count = ic_store_object(w->host.proxy->store, id)->parity + 1;
    for (uint16_t i = 0; i < count; i++) {
        if (!renew(w, key, id, i)) {
            return false;
        }
    }
    return true;
}

static bool has_siblings(const struct sim_world *w)
{
    bool found = false;
    for (uint16_t f = 0; f < w->settings.functions; f++) {
        found |= sim_platform_alive(&w->platform, sim_platform_function(f)) > 1;
    }
    return found;
}

static void rename_and_lose(struct sim_world *w, uint32_t key)
{
    uint32_t twin = sim_key_twin(&w->model, key);
    sim_verdict_serve(w, SIM_SET, key, 1 + sim_below(w, w->settings.size_max));
    sim_verdict_serve(w, SIM_RENAME, key, 0);
    const struct ic_object *o = object_of(w, twin);
    if (o == NULL || o->parity + 1 >= o->data) {
        return; /* those that are left are enough */
    }
    uint64_t id = o->id;
    w->host.config->repair = IC_REPAIR_MODE_EAGER;
    bool renewed = renew_half(w, twin, id);
    if (sim_below(w, 2) == 0) { /* the old name is another value's */
        sim_verdict_serve(w, SIM_SET, key, sim_below(w, w->settings.size_max));
        sim_world_run_for(w, REST_US, NULL);
        renewed = renewed && ic_store_object(w->host.proxy->store, id) != NULL;
    }
    if (!renewed || has_siblings(w)) {
        return;
    }
    lose(w);
    struct ic_rebuilder_progress progress = ic_rebuilder_progress(w->host.proxy->rebuilder);
    bool evicts = ic_store_stats(w->host.proxy->store).evicted > 0; /* what was deleted is back */
    bool seen = progress.given_up == 0 && !has_siblings(w) && !evicts;
    if (seen && ic_store_object(w->host.proxy->store, id) == NULL) {
        sim_violation("the value of key %u, which was renamed to %u, is under neither", key, twin);
    }
    sim_verdict_serve(w, SIM_GET, key, 0);
    sim_verdict_serve(w, SIM_GET, twin, 0);
}

void sim_loss(struct sim_world *w)
{
    for (int i = 0; i < LOSSES && w->faults.chance[SIM_FAULT_JOURNAL_LOST] != 0; i++) {
        overwrite_and_lose(w, (uint32_t)sim_below(w, w->model.keys));
        rename_and_lose(w, (uint32_t)sim_below(w, w->model.keys));
    }
}
