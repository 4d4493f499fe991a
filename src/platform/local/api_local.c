/*
 * api_local.c - /_local/: what AWS does not show, for tests, the command and the curious. Programs
 * of this machine only, unsigned.
 */
#include "platform/local/api_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

/* ---- instances and bill ---------------------------------------------------------------------- */

struct listing {
    json_t *items;
    bool failed;
};

static void add_instance(void *ctx, const struct ic_instance_view *view)
{
    struct listing *list = ctx;
    json_t *item = json_pack(
        "{s:s, s:s, s:I, s:s, s:I, s:I, s:I}", "function", view->function, "instance",
        view->instance, "pid", (json_int_t)view->pid, "state", ic_instance_state_name(view->state),
        "invocations", (json_int_t)view->invocations, "billed_ms", (json_int_t)view->billed_ms,
        "max_memory_bytes", (json_int_t)view->max_memory_bytes);
    if (json_array_append_new(list->items, item) != 0) {
        list->failed = true;
    }
}

int ic_api_local_instances(struct ic_api_request *q, json_t **reply)
{
    struct listing list = {.items = json_array()};
    int result =
        list.items == NULL ? IC_ENOMEM : ic_fleet_each_instance(q->api->fleet, add_instance, &list);
    if (result < 0 || list.failed) {
        json_decref(list.items);
        return IC_ENOMEM;
    }
    *reply = json_pack("{s:o}", "instances", list.items);
    return *reply == NULL ? IC_ENOMEM : 0;
}

static json_t *bill_json(const struct ic_bill *bill)
{
    json_t *ends = json_object();
    int failed = ends == NULL;
    for (enum ic_bill_end e = 0; e < IC_BILL_END_COUNT; e++) {
        failed |=
            json_object_set_new(ends, ic_bill_end_name(e), json_integer((json_int_t)bill->ends[e]));
    }
    json_t *item = json_pack(
        "{s:I, s:I, s:o, s:I, s:I}", "invocations", (json_int_t)bill->invocations, "billed_ms",
        (json_int_t)bill->billed_ms, "outcomes", ends, "starts", (json_int_t)bill->starts,
        "concurrent_starts", (json_int_t)bill->concurrent_starts);
    if (failed) {
        json_decref(item);
        return NULL;
    }
    return item;
}

static void add_bill(void *ctx, const struct ic_bill *bill)
{
    struct listing *list = ctx;
    json_t *item = bill_json(bill);
    if (json_object_set_new(list->items, bill->function, item) != 0) {
        list->failed = true;
    }
}

int ic_api_local_bill(struct ic_api_request *q, json_t **reply)
{
    struct ic_bill sum;
    struct listing list = {.items = json_object()};
    if (list.items == NULL) {
        return IC_ENOMEM;
    }
    ic_fleet_bill(q->api->fleet, &sum);
    list.failed = ic_fleet_each_bill(q->api->fleet, add_bill, &list) < 0 || list.failed;
    *reply = bill_json(&sum);
    if (json_object_set_new(*reply, "functions", list.items) != 0) {
        return IC_ENOMEM;
    }
    return list.failed ? IC_ENOMEM : 0;
}

/* ---- reclaim ------------------------------------------------------------------------------------
 */

struct reclaiming {
    struct ic_http_request *http;
    char id[IC_UUID_SIZE];
};

static void on_reclaimed(void *ctx, size_t count)
{
    struct reclaiming *r = ctx;
    struct ic_buf *body = ic_buf_new(32);
    if (body != NULL && ic_buf_printf(body, "{\"reclaimed\":%zu}", count) == 0) {
        ic_api_send(r->http, r->id, 200, body);
    } else {
        ic_buf_unref(body);
        ic_http_drop(r->http);
    }
    ic_free(r);
}

