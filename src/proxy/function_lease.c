/*
 * function_lease.c - the lease (core/lease.h) of one function: what staying and leaving cost at
 * present, and what its node is told. The wait for an invocation is measured over the whole pool.
 */
#include "base/config.h"
#include "base/log.h"
#include "proxy/function_internal.h"

enum { FAREWELL_MS = 15000 }; /* before an invocation's end a node is sent home, if not by BYE */

/* Of a smoothed figure, the newest value's part. */
static const double NEWEST = 1.0 / 8;

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
        f->wake_ms += ((double)(now_ms - fn->invoked_ms) - f->wake_ms) * NEWEST;
        f->startup_ms += ((double)(now_ms - begun_ms) - f->startup_ms) * NEWEST;
    }
}

static struct ic_lease_settings settings_of(const struct ic_function *fn)
{
    const struct ic_functions *f = fn->all;
    const struct ic_config *c = f->config;
    struct ic_rate rate =
        ic_prices_rate(f->prices, c->billing, c->architecture, (uint64_t)c->memory);
    uint64_t now_ms = ic_function_now(fn), end_ms = ic_function_farewell_ms(fn);
    return (struct ic_lease_settings){
        .cycle_ms = rate.granularity,
        .stay = rate.per_ms,
        .leave = rate.per_invocation + f->startup_ms * rate.per_ms,
        .wait = c->latency_value / 1000 * f->wake_ms,
        .most_ms = end_ms > now_ms ? end_ms - now_ms : 0,
    };
}

void ic_function_lease_arrival(struct ic_function *fn, uint32_t nodes)
{
    struct ic_lease_settings s = settings_of(fn);
    ic_lease_arrival(&fn->lease, nodes == 0 ? 1 : nodes, &s, ic_function_now(fn));
}

/* ---- what the node is told -------------------------------------------------- */

uint64_t ic_function_farewell_ms(const struct ic_function *fn)
{
    uint64_t max_ms = ic_pool_invocation_max(fn->all->pool);
    uint64_t margin_ms = max_ms / 4 < FAREWELL_MS ? max_ms / 4 : FAREWELL_MS;
    return ic_function_state(fn)->deadline_ms - margin_ms;
}

uint32_t ic_function_lease_ms(struct ic_function *fn, bool promised)
{
    struct ic_lease_settings s = settings_of(fn);
    uint64_t fixed_ms = (uint64_t)fn->all->config->lease;
    uint64_t lease_ms = fixed_ms > 0 && fixed_ms < s.most_ms ? fixed_ms : s.most_ms;
    if (fixed_ms == 0) {
        lease_ms = promised ? ic_lease_promised_ms(&fn->lease, &s, ic_function_now(fn))
                            : ic_lease_ms(&fn->lease, &s, ic_function_now(fn));
    }
    fn->lease_ms = (uint32_t)(lease_ms > 0 ? lease_ms : 1);
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
