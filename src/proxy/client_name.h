/*
 * client_name.h - names that clients give themselves: printable ASCII without blanks, so
 * that CLIENT LIST stays one line per client, one blank between fields.
 */
#ifndef IC_PROXY_CLIENT_NAME_H
#define IC_PROXY_CLIENT_NAME_H

#include "base/slice.h"

enum { IC_CLIENT_NAME_MAX = 1024 }; /* bytes: each CLIENT LIST has all of them */

/* What is wrong with NAME, as the end of a sentence; NULL: nothing. */
const char *ic_client_name_fault(struct ic_slice name);
/* *NAME becomes a copy of TEXT, NULL for an empty one. False: out of memory, unchanged. */
bool ic_client_name_set(char **name, struct ic_slice text);

#endif
