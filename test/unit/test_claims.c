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

/* ---- what is missing is in drafts ---- */

/* C has room for its first stripe, and is to send more. */
static void begin_with_room(struct client *c, uint64_t size)
{
    begin(c, size);
    assert_int_equal(feed(c, STRIPE, SIZE_MAX), STRIPE);
    fake_run();
}

static void leave_no_room(void)
{
    fake.others_hold_room = true;
    fake.claims_until = 1;
}

static void free_all(struct client *c, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++) {
        give_back(&c[i]);
    }
    finish(&c[count - 1]);
}

static void test_waits_for_what_drafts_have(void **state)
{
    (void)state;
    struct client c[2];
    fake_begin(10, 2, 65536, 8 << 20);
    begin_with_room(&c[0], 2 * STRIPE);
    begin(&c[1], 1000);
    leave_no_room();
    feed(&c[1], UINT64_MAX, SIZE_MAX);
    fake_pass(1000);
    assert_true(fake.claims > 2);
    assert_int_equal(c[1].ready + fake.queued, 0);
    assert_int_equal(ic_claims_first(&fake.proxy.claims)->size, 1000);
    fake.claims_until = 0;
    fake_pass(100);
    assert_null(ic_claims_first(&fake.proxy.claims));
    ic_put_seal(c[1].put, 0);
    fake_run();
    assert_int_equal(c[1].result, 0);
    free_all(c, 2);
}

/* What it lacks is being read, or repaired. */
static void test_who_is_alone_waits_for_readers(void **state)
{
    (void)state;
    for (int is_freed = 0; is_freed <= 1; is_freed++) {
        struct client c;
        fake_begin(10, 2, 65536, 8 << 20);
        begin_with_room(&c, 2 * STRIPE);
        fake.is_read = true;
        fake.claims_until = 1;
        assert_int_equal(feed(&c, UINT64_MAX, SIZE_MAX), STRIPE);
        fake_pass(900);
        assert_int_equal(c.ready, 0);
        fake.claims_until = is_freed ? 0 : 1;
        fake_pass(200);
        if (is_freed) {
            ic_put_seal(c.put, 0);
            fake_run();
        }
        assert_int_equal(c.result, is_freed ? 0 : IC_ENOSPC);
        finish(&c);
    }
}

/* Many would keep what others need meanwhile. */
static void test_many_do_not_wait_for_readers(void **state)
{
    (void)state;
    struct client c[3];
    fake_begin(10, 2, 65536, 8 << 20);
    fake.is_read = true;
    fake.claims_until = 1000;
    for (int i = 0; i < 3; i++) {
        begin(&c[i], 50000);
        assert_int_equal(feed(&c[i], UINT64_MAX, SIZE_MAX), 50000);
    }
    fake_pass(30);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(c[i].result, i == 0 ? 1 : IC_ENOSPC); /* the first came alone */
    }
    fake_pass(1000);
    assert_int_equal(c[0].result, IC_ENOSPC);
    free_all(c, 3);
}

/* Somebody has room who does not come to an end. */
static void test_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct client c[2];
    fake_begin(10, 2, 65536, 8 << 20);
    begin_with_room(&c[0], 2 * STRIPE);
    begin(&c[1], 1000);
    leave_no_room();
    feed(&c[1], UINT64_MAX, SIZE_MAX);
    fake_pass((uint64_t)fake.proxy.config->write_deadline - 1);
    assert_int_equal(c[1].ready, 0);
    fake_pass(1);
    fake_pass(100);
    assert_int_equal(c[1].result, IC_ENOSPC);
    assert_int_equal(c[0].ready, 0);
    free_all(c, 2);
}

/* COUNT clients have room for a stripe each, and there is no more but for what is small; all but
 * the first BUT of them ask for it, the last to begin first. */
static void begin_jam(struct client *c, int count, int but)
{
    for (int i = 0; i < count; i++) {
        begin_with_room(&c[i], 2 * STRIPE);
    }
    fake.others_hold_room = true;
    fake.claims_until = 200;
    for (int i = count - 1; i >= but; i--) {
        assert_int_equal(feed(&c[i], UINT64_MAX, SIZE_MAX), STRIPE);
    }
}

