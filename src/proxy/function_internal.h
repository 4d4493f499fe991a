/*
 * function_internal.h - what the files of one function share:
 *
 *   function.c          requests, deadlines, the link's words    function_hello.c   HELLO
 *   function_invoke.c   Invoke and its answer
 */
#ifndef IC_PROXY_FUNCTION_INTERNAL_H
#define IC_PROXY_FUNCTION_INTERNAL_H

#include "proxy/function.h"

static inline uint64_t ic_function_now(const struct ic_function *fn)
{
    return ic_loop_now_ms(fn->all->loop);
}

static inline const struct ic_pool_function *ic_function_state(const struct ic_function *fn)
{
    return ic_pool_function(fn->all->pool, fn->index);
}

static inline enum ic_function_state ic_function_event(struct ic_function *fn,
                                                       enum ic_pool_event event)
{
    return ic_pool_event(fn->all->pool, fn->index, event, ic_function_now(fn),
                         ic_rng_next(&fn->all->rng));
}

/* ---- function.c ------------------------------------------------------------- */

/* The timer fires no later than needed; moving it to a later time is left to its firing. */
void ic_function_schedule(struct ic_function *fn);
/* Of everybody who waits: TIMEOUT_MS from now. */
void ic_function_set_deadlines(struct ic_function *fn, int64_t timeout_ms);
/* The node's link is there, or it has left for good. */
void ic_function_forget_link_loss(struct ic_function *fn);
/* The numbering of operations outlives the link's stay with an instance. */
void ic_function_save_numbers(struct ic_function *fn);

/* ---- function_invoke.c ------------------------------------------------------ */

/* Sends an Invoke; the pool permits it. */
void ic_function_invoke(struct ic_function *fn, enum ic_invoke_kind kind);

#endif
