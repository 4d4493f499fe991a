/*
 * function_hello.c - a node has dialled in: is it the one expected, what of its instance
 * is still believed, and the link it becomes.
 */
#include "base/config.h"
#include "base/log.h"
#include "proxy/function_internal.h"

#include <stdio.h>
#include <string.h>

enum { EPOCHS_TAKEN_MAX = 4 }; /* of one function: as many as it has instances at once */

/* The first four bytes of an invocation id are the epoch that made it, so old ones are told apart.
 */
uint32_t ic_function_epoch_of(const uint8_t invocation[IC_INVOCATION_ID_BYTES])
{
    return (uint32_t)invocation[0] << 24 | (uint32_t)invocation[1] << 16 |
           (uint32_t)invocation[2] << 8 | invocation[3];
}

/* HELLO is of the invocation that is outstanding or active. */
static enum ic_door_verdict judge_current(const struct ic_function *fn,
                                          const struct ic_hello *hello)
{
    const struct ic_pool_run *p = ic_function_state(fn);
    bool same = fn->greeted && memcmp(fn->instance, hello->instance, sizeof fn->instance) == 0;
    if (same && hello->dial <= fn->dial) {
        return IC_DOOR_REFUSE; /* a replay */
    }
    switch (p->state) {
    case IC_FUNCTION_INVOKING:
    case IC_FUNCTION_UNKNOWN:
    case IC_FUNCTION_ACTIVE:
        if (p->kind == IC_INVOKE_WARM && !fn->greeted) {
            return IC_DOOR_REFUSE;
        }
        return fn->greeted && !same ? IC_DOOR_DISMISS : IC_DOOR_ENTER;
    case IC_FUNCTION_LEAVING: /* BYE_OK was lost with the link, or a second instance */
        return IC_DOOR_DISMISS;
    case IC_FUNCTION_ABSENT:
    case IC_FUNCTION_ASLEEP:
    case IC_FUNCTION_LOST:
        break;
    }
    return IC_DOOR_REFUSE; /* that invocation is over */
}

/* A proxy has been there whose epoch is not below ours: above it; or the same, if we have not let
 * the node in. During a rebuild that counts: what was stored by then must be of an epoch before
 * ours. Afterwards it does not: nobody has ids of ours (ic_store_set_epoch), and another epoch
 * would cost the uploads under way. */
static bool has_seen_another(const struct ic_function *fn, const struct ic_hello *hello)
{
    const struct ic_functions *f = fn->all;
    if (hello->highest_epoch != f->epoch || !f->rebuild) {
        return hello->highest_epoch > f->epoch;
    }
    return !ic_pool_has_greeted(f->pool, fn->index, hello->instance);
}

void ic_function_saw_epoch(struct ic_function *fn, uint32_t epoch)
{
    struct ic_functions *f = fn->all;
    uint32_t before = f->epoch;
    bool many = fn->own->epochs_taken >= EPOCHS_TAKEN_MAX && !f->rebuild;
    bool believed = !many && f->handler->epoch_seen(f->ctx, fn->index, epoch);
    fn->own->epochs_taken += f->epoch != before;
    if (believed) {
        return;
    }
    char what[80];
    snprintf(what, sizeof what, "its node says that it has served epoch %u, which cannot be",
             epoch);
    ic_function_note_trouble(fn, IC_OUTAGE_NO_NODE, 0, what,
                             "its code is not ours: delete the function, and deploy it again");
    if (!fn->lied) {
        fn->lied = true;
        ic_log(IC_LOG_WARNING, "epoch-impossible", "function=%s seen=%u epoch=%u", fn->name, epoch,
               f->epoch);
    }
}

static bool is_of_invocation(const struct ic_function *fn, const struct ic_hello *hello)
{
    return (fn->begun || fn->greeted) &&
           memcmp(fn->invocation, hello->invocation, sizeof fn->invocation) == 0;
}

static bool is_current(const struct ic_function *fn, const struct ic_hello *hello)
{
    const struct ic_pool_function *p = ic_pool_function(fn->all->pool, fn->index);
    const struct ic_pool_instance *current = ic_pool_find(fn->all->pool, fn->index, p->current);
    return current != NULL && memcmp(current->id, hello->instance, sizeof current->id) == 0;
}

