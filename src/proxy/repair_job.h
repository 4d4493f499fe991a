/*
 * repair_job.h - one object's lost chunks on their way back: a reader gives them rebuilt, a few
 * stripes at a time; each goes to its new function, and the next stripes are wanted when these are
 * written and the rate allows.
 *
 *   reader (any d chunks) --segments of the lost chunks--> WRITE ... SEAL --> journal --> HELD
 *                                     ^                      |
 *                                     '-- all written, rate -'
 *
 *   READING --last stripes written--> SEALING --sealed--> COMMITTING --journalled--> ended
 *      '-------------- the object died, no chunk is left, the read failed ------------'
 *
 * The object is pinned meanwhile. Whatever is not committed in the end is condemned.
 */
#ifndef IC_PROXY_REPAIR_JOB_H
#define IC_PROXY_REPAIR_JOB_H

#include "base/error.h"
#include "core/token_bucket.h"

#include <stdbool.h>

enum {
    IC_REPAIR_YIELD_MAX_MS = 1000, /* for so long what wants window memory goes before a repair that
                                      is to begin, or to go on */
};

struct ic_object;
struct ic_proxy;
struct ic_repair_job;

struct ic_repair_outcome {
    uint64_t object_id;
    int result;      /* 0: every chunk begun is held. IC_ENOENT: the object died. Else the first
                        error; some chunks may be held all the same */
    uint32_t chunks; /* that are held now */
    uint64_t bytes;  /* of these */
};

/*
 * Begins (ic_store_repair_begin, whose errors it returns; IC_ENOMEM), taking what it moves from
 * BUCKET at the rate `repair-rate`. ENDED is called once, never on the stack of this, and frees it.
 */
int ic_repair_job_new(struct ic_proxy *p, struct ic_object *object, struct ic_token_bucket *bucket,
                      void (*ended)(void *ctx, struct ic_repair_job *job,
                                    const struct ic_repair_outcome *outcome),
                      void *ctx, struct ic_repair_job **out) IC_MUST_USE;
uint64_t ic_repair_job_object(const struct ic_repair_job *job); /* its id */
/* Gives up what is not committed; ENDED is not called any more. */
void ic_repair_job_free(struct ic_repair_job *job);

#endif
