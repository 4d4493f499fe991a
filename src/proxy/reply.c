/*
 * reply.c - see reply.h. Nothing is sent by the writers themselves: parts queue up and
 * pump() hands them to the stream, one object at a time.
 */
#include "proxy/reply.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "net/net.h"
#include "proxy/books.h"
#include "proxy/get.h"
#include "proxy/proxy.h"
#include "proxy/reply_internal.h"
#include "proxy/sessions.h"
#include "proxy/store.h"
#include "proxy/unavailable.h"
#include "proxy/window.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

enum {
    COPY_MAX = 2048,                         /* shorter bytes are copied into the stream's blocks */
    OBJECT_COPY_MAX = IC_WINDOW_SMALL_BYTES, /* and objects: what is small waits for no reader, */
    OBJECT_COPY_LIMIT = 2 * IC_REPLY_QUEUE_MAX, /* if so much may wait: copies are counted */
};

void ic_reply_count_memory(struct ic_reply *r, int64_t more)
{
    r->parts_memory += (size_t)more;
    r->out.max = r->limit > r->parts_memory ? r->limit - r->parts_memory : 0;
}

void ic_reply_set_limit(struct ic_reply *r, size_t limit)
{
    r->limit = limit;
    ic_reply_count_memory(r, 0);
}

/* An object's place in the catalog stays with its part when it is evicted or deleted, so that
 * counts as well: once for each part, since nobody knows which will be the last. */
static size_t part_memory(const struct ic_reply_part *p)
{
    return sizeof(*p) + (p->bytes == NULL ? (size_t)ic_catalog_object_memory(p->object)
                                          : sizeof(*p->bytes) + p->bytes->cap);
}

static void reset_writer(struct ic_reply *r)
{
    r->out.buf = &r->tail;
}

void ic_reply_init(struct ic_reply *r, struct ic_proxy *proxy, struct ic_stream *stream,
                   struct ic_worker *worker, void (*changed)(void *ctx),
                   void (*broken)(void *ctx, const char *why), void *ctx)
{
    *r = (struct ic_reply){.proxy = proxy,
                           .stream = stream,
                           .worker = worker,
                           .changed = changed,
                           .broken = broken,
                           .ctx = ctx,
                           .allowance = IC_REPLY_QUEUE_MAX,
                           .out = {.version = 2}};
    ic_buf_init(&r->tail);
    ic_list_init(&r->parts);
    reset_writer(r);
    ic_reply_set_limit(r, SIZE_MAX);
}

/* One of what was open on BILL is no more. */
static void close_one(struct ic_reply *r, struct ic_reply_bill *bill)
{
    while (bill != NULL && --bill->open == 0) {
        struct ic_reply_bill *parent = bill->parent;
        if (parent != NULL) {
            parent->dollars += bill->dollars;
        }
        ic_reply_count_memory(r, -(int64_t)bill->memory);
        bill->settled(bill);
        bill = parent;
    }
}

static void part_free(struct ic_reply *r, struct ic_reply_part *p)
{
    ic_reply_ahead_free(r, p);
    ic_list_remove(&p->node);
    r->part_count--;
    ic_reply_count_memory(r, -(int64_t)part_memory(p));
    if (p->bytes != NULL) {
        ic_buf_unref(p->bytes);
    } else {
        r->objects--;
        if (p->sending) {
            ic_store_sent(r->proxy->store, p->object);
        }
        ic_store_show_no_more(r->proxy->store, p->object);
    }
    close_one(r, p->bill);
    ic_free(p);
}

static struct ic_reply_part *last_part(const struct ic_reply *r)
{
    return ic_list_empty(&r->parts) ? NULL
                                    : IC_CONTAINER(r->parts.prev, struct ic_reply_part, node);
}

