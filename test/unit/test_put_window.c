/* How a put stands in line for the window's memory, holds it and gives it back. */
#include "proxy/write_pace.h"
#include "unit/put_world.h"

static int never(struct ic_node_request *r)
{
    (void)r;
    return 1;
}

static void test_admission(void **state)
{
    (void)state;
    struct client a, b, late;
    fake_begin(10, 2, 65536, 1 << 20); /* one stripe at a time */
    fake.script = never;
    assert_int_equal(begin_put(&a, 655360), 0);
    assert_int_equal(begin_put(&b, 655360), 0);
    assert_int_equal(begin_put(&late, 655360), 0);
    assert_int_equal(feed(&a, UINT64_MAX, SIZE_MAX), 655360);
    assert_false(ask_for_room(&b) || ask_for_room(&late));
    ic_put_free(late.put);
    ic_put_seal(a.put, 0);
    fake.script = NULL;
    fake_run();
    assert_int_equal(a.result, 0);
    assert_int_equal(b.resumed, 1);
    assert_int_equal(feed(&b, UINT64_MAX, SIZE_MAX), 655360);
    ic_put_seal(b.put, 0);
    fake_run();
    assert_int_equal(b.result, 0);
    assert_int_equal(begin_put(&late, 16 << 10), 0);
    fake.drafts -= 2;
    fake_free_object(a.object);
    fake_free_object(b.object);
    finish(&late);
}

static void test_admission_has_a_deadline(void **state)
{
    (void)state;
    struct client a, b;
    fake_begin(10, 2, 65536, 1 << 20);
    fake.script = never;
    assert_int_equal(begin_put(&a, 655360), 0);
    feed(&a, UINT64_MAX, SIZE_MAX); /* its functions never answer */
    assert_int_equal(begin_put(&b, 655360), 0);
    assert_false(ask_for_room(&b));
    fake_pass((uint64_t)(fake.proxy.config->invoke_timeout + fake.proxy.config->node_timeout));
    assert_int_equal(b.ready, 1);
    assert_int_equal(b.result, IC_EBUSY);
    ic_put_free(b.put);
    finish(&a);
}

/* Writes again what was withdrawn, and the rest of the value; what is stored is right. */
static void write_again(struct client *c, struct ic_buf *bytes)
{
    assert_int_equal(ic_put_write(c->put, ic_buf_slice(bytes)), bytes->len);
    ic_buf_deinit(bytes);
    do {
        fake_run();
    } while (feed(c, UINT64_MAX, SIZE_MAX) > 0);
    ic_put_seal(c->put, 0);
    fake_run();
    assert_int_equal(c->result, 0);
    check_chunks(c->object);
}

/* The value of C is a stripe; what is withdrawn of it goes to BYTES. */
static void begin_stripe(struct client *c, struct ic_buf *bytes)
{
    ic_buf_init(bytes);
    fake_begin(10, 2, 65536, 4 << 20);
    assert_int_equal(begin_put(c, 655360), 0);
}

/* C has its first stripe, and what it sends from now on is its pace. */
static void let_begin(struct client *c)
{
    assert_true(ask_for_room(c));
    fake_pass(1);
}

/* Whoever is waited for, and leaves a stripe's memory unfilled, loses it, but nothing else. */
static void test_memory_is_withdrawn_from_who_stalls(void **state)
{
    (void)state;
    struct client a;
    struct ic_buf bytes;
    ic_buf_init(&bytes);
    fake_begin(10, 2, 65536, 4 << 20);
    assert_int_equal(begin_put(&a, 2 * 655360 + 9), 0);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0); /* it holds nothing */
    let_begin(&a);
    assert_int_equal(feed(&a, 1000, SIZE_MAX), 1000);
    fake_pass(48);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0); /* and has just begun */
    fake_pass(1);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 655360);
    assert_int_equal(bytes.len, 1000);
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 0);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0);
    assert_int_equal(ic_put_write(a.put, ic_buf_slice(&bytes)), 1000);
    ic_buf_consume(&bytes, 1000);
    assert_int_equal(feed(&a, 654360, SIZE_MAX), 654360); /* the next one begins */
    fake_pass(50);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 655360);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 0);
    assert_int_equal(feed(&a, 655360, SIZE_MAX), 655360);
    fake_run();
    assert_int_equal(feed(&a, 4, SIZE_MAX), 4);
    fake_pass(50);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 9);
    assert_int_equal(bytes.len, 4);
    write_again(&a, &bytes);
    finish(&a);
}

