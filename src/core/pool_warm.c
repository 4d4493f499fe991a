/* pool_warm.c - when each function is due for a warm-up. */
#include "core/pool_internal.h"

static struct ic_pool_function *of_warm(const struct ic_heap_node *node)
{
    return IC_CONTAINER(node, struct ic_pool_function, warm_node);
}

bool ic_pool_warmed_before(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    const struct ic_pool_function *f = of_warm(a), *g = of_warm(b);
    return f->warm_due_ms < g->warm_due_ms || (f->warm_due_ms == g->warm_due_ms && f < g);
}

/*
 * Function i has its slots at start + i/n of half an interval, every half interval. At a slot it
 * is warmed unless it was used within half an interval: so never later than an interval after its
 * last use, and the slots of the pool lie evenly.
 */
static uint64_t next_slot(const struct ic_pool *pool, uint16_t function, uint64_t now_ms)
{
    uint64_t half = pool->settings.warm_interval_ms / 2;
    if (half == 0) {
        return UINT64_MAX;
    }
    uint64_t phase = pool->start_ms + half * function / pool->settings.functions;
    return now_ms < phase ? phase : phase + ((now_ms - phase) / half + 1) * half;
}

void ic_pool_set_warm_interval(struct ic_pool *pool, uint64_t interval_ms, uint64_t now_ms)
{
    if (interval_ms == pool->settings.warm_interval_ms) {
        return;
    }
    pool->settings.warm_interval_ms = interval_ms;
    for (uint32_t i = 0; i < pool->settings.functions; i++) {
        bool first = pool->function[i].used_ms == 0; /* its first warm-up is due in any case */
        pool->function[i].warm_due_ms = first ? now_ms : next_slot(pool, (uint16_t)i, now_ms);
        ic_heap_moved(&pool->warm, &pool->function[i].warm_node);
    }
}

/* FUNCTION's slot has come: it is to be warmed now. Its next one is set. */
static bool take_slot(struct ic_pool *pool, uint16_t function, uint64_t now_ms)
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    bool lately = f->used_ms != 0 && now_ms - f->used_ms <= pool->settings.warm_interval_ms / 2;
    uint64_t at_ms = ic_pool_invoke_at(pool, function);
    bool backing_off = !lately && at_ms != UINT64_MAX && at_ms > now_ms;
    f->warm_due_ms = backing_off ? at_ms : next_slot(pool, function, now_ms);
    ic_heap_moved(&pool->warm, &f->warm_node);
    return !lately && at_ms <= now_ms;
}

int ic_pool_warm_next(struct ic_pool *pool, uint64_t now_ms, uint64_t *next_ms)
{
    struct ic_pool_function *f;
    while ((f = of_warm(ic_heap_first(&pool->warm)))->warm_due_ms <= now_ms) {
        uint16_t function = (uint16_t)(f - pool->function);
        if (take_slot(pool, function, now_ms)) {
            *next_ms = now_ms;
            return function;
        }
    }
    *next_ms = f->warm_due_ms;
    return -1;
}
