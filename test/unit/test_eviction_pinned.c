/*
 * test_eviction_pinned.c - victims that are pinned: each policy sets them aside, has them back in
 * its order when they are used, and gives them away first when they are released; and what is
 * pinned when so many are that a victim would cost too many looks. Against a model that knows only
 * who is there and who is pinned, with changes of the policy and no memory.
 */
#include "core/eviction.h"

#include "base/config.h"
#include "base/random.h"
#include "unit/unit.h"

#include <string.h>

enum { OBJECTS = 80, SIZE = 10, REACH_MAX = 10 };

struct world {
    struct ic_eviction *e;
    struct ic_eviction_node node[OBJECTS];
    uint64_t evicted;
    uint64_t entered; /* times that one came into an order, or was released */
};

static struct world *start_within(int kind, uint32_t reach_max)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    w.e = ic_eviction_new(kind, reach_max);
    assert_non_null(w.e);
    return &w;
}

static struct world *start(int kind)
{
    return start_within(kind, OBJECTS);
}

static void insert(struct world *w, int i, uint64_t size)
{
    assert_int_equal(ic_eviction_insert(w->e, &w->node[i], size, (uint64_t)i), 0);
    w->entered++;
}

static void pin(struct world *w, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        ic_eviction_pin(w->e, &w->node[i]);
    }
}

static void unpin(struct world *w, int i)
{
    ic_eviction_release(w->e, &w->node[i]);
    w->entered++;
}

static void use(struct world *w, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        ic_eviction_access(w->e, &w->node[i]);
    }
}

/* The number of the object that goes, -1: none can. */
static int evict(struct world *w)
{
    struct ic_eviction_node *node = ic_eviction_victim(w->e);
    if (node == NULL) {
        return -1;
    }
    assert_false(node->inside || node->pinned);
    w->evicted++;
    return (int)(node - w->node);
}

static uint64_t looks(const struct world *w)
{
    return w->evicted + ic_eviction_set_aside(w->e);
}

static void insert_all(struct world *w)
{
    for (int i = 0; i < OBJECTS; i++) {
        insert(w, i, SIZE);
    }
}

/* All of them, those of the first PINNED pinned. */
static struct world *start_full(int kind, int pinned)
{
    struct world *w = start(kind);
    insert_all(w);
    pin(w, 0, pinned);
    return w;
}

static void test_looked_at_once(void **state)
{
    (void)state;
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        struct world *w = start_full(kind, 40);
        for (int i = 40; i < OBJECTS; i++) {
            assert_int_equal(evict(w), i);
        }
        for (int i = 0; i < 10; i++) {
            assert_int_equal(evict(w), -1);
        }
        assert_int_equal(looks(w), OBJECTS);
        ic_eviction_free(w->e);
    }
}

/* Whoever was a victim and was not used since is the next one, in the order of their releases. */
static void test_released_go_first(void **state)
{
    (void)state;
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        struct world *w = start_full(kind, 4);
        assert_int_equal(evict(w), 4);
        unpin(w, 2);
        unpin(w, 0);
        pin(w, 9, 1);
        unpin(w, 9); /* never was a victim */
        struct ic_eviction_node *node = ic_eviction_victim(w->e);
        assert_ptr_equal(node, &w->node[2]);
        ic_eviction_return(w->e, node); /* it could not be evicted */
        assert_int_equal(evict(w), 2);
        assert_int_equal(evict(w), 0);
        assert_int_equal(evict(w), 5);
        ic_eviction_free(w->e);
    }
}

