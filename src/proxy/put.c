#include "proxy/put.h"

#include "base/alloc.h"
#include "code/layout.h"
#include "code/rs.h"
#include "code/unit_crc.h"
#include "proxy/chunk_write.h"
#include "proxy/proxy.h"
#include "proxy/recall.h"
#include "proxy/store.h"
#include "proxy/window.h"
#include "proxy/write_pace.h"

#include <assert.h>

enum {
    IN_FLIGHT_BYTES = 6 << 20, /* of stripes per put; at least IN_FLIGHT_STRIPES however large */
    IN_FLIGHT_STRIPES = 2,
    RECALLS_MAX = 3, /* of a chunk's instance in a row, without a byte written */
};

enum put_state { PUT_FILLING, PUT_SEALING, PUT_READY, PUT_TAKEN, PUT_FAILED };
enum chunk_state { CHUNK_OPEN, CHUNK_SEALED, CHUNK_FAILED };

/* A stripe from its first byte until each of its chunks is written or given up. */
struct stripe {
    struct ic_list node; /* put->stripes, in order */
    struct ic_reap reap;
    struct ic_put *put;
    struct ic_buf *buf;
    uint64_t index;
    uint64_t sent_ms;
    uint64_t pending;      /* chunks whose WRITE is under way, or waits for their instance */
    uint32_t unit, length; /* bytes per unit; bytes of the object in it */
    uint32_t filled;       /* bytes that came */
    uint32_t crc[IC_RS_CHUNKS_MAX];
    uint16_t chunk_count;           /* the put's, which may be freed before */
    struct ic_node_request write[]; /* d + p */
};

struct chunk {
    struct ic_node_request seal;
    enum chunk_state state;
    bool sealing;    /* its SEAL is under way, or waits for its instance */
    bool moved;      /* its first function could not take it */
    uint8_t recalls; /* since the last answer */
    struct ic_recall recall;
};

struct ic_put {
    struct ic_proxy *proxy;
    const struct ic_put_handler *handler;
    void *ctx;
    struct ic_object *object; /* ours until taken or dropped */
    struct ic_rs *rs;
    struct ic_layout layout;
    struct ic_grant grant;
    struct ic_timer deadline; /* of admission, of the oldest stripe, of the seals */
    struct ic_timer report;   /* tells a failure that happened on the caller's stack */
    struct ic_reap reap;
    struct ic_list stripes;
    struct stripe *filling; /* the last of them, if it is not full */
    uint64_t next_stripe;
    uint64_t started_ms; /* of waiting for admission, then of sealing */
    uint64_t received;   /* bytes */
    struct ic_write_pace pace;
    uint32_t stripe_count;
    uint32_t sealed, failed; /* chunks */
    double dollars;          /* of the requests answered */
    int error;
    enum put_state state;
    bool queued, admitted, served, blocked, freed; /* served: with memory for a stripe */
    uint8_t *key;                                  /* a copy: goes into the seals */
    size_t key_len;
    uint16_t chunk_count;
    struct chunk chunk[]; /* d + p */
};

static void fail(struct ic_put *put, int error, bool on_callers_stack);
static uint64_t due_ms(const struct ic_put *put);
static void start_deadline(struct ic_put *put);
static void leave_window(struct ic_put *put);
static void on_write_done(struct ic_node_request *r, int result);
static void on_seal_done(struct ic_node_request *r, int result);

static uint32_t quorum(const struct ic_put *put)
{
    return put->object->data + (put->object->parity > 0 ? 1u : 0u);
}

static uint64_t now_ms(const struct ic_put *put)
{
    return ic_loop_now_ms(put->proxy->loop);
}

/* Every byte of the value has come. */
static bool has_all(const struct ic_put *put)
{
    return put->next_stripe == put->layout.stripes && put->filling == NULL;
}

static size_t stripe_bytes(const struct ic_put *put, uint64_t index)
{
    /* With one data unit the parity units are the same bytes: stored once here. */
    uint32_t units = put->layout.data == 1 ? 1 : put->chunk_count;
    return (size_t)ic_layout_unit(&put->layout, index) * units;
}