void ic_reply_stop(struct ic_reply *r)
{
    for (struct ic_list *node = r->parts.next; r->ahead > 0; node = node->next) {
        ic_reply_ahead_free(r, IC_CONTAINER(node, struct ic_reply_part, node));
    }
    ic_get_free(r->get);
    r->get = NULL;
    r->stream = NULL;
}

bool ic_reply_drop_some(struct ic_reply *r, unsigned most)
{
    struct ic_reply_part *p = ic_reply_first(r);
    for (; p != NULL && most > 0; most--) {
        part_free(r, p);
        p = ic_reply_first(r);
    }
    return p != NULL;
}

void ic_reply_deinit(struct ic_reply *r)
{
    ic_reply_stop(r);
    while (ic_reply_drop_some(r, UINT_MAX)) {
    }
    ic_buf_deinit(&r->tail);
}

static void push_part(struct ic_reply *r, struct ic_reply_part *p)
{
    p->number = ++r->parts_made;
    r->part_count++;
    ic_reply_count_memory(r, (int64_t)part_memory(p));
    ic_list_push_back(&r->parts, &p->node);
}

/* B keeps little more than its bytes. */
static void trim(struct ic_buf *b)
{
    uint8_t *data = b->cap - b->len > b->len / 8 ? ic_realloc(b->data, b->len) : NULL;
    if (data != NULL) {
        b->data = data;
        b->cap = b->len;
    }
}

/* What the handlers wrote as a buffer of its own, which takes the bytes over. NULL: out of memory.
 */
static struct ic_buf *take_tail(struct ic_reply *r)
{
    struct ic_buf *bytes = ic_buf_new(0);
    if (bytes == NULL) {
        return NULL;
    }
    ic_free(bytes->data);
    bytes->data = r->tail.data;
    bytes->len = r->tail.len;
    bytes->cap = r->tail.cap;
    ic_buf_init(&r->tail);
    return bytes;
}

/* What the handlers wrote becomes a part. */
static bool close_tail(struct ic_reply *r)
{
    if (r->tail.len == 0) {
        return true;
    }
    struct ic_reply_part *p = ic_calloc(1, sizeof(*p));
    struct ic_buf *bytes = p == NULL ? NULL : take_tail(r);
    if (bytes == NULL) {
        ic_free(p);
        r->out.failed = true;
        return false;
    }
    trim(bytes);
    p->bytes = bytes;
    push_part(r, p);
    return true;
}

void ic_reply_take(struct ic_reply *r, struct ic_buf *bytes)
{
    if (bytes->len < IC_REPLY_PART_MIN || r->out.failed) {
        ic_resp_raw(&r->out, ic_buf_slice(bytes));
    } else if (bytes->len > r->out.max) {
        r->out.failed = r->out.too_long = true;
    } else if (close_tail(r)) {
        r->tail = *bytes;
        ic_buf_init(bytes);
        close_tail(r);
    }
}

/* A range of no value is an empty string, as in Redis; a value that is not there is null. */
static const char *absent_text(const struct ic_reply *r, bool is_range)
{
    return is_range ? "$0\r\n\r\n" : r->out.version == 3 ? "_\r\n" : "$-1\r\n";
}

bool ic_reply_object(struct ic_reply *r, struct ic_object *object, uint64_t offset, uint64_t length,
                     bool is_range)
{
    if (r->silent) {
        ic_resp_raw(&r->out, ic_slice_str(absent_text(r, is_range)));
        return !r->out.failed;
    }
    struct ic_reply_part *p = close_tail(r) && r->out.max > 0 ? ic_calloc(1, sizeof(*p)) : NULL;
    if (p == NULL) {
        r->out.failed = true;
        r->out.too_long = r->out.too_long || r->out.max == 0;
        return false;
    }
    *p = (struct ic_reply_part){
        .object = object, .offset = offset, .length = length, .absent = absent_text(r, is_range)};
    ic_store_show(object);
    r->objects++;
    push_part(r, p);
    return true;
}

