#include "cli/deploy.h"

#include "base/alloc.h"
#include "net/net.h"
#include "platform/lambda.h"

#include <inttypes.h>

enum {
    AT_A_TIME = 8,   /* functions; each carries the zip in its request */
    STEPS_MAX = 600, /* of one function: looks, changes and waits, RETRY_MS each */
    RETRY_MS = 50,
    INVOKE_MS = 20000,
};

struct deployment;

/* One function on its way. */
struct function {
    struct deployment *of;
    struct ic_timer timer; /* the wait before the next look */
    int64_t index;
    int steps;
    char name[IC_LAMBDA_NAME_MAX + 1];
};

struct deployment {
    const struct ic_config *config;
    const struct ic_package *package; /* NULL: invoke only */
    const bool *needed;               /* NULL: all */
    enum ic_deploy_mode mode;
    struct ic_loop *loop;
    struct ic_lambda *lambda;
    struct ic_timer deadline;
    int64_t next; /* index of the next function to begin with */
    int in_work;
    int result;
    char *why;
    struct function function[AT_A_TIME];
};

static void begin_next(struct function *f);
static void look(struct function *f);

static void finish(struct deployment *d, int result)
{
    if (d->result == 0) {
        d->result = result;
    }
    ic_loop_stop(d->loop);
}

static void fail(struct function *f, int error, const char *step, const char *reason)
{
    struct deployment *d = f->of;
    snprintf(d->why, IC_DEPLOY_WHY_MAX, "function %s: %s failed: %.300s", f->name, step,
             reason == NULL || reason[0] == '\0' ? ic_error_text(error) : reason);
    finish(d, error);
}

static void look_later(struct function *f)
{
    ic_timer_start(&f->timer, RETRY_MS);
}

/* The end of create and of both updates. */
static void changed(void *ctx, const struct ic_lambda_reply *reply)
{
    struct function *f = ctx;
    /* A conflict: it exists by now, or another change is under way. */
    if (reply->error == 0 || reply->error == IC_EEXIST || reply->error == IC_ETHROTTLED) {
        look_later(f);
        return;
    }
    fail(f, reply->error, "changing it", reply->why.message);
}

static struct ic_lambda_spec spec_of(const struct function *f)
{
    const struct ic_config *c = f->of->config;
    return (struct ic_lambda_spec){
        .name = f->name,
        .runtime = "provided.al2023",
        .handler = "bootstrap",
        .role = "arn:aws:iam::000000000000:role/infinicache",
        .description = IC_DEPLOY_DESCRIPTION,
        .memory_mb = (uint64_t)c->memory >> 20,
        .timeout_s = (uint64_t)c->function_timeout / 1000,
        .zip = ic_buf_slice(&f->of->package->zip),
    };
}

/* What is still to do to a function that is there; 0 or more: begun. */
static int bring_up_to_date(struct function *f, const struct ic_lambda_function *is)
{
    struct deployment *d = f->of;
    struct ic_lambda_spec spec = spec_of(f);
    if (strcmp(is->state, "Pending") == 0 || strcmp(is->last_update_status, "InProgress") == 0) {
        look_later(f);
        return 0;
    }
    if (d->mode == IC_DEPLOY_MISSING) {
        begin_next(f);
        return 0;
    }
    if (strcmp(is->code_sha256, d->package->sha256) != 0) {
        return ic_lambda_update_code(d->lambda, &spec, changed, f);
    }
    if (is->memory_mb != spec.memory_mb || is->timeout_s != spec.timeout_s) {
        return ic_lambda_update_configuration(d->lambda, &spec, changed, f);
    }
    begin_next(f);
    return 0;
}

static void looked(void *ctx, const struct ic_lambda_reply *reply)
{
    struct function *f = ctx;
    struct ic_lambda_function is;
    int result = reply->error;
    if (result == IC_ENOENT) {
        struct ic_lambda_spec spec = spec_of(f);
        result = ic_lambda_create(f->of->lambda, &spec, changed, f);
    } else if (result == IC_ETHROTTLED) {
        look_later(f);
        return;
    } else if (result == 0) {
        result = ic_lambda_function_decode(reply->body, &is);
        result = result == 0 ? bring_up_to_date(f, &is) : result;
    }
    if (result < 0) {
        fail(f, result, "looking at it", reply->why.message);
    }
}

