#include "simulate/simulate.h"

#include "base/alloc.h"
#include "core/code_table.h"
#include "core/cost.h"
#include "proxy/journal.h"
#include "simulate/world.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { US_PER_MS = 1000, MINUTE_US = 60 * 1000 * US_PER_MS };

/* ---- counting ----------------------------------------------------------------- */

struct ic_sim_hour *ic_sim_hour(struct ic_sim *sim)
{
    return &sim->result.hour[sim->result.hours - 1];
}

void ic_sim_count_store(struct ic_sim *sim)
{
    struct ic_store_stats stats = ic_store_stats(sim->store);
    struct ic_sim_hour *hour = ic_sim_hour(sim);
    hour->evictions += stats.evicted - sim->evicted;
    hour->lost_objects += stats.purged - sim->purged;
    hour->lost_chunks += stats.lost_chunks - sim->lost_chunks;
    sim->evicted = stats.evicted;
    sim->purged = stats.purged;
    sim->lost_chunks = stats.lost_chunks;
    sim->result.evictions = stats.evicted;
    sim->result.lost_objects = stats.purged;
    sim->result.lost_chunks = stats.lost_chunks;
    sim->result.objects = stats.objects;
    if (stats.objects >= sim->result.peak_objects) {
        sim->result.peak_objects = stats.objects;
        sim->result.catalog_memory = stats.catalog_memory;
    }
    ic_cost_hold(sim->cost, stats.bytes, ic_sim_wall_ms(sim));
    hour->object_bytes = stats.bytes;
}

/* What the ledger has got since the hour's begin is the hour's. */
static void count_money(struct ic_sim *sim)
{
    const struct ic_cost_totals *now = ic_cost_totals(sim->cost), *before = &sim->hour_before;
    struct ic_sim_hour *hour = ic_sim_hour(sim);
    for (size_t i = 0; i < IC_COST_CAUSES; i++) {
        hour->invocations[i] = now->invocations[i] - before->invocations[i];
        hour->billed_ms[i] = now->billed_ms[i] - before->billed_ms[i];
        hour->dollars[i] = now->dollars[i] - before->dollars[i];
    }
}

/* The books are closed for what has happened so far. */
static void count_all(struct ic_sim *sim)
{
    ic_cost_transfer(sim->cost, sim->sent, sim->received, ic_sim_wall_ms(sim));
    sim->sent = sim->received = 0;
    ic_sim_count_store(sim);
    count_money(sim);
}

enum ic_budget_level ic_sim_budget(const struct ic_sim *sim)
{
    double budget = sim->config->budget_per_hour;
    return budget > 0 ? ic_cost_budget(sim->cost, budget, ic_sim_wall_ms(sim)) : IC_BUDGET_OPEN;
}

/* ---- what the pool and the store say ------------------------------------------- */

static void on_gone(void *ctx, uint16_t function, uint32_t serial)
{
    struct ic_sim *sim = ctx;
    if (sim->store != NULL) {
        ic_sim_instance_forgotten(sim, function, serial);
        ic_sim_holdings_lost(sim, function);
        ic_sim_backup_changed(sim, function);
    }
}

static void on_schedule(void *ctx)
{
    struct ic_sim *sim = ctx;
    sim->turn_due = true;
}

static void on_condemned(void *ctx, uint16_t function)
{
    struct ic_sim *sim = ctx;
    ic_sim_lane_delete(sim, function);
    ic_sim_backup_changed(sim, function);
}

static void on_degraded(void *ctx, struct ic_object *o, enum ic_degraded found)
{
    ic_sim_repair_degraded(ctx, o, found);
}

/* ---- the minute ----------------------------------------------------------------- */

static uint64_t since_begin_us(const struct ic_sim *sim)
{
    return sim->clock.now_us - (uint64_t)IC_SIM_BEGIN_MS * US_PER_MS;
}

static void on_minute(void *ctx)
{
    struct ic_sim *sim = ctx;
    count_all(sim);
    sim->failed |= ic_sim_result_hour(&sim->result, (int64_t)since_begin_us(sim)) == NULL;
    if (since_begin_us(sim) % ((uint64_t)IC_SIM_HOUR_MS * US_PER_MS) == 0) {
        sim->hour_before = *ic_cost_totals(sim->cost);
    }
    if (sim->ending) {
        return;
    }
    ic_pool_expire_away(sim->pool, (uint64_t)sim->config->peer_age, ic_sim_ms(sim));
    ic_sim_reclaim(sim);
    ic_sim_event_set(&sim->clock, &sim->minute_timer, sim->clock.now_us + MINUTE_US);
}

static void on_sweep(void *ctx)
{
    struct ic_sim *sim = ctx;
    if (ic_store_tick(sim->store, ic_sim_ms(sim), ic_sim_wall_ms(sim))) {
        ic_sim_event_set(&sim->clock, &sim->sweep_timer, sim->clock.now_us + US_PER_MS);
    }
}

void ic_sim_sweep(struct ic_sim *sim)
{
    ic_store_sweep(sim->store, IC_DEGRADED_SWEEP);
    ic_sim_event_set(&sim->clock, &sim->sweep_timer, sim->clock.now_us);
}

