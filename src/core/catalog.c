#include "core/catalog.h"

#include "base/alloc.h"

#include <assert.h>

enum { MALLOC_OVERHEAD_BYTES = 16 }; /* what the allocator adds to a block, about */

struct ic_keys {
    struct ic_map map;
    struct ic_heap expiring;
    __int128 expiry_sum_ms; /* of those in the heap */
    uint64_t reap_cursor;   /* of ic_keys_any: what comes before it is empty */
};

struct ic_catalog {
    struct ic_map objects; /* by id */
    struct ic_keys *keys;
    uint64_t seed;
    uint64_t bytes;         /* of COMMITTED objects */
    uint64_t object_memory; /* of the objects' structs */
    uint64_t entry_memory;  /* of the entries, in whatever set, or detached */
    unsigned walks;         /* while not 0 the current set does not begin to shrink */
};

static struct ic_object *object_of(const struct ic_map_node *node)
{
    return IC_CONTAINER(node, struct ic_object, id_node);
}

static struct ic_entry *entry_of(const struct ic_map_node *node)
{
    return IC_CONTAINER(node, struct ic_entry, map_node);
}

static struct ic_slice id_key(const uint64_t *id)
{
    return ic_slice(id, sizeof *id);
}

static bool object_matches(const struct ic_map_node *node, struct ic_slice key)
{
    return memcmp(&object_of(node)->id, key.data, sizeof(uint64_t)) == 0;
}

static bool entry_matches(const struct ic_map_node *node, struct ic_slice key)
{
    return ic_slice_equal(ic_entry_key(entry_of(node)), key);
}

static bool expires_before(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    return IC_CONTAINER(a, struct ic_entry, expiry)->expires_ms <
           IC_CONTAINER(b, struct ic_entry, expiry)->expires_ms;
}

static struct ic_keys *keys_new(uint64_t seed)
{
    struct ic_keys *keys = ic_calloc(1, sizeof *keys);
    if (keys != NULL) {
        ic_map_init(&keys->map, seed, entry_matches);
        ic_heap_init(&keys->expiring, expires_before);
    }
    return keys;
}

struct ic_catalog *ic_catalog_new(uint64_t seed)
{
    struct ic_catalog *c = ic_calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->seed = seed;
    ic_map_init(&c->objects, seed, object_matches);
    c->keys = keys_new(seed);
    if (c->keys == NULL) {
        ic_free(c);
        return NULL;
    }
    return c;
}

static void free_entry(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    ic_free(entry_of(node));
}

static void free_object(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    ic_free(object_of(node));
}

void ic_catalog_free(struct ic_catalog *c)
{
    if (c == NULL) {
        return;
    }
    ic_map_each(&c->keys->map, free_entry, NULL);
    ic_map_deinit(&c->keys->map);
    ic_heap_deinit(&c->keys->expiring);
    ic_free(c->keys);
    ic_map_each(&c->objects, free_object, NULL);
    ic_map_deinit(&c->objects);
    ic_free(c);
}

/* ---- objects ---------------------------------------------------------------- */

static size_t object_bytes(uint16_t data, uint16_t parity)
{
    return sizeof(struct ic_object) + (size_t)(data + parity) * sizeof(struct ic_chunk_place);
}

uint64_t ic_catalog_object_memory(const struct ic_object *o)
{
    return object_bytes(o->data, o->parity) + MALLOC_OVERHEAD_BYTES;
}

struct ic_object *ic_catalog_object_new(struct ic_catalog *c, uint64_t id, uint16_t data,
                                        uint16_t parity)
{
    struct ic_object *o = ic_calloc(1, object_bytes(data, parity));
    if (o == NULL) {
        return NULL;
    }
    o->id = id;
    o->data = data;
    o->parity = parity;
    o->state = IC_OBJECT_DRAFT;
    ic_list_init(&o->entries);
    ic_list_init(&o->node);
    assert(ic_map_find(&c->objects, id_key(&o->id)) == NULL);
    if (ic_map_insert(&c->objects, &o->id_node, id_key(&o->id)) < 0) {
        ic_free(o);
        return NULL;
    }
    c->object_memory += ic_catalog_object_memory(o);
    return o;
}

