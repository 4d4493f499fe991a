/*
 * cost.h - the ledger: what invocations and transfer cost, by cause, by function, over the last 60
 * minutes and in all; what the same service would have cost elsewhere; how far the budget is spent.
 * Pure: it is told billed milliseconds, bytes and the time. Dollars are counted at the prices of
 * their time, so a change of `prices` or of the functions' memory does not rewrite the past.
 *
 *   invoke --> outstanding --reported(billed ms)--> accounts: total by cause, function, minute
 *                  |-------unreported(bound)------> counted apart, with the most it may have cost
 *                  '-------not run----------------> nothing
 *
 *   platform's invocations = invocations + unreported
 *   platform's billed ms  <= billed ms + unreported_ms_max
 *
 * Times are wall time in milliseconds, so that the hour goes on over a restart. A clock that goes
 * back by up to a minute counts as standing still; by more: it was wrong before, and what was
 * counted in minutes that are to come now is of the present one.
 */
#ifndef IC_CORE_COST_H
#define IC_CORE_COST_H

#include "core/price.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why an invocation was made. Zero, and so the default of a request, is to serve. */
enum ic_cost_cause {
    IC_COST_SERVE,
    IC_COST_WARM,
    IC_COST_BACKUP,
    IC_COST_REPAIR,
    IC_COST_TRANSFER, /* bytes, not invocations */
    IC_COST_CAUSES,
};
const char *ic_cost_cause_name(enum ic_cost_cause cause);

enum {
    IC_COST_MINUTES = 60,
    /* What a platform may bill beyond a function's timeout: the start of an instance (Lambda ends
     * it after 10 s) and how late it notices. */
    IC_COST_BEYOND_TIMEOUT_MS = 10000,
};

struct ic_cost_account { /* of one function */
    uint64_t invocations, billed_ms;
    uint64_t unreported, unreported_ms_max;
    double dollars;
    uint64_t outstanding; /* sent, and neither answered nor given up */
};

struct ic_cost_minute { /* what was charged within it */
    int64_t minute;     /* since 1970; 0: empty */
    uint64_t invocations, billed_ms;
    double dollars;
    double unreported_dollars; /* at most */
};

struct ic_cost_totals {
    uint64_t invocations[IC_COST_CAUSES], billed_ms[IC_COST_CAUSES];
    double dollars[IC_COST_CAUSES];
    uint64_t unreported, unreported_ms_max;
    double unreported_dollars;                 /* at most */
    uint64_t sent_bytes, received_bytes;       /* between proxy and functions */
    uint64_t gets, get_bytes, sets, set_bytes; /* values that clients read and wrote */
    double ecpus;                              /* that these would be at ElastiCache Serverless */
    double gib_hours;                          /* bytes of objects held, over time */
    double redis_gib_hours;                    /* the same with the least that is metered */
    double valkey_gib_hours;
    double hours;        /* during which was counted */
    uint64_t peak_bytes; /* most bytes of objects held */
};

struct ic_cost_setup {
    const struct ic_prices *prices; /* outlives the ledger */
    struct ic_rate rate;            /* of one function (ic_prices_rate) */
    uint32_t functions;
    uint64_t timeout_ms; /* of the functions */
    bool cross_zones;    /* functions are in another zone than the proxy: transfer costs */
};

struct ic_cost;
struct ic_cost *ic_cost_new(const struct ic_cost_setup *setup); /* NULL: out of memory */
void ic_cost_free(struct ic_cost *c);                           /* NULL is fine */

/* ---- what happens ------------------------------------------------------------- */

/* An Invoke is being sent. It ends in one of the three below. */
void ic_cost_invoke(struct ic_cost *c, uint16_t function);
/* Its answer says it was billed BILLED_MS, errors and time-outs included. */
void ic_cost_charge(struct ic_cost *c, uint16_t function, enum ic_cost_cause cause,
                    uint64_t billed_ms, int64_t now_ms);
/* It ran, or may have: no answer, or one without a report. It lasted no longer than LASTED_MS
 * (UINT64_MAX: not known); the bound is the lesser of that and the timeout's. */
void ic_cost_unreported(struct ic_cost *c, uint16_t function, uint64_t lasted_ms, int64_t now_ms);
/* It was never run: refused, throttled, not sent. */
void ic_cost_not_run(struct ic_cost *c, uint16_t function);

