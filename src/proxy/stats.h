/*
 * stats.h - counters about clients and commands, for INFO, SLOWLOG, LATENCY and the
 * metrics: per command, per error code, and the log of slow commands.
 */
#ifndef IC_PROXY_STATS_H
#define IC_PROXY_STATS_H

#include "base/histogram.h"
#include "base/list.h"
#include "proxy/command.h"

enum {
    IC_STATS_ERRORS_MAX = 128, /* error codes told apart */
    IC_STATS_ERROR_LEN = 32,
    IC_STATS_UNKNOWN_MAX = 64, /* unknown commands told apart */
    IC_STATS_UNKNOWN_LEN = 48, /* of their names, with the terminating zero */
    IC_SLOWLOG_ARGS_MAX = 32,  /* of a logged command, as Redis */
    IC_SLOWLOG_ARG_LEN = 128,
};

struct ic_command_figures {
    uint64_t calls, microseconds, rejected, failed;
    struct ic_histogram *times; /* of the calls, in microseconds; NULL: of none, or no memory */
};

struct ic_error_figures {
    char code[IC_STATS_ERROR_LEN];
    uint64_t count;
};

struct ic_unknown_figures {
    char name[IC_STATS_UNKNOWN_LEN]; /* lower case: "hset", "client|pause" */
    uint64_t calls;
};

struct ic_slow_entry {
    struct ic_list node;
    uint64_t id, microseconds;
    int64_t wall_s;
    double dollars;     /* the command's own cost */
    char *peer, *name;  /* owned */
    struct ic_buf args; /* the arguments as a RESP array */
};

struct ic_stats {
    struct ic_command_figures *command; /* by ic_command_number */
    struct ic_error_figures error[IC_STATS_ERRORS_MAX];
    size_t errors;
    struct ic_unknown_figures unknown[IC_STATS_UNKNOWN_MAX];
    size_t unknowns;
    uint64_t unknown_others; /* beyond these, or with names that are none of a command */
    uint64_t connections_received, connections_rejected, connections_cut, evicted_clients;
    uint64_t output_buffer_limit_disconnections, query_buffer_limit_refusals;
    uint64_t commands, error_replies, bytes_in, bytes_out;
    struct ic_list slow; /* of struct ic_slow_entry, newest first */
    uint64_t slow_count, slow_next_id;
    uint64_t sampled_ms, sampled_commands, sampled_in, sampled_out;
    uint64_t ops_per_s, in_per_s, out_per_s; /* over the last second */
};

int ic_stats_init(struct ic_stats *s) IC_MUST_USE; /* IC_ENOMEM */
void ic_stats_deinit(struct ic_stats *s);
void ic_stats_reset(struct ic_stats *s); /* CONFIG RESETSTAT: all but the slow log */

void ic_stats_called(struct ic_stats *s, const struct ic_command *c, uint64_t microseconds,
                     bool failed);
void ic_stats_rejected(struct ic_stats *s, const struct ic_command *c);
/* There is no command NAME or, if SUB is not empty, none of its subcommands is SUB: counted by
 * name, the first IC_STATS_UNKNOWN_MAX that come. */
void ic_stats_unknown(struct ic_stats *s, struct ic_slice name, struct ic_slice sub);
/* TEXT as given to ic_resp_error. */
void ic_stats_error(struct ic_stats *s, const char *text);
/* Call about once a second. */
void ic_stats_sample(struct ic_stats *s, uint64_t now_ms);
/* CALL as an entry of the slow log, to be kept or dropped when it is known how long it took. NULL:
 * out of memory. */
struct ic_slow_entry *ic_stats_slow_new(const struct ic_call *c);
void ic_stats_slow_drop(struct ic_slow_entry *e); /* NULL is fine */
/* Keeps E, which is the log's now, with its `microseconds` and `dollars`; the log is cut to MOST
 * entries. */
void ic_stats_slow_keep(struct ic_stats *s, struct ic_slow_entry *e, const char *peer,
                        const char *name, uint64_t most);
void ic_stats_slow_reset(struct ic_stats *s);

#endif
