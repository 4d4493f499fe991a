/*
 * session.c - one client connection: its bytes to requests (proto/resp.h), values to
 * puts (value.h), requests to replies (dispatch.h, reply.h).
 *
 *   room: where shall bytes go?   [value's stripe buffers][shared read buffer]
 *   received: they came       --> work: parser events, one after the other, until something
 *                                 must be waited for; what is left of the buffer moves to `rest`
 *   continue: it may have come -> work on `rest`, send replies, read on
 */
#include "proxy/session.h"

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/client_name.h"
#include "proxy/dispatch.h"
#include "proxy/proxy.h"
#include "proxy/sessions.h"
#include "proxy/value.h"

#include <assert.h>
#include <stdio.h>

enum {
    GONE_UNITS = 2,                       /* of work: a client that is gone, */
    END_UNITS = 38,                       /* its connection that is closed, */
    END_BYTES = 16384,                    /* and one for so much that the system keeps for it */
    EVICT_SLICE = 100,                    /* clients closed for maxmemory-clients in a turn */
    LEAVE_SLICE = 2000,                   /* parts of a reply that are dropped in a turn */
    READ_LEAST = 512,                     /* bytes read in a turn that is used up, */
    BODY_LEAST = 32768,                   /* or of a value */
    READ_MOST = 4 * IC_SESSION_READ_SIZE, /* and when its turn in the line has come */
    PARTS_A_UNIT = 8,
    ATTACK_LOG_MS = 60 * 1000, /* between two log lines about them, as Redis */
};

/* IS_TIME; if it is not, it goes on in a later turn. */
static bool in_time(struct ic_session *s, bool is_time)
{
    if (!is_time) {
        ic_turns_line_up(&s->sessions->turns, &s->worker);
    }
    return is_time;
}

/* Nothing more is read, or begun, before what waits has gone on; nor in this turn, if a value comes
 * and very much of others has come already, or unless there IS_TIME. */
static bool may_go_on(struct ic_session *s, bool is_time)
{
    if (s->gone || s->state != IC_SESSION_READING || s->waiting != NULL ||
        ic_session_seals_enough(s) || ic_reply_full(&s->reply)) {
        return false;
    }
    return in_time(s, is_time &&
                          !(s->streaming != NULL && ic_store_has_claimed_much(s->proxy->store)));
}

/* Its share of this turn is not used up. */
static bool may_work(struct ic_session *s)
{
    return may_go_on(s, ic_turns_may_work(&s->sessions->turns, &s->worker));
}

/* Bytes that it has been in line for: of the last turn, or this one. */
static bool has_reads(const struct ic_session *s)
{
    return s->reads > 0 && ic_loop_turn_number(s->proxy->loop) <= s->reads_turn + 1;
}

/* What comes now would be worked on, or looked at. */
static bool may_read(struct ic_session *s)
{
    bool is_time = has_reads(s) || ic_turns_may_work(&s->sessions->turns, &s->worker);
    if (s->state == IC_SESSION_SEALING || s->state == IC_SESSION_WORKING) {
        return ic_look_ahead_wants_bytes(s) && in_time(s, is_time);
    }
    return may_go_on(s, is_time) && s->rest.len == 0;
}

/* ---- reading ---- */

/* A value has all its bytes. Of MSET it is sealed while the next ones arrive, so that no value
 * waits for window memory while one before it keeps some. */
static void end_value(struct ic_session *s)
{
    struct ic_value *v = s->streaming;
    s->streaming = NULL;
    if (s->command->value_step != 0) {
        ic_value_seal(v, 0);
    }
}

/* The argument that begins is a value for argument KEY. */
static void begin_value(struct ic_session *s, uint32_t key)
{
    struct ic_resp *r = &s->parser;
    struct ic_value *v = NULL;
    if (ic_dispatch_wants_values(s, r->total) && !ic_look_ahead_take(s, r->argc)) {
        v = ic_value_begin(s, r->argc, ic_resp_arg(r, key), r->bulk_length);
    }
    if (v == NULL) {
        ic_resp_skip(r);
        if (s->value_error != 0) {
            ic_dispatch_refuse(s);
        }
        return;
    }
    ic_turns_worked(&s->sessions->turns, &s->worker, IC_VALUE_UNITS);
    ic_resp_stream(r);
    s->streaming = v;
    if (v->left == 0) {
        end_value(s);
    }
}

