#include "proxy/admin.h"

#include "base/alloc.h"
#include "core/pool.h"
#include "net/http_server.h"
#include "proxy/backup.h"
#include "proxy/books.h"
#include "proxy/cost_figures.h"
#include "proxy/functions.h"
#include "proxy/handover.h"
#include "proxy/journal.h"
#include "proxy/proxy.h"
#include "proxy/rebuilder.h"
#include "proxy/repair.h"
#include "proxy/sessions.h"
#include "proxy/store.h"
#include "proxy/unavailable.h"

#include <inttypes.h>
#include <stdio.h>

struct ic_admin {
    struct ic_proxy *proxy;
    struct ic_http_server *server;
    struct ic_buf metrics;  /* as they are in this turn; empty: not asked for yet */
    struct ic_timer forget; /* them */
};

struct client_figures {
    size_t count, bytes, limit, input, output;
};

/* What the rows of the table are taken from; gathered once per scrape. */
struct figures {
    struct ic_store_stats store;
    struct ic_function_figures functions;
    struct ic_cost_figures cost;
    uint64_t budget_level;
    struct ic_repair_stats repair;
    struct ic_backup_stats backup;
    uint64_t copies;
    struct ic_handover_stats handover;
    uint64_t keys;
    uint64_t awake;
    uint64_t held_bytes, capacity_bytes;
    uint64_t uptime_s, loading, outage_s;
    struct client_figures clients;
    const struct ic_stats *stats;
    struct ic_loop_figures loop;
    struct ic_journal_stats journal;
    uint64_t journal_writable;
};

static void add_function(struct figures *f, const struct ic_pool_function *function)
{
    f->awake += function->state == IC_FUNCTION_ACTIVE;
    for (size_t i = 0; i < IC_POOL_INSTANCES_MAX; i++) {
        const struct ic_pool_instance *instance = &function->instance[i];
        if (instance->serial != 0) {
            f->held_bytes += instance->live + instance->condemned + instance->in_flight;
        }
    }
}

static struct client_figures gather_clients(const struct ic_proxy *p)
{
    const struct ic_sessions *s = p->sessions;
    size_t limit = ic_client_memory_limit(p->config);
    struct client_figures f = {
        .count = s->count, .bytes = s->memory.total, .limit = limit == SIZE_MAX ? 0 : limit};
    ic_client_memory_recent(&s->memory, ic_loop_now_ms(p->loop), &f.input, &f.output);
    return f;
}

static struct figures gather(const struct ic_proxy *p)
{
    struct figures f = {
        .budget_level = (uint64_t)ic_books_budget(p->books),
        .store = ic_store_stats(p->store),
        .functions = ic_functions_figures(p->functions, -1),
        .cost = ic_cost_figures(p->books, p->functions),
        .repair = ic_repair_stats(p->repair),
        .backup = ic_backups_stats(p->backups),
        .copies = ic_store_copies(p->store),
        .handover = ic_handover_stats(p->handover),
        .keys = ic_store_count(p->store),
        .clients = gather_clients(p),
        .stats = &p->sessions->stats,
        .loop = ic_loop_figures(p->loop),
        .journal = ic_journal_stats(ic_store_journal(p->store)),
        .journal_writable = ic_store_writable(p->store),
        .loading = ic_rebuilder_loading(p->rebuilder),
        .outage_s = ic_functions_outage(p->functions).ms / 1000,
        .uptime_s = (ic_loop_now_ms(p->loop) - p->started_ms) / 1000,
    };
    const struct ic_pool *pool = ic_functions_pool(p->functions);
    for (uint32_t i = 0; i < ic_pool_count(pool); i++) {
        add_function(&f, ic_pool_function(pool, (uint16_t)i));
        f.capacity_bytes += ic_pool_capacity(pool, (uint16_t)i);
    }
    return f;
}

/* type, name after "infinicache_", field of struct figures (uint64_t or double), help; those about
 * money are the rows of cost_figures.h. */
