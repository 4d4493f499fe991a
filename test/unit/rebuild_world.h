/*
 * rebuild_world.h - who lists chunks to core/rebuild.h, and counts what is unwanted. For
 * test_rebuild.c and test_rebuild_names.c.
 */
#ifndef IC_TEST_UNIT_REBUILD_WORLD_H
#define IC_TEST_UNIT_REBUILD_WORLD_H

#include "code/layout.h"
#include "core/rebuild.h"
#include "proto/link_body.h"
#include "unit/unit.h"

#include <string.h>

enum { EPOCH = 100, FUNCTIONS = 12, SERIAL = 7, UNIT = 64 };
#define ID(n) ((UINT64_C(5) << 40) + (n))

struct owner {
    struct ic_rebuild *r;
    uint64_t unwanted, unwanted_bytes;
    uint32_t gone; /* this serial does not count as there */
};

static inline bool holds(void *ctx, uint16_t function, uint32_t serial)
{
    (void)function;
    return serial != ((struct owner *)ctx)->gone;
}

static inline void unwanted(void *ctx, uint16_t function, uint32_t serial, uint64_t object_id,
                            uint16_t chunk, uint64_t cost)
{
    (void)object_id;
    (void)chunk;
    struct owner *o = ctx;
    assert_true(function < FUNCTIONS && serial > 0 && cost > 0);
    o->unwanted++;
    o->unwanted_bytes += cost;
}

static inline void begin(struct owner *o, uint64_t memory_max)
{
    *o = (struct owner){0};
    struct ic_rebuild_settings s = {
        .seed = 1, .memory_max = memory_max, .holds = holds, .unwanted = unwanted, .ctx = o};
    o->r = ic_rebuild_new(&s);
    assert_non_null(o->r);
}

/* Chunk CHUNK of object ID, version VERSION of KEY: SIZE bytes as 4+2. */
static inline struct ic_item seal(uint64_t id, uint64_t version, const char *key, uint64_t size,
                                  uint16_t chunk)
{
    struct ic_layout l;
    ic_layout_init(&l, size, 4, 2, UNIT);
    return (struct ic_item){.object_id = id,
                            .chunk = chunk,
                            .sealed = true,
                            .written_bytes = l.chunk_length,
                            .seal = {.chunk_length = l.chunk_length,
                                     .object_size = size,
                                     .version = version,
                                     .unit = UNIT,
                                     .data = 4,
                                     .parity = 2,
                                     .key = ic_slice_str(key)}};
}

static inline void give(struct owner *o, uint16_t function, uint32_t serial, struct ic_item item)
{
    assert_int_equal(ic_rebuild_item(o->r, function, serial, EPOCH, &item), 0);
}

/* The next version that is shown. */
static inline bool next(struct owner *o, struct ic_rebuilt *v)
{
    enum ic_rebuild_next result;
    while (ic_rebuild_decide_name(o->r) > 0) {
    }
    while ((result = ic_rebuild_next(o->r, v)) == IC_REBUILD_HIDDEN) {
    }
    return result == IC_REBUILD_SHOWN;
}

static inline uint32_t found(const struct ic_rebuilt *v)
{
    uint32_t n = 0;
    for (int i = 0; i < v->data + v->parity; i++) {
        n += v->place[i].serial != 0;
    }
    return n;
}

/* As seal, of another code. */
static inline struct ic_item seal_of(uint64_t id, uint64_t version, const char *key, uint16_t data,
                                     uint16_t parity, uint16_t chunk)
{
    struct ic_item item = seal(id, version, key, 1000, chunk);
    struct ic_layout l;
    ic_layout_init(&l, 1000, data, parity, UNIT);
    item.seal.data = data;
    item.seal.parity = parity;
    item.seal.chunk_length = item.written_bytes = l.chunk_length;
    return item;
}

/* Chunks FIRST .. LAST of an object, each on a function of its own. */
static inline void give_chunks(struct owner *o, uint64_t id, uint64_t version, uint16_t first,
                               uint16_t last)
{
    for (uint16_t i = first; i <= last; i++) {
        give(o, i, SERIAL, seal(id, version, "a", 1000, i));
    }
}

/* What "a" shows: an object that has CHUNKS chunks; everything is asked for, and freed. */
static inline void check_shown(struct owner *o, uint64_t id, uint32_t chunks)
{
    struct ic_rebuilt v;
    bool shown = false;
    while (next(o, &v)) {
        if (ic_slice_equal(v.key, ic_slice_str("a"))) {
            assert_false(shown);
            assert_int_equal(v.id, id);
            assert_int_equal(found(&v), chunks);
            shown = true;
        }
    }
    assert_true(shown);
    assert_int_equal(ic_rebuild_stats(o->r).claims, 0);
    ic_rebuild_free(o->r);
}

#endif
