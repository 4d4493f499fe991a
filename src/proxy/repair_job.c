#include "proxy/repair_job.h"

#include "base/alloc.h"
#include "code/layout.h"
#include "code/rs.h"
#include "code/unit_crc.h"
#include "proxy/chunk_write.h"
#include "proxy/proxy.h"
#include "proxy/reader.h"
#include "proxy/span.h"
#include "proxy/store.h"
#include "proxy/window.h"

#include <assert.h>

enum {
    KEEP_MS = 100,  /* what was read ahead is kept while the rate lets it wait no longer */
    LOOK_MS = 1000, /* a waiting repair looks so often at its object and at the rate */
    YIELD_MS = 20,  /* requests wait for window memory: looks again after this */
};

enum job_state { JOB_READING, JOB_SEALING, JOB_COMMITTING, JOB_ENDED };

struct chunk { /* one that is rebuilt */
    struct ic_node_request request;
    struct ic_buf *buf; /* of the WRITE under way */
    uint32_t crc[IC_READER_STRIPES_MAX];
};

struct ic_repair_job {
    struct ic_proxy *proxy;
    struct ic_object *object; /* pinned; NULL: ended */
    uint64_t object_id;
    struct ic_token_bucket *bucket;
    void (*ended)(void *ctx, struct ic_repair_job *job, const struct ic_repair_outcome *outcome);
    void *ctx;
    struct ic_layout layout;
    struct ic_tap tap;
    struct ic_timer timer; /* goes on when the rate allows, or in the next turn */
    struct ic_reap reap;
    enum job_state state;
    uint64_t chunks;  /* begun */
    uint64_t alive;   /* of these not given up */
    uint64_t pending; /* of these with a request under way */
    uint64_t sealed;
    uint64_t progress_ms; /* when stripes came last */
    int error;            /* the first of a chunk given up, or of the read */
    bool read_all;
    int64_t expires_ms;
    uint8_t *key; /* a copy: goes into the seals */
    size_t key_len;
    struct chunk chunk[]; /* d + p */
};

static uint64_t bit_of(uint16_t chunk)
{
    return UINT64_C(1) << chunk;
}

/* ---- the end ---------------------------------------------------------------- */

static void end_request(struct ic_repair_job *job, uint16_t i)
{
    job->pending &= ~bit_of(i);
    ic_buf_unref(job->chunk[i].buf);
    job->chunk[i].buf = NULL;
}

/* Nothing is under way afterwards; what is not committed is given up. */
static void stop(struct ic_repair_job *job)
{
    job->state = JOB_ENDED;
    ic_timer_stop(&job->timer);
    ic_reader_leave(&job->tap);
    for (uint64_t left = job->pending; left != 0; left &= left - 1) {
        uint16_t i = (uint16_t)__builtin_ctzll(left);
        ic_functions_cancel(job->proxy->functions, &job->chunk[i].request);
        end_request(job, i);
    }
    ic_store_forget(job->proxy->store, job);
    ic_store_repair_end(job->proxy->store, job->object, job->alive);
    job->object = NULL;
}

/* COMMITTED chunks are held by now. */
static void finish(struct ic_repair_job *job, int result, uint64_t committed)
{
    uint32_t chunks = (uint32_t)__builtin_popcountll(committed);
    struct ic_repair_outcome outcome = {.object_id = job->object_id,
                                        .result = result,
                                        .chunks = chunks,
                                        .bytes = chunks * job->layout.chunk_length};
    stop(job);
    job->ended(job->ctx, job, &outcome);
}

static bool object_died(const struct ic_repair_job *job)
{
    return ic_store_object(job->proxy->store, job->object->id) == NULL;
}

static void fail(struct ic_repair_job *job, int error)
{
    finish(job, object_died(job) ? IC_ENOENT : error, 0);
}

static struct ic_chunk_target target(const struct ic_repair_job *job, uint16_t i)
{
    return (struct ic_chunk_target){.object = job->object,
                                    .layout = &job->layout,
                                    .nodes = (uint32_t)__builtin_popcountll(job->alive),
                                    .chunk = i,
                                    .cause = IC_COST_REPAIR};
}

/* ---- sealing ---------------------------------------------------------------- */

static void on_committed(void *ctx, int result)
{
    struct ic_repair_job *job = ctx;
    if (result < 0) {
        fail(job, result);
        return;
    }
    finish(job, job->sealed == job->chunks ? 0 : job->error, job->sealed);
}

