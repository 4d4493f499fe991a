#include "base/alloc.h"
#include "base/random.h"
#include "proto/frame.h"
#include "unit/rebuild_world.h"

#include <stdio.h>

/* A newer version that is half written outdates nothing, whichever is listed first. */
static void test_newest_complete_version_wins(void **state)
{
    (void)state;
    for (int newer_first = 0; newer_first < 2; newer_first++) {
        for (uint16_t chunks = 1; chunks <= 4; chunks++) {
            struct owner o;
            begin(&o, 1 << 20);
            if (newer_first) {
                give_chunks(&o, ID(3), ID(4), 0, chunks - 1);
            }
            give_chunks(&o, ID(1), ID(2), 0, 5);
            if (!newer_first) {
                give_chunks(&o, ID(3), ID(4), 0, chunks - 1);
            }
            assert_int_equal(o.unwanted, 0);
            check_shown(&o, chunks < 4 ? ID(1) : ID(3), chunks < 4 ? 6 : 4);
            assert_int_equal(o.unwanted, chunks < 4 ? chunks : 6);
        }
    }
}

/* Many wrote the same key when the proxy died: each function names all that came to it, and what
 * was acknowledged last. */
static void test_many_half_written_versions(void **state)
{
    (void)state;
    enum { UNDER_WAY = 40 };
    struct owner o;
    begin(&o, 1 << 20);
    for (uint16_t f = 0; f < 6; f++) {
        for (uint16_t i = 0; f < 3 && i < UNDER_WAY; i++) {
            give(&o, f, SERIAL, seal(ID(10 + i), ID(50 + i), "a", 1000, f));
        }
        give(&o, f, SERIAL, seal(ID(1), ID(2), "a", 1000, f));
    }
    check_shown(&o, ID(1), 6);
    assert_int_equal(o.unwanted, 3 * UNDER_WAY);
}

/* None is complete: the newest is told, for its owner to count. */
static void test_no_complete_version(void **state)
{
    (void)state;
    struct owner o;
    begin(&o, 1 << 20);
    give_chunks(&o, ID(1), ID(2), 0, 2);
    give_chunks(&o, ID(3), ID(4), 0, 0);
    check_shown(&o, ID(3), 1);
    assert_int_equal(o.unwanted, 3);
}

/* What is there is looked at when it is decided: an instance may be gone since its list. */
static void test_gone_when_it_is_decided(void **state)
{
    (void)state;
    struct owner o;
    begin(&o, 1 << 20);
    give_chunks(&o, ID(1), ID(2), 0, 3);
    give(&o, 0, SERIAL + 1, seal_of(ID(3), ID(4), "a", 1, 0, 0)); /* complete, on one function */
    give(&o, 0, SERIAL + 1, seal_of(ID(5), ID(6), "b", 1, 0, 0));
    give(&o, 1, SERIAL, seal_of(ID(7), ID(8), "b", 2, 0, 0)); /* half of it */
    o.gone = SERIAL + 1;
    struct ic_rebuilt v;
    assert_true(next(&o, &v));
    assert_int_equal(v.id, ID(1));
    assert_true(next(&o, &v));
    assert_int_equal(v.id, ID(7));
    assert_false(next(&o, &v));
    ic_rebuild_free(o.r);
}

/* All that function 9 can make up of a newer version, before or after the others' lists. */
static void lie(struct owner *o, int kind)
{
    for (uint16_t i = 0; i < 20; i++) {
        uint64_t made_up = kind == 1 ? i / 6U : i;
        uint64_t id = ((uint64_t)(EPOCH - 1) << 40) + made_up;
        switch (kind) {
        case 0: /* a version is one chunk */
            give(o, 9, SERIAL, seal_of(id, id, "a", 1, 0, 0));
            break;
        case 1: /* the whole code is on one function */
            give(o, 9, SERIAL, seal(id, id, "a", 1000, i % 6));
            break;
        case 2: /* other versions of the object itself */
            give(o, 9, SERIAL, seal(ID(1), id, "a", 1000, 5));
            break;
        case 3: /* the object is known under other keys */
            give(o, 9, SERIAL, seal(ID(1), ID(2), i % 2 == 0 ? "b" : "c", 1000 + i, 5));
            break;
        case 4: /* all chunks of the object are here */
            give(o, 9, SERIAL, seal(ID(1), ID(2), "a", 1000, i % 6));
            break;
        case 5: /* the object is another key's, in more chunks */
            give(o, 9, SERIAL, seal_of(ID(1), ID(2), "b", 16, 16, i));
            break;
        case 6: /* its version is another object, of more chunks */
            give(o, 9, SERIAL, seal_of(ID(5), ID(2), "a", 16, 16, i));
            break;
        }
    }
}

