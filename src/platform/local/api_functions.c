/*
 * api_functions.c - the calls that make, change and delete functions. Each works on a copy of
 * the configuration and puts it in place once the file on disk says the same.
 */
#include "platform/local/api_internal.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/clock.h"
#include "platform/local/api_view.h"
#include "platform/local/code_zip.h"
#include "platform/local/function_config.h"

#include <stdio.h>
#include <time.h>

/* ---- pieces -------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static int set_text(json_t *object, const char *name, const char *text)
{
    return json_object_set_new(object, name, json_string(text)) == 0 ? 0 : IC_ENOMEM;
}

/* CONFIG was changed now: a new revision. */
static int stamp(json_t *config)
{
    char revision[IC_UUID_SIZE], when[64];
    int64_t now_ms = ic_clock_wall_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm tm;
    gmtime_r(&now_s, &tm);
    size_t len = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(when + len, sizeof when - len, ".%03d+0000", (int)(now_ms % 1000));
    ic_uuid(revision);
    int result = set_text(config, "LastModified", when);
    return result < 0 ? result : set_text(config, "RevisionId", revision);
}

static int refuse_code(struct ic_api_request *q, int why)
{
    switch (why) {
    case IC_ETOOBIG:
        return ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                           "Unzipped size must be smaller than %d bytes",
                           IC_ZIP_UNPACKED_MAX_BYTES);
    case IC_ENOENT:
        return ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                           "Uploaded file must be a non-empty zip");
    case IC_EPROTO:
        return ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                           "Could not unzip uploaded file. Please check your file, then try to "
                           "upload again.");
    default:
        return ic_api_fail(&q->error, IC_API_ServiceException, "The code cannot be stored: %s.",
                           ic_error_text(why));
    }
}

/* Decodes CODE.ZipFile into ZIP. */
static int take_zip(struct ic_api_request *q, const json_t *code, struct ic_buf *zip)
{
    const json_t *text = json_object_get(code, "ZipFile");
    if (json_object_get(code, "S3Bucket") != NULL || json_object_get(code, "ImageUri") != NULL) {
        return ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                           "This platform takes code as ZipFile in the request only.");
    }
    if (!json_is_string(text) || json_string_length(text) == 0) {
        return ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                           "Please provide a source for function code.");
    }
    int result = ic_base64_decode(ic_slice(json_string_value(text), json_string_length(text)), zip);
    return result == IC_EINVAL
               ? ic_api_fail(&q->error, IC_API_InvalidRequestContentException,
                             "Could not parse request body into json: ZipFile is not base64.")
               : result;
}

/* Stores CODE.ZipFile and names it in CONFIG; with DRY_RUN only looks at it. */
static int take_code(struct ic_api_request *q, const json_t *code, bool dry_run, json_t *config)
{
    char sha256[IC_CODE_BASE64_SIZE];
    struct ic_buf zip;
    ic_buf_init(&zip);
    int result = take_zip(q, code, &zip);
    if (result == 0 && !dry_run) {
        result = ic_code_store_add(q->api->code, ic_buf_slice(&zip));
        result = result < 0 && result != IC_ENOMEM ? refuse_code(q, result) : result;
    }
    if (result == 0) {
        ic_code_sha256(ic_buf_slice(&zip), sha256);
        result = set_text(config, "CodeSha256", sha256);
    }
    if (result == 0 && json_object_set_new(config, "CodeSize", json_integer((json_int_t)zip.len))) {
        result = IC_ENOMEM;
    }
    ic_buf_deinit(&zip);
    return result;
}

static void drop_code_if_unused(struct ic_api *api, const char *sha256)
{
    if (!ic_registry_uses_code(api->registry, sha256)) {
        ic_code_store_drop(api->code, sha256);
    }
}

static int check_revision(struct ic_api_request *q, const json_t *config)
{
    const char *wanted = text_of(q->body, "RevisionId");
    if (wanted != NULL && strcmp(wanted, text_of(config, "RevisionId")) != 0) {
        return ic_api_fail(&q->error, IC_API_PreconditionFailedException,
                           "The Revision Id provided does not match the latest Revision Id. Call "
                           "the GetFunction/GetAlias API to retrieve the latest Revision Id");
    }
    return 0;
}

/* ---- versions
 * ------------------------------------------------------------------------------------ */

/* Whether publishing CONFIG again would make a version that differs from LAST in name alone. */
static bool same_content(const json_t *config, const json_t *last)
{
    static const char *const own[] = {"Version", "FunctionArn", "RevisionId", "LastModified",
                                      "Description"};
    json_t *a = json_copy((json_t *)(uintptr_t)config), *b = json_copy((json_t *)(uintptr_t)last);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        json_object_del(a, own[i]);
        json_object_del(b, own[i]);
    }
    bool same = a != NULL && b != NULL && json_equal(a, b);
    json_decref(a);
    json_decref(b);
    return same;
}

