/*
 * test_heap.c - the heap against a sorted scan of plain numbers, with failing memory.
 */
#include "base/heap.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/random.h"
#include "unit/unit.h"

enum { ITEMS = 300 };

struct item {
    struct ic_heap_node node;
    uint64_t rank;
};

static struct item *item_of(const struct ic_heap_node *node)
{
    return IC_CONTAINER(node, struct item, node);
}

static bool before(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    return item_of(a)->rank < item_of(b)->rank;
}

static uint64_t least(const struct item *items)
{
    uint64_t rank = UINT64_MAX;
    for (int i = 0; i < ITEMS; i++) {
        if (items[i].node.place != 0 && items[i].rank < rank) {
            rank = items[i].rank;
        }
    }
    return rank;
}

static void test_random_operations(void **state)
{
    (void)state;
    static struct item items[ITEMS];
    struct ic_rng rng;
    struct ic_heap heap;
    ic_rng_init(&rng, 3);
    ic_heap_init(&heap, before);
    size_t count = 0;
    for (int step = 0; step < 20000; step++) {
        struct item *item = &items[ic_rng_below(&rng, ITEMS)];
        if (item->node.place == 0) {
            item->rank = ic_rng_below(&rng, 1000);
            assert_int_equal(ic_heap_insert(&heap, &item->node), 0);
            count++;
        } else if (ic_rng_below(&rng, 2) == 0) {
            item->rank = ic_rng_below(&rng, 1000);
            ic_heap_moved(&heap, &item->node);
        } else {
            ic_heap_remove(&heap, &item->node);
            ic_heap_remove(&heap, &item->node); /* again: fine */
            count--;
        }
        assert_int_equal(heap.count, count);
        struct ic_heap_node *first = ic_heap_first(&heap);
        assert_true(first == NULL ? count == 0 : item_of(first)->rank == least(items));
    }
    ic_heap_deinit(&heap);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct ic_heap heap;
    struct item item = {.rank = 1};
    ic_heap_init(&heap, before);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_heap_insert(&heap, &item.node), IC_ENOMEM);
    assert_int_equal(heap.count, 0);
    assert_int_equal(ic_heap_insert(&heap, &item.node), 0);
    ic_heap_deinit(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_random_operations),
        leak_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
