#include "core/read_plan.h"

uint64_t ic_read_plan(const uint8_t *cost, uint64_t candidates, uint32_t want)
{
    uint64_t plan = 0;
    for (uint8_t level = IC_READ_CHOSEN; level < IC_READ_NEVER; level++) {
        for (uint64_t left = candidates; left != 0 && want > 0; left &= left - 1) {
            if (cost[__builtin_ctzll(left)] == level) {
                plan |= left & -left;
                want--;
            }
        }
    }
    return plan;
}
