/* Values that have come wait for room in the pool, in line, and keep what they have. */
#include "proxy/claims.h"

#include "unit/put_world.h"

enum { STRIPE = 655360 };

static void begin(struct client *c, uint64_t size)
{
    assert_int_equal(begin_put(c, size), 0);
}

/* A turn of timers: whoever is in line asks again. */
static void let_ask(void)
{
    assert_true(fake_timers_due());
    fake_step();
}

static void test_a_stripe_waits_for_room(void **state)
{
    (void)state;
    struct client c;
    fake_begin(10, 2, 65536, 8 << 20);
    begin(&c, 2 * STRIPE + 1000);
    fake.claims_busy = 3;
    assert_int_equal(feed(&c, UINT64_MAX, SIZE_MAX), STRIPE);
    assert_int_equal(fake.queued, 0);
    assert_true(ic_put_fast_enough(c.put, 0, UINT64_MAX)); /* it is not the client's turn */
    for (uint32_t asked = 2; asked <= 3; asked++) {
        let_ask();
        assert_int_equal(fake.claims, asked);
        assert_int_equal(fake.queued + c.resumed, 0);
    }
    let_ask();
    assert_int_equal(fake.queued, 12);
    assert_int_equal(c.resumed, 1);
    fake_run();
    assert_int_equal(feed(&c, UINT64_MAX, SIZE_MAX), STRIPE + 1000);
    ic_put_seal(c.put, 0);
    fake_run();
    assert_int_equal(c.result, 0);
    check_chunks(c.object);
    finish(&c);
}

/* The client has said all: it is sealed when the last stripe has its room, or the value none. */
static void test_the_end_waits_with_it(void **state)
{
    (void)state;
    static const uint64_t size[] = {STRIPE, 10, 0};
    for (size_t i = 0; i < sizeof size / sizeof size[0]; i++) {
        struct client c;
        fake_begin(10, 2, 65536, 8 << 20);
        begin(&c, size[i]);
        fake.claims_busy = 2;
        assert_int_equal(feed(&c, UINT64_MAX, SIZE_MAX), size[i]);
        assert_false(ask_for_room(&c));
        ic_put_seal(c.put, 12345);
        assert_int_equal(fake.queued, 0);
        let_ask();
        assert_int_equal(fake.queued, 0);
        let_ask();
        assert_in_range(fake.queued, 12, 24);
        assert_int_equal(fake.queue[fake.queued - 1]->op, IC_NODE_SEAL);
        assert_int_equal(fake.queue[fake.queued - 1]->expires_ms, 12345);
        fake_run();
        assert_int_equal(c.ready, 1);
        assert_int_equal(c.result, 0);
        check_chunks(c.object);
        finish(&c);
    }
}

/* Nobody takes the room that is being made for another; who leaves, or finds none, lets them go on.
 */
static void test_first_come_first_served(void **state)
{
    (void)state;
    struct client first, second, third;
    fake_begin(10, 2, 65536, 8 << 20);
    begin(&first, STRIPE);
    begin(&second, STRIPE);
    begin(&third, 1000);
    fake.claims_busy = 2;
    feed(&first, UINT64_MAX, SIZE_MAX);
    feed(&second, UINT64_MAX, SIZE_MAX);
    feed(&third, UINT64_MAX, SIZE_MAX);
    assert_int_equal(fake.claims, 1);
    let_ask();
    assert_int_equal(fake.claims, 2);
    ic_put_free(first.put);
    first.put = NULL;
    fake.claims_busy = 1;
    let_ask();
    assert_int_equal(fake.claims, 3);
    fake.claims_until = 1000; /* no room for the second, ever */
    let_ask();
    assert_int_equal(fake.claims, 5);
    assert_int_equal(fake.queued, 12);
    ic_put_seal(third.put, 0);
    fake_run();
    assert_int_equal(second.result, IC_ENOSPC);
    assert_int_equal(third.result, 0);
    ic_put_free(second.put);
    finish(&third);
}

/* However many find room at once, they share the turns. */
static void test_no_more_than_a_turn_has_time_for(void **state)
{
    (void)state;
    struct client a, b;
    fake_begin(10, 2, 65536, 8 << 20);
    begin(&a, 1000);
    begin(&b, 1000);
    fake.claims_busy = 1;
    feed(&a, UINT64_MAX, SIZE_MAX);
    feed(&b, UINT64_MAX, SIZE_MAX);
    fake.claimed_much = true;
    let_ask();
    assert_int_equal(fake.claims, 1);
    fake.claimed_much = false;
    let_ask();
    assert_int_equal(fake.claims, 3);
    ic_put_free(a.put);
    finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stripe_waits_for_room),
        cmocka_unit_test(test_the_end_waits_with_it),
        cmocka_unit_test(test_first_come_first_served),
        cmocka_unit_test(test_no_more_than_a_turn_has_time_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
