#include "node/chunks.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/random.h"

#include <assert.h>

struct ic_chunks {
    struct ic_arena *arena;
    struct ic_map map;
    uint64_t capacity; /* for the sum of costs */
    uint64_t limit;    /* for what is resident: arena and heap */
    uint64_t held;
    uint64_t heap; /* bytes of structs, CRCs, keys and extents */
    uint64_t position;
    uint32_t epoch;
    uint8_t instance[IC_INSTANCE_ID_BYTES];
};

enum { HEAP_BLOCK_BYTES = 16 }; /* what the heap adds to a block */

static struct ic_chunk *chunk_of(const struct ic_map_node *node)
{
    return IC_CONTAINER(node, struct ic_chunk, node);
}

static struct ic_slice name_slice(const struct ic_chunk_name *name)
{
    static_assert(sizeof(*name) == 16, "no padding in a hashed key");
    return ic_slice(name, sizeof(*name));
}

static bool match(const struct ic_map_node *node, struct ic_slice key)
{
    return ic_slice_equal(name_slice(&chunk_of(node)->name), key);
}

struct ic_chunks *ic_chunks_new(uint64_t memory_bytes, const uint8_t instance[IC_INSTANCE_ID_BYTES])
{
    if (memory_bytes < IC_NODE_MEMORY_MIN) {
        return NULL;
    }
    struct ic_chunks *c = ic_calloc(1, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    c->limit = memory_bytes - IC_NODE_RESERVE_BYTES;
    c->capacity = c->limit - memory_bytes / IC_NODE_SLACK_DIVISOR;
    c->arena = ic_arena_new(c->limit);
    if (c->arena == NULL) {
        ic_free(c);
        return NULL;
    }
    memcpy(c->instance, instance, sizeof(c->instance));
    ic_map_init(&c->map, ic_random_u64(), match);
    return c;
}

static uint64_t unit_count(uint64_t length, uint32_t unit)
{
    return length == 0 ? 0 : ic_frame_units(length, unit);
}

static uint64_t heap_bytes(const struct ic_chunk *chunk)
{
    uint64_t bytes = sizeof(*chunk) + 4 * unit_count(chunk->length, chunk->unit) + HEAP_BLOCK_BYTES;
    bytes += sizeof(void *); /* its bucket */
    bytes += chunk->extents.capacity * sizeof(struct ic_extent) + HEAP_BLOCK_BYTES;
    return bytes + (chunk->key == NULL ? 0 : chunk->key_len + HEAP_BLOCK_BYTES);
}

static uint64_t cost(const struct ic_chunk *chunk)
{
    return ic_chunk_cost(chunk->length, chunk->unit, chunk->key_len);
}

static void release(struct ic_chunks *c, struct ic_chunk *chunk)
{
    assert(chunk->readers == 0);
    ic_arena_put(c->arena, &chunk->extents);
    ic_free(chunk->key);
    ic_free(chunk);
}

static void release_node(struct ic_map_node *node, void *ctx)
{
    release(ctx, chunk_of(node));
}

void ic_chunks_free(struct ic_chunks *c)
{
    if (c == NULL) {
        return;
    }
    ic_map_each(&c->map, release_node, c);
    ic_map_deinit(&c->map);
    ic_arena_free(c->arena);
    ic_free(c);
}

uint64_t ic_chunks_capacity(const struct ic_chunks *c)
{
    return c->capacity;
}

uint64_t ic_chunks_held(const struct ic_chunks *c)
{
    return c->held;
}

uint64_t ic_chunks_count(const struct ic_chunks *c)
{
    return c->map.count;
}

uint64_t ic_chunks_position(const struct ic_chunks *c)
{
    return c->position;
}

uint32_t ic_chunks_epoch(const struct ic_chunks *c)
{
    return c->epoch;
}

const uint8_t *ic_chunks_instance(const struct ic_chunks *c)
{
    return c->instance;
}

/* ---- epochs and operations -------------------------------------------------------- */

struct open_chunks { /* a batch of them, found by a scan that must not change the map */
    struct ic_chunk *list[64];
    size_t count;
};

static void collect_open(struct ic_map_node *node, void *ctx)
{
    struct open_chunks *found = ctx;
    struct ic_chunk *chunk = chunk_of(node);
    if (!chunk->sealed && found->count < sizeof(found->list) / sizeof(found->list[0])) {
        found->list[found->count++] = chunk;
    }
}

/* Bucket by bucket; a bucket with more open chunks than a batch holds is visited again. */
static void drop_open(struct ic_chunks *c)
{
    uint64_t cursor = 0;
    do {
        struct open_chunks found;
        uint64_t next;
        do {
            found.count = 0;
            next = ic_map_scan(&c->map, cursor, collect_open, &found);
            for (size_t i = 0; i < found.count; i++) {
                ic_chunks_drop(c, found.list[i]);
            }
        } while (found.count > 0);
        cursor = next;
    } while (cursor != 0);
}

int ic_chunks_enter_epoch(struct ic_chunks *c, uint32_t epoch)
{
    if (epoch < c->epoch) {
        return IC_ESTALE;
    }
    if (epoch > c->epoch) {
        c->epoch = epoch;
        drop_open(c);
    }
    return 0;
}

enum ic_op_order ic_chunks_op_order(const struct ic_chunks *c, uint64_t op)
{
    if (op <= c->position) {
        return IC_OP_SETTLED;
    }
    return op == c->position + 1 ? IC_OP_NEXT : IC_OP_GAP;
}

void ic_chunks_op_settle(struct ic_chunks *c, uint64_t op)
{
    assert(op == c->position + 1);
    c->position = op;
}

/* ---- chunks ----------------------------------------------------------------------- */

struct ic_chunk *ic_chunks_find(const struct ic_chunks *c, uint64_t object_id, uint16_t chunk)
{
    struct ic_chunk_name name = {object_id, chunk};
    struct ic_map_node *node = ic_map_find(&c->map, name_slice(&name));
    return node == NULL ? NULL : chunk_of(node);
}

/* Heap and arena together stay below the limit, MORE heap included. */
static bool make_resident(struct ic_chunks *c, uint64_t more)
{
    uint64_t heap = c->heap + ic_arena_table_bytes(c->arena) + more;
    if (heap + ic_arena_resident_bytes(c->arena) <= c->limit) {
        return true;
    }
    ic_arena_trim(c->arena, heap < c->limit ? c->limit - heap : 0);
    return heap + ic_arena_resident_bytes(c->arena) <= c->limit;
}

/* Adds a chunk of LENGTH bytes that is not there. NULL: no room. */
static struct ic_chunk *add(struct ic_chunks *c, struct ic_chunk_name name, uint64_t length,
                            uint32_t unit)
{
    uint64_t crc_bytes = 4 * unit_count(length, unit);
    if (length > c->capacity || c->held + ic_chunk_cost(length, unit, 0) > c->capacity) {
        return NULL;
    }
    struct ic_chunk *chunk = ic_malloc(sizeof(*chunk) + crc_bytes);
    if (chunk == NULL) {
        return NULL;
    }
    *chunk = (struct ic_chunk){.name = name, .length = length, .unit = unit};
    if (ic_arena_get(c->arena, length, &chunk->extents) < 0) {
        ic_free(chunk);
        return NULL;
    }
    if (!make_resident(c, heap_bytes(chunk)) ||
        ic_map_insert(&c->map, &chunk->node, name_slice(&chunk->name)) < 0) {
        release(c, chunk);
        return NULL;
    }
    c->held += cost(chunk);
    c->heap += heap_bytes(chunk);
    return chunk;
}

enum ic_frame_status ic_chunks_reserve(struct ic_chunks *c, uint64_t object_id, uint16_t chunk,
                                       uint64_t length, uint32_t unit, struct ic_chunk **out)
{
    struct ic_chunk *old = ic_chunks_find(c, object_id, chunk);
    if (old != NULL && old->sealed) {
        return IC_STATUS_SEALED;
    }
    if (old != NULL) {
        ic_chunks_drop(c, old);
    }
    *out = add(c, (struct ic_chunk_name){object_id, chunk}, length, unit);
    return *out == NULL ? IC_STATUS_NOSPACE : IC_STATUS_OK;
}

/* LEN bytes at OFFSET: inside the chunk, from a unit's start to a unit's or the chunk's end? */
static bool is_on_units(const struct ic_chunk *chunk, uint64_t offset, uint64_t len)
{
    if (len == 0 || offset >= chunk->length || len > chunk->length - offset) {
        return false;
    }
    return offset % chunk->unit == 0 && (len % chunk->unit == 0 || offset + len == chunk->length);
}

enum ic_frame_status ic_chunk_check_write(const struct ic_chunk *chunk, uint64_t offset,
                                          uint64_t len)
{
    if (chunk->sealed) {
        return IC_STATUS_SEALED;
    }
    if (offset != chunk->written) {
        return IC_STATUS_HOLE;
    }
    return is_on_units(chunk, offset, len) ? IC_STATUS_OK : IC_STATUS_RANGE;
}

void ic_chunk_written(struct ic_chunk *chunk, uint64_t len)
{
    assert(len <= chunk->length - chunk->written);
    chunk->written += len;
}

enum ic_frame_status ic_chunk_check_read(const struct ic_chunk *chunk, uint64_t offset,
                                         uint64_t len)
{
    if (chunk == NULL || !chunk->sealed) {
        return IC_STATUS_NOENT;
    }
    return is_on_units(chunk, offset, len) ? IC_STATUS_OK : IC_STATUS_RANGE;
}

size_t ic_chunk_memory(const struct ic_chunks *c, const struct ic_chunk *chunk, uint64_t offset,
                       uint64_t len, struct iovec *iov, size_t max, uint64_t *covered)
{
    assert(offset <= chunk->length && len <= chunk->length - offset);
    size_t count = 0;
    *covered = 0;
    for (uint32_t i = 0; i < chunk->extents.count && *covered < len && count < max; i++) {
        const struct ic_extent *extent = &chunk->extents.list[i];
        uint64_t bytes = (uint64_t)extent->count * IC_GRANULE_BYTES;
        if (offset >= bytes) {
            offset -= bytes;
            continue;
        }
        uint64_t part = bytes - offset < len - *covered ? bytes - offset : len - *covered;
        iov[count++] = (struct iovec){ic_arena_at(c->arena, extent->start) + offset, part};
        *covered += part;
        offset = 0;
    }
    return count;
}

struct iovec ic_chunk_crcs(struct ic_chunk *chunk, uint64_t offset, uint64_t len)
{
    assert(offset % chunk->unit == 0);
    return (struct iovec){chunk->crcs + 4 * (offset / chunk->unit),
                          4 * unit_count(len, chunk->unit)};
}

static bool is_same_seal(const struct ic_chunk *chunk, const struct ic_seal *seal)
{
    return chunk->length == seal->chunk_length && chunk->version == seal->version &&
           chunk->object_size == seal->object_size &&
           ic_slice_equal(ic_slice(chunk->key, chunk->key_len), seal->key);
}

static enum ic_frame_status set_seal(struct ic_chunks *c, struct ic_chunk *chunk,
                                     const struct ic_seal *seal)
{
    if (c->held + seal->key.len > c->capacity || !make_resident(c, seal->key.len)) {
        return IC_STATUS_NOSPACE;
    }
    uint8_t *key = NULL;
    if (seal->key.len > 0) {
        key = ic_malloc(seal->key.len);
        if (key == NULL) {
            return IC_STATUS_NOSPACE;
        }
        memcpy(key, seal->key.data, seal->key.len);
    }
    c->heap -= heap_bytes(chunk);
    c->held -= cost(chunk);
    chunk->key = key;
    chunk->key_len = (uint32_t)seal->key.len;
    c->heap += heap_bytes(chunk);
    c->held += cost(chunk);
    chunk->sealed = true;
    chunk->data = seal->data;
    chunk->parity = seal->parity;
    chunk->object_size = seal->object_size;
    chunk->version = seal->version;
    chunk->expires_ms = seal->expires_ms;
    return IC_STATUS_OK;
}

enum ic_frame_status ic_chunks_seal(struct ic_chunks *c, uint64_t object_id, uint16_t chunk,
                                    const struct ic_seal *seal)
{
    if (memcmp(seal->instance, c->instance, sizeof(c->instance)) != 0) {
        return IC_STATUS_STALE;
    }
    struct ic_chunk *found = ic_chunks_find(c, object_id, chunk);
    bool is_new = found == NULL && seal->chunk_length == 0;
    if (is_new) {
        found = add(c, (struct ic_chunk_name){object_id, chunk}, 0, seal->unit);
        if (found == NULL) {
            return IC_STATUS_NOSPACE;
        }
    }
    if (found == NULL) {
        return IC_STATUS_NOENT;
    }
    if (found->sealed) {
        return is_same_seal(found, seal) ? IC_STATUS_OK : IC_STATUS_SEALED;
    }
    if (found->length != seal->chunk_length || found->written != found->length) {
        return IC_STATUS_HOLE;
    }
    enum ic_frame_status status = set_seal(c, found, seal);
    if (status != IC_STATUS_OK && is_new) {
        ic_chunks_drop(c, found);
    }
    return status;
}

enum ic_frame_status ic_chunks_sealed(const struct ic_chunks *c, uint64_t object_id, uint16_t chunk)
{
    const struct ic_chunk *found = ic_chunks_find(c, object_id, chunk);
    return found != NULL && found->sealed ? IC_STATUS_OK : IC_STATUS_NOENT;
}

void ic_chunks_drop(struct ic_chunks *c, struct ic_chunk *chunk)
{
    c->held -= cost(chunk);
    c->heap -= heap_bytes(chunk);
    ic_map_remove(&c->map, &chunk->node);
    release(c, chunk);
}

/* ---- LIST ------------------------------------------------------------------------- */

struct scan {
    void (*visit)(void *ctx, const struct ic_chunk *chunk);
    void *ctx;
};

static void visit_node(struct ic_map_node *node, void *ctx)
{
    const struct scan *scan = ctx;
    scan->visit(scan->ctx, chunk_of(node));
}

uint64_t ic_chunks_scan(const struct ic_chunks *c, uint64_t cursor,
                        void (*visit)(void *ctx, const struct ic_chunk *chunk), void *ctx)
{
    struct scan scan = {visit, ctx};
    return ic_map_scan(&c->map, cursor, visit_node, &scan);
}

void ic_chunk_item(const struct ic_chunk *chunk, struct ic_item *out)
{
    *out = (struct ic_item){.object_id = chunk->name.object_id,
                            .chunk = (uint16_t)chunk->name.chunk,
                            .sealed = chunk->sealed,
                            .written_bytes = chunk->written};
    out->seal = (struct ic_seal){.chunk_length = chunk->length,
                                 .object_size = chunk->object_size,
                                 .version = chunk->version,
                                 .expires_ms = chunk->expires_ms,
                                 .unit = chunk->unit,
                                 .data = chunk->data,
                                 .parity = chunk->parity,
                                 .key = ic_slice(chunk->key, chunk->key_len)};
}