struct ic_reply_mark ic_reply_mark(const struct ic_reply *r)
{
    return (struct ic_reply_mark){.parts = r->parts_made, .length = r->tail.len};
}

/* An empty one keeps no buffer: it would be memory that waits to be sent, for ever. */
static void cut_tail(struct ic_reply *r, size_t length)
{
    r->tail.len = length;
    if (length == 0) {
        ic_buf_deinit(&r->tail);
    }
}

/* The tail of the mark has become the first part behind it, if it was not empty. */
void ic_reply_rewind(struct ic_reply *r, struct ic_reply_mark mark)
{
    if (mark.parts == r->parts_made) {
        cut_tail(r, mark.length);
        return;
    }
    cut_tail(r, 0);
    struct ic_reply_part *p = last_part(r);
    while (p != NULL && p->number > mark.parts) {
        if (p->number == mark.parts + 1 && p->bytes != NULL && mark.length > 0) {
            p->bytes->len = mark.length;
            return;
        }
        part_free(r, p);
        p = last_part(r);
    }
}

struct ic_slice ic_reply_since(const struct ic_reply *r, struct ic_reply_mark mark)
{
    bool whole = mark.parts == r->parts_made;
    return whole ? ic_slice(r->tail.data + mark.length, r->tail.len - mark.length)
                 : ic_slice(NULL, 0);
}

/* The last object from NODE backwards that was added since MARK, or NULL. */
static struct ic_reply_part *object_from(const struct ic_reply *r, struct ic_list *node,
                                         struct ic_reply_mark mark)
{
    for (; node != &r->parts; node = node->prev) {
        struct ic_reply_part *p = IC_CONTAINER(node, struct ic_reply_part, node);
        if (p->number <= mark.parts) {
            return NULL;
        }
        if (p->object != NULL) {
            return p;
        }
    }
    return NULL;
}

bool ic_reply_has_objects(const struct ic_reply *r, struct ic_reply_mark mark)
{
    return object_from(r, r->parts.prev, mark) != NULL;
}

/* P, or the outermost bill it is on by now, is on BILL. */
static void put_on(struct ic_reply_part *p, struct ic_reply_bill *bill)
{
    struct ic_reply_bill **to = &p->bill;
    while (*to != NULL && *to != bill) {
        to = &(*to)->parent;
    }
    bill->open += *to == NULL;
    *to = bill;
}

void ic_reply_put_on_bill(struct ic_reply *r, struct ic_reply_mark mark, struct ic_reply_bill *bill)
{
    bill->open = 0;
    for (struct ic_reply_part *p = object_from(r, r->parts.prev, mark); p != NULL;
         p = object_from(r, p->node.prev, mark)) {
        put_on(p, bill);
    }
    assert(bill->open > 0);
    ic_reply_count_memory(r, (int64_t)bill->memory);
}

void ic_reply_hold(struct ic_reply *r)
{
    r->holds++;
}

void ic_reply_release(struct ic_reply *r)
{
    assert(r->holds > 0);
    r->holds--;
}

bool ic_reply_empty(const struct ic_reply *r)
{
    return ic_list_empty(&r->parts) && r->tail.len == 0;
}

bool ic_reply_full(const struct ic_reply *r)
{
    return ic_reply_memory(r) > r->allowance;
}

void ic_reply_allow_more(struct ic_reply *r)
{
    r->allowance = 2 * ic_reply_memory(r);
}

uint64_t ic_reply_acknowledged(const struct ic_reply *r)
{
    return r->bytes_out - ic_stream_unacknowledged(r->stream);
}

size_t ic_reply_memory(const struct ic_reply *r)
{
    return r->parts_memory + r->tail.cap + ic_stream_memory(r->stream);
}

/* ---- sending ---- */

static uint64_t loop_ms(const struct ic_reply *r)
{
    return ic_loop_now_ms(r->proxy->loop);
}

