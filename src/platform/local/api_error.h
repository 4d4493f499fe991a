/*
 * api_error.h - the errors the API answers with: type, status and JSON as AWS has them. One
 * table.
 */
#ifndef IC_PLATFORM_LOCAL_API_ERROR_H
#define IC_PLATFORM_LOCAL_API_ERROR_H

#include "base/buf.h"
#include "base/error.h"

/* name, status, whose fault ("" : no Type in the body), key of the message.
 * AWS, aws-sdk-go models/apis/lambda/2015-03-31/api-2.json and "Common Errors". */
#define IC_API_ERRORS(X)                                                                           \
    X(IncompleteSignatureException, 403, "", "message")                                            \
    X(EC2UnexpectedException, 502, "Service", "Message")                                           \
    X(InvalidParameterValueException, 400, "User", "message")                                      \
    X(InvalidRequestContentException, 400, "User", "message")                                      \
    X(InvalidSignatureException, 403, "", "message")                                               \
    X(MissingAuthenticationTokenException, 403, "", "message")                                     \
    X(PreconditionFailedException, 412, "User", "message")                                         \
    X(RequestEntityTooLargeException, 413, "User", "message")                                      \
    X(RequestTooLargeException, 413, "User", "message")                                            \
    X(ResourceConflictException, 409, "User", "message")                                           \
    X(ResourceNotFoundException, 404, "User", "Message")                                           \
    X(ServiceException, 500, "Service", "Message")                                                 \
    X(ServiceUnavailable, 503, "", "message")                                                      \
    X(TooManyRequestsException, 429, "User", "message")                                            \
    X(UnknownOperationException, 404, "", "message")                                               \
    X(UnrecognizedClientException, 403, "", "message")                                             \
    X(ValidationException, 400, "", "message")                                                     \
    X(AccessDeniedException, 403, "", "Message")                                                   \
    X(CodeStorageExceededException, 400, "User", "message")

enum ic_api_error_type {
    IC_API_OK,
#define IC_API_ERROR_ENUM(name, ...) IC_API_##name,
    IC_API_ERRORS(IC_API_ERROR_ENUM)
#undef IC_API_ERROR_ENUM
        IC_API_ERROR_COUNT
};

struct ic_api_error {
    enum ic_api_error_type type; /* IC_API_OK: none */
    const char *reason;          /* TooManyRequestsException's "Reason", or NULL */
    char message[1536];          /* printable ASCII, cut to fit */
};

/* Sets the error, unless one is set; returns IC_EINVAL, to be returned in turn. */
int ic_api_fail(struct ic_api_error *e, enum ic_api_error_type type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *ic_api_error_name(enum ic_api_error_type type);
unsigned ic_api_error_status(enum ic_api_error_type type);
/* Appends the JSON body. IC_ENOMEM. */
int ic_api_error_body(const struct ic_api_error *e, struct ic_buf *out) IC_MUST_USE;

/* The type called NAME; IC_API_ServiceException if there is none. */
enum ic_api_error_type ic_api_error_find(const char *name);

#endif
