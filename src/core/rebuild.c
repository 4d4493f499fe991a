#include "core/rebuild.h"

#include "base/alloc.h"
#include "code/layout.h"
#include "core/catalog.h"
#include "core/placement.h"
#include "proto/frame.h"
#include "proto/link_body.h"

#include <assert.h>

enum {
    EPOCH_SHIFT = 40,     /* ids and versions: epoch (24 bits) | counter (40 bits) */
    RIVALS_MAX = 8,       /* claims of one key, or of one id; more are unwanted as they come */
    OVERHEAD_BYTES = 160, /* per claim: the allocator's and the tables' share, in either form */
};
#define OBJECT_BYTES_MAX (UINT64_C(1) << 50)

struct stored { /* an object id, and what is claimed of it */
    struct ic_map_node node;
    uint64_t id;
    struct ic_list claims; /* of struct claim, by same_id */
    uint32_t count;
};

struct shown { /* a key, and the claims of its highest version */
    struct ic_map_node node;
    uint64_t version;
    struct ic_list claims; /* of struct claim, by same_key */
    uint32_t count, key_len;
    uint8_t key[];
};

struct claim {
    struct ic_list same_id, same_key;
    struct ic_heap_node rank;
    struct stored *stored;
    struct shown *shown;
    uint64_t version, size, chunk_length;
    int64_t expires_ms;
    uint32_t unit;
    uint16_t data, parity;
    uint32_t seen; /* chunks that have a place */
    struct ic_rebuild_place place[];
};

struct ic_rebuild {
    struct ic_rebuild_settings settings;
    struct ic_map ids;   /* of struct stored */
    struct ic_map keys;  /* of struct shown */
    struct ic_heap rank; /* of struct claim, the oldest version first */
    struct claim *out;   /* given by ic_rebuild_next, freed by the next call */
    uint64_t floor;      /* the highest version dropped for memory */
    struct ic_rebuild_stats stats;
};

static struct claim *claim_of_rank(const struct ic_heap_node *node)
{
    return IC_CONTAINER(node, struct claim, rank);
}

static struct stored *stored_of(const struct ic_map_node *node)
{
    return IC_CONTAINER(node, struct stored, node);
}

static struct shown *shown_of(const struct ic_map_node *node)
{
    return IC_CONTAINER(node, struct shown, node);
}

static struct ic_slice shown_key(const struct shown *k)
{
    return ic_slice(k->key, k->key_len);
}

static bool id_matches(const struct ic_map_node *node, struct ic_slice key)
{
    return memcmp(&stored_of(node)->id, key.data, sizeof(uint64_t)) == 0;
}

static bool key_matches(const struct ic_map_node *node, struct ic_slice key)
{
    return ic_slice_equal(shown_key(shown_of(node)), key);
}

static bool older(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    const struct claim *x = claim_of_rank(a), *y = claim_of_rank(b);
    return x->version != y->version ? x->version < y->version : x->stored->id < y->stored->id;
}

static size_t places(const struct claim *c)
{
    return (size_t)c->data + c->parity;
}

static uint64_t cost_of(const struct claim *c)
{
    return ic_chunk_cost(c->chunk_length, c->unit, c->shown->key_len);
}

/* What a claim takes here, or will take in the catalog, whichever is more. */
static uint64_t memory_of(const struct claim *c)
{
    uint64_t here =
        sizeof *c + places(c) * sizeof c->place[0] + sizeof(struct stored) + sizeof(struct shown);
    uint64_t there = sizeof(struct ic_object) + places(c) * sizeof(struct ic_chunk_place) +
                     sizeof(struct ic_entry);
    return (here > there ? here : there) + c->shown->key_len + OVERHEAD_BYTES;
}

/* ---- life ------------------------------------------------------------------- */

struct ic_rebuild *ic_rebuild_new(const struct ic_rebuild_settings *settings)
{
    struct ic_rebuild *r = ic_calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->settings = *settings;
    ic_map_init(&r->ids, settings->seed, id_matches);
    ic_map_init(&r->keys, settings->seed, key_matches);
    ic_heap_init(&r->rank, older);
    return r;
}

