/*
 * test_net.c - the libuv backend over loopback: bytes arrive whole and in order through
 * scattered reads and batched writes, a paused reader stops the writer, refusals
 * and hang-ups are told once, timers fire in order and may be moved while firing.
 */
#include "net/net.h"

#include "base/alloc.h"
#include "base/random.h"
#include "net/timers.h"
#include "unit/unit.h"

enum { PAYLOAD_BYTES = 8 << 20, DEADLINE_MS = 20000 };

struct fixture {
    struct ic_loop *loop;
    struct ic_timer deadline, resume;
    struct ic_listener *listener;
    struct ic_stream *client, *server;
    struct ic_buf *payload; /* sent by the client */
    uint8_t *got;           /* by the server */
    size_t got_len, pause_at;
    int server_error, client_error, closed_calls;
    bool late, keeps_client;
};

static void on_deadline(void *ctx)
{
    struct fixture *f = ctx;
    f->late = true;
    ic_loop_stop(f->loop);
}

static size_t server_room(void *ctx, struct iovec *iov, size_t max)
{
    struct fixture *f = ctx;
    if (f->got_len >= f->pause_at) {
        ic_timer_start(&f->resume, 0);
        return 0;
    }
    size_t count = 0;
    size_t at = f->got_len;
    while (count < 3 && count < max && at < PAYLOAD_BYTES) { /* scattered: 1000 bytes each */
        size_t len = PAYLOAD_BYTES - at < 1000 ? PAYLOAD_BYTES - at : 1000;
        iov[count++] = (struct iovec){.iov_base = f->got + at, .iov_len = len};
        at += len;
    }
    static uint8_t spare[16];
    if (count == 0) {
        iov[count++] = (struct iovec){.iov_base = spare, .iov_len = sizeof spare};
    }
    return count;
}

static void server_received(void *ctx, size_t len)
{
    ((struct fixture *)ctx)->got_len += len;
}

static void server_closed(void *ctx, int error)
{
    struct fixture *f = ctx;
    f->server_error = error;
    f->closed_calls++;
    ic_stream_free(f->server);
    ic_loop_stop(f->loop);
}

static const struct ic_stream_handler server_handler = {
    .room = server_room, .received = server_received, .closed = server_closed};

static void on_accepted(void *ctx, struct ic_stream *s)
{
    struct fixture *f = ctx;
    f->server = s;
    ic_stream_start(s, &server_handler, f);
}

static size_t client_room(void *ctx, struct iovec *iov, size_t max)
{
    (void)ctx;
    (void)max;
    static uint8_t nothing[64];
    iov[0] = (struct iovec){.iov_base = nothing, .iov_len = sizeof nothing};
    return 1;
}

static void client_received(void *ctx, size_t len)
{
    (void)ctx;
    (void)len;
}

static void client_connected(void *ctx)
{
    struct fixture *f = ctx;
    struct ic_rng rng;
    ic_rng_init(&rng, 3);
    size_t at = 0;
    while (at < PAYLOAD_BYTES) {
        size_t len = 1 + (size_t)ic_rng_below(&rng, 100000);
        len = len > PAYLOAD_BYTES - at ? PAYLOAD_BYTES - at : len;
        struct ic_buf *owner = ic_rng_below(&rng, 2) == 0 ? f->payload : NULL; /* NULL: copied */
        assert_int_equal(ic_stream_write(f->client, ic_slice(f->payload->data + at, len), owner),
                         0);
        at += len;
    }
    if (!f->keeps_client) {
        ic_stream_free_after_write(f->client, DEADLINE_MS);
        f->client = NULL;
    }
}

static void client_closed(void *ctx, int error)
{
    struct fixture *f = ctx;
    f->client_error = error;
    f->closed_calls++;
    ic_stream_free(f->client);
    ic_loop_stop(f->loop);
}

static const struct ic_stream_handler client_handler = {.room = client_room,
                                                        .received = client_received,
                                                        .closed = client_closed,
                                                        .connected = client_connected};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.pause_at = SIZE_MAX};
    f->loop = ic_loop_new();
    assert_non_null(f->loop);
    ic_timer_init(&f->deadline, f->loop, on_deadline, f);
    ic_timer_start(&f->deadline, DEADLINE_MS);
    assert_int_equal(ic_listener_new(f->loop, "127.0.0.1", 0, on_accepted, f, &f->listener), 0);
    f->payload = ic_buf_new(PAYLOAD_BYTES);
    f->got = ic_malloc(PAYLOAD_BYTES);
    struct ic_rng rng;
    ic_rng_init(&rng, 9);
    for (size_t i = 0; i < PAYLOAD_BYTES; i += 8) {
        uint64_t value = ic_rng_next(&rng);
        memcpy(f->payload->data + i, &value, 8);
    }
}

static void end(struct fixture *f)
{
    assert_false(f->late);
    ic_timer_stop(&f->deadline);
    ic_listener_free(f->listener);
    ic_loop_free(f->loop);
    assert_int_equal(f->payload->refs, 1);
    ic_buf_unref(f->payload);
    ic_free(f->got);
}

static void connect_client(struct fixture *f, uint16_t port)
{
    f->client = ic_stream_connect(f->loop, "127.0.0.1", port, &client_handler, f);
    assert_non_null(f->client);
}

