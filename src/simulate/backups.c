/*
 * backups.c - the two instances of a function are brought together and copy what either has and
 * the other has not, as core/backup.h decides whose turn it is; see proxy/backup.c and
 * proxy/function_peer.c.
 *
 *   WAKING --active--> RAISING --the peer's HELLO--> COPYING, a batch of chunks at a time -->
 * MARKING
 *      '------------------'------- too late, one has left ----'------> over
 */
#include "base/alloc.h"
#include "core/backup.h"
#include "core/cost.h"
#include "simulate/world.h"

#include <assert.h>

enum { PIECE = 256 << 10 }; /* as IC_COPY_PIECE of proxy/chunk_copy.h: a READ and a WRITE each */

enum stage { STAGE_IDLE, STAGE_WAKING, STAGE_RAISING, STAGE_COPYING, STAGE_MARKING };

struct copy {
    uint64_t object_id;
    struct ic_object *object; /* once begun: pinned */
    uint32_t from, to;
    uint16_t chunk;
};

struct job {
    struct ic_sim *sim;
    enum stage stage;
    uint16_t function;
    uint32_t current, beside;  /* serials */
    struct ic_sim_event timer; /* the latest a meeting may take; the rate; the marks */
    struct ic_sim_flow flow;   /* of a batch */
    struct ic_buf copies;      /* of struct copy: what there is to do */
    size_t next;               /* of them */
    size_t batch;              /* under way, from `next` on */
    bool full;                 /* one of them has no room for what the other has */
    uint64_t batch_bytes;
};

struct ic_sim_backup {
    struct ic_backup_plan *plan;
    struct ic_token_bucket bucket;
    struct ic_sim_event timer;
    struct job job[IC_BACKUP_JOBS_MAX];
};

static struct copy *copy_at(const struct job *job, size_t i)
{
    return (struct copy *)(void *)job->copies.data + i;
}

static size_t copy_count(const struct job *job)
{
    return job->copies.len / sizeof(struct copy);
}

/* ---- the end ------------------------------------------------------------------- */

static void end_batch(struct job *job, bool sealed)
{
    struct ic_sim *sim = job->sim;
    for (size_t i = job->next; i < job->next + job->batch; i++) {
        const struct copy *c = copy_at(job, i);
        sim->result.copied_chunks += sealed;
        sim->result.copied_bytes += sealed ? c->object->chunk_length : 0;
        ic_sim_hour(sim)->copied += sealed;
        ic_store_copy_end(sim->store, c->object, c->chunk, c->to, sealed);
    }
    job->next += job->batch;
    job->batch = 0;
}

static void finish(struct job *job, bool done)
{
    struct ic_sim *sim = job->sim;
    struct ic_sim_lane *own = sim->function[job->function].own;
    if (job->batch > 0) {
        ic_sim_flow_cancel(&sim->network, &job->flow, sim->clock.now_us);
    }
    end_batch(job, false);
    if (!done || job->full || ic_store_uncopied(sim->store, job->function) > 0) {
        ic_sim_holdings_alike(sim, job->function, 0, 0);
    }
    ic_sim_event_cancel(&sim->clock, &job->timer);
    job->stage = STAGE_IDLE;
    job->copies.len = 0;
    own->meeting = NULL;
    sim->result.backups += done;
    ic_backup_ended(sim->backup->plan, job->function, done, ic_sim_ms(sim));
    ic_sim_lane_part(own);
    if (!sim->ending) {
        ic_sim_event_set(&sim->clock, &sim->backup->timer, sim->clock.now_us);
    }
}

/* ---- copying -------------------------------------------------------------------- */

static const struct ic_pool_instance *instance_of(const struct job *job, uint32_t serial)
{
    return ic_pool_find(job->sim->pool, job->function, serial);
}

static bool lies_on(const struct ic_chunk_place *place, uint32_t serial)
{
    bool copied = place->backup != 0 && (place->marks & IC_PLACE_COPYING) == 0;
    return place->instance == serial || (copied && place->backup == serial);
}

