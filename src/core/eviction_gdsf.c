/*
 * eviction_gdsf.c - Greedy Dual Size Frequency (Cherkasova, HPL-98-69R1, 1998) with cost 1:
 * it maximises hits by object. Priority = L + frequency / size; L, the age, is the
 * priority of the last victim, so that what is not used any more sinks relatively.
 *
 *     heap: [ least L + f/s first ] --victim--> L = its priority
 */
#include "core/eviction_policy.h"

#include <assert.h>

struct gdsf {
    struct ic_eviction_order base;
    struct ic_heap heap;
    double age; /* L */
    uint64_t uses;
};

static struct gdsf *gdsf_of(struct ic_eviction_order *e)
{
    return IC_CONTAINER(e, struct gdsf, base);
}

static struct ic_eviction_node *node_of(const struct ic_heap_node *node)
{
    return IC_CONTAINER(node, struct ic_eviction_node, heap);
}

static bool before(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    const struct ic_eviction_node *x = node_of(a), *y = node_of(b);
    return x->priority < y->priority || (x->priority <= y->priority && x->order < y->order);
}

static void init(struct ic_eviction_order *e)
{
    ic_heap_init(&gdsf_of(e)->heap, before);
}

static void deinit(struct ic_eviction_order *e)
{
    ic_heap_deinit(&gdsf_of(e)->heap);
}

static uint64_t more_memory(const struct ic_eviction_order *e)
{
    return IC_CONTAINER(e, const struct gdsf, base)->heap.cap * sizeof(void *);
}

static void use(struct gdsf *g, struct ic_eviction_node *node)
{
    double uses = 1 + (double)node->frequency;
    node->priority = g->age + uses / (double)node->size;
    node->order = ++g->uses;
}

static int insert(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    struct gdsf *g = gdsf_of(e);
    use(g, node);
    return ic_heap_insert(&g->heap, &node->heap);
}

static void access_node(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    struct gdsf *g = gdsf_of(e);
    node->frequency += node->frequency < UINT32_MAX;
    use(g, node);
    ic_heap_moved(&g->heap, &node->heap);
}

static void remove_node(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    ic_heap_remove(&gdsf_of(e)->heap, &node->heap);
}

static struct ic_eviction_node *victim(struct ic_eviction_order *e)
{
    struct gdsf *g = gdsf_of(e);
    struct ic_heap_node *first = ic_heap_first(&g->heap);
    if (first == NULL) {
        return NULL;
    }
    struct ic_eviction_node *node = node_of(first);
    g->age = node->priority;
    ic_heap_remove(&g->heap, first);
    return node;
}

static void give_back(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    int result = ic_heap_insert(&gdsf_of(e)->heap, &node->heap);
    assert(result >= 0); /* it was in there, so the heap has room */
}

const struct ic_eviction_policy ic_eviction_gdsf = {
    .size = sizeof(struct gdsf),
    .init = init,
    .deinit = deinit,
    .more_memory = more_memory,
    .insert = insert,
    .access = access_node,
    .remove = remove_node,
    .victim = victim,
    .give_back = give_back,
    .oldest = victim,
};
