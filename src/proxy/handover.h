/*
 * handover.h - takes over what dying instances offer: the chunks that are nowhere else, in the
 * order of core/handover.h, each by a job (handover_job.h), as many at a time as half of the window
 * has room for.
 *
 *   offered --> choose --> read, verified --> released (BYE_OK)
 *                              '--> written to other functions, also afterwards --> held
 *
 * What is not read when the instance is gone is left to repair.
 */
#ifndef IC_PROXY_HANDOVER_H
#define IC_PROXY_HANDOVER_H

#include "base/slice.h"

#include <stdint.h>

struct ic_handover;
struct ic_proxy;

/* NULL: out of memory. */
struct ic_handover *ic_handover_new(struct ic_proxy *p);
/* Gives up what is under way, takes nothing any more. */
void ic_handover_stop(struct ic_handover *h);
void ic_handover_free(struct ic_handover *h); /* NULL is fine */

/* The functions' words (struct ic_functions_handler). */
void ic_handover_offered(struct ic_handover *h, uint16_t function, uint32_t serial,
                         struct ic_slice items);
void ic_handover_gone(struct ic_handover *h, uint16_t function, uint32_t serial);

struct ic_handover_stats {
    uint64_t offers; /* of dying instances */
    uint64_t chunks; /* taken over: held by other functions */
    uint64_t bytes;  /* of these */
    uint64_t left;   /* chunks without another copy that were not */
};
struct ic_handover_stats ic_handover_stats(const struct ic_handover *h);
void ic_handover_stats_reset(struct ic_handover *h); /* CONFIG RESETSTAT */

#endif
