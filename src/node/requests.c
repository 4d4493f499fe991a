#include "node/requests.h"

#include "base/alloc.h"

#include <assert.h>

enum { REPLY_PIECES = 16 }; /* extents queued at a time */

void ic_requests_init(struct ic_requests *r, struct ic_chunks *chunks,
                      const struct ic_requests_handler *handler, void *ctx)
{
    *r = (struct ic_requests){.chunks = chunks, .handler = handler, .ctx = ctx};
    ic_frame_parser_init(&r->parser);
    ic_buf_init(&r->body);
    ic_buf_init(&r->items);
}

void ic_requests_deinit(struct ic_requests *r)
{
    ic_buf_deinit(&r->body);
    ic_buf_deinit(&r->items);
}

void ic_requests_begin(struct ic_requests *r, struct ic_stream *stream)
{
    ic_frame_parser_init(&r->parser);
    r->stream = stream;
    r->welcomed = false;
    r->state = IC_REQUESTS_RECEIVING;
    r->chunk = NULL;
    r->paused = false;
    r->items.len = 0;
}

void ic_requests_end(struct ic_requests *r)
{
    bool is_first = (r->parser.frame.flags & IC_WRITE_FIRST) != 0;
    if (r->chunk != NULL && is_first) {
        ic_chunks_drop(r->chunks, r->chunk); /* begun by a WRITE that never arrived whole */
    }
    r->chunk = NULL;
    r->stream = NULL;
}

bool ic_requests_busy(const struct ic_requests *r)
{
    return r->state != IC_REQUESTS_RECEIVING || !ic_frame_parser_idle(&r->parser) ||
           (r->stream != NULL && ic_stream_queued(r->stream) > 0);
}

/* ---- replies ---------------------------------------------------------------------- */

static int send_header(struct ic_requests *r, const struct ic_frame *frame)
{
    uint8_t bytes[IC_FRAME_HEADER_BYTES];
    ic_frame_encode(frame, bytes);
    return ic_stream_write(r->stream, ic_slice(bytes, sizeof(bytes)), NULL);
}

/* The header of an answer to the current frame. */
static struct ic_frame reply_to(const struct ic_frame *frame, enum ic_frame_type type)
{
    return (struct ic_frame){.type = (uint8_t)type,
                             .chunk = frame->chunk,
                             .request = frame->request,
                             .object_id = frame->object_id,
                             .op = frame->op,
                             .offset = frame->offset};
}

static int send_status(struct ic_requests *r, enum ic_frame_status status)
{
    bool is_error = status != IC_STATUS_OK;
    struct ic_frame reply = reply_to(&r->parser.frame, is_error ? IC_FRAME_ERROR : IC_FRAME_DONE);
    reply.status = (uint8_t)status;
    return send_header(r, &reply);
}

/* A reply's bytes have been sent, or dropped with the link. */
static void reply_released(struct ic_buf *buf, void *ctx)
{
    struct ic_chunk *chunk = ctx;
    assert(chunk->readers > 0);
    chunk->readers--;
    ic_free(buf);
}

/* Queues the CRCs and bytes where they lie, under OWNER's references. */
static int send_chunk(struct ic_requests *r, struct ic_chunk *chunk, uint64_t offset, uint64_t len,
                      struct ic_buf *owner)
{
    struct iovec crcs = ic_chunk_crcs(chunk, offset, len);
    int result = ic_stream_write(r->stream, ic_slice(crcs.iov_base, crcs.iov_len), owner);
    while (result >= 0 && len > 0) {
        struct iovec piece[REPLY_PIECES];
        uint64_t covered;
        size_t count =
            ic_chunk_memory(r->chunks, chunk, offset, len, piece, REPLY_PIECES, &covered);
        for (size_t i = 0; i < count && result >= 0; i++) {
            result =
                ic_stream_write(r->stream, ic_slice(piece[i].iov_base, piece[i].iov_len), owner);
        }
        offset += covered;
        len -= covered;
    }
    return result;
}