/* The argument that begins is a key, as far as the arguments before it tell. */
static bool is_key(const struct ic_session *s)
{
    const struct ic_resp *r = &s->parser;
    const struct ic_command *c = s->command;
    if (c != NULL && c->subcommand_count > 0 && r->argc > 1) {
        c = ic_command_find_sub(c, ic_resp_arg(r, 1));
    }
    return c != NULL && ic_command_is_key(c, r->argc, r->total);
}

/* The beginning of an argument: shall it be kept, streamed or skipped? */
static void begin_argument(struct ic_session *s)
{
    struct ic_resp *r = &s->parser;
    uint32_t index = r->argc, key = 0;
    if (index == 1) {
        ic_dispatch_name(s, ic_resp_arg(r, 0));
    }
    bool is_value =
        index > 0 && s->command != NULL && ic_command_is_value(s->command, index, r->total, &key);
    bool too_long =
        r->bulk_length > (uint64_t)s->proxy->config->max_key_size && !is_value && is_key(s);
    if (!ic_session_query_fits(s, is_value || too_long ? 0 : (size_t)r->bulk_length)) {
        ic_dispatch_refuse_query(s);
        ic_resp_skip_request(r);
    } else if (is_value) {
        begin_value(s, key);
    } else if (too_long) {
        s->key_too_long = true;
        ic_resp_skip(r);
    }
    ic_session_charge(s);
}

/* Moves the body that begins IN to its put. False: no room now. */
static bool move_body(struct ic_session *s, struct ic_slice *in)
{
    struct ic_value *v = s->streaming;
    assert(v != NULL);
    size_t moved = ic_value_write(v, *in);
    if (moved == 0) {
        return false;
    }
    ic_resp_body_taken(&s->parser, moved);
    *in = ic_slice(in->data + moved, in->len - moved);
    if (v->left == 0) {
        end_value(s);
    }
    return true;
}

static void protocol_error(struct ic_session *s)
{
    ic_log(IC_LOG_DEBUG, "client-protocol-error", "client=%llu error=\"%s\"",
           (unsigned long long)s->id, s->parser.error);
    ic_stats_error(&s->sessions->stats, s->parser.error);
    ic_dispatch_protocol_error(s, s->parser.error);
    ic_session_close_after_reply(s);
}

/* Units of work that the parser's next step may be, all at once: a line is taken apart when its end
 * has come, and the arguments are taken when the last of them has. */
static uint64_t step_units(const struct ic_resp *r)
{
    uint64_t line = ic_resp_line_length(r) / IC_TURNS_PARSED;
    return r->argc + 1 < r->total ? line : line + r->argc / IC_TURNS_ARGUMENTS;
}

/* Much is not begun in a turn that is used up. */
static bool may_parse(struct ic_session *s)
{
    struct ic_turns *turns = &s->sessions->turns;
    uint64_t units = step_units(&s->parser);
    if (!may_work(s)) {
        return false;
    }
    if (units > 0 && !ic_turns_may_begin(turns, &s->worker, units)) {
        ic_turns_line_up(turns, &s->worker);
        return false;
    }
    return true;
}

/* Works on IN until it is used up or something must be waited for. */
static void work(struct ic_session *s, struct ic_slice *in)
{
    while (may_parse(s)) {
        uint64_t line = ic_resp_line_length(&s->parser);
        switch (ic_resp_feed(&s->parser, in)) {
        case IC_RESP_MORE:
            return;
        case IC_RESP_BULK:
            begin_argument(s);
            break;
        case IC_RESP_BODY:
            if (!move_body(s, in)) {
                return;
            }
            break;
        case IC_RESP_COMMAND:
            ic_turns_worked(&s->sessions->turns, &s->worker, line / IC_TURNS_PARSED);
            ic_look_ahead_pass(s);
            ic_dispatch_request(s);
            break;
        case IC_RESP_ERROR:
            protocol_error(s);
            break;
        }
    }
}

