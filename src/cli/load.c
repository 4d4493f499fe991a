#include "cli/load.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/contents.h"
#include "cli/signals.h"
#include "net/net.h"
#include "proto/resp_answer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>

enum {
    INPUT_BYTES = 256 * 1024, /* one read; compared while it is in the cache */
    TICK_MS = 100,            /* progress, signals, stalls */
    PACE_MS = 1,              /* the loop's finest step */
};

struct sent { /* a request under way */
    struct ic_load_request r;
    uint64_t begun_us;
};

struct connection {
    struct load *load;
    struct ic_stream *stream;
    struct ic_resp_answer answer;
    struct sent *sent; /* a ring of settings->pipeline */
    uint32_t head, count;
    uint64_t received; /* of the value being received */
    bool wrong;
};

struct load {
    const struct ic_load_settings *settings;
    struct ic_loop *loop;
    struct connection *connection;
    struct ic_timer tick, pace;
    struct ic_buf text; /* a request's words */
    uint8_t *input;
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
    const struct ic_load_phase *phase; /* NULL: still connecting */
    uint32_t greeted;                  /* connections made, passwords answered */
    struct ic_load_request pending; /* the source's next, which is not due or has no connection */
    bool has_pending, exhausted;
    uint64_t phase_us, last_us; /* begin of the phase; the last answer */
    uint32_t next;              /* connection that is offered the next request */
    uint32_t in_flight;
    bool moving; /* into the next phase */
    int error;
    char *why, first_error[IC_LOAD_WHY_MAX];
};

static void go_on(struct load *l);

static void fail(struct load *l, int error, const char *text)
{
    if (l->error == 0) {
        l->error = error;
        snprintf(l->why, IC_LOAD_WHY_MAX, "%s", text);
    }
    ic_loop_stop(l->loop);
}

/* ---- requests --------------------------------------------------------------- */

static int put_words(struct load *l, const char *name, uint64_t key, int words)
{
    char text[IC_LOAD_PREFIX_MAX + 24];
    int len = snprintf(text, sizeof text, "%.64s%" PRIu64, l->settings->prefix, key);
    l->text.len = 0;
    return ic_buf_printf(&l->text, "*%d\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n", words, strlen(name), name,
                         len, text);
}

static int put_number(struct load *l, uint64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRIu64, number);
    return ic_buf_printf(&l->text, "$%d\r\n%s\r\n", len, text);
}

static int write_set(struct load *l, struct connection *c, const struct ic_load_request *r)
{
    const struct ic_contents *contents = l->settings->contents;
    int result = put_words(l, "SET", r->key, 3);
    if (result == 0) {
        result = ic_buf_printf(&l->text, "$%" PRIu64 "\r\n", r->length);
    }
    if (result == 0) {
        result = ic_stream_write(c->stream, ic_buf_slice(&l->text), NULL);
    }
    for (uint64_t at = 0; at < r->length && result == 0;) {
        struct ic_slice piece = ic_contents_piece(contents, r->key, at, r->length - at);
        result = ic_stream_write(c->stream, piece, contents->block);
        at += piece.len;
    }
    return result == 0 ? ic_stream_write(c->stream, ic_slice_str("\r\n"), NULL) : result;
}

static int put_request(struct load *l, const struct ic_load_request *r)
{
    int result;
    switch (r->op) {
    case IC_LOAD_GET:
        return put_words(l, "GET", r->key, 2);
    case IC_LOAD_DELETE:
        return put_words(l, "DEL", r->key, 2);
    case IC_LOAD_RANGE:
        result = put_words(l, "GETRANGE", r->key, 4);
        if (result == 0) {
            result = put_number(l, r->offset);
        }
        return result == 0 ? put_number(l, r->offset + r->length - 1) : result;
    case IC_LOAD_AUTH:
        l->text.len = 0;
        return ic_buf_printf(&l->text, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n",
                             strlen(l->settings->password), l->settings->password);
    case IC_LOAD_SET:
        break;
    }
    return IC_EINVAL;
}

static void send_request(struct connection *c, const struct ic_load_request *r, uint64_t begun_us)
{
    struct load *l = c->load;
    assert(c->count < l->settings->pipeline);
    c->sent[(c->head + c->count++) % l->settings->pipeline] =
        (struct sent){.r = *r, .begun_us = begun_us};
    l->in_flight++;
    int result;
    if (r->op == IC_LOAD_SET) {
        result = write_set(l, c, r);
    } else {
        result = put_request(l, r);
        if (result == 0) {
            result = ic_stream_write(c->stream, ic_buf_slice(&l->text), NULL);
        }
    }
    if (result < 0) {
        fail(l, result, ic_error_text(result));
    }
}