static void commit(struct ic_repair_job *job)
{
    job->state = JOB_COMMITTING;
    int result =
        ic_store_repair_commit(job->proxy->store, job->object, job->sealed, on_committed, job);
    if (result < 0) {
        fail(job, result);
    }
}

static void give_up(struct ic_repair_job *job, uint16_t i, int error)
{
    job->alive &= ~bit_of(i);
    job->error = job->error == 0 ? error : job->error;
    ic_store_repair_failed(job->proxy->store, job->object, i);
}

/* R is done: its chunk goes on or is given up. True: nothing is under way any more. */
static bool take_result(struct ic_repair_job *job, const struct ic_node_request *r, int result)
{
    end_request(job, r->chunk);
    if (result < 0) {
        give_up(job, r->chunk, result);
    }
    return job->pending == 0;
}

static void on_sealed(struct ic_node_request *r, int result)
{
    struct ic_repair_job *job = r->ctx;
    bool all = take_result(job, r, result);
    job->sealed = job->alive;
    if (all && job->alive == 0) {
        fail(job, job->error);
    } else if (all) {
        commit(job);
    }
}

static void seal(struct ic_repair_job *job)
{
    job->state = JOB_SEALING;
    for (uint64_t left = job->alive; left != 0; left &= left - 1) {
        uint16_t i = (uint16_t)__builtin_ctzll(left);
        struct chunk *c = &job->chunk[i];
        struct ic_chunk_target to = target(job, i);
        ic_chunk_seal_fill(&c->request, &to, ic_slice(job->key, job->key_len), job->expires_ms);
        c->request.done = on_sealed;
        c->request.ctx = job;
        job->pending |= bit_of(i);
        ic_functions_submit(job->proxy->functions, &c->request);
    }
}

/* ---- writing ---------------------------------------------------------------- */

static uint64_t rate(const struct ic_repair_job *job)
{
    return (uint64_t)job->proxy->config->repair_rate;
}

static void read_on(struct ic_repair_job *job)
{
    job->tap.paused = false;
    if (job->tap.reader != NULL) {
        ic_reader_resume(&job->tap);
    } else if (ic_reader_join(job->proxy, job->object, &job->tap) < 0) {
        fail(job, IC_ENOMEM);
    }
}

/* Requests want for memory, and go first for a while, unless the next loss would be the object's
 * end. */
static bool yields(const struct ic_repair_job *job, uint64_t now_ms)
{
    const struct ic_object *o = job->object;
    return ic_window_stats(job->proxy->window).waiting > 0 &&
           ic_store_held_count(job->proxy->store, o) > o->data &&
           now_ms - job->progress_ms < IC_REPAIR_YIELD_MAX_MS;
}

/* The next stripes, when the rate allows and no request goes first; none is held meanwhile. */
static void read_when_allowed(struct ic_repair_job *job)
{
    uint64_t now_ms = ic_loop_now_ms(job->proxy->loop);
    uint64_t wait_ms = ic_token_bucket_wait(job->bucket, rate(job), now_ms);
    bool crowded = yields(job, now_ms);
    if (wait_ms == 0 && !crowded) {
        read_on(job);
        return;
    }
    if (wait_ms > KEEP_MS || crowded) {
        ic_reader_leave(&job->tap);
    }
    wait_ms = crowded && wait_ms < YIELD_MS ? YIELD_MS : wait_ms;
    ic_timer_start(&job->timer, wait_ms < LOOK_MS ? wait_ms : LOOK_MS);
}

/* What was read is written: the next stripes, the seals, or the end. */
static void go_on(struct ic_repair_job *job)
{
    if (object_died(job)) {
        fail(job, IC_ENOENT);
    } else if (job->alive == 0) {
        fail(job, job->error);
    } else if (job->read_all) {
        seal(job);
    } else {
        read_when_allowed(job);
    }
}

static void on_timer(void *ctx)
{
    go_on(ctx);
}

static void on_written(struct ic_node_request *r, int result)
{
    struct ic_repair_job *job = r->ctx;
    if (take_result(job, r, result)) {
        go_on(job);
    }
}

static void sum_units(struct ic_repair_job *job, const struct ic_span *span, uint16_t i)
{
    const uint8_t *bytes = span->segment[i].buf->data;
    for (uint32_t k = 0; k < span->stripes; k++) {
        uint64_t stripe = span->first + k;
        uint32_t unit = ic_layout_unit(&job->layout, stripe);
        job->chunk[i].crc[k] = ic_unit_crc(job->object->id, i, (uint32_t)stripe, bytes, unit);
        bytes += unit;
    }
}

