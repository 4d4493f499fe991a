#include "simulate/lru_curve.h"

#include "base/alloc.h"
#include "base/histogram.h"
#include "base/random.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/*
 * Objects are entries of a hash table; each that is there has a place in the order of last use.
 * A Fenwick tree has the sums of the bytes by place (P. Fenwick, "A new data structure for
 * cumulative frequency tables", 1994). When the places run out, those in use move to the front.
 *
 *   place   1  2  3  4  5 ...        entry 17: key, bytes, place 4
 *   owner   -  3  - 17  9
 */
enum {
    TABLE_BITS = 22, /* a quarter full at most */
    TABLE = 1 << TABLE_BITS,
    PLACES = 1 << 22, /* so that they run out after 3 million uses at the earliest */
    HASH_BITS = 24,   /* of the hash decide who is followed */
};
static const int64_t HOUR_US = INT64_C(3600000000);
static_assert((int)IC_LRU_TRACKED_MAX * 4 <= (int)TABLE, "the table stays sparse");
static_assert((int)IC_LRU_TRACKED_MAX < (int)PLACES, "every object has a place");

struct entry {
    uint64_t key, bytes;
    uint32_t place; /* 0: was deleted */
    bool used;
};

struct ic_lru_curve {
    struct entry *table; /* TABLE of them, linear probing */
    uint32_t *owner;     /* 1 + the entry at a place, 0: none; PLACES + 1 of them */
    uint64_t *tree;      /* PLACES + 1 of them */
    uint32_t last;       /* place given away */
    uint64_t tracked;    /* entries in use */
    uint64_t below;      /* followed are keys whose hash is, of 2^HASH_BITS */
    double objects;      /* there; each counts as often as it stands for others */
    double bytes;
    double byte_hours;
    int64_t at_us;
    struct ic_lru_kept *hour; /* as of the end of each hour that is over */
    uint32_t hours, hours_cap;
    double gets, get_bytes;                /* all of them, */
    double followed_gets, followed_bytes;  /* and what the followed stand for */
    struct ic_histogram distance;          /* of the GETs that found their key, in bytes; */
    struct ic_histogram distance_weighted; /* the same, each as often as it has bytes */
};

struct ic_lru_curve *ic_lru_curve_new(void)
{
    struct ic_lru_curve *c = ic_calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->table = ic_calloc(TABLE, sizeof *c->table); /* what is not used is never touched */
    c->owner = ic_calloc(PLACES + 1, sizeof *c->owner);
    c->tree = ic_calloc(PLACES + 1, sizeof *c->tree);
    c->below = UINT64_C(1) << HASH_BITS;
    if (c->table == NULL || c->owner == NULL || c->tree == NULL) {
        ic_lru_curve_free(c);
        return NULL;
    }
    return c;
}

void ic_lru_curve_free(struct ic_lru_curve *c)
{
    if (c != NULL) {
        ic_free(c->table);
        ic_free(c->owner);
        ic_free(c->tree);
        ic_free(c->hour);
        ic_free(c);
    }
}

/* ---- bytes by place --------------------------------------------------------- */

static void tree_add(struct ic_lru_curve *c, uint32_t place, uint64_t bytes)
{
    for (uint32_t i = place; i <= PLACES; i += i & -i) {
        c->tree[i] += bytes; /* also to take away: it wraps */
    }
}

/* The bytes at PLACE and below. */
static uint64_t tree_sum(const struct ic_lru_curve *c, uint32_t place)
{
    uint64_t sum = 0;
    for (uint32_t i = place; i > 0; i -= i & -i) {
        sum += c->tree[i];
    }
    return sum;
}

static void take_place(struct ic_lru_curve *c, struct entry *e)
{
    e->place = ++c->last;
    c->owner[e->place] = (uint32_t)(e - c->table) + 1;
    tree_add(c, e->place, e->bytes);
}

static void leave_place(struct ic_lru_curve *c, struct entry *e)
{
    tree_add(c, e->place, -e->bytes);
    c->owner[e->place] = 0;
    e->place = 0;
}

/* Those that have places get the first ones, in their order. */
static void close_gaps(struct ic_lru_curve *c)
{
    uint32_t upto = c->last;
    memset(c->tree, 0, sizeof *c->tree * (PLACES + 1));
    c->last = 0;
    for (uint32_t place = 1; place <= upto; place++) {
        uint32_t who = c->owner[place];
        c->owner[place] = 0;
        if (who != 0) {
            take_place(c, &c->table[who - 1]);
        }
    }
}

/* ---- who is followed -------------------------------------------------------- */

static uint64_t hash_of(uint64_t key)
{
    struct ic_rng mix;
    ic_rng_init(&mix, key);
    return ic_rng_next(&mix);
}

static bool is_followed(const struct ic_lru_curve *c, uint64_t hash)
{
    return hash >> (64 - HASH_BITS) < c->below;
}

/* How many objects a followed one stands for, itself included. */
static uint64_t weight_of(const struct ic_lru_curve *c)
{
    return (UINT64_C(1) << HASH_BITS) / c->below;
}

/* KEY's entry, or the free one where it belongs. */
static struct entry *find(struct ic_lru_curve *c, uint64_t key, uint64_t hash)
{
    size_t i = hash & (TABLE - 1);
    while (c->table[i].used && c->table[i].key != key) {
        i = (i + 1) & (TABLE - 1);
    }
    return &c->table[i];
}

static void forget(struct ic_lru_curve *c, struct entry *e)
{
    if (e->place != 0) {
        leave_place(c, e);
    }
    e->used = false;
    c->tracked--;
}

/* ENTRY may have to move up, since those before it in its chain have gone. */
static void settle(struct ic_lru_curve *c, struct entry *e)
{
    struct entry moved = *e;
    e->used = false;
    struct entry *to = find(c, moved.key, hash_of(moved.key));
    *to = moved;
    if (to->place != 0) {
        c->owner[to->place] = (uint32_t)(to - c->table) + 1;
    }
}

/* Half of them from now on. */
static void follow_fewer(struct ic_lru_curve *c)
{
    c->below /= 2;
    for (size_t i = 0; i < TABLE; i++) {
        if (c->table[i].used && !is_followed(c, hash_of(c->table[i].key))) {
            forget(c, &c->table[i]);
        }
    }
    /* A chain may reach round the table's end, so it takes two rounds. */
    for (size_t i = 0; i < 2 * TABLE; i++) {
        if (c->table[i & (TABLE - 1)].used) {
            settle(c, &c->table[i & (TABLE - 1)]);
        }
    }
}

/* ---- requests --------------------------------------------------------------- */

static void pass_time_within_hour(struct ic_lru_curve *c, int64_t at_us)
{
    c->byte_hours += c->bytes * (double)(at_us - c->at_us) / (double)HOUR_US;
    c->at_us = at_us;
}

/* Out of memory: this hour and the later ones count as the last. */
static void keep_hour(struct ic_lru_curve *c)
{
    if (c->hours + 1 != c->at_us / HOUR_US) {
        return; /* there was no memory for one before */
    }
    if (c->hours == c->hours_cap) {
        uint32_t cap = c->hours_cap == 0 ? 64 : 2 * c->hours_cap;
        struct ic_lru_kept *grown = ic_realloc(c->hour, cap * sizeof *grown);
        if (grown == NULL) {
            return;
        }
        c->hour = grown;
        c->hours_cap = cap;
    }
    c->hour[c->hours++] = ic_lru_curve_kept(c);
}

static void pass_time(struct ic_lru_curve *c, int64_t at_us)
{
    for (int64_t end_us; (end_us = (c->at_us / HOUR_US + 1) * HOUR_US) <= at_us;) {
        pass_time_within_hour(c, end_us);
        keep_hour(c);
    }
    if (at_us > c->at_us) {
        pass_time_within_hour(c, at_us);
    }
}

static void count_hit(struct ic_lru_curve *c, const struct entry *e, uint64_t bytes)
{
    uint64_t weight = weight_of(c);
    uint64_t since = tree_sum(c, PLACES) - tree_sum(c, e->place);
    uint64_t distance = since * weight + bytes;
    ic_histogram_add_many(&c->distance, distance, weight);
    ic_histogram_add_many(&c->distance_weighted, distance, weight * bytes);
}

static void leave(struct ic_lru_curve *c, struct entry *e)
{
    double weight = (double)weight_of(c);
    leave_place(c, e);
    c->objects -= weight;
    c->bytes -= weight * (double)e->bytes;
}

static void come(struct ic_lru_curve *c, struct entry *e, uint64_t bytes)
{
    double weight = (double)weight_of(c);
    if (c->last == PLACES) {
        close_gaps(c);
    }
    e->bytes = bytes;
    take_place(c, e);
    c->objects += weight;
    c->bytes += weight * (double)bytes;
}

static void follow(struct ic_lru_curve *c, const struct ic_sim_request *r, uint64_t hash)
{
    struct entry *e = find(c, r->key, hash);
    if (r->op == IC_SIM_GET && e->used && e->place != 0) {
        count_hit(c, e, r->bytes);
    }
    if (e->used && e->place != 0) {
        leave(c, e);
    }
    if (r->op == IC_SIM_DELETE) {
        return;
    }
    c->tracked += !e->used;
    e->used = true;
    e->key = r->key;
    come(c, e, r->bytes);
    while (c->tracked > IC_LRU_TRACKED_MAX) {
        follow_fewer(c);
    }
}

void ic_lru_curve_request(struct ic_lru_curve *c, const struct ic_sim_request *r)
{
    pass_time(c, r->at_us);
    if (r->op == IC_SIM_HEAD) {
        return;
    }
    uint64_t hash = hash_of(r->key);
    bool followed = is_followed(c, hash);
    if (r->op == IC_SIM_GET) {
        double stands_for = followed ? (double)weight_of(c) : 0;
        c->gets++;
        c->get_bytes += (double)r->bytes;
        c->followed_gets += stands_for;
        c->followed_bytes += stands_for * (double)r->bytes;
    }
    if (followed) {
        follow(c, r, hash);
    }
}

/* ---- figures ---------------------------------------------------------------- */

/*
 * Where the followed stand for too few or too many GETs, the difference counts as near ones: it
 * is that of the few keys asked for most (SHARDS's correction).
 */
static double share(double hits, double followed, double all)
{
    double ratio = all == 0 ? 0 : (hits + all - followed) / all;
    return ratio < 0 ? 0 : ratio > 1 ? 1 : ratio;
}

double ic_lru_curve_hits(const struct ic_lru_curve *c, uint64_t bytes)
{
    return share((double)ic_histogram_upto(&c->distance, bytes), c->followed_gets, c->gets);
}

double ic_lru_curve_byte_hits(const struct ic_lru_curve *c, uint64_t bytes)
{
    return share((double)ic_histogram_upto(&c->distance_weighted, bytes), c->followed_bytes,
                 c->get_bytes);
}

uint64_t ic_lru_curve_bytes(const struct ic_lru_curve *c, double wanted)
{
    double hits = wanted * c->gets - c->gets + c->followed_gets;
    if (hits <= 0) {
        return 0;
    }
    double of_all = hits / (double)c->distance.count; /* of none: infinite */
    return of_all > 1 ? UINT64_MAX : ic_histogram_quantile(&c->distance, of_all);
}

struct ic_lru_kept ic_lru_curve_kept(const struct ic_lru_curve *c)
{
    return (struct ic_lru_kept){
        .objects = c->objects, .bytes = c->bytes, .byte_hours = c->byte_hours};
}

struct ic_lru_kept ic_lru_curve_kept_at(const struct ic_lru_curve *c, uint32_t hour)
{
    return hour < c->hours ? c->hour[hour] : ic_lru_curve_kept(c);
}