static int answer_read(struct ic_requests *r)
{
    const struct ic_frame *frame = &r->parser.frame;
    uint32_t len;
    if (ic_read_decode(ic_buf_slice(&r->body), &len) < 0) {
        return IC_EPROTO;
    }
    struct ic_chunk *chunk = ic_chunks_find(r->chunks, frame->object_id, frame->chunk);
    enum ic_frame_status status = ic_chunk_check_read(chunk, frame->offset, len);
    struct ic_buf *owner = NULL;
    if (status == IC_STATUS_OK && (owner = ic_buf_new(0)) == NULL) {
        status = IC_STATUS_NOMEM;
    }
    if (status != IC_STATUS_OK) {
        return send_status(r, status);
    }
    chunk->readers++;
    ic_buf_on_release(owner, reply_released, chunk);
    struct ic_frame reply = reply_to(frame, IC_FRAME_DATA);
    reply.length = len + (uint32_t)ic_chunk_crcs(chunk, frame->offset, len).iov_len;
    int result = send_header(r, &reply);
    if (result >= 0) {
        result = send_chunk(r, chunk, frame->offset, len, owner);
    }
    ic_buf_unref(owner);
    return result;
}

/* ---- WRITE ------------------------------------------------------------------------ */

static void skip_body(struct ic_requests *r, enum ic_frame_status status)
{
    r->status = status;
    r->body_kind = IC_BODY_SKIPPED;
    ic_frame_parser_skip(&r->parser, r->scratch, sizeof(r->scratch));
}

/* Gives the parser the chunk's memory for what has no place yet, as much as it takes. */
static int place_chunk(struct ic_requests *r)
{
    struct iovec piece[IC_FRAME_PLACES_MAX - 1]; /* the CRCs are a place too */
    uint64_t covered, offset = r->parser.frame.offset + r->placed;
    size_t count = ic_chunk_memory(r->chunks, r->chunk, offset, r->length - r->placed, piece,
                                   IC_FRAME_PLACES_MAX - 1, &covered);
    for (size_t i = 0; i < count; i++) {
        int result = ic_frame_parser_place(&r->parser, piece[i].iov_base, piece[i].iov_len);
        if (result < 0) {
            return result;
        }
    }
    r->placed += covered;
    return 0;
}

/* BYTES of CRCs and chunk bytes follow for CHUNK: to their places, or refused. */
static int begin_chunk(struct ic_requests *r, struct ic_chunk *chunk, uint32_t bytes)
{
    int64_t length = ic_frame_data_length(bytes, chunk->unit);
    uint64_t offset = r->parser.frame.offset;
    enum ic_frame_status status =
        length < 0 ? IC_STATUS_RANGE : ic_chunk_check_write(chunk, offset, (uint64_t)length);
    if (status == IC_STATUS_OK) {
        status = ic_chunks_grow(r->chunks, chunk, offset + (uint64_t)length);
    }
    r->chunk = chunk;
    if (status != IC_STATUS_OK) {
        skip_body(r, status);
        return 0;
    }
    r->status = IC_STATUS_OK;
    r->body_kind = IC_BODY_CHUNK;
    r->length = (uint64_t)length;
    r->placed = 0;
    struct iovec crcs = ic_chunk_crcs(chunk, offset, r->length);
    int result = ic_frame_parser_place(&r->parser, crcs.iov_base, crcs.iov_len);
    return result < 0 ? result : place_chunk(r);
}

static int begin_write(struct ic_requests *r)
{
    const struct ic_frame *frame = &r->parser.frame;
    enum ic_op_order order = ic_chunks_op_order(r->chunks, frame->op);
    r->chunk = NULL;
    r->settled = order == IC_OP_SETTLED;
    if (order != IC_OP_NEXT) {
        skip_body(r, order == IC_OP_GAP ? IC_STATUS_GAP : IC_STATUS_OK);
        return 0;
    }
    if ((frame->flags & IC_WRITE_FIRST) != 0) {
        r->body_kind = IC_BODY_PREFIX;
        return ic_frame_parser_place(&r->parser, r->scratch, IC_WRITE_PREFIX_BYTES);
    }
    struct ic_chunk *chunk = ic_chunks_find(r->chunks, frame->object_id, frame->chunk);
    if (chunk == NULL || chunk->length == 0) {
        skip_body(r, IC_STATUS_NOENT);
        return 0;
    }
    return begin_chunk(r, chunk, frame->length);
}