static bool send_bytes(struct ic_reply *r, struct ic_slice bytes, struct ic_buf *owner)
{
    ic_read_pace_go_on(&r->pace, loop_ms(r));
    r->bytes_out += bytes.len;
    r->proxy->sessions->stats.bytes_out += bytes.len;
    if (ic_stream_write(r->stream, bytes, owner) != 0) {
        r->broken(r->ctx, "out of memory");
        return false;
    }
    return true;
}

static bool send_text(struct ic_reply *r, const char *text)
{
    return send_bytes(r, ic_slice_str(text), NULL);
}

static bool send_tail(struct ic_reply *r)
{
    if (r->tail.len == 0) {
        return true;
    }
    bool sent;
    if (r->tail.len <= COPY_MAX) {
        sent = send_bytes(r, ic_buf_slice(&r->tail), NULL);
        ic_buf_deinit(&r->tail); /* an idle client keeps no buffer */
        return sent;
    }
    struct ic_buf *bytes = take_tail(r);
    if (bytes == NULL) {
        r->broken(r->ctx, "out of memory");
        return false;
    }
    sent = send_bytes(r, ic_buf_slice(bytes), bytes);
    ic_buf_unref(bytes);
    return sent;
}

static bool send_header(struct ic_reply *r, uint64_t length)
{
    char header[32];
    snprintf(header, sizeof(header), "$%" PRIu64 "\r\n", length);
    r->begun = true;
    return send_text(r, header);
}

/* A body that is short goes out whole, as a copy: its buffers are free again. */
static void on_data(void *ctx, struct ic_slice bytes, struct ic_buf *owner)
{
    struct ic_reply *r = ctx;
    uint64_t length = ic_reply_first(r)->length;
    size_t most = r->limit < OBJECT_COPY_LIMIT ? COPY_MAX : OBJECT_COPY_MAX;
    bool copied = r->asked <= most;
    if (!r->begun && !send_header(r, length)) {
        return;
    }
    r->given += bytes.len;
    r->object_end = copied ? r->object_end : r->bytes_out + bytes.len;
    if (send_bytes(r, bytes, copied ? NULL : owner) && !copied && !r->paused &&
        ic_stream_queued(r->stream) > IC_REPLY_QUEUE_MAX) {
        r->paused = true;
        ic_get_pause(r->get);
    }
}

/* ERROR is said in place of P. False: the connection is broken. */
static bool refuse(struct ic_reply *r, const struct ic_reply_part *p, const char *error)
{
    if (p->bill != NULL) {
        p->bill->failed = true;
        p->bill->refused(p->bill, error);
    }
    return send_text(r, error) && send_text(r, "\r\n");
}

/* What P shows was evicted meanwhile: it is not there; or was given up after it had been deleted or
 * overwritten: it should be. */
static bool send_empty(struct ic_reply *r, const struct ic_reply_part *p)
{
    return !p->object->given_up
               ? send_text(r, p->absent)
               : refuse(r, p,
                        "-UNAVAILABLE the value was deleted or overwritten before it was sent, and "
                        "there was no room to keep it");
}

/* The bulk of P is over, or could not be read. False: the connection is broken. */
static bool end_object(struct ic_reply *r, const struct ic_reply_part *p, int result)
{
    if (result == 0) {
        return (r->begun || send_header(r, p->length)) && send_text(r, "\r\n");
    }
    if (result == IC_ENOENT && !r->begun) {
        return send_text(r, p->absent);
    }
    if (r->begun) {
        if (p->bill != NULL) {
            p->bill->failed = true;
        }
        r->broken(r->ctx, "the object could not be read to its end");
        return false;
    }
    char text[IC_UNAVAILABLE_MAX];
    ic_unavailable_text(r->proxy->functions, "the object cannot be read now", result, text);
    return refuse(r, p, text);
}

