/* test_rebuild_names.c - under which key and expiry a version is known whose chunks differ in that.
 */
#include "base/random.h"
#include "core/rebuild_claim.h"
#include "unit/rebuild_world.h"

/* A chunk that was sealed anew says when the key expired then: what most say, else the later. */
static void test_expiry(void **state)
{
    (void)state;
    static const int64_t said[][6] = {{5, 5, 5, 0, 0, 0}, {9, 9, 9, 5, 5, 5}, {1, 9, 9, 9, 1, 9},
                                      {1, 1, 1, 1, 1, 0}, {0, 0, 0, 0, 0, 1}, {1, 1, 9, 9, 9, 9}};
    static const int64_t believed[] = {0, 9, 9, 1, 0, 9};
    for (size_t i = 0; i < sizeof believed / sizeof *believed; i++) {
        struct owner o;
        struct ic_rebuilt v;
        begin(&o, 1 << 20);
        for (uint16_t c = 0; c < 6; c++) {
            struct ic_item item = seal(ID(1), ID(2), "a", 1000, c);
            item.seal.expires_ms = said[i][c];
            give(&o, c, SERIAL, item);
        }
        assert_true(next(&o, &v));
        assert_int_equal(found(&v), 6);
        assert_int_equal(v.expires_ms, believed[i]);
        assert_false(next(&o, &v));
        ic_rebuild_free(o.r);
    }
}

/* Chunk C of one version says the key NAMES[C], ' ' of a chunk that is lost. */
static void give_names(struct owner *o, const char *names, uint16_t from, int step)
{
    for (uint16_t i = 0; i < 6; i++) {
        uint16_t c = (uint16_t)((from + step * i + 60) % 6);
        char key[] = {names[c], '\0'};
        if (names[c] != ' ') {
            give(o, c, SERIAL, seal(ID(1), ID(2), key, 1000, c));
        }
    }
}

