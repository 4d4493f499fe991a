/*
 * test_instance_state.c - every state with every event, against the drawing.
 */
#include "platform/local/instance_state.h"

#include "unit/unit.h"

enum { REFUSED = IC_EINVAL };

static void test_every_transition(void **state)
{
    (void)state;
    static const int next[6][6] = {
        /* ASSIGN, SETTLE, TERMINATE, END, REAPED, AGAIN */
        [IC_INSTANCE_STARTING] = {IC_INSTANCE_BUSY, IC_INSTANCE_IDLE, IC_INSTANCE_ENDING,
                                  IC_INSTANCE_STOPPING, IC_INSTANCE_GONE, IC_INSTANCE_STARTING},
        [IC_INSTANCE_IDLE] = {IC_INSTANCE_BUSY, REFUSED, IC_INSTANCE_ENDING, IC_INSTANCE_STOPPING,
                              IC_INSTANCE_GONE, REFUSED},
        [IC_INSTANCE_BUSY] = {REFUSED, IC_INSTANCE_IDLE, IC_INSTANCE_ENDING, IC_INSTANCE_STOPPING,
                              IC_INSTANCE_GONE, REFUSED},
        [IC_INSTANCE_ENDING] = {REFUSED, REFUSED, REFUSED, IC_INSTANCE_STOPPING, IC_INSTANCE_GONE,
                                REFUSED},
        [IC_INSTANCE_STOPPING] = {REFUSED, REFUSED, REFUSED, REFUSED, IC_INSTANCE_GONE,
                                  IC_INSTANCE_STARTING},
        [IC_INSTANCE_GONE] = {REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED},
    };
    for (int s = 0; s < 6; s++) {
        for (int e = 0; e < 6; e++) {
            assert_int_equal(
                ic_instance_next_state((enum ic_instance_state)s, (enum ic_instance_event)e),
                next[s][e]);
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ic_instance_state_name(IC_INSTANCE_STARTING), "starting");
    assert_string_equal(ic_instance_state_name(IC_INSTANCE_IDLE), "idle");
    assert_string_equal(ic_instance_state_name(IC_INSTANCE_BUSY), "busy");
    assert_string_equal(ic_instance_state_name(IC_INSTANCE_ENDING), "ending");
    assert_string_equal(ic_instance_state_name(IC_INSTANCE_STOPPING), "stopping");
    assert_string_equal(ic_instance_state_name(IC_INSTANCE_GONE), "gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_every_transition), leak_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