/* ---- stripes ---------------------------------------------------------------- */

static void reap_stripe(void *ctx)
{
    struct stripe *s = ctx;
    for (uint16_t i = 0; i < s->chunk_count; i++) {
        ic_node_request_deinit(&s->write[i]);
    }
    ic_free(s);
}

static void release_stripe(struct stripe *s)
{
    struct ic_put *put = s->put;
    assert(s->pending == 0);
    ic_list_remove(&s->node);
    put->stripe_count--;
    put->filling = put->filling == s ? NULL : put->filling;
    if (put->stripe_count == 0 && has_all(put)) { /* it will need no more */
        leave_window(put);
    }
    ic_buf_unref(s->buf);
    s->buf = NULL;
    ic_loop_reap(put->proxy->loop, &s->reap, reap_stripe, s);
}

static bool may_open(const struct ic_put *put)
{
    return put->stripe_count < IN_FLIGHT_STRIPES ||
           (size_t)put->stripe_count * stripe_bytes(put, 0) < IN_FLIGHT_BYTES;
}

/* The stripe that takes the next bytes; NULL: no memory now, or the put has failed. */
static struct stripe *open_stripe(struct ic_put *put)
{
    if (!may_open(put)) {
        return NULL; /* a stripe's release makes room */
    }
    uint64_t index = put->next_stripe;
    struct stripe *s = ic_calloc(1, sizeof *s + put->chunk_count * sizeof(struct ic_node_request));
    if (s == NULL) {
        fail(put, IC_ENOMEM, true);
        return NULL;
    }
    s->buf = ic_window_take(&put->grant, stripe_bytes(put, index));
    if (s->buf == NULL) {
        ic_free(s);
        return NULL;
    }
    s->put = put;
    s->chunk_count = put->chunk_count;
    s->index = index;
    s->unit = ic_layout_unit(&put->layout, index);
    s->length = (uint32_t)ic_layout_stripe_length(&put->layout, index);
    put->next_stripe++;
    put->stripe_count++;
    put->filling = s;
    put->served = true;
    ic_write_pace_begin(&put->pace, now_ms(put));
    ic_list_push_back(&put->stripes, &s->node);
    return s;
}

static uint8_t *unit_bytes(const struct stripe *s, uint16_t chunk)
{
    return s->put->layout.data == 1 ? s->buf->data : s->buf->data + (size_t)chunk * s->unit;
}

static struct ic_chunk_target target(const struct ic_put *put, uint16_t chunk)
{
    return (struct ic_chunk_target){
        .object = put->object, .layout = &put->layout, .nodes = put->chunk_count, .chunk = chunk};
}

static void submit_seal(struct ic_put *put, uint16_t chunk, int64_t expires_ms)
{
    struct ic_chunk_target to = target(put, chunk);
    struct ic_node_request *r = &put->chunk[chunk].seal;
    put->chunk[chunk].sealing = true;
    ic_chunk_seal_fill(r, &to, ic_slice(put->key, put->key_len), expires_ms);
    r->done = on_seal_done;
    r->ctx = put;
    ic_functions_submit(put->proxy->functions, r);
}

static void submit_write(struct stripe *s, uint16_t chunk)
{
    struct ic_chunk_target to = target(s->put, chunk);
    struct ic_node_request *r = &s->write[chunk];
    ic_chunk_write_fill(r, &to, s->index, ic_slice(unit_bytes(s, chunk), s->unit), &s->crc[chunk],
                        s->buf);
    r->done = on_write_done;
    r->ctx = s;
    s->pending |= UINT64_C(1) << chunk;
    ic_functions_submit(s->put->proxy->functions, r);
}

