#include "platform/local/bill.h"

#include <stddef.h>

enum ic_bill_end ic_bill_end_of(enum ic_outcome outcome)
{
    switch (outcome) {
    case IC_OUTCOME_ANSWERED:
        return IC_BILL_OK;
    case IC_OUTCOME_FAILED:
    case IC_OUTCOME_INIT_FAILED:
    case IC_OUTCOME_NO_ENTRY:
    case IC_OUTCOME_TOO_LARGE:
    case IC_OUTCOME_EXTENSION_INIT:
    case IC_OUTCOME_EXTENSION_EXIT:
        return IC_BILL_FUNCTION_ERROR;
    case IC_OUTCOME_TIMED_OUT:
    case IC_OUTCOME_INIT_TIMEOUT:
        return IC_BILL_TIMEOUT;
    case IC_OUTCOME_EXITED:
        return IC_BILL_KILLED;
    }
    return IC_BILL_KILLED;
}

const char *ic_bill_end_name(enum ic_bill_end end)
{
    static const char *const names[] = {
#define IC_BILL_END_NAME(end, name, ...) [IC_BILL_##end] = (name),
        IC_BILL_ENDS(IC_BILL_END_NAME)
#undef IC_BILL_END_NAME
    };
    return names[end];
}

void ic_bill_invocation(struct ic_bill *bill, enum ic_outcome outcome, uint64_t billed_ms)
{
    bill->invocations++;
    bill->billed_ms += billed_ms;
    bill->ends[ic_bill_end_of(outcome)]++;
}

void ic_bill_start(struct ic_bill *bill, bool concurrent)
{
    bill->starts++;
    bill->concurrent_starts += concurrent;
}

void ic_bill_add(struct ic_bill *sum, const struct ic_bill *part)
{
    sum->invocations += part->invocations;
    sum->billed_ms += part->billed_ms;
    for (size_t i = 0; i < IC_BILL_END_COUNT; i++) {
        sum->ends[i] += part->ends[i];
    }
    sum->starts += part->starts;
    sum->concurrent_starts += part->concurrent_starts;
}
