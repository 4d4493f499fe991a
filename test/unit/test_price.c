/*
 * test_price.c - the table is whole, overrides replace rows, bad ones say what is known,
 * and the two figures the paper's comparison rests on.
 */
#include "core/price.h"

#include "base/config.h"
#include "unit/unit.h"

#include <string.h>

#define NEAR(a, b) assert_true((a) - (b) < 1e-12 && (b) - (a) < 1e-12)

static void test_table(void **state)
{
    (void)state;
    for (int i = 0; i < IC_PRICE_COUNT; i++) {
        const struct ic_price *row = ic_price((enum ic_price_id)i);
        assert_true(row->dollars > 0);
        assert_true(strlen(row->unit) > 0);
        assert_int_equal(strncmp(row->source, "https://", 8), 0);
        assert_true((row->memory_gib > 0) == (i >= IC_PRICE_NODE_FIRST));
        assert_null(strpbrk(row->name, " ,="));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(row->name, ic_price((enum ic_price_id)j)->name);
        }
    }
}

static void test_overrides(void **state)
{
    (void)state;
    struct ic_prices p;
    char why[IC_PRICE_WHY_MAX] = "";
    assert_int_equal(ic_prices_parse(&p, "", why, sizeof why), 0);
    NEAR(p.dollars[IC_PRICE_LAMBDA_MILLION], 0.20);
    assert_int_equal(
        ic_prices_parse(&p, "lambda-million-requests=0.5,r5.24xlarge=1e1", why, sizeof why), 0);
    NEAR(p.dollars[IC_PRICE_LAMBDA_MILLION], 0.5);
    NEAR(p.dollars[IC_PRICE_R5_24XLARGE], 10);
    NEAR(p.dollars[IC_PRICE_S3_GETS], 0.0004);
    assert_int_equal(ic_prices_parse(&p, "s3-gb-month=0", why, sizeof why), 0);
    NEAR(p.dollars[IC_PRICE_S3_GB_MONTH], 0);
    NEAR(p.dollars[IC_PRICE_LAMBDA_MILLION], 0.20);
}

static void test_bad_overrides(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "gold=1",
        "s3-gb-month",
        "s3-gb-month=",
        "s3-gb-month=-1",
        "s3-gb-month=nan",
        "s3-gb-month=inf",
        "s3-gb-month=1x",
        "s3-gb-month=1,",
        ",",
        "=1",
        "s3-gb-month=1 , r7g.large=2",
        "s3-gb-month=0.0000000000000000000000000000000000000000000000000000000000000000000000001",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ic_prices p;
        char why[IC_PRICE_WHY_MAX] = "";
        assert_int_equal(ic_prices_parse(&p, bad[i], why, sizeof why), IC_EINVAL);
        assert_non_null(strstr(why, "prices: "));
    }
    struct ic_prices p;
    char why[IC_PRICE_WHY_MAX];
    assert_int_equal(ic_prices_parse(&p, "gold=1", why, sizeof why), IC_EINVAL);
    assert_non_null(strstr(why, "'gold'"));
    for (int i = 0; i < IC_PRICE_COUNT; i++) {
        assert_non_null(strstr(why, ic_price((enum ic_price_id)i)->name));
    }
    char brief[40]; /* cut, not overrun */
    assert_int_equal(ic_prices_parse(&p, "gold=1", brief, sizeof brief), IC_EINVAL);
    assert_true(strlen(brief) < sizeof brief);
}

static void test_rate(void **state)
{
    (void)state;
    struct ic_prices p;
    ic_prices_init(&p);
    struct ic_rate x86 =
        ic_prices_rate(&p, IC_BILLING_1MS, IC_ARCHITECTURE_X86_64, UINT64_C(512) << 20);
    NEAR(x86.per_ms * 1000, 0.0000166667 / 2);
    NEAR(x86.per_invocation * 1e6, 0.20);
    assert_int_equal(x86.granularity, 1);
    struct ic_rate arm = ic_prices_rate(&p, IC_BILLING_1MS, IC_ARCHITECTURE_ARM64, 1 << 30);
    NEAR(arm.per_ms * 1000, 0.0000133334);
    struct ic_rate old = ic_prices_rate(&p, IC_BILLING_100MS, IC_ARCHITECTURE_ARM64, 1 << 30);
    NEAR(old.per_ms * 1000, 0.0000166667);
    assert_int_equal(old.granularity, 100);
}

static void test_node(void **state)
{
    (void)state;
    struct ic_prices p;
    ic_prices_init(&p);
    assert_int_equal(ic_prices_node(&p, 0), IC_PRICE_T4G_MICRO);
    assert_int_equal(ic_prices_node(&p, UINT64_C(1) << 29), IC_PRICE_T4G_MICRO);
    assert_int_equal(ic_prices_node(&p, (UINT64_C(1) << 29) + 1), IC_PRICE_T4G_SMALL);
    assert_int_equal(ic_prices_node(&p, UINT64_C(4) << 30), IC_PRICE_M7G_LARGE);
    assert_int_equal(ic_prices_node(&p, UINT64_C(10) << 30), IC_PRICE_R6G_LARGE);
    enum ic_price_id paper = ic_prices_node(&p, UINT64_C(500) << 30);
    assert_int_equal(paper, IC_PRICE_R5_24XLARGE);
    NEAR(50 * p.dollars[paper], 518.40); /* the paper's 50 hours */
    assert_int_equal(ic_prices_node(&p, UINT64_C(700) << 30), IC_PRICE_COUNT);
    p.dollars[IC_PRICE_R7G_LARGE] = 0.01;
    assert_int_equal(ic_prices_node(&p, UINT64_C(1) << 29), IC_PRICE_R7G_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_table), leak_test(test_overrides), leak_test(test_bad_overrides),
        leak_test(test_rate),  leak_test(test_node),
    };
    return cmocka_run_group_tests_name("price", tests, NULL, NULL);
}
