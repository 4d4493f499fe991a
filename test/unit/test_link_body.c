#include "proto/link_body.h"

#include "base/alloc.h"
#include "proto/frame.h"
#include "proto/wire.h"
#include "unit.h"

static struct ic_hello sample_hello(void)
{
    struct ic_hello hello = {.function = ic_slice_str("infinicache-7"),
                             .dial = 2,
                             .highest_epoch = 3,
                             .flags = IC_HELLO_DYING,
                             .position = 4,
                             .held_bytes = 5,
                             .capacity_bytes = 6,
                             .chunk_count = 7,
                             .deadline_ms = 8};
    memset(hello.instance, 'i', sizeof(hello.instance));
    memset(hello.invocation, 'v', sizeof(hello.invocation));
    return hello;
}

static void hello_round_trip(void **state)
{
    (void)state;
    struct ic_buf buf;
    ic_buf_init(&buf);
    struct ic_hello in = sample_hello(), out;
    assert_int_equal(ic_hello_encode(&in, &buf), 0);
    size_t signed_len = buf.len;
    assert_int_equal(ic_buf_append(&buf, "0123456789abcdef0123456789ABCDEF", 32), 0);
    struct ic_slice signed_bytes, mac;
    assert_int_equal(ic_hello_decode(ic_buf_slice(&buf), &out, &signed_bytes, &mac), 0);
    assert_int_equal(signed_bytes.len, signed_len);
    assert_memory_equal(mac.data, "0123456789abcdef", 16);
    assert_true(ic_slice_equal(out.function, in.function));
    assert_memory_equal(out.instance, in.instance, sizeof(in.instance));
    assert_memory_equal(out.invocation, in.invocation, sizeof(in.invocation));
    assert_int_equal(out.dial, 2);
    assert_int_equal(out.highest_epoch, 3);
    assert_int_equal(out.flags, IC_HELLO_DYING);
    assert_int_equal(out.position, 4);
    assert_int_equal(out.held_bytes, 5);
    assert_int_equal(out.capacity_bytes, 6);
    assert_int_equal(out.chunk_count, 7);
    assert_int_equal(out.deadline_ms, 8);
    for (size_t len = 0; len < buf.len; len++) {
        assert_int_equal(ic_hello_decode(ic_slice(buf.data, len), &out, &signed_bytes, &mac),
                         IC_EPROTO);
    }
    buf.data[IC_HELLO_FIXED_BYTES - 2 - 5 * 8 - 1] = 1; /* an unknown flag */
    assert_int_equal(ic_hello_decode(ic_buf_slice(&buf), &out, &signed_bytes, &mac), IC_EPROTO);
    ic_buf_deinit(&buf);
}

static void hello_bounds(void **state)
{
    (void)state;
    struct ic_buf buf;
    ic_buf_init(&buf);
    struct ic_hello hello = sample_hello();
    char name[IC_FUNCTION_NAME_MAX + 1] = {0};
    hello.function = ic_slice(name, sizeof(name));
    assert_int_equal(ic_hello_encode(&hello, &buf), IC_EINVAL);
    hello.function.len = 0;
    assert_int_equal(ic_hello_encode(&hello, &buf), IC_EINVAL);
    hello.function.len = IC_FUNCTION_NAME_MAX;
    ic_alloc_fail_at(1);
    assert_int_equal(ic_hello_encode(&hello, &buf), IC_ENOMEM);
    assert_int_equal(buf.len, 0);
    assert_int_equal(ic_hello_encode(&hello, &buf), 0);
    assert_int_equal(buf.len, IC_HELLO_BYTES_MAX - IC_LINK_MAC_BYTES);
    ic_buf_deinit(&buf);
}

static void welcome(void **state)
{
    (void)state;
    struct ic_welcome in = {.epoch = 77}, out;
    memset(in.mac, 'm', sizeof(in.mac));
    uint8_t bytes[IC_WELCOME_BYTES];
    ic_welcome_encode(&in, bytes);
    assert_int_equal(ic_welcome_decode(ic_slice(bytes, sizeof(bytes)), &out), 0);
    assert_int_equal(out.epoch, 77);
    assert_memory_equal(out.mac, in.mac, sizeof(in.mac));
    assert_int_equal(ic_welcome_decode(ic_slice(bytes, sizeof(bytes) - 1), &out), IC_EPROTO);
    bytes[4] = 1;
    assert_int_equal(ic_welcome_decode(ic_slice(bytes, sizeof(bytes)), &out), IC_EPROTO);
}

