#include "proxy/window.h"

#include "fake_pool.h"

static int told[8];

static void on_ready(void *ctx)
{
    told[*(int *)ctx]++;
}

static int index_of[8] = {0, 1, 2, 3, 4, 5, 6, 7};

static void begin(size_t limit)
{
    memset(told, 0, sizeof told);
    fake_begin(4, 2, 65536, limit);
}

static bool admit_for(struct ic_grant *g, enum ic_window_use use, size_t minimum, int index)
{
    return ic_window_admit(fake.proxy.window, g, use, minimum, on_ready, &index_of[index]);
}

static bool admit(struct ic_grant *g, size_t minimum, int index)
{
    return admit_for(g, IC_WINDOW_READ, minimum, index);
}

static void test_classes(void **state)
{
    (void)state;
    assert_int_equal(ic_window_size(0), 1024);
    assert_int_equal(ic_window_size(1), 1024);
    assert_int_equal(ic_window_size(1024), 1024);
    assert_int_equal(ic_window_size(1025), 1536);
    assert_int_equal(ic_window_size(1537), 2048);
    assert_int_equal(ic_window_size(786432), 786432);
    assert_int_equal(ic_window_size(786433), 1048576);
    assert_int_equal(ic_window_size(IC_WINDOW_BUFFER_MAX), IC_WINDOW_BUFFER_MAX);
    for (size_t size = 1; size < IC_WINDOW_BUFFER_MAX; size += size / 7 + 1) {
        size_t bytes = ic_window_size(size);
        assert_true(bytes >= size && (bytes == 1024 || bytes * 2 <= size * 3));
    }
}

static void test_admission_is_first_come_first_served(void **state)
{
    (void)state;
    struct ic_grant g[4] = {0};
    begin(1 << 20);
    assert_int_equal(admit(&g[0], 600 << 10, 0), 1);
    assert_int_equal(admit(&g[1], 600 << 10, 1), 0);
    assert_int_equal(admit(&g[2], 100 << 10, 2), 0); /* would fit, but nobody overtakes */
    fake_run();
    assert_int_equal(told[1] + told[2], 0);
    ic_window_leave(&g[0]);
    assert_int_equal(told[1], 0); /* in a later turn */
    fake_run();
    assert_int_equal(told[1], 1);
    assert_int_equal(told[2], 1);
    ic_window_leave(&g[1]);
    ic_window_leave(&g[2]);
    ic_window_leave(&g[2]);
    fake_end();
}

/* 1024 KB: 64 kept for small reads, 64 for small writes, 192 for reads, 192 for writes. */
static void test_each_use_has_a_part_of_its_own(void **state)
{
    (void)state;
    struct ic_grant read[8] = {0}, write[4] = {0}, small[5] = {0};
    begin(1 << 20);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(admit(&read[i], 100 << 10, i), 1);
    }
    assert_int_equal(admit(&read[7], 100 << 10, 7), 0); /* 1024 - 64 - 64 - 192 */
    fake_pass(700);
    assert_int_equal(admit_for(&write[0], IC_WINDOW_WRITE, 192 << 10, 0), 1);
    assert_int_equal(admit_for(&write[1], IC_WINDOW_WRITE, 100 << 10, 1), 0);
    uint64_t now_ms = ic_loop_now_ms(fake.proxy.loop);
    assert_int_equal(ic_window_waited_ms(fake.proxy.window, IC_WINDOW_READ, now_ms), 700);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(admit_for(&small[i], IC_WINDOW_SMALL_WRITE, 16 << 10, 2), 1);
    }
    assert_null(ic_window_take(&small[0], 17 << 10)); /* nobody grows meanwhile */
    ic_window_leave(&write[0]);
    fake_run();
    assert_int_equal(told[1], 1); /* it goes to the writes, the reads have their part */
    assert_int_equal(told[7], 0);
    ic_window_leave(&read[0]);
    fake_run();
    assert_int_equal(told[7], 1);
    assert_int_equal(ic_window_waited_ms(fake.proxy.window, IC_WINDOW_READ, now_ms + 900), 0);
    for (int i = 1; i < 8; i++) {
        ic_window_leave(&read[i]);
    }
    ic_window_leave(&write[1]);
    for (int i = 0; i < 4; i++) {
        ic_window_leave(&small[i]);
    }
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 0);
    fake_end();
}

