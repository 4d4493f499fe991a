/*
 * test_catalog.c - keys, versions and their states, expiry order, flush by swapping,
 * and what failing memory leaves behind: nothing.
 */
#include "core/catalog.h"

#include "base/config.h"
#include "base/random.h"
#include "unit/unit.h"

#include <malloc.h>
#include <stdio.h>

static struct ic_slice key_of(const char *text)
{
    return ic_slice_str(text);
}

static struct ic_entry *show(struct ic_catalog *c, const char *key, struct ic_object *o,
                             int64_t expires_ms)
{
    struct ic_entry *e = ic_catalog_entry_new(c, key_of(key), 1, expires_ms);
    assert_non_null(e);
    assert_int_equal(ic_catalog_attach(c, e, o), 0);
    return e;
}

static void hide(struct ic_catalog *c, struct ic_entry *e)
{
    ic_catalog_detach(c, e);
    ic_catalog_entry_free(c, e);
}

static void test_states(void **state)
{
    (void)state;
    struct ic_catalog *c = ic_catalog_new(1);
    struct ic_object *o = ic_catalog_object_new(c, 77, 10, 2);
    o->size = 1000;
    assert_int_equal(o->state, IC_OBJECT_DRAFT);
    assert_ptr_equal(ic_catalog_object(c, 77), o);
    assert_int_equal(ic_catalog_bytes(c), 0);
    struct ic_entry *a = show(c, "a", o, 0);
    struct ic_entry *b = show(c, "b", o, 0);
    assert_int_equal(o->state, IC_OBJECT_COMMITTED);
    assert_int_equal(ic_catalog_bytes(c), 1000); /* once */
    assert_int_equal(ic_catalog_count(c), 2);
    assert_ptr_equal(ic_catalog_find(c, key_of("a"))->object, o);
    hide(c, a);
    assert_int_equal(o->state, IC_OBJECT_COMMITTED);
    assert_null(ic_catalog_find(c, key_of("a")));
    ic_catalog_detach(c, b);
    assert_int_equal(o->state, IC_OBJECT_DEAD);
    assert_int_equal(ic_catalog_bytes(c), 0);
    assert_int_equal(ic_catalog_attach(c, b, o), 0); /* an undo */
    assert_int_equal(o->state, IC_OBJECT_COMMITTED);
    ic_catalog_detach(c, b);
    ic_catalog_redraft(c, o);
    assert_int_equal(o->state, IC_OBJECT_DRAFT);
    assert_int_equal(ic_catalog_attach(c, b, o), 0);
    hide(c, b);
    ic_catalog_object_free(c, o);
    assert_null(ic_catalog_object(c, 77));
    assert_int_equal(ic_catalog_object_count(c), 0);
    ic_catalog_free(c);
}

static void test_memory_returns_to_where_it_was(void **state)
{
    (void)state;
    struct ic_catalog *c = ic_catalog_new(1);
    struct ic_object *o = ic_catalog_object_new(c, 1, 1, 2);
    struct ic_entry *first = show(c, "first", o, 5);
    uint64_t before = ic_catalog_memory(c);
    struct ic_object *p = ic_catalog_object_new(c, 2, 10, 2);
    struct ic_entry *e = show(c, "a key of some length", p, 7);
    assert_true(ic_catalog_memory(c) > before + sizeof *p + sizeof *e);
    assert_true(ic_catalog_entry_memory(e) > sizeof *p + sizeof *e);
    hide(c, e);
    ic_catalog_object_free(c, p);
    assert_int_equal(ic_catalog_memory(c), before);
    (void)first;
    ic_catalog_free(c);
}

