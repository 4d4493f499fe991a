/*
 * net_sim.h - the simulated backend of net.h: any number of processes in one, each with a loop of
 * its own, on one virtual clock and one virtual network, decided by one seed. The simulation
 * (test/sim) links it in the place of net_uv.o; what runs on it does not know.
 *
 *   process (ic_loop)  <--- link: two streams, two pipes ---> process (ic_loop)
 *        one turn: timers -> posts -> streams -> dirty streams flushed -> reap, as net_uv.c does it
 *
 * Time stands still during a turn. Between two turns of a loop its pace passes. There is one world
 * at a time: net.h's ic_loop_new has no argument that could name it.
 */
#ifndef IC_NET_NET_SIM_H
#define IC_NET_NET_SIM_H

#include "net/net.h"
#include "net/virtual_time.h"

struct ic_sim;
struct ic_sim_link; /* one connection */

/* What a new connection is like. */
struct ic_sim_quality {
    uint64_t delay_min_us, delay_max_us; /* of each piece of bytes; they stay in order */
    uint64_t bytes_per_ms;
    size_t buffer_bytes; /* what a writer may be ahead of its reader */
    bool lost;           /* it is never established, and nobody is told */
    bool refused;
};

/* A byte that goes out wrong. */
struct ic_sim_spoiled {
    size_t at;
    uint8_t mask; /* 0: nothing is wrong */
    bool lasting; /* in the sender's memory, not only on the way */
};

/* What the world's owner decides and is told; any may be NULL. */
struct ic_sim_hooks {
    void *ctx;
    /* FROM dials PORT; TO is NULL if nobody listens. Q holds the defaults. */
    void (*dial)(void *ctx, struct ic_loop *from, struct ic_loop *to, uint16_t port,
                 struct ic_sim_quality *q);
    void (*turn)(void *ctx, struct ic_loop *loop, bool begins);
    /* ic_loop_stop was called in that turn, which has ended. */
    void (*stopped)(void *ctx, struct ic_loop *loop);
    /* The turn was left in the middle, see ic_sim_crash_in. */
    void (*crashed)(void *ctx, struct ic_loop *loop);
    /* LEN bytes that LOOP does not copy go out as they lie in its memory: is one of them wrong? */
    struct ic_sim_spoiled (*sending)(void *ctx, struct ic_loop *loop, size_t len);
};

struct ic_sim *ic_sim_new(uint64_t seed); /* the current world from now on */
void ic_sim_set_hooks(struct ic_sim *sim, const struct ic_sim_hooks *hooks);
void ic_sim_free(struct ic_sim *sim); /* its loops are gone */
struct ic_sim *ic_sim_current(void);  /* NULL: there is none */
struct ic_virtual_time *ic_sim_time(struct ic_sim *sim);
bool ic_sim_step(struct ic_sim *sim); /* one event; false: none is left */

/* ---- processes ---------------------------------------------------------------- */

void ic_sim_set_owner(struct ic_loop *loop, void *owner, const char *name);
void *ic_sim_owner(const struct ic_loop *loop);
const char *ic_sim_name(const struct ic_loop *loop);
struct ic_loop *ic_sim_running(const struct ic_sim *sim); /* whose turn it is, or NULL */
/* At least so long from the beginning of a turn to the next: a slow machine. */
void ic_sim_set_pace(struct ic_loop *loop, uint64_t pace_us);

/* A frozen process has no turns; its sockets take bytes until they are full. Time goes on. */
void ic_sim_freeze(struct ic_loop *loop);
void ic_sim_thaw(struct ic_loop *loop);
bool ic_sim_is_frozen(const struct ic_loop *loop);

enum ic_sim_end {
    IC_SIM_CLOSED, /* a process dies: its sockets are closed */
    IC_SIM_SILENT, /* a machine is gone: nothing is said any more */
};
/* No turn any more. What the process owns may be freed, or left as it is. */
void ic_sim_kill(struct ic_loop *loop, enum ic_sim_end how);

/*
 * The COUNT-th effect from now on of LOOP on the world outside of it (1: the next) does not happen:
 * the turn is left in the middle, on the spot, and `crashed` is called. 0: none.
 */
void ic_sim_crash_in(struct ic_loop *loop, uint64_t count);
/* Whoever stands for something outside (a disk, a platform) calls it before each effect; it may not
 * return. Fine outside of turns. */
void ic_sim_act(void);

struct ic_sim_post { /* embedded */
    struct ic_list node;
    void (*run)(void *ctx);
    void *ctx;
};
/* RUN(ctx) is called in a turn of LOOP. */
void ic_sim_post(struct ic_loop *loop, struct ic_sim_post *post, void (*run)(void *ctx), void *ctx);

/* ---- links -------------------------------------------------------------------- */

/* A link, drawn at random, that is established, with an end on LOOP (NULL: on any) and its server's
 * end at PORT (0: any); NULL: none. */
struct ic_sim_link *ic_sim_pick_link(struct ic_sim *sim, const struct ic_loop *loop, uint16_t port);

enum ic_sim_break {
    IC_SIM_RESET,     /* both ends hear of it; what is on its way is lost */
    IC_SIM_RESET_ONE, /* the dialling end alone does; the other writes into nothing */
    IC_SIM_HALF_OPEN, /* the accepting end alone does */
    IC_SIM_MUTE,      /* nobody does: what is written vanishes, without an error */
    IC_SIM_CUT_SHORT, /* the next bytes arrive in part, then it is reset */
};
void ic_sim_break_link(struct ic_sim_link *link, enum ic_sim_break how);
/* As IC_SIM_MUTE, for every link of LOOP to PORT. Returns how many there were. */
size_t ic_sim_mute_links(struct ic_loop *loop, uint16_t port);
/* The stream sends no more, and reads on. */
void ic_sim_shutdown(struct ic_stream *s);

#endif
