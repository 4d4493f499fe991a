/*
 * test_client_memory.c - the books of what clients take: the total, who is the largest, the bound.
 */
#include "proxy/client_memory.h"

#include "base/random.h"
#include "unit/unit.h"

enum { CLIENTS = 50 };

static void test_the_largest_go_first(void **state)
{
    (void)state;
    struct ic_client_memory m;
    struct ic_client_charge small = {0}, large = {0};
    ic_client_memory_init(&m);
    assert_null(ic_client_memory_victim(&m, 0));
    ic_client_memory_charge(&m, &small, 1000, 0, false);
    ic_client_memory_charge(&m, &large, 5000, 0, false);
    assert_null(ic_client_memory_victim(&m, 6000)); /* within the bound */
    assert_ptr_equal(ic_client_memory_victim(&m, 5999), &large);
    ic_client_memory_charge(&m, &small, 20000, 0, false);
    assert_ptr_equal(ic_client_memory_victim(&m, 5999), &small);
    ic_client_memory_leave(&m, &small);
    ic_client_memory_leave(&m, &small);
    assert_int_equal(m.total, 5000);
    ic_client_memory_leave(&m, &large);
    assert_int_equal(m.total, 0);
    assert_null(ic_client_memory_victim(&m, 0));
}

/* Any client may say that it is to be spared: the others keep half of the memory. */
static void test_who_is_spared(void **state)
{
    (void)state;
    enum { LIMIT = 10000 };
    struct ic_client_memory m;
    struct ic_client_charge one = {0}, other = {0}, spared = {0}, greedy = {0};
    ic_client_memory_init(&m);
    ic_client_memory_charge(&m, &one, 3000, 0, false);
    ic_client_memory_charge(&m, &other, 2000, 0, false);
    ic_client_memory_charge(&m, &spared, 4000, 0, true);
    assert_null(ic_client_memory_victim(&m, LIMIT));
    ic_client_memory_charge(&m, &one, 3001 + LIMIT - m.total, 0, false);
    assert_ptr_equal(ic_client_memory_victim(&m, LIMIT), &one);
    ic_client_memory_leave(&m, &one);
    ic_client_memory_charge(&m, &other, LIMIT / 2, 0, false);
    ic_client_memory_charge(&m, &greedy, LIMIT, 0, true);
    assert_ptr_equal(ic_client_memory_victim(&m, LIMIT), &greedy);
    ic_client_memory_charge(&m, &other, LIMIT / 2 + 1, 0, false);
    assert_ptr_equal(ic_client_memory_victim(&m, LIMIT), &other);
    ic_client_memory_charge(&m, &greedy, LIMIT, 0, false); /* it says so no more */
    assert_ptr_equal(ic_client_memory_victim(&m, LIMIT), &greedy);
    ic_client_memory_leave(&m, &greedy);
    assert_null(ic_client_memory_victim(&m, LIMIT));
    ic_client_memory_leave(&m, &spared);
    ic_client_memory_leave(&m, &other);
    assert_int_equal(m.total, 0);
}

/* A large upload that stalled is not what is too much, unless there are very many of them. */
static void test_what_was_withdrawn(void **state)
{
    (void)state;
    enum { CROWD = 12, LIMIT = CROWD * 2000 };
    struct ic_client_memory m;
    struct ic_client_charge crowd[CROWD] = {0}, uploads[CROWD] = {0}, spared = {0};
    ic_client_memory_init(&m);
    ic_client_memory_charge(&m, &uploads[0], 4500, 4000, false);
    for (int i = 0; i < CROWD; i++) {
        ic_client_memory_charge(&m, &crowd[i], 2000, 0, false);
    }
    assert_int_equal(m.total, 4500 + LIMIT);
    for (int i = 0; i < 3; i++) {
        struct ic_client_charge *victim = ic_client_memory_victim(&m, LIMIT);
        assert_in_range((uintptr_t)victim, (uintptr_t)crowd, (uintptr_t)(crowd + CROWD - 1));
        ic_client_memory_leave(&m, victim);
    }
    assert_null(ic_client_memory_victim(&m, LIMIT));
    for (int i = 0; i < CROWD; i++) {
        ic_client_memory_charge(&m, &uploads[i], 4500, 4000, false);
    }
    struct ic_client_charge *victim = ic_client_memory_victim(&m, LIMIT);
    assert_in_range((uintptr_t)victim, (uintptr_t)uploads, (uintptr_t)(uploads + CROWD - 1));
    for (int i = 0; i < CROWD; i++) { /* they have it no more: they are as large as they choose */
        ic_client_memory_charge(&m, &uploads[i], 500, 0, false);
        ic_client_memory_charge(&m, &crowd[i], 2000, 0, false);
    }
    victim = ic_client_memory_victim(&m, LIMIT);
    assert_in_range((uintptr_t)victim, (uintptr_t)crowd, (uintptr_t)(crowd + CROWD - 1));
    ic_client_memory_charge(&m, &spared, LIMIT, LIMIT - 1, true); /* of these alone it is most */
    assert_ptr_not_equal(ic_client_memory_victim(&m, LIMIT), &spared);
}

