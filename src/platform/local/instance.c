/*
 * instance.c - see instance.h. What happens between Invoke and its answer:
 *
 *   assign -> thaw -> START -> event out ... answer in, `next` in -> memory looked at -> freeze
 *          -> log drained -> END, REPORT -> finished
 *
 * A frozen group writes nothing more, so the drain before END is complete and bounded by
 * the pipe's capacity. A start: launch -> init -> `next` -> assign; if the init fails, that once
 * more, in the time of the invocation. Nothing but ic_instance_next_state decides about states.
 */
#define _GNU_SOURCE /* pipe2 */
#include "platform/local/instance.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "net/net_uv.h"
#include "platform/local/environment.h"
#include "platform/local/function_log.h"
#include "platform/local/log_tail.h"
#include "platform/local/memory_limit.h"
#include "platform/local/process_memory.h"
#include "platform/local/report.h"
#include "platform/local/runtime_api.h"
#include "platform/local/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READ_BYTES = 16 * 1024,
    READS_MAX = 8, /* per turn and instance: twice a pipe's 64 KiB */
};

struct ic_instance {
    struct ic_loop *loop;
    const struct ic_instance_host *host;
    void *ctx;
    const char *function;
    char *version, *handler;
    char id[IC_INSTANCE_ID_HEX + 1];
    uint32_t memory_mb, billing_ms;
    uint64_t timeout_ms, idle_ms, init_ms;

    enum ic_instance_state state;
    enum ic_outcome outcome;        /* in STOPPING: of the invocation it takes along */
    bool shutdown;                  /* ended because the platform stops, */
    bool unwanted;                  /* or is not wanted any more */
    int failure;                    /* IC_EUNAVAIL: no process was to be had */
    int exec_errno;                 /* of a bootstrap that could not be executed; */
    bool no_bootstrap;              /* of one that is not there, or is a folder */
    char *directory, **environment; /* of its process */
    pid_t pid;                      /* 0 before it */
    struct ic_runtime_api *api;
    struct ic_invocation *invocation; /* while STARTING (bound to it) and BUSY */
    struct ic_buf *answer;            /* the function's, or NULL */
    bool handed_out;                  /* the invocation's event */

    uint64_t started_us, init_us;
    uint64_t invoke_us; /* when the invocation's own time began: with its event or, if the init
                           failed, with the second one; 0: not yet */
    uint64_t ended_us;  /* when it was killed; 0: it was not */
    struct ic_timer deadline; /* of init, invocation or idleness */
    struct ic_timer sampler;
    uint64_t sampled_bytes, sampled_ms, max_memory_bytes;
    uint64_t invocations, billed_ms;

    uv_poll_t *output_poll; /* freed by its close callback; NULL: closed */
    int output_fd;
    struct ic_function_log *log;
    struct ic_log_line line;
    struct ic_log_tail tail;
    struct ic_reap reap;
};

/* The only function that changes the state. */
static void change_state(struct ic_instance *i, enum ic_instance_event event)
{
    int next = ic_instance_next_state(i->state, event);
    assert(next >= 0);
    i->state = (enum ic_instance_state)next;
}

/* ---- log ----------------------------------------------------------------------- */

static void log_text(struct ic_instance *i, struct ic_slice text)
{
    ic_log_tail_add(&i->tail, text);
    ic_function_log_add(i->log, &i->line, i->function, i->id, text);
}

