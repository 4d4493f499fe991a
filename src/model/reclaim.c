#include "model/reclaim.h"

#include "base/random.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PART_BYTES = 64 };

/* Knuth's method needs exp(-rate); a large rate is a sum of such. */
static const double POISSON_STEP = 16;

/* ---- what is asked for --------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static int refuse(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, IC_RECLAIM_WHY_MAX, format, args);
    va_end(args);
    return IC_EINVAL;
}

/* A plain decimal number of TEXT in [0, most]; *END is what follows. */
static bool read_number(const char *text, double most, double *out, const char **end)
{
    char *stop;
    if (text[0] < '0' || text[0] > '9' || strspn(text, "0123456789.") > 15) {
        return false;
    }
    *out = strtod(text, &stop);
    *end = stop;
    return *out <= most && strcspn(text, "xXeE") >= (size_t)(stop - text);
}

static int read_time(const char *part, const char *text, uint64_t *ms, char *why)
{
    static const struct {
        const char *suffix;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    const char *end;
    double number;
    if (read_number(text, 1e6, &number, &end)) {
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
            if (strcmp(end, units[i].suffix) == 0 && number * units[i].ms >= 1) {
                *ms = (uint64_t)(number * units[i].ms);
                return 0;
            }
        }
    }
    return refuse(why, "'%s' needs a time as 90s, 27m or 6h", part);
}

static int read_part(const char *text, struct ic_reclaim_part *part, char *why)
{
    static const struct {
        const char *name;
        enum ic_reclaim_kind kind;
        double most; /* of a number; 0: a time */
    } kinds[] = {{"poisson:", IC_RECLAIM_POISSON, IC_RECLAIM_RATE_MAX},
                 {"zipf:", IC_RECLAIM_ZIPF, IC_RECLAIM_EXPONENT_MAX},
                 {"mass:", IC_RECLAIM_MASS, 0},
                 {"age:", IC_RECLAIM_AGE, 0},
                 {"idle:", IC_RECLAIM_IDLE, 0}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].name);
        const char *end;
        if (strncmp(text, kinds[i].name, len) != 0) {
            continue;
        }
        part->kind = kinds[i].kind;
        if (kinds[i].most == 0) {
            return read_time(text, text + len, &part->ms, why);
        }
        if (read_number(text + len, kinds[i].most, &part->number, &end) && *end == '\0') {
            return 0;
        }
        return refuse(why, "'%s' needs a number from 0 to %g", text, kinds[i].most);
    }
    return refuse(why, "'%s' is none of none, poisson:RATE, zipf:S, mass:TIME, age:TIME, idle:TIME",
                  text);
}

int ic_reclaim_model_init(struct ic_reclaim_model *m, const char *text, uint64_t seed, char *why)
{
    *m = (struct ic_reclaim_model){.seed = seed};
    if (strcmp(text, "none") == 0) {
        return 0;
    }
    while (true) {
        char part[PART_BYTES];
        size_t len = strcspn(text, "+");
        if (len >= sizeof part || m->count == IC_RECLAIM_PARTS_MAX) {
            return refuse(why, "at most %d parts of %d characters", IC_RECLAIM_PARTS_MAX,
                          PART_BYTES - 1);
        }
        memcpy(part, text, len);
        part[len] = '\0';
        int result = read_part(part, &m->part[m->count++], why);
        if (result < 0 || text[len] == '\0') {
            return result;
        }
        text += len + 1;
    }
}

bool ic_reclaim_model_none(const struct ic_reclaim_model *m)
{
    return m->count == 0;
}

/* ---- numbers ------------------------------------------------------------------- */

/* Knuth, The Art of Computer Programming 2, 3.4.1. */
static size_t poisson_small(struct ic_rng *rng, double rate)
{
    double limit = exp(-rate), product = 1 - ic_rng_unit(rng);
    size_t k = 0;
    while (product > limit) {
        product *= 1 - ic_rng_unit(rng);
        k++;
    }
    return k;
}

static size_t poisson(struct ic_rng *rng, double rate)
{
    size_t k = 0;
    for (; rate > POISSON_STEP; rate -= POISSON_STEP) {
        k += poisson_small(rng, POISSON_STEP);
    }
    return k + poisson_small(rng, rate);
}

