/*
 * eviction_lru.c - least recently used: one list, a hit moves to its front.
 *
 *     insert, hit --> [ newest ... oldest ] --> victim
 */
#include "core/eviction_policy.h"

struct lru {
    struct ic_eviction_order base;
    struct ic_list used; /* newest first */
};

static struct lru *lru_of(struct ic_eviction_order *e)
{
    return IC_CONTAINER(e, struct lru, base);
}

static void init(struct ic_eviction_order *e)
{
    ic_list_init(&lru_of(e)->used);
}

static int insert(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    ic_list_push_front(&lru_of(e)->used, &node->link);
    return 0;
}

static void access_node(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    node->frequency += node->frequency < UINT32_MAX; /* for the policy after this one */
    ic_list_remove(&node->link);
    ic_list_push_front(&lru_of(e)->used, &node->link);
}

static void take(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    (void)e;
    ic_list_remove(&node->link);
}

static struct ic_eviction_node *victim(struct ic_eviction_order *e)
{
    struct ic_list *used = &lru_of(e)->used;
    if (ic_list_empty(used)) {
        return NULL;
    }
    struct ic_eviction_node *node = ic_eviction_of(used->prev);
    ic_list_remove(&node->link);
    return node;
}

static int give_back(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    ic_list_push_front(&lru_of(e)->used, &node->link);
    return 0;
}

const struct ic_eviction_policy ic_eviction_lru = {
    .size = sizeof(struct lru),
    .init = init,
    .insert = insert,
    .access = access_node,
    .take = take,
    .victim = victim,
    .give_back = give_back,
    .oldest = victim,
};