static void on_end(void *ctx, int result)
{
    struct ic_reply *r = ctx;
    struct ic_reply_part *p = ic_reply_first(r);
    if (p->bill != NULL) {
        p->bill->dollars += ic_get_dollars(r->get);
    }
    ic_get_free(r->get);
    r->get = NULL;
    r->paused = false;
    if (result < 0 || r->given == p->length) {
        if (result == 0) {
            ic_books_get(r->proxy->books, p->length);
        }
        r->given = 0;
        r->near_ms = 0;
        if (!end_object(r, p, result)) {
            return;
        }
        r->begun = false;
        part_free(r, p);
    }
    ic_reply_pump(r);
    r->changed(r->ctx);
}

static const struct ic_get_handler get_handler = {.data = on_data, .end = on_end};

void ic_reply_take_turn(const struct ic_reply *r, struct ic_reply_part *p)
{
    for (struct ic_reply_bill *bill = p->bill; bill != NULL; bill = bill->parent) {
        bill->turn_us = bill->turn_us != 0 ? bill->turn_us : ic_clock_mono_us();
    }
    if (!p->sending) {
        ic_store_send(r->proxy->store, p->object);
        p->sending = true;
    }
}

/* All of it, or its next piece. */
static bool fetch_object(struct ic_reply *r, struct ic_reply_part *p)
{
    ic_reply_take_turn(r, p);
    uint64_t at = p->offset + r->given, rest = p->length - r->given;
    r->asked = rest == 0 ? 0 : ic_get_at_once(r->proxy, p->object, at, rest);
    r->get = ic_get_new(r->proxy, p->object, at, r->asked, &get_handler, r);
    if (r->get == NULL) {
        r->broken(r->ctx, "out of memory");
    }
    return r->get != NULL;
}

/* Nothing can be added to the stream now: an object is being sent, or its queue is long, or there
 * is one and the next piece of an object follows, and drained will call again. */
static bool must_wait(const struct ic_reply *r)
{
    size_t most = r->given > 0 ? 0 : IC_REPLY_QUEUE_MAX;
    return r->get != NULL || ic_stream_queued(r->stream) > most;
}

/* One more part in this turn; else the worker goes on in a later one. */
static bool may_send(struct ic_reply *r)
{
    struct ic_turns *turns = &r->proxy->sessions->turns;
    if (!ic_turns_may_work(turns, r->worker)) {
        ic_turns_line_up(turns, r->worker);
        return false;
    }
    ic_turns_worked(turns, r->worker, 1);
    return true;
}

/* P, the first, was fetched. False: the connection is broken. */
static bool send_ahead(struct ic_reply *r, const struct ic_reply_part *p)
{
    const struct ic_reply_ahead *a = p->ahead;
    if (a->result < 0) {
        return end_object(r, p, a->result);
    }
    ic_books_get(r->proxy->books, p->length);
    return send_header(r, p->length) && send_bytes(r, ic_buf_slice(&a->bytes), NULL) &&
           end_object(r, p, 0);
}

/* P, the first, whose bytes are there, or which is nothing. False: the connection is broken. */
static bool send_part(struct ic_reply *r, struct ic_reply_part *p)
{
    bool sent = p->bytes != NULL   ? send_bytes(r, ic_buf_slice(p->bytes), p->bytes)
                : p->ahead != NULL ? send_ahead(r, p)
                                   : send_empty(r, p);
    if (sent) {
        r->begun = false;
        part_free(r, p);
    }
    return sent;
}

/* Until an object, whose bytes follow by themselves, or the end, or as much as this turn takes.
 * False: the connection is broken. */
static bool send_parts(struct ic_reply *r)
{
    struct ic_reply_part *p;
    while ((p = ic_reply_first(r)) != NULL && !must_wait(r) && may_send(r)) {
        bool fetched = p->bytes != NULL || p->ahead != NULL || p->object->evicted;
        if (!fetched && !fetch_object(r, p)) {
            return false;
        }
        if (!fetched || (p->ahead != NULL && p->ahead->get != NULL)) {
            ic_reply_look_ahead(r);
            return true;
        }
        if (!send_part(r, p)) {
            return false;
        }
    }
    return p != NULL || must_wait(r) || send_tail(r);
}

