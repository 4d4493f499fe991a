/*
 * test_map.c - the hash map against a plain array, and the promise of its scan: what
 * stays throughout is seen, however the table is resized meanwhile.
 */
#include "base/map.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/random.h"
#include "unit/unit.h"

enum { ITEMS = 2000 };

struct item {
    struct ic_map_node node;
    uint32_t key;
    bool in, seen;
};

static bool match(const struct ic_map_node *node, struct ic_slice key)
{
    const struct item *item = (const struct item *)(const void *)node;
    return key.len == sizeof item->key && memcmp(&item->key, key.data, key.len) == 0;
}

static struct ic_slice key_of(const struct item *item)
{
    return ic_slice(&item->key, sizeof item->key);
}

static void make_items(struct item *items)
{
    for (uint32_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.key = i * 2654435761u};
    }
}

static void test_random_operations(void **state)
{
    (void)state;
    static struct item items[ITEMS];
    struct ic_rng rng;
    struct ic_map map;
    ic_rng_init(&rng, 1);
    make_items(items);
    ic_map_init(&map, 42, match);
    size_t count = 0;
    for (int step = 0; step < 60000; step++) {
        struct item *item = &items[ic_rng_below(&rng, ITEMS)];
        struct ic_map_node *found = ic_map_find(&map, key_of(item));
        assert_true((found != NULL) == item->in);
        if (item->in) {
            assert_ptr_equal(found, &item->node);
            ic_map_remove(&map, &item->node);
            count--;
        } else {
            assert_int_equal(ic_map_insert(&map, &item->node, key_of(item)), 0);
            count++;
        }
        item->in = !item->in;
        assert_int_equal(map.count, count);
    }
    ic_map_deinit(&map);
}

static void mark_seen(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    ((struct item *)(void *)node)->seen = true;
}

static void test_scan_sees_what_stays(void **state)
{
    (void)state;
    static struct item items[ITEMS];
    struct ic_rng rng;
    struct ic_map map;
    ic_rng_init(&rng, 7);
    make_items(items);
    ic_map_init(&map, 7, match);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ic_map_insert(&map, &items[i].node, key_of(&items[i])), 0);
    }
    /* The first hundred stay while the others come and go, so the table grows and shrinks. */
    uint64_t cursor = 0;
    size_t in = 100;
    do {
        cursor = ic_map_scan(&map, cursor, mark_seen, NULL);
        bool grow = ic_rng_below(&rng, 2) == 0;
        for (int i = 0; i < 200; i++) {
            if (grow && in < ITEMS) {
                assert_int_equal(ic_map_insert(&map, &items[in].node, key_of(&items[in])), 0);
                in++;
            } else if (!grow && in > 100) {
                in--;
                ic_map_remove(&map, &items[in].node);
            }
        }
    } while (cursor != 0);
    for (int i = 0; i < 100; i++) {
        assert_true(items[i].seen);
    }
    ic_map_deinit(&map);
}

static void test_insert_without_memory(void **state)
{
    (void)state;
    struct item item = {.key = 1};
    struct ic_map map;
    ic_map_init(&map, 0, match);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_map_insert(&map, &item.node, key_of(&item)), IC_ENOMEM);
    assert_null(ic_map_find(&map, key_of(&item)));
    assert_int_equal(ic_map_insert(&map, &item.node, key_of(&item)), 0);
    assert_non_null(ic_map_find(&map, key_of(&item)));
    assert_ptr_equal(ic_map_pick(&map, 12345), &item.node);
    ic_map_deinit(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_random_operations),
        leak_test(test_scan_sees_what_stays),
        leak_test(test_insert_without_memory),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
