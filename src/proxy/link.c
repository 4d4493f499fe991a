/*
 * link.c - slots are a ring in the order sent, which is the order answered:
 *
 *        head                       head + count
 *   ----- | READ | WRITE | DELETE | ... | -----
 *           ^ the frame being received belongs to this one
 */
#include "proxy/link.h"

#include "base/alloc.h"
#include "net/net.h"
#include "proxy/link_internal.h"

#include <assert.h>
#include <string.h>

static_assert((IC_LINK_SLOTS & (IC_LINK_SLOTS - 1)) == 0, "ring index by mask");
static_assert((int)IC_NODE_READ_MAX <= (int)IC_FRAME_DATA_MAX &&
                  (int)IC_NODE_WRITE_MAX <= (int)IC_FRAME_DATA_MAX,
              "one request, one frame");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "CRCs are read and written in place");

/* Where a request is, `stage` of struct ic_node_request; 0: not here. */
enum { STAGE_NONE, STAGE_FAST, STAGE_BULK, STAGE_SENT };

static void on_deletes_due(void *ctx);

struct ic_link *ic_link_new(struct ic_loop *loop, uint8_t *scratch,
                            const struct ic_link_handler *handler, void *ctx)
{
    struct ic_link *l = ic_calloc(1, sizeof *l);
    if (l == NULL) {
        return NULL;
    }
    l->slot = ic_calloc(IC_LINK_SLOTS, sizeof *l->slot);
    if (l->slot == NULL) {
        ic_free(l);
        return NULL;
    }
    ic_timer_init(&l->delete_timer, loop, on_deletes_due, l);
    l->loop = loop;
    l->scratch = scratch;
    l->handler = handler;
    l->ctx = ctx;
    ic_list_init(&l->fast);
    ic_list_init(&l->bulk);
    ic_buf_init(&l->out);
    ic_buf_init(&l->list);
    return l;
}

static struct ic_link_slot *slot_at(const struct ic_link *l, uint32_t index)
{
    return &l->slot[(l->head + index) & (IC_LINK_SLOTS - 1)];
}

/* Takes the oldest slot off the ring; it stays readable until the next is pushed. */
static struct ic_link_slot pop_slot(struct ic_link *l)
{
    struct ic_link_slot slot = *slot_at(l, 0);
    l->head = (l->head + 1) & (IC_LINK_SLOTS - 1);
    l->count--;
    l->in_flight -= slot.bytes;
    if (slot.r != NULL) {
        slot.r->slot = NULL;
        slot.r->stage = STAGE_NONE;
        l->asked--;
    }
    return slot;
}

void ic_link_free(struct ic_link *l)
{
    if (l == NULL) {
        return;
    }
    assert(ic_list_empty(&l->fast) && ic_list_empty(&l->bulk));
    while (l->count > 0) {
        struct ic_link_slot slot = pop_slot(l);
        assert(slot.r == NULL);
    }
    ic_timer_stop(&l->delete_timer);
    ic_stream_free(l->stream);
    ic_buf_deinit(&l->out);
    ic_buf_deinit(&l->list);
    ic_free(l->slot);
    ic_free(l);
}

/* ---- the connection goes ---------------------------------------------------- */

void ic_link_detach(struct ic_link *l)
{
    ic_stream_free(l->stream);
    l->stream = NULL;
    l->receiving = l->holds = false;
    l->draining = l->read_only = false;
    ic_buf_deinit(&l->list);
}

static void broken(struct ic_link *l, int error)
{
    ic_link_detach(l);
    l->handler->broken(l->ctx, error);
}

/* ---- sending ---------------------------------------------------------------- */

/* False: the link has broken for lack of memory. */
static bool transmit(struct ic_link *l, const struct ic_link_slot *slot)
{
    int result = ic_link_encode(l, slot);
    if (result == 0) {
        l->sent += l->out.len;
        result = ic_stream_write(l->stream, ic_buf_slice(&l->out), NULL);
    }
    if (result == 0 && slot->kind == SLOT_WRITE) {
        l->sent += slot->r->body.len;
        result = ic_stream_write(l->stream, slot->r->body, slot->r->owner);
    }
    if (result < 0) {
        broken(l, result);
        return false;
    }
    return true;
}

