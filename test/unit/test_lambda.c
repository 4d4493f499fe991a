/*
 * test_lambda.c - the client against an HTTP server in the same loop: requests are signed as the
 * platform's own verifier wants it, replies and failures are told apart.
 */
#include "platform/lambda.h"

#include "base/base64.h"
#include "base/clock.h"
#include "net/http_server.h"
#include "net/net.h"
#include "platform/local/sigv4.h"
#include "unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEADLINE_MS = 10000, HEADERS_MAX = 64, STEP_MS = 5 };

struct world {
    struct ic_loop *loop;
    struct ic_http_server *server;
    struct ic_lambda *lambda;
    struct ic_timer deadline;
    struct ic_sigv4_keys keys;
    bool late;
    /* what the server is told to answer */
    unsigned status;
    const char *body, *error_type, *function_error, *log;
    bool drop, hold;
    struct ic_http_request *held;
    /* what it saw */
    char method[16], path[256], query[256];
    struct ic_buf seen;
    enum ic_sigv4_verdict verdict;
    uint32_t requests;
    /* what the caller was told */
    struct ic_lambda_reply reply;
    struct ic_buf reply_body;
    uint32_t dones;
};

/* ---- the server ---- */

static void verify(struct world *w, const struct ic_http_request *r)
{
    const struct ic_http_header *header;
    struct ic_sigv4_header signed_header[HEADERS_MAX];
    size_t count = ic_http_headers(r, &header);
    assert_true(count <= HEADERS_MAX);
    for (size_t i = 0; i < count; i++) {
        signed_header[i] = (struct ic_sigv4_header){.name = ic_slice_str(header[i].name),
                                                    .value = ic_slice_str(header[i].value)};
    }
    struct ic_sigv4_request request = {.method = ic_slice_str(ic_http_method(r)),
                                       .path = ic_http_path(r),
                                       .query = ic_http_query(r),
                                       .header = signed_header,
                                       .header_count = count,
                                       .body = ic_http_body(r)};
    char why[IC_SIGV4_WHY_MAX];
    w->verdict = ic_sigv4_verify(&request, &w->keys, ic_clock_wall_ms() / 1000, why);
}

static void copy(char *out, size_t size, struct ic_slice text)
{
    snprintf(out, size, "%.*s", (int)text.len, (const char *)text.data);
}

static void on_request(void *ctx, struct ic_http_request *r)
{
    struct world *w = ctx;
    w->requests++;
    verify(w, r);
    copy(w->method, sizeof w->method, ic_slice_str(ic_http_method(r)));
    copy(w->path, sizeof w->path, ic_http_path(r));
    copy(w->query, sizeof w->query, ic_http_query(r));
    w->seen.len = 0;
    assert_int_equal(ic_buf_append_slice(&w->seen, ic_http_body(r)), 0);
    if (w->drop) {
        ic_http_drop(r);
        return;
    }
    if (w->hold) {
        w->held = r;
        return;
    }
    struct ic_buf coded;
    ic_buf_init(&coded);
    struct ic_http_header header[3];
    size_t count = 0;
    if (w->error_type != NULL) {
        header[count++] = (struct ic_http_header){"x-amzn-ErrorType", w->error_type};
    }
    if (w->function_error != NULL) {
        header[count++] = (struct ic_http_header){"X-Amz-Function-Error", w->function_error};
    }
    if (w->log != NULL) {
        assert_int_equal(ic_base64_encode(ic_slice_str(w->log), &coded), 0);
        assert_int_equal(ic_buf_append(&coded, "", 1), 0);
        header[count++] = (struct ic_http_header){"X-Amz-Log-Result", (char *)coded.data};
    }
    struct ic_buf *body = ic_buf_new(1);
    assert_int_equal(ic_buf_append_str(body, w->body), 0);
    ic_http_reply(r, w->status, header, count, body);
    ic_buf_deinit(&coded);
}

static size_t body_max(void *ctx, const struct ic_http_request *r)
{
    (void)ctx;
    (void)r;
    return 8 << 20;
}

/* ---- the caller ---- */

static void on_done(void *ctx, const struct ic_lambda_reply *reply)
{
    struct world *w = ctx;
    w->reply = *reply;
    w->reply_body.len = 0;
    assert_int_equal(ic_buf_append_slice(&w->reply_body, reply->body), 0);
    w->dones++;
    ic_loop_stop(w->loop);
}

static void on_late(void *ctx)
{
    ((struct world *)ctx)->late = true;
    ic_loop_stop(((struct world *)ctx)->loop);
}

static void wait_done(struct world *w)
{
    uint32_t before = w->dones;
    ic_timer_start(&w->deadline, DEADLINE_MS);
    ic_loop_run(w->loop);
    ic_timer_stop(&w->deadline);
    assert_false(w->late);
    assert_int_equal(w->dones, before + 1);
}

