#include "base/map.h"

#include "base/alloc.h"

#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { BUCKETS_MIN = 16 };

void ic_map_init(struct ic_map *map, uint64_t seed,
                 bool (*match)(const struct ic_map_node *node, struct ic_slice key))
{
    *map = (struct ic_map){.seed = seed, .match = match};
}

void ic_map_deinit(struct ic_map *map)
{
    ic_free(map->bucket);
    map->bucket = NULL;
    map->bucket_count = map->count = 0;
}

uint64_t ic_map_hash(const struct ic_map *map, struct ic_slice key)
{
    return XXH3_64bits_withSeed(key.data, key.len, map->seed);
}

struct ic_map_node *ic_map_find(const struct ic_map *map, struct ic_slice key)
{
    if (map->count == 0) {
        return NULL;
    }
    uint64_t hash = ic_map_hash(map, key);
    struct ic_map_node *node = map->bucket[hash & (map->bucket_count - 1)];
    while (node != NULL && (node->hash != hash || !map->match(node, key))) {
        node = node->next;
    }
    return node;
}

static int resize(struct ic_map *map, size_t bucket_count)
{
    struct ic_map_node **bucket = ic_calloc(bucket_count, sizeof *bucket);
    if (bucket == NULL) {
        return IC_ENOMEM;
    }
    for (size_t i = 0; i < map->bucket_count; i++) {
        struct ic_map_node *node = map->bucket[i];
        while (node != NULL) {
            struct ic_map_node *next = node->next;
            struct ic_map_node **to = &bucket[node->hash & (bucket_count - 1)];
            node->next = *to;
            *to = node;
            node = next;
        }
    }
    ic_free(map->bucket);
    map->bucket = bucket;
    map->bucket_count = bucket_count;
    return 0;
}

int ic_map_insert(struct ic_map *map, struct ic_map_node *node, struct ic_slice key)
{
    if (map->count >= map->bucket_count) {
        size_t wanted = map->bucket_count == 0 ? BUCKETS_MIN : map->bucket_count * 2;
        /* A table that cannot grow still works, with longer chains. */
        if (resize(map, wanted) < 0 && map->bucket_count == 0) {
            return IC_ENOMEM;
        }
    }
    node->hash = ic_map_hash(map, key);
    struct ic_map_node **to = &map->bucket[node->hash & (map->bucket_count - 1)];
    node->next = *to;
    *to = node;
    map->count++;
    return 0;
}

void ic_map_remove(struct ic_map *map, struct ic_map_node *node)
{
    assert(map->count > 0);
    struct ic_map_node **at = &map->bucket[node->hash & (map->bucket_count - 1)];
    while (*at != node) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    map->count--;
    if (map->bucket_count > BUCKETS_MIN && map->count < map->bucket_count / 8) {
        int shrunk = resize(map, map->bucket_count / 2);
        (void)shrunk; /* a table that stays large works as well */
    }
}

static uint64_t reversed(uint64_t v)
{
    v = ((v >> 1) & 0x5555555555555555u) | ((v & 0x5555555555555555u) << 1);
    v = ((v >> 2) & 0x3333333333333333u) | ((v & 0x3333333333333333u) << 2);
    v = ((v >> 4) & 0x0f0f0f0f0f0f0f0fu) | ((v & 0x0f0f0f0f0f0f0f0fu) << 4);
    return __builtin_bswap64(v);
}

uint64_t ic_map_scan(const struct ic_map *map, uint64_t cursor,
                     void (*visit)(struct ic_map_node *node, void *ctx), void *ctx)
{
    if (map->count == 0) {
        return 0;
    }
    uint64_t mask = map->bucket_count - 1;
    struct ic_map_node *node = map->bucket[cursor & mask];
    while (node != NULL) {
        struct ic_map_node *next = node->next;
        visit(node, ctx);
        node = next;
    }
    /* Adds one at the mask's high end: buckets are visited so that those a resize
     * splits or joins have either all been seen or none. */
    cursor |= ~mask;
    return reversed(reversed(cursor) + 1);
}

void ic_map_each(struct ic_map *map, void (*visit)(struct ic_map_node *node, void *ctx), void *ctx)
{
    for (size_t i = 0; i < map->bucket_count; i++) {
        struct ic_map_node *node = map->bucket[i];
        while (node != NULL) {
            struct ic_map_node *next = node->next;
            visit(node, ctx);
            node = next;
        }
    }
}

struct ic_map_node *ic_map_pick(const struct ic_map *map, uint64_t random)
{
    if (map->count == 0) {
        return NULL;
    }
    size_t start = (size_t)random & (map->bucket_count - 1);
    for (size_t i = 0; i < map->bucket_count; i++) {
        struct ic_map_node *node = map->bucket[(start + i) & (map->bucket_count - 1)];
        size_t chain = 0;
        for (struct ic_map_node *n = node; n != NULL; n = n->next) {
            chain++;
        }
        if (chain > 0) {
            size_t skip = (size_t)(random >> 40) % chain;
            while (skip-- > 0) {
                node = node->next;
            }
            return node;
        }
    }
    return NULL;
}