/* Keeps what could not be worked on. */
static void keep_rest(struct ic_session *s, struct ic_slice in)
{
    if (s->gone || s->state == IC_SESSION_CLOSING || in.len == 0) {
        return;
    }
    if (ic_buf_append_slice(&s->rest, in) != 0) {
        ic_session_end(s, "out of memory");
        return;
    }
    ic_look_ahead_came(&s->ahead);
    ic_session_charge(s);
}

/* The client does not read, since it still sends, or sleeps: more may wait. */
static void on_patience(void *ctx)
{
    struct ic_session *s = ctx;
    if (ic_reply_full(&s->reply) && ic_stream_queued(s->stream) > 0 &&
        ic_reply_acknowledged(&s->reply) == s->patience_mark) {
        ic_reply_allow_more(&s->reply);
    }
    ic_session_continue(s);
}

/* Much waits to be sent: looks again whether some of it has been. */
static void watch_reader(struct ic_session *s)
{
    if (ic_reply_full(&s->reply) && !s->patience.armed) {
        s->patience_mark = ic_reply_acknowledged(&s->reply);
        ic_timer_start(&s->patience, IC_SESSION_PATIENCE_MS);
    }
}

static void work_on_rest(struct ic_session *s)
{
    struct ic_slice in = ic_buf_slice(&s->rest);
    work(s, &in);
    if (!s->gone) {
        ic_look_ahead_consumed(&s->ahead, s->rest.len - in.len);
        ic_buf_consume(&s->rest, s->rest.len - in.len);
        if (s->rest.len == 0) {
            ic_buf_deinit(&s->rest);
        }
    }
}

/* A connection that is closing ends when its replies are the system's, which delivers them; one
 * whose client sends no more is closing when everything it sent is answered. */
static void end_if_done(struct ic_session *s)
{
    if (s->gone || s->reply.holds > 0 || !ic_reply_empty(&s->reply) ||
        ic_stream_queued(s->stream) > 0) {
        return;
    }
    if (s->ended && s->state == IC_SESSION_READING && s->rest.len == 0) {
        s->state = IC_SESSION_CLOSING;
    }
    if (s->state == IC_SESSION_CLOSING) {
        ic_session_end(s, NULL);
    }
}

/* Replies that are put away take less: what stopped because of them may go on. */
static void pump(struct ic_session *s)
{
    bool was_full = ic_reply_full(&s->reply);
    ic_reply_pump(&s->reply);
    s->process_again = s->process_again || (was_full && !s->gone && !ic_reply_full(&s->reply));
}

void ic_session_continue(struct ic_session *s)
{
    if (s->processing) {
        s->process_again = true;
        return;
    }
    s->processing = true;
    do {
        s->process_again = false;
        ic_dispatch_continue(s);
        if (!s->gone) {
            work_on_rest(s);
        }
        if (!s->gone) {
            pump(s);
        }
    } while (s->process_again && !s->gone);
    s->processing = false;
    end_if_done(s);
    ic_look_ahead(s);
    if (!ic_session_charge(s)) {
        return;
    }
    watch_reader(s);
    if (may_read(s)) {
        s->starved = false; /* until it turns out that there is no room for what has come */
        ic_stream_resume(s->stream);
    }
}

/* Room for MOST bytes of the value that comes. */
static size_t body_room(struct ic_session *s, struct iovec *iov, size_t max, size_t most)
{
    size_t all = ic_value_room(s->streaming, iov, max), count = 0;
    for (; count < all && s->streaming_room < most; count++) {
        size_t left = most - s->streaming_room;
        iov[count].iov_len = iov[count].iov_len < left ? iov[count].iov_len : left;
        s->streaming_room += iov[count].iov_len;
    }
    return count;
}

