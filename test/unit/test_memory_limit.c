/*
 * test_memory_limit.c - the verdict at the limit, and samples that come sooner near it.
 */
#include "platform/local/memory_limit.h"

#include "unit/unit.h"

static const uint64_t mb = 1 << 20;

static void test_verdict(void **state)
{
    (void)state;
    assert_false(ic_memory_exceeded(128, 0));
    assert_false(ic_memory_exceeded(128, 128 * mb));
    assert_true(ic_memory_exceeded(128, 128 * mb + 1));
    assert_false(ic_memory_exceeded(10240, 10240 * mb));
}

static void test_next_sample(void **state)
{
    (void)state;
    assert_int_equal(ic_memory_next_sample_ms(128, 10 * mb, 10 * mb, 100), 100);
    assert_int_equal(ic_memory_next_sample_ms(128, 50 * mb, 10 * mb, 100), 100);
    assert_int_equal(ic_memory_next_sample_ms(128, 10 * mb, 11 * mb, 100), 100);
    assert_int_equal(ic_memory_next_sample_ms(128, 28 * mb, 78 * mb, 100), 50);
    assert_int_equal(ic_memory_next_sample_ms(128, 28 * mb, 127 * mb, 100), 10);
    assert_int_equal(ic_memory_next_sample_ms(128, 0, 200 * mb, 100), 10);
    assert_int_equal(ic_memory_next_sample_ms(128, 0, 64 * mb, 0), 10);
}

static void test_data_limit_leaves_room(void **state)
{
    (void)state;
    assert_true(ic_memory_data_limit(128) > 4 * 128 * mb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_verdict), leak_test(test_next_sample),
                                       leak_test(test_data_limit_leaves_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
