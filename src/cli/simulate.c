/*
 * simulate.c - `infinicache simulate TRACE`: what a pool of functions would do with a trace, on
 * virtual time and without its bytes, and what it would cost.
 *
 *   directives, TRACE --> work (loaded) --> fleet (simulate/fleet.h) --> report, plots
 */
#include "cli/commands.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "cli/options.h"
#include "cli/plot.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/simulate_report.h"
#include "cli/work.h"
#include "model/cloud.h"
#include "model/reclaim.h"
#include "simulate/fleet.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { FUNCTIONS_MAX = 1000000 };

struct words { /* the options as given */
    const char *functions, *proxies, *proxy_price, *cloud, *insert, *shutdown, *seed, *threads,
        *at_once, *format, *plot;
    struct ic_work_options work;
};

struct simulate {
    struct ic_config *config;
    struct ic_prices prices;
    struct ic_work work;
    struct ic_sim_fleet fleet;
    struct ic_sim_result *result;
    struct ic_progress progress;
    double proxy_price;
    enum ic_simulate_format format;
    const char *plot; /* NULL: no */
};

static void print_help(void)
{
    puts(
        "usage: infinicache simulate [OPTIONS] [--config FILE] [--DIRECTIVE VALUE ...] [TRACE]\n\n"
        "What a pool of functions would do with TRACE, or with made-up requests, in virtual time:\n"
        "the proxy's own decisions, without its bytes. Prints hit ratios, losses, latencies and\n"
        "dollars, and what the same work would cost on ElastiCache and S3. The same seed gives\n"
        "the same output.\n\n" IC_WORK_HELP "\n"
        "The simulation (what it assumes about the cloud: doc/simulation.md):\n"
        "  --functions N        of the pool; more than 4096 have several proxies; default: the\n"
        "                       directive\n"
        "  --proxies N          that share the keys; default: as many as the functions need\n"
        "  --proxy-price N      dollars that a proxy's machine costs an hour; default: the price\n"
        "                       proxy-hour\n"
        "  --cloud NAME         aws, or local: the local platform on one machine; default: aws\n"
        "  --reclaim MODEL      which instances the cloud takes back (doc/reclaim.md); a\n"
        "                       directive, as --memory, --eviction and all below\n"
        "  --shutdown PERCENT   of the reclaimed instances, those that get a shutdown phase and\n"
        "                       can hand over; default: 100\n"
        "  --insert yes|no      a miss is fetched from the origin (S3) and stored; default: yes\n"
        "  --seed N             of all chances; default: 1\n"
        "  --threads N          default: one per processor\n"
        "  --at-once N          proxies simulated at a time, the others later; saves memory;\n"
        "                       default: all\n\n"
        "Output:\n"
        "  --format FORMAT      text, json, or csv (a line per hour); default: text\n"
        "  --plot DIR           draws cost, faults and latencies as SVG and PNG (needs gnuplot)\n\n"
        "Directives:\n"
        "  --config FILE\n      Directives from a file; those on the command line win.");
    ic_config_help(stdout, IC_SCOPE_PL);
}

/* ---- options ---------------------------------------------------------------- */

static int read_values(struct simulate *s, const struct words *w)
{
    static const char command[] = "simulate";
    const char *cloud = w->cloud == NULL ? "aws" : w->cloud;
    uint64_t functions = (uint64_t)s->config->functions, proxies = 0, at_once = 0;
    uint64_t threads = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    int no_insert = 0, format = 0;
    double shutdown = 100;
    struct ic_sim_fleet *f = &s->fleet;
    s->proxy_price = s->prices.dollars[IC_PRICE_PROXY_HOUR];
    if (ic_option_number(command, "functions", w->functions, 1, FUNCTIONS_MAX, &functions) != 0 ||
        ic_option_number(command, "proxies", w->proxies, 1, FUNCTIONS_MAX, &proxies) != 0 ||
        ic_option_decimal(command, "proxy-price", w->proxy_price, 1e6, &s->proxy_price) != 0 ||
        ic_option_choice(command, "insert", w->insert, "yes|no", &no_insert) != 0 ||
        ic_option_decimal(command, "shutdown", w->shutdown, 100, &shutdown) != 0 ||
        ic_option_number(command, "threads", w->threads, 1, IC_SIM_THREADS_MAX, &threads) != 0 ||
        ic_option_number(command, "at-once", w->at_once, 1, FUNCTIONS_MAX, &at_once) != 0 ||
        ic_option_choice(command, "format", w->format, "text|json|csv", &format) != 0) {
        return IC_CLI_FAILED;
    }
    f->settings.cloud = ic_cloud_find(cloud);
    if (f->settings.cloud == NULL) {
        return ic_option_complain(command, "cloud", cloud, "aws or local");
    }
    f->settings.functions = (uint32_t)functions;
    f->settings.fill = no_insert == 0;
    f->settings.shutdown = shutdown / 100;
    f->proxies = proxies > 0 ? (uint32_t)proxies : ic_sim_fleet_proxies((uint32_t)functions);
    f->threads = threads < IC_SIM_THREADS_MAX ? (uint32_t)threads : IC_SIM_THREADS_MAX;
    f->at_once = (uint32_t)at_once;
    s->format = (enum ic_simulate_format)format;
    s->plot = w->plot;
    return 0;
}

