/*
 * resp.c - the request side of the Redis protocol; see resp.h. Replies are in
 * resp_reply.c.
 *
 *   START --'*'--> COUNT -line-> BULK -line-> KEEP | STREAM | SKIP -body-> TAIL -2 bytes-> BULK ...
 *     \--other--> INLINE -line-> READY                                       \--last--> READY
 */
#include "proto/resp.h"

#include "base/alloc.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>

enum ic_resp_state {
    START,     /* between requests */
    COUNT,     /* in "*N" */
    COUNT_END, /* at the byte after its CR */
    BULK,      /* in "$N" */
    BULK_END,
    KEEP,   /* in a body that becomes an argument */
    STREAM, /* in a body its owner moves */
    SKIP,   /* in a body nobody wants */
    TAIL,   /* in the two bytes after a body */
    INLINE, /* in a line */
    READY,  /* a command is complete, not yet reset */
    BROKEN,
};

enum { KEPT_BYTES_MAX = 256, KEPT_SPANS_MAX = 8, FIRST_SPANS = 8 };

void ic_resp_init(struct ic_resp *r, uint64_t max_bulk)
{
    *r = (struct ic_resp){.max_bulk = max_bulk, .state = START};
    ic_buf_init(&r->bytes);
}

void ic_resp_deinit(struct ic_resp *r)
{
    ic_buf_deinit(&r->bytes);
    ic_free(r->span);
    r->span = NULL;
    r->span_cap = 0;
}

size_t ic_resp_line_length(const struct ic_resp *r)
{
    return r->state == INLINE ? r->bytes.len : 0;
}

void ic_resp_reset(struct ic_resp *r)
{
    assert(r->state != BROKEN);
    if (r->bytes.cap > KEPT_BYTES_MAX || r->span_cap > KEPT_SPANS_MAX) {
        ic_resp_deinit(r);
    }
    r->bytes.len = 0;
    r->argc = r->total = 0;
    r->is_inline = r->request_skipped = false;
    r->line_length = 0;
    r->state = START;
}

bool ic_resp_idle(const struct ic_resp *r)
{
    return r->state == START;
}

size_t ic_resp_memory(const struct ic_resp *r)
{
    return r->bytes.cap + r->span_cap * sizeof(*r->span);
}

struct ic_slice ic_resp_arg(const struct ic_resp *r, uint32_t index)
{
    assert(index < r->argc && !r->request_skipped);
    struct ic_resp_span span = r->span[index];
    if (span.offset != UINT64_MAX && span.length == 0) {
        return ic_slice("", 0); /* there may be no bytes at all to point into */
    }
    const uint8_t *data = span.offset == UINT64_MAX ? NULL : r->bytes.data + span.offset;
    return ic_slice(data, (size_t)span.length);
}

uint64_t ic_resp_body_left(const struct ic_resp *r)
{
    return r->state == STREAM ? r->body_left : 0;
}

static void end_body(struct ic_resp *r)
{
    r->argc++;
    r->tail_left = 2;
    r->state = TAIL;
}

void ic_resp_body_taken(struct ic_resp *r, uint64_t length)
{
    assert(r->state == STREAM && length <= r->body_left);
    r->body_left -= length;
    if (r->body_left == 0) {
        end_body(r);
    }
}

void ic_resp_stream(struct ic_resp *r)
{
    assert(r->state == KEEP && r->body_left == r->bulk_length);
    r->span[r->argc].offset = UINT64_MAX;
    r->state = STREAM;
    ic_resp_body_taken(r, 0); /* an empty body is over at once */
}

void ic_resp_skip(struct ic_resp *r)
{
    assert(r->state == KEEP && r->body_left == r->bulk_length);
    r->span[r->argc].offset = UINT64_MAX;
    r->state = SKIP;
}

void ic_resp_skip_request(struct ic_resp *r)
{
    assert(r->state == KEEP && r->body_left == r->bulk_length);
    ic_resp_deinit(r);
    r->request_skipped = true;
    r->state = SKIP;
}

void ic_resp_skip_rest(struct ic_resp *r)
{
    if (r->state == STREAM) {
        r->state = SKIP;
    }
}

