#include "proxy/put.h"

#include "base/alloc.h"
#include "code/unit_crc.h"
#include "proxy/put_internal.h"
#include "proxy/store.h"

#include <assert.h>

enum {
    IN_FLIGHT_BYTES = 6 << 20, /* of stripes per put; at least IN_FLIGHT_STRIPES however large */
    IN_FLIGHT_STRIPES = 2,
};

static uint64_t due_ms(const struct ic_put *put);
static void leave_window(struct ic_put *put);

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
    struct ic_put_stripe *s = ctx;
    for (uint16_t i = 0; i < s->chunk_count; i++) {
        ic_node_request_deinit(&s->write[i]);
    }
    ic_free(s);
}

void ic_put_release_stripe(struct ic_put_stripe *s)
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
static struct ic_put_stripe *open_stripe(struct ic_put *put)
{
    if (!may_open(put)) {
        return NULL; /* a stripe's release makes room */
    }
    uint64_t index = put->next_stripe;
    struct ic_put_stripe *s =
        ic_calloc(1, sizeof *s + put->chunk_count * sizeof(struct ic_node_request));
    if (s == NULL) {
        ic_put_fail(put, IC_ENOMEM, true);
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

/* False: there is no room now, so on_claim comes when it is worth another try; or the put has
 * failed. */
static bool claim(struct ic_put *put, uint64_t chunk_bytes)
{
    struct ic_proxy *p = put->proxy;
    int result = ic_claims_ask(&put->claim, p->store, put->object, chunk_bytes);
    if (result < 0 && result != IC_EBUSY) {
        ic_put_fail(put, result, true);
    }
    return result == 0;
}

/* All its bytes came: claims room, pads, encodes, sums while it is in cache, and sends. */
static void send_stripe(struct ic_put_stripe *s)
{
    struct ic_put *put = s->put;
    uint8_t *unit[IC_RS_CHUNKS_MAX];
    if (!claim(put, ic_layout_chunk_offset(&put->layout, s->index) + s->unit)) {
        return;
    }
    memset(s->buf->data + s->length, 0, (size_t)s->unit * put->layout.data - s->length);
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        unit[i] = ic_put_unit_bytes(s, i);
    }
    ic_rs_encode(put->rs, s->unit, unit);
    s->sent_ms = now_ms(put);
    put->filling = NULL;
    ic_write_pace_begin(&put->pace, now_ms(put));
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        if (put->chunk[i].state == IC_PUT_CHUNK_FAILED) {
            continue;
        }
        s->crc[i] = ic_unit_crc(put->object->id, i, (uint32_t)s->index, unit[i], s->unit);
        ic_put_submit_write(s, i);
    }
    ic_put_start_deadline(put);
}

/* Nothing is under way and no buffer held afterwards. */
static void stop_work(struct ic_put *put)
{
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        ic_put_cancel_chunk(put, i);
    }
    if (put->filling != NULL) {
        ic_put_release_stripe(put->filling);
    }
    assert(ic_list_empty(&put->stripes));
    ic_window_leave(&put->grant);
    ic_claim_leave(&put->claim);
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

void ic_put_fail(struct ic_put *put, int error, bool on_callers_stack)
{
    assert(put->state == IC_PUT_FILLING || put->state == IC_PUT_SEALING);
    stop_work(put);
    drop_object(put);
    put->state = IC_PUT_FAILED;
    put->error = error;
    if (on_callers_stack) {
        ic_timer_start(&put->report, 0);
    } else {
        on_report(put);
    }
}

void ic_put_resume_if_blocked(struct ic_put *put)
{
    if (put->blocked && put->state == IC_PUT_FILLING && put->admitted && may_open(put) &&
        !ic_claim_waits(&put->claim)) {
        put->blocked = false;
        put->pace.window_ms = 0;
        ic_write_pace_begin(&put->pace, now_ms(put));
        ic_put_start_deadline(put);
        put->handler->resume(put->ctx);
    }
}

/* Looks whether the seals suffice: all that are left, or after the deadline just enough. */
void ic_put_settle(struct ic_put *put)
{
    if (put->state != IC_PUT_SEALING || put->sealed < ic_put_quorum(put)) {
        return;
    }
    if (put->sealed + put->failed < put->chunk_count && now_ms(put) < due_ms(put)) {
        return;
    }
    put->state = IC_PUT_READY;
    ic_timer_stop(&put->deadline);
    put->handler->ready(put->ctx, 0);
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
    return put->state == IC_PUT_FILLING && ready && !has_all(put) && !ic_claim_waits(&put->claim);
}