static size_t on_room(void *ctx, struct iovec *iov, size_t max)
{
    struct ic_session *s = ctx;
    if (s->gone) {
        return 0;
    }
    s->streaming_room = 0;
    s->starved = !may_read(s);
    if (s->starved) {
        watch_reader(s);
        return 0;
    }
    size_t used_times = ic_turns_used_times(&s->sessions->turns), count = 0;
    if (s->streaming != NULL && !ic_value_wants_head(s->streaming)) {
        count = body_room(s, iov, max - 1, used_times > 0 ? BODY_LEAST : SIZE_MAX);
        if (s->streaming_room < s->streaming->left) {
            s->starved = count == 0;
            return count;
        }
    }
    /* What is to be parsed is a turn's work as well; who sends little is read at once, and who
     * sends more in a turn to come (go_on), or those that are always the first would leave it none.
     */
    s->paid = has_reads(s);
    size_t most = s->paid ? s->reads : used_times == 0 ? SIZE_MAX : READ_LEAST / used_times + 1;
    s->read_least = most <= sizeof(s->sessions->read_buffer) ? most : 0;
    iov[count] =
        (struct iovec){s->sessions->read_buffer,
                       s->read_least > 0 ? s->read_least : sizeof(s->sessions->read_buffer)};
    return count + 1;
}

static void on_received(void *ctx, size_t length)
{
    struct ic_session *s = ctx;
    size_t body = length < s->streaming_room ? length : s->streaming_room;
    s->active_ms = ic_loop_now_ms(s->proxy->loop);
    s->bytes_in += length;
    s->sessions->stats.bytes_in += length;
    s->processing = true;
    ic_turns_worked(&s->sessions->turns, &s->worker,
                    body / IC_TURNS_BODY + (s->paid ? 0 : (length - body) / IC_TURNS_PARSED));
    if (s->paid) {
        bool all = length - body < s->reads && length - body < sizeof(s->sessions->read_buffer);
        s->reads = all ? 0 : s->reads - (uint32_t)(length - body);
    }
    if (s->read_least > 0 && length - body == s->read_least) {
        s->reads_on = true;
        ic_turns_line_up(&s->sessions->turns, &s->worker);
    }
    if (body > 0) {
        struct ic_value *v = s->streaming;
        ic_value_received(v, body);
        ic_resp_body_taken(&s->parser, body);
        if (v->left == 0) {
            end_value(s);
        }
    }
    struct ic_slice in = ic_slice(s->sessions->read_buffer, length - body);
    if (s->rest.len == 0) {
        work(s, &in);
    }
    keep_rest(s, in);
    s->processing = false;
    bool comes_again = s->reads_on && s->state == IC_SESSION_READING; /* and sends more at once */
    if (!s->gone && !comes_again) {
        ic_session_continue(s); /* replies, and what came meanwhile */
    }
}

static void on_drained(void *ctx)
{
    struct ic_session *s = ctx;
    if (!s->gone) {
        ic_reply_drained(&s->reply);
        ic_session_continue(s);
    }
}

static void on_ended(void *ctx)
{
    struct ic_session *s = ctx;
    s->ended = true;
    ic_session_continue(s);
}

static void on_closed(void *ctx, int error)
{
    (void)error;
    ic_session_end(ctx, NULL);
}

static const struct ic_stream_handler stream_handler = {
    .room = on_room,
    .received = on_received,
    .drained = on_drained,
    .closed = on_closed,
    .ended = on_ended,
};

/* ---- replies ---- */

static void on_reply_changed(void *ctx)
{
    ic_session_continue(ctx);
}

static void end_over_output(struct ic_session *s, const char *which, int64_t bytes)
{
    char why[128];
    snprintf(why, sizeof(why), "it does not read: its replies passed the %s of %lld bytes", which,
             (long long)bytes);
    s->sessions->stats.output_buffer_limit_disconnections++;
    ic_session_end(s, why);
}

static void on_reply_broken(void *ctx, const char *why)
{
    struct ic_session *s = ctx;
    if (s->reply.out.too_long) {
        end_over_output(s, "limit", (int64_t)s->reply.limit);
    } else {
        ic_session_end(s, why);
    }
}

void ic_session_close_after_reply(struct ic_session *s)
{
    if (s->state == IC_SESSION_WORKING) {
        s->closing = true;
    } else {
        s->state = IC_SESSION_CLOSING;
    }
}

/* ---- life ---- */

