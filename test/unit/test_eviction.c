/*
 * test_eviction.c - each policy against a model that is slow and obvious, hand-made
 * sequences, changes from one policy to another, and the hit ratios of a real trace (skipped when
 * it is not there).
 */
#include "core/eviction.h"

#include "base/config.h"
#include "base/map.h"
#include "base/random.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int name_of(const struct ic_eviction_node *base, const struct ic_eviction_node *node)
{
    return node == NULL ? -1 : (int)(node - base);
}

static int next_victim(struct ic_eviction *e, const struct ic_eviction_node *base)
{
    return name_of(base, ic_eviction_victim(e));
}

static struct ic_eviction *make(int kind, struct ic_eviction_node *node, int count, uint64_t size)
{
    struct ic_eviction *e = ic_eviction_new(kind, 0);
    assert_non_null(e);
    for (int i = 0; i < count; i++) {
        assert_int_equal(ic_eviction_insert(e, &node[i], size, (uint64_t)i), 0);
    }
    return e;
}

static void expect_order(struct ic_eviction *e, const struct ic_eviction_node *base,
                         const int *order, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(next_victim(e, base), order[i]);
    }
    assert_int_equal(next_victim(e, base), -1);
}

static void test_lru_by_hand(void **state)
{
    (void)state;
    struct ic_eviction_node node[5] = {0};
    struct ic_eviction *e = make(IC_EVICTION_LRU, node, 5, 10);
    ic_eviction_access(e, &node[0]);
    ic_eviction_access(e, &node[2]);
    ic_eviction_remove(e, &node[3]);
    ic_eviction_remove(e, &node[3]);
    expect_order(e, node, (int[]){1, 4, 0, 2}, 4);
    ic_eviction_free(e);
}

static void test_clock_by_hand(void **state)
{
    (void)state;
    struct ic_eviction_node node[5] = {0};
    struct ic_eviction *e = make(IC_EVICTION_CLOCK, node, 4, 10);
    ic_eviction_access(e, &node[0]);
    ic_eviction_access(e, &node[1]);
    assert_int_equal(next_victim(e, node), 2); /* 0 and 1 pass, once */
    assert_int_equal(ic_eviction_insert(e, &node[4], 10, 4), 0);
    expect_order(e, node, (int[]){3, 0, 1, 4}, 4);
    ic_eviction_free(e);
}

/* The example of the paper's figure: A..G with A, B and G used; the hand stays where it stopped. */
static void test_sieve_by_hand(void **state)
{
    (void)state;
    struct ic_eviction_node node[9] = {0};
    struct ic_eviction *e = make(IC_EVICTION_SIEVE, node, 7, 10);
    ic_eviction_access(e, &node[0]);
    ic_eviction_access(e, &node[1]);
    ic_eviction_access(e, &node[6]);
    assert_int_equal(next_victim(e, node), 2); /* 0 and 1 are passed, their marks cleared */
    assert_int_equal(ic_eviction_insert(e, &node[7], 10, 7), 0);
    ic_eviction_access(e, &node[0]);
    assert_int_equal(next_victim(e, node), 3); /* goes on from there, not from the oldest */
    assert_int_equal(ic_eviction_insert(e, &node[8], 10, 8), 0);
    expect_order(e, node, (int[]){4, 5, 7, 8, 1, 6, 0}, 7);
    ic_eviction_free(e);
}

static void test_gdsf_by_hand(void **state)
{
    (void)state;
    struct ic_eviction_node node[4] = {0};
    struct ic_eviction *e = ic_eviction_new(IC_EVICTION_GDSF, 0);
    assert_int_equal(ic_eviction_insert(e, &node[0], 100, 0), 0); /* 1/100 */
    assert_int_equal(ic_eviction_insert(e, &node[1], 50, 1), 0);  /* 1/50 */
    assert_int_equal(ic_eviction_insert(e, &node[2], 400, 2), 0); /* 1/400 */
    ic_eviction_access(e, &node[0]);
    ic_eviction_access(e, &node[0]);                              /* 3/100 */
    assert_int_equal(next_victim(e, node), 2);                    /* L = 1/400 */
    assert_int_equal(ic_eviction_insert(e, &node[3], 60, 3), 0);  /* 1/400 + 1/60 = 0.01917 */
    assert_int_equal(next_victim(e, node), 3);                    /* L = 0.01917 */
    assert_int_equal(ic_eviction_insert(e, &node[3], 100, 3), 0); /* 0.02917 */
    expect_order(e, node, (int[]){1, 3, 0}, 3);
    ic_eviction_free(e);
}