/* ---- life ----------------------------------------------------------------------- */

static int make_pool(struct ic_sim *sim)
{
    struct ic_pool_settings settings = ic_pool_settings_of(sim->config);
    settings.functions = sim->functions;
    settings.gone = on_gone;
    settings.ctx = sim;
    sim->pool = ic_pool_new(&settings, ic_sim_ms(sim));
    sim->function = ic_calloc(sim->functions, sizeof *sim->function);
    if (sim->pool == NULL || sim->function == NULL) {
        return IC_ENOMEM;
    }
    for (uint32_t i = 0; i < sim->functions; i++) {
        ic_list_init(&sim->function[i].instances);
        ic_buf_init(&sim->function[i].holdings);
    }
    for (uint32_t i = 0; i < sim->functions; i++) {
        sim->function[i].own = ic_sim_lane_new(sim, (uint16_t)i, NULL);
        if (sim->function[i].own == NULL) {
            return IC_ENOMEM;
        }
    }
    return 0;
}

static int make_store(struct ic_sim *sim, char *why)
{
    static_assert((int)IC_JOURNAL_WHY_MAX <= (int)IC_SIM_WHY_MAX &&
                      (int)IC_STORE_WHY_MAX <= (int)IC_SIM_WHY_MAX,
                  "room for their reasons");
    struct ic_journal_setup setup = {.appendfsync = IC_FSYNC_NO, .prefix = "simulated"};
    struct ic_journal_meta meta;
    int result = ic_journal_open(&setup, &sim->journal, &meta, why);
    if (result < 0) {
        return result;
    }
    struct ic_store_setup store = {.config = sim->config,
                                   .pool = sim->pool,
                                   .journal = sim->journal,
                                   .rng = &sim->rng,
                                   .schedule = on_schedule,
                                   .condemned = on_condemned,
                                   .degraded = on_degraded,
                                   .ctx = sim};
    return ic_store_new(&store, &sim->store, why);
}

static int make_books(struct ic_sim *sim)
{
    const struct ic_config *c = sim->config;
    sim->rate =
        ic_prices_rate(sim->settings.prices, c->billing, c->architecture, (uint64_t)c->memory);
    struct ic_cost_setup setup = {.prices = sim->settings.prices,
                                  .rate = sim->rate,
                                  .functions = sim->functions,
                                  .timeout_ms = (uint64_t)c->function_timeout,
                                  .cross_zones = c->transfer_zones == IC_ZONES_CROSS};
    sim->cost = ic_cost_new(&setup);
    return sim->cost == NULL ? IC_ENOMEM : 0;
}

static void init(struct ic_sim *sim, const struct ic_sim_settings *settings, uint32_t shard,
                 uint32_t proxies)
{
    struct ic_rng seed;
    sim->settings = *settings;
    sim->config = settings->config;
    sim->cloud = settings->cloud;
    sim->functions =
        settings->functions / proxies + (shard < settings->functions % proxies ? 1 : 0);
    sim->bandwidth = ic_cloud_bandwidth(sim->cloud, (uint64_t)sim->config->memory);
    sim->measures = (struct ic_lease_measures){.wake_ms = IC_LEASE_WAKE_GUESS_MS,
                                               .startup_ms = IC_LEASE_STARTUP_GUESS_MS};
    ic_rng_init(&seed, settings->seed * (UINT64_C(1) << 32) + shard);
    ic_rng_init(&sim->rng, ic_rng_next(&seed));
    ic_rng_init(&sim->cloud_rng, ic_rng_next(&seed));
    ic_rng_init(&sim->elsewhere, ic_rng_next(&seed));
    ic_sim_clock_init(&sim->clock, (uint64_t)IC_SIM_BEGIN_MS * US_PER_MS);
    ic_sim_network_init(&sim->network, sim->cloud->proxy_bytes_per_s, sim->clock.now_us);
    ic_list_init(&sim->readers);
    ic_list_init(&sim->writes);
    ic_list_init(&sim->dying);
    ic_list_init(&sim->moves);
    ic_sim_clients_init(sim);
    ic_sim_event_init(&sim->warm_timer, ic_sim_warm_start, sim);
    ic_sim_event_init(&sim->minute_timer, on_minute, sim);
    ic_sim_event_init(&sim->look_timer, ic_sim_look, sim);
    ic_sim_event_init(&sim->sweep_timer, on_sweep, sim);
}