static void test_expiry_order(void **state)
{
    (void)state;
    struct ic_catalog *c = ic_catalog_new(1);
    struct ic_object *o = ic_catalog_object_new(c, 1, 1, 0);
    struct ic_rng rng;
    ic_rng_init(&rng, 4);
    for (int i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        struct ic_entry *e = show(c, key, o, i % 3 == 0 ? 0 : 1 + (int64_t)ic_rng_below(&rng, 99));
        if (i % 5 == 0) {
            int64_t moved = i % 2 == 0 ? 0 : 50;
            assert_int_equal(ic_catalog_expire(c, e, moved), 0);
        }
    }
    uint64_t expiring = ic_catalog_count_expiring(c);
    int64_t last = 0;
    struct ic_entry *e;
    while ((e = ic_catalog_first_to_expire(c)) != NULL) {
        assert_true(e->expires_ms >= last && e->expires_ms != 0);
        last = e->expires_ms;
        hide(c, e);
        assert_int_equal(ic_catalog_count_expiring(c), --expiring);
    }
    assert_int_equal(expiring, 0);
    assert_true(ic_catalog_count(c) > 0);
    ic_catalog_free(c);
}

static void test_swap(void **state)
{
    (void)state;
    struct ic_catalog *c = ic_catalog_new(1);
    struct ic_object *o = ic_catalog_object_new(c, 1, 1, 0);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        show(c, key, o, i);
    }
    struct ic_entry *k7 = ic_catalog_find(c, key_of("k7"));
    struct ic_keys *old = ic_catalog_swap(c);
    assert_int_equal(ic_catalog_count(c), 0);
    assert_null(ic_catalog_find(c, key_of("k7")));
    assert_false(ic_catalog_current(c, k7));
    ic_catalog_unswap(c, old);
    assert_ptr_equal(ic_catalog_find(c, key_of("k7")), k7);
    old = ic_catalog_swap(c);
    struct ic_object *p = ic_catalog_object_new(c, 2, 1, 0);
    struct ic_entry *fresh = show(c, "k7", p, 3);
    int reaped = 0;
    while (!ic_keys_empty(old)) {
        struct ic_entry *e = ic_keys_any(old);
        assert_non_null(e);
        hide(c, e);
        reaped++;
    }
    assert_int_equal(reaped, 1000);
    assert_int_equal(o->state, IC_OBJECT_DEAD);
    ic_catalog_keys_free(c, old);
    assert_ptr_equal(ic_catalog_find(c, key_of("k7")), fresh);
    assert_ptr_equal(ic_catalog_first_to_expire(c), fresh);
    assert_ptr_equal(ic_catalog_random(c, 123, &(uint64_t){0}), fresh);
    ic_catalog_free(c);
}

/* A walk has kept its table large: no call looks through all of it. */
static void test_a_sparse_set_is_taken_apart(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct ic_catalog *c = ic_catalog_new(1);
    struct ic_object *o = ic_catalog_object_new(c, 1, 1, 0);
    char key[16];
    ic_catalog_walk_begin(c);
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "k%d", i);
        show(c, key, o, 0);
    }
    for (int i = 1; i < COUNT; i++) {
        snprintf(key, sizeof key, "k%d", i);
        hide(c, ic_catalog_find(c, key_of(key)));
    }
    struct ic_keys *old = ic_catalog_swap(c);
    int calls = 1;
    struct ic_entry *e = ic_keys_any(old);
    for (; e == NULL && calls <= 2 * COUNT / IC_KEYS_LOOKED; calls++) {
        e = ic_keys_any(old);
    }
    assert_non_null(e);
    assert_true(calls > 1);
    hide(c, e);
    assert_true(ic_keys_empty(old));
    ic_catalog_keys_free(c, old);
    ic_catalog_walk_end(c);
    ic_catalog_free(c);
}

struct visit {
    int entries, objects;
};

static void count_entry(struct ic_entry *e, void *ctx)
{
    (void)e;
    ((struct visit *)ctx)->entries++;
}

static void count_object(struct ic_object *o, void *ctx)
{
    (void)o;
    ((struct visit *)ctx)->objects++;
}