/* The prefix of a first WRITE is in scratch. */
static int begin_first(struct ic_requests *r)
{
    const struct ic_frame *frame = &r->parser.frame;
    struct ic_write_prefix prefix;
    if (ic_write_prefix_decode(r->scratch, &prefix) < 0) {
        return IC_EPROTO;
    }
    struct ic_chunk *chunk;
    enum ic_frame_status status = ic_chunks_open(r->chunks, frame->object_id, frame->chunk,
                                                 prefix.chunk_length, prefix.unit, &chunk);
    if (status != IC_STATUS_OK) {
        skip_body(r, status);
        return 0;
    }
    return begin_chunk(r, chunk, frame->length - IC_WRITE_PREFIX_BYTES);
}

/* A WRITE settled before is answered from what is there. */
static enum ic_frame_status rewritten(const struct ic_requests *r)
{
    const struct ic_frame *frame = &r->parser.frame;
    struct ic_chunk *chunk = ic_chunks_find(r->chunks, frame->object_id, frame->chunk);
    if (chunk == NULL) {
        return IC_STATUS_NOENT;
    }
    uint32_t prefix = (frame->flags & IC_WRITE_FIRST) != 0 ? IC_WRITE_PREFIX_BYTES : 0;
    int64_t length = ic_frame_data_length(frame->length - prefix, chunk->unit);
    bool is_there = length >= 0 && frame->offset <= chunk->written &&
                    (uint64_t)length <= chunk->written - frame->offset;
    return is_there ? IC_STATUS_OK : IC_STATUS_NOENT;
}

static int end_write(struct ic_requests *r)
{
    struct ic_chunk *chunk = r->chunk;
    r->chunk = NULL;
    if (r->settled) {
        return send_status(r, rewritten(r));
    }
    if (r->status == IC_STATUS_OK) {
        ic_chunk_written(chunk, r->length);
    } else if (chunk != NULL && (r->parser.frame.flags & IC_WRITE_FIRST) != 0) {
        ic_chunks_drop(r->chunks, chunk); /* begun, then refused */
    }
    if (r->status != IC_STATUS_GAP) {
        ic_chunks_op_settle(r->chunks, r->parser.frame.op);
    }
    return send_status(r, r->status);
}

/* ---- SEAL, DELETE, MARK, LIST ------------------------------------------------------- */

static int answer_seal(struct ic_requests *r)
{
    const struct ic_frame *frame = &r->parser.frame;
    struct ic_seal seal;
    if (ic_seal_decode(ic_buf_slice(&r->body), &seal) < 0) {
        return IC_EPROTO;
    }
    switch (ic_chunks_op_order(r->chunks, frame->op)) {
    case IC_OP_SETTLED:
        return send_status(r, ic_chunks_sealed(r->chunks, frame->object_id, frame->chunk));
    case IC_OP_GAP:
        return send_status(r, IC_STATUS_GAP);
    case IC_OP_NEXT:
        break;
    }
    enum ic_frame_status status = ic_chunks_seal(r->chunks, frame->object_id, frame->chunk, &seal);
    ic_chunks_op_settle(r->chunks, frame->op);
    return send_status(r, status);
}

static int answer_delete(struct ic_requests *r)
{
    const struct ic_frame *frame = &r->parser.frame;
    enum ic_op_order order = ic_chunks_op_order(r->chunks, frame->op);
    if (order != IC_OP_NEXT) {
        return send_status(r, order == IC_OP_GAP ? IC_STATUS_GAP : IC_STATUS_OK);
    }
    struct ic_chunk *chunk = ic_chunks_find(r->chunks, frame->object_id, frame->chunk);
    if (chunk != NULL && chunk->readers > 0) {
        r->state = IC_REQUESTS_HELD;
        return 0;
    }
    if (chunk != NULL) {
        ic_chunks_drop(r->chunks, chunk);
    }
    ic_chunks_op_settle(r->chunks, frame->op);
    return send_status(r, IC_STATUS_OK);
}

