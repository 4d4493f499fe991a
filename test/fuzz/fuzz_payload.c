/*
 * fuzz_payload.c - arbitrary bytes as an invocation's payload.
 */
#include "node/payload.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size); /* its own block: reading beyond it shows */
    memcpy(copy, data, size);
    struct ic_payload p;
    int result = ic_payload_decode(ic_slice(copy, size), &p);
    if (result != 0 && result != IC_EINVAL) {
        abort();
    }
    if (result == 0 && p.kind == IC_PAYLOAD_SERVE &&
        (p.function[0] == '\0' || p.proxy_host[0] == '\0' || p.proxy_port == 0)) {
        abort();
    }
    free(copy);
    return 0;
}
