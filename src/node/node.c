#include "node/node.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/random.h"
#include "node/chunks.h"
#include "node/extension.h"
#include "node/payload.h"
#include "node/runtime.h"
#include "node/serve.h"

#include <stdlib.h>

struct ic_node {
    struct ic_loop *loop;
    struct ic_chunks *chunks;
    struct ic_runtime *runtime;
    struct ic_serve *serve;
    struct ic_extension *extension;
    bool terminating, terminated;
};

static void respond(struct ic_node *n, bool served)
{
    struct ic_buf body;
    ic_buf_init(&body);
    if (ic_payload_response(n->chunks, served, &body) < 0) {
        ic_runtime_fail(n->runtime, "Node.OutOfMemory", "no memory for the response");
    } else {
        ic_runtime_respond(n->runtime, ic_buf_slice(&body));
    }
    ic_buf_deinit(&body);
}

static void conclude(struct ic_node *n)
{
    n->terminated = true;
    ic_loop_stop(n->loop);
}

static void on_served(void *ctx, bool served)
{
    struct ic_node *n = ctx;
    if (n->terminating) {
        conclude(n); /* an invocation that was under way ends with the instance */
    } else {
        respond(n, served);
    }
}

static void on_invoked(void *ctx, struct ic_slice text, uint64_t deadline_ms)
{
    struct ic_node *n = ctx;
    struct ic_payload payload;
    if (n->terminating) {
        return; /* it crossed the SIGTERM, and ends with the instance */
    }
    if (ic_payload_decode(text, &payload) < 0) {
        ic_runtime_fail(n->runtime, "Node.BadPayload", "a field is missing or out of range");
        return;
    }
    switch (payload.kind) {
    case IC_PAYLOAD_SERVE:
        ic_serve_begin(n->serve, &payload, deadline_ms);
        return;
    case IC_PAYLOAD_WARM:
    case IC_PAYLOAD_FOREIGN:
        respond(n, false);
        return;
    }
}

static void on_lost(void *ctx)
{
    struct ic_node *n = ctx;
    ic_loop_stop(n->loop);
}

static const struct ic_runtime_handler runtime_handler = {.invoked = on_invoked, .lost = on_lost};

/* Registered as an extension, or not: too late for it from here on. */
static void on_settled(void *ctx)
{
    struct ic_node *n = ctx;
    ic_runtime_start(n->runtime);
}

static uint64_t memory_bytes(void)
{
    const char *text = getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    int64_t mebibytes;
    if (text == NULL || ic_slice_to_i64(ic_slice_str(text), &mebibytes) < 0 || mebibytes < 0 ||
        mebibytes > INT32_MAX) {
        return 0;
    }
    return (uint64_t)mebibytes << 20;
}

struct ic_node *ic_node_new(struct ic_loop *loop)
{
    const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
    struct ic_node *n = ic_calloc(1, sizeof(*n));
    if (n == NULL || address == NULL) {
        ic_log(IC_LOG_ERROR, "start", "reason=\"%s\"",
               n == NULL ? "out of memory" : "AWS_LAMBDA_RUNTIME_API is not set");
        ic_free(n);
        return NULL;
    }
    uint8_t instance[IC_INSTANCE_ID_BYTES];
    ic_random_fill(instance, sizeof(instance));
    n->loop = loop;
    n->runtime = ic_runtime_new(loop, address, &runtime_handler, n);
    if (n->runtime == NULL) {
        ic_log(IC_LOG_ERROR, "start",
               "reason=\"no memory, or AWS_LAMBDA_RUNTIME_API is no address\"");
        ic_node_free(n);
        return NULL;
    }
    n->chunks = ic_chunks_new(memory_bytes(), instance);
    n->serve = n->chunks == NULL ? NULL : ic_serve_new(loop, n->chunks, on_served, n);
    if (n->serve == NULL) {
        ic_runtime_init_error(n->runtime, "Node.Memory",
                              "AWS_LAMBDA_FUNCTION_MEMORY_SIZE is missing or too small");
        return n;
    }
    n->extension = ic_extension_new(loop, address, on_settled, n);
    if (n->extension == NULL) {
        ic_runtime_start(n->runtime);
    }
    return n;
}

void ic_node_terminate(struct ic_node *n)
{
    if (n->terminating) {
        return;
    }
    n->terminating = true;
    if (n->serve == NULL || !ic_serve_die(n->serve)) {
        conclude(n);
    }
}

bool ic_node_terminated(const struct ic_node *n)
{
    return n->terminated;
}

void ic_node_free(struct ic_node *n)
{
    if (n == NULL) {
        return;
    }
    ic_extension_free(n->extension);
    ic_serve_free(n->serve);
    ic_runtime_free(n->runtime);
    ic_chunks_free(n->chunks);
    ic_free(n);
}