static void open_at(struct world *w, const char *endpoint)
{
    struct ic_lambda_settings settings = {.endpoint = endpoint, .region = "eu-west-1"};
    char why[IC_LAMBDA_WHY_MAX];
    assert_int_equal(ic_lambda_new(w->loop, &settings, &w->lambda, why), 0);
}

static void open_world(struct world *w)
{
    *w = (struct world){.status = 200, .body = "{}"};
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "sec/ret+key", 1);
    unsetenv("AWS_SESSION_TOKEN");
    w->keys = (struct ic_sigv4_keys){.key_id = "AKIDEXAMPLE",
                                     .secret = "sec/ret+key",
                                     .region = "eu-west-1",
                                     .service = "lambda"};
    w->loop = ic_loop_new();
    ic_timer_init(&w->deadline, w->loop, on_late, w);
    struct ic_http_options options = {.host = "127.0.0.1",
                                      .body_max = body_max,
                                      .handle = on_request,
                                      .ctx = w,
                                      .connections_max = 16};
    assert_int_equal(ic_http_server_new(w->loop, &options, &w->server), 0);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/", ic_http_server_port(w->server));
    open_at(w, endpoint);
    ic_buf_init(&w->seen);
    ic_buf_init(&w->reply_body);
}

static void close_world(struct world *w)
{
    ic_lambda_free(w->lambda);
    ic_http_server_free(w->server);
    if (w->held != NULL) {
        ic_http_drop(w->held);
    }
    ic_loop_free(w->loop);
    ic_buf_deinit(&w->seen);
    ic_buf_deinit(&w->reply_body);
}

static void invoke(struct world *w, uint64_t timeout_ms)
{
    assert_int_equal(
        ic_lambda_invoke(w->lambda, "f-1", ic_slice_str("{\"a\":1}"), timeout_ms, on_done, w, NULL),
        0);
    wait_done(w);
}

/* ---- tests ---- */

static void invokes(void **s)
{
    (void)s;
    struct world w;
    open_world(&w);
    w.body = "{\"answer\":42}";
    w.log = "END\nREPORT RequestId: 1\tDuration: 1.2 ms\tBilled Duration: 2 ms\tMemory Size: 128 "
            "MB\t\n";
    for (int i = 0; i < 3; i++) {
        invoke(&w, 5000);
        assert_int_equal(w.verdict, IC_SIGV4_OK);
        assert_int_equal(w.reply.error, 0);
        assert_int_equal(w.reply.status, 200);
        assert_true(w.reply.reported);
        assert_int_equal(w.reply.report.billed_ms, 2);
        assert_false(w.reply.function_error);
        assert_true(ic_slice_equal(ic_buf_slice(&w.reply_body), ic_slice_str(w.body)));
        assert_true(ic_slice_equal(ic_buf_slice(&w.seen), ic_slice_str("{\"a\":1}")));
    }
    assert_string_equal(w.method, "POST");
    assert_string_equal(w.path, "/2015-03-31/functions/f-1/invocations");
    assert_int_equal(ic_http_server_connections(w.server), 1); /* kept alive */
    close_world(&w);
}

static void function_error(void **s)
{
    (void)s;
    struct world w;
    open_world(&w);
    w.function_error = "Unhandled";
    w.body = "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"killed\"}";
    invoke(&w, 5000);
    assert_int_equal(w.reply.error, 0);
    assert_true(w.reply.function_error);
    assert_string_equal(w.reply.why.type, "Runtime.ExitError");
    assert_false(w.reply.reported);
    close_world(&w);
}

static void statuses(void **s)
{
    (void)s;
    static const struct {
        unsigned status;
        int error;
    } cases[] = {{400, IC_EINVAL}, {403, IC_EAUTH}, {409, IC_EEXIST},  {429, IC_ETHROTTLED},
                 {500, IC_EIO},    {503, IC_EIO},   {504, IC_ETIMEOUT}};
    struct world w;
    open_world(&w);
    w.body = "{\"Type\":\"User\",\"Message\":\"because\"}";
    w.error_type = "SomeException:http://internal.amazon.com/";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        w.status = cases[i].status;
        invoke(&w, 5000);
        assert_int_equal(w.reply.error, cases[i].error);
        assert_string_equal(w.reply.why.type, "SomeException");
        assert_string_equal(w.reply.why.message, "because");
    }
    close_world(&w);
}

