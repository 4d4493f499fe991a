/*
 * fake_pool.h - stands in for the loop's timers, the functions and the store, so that put and get
 * are tested without sockets: nodes are memory, time stands still unless moved, and each request is
 * answered when the test pumps it, rightly or as the test's script says. Include it in one .c.
 */
#ifndef IC_TEST_FAKE_POOL_H
#define IC_TEST_FAKE_POOL_H

#include "base/alloc.h"
#include "base/random.h"
#include "code/layout.h"
#include "code/rs.h"
#include "code/unit_crc.h"
#include "core/code_table.h"
#include "net/timers.h"
#include "proxy/functions.h"
#include "proxy/proxy.h"
#include "proxy/store.h"
#include "proxy/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FAKE_FUNCTIONS = 16, FAKE_QUEUE_MAX = 4096, FAKE_SEEN_MAX = 64 };

struct fake_chunk { /* on a node */
    struct fake_chunk *next;
    uint64_t object_id, length, written;
    uint32_t unit;
    uint16_t chunk;
    bool sealed;
    uint8_t *bytes;
    uint32_t *crcs;
};

struct fake_node {
    uint32_t serial; /* of its instance; another after fake_kill */
    enum ic_function_status status;
    struct fake_chunk *chunks;
    struct ic_meeting *meeting;
    size_t backlog;
    uint32_t wakes;
};

static struct {
    struct ic_proxy proxy;
    struct ic_timers timers;
    struct ic_list reaps;
    uint64_t now_ms;
    struct fake_node node[FAKE_FUNCTIONS];
    struct ic_node_request *queue[FAKE_QUEUE_MAX]; /* submitted, not answered */
    size_t queued;
    /* What REQUEST will be answered: 0 rightly, < 0 that error, 1 not now. NULL: always rightly. */
    int (*script)(struct ic_node_request *request);
    uint64_t next_id;
    uint16_t data, parity;
    uint32_t unit;
    uint32_t serials;
    uint32_t reads_ended, reads_decoded;
    uint64_t turn;                                      /* a step is one */
    uint64_t reads, read_bytes, writes, seals, cancels; /* since fake_begin */
    uint32_t drafts, dropped, pins;
    uint64_t claimed, claims_until; /* bytes per chunk; no room for more, 0: there always is */
    uint32_t claims, claims_busy;   /* so many were asked for; to be told: not now */
    bool claimed_much, a_claim_is_much, others_hold_room, is_read;
    bool submitting; /* done must not be called now */
} fake;

/* ---- loop -------------------------------------------------------------------- */

uint64_t ic_loop_now_ms(const struct ic_loop *loop)
{
    (void)loop;
    return fake.now_ms;
}

uint64_t ic_loop_turn_number(const struct ic_loop *loop)
{
    (void)loop;
    return fake.turn;
}

void ic_loop_reap(struct ic_loop *loop, struct ic_reap *r, void (*reap)(void *ctx), void *ctx)
{
    (void)loop;
    r->reap = reap;
    r->ctx = ctx;
    ic_list_push_back(&fake.reaps, &r->node);
}

void ic_timer_init(struct ic_timer *t, struct ic_loop *loop, void (*fire)(void *ctx), void *ctx)
{
    *t = (struct ic_timer){.loop = loop, .fire = fire, .ctx = ctx};
}

void ic_timer_stop(struct ic_timer *t)
{
    if (t->armed) {
        ic_timers_remove(t->due_list != NULL ? t->due_list : &fake.timers, t);
        t->due_list = NULL;
    }
}

void ic_timer_start(struct ic_timer *t, uint64_t delay_ms)
{
    ic_timer_stop(t);
    t->due_ms = fake.now_ms + delay_ms;
    ic_timers_insert(&fake.timers, t);
}

/* ---- nodes ------------------------------------------------------------------- */

