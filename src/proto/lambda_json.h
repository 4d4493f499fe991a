/*
 * lambda_json.h - what is said through the Lambda API, as bytes: the payload of an Invoke, the
 * node's reply, the REPORT line in the log tail, a function's configuration and an
 * API error. Pure; everything decoded comes from outside and is bounded here.
 *
 *   proxy --payload--> Invoke --> node        kind, invocation, where to dial, key, lease
 *   proxy <--reply + log tail--- Lambda       instance, position, held ...; REPORT ... Billed
 * Duration
 */
#ifndef IC_PROTO_LAMBDA_JSON_H
#define IC_PROTO_LAMBDA_JSON_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    IC_LAMBDA_NAME_MAX = 64, /* of a function */
    IC_LAMBDA_TEXT_MAX =
        256, /* of an error's message kept here, with a zero; a longer one ends in " ..." */
    IC_LAMBDA_JSON_MAX = 6 << 20, /* Lambda's own bound of a synchronous payload: 6 MiB */
};

/* ---- an invocation ---- */

struct ic_invoke_payload {
    const char *kind; /* "serve", "peer" or "warm" */
    const char *function;
    uint8_t invocation[16];
    const char *proxy; /* HOST:PORT to dial */
    uint8_t key[32];
    uint32_t epoch;
    uint64_t lease_ms;
};
/* Appends the payload. IC_ENOMEM. */
int ic_invoke_payload_encode(const struct ic_invoke_payload *payload,
                             struct ic_buf *out) IC_MUST_USE;

struct ic_invoke_reply {
    uint8_t instance[16];
    uint64_t position, held, capacity, chunks;
    uint32_t epoch;
    bool served; /* it dialled and was welcomed */
};
/* IC_EPROTO: not a node's reply (another program runs in that function). */
int ic_invoke_reply_decode(struct ic_slice body, struct ic_invoke_reply *out) IC_MUST_USE;

/* The body of a function error: {"errorType": ..., "errorMessage": ...}; empty strings if absent.
 */
struct ic_lambda_error {
    char type[IC_LAMBDA_TEXT_MAX];
    char message[IC_LAMBDA_TEXT_MAX];
};
void ic_lambda_function_error_decode(struct ic_slice body, struct ic_lambda_error *out);
/* The body of an API error: {"Type": ..., "Message" or "message": ...}; type may be absent. */
void ic_lambda_api_error_decode(struct ic_slice body, struct ic_lambda_error *out);

/*
 * REPORT RequestId: ID\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 256 MB\t
 * Max Memory Used: 31 MB\t[Init Duration: 5.67 ms\t]
 */
struct ic_lambda_report {
    uint64_t billed_ms;
    uint64_t duration_us;
    uint64_t init_us; /* 0: not a cold start */
    uint32_t memory_mb, max_memory_mb;
};
/* The last REPORT line of LOG. IC_ENOENT: none; IC_EPROTO: one without a billed duration. */
int ic_lambda_report_decode(struct ic_slice log, struct ic_lambda_report *out) IC_MUST_USE;
/* The same from the X-Amz-Log-Result header's base64. Also IC_ENOMEM. */
int ic_lambda_log_result_decode(struct ic_slice base64, struct ic_lambda_report *out) IC_MUST_USE;

/* ---- functions ---- */

struct ic_lambda_function {
    char name[IC_LAMBDA_NAME_MAX + 1];
    char state[16];              /* Pending Active Inactive Failed */
    char last_update_status[16]; /* Successful InProgress Failed */
    char runtime[32];
    char description[64];
    char code_sha256[64]; /* base64 of the zip's SHA-256 */
    uint64_t memory_mb, timeout_s, code_bytes;
};
/* A FunctionConfiguration, or a GetFunction reply that has one in it. IC_EPROTO. */
int ic_lambda_function_decode(struct ic_slice body, struct ic_lambda_function *out) IC_MUST_USE;
/*
 * A ListFunctions reply: calls EACH per function. *MARKER (owned by the caller, ic_free) is the
 * next page's, or NULL. IC_EPROTO, IC_ENOMEM.
 */
int ic_lambda_list_decode(struct ic_slice body,
                          void (*each)(void *ctx, const struct ic_lambda_function *f), void *ctx,
                          char **marker) IC_MUST_USE;

/* What CreateFunction is given; UpdateFunctionConfiguration takes the same without the code. */
struct ic_lambda_spec {
    const char *name;
    const char *runtime; /* "provided.al2023" */
    const char *handler; /* "bootstrap" */
    const char *role;    /* ARN */
    const char *description;
    uint64_t memory_mb, timeout_s;
    struct ic_slice zip;
};
int ic_lambda_create_encode(const struct ic_lambda_spec *spec, struct ic_buf *out) IC_MUST_USE;
int ic_lambda_update_code_encode(const struct ic_lambda_spec *spec, struct ic_buf *out) IC_MUST_USE;
int ic_lambda_update_config_encode(const struct ic_lambda_spec *spec,
                                   struct ic_buf *out) IC_MUST_USE;

#endif
