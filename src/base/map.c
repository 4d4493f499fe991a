#include "base/map.h"

#include "base/alloc.h"

#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    BUCKETS_MIN = 16,
    GROW_FACTOR = 2,
    /*
     * A table of n buckets shrinks to n / 4 when it has n / 8 nodes, the next time at n / 32: after
     * 3n / 32 removals or, growing, after n / 8 inserts. At 16 buckets each the old n are moved by
     * then; so are the n of a growing table after n / 16 of the n inserts before the next.
     */
    SHRINK_FACTOR = 4,
    SHRINK_BELOW = 8,
    MOVED_PER_CHANGE = 16,
};

void ic_map_init(struct ic_map *map, uint64_t seed,
                 bool (*match)(const struct ic_map_node *node, struct ic_slice key))
{
    *map = (struct ic_map){.seed = seed, .match = match};
}

void ic_map_deinit(struct ic_map *map)
{
    ic_free(map->bucket);
    ic_free(map->old);
    map->bucket = map->old = NULL;
    map->bucket_count = map->old_count = map->old_next = map->count = 0;
}

uint64_t ic_map_hash(const struct ic_map *map, struct ic_slice key)
{
    return XXH3_64bits_withSeed(key.data, key.len, map->seed);
}

static struct ic_map_node *find_in(const struct ic_map *map, struct ic_map_node *const *bucket,
                                   size_t bucket_count, uint64_t hash, struct ic_slice key)
{
    struct ic_map_node *node = bucket[hash & (bucket_count - 1)];
    while (node != NULL && (node->hash != hash || !map->match(node, key))) {
        node = node->next;
    }
    return node;
}

struct ic_map_node *ic_map_find(const struct ic_map *map, struct ic_slice key)
{
    if (map->count == 0) {
        return NULL;
    }
    uint64_t hash = ic_map_hash(map, key);
    struct ic_map_node *node = find_in(map, map->bucket, map->bucket_count, hash, key);
    if (node == NULL && map->old != NULL) {
        node = find_in(map, map->old, map->old_count, hash, key);
    }
    return node;
}

/* ---- resizing ---- */

static void push(struct ic_map *map, struct ic_map_node *node)
{
    struct ic_map_node **to = &map->bucket[node->hash & (map->bucket_count - 1)];
    node->next = *to;
    *to = node;
}

static void move_bucket(struct ic_map *map)
{
    struct ic_map_node *node = map->old[map->old_next];
    map->old[map->old_next++] = NULL;
    while (node != NULL) {
        struct ic_map_node *next = node->next;
        push(map, node);
        node = next;
    }
}

static void move_some(struct ic_map *map, size_t most)
{
    for (size_t i = 0; i < most && map->old_next < map->old_count; i++) {
        move_bucket(map);
    }
    if (map->old != NULL && map->old_next == map->old_count) {
        ic_free(map->old);
        map->old = NULL;
        map->old_count = map->old_next = 0;
    }
}

/* Not while the last resize is under way, which leaves longer chains, or a sparser table, for a
 * while at worst. */
static int resize(struct ic_map *map, size_t bucket_count)
{
    if (map->old != NULL) {
        return IC_EBUSY;
    }
    struct ic_map_node **bucket = ic_calloc(bucket_count, sizeof *bucket);
    if (bucket == NULL) {
        return IC_ENOMEM;
    }
    if (map->count > 0) {
        map->old = map->bucket;
        map->old_count = map->bucket_count;
    } else {
        ic_free(map->bucket);
    }
    map->bucket = bucket;
    map->bucket_count = bucket_count;
    return 0;
}

static void shrink_if_sparse(struct ic_map *map)
{
    if (map->bucket_count >= (size_t)BUCKETS_MIN * SHRINK_FACTOR && !map->keep_size &&
        map->count < map->bucket_count / SHRINK_BELOW) {
        int shrunk = resize(map, map->bucket_count / SHRINK_FACTOR);
        (void)shrunk; /* a table that stays large works as well */
    }
}

/* ---- changing ---- */

int ic_map_insert(struct ic_map *map, struct ic_map_node *node, struct ic_slice key)
{
    move_some(map, MOVED_PER_CHANGE);
    if (map->count >= map->bucket_count) {
        size_t wanted = map->bucket_count == 0 ? BUCKETS_MIN : map->bucket_count * GROW_FACTOR;
        /* A table that cannot grow still works, with longer chains. */
        if (resize(map, wanted) < 0 && map->bucket_count == 0) {
            return IC_ENOMEM;
        }
    }
    node->hash = ic_map_hash(map, key);
    push(map, node);
    map->count++;
    return 0;
}

