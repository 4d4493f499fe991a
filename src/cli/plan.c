/*
 * plan.c - `infinicache plan`: the cheapest pool for a trace, or for a summary of one, that meets
 * targets.
 *
 *   search (plan_search.h) --best--> simulated with other seeds --> the winner
 *                                                                    '--> in other worlds:
 * sensitivity
 */
#include "cli/commands.h"

#include "base/alloc.h"
#include "cli/options.h"
#include "cli/plan_report.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "model/reclaim.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FINALISTS = 3, ROUNDS = 6, SEEDS_MAX = 16, TEXT_MAX = 256 };

struct words { /* the options as given */
    const char *hit_ratio, *byte_hit_ratio, *availability, *worst_hour, *p99, *budget, *cloud,
        *shutdown, *seed, *seeds, *trials, *runners, *processes, *format;
    struct ic_work_options work;
};

struct plan {
    struct ic_config *config, *defaults;
    char **said; /* the arguments that are directives */
    int saids;
    struct ic_work work;
    struct ic_plan_space space;
    struct ic_plan_world world;
    struct ic_plan_run run;
    struct ic_plan_search search;
    struct ic_plan_report report;
    struct ic_progress progress;
    uint64_t done, expected; /* simulations */
    uint64_t runners;
    bool json;
    char label[64];
    char why[IC_PLAN_RUN_WHY_MAX];
};

static void print_help(void)
{
    puts(
        "usage: infinicache plan [OPTIONS] [--config FILE] [--DIRECTIVE VALUE ...] [TRACE]\n\n"
        "Searches the cheapest pool for TRACE, or for made-up requests that are like yours, by\n"
        "simulations (infinicache help simulate). Prints a configuration file; what it costs, the\n"
        "runners-up, and what the answer hangs on are in its comments. `infinicache up --config`\n"
        "takes it as it is. Directives that are given are kept; the others of functions, memory,\n"
        "code-table, eviction, warm-interval, backup-interval, repair, latency-value and\n"
        "architecture are chosen.\n\n"
        "Targets:\n"
        "  --hit-ratio PERCENT       of the GETs, at least; default, without a budget: 95 % of\n"
        "                            what a cache without limits would hit\n"
        "  --byte-hit-ratio PERCENT  of their bytes, at least\n"
        "  --availability PERCENT    of what should have been hits, at least, as the mean of the\n"
        "                            hours\n"
        "  --worst-hour PERCENT      the same, in every hour\n"
        "  --p99 TIME                of 100 hits 99 take no longer\n"
        "  --budget DOLLARS          the functions cost no more an hour; without --hit-ratio the\n"
        "                            pool is sought that hits most\n\n" IC_WORK_HELP "\n"
        "Assumptions, and the search:\n"
        "  --cloud NAME              aws or local; default: aws\n"
        "  --reclaim MODEL           which instances the cloud takes back (doc/reclaim.md)\n"
        "  --billing 1ms|100ms       how the cloud bills\n"
        "  --shutdown PERCENT        of the reclaimed instances, those that can hand over;\n"
        "                            default: 100\n"
        "  --trials N                simulations, at most; default: 250\n"
        "  --seeds N                 with which the finalists are simulated; default: 3\n"
        "  --runners-up N            default: 6\n"
        "  --processes N             simulations at a time; default: one per processor\n"
        "  --seed N                  the first; default: 1\n"
        "  --format FORMAT           text (the file), or json; default: text\n\n"
        "Directives:\n"
        "  --config FILE\n      Directives from a file; those on the command line win.");
    ic_config_help(stdout, IC_SCOPE_PL);
}

/* ---- options ---------------------------------------------------------------- */

