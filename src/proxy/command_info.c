/*
 * command_info.c - INFO: one function per section, one table of sections. Fields have
 * Redis's names where Redis has them; sections `pool` and `cost` and what begins with ic_ are ours.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "core/pool.h"
#include "proxy/backup.h"
#include "proxy/command_handlers.h"
#include "proxy/cost_figures.h"
#include "proxy/functions.h"
#include "proxy/handover.h"
#include "proxy/journal.h"
#include "proxy/proxy.h"
#include "proxy/rebuilder.h"
#include "proxy/redis_version.h"
#include "proxy/repair.h"
#include "proxy/sessions.h"
#include "proxy/window.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <uv.h>

enum { CLIENTS_A_UNIT = 16 }; /* looked at */

/* A report being written; a failed append shows at its end. */
struct report {
    struct ic_call *call;
    struct ic_buf text;
    bool failed;
};

static void line(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    r->failed |=
        ic_buf_vprintf(&r->text, format, args) != 0 || ic_buf_append_str(&r->text, "\r\n") != 0;
    va_end(args);
}

static void number(struct report *r, const char *name, uint64_t value)
{
    line(r, "%s:%" PRIu64, name, value);
}

/* As Redis shows bytes to people: 1.50M. */
static void human(struct report *r, const char *name, uint64_t bytes)
{
    static const char suffixes[] = "KMGTP";
    double value = (double)bytes;
    number(r, name, bytes);
    if (bytes < 1024) {
        line(r, "%s_human:%" PRIu64 "B", name, bytes);
        return;
    }
    int i = -1;
    for (; value >= 1024 && i < 4; i++) {
        value /= 1024;
    }
    line(r, "%s_human:%.2f%c", name, value, suffixes[i]);
}

static const struct ic_config *config_of(const struct report *r)
{
    return r->call->proxy->config;
}

static const struct ic_sessions *sessions_of(const struct report *r)
{
    return r->call->session->sessions;
}

static void write_server(struct report *r)
{
    struct utsname system = {0};
    uint64_t uptime_s = (ic_loop_now_ms(r->call->proxy->loop) - r->call->proxy->started_ms) / 1000;
    uname(&system);
    line(r, "redis_version:%s", IC_REDIS_VERSION);
    line(r, "server_name:infinicache");
    line(r, "redis_mode:standalone");
    line(r, "os:%s %s %s", system.sysname, system.release, system.machine);
    line(r, "arch_bits:%d", (int)sizeof(long) * 8);
    line(r, "multiplexing_api:epoll");
    line(r, "process_id:%d", (int)getpid());
    line(r, "run_id:%s", sessions_of(r)->run_id);
    line(r, "tcp_port:%u", sessions_of(r)->listener == NULL ? 0 : ic_sessions_port(sessions_of(r)));
    number(r, "server_time_usec", (uint64_t)ic_clock_wall_us());
    number(r, "uptime_in_seconds", uptime_s);
    number(r, "uptime_in_days", uptime_s / 86400);
    line(r, "config_file:%s", config_of(r)->file == NULL ? "" : config_of(r)->file);
}

static void write_clients(struct report *r)
{
    uint64_t blocked = 0;
    ic_call_worked(r->call, sessions_of(r)->count / CLIENTS_A_UNIT);
    IC_LIST_EACH (node, &sessions_of(r)->list) {
        blocked += IC_CONTAINER(node, struct ic_session, node)->state == IC_SESSION_DELAYED;
    }
    number(r, "connected_clients", sessions_of(r)->count);
    number(r, "cluster_connections", 0);
    number(r, "maxclients", (uint64_t)config_of(r)->maxclients);
    number(r, "blocked_clients", blocked);
    number(r, "tracking_clients", 0);
    size_t input, output;
    ic_client_memory_recent(&sessions_of(r)->memory, ic_loop_now_ms(r->call->proxy->loop), &input,
                            &output);
    number(r, "client_recent_max_input_buffer", input);
    number(r, "client_recent_max_output_buffer", output);
    size_t limit = ic_client_memory_limit(config_of(r));
    number(r, "ic_maxmemory_clients", limit == SIZE_MAX ? 0 : limit);
}

