/*
 * test_stream_queue.c - what a stream still has to send: bytes in order, memory counted once and
 * given back when it is empty.
 */
#include "net/stream_queue.h"

#include "base/alloc.h"
#include "base/random.h"
#include "unit/unit.h"

enum { PIECES = 3000, PIECE_MAX = 6000 };

static void keep(struct ic_buf *buf, void *ctx)
{
    (void)buf;
    *(int *)ctx += 1;
}

static void test_memory(void **state)
{
    (void)state;
    struct ic_stream_queue q;
    ic_stream_queue_init(&q);
    assert_int_equal(q.memory, 0);
    assert_int_equal(ic_stream_queue_push(&q, ic_slice_str("short"), NULL), 0);
    size_t little = q.memory;
    assert_in_range(little, 512, 1024); /* a small block, a small ring */
    int released = 0;
    struct ic_buf *pooled = ic_buf_new(1 << 20), *owned = ic_buf_new(10000);
    ic_buf_on_release(pooled, keep, &released);
    assert_int_equal(ic_stream_queue_push(&q, ic_slice(pooled->data, 1 << 20), pooled), 0);
    assert_int_equal(ic_stream_queue_push(&q, ic_slice_str("\r\n"), NULL), 0);
    assert_int_equal(q.memory, little); /* counted by its pool; the block has room */
    assert_int_equal(ic_stream_queue_push(&q, ic_slice(owned->data, 9000), owned), 0);
    assert_in_range(q.memory, little + 10000, little + 10000 + sizeof *owned);
    ic_buf_unref(owned);
    ic_stream_queue_sent(&q, q.bytes);
    assert_true(q.memory == 0 && q.block == NULL);
    ic_buf_unref(pooled);
    assert_int_equal(released, 1);
    ic_free(pooled->data);
    ic_free(pooled);
    ic_stream_queue_deinit(&q);
    assert_int_equal(ic_alloc_live(), 0);
}

/* Whatever is queued and sent: the bytes are those given, and what is counted is what is kept. */
static void test_any_order(void **state)
{
    (void)state;
    static uint8_t bytes[PIECE_MAX];
    struct ic_stream_queue q;
    struct ic_rng rng;
    uint8_t in = 0, out = 0; /* each byte is the one before it and one */
    ic_rng_init(&rng, 1);
    ic_stream_queue_init(&q);
    for (int i = 0; i < PIECES; i++) {
        size_t len = 1 + ic_rng_below(&rng, ic_rng_below(&rng, 2) == 0 ? 20 : PIECE_MAX);
        for (size_t j = 0; j < len; j++) {
            bytes[j] = in++;
        }
        struct ic_buf *owner = ic_rng_below(&rng, 2) == 0 ? NULL : ic_buf_new(len);
        if (owner != NULL) {
            memcpy(owner->data, bytes, len);
        }
        struct ic_slice piece = ic_slice(owner == NULL ? bytes : owner->data, len);
        assert_int_equal(ic_stream_queue_push(&q, piece, owner), 0);
        ic_buf_unref(owner);
        assert_true(q.memory > q.bytes / 2);
        struct iovec iov[4];
        size_t count = ic_stream_queue_iovecs(&q, iov, 4);
        size_t sent = ic_rng_below(&rng, 3) == 0 ? q.bytes : ic_rng_below(&rng, iov[0].iov_len);
        size_t looked = 0;
        for (size_t k = 0; k < count && looked < sent; k++) {
            for (size_t j = 0; j < iov[k].iov_len && looked < sent; j++, looked++) {
                assert_int_equal(((uint8_t *)iov[k].iov_base)[j], out++);
            }
        }
        out = (uint8_t)(out + (sent - looked));
        ic_stream_queue_sent(&q, sent);
        assert_true(q.count > 0 || q.memory == 0);
    }
    ic_stream_queue_deinit(&q);
    assert_int_equal(q.memory, 0);
    assert_int_equal(ic_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