static int read_targets(struct plan *p, const struct words *w)
{
    static const char command[] = "plan";
    double hits = 0, byte_hits = 0, availability = 0, worst_hour = 0, budget = 0;
    uint64_t p99_ms = 0;
    if (ic_option_decimal(command, "hit-ratio", w->hit_ratio, 100, &hits) != 0 ||
        ic_option_decimal(command, "byte-hit-ratio", w->byte_hit_ratio, 100, &byte_hits) != 0 ||
        ic_option_decimal(command, "availability", w->availability, 100, &availability) != 0 ||
        ic_option_decimal(command, "worst-hour", w->worst_hour, 100, &worst_hour) != 0 ||
        ic_option_decimal(command, "budget", w->budget, 1e6, &budget) != 0 ||
        ic_option_time(command, "p99", w->p99, &p99_ms) != 0) {
        return IC_CLI_FAILED;
    }
    p->search.targets = (struct ic_plan_targets){
        .hit_ratio = hits / 100,
        .byte_hit_ratio = byte_hits / 100,
        .availability = availability / 100,
        .availability_least = worst_hour / 100,
        .p99_us = (double)p99_ms * 1000,
        .dollars_per_hour = budget,
    };
    return 0;
}

static int read_search(struct plan *p, const struct words *w)
{
    static const char command[] = "plan";
    uint64_t trials = 250, seeds = 3, processes = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    int json = 0;
    p->runners = 6;
    if (ic_option_number(command, "trials", w->trials, 1, IC_PLAN_TRIALS_MAX, &trials) != 0 ||
        ic_option_number(command, "seeds", w->seeds, 1, SEEDS_MAX, &seeds) != 0 ||
        ic_option_number(command, "runners-up", w->runners, 0, IC_PLAN_RUNNERS_MAX, &p->runners) !=
            0 ||
        ic_option_number(command, "processes", w->processes, 1, 64, &processes) != 0 ||
        ic_option_choice(command, "format", w->format, "text|json", &json) != 0) {
        return IC_CLI_FAILED;
    }
    p->search.most = trials;
    p->report.seeds = (uint32_t)seeds;
    p->run.children = (uint32_t)processes;
    p->json = json != 0;
    return 0;
}

static int read_world(struct plan *p, const struct words *w)
{
    char why[IC_PRICE_WHY_MAX];
    double shutdown = 100;
    const char *cloud = w->cloud == NULL ? "aws" : w->cloud;
    const struct ic_cloud *known = ic_cloud_find(cloud);
    struct ic_reclaim_model model;
    struct ic_plan_world *world = &p->world;
    world->seed = 1;
    if (known == NULL) {
        return ic_option_complain("plan", "cloud", cloud, "aws or local");
    }
    if (ic_option_decimal("plan", "shutdown", w->shutdown, 100, &shutdown) != 0 ||
        ic_option_number("plan", "seed", w->seed, 0, INT64_MAX / 2, &world->seed) != 0) {
        return IC_CLI_FAILED;
    }
    if (ic_prices_parse(&world->prices, p->config->prices, why, sizeof why) < 0) {
        return ic_cli_fail("plan: %s", why);
    }
    if (ic_reclaim_model_init(&model, p->config->reclaim, 1, why) < 0) {
        return ic_cli_fail("plan: reclaim: %s", why);
    }
    world->cloud = *known;
    snprintf(world->reclaim, sizeof world->reclaim, "%s", p->config->reclaim);
    world->billing = p->config->billing;
    world->shutdown = shutdown / 100;
    world->speed = 1;
    return 0;
}

/* The user has said directive NAME: on the command line, or in a file where it is no default. */
static bool is_said(void *ctx, const char *name)
{
    const struct plan *p = ctx;
    size_t len = strlen(name);
    for (int i = 1; i < p->saids; i++) {
        const char *word = p->said[i];
        if (strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, len) == 0 &&
            (word[2 + len] == '\0' || word[2 + len] == '=')) {
            return true;
        }
    }
    const struct ic_directive *d = ic_directive_find(ic_slice_str(name));
    char *has = ic_settings_text(p->config, d), *usual = ic_settings_text(p->defaults, d);
    bool differs = strcmp(has, usual) != 0;
    ic_free(has);
    ic_free(usual);
    return differs;
}

