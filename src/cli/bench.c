/*
 * bench.c - `infinicache bench`: drives any Redis server with GETs and SETs and says what it took.
 */
#include "cli/commands.h"

#include "base/alloc.h"
#include "base/quantity.h"
#include "cli/bench_report.h"
#include "cli/endpoint.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/usage.h"
#include "cli/workload.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct words { /* the options as given */
    const char *sizes, *keys, *order, *gets, *range, *clients, *pipeline, *requests, *duration,
        *rate, *warm_up, *prepare, *verify, *prefix, *pids, *format, *seed;
};

struct bench {
    struct ic_load_settings load;
    struct ic_workload_settings workload;
    struct ic_usage usage;
    struct ic_progress progress;
    char phase[16];
    enum ic_bench_format format;
};

static void print_help(void)
{
    puts("usage: infinicache bench [OPTIONS]\n\n"
         "Drives a Redis server (InfiniCache, Redis, Valkey ...) with GETs and SETs of objects:\n"
         "stores every key, warms up, then measures throughput and latency. Contents follow from\n"
         "the key and are verified byte by byte.\n\n"
         "  --sizes SIZES       1mb, or 1kb,10mb, or 1kb:9,10mb:1 (weights), or uniform:1kb-1mb, "
         "or\n"
         "                      loguniform:1kb-1gb; default: 1mb\n"
         "  --keys N            different keys; default: 8\n"
         "  --order ORDER       in which they are asked for: sequence, uniform, or zipf:EXPONENT;\n"
         "                      default: sequence\n"
         "  --gets PERCENT      share of GETs, the rest are SETs; default: 100\n"
         "  --range BYTES       GETRANGE of so many bytes instead of whole values\n"
         "  --clients N         connections; default: 1\n"
         "  --pipeline N        requests of one connection under way; default: 1\n"
         "  --requests N        how many; or else\n"
         "  --duration TIME     for how long; default: 10s\n"
         "  --rate N            open loop: N requests a second of all clients, each timed from "
         "when\n"
         "                      it was due; default: as fast as answers come\n"
         "  --warm-up TIME      the same load before anything is measured; default: 1s\n"
         "  --prepare yes|no    store every key first; default: yes\n"
         "  --verify yes|no     compare what comes back; default: yes\n"
         "  --prefix TEXT       of the keys' names; default: bench:\n"
         "  --seed N            the same seed, the same workload; default: 1\n"
         "  --pids PID,PID      CPU seconds and peak memory of these processes meanwhile\n"
         "  --format FORMAT     text, json or csv; default: text\n" IC_ENDPOINT_HELP "\n\n"
         "Exit status: 0 done and right, 1 some value was wrong or some answer an error, 2 it\n"
         "could not be run.");
}

/* ---- options ---------------------------------------------------------------- */

static int complain(const char *option, const char *text, const char *wanted)
{
    return ic_cli_fail("bench: bad value '%.100s' for --%s: must be %s", text, option, wanted);
}

/* 0 also if it was not given. */
static int number(const char *option, const char *text, int64_t least, int64_t most, uint64_t *out)
{
    int64_t value;
    if (text == NULL) {
        return 0;
    }
    if (ic_slice_to_i64(ic_slice_str(text), &value) < 0 || value < least || value > most) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "a number from %lld to %lld", (long long)least,
                 (long long)most);
        return complain(option, text, wanted);
    }
    *out = (uint64_t)value;
    return 0;
}

static int decimal(const char *option, const char *text, double most, double *out)
{
    char *end;
    if (text == NULL) {
        return 0;
    }
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > most) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "a number from 0 to %g", most);
        return complain(option, text, wanted);
    }
    *out = value;
    return 0;
}

static int quantity(const char *option, const char *text, bool time, uint64_t *out)
{
    int64_t value;
    if (text == NULL) {
        return 0;
    }
    struct ic_slice s = ic_slice_str(text);
    int result = time ? ic_quantity_ms(s, &value) : ic_quantity_bytes(s, &value);
    if (result < 0 || value < 0) {
        return complain(option, text, time ? "a time: 250ms, 10s, 5m" : "a size: 64kb, 1mb");
    }
    *out = (uint64_t)value;
    return 0;
}