/* All that there is has come of those that ask for more: the last to begin gives its room up. */
static void test_the_last_to_begin_gives_way(void **state)
{
    (void)state;
    struct client c[3];
    fake_begin(10, 2, 65536, 8 << 20);
    begin_jam(c, 3, 0);
    fake_pass(10);
    assert_int_equal(c[2].ready, 0); /* what has come may be about to be stored */
    fake.now_ms += 100;
    while (c[2].ready == 0) {
        assert_true(fake_step());
    }
    assert_int_equal(c[2].result, IC_ENOSPC);
    fake.claims_until = 0;
    fake_pass(100);
    for (int i = 0; i < 2; i++) {
        ic_put_seal(c[i].put, 0);
    }
    fake_run();
    assert_int_equal(c[0].result, 0);
    assert_int_equal(c[1].result, 0);
    free_all(c, 3);
}

/* That small values are stored meanwhile is no reason for uploads to wait on. */
static void test_small_values_hide_no_jam(void **state)
{
    (void)state;
    struct client c[2], small;
    fake_begin(10, 2, 65536, 8 << 20);
    begin_jam(c, 2, 0);
    for (int i = 0; i < 8; i++) {
        begin(&small, 1000);
        assert_int_equal(feed(&small, UINT64_MAX, SIZE_MAX), 1000);
        ic_put_seal(small.put, 0);
        fake_pass(10);
        assert_int_equal(small.result, 0);
        give_back(&small);
    }
    assert_int_equal(c[1].result, IC_ENOSPC);
    assert_int_equal(c[0].ready, 0);
    free_all(c, 2);
}

/* Nor is one who has room and sends slowly. */
static void test_one_that_is_slow_hides_no_jam(void **state)
{
    (void)state;
    struct client c[3];
    fake_begin(10, 2, 65536, 8 << 20);
    begin_jam(c, 3, 1);
    fake_pass(200);
    assert_int_equal(c[2].ready, 0); /* it may be about to be stored */
    fake_pass(100);
    assert_int_equal(c[2].result, IC_ENOSPC);
    assert_int_equal(c[0].ready + c[1].ready, 0);
    free_all(c, 3);
}

/* Small values need no more afterwards, and for who has room others wait. */
static void test_who_goes_first(void **state)
{
    (void)state;
    static const uint64_t chunk_bytes[] = {100, 131072, 65536}; /* of small, begun and new */
    struct client begun, new, small;
    fake_begin(10, 2, 65536, 8 << 20);
    begin_with_room(&begun, 2 * STRIPE);
    begin(&new, STRIPE);
    begin(&small, 1000);
    leave_no_room();
    feed(&new, UINT64_MAX, SIZE_MAX);
    feed(&begun, UINT64_MAX, SIZE_MAX);
    feed(&small, UINT64_MAX, SIZE_MAX);
    fake.claims_until = 0;
    fake.a_claim_is_much = true;
    fake.now_ms += 10;
    for (size_t i = 0; i < 3; i++) {
        fake.claimed_much = false;
        let_ask();
        assert_in_range(fake.claimed, chunk_bytes[i], chunk_bytes[i] + 63);
    }
    ic_put_free(begun.put);
    ic_put_free(new.put);
    finish(&small);
}

/* There may be room for a small value that is less than what the first of them needs. */
static void test_small_values_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct client first, second;
    fake_begin(10, 2, 65536, 8 << 20);
    begin(&first, 60000);
    begin(&second, 10);
    leave_no_room();
    assert_int_equal(feed(&first, UINT64_MAX, SIZE_MAX), 60000);
    fake.claims_until = 0;
    assert_int_equal(fake.queued, 0);
    assert_int_equal(feed(&second, UINT64_MAX, SIZE_MAX), 10);
    assert_in_range(fake.queued, 1, 12);
    ic_put_seal(second.put, 0);
    fake_run();
    assert_int_equal(second.result, 0);
    give_back(&second);
    ic_put_free(first.put);
    first.put = NULL;
    finish(&first);
}

/* Nor do they keep the window memory of those that find room. */
static void test_few_small_values_wait(void **state)
{
    (void)state;
    enum { WAIT = 32 }; /* a sixteenth of window-memory, 32mb */
    struct client c[WAIT + 2];
    fake_begin(10, 2, 65536, 8 << 20);
    leave_no_room();
    for (int i = 0; i < WAIT + 2; i++) {
        begin(&c[i], 60000);
        assert_int_equal(feed(&c[i], UINT64_MAX, SIZE_MAX), 60000);
    }
    fake_pass(20);
    for (int i = 0; i < WAIT + 2; i++) {
        assert_int_equal(c[i].result, i < WAIT ? 1 : IC_ENOSPC);
    }
    fake.claims_until = 0;
    fake_pass(20);
    for (int i = 0; i < WAIT; i++) {
        ic_put_seal(c[i].put, 0);
        fake_run();
        assert_int_equal(c[i].result, 0);
    }
    free_all(c, WAIT + 2);
}