static size_t zipf(struct ic_rng *rng, double exponent)
{
    double total = 0;
    for (size_t k = 0; k <= IC_RECLAIM_ZIPF_MAX; k++) {
        total += pow((double)(k + 1), -exponent);
    }
    double left = ic_rng_unit(rng) * total;
    for (size_t k = 0; k < IC_RECLAIM_ZIPF_MAX; k++) {
        left -= pow((double)(k + 1), -exponent);
        if (left < 0) {
            return k;
        }
    }
    return IC_RECLAIM_ZIPF_MAX;
}

/* ---- one minute ---------------------------------------------------------------- */

struct look {
    const struct ic_reclaim_subject *subject;
    bool *taken;
    size_t count;
    uint64_t at_ms;    /* the minute's end */
    uint64_t later_ms; /* from there to the time the subjects are given for */
};

/* It is there at that time and not taken yet. */
static bool is_present(const struct look *l, size_t i)
{
    return !l->taken[i] && l->subject[i].age_ms >= l->later_ms;
}

static size_t take_present(const struct look *l)
{
    size_t taken = 0;
    for (size_t i = 0; i < l->count; i++) {
        taken += is_present(l, i);
        l->taken[i] = l->taken[i] || is_present(l, i);
    }
    return taken;
}

/* Those older, or idle for longer, than MS. */
static size_t take_beyond(const struct look *l, bool idle, uint64_t ms)
{
    size_t taken = 0;
    for (size_t i = 0; i < l->count; i++) {
        uint64_t have_ms = idle ? l->subject[i].idle_ms : l->subject[i].age_ms;
        if (is_present(l, i) && have_ms >= l->later_ms && have_ms - l->later_ms >= ms) {
            l->taken[i] = true;
            taken++;
        }
    }
    return taken;
}

static size_t take_number(const struct look *l, struct ic_rng *rng, size_t number)
{
    size_t present = 0, taken = 0;
    for (size_t i = 0; i < l->count; i++) {
        present += is_present(l, i);
    }
    for (; taken < number && present > 0; taken++, present--) {
        uint64_t skip = ic_rng_below(rng, present);
        size_t i = 0;
        while (!is_present(l, i) || skip-- > 0) {
            i++;
        }
        l->taken[i] = true;
    }
    return taken;
}

static size_t take_part(const struct look *l, const struct ic_reclaim_part *part,
                        struct ic_rng *rng)
{
    switch (part->kind) {
    case IC_RECLAIM_POISSON:
        return take_number(l, rng, poisson(rng, part->number));
    case IC_RECLAIM_ZIPF:
        return take_number(l, rng, zipf(rng, part->number));
    case IC_RECLAIM_MASS: {
        uint64_t before_ms = l->at_ms - IC_RECLAIM_MINUTE_MS;
        return l->at_ms / part->ms > before_ms / part->ms ? take_present(l) : 0;
    }
    case IC_RECLAIM_AGE:
        return take_beyond(l, false, part->ms);
    case IC_RECLAIM_IDLE:
        return take_beyond(l, true, part->ms);
    }
    return 0;
}

size_t ic_reclaim_model_step(struct ic_reclaim_model *m, uint64_t now_ms,
                             const struct ic_reclaim_subject *subject, size_t count, bool *taken)
{
    uint64_t last = now_ms / IC_RECLAIM_MINUTE_MS;
    size_t sum = 0;
    if (count > 0) {
        memset(taken, 0, count * sizeof *taken);
    }
    if (last > m->minute + IC_RECLAIM_MINUTES_MAX) {
        m->minute = last - IC_RECLAIM_MINUTES_MAX;
    }
    while (m->minute < last) {
        struct ic_rng rng;
        m->minute++;
        uint64_t at_ms = m->minute * IC_RECLAIM_MINUTE_MS;
        const struct look l = {subject, taken, count, at_ms, now_ms - at_ms};
        ic_rng_init(&rng, m->seed);
        ic_rng_init(&rng, ic_rng_next(&rng) + m->minute); /* each minute has its own numbers */
        for (size_t i = 0; i < m->count; i++) {
            sum += take_part(&l, &m->part[i], &rng);
        }
    }
    return sum;
}
