#include "code/rs.h"

#include "base/alloc.h"
#include "base/random.h"
#include "reference_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LENGTH_MAX = 320, CHUNKS = 48 };

struct code { /* the units of one stripe, and a second copy to rebuild into */
    struct ic_rs *rs;
    uint16_t data, parity;
    size_t length;
    uint8_t whole[CHUNKS][LENGTH_MAX], made[CHUNKS][LENGTH_MAX];
    uint8_t *unit[CHUNKS];
};

static void fill(struct code *c, uint16_t data, uint16_t parity, size_t length)
{
    struct ic_rng rng;
    uint8_t *unit[CHUNKS];
    *c = (struct code){.data = data, .parity = parity, .length = length};
    ic_rng_init(&rng, (uint64_t)data * 1000 + parity);
    c->rs = ic_rs_new(data, parity);
    assert_non_null(c->rs);
    for (int i = 0; i < CHUNKS; i++) {
        unit[i] = c->whole[i];
        c->unit[i] = c->made[i];
        for (size_t at = 0; at < length; at++) {
            c->whole[i][at] = (uint8_t)ic_rng_next(&rng);
        }
    }
    ic_rs_encode(c->rs, length, unit);
}

/* Loses every chunk that is not in HELD and rebuilds those of WANTED. */
static void check_rebuild(struct code *c, uint64_t held, uint64_t wanted)
{
    for (int i = 0; i < c->data + c->parity; i++) {
        if ((held >> i & 1) != 0) {
            memcpy(c->made[i], c->whole[i], LENGTH_MAX);
        } else {
            memset(c->made[i], 0xEE, LENGTH_MAX);
        }
    }
    assert_int_equal(ic_rs_rebuild(c->rs, c->length, held, wanted, c->unit), 0);
    for (int i = 0; i < c->data + c->parity; i++) {
        if (((held | wanted) >> i & 1) != 0) {
            assert_memory_equal(c->made[i], c->whole[i], c->length);
        } else {
            assert_int_equal(c->made[i][0], 0xEE);
        }
    }
}

static void test_encode_is_the_reference(void **state)
{
    (void)state;
    static const uint16_t codes[][2] = {{1, 2}, {2, 1}, {4, 2}, {5, 3}, {10, 2}, {10, 4}, {32, 16}};
    for (size_t k = 0; k < sizeof codes / sizeof codes[0]; k++) {
        for (size_t length = 64; length <= LENGTH_MAX; length += 64) {
            struct code c;
            uint8_t *unit[CHUNKS];
            fill(&c, codes[k][0], codes[k][1], length);
            for (int i = 0; i < CHUNKS; i++) {
                unit[i] = c.whole[i];
            }
            for (uint16_t i = c.data; i < c.data + c.parity; i++) {
                for (size_t at = 0; at < length; at += 7) {
                    assert_int_equal(c.whole[i][at], ref_parity_byte(c.data, i, unit, at));
                }
            }
            ic_rs_free(c.rs);
        }
    }
}

/* Every set of survivors of at least d, every other chunk rebuilt, data alone and parity too. */
static void test_every_erasure(void **state)
{
    (void)state;
    static const uint16_t codes[][2] = {{1, 0}, {1, 2}, {2, 2}, {4, 2}, {3, 3}, {10, 2}, {8, 4}};
    for (size_t k = 0; k < sizeof codes / sizeof codes[0]; k++) {
        struct code c;
        fill(&c, codes[k][0], codes[k][1], 128);
        uint64_t all = (UINT64_C(1) << (c.data + c.parity)) - 1;
        uint64_t data = (UINT64_C(1) << c.data) - 1;
        for (uint64_t held = 0; held <= all; held++) {
            if (__builtin_popcountll(held) < c.data) {
                assert_int_equal(ic_rs_rebuild(c.rs, 128, held, all & ~held, c.unit), IC_ERANGE);
                continue;
            }
            check_rebuild(&c, held, all & ~held);
            check_rebuild(&c, held, data & ~held);
        }
        ic_rs_free(c.rs);
    }
}

static void test_widest(void **state)
{
    (void)state;
    struct code c;
    struct ic_rng rng;
    fill(&c, 32, 16, 64);
    ic_rng_init(&rng, 7);
    uint64_t all = (UINT64_C(1) << 48) - 1;
    for (int round = 0; round < 300; round++) { /* more patterns than the cache keeps */
        uint64_t held = all;
        while (__builtin_popcountll(held) > 32) {
            held &= ~(UINT64_C(1) << ic_rng_below(&rng, 48));
        }
        check_rebuild(&c, held, all & ~held);
    }
    ic_rs_free(c.rs);
}

static void test_copies_may_share(void **state)
{
    (void)state;
    uint8_t bytes[64] = {1, 2, 3}, other[64] = {0};
    uint8_t *unit[3] = {bytes, bytes, other};
    struct ic_rs *rs = ic_rs_new(1, 2);
    ic_rs_encode(rs, sizeof bytes, unit);
    assert_memory_equal(bytes, other, sizeof bytes);
    ic_rs_free(rs);
}

static void test_no_memory(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    struct code c;
    ic_alloc_fail_at(1);
    assert_null(ic_rs_new(4, 2));
    fill(&c, 4, 2, 64);
    for (uint64_t at = 1; at <= 2; at++) {
        ic_alloc_fail_at(at);
        assert_int_equal(ic_rs_rebuild(c.rs, 64, 0x3C, 0x3, c.unit), IC_ENOMEM);
    }
    ic_alloc_fail_at(0);
    check_rebuild(&c, 0x3C, 0x3);
    ic_rs_free(c.rs);
    assert_int_equal(ic_alloc_live(), live);
}

static void test_set(void **state)
{
    (void)state;
    uint64_t live = ic_alloc_live();
    struct ic_rs_set *set = ic_rs_set_new();
    struct ic_rs *a = ic_rs_set_get(set, 4, 2);
    assert_non_null(a);
    assert_ptr_not_equal(a, ic_rs_set_get(set, 10, 2));
    assert_ptr_equal(a, ic_rs_set_get(set, 4, 2));
    ic_rs_set_free(set);
    assert_int_equal(ic_alloc_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_is_the_reference),
        cmocka_unit_test(test_every_erasure),
        cmocka_unit_test(test_widest),
        cmocka_unit_test(test_copies_may_share),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