static int make(struct ic_sim *sim, uint64_t reclaim_seed, char *why)
{
    static_assert((int)IC_RECLAIM_WHY_MAX <= (int)IC_SIM_WHY_MAX, "room for its reason");
    int result = ic_reclaim_model_init(&sim->reclaim, sim->config->reclaim, reclaim_seed, why);
    if (result < 0) {
        return result;
    }
    snprintf(why, IC_SIM_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
    result = ic_sim_result_hour(&sim->result, 0) == NULL ? IC_ENOMEM : 0;
    result = result < 0 ? result : make_pool(sim);
    result = result < 0 ? result : make_store(sim, why);
    result = result < 0 ? result : make_books(sim);
    result = result < 0 ? result : ic_sim_repair_new(sim);
    result = result < 0 ? result : ic_sim_backup_new(sim);
    if (result == 0) {
        ic_sim_event_set(&sim->clock, &sim->warm_timer, sim->clock.now_us);
        ic_sim_event_set(&sim->clock, &sim->minute_timer, sim->clock.now_us + MINUTE_US);
    }
    return result;
}

int ic_sim_new(const struct ic_sim_settings *settings, uint32_t shard, uint32_t proxies,
               struct ic_sim **out, char *why)
{
    *out = NULL;
    if (settings->functions < proxies ||
        settings->functions > (uint64_t)proxies * IC_POOL_FUNCTIONS_MAX) {
        snprintf(why, IC_SIM_WHY_MAX, "%u functions cannot be shared by %u proxies: 1 to %d each",
                 settings->functions, proxies, IC_POOL_FUNCTIONS_MAX);
        return IC_EINVAL;
    }
    struct ic_sim *sim = ic_calloc(1, sizeof *sim);
    if (sim == NULL) {
        snprintf(why, IC_SIM_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
        return IC_ENOMEM;
    }
    init(sim, settings, shard, proxies);
    int result = make(sim, ic_rng_next(&sim->cloud_rng), why);
    if (result < 0) {
        ic_sim_free(sim);
        return result;
    }
    *out = sim;
    return 0;
}

static void free_functions(struct ic_sim *sim)
{
    for (uint32_t i = 0; sim->function != NULL && i < sim->functions; i++) {
        ic_sim_lane_free(sim->function[i].own);
        ic_sim_lane_free(sim->function[i].peer);
        ic_buf_deinit(&sim->function[i].holdings);
    }
    ic_free(sim->function);
}

void ic_sim_free(struct ic_sim *sim)
{
    if (sim == NULL) {
        return;
    }
    sim->ending = true;
    if (sim->store != NULL) {
        ic_store_turn_end(sim->store);
    }
    ic_sim_readers_free(sim);
    ic_sim_handovers_free(sim);
    ic_sim_repair_free(sim);
    ic_sim_backup_free(sim);
    ic_sim_writes_free(sim);
    ic_sim_clients_free(sim);
    ic_store_free(sim->store);
    ic_journal_close(sim->journal);
    ic_cost_free(sim->cost);
    ic_sim_instances_free(sim);
    free_functions(sim);
    ic_pool_free(sim->pool);
    ic_sim_network_deinit(&sim->network);
    ic_sim_clock_deinit(&sim->clock);
    ic_sim_result_deinit(&sim->result);
    ic_free(sim);
}

/* ---- time ------------------------------------------------------------------------ */

static void end_turn(struct ic_sim *sim)
{
    while (sim->turn_due) {
        sim->turn_due = false;
        ic_store_turn_end(sim->store);
    }
}

/* The next thing that is to happen does, if it is due by AT_US. */
static bool step(struct ic_sim *sim, uint64_t at_us)
{
    uint64_t event_us = ic_sim_clock_next(&sim->clock);
    uint64_t flow_us = ic_sim_network_next(&sim->network);
    if (sim->failed || (event_us > at_us && flow_us > at_us)) {
        return false;
    }
    if (flow_us <= event_us) {
        sim->clock.now_us = flow_us > sim->clock.now_us ? flow_us : sim->clock.now_us;
        ic_sim_network_run(&sim->network, sim->clock.now_us);
    } else {
        ic_sim_clock_fire(&sim->clock);
    }
    end_turn(sim);
    sim->failed |= sim->clock.failed || sim->network.failed;
    return true;
}

static void run_until(struct ic_sim *sim, uint64_t at_us)
{
    while (step(sim, at_us)) {
    }
    sim->clock.now_us = at_us > sim->clock.now_us ? at_us : sim->clock.now_us;
}

static uint64_t time_of(int64_t at_us)
{
    return (uint64_t)IC_SIM_BEGIN_MS * US_PER_MS + (at_us > 0 ? (uint64_t)at_us : 0);
}

int ic_sim_request(struct ic_sim *sim, const struct ic_sim_request *request)
{
    run_until(sim, time_of(request->at_us));
    int result = ic_sim_client(sim, request);
    end_turn(sim);
    sim->failed |= result == IC_ENOMEM;
    sim->result.end_us = (int64_t)since_begin_us(sim);
    return sim->failed ? IC_ENOMEM : result;
}

int ic_sim_finish(struct ic_sim *sim, int64_t at_us)
{
    run_until(sim, time_of(at_us));
    sim->result.end_us = (int64_t)since_begin_us(sim);
    count_all(sim);
    sim->ending = true;
    while ((sim->clients > 0 || ic_cost_outstanding(sim->cost) > 0) && step(sim, UINT64_MAX - 1)) {
    }
    count_all(sim);
    return sim->failed ? IC_ENOMEM : 0;
}

const struct ic_sim_result *ic_sim_result(struct ic_sim *sim)
{
    sim->result.events = sim->clock.fired + sim->network.ended;
    sim->result.cost = *ic_cost_totals(sim->cost);
    return &sim->result;
}