static int read_options(struct plan *p, int argc, char **argv)
{
    char why[IC_WHY_MAX];
    struct words w = {.hit_ratio = NULL};
    const struct ic_option options[] = {{"hit-ratio", &w.hit_ratio},
                                        {"byte-hit-ratio", &w.byte_hit_ratio},
                                        {"availability", &w.availability},
                                        {"worst-hour", &w.worst_hour},
                                        {"p99", &w.p99},
                                        {"budget", &w.budget},
                                        {"cloud", &w.cloud},
                                        {"shutdown", &w.shutdown},
                                        {"seed", &w.seed},
                                        {"seeds", &w.seeds},
                                        {"trials", &w.trials},
                                        {"runners-up", &w.runners},
                                        {"processes", &w.processes},
                                        {"format", &w.format},
                                        IC_WORK_OPTIONS(w.work),
                                        {NULL, NULL}};
    const char *trace = NULL;
    int words = ic_options_split(options, IC_SCOPE_PL, &argc, argv, &trace, 1, print_help);
    if (words < 0) {
        return words;
    }
    p->said = argv;
    p->saids = argc;
    if (ic_settings_apply(p->config, argc, argv, IC_SCOPE_PL, why) < 0) {
        ic_cli_fail("plan: %s", why);
        return IC_OPTIONS_WRONG;
    }
    bool good = read_targets(p, &w) == 0 && read_search(p, &w) == 0 && read_world(p, &w) == 0 &&
                ic_work_init(&p->work, "plan", &w.work, trace, p->world.seed) == 0;
    return good ? 0 : IC_OPTIONS_WRONG;
}

/* ---- simulations ------------------------------------------------------------ */

static void count(void *ctx)
{
    struct plan *p = ctx;
    p->done++;
    snprintf(p->label, sizeof p->label, "simulation %" PRIu64, p->done);
    ic_progress_share(&p->progress, p->label, (double)p->done / (double)p->expected);
}

static int run_jobs(struct plan *p, const struct ic_plan_job *job, size_t jobs)
{
    return ic_plan_run(&p->run, job, jobs, count, p, p->why);
}

static int simulate(void *ctx, struct ic_plan_trial *trial, size_t trials)
{
    struct plan *p = ctx;
    struct ic_plan_job *job = ic_calloc(trials, sizeof *job);
    if (job == NULL) {
        return IC_ENOMEM;
    }
    for (size_t i = 0; i < trials; i++) {
        job[i] = (struct ic_plan_job){
            .point = trial[i].point, .world = &p->world, .out = &trial[i].outcome};
    }
    int result = run_jobs(p, job, trials);
    ic_free(job);
    return result;
}

static double floor_of(void *ctx, struct ic_plan_point point)
{
    struct plan *p = ctx;
    return ic_plan_run_floor(&p->run, &p->world, point);
}

/* ---- the search ------------------------------------------------------------- */

/* What the functions must have for the hit ratio that is wanted: an LRU cache's bytes, parity, and
 * some room. */
static double first_guess(const struct plan *p)
{
    static const double more = 1.3;
    double all = ic_lru_curve_kept(p->work.curve).bytes;
    uint64_t lru = ic_lru_curve_bytes(p->work.curve, p->search.targets.hit_ratio);
    double bytes = lru == UINT64_MAX ? all : (double)lru;
    return p->search.targets.hit_ratio > 0 ? bytes * more : all * more / 4;
}

static int search(struct plan *p)
{
    static const uint64_t memories[] = {UINT64_C(1) << 30, UINT64_C(1) << 28, UINT64_C(3) << 30};
    struct ic_plan_targets *t = &p->search.targets;
    if (t->hit_ratio <= 0 && t->byte_hit_ratio <= 0 && t->dollars_per_hour <= 0) {
        t->hit_ratio = 0.95 * ic_lru_curve_hits(p->work.curve, UINT64_MAX);
    }
    struct ic_plan_point start[3], middle = ic_plan_space_start(&p->space, first_guess(p));
    size_t starts = ic_plan_space_count(&p->space, IC_PLAN_MEMORY) > 1 ? 3 : 1;
    for (size_t i = 0; i < starts; i++) {
        start[i] = ic_plan_space_with_memory(&p->space, middle, memories[i]);
    }
    p->search.space = &p->space;
    p->search.simulate = simulate;
    p->search.floor = floor_of;
    p->search.ctx = p;
    return ic_plan_search_run(&p->search, start, starts);
}