/* It is in the order again, as what was used; removed, it is in none. */
static void test_used_and_removed_while_aside(void **state)
{
    (void)state;
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        struct world *w = start_full(kind, 4);
        assert_int_equal(evict(w), 4);
        ic_eviction_access(w->e, &w->node[0]);
        unpin(w, 0);
        unpin(w, 1);
        ic_eviction_access(w->e, &w->node[1]);
        ic_eviction_remove(w->e, &w->node[2]);
        assert_false(w->node[2].inside);
        unpin(w, 3);
        ic_eviction_remove(w->e, &w->node[3]);
        assert_int_equal(w->node[0].frequency, 1);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(evict(w), 5 + i);
        }
        bool seen[OBJECTS] = {false};
        for (int i; (i = evict(w)) != -1;) {
            assert_false(seen[i]);
            seen[i] = true;
        }
        assert_true(seen[0] && seen[1] && !seen[2] && !seen[3] && seen[OBJECTS - 1]);
        ic_eviction_free(w->e);
    }
}

/* COUNT times all that is there, but for what is aside. PINNED is not among it. */
static void turn_over(struct world *w, int count, int pinned)
{
    for (int i = 0; i < count * OBJECTS; i++) {
        int gone = evict(w);
        assert_int_not_equal(gone, pinned);
        insert(w, gone, SIZE);
    }
}

/* gdsf learns from the use of a tiny one that was aside how long it was idle. */
static void test_idle_time_is_kept(void **state)
{
    (void)state;
    struct world *w = start(IC_EVICTION_GDSF);
    insert(w, 0, 1);
    pin(w, 0, 1);
    for (int i = 1; i < OBJECTS; i++) {
        insert(w, i, SIZE);
    }
    turn_over(w, 3, 0);
    assert_true(looks(w) > 3 * OBJECTS); /* it was a victim */
    ic_eviction_access(w->e, &w->node[0]);
    unpin(w, 0);
    turn_over(w, 3, 0);
    ic_eviction_free(w->e);
}

/* A large one was aside and is used: its bytes are those of a turnover again until it is evicted,
 * and so a tiny one that nobody reads goes in its turn. */
static void test_bytes_are_kept(void **state)
{
    (void)state;
    struct world *w = start(IC_EVICTION_GDSF);
    insert(w, 0, 1000);
    insert(w, 1, SIZE);
    pin(w, 0, 1);
    assert_int_equal(evict(w), 1);
    ic_eviction_access(w->e, &w->node[0]);
    unpin(w, 0);
    assert_int_equal(evict(w), 0);
    for (int i = 0; i < OBJECTS; i++) {
        insert(w, i, i == 0 ? 1 : SIZE);
    }
    for (int i = 0; i < 3 * OBJECTS && w->node[0].inside; i++) {
        int gone = evict(w);
        if (gone != 0) {
            insert(w, gone, SIZE);
        }
    }
    assert_false(w->node[0].inside);
    ic_eviction_free(w->e);
}

/* Overwriting what is pinned is no turnover, either. */
static void test_overwrites_age_nothing(void **state)
{
    (void)state;
    struct world *w = start_full(IC_EVICTION_GDSF, 1);
    assert_int_equal(evict(w), 1);
    insert(w, 1, SIZE);
    uint64_t used = w->node[1].used;
    ic_eviction_remove(w->e, &w->node[0]);
    insert(w, 0, SIZE);
    assert_int_equal(w->node[0].used, used + 1); /* one for the use */
    ic_eviction_free(w->e);
}

static void test_change(void **state)
{
    (void)state;
    for (int from = IC_EVICTION_GDSF; from <= IC_EVICTION_CLOCK; from++) {
        for (int to = IC_EVICTION_GDSF; to <= IC_EVICTION_CLOCK; to++) {
            struct world *w = start_full(from, 5);
            assert_int_equal(evict(w), 5);
            assert_int_equal(ic_eviction_change(w->e, to), 0);
            assert_int_equal(ic_eviction_change_some(w->e, 3), from != to);
            unpin(w, 1); /* carried over */
            unpin(w, 4); /* not yet, or never */
            int first = evict(w);
            assert_true(first == 1 || first == 4);
            assert_int_equal(evict(w), 5 - first);
            while (ic_eviction_change_some(w->e, 7) == 1) {
            }
            for (int i = 6; i < OBJECTS; i++) {
                assert_int_equal(evict(w), i);
            }
            assert_int_equal(evict(w), -1);
            unpin(w, 0);
            assert_int_equal(evict(w), 0);
            ic_eviction_free(w->e);
        }
    }
}

