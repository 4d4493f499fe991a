/* Payloads, replies, REPORT lines, configurations: what is written, what is read, what is refused.
 */
#define _GNU_SOURCE /* memmem */
#include "proto/lambda_json.h"

#include "unit/unit.h"

#include <stdio.h>

static void payload(void **s)
{
    (void)s;
    struct ic_invoke_payload p = {.kind = "serve",
                                  .function = "infinicache-3",
                                  .invocation = {0xAB, 1},
                                  .proxy = "10.0.0.7:6380",
                                  .key = {0xFF},
                                  .epoch = 4000000000u,
                                  .lease_ms = 1000};
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(ic_invoke_payload_encode(&p, &out), 0);
    const char *expected =
        "{\"infinicache\":1,\"kind\":\"serve\",\"function\":\"infinicache-3\",\"invocation\":"
        "\"ab010000000000000000000000000000\",\"proxy\":\"10.0.0.7:6380\",\"key\":"
        "\"ff00000000000000"
        "000000000000000000000000000000000000000000000000\",\"epoch\":4000000000,\"lease_ms\":"
        "1000}";
    assert_true(ic_slice_equal(ic_buf_slice(&out), ic_slice_str(expected)));
    ic_buf_deinit(&out);
}

static int reply(const char *text, struct ic_invoke_reply *out)
{
    return ic_invoke_reply_decode(ic_slice_str(text), out);
}

static void replies(void **s)
{
    (void)s;
    struct ic_invoke_reply r;
    assert_int_equal(reply("{\"instance\":\"000102030405060708090a0b0c0d0e0f\",\"position\":9,"
                           "\"held\":8,\"capacity\":7,\"chunks\":6,\"epoch\":5,\"served\":true}",
                           &r),
                     0);
    assert_int_equal(r.instance[15], 15);
    assert_int_equal(r.position, 9);
    assert_int_equal(r.held, 8);
    assert_int_equal(r.capacity, 7);
    assert_int_equal(r.chunks, 6);
    assert_int_equal(r.epoch, 5);
    assert_true(r.served);
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "\"hello\"",
        "{}",
        "{\"instance\":\"0001\",\"position\":9,\"held\":8,\"capacity\":7,\"chunks\":6,\"epoch\":5}",
        "{\"instance\":\"000102030405060708090a0b0c0d0e0g\",\"position\":9,\"held\":8,\"capacity\":"
        "7,"
        "\"chunks\":6,\"epoch\":5}",
        "{\"instance\":\"000102030405060708090a0b0c0d0e0f\",\"position\":-1,\"held\":8,"
        "\"capacity\":7,\"chunks\":6,\"epoch\":5}",
        "{\"instance\":\"000102030405060708090a0b0c0d0e0f\",\"position\":1,\"held\":8,"
        "\"capacity\":7,\"chunks\":6,\"epoch\":4294967296}",
        "{\"instance\":\"000102030405060708090a0b0c0d0e0f\",\"position\":\"1\",\"held\":8,"
        "\"capacity\":7,\"chunks\":6,\"epoch\":4}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(reply(bad[i], &r), IC_EPROTO);
    }
}

static const char warm[] =
    "START RequestId: 1 Version: $LATEST\n"
    "REPORT RequestId: 0\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 1 MB\t\n"
    "END RequestId: 1\n"
    "REPORT RequestId: 1\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 256 MB\tMax "
    "Memory Used: 31 MB\t\n";
static const char cold[] = "REPORT RequestId: 1\tDuration: 2 ms\tBilled Duration: 1200 ms\tMemory "
                           "Size: 128 MB\tMax Memory "
                           "Used: 9 MB\tInit Duration: 113.5 ms\t\nXRAY TraceId: 1\n";

