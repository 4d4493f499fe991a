/* repairs.c - objects that lost chunks are read and the lost ones written anew, as core/repair.h
 * decides; see proxy/repair.c and proxy/repair_job.c. */
#include "base/alloc.h"
#include "core/cost.h"
#include "core/repair.h"
#include "simulate/world.h"

#include <assert.h>

struct job {
    struct ic_list node; /* repair->jobs */
    struct ic_sim *sim;
    struct ic_sim_tap tap;
    struct ic_sim_event start; /* of an object without bytes */
    struct ic_object *object;  /* pinned */
    uint64_t chunks, alive;    /* being rebuilt; of these not given up */
    uint32_t pending;
    struct ic_sim_ask ask[];
};

struct ic_sim_repair {
    struct ic_sim *sim;
    struct ic_repair_queue *queue;
    struct ic_token_bucket bucket;
    struct ic_sim_event timer;
    struct ic_list jobs;
    uint32_t active;
    struct ic_buf failed; /* ids of objects that could not be repaired, or not wholly */
    bool left_out;        /* and there are others: the queue was full */
};

static uint64_t bit_of(uint32_t chunk)
{
    return UINT64_C(1) << chunk;
}

/* ---- when --------------------------------------------------------------------- */

static uint64_t begin_at(struct ic_sim_repair *r)
{
    uint64_t now_ms = ic_sim_ms(r->sim), at_ms = ic_repair_next_at(r->queue);
    if (at_ms == UINT64_MAX || r->active == IC_REPAIR_ACTIVE_MAX) {
        return UINT64_MAX;
    }
    uint64_t rate = (uint64_t)r->sim->config->repair_rate;
    uint64_t allowed_ms = now_ms + ic_token_bucket_wait(&r->bucket, rate, now_ms);
    return at_ms > allowed_ms ? at_ms : allowed_ms;
}

static void schedule(struct ic_sim_repair *r)
{
    uint64_t begin_ms = begin_at(r), retry_ms = ic_repair_retry_at(r->queue);
    uint64_t due_ms = begin_ms < retry_ms ? begin_ms : retry_ms;
    if (r->sim->ending || due_ms == UINT64_MAX) {
        ic_sim_event_cancel(&r->sim->clock, &r->timer);
    } else {
        ic_sim_event_set(&r->sim->clock, &r->timer, due_ms * 1000);
    }
}

/* Object ID is to be tried again when a retry is due. */
static void fail(struct ic_sim_repair *r, uint64_t id)
{
    ic_repair_failed(r->queue, ic_sim_ms(r->sim));
    r->sim->failed |= ic_buf_append(&r->failed, &id, sizeof id) < 0;
}

/* ---- one ---------------------------------------------------------------------- */

/* COMMITTED chunks are held by now. */
static void end(struct job *job, uint64_t committed)
{
    struct ic_sim *sim = job->sim;
    struct ic_sim_repair *r = sim->repair;
    struct ic_object *o = job->object;
    uint64_t id = o->id;
    uint32_t chunks = (uint32_t)__builtin_popcountll(committed);
    sim->result.repaired_chunks += chunks;
    sim->result.repaired_bytes += chunks * o->chunk_length;
    ic_sim_hour(sim)->repaired += chunks;
    sim->result.repairs += chunks > 0;
    for (uint64_t left = committed; left != 0; left &= left - 1) {
        ic_sim_holdings_add(sim, o, (uint16_t)__builtin_ctzll(left));
    }
    ic_store_repair_end(sim->store, o, job->chunks);
    ic_list_remove(&job->node);
    r->active--;
    ic_free(job);
    if (chunks > 0) {
        ic_repair_succeeded(r->queue);
    }
    o = ic_store_object(sim->store, id);
    if (o != NULL && ic_store_lost_count(sim->store, o) > 0) {
        fail(r, id);
    }
    schedule(r);
}

static void on_committed(void *ctx, int result)
{
    struct job *job = ctx;
    end(job, result < 0 ? 0 : job->alive);
}