/* How soon a client will have filled a stripe is told by how it has gone on lately. */
static void test_pace_of_a_client(void **state)
{
    (void)state;
    struct client a;
    struct ic_buf bytes;
    begin_stripe(&a, &bytes);
    let_begin(&a);
    feed(&a, 400000, SIZE_MAX);
    fake_pass(50);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0); /* 32 ms */
    feed(&a, 200000, SIZE_MAX);
    fake_pass(60);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0); /* 17 ms */
    feed(&a, 30000, SIZE_MAX);
    fake_pass(60);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 655360); /* 51 ms */
    assert_int_equal(bytes.len, 630000);
    write_again(&a, &bytes);
    finish(&a);
}

/* Who always sends a part of what is left has its turn like others, and no longer. */
static void test_a_stripe_without_an_end(void **state)
{
    (void)state;
    struct client a;
    struct ic_buf bytes;
    begin_stripe(&a, &bytes);
    let_begin(&a);
    uint64_t rest = 655360;
    for (int look = 1; look <= 4; look++) {
        assert_int_equal(ic_put_withdraw(a.put, &bytes), 0);
        feed(&a, rest - rest / 3, SIZE_MAX);
        rest /= 3;
        fake_pass(50);
    }
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 655360);
    write_again(&a, &bytes);
    fake.drafts--;
    fake_free_object(a.object);
    assert_int_equal(begin_put(&a, 655360), 0);
    assert_true(ask_for_room(&a));
    fake_pass(19);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0);
    fake_pass(1);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 655360); /* nothing has come at all */
    finish(&a);
}

/* What was there when its turn came may have come at any time. */
static void test_a_burst_is_no_pace(void **state)
{
    (void)state;
    struct client a;
    struct ic_buf bytes;
    begin_stripe(&a, &bytes);
    feed(&a, 655359, SIZE_MAX);
    fake_pass(19);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0);
    fake_pass(1);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 655360);
    assert_int_equal(bytes.len, 655359);
    write_again(&a, &bytes);
    finish(&a);
}

/* When others have waited for long who stalls has less time, and so has who goes on. */
static void test_in_a_crowd(void **state)
{
    (void)state;
    for (int late = 0; late <= 1; late++) {
        struct ic_write_pace silent = {0}, steady = {0};
        ic_write_pace_begin(&silent, 1000);
        ic_write_pace_begin(&steady, 1000);
        assert_false(ic_write_pace_stalls(&silent, 1009, 0, 655360, late));
        assert_false(ic_write_pace_stalls(&steady, 1039, 390000, 265360, late));
        assert_int_equal(ic_write_pace_stalls(&silent, 1010, 0, 655360, late), late);
        assert_int_equal(ic_write_pace_stalls(&steady, 1040, 400000, 255360, late), late);
    }
}

/* Sends the rest of it, a stripe at a time, and seals it. */
static void feed_rest(struct client *c)
{
    while (c->sent < c->size) {
        assert_int_equal(feed(c, UINT64_MAX, SIZE_MAX), 655360);
        fake_run();
    }
    ic_put_seal(c->put, 0);
    fake_run();
    check_chunks(c->object);
}

/* While others wait, a put has memory for a stripe at a time, and then goes to the end of the line;
 * but not near its own end, after which what it has in the pool is out of others' way. */
static void test_who_waits_comes_after_a_stripe(void **state)
{
    (void)state;
    struct client a, b;
    fake_begin(10, 2, 65536, 1 << 20);
    assert_int_equal(begin_put(&a, 12 * 655360), 0);
    assert_int_equal(feed(&a, UINT64_MAX, SIZE_MAX), 655360); /* a stripe is all there is */
    fake_run();
    assert_int_equal(feed(&a, UINT64_MAX, SIZE_MAX), 655360);
    assert_int_equal(begin_put(&b, 12 * 655360), 0);
    assert_false(ask_for_room(&b));
    fake_run();
    assert_int_equal(feed(&a, UINT64_MAX, SIZE_MAX), 0);
    fake_run();
    assert_int_equal(feed(&b, UINT64_MAX, SIZE_MAX), 655360);
    fake_run();
    assert_int_equal(feed(&b, UINT64_MAX, SIZE_MAX), 0);
    fake_run();
    feed_rest(&a);
    feed_rest(&b);
    fake.drafts--;
    fake_free_object(a.object);
    finish(&b);
}

