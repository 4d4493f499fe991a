#include "proxy/books.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "core/pool.h"
#include "proxy/journal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    FORMAT = 1,
    KEY_TOTALS = 0,
    KEY_MINUTE = 1, /* and 59 more */
    KEY_ACCOUNT = 1000,
};
static_assert((int)KEY_MINUTE + (int)IC_COST_MINUTES <= (int)KEY_ACCOUNT, "keys are distinct");

struct record { /* what the journal keeps, in this machine's byte order, as LMDB's own pages */
    uint32_t format, unused;
    union {
        struct ic_cost_totals totals;
        struct ic_cost_minute minute;
        struct ic_cost_account account;
    };
};

/* The account of a function that the pool has not: to be stored as it is. */
struct gone {
    uint64_t function;
    struct ic_cost_account account;
};

struct ic_books {
    struct ic_books_setup setup;
    struct ic_cost *cost;
    uint32_t functions;
    uint16_t *changed; /* functions whose account is to be saved, */
    uint32_t changed_count;
    bool *is_changed;     /* by function: it is among them */
    struct ic_buf gone;   /* of struct gone: settled while loading, to be saved once */
    bool dirty;           /* a charge is to be saved */
    bool scheduled;       /* at the end of this turn */
    bool queued;          /* in the journal, and not known to be committed */
    uint64_t saved_ms;    /* of the monotonic clock */
    int64_t saved_minute; /* minutes before it are stored; INT64_MAX: none may be as it is now */
    char *why;            /* while loading */
};

/* ---- saving ------------------------------------------------------------------- */

static void schedule(struct ic_books *b)
{
    if (!b->scheduled && b->setup.journal != NULL && b->setup.schedule != NULL) {
        b->scheduled = true;
        b->setup.schedule(b->setup.ctx);
    }
}

static void mark(struct ic_books *b, uint16_t function)
{
    if (!b->is_changed[function]) {
        b->is_changed[function] = true;
        b->changed[b->changed_count++] = function;
    }
    b->dirty = true;
}

static void touch(struct ic_books *b, uint16_t function)
{
    mark(b, function);
    schedule(b);
}

#define RECORD_BYTES(part) (offsetof(struct record, part) + sizeof((struct record *)0)->part)

static int put(struct ic_books *b, uint64_t key, struct record *r, size_t bytes)
{
    r->format = FORMAT;
    return ic_journal_put_ledger(b->setup.journal, key, ic_slice(r, bytes));
}

/* Those that may have changed since they were saved last: all, if the clock was set back. */
static int put_minutes(struct ic_books *b)
{
    const struct ic_cost_minute *minute = ic_cost_minutes(b->cost);
    bool all = b->saved_minute >= ic_books_hour(b).minute + IC_COST_MINUTES;
    int64_t last = all ? 0 : b->saved_minute;
    int result = 0;
    for (size_t i = 0; i < IC_COST_MINUTES && result >= 0; i++) {
        if (all || minute[i].minute >= b->saved_minute) {
            struct record r = {.minute = minute[i]};
            result = put(b, KEY_MINUTE + i, &r, RECORD_BYTES(minute));
            last = minute[i].minute > last ? minute[i].minute : last;
        }
    }
    b->saved_minute = last;
    return result;
}

static int put_accounts(struct ic_books *b)
{
    int result = 0;
    for (uint32_t i = 0; i < b->changed_count && result >= 0; i++) {
        uint16_t function = b->changed[i];
        struct record r = {.account = *ic_cost_account(b->cost, function)};
        result = put(b, KEY_ACCOUNT + (uint64_t)function, &r, RECORD_BYTES(account));
    }
    return result;
}

static int put_gone(struct ic_books *b)
{
    int result = 0;
    for (size_t at = 0; at < b->gone.len && result >= 0; at += sizeof(struct gone)) {
        struct gone gone;
        memcpy(&gone, b->gone.data + at, sizeof gone);
        struct record r = {.account = gone.account};
        result = put(b, KEY_ACCOUNT + gone.function, &r, RECORD_BYTES(account));
    }
    return result;
}