/* The source's next request is due at NOW_US: it is `pending`. */
static bool has_due(struct load *l, uint64_t now_us)
{
    uint64_t elapsed_us = now_us - l->phase_us;
    if (l->phase == NULL || l->exhausted) {
        return false;
    }
    if (!l->has_pending) {
        l->has_pending = l->phase->next(l->settings->ctx, elapsed_us, &l->pending) == 1;
        l->exhausted = !l->has_pending;
    }
    return l->has_pending && l->pending.due_us <= elapsed_us;
}

static void send_pending(struct connection *c, uint64_t now_us)
{
    struct load *l = c->load;
    l->has_pending = false;
    send_request(c, &l->pending, l->pending.due_us == 0 ? now_us : l->phase_us + l->pending.due_us);
}

static void fill(struct connection *c)
{
    uint64_t now_us = ic_clock_mono_us();
    while (c->load->error == 0 && c->count < c->load->settings->pipeline &&
           has_due(c->load, now_us)) {
        send_pending(c, now_us);
    }
}

/* Offers what is due to connections with room, in turn. */
static void fill_all(struct load *l)
{
    uint32_t clients = l->settings->clients, full = 0;
    uint64_t now_us = ic_clock_mono_us();
    while (l->error == 0 && full < clients && has_due(l, now_us)) {
        struct connection *c = &l->connection[l->next++ % clients];
        if (c->count == l->settings->pipeline) {
            full++;
        } else {
            send_pending(c, now_us);
            full = 0;
        }
    }
}

/* ---- answers ---------------------------------------------------------------- */

static struct sent *awaited(struct connection *c)
{
    return c->count == 0 ? NULL : &c->sent[c->head];
}

static void note_error(struct load *l, const char *line)
{
    if (l->first_error[0] == '\0') {
        snprintf(l->first_error, sizeof l->first_error, "%s", line + 1);
    }
    if (l->phase != NULL && l->phase->must) {
        fail(l, IC_EIO, line + 1);
    }
}

/* A password that is not wanted is complained about, and that is fine. */
static void greeted(struct load *l, const char *error_line)
{
    l->greeted++;
    if (error_line != NULL && strncmp(error_line, "-WRONGPASS", 10) == 0) {
        fail(l, IC_EAUTH, "the server refuses the password");
    }
}

static void answered(struct connection *c, enum ic_load_outcome outcome, const char *error_line)
{
    struct load *l = c->load;
    const struct sent sent = *awaited(c);
    uint64_t now_us = ic_clock_mono_us();
    c->head = (c->head + 1) % l->settings->pipeline;
    c->count--;
    c->wrong = false;
    l->in_flight--;
    l->last_us = now_us;
    if (sent.r.op == IC_LOAD_AUTH) {
        greeted(l, error_line);
        return;
    }
    if (error_line != NULL) {
        note_error(l, error_line);
    }
    uint64_t latency_us = now_us > sent.begun_us ? now_us - sent.begun_us : 0;
    if (l->phase->answered != NULL &&
        l->phase->answered(l->settings->ctx, &sent.r, outcome, latency_us) && l->error == 0) {
        struct ic_load_request set = {
            .op = IC_LOAD_SET, .key = sent.r.key, .length = sent.r.length};
        send_request(c, &set, now_us);
    }
}

static bool is_nil(const char *line)
{
    return strcmp(line, "$-1") == 0 || strcmp(line, "_") == 0;
}

static int on_line(struct connection *c, enum ic_load_op op)
{
    const char *line = c->answer.line;
    bool get = op == IC_LOAD_GET || op == IC_LOAD_RANGE;
    bool good = get ? is_nil(line) : op == IC_LOAD_DELETE ? line[0] == ':' : line[0] == '+';
    if (line[0] != '-' && !good) {
        return IC_EPROTO;
    }
    answered(c,
             line[0] == '-' ? IC_LOAD_ERROR
             : get          ? IC_LOAD_MISS
                            : IC_LOAD_DONE,
             line[0] == '-' ? line : NULL);
    return 0;
}

