#include "node/payload.h"

#include "node/chunks.h"
#include "proto/lambda_json.h"
#include "unit.h"

#include <stdio.h>

static struct ic_payload decode(const char *text, int expected)
{
    struct ic_payload out;
    assert_int_equal(ic_payload_decode(ic_slice_str(text), &out), expected);
    return out;
}

#define HEX16 "000102030405060708090a0b0c0d0e0f"
#define SERVE                                                                                      \
    "{\"infinicache\":1,\"kind\":\"serve\",\"function\":\"f-0\",\"invocation\":\"" HEX16           \
    "\",\"proxy\":\"127.0.0.1:6380\",\"key\":\"" HEX16 HEX16 "\",\"epoch\":7,\"lease_ms\":500}"

static void serve(void **state)
{
    (void)state;
    struct ic_payload p = decode(SERVE, 0);
    assert_int_equal(p.kind, IC_PAYLOAD_SERVE);
    assert_string_equal(p.function, "f-0");
    assert_string_equal(p.proxy_host, "127.0.0.1");
    assert_int_equal(p.proxy_port, 6380);
    assert_int_equal(p.invocation[15], 15);
    assert_int_equal(p.key[31], 15);
    assert_int_equal(p.epoch, 7);
    assert_int_equal(p.lease_ms, 500);
}

/* What the proxy's side writes, this side reads; and the other way round. */
static void other_side(void **state)
{
    (void)state;
    struct ic_invoke_payload in = {.kind = "serve",
                                   .function = "pool-12",
                                   .proxy = "[::1]:99",
                                   .epoch = UINT32_MAX,
                                   .lease_ms = 1234};
    memset(in.invocation, 0xAB, sizeof(in.invocation));
    memset(in.key, 0xCD, sizeof(in.key));
    struct ic_buf text;
    ic_buf_init(&text);
    assert_int_equal(ic_invoke_payload_encode(&in, &text), 0);
    struct ic_payload out;
    assert_int_equal(ic_payload_decode(ic_buf_slice(&text), &out), 0);
    assert_int_equal(out.kind, IC_PAYLOAD_SERVE);
    assert_string_equal(out.function, "pool-12");
    assert_string_equal(out.proxy_host, "::1");
    assert_int_equal(out.proxy_port, 99);
    assert_memory_equal(out.invocation, in.invocation, sizeof(in.invocation));
    assert_memory_equal(out.key, in.key, sizeof(in.key));
    assert_int_equal(out.epoch, UINT32_MAX);
    assert_int_equal(out.lease_ms, 1234);
    assert_false(out.peer);
    in.kind = "peer";
    text.len = 0;
    assert_int_equal(ic_invoke_payload_encode(&in, &text), 0);
    assert_int_equal(ic_payload_decode(ic_buf_slice(&text), &out), 0);
    assert_int_equal(out.kind, IC_PAYLOAD_SERVE);
    assert_true(out.peer);

    static const uint8_t instance[IC_INSTANCE_ID_BYTES] = "0123456789abcde";
    struct ic_chunks *chunks = ic_chunks_new(IC_NODE_MEMORY_MIN, instance);
    assert_non_null(chunks);
    text.len = 0;
    assert_int_equal(ic_payload_response(chunks, true, &text), 0);
    struct ic_invoke_reply reply;
    assert_int_equal(ic_invoke_reply_decode(ic_buf_slice(&text), &reply), 0);
    assert_memory_equal(reply.instance, instance, sizeof(instance));
    assert_int_equal(reply.capacity, ic_chunks_capacity(chunks));
    assert_int_equal(reply.held, 0);
    assert_true(reply.served);
    ic_chunks_free(chunks);
    ic_buf_deinit(&text);
}

static void foreign(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{}",
        "{",
        "[]",
        "null",
        "\"infinicache\"",
        "{\"kind\":\"serve\"}",
        "{\"a\":{\"infinicache\":1}}",
        "{\"a\":[1,{\"b\":\"]}\\\"\"}],\"c\":null,\"d\":-1.5e3}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":\"x",
        "{\"a\":\"x\\",
        "{\"a\":[",
        "{\"a\":[\"",
        "{\"a\":1,}",
        "{\"a\":?,\"infinicache\":1}",
        "{a:1}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(decode(texts[i], 0).kind, IC_PAYLOAD_FOREIGN);
    }
    char deep[400] = "{\"a\":";
    memset(deep + 5, '[', 100);
    strcpy(deep + 105, ",\"infinicache\":1}");
    assert_int_equal(decode(deep, 0).kind, IC_PAYLOAD_FOREIGN);
}

static void warm(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"infinicache\":1,\"kind\":\"warm\"}", 0).kind, IC_PAYLOAD_WARM);
    assert_int_equal(
        decode(" { \"x\" : [ ] ,\n\"kind\"\t: \"warm\" , \"infinicache\" : 1 } ", 0).kind,
        IC_PAYLOAD_WARM);
}

/* Every field of a serve is needed, and looked at. */
static void bad_fields(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"\"infinicache\":1", "\"infinicache\":2"},
        {"\"serve\"", "\"dance\""},
        {"\"kind\"", "\"kinds\""},
        {"\"f-0\"", "\"\""},
        {"\"f-0\"", "\"f\\u0030\""},
        {"\"function\"", "\"Function\""},
        {HEX16 "\",\"proxy\"", "00\",\"proxy\""},
        {"0f\",\"proxy\"", "0G\",\"proxy\""},
        {"127.0.0.1:6380", "127.0.0.1"},
        {"127.0.0.1:6380", ":6380"},
        {"127.0.0.1:6380", "127.0.0.1:"},
        {"127.0.0.1:6380", "127.0.0.1:0"},
        {"127.0.0.1:6380", "127.0.0.1:65536"},
        {"127.0.0.1:6380",
         "1234567890123456789012345678901234567890123456789012345678901234567890:1"},
        {"\"proxy\"", "\"prox\""},
        {"\"key\"", "\"kex\""},
        {"\"epoch\":7", "\"epoch\":4294967296"},
        {"\"epoch\":7", "\"epoch\":-1"},
        {"\"epoch\":7", "\"epoch\":[7]"},
        {"\"lease_ms\":500", "\"lease_ms\":1.5"},
        {"\"lease_ms\":500", "\"lease\":500"},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        char text[600];
        const char *at = strstr(SERVE, changes[i][0]);
        assert_non_null(at);
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - SERVE), SERVE, changes[i][1],
                 at + strlen(changes[i][0]));
        decode(text, IC_EINVAL);
    }
    decode("{\"infinicache\":1}", IC_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(serve), leak_test(other_side), leak_test(foreign),
        leak_test(warm),  leak_test(bad_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