/* When the oldest stripe's chunks are late; UINT64_MAX: none is under way. */
static uint64_t stripe_due_ms(const struct ic_put *put)
{
    if (ic_list_empty(&put->stripes)) {
        return UINT64_MAX;
    }
    const struct ic_put_stripe *oldest =
        IC_CONTAINER(put->stripes.next, struct ic_put_stripe, node);
    return oldest == put->filling ? UINT64_MAX
                                  : oldest->sent_ms + (uint64_t)put->proxy->config->write_deadline;
}

/* When something is late; UINT64_MAX: nothing is waited for. */
static uint64_t due_ms(const struct ic_put *put)
{
    if (put->state == IC_PUT_SEALING) {
        return put->started_ms + (uint64_t)put->proxy->config->write_deadline;
    }
    uint64_t admission_ms = put->queued ? put->started_ms + admission_limit_ms(put) : UINT64_MAX;
    return put->admitted ? stripe_due_ms(put) : admission_ms;
}

void ic_put_start_deadline(struct ic_put *put)
{
    uint64_t due = due_ms(put), now = now_ms(put);
    if (put->state != IC_PUT_FILLING && put->state != IC_PUT_SEALING) {
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
    const struct ic_put_stripe *oldest =
        IC_CONTAINER(put->stripes.next, struct ic_put_stripe, node);
    uint64_t late = oldest->pending;
    uint32_t count = (uint32_t)__builtin_popcountll(late);
    if (put->chunk_count - put->failed < ic_put_quorum(put) + count) {
        return; /* too many: their own deadlines decide, see functions.h */
    }
    for (; late != 0; late &= late - 1) {
        ic_put_give_up_chunk(put, (uint16_t)__builtin_ctzll(late));
    }
    ic_put_start_deadline(put);
    ic_put_resume_if_blocked(put);
}

static void on_deadline(void *ctx)
{
    struct ic_put *put = ctx;
    if (put->state == IC_PUT_SEALING) {
        ic_put_settle(put);
    } else if (!put->admitted) {
        ic_put_fail(put, IC_EBUSY, false);
    } else if (stripe_due_ms(put) <= now_ms(put)) {
        give_up_late_chunks(put);
    }
}

static void leave_window(struct ic_put *put)
{
    ic_window_leave(&put->grant);
    put->queued = put->admitted = put->served = false;
    ic_put_start_deadline(put);
}

/* The client leaves what it was given unfilled, or fills it slowly; nothing else is under way. */
static bool stalls(struct ic_put *put)
{
    const struct ic_put_stripe *s = put->filling;
    return put->admitted && waits_for_client(put) && put->stripe_count == (s != NULL) &&
           ic_write_pace_stalls(&put->pace, now_ms(put), s == NULL ? 0 : s->filled,
                                s == NULL ? 1 : s->length - s->filled,
                                ic_window_is_crowded(put->proxy->window, IC_WINDOW_WRITE));
}

size_t ic_put_withdraw(struct ic_put *put, struct ic_buf *bytes)
{
    struct ic_put_stripe *s = put->filling;
    if (!stalls(put) || (s != NULL && ic_buf_append(bytes, s->buf->data, s->filled) < 0)) {
        return 0;
    }
    if (s != NULL) {
        put->next_stripe--;
        put->received -= s->filled;
        ic_put_release_stripe(s);
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
    if (put->state == IC_PUT_FILLING) {
        put->admitted = true;
        ic_write_pace_begin(&put->pace, now_ms(put));
        ic_put_start_deadline(put);
        ic_put_resume_if_blocked(put);
    }
}

/* Reserves one stripe. */
static void queue_for_memory(struct ic_put *put)
{
    size_t bytes = stripe_bytes(put, 0);
    bool is_small = ic_window_is_small(put->object->size);
    put->queued = true;
    put->admitted = ic_window_admit(put->proxy->window, &put->grant,
                                    is_small ? IC_WINDOW_SMALL_WRITE : IC_WINDOW_WRITE,
                                    ic_window_size(bytes), on_grant_ready, put);
    put->started_ms = now_ms(put);
    ic_write_pace_begin(&put->pace, now_ms(put));
    ic_put_start_deadline(put);
}

/* The client has said that this is all: seals the chunks, unless the last stripe, or an empty
 * value, waits for room. */
static void seal_if_sent(struct ic_put *put)
{
    bool empty = put->layout.stripes == 0;
    if (!put->ends || !has_all(put) || (empty && !claim(put, 0))) {
        return;
    }
    put->state = IC_PUT_SEALING;
    put->started_ms = now_ms(put);
    ic_put_start_deadline(put);
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        if (put->chunk[i].state != IC_PUT_CHUNK_FAILED) {
            ic_put_submit_seal(put, i, put->expires_ms);
        }
    }
}

/* Room has been made, more or all of what the put has waited for. */
static void on_claim(void *ctx)
{
    struct ic_put *put = ctx;
    if (put->filling != NULL) {
        send_stripe(put->filling);
    }
    if (put->state == IC_PUT_FILLING) {
        seal_if_sent(put);
    }
    ic_put_resume_if_blocked(put);
}

/* Those who wait for room may have the window memory that it waits for. */
static bool goes_on(void *ctx, bool lately)
{
    const struct ic_put *put = ctx;
    bool queues = put->queued && !put->admitted;
    return put->state == IC_PUT_SEALING || (lately && !queues);
}

static void on_refused(void *ctx)
{
    ic_put_fail(ctx, IC_ENOSPC, false);
}

static void on_hurry(void *ctx)
{
    struct ic_put *put = ctx;
    if (put->queued) {
        ic_window_bring_forward(&put->grant);
    }
}

static const struct ic_claim_handler claim_handler = {
    .again = on_claim, .goes_on = goes_on, .hurry = on_hurry, .refuse = on_refused};

static struct ic_put *allocate(struct ic_proxy *p, struct ic_object *o, struct ic_slice key)
{
    uint16_t count = (uint16_t)(o->data + o->parity);
    size_t bytes = sizeof(struct ic_put) + count * sizeof(struct ic_put_chunk);
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
    ic_claim_init(&put->claim, &p->claims, &claim_handler, put);
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        ic_put_chunk_init(put, i);
        ic_functions_wake(p->functions, object->place[i].function);
    }
    return put;
}