/* All its bytes came: claims room, pads, encodes, sums while it is in cache, and sends. */
static void send_stripe(struct stripe *s)
{
    struct ic_put *put = s->put;
    uint8_t *unit[IC_RS_CHUNKS_MAX];
    int result = ic_store_claim(put->proxy->store, put->object,
                                ic_layout_chunk_offset(&put->layout, s->index) + s->unit);
    if (result < 0) {
        fail(put, result, true);
        return;
    }
    memset(s->buf->data + s->length, 0, (size_t)s->unit * put->layout.data - s->length);
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        unit[i] = unit_bytes(s, i);
    }
    ic_rs_encode(put->rs, s->unit, unit);
    s->sent_ms = now_ms(put);
    put->filling = NULL;
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        if (put->chunk[i].state == CHUNK_FAILED) {
            continue;
        }
        s->crc[i] = ic_unit_crc(put->object->id, i, (uint32_t)s->index, unit[i], s->unit);
        submit_write(s, i);
    }
    start_deadline(put);
}

/* ---- chunks ----------------------------------------------------------------- */

/* Nothing of chunk I is in any queue afterwards. */
static void take_back(struct ic_put *put, uint16_t i)
{
    IC_LIST_EACH (node, &put->stripes) {
        struct stripe *s = IC_CONTAINER(node, struct stripe, node);
        ic_functions_cancel(put->proxy->functions, &s->write[i]);
        s->pending &= ~(UINT64_C(1) << i);
    }
    ic_functions_cancel(put->proxy->functions, &put->chunk[i].seal);
    put->chunk[i].sealing = false;
    ic_recall_end(&put->chunk[i].recall);
}

/* The chunk's function cannot take it, or has lost it. If all its bytes are here still, they go to
 * another function in its place, once. False: that cannot be, and nothing has changed. */
static bool move_chunk(struct ic_put *put, uint16_t i)
{
    struct chunk *c = &put->chunk[i];
    const struct stripe *first =
        ic_list_empty(&put->stripes) ? NULL : IC_CONTAINER(put->stripes.next, struct stripe, node);
    bool whole = put->layout.stripes == 0 || (first != NULL && first->index == 0);
    bool sealing = c->sealing;
    if (c->moved || !whole || ic_store_move_draft(put->proxy->store, put->object, i) < 0) {
        return false;
    }
    c->moved = true;
    take_back(put, i);
    IC_LIST_EACH (node, &put->stripes) {
        struct stripe *s = IC_CONTAINER(node, struct stripe, node);
        if (s != put->filling) {
            submit_write(s, i);
        }
    }
    if (sealing) {
        submit_seal(put, i, c->seal.expires_ms);
    }
    return true;
}

/* The same; stripes nobody needs any more are released. */
static void cancel_chunk(struct ic_put *put, uint16_t i)
{
    take_back(put, i);
    IC_LIST_EACH (node, &put->stripes) {
        struct stripe *s = IC_CONTAINER(node, struct stripe, node);
        if (s->pending == 0 && s != put->filling) {
            release_stripe(s);
        }
    }
}

static void give_up_chunk(struct ic_put *put, uint16_t i)
{
    assert(put->chunk[i].state == CHUNK_OPEN);
    put->chunk[i].state = CHUNK_FAILED;
    put->failed++;
    cancel_chunk(put, i);
    ic_store_lost(put->proxy->store, put->object, i, put->object->place[i].instance);
}

/* Nothing is under way and no buffer held afterwards. */
static void stop_work(struct ic_put *put)
{
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        cancel_chunk(put, i);
    }
    if (put->filling != NULL) {
        release_stripe(put->filling);
    }
    assert(ic_list_empty(&put->stripes));
    ic_window_leave(&put->grant);
    ic_timer_stop(&put->deadline);
}

static void drop_object(struct ic_put *put)
{
    if (put->object != NULL) {
        ic_store_drop(put->proxy->store, put->object);
        put->object = NULL;
    }
}

static void on_report(void *ctx)
{
    struct ic_put *put = ctx;
    put->handler->ready(put->ctx, put->error);
}