static void gather(void *ctx, struct ic_object *o, uint16_t chunk)
{
    struct job *job = ctx;
    const struct ic_chunk_place *place = &o->place[chunk];
    bool on_current = lies_on(place, job->current), on_beside = lies_on(place, job->beside);
    if (on_current == on_beside || (place->marks & IC_PLACE_COPYING) != 0) {
        return;
    }
    struct copy copy = {.object_id = o->id,
                        .from = on_current ? job->current : job->beside,
                        .to = on_current ? job->beside : job->current,
                        .chunk = chunk};
    job->sim->failed |= ic_buf_append(&job->copies, &copy, sizeof copy) < 0;
}

/* Begins the copy if there is still use and room for it. */
static bool begin_copy(struct job *job, struct copy *c)
{
    struct ic_sim *sim = job->sim;
    struct ic_object *o = ic_store_object(sim->store, c->object_id);
    const struct ic_pool_instance *to = instance_of(job, c->to);
    const struct ic_chunk_place *place = o == NULL ? NULL : &o->place[c->chunk];
    if (place == NULL || to == NULL || place->function != job->function ||
        place->state != IC_CHUNK_HELD || (place->marks & IC_PLACE_COPYING) != 0 ||
        !lies_on(place, c->from) || lies_on(place, c->to)) {
        return false;
    }
    if (to->live + to->in_flight + o->chunk_cost > to->capacity) {
        job->full = true;
        return false;
    }
    c->object = o;
    ic_store_copy_begin(sim->store, o, c->chunk, c->from, c->to);
    job->batch_bytes += o->chunk_length;
    return true;
}

/* The next batch's copies are moved to the front of what is left, those that are void go. */
static void begin_batch(struct job *job)
{
    size_t left = job->next, count = copy_count(job);
    job->batch_bytes = 0;
    job->batch = 0;
    for (; left < count && job->batch < IC_BACKUP_COPIES_MAX; left++) {
        struct copy c = *copy_at(job, left);
        if (begin_copy(job, &c)) {
            *copy_at(job, job->next + job->batch++) = c;
        }
    }
    size_t gap = left - (job->next + job->batch);
    if (gap > 0) {
        memmove(copy_at(job, left - gap), copy_at(job, left), (count - left) * sizeof(struct copy));
        job->copies.len -= gap * sizeof(struct copy);
    }
}

static void go_on(struct job *job);

static void on_batch(struct ic_sim_flow *flow)
{
    struct job *job = IC_CONTAINER(flow, struct job, flow);
    struct ic_sim *sim = job->sim;
    sim->sent += job->batch_bytes;
    sim->received += job->batch_bytes;
    end_batch(job, true);
    go_on(job);
}

/* Copies go on, or both are marked, which takes a round trip. */
static void go_on(struct job *job)
{
    struct ic_sim *sim = job->sim;
    uint64_t rate = (uint64_t)sim->config->backup_rate, now_ms = ic_sim_ms(sim);
    uint64_t wait_ms =
        job->next < copy_count(job) ? ic_token_bucket_wait(&sim->backup->bucket, rate, now_ms) : 0;
    if (wait_ms > 0) {
        ic_sim_event_set(&sim->clock, &job->timer, (now_ms + wait_ms) * 1000);
        return;
    }
    begin_batch(job);
    double trip_us = sim->cloud->round_trip_us;
    if (job->batch == 0) {
        job->stage = STAGE_MARKING;
        ic_sim_event_set(&sim->clock, &job->timer, sim->clock.now_us + (uint64_t)trip_us);
        return;
    }
    ic_token_bucket_take(&sim->backup->bucket, rate, job->batch_bytes, now_ms);
    /* STAT, a READ and a WRITE for each piece, SEAL; all chunks of a batch at the same time. */
    double pieces = (double)(job->batch_bytes / job->batch / PIECE + 1);
    ic_sim_event_cancel(&sim->clock, &job->timer);
    job->flow = (struct ic_sim_flow){.done = on_batch};
    ic_sim_flow_begin(&sim->network, &job->flow, &sim->function[job->function].peer->port,
                      job->batch_bytes, (2 + 2 * pieces) * trip_us + sim->cloud->request_us,
                      sim->clock.now_us);
}