/* A slot at the ring's end; OP: it is an operation and gets the next number. */
static struct ic_link_slot *push_slot(struct ic_link *l, enum ic_slot_kind kind, bool op)
{
    assert(l->count < IC_LINK_SLOTS);
    l->turn_ms = l->count == 0 ? ic_loop_now_ms(l->loop) : l->turn_ms;
    struct ic_link_slot *slot = slot_at(l, l->count++);
    *slot = (struct ic_link_slot){.kind = kind, .request = ++l->next_request};
    if (op) {
        slot->op = ++l->op_sent;
    }
    return slot;
}

/* The bytes R takes of the window. */
static uint32_t weight(const struct ic_node_request *r)
{
    switch (r->op) {
    case IC_NODE_READ:
        return r->length;
    case IC_NODE_WRITE:
        return (uint32_t)r->body.len;
    case IC_NODE_SEAL:
    case IC_NODE_STAT:
    case IC_NODE_MARK:
        break;
    }
    return 0;
}

static bool is_operation(enum ic_node_op op)
{
    return op == IC_NODE_WRITE || op == IC_NODE_SEAL || op == IC_NODE_MARK;
}

static void unqueue(struct ic_link *l, struct ic_node_request *r)
{
    ic_list_remove(&r->node);
    r->stage = STAGE_NONE;
    l->queued_bytes -= weight(r);
}

/* Sends R, or refuses it if it is for another instance. False: the link has broken. */
static bool send_request(struct ic_link *l, struct ic_node_request *r)
{
    unqueue(l, r);
    if (r->instance == 0 && is_operation(r->op)) {
        r->instance = l->handler->bind(l->ctx, r, l->serial);
    }
    if (r->instance != l->serial) {
        l->handler->refused(l->ctx, r, 0);
        return true;
    }
    static const enum ic_slot_kind kinds[] = {[IC_NODE_READ] = SLOT_READ,
                                              [IC_NODE_WRITE] = SLOT_WRITE,
                                              [IC_NODE_SEAL] = SLOT_SEAL,
                                              [IC_NODE_STAT] = SLOT_STAT,
                                              [IC_NODE_MARK] = SLOT_MARK};
    struct ic_link_slot *slot = push_slot(l, kinds[r->op], is_operation(r->op));
    slot->r = r;
    slot->chunk = r->chunk;
    slot->object_id = r->object_id;
    slot->offset = r->op == IC_NODE_SEAL ? 0 : r->offset;
    slot->bytes = weight(r);
    slot->units = slot->bytes == 0 ? 0 : (uint32_t)ic_frame_units(slot->bytes, r->unit);
    l->in_flight += slot->bytes;
    l->asked++;
    r->slot = slot;
    r->stage = STAGE_SENT;
    return transmit(l, slot);
}

static bool send_delete(struct ic_link *l, const struct ic_condemned *condemned)
{
    struct ic_link_slot *slot = push_slot(l, SLOT_DELETE, true);
    slot->condemned = condemned->cost;
    slot->object_id = condemned->object_id;
    slot->chunk = condemned->chunk;
    return transmit(l, slot);
}

/* What the DELETE in SLOT is for. */
static struct ic_condemned condemned_of(const struct ic_link_slot *slot)
{
    return (struct ic_condemned){
        .object_id = slot->object_id, .chunk = slot->chunk, .cost = slot->condemned};
}

static struct ic_node_request *first_of(const struct ic_list *queue)
{
    return ic_list_empty(queue) ? NULL : IC_CONTAINER(queue->next, struct ic_node_request, node);
}

/* The first of the bulk that may be sent. */
static struct ic_node_request *first_bulk(const struct ic_link *l)
{
    if (!l->read_only) {
        return first_of(&l->bulk);
    }
    IC_LIST_EACH (node, &l->bulk) {
        struct ic_node_request *r = IC_CONTAINER(node, struct ic_node_request, node);
        if (!is_operation(r->op)) {
            return r;
        }
    }
    return NULL;
}

/* The window is kept but for a single request, which may be as large as it is. */
static bool fits(const struct ic_link *l, const struct ic_node_request *r, uint64_t window)
{
    return l->in_flight == 0 || l->in_flight + weight(r) <= window;
}

/* The next DELETE, if it is time for them. False: none. */
static bool next_delete(struct ic_link *l, bool before_operation, struct ic_condemned *out)
{
    if (l->read_only || (!before_operation && !l->deletes_due)) {
        return false;
    }
    bool is_there = l->handler->next_delete(l->ctx, out);
    l->deletes_due = l->deletes_due && is_there;
    return is_there;
}

