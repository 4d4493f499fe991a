/*
 * fuzz_trace_line.c - any lines: a request's key lies inside the line or a field, its range is one.
 */
#include "proto/trace_line.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ic_trace_lines t;
    memset(&t, 0, sizeof t);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end == NULL ? size : (size_t)(end - data);
        struct ic_trace_request r;
        int result = ic_trace_line(&t, ic_slice(data, len), &r);
        assert(result == 0 || result == 1 || result == IC_EPROTO);
        if (result == 1) {
            const uint8_t *field = (const uint8_t *)t.field[0];
            bool inside = (r.key.data >= data && r.key.data + r.key.len <= data + len) ||
                          (r.key.data >= field && r.key.data + r.key.len <= field + sizeof t.field);
            assert(r.key.len > 0 && inside && r.first <= r.last && t.format != IC_TRACE_UNKNOWN);
        }
        data += len + (end != NULL);
        size -= len + (end != NULL);
    }
    return 0;
}
