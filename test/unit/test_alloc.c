/*
 * test_alloc.c - what is allocated is counted, whatever was freed before.
 */
#include "base/alloc.h"

#include "unit/unit.h"

#include <malloc.h>

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

/* Bytes that the C library will have to join with others some time, after many small blocks were
 * freed. */
static size_t put_off(void)
{
    enum { COUNT = 1000 };
    void *block[COUNT];
    for (int i = 0; i < COUNT; i++) {
        block[i] = ic_malloc(100);
        assert_non_null(block[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        ic_free(block[i]);
    }
    return mallinfo2().fsmblks;
}

static void nothing_is_put_off(void **state)
{
    (void)state;
    ic_alloc_put_nothing_off();
    assert_int_equal(put_off(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted),
        cmocka_unit_test(nothing_is_put_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
