/*
 * runtime_api.c - the Lambda Runtime API (2018-06-01) of one instance, and as much of the
 * Extensions API (2020-01-01) as its node uses: the server's side of src/node/runtime.c and
 * extension.c, over streams of the simulated machine itself. Some platforms do not know extensions.
 */
#define _GNU_SOURCE /* memmem */
#include "sim/platform.h"
#include "sim/report.h"
#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { READ_BYTES = 4096 };

struct sim_runtime_link { /* one connection of the node */
    struct sim_instance *instance;
    struct ic_stream *stream;
    struct ic_buf in;
};

static void answer(struct sim_runtime_link *l, const char *head, struct ic_slice body)
{
    char text[512];
    int len = snprintf(text, sizeof text, "HTTP/1.1 %sContent-Length: %zu\r\n\r\n", head, body.len);
    if (l->stream == NULL || ic_stream_write(l->stream, ic_slice(text, (size_t)len), NULL) < 0 ||
        ic_stream_write(l->stream, body, NULL) < 0) {
        sim_note("runtime api of %s: no answer", ic_sim_name(l->instance->loop));
    }
}

void sim_runtime_hand_out(struct sim_instance *i)
{
    struct sim_world *w = sim_world();
    const struct sim_invocation *inv = i->running;
    uint64_t left_us = inv->begun_us + w->platform.timeout_us - sim_now_us(w);
    char head[384];
    struct sim_runtime_link *l = i->asks;
    assert(l != NULL);
    i->asks = NULL;
    snprintf(head, sizeof head,
             "200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: %08u\r\n"
             "Lambda-Runtime-Deadline-Ms: %lld\r\n",
             inv->number, (long long)((sim_wall_us(w) + (int64_t)left_us) / 1000));
    answer(l, head, ic_slice(inv->payload, inv->payload_len));
}

static bool names(struct ic_slice path, const char *what)
{
    return memmem(path.data, path.len, what, strlen(what)) != NULL;
}

/* Whoever registers as an extension is told before it is ended: sim_platform_shut_down. */
static void register_extension(struct sim_runtime_link *l)
{
    static const char unknown[] = "404 Not Found\r\nContent-Type: application/json\r\n";
    static const char known[] = "200 OK\r\nContent-Type: application/json\r\n"
                                "Lambda-Extension-Identifier: 00000000-0000-0000-0000-000000000000"
                                "\r\n";
    bool offers = sim_world()->platform.has_extensions;
    l->instance->is_told = offers;
    answer(l, offers ? known : unknown, ic_slice_str("{}"));
}

static void request(struct sim_runtime_link *l, struct ic_slice path, struct ic_slice body)
{
    static const char accepted[] = "202 Accepted\r\nContent-Type: application/json\r\n";
    struct sim_instance *i = l->instance;
    if (names(path, "/extension/register")) {
        register_extension(l);
    } else if (names(path, "/extension/event/next")) {
        return; /* there is no event that it wants */
    } else if (names(path, "/invocation/next")) {
        i->asks = l;
        sim_instance_asks(i);
    } else {
        answer(l, accepted, ic_slice_str("{\"status\":\"OK\"}\n"));
        sim_instance_responds(i, body, names(path, "/error"));
    }
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
    struct sim_runtime_link *l = ctx;
    (void)max;
    if (ic_buf_reserve(&l->in, READ_BYTES) < 0) {
        abort();
    }
    iov[0] = (struct iovec){.iov_base = l->in.data + l->in.len, .iov_len = READ_BYTES};
    return 1;
}

static void received(void *ctx, size_t len)
{
    struct sim_runtime_link *l = ctx;
    struct ic_slice path, body;
    size_t taken;
    l->in.len += len;
    while (l->instance->state != SIM_INSTANCE_DEAD &&
           (taken = complete(&l->in, &path, &body)) > 0) {
        request(l, path, body);
        ic_buf_consume(&l->in, taken);
    }
}

static void hang_up(struct sim_runtime_link *l)
{
    ic_stream_free(l->stream);
    l->stream = NULL;
    if (l->instance->asks == l) {
        l->instance->asks = NULL;
    }
}

static void closed(void *ctx, int error)
{
    (void)error;
    hang_up(ctx);
}

static void accepted(void *ctx, struct ic_stream *s)
{
    static const struct ic_stream_handler handler = {
        .room = room, .received = received, .closed = closed};
    struct sim_instance *i = ctx;
    struct sim_runtime_link *l = sim_alloc(sizeof *l);
    if (i->link_count == SIM_RUNTIME_LINKS_MAX) {
        sim_violation("%s dials its Runtime API again and again", ic_sim_name(i->loop));
    }
    i->link[i->link_count++] = l;
    l->instance = i;
    l->stream = s;
    ic_buf_init(&l->in);
    ic_stream_start(s, &handler, l);
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
    for (uint32_t k = 0; k < i->link_count; k++) {
        hang_up(i->link[k]);
    }
    ic_listener_free(i->listener);
    i->listener = NULL;
}
