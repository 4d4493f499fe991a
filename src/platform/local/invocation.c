#include "platform/local/invocation.h"

#include "base/alloc.h"
#include "base/random.h"

#include <inttypes.h>
#include <stdio.h>

void ic_invocation_free(struct ic_invocation *v)
{
    if (v == NULL) {
        return;
    }
    ic_buf_unref(v->payload);
    ic_free(v->client_context);
    ic_free(v->trace_id);
    ic_free(v->arn);
    ic_free(v->id);
    ic_free(v);
}

/* As AWS X-Ray writes one. */
static char *make_trace_id(void)
{
    char text[96];
    uint64_t a = ic_random_u64(), b = ic_random_u64(), c = ic_random_u64();
    snprintf(text, sizeof text,
             "Root=1-%08" PRIx32 "-%08" PRIx32 "%016" PRIx64 ";Parent=%016" PRIx64 ";Sampled=0",
             (uint32_t)(a >> 32), (uint32_t)a, b, c);
    return ic_strdup(text);
}

/* JSON in one line, since it travels in a header: a control character can only be a space there. */
static char *one_line(const char *json)
{
    char *copy = ic_strdup(json);
    for (char *at = copy; at != NULL && *at != '\0'; at++) {
        if ((unsigned char)*at < ' ') {
            *at = ' ';
        }
    }
    return copy;
}

struct ic_invocation *ic_invocation_new(const struct ic_function_spec *spec,
                                        const struct ic_invoke_request *request,
                                        ic_invoke_done *done, void *ctx)
{
    struct ic_invocation *v = ic_calloc(1, sizeof *v);
    if (v == NULL) {
        return NULL;
    }
    v->done = done;
    v->ctx = ctx;
    v->unreserved = spec->reserved == IC_RESERVED_NONE;
    v->id = ic_strdup(request->id);
    v->arn = ic_strdup(spec->arn);
    v->trace_id = request->trace_id == NULL ? make_trace_id() : ic_strdup(request->trace_id);
    v->payload = request->payload == NULL ? ic_buf_new(2) : ic_buf_ref(request->payload);
    bool complete = v->id != NULL && v->arn != NULL && v->trace_id != NULL && v->payload != NULL;
    if (complete && request->payload == NULL) {
        complete = ic_buf_append_str(v->payload, "{}") >= 0;
    }
    if (complete && request->client_context != NULL) {
        v->client_context = one_line(request->client_context);
        complete = v->client_context != NULL;
    }
    if (!complete) {
        ic_invocation_free(v);
        return NULL;
    }
    return v;
}
