/*
 * test_fleet.c - the fleet with real processes: this very program, started as `bootstrap`, is the
 * function (probe_bootstrap.h). What an Invoke returns and logs in every way it can end,
 * freezing, routing, throttling, reclaiming, billing, and that no process is left.
 */
#define _GNU_SOURCE /* strcasestr */
#include "platform/local/fleet.h"

#include "base/alloc.h"
#include "base/config.h"
#include "model/reclaim.h"
#include "net/net.h"
#include "probe_bootstrap.h"
#include "unit/unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { DEADLINE_MS = 30000, ANSWERS_MAX = 16, VIEWS_MAX = 16 };

struct answer {
    int status;
    bool failed;
    char payload[4096], log[4097];
    uint64_t billed_ms;
};

struct fixture {
    struct ic_loop *loop;
    struct ic_fleet *fleet;
    struct ic_timer deadline, poll;
    char dir[64];
    struct answer answer[ANSWERS_MAX];
    size_t answers, awaited;
    size_t reclaimed;
    struct ic_instance_view view[VIEWS_MAX];
    size_t views;
    bool late, stopped;
    int forks; /* of instances: the test lets them fork so many processes */
};

static struct ic_function_spec spec = {
    .name = "probe",
    .arn = "arn:aws:lambda:us-east-1:000000000000:function:probe",
    .version = "$LATEST",
    .handler = "the.handler",
    .memory_mb = 128,
    .timeout_s = 20,
    .reserved = IC_RESERVED_NONE,
};

static void on_deadline(void *ctx)
{
    struct fixture *f = ctx;
    f->late = true;
    ic_loop_stop(f->loop);
}

static void begin(struct fixture *f, struct ic_fleet_options options)
{
    memset(f, 0, sizeof *f);
    strcpy(f->dir, "/tmp/ic-fleet-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    char path[128], self[512];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(len > 0);
    self[len] = '\0';
    snprintf(path, sizeof path, "%s/bootstrap", f->dir);
    assert_int_equal(symlink(self, path), 0);
    f->loop = ic_loop_new();
    options.region = "us-east-1";
    options.billing_ms = options.billing_ms == 0 ? 1 : options.billing_ms;
    options.concurrency = options.concurrency == 0 ? 10 : options.concurrency;
    f->fleet = ic_fleet_new(f->loop, &options);
    assert_non_null(f->fleet);
    ic_timer_init(&f->deadline, f->loop, on_deadline, f);
    ic_timer_start(&f->deadline, DEADLINE_MS);
    spec.code_dir = f->dir;
}

static void on_stopped(void *ctx)
{
    struct fixture *f = ctx;
    f->stopped = true;
    ic_loop_stop(f->loop);
}

/* No child and no zombie is left but FORKS that instances made: killed with them, they become ours
 * a moment later. */
static void await_no_child(int forks)
{
    pid_t ended;
    for (int ms = 0; (ended = waitpid(-1, NULL, WNOHANG)) != -1; ms++) {
        assert_true(ms < DEADLINE_MS);
        forks -= ended > 0;
        assert_true(forks >= 0 && (ended > 0 || forks > 0));
        usleep(1000);
    }
    assert_int_equal(errno, ECHILD);
}

static void end(struct fixture *f)
{
    char path[128];
    ic_fleet_stop(f->fleet, on_stopped, f);
    while (!f->stopped && !f->late) {
        ic_loop_run(f->loop);
    }
    assert_false(f->late);
    ic_timer_stop(&f->deadline);
    ic_fleet_free(f->fleet);
    ic_loop_free(f->loop);
    await_no_child(f->forks);
    snprintf(path, sizeof path, "%s/bootstrap", f->dir);
    unlink(path);
    assert_int_equal(rmdir(f->dir), 0);
}

static void on_done(void *ctx, const struct ic_invoke_result *result)
{
    struct fixture *f = ctx;
    struct answer *a = &f->answer[f->answers++];
    a->status = result->status;
    a->failed = result->function_error != NULL;
    a->billed_ms = result->billed_ms;
    snprintf(a->payload, sizeof a->payload, "%.*s", (int)result->payload.len,
             (const char *)result->payload.data);
    snprintf(a->log, sizeof a->log, "%.*s", (int)result->log_tail.len,
             (const char *)result->log_tail.data);
    if (f->answers == f->awaited) {
        ic_loop_stop(f->loop);
    }
}

static int invoke_start(struct fixture *f, const char *order)
{
    struct ic_buf *payload = ic_buf_new(0);
    if (payload == NULL || ic_buf_printf(payload, "\"%s\"", order) < 0) {
        ic_buf_unref(payload);
        return IC_ENOMEM;
    }
    const struct ic_invoke_request request = {.id = "8f507cfc-xmpl-4697-b07a-ac58fc914c95",
                                              .payload = payload};
    int result = ic_fleet_invoke(f->fleet, &spec, &request, on_done, f);
    ic_buf_unref(payload);
    return result;
}

static void wait_answers(struct fixture *f, size_t count)
{
    f->awaited = count;
    while (f->answers < count && !f->late) {
        ic_loop_run(f->loop);
    }
    assert_false(f->late);
}

/* One Invoke and its answer. */
static struct answer *invoke(struct fixture *f, const char *order)
{
    f->answers = 0;
    assert_int_equal(invoke_start(f, order), 0);
    assert_int_equal(f->answers, 0);
    wait_answers(f, 1);
    return &f->answer[0];
}

static void add_view(void *ctx, const struct ic_instance_view *view)
{
    struct fixture *f = ctx;
    f->view[f->views++] = *view;
}

static size_t look(struct fixture *f)
{
    f->views = 0;
    assert_int_equal(ic_fleet_each_instance(f->fleet, add_view, f), 0);
    return f->views;
}

/* "State" of /proc/PID/status: R S T Z ..., or 0 when it is gone. */
static char process_state(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *at = strstr(text, "State:\t");
    return at == NULL ? 0 : at[7];
}

static int number_of(const struct answer *a, const char *field)
{
    char name[32];
    snprintf(name, sizeof name, "\"%s\": ", field);
    const char *at = strstr(a->payload, name);
    assert_non_null(at);
    return atoi(at + strlen(name));
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("no \"%s\" in \"%s\"", part, text);
    }
}

