/*
 * test_log_tail.c - the tail is the last 4096 bytes, however they came in.
 */
#include "platform/local/log_tail.h"

#include "base/random.h"
#include "unit/unit.h"

enum { TEXT_BYTES = 40000 };

static void test_keeps_the_last_bytes(void **state)
{
    (void)state;
    static struct ic_log_tail tail;
    static uint8_t text[TEXT_BYTES], out[IC_LOG_TAIL_BYTES];
    struct ic_rng rng;
    ic_rng_init(&rng, 3);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)ic_rng_next(&rng);
    }
    assert_int_equal(ic_log_tail_copy(&tail, out), 0);
    for (size_t at = 0; at < sizeof text;) {
        size_t len = (size_t)ic_rng_below(&rng, at < TEXT_BYTES / 2 ? 300 : 9000);
        len = len < sizeof text - at ? len : sizeof text - at;
        ic_log_tail_add(&tail, ic_slice(text + at, len));
        at += len;
        size_t want = at < IC_LOG_TAIL_BYTES ? at : IC_LOG_TAIL_BYTES;
        assert_int_equal(ic_log_tail_copy(&tail, out), want);
        assert_memory_equal(out, text + (at - want), want);
    }
    ic_log_tail_clear(&tail);
    assert_int_equal(ic_log_tail_copy(&tail, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_keeps_the_last_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
