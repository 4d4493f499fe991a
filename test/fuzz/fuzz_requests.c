/*
 * fuzz_requests.c - arbitrary requests to a node, valid frame by frame: the input chooses types,
 * names, lengths, operation numbers, where a link breaks, when replies are sent. The stream is a
 * fake one that keeps what is queued. After each step the store must add up; at the end nothing is
 * left allocated.
 */
#include "base/alloc.h"
#include "node/requests.h"
#include "proto/frame.h"
#include "proto/link_body.h"

#include <stdlib.h>

enum { QUEUE_MAX = 4096, CUT_MAX = 3000 };

struct ic_stream { /* what requests.c knows of net.h */
    struct {
        struct ic_buf *owner;
        struct ic_slice bytes;
    } queue[QUEUE_MAX];
    size_t count, bytes;
};

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

int ic_stream_write(struct ic_stream *s, struct ic_slice bytes, struct ic_buf *owner)
{
    if (s->count == QUEUE_MAX) {
        return IC_ENOMEM;
    }
    s->queue[s->count].bytes = bytes;
    s->queue[s->count++].owner = owner == NULL ? NULL : ic_buf_ref(owner);
    s->bytes += bytes.len;
    return 0;
}

size_t ic_stream_queued(const struct ic_stream *s)
{
    return s->bytes;
}

void ic_stream_resume(struct ic_stream *s)
{
    (void)s;
}

/* The queue is sent, or dropped with its link: chunk memory must still be there to be read. */
static void empty_queue(struct ic_stream *s)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->queue[i].owner != NULL) {
            struct ic_slice bytes = s->queue[i].bytes;
            sum = (uint8_t)(sum + bytes.data[0] + bytes.data[bytes.len - 1]);
            ic_buf_unref(s->queue[i].owner);
        }
    }
    s->count = s->bytes = 0;
}

struct input {
    const uint8_t *at, *end;
};

static uint8_t next(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

struct world {
    struct ic_chunks *chunks;
    struct ic_requests requests;
    struct ic_stream stream;
    bool ended; /* by BYE_OK */
};

static const uint8_t instance[IC_INSTANCE_ID_BYTES] = "instance";

static int on_control(void *ctx, const struct ic_frame *frame, struct ic_slice body)
{
    struct world *w = ctx;
    struct ic_welcome welcome;
    if (frame->type == IC_FRAME_WELCOME) {
        return ic_welcome_decode(body, &welcome) < 0
                   ? IC_EPROTO
                   : ic_chunks_enter_epoch(w->chunks, welcome.epoch % 8);
    }
    w->ended = true;
    return 0;
}

static void on_answered(void *ctx, uint32_t lease_ms)
{
    (void)ctx;
    (void)lease_ms;
}

static const struct ic_requests_handler handler = {.control = on_control, .answered = on_answered};

static void new_link(struct world *w)
{
    ic_requests_end(&w->requests);
    empty_queue(&w->stream);
    ic_requests_begin(&w->requests, &w->stream);
    w->requests.welcomed = true;
    w->ended = false;
}

static void drain(struct world *w)
{
    empty_queue(&w->stream);
    if (ic_requests_drained(&w->requests) < 0 || w->ended) {
        new_link(w);
    }
}

/* LEN bytes of a frame through the parser; while it takes none, replies are sent. */
static void deliver(struct world *w, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        struct iovec iov[4];
        size_t count = ic_requests_room(&w->requests, iov, 4), got = 0;
        if (count == 0) {
            drain(w);
            if (w->stream.bytes == 0 && ic_requests_room(&w->requests, iov, 4) == 0) {
                check(false); /* nothing to wait for, and it does not go on */
            }
            continue;
        }
        for (size_t i = 0; i < count && got < len; i++) {
            size_t part = iov[i].iov_len < len - got ? iov[i].iov_len : len - got;
            memcpy(iov[i].iov_base, bytes + got, part);
            got += part;
        }
        bytes += got;
        len -= got;
        if (ic_requests_received(&w->requests, got) < 0 || w->ended) {
            new_link(w);
            return;
        }
    }
}

static const uint32_t units[] = {64, 128, 4096, 65536};
static const uint32_t lengths[] = {0,    1,    63,    64,     65,     128,
                                   4096, 5000, 65536, 100000, 300000, 1 << 20};

static uint32_t pick_length(struct input *in)
{
    return lengths[next(in) % (sizeof(lengths) / sizeof(lengths[0]))];
}