static void read_and_write(void **state)
{
    (void)state;
    uint8_t bytes[IC_WRITE_PREFIX_BYTES];
    uint32_t length;
    ic_read_encode(IC_FRAME_DATA_MAX, bytes);
    assert_int_equal(ic_read_decode(ic_slice(bytes, 4), &length), 0);
    assert_int_equal(length, IC_FRAME_DATA_MAX);
    assert_int_equal(ic_read_decode(ic_slice(bytes, 3), &length), IC_EPROTO);
    ic_read_encode(IC_FRAME_DATA_MAX + 1, bytes);
    assert_int_equal(ic_read_decode(ic_slice(bytes, 4), &length), IC_EPROTO);
    ic_read_encode(0, bytes);
    assert_int_equal(ic_read_decode(ic_slice(bytes, 4), &length), IC_EPROTO);

    struct ic_write_prefix in = {.chunk_length = 123456, .unit = 4096}, out;
    ic_write_prefix_encode(&in, bytes);
    assert_int_equal(ic_write_prefix_decode(bytes, &out), 0);
    assert_int_equal(out.chunk_length, 123456);
    assert_int_equal(out.unit, 4096);
    static const struct ic_write_prefix bad[] = {
        {0, 4096}, {1, 0}, {1, 65}, {1, IC_FRAME_DATA_MAX * 2}, {IC_CHUNK_BYTES_MAX + 1, 4096},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ic_write_prefix_encode(&bad[i], bytes);
        assert_int_equal(ic_write_prefix_decode(bytes, &out), IC_EPROTO);
    }
    ic_write_prefix_encode(&in, bytes);
    bytes[15] = 1;
    assert_int_equal(ic_write_prefix_decode(bytes, &out), IC_EPROTO);
}

/* Every length splits back into itself; what lies between is refused. */
static void data_length(void **state)
{
    (void)state;
    for (uint32_t length = 1; length < 1000; length++) {
        uint32_t bytes = length + 4 * (uint32_t)ic_frame_units(length, 128);
        assert_int_equal(ic_frame_data_length(bytes, 128), length);
    }
    for (uint32_t extra = 1; extra <= 4; extra++) { /* a CRC without a byte of its unit */
        assert_int_equal(ic_frame_data_length(132 + extra, 128), IC_EPROTO);
    }
    assert_int_equal(ic_frame_data_length(0, 128), IC_EPROTO);
    assert_int_equal(ic_frame_data_length(100, 0), IC_EPROTO);
    assert_int_equal(ic_frame_data_length(100, 100), IC_EPROTO);
    assert_int_equal(ic_frame_data_length(IC_FRAME_DATA_MAX + 4, IC_FRAME_DATA_MAX),
                     IC_FRAME_DATA_MAX);
    assert_int_equal(ic_frame_data_length(IC_FRAME_DATA_MAX + 4 * 16 + 4 + 1, 65536), IC_EPROTO);
}

static struct ic_seal sample_seal(struct ic_slice key)
{
    struct ic_seal seal = {.chunk_length = 1000,
                           .object_size = 9999,
                           .version = 12,
                           .expires_ms = -5,
                           .unit = 128,
                           .data = 10,
                           .parity = 2,
                           .key = key};
    memset(seal.instance, 'i', sizeof(seal.instance));
    return seal;
}

static void assert_seal_equal(const struct ic_seal *a, const struct ic_seal *b)
{
    assert_int_equal(a->chunk_length, b->chunk_length);
    assert_int_equal(a->object_size, b->object_size);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->expires_ms, b->expires_ms);
    assert_int_equal(a->unit, b->unit);
    assert_int_equal(a->data, b->data);
    assert_int_equal(a->parity, b->parity);
    assert_true(ic_slice_equal(a->key, b->key));
}

