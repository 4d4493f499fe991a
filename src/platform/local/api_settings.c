/*
 * api_settings.c - the calls about reserved concurrency, tags, code signing and the account.
 */
#include "platform/local/api_internal.h"

#include "base/alloc.h"
#include "platform/local/code_zip.h"
#include "platform/local/function_config.h"
#include "platform/local/uri.h"

enum { TOTAL_CODE_MAX_GB = 75 }; /* AWS: storage per region; shown, not enforced */

/* ---- concurrency -------------------------------------------------------------------------- */

static json_t *view_concurrency(const struct ic_function *f)
{
    return f->reserved == IC_UNRESERVED
               ? json_object()
               : json_pack("{s:I}", "ReservedConcurrentExecutions", (json_int_t)f->reserved);
}

int ic_api_get_concurrency(struct ic_api_request *q, json_t **reply)
{
    const struct ic_function *f = ic_api_function(q);
    if (f == NULL) {
        return IC_EINVAL;
    }
    *reply = view_concurrency(f);
    return *reply == NULL ? IC_ENOMEM : 0;
}

/* What must stay unreserved: AWS keeps 100 of an account's 1000. */
static int64_t unreserved_least(const struct ic_api *api)
{
    return api->concurrency >= 1000 ? 100 : (int64_t)api->concurrency / 10;
}

static int change_concurrency(struct ic_api_request *q, struct ic_function *f, int64_t reserved)
{
    int64_t before = f->reserved;
    f->reserved = reserved;
    int result = ic_registry_save(q->api->registry, f);
    if (result < 0) {
        f->reserved = before;
    }
    ic_api_share_concurrency(q->api);
    return result;
}

int ic_api_put_concurrency(struct ic_api_request *q, json_t **reply)
{
    struct ic_function *f = ic_api_function(q);
    const json_t *wanted = json_object_get(q->body, "ReservedConcurrentExecutions");
    if (f == NULL) {
        return IC_EINVAL;
    }
    if (!json_is_integer(wanted) || json_integer_value(wanted) < 0) {
        return ic_api_fail(&q->error, IC_API_ValidationException,
                           "1 validation error detected: Value at "
                           "'reservedConcurrentExecutions' failed to satisfy constraint: Member "
                           "must have value greater than or equal to 0");
    }
    int64_t others =
        ic_registry_reserved(q->api->registry) - (f->reserved == IC_UNRESERVED ? 0 : f->reserved);
    int64_t least = unreserved_least(q->api);
    if (json_integer_value(wanted) > (int64_t)q->api->concurrency - least - others) {
        return ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                           "Specified ReservedConcurrentExecutions for function decreases "
                           "account's UnreservedConcurrentExecution below its minimum value of "
                           "[%lld].",
                           (long long)least);
    }
    int result = change_concurrency(q, f, json_integer_value(wanted));
    if (result == 0) {
        *reply = view_concurrency(f);
        result = *reply == NULL ? IC_ENOMEM : 0;
    }
    return result;
}

int ic_api_delete_concurrency(struct ic_api_request *q, json_t **reply)
{
    (void)reply;
    struct ic_function *f = ic_api_function(q);
    return f == NULL ? IC_EINVAL : change_concurrency(q, f, IC_UNRESERVED);
}

/* ---- tags ------------------------------------------------------------------------------------ */

/* Tags are of functions, not of versions, and named by ARN. */
static struct ic_function *tagged_function(struct ic_api_request *q)
{
    if (q->ref.qualifier[0] != '\0') {
        (void)ic_api_fail(&q->error, IC_API_InvalidParameterValueException,
                          "Tags on function aliases and versions are not supported. Please "
                          "specify either a function name or an unqualified function ARN.");
        return NULL;
    }
    return ic_api_function(q);
}

int ic_api_list_tags(struct ic_api_request *q, json_t **reply)
{
    const struct ic_function *f = tagged_function(q);
    if (f == NULL) {
        return IC_EINVAL;
    }
    *reply = json_pack("{s:O}", "Tags", f->tags);
    return *reply == NULL ? IC_ENOMEM : 0;
}

/* Puts TAGS (taken over) in place and saves. */
static int change_tags(struct ic_api_request *q, struct ic_function *f, json_t *tags)
{
    json_t *before = f->tags;
    f->tags = tags;
    int result = ic_registry_save(q->api->registry, f);
    f->tags = result < 0 ? before : tags;
    json_decref(result < 0 ? tags : before);
    return result;
}