static void test_transfer(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    connect_client(&f, ic_listener_port(f.listener));
    ic_loop_run(f.loop);
    assert_int_equal(f.server_error, IC_ECLOSED);
    assert_int_equal(f.got_len, PAYLOAD_BYTES);
    assert_memory_equal(f.got, f.payload->data, PAYLOAD_BYTES);
    end(&f);
}

static void resume_server(void *ctx)
{
    struct fixture *f = ctx;
    assert_true(f->got_len >= 1000 && f->got_len < 10000); /* it stopped where it said */
    f->pause_at = SIZE_MAX;
    ic_stream_resume(f->server);
}

static void test_pause_and_resume(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.pause_at = 1000;
    ic_timer_init(&f.resume, f.loop, resume_server, &f);
    connect_client(&f, ic_listener_port(f.listener));
    ic_loop_run(f.loop);
    assert_memory_equal(f.got, f.payload->data, PAYLOAD_BYTES);
    end(&f);
}

/* What the kernel has taken counts until the other end says, sooner or later, that it has come. */
static void watch_unacknowledged(void *ctx)
{
    struct fixture *f = ctx;
    size_t waits = ic_stream_unacknowledged(f->client);
    assert_in_range(waits, ic_stream_queued(f->client), PAYLOAD_BYTES);
    if (waits == 0) {
        ic_loop_stop(f->loop);
        return;
    }
    if (f->pause_at != SIZE_MAX) {
        assert_true(waits > PAYLOAD_BYTES / 2); /* no system has room for more */
        f->pause_at = SIZE_MAX;
        ic_stream_resume(f->server);
    }
    ic_timer_start(&f->resume, 1);
}

static void test_unacknowledged(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.pause_at = 1000;
    f.keeps_client = true;
    ic_timer_init(&f.resume, f.loop, watch_unacknowledged, &f);
    connect_client(&f, ic_listener_port(f.listener));
    ic_loop_run(f.loop);
    ic_stream_free(f.client);
    ic_stream_free(f.server);
    end(&f);
}

static void stop_there(void *ctx)
{
    ic_loop_stop(((struct fixture *)ctx)->loop);
}

/* The peer reads no further, and the loop will not run again: what was to go out is let go. */
static void test_lingering_when_the_loop_stops(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.pause_at = 1000;
    ic_timer_init(&f.resume, f.loop, stop_there, &f);
    connect_client(&f, ic_listener_port(f.listener));
    ic_loop_run(f.loop);
    assert_true(f.payload->refs > 1);
    ic_loop_settle(f.loop);
    assert_int_equal(f.payload->refs, 1);
    ic_stream_free(f.server);
    end(&f);
}

static void test_refused(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    uint16_t port = ic_listener_port(f.listener);
    ic_listener_free(f.listener);
    f.listener = NULL;
    connect_client(&f, port);
    ic_loop_run(f.loop);
    assert_true(f.client_error < 0);
    assert_int_equal(f.closed_calls, 1);
    assert_null(ic_stream_connect(f.loop, "not-an-address", 1, &client_handler, &f));
    end(&f);
}

static void test_address_in_use(void **state)
{
    (void)state;
    struct fixture f;
    struct ic_listener *second;
    begin(&f);
    assert_int_equal(ic_listener_new(f.loop, "127.0.0.1", ic_listener_port(f.listener), on_accepted,
                                     &f, &second),
                     IC_EBUSY);
    assert_int_equal(ic_listener_new(f.loop, "nowhere", 0, on_accepted, &f, &second), IC_EINVAL);
    end(&f);
}

/* ---- timers alone ---- */

enum { TIMERS = 500 };

struct timer_test {
    struct ic_timers heap;
    struct ic_timer timer[TIMERS];
    uint64_t last_due_ms;
    int fired;
};

static struct timer_test tt;

static void on_fire(void *ctx)
{
    const struct ic_timer *t = ctx;
    assert_true(t->due_ms >= tt.last_due_ms);
    tt.last_due_ms = t->due_ms;
    tt.fired++;
}

static void test_timers_fire_in_order(void **state)
{
    (void)state;
    struct ic_rng rng;
    ic_rng_init(&rng, 5);
    for (int i = 0; i < TIMERS; i++) {
        tt.timer[i] = (struct ic_timer){
            .fire = on_fire, .ctx = &tt.timer[i], .due_ms = ic_rng_below(&rng, 1000)};
        ic_timers_insert(&tt.heap, &tt.timer[i]);
    }
    int removed = 0;
    for (int i = 0; i < TIMERS; i += 3, removed++) {
        ic_timers_remove(&tt.heap, &tt.timer[i]);
    }
    for (uint64_t now = 0; now <= 1000; now += 50) {
        ic_timers_run(&tt.heap, now);
        assert_true(tt.last_due_ms <= now);
    }
    assert_int_equal(tt.fired, TIMERS - removed);
    assert_null(tt.heap.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_transfer),
        leak_test(test_pause_and_resume),
        leak_test(test_unacknowledged),
        leak_test(test_lingering_when_the_loop_stops),
        leak_test(test_refused),
        leak_test(test_address_in_use),
        leak_test(test_timers_fire_in_order),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
