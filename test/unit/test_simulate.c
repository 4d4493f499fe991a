/* test_simulate.c - a simulated proxy: the same seed, the same outcome; its books; hits as a cache
 * that loses nothing; losses, and what helps against them. */
#include "simulate/simulate.h"

#include "sim_world.h"

#include <math.h>
#include <stdlib.h>

enum { MB = 1000000, REQUESTS = 2000 };

static void run(struct sim_world *w, struct ic_sim *sim, uint64_t requests, double every_s)
{
    struct ic_rng rng;
    ic_rng_init(&rng, 99);
    for (uint64_t i = 0; i < requests; i++) {
        struct ic_sim_request r = sim_made_up(&rng, i, every_s, 30 * MB);
        assert_int_equal(ic_sim_request(sim, &r), 0);
    }
    assert_int_equal(ic_sim_finish(sim, 0), 0);
    (void)w;
}

static const char *const rough[] = {"memory",        "512mb", "reclaim", "zipf:2.2+age:2h",
                                    "warm-interval", "1m",    NULL};

/* ---- the same again -------------------------------------------------------------- */

static void assert_same(const struct ic_sim_result *a, const struct ic_sim_result *b)
{
    assert_int_equal(a->hours, b->hours);
    assert_memory_equal(a->hour, b->hour, a->hours * sizeof *a->hour);
    struct ic_sim_result x = *a, y = *b;
    x.hour = y.hour = NULL;
    assert_memory_equal(&x, &y, sizeof x);
}

static struct ic_sim *rough_run(struct sim_world *w, uint64_t seed)
{
    w->settings.seed = seed;
    w->settings.shutdown = 0.5;
    struct ic_sim *sim = sim_world_new(w);
    run(w, sim, REQUESTS, 7);
    return sim;
}

static void the_same_seed_is_the_same_run(void **state)
{
    (void)state;
    struct sim_world w;
    sim_world_init(&w, 40, rough);
    struct ic_sim *a = rough_run(&w, 5), *b = rough_run(&w, 5), *c = rough_run(&w, 6);
    assert_same(ic_sim_result(a), ic_sim_result(b));
    assert_true(ic_sim_result(a)->reclaimed != ic_sim_result(c)->reclaimed);
    assert_true(ic_sim_result(a)->reclaimed > 0 && ic_sim_result(a)->backups > 0);
    assert_true(ic_sim_result(a)->repairs > 0 && ic_sim_result(a)->handed_over_chunks > 0);
    assert_int_equal(ic_sim_result(a)->gets, ic_sim_result(c)->gets);
    ic_sim_free(a);
    ic_sim_free(b);
    ic_sim_free(c);
    sim_world_deinit(&w);
}

/* ---- the books ------------------------------------------------------------------- */

static void the_books_are_right(void **state)
{
    (void)state;
    static const char *const set[] = {"memory",         "1gb",   "reclaim", "poisson:0.5",
                                      "architecture",   "arm64", "billing", "100ms",
                                      "transfer-zones", "cross", NULL};
    struct sim_world w;
    sim_world_init(&w, 40, set);
    struct ic_sim *sim = sim_world_new(&w);
    run(&w, sim, REQUESTS, 7);
    const struct ic_sim_result *r = ic_sim_result(sim);
    struct ic_rate rate =
        ic_prices_rate(&w.prices, IC_BILLING_100MS, IC_ARCHITECTURE_ARM64, UINT64_C(1) << 30);
    for (size_t i = 0; i < IC_COST_CAUSES; i++) {
        uint64_t invocations = 0, billed_ms = 0;
        double dollars = 0;
        for (uint32_t k = 0; k < r->hours; k++) {
            invocations += r->hour[k].invocations[i];
            billed_ms += r->hour[k].billed_ms[i];
            dollars += r->hour[k].dollars[i];
        }
        assert_int_equal(invocations, r->cost.invocations[i]);
        assert_int_equal(billed_ms, r->cost.billed_ms[i]);
        assert_true(fabs(dollars - r->cost.dollars[i]) < 1e-9);
        assert_int_equal(billed_ms % 100, 0);
        if (i != IC_COST_TRANSFER) {
            double due =
                (double)invocations * rate.per_invocation + (double)billed_ms * rate.per_ms;
            assert_true(fabs(due - dollars) < 1e-9);
        }
    }
    assert_int_equal(r->cost.unreported, 0);
    assert_true(r->cost.dollars[IC_COST_TRANSFER] > 0);
    assert_true(r->hits + r->fills == r->gets);
    assert_int_equal(r->cost.gets, r->hits);
    assert_int_equal(r->cost.get_bytes, r->hit_bytes);
    assert_int_equal(r->cost.sets + r->refused, r->fills);
    uint64_t latencies = 0;
    for (int i = 0; i < IC_SIM_CLASSES; i++) {
        assert_int_equal(r->latency[IC_SIM_HIT][i].count + r->latency[IC_SIM_MISS][i].count,
                         r->latency[IC_SIM_ALL][i].count);
        assert_int_equal(r->latency[IC_SIM_ALL][i].count, r->latency[IC_SIM_S3][i].count);
        latencies += r->latency[IC_SIM_ALL][i].count;
    }
    assert_int_equal(latencies, r->gets);
    ic_sim_free(sim);
    sim_world_deinit(&w);
}

