/*
 * test_http_server.c - the server on a real loop; clients are blocking sockets in a thread.
 */
#include "net/http_server.h"

#include "base/alloc.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    REPLY_MAX = 1 << 20,
    BIG_REPLY_BYTES = 32 << 20, /* beyond any socket buffer */
    DEADLINE_MS = 20000,
    NEVER_S = 3600, /* not while this runs */
    CROWD = 16,
};

struct fixture {
    struct ic_loop *loop;
    struct ic_http_server *server;
    struct ic_timer poll_timer, later, deadline;
    struct ic_http_request *held;
    pthread_t thread;
    volatile bool done;
    void (*client)(struct fixture *f);
    char reply[REPLY_MAX];
    int fd[CROWD], kept;
    const char *crowd_says;
    uint32_t most_connections; /* that were seen at once */
    bool until_empty;          /* the loop ends when no connection is left, too */
    bool late;
};

static size_t body_max(void *ctx, const struct ic_http_request *r)
{
    (void)ctx;
    (void)r;
    return 1000;
}

static void answer_later(void *ctx)
{
    struct fixture *f = ctx;
    ic_http_reply_text(f->held, 200, "text/plain", ic_slice_str("late"));
    f->held = NULL;
}

static void handle(void *ctx, struct ic_http_request *r)
{
    struct fixture *f = ctx;
    struct ic_slice path = ic_http_path(r);
    if (ic_slice_equal(path, ic_slice_str("/later"))) {
        f->held = r;
        ic_timer_start(&f->later, 20);
    } else if (ic_slice_equal(path, ic_slice_str("/hold"))) {
        f->held = r;
    } else if (ic_slice_equal(path, ic_slice_str("/swap"))) {
        ic_http_reply_text(f->held, 200, "text/plain", ic_slice_str("swapped"));
        f->held = r;
    } else if (ic_slice_equal(path, ic_slice_str("/drop"))) {
        ic_http_drop(r);
    } else if (ic_slice_equal(path, ic_slice_str("/big"))) {
        struct ic_buf *body = ic_buf_new(BIG_REPLY_BYTES);
        memset(body->data, 'x', BIG_REPLY_BYTES);
        body->len = BIG_REPLY_BYTES;
        ic_http_reply(r, 200, NULL, 0, body);
    } else if (ic_http_too_large(r)) {
        assert_int_equal(ic_http_body(r).len, 0);
        ic_http_reply_text(r, 413, "text/plain", ic_slice_str("too large"));
    } else {
        assert_true(ic_http_peer_is_loopback(r));
        struct ic_buf *body = ic_buf_new(0);
        assert_int_equal(
            0,
            ic_buf_printf(body, "%s %.*s q=%.*s x=%s b=%.*s", ic_http_method(r), (int)path.len,
                          path.data, (int)ic_http_query(r).len, ic_http_query(r).data,
                          ic_http_header(r, "X-Test") == NULL ? "-" : ic_http_header(r, "X-Test"),
                          (int)ic_http_body(r).len, ic_http_body(r).data));
        ic_http_reply(r, 200, NULL, 0, body);
    }
}

static void poll_done(void *ctx)
{
    struct fixture *f = ctx;
    uint32_t count = ic_http_server_connections(f->server);
    f->most_connections = count > f->most_connections ? count : f->most_connections;
    if (f->done && (!f->until_empty || ic_http_server_connections(f->server) == 0)) {
        ic_loop_stop(f->loop);
    } else {
        ic_timer_start(&f->poll_timer, 5);
    }
}

static void on_deadline(void *ctx)
{
    struct fixture *f = ctx;
    f->late = true;
    ic_loop_stop(f->loop);
}

static void *client_thread(void *arg)
{
    struct fixture *f = arg;
    f->client(f);
    f->done = true;
    return NULL;
}

static void run(struct fixture *f, void (*client)(struct fixture *f))
{
    f->client = client;
    f->done = false;
    assert_int_equal(0, pthread_create(&f->thread, NULL, client_thread, f));
    ic_timer_start(&f->poll_timer, 5);
    ic_timer_start(&f->deadline, DEADLINE_MS);
    ic_loop_run(f->loop);
    ic_timer_stop(&f->deadline);
    assert_false(f->late);
    pthread_join(f->thread, NULL);
}