/* Reads what the instance printed; false: end of file. */
static bool drain_output(struct ic_instance *i)
{
    uint8_t bytes[READ_BYTES];
    for (int reads = 0; reads < READS_MAX && i->output_fd >= 0; reads++) {
        ssize_t len = read(i->output_fd, bytes, sizeof bytes);
        if (len == 0) {
            return false;
        }
        if (len < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        log_text(i, ic_slice(bytes, (size_t)len));
    }
    return true;
}

static void free_poll(uv_handle_t *handle)
{
    ic_free(handle);
}

static void close_output(struct ic_instance *i)
{
    if (i->output_poll != NULL) {
        uv_close((uv_handle_t *)i->output_poll, free_poll);
        i->output_poll = NULL;
    }
    if (i->output_fd >= 0) {
        close(i->output_fd);
        i->output_fd = -1;
    }
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct ic_instance *i = poll->data;
    if (!drain_output(i) || status < 0) {
        close_output(i);
    }
}

/* ---- memory -------------------------------------------------------------------- */

/* False: above the limit. */
static bool memory_fits(struct ic_instance *i)
{
    uint64_t used = ic_process_memory(i->pid);
    i->sampled_bytes = used;
    i->sampled_ms = ic_clock_mono_ms();
    if (used > i->max_memory_bytes) {
        i->max_memory_bytes = used;
    }
    return !ic_memory_exceeded(i->memory_mb, used);
}

static void exceed_memory(struct ic_instance *i)
{
    ic_log(IC_LOG_WARNING, "instance-memory",
           "function=%s instance=%s pid=%d bytes=%llu limit_mb=%u", i->function, i->id, (int)i->pid,
           (unsigned long long)i->max_memory_bytes, i->memory_mb);
    ic_instance_end(i, IC_END_KILLED);
}

static void on_sample(void *ctx)
{
    struct ic_instance *i = ctx;
    uint64_t before_bytes = i->sampled_bytes, before_ms = i->sampled_ms;
    if (!memory_fits(i)) {
        exceed_memory(i);
        return;
    }
    ic_timer_start(&i->sampler,
                   ic_memory_next_sample_ms(i->memory_mb, before_bytes, i->sampled_bytes,
                                            i->sampled_ms - before_ms));
}

/* ---- the end of an invocation -------------------------------------------------- */

static bool is_platform_error(enum ic_outcome outcome)
{
    return outcome != IC_OUTCOME_ANSWERED && outcome != IC_OUTCOME_FAILED &&
           outcome != IC_OUTCOME_INIT_FAILED;
}

/* What the log says at the end; a platform's error replaces the answer. */
static int close_log(struct ic_instance *i, const struct ic_report *report, int wait_status,
                     struct ic_buf *text)
{
    int result = 0;
    if (!i->handed_out && i->invoke_us != 0) {
        result = ic_report_init(text, report->duration_us, "invoke", report->outcome);
    }
    if (result >= 0 && !i->handed_out) {
        result = ic_report_start(text, report->request_id, i->version);
    }
    if (result >= 0 && is_platform_error(report->outcome)) {
        ic_buf_unref(i->answer);
        i->answer = ic_buf_new(0);
        const struct ic_platform_error error = {
            .outcome = report->outcome,
            .request_id = report->request_id,
            .wait_status = wait_status,
            .timeout_ms = i->timeout_ms,
            .wall_ms = ic_clock_wall_ms(),
            .detail = i->no_bootstrap ? NULL : strerror(i->exec_errno),
        };
        result = i->answer == NULL ? IC_ENOMEM : ic_report_error(&error, i->answer, text);
    }
    if (result >= 0) {
        result = ic_report_end(text, report->request_id);
    }
    return result < 0 ? result : ic_report_report(text, report);
}

/* Bills the invocation, writes its last lines and hands it back with its result. */
static void finish(struct ic_instance *i, enum ic_outcome outcome, int wait_status, uint64_t end_us)
{
    struct ic_invocation *invocation = i->invocation;
    uint8_t tail[IC_LOG_TAIL_BYTES];
    struct ic_buf text;
    struct ic_report report = {
        .request_id = invocation->id,
        .memory_mb = i->memory_mb,
        .max_memory_bytes = i->max_memory_bytes,
        .outcome = outcome,
        .init_us = i->init_us,
    };
    if (i->invoke_us != 0) {
        report.duration_us = end_us - i->invoke_us;
        report.billed_ms = ic_billed_ms(report.duration_us, i->billing_ms);
    }
    i->billed_ms += report.billed_ms;
    ic_buf_init(&text);
    int status = close_log(i, &report, wait_status, &text);
    log_text(i, ic_buf_slice(&text));
    ic_buf_deinit(&text);

    struct ic_buf *answer = i->answer;
    const struct ic_invoke_result result = {
        .status = i->shutdown      ? IC_ECANCELED
                  : i->failure < 0 ? i->failure
                                   : status,
        .function_error = outcome == IC_OUTCOME_ANSWERED ? NULL : "Unhandled",
        .payload = answer == NULL ? ic_slice("", 0) : ic_buf_slice(answer),
        .log_tail = ic_slice(tail, ic_log_tail_copy(&i->tail, tail)),
        .version = i->version,
        .outcome = outcome,
        .billed_ms = report.billed_ms,
    };
    i->answer = NULL;
    i->invocation = NULL;
    i->handed_out = false;
    i->init_us = i->invoke_us = 0;
    i->host->finished(i->ctx, invocation, &result);
    ic_buf_unref(answer); /* from here on I may be busy again */
}

/* ---- the Runtime API's calls --------------------------------------------------- */

/* A timer counts from the beginning of its turn, some milliseconds before the event went out. */
static void on_invocation_deadline(struct ic_instance *i)
{
    uint64_t due_us = i->invoke_us + i->timeout_ms * 1000;
    uint64_t now_us = ic_clock_mono_us();
    if (now_us < due_us) {
        ic_timer_start(&i->deadline, (due_us - now_us + 999) / 1000);
    } else {
        ic_instance_end(i, IC_END_TIMEOUT);
    }
}

static void on_deadline(void *ctx)
{
    struct ic_instance *i = ctx;
    switch (i->state) {
    case IC_INSTANCE_STARTING:
        if (i->invoke_us == 0) {
            ic_instance_end(i, IC_END_INIT_TIMEOUT);
        } else {
            on_invocation_deadline(i);
        }
        return;
    case IC_INSTANCE_BUSY:
        on_invocation_deadline(i);
        return;
    case IC_INSTANCE_IDLE:
        i->host->idle_for_long(i->ctx);
        return;
    case IC_INSTANCE_ENDING: /* it had its time */
        change_state(i, IC_INSTANCE_END);
        ic_group_kill(i->pid);
        return;
    case IC_INSTANCE_STOPPING:
    case IC_INSTANCE_GONE:
        return;
    }
}

/* Begins the invocation's time unless it runs; returns what is left of it. */
static uint64_t begin_invoke(struct ic_instance *i)
{
    uint64_t now_us = ic_clock_mono_us();
    if (i->invoke_us == 0) {
        i->invoke_us = now_us;
    }
    uint64_t gone_ms = (now_us - i->invoke_us) / 1000;
    return gone_ms < i->timeout_ms ? i->timeout_ms - gone_ms : 0;
}

/* The instance waits for an event and has one. */
static void hand_out(struct ic_instance *i)
{
    struct ic_invocation *v = i->invocation;
    change_state(i, IC_INSTANCE_ASSIGN);
    struct ic_buf text;
    ic_buf_init(&text);
    if (ic_report_start(&text, v->id, i->version) >= 0) {
        log_text(i, ic_buf_slice(&text));
    }
    ic_buf_deinit(&text);
    i->handed_out = true;
    i->invocations++;
    i->outcome = IC_OUTCOME_ANSWERED;
    uint64_t left_ms = begin_invoke(i);
    ic_timer_start(&i->deadline, left_ms);
    ic_timer_start(&i->sampler, IC_MEMORY_SAMPLE_MAX_MS);
    const struct ic_event event = {
        .request_id = v->id,
        .arn = v->arn,
        .trace_id = v->trace_id,
        .client_context = v->client_context,
        .deadline_ms = ic_clock_wall_ms() + (int64_t)left_ms,
        .payload = v->payload,
    };
    ic_runtime_api_hand_out(i->api, &event);
}

/* The instance waits and there is no event: it sleeps, and its invocation is over. */
static void settle(struct ic_instance *i, uint64_t end_us)
{
    if (!memory_fits(i)) {
        exceed_memory(i);
        return;
    }
    ic_group_freeze(i->pid);
    ic_timer_stop(&i->sampler);
    if (i->idle_ms > 0) {
        ic_timer_start(&i->deadline, i->idle_ms);
    } else {
        ic_timer_stop(&i->deadline);
    }
    if (!drain_output(i)) {
        close_output(i);
    }
    change_state(i, IC_INSTANCE_SETTLE);
    finish(i, i->outcome, 0, end_us);
}

static void on_asked(void *ctx)
{
    struct ic_instance *i = ctx;
    uint64_t now_us = ic_clock_mono_us();
    switch (i->state) {
    case IC_INSTANCE_STARTING:
        if (i->invoke_us == 0) { /* else it is part of the invocation */
            i->init_us = now_us - i->started_us;
        }
        hand_out(i);
        return;
    case IC_INSTANCE_BUSY:
        settle(i, now_us);
        return;
    case IC_INSTANCE_ENDING: /* too late */
    case IC_INSTANCE_STOPPING:
    case IC_INSTANCE_GONE:
        return;
    case IC_INSTANCE_IDLE:
        assert(false); /* the Runtime API has one waiting `next` already */
        return;
    }
}

static void on_answered(void *ctx, enum ic_answer answer, const char *type, struct ic_buf *body)
{
    struct ic_instance *i = ctx;
    (void)type; /* Lambda shows it in the body the function chose, nowhere else */
    if (i->state != IC_INSTANCE_BUSY) {
        ic_buf_unref(body);
        return;
    }
    ic_buf_unref(i->answer);
    i->answer = body;
    switch (answer) {
    case IC_ANSWER_RESPONSE:
        i->outcome = IC_OUTCOME_ANSWERED;
        return;
    case IC_ANSWER_ERROR:
        i->outcome = IC_OUTCOME_FAILED;
        return;
    case IC_ANSWER_TOO_LARGE:
        i->outcome = IC_OUTCOME_TOO_LARGE;
        return;
    }
}

static void on_init_failed(void *ctx, const char *type, struct ic_buf *body)
{
    struct ic_instance *i = ctx;
    (void)type;
    if (i->state != IC_INSTANCE_STARTING) {
        ic_buf_unref(body);
        return;
    }
    i->answer = body;
    ic_instance_end(i, IC_END_INIT_FAILED);
}

static void on_extension_failed(void *ctx, bool exited)
{
    ic_instance_end(ctx, exited ? IC_END_EXTENSION_EXIT : IC_END_EXTENSION_INIT);
}

static const struct ic_runtime_handler runtime_handler = {
    .asked = on_asked,
    .answered = on_answered,
    .init_failed = on_init_failed,
    .extension_failed = on_extension_failed,
};

/* ---- start --------------------------------------------------------------------- */

static void make_id(char *out)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[IC_INSTANCE_ID_HEX / 2];
    ic_random_fill(bytes, sizeof bytes);
    for (size_t n = 0; n < sizeof bytes; n++) {
        out[2 * n] = hex[bytes[n] >> 4];
        out[2 * n + 1] = hex[bytes[n] & 15];
    }
    out[IC_INSTANCE_ID_HEX] = '\0';
}

