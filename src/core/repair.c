#include "core/repair.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"

#include <assert.h>

struct waiting { /* one id */
    struct ic_map_node map_node;
    struct ic_list node; /* in its level */
    uint64_t id;
    uint32_t level;
};

struct ic_repair_queue {
    struct ic_map ids;
    struct ic_list level[IC_REPAIR_LEVELS];
    uint32_t most;
    uint32_t idle_retries; /* in a row, since a repair succeeded */
    uint64_t begins_ms;    /* when the gathering ends; UINT64_MAX: the queue is empty */
    uint64_t retry_ms;     /* UINT64_MAX: none is due */
};

static struct waiting *of_map(struct ic_map_node *node)
{
    return IC_CONTAINER(node, struct waiting, map_node);
}

static bool matches(const struct ic_map_node *node, struct ic_slice key)
{
    const struct waiting *w = IC_CONTAINER(node, struct waiting, map_node);
    return memcmp(&w->id, key.data, sizeof w->id) == 0;
}

static struct ic_slice key_of(const uint64_t *id)
{
    return ic_slice(id, sizeof *id);
}

struct ic_repair_queue *ic_repair_queue_new(uint32_t most, uint64_t seed)
{
    struct ic_repair_queue *q = ic_calloc(1, sizeof *q);
    if (q == NULL) {
        return NULL;
    }
    ic_map_init(&q->ids, seed, matches);
    for (size_t i = 0; i < IC_REPAIR_LEVELS; i++) {
        ic_list_init(&q->level[i]);
    }
    q->most = most;
    q->begins_ms = q->retry_ms = UINT64_MAX;
    return q;
}

static void forget(struct ic_repair_queue *q, struct waiting *w)
{
    ic_map_remove(&q->ids, &w->map_node);
    ic_list_remove(&w->node);
    ic_free(w);
    if (q->ids.count == 0) {
        q->begins_ms = UINT64_MAX;
    }
}

static struct waiting *first_of(struct ic_list *level)
{
    return IC_CONTAINER(level->next, struct waiting, node);
}

void ic_repair_forget_all(struct ic_repair_queue *q)
{
    for (size_t i = 0; i < IC_REPAIR_LEVELS; i++) {
        while (!ic_list_empty(&q->level[i])) {
            forget(q, first_of(&q->level[i]));
        }
    }
    q->retry_ms = UINT64_MAX;
}

void ic_repair_queue_free(struct ic_repair_queue *q)
{
    if (q != NULL) {
        ic_repair_forget_all(q);
        ic_map_deinit(&q->ids);
        ic_free(q);
    }
}

/* ---- the queue -------------------------------------------------------------- */

uint32_t ic_repair_level(int64_t idle_ms, uint32_t spare)
{
    uint64_t idle_s = idle_ms < 0 ? 0 : (uint64_t)idle_ms / 1000;
    uint32_t level = 63 - (uint32_t)__builtin_clzll(idle_s + 1);
    level = level < IC_REPAIR_URGENT_LEVELS ? level : IC_REPAIR_URGENT_LEVELS - 1;
    return level + (spare == 0 ? 0 : IC_REPAIR_URGENT_LEVELS);
}
static_assert((int)IC_REPAIR_LEVELS == 2 * (int)IC_REPAIR_URGENT_LEVELS, "each idle time twice");

bool ic_repair_is_urgent(const struct ic_repair_queue *q)
{
    for (size_t i = 0; i < IC_REPAIR_URGENT_LEVELS; i++) {
        if (!ic_list_empty(&q->level[i])) {
            return true;
        }
    }
    return false;
}

/* Makes room for one of LEVEL at the cost of a less urgent one. False: there is none. */
static bool push_out(struct ic_repair_queue *q, uint32_t level)
{
    for (uint32_t i = IC_REPAIR_LEVELS - 1; i > level; i--) {
        if (!ic_list_empty(&q->level[i])) {
            forget(q, IC_CONTAINER(q->level[i].prev, struct waiting, node));
            return true;
        }
    }
    return false;
}

static int add(struct ic_repair_queue *q, uint64_t id, uint32_t level)
{
    struct waiting *w = ic_malloc(sizeof *w);
    if (w == NULL) {
        return IC_ENOMEM;
    }
    *w = (struct waiting){.id = id, .level = level};
    if (ic_map_insert(&q->ids, &w->map_node, key_of(&id)) < 0) {
        ic_free(w);
        return IC_ENOMEM;
    }
    ic_list_push_back(&q->level[level], &w->node);
    return 1;
}