static int answer_mark(struct ic_requests *r)
{
    const struct ic_frame *frame = &r->parser.frame;
    switch (ic_chunks_op_order(r->chunks, frame->op)) {
    case IC_OP_GAP:
        return send_status(r, IC_STATUS_GAP);
    case IC_OP_NEXT:
        ic_chunks_set_mark(r->chunks, frame->offset);
        ic_chunks_op_settle(r->chunks, frame->op);
        break;
    case IC_OP_SETTLED:
        break;
    }
    return send_status(r, IC_STATUS_OK);
}

static int send_items(struct ic_requests *r, bool is_last)
{
    struct ic_frame reply = reply_to(&r->parser.frame, IC_FRAME_ITEM);
    reply.flags = is_last ? IC_ITEM_LAST : 0;
    reply.offset = is_last ? ic_chunks_mark(r->chunks) : 0;
    reply.length = (uint32_t)r->items.len;
    int result = send_header(r, &reply);
    if (result >= 0) {
        result = ic_stream_write(r->stream, ic_buf_slice(&r->items), NULL);
    }
    r->items.len = 0;
    return result;
}

static void list_chunk(void *ctx, const struct ic_chunk *chunk)
{
    struct ic_requests *r = ctx;
    struct ic_item item;
    ic_chunk_item(chunk, &item);
    if (r->error >= 0 && r->items.len + ic_item_size(&item) > IC_ITEM_BYTES_MAX) {
        r->error = send_items(r, false); /* a bucket of very long keys */
    }
    if (r->error >= 0) {
        r->error = ic_item_encode(&item, &r->items);
    }
}

/* Sends items while the queue is short; the rest follows when it is sent. */
static int continue_list(struct ic_requests *r)
{
    while (ic_stream_queued(r->stream) < IC_REPLY_QUEUE_MAX) {
        r->cursor = ic_chunks_scan(r->chunks, r->cursor, list_chunk, r);
        if (r->error < 0) {
            return r->error;
        }
        if (r->cursor == 0) {
            r->state = IC_REQUESTS_RECEIVING;
            return send_items(r, true);
        }
        if (r->items.len >= IC_LIST_FRAME_BYTES) {
            int result = send_items(r, false);
            if (result < 0) {
                return result;
            }
        }
    }
    return 0;
}

/* Of one chunk: its item, or none. */
static int list_one(struct ic_requests *r)
{
    const struct ic_frame *frame = &r->parser.frame;
    const struct ic_chunk *chunk = ic_chunks_find(r->chunks, frame->object_id, frame->chunk);
    r->error = 0;
    r->items.len = 0;
    if (chunk != NULL) {
        list_chunk(r, chunk);
    }
    return r->error < 0 ? r->error : send_items(r, true);
}

static int begin_list(struct ic_requests *r)
{
    if (r->parser.frame.object_id != 0) {
        return list_one(r);
    }
    r->state = IC_REQUESTS_LISTING;
    r->cursor = 0;
    r->error = 0;
    r->items.len = 0;
    return continue_list(r);
}

/* ---- frames ----------------------------------------------------------------------- */

/* A body that is decoded as a whole; its bound is its type's. */
static int begin_small(struct ic_requests *r)
{
    uint32_t length = r->parser.frame.length;
    r->body.len = 0;
    r->body_kind = IC_BODY_SMALL;
    if (ic_buf_reserve(&r->body, length) < 0) {
        return IC_ENOMEM;
    }
    r->body.len = length;
    return ic_frame_parser_place(&r->parser, r->body.data, length);
}

static bool is_request(uint8_t type)
{
    return type != IC_FRAME_WELCOME && type != IC_FRAME_BYE_OK;
}

