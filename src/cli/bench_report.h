/*
 * bench_report.h - what a run of the load generator came to, for people, JSON or CSV.
 */
#ifndef IC_CLI_BENCH_REPORT_H
#define IC_CLI_BENCH_REPORT_H

struct ic_load_result;
struct ic_load_settings;
struct ic_usage;
struct ic_workload_settings;

enum ic_bench_format { IC_BENCH_TEXT, IC_BENCH_JSON, IC_BENCH_CSV };

struct ic_bench_report {
    const struct ic_load_settings *load;
    const struct ic_workload_settings *workload;
    const struct ic_load_result *result;
    const struct ic_usage *usage;
};

/* To standard output. CSV: a line of names, then a line each for get and set. */
void ic_bench_report_print(const struct ic_bench_report *r, enum ic_bench_format format);

#endif