static void test_s3fifo_by_hand(void **state)
{
    (void)state;
    struct ic_eviction_node node[6] = {0};
    struct ic_eviction *e = make(IC_EVICTION_S3FIFO, node, 4, 10);
    ic_eviction_access(e, &node[0]);
    ic_eviction_access(e, &node[0]); /* twice: to main */
    ic_eviction_access(e, &node[1]); /* once is not enough */
    assert_int_equal(next_victim(e, node), 1);
    /* 1 is a ghost, and main holds 0: it comes back to main, behind 0 */
    assert_int_equal(ic_eviction_insert(e, &node[4], 10, 1), 0);
    assert_int_equal(next_victim(e, node), 2);
    assert_int_equal(next_victim(e, node), 3);
    expect_order(e, node, (int[]){0, 4}, 2);
    ic_eviction_free(e);
}

/* A model of sieve, clock and lru on an array, oldest first. */
enum { OBJECTS = 60 };
struct model {
    int kind, count, hand;
    int at[OBJECTS];
    bool used[OBJECTS];
};

static int model_find(const struct model *m, int object)
{
    for (int i = 0; i < m->count; i++) {
        if (m->at[i] == object) {
            return i;
        }
    }
    return -1;
}

static void model_cut(struct model *m, int i)
{
    memmove(&m->at[i], &m->at[i + 1], sizeof m->at[0] * (size_t)(m->count - i - 1));
    m->count--;
    m->hand -= m->hand > i;
    if (m->hand >= m->count) {
        m->hand = 0;
    }
}

static void model_add(struct model *m, int object)
{
    m->used[object] = false;
    m->at[m->count++] = object;
}

static void model_access(struct model *m, int object)
{
    m->used[object] = true;
    if (m->kind == IC_EVICTION_LRU) {
        model_cut(m, model_find(m, object));
        m->at[m->count++] = object;
    }
}

static int model_victim(struct model *m)
{
    if (m->count == 0) {
        return -1;
    }
    int i = m->kind == IC_EVICTION_SIEVE ? m->hand : 0;
    while (m->kind != IC_EVICTION_LRU && m->used[m->at[i]]) {
        m->used[m->at[i]] = false;
        if (m->kind == IC_EVICTION_SIEVE) {
            i = (i + 1) % m->count;
        } else {
            int object = m->at[0];
            model_cut(m, 0);
            m->at[m->count++] = object;
        }
    }
    m->hand = i;
    int object = m->at[i];
    bool last = i == m->count - 1;
    model_cut(m, i);
    m->hand = last ? 0 : i;
    return object;
}

static void run_against_model(int kind, uint64_t seed)
{
    struct ic_eviction_node node[OBJECTS] = {0};
    struct model m = {.kind = kind};
    struct ic_rng rng;
    ic_rng_init(&rng, seed);
    struct ic_eviction *e = ic_eviction_new(kind, 0);
    for (int step = 0; step < 5000; step++) {
        int object = (int)ic_rng_below(&rng, OBJECTS);
        uint64_t what = ic_rng_below(&rng, 10);
        if (!node[object].inside) {
            assert_int_equal(ic_eviction_insert(e, &node[object], 10, 0), 0);
            model_add(&m, object);
        } else if (what < 6) {
            ic_eviction_access(e, &node[object]);
            model_access(&m, object);
        } else if (what < 7 && kind != IC_EVICTION_SIEVE) {
            ic_eviction_remove(e, &node[object]);
            model_cut(&m, model_find(&m, object));
        } else {
            assert_int_equal(next_victim(e, node), model_victim(&m));
        }
    }
    ic_eviction_free(e);
}

static void test_against_models(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        run_against_model(IC_EVICTION_LRU, seed);
        run_against_model(IC_EVICTION_CLOCK, seed);
        run_against_model(IC_EVICTION_SIEVE, seed);
    }
}

static double gdsf_priority(const struct ic_eviction_node *node)
{
    return node->priority;
}

