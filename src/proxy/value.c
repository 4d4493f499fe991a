/*
 * value.c - see value.h.
 */
#include "proxy/value.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "proxy/books.h"
#include "proxy/dispatch.h"
#include "proxy/proxy.h"
#include "proxy/put.h"
#include "proxy/sessions.h"

#include <assert.h>
#include <stdio.h>

enum {
    PACE_MS = 1000, /* over which a client's pace is measured, */
    KNOWN_MS = 500, /* before which nothing is said about it */
};

static uint64_t now_ms(const struct ic_value *v)
{
    return ic_loop_now_ms(v->session->proxy->loop);
}

/* The first failure of a request is the one it is answered with. */
static void note_error(struct ic_value *v, int result, struct ic_slice key)
{
    struct ic_session *s = v->session;
    if (result == IC_ENOSPC) {
        ic_sessions_note_no_room(s->sessions, ic_store_use(s->proxy->store, key, v->size));
    }
    if (s->value_error == 0) {
        s->value_error = result;
        if (result == IC_ETHROTTLED) {
            snprintf(s->value_why, sizeof(s->value_why),
                     "budget: no new keys, as $%.6f were spent in the last 60 minutes and "
                     "budget-per-hour is $%.6f; raise it or wait (overwriting, DEL and GET go on)",
                     ic_books_spent(s->proxy->books), ic_books_limit(s->proxy->books));
        }
        if (result == IC_ETOOBIG) {
            ic_store_too_big_text(s->proxy->store, key, v->size, s->value_why,
                                  sizeof(s->value_why));
        }
    }
}

/* LENGTH bytes of it have come. */
static void count_bytes(struct ic_value *v, size_t length)
{
    v->left -= length;
    v->mark_ms = v->left == 0 ? now_ms(v) : v->mark_ms;
}

/* V takes so much memory from now on. */
static void count_memory(struct ic_value *v, size_t memory)
{
    struct ic_session *s = v->session;
    *(v->ahead ? &s->ahead.bytes : &s->values_bytes) += memory - v->memory;
    v->memory = memory;
}

static void count_all(struct ic_value *v)
{
    count_memory(v, sizeof(*v) + ic_put_memory(v->put) + v->head.cap);
}

/* The put has the head, or needs it no more. */
static void end_head(struct ic_value *v)
{
    ic_buf_deinit(&v->head);
    v->head_wanted = v->moved = 0;
    if (v->session->waiting == v) {
        v->session->waiting = NULL;
    }
}

/* The head is complete: moves what there is room for. */
static void move_head(struct ic_value *v)
{
    v->moved += ic_put_write(v->put, ic_slice(v->head.data + v->moved, v->head.len - v->moved));
    if (v->moved == v->head.len) {
        end_head(v);
    } else {
        v->session->waiting = v;
    }
}

static void on_resume(void *ctx)
{
    struct ic_value *v = ctx;
    if (v->session->waiting == v) {
        move_head(v);
        count_all(v);
    }
    if (v->head_wanted == 0 && v->sealing) {
        ic_put_seal(v->put, v->expires_ms);
    }
    ic_session_continue(v->session);
}

/* V's draft is its argument's. IC_ENOMEM: it goes with V. */
static int give_draft(struct ic_value *v, struct ic_arg *arg)
{
    if (arg == NULL) {
        return IC_ENOMEM;
    }
    arg->draft = v->draft;
    v->draft = NULL;
    v->session->argv_drafts = true;
    ic_pool_use_add(&v->session->drafts_use, ic_object_use(arg->draft));
    ic_books_set(v->session->proxy->books, v->size);
    return 0;
}

/* V is the draft of its argument, if RESULT is 0, or an error of the request. Frees V. Returns
 * RESULT, or IC_ENOMEM. */
static int settle(struct ic_value *v, int result)
{
    struct ic_arg *arg = ic_session_argument(v->session, v->index);
    if (result == 0) {
        result = give_draft(v, arg);
    }
    if (result < 0) {
        note_error(v, result, ic_slice(NULL, 0));
    }
    if (arg != NULL) {
        arg->dollars = ic_put_dollars(v->put);
    }
    ic_value_free(v);
    return result;
}

/* A value of the request being read. */
static void end_value(struct ic_value *v, int result)
{
    struct ic_session *s = v->session;
    bool incomplete = s->state == IC_SESSION_READING, body = s->streaming != NULL;
    result = settle(v, result);
    if (result < 0 && incomplete) { /* the rest of the request is thrown away */
        if (body) {
            ic_resp_skip_rest(&s->parser);
        }
        ic_dispatch_refuse(s);
    }
    ic_session_continue(s);
}

