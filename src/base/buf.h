/*
 * buf.h - owned bytes: one counted, growable buffer. On the heap it is shared by
 * reference (new, ref, unref); embedded in a struct it has one owner (init, deinit).
 */
#ifndef IC_BASE_BUF_H
#define IC_BASE_BUF_H

#include "base/error.h"
#include "base/slice.h"

#include <stdarg.h>

struct ic_buf {
    uint8_t *data; /* len bytes used of cap */
    size_t len;
    size_t cap;
    uint32_t refs;                                  /* 0: embedded */
    void (*release)(struct ic_buf *buf, void *ctx); /* see ic_buf_on_release */
    void *release_ctx;
};

void ic_buf_init(struct ic_buf *buf);   /* empty, allocates nothing */
void ic_buf_deinit(struct ic_buf *buf); /* frees the bytes; may be used again as if init */

/* A heap buffer with one reference and room for CAP bytes. NULL: out of memory. */
struct ic_buf *ic_buf_new(size_t cap);
struct ic_buf *ic_buf_ref(struct ic_buf *buf);
void ic_buf_unref(struct ic_buf *buf); /* NULL is fine; the last reference frees */

/*
 * RELEASE is called instead of freeing when the last reference goes: a pool takes its
 * buffer back there (refs is 0 then; ic_buf_revive gives it out again).
 */
void ic_buf_on_release(struct ic_buf *buf, void (*release)(struct ic_buf *, void *), void *ctx);
void ic_buf_revive(struct ic_buf *buf);

/* Room for MORE bytes after len. IC_ENOMEM: unchanged. */
int ic_buf_reserve(struct ic_buf *buf, size_t more) IC_MUST_USE;
int ic_buf_append(struct ic_buf *buf, const void *data, size_t len) IC_MUST_USE;
int ic_buf_append_slice(struct ic_buf *buf, struct ic_slice slice) IC_MUST_USE;
int ic_buf_append_str(struct ic_buf *buf, const char *text) IC_MUST_USE;
int ic_buf_printf(struct ic_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3))) IC_MUST_USE;
int ic_buf_vprintf(struct ic_buf *buf, const char *format, va_list args) IC_MUST_USE;
/* Drops the first LEN bytes (LEN <= len). */
void ic_buf_consume(struct ic_buf *buf, size_t len);

static inline struct ic_slice ic_buf_slice(const struct ic_buf *buf)
{
    return ic_slice(buf->data, buf->len);
}

#endif
