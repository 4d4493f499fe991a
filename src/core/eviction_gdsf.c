/*
 * eviction_gdsf.c - Greedy Dual Size Frequency (Cherkasova, HPL-98-69R1, 1998) with cost 1:
 * it maximises hits by object. Priority = L + frequency / size; L, the age, is the
 * priority of the last victim, so that what is not used any more sinks relatively.
 *
 *     heap: [ least L + f/s first ] --victim--> L = its priority
 *     list: [ used last ... used longest ago ] --idle for longer than `patience`--> victim
 *
 * That alone keeps tiny objects for ever: beside objects of 16 MB, L rises by 1/16 MB while the
 * cache is turned over once, and one of 1 KB has 16,000 times as much to lose. So what has been
 * idle for longer than `patience` goes first, whatever its size. How long that is follows from what
 * is asked for:
 *
 *     idle time: bytes that came since the last use; a turnover: the bytes that are there
 *     a hit after an idle time t, or a read in vain of what went that way: patience >= 4 t
 *     else it fades by 1/32 a turnover; it counts as at least one turnover, and at most 256
 *
 * Where nothing is read again, or soon or never, that is one turnover and all goes in the order in
 * which it came; where tiny objects are asked for after many turnovers, they are kept for so many.
 */
#include "core/eviction_policy.h"

enum { GHOSTS = 4096 }; /* a power of two; 64 KiB */

static const double TURNOVERS_MIN = 1;   /* patience: what lru gives everything */
static const double TURNOVERS_MAX = 256; /* so that anything goes in the end */
static const double PATIENCE_PER_IDLE = 4;
static const double FADE = 1.0 / 32; /* of the patience, per turnover */

struct ghost { /* what went because it was idle */
    uint64_t name;
    uint64_t used; /* 0: free */
};

struct gdsf {
    struct ic_eviction_order base;
    struct ic_heap heap;
    struct ic_list used; /* last first */
    double age;          /* L */
    uint64_t clock;      /* bytes that came, less those that their owner took away; one per use */
    uint64_t bytes;      /* there, but for what is away */
    double patience;     /* bytes, as of `faded` on the clock */
    uint64_t faded;
    struct ghost ghost[GHOSTS];
};

static struct gdsf *gdsf_of(struct ic_eviction_order *e)
{
    return IC_CONTAINER(e, struct gdsf, base);
}

static struct ic_eviction_node *node_of(const struct ic_heap_node *node)
{
    return IC_CONTAINER(node, struct ic_eviction_node, heap);
}

static bool before(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    const struct ic_eviction_node *x = node_of(a), *y = node_of(b);
    return x->priority < y->priority || (x->priority <= y->priority && x->used < y->used);
}

static void init(struct ic_eviction_order *e)
{
    struct gdsf *g = gdsf_of(e);
    ic_heap_init(&g->heap, before);
    ic_list_init(&g->used);
}

static void deinit(struct ic_eviction_order *e)
{
    ic_heap_deinit(&gdsf_of(e)->heap);
}

static uint64_t more_memory(const struct ic_eviction_order *e)
{
    return IC_CONTAINER(e, const struct gdsf, base)->heap.cap * sizeof(void *);
}

/* ---- patience --------------------------------------------------------------- */

/* Bytes since THEN on the clock, which goes back when the owner takes bytes away. */
static double since(const struct gdsf *g, uint64_t then)
{
    return g->clock <= then ? 0 : (double)(g->clock - then);
}

static void fade(struct gdsf *g)
{
    double part = FADE * since(g, g->faded) / (double)(g->bytes + 1);
    g->patience *= part < 1 ? 1 - part : 0;
    g->faded = g->clock;
}

/* It was asked for after it had been idle since THEN. */
static void learn(struct gdsf *g, uint64_t then)
{
    double wanted = PATIENCE_PER_IDLE * since(g, then);
    fade(g);
    g->patience = wanted > g->patience ? wanted : g->patience;
}

