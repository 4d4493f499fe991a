/*
 * local_api.h - the local platform's list of instances, as `up` and `status` need it.
 */
#ifndef IC_CLI_LOCAL_API_H
#define IC_CLI_LOCAL_API_H

#include "base/config.h"
#include "base/error.h"

/* What the instances of one pool come to. */
struct ic_pool_view {
    int64_t functions;     /* of the pool, as configured */
    int64_t with_instance; /* functions that have at least one */
    int64_t instances, busy;
    uint64_t resident_bytes;
    bool *has_instance; /* by function index */
};

/* Asks the platform of C. IC_EUNAVAIL: no answer; IC_EPROTO: not ours; IC_ENOMEM. On 0 to be
 * deinitialised. */
int ic_pool_view_init(struct ic_pool_view *v, const struct ic_config *c) IC_MUST_USE;
void ic_pool_view_deinit(struct ic_pool_view *v);

#endif