static void test_answers_and_reuses(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    struct answer *a = invoke(&f, "say hello");
    assert_int_equal(a->status, 0);
    assert_false(a->failed);
    int pid = number_of(a, "pid");
    assert_int_equal(number_of(a, "count"), 1);
    assert_has(a->log, "START RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95 Version: $LATEST\n"
                       "hello\nEND RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95\n"
                       "REPORT RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95\tDuration: ");
    assert_has(a->log, "Init Duration: ");
    assert_int_equal(look(&f), 1);
    assert_int_equal(f.view[0].state, IC_INSTANCE_IDLE);
    assert_int_equal(f.view[0].pid, pid);
    assert_int_equal(f.view[0].invocations, 1);
    assert_true(f.view[0].max_memory_bytes > 0);
    a = invoke(&f, "again");
    assert_int_equal(number_of(a, "pid"), pid);
    assert_int_equal(number_of(a, "count"), 2);
    assert_null(strstr(a->log, "Init Duration"));
    char billed[64];
    snprintf(billed, sizeof billed, "\tBilled Duration: %d ms\t", (int)a->billed_ms);
    assert_has(a->log, billed);
    end(&f);
    assert_int_equal(process_state(pid), 0);
}

static void test_frozen_between_invocations(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    struct answer *a = invoke(&f, "fork");
    int pid = number_of(a, "pid");
    int child = atoi(strstr(a->payload, "\"text\": \"") + 9);
    f.forks = 1;
    /* A signal is taken a moment after it is sent. */
    for (int ms = 0; process_state(pid) != 'T' || process_state(child) != 'T'; ms++) {
        assert_true(ms < DEADLINE_MS);
        usleep(1000);
    }
    assert_int_equal(number_of(invoke(&f, "again"), "pid"), pid);
    end(&f);
    assert_int_equal(process_state(child), 0);
}

static void test_one_invocation_at_a_time(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){.concurrency = 3});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(invoke_start(&f, "hold 200"), 0);
    }
    assert_int_equal(invoke_start(&f, "too many"), IC_ETHROTTLED);
    wait_answers(&f, 3);
    assert_int_equal(look(&f), 3);
    int pid[3];
    for (int i = 0; i < 3; i++) {
        pid[i] = number_of(&f.answer[i], "pid");
    }
    assert_true(pid[0] != pid[1] && pid[1] != pid[2] && pid[0] != pid[2]);
    assert_int_equal(number_of(invoke(&f, "x"), "pid"), pid[2]); /* mru */
    assert_int_equal(look(&f), 3);
    spec.reserved = 0;
    assert_int_equal(invoke_start(&f, "none"), IC_ETHROTTLED);
    spec.reserved = IC_RESERVED_NONE;
    end(&f);
}

