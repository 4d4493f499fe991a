/*
 * client.h - a client of the proxy: sends operations, several at a time, hands the replies to them,
 * comes back when it is thrown out; some are slow, some leave in the middle.
 */
#ifndef IC_SIM_CLIENT_H
#define IC_SIM_CLIENT_H

#include "base/buf.h"
#include "net/net.h"
#include "sim/operation.h"

struct sim_world;

struct sim_client {
    struct sim_world *world;
    struct ic_loop *loop;
    struct ic_stream *stream; /* NULL: not connected */
    struct ic_list sent;      /* of struct sim_operation: no (whole) reply yet */
    uint32_t sent_count;
    struct ic_buf out; /* made, but not given to the stream yet */
    struct ic_buf in;
    struct ic_timer next, sender, reader;
    uint32_t pauses; /* before the rest of `out` is sent */
    bool connected, leaving;
    bool idle; /* makes no more operations of its own */
};

void sim_client_init(struct sim_client *c, struct sim_world *w, uint32_t index);
/* No more operations of its own, no more slowness. */
void sim_client_rest(struct sim_client *c);
/* One more, now; false: it is not connected. */
bool sim_client_do(struct sim_client *c, enum sim_operation_kind kind, uint32_t key, uint64_t size);
bool sim_client_is_quiet(const struct sim_client *c); /* every operation is answered or given up */
/* The oldest operation without an answer: since when; SIM_NEVER: none. */
uint64_t sim_client_waits_since_us(const struct sim_client *c);

#endif
