/*
 * test_trace_line.c - the three formats as their files have them, and lines that are none.
 */
#include "proto/trace_line.h"

#include "unit/unit.h"

static int read(struct ic_trace_lines *t, const char *line, struct ic_trace_request *r)
{
    return ic_trace_line(t, ic_slice_str(line), r);
}

static bool key_is(const struct ic_trace_request *r, const char *key)
{
    return ic_slice_equal(r->key, ic_slice_str(key));
}

static void test_registry(void **state)
{
    (void)state;
    static struct ic_trace_lines t;
    struct ic_trace_request r;
    memset(&t, 0, sizeof t);
    assert_int_equal(
        read(&t, ",n,http.request.method,http.request.uri,agent,http.response.written,timestamp",
             &r),
        0);
    assert_int_equal(t.format, IC_TRACE_REGISTRY);
    assert_int_equal(
        read(&t, "1,1,GET,v2/a/b/blobs/c,\"x, \"\"y\"\" z\",28540435.0,2017-06-20 00:00:26.626\r",
             &r),
        1);
    assert_int_equal(r.op, IC_TRACE_GET);
    assert_int_equal(r.bytes, 28540435);
    assert_int_equal(r.time_ms, INT64_C(1497916826626));
    assert_true(key_is(&r, "v2/a/b/blobs/c"));
    assert_int_equal(read(&t, "1,1,PUT,\"a,b\",x,7,2017-06-20T00:00:26Z", &r), 1);
    assert_true(key_is(&r, "a,b"));
    assert_int_equal(r.time_ms, INT64_C(1497916826000));
    assert_int_equal(read(&t, "1,1,OPTIONS,k,x,7,2017-06-20 00:00:26", &r), 0);
    assert_int_equal(read(&t, "1,1,GET,k,x,7,yesterday", &r), IC_EPROTO);
    assert_int_equal(read(&t, "1,1,GET,k,x,-7,2017-06-20 00:00:26", &r), IC_EPROTO);
    assert_int_equal(read(&t, "1,1,GET,\"k,x,7,2017-06-20 00:00:26", &r), IC_EPROTO);
    assert_int_equal(read(&t, "1,1", &r), IC_EPROTO);
}

static void test_store(void **state)
{
    (void)state;
    static struct ic_trace_lines t;
    struct ic_trace_request r;
    memset(&t, 0, sizeof t);
    assert_int_equal(read(&t, "1219008 REST.PUT.OBJECT 8d4fcda3d675bac9 1056", &r), 1);
    assert_int_equal(t.format, IC_TRACE_STORE);
    assert_int_equal(r.op, IC_TRACE_PUT);
    assert_int_equal(r.time_ms, 1219008);
    assert_int_equal(r.bytes, 1056);
    assert_int_equal(read(&t, "5 REST.GET.OBJECT k 100 10 19", &r), 1);
    assert_int_equal(r.first, 10);
    assert_int_equal(r.last, 19);
    assert_int_equal(read(&t, "5 REST.HEAD.OBJECT k", &r), 1);
    assert_int_equal(r.op, IC_TRACE_HEAD);
    assert_int_equal(read(&t, "5 REST.GET.BUCKET k", &r), 0);
    assert_int_equal(read(&t, "5 REST.GET.OBJECT k 100 19 10", &r), IC_EPROTO);
    assert_int_equal(read(&t, "5 GET k 100", &r), IC_EPROTO);
}

static void test_plain(void **state)
{
    (void)state;
    static struct ic_trace_lines t;
    struct ic_trace_request r;
    memset(&t, 0, sizeof t);
    assert_int_equal(read(&t, "# a comment", &r), 0);
    assert_int_equal(read(&t, "", &r), 0);
    assert_int_equal(read(&t, "0.5 get key 1000", &r), 1);
    assert_int_equal(t.format, IC_TRACE_PLAIN);
    assert_int_equal(r.time_ms, 500);
    assert_int_equal(read(&t, "1\tDEL\tkey", &r), 1);
    assert_int_equal(r.op, IC_TRACE_DELETE);
    assert_int_equal(read(&t, "1 get key 1 2", &r), IC_EPROTO);
    assert_int_equal(read(&t, "1 frob key 1", &r), IC_EPROTO);
    assert_int_equal(read(&t, "nan get key 1", &r), IC_EPROTO);
}

static void test_no_format(void **state)
{
    (void)state;
    static struct ic_trace_lines t;
    struct ic_trace_request r;
    memset(&t, 0, sizeof t);
    assert_int_equal(read(&t, "hello world", &r), IC_EPROTO);
    assert_int_equal(read(&t, "http.request.uri,timestamp", &r), IC_EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {leak_test(test_registry), leak_test(test_store),
                                       leak_test(test_plain), leak_test(test_no_format)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
