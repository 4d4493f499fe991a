#include "core/epoch.h"

#include "unit.h"

static const int64_t year_2026_ms = INT64_C(1767225600000), minute_ms = 60000;

static void begins_with_the_minutes(void **state)
{
    (void)state;
    assert_int_equal(ic_epoch_first(0), 1);
    assert_int_equal(ic_epoch_first(year_2026_ms + 90 * minute_ms), 90);
    assert_int_equal(ic_epoch_first(INT64_MAX / 2), IC_EPOCH_MAX / 2);
}

/* Whatever a node says, epochs are left for all starts to come. */
static void what_is_far_ahead_is_impossible(void **state)
{
    (void)state;
    const int64_t years[] = {0, 1, 8, 16, 64};
    for (size_t i = 0; i < sizeof years / sizeof years[0]; i++) {
        int64_t wall_ms = year_2026_ms + years[i] * 365 * 24 * 60 * minute_ms;
        uint32_t first = ic_epoch_first(wall_ms);
        assert_true(ic_epoch_is_possible(first + 100000, wall_ms));
        assert_false(ic_epoch_is_possible(IC_EPOCH_MAX - 1000000, wall_ms));
        assert_false(ic_epoch_is_possible(UINT32_MAX, wall_ms));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_the_minutes),
        cmocka_unit_test(what_is_far_ahead_is_impossible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
