#include "proxy/repair.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/repair.h"
#include "proxy/functions.h"
#include "proxy/proxy.h"
#include "proxy/repair_job.h"
#include "proxy/window.h"

#include <assert.h>

enum {
    LOOK_MS = 1000,   /* CONFIG SET repair is noticed within this */
    LOOKS_MAX = 1000, /* ids looked at in one turn: a microsecond each */
    YIELD_MS = 20,    /* requests wait for window memory: looks again after this */
};

struct ic_repair {
    struct ic_proxy *proxy;
    struct ic_repair_queue *queue;
    struct ic_token_bucket bucket;
    struct ic_timer timer;
    struct ic_repair_job *job[IC_REPAIR_ACTIVE_MAX]; /* NULL: free */
    uint32_t active;
    int mode;         /* `repair` as it was seen last */
    bool passed_over; /* something lacked chunks, and `repair` did not want it then */
    bool stopped;
    uint64_t yields_ms; /* since when it does not begin because requests wait; 0: it may begin */
    struct ic_repair_stats stats;
};

static uint64_t now_ms(const struct ic_repair *r)
{
    return ic_loop_now_ms(r->proxy->loop);
}

static bool is_active(const struct ic_repair *r, uint64_t id)
{
    for (size_t i = 0; i < IC_REPAIR_ACTIVE_MAX; i++) {
        if (r->job[i] != NULL && ic_repair_job_object(r->job[i]) == id) {
            return true;
        }
    }
    return false;
}

/* ---- the timer -------------------------------------------------------------- */

/* Requests wait for window memory, and go first: but not before what bears no further loss, nor for
 * ever, or under load that goes on what lacks chunks would lack more and more of them. */
static bool yields(struct ic_repair *r)
{
    uint64_t now = now_ms(r);
    bool crowded = ic_window_stats(r->proxy->window).waiting > 0 && !ic_repair_is_urgent(r->queue);
    r->yields_ms = !crowded ? 0 : r->yields_ms == 0 ? now : r->yields_ms;
    return crowded && now - r->yields_ms < IC_REPAIR_YIELD_MAX_MS;
}

/* When a job may begin; UINT64_MAX: none waits, or all places are taken. */
static uint64_t begin_at(struct ic_repair *r)
{
    uint64_t now = now_ms(r), at = ic_repair_next_at(r->queue);
    uint64_t rate = (uint64_t)r->proxy->config->repair_rate;
    if (at == UINT64_MAX || r->active == IC_REPAIR_ACTIVE_MAX) {
        return UINT64_MAX;
    }
    uint64_t allowed = now + ic_token_bucket_wait(&r->bucket, rate, now);
    if (yields(r)) {
        allowed = allowed > now + YIELD_MS ? allowed : now + YIELD_MS;
    }
    return at > allowed ? at : allowed;
}

static void schedule(struct ic_repair *r)
{
    uint64_t now = now_ms(r), due = now + LOOK_MS;
    uint64_t begin = begin_at(r), retry = ic_repair_retry_at(r->queue);
    due = begin < due ? begin : due;
    due = retry < due ? retry : due;
    if (!r->stopped) {
        ic_timer_start(&r->timer, due > now ? due - now : 0);
    }
}

/* ---- jobs ------------------------------------------------------------------- */

static void count(struct ic_repair *r, const struct ic_repair_outcome *outcome)
{
    r->stats.chunks += outcome->chunks;
    r->stats.bytes += outcome->bytes;
    if (outcome->result == 0) {
        r->stats.done++;
    } else if (outcome->result == IC_ENOENT) {
        r->stats.dropped++;
    } else {
        r->stats.failed++;
    }
}

static void on_ended(void *ctx, struct ic_repair_job *job, const struct ic_repair_outcome *outcome)
{
    struct ic_repair *r = ctx;
    for (size_t i = 0; i < IC_REPAIR_ACTIVE_MAX; i++) {
        r->job[i] = r->job[i] == job ? NULL : r->job[i];
    }
    r->active--;
    ic_repair_job_free(job);
    count(r, outcome);
    ic_log(outcome->result == 0 ? IC_LOG_DEBUG : IC_LOG_INFO, "repair-ended",
           "object=%016llx chunks=%u result=\"%s\"", (unsigned long long)outcome->object_id,
           outcome->chunks, outcome->result == 0 ? "done" : ic_error_text(outcome->result));
    const struct ic_object *o = ic_store_object(r->proxy->store, outcome->object_id);
    if (outcome->chunks > 0) {
        ic_repair_succeeded(r->queue);
    }
    if (o != NULL && ic_store_lost_count(r->proxy->store, o) > 0) {
        ic_repair_failed(r->queue, now_ms(r)); /* not all of it, or more was lost meanwhile */
    }
    schedule(r);
}

static void begin(struct ic_repair *r, uint64_t id)
{
    struct ic_object *o = ic_store_object(r->proxy->store, id);
    struct ic_repair_job **slot = r->job;
    while (*slot != NULL) {
        slot++;
    }
    r->yields_ms = 0;
    int result =
        o == NULL ? IC_ENOENT : ic_repair_job_new(r->proxy, o, &r->bucket, on_ended, r, slot);
    if (result == 0) {
        r->active++;
    } else if (result != IC_ENOENT && result != IC_EINVAL) {
        r->stats.postponed++;
        ic_repair_failed(r->queue, now_ms(r));
    }
}