int ic_resp_integer(struct ic_slice text, int64_t *out)
{
    size_t i = text.len > 0 && text.data[0] == '-';
    bool negative = i == 1;
    if (text.len == i || text.len > IC_RESP_NUMBER_MAX || (text.data[i] == '0' && text.len > 1)) {
        return IC_EINVAL; /* "", "-", "01", "-0", longer than any */
    }
    uint64_t value = 0;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)(text.data[i] - '0');
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return IC_EINVAL;
        }
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + negative) {
        return IC_EINVAL;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

static enum ic_resp_event fail(struct ic_resp *r, const char *error)
{
    r->error = error;
    r->state = BROKEN;
    return IC_RESP_ERROR;
}

/* Room for one more span. */
static int reserve_span(struct ic_resp *r)
{
    if (r->argc < r->span_cap) {
        return 0;
    }
    uint32_t cap = r->span_cap == 0 ? FIRST_SPANS : r->span_cap * 2;
    struct ic_resp_span *span = ic_realloc(r->span, cap * sizeof(*span));
    if (span == NULL) {
        return IC_ENOMEM;
    }
    r->span = span;
    r->span_cap = cap;
    return 0;
}

/* Collects a length's line up to its CR. True: it is complete, but for the byte that follows. */
static bool take_line(struct ic_resp *r, struct ic_slice *in)
{
    const uint8_t *cr = memchr(in->data, '\r', in->len);
    size_t length = cr == NULL ? in->len : (size_t)(cr - in->data);
    for (size_t i = 0; i < length && r->line_length + i < sizeof(r->line); i++) {
        r->line[r->line_length + i] = (char)in->data[i];
    }
    r->line_length += length;
    *in = ic_slice(in->data + length, in->len - length);
    if (cr != NULL) {
        *in = ic_slice(in->data + 1, in->len - 1);
    }
    return cr != NULL;
}

/* The number after the line's first character. */
static int line_number(const struct ic_resp *r, int64_t *out)
{
    if (r->line_length > sizeof(r->line)) {
        return IC_EINVAL;
    }
    size_t length = r->line_length == 0 ? 0 : r->line_length - 1;
    return ic_resp_integer(ic_slice(r->line + 1, length), out);
}

/* "*N" is there: the request's number of arguments. */
static enum ic_resp_event end_count(struct ic_resp *r)
{
    int64_t count;
    if (line_number(r, &count) != 0 || count > IC_RESP_ARGS_MAX) {
        return fail(r, "Protocol error: invalid multibulk length");
    }
    if (r->unauthenticated && count > IC_RESP_UNAUTH_ARGS_MAX) {
        return fail(r, "Protocol error: unauthenticated multibulk length");
    }
    r->line_length = 0;
    r->total = count > 0 ? (uint32_t)count : 0;
    r->state = count > 0 ? BULK : START;
    return IC_RESP_MORE;
}

/* "$N" is there: an argument is announced. */
static enum ic_resp_event end_bulk(struct ic_resp *r)
{
    int64_t length;
    char first = r->line_length == 0 ? '\r' : r->line[0];
    if (first != '$') {
        snprintf(r->error_text, sizeof(r->error_text), "Protocol error: expected '$', got '%c'",
                 first);
        return fail(r, r->error_text);
    }
    if (line_number(r, &length) != 0 || length < 0 || (uint64_t)length > r->max_bulk) {
        return fail(r, "Protocol error: invalid bulk length");
    }
    if (r->unauthenticated && length > IC_RESP_UNAUTH_BULK_MAX) {
        return fail(r, "Protocol error: unauthenticated bulk length");
    }
    r->line_length = 0;
    r->bulk_length = r->body_left = (uint64_t)length;
    if (r->request_skipped) {
        r->state = SKIP;
        return IC_RESP_MORE;
    }
    if (reserve_span(r) != 0) {
        return fail(r, "out of memory");
    }
    r->span[r->argc] = (struct ic_resp_span){.offset = r->bytes.len, .length = (uint64_t)length};
    r->state = KEEP;
    return IC_RESP_BULK;
}

/* Takes what is there of a body that is kept or skipped. */
static enum ic_resp_event take_body(struct ic_resp *r, struct ic_slice *in)
{
    size_t length = in->len < r->body_left ? in->len : (size_t)r->body_left;
    if (r->state == KEEP && ic_buf_append(&r->bytes, in->data, length) != 0) {
        return fail(r, "out of memory");
    }
    *in = ic_slice(in->data + length, in->len - length);
    r->body_left -= length;
    if (r->body_left == 0) {
        end_body(r);
    }
    return IC_RESP_MORE;
}

static enum ic_resp_event take_tail(struct ic_resp *r, struct ic_slice *in)
{
    size_t length = in->len < r->tail_left ? in->len : r->tail_left;
    *in = ic_slice(in->data + length, in->len - length);
    r->tail_left -= (unsigned)length;
    if (r->tail_left > 0) {
        return IC_RESP_MORE;
    }
    if (r->argc < r->total) {
        r->state = BULK;
        return IC_RESP_MORE;
    }
    r->state = READY;
    return IC_RESP_COMMAND;
}

/* The value of the escape at TEXT (after the backslash); *USED characters of it. */
static uint8_t unescape(const uint8_t *text, size_t length, size_t *used)
{
    static const char hex[] = "0123456789abcdef";
    if (length >= 3 && text[0] == 'x' && isxdigit(text[1]) && isxdigit(text[2])) {
        *used = 3;
        return (uint8_t)((strchr(hex, tolower(text[1])) - hex) * 16 +
                         (strchr(hex, tolower(text[2])) - hex));
    }
    *used = 1;
    switch (text[0]) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return text[0];
    }
}

/*
 * Unquotes in place the part of a word that begins with a quote at IN (of LENGTH bytes), to OUT.
 * Returns the bytes read, both quotes included, or 0: no closing quote, or no blank behind it.
 */
