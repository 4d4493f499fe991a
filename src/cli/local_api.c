#include "cli/local_api.h"

#include "base/alloc.h"
#include "cli/process.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>

enum {
    ANSWER_WAIT_MS = 5000,
    ANSWER_MAX_BYTES = 64 << 20, /* 65,535 instances of some 200 bytes, and room */
};

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct ic_buf *body = ctx;
    if (body->len + size * count > ANSWER_MAX_BYTES ||
        ic_buf_append(body, data, size * count) < 0) {
        return 0; /* libcurl ends the transfer */
    }
    return size * count;
}

static int fetch(const char *url, struct ic_buf *body)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return IC_ENOMEM;
    }
    long status = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ANSWER_WAIT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK) {
        return IC_EUNAVAIL;
    }
    return status == 200 ? 0 : IC_EPROTO;
}

/* The index of the pool's function NAME ("prefix-12"), or -1. */
static int64_t index_of(const struct ic_config *c, const char *name)
{
    size_t len = strlen(c->function_prefix);
    int64_t index;
    if (strncmp(name, c->function_prefix, len) != 0 || name[len] != '-' ||
        ic_slice_to_i64(ic_slice_str(name + len + 1), &index) < 0 || index < 0 ||
        index >= c->functions) {
        return -1;
    }
    return index;
}

static void count_instance(struct ic_pool_view *v, const struct ic_config *c, json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "function"));
    const char *state = json_string_value(json_object_get(row, "state"));
    int64_t index = name == NULL ? -1 : index_of(c, name);
    if (index < 0 || state == NULL) {
        return;
    }
    struct ic_process p = ic_process_look((pid_t)json_integer_value(json_object_get(row, "pid")));
    v->instances++;
    v->busy += strcmp(state, "busy") == 0;
    v->resident_bytes += ic_process_resident(&p);
    bool ready = strcmp(state, "idle") == 0 || strcmp(state, "busy") == 0;
    if (ready && !v->has_instance[index]) {
        v->has_instance[index] = true;
        v->with_instance++;
    }
}

int ic_pool_view_init(struct ic_pool_view *v, const struct ic_config *c)
{
    char url[256];
    struct ic_buf body;
    snprintf(url, sizeof url, "%.200s/_local/instances", c->platform_endpoint);
    *v = (struct ic_pool_view){.functions = c->functions};
    ic_buf_init(&body);
    int result = fetch(url, &body);
    json_t *answer = result == 0 ? json_loadb((const char *)body.data, body.len, 0, NULL) : NULL;
    ic_buf_deinit(&body);
    json_t *rows = json_object_get(answer, "instances");
    if (result == 0 && !json_is_array(rows)) {
        result = IC_EPROTO;
    }
    v->has_instance = result == 0 ? ic_calloc((size_t)c->functions, sizeof(bool)) : NULL;
    if (result == 0 && v->has_instance == NULL) {
        result = IC_ENOMEM;
    }
    size_t i;
    json_t *row;
    if (result == 0) {
        json_array_foreach(rows, i, row)
        {
            count_instance(v, c, row);
        }
    }
    json_decref(answer);
    return result;
}

void ic_pool_view_deinit(struct ic_pool_view *v)
{
    ic_free(v->has_instance);
}
