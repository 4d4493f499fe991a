#include "base/slice.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool ic_slice_equal_nocase(struct ic_slice a, const char *text)
{
    size_t i = 0;
    for (; i < a.len && text[i] != '\0'; i++) {
        if (lower(a.data[i]) != lower((uint8_t)text[i])) {
            return false;
        }
    }
    return i == a.len && text[i] == '\0';
}

bool ic_slice_next_line(struct ic_slice *text, struct ic_slice *line)
{
    const uint8_t *end = text->len == 0 ? NULL : memchr(text->data, '\n', text->len);
    if (end == NULL) {
        return false;
    }
    *line = ic_slice(text->data, (size_t)(end - text->data));
    *text = ic_slice(end + 1, text->len - line->len - 1);
    line->len -= line->len > 0 && line->data[line->len - 1] == '\r';
    return true;
}

int ic_slice_to_i64(struct ic_slice a, int64_t *out)
{
    size_t at = 0;
    bool negative = a.len > 0 && a.data[0] == '-';
    at += negative;
    if (at == a.len) {
        return IC_EINVAL;
    }
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t value = 0;
    for (; at < a.len; at++) {
        uint8_t digit = (uint8_t)(a.data[at] - '0');
        if (digit > 9) {
            return IC_EINVAL;
        }
        if (value > (limit - digit) / 10) {
            return IC_ERANGE;
        }
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

/* strtod reads it (the process never leaves the C locale); what else strtod knows is kept out. */
int ic_slice_to_real(struct ic_slice a, double *out)
{
    char text[64];
    if (a.len == 0 || a.len >= sizeof text) {
        return IC_EINVAL;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (a.data[i] == '\0' || strchr("0123456789+-.eE", a.data[i]) == NULL) {
            return IC_EINVAL;
        }
    }
    memcpy(text, a.data, a.len);
    text[a.len] = '\0';
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0') {
        return IC_EINVAL;
    }
    if (!isfinite(value)) {
        return IC_ERANGE;
    }
    *out = value;
    return 0;
}