static void begin_copying(struct job *job)
{
    struct ic_sim *sim = job->sim;
    const struct ic_pool_instance *first = instance_of(job, job->current);
    const struct ic_pool_instance *second = instance_of(job, job->beside);
    bool alike = ic_store_uncopied(sim->store, job->function) == 0 && first->live == second->live;
    job->stage = STAGE_COPYING;
    job->next = job->batch = 0;
    job->full = false;
    job->copies.len = 0;
    if (!alike) {
        ic_sim_holdings_differ(sim, job->function, job->current, job->beside, gather, job);
    }
    ic_sim_holdings_alike(sim, job->function, job->current, job->beside); /* unless it fails */
    ic_sim_lane_delete(sim, job->function);
    go_on(job);
}

/* ---- meeting --------------------------------------------------------------------- */

static void step_waking(struct job *job, struct ic_sim_lane *own)
{
    struct ic_sim *sim = job->sim;
    if (ic_sim_lane_run(own)->state != IC_FUNCTION_ACTIVE) {
        own->wanted = true;
        ic_sim_lane_pursue(own);
    } else if (!own->draining && ic_pool_may_raise(sim->pool, job->function, ic_sim_ms(sim))) {
        job->stage = STAGE_RAISING;
        ic_sim_lane_invoke(sim->function[job->function].peer, IC_INVOKE_PEER);
    }
}

static void step_raising(struct job *job, struct ic_sim_lane *own)
{
    const struct ic_pool_function *f = ic_pool_function(job->sim->pool, job->function);
    if (ic_sim_lane_run(own)->state != IC_FUNCTION_ACTIVE ||
        (f->peer.state == IC_FUNCTION_ABSENT && !f->peer.response_due)) {
        finish(job, false);
    } else if (f->peer.state == IC_FUNCTION_ACTIVE) {
        job->current = f->current;
        job->beside = f->beside;
        begin_copying(job);
    }
}

/* Both are there as they were. */
static bool is_met(const struct job *job)
{
    const struct ic_pool_function *f = ic_pool_function(job->sim->pool, job->function);
    return f->state == IC_FUNCTION_ACTIVE && f->peer.state == IC_FUNCTION_ACTIVE &&
           f->current == job->current && f->beside == job->beside;
}

void ic_sim_meeting_step(struct ic_sim_lane *lane)
{
    struct ic_sim_lane *own = lane->own;
    struct job *job = own->meeting;
    if (job == NULL) {
        return;
    }
    switch (job->stage) {
    case STAGE_WAKING:
        step_waking(job, own);
        break;
    case STAGE_RAISING:
        step_raising(job, own);
        break;
    case STAGE_COPYING:
    case STAGE_MARKING:
        if (!is_met(job)) {
            finish(job, false);
        }
        break;
    case STAGE_IDLE:
        assert(false);
    }
}

static void mark(struct job *job)
{
    const uint32_t serial[] = {job->current, job->beside};
    for (size_t i = 0; i < 2; i++) {
        struct ic_pool_instance *one = ic_pool_find(job->sim->pool, job->function, serial[i]);
        one->copied_ms = ic_sim_wall_ms(job->sim);
    }
    finish(job, true);
}

static void on_timer(void *ctx)
{
    struct job *job = ctx;
    switch (job->stage) {
    case STAGE_WAKING:
    case STAGE_RAISING: /* it takes too long */
        finish(job, false);
        break;
    case STAGE_COPYING: /* the rate allows the next batch */
        go_on(job);
        break;
    case STAGE_MARKING:
        mark(job);
        break;
    case STAGE_IDLE:
        break;
    }
}

/* ---- whose turn it is ------------------------------------------------------------- */

