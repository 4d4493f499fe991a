/*
 * net_sim_internal.h - what the simulated backend's files share:
 *
 *   net_sim.c       the world, processes, turns, timers    net_sim_stream.c  streams, listeners
 *   net_sim_link.c  connections: bytes on their way
 */
#ifndef IC_NET_NET_SIM_INTERNAL_H
#define IC_NET_NET_SIM_INTERNAL_H

#include "net/net_sim.h"
#include "net/stream.h"
#include "net/timers.h"

#include <setjmp.h>

struct ic_sim {
    struct ic_virtual_time time;
    struct ic_sim_hooks hooks;
    struct ic_list loops, links;
    struct ic_loop *running;
    jmp_buf crash;
    uint16_t next_port; /* of listeners that do not care, and of dialling ends */
    bool implicit;      /* made by ic_loop_new, gone with the last loop */
};

struct ic_loop {
    struct ic_list node;
    struct ic_sim *sim;
    void *owner;
    char name[32];
    struct ic_event next; /* turn */
    struct ic_timers timers;
    struct ic_turn turn;
    uint64_t turns; /* ever */
    struct ic_loop_figures figures;
    struct ic_list posts;
    struct ic_list signalled; /* streams to look at */
    struct ic_list listeners;
    uint64_t pace_us, free_us;
    uint64_t crash_in;
    bool frozen, dead, stopped;
};

struct ic_sim_stream {
    struct ic_stream stream;
    struct ic_sim_link *link; /* NULL: its process was killed */
    int side;
    struct ic_list signal_node;
};

struct ic_listener {
    struct ic_list node; /* in its loop */
    struct ic_loop *loop;
    uint16_t port;
    void (*accepted)(void *ctx, struct ic_stream *s);
    void *ctx;
    struct ic_list backlog; /* of struct ic_sim_link */
};

struct ic_sim_pipe { /* bytes on their way to one end */
    uint8_t *ring;
    size_t capacity, head, len; /* a power of two; len: in it */
    size_t arrived;             /* of these, readable */
    size_t vanished;            /* taken from the writer, for nobody */
    uint64_t last_us;           /* when the newest of them arrives */
    bool ended;                 /* no more comes: an end of stream has arrived */
    bool writer_waits;
};

struct ic_sim_link {
    struct ic_list node;    /* in the world */
    struct ic_list backlog; /* in the listener, until it is accepted */
    struct ic_sim *sim;
    struct ic_sim_quality quality;
    uint16_t port, client_port;
    uint32_t travelling; /* segments */
    bool silent;
    bool cut_short;
    struct ic_sim_side {
        struct ic_loop *loop;         /* NULL: not accepted, or its process is gone */
        struct ic_sim_stream *stream; /* NULL: not accepted */
        struct ic_sim_pipe in;
        bool established, closed;
        int error; /* < 0: broken, as this end knows */
    } side[2];     /* 0 has dialled */
};

/* ---- net_sim.c ------------------------------------------------------------------ */

void ic_sim_wake(struct ic_loop *loop, uint64_t delay_us);
void ic_sim_signal(struct ic_sim_stream *s); /* something about it may have changed */

/* ---- net_sim_stream.c ----------------------------------------------------------- */

void ic_sim_poll(struct ic_sim_stream *s);
void ic_sim_accept(struct ic_listener *l);
struct ic_listener *ic_sim_find_listener(struct ic_sim *sim, uint16_t port);

/* ---- net_sim_link.c ------------------------------------------------------------- */

struct ic_sim_link *ic_sim_dial(struct ic_sim_stream *s, uint16_t port);
bool ic_sim_readable(const struct ic_sim_link *link, int side);
/* Bytes, or IC_EBUSY: none yet, or 0 at the end, or the error. */
int64_t ic_sim_read(struct ic_sim_link *link, int side, const struct iovec *iov, size_t count);
/* Bytes taken, maybe 0, or the error. */
int64_t ic_sim_write(struct ic_sim_link *link, int side, const struct iovec *iov, size_t count);
/* Of the bytes taken those that have not arrived. */
size_t ic_sim_unacknowledged(const struct ic_sim_link *link, int side);
/* Of those that have arrived the bytes that have not been read. */
size_t ic_sim_unread(const struct ic_sim_link *link, int side);
bool ic_sim_writable(const struct ic_sim_link *link, int side);
void ic_sim_end_writing(struct ic_sim_link *link, int side);
void ic_sim_close(struct ic_sim_link *link, int side);
/* The end is gone without a word. */
void ic_sim_abandon(struct ic_sim_link *link, int side);

#endif