/* The index of TEXT among "a|b|c"; 0 if it was not given. */
static int choice(const char *option, const char *text, const char *choices, int *out)
{
    const char *at = choices;
    for (int i = 0; text != NULL; i++) {
        size_t len = strcspn(at, "|");
        if (strlen(text) == len && strncmp(text, at, len) == 0) {
            *out = i;
            return 0;
        }
        if (at[len] == '\0') {
            return complain(option, text, choices);
        }
        at += len + 1;
    }
    return 0;
}

static int read_order(struct bench *b, const char *text)
{
    static const char zipf[] = "zipf:";
    if (text != NULL && strncmp(text, zipf, sizeof zipf - 1) == 0) {
        b->workload.order = IC_ORDER_ZIPF;
        return decimal("order", text + sizeof zipf - 1, 10, &b->workload.zipf);
    }
    int order = IC_ORDER_SEQUENCE;
    int result = choice("order", text, "sequence|uniform", &order);
    b->workload.order = order == 1 ? IC_ORDER_UNIFORM : IC_ORDER_SEQUENCE;
    return result;
}

static int read_workload(struct bench *b, const struct words *w)
{
    b->workload = (struct ic_workload_settings){
        .keys = 8, .sizes = w->sizes == NULL ? "1mb" : w->sizes, .get_percent = 100, .seed = 1};
    return number("keys", w->keys, 1, IC_WORKLOAD_KEYS_MAX, &b->workload.keys) != 0 ||
           decimal("gets", w->gets, 100, &b->workload.get_percent) != 0 ||
           number("seed", w->seed, 0, INT64_MAX, &b->workload.seed) != 0 ||
           read_order(b, w->order) != 0;
}

static int read_load(struct bench *b, const struct words *w)
{
    uint64_t clients = 1, pipeline = 1;
    int no_prepare = 0, no_verify = 0, format = 0;
    char why[IC_USAGE_WHY_MAX];
    b->load.duration_ms = 10000;
    b->load.warm_up_ms = 1000;
    b->load.prefix = w->prefix == NULL ? "bench:" : w->prefix;
    if (number("clients", w->clients, 1, IC_LOAD_CLIENTS_MAX, &clients) != 0 ||
        number("pipeline", w->pipeline, 1, IC_LOAD_PIPELINE_MAX, &pipeline) != 0 ||
        number("requests", w->requests, 1, INT64_MAX, &b->load.requests) != 0 ||
        quantity("duration", w->duration, true, &b->load.duration_ms) != 0 ||
        quantity("warm-up", w->warm_up, true, &b->load.warm_up_ms) != 0 ||
        quantity("range", w->range, false, &b->load.range_bytes) != 0 ||
        decimal("rate", w->rate, 1e7, &b->load.rate) != 0 ||
        choice("prepare", w->prepare, "yes|no", &no_prepare) != 0 ||
        choice("verify", w->verify, "yes|no", &no_verify) != 0 ||
        choice("format", w->format, "text|json|csv", &format) != 0) {
        return IC_CLI_FAILED;
    }
    if (strlen(b->load.prefix) > 64) {
        return complain("prefix", b->load.prefix, "at most 64 bytes");
    }
    if (ic_usage_parse(&b->usage, w->pids == NULL ? "" : w->pids, why) < 0) {
        return ic_cli_fail("bench: %s", why);
    }
    b->load.clients = (uint32_t)clients;
    b->load.pipeline = (uint32_t)pipeline;
    b->load.prepare = no_prepare == 0;
    b->load.verify = no_verify == 0;
    b->format = (enum ic_bench_format)format;
    return 0;
}

/* ---- the run ---------------------------------------------------------------- */

static void on_begin(void *ctx)
{
    struct bench *b = ctx;
    ic_usage_begin(&b->usage);
}

