/*
 * slice.h - borrowed bytes, passed by value. Never owns, never outlives its owner.
 */
#ifndef IC_BASE_SLICE_H
#define IC_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ic_slice {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;
};

static inline struct ic_slice ic_slice(const void *data, size_t len)
{
    return (struct ic_slice){.data = data, .len = len};
}

static inline struct ic_slice ic_slice_str(const char *text)
{
    return ic_slice(text, strlen(text));
}

static inline bool ic_slice_equal(struct ic_slice a, struct ic_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Compares with TEXT without regard to ASCII case. */
bool ic_slice_equal_nocase(struct ic_slice a, const char *text);

/* Takes the next line off *TEXT, without its CRLF or LF. False: no line ends in it. */
bool ic_slice_next_line(struct ic_slice *text, struct ic_slice *line);

/* The whole slice as a decimal integer (optional '-'). IC_EINVAL: not one; IC_ERANGE: too large. */
int ic_slice_to_i64(struct ic_slice a, int64_t *out) __attribute__((warn_unused_result));

/*
 * The whole slice as a decimal number: 2, -0.25, 1e-6. IC_EINVAL: not one (hexadecimal numbers,
 * infinities, blanks and more than 63 bytes are none); IC_ERANGE: beyond a double.
 */
int ic_slice_to_real(struct ic_slice a, double *out) __attribute__((warn_unused_result));

#endif
