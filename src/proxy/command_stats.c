/*
 * command_stats.c - SLOWLOG, what its commands cost (IC.COST SLOWLOG), and LATENCY. Events of the
 * latency monitor are those of a server that blocks; this one does not, so it has none, only
 * histograms per command.
 */
#include "proxy/command_handlers.h"
#include "proxy/sessions.h"

enum {
    HISTOGRAM_UNITS = 8, /* of work: one command's histogram */
    POWERS = 31,         /* of two, in microseconds, that it tells apart */
};

static void write_slow_entry(struct ic_resp_writer *w, const struct ic_slow_entry *e)
{
    ic_resp_array(w, 6); /* clients of Redis take no entry that is longer */
    ic_resp_int(w, (int64_t)e->id);
    ic_resp_int(w, e->wall_s);
    ic_resp_int(w, (int64_t)e->microseconds);
    ic_resp_raw(w, ic_buf_slice(&e->args));
    ic_resp_bulk_str(w, e->peer == NULL ? "" : e->peer);
    ic_resp_bulk_str(w, e->name == NULL ? "" : e->name);
}

/* The same entry, told by what it cost. */
static void write_slow_cost(struct ic_resp_writer *w, const struct ic_slow_entry *e)
{
    ic_resp_map(w, 5);
    ic_resp_pair_uint(w, "id", e->id);
    ic_resp_pair_uint(w, "time", (uint64_t)e->wall_s);
    ic_resp_pair_uint(w, "microseconds", e->microseconds);
    ic_resp_bulk_str(w, "dollars");
    ic_resp_double(w, e->dollars);
    ic_resp_bulk_str(w, "command");
    ic_resp_raw(w, ic_buf_slice(&e->args));
}

/* The newest entries of the slow log, as many as argument 2 says; FAMILY is the command's first
 * word. */
static void reply_slow(struct ic_call *c, const char *family,
                       void (*write)(struct ic_resp_writer *w, const struct ic_slow_entry *e))
{
    static const char range[] = "count should be greater than or equal to -1";
    const struct ic_stats *stats = &c->session->sessions->stats;
    int64_t count = 10;
    if (c->argc > 3) {
        ic_call_errorf(c,
                       "unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                       IC_CALL_TEXT(c, 1), family);
        return;
    }
    if (c->argc == 3 && !ic_call_integer(c, 2, &count, range)) {
        return;
    }
    if (count < -1) {
        ic_call_error(c, range);
        return;
    }
    uint64_t shown =
        count < 0 || (uint64_t)count > stats->slow_count ? stats->slow_count : (uint64_t)count;
    ic_resp_array(c->out, shown);
    IC_LIST_EACH (node, &stats->slow) {
        if (shown-- == 0) {
            break;
        }
        write(c->out, IC_CONTAINER(node, struct ic_slow_entry, node));
    }
}

void ic_command_slowlog_get(struct ic_call *c)
{
    reply_slow(c, "SLOWLOG", write_slow_entry);
}

void ic_command_ic_cost_slowlog(struct ic_call *c)
{
    reply_slow(c, "IC.COST", write_slow_cost);
}

void ic_command_slowlog_len(struct ic_call *c)
{
    ic_resp_int(c->out, (int64_t)c->session->sessions->stats.slow_count);
}

void ic_command_slowlog_reset(struct ic_call *c)
{
    ic_stats_slow_reset(&c->session->sessions->stats);
    ic_call_ok(c);
}

void ic_command_slowlog_help(struct ic_call *c)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name. IC.COST SLOWLOG tells what they cost",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
        NULL};
    ic_call_help(c, lines);
}

/* ---- LATENCY ---- */

void ic_command_latency_latest(struct ic_call *c)
{
    ic_resp_array(c->out, 0);
}

void ic_command_latency_history(struct ic_call *c)
{
    ic_resp_array(c->out, 0);
}

void ic_command_latency_reset(struct ic_call *c)
{
    ic_resp_int(c->out, 0);
}

void ic_command_latency_graph(struct ic_call *c)
{
    ic_call_errorf(c, "No samples available for event '%.*s'", IC_CALL_TEXT(c, 2));
}

void ic_command_latency_doctor(struct ic_call *c)
{
    ic_resp_verbatim(c->out, "txt",
                     ic_slice_str("No command blocks this server, so there are no latency events. "
                                  "LATENCY HISTOGRAM shows how long commands took."));
}

/* The powers of two that some call is below and not below half of, and how many are below each; of
 * the last power, all. */
static void write_powers(struct ic_resp_writer *w, const struct ic_histogram *h)
{
    uint64_t below[POWERS], before = 0;
    size_t used = 0;
    ic_histogram_powers(h, below, POWERS);
    below[POWERS - 1] = h->count;
    for (unsigned power = 0; power < POWERS; power++) {
        used += below[power] > (power == 0 ? 0 : below[power - 1]);
    }
    ic_resp_map(w, used);
    for (unsigned power = 0; power < POWERS; power++) {
        if (below[power] > before) {
            ic_resp_int(w, INT64_C(1) << power);
            ic_resp_int(w, (int64_t)below[power]);
        }
        before = below[power];
    }
}

static void write_histogram(struct ic_resp_writer *w, const char *name,
                            const struct ic_histogram *h)
{
    ic_resp_bulk_str(w, name);
    ic_resp_map(w, 2);
    ic_resp_bulk_str(w, "calls");
    ic_resp_int(w, (int64_t)h->count);
    ic_resp_bulk_str(w, "histogram_usec");
    write_powers(w, h);
}

/* COMMANDS that were called, subcommands too; with W NULL only counts them. */
static size_t histograms(struct ic_resp_writer *w, const struct ic_stats *stats,
                         const struct ic_command *commands, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ic_histogram *h = stats->command[ic_command_number(&commands[i])].times;
        if (h != NULL) {
            found++;
            if (w != NULL) {
                write_histogram(w, commands[i].name, h);
            }
        }
        found += histograms(w, stats, commands[i].subcommands, commands[i].subcommand_count);
    }
    return found;
}

static void gather_histograms(struct ic_call *c, uint32_t index)
{
    const struct ic_command *command = ic_command_find_full(c->argv[index].bytes);
    struct ic_resp_writer *w = &ic_call_gather(c)->items;
    if (command != NULL) {
        size_t written = histograms(w, &c->session->sessions->stats, command, 1);
        c->count += written;
        ic_call_worked(c, HISTOGRAM_UNITS * written);
    }
}

void ic_command_latency_histogram(struct ic_call *c)
{
    const struct ic_stats *stats = &c->session->sessions->stats;
    if (c->argc == 2) {
        size_t count = histograms(NULL, stats, ic_command_table, ic_command_count);
        ic_resp_map(c->out, count);
        histograms(c->out, stats, ic_command_table, ic_command_count);
        ic_call_worked(c, HISTOGRAM_UNITS * count);
        return;
    }
    if (ic_call_gather(c) != NULL && ic_call_each(c, 2, 1, gather_histograms)) {
        ic_call_gathered(c, ic_resp_map);
    }
}

void ic_command_latency_help(struct ic_call *c)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return how the durations of the commands are distributed, or of all commands.",
        NULL};
    ic_call_help(c, lines);
}
