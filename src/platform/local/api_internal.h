/*
 * api_internal.h - what the files of the API share: the request in hand and the handlers.
 * Included by api*.c only.
 */
#ifndef IC_PLATFORM_LOCAL_API_INTERNAL_H
#define IC_PLATFORM_LOCAL_API_INTERNAL_H

#include "net/http_server.h"
#include "platform/local/api_error.h"
#include "platform/local/code_store.h"
#include "platform/local/faults.h"
#include "platform/local/fleet.h"
#include "platform/local/function_name.h"
#include "platform/local/registry.h"
#include "platform/local/route.h"
#include "platform/local/sigv4.h"
#include "platform/local/uuid.h"

#include <jansson.h>

enum {
    IC_API_VALUES_MAX = 20000, /* JSON values in a control request */
    IC_LIST_PAGE_MAX = 50,     /* AWS: functions per page, whatever MaxItems says */
    IC_LOG_TAIL_MAX = 4096,    /* AWS: bytes of X-Amz-Log-Result before base64 */
};

struct ic_api {
    struct ic_loop *loop;
    struct ic_fleet *fleet;
    struct ic_http_server *http; /* NULL once stopped */
    struct ic_registry *registry;
    struct ic_code_store *code;
    struct ic_faults *faults;
    char *region, *account, *key_id, *secret;
    uint32_t concurrency;
};

/* One request, on the stack of its handler. */
struct ic_api_request {
    struct ic_api *api;
    struct ic_http_request *http;
    struct ic_route route;
    struct ic_function_ref ref; /* of calls whose path names a function */
    struct ic_api_error error;
    json_t *body;          /* of calls with one: an object; else NULL */
    char id[IC_UUID_SIZE]; /* X-Amzn-RequestId */
};

/*
 * A handler returns 0 with *REPLY (an object; NULL: no body), which goes out with the call's status
 * of success; IC_API_ANSWERED when it answers itself, now or later; or an error: q->error, if
 * set, else ServiceException.
 */
enum { IC_API_ANSWERED = 1 };
typedef int ic_api_handler(struct ic_api_request *q, json_t **reply);

ic_api_handler ic_api_create_function, ic_api_get_function, ic_api_list_functions,
    ic_api_delete_function, ic_api_update_code, ic_api_get_configuration,
    ic_api_update_configuration, ic_api_publish_version, ic_api_list_versions;
ic_api_handler ic_api_invoke;
ic_api_handler ic_api_get_code_signing, ic_api_get_account, ic_api_get_concurrency,
    ic_api_put_concurrency, ic_api_delete_concurrency, ic_api_list_tags, ic_api_tag, ic_api_untag;
ic_api_handler ic_api_local_instances, ic_api_local_bill, ic_api_local_reclaim, ic_api_local_fail,
    ic_api_local_failing, ic_api_local_code;

/* The function q->ref names; with NULL, q->error is ResourceNotFoundException. */
struct ic_function *ic_api_function(struct ic_api_request *q);
/* The configuration q->ref and the Qualifier parameter name. NULL: q->error is set. */
json_t *ic_api_version(struct ic_api_request *q, struct ic_function **function);
/* The query parameter NAME decoded into OUT (SIZE bytes); "" if absent. IC_EINVAL: q->error. */
int ic_api_query(struct ic_api_request *q, const char *name, char *out, size_t size) IC_MUST_USE;
/* The fleet may run what is not reserved for single functions. */
void ic_api_share_concurrency(struct ic_api *api);

/* Answers Q->http, later than its handler: STATUS and BODY (reference taken), or an error. */
void ic_api_send(struct ic_http_request *http, const char *request_id, unsigned status,
                 struct ic_buf *body);
void ic_api_send_error(struct ic_http_request *http, const char *request_id,
                       const struct ic_api_error *error);

#endif