/* Inserts from FIRST on for as long as that takes no memory. Returns the first that did not. */
static int fill(struct world *w, int first)
{
    int result = 0;
    for (; result >= 0; first++) {
        assert_true(first < OBJECTS);
        ic_alloc_fail_at(1);
        result = ic_eviction_insert(w->e, &w->node[first], SIZE, 0);
        ic_alloc_fail_at(0);
    }
    return first - 1;
}

/* gdsf's heap cannot grow: what is aside and used stays there, and goes first when it is released
 * unless there is memory by then. */
static void test_no_memory(void **state)
{
    (void)state;
    struct world *w = start(IC_EVICTION_GDSF);
    insert(w, 0, SIZE);
    int count = fill(w, 1);
    pin(w, 0, 2);
    assert_int_equal(evict(w), 2);
    assert_int_equal(fill(w, count), count + 3);
    for (int i = 0; i < 2; i++) {
        ic_alloc_fail_at(1);
        use(w, i, 1);
    }
    ic_alloc_fail_at(1);
    unpin(w, 0);
    ic_alloc_fail_at(0);
    assert_int_equal(evict(w), 0);
    unpin(w, 1);
    assert_int_equal(evict(w), 3);
    ic_eviction_free(w->e);
}

/* gdsf takes nothing over: what is aside stays aside, all else goes when it is its turn. */
static void test_no_memory_for_a_change(void **state)
{
    (void)state;
    struct world *w = start_full(IC_EVICTION_LRU, 1);
    assert_int_equal(evict(w), 1);
    assert_int_equal(ic_eviction_change(w->e, IC_EVICTION_GDSF), 0);
    static const int goes[] = {2, 0, 3}; /* the first is pinned at first */
    for (int i = 0; i < 3; i++) {
        ic_alloc_fail_at(1);
        assert_int_equal(ic_eviction_change_some(w->e, 1), IC_ENOMEM);
        ic_alloc_fail_at(0);
        assert_int_equal(evict(w), goes[i]);
        if (i == 0) {
            unpin(w, 0);
        }
    }
    ic_eviction_free(w->e);
}

/* ---- more are pinned than a victim may cost looks ----------------------------- */

/* Half of them are pinned, and a victim was asked for. */
static struct world *start_beyond(int kind)
{
    struct world *w = start_within(kind, REACH_MAX);
    insert_all(w);
    pin(w, 0, OBJECTS / 2);
    assert_int_equal(ic_eviction_in_reach(w->e), REACH_MAX);
    assert_int_equal(ic_eviction_set_aside(w->e), 0);
    assert_int_equal(evict(w), OBJECTS / 2);
    assert_int_equal(ic_eviction_set_aside(w->e), REACH_MAX);
    assert_int_equal(ic_eviction_in_reach(w->e), 0);
    return w;
}

/* Those used while they were set aside do not go before those that were not. */
static void test_looks_are_bounded(void **state)
{
    (void)state;
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        struct world *w = start_beyond(kind);
        use(w, 0, 2 * REACH_MAX);
        assert_int_equal(ic_eviction_in_reach(w->e), REACH_MAX);
        assert_int_equal(evict(w), OBJECTS / 2 + 1);
        assert_true(ic_eviction_set_aside(w->e) <= 2 * REACH_MAX);
        for (int i = 0; i < OBJECTS / 2; i++) {
            unpin(w, i);
        }
        assert_int_equal(ic_eviction_in_reach(w->e), 0);
        for (int i = 0; i < 20; i++) {
            assert_true(evict(w) >= 2 * REACH_MAX);
        }
        ic_eviction_free(w->e);
    }
}