static void test_gdsf_least_goes_first(void **state)
{
    (void)state;
    struct ic_eviction_node node[OBJECTS] = {0};
    struct ic_rng rng;
    ic_rng_init(&rng, 5);
    struct ic_eviction *e = ic_eviction_new(IC_EVICTION_GDSF, 0);
    double age = 0;
    for (int step = 0; step < 5000; step++) {
        struct ic_eviction_node *one = &node[ic_rng_below(&rng, OBJECTS)];
        if (!one->inside) {
            assert_int_equal(ic_eviction_insert(e, one, 1 + ic_rng_below(&rng, 1000), 0), 0);
            assert_true(one->priority > age);
        } else if (ic_rng_below(&rng, 3) > 0) {
            ic_eviction_access(e, one);
        } else {
            struct ic_eviction_node *victim = ic_eviction_victim(e);
            for (int i = 0; i < OBJECTS; i++) {
                assert_true(!node[i].inside || gdsf_priority(&node[i]) >= victim->priority);
            }
            age = victim->priority;
        }
    }
    ic_eviction_free(e);
}

/* A victim is returned: every policy then names it and each of the others once. */
static void test_returned_victims(void **state)
{
    (void)state;
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        struct ic_eviction_node node[20] = {0};
        struct ic_eviction *e = make(kind, node, 20, 10);
        struct ic_eviction_node *other = ic_eviction_victim(e);
        struct ic_eviction_node *stays = ic_eviction_victim(e);
        assert_true(stays != NULL && other != NULL && stays != other);
        ic_eviction_return(e, stays);
        assert_true(stays->inside && !other->inside);
        int left = 0;
        bool seen = false;
        for (struct ic_eviction_node *n; (n = ic_eviction_victim(e)) != NULL; left++) {
            seen |= n == stays;
            assert_ptr_not_equal(n, other);
        }
        assert_int_equal(left, 19);
        assert_true(seen);
        assert_true(ic_eviction_memory(e) > 0);
        ic_eviction_free(e);
    }
}

/* All were used: one call looks at a part of them, and takes what comes then. */
static void test_bounded_looks(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    static struct ic_eviction_node node[MANY];
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        memset(node, 0, sizeof node);
        struct ic_eviction *e = make(kind, node, MANY, 10);
        for (int i = 0; i < 4 * MANY; i++) {
            ic_eviction_access(e, &node[i % MANY]);
        }
        for (int calls = 1; calls <= 2; calls++) {
            assert_non_null(ic_eviction_victim(e));
            int touched = 0; /* was looked at: its hits are gone, or it is */
            for (int i = 0; i < MANY; i++) {
                touched += node[i].frequency == 0 || !node[i].inside;
            }
            assert_in_range(touched, 1, calls * 5000);
        }
        int left = 0;
        while (ic_eviction_victim(e) != NULL) {
            left++;
        }
        assert_int_equal(left, MANY - 2);
        ic_eviction_free(e);
    }
}

/* All were used but for some that are pinned, which stop a call again and again: so it is, too. */
static void test_bounded_looks_beside_pins(void **state)
{
    (void)state;
    enum { MANY = 20000, EVERY = 100 };
    static struct ic_eviction_node node[MANY];
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        memset(node, 0, sizeof node);
        struct ic_eviction *e = ic_eviction_new(kind, MANY);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(ic_eviction_insert(e, &node[i], 10, (uint64_t)i), 0);
            for (int use = 0; i % EVERY != 0 && use < 4; use++) {
                ic_eviction_access(e, &node[i]);
            }
        }
        for (int i = 0; i < MANY; i += EVERY) {
            ic_eviction_pin(e, &node[i]);
        }
        assert_non_null(ic_eviction_victim(e));
        int touched = 0;
        for (int i = 0; i < MANY; i++) {
            touched += !node[i].pinned && (node[i].frequency < 3 || !node[i].inside);
        }
        assert_in_range(touched, 1, 5000);
        ic_eviction_free(e);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        ic_alloc_fail_at(1);
        assert_null(ic_eviction_new(kind, 0));
    }
    struct ic_eviction *e = ic_eviction_new(IC_EVICTION_GDSF, 0);
    struct ic_eviction_node node = {0};
    ic_alloc_fail_at(1);
    assert_int_equal(ic_eviction_insert(e, &node, 1, 1), IC_ENOMEM);
    assert_false(node.inside);
    assert_null(ic_eviction_victim(e));
    ic_eviction_free(e);
    ic_eviction_free(NULL);
}

