#include "proto/frame.h"

#include "base/crc32c.h"
#include "base/random.h"
#include "proto/link_body.h"
#include "proto/wire.h"
#include "unit.h"

#include <stdlib.h>

enum { STREAM_MAX = 1 << 20 };

static const uint8_t all_types[] = {
    IC_FRAME_WELCOME, IC_FRAME_READ,  IC_FRAME_WRITE, IC_FRAME_SEAL, IC_FRAME_DELETE, IC_FRAME_LIST,
    IC_FRAME_BYE_OK,  IC_FRAME_KEEP,  IC_FRAME_HELLO, IC_FRAME_DATA, IC_FRAME_DONE,   IC_FRAME_ITEM,
    IC_FRAME_BYE,     IC_FRAME_ERROR, IC_FRAME_OFFER, IC_FRAME_MARK,
};

static struct ic_frame sample(uint8_t type)
{
    uint32_t min, max;
    ic_frame_body_bounds(type, &min, &max);
    return (struct ic_frame){.type = type,
                             .status = type == IC_FRAME_ERROR ? IC_STATUS_GAP : 0,
                             .chunk = 0x1234,
                             .request = 0x89ABCDEF,
                             .length = min,
                             .object_id = UINT64_C(0x0102030405060708),
                             .op = UINT64_C(0x1112131415161718),
                             .offset = UINT64_C(0x2122232425262728),
                             .lease_ms = 0x31323334};
}

static void assert_frame_equal(const struct ic_frame *a, const struct ic_frame *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->chunk, b->chunk);
    assert_int_equal(a->request, b->request);
    assert_int_equal(a->length, b->length);
    assert_int_equal(a->object_id, b->object_id);
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->lease_ms, b->lease_ms);
}

static void header_round_trip(void **state)
{
    (void)state;
    uint8_t bytes[IC_FRAME_HEADER_BYTES];
    for (size_t i = 0; i < sizeof(all_types); i++) {
        struct ic_frame in = sample(all_types[i]), out;
        ic_frame_encode(&in, bytes);
        assert_int_equal(ic_frame_decode(bytes, &out), 0);
        assert_frame_equal(&in, &out);
        assert_string_not_equal(ic_frame_type_text(all_types[i]), "unknown");
    }
    assert_string_equal(ic_frame_type_text(0), "unknown");
}

/* The layout of doc/node-link.md, byte for byte. */
static void header_layout(void **state)
{
    (void)state;
    uint8_t bytes[IC_FRAME_HEADER_BYTES];
    struct ic_frame frame = sample(IC_FRAME_WRITE);
    frame.length = 0x10203;
    ic_frame_encode(&frame, bytes);
    static const uint8_t expected[] = {
        'I',  'C',  1,    3,    0,    0,    0x34, 0x12, 0xEF, 0xCD, 0xAB, 0x89, 0x03, 0x02, 0x01,
        0x00, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13,
        0x12, 0x11, 0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 0x34, 0x33, 0x32, 0x31,
    };
    assert_memory_equal(bytes, expected, sizeof(expected));
    assert_int_equal(ic_get_u32(bytes + 44), ic_crc32c(UINT32_MAX, bytes, 44));
}

static int decode_changed(size_t offset, uint8_t value, const struct ic_frame *frame)
{
    uint8_t bytes[IC_FRAME_HEADER_BYTES];
    struct ic_frame out;
    ic_frame_encode(frame, bytes);
    bytes[offset] = value;
    ic_put_u32(bytes + 44, ic_crc32c(UINT32_MAX, bytes, 44));
    return ic_frame_decode(bytes, &out);
}

static int decode_frame(struct ic_frame frame)
{
    uint8_t bytes[IC_FRAME_HEADER_BYTES];
    struct ic_frame out;
    ic_frame_encode(&frame, bytes);
    return ic_frame_decode(bytes, &out);
}

