/* test_sim_clock.c - events happen in the order of their time. */
#include "simulate/clock.h"

#include "unit.h"

struct one {
    struct ic_sim_event event;
    struct ic_sim_clock *clock;
    int number;
    int again; /* sets itself so often again, for the same time */
};

static int order[16], happened;

static void fire(void *ctx)
{
    struct one *one = ctx;
    order[happened++] = one->number;
    if (one->again-- > 0) {
        ic_sim_event_set(one->clock, &one->event, 0); /* not before now */
    }
}

static void in_order(void **state)
{
    (void)state;
    struct ic_sim_clock c;
    struct one one[5];
    happened = 0;
    ic_sim_clock_init(&c, 1000);
    for (int i = 0; i < 5; i++) {
        one[i] = (struct one){.clock = &c, .number = i};
        ic_sim_event_init(&one[i].event, fire, &one[i]);
    }
    assert_int_equal(ic_sim_clock_next(&c), UINT64_MAX);
    ic_sim_event_set(&c, &one[0].event, 3000);
    ic_sim_event_set(&c, &one[1].event, 2000);
    ic_sim_event_set(&c, &one[2].event, 2000);
    ic_sim_event_set(&c, &one[3].event, 9000);
    ic_sim_event_set(&c, &one[3].event, 1500); /* moved */
    ic_sim_event_set(&c, &one[4].event, 1600);
    ic_sim_event_cancel(&c, &one[4].event);
    ic_sim_event_cancel(&c, &one[4].event);
    one[2].again = 2;
    while (ic_sim_clock_next(&c) != UINT64_MAX) {
        ic_sim_clock_fire(&c);
    }
    static const int expected[] = {3, 1, 2, 2, 2, 0};
    assert_int_equal(happened, 6);
    assert_memory_equal(order, expected, sizeof expected);
    assert_int_equal(c.now_us, 3000);
    assert_int_equal(c.fired, 6);
    ic_sim_clock_deinit(&c);
}

static void no_memory(void **state)
{
    (void)state;
    struct ic_sim_clock c;
    struct one one = {.clock = &c};
    ic_sim_clock_init(&c, 0);
    ic_sim_event_init(&one.event, fire, &one);
    ic_alloc_fail_at(1);
    ic_sim_event_set(&c, &one.event, 1);
    assert_true(c.failed && !ic_sim_event_is_set(&one.event));
    ic_sim_clock_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(in_order), leak_test(no_memory)};
    return cmocka_run_group_tests_name("sim_clock", tests, NULL, NULL);
}