static struct ghost *ghost_of(struct gdsf *g, uint64_t name)
{
    return &g->ghost[name % GHOSTS];
}

static void missed(struct ic_eviction_order *e, uint64_t name)
{
    struct gdsf *g = gdsf_of(e);
    struct ghost *ghost = ghost_of(g, name);
    if (ghost->used != 0 && ghost->name == name) {
        learn(g, ghost->used);
        ghost->used = 0;
    }
}

/* NULL: nothing has been idle for so long. */
static struct ic_eviction_node *idle_too_long(struct gdsf *g)
{
    fade(g);
    if (ic_list_empty(&g->used)) {
        return NULL;
    }
    struct ic_eviction_node *node = ic_eviction_of(g->used.prev);
    double least = TURNOVERS_MIN * (double)g->bytes, most = TURNOVERS_MAX * (double)g->bytes;
    double patience = g->patience < most ? g->patience : most;
    return since(g, node->used) >= (patience > least ? patience : least) ? node : NULL;
}

/* ---- the policy ------------------------------------------------------------- */

static void use(struct gdsf *g, struct ic_eviction_node *node)
{
    double uses = 1 + (double)node->frequency;
    node->priority = g->age + uses / (double)node->size;
    node->used = ++g->clock;
    ic_list_push_front(&g->used, &node->link);
}

static int insert(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    struct gdsf *g = gdsf_of(e);
    g->clock += node->size;
    g->bytes += node->size;
    use(g, node);
    int result = ic_heap_insert(&g->heap, &node->heap);
    if (result < 0) {
        ic_list_remove(&node->link);
        g->clock -= node->size;
        g->bytes -= node->size;
    }
    return result;
}

static void access_node(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    struct gdsf *g = gdsf_of(e);
    learn(g, node->used);
    node->frequency += node->frequency < UINT32_MAX;
    ic_list_remove(&node->link);
    use(g, node);
    ic_heap_moved(&g->heap, &node->heap);
}

static void take(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    struct gdsf *g = gdsf_of(e);
    ic_heap_remove(&g->heap, &node->heap);
    ic_list_remove(&node->link);
    g->bytes -= node->size;
}

static void taken_away(struct ic_eviction_order *e, const struct ic_eviction_node *node)
{
    gdsf_of(e)->clock -= node->size;
}

static struct ic_eviction_node *victim(struct ic_eviction_order *e)
{
    struct gdsf *g = gdsf_of(e);
    struct ic_eviction_node *node = idle_too_long(g);
    if (node != NULL) {
        *ghost_of(g, node->name) = (struct ghost){.name = node->name, .used = node->used};
    } else if (ic_heap_first(&g->heap) != NULL) {
        node = node_of(ic_heap_first(&g->heap));
        g->age = node->priority;
    } else {
        return NULL;
    }
    take(e, node);
    return node;
}

/* `used` is still the time of its last use, for `access` to learn from. */
static int give_back(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    struct gdsf *g = gdsf_of(e);
    int result = ic_heap_insert(&g->heap, &node->heap);
    if (result >= 0) {
        ic_list_push_front(&g->used, &node->link);
        g->bytes += node->size;
    }
    return result;
}

static struct ic_eviction_node *oldest(struct ic_eviction_order *e)
{
    struct gdsf *g = gdsf_of(e);
    if (ic_list_empty(&g->used)) {
        return NULL;
    }
    struct ic_eviction_node *node = ic_eviction_of(g->used.prev);
    take(e, node);
    return node;
}

const struct ic_eviction_policy ic_eviction_gdsf = {
    .size = sizeof(struct gdsf),
    .init = init,
    .deinit = deinit,
    .more_memory = more_memory,
    .insert = insert,
    .access = access_node,
    .take = take,
    .victim = victim,
    .give_back = give_back,
    .taken_away = taken_away,
    .oldest = oldest,
    .missed = missed,
};