/* One function's word neither hides nor spoils what others have. */
static void test_one_liar(void **state)
{
    (void)state;
    for (int kind = 0; kind < 7; kind++) {
        for (int first = 0; first < 2; first++) {
            struct owner o;
            begin(&o, 1 << 20);
            if (first) {
                lie(&o, kind);
            }
            give_chunks(&o, ID(1), ID(2), 0, 4);
            if (!first) {
                lie(&o, kind);
            }
            /* It may have the chunk that nobody else has. */
            check_shown(&o, ID(1), kind == 3 || kind == 4 ? 6 : 5);
        }
    }
}

/* Of d = 1 a chunk is a version, but not against one that two functions speak of. */
static void test_one_chunk_is_enough(void **state)
{
    (void)state;
    for (uint16_t newer = 1; newer <= 2; newer++) {
        for (uint16_t older = 1; older <= 2; older++) {
            struct owner o;
            begin(&o, 1 << 20);
            for (uint16_t i = 0; i < newer; i++) {
                give(&o, i, SERIAL, seal_of(ID(3), ID(4), "a", 1, 2, i));
            }
            for (uint16_t i = 0; i < older; i++) {
                give(&o, 5 + i, SERIAL, seal_of(ID(1), ID(2), "a", 1, 1, i));
            }
            bool is_older = newer == 1 && older == 2;
            check_shown(&o, is_older ? ID(1) : ID(3), is_older ? older : newer);
        }
    }
}

/* A lost chunk that came back where another has been put meanwhile: it is readable, and outdates
 * nothing. */
static void test_two_chunks_on_one_function(void **state)
{
    (void)state;
    for (int with_older = 0; with_older < 2; with_older++) {
        struct owner o;
        begin(&o, 1 << 20);
        give_chunks(&o, ID(3), ID(4), 0, 2);
        give(&o, 2, SERIAL + 1, seal(ID(3), ID(4), "a", 1000, 3));
        if (with_older) {
            give_chunks(&o, ID(1), ID(2), 0, 3);
        }
        assert_int_equal(o.unwanted, 0);
        check_shown(&o, with_older ? ID(1) : ID(3), 4);
        assert_int_equal(o.unwanted, with_older ? 4 : 0);
    }
}

/* Of too many versions of a key the newest stay, and those that are complete. */
static void test_too_many_versions(void **state)
{
    (void)state;
    struct owner o;
    enum { COUNT = 400, MOST = 256 };
    begin(&o, 1 << 20);
    give_chunks(&o, ID(1), ID(2), 0, 3);
    for (uint16_t i = 0; i < COUNT; i++) { /* each function has some */
        give(&o, i % FUNCTIONS, SERIAL, seal(ID(10 + i), ID(50 + i), "a", 1000, 0));
        assert_true(ic_rebuild_stats(o.r).claims <= MOST);
    }
    give_chunks(&o, ID(9 + COUNT), ID(49 + COUNT), 1, 2);
    assert_int_equal(ic_rebuild_stats(o.r).claims, MOST);
    give(&o, 0, SERIAL, seal(ID(10), ID(50), "a", 1000, 0)); /* older than what has stayed */
    assert_int_equal(o.unwanted, COUNT - (MOST - 1) + 1);
    give(&o, 8, SERIAL, seal(ID(9 + COUNT), ID(49 + COUNT), "a", 1000, 4));
    check_shown(&o, ID(9 + COUNT), 4);
}