static int put_all(struct ic_books *b)
{
    struct record r = {.totals = *ic_cost_totals(b->cost)};
    int result = put(b, KEY_TOTALS, &r, RECORD_BYTES(totals));
    if (result >= 0) {
        result = put_minutes(b);
    }
    if (result >= 0) {
        result = put_gone(b);
    }
    return result < 0 ? result : put_accounts(b);
}

void ic_books_save(struct ic_books *b)
{
    b->scheduled = false;
    if (b->setup.journal == NULL || !b->dirty || ic_journal_failed(b->setup.journal)) {
        return;
    }
    size_t place = ic_journal_mark(b->setup.journal);
    if (put_all(b) < 0) { /* out of memory: the next tick tries again */
        ic_journal_rewind(b->setup.journal, place);
        return;
    }
    for (uint32_t i = 0; i < b->changed_count; i++) {
        b->is_changed[b->changed[i]] = false;
    }
    b->changed_count = 0;
    b->dirty = false;
    b->queued = true;
    b->saved_ms = ic_clock_mono_ms();
}

void ic_books_close(struct ic_books *b)
{
    b->dirty = true;
    ic_books_save(b);
}

void ic_books_saved(struct ic_books *b)
{
    if (!b->queued) {
        return;
    }
    b->queued = false;
    int result = ic_journal_commit(b->setup.journal);
    if (result < 0 || ic_journal_failed(b->setup.journal)) {
        b->saved_minute = INT64_MAX;
        for (uint32_t i = 0; i < b->functions; i++) {
            mark(b, (uint16_t)i);
        }
        return;
    }
    b->gone.len = 0;
}

/* ---- loading ------------------------------------------------------------------ */

static int wrong(const struct ic_books *b, uint64_t key, const char *what, uint32_t format)
{
    snprintf(b->why, IC_BOOKS_WHY_MAX,
             "the journal's ledger has a record %llu %s (format %u; this program reads format %d)",
             (unsigned long long)key, what, format, FORMAT);
    return IC_ECORRUPT;
}

/* With the totals, so that what is outstanding is counted once, in whichever life. */
static int load_gone(struct ic_books *b, uint64_t function, const struct ic_cost_account *stored)
{
    struct gone gone = {.function = function, .account = *stored};
    if (stored->outstanding == 0 && !b->setup.other_pool) {
        return 0;
    }
    ic_cost_settle(b->cost, &gone.account, ic_clock_wall_ms());
    if (b->setup.other_pool) {
        gone.account = (struct ic_cost_account){0};
    }
    b->dirty = true;
    return ic_buf_append(&b->gone, &gone, sizeof gone);
}

static int load_account(struct ic_books *b, uint64_t function, const struct record *r)
{
    if (function >= IC_POOL_FUNCTIONS_MAX) {
        return wrong(b, KEY_ACCOUNT + function, "of no function", FORMAT);
    }
    if (function >= b->functions || b->setup.other_pool) {
        return load_gone(b, function, &r->account);
    }
    ic_cost_restore_account(b->cost, (uint16_t)function, &r->account, ic_clock_wall_ms());
    if (r->account.outstanding > 0) {
        mark(b, (uint16_t)function);
    }
    return 0;
}

static int load_one(void *ctx, uint64_t key, struct ic_slice bytes)
{
    struct ic_books *b = ctx;
    struct record r = {0};
    size_t expected = key >= KEY_ACCOUNT  ? RECORD_BYTES(account)
                      : key >= KEY_MINUTE ? RECORD_BYTES(minute)
                                          : RECORD_BYTES(totals);
    memcpy(&r, bytes.data, bytes.len < sizeof r ? bytes.len : sizeof r);
    if (r.format != FORMAT) {
        return wrong(b, key, "of another program", r.format);
    }
    if (bytes.len != expected) {
        return wrong(b, key, "of a wrong length", r.format);
    }
    if (key >= KEY_ACCOUNT) {
        return load_account(b, key - KEY_ACCOUNT, &r);
    }
    if (key >= KEY_MINUTE) {
        ic_cost_restore_minute(b->cost, &r.minute);
    } else {
        ic_cost_restore_totals(b->cost, &r.totals);
    }
    return 0;
}

/* ---- life --------------------------------------------------------------------- */