/* ---- gdsf's patience ---------------------------------------------------------- */

enum { LARGE = 20000000, TINY = 900, ROOM = 30 * LARGE, PAIRS_MAX = 1200 };

struct pairs { /* a large object and a tiny one each; nothing is read unless a test does it */
    struct ic_eviction *e;
    struct ic_eviction_node large[PAIRS_MAX], tiny[PAIRS_MAX];
    uint64_t used;
};

static void pairs_add(struct pairs *p, struct ic_eviction_node *node, uint64_t size, uint64_t name)
{
    while (p->used + size > ROOM) {
        p->used -= ic_eviction_victim(p->e)->size;
    }
    assert_int_equal(ic_eviction_insert(p->e, node, size, name), 0);
    p->used += size;
}

static void pairs_begin(struct pairs *p, int kind)
{
    memset(p, 0, sizeof *p);
    p->e = ic_eviction_new(kind, 0);
}

static int tiny_alone(const struct pairs *p)
{
    int alone = 0;
    for (int i = 0; i < PAIRS_MAX; i++) {
        alone += p->tiny[i].inside && !p->large[i].inside;
    }
    return alone;
}

/* Of pairs that nobody reads no halves stay behind, neither at first nor for ever. */
static void test_tiny_halves(void **state)
{
    (void)state;
    static struct pairs p;
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        pairs_begin(&p, kind);
        for (int i = 0; i < PAIRS_MAX; i++) {
            pairs_add(&p, &p.large[i], LARGE, (uint64_t)i * 2);
            pairs_add(&p, &p.tiny[i], TINY, (uint64_t)i * 2 + 1);
            assert_in_range(tiny_alone(&p), 0, 3);
        }
        ic_eviction_free(p.e);
    }
}

/* COUNT turnovers of large objects that nobody reads. */
static void turn_over(struct pairs *p, int *next, int count)
{
    for (int i = 0; i < count * (ROOM / LARGE); i++, (*next)++) {
        struct ic_eviction_node *node = &p->large[*next % PAIRS_MAX];
        assert_false(node->inside);
        pairs_add(p, node, LARGE, (uint64_t)(*next) * 2);
    }
}

static void test_patience_is_learnt(void **state)
{
    (void)state;
    static struct pairs p;
    struct ic_eviction_node *tiny = &p.tiny[0];
    int next = 0;
    pairs_begin(&p, IC_EVICTION_GDSF);
    turn_over(&p, &next, 1);
    pairs_add(&p, tiny, TINY, 1);
    turn_over(&p, &next, 3);
    assert_false(tiny->inside); /* nothing was ever read: it goes in its turn */
    ic_eviction_missed(p.e, 1); /* but it is wanted after three turnovers */
    pairs_add(&p, tiny, TINY, 1);
    for (int i = 0; i < 5; i++) {
        turn_over(&p, &next, 3);
        assert_true(tiny->inside);
        ic_eviction_access(p.e, tiny);
    }
    turn_over(&p, &next, 20);
    assert_false(tiny->inside); /* not read again, however often it was before */
    turn_over(&p, &next, 100);  /* nor anything else: what was learnt fades */
    pairs_add(&p, tiny, TINY, 2);
    turn_over(&p, &next, 2);
    assert_false(tiny->inside);
    ic_eviction_free(p.e);
}

/* What was never there, or went because it was large, teaches nothing. */
static void test_other_misses_teach_nothing(void **state)
{
    (void)state;
    static struct pairs p;
    int next = 0;
    pairs_begin(&p, IC_EVICTION_GDSF);
    ic_eviction_missed(p.e, 0);
    turn_over(&p, &next, 2);
    ic_eviction_missed(p.e, 1000000);
    pairs_add(&p, &p.tiny[0], TINY, 1);
    turn_over(&p, &next, 2);
    assert_false(p.tiny[0].inside);
    for (int kind = IC_EVICTION_SIEVE; kind <= IC_EVICTION_CLOCK; kind++) {
        struct ic_eviction *e = ic_eviction_new(kind, 0);
        ic_eviction_missed(e, 1);
        assert_null(ic_eviction_victim(e));
        ic_eviction_free(e);
    }
    ic_eviction_free(p.e);
}

