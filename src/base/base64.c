#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int ic_base64_encode(struct ic_slice bytes, struct ic_buf *out)
{
    if (ic_buf_reserve(out, (bytes.len + 2) / 3 * 4) < 0) {
        return IC_ENOMEM;
    }
    uint8_t *to = out->data + out->len;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        group |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)bytes.data[i + 2] : 0;
        *to++ = (uint8_t)alphabet[group >> 18];
        *to++ = (uint8_t)alphabet[group >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)alphabet[group & 63] : '=';
    }
    out->len += (bytes.len + 2) / 3 * 4;
    return 0;
}

/* The six bits C stands for, or -1. */
static int value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int ic_base64_decode(struct ic_slice text, struct ic_buf *out)
{
    if (text.len % 4 != 0) {
        return IC_EINVAL;
    }
    if (text.len == 0) {
        return 0; /* an empty buffer may have no address to write to */
    }
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=') {
        padding++;
    }
    if (ic_buf_reserve(out, text.len / 4 * 3) < 0) {
        return IC_ENOMEM;
    }
    uint8_t *to = out->data + out->len;
    uint32_t group = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = i < text.len - padding ? value_of(text.data[i]) : 0;
        if (value < 0) {
            return IC_EINVAL;
        }
        group = group << 6 | (uint32_t)value;
        if (i % 4 == 3) {
            *to++ = (uint8_t)(group >> 16);
            *to++ = (uint8_t)(group >> 8);
            *to++ = (uint8_t)group;
        }
    }
    out->len += text.len / 4 * 3 - padding;
    return 0;
}
