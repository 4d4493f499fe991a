/*
 * reference_code.h - Reed-Solomon as the textbook says it, bit by bit and slow: what the tests
 * compare code/rs.c with. GF(2^8) with x^8 + x^4 + x^3 + x^2 + 1; matrix of ISA-L's
 * gf_gen_cauchy1_matrix: identity, then 1 / (row xor column); for one data unit all ones.
 */
#ifndef IC_TEST_REFERENCE_CODE_H
#define IC_TEST_REFERENCE_CODE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

static inline uint8_t ref_multiply(uint8_t a, uint8_t b)
{
    uint8_t product = 0;
    for (int bit = 0; bit < 8; bit++) {
        if ((b >> bit & 1) != 0) {
            product ^= a;
        }
        a = (uint8_t)((a << 1) ^ ((a & 0x80) != 0 ? 0x1d : 0));
    }
    return product;
}

static inline uint8_t ref_inverse(uint8_t a)
{
    for (unsigned b = 1; b < 256; b++) {
        if (ref_multiply(a, (uint8_t)b) == 1) {
            return (uint8_t)b;
        }
    }
    assert(0 && "zero has no inverse");
    return 0;
}

/* Byte AT of each data unit gives byte AT of parity chunk CHUNK (>= data). */
static inline uint8_t ref_parity_byte(uint16_t data, uint16_t chunk, uint8_t *const unit[],
                                      size_t at)
{
    uint8_t sum = 0;
    for (uint16_t j = 0; j < data; j++) {
        uint8_t code = data == 1 ? 1 : ref_inverse((uint8_t)(chunk ^ j));
        sum ^= ref_multiply(code, unit[j][at]);
    }
    return sum;
}

#endif