/*
 * Sends one thing: small READs first, but not for ever; then large READs; DELETEs before the WRITEs
 * and SEALs, which count on their room. False: nothing (more) can be sent.
 */
static bool pump_one(struct ic_link *l)
{
    if (l->stream == NULL || l->draining || l->count >= IC_LINK_SLOTS - 1) {
        return false;
    }
    struct ic_node_request *fast = first_of(&l->fast);
    struct ic_node_request *bulk = first_bulk(l);
    if (fast != NULL && (bulk == NULL || l->fast_run < IC_LINK_FAST_RUN) &&
        fits(l, fast, IC_LINK_WINDOW + IC_LINK_FAST_WINDOW)) {
        l->fast_run++;
        return send_request(l, fast);
    }
    if (bulk != NULL && !is_operation(bulk->op)) {
        l->fast_run = 0;
        return fits(l, bulk, IC_LINK_WINDOW) && send_request(l, bulk);
    }
    struct ic_condemned condemned;
    if (next_delete(l, bulk != NULL, &condemned)) {
        return send_delete(l, &condemned);
    }
    l->fast_run = 0;
    return bulk != NULL && fits(l, bulk, IC_LINK_WINDOW) && send_request(l, bulk);
}

static void pump(struct ic_link *l)
{
    while (pump_one(l)) {
    }
}

void ic_link_flush_deletes(struct ic_link *l)
{
    l->deletes_due = true;
    pump(l);
}

static void on_deletes_due(void *ctx)
{
    ic_link_flush_deletes(ctx);
}

void ic_link_condemned(struct ic_link *l)
{
    if (l->stream != NULL && !l->delete_timer.armed) {
        ic_timer_start(&l->delete_timer, IC_LINK_DELETE_MS);
    }
}

void ic_link_submit(struct ic_link *l, struct ic_node_request *r)
{
    assert(r->stage == STAGE_NONE);
    bool small = r->op == IC_NODE_READ && r->length <= IC_LINK_SMALL_BYTES;
    r->stage = small ? STAGE_FAST : STAGE_BULK;
    ic_list_push_back(small ? &l->fast : &l->bulk, &r->node);
    l->queued_bytes += weight(r);
    pump(l);
}

void ic_link_cancel(struct ic_link *l, struct ic_node_request *r)
{
    switch (r->stage) {
    case STAGE_FAST:
    case STAGE_BULK:
        unqueue(l, r);
        break;
    case STAGE_SENT:
        if (r->slot == slot_at(l, 0) && l->receiving) {
            ic_frame_parser_skip(&l->parser, l->scratch, IC_LINK_SCRATCH_BYTES);
        }
        r->slot->r = NULL;
        r->slot = NULL;
        r->stage = STAGE_NONE;
        l->asked--;
        break;
    default:
        break;
    }
}

/* ---- receiving -------------------------------------------------------------- */

static bool data_fits(const struct ic_frame *f, const struct ic_link_slot *slot)
{
    return slot->kind == SLOT_READ && f->object_id == slot->object_id && f->chunk == slot->chunk &&
           f->offset == slot->offset && f->length == slot->units * sizeof(uint32_t) + slot->bytes;
}

/* Says where a DATA body goes. */
static int place_data(struct ic_link *l, const struct ic_link_slot *slot)
{
    if (slot->r == NULL) {
        ic_frame_parser_skip(&l->parser, l->scratch, IC_LINK_SCRATCH_BYTES);
        return 0;
    }
    int result = ic_frame_parser_place(&l->parser, slot->r->crcs_into, slot->units * 4U);
    return result < 0 ? result : ic_frame_parser_place(&l->parser, slot->r->into, slot->bytes);
}

static int place_items(struct ic_link *l, uint32_t length)
{
    l->list.len = 0;
    int result = ic_buf_reserve(&l->list, length);
    return result < 0 ? result : ic_frame_parser_place(&l->parser, l->list.data, length);
}

