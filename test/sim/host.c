#include "sim/host.h"

#include "proxy/proxy.h"
#include "proxy/rebuilder.h"
#include "proxy/store.h"
#include "sim/report.h"
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>

enum { RESTART_US = 3000000 };

/* ---- settings -------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void set(struct sim_host *h, const char *name,
                                                      const char *format, ...)
{
    char value[128], why[IC_WHY_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    if (ic_config_set(h->config, ic_slice_str(name), ic_slice_str(value), why) < 0) {
        sim_violation("simulation: %s", why);
    }
    sim_note("%s %s", name, value);
}

static const char *choose(struct sim_world *w, const char *const *choices, size_t count)
{
    return choices[sim_below(w, count)];
}

/* Codes that the pool is large enough for; small objects, so that little data has many stripes. */
static void set_code(struct sim_host *h, struct sim_world *w)
{
    static const char *const tables[] = {
        "*:1+1",         "*:1+2", "*:2+1", "*:2+2", "1kb:1+2,*:3+2", "300:1+1,8kb:2+2,*:4+2",
        "4kb:2+0,*:3+1",
    };
    static const uint32_t needs[] = {2, 3, 3, 4, 5, 6, 4};
    static const bool striped[] = {false, false, true, true, true, true, true};
    uint32_t chosen;
    do {
        chosen = (uint32_t)sim_below(w, sizeof needs / sizeof *needs);
    } while (needs[chosen] > w->settings.functions || (sim_has_crowd(w) && !striped[chosen]));
    h->needs = needs[chosen];
    set(h, "code-table", "%s", tables[chosen]);
}

static void set_times(struct sim_host *h, struct sim_world *w)
{
    static const char *const repairs[] = {"eager", "eager", "lazy", "off"};
    static const char *const syncs[] = {"always", "everysec", "everysec", "no"};
    set(h, "warm-interval", "%llums", (unsigned long long)(2000 + sim_below(w, 30000)));
    set(h, "invoke-timeout", "%llums", (unsigned long long)(1000 + sim_below(w, 4000)));
    set(h, "node-timeout", "%llums", (unsigned long long)(500 + sim_below(w, 3000)));
    set(h, "read-deadline", "%llums", (unsigned long long)(50 + sim_below(w, 1500)));
    set(h, "write-deadline", "%llums", (unsigned long long)(100 + sim_below(w, 3000)));
    set(h, "function-timeout", "%llums", (unsigned long long)(20000 + sim_below(w, 60000)));
    set(h, "lease", "%llums", (unsigned long long)(sim_below(w, 3) * sim_below(w, 1500)));
    set(h, "billing", "%s", sim_below(w, 2) == 0 ? "1ms" : "100ms");
    set(h, "repair", "%s", choose(w, repairs, 4));
    set(h, "backup-interval", "%llums",
        (unsigned long long)(sim_below(w, 2) * (1000 + sim_below(w, 20000))));
    set(h, "peer-interval", "%llums", (unsigned long long)(5000 + sim_below(w, 60000)));
    set(h, "adopt-wait", "%llums", (unsigned long long)sim_below(w, 3000));
    set(h, "appendfsync", "%s", choose(w, syncs, 4));
}

static void name_pool(struct sim_host *h)
{
    static const char *const names[SIM_POOLS] = {"first", "second"};
    set(h, "function-prefix", "%s", names[h->pool]);
}

void sim_host_init(struct sim_host *h)
{
    static const char *const evictions[] = {"gdsf", "sieve", "s3fifo", "lru", "clock"};
    struct sim_world *w = sim_world();
    *h = (struct sim_host){.config = ic_config_new()};
    set(h, "dir", ".");
    set(h, "rebuild", "no"); /* nothing is there yet */
    set(h, "platform-run", "first");
    set(h, "functions", "%u", w->settings.functions);
    set(h, "memory", "128mb");
    set(h, "unit-size", "%llu",
        (unsigned long long)(64U << (sim_has_crowd(w) ? 9 : sim_below(w, 7))));
    set(h, "window-memory", "%llu", (unsigned long long)w->settings.window_bytes);
    set(h, "eviction", "%s", choose(w, evictions, 5));
    if (sim_below(w, 2) == 0 && !sim_has_crowd(w)) { /* whose uploads would be all of it */
        set(h, "maxmemory", "%llu",
            (unsigned long long)(w->settings.size_max * (1 + sim_below(w, 8))));
    }
    if (sim_below(w, 2) == 0) { /* what takes many turns does so with few keys */
        set(h, "turn-work", "%u", 1 + (unsigned)sim_below(w, 30));
    }
    name_pool(h);
    set_code(h, w);
    set_times(h, w);
    w->platform.timeout_us = (uint64_t)h->config->function_timeout * 1000;
}

/* ---- lives ----------------------------------------------------------------------- */

/*
 * The next life may have functions of other names, fewer or more. Those that it has not keep their
 * instances and what these hold, and may be of a pool again.
 */