static void fail(struct ic_put *put, int error, bool on_callers_stack)
{
    assert(put->state == PUT_FILLING || put->state == PUT_SEALING);
    stop_work(put);
    drop_object(put);
    put->state = PUT_FAILED;
    put->error = error;
    if (on_callers_stack) {
        ic_timer_start(&put->report, 0);
    } else {
        on_report(put);
    }
}

static void resume_if_blocked(struct ic_put *put)
{
    if (put->blocked && put->state == PUT_FILLING && put->admitted && may_open(put)) {
        put->blocked = false;
        put->pace.window_ms = 0;
        ic_write_pace_begin(&put->pace, now_ms(put));
        start_deadline(put);
        put->handler->resume(put->ctx);
    }
}

/* Looks whether the seals suffice: all that are left, or after the deadline just enough. */
static void settle(struct ic_put *put)
{
    if (put->state != PUT_SEALING || put->sealed < quorum(put)) {
        return;
    }
    if (put->sealed + put->failed < put->chunk_count && now_ms(put) < due_ms(put)) {
        return;
    }
    put->state = PUT_READY;
    ic_timer_stop(&put->deadline);
    put->handler->ready(put->ctx, 0);
}

/* From the loop: chunk I will not be there. May end the put. */
static void chunk_failed(struct ic_put *put, uint16_t i, int error)
{
    give_up_chunk(put, i);
    if (put->chunk_count - put->failed < quorum(put)) {
        fail(put, error, false);
        return;
    }
    settle(put);
    resume_if_blocked(put);
}

/* Another instance answers in the place of the one that has chunk I's first bytes: it is asked to
 * come back. False: that has been tried. */
static bool recall_chunk(struct ic_put *put, uint16_t i)
{
    struct chunk *c = &put->chunk[i];
    if (c->recall.waits || c->recalls == RECALLS_MAX) {
        return c->recall.waits;
    }
    c->recalls++;
    ic_recall_begin(&c->recall, put->object->place[i].function, put->object->place[i].instance);
    return true;
}

static void on_recalled(struct ic_recall *recall, int result)
{
    struct ic_put *put = recall->ctx;
    struct chunk *c = IC_CONTAINER(recall, struct chunk, recall);
    uint16_t i = (uint16_t)(c - put->chunk);
    if (result < 0) {
        chunk_failed(put, i, result);
        return;
    }
    IC_LIST_EACH (node, &put->stripes) {
        struct stripe *s = IC_CONTAINER(node, struct stripe, node);
        if ((s->pending >> i & 1) != 0 && ic_node_request_is_idle(&s->write[i])) {
            ic_functions_submit(put->proxy->functions, &s->write[i]);
        }
    }
    if (c->sealing && ic_node_request_is_idle(&c->seal)) {
        ic_functions_submit(put->proxy->functions, &c->seal);
    }
}

/* Something of chunk I was answered: its instance need not stay if that was all. */
static void end_recall(struct ic_put *put, uint16_t i)
{
    struct chunk *c = &put->chunk[i];
    bool pending = c->sealing;
    c->recalls = 0;
    if (!ic_recall_active(&c->recall)) {
        return;
    }
    IC_LIST_EACH (node, &put->stripes) {
        pending = pending || (IC_CONTAINER(node, struct stripe, node)->pending >> i & 1) != 0;
    }
    if (!pending) {
        ic_recall_end(&c->recall);
    }
}

/* What answers a WRITE or SEAL, R. True: it ended with RESULT; else R goes on: it was submitted to
 * another function, or waits, idle, for its instance to come back. */
static bool is_final(struct ic_put *put, struct ic_node_request *r, int result)
{
    put->dollars += r->dollars;
    r->dollars = 0;
    if (result == 0) {
        return true;
    }
    return !move_chunk(put, r->chunk) && (result != IC_EAWAY || !recall_chunk(put, r->chunk));
}

