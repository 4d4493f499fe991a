/*
 * test_offer.c - what a dying instance offers: sealed chunks, the newest first, in a bounded body.
 */
#include "node/offer.h"

#include "unit/unit.h"

#include <string.h>

static const uint8_t instance[IC_INSTANCE_ID_BYTES] = {1, 2, 3};

/* An empty chunk is sealed without a WRITE. */
static void hold(struct ic_chunks *c, uint64_t object_id, uint16_t chunk, struct ic_slice key)
{
    struct ic_seal seal = {.version = object_id, .data = 4, .parity = 2, .key = key};
    memcpy(seal.instance, instance, sizeof(seal.instance));
    assert_int_equal(ic_chunks_seal(c, object_id, chunk, &seal), IC_STATUS_OK);
}

/* The object ids offered, in order, into ID; returns how many. */
static size_t offered(const struct ic_chunks *c, uint64_t *id, size_t max)
{
    struct ic_buf body;
    ic_buf_init(&body);
    assert_int_equal(ic_offer_encode(c, &body), 0);
    assert_true(body.len <= IC_OFFER_BYTES_MAX);
    struct ic_slice rest = ic_buf_slice(&body);
    struct ic_item item;
    size_t count = 0;
    while (ic_item_decode(&rest, &item) == 1) {
        assert_true(item.sealed && count < max);
        id[count++] = item.object_id;
    }
    assert_int_equal(rest.len, 0);
    ic_buf_deinit(&body);
    return count;
}

static void test_newest_first(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(32 << 20, instance);
    uint64_t id[8];
    assert_int_equal(offered(c, id, 8), 0);
    static const uint64_t held[] = {3, UINT64_C(7) << 40, 9, 1, (UINT64_C(7) << 40) + 1};
    for (size_t i = 0; i < 5; i++) {
        hold(c, held[i], 0, ic_slice_str("key"));
    }
    struct ic_chunk *open;
    assert_int_equal(ic_chunks_open(c, 100, 0, 640, 64, &open), IC_STATUS_OK);
    static const uint64_t expected[] = {(UINT64_C(7) << 40) + 1, UINT64_C(7) << 40, 9, 3, 1};
    assert_int_equal(offered(c, id, 8), 5); /* without the one that is not sealed */
    assert_memory_equal(id, expected, sizeof(expected));
    ic_chunks_free(c);
}

/* More than an offer takes, in an order that is neither rising nor falling. */
static void test_bounded(void **state)
{
    (void)state;
    enum { HELD = 9973, FIT = IC_OFFER_BYTES_MAX / (IC_ITEM_FIXED_BYTES + 1) };
    static uint64_t id[HELD];
    struct ic_chunks *c = ic_chunks_new(64 << 20, instance);
    for (uint64_t i = 0; i < HELD; i++) {
        hold(c, 1 + i * 7919 % HELD, 3, ic_slice_str("k"));
    }
    assert_int_equal(ic_chunks_count(c), HELD);
    assert_int_equal(offered(c, id, HELD), FIT);
    for (size_t i = 0; i < FIT; i++) {
        assert_int_equal(id[i], HELD - i);
    }
    ic_chunks_free(c);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct ic_chunks *c = ic_chunks_new(32 << 20, instance);
    hold(c, 1, 0, ic_slice_str("key"));
    struct ic_buf body;
    ic_buf_init(&body);
    for (uint64_t n = 1; n <= 2; n++) {
        ic_alloc_fail_at(n);
        assert_int_equal(ic_offer_encode(c, &body), IC_ENOMEM);
        assert_int_equal(body.len, 0);
    }
    ic_alloc_fail_at(0);
    assert_int_equal(ic_offer_encode(c, &body), 0);
    ic_buf_deinit(&body);
    ic_chunks_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_newest_first),
        leak_test(test_bounded),
        leak_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