static void change_pool(struct sim_host *h)
{
    struct sim_world *w = sim_world();
    bool names = sim_faults_draw(&w->faults, SIM_FAULT_POOL_NAMES);
    if (!names && !sim_faults_draw(&w->faults, SIM_FAULT_POOL_SIZE)) {
        return;
    }
    uint32_t begins = h->pool * SIM_POOL_MAX, kept = begins;
    if (names) {
        h->pool = (h->pool + 1) % SIM_POOLS;
        name_pool(h);
    } else {
        w->settings.functions = h->needs + (uint32_t)sim_below(w, SIM_POOL_MAX + 1 - h->needs);
        kept += w->settings.functions;
        set(h, "functions", "%u", w->settings.functions);
    }
    for (uint32_t f = kept; f < begins + SIM_POOL_MAX; f++) {
        sim_platform_lost(&w->platform, (uint16_t)f);
    }
}

/* Both end, and both are started again. */
static bool renew_platform(struct sim_host *h)
{
    struct sim_world *w = sim_world();
    bool anew = sim_faults_draw(&w->faults, SIM_FAULT_PLATFORM_ANEW);
    if (anew) {
        sim_platform_kill(&w->platform, 0);
        set(h, "platform-run", "%u", h->lives);
    }
    return anew;
}

static void restart(void *ctx)
{
    sim_host_start(ctx);
}

void sim_host_start(struct sim_host *h)
{
    char why[IC_PROXY_WHY_MAX];
    bool anew = false;
    if (h->lives++ > 0) {
        change_pool(h);
        anew = renew_platform(h);
    }
    sim_note("life %u of the proxy begins", h->lives);
    h->loop = ic_loop_new();
    ic_sim_set_owner(h->loop, h, "proxy");
    if (ic_proxy_new(h->loop, h->config, &h->proxy, why) < 0) {
        sim_violation("the proxy does not start: %s", why);
    }
    if (anew && ic_store_count(h->proxy->store) > 0) {
        sim_violation("keys are there, and the platform was started anew");
    }
}

static uint64_t evicted_now(const struct sim_host *h)
{
    return h->proxy == NULL ? 0 : ic_store_stats(h->proxy->store).evicted;
}

uint64_t sim_host_evicted(const struct sim_host *h)
{
    return h->evicted + evicted_now(h);
}

static void begin_anew(struct sim_host *h)
{
    struct sim_world *w = sim_world();
    h->loop = NULL;
    h->proxy = NULL;
    h->lambda = NULL;
    ic_event_init(&h->restart, restart, h);
    ic_event_start(sim_time(w), &h->restart, 1000 + sim_below(w, RESTART_US));
}

static void leave_disk(struct sim_world *w, enum sim_crash crash)
{
    switch (crash) {
    case SIM_CRASH_KILLED:
        sim_disk_crash(&w->disk);
        break;
    case SIM_CRASH_POWER:
        sim_model_power_failure(&w->model, sim_disk_power_failure(&w->disk));
        break;
    case SIM_CRASH_DISK:
        sim_disk_lose(&w->disk);
        sim_model_journal_lost(&w->model);
        set(&w->host, "rebuild", "auto");
        break;
    }
}

/* Of siblings only one is listed, and of a function that is given up none: what the catalog does
 * not know afterwards is deleted. */
void sim_host_looked(const struct sim_host *h)
{
    struct sim_platform *p = &sim_world()->platform;
    if (h->proxy == NULL || !ic_rebuilder_loading(h->proxy->rebuilder)) {
        return;
    }
    bool all = ic_rebuilder_progress(h->proxy->rebuilder).given_up > 0;
    for (uint16_t f = 0; f < SIM_FUNCTIONS_MAX; f++) {
        if (all || sim_platform_alive(p, f) > 1) {
            sim_platform_lost(p, f);
        }
    }
}

/* The process's objects stay as they are: it is not asked. */
void sim_host_crash(struct sim_host *h, enum sim_crash crash)
{
    static const char *const names[] = {"the proxy is killed", "power failure", "disk lost"};
    struct sim_world *w = sim_world();
    if (h->loop == NULL) {
        return;
    }
    sim_note("%s", names[crash]);
    h->evicted += evicted_now(h);
    sim_lambda_forget_all();
    ic_sim_kill(h->loop, IC_SIM_CLOSED);
    leave_disk(w, crash);
    sim_model_proxy_gone(&w->model);
    begin_anew(h);
}

static void stop_now(void *ctx)
{
    struct sim_host *h = ctx;
    ic_proxy_stop(h->proxy);
}

void sim_host_stop(struct sim_host *h)
{
    if (h->proxy != NULL) {
        ic_list_init(&h->stop.node);
        ic_sim_post(h->loop, &h->stop, stop_now, h);
    }
}

void sim_host_stopped(struct sim_host *h)
{
    sim_note("the proxy has stopped");
    h->evicted += evicted_now(h);
    ic_proxy_free(h->proxy);
    ic_sim_kill(h->loop, IC_SIM_CLOSED);
    ic_loop_free(h->loop);
    sim_model_proxy_gone(&sim_world()->model);
    begin_anew(h);
}