/* Makes the pipe for stdout and stderr; *CHILD_END is the process's. */
static int open_output(struct ic_instance *i, int *child_end)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return IC_EUNAVAIL;
    }
    i->output_fd = ends[0];
    *child_end = ends[1];
    i->output_poll = ic_calloc(1, sizeof *i->output_poll);
    if (i->output_poll == NULL) {
        close(ends[1]);
        return IC_ENOMEM;
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK); /* the process's end stays blocking, as usual */
    if (uv_poll_init(ic_loop_uv(i->loop), i->output_poll, ends[0]) != 0) {
        close(ends[1]);
        ic_free(i->output_poll);
        i->output_poll = NULL;
        return IC_EUNAVAIL;
    }
    i->output_poll->data = i;
    (void)uv_poll_start(i->output_poll, UV_READABLE, on_output);
    return 0;
}

/* IC_ENOMEM, IC_EUNAVAIL. */
static int open_api(struct ic_instance *i)
{
    const struct ic_extensions_facts registration = {
        .function = i->function,
        .version = i->version,
        .handler = i->handler,
    };
    int result = ic_runtime_api_new(i->loop, &registration, &runtime_handler, i, &i->api);
    return result < 0 && result != IC_ENOMEM ? IC_EUNAVAIL : result;
}

