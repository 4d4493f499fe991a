/*
 * runtime_api.c - the Lambda Runtime API (2018-06-01) of one instance: the server's side of
 * src/node/runtime.c, over a stream of the simulated machine itself.
 */
#define _GNU_SOURCE /* memmem */
#include "sim/platform.h"
#include "sim/report.h"
#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { READ_BYTES = 4096 };

static void answer(struct sim_instance *i, const char *head, struct ic_slice body)
{
    char text[512];
    int len = snprintf(text, sizeof text, "HTTP/1.1 %sContent-Length: %zu\r\n\r\n", head, body.len);
    if (i->stream == NULL || ic_stream_write(i->stream, ic_slice(text, (size_t)len), NULL) < 0 ||
        ic_stream_write(i->stream, body, NULL) < 0) {
        sim_note("runtime api of %s: no answer", ic_sim_name(i->loop));
    }
}

void sim_runtime_hand_out(struct sim_instance *i)
{
    struct sim_world *w = sim_world();
    const struct sim_invocation *inv = i->running;
    uint64_t left_us = inv->begun_us + w->platform.timeout_us - sim_now_us(w);
    char head[384];
    assert(i->asks);
    i->asks = false;
    snprintf(head, sizeof head,
             "200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: %08u\r\n"
             "Lambda-Runtime-Deadline-Ms: %lld\r\n",
             inv->number, (long long)((sim_wall_us(w) + (int64_t)left_us) / 1000));
    answer(i, head, ic_slice(inv->payload, inv->payload_len));
}

static void request(struct sim_instance *i, struct ic_slice path, struct ic_slice body)
{
    static const char accepted[] = "202 Accepted\r\nContent-Type: application/json\r\n";
    static const char ok[] = "{\"status\":\"OK\"}\n";
    if (memmem(path.data, path.len, "/invocation/next", 16) != NULL) {
        i->asks = true;
        sim_instance_asks(i);
        return;
    }
    bool error = memmem(path.data, path.len, "/error", 6) != NULL;
    answer(i, accepted, ic_slice_str(ok));
    sim_instance_responds(i, body, error);
}

/* The length of the first request in IN, or 0: it is not complete. */
static size_t complete(const struct ic_buf *in, struct ic_slice *path, struct ic_slice *body)
{
    const uint8_t *end = memmem(in->data, in->len, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    size_t head = (size_t)(end - in->data) + 4;
    const uint8_t *line_end = memmem(in->data, head, "\r\n", 2);
    const char *length = memmem(in->data, head, "Content-Length: ", 16);
    size_t len = length == NULL ? 0 : (size_t)strtoul(length + 16, NULL, 10);
    *path = ic_slice(in->data, (size_t)(line_end - in->data));
    *body = ic_slice(in->data + head, len);
    return in->len < head + len ? 0 : head + len;
}

static size_t room(void *ctx, struct iovec *iov, size_t max)
{
    struct sim_instance *i = ctx;
    (void)max;
    if (ic_buf_reserve(&i->in, READ_BYTES) < 0) {
        abort();
    }
    iov[0] = (struct iovec){.iov_base = i->in.data + i->in.len, .iov_len = READ_BYTES};
    return 1;
}

static void received(void *ctx, size_t len)
{
    struct sim_instance *i = ctx;
    struct ic_slice path, body;
    size_t taken;
    i->in.len += len;
    while (i->state != SIM_INSTANCE_DEAD && (taken = complete(&i->in, &path, &body)) > 0) {
        request(i, path, body);
        ic_buf_consume(&i->in, taken);
    }
}

static void closed(void *ctx, int error)
{
    struct sim_instance *i = ctx;
    (void)error;
    ic_stream_free(i->stream);
    i->stream = NULL;
    i->in.len = 0;
}

static void accepted(void *ctx, struct ic_stream *s)
{
    static const struct ic_stream_handler handler = {
        .room = room, .received = received, .closed = closed};
    struct sim_instance *i = ctx;
    ic_stream_free(i->stream);
    i->stream = s;
    i->in.len = 0;
    ic_stream_start(s, &handler, i);
}

void sim_runtime_open(struct sim_instance *i)
{
    int result =
        ic_listener_new(sim_world()->platform.loop, "127.0.0.1",
                        (uint16_t)(SIM_RUNTIME_PORT + i->number), accepted, i, &i->listener);
    if (result < 0) {
        sim_violation("no Runtime API: %s", ic_error_text(result));
    }
}

void sim_runtime_close(struct sim_instance *i)
{
    ic_stream_free(i->stream);
    i->stream = NULL;
    ic_listener_free(i->listener);
    i->listener = NULL;
    ic_buf_deinit(&i->in);
}
