/*
 * package.h - what Lambda is given as a function's code: a zip, in memory, with one
 * executable file `bootstrap`. The same program gives the same bytes every time, so
 * that its digest tells whether a function runs it already.
 */
#ifndef IC_CLI_PACKAGE_H
#define IC_CLI_PACKAGE_H

#include "base/buf.h"

enum { IC_PACKAGE_SHA_MAX = 64, IC_PACKAGE_WHY_MAX = 512 };

struct ic_package {
    struct ic_buf zip;
    char sha256[IC_PACKAGE_SHA_MAX]; /* base64, as Lambda's CodeSha256 */
};

/* Packs the file PATH. IC_EIO, IC_ENOMEM with WHY; nothing is to be freed then. */
int ic_package_init(struct ic_package *p, const char *path, char *why) IC_MUST_USE;
void ic_package_deinit(struct ic_package *p);

#endif