static void on_written(struct ic_sim_ask *ask, int result)
{
    struct job *job = ask->ctx;
    struct ic_sim *sim = job->sim;
    if (result < 0) {
        job->alive &= ~bit_of(ask->chunk);
        ic_store_repair_failed(sim->store, job->object, ask->chunk);
    }
    if (--job->pending > 0) {
        return;
    }
    int committed = IC_ENOENT;
    if (job->alive != 0) {
        committed = ic_store_repair_commit(sim->store, job->object, job->alive, on_committed, job);
    }
    if (committed < 0) {
        end(job, 0);
    }
}

static void write_chunks(struct job *job)
{
    struct ic_object *o = job->object;
    job->pending = (uint32_t)__builtin_popcountll(job->chunks) + 1;
    for (uint64_t left = job->chunks; left != 0; left &= left - 1) {
        uint16_t chunk = (uint16_t)__builtin_ctzll(left);
        struct ic_sim_ask *ask = &job->ask[chunk];
        *ask = (struct ic_sim_ask){.object = o,
                                   .bytes = o->chunk_length,
                                   .nodes = (uint32_t)__builtin_popcountll(job->chunks),
                                   .function = o->place[chunk].function,
                                   .chunk = chunk,
                                   .cause = IC_COST_REPAIR,
                                   .write = true,
                                   .done = on_written,
                                   .ctx = job};
        ic_list_init(&ask->node);
        int result = ic_sim_ask_submit(job->sim, ask);
        if (result < 0) {
            on_written(ask, result);
        }
    }
    struct ic_sim_ask none = {.ctx = job};
    on_written(&none, 0);
}

static void on_read(struct ic_sim_tap *tap, int result, bool decoded)
{
    struct job *job = IC_CONTAINER(tap, struct job, tap);
    (void)decoded;
    if (result < 0) {
        end(job, 0);
        return;
    }
    struct ic_sim *sim = job->sim;
    uint64_t chunks = job->object->data + (uint64_t)__builtin_popcountll(job->chunks);
    ic_token_bucket_take(&sim->repair->bucket, (uint64_t)sim->config->repair_rate,
                         chunks * job->object->chunk_length, ic_sim_ms(sim));
    write_chunks(job);
}

static void on_start(void *ctx)
{
    write_chunks(ctx);
}

static int begin(struct ic_sim_repair *r, struct ic_object *o)
{
    struct ic_sim *sim = r->sim;
    uint64_t chunks;
    int result = ic_store_repair_begin(sim->store, o, &chunks);
    if (result < 0) {
        return result;
    }
    uint32_t count = (uint32_t)o->data + o->parity;
    struct job *job = ic_calloc(1, sizeof *job + count * sizeof job->ask[0]);
    if (job == NULL) {
        ic_store_repair_end(sim->store, o, chunks);
        return IC_ENOMEM;
    }
    job->sim = sim;
    job->object = o;
    job->chunks = job->alive = chunks;
    job->tap.done = on_read;
    ic_list_init(&job->tap.node);
    ic_sim_event_init(&job->start, on_start, job);
    ic_list_push_back(&r->jobs, &job->node);
    r->active++;
    if (o->size == 0) {
        ic_sim_event_set(&sim->clock, &job->start, sim->clock.now_us);
        return 0;
    }
    return ic_sim_reader_join(sim, o, IC_COST_REPAIR, &job->tap);
}

/* ---- which -------------------------------------------------------------------- */

static bool is_active(const struct ic_sim_repair *r, uint64_t id)
{
    IC_LIST_EACH (node, &r->jobs) {
        if (IC_CONTAINER(node, struct job, node)->object->id == id) {
            return true;
        }
    }
    return false;
}

static int count_awake(void *ctx, uint64_t id)
{
    const struct ic_sim_repair *r = ctx;
    const struct ic_object *o = ic_store_object(r->sim->store, id);
    if (o == NULL || is_active(r, id) || ic_store_lost_count(r->sim->store, o) == 0) {
        return -1;
    }
    int awake = 0;
    for (uint32_t i = 0; i < (uint32_t)o->data + o->parity; i++) {
        awake += ic_pool_function(r->sim->pool, o->place[i].function)->state == IC_FUNCTION_ACTIVE;
    }
    return awake;
}

