/*
 * uuid.h - random UUIDs (RFC 4122, version 4) as text: ids of requests, revisions, extensions.
 */
#ifndef IC_PLATFORM_LOCAL_UUID_H
#define IC_PLATFORM_LOCAL_UUID_H

#include "base/slice.h"

enum { IC_UUID_SIZE = 37 }; /* 36 characters and a zero */

void ic_uuid(char out[IC_UUID_SIZE]);
/* Whether TEXT has the form of one, whatever its version; hex digits of either case. */
bool ic_is_uuid(struct ic_slice text);

#endif