/* A chunk that was sealed anew has the key of its time: what most say, in whatever order. */
static void test_renamed(void **state)
{
    (void)state;
    static const struct {
        const char *names, *believed;
    } t[] = {{"aaabbb", "ab"}, {"aabbbb", "b"}, {"baaaaa", "a"}, {"aabbc ", "ab"},
             {"abcccc", "c"},  {"a bb c", "b"}, {"aaxbbb", "b"}, {"aaaaxx", "a"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        for (uint16_t turn = 0; turn < 12; turn++) {
            struct owner o;
            struct ic_rebuilt v;
            begin(&o, 1 << 20);
            give_names(&o, t[i].names, turn % 6, turn < 6 ? 1 : -1);
            assert_true(next(&o, &v));
            assert_int_equal(v.key.len, 1);
            assert_non_null(memchr(t[i].believed, v.key.data[0], strlen(t[i].believed)));
            assert_int_equal(found(&v), memchr(t[i].names, ' ', 6) == NULL ? 6 : i == 5 ? 4 : 5);
            assert_false(next(&o, &v));
            assert_int_equal(o.unwanted, 0);
            assert_int_equal(ic_rebuild_stats(o.r).memory, 0);
            ic_rebuild_free(o.r);
        }
    }
}

/* It competes under the name that most say: what is older there gives way, and what is newer there
 * outdates it; under the others nothing does. */
static void test_renamed_among_others(void **state)
{
    (void)state;
    for (uint16_t turn = 0; turn < 12; turn++) {
        struct owner o;
        struct ic_rebuilt v;
        int shown = 0;
        begin(&o, 1 << 20);
        for (uint16_t c = 0; c < 6; c++) {
            give(&o, c, SERIAL, seal(ID(7), ID(1), "b", 1000, c)); /* what it was renamed to */
        }
        give_names(&o, "bbbbaa", turn % 6, turn < 6 ? 1 : -1);
        for (uint16_t c = 0; c < 6; c++) {
            give(&o, c, SERIAL, seal(ID(9), ID(3), "a", 1000, c)); /* set anew since */
        }
        while (next(&o, &v)) {
            assert_int_equal(v.id, ic_slice_equal(v.key, ic_slice_str("a")) ? ID(9) : ID(1));
            assert_int_equal(found(&v), 6);
            shown++;
        }
        assert_int_equal(shown, 2);
        assert_int_equal(o.unwanted, 6);
        ic_rebuild_free(o.r);
    }
}

/* Functions list in turn: what was renamed from "a", as NAMES say, and what was set there since. */
static void list_both(struct owner *o, const char *names, uint16_t from, int step)
{
    for (uint16_t i = 0; i < 6; i++) {
        uint16_t c = (uint16_t)((from + step * i + 60) % 6);
        char key[] = {names[c], '\0'};
        give(o, c, SERIAL, seal(ID(9), ID(3), "a", 1000, c));
        give(o, c, SERIAL, seal(ID(1), ID(2), key, 1000, c));
    }
}

/* Renamed, and the old name was given another value: both are there, in whatever order they are
 * listed, if two functions say the new name. */
static void test_renamed_and_set_anew(void **state)
{
    (void)state;
    static const char *const names[] = {"aaabbb", "bbaaaa", "aabbbb", "bbbbbb", "ababab", "aaaaab"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (uint16_t turn = 0; turn < 12; turn++) {
            struct owner o;
            struct ic_rebuilt v;
            uint32_t shown = 0, wanted = i == 5 ? 1 : 2;
            begin(&o, 1 << 20);
            list_both(&o, names[i], turn % 6, turn < 6 ? 1 : -1);
            while (next(&o, &v)) {
                assert_int_equal(v.id, ic_slice_equal(v.key, ic_slice_str("a")) ? ID(9) : ID(1));
                assert_int_equal(found(&v), 6);
                shown++;
            }
            assert_int_equal(shown, wanted);
            assert_int_equal(o.unwanted, wanted == 2 ? 0 : 6);
            assert_int_equal(ic_rebuild_stats(o.r).memory, 0);
            ic_rebuild_free(o.r);
        }
    }
}

/* Function 9 says a wrong name of one chunk of an outdated version, of which others are left: it
 * hides nothing that two functions speak of. */
static void test_one_wrong_name(void **state)
{
    (void)state;
    static const uint16_t codes[][2] = {{1, 1}, {1, 2}, {2, 1}, {4, 2}};
    for (int i = 0; i < 8; i++) {
        uint16_t data = codes[i / 2][0], parity = codes[i / 2][1];
        bool liar_first = i % 2 == 0;
        struct owner o;
        struct ic_rebuilt v;
        int shown = 0;
        begin(&o, 1 << 20);
        for (uint16_t c = 0; c < data + parity; c++) {
            if (c == 0 && liar_first) {
                give(&o, 9, SERIAL, seal_of(ID(3), ID(4), "b", data, parity, 0));
            }
            give(&o, c, SERIAL, seal_of(ID(1), ID(2), "b", data, parity, c));
            give(&o, c, SERIAL, seal_of(ID(5), ID(6), "a", data, parity, c));
            if (c > 0) {
                give(&o, c, SERIAL, seal_of(ID(3), ID(4), "a", data, parity, c));
            }
        }
        give(&o, 9, SERIAL, seal_of(ID(3), ID(4), "b", data, parity, 0));
        while (next(&o, &v)) {
            assert_int_equal(v.id, ic_slice_equal(v.key, ic_slice_str("a")) ? ID(5) : ID(1));
            shown++;
        }
        assert_int_equal(shown, 2);
        ic_rebuild_free(o.r);
    }
}

/* A function has one vote, however many chunks it says to have, and however often it comes anew. */
static void test_one_vote_each(void **state)
{
    (void)state;
    struct owner o;
    struct ic_rebuilt v;
    begin(&o, 1 << 20);
    give(&o, 0, SERIAL, seal(ID(1), ID(2), "a", 1000, 0));
    give(&o, 1, SERIAL, seal(ID(1), ID(2), "a", 1000, 1));
    for (uint32_t i = 1; i <= 9; i++) {
        o.gone = SERIAL + i - 1 == SERIAL ? 0 : SERIAL + i - 1;
        for (uint16_t c = 2; c < 6; c++) {
            char key[] = {(char)('k' + i), '\0'};
            give(&o, 9, SERIAL + i, seal(ID(1), ID(2), c == 2 ? "b" : key, 1000, c));
        }
    }
    assert_true(next(&o, &v));
    assert_true(ic_slice_equal(v.key, ic_slice_str("a")));
    assert_int_equal(found(&v), 6);
    assert_false(next(&o, &v));
    ic_rebuild_free(o.r);
}

/* ---- a claim alone ---- */

static uint32_t functions_of(const struct ic_rebuild_claim *c)
{
    uint32_t functions = 0;
    for (uint16_t f = 0; f < FUNCTIONS; f++) {
        functions += ic_rebuild_claim_places_on(c, f) > 0;
    }
    return functions;
}

static void check_claim(const struct ic_rebuild_claim *c)
{
    struct ic_rebuild_claim_key key[IC_REBUILD_NAMES_MAX];
    size_t count = ic_rebuild_claim_keys(c, key);
    uint32_t votes = 0, believed = 0, seen = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || key[i - 1].votes >= key[i].votes);
        votes += key[i].votes;
        believed += ic_slice_equal(key[i].key, c->key) ? key[i].votes : 0;
    }
    for (size_t i = 0; i < ic_rebuild_claim_chunks(c); i++) {
        seen += c->place[i].serial != 0;
    }
    assert_int_equal(votes, c->functions);
    assert_int_equal(believed, c->votes);
    assert_int_equal(seen, c->seen);
    assert_int_equal(functions_of(c), c->functions);
    assert_true(c->functions != 1 || ic_rebuild_claim_is_of(c, c->lone));
    assert_true(c->functions != 1 || ic_rebuild_claim_places_on(c, c->lone) == c->seen);
}