static void go_on(void *ctx)
{
    struct ic_session *s = ctx;
    if (s->reads_on) { /* what has come is paid for now; its own share is for `rest` */
        size_t unread = ic_stream_unread(s->stream);
        s->reads_on = false;
        unread = unread < READ_MOST ? unread : READ_MOST;
        s->reads = (uint32_t)unread + 1; /* one more would tell that there is more */
        s->reads_turn = ic_loop_turn_number(s->proxy->loop);
        ic_turns_worked(&s->sessions->turns, &s->sessions->chores, unread / IC_TURNS_PARSED);
    }
    if (s->gone) {
        ic_session_leave(s);
    } else {
        ic_session_continue(s);
    }
}

static void on_delay(void *ctx)
{
    struct ic_session *s = ctx;
    ic_reply_release(&s->reply);
    s->state = IC_SESSION_READING;
    ic_session_continue(s);
}

struct ic_session *ic_session_new(struct ic_sessions *all, struct ic_stream *stream)
{
    struct ic_session *s = ic_calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->sessions = all;
    s->proxy = all->proxy;
    s->stream = stream;
    s->id = ++all->last_id;
    if (ic_map_insert(&all->by_id, &s->id_node, ic_slice(&s->id, sizeof(s->id))) < 0) {
        ic_free(s);
        return NULL;
    }
    s->created_ms = s->active_ms = ic_loop_now_ms(s->proxy->loop);
    s->authenticated = all->password.len == 0;
    ic_list_init(&s->node);
    ic_transaction_init(s);
    ic_worker_init(&s->worker, go_on, s);
    ic_list_init(&s->values);
    ic_look_ahead_init(&s->ahead);
    ic_list_init(&s->reap.node);
    ic_buf_init(&s->rest);
    ic_buf_init(&s->if_failed);
    ic_resp_init(&s->parser, (uint64_t)s->proxy->config->proto_max_bulk_len);
    s->parser.unauthenticated = !s->authenticated;
    ic_timer_init(&s->delay, s->proxy->loop, on_delay, s);
    ic_timer_init(&s->patience, s->proxy->loop, on_patience, s);
    ic_reply_init(&s->reply, s->proxy, stream, &s->worker, on_reply_changed, on_reply_broken, s);
    ic_stream_peer(stream, s->peer);
    ic_stream_local(stream, s->local);
    ic_list_push_back(&all->list, &s->node);
    all->count++;
    s->tick_ms = s->created_ms;
    ic_stream_start(stream, &stream_handler, s);
    ic_session_charge(s);
    return s;
}

static void reap(void *ctx)
{
    struct ic_session *s = ctx;
    ic_resp_deinit(&s->parser);
    ic_buf_deinit(&s->rest);
    ic_buf_deinit(&s->if_failed);
    ic_free(s->argv);
    ic_free(s->name);
    ic_free(s->library);
    ic_free(s->library_version);
    ic_free(s);
}

static void close_connection(struct ic_session *s)
{
    if (s->stream == NULL) {
        return;
    }
    ic_turns_worked(&s->sessions->turns, &s->worker,
                    END_UNITS + ic_stream_unacknowledged(s->stream) / END_BYTES);
    ic_stream_free(s->stream);
    s->stream = NULL;
    s->sessions->count--;
}

/* What takes long of it, as it does when many end at once, waits for a turn that has time. */
void ic_session_end(struct ic_session *s, const char *why)
{
    struct ic_turns *turns = &s->sessions->turns;
    if (s->gone) {
        return;
    }
    if (why != NULL) {
        ic_log(IC_LOG_INFO, "client-closed", "client=%llu peer=%s why=\"%s\"",
               (unsigned long long)s->id, s->peer, why);
    }
    s->gone = true;
    ic_turns_worked(turns, &s->worker, GONE_UNITS);
    ic_timer_stop(&s->delay);
    ic_timer_stop(&s->patience);
    ic_worker_leave(&s->worker);
    ic_list_remove(&s->node);
    ic_list_push_back(&s->sessions->leaving, &s->node);
    ic_map_remove(&s->sessions->by_id, &s->id_node);
    ic_client_memory_leave(&s->sessions->memory, &s->charge);
    ic_reply_stop(&s->reply);
    if (ic_turns_used_up(turns)) {
        ic_turns_line_up(turns, &s->worker);
    } else if (ic_turns_is_alone(turns, &s->worker)) {
        close_connection(s);
        ic_turns_line_up(turns, &s->worker); /* what it does comes to its end */
    } else {
        ic_session_leave(s);
    }
}