/* ---- the finalists ---------------------------------------------------------- */

static void add(struct ic_plan_outcome *sum, const struct ic_plan_outcome *o, double part)
{
    sum->failed |= o->failed;
    sum->hours += o->hours * part;
    sum->dollars += o->dollars * part;
    sum->hit_ratio += o->hit_ratio * part;
    sum->byte_hit_ratio += o->byte_hit_ratio * part;
    sum->availability += o->availability * part;
    sum->availability_least = fmin(sum->availability_least, o->availability_least);
    sum->p50_us += o->p50_us * part;
    sum->p99_us += o->p99_us * part;
    sum->resets += o->resets * part;
    for (size_t c = 0; c < sizeof o->cause / sizeof o->cause[0]; c++) {
        sum->cause[c] += o->cause[c] * part;
    }
}

/* OUTCOME has TRIAL's results, one for each seed: their mean is its outcome from now on, and may be
 * the best so far. */
static void settle(struct plan *p, const struct ic_plan_trial *trial,
                   const struct ic_plan_outcome *outcome)
{
    struct ic_plan_report *r = &p->report;
    struct ic_plan_outcome mean = {.availability_least = 1};
    double least = outcome[0].dollars, most = least, resets = outcome[0].resets;
    for (uint32_t s = 0; s < r->seeds; s++) {
        add(&mean, &outcome[s], 1.0 / r->seeds);
        least = fmin(least, outcome[s].dollars);
        most = fmax(most, outcome[s].dollars);
        resets = fmax(resets, outcome[s].resets);
    }
    p->search.trial[trial - p->search.trial].outcome = mean;
    if (ic_plan_better(&p->search.targets, &mean, &r->winner.outcome)) {
        r->winner = (struct ic_plan_trial){.point = trial->point, .outcome = mean};
        r->first = outcome[0];
        r->dollars_least = least;
        r->dollars_most = most;
        r->resets_most = resets;
    }
}

/* TRIAL[0..COUNT) once more, with other seeds too. */
static int judge(struct plan *p, const struct ic_plan_trial *const *trial, size_t count)
{
    struct ic_plan_world world[SEEDS_MAX];
    struct ic_plan_outcome outcome[FINALISTS][SEEDS_MAX];
    struct ic_plan_job job[FINALISTS * SEEDS_MAX] = {{.out = NULL}};
    size_t jobs = 0;
    for (uint32_t s = 0; s < p->report.seeds; s++) {
        world[s] = p->world;
        world[s].seed += s;
    }
    for (size_t i = 0; i < count; i++) {
        for (uint32_t s = 0; s < p->report.seeds; s++) {
            job[jobs++] = (struct ic_plan_job){
                .point = trial[i]->point, .world = &world[s], .out = &outcome[i][s]};
        }
    }
    int result = run_jobs(p, job, jobs);
    for (size_t i = 0; i < count && result == 0; i++) {
        settle(p, trial[i], outcome[i]);
    }
    return result;
}

/* The winner is the best of the search's best over all seeds. If none of them meets the targets
 * with the other seeds, the next ones are tried, as long as they do with the first. */
static int choose(struct plan *p)
{
    const struct ic_plan_targets *targets = &p->search.targets;
    const struct ic_plan_trial *best[ROUNDS * FINALISTS];
    size_t count = ic_plan_search_best(&p->search, best, ROUNDS * FINALISTS);
    int result = 0;
    p->report.winner.outcome.failed = true;
    for (size_t i = 0; i < count && result == 0; i += FINALISTS) {
        bool hopeless = i > 0 && !ic_plan_meets(targets, &best[i]->outcome);
        if (hopeless || ic_plan_meets(targets, &p->report.winner.outcome)) {
            break;
        }
        result = judge(p, &best[i], count - i < FINALISTS ? count - i : FINALISTS);
    }
    return result;
}

