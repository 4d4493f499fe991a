/*
 * fuzz_route.c - the parts of a request target: method, path, query; what the path names.
 */
#include "platform/local/route.h"

#include "base/alloc.h"
#include "platform/local/code_store.h"
#include "platform/local/function_name.h"
#include "platform/local/uri.h"

#include <assert.h>

/* A query's parameters, each decoded; a decoded text, encoded and decoded again, is the same. */
static void walk_query(struct ic_slice query)
{
    struct ic_uri_param param;
    struct ic_buf plain, spelled, again;
    while (ic_uri_next_param(&query, &param)) {
        ic_buf_init(&plain);
        ic_buf_init(&spelled);
        ic_buf_init(&again);
        if (ic_uri_decode(param.value, &plain) == 0) {
            int result = ic_uri_encode(ic_buf_slice(&plain), false, &spelled);
            assert(result == 0);
            result = ic_uri_decode(ic_buf_slice(&spelled), &again);
            assert(result == 0 && ic_slice_equal(ic_buf_slice(&plain), ic_buf_slice(&again)));
        }
        ic_buf_deinit(&plain);
        ic_buf_deinit(&spelled);
        ic_buf_deinit(&again);
    }
}

static void check_name(struct ic_slice argument)
{
    struct ic_function_ref ref;
    struct ic_buf plain;
    ic_buf_init(&plain);
    if (ic_uri_decode(argument, &plain) == 0 &&
        ic_function_ref_parse(ic_buf_slice(&plain), "us-east-1", "000000000000", &ref) == 0) {
        assert(ic_function_name_valid(ic_slice_str(ref.name)));
        assert(ref.qualifier[0] == '\0' || ic_qualifier_valid(ic_slice_str(ref.qualifier)));
    }
    ic_buf_deinit(&plain);
}

static void check_hash(struct ic_slice text)
{
    char sha256[64], hex[IC_CODE_HEX_SIZE];
    size_t len = text.len < sizeof sha256 ? text.len : sizeof sha256 - 1;
    memcpy(sha256, len == 0 ? (const uint8_t *)"" : text.data, len);
    sha256[len] = '\0';
    int result = ic_code_hex(sha256, hex);
    assert(result <= 0 && (result < 0 || strlen(hex) == IC_CODE_HEX_SIZE - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    if (size == 0) {
        return 0;
    }
    struct ic_slice path = ic_slice(data + 1, size - 1), query = ic_slice("", 0);
    const uint8_t *mark = path.len == 0 ? NULL : memchr(path.data, '?', path.len);
    if (mark != NULL) {
        query = ic_slice(mark + 1, (size_t)(data + size - mark - 1));
        path.len = (size_t)(mark - path.data);
    }
    struct ic_route route;
    if (ic_route_find(ic_slice_str(methods[data[0] % 4]), path, &route) == 0) {
        assert(route.call < IC_API_CALL_COUNT && ic_api_success_status(route.call) >= 200);
        assert(ic_api_body_max_bytes(route.call) < (size_t)128 << 20);
        assert(!ic_api_call_is_local(route.call) || memcmp(path.data, "/_local/", 8) == 0);
        check_name(route.argument);
    }
    check_name(path);
    check_hash(path);
    walk_query(query);
    struct ic_buf marker;
    ic_buf_init(&marker);
    if (ic_uri_query_value(query, "Marker", &marker) == 0) {
        assert(strlen((const char *)marker.data) == marker.len);
    }
    ic_buf_deinit(&marker);
    assert(ic_alloc_live() == 0);
    return 0;
}
