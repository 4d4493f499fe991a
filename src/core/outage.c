#include "core/outage.h"

const char *ic_outage_cause_name(enum ic_outage_cause cause)
{
    static const char *const names[IC_OUTAGE_CAUSES] = {
        [IC_OUTAGE_NONE] = "none",           [IC_OUTAGE_UNREACHABLE] = "unreachable",
        [IC_OUTAGE_SILENT] = "silent",       [IC_OUTAGE_DENIED] = "denied",
        [IC_OUTAGE_THROTTLED] = "throttled", [IC_OUTAGE_MISSING] = "missing",
        [IC_OUTAGE_FAILED] = "failed",       [IC_OUTAGE_CRASHED] = "crashed",
        [IC_OUTAGE_NO_NODE] = "no-node",
    };
    return names[cause];
}

void ic_outage_failed(struct ic_outage *o, enum ic_outage_cause cause, uint64_t now_ms,
                      uint64_t for_ms)
{
    if (o->cause == IC_OUTAGE_NONE) {
        o->since_ms = now_ms > for_ms ? now_ms - for_ms : 0;
    }
    o->cause = cause;
    o->last_ms = now_ms;
}

bool ic_outage_over(struct ic_outage *o, bool warm)
{
    if (warm && (o->cause == IC_OUTAGE_NO_NODE || o->cause == IC_OUTAGE_SILENT)) {
        return false;
    }
    bool told = o->told;
    *o = (struct ic_outage){0};
    return told;
}

uint64_t ic_outage_ms(const struct ic_outage *o, uint64_t invoke_timeout_ms, uint64_t now_ms)
{
    uint64_t lasts_ms = now_ms - o->since_ms;
    bool counts = o->cause != IC_OUTAGE_NONE && lasts_ms >= IC_OUTAGE_INVOKES * invoke_timeout_ms &&
                  now_ms - o->last_ms <= IC_OUTAGE_FRESH_MS;
    return counts ? lasts_ms : 0;
}
