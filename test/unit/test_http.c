#include "proto/http.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

/* What a response came to: status, body in full, how it ended. */
struct result {
    int last; /* the last event or error */
    int status;
    bool keep_alive;
    unsigned heads, ends;
    char body[4096];
    size_t body_len;
    char type[64];
};

static void take(struct ic_http *h, struct ic_slice in, struct result *out)
{
    do {
        struct ic_slice body, type;
        out->last = ic_http_next(h, &in, &body);
        if (out->last == IC_HTTP_HEAD) {
            out->heads++;
            out->status = h->status;
            out->keep_alive = h->keep_alive;
            if (ic_http_field(h, "Content-Type", &type)) {
                snprintf(out->type, sizeof(out->type), "%.*s", (int)type.len,
                         (const char *)type.data);
            }
        } else if (out->last == IC_HTTP_BODY) {
            assert_true(out->body_len + body.len < sizeof(out->body));
            memcpy(out->body + out->body_len, body.data, body.len);
            out->body_len += body.len;
        } else if (out->last == IC_HTTP_END) {
            out->ends++;
        }
    } while (out->last > 0);
}

/* TEXT in pieces of PIECE bytes (0: whole). */
static struct result read_text(const char *text, size_t piece, int *close_result)
{
    struct ic_http h;
    struct result out = {0};
    size_t len = strlen(text);
    piece = piece == 0 ? len : piece;
    ic_http_init(&h);
    for (size_t at = 0; at < len && out.last >= 0; at += piece) {
        take(&h, ic_slice(text + at, len - at < piece ? len - at : piece), &out);
    }
    int closed = ic_http_close(&h);
    if (close_result != NULL) {
        *close_result = closed;
    }
    ic_http_deinit(&h);
    return out;
}

static void expect(const char *text, int status, const char *body, unsigned responses)
{
    for (size_t piece = 0; piece < 12; piece++) {
        int closed;
        struct result out = read_text(text, piece, &closed);
        assert_int_equal(out.last, IC_HTTP_MORE);
        assert_int_equal(out.heads, responses);
        assert_int_equal(out.ends, responses);
        assert_int_equal(out.status, status);
        assert_int_equal(out.body_len, strlen(body));
        assert_memory_equal(out.body, body, out.body_len);
        assert_int_equal(closed, 0);
    }
}

static void expect_error(const char *text, int error)
{
    for (size_t piece = 0; piece < 12; piece++) {
        assert_int_equal(read_text(text, piece, NULL).last, error);
    }
}

static void with_length(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type:  a/b \r\n\r\nhello", 200, "hello",
           1);
    expect("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", 202, "", 1);
    expect("HTTP/1.1 200\nContent-Length: 1\n\nx", 200, "x", 1);
    expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", 1);
    expect("HTTP/1.1 204 None\r\n\r\n", 204, "", 1);
    expect("HTTP/1.1 304 Same\r\nContent-Length: 10\r\n\r\n", 304, "", 1);
    expect("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
           "HTTP/1.1 201 OK\r\nContent-Length: 3\r\n\r\ntwo",
           201, "onetwo", 2);
    struct result out = read_text(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type:\ta/b \r\n\r\nhello", 3, NULL);
    assert_string_equal(out.type, "a/b");
}

static void chunked(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n",
           200, "hello world", 1);
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
           "A \r\n0123456789\r\n00\r\nTrailer: x\r\nOther: y\r\n\r\n"
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
           200, "0123456789!", 2);
}

static void interim_responses_are_skipped(void **state)
{
    (void)state;
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
           200, "ok", 1);
    char text[1024] = "";
    for (int i = 0; i <= IC_HTTP_INTERIM_MAX; i++) {
        strcat(text, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    expect_error(text, IC_ETOOBIG);
}

static void until_close(void **state)
{
    (void)state;
    int closed;
    struct result out = read_text("HTTP/1.0 200 OK\r\n\r\nall of it", 4, &closed);
    assert_int_equal(closed, IC_HTTP_END);
    assert_int_equal(out.body_len, 9);
    assert_false(out.keep_alive);
    read_text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 0, &closed);
    assert_int_equal(closed, IC_ECLOSED);
    read_text("HTTP/1.1 200 O", 0, &closed);
    assert_int_equal(closed, IC_ECLOSED);
    read_text("HTTP/1.1 100 Continue\r\n\r\n", 0, &closed);
    assert_int_equal(closed, IC_ECLOSED);
}

