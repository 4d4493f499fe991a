/*
 * report.h - billing and the words of Lambda: the START, END and REPORT lines of an
 * invocation's log and the errors the platform itself reports, as AWS prints them. Pure.
 *
 *   START RequestId: 8f5b... Version: $LATEST
 *   (what the function printed)
 *   END RequestId: 8f5b...
 *   REPORT RequestId: 8f5b...<tab>Duration: 1.23 ms<tab>Billed Duration: 2 ms<tab>...
 */
#ifndef IC_PLATFORM_LOCAL_REPORT_H
#define IC_PLATFORM_LOCAL_REPORT_H

#include "base/buf.h"
#include "base/error.h"

/* How an invocation ended. */
enum ic_outcome {
    IC_OUTCOME_ANSWERED,       /* a response, then `next` */
    IC_OUTCOME_FAILED,         /* the function reported an error, then asked `next` */
    IC_OUTCOME_TIMED_OUT,      /* killed at the function's timeout */
    IC_OUTCOME_EXITED,         /* the process ended by itself or was killed */
    IC_OUTCOME_INIT_FAILED,    /* it posted init/error */
    IC_OUTCOME_INIT_TIMEOUT,   /* it did not ask for an event in time; of an init, not in the end */
    IC_OUTCOME_NO_ENTRY,       /* there is no bootstrap that could be executed */
    IC_OUTCOME_TOO_LARGE,      /* a response above the limit */
    IC_OUTCOME_EXTENSION_INIT, /* an extension posted init/error */
    IC_OUTCOME_EXTENSION_EXIT, /* an extension posted exit/error */
};

struct ic_report {
    const char *request_id;
    uint64_t duration_us;
    uint64_t billed_ms;
    uint32_t memory_mb;
    uint64_t max_memory_bytes;
    uint64_t init_us; /* 0: a warm start, not printed */
    enum ic_outcome outcome;
};

/* DURATION_US rounded up to a multiple of GRANULE_MS (> 0), and at least one. */
uint64_t ic_billed_ms(uint64_t duration_us, uint32_t granule_ms);

/* Each appends one line. IC_ENOMEM. */
int ic_report_start(struct ic_buf *out, const char *request_id, const char *version) IC_MUST_USE;
int ic_report_end(struct ic_buf *out, const char *request_id) IC_MUST_USE;
/* Of an init that failed; PHASE "init", or "invoke" when it was repeated there. */
int ic_report_init(struct ic_buf *out, uint64_t init_us, const char *phase,
                   enum ic_outcome outcome) IC_MUST_USE;
int ic_report_report(struct ic_buf *out, const struct ic_report *report) IC_MUST_USE;

/*
 * The error of an invocation that the platform, not the function, ended: what Invoke's body
 * says, and what the log says (LOG, lines). WAIT_STATUS as of waitpid, for EXITED; TIMEOUT_MS for
 * the time-outs; DETAIL for NO_ENTRY: errno's words; NULL: the package has no file bootstrap.
 * IC_ENOMEM; IC_EINVAL for an OUTCOME that is the function's own.
 */
struct ic_platform_error {
    enum ic_outcome outcome;
    const char *request_id;
    int wait_status;
    uint64_t timeout_ms;
    int64_t wall_ms; /* for the time in the time-out's log line */
    const char *detail;
};
int ic_report_error(const struct ic_platform_error *error, struct ic_buf *body,
                    struct ic_buf *log) IC_MUST_USE;

#endif