/* One that has just returned rests: an Invoke that comes meanwhile starts another. */
static void test_reuse_delay(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){.reuse_ms = 60000});
    int first = number_of(invoke(&f, "x"), "pid"), second = number_of(invoke(&f, "x"), "pid");
    assert_int_not_equal(first, second);
    assert_int_equal(look(&f), 2);
    struct ic_bill bill;
    ic_fleet_bill(f.fleet, &bill);
    assert_int_equal(bill.starts, 2);
    assert_int_equal(bill.concurrent_starts, 1);
    ic_fleet_function_changed(f.fleet, spec.name); /* resting ones go as well */
    end(&f);
    begin(&f, (struct ic_fleet_options){.reuse_ms = 1});
    int pid = number_of(invoke(&f, "x"), "pid");
    ic_timer_init(&f.poll, f.loop, (void (*)(void *))ic_loop_stop, f.loop);
    ic_timer_start(&f.poll, 50); /* a timer that fires after the rest is over, whatever the clock */
    ic_loop_run(f.loop);
    assert_int_equal(number_of(invoke(&f, "x"), "pid"), pid);
    end(&f);
}

static void test_routing_lru(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){.routing = IC_ROUTING_LRU});
    assert_int_equal(invoke_start(&f, "hold 100"), 0);
    assert_int_equal(invoke_start(&f, "hold 300"), 0);
    wait_answers(&f, 2);
    int first = number_of(&f.answer[0], "pid"), second = number_of(&f.answer[1], "pid");
    assert_int_equal(number_of(invoke(&f, "x"), "pid"), first);
    assert_int_equal(number_of(invoke(&f, "x"), "pid"), second);
    assert_int_equal(number_of(invoke(&f, "x"), "pid"), first);
    end(&f);
}

static void test_ends_of_an_invocation(void **state)
{
    (void)state;
    static const struct {
        const char *order, *payload, *log;
        size_t instances; /* left */
    } row[] = {
        {"exit 3", "Runtime exited with error: exit status 3", "Runtime.ExitError", 0},
        {"exit 0", "Runtime exited without providing a reason", "Runtime.ExitError", 0},
        {"leave", "Runtime exited without providing a reason", "Runtime.ExitError", 0},
        {"signal 15", "signal: terminated", "Status: error", 0},
        {"signal 9", "signal: killed", "Runtime.ExitError", 0},
        {"grow 200", "signal: killed", "Memory Size: 128 MB\tMax Memory Used: ", 0},
        {"error", "{\"errorMessage\":\"as told\",\"errorType\":\"Probe.Error\"}", "END Req", 1},
        {"large 6291557", "Function.ResponseSizeTooLarge", "ResponseSizeTooLarge", 1},
        {"hang", "\"errorType\":\"Sandbox.Timedout\"", "Task timed out after 1.00 seconds", 0},
    };
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        spec.timeout_s = strcmp(row[i].order, "hang") == 0 ? 1 : 20;
        ic_fleet_function_changed(f.fleet, spec.name);
        struct answer *a = invoke(&f, row[i].order);
        assert_int_equal(a->status, 0);
        assert_true(a->failed);
        assert_has(a->payload, row[i].payload);
        assert_has(a->log, row[i].log);
        assert_has(a->log, "\nREPORT RequestId: ");
        assert_true(a->billed_ms >= (strcmp(row[i].order, "hang") == 0 ? 1000u : 1u));
        size_t alive = 0;
        for (size_t n = look(&f); n > 0; n--) {
            alive += f.view[n - 1].state == IC_INSTANCE_IDLE;
        }
        assert_int_equal(alive, row[i].instances);
    }
    spec.timeout_s = 20;
    struct answer *a = invoke(&f, "large 6291556");
    assert_false(a->failed);
    end(&f);
}

