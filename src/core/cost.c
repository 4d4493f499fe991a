#include "core/cost.h"

#include "base/alloc.h"

#include <assert.h>

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };
static const double gib = 1 << 30;
static const double month_hours = 730; /* AWS's own arithmetic */

struct ic_cost {
    struct ic_cost_setup setup;
    struct ic_cost_totals totals;
    struct ic_cost_minute minute[IC_COST_MINUTES]; /* by minute modulo 60 */
    int64_t latest_ms;                             /* the wall clock, but for little steps back */
    int64_t held_since_ms; /* of another clock; 0: nothing was sampled yet */
    uint64_t held_bytes;
    struct ic_cost_account account[]; /* by function */
};

const char *ic_cost_cause_name(enum ic_cost_cause cause)
{
    static const char *const names[IC_COST_CAUSES] = {"serve", "warm", "backup", "repair",
                                                      "transfer"};
    return names[cause];
}

struct ic_cost *ic_cost_new(const struct ic_cost_setup *setup)
{
    struct ic_cost *c = ic_calloc(1, sizeof *c + setup->functions * sizeof *c->account);
    if (c != NULL) {
        c->setup = *setup;
    }
    return c;
}

void ic_cost_free(struct ic_cost *c)
{
    ic_free(c);
}

/* ---- time --------------------------------------------------------------------- */

static int64_t forward(const struct ic_cost *c, int64_t now_ms)
{
    return now_ms > c->latest_ms ? now_ms : c->latest_ms;
}

static void add_minute(struct ic_cost_minute *sum, const struct ic_cost_minute *m)
{
    sum->invocations += m->invocations;
    sum->billed_ms += m->billed_ms;
    sum->dollars += m->dollars;
    sum->unreported_dollars += m->unreported_dollars;
}

/* What was counted in the hour before the clock was set back to NOW_MS, in minutes that are to
 * come, is of the present one. */
static void go_back(struct ic_cost *c, int64_t now_ms)
{
    int64_t oldest = c->latest_ms / MINUTE_MS - IC_COST_MINUTES + 1;
    struct ic_cost_minute sum = {.minute = now_ms / MINUTE_MS};
    for (size_t i = 0; i < IC_COST_MINUTES; i++) {
        struct ic_cost_minute *m = &c->minute[i];
        if (m->minute >= sum.minute) {
            if (m->minute >= oldest) {
                add_minute(&sum, m);
            }
            *m = (struct ic_cost_minute){0};
        }
    }
    c->minute[sum.minute % IC_COST_MINUTES] = sum;
    c->latest_ms = now_ms;
}

void ic_cost_set_clock(struct ic_cost *c, int64_t now_ms)
{
    if (now_ms > 0 && c->latest_ms - now_ms > MINUTE_MS) {
        go_back(c, now_ms);
    }
    c->latest_ms = forward(c, now_ms);
}

/* The slot of the minute at NOW_MS, emptied of what was there an hour ago. */
static struct ic_cost_minute *open_minute(struct ic_cost *c, int64_t now_ms)
{
    ic_cost_set_clock(c, now_ms);
    int64_t minute = c->latest_ms / MINUTE_MS;
    struct ic_cost_minute *m = &c->minute[minute % IC_COST_MINUTES];
    if (m->minute != minute) {
        *m = (struct ic_cost_minute){.minute = minute};
    }
    return m;
}

const struct ic_cost_minute *ic_cost_minutes(const struct ic_cost *c)
{
    return c->minute;
}

/* ---- what happens ------------------------------------------------------------- */

static struct ic_cost_account *account(struct ic_cost *c, uint16_t function)
{
    assert(function < c->setup.functions);
    return &c->account[function];
}

void ic_cost_invoke(struct ic_cost *c, uint16_t function)
{
    account(c, function)->outstanding++;
}

void ic_cost_not_run(struct ic_cost *c, uint16_t function)
{
    struct ic_cost_account *a = account(c, function);
    assert(a->outstanding > 0);
    a->outstanding--;
}

void ic_cost_charge(struct ic_cost *c, uint16_t function, enum ic_cost_cause cause,
                    uint64_t billed_ms, int64_t now_ms)
{
    struct ic_cost_account *a = account(c, function);
    struct ic_cost_minute *m = open_minute(c, now_ms);
    double dollars = (double)billed_ms * c->setup.rate.per_ms + c->setup.rate.per_invocation;
    ic_cost_not_run(c, function);
    a->invocations++;
    a->billed_ms += billed_ms;
    a->dollars += dollars;
    c->totals.invocations[cause]++;
    c->totals.billed_ms[cause] += billed_ms;
    c->totals.dollars[cause] += dollars;
    m->invocations++;
    m->billed_ms += billed_ms;
    m->dollars += dollars;
}

