/*
 * function_internal.h - what the files of one function share:
 *
 *   function.c          requests, deadlines, the link's words    function_hello.c   HELLO
 *   function_invoke.c   Invoke and its answer                    function_lease.c   the lease
 *   function_peer.c     two at a time
 *   function_list.c     what a node lists                    function_dying.c   instances that the
 *   function_pace.c     who is slow                                            platform is ending
 */
#ifndef IC_PROXY_FUNCTION_INTERNAL_H
#define IC_PROXY_FUNCTION_INTERNAL_H

#include "proxy/function.h"

struct ic_dying;

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

/* What its node said cannot be, so that its HELLO is not accepted for now. */
static inline bool ic_function_is_deaf_to(const struct ic_function *fn)
{
    return ic_function_state(fn)->deaf_ms > ic_function_now(fn);
}

static inline bool ic_function_is_peer(const struct ic_function *fn)
{
    return fn->lane == IC_LANE_PEER;
}

/* ---- function_pace.c -------------------------------------------------------- */

/* The pool has been told something of FN, which may be awaited by now or not any more. */
void ic_function_changed(struct ic_function *fn);
/* When ic_function_show_pace is due if nothing happens; UINT64_MAX: never. OWN is no peer. */
uint64_t ic_function_pace_at(const struct ic_function *own);
/* Tells the pool whether FN's function is slow or late. */
void ic_function_show_pace(struct ic_function *fn);
/* An answer took MS, or has taken so long, by TELL (slow.h). */
void ic_function_note_pace(struct ic_function *fn, uint64_t ms,
                           void (*tell)(struct ic_slow *s, uint64_t ms, uint64_t now_ms));
/* Instance SERIAL has said HELLO: what another one was does not count any more. */
void ic_function_met(struct ic_function *fn, uint32_t serial);

static inline enum ic_function_state ic_function_event(struct ic_function *fn,
                                                       enum ic_pool_event event)
{
    enum ic_function_state state = ic_pool_lane_event(
        fn->all->pool, fn->index, fn->lane, event, ic_function_now(fn), ic_rng_next(&fn->all->rng));
    ic_function_changed(fn);
    return state;
}

/* ---- function.c ------------------------------------------------------------- */

/* Until then it is not invoked: its node may still be active, of a proxy that ran before: to be
 * adopted, or about to leave. The same of a peer. */
uint64_t ic_function_held_until(const struct ic_function *fn);
/* The timer fires no later than needed; moving it to a later time is left to its firing. */
void ic_function_schedule(struct ic_function *fn);
/* Of everybody who waits: TIMEOUT_MS from now. */
void ic_function_set_deadlines(struct ic_function *fn, int64_t timeout_ms);
/* The node's link is there, or it has left for good. */
void ic_function_forget_link_loss(struct ic_function *fn);
/* The numbering of operations outlives the link's stay with an instance, which may turn up on the
 * function's other link next: at the end of an invocation. */
void ic_function_save_numbers(struct ic_function *fn);

/* R is told RESULT in the next turn; 0: because the instance it is for is not attached. */
void ic_function_refuse(struct ic_function *fn, struct ic_node_request *r, int result);
/* An Invoke has ended. If it has failed, no node having come of it, those who wait for it are told:
 * others may serve in its place. Whoever comes later, or waits for a node that served and has died,
 * waits for a retry that is near. */
void ic_function_failed(struct ic_function *fn);
/* The link of an active node is gone; it may dial again. */
void ic_function_link_lost(struct ic_function *fn);

/* The instance that the link is with, as the pool knows it; NULL: none. */
struct ic_pool_instance *ic_function_attached(const struct ic_function *fn);
/* What we believe of the attached instance is wrong: forget it; it is listed when it dials again,
 * and nobody waits for that. */
void ic_function_distrust(struct ic_function *fn, const char *reason);

/* ---- function_hello.c ------------------------------------------------------- */

uint32_t ic_function_epoch_of(const uint8_t invocation[IC_INVOCATION_ID_BYTES]);
/* A node of it has seen EPOCH, which is not below ours. */
void ic_function_saw_epoch(struct ic_function *fn, uint32_t epoch);

/* ---- function_list.c -------------------------------------------------------- */

/* Of struct ic_link_handler, for a struct ic_function. */
bool ic_function_items(void *fn, struct ic_slice *items);
void ic_function_listed(void *fn, uint64_t mark);
/* It is the list's turn: what was put off. */
void ic_function_list_on(void *fn);

/* ---- function_dying.c ------------------------------------------------------- */

/* Instance SERIAL is dying; NULL: not that is known. */
struct ic_dying *ic_function_find_dying(const struct ic_function *fn, uint32_t serial);
/* A HELLO with DYING: known, current, new? */
enum ic_door_verdict ic_function_judge_dying(const struct ic_function *fn,
                                             const struct ic_hello *hello);
void ic_function_enter_dying(struct ic_function *fn, const struct ic_hello *hello,
                             struct ic_stream *stream);
/* OFFER on the serving link. */
void ic_function_offered(struct ic_function *fn, struct ic_slice items, uint64_t left_ms);
/* SERIAL is gone (the pool's word): its visit is over. */
void ic_function_dying_gone(struct ic_function *fn, uint32_t serial);
/* The link of its own on which a dying instance can be asked R; NULL: as every other request. */
struct ic_link *ic_function_dying_link(const struct ic_function *fn,
                                       const struct ic_node_request *r);

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

/* ---- function_peer.c -------------------------------------------------------- */

/* Its node is to stay although it says BYE. */
bool ic_function_is_kept(const struct ic_function *fn);
void ic_function_on_meeting_timer(void *fn);
/* Something about FN or its peer has changed: the meeting goes on in the next turn. */
void ic_function_step_meeting(struct ic_function *fn);

/* ---- function_invoke.c ------------------------------------------------------ */

/* Sends an Invoke; the pool permits it. */
void ic_function_invoke(struct ic_function *fn, enum ic_invoke_kind kind);
/* Remembers WHAT went wrong with it, already for FOR_MS, and the ADVICE for it, for clients that
 * ask in vain. */
void ic_function_note_trouble(struct ic_function *fn, enum ic_outage_cause cause, uint64_t for_ms,
                              const char *what, const char *advice);
/* A node of it has said HELLO, or (WARM) it has answered a warm-up: what was wrong is over. */
void ic_function_had(struct ic_function *fn, bool warm);
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
