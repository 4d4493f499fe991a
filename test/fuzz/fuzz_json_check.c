/*
 * fuzz_json_check.c - our measure of JSON against jansson's parser: what it builds must have
 * passed, and what did not pass it must not build.
 */
#include "platform/local/json_check.h"

#include <assert.h>
#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int result = ic_json_check(ic_slice(data, size), 1000);
    assert(result == 0 || result == IC_EPROTO || result == IC_ETOOBIG);
    /* To jansson a zero byte ends the text. */
    if (result != IC_ETOOBIG && (size == 0 || memchr(data, '\0', size) == NULL)) {
        json_error_t error;
        json_t *tree =
            json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        /* The other way round, jansson refuses numbers beyond its types and zero bytes in names. */
        enum json_error_code code = json_error_code(&error);
        assert(tree == NULL || result == 0);
        assert(tree != NULL || result != 0 || code == json_error_numeric_overflow ||
               code == json_error_null_byte_in_key);
        json_decref(tree);
    }
    return 0;
}
