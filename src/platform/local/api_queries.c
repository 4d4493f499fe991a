/*
 * api_queries.c - the calls that show functions: one, its versions, all of them by pages.
 */
#include "platform/local/api_internal.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "platform/local/api_view.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- views ------------------------------------------------------------------------------ */

void ic_api_arn(const struct ic_api *api, const char *name, const char *qualifier,
                char out[IC_ARN_SIZE])
{
    snprintf(out, IC_ARN_SIZE, "arn:aws:lambda:%s:%s:function:%s%s%s", api->region, api->account,
             name, qualifier == NULL ? "" : ":", qualifier == NULL ? "" : qualifier);
}

static json_t *copy_with(const json_t *config, json_t *changes)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)config);
    if (copy == NULL || changes == NULL || json_object_update(copy, changes) != 0) {
        json_decref(copy);
        copy = NULL;
    }
    json_decref(changes);
    return copy;
}

json_t *ic_api_view_pending(const json_t *config)
{
    json_t *view = copy_with(config, json_pack("{s:s, s:s, s:s}", "State", "Pending", "StateReason",
                                               "The function is being created.", "StateReasonCode",
                                               "Creating"));
    json_object_del(view, "LastUpdateStatus");
    return view;
}

json_t *ic_api_view_updating(const json_t *config)
{
    return copy_with(config, json_pack("{s:s, s:s, s:s}", "LastUpdateStatus", "InProgress",
                                       "LastUpdateStatusReason", "The function is being created.",
                                       "LastUpdateStatusReasonCode", "Creating"));
}

json_t *ic_api_view_qualified(const struct ic_api *api, const json_t *config)
{
    char arn[IC_ARN_SIZE];
    ic_api_arn(api, json_string_value(json_object_get(config, "FunctionName")),
               json_string_value(json_object_get(config, "Version")), arn);
    return copy_with(config, json_pack("{s:s}", "FunctionArn", arn));
}

static json_t *view_asked(const struct ic_api_request *q, const json_t *config)
{
    return q->ref.qualifier[0] == '\0' ? json_incref((json_t *)(uintptr_t)config)
                                       : ic_api_view_qualified(q->api, config);
}

/* ---- one function ------------------------------------------------------------------------- */

int ic_api_get_configuration(struct ic_api_request *q, json_t **reply)
{
    struct ic_function *f;
    const json_t *config = ic_api_version(q, &f);
    if (config == NULL) {
        return IC_EINVAL;
    }
    *reply = view_asked(q, config);
    return *reply == NULL ? IC_ENOMEM : 0;
}

/* Where the zip can be fetched, as AWS gives a signed URL. */
static int add_code(const struct ic_api_request *q, const json_t *config, json_t *reply)
{
    char hex[IC_CODE_HEX_SIZE], location[256];
    const char *host = ic_http_header(q->http, "Host");
    int result = ic_code_hex(json_string_value(json_object_get(config, "CodeSha256")), hex);
    if (result < 0) {
        return result;
    }
    snprintf(location, sizeof location, "http://%.100s/_local/code/%s", host == NULL ? "" : host,
             hex);
    return json_object_set_new(
               reply, "Code",
               json_pack("{s:s, s:s}", "RepositoryType", "S3", "Location", location)) == 0
               ? 0
               : IC_ENOMEM;
}

int ic_api_get_function(struct ic_api_request *q, json_t **reply)
{
    struct ic_function *f;
    const json_t *config = ic_api_version(q, &f);
    if (config == NULL) {
        return IC_EINVAL;
    }
    json_t *all = json_pack("{s:o}", "Configuration", view_asked(q, config));
    int result = all == NULL ? IC_ENOMEM : add_code(q, config, all);
    if (result == 0 && json_object_size(f->tags) > 0 && q->ref.qualifier[0] == '\0' &&
        json_object_set(all, "Tags", f->tags) != 0) {
        result = IC_ENOMEM;
    }
    if (result == 0 && f->reserved != IC_UNRESERVED &&
        json_object_set_new(
            all, "Concurrency",
            json_pack("{s:I}", "ReservedConcurrentExecutions", (json_int_t)f->reserved)) != 0) {
        result = IC_ENOMEM;
    }
    if (result < 0) {
        json_decref(all);
        return result;
    }
    *reply = all;
    return 0;
}

/* ---- pages ------------------------------------------------------------------------------------
 */

/* A list is ordered by name, then version ($LATEST is 0); a marker is the last one shown. */
struct place {
    char name[IC_FUNCTION_NAME_MAX + 1];
    int64_t version;
};

struct page {
    struct ic_api_request *q;
    json_t *items;
    bool versions;      /* published ones, too; ARNs are qualified */
    bool from_start;    /* no marker */
    struct place after; /* the marker */
    struct place last;  /* the last one put on this page */
    size_t max;
    bool more; /* something did not fit */
};

static int take_max_items(struct page *page)
{
    char text[16];
    int64_t max = IC_LIST_PAGE_MAX;
    int result = ic_api_query(page->q, "MaxItems", text, sizeof text);
    if (result == 0 && text[0] != '\0' &&
        (ic_slice_to_i64(ic_slice_str(text), &max) < 0 || max < 1 || max > 10000)) {
        return ic_api_fail(&page->q->error, IC_API_ValidationException,
                           "1 validation error detected: Value '%s' at 'maxItems' failed to "
                           "satisfy constraint: Member must have value between 1 and 10000",
                           text);
    }
    page->max = max < IC_LIST_PAGE_MAX ? (size_t)max : IC_LIST_PAGE_MAX;
    return result;
}

