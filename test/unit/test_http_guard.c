/*
 * test_http_guard.c - which requests are a program's.
 */
#include "net/http_guard.h"

#include "unit.h"

#include <netinet/in.h>
#include <string.h>

enum { HEADERS_MAX = 8 };

/* What the guard says to GET TARGET with these headers: name, value, name, value, NULL. */
static unsigned ask(const char *names, const char *target, bool may_lack_host,
                    const char *const *words)
{
    struct ic_http_header header[HEADERS_MAX];
    struct ic_http_asked q = {.target = target, .header = header, .may_lack_host = may_lack_host};
    char why[IC_HTTP_GUARD_WHY_MAX] = "";
    for (; *words != NULL; words += 2) {
        header[q.header_count++] = (struct ic_http_header){.name = words[0], .value = words[1]};
    }
    unsigned status = ic_http_guard(&q, names, why);
    assert_true((status == 0) == (why[0] == '\0'));
    for (const char *at = why; *at != '\0'; at++) {
        assert_true(*at >= ' ' && *at <= '~' && *at != '"' && *at != '\\'); /* it goes into JSON */
    }
    return status;
}

static unsigned ask_host(const char *names, const char *host)
{
    return ask(names, "/x", false, (const char *const[]){"host", host, NULL});
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "127.0.0.1",  "127.0.0.1:6382", "10.1.2.3:1",    "[::1]",      "[::1]:6381",
        "[fe80::1]:", "localhost",      "LOCALHOST.:80", "127.0.0.1:", "localhost:65535"};
    static const char *const foreign[] = {"evil.example", "evil.example:6382", "localhostx",
                                          "x.localhost",  "127.0.0.1.",        "127.1",
                                          "0x7f000001",   "256.0.0.1",         "a_b-c"};
    static const char *const bad[] = {"",
                                      ":80",
                                      "localhost:65536",
                                      "localhost:1:2",
                                      "localhost:000080",
                                      "[::1",
                                      "[]",
                                      "[::1]x",
                                      "[127.0.0.1]",
                                      "::1",
                                      "a@localhost",
                                      "localhost..",
                                      ".",
                                      "-a",
                                      "a b",
                                      "localhost,x",
                                      "localhost/",
                                      "\"x\"",
                                      "\xc3\xa4",
                                      "[::1]:port",
                                      "localhost:+80",
                                      "local\\host",
                                      "]"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(0, ask_host(NULL, good[i]));
        assert_int_equal(0, ask_host("other", good[i]));
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        assert_int_equal(403, ask_host(NULL, foreign[i]));
        assert_int_equal(403, ask_host("evil,example", foreign[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(400, ask_host("a", bad[i]));
    }
}

static void test_long_names(void **state)
{
    (void)state;
    char name[1000];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(400, ask_host(NULL, name));
    name[IC_HTTP_NAME_MAX] = '\0';
    assert_int_equal(403, ask_host(NULL, name));
    assert_int_equal(0, ask_host(name, name));
}

static void test_names(void **state)
{
    (void)state;
    static const char names[] = "cache.internal,Second.,127.1";
    static const char *const good[] = {"cache.internal", "CACHE.INTERNAL.:1", "second", "second.",
                                       "127.1",          "localhost"};
    static const char *const foreign[] = {"internal",        "cache",    "cache.interna",
                                          "cache.internals", "x.second", "127"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(0, ask_host(names, good[i]));
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        assert_int_equal(403, ask_host(names, foreign[i]));
    }
}

static void test_names_that_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a", "a.", "a,b", "a_b.c-d,127.1", "localhost"};
    static const char *const bad[] = {",",   "a,",  ",a",       "a,,b", "*", "*.a",
                                      "a:1", "a b", "http://a", "a..b", ".", "-a,b"};
    char why[IC_HTTP_GUARD_WHY_MAX];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(0, ic_http_names_check(good[i], why));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(IC_EINVAL, ic_http_names_check(bad[i], why));
        assert_ptr_equal(why, strstr(why, "http-hosts"));
    }
}

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *words[HEADERS_MAX];
    } cases[] = {
        {0, {"Host", "localhost", "Accept", "*/*"}},
        {0, {"Host", "localhost", "SEC-FETCH-SITE", "none", "Sec-Fetch-Mode", "navigate"}},
        {403, {"Host", "localhost", "origin", "null"}},
        {403, {"Origin", "", "Host", "localhost"}},
        {403, {"Host", "localhost", "Sec-Fetch-Site", "same-origin"}},
        {403, {"Host", "localhost", "Sec-Fetch-Site", ""}},
        {403, {"Host", "localhost", "Sec-Fetch-Site", "none", "sec-fetch-site", "cross-site"}},
        {403, {"Host", "localhost", "Sec-Fetch-Mode", "no-cors"}},
        {400, {"Host", "localhost", "host", "localhost"}},
        {400, {"Host", "localhost", "HOST", "evil.example", "Origin", "x"}},
        {400, {"Accept", "x"}},
        {400, {NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(cases[i].status, ask(NULL, "/x", false, cases[i].words));
    }
    assert_int_equal(0, ask(NULL, "/", true, (const char *const[]){NULL}));
    assert_int_equal(403, ask(NULL, "/", true, (const char *const[]){"Host", "evil", NULL}));
    assert_int_equal(403, ask(NULL, "/", true, (const char *const[]){"Origin", "null", NULL}));
}

static void test_targets(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "*", "x", "http://localhost/", "localhost:80"};
    const char *const host[] = {"Host", "localhost", NULL};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(400, ask(NULL, bad[i], false, host));
    }
    assert_int_equal(0, ask(NULL, "//x", false, host));
}

static void test_loopback(void **state)
{
    (void)state;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f123456)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    assert_true(ic_http_address_is_loopback((struct sockaddr *)&v4));
    assert_true(ic_http_address_is_loopback((struct sockaddr *)&v6));
    v4.sin_addr.s_addr = htonl(0x80000001);
    v6.sin6_addr = in6addr_any;
    assert_false(ic_http_address_is_loopback((struct sockaddr *)&v4));
    assert_false(ic_http_address_is_loopback((struct sockaddr *)&v6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),    cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_names_that_are_checked),
        cmocka_unit_test(test_headers),  cmocka_unit_test(test_targets),
        cmocka_unit_test(test_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
