#include "node/slots.h"

#include "unit.h"

static void grows_and_shrinks(void **state)
{
    (void)state;
    struct ic_slots s;
    assert_int_equal(ic_slots_init(&s, 100, 5000), 0);
    assert_null(ic_slots_last(&s));
    size_t count = 0;
    for (unsigned *slot; (slot = ic_slots_add(&s)) != NULL; count++) {
        assert_ptr_equal(slot, ic_slots_last(&s));
        *slot = (unsigned)count;
    }
    assert_in_range(count, 5000, 5000 + 65536 / 100);
    assert_true(s.resident_bytes >= count * 100);
    while (count > 10) {
        assert_int_equal(*(unsigned *)ic_slots_last(&s), --count);
        ic_slots_drop_last(&s);
    }
    ic_slots_trim(&s);
    assert_int_equal(s.resident_bytes, 4096);
    assert_int_equal(*(unsigned *)ic_slots_last(&s), 9);
    ic_slots_deinit(&s);
}

static void no_address_space(void **state)
{
    (void)state;
    struct ic_slots s;
    assert_int_equal(ic_slots_init(&s, 1 << 20, (size_t)1 << 40), -1);
    ic_slots_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(grows_and_shrinks),
        leak_test(no_address_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
