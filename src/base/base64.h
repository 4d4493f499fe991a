/*
 * base64.h - RFC 4648 section 4: the standard alphabet, padded.
 */
#ifndef IC_BASE_BASE64_H
#define IC_BASE_BASE64_H

#include "base/buf.h"

/* Appends the encoding of BYTES. IC_ENOMEM: OUT unchanged. */
int ic_base64_encode(struct ic_slice bytes, struct ic_buf *out) IC_MUST_USE;
/* Appends what TEXT encodes. IC_EINVAL: not base64 (length, alphabet, padding); OUT unchanged. */
int ic_base64_decode(struct ic_slice text, struct ic_buf *out) IC_MUST_USE;

#endif
