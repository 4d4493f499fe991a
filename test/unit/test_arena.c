#include "node/arena.h"

#include "base/random.h"
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 40, BYTES = PAGES * IC_ARENA_PAGE_BYTES, PIECES = 4000 };

/* A piece of memory with its own pattern in it. */
struct piece {
    struct ic_extents extents;
    uint64_t len;
    uint8_t mark;
};

static void each_byte(struct ic_arena *a, struct piece *p, bool write)
{
    uint64_t left = p->len;
    for (uint32_t i = 0; i < p->extents.count; i++) {
        uint64_t bytes = (uint64_t)ic_extents_list(&p->extents)[i].count * IC_GRANULE_BYTES;
        uint64_t part = bytes < left ? bytes : left;
        uint8_t *at = ic_arena_at(a, ic_extents_list(&p->extents)[i].start);
        for (uint64_t j = 0; j < part; j += 64) {
            if (write) {
                at[j] = p->mark;
            } else {
                assert_int_equal(at[j], p->mark);
            }
        }
        left -= part;
    }
    assert_int_equal(left, 0);
}

static int get(struct ic_arena *a, struct piece *p, uint64_t len, uint8_t mark)
{
    *p = (struct piece){.len = len, .mark = mark};
    int result = ic_arena_get(a, len, &p->extents);
    if (result == 0) {
        each_byte(a, p, true);
    } else {
        assert_int_equal(p->extents.count, 0);
        p->len = 0;
    }
    return result;
}

static void put(struct ic_arena *a, struct piece *p)
{
    each_byte(a, p, false);
    ic_arena_put(a, &p->extents);
}

static void whole_and_empty(void **state)
{
    (void)state;
    struct ic_arena *a = ic_arena_new(BYTES - 1);
    struct piece p;
    assert_int_equal(ic_arena_bytes(a), BYTES);
    assert_int_equal(get(a, &p, 0, 1), 0);
    assert_int_equal(p.extents.count, 0);
    put(a, &p);
    assert_int_equal(get(a, &p, BYTES, 1), 0);
    assert_int_equal(p.extents.count, 1);
    struct piece q;
    assert_int_equal(get(a, &q, 1, 1), IC_ENOSPC);
    put(a, &p);
    assert_int_equal(get(a, &p, BYTES + 1, 1), IC_ENOSPC);
    assert_int_equal(get(a, &p, UINT64_MAX, 1), IC_ENOSPC);
    assert_int_equal(ic_arena_free_bytes(a), BYTES);
    ic_arena_free(a);
    assert_null(ic_arena_new(0));
    assert_null(ic_arena_new(UINT64_MAX / 2));
}

/* Every other granule free: all of it can still be had by one chunk. */
static void no_fragmentation(void **state)
{
    (void)state;
    struct ic_arena *a = ic_arena_new(4 * IC_ARENA_PAGE_BYTES);
    uint32_t count = 4 * IC_ARENA_PAGE_GRANULES;
    struct piece *small = calloc(count, sizeof(*small)), big;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(get(a, &small[i], 64, (uint8_t)i), 0);
    }
    for (uint32_t i = 0; i < count; i += 2) {
        put(a, &small[i]);
    }
    assert_int_equal(get(a, &big, (uint64_t)count / 2 * 64, 200), 0);
    assert_int_equal(ic_arena_free_bytes(a), 0);
    assert_int_equal(get(a, &small[0], 1, 1), IC_ENOSPC);
    put(a, &big);
    for (uint32_t i = 1; i < count; i += 2) {
        put(a, &small[i]);
    }
    assert_int_equal(ic_arena_free_bytes(a), 4 * IC_ARENA_PAGE_BYTES);
    assert_int_equal(ic_arena_table_bytes(a), 0);
    free(small);
    ic_arena_free(a);
}

/* Random sizes in, random pieces out, to the brim: nothing overlaps and nothing is refused that
 * is free. */
static void random_use(void **state)
{
    (void)state;
    struct ic_rng rng;
    ic_rng_init(&rng, 5);
    struct ic_arena *a = ic_arena_new(BYTES);
    struct piece *pieces = calloc(PIECES, sizeof(*pieces));
    uint64_t used = 0;
    for (size_t round = 0; round < 20000; round++) {
        struct piece *p = &pieces[ic_rng_below(&rng, PIECES)];
        if (p->extents.count > 0) {
            used -= (p->len + 63) / 64 * 64;
            put(a, p);
            p->len = 0;
            continue;
        }
        static const uint64_t most[] = {200, 3000, 70000, 400000};
        uint64_t len = 1 + ic_rng_below(&rng, most[ic_rng_below(&rng, 4)]);
        bool fits = (len + 63) / 64 * 64 <= BYTES - used;
        assert_int_equal(get(a, p, len, (uint8_t)round), fits ? 0 : IC_ENOSPC);
        used += fits ? (len + 63) / 64 * 64 : 0;
        assert_int_equal(ic_arena_free_bytes(a), BYTES - used);
    }
    for (size_t i = 0; i < PIECES; i++) {
        put(a, &pieces[i]);
    }
    assert_int_equal(ic_arena_free_bytes(a), BYTES);
    assert_int_equal(ic_arena_table_bytes(a), 0);
    free(pieces);
    ic_arena_free(a);
}

