/*
 * function_name.h - the spellings by which a request may name a function. Pure.
 *
 *   NAME   NAME:QUALIFIER   ACCOUNT:function:NAME[:QUALIFIER]
 *   arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]
 */
#ifndef IC_PLATFORM_LOCAL_FUNCTION_NAME_H
#define IC_PLATFORM_LOCAL_FUNCTION_NAME_H

#include "base/error.h"
#include "base/slice.h"

enum {
    IC_FUNCTION_NAME_MAX = 64, /* characters */
    IC_QUALIFIER_MAX = 128,
    IC_FUNCTION_REF_MAX = 170, /* a whole reference, as AWS bounds it */
    IC_REGION_MAX = 32,
    IC_ACCOUNT_LEN = 12,
};

struct ic_function_ref {
    char name[IC_FUNCTION_NAME_MAX + 1];
    char qualifier[IC_QUALIFIER_MAX + 1]; /* "" if none was given */
};

/*
 * IC_EINVAL: not of any of these forms; IC_ENOENT: well formed, but of another account
 * or region than REGION and ACCOUNT.
 */
int ic_function_ref_parse(struct ic_slice text, const char *region, const char *account,
                          struct ic_function_ref *out) IC_MUST_USE;

/* Letters, digits, '-' and '_', 1 to 64 of them: what a new function may be called. */
bool ic_function_name_valid(struct ic_slice name);
/* "$LATEST", a version number or an alias name. */
bool ic_qualifier_valid(struct ic_slice qualifier);

#endif
