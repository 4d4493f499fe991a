/*
 * test_read_pace.c - who is a slow reader: what counts is the average since it is waited for, not
 * when the bytes are seen to go.
 */
#include "proxy/read_pace.h"

#include "unit/unit.h"

enum { RATE = 64 << 10, LOOK_MS = 1000 };

/* Reads at PACE bytes a second, which are acknowledged a STEP at a time, after QUICK bytes at once,
 * for MINUTES at most. Returns when it is slow, or 0. */
static uint64_t read_at(uint64_t pace, uint64_t step, uint64_t quick, unsigned minutes)
{
    struct ic_read_pace p = {0};
    assert_true(ic_read_pace_fast_enough(&p, 1, 0, 0, RATE));
    for (uint64_t ms = LOOK_MS; ms <= minutes * UINT64_C(60000); ms += LOOK_MS) {
        uint64_t read = quick + ms * pace / 1000 / step * step;
        if (!ic_read_pace_fast_enough(&p, 1 + ms, read, 0, RATE)) {
            return ms;
        }
    }
    return 0;
}

static void test_who_is_fast_enough_is_never_slow(void **state)
{
    (void)state;
    static const uint64_t steps[] = {1, 8 << 10, 95 << 10, 250 << 10};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_int_equal(read_at(RATE, steps[i], 0, 30), 0);
        assert_int_equal(read_at(RATE * 2, steps[i], 0, 30), 0);
    }
}

/* Its system's buffer grew while it was fast. */
static void test_steps_of_a_large_buffer(void **state)
{
    (void)state;
    assert_int_equal(read_at(RATE, 2 << 20, 20 << 20, 30), 0);
}

static void test_who_is_slow_is_found_soon(void **state)
{
    (void)state;
    assert_in_range(read_at(0, 1, 0, 1), IC_READ_PACE_CREDIT_MS, IC_READ_PACE_CREDIT_MS + LOOK_MS);
    assert_in_range(read_at(RATE / 3, 8 << 10, 0, 1), 1, 10000);
    assert_true(read_at(RATE / 3, 95 << 10, 2 << 20, 3) > 0);
    assert_true(read_at(RATE * 95 / 100, 8 << 10, 0, 3) > 0);
}

/* Reading much saves no more time than a step may take. */
static void test_what_was_read_does_not_count_for_ever(void **state)
{
    (void)state;
    uint64_t most_ms = IC_READ_PACE_STEP_MAX / RATE * UINT64_C(1000);
    assert_in_range(read_at(0, 1, UINT64_C(1) << 40, 2), most_ms, most_ms + LOOK_MS);
}

static void test_any_rate_will_do(void **state)
{
    (void)state;
    struct ic_read_pace p = {0};
    for (uint64_t ms = 1; ms < 3 * IC_READ_PACE_UNREAD_MS; ms += LOOK_MS) {
        assert_true(ic_read_pace_fast_enough(&p, ms, 0, 0, 0));
    }
    assert_true(ic_read_pace_fast_enough(&p, 3 * IC_READ_PACE_UNREAD_MS, 1, 0, RATE));
}

/* Who sends on is not slow to read, but not waited for without end. */
static void test_who_sends(void **state)
{
    (void)state;
    struct ic_read_pace p = {0};
    uint64_t now_ms = 1, received = 0;
    while (ic_read_pace_fast_enough(&p, now_ms, 0, received, RATE)) {
        now_ms += LOOK_MS;
        received += RATE;
        assert_in_range(now_ms, 0, 2 * IC_READ_PACE_UNREAD_MS);
    }
    assert_in_range(now_ms, IC_READ_PACE_UNREAD_MS, IC_READ_PACE_UNREAD_MS + LOOK_MS);
}