static void on_end(void *ctx)
{
    struct bench *b = ctx;
    ic_usage_end(&b->usage);
}

static void on_progress(void *ctx, const char *phase, double share)
{
    struct bench *b = ctx;
    if (strcmp(b->phase, phase) != 0) {
        snprintf(b->phase, sizeof b->phase, "%s", phase);
    }
    ic_progress_share(&b->progress, b->phase, share);
}

static int run(struct bench *b)
{
    char why[IC_LOAD_WHY_MAX];
    static_assert((int)IC_LOAD_WHY_MAX >= (int)IC_WORKLOAD_WHY_MAX, "one buffer for both");
    int result = ic_workload_new(&b->workload, &b->load.workload, why);
    if (result < 0) {
        return ic_cli_fail("bench: %s", why);
    }
    struct ic_load_result *r = ic_must(ic_malloc(sizeof *r));
    b->load.begin = on_begin;
    b->load.end = on_end;
    b->load.progress = on_progress;
    b->load.ctx = b;
    ic_progress_init(&b->progress, "", 0, true);
    ic_signals_hold();
    result = ic_load_run(&b->load, r, why);
    ic_progress_end(&b->progress);
    int status = IC_CLI_FAILED;
    if (result < 0) {
        ic_cli_fail("bench: %s", why);
    } else {
        struct ic_bench_report report = {
            .load = &b->load, .workload = &b->workload, .result = r, .usage = &b->usage};
        ic_bench_report_print(&report, b->format);
        bool right = r->get.wrong + r->get.errors + r->set.errors == 0;
        status = right ? IC_CLI_DONE : IC_CLI_NOT_FOUND;
    }
    ic_free(r);
    ic_workload_free(b->load.workload);
    ic_signals_release();
    return status;
}

static int read_options(struct bench *b, int argc, char **argv,
                        struct ic_endpoint_options *endpoint)
{
    struct words w = {.sizes = NULL};
    const struct ic_option options[] = {{"sizes", &w.sizes},
                                        {"keys", &w.keys},
                                        {"order", &w.order},
                                        {"gets", &w.gets},
                                        {"range", &w.range},
                                        {"clients", &w.clients},
                                        {"pipeline", &w.pipeline},
                                        {"requests", &w.requests},
                                        {"duration", &w.duration},
                                        {"rate", &w.rate},
                                        {"warm-up", &w.warm_up},
                                        {"prepare", &w.prepare},
                                        {"verify", &w.verify},
                                        {"prefix", &w.prefix},
                                        {"pids", &w.pids},
                                        {"format", &w.format},
                                        {"seed", &w.seed},
                                        IC_ENDPOINT_OPTIONS(*endpoint),
                                        {NULL, NULL}};
    int words = ic_options_read(options, argc, argv, print_help);
    if (words > 0) {
        ic_cli_fail("bench: unexpected argument '%s'; see `infinicache help bench`", argv[1]);
    }
    if (words != 0) {
        return words < 0 ? words : IC_OPTIONS_WRONG;
    }
    return read_workload(b, &w) != 0 || read_load(b, &w) != 0 ? IC_OPTIONS_WRONG : 0;
}

int ic_cli_bench(int argc, char **argv)
{
    struct ic_endpoint_options endpoint = {.host = NULL};
    struct ic_endpoint e;
    char why[IC_ENDPOINT_WHY_MAX];
    struct bench *b = ic_must(ic_calloc(1, sizeof *b));
    int status = IC_CLI_FAILED;
    int result = read_options(b, argc, argv, &endpoint);
    if (result == IC_OPTIONS_DONE) {
        status = IC_CLI_DONE;
    } else if (result == 0 && ic_endpoint_find(&endpoint, &e, why) < 0) {
        ic_cli_fail("bench: %s", why);
    } else if (result == 0) {
        b->load.host = e.host;
        b->load.port = e.port;
        b->load.password = e.password;
        status = run(b);
    }
    ic_free(b);
    return status;
}