void ic_catalog_object_free(struct ic_catalog *c, struct ic_object *object)
{
    assert(object->pins + object->replies == 0 && ic_list_empty(&object->entries));
    assert(object->state != IC_OBJECT_COMMITTED && !object->policy.inside);
    ic_list_remove(&object->node);
    ic_map_remove(&c->objects, &object->id_node);
    if (!object->evicted) {
        c->object_memory -= ic_catalog_object_memory(object);
    }
    ic_free(object);
}

struct ic_object *ic_catalog_object(const struct ic_catalog *c, uint64_t id)
{
    struct ic_map_node *node = ic_map_find(&c->objects, id_key(&id));
    return node == NULL ? NULL : object_of(node);
}

uint64_t ic_catalog_object_count(const struct ic_catalog *c)
{
    return c->objects.count;
}

struct object_visit {
    void (*visit)(struct ic_object *object, void *ctx);
    void *ctx;
};

static void visit_object(struct ic_map_node *node, void *ctx)
{
    struct object_visit *v = ctx;
    v->visit(object_of(node), v->ctx);
}

uint64_t ic_catalog_object_scan(const struct ic_catalog *c, uint64_t cursor,
                                void (*visit)(struct ic_object *object, void *ctx), void *ctx)
{
    struct object_visit v = {.visit = visit, .ctx = ctx};
    return ic_map_scan(&c->objects, cursor, visit_object, &v);
}

void ic_catalog_object_each(struct ic_catalog *c,
                            void (*visit)(struct ic_object *object, void *ctx), void *ctx)
{
    struct object_visit v = {.visit = visit, .ctx = ctx};
    ic_map_each(&c->objects, visit_object, &v);
}

/* ---- entries ---------------------------------------------------------------- */

static uint64_t entry_memory(const struct ic_entry *e)
{
    return sizeof *e + e->key_len + MALLOC_OVERHEAD_BYTES;
}

struct ic_entry *ic_catalog_entry_new(struct ic_catalog *c, struct ic_slice key, uint64_t id,
                                      int64_t expires_ms)
{
    assert(key.len <= UINT32_MAX);
    struct ic_entry *e = ic_calloc(1, sizeof *e + key.len);
    if (e == NULL) {
        return NULL;
    }
    e->id = id;
    e->expires_ms = expires_ms;
    e->key_len = (uint32_t)key.len;
    if (key.len > 0) {
        memcpy(e->key, key.data, key.len);
    }
    ic_list_init(&e->sibling);
    c->entry_memory += entry_memory(e);
    return e;
}

void ic_catalog_entry_free(struct ic_catalog *c, struct ic_entry *e)
{
    assert(e->keys == NULL);
    c->entry_memory -= entry_memory(e);
    ic_free(e);
}

/* The only function that changes an object's state. */
static void settle(struct ic_catalog *c, struct ic_object *object)
{
    bool shown = !ic_list_empty(&object->entries);
    switch ((enum ic_object_state)object->state) {
    case IC_OBJECT_DRAFT:
    case IC_OBJECT_DEAD:
        if (shown) {
            object->state = IC_OBJECT_COMMITTED;
            c->bytes += object->size;
            c->object_memory += object->evicted ? ic_catalog_object_memory(object) : 0;
        }
        break;
    case IC_OBJECT_COMMITTED:
        if (!shown) {
            object->state = IC_OBJECT_DEAD;
            c->bytes -= object->size;
            c->object_memory -= object->evicted ? ic_catalog_object_memory(object) : 0;
        }
        break;
    }
}

