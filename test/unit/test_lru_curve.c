/*
 * test_lru_curve.c - the curve says what an LRU cache of each size does that is played through,
 * also when deletes and other sizes come between, and nearly so when it follows a part alone.
 */
#include "simulate/lru_curve.h"

#include "base/random.h"
#include "simulate/zipf.h"
#include "unit/unit.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* ---- an LRU cache of few keys, by the definition ------------------------------ */

enum { KEYS = 200 };

struct lru {
    uint64_t order[KEYS], bytes[KEYS]; /* most recent first */
    unsigned count;
    uint64_t most, gets, hits, get_bytes, hit_bytes;
};

static bool lru_remove(struct lru *l, uint64_t key)
{
    for (unsigned i = 0; i < l->count; i++) {
        if (l->order[i] == key) {
            l->count--;
            memmove(&l->order[i], &l->order[i + 1], (l->count - i) * sizeof l->order[0]);
            memmove(&l->bytes[i], &l->bytes[i + 1], (l->count - i) * sizeof l->bytes[0]);
            return true;
        }
    }
    return false;
}

static void lru_insert(struct lru *l, uint64_t key, uint64_t bytes)
{
    uint64_t sum = 0;
    memmove(&l->order[1], &l->order[0], l->count * sizeof l->order[0]);
    memmove(&l->bytes[1], &l->bytes[0], l->count * sizeof l->bytes[0]);
    l->order[0] = key;
    l->bytes[0] = bytes;
    l->count++;
    for (unsigned i = 0; i < l->count; i++) {
        sum += l->bytes[i];
        if (sum > l->most) {
            l->count = i;
        }
    }
}

static void lru_request(struct lru *l, const struct ic_sim_request *r)
{
    unsigned there = lru_remove(l, r->key) ? 1 : 0;
    if (r->op == IC_SIM_GET) {
        l->gets++;
        l->get_bytes += r->bytes;
        l->hits += there;
        l->hit_bytes += there * r->bytes;
    }
    if (r->op != IC_SIM_DELETE) {
        lru_insert(l, r->key, r->bytes);
    }
}

/* ---- tests ------------------------------------------------------------------ */

static struct ic_sim_request random_request(struct ic_rng *rng, const struct ic_zipf *z)
{
    uint64_t key = ic_zipf_next(z, rng), kind = ic_rng_below(rng, 20);
    return (struct ic_sim_request){
        .key = key,
        .bytes = 1 + key % 64, /* below 128 the curve's sizes are exact, and sums nearly */
        .op = kind == 0  ? IC_SIM_DELETE
              : kind < 3 ? IC_SIM_PUT
                         : IC_SIM_GET,
    };
}

static void test_it_is_what_caches_of_each_size_do(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 30, 64, 100, 127};
    static struct lru lru[5];
    struct ic_lru_curve *c = ic_lru_curve_new();
    struct ic_zipf z;
    struct ic_rng rng;
    ic_rng_init(&rng, 3);
    ic_zipf_init(&z, KEYS, 1.2);
    for (int i = 0; i < 20000; i++) {
        struct ic_sim_request r = random_request(&rng, &z);
        ic_lru_curve_request(c, &r);
        for (int k = 0; k < 5; k++) {
            lru[k].most = sizes[k];
            lru_request(&lru[k], &r);
        }
    }
    for (int k = 0; k < 5; k++) {
        double hits = (double)lru[k].hits / (double)lru[k].gets;
        double byte_hits = (double)lru[k].hit_bytes / (double)lru[k].get_bytes;
        assert_true(fabs(ic_lru_curve_hits(c, sizes[k]) - hits) < 0.003);
        assert_true(fabs(ic_lru_curve_byte_hits(c, sizes[k]) - byte_hits) < 0.003);
        assert_true(ic_lru_curve_bytes(c, ic_lru_curve_hits(c, sizes[k])) <= sizes[k]);
    }
    assert_true(ic_lru_curve_bytes(c, 1) == UINT64_MAX);
    assert_int_equal(ic_lru_curve_bytes(c, 0), 0);
    ic_lru_curve_free(c);
}

