/*
 * handover_job.h - one chunk on its way from a dying instance to another function: read whole into
 * one buffer of the window and verified, then written, sealed and journalled, whether the instance
 * is still there or not.
 *
 *   WAITING --memory--> READING --all read, right--> WRITING --> SEALING --> COMMITTING --> ended
 *      '---------------------'-- gone, wrong, no room --'-- failed --'------------'--------> ended
 *                            ^ `read` is called when it leaves this
 */
#ifndef IC_PROXY_HANDOVER_JOB_H
#define IC_PROXY_HANDOVER_JOB_H

#include "base/error.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ic_handover_job;
struct ic_object;
struct ic_proxy;

struct ic_handover_source { /* where the chunk is */
    uint16_t function;
    uint16_t chunk;
    uint32_t serial;
};

struct ic_handover_job_handler {
    void (*read)(void *ctx); /* it asks nothing of the dying instance (any more); before `ended` */
    /* RESULT 0: the chunk is held by its new function. Frees the job. */
    void (*ended)(void *ctx, struct ic_handover_job *job, int result);
};

/* Bytes of the window that a job for a chunk of O takes; SIZE_MAX: no buffer is that large. */
size_t ic_handover_job_size(const struct ic_object *o);
/*
 * Begins; HANDLER's functions are called once each, not on the stack of this. IC_ETOOBIG: more than
 * the window has; IC_ENOMEM.
 */
int ic_handover_job_new(struct ic_proxy *p, struct ic_object *object,
                        const struct ic_handover_source *from,
                        const struct ic_handover_job_handler *handler, void *ctx,
                        struct ic_handover_job **out) IC_MUST_USE;
struct ic_handover_source ic_handover_job_source(const struct ic_handover_job *job);
/* The dying instance is gone: `read` and `ended` are called unless every byte is there. */
void ic_handover_job_gone(struct ic_handover_job *job);
/* What is not committed is given up; HANDLER is not called any more. */
void ic_handover_job_free(struct ic_handover_job *job);

#endif