/* Freezes F's current configuration as a new version. *OUT is borrowed. Not saved. */
static int publish(struct ic_api_request *q, struct ic_function *f, const char *description,
                   json_t **out)
{
    size_t count = json_array_size(f->versions);
    json_t *last = count == 0 ? NULL : json_array_get(f->versions, count - 1);
    if (last != NULL && same_content(f->config, last)) {
        *out = last;
        return 0;
    }
    char number[24], arn[256], revision[IC_UUID_SIZE];
    snprintf(number, sizeof number, "%lld", (long long)f->last_version + 1);
    ic_api_arn(q->api, f->name, number, arn);
    ic_uuid(revision);
    json_t *version = json_deep_copy(f->config);
    int result = version == NULL ? IC_ENOMEM : set_text(version, "Version", number);
    if (result == 0) {
        result = set_text(version, "FunctionArn", arn);
    }
    if (result == 0) {
        result = set_text(version, "RevisionId", revision);
    }
    if (result == 0 && description != NULL) {
        result = set_text(version, "Description", description);
    }
    if (result < 0 || json_array_append(f->versions, version) != 0) {
        json_decref(version);
        return IC_ENOMEM;
    }
    json_decref(version); /* the array holds it */
    f->last_version++;
    *out = version;
    return 0;
}

static void unpublish(struct ic_function *f, int64_t last_version)
{
    if (f->last_version > last_version) {
        json_array_remove(f->versions, json_array_size(f->versions) - 1);
        f->last_version = last_version;
    }
}

int ic_api_publish_version(struct ic_api_request *q, json_t **reply)
{
    struct ic_function *f = ic_api_function(q);
    if (f == NULL || check_revision(q, f->config) < 0) {
        return IC_EINVAL;
    }
    const char *sha256 = text_of(q->body, "CodeSha256");
    if (sha256 != NULL && sha256[0] != '\0' && strcmp(sha256, text_of(f->config, "CodeSha256"))) {
        return ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                           "CodeSHA256 (%.100s) is different from current CodeSHA256 in $LATEST "
                           "(%s). Please try again with the CodeSHA256 in $LATEST.",
                           sha256, text_of(f->config, "CodeSha256"));
    }
    int64_t before = f->last_version;
    json_t *version;
    int result = publish(q, f, text_of(q->body, "Description"), &version);
    if (result == 0) {
        result = ic_registry_save(q->api->registry, f);
        if (result < 0) {
            unpublish(f, before);
        }
    }
    if (result == 0) {
        *reply = json_incref(version);
    }
    return result;
}

/* ---- create ---------------------------------------------------------------------------------- */

static int take_new_name(struct ic_api_request *q)
{
    const char *name = text_of(q->body, "FunctionName");
    int result = name == NULL ? IC_EINVAL
                              : ic_function_ref_parse(ic_slice_str(name), q->api->region,
                                                      q->api->account, &q->ref);
    if (result < 0 || q->ref.qualifier[0] != '\0') {
        return ic_api_fail(&q->error, IC_API_ValidationException,
                           "1 validation error detected: Value '%.200s' at 'functionName' failed "
                           "to satisfy constraint: Member must satisfy regular expression "
                           "pattern: [a-zA-Z0-9-_]+ and have length less than or equal to %d",
                           name == NULL ? "null" : name, IC_FUNCTION_NAME_MAX);
    }
    return 0;
}

/* The whole configuration of a new function, its code stored. */
static int build_new(struct ic_api_request *q, json_t **out)
{
    char arn[256], runtime_arn[128];
    ic_api_arn(q->api, q->ref.name, NULL, arn);
    snprintf(runtime_arn, sizeof runtime_arn, "arn:aws:lambda:%s::runtime:local", q->api->region);
    json_t *config = ic_function_config_new(q->ref.name, arn);
    int result =
        config == NULL ? IC_ENOMEM : ic_function_config_apply(config, q->body, true, &q->error);
    if (result == 0 && ic_registry_find(q->api->registry, q->ref.name) != NULL) {
        result = ic_api_fail(&q->error, IC_API_ResourceConflictException,
                             "Function already exist: %s", q->ref.name);
    }
    if (result == 0) {
        result = take_code(q, json_object_get(q->body, "Code"), false, config);
    }
    if (result == 0) {
        result = stamp(config);
    }
    if (result == 0 &&
        json_object_set_new(config, "RuntimeVersionConfig",
                            json_pack("{s:s}", "RuntimeVersionArn", runtime_arn)) != 0) {
        result = IC_ENOMEM;
    }
    if (result < 0) {
        json_decref(config);
        return result;
    }
    *out = config;
    return 0;
}

static int insert_new(struct ic_api_request *q, json_t *config, struct ic_function **out)
{
    json_t *given = json_object_get(q->body, "Tags");
    json_t *tags = given == NULL || json_is_null(given) ? json_object() : json_incref(given);
    int result = tags == NULL
                     ? IC_ENOMEM
                     : ic_registry_insert(q->api->registry, q->ref.name, config, tags, out);
    if (result < 0) {
        json_decref(tags);
        json_decref(config);
        return result;
    }
    json_t *version = NULL;
    if (json_is_true(json_object_get(q->body, "Publish"))) {
        result = publish(q, *out, NULL, &version);
    }
    if (result == 0) {
        result = ic_registry_save(q->api->registry, *out);
    }
    if (result < 0) {
        ic_registry_remove(q->api->registry, *out);
    }
    return result;
}

