/*
 * reader_recall.c - a read that too few chunks are in reach for, because other instances answer in
 * place of those that have them: as many are recalled as are needed (recall.h), and the read goes
 * on when they are there.
 */
#include "base/alloc.h"
#include "proxy/reader_internal.h"
#include "proxy/recall.h"
#include "proxy/store.h"

enum { RECALLS_MAX = 3 }; /* of a chunk's instance in a row, without a span completed */

struct recalled {
    struct ic_recall recall;
    uint8_t in_a_row;
};

struct ic_reader_recalls {
    uint32_t waiting;
    uint16_t count;
    struct recalled chunk[];
};

/* A third instance came when that of CHUNK was recalled. */
static bool came_in_vain(const struct ic_reader *r, uint16_t chunk)
{
    return r->recalls != NULL && ic_recall_active(&r->recalls->chunk[chunk].recall);
}

bool ic_reader_may_return(const struct ic_reader *r, uint16_t chunk)
{
    return ic_reader_is_away(r, chunk) && !came_in_vain(r, chunk);
}

static bool is_worn_out(const struct ic_reader *r, uint16_t chunk)
{
    return r->recalls != NULL && r->recalls->chunk[chunk].in_a_row == RECALLS_MAX;
}

/* Chunks whose instances can be recalled, and nothing else is wrong with. */
static uint64_t away_chunks(const struct ic_reader *r)
{
    uint64_t away = 0;
    for (uint16_t i = 0; i < r->object->data + r->object->parity; i++) {
        uint64_t bit = UINT64_C(1) << i;
        bool failed = (r->failed & ~r->away & bit) != 0;
        away |= !failed && ic_reader_may_return(r, i) && !is_worn_out(r, i) ? bit : 0;
    }
    return away;
}

/* Chunks that may still be had as things are. */
static uint32_t usable(const struct ic_reader *r)
{
    uint32_t count = 0;
    for (uint16_t i = 0; i < r->object->data + r->object->parity; i++) {
        count += (r->failed >> i & 1) == 0 && ic_reader_is_reachable(r, i);
    }
    return count;
}

static void on_recalled(struct ic_recall *recall, int result)
{
    struct ic_reader *r = recall->ctx;
    if (result < 0) {
        const struct recalled *chunk = IC_CONTAINER(recall, struct recalled, recall);
        uint64_t bit = UINT64_C(1) << (chunk - r->recalls->chunk);
        r->error = result;
        r->failed |= bit;
        r->away &= ~bit;
    }
    if (--r->recalls->waiting == 0) {
        r->failed &= ~r->away;
        r->away = 0;
        ic_timer_start(&r->kick, 0);
    }
}

bool ic_reader_recalling(const struct ic_reader *r)
{
    return r->recalls != NULL && r->recalls->waiting > 0;
}

void ic_reader_went_on(struct ic_reader *r)
{
    for (uint16_t i = 0; r->recalls != NULL && i < r->recalls->count; i++) {
        r->recalls->chunk[i].in_a_row = 0;
    }
}

void ic_reader_end_recalls(struct ic_reader *r)
{
    for (uint16_t i = 0; r->recalls != NULL && i < r->recalls->count; i++) {
        ic_recall_end(&r->recalls->chunk[i].recall);
    }
}

void ic_reader_free_recalls(struct ic_reader *r)
{
    for (uint16_t i = 0; r->recalls != NULL && i < r->recalls->count; i++) {
        ic_recall_deinit(&r->recalls->chunk[i].recall);
    }
    ic_free(r->recalls);
}

/* IC_ENOMEM. */
static int make_recalls(struct ic_reader *r)
{
    uint16_t count = (uint16_t)(r->object->data + r->object->parity);
    if (r->recalls != NULL) {
        return 0;
    }
    r->recalls = ic_calloc(1, sizeof *r->recalls + count * sizeof(struct recalled));
    if (r->recalls == NULL) {
        return IC_ENOMEM;
    }
    r->recalls->count = count;
    for (uint16_t i = 0; i < count; i++) {
        ic_recall_init(&r->recalls->chunk[i].recall, r->proxy, on_recalled, r);
    }
    return 0;
}

bool ic_reader_recall(struct ic_reader *r)
{
    if (ic_reader_recalling(r)) {
        return true;
    }
    uint64_t away = away_chunks(r);
    uint32_t have = usable(r), d = r->object->data;
    uint32_t lacking = have < d ? d - have : 0;
    if (r->chunks != 0 || lacking == 0 || (uint32_t)__builtin_popcountll(away) < lacking ||
        make_recalls(r) < 0) {
        return false;
    }
    r->recalls->waiting = lacking;
    for (; lacking > 0; lacking--, away &= away - 1) {
        uint16_t chunk = (uint16_t)__builtin_ctzll(away);
        r->recalls->chunk[chunk].in_a_row++;
        ic_recall_begin(&r->recalls->chunk[chunk].recall, r->object->place[chunk].function,
                        ic_store_holder(r->proxy->store, r->object, chunk));
    }
    return true;
}