static void test_failed_starts(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    struct ic_function_variable variable = {"PROBE_INIT", "exit 4"};
    spec.variables = &variable;
    spec.variable_count = 1;
    struct answer *a = invoke(&f, "x");
    assert_true(a->failed && a->billed_ms > 0);
    assert_has(a->payload, "exit status 4");
    const char *first =
        strstr(a->log, "Phase: init\tStatus: error\tError Type: Runtime.ExitError\n");
    assert_non_null(first);
    assert_has(first, "Phase: invoke\tStatus: error\tError Type: Runtime.ExitError\nSTART ");
    uint64_t billed_ms = a->billed_ms;
    variable.value = "error";
    a = invoke(&f, "x");
    assert_true(a->failed);
    billed_ms += a->billed_ms;
    assert_string_equal(a->payload, "{\"errorMessage\":\"no\",\"errorType\":\"Probe.Init\"}");
    spec.variable_count = 0;
    spec.code_dir = "/nowhere";
    a = invoke(&f, "x");
    assert_true(a->failed);
    assert_has(a->payload, "Runtime.InvalidEntrypoint");
    assert_int_equal(look(&f), 0);
    struct ic_bill bill;
    ic_fleet_bill(f.fleet, &bill);
    assert_int_equal(bill.invocations, 3);
    assert_int_equal(bill.billed_ms, billed_ms + a->billed_ms);
    assert_int_equal(bill.ends[IC_BILL_KILLED], 1);
    assert_int_equal(bill.ends[IC_BILL_FUNCTION_ERROR], 2);
    assert_int_equal(bill.starts, 4);
    end(&f);
}

/* What AWS calls a suppressed init: the second one is part of the invocation. */
static void test_a_failed_init_is_repeated_in_the_invocations_time(void **state)
{
    (void)state;
    static const struct {
        const char *init, *words;
    } cases[] = {
        {"hang", "Phase: init\tStatus: timeout\n"},
        {"exit 4", "Phase: init\tStatus: error\tError Type: Runtime.ExitError\n"},
        {"error", "Phase: init\tStatus: error\tError Type: Runtime.InitError\n"},
    };
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        struct fixture f;
        begin(&f, (struct ic_fleet_options){.init_ms = n == 0 ? 1000 : 0});
        struct ic_function_variable variable = {"PROBE_INIT_ONCE", cases[n].init};
        spec.variables = &variable;
        spec.variable_count = 1;
        struct answer *a = invoke(&f, "x");
        assert_true(!a->failed && a->billed_ms > 0);
        assert_has(a->payload, "\"count\": 1");
        const char *start = strstr(a->log, "START "), *report = strstr(a->log, "REPORT RequestId");
        assert_non_null(start);
        assert_non_null(report);
        assert_has(a->log, cases[n].words);
        assert_true(strncmp(a->log, "INIT_REPORT Init Duration: ", 27) == 0);
        assert_null(strstr(start, "INIT_REPORT"));
        assert_null(strstr(report, "Init Duration")); /* it is in Duration */
        struct ic_bill bill;
        ic_fleet_bill(f.fleet, &bill);
        assert_int_equal(bill.starts, 2);
        assert_int_equal(bill.concurrent_starts, 0);
        assert_int_equal(bill.billed_ms, a->billed_ms);
        a = invoke(&f, "x");
        assert_has(a->payload, "\"count\": 2");
        assert_null(strstr(a->log, "INIT_REPORT"));
        spec.variable_count = 0;
        char path[128];
        snprintf(path, sizeof path, "%s/started", f.dir);
        assert_int_equal(rmdir(path), 0);
        end(&f);
    }
}

static void test_the_second_init_ends_at_the_functions_timeout(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){.init_ms = 50});
    struct ic_function_variable variable = {"PROBE_INIT", "hang"};
    spec.variables = &variable;
    spec.variable_count = 1;
    spec.timeout_s = 1;
    struct answer *a = invoke(&f, "x");
    spec.variable_count = 0;
    spec.timeout_s = 20;
    assert_true(a->failed && a->billed_ms >= 1000);
    assert_has(a->payload, "Task timed out after 1.00 seconds");
    assert_has(a->log, "Phase: init\tStatus: timeout\n");
    assert_has(a->log, "Phase: invoke\tStatus: timeout\nSTART ");
    assert_int_equal(look(&f), 0);
    end(&f);
}

/* Also between the two processes, and while the second one starts. */
static void test_a_stop_ends_starting_instances_for_good(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){.init_ms = 1});
    struct ic_function_variable variable = {"PROBE_INIT", "hang"};
    spec.variables = &variable;
    spec.variable_count = 1;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(invoke_start(&f, "x"), 0);
    }
    end(&f);
    spec.variable_count = 0;
    assert_int_equal(f.answers, 4);
    for (size_t i = 0; i < f.answers; i++) {
        assert_int_equal(f.answer[i].status, IC_ECANCELED);
    }
}

