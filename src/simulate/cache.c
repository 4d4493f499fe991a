#include "simulate/cache.h"

#include "base/alloc.h"
#include "base/map.h"
#include "core/eviction.h"

#include <string.h>

struct item {
    struct ic_map_node node;
    struct ic_eviction_node policy;
    uint64_t key;
};

struct ic_sim_cache {
    struct ic_map items;
    struct ic_eviction *eviction;
    uint64_t most, bytes;
};

static bool matches(const struct ic_map_node *node, struct ic_slice key)
{
    return memcmp(&IC_CONTAINER(node, struct item, node)->key, key.data, key.len) == 0;
}

struct ic_sim_cache *ic_sim_cache_new(int eviction, uint64_t most)
{
    struct ic_sim_cache *c = ic_calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    ic_map_init(&c->items, 0, matches);
    c->most = most;
    c->eviction = ic_eviction_new(eviction);
    if (c->eviction == NULL) {
        ic_free(c);
        return NULL;
    }
    return c;
}

static void free_item(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    ic_free(IC_CONTAINER(node, struct item, node));
}

void ic_sim_cache_free(struct ic_sim_cache *c)
{
    if (c != NULL) {
        ic_map_each(&c->items, free_item, NULL);
        ic_map_deinit(&c->items);
        ic_eviction_free(c->eviction);
        ic_free(c);
    }
}

static void drop(struct ic_sim_cache *c, struct item *item)
{
    c->bytes -= item->policy.size;
    ic_eviction_remove(c->eviction, &item->policy);
    ic_map_remove(&c->items, &item->node);
    ic_free(item);
}

/* Whatever must go for BYTES more goes. */
static void make_room(struct ic_sim_cache *c, uint64_t bytes)
{
    struct ic_eviction_node *victim;
    while (c->most > 0 && c->bytes + bytes > c->most &&
           (victim = ic_eviction_victim(c->eviction)) != NULL) {
        struct item *item = IC_CONTAINER(victim, struct item, policy);
        drop(c, item);
    }
}

static int store(struct ic_sim_cache *c, const struct ic_sim_request *r)
{
    if (c->most > 0 && r->bytes > c->most) {
        return 0;
    }
    make_room(c, r->bytes);
    struct item *item = ic_calloc(1, sizeof *item);
    if (item == NULL) {
        return IC_ENOMEM;
    }
    item->key = r->key;
    if (ic_map_insert(&c->items, &item->node, ic_slice(&item->key, sizeof item->key)) < 0) {
        ic_free(item);
        return IC_ENOMEM;
    }
    if (ic_eviction_insert(c->eviction, &item->policy, r->bytes, item->node.hash) < 0) {
        ic_map_remove(&c->items, &item->node);
        ic_free(item);
        return IC_ENOMEM;
    }
    c->bytes += r->bytes;
    return 0;
}

int ic_sim_cache_request(struct ic_sim_cache *c, const struct ic_sim_request *r)
{
    struct ic_map_node *node = ic_map_find(&c->items, ic_slice(&r->key, sizeof r->key));
    struct item *item = node == NULL ? NULL : IC_CONTAINER(node, struct item, node);
    switch ((enum ic_sim_op)r->op) {
    case IC_SIM_GET:
        if (item != NULL) {
            ic_eviction_access(c->eviction, &item->policy);
            return 1;
        }
        return store(c, r);
    case IC_SIM_PUT:
        if (item != NULL) {
            drop(c, item);
        }
        return store(c, r);
    case IC_SIM_DELETE:
        if (item != NULL) {
            drop(c, item);
        }
        return 0;
    case IC_SIM_HEAD:
        return item != NULL;
    }
    return 0;
}

uint64_t ic_sim_cache_bytes(const struct ic_sim_cache *c)
{
    return c->bytes;
}