static void bad_headers(void **state)
{
    (void)state;
    struct ic_frame good = sample(IC_FRAME_DONE), out;
    uint8_t bytes[IC_FRAME_HEADER_BYTES];
    for (size_t bit = 0; bit < 8 * IC_FRAME_HEADER_BYTES; bit++) {
        ic_frame_encode(&good, bytes);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_int_equal(ic_frame_decode(bytes, &out), IC_EPROTO);
    }
    assert_int_equal(decode_changed(0, 'i', &good), IC_EPROTO);
    assert_int_equal(decode_changed(1, 'c', &good), IC_EPROTO);
    assert_int_equal(decode_changed(2, 2, &good), IC_EPROTO);
    assert_int_equal(decode_changed(3, 99, &good), IC_EPROTO);
    assert_int_equal(decode_changed(4, 1, &good), IC_EPROTO); /* a flag DONE has not */
    assert_int_equal(decode_changed(5, 1, &good), IC_EPROTO); /* a status on no ERROR */
    struct ic_frame error = sample(IC_FRAME_ERROR);
    assert_int_equal(decode_changed(5, 0, &error), IC_EPROTO);
    assert_int_equal(decode_changed(5, 200, &error), IC_EPROTO);
}

static void body_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(all_types); i++) {
        uint32_t min, max;
        ic_frame_body_bounds(all_types[i], &min, &max);
        struct ic_frame frame = sample(all_types[i]);
        frame.flags = all_types[i] == IC_FRAME_WRITE ? IC_WRITE_FIRST : 0;
        frame.length = max;
        assert_int_equal(decode_frame(frame), 0);
        frame.length = max + 1;
        assert_int_equal(decode_frame(frame), IC_EPROTO);
        frame.flags = 0;
        frame.length = min - 1; /* of 0: the largest number there is */
        assert_int_equal(decode_frame(frame), IC_EPROTO);
    }
    struct ic_frame write = sample(IC_FRAME_WRITE);
    write.length = IC_FRAME_BODY_MAX; /* without a prefix that is too long */
    assert_int_equal(decode_frame(write), IC_EPROTO);
    write.flags = IC_WRITE_FIRST;
    write.length = IC_WRITE_PREFIX_BYTES + 4; /* no byte */
    assert_int_equal(decode_frame(write), IC_EPROTO);
    uint32_t min, max;
    ic_frame_body_bounds(0, &min, &max);
    assert_true(min > max);
}

static void statuses(void **state)
{
    (void)state;
    assert_int_equal(ic_frame_status_error(IC_STATUS_OK), 0);
    assert_int_equal(ic_frame_status_error(IC_STATUS_NOSPACE), IC_ENOSPC);
    assert_int_equal(ic_frame_status_error(250), IC_EPROTO);
    assert_string_equal(ic_frame_status_text(IC_STATUS_OK), "done");
    assert_string_equal(ic_frame_status_text(250), "unknown status");
}

static void chunk_cost(void **state)
{
    (void)state;
    assert_int_equal(ic_chunk_cost(0, 0, 0), IC_CHUNK_OVERHEAD_BYTES);
    assert_int_equal(ic_chunk_cost(0, 0, 9), IC_CHUNK_OVERHEAD_BYTES + 9);
    assert_int_equal(ic_chunk_grown(0, 1 << 20), 0);
    assert_int_equal(ic_chunk_grown(1, 1 << 20), IC_CHUNK_STEP_BYTES);
    assert_int_equal(ic_chunk_grown(IC_CHUNK_STEP_BYTES, 1 << 20), IC_CHUNK_STEP_BYTES);
    assert_int_equal(ic_chunk_grown(IC_CHUNK_STEP_BYTES + 64, 70000), 70000);
    assert_int_equal(ic_chunk_grown(1000, 1000), 1000);
    assert_int_equal(ic_chunk_grown(UINT64_MAX - 1, UINT64_MAX), UINT64_MAX);
    assert_int_equal(ic_chunk_cost(1, 64, 0), IC_CHUNK_OVERHEAD_BYTES + 1 + 4);
    assert_int_equal(ic_chunk_cost(65536, 65536, 3), IC_CHUNK_OVERHEAD_BYTES + 65536 + 4 + 3);
    assert_int_equal(ic_chunk_cost(65537, 65536, 0), IC_CHUNK_OVERHEAD_BYTES + 65537 + 8);
}

