#include "node/chunks.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/random.h"
#include "node/slots.h"

#include <assert.h>

struct ic_chunks {
    struct ic_arena *arena;
    struct ic_map map;
    uint64_t capacity; /* for the sum of costs */
    uint64_t limit;    /* for what is resident: arena, slots and heap */
    uint64_t held;
    uint64_t heap;         /* bytes of long keys, many CRCs and many extents */
    struct ic_slots slots; /* of struct ic_chunk */
    struct ic_list holes;  /* slots that could not be filled when they were left */
    uint64_t position;
    uint64_t mark;
    uint32_t epoch;
    uint8_t instance[IC_INSTANCE_ID_BYTES];
};

enum { HEAP_BLOCK_BYTES = 16 }; /* what the heap adds to a block */

/* A chunk's struct, its bucket in the map (doubled: one size of table is left for the next) and
 * what rounding to granules takes are what ic_chunk_cost charges besides bytes, CRCs and key. */
static_assert(sizeof(struct ic_chunk) + 2 * sizeof(void *) + IC_GRANULE_BYTES - 1 <=
                  IC_CHUNK_OVERHEAD_BYTES,
              "the fixed part of the cost covers what is used");

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
    c->capacity = ic_node_capacity(memory_bytes);
    c->arena = ic_arena_new(c->limit);
    if (c->arena == NULL || ic_slots_init(&c->slots, sizeof(struct ic_chunk),
                                          c->capacity / IC_CHUNK_OVERHEAD_BYTES + 1) < 0) {
        ic_arena_free(c->arena);
        ic_free(c);
        return NULL;
    }
    memcpy(c->instance, instance, sizeof(c->instance));
    ic_map_init(&c->map, ic_random_u64(), match);
    ic_list_init(&c->holes);
    return c;
}

static uint64_t unit_count(uint64_t length, uint32_t unit)
{
    return length == 0 ? 0 : ic_frame_units(length, unit);
}

static bool crcs_are_inside(const struct ic_chunk *chunk)
{
    return 4 * unit_count(chunk->length, chunk->unit) <= IC_CHUNK_CRCS_INSIDE;
}

/* Of its block of CRCs on the heap when the chunk has memory for RESERVED bytes: up to a quarter
 * more than these need, so that it rarely moves, but no more than the whole chunk will. */
static uint64_t crc_bytes(const struct ic_chunk *chunk, uint64_t reserved)
{
    if (reserved == 0 || crcs_are_inside(chunk)) {
        return 0;
    }
    uint64_t most = unit_count(chunk->length, chunk->unit);
    uint64_t units = unit_count(reserved, chunk->unit);
    uint64_t step = 1;
    while (units / step > 8) {
        step *= 2;
    }
    units = (units + step - 1) / step * step;
    return 4 * (units < most ? units : most);
}

static uint8_t *crcs(struct ic_chunk *chunk)
{
    return crcs_are_inside(chunk) ? chunk->crcs_inside : chunk->crcs;
}

static struct ic_slice key(const struct ic_chunk *chunk)
{
    return ic_slice(chunk->key_len <= IC_CHUNK_KEY_INSIDE ? chunk->key_inside : chunk->key,
                    chunk->key_len);
}

/* What the chunk has on the heap. */
static uint64_t heap_bytes(const struct ic_chunk *chunk)
{
    uint64_t bytes = 0;
    uint64_t crc = crc_bytes(chunk, ic_chunk_reserved(chunk));
    bytes += crc > 0 ? crc + HEAP_BLOCK_BYTES : 0;
    if (chunk->extents.capacity > 0) {
        bytes += chunk->extents.capacity * sizeof(struct ic_extent) + HEAP_BLOCK_BYTES;
    }
    if (chunk->key_len > IC_CHUNK_KEY_INSIDE) {
        bytes += chunk->key_len + HEAP_BLOCK_BYTES;
    }
    return bytes;
}

static uint64_t cost(const struct ic_chunk *chunk)
{
    return ic_chunk_cost(ic_chunk_reserved(chunk), chunk->unit, chunk->key_len);
}

