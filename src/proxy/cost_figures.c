#include "proxy/cost_figures.h"

#include "proxy/books.h"
#include "proxy/functions.h"

#include <inttypes.h>
#include <string.h>

int ic_figure_print_number(struct ic_buf *out, uint64_t value)
{
    return ic_buf_printf(out, "%" PRIu64, value);
}

int ic_figure_print_dollars(struct ic_buf *out, double value)
{
    return ic_buf_printf(out, "%.12f", value);
}

struct ic_cost_figures ic_cost_figures(const struct ic_books *b,
                                       const struct ic_functions *functions)
{
    const struct ic_cost *c = ic_books_cost(b);
    const struct ic_cost_totals *t = ic_cost_totals(c);
    struct ic_cost_figures f = {
        .billed_ms_total = ic_cost_billed_ms(c),
        .invocations_total = ic_cost_invocations(c),
        .unreported = t->unreported,
        .unreported_ms_max = t->unreported_ms_max,
        .outstanding = ic_cost_outstanding(c),
        .outstanding_ms = ic_functions_outstanding_ms(functions),
        .sent_bytes = t->sent_bytes,
        .received_bytes = t->received_bytes,
        .dollars_total = ic_cost_dollars(c),
        .unreported_dollars = t->unreported_dollars,
        .dollars_per_hour = ic_books_hour(b).dollars,
        .dollars_per_get = ic_cost_per_get(c),
        .dollars_per_gb = ic_cost_per_gib(c),
        .budget_per_hour = ic_books_limit(b),
        .budget_spent = ic_books_spent(b),
        .hours = t->hours,
        .elsewhere = ic_cost_alternatives(c),
        .level = ic_books_budget(b),
    };
    struct ic_rate rate = ic_cost_rate(c);
    f.outstanding_dollars =
        (double)f.outstanding * rate.per_invocation + (double)f.outstanding_ms * rate.per_ms;
    memcpy(f.billed_ms, t->billed_ms, sizeof f.billed_ms);
    memcpy(f.invocations, t->invocations, sizeof f.invocations);
    memcpy(f.dollars, t->dollars, sizeof f.dollars);
    return f;
}