static void on_write_done(struct ic_node_request *r, int result)
{
    struct stripe *s = r->ctx;
    struct ic_put *put = s->put;
    uint64_t bit = UINT64_C(1) << r->chunk;
    if (!is_final(put, r, result)) {
        return;
    }
    s->pending &= ~bit;
    if (s->pending == 0) {
        release_stripe(s);
    }
    start_deadline(put);
    if (result < 0) {
        chunk_failed(put, r->chunk, result);
        return;
    }
    end_recall(put, r->chunk);
    resume_if_blocked(put);
}

static void on_seal_done(struct ic_node_request *r, int result)
{
    struct ic_put *put = r->ctx;
    struct chunk *c = &put->chunk[r->chunk];
    if (!is_final(put, r, result)) {
        return;
    }
    c->sealing = false;
    if (result < 0) {
        chunk_failed(put, r->chunk, result);
        return;
    }
    c->state = CHUNK_SEALED;
    put->sealed++;
    ic_store_sealed(put->proxy->store, put->object, r->chunk);
    end_recall(put, r->chunk);
    settle(put);
}

/* ---- deadlines -------------------------------------------------------------- */

static uint64_t admission_limit_ms(const struct ic_put *put)
{
    const struct ic_config *config = put->proxy->config;
    return (uint64_t)(config->invoke_timeout + config->node_timeout);
}

/* The next bytes are the client's to send. */
static bool waits_for_client(const struct ic_put *put)
{
    bool ready = put->admitted ? !put->blocked : !put->queued; /* to take them */
    return put->state == PUT_FILLING && ready && !has_all(put);
}

/* When the oldest stripe's chunks are late; UINT64_MAX: none is under way. */
static uint64_t stripe_due_ms(const struct ic_put *put)
{
    if (ic_list_empty(&put->stripes)) {
        return UINT64_MAX;
    }
    const struct stripe *oldest = IC_CONTAINER(put->stripes.next, struct stripe, node);
    return oldest == put->filling ? UINT64_MAX
                                  : oldest->sent_ms + (uint64_t)put->proxy->config->write_deadline;
}

/* When something is late; UINT64_MAX: nothing is waited for. */
static uint64_t due_ms(const struct ic_put *put)
{
    if (put->state == PUT_SEALING) {
        return put->started_ms + (uint64_t)put->proxy->config->write_deadline;
    }
    uint64_t admission_ms = put->queued ? put->started_ms + admission_limit_ms(put) : UINT64_MAX;
    return put->admitted ? stripe_due_ms(put) : admission_ms;
}

static void start_deadline(struct ic_put *put)
{
    uint64_t due = due_ms(put), now = now_ms(put);
    if (put->state != PUT_FILLING && put->state != PUT_SEALING) {
        return;
    }
    if (due == UINT64_MAX) {
        ic_timer_stop(&put->deadline);
    } else {
        ic_timer_start(&put->deadline, due > now ? due - now : 0);
    }
}

/* The oldest stripe waits for a few chunks that hold up everything: goes on without them. */
static void give_up_late_chunks(struct ic_put *put)
{
    const struct stripe *oldest = IC_CONTAINER(put->stripes.next, struct stripe, node);
    uint64_t late = oldest->pending;
    uint32_t count = (uint32_t)__builtin_popcountll(late);
    if (put->chunk_count - put->failed < quorum(put) + count) {
        return; /* too many: their own deadlines decide, see functions.h */
    }
    for (; late != 0; late &= late - 1) {
        give_up_chunk(put, (uint16_t)__builtin_ctzll(late));
    }
    start_deadline(put);
    resume_if_blocked(put);
}

static void on_deadline(void *ctx)
{
    struct ic_put *put = ctx;
    if (put->state == PUT_SEALING) {
        settle(put);
    } else if (!put->admitted) {
        fail(put, IC_EBUSY, false);
    } else if (stripe_due_ms(put) <= now_ms(put)) {
        give_up_late_chunks(put);
    }
}

static void leave_window(struct ic_put *put)
{
    ic_window_leave(&put->grant);
    put->queued = put->admitted = put->served = false;
    start_deadline(put);
}

