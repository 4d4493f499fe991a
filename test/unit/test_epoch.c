#include "core/epoch.h"

#include "base/random.h"
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
            struct ic_epoch_claims before = {0};
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
        struct ic_epoch_claims before = {0};
        int64_t wall_ms = begin_of_year(i);
        uint32_t own = ic_epoch_first(wall_ms), seen = own + 3000000, lie = own + 4000000;
        bool no;
        assert_int_equal(ic_epoch_believed(&before, 0, lie, own, true, wall_ms, &no), 0);
        assert_int_equal(ic_epoch_believed(&before, 0, lie, own, true, wall_ms, &no), 0);
        assert_int_equal(ic_epoch_believed(&before, 1, seen, own, true, wall_ms, &no), seen);
        assert_int_equal(ic_epoch_believed(&before, 2, seen + 2, own, true, wall_ms, &no),
                         seen + 2);
        assert_int_equal(ic_epoch_believed(&before, 0, lie, own, true, wall_ms, &no), seen + 2);
        assert_false(no);
    }
}

/* Whose function missed a start has seen a little less. */
static void who_served_a_start_more_is_believed(void **state)
{
    (void)state;
    int64_t wall_ms = begin_of_year(1);
    uint32_t own = ic_epoch_first(wall_ms), near = own + IC_EPOCH_NEAR;
    for (uint32_t more = IC_EPOCH_MARGIN; more <= IC_EPOCH_MARGIN + 1; more++) {
        struct ic_epoch_claims claims = {0};
        bool no, little = more == IC_EPOCH_MARGIN;
        assert_int_equal(ic_epoch_believed(&claims, 0, near + more, own, true, wall_ms, &no), 0);
        assert_int_equal(ic_epoch_believed(&claims, 1, near, own, true, wall_ms, &no),
                         little ? near + more : near);
        assert_false(no);
    }
}

/* ---- starts that all lose their journal ---- */

enum { HONEST = 6, LIARS = 2, FUNCTIONS = HONEST + LIARS };

/* Who is there tells the proxy what it has seen, as often as it is refused: the proxy's epoch. */
static uint32_t start_of(const uint32_t seen[FUNCTIONS], uint32_t there, int64_t wall_ms)
{
    struct ic_epoch_claims claims = {0};
    uint32_t own = ic_epoch_first(wall_ms), epoch = own;
    for (int i = 0; i < 3 * FUNCTIONS; i++) {
        uint16_t f = (uint16_t)(i % FUNCTIONS);
        bool no;
        if ((there >> f & 1) == 0 || seen[f] < epoch) {
            continue;
        }
        uint32_t believed = ic_epoch_believed(&claims, f, seen[f], own, true, wall_ms, &no);
        assert_true(!no || f >= HONEST);
        if (believed >= epoch) {
            epoch = ic_epoch_exceeded(believed, own, true, wall_ms) + 1;
        }
    }
    return epoch;
}

/* While the clock stands, or goes back a little. LIARS say what is hardest, or less. */
static void lose_journals(uint32_t liars, int64_t wall_ms, int starts, uint64_t seed)
{
    uint32_t seen[FUNCTIONS] = {0}, most = ic_epoch_first(wall_ms) + (1 << 22);
    struct ic_rng rng;
    ic_rng_init(&rng, seed);
    for (int i = 0; i < starts; i++) {
        uint32_t lie = most + (ic_rng_next(&rng) % 3 == 0 ? (1 << 20) : 0);
        seen[HONEST] = lie - (uint32_t)(ic_rng_next(&rng) % 3);
        seen[HONEST + 1] = lie - (uint32_t)(ic_rng_next(&rng) % 3);
        uint32_t away = 1U << ic_rng_next(&rng) % HONEST;
        uint32_t there = ((1U << (HONEST + liars)) - 1) & ~away;
        uint32_t epoch =
            start_of(seen, there, wall_ms - (int64_t)(ic_rng_next(&rng) % 60) * minute_ms);
        for (int f = 0; f < HONEST; f++) {
            assert_true((there >> f & 1) == 0 || seen[f] < epoch);
            seen[f] = (there >> f & 1) != 0 ? epoch : seen[f];
        }
    }
}

/* Honest nodes are never taken for liars at a start to come, nor is an epoch served twice. */
static void lost_journals_end_in_no_impossible_epoch(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof years / sizeof years[0]; i++) {
        for (uint32_t liars = 0; liars <= LIARS; liars++) {
            lose_journals(liars, begin_of_year(i), 9000, i);
        }
    }
}

/* What lost journals add on one another is soon one epoch a start. */
static void margins_end(void **state)
{
    (void)state;
    int64_t wall_ms = begin_of_year(1);
    uint32_t seen[FUNCTIONS] = {0}, first = ic_epoch_first(wall_ms);
    for (int i = 0; i < 4000; i++) {
        uint32_t epoch = start_of(seen, (1U << HONEST) - 1, wall_ms);
        assert_true(epoch < first + IC_EPOCH_NEAR / 2 + 4000);
        for (int f = 0; f < HONEST; f++) {
            seen[f] = epoch;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_the_minutes),
        cmocka_unit_test(one_node_is_believed_a_little),
        cmocka_unit_test(two_functions_are_believed_more),
        cmocka_unit_test(who_served_a_start_more_is_believed),
        cmocka_unit_test(lost_journals_end_in_no_impossible_epoch),
        cmocka_unit_test(margins_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