/* Frees what the chunk owns beyond its slot. */
static void release(struct ic_chunks *c, struct ic_chunk *chunk)
{
    assert(chunk->readers == 0);
    ic_arena_put(c->arena, &chunk->extents);
    if (!crcs_are_inside(chunk)) {
        ic_free(chunk->crcs);
    }
    if (chunk->key_len > IC_CHUNK_KEY_INSIDE) {
        ic_free(chunk->key);
    }
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
    ic_slots_deinit(&c->slots);
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

uint64_t ic_chunks_mark(const struct ic_chunks *c)
{
    return c->mark;
}

void ic_chunks_set_mark(struct ic_chunks *c, uint64_t mark)
{
    c->mark = mark;
}

/* ---- epochs and operations -------------------------------------------------------- */

struct open_chunks { /* a batch of them, by name: chunks move when others are dropped */
    struct ic_chunk_name list[64];
    size_t count;
};

static void collect_open(struct ic_map_node *node, void *ctx)
{
    struct open_chunks *found = ctx;
    struct ic_chunk *chunk = chunk_of(node);
    if (!chunk->sealed && found->count < sizeof(found->list) / sizeof(found->list[0])) {
        found->list[found->count++] = chunk->name;
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
                const struct ic_chunk_name *name = &found.list[i];
                ic_chunks_drop(c, ic_chunks_find(c, name->object_id, (uint16_t)name->chunk));
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

struct ic_chunk *ic_chunks_find(const struct ic_chunks *c, uint64_t object_id, uint16_t chunk)
{
    struct ic_chunk_name name = {object_id, chunk};
    struct ic_map_node *node = ic_map_find(&c->map, name_slice(&name));
    return node == NULL ? NULL : chunk_of(node);
}

/* ---- slots ------------------------------------------------------------------------ */

static struct ic_chunk *hole_of(struct ic_list *node)
{
    return IC_CONTAINER(node, struct ic_chunk, hole);
}

static struct ic_chunk *get_slot(struct ic_chunks *c)
{
    struct ic_list *hole = ic_list_pop_front(&c->holes);
    return hole != NULL ? hole_of(hole) : ic_slots_add(&c->slots);
}

static void drop_last_holes(struct ic_chunks *c)
{
    struct ic_chunk *last;
    while ((last = ic_slots_last(&c->slots)) != NULL && last->is_hole) {
        ic_list_remove(&last->hole);
        ic_slots_drop_last(&c->slots);
    }
}

/* CHUNK's slot is not used any more (it is in no map): the last one moves into it if it can. */
static void put_slot(struct ic_chunks *c, struct ic_chunk *chunk)
{
    struct ic_chunk *last = ic_slots_last(&c->slots);
    if (last != chunk && last->readers == 0) {
        ic_map_remove(&c->map, &last->node);
        *chunk = *last;
        int result = ic_map_insert(&c->map, &chunk->node, name_slice(&chunk->name));
        assert(result == 0); /* only the first insert into a table can fail */
        chunk = last;
    }
    chunk->is_hole = true;
    ic_list_push_back(&c->holes, &chunk->hole);
    drop_last_holes(c);
}

/* ---- chunks ----------------------------------------------------------------------- */

/* What is resident besides the arena. */
static uint64_t resident_beside(const struct ic_chunks *c)
{
    return c->heap + ic_map_memory(&c->map) + c->slots.resident_bytes +
           ic_arena_table_bytes(c->arena);
}

/* How many bytes of the arena may be resident, of which REST may be in all and WANTED are asked for
 * next. The free parts of pages that are split take no more than half of what is not used: they are
 * good for other chunks, and pages that are used for little could not be given back when slots and
 * heap need the memory. */
static uint64_t arena_limit(const struct ic_chunks *c, uint64_t rest, uint64_t wanted)
{
    uint64_t used = ic_arena_bytes(c->arena) - ic_arena_free_bytes(c->arena) + wanted;
    return used < rest ? used + (rest - used) / 2 : rest;
}

/* All that is resident stays below the limit, MORE on the heap included; the arena gets the rest,
 * of which it is asked for WANTED bytes next. */
static bool make_resident(struct ic_chunks *c, uint64_t more, uint64_t wanted)
{
    uint64_t resident = ic_arena_resident_bytes(c->arena) + wanted + IC_ARENA_PAGE_BYTES;
    if (resident_beside(c) + more + resident > c->limit) {
        ic_slots_trim(&c->slots);
    }
    uint64_t beside = resident_beside(c) + more;
    uint64_t rest = beside < c->limit ? c->limit - beside : 0;
    ic_arena_limit(c->arena, arena_limit(c, rest, wanted));
    ic_arena_trim(c->arena, rest);
    return ic_arena_resident_bytes(c->arena) <= rest;
}

/* A slot that was never in the map. */
static void put_new_slot(struct ic_chunks *c, struct ic_chunk *chunk)
{
    chunk->is_hole = true;
    ic_list_push_back(&c->holes, &chunk->hole);
    drop_last_holes(c);
}

/* Adds a chunk that will have LENGTH bytes and is not there. NULL: no room. */
static struct ic_chunk *add(struct ic_chunks *c, struct ic_chunk_name name, uint64_t length,
                            uint32_t unit)
{
    if (length > c->capacity || c->held + ic_chunk_cost(0, unit, 0) > c->capacity) {
        return NULL;
    }
    struct ic_chunk *chunk = get_slot(c);
    if (chunk == NULL) {
        return NULL;
    }
    *chunk = (struct ic_chunk){.name = name, .length = length, .unit = unit};
    if (!make_resident(c, 0, 0) ||
        ic_map_insert(&c->map, &chunk->node, name_slice(&chunk->name)) < 0) {
        put_new_slot(c, chunk);
        return NULL;
    }
    c->held += cost(chunk);
    return chunk;
}

enum ic_frame_status ic_chunks_open(struct ic_chunks *c, uint64_t object_id, uint16_t chunk,
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

/* The block of CRCs is as large as RESERVED bytes need. */
static bool grow_crcs(struct ic_chunk *chunk, uint64_t reserved)
{
    uint64_t bytes = crc_bytes(chunk, reserved);
    if (bytes == crc_bytes(chunk, ic_chunk_reserved(chunk))) {
        return true;
    }
    uint8_t *grown = ic_realloc(chunk->crcs, bytes);
    chunk->crcs = grown == NULL ? chunk->crcs : grown;
    return grown != NULL;
}

enum ic_frame_status ic_chunks_grow(struct ic_chunks *c, struct ic_chunk *chunk, uint64_t bytes)
{
    assert(!chunk->sealed && bytes <= chunk->length);
    uint64_t before = ic_chunk_reserved(chunk), reserved = ic_chunk_grown(bytes, chunk->length);
    if (reserved <= before) {
        return IC_STATUS_OK;
    }
    uint64_t more = ic_chunk_cost(reserved, chunk->unit, 0) - cost(chunk);
    uint64_t heap_before = heap_bytes(chunk), crc = crc_bytes(chunk, reserved);
    if (c->held + more > c->capacity ||
        !make_resident(c, crc - crc_bytes(chunk, before), reserved - before) ||
        !grow_crcs(chunk, reserved) ||
        ic_arena_extend(c->arena, reserved - before, &chunk->extents) < 0) {
        return IC_STATUS_NOSPACE; /* its CRCs may have more room than they need: fine */
    }
    c->held += more;
    chunk->steps = (uint32_t)((reserved + IC_CHUNK_STEP_BYTES - 1) / IC_CHUNK_STEP_BYTES);
    c->heap += heap_bytes(chunk) - heap_before;
    /* If its extents' list was too much, the chunk keeps what it got: whoever writes it gives it
     * up. */
    return make_resident(c, 0, 0) ? IC_STATUS_OK : IC_STATUS_NOSPACE;
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
    assert(offset <= ic_chunk_reserved(chunk) && len <= ic_chunk_reserved(chunk) - offset);
    size_t count = 0;
    *covered = 0;
    const struct ic_extent *extent = ic_extents_list(&chunk->extents);
    const struct ic_extent *end = extent + chunk->extents.count;
    for (; extent < end && *covered < len && count < max; extent++) {
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
    return (struct iovec){crcs(chunk) + 4 * (offset / chunk->unit),
                          4 * unit_count(len, chunk->unit)};
}

static bool is_same_seal(const struct ic_chunk *chunk, const struct ic_seal *seal)
{
    return chunk->length == seal->chunk_length && chunk->version == seal->version &&
           chunk->object_size == seal->object_size && ic_slice_equal(key(chunk), seal->key);
}

/* Copies TEXT to where a chunk keeps its key. IC_ENOMEM: unchanged. */
static int set_key(struct ic_chunk *chunk, struct ic_slice text)
{
    uint8_t *to = chunk->key_inside;
    if (text.len > IC_CHUNK_KEY_INSIDE) {
        to = ic_malloc(text.len);
        if (to == NULL) {
            return IC_ENOMEM;
        }
        chunk->key = to;
    }
    if (text.len > 0) {
        memcpy(to, text.data, text.len);
    }
    chunk->key_len = (uint32_t)text.len;
    return 0;
}

static enum ic_frame_status set_seal(struct ic_chunks *c, struct ic_chunk *chunk,
                                     const struct ic_seal *seal)
{
    if (c->held + seal->key.len > c->capacity || !make_resident(c, seal->key.len, 0)) {
        return IC_STATUS_NOSPACE;
    }
    uint64_t heap_before = heap_bytes(chunk);
    if (set_key(chunk, seal->key) < 0) {
        return IC_STATUS_NOSPACE;
    }
    c->heap += heap_bytes(chunk) - heap_before;
    c->held += seal->key.len;
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
    put_slot(c, chunk);
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
    out->seal = (struct ic_seal){.chunk_length = ic_chunk_reserved(chunk),
                                 .object_size = chunk->object_size,
                                 .version = chunk->version,
                                 .expires_ms = chunk->expires_ms,
                                 .unit = chunk->unit,
                                 .data = chunk->data,
                                 .parity = chunk->parity,
                                 .key = key(chunk)};
}