static void write_memory(struct report *r)
{
    size_t rss = 0;
    struct rusage usage = {0};
    struct ic_window_stats window = ic_window_stats(r->call->proxy->window);
    struct ic_store_stats store = ic_store_stats(r->call->proxy->store);
    uv_resident_set_memory(&rss);
    getrusage(RUSAGE_SELF, &usage);
    human(r, "used_memory", ic_alloc_bytes());
    human(r, "used_memory_rss", rss);
    human(r, "used_memory_peak", (uint64_t)usage.ru_maxrss * 1024);
    human(r, "maxmemory", (uint64_t)config_of(r)->maxmemory);
    struct ic_buf policy;
    ic_buf_init(&policy);
    r->failed |=
        ic_config_get(config_of(r), ic_directive_find(ic_slice_str("eviction")), &policy) != 0;
    line(r, "maxmemory_policy:allkeys-%.*s", (int)policy.len, (const char *)policy.data);
    ic_buf_deinit(&policy);
    number(r, "mem_clients_slaves", 0);
    number(r, "mem_clients_normal", sessions_of(r)->memory.total);
    line(r, "mem_allocator:libc");
    number(r, "ic_catalog_bytes", store.catalog_memory);
    number(r, "ic_window_limit", window.limit);
    number(r, "ic_window_used", window.used);
    number(r, "ic_window_peak", window.peak);
    number(r, "ic_window_requests", window.admitted);
    number(r, "ic_window_waiting", window.waiting);
}

/* As Redis's while it loads; a function that has answered counts as loaded. */
static void write_loading(struct report *r, const struct ic_rebuilder_progress *p,
                          const struct ic_store_rebuild_stats *s)
{
    uint64_t done = p->answered + p->given_up, left = p->functions - done;
    number(r, "loading_start_time", (uint64_t)p->started_wall_ms / 1000);
    number(r, "loading_total_bytes", p->bytes > s->bytes ? p->bytes : s->bytes);
    number(r, "loading_loaded_bytes", s->bytes);
    line(r, "loading_loaded_perc:%.2f", 100 * (double)done / (double)p->functions);
    number(r, "loading_eta_seconds", done == 0 ? 1 : p->elapsed_ms * left / done / 1000);
    line(r, "ic_rebuild_waits_for:%s", p->waits_for);
    number(r, "ic_rebuild_waits_ms", p->waits_ms);
    number(r, "ic_rebuild_waits_listed_bytes", p->waits_listed);
}

static void write_rebuild(struct report *r)
{
    const struct ic_rebuilder *rebuilder = r->call->proxy->rebuilder;
    bool loading = ic_rebuilder_loading(rebuilder);
    number(r, "loading", loading);
    number(r, "async_loading", 0);
    if (rebuilder == NULL) {
        return;
    }
    struct ic_rebuilder_progress p = ic_rebuilder_progress(rebuilder);
    struct ic_store_rebuild_stats s = ic_store_rebuild_stats(r->call->proxy->store);
    if (loading) {
        write_loading(r, &p, &s);
    }
    number(r, "ic_rebuild_functions_total", p.functions);
    number(r, "ic_rebuild_functions_done", p.answered + p.given_up);
    number(r, "ic_rebuild_functions_given_up", p.given_up);
    number(r, "ic_rebuild_ms", p.elapsed_ms);
    number(r, "ic_rebuild_objects", s.objects);
    number(r, "ic_rebuild_restored_keys", s.restored);
    number(r, "ic_rebuild_unreadable_keys", s.unreadable);
    number(r, "ic_rebuild_expired_keys", s.expired);
    number(r, "ic_rebuild_contested_keys", s.contested);
    number(r, "ic_rebuild_dropped_keys", s.dropped);
    line(r, "ic_rebuild_note:%s", s.restored > 0 ? ic_rebuilder_note() : "");
}

static void write_journal_failures(struct report *r, const struct ic_journal_stats *s)
{
    uint64_t all = 0;
    for (int i = 0; i < IC_DISK_CAUSE_COUNT; i++) {
        all += s->failures[i];
    }
    number(r, "ic_journal_failures", all);
    for (int i = 0; i < IC_DISK_CAUSE_COUNT; i++) {
        if (s->failures[i] > 0) {
            line(r, "ic_journal_failures_%s:%llu", ic_disk_cause_name((enum ic_disk_cause)i),
                 (unsigned long long)s->failures[i]);
        }
    }
}

