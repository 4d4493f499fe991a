#include "proxy/reader_internal.h"

#include "base/config.h"
#include "code/rs.h"
#include "core/read_plan.h"
#include "proxy/store.h"

/* How a READ of the chunk would fare, on the better of the instances that have it. */
static enum ic_function_status status_of(const struct ic_reader *r, uint16_t chunk)
{
    if (r->object->place[chunk].state != IC_CHUNK_HELD) {
        return IC_STATUS_GONE;
    }
    return ic_functions_status(r->proxy->functions, r->object->place[chunk].function,
                               ic_store_holder(r->proxy->store, r->object, chunk));
}

bool ic_reader_is_reachable(const struct ic_reader *r, uint16_t chunk)
{
    enum ic_function_status status = status_of(r, chunk);
    return status != IC_STATUS_AWAY && status != IC_STATUS_GONE;
}

bool ic_reader_is_away(const struct ic_reader *r, uint16_t chunk)
{
    return status_of(r, chunk) == IC_STATUS_AWAY;
}

bool ic_reader_wakes(const struct ic_reader *r, uint16_t chunk)
{
    enum ic_function_status status = status_of(r, chunk);
    return status == IC_STATUS_ASLEEP || status == IC_STATUS_WAKING;
}

static enum ic_read_cost cost_of(const struct ic_reader *r, uint16_t chunk, size_t least_backlog)
{
    const struct ic_chunk_place *place = &r->object->place[chunk];
    struct ic_functions *functions = r->proxy->functions;
    uint64_t bit = UINT64_C(1) << chunk;
    if ((r->failed & bit) != 0) {
        return IC_READ_NEVER;
    }
    if ((r->chosen & bit) != 0) {
        return IC_READ_CHOSEN;
    }
    enum ic_function_status status = status_of(r, chunk);
    switch (status) {
    case IC_STATUS_GONE:
    case IC_STATUS_AWAY:
        return IC_READ_NEVER;
    case IC_STATUS_DOWN:
        return IC_READ_DOWN;
    default:
        break;
    }
    if ((r->late & bit) != 0 || status == IC_STATUS_SLOW) {
        return IC_READ_LATE;
    }
    if (status == IC_STATUS_ASLEEP) {
        return IC_READ_ASLEEP;
    }
    if (status == IC_STATUS_WAKING) {
        return IC_READ_WAKING;
    }
    size_t backlog = ic_functions_backlog(functions, place->function);
    return backlog > least_backlog + IC_READ_BUSY_BYTES ? IC_READ_BUSY : IC_READ_AWAKE;
}

static void costs(const struct ic_reader *r, uint8_t cost[IC_RS_CHUNKS_MAX])
{
    uint16_t count = (uint16_t)(r->object->data + r->object->parity);
    size_t least = SIZE_MAX;
    for (uint16_t i = 0; i < count; i++) {
        const struct ic_chunk_place *place = &r->object->place[i];
        size_t backlog = place->state == IC_CHUNK_HELD
                             ? ic_functions_backlog(r->proxy->functions, place->function)
                             : least;
        least = backlog < least ? backlog : least;
    }
    for (uint16_t i = 0; i < count; i++) {
        cost[i] = (uint8_t)cost_of(r, i, least);
    }
}

/* All of CHUNKS could be asked with good hope. */
static bool all_at_hand(const uint8_t *cost, uint64_t chunks)
{
    for (; chunks != 0; chunks &= chunks - 1) {
        if (cost[__builtin_ctzll(chunks)] > IC_READ_ASLEEP) {
            return false;
        }
    }
    return true;
}

/* Of each stripe. */
static uint32_t chunks_to_ask(const struct ic_reader *r)
{
    bool always = r->proxy->config->hedge == IC_HEDGE_ALWAYS && r->chunks == 0;
    return r->object->data + (always ? r->object->parity : 0U);
}

int ic_reader_plan(const struct ic_reader *r, const struct ic_span *span, uint64_t *more)
{
    const uint32_t d = r->object->data;
    uint64_t good = span->held | (span->asked & ~span->late);
    uint64_t all = (UINT64_C(1) << (d + r->object->parity)) - 1;
    uint8_t cost[IC_RS_CHUNKS_MAX];
    *more = 0;
    if ((span->need & ~good) == 0) {
        return 0;
    }
    costs(r, cost);
    if ((good | span->asked) == 0 && (uint32_t)__builtin_popcountll(span->need) < d &&
        all_at_hand(cost, span->need)) {
        *more = span->need; /* part of a stripe: no need for d */
        return 0;
    }
    uint32_t have = (uint32_t)__builtin_popcountll(good);
    uint32_t want = chunks_to_ask(r);
    if (have < want) {
        *more = ic_read_plan(cost, all & ~(span->held | span->asked), want - have);
    }
    uint64_t hope = span->held | span->asked | *more;
    bool hopeless = (span->need & ~hope) != 0 && (uint32_t)__builtin_popcountll(hope) < d;
    return hopeless ? IC_EUNAVAIL : 0;
}
