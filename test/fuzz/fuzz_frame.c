/*
 * fuzz_frame.c - arbitrary bytes on the node link, as either side receives them. The first byte
 * chooses how the input is cut and whether headers are repaired (magic, version, CRC), which
 * arbitrary bytes never get right. Bodies go to the decoders of link_body.h; what they accept
 * must come out of the encoders byte for byte.
 */
#include "base/alloc.h"
#include "base/crc32c.h"
#include "proto/frame.h"
#include "proto/link_auth.h"
#include "proto/link_body.h"
#include "proto/wire.h"

#include <stdlib.h>

enum { IOVECS = 6, SCRATCH_BYTES = 97 };

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_same(struct ic_buf *encoded, struct ic_slice body)
{
    check(ic_slice_equal(ic_buf_slice(encoded), body));
    ic_buf_deinit(encoded);
}

static void decode_hello(struct ic_slice body)
{
    struct ic_hello hello;
    struct ic_slice signed_bytes, mac;
    if (ic_hello_decode(body, &hello, &signed_bytes, &mac) < 0) {
        return;
    }
    struct ic_buf out;
    ic_buf_init(&out);
    check(ic_hello_encode(&hello, &out) == 0);
    check(signed_bytes.len + mac.len == body.len && mac.len == IC_LINK_MAC_BYTES);
    uint8_t key[IC_LINK_KEY_BYTES] = {1}, expected[IC_LINK_MAC_BYTES];
    ic_link_hello_mac(key, signed_bytes, expected);
    check(!ic_link_mac_equal(expected, mac.data));
    check_same(&out, signed_bytes);
}

static void decode_welcome(struct ic_slice body)
{
    struct ic_welcome welcome;
    uint8_t out[IC_WELCOME_BYTES];
    if (ic_welcome_decode(body, &welcome) == 0) {
        ic_welcome_encode(&welcome, out);
        check(ic_slice_equal(ic_slice(out, sizeof(out)), body));
    }
}

static void decode_read(struct ic_slice body)
{
    uint32_t length;
    uint8_t out[IC_READ_BYTES];
    if (ic_read_decode(body, &length) == 0) {
        check(length >= 1 && length <= IC_FRAME_DATA_MAX);
        ic_read_encode(length, out);
        check(ic_slice_equal(ic_slice(out, sizeof(out)), body));
    }
}

static void decode_write(const struct ic_frame *frame, struct ic_slice body)
{
    uint32_t unit = (uint32_t)frame->offset;
    if ((frame->flags & IC_WRITE_FIRST) != 0) {
        struct ic_write_prefix prefix;
        uint8_t out[IC_WRITE_PREFIX_BYTES];
        if (ic_write_prefix_decode(body.data, &prefix) < 0) {
            return;
        }
        ic_write_prefix_encode(&prefix, out);
        check(memcmp(out, body.data, sizeof(out)) == 0);
        check(ic_chunk_cost(prefix.chunk_length, prefix.unit, 0) > prefix.chunk_length);
        unit = prefix.unit;
        body.len -= IC_WRITE_PREFIX_BYTES;
    }
    int64_t length = ic_frame_data_length((uint32_t)body.len, unit);
    if (length >= 0) {
        check(length > 0 && length <= IC_FRAME_DATA_MAX);
        check((uint64_t)length + 4 * ic_frame_units((uint64_t)length, unit) == body.len);
    }
}

static void decode_seal(struct ic_slice body)
{
    struct ic_seal seal;
    if (ic_seal_decode(body, &seal) == 0) {
        struct ic_buf out;
        ic_buf_init(&out);
        check(ic_seal_encode(&seal, &out) == 0);
        check_same(&out, body);
    }
}

static void decode_items(struct ic_slice body)
{
    struct ic_item item;
    struct ic_slice rest = body;
    while (ic_item_decode(&rest, &item) > 0) {
        struct ic_slice entry = ic_slice(rest.data - ic_item_size(&item), ic_item_size(&item));
        struct ic_buf out;
        ic_buf_init(&out);
        check(ic_item_encode(&item, &out) == 0);
        check_same(&out, entry);
    }
}

