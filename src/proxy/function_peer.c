/*
 * function_peer.c - two instances of one function at a time (struct ic_meeting): the one that
 * answers is held, its peer raised by a second Invoke, and both are sent home afterwards, the
 * peer first, so that a platform that prefers the instance used last gives us the other again.
 * A peer that an earlier proxy raised is adopted, and sent home if nobody wants the two to meet.
 */
#include "base/config.h"
#include "base/log.h"
#include "proxy/function_internal.h"

#include <assert.h>

bool ic_function_is_kept(const struct ic_function *fn)
{
    const struct ic_function *own = fn->own;
    if (own->meeting != NULL) {
        return true;
    }
    enum ic_function_state peer =
        own->peer == NULL ? IC_FUNCTION_ABSENT : ic_function_state(own->peer)->state;
    return fn == own && (peer == IC_FUNCTION_ACTIVE || peer == IC_FUNCTION_LEAVING);
}

void ic_function_step_meeting(struct ic_function *fn)
{
    fn = fn->own;
    if (fn->peer != NULL) {
        ic_timer_start(&fn->meeting_timer, 0);
    }
}

/* Its node is there, and what it holds is known. */
static bool is_there(const struct ic_function *fn)
{
    const struct ic_pool_instance *instance =
        ic_pool_find(fn->all->pool, fn->index, ic_link_serial(fn->link));
    return ic_function_state(fn)->state == IC_FUNCTION_ACTIVE && ic_link_attached(fn->link) &&
           !fn->leaving && instance != NULL && instance->known;
}

/* It was there as SERIAL: it is still, or may dial again. */
static bool is_still(const struct ic_function *fn, uint32_t serial)
{
    return ic_function_state(fn)->state == IC_FUNCTION_ACTIVE && !fn->leaving && !fn->given_up &&
           ic_link_serial(fn->link) == serial && ic_pool_holds(fn->all->pool, fn->index, serial);
}

/* Nobody holds them together any more. */
static void send_home(struct ic_function *fn)
{
    if (ic_function_state(fn->peer)->state == IC_FUNCTION_ACTIVE) {
        ic_function_dismiss(fn->peer);
    }
    if (fn->bye_held && !ic_function_is_kept(fn)) {
        fn->bye_held = false;
        if (ic_link_attached(fn->link) && ic_link_idle(fn->link) && !ic_link_asked(fn->link)) {
            ic_function_dismiss(fn);
        }
    }
}

/* The meeting is over before its owner parts them. */
static void end(struct ic_function *fn, int result)
{
    struct ic_meeting *m = fn->meeting;
    bool met = m->stage == IC_MEETING_MET;
    fn->meeting = NULL;
    m->stage = IC_MEETING_OVER;
    ic_log(IC_LOG_INFO, "meeting-over", "function=%s met=%s", fn->name, met ? "yes" : "no");
    send_home(fn);
    if (met) {
        m->ended(m);
    } else {
        m->met(m, result, 0, 0);
    }
}

static bool is_held(const struct ic_function *fn)
{
    return ic_function_held_until(fn) > ic_function_now(fn);
}

static void step_raising(struct ic_function *fn, struct ic_meeting *m)
{
    const struct ic_pool_run *peer = ic_function_state(fn->peer);
    if (!is_still(fn, ic_link_serial(fn->link)) ||
        (peer->state == IC_FUNCTION_ABSENT && !peer->response_due)) {
        end(fn, IC_EUNAVAIL);
    } else if (is_there(fn->peer) && is_there(fn)) {
        m->stage = IC_MEETING_MET;
        m->current = ic_link_serial(fn->link);
        m->beside = ic_link_serial(fn->peer->link);
        m->met(m, 0, m->current, m->beside);
    }
}

/* Its node is there: so is its peer, if it was adopted, or it is raised. */
static void raise_peer(struct ic_function *fn, struct ic_meeting *m)
{
    if (ic_function_state(fn->peer)->state == IC_FUNCTION_ACTIVE) {
        m->stage = IC_MEETING_RAISING;
        step_raising(fn, m);
    } else if (!is_held(fn->peer) &&
               ic_pool_may_raise(fn->all->pool, fn->index, ic_function_now(fn))) {
        m->stage = IC_MEETING_RAISING;
        ic_function_invoke(fn->peer, IC_INVOKE_PEER);
        ic_function_schedule(fn->peer);
    }
}

static void step_waking(struct ic_function *fn, struct ic_meeting *m)
{
    enum ic_function_state state = ic_function_state(fn)->state;
    if (state == IC_FUNCTION_UNKNOWN ||
        (state == IC_FUNCTION_LOST && ic_function_state(fn)->retry_ms > ic_function_now(fn))) {
        end(fn, IC_EUNAVAIL);
    } else if (is_there(fn)) {
        raise_peer(fn, m);
    } else if (state != IC_FUNCTION_ACTIVE) {
        if (!is_held(fn) && ic_function_state(fn->peer)->state == IC_FUNCTION_ACTIVE) {
            ic_function_dismiss(fn->peer); /* adopted, and in the way: the other does not come */
        }
        fn->wanted = true;
        ic_function_pursue(fn);
    }
}

static void step(struct ic_function *fn)
{
    struct ic_meeting *m = fn->meeting;
    if (m == NULL) {
        send_home(fn);
        return;
    }
    bool late = m->until_ms <= ic_function_now(fn);
    switch (m->stage) {
    case IC_MEETING_WAKING:
        late ? end(fn, IC_ETIMEOUT) : step_waking(fn, m);
        break;
    case IC_MEETING_RAISING:
        late ? end(fn, IC_ETIMEOUT) : step_raising(fn, m);
        break;
    case IC_MEETING_MET:
        if (!is_still(fn, m->current) || !is_still(fn->peer, m->beside)) {
            end(fn, 0);
        }
        break;
    case IC_MEETING_OVER:
        assert(false);
    }
}

void ic_function_on_meeting_timer(void *ctx)
{
    struct ic_function *fn = ctx;
    step(fn);
    const struct ic_meeting *m = fn->meeting;
    if (m != NULL && m->stage != IC_MEETING_MET && !fn->meeting_timer.armed) {
        enum { LOOK_MS = 100 }; /* a throttled pool, a peer that is still leaving */
        ic_timer_start(&fn->meeting_timer, LOOK_MS);
    }
}

int ic_function_meet(struct ic_function *fn, struct ic_meeting *m)
{
    if (fn->meeting != NULL || fn->all->stopping ||
        ic_pool_function(fn->all->pool, fn->index)->peer.state != IC_FUNCTION_ABSENT) {
        return IC_EBUSY;
    }
    int result = ic_function_make_peer(fn);
    if (result < 0) {
        return result;
    }
    fn->meeting = m;
    m->stage = IC_MEETING_WAKING;
    uint64_t held_ms = ic_function_held_until(fn->peer), now_ms = ic_function_now(fn);
    m->until_ms =
        (held_ms > now_ms ? held_ms : now_ms) + 2 * (uint64_t)fn->all->config->invoke_timeout;
    ic_function_step_meeting(fn);
    return 0;
}

void ic_function_part(struct ic_function *fn, struct ic_meeting *m)
{
    if (m->stage != IC_MEETING_OVER) {
        assert(fn->meeting == m);
        fn->meeting = NULL;
        m->stage = IC_MEETING_OVER;
        ic_function_step_meeting(fn);
    }
}