/* An object that was stored with larger units has the window to itself, but for what is small. */
static void test_more_than_there_is(void **state)
{
    (void)state;
    static const size_t sizes[] = {1 << 20, 12 << 20};
    for (size_t k = 0; k < 2; k++) {
        struct ic_grant before = {0}, huge = {0}, after = {0}, small = {0};
        begin(1 << 20);
        assert_true(admit_for(&before, IC_WINDOW_WRITE, 300 << 10, 0));
        assert_true(admit(&small, 16 << 10, 3));
        assert_false(admit(&huge, sizes[k], 1));
        fake_pass(1);
        assert_false(admit_for(&after, IC_WINDOW_WRITE, 300 << 10, 2));
        ic_window_leave(&before);
        fake_run();
        assert_int_equal(told[1], 1);
        assert_int_equal(told[2], 0);
        struct ic_grant beside = {0}, more = {0};
        assert_true(admit(&beside, 48 << 10, 4));
        assert_false(admit(&more, 64 << 10, 5)); /* more than the part */
        ic_window_leave(&beside);
        ic_window_leave(&more);
        for (size_t i = 0; i < sizes[k] >> 20; i++) {
            struct ic_buf *buf = ic_window_take(&huge, 1 << 20);
            assert_non_null(buf);
            ic_buf_unref(buf);
        }
        ic_window_leave(&huge);
        fake_run();
        assert_int_equal(told[2], 1);
        ic_window_leave(&after);
        ic_window_leave(&small);
        assert_int_equal(ic_window_stats(fake.proxy.window).used, 0);
        fake_end();
    }
}

/* Small values may wait for room in the pool with all that they can have: small reads do not. */
static void test_small_reads_wait_for_no_small_writes(void **state)
{
    (void)state;
    struct ic_grant write[40] = {0}, read[4] = {0};
    begin(1 << 20);
    int count = 0;
    while (admit_for(&write[count], IC_WINDOW_SMALL_WRITE, 48 << 10, 0) == 1) {
        count++;
    }
    assert_int_equal(count, 12); /* of 1024 - 64 - 192 - 192 */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(admit(&read[i], 16 << 10, 1), 1);
        ic_window_leave(&read[i]);
    }
    for (int i = count; i >= 0; i--) { /* the last waits */
        ic_window_leave(&write[i]);
    }
    fake_end();
}

/* What is small goes on beside a minimum that waits for all the rest, within its part. */
static void test_small_writes_let_pass(void **state)
{
    (void)state;
    struct ic_grant small[20] = {0}, large = {0};
    begin(1 << 20);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(admit_for(&small[i], IC_WINDOW_SMALL_WRITE, 48 << 10, 0), 1);
    }
    assert_int_equal(admit_for(&large, IC_WINDOW_WRITE, 768 << 10, 1), 0);
    fake_pass(1);
    for (int i = 0; i < 10; i++) { /* there is always one that comes */
        bool goes_on = admit_for(&small[10 + i], IC_WINDOW_SMALL_WRITE, 48 << 10, 0) == 1;
        assert_int_equal(goes_on, false);
        ic_window_leave(&small[i]);
        fake_run();
    }
    assert_int_equal(told[1], 1);
    assert_int_equal(told[0], 1); /* in its part */
    ic_window_leave(&large);
    for (int i = 10; i < 20; i++) {
        ic_window_leave(&small[i]);
    }
    fake_end();
}

/* First come first served, but for those that are brought forward, among whom it is the same. */
static void test_some_are_brought_forward(void **state)
{
    (void)state;
    static const int order[] = {3, 4, 5, 1};
    struct ic_grant g[6] = {0};
    begin(1 << 20);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(admit(&g[i], 1 << 20, i), i == 0);
    }
    ic_window_bring_forward(&g[2]);
    ic_window_bring_forward(&g[3]);
    ic_window_leave(&g[2]);
    ic_window_bring_forward(&g[4]);
    ic_window_bring_forward(&g[3]); /* it is */
    ic_window_bring_forward(&g[5]);
    ic_window_bring_forward(&g[0]); /* it does not wait */
    int before = 0;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        ic_window_leave(&g[before]);
        before = order[i];
        fake_run();
        assert_int_equal(told[before], 1);
        assert_int_equal(ic_window_stats(fake.proxy.window).admitted, 1);
    }
    ic_window_leave(&g[before]);
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 0);
    fake_end();
}