/* COUNT invocations that may have been billed MOST_MS each. */
static void count_unreported(struct ic_cost *c, struct ic_cost_account *a, uint64_t count,
                             uint64_t most_ms, int64_t now_ms)
{
    struct ic_cost_minute *m = open_minute(c, now_ms);
    double dollars =
        (double)count * ((double)most_ms * c->setup.rate.per_ms + c->setup.rate.per_invocation);
    a->unreported += count;
    a->unreported_ms_max += count * most_ms;
    c->totals.unreported += count;
    c->totals.unreported_ms_max += count * most_ms;
    c->totals.unreported_dollars += dollars;
    m->unreported_dollars += dollars;
}

static uint64_t bound(const struct ic_cost *c, uint64_t lasted_ms)
{
    uint64_t timeout_ms = c->setup.timeout_ms + IC_COST_BEYOND_TIMEOUT_MS;
    uint64_t granularity = c->setup.rate.granularity;
    uint64_t most_ms = lasted_ms < timeout_ms ? lasted_ms : timeout_ms;
    return (most_ms / granularity + 1) * granularity;
}

void ic_cost_unreported(struct ic_cost *c, uint16_t function, uint64_t lasted_ms, int64_t now_ms)
{
    ic_cost_not_run(c, function);
    count_unreported(c, account(c, function), 1, bound(c, lasted_ms), now_ms);
}

void ic_cost_transfer(struct ic_cost *c, uint64_t sent, uint64_t received, int64_t now_ms)
{
    c->totals.sent_bytes += sent;
    c->totals.received_bytes += received;
    if (c->setup.cross_zones) {
        /* Each byte is paid twice: where it leaves a zone and where it enters the other. */
        double per_gib = 2 * c->setup.prices->dollars[IC_PRICE_TRANSFER_GB];
        double dollars = (double)(sent + received) / gib * per_gib;
        c->totals.dollars[IC_COST_TRANSFER] += dollars;
        open_minute(c, now_ms)->dollars += dollars;
    }
}

/* "1 ECPU for each kilobyte of data transferred", and at least one per request. */
static double ecpus(uint64_t bytes)
{
    return bytes < 1024 ? 1 : (double)bytes / 1024;
}

void ic_cost_get(struct ic_cost *c, uint64_t bytes)
{
    c->totals.gets++;
    c->totals.get_bytes += bytes;
    c->totals.ecpus += ecpus(bytes);
}

void ic_cost_set(struct ic_cost *c, uint64_t bytes)
{
    c->totals.sets++;
    c->totals.set_bytes += bytes;
    c->totals.ecpus += ecpus(bytes);
}

static double at_least(double value, double least)
{
    return value > least ? value : least;
}

void ic_cost_hold(struct ic_cost *c, uint64_t bytes, int64_t now_ms)
{
    const double *dollars = c->setup.prices->dollars;
    if (c->held_since_ms != 0) {
        double hours = (double)(now_ms - c->held_since_ms) / HOUR_MS;
        double held = (double)c->held_bytes / gib;
        c->totals.hours += hours;
        c->totals.gib_hours += held * hours;
        c->totals.redis_gib_hours +=
            at_least(held, dollars[IC_PRICE_REDIS_SERVERLESS_LEAST]) * hours;
        c->totals.valkey_gib_hours +=
            at_least(held, dollars[IC_PRICE_VALKEY_SERVERLESS_LEAST]) * hours;
    }
    c->held_since_ms = now_ms;
    c->held_bytes = bytes;
    if (bytes > c->totals.peak_bytes) {
        c->totals.peak_bytes = bytes;
    }
}

/* ---- figures ------------------------------------------------------------------ */

const struct ic_cost_totals *ic_cost_totals(const struct ic_cost *c)
{
    return &c->totals;
}

const struct ic_cost_account *ic_cost_account(const struct ic_cost *c, uint16_t function)
{
    assert(function < c->setup.functions);
    return &c->account[function];
}

struct ic_rate ic_cost_rate(const struct ic_cost *c)
{
    return c->setup.rate;
}

uint64_t ic_cost_invocations(const struct ic_cost *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < IC_COST_CAUSES; i++) {
        sum += c->totals.invocations[i];
    }
    return sum;
}

uint64_t ic_cost_billed_ms(const struct ic_cost *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < IC_COST_CAUSES; i++) {
        sum += c->totals.billed_ms[i];
    }
    return sum;
}

double ic_cost_dollars(const struct ic_cost *c)
{
    double sum = 0;
    for (size_t i = 0; i < IC_COST_CAUSES; i++) {
        sum += c->totals.dollars[i];
    }
    return sum;
}

uint64_t ic_cost_outstanding(const struct ic_cost *c)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->setup.functions; i++) {
        sum += c->account[i].outstanding;
    }
    return sum;
}

struct ic_cost_minute ic_cost_hour(const struct ic_cost *c, int64_t now_ms)
{
    int64_t last = forward(c, now_ms) / MINUTE_MS;
    struct ic_cost_minute sum = {.minute = last - IC_COST_MINUTES + 1};
    for (size_t i = 0; i < IC_COST_MINUTES; i++) {
        const struct ic_cost_minute *m = &c->minute[i];
        if (m->minute >= sum.minute) {
            add_minute(&sum, m);
        }
    }
    return sum;
}

