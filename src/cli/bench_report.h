/*
 * bench_report.h - what a run of `bench` came to, for people, JSON or CSV.
 */
#ifndef IC_CLI_BENCH_REPORT_H
#define IC_CLI_BENCH_REPORT_H

#include "base/histogram.h"
#include "cli/load.h"
#include "cli/usage.h"
#include "simulate/workload.h"

enum ic_bench_format { IC_BENCH_TEXT, IC_BENCH_JSON, IC_BENCH_CSV };

struct ic_bench_figures {
    struct ic_histogram latency_us; /* of answered requests, misses included */
    uint64_t bytes;                 /* of values */
    uint64_t misses, errors, wrong; /* see enum ic_load_outcome */
};

/* Large: keep it off the stack. */
struct ic_bench_report {
    const struct ic_load_settings *load;
    struct ic_workload_settings workload;
    uint64_t requests, duration_ms, warm_up_ms; /* requests 0: by duration */
    double rate;                                /* a second, of all clients; 0: closed loop */
    uint64_t range_bytes;                       /* GETRANGE; 0: GET */
    struct ic_bench_figures get, set;
    double seconds;          /* first request to last answer */
    const char *first_error; /* reply; empty: none */
    struct ic_usage usage;
};

/* To standard output. CSV: a line of names, then a line each for get and set. */
void ic_bench_report_print(const struct ic_bench_report *r, enum ic_bench_format format);

#endif