static int seal_body(struct input *in, struct ic_buf *body)
{
    static const char key[300];
    uint32_t unit = units[next(in) % 4];
    struct ic_seal seal = {.chunk_length = pick_length(in),
                           .object_size = next(in),
                           .unit = unit,
                           .key = ic_slice(key, next(in))};
    memcpy(seal.instance, instance, sizeof(instance));
    seal.instance[15] ^= next(in) % 16 == 1;
    return ic_seal_encode(&seal, body);
}

static int write_body(struct input *in, struct ic_frame *frame, struct ic_buf *body)
{
    static const uint8_t bytes[IC_FRAME_DATA_MAX + 4 * IC_FRAME_UNITS_MAX];
    uint32_t unit = units[next(in) % 4], len = pick_length(in);
    frame->flags = next(in) % 2 == 0 ? IC_WRITE_FIRST : 0;
    if (frame->flags != 0) {
        struct ic_write_prefix prefix = {.chunk_length = pick_length(in), .unit = unit};
        if (next(in) % 32 == 1) {
            prefix.chunk_length = UINT64_C(1) << 39;
        }
        uint8_t start[IC_WRITE_PREFIX_BYTES];
        ic_write_prefix_encode(&prefix, start);
        if (ic_buf_append(body, start, sizeof(start)) < 0) {
            return IC_ENOMEM;
        }
    } else {
        frame->offset = pick_length(in);
    }
    return ic_buf_append(body, bytes, len + 4 * ic_frame_units(len, unit));
}

static int make_body(struct input *in, struct ic_frame *frame, struct ic_buf *body)
{
    uint8_t small[IC_WELCOME_BYTES] = {0};
    switch (frame->type) {
    case IC_FRAME_WRITE:
        return write_body(in, frame, body);
    case IC_FRAME_SEAL:
        return seal_body(in, body);
    case IC_FRAME_READ:
        frame->offset = pick_length(in);
        ic_read_encode(pick_length(in), small);
        return ic_buf_append(body, small, IC_READ_BYTES);
    case IC_FRAME_MARK:
        frame->offset = next(in);
        return 0;
    case IC_FRAME_WELCOME:
        small[0] = next(in);
        return ic_buf_append(body, small, sizeof(small));
    default:
        return 0;
    }
}

static const uint8_t types[] = {
    IC_FRAME_WRITE, IC_FRAME_SEAL,    IC_FRAME_READ, IC_FRAME_DELETE,
    IC_FRAME_WRITE, IC_FRAME_SEAL,    IC_FRAME_READ, IC_FRAME_DELETE,
    IC_FRAME_LIST,  IC_FRAME_WELCOME, IC_FRAME_KEEP, IC_FRAME_BYE_OK,
};

static void send_frame(struct world *w, struct input *in, uint8_t type)
{
    uint8_t name = next(in), op = next(in);
    struct ic_frame frame = {.type = type,
                             .object_id = name % 4,
                             .chunk = name / 4 % 2,
                             .op = ic_chunks_position(w->chunks) + 1};
    frame.op += op < 200 ? 0 : (uint64_t)op - 228; /* sometimes old, sometimes a gap */
    struct ic_buf bytes, body;
    ic_buf_init(&bytes);
    ic_buf_init(&body);
    if (make_body(in, &frame, &body) == 0) {
        uint8_t header[IC_FRAME_HEADER_BYTES];
        frame.length = (uint32_t)body.len;
        ic_frame_encode(&frame, header);
        check(ic_buf_append(&bytes, header, sizeof(header)) == 0);
        check(ic_buf_append_slice(&bytes, ic_buf_slice(&body)) == 0);
        size_t cut = next(in) % 8 == 1 ? (size_t)next(in) * CUT_MAX / 255 : SIZE_MAX;
        deliver(w, bytes.data, cut < bytes.len ? cut : bytes.len);
        if (cut < bytes.len) {
            new_link(w);
        }
    }
    ic_buf_deinit(&bytes);
    ic_buf_deinit(&body);
}

static void send_whole(struct world *w, struct ic_frame frame, const struct ic_buf *body)
{
    uint8_t header[IC_FRAME_HEADER_BYTES];
    frame.length = (uint32_t)body->len;
    ic_frame_encode(&frame, header);
    deliver(w, header, sizeof(header));
    deliver(w, body->data, body->len);
}