/* Any web server has pages that it does not find: that is no word about functions. */
static void a_404_is_lambdas_or_anybodys(void **s)
{
    (void)s;
    static const struct {
        const char *type, *body;
        int error;
    } cases[] = {
        {"ResourceNotFoundException:http://internal.amazon.com/", "{\"Message\":\"no f\"}",
         IC_ENOENT},
        {"ResourceNotFoundException", "", IC_ENOENT},
        {NULL, "{\"Type\":\"User\",\"Message\":\"no such page\"}", IC_EPROTO},
        {NULL, "<html>Not Found</html>", IC_EPROTO},
        {"UnknownOperationException", "", IC_EPROTO},
    };
    struct world w;
    open_world(&w);
    w.status = 404;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        w.error_type = cases[i].type;
        w.body = cases[i].body;
        invoke(&w, 5000);
        assert_int_equal(w.reply.error, cases[i].error);
    }
    close_world(&w);
}

static void lost_and_late(void **s)
{
    (void)s;
    struct world w;
    open_world(&w);
    w.drop = true;
    invoke(&w, 5000);
    assert_int_equal(w.reply.error, IC_ECLOSED);
    assert_int_equal(w.reply.status, 0);
    assert_true(strlen(w.reply.why.message) > 0);
    w.drop = false;
    w.hold = true;
    invoke(&w, 100);
    assert_int_equal(w.reply.error, IC_ETIMEOUT);
    close_world(&w);
}

/*
 * A server that resets the connection that was kept, while the answer to the second request is
 * waited for. It runs on the loop too: in each of its steps the client has done all it can.
 */
struct resetter {
    struct ic_timer timer;
    int listener, fd;
    enum { ACCEPT_FIRST, ANSWER, READ, RESET, ACCEPT_SECOND, ANSWER_AGAIN, DONE } step;
};

static bool reads_request(const struct resetter *r)
{
    char text[4096];
    return recv(r->fd, text, sizeof text, MSG_DONTWAIT) > 0;
}

static bool answers_request(const struct resetter *r)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    return reads_request(r) && send(r->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) > 0;
}

static bool resets(const struct resetter *r)
{
    const struct linger at_once = {.l_onoff = 1};
    return setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0 &&
           close(r->fd) == 0;
}

static void on_step(void *ctx)
{
    struct resetter *r = ctx;
    bool done = false;
    switch (r->step) {
    case ACCEPT_FIRST:
    case ACCEPT_SECOND:
        r->fd = accept(r->listener, NULL, NULL);
        done = r->fd >= 0;
        break;
    case READ:
        done = reads_request(r);
        break;
    case RESET:
        done = resets(r);
        break;
    case ANSWER:
    case ANSWER_AGAIN:
        done = answers_request(r);
        break;
    case DONE:
        return;
    }
    r->step += done ? 1 : 0;
    ic_timer_start(&r->timer, STEP_MS);
}