/* By function name, or a share of all. IC_EINVAL: neither is said. */
static int reclaim(struct ic_api_request *q, struct reclaiming *r)
{
    const char *name = json_string_value(json_object_get(q->body, "function"));
    const json_t *share = json_object_get(q->body, "share");
    const json_t *seed = json_object_get(q->body, "seed");
    if (name != NULL && share == NULL) {
        return ic_fleet_reclaim_function(q->api->fleet, name, on_reclaimed, r);
    }
    if (name != NULL || !json_is_number(share) || (seed != NULL && !json_is_integer(seed))) {
        return IC_EINVAL;
    }
    uint64_t number =
        seed == NULL ? (uint64_t)ic_clock_wall_us() : (uint64_t)json_integer_value(seed);
    return ic_fleet_reclaim_share(q->api->fleet, json_number_value(share), number, on_reclaimed, r);
}

int ic_api_local_reclaim(struct ic_api_request *q, json_t **reply)
{
    (void)reply;
    struct reclaiming *r = ic_calloc(1, sizeof *r);
    if (r == NULL) {
        return IC_ENOMEM;
    }
    r->http = q->http;
    memcpy(r->id, q->id, sizeof r->id);
    int result = reclaim(q, r);
    if (result == 0) {
        return IC_API_ANSWERED;
    }
    ic_free(r);
    if (result == IC_EINVAL || result == IC_ERANGE) {
        return ic_api_fail(&q->error, IC_API_ValidationException,
                           "Say {\"function\": NAME} or {\"share\": 0 to 1, \"seed\": N}.");
    }
    return result;
}

/* ---- ordered failures of Invoke ---------------------------------------------------------------
 */

static bool can_fail_with(json_int_t status)
{
    return status == 429 || status == 500 || status == 502 || status == 503;
}

static int order_failures(struct ic_api_request *q)
{
    const json_t *function = json_object_get(q->body, "function");
    const json_t *status = json_object_get(q->body, "status");
    const json_t *count = json_object_get(q->body, "count");
    if ((function != NULL && !json_is_string(function)) || !json_is_integer(status) ||
        !can_fail_with(json_integer_value(status)) || !json_is_integer(count) ||
        json_integer_value(count) < 0) {
        return IC_EINVAL;
    }
    return ic_faults_set(q->api->faults, json_string_value(function),
                         (unsigned)json_integer_value(status), (uint64_t)json_integer_value(count));
}

int ic_api_local_failing(struct ic_api_request *q, json_t **reply)
{
    *reply = json_pack("{s:I}", "left", (json_int_t)ic_faults_left(q->api->faults));
    return *reply == NULL ? IC_ENOMEM : 0;
}

int ic_api_local_fail(struct ic_api_request *q, json_t **reply)
{
    int result = order_failures(q);
    if (result == IC_EINVAL || result == IC_ERANGE || result == IC_ENOSPC) {
        return ic_api_fail(&q->error, IC_API_ValidationException,
                           "Say {\"function\": NAME (absent: all), \"status\": 429, 500, 502 or "
                           "503, \"count\": 0 to %d}; for %d functions at most.",
                           IC_FAULT_COUNT_MAX, IC_FAULTS_MAX);
    }
    return result < 0 ? result : ic_api_local_failing(q, reply);
}

/* ---- code: what GetFunction's Location leads to
 * ---------------------------------------------------- */

int ic_api_local_code(struct ic_api_request *q, json_t **reply)
{
    (void)reply;
    char hex[IC_CODE_HEX_SIZE] = "";
    if (q->route.argument.len < sizeof hex) {
        memcpy(hex, q->route.argument.data, q->route.argument.len);
        hex[q->route.argument.len] = '\0';
    }
    struct ic_buf *zip = ic_buf_new(0);
    int result = zip == NULL ? IC_ENOMEM : ic_code_store_read(q->api->code, hex, zip);
    if (result < 0) {
        ic_buf_unref(zip);
        return result == IC_ENOENT ? ic_api_fail(&q->error, IC_API_ResourceNotFoundException,
                                                 "No such code package.")
                                   : result;
    }
    const struct ic_http_header headers[] = {{"Content-Type", "application/zip"},
                                             {"x-amzn-RequestId", q->id}};
    ic_http_reply(q->http, 200, headers, 2, zip);
    return IC_API_ANSWERED;
}