/* Each function once a minute, an hour long, but those that served lately. */
static void warm_ups_are_counted(void **state)
{
    (void)state;
    static const char *const set[] = {"warm-interval", "1m", "backup-interval", "0", NULL};
    struct sim_world w;
    sim_world_init(&w, 30, set);
    struct ic_sim *sim = sim_world_new(&w);
    assert_int_equal(ic_sim_finish(sim, INT64_C(3600) * 1000000), 0);
    const struct ic_sim_result *r = ic_sim_result(sim);
    assert_in_range(r->cost.invocations[IC_COST_WARM], 30 * 60 - 30, 30 * 60 + 60);
    assert_int_equal(r->cold_starts, 30);
    assert_int_equal(r->cost.invocations[IC_COST_SERVE], 0);
    uint64_t most = (uint64_t)(ic_cloud_aws.warm_up_billed_us / 1000) + 1;
    uint64_t cold = (uint64_t)(ic_cloud_aws.cold_billed_us / 1000) + 1;
    assert_true(r->cost.billed_ms[IC_COST_WARM] <=
                r->cost.invocations[IC_COST_WARM] * most + 30 * cold);
    ic_sim_free(sim);
    sim_world_deinit(&w);
}

/* An object of ten chunks, read once: so many invocations, and what they are billed. */
static void one_read_costs_what_it_must(void **state)
{
    (void)state;
    static const char *const set[] = {
        "warm-interval", "0", "backup-interval", "0", "lease", "50ms", "memory", "1gb", NULL};
    struct sim_world w;
    sim_world_init(&w, 12, set);
    struct ic_sim *sim = sim_world_new(&w);
    sim_ask(sim, IC_SIM_PUT, 60, 1, 75 * MB);
    sim_ask(sim, IC_SIM_HEAD, 120, 2, 0);
    const struct ic_sim_result *r = ic_sim_result(sim);
    uint64_t invocations = r->cost.invocations[IC_COST_SERVE];
    uint64_t billed_ms = r->cost.billed_ms[IC_COST_SERVE];
    assert_int_equal(invocations, 12);
    sim_ask(sim, IC_SIM_GET, 180, 1, 75 * MB);
    assert_int_equal(ic_sim_finish(sim, 0), 0);
    r = ic_sim_result(sim);
    assert_int_equal(r->hits, 1);
    assert_int_equal(r->cost.invocations[IC_COST_SERVE] - invocations, 10);
    double chunk_ms = 7.5 * MB / ic_cloud_bandwidth(&ic_cloud_aws, UINT64_C(1) << 30) * 1000;
    double each_ms = (double)(r->cost.billed_ms[IC_COST_SERVE] - billed_ms) / 10;
    assert_true(each_ms > chunk_ms + 50 && each_ms < chunk_ms + 50 + 10);
    ic_sim_free(sim);
    sim_world_deinit(&w);
}

/* ---- hits ------------------------------------------------------------------------- */

/* LRU of objects by bytes, as plain as can be. */
struct plain_lru {
    uint64_t key[512], bytes[512], used[512];
    size_t count;
    uint64_t most, held, time;
};