static void test_impossible_items(void **state)
{
    (void)state;
    struct owner o;
    struct ic_rebuilt v;
    begin(&o, 1 << 20);
    struct ic_item bad[10];
    for (int i = 0; i < 10; i++) {
        bad[i] = seal(ID(1), ID(2), "a", 1000, 0);
    }
    bad[0].sealed = false;
    bad[1].chunk = 6;
    bad[2].seal.data = 0;
    bad[3].seal.data = bad[3].seal.parity = 40;
    bad[4] = seal(ID(1), ID(2), "a", 0, 0);
    bad[4].seal.unit = 0;
    bad[5].seal.unit = 65;
    bad[6].seal.chunk_length++;
    bad[7].seal.object_size = UINT64_MAX;
    bad[8].object_id = (uint64_t)EPOCH << 40; /* of this proxy's epoch: it has stored nothing */
    bad[9].seal.version = UINT64_MAX;
    for (int i = 0; i < 10; i++) {
        give(&o, 0, SERIAL, bad[i]);
    }
    assert_int_equal(o.unwanted, 10);
    assert_int_equal(ic_rebuild_stats(o.r).impossible, 9);
    assert_false(next(&o, &v));
    ic_rebuild_free(o.r);
}

static void test_same_chunk_twice(void **state)
{
    (void)state;
    struct owner o;
    struct ic_rebuilt v;
    begin(&o, 1 << 20);
    give(&o, 3, SERIAL, seal(ID(1), ID(2), "a", 1000, 0));
    give(&o, 3, SERIAL, seal(ID(1), ID(2), "a", 1000, 0)); /* listed again */
    assert_int_equal(o.unwanted, 0);
    give(&o, 4, SERIAL + 1, seal(ID(1), ID(2), "a", 1000, 0)); /* a copy */
    assert_int_equal(o.unwanted, 1);
    o.gone = SERIAL;
    give(&o, 4, SERIAL + 1, seal(ID(1), ID(2), "a", 1000, 0)); /* the only one now */
    assert_int_equal(o.unwanted, 1);
    assert_true(next(&o, &v));
    assert_int_equal(v.place[0].serial, SERIAL + 1);
    assert_int_equal(v.place[0].function, 4);
    assert_int_equal(found(&v), 1);
    ic_rebuild_refuse(o.r, &v);
    assert_int_equal(o.unwanted, 2);
    ic_rebuild_free(o.r);
}

/* One node says another size: the majority is believed; of equals, nobody. */
static void test_contradiction(void **state)
{
    (void)state;
    for (uint16_t liars = 1; liars <= 3; liars++) {
        struct owner o;
        struct ic_rebuilt v;
        begin(&o, 1 << 20);
        for (uint16_t i = 0; i < 6; i++) {
            give(&o, i, SERIAL, seal(ID(1), ID(2), "a", i < liars ? 512 : 1000, i));
        }
        if (liars < 3) {
            assert_true(next(&o, &v));
            assert_int_equal(v.size, 1000);
            assert_int_equal(found(&v), 6 - liars);
        }
        assert_false(next(&o, &v));
        assert_int_equal(o.unwanted, liars < 3 ? liars : 6);
        assert_int_equal(ic_rebuild_stats(o.r).contested, liars < 3 ? 1 : 2);
        ic_rebuild_free(o.r);
    }
}

/* What is outdated makes room for all else, however old that is, whether the memory is short or the
 * versions of a key are too many. */
static void test_outdated_goes_first(void **state)
{
    (void)state;
    static const uint64_t memory[] = {60 << 10, 1 << 20};
    enum { VERSIONS = 1000 };
    for (int m = 0; m < 2; m++) {
        struct owner o;
        struct ic_rebuilt v;
        begin(&o, memory[m]);
        give(&o, 0, SERIAL, seal_of(ID(1), ID(2), "old", 1, 0, 0));
        for (uint16_t i = 0; i < VERSIONS; i++) {
            give_chunks(&o, ID(10 + i), ID(10 + i), 0, 5);
            assert_true(ic_rebuild_stats(o.r).memory <= memory[m]);
        }
        assert_int_equal(ic_rebuild_stats(o.r).dropped, 0);
        assert_true(next(&o, &v));
        assert_int_equal(v.id, ID(1));
        assert_true(next(&o, &v));
        assert_int_equal(v.id, ID(10 + VERSIONS - 1));
        assert_false(next(&o, &v));
        assert_int_equal(o.unwanted, 6 * (VERSIONS - 1));
        ic_rebuild_free(o.r);
    }
}