/* What could not be repaired is offered again; the proxy sweeps the catalog for it. */
static void retry(struct ic_sim_repair *r)
{
    struct ic_sim *sim = r->sim;
    struct ic_buf failed = r->failed;
    const uint64_t *id = (const uint64_t *)(const void *)failed.data;
    ic_buf_init(&r->failed);
    ic_repair_retried(r->queue);
    bool eager = sim->config->repair == IC_REPAIR_MODE_EAGER;
    if (eager && r->left_out) {
        r->left_out = false;
        ic_sim_sweep(sim);
    }
    for (size_t i = 0; eager && i < failed.len / sizeof *id; i++) {
        struct ic_object *o = ic_store_object(sim->store, id[i]);
        if (o != NULL) {
            ic_sim_look_at(sim, o);
        }
    }
    ic_buf_deinit(&failed);
}

static void on_timer(void *ctx)
{
    struct ic_sim_repair *r = ctx;
    struct ic_sim *sim = r->sim;
    uint64_t id;
    uint32_t looks = UINT32_MAX;
    if (ic_repair_retry_at(r->queue) <= ic_sim_ms(sim)) {
        retry(r);
    }
    while (begin_at(r) <= ic_sim_ms(sim) &&
           ic_repair_next(r->queue, ic_sim_ms(sim), count_awake, r, &looks, &id)) {
        int result = begin(r, ic_store_object(sim->store, id));
        sim->failed |= result == IC_ENOMEM;
        if (result < 0 && result != IC_ENOENT) {
            fail(r, id);
        }
    }
    schedule(r);
}

void ic_sim_repair_degraded(struct ic_sim *sim, struct ic_object *o, enum ic_degraded found)
{
    struct ic_sim_repair *r = sim->repair;
    bool wanted = sim->config->repair == IC_REPAIR_MODE_EAGER ||
                  (sim->config->repair == IC_REPAIR_MODE_LAZY && found == IC_DEGRADED_READ);
    if (!wanted || r == NULL || is_active(r, o->id)) {
        return;
    }
    uint32_t level = ic_store_repair_level(sim->store, o, ic_sim_wall_ms(sim));
    int result = ic_repair_offer(r->queue, o->id, level, ic_sim_ms(sim));
    sim->failed |= result == IC_ENOMEM;
    r->left_out |= result == IC_ENOSPC;
    schedule(r);
}

/* ---- life --------------------------------------------------------------------- */

int ic_sim_repair_new(struct ic_sim *sim)
{
    struct ic_sim_repair *r = ic_calloc(1, sizeof *r);
    if (r == NULL) {
        return IC_ENOMEM;
    }
    r->sim = sim;
    sim->repair = r;
    ic_list_init(&r->jobs);
    ic_buf_init(&r->failed);
    ic_sim_event_init(&r->timer, on_timer, r);
    r->queue = ic_repair_queue_new(IC_REPAIR_QUEUE_MAX, ic_rng_next(&sim->rng));
    return r->queue == NULL ? IC_ENOMEM : 0;
}

void ic_sim_repair_free(struct ic_sim *sim)
{
    struct ic_sim_repair *r = sim->repair;
    if (r == NULL) {
        return;
    }
    IC_LIST_EACH (node, &r->jobs) {
        struct job *job = IC_CONTAINER(node, struct job, node);
        for (uint64_t left = job->chunks; left != 0; left &= left - 1) {
            ic_sim_ask_cancel(sim, &job->ask[__builtin_ctzll(left)]);
        }
        ic_store_repair_end(sim->store, job->object, job->chunks);
        ic_free(job);
    }
    ic_repair_queue_free(r->queue);
    ic_buf_deinit(&r->failed);
    ic_free(r);
    sim->repair = NULL;
}