static void reports(void **s)
{
    (void)s;
    struct ic_lambda_report r;
    assert_int_equal(ic_lambda_report_decode(ic_slice_str(warm), &r), 0);
    assert_int_equal(r.billed_ms, 13);
    assert_int_equal(r.duration_us, 12340);
    assert_int_equal(r.init_us, 0);
    assert_int_equal(r.memory_mb, 256);
    assert_int_equal(r.max_memory_mb, 31);
    assert_int_equal(ic_lambda_report_decode(ic_slice_str(cold), &r), 0);
    assert_int_equal(r.billed_ms, 1200);
    assert_int_equal(r.duration_us, 2000);
    assert_int_equal(r.init_us, 113500);
    assert_int_equal(ic_lambda_report_decode(ic_slice_str("no report"), &r), IC_ENOENT);
    assert_int_equal(ic_lambda_report_decode(ic_slice_str(""), &r), IC_ENOENT);
    assert_int_equal(ic_lambda_report_decode(ic_slice_str("say REPORT RequestId: 1"), &r),
                     IC_ENOENT);
    assert_int_equal(
        ic_lambda_report_decode(ic_slice_str("REPORT RequestId: 1\tDuration: 2 ms"), &r),
        IC_EPROTO);
    assert_int_equal(
        ic_lambda_report_decode(ic_slice_str("REPORT RequestId: 1\tBilled Duration: x ms"), &r),
        IC_EPROTO);
    /* "REPORT RequestId: 1\tBilled Duration: 5 ms" */
    const char *base64 = "UkVQT1JUIFJlcXVlc3RJZDogMQlCaWxsZWQgRHVyYXRpb246IDUgbXM=";
    assert_int_equal(ic_lambda_log_result_decode(ic_slice_str(base64), &r), 0);
    assert_int_equal(r.billed_ms, 5);
    assert_int_equal(ic_lambda_log_result_decode(ic_slice_str("!"), &r), IC_EPROTO);
}

static void errors(void **s)
{
    (void)s;
    struct ic_lambda_error e;
    ic_lambda_function_error_decode(
        ic_slice_str("{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"signal: killed\"}"),
        &e);
    assert_string_equal(e.type, "Runtime.ExitError");
    assert_string_equal(e.message, "signal: killed");
    ic_lambda_function_error_decode(ic_slice_str("rubbish"), &e);
    assert_string_equal(e.type, "");
    ic_lambda_api_error_decode(ic_slice_str("{\"Type\":\"User\",\"message\":\"no\"}"), &e);
    assert_string_equal(e.type, "User");
    assert_string_equal(e.message, "no");
    char big[2000] = "{\"Message\":\"";
    memset(big + 12, 'x', 1000);
    strcpy(big + 1012, "\"}");
    ic_lambda_api_error_decode(ic_slice_str(big), &e);
    assert_int_equal(strlen(e.message), IC_LAMBDA_TEXT_MAX - 1);
}

/* The last word that has room is whole, and so is a character of more than one byte. */
static void long_errors(void **s)
{
    (void)s;
    static const struct {
        const char *piece, *end;
    } cases[] = {{"seven77 ", "seven77 seven77 ..."}, {"\xc3\xa4", "\xc3\xa4\xc3\xa4 ..."}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t shift = 0; shift < 8; shift++) {
            struct ic_lambda_error e;
            char big[2000];
            snprintf(big, sizeof big, "{\"Message\":\"%.*s", (int)shift, "--------");
            for (int piece = 0; piece < 150; piece++) {
                strcat(big, cases[i].piece);
            }
            strcat(big, "\"}");
            ic_lambda_api_error_decode(ic_slice_str(big), &e);
            size_t len = strlen(e.message), end = strlen(cases[i].end);
            assert_in_range(len, IC_LAMBDA_TEXT_MAX - 1 - 7, IC_LAMBDA_TEXT_MAX - 1);
            assert_string_equal(e.message + len - end, cases[i].end);
        }
    }
}

#define CONFIG(name)                                                                               \
    "{\"FunctionName\":\"" name "\",\"Runtime\":\"provided.al2023\",\"CodeSize\":1000,"            \
    "\"CodeSha256\":\"abc=\",\"MemorySize\":256,\"Timeout\":300,\"State\":\"Active\","             \
    "\"LastUpdateStatus\":\"Successful\"}"

static void count_names(void *ctx, const struct ic_lambda_function *f)
{
    assert_true(strncmp(f->name, "f", 1) == 0);
    (*(int *)ctx)++;
}