/* The client leaves what it was given unfilled, or fills it slowly; nothing else is under way. */
static bool stalls(struct ic_put *put)
{
    const struct stripe *s = put->filling;
    return put->admitted && waits_for_client(put) && put->stripe_count == (s != NULL) &&
           ic_write_pace_stalls(&put->pace, now_ms(put), s == NULL ? 0 : s->filled,
                                s == NULL ? 1 : s->length - s->filled);
}

size_t ic_put_withdraw(struct ic_put *put, struct ic_buf *bytes)
{
    struct stripe *s = put->filling;
    if (!stalls(put) || (s != NULL && ic_buf_append(bytes, s->buf->data, s->filled) < 0)) {
        return 0;
    }
    if (s != NULL) {
        put->next_stripe--;
        put->received -= s->filled;
        release_stripe(s);
    }
    leave_window(put);
    return (size_t)ic_layout_stripe_length(&put->layout, put->next_stripe);
}

bool ic_put_fast_enough(struct ic_put *put, uint64_t ahead, uint64_t rate)
{
    return ic_write_pace_fast_enough(&put->pace, now_ms(put), waits_for_client(put),
                                     put->received + ahead, rate);
}

/* ---- life ------------------------------------------------------------------- */

static void on_grant_ready(void *ctx)
{
    struct ic_put *put = ctx;
    if (put->state == PUT_FILLING) {
        put->admitted = true;
        ic_write_pace_begin(&put->pace, now_ms(put));
        start_deadline(put);
        resume_if_blocked(put);
    }
}

/* Reserves one stripe. False: the put has failed. */
static bool queue_for_memory(struct ic_put *put)
{
    size_t bytes = stripe_bytes(put, 0);
    int result = bytes > IC_WINDOW_BUFFER_MAX
                     ? IC_ETOOBIG
                     : ic_window_admit(put->proxy->window, &put->grant, IC_WINDOW_WRITE,
                                       ic_window_size(bytes), on_grant_ready, put);
    if (result < 0) {
        fail(put, IC_ENOMEM, true);
        return false;
    }
    put->queued = true;
    put->admitted = result == 1;
    put->started_ms = now_ms(put);
    ic_write_pace_begin(&put->pace, now_ms(put));
    start_deadline(put);
    return true;
}

static struct ic_put *allocate(struct ic_proxy *p, struct ic_object *o, struct ic_slice key)
{
    uint16_t count = (uint16_t)(o->data + o->parity);
    size_t bytes = sizeof(struct ic_put) + count * sizeof(struct chunk);
    struct ic_put *put = ic_calloc(1, bytes + key.len);
    struct ic_rs *rs = put == NULL ? NULL : ic_rs_set_get(p->codes, o->data, o->parity);
    if (rs == NULL) {
        ic_free(put);
        return NULL;
    }
    put->proxy = p;
    put->object = o;
    put->rs = rs;
    put->chunk_count = count;
    put->key = (uint8_t *)put + bytes;
    put->key_len = key.len;
    if (key.len > 0) {
        memcpy(put->key, key.data, key.len);
    }
    ic_list_init(&put->stripes);
    ic_layout_init(&put->layout, o->size, o->data, o->parity, o->unit);
    return put;
}

struct ic_put *ic_put_new(struct ic_proxy *p, struct ic_slice key, uint64_t size,
                          const struct ic_put_handler *h, void *ctx, int *error)
{
    struct ic_object *object;
    *error = ic_store_draft(p->store, key, size, &object);
    if (*error < 0) {
        return NULL;
    }
    struct ic_put *put = allocate(p, object, key);
    if (put == NULL) {
        ic_store_drop(p->store, object);
        *error = IC_ENOMEM;
        return NULL;
    }
    put->handler = h;
    put->ctx = ctx;
    ic_timer_init(&put->deadline, p->loop, on_deadline, put);
    ic_timer_init(&put->report, p->loop, on_report, put);
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        ic_recall_init(&put->chunk[i].recall, p, on_recalled, put);
        ic_functions_wake(p->functions, object->place[i].function);
    }
    return put;
}

