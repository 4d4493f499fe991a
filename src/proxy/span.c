#include "proxy/span.h"

#include "base/alloc.h"
#include "code/layout.h"
#include "code/rs.h"
#include "code/unit_crc.h"
#include "core/catalog.h"
#include "proxy/proxy.h"
#include "proxy/store.h"

#include <assert.h>

/* The data chunks in which the bytes from..to lie. */
static uint64_t chunks_of_range(const struct ic_span *span)
{
    const struct ic_layout *l = span->layout;
    uint64_t need = 0, at = span->from;
    uint64_t all = (UINT64_C(1) << l->data) - 1;
    while (at < span->to && need != all) {
        struct ic_layout_place place = ic_layout_locate(l, at);
        need |= UINT64_C(1) << place.chunk;
        at += ic_layout_unit(l, place.stripe) - place.within;
    }
    return need;
}

struct ic_span *ic_span_new(struct ic_proxy *p, const struct ic_object *object,
                            const struct ic_layout *layout, uint64_t first, uint32_t stripes,
                            uint64_t from, uint64_t to, uint64_t chunks)
{
    size_t count = (size_t)(layout->data + layout->parity);
    size_t bytes = sizeof(struct ic_span) + count * sizeof(struct ic_segment);
    struct ic_span *span = ic_calloc(1, bytes + count * stripes * sizeof *span->crcs);
    if (span == NULL) {
        return NULL;
    }
    span->crcs = (uint32_t *)((uint8_t *)span + bytes);
    ic_list_init(&span->node);
    span->proxy = p;
    span->object = object;
    span->layout = layout;
    span->chunk_count = (uint16_t)count;
    span->first = first;
    span->stripes = stripes;
    span->from = from;
    span->to = to;
    span->length = (uint32_t)ic_layout_span_length(layout, first, stripes);
    span->need = chunks == 0 ? chunks_of_range(span) : chunks;
    span->cause = chunks == 0 ? IC_COST_SERVE : IC_COST_REPAIR;
    return span;
}

/* ---- reading ---------------------------------------------------------------- */

static bool units_are_right(const struct ic_span *span, uint16_t chunk)
{
    const uint8_t *bytes = span->segment[chunk].buf->data;
    const uint32_t *crcs = span->segment[chunk].read.crcs_into;
    for (uint32_t i = 0; i < span->stripes; i++) {
        uint32_t unit = ic_layout_unit(span->layout, span->first + i);
        if (ic_unit_crc(span->object->id, chunk, (uint32_t)(span->first + i), bytes, unit) !=
            crcs[i]) {
            return false;
        }
        bytes += unit;
    }
    return true;
}

static void on_read_done(struct ic_node_request *r, int result)
{
    struct ic_span *span = r->ctx;
    uint64_t bit = UINT64_C(1) << r->chunk;
    span->asked &= ~bit;
    span->late &= ~bit;
    if (result >= 0) {
        result = units_are_right(span, r->chunk) ? 0 : IC_ECORRUPT;
    }
    if (result >= 0) {
        span->held |= bit;
        span->segment[r->chunk].buf->len = span->length;
    }
    span->answered(span, r->chunk, result);
}

void ic_span_ask(struct ic_span *span, uint16_t chunk)
{
    const struct ic_chunk_place *place = &span->object->place[chunk];
    struct ic_segment *segment = &span->segment[chunk];
    assert(segment->buf != NULL && (span->asked >> chunk & 1) == 0);
    struct ic_node_request read = {
        .op = IC_NODE_READ,
        .cause = span->cause,
        .function = place->function,
        .chunk = chunk,
        .instance = ic_store_holder(span->proxy->store, span->object, chunk),
        .nodes = span->object->data,
        .object_id = span->object->id,
        .offset = ic_layout_chunk_offset(span->layout, span->first),
        .length = span->length,
        .unit = span->layout->unit,
        .into = segment->buf->data,
        .crcs_into = span->crcs + (size_t)chunk * span->stripes,
        .done = on_read_done,
        .ctx = span,
    };
    ic_node_request_fill(&segment->read, &read);
    span->asked |= UINT64_C(1) << chunk;
    span->asked_ms = ic_loop_now_ms(span->proxy->loop);
    ic_functions_submit(span->proxy->functions, &segment->read);
}

/* ---- the end ---------------------------------------------------------------- */

static void cancel_asked(struct ic_span *span)
{
    for (; span->asked != 0; span->asked &= span->asked - 1) {
        ic_functions_cancel(span->proxy->functions,
                            &span->segment[__builtin_ctzll(span->asked)].read);
    }
    span->late = 0;
}

static void release_segments(struct ic_span *span, uint64_t keep)
{
    for (uint16_t i = 0; i < span->chunk_count; i++) {
        if ((keep >> i & 1) == 0) {
            ic_buf_unref(span->segment[i].buf);
            span->segment[i].buf = NULL;
        }
    }
}

int ic_span_finish(struct ic_span *span, struct ic_rs *rs)
{
    uint8_t *unit[IC_RS_CHUNKS_MAX] = {0};
    uint64_t missing = span->need & ~span->held;
    if (missing != 0 && __builtin_popcountll(span->held) < span->layout->data) {
        return 0;
    }
    cancel_asked(span); /* before its buffers are written to */
    for (uint16_t i = 0; i < span->chunk_count; i++) {
        unit[i] = span->segment[i].buf == NULL ? NULL : span->segment[i].buf->data;
        assert(unit[i] != NULL || (missing >> i & 1) == 0);
    }
    if (missing != 0 && ic_rs_rebuild(rs, span->length, span->held, missing, unit) < 0) {
        return IC_ENOMEM;
    }
    release_segments(span, span->need);
    span->held |= missing;
    span->complete = true;
    return 0;
}

struct ic_slice ic_span_bytes(const struct ic_span *span, uint64_t at, uint64_t limit,
                              struct ic_buf **owner)
{
    const struct ic_layout *l = span->layout;
    struct ic_layout_place place = ic_layout_locate(l, at);
    uint64_t end = span->to < limit ? span->to : limit;
    uint64_t run = ic_layout_unit(l, place.stripe) - place.within;
    if (l->data == 1) {
        run = span->to - at; /* the next unit follows in the same segment */
    }
    assert(span->complete && at >= span->from && at < end);
    *owner = span->segment[place.chunk].buf;
    uint64_t offset = ic_layout_chunk_offset(l, place.stripe) -
                      ic_layout_chunk_offset(l, span->first) + place.within;
    return ic_slice((*owner)->data + offset, (size_t)(run < end - at ? run : end - at));
}

static void reap_span(void *ctx)
{
    struct ic_span *span = ctx;
    for (uint16_t i = 0; i < span->chunk_count; i++) {
        ic_node_request_deinit(&span->segment[i].read);
    }
    ic_free(span);
}

void ic_span_free(struct ic_span *span)
{
    cancel_asked(span);
    release_segments(span, 0);
    ic_list_remove(&span->node);
    ic_loop_reap(span->proxy->loop, &span->reap, reap_span, span);
}
