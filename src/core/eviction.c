#include "core/eviction.h"

#include "base/alloc.h"
#include "base/config.h"
#include "core/eviction_policy.h"

#include <assert.h>

static const struct ic_eviction_policy *const policies[] = {
    [IC_EVICTION_GDSF] = &ic_eviction_gdsf,     [IC_EVICTION_SIEVE] = &ic_eviction_sieve,
    [IC_EVICTION_S3FIFO] = &ic_eviction_s3fifo, [IC_EVICTION_LRU] = &ic_eviction_lru,
    [IC_EVICTION_CLOCK] = &ic_eviction_clock,
};

enum {
    POLICIES = sizeof policies / sizeof policies[0],
    HITS_CARRIED_MAX = 3, /* as many as any policy but gdsf counts */
};

/*
 * `inside` of a node is 1 + the kind of the order it is in, 0: in none. A change carries nodes from
 * `from` to `to`, those of longest ago first, so that what was first to go is again:
 *
 *   new --> [ from: newest ... ] --oldest--> [ to: ... oldest ] --> victim
 */
struct ic_eviction {
    int kind;                       /* of `to` */
    struct ic_eviction_order *to;   /* the policy */
    struct ic_eviction_order *from; /* the one before, until it is empty; NULL: none */
    int from_kind;
    uint8_t home;       /* where the last victim was inside */
    uint32_t in_reach;  /* pinned nodes of which a victim may be one: all but those set aside */
    uint32_t reach_max; /* in_reach at most */
    uint64_t set_aside; /* victims that were pinned */
};

/* ---- life ------------------------------------------------------------------- */

static struct ic_eviction_order *order_new(int kind)
{
    assert(kind >= 0 && kind < POLICIES);
    struct ic_eviction_order *o = ic_calloc(1, policies[kind]->size);
    if (o != NULL) {
        o->policy = policies[kind];
        ic_list_init(&o->aside);
        ic_list_init(&o->due);
        o->policy->init(o);
    }
    return o;
}

static void order_free(struct ic_eviction_order *o)
{
    if (o != NULL && o->policy->deinit != NULL) {
        o->policy->deinit(o);
    }
    ic_free(o);
}

static uint64_t order_memory(const struct ic_eviction_order *o)
{
    if (o == NULL) {
        return 0;
    }
    return o->policy->size + (o->policy->more_memory == NULL ? 0 : o->policy->more_memory(o));
}

struct ic_eviction *ic_eviction_new(int kind, uint32_t reach_max)
{
    struct ic_eviction *e = ic_calloc(1, sizeof *e);
    if (e == NULL) {
        return NULL;
    }
    e->kind = kind;
    e->reach_max = reach_max;
    e->to = order_new(kind);
    if (e->to == NULL) {
        ic_free(e);
        return NULL;
    }
    return e;
}

void ic_eviction_free(struct ic_eviction *e)
{
    if (e != NULL) {
        order_free(e->from);
        order_free(e->to);
    }
    ic_free(e);
}

uint64_t ic_eviction_memory(const struct ic_eviction *e)
{
    return sizeof *e + order_memory(e->to) + order_memory(e->from);
}

/* ---- nodes ------------------------------------------------------------------ */

static struct ic_eviction_order *order_of(struct ic_eviction *e,
                                          const struct ic_eviction_node *node)
{
    if (node->inside == e->kind + 1) {
        return e->to;
    }
    assert(e->from != NULL && node->inside == e->from_kind + 1);
    return e->from;
}

int ic_eviction_insert(struct ic_eviction *e, struct ic_eviction_node *node, uint64_t size,
                       uint64_t name)
{
    assert(!node->inside);
    *node = (struct ic_eviction_node){.size = size > 0 ? size : 1, .name = name};
    ic_list_init(&node->link);
    /* What is new comes after all that is being carried over. */
    struct ic_eviction_order *o = e->from != NULL ? e->from : e->to;
    int result = o->policy->insert(o, node);
    if (result >= 0) {
        node->inside = (uint8_t)(1 + (o == e->to ? e->kind : e->from_kind));
    }
    return result;
}

static bool is_aside(const struct ic_eviction_node *node)
{
    return node->away >= IC_EVICTION_ASIDE;
}

