/*
 * test_zipf.c - ranks come as often as the distribution says, for exponents below, at and above 1.
 */
#include "simulate/zipf.h"

#include "unit/unit.h"

#include <math.h>

enum { RANKS = 50, DRAWS = 200000 };

/* Pearson's statistic of DRAWS draws over RANKS ranks. */
static double chi_square(double exponent)
{
    static unsigned drawn[RANKS];
    struct ic_zipf z;
    struct ic_rng rng;
    double sum = 0, chi = 0;
    ic_rng_init(&rng, 42);
    ic_zipf_init(&z, RANKS, exponent);
    for (int k = 0; k < RANKS; k++) {
        drawn[k] = 0;
        sum += pow(k + 1, -exponent);
    }
    for (int i = 0; i < DRAWS; i++) {
        uint64_t rank = ic_zipf_next(&z, &rng);
        assert_true(rank < RANKS);
        drawn[rank]++;
    }
    for (int k = 0; k < RANKS; k++) {
        double wanted = DRAWS * pow(k + 1, -exponent) / sum;
        chi += (drawn[k] - wanted) * (drawn[k] - wanted) / wanted;
    }
    return chi;
}

static void test_ranks_come_as_often_as_they_should(void **state)
{
    (void)state;
    static const double exponents[] = {0, 0.3, 0.99, 1, 1.0000001, 1.5, 2.5};
    for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
        assert_true(chi_square(exponents[i]) < 94); /* 49 degrees of freedom: 1 in 10,000 */
    }
}

static void test_few_ranks_and_very_many(void **state)
{
    (void)state;
    struct ic_zipf z;
    struct ic_rng rng;
    ic_rng_init(&rng, 1);
    ic_zipf_init(&z, 1, 1);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ic_zipf_next(&z, &rng), 0);
    }
    uint64_t ranks = UINT64_C(1) << 40, first = 0, beyond_half = 0;
    ic_zipf_init(&z, ranks, 1);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t rank = ic_zipf_next(&z, &rng);
        assert_true(rank < ranks);
        first += rank == 0;
        beyond_half += rank >= ranks / 2;
    }
    double harmonic = log((double)ranks) + 0.5772156649;
    assert_in_range(first, (uint64_t)(0.95 * DRAWS / harmonic),
                    (uint64_t)(1.05 * DRAWS / harmonic));
    assert_in_range(beyond_half, (uint64_t)(0.95 * DRAWS * log(2) / harmonic),
                    (uint64_t)(1.05 * DRAWS * log(2) / harmonic));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_ranks_come_as_often_as_they_should),
        leak_test(test_few_ranks_and_very_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