static int on_event(struct connection *c, int event, struct ic_slice piece)
{
    const struct sent *sent = awaited(c);
    if (sent == NULL) {
        return IC_EPROTO;
    }
    const struct ic_load_request *r = &sent->r;
    switch (event) {
    case IC_RESP_ANSWER_LINE:
        return on_line(c, r->op);
    case IC_RESP_ANSWER_BULK:
        c->received = 0;
        c->wrong = c->answer.length != r->length;
        return r->op == IC_LOAD_GET || r->op == IC_LOAD_RANGE ? 0 : IC_EPROTO;
    case IC_RESP_ANSWER_BODY:
        if (c->load->settings->verify && !c->wrong) {
            c->wrong = !ic_contents_equal(c->load->settings->contents, r->key,
                                          r->offset + c->received, piece);
        }
        c->received += piece.len;
        return 0;
    default:
        /* Of a key that does not exist GETRANGE answers an empty value. */
        answered(c,
                 r->op == IC_LOAD_RANGE && c->answer.length == 0 && r->length > 0 ? IC_LOAD_MISS
                 : c->wrong                                                       ? IC_LOAD_WRONG
                                                                                  : IC_LOAD_DONE,
                 NULL);
        return 0;
    }
}

static size_t on_room(void *ctx, struct iovec *iov, size_t max)
{
    struct connection *c = ctx;
    assert(max > 0);
    iov[0] = (struct iovec){.iov_base = c->load->input, .iov_len = INPUT_BYTES};
    return 1;
}

static void on_received(void *ctx, size_t len)
{
    struct connection *c = ctx;
    struct ic_slice in = ic_slice(c->load->input, len), piece = {0};
    int event;
    while ((event = ic_resp_answer_next(&c->answer, &in, &piece)) != IC_RESP_ANSWER_MORE) {
        int result = event < 0 ? event : on_event(c, event, piece);
        if (result < 0) {
            fail(c->load, result, "the server's answer is not one to GET or SET");
            return;
        }
    }
    fill(c);
    go_on(c->load);
}

static void on_closed(void *ctx, int error)
{
    struct connection *c = ctx;
    char text[IC_LOAD_WHY_MAX];
    bool connecting = c->load->phase == NULL;
    snprintf(text, sizeof text,
             connecting ? "cannot connect to %s:%s (%s); is a server there?"
                        : "the connection to %s:%s broke (%s)",
             c->load->settings->host, c->load->settings->port, ic_error_text(error));
    ic_stream_free(c->stream);
    c->stream = NULL;
    fail(c->load, connecting ? IC_EUNAVAIL : IC_ECLOSED, text);
}

static void on_connected(void *ctx)
{
    struct connection *c = ctx;
    const struct ic_load_request auth = {.op = IC_LOAD_AUTH};
    c->load->greeted++;
    if (c->load->settings->password[0] != '\0') {
        send_request(c, &auth, 0);
    }
    go_on(c->load);
}

static const struct ic_stream_handler stream_handler = {
    .room = on_room, .received = on_received, .closed = on_closed, .connected = on_connected};

/* ---- phases ----------------------------------------------------------------- */

static void enter(struct load *l, const struct ic_load_phase *phase)
{
    const struct ic_load_settings *s = l->settings;
    l->phase = phase;
    l->has_pending = l->exhausted = false;
    l->phase_us = l->last_us = ic_clock_mono_us();
    if (phase->begin != NULL) {
        phase->begin(s->ctx);
    }
    fill_all(l);
}

/* All of the phase has been asked for and answered. */
static bool is_over(struct load *l)
{
    if (l->phase == NULL) {
        return l->greeted == l->settings->clients * (l->settings->password[0] == '\0' ? 1U : 2U);
    }
    (void)has_due(l, ic_clock_mono_us()); /* it may have run out meanwhile */
    return l->exhausted && l->in_flight == 0;
}

/* Into the next phase if this one is over. */
static void go_on(struct load *l)
{
    const struct ic_load_settings *s = l->settings;
    if (l->moving) {
        return; /* on the stack below */
    }
    l->moving = true;
    while (l->error == 0 && is_over(l)) {
        const struct ic_load_phase *next = l->phase == NULL ? s->phase : l->phase + 1;
        if (l->phase != NULL && l->phase->end != NULL) {
            l->phase->end(s->ctx, (double)(l->last_us - l->phase_us) / 1e6);
        }
        if (next == s->phase + s->phases) {
            ic_loop_stop(l->loop);
            break;
        }
        enter(l, next);
    }
    l->moving = false;
}

