/*
 * test_environment.c - an instance's variables: Lambda's, the function's, none of ours.
 */
#include "platform/local/environment.h"

#include "unit/unit.h"

#include <stdlib.h>

static const struct ic_function_variable variables[] = {
    {"GREETING", "a=b c"}, {"TZ", "CET"}, {"AWS_REGION", "mars-1"}, {"_HANDLER", "forged"}};

static const struct ic_function_spec spec = {
    .name = "fn",
    .arn = "arn",
    .version = "$LATEST",
    .code_dir = "/code/abc",
    .handler = "h",
    .memory_mb = 256,
    .variables = variables,
    .variable_count = 4,
};
static const struct ic_environment_facts facts = {
    .spec = &spec,
    .region = "us-east-1",
    .instance = "00112233445566778899aabbccddeeff",
    .runtime_api = "127.1.2.3:4567",
    .wall_ms = 1769860800123,
};

/* How often ENTRY is there. */
static int count(char **environment, const char *entry)
{
    int found = 0;
    for (char **at = environment; *at != NULL; at++) {
        found += strcmp(*at, entry) == 0;
    }
    return found;
}

static void test_contents(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "GREETING=a=b c",
        "TZ=CET",
        "AWS_REGION=us-east-1",
        "AWS_DEFAULT_REGION=us-east-1",
        "_HANDLER=h",
        "AWS_LAMBDA_FUNCTION_NAME=fn",
        "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
        "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/fn",
        "AWS_LAMBDA_LOG_STREAM_NAME=2026/01/31/[$LATEST]00112233445566778899aabbccddeeff",
        "AWS_LAMBDA_RUNTIME_API=127.1.2.3:4567",
        "LAMBDA_TASK_ROOT=/code/abc",
        "LAMBDA_RUNTIME_DIR=/var/runtime",
        "PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LANG=en_US.UTF-8",
    };
    setenv("SECRET_OF_THE_PLATFORM", "x", 1);
    char **environment = ic_environment_new(&facts);
    assert_non_null(environment);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_int_equal(count(environment, wanted[i]), 1);
    }
    assert_int_equal(count(environment, "TZ=:UTC"), 0);
    for (char **at = environment; *at != NULL; at++) {
        size_t name_len = strcspn(*at, "=");
        assert_int_not_equal(strncmp(*at, "SECRET_OF_THE_PLATFORM", name_len), 0);
        for (char **other = at + 1; *other != NULL; other++) {
            assert_int_not_equal(strncmp(*at, *other, name_len + 1), 0); /* each name once */
        }
    }
    ic_environment_set_runtime_api(environment, "127.255.255.254:65535");
    assert_int_equal(count(environment, "AWS_LAMBDA_RUNTIME_API=127.255.255.254:65535"), 1);
    assert_int_equal(count(environment, wanted[0]), 1);
    ic_free(environment);
}

static void test_without_memory(void **state)
{
    (void)state;
    char **environment = NULL;
    for (uint64_t n = 1; environment == NULL; n++) {
        assert_true(n < 100);
        ic_alloc_fail_at(n);
        environment = ic_environment_new(&facts);
    }
    ic_free(environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_contents), leak_test(test_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
