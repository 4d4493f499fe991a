#include "base/error.h"

#include <errno.h>

const char *ic_error_text(int error)
{
    switch (error) {
#define IC_ERROR_CASE(name, value, text)                                                           \
    case name:                                                                                     \
        return text;
        IC_ERRORS(IC_ERROR_CASE)
#undef IC_ERROR_CASE
    default:
        return "unknown error";
    }
}

int ic_error_from_errno(int errno_value)
{
    switch (errno_value) {
    case ENOMEM:
        return IC_ENOMEM;
    case ENOSPC:
        return IC_EDISKFULL;
    case EDQUOT:
        return IC_EDISKQUOTA;
    case EFBIG:
        return IC_EFILESIZE;
    case EROFS:
        return IC_EREADONLY;
    case EACCES:
    case EPERM:
        return IC_EDENIED;
    case ENOENT:
        return IC_ENOENT;
    case EEXIST:
        return IC_EEXIST;
    case EINVAL:
        return IC_EINVAL;
    case ETIMEDOUT:
        return IC_ETIMEOUT;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
        return IC_ECLOSED;
    case EBUSY:
    case EADDRINUSE:
        return IC_EBUSY;
    default:
        return IC_EIO;
    }
}