static void in_few_pieces(void **state)
{
    (void)state;
    struct ic_arena *a = ic_arena_new(BYTES);
    struct piece p[3];
    assert_int_equal(get(a, &p[0], 5 * IC_ARENA_PAGE_BYTES + 640, 1), 0);
    assert_true(p[0].extents.count <= 2);
    assert_int_equal(get(a, &p[1], 3 * IC_ARENA_PAGE_BYTES, 2), 0);
    assert_int_equal(p[1].extents.count, 1);
    put(a, &p[0]);
    assert_int_equal(get(a, &p[2], 5 * IC_ARENA_PAGE_BYTES, 3), 0);
    assert_int_equal(ic_extents_list(&p[2].extents)[0].start, 0); /* the lowest again */
    put(a, &p[1]);
    put(a, &p[2]);
    ic_arena_free(a);
}

static void trim(void **state)
{
    (void)state;
    struct ic_arena *a = ic_arena_new(BYTES);
    struct piece p, q;
    assert_int_equal(ic_arena_resident_bytes(a), 0);
    assert_int_equal(get(a, &p, 10 * IC_ARENA_PAGE_BYTES, 1), 0);
    assert_int_equal(get(a, &q, 10 * IC_ARENA_PAGE_BYTES, 2), 0);
    put(a, &p);
    assert_int_equal(ic_arena_resident_bytes(a), 20 * IC_ARENA_PAGE_BYTES);
    ic_arena_trim(a, 15 * IC_ARENA_PAGE_BYTES);
    assert_int_equal(ic_arena_resident_bytes(a), 15 * IC_ARENA_PAGE_BYTES);
    ic_arena_trim(a, 0);
    assert_int_equal(ic_arena_resident_bytes(a), 10 * IC_ARENA_PAGE_BYTES);
    each_byte(a, &q, false); /* what is used stays */
    assert_int_equal(get(a, &p, 10 * IC_ARENA_PAGE_BYTES, 3), 0);
    assert_int_equal(ic_arena_resident_bytes(a), 20 * IC_ARENA_PAGE_BYTES);
    put(a, &p);
    put(a, &q);
    ic_arena_free(a);
}

/* At the limit, chunks come out of the free parts of resident pages. */
static void limit(void **state)
{
    (void)state;
    struct ic_arena *a = ic_arena_new(BYTES);
    struct piece half[20], big, more;
    for (size_t i = 0; i < 20; i++) { /* 20 pages split */
        assert_int_equal(get(a, &half[i], IC_ARENA_PAGE_BYTES / 2 + 64, (uint8_t)i), 0);
    }
    ic_arena_limit(a, 22 * IC_ARENA_PAGE_BYTES);
    assert_int_equal(get(a, &big, 10 * IC_ARENA_PAGE_BYTES, 77), 0);
    assert_int_equal(ic_arena_resident_bytes(a), 22 * IC_ARENA_PAGE_BYTES);
    assert_int_equal(get(a, &more, 3 * IC_ARENA_PAGE_BYTES, 78), IC_ENOSPC);
    ic_arena_limit(a, BYTES);
    assert_int_equal(get(a, &more, 3 * IC_ARENA_PAGE_BYTES, 78), 0);
    put(a, &big);
    ic_arena_limit(a, 0); /* below what is resident: nothing new */
    assert_int_equal(get(a, &big, 10 * IC_ARENA_PAGE_BYTES, 79), 0);
    assert_int_equal(ic_arena_resident_bytes(a), 25 * IC_ARENA_PAGE_BYTES);
    put(a, &big);
    put(a, &more);
    for (size_t i = 0; i < 20; i++) {
        put(a, &half[i]);
    }
    assert_int_equal(ic_arena_free_bytes(a), BYTES);
    ic_arena_free(a);
}

/* Every allocation fails once, at every step. */
static void failing_allocator(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 4; n++) {
        ic_alloc_fail_at(n);
        assert_null(ic_arena_new(BYTES));
        assert_int_equal(ic_alloc_live(), 0);
    }
    ic_alloc_fail_at(0);
    struct ic_arena *a = ic_arena_new(8 * IC_ARENA_PAGE_BYTES);
    struct piece holes[16], big;
    for (size_t i = 0; i < 16; i++) { /* half pages, every other freed */
        assert_int_equal(get(a, &holes[i], IC_ARENA_PAGE_BYTES / 2, (uint8_t)i), 0);
    }
    for (size_t i = 0; i < 16; i += 2) {
        put(a, &holes[i]);
    }
    int result;
    uint64_t n = 1;
    do {
        ic_alloc_fail_at(n++);
        result = get(a, &big, 3 * IC_ARENA_PAGE_BYTES + 64, 99);
        assert_true(result == 0 || result == IC_ENOMEM || result == IC_ENOSPC);
        uint64_t taken = result == 0 ? 3 * IC_ARENA_PAGE_BYTES + 64 : 0;
        assert_int_equal(ic_arena_free_bytes(a), 4 * IC_ARENA_PAGE_BYTES - taken);
    } while (result != 0);
    ic_alloc_fail_at(0);
    assert_true(n > 2);
    put(a, &big);
    for (size_t i = 1; i < 16; i += 2) {
        put(a, &holes[i]);
    }
    ic_alloc_fail_at(1); /* no page can be split, and none is */
    assert_int_equal(get(a, &big, 64, 1), IC_ENOSPC);
    ic_alloc_fail_at(0);
    assert_int_equal(ic_arena_free_bytes(a), 8 * IC_ARENA_PAGE_BYTES);
    assert_int_equal(ic_arena_table_bytes(a), 0);
    ic_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(whole_and_empty),
        leak_test(no_fragmentation),
        leak_test(random_use),
        leak_test(in_few_pieces),
        leak_test(trim),
        leak_test(limit),
        leak_test(failing_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