static void free_stored(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    struct stored *s = stored_of(node);
    struct ic_list *claim;
    while ((claim = ic_list_pop_front(&s->claims)) != NULL) {
        ic_free(IC_CONTAINER(claim, struct claim, same_id));
    }
    ic_free(s);
}

static void free_shown(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    ic_free(shown_of(node));
}

void ic_rebuild_free(struct ic_rebuild *r)
{
    if (r == NULL) {
        return;
    }
    ic_map_each(&r->ids, free_stored, NULL);
    ic_map_each(&r->keys, free_shown, NULL);
    ic_map_deinit(&r->ids);
    ic_map_deinit(&r->keys);
    ic_heap_deinit(&r->rank);
    ic_free(r);
}

/* ---- claims ----------------------------------------------------------------- */

static void forget_stored_if_empty(struct ic_rebuild *r, struct stored *s)
{
    if (s->count == 0) {
        ic_map_remove(&r->ids, &s->node);
        ic_free(s);
    }
}

static void forget_shown_if_empty(struct ic_rebuild *r, struct shown *k)
{
    if (k->count == 0) {
        ic_map_remove(&r->keys, &k->node);
        ic_free(k);
    }
}

/* Its key stays, for what takes its place; see forget_shown_if_empty. */
static void free_claim(struct ic_rebuild *r, struct claim *c)
{
    r->stats.claims--;
    r->stats.memory -= memory_of(c);
    ic_heap_remove(&r->rank, &c->rank);
    ic_list_remove(&c->same_id);
    ic_list_remove(&c->same_key);
    c->shown->count--;
    c->stored->count--;
    forget_stored_if_empty(r, c->stored);
    ic_free(c);
}

static void give_up_chunks(const struct ic_rebuild *r, const struct claim *c)
{
    for (size_t i = 0; i < places(c); i++) {
        if (c->place[i].serial != 0) {
            r->settings.unwanted(r->settings.ctx, c->place[i].function, c->place[i].serial,
                                 c->stored->id, (uint16_t)i, cost_of(c));
        }
    }
}

/* A higher version of K's key is there: all that is claimed of lower ones goes. */
static void outdate(struct ic_rebuild *r, struct shown *k)
{
    IC_LIST_EACH (node, &k->claims) {
        struct claim *c = IC_CONTAINER(node, struct claim, same_key);
        give_up_chunks(r, c);
        free_claim(r, c);
    }
}

/* Chunk length and cost follow from the rest. */
static bool agrees(const struct claim *c, const struct ic_seal *seal)
{
    return c->version == seal->version && c->size == seal->object_size &&
           c->expires_ms == seal->expires_ms && c->unit == seal->unit && c->data == seal->data &&
           c->parity == seal->parity && ic_slice_equal(shown_key(c->shown), seal->key);
}

/* The claim of S that SEAL agrees with, or NULL. */
static struct claim *find_claim(const struct stored *s, const struct ic_seal *seal)
{
    IC_LIST_EACH (node, &s->claims) {
        struct claim *c = IC_CONTAINER(node, struct claim, same_id);
        if (agrees(c, seal)) {
            return c;
        }
    }
    return NULL;
}

static struct stored *need_stored(struct ic_rebuild *r, uint64_t id)
{
    struct ic_map_node *node = ic_map_find(&r->ids, ic_slice(&id, sizeof id));
    if (node != NULL) {
        return stored_of(node);
    }
    struct stored *s = ic_calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->id = id;
    ic_list_init(&s->claims);
    if (ic_map_insert(&r->ids, &s->node, ic_slice(&s->id, sizeof s->id)) < 0) {
        ic_free(s);
        return NULL;
    }
    return s;
}

static struct shown *need_shown(struct ic_rebuild *r, struct ic_slice key)
{
    struct ic_map_node *node = ic_map_find(&r->keys, key);
    if (node != NULL) {
        return shown_of(node);
    }
    struct shown *k = ic_calloc(1, sizeof *k + key.len);
    if (k == NULL) {
        return NULL;
    }
    k->key_len = (uint32_t)key.len;
    if (key.len > 0) {
        memcpy(k->key, key.data, key.len);
    }
    ic_list_init(&k->claims);
    if (ic_map_insert(&r->keys, &k->node, shown_key(k)) < 0) {
        ic_free(k);
        return NULL;
    }
    return k;
}

