/*
 * test_repair.c - the order of repairs, the gathering, retries, and where chunks go.
 */
#include "core/repair.h"

#include "unit/unit.h"

#include <string.h>

static int scores[256]; /* what AWAKE says of an id */

static int awake(void *ctx, uint64_t id)
{
    (void)ctx;
    return scores[id];
}

static struct ic_repair_queue *make(uint32_t most)
{
    struct ic_repair_queue *q = ic_repair_queue_new(most, 1);
    memset(scores, 0, sizeof scores);
    assert_non_null(q);
    return q;
}

static uint64_t next(struct ic_repair_queue *q, uint64_t now)
{
    uint64_t id;
    uint32_t looks = UINT32_MAX;
    return ic_repair_next(q, now, awake, NULL, &looks, &id) ? id : 0;
}

static void test_levels(void **state)
{
    (void)state;
    assert_int_equal(ic_repair_level(-5, 0), 0);
    assert_int_equal(ic_repair_level(999, 0), 0);
    assert_int_equal(ic_repair_level(1000, 0), 1);
    assert_true(ic_repair_level(60000, 0) < ic_repair_level(600000, 0));
    /* nothing to spare: before all that bears a further loss */
    assert_true(ic_repair_level(INT64_MAX, 0) < ic_repair_level(0, 1));
    assert_int_equal(ic_repair_level(60000, 1), ic_repair_level(60000, 7));
    assert_true(ic_repair_level(INT64_MAX, 3) < IC_REPAIR_LEVELS);
}

static void test_gathers_then_urgent_first(void **state)
{
    (void)state;
    struct ic_repair_queue *q = make(100);
    assert_int_equal(ic_repair_next_at(q), UINT64_MAX);
    assert_int_equal(ic_repair_offer(q, 1, 5, 1000), 1);
    assert_int_equal(ic_repair_offer(q, 2, 3, 1200), 1);
    assert_int_equal(ic_repair_offer(q, 3, 9, 1200), 1);
    assert_int_equal(ic_repair_offer(q, 3, 1, 1200), 0); /* it is there; more urgent now */
    assert_int_equal(ic_repair_offer(q, 2, 8, 1200), 0); /* no less than before */
    assert_int_equal(ic_repair_waiting(q), 3);
    assert_int_equal(ic_repair_next_at(q), 1000 + IC_REPAIR_GATHER_MS);
    assert_int_equal(next(q, 1000 + IC_REPAIR_GATHER_MS - 1), 0);
    assert_int_equal(next(q, 2000), 3);
    assert_int_equal(next(q, 2000), 2);
    assert_int_equal(ic_repair_offer(q, 4, 0, 2000), 1); /* no second gathering */
    assert_int_equal(next(q, 2000), 4);
    assert_int_equal(next(q, 2000), 1);
    assert_int_equal(next(q, 2000), 0);
    assert_int_equal(ic_repair_next_at(q), UINT64_MAX);
    ic_repair_queue_free(q);
}

/* However many are not to be repaired any more. */
static void test_looks_are_bounded(void **state)
{
    (void)state;
    struct ic_repair_queue *q = make(300);
    for (uint64_t id = 1; id < 200; id++) {
        scores[id] = -1;
        ic_repair_offer(q, id, id < 100 ? 2 : 3, 0);
    }
    ic_repair_offer(q, 200, 3, 0);
    uint64_t id;
    for (uint32_t left = 200; left > 20; left -= 20) {
        uint32_t looks = 20;
        assert_false(ic_repair_next(q, 1000, awake, NULL, &looks, &id));
        assert_int_equal(looks, 0);
        assert_int_equal(ic_repair_waiting(q), left - 20);
        assert_true(ic_repair_next_at(q) <= 1000);
    }
    uint32_t looks = 100;
    assert_true(ic_repair_next(q, 1000, awake, NULL, &looks, &id));
    assert_true(id == 200 && looks == 80);
    assert_int_equal(ic_repair_next_at(q), UINT64_MAX);
    ic_repair_queue_free(q);
}

static void test_most_awake_of_a_level(void **state)
{
    (void)state;
    struct ic_repair_queue *q = make(100);
    for (uint64_t id = 1; id <= 40; id++) {
        scores[id] = (int)(id % 7);
        ic_repair_offer(q, id, 2, 0);
    }
    scores[1] = scores[2] = -1; /* not to be repaired any more */
    scores[40] = 100;           /* further back than is looked */
    assert_int_equal(next(q, 1000), 6);
    assert_int_equal(ic_repair_waiting(q), 37);
    assert_int_equal(next(q, 1000), 13);
    for (int i = 0; i < 36; i++) {
        assert_true(next(q, 1000) > 0);
    }
    assert_int_equal(next(q, 1000), 0);
    ic_repair_queue_free(q);
}

