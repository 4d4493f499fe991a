#include "core/epoch.h"

enum {
    FRESH_AHEAD = 1 << 22,  /* minutes: eight years */
    FRESH_BEYOND = 1 << 20, /* 10,000 starts with somebody that lies, while the clock stands */
    MARGIN_AHEAD = IC_EPOCH_NEAR / 2,
};

/* Ahead of what is known: believed of one function, of two, of three. */
static const uint32_t ahead[IC_EPOCH_CLAIMS_MAX] = {IC_EPOCH_NEAR, FRESH_AHEAD,
                                                    FRESH_AHEAD + FRESH_BEYOND};

uint32_t ic_epoch_first(int64_t wall_ms)
{
    const int64_t year_2026_ms = INT64_C(1767225600000);
    const int64_t last = IC_EPOCH_MAX / 2;
    int64_t minutes = (wall_ms - year_2026_ms) / 60000;
    return minutes < 1 ? 1 : minutes > last ? (uint32_t)last : (uint32_t)minutes;
}

static uint32_t known(uint32_t own, int64_t wall_ms)
{
    uint32_t first = ic_epoch_first(wall_ms);
    return own > first ? own : first;
}

/* FUNCTION's claim takes its place among the highest, if it is one. */
static void note(struct ic_epoch_claims *claims, uint16_t function, uint32_t epoch)
{
    struct ic_epoch_claim claim = {.epoch = epoch, .function = function};
    for (int i = 0; i < IC_EPOCH_CLAIMS_MAX; i++) {
        struct ic_epoch_claim here = claims->most[i];
        if (here.epoch < claim.epoch) {
            claims->most[i] = claim;
            claim = here;
        }
        if (here.epoch == 0 || here.function == function) {
            return; /* one claim of each function: what moves down was its own */
        }
    }
}

/* The highest that so many functions say as it takes; 0: none. */
static uint32_t vouched_for(const struct ic_epoch_claims *claims, uint32_t from)
{
    for (int i = 0; i < IC_EPOCH_CLAIMS_MAX; i++) {
        if (claims->most[i].epoch <= from + ahead[i]) {
            return claims->most[i].epoch;
        }
    }
    return 0;
}

uint32_t ic_epoch_believed(struct ic_epoch_claims *claims, uint16_t function, uint32_t epoch,
                           uint32_t own, bool fresh, int64_t wall_ms, bool *impossible)
{
    uint32_t from = known(own, wall_ms);
    *impossible = epoch > from + ahead[fresh ? IC_EPOCH_CLAIMS_MAX - 1 : 0];
    if (*impossible) {
        return 0;
    }
    note(claims, function, epoch);
    uint32_t sure = vouched_for(claims, from);
    for (int i = 0; i < IC_EPOCH_CLAIMS_MAX; i++) {
        if (claims->most[i].epoch <= sure + IC_EPOCH_MARGIN) {
            return claims->most[i].epoch;
        }
    }
    return 0;
}

uint32_t ic_epoch_exceeded(uint32_t believed, uint32_t own, bool fresh, int64_t wall_ms)
{
    uint32_t last = known(own, wall_ms) + MARGIN_AHEAD;
    bool margin = fresh && believed + IC_EPOCH_MARGIN <= last;
    return believed + (margin ? IC_EPOCH_MARGIN : 0);
}