/* What the process will need of the setup, kept until it is launched. */
static int prepare(struct ic_instance *i, const struct ic_instance_setup *setup)
{
    i->directory = ic_strdup(setup->spec->code_dir);
    i->version = ic_strdup(setup->spec->version);
    i->handler = ic_strdup(setup->spec->handler);
    if (i->directory == NULL || i->version == NULL || i->handler == NULL) {
        return IC_ENOMEM;
    }
    int result = open_api(i);
    if (result < 0) {
        return result;
    }
    const struct ic_environment_facts facts = {
        .spec = setup->spec,
        .region = setup->region,
        .instance = i->id,
        .runtime_api = ic_runtime_api_address(i->api),
        .wall_ms = ic_clock_wall_ms(),
    };
    i->environment = ic_environment_new(&facts);
    return i->environment == NULL ? IC_ENOMEM : 0;
}

static bool is_missing(const char *program)
{
    struct stat about;
    return stat(program, &about) < 0 ? errno == ENOENT : S_ISDIR(about.st_mode);
}

static int spawn(struct ic_instance *i, int output)
{
    struct ic_buf program;
    ic_buf_init(&program);
    int result = ic_buf_printf(&program, "%s/bootstrap%c", i->directory, '\0');
    if (result >= 0) {
        const struct ic_spawn what = {
            .program = (const char *)program.data,
            .environment = i->environment,
            .directory = i->directory,
            .output_fd = output,
            .data_limit_bytes = ic_memory_data_limit(i->memory_mb),
        };
        i->started_us = ic_clock_mono_us();
        result = ic_spawn(&what, &i->pid, &i->exec_errno);
        i->no_bootstrap = result == IC_ENOENT && is_missing(what.program);
    }
    ic_buf_deinit(&program);
    return result;
}