static void test_scans(void **state)
{
    (void)state;
    struct ic_catalog *c = ic_catalog_new(1);
    assert_null(ic_catalog_random(c, 1, &(uint64_t){0}));
    for (uint64_t i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)i);
        show(c, key, ic_catalog_object_new(c, i, 1, 0), 0);
    }
    struct visit v = {0};
    uint64_t cursor = 0;
    do {
        cursor = ic_catalog_scan(c, cursor, count_entry, &v);
    } while (cursor != 0);
    do {
        cursor = ic_catalog_object_scan(c, cursor, count_object, &v);
    } while (cursor != 0);
    assert_int_equal(v.entries, 200);
    assert_int_equal(v.objects, 200);
    ic_catalog_object_each(c, count_object, &v);
    assert_int_equal(v.objects, 400);
    ic_catalog_free(c);
}

/* Every allocation of a short life fails once. */
static void test_failing_memory(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 12; at++) {
        ic_alloc_fail_at(at);
        struct ic_catalog *c = ic_catalog_new(1);
        if (c == NULL) {
            continue;
        }
        struct ic_object *o = ic_catalog_object_new(c, 1, 10, 2);
        struct ic_entry *e = o == NULL ? NULL : ic_catalog_entry_new(c, key_of("k"), 1, 5);
        int result = e == NULL ? IC_ENOMEM : ic_catalog_attach(c, e, o);
        if (result == 0) {
            assert_ptr_equal(ic_catalog_find(c, key_of("k")), e);
            struct ic_keys *old = ic_catalog_swap(c);
            if (old == NULL) {
                assert_ptr_equal(ic_catalog_find(c, key_of("k")), e);
            } else {
                ic_catalog_unswap(c, old);
            }
        } else {
            assert_null(ic_catalog_find(c, key_of("k")));
            assert_true(o == NULL || o->state == IC_OBJECT_DRAFT);
            if (e != NULL) {
                ic_catalog_entry_free(c, e);
            }
        }
        ic_catalog_free(c);
        assert_int_equal(ic_alloc_live(), 0);
    }
    ic_catalog_free(NULL);
}

/* A million small objects take 0.4 GB, and what is counted is what the allocator gave. */
static void test_memory_per_object(void **state)
{
    (void)state;
    enum { OBJECTS = 20000, BYTES_MAX = 430 };
    struct ic_catalog *c = ic_catalog_new(1);
    struct ic_eviction *eviction = ic_eviction_new(IC_EVICTION_GDSF, 0);
    struct mallinfo2 before = mallinfo2();
    uint64_t counted = ic_catalog_memory(c) + ic_eviction_memory(eviction);
    for (uint64_t i = 0; i < OBJECTS; i++) {
        char key[32];
        snprintf(key, sizeof key, "user:session:%012d", (int)i);
        struct ic_object *o = ic_catalog_object_new(c, i, 1, 2);
        assert_non_null(o);
        show(c, key, o, 0);
        assert_int_equal(ic_eviction_insert(eviction, &o->policy, 1000, i), 0);
    }
    struct mallinfo2 after = mallinfo2();
    uint64_t given = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    counted = ic_catalog_memory(c) + ic_eviction_memory(eviction) - counted;
    print_message("%d bytes an object, %d of the allocator\n", (int)(counted / OBJECTS),
                  (int)(given / OBJECTS)); /* 0 with a sanitizer's */
    assert_true(counted <= OBJECTS * BYTES_MAX);
    assert_true(given <= OBJECTS * BYTES_MAX && (given == 0 || counted <= given * 11 / 10));
    ic_catalog_free(c);
    ic_eviction_free(eviction);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_states),
        leak_test(test_memory_returns_to_where_it_was),
        leak_test(test_expiry_order),
        leak_test(test_swap),
        leak_test(test_a_sparse_set_is_taken_apart),
        leak_test(test_scans),
        leak_test(test_failing_memory),
        leak_test(test_memory_per_object),
    };
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
