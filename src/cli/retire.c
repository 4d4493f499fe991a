#include "cli/retire.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/deploy.h"
#include "net/net.h"
#include "platform/lambda.h"

#include <stdio.h>
#include <string.h>

/* list, page by page --> names --> delete, one after the other */
struct retirement {
    const struct ic_config *config;
    struct ic_loop *loop;
    struct ic_lambda *lambda;
    struct ic_timer deadline;
    struct ic_buf names; /* of IC_LAMBDA_NAME_MAX + 1 bytes each */
    size_t next;         /* in names: to be deleted */
    int result;
    char *why;
};

static void finish(struct retirement *r, int result, const char *step, const char *reason)
{
    if (result < 0 && r->result == 0) {
        r->result = result;
        snprintf(r->why, IC_RETIRE_WHY_MAX, "%s failed: %.300s", step,
                 reason == NULL || reason[0] == '\0' ? ic_error_text(result) : reason);
    }
    ic_loop_stop(r->loop);
}

static void delete_next(struct retirement *r);

static void deleted(void *ctx, const struct ic_lambda_reply *reply)
{
    struct retirement *r = ctx;
    if (reply->error != 0 && reply->error != IC_ENOENT) {
        finish(r, reply->error, "deleting a function", reply->why.message);
        return;
    }
    r->next += IC_LAMBDA_NAME_MAX + 1;
    delete_next(r);
}

static void delete_next(struct retirement *r)
{
    if (r->next >= r->names.len) {
        finish(r, 0, NULL, NULL);
        return;
    }
    int result = ic_lambda_delete(r->lambda, (const char *)r->names.data + r->next, deleted, r);
    if (result < 0) {
        finish(r, result, "deleting a function", NULL);
    }
}

/* PREFIX-N with N beyond the pool. */
static bool is_beyond(const struct ic_config *c, const char *name)
{
    char own[IC_LAMBDA_NAME_MAX + 1];
    size_t len = strlen(c->function_prefix);
    int64_t index;
    if (strncmp(name, c->function_prefix, len) != 0 || name[len] != '-' ||
        ic_slice_to_i64(ic_slice_str(name + len + 1), &index) < 0 || index < c->functions) {
        return false;
    }
    snprintf(own, sizeof own, "%.40s-%lld", c->function_prefix, (long long)index);
    return strcmp(own, name) == 0;
}

static void look_at(void *ctx, const struct ic_lambda_function *f)
{
    struct retirement *r = ctx;
    if (is_beyond(r->config, f->name) && strcmp(f->description, IC_DEPLOY_DESCRIPTION) == 0 &&
        ic_buf_append(&r->names, f->name, IC_LAMBDA_NAME_MAX + 1) < 0) {
        r->result = IC_ENOMEM;
    }
}

static void listed(void *ctx, const struct ic_lambda_reply *reply)
{
    struct retirement *r = ctx;
    char *marker = NULL;
    int result = reply->error;
    if (result == 0) {
        result = ic_lambda_list_decode(reply->body, look_at, r, &marker);
    }
    if (result == 0 && marker != NULL) {
        result = ic_lambda_list(r->lambda, marker, listed, r);
    } else if (result == 0) {
        delete_next(r);
    }
    ic_free(marker);
    if (result < 0) {
        finish(r, result, "listing the functions", reply->why.message);
    }
}

static void time_is_up(void *ctx)
{
    finish(ctx, IC_ETIMEOUT, "deleting functions", NULL);
}

static int run(struct retirement *r, uint64_t within_ms)
{
    struct ic_lambda_settings settings = {
        .endpoint = r->config->platform_endpoint,
        .region = r->config->region,
        .credentials_file = r->config->credentials_file,
    };
    int result = ic_lambda_new(r->loop, &settings, &r->lambda, r->why);
    if (result < 0) {
        return result;
    }
    ic_timer_init(&r->deadline, r->loop, time_is_up, r);
    ic_timer_start(&r->deadline, within_ms);
    result = ic_lambda_list(r->lambda, NULL, listed, r);
    if (result == 0) {
        ic_loop_run(r->loop);
        result = r->result;
    }
    ic_timer_stop(&r->deadline);
    ic_lambda_free(r->lambda);
    return result;
}

int ic_retire_functions(const struct ic_config *c, uint64_t within_ms, int64_t *count, char *why)
{
    struct retirement r = {.config = c, .why = why};
    why[0] = '\0';
    r.loop = ic_loop_new();
    if (r.loop == NULL) {
        snprintf(why, IC_RETIRE_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
        return IC_ENOMEM;
    }
    ic_buf_init(&r.names);
    int result = run(&r, within_ms);
    *count = (int64_t)(r.next / (IC_LAMBDA_NAME_MAX + 1));
    ic_buf_deinit(&r.names);
    ic_loop_free(r.loop);
    return result;
}
