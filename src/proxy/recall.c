#include "proxy/recall.h"

#include "base/config.h"
#include "proxy/proxy.h"

#include <assert.h>

enum { RETRY_MS = 20 }; /* its instances are still parting, or somebody else has them meet */

static void finish(struct ic_recall *r, int result)
{
    r->waits = false;
    r->done(r, result);
}

static void on_met(struct ic_meeting *m, int result, uint32_t current, uint32_t beside)
{
    struct ic_recall *r = m->ctx;
    (void)current;
    (void)beside;
    finish(r, result);
}

/* Requests to the one that left have failed or will, which is how the owner hears of it. */
static void on_ended(struct ic_meeting *m)
{
    (void)m;
}

static void try(struct ic_recall *r)
{
    int result = ic_functions_meet(r->proxy->functions, &r->meeting);
    bool late = ic_loop_now_ms(r->proxy->loop) >= r->until_ms;
    if (result == IC_EBUSY && !late) {
        ic_timer_start(&r->retry, RETRY_MS);
    } else if (result < 0) {
        r->error = result;
        ic_timer_start(&r->retry, 0);
    }
}

static void on_retry(void *ctx)
{
    struct ic_recall *r = ctx;
    const struct ic_meeting *m = &r->meeting;
    if (r->error < 0) {
        finish(r, r->error);
    } else if (ic_functions_status(r->proxy->functions, m->function, r->serial) != IC_STATUS_AWAY) {
        finish(r, 0); /* somebody else has brought it back */
    } else {
        try(r);
    }
}

void ic_recall_init(struct ic_recall *r, struct ic_proxy *p,
                    void (*done)(struct ic_recall *r, int result), void *ctx)
{
    *r = (struct ic_recall){.proxy = p, .done = done, .ctx = ctx};
    ic_timer_init(&r->retry, p->loop, on_retry, r);
}

void ic_recall_begin(struct ic_recall *r, uint16_t function, uint32_t serial)
{
    assert(!r->waits);
    ic_recall_end(r); /* they were together, but one has left */
    r->meeting = (struct ic_meeting){
        .function = function, .cause = IC_COST_SERVE, .met = on_met, .ended = on_ended, .ctx = r};
    r->serial = serial;
    r->waits = true;
    r->error = 0;
    r->until_ms = ic_loop_now_ms(r->proxy->loop) + 2 * (uint64_t)r->proxy->config->invoke_timeout;
    try(r);
}

bool ic_recall_active(const struct ic_recall *r)
{
    return r->waits || r->meeting.stage != IC_MEETING_OVER;
}

void ic_recall_end(struct ic_recall *r)
{
    r->waits = false;
    ic_timer_stop(&r->retry);
    ic_functions_part(r->proxy->functions, &r->meeting);
}

void ic_recall_deinit(const struct ic_recall *r)
{
    assert(!ic_recall_active(r) && !r->retry.armed);
}