/* ---- the parser ------------------------------------------------------------------ */

/* A stream of FRAMES random frames, bodies of random bytes. */
struct stream {
    uint8_t *bytes;
    size_t len;
    size_t frames;
};

static void make_stream(struct stream *s, size_t frames, struct ic_rng *rng)
{
    *s = (struct stream){.bytes = malloc(STREAM_MAX), .frames = frames};
    for (size_t i = 0; i < frames; i++) {
        struct ic_frame frame = sample(all_types[ic_rng_below(rng, sizeof(all_types))]);
        uint32_t min, max;
        ic_frame_body_bounds(frame.type, &min, &max);
        uint32_t spread = max - min < 3000 ? max - min : 3000;
        frame.length = min + (uint32_t)ic_rng_below(rng, spread + 1);
        ic_frame_encode(&frame, s->bytes + s->len);
        s->len += IC_FRAME_HEADER_BYTES;
        for (size_t j = 0; j < frame.length; j++) {
            s->bytes[s->len++] = (uint8_t)ic_rng_next(rng);
        }
    }
}

/* What an owner does: the body is put into `body` in pieces; every third frame is skipped. */
struct reader {
    struct ic_frame_parser parser;
    struct ic_rng *rng;
    uint8_t body[8192], scratch[100];
    size_t placed;
    size_t ended;
    uint8_t *copy; /* every frame that was not skipped, as it came */
    size_t copy_len;
    bool skipping;
};

static void place_some(struct reader *r)
{
    size_t left = r->parser.frame.length - r->placed;
    size_t pieces = 1 + ic_rng_below(r->rng, 3);
    for (size_t i = 0; i < pieces && left > 0; i++) {
        size_t len = 1 + ic_rng_below(r->rng, left);
        assert_int_equal(ic_frame_parser_place(&r->parser, r->body + r->placed, len), 0);
        r->placed += len;
        left -= len;
    }
}

static void take_events(struct reader *r)
{
    int event;
    while ((event = ic_frame_parser_next(&r->parser)) > 0) {
        switch (event) {
        case IC_FRAME_HEADER_READY:
            r->placed = 0;
            r->skipping = r->ended % 3 == 2;
            if (r->skipping) {
                ic_frame_parser_skip(&r->parser, r->scratch, sizeof(r->scratch));
            } else if (ic_rng_below(r->rng, 2) == 0) {
                place_some(r);
            }
            break;
        case IC_FRAME_WANT:
            assert_int_equal(r->parser.body_left, r->parser.frame.length - r->placed);
            place_some(r);
            break;
        default:
            assert_int_equal(event, IC_FRAME_END);
            assert_int_equal(r->parser.body_left, 0);
            if (!r->skipping) {
                ic_frame_encode(&r->parser.frame, r->copy + r->copy_len);
                r->copy_len += IC_FRAME_HEADER_BYTES;
                memcpy(r->copy + r->copy_len, r->body, r->parser.frame.length);
                r->copy_len += r->parser.frame.length;
            }
            r->ended++;
        }
    }
    assert_int_equal(event, IC_FRAME_MORE);
}