static struct ic_cost *make_cost(const struct ic_books_setup *setup)
{
    const struct ic_config *c = setup->config;
    struct ic_cost_setup cost = {
        .prices = setup->prices,
        .rate = ic_prices_rate(setup->prices, c->billing, c->architecture, (uint64_t)c->memory),
        .functions = (uint32_t)c->functions,
        .timeout_ms = (uint64_t)c->function_timeout,
        .cross_zones = c->transfer_zones == IC_ZONES_CROSS,
    };
    return ic_cost_new(&cost);
}

int ic_books_new(const struct ic_books_setup *setup, struct ic_books **out, char *why)
{
    struct ic_books *b = ic_calloc(1, sizeof *b);
    if (b == NULL) {
        return IC_ENOMEM;
    }
    b->setup = *setup;
    b->functions = (uint32_t)setup->config->functions;
    b->saved_ms = ic_clock_mono_ms();
    b->saved_minute = INT64_MAX;
    b->cost = make_cost(setup);
    b->changed = ic_calloc(b->functions, sizeof *b->changed);
    b->is_changed = ic_calloc(b->functions, sizeof *b->is_changed);
    b->why = why;
    ic_buf_init(&b->gone);
    int result = b->cost == NULL || b->changed == NULL || b->is_changed == NULL ? IC_ENOMEM : 0;
    if (result == 0 && setup->journal != NULL) {
        result = ic_journal_load_ledger(setup->journal, load_one, b, why);
    }
    if (result < 0) {
        ic_books_free(b);
        return result;
    }
    ic_cost_set_clock(b->cost, ic_clock_wall_ms());
    if (b->dirty) {
        schedule(b);
    }
    *out = b;
    return 0;
}

void ic_books_free(struct ic_books *b)
{
    if (b != NULL) {
        ic_cost_free(b->cost);
        ic_buf_deinit(&b->gone);
        ic_free(b->changed);
        ic_free(b->is_changed);
        ic_free(b);
    }
}

/* ---- what happens ------------------------------------------------------------- */

void ic_books_invoke(struct ic_books *b, uint16_t function)
{
    ic_cost_invoke(b->cost, function);
    touch(b, function);
}

void ic_books_charge(struct ic_books *b, uint16_t function, enum ic_cost_cause cause,
                     uint64_t billed_ms)
{
    ic_cost_charge(b->cost, function, cause, billed_ms, ic_clock_wall_ms());
    touch(b, function);
}

void ic_books_unreported(struct ic_books *b, uint16_t function, uint64_t lasted_ms)
{
    ic_cost_unreported(b->cost, function, lasted_ms, ic_clock_wall_ms());
    touch(b, function);
}

void ic_books_not_run(struct ic_books *b, uint16_t function)
{
    ic_cost_not_run(b->cost, function);
    touch(b, function);
}

void ic_books_transfer(struct ic_books *b, uint64_t sent, uint64_t received)
{
    ic_cost_transfer(b->cost, sent, received, ic_clock_wall_ms());
}

void ic_books_get(struct ic_books *b, uint64_t bytes)
{
    ic_cost_get(b->cost, bytes);
}

void ic_books_set(struct ic_books *b, uint64_t bytes)
{
    ic_cost_set(b->cost, bytes);
}

void ic_books_tick(struct ic_books *b, uint64_t bytes)
{
    uint64_t now_ms = ic_clock_mono_ms();
    ic_cost_set_clock(b->cost, ic_clock_wall_ms());
    ic_cost_hold(b->cost, bytes, (int64_t)now_ms);
    b->dirty = b->dirty || now_ms - b->saved_ms >= IC_BOOKS_SAVE_MS;
    if (b->dirty) {
        schedule(b);
    }
}

/* ---- figures ------------------------------------------------------------------ */

const struct ic_cost *ic_books_cost(const struct ic_books *b)
{
    return b->cost;
}

enum ic_budget_level ic_books_budget(const struct ic_books *b)
{
    return ic_cost_budget(b->cost, b->setup.config->budget_per_hour, ic_clock_wall_ms());
}

double ic_books_limit(const struct ic_books *b)
{
    return b->setup.config->budget_per_hour;
}

double ic_books_spent(const struct ic_books *b)
{
    return ic_cost_spent(b->cost, ic_clock_wall_ms());
}

struct ic_cost_minute ic_books_hour(const struct ic_books *b)
{
    return ic_cost_hour(b->cost, ic_clock_wall_ms());
}