/* Whatever its type, a body is not what the others take, or is by its length: no decoder minds. */
static void decode_all(struct ic_slice body)
{
    decode_hello(body);
    decode_welcome(body);
    decode_read(body);
    decode_seal(body);
    decode_items(body);
}

static void decode_body(const struct ic_frame *frame, struct ic_slice body)
{
    switch (frame->type) {
    case IC_FRAME_HELLO:
        decode_hello(body);
        break;
    case IC_FRAME_WELCOME:
        decode_welcome(body);
        break;
    case IC_FRAME_READ:
        decode_read(body);
        break;
    case IC_FRAME_WRITE:
        decode_write(frame, body);
        break;
    case IC_FRAME_SEAL:
        decode_seal(body);
        break;
    case IC_FRAME_ITEM:
    case IC_FRAME_OFFER:
        decode_items(body);
        break;
    case IC_FRAME_ERROR:
        check(ic_frame_status_error(frame->status) < 0);
        check(ic_error_body(body).len == body.len);
        break;
    default:
        break;
    }
    decode_all(body);
    check(ic_frame_type_text(frame->type)[0] != 'u' && ic_frame_status_text(frame->status) != NULL);
}

/* What the encoders refuse, and that they then leave the buffer as it was. */
static void refuse_encodings(void)
{
    static char name[IC_FUNCTION_NAME_MAX + 1];
    static char key[IC_KEY_BYTES_MAX + 1];
    struct ic_hello hello = {.function = ic_slice(name, sizeof(name))};
    struct ic_item item = {.seal.key = ic_slice(key, sizeof(key))};
    struct ic_buf out;
    ic_buf_init(&out);
    check(ic_hello_encode(&hello, &out) == IC_EINVAL);
    check(ic_seal_encode(&item.seal, &out) == IC_EINVAL &&
          ic_item_encode(&item, &out) == IC_EINVAL);
    hello.function.len = item.seal.key.len = 1;
    ic_alloc_fail_at(1);
    check(ic_hello_encode(&hello, &out) == IC_ENOMEM);
    ic_alloc_fail_at(1);
    check(ic_seal_encode(&item.seal, &out) == IC_ENOMEM);
    ic_alloc_fail_at(1);
    check(ic_item_encode(&item, &out) == IC_ENOMEM);
    check(out.len == 0);
    uint32_t min, max;
    ic_frame_body_bounds(0, &min, &max);
    check(min > max && ic_chunk_cost(0, 0, 0) == IC_CHUNK_OVERHEAD_BYTES);
    check(ic_frame_data_length(0, 64) == IC_EPROTO && ic_frame_status_error(255) == IC_EPROTO);
    check(strcmp(ic_frame_type_text(0), "unknown") == 0 && ic_frame_status_text(255) != NULL);
    uint8_t bytes[IC_INVOCATION_ID_BYTES] = {0}, a[IC_LINK_KEY_BYTES], b[IC_LINK_MAC_BYTES];
    ic_link_key(ic_slice_str("secret"), ic_slice_str("f"), bytes, a);
    ic_link_welcome_mac(a, 1, a, b);
    check(!ic_link_mac_equal(a, b) && ic_link_mac_equal(a, a));
}

struct owner {
    struct ic_frame_parser parser;
    uint8_t *body;
    uint32_t placed;
    unsigned mode;
    bool skipped;
    uint8_t scratch[SCRATCH_BYTES];
};

