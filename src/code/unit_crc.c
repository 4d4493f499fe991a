#include "code/unit_crc.h"

#include "base/crc32c.h"

#include <assert.h>
#include <isa-l/crc.h>
#include <limits.h>

uint32_t ic_unit_crc(uint64_t object_id, uint16_t chunk, uint32_t unit_index, const void *data,
                     size_t len)
{
    uint8_t id[8];
    for (int i = 0; i < 8; i++) {
        id[i] = (uint8_t)(object_id >> (8 * i));
    }
    assert(len <= INT_MAX);
    uint32_t seed = ic_crc32c(UINT32_MAX, id, sizeof(id));
    seed ^= ((uint32_t)chunk << 26 | (uint32_t)chunk >> 6) ^ unit_index;
    return crc32_iscsi((unsigned char *)(uintptr_t)data, (int)len, seed); /* it only reads */
}
