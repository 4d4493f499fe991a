/*
 * eviction_policy.h - what a policy's file gives to eviction.c, which keeps the bookkeeping that
 * all share (`inside`, name, size), changes policies, and calls the policy for its order.
 */
#ifndef IC_CORE_EVICTION_POLICY_H
#define IC_CORE_EVICTION_POLICY_H

#include "core/eviction.h"

/* The first of each policy's own struct. The lists are eviction.c's: what is in one of them was a
 * victim or taken, so the policy knows nothing of it until it is given back. */
struct ic_eviction_order {
    const struct ic_eviction_policy *policy;
    struct ic_list aside; /* pinned */
    struct ic_list due;   /* they go first, the first first */
    uint32_t passes;      /* that are left to the search for a victim */
};

/*
 * Objects that the search for a victim passes over because they were used, at most, however many
 * pinned ones come between: then the next one goes, used or not. Where so many were used nearly all
 * were, and who comes first says little. Some 0.4 us each, out of the processor's caches: with a
 * million objects a whole round would take 400 ms.
 */
enum { IC_EVICTION_PASSED_MAX = 2000 };

/* NODE's frequency is its hits, as far as the policy has not forgotten them; 0 when inserted. */
struct ic_eviction_policy {
    size_t size; /* of its own struct, which is zeroed */
    void (*init)(struct ic_eviction_order *e);
    void (*deinit)(struct ic_eviction_order *e);                /* NULL: nothing to do */
    uint64_t (*more_memory)(const struct ic_eviction_order *e); /* beside SIZE; NULL: none */
    int (*insert)(struct ic_eviction_order *e, struct ic_eviction_node *node);
    void (*access)(struct ic_eviction_order *e, struct ic_eviction_node *node);
    void (*take)(struct ic_eviction_order *e, struct ic_eviction_node *node); /* out */
    struct ic_eviction_node *(*victim)(struct ic_eviction_order *e); /* taken out; NULL: empty */
    /* What was a victim or taken is in the order again; after a use `access` follows. IC_ENOMEM: it
     * is not inside. */
    int (*give_back)(struct ic_eviction_order *e, struct ic_eviction_node *node);
    /* What was a victim or taken was removed by its owner. NULL: that is as its eviction. */
    void (*taken_away)(struct ic_eviction_order *e, const struct ic_eviction_node *node);
    /* Of those inside one that came, or was used, longest ago, at the cost of a removal; NULL:
     * empty. */
    struct ic_eviction_node *(*oldest)(struct ic_eviction_order *e);
    void (*missed)(struct ic_eviction_order *e, uint64_t name); /* NULL: it does not care */
};

extern const struct ic_eviction_policy ic_eviction_gdsf, ic_eviction_sieve, ic_eviction_s3fifo,
    ic_eviction_lru, ic_eviction_clock;

static inline struct ic_eviction_node *ic_eviction_of(struct ic_list *link)
{
    return IC_CONTAINER(link, struct ic_eviction_node, link);
}

#endif
