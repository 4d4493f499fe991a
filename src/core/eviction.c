#include "core/eviction.h"

#include "base/alloc.h"
#include "base/config.h"
#include "core/eviction_policy.h"

#include <assert.h>

static const struct ic_eviction_policy *const policies[] = {
    [IC_EVICTION_GDSF] = &ic_eviction_gdsf,     [IC_EVICTION_SIEVE] = &ic_eviction_sieve,
    [IC_EVICTION_S3FIFO] = &ic_eviction_s3fifo, [IC_EVICTION_LRU] = &ic_eviction_lru,
    [IC_EVICTION_CLOCK] = &ic_eviction_clock,
};

struct ic_eviction *ic_eviction_new(int kind)
{
    assert(kind >= 0 && (size_t)kind < sizeof policies / sizeof policies[0]);
    struct ic_eviction *e = ic_calloc(1, policies[kind]->size);
    if (e != NULL) {
        e->policy = policies[kind];
        e->policy->init(e);
    }
    return e;
}

void ic_eviction_free(struct ic_eviction *e)
{
    if (e != NULL && e->policy->deinit != NULL) {
        e->policy->deinit(e);
    }
    ic_free(e);
}

int ic_eviction_insert(struct ic_eviction *e, struct ic_eviction_node *node, uint64_t size,
                       uint64_t name)
{
    assert(!node->inside);
    *node = (struct ic_eviction_node){.size = size > 0 ? size : 1, .name = name};
    ic_list_init(&node->link);
    int result = e->policy->insert(e, node);
    node->inside = result >= 0;
    return result;
}

void ic_eviction_access(struct ic_eviction *e, struct ic_eviction_node *node)
{
    if (node->inside) {
        e->policy->access(e, node);
    }
}

void ic_eviction_remove(struct ic_eviction *e, struct ic_eviction_node *node)
{
    if (node->inside) {
        e->policy->remove(e, node);
        node->inside = false;
    }
}

struct ic_eviction_node *ic_eviction_victim(struct ic_eviction *e)
{
    struct ic_eviction_node *node = e->policy->victim(e);
    if (node != NULL) {
        node->inside = false;
    }
    return node;
}

void ic_eviction_return(struct ic_eviction *e, struct ic_eviction_node *node)
{
    assert(!node->inside);
    e->policy->give_back(e, node);
    node->inside = true;
}

uint64_t ic_eviction_memory(const struct ic_eviction *e)
{
    return e->policy->size + (e->policy->more_memory == NULL ? 0 : e->policy->more_memory(e));
}
