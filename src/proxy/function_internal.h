/*
 * function_internal.h - what the files of one function share:
 *
 *   function.c          requests, deadlines, the link's words    function_hello.c   HELLO
 *   function_invoke.c   Invoke and its answer                    function_lease.c   the lease
 *   function_peer.c     two at a time
 */
#ifndef IC_PROXY_FUNCTION_INTERNAL_H
#define IC_PROXY_FUNCTION_INTERNAL_H

#include "proxy/function.h"

static inline uint64_t ic_function_now(const struct ic_function *fn)
{
    return ic_loop_now_ms(fn->all->loop);
}

/* Its invocation, as the pool has it. */
static inline const struct ic_pool_run *ic_function_state(const struct ic_function *fn)
{
    const struct ic_pool_function *p = ic_pool_function(fn->all->pool, fn->index);
    return fn->lane == IC_LANE_PEER ? &p->peer : &p->serve;
}

static inline bool ic_function_is_peer(const struct ic_function *fn)
{
    return fn->lane == IC_LANE_PEER;
}

static inline enum ic_function_state ic_function_event(struct ic_function *fn,
                                                       enum ic_pool_event event)
{
    return ic_pool_lane_event(fn->all->pool, fn->index, fn->lane, event, ic_function_now(fn),
                              ic_rng_next(&fn->all->rng));
}

/* ---- function.c ------------------------------------------------------------- */

/* The timer fires no later than needed; moving it to a later time is left to its firing. */
void ic_function_schedule(struct ic_function *fn);
/* Of everybody who waits: TIMEOUT_MS from now. */
void ic_function_set_deadlines(struct ic_function *fn, int64_t timeout_ms);
/* The node's link is there, or it has left for good. */
void ic_function_forget_link_loss(struct ic_function *fn);
/* The numbering of operations outlives the link's stay with an instance, which may turn up on the
 * function's other link next: at the end of an invocation. */
void ic_function_save_numbers(struct ic_function *fn);

/* ---- function_lease.c ------------------------------------------------------- */

void ic_function_lease_invoked(struct ic_function *fn);
/* HELLO of an invocation with LEFT_MS left; OURS: the one that was invoked last, its first HELLO.
 */
void ic_function_lease_hello(struct ic_function *fn, uint64_t left_ms, bool ours);
/* A request comes and nobody waits for another; NODES: as in struct ic_node_request. */
void ic_function_lease_arrival(struct ic_function *fn, uint32_t nodes);
/* Nobody waits any more. */
void ic_function_lease_quiet(struct ic_function *fn);
/* What a node is to be told now; PROMISED: it is woken for a request that will come. */
uint32_t ic_function_lease_ms(struct ic_function *fn, bool promised);
/* When the running invocation's node is sent home at the latest. */
uint64_t ic_function_farewell_ms(const struct ic_function *fn);

/* ---- function_peer.c -------------------------------------------------------- */

/* Its node is to stay although it says BYE. */
bool ic_function_is_kept(const struct ic_function *fn);
void ic_function_on_meeting_timer(void *fn);
/* Something about FN or its peer has changed: the meeting goes on in the next turn. */
void ic_function_step_meeting(struct ic_function *fn);

/* ---- function_invoke.c ------------------------------------------------------ */

/* Sends an Invoke; the pool permits it. */
void ic_function_invoke(struct ic_function *fn, enum ic_invoke_kind kind);
/* Remembers WHAT went wrong with it and the ADVICE for it, for clients that ask in vain. */
void ic_function_note_trouble(struct ic_function *fn, const char *what, const char *advice);
/* No response is to come any more: the invocation is unreported. LEFT: its node is known to have
 * returned by now. */
void ic_function_settle(struct ic_function *fn, bool left);
/*
 * A second instance has shown itself for the current invocation, because its request was sent
 * twice: one more invocation, whose response nobody will see. Which of the two the response belongs
 * to that is still to come cannot be told, so the bound is that of any.
 */
void ic_function_count_double(struct ic_function *fn);

#endif
