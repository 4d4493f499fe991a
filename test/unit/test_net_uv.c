/*
 * test_net_uv.c - what the libuv backend does with many sockets at once.
 */
#include "net/net_uv.h"

#include "base/alloc.h"
#include "unit/unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READERS = 20, EACH_BYTES = 6 << 20 };

static size_t crowd_room(void *ctx, struct iovec *iov, size_t max)
{
    static uint8_t nothing[64];
    (void)ctx;
    (void)max;
    iov[0] = (struct iovec){.iov_base = nothing, .iov_len = sizeof nothing};
    return 1;
}

static void crowd_received(void *ctx, size_t len)
{
    (void)ctx;
    fail_msg("%zu bytes came", len);
}

struct crowd {
    struct ic_stream *stream[READERS];
    size_t count;
};

static void crowd_closed(void *ctx, int error)
{
    (void)ctx;
    fail_msg("closed: %d", error);
}

static void on_crowd(void *ctx, struct ic_stream *s)
{
    static const struct ic_stream_handler handler = {
        .room = crowd_room, .received = crowd_received, .closed = crowd_closed};
    struct crowd *c = ctx;
    c->stream[c->count++] = s;
    ic_stream_start(s, &handler, c);
}

static size_t queued_in_all(const struct crowd *c)
{
    size_t sum = 0;
    for (size_t i = 0; i < c->count; i++) {
        sum += ic_stream_queued(c->stream[i]);
    }
    return sum;
}

/* Reads what is there. */
static size_t read_all(int fd)
{
    static uint8_t bytes[1 << 20];
    size_t sum = 0;
    ssize_t got;
    while ((got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        sum += (size_t)got;
    }
    return sum;
}

/* Many begin to read in the same moment: they are sent to in turns. */
static void test_many_have_room_at_once(void **state)
{
    (void)state;
    struct crowd c = {0};
    struct ic_loop *loop = ic_loop_new();
    struct ic_listener *listener;
    struct ic_buf *payload = ic_buf_new(EACH_BYTES);
    memset(payload->data, 'x', EACH_BYTES);
    assert_int_equal(ic_listener_new(loop, "127.0.0.1", 0, on_crowd, &c, &listener), 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(ic_listener_port(listener)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd[READERS];
    for (int i = 0; i < READERS; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd[i], (struct sockaddr *)&to, sizeof to), 0);
    }
    while (c.count < READERS) {
        uv_run(ic_loop_uv(loop), UV_RUN_NOWAIT);
    }
    for (int i = 0; i < READERS; i++) {
        struct ic_slice bytes = ic_slice(payload->data, EACH_BYTES);
        assert_int_equal(ic_stream_write(c.stream[i], bytes, payload), 0);
    }
    size_t before, most = 0, read = 0;
    while (read < (size_t)READERS * EACH_BYTES) {
        for (int i = 0; i < READERS; i++) {
            read += read_all(fd[i]);
        }
        before = queued_in_all(&c);
        uv_run(ic_loop_uv(loop), UV_RUN_NOWAIT);
        bool first = before == (size_t)READERS * EACH_BYTES; /* what is new is tried at once */
        most = !first && before - queued_in_all(&c) > most ? before - queued_in_all(&c) : most;
    }
    assert_in_range(most, 1, (16 << 20) + EACH_BYTES);
    for (int i = 0; i < READERS; i++) {
        ic_stream_free(c.stream[i]);
        close(fd[i]);
    }
    ic_listener_free(listener);
    uv_run(ic_loop_uv(loop), UV_RUN_NOWAIT);
    ic_loop_free(loop);
    ic_buf_unref(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_many_have_room_at_once)};
    return cmocka_run_group_tests_name("net_uv", tests, NULL, NULL);
}
