/*
 * function_lease.c - the lease (core/lease.h) of one function: what staying and leaving cost at
 * present, and what its node is told. The wait for an invocation is measured over the whole pool.
 */
#include "base/config.h"
#include "base/log.h"
#include "proxy/function_internal.h"

/* ---- the measures ----------------------------------------------------------- */

static uint64_t invocation_timeout(const struct ic_function *fn)
{
    return (uint64_t)fn->all->config->function_timeout;
}

/* When the invocation began, of whose timeout LEFT_MS are left: not before it was asked for, if
 * that was by us, and not after now. */
static uint64_t begin_of(const struct ic_function *fn, uint64_t left_ms, bool ours)
{
    uint64_t now_ms = ic_function_now(fn), timeout_ms = invocation_timeout(fn);
    uint64_t ran_ms = left_ms < timeout_ms ? timeout_ms - left_ms : 0;
    uint64_t least_ms = ours ? fn->invoked_ms : 0;
    return now_ms - least_ms > ran_ms ? now_ms - ran_ms : least_ms;
}

void ic_function_lease_invoked(struct ic_function *fn)
{
    fn->invoked_ms = ic_function_now(fn);
    ic_lease_begin(&fn->lease, fn->invoked_ms);
}

void ic_function_lease_hello(struct ic_function *fn, uint64_t left_ms, bool ours)
{
    struct ic_functions *f = fn->all;
    uint64_t now_ms = ic_function_now(fn), begun_ms = begin_of(fn, left_ms, ours);
    ic_lease_begin(&fn->lease, begun_ms);
    if (ours) {
        ic_lease_measure(&f->measures, (double)(now_ms - fn->invoked_ms),
                         (double)(now_ms - begun_ms));
    }
}

static struct ic_lease_settings settings_of(const struct ic_function *fn)
{
    const struct ic_functions *f = fn->all;
    const struct ic_config *c = f->config;
    struct ic_rate rate =
        ic_prices_rate(f->prices, c->billing, c->architecture, (uint64_t)c->memory);
    uint64_t now_ms = ic_function_now(fn);
    uint64_t end_ms = ic_pool_farewell_ms(f->pool, fn->index, fn->lane);
    return ic_lease_settings_of(c, &rate, &f->measures, end_ms > now_ms ? end_ms - now_ms : 0);
}

void ic_function_lease_arrival(struct ic_function *fn, uint32_t nodes)
{
    struct ic_lease_settings s = settings_of(fn);
    ic_lease_arrival(&fn->lease, nodes == 0 ? 1 : nodes, &s, ic_function_now(fn));
}

/* ---- what the node is told -------------------------------------------------- */

uint32_t ic_function_lease_ms(struct ic_function *fn, bool promised)
{
    struct ic_lease_settings s = settings_of(fn);
    fn->lease_ms = ic_lease_told_ms(&fn->lease, &s, (uint64_t)fn->all->config->lease, promised,
                                    ic_function_now(fn));
    return fn->lease_ms;
}

/*
 * A request's lease was reckoned when it was sent, and runs from when it was answered. Where the
 * end of a cycle matters it is reckoned anew.
 */
void ic_function_lease_quiet(struct ic_function *fn)
{
    const struct ic_config *c = fn->all->config;
    if (c->lease == 0 && c->billing == IC_BILLING_100MS) {
        ic_link_keep(fn->link, ic_function_lease_ms(fn, false));
    }
    ic_log(IC_LOG_DEBUG, "lease", "function=%s lease_ms=%u gap_ms=%.0f gaps=%llu", fn->name,
           fn->lease_ms, fn->lease.gap_ms, (unsigned long long)fn->lease.gaps);
}
