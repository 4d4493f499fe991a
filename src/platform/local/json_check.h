/*
 * json_check.h - whether bytes are one JSON text (RFC 8259), without building anything:
 * a parser's tree may be fifty times its text, so what comes from outside is measured
 * first. Pure, no allocation, one pass.
 */
#ifndef IC_PLATFORM_LOCAL_JSON_CHECK_H
#define IC_PLATFORM_LOCAL_JSON_CHECK_H

#include "base/error.h"
#include "base/slice.h"

enum { IC_JSON_DEPTH_MAX = 512 }; /* arrays and objects inside each other; beyond: IC_ETOOBIG */

/* IC_EPROTO: not JSON; IC_ETOOBIG: deeper than IC_JSON_DEPTH_MAX or more than VALUES_MAX values. */
int ic_json_check(struct ic_slice text, size_t values_max) IC_MUST_USE;

#endif
