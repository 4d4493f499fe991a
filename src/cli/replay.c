/*
 * replay.c - `infinicache replay TRACE`: asks a Redis server for what a trace asked for, when it
 * did, and says what a cache in that place would have come to.
 *
 *   GET --hit--> counted        PUT --> SET        DELETE --> DEL        HEAD, COPY: passed over
 *     '--miss--> counted, SET
 *
 * A key's object is named by key and size together: when a trace shows another size, it is
 * another object. A DELETE says no size, so the last one of each key is remembered.
 */
#include "cli/commands.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "cli/contents.h"
#include "cli/endpoint.h"
#include "cli/load.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/replay_report.h"
#include "cli/signals.h"
#include "cli/trace.h"

#include <inttypes.h>
#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct words { /* the options as given */
    const char *speed, *scale, *limit, *largest, *key_field, *insert, *clients, *verify, *prefix,
        *format;
};

struct known { /* a key of the trace */
    struct ic_map_node node;
    uint64_t key;   /* its hash */
    uint64_t bytes; /* of its last object */
};

struct replay {
    struct ic_replay_report report;
    struct ic_load_settings load;
    struct ic_contents contents;
    struct ic_trace *trace;
    struct ic_progress progress;
    struct ic_map known; /* of struct known */
    int64_t first_ms;    /* of the trace's clock */
    bool begun;
    uint64_t limit_ms, largest;
    bool by_digest, no_insert;
    enum ic_replay_format format;
    int error; /* of the trace */
    char why[IC_TRACE_WHY_MAX];
};

static void print_help(void)
{
    puts("usage: infinicache replay [OPTIONS] TRACE\n\n"
         "Asks a Redis server (InfiniCache, Redis, Valkey ...) for what TRACE asked for, when it\n"
         "did; a miss is followed by a SET. Prints hit ratios, latencies by size class, and\n"
         "what InfiniCache was charged meanwhile. TRACE may be packed; - is standard input. The\n"
         "formats: doc/traces.md.\n\n"
         "  --speed N            N times as fast as the trace; 0: as fast as answers come;\n"
         "                       default: 1\n"
         "  --scale N            objects of 1/N of their bytes; default: 1\n"
         "  --limit TIME         only the trace's first TIME\n"
         "  --largest BYTES      passes over larger objects (before they are scaled)\n"
         "  --key-field FIELD    uri: all of the key; digest: what follows its last /;\n"
         "                       default: uri\n"
         "  --insert yes|no      a miss is followed by a SET; default: yes\n"
         "  --clients N          connections; default: 16\n"
         "  --verify yes|no      compare what comes back; default: yes\n"
         "  --prefix TEXT        of the keys' names; default: replay:\n"
         "  --format FORMAT      text, json or csv; default: text\n" IC_ENDPOINT_HELP "\n\n"
         "Exit status: 0 done and right, 1 some value was wrong or some answer an error, 2 it\n"
         "could not be run.");
}

/* ---- the source ------------------------------------------------------------- */

static bool is_known(const struct ic_map_node *node, struct ic_slice key)
{
    return memcmp(&IC_CONTAINER(node, struct known, node)->key, key.data, key.len) == 0;
}

static void free_known(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    ic_free(IC_CONTAINER(node, struct known, node));
}

/* The key's record, made if need be; NULL: out of memory. */
static struct known *know(struct replay *r, struct ic_slice key)
{
    uint64_t hash = XXH3_64bits(key.data, key.len);
    struct ic_slice name = ic_slice(&hash, sizeof hash);
    struct ic_map_node *node = ic_map_find(&r->known, name);
    if (node != NULL) {
        return IC_CONTAINER(node, struct known, node);
    }
    struct known *k = ic_calloc(1, sizeof *k);
    if (k == NULL || ic_map_insert(&r->known, &k->node, name) < 0) {
        ic_free(k);
        return NULL;
    }
    k->key = hash;
    return k;
}

/* The number that names the object of REQUEST; IC_ENOMEM. */
static int name_object(struct replay *r, const struct ic_trace_request *request, uint64_t *out)
{
    struct known *k = know(r, ic_trace_key(request->key, r->by_digest));
    if (k == NULL) {
        return IC_ENOMEM;
    }
    k->bytes = request->op == IC_TRACE_DELETE ? k->bytes : request->bytes;
    *out = XXH3_64bits_withSeed(&k->key, sizeof k->key, k->bytes);
    return 0;
}

