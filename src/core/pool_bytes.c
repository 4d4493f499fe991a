/* pool_bytes.c - what each instance holds, takes in and is to delete. */
#include "core/pool_internal.h"

#include "base/alloc.h"

struct ic_pool_space ic_pool_space(const struct ic_pool *pool, uint16_t function)
{
    const struct ic_pool_function *f = ic_pool_at(pool, function);
    const struct ic_pool_instance *instance = ic_pool_find(pool, function, f->current);
    bool ending = instance != NULL && instance->dying;
    uint64_t used = f->planned;
    if (instance != NULL && !ending) {
        used += instance->live + instance->in_flight;
    }
    uint64_t capacity = instance == NULL ? pool->settings.capacity : instance->capacity;
    return (struct ic_pool_space){
        .room = used < capacity ? capacity - used : 0, .capacity = capacity, .ending = ending};
}

uint64_t ic_pool_capacity(const struct ic_pool *pool, uint16_t function)
{
    return ic_pool_space(pool, function).capacity;
}

uint64_t ic_pool_room(const struct ic_pool *pool, uint16_t function)
{
    return ic_pool_space(pool, function).room;
}

static void take(uint64_t *bytes, uint64_t cost)
{
    assert(*bytes >= cost);
    *bytes -= cost;
}

void ic_pool_plan(struct ic_pool *pool, uint16_t function, uint64_t cost)
{
    ic_pool_at(pool, function)->planned += cost;
}

void ic_pool_unplan(struct ic_pool *pool, uint16_t function, uint64_t cost)
{
    take(&ic_pool_at(pool, function)->planned, cost);
}

void ic_pool_begin(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost)
{
    ic_pool_unplan(pool, function, cost);
    ic_pool_copy(pool, function, serial, cost);
}

void ic_pool_copy(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost)
{
    struct ic_pool_instance *instance = ic_pool_find(pool, function, serial);
    if (instance != NULL) {
        instance->in_flight += cost;
        instance->in_flight_chunks++;
    }
}

void ic_pool_grow(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost)
{
    struct ic_pool_instance *instance = ic_pool_find(pool, function, serial);
    if (instance != NULL) {
        instance->in_flight += cost;
    }
}

void ic_pool_restore_chunk(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost)
{
    struct ic_pool_instance *instance = ic_pool_find(pool, function, serial);
    if (instance != NULL) {
        instance->live += cost;
        instance->live_chunks++;
    }
}

void ic_pool_sealed(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t begun,
                    uint64_t cost)
{
    struct ic_pool_instance *instance = ic_pool_find(pool, function, serial);
    if (instance != NULL) {
        take(&instance->in_flight, begun);
        take(&instance->in_flight_chunks, 1);
        ic_pool_restore_chunk(pool, function, serial, cost);
    }
}

void ic_pool_missing(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t cost)
{
    struct ic_pool_instance *instance = ic_pool_find(pool, function, serial);
    if (instance != NULL) {
        take(&instance->live, cost);
        take(&instance->live_chunks, 1);
    }
}

void ic_pool_condemn(struct ic_pool *pool, uint16_t function, uint32_t serial, uint64_t object_id,
                     uint16_t chunk, uint64_t cost, enum ic_pool_from from)
{
    struct ic_pool_instance *instance = ic_pool_find(pool, function, serial);
    if (instance == NULL) {
        return;
    }
    switch (from) {
    case IC_POOL_FROM_LIVE:
        take(&instance->live, cost);
        take(&instance->live_chunks, 1);
        break;
    case IC_POOL_FROM_IN_FLIGHT:
        take(&instance->in_flight, cost);
        take(&instance->in_flight_chunks, 1);
        break;
    case IC_POOL_FROM_LIST:
        break;
    }
    struct ic_condemned c = {.object_id = object_id, .chunk = chunk, .cost = cost};
    if (!ic_condemned_push_back(&instance->condemned_queue, &c)) {
        instance->known = false;
        return;
    }
    instance->condemned += cost;
    instance->condemned_chunks++;
}

void ic_pool_condemned_return(struct ic_pool *pool, uint16_t function, uint32_t serial,
                              const struct ic_condemned *condemned)
{
    struct ic_pool_instance *instance = ic_pool_find(pool, function, serial);
    if (instance != NULL && !ic_condemned_push_front(&instance->condemned_queue, condemned)) {
        take(&instance->condemned, condemned->cost);
        take(&instance->condemned_chunks, 1);
        instance->known = false;
    }
}

void ic_pool_deleted(struct ic_pool *pool, uint16_t function, uint32_t serial,
                     const struct ic_condemned *condemned)
{
    struct ic_pool_instance *instance = ic_pool_find(pool, function, serial);
    if (instance != NULL) {
        take(&instance->condemned, condemned->cost);
        take(&instance->condemned_chunks, 1);
    }
}
