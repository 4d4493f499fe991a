#include "base/quantity.h"

#include <inttypes.h>

struct suffix {
    const char *text;
    int64_t factor;
};

static const struct suffix size_suffixes[] = {
    {"b", 1},
    {"k", 1000},
    {"kb", 1024},
    {"m", 1000 * 1000},
    {"mb", 1024 * 1024},
    {"g", 1000 * 1000 * 1000},
    {"gb", 1024 * 1024 * 1024},
    {NULL, 1},
};

static const struct suffix time_suffixes[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {NULL, 1},
};

/* A number with one of SUFFIXES (or none: the factor of the list's end). */
static int parse_scaled(struct ic_slice text, const struct suffix *suffixes, int64_t *out)
{
    size_t digits = 0;
    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') {
        digits++;
    }
    int64_t number;
    int result = ic_slice_to_i64(ic_slice(text.data, digits), &number);
    if (result < 0) {
        return result;
    }
    struct ic_slice rest = ic_slice(text.data + digits, text.len - digits);
    while (suffixes->text != NULL && !ic_slice_equal_nocase(rest, suffixes->text)) {
        suffixes++;
    }
    if (suffixes->text == NULL && rest.len > 0) {
        return IC_EINVAL;
    }
    if (number > INT64_MAX / suffixes->factor) {
        return IC_ERANGE;
    }
    *out = number * suffixes->factor;
    return 0;
}

int ic_quantity_bytes(struct ic_slice text, int64_t *out)
{
    return parse_scaled(text, size_suffixes, out);
}

int ic_quantity_ms(struct ic_slice text, int64_t *out)
{
    return parse_scaled(text, time_suffixes, out);
}

/* In the largest of UNITS, smallest first, that says it exactly. */
static int print_scaled(struct ic_buf *out, int64_t number, const struct suffix *units)
{
    const struct suffix *best = units;
    for (const struct suffix *s = units; s->text != NULL; s++) {
        if (number >= s->factor && number % s->factor == 0) {
            best = s;
        }
    }
    return ic_buf_printf(out, "%" PRId64 "%s", number / best->factor, best->text);
}

int ic_quantity_print_bytes(struct ic_buf *out, int64_t bytes)
{
    static const struct suffix units[] = {
        {"", 1}, {"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {NULL, 1}};
    return print_scaled(out, bytes, units);
}

int ic_quantity_print_ms(struct ic_buf *out, int64_t time_ms)
{
    return print_scaled(out, time_ms, time_suffixes);
}