/* Also of a half-made one. */
static void release(void *ctx)
{
    struct ic_instance *i = ctx;
    ic_runtime_api_free(i->api);
    close_output(i);
    ic_buf_unref(i->answer);
    ic_free(i->environment);
    ic_free(i->directory);
    ic_free(i->version);
    ic_free(i->handler);
    ic_free(i);
}

/* There is no process: as if it had been killed at once. */
static void stillborn(void *ctx)
{
    ic_instance_reaped(ctx, SIGKILL);
}

static void end_without_process(struct ic_instance *i, enum ic_outcome outcome)
{
    change_state(i, IC_INSTANCE_END);
    i->outcome = outcome;
    ic_loop_reap(i->loop, &i->reap, stillborn, i);
}

void ic_instance_launch(struct ic_instance *i)
{
    assert(i->state == IC_INSTANCE_STARTING && i->pid == 0);
    int child_end = -1;
    int result = open_output(i, &child_end);
    if (result >= 0) {
        result = spawn(i, child_end);
        close(child_end);
    }
    if (result == IC_ENOENT) {
        end_without_process(i, IC_OUTCOME_NO_ENTRY);
    } else if (result < 0) {
        i->failure = result;
        end_without_process(i, IC_OUTCOME_EXITED);
    } else {
        ic_timer_start(&i->deadline, i->invoke_us == 0 ? i->init_ms : i->timeout_ms);
        ic_timer_start(&i->sampler, IC_MEMORY_SAMPLE_MAX_MS);
    }
}

int ic_instance_new(const struct ic_instance_setup *setup, struct ic_invocation *invocation,
                    struct ic_instance **out)
{
    struct ic_instance *i = ic_calloc(1, sizeof *i);
    if (i == NULL) {
        return IC_ENOMEM;
    }
    i->loop = setup->loop;
    i->host = setup->host;
    i->ctx = setup->ctx;
    i->function = setup->function;
    i->memory_mb = setup->spec->memory_mb;
    i->timeout_ms = (uint64_t)setup->spec->timeout_s * 1000;
    i->billing_ms = setup->billing_ms;
    i->idle_ms = setup->idle_ms;
    i->init_ms = setup->init_ms;
    i->log = setup->log;
    i->output_fd = -1;
    i->outcome = IC_OUTCOME_EXITED;
    i->state = IC_INSTANCE_STARTING;
    make_id(i->id);
    ic_timer_init(&i->deadline, i->loop, on_deadline, i);
    ic_timer_init(&i->sampler, i->loop, on_sample, i);
    int result = prepare(i, setup);
    if (result < 0) {
        release(i);
        return result;
    }
    i->invocation = invocation;
    *out = i;
    return 0;
}

void ic_instance_free(struct ic_instance *i)
{
    assert(i->state == IC_INSTANCE_GONE);
    ic_loop_reap(i->loop, &i->reap, release, i);
}

/* ---- what the fleet asks for --------------------------------------------------- */

void ic_instance_assign(struct ic_instance *i, struct ic_invocation *invocation)
{
    assert(i->state == IC_INSTANCE_IDLE && i->invocation == NULL);
    i->invocation = invocation;
    ic_log_tail_clear(&i->tail);
    ic_group_thaw(i->pid);
    hand_out(i);
}

static enum ic_outcome outcome_of(enum ic_end why)
{
    switch (why) {
    case IC_END_TIMEOUT:
        return IC_OUTCOME_TIMED_OUT;
    case IC_END_INIT_TIMEOUT:
        return IC_OUTCOME_INIT_TIMEOUT;
    case IC_END_INIT_FAILED:
        return IC_OUTCOME_INIT_FAILED;
    case IC_END_EXTENSION_INIT:
        return IC_OUTCOME_EXTENSION_INIT;
    case IC_END_EXTENSION_EXIT:
        return IC_OUTCOME_EXTENSION_EXIT;
    case IC_END_KILLED:
    case IC_END_RECLAIMED:
    case IC_END_SHUTDOWN:
        return IC_OUTCOME_EXITED;
    }
    return IC_OUTCOME_EXITED;
}