static int read_directives(struct simulate *s, int argc, char **argv)
{
    char why[IC_PRICE_WHY_MAX];
    struct ic_reclaim_model model;
    if (ic_settings_apply(s->config, argc, argv, IC_SCOPE_PL, why) < 0 ||
        ic_prices_parse(&s->prices, s->config->prices, why, sizeof why) < 0) {
        return ic_cli_fail("simulate: %s", why);
    }
    if (ic_reclaim_model_init(&model, s->config->reclaim, 1, why) < 0) {
        return ic_cli_fail("simulate: reclaim: %s", why);
    }
    s->fleet.settings.config = s->config;
    s->fleet.settings.prices = &s->prices;
    return 0;
}

static int read_seed(struct simulate *s, const struct words *w)
{
    s->fleet.settings.seed = 1;
    return ic_option_number("simulate", "seed", w->seed, 0, INT64_MAX, &s->fleet.settings.seed);
}

/* 0: there is something to do; or what ic_options_split says. */
static int read_options(struct simulate *s, int argc, char **argv)
{
    struct words w = {.functions = NULL};
    const struct ic_option options[] = {{"functions", &w.functions},
                                        {"proxies", &w.proxies},
                                        {"proxy-price", &w.proxy_price},
                                        {"cloud", &w.cloud},
                                        {"insert", &w.insert},
                                        {"shutdown", &w.shutdown},
                                        {"seed", &w.seed},
                                        {"threads", &w.threads},
                                        {"at-once", &w.at_once},
                                        {"format", &w.format},
                                        {"plot", &w.plot},
                                        IC_WORK_OPTIONS(w.work),
                                        {NULL, NULL}};
    const char *trace = NULL;
    int words = ic_options_split(options, IC_SCOPE_PL, &argc, argv, &trace, 1, print_help);
    if (words < 0) {
        return words;
    }
    bool good = read_directives(s, argc, argv) == 0 && read_values(s, &w) == 0 &&
                read_seed(s, &w) == 0 &&
                ic_work_init(&s->work, "simulate", &w.work, trace, s->fleet.settings.seed) == 0;
    return good ? 0 : IC_OPTIONS_WRONG;
}

/* ---- the run ---------------------------------------------------------------- */

static bool show(void *ctx, uint64_t requests, int64_t at_us, uint32_t pass, uint32_t passes)
{
    struct simulate *s = IC_CONTAINER(ctx, struct simulate, work);
    (void)at_us;
    (void)pass;
    (void)passes;
    ic_progress_share(&s->progress, "simulating", (double)requests / (double)s->work.requests);
    return true;
}

static int run_fleet(struct simulate *s)
{
    char why[IC_SIM_WHY_MAX] = "";
    struct ic_sim_fleet *f = &s->fleet;
    f->open = ic_work_open;
    f->close = ic_work_close;
    f->progress = show;
    f->ctx = &s->work;
    f->end_us = s->work.made.end_us;
    ic_progress_init(&s->progress, "", 0, true);
    uint64_t begin_us = ic_clock_mono_us();
    int result = ic_sim_fleet_run(f, s->result, why);
    double seconds = (double)(ic_clock_mono_us() - begin_us) / 1e6;
    ic_progress_end(&s->progress);
    if (result < 0) {
        return ic_cli_fail("simulate: %s", *why == '\0' ? ic_error_text(result) : why);
    }
    fprintf(stderr,
            "%" PRIu64 " requests in %.1f s, %.0f a second; %.0f bytes of the catalog per object\n",
            s->result->requests, seconds, (double)s->result->requests / (seconds + 1e-6),
            ic_simulate_ratio(s->result->catalog_memory, s->result->peak_objects));
    return 0;
}

static int report(struct simulate *s)
{
    char why[IC_PLOT_WHY_MAX];
    const struct ic_sim_result *r = s->result;
    struct ic_simulate_report report = {
        .work = &s->work,
        .settings = &s->fleet.settings,
        .result = r,
        .proxies = s->fleet.proxies,
        .proxy_per_hour = s->proxy_price,
        .elsewhere =
            ic_elsewhere(r, s->work.curve, &s->prices, ic_simulate_ratio(r->hits, r->gets)),
    };
    ic_simulate_report_print(&report, s->format);
    if (s->plot != NULL && ic_plot_draw(&report, s->plot, why) < 0) {
        return ic_cli_fail("simulate: %s", why);
    }
    return 0;
}

static int run(struct simulate *s)
{
    char why[IC_PLOT_WHY_MAX];
    if (s->plot != NULL && ic_plot_check(s->plot, why) < 0) {
        return ic_cli_fail("simulate: --plot: %s", why);
    }
    int status = ic_work_load(&s->work);
    if (status == 0) {
        status = run_fleet(s);
    }
    if (status == 0) {
        status = report(s);
    }
    ic_sim_result_deinit(s->result);
    ic_work_deinit(&s->work);
    return status;
}

int ic_cli_simulate(int argc, char **argv)
{
    struct simulate *s = ic_must(ic_calloc(1, sizeof *s));
    s->config = ic_config_new();
    s->result = ic_must(ic_calloc(1, sizeof *s->result)); /* large */
    int result = read_options(s, argc, argv);
    int status = result == IC_OPTIONS_DONE ? IC_CLI_DONE : IC_CLI_FAILED;
    if (result == 0) {
        status = run(s);
    }
    ic_config_free(s->config);
    ic_free(s->result);
    ic_free(s);
    return status;
}