/* IC_ENOMEM: *OUT is NULL. No place is taken yet. */
static int make_claim(struct ic_rebuild *r, struct stored *s, struct shown *k,
                      const struct ic_seal *seal, struct claim **out)
{
    size_t chunks = (size_t)seal->data + seal->parity;
    struct claim *c = ic_calloc(1, sizeof *c + chunks * sizeof c->place[0]);
    *out = NULL;
    if (c == NULL) {
        return IC_ENOMEM;
    }
    c->stored = s;
    c->shown = k;
    c->version = seal->version;
    c->size = seal->object_size;
    c->chunk_length = seal->chunk_length;
    c->expires_ms = seal->expires_ms;
    c->unit = seal->unit;
    c->data = seal->data;
    c->parity = seal->parity;
    if (ic_heap_insert(&r->rank, &c->rank) < 0) {
        ic_free(c);
        return IC_ENOMEM;
    }
    ic_list_init(&c->same_id);
    ic_list_init(&c->same_key);
    ic_list_push_back(&s->claims, &c->same_id);
    ic_list_push_back(&k->claims, &c->same_key);
    s->count++;
    k->count++;
    r->stats.claims++;
    r->stats.memory += memory_of(c);
    *out = c;
    return 0;
}

/* The claim of S that SEAL belongs to, made if need be; *OUT NULL: it is not wanted. */
static int need_claim(struct ic_rebuild *r, struct stored *s, const struct ic_seal *seal,
                      struct claim **out)
{
    *out = find_claim(s, seal);
    if (*out != NULL || s->count == RIVALS_MAX) {
        return 0;
    }
    struct shown *k = need_shown(r, seal->key);
    if (k == NULL) {
        return IC_ENOMEM;
    }
    if (seal->version < k->version) {
        return 0;
    }
    if (seal->version > k->version) {
        s->count++; /* keeps S, if what is outdated is all that is claimed of it */
        outdate(r, k);
        s->count--;
        k->version = seal->version;
    }
    return k->count == RIVALS_MAX ? 0 : make_claim(r, s, k, seal, out);
}

static int sort_in(struct ic_rebuild *r, uint64_t id, const struct ic_seal *seal,
                   struct claim **out)
{
    struct stored *s = need_stored(r, id);
    if (s == NULL) {
        return IC_ENOMEM;
    }
    int result = need_claim(r, s, seal, out);
    forget_stored_if_empty(r, s);
    return result;
}

/* ---- items ------------------------------------------------------------------ */

/* A seal that a proxy of ours, of an epoch before EPOCH, can have written. */
static bool possible(const struct ic_item *item, uint32_t epoch)
{
    const struct ic_seal *s = &item->seal;
    if (!item->sealed || s->data == 0 || (size_t)s->data + s->parity > IC_PLACEMENT_MAX ||
        item->chunk >= s->data + s->parity || s->unit == 0 || s->unit % IC_LAYOUT_ALIGN != 0 ||
        s->unit > IC_FRAME_DATA_MAX || s->object_size > OBJECT_BYTES_MAX ||
        item->object_id >> EPOCH_SHIFT >= epoch || s->version >> EPOCH_SHIFT >= epoch ||
        s->version == 0) {
        return false;
    }
    struct ic_layout layout;
    ic_layout_init(&layout, s->object_size, s->data, s->parity, s->unit);
    return layout.chunk_length == s->chunk_length;
}

static void refuse_item(const struct ic_rebuild *r, uint16_t function, uint32_t serial,
                        const struct ic_item *item)
{
    uint64_t cost = ic_chunk_cost(item->seal.chunk_length, item->seal.unit,
                                  item->sealed ? item->seal.key.len : 0);
    r->settings.unwanted(r->settings.ctx, function, serial, item->object_id, item->chunk, cost);
}

