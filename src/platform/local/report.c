#include "platform/local/report.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

enum { WORDS_MAX = 256 };

uint64_t ic_billed_ms(uint64_t duration_us, uint32_t granule_ms)
{
    uint64_t granule_us = (uint64_t)granule_ms * 1000;
    uint64_t granules = (duration_us + granule_us - 1) / granule_us;
    return (granules == 0 ? 1 : granules) * granule_ms;
}

int ic_report_start(struct ic_buf *out, const char *request_id, const char *version)
{
    return ic_buf_printf(out, "START RequestId: %s Version: %s\n", request_id, version);
}

int ic_report_end(struct ic_buf *out, const char *request_id)
{
    return ic_buf_printf(out, "END RequestId: %s\n", request_id);
}

static const char *status_words(enum ic_outcome outcome)
{
    switch (outcome) {
    case IC_OUTCOME_ANSWERED:
    case IC_OUTCOME_FAILED:
        return "";
    case IC_OUTCOME_TIMED_OUT:
    case IC_OUTCOME_INIT_TIMEOUT:
        return "Status: timeout";
    case IC_OUTCOME_EXITED:
        return "Status: error\tError Type: Runtime.ExitError";
    case IC_OUTCOME_INIT_FAILED:
        return "Status: error\tError Type: Runtime.InitError";
    case IC_OUTCOME_NO_ENTRY:
        return "Status: error\tError Type: Runtime.InvalidEntrypoint";
    case IC_OUTCOME_TOO_LARGE:
        return "Status: error\tError Type: Function.ResponseSizeTooLarge";
    case IC_OUTCOME_EXTENSION_INIT:
        return "Status: error\tError Type: Extension.InitError";
    case IC_OUTCOME_EXTENSION_EXIT:
        return "Status: error\tError Type: Extension.ExitError";
    }
    return "";
}

/* "12.34 ms" of microseconds, rounded to nearest. */
static int append_ms(struct ic_buf *out, const char *label, uint64_t us)
{
    uint64_t hundredths = (us + 5) / 10;
    return ic_buf_printf(out, "%s: %" PRIu64 ".%02u ms\t", label, hundredths / 100,
                         (unsigned)(hundredths % 100));
}

int ic_report_init(struct ic_buf *out, uint64_t init_us, const char *phase, enum ic_outcome outcome)
{
    int result = ic_buf_append_str(out, "INIT_REPORT ");
    if (result >= 0) {
        result = append_ms(out, "Init Duration", init_us);
    }
    return result < 0 ? result
                      : ic_buf_printf(out, "Phase: %s\t%s\n", phase, status_words(outcome));
}

int ic_report_report(struct ic_buf *out, const struct ic_report *r)
{
    uint64_t used_mb = (r->max_memory_bytes + (1u << 20) - 1) >> 20;
    int result = ic_buf_printf(out, "REPORT RequestId: %s\t", r->request_id);
    if (result >= 0) {
        result = append_ms(out, "Duration", r->duration_us);
    }
    if (result >= 0) {
        result = ic_buf_printf(out,
                               "Billed Duration: %" PRIu64 " ms\tMemory Size: %" PRIu32
                               " MB\tMax Memory Used: %" PRIu64 " MB\t",
                               r->billed_ms, r->memory_mb, used_mb);
    }
    if (result >= 0 && r->init_us > 0) {
        result = append_ms(out, "Init Duration", r->init_us);
    }
    if (result >= 0) {
        result = ic_buf_printf(out, "%s\n", status_words(r->outcome));
    }
    return result;
}

/* Signals as Go's runtime names them, since Lambda's messages come from there. */
static const char *signal_words(int number)
{
    switch (number) {
    case SIGHUP:
        return "hangup";
    case SIGINT:
        return "interrupt";
    case SIGQUIT:
        return "quit";
    case SIGILL:
        return "illegal instruction";
    case SIGTRAP:
        return "trace/breakpoint trap";
    case SIGABRT:
        return "aborted";
    case SIGBUS:
        return "bus error";
    case SIGFPE:
        return "floating point exception";
    case SIGKILL:
        return "killed";
    case SIGUSR1:
        return "user defined signal 1";
    case SIGSEGV:
        return "segmentation fault";
    case SIGUSR2:
        return "user defined signal 2";
    case SIGPIPE:
        return "broken pipe";
    case SIGALRM:
        return "alarm clock";
    case SIGTERM:
        return "terminated";
    default:
        return NULL;
    }
}

