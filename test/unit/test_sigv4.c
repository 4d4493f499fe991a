/*
 * test_sigv4.c - AWS's published vectors, then what must be refused and how.
 */
#define _GNU_SOURCE /* memmem */
#include "platform/local/sigv4.h"

#include "base/alloc.h"

#include "unit/sigv4_vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { HEADERS_MAX = 16 };
static const int64_t suite_now_s = 1440938160; /* 2015-08-30T12:36:00Z */
static const struct ic_sigv4_keys suite_keys = {
    .key_id = "AKIDEXAMPLE",
    .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    .region = "us-east-1",
    .service = "service",
};

struct parsed {
    char *text;
    struct ic_sigv4_header header[HEADERS_MAX];
    struct ic_sigv4_request r;
};

static void parse_first_line(struct parsed *p, char *line)
{
    char *target = strchr(line, ' ');
    char *version = strstr(line, " HTTP/1.1");
    assert_non_null(target);
    assert_non_null(version);
    *target++ = '\0';
    *version = '\0';
    char *mark = strchr(target, '?');
    if (mark != NULL) {
        *mark = '\0';
    }
    p->r.method = ic_slice_str(line);
    p->r.path = ic_slice_str(target);
    p->r.query = ic_slice_str(mark == NULL ? "" : mark + 1);
}

/* A header line, or the continuation of the one before. */
static void parse_header_line(struct parsed *p, char *line, size_t len)
{
    if (line[0] == ' ') {
        struct ic_slice *value = &p->header[p->r.header_count - 1].value;
        value->len = (size_t)(line + len - (const char *)value->data);
        return;
    }
    char *colon = memchr(line, ':', len);
    assert_non_null(colon);
    assert_true(p->r.header_count < HEADERS_MAX);
    p->header[p->r.header_count++] = (struct ic_sigv4_header){
        .name = ic_slice(line, (size_t)(colon - line)),
        .value = ic_slice(colon + 1, len - (size_t)(colon + 1 - line)),
    };
}

static void parse_request(struct parsed *p, const char *text)
{
    memset(p, 0, sizeof *p);
    p->text = strdup(text);
    p->r.header = p->header;
    char *line = p->text;
    for (bool first = true;; first = false) {
        char *end = strchr(line, '\n');
        size_t len = end == NULL ? strlen(line) : (size_t)(end - line);
        if (len == 0) {
            break;
        }
        if (first) {
            *end = '\0';
            parse_first_line(p, line);
        } else {
            parse_header_line(p, line, len);
        }
        if (end == NULL) {
            return;
        }
        line = end + 1;
    }
    p->r.body = ic_slice_str(*line == '\n' ? line + 1 : line);
}

static struct ic_slice signed_headers_of(const struct parsed *p)
{
    for (size_t i = 0; i < p->r.header_count; i++) {
        struct ic_slice value = p->header[i].value;
        if (ic_slice_equal_nocase(p->header[i].name, "authorization")) {
            const char *from = memmem(value.data, value.len, "SignedHeaders=", 14);
            assert_non_null(from);
            return ic_slice(from + 14, strcspn(from + 14, ","));
        }
    }
    fail();
    return ic_slice(NULL, 0);
}

static void check_vector(const struct sigv4_vector *v)
{
    struct parsed p;
    struct ic_buf canonical;
    char signature[65], why[IC_SIGV4_WHY_MAX];
    ic_buf_init(&canonical);
    parse_request(&p, v->request);
    assert_int_equal(0, ic_sigv4_canonical(&p.r, signed_headers_of(&p), &canonical));
    if (!ic_slice_equal(ic_buf_slice(&canonical), ic_slice_str(v->canonical))) {
        fail_msg("%s:\n%.*s\nexpected\n%s", v->name, (int)canonical.len, canonical.data,
                 v->canonical);
    }
    assert_int_equal(0, ic_sigv4_sign(&suite_keys, ic_slice_str("20150830T123600Z"),
                                      ic_buf_slice(&canonical), signature));
    assert_string_equal(signature, v->signature);
    assert_int_equal(IC_SIGV4_OK, ic_sigv4_verify(&p.r, &suite_keys, suite_now_s, why));
    /* The same signature does not fit another method or one byte more of body. */
    p.r.method = ic_slice_str("PATCH");
    assert_int_equal(IC_SIGV4_INVALID, ic_sigv4_verify(&p.r, &suite_keys, suite_now_s, why));
    free(p.text);
    parse_request(&p, v->request);
    p.r.body = ic_slice_str("another body");
    assert_int_equal(IC_SIGV4_INVALID, ic_sigv4_verify(&p.r, &suite_keys, suite_now_s, why));
    free(p.text);
    ic_buf_deinit(&canonical);
}

static void test_published_vectors(void **state)
{
    (void)state;
    size_t count = sizeof sigv4_vectors / sizeof sigv4_vectors[0];
    assert_true(count > 30);
    for (size_t i = 0; i < count; i++) {
        check_vector(&sigv4_vectors[i]);
    }
    assert_int_equal(0, ic_alloc_live());
}

/* Judges the plain GET with this Authorization and date. */
static enum ic_sigv4_verdict judge(const char *authorization, const char *date, int64_t now_s,
                                   char *why)
{
    struct ic_sigv4_header header[] = {
        {ic_slice_str("Host"), ic_slice_str("example.amazonaws.com")},
        {ic_slice_str("X-Amz-Date"), ic_slice_str(date)},
        {ic_slice_str("Authorization"), ic_slice_str(authorization)},
    };
    struct ic_sigv4_request r = {.method = ic_slice_str("GET"),
                                 .path = ic_slice_str("/"),
                                 .query = ic_slice_str(""),
                                 .header = header,
                                 .header_count = 3};
    return ic_sigv4_verify(&r, &suite_keys, now_s, why);
}