static inline struct fake_chunk **fake_find(uint16_t function, uint64_t object_id, uint16_t chunk)
{
    struct fake_chunk **at = &fake.node[function].chunks;
    while (*at != NULL && ((*at)->object_id != object_id || (*at)->chunk != chunk)) {
        at = &(*at)->next;
    }
    return at;
}

static inline void fake_remove(struct fake_chunk **at)
{
    struct fake_chunk *c = *at;
    *at = c->next;
    free(c->bytes);
    free(c->crcs);
    free(c);
}

/* The node's memory is gone; a new instance takes its place. */
static inline void fake_kill(uint16_t function)
{
    while (fake.node[function].chunks != NULL) {
        fake_remove(&fake.node[function].chunks);
    }
    fake.node[function].serial = ++fake.serials;
}

static inline size_t fake_chunks(void)
{
    size_t count = 0;
    for (int i = 0; i < FAKE_FUNCTIONS; i++) {
        for (struct fake_chunk *c = fake.node[i].chunks; c != NULL; c = c->next) {
            count++;
        }
    }
    return count;
}

static inline struct fake_chunk *fake_create(const struct ic_node_request *r)
{
    struct fake_chunk *c = calloc(1, sizeof *c);
    c->object_id = r->object_id;
    c->chunk = r->chunk;
    c->length = r->chunk_length;
    c->unit = r->unit;
    c->bytes = calloc(1, c->length + 1);
    c->crcs = calloc(c->length / (r->unit == 0 ? 64 : r->unit) + 2, sizeof *c->crcs);
    c->next = fake.node[r->function].chunks;
    fake.node[r->function].chunks = c;
    return c;
}

static inline int fake_write(struct ic_node_request *r, struct fake_chunk *c)
{
    if (c == NULL && r->first) {
        assert_int_equal(r->offset, 0);
        c = fake_create(r);
    }
    if (c == NULL || c->sealed || r->offset != c->written) {
        return IC_EIO; /* a hole */
    }
    assert_true(r->body.len > 0 && r->body.len <= IC_NODE_WRITE_MAX);
    assert_true(r->offset + r->body.len <= c->length);
    memcpy(c->bytes + r->offset, r->body.data, r->body.len);
    memcpy(c->crcs + r->offset / c->unit, r->crcs, (r->body.len + c->unit - 1) / c->unit * 4);
    c->written += r->body.len;
    fake.writes++;
    return 0;
}

static inline int fake_seal(struct ic_node_request *r, struct fake_chunk *c)
{
    if (c == NULL && r->first && r->chunk_length == 0) {
        c = fake_create(r);
    }
    if (c == NULL || c->written != r->chunk_length) {
        return IC_EIO;
    }
    assert_true(r->object->size == 0 || r->key.len > 0);
    c->sealed = true;
    fake.seals++;
    return 0;
}

static inline int fake_read(struct ic_node_request *r, struct fake_chunk *c)
{
    if (c == NULL || !c->sealed) {
        return IC_ENOENT;
    }
    assert_true(r->length > 0 && r->length <= IC_NODE_READ_MAX);
    assert_true(r->offset % c->unit == 0 && r->offset + r->length <= c->length);
    memcpy(r->into, c->bytes + r->offset, r->length);
    memcpy(r->crcs_into, c->crcs + r->offset / c->unit, (r->length + c->unit - 1) / c->unit * 4);
    fake.reads++;
    fake.read_bytes += r->length;
    return 0;
}

/* What the node of R's function does with R. */
static inline int fake_perform(struct ic_node_request *r)
{
    struct fake_node *node = &fake.node[r->function];
    if (r->op != IC_NODE_READ && r->instance == 0) {
        r->instance = ic_store_begin(NULL, r->object, r->chunk, node->serial);
    }
    if (r->instance != node->serial) {
        return IC_ESTALE;
    }
    struct fake_chunk *c = *fake_find(r->function, r->object_id, r->chunk);
    switch (r->op) {
    case IC_NODE_WRITE:
        return fake_write(r, c);
    case IC_NODE_SEAL:
        return fake_seal(r, c);
    case IC_NODE_READ:
        return fake_read(r, c);
    case IC_NODE_STAT:
    case IC_NODE_MARK:
        break;
    }
    return IC_EINVAL;
}

