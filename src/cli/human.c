#include "cli/human.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    DIGITS = 3,
    DECIMALS_MAX = 12, /* of a dollar: a GET costs some tenths of a millionth */
};

static const double COUNT_PLAIN_MAX = 99999.5; /* up to here every digit is shown */
static const double UNIT_FULL = 999.5;         /* from here three digits need the next unit */

/* Writes "-" and returns true if VALUE is nothing to show. */
static bool is_nothing(double value, char *out)
{
    bool nothing = !isfinite(value) || value < 0;
    if (nothing) {
        snprintf(out, IC_HUMAN_MAX, "-");
    }
    return nothing;
}

/* Decimals that show three digits of VALUE (>= 1). */
static int decimals(double value)
{
    return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

/* VALUE in the first of UNITS, each STEP of the one before, in which it has three digits. */
static void scale(double value, double step, const char *const *units, size_t count, char *out)
{
    size_t unit = 0;
    while (value >= UNIT_FULL && unit + 1 < count) {
        value /= step;
        unit++;
    }
    if (value >= 1e6) {
        snprintf(out, IC_HUMAN_MAX, "%.2e %s", value, units[unit]);
    } else {
        snprintf(out, IC_HUMAN_MAX, "%.*f %s", unit == 0 ? 0 : decimals(value), value, units[unit]);
    }
}

const char *ic_human_bytes(double bytes, char out[IC_HUMAN_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (!is_nothing(bytes, out)) {
        scale(bytes, 1024, units, sizeof units / sizeof units[0], out);
    }
    return out;
}

const char *ic_human_count(double count, char out[IC_HUMAN_MAX])
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    if (is_nothing(count, out)) {
        return out;
    }
    if (count < COUNT_PLAIN_MAX) {
        snprintf(out, IC_HUMAN_MAX, "%.0f", count);
    } else {
        scale(count, 1000, units, sizeof units / sizeof units[0], out);
    }
    return out;
}

const char *ic_human_rate(double per_s, char out[IC_HUMAN_MAX])
{
    if (per_s > 0 && per_s < 9.95) {
        snprintf(out, IC_HUMAN_MAX, "%.1f", per_s);
        return out;
    }
    return ic_human_count(per_s, out);
}

const char *ic_human_duration(double ms, char out[IC_HUMAN_MAX])
{
    enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };
    if (is_nothing(ms, out)) {
        return out;
    }
    double s = ms / 1000;
    unsigned long long whole = s < 1e15 ? (unsigned long long)s : 1000000000000000ull;
    if (ms < UNIT_FULL) {
        snprintf(out, IC_HUMAN_MAX, "%.0fms", ms);
    } else if (s < MINUTE) {
        snprintf(out, IC_HUMAN_MAX, "%.1fs", s);
    } else if (whole < HOUR) {
        snprintf(out, IC_HUMAN_MAX, "%llum%02llus", whole / MINUTE, whole % MINUTE);
    } else if (whole < DAY) {
        snprintf(out, IC_HUMAN_MAX, "%lluh%02llum", whole / HOUR, whole % HOUR / MINUTE);
    } else {
        snprintf(out, IC_HUMAN_MAX, "%llud%02lluh", whole / DAY, whole % DAY / HOUR);
    }
    return out;
}

const char *ic_human_dollars(double dollars, char out[IC_HUMAN_MAX])
{
    if (is_nothing(dollars, out)) {
        return out;
    }
    if (dollars >= 1e9) {
        snprintf(out, IC_HUMAN_MAX, "$%.2e", dollars);
        return out;
    }
    int places = 2; /* cents at least */
    for (double lead = 1; dollars > 0 && dollars < lead && places < DECIMALS_MAX; lead /= 10) {
        places++;
    }
    places = dollars > 0 && dollars < 1 ? places : dollars >= UNIT_FULL / 10 ? 0 : 2;
    snprintf(out, IC_HUMAN_MAX, "$%.*f", places, dollars);
    return out;
}

const char *ic_human_percent(double share, char out[IC_HUMAN_MAX])
{
    if (!is_nothing(share, out)) {
        snprintf(out, IC_HUMAN_MAX, share < 0.9995 ? "%.1f%%" : "%.0f%%", fmin(share * 100, 9999));
    }
    return out;
}