/* The oldest versions go until the memory suffices. */
static void drop_oldest(struct ic_rebuild *r)
{
    while (r->stats.memory > r->settings.memory_max) {
        struct claim *c = claim_of_rank(ic_heap_first(&r->rank));
        struct shown *k = c->shown;
        r->floor = c->version;
        r->stats.dropped++;
        give_up_chunks(r, c);
        free_claim(r, c);
        forget_shown_if_empty(r, k);
    }
}

/* False: another instance that counts as there has that chunk. */
static bool take_place(struct ic_rebuild *r, struct claim *c, uint16_t chunk, uint16_t function,
                       uint32_t serial)
{
    struct ic_rebuild_place *place = &c->place[chunk];
    if (place->serial == serial && place->function == function) {
        return true;
    }
    if (place->serial != 0) {
        if (r->settings.holds(r->settings.ctx, place->function, place->serial)) {
            return false;
        }
        c->seen--;
    }
    *place = (struct ic_rebuild_place){.serial = serial, .function = function};
    c->seen++;
    return true;
}

int ic_rebuild_item(struct ic_rebuild *r, uint16_t function, uint32_t serial, uint32_t epoch,
                    const struct ic_item *item)
{
    assert(serial != 0);
    r->stats.items++;
    struct claim *c = NULL;
    if (!possible(item, epoch)) {
        r->stats.impossible += item->sealed;
    } else if (item->seal.version > r->floor) {
        int result = sort_in(r, item->object_id, &item->seal, &c);
        if (result < 0) {
            return result;
        }
    }
    if (c == NULL || !take_place(r, c, item->chunk, function, serial)) {
        refuse_item(r, function, serial, item);
        return 0;
    }
    r->stats.bytes += cost_of(c);
    drop_oldest(r);
    return 0;
}

/* ---- the outcome ------------------------------------------------------------ */

/* Contradictory claims stay until the end, so that each can be compared with all. */
static bool is_contested(const struct claim *c)
{
    return c->shown->count > 1 || c->stored->count > 1;
}

static bool wins(const struct claim *c)
{
    IC_LIST_EACH (node, &c->shown->claims) {
        const struct claim *rival = IC_CONTAINER(node, struct claim, same_key);
        if (rival != c && rival->seen >= c->seen) {
            return false;
        }
    }
    IC_LIST_EACH (node, &c->stored->claims) {
        const struct claim *rival = IC_CONTAINER(node, struct claim, same_id);
        if (rival != c && rival->seen >= c->seen) {
            return false;
        }
    }
    return true;
}

static void free_out(struct ic_rebuild *r)
{
    if (r->out != NULL && !is_contested(r->out)) {
        struct shown *k = r->out->shown;
        free_claim(r, r->out);
        forget_shown_if_empty(r, k);
    }
    r->out = NULL;
}

bool ic_rebuild_next(struct ic_rebuild *r, struct ic_rebuilt *out)
{
    struct ic_heap_node *node;
    free_out(r);
    while ((node = ic_heap_first(&r->rank)) != NULL) {
        struct claim *c = claim_of_rank(node);
        ic_heap_remove(&r->rank, node);
        if (is_contested(c) && !wins(c)) {
            r->stats.contested++;
            give_up_chunks(r, c);
            continue;
        }
        r->out = c;
        *out = (struct ic_rebuilt){
            .key = shown_key(c->shown),
            .id = c->stored->id,
            .version = c->version,
            .size = c->size,
            .chunk_length = c->chunk_length,
            .chunk_cost = cost_of(c),
            .expires_ms = c->expires_ms,
            .unit = c->unit,
            .data = c->data,
            .parity = c->parity,
            .place = c->place,
        };
        return true;
    }
    return false;
}

void ic_rebuild_refuse(struct ic_rebuild *r, const struct ic_rebuilt *v)
{
    assert(r->out != NULL && v->place == r->out->place);
    give_up_chunks(r, r->out);
}

struct ic_rebuild_stats ic_rebuild_stats(const struct ic_rebuild *r)
{
    return r->stats;
}