static void functions(void **s)
{
    (void)s;
    struct ic_lambda_function f;
    assert_int_equal(ic_lambda_function_decode(ic_slice_str(CONFIG("f1")), &f), 0);
    assert_string_equal(f.name, "f1");
    assert_string_equal(f.state, "Active");
    assert_string_equal(f.last_update_status, "Successful");
    assert_string_equal(f.code_sha256, "abc=");
    assert_int_equal(f.memory_mb, 256);
    assert_int_equal(f.timeout_s, 300);
    const char *get = "{\"Configuration\":" CONFIG("f2") ",\"Code\":{},\"Tags\":{}}";
    assert_int_equal(ic_lambda_function_decode(ic_slice_str(get), &f), 0);
    assert_string_equal(f.name, "f2");
    assert_int_equal(ic_lambda_function_decode(ic_slice_str("{}"), &f), IC_EPROTO);
    assert_int_equal(ic_lambda_function_decode(ic_slice_str("{\"FunctionName\":\"\"}"), &f),
                     IC_EPROTO);
    const char *list = "{\"Functions\":[" CONFIG("f1") "," CONFIG("f2") "],\"NextMarker\":\"f2\"}";
    int count = 0;
    char *marker;
    assert_int_equal(ic_lambda_list_decode(ic_slice_str(list), count_names, &count, &marker), 0);
    assert_int_equal(count, 2);
    assert_string_equal(marker, "f2");
    ic_free(marker);
    const char *last = "{\"Functions\":[],\"NextMarker\":null}";
    assert_int_equal(ic_lambda_list_decode(ic_slice_str(last), count_names, &count, &marker), 0);
    assert_null(marker);
    assert_int_equal(ic_lambda_list_decode(ic_slice_str("{}"), count_names, &count, &marker),
                     IC_EPROTO);
    const char *bad = "{\"Functions\":[1],\"NextMarker\":\"x\"}";
    assert_int_equal(ic_lambda_list_decode(ic_slice_str(bad), count_names, &count, &marker),
                     IC_EPROTO);
    assert_null(marker);
}

static void specs(void **s)
{
    (void)s;
    struct ic_lambda_spec spec = {.name = "f",
                                  .runtime = "provided.al2023",
                                  .handler = "bootstrap",
                                  .role = "arn:aws:iam::000000000000:role/x",
                                  .description = "a \"node\"",
                                  .memory_mb = 256,
                                  .timeout_s = 300,
                                  .zip = ic_slice_str("foob")};
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(ic_lambda_create_encode(&spec, &out), 0);
    const char *created =
        "{\"Runtime\":\"provided.al2023\",\"Handler\":\"bootstrap\",\"Role\":\"arn:aws:iam::"
        "000000000000:role/x\",\"Description\":\"a "
        "\\\"node\\\"\",\"MemorySize\":256,\"Timeout\":300,"
        "\"FunctionName\":\"f\",\"Code\":{\"ZipFile\":\"Zm9vYg==\"}}";
    assert_true(ic_slice_equal(ic_buf_slice(&out), ic_slice_str(created)));
    out.len = 0;
    assert_int_equal(ic_lambda_update_code_encode(&spec, &out), 0);
    assert_true(ic_slice_equal(ic_buf_slice(&out), ic_slice_str("{\"ZipFile\":\"Zm9vYg==\"}")));
    out.len = 0;
    assert_int_equal(ic_lambda_update_config_encode(&spec, &out), 0);
    assert_null(memmem(out.data, out.len, "FunctionName", 12));
    ic_buf_deinit(&out);
    for (uint64_t i = 1; i <= 2; i++) {
        ic_alloc_fail_at(i);
        struct ic_buf fresh;
        ic_buf_init(&fresh);
        assert_int_equal(ic_lambda_create_encode(&spec, &fresh), IC_ENOMEM);
        ic_buf_deinit(&fresh);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(payload),     leak_test(replies),   leak_test(reports), leak_test(errors),
        leak_test(long_errors), leak_test(functions), leak_test(specs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
