/*
 * client_name.h - names that clients give themselves: printable ASCII without blanks, so
 * that CLIENT LIST stays one line per client, one blank between fields.
 */
#ifndef IC_PROXY_CLIENT_NAME_H
#define IC_PROXY_CLIENT_NAME_H

#include "base/slice.h"

#define IC_CLIENT_NAME_ERROR "Client names cannot contain spaces, newlines or special characters."

bool ic_client_name_valid(struct ic_slice name);
/* *NAME becomes a copy of TEXT, NULL for an empty one. False: out of memory, unchanged. */
bool ic_client_name_set(char **name, struct ic_slice text);

#endif
