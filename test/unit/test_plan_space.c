/*
 * test_plan_space.c - points become configurations, what the user said stays, differences are
 * named.
 */
#include "cli/plan_space.h"

#include "unit/unit.h"

#include <string.h>

static bool nothing_said(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return false;
}

static bool said(void *ctx, const char *name)
{
    return strstr(ctx, name) != NULL;
}

static void test_capacity_and_memory_give_functions(void **state)
{
    (void)state;
    struct ic_config *base = ic_config_new();
    struct ic_plan_space s;
    ic_plan_space_init(&s, base, nothing_said, NULL);
    struct ic_plan_point p = ic_plan_space_start(&s, 64.0 * (1 << 30));
    struct ic_config *c = ic_plan_space_config(&s, p);
    assert_int_equal(c->memory, 1 << 30);
    assert_in_range((uint64_t)c->functions, 60, 68); /* steps of a tenth */
    int64_t functions = c->functions;
    ic_config_free(c);
    p = ic_plan_space_with_memory(&s, p, 256 << 20);
    c = ic_plan_space_config(&s, p);
    assert_int_equal(c->memory, 256 << 20);
    assert_in_range((uint64_t)c->functions, 4 * (uint64_t)functions - 4,
                    4 * (uint64_t)functions + 4);
    ic_config_free(c);
    p.at[IC_PLAN_CAPACITY] = 0; /* 1 GiB: no fewer functions than the widest code has chunks */
    p = ic_plan_space_with_memory(&s, p, UINT64_C(10) << 30);
    c = ic_plan_space_config(&s, p);
    assert_int_equal(c->functions, 6);
    ic_config_free(c);
    ic_config_free(base);
}

/* Every value of every dimension is one that its directive takes. */
static void test_every_value_is_good(void **state)
{
    (void)state;
    struct ic_config *base = ic_config_new();
    struct ic_plan_space s;
    ic_plan_space_init(&s, base, nothing_said, NULL);
    for (int d = 0; d < IC_PLAN_DIMENSIONS; d++) {
        struct ic_plan_point p = ic_plan_space_start(&s, 1e12);
        for (unsigned i = 0; i < ic_plan_space_count(&s, (enum ic_plan_dimension)d); i++) {
            p.at[d] = (uint8_t)i;
            struct ic_config *c = ic_plan_space_config(&s, p); /* asserts that it is */
            assert_in_range((uint64_t)c->functions, 1, IC_PLAN_FUNCTIONS_MAX);
            ic_config_free(c);
        }
        assert_non_null(
            ic_directive_find(ic_slice_str(ic_plan_space_name((enum ic_plan_dimension)d))));
    }
    ic_config_free(base);
}

static void test_what_was_said_stays(void **state)
{
    (void)state;
    char words[] = "functions eviction";
    struct ic_config *base = ic_config_new();
    base->functions = 77;
    base->eviction = IC_EVICTION_LRU;
    struct ic_plan_space s;
    ic_plan_space_init(&s, base, said, words);
    assert_int_equal(ic_plan_space_count(&s, IC_PLAN_CAPACITY), 1);
    assert_int_equal(ic_plan_space_count(&s, IC_PLAN_EVICTION), 1);
    assert_true(ic_plan_space_count(&s, IC_PLAN_MEMORY) > 1);
    struct ic_config *c = ic_plan_space_config(&s, ic_plan_space_start(&s, 1e12));
    assert_int_equal(c->functions, 77);
    assert_int_equal(c->eviction, IC_EVICTION_LRU);
    ic_config_free(c);
    ic_config_free(base);
}

static void test_differences(void **state)
{
    (void)state;
    struct ic_config *base = ic_config_new();
    struct ic_buf text;
    struct ic_plan_space s;
    ic_buf_init(&text);
    ic_plan_space_init(&s, base, nothing_said, NULL);
    struct ic_plan_point a = ic_plan_space_start(&s, 1e10), b = a;
    assert_int_equal(ic_plan_space_difference(&s, a, b, &text), 0);
    assert_int_equal(text.len, 0);
    b.at[IC_PLAN_WARM] = 0;
    b.at[IC_PLAN_EVICTION] = 3;
    assert_int_equal(ic_plan_space_difference(&s, a, b, &text), 0);
    assert_int_equal(ic_buf_append(&text, "", 1), 0);
    assert_string_equal((const char *)text.data, "eviction lru, warm-interval 0");
    ic_buf_deinit(&text);
    ic_config_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_capacity_and_memory_give_functions),
        leak_test(test_every_value_is_good),
        leak_test(test_what_was_said_stays),
        leak_test(test_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
