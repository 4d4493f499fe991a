/* A queue in blocks is a queue, and little of each chunk is kept. */
#include "core/condemned.h"

#include "base/alloc.h"
#include "base/random.h"

#include "unit/unit.h"

enum { MOST = 1000 };

static struct ic_condemned numbered(uint64_t i)
{
    return (struct ic_condemned){
        .object_id = ~i, .cost = (UINT64_C(1) << 48) - 1 - i, .chunk = (uint16_t)(UINT16_MAX - i)};
}

static void check_pop(struct ic_condemned_queue *q, uint64_t i)
{
    struct ic_condemned c, expected = numbered(i);
    assert_true(ic_condemned_pop(q, &c));
    assert_int_equal(c.object_id, expected.object_id);
    assert_int_equal(c.cost, expected.cost);
    assert_int_equal(c.chunk, expected.chunk);
}

static void push(struct ic_condemned_queue *q,
                 bool (*to)(struct ic_condemned_queue *q, const struct ic_condemned *c), uint64_t i)
{
    struct ic_condemned c = numbered(i);
    assert_true(to(q, &c));
}

/* Numbers FIRST to END - 1 are in it, whatever is done. */
static void test_random_operations(void **state)
{
    (void)state;
    struct ic_condemned_queue q;
    struct ic_rng rng;
    uint64_t first = MOST, end = MOST;
    ic_condemned_init(&q);
    ic_rng_init(&rng, 1);
    for (int i = 0; i < 100000; i++) {
        uint64_t what = ic_rng_below(&rng, 100), way = (uint64_t)(i / 3000) % 2 * 30;
        assert_int_equal(ic_condemned_empty(&q), first == end);
        if (what < 20 + way && end - first < MOST) {
            push(&q, ic_condemned_push_back, end++);
        } else if (what < 40 + way && first > 0 && end - first < MOST) {
            push(&q, ic_condemned_push_front, --first);
        } else if (first < end) {
            check_pop(&q, first++);
        }
    }
    while (first < end) {
        check_pop(&q, first++);
    }
    struct ic_condemned c;
    assert_false(ic_condemned_pop(&q, &c));
    ic_condemned_clear(&q);
}

static void test_memory(void **state)
{
    (void)state;
    struct ic_condemned_queue q;
    uint64_t before = ic_alloc_bytes();
    ic_condemned_init(&q);
    for (uint64_t i = 0; i < 10000; i++) {
        push(&q, ic_condemned_push_back, i);
    }
    assert_in_range(ic_alloc_bytes() - before, 10000 * 16, 10000 * 17);
    ic_condemned_clear(&q);
    assert_true(ic_condemned_empty(&q));
    assert_int_equal(ic_alloc_bytes(), before);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct ic_condemned_queue q;
    struct ic_condemned c = numbered(1);
    ic_condemned_init(&q);
    ic_alloc_fail_at(1);
    assert_false(ic_condemned_push_back(&q, &c));
    ic_alloc_fail_at(1);
    assert_false(ic_condemned_push_front(&q, &c));
    ic_alloc_fail_at(0);
    assert_true(ic_condemned_empty(&q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_random_operations),
        leak_test(test_memory),
        leak_test(test_without_memory),
    };
    return cmocka_run_group_tests_name("condemned", tests, NULL, NULL);
}
