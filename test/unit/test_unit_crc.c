#include "code/unit_crc.h"

#include "base/crc32c.h"
#include "base/random.h"
#include "unit.h"

#include <stdlib.h>

enum { BYTES = 4096 };

static uint8_t *random_bytes(uint64_t seed)
{
    struct ic_rng rng;
    ic_rng_init(&rng, seed);
    uint8_t *bytes = malloc(BYTES);
    assert_non_null(bytes);
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)ic_rng_next(&rng);
    }
    return bytes;
}

/* As doc/node-link.md has it: a CRC of the id, the chunk and the unit mixed in, the unit's bytes.
 */
static void is_what_is_written_down(void **state)
{
    (void)state;
    static const uint8_t id[8] = {0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01};
    uint8_t *bytes = random_bytes(4);
    for (size_t len = 0; len <= BYTES; len += 64) {
        uint32_t seed = ic_crc32c_table(UINT32_MAX, id, sizeof(id));
        uint32_t expected = ic_crc32c_table(seed ^ (UINT32_C(3) << 26) ^ 9, bytes, len);
        assert_int_equal(ic_unit_crc(UINT64_C(0x0102030405060708), 3, 9, bytes, len), expected);
    }
    free(bytes);
}

/* The same bytes elsewhere have another checksum. */
static void unit_depends_on_its_place(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(5);
    uint32_t crc = ic_unit_crc(7, 3, 9, bytes, BYTES);
    assert_int_equal(ic_unit_crc(7, 3, 9, bytes, BYTES), crc);
    assert_int_not_equal(ic_unit_crc(8, 3, 9, bytes, BYTES), crc);
    assert_int_not_equal(ic_unit_crc(7, 4, 9, bytes, BYTES), crc);
    assert_int_not_equal(ic_unit_crc(7, 3, 10, bytes, BYTES), crc);
    assert_int_not_equal(ic_unit_crc(7, 9, 3, bytes, BYTES), crc);
    for (unsigned bit = 0; bit < BYTES * 8; bit += 101) {
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_int_not_equal(ic_unit_crc(7, 3, 9, bytes, BYTES), crc);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_what_is_written_down),
        cmocka_unit_test(unit_depends_on_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