void ic_functions_submit(struct ic_functions *f, struct ic_node_request *r)
{
    (void)f;
    assert_true(fake.queued < FAKE_QUEUE_MAX);
    assert_true(r->function < FAKE_FUNCTIONS && r->done != NULL);
    assert_true(ic_node_request_is_idle(r));
    if (r->owner != NULL) {
        ic_buf_ref(r->owner);
    }
    r->stage = 1;
    fake.queue[fake.queued++] = r;
}

static inline void fake_take(size_t at)
{
    struct ic_node_request *r = fake.queue[at];
    memmove(&fake.queue[at], &fake.queue[at + 1], (fake.queued - at - 1) * sizeof *fake.queue);
    fake.queued--;
    r->stage = 0;
    ic_buf_unref(r->owner);
}

void ic_functions_cancel(struct ic_functions *f, struct ic_node_request *r)
{
    (void)f;
    for (size_t i = 0; i < fake.queued; i++) {
        if (fake.queue[i] == r) {
            fake_take(i);
            fake.cancels++;
            return;
        }
    }
}

void ic_functions_wake(struct ic_functions *f, uint16_t function)
{
    (void)f;
    fake.node[function].wakes++;
}

enum ic_function_status ic_functions_status(const struct ic_functions *f, uint16_t function,
                                            uint32_t serial)
{
    (void)f;
    if (serial != 0 && serial != fake.node[function].serial) {
        return IC_STATUS_GONE;
    }
    return fake.node[function].status;
}

size_t ic_functions_backlog(const struct ic_functions *f, uint16_t function)
{
    (void)f;
    return fake.node[function].backlog;
}

int ic_functions_meet(struct ic_functions *f, struct ic_meeting *m)
{
    (void)f;
    struct fake_node *node = &fake.node[m->function];
    if (node->meeting != NULL) {
        return IC_EBUSY;
    }
    node->meeting = m;
    m->stage = IC_MEETING_WAKING;
    return 0;
}

void ic_functions_part(struct ic_functions *f, struct ic_meeting *m)
{
    (void)f;
    struct fake_node *node = &fake.node[m->function];
    if (m->stage != IC_MEETING_OVER) {
        assert_ptr_equal(node->meeting, m);
        node->meeting = NULL;
        node->status = m->stage == IC_MEETING_MET ? IC_STATUS_AWAY : node->status;
        m->stage = IC_MEETING_OVER;
    }
}

/* FUNCTION's instance, which is away, meets the one that answers, or does not: RESULT. */
static inline void fake_meet(uint16_t function, int result)
{
    struct fake_node *node = &fake.node[function];
    struct ic_meeting *m = node->meeting;
    assert_non_null(m);
    if (result < 0) {
        m->stage = IC_MEETING_OVER;
        node->meeting = NULL;
    } else {
        m->stage = IC_MEETING_MET;
        node->status = IC_STATUS_AWAKE;
    }
    m->met(m, result, 1, 2);
}

/* Everybody who is asked back comes, or nobody does. Returns how many. */
static inline uint32_t fake_meet_all(int result)
{
    uint32_t count = 0;
    for (uint16_t i = 0; i < FAKE_FUNCTIONS; i++) {
        const struct ic_meeting *m = fake.node[i].meeting;
        if (m != NULL && m->stage == IC_MEETING_WAKING) {
            assert_int_equal(m->cause, IC_COST_SERVE);
            fake_meet(i, result);
            count++;
        }
    }
    return count;
}