static void write_chunk(struct ic_repair_job *job, const struct ic_span *span, uint16_t i)
{
    struct chunk *c = &job->chunk[i];
    struct ic_chunk_target to = target(job, i);
    c->buf = ic_buf_ref(span->segment[i].buf);
    sum_units(job, span, i);
    ic_chunk_write_fill(&c->request, &to, span->first, ic_slice(c->buf->data, span->length), c->crc,
                        c->buf);
    c->request.done = on_written;
    c->request.ctx = job;
    job->pending |= bit_of(i);
    ic_functions_submit(job->proxy->functions, &c->request);
}

static void on_rebuilt(struct ic_tap *tap, const struct ic_span *span)
{
    struct ic_repair_job *job = IC_CONTAINER(tap, struct ic_repair_job, tap);
    assert(job->state == JOB_READING && job->pending == 0);
    tap->paused = true;
    job->progress_ms = ic_loop_now_ms(job->proxy->loop);
    uint64_t chunks = job->object->data + (uint64_t)__builtin_popcountll(job->alive);
    ic_token_bucket_take(job->bucket, rate(job), chunks * span->length, job->progress_ms);
    for (uint64_t left = job->alive; left != 0; left &= left - 1) {
        write_chunk(job, span, (uint16_t)__builtin_ctzll(left));
    }
}

static void on_read(struct ic_tap *tap, int result)
{
    struct ic_repair_job *job = IC_CONTAINER(tap, struct ic_repair_job, tap);
    if (result < 0) {
        fail(job, result);
    } else {
        job->read_all = true;
    }
}

/* ---- life ------------------------------------------------------------------- */

static void reap_job(void *ctx)
{
    struct ic_repair_job *job = ctx;
    for (uint32_t i = 0; i < job->layout.data + job->layout.parity; i++) {
        ic_node_request_deinit(&job->chunk[i].request);
    }
    ic_free(job);
}

static struct ic_repair_job *allocate(struct ic_proxy *p, const struct ic_object *o)
{
    struct ic_slice key;
    int64_t expires_ms;
    size_t bytes =
        sizeof(struct ic_repair_job) + (size_t)(o->data + o->parity) * sizeof(struct chunk);
    if (!ic_store_seal_key(o, &key, &expires_ms)) {
        return NULL; /* not of an object whose repair has begun */
    }
    struct ic_repair_job *job = ic_calloc(1, bytes + key.len);
    if (job == NULL) {
        return NULL;
    }
    job->proxy = p;
    job->key = (uint8_t *)job + bytes;
    job->key_len = key.len;
    job->expires_ms = expires_ms;
    if (key.len > 0) {
        memcpy(job->key, key.data, key.len);
    }
    ic_layout_init(&job->layout, o->size, o->data, o->parity, o->unit);
    ic_timer_init(&job->timer, p->loop, on_timer, job);
    ic_list_init(&job->tap.node);
    return job;
}

/* Reads, or, of an object without bytes, seals in the next turn. */
static int start(struct ic_repair_job *job)
{
    job->tap.end = job->object->size;
    job->tap.chunks = job->chunks;
    job->tap.rebuilt = on_rebuilt;
    job->tap.finished = on_read;
    if (job->object->size == 0) {
        job->read_all = true;
        ic_timer_start(&job->timer, 0);
        return 0;
    }
    return ic_reader_join(job->proxy, job->object, &job->tap);
}

int ic_repair_job_new(struct ic_proxy *p, struct ic_object *object, struct ic_token_bucket *bucket,
                      void (*ended)(void *ctx, struct ic_repair_job *job,
                                    const struct ic_repair_outcome *outcome),
                      void *ctx, struct ic_repair_job **out)
{
    uint64_t chunks;
    int result = ic_store_repair_begin(p->store, object, &chunks);
    if (result < 0) {
        return result;
    }
    struct ic_repair_job *job = allocate(p, object);
    if (job == NULL) {
        ic_store_repair_end(p->store, object, chunks);
        return IC_ENOMEM;
    }
    job->object = object;
    job->object_id = object->id;
    job->bucket = bucket;
    job->ended = ended;
    job->ctx = ctx;
    job->chunks = job->alive = chunks;
    result = start(job);
    if (result < 0) {
        ic_repair_job_free(job);
        return result;
    }
    *out = job;
    return 0;
}

uint64_t ic_repair_job_object(const struct ic_repair_job *job)
{
    return job->object_id;
}

void ic_repair_job_free(struct ic_repair_job *job)
{
    if (job->state != JOB_ENDED) {
        stop(job);
    }
    ic_loop_reap(job->proxy->loop, &job->reap, reap_job, job);
}