/* The rest fits in what may be in flight: with the room it has it is soon out of others' way. */
static bool is_near_end(const struct ic_put *put)
{
    return put->object->size - put->received <= IN_FLIGHT_BYTES;
}

size_t ic_put_room(struct ic_put *put, struct iovec *iov, size_t max)
{
    struct ic_put_stripe *s = put->filling;
    if (put->state != IC_PUT_FILLING || max == 0 || has_all(put)) {
        return 0;
    }
    if (ic_claim_waits(&put->claim)) {
        put->blocked = true;
        return 0;
    }
    if (s == NULL) {
        bool yields =
            !is_near_end(put) && put->served && ic_window_stats(put->proxy->window).waiting > 0;
        if (yields && put->stripe_count == 0) { /* else when nodes have the stripes there are */
            leave_window(put);
            yields = false;
        }
        if (!put->queued) {
            queue_for_memory(put);
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
    struct ic_put_stripe *s = put->filling;
    if (put->state != IC_PUT_FILLING || len == 0) {
        return;
    }
    assert(s != NULL && len <= s->length - s->filled);
    s->filled += (uint32_t)len;
    put->received += len;
    ic_write_pace_came(&put->pace, now_ms(put), s->filled);
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
    if (put->state == IC_PUT_FILLING) {
        assert(has_all(put) || ic_claim_waits(&put->claim));
        put->ends = true;
        put->expires_ms = expires_ms;
        seal_if_sent(put);
    }
}
struct ic_object *ic_put_take(struct ic_put *put)
{
    struct ic_object *object = put->object;
    assert(put->state == IC_PUT_READY);
    for (uint16_t i = 0; i < put->chunk_count; i++) {
        if (put->chunk[i].state == IC_PUT_CHUNK_OPEN) {
            ic_put_give_up_chunk(put, i);
        }
    }
    stop_work(put);
    put->state = IC_PUT_TAKEN;
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
        ic_put_chunk_deinit(put, i);
    }
    ic_free(put);
}

void ic_put_free(struct ic_put *put)
{
    if (put == NULL || put->freed) {
        return;
    }
    put->freed = true;
    if (put->state != IC_PUT_FAILED && put->state != IC_PUT_TAKEN) {
        stop_work(put);
        drop_object(put);
        put->state = IC_PUT_FAILED; /* no handler is called any more */
    }
    ic_timer_stop(&put->report);
    ic_loop_reap(put->proxy->loop, &put->reap, reap_put, put);
}