/* What REQUEST becomes: 1; 0: it is passed over; IC_ENOMEM. */
static int convert(struct replay *r, const struct ic_trace_request *request,
                   struct ic_load_request *out)
{
    static const int ops[] = {[IC_TRACE_GET] = IC_LOAD_GET,
                              [IC_TRACE_PUT] = IC_LOAD_SET,
                              [IC_TRACE_HEAD] = -1,
                              [IC_TRACE_COPY] = -1,
                              [IC_TRACE_DELETE] = IC_LOAD_DELETE};
    bool too_large = r->largest > 0 && request->bytes > r->largest;
    if (ops[request->op] < 0 || too_large) {
        return 0;
    }
    uint64_t scale = r->report.scale;
    uint64_t first = request->first / scale, last = request->last / scale;
    *out = (struct ic_load_request){.op = (enum ic_load_op)ops[request->op],
                                    .length = (request->bytes + scale - 1) / scale};
    bool part = request->last > 0 && last - first + 1 < out->length;
    if (out->op == IC_LOAD_GET && part) {
        out->op = IC_LOAD_RANGE;
        out->offset = first;
        out->length = last - first + 1;
    }
    int result = name_object(r, request, &out->key);
    return result < 0 ? result : 1;
}

/* When it is due, AT_MS after the trace's begin. Traces are not quite in order; due times are. */
static uint64_t due_at(struct replay *r, int64_t at_ms)
{
    struct ic_replay_report *report = &r->report;
    uint64_t due_us =
        report->speed > 0 && at_ms > 0 ? (uint64_t)((double)at_ms * 1000 / report->speed) : 0;
    report->last_due_us = due_us > report->last_due_us ? due_us : report->last_due_us;
    return report->last_due_us;
}

static int next(void *ctx, uint64_t elapsed_us, struct ic_load_request *out)
{
    struct replay *r = ctx;
    struct ic_trace_request request;
    int result;
    (void)elapsed_us;
    while ((result = ic_trace_next(r->trace, &request, r->why)) > 0) {
        r->first_ms = r->begun ? r->first_ms : request.time_ms;
        r->begun = true;
        int64_t at_ms = request.time_ms - r->first_ms;
        if (r->limit_ms > 0 && at_ms >= (int64_t)r->limit_ms) {
            return 0;
        }
        result = convert(r, &request, out);
        if (result > 0) {
            out->due_us = due_at(r, at_ms);
            return 1;
        }
        if (result < 0) {
            snprintf(r->why, sizeof r->why, "%s", ic_error_text(result));
            break;
        }
        r->report.passed_over++;
    }
    r->error = result;
    return 0;
}

static bool answered(void *ctx, const struct ic_load_request *q, enum ic_load_outcome outcome,
                     uint64_t latency_us)
{
    struct replay *r = ctx;
    struct ic_replay_report *report = &r->report;
    bool get = q->op == IC_LOAD_GET || q->op == IC_LOAD_RANGE;
    report->errors += outcome == IC_LOAD_ERROR;
    report->wrong += outcome == IC_LOAD_WRONG;
    if (outcome == IC_LOAD_ERROR || q->op == IC_LOAD_DELETE) {
        report->deletes += q->op == IC_LOAD_DELETE;
        return false;
    }
    struct ic_replay_class *c = ic_replay_class(report, q->length);
    if (!get) {
        ic_histogram_add(&c->set_us, latency_us);
        return false;
    }
    bool hit = outcome != IC_LOAD_MISS;
    c->gets++;
    c->get_bytes += q->length;
    c->hits += hit;
    c->hit_bytes += hit ? q->length : 0;
    ic_histogram_add(hit ? &c->hit_us : &c->miss_us, latency_us);
    /* What a part's object is otherwise cannot be made up from the part. */
    return !hit && !r->no_insert && q->op == IC_LOAD_GET;
}

static double share(void *ctx, uint64_t elapsed_us)
{
    struct replay *r = ctx;
    (void)elapsed_us;
    return ic_trace_share(r->trace);
}

static void end(void *ctx, double seconds)
{
    struct replay *r = ctx;
    r->report.seconds = seconds;
}

static void on_progress(void *ctx, const char *phase, double done)
{
    struct replay *r = ctx;
    ic_progress_share(&r->progress, phase, done);
}

/* ---- options ---------------------------------------------------------------- */