static bool parse_place(struct ic_slice text, struct place *out)
{
    const uint8_t *colon = text.len == 0 ? NULL : memchr(text.data, ':', text.len);
    if (colon == NULL) {
        return false;
    }
    struct ic_slice name = ic_slice(text.data, (size_t)(colon - text.data));
    struct ic_slice version = ic_slice(colon + 1, text.len - name.len - 1);
    if (!ic_function_name_valid(name) || ic_slice_to_i64(version, &out->version) < 0) {
        return false;
    }
    memcpy(out->name, name.data, name.len);
    out->name[name.len] = '\0';
    return true;
}

static int take_marker(struct page *page)
{
    char text[256];
    int result = ic_api_query(page->q, "Marker", text, sizeof text);
    page->from_start = text[0] == '\0';
    if (result < 0 || page->from_start) {
        return result;
    }
    struct ic_buf plain;
    ic_buf_init(&plain);
    result = ic_base64_decode(ic_slice_str(text), &plain);
    if (result == IC_EINVAL || (result == 0 && !parse_place(ic_buf_slice(&plain), &page->after))) {
        result =
            ic_api_fail(&page->q->error, IC_API_InvalidParameterValueException, "Invalid Marker");
    }
    ic_buf_deinit(&plain);
    return result;
}

static bool is_shown(const struct page *page, const struct place *place)
{
    if (page->from_start) {
        return true;
    }
    int order = strcmp(place->name, page->after.name);
    return order > 0 || (order == 0 && place->version > page->after.version);
}

static int put_item(struct page *page, const char *name, const json_t *config)
{
    struct place place;
    const char *version = json_string_value(json_object_get(config, "Version"));
    snprintf(place.name, sizeof place.name, "%s", name);
    place.version = strcmp(version, "$LATEST") == 0 ? 0 : atoll(version);
    if (page->more || !is_shown(page, &place)) {
        return 0;
    }
    if (json_array_size(page->items) == page->max) {
        page->more = true;
        return 0;
    }
    json_t *view = page->versions ? ic_api_view_qualified(page->q->api, config)
                                  : json_incref((json_t *)(uintptr_t)config);
    page->last = place;
    return json_array_append_new(page->items, view) == 0 ? 0 : IC_ENOMEM;
}

static int put_function(struct page *page, const struct ic_function *f)
{
    int result = put_item(page, f->name, f->config);
    size_t index;
    json_t *version;
    if (page->versions) {
        json_array_foreach(f->versions, index, version)
        {
            result = result < 0 ? result : put_item(page, f->name, version);
        }
    }
    return result;
}

/* {MEMBER: items, "NextMarker": ...} */
static int finish_page(struct page *page, const char *member, json_t **reply)
{
    json_t *all = json_pack("{s:O}", member, page->items);
    if (all == NULL) {
        return IC_ENOMEM;
    }
    struct ic_buf plain, marker;
    ic_buf_init(&plain);
    ic_buf_init(&marker);
    int result = 0;
    if (page->more) {
        result = ic_buf_printf(&plain, "%s:%lld", page->last.name, (long long)page->last.version);
        if (result == 0) {
            result = ic_base64_encode(ic_buf_slice(&plain), &marker);
        }
        if (result == 0 &&
            json_object_set_new(all, "NextMarker",
                                json_stringn((const char *)marker.data, marker.len)) != 0) {
            result = IC_ENOMEM;
        }
    }
    ic_buf_deinit(&plain);
    ic_buf_deinit(&marker);
    if (result < 0) {
        json_decref(all);
        return result;
    }
    *reply = all;
    return 0;
}

static int begin_page(struct page *page)
{
    int result = take_max_items(page);
    if (result == 0) {
        result = take_marker(page);
    }
    if (result == 0) {
        page->items = json_array();
        result = page->items == NULL ? IC_ENOMEM : 0;
    }
    return result;
}

static int put_all(struct page *page)
{
    size_t count;
    struct ic_function **all = ic_registry_sorted(page->q->api->registry, &count);
    int result = all == NULL ? IC_ENOMEM : 0;
    for (size_t i = 0; result == 0 && i < count && !page->more; i++) {
        result = put_function(page, all[i]);
    }
    ic_free(all);
    return result;
}

int ic_api_list_functions(struct ic_api_request *q, json_t **reply)
{
    char which[16];
    struct page page = {.q = q};
    int result = ic_api_query(q, "FunctionVersion", which, sizeof which);
    if (result == 0 && which[0] != '\0' && strcmp(which, "ALL") != 0) {
        result = ic_api_fail(&q->error, IC_API_ValidationException,
                             "1 validation error detected: Value '%s' at 'functionVersion' failed "
                             "to satisfy constraint: Member must satisfy enum value set: [ALL]",
                             which);
    }
    page.versions = which[0] != '\0';
    if (result == 0) {
        result = begin_page(&page);
    }
    if (result == 0) {
        result = put_all(&page);
    }
    if (result == 0) {
        result = finish_page(&page, "Functions", reply);
    }
    json_decref(page.items);
    return result;
}

int ic_api_list_versions(struct ic_api_request *q, json_t **reply)
{
    struct page page = {.q = q, .versions = true};
    struct ic_function *f = ic_api_function(q);
    int result = f == NULL ? IC_EINVAL : begin_page(&page);
    if (result == 0) {
        result = put_function(&page, f);
    }
    if (result == 0) {
        result = finish_page(&page, "Versions", reply);
    }
    json_decref(page.items);
    return result;
}