/* An id that is claimed under another key does not become two objects. */
static void test_stolen_id(void **state)
{
    (void)state;
    struct owner o;
    struct ic_rebuilt v;
    begin(&o, 1 << 20);
    give(&o, 9, SERIAL, seal(ID(1), ID(9), "thief", 1000, 5));
    for (uint16_t i = 0; i < 6; i++) {
        give(&o, i, SERIAL, seal(ID(1), ID(2), "a", 1000, i));
    }
    assert_true(next(&o, &v));
    assert_true(ic_slice_equal(v.key, ic_slice_str("a")));
    assert_false(next(&o, &v));
    ic_rebuild_free(o.r);
}

/* A node that claims one id in ever new ways is believed once. */
static void test_flood_of_one_id(void **state)
{
    (void)state;
    struct owner o;
    struct ic_rebuilt v;
    begin(&o, 1 << 20);
    for (uint64_t i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)i);
        give(&o, 0, SERIAL, seal(ID(1), ID(2 + i), key, 1000, 0));
    }
    assert_int_equal(ic_rebuild_stats(o.r).claims, 1);
    assert_int_equal(o.unwanted, 999);
    assert_true(next(&o, &v));
    assert_false(next(&o, &v));
    ic_rebuild_free(o.r);
}

/* Beyond the memory the oldest go, and no older version of their keys comes back. */
static void test_memory(void **state)
{
    (void)state;
    struct owner o;
    struct ic_rebuilt v;
    enum { KEYS = 2000 };
    begin(&o, 200 << 10);
    for (uint64_t i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)i);
        give(&o, 0, SERIAL, seal(ID(3 * i + 2), ID(3 * i + 3), key, 1000, 0));
        assert_true(ic_rebuild_stats(o.r).memory <= 200 << 10);
    }
    uint64_t dropped = ic_rebuild_stats(o.r).dropped;
    assert_true(dropped > 1000 && dropped < KEYS);
    give(&o, 0, SERIAL, seal(ID(1), ID(1), "k0", 1000, 0));
    assert_int_equal(o.unwanted, dropped + 1);
    uint64_t expected = dropped;
    while (next(&o, &v)) {
        assert_int_equal(v.version, ID(3 * expected + 3));
        expected++;
    }
    assert_int_equal(expected, KEYS);
    ic_rebuild_free(o.r);
}

/* ---- random orders ---- */

enum { NAMES = 40, OBJECTS = 60, CHUNKS = 6 };

struct truth {
    char key[8];
    uint64_t id, version, size;
    bool there[CHUNKS];
};

static void shuffle(struct ic_rng *rng, struct ic_item *item, uint16_t *function, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = ic_rng_next(rng) % i;
        struct ic_item swap = item[i - 1];
        uint16_t function_swap = function[i - 1];
        item[i - 1] = item[j];
        function[i - 1] = function[j];
        item[j] = swap;
        function[j] = function_swap;
    }
}

static int chunks_of(const struct truth *t)
{
    int chunks = 0;
    for (int c = 0; c < CHUNKS; c++) {
        chunks += t->there[c];
    }
    return chunks;
}

/* The object that KEY is to show: the newest complete version; if there is none, the newest. */
static const struct truth *expected(const struct truth *t, const char *key)
{
    const struct truth *best = NULL;
    for (const struct truth *o = t; o < t + OBJECTS; o++) {
        bool complete = chunks_of(o) >= 4, best_complete = best != NULL && chunks_of(best) >= 4;
        if (chunks_of(o) > 0 && strcmp(o->key, key) == 0 &&
            (best == NULL || complete > best_complete ||
             (complete == best_complete && o->version > best->version))) {
            best = o;
        }
    }
    return best;
}