/* Feeds at most PIECE bytes at a time through room and received. */
static void feed(struct reader *r, const struct stream *s, size_t piece_max)
{
    struct iovec iov[4];
    for (size_t at = 0; at < s->len;) {
        size_t count = ic_frame_parser_room(&r->parser, iov, 2 + ic_rng_below(r->rng, 3));
        assert_in_range(count, 1, 4);
        size_t budget = 1 + ic_rng_below(r->rng, piece_max), got = 0;
        budget = budget < s->len - at ? budget : s->len - at;
        for (size_t i = 0; i < count && got < budget; i++) {
            size_t len = iov[i].iov_len < budget - got ? iov[i].iov_len : budget - got;
            memcpy(iov[i].iov_base, s->bytes + at + got, len);
            got += len;
        }
        ic_frame_parser_received(&r->parser, got);
        take_events(r);
        at += got;
    }
}

static void check_copy(const struct reader *r, const struct stream *s)
{
    size_t at = 0, copied = 0;
    for (size_t i = 0; i < s->frames; i++) {
        size_t len = IC_FRAME_HEADER_BYTES + ic_get_u32(s->bytes + at + 12);
        if (i % 3 != 2) {
            assert_memory_equal(r->copy + copied, s->bytes + at, len);
            copied += len;
        }
        at += len;
    }
    assert_int_equal(copied, r->copy_len);
}

static void parses_at_every_split(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 7, 48, 49, 500, 100000};
    struct ic_rng rng;
    ic_rng_init(&rng, 11);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct stream s;
        make_stream(&s, 60, &rng);
        struct reader *r = calloc(1, sizeof(*r));
        ic_frame_parser_init(&r->parser);
        r->rng = &rng;
        r->copy = malloc(STREAM_MAX);
        feed(r, &s, pieces[i]);
        assert_int_equal(r->ended, s.frames);
        check_copy(r, &s);
        free(r->copy);
        free(r);
        free(s.bytes);
    }
}

/* Gives P a whole header. */
static void give_header(struct ic_frame_parser *p, const struct ic_frame *frame)
{
    struct iovec iov[2];
    assert_int_equal(ic_frame_parser_room(p, iov, 2), 1);
    assert_int_equal(iov[0].iov_len, IC_FRAME_AHEAD_BYTES);
    ic_frame_encode(frame, iov[0].iov_base);
    ic_frame_parser_received(p, IC_FRAME_HEADER_BYTES);
}

static void failure_stays(void **state)
{
    (void)state;
    struct ic_frame_parser p;
    struct iovec iov[2];
    ic_frame_parser_init(&p);
    assert_int_equal(ic_frame_parser_room(&p, iov, 2), 1);
    memset(iov[0].iov_base, 'x', IC_FRAME_HEADER_BYTES);
    ic_frame_parser_received(&p, IC_FRAME_HEADER_BYTES);
    assert_int_equal(ic_frame_parser_next(&p), IC_EPROTO);
    assert_int_equal(ic_frame_parser_next(&p), IC_EPROTO);
    assert_int_equal(ic_frame_parser_room(&p, iov, 2), 0);
    ic_frame_parser_skip(&p, iov, sizeof(iov)); /* harmless */
    assert_int_equal(ic_frame_parser_next(&p), IC_EPROTO);
}

static void places_are_bounded(void **state)
{
    (void)state;
    uint8_t bytes[200];
    struct ic_frame_parser p;
    struct iovec iov[IC_FRAME_PLACES_MAX + 1];
    ic_frame_parser_init(&p);
    assert_int_equal(ic_frame_parser_place(&p, bytes, 1), IC_ERANGE);
    struct ic_frame frame = sample(IC_FRAME_DATA);
    frame.length = 100;
    give_header(&p, &frame);
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_HEADER_READY);
    assert_int_equal(ic_frame_parser_place(&p, bytes, 101), IC_ERANGE);
    assert_int_equal(ic_frame_parser_place(&p, bytes, 0), 0);
    assert_int_equal(ic_frame_parser_room(&p, iov, 2), 0); /* no place: reading stops */
    for (size_t i = 0; i < IC_FRAME_PLACES_MAX; i++) {
        assert_int_equal(ic_frame_parser_place(&p, bytes + i, 1), 0);
    }
    assert_int_equal(ic_frame_parser_place(&p, bytes, 1), IC_ENOSPC);
    assert_int_equal(ic_frame_parser_room(&p, iov, IC_FRAME_PLACES_MAX + 1), IC_FRAME_PLACES_MAX);
    ic_frame_parser_received(&p, 3); /* three are full: room for more, by moving the rest */
    assert_int_equal(ic_frame_parser_place(&p, bytes + 50, 100 - IC_FRAME_PLACES_MAX), 0);
    assert_int_equal(ic_frame_parser_place(&p, bytes, 1), IC_ERANGE);
    assert_int_equal(ic_frame_parser_room(&p, iov, IC_FRAME_PLACES_MAX + 1),
                     IC_FRAME_PLACES_MAX - 3 + 1 + 1); /* and room to read ahead */
}

