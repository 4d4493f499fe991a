#include "core/read_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_cheapest_first_data_first(void **state)
{
    (void)state;
    const uint8_t awake[6] = {1, 1, 1, 1, 1, 1};
    assert_int_equal(ic_read_plan(awake, 0x3F, 4), 0x0F);
    assert_int_equal(ic_read_plan(awake, 0x3E, 4), 0x1E);
    const uint8_t mixed[6] = {IC_READ_ASLEEP, IC_READ_AWAKE,  IC_READ_BUSY,
                              IC_READ_LATE,   IC_READ_WAKING, IC_READ_CHOSEN};
    assert_int_equal(ic_read_plan(mixed, 0x3F, 1), 0x20);
    assert_int_equal(ic_read_plan(mixed, 0x3F, 2), 0x22);
    assert_int_equal(ic_read_plan(mixed, 0x3F, 4), 0x36);
    assert_int_equal(ic_read_plan(mixed, 0x3F, 6), 0x3F);
}

static void test_never_is_never_asked(void **state)
{
    (void)state;
    const uint8_t cost[4] = {IC_READ_NEVER, IC_READ_DOWN, IC_READ_NEVER, IC_READ_AWAKE};
    assert_int_equal(ic_read_plan(cost, 0x0F, 4), 0x0A);
    assert_int_equal(ic_read_plan(cost, 0x05, 1), 0);
    assert_int_equal(ic_read_plan(cost, 0x0F, 0), 0);
    assert_int_equal(ic_read_plan(cost, 0, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cheapest_first_data_first),
        cmocka_unit_test(test_never_is_never_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