static bool plain_get(struct plain_lru *c, uint64_t key, uint64_t bytes)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->key[i] == key) {
            c->used[i] = ++c->time;
            return true;
        }
    }
    while (c->held + bytes > c->most) {
        size_t oldest = 0;
        for (size_t i = 1; i < c->count; i++) {
            oldest = c->used[i] < c->used[oldest] ? i : oldest;
        }
        c->held -= c->bytes[oldest];
        c->count--;
        c->key[oldest] = c->key[c->count];
        c->bytes[oldest] = c->bytes[c->count];
        c->used[oldest] = c->used[c->count];
    }
    c->key[c->count] = key;
    c->bytes[c->count] = bytes;
    c->used[c->count++] = ++c->time;
    c->held += bytes;
    return false;
}

static void lru_hits_as_lru_does(void **state)
{
    (void)state;
    static const char *const set[] = {"maxmemory",     "1500000000", "eviction", "lru",
                                      "memory",        "1gb",        "reclaim",  "none",
                                      "instance-idle", "1000h",      NULL};
    struct sim_world w;
    sim_world_init(&w, 40, set);
    struct ic_sim *sim = sim_world_new(&w);
    struct plain_lru *plain = calloc(1, sizeof *plain);
    plain->most = 1500000000;
    struct ic_rng rng;
    ic_rng_init(&rng, 3);
    uint64_t hits = 0;
    for (uint64_t i = 0; i < 5000; i++) {
        /* Far apart: the origin and the SET are done before the next. */
        struct ic_sim_request r = sim_made_up(&rng, i, 20, 30 * MB);
        assert_int_equal(ic_sim_request(sim, &r), 0);
        hits += plain_get(plain, r.key, r.bytes);
    }
    assert_int_equal(ic_sim_finish(sim, 0), 0);
    const struct ic_sim_result *r = ic_sim_result(sim);
    assert_true(hits > 1000 && hits < 4500);
    assert_int_equal(r->hits, hits);
    assert_int_equal(r->resets, 0);
    assert_int_equal(r->lost_objects, 0);
    assert_true(r->evictions > 100);
    free(plain);
    ic_sim_free(sim);
    sim_world_deinit(&w);
}

static void puts_and_deletes_count(void **state)
{
    (void)state;
    struct sim_world w;
    sim_world_init(&w, 12, NULL);
    w.settings.fill = false;
    struct ic_sim *sim = sim_world_new(&w);
    sim_ask(sim, IC_SIM_GET, 1, 7, 5 * MB); /* nothing fills it */
    sim_ask(sim, IC_SIM_GET, 20, 7, 5 * MB);
    sim_ask(sim, IC_SIM_PUT, 40, 7, 5 * MB);
    sim_ask(sim, IC_SIM_GET, 60, 7, 5 * MB);
    sim_ask(sim, IC_SIM_PUT, 70, 8, 0); /* no bytes: seals alone */
    sim_ask(sim, IC_SIM_GET, 80, 8, 0);
    sim_ask(sim, IC_SIM_DELETE, 90, 7, 0);
    sim_ask(sim, IC_SIM_GET, 100, 7, 5 * MB);
    sim_ask(sim, IC_SIM_PUT, 110, 9, UINT64_C(1) << 50); /* larger than anything */
    assert_int_equal(ic_sim_finish(sim, 0), 0);
    const struct ic_sim_result *r = ic_sim_result(sim);
    assert_int_equal(r->requests, 9);
    assert_int_equal(r->gets, 5);
    assert_int_equal(r->hits, 2);
    assert_int_equal(r->puts, 3);
    assert_int_equal(r->too_large, 1);
    assert_int_equal(r->refused, 1);
    assert_int_equal(r->fills, 0);
    assert_int_equal(r->objects, 1);
    ic_sim_free(sim);
    sim_world_deinit(&w);
}

/* ---- losses ------------------------------------------------------------------------- */

/* So many objects, every instance lost at the sixth hour, then all of them again. */
static struct ic_sim_result lose(const char *const *set, double shutdown)
{
    enum { OBJECTS = 50 };
    struct sim_world w;
    sim_world_init(&w, 40, set);
    w.settings.shutdown = shutdown;
    struct ic_sim *sim = sim_world_new(&w);
    for (uint64_t i = 0; i < 2 * OBJECTS; i++) {
        double at_s = (i < OBJECTS ? 0 : 6.5 * 3600) + (double)i * 30;
        sim_ask(sim, IC_SIM_GET, at_s, i % OBJECTS, 20 * MB);
    }
    assert_int_equal(ic_sim_finish(sim, 0), 0);
    struct ic_sim_result r = *ic_sim_result(sim);
    assert_int_equal(r.hits + r.fills, r.gets);
    r.hour = NULL;
    ic_sim_free(sim);
    sim_world_deinit(&w);
    return r;
}