static void on_tick(void *ctx)
{
    struct load *l = ctx;
    const struct ic_load_settings *s = l->settings;
    uint64_t now_us = ic_clock_mono_us();
    if (l->phase != NULL) {
        double share = l->phase->share(s->ctx, now_us - l->phase_us);
        s->progress(s->ctx, l->phase->name, share < 1 ? share : 1);
    }
    if (ic_signals_arrived()) {
        fail(l, IC_ECANCELED, "interrupted");
    } else if (l->in_flight > 0 && now_us - l->last_us > IC_LOAD_STALL_MS * UINT64_C(1000)) {
        fail(l, IC_ETIMEOUT, "the server has answered nothing for a minute");
    }
    go_on(l);
    ic_timer_start(&l->tick, TICK_MS);
}

/* What has become due, and a phase that ends by time. */
static void on_pace(void *ctx)
{
    struct load *l = ctx;
    fill_all(l);
    go_on(l);
    ic_timer_start(&l->pace, PACE_MS);
}

/* ---- set-up ----------------------------------------------------------------- */

/* Names become numbers here: ic_stream_connect takes no names. */
static int resolve(struct load *l)
{
    const struct ic_load_settings *s = l->settings;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(s->host, s->port, &hints, &found);
    if (error == 0) {
        char port[8];
        error = getnameinfo(found->ai_addr, found->ai_addrlen, l->address, sizeof l->address, port,
                            sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
        int64_t number = 0;
        if (error == 0 && ic_slice_to_i64(ic_slice_str(port), &number) == 0) {
            l->port = (uint16_t)number;
        }
        freeaddrinfo(found);
    }
    if (error != 0) {
        snprintf(l->why, IC_LOAD_WHY_MAX, "cannot find %s:%s: %s", s->host, s->port,
                 gai_strerror(error));
        return IC_EUNAVAIL;
    }
    return 0;
}

static int connect_all(struct load *l)
{
    const struct ic_load_settings *s = l->settings;
    for (uint32_t i = 0; i < s->clients; i++) {
        struct connection *c = &l->connection[i];
        c->load = l;
        c->sent = ic_calloc(s->pipeline, sizeof *c->sent);
        c->stream = c->sent == NULL
                        ? NULL
                        : ic_stream_connect(l->loop, l->address, l->port, &stream_handler, c);
        if (c->stream == NULL) {
            snprintf(l->why, IC_LOAD_WHY_MAX,
                     "no memory or descriptors for %" PRIu32 " connections; see `ulimit -n`",
                     s->clients);
            return IC_ENOMEM;
        }
    }
    return 0;
}

static void clean_up(struct load *l)
{
    for (uint32_t i = 0; l->connection != NULL && i < l->settings->clients; i++) {
        ic_stream_free(l->connection[i].stream);
        ic_free(l->connection[i].sent);
    }
    if (l->loop != NULL) {
        ic_timer_stop(&l->tick);
        ic_timer_stop(&l->pace);
        ic_loop_settle(l->loop);
        ic_loop_free(l->loop);
    }
    ic_buf_deinit(&l->text);
    ic_free(l->connection);
    ic_free(l->input);
}

int ic_load_run(const struct ic_load_settings *settings, char *why)
{
    struct load l = {.settings = settings, .why = why};
    snprintf(why, IC_LOAD_WHY_MAX, "%s", ic_error_text(IC_ENOMEM));
    ic_buf_init(&l.text);
    l.loop = ic_loop_new();
    l.input = ic_malloc(INPUT_BYTES);
    l.connection = ic_calloc(settings->clients, sizeof *l.connection);
    int error = IC_ENOMEM;
    if (l.loop != NULL) {
        ic_timer_init(&l.tick, l.loop, on_tick, &l);
        ic_timer_init(&l.pace, l.loop, on_pace, &l);
        error = l.input == NULL || l.connection == NULL ? IC_ENOMEM : resolve(&l);
    }
    l.phase_us = l.last_us = ic_clock_mono_us();
    if (error == 0) {
        error = connect_all(&l);
    }
    if (error == 0) {
        ic_timer_start(&l.tick, TICK_MS);
        ic_timer_start(&l.pace, PACE_MS);
        ic_loop_run(l.loop);
        error = l.error;
        if (error == 0) {
            snprintf(why, IC_LOAD_WHY_MAX, "%s", l.first_error);
        }
    }
    clean_up(&l);
    return error;
}