static void keep_alive(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool keep;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: other\r\n", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "%s\r\n", cases[i].head);
        assert_int_equal(read_text(text, 0, NULL).keep_alive, cases[i].keep);
    }
}

static void malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.x 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1x\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect_error(texts[i], IC_EPROTO);
    }
}

/* BEFORE, then COUNT times REPEATED. */
static void expect_too_big(const char *before, const char *repeated, size_t count)
{
    struct ic_http h;
    struct result out = {0};
    ic_http_init(&h);
    take(&h, ic_slice_str(before), &out);
    assert_int_equal(out.last, IC_HTTP_MORE);
    for (size_t i = 0; i < count && out.last >= 0; i++) {
        take(&h, ic_slice_str(repeated), &out);
    }
    assert_int_equal(out.last, IC_ETOOBIG);
    take(&h, ic_slice_str("x"), &out);
    assert_int_equal(out.last, IC_ETOOBIG); /* stays so */
    assert_int_equal(ic_http_close(&h), IC_ECLOSED);
    ic_http_deinit(&h);
}

static void bounds(void **state)
{
    (void)state;
    static const char chunked_head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    char text[128];
    expect_too_big("HTTP/1.1 200 OK\r\n", "Field: 0123456789\r\n", IC_HTTP_HEAD_MAX / 19 + 1);
    expect_too_big(chunked_head, "000000000000000000", IC_HTTP_LINE_MAX / 18 + 2);
    snprintf(text, sizeof(text), "%s0\r\n", chunked_head);
    expect_too_big(text, "Field: 0123456789\r\n", IC_HTTP_TRAILER_MAX / 19 + 1);
}

static void no_memory(void **state)
{
    (void)state;
    struct ic_http h;
    struct ic_slice in = ic_slice_str("HTTP/1.1 204 None\r\n\r\n"), body;
    ic_http_init(&h);
    ic_alloc_fail_at(1);
    assert_int_equal(ic_http_next(&h, &in, &body), IC_ENOMEM);
    assert_int_equal(ic_http_next(&h, &in, &body), IC_HTTP_HEAD); /* may be tried again */
    ic_http_deinit(&h);
    struct ic_buf out;
    ic_buf_init(&out);
    for (uint64_t n = 1;; n++) {
        ic_alloc_fail_at(n);
        int result = ic_http_request(&out, "POST", "h", "/p", "a/b", ic_slice_str("body"));
        if (result >= 0) {
            break;
        }
        assert_int_equal(result, IC_ENOMEM);
        assert_int_equal(out.len, 0);
    }
    ic_buf_deinit(&out);
}

static void requests(void **state)
{
    (void)state;
    struct ic_buf out;
    ic_buf_init(&out);
    assert_int_equal(ic_http_request(&out, "GET", "h:1", "/a", NULL, ic_slice(NULL, 0)), 0);
    static const char get[] = "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n";
    assert_int_equal(out.len, strlen(get));
    assert_memory_equal(out.data, get, out.len);
    out.len = 0;
    assert_int_equal(ic_http_request(&out, "POST", "h", "/b", "a/b", ic_slice_str("{}")), 0);
    static const char post[] =
        "POST /b HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\n{}";
    assert_int_equal(out.len, strlen(post));
    assert_memory_equal(out.data, post, out.len);
    ic_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(with_length), leak_test(chunked),    leak_test(interim_responses_are_skipped),
        leak_test(until_close), leak_test(keep_alive), leak_test(malformed),
        leak_test(bounds),      leak_test(no_memory),  leak_test(requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