int ic_catalog_attach(struct ic_catalog *c, struct ic_entry *e, struct ic_object *object)
{
    assert(e->keys == NULL && ic_catalog_find(c, ic_entry_key(e)) == NULL);
    struct ic_keys *keys = c->keys;
    if (ic_map_insert(&keys->map, &e->map_node, ic_entry_key(e)) < 0) {
        return IC_ENOMEM;
    }
    if (e->expires_ms != 0 && ic_heap_insert(&keys->expiring, &e->expiry) < 0) {
        ic_map_remove(&keys->map, &e->map_node);
        return IC_ENOMEM;
    }
    keys->expiry_sum_ms += e->expires_ms;
    e->keys = keys;
    e->object = object;
    ic_list_push_back(&object->entries, &e->sibling);
    object->names++;
    settle(c, object);
    return 0;
}

void ic_catalog_detach(struct ic_catalog *c, struct ic_entry *e)
{
    struct ic_keys *keys = e->keys;
    assert(keys != NULL);
    ic_heap_remove(&keys->expiring, &e->expiry);
    keys->expiry_sum_ms -= e->expires_ms;
    ic_map_remove(&keys->map, &e->map_node);
    e->keys = NULL;
    ic_list_remove(&e->sibling);
    e->object->names--;
    settle(c, e->object);
}

static void empty(struct ic_object *object)
{
    object->size = 0;
    for (int i = 0; i < object->data + object->parity; i++) {
        object->place[i] =
            (struct ic_chunk_place){.function = IC_FUNCTION_NONE, .state = IC_CHUNK_LOST};
    }
}

void ic_catalog_evict(struct ic_catalog *c, struct ic_object *object)
{
    assert(object->state == IC_OBJECT_COMMITTED && !object->evicted);
    c->bytes -= object->size;
    empty(object);
    object->evicted = true;
}

void ic_catalog_give_up(struct ic_catalog *c, struct ic_object *object)
{
    assert(object->state == IC_OBJECT_DEAD && !object->evicted);
    c->object_memory -= ic_catalog_object_memory(object);
    empty(object);
    object->evicted = object->given_up = true;
}

void ic_catalog_redraft(struct ic_catalog *c, struct ic_object *object)
{
    (void)c;
    assert(object->state == IC_OBJECT_DEAD && ic_list_empty(&object->entries));
    object->state = IC_OBJECT_DRAFT;
}

uint64_t ic_catalog_hash(const struct ic_catalog *c, struct ic_slice key)
{
    return ic_map_hash(&c->keys->map, key);
}

struct ic_entry *ic_catalog_find(const struct ic_catalog *c, struct ic_slice key)
{
    struct ic_map_node *node = ic_map_find(&c->keys->map, key);
    return node == NULL ? NULL : entry_of(node);
}

bool ic_catalog_current(const struct ic_catalog *c, const struct ic_entry *e)
{
    return e->keys == c->keys;
}

int ic_catalog_expire(struct ic_catalog *c, struct ic_entry *e, int64_t expires_ms)
{
    (void)c;
    assert(e->keys != NULL);
    struct ic_heap *heap = &e->keys->expiring;
    int64_t before = e->expires_ms;
    e->expires_ms = expires_ms;
    if (expires_ms == 0) {
        ic_heap_remove(heap, &e->expiry);
    } else if (e->expiry.place != 0) {
        ic_heap_moved(heap, &e->expiry);
    } else if (ic_heap_insert(heap, &e->expiry) < 0) {
        e->expires_ms = before;
        return IC_ENOMEM;
    }
    e->keys->expiry_sum_ms += expires_ms - before;
    return 0;
}

struct ic_entry *ic_catalog_first_to_expire(const struct ic_catalog *c)
{
    struct ic_heap_node *node = ic_heap_first(&c->keys->expiring);
    return node == NULL ? NULL : IC_CONTAINER(node, struct ic_entry, expiry);
}

uint64_t ic_catalog_count(const struct ic_catalog *c)
{
    return c->keys->map.count;
}