static void write_persistence(struct report *r)
{
    bool writable = ic_store_writable(r->call->proxy->store);
    struct ic_journal_stats journal = ic_journal_stats(ic_store_journal(r->call->proxy->store));
    write_rebuild(r);
    number(r, "rdb_bgsave_in_progress", 0);
    number(r, "aof_enabled", 1);
    number(r, "aof_rewrite_in_progress", 0);
    line(r, "aof_last_write_status:%s", writable ? "ok" : "err");
    number(r, "ic_journal_commits", journal.commits);
    number(r, "ic_journal_records", journal.records);
    number(r, "ic_journal_syncs", journal.syncs);
    number(r, "ic_journal_bytes", journal.bytes);
    number(r, "ic_journal_free_bytes", journal.free);
    line(r, "ic_journal_failure:%s", ic_store_failure(r->call->proxy->store));
    write_journal_failures(r, &journal);
}

static void write_stats(struct report *r)
{
    const struct ic_stats *s = &sessions_of(r)->stats;
    struct ic_store_stats store = ic_store_stats(r->call->proxy->store);
    number(r, "total_connections_received", s->connections_received);
    number(r, "total_commands_processed", s->commands);
    number(r, "instantaneous_ops_per_sec", s->ops_per_s);
    number(r, "total_net_input_bytes", s->bytes_in);
    number(r, "total_net_output_bytes", s->bytes_out);
    line(r, "instantaneous_input_kbps:%.2f", (double)s->in_per_s / 1024);
    line(r, "instantaneous_output_kbps:%.2f", (double)s->out_per_s / 1024);
    number(r, "rejected_connections", s->connections_rejected);
    number(r, "expired_keys", store.expired);
    number(r, "evicted_keys", store.evicted);
    number(r, "evicted_clients", s->evicted_clients);
    number(r, "client_output_buffer_limit_disconnections", s->output_buffer_limit_disconnections);
    number(r, "ic_client_query_buffer_limit_refusals", s->query_buffer_limit_refusals);
    number(r, "keyspace_hits", store.hits);
    number(r, "keyspace_misses", store.misses);
    struct ic_loop_figures loop = ic_loop_figures(r->call->proxy->loop);
    number(r, "eventloop_cycles", loop.turns);
    number(r, "eventloop_duration_sum", loop.busy_us);
    number(r, "eventloop_duration_max", loop.longest_us);
    number(r, "ic_turn_work_max", sessions_of(r)->turns.most_used);
    number(r, "ic_turns_continued", sessions_of(r)->turns.lined_up);
    number(r, "pubsub_channels", 0);
    number(r, "pubsub_patterns", 0);
    number(r, "total_error_replies", s->error_replies);
    number(r, "ic_eviction_set_aside", store.set_aside);
    number(r, "ic_purged_keys", store.purged);
    number(r, "ic_cut_clients", s->connections_cut);
    number(r, "ic_abandoned_sets", store.abandoned);
    number(r, "ic_abandoned_evicted_keys", store.abandoned_keys);
    number(r, "ic_abandoned_evicted_bytes", store.abandoned_bytes);
}

static void write_replication(struct report *r)
{
    line(r, "role:master");
    number(r, "connected_slaves", 0);
    line(r, "master_failover_state:no-failover");
    line(r, "master_replid:%s", sessions_of(r)->run_id);
    number(r, "master_repl_offset", 0);
}

static void write_cpu(struct report *r)
{
    struct rusage u = {0};
    getrusage(RUSAGE_SELF, &u);
    line(r, "used_cpu_sys:%ld.%06ld", (long)u.ru_stime.tv_sec, (long)u.ru_stime.tv_usec);
    line(r, "used_cpu_user:%ld.%06ld", (long)u.ru_utime.tv_sec, (long)u.ru_utime.tv_usec);
}

static void write_modules(struct report *r)
{
    (void)r; /* there are none */
}

static void write_figures(struct report *r, const struct ic_command *commands, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ic_command *c = &commands[i];
        const struct ic_command_figures *f = &sessions_of(r)->stats.command[ic_command_number(c)];
        if (f->calls > 0 || f->rejected > 0) {
            line(r,
                 "cmdstat_%s:calls=%" PRIu64 ",usec=%" PRIu64 ",usec_per_call=%.2f,"
                 "rejected_calls=%" PRIu64 ",failed_calls=%" PRIu64,
                 c->name, f->calls, f->microseconds,
                 f->calls == 0 ? 0 : (double)f->microseconds / (double)f->calls, f->rejected,
                 f->failed);
        }
        write_figures(r, c->subcommands, c->subcommand_count);
    }
}

static void write_commandstats(struct report *r)
{
    write_figures(r, ic_command_table, ic_command_count);
}

static void write_errorstats(struct report *r)
{
    const struct ic_stats *s = &sessions_of(r)->stats;
    for (size_t i = 0; i < s->errors; i++) {
        line(r, "errorstat_%s:count=%" PRIu64, s->error[i].code, s->error[i].count);
    }
}

