/*
 * quantity.h - sizes and times as people write them: 64kb, 1m, 250ms, 10s.
 */
#ifndef IC_BASE_QUANTITY_H
#define IC_BASE_QUANTITY_H

#include "base/buf.h"

/* b, kb, mb, gb (1024s) or k, m, g (1000s), in any case; none: bytes. IC_EINVAL, IC_ERANGE. */
int ic_quantity_bytes(struct ic_slice text, int64_t *out) IC_MUST_USE;
/* ms, s, m or h; none: milliseconds. The same errors. */
int ic_quantity_ms(struct ic_slice text, int64_t *out) IC_MUST_USE;
/* Appends BYTES in the largest unit of 1024s that says it exactly; below a kb without one. */
int ic_quantity_print_bytes(struct ic_buf *out, int64_t bytes) IC_MUST_USE;
/* Appends TIME_MS in the largest unit that says it exactly. IC_ENOMEM. */
int ic_quantity_print_ms(struct ic_buf *out, int64_t time_ms) IC_MUST_USE;

#endif
