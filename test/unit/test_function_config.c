/*
 * test_function_config.c - settings from requests: defaults, changes, refusals, and a
 * configuration that is read back. What each refusal says is seen by the integration tests.
 */
#include "platform/local/function_config.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static const char good[] =
    "{\"Role\": \"arn:aws:iam::000000000000:role/r\", \"Runtime\": \"provided.al2023\","
    " \"Handler\": \"bootstrap\", \"MemorySize\": 256,"
    " \"Environment\": {\"Variables\": {\"AB\": \"c\"}}, \"VpcConfig\": {\"SubnetIds\": []},"
    " \"DeadLetterConfig\": {\"TargetArn\": \"\"}, \"Layers\": []}";

static json_t *fresh(void)
{
    json_t *config = ic_function_config_new("f", "arn:f");
    assert_non_null(config);
    return config;
}

/* Applies TEXT; 0 or the type of the error. */
static enum ic_api_error_type apply(json_t *config, const char *text, bool create)
{
    struct ic_api_error error = {0};
    json_t *request = json_loads(text, 0, NULL);
    assert_non_null(request);
    int result = ic_function_config_apply(config, request, create, &error);
    json_decref(request);
    assert_int_equal(result == 0, error.type == IC_API_OK);
    assert_int_equal(error.type == IC_API_OK, error.message[0] == '\0');
    return error.type;
}

static void test_create_and_read(void **state)
{
    (void)state;
    struct ic_function_settings settings;
    json_t *config = fresh();
    assert_int_equal(IC_API_OK, apply(config, good, true));
    ic_function_config_read(config, &settings);
    assert_int_equal(settings.memory_mb, 256);
    assert_int_equal(settings.timeout_s, 3);
    assert_string_equal(settings.handler, "bootstrap");
    assert_string_equal(json_string_value(json_object_get(settings.variables, "AB")), "c");
    assert_false(ic_function_config_sane(config)); /* no code, no revision */
    json_object_set_new(config, "CodeSha256", json_string("x"));
    json_object_set_new(config, "RevisionId", json_string("y"));
    assert_true(ic_function_config_sane(config));
    json_object_set_new(config, "MemorySize", json_integer(1));
    assert_false(ic_function_config_sane(config));
    json_decref(config);
}

static void test_update(void **state)
{
    (void)state;
    struct ic_function_settings settings;
    json_t *config = fresh();
    assert_int_equal(IC_API_OK, apply(config, good, true));
    assert_int_equal(IC_API_OK, apply(config, "{\"Timeout\": 900, \"Unknown\": [1]}", false));
    assert_int_equal(IC_API_OK, apply(config, "{\"Environment\": {\"Variables\": {}}}", false));
    ic_function_config_read(config, &settings);
    assert_int_equal(settings.timeout_s, 900);
    assert_int_equal(settings.memory_mb, 256);
    assert_null(settings.variables);
    assert_int_equal(IC_API_OK, apply(config, "{\"LoggingConfig\": {\"LogGroup\": \"g\"}}", false));
    assert_int_equal(IC_API_OK, apply(config, "{\"EphemeralStorage\": {\"Size\": 512}}", false));
    assert_int_equal(IC_API_OK,
                     apply(config, "{\"TracingConfig\": {\"Mode\": \"Active\"}}", false));
    assert_int_equal(IC_API_OK, apply(config, "{\"SnapStart\": {\"ApplyOn\": \"None\"}}", false));
    json_decref(config);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ic_api_error_type type;
    } cases[] = {
        {"{\"Timeout\": 0}", IC_API_ValidationException},
        {"{\"Timeout\": \"1\"}", IC_API_InvalidRequestContentException},
        {"{\"MemorySize\": 10241}", IC_API_ValidationException},
        {"{\"Handler\": \"\"}", IC_API_ValidationException},
        {"{\"Handler\": 1}", IC_API_InvalidRequestContentException},
        {"{\"Role\": \"x\"}", IC_API_ValidationException},
        {"{\"Runtime\": \"java\"}", IC_API_InvalidParameterValueException},
        {"{\"Runtime\": 1}", IC_API_InvalidRequestContentException},
        {"{\"KMSKeyArn\": \"k\"}", IC_API_InvalidParameterValueException},
        {"{\"ImageConfig\": {\"Command\": [\"x\"]}}", IC_API_InvalidParameterValueException},
        {"{\"Layers\": 7}", IC_API_InvalidParameterValueException},
        {"{\"EphemeralStorage\": {}}", IC_API_InvalidRequestContentException},
        {"{\"TracingConfig\": {}}", IC_API_ValidationException},
        {"{\"LoggingConfig\": {\"LogGroup\": \"a b\"}}", IC_API_ValidationException},
        {"{\"Environment\": {\"Variables\": []}}", IC_API_InvalidRequestContentException},
        {"{\"Environment\": {\"Variables\": {\"A\": \"x\"}}}", IC_API_ValidationException},
        {"{\"Environment\": {\"Variables\": {\"_HANDLER\": \"x\"}}}", IC_API_ValidationException},
        {"{\"Architectures\": [1]}", IC_API_ValidationException},
    };
    json_t *config = fresh();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (apply(config, cases[i].text, false) != cases[i].type) {
            fail_msg("%s", cases[i].text);
        }
    }
    assert_int_equal(IC_API_ValidationException, apply(config, "{}", true));
    json_decref(config);
}

static void test_tags(void **state)
{
    (void)state;
    struct ic_api_error error = {0};
    json_t *tags = json_pack("{s:s}", "a", "");
    assert_int_equal(0, ic_tags_check(tags, &error));
    for (int i = 0; i < IC_TAGS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        json_object_set_new(tags, name, json_string("x"));
    }
    assert_int_equal(IC_EINVAL, ic_tags_check(tags, &error));
    assert_int_equal(error.type, IC_API_InvalidParameterValueException);
    json_decref(tags);
}

/* The first error stays, in printable ASCII, and its JSON says whose fault it is. */
static void test_error_body(void **state)
{
    (void)state;
    struct ic_api_error error = {.reason = "Why"};
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(IC_EINVAL,
                     ic_api_fail(&error, IC_API_TooManyRequestsException, "a\"\n\xff%d", 7));
    assert_int_equal(IC_EINVAL, ic_api_fail(&error, IC_API_ServiceException, "later"));
    assert_int_equal(429, ic_api_error_status(error.type));
    assert_int_equal(0, ic_api_error_body(&error, &out));
    assert_true(ic_slice_equal(
        ic_buf_slice(&out),
        ic_slice_str("{\"Reason\":\"Why\",\"Type\":\"User\",\"message\":\"a\\\"??7\"}")));
    assert_int_equal(IC_API_InvalidSignatureException,
                     ic_api_error_find("InvalidSignatureException"));
    assert_int_equal(IC_API_ServiceException, ic_api_error_find("No such"));
    ic_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_create_and_read), leak_test(test_update),
        leak_test(test_refusals),        leak_test(test_tags),
        leak_test(test_error_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