/* Overwriting is no turnover: what is idle beside it is as young as before. */
static void test_overwrites_age_nothing(void **state)
{
    (void)state;
    static struct pairs p;
    pairs_begin(&p, IC_EVICTION_GDSF);
    for (int i = 0; i < 9; i++) {
        pairs_add(&p, &p.large[100 + i], LARGE, 0);
    }
    pairs_add(&p, &p.tiny[0], TINY, 1);
    for (int i = 0; i < 300; i++) {
        ic_eviction_remove(p.e, &p.large[i % 20]);
        assert_int_equal(ic_eviction_insert(p.e, &p.large[i % 20], LARGE, 0), 0);
    }
    for (int i = 0; i < 9; i++) {
        assert_ptr_equal(ic_eviction_victim(p.e), &p.large[100 + i]);
    }
    assert_true(p.tiny[0].inside);
    ic_eviction_free(p.e);
}

/* ---- changing the policy -------------------------------------------------------- */

static void finish_change(struct ic_eviction *e)
{
    while (ic_eviction_change_some(e, 3) == 1) {
    }
}

static void test_change_keeps_the_order(void **state)
{
    (void)state;
    for (int from = IC_EVICTION_GDSF; from <= IC_EVICTION_CLOCK; from++) {
        for (int to = IC_EVICTION_GDSF; to <= IC_EVICTION_CLOCK; to++) {
            struct ic_eviction_node node[10] = {0};
            struct ic_eviction *e = make(from, node, 9, 10);
            assert_int_equal(ic_eviction_change(e, to), 0);
            assert_int_equal(ic_eviction_kind(e), to);
            assert_int_equal(ic_eviction_change_some(e, 4), from != to);
            assert_int_equal(ic_eviction_insert(e, &node[9], 10, 9), 0); /* amid the change */
            finish_change(e);
            expect_order(e, node, (int[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 10);
            ic_eviction_free(e);
        }
    }
}

/* What was asked for twice outlives younger objects; but lru, which looks at nothing else, has the
 * order that was there. */
static void test_change_keeps_hits(void **state)
{
    (void)state;
    for (int from = IC_EVICTION_GDSF; from <= IC_EVICTION_CLOCK; from++) {
        for (int to = IC_EVICTION_GDSF; to <= IC_EVICTION_CLOCK; to++) {
            bool moved = from == IC_EVICTION_GDSF || from == IC_EVICTION_LRU;
            if (from == to || (to == IC_EVICTION_LRU && !moved)) {
                continue;
            }
            struct ic_eviction_node node[8] = {0};
            struct ic_eviction *e = make(from, node, 8, 10);
            for (int i = 0; i < 4; i++) {
                ic_eviction_access(e, &node[i % 2]);
            }
            assert_int_equal(ic_eviction_change(e, to), 0);
            finish_change(e);
            /* gdsf has learnt nothing yet: half a cache that is not filled again is a turnover */
            for (int i = 0; i < (to == IC_EVICTION_GDSF ? 1 : 4); i++) {
                assert_int_equal(next_victim(e, node), 2 + i);
            }
            ic_eviction_free(e);
        }
    }
}

/* Any of what a cache does may happen amid a change, and changes may follow each other. */
static void test_change_at_random(void **state)
{
    (void)state;
    struct ic_eviction_node node[OBJECTS] = {0};
    struct ic_rng rng;
    ic_rng_init(&rng, 11);
    struct ic_eviction *e = ic_eviction_new(IC_EVICTION_LRU, 0);
    int changes = 0, inside = 0;
    for (int step = 0; step < 200000; step++) {
        struct ic_eviction_node *one = &node[ic_rng_below(&rng, OBJECTS)];
        int what = (int)ic_rng_below(&rng, 100);
        if (what < 2) {
            int result = ic_eviction_change(e, (int)ic_rng_below(&rng, 5));
            assert_true(result == 0 || result == IC_EBUSY);
            changes += result == 0;
        } else if (what < 10) {
            assert_in_range(ic_eviction_change_some(e, (uint32_t)ic_rng_below(&rng, 9)), 0, 1);
        } else if (!one->inside) {
            assert_int_equal(ic_eviction_insert(e, one, 1 + ic_rng_below(&rng, 1000), 7), 0);
            inside++;
        } else if (what < 60) {
            ic_eviction_access(e, one);
        } else if (what < 70) {
            ic_eviction_remove(e, one);
            inside--;
        } else {
            struct ic_eviction_node *first = ic_eviction_victim(e);
            assert_true(first != NULL && !first->inside);
            ic_eviction_return(e, first); /* it could not be evicted */
            if (what < 90) {
                assert_ptr_equal(ic_eviction_victim(e), first);
                inside--;
            }
        }
    }
    assert_true(changes > 100);
    for (struct ic_eviction_node *n; (n = ic_eviction_victim(e)) != NULL; inside--) {
        assert_false(n->inside);
    }
    assert_int_equal(inside, 0);
    ic_eviction_free(e);
}

static void test_change_without_memory(void **state)
{
    (void)state;
    struct ic_eviction_node node[5] = {0};
    struct ic_eviction *e = make(IC_EVICTION_CLOCK, node, 5, 10);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_eviction_change(e, IC_EVICTION_GDSF), IC_ENOMEM);
    assert_int_equal(ic_eviction_kind(e), IC_EVICTION_CLOCK);
    assert_int_equal(ic_eviction_change(e, IC_EVICTION_GDSF), 0);
    assert_int_equal(ic_eviction_change(e, IC_EVICTION_LRU), IC_EBUSY);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_eviction_change_some(e, 10), IC_ENOMEM);
    for (int i = 0; i < 5; i++) {
        assert_true(node[i].inside);
    }
    finish_change(e);
    assert_int_equal(ic_eviction_change_some(e, 10), 0);
    int left = 0;
    while (ic_eviction_victim(e) != NULL) {
        left++;
    }
    assert_int_equal(left, 5);
    ic_eviction_free(e);
}

