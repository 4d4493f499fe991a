/*
 * function_config.c - the table of settings and a check for each kind. Messages are AWS's:
 * ValidationException for what its model constrains, InvalidParameterValueException
 * for what the service itself refuses.
 */
#include "platform/local/function_config.h"

#include <assert.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

struct taking {
    json_t *config;
    struct ic_api_error *error;
};

struct member;
typedef int take_fn(struct taking *t, const struct member *m, const json_t *value);

struct member {
    const char *name;   /* in requests and configurations */
    const char *spoken; /* in messages */
    take_fn *take;
    int64_t least, most; /* of a number, or of a text's length */
    const char *pattern; /* of a text; extended regular expression */
};

/* ---- kinds ------------------------------------------------------------------------- */

static int set(struct taking *t, const char *name, json_t *value)
{
    return json_object_set_new(t->config, name, value) == 0 ? 0 : IC_ENOMEM;
}

static int wrong_type(struct taking *t, const struct member *m)
{
    return ic_api_fail(t->error, IC_API_InvalidRequestContentException,
                       "Could not parse request body into json: member '%s' has a value of the "
                       "wrong type.",
                       m->name);
}

static int take_integer(struct taking *t, const struct member *m, const json_t *value)
{
    if (!json_is_integer(value)) {
        return wrong_type(t, m);
    }
    int64_t number = json_integer_value(value);
    if (number < m->least || number > m->most) {
        return ic_api_fail(t->error, IC_API_ValidationException,
                           "1 validation error detected: Value '%lld' at '%s' failed to satisfy "
                           "constraint: Member must have value %s than or equal to %lld",
                           (long long)number, m->spoken, number < m->least ? "greater" : "less",
                           (long long)(number < m->least ? m->least : m->most));
    }
    return set(t, m->name, json_integer(number));
}

static bool fits(const char *pattern, const char *text)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return false;
    }
    bool fit = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return fit;
}

static int take_text(struct taking *t, const struct member *m, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL) {
        return wrong_type(t, m);
    }
    size_t len = strlen(text);
    if ((int64_t)len < m->least || (int64_t)len > m->most) {
        return ic_api_fail(t->error, IC_API_ValidationException,
                           "1 validation error detected: Value '%.200s' at '%s' failed to satisfy "
                           "constraint: Member must have length %s than or equal to %lld",
                           text, m->spoken, (int64_t)len < m->least ? "greater" : "less",
                           (long long)((int64_t)len < m->least ? m->least : m->most));
    }
    if (m->pattern != NULL && !fits(m->pattern, text)) {
        return ic_api_fail(t->error, IC_API_ValidationException,
                           "1 validation error detected: Value '%.200s' at '%s' failed to satisfy "
                           "constraint: Member must satisfy regular expression pattern: %s",
                           text, m->spoken, m->pattern);
    }
    return set(t, m->name, json_string(text));
}

static int take_runtime(struct taking *t, const struct member *m, const json_t *value)
{
    static const char *const runtimes[] = {"provided.al2023", "provided.al2", "provided"};
    const char *text = json_string_value(value);
    if (text == NULL) {
        return wrong_type(t, m);
    }
    for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++) {
        if (strcmp(text, runtimes[i]) == 0) {
            return set(t, m->name, json_string(text));
        }
    }
    return ic_api_fail(t->error, IC_API_InvalidParameterValueException,
                       "Value %.100s at 'runtime' failed to satisfy constraint: Member must "
                       "satisfy enum value set: [provided.al2023, provided.al2, provided]: this "
                       "platform runs custom runtimes only.",
                       text);
}

static int take_package_type(struct taking *t, const struct member *m, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL || strcmp(text, "Zip") != 0) {
        return ic_api_fail(t->error, IC_API_InvalidParameterValueException,
                           "%s must be Zip: this platform runs no container images.", m->name);
    }
    return 0;
}

/* {"Size": N}, {"Mode": "PassThrough"}: an object of one member with one of a few values. */
static int take_storage(struct taking *t, const struct member *m, const json_t *value)
{
    static const struct member size = {"Size", "ephemeralStorage.size", take_integer, 512, 10240,
                                       NULL};
    json_t *inner = json_object();
    const json_t *number = json_object_get(value, "Size");
    struct taking within = {.config = inner, .error = t->error};
    int result = inner == NULL    ? IC_ENOMEM
                 : number == NULL ? wrong_type(t, m)
                                  : take_integer(&within, &size, number);
    if (result < 0) {
        json_decref(inner);
        return result;
    }
    return set(t, m->name, inner);
}

