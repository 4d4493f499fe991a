/*
 * pool_internal.h - what the files of the pool share:
 *
 *   pool.c         states, instances     pool_bytes.c    the bytes of each instance
 *   pool_warm.c    warm-ups
 */
#ifndef IC_CORE_POOL_INTERNAL_H
#define IC_CORE_POOL_INTERNAL_H

#include "core/pool.h"

#include <assert.h>

struct ic_pool {
    struct ic_pool_settings settings;
    struct ic_pool_function *function;
    uint32_t last_serial;
    uint32_t throttles;          /* in a row */
    uint64_t had;                /* Invokes that came to something, and nodes */
    uint32_t slow;               /* functions */
    bool peers;                  /* are raised */
    uint64_t throttled_until_ms; /* no Invoke of any function before */
    uint64_t start_ms;
    struct ic_heap warm; /* the functions, by when their next warm-up is due */
};

static inline struct ic_pool_function *ic_pool_at(const struct ic_pool *pool, uint16_t function)
{
    assert(function < pool->settings.functions);
    return &pool->function[function];
}

/* pool_warm.c: the order of pool->warm, of two functions' warm_node. */
bool ic_pool_warmed_before(const struct ic_heap_node *a, const struct ic_heap_node *b);

#endif
