/*
 * eviction_s3fifo.c - S3-FIFO (Yang et al., "FIFO Queues are All You Need for Cache
 * Eviction", SOSP 2023), with queue sizes counted in bytes.
 *
 *     new ---------------> [ small: 10 % of the bytes ] --not used--> victim, name --> ghost
 *     name is in ghost --.          '--used more than once--.
 *                        '--------> [ main ] <--------------'  used: goes round, less one hit
 *                                      '--not used--> victim
 */
#include "core/eviction_policy.h"

#include <stdbool.h>

enum {
    SMALL_PERCENT = 10,
    HITS_MAX = 3,
    GHOST_SETS = 16384, /* a power of two */
    GHOST_WAYS = 4,     /* GHOST_SETS * GHOST_WAYS names of 16 bytes = 1 MiB */
};
enum { QUEUE_SMALL, QUEUE_MAIN };

struct ghost {
    uint64_t name;
    uint64_t when; /* evictions into the ghost so far, from 1; 0: free */
};

struct s3fifo {
    struct ic_eviction_order base;
    struct ic_list queue[2]; /* newest first */
    uint64_t bytes[2];
    uint64_t main_count;
    uint64_t ghost_clock;
    struct ghost ghost[GHOST_SETS][GHOST_WAYS];
};

static struct s3fifo *s3fifo_of(struct ic_eviction_order *e)
{
    return IC_CONTAINER(e, struct s3fifo, base);
}

static void init(struct ic_eviction_order *e)
{
    struct s3fifo *s = s3fifo_of(e);
    ic_list_init(&s->queue[QUEUE_SMALL]);
    ic_list_init(&s->queue[QUEUE_MAIN]);
}

/* The ghost remembers as many names as the main queue has objects: older ones do not count. */
static bool ghost_take(struct s3fifo *s, uint64_t name)
{
    struct ghost *set = s->ghost[name % GHOST_SETS];
    for (size_t i = 0; i < GHOST_WAYS; i++) {
        if (set[i].when != 0 && set[i].name == name) {
            bool remembered = s->ghost_clock - set[i].when <= s->main_count;
            set[i].when = 0;
            return remembered;
        }
    }
    return false;
}

static void ghost_put(struct s3fifo *s, uint64_t name)
{
    struct ghost *set = s->ghost[name % GHOST_SETS];
    struct ghost *oldest = &set[0];
    for (size_t i = 1; i < GHOST_WAYS; i++) {
        if (set[i].when < oldest->when) {
            oldest = &set[i];
        }
    }
    *oldest = (struct ghost){.name = name, .when = ++s->ghost_clock};
}

static void push(struct s3fifo *s, struct ic_eviction_node *node, uint8_t queue)
{
    node->queue = queue;
    node->frequency = 0;
    s->bytes[queue] += node->size;
    s->main_count += queue == QUEUE_MAIN;
    ic_list_push_front(&s->queue[queue], &node->link);
}

static void take(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    struct s3fifo *s = s3fifo_of(e);
    s->bytes[node->queue] -= node->size;
    s->main_count -= node->queue == QUEUE_MAIN;
    ic_list_remove(&node->link);
}

static int insert(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    struct s3fifo *s = s3fifo_of(e);
    push(s, node, ghost_take(s, node->name) ? QUEUE_MAIN : QUEUE_SMALL);
    return 0;
}

static void access_node(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    (void)e;
    if (node->frequency < HITS_MAX) {
        node->frequency++;
    }
}

/* The oldest of the small queue that was used at most once; others go to main. NULL: none. */
static struct ic_eviction_node *victim_small(struct s3fifo *s)
{
    for (; !ic_list_empty(&s->queue[QUEUE_SMALL]); s->base.passes--) {
        struct ic_eviction_node *node = ic_eviction_of(s->queue[QUEUE_SMALL].prev);
        bool used = node->frequency > 1 && s->base.passes > 0;
        take(&s->base, node);
        if (!used) {
            ghost_put(s, node->name);
            return node;
        }
        push(s, node, QUEUE_MAIN);
    }
    return NULL;
}

static struct ic_eviction_node *victim_main(struct s3fifo *s)
{
    for (; !ic_list_empty(&s->queue[QUEUE_MAIN]); s->base.passes--) {
        struct ic_eviction_node *node = ic_eviction_of(s->queue[QUEUE_MAIN].prev);
        uint32_t hits = node->frequency;
        take(&s->base, node);
        if (hits == 0 || s->base.passes == 0) {
            return node;
        }
        push(s, node, QUEUE_MAIN);
        node->frequency = hits - 1;
    }
    return NULL;
}

static struct ic_eviction_node *victim(struct ic_eviction_order *e)
{
    struct s3fifo *s = s3fifo_of(e);
    uint64_t total = s->bytes[QUEUE_SMALL] + s->bytes[QUEUE_MAIN];
    struct ic_eviction_node *node = NULL;
    if (s->bytes[QUEUE_SMALL] >= total / 100 * SMALL_PERCENT) {
        node = victim_small(s);
    }
    if (node == NULL) {
        node = victim_main(s);
    }
    return node != NULL ? node : victim_small(s);
}

static int give_back(struct ic_eviction_order *e, struct ic_eviction_node *node)
{
    push(s3fifo_of(e), node, QUEUE_MAIN);
    return 0;
}

/* First all of small, then of main, where nothing is that was not used. */
static struct ic_eviction_node *oldest(struct ic_eviction_order *e)
{
    struct s3fifo *s = s3fifo_of(e);
    for (int queue = QUEUE_SMALL; queue <= QUEUE_MAIN; queue++) {
        if (!ic_list_empty(&s->queue[queue])) {
            struct ic_eviction_node *node = ic_eviction_of(s->queue[queue].prev);
            take(e, node);
            node->frequency += queue == QUEUE_MAIN;
            return node;
        }
    }
    return NULL;
}

const struct ic_eviction_policy ic_eviction_s3fifo = {
    .size = sizeof(struct s3fifo),
    .init = init,
    .insert = insert,
    .access = access_node,
    .take = take,
    .victim = victim,
    .give_back = give_back,
    .oldest = oldest,
};
