#include "core/rebuild.h"

#include "base/alloc.h"
#include "base/map.h"
#include "core/placement.h"
#include "core/rebuild_claim.h"
#include "proto/frame.h"
#include "proto/link_body.h"

#include <assert.h>

enum {
    RIVALS_MAX = 256, /* claims of one key: a proxy may have died in the midst of many SETs; */
    ALONE_MAX = 64,   /* of them those made by the same function and by no other */
    CONTRADICTIONS_MAX = 8, /* claims of one id */
    OVERHEAD_BYTES = 160,   /* per claim: the allocator's and the tables' share */
};

struct stored { /* an object id, and what is claimed of it */
    struct ic_map_node node;
    uint64_t id;
    struct ic_list claims; /* of struct ic_rebuild_claim, by same_id */
    uint32_t count;
    uint32_t ranked; /* of `claims`, those that have not come out yet */
};

struct shown { /* a key, and what is claimed to be stored under it */
    struct ic_map_node node;
    uint64_t floor;        /* older versions are outdated, unless they are another key's */
    struct ic_list claims; /* of struct ic_rebuild_claim, by same_key */
    struct ic_rebuild_claim *winner; /* once it is settled; NULL: none */
    uint32_t count, key_len;
    uint32_t ranked; /* of `claims`, those that have not come out yet */
    bool settled;
    uint8_t key[];
};

struct ic_rebuild {
    struct ic_rebuild_settings settings;
    struct ic_map ids;  /* of struct stored */
    struct ic_map keys; /* of struct shown */
    struct ic_heap
        rank; /* of struct ic_rebuild_claim: outdated ones first, then the oldest version */
    struct ic_heap disputed;      /* of those that have several names: the newest version first */
    struct ic_rebuild_claim *out; /* given by ic_rebuild_next, freed by the next call */
    uint64_t floor;               /* the highest version dropped for memory */
    struct ic_rebuild_stats stats;
};