uint64_t ic_catalog_count_expiring(const struct ic_catalog *c)
{
    return c->keys->expiring.count;
}

int64_t ic_catalog_mean_expiry_ms(const struct ic_catalog *c)
{
    uint64_t count = ic_catalog_count_expiring(c);
    return count == 0 ? 0 : (int64_t)(c->keys->expiry_sum_ms / (__int128)count);
}

uint64_t ic_catalog_bytes(const struct ic_catalog *c)
{
    return c->bytes;
}

uint64_t ic_catalog_memory(const struct ic_catalog *c)
{
    return c->object_memory + c->entry_memory + ic_map_memory(&c->objects) +
           ic_map_memory(&c->keys->map) + c->keys->expiring.cap * sizeof(void *);
}

uint64_t ic_catalog_entry_memory(const struct ic_entry *e)
{
    return entry_memory(e) + ic_catalog_object_memory(e->object);
}

struct entry_visit {
    void (*visit)(struct ic_entry *e, void *ctx);
    void *ctx;
};

static void visit_entry(struct ic_map_node *node, void *ctx)
{
    struct entry_visit *v = ctx;
    v->visit(entry_of(node), v->ctx);
}

uint64_t ic_catalog_scan(const struct ic_catalog *c, uint64_t cursor,
                         void (*visit)(struct ic_entry *e, void *ctx), void *ctx)
{
    struct entry_visit v = {.visit = visit, .ctx = ctx};
    return ic_map_scan(&c->keys->map, cursor, visit_entry, &v);
}

static void keep_size(struct ic_catalog *c)
{
    c->keys->map.keep_size = c->walks > 0;
}

void ic_catalog_walk_begin(struct ic_catalog *c)
{
    c->walks++;
    keep_size(c);
}

void ic_catalog_walk_end(struct ic_catalog *c)
{
    assert(c->walks > 0);
    c->walks--;
    keep_size(c);
}

bool ic_catalog_settle(struct ic_catalog *c, size_t most)
{
    return ic_map_settle(&c->keys->map, most);
}

struct ic_entry *ic_catalog_random(const struct ic_catalog *c, uint64_t random, uint64_t *looked)
{
    struct ic_map_node *node = ic_map_pick(&c->keys->map, random, looked);
    return node == NULL ? NULL : entry_of(node);
}

/* ---- flush ------------------------------------------------------------------ */

struct ic_keys *ic_catalog_swap(struct ic_catalog *c)
{
    struct ic_keys *fresh = keys_new(c->seed);
    if (fresh == NULL) {
        return NULL;
    }
    struct ic_keys *old = c->keys;
    old->map.keep_size = false;
    c->keys = fresh;
    keep_size(c);
    return old;
}

void ic_catalog_unswap(struct ic_catalog *c, struct ic_keys *keys)
{
    ic_catalog_keys_free(c, c->keys);
    c->keys = keys;
    keep_size(c);
}

static void note_any(struct ic_map_node *node, void *ctx)
{
    struct ic_entry **found = ctx;
    *found = entry_of(node);
}

struct ic_entry *ic_keys_any(struct ic_keys *keys)
{
    struct ic_entry *found = NULL;
    for (int i = 0; i < IC_KEYS_LOOKED && keys->map.count > 0 && found == NULL; i++) {
        /* A bucket that still has nodes is looked at again, one that is empty stays so. */
        uint64_t next = ic_map_scan(&keys->map, keys->reap_cursor, note_any, &found);
        keys->reap_cursor = found == NULL ? next : keys->reap_cursor;
    }
    return found;
}

bool ic_keys_empty(const struct ic_keys *keys)
{
    return keys->map.count == 0;
}

void ic_catalog_keys_free(struct ic_catalog *c, struct ic_keys *keys)
{
    (void)c;
    assert(keys->map.count == 0);
    ic_map_deinit(&keys->map);
    ic_heap_deinit(&keys->expiring);
    ic_free(keys);
}
