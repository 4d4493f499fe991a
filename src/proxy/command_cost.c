/*
 * command_cost.c - IC.COST: what it costs, by cause, by minute, by function, and what one GET of
 * a key would cost.
 */
#include "code/rs.h"
#include "core/pool.h"
#include "proxy/books.h"
#include "proxy/command_handlers.h"
#include "proxy/cost_figures.h"
#include "proxy/functions.h"
#include "proxy/keys.h"
#include "proxy/proxy.h"

#include <assert.h>

static void write_double(struct ic_resp_writer *w, const char *name, double value)
{
    ic_resp_bulk_str(w, name);
    ic_resp_double(w, value);
}

static void write_causes(struct ic_resp_writer *w, const struct ic_cost_figures *f)
{
    ic_resp_bulk_str(w, "causes");
    ic_resp_map(w, IC_COST_CAUSES);
    for (int i = 0; i < IC_COST_CAUSES; i++) {
        ic_resp_bulk_str(w, ic_cost_cause_name((enum ic_cost_cause)i));
        ic_resp_map(w, 3);
        ic_resp_pair_uint(w, "invocations", f->invocations[i]);
        ic_resp_pair_uint(w, "billed_ms", f->billed_ms[i]);
        write_double(w, "dollars", f->dollars[i]);
    }
}

void ic_command_ic_cost(struct ic_call *c)
{
    struct ic_cost_figures f = ic_cost_figures(c->proxy->books, c->proxy->functions);
    size_t rows = 0;
#define COUNT_ROW(...) rows++;
    IC_COST_FIGURES(COUNT_ROW)
#undef COUNT_ROW
    ic_resp_map(c->out, rows + 4);
#define WRITE_ROW(type, name, field, help)                                                         \
    _Generic(f.field, uint64_t : ic_resp_pair_uint, double : write_double)(c->out, name, f.field);
    IC_COST_FIGURES(WRITE_ROW)
#undef WRITE_ROW
    ic_resp_pair_str(c->out, "elasticache_node", ic_price(f.elsewhere.node)->name);
    ic_resp_pair_uint(c->out, "elasticache_nodes", f.elsewhere.nodes);
    ic_resp_pair_str(c->out, "budget_level", ic_budget_level_name(f.level));
    write_causes(c->out, &f);
}

/* The minutes in which something was charged, the oldest first. */
void ic_command_ic_cost_hour(struct ic_call *c)
{
    const struct ic_cost_minute *minute = ic_cost_minutes(ic_books_cost(c->proxy->books));
    int64_t first = ic_books_hour(c->proxy->books).minute;
    size_t count = 0;
    for (int64_t at = first; at < first + IC_COST_MINUTES; at++) {
        count += minute[at % IC_COST_MINUTES].minute == at;
    }
    ic_resp_array(c->out, count);
    for (int64_t at = first; at < first + IC_COST_MINUTES; at++) {
        const struct ic_cost_minute *m = &minute[at % IC_COST_MINUTES];
        if (m->minute == at) {
            ic_resp_map(c->out, 5);
            ic_resp_pair_uint(c->out, "time", (uint64_t)at * 60);
            ic_resp_pair_uint(c->out, "invocations", m->invocations);
            ic_resp_pair_uint(c->out, "billed_ms", m->billed_ms);
            write_double(c->out, "dollars", m->dollars);
            write_double(c->out, "dollars_unreported_max", m->unreported_dollars);
        }
    }
}

void ic_command_ic_cost_functions(struct ic_call *c)
{
    const struct ic_cost *cost = ic_books_cost(c->proxy->books);
    uint32_t count = ic_pool_count(ic_functions_pool(c->proxy->functions));
    ic_resp_array(c->out, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct ic_cost_account *a = ic_cost_account(cost, (uint16_t)i);
        ic_resp_map(c->out, 7);
        ic_resp_pair_str(c->out, "function", ic_functions_name(c->proxy->functions, (uint16_t)i));
        ic_resp_pair_uint(c->out, "invocations", a->invocations);
        ic_resp_pair_uint(c->out, "billed_ms", a->billed_ms);
        write_double(c->out, "dollars", a->dollars);
        ic_resp_pair_uint(c->out, "unreported_invocations", a->unreported);
        ic_resp_pair_uint(c->out, "unreported_ms_max", a->unreported_ms_max);
        ic_resp_pair_uint(c->out, "outstanding_invocations", a->outstanding);
    }
}

/* ---- what one GET of a key costs ------------------------------------------------ */

struct estimate {
    uint64_t invocations;
    double dollars;
};

/* The cheapest d of the object's chunks that are held. */
static struct estimate estimate_get(struct ic_call *c, const struct ic_object *o, bool asleep)
{
    struct estimate sum = {0};
    uint64_t taken = 0;
    static_assert(IC_RS_CHUNKS_MAX <= 64, "a bit per chunk");
    for (uint16_t n = 0; n < o->data && o->size > 0; n++) {
        struct ic_read_price best = {0};
        int found = -1;
        for (uint16_t i = 0; i < o->data + o->parity; i++) {
            if ((taken >> i & 1) != 0 || !ic_store_held(c->proxy->store, o, i)) {
                continue;
            }
            struct ic_read_price price =
                ic_functions_read_price(c->proxy->functions, o->place[i].function, asleep);
            if (found < 0 || price.dollars < best.dollars) {
                best = price;
                found = i;
            }
        }
        if (found >= 0) {
            taken |= UINT64_C(1) << found;
            sum.invocations += best.invokes;
            sum.dollars += best.dollars;
        }
    }
    return sum;
}

void ic_command_ic_cost_key(struct ic_call *c)
{
    const struct ic_entry *e = ic_key_find(c, 2);
    if (e == NULL) {
        ic_resp_null(c->out);
        return;
    }
    struct estimate asleep = estimate_get(c, e->object, true);
    struct estimate now = estimate_get(c, e->object, false);
    ic_resp_map(c->out, 5);
    ic_resp_pair_uint(c->out, "size", e->object->size);
    ic_resp_pair_uint(c->out, "invocations_asleep", asleep.invocations);
    write_double(c->out, "dollars_asleep", asleep.dollars);
    ic_resp_pair_uint(c->out, "invocations_now", now.invocations);
    write_double(c->out, "dollars_now", now.dollars);
}

void ic_command_ic_cost_help(struct ic_call *c)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return what was spent, by cause, what it would have cost elsewhere, and the budget.",
        "HOUR",
        "    Return what was charged in each of the last 60 minutes.",
        "FUNCTIONS",
        "    Return what each function was billed.",
        "KEY <key>",
        "    Return what one GET of <key> costs if every function sleeps, and now.",
        "SLOWLOG [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all), each with",
        "    what that command cost.",
        NULL};
    ic_call_help(c, lines);
}
