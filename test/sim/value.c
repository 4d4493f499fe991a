#include "sim/value.h"

static uint64_t word_at(uint32_t key, uint32_t version, uint64_t index)
{
    uint64_t z = ((uint64_t)key << 32 | version) * UINT64_C(0x9e3779b97f4a7c15) + index;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint8_t byte_at(uint32_t key, uint32_t version, uint64_t offset)
{
    return (uint8_t)(word_at(key, version, offset / 8) >> (8 * (offset % 8)));
}

void sim_value_fill(uint32_t key, uint32_t version, uint64_t offset, uint8_t *out, size_t len)
{
    size_t i = 0;
    for (; i < len && (offset + i) % 8 != 0; i++) {
        out[i] = byte_at(key, version, offset + i);
    }
    for (; i + 8 <= len; i += 8) {
        uint64_t word = word_at(key, version, (offset + i) / 8);
        memcpy(out + i, &word, 8);
    }
    for (; i < len; i++) {
        out[i] = byte_at(key, version, offset + i);
    }
}

bool sim_value_equal(uint32_t key, uint32_t version, uint64_t offset, struct ic_slice bytes)
{
    uint8_t expected[512];
    for (size_t at = 0; at < bytes.len;) {
        size_t len = bytes.len - at < sizeof expected ? bytes.len - at : sizeof expected;
        sim_value_fill(key, version, offset + at, expected, len);
        if (memcmp(expected, bytes.data + at, len) != 0) {
            return false;
        }
        at += len;
    }
    return true;
}
