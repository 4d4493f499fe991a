/*
 * fuzz_sigv4.c - signatures of requests from outside. Input: lines, as HTTP has them:
 * "METHOD path query", headers "name: value", an empty line, the body.
 */
#include "platform/local/sigv4.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

enum { HEADERS_MAX = 64 };

static struct ic_slice take_until(struct ic_slice *rest, char end)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, end, rest->len);
    size_t len = at == NULL ? rest->len : (size_t)(at - rest->data);
    struct ic_slice head = ic_slice(rest->data, len);
    size_t skip = len + (at != NULL);
    *rest = ic_slice(rest->data + skip, rest->len - skip);
    return head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ic_sigv4_keys keys = {"AKIDEXAMPLE", "secret", "us-east-1", "service"};
    struct ic_slice rest = ic_slice(data, size);
    struct ic_sigv4_header header[HEADERS_MAX];
    struct ic_slice line = take_until(&rest, '\n');
    struct ic_sigv4_request r = {.header = header};
    r.method = take_until(&line, ' ');
    r.path = take_until(&line, ' ');
    r.query = line;
    while (rest.len > 0 && r.header_count < HEADERS_MAX) {
        line = take_until(&rest, '\n');
        if (line.len == 0) {
            break;
        }
        header[r.header_count].name = take_until(&line, ':');
        if (line.len > 0 && line.data[0] == ' ') {
            line = ic_slice(line.data + 1, line.len - 1); /* as the HTTP server hands it over */
        }
        header[r.header_count++].value = line;
    }
    r.body = rest;
    char why[IC_SIGV4_WHY_MAX];
    enum ic_sigv4_verdict verdict = ic_sigv4_verify(&r, &keys, 1440938160, why);
    assert((verdict == IC_SIGV4_OK) == (ic_sigv4_error_type(verdict) == NULL));
    assert(verdict == IC_SIGV4_OK || why[0] != '\0');
    struct ic_buf out;
    ic_buf_init(&out);
    int result = ic_sigv4_canonical(&r, ic_slice_str("host;x-amz-date"), &out);
    assert(result <= 0);
    ic_buf_deinit(&out);
    assert(ic_alloc_live() == 0);
    return 0;
}