int ic_repair_offer(struct ic_repair_queue *q, uint64_t id, uint32_t level, uint64_t now_ms)
{
    assert(level < IC_REPAIR_LEVELS);
    struct ic_map_node *found = ic_map_find(&q->ids, key_of(&id));
    if (found != NULL) {
        struct waiting *w = of_map(found);
        if (level < w->level) {
            w->level = level;
            ic_list_remove(&w->node);
            ic_list_push_back(&q->level[level], &w->node);
        }
        return 0;
    }
    bool full = q->ids.count >= q->most;
    int result = !full || push_out(q, level) ? add(q, id, level) : IC_ENOSPC;
    if (q->ids.count > 0 && q->begins_ms == UINT64_MAX) {
        q->begins_ms = now_ms + IC_REPAIR_GATHER_MS;
    }
    if (result < 0 || full) {
        ic_repair_failed(q, now_ms);
    }
    return full && result > 0 ? IC_ENOSPC : result;
}

/* Of the first few of LEVEL the one with most functions awake; those not to be repaired are
 * forgotten. NULL: the level is empty by now, or *LOOKS are 0. */
static struct waiting *best_of(struct ic_repair_queue *q, struct ic_list *level,
                               int (*awake)(void *ctx, uint64_t id), void *ctx, uint32_t *looks)
{
    struct waiting *best = NULL;
    int most = -1, looked_at = 0;
    IC_LIST_EACH (node, level) {
        struct waiting *w = IC_CONTAINER(node, struct waiting, node);
        if (*looks == 0) {
            break;
        }
        --*looks;
        int count = awake(ctx, w->id);
        if (count < 0) {
            forget(q, w);
            continue;
        }
        if (count > most) {
            best = w;
            most = count;
        }
        if (++looked_at == IC_REPAIR_LOOK_MAX) {
            break;
        }
    }
    return best;
}

bool ic_repair_next(struct ic_repair_queue *q, uint64_t now_ms,
                    int (*awake)(void *ctx, uint64_t id), void *ctx, uint32_t *looks, uint64_t *id)
{
    for (size_t i = 0; i < IC_REPAIR_LEVELS && q->begins_ms <= now_ms; i++) {
        struct waiting *best = best_of(q, &q->level[i], awake, ctx, looks);
        if (best != NULL) {
            *id = best->id;
            forget(q, best);
            return true;
        }
    }
    return false;
}

uint64_t ic_repair_next_at(const struct ic_repair_queue *q)
{
    return q->begins_ms;
}

uint32_t ic_repair_waiting(const struct ic_repair_queue *q)
{
    return (uint32_t)q->ids.count;
}

/* ---- retries ---------------------------------------------------------------- */

void ic_repair_succeeded(struct ic_repair_queue *q)
{
    q->idle_retries = 0;
}

void ic_repair_failed(struct ic_repair_queue *q, uint64_t now_ms)
{
    uint64_t wait_ms = IC_REPAIR_RETRY_MIN_MS;
    for (uint32_t i = 0; i < q->idle_retries && wait_ms < IC_REPAIR_RETRY_MAX_MS; i++) {
        wait_ms *= 2;
    }
    wait_ms = wait_ms < IC_REPAIR_RETRY_MAX_MS ? wait_ms : IC_REPAIR_RETRY_MAX_MS;
    if (q->retry_ms == UINT64_MAX) {
        q->retry_ms = now_ms + wait_ms;
    }
}

uint64_t ic_repair_retry_at(const struct ic_repair_queue *q)
{
    return q->retry_ms;
}

void ic_repair_retried(struct ic_repair_queue *q)
{
    q->retry_ms = UINT64_MAX;
    q->idle_retries++;
}

/* ---- places ----------------------------------------------------------------- */

int ic_repair_places(struct ic_candidate *candidate, uint32_t count, const uint16_t *taken,
                     uint32_t taken_count, uint64_t cost, uint32_t wanted, struct ic_rng *rng,
                     uint16_t *out)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < taken_count; i++) {
        candidate[taken[i]].room = 0;
    }
    int result = ic_placement_choose(candidate, count, cost, wanted, rng, out, &missing);
    if (result < 0 && missing < wanted) {
        wanted -= missing;
        result = ic_placement_choose(candidate, count, cost, wanted, rng, out, NULL);
    }
    return result < 0 ? IC_ENOSPC : (int)wanted;
}