double ic_cost_per_get(const struct ic_cost *c)
{
    return c->totals.gets == 0 ? 0 : ic_cost_dollars(c) / (double)c->totals.gets;
}

double ic_cost_per_gib(const struct ic_cost *c)
{
    return c->totals.get_bytes == 0 ? 0 : ic_cost_dollars(c) / ((double)c->totals.get_bytes / gib);
}

static void choose_node(uint64_t bytes, const struct ic_prices *prices,
                        struct ic_cost_alternatives *a)
{
    a->node = ic_prices_node(prices, bytes);
    a->nodes = 1;
    if (a->node == IC_PRICE_COUNT) {
        a->node = IC_PRICE_R5_24XLARGE;
        uint64_t each = (uint64_t)(ic_price(a->node)->memory_gib * gib);
        a->nodes = (bytes + each - 1) / each;
    }
}

struct ic_cost_alternatives ic_cost_elsewhere(const struct ic_cost_totals *t,
                                              const struct ic_prices *prices)
{
    const double *dollars = prices->dollars;
    double gets = (double)t->gets / 1000, sets = (double)t->sets / 1000;
    double months = t->gib_hours / month_hours;
    struct ic_cost_alternatives a;
    choose_node(t->peak_bytes, prices, &a);
    a.elasticache = (double)a.nodes * dollars[a.node] * t->hours;
    a.serverless_redis = t->redis_gib_hours * dollars[IC_PRICE_REDIS_SERVERLESS_GB_HOUR] +
                         t->ecpus / 1e6 * dollars[IC_PRICE_REDIS_SERVERLESS_ECPUS];
    a.serverless_valkey = t->valkey_gib_hours * dollars[IC_PRICE_VALKEY_SERVERLESS_GB_HOUR] +
                          t->ecpus / 1e6 * dollars[IC_PRICE_VALKEY_SERVERLESS_ECPUS];
    a.s3 = months * dollars[IC_PRICE_S3_GB_MONTH] + gets * dollars[IC_PRICE_S3_GETS] +
           sets * dollars[IC_PRICE_S3_PUTS];
    a.s3_express = months * dollars[IC_PRICE_EXPRESS_GB_MONTH] +
                   gets * dollars[IC_PRICE_EXPRESS_GETS] + sets * dollars[IC_PRICE_EXPRESS_PUTS] +
                   (double)t->get_bytes / gib * dollars[IC_PRICE_EXPRESS_RETRIEVAL_GB] +
                   (double)t->set_bytes / gib * dollars[IC_PRICE_EXPRESS_UPLOAD_GB];
    return a;
}

struct ic_cost_alternatives ic_cost_alternatives(const struct ic_cost *c)
{
    return ic_cost_elsewhere(&c->totals, c->setup.prices);
}

/* ---- budget ------------------------------------------------------------------- */

const char *ic_budget_level_name(enum ic_budget_level level)
{
    static const char *const names[] = {
        [IC_BUDGET_OPEN] = "open",
        [IC_BUDGET_NO_WARM] = "no-warm-ups",
        [IC_BUDGET_NO_BACKUP] = "no-backups",
        [IC_BUDGET_NO_NEW_KEY] = "no-new-keys",
    };
    return names[level];
}

double ic_cost_spent(const struct ic_cost *c, int64_t now_ms)
{
    struct ic_cost_minute hour = ic_cost_hour(c, now_ms);
    return hour.dollars + hour.unreported_dollars;
}

enum ic_budget_level ic_cost_budget(const struct ic_cost *c, double budget, int64_t now_ms)
{
    if (budget <= 0) {
        return IC_BUDGET_OPEN;
    }
    double share = ic_cost_spent(c, now_ms) / budget;
    return share >= 1     ? IC_BUDGET_NO_NEW_KEY
           : share >= 0.9 ? IC_BUDGET_NO_BACKUP
           : share >= 0.8 ? IC_BUDGET_NO_WARM
                          : IC_BUDGET_OPEN;
}

/* ---- over a restart ----------------------------------------------------------- */

void ic_cost_restore_totals(struct ic_cost *c, const struct ic_cost_totals *totals)
{
    c->totals = *totals;
}

void ic_cost_restore_minute(struct ic_cost *c, const struct ic_cost_minute *minute)
{
    if (minute->minute > 0) {
        c->minute[minute->minute % IC_COST_MINUTES] = *minute;
        c->latest_ms = forward(c, minute->minute * MINUTE_MS);
    }
}

void ic_cost_settle(struct ic_cost *c, struct ic_cost_account *a, int64_t now_ms)
{
    uint64_t lost = a->outstanding;
    a->outstanding = 0;
    if (lost > 0) {
        count_unreported(c, a, lost, bound(c, UINT64_MAX), now_ms);
    }
}

void ic_cost_restore_account(struct ic_cost *c, uint16_t function,
                             const struct ic_cost_account *stored, int64_t now_ms)
{
    struct ic_cost_account *a = account(c, function);
    *a = *stored;
    ic_cost_settle(c, a, now_ms);
}