/* ---- the trace ---------------------------------------------------------------- */

#define TRACE "../shared/data/dal09_10mb_50h.tar.gz"

struct item {
    struct ic_map_node map_node;
    struct ic_eviction_node node;
    uint64_t size;
    char key[256];
};

struct trace {
    struct ic_map items;
    struct item **get; /* in order */
    size_t count, cap;
};

static struct item *item_of(const struct ic_map_node *node)
{
    return IC_CONTAINER(node, struct item, map_node);
}

static bool item_matches(const struct ic_map_node *node, struct ic_slice key)
{
    const char *own = item_of(node)->key;
    return ic_slice_equal(ic_slice_str(own), key);
}

static void trace_add(struct trace *t, const char *uri, uint64_t size)
{
    struct ic_slice key = ic_slice_str(uri);
    struct ic_map_node *found = ic_map_find(&t->items, key);
    struct item *item = found == NULL ? NULL : item_of(found);
    if (item == NULL) {
        item = ic_must(ic_calloc(1, sizeof *item));
        assert_true(key.len < sizeof item->key);
        memcpy(item->key, uri, key.len);
        item->size = size;
        assert_int_equal(ic_map_insert(&t->items, &item->map_node, key), 0);
    }
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 65536 : t->cap * 2;
        t->get = ic_must(ic_realloc(t->get, t->cap * sizeof *t->get));
    }
    t->get[t->count++] = item;
}

/* Columns: uri is the seventh; bytes are the third from the end (user agents may have commas). */
static void trace_line(struct trace *t, char *line)
{
    char *uri = line;
    for (int i = 0; i < 6 && uri != NULL; i++) {
        uri = strchr(uri, ',');
        uri = uri == NULL ? NULL : uri + 1;
    }
    char *end[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++) {
        char *comma = strrchr(line, ',');
        if (comma == NULL) {
            return;
        }
        *comma = '\0';
        end[i] = comma + 1;
    }
    if (uri == NULL || strchr(uri, ',') == NULL) {
        return;
    }
    *strchr(uri, ',') = '\0';
    double bytes = atof(end[2]);
    if (bytes > 0) {
        trace_add(t, uri, (uint64_t)bytes);
    }
}