static void write_unknown(struct report *r)
{
    const struct ic_stats *s = &sessions_of(r)->stats;
    for (size_t i = 0; i < s->unknowns; i++) {
        line(r, "unknowncmd_%s:calls=%" PRIu64, s->unknown[i].name, s->unknown[i].calls);
    }
    number(r, "unknown_commands_others", s->unknown_others);
}

static void write_percentiles(struct report *r, const struct ic_command *commands, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ic_command *c = &commands[i];
        const struct ic_histogram *h = sessions_of(r)->stats.command[ic_command_number(c)].times;
        if (h != NULL) {
            line(r, "latency_percentiles_usec_%s:p50=%" PRIu64 ",p99=%" PRIu64 ",p99.9=%" PRIu64,
                 c->name, ic_histogram_quantile(h, 0.5), ic_histogram_quantile(h, 0.99),
                 ic_histogram_quantile(h, 0.999));
        }
        write_percentiles(r, c->subcommands, c->subcommand_count);
    }
}

static void write_latencystats(struct report *r)
{
    write_percentiles(r, ic_command_table, ic_command_count);
}

static void write_cluster(struct report *r)
{
    number(r, "cluster_enabled", 0);
}

static void write_keyspace(struct report *r)
{
    uint64_t keys = ic_store_count(r->call->proxy->store);
    struct ic_store_stats stats = ic_store_stats(r->call->proxy->store);
    int64_t ttl_ms = stats.mean_expiry_ms - r->call->wall_ms;
    if (keys > 0) {
        line(r, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=%" PRId64, keys, stats.expiring,
             ttl_ms > 0 ? ttl_ms : 0);
    }
}

/* Bytes of every instance of every function, and how many functions are in which state. */
static void write_pool(struct report *r)
{
    struct ic_pool *pool = ic_functions_pool(r->call->proxy->functions);
    struct ic_function_figures f = ic_functions_figures(r->call->proxy->functions, -1);
    struct ic_store_stats store = ic_store_stats(r->call->proxy->store);
    uint64_t live = 0, condemned = 0, in_flight = 0, capacity = 0, active = 0;
    for (uint32_t i = 0; i < ic_pool_count(pool); i++) {
        const struct ic_pool_function *function = ic_pool_function(pool, (uint16_t)i);
        capacity += ic_pool_capacity(pool, (uint16_t)i);
        active += function->state == IC_FUNCTION_ACTIVE;
        for (size_t j = 0; j < IC_POOL_INSTANCES_MAX; j++) {
            live += function->instance[j].serial == 0 ? 0 : function->instance[j].live;
            condemned += function->instance[j].serial == 0 ? 0 : function->instance[j].condemned;
            in_flight += function->instance[j].serial == 0 ? 0 : function->instance[j].in_flight;
        }
    }
    number(r, "pool_functions", ic_pool_count(pool));
    line(r, "pool_change:%s", r->call->proxy->pool_change);
    number(r, "pool_active", active);
    number(r, "pool_capacity_bytes", capacity);
    number(r, "pool_live_bytes", live);
    number(r, "pool_condemned_bytes", condemned);
    number(r, "pool_in_flight_bytes", in_flight);
    number(r, "pool_objects", store.objects);
    number(r, "pool_object_bytes", store.bytes);
    number(r, "drafts", store.drafts);
    number(r, "pool_draft_bytes", store.draft_bytes);
    number(r, "pool_dead_bytes", store.dead_bytes);
    number(r, "pool_invocations_serve", f.invocations_serve);
    number(r, "pool_invocations_warm", f.invocations_warm);
    number(r, "pool_invocations_peer", f.invocations_peer);
    number(r, "pool_failures", f.failures);
    number(r, "pool_throttles", f.throttles);
    number(r, "pool_crashes", f.crashes);
    number(r, "pool_lost_responses", f.lost_responses);
    struct ic_functions_outage outage = ic_functions_outage(r->call->proxy->functions);
    line(r, "pool_outage:%s", ic_outage_cause_name(outage.cause));
    number(r, "pool_outage_seconds", outage.ms / 1000);
    line(r, "pool_trouble:%s", ic_functions_trouble(r->call->proxy->functions));
}

