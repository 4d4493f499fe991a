#include "cli/load.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/signals.h"
#include "cli/workload.h"
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
    PACE_MS = 1,              /* open loop: the loop's finest step */
};

enum phase { CONNECTING, PREPARE, WARM, RUN, DONE };

enum kind { KIND_AUTH, KIND_SET, KIND_GET, KIND_RANGE };

struct request {
    enum kind kind;
    uint64_t key, offset, length; /* of the value: where it begins, how much is expected */
    uint64_t begun_us;
};

struct connection {
    struct load *load;
    struct ic_stream *stream;
    struct ic_resp_answer answer;
    struct request *request; /* a ring of settings->pipeline */
    uint32_t head, count;
    uint64_t received; /* of the value being received */
    bool wrong;
};

struct load {
    const struct ic_load_settings *settings;
    struct ic_load_result *result;
    struct ic_loop *loop;
    struct connection *connection;
    struct ic_timer tick, pace;
    struct ic_buf text; /* a request's words */
    uint8_t *input;
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
    enum phase phase;
    uint64_t issued, answered; /* of this phase */
    uint64_t phase_us, end_us; /* begin, and no request after (0: by number) */
    uint64_t last_us;          /* of the last answer */
    uint32_t next;             /* connection that is offered the next request, open loop */
    uint32_t in_flight;
    bool moving; /* into the next phase */
    int error;
    char *why;
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
    char text[128];
    int len = snprintf(text, sizeof text, "%s%" PRIu64, l->settings->prefix, key);
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

static int write_set(struct load *l, struct connection *c, const struct request *r)
{
    struct ic_workload *w = l->settings->workload;
    int result = put_words(l, "SET", r->key, 3);
    if (result == 0) {
        result = ic_buf_printf(&l->text, "$%" PRIu64 "\r\n", r->length);
    }
    if (result == 0) {
        result = ic_stream_write(c->stream, ic_buf_slice(&l->text), NULL);
    }
    for (uint64_t at = 0; at < r->length && result == 0;) {
        struct ic_slice piece = ic_workload_piece(w, r->key, at, r->length - at);
        result = ic_stream_write(c->stream, piece, ic_workload_block(w));
        at += piece.len;
    }
    return result == 0 ? ic_stream_write(c->stream, ic_slice_str("\r\n"), NULL) : result;
}

static int write_get(struct load *l, struct connection *c, const struct request *r)
{
    int result;
    if (r->kind == KIND_RANGE) {
        result = put_words(l, "GETRANGE", r->key, 4);
        if (result == 0) {
            result = put_number(l, r->offset);
        }
        if (result == 0) {
            result = put_number(l, r->offset + r->length - 1);
        }
    } else {
        result = put_words(l, "GET", r->key, 2);
    }
    return result == 0 ? ic_stream_write(c->stream, ic_buf_slice(&l->text), NULL) : result;
}

static int write_auth(struct load *l, struct connection *c)
{
    l->text.len = 0;
    int result = ic_buf_printf(&l->text, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n",
                               strlen(l->settings->password), l->settings->password);
    return result == 0 ? ic_stream_write(c->stream, ic_buf_slice(&l->text), NULL) : result;
}

static void send_request(struct connection *c, struct request r)
{
    struct load *l = c->load;
    assert(c->count < l->settings->pipeline);
    c->request[(c->head + c->count++) % l->settings->pipeline] = r;
    l->in_flight++;
    int result = r.kind == KIND_AUTH  ? write_auth(l, c)
                 : r.kind == KIND_SET ? write_set(l, c, &r)
                                      : write_get(l, c, &r);
    if (result < 0) {
        fail(l, result, ic_error_text(result));
    }
}

/* What the workload says next, begun at BEGUN_US. */
static struct request next_request(struct load *l, uint64_t begun_us)
{
    struct ic_workload *w = l->settings->workload;
    struct request r = {.kind = KIND_SET, .begun_us = begun_us};
    bool get = false;
    r.key = l->phase == PREPARE ? l->issued : ic_workload_next(w, &get);
    r.length = ic_workload_size(w, r.key);
    if (get) {
        r.kind = KIND_GET;
        uint64_t range = l->settings->range_bytes;
        if (range > 0 && range < r.length) {
            r.kind = KIND_RANGE;
            r.offset = l->issued * range % (r.length - range + 1);
            r.length = range;
        }
    }
    l->issued++;
    return r;
}

/* More of this phase is to be asked for at NOW_US; *DUE_US: since when. */
static bool wants(const struct load *l, uint64_t now_us, uint64_t *due_us)
{
    const struct ic_load_settings *s = l->settings;
    *due_us = now_us;
    if (l->phase == PREPARE) {
        return l->issued < ic_workload_keys(s->workload);
    }
    if ((l->phase != WARM && l->phase != RUN) ||
        (l->end_us == 0 ? l->issued >= s->requests : now_us >= l->end_us)) {
        return false;
    }
    if (s->rate > 0) {
        *due_us = l->phase_us + (uint64_t)((double)l->issued / s->rate * 1e6);
        return *due_us <= now_us;
    }
    return true;
}

static void fill(struct connection *c)
{
    uint64_t due_us;
    while (c->load->error == 0 && c->count < c->load->settings->pipeline &&
           wants(c->load, ic_clock_mono_us(), &due_us)) {
        send_request(c, next_request(c->load, due_us));
    }
}

/* Offers what is due to connections with room, in turn. */
static void fill_all(struct load *l)
{
    uint32_t clients = l->settings->clients;
    uint64_t due_us;
    uint32_t full = 0;
    while (l->error == 0 && full < clients && wants(l, ic_clock_mono_us(), &due_us)) {
        struct connection *c = &l->connection[l->next++ % clients];
        if (c->count == l->settings->pipeline) {
            full++;
        } else {
            send_request(c, next_request(l, due_us));
            full = 0;
        }
    }
}

/* ---- answers ---------------------------------------------------------------- */

static struct request *awaited(struct connection *c)
{
    return c->count == 0 ? NULL : &c->request[c->head];
}

static void note_error(struct load *l, const char *line)
{
    if (l->result->error[0] == '\0') {
        snprintf(l->result->error, sizeof l->result->error, "%s", line + 1);
    }
    if (l->phase == PREPARE) {
        fail(l, IC_EIO, line + 1);
    }
}

static void answered(struct connection *c, bool missed, const char *error_line)
{
    struct load *l = c->load;
    const struct request r = *awaited(c);
    uint64_t now_us = ic_clock_mono_us();
    c->head = (c->head + 1) % l->settings->pipeline;
    c->count--;
    l->in_flight--;
    l->answered++;
    l->last_us = now_us;
    if (r.kind == KIND_AUTH) {
        if (error_line != NULL && strncmp(error_line, "-WRONGPASS", 10) == 0) {
            fail(l, IC_EAUTH, "the server refuses the password");
        }
        return;
    }
    if (error_line != NULL) {
        note_error(l, error_line);
    }
    if (l->phase == RUN) {
        struct ic_load_figures *f = r.kind == KIND_SET ? &l->result->set : &l->result->get;
        f->errors += error_line != NULL;
        f->misses += missed;
        f->wrong += c->wrong;
        if (error_line == NULL) {
            ic_histogram_add(&f->latency_us, now_us > r.begun_us ? now_us - r.begun_us : 0);
            f->bytes += missed ? 0 : r.length;
        }
    }
    c->wrong = false;
}

static bool is_nil(const char *line)
{
    return strcmp(line, "$-1") == 0 || strcmp(line, "_") == 0;
}

static int on_event(struct connection *c, int event, struct ic_slice piece)
{
    const struct request *r = awaited(c);
    bool get = r != NULL && (r->kind == KIND_GET || r->kind == KIND_RANGE);
    const char *line = c->answer.line;
    if (r == NULL) {
        return IC_EPROTO;
    }
    switch (event) {
    case IC_RESP_ANSWER_LINE:
        if (line[0] != '-' && !(get && is_nil(line)) && (get || strcmp(line, "+OK") != 0)) {
            return IC_EPROTO;
        }
        answered(c, get && is_nil(line), line[0] == '-' ? line : NULL);
        return 0;
    case IC_RESP_ANSWER_BULK:
        c->received = 0;
        c->wrong = c->answer.length != r->length;
        return get ? 0 : IC_EPROTO;
    case IC_RESP_ANSWER_BODY:
        if (c->load->settings->verify && !c->wrong) {
            c->wrong = !ic_workload_equal(c->load->settings->workload, r->key,
                                          r->offset + c->received, piece);
        }
        c->received += piece.len;
        return 0;
    default:
        answered(c, false, NULL);
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
    bool connecting = c->load->phase == CONNECTING;
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
    c->load->answered++; /* the phase CONNECTING counts connections, and AUTHs */
    if (c->load->settings->password[0] != '\0') {
        send_request(c, (struct request){.kind = KIND_AUTH});
    }
    go_on(c->load);
}

static const struct ic_stream_handler stream_handler = {
    .room = on_room, .received = on_received, .closed = on_closed, .connected = on_connected};

/* ---- phases ----------------------------------------------------------------- */

static const char *const phase_names[] = {"connecting", "preparing", "warming up", "running",
                                          "done"};

static bool skipped(const struct load *l, enum phase phase)
{
    return (phase == PREPARE && !l->settings->prepare) ||
           (phase == WARM && l->settings->warm_up_ms == 0);
}

static void enter(struct load *l, enum phase phase)
{
    const struct ic_load_settings *s = l->settings;
    uint64_t now_us = ic_clock_mono_us();
    if (l->phase == RUN) {
        l->result->seconds = (double)(l->last_us - l->phase_us) / 1e6;
        s->end(s->ctx);
    }
    l->phase = phase;
    l->issued = l->answered = 0;
    l->phase_us = l->last_us = now_us;
    l->end_us = phase == WARM                      ? now_us + s->warm_up_ms * 1000
                : phase == RUN && s->requests == 0 ? now_us + s->duration_ms * 1000
                                                   : 0;
    if (phase == RUN) {
        s->begin(s->ctx);
    }
    if (phase == DONE) {
        ic_loop_stop(l->loop);
    }
}

/* This phase has nothing left to ask, now or later. */
static bool exhausted(const struct load *l)
{
    uint64_t due_us;
    switch (l->phase) {
    case CONNECTING:
        return l->answered >=
               (uint64_t)l->settings->clients * (l->settings->password[0] == '\0' ? 1 : 2);
    case WARM:
    case RUN:
        return l->end_us == 0 ? l->issued >= l->settings->requests
                              : ic_clock_mono_us() >= l->end_us;
    case PREPARE:
    case DONE:
        break;
    }
    return !wants(l, 0, &due_us);
}

/* Into the next phase if this one is over. */
static void go_on(struct load *l)
{
    if (l->moving) {
        return; /* on the stack below */
    }
    l->moving = true;
    while (l->error == 0 && l->phase != DONE && l->in_flight == 0 && exhausted(l)) {
        enum phase next = l->phase + 1;
        while (skipped(l, next)) {
            next++;
        }
        enter(l, next);
        fill_all(l);
    }
    l->moving = false;
}

static double share_done(const struct load *l)
{
    const struct ic_load_settings *s = l->settings;
    double passed = (double)(ic_clock_mono_us() - l->phase_us);
    switch (l->phase) {
    case PREPARE:
        return (double)l->answered / (double)ic_workload_keys(s->workload);
    case WARM:
    case RUN:
        return l->end_us == 0 ? (double)l->answered / (double)s->requests
                              : passed / (double)(l->end_us - l->phase_us);
    case CONNECTING:
    case DONE:
        break;
    }
    return 0;
}

static void on_tick(void *ctx)
{
    struct load *l = ctx;
    uint64_t now_us = ic_clock_mono_us();
    double share = share_done(l);
    l->settings->progress(l->settings->ctx, phase_names[l->phase], share < 1 ? share : 1);
    if (ic_signals_arrived()) {
        fail(l, IC_ECANCELED, "interrupted");
    } else if (l->in_flight > 0 && now_us - l->last_us > IC_LOAD_STALL_MS * UINT64_C(1000)) {
        fail(l, IC_ETIMEOUT, "the server has answered nothing for a minute");
    }
    go_on(l);
    ic_timer_start(&l->tick, TICK_MS);
}

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
        c->request = ic_calloc(s->pipeline, sizeof *c->request);
        c->stream = c->request == NULL
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
        ic_free(l->connection[i].request);
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

int ic_load_run(const struct ic_load_settings *settings, struct ic_load_result *result, char *why)
{
    struct load l = {.settings = settings, .result = result, .why = why};
    memset(result, 0, sizeof *result);
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
        if (settings->rate > 0) {
            ic_timer_start(&l.pace, PACE_MS);
        }
        ic_loop_run(l.loop);
        error = l.error;
    }
    clean_up(&l);
    return error;
}
