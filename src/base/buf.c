#include "base/buf.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdio.h>

void ic_buf_init(struct ic_buf *buf)
{
    *buf = (struct ic_buf){0};
}

void ic_buf_deinit(struct ic_buf *buf)
{
    assert(buf->refs == 0);
    ic_free(buf->data);
    ic_buf_init(buf);
}

struct ic_buf *ic_buf_new(size_t cap)
{
    struct ic_buf *buf = ic_calloc(1, sizeof *buf);
    if (buf == NULL) {
        return NULL;
    }
    if (cap > 0) {
        buf->data = ic_malloc(cap);
        if (buf->data == NULL) {
            ic_free(buf);
            return NULL;
        }
    }
    buf->cap = cap;
    buf->refs = 1;
    return buf;
}

struct ic_buf *ic_buf_ref(struct ic_buf *buf)
{
    assert(buf->refs > 0 && buf->refs < UINT32_MAX);
    buf->refs++;
    return buf;
}

void ic_buf_unref(struct ic_buf *buf)
{
    if (buf == NULL) {
        return;
    }
    assert(buf->refs > 0);
    if (--buf->refs > 0) {
        return;
    }
    if (buf->release != NULL) {
        buf->release(buf, buf->release_ctx);
        return;
    }
    ic_free(buf->data);
    ic_free(buf);
}

void ic_buf_on_release(struct ic_buf *buf, void (*release)(struct ic_buf *, void *), void *ctx)
{
    buf->release = release;
    buf->release_ctx = ctx;
}

void ic_buf_revive(struct ic_buf *buf)
{
    assert(buf->refs == 0);
    buf->refs = 1;
    buf->len = 0;
}

int ic_buf_reserve(struct ic_buf *buf, size_t more)
{
    if (more <= buf->cap - buf->len) {
        return 0;
    }
    if (more > SIZE_MAX / 2 - buf->len) {
        return IC_ENOMEM;
    }
    size_t need = buf->len + more;
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    while (cap < need) {
        cap += cap / 2;
    }
    uint8_t *data = ic_realloc(buf->data, cap);
    if (data == NULL) {
        return IC_ENOMEM;
    }
    buf->data = data;
    buf->cap = cap;
    return 0;
}

int ic_buf_append(struct ic_buf *buf, const void *data, size_t len)
{
    if (ic_buf_reserve(buf, len) < 0) {
        return IC_ENOMEM;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, data, len);
        buf->len += len;
    }
    return 0;
}

int ic_buf_append_slice(struct ic_buf *buf, struct ic_slice slice)
{
    return ic_buf_append(buf, slice.data, slice.len);
}

int ic_buf_append_str(struct ic_buf *buf, const char *text)
{
    return ic_buf_append(buf, text, strlen(text));
}

int ic_buf_vprintf(struct ic_buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    int result = ic_buf_reserve(buf, (size_t)len + 1);
    if (result == 0) {
        vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return result;
}

int ic_buf_printf(struct ic_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = ic_buf_vprintf(buf, format, args);
    va_end(args);
    return result;
}

void ic_buf_consume(struct ic_buf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len -= len;
    if (buf->len > 0) {
        memmove(buf->data, buf->data + len, buf->len);
    }
}