/* clang-format off */
#define COST_METRIC(type, name, field, help) METRIC_PRINT(type, name, cost.field, help)
#define COST_METRICS(X) IC_COST_FIGURES(COST_METRIC)
#define METRICS(X)                                                                                  \
    X(gauge,   "uptime_seconds",            uptime_s,                    "Since the proxy's start.") \
    X(gauge,   "loading",                   loading,                     "1 while the catalog is rebuilt.") \
    X(gauge,   "keys",                      keys,                        "Keys in the catalog.")    \
    X(gauge,   "objects_bytes",             store.bytes,                 "Bytes of committed objects.") \
    X(gauge,   "catalog_memory_bytes",      store.catalog_memory,        "Memory of the catalog.")  \
    X(gauge,   "connected_clients",         clients.count,               "Connections of clients.")  \
    X(gauge,   "mem_clients_normal_bytes",  clients.bytes,               "What clients make the proxy keep.") \
    X(gauge,   "maxmemory_clients_bytes",   clients.limit,               "The most they may; 0: no bound.") \
    X(gauge,   "client_recent_max_input_buffer_bytes", clients.input,    "The most that requests of one client took lately.") \
    X(gauge,   "client_recent_max_output_buffer_bytes", clients.output,  "The most that replies to one client took lately.") \
    X(counter, "evicted_clients_total",     stats->evicted_clients,      "Clients closed for maxmemory-clients.") \
    X(counter, "client_output_buffer_limit_disconnections_total", stats->output_buffer_limit_disconnections, \
      "Clients closed for client-output-buffer-limit.") \
    X(counter, "client_query_buffer_limit_refusals_total", stats->query_buffer_limit_refusals, \
      "Requests refused for client-query-buffer-limit.") \
    X(counter, "cut_clients_total",         stats->connections_cut,      "Clients closed for being too slow or idle.") \
    X(counter, "loop_turns_total",          loop.turns,                  "Turns of the event loop.")  \
    X(counter, "loop_busy_microseconds_total", loop.busy_us,             "How long they took, sleeps apart.") \
    X(gauge,   "loop_longest_turn_microseconds", loop.longest_us,        "The longest of them since the start or CONFIG RESETSTAT.") \
    X(counter, "keyspace_hits_total",       store.hits,                  "Reads that found their key.") \
    X(counter, "keyspace_misses_total",     store.misses,                "Reads that did not.")     \
    X(counter, "evicted_keys_total",        store.evicted,               "Keys evicted to make room.") \
    X(counter, "eviction_set_aside_total",  store.set_aside,             "Victims of eviction that were pinned, by a reply that is not sent for one.") \
    X(counter, "abandoned_sets_total",      store.abandoned,             "SETs of which a value was begun and not stored.") \
    X(counter, "abandoned_evicted_keys_total", store.abandoned_keys,     "Keys evicted for what had come of these.") \
    X(counter, "abandoned_evicted_bytes_total", store.abandoned_bytes,   "Bytes of these keys' values.") \
    X(counter, "expired_keys_total",        store.expired,               "Keys whose time was up.") \
    X(counter, "purged_keys_total",         store.purged,                "Keys lost with their functions.") \
    X(counter, "lost_chunks_total",         store.lost_chunks,           "Chunks lost with their functions, or found wrong.") \
    X(counter, "degraded_reads_total",      store.degraded_reads,        "Reads that rebuilt what was not held.") \
    X(gauge,   "repair_waiting_objects",    repair.waiting,              "Objects that wait for repair.") \
    X(counter, "repairs_done_total",        repair.done,                 "Repairs that brought back all that was lost.") \
    X(counter, "repairs_failed_total",      repair.failed,               "Repairs that did not.")   \
    X(counter, "repairs_dropped_total",     repair.dropped,              "Repairs whose object went meanwhile.") \
    X(counter, "repairs_postponed_total",   repair.postponed,            "Repairs that had no room or too few chunks.") \
    X(counter, "repaired_chunks_total",     repair.chunks,               "Chunks brought back.")    \
    X(counter, "repaired_bytes_total",      repair.bytes,                "Bytes of these.")         \
    X(counter, "handover_offers_total",     handover.offers,             "Instances that offered their chunks before they ended.") \
    X(counter, "handover_chunks_total",     handover.chunks,             "Chunks taken over from them.") \
    X(counter, "handover_bytes_total",      handover.bytes,              "Bytes of these.")         \
    X(counter, "handover_left_total",       handover.left,               "Chunks without another copy that were not taken over.") \
    X(gauge,   "functions_awake",           awake,                       "Functions whose node is linked.") \
    X(gauge,   "pool_held_bytes",           held_bytes,                  "Bytes the functions hold, parity included.") \
    X(gauge,   "pool_capacity_bytes",       capacity_bytes,              "Bytes the functions could hold.") \
    X(counter, "invocations_serve_total",   functions.invocations_serve, "Invocations to serve requests.") \
    X(counter, "invocations_warm_total",    functions.invocations_warm,  "Invocations to keep functions warm.") \
    X(counter, "invocations_peer_total",    functions.invocations_peer,  "Invocations of second instances.") \
    X(gauge,   "backups_running",           backup.running,              "Functions being backed up.") \
    X(counter, "backups_done_total",        backup.done,                 "Backups that came to their end.") \
    X(counter, "backups_failed_total",      backup.failed,               "Backups that an instance left or did not come to.") \
    X(counter, "backup_bytes_total",        backup.bytes,                "Bytes copied to second instances.") \
    X(counter, "backup_chunks_total",       backup.chunks,               "Chunks copied to second instances.") \
    X(counter, "backup_deletes_total",      backup.deletes,              "Chunks that second instances were told to delete.") \
    X(gauge,   "chunks_with_a_copy",        copies,                      "Chunks on two instances of their function.") \
    X(gauge,   "backup_last_ms",            backup.last_ms,              "How long the last backup took.") \
    X(counter, "invoke_failures_total",     functions.failures,          "Invokes that were not run.") \
    X(counter, "invoke_throttles_total",    functions.throttles,         "Invokes answered with 429.") \
    X(gauge,   "outage_seconds",            outage_s,                    "How long no function could be had; 0 if they can.") \
    X(counter, "function_crashes_total",    functions.crashes,           "Invocations that ended in a function error.") \
    X(counter, "hellos_total",              functions.hellos,            "Nodes that dialled in and were accepted.") \
    X(counter, "hellos_refused_total",      functions.hellos_refused,    "Links refused: wrong, replayed or missing HELLO.") \
    X(gauge,   "journal_writable",          journal_writable,            "0: the last write failed, changes are refused.") \
    X(gauge,   "journal_bytes",             journal.bytes,               "Size of the journal's file.") \
    X(gauge,   "journal_free_bytes",        journal.free,                "Bytes free on its file system.") \
    X(counter, "journal_commits_total",     journal.commits,             "Transactions written.") \
    X(counter, "journal_syncs_total",       journal.syncs,               "fsyncs begun.")           \
    X(gauge,   "budget_level",              budget_level,                "0 open, 1 no warm-ups, 2 no backups, 3 no new keys.") \
    COST_METRICS(X)
