/*
 * unavailable.h - the error a client gets when its object cannot be read or stored for want of
 * functions: the reason, the last trouble with one of them, and the way out.
 */
#ifndef IC_PROXY_UNAVAILABLE_H
#define IC_PROXY_UNAVAILABLE_H

#include <stdbool.h>
#include <stddef.h>

struct ic_functions;

enum { IC_UNAVAILABLE_MAX = 640 }; /* bytes of the text, the terminating zero included */

/* "-UNAVAILABLE WHAT: ...", without a line end. RESULT: the error of a put or get. */
void ic_unavailable_text(const struct ic_functions *f, const char *what, int result,
                         char out[IC_UNAVAILABLE_MAX]);
/* The catalog is being rebuilt from the functions: -LOADING, which clients take for a matter of
 * time; -UNAVAILABLE during an outage, since then it is not. */
void ic_unavailable_loading(const struct ic_functions *f, char out[IC_UNAVAILABLE_MAX]);
/* "no function could be had for 31 s; " and the trouble, for people. False: they can. */
bool ic_unavailable_outage(const struct ic_functions *f, char out[IC_UNAVAILABLE_MAX]);

#endif
