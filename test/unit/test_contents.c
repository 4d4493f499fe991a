/*
 * test_contents.c - pieces of a value are its own and no other key's, nor the value's elsewhere.
 */
#include "cli/contents.h"

#include "unit/unit.h"

static void test_pieces(void **state)
{
    (void)state;
    enum { SIZE = 4 << 20 };
    struct ic_contents c;
    assert_int_equal(ic_contents_init(&c, 7), 0);
    for (uint64_t at = 0; at < SIZE;) {
        struct ic_slice piece = ic_contents_piece(&c, 1, at, SIZE - at);
        assert_true(piece.len > 0);
        assert_true(ic_contents_equal(&c, 1, at, piece));
        assert_false(ic_contents_equal(&c, 2, at, piece));
        assert_false(ic_contents_equal(&c, 1, at + 65536, piece));
        at += piece.len;
    }
    ic_contents_deinit(&c);
}

static void test_failing_memory(void **state)
{
    (void)state;
    struct ic_contents c;
    for (uint64_t n = 1; n <= 2; n++) {
        ic_alloc_fail_at(n);
        assert_int_equal(ic_contents_init(&c, 7), IC_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_pieces), leak_test(test_failing_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