static void seal_round_trip(void **state)
{
    (void)state;
    struct ic_buf buf;
    ic_buf_init(&buf);
    struct ic_seal in = sample_seal(ic_slice_str("key")), out;
    assert_int_equal(ic_seal_encode(&in, &buf), 0);
    assert_int_equal(ic_seal_decode(ic_buf_slice(&buf), &out), 0);
    assert_seal_equal(&in, &out);
    assert_memory_equal(in.instance, out.instance, sizeof(in.instance));
    for (size_t len = 0; len < buf.len; len++) {
        assert_int_equal(ic_seal_decode(ic_slice(buf.data, len), &out), IC_EPROTO);
    }
    assert_int_equal(ic_buf_append(&buf, "x", 1), 0); /* one byte too many */
    assert_int_equal(ic_seal_decode(ic_buf_slice(&buf), &out), IC_EPROTO);
    buf.len = 0;
    in.unit = 100;
    assert_int_equal(ic_seal_encode(&in, &buf), 0);
    assert_int_equal(ic_seal_decode(ic_buf_slice(&buf), &out), IC_EPROTO);
    buf.len = 0;
    in.unit = 0;
    in.chunk_length = 0; /* the chunk of an empty object */
    assert_int_equal(ic_seal_encode(&in, &buf), 0);
    assert_int_equal(ic_seal_decode(ic_buf_slice(&buf), &out), 0);
    in.key.len = IC_KEY_BYTES_MAX + 1;
    assert_int_equal(ic_seal_encode(&in, &buf), IC_EINVAL);
    ic_buf_deinit(&buf);
    in.key.len = 3;
    ic_alloc_fail_at(1);
    assert_int_equal(ic_seal_encode(&in, &buf), IC_ENOMEM);
    ic_buf_deinit(&buf);
}

static void items(void **state)
{
    (void)state;
    struct ic_buf buf;
    ic_buf_init(&buf);
    struct ic_item one = {.object_id = 42, .chunk = 3, .sealed = true, .written_bytes = 1000};
    one.seal = sample_seal(ic_slice_str("first"));
    struct ic_item two = {.object_id = 43, .chunk = 4, .written_bytes = 10};
    two.seal.chunk_length = 20;
    two.seal.unit = 64;
    assert_int_equal(ic_item_encode(&one, &buf), 0);
    assert_int_equal(buf.len, ic_item_size(&one));
    assert_int_equal(ic_item_encode(&two, &buf), 0);
    struct ic_slice rest = ic_buf_slice(&buf);
    struct ic_item out;
    assert_int_equal(ic_item_decode(&rest, &out), 1);
    assert_int_equal(out.object_id, 42);
    assert_int_equal(out.chunk, 3);
    assert_true(out.sealed);
    assert_int_equal(out.written_bytes, 1000);
    assert_seal_equal(&out.seal, &one.seal);
    assert_int_equal(ic_item_decode(&rest, &out), 1);
    assert_false(out.sealed);
    assert_int_equal(out.written_bytes, 10);
    assert_seal_equal(&out.seal, &two.seal);
    assert_int_equal(ic_item_decode(&rest, &out), 0);
    for (size_t len = 1; len < ic_item_size(&one); len++) {
        rest = ic_slice(buf.data, len);
        assert_int_equal(ic_item_decode(&rest, &out), IC_EPROTO);
    }
    buf.data[18] = 2; /* neither sealed nor not */
    rest = ic_buf_slice(&buf);
    assert_int_equal(ic_item_decode(&rest, &out), IC_EPROTO);
    buf.data[18] = 1;
    buf.data[8]--; /* sealed, and shorter than its length */
    rest = ic_buf_slice(&buf);
    assert_int_equal(ic_item_decode(&rest, &out), IC_EPROTO);
    one.seal.key.len = IC_KEY_BYTES_MAX + 1;
    assert_int_equal(ic_item_encode(&one, &buf), IC_EINVAL);
    ic_buf_deinit(&buf);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_item_encode(&two, &buf), IC_ENOMEM);
    ic_buf_deinit(&buf);
}

static void error_text_is_cut(void **state)
{
    (void)state;
    char text[IC_ERROR_TEXT_MAX + 9] = {0};
    assert_int_equal(ic_error_body(ic_slice(text, sizeof(text))).len, IC_ERROR_TEXT_MAX);
    assert_int_equal(ic_error_body(ic_slice(text, 5)).len, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(hello_round_trip),
        leak_test(hello_bounds),
        leak_test(welcome),
        leak_test(read_and_write),
        leak_test(data_length),
        leak_test(seal_round_trip),
        leak_test(items),
        leak_test(error_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