/* Those that came leave again. */
static inline void fake_leave_all(void)
{
    for (uint16_t i = 0; i < FAKE_FUNCTIONS; i++) {
        struct ic_meeting *m = fake.node[i].meeting;
        if (m != NULL && m->stage == IC_MEETING_MET) {
            m->stage = IC_MEETING_OVER;
            fake.node[i].meeting = NULL;
            fake.node[i].status = IC_STATUS_AWAY;
            m->ended(m);
        }
    }
}

static inline void fake_check_apart(void)
{
    for (int i = 0; i < FAKE_FUNCTIONS; i++) {
        assert_null(fake.node[i].meeting);
    }
}

/* ---- store ------------------------------------------------------------------- */

int ic_store_draft(struct ic_store *s, struct ic_slice key, uint64_t size, struct ic_object **out)
{
    (void)s;
    uint16_t count = (uint16_t)(fake.data + fake.parity);
    struct ic_layout l;
    struct ic_object *o = ic_calloc(1, sizeof *o + count * sizeof o->place[0]);
    if (o == NULL) {
        return IC_ENOMEM;
    }
    ic_layout_init(&l, size, fake.data, fake.parity, fake.unit);
    o->id = ++fake.next_id;
    o->size = size;
    o->chunk_length = l.chunk_length;
    o->unit = fake.unit;
    o->data = fake.data;
    o->parity = fake.parity;
    o->key_len = (uint32_t)key.len;
    for (uint16_t i = 0; i < count; i++) {
        o->place[i].function = (uint16_t)((o->id + i) % FAKE_FUNCTIONS);
        o->place[i].state = IC_CHUNK_WRITING;
    }
    fake.drafts++;
    *out = o;
    return 0;
}

bool ic_store_has_claimed_much(const struct ic_store *s)
{
    (void)s;
    return fake.claimed_much;
}

bool ic_store_others_hold_room(const struct ic_store *s, const struct ic_object *draft)
{
    (void)s;
    (void)draft;
    return fake.others_hold_room;
}

bool ic_store_is_read(const struct ic_store *s)
{
    (void)s;
    return fake.is_read;
}

int ic_store_claim(struct ic_store *s, struct ic_object *draft, uint64_t chunk_bytes)
{
    (void)s;
    assert_true(chunk_bytes <= draft->chunk_length);
    fake.claims++;
    if (fake.claims_busy > 0) {
        fake.claims_busy--;
        return IC_EBUSY;
    }
    if (fake.claims_until != 0 && chunk_bytes > fake.claims_until) {
        return IC_ENOSPC;
    }
    fake.claimed = chunk_bytes;
    fake.claimed_much |= fake.a_claim_is_much;
    return 0;
}

static inline void fake_free_object(struct ic_object *o)
{
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        struct fake_chunk **at = fake_find(o->place[i].function, o->id, i);
        if (*at != NULL) {
            fake_remove(at);
        }
    }
    assert_int_equal(o->pins, 0);
    ic_free(o);
}

void ic_store_drop(struct ic_store *s, struct ic_object *draft)
{
    (void)s;
    fake.drafts--;
    fake.dropped++;
    fake_free_object(draft);
}

uint32_t ic_store_begin(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t serial)
{
    (void)s;
    struct ic_chunk_place *place = &o->place[chunk];
    assert_int_equal(place->state, IC_CHUNK_WRITING);
    place->instance = place->instance == 0 ? serial : place->instance;
    return place->instance;
}

void ic_store_sealed(struct ic_store *s, struct ic_object *o, uint16_t chunk)
{
    (void)s;
    assert_true(o->place[chunk].state == IC_CHUNK_WRITING && o->place[chunk].instance != 0);
    o->place[chunk].state = IC_CHUNK_HELD;
}

void ic_store_lost(struct ic_store *s, struct ic_object *o, uint16_t chunk, uint32_t serial)
{
    (void)s;
    assert_int_equal(serial, o->place[chunk].instance);
    struct fake_chunk **at = fake_find(o->place[chunk].function, o->id, chunk);
    if (*at != NULL) {
        fake_remove(at);
    }
    o->place[chunk].state = IC_CHUNK_LOST;
}

