#include "code/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint64_t sizes[] = {0,      1,       2,       63,      64,      65,      127,
                                 128,    639,     640,     641,     65535,   65536,   65537,
                                 131071, 262143,  262144,  262145,  655359,  655360,  655361,
                                 720895, 1048575, 1048576, 1048577, 1310720, 1310721, 100000000};
static const uint16_t codes[][2] = {{1, 0}, {1, 2}, {2, 1}, {3, 2}, {4, 2}, {10, 2}, {32, 16}};
static const uint32_t units[] = {64, 128, 4096, 65536, 1 << 20};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Everything a layout promises, from its definition. */
static void check(const struct ic_layout *l)
{
    uint64_t covered = 0, chunk = 0;
    for (uint64_t s = 0; s < l->stripes; s++) {
        uint32_t unit = ic_layout_unit(l, s);
        uint64_t length = ic_layout_stripe_length(l, s);
        assert_int_equal(ic_layout_stripe_offset(l, s), covered);
        assert_int_equal(ic_layout_chunk_offset(l, s), chunk);
        assert_true(unit > 0 && unit <= l->unit && unit % 64 == 0);
        assert_true(length > 0 && length <= (uint64_t)unit * l->data);
        if (s + 1 < l->stripes) {
            assert_int_equal(length, (uint64_t)l->unit * l->data);
        } else if (unit > 64) { /* no smaller unit would do */
            assert_true(length > (uint64_t)(unit - 64) * l->data);
        }
        assert_int_equal(ic_layout_span_length(l, s, 1), unit);
        covered += length;
        chunk += unit;
    }
    assert_int_equal(covered, l->size);
    assert_int_equal(chunk, l->chunk_length);
    assert_int_equal(ic_layout_stripe_offset(l, l->stripes), l->size);
    assert_int_equal(ic_layout_span_length(l, 0, l->stripes), l->chunk_length);
}

static void check_place(const struct ic_layout *l, uint64_t offset)
{
    struct ic_layout_place at = ic_layout_locate(l, offset);
    uint32_t unit = ic_layout_unit(l, at.stripe);
    assert_true(at.chunk < l->data && at.within < unit);
    assert_int_equal(ic_layout_stripe_offset(l, at.stripe) + (uint64_t)at.chunk * unit + at.within,
                     offset);
}

static void test_boundaries(void **state)
{
    (void)state;
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (size_t c = 0; c < COUNT(codes); c++) {
            for (size_t u = 0; u < COUNT(units); u++) {
                struct ic_layout l;
                if (sizes[s] / units[u] > 100000) {
                    continue;
                }
                ic_layout_init(&l, sizes[s], codes[c][0], codes[c][1], units[u]);
                check(&l);
                for (uint64_t at = 0; at < l.size && at < 300; at++) {
                    check_place(&l, at);
                    check_place(&l, l.size - 1 - at);
                    check_place(&l, l.size / 2 + at < l.size ? l.size / 2 + at : 0);
                }
            }
        }
    }
}

static void test_known(void **state)
{
    (void)state;
    struct ic_layout l;
    ic_layout_init(&l, 0, 10, 2, 65536);
    assert_int_equal(l.stripes, 0);
    assert_int_equal(l.chunk_length, 0);
    ic_layout_init(&l, 1, 10, 2, 65536);
    assert_int_equal(l.stripes, 1);
    assert_int_equal(l.chunk_length, 64);
    ic_layout_init(&l, 655360, 10, 2, 65536);
    assert_int_equal(l.stripes, 1);
    assert_int_equal(l.last_unit, 65536);
    ic_layout_init(&l, 655361, 10, 2, 65536);
    assert_int_equal(l.stripes, 2);
    assert_int_equal(l.last_unit, 64);
    assert_int_equal(l.chunk_length, 65600);
}

static void test_large(void **state)
{
    (void)state;
    static const uint64_t large[] = {UINT64_C(3) << 30, (UINT64_C(3) << 30) - 1,
                                     UINT64_C(4) << 30, (UINT64_C(4) << 30) + 1,
                                     UINT64_C(1) << 40, INT64_MAX};
    for (size_t i = 0; i < COUNT(large); i++) {
        struct ic_layout l;
        ic_layout_init(&l, large[i], 10, 2, 65536);
        uint64_t last = l.stripes - 1;
        assert_int_equal(l.stripes, large[i] / 655360 + (large[i] % 655360 != 0));
        assert_int_equal(ic_layout_stripe_offset(&l, last) + ic_layout_stripe_length(&l, last),
                         large[i]);
        assert_int_equal(l.chunk_length, last * 65536 + l.last_unit);
        assert_true(l.chunk_length >= large[i] / 10);
        check_place(&l, large[i] - 1);
        check_place(&l, large[i] / 3);
        ic_layout_init(&l, large[i], 1, 2, 64);
        check_place(&l, large[i] - 1);
        assert_true(l.chunk_length >= large[i] && l.chunk_length - large[i] < 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