/* A value of a request that comes later: if RESULT < 0 that will try again. */
static void end_ahead(struct ic_value *v, int result)
{
    struct ic_session *s = v->session;
    if (result < 0) {
        ic_value_free(v);
    } else {
        s->ahead.under_way--;
    }
    ic_look_ahead(s);
    (void)ic_session_charge(s);
}

static void on_ready(void *ctx, int result)
{
    struct ic_value *v = ctx;
    if (result == 0) {
        v->draft = ic_put_take(v->put);
    }
    if (!v->ahead) {
        end_value(v, result);
    } else {
        end_ahead(v, result);
    }
}

static const struct ic_put_handler put_handler = {.resume = on_resume, .ready = on_ready};

/* Whether a value for KEY may be stored as far as money goes. */
static bool affordable(const struct ic_session *s, struct ic_slice key)
{
    return ic_books_budget(s->proxy->books) < IC_BUDGET_NO_NEW_KEY ||
           ic_store_find(s->proxy->store, key, ic_clock_wall_ms()) != NULL;
}

static struct ic_value *allocate(struct ic_session *s, uint32_t index, uint64_t size)
{
    struct ic_value *v = ic_calloc(1, sizeof(*v));
    if (v == NULL) {
        return NULL;
    }
    *v = (struct ic_value){
        .session = s, .index = index, .size = size, .left = size, .mark_left = size};
    v->mark_ms = now_ms(v);
    ic_buf_init(&v->head);
    ic_list_init(&v->node);
    return v;
}

/* V gets its put for KEY. Errors as ic_put_new, and IC_ETHROTTLED. */
static int begin_put(struct ic_value *v, struct ic_slice key)
{
    int error = IC_ETHROTTLED;
    if (affordable(v->session, key)) {
        v->put = ic_put_new(v->session->proxy, key, v->size, &put_handler, v, &error);
    }
    return v->put == NULL ? error : 0;
}

struct ic_value *ic_value_begin(struct ic_session *s, uint32_t index, struct ic_slice key,
                                uint64_t size)
{
    struct ic_value *v = allocate(s, index, size);
    if (v == NULL) {
        s->value_error = IC_ENOMEM;
        return NULL;
    }
    v->head_wanted = size < IC_VALUE_HEAD_BYTES ? (size_t)size : IC_VALUE_HEAD_BYTES;
    int error = begin_put(v, key);
    if (error < 0) {
        note_error(v, error, key);
        ic_value_free(v);
        return NULL;
    }
    count_all(v);
    ic_list_push_back(&s->values, &v->node);
    return v;
}

bool ic_value_begin_ahead(struct ic_session *s, uint64_t request, uint32_t index,
                          struct ic_slice key, struct ic_slice bytes, int64_t expires_ms)
{
    struct ic_value *v = allocate(s, index, bytes.len);
    if (v == NULL) {
        return false;
    }
    v->ahead = true;
    v->request = request;
    s->ahead.count++;
    s->ahead.under_way++;
    if (begin_put(v, key) < 0 || ic_put_write(v->put, bytes) < bytes.len) {
        ic_value_free(v);
        return false;
    }
    count_bytes(v, bytes.len);
    count_all(v);
    ic_list_push_back(&s->ahead.values, &v->node);
    ic_value_seal(v, expires_ms);
    return true;
}

void ic_value_adopt(struct ic_value *v)
{
    struct ic_session *s = v->session;
    size_t memory = v->memory;
    count_memory(v, 0);
    v->ahead = false;
    count_memory(v, memory);
    s->ahead.count--;
    s->ahead.under_way -= v->draft == NULL;
    s->sealing++;
    ic_list_remove(&v->node);
    ic_list_push_back(&s->values, &v->node);
    if (v->draft != NULL) {
        (void)settle(v, 0); /* the request has an error if that fails */
    }
}

void ic_value_free(struct ic_value *v)
{
    struct ic_session *s = v->session;
    s->sealing -= v->sealing && !v->ahead;
    s->sessions->sealing -= v->sealing;
    s->ahead.count -= v->ahead;
    s->ahead.under_way -= v->ahead && v->draft == NULL;
    s->streaming = s->streaming == v ? NULL : s->streaming;
    ic_list_remove(&v->node);
    end_head(v);
    count_memory(v, 0);
    ic_put_free(v->put);
    if (v->draft != NULL) {
        ic_store_drop(s->proxy->store, v->draft);
    }
    ic_free(v);
}

