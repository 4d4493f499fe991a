/*
 * stream.h - what a stream is whatever carries its bytes: its states, its queue of writes, how much
 * it reads a turn, and what its handler is told. A backend embeds a struct ic_stream in its own
 * and defines the ic_transport_* functions: net_uv.c for sockets, net_sim_stream.c for links in
 * virtual time.
 *
 *     connecting --> open --> closed  (told once)     freed from anywhere; released
 *                     '--> draining ----------------> when the turn ends
 */
#ifndef IC_NET_STREAM_H
#define IC_NET_STREAM_H

#include "net/net.h"
#include "net/stream_queue.h"

enum { IC_ACCEPT_MAX = 64 }; /* connections per listener and turn */

/* What waits for the end of a loop's turn. */
struct ic_turn {
    struct ic_list dirty;    /* streams with queued writes not tried yet */
    struct ic_list draining; /* streams that are freed when theirs are sent */
    struct ic_list reaps;
};

struct ic_stream {
    struct ic_loop *loop;
    const struct ic_stream_handler *handler; /* NULL: nobody is told anything any more */
    void *ctx;
    struct ic_stream_queue queue;
    struct ic_list dirty_node, draining_node;
    struct ic_timer linger;
    struct ic_reap reap;
    bool connecting, paused, freed, draining, closed;
    bool ended; /* no more comes: paused for good */
};

void ic_turn_init(struct ic_turn *turn);
/* A reap may queue writes and a flush may fail and reap: until both are done. */
void ic_turn_end(struct ic_turn *turn);
/* The same when there will be no other: streams that are draining are freed. */
void ic_turn_settle(struct ic_turn *turn);

void ic_stream_init(struct ic_stream *s, struct ic_loop *loop);
/* Begins to connect: HANDLER is told the outcome. */
void ic_stream_begin(struct ic_stream *s, const struct ic_stream_handler *handler, void *ctx);
/* The outcome: 0 or an IC_E*. */
void ic_stream_connected(struct ic_stream *s, int error);
/* Reads until nothing waits, the handler has no room, or the turn's share is used up. */
void ic_stream_read(struct ic_stream *s);
/* Sends what is queued, until nothing more is taken. */
void ic_stream_flush(struct ic_stream *s);
/* Ends the connection from below: the handler hears of it, once, and frees the stream. */
void ic_stream_fail(struct ic_stream *s, int error);
bool ic_stream_wants_read(const struct ic_stream *s);
bool ic_stream_wants_write(const struct ic_stream *s); /* or to know that it is connected */

/* ---- of the backend --------------------------------------------------------------- */

/* Something is to wait in it: a loop outside of a turn has one soon. */
struct ic_turn *ic_loop_turn(struct ic_loop *loop);

/* Bytes taken, 0 if none can be now, or an error. */
int64_t ic_transport_send(struct ic_stream *s, const struct iovec *iov, size_t count);
/* Bytes, 0 at their end, IC_EBUSY if none are there yet, or an error. */
int64_t ic_transport_receive(struct ic_stream *s, const struct iovec *iov, size_t count);
/* Of the bytes taken those that have not come to the peer's system. */
size_t ic_transport_unacknowledged(const struct ic_stream *s);
/* Bytes that are there to be received. */
size_t ic_transport_unread(const struct ic_stream *s);
/* What it wants may have changed. */
void ic_transport_watch(struct ic_stream *s);
/* It wants nothing any more: closed or freed. */
void ic_transport_stop(struct ic_stream *s);
/* Closes and frees it. */
void ic_transport_release(struct ic_stream *s);

#endif
