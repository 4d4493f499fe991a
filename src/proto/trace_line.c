#include "proto/trace_line.h"

#include <math.h>
#include <stdlib.h>

/* ---- words and numbers ------------------------------------------------------ */

static struct ic_slice next_word(struct ic_slice *line)
{
    while (line->len > 0 && (*line->data == ' ' || *line->data == '\t')) {
        line->data++;
        line->len--;
    }
    size_t len = 0;
    while (len < line->len && line->data[len] != ' ' && line->data[len] != '\t') {
        len++;
    }
    struct ic_slice word = ic_slice(line->data, len);
    line->data += len;
    line->len -= len;
    return word;
}

/* A number that is not negative, with or without a fraction. */
static int parse_decimal(struct ic_slice text, double *out)
{
    char copy[64];
    char *end;
    if (text.len == 0 || text.len >= sizeof copy) {
        return IC_EPROTO;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *out = strtod(copy, &end);
    bool good = *end == '\0' && isfinite(*out) && *out >= 0 && *out < 9e15; /* exact below 2^53 */
    return good ? 0 : IC_EPROTO;
}

static int parse_bytes(struct ic_slice text, uint64_t *out)
{
    double value;
    if (parse_decimal(text, &value) < 0) {
        return IC_EPROTO;
    }
    *out = (uint64_t)value;
    return 0;
}

static int parse_op(struct ic_slice word, enum ic_trace_op *out)
{
    static const struct {
        const char *name;
        enum ic_trace_op op;
    } ops[] = {{"get", IC_TRACE_GET},   {"put", IC_TRACE_PUT},      {"set", IC_TRACE_PUT},
               {"head", IC_TRACE_HEAD}, {"copy", IC_TRACE_COPY},    {"del", IC_TRACE_DELETE},
               {"patch", IC_TRACE_PUT}, {"delete", IC_TRACE_DELETE}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (ic_slice_equal_nocase(word, ops[i].name)) {
            *out = ops[i].op;
            return 1;
        }
    }
    return 0;
}

/* ---- plain ------------------------------------------------------------------ */

static int plain_line(struct ic_slice line, struct ic_trace_request *out)
{
    double seconds;
    struct ic_slice time = next_word(&line), op = next_word(&line);
    out->key = next_word(&line);
    if (parse_decimal(time, &seconds) < 0 || parse_op(op, &out->op) != 1 || out->key.len == 0) {
        return IC_EPROTO;
    }
    struct ic_slice bytes = next_word(&line);
    if ((bytes.len > 0 && parse_bytes(bytes, &out->bytes) < 0) || next_word(&line).len > 0) {
        return IC_EPROTO;
    }
    out->time_ms = (int64_t)(seconds * 1000 + 0.5);
    return 1;
}

/* ---- store ------------------------------------------------------------------ */

static int store_line(struct ic_slice line, struct ic_trace_request *out)
{
    static const char rest[] = "REST.", object[] = ".OBJECT";
    double time_ms;
    struct ic_slice time = next_word(&line), method = next_word(&line);
    out->key = next_word(&line);
    if (parse_decimal(time, &time_ms) < 0 || method.len < sizeof rest - 1 ||
        memcmp(method.data, rest, sizeof rest - 1) != 0 || out->key.len == 0) {
        return IC_EPROTO;
    }
    out->time_ms = (int64_t)time_ms;
    size_t around = sizeof rest - 1 + sizeof object - 1;
    if (method.len <= around ||
        memcmp(method.data + method.len - (sizeof object - 1), object, sizeof object - 1) != 0) {
        return 0; /* of a bucket, or of parts */
    }
    struct ic_slice name = ic_slice(method.data + sizeof rest - 1, method.len - around);
    struct ic_slice bytes = next_word(&line), first = next_word(&line), last = next_word(&line);
    if ((bytes.len > 0 && parse_bytes(bytes, &out->bytes) < 0) ||
        (first.len > 0 && (parse_bytes(first, &out->first) < 0 ||
                           parse_bytes(last, &out->last) < 0 || out->last < out->first))) {
        return IC_EPROTO;
    }
    return parse_op(name, &out->op);
}

/* ---- registry --------------------------------------------------------------- */

/*
 * The next field of a CSV line (RFC 4180), unquoted into COPY if it was quoted, else in place.
 * IC_EPROTO: a quote without end, or a quoted field longer than IC_TRACE_FIELD_MAX.
 */
static int next_field(struct ic_slice *line, char *copy, struct ic_slice *out)
{
    size_t len = 0, used = 0;
    if (line->len == 0 || line->data[0] != '"') {
        while (len < line->len && line->data[len] != ',') {
            len++;
        }
        *out = ic_slice(line->data, len);
    } else {
        for (len = 1;; len++) {
            if (len == line->len || used == IC_TRACE_FIELD_MAX) {
                return IC_EPROTO;
            }
            if (line->data[len] == '"') {
                if (len + 1 == line->len || line->data[len + 1] != '"') {
                    break;
                }
                len++;
            }
            copy[used++] = (char)line->data[len];
        }
        len++;
        *out = ic_slice(copy, used);
    }
    if (len < line->len && line->data[len] != ',') {
        return IC_EPROTO;
    }
    size_t step = len < line->len ? len + 1 : len;
    line->data += step;
    line->len -= step;
    return 0;
}

static bool read_header(struct ic_trace_lines *t, struct ic_slice line)
{
    static const char *const names[] = {"http.request.uri", "http.response.written", "timestamp",
                                        "http.request.method"};
    uint32_t *column[] = {&t->uri, &t->written, &t->timestamp, &t->method};
    unsigned found = 0;
    for (uint32_t i = 0; i < IC_TRACE_FIELDS_MAX && line.len > 0; i++) {
        struct ic_slice field;
        if (next_field(&line, t->field[0], &field) < 0) {
            return false;
        }
        for (unsigned k = 0; k < 4; k++) {
            if (ic_slice_equal(field, ic_slice_str(names[k]))) {
                *column[k] = i;
                found |= 1U << k;
            }
        }
    }
    return found == 15;
}

/* Days from 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* DIGITS decimal digits at AT; -1: there is something else. */
static int64_t digits_at(struct ic_slice text, size_t at, size_t digits)
{
    int64_t value = 0;
    for (size_t i = at; i < at + digits; i++) {
        if (i >= text.len || text.data[i] < '0' || text.data[i] > '9') {
            return -1;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

/* "2017-06-20 00:00:26.626", or with a T, a fraction of any length or none, and a Z. */
static int parse_timestamp(struct ic_slice text, int64_t *out_ms)
{
    int64_t year = digits_at(text, 0, 4), month = digits_at(text, 5, 2);
    int64_t day = digits_at(text, 8, 2), hour = digits_at(text, 11, 2);
    int64_t minute = digits_at(text, 14, 2), second = digits_at(text, 17, 2);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 60) {
        return IC_EPROTO;
    }
    int64_t ms = 0, unit = 100;
    for (size_t i = 20; text.len > 20 && text.data[19] == '.' && i < text.len && unit > 0; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            break;
        }
        ms += unit * (text.data[i] - '0');
        unit /= 10;
    }
    *out_ms = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000 + ms;
    return 0;
}

static int registry_line(struct ic_trace_lines *t, struct ic_slice line,
                         struct ic_trace_request *out)
{
    struct ic_slice written = {0}, timestamp = {0}, method = {0};
    char other[IC_TRACE_FIELD_MAX];
    for (uint32_t i = 0; i < IC_TRACE_FIELDS_MAX && line.len > 0; i++) {
        char *copy = i == t->uri         ? t->field[0]
                     : i == t->written   ? t->field[1]
                     : i == t->timestamp ? t->field[2]
                                         : other;
        struct ic_slice field;
        if (next_field(&line, copy, &field) < 0) {
            return IC_EPROTO;
        }
        if (i == t->uri) {
            out->key = field;
        } else if (i == t->written) {
            written = field;
        } else if (i == t->timestamp) {
            timestamp = field;
        } else if (i == t->method) {
            int known = parse_op(field, &out->op);
            method = known == 1 ? field : ic_slice("", 0);
        }
    }
    if (out->key.len == 0 || parse_bytes(written, &out->bytes) < 0 ||
        parse_timestamp(timestamp, &out->time_ms) < 0) {
        return IC_EPROTO;
    }
    return method.len > 0;
}

/* ---- any -------------------------------------------------------------------- */

static enum ic_trace_format format_of(struct ic_trace_lines *t, struct ic_slice line)
{
    struct ic_trace_request r = {0};
    if (read_header(t, line)) {
        return IC_TRACE_REGISTRY;
    }
    if (store_line(line, &r) >= 0) {
        return IC_TRACE_STORE;
    }
    return plain_line(line, &r) >= 0 ? IC_TRACE_PLAIN : IC_TRACE_UNKNOWN;
}

int ic_trace_line(struct ic_trace_lines *t, struct ic_slice line, struct ic_trace_request *out)
{
    *out = (struct ic_trace_request){.op = IC_TRACE_GET};
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    if (line.len == 0 || line.data[0] == '#') {
        return 0;
    }
    bool first = t->format == IC_TRACE_UNKNOWN;
    if (first) {
        t->format = format_of(t, line);
    }
    switch (t->format) {
    case IC_TRACE_REGISTRY:
        return first ? 0 : registry_line(t, line, out);
    case IC_TRACE_STORE:
        return store_line(line, out);
    case IC_TRACE_PLAIN:
        return plain_line(line, out);
    case IC_TRACE_UNKNOWN:
        break;
    }
    return IC_EPROTO;
}
