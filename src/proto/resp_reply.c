/*
 * resp_reply.c - the reply side of the Redis protocol, RESP2 and RESP3; see resp.h.
 * Every writer ends in append(), where the one failure is noted.
 */
#include "proto/resp.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 1024 }; /* a status, error or formatted bulk; longer ones are cut */

static void append(struct ic_resp_writer *w, const void *data, size_t len)
{
    if (w->failed) {
        return;
    }
    if (len > w->max || w->buf->len > w->max - len) {
        w->failed = w->too_long = true;
    } else if (ic_buf_append(w->buf, data, len) != 0) {
        w->failed = true;
    }
}

static void append_str(struct ic_resp_writer *w, const char *text)
{
    append(w, text, strlen(text));
}

/* "<TYPE><VALUE>\r\n" */
static void header(struct ic_resp_writer *w, char type, int64_t value)
{
    char line[IC_RESP_NUMBER_MAX + 4];
    int length = snprintf(line, sizeof(line), "%c%" PRId64 "\r\n", type, value);
    append(w, line, (size_t)length);
}

void ic_resp_raw(struct ic_resp_writer *w, struct ic_slice bytes)
{
    append(w, bytes.data, bytes.len);
}

void ic_resp_status(struct ic_resp_writer *w, const char *text)
{
    append_str(w, "+");
    append_str(w, text);
    append_str(w, "\r\n");
}

void ic_resp_error(struct ic_resp_writer *w, const char *text)
{
    char line[TEXT_MAX];
    size_t length = 0;
    for (; text[length] != '\0' && length < sizeof(line); length++) {
        char c = text[length];
        line[length] = c == '\r' || c == '\n' ? ' ' : c;
    }
    append_str(w, text[0] == '-' ? "" : "-ERR ");
    append(w, line, length);
    append_str(w, "\r\n");
}

void ic_resp_errorf(struct ic_resp_writer *w, const char *format, ...)
{
    char line[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ic_resp_error(w, line);
}

void ic_resp_int(struct ic_resp_writer *w, int64_t value)
{
    header(w, ':', value);
}

void ic_resp_bulk_header(struct ic_resp_writer *w, uint64_t length)
{
    header(w, '$', (int64_t)length);
}

void ic_resp_bulk(struct ic_resp_writer *w, struct ic_slice bytes)
{
    ic_resp_bulk_header(w, bytes.len);
    append(w, bytes.data, bytes.len);
    append_str(w, "\r\n");
}

void ic_resp_bulk_str(struct ic_resp_writer *w, const char *text)
{
    ic_resp_bulk(w, ic_slice_str(text));
}

void ic_resp_pair_uint(struct ic_resp_writer *w, const char *name, uint64_t value)
{
    ic_resp_bulk_str(w, name);
    ic_resp_int(w, (int64_t)value);
}

void ic_resp_pair_str(struct ic_resp_writer *w, const char *name, const char *value)
{
    ic_resp_bulk_str(w, name);
    ic_resp_bulk_str(w, value);
}

void ic_resp_bulkf(struct ic_resp_writer *w, const char *format, ...)
{
    char line[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ic_resp_bulk_str(w, line);
}

void ic_resp_null(struct ic_resp_writer *w)
{
    append_str(w, w->version == 3 ? "_\r\n" : "$-1\r\n");
}

void ic_resp_null_array(struct ic_resp_writer *w)
{
    append_str(w, w->version == 3 ? "_\r\n" : "*-1\r\n");
}

void ic_resp_array(struct ic_resp_writer *w, size_t count)
{
    header(w, '*', (int64_t)count);
}

void ic_resp_map(struct ic_resp_writer *w, size_t pairs)
{
    bool flat = w->version != 3;
    header(w, flat ? '*' : '%', (int64_t)(flat ? pairs * 2 : pairs));
}

void ic_resp_set(struct ic_resp_writer *w, size_t count)
{
    header(w, w->version == 3 ? '~' : '*', (int64_t)count);
}

void ic_resp_push(struct ic_resp_writer *w, size_t count)
{
    header(w, w->version == 3 ? '>' : '*', (int64_t)count);
}

void ic_resp_bool(struct ic_resp_writer *w, bool value)
{
    if (w->version == 3) {
        append_str(w, value ? "#t\r\n" : "#f\r\n");
    } else {
        header(w, ':', value);
    }
}

void ic_resp_double(struct ic_resp_writer *w, double value)
{
    char text[40] = "nan";
    if (isinf(value)) {
        snprintf(text, sizeof(text), value > 0 ? "inf" : "-inf");
    } else if (!isnan(value)) {
        /* The shortest of these that reads back as the same number. */
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof(text), "%.*g", digits, value);
            if (strtod(text, NULL) == value) {
                break;
            }
        }
    }
    if (w->version != 3) {
        ic_resp_bulk_str(w, text);
        return;
    }
    append_str(w, ",");
    append_str(w, text);
    append_str(w, "\r\n");
}

void ic_resp_verbatim_head(struct ic_resp_writer *w, const char *format, size_t length)
{
    if (w->version != 3) {
        header(w, '$', (int64_t)length);
        return;
    }
    header(w, '=', (int64_t)length + 4);
    append(w, format, 3);
    append_str(w, ":");
}

void ic_resp_verbatim(struct ic_resp_writer *w, const char *format, struct ic_slice text)
{
    ic_resp_verbatim_head(w, format, text.len);
    append(w, text.data, text.len);
    append_str(w, "\r\n");
}