static void push_away(struct ic_eviction_order *o, struct ic_eviction_node *node,
                      enum ic_eviction_away away, bool first)
{
    struct ic_list *list = away == IC_EVICTION_DUE ? &o->due : &o->aside;
    node->away = (uint8_t)away;
    if (first) {
        ic_list_push_front(list, &node->link);
    } else {
        ic_list_push_back(list, &node->link);
    }
}

/* NODE, which is away, is in the policy's order again. IC_ENOMEM: it stays where it is. */
static int rejoin(struct ic_eviction_order *o, struct ic_eviction_node *node)
{
    enum ic_eviction_away away = (enum ic_eviction_away)node->away;
    ic_list_remove(&node->link);
    int result = o->policy->give_back(o, node);
    if (result < 0) {
        push_away(o, node, away, false);
        return result;
    }
    node->away = IC_EVICTION_THERE;
    return 0;
}

/* NODE, which is pinned and set aside, is used: it is in the order again if the bound and memory
 * allow it, or else when it is released. */
static void access_aside(struct ic_eviction *e, struct ic_eviction_order *o,
                         struct ic_eviction_node *node)
{
    if (e->in_reach >= e->reach_max || rejoin(o, node) < 0) {
        node->away = IC_EVICTION_ASIDE_USED;
        return;
    }
    e->in_reach++;
    o->policy->access(o, node);
}

void ic_eviction_access(struct ic_eviction *e, struct ic_eviction_node *node)
{
    if (!node->inside) {
        return;
    }
    struct ic_eviction_order *o = order_of(e, node);
    if (is_aside(node)) {
        access_aside(e, o, node);
    } else if (node->away == IC_EVICTION_THERE || rejoin(o, node) >= 0) {
        o->policy->access(o, node);
    }
}

void ic_eviction_missed(struct ic_eviction *e, uint64_t name)
{
    if (e->to->policy->missed != NULL) {
        e->to->policy->missed(e->to, name);
    }
}

static void leave_reach(struct ic_eviction *e)
{
    assert(e->in_reach > 0);
    e->in_reach--;
}

/* NODE is in no order and no list, and still inside. */
static void detach(struct ic_eviction_order *o, struct ic_eviction_node *node)
{
    if (node->away == IC_EVICTION_THERE) {
        o->policy->take(o, node);
    } else {
        ic_list_remove(&node->link);
    }
}

void ic_eviction_remove(struct ic_eviction *e, struct ic_eviction_node *node)
{
    if (!node->inside) {
        return;
    }
    struct ic_eviction_order *o = order_of(e, node);
    if (node->pinned && !is_aside(node)) {
        leave_reach(e);
    }
    detach(o, node);
    if (o->policy->taken_away != NULL) {
        o->policy->taken_away(o, node);
    }
    node->inside = node->away = node->pinned = 0;
}

/* ---- pins ------------------------------------------------------------------- */

void ic_eviction_pin(struct ic_eviction *e, struct ic_eviction_node *node)
{
    assert(node->inside && !node->pinned && !is_aside(node));
    node->pinned = 1;
    if (e->in_reach < e->reach_max) {
        e->in_reach++;
        return;
    }
    struct ic_eviction_order *o = order_of(e, node);
    bool due = node->away == IC_EVICTION_DUE;
    detach(o, node);
    push_away(o, node, due ? IC_EVICTION_ASIDE_DUE : IC_EVICTION_ASIDE, false);
}

/* NODE, which was set aside, is pinned no more. */
static void release_aside(struct ic_eviction_order *o, struct ic_eviction_node *node)
{
    bool used = node->away == IC_EVICTION_ASIDE_USED;
    if (node->away == IC_EVICTION_ASIDE_DUE || rejoin(o, node) < 0) {
        ic_list_remove(&node->link);
        push_away(o, node, IC_EVICTION_DUE, false);
    } else if (used) {
        o->policy->access(o, node);
    }
}

void ic_eviction_release(struct ic_eviction *e, struct ic_eviction_node *node)
{
    assert(node->inside && node->pinned);
    node->pinned = 0;
    if (is_aside(node)) {
        release_aside(order_of(e, node), node);
    } else {
        leave_reach(e);
    }
}