static struct ic_rebuild_claim *claim_of_rank(const struct ic_heap_node *node)
{
    return IC_CONTAINER(node, struct ic_rebuild_claim, rank);
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

static bool is_outdated(const struct ic_rebuild_claim *c)
{
    return c->version < c->shown->floor;
}

static bool is_older(const struct ic_rebuild_claim *a, const struct ic_rebuild_claim *b)
{
    return a->version != b->version ? a->version < b->version : a->stored->id < b->stored->id;
}

static bool goes_before(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    const struct ic_rebuild_claim *x = claim_of_rank(a), *y = claim_of_rank(b);
    return is_outdated(x) != is_outdated(y) ? is_outdated(x) : is_older(x, y);
}

static bool is_newer(const struct ic_heap_node *a, const struct ic_heap_node *b)
{
    return is_older(IC_CONTAINER(b, struct ic_rebuild_claim, dispute),
                    IC_CONTAINER(a, struct ic_rebuild_claim, dispute));
}

static uint64_t memory_of(const struct ic_rebuild_claim *c)
{
    return ic_rebuild_claim_memory(c) + sizeof(struct stored) + sizeof(struct shown) + c->key.len +
           OVERHEAD_BYTES;
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
    ic_heap_init(&r->rank, goes_before);
    ic_heap_init(&r->disputed, is_newer);
    return r;
}

static void free_stored(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    struct stored *s = stored_of(node);
    struct ic_list *claim;
    while ((claim = ic_list_pop_front(&s->claims)) != NULL) {
        ic_rebuild_claim_free(IC_CONTAINER(claim, struct ic_rebuild_claim, same_id));
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
    ic_heap_deinit(&r->disputed);
    ic_free(r);
}

/* ---- places ----------------------------------------------------------------- */

static bool is_there(const struct ic_rebuild *r, const struct ic_rebuild_place *p)
{
    return r->settings.holds(r->settings.ctx, p->function, p->serial);
}

static void give_up_place(const struct ic_rebuild *r, const struct ic_rebuild_claim *c,
                          size_t chunk)
{
    r->settings.unwanted(r->settings.ctx, c->place[chunk].function, c->place[chunk].serial,
                         c->stored->id, (uint16_t)chunk, ic_rebuild_claim_chunk_cost(c));
}

static void give_up_chunks(const struct ic_rebuild *r, const struct ic_rebuild_claim *c)
{
    for (size_t i = 0; i < ic_rebuild_claim_chunks(c); i++) {
        if (c->place[i].serial != 0) {
            give_up_place(r, c, i);
        }
    }
}

/*
 * Chunk CHUNK has a place, and FUNCTION says that it has it as well. Who has the place gives way if
 * it has others of this version and FUNCTION has none: several chunks are on one function if a lost
 * one came back where another has been put meanwhile, or if that is a lie.
 */
static bool gives_way(const struct ic_rebuild *r, const struct ic_rebuild_claim *c, uint16_t chunk,
                      uint16_t function)
{
    const struct ic_rebuild_place *place = &c->place[chunk];
    return !is_there(r, place) || (ic_rebuild_claim_places_on(c, place->function) > 1 &&
                                   ic_rebuild_claim_places_on(c, function) == 0);
}

/* Instance SERIAL of FUNCTION has the chunk that ITEM names, unless (*TAKEN false) another one that
 * counts as there has. */
static int take_place(const struct ic_rebuild *r, struct ic_rebuild_claim *c, uint16_t function,
                      uint32_t serial, const struct ic_item *item, bool *taken)
{
    uint16_t chunk = item->chunk;
    const struct ic_rebuild_place *place = &c->place[chunk];
    *taken = true;
    if (place->serial == serial && place->function == function) {
        return 0;
    }
    if (place->serial != 0) {
        if (!gives_way(r, c, chunk, function)) {
            *taken = false;
            return 0;
        }
        if (is_there(r, place)) {
            give_up_place(r, c, chunk);
        }
        ic_rebuild_claim_clear(c, chunk);
    }
    return ic_rebuild_claim_set(c, chunk, function, serial, &item->seal);
}

/* ---- ranks ------------------------------------------------------------------ */

static bool is_complete(const struct ic_rebuild_claim *c)
{
    return c->seen >= c->data;
}

/* By d functions, and its key not by one alone: VOTES say that. */
static int rank_of(const struct ic_rebuild_claim *c, uint32_t votes)
{
    return is_complete(c) + (c->functions >= c->data && votes > 1);
}

static bool is_vouched_for(const struct ic_rebuild_claim *c)
{
    return c->functions >= c->data && c->votes > 1;
}

/* So many functions speak of it under its key that what is older is outdated. */
static bool is_certain(const struct ic_rebuild_claim *c)
{
    return c->votes >= c->data && c->votes > 1;
}

/* A is, of some key, if A_VOTES functions say that. */
static bool would_be_better(const struct ic_rebuild_claim *a, uint32_t a_votes,
                            const struct ic_rebuild_claim *b, uint32_t b_votes)
{
    int rank_a = rank_of(a, a_votes), rank_b = rank_of(b, b_votes);
    return rank_a != rank_b ? rank_a > rank_b : a->version > b->version;
}

static bool is_better(const struct ic_rebuild_claim *a, const struct ic_rebuild_claim *b)
{
    return would_be_better(a, a->votes, b, b->votes);
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

static void unrank(struct ic_rebuild *r, struct ic_rebuild_claim *c)
{
    r->stats.claims--;
    c->shown->ranked--;
    c->stored->ranked--;
    ic_heap_remove(&r->rank, &c->rank);
    ic_heap_remove(&r->disputed, &c->dispute);
}

/* It is unranked. Its key stays, for what takes its place; see forget_shown_if_empty. */
static void free_claim(struct ic_rebuild *r, struct ic_rebuild_claim *c)
{
    r->stats.memory -= memory_of(c);
    ic_list_remove(&c->same_id);
    ic_list_remove(&c->same_key);
    c->shown->count--;
    c->stored->count--;
    forget_stored_if_empty(r, c->stored);
    ic_rebuild_claim_free(c);
}

/* Its key stays. */
static void drop_claim(struct ic_rebuild *r, struct ic_rebuild_claim *c)
{
    give_up_chunks(r, c);
    unrank(r, c);
    free_claim(r, c);
}

/* The claim of S that SEAL agrees with, or NULL. */
static struct ic_rebuild_claim *find_claim(const struct stored *s, const struct ic_seal *seal)
{
    IC_LIST_EACH (node, &s->claims) {
        struct ic_rebuild_claim *c = IC_CONTAINER(node, struct ic_rebuild_claim, same_id);
        if (ic_rebuild_claim_agrees(c, seal)) {
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

/* C competes for K from now on. */
static void add_to_key(struct shown *k, struct ic_rebuild_claim *c)
{
    ic_list_push_back(&k->claims, &c->same_key);
    c->shown = k;
    k->count++;
    k->ranked++;
}

/* IC_ENOMEM: *OUT is NULL. No place is taken yet. */
static int make_claim(struct ic_rebuild *r, struct stored *s, struct shown *k,
                      const struct ic_seal *seal, struct ic_rebuild_claim **out)
{
    struct ic_rebuild_claim *c = ic_rebuild_claim_new(seal, shown_key(k));
    *out = NULL;
    if (c == NULL) {
        return IC_ENOMEM;
    }
    c->stored = s;
    c->shown = k;
    if (ic_heap_insert(&r->rank, &c->rank) < 0) {
        ic_rebuild_claim_free(c);
        return IC_ENOMEM;
    }
    ic_list_push_back(&s->claims, &c->same_id);
    s->count++;
    s->ranked++;
    add_to_key(k, c);
    r->stats.claims++;
    r->stats.memory += memory_of(c);
    *out = c;
    return 0;
}

/* FUNCTION says something else of S than C does, or C is NULL and it says something. */
static bool says_otherwise(const struct stored *s, const struct ic_rebuild_claim *c,
                           uint16_t function)
{
    IC_LIST_EACH (node, &s->claims) {
        const struct ic_rebuild_claim *other = IC_CONTAINER(node, struct ic_rebuild_claim, same_id);
        if (other != c && ic_rebuild_claim_places_on(other, function) > 0) {
            return true;
        }
    }
    return false;
}

/* The worse of the two, of one key; A may be NULL. */
static struct ic_rebuild_claim *worse(struct ic_rebuild_claim *a, struct ic_rebuild_claim *b)
{
    if (a == NULL || is_outdated(a) != is_outdated(b)) {
        return a == NULL || is_outdated(b) ? b : a;
    }
    bool better = is_outdated(a) ? a->version > b->version : is_better(a, b);
    return better ? b : a;
}

/* The claim of K that another one may replace: the worst of FUNCTION's own if these are too many,
 * else of all that are not certain. NULL: there is room, or (*FULL) no such claim. */
static struct ic_rebuild_claim *find_worst(const struct shown *k, uint16_t function, bool *full)
{
    struct ic_rebuild_claim *own = NULL, *any = NULL;
    uint32_t alone = 0;
    if (k->count >= ALONE_MAX) {
        IC_LIST_EACH (node, &k->claims) {
            struct ic_rebuild_claim *c = IC_CONTAINER(node, struct ic_rebuild_claim, same_key);
            if (ic_rebuild_claim_is_of(c, function)) {
                own = worse(own, c);
                alone++;
            }
            any = is_vouched_for(c) && !is_outdated(c) ? any : worse(any, c);
        }
    }
    *full = alone >= ALONE_MAX || k->count == RIVALS_MAX;
    return !*full ? NULL : alone >= ALONE_MAX ? own : any;
}

/* False: a claim of VERSION that FUNCTION would make is not wanted. */
static bool make_room(struct ic_rebuild *r, struct shown *k, uint16_t function, uint64_t version)
{
    bool full;
    struct ic_rebuild_claim *worst = find_worst(k, function, &full);
    if (worst != NULL && worst->version < version) {
        drop_claim(r, worst);
        return true;
    }
    return !full;
}

/* The claim of S, which the caller keeps, that SEAL belongs to, made if need be; *OUT NULL: it is
 * not wanted. */
static int need_claim(struct ic_rebuild *r, struct stored *s, uint16_t function,
                      const struct ic_seal *seal, struct ic_rebuild_claim **out)
{
    struct ic_rebuild_claim *c = find_claim(s, seal);
    *out = NULL;
    if (says_otherwise(s, c, function)) {
        return 0;
    }
    *out = c;
    if (c != NULL || s->count > CONTRADICTIONS_MAX) {
        return 0;
    }
    struct shown *k = need_shown(r, seal->key);
    if (k == NULL) {
        return IC_ENOMEM;
    }
    if (!make_room(r, k, function, seal->version)) {
        return 0;
    }
    return make_claim(r, s, k, seal, out);
}

static int sort_in(struct ic_rebuild *r, uint16_t function, uint64_t id, const struct ic_seal *seal,
                   struct ic_rebuild_claim **out)
{
    struct stored *s = need_stored(r, id);
    if (s == NULL) {
        return IC_ENOMEM;
    }
    s->count++; /* keeps S when a claim of its makes room */
    int result = need_claim(r, s, function, seal, out);
    s->count--;
    forget_stored_if_empty(r, s);
    return result;
}

static void insert_again(struct ic_rebuild *r, struct ic_rebuild_claim *c)
{
    int result = ic_heap_insert(&r->rank, &c->rank);
    (void)result; /* it was in there */
    assert(result == 0);
}

/* C is its key's for certain: the memory of what is older there is needed first. Nothing goes
 * before all has been heard: it may be another key's. */
static void outdate_others(struct ic_rebuild *r, const struct ic_rebuild_claim *c)
{
    struct shown *k = c->shown;
    struct ic_list outdated;
    uint64_t floor = k->floor;
    if (c->version <= floor) {
        return;
    }
    ic_list_init(&outdated);
    IC_LIST_EACH (node, &k->claims) {
        struct ic_rebuild_claim *other = IC_CONTAINER(node, struct ic_rebuild_claim, same_key);
        if (other->version >= floor && other->version < c->version) {
            ic_heap_remove(&r->rank, &other->rank);
            ic_list_remove(node);
            ic_list_push_back(&outdated, node);
        }
    }
    k->floor = c->version;
    IC_LIST_EACH (node, &outdated) {
        insert_again(r, IC_CONTAINER(node, struct ic_rebuild_claim, same_key));
    }
    ic_list_move_all(&outdated, &k->claims);
}

/* ---- items ------------------------------------------------------------------ */

static void refuse_item(const struct ic_rebuild *r, uint16_t function, uint32_t serial,
                        const struct ic_item *item)
{
    uint64_t cost = ic_chunk_cost(item->seal.chunk_length, item->seal.unit,
                                  item->sealed ? item->seal.key.len : 0);
    r->settings.unwanted(r->settings.ctx, function, serial, item->object_id, item->chunk, cost);
}

/* What is outdated goes, then the oldest versions, until the memory suffices. */
static void drop_oldest(struct ic_rebuild *r)
{
    while (r->stats.memory > r->settings.memory_max) {
        struct ic_rebuild_claim *c = claim_of_rank(ic_heap_first(&r->rank));
        struct shown *k = c->shown;
        if (!is_outdated(c)) {
            r->floor = c->version;
            r->stats.dropped++;
        }
        drop_claim(r, c);
        forget_shown_if_empty(r, k);
    }
}

/* Instance SERIAL of FUNCTION has the chunk of C that ITEM names, unless (*TAKEN false) another one
 * has. */
static int add_chunk(struct ic_rebuild *r, struct ic_rebuild_claim *c, uint16_t function,
                     uint32_t serial, const struct ic_item *item, bool *taken)
{
    uint64_t before = memory_of(c);
    int result = take_place(r, c, function, serial, item, taken);
    r->stats.memory += memory_of(c) - before;
    if (result == 0 && ic_rebuild_claim_is_disputed(c) && c->dispute.place == 0) {
        result = ic_heap_insert(&r->disputed, &c->dispute);
    }
    if (result == 0 && is_certain(c)) {
        outdate_others(r, c);
    }
    return result;
}

int ic_rebuild_item(struct ic_rebuild *r, uint16_t function, uint32_t serial, uint32_t epoch,
                    const struct ic_item *item)
{
    assert(serial != 0);
    r->stats.items++;
    struct ic_rebuild_claim *c = NULL;
    bool taken = false;
    int result = 0;
    if (!ic_rebuild_claim_is_possible(item, epoch)) {
        r->stats.impossible += item->sealed;
    } else if (item->seal.version > r->floor) {
        result = sort_in(r, function, item->object_id, &item->seal, &c);
    }
    if (c != NULL) {
        result = add_chunk(r, c, function, serial, item, &taken);
    }
    if (result < 0) {
        return result;
    }
    if (!taken) {
        refuse_item(r, function, serial, item);
        return 0;
    }
    r->stats.bytes += ic_rebuild_claim_chunk_cost(c);
    drop_oldest(r);
    return 0;
}

/* ---- the outcome ------------------------------------------------------------ */

/* As many functions say A as say B, and as many chunks there are of it, or more. */
static bool is_as_likely(const struct ic_rebuild_claim *a, const struct ic_rebuild_claim *b)
{
    return a->functions != b->functions ? a->functions > b->functions : a->seen >= b->seen;
}

/* It is more likely than each that contradicts it: of its id, or of its key and version. */
static bool prevails(const struct ic_rebuild_claim *c)
{
    IC_LIST_EACH (node, &c->shown->claims) {
        const struct ic_rebuild_claim *rival =
            IC_CONTAINER(node, struct ic_rebuild_claim, same_key);
        if (rival != c && rival->version == c->version && is_as_likely(rival, c)) {
            return false;
        }
    }
    IC_LIST_EACH (node, &c->stored->claims) {
        const struct ic_rebuild_claim *rival = IC_CONTAINER(node, struct ic_rebuild_claim, same_id);
        if (rival != c && is_as_likely(rival, c)) {
            return false;
        }
    }
    return true;
}

/* Their instances are gone since they were listed. */
static void clear_gone_places(const struct ic_rebuild *r, struct ic_rebuild_claim *c)
{
    for (size_t i = 0; i < ic_rebuild_claim_chunks(c); i++) {
        if (c->place[i].serial != 0 && !is_there(r, &c->place[i])) {
            ic_rebuild_claim_clear(c, i);
        }
    }
}

/* ---- names ---- */

/* Among the claims of KEY, which is said of C, there is one that is shown rather than C. */
static bool is_beaten(const struct ic_rebuild *r, const struct ic_rebuild_claim *c,
                      const struct ic_rebuild_claim_key *key)
{
    const struct ic_map_node *node = ic_map_find(&r->keys, key->key);
    if (node == NULL) {
        return false;
    }
    IC_LIST_EACH (rival_node, &shown_of(node)->claims) {
        struct ic_rebuild_claim *rival =
            IC_CONTAINER(rival_node, struct ic_rebuild_claim, same_key);
        clear_gone_places(r, rival);
        if (rival != c && would_be_better(rival, rival->votes, c, key->votes) && prevails(rival)) {
            return true;
        }
    }
    return false;
}

/* C is a claim of KEY from now on. */
static int move_claim(struct ic_rebuild *r, struct ic_rebuild_claim *c, struct ic_slice key)
{
    struct shown *from = c->shown, *to = need_shown(r, key);
    if (to == NULL) {
        return IC_ENOMEM;
    }
    ic_heap_remove(&r->rank, &c->rank);
    ic_rebuild_claim_believe(c, shown_key(to));
    ic_list_remove(&c->same_key);
    from->count--;
    from->ranked--;
    add_to_key(to, c);
    insert_again(r, c);
    forget_shown_if_empty(r, from);
    return 0;
}

/* The key that most functions say; or, where it would not be shown under that one, the next one
 * that more than one function says (of which it may be the truth that it was renamed to that,
 * before the other key was set anew). One is enough where one chunk is. */
static int choose_key(struct ic_rebuild *r, struct ic_rebuild_claim *c)
{
    struct ic_rebuild_claim_key key[IC_REBUILD_NAMES_MAX];
    size_t count = ic_rebuild_claim_keys(c, key), last = 1, chosen = 0;
    uint32_t least = c->data < 2 ? c->data : 2;
    while (last < count && key[last].votes >= least) {
        last++;
    }
    while (chosen < last && is_beaten(r, c, &key[chosen])) {
        chosen++;
    }
    struct ic_slice name = key[chosen < last ? chosen : 0].key;
    if (!ic_slice_equal(name, c->key)) {
        return move_claim(r, c, name);
    }
    ic_rebuild_claim_believe(c, c->key);
    return 0;
}

int ic_rebuild_decide_name(struct ic_rebuild *r)
{
    struct ic_heap_node *node = ic_heap_first(&r->disputed);
    if (node == NULL) {
        return 0;
    }
    struct ic_rebuild_claim *c = IC_CONTAINER(node, struct ic_rebuild_claim, dispute);
    ic_heap_remove(&r->disputed, node);
    clear_gone_places(r, c);
    int result = choose_key(r, c);
    return result < 0 ? result : 1;
}

/* ---- versions ---- */

/* Decides what K shows. */
static void settle(const struct ic_rebuild *r, struct shown *k)
{
    k->settled = true;
    IC_LIST_EACH (node, &k->claims) {
        struct ic_rebuild_claim *c = IC_CONTAINER(node, struct ic_rebuild_claim, same_key);
        clear_gone_places(r, c);
    }
    IC_LIST_EACH (node, &k->claims) {
        struct ic_rebuild_claim *c = IC_CONTAINER(node, struct ic_rebuild_claim, same_key);
        if ((k->winner == NULL || is_better(c, k->winner)) && prevails(c)) {
            k->winner = c;
        }
    }
}

/* It is compared with those of its key and those of its id: it stays until all these are out. */
static void free_if_done(struct ic_rebuild *r, struct ic_rebuild_claim *c)
{
    struct shown *k = c->shown;
    if (k->ranked == 0 && c->stored->ranked == 0) {
        free_claim(r, c);
        forget_shown_if_empty(r, k);
    }
}

/* C has come out. */
static void free_done(struct ic_rebuild *r, struct ic_rebuild_claim *c)
{
    struct shown *k = c->shown;
    struct stored *s = c->stored;
    k->count++; /* they stay meanwhile */
    s->count++;
    if (k->ranked == 0) {
        IC_LIST_EACH (node, &k->claims) {
            free_if_done(r, IC_CONTAINER(node, struct ic_rebuild_claim, same_key));
        }
    }
    if (s->ranked == 0) {
        IC_LIST_EACH (node, &s->claims) {
            free_if_done(r, IC_CONTAINER(node, struct ic_rebuild_claim, same_id));
        }
    }
    k->count--;
    s->count--;
    forget_shown_if_empty(r, k);
    forget_stored_if_empty(r, s);
}

static struct ic_rebuilt describe(const struct ic_rebuild_claim *c)
{
    return (struct ic_rebuilt){
        .key = shown_key(c->shown),
        .id = c->stored->id,
        .version = c->version,
        .size = c->size,
        .chunk_length = c->chunk_length,
        .chunk_cost = ic_rebuild_claim_chunk_cost(c),
        .expires_ms = c->expires_ms,
        .unit = c->unit,
        .data = c->data,
        .parity = c->parity,
        .place = c->place,
    };
}

enum ic_rebuild_next ic_rebuild_next(struct ic_rebuild *r, struct ic_rebuilt *out)
{
    if (r->out != NULL) {
        free_done(r, r->out);
        r->out = NULL;
    }
    struct ic_heap_node *node = ic_heap_first(&r->rank);
    if (node == NULL) {
        return IC_REBUILD_END;
    }
    struct ic_rebuild_claim *c = claim_of_rank(node);
    struct shown *k = c->shown;
    unrank(r, c);
    if (!k->settled) {
        settle(r, k);
    }
    if (c != k->winner) {
        r->stats.contested += !prevails(c);
        give_up_chunks(r, c);
        free_done(r, c);
        return IC_REBUILD_HIDDEN;
    }
    r->out = c;
    *out = describe(c);
    return IC_REBUILD_SHOWN;
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