/* ---- what the answer hangs on ----------------------------------------------- */

static void slow_network(struct ic_plan_world *w)
{
    for (uint32_t i = 0; i < w->cloud.networks; i++) {
        w->cloud.network[i].bytes_per_s /= 2;
    }
}

static void slow_starts(struct ic_plan_world *w)
{
    struct ic_latency *starts[] = {&w->cloud.warm, &w->cloud.cold, &w->cloud.warm_up};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        starts[i]->median_us *= 2;
        starts[i]->p99_us *= 2;
    }
    w->cloud.start_billed_us *= 2;
    w->cloud.cold_billed_us *= 2;
    w->cloud.warm_up_billed_us *= 2;
}

static void no_shutdown(struct ic_plan_world *w)
{
    w->shutdown = 0;
}

static void no_reclaims(struct ic_plan_world *w)
{
    snprintf(w->reclaim, sizeof w->reclaim, "none");
}

static void more_reclaims(struct ic_plan_world *w)
{
    char usual[IC_PLAN_RECLAIM_MAX];
    memcpy(usual, w->reclaim, sizeof usual);
    if (strcmp(usual, "none") == 0) {
        snprintf(w->reclaim, sizeof w->reclaim, "poisson:0.5");
    } else {
        snprintf(w->reclaim, sizeof w->reclaim, "%.120s+%.120s", usual, usual);
    }
}

static void coarse_billing(struct ic_plan_world *w)
{
    w->billing = w->billing == IC_BILLING_100MS ? IC_BILLING_1MS : IC_BILLING_100MS;
}

static void twice_as_fast(struct ic_plan_world *w)
{
    w->speed = 2;
}

static void half_as_fast(struct ic_plan_world *w)
{
    w->speed = 0.5;
}

static void dear_memory(struct ic_plan_world *w)
{
    w->prices.dollars[IC_PRICE_LAMBDA_X86_GB_SECOND] *= 1.25;
    w->prices.dollars[IC_PRICE_LAMBDA_ARM_GB_SECOND] *= 1.25;
    w->prices.dollars[IC_PRICE_LAMBDA_2020_GB_SECOND] *= 1.25;
}

static void dear_invocations(struct ic_plan_world *w)
{
    w->prices.dollars[IC_PRICE_LAMBDA_MILLION] *= 1.25;
}

static const struct {
    const char *what;
    void (*change)(struct ic_plan_world *w);
} variations[] = {
    {"functions' networks are half as fast", slow_network},
    {"functions take twice as long to start", slow_starts},
    {"no reclaimed instance can hand over", no_shutdown},
    {"no instance is reclaimed", no_reclaims},
    {"twice as many are reclaimed (none before: 30 an hour)", more_reclaims},
    {"it is billed by 100 ms (or 1, if that is assumed)", coarse_billing},
    {"the same requests come in half the time", twice_as_fast},
    {"the same requests come in twice the time", half_as_fast},
    {"a GB-second costs 25 % more", dear_memory},
    {"an invocation costs 25 % more", dear_invocations},
};

enum { VARIATIONS = sizeof variations / sizeof variations[0] };

