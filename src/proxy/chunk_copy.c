#include "proxy/chunk_copy.h"

#include "base/config.h"
#include "code/layout.h"
#include "code/unit_crc.h"
#include "core/token_bucket.h"
#include "proto/link_body.h"
#include "proxy/proxy.h"
#include "proxy/store.h"

#include <assert.h>

/* One that waits for the rate looks so often at the rate, and whether its object is still there. */
enum { LOOK_MS = 1000 };

static void read_piece(struct ic_chunk_copy *c);
static void on_rate_timer(void *ctx);

void ic_chunk_copy_init(struct ic_chunk_copy *c, struct ic_proxy *proxy,
                        struct ic_token_bucket *bucket)
{
    *c = (struct ic_chunk_copy){.proxy = proxy, .bucket = bucket};
    ic_buf_init(&c->crcs);
    ic_buf_init(&c->item);
    ic_timer_init(&c->timer, proxy->loop, on_rate_timer, c);
}

/* Lets go of everything; the store knows how it ended. */
static void release(struct ic_chunk_copy *c, bool sealed)
{
    struct ic_object *o = c->object;
    c->object = NULL;
    ic_timer_stop(&c->timer);
    ic_functions_cancel(c->proxy->functions, &c->ask);
    ic_functions_cancel(c->proxy->functions, &c->seal);
    ic_buf_unref(c->piece);
    c->piece = NULL;
    ic_buf_deinit(&c->crcs);
    ic_buf_deinit(&c->item);
    ic_store_copy_end(c->proxy->store, o, c->chunk, c->to, sealed);
}

void ic_chunk_copy_cancel(struct ic_chunk_copy *c)
{
    if (c->object != NULL) {
        release(c, false);
    }
}

static void finish(struct ic_chunk_copy *c, int result)
{
    uint64_t bytes = c->offset;
    release(c, result >= 0);
    c->done(c, result, bytes);
}

/* RESULT of a request to the instance that should have the chunk: true, it cannot go on. */
static bool source_failed(struct ic_chunk_copy *c, int result)
{
    if (result >= 0 && ic_store_held(c->proxy->store, c->object, c->chunk) &&
        c->object->state == IC_OBJECT_COMMITTED) {
        return false;
    }
    if (result == IC_ENOENT || result == IC_ECORRUPT || result == IC_EIO) {
        ic_store_lost(c->proxy->store, c->object, c->chunk, c->from);
        result = IC_ENOENT;
    }
    finish(c, result < 0 ? result : IC_ENOENT);
    return true;
}

static void fill(struct ic_node_request *r, struct ic_chunk_copy *c, enum ic_node_op op,
                 uint32_t instance, void (*done)(struct ic_node_request *r, int result))
{
    struct ic_node_request what = {.op = op,
                                   .cause = IC_COST_BACKUP,
                                   .function = c->object->place[c->chunk].function,
                                   .chunk = c->chunk,
                                   .instance = instance,
                                   .object_id = c->object->id,
                                   .unit = c->object->unit,
                                   .chunk_length = c->object->chunk_length,
                                   .offset = c->offset,
                                   .done = done,
                                   .ctx = c};
    ic_node_request_fill(r, &what);
}

/* ---- the end ------------------------------------------------------------------ */

static void on_sealed(struct ic_node_request *r, int result)
{
    finish(r->ctx, result);
}

/* Behind the last WRITE, not waiting for its answer: if that fails, so does this. */
static void seal(struct ic_chunk_copy *c)
{
    struct ic_slice items = ic_buf_slice(&c->item);
    struct ic_item item;
    int result = ic_item_decode(&items, &item);
    assert(result > 0); /* it was decoded before */
    fill(&c->seal, c, IC_NODE_SEAL, c->to, on_sealed);
    c->seal.object = c->object;
    c->seal.key = item.seal.key;
    c->seal.expires_ms = item.seal.expires_ms;
    ic_functions_submit(c->proxy->functions, &c->seal);
}

/* ---- pieces ------------------------------------------------------------------- */

static bool is_last(const struct ic_chunk_copy *c)
{
    return c->offset + c->length == c->object->chunk_length;
}

static void on_written(struct ic_node_request *r, int result)
{
    struct ic_chunk_copy *c = r->ctx;
    if (result < 0) {
        finish(c, result);
        return;
    }
    bool last = is_last(c);
    c->offset += c->length;
    if (!last) {
        read_piece(c);
    }
}

static void write_piece(struct ic_chunk_copy *c)
{
    fill(&c->ask, c, IC_NODE_WRITE, c->to, on_written);
    c->ask.first = c->offset == 0;
    c->ask.crcs = (const uint32_t *)(const void *)c->crcs.data;
    c->ask.body = ic_slice(c->piece->data, c->length);
    c->ask.owner = c->piece;
    ic_functions_submit(c->proxy->functions, &c->ask);
    if (is_last(c)) {
        seal(c);
    }
}