/* Functions of the object's chunks that are awake; < 0: it needs no repair, or is in one. */
static int count_awake(void *ctx, uint64_t id)
{
    struct ic_repair *r = ctx;
    const struct ic_object *o = ic_store_object(r->proxy->store, id);
    if (o == NULL || is_active(r, id) || ic_store_lost_count(r->proxy->store, o) == 0) {
        return -1;
    }
    int awake = 0;
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        const struct ic_chunk_place *place = &o->place[i];
        awake += place->function != IC_FUNCTION_NONE &&
                 ic_functions_status(r->proxy->functions, place->function, 0) == IC_STATUS_AWAKE;
    }
    return awake;
}

static void give_up_jobs(struct ic_repair *r)
{
    for (size_t i = 0; i < IC_REPAIR_ACTIVE_MAX; i++) {
        if (r->job[i] != NULL) {
            ic_repair_job_free(r->job[i]);
            r->job[i] = NULL;
        }
    }
    r->active = 0;
}

static void look_at_mode(struct ic_repair *r)
{
    int mode = r->proxy->config->repair;
    bool changed = mode != r->mode;
    r->mode = mode;
    if (changed && mode == IC_REPAIR_MODE_OFF) {
        ic_repair_forget_all(r->queue);
        give_up_jobs(r);
    } else if (mode == IC_REPAIR_MODE_EAGER && (changed || r->passed_over)) {
        r->passed_over = false;
        ic_store_sweep(r->proxy->store, IC_DEGRADED_SWEEP);
    }
}

static void on_timer(void *ctx)
{
    struct ic_repair *r = ctx;
    uint32_t looks = LOOKS_MAX;
    uint64_t id;
    look_at_mode(r);
    if (ic_repair_retry_at(r->queue) <= now_ms(r)) {
        ic_repair_retried(r->queue);
        if (r->mode == IC_REPAIR_MODE_EAGER) {
            ic_store_sweep(r->proxy->store, IC_DEGRADED_SWEEP);
        }
    }
    while (begin_at(r) <= now_ms(r) &&
           ic_repair_next(r->queue, now_ms(r), count_awake, r, &looks, &id)) {
        begin(r, id);
    }
    schedule(r);
}

/* ---- what lacks chunks ------------------------------------------------------ */

static bool is_wanted(const struct ic_repair *r, enum ic_degraded found)
{
    switch (r->proxy->config->repair) {
    case IC_REPAIR_MODE_EAGER:
        return true;
    case IC_REPAIR_MODE_LAZY:
        return found == IC_DEGRADED_READ || found == IC_DEGRADED_ASKED;
    default:
        return found == IC_DEGRADED_ASKED;
    }
}

void ic_repair_degraded(struct ic_repair *r, const struct ic_object *o, enum ic_degraded found)
{
    struct ic_slice key;
    int64_t expires_ms;
    bool wanted = is_wanted(r, found);
    r->passed_over = r->passed_over || !wanted;
    if (r->stopped || !wanted || is_active(r, o->id) || !ic_store_seal_key(o, &key, &expires_ms)) {
        return;
    }
    uint32_t level = ic_store_repair_level(r->proxy->store, o, ic_clock_wall_ms());
    int result = ic_repair_offer(r->queue, o->id, level, now_ms(r));
    if (result < 0) {
        ic_log(IC_LOG_DEBUG, "repair-left-out", "object=%016llx reason=\"%s\"",
               (unsigned long long)o->id, ic_error_text(result));
    }
    schedule(r);
}

/* ---- life ------------------------------------------------------------------- */

struct ic_repair *ic_repair_new(struct ic_proxy *p)
{
    struct ic_repair *r = ic_calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->proxy = p;
    r->mode = p->config->repair;
    r->queue = ic_repair_queue_new(IC_REPAIR_QUEUE_MAX, ic_rng_next(&p->rng));
    if (r->queue == NULL) {
        ic_free(r);
        return NULL;
    }
    ic_timer_init(&r->timer, p->loop, on_timer, r);
    schedule(r);
    return r;
}

void ic_repair_stop(struct ic_repair *r)
{
    r->stopped = true;
    ic_timer_stop(&r->timer);
    give_up_jobs(r);
}

void ic_repair_free(struct ic_repair *r)
{
    if (r != NULL) {
        ic_repair_stop(r);
        ic_repair_queue_free(r->queue);
        ic_free(r);
    }
}

/* ---- figures ---------------------------------------------------------------- */

struct ic_repair_stats ic_repair_stats(const struct ic_repair *r)
{
    struct ic_repair_stats stats = r->stats;
    stats.waiting = ic_repair_waiting(r->queue);
    stats.active = r->active;
    return stats;
}

void ic_repair_stats_reset(struct ic_repair *r)
{
    r->stats = (struct ic_repair_stats){0};
}
