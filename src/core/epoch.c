#include "core/epoch.h"

enum { AHEAD = 1 << 22 }; /* minutes: eight years */

uint32_t ic_epoch_first(int64_t wall_ms)
{
    const int64_t year_2026_ms = INT64_C(1767225600000);
    const int64_t last = IC_EPOCH_MAX / 2;
    int64_t minutes = (wall_ms - year_2026_ms) / 60000;
    return minutes < 1 ? 1 : minutes > last ? (uint32_t)last : (uint32_t)minutes;
}

bool ic_epoch_is_possible(uint32_t epoch, int64_t wall_ms)
{
    return epoch <= ic_epoch_first(wall_ms) + AHEAD;
}
