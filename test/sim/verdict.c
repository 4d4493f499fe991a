#include "sim/verdict.h"

#include "base/config.h"
#include "core/pool.h"
#include "proxy/functions.h"
#include "proxy/proxy.h"
#include "proxy/repair.h"
#include "proxy/store.h"
#include "proxy/window.h"
#include "sim/loss.h"
#include "sim/report.h"
#include "sim/siege.h"
#include "sim/world.h"

enum {
    QUIET_US = 120 * 1000000, /* every deadline and back-off of the pool has passed by then */
    SERVE_US = 60 * 1000000,  /* one operation, on a system without faults */
    REST_US = 20 * 1000000,
    RESTS_MAX = 20, /* so many times until no repair is under way */
};

void sim_verdict_now(struct sim_world *w)
{
    if (w->host.proxy == NULL) {
        return;
    }
    struct ic_window_stats stats = ic_window_stats(w->host.proxy->window);
    if (stats.used > stats.limit || stats.taken + stats.cached > stats.limit) {
        sim_violation("the window holds %zu + %zu bytes, %zu are promised, its limit is %zu",
                      stats.taken, stats.cached, stats.used, stats.limit);
    }
    IC_LIST_EACH (node, &w->platform.instances) {
        const struct sim_instance *i = IC_CONTAINER(node, struct sim_instance, node);
        if (i->held > i->capacity) {
            sim_violation("%s holds %llu bytes of %llu", ic_sim_name(i->loop),
                          (unsigned long long)i->held, (unsigned long long)i->capacity);
        }
    }
}

static bool is_answered(const struct sim_world *w)
{
    return sim_client_is_quiet(&w->client[0]);
}

static bool is_connected(const struct sim_world *w)
{
    return w->client[0].connected && !w->client[0].leaving;
}

bool sim_verdict_ask(struct sim_world *w, enum sim_operation_kind kind, uint32_t key, uint64_t size)
{
    uint64_t errors = w->model.errors;
    if (!sim_world_run_for(w, SERVE_US, is_connected)) {
        sim_violation("the proxy accepts no client although the faults are over");
    }
    if (!sim_client_do(&w->client[0], kind, key, size) ||
        !sim_world_run_for(w, SERVE_US, is_answered)) {
        sim_violation("key %u is not served although the faults are over", key);
    }
    return w->model.errors == errors;
}

void sim_verdict_serve(struct sim_world *w, enum sim_operation_kind kind, uint32_t key,
                       uint64_t size)
{
    bool fine = sim_verdict_ask(w, kind, key, size);
    if (!fine && w->faults.happened[SIM_FAULT_JOURNAL_LOST] > 0) {
        fine = sim_verdict_ask(w, kind, key, size);
    }
    if (!fine) {
        sim_violation("key %u: an error although the faults are over", key);
    }
}

/* ---- accounts ---------------------------------------------------------------------- */

static void check_instance(const struct sim_world *w, uint16_t function,
                           const struct ic_pool_instance *known)
{
    IC_LIST_EACH (node, &w->platform.instances) {
        const struct sim_instance *i = IC_CONTAINER(node, struct sim_instance, node);
        if (i->function != sim_platform_function(function) || i->state != SIM_INSTANCE_IDLE ||
            memcmp(i->id, known->id, sizeof known->id) != 0 || !known->known) {
            continue;
        }
        uint64_t most = known->live + known->condemned + known->in_flight;
        if (i->held < known->live || i->held > most) {
            sim_violation(
                "%s holds %llu bytes, the proxy counts %llu live, %llu condemned, %llu in "
                "flight",
                ic_sim_name(i->loop), (unsigned long long)i->held, (unsigned long long)known->live,
                (unsigned long long)known->condemned, (unsigned long long)known->in_flight);
        }
        if (known->in_flight != 0) {
            sim_violation("%s: %llu bytes in flight, and nobody writes", ic_sim_name(i->loop),
                          (unsigned long long)known->in_flight);
        }
    }
}

static void check_accounts(const struct sim_world *w)
{
    struct ic_pool *pool = ic_functions_pool(w->host.proxy->functions);
    for (uint16_t f = 0; f < w->settings.functions; f++) {
        const struct ic_pool_function *p = ic_pool_function(pool, f);
        if (p->planned != 0) {
            sim_violation("function %u: %llu bytes planned, and nobody writes", f,
                          (unsigned long long)p->planned);
        }
        for (int i = 0; i < IC_POOL_INSTANCES_MAX; i++) {
            if (p->instance[i].serial != 0) {
                check_instance(w, f, &p->instance[i]);
            }
        }
    }
    struct ic_store_stats stats = ic_store_stats(w->host.proxy->store);
    if (stats.drafts != 0 || stats.draft_bytes != 0 || stats.dead_bytes != 0) {
        sim_violation("%llu drafts, %llu bytes of them, %llu dead bytes are left over",
                      (unsigned long long)stats.drafts, (unsigned long long)stats.draft_bytes,
                      (unsigned long long)stats.dead_bytes);
    }
}

bool sim_verdict_is_repairing(const struct sim_world *w)
{
    struct ic_repair_stats stats = ic_repair_stats(w->host.proxy->repair);
    return stats.active + stats.waiting > 0;
}

void sim_verdict_at_end(struct sim_world *w)
{
    w->host.config->backup_interval = 0; /* what a backup pins cannot make room */
    sim_world_run_for(w, QUIET_US, NULL);
    for (uint32_t key = 0; key < w->model.keys; key++) {
        sim_verdict_serve(w, SIM_GET, key, 0);
    }
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t key = (uint32_t)sim_below(w, w->model.keys);
        sim_verdict_serve(w, SIM_SET, key, sim_below(w, w->settings.size_max));
        sim_verdict_serve(w, SIM_GET, key, 0);
    }
    sim_siege(w);
    sim_world_run_for(w, REST_US, NULL);
    for (int i = 0; i < RESTS_MAX && sim_verdict_is_repairing(w); i++) {
        sim_world_run_for(w, REST_US, NULL);
    }
    check_accounts(w);
    sim_loss(w);
}