/* Opens W's client at it. */
static void open_at_resetter(struct world *w, struct resetter *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    *r = (struct resetter){.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    assert_int_equal(bind(r->listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(r->listener, 4), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&at, &len), 0);
    ic_timer_init(&r->timer, w->loop, on_step, r);
    ic_timer_start(&r->timer, STEP_MS);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", ntohs(at.sin_port));
    open_at(w, endpoint);
}

/* As one would be that was closed a moment earlier. */
static void a_reset_kept_connection_is_replaced(void **s)
{
    (void)s;
    struct world w;
    struct resetter r;
    open_world(&w);
    ic_lambda_free(w.lambda);
    open_at_resetter(&w, &r);
    for (int i = 0; i < 2; i++) {
        invoke(&w, 5000);
        assert_int_equal(w.reply.error, 0);
        assert_int_equal(w.reply.status, 200);
    }
    ic_timer_stop(&r.timer);
    assert_true(r.step >= ANSWER_AGAIN);
    close(r.fd);
    close(r.listener);
    close_world(&w);
}

static void refused_connection(void **s)
{
    (void)s;
    struct world w;
    open_world(&w);
    ic_lambda_free(w.lambda);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", ic_http_server_port(w.server));
    ic_http_server_free(w.server);
    open_at(&w, endpoint);
    invoke(&w, 5000);
    assert_int_equal(w.reply.error, IC_EUNAVAIL); /* it was never sent */
    struct ic_http_options options = {.host = "127.0.0.1", .handle = on_request, .ctx = &w};
    assert_int_equal(ic_http_server_new(w.loop, &options, &w.server), 0);
    close_world(&w);
}

static void cancel_and_free(void **s)
{
    (void)s;
    struct world w;
    open_world(&w);
    struct ic_lambda_call *call;
    assert_int_equal(ic_lambda_invoke(w.lambda, "f", ic_slice_str("{}"), 5000, on_done, &w, &call),
                     0);
    ic_lambda_cancel(call);
    w.hold = true;
    assert_int_equal(ic_lambda_invoke(w.lambda, "f", ic_slice_str("{}"), 5000, on_done, &w, NULL),
                     0); /* under way when the client is freed */
    close_world(&w);
    assert_int_equal(w.dones, 0);
}

static void control_calls(void **s)
{
    (void)s;
    struct world w;
    open_world(&w);
    struct ic_buf zip;
    ic_buf_init(&zip);
    assert_int_equal(ic_buf_reserve(&zip, 1300000), 0);
    memset(zip.data, 7, 1300000);
    zip.len = 1300000; /* more than a megabyte: libcurl asks with Expect first */
    struct ic_lambda_spec spec = {.name = "f-1",
                                  .runtime = "provided.al2023",
                                  .handler = "bootstrap",
                                  .role = "arn:aws:iam::000000000000:role/r",
                                  .description = "",
                                  .memory_mb = 256,
                                  .timeout_s = 300,
                                  .zip = ic_buf_slice(&zip)};
#define CALLED(call, m, p, q)                                                                      \
    assert_int_equal(call, 0);                                                                     \
    wait_done(&w);                                                                                 \
    assert_int_equal(w.verdict, IC_SIGV4_OK);                                                      \
    assert_int_equal(w.reply.error, 0);                                                            \
    assert_string_equal(w.method, m);                                                              \
    assert_string_equal(w.path, "/2015-03-31/functions" p);                                        \
    assert_string_equal(w.query, q)
    w.status = 201;
    CALLED(ic_lambda_create(w.lambda, &spec, on_done, &w), "POST", "", "");
    assert_true(w.seen.len > 1700000);
    w.status = 200;
    CALLED(ic_lambda_get(w.lambda, "f-1", on_done, &w), "GET", "/f-1", "");
    CALLED(ic_lambda_get_configuration(w.lambda, "f-1", on_done, &w), "GET", "/f-1/configuration",
           "");
    CALLED(ic_lambda_list(w.lambda, NULL, on_done, &w), "GET", "", "MaxItems=50");
    CALLED(ic_lambda_list(w.lambda, "a b/+=", on_done, &w), "GET", "",
           "Marker=a%20b%2F%2B%3D&MaxItems=50");
    CALLED(ic_lambda_update_code(w.lambda, &spec, on_done, &w), "PUT", "/f-1/code", "");
    CALLED(ic_lambda_update_configuration(w.lambda, &spec, on_done, &w), "PUT",
           "/f-1/configuration", "");
    w.status = 204;
    w.body = "";
    CALLED(ic_lambda_delete(w.lambda, "f-1", on_done, &w), "DELETE", "/f-1", "");
    ic_buf_deinit(&zip);
    close_world(&w);
}

static void session_token(void **s)
{
    (void)s;
    struct world w;
    open_world(&w);
    ic_lambda_free(w.lambda);
    setenv("AWS_SESSION_TOKEN", "tok/en==", 1);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", ic_http_server_port(w.server));
    open_at(&w, endpoint);
    unsetenv("AWS_SESSION_TOKEN");
    invoke(&w, 5000);
    assert_int_equal(w.verdict, IC_SIGV4_OK);
    close_world(&w);
}

static void credentials_file(void **s)
{
    (void)s;
    struct world w;
    open_world(&w);
    ic_lambda_free(w.lambda);
    char path[] = "/tmp/ic-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char *text = "AKIDFILE\nfilesecret\n";
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", ic_http_server_port(w.server));
    struct ic_lambda_settings settings = {
        .endpoint = endpoint, .region = "eu-west-1", .credentials_file = path};
    char why[IC_LAMBDA_WHY_MAX];
    assert_int_equal(ic_lambda_new(w.loop, &settings, &w.lambda, why), 0);
    w.keys.key_id = "AKIDFILE";
    w.keys.secret = "filesecret";
    invoke(&w, 5000);
    assert_int_equal(w.verdict, IC_SIGV4_OK);
    assert_int_equal(ftruncate(fd, 9), 0); /* no secret */
    struct ic_lambda *none;
    assert_int_equal(ic_lambda_new(w.loop, &settings, &none, why), IC_EIO);
    assert_non_null(strstr(why, path));
    settings.credentials_file = NULL;
    settings.endpoint = "ftp://x";
    assert_int_equal(ic_lambda_new(w.loop, &settings, &none, why), IC_EINVAL);
    close(fd);
    unlink(path);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(invokes),
        leak_test(function_error),
        leak_test(statuses),
        leak_test(a_404_is_lambdas_or_anybodys),
        leak_test(lost_and_late),
        leak_test(a_reset_kept_connection_is_replaced),
        leak_test(refused_connection),
        leak_test(cancel_and_free),
        leak_test(control_calls),
        leak_test(session_token),
        leak_test(credentials_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