/* clang-format on */

static int begin_metric(struct ic_buf *out, const char *name, const char *type, const char *help)
{
    return ic_buf_printf(out, "# HELP infinicache_%s %s\n# TYPE infinicache_%s %s\n", name, help,
                         name, type);
}

static int print_metrics(const struct figures *f, struct ic_buf *out)
{
    int result = 0;
#define METRIC_PRINT(type, name, field, help)                                                      \
    if (result == 0) {                                                                             \
        result = begin_metric(out, name, #type, help);                                             \
    }                                                                                              \
    if (result == 0) {                                                                             \
        result = ic_buf_append_str(out, "infinicache_" name " ");                                  \
    }                                                                                              \
    if (result == 0) {                                                                             \
        result = IC_FIGURE_PRINT(out, f->field);                                                   \
    }                                                                                              \
    if (result == 0) {                                                                             \
        result = ic_buf_append_str(out, "\n");                                                     \
    }
    METRICS(METRIC_PRINT)
#undef METRIC_PRINT
    return result;
}

/* What each function was billed, by its name. */
static int print_functions(const struct ic_proxy *p, struct ic_buf *out)
{
    const struct ic_cost *cost = ic_books_cost(p->books);
    int result = begin_metric(out, "function_billed_ms", "counter", "Billed milliseconds.");
    for (uint32_t i = 0; i < ic_pool_count(ic_functions_pool(p->functions)) && result == 0; i++) {
        result = ic_buf_printf(out, "infinicache_function_billed_ms{function=\"%s\"} %" PRIu64 "\n",
                               ic_functions_name(p->functions, (uint16_t)i),
                               ic_cost_account(cost, (uint16_t)i)->billed_ms);
    }
    return result;
}

/* Commands that clients tried in vain. */
static int print_unknown(const struct ic_stats *s, struct ic_buf *out)
{
    int result = begin_metric(out, "unknown_commands_total", "counter",
                              "Commands that are not known here, by name.");
    for (size_t i = 0; i < s->unknowns && result == 0; i++) {
        result =
            ic_buf_printf(out, "infinicache_unknown_commands_total{command=\"%s\"} %" PRIu64 "\n",
                          s->unknown[i].name, s->unknown[i].calls);
    }
    /* No command has an empty name. */
    return result < 0
               ? result
               : ic_buf_printf(out,
                               "infinicache_unknown_commands_total{command=\"\"} %" PRIu64 "\n",
                               s->unknown_others);
}

static int print_journal_failures(const struct ic_journal_stats *s, struct ic_buf *out)
{
    int result = begin_metric(out, "journal_failures_total", "counter",
                              "Commits, fsyncs and probes of the journal that failed, by cause.");
    for (int i = 0; i < IC_DISK_CAUSE_COUNT && result == 0; i++) {
        result =
            ic_buf_printf(out, "infinicache_journal_failures_total{cause=\"%s\"} %" PRIu64 "\n",
                          ic_disk_cause_name((enum ic_disk_cause)i), s->failures[i]);
    }
    return result;
}

/* IC_ENOMEM. */
static int print_all(const struct ic_proxy *p, struct ic_buf *out)
{
    struct figures f = gather(p);
    bool all = print_metrics(&f, out) == 0 && print_functions(p, out) == 0 &&
               print_unknown(f.stats, out) == 0 && print_journal_failures(&f.journal, out) == 0;
    return all ? 0 : IC_ENOMEM;
}

static void forget_metrics(void *ctx)
{
    struct ic_admin *a = ctx;
    ic_buf_deinit(&a->metrics);
}

/* Whoever asks in the same turn is told the same: a large pool's figures take a while. */
static void reply_metrics(struct ic_admin *a, struct ic_http_request *r)
{
    if (a->metrics.len == 0) {
        if (print_all(a->proxy, &a->metrics) < 0) {
            ic_buf_deinit(&a->metrics);
            ic_http_drop(r);
            return;
        }
        ic_timer_start(&a->forget, 0);
    }
    ic_http_reply_text(r, 200, "text/plain; version=0.0.4; charset=utf-8",
                       ic_buf_slice(&a->metrics));
}

static void reply_health(const struct ic_proxy *p, struct ic_http_request *r)
{
    char text[IC_JOURNAL_WHY_MAX + IC_UNAVAILABLE_MAX] = "ok\n";
    char outage[IC_UNAVAILABLE_MAX];
    bool ill = true;
    if (ic_unavailable_outage(p->functions, outage)) {
        snprintf(text, sizeof text, "%s\n", outage);
    } else if (ic_rebuilder_loading(p->rebuilder)) {
        snprintf(text, sizeof text, "the catalog is being rebuilt\n");
    } else if (!ic_store_writable(p->store)) {
        snprintf(text, sizeof text, "the journal cannot be written: %s\n",
                 ic_store_failure(p->store));
    } else {
        ill = false;
    }
    ic_http_reply_text(r, ill ? 503 : 200, "text/plain", ic_slice_str(text));
}

static void handle(void *ctx, struct ic_http_request *r)
{
    struct ic_admin *a = ctx;
    struct ic_slice path = ic_http_path(r);
    bool get = strcmp(ic_http_method(r), "GET") == 0 || strcmp(ic_http_method(r), "HEAD") == 0;
    if (!get) {
        ic_http_reply_text(r, 405, "text/plain", ic_slice_str("only GET\n"));
    } else if (ic_slice_equal(path, ic_slice_str("/metrics"))) {
        reply_metrics(a, r);
    } else if (ic_slice_equal(path, ic_slice_str("/healthz"))) {
        reply_health(a->proxy, r);
    } else {
        ic_http_reply_text(r, 404, "text/plain",
                           ic_slice_str("not found: try /metrics or /healthz\n"));
    }
}

int ic_admin_new(struct ic_proxy *proxy, struct ic_admin **out)
{
    struct ic_admin *a = ic_calloc(1, sizeof *a);
    if (a == NULL) {
        return IC_ENOMEM;
    }
    a->proxy = proxy;
    ic_buf_init(&a->metrics);
    ic_timer_init(&a->forget, proxy->loop, forget_metrics, a);
    struct ic_http_options options = {
        .host = proxy->config->http_bind,
        .port = (uint16_t)proxy->config->http_port,
        .names = proxy->config->http_hosts,
        .connections_max = 64, /* scrapers and probes, no crowd */
        .memory_max_bytes = 4 << 20,
        .handle = handle,
        .ctx = a,
    };
    int result = ic_http_server_new(proxy->loop, &options, &a->server);
    if (result < 0) {
        ic_free(a);
        return result;
    }
    *out = a;
    return 0;
}

void ic_admin_free(struct ic_admin *a)
{
    if (a != NULL) {
        ic_http_server_free(a->server);
        ic_timer_stop(&a->forget);
        ic_buf_deinit(&a->metrics);
        ic_free(a);
    }
}