static void test_runtime_api_refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    assert_has(invoke(&f, "steal")->payload, "\"text\": \"400 403 403 405 404\"");
    end(&f);
}

static void test_environment_and_headers(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    setenv("PLATFORM_SECRET", "x", 1);
    assert_has(invoke(&f, "env PLATFORM_SECRET")->payload, "(unset)");
    assert_has(invoke(&f, "env AWS_LAMBDA_FUNCTION_NAME")->payload, "\"probe\"");
    assert_has(invoke(&f, "env AWS_LAMBDA_FUNCTION_MEMORY_SIZE")->payload, "\"128\"");
    assert_has(invoke(&f, "env _HANDLER")->payload, "\"the.handler\"");
    assert_has(invoke(&f, "env LAMBDA_TASK_ROOT")->payload, f.dir);
    assert_has(invoke(&f, "cwd")->payload, f.dir);
    assert_has(invoke(&f, "header Lambda-Runtime-Invoked-Function-Arn")->payload, spec.arn);
    assert_has(invoke(&f, "header Lambda-Runtime-Trace-Id")->payload, "Root=1-");
    assert_true(look(&f) == 1 && f.view[0].invocations == 8);
    end(&f);
}

static void on_reclaimed(void *ctx, size_t count)
{
    struct fixture *f = ctx;
    f->reclaimed = count;
    ic_loop_stop(f->loop);
}

static void wait_reclaimed(struct fixture *f)
{
    f->reclaimed = SIZE_MAX;
    while (f->reclaimed == SIZE_MAX && !f->late) {
        ic_loop_run(f->loop);
    }
    assert_false(f->late);
}

static void test_reclaim(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    for (int i = 0; i < 4; i++) {
        assert_int_equal(invoke_start(&f, "hold 100"), 0);
    }
    wait_answers(&f, 4);
    assert_int_equal(ic_fleet_reclaim_share(f.fleet, 1.5, 7, on_reclaimed, &f), IC_ERANGE);
    assert_int_equal(ic_fleet_reclaim_share(f.fleet, 0.5, 7, on_reclaimed, &f), 0);
    wait_reclaimed(&f);
    assert_int_equal(f.reclaimed, 2);
    assert_int_equal(look(&f), 2);
    pid_t pid = f.view[0].pid;
    f.answers = 0;
    assert_int_equal(invoke_start(&f, "hang"), 0); /* a busy one is taken, too */
    assert_int_equal(ic_fleet_reclaim_function(f.fleet, "probe", on_reclaimed, &f), 0);
    wait_reclaimed(&f);
    assert_int_equal(f.reclaimed, 2);
    assert_int_equal(f.answers, 1);
    assert_has(f.answer[0].payload, "Runtime.ExitError");
    assert_int_equal(look(&f), 0);
    assert_int_equal(process_state(pid), 0);
    assert_int_equal(ic_fleet_reclaim_function(f.fleet, "unknown", on_reclaimed, &f), 0);
    wait_reclaimed(&f);
    assert_int_equal(f.reclaimed, 0);
    f.answers = 0;
    assert_int_equal(invoke_start(&f, "x"), 0); /* taken before its process was made */
    assert_int_equal(ic_fleet_reclaim_function(f.fleet, "probe", on_reclaimed, &f), 0);
    wait_reclaimed(&f);
    assert_int_equal(f.reclaimed, 1);
    assert_int_equal(f.answers, 1);
    assert_has(f.answer[0].payload, "signal: killed");
    struct ic_bill bill;
    ic_fleet_bill(f.fleet, &bill);
    assert_int_equal(bill.invocations, 6);
    assert_true(bill.billed_ms >= 400);
    end(&f);
}

static void stop_when_empty(void *ctx)
{
    struct fixture *f = ctx;
    if (look(f) == 0) {
        ic_loop_stop(f->loop);
    } else {
        ic_timer_start(&f->poll, 10);
    }
}

static void test_idle_instances_go(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){.idle_ms = 200, .billing_ms = 100});
    struct answer *a = invoke(&f, "x");
    assert_int_equal(a->billed_ms % 100, 0);
    assert_true(a->billed_ms >= 100);
    assert_int_equal(look(&f), 1);
    ic_timer_init(&f.poll, f.loop, stop_when_empty, &f);
    ic_timer_start(&f.poll, 10);
    ic_loop_run(f.loop);
    assert_false(f.late);
    assert_int_equal(look(&f), 0);
    end(&f);
}

