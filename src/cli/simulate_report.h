/*
 * simulate_report.h - what a simulation came to: a text to show around, JSON, or CSV by the hour.
 */
#ifndef IC_CLI_SIMULATE_REPORT_H
#define IC_CLI_SIMULATE_REPORT_H

#include "base/config.h"
#include "cli/work.h"
#include "simulate/elsewhere.h"
#include "simulate/simulate.h"

enum ic_simulate_format { IC_SIMULATE_TEXT, IC_SIMULATE_JSON, IC_SIMULATE_CSV };

struct ic_simulate_report { /* borrows all it points to */
    const struct ic_work *work;
    const struct ic_sim_settings *settings;
    const struct ic_sim_result *result;
    struct ic_elsewhere elsewhere;
    uint32_t proxies;
    double proxy_per_hour; /* dollars, of one */
};

enum { IC_SIMULATE_CAUSES = IC_COST_CAUSES };

/* Dollars of a run, or of an hour of it. */
struct ic_simulate_bill {
    double cause[IC_SIMULATE_CAUSES]; /* as enum ic_cost_cause */
    double functions;                 /* all of these */
    double proxy;
    double total; /* both */
};

double ic_simulate_hours(const struct ic_simulate_report *r); /* simulated; > 0 */
struct ic_simulate_bill ic_simulate_bill(const struct ic_simulate_report *r);
/* Of the hours in which something could have been a hit: the mean, and the least. 1: none. */
double ic_simulate_availability(const struct ic_sim_result *result, double *least);
double ic_simulate_ratio(uint64_t part, uint64_t all); /* 0 of none */
/* What the misses cost at the origin, S3: GETs, and PUTs of the trace. */
double ic_simulate_origin(const struct ic_simulate_report *r);

/* To standard output. */
void ic_simulate_report_print(const struct ic_simulate_report *r, enum ic_simulate_format format);
/* The hours as CSV, a line of names first. */
void ic_simulate_report_hours(const struct ic_simulate_report *r, FILE *out);

#endif