/* What was used and then pinned beyond the bound is no victim when it is released. */
static void test_pinned_beyond_is_not_due(void **state)
{
    (void)state;
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        struct world *w = start_within(kind, 0);
        insert_all(w);
        use(w, 0, 1);
        pin(w, 0, 1);
        unpin(w, 0);
        assert_int_equal(evict(w), 1);
        ic_eviction_free(w->e);
    }
}

/* What is due and pinned beyond the bound is due when it is released. */
static void test_due_again(void **state)
{
    (void)state;
    for (int kind = IC_EVICTION_GDSF; kind <= IC_EVICTION_CLOCK; kind++) {
        struct world *w = start_beyond(kind);
        unpin(w, 0);
        use(w, 1, REACH_MAX);
        pin(w, 0, 1);
        assert_int_equal(evict(w), OBJECTS / 2 + 1);
        unpin(w, 0);
        assert_int_equal(evict(w), 0);
        ic_eviction_free(w->e);
    }
}

/* A change keeps what is set aside where it is, and why. */
static void test_change_beyond(void **state)
{
    (void)state;
    for (int from = IC_EVICTION_GDSF; from <= IC_EVICTION_CLOCK; from++) {
        for (int to = IC_EVICTION_GDSF; to <= IC_EVICTION_CLOCK; to++) {
            struct world *w = start_beyond(from);
            use(w, REACH_MAX, 2 * REACH_MAX);
            assert_int_equal(ic_eviction_change(w->e, to), 0);
            assert_int_equal(ic_eviction_change_some(w->e, OBJECTS / 3), from != to);
            assert_int_equal(ic_eviction_in_reach(w->e), REACH_MAX);
            while (ic_eviction_change_some(w->e, 7) == 1) {
            }
            assert_int_equal(ic_eviction_in_reach(w->e), REACH_MAX);
            for (int i = 0; i < OBJECTS / 2; i++) {
                unpin(w, i);
            }
            for (int i = 0; i < REACH_MAX; i++) {
                assert_int_equal(evict(w), i);
            }
            while (evict(w) != -1) {
            }
            assert_int_equal(w->evicted, OBJECTS);
            ic_eviction_free(w->e);
        }
    }
}

/* gdsf's heap cannot grow: what is released is due, and stays so though it is used. */
static void test_no_memory_at_the_release(void **state)
{
    (void)state;
    struct world *w = start_within(IC_EVICTION_GDSF, 0);
    insert(w, 0, SIZE);
    int count = fill(w, 1);
    pin(w, 0, 3);
    assert_int_equal(fill(w, count), count + 3);
    use(w, 0, 1);
    for (int i = 0; i < 2; i++) {
        ic_alloc_fail_at(1);
        unpin(w, i);
        ic_alloc_fail_at(1);
        use(w, i, 1);
        ic_alloc_fail_at(0);
        assert_int_equal(evict(w), i);
    }
    assert_int_equal(evict(w), 3); /* now there is room */
    use(w, 2, 1);
    ic_alloc_fail_at(1);
    unpin(w, 2);
    ic_alloc_fail_at(0);
    assert_int_equal(evict(w), 4);
    ic_eviction_free(w->e);
}

/* ---- at random ---------------------------------------------------------------- */

static int random_one(struct ic_rng *rng)
{
    return (int)ic_rng_below(rng, OBJECTS);
}

/* As many pinned ones are within reach as it says. */
static void check_reach(const struct world *w, uint32_t reach_max)
{
    uint32_t in_reach = 0;
    for (int i = 0; i < OBJECTS; i++) {
        const struct ic_eviction_node *node = &w->node[i];
        in_reach += node->pinned && node->away < IC_EVICTION_ASIDE;
        assert_true(node->inside || !node->pinned);
    }
    assert_int_equal(ic_eviction_in_reach(w->e), in_reach);
    assert_true(in_reach <= reach_max);
}