static void test_full(void **state)
{
    (void)state;
    struct ic_repair_queue *q = make(3);
    for (uint64_t id = 1; id <= 3; id++) {
        assert_int_equal(ic_repair_offer(q, id, 5, 0), 1);
    }
    assert_int_equal(ic_repair_retry_at(q), UINT64_MAX);
    assert_int_equal(ic_repair_offer(q, 4, 5, 10), IC_ENOSPC); /* no more urgent than those */
    assert_int_equal(ic_repair_retry_at(q), 10 + IC_REPAIR_RETRY_MIN_MS);
    assert_int_equal(ic_repair_offer(q, 5, 4, 10), IC_ENOSPC); /* in place of 3 */
    assert_int_equal(ic_repair_waiting(q), 3);
    assert_int_equal(next(q, 1000), 5);
    assert_int_equal(next(q, 1000), 1);
    assert_int_equal(next(q, 1000), 2);
    assert_int_equal(next(q, 1000), 0);
    ic_repair_queue_free(q);
}

static void test_retries_back_off(void **state)
{
    (void)state;
    struct ic_repair_queue *q = make(3);
    uint64_t now = 0, waited = 0;
    for (int i = 0; i < 12; i++) {
        ic_repair_failed(q, now);
        ic_repair_failed(q, now + 1); /* one is due already */
        uint64_t wait = ic_repair_retry_at(q) - now;
        assert_true(wait == IC_REPAIR_RETRY_MAX_MS || wait == (uint64_t)IC_REPAIR_RETRY_MIN_MS
                                                                  << i);
        now += wait;
        waited = wait;
        ic_repair_retried(q);
        assert_int_equal(ic_repair_retry_at(q), UINT64_MAX);
    }
    assert_int_equal(waited, IC_REPAIR_RETRY_MAX_MS);
    ic_repair_succeeded(q);
    ic_repair_failed(q, now);
    assert_int_equal(ic_repair_retry_at(q), now + IC_REPAIR_RETRY_MIN_MS);
    ic_repair_offer(q, 1, 0, now);
    ic_repair_forget_all(q);
    assert_int_equal(ic_repair_waiting(q), 0);
    assert_int_equal(ic_repair_retry_at(q), UINT64_MAX);
    assert_int_equal(ic_repair_next_at(q), UINT64_MAX);
    ic_repair_queue_free(q);
}

static void test_places(void **state)
{
    (void)state;
    struct ic_rng rng;
    ic_rng_init(&rng, 3);
    for (int round = 0; round < 1000; round++) {
        struct ic_candidate c[14];
        uint16_t taken[10], out[2];
        for (int i = 0; i < 14; i++) {
            c[i] = (struct ic_candidate){.room = 1000, .capacity = 1000, .down = i == 12};
        }
        for (uint16_t i = 0; i < 10; i++) {
            taken[i] = i;
        }
        uint32_t full = (uint32_t)ic_rng_below(&rng, 5);
        for (uint32_t i = 0; i < full; i++) {
            c[13 - i].room = 99;
        }
        int found = ic_repair_places(c, 14, taken, 10, 100, 2, &rng, out);
        assert_int_equal(found, full >= 4 ? IC_ENOSPC : full == 3 ? 1 : 2);
        for (int i = 0; i < found; i++) {
            assert_true(out[i] >= 10 && out[i] < 14 - full);
            assert_true(out[i] != 12 || full > 0); /* one that is down: only if it must be */
        }
        assert_true(found < 2 || out[0] != out[1]);
    }
}

static void test_failing_memory(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 4; at++) {
        ic_alloc_fail_at(at);
        struct ic_repair_queue *q = ic_repair_queue_new(10, 1);
        int result = q == NULL ? 0 : ic_repair_offer(q, 7, 1, 0);
        ic_alloc_fail_at(0);
        assert_true(q == NULL || result == IC_ENOMEM || result == 1);
        assert_true(q == NULL || result == 1 || ic_repair_retry_at(q) != UINT64_MAX);
        ic_repair_queue_free(q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_levels),
        leak_test(test_gathers_then_urgent_first),
        leak_test(test_looks_are_bounded),
        leak_test(test_most_awake_of_a_level),
        leak_test(test_full),
        leak_test(test_retries_back_off),
        leak_test(test_places),
        leak_test(test_failing_memory),
    };
    return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