bool ic_session_leave(struct ic_session *s)
{
    close_connection(s);
    unsigned parts = s->reply.part_count < LEAVE_SLICE ? s->reply.part_count : LEAVE_SLICE;
    ic_turns_worked(&s->sessions->turns, &s->worker, parts / PARTS_A_UNIT);
    if (!ic_dispatch_leave(s) || ic_reply_drop_some(&s->reply, LEAVE_SLICE)) {
        ic_turns_line_up(&s->sessions->turns, &s->worker);
        return false;
    }
    ic_reply_deinit(&s->reply);
    ic_look_ahead_drop(s);
    ic_transaction_discard(s);
    ic_store_forget(s->proxy->store, s);
    ic_worker_leave(&s->worker);
    ic_list_remove(&s->node);
    ic_loop_reap(s->proxy->loop, &s->reap, reap, s);
    return true;
}

void ic_session_kill(struct ic_session *s, const struct ic_session *by)
{
    if (s == by) {
        ic_session_close_after_reply(s);
    } else {
        ic_session_end(s, "killed by another client");
    }
}

void ic_session_end_http(struct ic_session *s)
{
    uint64_t now_ms = ic_loop_now_ms(s->proxy->loop);
    uint64_t *logged_ms = &s->sessions->attack_logged_ms;
    if (*logged_ms == 0 || now_ms - *logged_ms >= ATTACK_LOG_MS) {
        *logged_ms = now_ms;
        ic_log(IC_LOG_WARNING, "possible-attack",
               "client=%llu peer=%s why=\"it sent POST or Host:, perhaps cross-protocol scripting "
               "by a "
               "web page; the connection is closed\"",
               (unsigned long long)s->id, s->peer);
    }
    ic_session_end(s, NULL);
}

/* ---- what it takes ---- */

struct ic_arg *ic_session_argument(struct ic_session *s, uint32_t index)
{
    if (index < s->argv_cap) {
        return &s->argv[index];
    }
    uint32_t cap = 2 * s->argv_cap < s->parser.total ? 2 * s->argv_cap : s->parser.total;
    cap = cap > index ? cap : index + 1;
    struct ic_arg *argv = ic_realloc(s->argv, cap * sizeof(*argv));
    if (argv == NULL) {
        return NULL;
    }
    memset(argv + s->argv_cap, 0, (cap - s->argv_cap) * sizeof(*argv));
    s->argv = argv;
    s->argv_cap = cap;
    return &s->argv[index];
}

bool ic_session_set_text(struct ic_session *s, char **text, struct ic_slice value)
{
    size_t before = *text == NULL ? 0 : strlen(*text) + 1;
    if (!ic_client_name_set(text, value)) {
        return false;
    }
    s->text_bytes += (*text == NULL ? 0 : strlen(*text) + 1) - before;
    return true;
}

struct ic_value *ic_session_last_value(const struct ic_session *s)
{
    return ic_list_empty(&s->values) ? NULL : IC_CONTAINER(s->values.prev, struct ic_value, node);
}

bool ic_session_seals_enough(const struct ic_session *s)
{
    bool crowded = s->streaming == NULL && s->sessions->sealing >= IC_SESSIONS_SEALING_MAX;
    return s->sealing >= (crowded ? 1 : IC_SESSION_SEALING_MAX);
}

const struct ic_value *ic_session_open_value(const struct ic_session *s)
{
    const struct ic_value *last = ic_session_last_value(s);
    bool open = s->state == IC_SESSION_READING && last != NULL && !last->sealing;
    return open ? last : NULL;
}

struct ic_pool_use ic_session_pool_use(const struct ic_session *s)
{
    struct ic_pool_use use = s->queued_use;
    const struct ic_value *open = ic_session_open_value(s);
    ic_pool_use_add(&use, ic_reply_pool_use(&s->reply));
    if (s->state == IC_SESSION_READING) { /* else it waits for us */
        ic_pool_use_add(&use, s->drafts_use);
    }
    if (open != NULL) {
        ic_pool_use_add(&use, ic_value_kept(open));
    }
    return use;
}

