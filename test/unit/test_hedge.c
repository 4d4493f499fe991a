#include "core/hedge.h"

#include "base/random.h"
#include "unit.h"

enum { LONGEST_MS = 2000 };

static void knows_nothing_at_first(void **state)
{
    (void)state;
    struct ic_hedge h = {0};
    for (int i = 0; i < IC_HEDGE_SAMPLES_MIN; i++) {
        assert_int_equal(ic_hedge_delay(&h, false, LONGEST_MS), LONGEST_MS);
        ic_hedge_answered(&h, false, 3);
    }
    assert_int_equal(ic_hedge_delay(&h, false, LONGEST_MS), IC_HEDGE_MIN_MS);
    assert_int_equal(ic_hedge_delay(&h, true, LONGEST_MS), LONGEST_MS);
    assert_int_equal(ic_hedge_delay(&h, false, 5), 5);
}

/* Times between 40 and 80 ms are no reason to hedge, and 200 ms is one. */
static void follows_what_is_usual(void **state)
{
    (void)state;
    struct ic_hedge h = {0};
    struct ic_rng rng;
    ic_rng_init(&rng, 1);
    uint32_t hedged = 0;
    for (int i = 0; i < 10000; i++) {
        uint64_t ms = 40 + ic_rng_below(&rng, 40);
        hedged += i > 100 && ms > ic_hedge_delay(&h, true, LONGEST_MS);
        ic_hedge_answered(&h, true, ms);
    }
    assert_in_range(hedged, 0, 100); /* one of a hundred */
    assert_in_range(ic_hedge_delay(&h, true, LONGEST_MS), 80, 200);
    for (int i = 0; i < 200; i++) { /* it has become ten times slower */
        ic_hedge_answered(&h, true, 400 + ic_rng_below(&rng, 400));
    }
    assert_in_range(ic_hedge_delay(&h, true, LONGEST_MS), 800, LONGEST_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_nothing_at_first),
        cmocka_unit_test(follows_what_is_usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