static void check_victim(const struct ic_client_memory *m, const struct ic_client_charge *c)
{
    size_t total = 0, withdrawn = 0, most[IC_CLIENT_MEASURES] = {0};
    for (int i = 0; i < CLIENTS; i++) {
        size_t chosen = c[i].bytes - c[i].withdrawn;
        total += c[i].bytes;
        withdrawn += c[i].withdrawn;
        most[IC_CLIENT_WHOLE] =
            c[i].bytes > most[IC_CLIENT_WHOLE] ? c[i].bytes : most[IC_CLIENT_WHOLE];
        most[IC_CLIENT_CHOSEN] = chosen > most[IC_CLIENT_CHOSEN] ? chosen : most[IC_CLIENT_CHOSEN];
    }
    const struct ic_client_charge *largest = ic_client_memory_victim(m, 0);
    assert_int_equal(m->total, total);
    assert_int_equal(m->withdrawn[false], withdrawn);
    if (largest == NULL) {
        assert_int_equal(total, 0);
    } else if (withdrawn > total / 2) {
        assert_true(largest->bytes * 2 > most[IC_CLIENT_WHOLE]);
    } else {
        assert_true((largest->bytes - largest->withdrawn) * 2 > most[IC_CLIENT_CHOSEN]);
    }
}

/* Whatever happens: the total is the sum, and nobody is more than twice as large as the largest. */
static void test_any_charges(void **state)
{
    (void)state;
    struct ic_client_memory m;
    struct ic_client_charge c[CLIENTS] = {0};
    struct ic_rng rng;
    ic_rng_init(&rng, 1);
    ic_client_memory_init(&m);
    for (int round = 0; round < 20000; round++) {
        struct ic_client_charge *one = &c[ic_rng_below(&rng, CLIENTS)];
        size_t bytes = (size_t)1 << ic_rng_below(&rng, 40);
        if (ic_rng_below(&rng, 4) == 0) {
            ic_client_memory_leave(&m, one);
        } else {
            bytes += ic_rng_below(&rng, bytes);
            ic_client_memory_charge(&m, one, bytes, ic_rng_below(&rng, bytes), false);
        }
        check_victim(&m, c);
    }
}

static void test_recent(void **state)
{
    (void)state;
    struct ic_client_memory m;
    size_t input, output;
    ic_client_memory_init(&m);
    ic_client_memory_note(&m, 100000, 10, 1);
    ic_client_memory_note(&m, 100900, 5, 2);
    ic_client_memory_note(&m, 103000, 7, 9);
    ic_client_memory_recent(&m, 103000, &input, &output);
    assert_true(input == 10 && output == 9);
    ic_client_memory_recent(&m, 108000, &input, &output);
    assert_true(input == 7 && output == 9);
    ic_client_memory_note(&m, 108000, 1, 1); /* in the place of the first */
    ic_client_memory_recent(&m, 111000, &input, &output);
    assert_true(input == 1 && output == 1);
}

static void test_limit(void **state)
{
    (void)state;
    struct ic_config *c = ic_config_new();
    assert_int_equal(ic_client_memory_limit(c), 256 << 20);
    c->maxmemory_clients = 0;
    assert_true(ic_client_memory_limit(c) == SIZE_MAX);
    c->maxmemory_clients = 1;
    assert_int_equal(ic_client_memory_limit(c), IC_CLIENT_MEMORY_LEAST);
    c->maxmemory_clients = -5; /* of the pool: 16 functions of 256 MiB */
    assert_int_equal(ic_client_memory_limit(c), (int64_t)((INT64_C(4) << 30) * 0.05));
    c->maxmemory = 100 << 20;
    assert_int_equal(ic_client_memory_limit(c), 5 << 20);
    ic_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_largest_go_first),
        cmocka_unit_test(test_who_is_spared),
        cmocka_unit_test(test_what_was_withdrawn),
        cmocka_unit_test(test_any_charges),
        cmocka_unit_test(test_recent),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
