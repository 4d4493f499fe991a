/*
 * put_chunk.c - what becomes of each chunk of a put: it is written and sealed, moves to another
 * function, waits for its instance to come back, or is given up.
 */
#include "proxy/put_internal.h"

#include "proxy/chunk_write.h"
#include "proxy/store.h"

#include <assert.h>

enum {
    RECALLS_MAX = 3, /* of a chunk's instance in a row, without a byte written */
};

static void on_write_done(struct ic_node_request *r, int result);
static void on_seal_done(struct ic_node_request *r, int result);
static void on_recalled(struct ic_recall *recall, int result);

void ic_put_chunk_init(struct ic_put *put, uint16_t i)
{
    ic_recall_init(&put->chunk[i].recall, put->proxy, on_recalled, put);
}

void ic_put_chunk_deinit(struct ic_put *put, uint16_t i)
{
    ic_node_request_deinit(&put->chunk[i].seal);
    ic_recall_deinit(&put->chunk[i].recall);
}

uint8_t *ic_put_unit_bytes(const struct ic_put_stripe *s, uint16_t chunk)
{
    return s->put->layout.data == 1 ? s->buf->data : s->buf->data + (size_t)chunk * s->unit;
}

static struct ic_chunk_target target(const struct ic_put *put, uint16_t chunk)
{
    return (struct ic_chunk_target){
        .object = put->object, .layout = &put->layout, .nodes = put->chunk_count, .chunk = chunk};
}

void ic_put_submit_seal(struct ic_put *put, uint16_t chunk, int64_t expires_ms)
{
    struct ic_chunk_target to = target(put, chunk);
    struct ic_node_request *r = &put->chunk[chunk].seal;
    put->chunk[chunk].sealing = true;
    ic_chunk_seal_fill(r, &to, ic_slice(put->key, put->key_len), expires_ms);
    r->done = on_seal_done;
    r->ctx = put;
    ic_functions_submit(put->proxy->functions, r);
}

void ic_put_submit_write(struct ic_put_stripe *s, uint16_t chunk)
{
    struct ic_chunk_target to = target(s->put, chunk);
    struct ic_node_request *r = &s->write[chunk];
    ic_chunk_write_fill(r, &to, s->index, ic_slice(ic_put_unit_bytes(s, chunk), s->unit),
                        &s->crc[chunk], s->buf);
    r->done = on_write_done;
    r->ctx = s;
    s->pending |= UINT64_C(1) << chunk;
    ic_functions_submit(s->put->proxy->functions, r);
}

/* Nothing of chunk I is in any queue afterwards. */
static void take_back(struct ic_put *put, uint16_t i)
{
    IC_LIST_EACH (node, &put->stripes) {
        struct ic_put_stripe *s = IC_CONTAINER(node, struct ic_put_stripe, node);
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
    struct ic_put_chunk *c = &put->chunk[i];
    const struct ic_put_stripe *first =
        ic_list_empty(&put->stripes) ? NULL
                                     : IC_CONTAINER(put->stripes.next, struct ic_put_stripe, node);
    bool whole = put->layout.stripes == 0 || (first != NULL && first->index == 0);
    bool sealing = c->sealing;
    if (c->moved || !whole || ic_store_move_draft(put->proxy->store, put->object, i) < 0) {
        return false;
    }
    c->moved = true;
    take_back(put, i);
    IC_LIST_EACH (node, &put->stripes) {
        struct ic_put_stripe *s = IC_CONTAINER(node, struct ic_put_stripe, node);
        if (s != put->filling) {
            ic_put_submit_write(s, i);
        }
    }
    if (sealing) {
        ic_put_submit_seal(put, i, c->seal.expires_ms);
    }
    return true;
}

/* The same; stripes nobody needs any more are released. */
void ic_put_cancel_chunk(struct ic_put *put, uint16_t i)
{
    take_back(put, i);
    IC_LIST_EACH (node, &put->stripes) {
        struct ic_put_stripe *s = IC_CONTAINER(node, struct ic_put_stripe, node);
        if (s->pending == 0 && s != put->filling) {
            ic_put_release_stripe(s);
        }
    }
}

void ic_put_give_up_chunk(struct ic_put *put, uint16_t i)
{
    assert(put->chunk[i].state == IC_PUT_CHUNK_OPEN);
    put->chunk[i].state = IC_PUT_CHUNK_FAILED;
    put->failed++;
    ic_put_cancel_chunk(put, i);
    ic_store_lost(put->proxy->store, put->object, i, put->object->place[i].instance);
}

/* From the loop: chunk I will not be there. May end the put. */
static void chunk_failed(struct ic_put *put, uint16_t i, int error)
{
    ic_put_give_up_chunk(put, i);
    if (put->chunk_count - put->failed < ic_put_quorum(put)) {
        ic_put_fail(put, error, false);
        return;
    }
    ic_put_settle(put);
    ic_put_resume_if_blocked(put);
}

/* Another instance answers in the place of the one that has chunk I's first bytes: it is asked to
 * come back. False: that has been tried. */
static bool recall_chunk(struct ic_put *put, uint16_t i)
{
    struct ic_put_chunk *c = &put->chunk[i];
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
    struct ic_put_chunk *c = IC_CONTAINER(recall, struct ic_put_chunk, recall);
    uint16_t i = (uint16_t)(c - put->chunk);
    if (result < 0) {
        chunk_failed(put, i, result);
        return;
    }
    IC_LIST_EACH (node, &put->stripes) {
        struct ic_put_stripe *s = IC_CONTAINER(node, struct ic_put_stripe, node);
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
    struct ic_put_chunk *c = &put->chunk[i];
    bool pending = c->sealing;
    c->recalls = 0;
    if (!ic_recall_active(&c->recall)) {
        return;
    }
    IC_LIST_EACH (node, &put->stripes) {
        pending =
            pending || (IC_CONTAINER(node, struct ic_put_stripe, node)->pending >> i & 1) != 0;
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
    struct ic_put_stripe *s = r->ctx;
    struct ic_put *put = s->put;
    uint64_t bit = UINT64_C(1) << r->chunk;
    if (!is_final(put, r, result)) {
        return;
    }
    s->pending &= ~bit;
    if (s->pending == 0) {
        ic_put_release_stripe(s);
    }
    ic_put_start_deadline(put);
    if (result < 0) {
        chunk_failed(put, r->chunk, result);
        return;
    }
    end_recall(put, r->chunk);
    ic_put_resume_if_blocked(put);
}

static void on_seal_done(struct ic_node_request *r, int result)
{
    struct ic_put *put = r->ctx;
    struct ic_put_chunk *c = &put->chunk[r->chunk];
    if (!is_final(put, r, result)) {
        return;
    }
    c->sealing = false;
    if (result < 0) {
        chunk_failed(put, r->chunk, result);
        return;
    }
    c->state = IC_PUT_CHUNK_SEALED;
    put->sealed++;
    ic_store_sealed(put->proxy->store, put->object, r->chunk);
    end_recall(put, r->chunk);
    ic_put_settle(put);
}