/* Who waits for room has the window memory that who has room waits for. */
static void test_window_memory_is_given_up(void **state)
{
    (void)state;
    struct client c[2];
    fake_begin(10, 2, 65536, 3 << 19); /* for one of them */
    begin_with_room(&c[0], 20 * STRIPE);
    begin(&c[1], STRIPE);
    assert_false(ask_for_room(&c[1]));
    assert_false(ask_for_room(&c[0]));
    fake_run();
    assert_int_equal(c[1].resumed, 1);
    leave_no_room();
    assert_int_equal(feed(&c[1], UINT64_MAX, SIZE_MAX), STRIPE);
    fake_pass(100);
    assert_int_equal(c[1].result, IC_ENOSPC);
    assert_int_equal(c[0].resumed, 1);
    assert_true(ask_for_room(&c[0]));
    free_all(c, 2);
}

/* C[0] has room for its first stripe, C[1] the window memory; C[2] waits for that before C[0]. */
static void begin_lines(struct client *c)
{
    fake_begin(10, 2, 65536, 3 << 19); /* for one of them */
    begin_with_room(&c[0], 20 * STRIPE);
    begin(&c[1], STRIPE);
    begin(&c[2], STRIPE);
    assert_false(ask_for_room(&c[1]));
    assert_false(ask_for_room(&c[2]));
    assert_false(ask_for_room(&c[0]));
    fake_run();
    assert_int_equal(c[1].resumed, 1);
}

/* First come first served, also for who has room: there is some for all. */
static void test_no_hurry(void **state)
{
    (void)state;
    struct client c[3];
    begin_lines(c);
    assert_int_equal(feed(&c[1], UINT64_MAX, SIZE_MAX), STRIPE);
    ic_put_seal(c[1].put, 0);
    fake_run();
    assert_int_equal(c[1].result, 0);
    assert_int_equal(c[2].resumed, 1);
    assert_int_equal(c[0].resumed, 0);
    free_all(c, 3);
}

/* In a jam who has room goes first, or all that is given up would go to others who have none. */
static void test_a_jam_hurries_who_has_room(void **state)
{
    (void)state;
    struct client c[3];
    begin_lines(c);
    leave_no_room();
    assert_int_equal(feed(&c[1], UINT64_MAX, SIZE_MAX), STRIPE);
    fake_pass(100);
    assert_int_equal(c[1].result, IC_ENOSPC);
    assert_int_equal(c[0].resumed, 1);
    assert_int_equal(c[2].resumed, 0);
    free_all(c, 3);
}

/* What nobody here goes on with may be there for ever. */
static void test_nobody_to_wait_for(void **state)
{
    (void)state;
    struct client c;
    fake_begin(10, 2, 65536, 8 << 20);
    begin(&c, 1000);
    leave_no_room();
    feed(&c, UINT64_MAX, SIZE_MAX);
    fake_pass(100);
    assert_int_equal(c.result, IC_ENOSPC);
    finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stripe_waits_for_room),
        cmocka_unit_test(test_the_end_waits_with_it),
        cmocka_unit_test(test_first_come_first_served),
        cmocka_unit_test(test_no_more_than_a_turn_has_time_for),
        cmocka_unit_test(test_waits_for_what_drafts_have),
        cmocka_unit_test(test_who_is_alone_waits_for_readers),
        cmocka_unit_test(test_many_do_not_wait_for_readers),
        cmocka_unit_test(test_does_not_wait_for_ever),
        cmocka_unit_test(test_the_last_to_begin_gives_way),
        cmocka_unit_test(test_small_values_hide_no_jam),
        cmocka_unit_test(test_one_that_is_slow_hides_no_jam),
        cmocka_unit_test(test_who_goes_first),
        cmocka_unit_test(test_small_values_do_not_wait_for_each_other),
        cmocka_unit_test(test_few_small_values_wait),
        cmocka_unit_test(test_window_memory_is_given_up),
        cmocka_unit_test(test_no_hurry),
        cmocka_unit_test(test_a_jam_hurries_who_has_room),
        cmocka_unit_test(test_nobody_to_wait_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