static void test_how_long_it_will_take(void **state)
{
    (void)state;
    struct ic_read_pace p = {0};
    assert_int_equal(ic_read_pace_ms(&p, 5000, 0, 1000), 0);
    assert_true(ic_read_pace_fast_enough(&p, 1, 100, 0, RATE));
    assert_int_equal(ic_read_pace_ms(&p, 1000, 600, 1000), 0); /* it is not known yet */
    assert_int_equal(ic_read_pace_ms(&p, 1001, 600, 1000), 2000);
    assert_int_equal(ic_read_pace_ms(&p, 1001, 600, 1), 2);
    assert_int_equal(ic_read_pace_ms(&p, 1001, UINT64_C(1) << 40, 1), 1);
    assert_true(ic_read_pace_ms(&p, 1001, 100, 1000) == UINT64_MAX);
}

/* While others are waited for its time stands still, and what it reads meanwhile counts. */
static void test_time_of_others(void **state)
{
    (void)state;
    struct ic_read_pace p = {0};
    uint64_t now_ms = 1, read = 0;
    assert_true(ic_read_pace_fast_enough(&p, now_ms, read, 0, RATE));
    for (int i = 0; i < 100; i++) {
        ic_read_pace_stop(&p, now_ms + LOOK_MS / 10);
        ic_read_pace_stop(&p, now_ms + LOOK_MS / 5); /* it has stopped */
        ic_read_pace_go_on(&p, now_ms += LOOK_MS);
        ic_read_pace_go_on(&p, now_ms + 1);
        read += RATE / 9;
        assert_true(ic_read_pace_fast_enough(&p, now_ms, read, 0, RATE));
    }
    assert_in_range(ic_read_pace_ms(&p, now_ms, read, 1000 * (uint64_t)RATE), 900000, 900100);
    ic_read_pace_stop(&p, now_ms);
    assert_int_equal(ic_read_pace_ms(&p, 2 * now_ms, read, 1000), 0);
    now_ms = 2 * now_ms; /* to be asked is to be waited for */
    assert_true(ic_read_pace_fast_enough(&p, now_ms, read, 0, RATE));
    assert_false(ic_read_pace_fast_enough(&p, now_ms + 100 * LOOK_MS, read, 0, RATE));
}

/* Who has not been waited for yet has all of its credit when it is. */
static void test_others_were_waited_for_before(void **state)
{
    (void)state;
    struct ic_read_pace p = {0};
    ic_read_pace_stop(&p, 1000);
    ic_read_pace_go_on(&p, 100000);
    assert_true(ic_read_pace_fast_enough(&p, 200000, 0, 0, RATE));
    assert_true(
        ic_read_pace_fast_enough(&p, 200000 + IC_READ_PACE_CREDIT_MS - LOOK_MS, 0, 0, RATE));
    assert_false(ic_read_pace_fast_enough(&p, 200000 + IC_READ_PACE_CREDIT_MS + 1, 0, 0, RATE));
}

/* At every moment, however often its time is counted anew. */
static void test_its_pace_stays_known(void **state)
{
    (void)state;
    struct ic_read_pace p = {0};
    for (uint64_t ms = 1; ms < 60000; ms += 10) {
        assert_true(ic_read_pace_fast_enough(&p, ms, ms * RATE / 1000, 0, RATE));
        if (ms > IC_READ_PACE_KNOWN_MS) {
            assert_in_range(ic_read_pace_ms(&p, ms, ms * RATE / 1000, RATE), 990, 1010);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_fast_enough_is_never_slow),
        cmocka_unit_test(test_steps_of_a_large_buffer),
        cmocka_unit_test(test_who_is_slow_is_found_soon),
        cmocka_unit_test(test_what_was_read_does_not_count_for_ever),
        cmocka_unit_test(test_any_rate_will_do),
        cmocka_unit_test(test_who_sends),
        cmocka_unit_test(test_how_long_it_will_take),
        cmocka_unit_test(test_time_of_others),
        cmocka_unit_test(test_others_were_waited_for_before),
        cmocka_unit_test(test_its_pace_stays_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
