/*
 * net.h - the thin layer between the program and the network: a loop, timers,
 * streams and listeners. net_uv.c does it with libuv and real sockets, net_sim.c in
 * virtual time. Nothing above this header knows which backend it runs on.
 *
 * Rules: everything runs on the loop's thread. Handlers may call anything here,
 * ic_stream_free of the very stream included: memory is released at the turn's end
 * (reap), never on the stack of its own callback.
 */
#ifndef IC_NET_NET_H
#define IC_NET_NET_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "base/slice.h"

#include <sys/uio.h>

struct ic_loop;

struct ic_loop *ic_loop_new(void); /* NULL: out of memory or descriptors */
void ic_loop_free(struct ic_loop *loop);
void ic_loop_run(struct ic_loop *loop);  /* until ic_loop_stop */
void ic_loop_stop(struct ic_loop *loop); /* from a handler */
/* Ends the last turn, outside of ic_loop_run: queued writes are tried once, what waits for it is
 * reaped, and so are streams that were to be freed after their writes. */
void ic_loop_settle(struct ic_loop *loop);
/* Of its turns, each from the end of a sleep to the beginning of the next: how many, and for how
 * long it was awake. In virtual time a turn takes none. */
struct ic_loop_figures {
    uint64_t turns, busy_us, longest_us;
};
struct ic_loop_figures ic_loop_figures(const struct ic_loop *loop);
void ic_loop_figures_reset(struct ic_loop *loop);
/* The number of this turn; what is reaped at its end is part of it. */
uint64_t ic_loop_turn_number(const struct ic_loop *loop);
/* Monotonic; one value for a whole turn. */
uint64_t ic_loop_now_ms(const struct ic_loop *loop);

/* Calls REAP(ctx) once at the end of this turn. The node is embedded in what is reaped. */
struct ic_reap {
    struct ic_list node;
    void (*reap)(void *ctx);
    void *ctx;
};
void ic_loop_reap(struct ic_loop *loop, struct ic_reap *r, void (*reap)(void *ctx), void *ctx);

/* Timers: embedded, one shot, restarted at will; starting and stopping never fail. */
struct ic_timer {
    struct ic_loop *loop;
    void (*fire)(void *ctx);
    void *ctx;
    uint64_t due_ms;
    struct ic_timer *child, *sibling, *parent; /* pairing heap; see timers.h */
    struct ic_timers
        *due_list; /* the heap it waits in to be fired this turn, or NULL: the loop's */
    bool armed;
};
void ic_timer_init(struct ic_timer *t, struct ic_loop *loop, void (*fire)(void *ctx), void *ctx);
void ic_timer_start(struct ic_timer *t, uint64_t delay_ms); /* again: moves it */
void ic_timer_stop(struct ic_timer *t);                     /* fine when not armed */

/*
 * A stream: one TCP connection.
 *
 * Reading: when bytes wait, `room` is asked where they shall go: it fills up to MAX
 * iovecs and returns how many; 0 pauses reading until ic_stream_resume. Then `received`
 * says how many bytes came, filling the iovecs in order. A codec thus never copies a
 * body. At most a bounded number of bytes is read per turn, so streams share the loop.
 *
 * Writing: slices queue up and go out with one writev per turn. Memory that is queued
 * belongs to an ic_buf, of which the stream keeps a reference until the bytes are sent.
 */
enum { IC_STREAM_ROOM_MAX = 32 }; /* iovecs per read */

struct ic_stream;
struct ic_stream_handler {
    size_t (*room)(void *ctx, struct iovec *iov, size_t max);
    void (*received)(void *ctx, size_t len);
    void (*drained)(void *ctx);           /* the write queue has become empty; may be NULL */
    void (*closed)(void *ctx, int error); /* IC_ECLOSED: end of stream; no call follows it */
    void (*connected)(void *ctx);         /* of ic_stream_connect; may be NULL */
    /* The peer sends no more, but may still read what is written. NULL: closed(IC_ECLOSED)
     * instead. */
    void (*ended)(void *ctx);
};

/* HOST is a numeric address. A failure is reported by `closed`. NULL: no memory or descriptor, or
 * HOST is not an address. */
struct ic_stream *ic_stream_connect(struct ic_loop *loop, const char *host, uint16_t port,
                                    const struct ic_stream_handler *handler, void *ctx);
/* The same, and if HOST is loopback, where nothing is congested, the system's congestion control
 * does not pace what is sent; as with accepted streams. */
struct ic_stream *ic_stream_connect_unpaced(struct ic_loop *loop, const char *host, uint16_t port,
                                            const struct ic_stream_handler *handler, void *ctx);
/* For an accepted stream: says who handles it; reading starts. */
void ic_stream_start(struct ic_stream *s, const struct ic_stream_handler *handler, void *ctx);
/* Closes at once, drops what is queued; no handler is called any more. NULL is fine. */
void ic_stream_free(struct ic_stream *s);
/* When S is freed, what the system has taken but not sent is dropped as well: for a peer that does
 * not read, and would keep it. */
void ic_stream_reset_on_free(struct ic_stream *s);
/* Closes once the queue is sent, or after LINGER_MS; reads nothing more. Frees the stream; no
 * handler is called any more. */
void ic_stream_free_after_write(struct ic_stream *s, uint64_t linger_ms);

/*
 * Queues BYTES. OWNER not NULL: BYTES lie inside it and a reference is taken; NULL: they are
 * copied (meant for headers and short replies). IC_ENOMEM: nothing queued; the
 * caller closes the stream, since what follows would be out of step.
 */
int ic_stream_write(struct ic_stream *s, struct ic_slice bytes, struct ic_buf *owner) IC_MUST_USE;
/* Bytes not yet given to the kernel. This and the next two are 0 of NULL, a stream that is no more.
 */
size_t ic_stream_queued(const struct ic_stream *s);
/* Of what was written the bytes that have not come to the peer's system, as far as ours knows:
 * these and those that the kernel has taken, which may be megabytes. Asks the kernel. */
size_t ic_stream_unacknowledged(const struct ic_stream *s);
/* Bytes that have come and were not read yet, 0 of NULL. Asks the kernel. */
size_t ic_stream_unread(const struct ic_stream *s);
extern const size_t ic_stream_bytes; /* the memory of a stream that queues nothing */
/* Memory that what is queued keeps, but for buffers of a pool, which are counted there. */
size_t ic_stream_memory(const struct ic_stream *s);
void ic_stream_resume(struct ic_stream *s); /* `room` will be asked again */
/* "127.0.0.1:6378"; OUT has IC_ADDRESS_MAX bytes. */
enum { IC_ADDRESS_MAX = 64 };
void ic_stream_peer(const struct ic_stream *s, char *out);
void ic_stream_local(const struct ic_stream *s, char *out);
/* Keep-alive probes after IDLE_S seconds of silence. */
void ic_stream_keepalive(struct ic_stream *s, unsigned idle_s);
struct ic_listener;
/* ACCEPTED owns the stream it is given and calls ic_stream_start or ic_stream_free. */
int ic_listener_new(struct ic_loop *loop, const char *host, uint16_t port,
                    void (*accepted)(void *ctx, struct ic_stream *s), void *ctx,
                    struct ic_listener **out) IC_MUST_USE;
void ic_listener_free(struct ic_listener *l);           /* NULL is fine */
uint16_t ic_listener_port(const struct ic_listener *l); /* the real one, if 0 was asked */

#endif
