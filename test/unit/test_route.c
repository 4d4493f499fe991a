/*
 * test_route.c - methods and paths to calls.
 */
#include "platform/local/route.h"

#include "unit.h"

#include <stdio.h>

static int find(const char *method, const char *path, struct ic_route *out)
{
    return ic_route_find(ic_slice_str(method), ic_slice_str(path), out);
}

/* Each row of the table finds itself, with and without a slash at the end. */
static void test_every_call(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
#define ROW(call, method, path, ...) {method, path},
        IC_API_CALLS(ROW)
#undef ROW
    };
    char path[128];
    struct ic_route route;
    for (size_t i = 0; i < IC_API_CALL_COUNT; i++) {
        const char *hole = strstr(rows[i][1], "{}");
        size_t head = hole == NULL ? strlen(rows[i][1]) : (size_t)(hole - rows[i][1]);
        for (int slash = 0; slash < 2; slash++) {
            snprintf(path, sizeof path, "%.*s%s%s%s", (int)head, rows[i][1],
                     hole == NULL ? "" : "na%3Ame", hole == NULL ? "" : hole + 2, slash ? "/" : "");
            assert_int_equal(0, find(rows[i][0], path, &route));
            assert_int_equal(route.call, i);
            assert_true(
                ic_slice_equal(route.argument, ic_slice_str(hole == NULL ? "" : "na%3Ame")));
        }
        assert_int_equal(IC_EINVAL, find("BREW", path, &route));
        assert_true(ic_api_success_status(route.call) / 100 == 2);
        assert_int_equal(ic_api_call_is_local(route.call), strncmp(path, "/_local/", 8) == 0);
    }
}

static void test_unknown_paths(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",
        "/",
        "//",
        "x",
        "/2015-03-31",
        "/2015-03-31/function",
        "/2015-03-31/functions/a/b",
        "/2015-03-31/functions//code",
        "/2015-03-31/functions/a/code/b",
        "/_local",
        "/_local/",
        "/2015-03-31/functions/a//code",
        "2015-03-31/functions",
        "/2017-03-31/tags",
    };
    struct ic_route route;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(IC_ENOENT, find("GET", paths[i], &route));
    }
    assert_int_equal(IC_EINVAL, find("PUT", "/2015-03-31/functions/a", &route));
    assert_int_equal(IC_EINVAL, find("get", "/2015-03-31/functions/a", &route));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_every_call),
        leak_test(test_unknown_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
