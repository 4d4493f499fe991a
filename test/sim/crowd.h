/*
 * crowd.h - clients that hold the window's memory and go on as slowly as they may: they announce a
 * value and dribble, or ask for one and hardly read it; some stall, some leave in the middle.
 *
 *   AWAY --come--> STORING: a value of its own, the whole ---answered---> AWAY
 *        --come--> UNENDED: the same but for the end of its request -------------.
 *        --come--> UPLOADING: a part of one at once, then a little now and then --+
 *        --come--> READING: asks for its value, then reads a little now and then --+-> AWAY
 *                                          cut, or it has had enough -------------'
 *
 * Nobody looks at what they are answered; others look whether they are served beside them.
 */
#ifndef IC_SIM_CROWD_H
#define IC_SIM_CROWD_H

#include "net/net.h"

#include <stdbool.h>

enum {
    SIM_CROWD_MAX = 16,
    SIM_CROWD_READ_BYTES = 16 << 10, /* at once, at most */
};

enum sim_loiter { SIM_AWAY, SIM_STORING, SIM_UNENDED, SIM_UPLOADING, SIM_READING };

struct sim_world;

struct sim_loiterer {
    struct sim_world *world;
    struct ic_loop *loop;
    struct ic_stream *stream; /* NULL: away */
    struct ic_timer step;
    uint32_t index;
    enum sim_loiter what;
    uint64_t left; /* UPLOADING: bytes of the value not sent yet */
    uint64_t pace; /* bytes a step; 0: it stalls */
    bool stays;    /* until it is cut */
    bool reads;    /* the next bytes, whatever they are */
    bool begun;    /* it has read some */
    uint8_t bytes[SIM_CROWD_READ_BYTES];
};

struct sim_crowd {
    struct sim_loiterer member[SIM_CROWD_MAX];
    uint64_t value_bytes; /* of each value */
};

/* All of them are away. */
void sim_crowd_init(struct sim_crowd *c, struct sim_world *w);
/* One that is away does WHAT, at a pace of its own, and leaves when it likes. */
void sim_crowd_one(struct sim_crowd *c);
/* Of those that are away MOST do WHAT at PACE bytes a step, until they are cut (or have stored). */
void sim_crowd_some(struct sim_crowd *c, uint32_t most, enum sim_loiter what, uint64_t pace);
/* All leave at once. */
void sim_crowd_leave(struct sim_crowd *c);
/* How many are not away. */
uint32_t sim_crowd_count(const struct sim_crowd *c);

#endif
