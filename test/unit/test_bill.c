/*
 * test_bill.c - every outcome of an invocation is on the bill once, under one end.
 */
#include "platform/local/bill.h"

#include "unit/unit.h"

static void test_outcomes(void **state)
{
    (void)state;
    static const struct {
        enum ic_outcome outcome;
        enum ic_bill_end end;
    } row[] = {
        {IC_OUTCOME_ANSWERED, IC_BILL_OK},
        {IC_OUTCOME_FAILED, IC_BILL_FUNCTION_ERROR},
        {IC_OUTCOME_TIMED_OUT, IC_BILL_TIMEOUT},
        {IC_OUTCOME_EXITED, IC_BILL_KILLED},
        {IC_OUTCOME_INIT_FAILED, IC_BILL_FUNCTION_ERROR},
        {IC_OUTCOME_INIT_TIMEOUT, IC_BILL_TIMEOUT},
        {IC_OUTCOME_NO_ENTRY, IC_BILL_FUNCTION_ERROR},
        {IC_OUTCOME_TOO_LARGE, IC_BILL_FUNCTION_ERROR},
        {IC_OUTCOME_EXTENSION_INIT, IC_BILL_FUNCTION_ERROR},
        {IC_OUTCOME_EXTENSION_EXIT, IC_BILL_FUNCTION_ERROR},
    };
    struct ic_bill bill = {0};
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint64_t before = bill.ends[row[i].end];
        ic_bill_invocation(&bill, row[i].outcome, 10 + i);
        assert_int_equal(bill.ends[row[i].end], before + 1);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < IC_BILL_END_COUNT; i++) {
        sum += bill.ends[i];
    }
    assert_int_equal(sum, 10);
    assert_int_equal(bill.invocations, 10);
    assert_int_equal(bill.billed_ms, 10 * 10 + 45);
    assert_string_equal(ic_bill_end_name(IC_BILL_OK), "ok");
    assert_string_equal(ic_bill_end_name(IC_BILL_FUNCTION_ERROR), "function_error");
    assert_string_equal(ic_bill_end_name(IC_BILL_TIMEOUT), "timeout");
    assert_string_equal(ic_bill_end_name(IC_BILL_KILLED), "killed");
}

static void test_sum(void **state)
{
    (void)state;
    struct ic_bill sum = {0}, one = {.function = "one"}, two = {.function = "two"};
    ic_bill_start(&one, false);
    ic_bill_start(&one, true);
    ic_bill_invocation(&one, IC_OUTCOME_ANSWERED, 5);
    ic_bill_start(&two, false);
    ic_bill_invocation(&two, IC_OUTCOME_TIMED_OUT, 7);
    ic_bill_add(&sum, &one);
    ic_bill_add(&sum, &two);
    assert_null(sum.function);
    assert_int_equal(sum.invocations, 2);
    assert_int_equal(sum.billed_ms, 12);
    assert_int_equal(sum.ends[IC_BILL_OK], 1);
    assert_int_equal(sum.ends[IC_BILL_TIMEOUT], 1);
    assert_int_equal(sum.starts, 3);
    assert_int_equal(sum.concurrent_starts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_outcomes), leak_test(test_sum)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
