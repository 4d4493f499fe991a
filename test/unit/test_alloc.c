/*
 * test_alloc.c - what is allocated is counted, whatever was freed before.
 */
#include "base/alloc.h"

#include "unit/unit.h"

static void bytes_are_counted(void **state)
{
    (void)state;
    uint64_t before = ic_alloc_bytes();
    char *a = ic_malloc(1000), *b = ic_calloc(10, 100), *c = ic_strdup("text");
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    uint64_t most = ic_alloc_bytes() - before;
    assert_true(most >= 2005 && most < 2500);
    a = ic_realloc(a, 5000);
    assert_non_null(a);
    assert_true(ic_alloc_bytes() - before >= 6005);
    a = ic_realloc(a, 10);
    assert_non_null(a);
    assert_true(ic_alloc_bytes() - before < 2000);
    ic_alloc_fail_at(1);
    assert_null(ic_realloc(a, 20));
    ic_free(a);
    ic_free(b);
    ic_free(c);
    ic_free(NULL);
    assert_int_equal(ic_alloc_bytes(), before);
    assert_int_equal(ic_alloc_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