static int heavier(const void *a, const void *b)
{
    double x = ((const struct ic_plan_variation *)a)->weight;
    double y = ((const struct ic_plan_variation *)b)->weight;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* What makes it miss a target weighs most, then what changes the dollars. */
static void weigh(const struct plan *p, struct ic_plan_variation *v)
{
    static const double targets_count = 10;
    double usual = p->report.first.dollars;
    v->change = usual > 0 ? v->outcome.dollars / usual - 1 : 0;
    v->weight =
        v->outcome.failed
            ? 0
            : fabs(v->change) + targets_count * ic_plan_shortfall(&p->search.targets, &v->outcome);
}

static int vary(struct plan *p)
{
    struct ic_plan_report *r = &p->report;
    struct ic_plan_world world[VARIATIONS];
    struct ic_plan_job job[VARIATIONS];
    for (size_t i = 0; i < VARIATIONS; i++) {
        world[i] = p->world;
        variations[i].change(&world[i]);
        r->variation[i].what = variations[i].what;
        job[i] = (struct ic_plan_job){
            .point = r->winner.point, .world = &world[i], .out = &r->variation[i].outcome};
    }
    int result = run_jobs(p, job, VARIATIONS);
    for (size_t i = 0; i < VARIATIONS && result == 0; i++) {
        weigh(p, &r->variation[i]);
    }
    r->variations = VARIATIONS;
    qsort(r->variation, r->variations, sizeof r->variation[0], heavier);
    return result;
}

/* ---- all of it -------------------------------------------------------------- */

/* The next best after the winner. */
static void find_runners(struct plan *p)
{
    const struct ic_plan_trial *best[IC_PLAN_RUNNERS_MAX + 1];
    struct ic_plan_report *r = &p->report;
    size_t count = ic_plan_search_best(&p->search, best, p->runners + 1);
    for (size_t i = 0; i < count && r->runners < p->runners; i++) {
        if (memcmp(&best[i]->point, &r->winner.point, sizeof best[i]->point) != 0) {
            r->runner[r->runners++] = *best[i];
        }
    }
}

static void price_elsewhere(struct plan *p)
{
    const struct ic_plan_outcome *o = &p->report.winner.outcome;
    struct ic_sim_result *r = ic_must(ic_calloc(1, sizeof *r));
    *r = (struct ic_sim_result){.gets = p->work.gets,
                                .get_bytes = p->work.get_bytes,
                                .puts = p->work.puts,
                                .end_us = p->work.end_us};
    p->report.elsewhere = ic_elsewhere(r, p->work.curve, &p->world.prices, o->hit_ratio);
    ic_free(r);
}

static int find_answer(struct plan *p)
{
    int result = search(p);
    p->report.trials = p->search.count;
    if (result == 0) {
        result = choose(p);
    }
    if (result == 0 && !p->report.winner.outcome.failed) {
        result = vary(p);
    }
    return result;
}

static int report(struct plan *p)
{
    struct ic_plan_report *r = &p->report;
    if (r->winner.outcome.failed) {
        return ic_cli_fail("plan: no pool could be simulated: %s", p->why);
    }
    r->work = &p->work;
    r->space = &p->space;
    r->targets = &p->search.targets;
    r->world = &p->world;
    r->said = is_said;
    r->ctx = p;
    find_runners(p);
    price_elsewhere(p);
    (p->json ? ic_plan_report_json : ic_plan_report_text)(r);
    return ic_plan_shortfall(r->targets, &r->winner.outcome) <= 0 ? IC_CLI_DONE : IC_CLI_NOT_FOUND;
}

static int run(struct plan *p)
{
    if (ic_work_load(&p->work) != 0) {
        return IC_CLI_FAILED;
    }
    ic_plan_space_init(&p->space, p->config, is_said, p);
    p->run.work = &p->work;
    p->run.space = &p->space;
    p->expected = p->search.most + FINALISTS * p->report.seeds + VARIATIONS;
    ic_progress_init(&p->progress, "", 0, true);
    int result = find_answer(p);
    ic_progress_end(&p->progress);
    return result < 0 ? ic_cli_fail("plan: %s", ic_error_text(result)) : report(p);
}

int ic_cli_plan(int argc, char **argv)
{
    struct plan *p = ic_must(ic_calloc(1, sizeof *p));
    p->config = ic_config_new();
    p->defaults = ic_config_new();
    int result = read_options(p, argc, argv);
    int status = result == IC_OPTIONS_DONE ? IC_CLI_DONE : IC_CLI_FAILED;
    if (result == 0) {
        status = run(p);
    }
    ic_plan_search_deinit(&p->search);
    ic_work_deinit(&p->work);
    ic_config_free(p->config);
    ic_config_free(p->defaults);
    ic_free(p);
    return status;
}
