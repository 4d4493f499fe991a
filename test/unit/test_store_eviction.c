/*
 * test_store_eviction.c - what the eviction policies are told by the store.
 */
#include "proxy/store.h"

#include "unit/store_world.h"

static struct world world;

enum { SIZE = 1000 };

static struct world *start(const char *eviction)
{
    const char *const set[] = {"code-table", "*:1+1",     "unit-size", "64", "eviction",
                               eviction,     "maxmemory", "30000",     NULL};
    world_init(&world, 3, 2000000, set);
    world_hello_all(&world);
    return &world;
}

/* COUNT objects called PREFIX0, PREFIX1, ... */
static void set_many(struct world *w, const char *prefix, int count, uint64_t size)
{
    for (int i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s%d", prefix, i);
        assert_true(world_set(w, key, size, 0) > 0);
    }
}

static uint64_t name_of(struct world *w, const char *key)
{
    return ic_store_find(w->store, ic_slice_str(key), w->wall_ms)->object->policy.name;
}

/* Two keys have two names, and one key the same each time: s3fifo and gdsf remember them. */
static void test_names(void **state)
{
    (void)state;
    struct world *w = start("s3fifo");
    set_many(w, "k", 2, SIZE);
    uint64_t name = name_of(w, "k0");
    assert_int_not_equal(name, name_of(w, "k1"));
    assert_int_equal(world_change(w, IC_CHANGE_DELETE, "k0", NULL, 0), 0);
    set_many(w, "k", 1, SIZE);
    assert_int_equal(name_of(w, "k0"), name);
    world_deinit(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_names),
    };
    return cmocka_run_group_tests_name("store eviction", tests, NULL, NULL);
}
