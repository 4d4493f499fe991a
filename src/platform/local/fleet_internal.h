/*
 * fleet_internal.h - what the fleet's files share: its functions and their instances. Included by
 * fleet*.c only.
 */
#ifndef IC_PLATFORM_LOCAL_FLEET_INTERNAL_H
#define IC_PLATFORM_LOCAL_FLEET_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "base/random.h"
#include "model/reclaim.h"
#include "net/net.h"
#include "platform/local/fleet.h"
#include "platform/local/instance.h"

struct reclaim;

struct function {
    struct ic_map_node node;
    char *name;
    struct ic_list members; /* in the order of their age */
    struct ic_list idle;    /* ready for an Invoke, in the order of their last use */
    uint32_t in_flight;     /* Invokes not finished */
    struct ic_bill bill;
};

struct member {
    struct ic_list node;        /* in function->members */
    struct ic_list idle_node;   /* in function->idle */
    struct ic_list launch_node; /* in fleet->launches */
    struct ic_timer rest;       /* runs after an invocation, before it is among the idle ones */
    struct ic_fleet *fleet;
    struct function *function;
    struct ic_instance *instance;
    struct reclaim *reclaim; /* waits for the end of this one; or NULL */
    uint64_t used;           /* of fleet->uses, at its last use */
    uint64_t started_ms, idle_since_ms;
    bool outdated; /* ends when its invocation is over */
};

struct ic_fleet {
    struct ic_loop *loop;
    struct ic_fleet_options options;
    char *region;
    struct ic_function_log *log;
    struct ic_warden *warden;
    struct ic_map functions;
    struct ic_list launches; /* members without a process yet */
    struct ic_timer launch;
    size_t member_count, members_max;
    uint32_t unreserved_in_flight;
    uint64_t uses;
    struct ic_rng rng;
    struct ic_reclaim_model model;
    uint64_t model_begin_ms;
    struct ic_timer reclaim_timer; /* at the model's next minute */
    struct ic_children *children;
    bool stopping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct ic_reap reap;
};

struct function_list {
    struct function **item; /* NULL: count only */
    size_t count;
};

struct function *ic_fleet_find(const struct ic_fleet *fleet, const char *name); /* or NULL */
/* All functions by name; out->item is to be freed by ic_free. IC_ENOMEM. */
int ic_fleet_sorted(struct ic_fleet *fleet, struct function_list *out) IC_MUST_USE;
bool ic_fleet_may_take(const struct member *m); /* it runs and is not on its way out */
void ic_fleet_end_member(struct member *m, enum ic_end why);

/* ---- fleet_reclaim.c ---- */

/* One of those R waits for is gone. */
void ic_fleet_reclaimed(struct ic_fleet *fleet, struct reclaim *r);
/* Starts the model's clock, if there is a model. */
void ic_fleet_begin_reclaiming(struct ic_fleet *fleet);

#endif