static int begin_frame(struct ic_requests *r)
{
    if (!r->welcomed && is_request(r->parser.frame.type)) {
        return IC_EPROTO; /* the other side has not proved who it is */
    }
    switch ((enum ic_frame_type)r->parser.frame.type) {
    case IC_FRAME_WRITE:
        return begin_write(r);
    case IC_FRAME_WELCOME:
    case IC_FRAME_READ:
    case IC_FRAME_SEAL:
    case IC_FRAME_DELETE:
    case IC_FRAME_LIST:
    case IC_FRAME_BYE_OK:
    case IC_FRAME_KEEP:
    case IC_FRAME_MARK:
        return begin_small(r);
    case IC_FRAME_HELLO:
    case IC_FRAME_DATA:
    case IC_FRAME_DONE:
    case IC_FRAME_ITEM:
    case IC_FRAME_BYE:
    case IC_FRAME_ERROR:
    case IC_FRAME_OFFER:
        break;
    }
    return IC_EPROTO; /* those are ours to send */
}

static int continue_body(struct ic_requests *r)
{
    return r->body_kind == IC_BODY_PREFIX ? begin_first(r) : place_chunk(r);
}

static int answer(struct ic_requests *r)
{
    const struct ic_frame *frame = &r->parser.frame;
    switch ((enum ic_frame_type)frame->type) {
    case IC_FRAME_READ:
        return answer_read(r);
    case IC_FRAME_WRITE:
        return end_write(r);
    case IC_FRAME_SEAL:
        return answer_seal(r);
    case IC_FRAME_DELETE:
        return answer_delete(r);
    case IC_FRAME_MARK:
        return answer_mark(r);
    case IC_FRAME_LIST:
        return begin_list(r);
    case IC_FRAME_KEEP:
        return 0;
    default:
        return r->handler->control(r->ctx, frame, ic_buf_slice(&r->body));
    }
}

static void report_answered(struct ic_requests *r)
{
    if (r->state == IC_REQUESTS_RECEIVING && is_request(r->parser.frame.type)) {
        r->handler->answered(r->ctx, r->parser.frame.lease_ms);
    }
}

static int end_frame(struct ic_requests *r)
{
    int result = answer(r);
    if (result >= 0 && r->stream != NULL) {
        report_answered(r);
    }
    return result;
}

static int take_events(struct ic_requests *r)
{
    int event = IC_FRAME_MORE, result = 0;
    while (result >= 0 && r->stream != NULL && r->state == IC_REQUESTS_RECEIVING &&
           (event = ic_frame_parser_next(&r->parser)) > 0) {
        switch ((enum ic_frame_event)event) {
        case IC_FRAME_HEADER_READY:
            result = begin_frame(r);
            break;
        case IC_FRAME_WANT:
            result = continue_body(r);
            break;
        case IC_FRAME_END:
            result = end_frame(r);
            break;
        case IC_FRAME_MORE:
            break;
        }
    }
    return result < 0 ? result : event < 0 ? event : 0;
}

size_t ic_requests_room(struct ic_requests *r, struct iovec *iov, size_t max)
{
    bool is_open =
        r->state == IC_REQUESTS_RECEIVING && ic_stream_queued(r->stream) <= IC_REPLY_QUEUE_MAX;
    size_t count = is_open ? ic_frame_parser_room(&r->parser, iov, max) : 0;
    r->paused = count == 0;
    return count;
}

int ic_requests_received(struct ic_requests *r, size_t len)
{
    ic_frame_parser_received(&r->parser, len);
    return take_events(r);
}

/* What waited for the queue to be sent goes on. */
static int continue_waiting(struct ic_requests *r)
{
    int result = 0;
    switch (r->state) {
    case IC_REQUESTS_RECEIVING:
        return 0;
    case IC_REQUESTS_HELD:
        r->state = IC_REQUESTS_RECEIVING;
        result = answer_delete(r);
        break;
    case IC_REQUESTS_LISTING:
        result = continue_list(r);
        break;
    }
    if (result < 0) {
        return result;
    }
    report_answered(r);
    return take_events(r); /* the next request's header may be there already */
}

int ic_requests_drained(struct ic_requests *r)
{
    int result = continue_waiting(r);
    if (result >= 0 && r->paused && r->stream != NULL) {
        ic_stream_resume(r->stream);
    }
    return result;
}