/* A cancelled READ: what had a place goes to scratch from then on. */
static void skip_takes_over(void **state)
{
    (void)state;
    uint8_t bytes[100] = {0}, scratch[30];
    struct ic_frame_parser p;
    struct iovec iov[8];
    ic_frame_parser_init(&p);
    struct ic_frame frame = sample(IC_FRAME_DATA);
    frame.length = 100;
    give_header(&p, &frame);
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_HEADER_READY);
    assert_int_equal(ic_frame_parser_place(&p, bytes, 100), 0);
    ic_frame_parser_received(&p, 20);
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_MORE);
    ic_frame_parser_skip(&p, scratch, sizeof(scratch));
    assert_int_equal(ic_frame_parser_place(&p, bytes, 1), IC_ERANGE);
    assert_int_equal(ic_frame_parser_room(&p, iov, 8), 3); /* 30 + 30 + 20 */
    assert_ptr_equal(iov[2].iov_base, scratch);
    assert_int_equal(iov[2].iov_len, 20);
    ic_frame_parser_received(&p, 80);
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_END);
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_MORE);
}

/* What came with an earlier frame goes to its place at once, or is skipped at once. */
static void read_ahead_is_taken(void **state)
{
    (void)state;
    uint8_t bytes[100], scratch[8];
    struct ic_frame_parser p;
    struct iovec iov[2];
    ic_frame_parser_init(&p);
    assert_true(ic_frame_parser_idle(&p));
    struct ic_frame frame = sample(IC_FRAME_DATA);
    frame.length = 100;
    assert_int_equal(ic_frame_parser_room(&p, iov, 2), 1);
    uint8_t *at = iov[0].iov_base;
    ic_frame_encode(&frame, at);
    memset(at + IC_FRAME_HEADER_BYTES, 'a', 100);
    ic_frame_encode(&frame, at + IC_FRAME_HEADER_BYTES + 100);
    memset(at + 2 * IC_FRAME_HEADER_BYTES + 100, 'b', 40);
    ic_frame_parser_received(&p, 2 * IC_FRAME_HEADER_BYTES + 140);
    assert_false(ic_frame_parser_idle(&p));
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_HEADER_READY);
    assert_int_equal(ic_frame_parser_place(&p, bytes, 60), 0);
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_WANT);
    assert_int_equal(ic_frame_parser_place(&p, bytes + 60, 40), 0);
    assert_true(bytes[0] == 'a' && bytes[99] == 'a');
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_END);
    assert_false(ic_frame_parser_idle(&p));
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_HEADER_READY);
    ic_frame_parser_skip(&p, scratch, sizeof(scratch));
    assert_int_equal(p.body_left, 60);
    assert_int_equal(ic_frame_parser_next(&p), IC_FRAME_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(read_ahead_is_taken), leak_test(header_round_trip),     leak_test(header_layout),
        leak_test(bad_headers),         leak_test(body_bounds),           leak_test(statuses),
        leak_test(chunk_cost),          leak_test(parses_at_every_split), leak_test(failure_stays),
        leak_test(places_are_bounded),  leak_test(skip_takes_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