/* Chunks come, go, and come from elsewhere, under names of one length: the figures are right. */
static void test_figures(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct ic_rng rng;
        ic_rng_init(&rng, seed);
        struct ic_item item = seal(ID(1), ID(2), "a", 1000, 0);
        struct ic_rebuild_claim *c = ic_rebuild_claim_new(&item.seal, ic_slice_str(keys[0]));
        assert_non_null(c);
        for (int step = 0; step < 500; step++) {
            uint16_t chunk = (uint16_t)(ic_rng_next(&rng) % 6);
            if (c->place[chunk].serial != 0) {
                ic_rebuild_claim_clear(c, chunk);
            } else {
                item.seal.key = ic_slice_str(keys[ic_rng_next(&rng) % 4]);
                item.seal.expires_ms = (int64_t)(ic_rng_next(&rng) % 3);
                uint16_t function = (uint16_t)(ic_rng_next(&rng) % FUNCTIONS);
                assert_int_equal(ic_rebuild_claim_set(c, chunk, function, SERIAL, &item.seal), 0);
            }
            check_claim(c);
            struct ic_rebuild_claim_key key[IC_REBUILD_NAMES_MAX];
            if (ic_rng_next(&rng) % 4 == 0) {
                size_t count = ic_rebuild_claim_keys(c, key);
                struct ic_slice chosen = key[ic_rng_next(&rng) % count].key;
                ic_rebuild_claim_believe(c, ic_slice_str(keys[chosen.data[0] - 'a']));
                check_claim(c);
            }
        }
        ic_rebuild_claim_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_expiry),
        leak_test(test_renamed),
        leak_test(test_renamed_among_others),
        leak_test(test_renamed_and_set_anew),
        leak_test(test_one_wrong_name),
        leak_test(test_one_vote_each),
        leak_test(test_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