/* A header has come: is it the answer to the oldest slot? */
static int on_header(struct ic_link *l)
{
    const struct ic_frame *f = &l->parser.frame;
    if (f->type == IC_FRAME_BYE) {
        return 0;
    }
    if (f->type == IC_FRAME_OFFER) {
        return place_items(l, f->length);
    }
    if (l->count == 0 || f->request != slot_at(l, 0)->request) {
        return IC_EPROTO;
    }
    const struct ic_link_slot *slot = slot_at(l, 0);
    l->receiving = true;
    switch (f->type) {
    case IC_FRAME_DATA:
        return data_fits(f, slot) ? place_data(l, slot) : IC_EPROTO;
    case IC_FRAME_DONE:
        return slot->op != 0 ? 0 : IC_EPROTO;
    case IC_FRAME_ITEM:
        if (slot->kind != SLOT_LIST && slot->kind != SLOT_STAT) {
            return IC_EPROTO;
        }
        return f->length == 0 ? 0 : place_items(l, f->length);
    case IC_FRAME_ERROR:
        return f->length == 0 ? 0 : ic_frame_parser_place(&l->parser, l->text, f->length);
    default:
        return IC_EPROTO;
    }
}

/* What an ERROR's status means to whoever asked (functions.h). */
static int result_of_status(uint8_t status, enum ic_slot_kind kind)
{
    switch (ic_frame_status_error(status)) {
    case IC_ENOSPC:
        return IC_ENOSPC;
    case IC_ENOENT:
        return kind == SLOT_READ ? IC_ENOENT : IC_EIO;
    case IC_ENOMEM: /* the chunk that could not be sent now is there all the same */
        return kind == SLOT_WRITE ? IC_ENOSPC : kind == SLOT_READ ? IC_EUNAVAIL : IC_EIO;
    default:
        return IC_EIO;
    }
}

/* How long it has been the oldest slot's turn to be answered. */
static uint64_t since_turn(const struct ic_link *l)
{
    return ic_loop_now_ms(l->loop) - l->turn_ms;
}

uint64_t ic_link_answer_ms(const struct ic_link *l)
{
    return l->answer_ms;
}

uint64_t ic_link_due_ms(const struct ic_link *l)
{
    return l->stream == NULL || l->count == 0 || l->holds ? 0 : since_turn(l);
}

/* The oldest request is answered with RESULT. */
static void answer(struct ic_link *l, int result)
{
    struct ic_link_slot slot = pop_slot(l);
    l->answer_ms = since_turn(l);
    l->turn_ms = ic_loop_now_ms(l->loop);
    l->receiving = false;
    if (slot.op != 0) {
        l->op_done = slot.op;
    }
    if (slot.condemned != 0) {
        struct ic_condemned condemned = condemned_of(&slot);
        l->handler->deleted(l->ctx, l->serial, &condemned);
    } else if (slot.r != NULL) {
        l->stay_until_ms = ic_loop_now_ms(l->loop) + l->lease_ms;
        l->handler->answered(l->ctx, slot.r, result);
    }
}

/* The one ITEM that answers a STAT: the chunk's, or none. */
static int on_item(struct ic_link *l, const struct ic_frame *f)
{
    if ((f->flags & IC_ITEM_LAST) == 0) {
        return IC_EPROTO;
    }
    struct ic_node_request *r = slot_at(l, 0)->r;
    int result = f->length == 0 ? IC_ENOENT : 0;
    if (result == 0 && r != NULL) {
        result = ic_buf_append(r->item, l->list.data, f->length);
    }
    answer(l, result);
    ic_buf_deinit(&l->list);
    return 0;
}

/* What the owner takes now of the items that are there; after the last the list is over. */
static void take_items(struct ic_link *l)
{
    const struct ic_stream *stream = l->stream;
    bool all = l->handler->items(l->ctx, &l->items.rest);
    if (l->stream != stream) {
        return;
    }
    l->holds = !all;
    l->receiving = !all;
    if (all && l->items.last) {
        pop_slot(l);
        l->turn_ms = ic_loop_now_ms(l->loop);
        ic_buf_deinit(&l->list);
        l->handler->listed(l->ctx, l->items.mark);
    }
}

static int on_list(struct ic_link *l, const struct ic_frame *f)
{
    l->items.rest = ic_slice(l->list.data, f->length);
    l->items.last = (f->flags & IC_ITEM_LAST) != 0;
    l->items.mark = f->offset;
    take_items(l);
    return 0;
}

/* The current frame is complete. */
static int on_end(struct ic_link *l)
{
    const struct ic_frame f = l->parser.frame;
    switch (f.type) {
    case IC_FRAME_BYE:
        l->handler->bye(l->ctx, (f.flags & IC_BYE_DEADLINE) != 0, f.offset);
        return 0;
    case IC_FRAME_OFFER:
        l->handler->offered(l->ctx, ic_slice(l->list.data, f.length), f.offset);
        ic_buf_deinit(&l->list);
        return 0;
    case IC_FRAME_ITEM:
        return slot_at(l, 0)->kind == SLOT_STAT ? on_item(l, &f) : on_list(l, &f);
    case IC_FRAME_ERROR:
        if (f.status == IC_STATUS_GAP || f.status == IC_STATUS_STALE ||
            slot_at(l, 0)->kind == SLOT_LIST) {
            return IC_ESTALE;
        }
        answer(l, result_of_status(f.status, slot_at(l, 0)->kind));
        return 0;
    default:
        answer(l, 0);
        return 0;
    }
}

