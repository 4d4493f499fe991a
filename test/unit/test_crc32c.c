#include "base/crc32c.h"
#include "base/random.h"
#include "unit.h"

#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

/* The same bytes elsewhere have another checksum. */
static void unit_depends_on_its_place(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(4, 4096);
    uint32_t crc = ic_unit_crc(7, 3, 9, bytes, 4096);
    assert_int_equal(ic_unit_crc(7, 3, 9, bytes, 4096), crc);
    assert_int_not_equal(ic_unit_crc(8, 3, 9, bytes, 4096), crc);
    assert_int_not_equal(ic_unit_crc(7, 4, 9, bytes, 4096), crc);
    assert_int_not_equal(ic_unit_crc(7, 3, 10, bytes, 4096), crc);
    assert_int_not_equal(ic_unit_crc(7, 9, 3, bytes, 4096), crc);
    for (unsigned bit = 0; bit < 4096 * 8; bit += 101) {
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_int_not_equal(ic_unit_crc(7, 3, 9, bytes, 4096), crc);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    free(bytes);
}

static double gigabytes_per_second(uint32_t (*crc)(uint32_t, const void *, size_t),
                                   const uint8_t *bytes, size_t len, int rounds)
{
    struct timespec a, b;
    volatile uint32_t sink = 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < rounds; i++) {
        sink = crc(sink, bytes, len);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    double seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    return (double)len * rounds / seconds / 1e9;
}

/* Printed, not asserted: machines differ and are shared. */
static void speed(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(5, 65536);
    printf("crc32c: 64 KiB %.1f GB/s, 1 KiB %.1f GB/s, table %.2f GB/s\n",
           gigabytes_per_second(ic_crc32c, bytes, 65536, 2000),
           gigabytes_per_second(ic_crc32c, bytes, 1024, 100000),
           gigabytes_per_second(ic_crc32c_table, bytes, 65536, 50));
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(known_values), cmocka_unit_test(equals_isal_and_table),
        leak_test(continues),    cmocka_unit_test(unit_depends_on_its_place),
        leak_test(speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