static bool units_are_right(const struct ic_chunk_copy *c)
{
    const struct ic_object *o = c->object;
    const uint32_t *crcs = (const uint32_t *)(const void *)c->crcs.data;
    uint32_t first = (uint32_t)(c->offset / o->unit);
    for (uint32_t at = 0, i = 0; at < c->length; at += o->unit, i++) {
        uint32_t bytes = c->length - at < o->unit ? c->length - at : o->unit;
        if (ic_unit_crc(o->id, c->chunk, first + i, c->piece->data + at, bytes) != crcs[i]) {
            return false;
        }
    }
    return true;
}

static void on_read(struct ic_node_request *r, int result)
{
    struct ic_chunk_copy *c = r->ctx;
    if (result >= 0 && !units_are_right(c)) {
        result = IC_ECORRUPT;
    }
    if (!source_failed(c, result)) {
        write_piece(c);
    }
}

static uint32_t piece_bytes(const struct ic_object *o)
{
    uint32_t units = IC_COPY_PIECE / o->unit;
    return (units == 0 ? 1 : units) * o->unit;
}

/* A buffer for the largest piece of this chunk. IC_ENOMEM. */
static int make_room(struct ic_chunk_copy *c)
{
    const struct ic_object *o = c->object;
    uint64_t most = piece_bytes(o) < o->chunk_length ? piece_bytes(o) : o->chunk_length;
    if (c->piece == NULL) {
        c->piece = ic_buf_new((size_t)most);
    }
    c->crcs.len = 0;
    return c->piece == NULL ? IC_ENOMEM
                            : ic_buf_reserve(&c->crcs, (most / o->unit + 1) * sizeof(uint32_t));
}

static void read_piece(struct ic_chunk_copy *c)
{
    uint64_t left = c->object->chunk_length - c->offset;
    uint32_t most = piece_bytes(c->object);
    c->length = left < most ? (uint32_t)left : most;
    uint64_t rate = (uint64_t)c->proxy->config->backup_rate;
    uint64_t now_ms = ic_loop_now_ms(c->proxy->loop);
    uint64_t wait_ms = ic_token_bucket_wait(c->bucket, rate, now_ms);
    if (wait_ms > 0) {
        ic_timer_start(&c->timer, wait_ms < LOOK_MS ? wait_ms : LOOK_MS);
        return;
    }
    ic_token_bucket_take(c->bucket, rate, c->length, now_ms);
    if (make_room(c) < 0) {
        finish(c, IC_ENOMEM);
        return;
    }
    fill(&c->ask, c, IC_NODE_READ, c->from, on_read);
    c->ask.length = c->length;
    c->ask.into = c->piece->data;
    c->ask.crcs_into = (uint32_t *)(void *)c->crcs.data;
    ic_functions_submit(c->proxy->functions, &c->ask);
}

static void on_rate_timer(void *ctx)
{
    struct ic_chunk_copy *c = ctx;
    if (!source_failed(c, 0)) {
        read_piece(c);
    }
}

/* ---- the beginning ------------------------------------------------------------ */

static void on_stat(struct ic_node_request *r, int result)
{
    struct ic_chunk_copy *c = r->ctx;
    struct ic_slice items = ic_buf_slice(&c->item);
    struct ic_item item;
    if (result >= 0 && (ic_item_decode(&items, &item) <= 0 || !item.sealed ||
                        item.seal.chunk_length != c->object->chunk_length ||
                        item.seal.key.len != c->object->key_len)) {
        result = IC_EIO;
    }
    if (source_failed(c, result)) {
        return;
    }
    if (c->object->chunk_length == 0) {
        seal(c);
    } else {
        read_piece(c);
    }
}

void ic_chunk_copy_begin(struct ic_chunk_copy *c, struct ic_object *object, uint16_t chunk,
                         uint32_t from, uint32_t to)
{
    assert(c->object == NULL);
    c->object = object;
    c->chunk = chunk;
    c->from = from;
    c->to = to;
    c->offset = 0;
    c->length = 0;
    ic_store_copy_begin(c->proxy->store, object, chunk, from, to);
    fill(&c->ask, c, IC_NODE_STAT, from, on_stat);
    c->ask.item = &c->item;
    ic_functions_submit(c->proxy->functions, &c->ask);
}

void ic_chunk_copy_deinit(const struct ic_chunk_copy *c)
{
    assert(c->object == NULL);
    ic_node_request_deinit(&c->ask);
    ic_node_request_deinit(&c->seal);
}