size_t ic_session_query_bytes(const struct ic_session *s)
{
    size_t arguments = s->parser.request_skipped ? 0 : s->parser.argc;
    arguments = arguments > s->argv_cap ? arguments : s->argv_cap;
    return ic_resp_memory(&s->parser) + s->rest.cap + arguments * sizeof(*s->argv) +
           s->queued_bytes + s->watched_bytes + s->values_bytes;
}

bool ic_session_query_fits(const struct ic_session *s, size_t more)
{
    size_t limit = (size_t)s->proxy->config->client_query_buffer_limit,
           now = ic_session_query_bytes(s);
    return now <= limit && more <= limit - now;
}

size_t ic_session_memory(const struct ic_session *s)
{
    return sizeof(*s) + ic_stream_bytes + s->text_bytes + ic_session_query_bytes(s) +
           ic_reply_memory(&s->reply) + s->if_failed.cap + s->call.job_memory + s->ahead.bytes;
}

/* Bytes of it that were withdrawn: only the last value can have a head that large. */
static size_t withdrawn_memory(const struct ic_session *s)
{
    const struct ic_value *last = ic_session_last_value(s);
    return last == NULL ? 0 : ic_value_withdrawn(last);
}

static struct ic_output_limit output_limit(const struct ic_session *s)
{
    return ic_output_limits_of(&s->proxy->config->client_output_buffer_limit, IC_CLIENT_NORMAL);
}

bool ic_session_check_output(struct ic_session *s)
{
    struct ic_output_limit limit = output_limit(s);
    size_t now = ic_reply_memory(&s->reply);
    uint64_t now_ms = ic_loop_now_ms(s->proxy->loop);
    if (limit.hard > 0 && now >= (size_t)limit.hard) {
        end_over_output(s, "hard limit", limit.hard);
    } else if (limit.soft == 0 || now < (size_t)limit.soft) {
        s->soft_since_ms = 0;
    } else if (s->soft_since_ms == 0) {
        s->soft_since_ms = now_ms;
    } else if (now_ms - s->soft_since_ms > (uint64_t)limit.soft_s * 1000) {
        end_over_output(s, "soft limit", limit.soft);
    }
    return !s->gone;
}

bool ic_sessions_evict(struct ic_sessions *all)
{
    size_t limit = ic_client_memory_limit(all->proxy->config);
    char why[128];
    struct ic_client_charge *victim = ic_client_memory_victim(&all->memory, limit);
    bool enough = false;
    for (int i = 0; i < EVICT_SLICE && victim != NULL && !enough; i++) {
        struct ic_session *s = IC_CONTAINER(victim, struct ic_session, charge);
        snprintf(why, sizeof(why), "evicted: it takes %zu bytes, all clients %zu of %zu",
                 victim->bytes, all->memory.total, limit);
        all->stats.evicted_clients++;
        ic_session_end(s, why);
        victim = ic_client_memory_victim(&all->memory, limit);
        enough = ic_turns_used_up(&all->turns);
    }
    return victim != NULL;
}

bool ic_session_charge(struct ic_session *s)
{
    struct ic_client_memory *memory = &s->sessions->memory;
    if (s->gone) {
        return false;
    }
    size_t limit = ic_client_memory_limit(s->proxy->config), hard = (size_t)output_limit(s).hard;
    size_t before = s->charge.bytes;
    ic_client_memory_charge(memory, &s->charge, ic_session_memory(s), withdrawn_memory(s),
                            s->no_evict);
    ic_reply_set_limit(&s->reply, hard > 0 && hard < limit ? hard : limit);
    if (s->charge.bytes <= before) {
        return true;
    }
    ic_client_memory_note(memory, ic_loop_now_ms(s->proxy->loop), ic_session_query_bytes(s),
                          ic_reply_memory(&s->reply));
    if (!ic_session_check_output(s)) {
        return false;
    }
    if (ic_sessions_evict(s->sessions)) {
        ic_sessions_evict_on(s->sessions);
    }
    return !s->gone;
}
