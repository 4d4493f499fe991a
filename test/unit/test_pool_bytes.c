/* The bytes of the pool's instances: how they move, and who holds the most. */
#include "core/pool.h"

#include "code/layout.h"
#include "proto/frame.h"
#include "proto/link_body.h"

#include "unit.h"

static const uint8_t A[16] = {1}, B[16] = {2}, C[16] = {3};

static struct ic_pool *make(uint32_t functions)
{
    struct ic_pool_settings s = {.functions = functions,
                                 .capacity = 1000,
                                 .invocation_max_ms = 300000,
                                 .backoff_min_ms = 100,
                                 .backoff_max_ms = 3000,
                                 .throttle_max_ms = 400};
    struct ic_pool *pool = ic_pool_new(&s, 1000);
    assert_non_null(pool);
    return pool;
}

static void hear(struct ic_pool *p, const uint8_t *id, uint64_t now)
{
    ic_pool_heard(p, 0, id, 5000, 0, 0, now);
}

static void what_takes_a_dying_ones_place_is_empty(void **s)
{
    (void)s;
    struct ic_pool *p = make(1);
    hear(p, A, 1000);
    struct ic_pool_instance *a = ic_pool_find_id(p, 0, A);
    ic_pool_restore_chunk(p, 0, a->serial, 3000);
    ic_pool_plan(p, 0, 500);
    assert_int_equal(ic_pool_room(p, 0), 1500);
    a->dying = true;
    assert_int_equal(ic_pool_room(p, 0), 4500);
    ic_pool_unplan(p, 0, 500);
    ic_pool_free(p);
}

static void bytes_move(void **s)
{
    (void)s;
    struct ic_pool *p = make(1);
    assert_int_equal(ic_pool_room(p, 0), 1000);
    ic_pool_plan(p, 0, 300);
    assert_int_equal(ic_pool_room(p, 0), 700);
    hear(p, A, 1); /* reports 5000 */
    uint32_t a = ic_pool_function(p, 0)->current;
    assert_int_equal(ic_pool_room(p, 0), 4700);
    ic_pool_begin(p, 0, a, 300);
    struct ic_pool_instance *i = ic_pool_find(p, 0, a);
    assert_int_equal(i->in_flight, 300);
    assert_int_equal(ic_pool_room(p, 0), 4700);
    ic_pool_sealed(p, 0, a, 300, 310);
    assert_int_equal(i->live, 310);
    assert_int_equal(i->in_flight_chunks, 0);
    ic_pool_condemn(p, 0, a, 77, 3, 310, IC_POOL_FROM_LIVE);
    assert_int_equal(i->condemned, 310);
    assert_int_equal(ic_pool_room(p, 0), 5000);
    struct ic_condemned c, again;
    assert_true(ic_condemned_pop(&i->condemned_queue, &c));
    assert_int_equal(c.object_id, 77);
    ic_pool_condemned_return(p, 0, a, &c);
    assert_true(ic_condemned_pop(&i->condemned_queue, &again));
    assert_int_equal(again.object_id, 77);
    assert_int_equal(again.cost, 310);
    assert_int_equal(again.chunk, 3);
    ic_pool_deleted(p, 0, a, &c);
    assert_int_equal(i->condemned, 0);
    ic_pool_restore_chunk(p, 0, a, 50);
    ic_pool_missing(p, 0, a, 50);
    assert_int_equal(i->live + i->live_chunks, 0);
    ic_pool_condemn(p, 0, 999, 1, 1, 1, IC_POOL_FROM_LIVE); /* nobody: a no-op */
    ic_pool_free(p);
}

/* The only instance of P, with one chunk of 50 bytes. */
static struct ic_pool_instance *hear_with_chunk(struct ic_pool *p)
{
    hear(p, A, 1);
    struct ic_pool_instance *i = ic_pool_find_id(p, 0, A);
    ic_pool_restore_chunk(p, 0, i->serial, 50);
    return i;
}

static void condemning_without_memory_lists_later(void **s)
{
    (void)s;
    struct ic_pool *p = make(1);
    struct ic_pool_instance *i = hear_with_chunk(p);
    ic_alloc_fail_at(1);
    ic_pool_condemn(p, 0, i->serial, 1, 1, 50, IC_POOL_FROM_LIVE);
    assert_false(i->known);
    assert_int_equal(i->live + i->condemned, 0);
    ic_pool_free(p);
}

static void returning_without_memory_lists_later(void **s)
{
    (void)s;
    struct ic_pool *p = make(1);
    struct ic_pool_instance *i = hear_with_chunk(p);
    ic_pool_condemn(p, 0, i->serial, 1, 1, 50, IC_POOL_FROM_LIVE);
    i->known = true;
    struct ic_condemned c;
    assert_true(ic_condemned_pop(&i->condemned_queue, &c));
    ic_alloc_fail_at(1);
    ic_pool_condemned_return(p, 0, i->serial, &c);
    assert_false(i->known);
    assert_int_equal(i->condemned + i->condemned_chunks, 0);
    ic_pool_free(p);
}

/* Whatever a node of a function of 10 GiB says that it holds. */
static void no_list_wraps_a_sum(void **s)
{
    (void)s;
    uint64_t items = (UINT64_C(10240) << 20) / IC_CHUNK_OVERHEAD_BYTES, sum;
    uint64_t most = ic_chunk_cost(IC_CHUNK_BYTES_MAX, IC_LAYOUT_ALIGN, IC_KEY_BYTES_MAX);
    assert_false(__builtin_mul_overflow(items, most, &sum));
    assert_true(most < UINT64_C(1) << 48); /* condemned.h */
}

static void the_one_that_holds_most_is_to_answer(void **s)
{
    (void)s;
    struct ic_pool *p = make(2);
    uint32_t a = ic_pool_restore(p, 0, A)->serial;
    uint32_t b = ic_pool_restore(p, 0, B)->serial; /* a copy, half made */
    ic_pool_restore_chunk(p, 0, a, 10);
    ic_pool_restore_chunk(p, 0, b, 4);
    ic_pool_restore_chunk(p, 0, a, 4);
    ic_pool_restored(p);
    assert_int_equal(ic_pool_function(p, 0)->current, a);
    assert_int_equal(ic_pool_function(p, 1)->current, 0);
    assert_false(ic_pool_outdone(p, 0, A));
    assert_true(ic_pool_outdone(p, 0, B));
    assert_true(ic_pool_outdone(p, 0, C)); /* nobody knows it */
    assert_false(ic_pool_outdone(p, 1, C));
    ic_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(what_takes_a_dying_ones_place_is_empty),
        leak_test(bytes_move),
        leak_test(condemning_without_memory_lists_later),
        leak_test(returning_without_memory_lists_later),
        leak_test(no_list_wraps_a_sum),
        leak_test(the_one_that_holds_most_is_to_answer),
    };
    return cmocka_run_group_tests_name("pool_bytes", tests, NULL, NULL);
}