/* The model takes all each minute, of a millisecond: idle ones at once, busy ones afterwards. */
static void test_reclaim_model(void **state)
{
    (void)state;
    struct fixture f;
    struct ic_reclaim_model model;
    char why[IC_RECLAIM_WHY_MAX];
    assert_int_equal(ic_reclaim_model_init(&model, "mass:1m", 1, why), 0);
    begin(&f, (struct ic_fleet_options){.reclaim = &model, .reclaim_speed = 60000});
    struct answer *a = invoke(&f, "hold 100");
    assert_int_equal(a->status, 0);
    assert_false(a->failed);
    ic_timer_init(&f.poll, f.loop, stop_when_empty, &f);
    ic_timer_start(&f.poll, 1);
    ic_loop_run(f.loop);
    assert_false(f.late);
    assert_int_equal(look(&f), 0);
    struct ic_bill bill;
    ic_fleet_bill(f.fleet, &bill);
    assert_int_equal(bill.ends[IC_BILL_OK], 1);
    end(&f);
}

static void test_changed_function(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    int idle = number_of(invoke(&f, "x"), "pid");
    f.answers = 0;
    assert_int_equal(invoke_start(&f, "hold 200"), 0); /* the idle one, busy now */
    ic_fleet_function_changed(f.fleet, spec.name);
    assert_int_equal(invoke_start(&f, "hold 200"), 0); /* a new one */
    wait_answers(&f, 2);
    assert_false(f.answer[0].failed || f.answer[1].failed);
    int pid = number_of(invoke(&f, "x"), "pid");
    assert_int_not_equal(pid, idle);
    while (process_state(idle) != 0 && !f.late) {
        ic_timer_init(&f.poll, f.loop, (void (*)(void *))ic_loop_stop, f.loop);
        ic_timer_start(&f.poll, 5);
        ic_loop_run(f.loop);
    }
    assert_int_equal(look(&f), 1);
    assert_int_equal(f.view[0].pid, pid);
    end(&f);
}

static void test_stop_cancels(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    assert_int_equal(invoke_start(&f, "hang"), 0);
    f.awaited = 1;
    ic_timer_init(&f.poll, f.loop, (void (*)(void *))ic_loop_stop, f.loop);
    ic_timer_start(&f.poll, 100);
    ic_loop_run(f.loop);
    assert_int_equal(f.answers, 0);
    end(&f);
    assert_int_equal(f.answers, 1);
    assert_int_equal(f.answer[0].status, IC_ECANCELED);
}

/* Each allocation of an Invoke fails once: it is refused or answered, and nothing is left. */
static void test_without_memory(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (struct ic_fleet_options){0});
    size_t refused = 0, failed = 0;
    for (uint64_t n = 1; n < 60; n++) {
        f.answers = 0;
        ic_fleet_function_changed(f.fleet, spec.name); /* so that an instance is made each time */
        ic_alloc_fail_at(n);
        int result = invoke_start(&f, "x");
        if (result < 0) {
            assert_true(result == IC_ENOMEM || result == IC_EUNAVAIL);
            refused++;
            continue;
        }
        wait_answers(&f, 1);
        failed += f.answer[0].status != 0 || f.answer[0].failed;
    }
    ic_alloc_fail_at(0);
    assert_true(refused > 10);
    assert_true(failed + refused < 60);
    assert_int_equal(invoke(&f, "x")->status, 0);
    end(&f);
}

int main(void)
{
    if (getenv("AWS_LAMBDA_RUNTIME_API") != NULL) {
        return probe_bootstrap();
    }
    const struct CMUnitTest tests[] = {
        leak_test(test_answers_and_reuses),
        leak_test(test_frozen_between_invocations),
        leak_test(test_one_invocation_at_a_time),
        leak_test(test_reuse_delay),
        leak_test(test_routing_lru),
        leak_test(test_ends_of_an_invocation),
        leak_test(test_failed_starts),
        leak_test(test_a_failed_init_is_repeated_in_the_invocations_time),
        leak_test(test_the_second_init_ends_at_the_functions_timeout),
        leak_test(test_a_stop_ends_starting_instances_for_good),
        leak_test(test_runtime_api_refuses_what_does_not_fit),
        leak_test(test_environment_and_headers),
        leak_test(test_reclaim),
        leak_test(test_idle_instances_go),
        leak_test(test_reclaim_model),
        leak_test(test_changed_function),
        leak_test(test_stop_cancels),
        leak_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