static void write_cost(struct report *r)
{
    struct ic_cost_figures f = ic_cost_figures(r->call->proxy->books, r->call->proxy->functions);
#define COST_LINE(type, name, field, help)                                                         \
    r->failed |= ic_buf_append_str(&r->text, name ":") != 0 ||                                     \
                 IC_FIGURE_PRINT(&r->text, f.field) != 0 ||                                        \
                 ic_buf_append_str(&r->text, "\r\n") != 0;
    IC_COST_FIGURES(COST_LINE)
#undef COST_LINE
    line(r, "elasticache_node:%s", ic_price(f.elsewhere.node)->name);
    number(r, "elasticache_nodes", f.elsewhere.nodes);
    line(r, "budget_level:%s", ic_budget_level_name(f.level));
}

static void write_repair(struct report *r)
{
    struct ic_repair_stats stats = ic_repair_stats(r->call->proxy->repair);
    struct ic_handover_stats handover = ic_handover_stats(r->call->proxy->handover);
    struct ic_store_stats store = ic_store_stats(r->call->proxy->store);
    number(r, "repair_waiting", stats.waiting);
    number(r, "repair_active", stats.active);
    number(r, "repair_done", stats.done);
    number(r, "repair_failed", stats.failed);
    number(r, "repair_dropped", stats.dropped);
    number(r, "repair_postponed", stats.postponed);
    number(r, "repair_chunks", stats.chunks);
    number(r, "repair_bytes", stats.bytes);
    number(r, "handover_offers", handover.offers);
    number(r, "handover_chunks", handover.chunks);
    number(r, "handover_bytes", handover.bytes);
    number(r, "handover_left", handover.left);
    number(r, "lost_chunks", store.lost_chunks);
    number(r, "degraded_reads", store.degraded_reads);
}

/* Copies on second instances. */
static void write_backup(struct report *r)
{
    const struct ic_proxy *p = r->call->proxy;
    struct ic_backup_stats s = ic_backups_stats(p->backups);
    number(r, "backups_running", s.running);
    number(r, "backups_done", s.done);
    number(r, "backups_failed", s.failed);
    number(r, "backup_bytes_copied", s.bytes);
    number(r, "backup_chunks_copied", s.chunks);
    number(r, "backup_deletes_copied", s.deletes);
    number(r, "backup_chunks_without_room", s.no_room);
    number(r, "backup_chunks_with_a_copy", ic_store_copies(p->store));
    number(r, "backup_last_ms", s.last_ms);
}

static const struct section {
    const char *name, *title;
    bool standard; /* shown by INFO without arguments */
    void (*write)(struct report *r);
} sections[] = {
    {"server", "Server", true, write_server},
    {"clients", "Clients", true, write_clients},
    {"memory", "Memory", true, write_memory},
    {"persistence", "Persistence", true, write_persistence},
    {"stats", "Stats", true, write_stats},
    {"replication", "Replication", true, write_replication},
    {"cpu", "CPU", true, write_cpu},
    {"modules", "Modules", true, write_modules},
    {"commandstats", "Commandstats", false, write_commandstats},
    {"errorstats", "Errorstats", true, write_errorstats},
    {"latencystats", "Latencystats", false, write_latencystats},
    {"unknowncommands", "Unknowncommands", false, write_unknown},
    {"cluster", "Cluster", true, write_cluster},
    {"keyspace", "Keyspace", true, write_keyspace},
    {"pool", "Pool", true, write_pool},
    {"cost", "Cost", true, write_cost},
    {"repair", "Repair", true, write_repair},
    {"backup", "Backup", true, write_backup},
};

static bool is_wanted(const struct ic_call *c, const struct section *s)
{
    for (uint32_t i = 1; i < c->argc; i++) {
        if (ic_call_is(c, i, s->name) || ic_call_is(c, i, "all") ||
            ic_call_is(c, i, "everything") || (ic_call_is(c, i, "default") && s->standard)) {
            return true;
        }
    }
    return c->argc == 1 && s->standard;
}

enum { INFO_UNITS = 256 }; /* of work, whatever is asked for */

void ic_command_info(struct ic_call *c)
{
    struct report r = {.call = c};
    ic_buf_init(&r.text);
    ic_call_worked(c, INFO_UNITS);
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (is_wanted(c, &sections[i])) {
            if (r.text.len > 0) {
                r.failed |= ic_buf_append_str(&r.text, "\r\n") != 0;
            }
            line(&r, "# %s", sections[i].title);
            sections[i].write(&r);
        }
    }
    if (r.failed) {
        ic_call_error(c, "out of memory");
    } else {
        ic_resp_verbatim(c->out, "txt", ic_buf_slice(&r.text));
    }
    ic_buf_deinit(&r.text);
}