static int take_tracing(struct taking *t, const struct member *m, const json_t *value)
{
    const char *mode = json_string_value(json_object_get(value, "Mode"));
    if (mode == NULL || (strcmp(mode, "PassThrough") != 0 && strcmp(mode, "Active") != 0)) {
        return ic_api_fail(t->error, IC_API_ValidationException,
                           "1 validation error detected: Value '%.100s' at 'tracingConfig.mode' "
                           "failed to satisfy constraint: Member must satisfy enum value set: "
                           "[Active, PassThrough]",
                           mode == NULL ? "null" : mode);
    }
    return set(t, m->name, json_pack("{s:s}", "Mode", mode));
}

static int take_snap_start(struct taking *t, const struct member *m, const json_t *value)
{
    const char *apply = json_string_value(json_object_get(value, "ApplyOn"));
    if (apply != NULL && strcmp(apply, "None") != 0) {
        return ic_api_fail(t->error, IC_API_InvalidParameterValueException,
                           "%.100s is not supported for SnapStart enabled functions.",
                           json_string_value(json_object_get(t->config, "Runtime")));
    }
    return set(t, m->name, json_pack("{s:s,s:s}", "ApplyOn", "None", "OptimizationStatus", "Off"));
}

static int take_logging(struct taking *t, const struct member *m, const json_t *value)
{
    static const struct member group = {"LogGroup", "loggingConfig.logGroup", take_text, 1,
                                        512,        "^[.a-zA-Z0-9_/#-]+$"};
    const char *format = json_string_value(json_object_get(value, "LogFormat"));
    if (format != NULL && strcmp(format, "Text") != 0) {
        return ic_api_fail(t->error, IC_API_InvalidParameterValueException,
                           "This platform writes logs as Text only.");
    }
    json_t *inner = json_copy(json_object_get(t->config, m->name));
    struct taking within = {.config = inner, .error = t->error};
    const json_t *name = json_object_get(value, "LogGroup");
    int result = inner == NULL ? IC_ENOMEM : name == NULL ? 0 : take_text(&within, &group, name);
    if (result < 0) {
        json_decref(inner);
        return result;
    }
    return set(t, m->name, inner);
}

static const char *machine_architecture(void)
{
#if defined(__aarch64__)
    return "arm64";
#else
    return "x86_64";
#endif
}

static int take_architectures(struct taking *t, const struct member *m, const json_t *value)
{
    const char *name = json_string_value(json_array_get(value, 0));
    if (json_array_size(value) != 1 || name == NULL) {
        return ic_api_fail(t->error, IC_API_ValidationException,
                           "1 validation error detected: Value at 'architectures' failed to "
                           "satisfy constraint: Member must have length equal to 1");
    }
    if (strcmp(name, machine_architecture()) != 0) {
        return ic_api_fail(t->error, IC_API_InvalidParameterValueException,
                           "Architecture %.100s is not that of this machine, %s.", name,
                           machine_architecture());
    }
    return set(t, m->name, json_pack("[s]", name));
}

/* What this platform does not have; saying nothing of substance about it is fine. */
static bool is_blank(const json_t *value)
{
    if (json_is_string(value)) {
        return json_string_length(value) == 0;
    }
    if (json_is_array(value)) {
        return json_array_size(value) == 0;
    }
    if (json_is_object(value)) {
        const char *name;
        json_t *inner;
        json_object_foreach((json_t *)(uintptr_t)value, name, inner)
        {
            if ((json_is_object(inner) && json_object_size(inner) > 0) || json_is_number(inner) ||
                ((json_is_string(inner) || json_is_array(inner)) && !is_blank(inner))) {
                return false;
            }
        }
        return true;
    }
    return json_is_null(value);
}

static int take_nothing(struct taking *t, const struct member *m, const json_t *value)
{
    if (is_blank(value)) {
        return 0;
    }
    return ic_api_fail(t->error, IC_API_InvalidParameterValueException,
                       "%s is not supported by this platform.", m->name);
}

/* ---- environment ---------------------------------------------------------------------- */

