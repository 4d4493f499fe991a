#include "proxy/handover_job.h"

#include "base/alloc.h"
#include "code/layout.h"
#include "code/unit_crc.h"
#include "proto/frame.h"
#include "proxy/chunk_write.h"
#include "proxy/proxy.h"
#include "proxy/store.h"
#include "proxy/window.h"

#include <assert.h>
#include <string.h>

static_assert((int)IC_NODE_READ_MAX == (int)IC_NODE_WRITE_MAX, "a step reads, and a step writes");

enum job_state { JOB_WAITING, JOB_READING, JOB_WRITING, JOB_SEALING, JOB_COMMITTING, JOB_ENDED };

struct ic_handover_job {
    struct ic_proxy *proxy;
    struct ic_object *object; /* pinned; NULL: ended */
    struct ic_handover_source from;
    const struct ic_handover_job_handler *handler;
    void *ctx;
    struct ic_layout layout;
    struct ic_grant grant;
    struct ic_node_request request;
    struct ic_timer timer; /* the first step, not on the stack of whoever began it */
    struct ic_reap reap;
    enum job_state state;
    uint64_t stripe;  /* the next one to be read, then to be written */
    uint64_t stripes; /* of the request under way */
    int64_t expires_ms;
    struct ic_buf *buf; /* chunk, CRCs, key */
    uint32_t *crc;      /* in it, one per stripe */
    uint8_t *key;
    bool pending; /* `request` is under way */
    bool moving;  /* ic_store_move_begin */
};

/* Chunk, CRCs and key; some, also of an empty chunk with an empty key. */
static uint64_t buffer_bytes(const struct ic_object *o)
{
    uint64_t units = o->chunk_length == 0 ? 0 : ic_frame_units(o->chunk_length, o->unit);
    return o->chunk_length + units * sizeof(uint32_t) + o->key_len + 1;
}

size_t ic_handover_job_size(const struct ic_object *o)
{
    uint64_t bytes = buffer_bytes(o);
    return bytes > IC_WINDOW_BUFFER_MAX ? SIZE_MAX : ic_window_size((size_t)bytes);
}

/* ---- the end ---------------------------------------------------------------- */

/* Nothing is under way afterwards; what is not committed is given up. */
static void stop(struct ic_handover_job *job)
{
    struct ic_store *store = job->proxy->store;
    job->state = JOB_ENDED;
    ic_timer_stop(&job->timer);
    if (job->pending) {
        ic_functions_cancel(job->proxy->functions, &job->request);
        job->pending = false;
    }
    ic_store_forget(store, job);
    if (job->moving) {
        ic_store_move_end(store, job->object, job->from.chunk);
    }
    ic_store_unpin(store, job->object);
    job->object = NULL;
    ic_buf_unref(job->buf);
    job->buf = NULL;
    ic_window_leave(&job->grant);
}

static void reap_job(void *ctx)
{
    struct ic_handover_job *job = ctx;
    ic_node_request_deinit(&job->request);
    ic_free(job);
}

void ic_handover_job_free(struct ic_handover_job *job)
{
    if (job->state != JOB_ENDED) {
        stop(job);
    }
    ic_loop_reap(job->proxy->loop, &job->reap, reap_job, job);
}

static void finish(struct ic_handover_job *job, int result)
{
    bool reading = job->state <= JOB_READING;
    stop(job);
    if (reading) {
        job->handler->read(job->ctx);
    }
    job->handler->ended(job->ctx, job, result);
}

struct ic_handover_source ic_handover_job_source(const struct ic_handover_job *job)
{
    return job->from;
}

void ic_handover_job_gone(struct ic_handover_job *job)
{
    if (job->state <= JOB_READING) {
        finish(job, IC_ESTALE);
    }
}

/* ---- steps -------------------------------------------------------------------- */

static bool object_died(const struct ic_handover_job *job)
{
    return ic_store_object(job->proxy->store, job->object->id) == NULL;
}

/* The stripes from job->stripe on that one request can carry. */
static uint64_t next_stripes(const struct ic_handover_job *job)
{
    uint64_t most = IC_NODE_READ_MAX / job->layout.unit, left = job->layout.stripes - job->stripe;
    return left < most ? left : most;
}

static struct ic_slice bytes_of(const struct ic_handover_job *job)
{
    return ic_slice(job->buf->data + ic_layout_chunk_offset(&job->layout, job->stripe),
                    (size_t)ic_layout_span_length(&job->layout, job->stripe, job->stripes));
}

static void submit(struct ic_handover_job *job, void (*done)(struct ic_node_request *r, int result))
{
    job->request.done = done;
    job->request.ctx = job;
    job->pending = true;
    ic_functions_submit(job->proxy->functions, &job->request);
}

static struct ic_chunk_target target(const struct ic_handover_job *job)
{
    return (struct ic_chunk_target){.object = job->object,
                                    .layout = &job->layout,
                                    .nodes = 1,
                                    .chunk = job->from.chunk,
                                    .cause = IC_COST_REPAIR};
}

/* ---- sealing ------------------------------------------------------------------ */

static void on_committed(void *ctx, int result)
{
    finish(ctx, result);
}

static void on_sealed(struct ic_node_request *r, int result)
{
    struct ic_handover_job *job = r->ctx;
    job->pending = false;
    if (result == 0) {
        job->state = JOB_COMMITTING;
        result = ic_store_move_commit(job->proxy->store, job->object, job->from.chunk, on_committed,
                                      job);
    }
    if (result < 0) {
        finish(job, result);
    }
}

