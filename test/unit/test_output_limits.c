/*
 * test_output_limits.c - what clients may leave unread, by class: text to limits and back.
 */
#include "base/output_limits.h"

#include "unit/unit.h"

static struct ic_output_limits limits;

static int set(const char *text)
{
    return ic_output_limits_set(&limits, ic_slice_str(text));
}

static void expect(const char *text)
{
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(ic_output_limits_print(&limits, &out), 0);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    ic_buf_deinit(&out);
}

static void test_classes_that_are_named(void **state)
{
    (void)state;
    limits = (struct ic_output_limits){0};
    assert_int_equal(set("normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60"), 0);
    expect("normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
    assert_int_equal(set(" NORMAL  1kb 100 5 "), 0); /* the others stay */
    expect("normal 1024 100 5 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
    assert_int_equal(set("slave 1 2 3 slave 4 5 6"), 0);
    expect("normal 1024 100 5 slave 4 5 6 pubsub 33554432 8388608 60");
}

static void test_nothing_is_set_by_half(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "normal",         "normal 1 2",     "normal 1 2 3 pubsub",    "master 1 2 3",
        "normal x 2 3",   "normal 1 2 3s",  "normal -1 0 0",          "normal 1 2 3 slave 1 2",
        "normal 1 1 -60", "normal 1% 0 60", "normal 1 2 3 what 1 1 1"};
    limits = (struct ic_output_limits){0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(set(bad[i]), IC_EINVAL);
    }
    expect("normal 0 0 0 slave 0 0 0 pubsub 0 0 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_that_are_named),
        cmocka_unit_test(test_nothing_is_set_by_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