static void what_is_lost_is_a_reset(void **state)
{
    (void)state;
    static const char *const mass[] = {"memory", "512mb",           "reclaim", "mass:6h", "repair",
                                       "off",    "backup-interval", "0",       NULL};
    struct ic_sim_result r = lose(mass, 0);
    assert_true(r.reclaimed >= 40);
    assert_int_equal(r.resets, 50);
    assert_int_equal(r.hits, 0);
    assert_true(ic_sim_availability(r.hits, r.resets) == 0);
    static const char *const none[] = {"memory", "512mb", NULL};
    r = lose(none, 0);
    assert_int_equal(r.resets, 0);
    assert_int_equal(r.hits, 50);
    assert_true(ic_sim_availability(r.hits, r.resets) == 1);
}

static void repair_keeps_up_with_single_losses(void **state)
{
    (void)state;
    static const char *const eager[] = {"memory",          "512mb", "reclaim", "poisson:0.1",
                                        "backup-interval", "0",     NULL};
    static const char *const off[] = {
        "memory", "512mb", "reclaim", "poisson:0.1", "repair", "off", "backup-interval", "0", NULL};
    struct ic_sim_result with = lose(eager, 0), without = lose(off, 0);
    assert_true(with.repaired_chunks > 0 && without.repaired_chunks == 0);
    assert_true(with.resets * 4 < without.resets);
    assert_true(with.cost.invocations[IC_COST_REPAIR] > 0);
}

static void backups_survive_what_takes_one_instance(void **state)
{
    (void)state;
    static const char *const with[] = {"memory",          "512mb",  "reclaim",
                                       "poisson:0.4",     "repair", "off",
                                       "backup-interval", "1m",     NULL};
    static const char *const without[] = {
        "memory", "512mb", "reclaim", "poisson:0.4", "repair", "off", "backup-interval", "0", NULL};
    struct ic_sim_result a = lose(with, 0), b = lose(without, 0);
    assert_true(a.copied_chunks >= 600); /* every chunk, at least once */
    assert_true(a.cost.invocations[IC_COST_BACKUP] > 0 && a.backups > 0);
    assert_int_equal(b.cost.invocations[IC_COST_BACKUP], 0);
    assert_true(a.resets * 4 < b.resets);
}

static void a_goodbye_hands_over(void **state)
{
    (void)state;
    static const char *const set[] = {
        "memory", "512mb", "reclaim", "poisson:0.2", "repair", "off", "backup-interval", "0", NULL};
    struct ic_sim_result with = lose(set, 1), without = lose(set, 0);
    assert_true(with.handed_over_chunks > 0 && without.handed_over_chunks == 0);
    assert_true(with.lost_chunks < without.lost_chunks);
    assert_true(with.resets < without.resets);
}

/* ---- money ------------------------------------------------------------------------- */

static void a_budget_is_kept(void **state)
{
    (void)state;
    static const char *const free_hand[] = {"memory", "1gb", NULL};
    static const char *const tight[] = {"memory", "1gb", "budget-per-hour", "0.002", NULL};
    double dollars[2];
    uint64_t refused[2], warm[2], backup[2];
    for (int i = 0; i < 2; i++) {
        struct sim_world w;
        sim_world_init(&w, 100, i == 0 ? free_hand : tight);
        struct ic_sim *sim = sim_world_new(&w);
        run(&w, sim, 1000, 3.6);
        const struct ic_sim_result *r = ic_sim_result(sim);
        dollars[i] = 0;
        for (int k = 0; k < IC_COST_CAUSES; k++) {
            dollars[i] += r->cost.dollars[k];
        }
        refused[i] = r->refused;
        warm[i] = r->cost.invocations[IC_COST_WARM];
        backup[i] = r->cost.invocations[IC_COST_BACKUP];
        ic_sim_free(sim);
        sim_world_deinit(&w);
    }
    assert_true(dollars[0] > 0.01);
    assert_true(dollars[1] < dollars[0] / 2); /* what is there is served all the same */
    assert_true(warm[1] < warm[0] / 4 && backup[1] < backup[0] / 4);
    assert_true(refused[0] == 0 && refused[1] > 0);
}

