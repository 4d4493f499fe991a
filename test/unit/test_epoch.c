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

static const int64_t years[] = {0, 1, 8, 16, 64};

static int64_t begin_of_year(size_t i)
{
    return year_2026_ms + years[i] * 365 * 24 * 60 * minute_ms;
}

/* Whatever one node says, epochs are left for all starts to come. */
static void one_node_is_believed_a_little(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof years / sizeof years[0]; i++) {
        int64_t wall_ms = begin_of_year(i);
        uint32_t own = ic_epoch_first(wall_ms) + 1000;
        for (int fresh = 0; fresh < 2; fresh++) {
            struct ic_epoch_claim before = {0};
            bool no;
            assert_int_equal(ic_epoch_believed(&before, 3, own + 60000, own, fresh, wall_ms, &no),
                             own + 60000);
            /* The journal is an old copy. */
            assert_int_equal(ic_epoch_believed(&before, 3, own + 60000, 1, fresh, wall_ms, &no),
                             own + 60000);
            assert_false(no);
            for (int k = 0; k < 3; k++) {
                assert_int_equal(
                    ic_epoch_believed(&before, 3, own + 70000, own, fresh, wall_ms, &no), 0);
                assert_int_equal(no, !fresh);
            }
            assert_int_equal(
                ic_epoch_believed(&before, 4, IC_EPOCH_MAX - 1000000, own, fresh, wall_ms, &no), 0);
            assert_true(no);
            assert_int_equal(ic_epoch_believed(&before, 5, UINT32_MAX, own, fresh, wall_ms, &no),
                             0);
            assert_true(no);
        }
    }
}

/* The journal was lost, of a proxy whose clock was years ahead: what two functions have seen. */
static void two_functions_are_believed_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof years / sizeof years[0]; i++) {
        struct ic_epoch_claim before = {0};
        int64_t wall_ms = begin_of_year(i);
        uint32_t own = ic_epoch_first(wall_ms), seen = own + 3000000, lie = own + 4000000;
        bool no;
        assert_int_equal(ic_epoch_believed(&before, 0, lie, own, true, wall_ms, &no), 0);
        assert_int_equal(ic_epoch_believed(&before, 0, lie, own, true, wall_ms, &no), 0);
        assert_int_equal(ic_epoch_believed(&before, 1, seen, own, true, wall_ms, &no), seen);
        assert_int_equal(ic_epoch_believed(&before, 2, seen + 2, own, true, wall_ms, &no),
                         seen + 2);
        assert_int_equal(ic_epoch_believed(&before, 0, lie, own, true, wall_ms, &no), 0);
        assert_false(no);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_the_minutes),
        cmocka_unit_test(one_node_is_believed_a_little),
        cmocka_unit_test(two_functions_are_believed_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