uint32_t ic_eviction_in_reach(const struct ic_eviction *e)
{
    return e->in_reach;
}

uint64_t ic_eviction_set_aside(const struct ic_eviction *e)
{
    return e->set_aside;
}

/* ---- victims ---------------------------------------------------------------- */

static struct ic_eviction_node *next_of(struct ic_eviction_order *o)
{
    struct ic_list *due = ic_list_pop_front(&o->due);
    return due != NULL ? ic_eviction_of(due) : o->policy->victim(o);
}

static void begin_search(struct ic_eviction *e)
{
    e->to->passes = IC_EVICTION_PASSED_MAX;
    if (e->from != NULL) {
        e->from->passes = IC_EVICTION_PASSED_MAX;
    }
}

static struct ic_eviction_node *next(struct ic_eviction *e)
{
    struct ic_eviction_node *node = next_of(e->to);
    return node == NULL && e->from != NULL ? next_of(e->from) : node;
}

struct ic_eviction_node *ic_eviction_victim(struct ic_eviction *e)
{
    struct ic_eviction_node *node;
    begin_search(e);
    while ((node = next(e)) != NULL && node->pinned) {
        leave_reach(e);
        e->set_aside++;
        push_away(order_of(e, node), node, IC_EVICTION_ASIDE_DUE, false);
    }
    if (node == NULL) {
        assert(e->in_reach == 0);
        return NULL;
    }
    e->home = node->inside;
    node->inside = node->away = 0;
    return node;
}

void ic_eviction_return(struct ic_eviction *e, struct ic_eviction_node *node)
{
    assert(!node->inside && e->home != 0);
    node->inside = e->home;
    e->home = 0;
    push_away(order_of(e, node), node, IC_EVICTION_DUE, true);
}

/* ---- change ----------------------------------------------------------------- */

int ic_eviction_kind(const struct ic_eviction *e)
{
    return e->kind;
}

int ic_eviction_change(struct ic_eviction *e, int kind)
{
    if (e->from != NULL) {
        return IC_EBUSY;
    }
    if (kind == e->kind) {
        return 0;
    }
    struct ic_eviction_order *to = order_new(kind);
    if (to == NULL) {
        return IC_ENOMEM;
    }
    e->from = e->to;
    e->from_kind = e->kind;
    e->to = to;
    e->kind = kind;
    return 0;
}

/* Of those in O one that is away, or else was there longest; NULL: there is none. */
static struct ic_eviction_node *take_oldest(struct ic_eviction_order *o)
{
    struct ic_list *link = ic_list_pop_front(&o->due);
    if (link == NULL) {
        link = ic_list_pop_front(&o->aside);
    }
    return link != NULL ? ic_eviction_of(link) : o->policy->oldest(o);
}

/* From `from` to `to`, with its hits, and set aside if it was; if it is due, into the order, whose
 * victim it will be. */
static int carry(struct ic_eviction *e, struct ic_eviction_node *node)
{
    uint32_t hits = node->frequency;
    struct ic_eviction_node before = *node;
    *node = (struct ic_eviction_node){
        .size = before.size, .name = before.name, .pinned = before.pinned};
    ic_list_init(&node->link);
    int result = e->to->policy->insert(e->to, node);
    if (result < 0) {
        *node = before;
        push_away(e->from, node, is_aside(&before) ? before.away : IC_EVICTION_DUE, true);
        return result;
    }
    node->inside = (uint8_t)(1 + e->kind);
    for (uint32_t i = 0; i < hits && i < HITS_CARRIED_MAX; i++) {
        e->to->policy->access(e->to, node);
    }
    if (is_aside(&before)) {
        detach(e->to, node);
        push_away(e->to, node, before.away, false);
    }
    return 0;
}

int ic_eviction_change_some(struct ic_eviction *e, uint32_t most)
{
    for (uint32_t i = 0; i < most && e->from != NULL; i++) {
        struct ic_eviction_node *node = take_oldest(e->from);
        if (node == NULL) {
            order_free(e->from);
            e->from = NULL;
            break;
        }
        int result = carry(e, node);
        if (result < 0) {
            return result;
        }
    }
    return e->from != NULL;
}