static int read_values(struct replay *r, const struct words *w)
{
    static const char command[] = "replay";
    int by_digest = 0, no_insert = 0, no_verify = 0, format = 0;
    uint64_t clients = 16;
    r->report.speed = 1;
    r->report.scale = 1;
    r->load.prefix = w->prefix == NULL ? "replay:" : w->prefix;
    if (ic_option_decimal(command, "speed", w->speed, 1e6, &r->report.speed) != 0 ||
        ic_option_number(command, "scale", w->scale, 1, INT64_C(1) << 40, &r->report.scale) != 0 ||
        ic_option_time(command, "limit", w->limit, &r->limit_ms) != 0 ||
        ic_option_bytes(command, "largest", w->largest, &r->largest) != 0 ||
        ic_option_choice(command, "key-field", w->key_field, "uri|digest", &by_digest) != 0 ||
        ic_option_choice(command, "insert", w->insert, "yes|no", &no_insert) != 0 ||
        ic_option_number(command, "clients", w->clients, 1, IC_LOAD_CLIENTS_MAX, &clients) != 0 ||
        ic_option_choice(command, "verify", w->verify, "yes|no", &no_verify) != 0 ||
        ic_option_choice(command, "format", w->format, "text|json|csv", &format) != 0) {
        return IC_CLI_FAILED;
    }
    if (strlen(r->load.prefix) > IC_LOAD_PREFIX_MAX) {
        return ic_option_complain(command, "prefix", r->load.prefix, "at most 64 bytes");
    }
    r->by_digest = by_digest != 0;
    r->no_insert = no_insert != 0;
    r->load.clients = (uint32_t)clients;
    r->load.pipeline = 1;
    r->load.verify = no_verify == 0;
    r->format = (enum ic_replay_format)format;
    return 0;
}

/* The trace's path, or NULL with *STATUS. */
static const char *read_options(struct replay *r, int argc, char **argv,
                                struct ic_endpoint_options *endpoint, int *status)
{
    struct words w = {.speed = NULL};
    const struct ic_option options[] = {{"speed", &w.speed},
                                        {"scale", &w.scale},
                                        {"limit", &w.limit},
                                        {"largest", &w.largest},
                                        {"key-field", &w.key_field},
                                        {"insert", &w.insert},
                                        {"clients", &w.clients},
                                        {"verify", &w.verify},
                                        {"prefix", &w.prefix},
                                        {"format", &w.format},
                                        IC_ENDPOINT_OPTIONS(*endpoint),
                                        {NULL, NULL}};
    int count = ic_options_read(options, argc, argv, print_help);
    *status = count == IC_OPTIONS_DONE ? IC_CLI_DONE : IC_CLI_FAILED;
    if (count < 0) {
        return NULL;
    }
    if (count != 1) {
        ic_cli_fail("replay: give one trace; see `infinicache help replay`");
        return NULL;
    }
    return read_values(r, &w) == 0 ? argv[1] : NULL;
}

/* ---- the run ---------------------------------------------------------------- */

static int run_load(struct replay *r, char *why)
{
    const struct ic_load_phase phase = {
        .name = "replaying", .next = next, .answered = answered, .share = share, .end = end};
    r->load.contents = &r->contents;
    r->load.phase = &phase;
    r->load.phases = 1;
    r->load.progress = on_progress;
    r->load.ctx = r;
    ic_progress_init(&r->progress, "", 0, true);
    ic_signals_hold();
    int result = ic_load_run(&r->load, why);
    ic_progress_end(&r->progress);
    if (result == 0 && r->error < 0) {
        snprintf(why, IC_LOAD_WHY_MAX, "%.500s", r->why);
        result = r->error;
    }
    return result;
}

static int run(struct replay *r, const char *path, const struct ic_endpoint *e)
{
    struct ic_charge before = ic_charge_read(e);
    char why[IC_LOAD_WHY_MAX];
    ic_map_init(&r->known, ic_random_u64(), is_known);
    int result = ic_trace_open(path, &r->trace, r->why);
    snprintf(why, sizeof why, "%.500s", result < 0 ? r->why : ic_error_text(IC_ENOMEM));
    if (result == 0) {
        result = ic_contents_init(&r->contents, 1);
    }
    if (result == 0) {
        result = run_load(r, why);
    }
    int status = IC_CLI_FAILED;
    if (result < 0) {
        ic_cli_fail("replay: %s", why);
    } else {
        struct ic_charge after = ic_charge_read(e);
        r->report.charge = ic_charge_between(&before, &after);
        r->report.first_error = why;
        ic_replay_report_print(&r->report, r->format);
        status = r->report.wrong + r->report.errors == 0 ? IC_CLI_DONE : IC_CLI_NOT_FOUND;
    }
    ic_map_each(&r->known, free_known, NULL);
    ic_map_deinit(&r->known);
    ic_trace_close(r->trace);
    ic_contents_deinit(&r->contents);
    ic_signals_release();
    return status;
}

int ic_cli_replay(int argc, char **argv)
{
    struct ic_endpoint_options endpoint = {.host = NULL};
    struct ic_endpoint e;
    char why[IC_ENDPOINT_WHY_MAX];
    struct replay *r = ic_must(ic_calloc(1, sizeof *r));
    int status;
    const char *path = read_options(r, argc, argv, &endpoint, &status);
    if (path != NULL && ic_endpoint_find(&endpoint, &e, why) < 0) {
        status = ic_cli_fail("replay: %s", why);
    } else if (path != NULL) {
        r->load.host = e.host;
        r->load.port = e.port;
        r->load.password = e.password;
        status = run(r, path, &e);
    }
    ic_free(r);
    return status;
}
