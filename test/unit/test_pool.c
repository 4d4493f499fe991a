/* The pool: every transition of its drawing, and random lives. */
#include "core/pool.h"

#include "base/random.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t A[16] = {1}, B[16] = {2}, C[16] = {3};
static uint32_t gone_serial;
static uint32_t gone_count;

static void on_gone(void *ctx, uint16_t function, uint32_t serial)
{
    (void)ctx;
    (void)function;
    gone_serial = serial;
    gone_count++;
}

static struct ic_pool *make(uint32_t functions, uint64_t warm_ms)
{
    struct ic_pool_settings s = {.functions = functions,
                                 .capacity = 1000,
                                 .warm_interval_ms = warm_ms,
                                 .invocation_max_ms = 300000,
                                 .backoff_min_ms = 100,
                                 .backoff_max_ms = 3000,
                                 .throttle_max_ms = 400,
                                 .gone = on_gone};
    gone_serial = gone_count = 0;
    struct ic_pool *pool = ic_pool_new(&s, 1000);
    assert_non_null(pool);
    return pool;
}

static enum ic_function_state state(struct ic_pool *p)
{
    return ic_pool_function(p, 0)->state;
}

#define EVENT(p, e, now, expected)                                                                 \
    assert_int_equal(ic_pool_event(p, 0, IC_POOL_##e, now, 0), IC_FUNCTION_##expected)

static void hear(struct ic_pool *p, const uint8_t *id, uint64_t now)
{
    ic_pool_heard(p, 0, id, 5000, 0, 0, now);
}

static void serves(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    assert_int_equal(state(p), IC_FUNCTION_ABSENT);
    EVENT(p, INVOKE_SERVE, 1000, INVOKING);
    assert_false(ic_pool_may_invoke(p, 0, 1000000));
    assert_true(ic_pool_may_hello(p, 0));
    EVENT(p, HELLO, 1010, ACTIVE);
    hear(p, A, 1010);
    assert_false(ic_pool_may_hello(p, 0));
    EVENT(p, GOODBYE, 2000, LEAVING);
    assert_false(ic_pool_may_invoke(p, 0, 1000000));
    EVENT(p, RESPONSE, 2010, ASLEEP);
    assert_true(ic_pool_may_invoke(p, 0, 2010));
    EVENT(p, INVOKE_SERVE, 3000, INVOKING);
    EVENT(p, HELLO, 3010, ACTIVE);
    EVENT(p, RESPONSE, 4000, ASLEEP); /* it left without BYE_OK */
    ic_pool_free(p);
}

static void warms(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    EVENT(p, INVOKE_WARM, 1000, INVOKING);
    assert_false(ic_pool_may_hello(p, 0));
    hear(p, A, 1005);
    EVENT(p, RESPONSE, 1005, ASLEEP);
    assert_int_equal(ic_pool_function(p, 0)->failures, 0);
    ic_pool_free(p);
}

static void no_show_is_a_failure(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    EVENT(p, INVOKE_SERVE, 1000, INVOKING);
    EVENT(p, RESPONSE, 1001, LOST);
    assert_false(ic_pool_may_invoke(p, 0, 1001));
    assert_true(ic_pool_may_invoke(p, 0, 1101));
    ic_pool_free(p);
}

static void failure_backs_off_exponentially(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    uint64_t now = 1000;
    uint64_t last = 0;
    for (int i = 0; i < 12; i++) {
        EVENT(p, INVOKE_SERVE, now, INVOKING);
        EVENT(p, FAILED, now, LOST);
        uint64_t wait = ic_pool_invoke_at(p, 0) - now;
        assert_true(wait >= last && wait >= 50 && wait <= 3000);
        assert_false(ic_pool_may_invoke(p, 0, now + wait - 1));
        last = wait;
        now += wait;
    }
    assert_int_equal(last, 1500); /* half of the maximum: the random number is 0 */
    EVENT(p, INVOKE_WARM, now, INVOKING);
    EVENT(p, RESPONSE, now, ABSENT);
    assert_int_equal(ic_pool_function(p, 0)->failures, 0);
    ic_pool_free(p);
}

static void throttling_holds_up_the_pool(void **s)
{
    (void)s;
    struct ic_pool *p = make(2, 0);
    EVENT(p, INVOKE_SERVE, 1000, INVOKING);
    EVENT(p, THROTTLED, 1000, ABSENT);
    assert_false(ic_pool_may_invoke(p, 0, 1000));
    assert_false(ic_pool_may_invoke(p, 1, 1000));
    assert_true(ic_pool_may_invoke(p, 1, 1100));
    assert_true(ic_pool_holds(p, 0, 1) == false);
    ic_pool_free(p);
}

/* Ten Invokes refused together are one refusal; the waits double up to their maximum. */
static void throttled_together_counts_once(void **s)
{
    (void)s;
    struct ic_pool *p = make(10, 0);
    uint64_t now = 1000;
    static const uint64_t waits[] = {50, 100, 200, 200, 200};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        for (uint16_t f = 0; f < 10; f++) {
            ic_pool_event(p, f, IC_POOL_INVOKE_SERVE, now, 0);
        }
        for (uint16_t f = 0; f < 10; f++) {
            ic_pool_event(p, f, IC_POOL_THROTTLED, now + f, 0);
        }
        assert_int_equal(ic_pool_invoke_at(p, 9) - now, waits[i]);
        now += waits[i];
    }
    EVENT(p, INVOKE_SERVE, now, INVOKING);
    EVENT(p, HELLO, now, ACTIVE); /* one got through: the next refusal is a first one */
    ic_pool_event(p, 1, IC_POOL_INVOKE_SERVE, now, 0);
    ic_pool_event(p, 1, IC_POOL_THROTTLED, now, 0);
    assert_int_equal(ic_pool_invoke_at(p, 1) - now, 50);
    ic_pool_free(p);
}

/* Throttled time after time while another is had in between: it backs off alone. */
static void throttled_alone_is_lost(void **s)
{
    (void)s;
    for (int others = 0; others < 2; others++) {
        struct ic_pool *p = make(2, 0);
        uint64_t now = 1000;
        for (int i = 0; i < 10; i++, now += 3000) {
            ic_pool_event(p, 0, IC_POOL_INVOKE_SERVE, now, 0);
            enum ic_function_state state = ic_pool_event(p, 0, IC_POOL_THROTTLED, now, 0);
            assert_int_equal(state, others && i >= 3 ? IC_FUNCTION_LOST : IC_FUNCTION_ABSENT);
            assert_int_equal(ic_pool_may_invoke(p, 1, now), state == IC_FUNCTION_LOST);
            assert_false(ic_pool_may_invoke(p, 0, now));
            if (others) {
                ic_pool_event(p, 1, IC_POOL_INVOKE_SERVE, now + 1000, 0);
                ic_pool_event(p, 1, IC_POOL_HELLO, now + 1000, 0);
                ic_pool_event(p, 1, IC_POOL_GOODBYE, now + 1000, 0);
                ic_pool_event(p, 1, IC_POOL_RESPONSE, now + 1000, 0);
            }
        }
        EVENT(p, INVOKE_SERVE, now, INVOKING);
        EVENT(p, HELLO, now, ACTIVE);
        EVENT(p, GOODBYE, now, LEAVING);
        EVENT(p, RESPONSE, now, ABSENT);
        EVENT(p, INVOKE_SERVE, now, INVOKING); /* it begins anew */
        EVENT(p, THROTTLED, now, ABSENT);
        ic_pool_free(p);
    }
}

static void lost_response_makes_unknown(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    EVENT(p, INVOKE_SERVE, 1000, INVOKING);
    EVENT(p, RESPONSE_LOST, 2000, UNKNOWN);
    assert_int_equal(ic_pool_invoke_at(p, 0), UINT64_MAX);
    assert_int_equal(ic_pool_function(p, 0)->deadline_ms, 22000); /* without a HELLO till then */
    assert_true(ic_pool_may_hello(p, 0));
    EVENT(p, HELLO, 2100, ACTIVE); /* it runs after all */
    assert_int_equal(ic_pool_function(p, 0)->deadline_ms, 302100);
    hear(p, A, 2100);
    EVENT(p, GOODBYE, 2200, LEAVING);
    EVENT(p, NODE_LEFT, 2300, ASLEEP);
    EVENT(p, INVOKE_SERVE, 3000, INVOKING);
    EVENT(p, HELLO, 3001, ACTIVE);
    EVENT(p, RESPONSE_LOST, 3002, ACTIVE);
    EVENT(p, DEADLINE, 303000, ASLEEP);
    EVENT(p, INVOKE_SERVE, 400000, INVOKING);
    EVENT(p, HELLO, 400001, ACTIVE);
    EVENT(p, GOODBYE, 400002, LEAVING);
    EVENT(p, RESPONSE_LOST, 400003, UNKNOWN);
    EVENT(p, NODE_LEFT, 400303, ASLEEP);
    ic_pool_free(p);
}

/* Neither a node nor an answer has come of it, be it a warm-up. */
static void never_heard_is_a_failure(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    EVENT(p, INVOKE_SERVE, 1000, INVOKING);
    EVENT(p, RESPONSE_LOST, 2000, UNKNOWN);
    EVENT(p, DEADLINE, 22000, LOST);
    uint64_t retry_ms = ic_pool_invoke_at(p, 0);
    assert_in_range(retry_ms, 22050, 22100);
    EVENT(p, INVOKE_WARM, retry_ms, INVOKING);
    EVENT(p, RESPONSE_LOST, 60000, UNKNOWN);
    EVENT(p, DEADLINE, 60000, LOST);
    assert_in_range(ic_pool_invoke_at(p, 0), 60100, 60200);
    ic_pool_free(p);
}

static void crash_takes_the_memory(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    EVENT(p, INVOKE_SERVE, 1000, INVOKING);
    EVENT(p, HELLO, 1001, ACTIVE);
    hear(p, A, 1001);
    uint32_t serial = ic_pool_function(p, 0)->current;
    ic_pool_restore_chunk(p, 0, serial, 100);
    EVENT(p, CRASHED, 1002, ABSENT);
    assert_int_equal(gone_serial, serial);
    assert_false(ic_pool_holds(p, 0, serial));
    assert_int_equal(ic_pool_room(p, 0), 1000);
    EVENT(p, INVOKE_SERVE, 1003, INVOKING);
    EVENT(p, CRASHED, 1004, LOST); /* before any HELLO: backs off */
    ic_pool_free(p);
}

/* Serves a little and ends badly, again and again: as good as one that does not serve. */
static void ends_badly(enum ic_pool_event end, enum ic_function_state once)
{
    struct ic_pool *p = make(1, 0);
    uint64_t now = 1000;
    uint64_t last = 0;
    for (int i = 0; i < 5; i++) {
        EVENT(p, INVOKE_SERVE, now, INVOKING);
        EVENT(p, HELLO, now, ACTIVE);
        hear(p, A, now);
        enum ic_function_state after = ic_pool_event(p, 0, end, now, 0);
        assert_int_equal(after, i == 0 ? once : IC_FUNCTION_LOST);
        uint64_t at = ic_pool_invoke_at(p, 0);
        uint64_t wait = at > now ? at - now : 0;
        assert_true(i == 0 ? wait == 0 : wait > last);
        last = wait;
        now += wait;
    }
    EVENT(p, INVOKE_SERVE, now, INVOKING);
    EVENT(p, HELLO, now, ACTIVE);
    hear(p, A, now);
    EVENT(p, GOODBYE, now, LEAVING);
    EVENT(p, RESPONSE, now, ASLEEP); /* it ended well: all is forgiven */
    assert_int_equal(ic_pool_function(p, 0)->failures, 0);
    ic_pool_free(p);
}

static void ending_badly_again_and_again_backs_off(void **s)
{
    (void)s;
    ends_badly(IC_POOL_CRASHED, IC_FUNCTION_ABSENT);
    ends_badly(IC_POOL_RESPONSE, IC_FUNCTION_ASLEEP); /* its node left without our BYE_OK */
}

/* The first doubt costs nothing but trust; each further one keeps it from being heard for longer,
 * however well it ends in between, until there was none for long. */
static void who_is_doubted_backs_off(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    uint64_t now = 1000, last = 0;
    for (int i = 0; i < 10; i++) {
        EVENT(p, INVOKE_SERVE, now, INVOKING);
        EVENT(p, HELLO, now, ACTIVE);
        EVENT(p, DOUBTED, now, ACTIVE);
        uint64_t wait = ic_pool_function(p, 0)->deaf_ms - now;
        assert_true(i == 0 ? wait == 0 : wait >= 50 && wait >= last);
        last = wait;
        EVENT(p, RESPONSE, now, LOST);
        assert_int_equal(ic_pool_invoke_at(p, 0), now + wait);
        now += wait;
        EVENT(p, INVOKE_SERVE, now, INVOKING);
        EVENT(p, HELLO, now, ACTIVE);
        EVENT(p, GOODBYE, now, LEAVING);
        EVENT(p, RESPONSE, now, LOST); /* it has not been heard to the end */
        assert_true(ic_pool_may_invoke(p, 0, now));
        EVENT(p, INVOKE_SERVE, now, INVOKING);
        EVENT(p, HELLO, now, ACTIVE);
        EVENT(p, BELIEVED, now, ACTIVE);
        EVENT(p, GOODBYE, now, LEAVING);
        EVENT(p, RESPONSE, now, ABSENT);
    }
    assert_int_equal(last, 1500); /* half of the maximum: the random number is 0 */
    now += 600000;
    EVENT(p, INVOKE_SERVE, now, INVOKING);
    EVENT(p, HELLO, now, ACTIVE);
    EVENT(p, DOUBTED, now, ACTIVE);
    assert_int_equal(ic_pool_function(p, 0)->deaf_ms, now);
    ic_pool_free(p);
}

static void a_doubted_one_that_no_response_ends_is_lost(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    EVENT(p, HELLO, 1000, ACTIVE); /* adopted */
    EVENT(p, DOUBTED, 1000, ACTIVE);
    EVENT(p, NODE_LEFT, 4000, LOST);
    assert_true(ic_pool_may_invoke(p, 0, 4000));
    ic_pool_free(p);
}

static void adoption(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    EVENT(p, HELLO, 1001, ACTIVE);
    hear(p, A, 1001);
    assert_int_equal(ic_pool_function(p, 0)->deadline_ms, 301001);
    EVENT(p, GOODBYE, 1500, LEAVING);
    EVENT(p, NODE_LEFT, 1800, ASLEEP);
    ic_pool_free(p);
}

static void siblings_are_away_then_gone(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    hear(p, A, 1);
    uint32_t a = ic_pool_function(p, 0)->current;
    hear(p, B, 2);
    assert_true(ic_pool_holds(p, 0, a) && ic_pool_find(p, 0, a)->away);
    hear(p, A, 3); /* back again */
    assert_int_equal(ic_pool_function(p, 0)->current, a);
    assert_false(ic_pool_find(p, 0, a)->away);
    hear(p, B, 4);
    hear(p, B, 5);
    assert_false(ic_pool_holds(p, 0, a));
    assert_int_equal(gone_serial, a);
    hear(p, A, 6); /* it is somebody new to us */
    assert_int_not_equal(ic_pool_function(p, 0)->current, a);
    ic_pool_free(p);
}

static void what_is_away_for_long_is_gone(void **s)
{
    (void)s;
    struct ic_pool *p = make(2, 0); /* at 1000 */
    hear(p, A, 2000);
    hear(p, B, 3000);
    uint32_t a = ic_pool_find_id(p, 0, A)->serial;
    ic_pool_expire_away(p, 500, 2499);
    assert_true(ic_pool_holds(p, 0, a));
    ic_pool_expire_away(p, 500, 1000000 + 2500);
    assert_false(ic_pool_holds(p, 0, a));
    assert_int_equal(gone_count, 1);               /* B answers: however long ago that was */
    uint32_t c = ic_pool_restore(p, 1, C)->serial; /* never heard: counted from the start */
    ic_pool_heard(p, 1, A, 5000, 0, 0, 1400);
    ic_pool_expire_away(p, 500, 1499);
    assert_true(ic_pool_holds(p, 1, c));
    ic_pool_expire_away(p, 500, 1500);
    assert_false(ic_pool_holds(p, 1, c));
    ic_pool_free(p);
}

/* An instance handed over what it had while it ran an invocation, which then ends in an error: that
 * is its end, not that of the sibling that took its place. */
static void an_error_after_the_end_is_its_own(void **s)
{
    (void)s;
    for (int served = 0; served < 2; served++) {
        struct ic_pool *p = make(1, 0);
        hear(p, A, 1000);
        if (!served) {
            hear(p, B, 2000);
        }
        EVENT(p, INVOKE_SERVE, 3000, INVOKING);
        if (served) {
            EVENT(p, HELLO, 3010, ACTIVE);
            hear(p, B, 3010);
        }
        uint32_t a = ic_pool_find_id(p, 0, A)->serial;
        ic_pool_gone(p, 0, ic_pool_find_id(p, 0, B)->serial);
        assert_int_equal(ic_pool_event(p, 0, IC_POOL_CRASHED, 3020, 0),
                         served ? IC_FUNCTION_ASLEEP : IC_FUNCTION_LOST);
        assert_true(ic_pool_holds(p, 0, a));
        assert_int_equal(gone_count, 1);
        ic_pool_free(p);
    }
}

/* When the one that answered is gone, one sibling takes its place; others stay away. */
static void a_sibling_takes_over(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    ic_pool_restore(p, 0, A);
    ic_pool_restore(p, 0, B);
    hear(p, C, 4000);
    assert_true(ic_pool_find_id(p, 0, A)->away && ic_pool_find_id(p, 0, B)->away);
    ic_pool_gone(p, 0, ic_pool_find_id(p, 0, C)->serial);
    assert_int_not_equal(ic_pool_find_id(p, 0, A)->away, ic_pool_find_id(p, 0, B)->away);
    assert_false(ic_pool_find(p, 0, ic_pool_function(p, 0)->current)->away);
    ic_pool_free(p);
}

static void a_new_instance_that_holds_nothing_is_known(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    assert_true(ic_pool_heard(p, 0, A, 10, 0, 0, 1)->known);
    assert_false(ic_pool_heard(p, 0, B, 10, 7, 5, 2)->known);
    assert_int_equal(ic_pool_find_id(p, 0, B)->op_sent, 7);
    struct ic_pool_instance *c = ic_pool_restore(p, 0, C);
    assert_false(c->known);
    assert_int_equal(ic_pool_heard(p, 0, C, 10, 9, 5, 3)->op_done, 9);
    ic_pool_free(p);
}

static void an_instance_remembers_when_it_was_heard_first(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    struct ic_pool_instance *restored = ic_pool_restore(p, 0, C);
    assert_int_equal(restored->since_ms, 0);
    hear(p, C, 4);
    hear(p, C, 9);
    assert_int_equal(restored->since_ms, 4);
    hear(p, A, 11);
    assert_int_equal(ic_pool_find_id(p, 0, A)->since_ms, 11);
    ic_pool_free(p);
}

/* Over ten minutes an idle pool is warmed once an interval each, evenly; a used one less often, and
 * never later than an interval after its last use. */

/* ---- peers ---- */

#define PEER(p, e, now, expected)                                                                  \
    assert_int_equal(ic_pool_lane_event(p, 0, IC_LANE_PEER, IC_POOL_##e, now, 0),                  \
                     IC_FUNCTION_##expected)

static void meet(struct ic_pool *p, const uint8_t *id, uint64_t now)
{
    ic_pool_met(p, 0, id, 5000, 0, 0, now);
}

/* A serves and has said HELLO; B, raised beside it, too. */
static struct ic_pool *two_active(void)
{
    struct ic_pool *p = make(1, 0);
    ic_pool_set_peers(p, true);
    assert_false(ic_pool_may_raise(p, 0, 1000));
    EVENT(p, INVOKE_SERVE, 1000, INVOKING);
    assert_false(ic_pool_may_raise(p, 0, 1000));
    EVENT(p, HELLO, 1010, ACTIVE);
    hear(p, A, 1010);
    assert_true(ic_pool_may_raise(p, 0, 1010));
    PEER(p, INVOKE_PEER, 1020, INVOKING);
    assert_false(ic_pool_may_raise(p, 0, 1020));
    assert_true(ic_pool_may_meet(p, 0));
    PEER(p, HELLO, 1030, ACTIVE);
    assert_false(ic_pool_may_meet(p, 0));
    meet(p, B, 1030);
    return p;
}

static void a_peer_comes_and_goes(void **s)
{
    (void)s;
    struct ic_pool *p = two_active();
    const struct ic_pool_instance *a = ic_pool_find_id(p, 0, A), *b = ic_pool_find_id(p, 0, B);
    assert_int_equal(ic_pool_function(p, 0)->current, a->serial);
    assert_int_equal(ic_pool_function(p, 0)->beside, b->serial);
    assert_false(a->away || b->away);
    assert_ptr_equal(ic_pool_sibling(p, 0), b);
    EVENT(p, GOODBYE, 2000, LEAVING);
    EVENT(p, RESPONSE, 2000, ASLEEP);
    assert_false(ic_pool_may_invoke(p, 0, 1000000)); /* B's Invoke is outstanding */
    PEER(p, GOODBYE, 2010, LEAVING);
    PEER(p, RESPONSE, 2020, ABSENT);
    assert_true(b->away);
    assert_false(a->away);
    assert_int_equal(ic_pool_function(p, 0)->beside, 0);
    assert_true(ic_pool_may_invoke(p, 0, 2020));
    EVENT(p, INVOKE_SERVE, 3000, INVOKING); /* and B answers that one */
    EVENT(p, HELLO, 3000, ACTIVE);
    hear(p, B, 3000);
    assert_true(a->away);
    assert_false(b->away);
    assert_ptr_equal(ic_pool_sibling(p, 0), a);
    ic_pool_free(p);
}

static void a_peer_that_fails_is_just_not_there(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    EVENT(p, INVOKE_SERVE, 1000, INVOKING);
    EVENT(p, HELLO, 1010, ACTIVE);
    hear(p, A, 1010);
    PEER(p, INVOKE_PEER, 1020, INVOKING);
    PEER(p, FAILED, 1030, ABSENT);
    assert_true(ic_pool_may_raise(p, 0, 1030));
    PEER(p, INVOKE_PEER, 1040, INVOKING);
    PEER(p, RESPONSE, 1050, ABSENT); /* without HELLO: A itself, after it had left */
    PEER(p, INVOKE_PEER, 1060, INVOKING);
    PEER(p, CRASHED, 1070, ABSENT);
    assert_int_equal(gone_count, 0);
    PEER(p, INVOKE_PEER, 1080, INVOKING);
    PEER(p, THROTTLED, 1090, ABSENT);
    assert_false(ic_pool_may_raise(p, 0, 1090));
    assert_true(ic_pool_may_raise(p, 0, 1140));
    assert_int_equal(state(p), IC_FUNCTION_ACTIVE);
    ic_pool_free(p);
}

static void a_lost_peer_holds_up_its_function(void **s)
{
    (void)s;
    struct ic_pool *p = two_active();
    PEER(p, RESPONSE_LOST, 1500, ACTIVE);
    PEER(p, GOODBYE, 1600, LEAVING);
    EVENT(p, GOODBYE, 1600, LEAVING);
    EVENT(p, RESPONSE, 1700, ASLEEP);
    assert_false(ic_pool_may_invoke(p, 0, 1800));
    PEER(p, NODE_LEFT, 1900, ABSENT);
    assert_true(ic_pool_may_invoke(p, 0, 1900));
    EVENT(p, INVOKE_SERVE, 2000, INVOKING);
    EVENT(p, HELLO, 2000, ACTIVE);
    PEER(p, INVOKE_PEER, 2000, INVOKING);
    PEER(p, RESPONSE_LOST, 2100, UNKNOWN);
    assert_true(ic_pool_may_meet(p, 0)); /* it may have been run */
    EVENT(p, RESPONSE, 2200, ASLEEP);
    assert_false(ic_pool_may_invoke(p, 0, 2200));
    PEER(p, DEADLINE, 22100, ABSENT);
    assert_true(ic_pool_may_invoke(p, 0, 22100));
    ic_pool_free(p);
}

static void a_crash_takes_the_instance_of_its_lane(void **s)
{
    (void)s;
    struct ic_pool *p = two_active();
    uint32_t a = ic_pool_find_id(p, 0, A)->serial, b = ic_pool_find_id(p, 0, B)->serial;
    PEER(p, CRASHED, 1100, ABSENT);
    assert_int_equal(gone_serial, b);
    assert_int_equal(ic_pool_function(p, 0)->current, a);
    ic_pool_free(p);
    p = two_active();
    a = ic_pool_find_id(p, 0, A)->serial;
    EVENT(p, CRASHED, 1100, ASLEEP);
    assert_int_equal(gone_serial, a);
    assert_int_equal(ic_pool_function(p, 0)->current, ic_pool_find_id(p, 0, B)->serial);
    PEER(p, RESPONSE, 1200, ABSENT);
    assert_false(ic_pool_find_id(p, 0, B)->away); /* the likeliest to answer next */
    ic_pool_free(p);
}

static void only_pairs_of_invokes_miss_a_sibling(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    ic_pool_set_peers(p, true);
    hear(p, A, 1000);
    for (uint64_t now = 1001; now < 1100; now++) {
        hear(p, B, now); /* A may be asleep all that time */
    }
    assert_int_equal(gone_count, 0);
    meet(p, C, 1200);
    assert_int_equal(gone_count, 0);
    meet(p, A, 1300); /* there it is: it begins anew, and C has been missed once */
    meet(p, C, 1400);
    meet(p, C, 1500);
    assert_int_equal(gone_count, 1);
    assert_null(ic_pool_find_id(p, 0, A));
    assert_non_null(ic_pool_find_id(p, 0, B));
    ic_pool_free(p);
}

/* Who has said HELLO knows our epoch, also when nothing else is known of it any more. */
static void who_was_greeted_is_not_forgotten_at_once(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    hear(p, A, 1000);
    ic_pool_find_id(p, 0, A)->greeted = true;
    ic_pool_gone(p, 0, ic_pool_find_id(p, 0, A)->serial);
    assert_null(ic_pool_find_id(p, 0, A));
    hear(p, B, 1001); /* there are other places */
    assert_true(ic_pool_has_greeted(p, 0, A));
    assert_false(ic_pool_has_greeted(p, 0, B));
    hear(p, A, 1002);
    assert_true(ic_pool_find_id(p, 0, A)->greeted);
    ic_pool_gone(p, 0, ic_pool_find_id(p, 0, A)->serial);
    for (uint8_t i = 10; i < 10 + IC_POOL_INSTANCES_MAX; i++) {
        uint8_t id[16] = {i};
        ic_pool_restore(p, 0, id);
    }
    assert_false(ic_pool_has_greeted(p, 0, A));
    ic_pool_free(p);
}

/* Both invocations are adopted, the peer's first. */
static void a_peer_is_adopted(void **s)
{
    (void)s;
    struct ic_pool *p = make(1, 0);
    ic_pool_set_peers(p, true);
    uint32_t a = ic_pool_restore(p, 0, A)->serial;
    PEER(p, HELLO, 1000, ACTIVE);
    meet(p, B, 1000);
    uint32_t b = ic_pool_function(p, 0)->beside;
    assert_int_equal(ic_pool_function(p, 0)->current, a);
    assert_false(ic_pool_may_invoke(p, 0, 1000));
    EVENT(p, HELLO, 1001, ACTIVE);
    hear(p, A, 1001);
    assert_false(ic_pool_find(p, 0, b)->away); /* it may be asked */
    assert_false(ic_pool_may_raise(p, 0, 1001));
    PEER(p, GOODBYE, 1100, LEAVING);
    PEER(p, NODE_LEFT, 1400, ABSENT);
    assert_true(ic_pool_find(p, 0, b)->away);
    assert_true(ic_pool_may_raise(p, 0, 1400));
    ic_pool_free(p);
}

static void the_active_are_not_forgotten_for_new_ones(void **s)
{
    (void)s;
    struct ic_pool *p = two_active();
    for (uint8_t i = 10; i < 40; i++) {
        uint8_t id[16] = {i};
        ic_pool_restore(p, 0, id);
    }
    assert_non_null(ic_pool_find_id(p, 0, B));
    ic_pool_free(p);
}

/* ---- random lives ---- */

/* The events that may come in the run's state, and what must hold after each. */
static enum ic_pool_event choose(struct ic_pool *p, uint16_t f, enum ic_pool_lane lane,
                                 uint64_t now, struct ic_rng *rng)
{
    const struct ic_pool_function *x = ic_pool_function(p, f);
    const struct ic_pool_run *run = lane == IC_LANE_PEER ? &x->peer : &x->serve;
    for (;;) {
        enum ic_pool_event e = (enum ic_pool_event)ic_rng_below(rng, IC_POOL_DEADLINE + 1);
        switch (e) {
        case IC_POOL_INVOKE_SERVE:
        case IC_POOL_INVOKE_WARM:
            if (lane == IC_LANE_SERVE && ic_pool_may_invoke(p, f, now)) {
                return e;
            }
            break;
        case IC_POOL_INVOKE_PEER:
            if (lane == IC_LANE_PEER && ic_pool_may_raise(p, f, now)) {
                return e;
            }
            break;
        case IC_POOL_HELLO:
            if (lane == IC_LANE_PEER ? ic_pool_may_meet(p, f) : ic_pool_may_hello(p, f)) {
                return e;
            }
            break;
        case IC_POOL_DOUBTED:
        case IC_POOL_BELIEVED:
        case IC_POOL_GOODBYE:
            if (run->state == IC_FUNCTION_ACTIVE) {
                return e;
            }
            break;
        case IC_POOL_THROTTLED:
            if (run->response_due && run->state == IC_FUNCTION_INVOKING) {
                return e;
            }
            break;
        case IC_POOL_RESPONSE:
        case IC_POOL_CRASHED:
        case IC_POOL_FAILED:
        case IC_POOL_RESPONSE_LOST:
            if (run->response_due) {
                return e;
            }
            break;
        case IC_POOL_NODE_LEFT:
        case IC_POOL_DEADLINE:
            if (!run->response_due) {
                return e;
            }
            break;
        }
    }
}

static void random_lives(void **s)
{
    (void)s;
    struct ic_pool *p = make(4, 1000);
    struct ic_rng rng;
    ic_rng_init(&rng, 7);
    int outstanding[4][2] = {{0}};
    uint64_t now = 1000;
    for (int step = 0; step < 200000; step++) {
        now += ic_rng_below(&rng, 50);
        uint16_t f = (uint16_t)ic_rng_below(&rng, 4);
        enum ic_pool_lane lane = (enum ic_pool_lane)ic_rng_below(&rng, 2);
        const struct ic_pool_function *x = ic_pool_function(p, f);
        const struct ic_pool_run *run = lane == IC_LANE_PEER ? &x->peer : &x->serve;
        enum ic_function_state before = run->state, served = x->state;
        ic_pool_set_peers(p, step / 10000 % 2 == 0);
        enum ic_pool_event e = choose(p, f, lane, now, &rng);
        ic_pool_lane_event(p, f, lane, e, now, ic_rng_next(&rng));
        if (e <= IC_POOL_INVOKE_PEER) {
            assert_int_equal(outstanding[f][lane]++, 0); /* never two of a kind, */
            assert_int_not_equal(before, IC_FUNCTION_UNKNOWN);
            /* and two at all only if the second was sent beside an active node */
            assert_true(e == IC_POOL_INVOKE_PEER ? served == IC_FUNCTION_ACTIVE
                                                 : outstanding[f][IC_LANE_PEER] == 0);
        }
        outstanding[f][lane] -= e >= IC_POOL_RESPONSE && e <= IC_POOL_RESPONSE_LOST;
        assert_int_equal(run->response_due, outstanding[f][lane]);
        if (e == IC_POOL_HELLO) {
            uint8_t id[16] = {(uint8_t)ic_rng_below(&rng, 7), 1};
            if (lane == IC_LANE_SERVE) {
                ic_pool_heard(p, f, id, 100, 0, 0, now);
            } else if (x->current == 0 || memcmp(id, ic_pool_find(p, f, x->current)->id, 16) != 0) {
                ic_pool_met(p, f, id, 100, 0, 0, now);
            }
        }
        /* There is always a way on: an event to come, or an Invoke that is possible at some time.
         */
        bool waiting = outstanding[f][0] + outstanding[f][1] > 0 ||
                       x->state == IC_FUNCTION_ACTIVE || x->state == IC_FUNCTION_LEAVING ||
                       x->state == IC_FUNCTION_UNKNOWN || x->peer.state != IC_FUNCTION_ABSENT;
        assert_true(waiting || ic_pool_invoke_at(p, f) <= now + 3000);
        assert_true(x->current == 0 || ic_pool_holds(p, f, x->current));
        assert_true(x->state != IC_FUNCTION_ABSENT || x->current == 0 || lane == IC_LANE_PEER);
        assert_true(x->peer.state != IC_FUNCTION_ABSENT || x->beside == 0);
        uint64_t next;
        ic_pool_warm_next(p, now, &next); /* a due function that is passed over stays consistent */
    }
    ic_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(serves),
        leak_test(warms),
        leak_test(no_show_is_a_failure),
        leak_test(failure_backs_off_exponentially),
        leak_test(throttling_holds_up_the_pool),
        leak_test(throttled_together_counts_once),
        leak_test(throttled_alone_is_lost),
        leak_test(lost_response_makes_unknown),
        leak_test(never_heard_is_a_failure),
        leak_test(crash_takes_the_memory),
        leak_test(ending_badly_again_and_again_backs_off),
        leak_test(who_is_doubted_backs_off),
        leak_test(a_doubted_one_that_no_response_ends_is_lost),
        leak_test(adoption),
        leak_test(who_was_greeted_is_not_forgotten_at_once),
        leak_test(a_peer_is_adopted),
        leak_test(siblings_are_away_then_gone),
        leak_test(an_error_after_the_end_is_its_own),
        leak_test(what_is_away_for_long_is_gone),
        leak_test(a_sibling_takes_over),
        leak_test(a_new_instance_that_holds_nothing_is_known),
        leak_test(an_instance_remembers_when_it_was_heard_first),
        leak_test(a_peer_comes_and_goes),
        leak_test(a_peer_that_fails_is_just_not_there),
        leak_test(a_lost_peer_holds_up_its_function),
        leak_test(a_crash_takes_the_instance_of_its_lane),
        leak_test(only_pairs_of_invokes_miss_a_sibling),
        leak_test(the_active_are_not_forgotten_for_new_ones),
        leak_test(random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