/* Names a function may not set: they are the platform's. AWS, "Defined runtime variables". */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    };
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (strcmp(name, reserved[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int check_variable(struct taking *t, const char *name, const json_t *value, size_t *bytes)
{
    if (!json_is_string(value)) {
        return ic_api_fail(t->error, IC_API_InvalidRequestContentException,
                           "Could not parse request body into json: environment variables must "
                           "be strings.");
    }
    if (!fits("^[a-zA-Z][a-zA-Z0-9_]+$", name)) {
        return ic_api_fail(t->error, IC_API_ValidationException,
                           "1 validation error detected: Value at 'environment.variables' failed "
                           "to satisfy constraint: Map keys must satisfy constraint: [Member must "
                           "satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]");
    }
    if (is_reserved(name)) {
        return ic_api_fail(t->error, IC_API_InvalidParameterValueException,
                           "Lambda was unable to configure your environment variables because the "
                           "environment variables you have provided contains reserved keys that "
                           "are currently not supported for modification. Reserved keys used in "
                           "this request: %s",
                           name);
    }
    *bytes += strlen(name) + json_string_length(value);
    return 0;
}

static int take_environment(struct taking *t, const struct member *m, const json_t *value)
{
    json_t *variables = json_object_get(value, "Variables");
    if (!json_is_object(value) || (variables != NULL && !json_is_object(variables))) {
        return wrong_type(t, m);
    }
    size_t bytes = 0;
    const char *name;
    json_t *text;
    json_object_foreach(variables, name, text)
    {
        int result = check_variable(t, name, text, &bytes);
        if (result < 0) {
            return result;
        }
    }
    if (bytes > IC_ENVIRONMENT_MAX_BYTES) {
        return ic_api_fail(t->error, IC_API_InvalidParameterValueException,
                           "Lambda was unable to configure your environment variables because the "
                           "environment variables you have provided exceeded the 4KB limit.");
    }
    if (json_object_size(variables) == 0) {
        json_object_del(t->config, m->name); /* as AWS shows none */
        return 0;
    }
    json_t *copy = json_copy(variables);
    return copy == NULL ? IC_ENOMEM : set(t, m->name, json_pack("{s:o}", "Variables", copy));
}

/* ---- the table -------------------------------------------------------------------------- */

static const struct member members[] = {
    {"Description", "description", take_text, 0, 256, NULL},
    {"Role", "role", take_text, 0, 2048,
     "^arn:(aws[a-zA-Z-]*)?:iam::[0-9]{12}:role/?[a-zA-Z_0-9+=,.@/_-]+$"},
    {"Runtime", "runtime", take_runtime, 0, 0, NULL},
    {"Handler", "handler", take_text, 1, 128, "^[^[:space:]]+$"},
    {"Timeout", "timeout", take_integer, 1, 900, NULL},
    {"MemorySize", "memorySize", take_integer, 128, 10240, NULL},
    {"Environment", "environment", take_environment, 0, 0, NULL},
    {"PackageType", "packageType", take_package_type, 0, 0, NULL},
    {"Architectures", "architectures", take_architectures, 0, 0, NULL},
    {"EphemeralStorage", "ephemeralStorage", take_storage, 0, 0, NULL},
    {"TracingConfig", "tracingConfig", take_tracing, 0, 0, NULL},
    {"SnapStart", "snapStart", take_snap_start, 0, 0, NULL},
    {"LoggingConfig", "loggingConfig", take_logging, 0, 0, NULL},
    {"VpcConfig", "vpcConfig", take_nothing, 0, 0, NULL},
    {"DeadLetterConfig", "deadLetterConfig", take_nothing, 0, 0, NULL},
    {"KMSKeyArn", "kMSKeyArn", take_nothing, 0, 0, NULL},
    {"Layers", "layers", take_nothing, 0, 0, NULL},
    {"FileSystemConfigs", "fileSystemConfigs", take_nothing, 0, 0, NULL},
    {"ImageConfig", "imageConfig", take_nothing, 0, 0, NULL},
    {"CodeSigningConfigArn", "codeSigningConfigArn", take_nothing, 0, 0, NULL},
};

static int check_required(const json_t *request, struct ic_api_error *error)
{
    if (json_object_get(request, "Role") == NULL ||
        json_is_null(json_object_get(request, "Role"))) {
        return ic_api_fail(error, IC_API_ValidationException,
                           "1 validation error detected: Value null at 'role' failed to satisfy "
                           "constraint: Member must not be null");
    }
    /* Each, for a package of type Zip. */
    static const char *const zip_needs[] = {"Runtime", "Handler"};
    for (size_t i = 0; i < 2; i++) {
        if (!json_is_string(json_object_get(request, zip_needs[i]))) {
            return ic_api_fail(error, IC_API_InvalidParameterValueException,
                               "Runtime and Handler are mandatory parameters for functions "
                               "created with deployment packages.");
        }
    }
    return 0;
}

int ic_function_config_apply(json_t *config, const json_t *request, bool create,
                             struct ic_api_error *error)
{
    struct taking t = {.config = config, .error = error};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const json_t *value = json_object_get(request, members[i].name);
        if (value == NULL || json_is_null(value)) {
            continue;
        }
        int result = members[i].take(&t, &members[i], value);
        if (result < 0) {
            return result;
        }
    }
    return create ? check_required(request, error) : 0;
}

json_t *ic_function_config_new(const char *name, const char *arn)
{
    char group[128];
    snprintf(group, sizeof group, "/aws/lambda/%s", name);
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:{s:s}, s:[s], s:{s:i}, s:{s:s,s:s},"
                     " s:{s:s,s:s}, s:s, s:s}",
                     "FunctionName", name, "FunctionArn", arn, "Description", "", "Timeout", 3,
                     "MemorySize", 128, "Version", "$LATEST", "PackageType", "Zip", "TracingConfig",
                     "Mode", "PassThrough", "Architectures", machine_architecture(),
                     "EphemeralStorage", "Size", 512, "SnapStart", "ApplyOn", "None",
                     "OptimizationStatus", "Off", "LoggingConfig", "LogFormat", "Text", "LogGroup",
                     group, "State", "Active", "LastUpdateStatus", "Successful");
}

/* ---- reading back ------------------------------------------------------------------------ */

static const char *text_of(const json_t *config, const char *name)
{
    const char *text = json_string_value(json_object_get(config, name));
    return text == NULL ? "" : text;
}

void ic_function_config_read(const json_t *config, struct ic_function_settings *out)
{
    *out = (struct ic_function_settings){
        .memory_mb = (uint32_t)json_integer_value(json_object_get(config, "MemorySize")),
        .timeout_s = (uint32_t)json_integer_value(json_object_get(config, "Timeout")),
        .handler = text_of(config, "Handler"),
        .variables = json_object_get(json_object_get(config, "Environment"), "Variables"),
        .code_sha256 = text_of(config, "CodeSha256"),
    };
}

bool ic_function_config_sane(const json_t *config)
{
    static const char *const texts[] = {"FunctionName", "FunctionArn", "Version", "CodeSha256",
                                        "RevisionId",   "Role",        "Runtime", "Handler"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!json_is_string(json_object_get(config, texts[i]))) {
            return false;
        }
    }
    struct ic_api_error error = {0};
    json_t *copy = json_deep_copy(config);
    bool sane = copy != NULL && ic_function_config_apply(copy, config, true, &error) == 0;
    json_decref(copy);
    return sane;
}

int ic_tags_check(const json_t *tags, struct ic_api_error *error)
{
    const char *name;
    json_t *value;
    if (!json_is_object(tags)) {
        return ic_api_fail(error, IC_API_InvalidRequestContentException,
                           "Could not parse request body into json: member 'Tags' has a value of "
                           "the wrong type.");
    }
    if (json_object_size(tags) > IC_TAGS_MAX) {
        return ic_api_fail(error, IC_API_InvalidParameterValueException,
                           "The number of tags exceeds the limit of %d.", IC_TAGS_MAX);
    }
    json_object_foreach((json_t *)(uintptr_t)tags, name, value)
    {
        if (!json_is_string(value) || strlen(name) == 0 || strlen(name) > 128 ||
            json_string_length(value) > 256) {
            return ic_api_fail(error, IC_API_InvalidParameterValueException,
                               "A tag needs a key of 1 to 128 characters and a value of at most "
                               "256.");
        }
        if (strncmp(name, "aws:", 4) == 0) {
            return ic_api_fail(error, IC_API_InvalidParameterValueException,
                               "The aws: prefix is reserved for AWS: tag key %.100s.", name);
        }
    }
    return 0;
}