bool ic_value_wants_head(const struct ic_value *v)
{
    return v->head_wanted > 0;
}

size_t ic_value_room(struct ic_value *v, struct iovec *iov, size_t max)
{
    return ic_put_room(v->put, iov, max);
}

void ic_value_received(struct ic_value *v, size_t length)
{
    assert(length <= v->left);
    count_bytes(v, length);
    ic_put_received(v->put, length);
}

size_t ic_value_withdraw(struct ic_value *v)
{
    size_t stripe = v->head_wanted > 0 ? 0 : ic_put_withdraw(v->put, &v->head);
    if (stripe == 0) {
        return 0;
    }
    size_t wanted = 2 * v->head.len > IC_VALUE_HEAD_BYTES ? 2 * v->head.len : IC_VALUE_HEAD_BYTES;
    v->head_wanted = wanted < stripe ? wanted : stripe;
    count_all(v);
    return v->head.len;
}

size_t ic_value_withdrawn(const struct ic_value *v)
{
    return v->head.cap > IC_VALUE_HEAD_BYTES ? v->head.cap - IC_VALUE_HEAD_BYTES : 0;
}

/* The next bytes wait for us: they are here, or nobody reads them. */
static bool is_ours(const struct ic_value *v)
{
    const struct ic_session *s = v->session;
    return s->waiting == v || s->starved || s->rest.len > 0;
}

/* How long the rest will take, at the pace of late; once all has come, how long ago that was. */
static double rest_ms(const struct ic_value *v)
{
    double elapsed_ms = (double)(now_ms(v) - v->mark_ms);
    double came = (double)(v->mark_left - v->left);
    return v->left == 0 ? elapsed_ms : elapsed_ms * (double)v->left / (came + 1);
}

bool ic_value_fast_enough(struct ic_value *v, uint64_t rate)
{
    uint64_t elapsed_ms = now_ms(v) - v->mark_ms;
    if (v->session->starved || elapsed_ms >= PACE_MS) {
        uint64_t near_ms = rest_ms(v) > IC_SESSION_NEAR_MS ? 0 : v->near_ms + elapsed_ms;
        v->near_ms = is_ours(v) ? v->near_ms : near_ms;
        v->mark_ms = now_ms(v);
        v->mark_left = v->left;
    }
    return ic_put_fast_enough(v->put, v->head.len - v->moved, is_ours(v) ? 0 : rate);
}

struct ic_pool_use ic_value_kept(const struct ic_value *v)
{
    bool slow = rest_ms(v) > IC_SESSION_NEAR_MS && now_ms(v) - v->mark_ms >= KNOWN_MS;
    bool late = v->near_ms > IC_SESSION_NEAR_MS; /* for so long it has been about to end */
    return (slow || late) && !is_ours(v) ? ic_put_pool_use(v->put) : (struct ic_pool_use){0};
}

/* Bytes of the head. Returns how many were taken: without memory for more it is complete. */
static size_t write_head(struct ic_value *v, struct ic_slice bytes)
{
    size_t length = v->head_wanted - v->head.len;
    length = bytes.len < length ? bytes.len : length;
    if (length > 0 && ic_buf_append(&v->head, bytes.data, length) != 0) {
        v->head_wanted = v->head.len;
        length = 0;
    }
    if (v->head.len == v->head_wanted && v->session->waiting != v) {
        move_head(v);
    }
    count_all(v);
    return length;
}

size_t ic_value_write(struct ic_value *v, struct ic_slice bytes)
{
    size_t length = bytes.len < v->left ? bytes.len : (size_t)v->left, written = 0;
    if (v->head_wanted > 0) {
        written = write_head(v, ic_slice(bytes.data, length));
    }
    if (v->head_wanted == 0) {
        written += ic_put_write(v->put, ic_slice(bytes.data + written, length - written));
    }
    count_bytes(v, written);
    return written;
}

void ic_value_seal(struct ic_value *v, int64_t expires_ms)
{
    assert(v->left == 0);
    if (!v->sealing) {
        v->sealing = true;
        v->session->sealing += !v->ahead;
        v->session->sessions->sealing++;
        v->expires_ms = expires_ms;
        if (v->head_wanted == 0) {
            ic_put_seal(v->put, expires_ms);
        }
    }
}