int ic_api_tag(struct ic_api_request *q, json_t **reply)
{
    (void)reply;
    struct ic_function *f = tagged_function(q);
    json_t *added = json_object_get(q->body, "Tags");
    if (f == NULL || ic_tags_check(added, &q->error) < 0) {
        return IC_EINVAL;
    }
    json_t *tags = json_copy(f->tags);
    if (tags == NULL || json_object_update(tags, added) != 0) {
        json_decref(tags);
        return IC_ENOMEM;
    }
    if (ic_tags_check(tags, &q->error) < 0) {
        json_decref(tags);
        return IC_EINVAL;
    }
    return change_tags(q, f, tags);
}

/* Deletes from TAGS what each tagKeys parameter names. */
static int remove_named(struct ic_api_request *q, json_t *tags, size_t *count)
{
    struct ic_slice query = ic_http_query(q->http);
    struct ic_uri_param param;
    struct ic_buf name;
    int result = 0;
    ic_buf_init(&name);
    while (result == 0 && ic_uri_next_param(&query, &param)) {
        if (!ic_slice_equal(param.name, ic_slice_str("tagKeys"))) {
            continue;
        }
        name.len = 0;
        result = ic_uri_decode(param.value, &name);
        if (result == 0) {
            name.data[name.len] = '\0'; /* decode reserved one byte more */
            json_object_del(tags, (const char *)name.data);
            *count += 1;
        }
    }
    ic_buf_deinit(&name);
    return result;
}

int ic_api_untag(struct ic_api_request *q, json_t **reply)
{
    (void)reply;
    struct ic_function *f = tagged_function(q);
    if (f == NULL) {
        return IC_EINVAL;
    }
    size_t count = 0;
    json_t *tags = json_copy(f->tags);
    int result = tags == NULL ? IC_ENOMEM : remove_named(q, tags, &count);
    if (result == IC_EPROTO || (result == 0 && count == 0)) {
        result = ic_api_fail(&q->error, IC_API_ValidationException,
                             "1 validation error detected: Value null at 'tagKeys' failed to "
                             "satisfy constraint: Member must not be null");
    }
    if (result < 0) {
        json_decref(tags);
        return result;
    }
    return change_tags(q, f, tags);
}

/* ---- code signing, account ---------------------------------------------------------------------
 */

int ic_api_get_code_signing(struct ic_api_request *q, json_t **reply)
{
    const struct ic_function *f = ic_api_function(q);
    if (f == NULL) {
        return IC_EINVAL;
    }
    *reply = json_pack("{s:s}", "FunctionName", f->name); /* no configuration: nothing is signed */
    return *reply == NULL ? IC_ENOMEM : 0;
}

static json_int_t code_bytes(const struct ic_function *f)
{
    json_int_t sum = json_integer_value(json_object_get(f->config, "CodeSize"));
    size_t index;
    json_t *version;
    json_array_foreach(f->versions, index, version)
    {
        sum += json_integer_value(json_object_get(version, "CodeSize"));
    }
    return sum;
}

int ic_api_get_account(struct ic_api_request *q, json_t **reply)
{
    size_t count;
    struct ic_function **all = ic_registry_sorted(q->api->registry, &count);
    if (all == NULL) {
        return IC_ENOMEM;
    }
    json_int_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used += code_bytes(all[i]);
    }
    ic_free(all);
    int64_t left = (int64_t)q->api->concurrency - ic_registry_reserved(q->api->registry);
    *reply = json_pack("{s:{s:I, s:I, s:I, s:I, s:I}, s:{s:I, s:I}}", "AccountLimit",
                       "TotalCodeSize", (json_int_t)TOTAL_CODE_MAX_GB << 30, "CodeSizeUnzipped",
                       (json_int_t)IC_ZIP_UNPACKED_MAX_BYTES, "CodeSizeZipped",
                       (json_int_t)IC_ZIP_PACKED_MAX_BYTES, "ConcurrentExecutions",
                       (json_int_t)q->api->concurrency, "UnreservedConcurrentExecutions",
                       (json_int_t)left, "AccountUsage", "TotalCodeSize", used, "FunctionCount",
                       (json_int_t)count);
    return *reply == NULL ? IC_ENOMEM : 0;
}
