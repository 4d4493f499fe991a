/*
 * uri.h - the parts of a request target: percent-encoding and query parameters. Pure.
 */
#ifndef IC_PLATFORM_LOCAL_URI_H
#define IC_PLATFORM_LOCAL_URI_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

/* Appends TEXT with %XX resolved ('+' stays). IC_EPROTO: a malformed escape or a zero byte. */
int ic_uri_decode(struct ic_slice text, struct ic_buf *out) IC_MUST_USE;
/* Appends TEXT with all but A-Z a-z 0-9 - . _ ~ (and '/' if KEEP_SLASH) as %XX, upper case. */
int ic_uri_encode(struct ic_slice text, bool keep_slash, struct ic_buf *out) IC_MUST_USE;

struct ic_uri_param { /* still encoded */
    struct ic_slice name, value;
};
/*
 * Takes the next parameter off *QUERY ("a=b&c"). False: none left. Empty ones ("&&") are skipped.
 */
bool ic_uri_next_param(struct ic_slice *query, struct ic_uri_param *out);

/*
 * The decoded value of the first parameter NAME, appended to OUT with a zero after it that len does
 * not count. IC_ENOENT: not there; IC_EPROTO: malformed; IC_ENOMEM.
 */
int ic_uri_query_value(struct ic_slice query, const char *name, struct ic_buf *out) IC_MUST_USE;

#endif
