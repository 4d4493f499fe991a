#include "node/payload.h"

#include "node/chunks.h"

#include <inttypes.h>

struct json { /* a cursor */
    const uint8_t *at, *end;
};

static void skip_blanks(struct json *j)
{
    while (j->at < j->end &&
           (*j->at == ' ' || *j->at == '\t' || *j->at == '\r' || *j->at == '\n')) {
        j->at++;
    }
}

static bool take_char(struct json *j, uint8_t c)
{
    skip_blanks(j);
    if (j->at == j->end || *j->at != c) {
        return false;
    }
    j->at++;
    return true;
}

/* A string, escapes left as they are (none of our fields needs one). */
static bool take_string(struct json *j, struct ic_slice *out)
{
    if (!take_char(j, '"')) {
        return false;
    }
    const uint8_t *start = j->at;
    for (; j->at < j->end; j->at++) {
        if (*j->at == '"') {
            *out = ic_slice(start, (size_t)(j->at - start));
            j->at++;
            return true;
        }
        if (*j->at < ' ' || (*j->at == '\\' && ++j->at == j->end)) {
            return false;
        }
    }
    return false;
}

static bool is_scalar(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

/* A number, true, false or null, as text. */
static bool take_scalar(struct json *j, struct ic_slice *out)
{
    skip_blanks(j);
    const uint8_t *start = j->at;
    while (j->at < j->end && is_scalar(*j->at)) {
        j->at++;
    }
    *out = ic_slice(start, (size_t)(j->at - start));
    return out->len > 0;
}

/* Steps over an object or array: brackets are counted, strings looked through for their end. */
static bool skip_nested(struct json *j)
{
    int depth = 0;
    struct ic_slice ignored;
    while (j->at < j->end) {
        uint8_t c = *j->at;
        if (c == '"') {
            if (!take_string(j, &ignored)) {
                return false;
            }
            continue;
        }
        j->at++;
        if (c == '{' || c == '[') {
            if (++depth > IC_PAYLOAD_DEPTH_MAX) {
                return false;
            }
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return true;
        }
    }
    return false;
}

/* The value of a member: the text of a string or scalar, empty for anything nested. */
static bool take_value(struct json *j, struct ic_slice *out)
{
    skip_blanks(j);
    *out = ic_slice(NULL, 0);
    if (j->at == j->end) {
        return false;
    }
    if (*j->at == '"') {
        return take_string(j, out);
    }
    return *j->at == '{' || *j->at == '[' ? skip_nested(j) : take_scalar(j, out);
}

/* The value of the first member called NAME. */
static bool find_member(struct ic_slice text, const char *name, struct ic_slice *value)
{
    struct json j = {text.data, text.data + text.len};
    if (text.len == 0 || !take_char(&j, '{')) {
        return false;
    }
    struct ic_slice key;
    do {
        if (!take_string(&j, &key) || !take_char(&j, ':') || !take_value(&j, value)) {
            return false;
        }
        if (ic_slice_equal(key, ic_slice_str(name))) {
            return true;
        }
    } while (take_char(&j, ','));
    return false;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool get_hex(struct ic_slice text, const char *name, uint8_t *out, size_t len)
{
    struct ic_slice value;
    if (!find_member(text, name, &value) || value.len != 2 * len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(value.data[2 * i]), low = hex_digit(value.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool get_u32(struct ic_slice text, const char *name, uint32_t *out)
{
    struct ic_slice value;
    int64_t number;
    if (!find_member(text, name, &value) || ic_slice_to_i64(value, &number) < 0 || number < 0 ||
        number > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

static bool get_text(struct ic_slice text, const char *name, char *out, size_t size)
{
    struct ic_slice value;
    if (!find_member(text, name, &value) || value.len == 0 || value.len >= size ||
        memchr(value.data, '\\', value.len) != NULL) {
        return false;
    }
    memcpy(out, value.data, value.len);
    out[value.len] = '\0';
    return true;
}

int ic_payload_address(struct ic_slice text, char host[IC_PAYLOAD_HOST_MAX], uint16_t *port)
{
    size_t colon = text.len;
    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    if (colon < 2) {
        return IC_EINVAL;
    }
    struct ic_slice name = ic_slice(text.data, colon - 1);
    int64_t number;
    if (ic_slice_to_i64(ic_slice(text.data + colon, text.len - colon), &number) < 0 || number < 1 ||
        number > UINT16_MAX) {
        return IC_EINVAL;
    }
    if (name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']') {
        name = ic_slice(name.data + 1, name.len - 2);
    }
    if (name.len >= IC_PAYLOAD_HOST_MAX) {
        return IC_EINVAL;
    }
    memcpy(host, name.data, name.len);
    host[name.len] = '\0';
    *port = (uint16_t)number;
    return 0;
}

static bool get_serve_fields(struct ic_slice text, struct ic_payload *out)
{
    struct ic_slice proxy;
    return get_text(text, "function", out->function, sizeof(out->function)) &&
           get_hex(text, "invocation", out->invocation, sizeof(out->invocation)) &&
           get_hex(text, "key", out->key, sizeof(out->key)) && find_member(text, "proxy", &proxy) &&
           ic_payload_address(proxy, out->proxy_host, &out->proxy_port) == 0 &&
           get_u32(text, "epoch", &out->epoch) && get_u32(text, "lease_ms", &out->lease_ms);
}

int ic_payload_decode(struct ic_slice text, struct ic_payload *out)
{
    struct ic_slice value;
    *out = (struct ic_payload){.kind = IC_PAYLOAD_FOREIGN};
    if (!find_member(text, "infinicache", &value)) {
        return 0;
    }
    if (!ic_slice_equal(value, ic_slice_str("1")) || !find_member(text, "kind", &value)) {
        return IC_EINVAL;
    }
    if (ic_slice_equal(value, ic_slice_str("warm"))) {
        out->kind = IC_PAYLOAD_WARM;
        return 0;
    }
    out->peer = ic_slice_equal(value, ic_slice_str("peer"));
    if ((!out->peer && !ic_slice_equal(value, ic_slice_str("serve"))) ||
        !get_serve_fields(text, out)) {
        return IC_EINVAL;
    }
    out->kind = IC_PAYLOAD_SERVE;
    return 0;
}

int ic_payload_response(const struct ic_chunks *chunks, bool served, struct ic_buf *out)
{
    static const char digits[] = "0123456789abcdef";
    char instance[2 * IC_INSTANCE_ID_BYTES + 1] = {0};
    const uint8_t *id = ic_chunks_instance(chunks);
    for (size_t i = 0; i < IC_INSTANCE_ID_BYTES; i++) {
        instance[2 * i] = digits[id[i] >> 4];
        instance[2 * i + 1] = digits[id[i] & 15];
    }
    return ic_buf_printf(
        out,
        "{\"instance\":\"%s\",\"position\":%" PRIu64 ",\"held\":%" PRIu64 ",\"capacity\":%" PRIu64
        ",\"chunks\":%" PRIu64 ",\"epoch\":%" PRIu32 ",\"served\":%s}",
        instance, ic_chunks_position(chunks), ic_chunks_held(chunks), ic_chunks_capacity(chunks),
        ic_chunks_count(chunks), ic_chunks_epoch(chunks), served ? "true" : "false");
}
