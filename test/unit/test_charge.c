#include "cli/charge.h"

#include "unit.h"

static const char info[] = "$200\r\n# Cost\r\nbilled_ms_total:396\r\nbilled_ms_serve:1\r\n"
                           "invocations_total:14\r\noutstanding_invocations:3\r\n"
                           "dollars_total:0.000003625002\r\ndollars_serve:9\r\n";

static void reads_our_fields(void **state)
{
    (void)state;
    struct ic_charge c = ic_charge_parse(ic_slice_str(info));
    assert_true(c.known);
    assert_true(c.dollars == 0.000003625002 && c.billed_ms == 396 && c.invocations == 14);
    assert_true(c.outstanding == 3);
    struct ic_charge before = {.known = true, .dollars = 0.000003, .billed_ms = 96};
    struct ic_charge d = ic_charge_between(&before, &c);
    assert_true(d.known && d.billed_ms == 300 && d.invocations == 14 && d.outstanding == 3);
    before.known = false;
    assert_false(ic_charge_between(&before, &c).known);
}

static void another_server_says_nothing(void **state)
{
    (void)state;
    assert_false(ic_charge_parse(ic_slice_str("$0\r\n\r\n")).known);
    assert_false(ic_charge_parse(ic_slice_str("")).known);
    for (size_t cut = 0; cut + 30 < sizeof info; cut++) { /* half a reply */
        (void)ic_charge_parse(ic_slice(info, cut));
    }
    assert_false(ic_charge_parse(ic_slice_str("dollars_total:x\r\n")).known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(reads_our_fields),
        leak_test(another_server_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
