/*
 * request.h - what a simulation is fed: requests in the order of their time, and where they come
 * from.
 *
 *   trace, synthetic workload --next--> struct ic_sim_request --> the proxy that owns the key
 */
#ifndef IC_SIMULATE_REQUEST_H
#define IC_SIMULATE_REQUEST_H

#include "base/error.h"

#include <stdint.h>

enum ic_sim_op { IC_SIM_GET, IC_SIM_PUT, IC_SIM_DELETE, IC_SIM_HEAD };

struct ic_sim_request {
    int64_t at_us;  /* since the first one; one before its forerunner counts as at the same time */
    uint64_t key;   /* names the key: any number, the same one for the same key */
    uint64_t bytes; /* of the object; ignored by DELETE and HEAD */
    uint8_t op;     /* enum ic_sim_op */
};

/* Embedded in whatever gives requests. */
struct ic_sim_source {
    /* 1: *OUT is the next one; 0: there are no more; < 0: an error, which ends the simulation. */
    int (*next)(struct ic_sim_source *source, struct ic_sim_request *out);
};

#endif