static void look(struct function *f)
{
    if (++f->steps > STEPS_MAX) {
        fail(f, IC_ETIMEOUT, "deploying it", NULL);
        return;
    }
    int result = ic_lambda_get_configuration(f->of->lambda, f->name, looked, f);
    if (result < 0) {
        fail(f, result, "looking at it", NULL);
    }
}

static void invoked(void *ctx, const struct ic_lambda_reply *reply)
{
    struct function *f = ctx;
    if (reply->error == IC_ETHROTTLED) { /* others run: the deadline bounds the tries */
        look_later(f);
        return;
    }
    if (reply->error != 0 || reply->function_error) {
        fail(f, reply->error == 0 ? IC_EIO : reply->error, "invoking it", reply->why.message);
        return;
    }
    begin_next(f);
}

static void invoke(struct function *f)
{
    int result =
        ic_lambda_invoke(f->of->lambda, f->name, ic_slice_str("{}"), INVOKE_MS, invoked, f, NULL);
    if (result < 0) {
        fail(f, result, "invoking it", NULL);
    }
}

/* The function's next step: its own, or after a while once more. */
static void step(void *ctx)
{
    struct function *f = ctx;
    if (f->of->package != NULL) {
        look(f);
    } else {
        invoke(f);
    }
}

static void begin_next(struct function *f)
{
    struct deployment *d = f->of;
    while (d->next < d->config->functions && d->needed != NULL && !d->needed[d->next]) {
        d->next++;
    }
    if (d->next >= d->config->functions) {
        if (--d->in_work == 0) {
            finish(d, 0);
        }
        return;
    }
    f->index = d->next++;
    f->steps = 0;
    snprintf(f->name, sizeof f->name, "%.40s-%" PRId64, d->config->function_prefix, f->index);
    step(f);
}

static void time_is_up(void *ctx)
{
    struct deployment *d = ctx;
    snprintf(d->why, IC_DEPLOY_WHY_MAX, "the functions were not deployed in time");
    finish(d, IC_ETIMEOUT);
}

static int run(struct deployment *d, uint64_t within_ms)
{
    char why[IC_LAMBDA_WHY_MAX];
    struct ic_lambda_settings settings = {
        .endpoint = d->config->platform_endpoint,
        .region = d->config->region,
        .credentials_file = d->config->credentials_file,
    };
    d->loop = ic_loop_new();
    if (d->loop == NULL) {
        snprintf(d->why, IC_DEPLOY_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
        return IC_ENOMEM;
    }
    int result = ic_lambda_new(d->loop, &settings, &d->lambda, why);
    if (result < 0) {
        snprintf(d->why, IC_DEPLOY_WHY_MAX, "%s", why);
        ic_loop_free(d->loop);
        return result;
    }
    ic_timer_init(&d->deadline, d->loop, time_is_up, d);
    ic_timer_start(&d->deadline, within_ms);
    d->in_work = AT_A_TIME;
    for (int i = 0; i < AT_A_TIME; i++) {
        d->function[i].of = d;
        ic_timer_init(&d->function[i].timer, d->loop, step, &d->function[i]);
    }
    for (int i = 0; i < AT_A_TIME && d->result == 0; i++) {
        begin_next(&d->function[i]);
    }
    if (d->in_work > 0 && d->result == 0) {
        ic_loop_run(d->loop);
    }
    for (int i = 0; i < AT_A_TIME; i++) {
        ic_timer_stop(&d->function[i].timer);
    }
    ic_timer_stop(&d->deadline);
    ic_lambda_free(d->lambda);
    ic_loop_free(d->loop);
    return d->result;
}

int ic_deploy_functions(const struct ic_config *c, const struct ic_package *p,
                        enum ic_deploy_mode mode, uint64_t within_ms, char *why)
{
    struct deployment d = {.config = c, .package = p, .mode = mode, .why = why};
    return run(&d, within_ms);
}

int ic_deploy_invoke(const struct ic_config *c, const bool *needed, uint64_t within_ms, char *why)
{
    struct deployment d = {.config = c, .needed = needed, .why = why};
    return run(&d, within_ms);
}