#define SCOPE "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
#define TAIL                                                                                       \
    ", SignedHeaders=host;x-amz-date, Signature="                                                  \
    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
#define GOOD "AWS4-HMAC-SHA256 Credential=" SCOPE TAIL
#define DATE "20150830T123600Z"

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *authorization, *date;
        int64_t skew_s;
        enum ic_sigv4_verdict verdict;
        const char *message;
    } cases[] = {
        {GOOD, DATE, 0, IC_SIGV4_OK, ""},
        {GOOD, DATE, 300, IC_SIGV4_OK, ""},
        {GOOD, DATE, -300, IC_SIGV4_OK, ""},
        {GOOD, DATE, 301, IC_SIGV4_INVALID,
         "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z "
         "(20150830T124101Z - 5 min.)"},
        {GOOD, DATE, -301, IC_SIGV4_INVALID, "Signature not yet current: 20150830T123600Z"},
        {"", DATE, 0, IC_SIGV4_MISSING, "Missing Authentication Token"},
        {"Bearer abc", DATE, 0, IC_SIGV4_INCOMPLETE, "Unsupported AWS 'algorithm': 'Bearer'"},
        {"AWS4-HMAC-SHA256", DATE, 0, IC_SIGV4_INCOMPLETE,
         "requires 'Credential' parameter. Authorization header requires 'Signature'"},
        {"AWS4-HMAC-SHA256 nonsense", DATE, 0, IC_SIGV4_INCOMPLETE, "'nonsense' not a valid key="},
        {"AWS4-HMAC-SHA256 Credential=a/b/c" TAIL, DATE, 0, IC_SIGV4_INCOMPLETE,
         "Credential must have exactly 5 slash-delimited"},
        {GOOD, "", 0, IC_SIGV4_INCOMPLETE, "existence of either a 'X-Amz-Date' or"},
        {GOOD, "2015-08-30", 0, IC_SIGV4_INVALID, "Date must be in ISO-8601"},
        {GOOD, "20150830T12360xZ", 0, IC_SIGV4_INVALID, "Date must be in ISO-8601"},
        {"AWS4-HMAC-SHA256 Credential=OTHER/20150830/us-east-1/service/aws4_request" TAIL, DATE, 0,
         IC_SIGV4_UNKNOWN, "The security token included in the request is invalid."},
        {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-9/service/aws4_request" TAIL,
         DATE, 0, IC_SIGV4_INVALID, "scoped to a valid region, not 'eu-west-9'"},
        {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/s3/aws4_request" TAIL, DATE, 0,
         IC_SIGV4_INVALID, "scoped to correct service: 'service'"},
        {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws3_request" TAIL,
         DATE, 0, IC_SIGV4_INVALID, "valid terminator"},
        {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150829/us-east-1/service/aws4_request" TAIL,
         DATE, 0, IC_SIGV4_INVALID, "Date in Credential scope does not match"},
        {"AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=x-amz-date, Signature=00", DATE, 0,
         IC_SIGV4_INVALID, "'Host' or ':authority' must be"},
        {"AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=host;x-absent, Signature=00", DATE,
         0, IC_SIGV4_INVALID, "The request signature we calculated does not match"},
        {"AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=host;x-amz-date, Signature="
         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf30",
         DATE, 0, IC_SIGV4_INVALID, "The request signature we calculated does not match"},
    };
    char why[IC_SIGV4_WHY_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum ic_sigv4_verdict verdict =
            judge(cases[i].authorization, cases[i].date, suite_now_s + cases[i].skew_s, why);
        if (verdict != cases[i].verdict || strstr(why, cases[i].message) == NULL) {
            fail_msg("case %zu: verdict %d, %s", i, (int)verdict, why);
        }
        assert_true((ic_sigv4_error_type(verdict) == NULL) == (verdict == IC_SIGV4_OK));
    }
    assert_int_equal(0, ic_alloc_live());
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char why[IC_SIGV4_WHY_MAX];
    enum ic_sigv4_verdict verdict;
    uint64_t n = 0;
    do {
        ic_alloc_fail_at(++n);
        verdict = judge(GOOD, DATE, suite_now_s, why);
        assert_true(verdict == IC_SIGV4_OK || verdict == IC_SIGV4_NO_MEMORY);
        assert_int_equal(0, ic_alloc_live());
    } while (verdict != IC_SIGV4_OK);
    ic_alloc_fail_at(0);
    assert_true(n > 2);
}

static void test_too_many_parameters(void **state)
{
    (void)state;
    char query[4 * (IC_SIGV4_QUERY_MAX + 2)] = "";
    for (int i = 0; i <= IC_SIGV4_QUERY_MAX; i++) {
        strcat(query, "a=b&");
    }
    struct ic_sigv4_request r = {
        .method = ic_slice_str("GET"), .path = ic_slice_str("/"), .query = ic_slice_str(query)};
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(IC_EPROTO, ic_sigv4_canonical(&r, ic_slice_str(""), &out));
    r.query = ic_slice_str("a=%4");
    assert_int_equal(IC_EPROTO, ic_sigv4_canonical(&r, ic_slice_str(""), &out));
    ic_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_too_many_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