/* What waits for nodes is nobody's fault: it stays. */
static void test_no_memory_is_withdrawn_from_what_is_under_way(void **state)
{
    (void)state;
    struct client a;
    struct ic_buf bytes;
    ic_buf_init(&bytes);
    fake_begin(10, 2, 65536, 4 << 20);
    fake.script = never;
    assert_int_equal(begin_put(&a, 2 * 655360), 0);
    feed(&a, 655360 + 1000, SIZE_MAX);
    fake_pass(1000);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0);
    fake.script = NULL;
    fake_run();
    ic_alloc_fail_at(1);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0); /* nor what there is no other memory for */
    ic_alloc_fail_at(0);
    feed(&a, UINT64_MAX, SIZE_MAX);
    fake_pass(1000);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0); /* all is there */
    assert_true(ic_put_fast_enough(a.put, 0, 1 << 20));
    finish(&a);
}

/* All is on its nodes: what the client has still to say of it takes no memory, however long. */
static void test_a_value_that_is_whole_needs_no_memory(void **state)
{
    (void)state;
    struct client a;
    struct ic_buf bytes;
    ic_buf_init(&bytes);
    fake_begin(10, 2, 65536, 4 << 20);
    assert_int_equal(begin_put(&a, 655360 + 9), 0);
    feed(&a, UINT64_MAX, SIZE_MAX);
    assert_true(ic_window_stats(fake.proxy.window).used > 0);
    fake_run();
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 0);
    assert_int_equal(ic_window_stats(fake.proxy.window).admitted, 0);
    fake_pass(60000);
    assert_int_equal(ic_put_withdraw(a.put, &bytes), 0);
    assert_true(ic_put_fast_enough(a.put, 0, 1 << 20));
    fake_pass(60000);
    assert_true(ic_put_fast_enough(a.put, 0, 1 << 20));
    ic_put_seal(a.put, 0);
    fake_run();
    assert_int_equal(a.result, 0);
    check_chunks(a.object);
    finish(&a);
}

static void test_rate_of_a_client(void **state)
{
    (void)state;
    struct client a;
    fake_begin(10, 2, 65536, 1 << 20);
    assert_int_equal(begin_put(&a, 655360), 0);
    assert_true(ic_put_fast_enough(a.put, 4, 1000)); /* collected, not written yet */
    fake_pass(10000);
    assert_false(ic_put_fast_enough(a.put, 10003, 1000));
    assert_true(ask_for_room(&a));
    feed(&a, 10003, SIZE_MAX);
    for (int s = 0; s <= 10; s++) {
        assert_true(ic_put_fast_enough(a.put, 0, 1000));
        feed(&a, 1000, SIZE_MAX);
        fake_pass(1000);
    }
    assert_true(ic_put_fast_enough(a.put, 0, 1000));
    feed(&a, 8000, SIZE_MAX);
    fake_pass(8000);
    assert_true(ic_put_fast_enough(a.put, 0, 1000)); /* nine seconds */
    fake_pass(1000);
    assert_false(ic_put_fast_enough(a.put, 0, 1000));
    fake_pass(60000);
    assert_true(ic_put_fast_enough(a.put, 0, 0));
    feed(&a, UINT64_MAX, SIZE_MAX);
    fake_pass(60000);
    assert_true(ic_put_fast_enough(a.put, 0, 1000)); /* it has sent all */
    finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_admission),
        cmocka_unit_test(test_admission_has_a_deadline),
        cmocka_unit_test(test_memory_is_withdrawn_from_who_stalls),
        cmocka_unit_test(test_pace_of_a_client),
        cmocka_unit_test(test_a_stripe_without_an_end),
        cmocka_unit_test(test_a_burst_is_no_pace),
        cmocka_unit_test(test_in_a_crowd),
        cmocka_unit_test(test_who_waits_comes_after_a_stripe),
        cmocka_unit_test(test_no_memory_is_withdrawn_from_what_is_under_way),
        cmocka_unit_test(test_a_value_that_is_whole_needs_no_memory),
        cmocka_unit_test(test_rate_of_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
