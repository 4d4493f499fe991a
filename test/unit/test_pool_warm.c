/* The warm-up schedule. */
#include "core/pool.h"

#include "unit.h"

static struct ic_pool *make(uint32_t functions, uint64_t warm_ms)
{
    struct ic_pool_settings s = {.functions = functions,
                                 .capacity = 1000,
                                 .warm_interval_ms = warm_ms,
                                 .invocation_max_ms = 300000,
                                 .backoff_min_ms = 100,
                                 .backoff_max_ms = 3000,
                                 .throttle_max_ms = 400};
    struct ic_pool *pool = ic_pool_new(&s, 1000);
    assert_non_null(pool);
    return pool;
}

static void warm_ups_are_staggered(void **s)
{
    (void)s;
    enum { N = 10, INTERVAL = 60000 };
    struct ic_pool *p = make(N, INTERVAL);
    uint64_t last[N] = {0};
    uint32_t count[N] = {0};
    for (uint64_t now = 1000; now < 1000 + 10 * INTERVAL; now += 100) {
        uint64_t next;
        int i;
        int burst = 0;
        while ((i = ic_pool_warm_next(p, now, &next)) >= 0) {
            uint16_t f = (uint16_t)i;
            assert_true(last[i] == 0 || now - last[i] <= INTERVAL + 200);
            ic_pool_event(p, f, IC_POOL_INVOKE_WARM, now, 0);
            ic_pool_event(p, f, IC_POOL_RESPONSE, now, 0);
            last[i] = now;
            count[i]++;
            burst++;
        }
        assert_true(next > now);
        assert_true(now == 1000 || burst <= 1);
        if (now % 5000 == 0) { /* function 0 is busy */
            ic_pool_event(p, 0, IC_POOL_INVOKE_SERVE, now, 0);
            ic_pool_event(p, 0, IC_POOL_HELLO, now, 0);
            ic_pool_event(p, 0, IC_POOL_GOODBYE, now, 0);
            ic_pool_event(p, 0, IC_POOL_RESPONSE, now, 0);
            last[0] = now;
        }
    }
    assert_int_equal(count[0], 1);
    for (int i = 1; i < N; i++) {
        assert_true(count[i] >= 10 && count[i] <= 12);
    }
    ic_pool_free(p);
}

static void the_interval_may_change(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    uint64_t next;
    assert_int_equal(ic_pool_warm_next(p, 1000, &next), 0); /* the first is due in any case */
    ic_pool_event(p, 0, IC_POOL_INVOKE_WARM, 1000, 0);
    ic_pool_event(p, 0, IC_POOL_RESPONSE, 1000, 0);
    assert_int_equal(ic_pool_warm_next(p, 900000, &next), -1);
    assert_int_equal(next, UINT64_MAX);
    ic_pool_set_warm_interval(p, 600, 900000);
    assert_int_equal(ic_pool_warm_next(p, 900000, &next), -1);
    assert_true(next <= 900300);
    assert_int_equal(ic_pool_warm_next(p, next, &next), 0);
    ic_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(warm_ups_are_staggered),
        leak_test(the_interval_may_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