void ic_reply_pump(struct ic_reply *r)
{
    if (r->holds > 0 && r->given == 0) {
        return;
    }
    if (r->out.failed) {
        r->broken(r->ctx, "its reply does not fit into memory");
    } else if (!send_parts(r)) {
        return;
    } else if (r->tail.len >= IC_REPLY_PART_MIN && !close_tail(r)) {
        r->broken(r->ctx, "out of memory");
    }
}

void ic_reply_drained(struct ic_reply *r)
{
    ic_read_pace_stop(&r->pace, loop_ms(r));
    if (r->paused) {
        r->paused = false;
        ic_get_resume(r->get);
    }
    if (ic_reply_empty(r)) {
        r->allowance = IC_REPLY_QUEUE_MAX;
    }
}

/* Buffers of the window are in the stream, or wait until there is room. */
static bool holds_window(const struct ic_reply *r)
{
    size_t queued = ic_stream_queued(r->stream);
    return queued > 0 && (r->get != NULL || r->bytes_out - queued < r->object_end);
}

/* The client alone is waited for. */
static bool is_to_be_read(const struct ic_reply *r, bool last)
{
    return ic_stream_queued(r->stream) > 0 && (last || r->objects > 0 || holds_window(r));
}

/* How long the object that is being sent will stay, at the client's pace; 0: none is, or that is
 * not known. */
static uint64_t stays_ms(const struct ic_reply *r, uint64_t now_ms)
{
    const struct ic_reply_part *p = ic_reply_first(r);
    if (p == NULL || !p->sending) {
        return 0;
    }
    return ic_read_pace_ms(&r->pace, now_ms, ic_reply_acknowledged(r), p->length - r->given);
}

struct ic_pool_use ic_reply_pool_use(const struct ic_reply *r)
{
    uint64_t ms = stays_ms(r, loop_ms(r));
    bool late = r->near_ms > IC_SESSION_NEAR_MS; /* for so long it has been about to end */
    if (ms == 0 || (ms <= IC_SESSION_NEAR_MS && !late)) {
        return (struct ic_pool_use){0};
    }
    const struct ic_object *object = ic_reply_first(r)->object;
    struct ic_pool_use use = ic_object_use(object);
    return (struct ic_pool_use){use.values / object->senders, use.chunks / object->senders};
}

/* The system, once full, takes nothing before a third of what it has is gone. */
uint64_t ic_reply_hold_ms(const struct ic_reply *r, uint64_t now_ms)
{
    if (!holds_window(r)) {
        return 0;
    }
    size_t queued = ic_stream_queued(r->stream), all = ic_stream_unacknowledged(r->stream);
    return ic_read_pace_ms(&r->pace, now_ms, r->bytes_out - all, queued + (all - queued) / 3);
}

static void note_near(struct ic_reply *r, uint64_t now_ms)
{
    uint64_t ms = stays_ms(r, now_ms);
    if (ms > 0) {
        r->near_ms = ms > IC_SESSION_NEAR_MS ? 0 : r->near_ms + now_ms - r->pace.looked_ms;
    }
}

bool ic_reply_fast_enough(struct ic_reply *r, uint64_t now_ms, uint64_t rate, uint64_t received,
                          bool last)
{
    if (is_to_be_read(r, last)) {
        note_near(r, now_ms);
        return ic_read_pace_fast_enough(&r->pace, now_ms, ic_reply_acknowledged(r), received, rate);
    }
    ic_read_pace_stop(&r->pace, now_ms);
    if (r->pace.looked_ms != 0 && ic_stream_unacknowledged(r->stream) == 0) {
        r->pace = (struct ic_read_pace){0};
    }
    return true;
}
