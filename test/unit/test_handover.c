/*
 * test_handover.c - of what a dying instance offers, what is needed most comes first, the newest
 * before the older, each once, and no more than fits.
 */
#include "core/handover.h"

#include "unit/unit.h"

static struct ic_handover_chunk chunk(uint64_t object_id, uint16_t index, uint64_t bytes,
                                      int32_t spare)
{
    return (struct ic_handover_chunk){
        .object_id = object_id, .chunk = index, .bytes = bytes, .spare = spare};
}

static void test_order(void **state)
{
    (void)state;
    struct ic_handover_chunk c[] = {
        chunk(9, 0, 1, 2),  chunk(3, 1, 1, 0), chunk(1, 0, 1, -1), chunk(8, 5, 1, 1),
        chunk(4, 2, 1, -3), chunk(7, 0, 1, 0), chunk(9, 3, 1, 1),
    };
    static const uint64_t ids[] = {4, 1, 7, 3, 9, 9, 8};
    uint32_t distinct;
    assert_int_equal(ic_handover_choose(c, 7, 100, &distinct), 7);
    assert_int_equal(distinct, 7);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(c[i].object_id, ids[i]);
    }
    assert_int_equal(c[4].chunk, 0);
    assert_int_equal(c[5].chunk, 3);
}

static void test_bound(void **state)
{
    (void)state;
    struct ic_handover_chunk c[] = {
        chunk(5, 0, 60, 2), chunk(4, 0, 50, 2),   chunk(3, 0, 40, 2),
        chunk(2, 0, 0, 2),  chunk(1, 0, 200, -1),
    };
    uint32_t distinct;
    assert_int_equal(ic_handover_choose(c, 5, 100, &distinct), 3);
    assert_int_equal(distinct, 5);
    assert_int_equal(c[0].object_id, 5);
    assert_int_equal(c[1].object_id, 3); /* 4 does not fit, 3 does */
    assert_int_equal(c[2].object_id, 2); /* of no bytes: always */
}

static void test_each_once(void **state)
{
    (void)state;
    struct ic_handover_chunk c[] = {
        chunk(0, 0, 1, 2), chunk(7, 1, 1, 2), chunk(7, 1, 1, 2),
        chunk(0, 0, 1, 2), chunk(7, 2, 1, 2),
    };
    uint32_t distinct;
    assert_int_equal(ic_handover_choose(c, 5, 100, &distinct), 3);
    assert_int_equal(distinct, 3);
    assert_int_equal(ic_handover_choose(c, 0, 100, &distinct), 0);
    assert_int_equal(distinct, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_each_once),
    };
    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