static struct fixture *setup_with(struct ic_http_options options)
{
    struct fixture *f = calloc(1, sizeof *f);
    signal(SIGPIPE, SIG_IGN);
    f->loop = ic_loop_new();
    options.host = "127.0.0.1";
    options.names = "h,x";
    options.body_max = body_max;
    options.handle = handle;
    options.ctx = f;
    assert_int_equal(0, ic_http_server_new(f->loop, &options, &f->server));
    ic_timer_init(&f->poll_timer, f->loop, poll_done, f);
    ic_timer_init(&f->later, f->loop, answer_later, f);
    ic_timer_init(&f->deadline, f->loop, on_deadline, f);
    return f;
}

static void teardown(struct fixture *f)
{
    ic_http_server_free(f->server);
    if (f->held != NULL) {
        ic_http_reply_text(f->held, 200, "text/plain", ic_slice_str("into the void"));
    }
    ic_timer_stop(&f->poll_timer);
    ic_timer_stop(&f->later);
    ic_loop_free(f->loop);
    free(f);
    assert_int_equal(0, ic_alloc_live());
}

/* ---- the client's side -------------------------------------------------------------- */

static int dial(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(ic_http_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(0, connect(fd, (struct sockaddr *)&to, sizeof to));
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Reads to the end of the stream (or, with UNTIL, until that text was seen). */
static void hear(struct fixture *f, int fd, const char *until)
{
    size_t len = 0;
    f->reply[0] = '\0';
    while (len < REPLY_MAX - 1 && (until == NULL || strstr(f->reply, until) == NULL)) {
        ssize_t got = recv(fd, f->reply + len, REPLY_MAX - 1 - len, 0);
        if (got <= 0) {
            if (got < 0) {
                strcpy(f->reply, "RECV FAILED");
            }
            break;
        }
        len += (size_t)got;
        f->reply[len] = '\0';
    }
}

static void ask_plainly(struct fixture *f)
{
    int fd = dial(f);
    say(fd, "POST /a%2Fb?c=%20d HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Test:  y \r\nContent-Length: "
            "5\r\n\r\nhello");
    hear(f, fd, "b=hello");
    close(fd);
}

static void test_request_and_reply(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){0});
    run(f, ask_plainly);
    assert_non_null(strstr(f->reply, "HTTP/1.1 200 OK"));
    assert_non_null(strstr(f->reply, "POST /a%2Fb q=c=%20d x=y b=hello"));
    teardown(f);
}

static void ask_twice_and_late(struct fixture *f)
{
    int fd = dial(f);
    say(fd, "GET /later HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    hear(f, fd, "late");
    say(fd, "GET /again HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    hear(f, fd, "GET /again");
    close(fd);
}

static void test_late_reply_and_keep_alive(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){0});
    run(f, ask_twice_and_late);
    assert_non_null(strstr(f->reply, "GET /again"));
    teardown(f);
}

static void leave_early(struct fixture *f)
{
    int fd = dial(f);
    say(fd, "GET /later HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    close(fd);
    ask_plainly(f);
    fd = dial(f);
    say(fd, "GET /drop HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    hear(f, fd, NULL);
    close(fd);
}

static void test_caller_leaves(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){0});
    run(f, leave_early);
    assert_string_equal(f->reply, "");
    teardown(f);
}

static void send_too_much(struct fixture *f)
{
    int fd = dial(f);
    say(fd, "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n");
    char block[1000];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 5; i++) {
        (void)!send(fd, block, sizeof block, MSG_NOSIGNAL);
    }
    hear(f, fd, "too large");
    close(fd);
}

static void test_body_too_large(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){0});
    run(f, send_too_much);
    assert_non_null(strstr(f->reply, "HTTP/1.1 413"));
    teardown(f);
}

static void ask_for_much_and_read_nothing(struct fixture *f)
{
    f->fd[0] = dial(f);
    say(f->fd[0], "GET /big HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
}

static void test_slow_readers_end(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){.send_s = 1});
    f->until_empty = true;
    run(f, ask_for_much_and_read_nothing);
    assert_int_equal(0, ic_http_server_connections(f->server));
    close(f->fd[0]);
    teardown(f);
}