/* Places of mode's size, until the parser takes no more. */
static void place_some(struct owner *o)
{
    uint32_t left = o->parser.frame.length - o->placed;
    uint32_t piece = o->mode % 4 == 0 ? left : 1 + o->mode % 61;
    while (left > 0) {
        uint32_t len = left < piece ? left : piece;
        int result = ic_frame_parser_place(&o->parser, o->body + o->placed, len);
        if (result < 0) {
            check(result == IC_ENOSPC);
            return;
        }
        o->placed += len;
        left -= len;
    }
    check(ic_frame_parser_place(&o->parser, o->body, 1) == IC_ERANGE);
}

static void begin_frame(struct owner *o)
{
    const struct ic_frame *frame = &o->parser.frame;
    uint8_t again[IC_FRAME_HEADER_BYTES];
    struct ic_frame decoded;
    ic_frame_encode(frame, again);
    check(ic_frame_decode(again, &decoded) == 0);
    uint32_t min, max;
    ic_frame_body_bounds(frame->type, &min, &max);
    check(frame->length >= min && frame->length <= max);
    ic_free(o->body);
    o->body = ic_must(ic_malloc(frame->length));
    o->placed = 0;
    o->skipped = (o->mode & 64) != 0 && frame->request % 2 == 1;
    if (o->skipped) {
        ic_frame_parser_skip(&o->parser, o->scratch, sizeof(o->scratch));
    } else if (frame->request % 3 != 0) {
        place_some(o);
    }
}

/* False: the parser has failed, and stays so. */
static bool take_events(struct owner *o)
{
    int event;
    while ((event = ic_frame_parser_next(&o->parser)) > 0) {
        if (event == IC_FRAME_HEADER_READY) {
            begin_frame(o);
        } else if (event == IC_FRAME_WANT) {
            place_some(o);
        } else if (!o->skipped) {
            check(o->placed == o->parser.frame.length && o->parser.body_left == 0);
            decode_body(&o->parser.frame, ic_slice(o->body, o->placed));
        }
    }
    if (event < 0) {
        struct iovec iov[2];
        check(event == IC_EPROTO && ic_frame_parser_next(&o->parser) == IC_EPROTO);
        check(ic_frame_parser_room(&o->parser, iov, 2) == 0);
        ic_frame_parser_skip(&o->parser, o->scratch, sizeof(o->scratch));
    }
    return event >= 0;
}

static void repair(uint8_t *header)
{
    memcpy(header, "IC\1", 3);
    ic_put_u32(header + 44, ic_crc32c(UINT32_MAX, header, 44));
}

/* Copies INPUT to where the parser wants it, at most MOST bytes; returns how many. */
static size_t fill(struct owner *o, uint8_t *input, size_t len, size_t most)
{
    struct iovec iov[IOVECS];
    size_t count = ic_frame_parser_room(&o->parser, iov, IOVECS), got = 0;
    check(count > 0 && count <= IOVECS);
    size_t left = len < most ? len : most;
    for (size_t i = 0; i < count && left > 0; i++) {
        bool is_header = iov[i].iov_base == o->parser.ahead;
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;
        if (is_header && (o->mode & 128) != 0 && len - got >= IC_FRAME_HEADER_BYTES) {
            repair(input + got);
            part = part < IC_FRAME_HEADER_BYTES ? part : IC_FRAME_HEADER_BYTES; /* one by one */
        }
        memcpy(iov[i].iov_base, input + got, part);
        got += part;
        left -= part;
    }
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        refuse_encodings();
        return 0;
    }
    struct owner o = {.mode = data[0]};
    size_t len = size - 1, most = o.mode % 2 == 1 ? 1 + o.mode % 50 : SIZE_MAX;
    uint8_t *input = malloc(size);
    memcpy(input, data + 1, len);
    ic_frame_parser_init(&o.parser);
    check(ic_frame_parser_place(&o.parser, o.scratch, 1) == IC_ERANGE);
    for (size_t at = 0; at < len;) {
        size_t got = fill(&o, input + at, len - at, most);
        ic_frame_parser_received(&o.parser, got);
        at += got;
        if (!take_events(&o)) {
            break;
        }
    }
    ic_free(o.body);
    free(input);
    return 0;
}