static size_t room(void *ctx, struct iovec *iov, size_t max)
{
    struct ic_link *l = ctx;
    return l->holds ? 0 : ic_frame_parser_room(&l->parser, iov, max);
}

/* Everything that has come, as far as it is not held back. */
static void take_frames(struct ic_link *l)
{
    struct ic_stream *stream = l->stream;
    int event;
    /* A handler may detach the link, and a new connection be attached: then these bytes are
     * history. */
    while (l->stream == stream && !l->holds &&
           (event = ic_frame_parser_next(&l->parser)) != IC_FRAME_MORE) {
        int result = 0;
        if (event == IC_FRAME_HEADER_READY) {
            result = on_header(l);
        } else if (event == IC_FRAME_END) {
            result = on_end(l);
        } else if (event < 0) {
            result = event;
        }
        if (result < 0 && l->stream == stream) {
            broken(l, result);
        }
    }
    if (l->stream == stream) {
        pump(l);
    }
    if (l->stream == stream && l->draining && l->count == 0) {
        l->handler->idle(l->ctx);
    }
}

static void received(void *ctx, size_t len)
{
    struct ic_link *l = ctx;
    l->heard_ms = ic_loop_now_ms(l->loop);
    l->received += len;
    ic_frame_parser_received(&l->parser, len);
    take_frames(l);
}

void ic_link_list_on(struct ic_link *l)
{
    assert(l->holds);
    struct ic_stream *stream = l->stream;
    l->heard_ms = ic_loop_now_ms(l->loop);
    take_items(l);
    if (l->stream == stream && !l->holds) {
        take_frames(l);
    }
    if (l->stream == stream && stream != NULL && !l->holds) {
        ic_stream_resume(stream);
    }
}

bool ic_link_holds_list(const struct ic_link *l)
{
    return l->holds;
}

static void closed(void *ctx, int error)
{
    broken(ctx, error);
}

/* ---- attaching -------------------------------------------------------------- */

static const struct ic_stream_handler stream_handler = {
    .room = room, .received = received, .closed = closed};

void ic_link_fail(struct ic_link *l, int result, bool queued)
{
    while (l->count > 0) {
        struct ic_link_slot slot = pop_slot(l);
        if (slot.condemned != 0) {
            struct ic_condemned condemned = condemned_of(&slot);
            l->handler->not_deleted(l->ctx, l->serial, &condemned);
        } else if (slot.r != NULL) {
            l->handler->refused(l->ctx, slot.r, result);
        }
    }
    struct ic_node_request *r;
    while (queued && ((r = first_of(&l->fast)) != NULL || (r = first_of(&l->bulk)) != NULL)) {
        unqueue(l, r);
        l->handler->refused(l->ctx, r, result);
    }
}

static void forget_queued(struct ic_link *l, struct ic_list *queue, uint32_t serial)
{
    IC_LIST_EACH (node, queue) {
        struct ic_node_request *r = IC_CONTAINER(node, struct ic_node_request, node);
        if (r->instance == serial) {
            unqueue(l, r);
            l->handler->refused(l->ctx, r, 0);
        }
    }
}

void ic_link_forget(struct ic_link *l, uint32_t serial)
{
    if (l->serial == serial) {
        ic_link_detach(l);
        ic_link_fail(l, 0, false);
    }
    forget_queued(l, &l->fast, serial);
    forget_queued(l, &l->bulk, serial);
}

/*
 * Sends the slots again, in their order. A READ or STAT that nobody waits for is dropped; a WRITE
 * or SEAL that nobody waits for keeps its number, as a DELETE of the chunk it was to change.
 */
