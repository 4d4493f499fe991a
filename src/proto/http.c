#include "proto/http.h"

void ic_http_init(struct ic_http *h)
{
    *h = (struct ic_http){.state = IC_HTTP_IN_HEAD};
    ic_buf_init(&h->head);
}

void ic_http_deinit(struct ic_http *h)
{
    ic_buf_deinit(&h->head);
}

static int fail(struct ic_http *h, int error)
{
    h->state = IC_HTTP_FAILED;
    h->status = error; /* given again by every later call */
    return error;
}

static struct ic_slice take(struct ic_slice *in, size_t len)
{
    struct ic_slice front = ic_slice(in->data, len);
    *in = ic_slice(in->data + len, in->len - len);
    return front;
}

/* ---- the head --------------------------------------------------------------------- */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct ic_slice trim(struct ic_slice s)
{
    while (s.len > 0 && is_blank(s.data[0])) {
        s = ic_slice(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && is_blank(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

/* "HTTP/1.1 200 OK": the version's minor digit in *MINOR. */
static int parse_status(struct ic_slice line, int *minor)
{
    static const char version[] = "HTTP/1.";
    const size_t at = sizeof(version) - 1;
    if (line.len < at + 5 || memcmp(line.data, version, at) != 0 || !is_digit(line.data[at]) ||
        line.data[at + 1] != ' ' || (line.len > at + 5 && line.data[at + 5] != ' ')) {
        return IC_EPROTO;
    }
    int status = 0;
    for (size_t i = at + 2; i < at + 5; i++) {
        if (!is_digit(line.data[i])) {
            return IC_EPROTO;
        }
        status = status * 10 + (line.data[i] - '0');
    }
    *minor = line.data[at] - '0';
    return status >= 100 ? status : IC_EPROTO;
}

/* "Name: value" with a token as name. */
static bool split_field(struct ic_slice line, struct ic_slice *name, struct ic_slice *value)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    if (colon == NULL || colon == line.data) {
        return false;
    }
    *name = ic_slice(line.data, (size_t)(colon - line.data));
    for (size_t i = 0; i < name->len; i++) {
        if (name->data[i] <= ' ' || name->data[i] >= 127) {
            return false;
        }
    }
    *value = trim(ic_slice(colon + 1, line.len - name->len - 1));
    return true;
}

static struct ic_slice field_text(const struct ic_http *h)
{
    return ic_slice(h->head.data + h->fields, h->head.len - h->fields);
}

bool ic_http_field(const struct ic_http *h, const char *name, struct ic_slice *value)
{
    struct ic_slice text = field_text(h), line, found;
    while (ic_slice_next_line(&text, &line) && line.len > 0) {
        if (split_field(line, &found, value) && ic_slice_equal_nocase(found, name)) {
            return true;
        }
    }
    return false;
}

/* What a field says about the body and the connection. */
static int apply_field(struct ic_http *h, struct ic_slice name, struct ic_slice value,
                       bool *chunked)
{
    if (ic_slice_equal_nocase(name, "content-length")) {
        int64_t length;
        if (ic_slice_to_i64(value, &length) < 0 || length < 0 || !is_digit(value.data[0])) {
            return IC_EPROTO;
        }
        if (h->has_length && h->body_left != (uint64_t)length) {
            return IC_EPROTO; /* two lengths: somebody is being fooled */
        }
        h->has_length = true;
        h->body_left = (uint64_t)length;
    } else if (ic_slice_equal_nocase(name, "transfer-encoding")) {
        if (!ic_slice_equal_nocase(value, "chunked")) {
            return IC_EPROTO;
        }
        *chunked = true;
    } else if (ic_slice_equal_nocase(name, "connection")) {
        h->keep_alive = ic_slice_equal_nocase(value, "close")        ? false
                        : ic_slice_equal_nocase(value, "keep-alive") ? true
                                                                     : h->keep_alive;
    }
    return 0;
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static void begin_body(struct ic_http *h, bool chunked)
{
    if (has_no_body(h->status)) {
        h->state = IC_HTTP_COMPLETE;
    } else if (chunked) {
        h->state = IC_HTTP_IN_CHUNK_SIZE;
        h->line_len = h->trailer_len = 0;
    } else if (h->has_length) {
        h->state = h->body_left == 0 ? IC_HTTP_COMPLETE : IC_HTTP_IN_LENGTH;
    } else {
        h->state = IC_HTTP_UNTIL_CLOSE;
        h->keep_alive = false;
    }
}

/* The whole head is in h->head. */
static int parse_head(struct ic_http *h)
{
    struct ic_slice text = ic_buf_slice(&h->head), line, name, value;
    int minor = 0;
    if (!ic_slice_next_line(&text, &line) || (h->status = parse_status(line, &minor)) < 0) {
        return IC_EPROTO;
    }
    h->fields = h->head.len - text.len;
    h->keep_alive = minor >= 1;
    h->has_length = false;
    h->body_left = 0;
    bool chunked = false;
    while (ic_slice_next_line(&text, &line) && line.len > 0) {
        if (!split_field(line, &name, &value) || apply_field(h, name, value, &chunked) < 0) {
            return IC_EPROTO;
        }
    }
    if (chunked && h->has_length) {
        return IC_EPROTO;
    }
    begin_body(h, chunked);
    return 0;
}

/* The head ends with an empty line; how many bytes of IN belong to it, 0 if the end is not there.
 */
static size_t head_end(const struct ic_http *h, struct ic_slice in)
{
    size_t line_len = h->line_len; /* of the line so far, CR not counted */
    for (size_t i = 0; i < in.len; i++) {
        if (in.data[i] == '\n') {
            if (line_len == 0) {
                return i + 1;
            }
            line_len = 0;
        } else if (in.data[i] != '\r') {
            line_len++;
        }
    }
    return 0;
}

/* Carries head_end's count of the last line over to the next input. */
static void count_line(struct ic_http *h, struct ic_slice in)
{
    for (size_t i = 0; i < in.len; i++) {
        h->line_len = in.data[i] == '\n' ? 0 : h->line_len + (in.data[i] != '\r');
    }
}

static int next_head(struct ic_http *h, struct ic_slice *in)
{
    if (in->len == 0) {
        return IC_HTTP_MORE;
    }
    size_t end = head_end(h, *in);
    struct ic_slice part = ic_slice(in->data, end == 0 ? in->len : end);
    if (h->head.len + part.len > IC_HTTP_HEAD_MAX) {
        return fail(h, IC_ETOOBIG);
    }
    int result = ic_buf_append_slice(&h->head, part);
    if (result < 0) {
        return result;
    }
    count_line(h, part);
    take(in, part.len);
    if (end == 0) {
        return IC_HTTP_MORE;
    }
    h->line_len = 0;
    if (parse_head(h) < 0) {
        return fail(h, IC_EPROTO);
    }
    if (h->status >= 200) {
        h->interim = 0;
        return IC_HTTP_HEAD;
    }
    h->head.len = h->fields = 0;
    h->state = IC_HTTP_IN_HEAD;
    return ++h->interim <= IC_HTTP_INTERIM_MAX ? next_head(h, in) : fail(h, IC_ETOOBIG);
}

/* ---- the body --------------------------------------------------------------------- */

/* A line into h->line. 1: complete, without CRLF; 0: goes on; or an error. */
static int collect_line(struct ic_http *h, struct ic_slice *in)
{
    while (in->len > 0) {
        uint8_t c = take(in, 1).data[0];
        if (c == '\n') {
            if (h->line_len > 0 && h->line[h->line_len - 1] == '\r') {
                h->line_len--;
            }
            return 1;
        }
        if (h->line_len == IC_HTTP_LINE_MAX) {
            return IC_ETOOBIG;
        }
        h->line[h->line_len++] = (char)c;
    }
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        return (c | 0x20) - 'a' + 10;
    }
    return -1;
}

/* "1a2b" or "1a2b;extension". */
static int parse_chunk_size(const char *line, size_t len, uint64_t *out)
{
    uint64_t size = 0;
    size_t i = 0;
    for (; i < len && hex_digit(line[i]) >= 0; i++) {
        if (size > UINT64_MAX >> 8) {
            return IC_EPROTO;
        }
        size = size << 4 | (uint64_t)hex_digit(line[i]);
    }
    if (i == 0 || (i < len && line[i] != ';' && line[i] != ' ')) {
        return IC_EPROTO;
    }
    *out = size;
    return 0;
}

static int next_chunk_size(struct ic_http *h, struct ic_slice *in)
{
    int result = collect_line(h, in);
    if (result == 0) {
        return IC_HTTP_MORE;
    }
    if (result < 0) {
        return fail(h, result);
    }
    if (parse_chunk_size(h->line, h->line_len, &h->body_left) < 0) {
        return fail(h, IC_EPROTO);
    }
    h->line_len = 0;
    h->state = h->body_left > 0 ? IC_HTTP_IN_CHUNK : IC_HTTP_IN_TRAILER;
    return 1;
}

static int next_chunk_end(struct ic_http *h, struct ic_slice *in)
{
    int result = collect_line(h, in);
    if (result == 0) {
        return IC_HTTP_MORE;
    }
    if (result < 0 || h->line_len > 0) {
        return fail(h, IC_EPROTO);
    }
    h->state = IC_HTTP_IN_CHUNK_SIZE;
    return 1;
}

/* Fields after the last chunk are read and dropped; an empty line ends them. */
static int next_trailer(struct ic_http *h, struct ic_slice *in)
{
    while (in->len > 0) {
        uint8_t c = take(in, 1).data[0];
        if (++h->trailer_len > IC_HTTP_TRAILER_MAX) {
            return fail(h, IC_ETOOBIG);
        }
        if (c == '\n') {
            if (h->line_len == 0) {
                h->state = IC_HTTP_COMPLETE;
                return 1;
            }
            h->line_len = 0;
        } else if (c != '\r') {
            h->line_len++;
        }
    }
    return IC_HTTP_MORE;
}

static int next_data(struct ic_http *h, struct ic_slice *in, struct ic_slice *body,
                     enum ic_http_state then)
{
    if (in->len == 0) {
        return IC_HTTP_MORE;
    }
    *body = take(in, in->len < h->body_left ? in->len : (size_t)h->body_left);
    h->body_left -= body->len;
    if (h->body_left == 0) {
        h->state = then;
    }
    return IC_HTTP_BODY;
}

static int end_response(struct ic_http *h)
{
    h->state = IC_HTTP_IN_HEAD;
    h->line_len = 0;
    return IC_HTTP_END;
}

/* One step within a chunked body: 1 means "on to the next state", anything else is the answer. */
static int chunked_step(struct ic_http *h, struct ic_slice *in)
{
    switch (h->state) {
    case IC_HTTP_IN_CHUNK_SIZE:
        return next_chunk_size(h, in);
    case IC_HTTP_IN_CHUNK_END:
        return next_chunk_end(h, in);
    default:
        return next_trailer(h, in);
    }
}

int ic_http_next(struct ic_http *h, struct ic_slice *in, struct ic_slice *body)
{
    *body = ic_slice(NULL, 0);
    for (;;) {
        switch (h->state) {
        case IC_HTTP_IN_HEAD:
            if (in->len > 0 && h->fields > 0) { /* of the response before */
                h->head.len = h->fields = 0;
            }
            return next_head(h, in);
        case IC_HTTP_IN_LENGTH:
            return next_data(h, in, body, IC_HTTP_COMPLETE);
        case IC_HTTP_IN_CHUNK:
            return next_data(h, in, body, IC_HTTP_IN_CHUNK_END);
        case IC_HTTP_UNTIL_CLOSE:
            h->body_left = UINT64_MAX;
            return next_data(h, in, body, IC_HTTP_UNTIL_CLOSE);
        case IC_HTTP_COMPLETE:
            return end_response(h);
        case IC_HTTP_FAILED:
            return h->status;
        case IC_HTTP_IN_CHUNK_SIZE:
        case IC_HTTP_IN_CHUNK_END:
        case IC_HTTP_IN_TRAILER: {
            int step = chunked_step(h, in);
            if (step != 1) {
                return step;
            }
            break;
        }
        }
    }
}

int ic_http_close(struct ic_http *h)
{
    if (h->state == IC_HTTP_UNTIL_CLOSE || h->state == IC_HTTP_COMPLETE) {
        return end_response(h);
    }
    bool between = h->state == IC_HTTP_IN_HEAD && (h->head.len == 0 || h->fields > 0);
    return between && h->interim == 0 ? 0 : IC_ECLOSED;
}

int ic_http_request(struct ic_buf *out, const char *method, const char *host, const char *path,
                    const char *content_type, struct ic_slice body)
{
    size_t before = out->len;
    int result = ic_buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host);
    if (result >= 0 && strcmp(method, "POST") == 0) {
        result = ic_buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", content_type,
                               body.len);
    }
    if (result >= 0) {
        result = ic_buf_append_str(out, "\r\n");
    }
    if (result >= 0) {
        result = ic_buf_append_slice(out, body);
    }
    if (result < 0) {
        out->len = before;
    }
    return result;
}