static void throttled_invokes_are_tried_again(void **state)
{
    (void)state;
    static const char *const set[] = {"memory", "1gb",        "concurrency", "4", "backup-interval",
                                      "0",      "code-table", "*:2+1",       NULL};
    struct sim_world w;
    sim_world_init(&w, 12, set);
    struct ic_sim *sim = sim_world_new(&w);
    for (uint64_t i = 0; i < 40; i++) {
        sim_ask(sim, IC_SIM_GET, 10 + (double)i, i % 20, 1 * MB);
    }
    assert_int_equal(ic_sim_finish(sim, 0), 0);
    const struct ic_sim_result *r = ic_sim_result(sim);
    assert_int_equal(r->hits, 20);
    assert_int_equal(r->refused, 0);
    ic_sim_free(sim);
    sim_world_deinit(&w);
}

/* ---- what cannot be ------------------------------------------------------------------ */

static void bad_settings_are_refused(void **state)
{
    (void)state;
    struct sim_world w;
    struct ic_sim *sim;
    static const char *const model[] = {"reclaim", "often", NULL};
    sim_world_init(&w, 12, model);
    assert_int_equal(ic_sim_new(&w.settings, 0, 1, &sim, w.why), IC_EINVAL);
    assert_non_null(strstr(w.why, "often"));
    sim_world_deinit(&w);
    sim_world_init(&w, 11, NULL); /* 10+2 needs 12 */
    assert_int_equal(ic_sim_new(&w.settings, 0, 1, &sim, w.why), IC_EINVAL);
    assert_non_null(strstr(w.why, "10+2"));
    w.settings.functions = 4097;
    assert_int_equal(ic_sim_new(&w.settings, 0, 1, &sim, w.why), IC_EINVAL);
    assert_int_equal(ic_sim_new(&w.settings, 0, 4098, &sim, w.why), IC_EINVAL);
    sim_world_deinit(&w);
}

static void no_memory_at_the_start(void **state)
{
    (void)state;
    struct sim_world w;
    sim_world_init(&w, 12, NULL);
    struct ic_sim *sim = NULL;
    uint64_t n = 1;
    for (; sim == NULL; n++) {
        ic_alloc_fail_at(n);
        int result = ic_sim_new(&w.settings, 0, 1, &sim, w.why);
        assert_true(result == 0 || result == IC_ENOMEM);
    }
    ic_alloc_fail_at(0);
    assert_true(n > 20);
    ic_sim_free(sim);
    sim_world_deinit(&w);
}

/* Wherever memory ends, the simulation ends with it or does without, and nothing is left over. */
static void no_memory_on_the_way(void **state)
{
    (void)state;
    struct sim_world w;
    static const char *const set[] = {"memory",          "512mb", "reclaim", "poisson:4",
                                      "backup-interval", "30s",   NULL};
    sim_world_init(&w, 16, set);
    w.settings.shutdown = 0.5;
    int ended = 0;
    for (uint64_t n = 1; n < 4000; n += 1 + n / 20) {
        struct ic_sim *sim = sim_world_new(&w);
        struct ic_rng rng;
        ic_rng_init(&rng, n);
        ic_alloc_fail_at(n);
        int result = 0;
        for (uint64_t i = 0; i < 60 && result == 0; i++) {
            struct ic_sim_request r = sim_made_up(&rng, i, 15, 20 * MB);
            result = ic_sim_request(sim, &r);
        }
        assert_true(result == 0 || result == IC_ENOMEM);
        ended += result < 0;
        ic_alloc_fail_at(0);
        ic_sim_free(sim);
    }
    assert_true(ended > 10);
    sim_world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(the_same_seed_is_the_same_run),
        leak_test(the_books_are_right),
        leak_test(warm_ups_are_counted),
        leak_test(one_read_costs_what_it_must),
        leak_test(lru_hits_as_lru_does),
        leak_test(puts_and_deletes_count),
        leak_test(what_is_lost_is_a_reset),
        leak_test(repair_keeps_up_with_single_losses),
        leak_test(backups_survive_what_takes_one_instance),
        leak_test(a_goodbye_hands_over),
        leak_test(a_budget_is_kept),
        leak_test(throttled_invokes_are_tried_again),
        leak_test(bad_settings_are_refused),
        leak_test(no_memory_at_the_start),
        leak_test(no_memory_on_the_way),
    };
    return cmocka_run_group_tests_name("simulate", tests, NULL, NULL);
}
