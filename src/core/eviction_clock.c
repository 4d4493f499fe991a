/*
 * eviction_clock.c - second chance: the hand goes round; an object used since its last
 * visit is passed over once.
 *
 *     hand --> [ next ... ] --used: clear, to the back--.
 *                   '--not used--> victim               '--> [ ... last ]
 */
#include "core/eviction_policy.h"

struct clock {
    struct ic_eviction_order base;
    struct ic_list ring; /* the hand stands before its first */
};

static struct clock *clock_of(struct ic_eviction_order *e)
{
    return IC_CONTAINER(e, struct clock, base);
}

static void init(struct ic_eviction_order *e)
{
    ic_list_init(&clock_of(e)->ring);
}

static int insert(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    ic_list_push_back(&clock_of(e)->ring, &node->link);
    return 0;
}

static void access_node(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    (void)e;
    node->frequency += node->frequency < UINT32_MAX; /* any hit is a mark */
}

static void take(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    (void)e;
    ic_list_remove(&node->link);
}

static struct ic_eviction_node *victim(struct ic_eviction_order *e)
{
    struct ic_list *ring = &clock_of(e)->ring;
    struct ic_list *link;
    for (; (link = ic_list_pop_front(ring)) != NULL; e->passes--) {
        struct ic_eviction_node *node = ic_eviction_of(link);
        if (node->frequency == 0 || e->passes == 0) {
            return node;
        }
        node->frequency = 0;
        ic_list_push_back(ring, link);
    }
    return NULL;
}

static int give_back(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    ic_list_push_back(&clock_of(e)->ring, &node->link);
    return 0;
}

static struct ic_eviction_node *oldest(struct ic_eviction_order *e)
{
    struct ic_list *link = ic_list_pop_front(&clock_of(e)->ring);
    return link == NULL ? NULL : ic_eviction_of(link);
}

const struct ic_eviction_policy ic_eviction_clock = {
    .size = sizeof(struct clock),
    .init = init,
    .insert = insert,
    .access = access_node,
    .take = take,
    .victim = victim,
    .give_back = give_back,
    .oldest = oldest,
};