int ic_store_move_draft(struct ic_store *s, struct ic_object *draft, uint16_t chunk)
{
    (void)s;
    uint32_t taken = 0;
    struct fake_chunk **at = fake_find(draft->place[chunk].function, draft->id, chunk);
    for (uint16_t i = 0; i < draft->data + draft->parity; i++) {
        taken |= 1U << draft->place[i].function;
    }
    for (uint16_t i = 1; i < FAKE_FUNCTIONS; i++) {
        uint16_t next = (uint16_t)((draft->place[chunk].function + i) % FAKE_FUNCTIONS);
        if ((taken >> next & 1) == 0) {
            if (*at != NULL) {
                fake_remove(at);
            }
            draft->place[chunk].function = next;
            draft->place[chunk].instance = 0;
            return 0;
        }
    }
    return IC_ENOSPC;
}

uint32_t ic_store_holder(const struct ic_store *s, const struct ic_object *o, uint16_t chunk)
{
    (void)s;
    return o->place[chunk].instance;
}

uint32_t ic_store_held_count(const struct ic_store *s, const struct ic_object *o)
{
    (void)s;
    uint32_t count = 0;
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        count += o->place[i].state == IC_CHUNK_HELD &&
                 o->place[i].instance == fake.node[o->place[i].function].serial;
    }
    return count;
}

void ic_store_read_ended(struct ic_store *s, struct ic_object *o, bool decoded)
{
    (void)s;
    assert_true(o->pins > 0);
    fake.reads_ended++;
    fake.reads_decoded += decoded;
}

void ic_store_pin(struct ic_store *s, struct ic_object *o)
{
    (void)s;
    o->pins++;
    fake.pins++;
}

void ic_store_unpin(struct ic_store *s, struct ic_object *o)
{
    (void)s;
    assert_true(o->pins > 0);
    o->pins--;
    fake.pins--;
}

/* ---- driving it -------------------------------------------------------------- */

static inline void fake_turn_end(void)
{
    struct ic_list *node;
    while ((node = ic_list_pop_front(&fake.reaps)) != NULL) {
        struct ic_reap *r = IC_CONTAINER(node, struct ic_reap, node);
        r->reap(r->ctx);
    }
}

/* Answers the request at AT of the queue. False: the script says not now. */
static inline bool fake_answer(size_t at)
{
    struct ic_node_request *r = fake.queue[at];
    int result = fake.script == NULL ? 0 : fake.script(r);
    if (result > 0) {
        return false;
    }
    if (result == 0) {
        result = fake_perform(r);
    }
    fake_take(at);
    r->done(r, result);
    fake_turn_end();
    return true;
}

static inline bool fake_timers_due(void)
{
    return fake.timers.root != NULL && fake.timers.root->due_ms <= fake.now_ms;
}

/* One turn: timers due now, then one request if there is one that may be answered. */
static inline bool fake_step(void)
{
    fake.turn++;
    if (fake_timers_due()) {
        ic_timers_run(&fake.timers, fake.now_ms);
        fake_turn_end();
        return true;
    }
    for (size_t at = 0; at < fake.queued; at++) {
        if (fake_answer(at)) {
            return true;
        }
    }
    fake_turn_end();
    return false;
}

/* Until nothing more happens at this time. */
static inline void fake_run(void)
{
    uint32_t steps = 0;
    while (fake_step()) {
        assert_true(++steps < 10000000); /* it never comes to rest */
    }
}

static inline void fake_pass(uint64_t ms)
{
    fake.now_ms += ms;
    fake_run();
}