static void begin(struct ic_sim *sim, struct job *job, uint16_t function)
{
    struct ic_sim_function *f = &sim->function[function];
    f->peer = f->peer != NULL ? f->peer : ic_sim_lane_new(sim, function, f->own);
    if (f->peer == NULL) {
        sim->failed = true;
        return;
    }
    job->function = function;
    job->stage = STAGE_WAKING;
    f->own->meeting = job;
    ic_backup_began(sim->backup->plan, function, ic_sim_ms(sim));
    ic_sim_event_set(&sim->clock, &job->timer,
                     sim->clock.now_us + 2000 * (uint64_t)sim->config->invoke_timeout);
    ic_sim_meeting_step(f->own);
}

static struct ic_backup_view view(void *ctx, uint16_t function)
{
    const struct ic_sim *sim = ctx;
    return ic_store_backup_view(sim->store, function, ic_sim_ms(sim));
}

static struct job *idle_job(struct ic_sim_backup *b)
{
    for (size_t i = 0; i < IC_BACKUP_JOBS_MAX; i++) {
        if (b->job[i].stage == STAGE_IDLE) {
            return &b->job[i];
        }
    }
    return NULL;
}

static void look(void *ctx)
{
    enum { LOOK_MS = 1000 };
    struct ic_sim *sim = ctx;
    struct ic_sim_backup *b = sim->backup;
    bool affordable = ic_sim_budget(sim) < IC_BUDGET_NO_BACKUP;
    struct ic_backup_settings settings = {
        .interval_ms = affordable ? (uint64_t)sim->config->backup_interval : 0,
        .peer_interval_ms = (uint64_t)sim->config->peer_interval};
    uint64_t now_ms = ic_sim_ms(sim), next_ms = now_ms;
    struct job *job;
    int function = 0;
    while (!sim->failed && !sim->ending && (job = idle_job(b)) != NULL &&
           (function = ic_backup_next(b->plan, &settings, view, sim, now_ms, &next_ms)) >= 0) {
        begin(sim, job, (uint16_t)function);
    }
    if (function < 0) { /* else a job's end looks again */
        next_ms = next_ms < now_ms + LOOK_MS ? next_ms : now_ms + LOOK_MS;
        ic_sim_event_set(&sim->clock, &b->timer, next_ms * 1000);
    }
}

void ic_sim_backup_changed(struct ic_sim *sim, uint16_t function)
{
    if (sim->backup != NULL) {
        ic_backup_changed(sim->backup->plan, function);
    }
}

/* ---- life ------------------------------------------------------------------------- */

int ic_sim_backup_new(struct ic_sim *sim)
{
    if (sim->config->backup_interval == 0) {
        return 0;
    }
    struct ic_sim_backup *b = ic_calloc(1, sizeof *b);
    if (b == NULL) {
        return IC_ENOMEM;
    }
    sim->backup = b;
    for (size_t i = 0; i < IC_BACKUP_JOBS_MAX; i++) {
        b->job[i].sim = sim;
        ic_buf_init(&b->job[i].copies);
        ic_sim_event_init(&b->job[i].timer, on_timer, &b->job[i]);
    }
    b->plan = ic_backup_plan_new(sim->functions, ic_sim_ms(sim));
    ic_sim_event_init(&b->timer, look, sim);
    ic_sim_event_set(&sim->clock, &b->timer, sim->clock.now_us);
    ic_pool_set_peers(sim->pool, true);
    return b->plan == NULL ? IC_ENOMEM : 0;
}

void ic_sim_backup_free(struct ic_sim *sim)
{
    struct ic_sim_backup *b = sim->backup;
    if (b == NULL) {
        return;
    }
    for (size_t i = 0; i < IC_BACKUP_JOBS_MAX; i++) {
        end_batch(&b->job[i], false);
        ic_buf_deinit(&b->job[i].copies);
    }
    ic_backup_plan_free(b->plan);
    ic_free(b);
    sim->backup = NULL;
}
