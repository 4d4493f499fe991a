/*
 * fuzz_lambda_json.c - arbitrary bytes as what Lambda or a foreign function answers. The first
 * byte chooses the decoder; texts must come out terminated and within bounds.
 */
#include "proto/lambda_json.h"

#include "base/alloc.h"
#include "base/base64.h"

#include <stdlib.h>

static void check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void each(void *ctx, const struct ic_lambda_function *f)
{
    (void)ctx;
    check(f->name[0] != '\0' && strlen(f->name) <= IC_LAMBDA_NAME_MAX);
    check(strlen(f->state) < sizeof f->state && strlen(f->runtime) < sizeof f->runtime);
}

static void decode_function(struct ic_slice in)
{
    struct ic_lambda_function f;
    if (ic_lambda_function_decode(in, &f) == 0) {
        each(NULL, &f);
    }
}

static void decode_list(struct ic_slice in)
{
    char *marker;
    int result = ic_lambda_list_decode(in, each, NULL, &marker);
    check(result == 0 || marker == NULL);
    ic_free(marker);
}

static void decode_errors(struct ic_slice in)
{
    struct ic_lambda_error e;
    ic_lambda_api_error_decode(in, &e);
    check(strlen(e.type) < sizeof e.type && strlen(e.message) < sizeof e.message);
    ic_lambda_function_error_decode(in, &e);
    check(strlen(e.type) < sizeof e.type && strlen(e.message) < sizeof e.message);
}

static void decode_reports(struct ic_slice in)
{
    struct ic_lambda_report r;
    int result = ic_lambda_report_decode(in, &r);
    struct ic_buf coded;
    ic_buf_init(&coded);
    check(ic_base64_encode(in, &coded) == 0);
    struct ic_lambda_report again;
    check(ic_lambda_log_result_decode(ic_buf_slice(&coded), &again) == result);
    check(result != 0 || again.billed_ms == r.billed_ms);
    ic_buf_deinit(&coded);
    (void)!ic_lambda_log_result_decode(in, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct ic_slice in = ic_slice(data + 1, size - 1);
    struct ic_invoke_reply reply;
    switch (data[0] % 5) {
    case 0:
        decode_reports(in);
        break;
    case 1:
        (void)!ic_invoke_reply_decode(in, &reply);
        break;
    case 2:
        decode_function(in);
        break;
    case 3:
        decode_list(in);
        break;
    default:
        decode_errors(in);
    }
    check(ic_alloc_live() == 0);
    return 0;
}