/* Exactly one of those that can go does, at the price of looks that came in before. */
static void evict_and_check(struct world *w, uint32_t reach_max)
{
    bool possible = false;
    for (int i = 0; i < OBJECTS; i++) {
        possible |= w->node[i].inside && !w->node[i].pinned;
    }
    uint64_t before = looks(w);
    assert_int_equal(evict(w) != -1, possible);
    assert_true(looks(w) <= w->entered && looks(w) - before <= reach_max + 1);
}

static void change_some(struct world *w, struct ic_rng *rng)
{
    if (ic_rng_below(rng, 4) == 0) {
        int result = ic_eviction_change(w->e, (int)ic_rng_below(rng, IC_EVICTION_CLOCK + 1));
        assert_true(result == 0 || result == IC_EBUSY);
    }
    bool short_of_memory = ic_rng_below(rng, 3) == 0;
    ic_alloc_fail_at(short_of_memory ? 1 + ic_rng_below(rng, 3) : 0);
    int result = ic_eviction_change_some(w->e, (uint32_t)ic_rng_below(rng, 20));
    ic_alloc_fail_at(0);
    assert_true(result >= 0 || (short_of_memory && result == IC_ENOMEM));
    w->entered += 20;
}

/* Some are pinned already, as at an undo. */
static void insert_random(struct world *w, struct ic_rng *rng, int i)
{
    insert(w, i, 1 + ic_rng_below(rng, 100));
    if (ic_rng_below(rng, 4) == 0) {
        pin(w, i, 1);
    }
}

static void step(struct world *w, struct ic_rng *rng, uint32_t reach_max)
{
    int i = random_one(rng);
    struct ic_eviction_node *node = &w->node[i];
    uint64_t what = ic_rng_below(rng, 20);
    if (what == 0) {
        change_some(w, rng);
    } else if (!node->inside) {
        insert_random(w, rng, i);
    } else if (what < 6) {
        ic_alloc_fail_at(ic_rng_below(rng, 3));
        use(w, i, 1);
        w->entered++;
    } else if (what < 8) {
        ic_eviction_remove(w->e, node);
    } else if (what < 14 && node->pinned) {
        ic_alloc_fail_at(ic_rng_below(rng, 3));
        unpin(w, i);
    } else if (what < 14) {
        pin(w, i, 1);
    } else {
        evict_and_check(w, reach_max);
    }
    ic_alloc_fail_at(0);
    check_reach(w, reach_max);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct ic_rng rng;
        ic_rng_init(&rng, seed);
        uint32_t reach_max = seed % 3 == 0 ? OBJECTS : (uint32_t)(seed % REACH_MAX);
        struct world *w = start_within((int)(seed % (IC_EVICTION_CLOCK + 1)), reach_max);
        for (int i = 0; i < 5000; i++) {
            step(w, &rng, reach_max);
        }
        int inside = 0, went = 0;
        for (int i = 0; i < OBJECTS; i++) {
            inside += w->node[i].inside != 0;
            if (w->node[i].pinned) {
                unpin(w, i);
            }
        }
        while (evict(w) != -1) {
            went++;
        }
        assert_int_equal(went, inside);
        ic_eviction_free(w->e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_looked_at_once),
        leak_test(test_released_go_first),
        leak_test(test_used_and_removed_while_aside),
        leak_test(test_idle_time_is_kept),
        leak_test(test_bytes_are_kept),
        leak_test(test_overwrites_age_nothing),
        leak_test(test_change),
        leak_test(test_no_memory),
        leak_test(test_no_memory_for_a_change),
        leak_test(test_looks_are_bounded),
        leak_test(test_pinned_beyond_is_not_due),
        leak_test(test_due_again),
        leak_test(test_change_beyond),
        leak_test(test_no_memory_at_the_release),
        leak_test(test_random),
    };
    return cmocka_run_group_tests_name("eviction_pinned", tests, NULL, NULL);
}