static void send_again(struct ic_link *l)
{
    uint32_t count = l->count;
    for (uint32_t i = 0; i < count && l->stream != NULL; i++) {
        struct ic_link_slot slot = pop_slot(l);
        if (slot.kind == SLOT_LIST || (slot.op == 0 && slot.r == NULL)) {
            continue;
        }
        if (slot.r == NULL && slot.condemned == 0 && slot.kind != SLOT_MARK) {
            slot.kind = SLOT_DELETE;
            slot.bytes = slot.units = 0;
            slot.offset = 0;
        }
        slot.request = ++l->next_request;
        struct ic_link_slot *again = slot_at(l, l->count++);
        *again = slot;
        l->in_flight += slot.bytes;
        if (slot.r != NULL) {
            slot.r->slot = again;
            slot.r->stage = STAGE_SENT;
            l->asked++;
        }
        transmit(l, again);
    }
}

static bool operations_outstanding(const struct ic_link *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (slot_at(l, i)->op != 0) {
            return true;
        }
    }
    return false;
}

void ic_link_attach(struct ic_link *l, const struct ic_link_attach *a)
{
    ic_link_detach(l);
    if (l->serial != a->serial) {
        ic_link_fail(l, 0, false);
    }
    if (!operations_outstanding(l)) {
        l->op_sent = l->op_done = a->position;
    }
    l->serial = a->serial;
    memcpy(l->id, a->id, sizeof l->id);
    l->lease_ms = a->lease_ms;
    l->stream = a->stream;
    l->read_only = a->read_only;
    l->heard_ms = ic_loop_now_ms(l->loop);
    l->turn_ms = l->heard_ms;
    l->stay_until_ms = l->heard_ms + l->lease_ms;
    ic_frame_parser_init(&l->parser);
    ic_stream_start(a->stream, &stream_handler, l);
    ic_stream_resume(a->stream);
    l->deletes_due = true;
    send_again(l);
    if (l->stream != NULL && a->list && transmit(l, push_slot(l, SLOT_LIST, false))) {
        pump(l);
    } else if (l->stream != NULL) {
        pump(l);
    }
}

void ic_link_set_lease(struct ic_link *l, uint32_t lease_ms)
{
    l->lease_ms = lease_ms;
}

void ic_link_keep(struct ic_link *l, uint32_t lease_ms)
{
    if (l->stream == NULL || l->draining) {
        return;
    }
    struct ic_link_slot slot = {.request = ++l->next_request};
    l->lease_ms = lease_ms;
    l->stay_until_ms = ic_loop_now_ms(l->loop) + lease_ms;
    int result = ic_link_put_frame(l, &slot, IC_FRAME_KEEP, 0, 0);
    if (result == 0) {
        result = ic_stream_write(l->stream, ic_buf_slice(&l->out), NULL);
    }
    if (result < 0) {
        broken(l, result);
    }
}

enum { GOODBYE_LINGER_MS = 1000 };

void ic_link_goodbye(struct ic_link *l)
{
    assert(l->stream != NULL && l->count == 0);
    struct ic_link_slot slot = {.request = ++l->next_request};
    if (ic_link_put_frame(l, &slot, IC_FRAME_BYE_OK, 0, 0) == 0 &&
        ic_stream_write(l->stream, ic_buf_slice(&l->out), NULL) == 0) {
        ic_stream_free_after_write(l->stream, GOODBYE_LINGER_MS);
        l->stream = NULL;
    }
    ic_link_detach(l);
}

void ic_link_read_only(struct ic_link *l)
{
    l->read_only = true;
}

void ic_link_drain(struct ic_link *l)
{
    l->draining = true;
}

/* ---- figures ---------------------------------------------------------------- */

bool ic_link_attached(const struct ic_link *l)
{
    return l->stream != NULL;
}

bool ic_link_idle(const struct ic_link *l)
{
    return l->count == 0;
}

bool ic_link_asked(const struct ic_link *l)
{
    return !ic_list_empty(&l->fast) || !ic_list_empty(&l->bulk) || l->asked > 0;
}

size_t ic_link_backlog(const struct ic_link *l)
{
    return l->in_flight + l->queued_bytes;
}

uint32_t ic_link_serial(const struct ic_link *l)
{
    return l->serial;
}

uint64_t ic_link_op_sent(const struct ic_link *l)
{
    return l->op_sent;
}

uint64_t ic_link_op_done(const struct ic_link *l)
{
    return l->op_done;
}

void ic_link_take_traffic(struct ic_link *l, uint64_t *sent, uint64_t *received)
{
    *sent += l->sent;
    *received += l->received;
    l->sent = l->received = 0;
}

uint64_t ic_link_heard_ms(const struct ic_link *l)
{
    return l->holds ? ic_loop_now_ms(l->loop) : l->heard_ms;
}