static size_t unquote(const uint8_t *in, size_t length, uint8_t **out)
{
    uint8_t quote = in[0];
    size_t i = 1;
    while (i < length && in[i] != quote) {
        size_t used = 0;
        if (quote == '"' && in[i] == '\\' && i + 1 < length) {
            *(*out)++ = unescape(in + i + 1, length - i - 1, &used);
            i += 1 + used;
        } else if (quote == '\'' && in[i] == '\\' && i + 1 < length && in[i + 1] == '\'') {
            *(*out)++ = '\'';
            i += 2;
        } else {
            *(*out)++ = in[i++];
        }
    }
    if (i == length || (i + 1 < length && !isspace(in[i + 1]))) {
        return 0;
    }
    return i + 1;
}

/* Cuts the collected line into words, unquoting in place. IC_EINVAL: unbalanced quotes. */
static int split_line(struct ic_resp *r)
{
    const uint8_t *in = r->bytes.data;
    uint8_t *out = r->bytes.data; /* never ahead of what is read */
    size_t length = strnlen((const char *)in, r->bytes.len);
    for (size_t i = 0;;) {
        while (i < length && isspace(in[i])) {
            i++;
        }
        if (i == length) {
            return 0;
        }
        if (reserve_span(r) != 0) {
            return IC_ENOMEM;
        }
        uint8_t *start = out;
        while (i < length && strchr(" \n\r\t", in[i]) == NULL) {
            if (in[i] != '"' && in[i] != '\'') {
                *out++ = in[i++];
                continue;
            }
            size_t used = unquote(in + i, length - i, &out);
            if (used == 0) {
                return IC_EINVAL;
            }
            i += used;
            break; /* a closing quote ends the word */
        }
        r->span[r->argc++] = (struct ic_resp_span){.offset = (uint64_t)(start - r->bytes.data),
                                                   .length = (uint64_t)(out - start)};
    }
}

static enum ic_resp_event end_inline(struct ic_resp *r)
{
    if (r->bytes.len > 0 && r->bytes.data[r->bytes.len - 1] == '\r') {
        r->bytes.len--;
    }
    int result = r->bytes.len == 0 ? 0 : split_line(r);
    if (result == IC_EINVAL) {
        return fail(r, "Protocol error: unbalanced quotes in request");
    }
    if (result != 0) {
        return fail(r, "out of memory");
    }
    if (r->argc == 0) {
        ic_resp_reset(r);
        return IC_RESP_MORE;
    }
    r->total = r->argc;
    r->is_inline = true;
    r->state = READY;
    return IC_RESP_COMMAND;
}

static enum ic_resp_event take_inline(struct ic_resp *r, struct ic_slice *in)
{
    const uint8_t *lf = memchr(in->data, '\n', in->len);
    size_t length = lf == NULL ? in->len : (size_t)(lf - in->data);
    if (r->bytes.len + length > IC_RESP_LINE_MAX) {
        return fail(r, "Protocol error: too big inline request");
    }
    if (ic_buf_append(&r->bytes, in->data, length) != 0) {
        return fail(r, "out of memory");
    }
    size_t used = lf == NULL ? length : length + 1;
    *in = ic_slice(in->data + used, in->len - used);
    return lf == NULL ? IC_RESP_MORE : end_inline(r);
}

/* In "*N" or "$N". */
static enum ic_resp_event take_length_line(struct ic_resp *r, struct ic_slice *in)
{
    if (take_line(r, in)) {
        r->state = r->state == COUNT ? COUNT_END : BULK_END;
    } else if (r->line_length > IC_RESP_LINE_MAX) {
        return fail(r, r->state == COUNT ? "Protocol error: too big mbulk count string"
                                         : "Protocol error: too big bulk count string");
    }
    return IC_RESP_MORE;
}

/* One state's work on IN, which is not empty. IC_RESP_MORE: go on. */
static enum ic_resp_event step(struct ic_resp *r, struct ic_slice *in)
{
    switch ((enum ic_resp_state)r->state) {
    case START:
        r->state = in->data[0] == '*' ? COUNT : INLINE;
        return IC_RESP_MORE;
    case COUNT:
    case BULK:
        return take_length_line(r, in);
    case COUNT_END:
    case BULK_END:
        *in = ic_slice(in->data + 1, in->len - 1);
        return r->state == COUNT_END ? end_count(r) : end_bulk(r);
    case KEEP:
    case SKIP:
        return take_body(r, in);
    case STREAM:
        return IC_RESP_BODY;
    case TAIL:
        return take_tail(r, in);
    case INLINE:
        return take_inline(r, in);
    case READY:
        return IC_RESP_COMMAND;
    case BROKEN:
        break;
    }
    return IC_RESP_ERROR;
}

enum ic_resp_event ic_resp_feed(struct ic_resp *r, struct ic_slice *in)
{
    while (in->len > 0) {
        enum ic_resp_event event = step(r, in);
        if (event != IC_RESP_MORE) {
            return event;
        }
    }
    return IC_RESP_MORE;
}
