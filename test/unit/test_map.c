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

/* What a resize moves is spread over the changes after it. */
static void test_no_change_moves_the_table(void **state)
{
    (void)state;
    enum { MANY = 40000, MOVED_MAX = 16 };
    static struct item items[MANY];
    struct ic_map map;
    size_t resizes = 0, most = 0;
    ic_map_init(&map, 3, match);
    for (uint32_t i = 0; i < 2 * MANY; i++) {
        size_t buckets = map.bucket_count, next = map.old_next, old = map.old_count;
        struct item *item = &items[i % MANY];
        if (i < MANY) {
            item->key = i;
            assert_int_equal(ic_map_insert(&map, &item->node, key_of(item)), 0);
        } else {
            assert_ptr_equal(ic_map_find(&map, key_of(item)), &item->node);
            ic_map_remove(&map, &item->node);
        }
        size_t moved =
            map.old != NULL ? map.old_next - (map.old_count == old ? next : 0) : old - next;
        most = moved > most ? moved : most;
        if (map.bucket_count != buckets) {
            assert_int_equal(old, next); /* the one before was over */
            resizes++;
        }
    }
    assert_true(resizes > 10);
    assert_int_equal(most, MOVED_MAX);
    assert_true(map.bucket_count < 200);
    ic_map_deinit(&map);
}

static void count_seen(struct ic_map_node *node, void *ctx)
{
    uint8_t *seen = ctx;
    seen[((struct item *)(void *)node)->key]++;
}

/* While the table may not shrink a scan sees nothing twice, also in the middle of a resize. */
static void test_scan_sees_nothing_twice(void **state)
{
    (void)state;
    enum { MANY = 4000 };
    static struct item items[MANY];
    uint8_t seen[MANY];
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct ic_map map;
        memset(seen, 0, sizeof seen);
        ic_map_init(&map, seed, match);
        for (uint32_t i = 0; i < MANY / 2; i++) {
            items[i] = (struct item){.key = i};
            assert_int_equal(ic_map_insert(&map, &items[i].node, key_of(&items[i])), 0);
        }
        for (uint32_t i = MANY / 2; seed % 2 == 1 && i > 10 + seed; i--) { /* one that shrinks */
            ic_map_remove(&map, &items[i - 1].node);
            items[i - 1].seen = true;
        }
        map.keep_size = true;
        uint64_t cursor = 0;
        uint32_t added = MANY / 2, removed = 10;
        do {
            cursor = ic_map_scan(&map, cursor, count_seen, seen);
            for (uint32_t i = 0; i < 3 && added < MANY; i++, added++) {
                items[added] = (struct item){.key = added};
                assert_int_equal(ic_map_insert(&map, &items[added].node, key_of(&items[added])), 0);
            }
            for (; seed % 3 == 0 && removed < 1000 && !items[removed].seen; removed++) {
                ic_map_remove(&map, &items[removed].node);
                items[removed].seen = true;
            }
        } while (cursor != 0);
        for (uint32_t i = 0; i < MANY; i++) {
            assert_true(seen[i] <= 1 && (i >= 10 || seen[i] == 1));
        }
        ic_map_deinit(&map);
    }
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
    assert_ptr_equal(ic_map_pick(&map, 12345, &(uint64_t){0}), &item.node);
    ic_map_deinit(&map);
}

static void test_pick_in_a_sparse_table(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    static struct item item[COUNT];
    struct ic_map map;
    uint64_t looked = 0;
    ic_map_init(&map, 0, match);
    for (uint32_t i = 0; i < COUNT; i++) {
        item[i].key = i;
        assert_int_equal(ic_map_insert(&map, &item[i].node, key_of(&item[i])), 0);
    }
    assert_non_null(ic_map_pick(&map, 0, &looked));
    assert_in_range(looked, 1, 50);
    map.keep_size = true;
    for (uint32_t i = 1; i < COUNT; i++) {
        ic_map_remove(&map, &item[i].node);
    }
    looked = 0;
    for (uint64_t i = 0; i < 10; i++) {
        assert_ptr_equal(ic_map_pick(&map, i * map.bucket_count / 10, &looked), &item[0].node);
    }
    assert_in_range(looked, COUNT, 10 * map.bucket_count);
    ic_map_deinit(&map);
}

/* It was kept large: without a change it gets as small as it would have with them, by and by. */
static void test_a_sparse_table_settles(void **state)
{
    (void)state;
    enum { COUNT = 10000, MOST = 50 };
    static struct item item[COUNT];
    struct ic_map map;
    uint64_t looked = 0;
    ic_map_init(&map, 0, match);
    for (uint32_t i = 0; i < COUNT; i++) {
        item[i].key = i;
        assert_int_equal(ic_map_insert(&map, &item[i].node, key_of(&item[i])), 0);
    }
    map.keep_size = true;
    for (uint32_t i = 2; i < COUNT; i++) {
        ic_map_remove(&map, &item[i].node);
    }
    while (ic_map_settle(&map, MOST)) {
    }
    assert_true(map.bucket_count > COUNT);
    map.keep_size = false;
    size_t steps = 0, buckets = map.bucket_count;
    for (bool more = true; more; steps++) {
        size_t next = map.old_next;
        more = ic_map_settle(&map, MOST);
        assert_true(map.old_next <= next + MOST);
        assert_ptr_equal(ic_map_find(&map, key_of(&item[1])), &item[1].node);
    }
    assert_true(steps >= buckets / MOST);
    assert_non_null(ic_map_pick(&map, 1, &looked));
    assert_in_range(looked, 1, 100);
    assert_true(ic_map_memory(&map) < 100 * sizeof(void *));
    ic_map_deinit(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_random_operations),         leak_test(test_scan_sees_what_stays),
        leak_test(test_no_change_moves_the_table), leak_test(test_scan_sees_nothing_twice),
        leak_test(test_insert_without_memory),     leak_test(test_pick_in_a_sparse_table),
        leak_test(test_a_sparse_table_settles),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