static void exit_words(int wait_status, char *out)
{
    if (WIFSIGNALED(wait_status)) {
        const char *words = signal_words(WTERMSIG(wait_status));
        if (words != NULL) {
            snprintf(out, WORDS_MAX, "Runtime exited with error: signal: %s", words);
        } else {
            snprintf(out, WORDS_MAX, "Runtime exited with error: signal: signal %d",
                     WTERMSIG(wait_status));
        }
    } else if (WEXITSTATUS(wait_status) != 0) {
        snprintf(out, WORDS_MAX, "Runtime exited with error: exit status %d",
                 WEXITSTATUS(wait_status));
    } else {
        snprintf(out, WORDS_MAX, "Runtime exited without providing a reason");
    }
}

static int append_time(struct ic_buf *out, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    return ic_buf_printf(out, "%s.%03dZ", text, (int)(wall_ms % 1000));
}

/* WORDS hold nothing that JSON would have to escape. */
static int append_body(struct ic_buf *body, const char *type, const char *request_id,
                       const char *words)
{
    return ic_buf_printf(body,
                         "{\"errorType\":\"%s\",\"errorMessage\":\"RequestId: %s Error: %s\"}",
                         type, request_id, words);
}

static int append_timeout(const struct ic_platform_error *e, struct ic_buf *body,
                          struct ic_buf *log)
{
    char words[WORDS_MAX];
    snprintf(words, sizeof words, "Task timed out after %" PRIu64 ".%02u seconds",
             e->timeout_ms / 1000, (unsigned)(e->timeout_ms % 1000 / 10));
    int result = append_body(body, "Sandbox.Timedout", e->request_id, words);
    if (result >= 0) {
        result = append_time(log, e->wall_ms);
    }
    return result < 0 ? result : ic_buf_printf(log, " %s %s\n\n", e->request_id, words);
}

int ic_report_error(const struct ic_platform_error *e, struct ic_buf *body, struct ic_buf *log)
{
    char words[WORDS_MAX];
    const char *type;
    switch (e->outcome) {
    case IC_OUTCOME_TIMED_OUT:
    case IC_OUTCOME_INIT_TIMEOUT:
        return append_timeout(e, body, log);
    case IC_OUTCOME_EXITED:
        type = "Runtime.ExitError";
        exit_words(e->wait_status, words);
        break;
    case IC_OUTCOME_NO_ENTRY:
        type = "Runtime.InvalidEntrypoint";
        if (e->detail == NULL) {
            snprintf(words, sizeof words,
                     "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]");
        } else {
            snprintf(words, sizeof words, "fork/exec /var/task/bootstrap: %c%s",
                     tolower((unsigned char)e->detail[0]), e->detail + 1); /* as Go says it */
        }
        break;
    case IC_OUTCOME_TOO_LARGE:
        type = "Function.ResponseSizeTooLarge";
        snprintf(words, sizeof words,
                 "Response payload size exceeded maximum allowed payload size (6291556 bytes).");
        break;
    case IC_OUTCOME_EXTENSION_INIT:
        type = "Extension.InitError";
        snprintf(words, sizeof words, "Extension reported an error in its init");
        break;
    case IC_OUTCOME_EXTENSION_EXIT:
        type = "Extension.ExitError";
        snprintf(words, sizeof words, "Extension reported an error and exits");
        break;
    case IC_OUTCOME_ANSWERED:
    case IC_OUTCOME_FAILED:
    case IC_OUTCOME_INIT_FAILED:
    default:
        return IC_EINVAL;
    }
    int result = append_body(body, type, e->request_id, words);
    if (result >= 0) {
        result = ic_buf_printf(log, "RequestId: %s Error: %s\n%s\n", e->request_id, words, type);
    }
    return result;
}