size_t ic_put_room(struct ic_put *put, struct iovec *iov, size_t max)
{
    struct stripe *s = put->filling;
    if (put->state != PUT_FILLING || max == 0 || has_all(put)) {
        return 0;
    }
    if (s == NULL) {
        bool yields = put->served && ic_window_stats(put->proxy->window).waiting > 0;
        if (yields && put->stripe_count == 0) { /* else when nodes have the stripes there are */
            leave_window(put);
            yields = false;
        }
        if (!put->queued && !queue_for_memory(put)) {
            return 0;
        }
        s = put->admitted && !yields ? open_stripe(put) : NULL;
        if (s == NULL) {
            put->blocked = true;
            return 0;
        }
    }
    iov[0] = (struct iovec){.iov_base = s->buf->data + s->filled, .iov_len = s->length - s->filled};
    return 1;
}

void ic_put_received(struct ic_put *put, size_t len)
{
    struct stripe *s = put->filling;
    if (put->state != PUT_FILLING || len == 0) {
        return;
    }
    assert(s != NULL && len <= s->length - s->filled);
    s->filled += (uint32_t)len;
    put->received += len;
    if (s->filled == s->length) {
        send_stripe(s);
    }
}

size_t ic_put_write(struct ic_put *put, struct ic_slice bytes)
{
    size_t taken = 0;
    struct iovec iov;
    while (taken < bytes.len && ic_put_room(put, &iov, 1) > 0) {
        size_t len = bytes.len - taken < iov.iov_len ? bytes.len - taken : iov.iov_len;
        memcpy(iov.iov_base, bytes.data + taken, len);
        ic_put_received(put, len);
        taken += len;
    }
    return taken;
}

void ic_put_seal(struct ic_put *put, int64_t expires_ms)
{
    if (put->state != PUT_FILLING) {
        return;
    }
    assert(has_all(put));
    bool empty = put->layout.stripes == 0;
    int result = empty ? ic_store_claim(put->proxy->store, put->object, 0) : 0;
    if (result < 0) {
        fail(put, result, true);
        return;
    }
    put->state = PUT_SEALING;
    put->started_ms = now_ms(put);
    start_deadline(put);
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        if (put->chunk[i].state != CHUNK_FAILED) {
            submit_seal(put, i, expires_ms);
        }
    }
}

struct ic_object *ic_put_take(struct ic_put *put)
{
    struct ic_object *object = put->object;
    assert(put->state == PUT_READY);
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        if (put->chunk[i].state == CHUNK_OPEN) {
            give_up_chunk(put, i);
        }
    }
    stop_work(put);
    put->state = PUT_TAKEN;
    put->object = NULL;
    return object;
}

double ic_put_dollars(const struct ic_put *put)
{
    return put->dollars;
}

struct ic_pool_use ic_put_pool_use(const struct ic_put *put)
{
    return put->object == NULL ? (struct ic_pool_use){0} : ic_object_use(put->object);
}

size_t ic_put_memory(const struct ic_put *put)
{
    return sizeof *put + put->chunk_count * sizeof put->chunk[0] + put->key_len;
}

static void reap_put(void *ctx)
{
    struct ic_put *put = ctx;
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        ic_node_request_deinit(&put->chunk[i].seal);
        ic_recall_deinit(&put->chunk[i].recall);
    }
    ic_free(put);
}

void ic_put_free(struct ic_put *put)
{
    if (put == NULL || put->freed) {
        return;
    }
    put->freed = true;
    if (put->state != PUT_FAILED && put->state != PUT_TAKEN) {
        stop_work(put);
        drop_object(put);
        put->state = PUT_FAILED; /* no handler is called any more */
    }
    ic_timer_stop(&put->report);
    ic_loop_reap(put->proxy->loop, &put->reap, reap_put, put);
}
