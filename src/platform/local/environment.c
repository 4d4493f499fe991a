#include "platform/local/environment.h"

#include "base/alloc.h"
#include "platform/local/runtime_api.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum {
    FIXED_MAX = 40,   /* variables beside the function's own */
    STREAM_MAX = 320, /* of a log stream's name */
};

static const char runtime_api[] = "AWS_LAMBDA_RUNTIME_API";

/* Gathers "NAME=value" texts, zero-ended, one after the other. */
struct gather {
    struct ic_buf texts;
    size_t count;
    int result; /* the first error */
};

static void put(struct gather *g, const char *name, const char *value)
{
    if (g->result < 0) {
        return;
    }
    g->result = ic_buf_printf(&g->texts, "%s=%s", name, value);
    if (g->result >= 0) {
        g->result = ic_buf_append(&g->texts, "", 1);
    }
    g->count++;
}

static bool among(const struct ic_function_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->variable_count; i++) {
        if (strcmp(spec->variables[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* What a function may override. */
static void put_default(struct gather *g, const struct ic_function_spec *spec, const char *name,
                        const char *value)
{
    if (!among(spec, name)) {
        put(g, name, value);
    }
}

static void put_defaults(struct gather *g, const struct ic_environment_facts *f)
{
    const char *root = f->spec->code_dir;
    struct ic_buf libraries;
    ic_buf_init(&libraries);
    g->result = ic_buf_printf(&libraries,
                              "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
                              "%s:%s/lib:/opt/lib",
                              root, root);
    if (g->result >= 0) {
        g->result = ic_buf_append(&libraries, "", 1);
    }
    if (g->result >= 0) {
        put_default(g, f->spec, "LD_LIBRARY_PATH", (const char *)libraries.data);
    }
    ic_buf_deinit(&libraries);
    put_default(g, f->spec, "PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin");
    put_default(g, f->spec, "LANG", "en_US.UTF-8");
    put_default(g, f->spec, "TZ", ":UTC");
    put_default(g, f->spec, "AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
    put_default(g, f->spec, "AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000");
}

/* Those a function cannot set; the platform's own keys are not among them. */
static const struct ic_function_variable fixed[] = {
    {"AWS_ACCESS_KEY_ID", "test"},          {"AWS_ACCESS_KEY", "test"},
    {"AWS_SECRET_ACCESS_KEY", "test"},      {"AWS_SECRET_KEY", "test"},
    {"AWS_SESSION_TOKEN", "test"},          {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
    {"LAMBDA_RUNTIME_DIR", "/var/runtime"},
};

static const char *const reserved[] = {
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    runtime_api,
    "LAMBDA_TASK_ROOT",
};

static bool is_reserved(const char *name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (strcmp(name, reserved[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strcmp(name, fixed[i].name) == 0) {
            return true;
        }
    }
    return false;
}

static void put_log_names(struct gather *g, const struct ic_environment_facts *f)
{
    char text[STREAM_MAX], date[16];
    time_t seconds = (time_t)(f->wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(date, sizeof date, "%Y/%m/%d", &utc);
    snprintf(text, sizeof text, "/aws/lambda/%s", f->spec->name);
    put(g, "AWS_LAMBDA_LOG_GROUP_NAME", text);
    snprintf(text, sizeof text, "%s/[%s]%s", date, f->spec->version, f->instance);
    put(g, "AWS_LAMBDA_LOG_STREAM_NAME", text);
}

static void put_reserved(struct gather *g, const struct ic_environment_facts *f)
{
    char number[16];
    snprintf(number, sizeof number, "%" PRIu32, f->spec->memory_mb);
    put(g, "_HANDLER", f->spec->handler);
    put(g, "AWS_REGION", f->region);
    put(g, "AWS_DEFAULT_REGION", f->region);
    put(g, "AWS_LAMBDA_FUNCTION_NAME", f->spec->name);
    put(g, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", number);
    put(g, "AWS_LAMBDA_FUNCTION_VERSION", f->spec->version);
    put(g, "LAMBDA_TASK_ROOT", f->spec->code_dir);
    put_log_names(g, f);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        put(g, fixed[i].name, fixed[i].value);
    }
    put(g, runtime_api, f->runtime_api); /* the last: it may grow */
}

/* One block of pointers and texts, with room behind them for another runtime_api. */
static char **pack(const struct gather *g)
{
    size_t table_bytes = (g->count + 1) * sizeof(char *);
    char **block = ic_malloc(table_bytes + g->texts.len + IC_RUNTIME_ADDRESS_MAX);
    if (block == NULL) {
        return NULL;
    }
    char *at = (char *)block + table_bytes;
    memcpy(at, g->texts.data, g->texts.len);
    for (size_t i = 0; i < g->count; i++) {
        block[i] = at;
        at += strlen(at) + 1;
    }
    block[g->count] = NULL;
    return block;
}

char **ic_environment_new(const struct ic_environment_facts *facts)
{
    struct gather g = {.count = 0};
    ic_buf_init(&g.texts);
    put_defaults(&g, facts);
    for (size_t i = 0; i < facts->spec->variable_count; i++) {
        const struct ic_function_variable *v = &facts->spec->variables[i];
        if (!is_reserved(v->name)) {
            put(&g, v->name, v->value);
        }
    }
    put_reserved(&g, facts);
    assert(g.count <= FIXED_MAX + facts->spec->variable_count);
    char **block = g.result < 0 ? NULL : pack(&g);
    ic_buf_deinit(&g.texts);
    return block;
}

void ic_environment_set_runtime_api(char **environment, const char *address)
{
    char **last = environment;
    while (last[1] != NULL) {
        last++;
    }
    char *value = *last + sizeof runtime_api; /* behind the "=" */
    assert(memcmp(*last, runtime_api, sizeof runtime_api - 1) == 0);
    assert(strlen(address) < IC_RUNTIME_ADDRESS_MAX);
    memcpy(value, address, strlen(address) + 1);
}
