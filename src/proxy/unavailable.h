/*
 * unavailable.h - the error a client gets when its object cannot be read or stored for want of
 * functions: the reason, the last trouble with one of them, and the way out.
 */
#ifndef IC_PROXY_UNAVAILABLE_H
#define IC_PROXY_UNAVAILABLE_H

#include <stddef.h>

struct ic_functions;

enum { IC_UNAVAILABLE_MAX = 512 }; /* bytes of the text, the terminating zero included */

/* "-UNAVAILABLE WHAT: ...", without a line end. RESULT: the error of a put or get. */
void ic_unavailable_text(const struct ic_functions *f, const char *what, int result,
                         char out[IC_UNAVAILABLE_MAX]);

#endif
