#include "platform/local/memory_limit.h"

/* AddressSanitizer maps terabytes for its own books, in the instances built with it as well. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

bool ic_memory_exceeded(uint32_t limit_mb, uint64_t used_bytes)
{
    return used_bytes > (uint64_t)limit_mb << 20;
}

uint32_t ic_memory_next_sample_ms(uint32_t limit_mb, uint64_t before_bytes, uint64_t now_bytes,
                                  uint64_t elapsed_ms)
{
    uint64_t limit = (uint64_t)limit_mb << 20;
    if (now_bytes <= before_bytes || now_bytes >= limit) {
        return now_bytes >= limit ? IC_MEMORY_SAMPLE_MIN_MS : IC_MEMORY_SAMPLE_MAX_MS;
    }
    uint64_t growth = now_bytes - before_bytes;
    uint64_t half_way_ms = (limit - now_bytes) * (elapsed_ms == 0 ? 1 : elapsed_ms) / growth / 2;
    if (half_way_ms < IC_MEMORY_SAMPLE_MIN_MS) {
        return IC_MEMORY_SAMPLE_MIN_MS;
    }
    return half_way_ms > IC_MEMORY_SAMPLE_MAX_MS ? IC_MEMORY_SAMPLE_MAX_MS : (uint32_t)half_way_ms;
}

uint64_t ic_memory_data_limit(uint32_t limit_mb)
{
    return SANITIZED ? UINT64_MAX : ((uint64_t)limit_mb << 22) + ((uint64_t)1 << 30);
}