/* A request is for this very instance. */
static bool is_waited_for(const struct ic_function *fn, const struct ic_hello *hello)
{
    const struct ic_pool_instance *i = ic_pool_find_id(fn->all->pool, fn->index, hello->instance);
    IC_LIST_EACH (node, &fn->waiters) {
        const struct ic_node_request *r = IC_CONTAINER(node, struct ic_node_request, wait);
        if (i != NULL && r->instance == i->serial) {
            return true;
        }
    }
    return false;
}

/*
 * A node of a proxy that ran before takes the peer's place where that is free: because the
 * function has begun with another, or because another holds more and may still come, and nobody
 * waits for this one.
 */
static bool is_adopted_beside(const struct ic_function *fn, const struct ic_hello *hello)
{
    bool vacant = fn->peer == NULL || !fn->peer->begun;
    if (!vacant || ic_function_epoch_of(hello->invocation) >= fn->all->epoch ||
        (hello->flags & IC_HELLO_DYING) != 0 || is_of_invocation(fn, hello)) {
        return false;
    }
    return fn->begun ? !is_current(fn, hello)
                     : ic_pool_outdone(fn->all->pool, fn->index, hello->instance) &&
                           !is_waited_for(fn, hello);
}

/* The one of FN's two invocations that HELLO is of. */
static struct ic_function *lane_of(struct ic_function *fn, const struct ic_hello *hello)
{
    struct ic_function *peer = fn->peer;
    bool beside = peer != NULL &&
                  ((peer->begun && is_of_invocation(peer, hello)) || is_adopted_beside(fn, hello));
    return beside ? peer : fn;
}

/* Not the instance that answers already: it has left, and taken the second Invoke as well. */
static enum ic_door_verdict judge_peer(const struct ic_function *fn, const struct ic_hello *hello)
{
    return is_current(fn, hello) ? IC_DOOR_DISMISS : judge_current(fn, hello);
}

enum ic_door_verdict ic_function_judge(struct ic_function *fn, const struct ic_hello *hello)
{
    struct ic_functions *f = fn->all;
    bool no_place = is_adopted_beside(fn, hello) && ic_function_make_peer(fn) < 0;
    fn = lane_of(fn, hello);
    enum ic_door_verdict verdict;
    if (no_place || ic_function_is_deaf_to(fn)) {
        verdict = IC_DOOR_REFUSE; /* it dials again */
    } else if (has_seen_another(fn, hello)) {
        ic_function_saw_epoch(fn, hello->highest_epoch);
        verdict = IC_DOOR_REFUSE; /* it dials again, and finds a higher one */
    } else if ((hello->flags & IC_HELLO_DYING) != 0) {
        verdict = ic_function_judge_dying(fn, hello);
    } else if (is_of_invocation(fn, hello)) {
        verdict = ic_function_is_peer(fn) ? judge_peer(fn, hello) : judge_current(fn, hello);
    } else if (ic_function_epoch_of(hello->invocation) >= f->epoch) {
        verdict = IC_DOOR_REFUSE; /* of this life, and not the current one; or of no life */
    } else {
        verdict = fn->begun || f->stopping ? IC_DOOR_DISMISS : IC_DOOR_ENTER; /* adopted */
    }
    bool other = fn->greeted && memcmp(fn->instance, hello->instance, sizeof fn->instance) != 0;
    if (verdict == IC_DOOR_DISMISS && other &&
        memcmp(fn->invocation, hello->invocation, sizeof fn->invocation) == 0) {
        ic_function_count_double(fn);
    }
    fn->figures.hellos_refused += verdict == IC_DOOR_REFUSE;
    fn->figures.dismissed += verdict == IC_DOOR_DISMISS;
    if (verdict == IC_DOOR_DISMISS) {
        ic_log(IC_LOG_INFO, "node-dismissed", "function=%s", fn->name);
    }
    return verdict;
}

/* The position must lie between the last operation answered and the last sent. */
static bool position_fits(const struct ic_pool_instance *instance, uint64_t position)
{
    if (instance->heard_ms == 0) {
        return true; /* named by the journal, which knows no positions */
    }
    return position >= instance->op_done && position <= instance->op_sent;
}

/* What the node holds must be what we count, if nothing is under way; some of what is condemned may
 * never have arrived. */
static bool held_fits(const struct ic_function *fn, const struct ic_pool_instance *instance)
{
    uint64_t held = instance->held_reported;
    bool quiet = ic_link_idle(fn->link) && instance->in_flight == 0;
    return !quiet || (held >= instance->live && held <= instance->live + instance->condemned);
}