static void check_outcome(struct owner *o, const struct truth *t, size_t distinct)
{
    struct ic_rebuilt v;
    uint64_t last = 0, places = 0, keys = 0;
    while (next(o, &v)) {
        char key[8] = "";
        memcpy(key, v.key.data, v.key.len);
        const struct truth *want = expected(t, key);
        assert_non_null(want);
        assert_int_equal(v.id, want->id);
        assert_int_equal(v.version, want->version);
        assert_int_equal(v.size, want->size);
        for (int c = 0; c < CHUNKS; c++) {
            assert_int_equal(v.place[c].serial != 0, want->there[c]);
            places += want->there[c];
        }
        assert_true(v.version > last);
        last = v.version;
        keys++;
    }
    for (int i = 0; i < NAMES; i++) {
        char key[16];
        snprintf(key, sizeof key, "n%d", i);
        keys -= expected(t, key) != NULL;
    }
    assert_int_equal(keys, 0);
    assert_int_equal(places + o->unwanted, distinct);
}

static void test_random_orders(void **state)
{
    (void)state;
    static struct truth t[OBJECTS];
    static struct ic_item item[OBJECTS * CHUNKS];
    static uint16_t function[OBJECTS * CHUNKS];
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct ic_rng rng;
        struct owner o;
        size_t count = 0;
        ic_rng_init(&rng, seed);
        begin(&o, 1 << 20);
        for (uint64_t i = 0; i < OBJECTS; i++) {
            t[i] = (struct truth){
                .id = ID(2 * i + 1), .version = ID(2 * i + 2), .size = ic_rng_next(&rng) % 5000};
            snprintf(t[i].key, sizeof t[i].key, "n%d", (int)(ic_rng_next(&rng) % NAMES));
            for (uint16_t c = 0; c < CHUNKS; c++) {
                t[i].there[c] = ic_rng_next(&rng) % 3 > 0;
                if (t[i].there[c]) {
                    function[count] = (uint16_t)((i + c) % FUNCTIONS);
                    item[count++] = seal(t[i].id, t[i].version, t[i].key, t[i].size, c);
                }
            }
        }
        shuffle(&rng, item, function, count);
        for (size_t i = 0; i < count; i++) {
            give(&o, function[i], SERIAL, item[i]);
        }
        check_outcome(&o, t, count);
        ic_rebuild_free(o.r);
    }
}

static void test_failing_memory(void **state)
{
    (void)state;
    int failures = 0;
    for (unsigned n = 1; n < 30; n++) {
        struct owner o;
        struct ic_rebuilt v;
        begin(&o, 1 << 20);
        ic_alloc_fail_at(n);
        for (uint16_t i = 0; i < 6; i++) {
            struct ic_item item = seal(ID(i / 3), ID(10 + i / 3), i % 2 == 0 ? "a" : "b", 1000, i);
            int result = ic_rebuild_item(o.r, i, SERIAL, EPOCH, &item);
            assert_true(result == 0 || result == IC_ENOMEM);
            failures += result < 0;
        }
        ic_alloc_fail_at(0);
        while (next(&o, &v)) {
            assert_true(found(&v) <= 3);
        }
        ic_rebuild_free(o.r);
    }
    assert_true(failures > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_newest_complete_version_wins),
        leak_test(test_many_half_written_versions),
        leak_test(test_no_complete_version),
        leak_test(test_gone_when_it_is_decided),
        leak_test(test_one_liar),
        leak_test(test_one_chunk_is_enough),
        leak_test(test_two_chunks_on_one_function),
        leak_test(test_too_many_versions),
        leak_test(test_impossible_items),
        leak_test(test_same_chunk_twice),
        leak_test(test_contradiction),
        leak_test(test_outdated_goes_first),
        leak_test(test_stolen_id),
        leak_test(test_flood_of_one_id),
        leak_test(test_memory),
        leak_test(test_random_orders),
        leak_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
