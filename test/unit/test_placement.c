/*
 * test_placement.c - distinct functions, room before everything, an even spread.
 */
#include "core/placement.h"

#include "unit/unit.h"

#include <string.h>

enum { FUNCTIONS = 16 };

static void fill(struct ic_candidate *c, uint64_t room)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        c[i] = (struct ic_candidate){.room = room, .capacity = 1000000};
    }
}

static void test_distinct_with_room(void **state)
{
    (void)state;
    struct ic_rng rng;
    ic_rng_init(&rng, 1);
    for (int round = 0; round < 2000; round++) {
        struct ic_candidate c[FUNCTIONS];
        uint16_t out[12];
        uint32_t missing, fit = 0;
        fill(c, 0);
        for (int i = 0; i < FUNCTIONS; i++) {
            c[i].room = ic_rng_below(&rng, 1000000);
            c[i].awake = ic_rng_below(&rng, 2) == 0;
            c[i].down = ic_rng_below(&rng, 4) == 0;
            fit += c[i].room >= 100000;
        }
        int result = ic_placement_choose(c, FUNCTIONS, 100000, 12, &rng, out, &missing);
        assert_int_equal(result, fit >= 12 ? 0 : IC_ENOSPC);
        assert_int_equal(missing, fit >= 12 ? 0 : 12 - fit);
        bool used[FUNCTIONS] = {false};
        for (int i = 0; result == 0 && i < 12; i++) {
            assert_true(out[i] < FUNCTIONS && c[out[i]].room >= 100000 && !used[out[i]]);
            used[out[i]] = true;
        }
    }
}

static void test_too_big(void **state)
{
    (void)state;
    struct ic_rng rng;
    struct ic_candidate c[FUNCTIONS];
    uint16_t out[3];
    ic_rng_init(&rng, 1);
    fill(c, 500);
    assert_int_equal(ic_placement_choose(c, FUNCTIONS, 1000001, 3, &rng, out, NULL), IC_ETOOBIG);
    assert_int_equal(ic_placement_choose(c, 2, 100, 3, &rng, out, NULL), IC_ETOOBIG);
    assert_int_equal(ic_placement_choose(c, FUNCTIONS, 1000000, 3, &rng, out, NULL), IC_ENOSPC);
    /* 256 MiB that give 240 MiB: a chunk of 300 MiB needs at least 316 and 320 MiB */
    assert_int_equal(ic_placement_memory_needed(240 << 20, 256 << 20, 240 << 20), 257);
    assert_int_equal(ic_placement_memory_needed(300 << 20, 256 << 20, 240 << 20), 321);
    assert_int_equal(ic_placement_memory_needed(1 << 20, 256 << 20, 240 << 20), 17);
}

static void test_emptiest_first_then_lots(void **state)
{
    (void)state;
    struct ic_rng rng;
    struct ic_candidate c[FUNCTIONS];
    uint16_t out[3];
    int chosen[FUNCTIONS] = {0};
    ic_rng_init(&rng, 7);
    fill(c, 500000);
    c[4].room = c[9].room = 900000;
    for (int round = 0; round < 1400; round++) {
        assert_int_equal(ic_placement_choose(c, FUNCTIONS, 1000, 3, &rng, out, NULL), 0);
        for (int i = 0; i < 3; i++) {
            chosen[out[i]]++;
        }
    }
    for (int i = 0; i < FUNCTIONS; i++) {
        if (i == 4 || i == 9) {
            assert_int_equal(chosen[i], 1400);
        } else {
            assert_true(chosen[i] > 50 && chosen[i] < 150); /* 100 expected */
        }
    }
}

/* Awake is worth a little room, not much; a function that is down comes last. */
static void test_awake_and_down(void **state)
{
    (void)state;
    struct ic_rng rng;
    struct ic_candidate c[FUNCTIONS];
    uint16_t out[1];
    ic_rng_init(&rng, 7);
    fill(c, 500000);
    c[3].awake = true;
    assert_int_equal(ic_placement_choose(c, FUNCTIONS, 1000, 1, &rng, out, NULL), 0);
    assert_int_equal(out[0], 3);
    c[5].room = 600000;
    assert_int_equal(ic_placement_choose(c, FUNCTIONS, 1000, 1, &rng, out, NULL), 0);
    assert_int_equal(out[0], 5);
    c[5].down = true;
    assert_int_equal(ic_placement_choose(c, FUNCTIONS, 1000, 1, &rng, out, NULL), 0);
    assert_int_equal(out[0], 3);
    for (int i = 0; i < FUNCTIONS; i++) {
        c[i].down = true;
    }
    assert_int_equal(ic_placement_choose(c, FUNCTIONS, 1000, 1, &rng, out, NULL), 0);
}

/* Filling a pool with objects of one chunk size leaves the functions equally full. */
static void test_even_spread(void **state)
{
    (void)state;
    struct ic_rng rng;
    struct ic_candidate c[FUNCTIONS];
    uint16_t out[12];
    ic_rng_init(&rng, 11);
    fill(c, 1000000);
    while (ic_placement_choose(c, FUNCTIONS, 5000, 12, &rng, out, NULL) == 0) {
        for (int i = 0; i < 12; i++) {
            c[out[i]].room -= 5000;
        }
    }
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < FUNCTIONS; i++) {
        least = c[i].room < least ? c[i].room : least;
        most = c[i].room > most ? c[i].room : most;
    }
    assert_true(most - least <= 10000);
}

/* Parity (the last chunks) must not stick to some functions. */
static void test_parity_is_spread(void **state)
{
    (void)state;
    struct ic_rng rng;
    struct ic_candidate c[FUNCTIONS];
    uint16_t out[12];
    int parity[FUNCTIONS] = {0};
    ic_rng_init(&rng, 13);
    fill(c, 500000);
    for (int i = 0; i < FUNCTIONS; i++) {
        c[i].room += (uint64_t)i * 10000; /* a fixed order */
    }
    for (int round = 0; round < 1200; round++) {
        assert_int_equal(ic_placement_choose(c, FUNCTIONS, 1000, 12, &rng, out, NULL), 0);
        parity[out[10]]++;
        parity[out[11]]++;
    }
    for (int i = 4; i < FUNCTIONS; i++) {
        assert_true(parity[i] > 120 && parity[i] < 280); /* 200 expected */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_distinct_with_room),
        leak_test(test_too_big),
        leak_test(test_emptiest_first_then_lots),
        leak_test(test_awake_and_down),
        leak_test(test_even_spread),
        leak_test(test_parity_is_spread),
    };
    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
