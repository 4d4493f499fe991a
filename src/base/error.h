/*
 * error.h - the one table of error codes. A function that can fail returns >= 0
 * on success or one of these negative values; ic_error_text says it in words.
 */
#ifndef IC_BASE_ERROR_H
#define IC_BASE_ERROR_H

/* Put on every function whose result must be looked at. */
#define IC_MUST_USE __attribute__((warn_unused_result))

/* name, value, text */
#define IC_ERRORS(X)                                                                               \
    X(IC_ENOMEM, -1, "out of memory")                                                              \
    X(IC_EINVAL, -2, "invalid value")                                                              \
    X(IC_ERANGE, -3, "out of range")                                                               \
    X(IC_EDUP, -4, "reported already")                                                             \
    X(IC_EDONE, -5, "already settled")                                                             \
    X(IC_EPROTO, -6, "malformed message")                                                          \
    X(IC_EAUTH, -7, "authentication failed")                                                       \
    X(IC_ETIMEOUT, -8, "deadline passed")                                                          \
    X(IC_ECLOSED, -9, "connection closed")                                                         \
    X(IC_ENOSPC, -10, "no room left")                                                              \
    X(IC_ENOENT, -11, "not found")                                                                 \
    X(IC_EEXIST, -12, "exists already")                                                            \
    X(IC_EIO, -13, "input/output error")                                                           \
    X(IC_EBUSY, -14, "busy")                                                                       \
    X(IC_ETOOBIG, -15, "too large")                                                                \
    X(IC_ECORRUPT, -16, "checksum mismatch")                                                       \
    X(IC_ECANCELED, -17, "canceled")                                                               \
    X(IC_ESTALE, -18, "stale epoch, instance or operation")                                        \
    X(IC_ETHROTTLED, -19, "throttled")                                                             \
    X(IC_EUNAVAIL, -20, "unavailable")                                                             \
    X(IC_ENOSYS, -21, "not supported")                                                             \
    X(IC_EAWAY, -22, "another instance answers in its place")                                      \
    X(IC_EDISKFULL, -23, "no space left on device")                                                \
    X(IC_EDISKQUOTA, -24, "disk quota exceeded")                                                   \
    X(IC_EFILESIZE, -25, "file too large for the limit on file sizes")                             \
    X(IC_EREADONLY, -26, "read-only file system")                                                  \
    X(IC_EDENIED, -27, "permission denied")

enum ic_error {
#define IC_ERROR_ENUM(name, value, text) name = (value),
    IC_ERRORS(IC_ERROR_ENUM)
#undef IC_ERROR_ENUM
};

/* The text of ERROR (< 0), static; "unknown error" for a value not in the table. */
const char *ic_error_text(int error);

/* The table's code for an errno value: ENOMEM, ENOSPC (IC_EDISKFULL), ... ; IC_EIO for the rest. */
int ic_error_from_errno(int errno_value);

#endif
