/*
 * cost_figures.h - the figures about money as one table: INFO's section `cost`, IC.COST and
 * /metrics show its rows under the same names.
 */
#ifndef IC_PROXY_COST_FIGURES_H
#define IC_PROXY_COST_FIGURES_H

#include "base/buf.h"
#include "core/cost.h"

struct ic_books;
struct ic_functions;

/* type, name, field of struct ic_cost_figures (uint64_t or double), help. "gb" is 2^30 bytes. */
/* clang-format off */
#define IC_COST_FIGURES(X) \
    X(counter, "billed_ms_total",           billed_ms_total,        "Billed milliseconds.") \
    X(counter, "billed_ms_serve",           billed_ms[IC_COST_SERVE],  "Billed milliseconds of invocations that served.") \
    X(counter, "billed_ms_warm",            billed_ms[IC_COST_WARM],   "Billed milliseconds of warm-ups.") \
    X(counter, "billed_ms_backup",          billed_ms[IC_COST_BACKUP], "Billed milliseconds of backups.") \
    X(counter, "billed_ms_repair",          billed_ms[IC_COST_REPAIR], "Billed milliseconds of repairs.") \
    X(counter, "invocations_total",         invocations_total,      "Invocations whose bill was reported.") \
    X(counter, "unreported_invocations",    unreported,             "Invocations whose bill is not known.") \
    X(counter, "unreported_ms_max",         unreported_ms_max,      "Most that these were billed, in milliseconds.") \
    X(gauge,   "outstanding_invocations",   outstanding,            "Invocations that have not ended.") \
    X(gauge,   "outstanding_ms",            outstanding_ms,         "Milliseconds since these were sent.") \
    X(counter, "transfer_sent_bytes",       sent_bytes,             "Bytes to functions.") \
    X(counter, "transfer_received_bytes",   received_bytes,         "Bytes from functions.") \
    X(counter, "dollars_total",             dollars_total,          "Dollars spent, as far as reported.") \
    X(counter, "dollars_serve",             dollars[IC_COST_SERVE],    "Dollars spent on serving.") \
    X(counter, "dollars_warm",              dollars[IC_COST_WARM],     "Dollars spent on warm-ups.") \
    X(counter, "dollars_backup",            dollars[IC_COST_BACKUP],   "Dollars spent on backups.") \
    X(counter, "dollars_repair",            dollars[IC_COST_REPAIR],   "Dollars spent on repairs.") \
    X(counter, "dollars_transfer",          dollars[IC_COST_TRANSFER], "Dollars spent on transfer between zones.") \
    X(counter, "dollars_unreported_max",    unreported_dollars,     "Most that unreported invocations cost.") \
    X(gauge,   "dollars_outstanding",       outstanding_dollars,    "What outstanding invocations would cost if they ended now.") \
    X(gauge,   "dollars_per_hour",          dollars_per_hour,       "Dollars spent in the last 60 minutes.") \
    X(gauge,   "dollars_per_get",           dollars_per_get,        "Dollars spent over GETs answered.") \
    X(gauge,   "dollars_per_gb",            dollars_per_gb,         "Dollars spent over GB they were answered with.") \
    X(gauge,   "budget_per_hour",           budget_per_hour,        "The directive; 0: none.") \
    X(gauge,   "budget_spent",              budget_spent,           "Dollars of the last 60 minutes that count against it.") \
    X(counter, "cost_hours",                hours,                  "Hours during which was counted.") \
    X(counter, "elasticache_dollars",       elsewhere.elasticache,  "Dollars of the ElastiCache node that holds the same.") \
    X(counter, "serverless_redis_dollars",  elsewhere.serverless_redis,  "Dollars at ElastiCache Serverless for Redis OSS.") \
    X(counter, "serverless_valkey_dollars", elsewhere.serverless_valkey, "Dollars at ElastiCache Serverless for Valkey.") \
    X(counter, "s3_express_dollars",        elsewhere.s3_express,   "Dollars at S3 Express One Zone.") \
    X(counter, "s3_dollars",                elsewhere.s3,           "Dollars at S3 Standard.")
/* clang-format on */

struct ic_cost_figures {
    uint64_t billed_ms_total, invocations_total;
    uint64_t billed_ms[IC_COST_CAUSES], invocations[IC_COST_CAUSES];
    uint64_t unreported, unreported_ms_max, outstanding, outstanding_ms;
    uint64_t sent_bytes, received_bytes;
    double dollars[IC_COST_CAUSES], dollars_total, unreported_dollars, outstanding_dollars;
    double dollars_per_hour, dollars_per_get, dollars_per_gb;
    double budget_per_hour, budget_spent, hours;
    struct ic_cost_alternatives elsewhere;
    enum ic_budget_level level;
};
struct ic_cost_figures ic_cost_figures(const struct ic_books *b, const struct ic_functions *f);

/* A row's value as text: dollars of one millisecond need twelve places. IC_ENOMEM. */
int ic_figure_print_number(struct ic_buf *out, uint64_t value) IC_MUST_USE;
int ic_figure_print_dollars(struct ic_buf *out, double value) IC_MUST_USE;
/* clang-format off */
#define IC_FIGURE_PRINT(out, value) \
    _Generic((value), uint64_t: ic_figure_print_number, double: ic_figure_print_dollars)(out, value)
/* clang-format on */

#endif
