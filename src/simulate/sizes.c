#include "simulate/sizes.h"

#include "base/quantity.h"

#include <math.h>
#include <stdio.h>

/* ---- reading ---------------------------------------------------------------- */

/* "10mb" or "10mb:3". */
static int parse_size(struct ic_slice text, uint64_t *size, double *weight)
{
    const uint8_t *colon = text.len == 0 ? NULL : memchr(text.data, ':', text.len);
    struct ic_slice number = text;
    int64_t bytes, parts = 1;
    if (colon != NULL) {
        number.len = (size_t)(colon - text.data);
        struct ic_slice rest = ic_slice(colon + 1, text.len - number.len - 1);
        if (ic_slice_to_i64(rest, &parts) < 0 || parts < 1) {
            return IC_EINVAL;
        }
    }
    if (ic_quantity_bytes(number, &bytes) < 0 || bytes < 0) {
        return IC_EINVAL;
    }
    *size = (uint64_t)bytes;
    *weight = (double)parts;
    return 0;
}

static int parse_list(struct ic_sizes *s, const char *text)
{
    double sum = 0;
    while (true) {
        size_t len = strcspn(text, ",");
        double weight;
        if (s->count == IC_SIZES_LIST_MAX ||
            parse_size(ic_slice(text, len), &s->size[s->count], &weight) < 0) {
            return IC_EINVAL;
        }
        sum += weight;
        s->upto[s->count++] = sum;
        if (text[len] == '\0') {
            break;
        }
        text += len + 1;
    }
    for (unsigned i = 0; i < s->count; i++) {
        s->upto[i] /= sum;
    }
    return 0;
}

/* "1kb-1mb" */
static int parse_range(struct ic_sizes *s, const char *text)
{
    double weight;
    size_t len = strcspn(text, "-");
    if (text[len] == '\0' || parse_size(ic_slice(text, len), &s->size[0], &weight) < 0 ||
        parse_size(ic_slice_str(text + len + 1), &s->size[1], &weight) < 0 ||
        s->size[0] > s->size[1] || (s->shape == IC_SIZES_LOG_UNIFORM && s->size[0] == 0)) {
        return IC_EINVAL;
    }
    return 0;
}

/* "1mb,1.5": a size above 0 and a number above 0. */
static int parse_tail(struct ic_sizes *s, const char *text)
{
    double weight;
    size_t len = strcspn(text, ",");
    if (text[len] == '\0' || parse_size(ic_slice(text, len), &s->size[0], &weight) < 0 ||
        s->size[0] == 0 || ic_slice_to_real(ic_slice_str(text + len + 1), &s->number) < 0 ||
        s->number <= 0) {
        return IC_EINVAL;
    }
    return 0;
}

int ic_sizes_parse(struct ic_sizes *s, const char *text, char *why)
{
    static const struct {
        const char *prefix;
        enum ic_sizes_shape shape;
        int (*parse)(struct ic_sizes *s, const char *text);
    } shapes[] = {{"uniform:", IC_SIZES_UNIFORM, parse_range},
                  {"loguniform:", IC_SIZES_LOG_UNIFORM, parse_range},
                  {"lognormal:", IC_SIZES_LOG_NORMAL, parse_tail},
                  {"pareto:", IC_SIZES_PARETO, parse_tail},
                  {"", IC_SIZES_LIST, parse_list}};
    size_t i = 0;
    while (strncmp(text, shapes[i].prefix, strlen(shapes[i].prefix)) != 0) {
        i++; /* every text begins with "" */
    }
    *s = (struct ic_sizes){.shape = shapes[i].shape};
    if (shapes[i].parse(s, text + strlen(shapes[i].prefix)) == 0) {
        return 0;
    }
    snprintf(why, IC_SIZES_WHY_MAX,
             "bad sizes '%.80s': write 1mb, or 1kb,10mb, or 1kb:9,10mb:1 (weights), or "
             "uniform:1kb-1mb, loguniform:1kb-1gb, lognormal:1mb,2, pareto:1mb,1.5",
             text);
    return IC_EINVAL;
}

/* ---- quantiles -------------------------------------------------------------- */

/* c[0] x^(count - 1) + ... + c[count - 1] */
static double polynomial(const double *c, size_t count, double x)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum = sum * x + c[i];
    }
    return sum;
}

/*
 * Quantile of the standard normal distribution, P in (0, 1): P. J. Acklam's rational
 * approximation, relative error below 1.2e-9.
 */
static double normal_quantile(double p)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                               -2.759285104469687e+02, 1.383577518672690e+02,
                               -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                               -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01, 1};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                               -2.400758277161838e+00, -2.549732539343734e+00,
                               4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00, 1};
    static const double tail = 0.02425;
    if (p >= tail && p <= 1 - tail) {
        double q = p - 0.5;
        return q * polynomial(a, 6, q * q) / polynomial(b, 6, q * q);
    }
    double q = sqrt(-2 * log(p < tail ? p : 1 - p));
    double x = polynomial(c, 6, q) / polynomial(d, 5, q);
    return p < tail ? x : -x;
}

static uint64_t bounded(double bytes)
{
    return bytes < (double)IC_SIZES_MOST ? (uint64_t)bytes : IC_SIZES_MOST;
}

uint64_t ic_sizes_at(const struct ic_sizes *s, double place)
{
    double least = (double)s->size[0], most = (double)s->size[1];
    switch (s->shape) {
    case IC_SIZES_UNIFORM:
        return bounded(least + floor(place * (most - least + 1)));
    case IC_SIZES_LOG_UNIFORM:
        return bounded(least * pow(most / least, place) + 0.5);
    case IC_SIZES_LOG_NORMAL:
        return bounded(least * exp(s->number * normal_quantile(place > 0 ? place : 0x1p-54)) + 0.5);
    case IC_SIZES_PARETO:
        return bounded(least * pow(1 - place, -1 / s->number) + 0.5);
    case IC_SIZES_LIST:
        break;
    }
    unsigned i = 0;
    while (i + 1 < s->count && place >= s->upto[i]) {
        i++;
    }
    return s->size[i];
}
