#include "core/slow.h"

#include "unit.h"

static void a_late_answer_makes_it_slow_for_a_while(void **state)
{
    (void)state;
    struct ic_slow s = {0};
    assert_false(ic_slow_is(&s, 0));
    ic_slow_took(&s, IC_SLOW_MS - 1, 5000);
    assert_false(ic_slow_is(&s, 5000));
    ic_slow_took(&s, IC_SLOW_MS, 6000);
    ic_slow_took(&s, 1, 6001);     /* what is little comes in time */
    ic_slow_took(&s, 60000, 6002); /* one of the same crowd */
    assert_true(ic_slow_is(&s, 6000 + IC_SLOW_FOR_MS - 1));
    assert_false(ic_slow_is(&s, 6000 + IC_SLOW_FOR_MS));
}

static void for_longer_each_time_until_it_is_in_time(void **state)
{
    (void)state;
    struct ic_slow s = {0};
    uint64_t now_ms = 1, for_ms = IC_SLOW_FOR_MS;
    for (int i = 0; i < 10; i++) {
        ic_slow_waits(&s, 5, now_ms); /* somebody asked, and did not stay */
        i % 2 == 0 ? ic_slow_took(&s, 3000, now_ms) : ic_slow_waits(&s, 3000, now_ms);
        assert_true(ic_slow_is(&s, now_ms + for_ms - 1));
        now_ms += for_ms;
        assert_false(ic_slow_is(&s, now_ms));
        for_ms = 2 * for_ms < IC_SLOW_FOR_MAX_MS ? 2 * for_ms : IC_SLOW_FOR_MAX_MS;
    }
    ic_slow_took(&s, 3, now_ms);
    ic_slow_took(&s, 3000, now_ms);
    assert_false(ic_slow_is(&s, now_ms + IC_SLOW_FOR_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_answer_makes_it_slow_for_a_while),
        cmocka_unit_test(for_longer_each_time_until_it_is_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