static inline void fake_begin(uint16_t data, uint16_t parity, uint32_t unit, size_t window)
{
    memset(&fake, 0, sizeof fake);
    ic_list_init(&fake.reaps);
    fake.now_ms = 1000;
    fake.data = data;
    fake.parity = parity;
    fake.unit = unit;
    for (int i = 0; i < FAKE_FUNCTIONS; i++) {
        fake.node[i].serial = ++fake.serials;
        fake.node[i].status = IC_STATUS_AWAKE;
    }
    fake.proxy.config = ic_config_new();
    fake.proxy.window = ic_window_new(NULL, window);
    fake.proxy.codes = ic_rs_set_new();
    ic_list_init(&fake.proxy.readers);
    ic_claims_init(&fake.proxy.claims, NULL, fake.proxy.config);
    assert_non_null(fake.proxy.window);
    assert_non_null(fake.proxy.codes);
}

/* Nothing may be left but what the nodes hold of objects the test has freed itself. */
static inline void fake_end(void)
{
    fake_turn_end();
    assert_int_equal(fake.queued, 0);
    assert_int_equal(fake.pins, 0);
    assert_true(ic_list_empty(&fake.proxy.readers));
    struct ic_window_stats stats = ic_window_stats(fake.proxy.window);
    assert_int_equal(stats.taken, 0);
    assert_int_equal(stats.used, 0);
    assert_int_equal(stats.admitted, 0);
    assert_int_equal(stats.waiting, 0);
    ic_claims_deinit(&fake.proxy.claims);
    ic_window_free(fake.proxy.window);
    ic_rs_set_free(fake.proxy.codes);
    ic_config_free(fake.proxy.config);
    for (uint16_t i = 0; i < FAKE_FUNCTIONS; i++) {
        fake_kill(i);
    }
    assert_null(fake.timers.root);
}

/* Byte AT of the value of SEED: any byte at any place tells where it belongs. */
static inline uint8_t fake_byte(uint64_t seed, uint64_t at)
{
    uint64_t x = (at / 8 + 1) * UINT64_C(0x9E3779B97F4A7C15) ^ seed * UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 29;
    x *= UINT64_C(0xBF58476D1CE4E5B9);
    return (uint8_t)(x >> (at % 8 * 8));
}

/* An object of SIZE bytes of SEED, every chunk sealed on its node. */
static inline struct ic_object *fake_stored(uint64_t seed, uint64_t size)
{
    struct ic_object *o;
    struct ic_layout l;
    assert_int_equal(ic_store_draft(NULL, ic_slice_str("key"), size, &o), 0);
    fake.drafts--;
    ic_layout_init(&l, size, o->data, o->parity, o->unit);
    struct fake_chunk *chunk[IC_RS_CHUNKS_MAX];
    struct ic_rs *rs = ic_rs_set_get(fake.proxy.codes, o->data, o->parity);
    for (uint16_t i = 0; i < o->data + o->parity; i++) {
        struct ic_node_request r = {.function = o->place[i].function,
                                    .object_id = o->id,
                                    .chunk = i,
                                    .chunk_length = l.chunk_length,
                                    .unit = o->unit};
        chunk[i] = fake_create(&r);
        chunk[i]->sealed = true;
        chunk[i]->written = l.chunk_length;
        o->place[i].instance = fake.node[r.function].serial;
        o->place[i].state = IC_CHUNK_HELD;
    }
    for (uint64_t at = 0; at < size; at++) {
        struct ic_layout_place p = ic_layout_locate(&l, at);
        chunk[p.chunk]->bytes[ic_layout_chunk_offset(&l, p.stripe) + p.within] =
            fake_byte(seed, at);
    }
    for (uint64_t s = 0; s < l.stripes; s++) {
        uint8_t *unit[IC_RS_CHUNKS_MAX];
        for (uint16_t i = 0; i < o->data + o->parity; i++) {
            unit[i] = chunk[i]->bytes + ic_layout_chunk_offset(&l, s);
        }
        ic_rs_encode(rs, ic_layout_unit(&l, s), unit);
        for (uint16_t i = 0; i < o->data + o->parity; i++) {
            chunk[i]->crcs[s] = ic_unit_crc(o->id, i, (uint32_t)s, unit[i], ic_layout_unit(&l, s));
        }
    }
    return o;
}

#endif
