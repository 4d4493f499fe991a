/*
 * test_recording.c - what was put in comes out, as often as one likes.
 */
#include "simulate/recording.h"

#include "unit/unit.h"

static void test_it_is_played_again(void **state)
{
    (void)state;
    struct ic_recording r = {.request = NULL};
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(ic_recording_append(&r, &(struct ic_sim_request){.key = i}), 0);
    }
    for (int round = 0; round < 2; round++) {
        struct ic_sim_source *source = ic_recording_play(&r);
        struct ic_sim_request q;
        for (uint64_t i = 0; i < 5000; i++) {
            assert_int_equal(source->next(source, &q), 1);
            assert_int_equal(q.key, i);
        }
        assert_int_equal(source->next(source, &q), 0);
        assert_int_equal(source->next(source, &q), 0);
        ic_free(source);
    }
    ic_recording_deinit(&r);
}

static void test_failing_memory(void **state)
{
    (void)state;
    struct ic_recording r = {.request = NULL};
    ic_alloc_fail_at(1);
    assert_int_equal(ic_recording_append(&r, &(struct ic_sim_request){.key = 1}), IC_ENOMEM);
    assert_int_equal(r.count, 0);
    ic_alloc_fail_at(1);
    assert_null(ic_recording_play(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_it_is_played_again),
        leak_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
