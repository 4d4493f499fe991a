/*
 * eviction.h - which object goes first when memory runs out. One small interface,
 * five policies, one file each (eviction_gdsf.c, ...). Pure: a policy sees inserts,
 * hits and removals, and names a victim.
 *
 *     insert, access --> [ policy's order ] --victim--> evicted
 *                          ^    |       '------remove--> overwritten, deleted, expired
 *                       access  pinned victim, or pinned beyond the bound
 *                          |    v
 *                         [ aside ] --released--> [ due ] --the next victim--> evicted
 *
 * So a victim that is pinned is looked at once, and not again before it is used or released. What
 * is due is in the order again when it is used, too. As looks cost time, only so many of those that
 * are pinned are within reach of victims: whatever is pinned beyond that is set aside at once, and
 * a use of it waits for its release. As it was no victim, it is then in the order again, not due.
 *
 *   gdsf    Greedy Dual Size Frequency (Cherkasova 1998): least L + frequency / size first, but
 *           first what nobody has asked for during a time that is learnt
 *   sieve   one queue, a hand, lazy promotion (Zhang et al., NSDI 2024)
 *   s3fifo  small and main queue and a ghost of names (Yang et al., SOSP 2023)
 *   lru     least recently used
 *   clock   second chance, as in the InfiniCache paper
 */
#ifndef IC_CORE_EVICTION_H
#define IC_CORE_EVICTION_H

#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"

#include <stdint.h>

enum ic_eviction_away {
    IC_EVICTION_THERE,      /* in the policy's order */
    IC_EVICTION_DUE,        /* to be the next victim */
    IC_EVICTION_ASIDE,      /* pinned beyond the bound: into the order at its release, */
    IC_EVICTION_ASIDE_USED, /* as what is used then, */
    IC_EVICTION_ASIDE_DUE,  /* or due, as it was a victim */
};

/* Embedded in what may be evicted. Private to the policies but for SIZE and NAME. */
struct ic_eviction_node {
    struct ic_list link;
    uint64_t size;            /* bytes that eviction would free */
    uint64_t name;            /* hash of its key: s3fifo remembers names of the evicted */
    double priority;          /* gdsf */
    uint64_t used;            /* gdsf: its clock at the last use */
    struct ic_heap_node heap; /* gdsf */
    uint32_t frequency;       /* hits, saturating */
    uint8_t queue;            /* s3fifo: which one */
    uint8_t inside;           /* which policy has it, 0: none */
    uint8_t away;             /* enum ic_eviction_away */
    uint8_t pinned;
};

struct ic_eviction;

/* KIND: IC_EVICTION_... of base/config.h. REACH_MAX: pinned nodes that one victim may cost a look
 * at. NULL: out of memory. */
struct ic_eviction *ic_eviction_new(int kind, uint32_t reach_max);
void ic_eviction_free(struct ic_eviction *e); /* the nodes stay their owner's; NULL is fine */

/* NODE, not pinned, is zeroed or was removed. IC_ENOMEM: not inserted. */
int ic_eviction_insert(struct ic_eviction *e, struct ic_eviction_node *node, uint64_t size,
                       uint64_t name) IC_MUST_USE;
/* A hit. What is set aside or due is in the policy's order again, if there is memory for it and, of
 * what is pinned, the bound allows it; else what is set aside is once it is released. */
void ic_eviction_access(struct ic_eviction *e, struct ic_eviction_node *node);
/* A read of NAME found nothing: if it was evicted, that may have been too early. */
void ic_eviction_missed(struct ic_eviction *e, uint64_t name);
void ic_eviction_remove(struct ic_eviction *e, struct ic_eviction_node *node); /* if inside */
/* Takes the next victim out, which is not pinned; NULL: there is none. The owner evicts it, or
 * returns it before it asks for another. */
struct ic_eviction_node *ic_eviction_victim(struct ic_eviction *e);
/* The victim NODE could not be evicted: it is the next one again. */
void ic_eviction_return(struct ic_eviction *e, struct ic_eviction_node *node);

/* NODE, which is inside and not pinned, is from now on; */
void ic_eviction_pin(struct ic_eviction *e, struct ic_eviction_node *node);
/* and is no more. If it was a victim meanwhile and not used since, it is due, behind those that are
 * already.
 */
void ic_eviction_release(struct ic_eviction *e, struct ic_eviction_node *node);
uint32_t ic_eviction_in_reach(const struct ic_eviction *e);  /* pinned nodes not set aside */
uint64_t ic_eviction_set_aside(const struct ic_eviction *e); /* looks at pinned victims, ever */

uint64_t ic_eviction_memory(const struct ic_eviction *e); /* bytes beyond the nodes */

/*
 * Another policy from now on. The nodes are carried over by ic_eviction_change_some, those of
 * longest ago first, with their hits; until they are, victims are what has been carried over.
 * IC_EBUSY: the last change is not at its end; IC_ENOMEM. Either way nothing changes.
 */
int ic_eviction_change(struct ic_eviction *e, int kind) IC_MUST_USE;
/* Carries over MOST nodes. 1: there are more; 0: there is nothing to do; IC_ENOMEM: not all of them
 * were, try again. */
int ic_eviction_change_some(struct ic_eviction *e, uint32_t most) IC_MUST_USE;
int ic_eviction_kind(const struct ic_eviction *e); /* the policy, or what it is changed to */

#endif