static void announce_too_much(struct fixture *f)
{
    int fd = dial(f);
    say(fd, "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\nabc");
    hear(f, fd, NULL); /* to the end: closed behind the answer */
    close(fd);
}

static void test_endless_body(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){0});
    run(f, announce_too_much);
    assert_non_null(strstr(f->reply, "HTTP/1.1 413"));
    teardown(f);
}

static void exceed_memory(struct fixture *f)
{
    int fd = dial(f);
    say(fd, "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 600\r\n\r\n");
    char block[600];
    memset(block, 'x', sizeof block);
    (void)!send(fd, block, sizeof block, MSG_NOSIGNAL);
    hear(f, fd, "try again");
    close(fd);
}

static void test_memory_of_all_bodies_is_bounded(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){.memory_max_bytes = 500});
    run(f, exceed_memory);
    assert_non_null(strstr(f->reply, "HTTP/1.1 503"));
    run(f, ask_plainly); /* what was charged has been given back */
    assert_non_null(strstr(f->reply, "b=hello"));
    teardown(f);
}

/* 400 of 600 bytes; then it waits until it is cut. */
static void *upload_half(void *arg)
{
    struct fixture *f = arg;
    int fd = dial(f);
    char block[400];
    memset(block, 'x', sizeof block);
    say(fd, "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 600\r\n\r\n");
    (void)!send(fd, block, sizeof block, MSG_NOSIGNAL);
    hear(f, fd, NULL);
    close(fd);
    f->done = true;
    return NULL;
}

/* Uploads 150 bytes, again and again until the long one is cut. */
static void upload_beside_a_longer_one(struct fixture *f)
{
    struct fixture *longer = calloc(1, sizeof *longer);
    char block[150];
    memset(block, 'y', sizeof block);
    longer->server = f->server;
    assert_int_equal(0, pthread_create(&longer->thread, NULL, upload_half, longer));
    do {
        int fd = dial(f);
        say(fd, "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 150\r\n\r\n");
        (void)!send(fd, block, sizeof block, MSG_NOSIGNAL);
        hear(f, fd, "yyy");
        close(fd);
    } while (!longer->done && strstr(f->reply, "HTTP/1.1 200") != NULL);
    pthread_join(longer->thread, NULL);
    free(longer);
}

static void test_the_longest_body_makes_room(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){.memory_max_bytes = 500});
    run(f, upload_beside_a_longer_one);
    assert_non_null(strstr(f->reply, "HTTP/1.1 200"));
    teardown(f);
}

static void drip(struct fixture *f)
{
    int fd = dial(f);
    say(fd, "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 600\r\n\r\nabc");
    hear(f, fd, NULL); /* ends when the server cuts it */
    close(fd);
    fd = dial(f);
    say(fd, "GE");
    hear(f, fd, NULL);
    close(fd);
}

static void test_half_requests_end(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){.receive_s = 1, .idle_s = 1});
    run(f, drip);
    assert_string_equal(f->reply, "");
    teardown(f);
}

/*
 * What the client sent is all there, and its end too, when the server first reads: whether a
 * request was whole, half, half with a body, or one that is answered before the end is seen.
 */
static void test_who_is_gone_is_not_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "GET /half HT",
        "GET /half HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        "POST /half HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 600\r\n\r\nabc",
        "GET /whole HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET /later HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    };
    enum { TEXTS = sizeof texts / sizeof texts[0] };
    struct fixture *f =
        setup_with((struct ic_http_options){.idle_s = NEVER_S, .receive_s = NEVER_S});
    for (int i = 0; i < TEXTS; i++) {
        f->fd[i] = dial(f);
        say(f->fd[i], texts[i]);
        shutdown(f->fd[i], SHUT_WR);
    }
    f->until_empty = true;
    run(f, ask_plainly); /* behind the others, which are there when this is answered */
    assert_non_null(strstr(f->reply, "b=hello"));
    for (int i = 0; i < TEXTS; i++) {
        close(f->fd[i]);
    }
    teardown(f);
}