static void test_leaving_while_waiting(void **state)
{
    (void)state;
    struct ic_grant g[3] = {0};
    begin(1 << 20);
    assert_int_equal(admit(&g[0], 1 << 20, 0), 1);
    assert_int_equal(admit(&g[1], 1 << 20, 1), 0);
    assert_int_equal(admit(&g[2], 100 << 10, 2), 0);
    ic_window_leave(&g[1]);
    ic_window_leave(&g[0]);
    fake_run();
    assert_int_equal(told[1], 0);
    assert_int_equal(told[2], 1);
    ic_window_leave(&g[2]);
    fake_end();
}

static void test_growth_and_return(void **state)
{
    (void)state;
    struct ic_grant a = {0}, b = {0};
    struct ic_buf *buf[16];
    begin(1 << 20);
    assert_int_equal(admit(&a, 128 << 10, 0), 1);
    assert_int_equal(admit(&b, 128 << 10, 1), 1);
    int count = 0;
    while ((buf[count] = ic_window_take(&a, 64 << 10)) != NULL) {
        assert_int_equal(buf[count]->cap, 64 << 10);
        count++;
    }
    assert_int_equal(count, 7); /* 128 kb reserved by B; 7 * 64 + 128 = 576 <= 62 % of 1024 */
    assert_false(ic_window_can_take(&a, 64 << 10, 2));
    assert_true(ic_window_can_take(&b, 64 << 10, 2)); /* the reserve is always there */
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 576 << 10);
    fake_run();
    assert_int_equal(told[0], 0);
    ic_buf_unref(buf[--count]);
    fake_run();
    assert_int_equal(told[0], 1);
    ic_window_leave(&a);
    assert_int_equal(ic_window_stats(fake.proxy.window).used, (128 << 10) + count * (64 << 10));
    while (count > 0) {
        ic_buf_unref(buf[--count]); /* outlive their grant */
    }
    assert_int_equal(ic_window_stats(fake.proxy.window).used, 128 << 10);
    ic_window_leave(&b);
    fake_end();
}

static void test_no_growth_while_others_wait(void **state)
{
    (void)state;
    struct ic_grant a = {0}, b = {0};
    begin(1 << 20);
    assert_int_equal(admit(&a, 96 << 10, 0), 1);
    struct ic_buf *first = ic_window_take(&a, 96 << 10);
    assert_int_equal(admit(&b, 1 << 20, 1), 0);
    assert_null(ic_window_take(&a, 1024));
    ic_window_leave(&b);
    struct ic_buf *second = ic_window_take(&a, 1024);
    assert_non_null(second);
    ic_buf_unref(first);
    ic_buf_unref(second);
    ic_window_leave(&a);
    fake_end();
}

/* One that needs more than the others' parts leave is not passed by for ever. */
static void test_the_large_one_has_its_turn(void **state)
{
    (void)state;
    for (int use = IC_WINDOW_READ; use <= IC_WINDOW_WRITE; use++) {
        enum ic_window_use one = (enum ic_window_use)use;
        enum ic_window_use other = one == IC_WINDOW_READ ? IC_WINDOW_WRITE : IC_WINDOW_READ;
        struct ic_grant many[8] = {0}, large = {0};
        begin(1 << 20);
        assert_int_equal(admit_for(&many[0], one, 300 << 10, 0), 1);
        assert_int_equal(admit_for(&large, other, 800 << 10, 1), 0);
        fake_pass(1);
        for (int i = 1; i < 8; i++) { /* there is always one of them */
            (void)admit_for(&many[i], one, 300 << 10, 0);
            ic_window_leave(&many[i - 1]);
            fake_run();
        }
        assert_int_equal(told[1], 1);
        ic_window_leave(&many[7]);
        ic_window_leave(&large);
        fake_end();
    }
}

static void test_reuse_and_trim(void **state)
{
    (void)state;
    struct ic_grant g = {0};
    begin(1 << 20);
    uint64_t live = ic_alloc_live();
    assert_int_equal(admit(&g, 512 << 10, 0), 1);
    struct ic_buf *buf = ic_window_take(&g, 256 << 10);
    uint8_t *bytes = buf->data;
    ic_buf_unref(buf);
    buf = ic_window_take(&g, 200 << 10);
    assert_ptr_equal(buf->data, bytes);
    assert_int_equal(buf->len, 0);
    ic_buf_unref(buf);
    /* Other sizes: what is out and kept never exceeds the limit. */
    for (size_t size = 1024; size <= 512 << 10; size += 1024) {
        ic_buf_unref(ic_window_take(&g, size));
    }
    struct ic_window_stats stats = ic_window_stats(fake.proxy.window);
    assert_true(stats.cached > 0 && stats.peak <= stats.limit);
    fake_pass(IC_WINDOW_TRIM_MS);
    fake_pass(IC_WINDOW_TRIM_MS);
    assert_int_equal(ic_window_stats(fake.proxy.window).cached, 0);
    ic_window_leave(&g);
    assert_int_equal(ic_alloc_live(), live);
    fake_end();
}

