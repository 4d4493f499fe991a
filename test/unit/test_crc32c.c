#include "base/crc32c.h"
#include "base/random.h"
#include "unit.h"

#include <isa-l/crc.h>
#include <stdlib.h>

enum { BYTES = 40000 };

static uint8_t *random_bytes(uint64_t seed, size_t len)
{
    struct ic_rng rng;
    ic_rng_init(&rng, seed);
    uint8_t *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)ic_rng_next(&rng);
    }
    return bytes;
}

/* RFC 3720, B.4: 32 bytes of zeros, 32 of ones; and the check value of "123456789". */
static void known_values(void **state)
{
    (void)state;
    uint8_t bytes[32] = {0};
    assert_int_equal(~ic_crc32c(UINT32_MAX, bytes, 32), 0x8A9136AA);
    for (int i = 0; i < 32; i++) {
        bytes[i] = 0xFF;
    }
    assert_int_equal(~ic_crc32c(UINT32_MAX, bytes, 32), 0x62A8AB43);
    assert_int_equal(~ic_crc32c(UINT32_MAX, "123456789", 9), 0xE3069283);
    assert_int_equal(ic_crc32c(77, "", 0), 77);
}

static void equals_isal_and_table(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(1, BYTES);
    struct ic_rng rng;
    ic_rng_init(&rng, 2);
    for (size_t round = 0; round < 3000; round++) {
        size_t len = round < 900 ? round : ic_rng_below(&rng, BYTES - 64);
        uint8_t *at = bytes + ic_rng_below(&rng, 64);
        uint32_t seed = (uint32_t)ic_rng_next(&rng);
        uint32_t expected = crc32_iscsi(at, (int)len, seed);
        assert_int_equal(ic_crc32c(seed, at, len), expected);
        assert_int_equal(ic_crc32c_table(seed, at, len), expected);
    }
    free(bytes);
}

static void continues(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(3, BYTES);
    uint32_t whole = ic_crc32c(5, bytes, BYTES);
    for (size_t cut = 0; cut <= BYTES; cut += 997) {
        assert_int_equal(ic_crc32c(ic_crc32c(5, bytes, cut), bytes + cut, BYTES - cut), whole);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(known_values),
        cmocka_unit_test(equals_isal_and_table),
        leak_test(continues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