/* Who says no more may still listen. */
static void test_half_closed_clients_are_answered(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){.idle_s = NEVER_S});
    f->kept = dial(f);
    for (int i = 0; i < 3; i++) {
        say(f->kept, i < 2 ? "GET /each HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                           : "GET /last HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    }
    shutdown(f->kept, SHUT_WR);
    f->until_empty = true;
    run(f, ask_plainly);
    hear(f, f->kept, NULL);
    assert_non_null(strstr(f->reply, "GET /each"));
    assert_non_null(strstr(f->reply, "GET /last"));
    close(f->kept);
    teardown(f);
}

static void ask_on_kept(struct fixture *f)
{
    say(f->kept, "GET /kept HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    hear(f, f->kept, "GET /kept");
}

static void crowd(struct fixture *f)
{
    f->kept = dial(f);
    ask_on_kept(f);
    for (int i = 0; i < CROWD; i++) {
        f->fd[i] = dial(f);
        say(f->fd[i], f->crowd_says);
        ask_plainly(f);
        if (strstr(f->reply, "b=hello") == NULL) {
            return;
        }
    }
    ask_on_kept(f);
}

/* Those like which there are most make room, the oldest first. */
static void test_crowds_make_room(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "GET /half HT",
        "POST /half HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 600\r\n\r\nabc",
        "GET /big HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fixture *f = setup_with((struct ic_http_options){.connections_max = 8});
        f->crowd_says = texts[i];
        run(f, crowd);
        assert_non_null(strstr(f->reply, "GET /kept"));
        for (int k = 0; k < CROWD; k++) {
            close(f->fd[k]);
        }
        close(f->kept);
        teardown(f);
    }
}

/* Heads of which only a part is read at a time, faster than they are read: what lies unread does
 * not keep them, and the door is never shut to wait for that. */
static void test_long_halves_make_room(void **state)
{
    (void)state;
    enum { HALVES = 200, HEAD_BYTES = 28 << 10 };
    struct fixture *f = setup_with((struct ic_http_options){.connections_max = 4});
    int fd[HALVES];
    char head[HEAD_BYTES] = "GET /half HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ";
    memset(head + strlen(head), 'x', sizeof head - strlen(head));
    for (int i = 0; i < HALVES; i++) {
        fd[i] = dial(f);
        (void)!send(fd[i], head, sizeof head, MSG_NOSIGNAL);
    }
    run(f, ask_plainly);
    assert_non_null(strstr(f->reply, "b=hello"));
    assert_true(f->most_connections < 4 + 64);
    for (int i = 0; i < HALVES; i++) {
        close(fd[i]);
    }
    teardown(f);
}

static void keep_some(struct fixture *f)
{
    f->kept = dial(f);
    ask_on_kept(f);
    for (int i = 0; i < 3; i++) {
        f->fd[i] = dial(f);
        say(f->fd[i], "GET /other HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        hear(f, f->fd[i], "GET /other");
    }
}

static void hear_kept(struct fixture *f)
{
    hear(f, f->kept, "GET /asked");
}

/* The request lies in the socket of the oldest when the newest makes one too many. */
static void test_who_has_asked_makes_no_room(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){.connections_max = 4});
    run(f, keep_some);
    say(f->kept, "GET /asked HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    f->fd[3] = dial(f);
    run(f, hear_kept);
    assert_non_null(strstr(f->reply, "GET /asked"));
    for (int i = 0; i < 4; i++) {
        close(f->fd[i]);
    }
    close(f->kept);
    teardown(f);
}

static void send_many_headers(struct fixture *f)
{
    int fd = dial(f);
    say(fd, "GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (int i = 0; i < 100; i++) {
        say(fd, "A: b\r\n");
    }
    say(fd, "\r\n");
    hear(f, fd, "headers");
    close(fd);
}

static void send_huge_header(struct fixture *f)
{
    int fd = dial(f);
    say(fd, "GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ");
    for (int i = 0; i < 10000; i++) {
        say(fd, "0123456789");
    }
    hear(f, fd, "HTTP/1.1 431");
    close(fd);
}

static void send_rubbish(struct fixture *f)
{
    static const char *const texts[] = {
        "\r\n\r\n\r\n",
        "\x01\x02\x03\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        "GET / HTTP/1.1\r\n: \r\n\r\n",
        "GET /%zz?% HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int fd = dial(f);
        say(fd, texts[i]);
        shutdown(fd, SHUT_WR);
        hear(f, fd, NULL);
        close(fd);
    }
    ask_plainly(f);
}