static bool take_out(struct ic_map_node **bucket, size_t bucket_count, struct ic_map_node *node)
{
    if (bucket == NULL) {
        return false;
    }
    struct ic_map_node **at = &bucket[node->hash & (bucket_count - 1)];
    while (*at != NULL && *at != node) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return false;
    }
    *at = node->next;
    node->next = NULL;
    return true;
}

void ic_map_remove(struct ic_map *map, struct ic_map_node *node)
{
    assert(map->count > 0);
    bool found =
        take_out(map->bucket, map->bucket_count, node) || take_out(map->old, map->old_count, node);
    assert(found);
    map->count--;
    move_some(map, MOVED_PER_CHANGE);
    shrink_if_sparse(map);
}

bool ic_map_settle(struct ic_map *map, size_t most)
{
    move_some(map, most);
    shrink_if_sparse(map);
    return map->old != NULL;
}

/* ---- walking ---- */

static uint64_t reversed(uint64_t v)
{
    v = ((v >> 1) & 0x5555555555555555u) | ((v & 0x5555555555555555u) << 1);
    v = ((v >> 2) & 0x3333333333333333u) | ((v & 0x3333333333333333u) << 2);
    v = ((v >> 4) & 0x0f0f0f0f0f0f0f0fu) | ((v & 0x0f0f0f0f0f0f0f0fu) << 4);
    return __builtin_bswap64(v);
}

static void visit_chain(struct ic_map_node *node,
                        void (*visit)(struct ic_map_node *node, void *ctx), void *ctx)
{
    while (node != NULL) {
        struct ic_map_node *next = node->next;
        visit(node, ctx);
        node = next;
    }
}

/* Adds one at the mask's high end: buckets are visited so that those a resize splits or joins have
 * either all been seen or none. */
static uint64_t next_cursor(uint64_t cursor, uint64_t mask)
{
    cursor |= ~mask;
    return reversed(reversed(cursor) + 1);
}

uint64_t ic_map_scan(const struct ic_map *map, uint64_t cursor,
                     void (*visit)(struct ic_map_node *node, void *ctx), void *ctx)
{
    if (map->count == 0) {
        return 0;
    }
    if (map->old == NULL) {
        uint64_t mask = map->bucket_count - 1;
        visit_chain(map->bucket[cursor & mask], visit, ctx);
        return next_cursor(cursor, mask);
    }
    /* A bucket of the smaller table, and all of the larger one that it splits into. */
    bool grows = map->bucket_count > map->old_count;
    struct ic_map_node **small = grows ? map->old : map->bucket;
    struct ic_map_node **large = grows ? map->bucket : map->old;
    uint64_t small_mask = (grows ? map->old_count : map->bucket_count) - 1;
    uint64_t large_mask = (grows ? map->bucket_count : map->old_count) - 1;
    visit_chain(small[cursor & small_mask], visit, ctx);
    do {
        visit_chain(large[cursor & large_mask], visit, ctx);
        cursor = next_cursor(cursor, large_mask);
    } while ((cursor & (small_mask ^ large_mask)) != 0);
    return cursor;
}

void ic_map_each(struct ic_map *map, void (*visit)(struct ic_map_node *node, void *ctx), void *ctx)
{
    for (size_t i = map->old_next; i < map->old_count; i++) {
        visit_chain(map->old[i], visit, ctx);
    }
    for (size_t i = 0; i < map->bucket_count; i++) {
        visit_chain(map->bucket[i], visit, ctx);
    }
}

size_t ic_map_memory(const struct ic_map *map)
{
    return (map->bucket_count + map->old_count) * sizeof(struct ic_map_node *);
}

static struct ic_map_node *pick_in_chain(struct ic_map_node *node, uint64_t random)
{
    size_t chain = 0;
    for (struct ic_map_node *n = node; n != NULL; n = n->next) {
        chain++;
    }
    size_t skip = chain == 0 ? 0 : (size_t)(random >> 40) % chain;
    while (skip-- > 0) {
        node = node->next;
    }
    return node;
}

/* Buckets of both tables, as one row. */
struct ic_map_node *ic_map_pick(const struct ic_map *map, uint64_t random, uint64_t *looked)
{
    if (map->count == 0) {
        return NULL;
    }
    size_t left = map->old_count - map->old_next, all = map->bucket_count + left;
    size_t at = (size_t)((random & UINT64_C(0xffffffffff)) % all);
    for (size_t i = 0; i < all; i++, at = at + 1 == all ? 0 : at + 1) {
        ++*looked;
        struct ic_map_node *node =
            at < left ? map->old[map->old_next + at] : map->bucket[at - left];
        if (node != NULL) {
            return pick_in_chain(node, random);
        }
    }
    return NULL;
}
