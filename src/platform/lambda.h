/*
 * lambda.h - client of the AWS Lambda REST API (2015-03-31), asynchronous on the loop:
 * libcurl's multi interface, requests signed with SigV4. The same for AWS and for
 * the local platform; only the endpoint differs.
 *
 *   ic_lambda_invoke(...) ... done(ctx, reply)      one call; ic_lambda_cancel drops it
 *
 * Credentials: the two lines of a file (key id, secret), or else AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or else test and test.
 */
#ifndef IC_PLATFORM_LAMBDA_H
#define IC_PLATFORM_LAMBDA_H

#include "base/error.h"
#include "base/slice.h"
#include "proto/lambda_json.h"

struct ic_lambda;
struct ic_lambda_call;
struct ic_loop;

enum {
    IC_LAMBDA_CONNECTIONS_MAX = 1000, /* Invokes at a time; more wait for a connection */
    IC_LAMBDA_WHY_MAX = 512,
};

struct ic_lambda_settings {
    const char *endpoint; /* "http://127.0.0.1:6382", "https://lambda.eu-west-1.amazonaws.com" */
    const char *region;
    const char *credentials_file; /* "" or NULL: the environment */
};

/* WHY (IC_LAMBDA_WHY_MAX bytes) on errors. IC_EINVAL: the endpoint; IC_EIO: the credentials file;
 * IC_ENOMEM. */
int ic_lambda_new(struct ic_loop *loop, const struct ic_lambda_settings *settings,
                  struct ic_lambda **out, char *why) IC_MUST_USE;
void ic_lambda_free(
    struct ic_lambda *l); /* drops the calls under way without `done`; NULL is fine */

/* What a call came to. Slices and the reply itself are valid during `done` only. */
struct ic_lambda_reply {
    /*
     * 0              2xx. Of an Invoke: it was run, see function_error
     * IC_EUNAVAIL    it was never sent: no connection
     * IC_ECLOSED     the response was lost: it may have run, or be running
     * IC_ETIMEOUT    no response in time: the same
     * IC_ETHROTTLED  429      IC_ENOENT 404     IC_EEXIST 409
     * IC_EAUTH       401 403  IC_EINVAL 400     IC_EIO    another status
     * IC_EPROTO      404, not in Lambda's words: another server answers
     */
    int error;
    int status; /* of HTTP; 0: none came */
    struct ic_slice body;
    struct ic_lambda_error
        why;             /* API error's or function error's type and message; or libcurl's words */
    bool function_error; /* Invoke: X-Amz-Function-Error: the function failed, its memory is gone */
    bool reported;       /* Invoke: `report` is there */
    struct ic_lambda_report report;
};
typedef void ic_lambda_done(void *ctx, const struct ic_lambda_reply *reply);

/*
 * Each call: IC_ENOMEM or 0, then DONE exactly once, from the loop. What is passed is copied. *CALL
 * may be NULL; it is valid until DONE.
 */
int ic_lambda_invoke(struct ic_lambda *l, const char *function, struct ic_slice payload,
                     uint64_t timeout_ms, ic_lambda_done *done, void *ctx,
                     struct ic_lambda_call **call) IC_MUST_USE;
/* DONE will not be called; the connection is closed, the function may go on. */
void ic_lambda_cancel(struct ic_lambda_call *call);

/* These answer within IC_LAMBDA_CONTROL_MS. Bodies: see lambda_json.h. */
enum { IC_LAMBDA_CONTROL_MS = 30000 };
int ic_lambda_create(struct ic_lambda *l, const struct ic_lambda_spec *spec, ic_lambda_done *done,
                     void *ctx) IC_MUST_USE;
int ic_lambda_get(struct ic_lambda *l, const char *function, ic_lambda_done *done,
                  void *ctx) IC_MUST_USE; /* ic_lambda_function_decode */
int ic_lambda_get_configuration(struct ic_lambda *l, const char *function, ic_lambda_done *done,
                                void *ctx) IC_MUST_USE; /* the same */
/* MARKER: of the page before, or NULL. Body: ic_lambda_list_decode. */
int ic_lambda_list(struct ic_lambda *l, const char *marker, ic_lambda_done *done,
                   void *ctx) IC_MUST_USE;
int ic_lambda_update_code(struct ic_lambda *l, const struct ic_lambda_spec *spec,
                          ic_lambda_done *done, void *ctx) IC_MUST_USE;
int ic_lambda_update_configuration(struct ic_lambda *l, const struct ic_lambda_spec *spec,
                                   ic_lambda_done *done, void *ctx) IC_MUST_USE;
int ic_lambda_delete(struct ic_lambda *l, const char *function, ic_lambda_done *done,
                     void *ctx) IC_MUST_USE;

#endif