static void test_what_would_be_kept(void **state)
{
    (void)state;
    static const struct ic_sim_request requests[] = {
        {.at_us = 0, .key = 1, .bytes = 100, .op = IC_SIM_GET},
        {.at_us = 3600000000, .key = 2, .bytes = 50, .op = IC_SIM_PUT},
        {.at_us = 3600000000, .key = 1, .bytes = 70, .op = IC_SIM_GET}, /* it has shrunk */
        {.at_us = 7200000000, .key = 2, .op = IC_SIM_HEAD},
        {.at_us = 7200000000, .key = 2, .op = IC_SIM_DELETE},
        {.at_us = 7200000000, .key = 3, .op = IC_SIM_DELETE},
        {.at_us = 10800000000, .key = 1, .bytes = 70, .op = IC_SIM_GET},
    };
    struct ic_lru_curve *c = ic_lru_curve_new();
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        ic_lru_curve_request(c, &requests[i]);
    }
    struct ic_lru_kept kept = ic_lru_curve_kept(c);
    assert_true(kept.objects == 1 && kept.bytes == 70);
    assert_true(fabs(kept.byte_hours - (100 + 120 + 70)) < 1e-6);
    static const struct ic_lru_kept by_hour[] = {
        {1, 100, 100}, {2, 120, 220}, {1, 70, 290}, {1, 70, 290}};
    for (uint32_t i = 0; i < 4; i++) {
        kept = ic_lru_curve_kept_at(c, i);
        assert_true(kept.objects == by_hour[i].objects && kept.bytes == by_hour[i].bytes);
        assert_true(fabs(kept.byte_hours - by_hour[i].byte_hours) < 1e-6);
    }
    assert_true(fabs(ic_lru_curve_hits(c, 1000) - 2.0 / 3) < 1e-9);
    assert_true(fabs(ic_lru_curve_byte_hits(c, 1000) - 140.0 / 240) < 1e-9);
    ic_lru_curve_free(c);
}

/* In a round each key is asked for once: it hits where all of them fit, and nowhere else. */
static void test_the_places_run_out(void **state)
{
    (void)state;
    struct ic_lru_curve *c = ic_lru_curve_new();
    for (uint64_t i = 0; i < 6000000; i++) {
        struct ic_sim_request r = {.key = i % 1000, .bytes = 1000, .op = IC_SIM_GET};
        ic_lru_curve_request(c, &r);
    }
    assert_true(ic_lru_curve_hits(c, 900000) == 0);
    assert_true(fabs(ic_lru_curve_hits(c, 1000000) - (1 - 1000 / 6e6)) < 1e-9);
    ic_lru_curve_free(c);
}

static void test_more_objects_than_it_follows(void **state)
{
    (void)state;
    enum { MANY = 3 * IC_LRU_TRACKED_MAX };
    struct ic_lru_curve *c = ic_lru_curve_new();
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < MANY; i++) {
            struct ic_sim_request r = {.key = i, .bytes = 1000, .op = IC_SIM_GET};
            ic_lru_curve_request(c, &r);
        }
    }
    struct ic_lru_kept kept = ic_lru_curve_kept(c);
    assert_true(fabs(kept.objects / MANY - 1) < 0.01);
    assert_true(fabs(kept.bytes / MANY / 1000 - 1) < 0.01);
    assert_true(ic_lru_curve_hits(c, UINT64_C(900) * MANY) < 0.02);
    assert_true(fabs(ic_lru_curve_hits(c, UINT64_C(1100) * MANY) - 0.5) < 0.02);
    ic_lru_curve_free(c);
}

static void test_failing_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 4; n++) {
        ic_alloc_fail_at(n);
        assert_null(ic_lru_curve_new());
    }
    struct ic_lru_curve *c = ic_lru_curve_new();
    ic_alloc_fail_at(1);
    for (int64_t i = 0; i < 3; i++) {
        struct ic_sim_request r = {.at_us = i * 3600000000, .bytes = 10, .op = IC_SIM_GET};
        ic_lru_curve_request(c, &r);
    }
    assert_true(ic_lru_curve_kept_at(c, 1).bytes == 10);
    ic_lru_curve_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_it_is_what_caches_of_each_size_do),
        leak_test(test_what_would_be_kept),
        leak_test(test_the_places_run_out),
        leak_test(test_more_objects_than_it_follows),
        leak_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
