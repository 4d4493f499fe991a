/*
 * route.h - which call of the API a method and a path are. Pure; one table.
 */
#ifndef IC_PLATFORM_LOCAL_ROUTE_H
#define IC_PLATFORM_LOCAL_ROUTE_H

#include "base/error.h"
#include "base/slice.h"

/* call, method, path with {} where the argument stands, status of success, body limit in bytes.
 * AWS, aws-sdk-go models/apis/lambda/2015-03-31/api-2.json; limits: "Lambda quotas". */
#define IC_API_CALLS(X)                                                                            \
    X(CREATE_FUNCTION, "POST", "/2015-03-31/functions", 201, 69905067)                             \
    X(LIST_FUNCTIONS, "GET", "/2015-03-31/functions", 200, 0)                                      \
    X(GET_FUNCTION, "GET", "/2015-03-31/functions/{}", 200, 0)                                     \
    X(DELETE_FUNCTION, "DELETE", "/2015-03-31/functions/{}", 204, 0)                               \
    X(UPDATE_CODE, "PUT", "/2015-03-31/functions/{}/code", 200, 69905067)                          \
    X(GET_CONFIGURATION, "GET", "/2015-03-31/functions/{}/configuration", 200, 0)                  \
    X(UPDATE_CONFIGURATION, "PUT", "/2015-03-31/functions/{}/configuration", 200, 1 << 20)         \
    X(INVOKE, "POST", "/2015-03-31/functions/{}/invocations", 200, 6291456)                        \
    X(PUBLISH_VERSION, "POST", "/2015-03-31/functions/{}/versions", 201, 1 << 20)                  \
    X(LIST_VERSIONS, "GET", "/2015-03-31/functions/{}/versions", 200, 0)                           \
    X(GET_CODE_SIGNING, "GET", "/2020-06-30/functions/{}/code-signing-config", 200, 0)             \
    X(GET_ACCOUNT, "GET", "/2016-08-19/account-settings", 200, 0)                                  \
    X(GET_CONCURRENCY, "GET", "/2019-09-30/functions/{}/concurrency", 200, 0)                      \
    X(PUT_CONCURRENCY, "PUT", "/2017-10-31/functions/{}/concurrency", 200, 1 << 20)                \
    X(DELETE_CONCURRENCY, "DELETE", "/2017-10-31/functions/{}/concurrency", 204, 0)                \
    X(LIST_TAGS, "GET", "/2017-03-31/tags/{}", 200, 0)                                             \
    X(TAG, "POST", "/2017-03-31/tags/{}", 204, 1 << 20)                                            \
    X(UNTAG, "DELETE", "/2017-03-31/tags/{}", 204, 0)                                              \
    X(LOCAL_INSTANCES, "GET", "/_local/instances", 200, 0)                                         \
    X(LOCAL_BILL, "GET", "/_local/bill", 200, 0)                                                   \
    X(LOCAL_RECLAIM, "POST", "/_local/reclaim", 200, 1 << 16)                                      \
    X(LOCAL_FAIL, "POST", "/_local/fail", 200, 1 << 16)                                            \
    X(LOCAL_FAILING, "GET", "/_local/fail", 200, 0)                                                \
    X(LOCAL_CODE, "GET", "/_local/code/{}", 200, 0)

enum ic_api_call {
#define IC_API_CALL_ENUM(call, ...) IC_API_##call,
    IC_API_CALLS(IC_API_CALL_ENUM)
#undef IC_API_CALL_ENUM
        IC_API_CALL_COUNT
};

struct ic_route {
    enum ic_api_call call;
    struct ic_slice argument; /* what stood for {}, still encoded; may be empty */
};

/* IC_ENOENT: no call has this path; IC_EINVAL: some have, but not with this method. */
int ic_route_find(struct ic_slice method, struct ic_slice path, struct ic_route *out) IC_MUST_USE;

unsigned ic_api_success_status(enum ic_api_call call);
size_t ic_api_body_max_bytes(enum ic_api_call call);
bool ic_api_call_is_local(enum ic_api_call call); /* under /_local/: no signature, loopback only */

#endif
