/*
 * recording.h - requests in memory, to be simulated again and again, by several threads at a time.
 */
#ifndef IC_SIMULATE_RECORDING_H
#define IC_SIMULATE_RECORDING_H

#include "simulate/request.h"

#include <stddef.h>

enum { IC_RECORDING_MAX = 1 << 25 }; /* requests: 1 GiB */

struct ic_recording { /* zeroed: empty; fields are for reading */
    struct ic_sim_request *request;
    size_t count, cap;
};

void ic_recording_deinit(struct ic_recording *r);
/* IC_ENOMEM; IC_ETOOBIG: it has IC_RECORDING_MAX already. */
int ic_recording_append(struct ic_recording *r, const struct ic_sim_request *request) IC_MUST_USE;

/* From the first request on. R outlives it and does not change meanwhile. NULL: out of memory;
 * released with ic_free. */
struct ic_sim_source *ic_recording_play(const struct ic_recording *r);

#endif
