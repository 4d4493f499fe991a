/*
 * test_token_bucket.c - a full second at once, then the rate, debts included.
 */
#include "core/token_bucket.h"

#include "unit/unit.h"

static void test_burst_then_rate(void **state)
{
    (void)state;
    struct ic_token_bucket b = {0};
    assert_int_equal(ic_token_bucket_wait(&b, 1000, 5000), 0);
    ic_token_bucket_take(&b, 1000, 1000, 5000);
    assert_true(ic_token_bucket_wait(&b, 1000, 5000) > 0);
    assert_int_equal(ic_token_bucket_wait(&b, 1000, 5010), 0); /* ten have come */
    ic_token_bucket_take(&b, 1000, 510, 5010);
    uint64_t wait = ic_token_bucket_wait(&b, 1000, 5010);
    assert_int_equal(wait, 501);
    assert_true(ic_token_bucket_wait(&b, 1000, 5010 + wait - 2) > 0);
    assert_int_equal(ic_token_bucket_wait(&b, 1000, 5010 + wait), 0);
}

/* However long nothing was taken: no more than a second's worth. */
static void test_it_does_not_overflow(void **state)
{
    (void)state;
    const uint64_t rate = UINT64_C(1) << 36;
    struct ic_token_bucket b = {0};
    ic_token_bucket_take(&b, rate, rate * 2, 1);
    assert_int_equal(ic_token_bucket_wait(&b, rate, 1 + (UINT64_C(1) << 50)), 0);
    ic_token_bucket_take(&b, rate, rate, 1 + (UINT64_C(1) << 50));
    assert_true(ic_token_bucket_wait(&b, rate, 1 + (UINT64_C(1) << 50)) > 0);
}

/* In the long run the amount is the rate's, at any rate and in any steps. */
static void test_long_run(void **state)
{
    (void)state;
    static const uint64_t rates[] = {1, 7, 1000, 65536, 10000000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct ic_token_bucket b = {0};
        uint64_t taken = 0, now = 1, step = rates[i] / 3 + 1;
        while (now < 100000) {
            uint64_t wait = ic_token_bucket_wait(&b, rates[i], now);
            if (wait > 0) {
                now += wait;
                continue;
            }
            ic_token_bucket_take(&b, rates[i], step, now);
            taken += step;
        }
        uint64_t most = rates[i] * (now / 1000 + 2) + step;
        assert_true(taken <= most && taken >= most * 8 / 10 - step);
    }
}

static void test_no_limit_and_a_new_one(void **state)
{
    (void)state;
    struct ic_token_bucket b = {0};
    ic_token_bucket_take(&b, 0, UINT64_C(1) << 60, 10);
    assert_int_equal(ic_token_bucket_wait(&b, 0, 10), 0);
    ic_token_bucket_take(&b, 100, 1000, 10);
    assert_true(ic_token_bucket_wait(&b, 100, 10) > 0);
    ic_token_bucket_take(&b, 0, 1, 11); /* whoever lifts the limit forgives the debt */
    assert_int_equal(ic_token_bucket_wait(&b, 100, 11), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_burst_then_rate),
        leak_test(test_it_does_not_overflow),
        leak_test(test_long_run),
        leak_test(test_no_limit_and_a_new_one),
    };
    return cmocka_run_group_tests_name("token_bucket", tests, NULL, NULL);
}