static bool trace_load(struct trace *t)
{
    memset(t, 0, sizeof *t);
    ic_map_init(&t->items, 1, item_matches);
    FILE *in = access(TRACE, R_OK) == 0 ? popen("tar xzOf " TRACE, "r") : NULL;
    if (in == NULL) {
        return false;
    }
    static char line[4096];
    while (fgets(line, sizeof line, in) != NULL) {
        trace_line(t, line);
    }
    return pclose(in) == 0;
}

static void free_item(struct ic_map_node *node, void *ctx)
{
    (void)ctx;
    ic_free(item_of(node));
}

static double hit_ratio(struct trace *t, int kind, uint64_t capacity)
{
    struct ic_eviction *e = ic_eviction_new(kind, 0);
    uint64_t used = 0, hits = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct item *item = t->get[i];
        if (item->node.inside) {
            hits++;
            ic_eviction_access(e, &item->node);
            continue;
        }
        if (item->size > capacity) {
            continue;
        }
        while (used + item->size > capacity) {
            struct item *victim = IC_CONTAINER(ic_eviction_victim(e), struct item, node);
            used -= victim->size;
        }
        assert_int_equal(ic_eviction_insert(e, &item->node, item->size,
                                            ic_map_hash(&t->items, ic_slice_str(item->key))),
                         0);
        used += item->size;
    }
    for (struct ic_eviction_node *n; (n = ic_eviction_victim(e)) != NULL;) {
    }
    ic_eviction_free(e);
    return (double)hits / (double)t->count;
}

static void test_trace(void **state)
{
    (void)state;
    static const struct {
        int kind;
        uint64_t gb;
        double ratio; /* 0: no figure to check against */
    } figures[] = {
        {IC_EVICTION_LRU, 20, .594},  {IC_EVICTION_LRU, 50, .626},   {IC_EVICTION_LRU, 100, .638},
        {IC_EVICTION_LRU, 467, .661}, {IC_EVICTION_LRU, 2000, .665}, {IC_EVICTION_GDSF, 20, 0},
        {IC_EVICTION_GDSF, 50, .640}, {IC_EVICTION_GDSF, 467, .664}, {IC_EVICTION_SIEVE, 20, 0},
        {IC_EVICTION_SIEVE, 50, 0},   {IC_EVICTION_SIEVE, 467, 0},   {IC_EVICTION_S3FIFO, 20, 0},
        {IC_EVICTION_S3FIFO, 50, 0},  {IC_EVICTION_S3FIFO, 467, 0},  {IC_EVICTION_CLOCK, 20, 0},
        {IC_EVICTION_CLOCK, 50, 0},   {IC_EVICTION_CLOCK, 467, 0},
    };
    static const char *const names[] = {"gdsf", "sieve", "s3fifo", "lru", "clock"};
    static struct trace t;
    bool there = trace_load(&t);
    if (there) {
        assert_int_equal(t.count, 37474);
        assert_int_equal(t.items.count, 12541);
        for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
            double ratio = hit_ratio(&t, figures[i].kind, figures[i].gb * 1000000000);
            print_message("%-6s %4d GB %.4f\n", names[figures[i].kind], (int)figures[i].gb, ratio);
            if (figures[i].ratio > 0) {
                assert_true(ratio > figures[i].ratio - .003 && ratio < figures[i].ratio + .003);
            }
        }
    }
    ic_map_each(&t.items, free_item, NULL);
    ic_map_deinit(&t.items);
    ic_free(t.get);
    if (!there) {
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_lru_by_hand),
        leak_test(test_clock_by_hand),
        leak_test(test_sieve_by_hand),
        leak_test(test_gdsf_by_hand),
        leak_test(test_s3fifo_by_hand),
        leak_test(test_against_models),
        leak_test(test_gdsf_least_goes_first),
        leak_test(test_returned_victims),
        leak_test(test_bounded_looks),
        leak_test(test_bounded_looks_beside_pins),
        leak_test(test_no_memory),
        leak_test(test_tiny_halves),
        leak_test(test_patience_is_learnt),
        leak_test(test_other_misses_teach_nothing),
        leak_test(test_overwrites_age_nothing),
        leak_test(test_change_keeps_the_order),
        leak_test(test_change_keeps_hits),
        leak_test(test_change_at_random),
        leak_test(test_change_without_memory),
        leak_test(test_trace),
    };
    return cmocka_run_group_tests_name("eviction", tests, NULL, NULL);
}
