#include "core/epoch.h"

enum { FRESH_AHEAD = 1 << 22 }; /* minutes: eight years */

uint32_t ic_epoch_first(int64_t wall_ms)
{
    const int64_t year_2026_ms = INT64_C(1767225600000);
    const int64_t last = IC_EPOCH_MAX / 2;
    int64_t minutes = (wall_ms - year_2026_ms) / 60000;
    return minutes < 1 ? 1 : minutes > last ? (uint32_t)last : (uint32_t)minutes;
}

uint32_t ic_epoch_believed(struct ic_epoch_claim *before, uint16_t function, uint32_t epoch,
                           uint32_t own, bool fresh, int64_t wall_ms, bool *impossible)
{
    uint32_t first = ic_epoch_first(wall_ms), known = own > first ? own : first;
    *impossible = epoch > known + (fresh ? FRESH_AHEAD : IC_EPOCH_NEAR);
    if (*impossible) {
        return 0;
    }
    if (epoch <= known + IC_EPOCH_NEAR) {
        return epoch;
    }
    if (before->epoch == 0 || before->function == function) {
        *before = (struct ic_epoch_claim){.epoch = epoch, .function = function};
        return 0;
    }
    uint32_t both = epoch < before->epoch ? epoch : before->epoch;
    if (epoch > before->epoch) {
        *before = (struct ic_epoch_claim){.epoch = epoch, .function = function};
    }
    return both;
}