static void seal(struct ic_handover_job *job)
{
    struct ic_chunk_target to = target(job);
    job->state = JOB_SEALING;
    ic_chunk_seal_fill(&job->request, &to, ic_slice(job->key, job->object->key_len),
                       job->expires_ms);
    submit(job, on_sealed);
}

/* ---- writing ------------------------------------------------------------------ */

static void write_on(struct ic_handover_job *job);

static void on_written(struct ic_node_request *r, int result)
{
    struct ic_handover_job *job = r->ctx;
    job->pending = false;
    if (result < 0) {
        finish(job, result);
    } else {
        job->stripe += job->stripes;
        write_on(job);
    }
}

static void write_on(struct ic_handover_job *job)
{
    if (object_died(job)) {
        finish(job, IC_ENOENT);
        return;
    }
    if (job->stripe == job->layout.stripes) {
        seal(job);
        return;
    }
    struct ic_chunk_target to = target(job);
    job->stripes = next_stripes(job);
    ic_chunk_write_fill(&job->request, &to, job->stripe, bytes_of(job), job->crc + job->stripe,
                        job->buf);
    submit(job, on_written);
}

/* Every byte is there: from here on the dying instance is not needed. */
static void begin_writing(struct ic_handover_job *job)
{
    struct ic_store *store = job->proxy->store;
    struct ic_slice key;
    int result = ic_store_seal_key(job->object, &key, &job->expires_ms) ? 0 : IC_EINVAL;
    if (result == 0) {
        result = ic_store_move_begin(store, job->object, job->from.chunk, job->from.function,
                                     job->from.serial);
    }
    if (result < 0) {
        finish(job, result);
        return;
    }
    job->moving = true;
    if (key.len > 0) {
        memcpy(job->key, key.data, key.len);
    }
    job->state = JOB_WRITING;
    job->stripe = 0;
    job->handler->read(job->ctx);
    write_on(job);
}

/* ---- reading ------------------------------------------------------------------ */

static bool is_right(const struct ic_handover_job *job)
{
    const uint8_t *at = bytes_of(job).data;
    for (uint64_t s = job->stripe; s < job->stripe + job->stripes; s++) {
        uint32_t unit = ic_layout_unit(&job->layout, s);
        if (ic_unit_crc(job->object->id, job->from.chunk, (uint32_t)s, at, unit) != job->crc[s]) {
            return false;
        }
        at += unit;
    }
    return true;
}

static void read_on(struct ic_handover_job *job);

static void on_read(struct ic_node_request *r, int result)
{
    struct ic_handover_job *job = r->ctx;
    job->pending = false;
    if (result == 0 && !is_right(job)) {
        result = IC_ECORRUPT;
    }
    if (result < 0) {
        finish(job, result);
    } else {
        job->stripe += job->stripes;
        read_on(job);
    }
}

static void read_on(struct ic_handover_job *job)
{
    if (object_died(job)) {
        finish(job, IC_ENOENT);
        return;
    }
    if (job->stripe == job->layout.stripes) {
        begin_writing(job);
        return;
    }
    job->stripes = next_stripes(job);
    struct ic_node_request read = {
        .op = IC_NODE_READ,
        .cause = IC_COST_REPAIR,
        .function = job->from.function,
        .chunk = job->from.chunk,
        .instance = job->from.serial,
        .nodes = 1,
        .object_id = job->object->id,
        .offset = ic_layout_chunk_offset(&job->layout, job->stripe),
        .length = (uint32_t)bytes_of(job).len,
        .unit = job->layout.unit,
        .into = (uint8_t *)bytes_of(job).data,
        .crcs_into = job->crc + job->stripe,
    };
    ic_node_request_fill(&job->request, &read);
    submit(job, on_read);
}

/* ---- life --------------------------------------------------------------------- */

static void begin_reading(void *ctx)
{
    struct ic_handover_job *job = ctx;
    if (job->state != JOB_WAITING) {
        return; /* the window's word for a take that failed, and was not asked again */
    }
    job->buf = ic_window_take(&job->grant, (size_t)buffer_bytes(job->object));
    if (job->buf == NULL) {
        return; /* the system has no memory: the window tells again */
    }
    uint64_t crcs = job->layout.stripes * sizeof(uint32_t);
    job->crc = (uint32_t *)(void *)(job->buf->data + job->layout.chunk_length);
    job->key = job->buf->data + job->layout.chunk_length + crcs;
    job->state = JOB_READING;
    read_on(job);
}

int ic_handover_job_new(struct ic_proxy *p, struct ic_object *object,
                        const struct ic_handover_source *from,
                        const struct ic_handover_job_handler *handler, void *ctx,
                        struct ic_handover_job **out)
{
    struct ic_handover_job *job = ic_calloc(1, sizeof *job);
    if (job == NULL) {
        return IC_ENOMEM;
    }
    job->proxy = p;
    job->object = object;
    job->from = *from;
    job->handler = handler;
    job->ctx = ctx;
    ic_layout_init(&job->layout, object->size, object->data, object->parity, object->unit);
    assert(job->layout.chunk_length % IC_LAYOUT_ALIGN == 0); /* the CRCs behind it are aligned */
    ic_timer_init(&job->timer, p->loop, begin_reading, job);
    size_t size = ic_handover_job_size(object);
    if (size > ic_window_stats(p->window).limit) {
        ic_free(job);
        return IC_ETOOBIG;
    }
    bool admitted =
        ic_window_admit(p->window, &job->grant, IC_WINDOW_READ, size, begin_reading, job);
    ic_store_pin(p->store, object);
    if (admitted) {
        ic_timer_start(&job->timer, 0);
    }
    *out = job;
    return 0;
}
