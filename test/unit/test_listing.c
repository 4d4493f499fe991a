#include "core/listing.h"

#include "unit.h"

enum { PATIENCE_MS = 30000, MEMORY = 256 << 20, MEMORY_MS = MEMORY / IC_LISTING_BYTES_A_MS };

/* When it is late that names A_SECOND bytes, until it has no more; ms. PUT_OFF of each hundred ms
 * are ours. */
static uint64_t late_at(uint64_t a_second, uint64_t put_off)
{
    for (uint64_t ms = 0;; ms += 100) {
        uint64_t bytes = a_second * ms / 1000;
        struct ic_listing l = {.bytes = bytes < MEMORY ? bytes : MEMORY,
                               .put_off_ms = ms * put_off / 100};
        if (ic_listing_is_late(&l, PATIENCE_MS, ms)) {
            return ms;
        }
    }
}

static void who_names_nothing_has_its_patience(void **state)
{
    (void)state;
    assert_int_equal(late_at(0, 0), PATIENCE_MS);
    assert_in_range(late_at(256, 0), PATIENCE_MS, PATIENCE_MS + 100); /* a chunk a second */
}

/* 8,000 chunks a second are waited for as long as there are some; less for not much longer. */
static void what_is_named_gains_time(void **state)
{
    (void)state;
    uint64_t least = UINT64_C(1000) * IC_LISTING_BYTES_A_MS;
    assert_in_range(late_at(least / 2, 0), 2 * PATIENCE_MS, 2 * PATIENCE_MS + 100);
    assert_true(late_at(least, 0) > MEMORY_MS);
}

/* Whatever it names, and however it is put off. */
static void there_is_an_end(void **state)
{
    (void)state;
    static const uint64_t speeds[] = {0, 1, 1000000, 2000000, 2048000, 1000000000};
    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
        assert_true(late_at(speeds[i], 0) <= PATIENCE_MS + MEMORY_MS + 100);
        assert_true(late_at(speeds[i], 100) <=
                    IC_LISTING_OWN_PART * (PATIENCE_MS + MEMORY_MS + 100));
    }
}

static void what_we_put_off_is_not_its_fault(void **state)
{
    (void)state;
    assert_int_equal(late_at(0, 50), 2 * PATIENCE_MS);
    assert_int_equal(late_at(0, 90), IC_LISTING_OWN_PART * PATIENCE_MS);
    assert_int_equal(late_at(0, 100), IC_LISTING_OWN_PART * PATIENCE_MS);
    struct ic_listing before = {.put_off_ms = 1000000}; /* for a list before it was asked */
    assert_false(ic_listing_is_late(&before, PATIENCE_MS, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_names_nothing_has_its_patience),
        cmocka_unit_test(what_is_named_gains_time),
        cmocka_unit_test(there_is_an_end),
        cmocka_unit_test(what_we_put_off_is_not_its_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
