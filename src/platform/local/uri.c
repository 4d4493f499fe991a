/*
 * uri.c - percent-encoding (RFC 3986, section 2.1) and query parameters.
 */
#include "platform/local/uri.h"

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ic_uri_decode(struct ic_slice text, struct ic_buf *out)
{
    int result = ic_buf_reserve(out, text.len + 1);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return IC_EPROTO;
            }
            c = (uint8_t)(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            return IC_EPROTO;
        }
        out->data[out->len++] = c;
    }
    return 0;
}

static bool is_unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int ic_uri_encode(struct ic_slice text, bool keep_slash, struct ic_buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    int result = ic_buf_reserve(out, 3 * text.len);
    if (result < 0) {
        return result;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            out->data[out->len++] = c;
        } else {
            out->data[out->len++] = '%';
            out->data[out->len++] = (uint8_t)digits[c >> 4];
            out->data[out->len++] = (uint8_t)digits[c & 15];
        }
    }
    return 0;
}

/* Cuts *TEXT at the first SEPARATOR; the part before it is returned, the one behind it stays. */
static struct ic_slice cut_at(struct ic_slice *text, char separator)
{
    const uint8_t *at = text->len == 0 ? NULL : memchr(text->data, separator, text->len);
    struct ic_slice head = *text;
    if (at == NULL) {
        *text = ic_slice(text->data + text->len, 0);
        return head;
    }
    head.len = (size_t)(at - text->data);
    *text = ic_slice(at + 1, text->len - head.len - 1);
    return head;
}

bool ic_uri_next_param(struct ic_slice *query, struct ic_uri_param *out)
{
    while (query->len > 0) {
        struct ic_slice value = cut_at(query, '&');
        if (value.len > 0) {
            out->name = cut_at(&value, '=');
            out->value = value;
            return true;
        }
    }
    return false;
}

int ic_uri_query_value(struct ic_slice query, const char *name, struct ic_buf *out)
{
    struct ic_uri_param param;
    while (ic_uri_next_param(&query, &param)) {
        if (ic_slice_equal(param.name, ic_slice_str(name))) {
            int result = ic_uri_decode(param.value, out);
            if (result == 0) {
                out->data[out->len] = '\0'; /* decode reserved one byte more */
            }
            return result;
        }
    }
    return IC_ENOENT;
}