static bool has_shutdown_phase(const struct ic_instance *i, enum ic_end why)
{
    return (why == IC_END_RECLAIMED || why == IC_END_SHUTDOWN) &&
           ic_runtime_api_extensions(i->api) > 0;
}

void ic_instance_end(struct ic_instance *i, enum ic_end why)
{
    bool ending = i->state == IC_INSTANCE_ENDING, phase = has_shutdown_phase(i, why);
    i->shutdown = i->shutdown || why == IC_END_SHUTDOWN;
    i->unwanted = i->unwanted || why == IC_END_SHUTDOWN || why == IC_END_RECLAIMED;
    if (i->state == IC_INSTANCE_STOPPING || i->state == IC_INSTANCE_GONE || (ending && phase)) {
        return;
    }
    if (i->pid == 0) {
        end_without_process(i, IC_OUTCOME_EXITED);
        return;
    }
    if (!ending) { /* else the invocation, if any, ended then */
        i->outcome = outcome_of(why);
        i->ended_us = ic_clock_mono_us();
    }
    ic_timer_stop(&i->sampler);
    if (phase) {
        change_state(i, IC_INSTANCE_TERMINATE);
        ic_timer_start(&i->deadline, IC_SHUTDOWN_MS);
        ic_group_terminate(i->pid);
    } else {
        change_state(i, IC_INSTANCE_END);
        ic_timer_stop(&i->deadline);
        ic_group_kill(i->pid);
    }
}

/* ---- the second init ----------------------------------------------------------- */

static bool may_begin_again(const struct ic_instance *i)
{
    return i->invocation != NULL && !i->handed_out && i->invoke_us == 0 && !i->unwanted &&
           i->failure == 0;
}

static void log_failed_init(struct ic_instance *i, uint64_t end_us)
{
    struct ic_buf text;
    ic_buf_init(&text);
    if (ic_report_init(&text, end_us - i->started_us, "init", i->outcome) >= 0) {
        log_text(i, ic_buf_slice(&text));
    }
    ic_buf_deinit(&text);
}

/*
 * The process whose init failed is gone: another one shall try, at another address, since what the
 * first one sent may still be on its way. False: there is no descriptor or memory for that.
 */
static bool begin_again(struct ic_instance *i, uint64_t end_us)
{
    log_failed_init(i, end_us);
    ic_buf_unref(i->answer);
    i->answer = NULL;
    ic_runtime_api_free(i->api);
    i->api = NULL;
    i->failure = open_api(i);
    if (i->failure < 0) {
        return false;
    }
    ic_environment_set_runtime_api(i->environment, ic_runtime_api_address(i->api));
    change_state(i, IC_INSTANCE_AGAIN);
    i->pid = 0;
    i->outcome = IC_OUTCOME_EXITED;
    i->ended_us = 0;
    (void)begin_invoke(i);
    i->host->again(i->ctx);
    return true;
}

void ic_instance_reaped(struct ic_instance *i, int wait_status)
{
    bool ended_by_us = i->state == IC_INSTANCE_STOPPING || i->state == IC_INSTANCE_ENDING;
    uint64_t end_us = ended_by_us && i->ended_us != 0 ? i->ended_us : ic_clock_mono_us();
    if (!ended_by_us) {
        i->outcome = IC_OUTCOME_EXITED;
        ic_log(IC_LOG_WARNING, "instance-exited", "function=%s instance=%s pid=%d status=%#x",
               i->function, i->id, (int)i->pid, (unsigned)wait_status);
    }
    ic_timer_stop(&i->deadline);
    ic_timer_stop(&i->sampler);
    (void)drain_output(i);
    close_output(i);
    if (may_begin_again(i) && begin_again(i, end_us)) {
        return;
    }
    change_state(i, IC_INSTANCE_REAPED);
    if (i->invocation != NULL) {
        finish(i, i->outcome, wait_status, end_us);
    }
    i->host->gone(i->ctx);
}

pid_t ic_instance_pid(const struct ic_instance *i)
{
    return i->pid;
}

enum ic_instance_state ic_instance_state(const struct ic_instance *i)
{
    return i->state;
}

const char *ic_instance_version(const struct ic_instance *i)
{
    return i->version;
}

void ic_instance_view(const struct ic_instance *i, struct ic_instance_view *view)
{
    *view = (struct ic_instance_view){
        .function = i->function,
        .instance = i->id,
        .pid = i->pid,
        .state = i->state,
        .invocations = i->invocations,
        .billed_ms = i->billed_ms,
        .max_memory_bytes = i->max_memory_bytes,
    };
}
