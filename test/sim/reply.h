/*
 * reply.h - a reply of the Redis protocol (RESP2), read when it is complete.
 */
#ifndef IC_SIM_REPLY_H
#define IC_SIM_REPLY_H

#include "base/slice.h"

enum { SIM_REPLY_NODES_MAX = 64 };

struct sim_reply {
    char type;            /* + - : $ * */
    bool null;            /* $-1 or *-1 */
    int64_t number;       /* of ':' */
    struct ic_slice text; /* of + - $ ; inside what was read */
    uint32_t count;       /* of '*': elements, which follow in the array, depth first */
};

/* The length of the first reply in BYTES, its nodes in OUT; 0: not complete; < 0: no reply at all.
 */
int64_t sim_reply_read(struct ic_slice bytes, struct sim_reply out[SIM_REPLY_NODES_MAX]);

#endif
