/*
 * function_pace.c - whether a function is one of those that others are asked before: its instance
 * answered late a while ago (core/slow.h), or the function is late now: its node does not come, or
 * has been sent home and does not return, so that nothing can be asked of it for IC_SLOW_MS; or it
 * was late a while ago, and is to be woken again. What is found is shown in the pool
 * (ic_pool_set_slow).
 */
#include "base/log.h"
#include "proxy/function_internal.h"

enum { ANYBODY = 0 }; /* in place of a serial: it is the function that is slow to come */

/* Nothing can be asked of it, nor can it be invoked, before what usually takes no time is over: its
 * own coming or leaving, or its peer's. */
static bool is_awaited(const struct ic_function *fn)
{
    switch (ic_function_state(fn)->state) {
    case IC_FUNCTION_INVOKING:
    case IC_FUNCTION_LEAVING:
        return true;
    case IC_FUNCTION_ABSENT:
    case IC_FUNCTION_ASLEEP:
    case IC_FUNCTION_LOST:
        return !ic_function_is_peer(fn) &&
               ic_pool_invoke_at(fn->all->pool, fn->index) == UINT64_MAX;
    case IC_FUNCTION_ACTIVE:
    case IC_FUNCTION_UNKNOWN: /* it is down */
        break;
    }
    return false;
}

bool ic_function_is_late(const struct ic_function *fn)
{
    return fn->awaited_ms != 0 && ic_function_now(fn) - fn->awaited_ms >= IC_SLOW_MS;
}

uint64_t ic_function_pace_at(const struct ic_function *own)
{
    bool slow = ic_slow_is(&own->slow, ic_function_now(own));
    bool in_time = own->awaited_ms != 0 && !ic_function_is_late(own);
    uint64_t slow_ms = slow ? own->slow.until_ms : UINT64_MAX;
    uint64_t late_ms = in_time ? own->awaited_ms + IC_SLOW_MS : UINT64_MAX;
    return slow_ms < late_ms ? slow_ms : late_ms;
}

/* What is to come before something can be asked of it. */
static const char *awaited(const struct ic_function *own)
{
    const struct ic_pool_run *p = ic_function_state(own);
    if (p->state == IC_FUNCTION_INVOKING && p->kind == IC_INVOKE_SERVE) {
        return "hello";
    }
    return p->response_due ? "response" : "peer";
}

void ic_function_show_pace(struct ic_function *fn)
{
    struct ic_function *own = fn->own;
    bool before = ic_pool_function(own->all->pool, own->index)->slow;
    bool slow = ic_slow_is(&own->slow, ic_function_now(own));
    bool late = ic_function_is_late(own);
    if (late && !slow && !before) {
        ic_log(IC_LOG_INFO, "function-slow", "function=%s awaited=%s", own->name, awaited(own));
    }
    ic_pool_set_slow(own->all->pool, own->index, slow || late);
}

/* Instance SERIAL took MS, or has taken so long, by TELL (slow.h). */
static void note_pace(struct ic_function *fn, uint32_t serial, uint64_t ms,
                      void (*tell)(struct ic_slow *s, uint64_t ms, uint64_t now_ms))
{
    struct ic_function *own = fn->own;
    uint64_t now_ms = ic_function_now(fn);
    bool before = ic_slow_is(&own->slow, now_ms);
    tell(&own->slow, ms, now_ms);
    if (ic_slow_is(&own->slow, now_ms) && !before) {
        own->slow_serial = serial;
        ic_log(IC_LOG_INFO, "function-slow", "function=%s serial=%u took_ms=%llu for_ms=%llu",
               fn->name, serial, (unsigned long long)ms, (unsigned long long)own->slow.for_ms);
        ic_function_show_pace(own);
        ic_function_schedule(own);
    }
}

void ic_function_note_pace(struct ic_function *fn, uint64_t ms,
                           void (*tell)(struct ic_slow *s, uint64_t ms, uint64_t now_ms))
{
    note_pace(fn, ic_link_serial(fn->link), ms, tell);
}

/* What was awaited of FN is over. If it came, and late, so will who is next; who did not
 * has failed, which is more, and the next peer will be another's. */
static void note_came(struct ic_function *fn)
{
    enum ic_function_state state = ic_function_state(fn)->state;
    bool came = state == IC_FUNCTION_ACTIVE || state == IC_FUNCTION_ASLEEP;
    if (came && ic_function_is_late(fn) && !ic_function_is_peer(fn)) {
        note_pace(fn, ANYBODY, ic_function_now(fn) - fn->awaited_ms, ic_slow_waits);
    }
}

static void note_awaited(struct ic_function *fn)
{
    bool before = fn->awaited_ms != 0, now = is_awaited(fn);
    if (now == before) {
        return;
    }
    if (before) {
        note_came(fn);
    }
    fn->awaited_ms = now ? ic_function_now(fn) : 0;
    ic_function_show_pace(fn);
    ic_function_schedule(fn->own);
}

void ic_function_changed(struct ic_function *fn)
{
    note_awaited(fn->own);
    if (fn->own->peer != NULL) {
        note_awaited(fn->own->peer);
    }
}

void ic_function_met(struct ic_function *fn, uint32_t serial)
{
    struct ic_function *own = fn->own;
    if (own->slow_serial != ANYBODY && own->slow_serial != serial) {
        own->slow_serial = ANYBODY;
        own->slow = (struct ic_slow){0};
        ic_function_show_pace(own);
    }
}
