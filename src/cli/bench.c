/*
 * bench.c - `infinicache bench`: drives any Redis server with GETs and SETs and says what it took.
 */
#include "cli/commands.h"

#include "base/alloc.h"
#include "cli/bench_report.h"
#include "cli/contents.h"
#include "cli/endpoint.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/work.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct words { /* the options as given */
    const char *sizes, *keys, *order, *gets, *range, *clients, *pipeline, *requests, *duration,
        *rate, *warm_up, *prepare, *verify, *prefix, *pids, *format, *seed;
};

struct bench {
    struct ic_bench_report report; /* settings and figures */
    struct ic_load_settings load;
    struct ic_contents contents;
    struct ic_workload *source;
    uint64_t issued, answered; /* of the phase */
    bool no_prepare;
    struct ic_progress progress;
    enum ic_bench_format format;
};

static void print_help(void)
{
    puts("usage: infinicache bench [OPTIONS]\n\n"
         "Drives a Redis server (InfiniCache, Redis, Valkey ...) with GETs and SETs of objects:\n"
         "stores every key, warms up, then measures throughput and latency. Contents follow from\n"
         "the key and are verified byte by byte.\n\n"
         "  --sizes SIZES       1mb, or 1kb,10mb, or 1kb:9,10mb:1 (weights), uniform:1kb-1mb,\n"
         "                      loguniform:1kb-1gb, lognormal:MEDIAN,DEVIATION, or\n"
         "                      pareto:LEAST,EXPONENT; default: 1mb\n"
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

static int read_workload(struct bench *b, const struct words *w)
{
    struct ic_bench_report *r = &b->report;
    r->workload = (struct ic_workload_settings){
        .keys = 8, .sizes = w->sizes == NULL ? "1mb" : w->sizes, .get_percent = 100, .seed = 1};
    return ic_option_number("bench", "keys", w->keys, 1, IC_WORKLOAD_KEYS_MAX, &r->workload.keys) !=
               0 ||
           ic_option_decimal("bench", "gets", w->gets, 100, &r->workload.get_percent) != 0 ||
           ic_option_number("bench", "seed", w->seed, 0, INT64_MAX, &r->workload.seed) != 0 ||
           ic_work_order("bench", w->order, &r->workload) != 0;
}

static int read_load(struct bench *b, const struct words *w)
{
    uint64_t clients = 1, pipeline = 1;
    int no_prepare = 0, no_verify = 0, format = 0;
    char why[IC_USAGE_WHY_MAX];
    struct ic_bench_report *r = &b->report;
    r->duration_ms = 10000;
    r->warm_up_ms = 1000;
    b->load.prefix = w->prefix == NULL ? "bench:" : w->prefix;
    if (ic_option_number("bench", "clients", w->clients, 1, IC_LOAD_CLIENTS_MAX, &clients) != 0 ||
        ic_option_number("bench", "pipeline", w->pipeline, 1, IC_LOAD_PIPELINE_MAX, &pipeline) !=
            0 ||
        ic_option_number("bench", "requests", w->requests, 1, INT64_MAX, &r->requests) != 0 ||
        ic_option_time("bench", "duration", w->duration, &r->duration_ms) != 0 ||
        ic_option_time("bench", "warm-up", w->warm_up, &r->warm_up_ms) != 0 ||
        ic_option_bytes("bench", "range", w->range, &r->range_bytes) != 0 ||
        ic_option_decimal("bench", "rate", w->rate, 1e7, &r->rate) != 0 ||
        ic_option_choice("bench", "prepare", w->prepare, "yes|no", &no_prepare) != 0 ||
        ic_option_choice("bench", "verify", w->verify, "yes|no", &no_verify) != 0 ||
        ic_option_choice("bench", "format", w->format, "text|json|csv", &format) != 0) {
        return IC_CLI_FAILED;
    }
    if (strlen(b->load.prefix) > IC_LOAD_PREFIX_MAX) {
        return ic_option_complain("bench", "prefix", b->load.prefix, "at most 64 bytes");
    }
    if (ic_usage_parse(&r->usage, w->pids == NULL ? "" : w->pids, why) < 0) {
        return ic_cli_fail("bench: %s", why);
    }
    b->load.clients = (uint32_t)clients;
    b->load.pipeline = (uint32_t)pipeline;
    b->load.verify = no_verify == 0;
    b->no_prepare = no_prepare != 0;
    b->format = (enum ic_bench_format)format;
    return 0;
}

/* ---- phases ----------------------------------------------------------------- */

static void begin(void *ctx)
{
    struct bench *b = ctx;
    b->issued = b->answered = 0;
}

static int next_to_store(void *ctx, uint64_t elapsed_us, struct ic_load_request *out)
{
    struct bench *b = ctx;
    (void)elapsed_us;
    if (b->issued == b->report.workload.keys) {
        return 0;
    }
    uint64_t key = b->issued++;
    *out = (struct ic_load_request){
        .op = IC_LOAD_SET, .key = key, .length = ic_workload_size(b->source, key)};
    return 1;
}

static bool count(void *ctx, const struct ic_load_request *r, enum ic_load_outcome outcome,
                  uint64_t latency_us)
{
    struct bench *b = ctx;
    (void)r;
    (void)outcome;
    (void)latency_us;
    b->answered++;
    return false;
}

static double share_stored(void *ctx, uint64_t elapsed_us)
{
    struct bench *b = ctx;
    (void)elapsed_us;
    return (double)b->answered / (double)b->report.workload.keys;
}

static void next_of_workload(struct bench *b, struct ic_load_request *out)
{
    const struct ic_bench_report *r = &b->report;
    bool get;
    uint64_t key = ic_workload_next(b->source, &get);
    *out = (struct ic_load_request){.op = get ? IC_LOAD_GET : IC_LOAD_SET,
                                    .key = key,
                                    .length = ic_workload_size(b->source, key)};
    if (get && r->range_bytes > 0 && r->range_bytes < out->length) {
        out->op = IC_LOAD_RANGE;
        out->offset = b->issued * r->range_bytes % (out->length - r->range_bytes + 1);
        out->length = r->range_bytes;
    }
    if (r->rate > 0) {
        out->due_us = (uint64_t)((double)b->issued / r->rate * 1e6);
    }
    b->issued++;
}

static int next_to_warm(void *ctx, uint64_t elapsed_us, struct ic_load_request *out)
{
    struct bench *b = ctx;
    if (elapsed_us >= b->report.warm_up_ms * 1000) {
        return 0;
    }
    next_of_workload(b, out);
    return 1;
}

static double share_warm(void *ctx, uint64_t elapsed_us)
{
    struct bench *b = ctx;
    return (double)elapsed_us / 1000 / (double)b->report.warm_up_ms;
}

static void begin_run(void *ctx)
{
    struct bench *b = ctx;
    begin(b);
    ic_usage_begin(&b->report.usage);
}

static int next_to_run(void *ctx, uint64_t elapsed_us, struct ic_load_request *out)
{
    struct bench *b = ctx;
    const struct ic_bench_report *r = &b->report;
    bool over = r->requests > 0 ? b->issued == r->requests : elapsed_us >= r->duration_ms * 1000;
    if (over) {
        return 0;
    }
    next_of_workload(b, out);
    return 1;
}

static bool record(void *ctx, const struct ic_load_request *r, enum ic_load_outcome outcome,
                   uint64_t latency_us)
{
    struct bench *b = ctx;
    struct ic_bench_figures *f = r->op == IC_LOAD_SET ? &b->report.set : &b->report.get;
    b->answered++;
    f->errors += outcome == IC_LOAD_ERROR;
    f->misses += outcome == IC_LOAD_MISS;
    f->wrong += outcome == IC_LOAD_WRONG;
    if (outcome != IC_LOAD_ERROR) {
        ic_histogram_add(&f->latency_us, latency_us);
        f->bytes += outcome == IC_LOAD_MISS ? 0 : r->length;
    }
    return false;
}

static double share_run(void *ctx, uint64_t elapsed_us)
{
    struct bench *b = ctx;
    const struct ic_bench_report *r = &b->report;
    return r->requests > 0 ? (double)b->answered / (double)r->requests
                           : (double)elapsed_us / 1000 / (double)r->duration_ms;
}

static void end_run(void *ctx, double seconds)
{
    struct bench *b = ctx;
    b->report.seconds = seconds;
    ic_usage_end(&b->report.usage);
}

static const struct ic_load_phase store = {.name = "storing the keys",
                                           .next = next_to_store,
                                           .answered = count,
                                           .share = share_stored,
                                           .begin = begin,
                                           .must = true};
static const struct ic_load_phase warm_up = {
    .name = "warming up", .next = next_to_warm, .share = share_warm, .begin = begin};
static const struct ic_load_phase measure = {.name = "measuring",
                                             .next = next_to_run,
                                             .answered = record,
                                             .share = share_run,
                                             .begin = begin_run,
                                             .end = end_run};

static void on_progress(void *ctx, const char *phase, double share)
{
    struct bench *b = ctx;
    ic_progress_share(&b->progress, phase, share);
}

/* ---- the run ---------------------------------------------------------------- */

static int run_load(struct bench *b, char *why)
{
    struct ic_load_phase phase[3];
    if (!b->no_prepare) {
        phase[b->load.phases++] = store;
    }
    if (b->report.warm_up_ms > 0) {
        phase[b->load.phases++] = warm_up;
    }
    phase[b->load.phases++] = measure;
    b->load.phase = phase;
    b->load.progress = on_progress;
    b->load.ctx = b;
    ic_progress_init(&b->progress, "", 0, true);
    ic_signals_hold();
    int result = ic_load_run(&b->load, why);
    ic_progress_end(&b->progress);
    return result;
}

static int run(struct bench *b)
{
    char why[IC_LOAD_WHY_MAX];
    static_assert((int)IC_LOAD_WHY_MAX >= (int)IC_WORKLOAD_WHY_MAX, "one buffer for both");
    struct ic_bench_report *r = &b->report;
    int result = ic_workload_new(&r->workload, &b->source, why);
    if (result == 0) {
        result = ic_contents_init(&b->contents, r->workload.seed);
        snprintf(why, sizeof why, "%s", result < 0 ? ic_error_text(result) : "");
    }
    if (result == 0) {
        b->load.contents = &b->contents;
        result = run_load(b, why);
    }
    int status = IC_CLI_FAILED;
    if (result < 0) {
        ic_cli_fail("bench: %s", why);
    } else {
        r->load = &b->load;
        r->first_error = why;
        ic_bench_report_print(r, b->format);
        bool right = r->get.wrong + r->get.errors + r->set.errors == 0;
        status = right ? IC_CLI_DONE : IC_CLI_NOT_FOUND;
    }
    ic_workload_free(b->source);
    ic_contents_deinit(&b->contents);
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