int ic_api_create_function(struct ic_api_request *q, json_t **reply)
{
    json_t *config = NULL, *tags = json_object_get(q->body, "Tags");
    struct ic_function *f = NULL;
    int result = take_new_name(q);
    if (result == 0 && tags != NULL && !json_is_null(tags)) {
        result = ic_tags_check(tags, &q->error);
    }
    if (result == 0) {
        result = build_new(q, &config);
    }
    if (result < 0) {
        return result;
    }
    char sha256[IC_CODE_BASE64_SIZE];
    snprintf(sha256, sizeof sha256, "%s", text_of(config, "CodeSha256"));
    result = insert_new(q, config, &f);
    if (result < 0) {
        drop_code_if_unused(q->api, sha256);
        return result;
    }
    bool published = json_is_true(json_object_get(q->body, "Publish"));
    json_t *shown = published ? json_array_get(f->versions, 0) : f->config;
    *reply = ic_api_view_pending(shown);
    return *reply == NULL ? IC_ENOMEM : 0;
}

/* ---- update and delete ----------------------------------------------------------------------- */

/* Puts CONFIG (taken over) in F's place of it and saves; publishes if asked to. */
static int replace(struct ic_api_request *q, struct ic_function *f, json_t *config, json_t **shown)
{
    json_t *old = f->config;
    int64_t before = f->last_version;
    int result = 0;
    f->config = config;
    *shown = config;
    if (json_is_true(json_object_get(q->body, "Publish"))) {
        result = publish(q, f, NULL, shown);
    }
    if (result == 0) {
        result = ic_registry_save(q->api->registry, f);
    }
    if (result < 0) {
        unpublish(f, before);
        f->config = old;
        json_decref(config);
        return result;
    }
    ic_fleet_function_changed(q->api->fleet, f->name);
    drop_code_if_unused(q->api, text_of(old, "CodeSha256"));
    json_decref(old);
    return 0;
}

/* The common course of both updates; CODE says which one. */
static int update(struct ic_api_request *q, bool code, json_t **reply)
{
    struct ic_function *f = ic_api_function(q);
    if (f == NULL || check_revision(q, f->config) < 0) {
        return IC_EINVAL;
    }
    bool dry_run = code && json_is_true(json_object_get(q->body, "DryRun"));
    json_t *shown, *config = json_deep_copy(f->config);
    int result =
        config == NULL ? IC_ENOMEM : ic_function_config_apply(config, q->body, false, &q->error);
    if (result == 0 && code) {
        result = take_code(q, q->body, dry_run, config);
    }
    if (result == 0) {
        result = stamp(config);
    }
    if (result < 0 || dry_run) {
        *reply = result < 0 ? NULL : json_incref(config);
        json_decref(config);
        return result;
    }
    result = replace(q, f, config, &shown);
    if (result == 0) {
        *reply = ic_api_view_updating(shown);
        result = *reply == NULL ? IC_ENOMEM : 0;
    }
    return result;
}

int ic_api_update_code(struct ic_api_request *q, json_t **reply)
{
    return update(q, true, reply);
}

int ic_api_update_configuration(struct ic_api_request *q, json_t **reply)
{
    return update(q, false, reply);
}

static int delete_version(struct ic_api_request *q, struct ic_function *f, const json_t *version)
{
    if (version == f->config) {
        return ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                           "$LATEST version cannot be deleted without deleting the function.");
    }
    size_t index = 0;
    while (json_array_get(f->versions, index) != version) {
        index++;
    }
    json_t *kept = json_incref((json_t *)(uintptr_t)version);
    json_array_remove(f->versions, index);
    int result = ic_registry_save(q->api->registry, f);
    if (result < 0) {
        (void)json_array_insert(f->versions, index, kept);
    } else {
        ic_fleet_function_changed(q->api->fleet, f->name);
        drop_code_if_unused(q->api, text_of(kept, "CodeSha256"));
    }
    json_decref(kept);
    return result;
}

int ic_api_delete_function(struct ic_api_request *q, json_t **reply)
{
    (void)reply;
    struct ic_function *f;
    const json_t *version = ic_api_version(q, &f);
    if (version == NULL) {
        return IC_EINVAL;
    }
    if (q->ref.qualifier[0] != '\0') {
        return delete_version(q, f, version);
    }
    json_t *config = json_incref(f->config), *versions = json_incref(f->versions);
    ic_registry_remove(q->api->registry, f);
    ic_fleet_function_removed(q->api->fleet, q->ref.name);
    ic_api_share_concurrency(q->api);
    size_t index;
    json_t *one;
    json_array_foreach(versions, index, one)
    {
        drop_code_if_unused(q->api, text_of(one, "CodeSha256"));
    }
    drop_code_if_unused(q->api, text_of(config, "CodeSha256"));
    json_decref(versions);
    json_decref(config);
    return 0;
}