/* What a proxy does: a chunk of up to 1 MiB written and sealed. */
static void put(struct world *w, uint64_t id, uint32_t length, uint32_t unit, size_t key_len)
{
    static const uint8_t bytes[IC_FRAME_DATA_MAX + 4 * IC_FRAME_UNITS_MAX];
    struct ic_frame frame = {.object_id = id, .op = ic_chunks_position(w->chunks) + 1};
    struct ic_buf body;
    ic_buf_init(&body);
    check(ic_buf_reserve(&body, IC_FRAME_BODY_MAX) == 0);
    if (length > 0) {
        struct ic_write_prefix prefix = {.chunk_length = length, .unit = unit};
        ic_write_prefix_encode(&prefix, body.data);
        body.len = IC_WRITE_PREFIX_BYTES;
        frame.type = IC_FRAME_WRITE;
        frame.flags = IC_WRITE_FIRST;
        check(ic_buf_append(&body, bytes, length + 4 * ic_frame_units(length, unit)) == 0);
        send_whole(w, frame, &body);
    }
    struct ic_seal seal = {.chunk_length = length, .unit = unit, .key = ic_slice(bytes, key_len)};
    memcpy(seal.instance, instance, sizeof(instance));
    body.len = 0;
    check(ic_seal_encode(&seal, &body) == 0);
    frame.type = IC_FRAME_SEAL;
    frame.flags = 0;
    frame.op = ic_chunks_position(w->chunks) + 1;
    send_whole(w, frame, &body);
    ic_buf_deinit(&body);
}

/* All of a sealed chunk read, its DELETE behind it before the reply is sent. */
static void get_and_delete(struct world *w, uint64_t id, bool delete)
{
    const struct ic_chunk *chunk = ic_chunks_find(w->chunks, id, 0);
    struct ic_frame frame = {.type = IC_FRAME_READ, .object_id = id};
    struct ic_buf body;
    ic_buf_init(&body);
    if (chunk != NULL && chunk->sealed && chunk->length > 0) {
        check(ic_buf_append(&body, "....", IC_READ_BYTES) == 0);
        ic_read_encode((uint32_t)chunk->length, body.data);
        send_whole(w, frame, &body);
        check(chunk->readers > 0);
        body.len = 0;
    }
    if (delete) {
        frame.type = IC_FRAME_DELETE;
        frame.op = ic_chunks_position(w->chunks) + 1;
        send_whole(w, frame, &body);
    }
    ic_buf_deinit(&body);
}

static void as_a_proxy(struct world *w, struct input *in, uint8_t action)
{
    uint8_t name = next(in) % 16;
    if (action % 4 == 0) {
        get_and_delete(w, name, false);
    } else if (action % 4 == 1) {
        get_and_delete(w, name, true);
    } else if (action % 4 == 2) {
        put(w, name, pick_length(in), units[name % 4], name);
    } else { /* many, with long keys: a LIST of several frames */
        for (uint8_t i = 0; i < 40; i++) {
            put(w, 256U + i, 0, 64, 60000);
        }
    }
}

static void add_cost(void *ctx, const struct ic_chunk *chunk)
{
    uint64_t *sum = ctx;
    *sum += ic_chunk_cost(ic_chunk_reserved(chunk), chunk->unit, chunk->key_len);
    check(chunk->written <= ic_chunk_reserved(chunk) && ic_chunk_reserved(chunk) <= chunk->length);
    check(!chunk->sealed || chunk->written == chunk->length);
}

static void check_store(const struct world *w)
{
    uint64_t sum = 0, cursor = 0;
    do {
        cursor = ic_chunks_scan(w->chunks, cursor, add_cost, &sum);
    } while (cursor != 0);
    check(sum == ic_chunks_held(w->chunks) && sum <= ic_chunks_capacity(w->chunks));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct world *w = calloc(1, sizeof(*w));
    w->chunks = ic_chunks_new(IC_NODE_MEMORY_MIN, instance);
    ic_requests_init(&w->requests, w->chunks, &handler, w);
    new_link(w);
    while (in.at < in.end) {
        uint8_t action = next(&in);
        if (action >= 250) {
            new_link(w);
        } else if (action == 249) {
            send_frame(w, &in, IC_FRAME_MARK);
        } else if (action >= 230) {
            drain(w);
        } else if (action >= 200) {
            as_a_proxy(w, &in, action);
        } else {
            send_frame(w, &in, types[action % sizeof(types)]);
        }
        check_store(w);
    }
    ic_requests_end(&w->requests);
    empty_queue(&w->stream);
    ic_requests_deinit(&w->requests);
    ic_chunks_free(w->chunks);
    check(ic_alloc_live() == 0);
    free(w);
    return 0;
}
