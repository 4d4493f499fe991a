/*
 * fuzz_function_config.c - what a request says about a function, as JSON, to settings.
 */
#include "platform/local/function_config.h"

#include "base/alloc.h"
#include "platform/local/json_check.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (ic_json_check(ic_slice(data, size), 1000) < 0) {
        return 0;
    }
    json_t *request = json_loadb((const char *)data, size, 0, NULL);
    json_t *config = ic_function_config_new("f", "arn:f");
    struct ic_api_error error = {0}, tags_error = {0};
    if (json_is_object(request)) {
        int result = ic_function_config_apply(config, request, true, &error);
        assert((result == 0) == (error.type == IC_API_OK));
        if (result == 0) {
            struct ic_function_settings settings;
            json_object_set_new(config, "CodeSha256", json_string("x"));
            json_object_set_new(config, "RevisionId", json_string("y"));
            assert(ic_function_config_sane(config)); /* it is taken back at the next start */
            ic_function_config_read(config, &settings);
            assert(settings.memory_mb >= 128 && settings.timeout_s >= 1);
        }
    }
    int tags = ic_tags_check(json_object_get(request, "Tags"), &tags_error);
    struct ic_buf body;
    ic_buf_init(&body);
    int written = ic_api_error_body(tags < 0 ? &tags_error : &error, &body);
    assert(written == 0);
    ic_buf_deinit(&body);
    json_decref(request);
    json_decref(config);
    assert(ic_alloc_live() == 0);
    return 0;
}