/* The record of the instance that says HELLO, forgotten and made anew if its position is not ours.
 */
static struct ic_pool_instance *meet(struct ic_function *fn, const struct ic_hello *hello,
                                     bool again)
{
    struct ic_pool *pool = fn->all->pool;
    struct ic_pool_instance *instance = ic_pool_find_id(pool, fn->index, hello->instance);
    if (instance != NULL && !position_fits(instance, hello->position)) {
        ic_log(IC_LOG_WARNING, "instance-distrusted",
               "function=%s serial=%u position=%llu done=%llu sent=%llu", fn->name,
               instance->serial, (unsigned long long)hello->position,
               (unsigned long long)instance->op_done, (unsigned long long)instance->op_sent);
        ic_function_event(fn, IC_POOL_DOUBTED);
        ic_pool_gone(pool, fn->index, instance->serial);
        instance = NULL;
    }
    if (instance == NULL || !again) {
        instance = (ic_function_is_peer(fn) ? ic_pool_met : ic_pool_heard)(
            pool, fn->index, hello->instance, hello->capacity_bytes, hello->position,
            hello->held_bytes, ic_function_now(fn));
    }
    instance->greeted = true;
    instance->held_reported = hello->held_bytes;
    if (instance->known && !held_fits(fn, instance)) {
        ic_log(IC_LOG_WARNING, "instance-differs",
               "function=%s serial=%u held=%llu live=%llu condemned=%llu", fn->name,
               instance->serial, (unsigned long long)hello->held_bytes,
               (unsigned long long)instance->live, (unsigned long long)instance->condemned);
        ic_pool_set_known(instance, false);
    }
    return instance;
}

void ic_function_enter(struct ic_function *fn, const struct ic_hello *hello,
                       struct ic_stream *stream)
{
    struct ic_functions *f = fn->all;
    fn = lane_of(fn, hello);
    if ((hello->flags & IC_HELLO_DYING) != 0) {
        ic_function_enter_dying(fn, hello, stream);
        return;
    }
    bool again = ic_function_state(fn)->state == IC_FUNCTION_ACTIVE;
    if (again) { /* else they were saved when its last invocation ended */
        ic_function_save_numbers(fn);
    }
    ic_link_detach(fn->link);
    bool invoked = ic_function_state(fn)->state == IC_FUNCTION_INVOKING;
    if (!again) {
        ic_function_event(fn, IC_POOL_HELLO);
        ic_function_lease_hello(fn, hello->deadline_ms, invoked);
    }
    if (memcmp(fn->invocation, hello->invocation, sizeof fn->invocation) != 0) {
        fn->paid_until_ms = ic_function_now(fn); /* adopted: its own proxy's requests paid for it */
    }
    memcpy(fn->invocation, hello->invocation, sizeof fn->invocation);
    memcpy(fn->instance, hello->instance, sizeof fn->instance);
    fn->dial = hello->dial;
    fn->greeted = fn->begun = fn->heard = true;
    fn->wanted = false;
    fn->left_ms = 0;
    ic_function_forget_link_loss(fn);
    fn->figures.hellos++;
    fn->figures.redials += again;
    ic_function_had(fn, false);
    struct ic_pool_instance *instance = meet(fn, hello, again);
    ic_log(instance->known ? IC_LOG_DEBUG : IC_LOG_INFO, "node-hello",
           "function=%s serial=%u dial=%u held=%llu list=%s", fn->name, instance->serial,
           hello->dial, (unsigned long long)hello->held_bytes, instance->known ? "no" : "yes");
    if (instance->known) {
        ic_function_event(fn, IC_POOL_BELIEVED);
    } else {
        fn->listed = 0;
        f->handler->list_begin(f->ctx, fn->index, instance->serial);
    }
    ic_function_set_deadlines(fn, f->config->node_timeout);
    struct ic_link_attach a = {.stream = stream,
                               .serial = instance->serial,
                               .position = hello->position,
                               .lease_ms = ic_function_lease_ms(fn, !ic_link_asked(fn->link)),
                               .list = !instance->known};
    memcpy(a.id, hello->instance, sizeof a.id);
    ic_link_attach(fn->link, &a);
    ic_function_met(fn, instance->serial);
    fn->bye_held = false;
    ic_function_step_meeting(fn);
    ic_function_schedule(fn);
}
