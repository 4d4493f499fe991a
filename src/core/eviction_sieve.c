/*
 * eviction_sieve.c - SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024): objects
 * stay in the order they came; the hand moves from the oldest to the newest, clears the
 * marks of those used and takes the first that was not.
 *
 *     insert --> [ newest ... used, used <-hand-- ... oldest ]
 */
#include "core/eviction_policy.h"

struct sieve {
    struct ic_eviction_order base;
    struct ic_list queue; /* newest first */
    struct ic_list *hand; /* looked at next; the queue's head itself: start at the oldest */
};

static struct sieve *sieve_of(struct ic_eviction_order *e)
{
    return IC_CONTAINER(e, struct sieve, base);
}

static void init(struct ic_eviction_order *e)
{
    struct sieve *sieve = sieve_of(e);
    ic_list_init(&sieve->queue);
    sieve->hand = &sieve->queue;
}

static int insert(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    ic_list_push_front(&sieve_of(e)->queue, &node->link);
    return 0;
}

static void access_node(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    (void)e;
    node->frequency += node->frequency < UINT32_MAX; /* any hit is a mark */
}

static void take(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    struct sieve *sieve = sieve_of(e);
    if (sieve->hand == &node->link) {
        sieve->hand = node->link.prev;
    }
    ic_list_remove(&node->link);
}

static struct ic_eviction_node *victim(struct ic_eviction_order *e)
{
    struct sieve *sieve = sieve_of(e);
    if (ic_list_empty(&sieve->queue)) {
        return NULL;
    }
    for (;; e->passes--) {
        if (sieve->hand == &sieve->queue) {
            sieve->hand = sieve->queue.prev;
        }
        struct ic_eviction_node *node = ic_eviction_of(sieve->hand);
        if (node->frequency == 0 || e->passes == 0) {
            take(e, node);
            return node;
        }
        node->frequency = 0;
        sieve->hand = sieve->hand->prev;
    }
}

/* To where the hand stands, passed over. */
static int give_back(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    ic_list_insert_after(sieve_of(e)->hand, &node->link);
    return 0;
}

static struct ic_eviction_node *oldest(struct ic_eviction_order *e)
{
    struct sieve *sieve = sieve_of(e);
    if (ic_list_empty(&sieve->queue)) {
        return NULL;
    }
    struct ic_eviction_node *node = ic_eviction_of(sieve->queue.prev);
    take(e, node);
    return node;
}

const struct ic_eviction_policy ic_eviction_sieve = {
    .size = sizeof(struct sieve),
    .init = init,
    .insert = insert,
    .access = access_node,
    .take = take,
    .victim = victim,
    .give_back = give_back,
    .oldest = oldest,
};