static void test_hostile_requests(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){.receive_s = 1, .idle_s = 1});
    run(f, send_many_headers);
    assert_non_null(strstr(f->reply, "HTTP/1.1 431"));
    run(f, send_huge_header);
    assert_non_null(strstr(f->reply, "HTTP/1.1 431"));
    run(f, send_rubbish);
    assert_non_null(strstr(f->reply, "b=hello"));
    teardown(f);
}

static void ask_as_pages(struct fixture *f)
{
    static const char *const pages[] = {
        "GET / HTTP/1.1\r\nHost: evil\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\nContent-Length: 5\r\n\r\nhello",
        "GET http://h/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        int fd = dial(f);
        say(fd, pages[i]);
        hear(f, fd, "message");
        close(fd);
        if (strstr(f->reply, "HTTP/1.1 40") != f->reply) {
            return;
        }
    }
}

/* The guard asks before the handler does, which would have told. */
static void test_pages_are_refused(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){0});
    run(f, ask_as_pages);
    assert_non_null(strstr(f->reply, "HTTP/1.1 400"));
    assert_non_null(strstr(f->reply, "{\"message\": \"the target"));
    run(f, ask_plainly);
    assert_non_null(strstr(f->reply, "b=hello"));
    teardown(f);
}

static void hold_one(struct fixture *f)
{
    f->fd[0] = dial(f);
    say(f->fd[0], "GET /hold HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    ask_plainly(f);
}

/* Each request answers the one before, from its own handler, and waits in turn. */
static void answer_one_another(struct fixture *f)
{
    f->fd[0] = dial(f);
    say(f->fd[0], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    while (f->held == NULL) {
        usleep(1000);
    }
    for (int i = 1; i < 4; i++) {
        f->fd[i] = dial(f);
        say(f->fd[i], "GET /swap HTTP/1.1\r\nHost: x\r\n\r\n");
        hear(f, f->fd[i - 1], "swapped");
        if (strstr(f->reply, "swapped") == NULL) {
            return;
        }
    }
}

static void test_a_handler_answers_another_request(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){0});
    run(f, answer_one_another);
    assert_non_null(strstr(f->reply, "swapped"));
    for (int i = 0; i < 4; i++) {
        close(f->fd[i]);
    }
    teardown(f);
}

static void test_server_ends_before_the_answer(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){0});
    run(f, hold_one);
    assert_non_null(f->held);
    int fd = f->fd[0];
    teardown(f);
    close(fd);
}

static void test_port_in_use(void **state)
{
    (void)state;
    struct fixture *f = setup_with((struct ic_http_options){0});
    struct ic_http_options options = {
        .host = "127.0.0.1", .port = ic_http_server_port(f->server), .handle = handle};
    struct ic_http_server *other;
    assert_int_equal(IC_EBUSY, ic_http_server_new(f->loop, &options, &other));
    options.host = "not an address";
    assert_int_equal(IC_EINVAL, ic_http_server_new(f->loop, &options, &other));
    teardown(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_reply),
        cmocka_unit_test(test_late_reply_and_keep_alive),
        cmocka_unit_test(test_caller_leaves),
        cmocka_unit_test(test_body_too_large),
        cmocka_unit_test(test_endless_body),
        cmocka_unit_test(test_slow_readers_end),
        cmocka_unit_test(test_memory_of_all_bodies_is_bounded),
        cmocka_unit_test(test_the_longest_body_makes_room),
        cmocka_unit_test(test_half_requests_end),
        cmocka_unit_test(test_who_is_gone_is_not_kept),
        cmocka_unit_test(test_half_closed_clients_are_answered),
        cmocka_unit_test(test_crowds_make_room),
        cmocka_unit_test(test_long_halves_make_room),
        cmocka_unit_test(test_who_has_asked_makes_no_room),
        cmocka_unit_test(test_hostile_requests),
        cmocka_unit_test(test_pages_are_refused),
        cmocka_unit_test(test_a_handler_answers_another_request),
        cmocka_unit_test(test_server_ends_before_the_answer),
        cmocka_unit_test(test_port_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
