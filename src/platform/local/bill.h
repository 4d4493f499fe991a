/*
 * bill.h - the books of the platform: what was invoked, how it ended, what it cost and how many
 * instances it took. Pure counters; one bill per function and their sum.
 *
 *   the sum of all outcomes == invocations == REPORT lines; billed_ms == the sum of theirs
 */
#ifndef IC_PLATFORM_LOCAL_BILL_H
#define IC_PLATFORM_LOCAL_BILL_H

#include "platform/local/report.h"

/* How invocations end, as far as who pays may want to know: name in the bill, what it means. */
#define IC_BILL_ENDS(X)                                                                            \
    X(OK, "ok", "the function answered")                                                           \
    X(FUNCTION_ERROR, "function_error", "it reported an error, or could not start")                \
    X(TIMEOUT, "timeout", "ended at the function's timeout, or that of its start")                 \
    X(KILLED, "killed", "its instance was killed, reclaimed or exited")

enum ic_bill_end {
#define IC_BILL_END_ENUM(end, ...) IC_BILL_##end,
    IC_BILL_ENDS(IC_BILL_END_ENUM)
#undef IC_BILL_END_ENUM
        IC_BILL_END_COUNT
};

struct ic_bill {
    const char *function; /* NULL: the sum of all */
    uint64_t invocations;
    uint64_t billed_ms;
    uint64_t ends[IC_BILL_END_COUNT];
    uint64_t starts;            /* processes of instances */
    uint64_t concurrent_starts; /* of them, while another instance of the function was there */
};

enum ic_bill_end ic_bill_end_of(enum ic_outcome outcome);
const char *ic_bill_end_name(enum ic_bill_end end);

void ic_bill_invocation(struct ic_bill *bill, enum ic_outcome outcome, uint64_t billed_ms);
void ic_bill_start(struct ic_bill *bill, bool concurrent);
void ic_bill_add(struct ic_bill *sum, const struct ic_bill *part); /* sum->function stays */

#endif