/* Bytes between proxy and functions. */
void ic_cost_transfer(struct ic_cost *c, uint64_t sent, uint64_t received, int64_t now_ms);
/* A value of BYTES went to a client, or came from one. */
void ic_cost_get(struct ic_cost *c, uint64_t bytes);
void ic_cost_set(struct ic_cost *c, uint64_t bytes);
/* BYTES of objects are held from now on, until the next call. Call it often. NOW_MS is of a clock
 * that is never set: what is held for a moment must not count for the year by which one is. */
void ic_cost_hold(struct ic_cost *c, uint64_t bytes, int64_t now_ms);
/* The wall clock shows NOW_MS, as it does when anything is charged. Call it often: it may be set
 * back while nothing is. */
void ic_cost_set_clock(struct ic_cost *c, int64_t now_ms);

/* ---- figures ------------------------------------------------------------------ */

const struct ic_cost_totals *ic_cost_totals(const struct ic_cost *c);
const struct ic_cost_account *ic_cost_account(const struct ic_cost *c, uint16_t function);
struct ic_rate ic_cost_rate(const struct ic_cost *c);
uint64_t ic_cost_invocations(const struct ic_cost *c); /* of all causes */
uint64_t ic_cost_billed_ms(const struct ic_cost *c);
double ic_cost_dollars(const struct ic_cost *c);
uint64_t ic_cost_outstanding(const struct ic_cost *c);
/* The last 60 minutes: the running one and 59 before; `minute` is the first. */
struct ic_cost_minute ic_cost_hour(const struct ic_cost *c, int64_t now_ms);
double ic_cost_per_get(const struct ic_cost *c); /* all that was spent, over the GETs; 0: none */
double ic_cost_per_gib(const struct ic_cost *c); /* over the GiB they were answered with */

/* What the same would have cost: bytes held over time, requests and bytes as counted. */
struct ic_cost_alternatives {
    enum ic_price_id node; /* the cheapest ElastiCache node type that fits the peak, */
    uint64_t nodes;        /* one of it, or as many of the largest as it takes */
    double elasticache, serverless_redis, serverless_valkey, s3, s3_express;
};
struct ic_cost_alternatives ic_cost_alternatives(const struct ic_cost *c);
/* The same of any totals. */
struct ic_cost_alternatives ic_cost_elsewhere(const struct ic_cost_totals *t,
                                              const struct ic_prices *prices);

/* ---- budget ------------------------------------------------------------------- */

enum ic_budget_level {
    IC_BUDGET_OPEN,       /* or there is no budget */
    IC_BUDGET_NO_WARM,    /* 80 % of it spent: no warm-ups, */
    IC_BUDGET_NO_BACKUP,  /* 90 %: and no backups, */
    IC_BUDGET_NO_NEW_KEY, /* 100 %: and no SET of a key that is not there */
};
const char *ic_budget_level_name(enum ic_budget_level level);
/* What counts against the budget: the last 60 minutes, unreported invocations at their most. */
double ic_cost_spent(const struct ic_cost *c, int64_t now_ms);
/* BUDGET: dollars per hour; 0: none. */
enum ic_budget_level ic_cost_budget(const struct ic_cost *c, double budget, int64_t now_ms);

/* ---- over a restart ----------------------------------------------------------- */

/* As stored by an earlier process, before anything happens. */
void ic_cost_restore_totals(struct ic_cost *c, const struct ic_cost_totals *totals);
void ic_cost_restore_minute(struct ic_cost *c, const struct ic_cost_minute *minute);
/* What is outstanding in ACCOUNT, perhaps of a function that the pool has not any more, will not be
 * answered: it is unreported, there and in the totals. */
void ic_cost_settle(struct ic_cost *c, struct ic_cost_account *account, int64_t now_ms);
/* What was outstanding will not be answered any more: unreported. */
void ic_cost_restore_account(struct ic_cost *c, uint16_t function,
                             const struct ic_cost_account *account, int64_t now_ms);
/* IC_COST_MINUTES of them, in no order, to be stored. */
const struct ic_cost_minute *ic_cost_minutes(const struct ic_cost *c);

#endif