/* Whoever waits is helped by what its own use gives back, and by that of another only if that has
 * more than its part: 192 of 1024 KB. */
static void test_who_helps_those_who_wait(void **state)
{
    (void)state;
    struct ic_grant read[2] = {0}, write[2] = {0};
    begin(1 << 20);
    struct ic_window *w = fake.proxy.window;
    uint64_t now_ms = ic_loop_now_ms(fake.proxy.loop) + 300;
    assert_int_equal(admit_for(&read[0], IC_WINDOW_READ, 110 << 10, 0), 1);
    assert_int_equal(admit_for(&write[0], IC_WINDOW_WRITE, 690 << 10, 1), 1);
    assert_int_equal(admit_for(&write[1], IC_WINDOW_WRITE, 100 << 10, 2), 0);
    assert_int_equal(ic_window_waited_ms(w, IC_WINDOW_WRITE, now_ms), 300);
    assert_int_equal(ic_window_waited_ms(w, IC_WINDOW_READ, now_ms), 0);
    assert_int_equal(admit_for(&read[1], IC_WINDOW_READ, 90 << 10, 3), 1);
    assert_int_equal(ic_window_waited_ms(w, IC_WINDOW_READ, now_ms), 300);
    for (int i = 0; i < 2; i++) {
        ic_window_leave(&write[i]);
        ic_window_leave(&read[i]);
    }
    fake_end();
}

static void count_waiting(void *ctx)
{
    ++*(int *)ctx;
}

/* Once whenever it begins, not for each that waits. */
static void test_waiting_is_told(void **state)
{
    (void)state;
    struct ic_grant g[4] = {0};
    int times = 0;
    begin(1 << 20);
    ic_window_on_waiting(fake.proxy.window, count_waiting, &times);
    assert_int_equal(admit(&g[0], 700 << 10, 0), 1);
    assert_int_equal(times, 0);
    assert_int_equal(admit(&g[1], 700 << 10, 1), 0);
    assert_int_equal(admit(&g[2], 700 << 10, 2), 0);
    assert_int_equal(times, 1);
    ic_window_leave(&g[1]);
    ic_window_leave(&g[2]);
    assert_int_equal(admit(&g[3], 700 << 10, 3), 0);
    assert_int_equal(times, 2);
    ic_window_on_waiting(fake.proxy.window, NULL, NULL);
    ic_window_leave(&g[3]);
    assert_int_equal(admit(&g[3], 700 << 10, 3), 0);
    assert_int_equal(times, 2);
    ic_window_leave(&g[3]);
    ic_window_leave(&g[0]);
    fake_end();
}

static void test_no_memory(void **state)
{
    (void)state;
    struct ic_grant g = {0};
    begin(1 << 20);
    assert_int_equal(admit(&g, 512 << 10, 0), 1);
    for (uint64_t at = 1; at <= 2; at++) {
        ic_alloc_fail_at(at);
        assert_null(ic_window_take(&g, 1024));
        ic_alloc_fail_at(0);
        assert_int_equal(ic_window_stats(fake.proxy.window).used, 512 << 10);
        fake_pass(IC_WINDOW_RETRY_MS);
        assert_int_equal(told[0], at);
    }
    ic_alloc_fail_at(1);
    assert_null(ic_window_new(NULL, 1 << 20));
    ic_alloc_fail_at(0);
    ic_window_leave(&g);
    fake_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_admission_is_first_come_first_served),
        cmocka_unit_test(test_each_use_has_a_part_of_its_own),
        cmocka_unit_test(test_more_than_there_is),
        cmocka_unit_test(test_small_reads_wait_for_no_small_writes),
        cmocka_unit_test(test_small_writes_let_pass),
        cmocka_unit_test(test_some_are_brought_forward),
        cmocka_unit_test(test_leaving_while_waiting),
        cmocka_unit_test(test_growth_and_return),
        cmocka_unit_test(test_no_growth_while_others_wait),
        cmocka_unit_test(test_the_large_one_has_its_turn),
        cmocka_unit_test(test_reuse_and_trim),
        cmocka_unit_test(test_who_helps_those_who_wait),
        cmocka_unit_test(test_waiting_is_told),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
