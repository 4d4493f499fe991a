/*
 * dispatch.c - see dispatch.h. The order of the checks and their texts are those of
 * Redis 7.2's processCommand (server.c there).
 */
#include "proxy/dispatch.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "proxy/call_units.h"
#include "proxy/command_handlers.h"
#include "proxy/proxy.h"
#include "proxy/rebuilder.h"
#include "proxy/sessions.h"
#include "proxy/tally.h"
#include "proxy/unavailable.h"
#include "proxy/value.h"

#include <assert.h>
#include <stdio.h>

enum {
    REASON_MAX = IC_UNAVAILABLE_MAX,
    KEPT_MAX = 512, /* bytes of a reply that says the same whatever becomes of the changes before */
    DELAY_MAX_MS = 3600 * 1000, /* of all commands of a transaction */
    PUT_UNITS = 8,              /* of work: a value stored, */
    GIVE_UP_UNITS = 2,          /* or one that is under way given up */
};

/* ---- refusing ---- */

static void say_misconf(const struct ic_session *s, bool part_done, char *why)
{
    snprintf(why, REASON_MAX, "-MISCONF Errors writing to the journal%s: %s",
             part_done ? " (a part of the command may have been done)" : "",
             ic_store_failure(s->proxy->store));
}

static bool is_loading(const struct ic_session *s)
{
    return ic_rebuilder_loading(s->proxy->rebuilder);
}

/* What is wrong with the value that failed. False: it is refused; true: it was tried in vain. */
static bool say_value_error(const struct ic_session *s, char *why)
{
    if (is_loading(s)) {
        ic_unavailable_loading(s->proxy->functions, why);
        return false;
    }
    switch (s->value_error) {
    case IC_ETOOBIG:
    case IC_ETHROTTLED:
        snprintf(why, REASON_MAX, "%s", s->value_why);
        return false;
    case IC_ENOSPC:
        snprintf(why, REASON_MAX, "-OOM command not allowed when used memory > 'maxmemory'.");
        return false;
    case IC_EIO:
        if (!ic_store_writable(s->proxy->store)) {
            say_misconf(s, false, why);
            return false;
        }
        break;
    default:
        break;
    }
    ic_unavailable_text(s->proxy->functions, "the value cannot be stored now", s->value_error, why);
    return true;
}

static bool writes(const struct ic_session *s, const struct ic_command *command)
{
    return (command->flags & IC_COMMAND_WRITE) != 0 ||
           (command->handler == ic_command_exec && s->queued_writes);
}

static bool has_long_key(const struct ic_session *s, const struct ic_call *c)
{
    size_t most = (size_t)s->proxy->config->max_key_size;
    bool found = s->key_too_long;
    for (uint32_t i = 0; i < c->argc && s->parser.is_inline && !found; i++) {
        found = c->argv[i].bytes.len > most && ic_command_is_key(c->command, i, c->argc);
    }
    return found;
}

/* False: WHY says why C is refused. */
static bool check(struct ic_session *s, struct ic_call *c, char *why)
{
    if (!ic_call_resolve(c, why, REASON_MAX)) {
        return false;
    }
    if (!ic_command_arity_fits(c->command, c->argc)) {
        snprintf(why, REASON_MAX, "wrong number of arguments for '%s' command", c->command->name);
    } else if (c->command->most != 0 && c->argc > c->command->most) {
        snprintf(why, REASON_MAX, "too many arguments for '%s' command (at most %u)",
                 c->command->name, c->command->most);
    } else if (!s->authenticated && (c->command->flags & IC_COMMAND_NO_AUTH) == 0) {
        snprintf(why, REASON_MAX, "-NOAUTH Authentication required.");
    } else if (s->multi && (c->command->flags & IC_COMMAND_NO_MULTI) != 0) {
        snprintf(why, REASON_MAX, "Command not allowed inside a transaction");
    } else if (has_long_key(s, c)) {
        snprintf(why, REASON_MAX, "a key is longer than max-key-size (%lld bytes)",
                 (long long)s->proxy->config->max_key_size);
    } else if (writes(s, c->command) && !ic_store_writable(s->proxy->store)) {
        say_misconf(s, false, why);
    } else if (is_loading(s) && (c->command->flags & IC_COMMAND_LOADING) == 0) {
        ic_unavailable_loading(s->proxy->functions, why);
    } else {
        return true;
    }
    return false;
}

/* The request is answered with an error before its handler is asked. */
static void reject(struct ic_session *s, struct ic_call *c, const char *why)
{
    ic_turns_worked(&s->sessions->turns, &s->worker, 1);
    s->dirty_exec = s->dirty_exec || s->multi;
    ic_transaction_drop_queue(s); /* it can never run */
    if (c->command != NULL) {
        ic_stats_rejected(&s->sessions->stats, c->command);
    } else if (c->argc == 0) { /* its name was not kept, or all of it was too long */
        ic_stats_unknown(&s->sessions->stats, ic_slice(NULL, 0), ic_slice(NULL, 0));
    } else {
        bool family = ic_command_find(c->argv[0].bytes) != NULL;
        ic_stats_unknown(&s->sessions->stats, c->argv[0].bytes,
                         family ? c->argv[1].bytes : ic_slice(NULL, 0));
    }
    if (c->command != NULL && c->command->handler == ic_command_exec) {
        ic_transaction_discard(s);
        ic_call_errorf(c, "-EXECABORT Transaction discarded because of: %s", why + (why[0] == '-'));
        return;
    }
    ic_call_error(c, why);
}

/* ---- running ---- */

static void count_work(struct ic_session *s, uint64_t units)
{
    ic_turns_worked(&s->sessions->turns, &s->worker, units);
    s->exec_units += s->in_exec ? units : 0;
}

void ic_call_worked(struct ic_call *c, uint64_t units)
{
    count_work(c->session, units);
}

bool ic_call_goes_on_alone(struct ic_call *c, uint64_t units)
{
    struct ic_session *s = c->session;
    count_work(s, units);
    c->unfinished = !ic_turns_may_work_alone(&s->sessions->turns, &s->worker);
    if (c->unfinished) {
        ic_turns_go_alone(&s->sessions->turns, &s->worker);
    }
    return !c->unfinished;
}

bool ic_call_goes_on(struct ic_call *c, uint64_t units)
{
    struct ic_session *s = c->session;
    if (s->in_exec) { /* nobody sees it half done */
        return ic_call_goes_on_alone(c, units);
    }
    count_work(s, units);
    c->unfinished = !ic_turns_may_go_on(&s->sessions->turns, &s->worker);
    return !c->unfinished;
}

static void begin_call(struct ic_session *s, struct ic_call *c)
{
    c->begun = true;
    c->failed = false;
    c->begun_us = s->in_exec ? (int64_t)ic_clock_mono_us() : s->begun_us;
    c->delay_before_ms = s->delay_ms;
    c->mark = ic_reply_mark(&s->reply);
}

static void drop_job(struct ic_call *c)
{
    if (c->job != NULL) {
        c->job_free(c->job);
    }
    c->job = NULL;
    c->job_memory = 0;
}

static void end_call(struct ic_session *s, struct ic_call *c)
{
    uint64_t us = (uint64_t)((int64_t)ic_clock_mono_us() - c->begun_us) +
                  (s->delay_ms - c->delay_before_ms) * 1000;
    drop_job(c);
    ic_tally(s, c, us, c->mark);
}

bool ic_session_execute(struct ic_session *s, struct ic_call *c)
{
    if (!c->begun) {
        begin_call(s, c);
    }
    s->call_mark = c->mark;
    c->unfinished = false;
    size_t before = s->reply.parts_memory + s->reply.tail.len;
    c->command->handler(c);
    size_t after = s->reply.parts_memory + s->reply.tail.len;
    uint64_t text = (after > before ? after - before : 0) / IC_TURNS_TEXT;
    count_work(s, 1 + text + ic_call_report_units(c));
    if (!c->unfinished) {
        end_call(s, c);
    }
    return !c->unfinished;
}

void ic_session_refuse(struct ic_session *s, struct ic_call *c, const char *why)
{
    if (!c->begun) {
        begin_call(s, c);
    }
    ic_reply_rewind(&s->reply, c->mark);
    ic_call_error(c, why);
    count_work(s, 1);
    end_call(s, c);
}

/* Few are under way at a time, and what drafts there are is dropped in turns to come if they are
 * many. */
static void drop_values(struct ic_session *s)
{
    IC_LIST_EACH (node, &s->values) {
        count_work(s, GIVE_UP_UNITS);
        ic_value_free(IC_CONTAINER(node, struct ic_value, node));
    }
    s->drafts_use = (struct ic_pool_use){0};
    ic_transaction_drop_arguments(s);
}

void ic_dispatch_drop(struct ic_session *s)
{
    drop_values(s);
    drop_job(&s->call);
    s->call.argc = 0;
    s->command = NULL;
    s->value_error = 0;
    s->inline_next = 0;
    s->key_too_long = s->prepared = s->refused = false;
}

bool ic_dispatch_leave(struct ic_session *s)
{
    struct ic_turns *turns = &s->sessions->turns;
    if (ic_turns_is_alone(turns, &s->worker) && !ic_session_execute(s, &s->call)) {
        return false;
    }
    ic_turns_end_alone(turns, &s->worker);
    ic_dispatch_drop(s);
    return true;
}

/* A reply is begun, which is sent or not. */
static void begin_reply(struct ic_session *s)
{
    s->command_mark = ic_reply_mark(&s->reply);
    s->reply.silent = s->reply_off || s->reply_skip;
}

/* The reply stands even if changes before it are undone; an empty one: an error takes its place. */
static void keep_reply(struct ic_session *s, struct ic_slice reply)
{
    uint32_t length = reply.len <= KEPT_MAX ? (uint32_t)reply.len : 0;
    if (ic_buf_append(&s->if_failed, &length, sizeof length) < 0 ||
        ic_buf_append(&s->if_failed, reply.data, length) < 0) {
        s->reply.out.failed = true;
    }
}

/*
 * The reply is written: takes it back from a client that wants none. While changes are on their way
 * into the journal what will be said if they are undone is noted: an error instead of a reply that
 * SAW_KEYS; any other stands (what MULTI, HELLO or CONFIG SET have done is done), unless it is
 * long, as of what only tells something.
 */
static void end_reply(struct ic_session *s, bool saw_keys)
{
    if (s->reply.silent) {
        ic_reply_rewind(&s->reply, s->command_mark);
    }
    if (!s->reply.silent && (s->commits > 0 || s->commit_failed)) {
        keep_reply(s, saw_keys ? ic_slice(NULL, 0) : ic_reply_since(&s->reply, s->command_mark));
    }
}

void ic_dispatch_protocol_error(struct ic_session *s, const char *why)
{
    begin_reply(s);
    ic_resp_error(&s->reply.out, why);
    end_reply(s, false);
}

/* The request is answered; SAW_KEYS: with what rests on keys. */
static void finish(struct ic_session *s, bool saw_keys)
{
    if (!s->refused) {
        end_reply(s, saw_keys);
    }
    s->reply_skip = s->reply_skip_next;
    s->reply_skip_next = false;
    ic_dispatch_drop(s);
    ic_resp_reset(&s->parser);
    s->parser.max_bulk = (uint64_t)s->proxy->config->proto_max_bulk_len;
    if (s->state == IC_SESSION_SEALING) {
        s->state = IC_SESSION_READING;
    }
    if (s->delay_ms > 0) {
        s->state = IC_SESSION_DELAYED;
        ic_reply_hold(&s->reply);
        ic_timer_start(&s->delay, s->delay_ms);
        s->delay_ms = 0;
    }
    ic_session_charge(s);
}

/* What is answered from here on, C's reply included, goes out when the turn's changes are in the
 * journal, or an error does. */
static void hold_replies(struct ic_session *s)
{
    if (s->commits++ == 0) {
        s->commit_mark = s->command_mark;
        s->if_failed.len = 0;
        s->part_done = s->part_done && s->state == IC_SESSION_WORKING;
        ic_reply_hold(&s->reply);
    }
}

static void on_commit(void *ctx, int result);

/* C has run, and changed nothing itself. If it saw what others changed in this turn its answer
 * waits for the same as theirs: nobody is told of what is undone. */
static void hold_if_unsettled(struct ic_session *s, const struct ic_call *c)
{
    if (!ic_call_tells_of_keys(c) || s->commits > 0) {
        return;
    }
    int result = ic_store_await_settled(s->proxy->store, on_commit, s);
    if (result < 0) {
        ic_session_end(s, "out of memory");
    } else if (result > 0) {
        hold_replies(s);
    }
}

/* The command takes more than this turn: nothing is sent of its reply, and none of what follows is
 * looked at, before it is done. */
static void begin_work(struct ic_session *s)
{
    s->closing = s->state == IC_SESSION_CLOSING;
    s->part_done = false;
    s->state = IC_SESSION_WORKING;
    ic_reply_hold(&s->reply);
}

static void end_work(struct ic_session *s)
{
    ic_turns_end_alone(&s->sessions->turns, &s->worker);
    s->state = s->closing ? IC_SESSION_CLOSING : IC_SESSION_READING;
    ic_reply_release(&s->reply);
}

/* The keys are another's alone, or C is much work and the turn's is done: true, it waits. What has
 * begun and is not alone (KEYS, SCAN, WATCH) sees the keys at many moments anyway: it waits for
 * nobody, or it would have a step in the time that all others take. */
static bool must_wait(struct ic_session *s, const struct ic_call *c)
{
    struct ic_turns *turns = &s->sessions->turns;
    bool enters = c->begun || !ic_call_needs_keys(c) || ic_turns_may_enter(turns, &s->worker);
    if (enters && (c->begun || ic_turns_may_begin(turns, &s->worker, ic_call_expected_units(c)))) {
        return false;
    }
    if (s->state != IC_SESSION_WORKING) {
        begin_work(s);
    }
    if (enters) {
        ic_turns_line_up(turns, &s->worker);
    } else {
        ic_turns_wait(turns, &s->worker);
    }
    return true;
}

/* The command begins, or goes on, unless it must wait. */
static void execute(struct ic_session *s, struct ic_call *c)
{
    if (must_wait(s, c)) {
        return;
    }
    if (!c->begun && s->state != IC_SESSION_READING) { /* it has waited */
        c->wall_ms = ic_clock_wall_ms();
    }
    bool done = ic_session_execute(s, c);
    hold_if_unsettled(s, c);
    if (s->gone) {
        return;
    }
    if (!done && s->state != IC_SESSION_WORKING) {
        begin_work(s);
    }
    if (!done) {
        ic_turns_line_up_under_way(&s->sessions->turns, &s->worker);
        return;
    }
    if (s->state == IC_SESSION_WORKING) {
        end_work(s);
    }
    finish(s, ic_call_tells_of_keys(c));
}

static void go_on_working(struct ic_session *s)
{
    if (ic_turns_may_go_on(&s->sessions->turns, &s->worker)) {
        execute(s, &s->call);
    } else if (s->call.begun) {
        ic_turns_line_up_under_way(&s->sessions->turns, &s->worker);
    } else {
        ic_turns_line_up(&s->sessions->turns, &s->worker);
    }
}

/* What it has seen so far is undone: it is answered as what has changed that. */
static void give_up_work(struct ic_session *s)
{
    if (s->call.begun) {
        s->call.failed = true;
        end_call(s, &s->call);
    } else if (s->call.command->handler == ic_command_exec) { /* it would have ended with it */
        ic_transaction_discard(s);
    }
    end_work(s);
    finish(s, true);
}

/* Everything it needs is there. */
static void run(struct ic_session *s, struct ic_call *c)
{
    s->drafts_use = (struct ic_pool_use){0}; /* they are the command's */
    if (s->multi && (c->command->flags & IC_COMMAND_IN_MULTI) == 0) {
        ic_transaction_queue(s, c);
        count_work(s, 1);
        finish(s, false);
    } else {
        execute(s, c);
    }
}

/* ---- a request ---- */

void ic_dispatch_name(struct ic_session *s, struct ic_slice name)
{
    s->command = ic_command_find(name);
}

bool ic_dispatch_wants_values(struct ic_session *s, uint32_t total)
{
    bool wanted = s->value_error == 0 && s->authenticated && !s->key_too_long &&
                  ic_command_arity_fits(s->command, total) && !(s->multi && s->dirty_exec) &&
                  (s->command->value_step == 0 || total % 2 == 1);
    if (wanted && !ic_store_writable(s->proxy->store)) {
        s->value_error = IC_EIO;
    } else if (wanted && is_loading(s)) {
        s->value_error = IC_EUNAVAIL;
    }
    return wanted && s->value_error == 0;
}

/* The parser's arguments as the call's. */
static bool take_arguments(struct ic_session *s)
{
    uint32_t argc = s->parser.argc;
    if (ic_session_argument(s, argc - 1) == NULL) {
        ic_session_end(s, "out of memory");
        return false;
    }
    count_work(s, argc / IC_TURNS_ARGUMENTS);
    for (uint32_t i = 0; i < argc; i++) { /* their drafts may be there */
        s->argv[i].bytes = ic_resp_arg(&s->parser, i);
    }
    s->call = (struct ic_call){.proxy = s->proxy,
                               .session = s,
                               .argv = s->argv,
                               .argc = argc,
                               .out = &s->reply.out,
                               .wall_ms = ic_clock_wall_ms()};
    return true;
}

/* Somebody's browser was led here to speak HTTP. */
static bool is_http(const struct ic_call *c)
{
    return ic_call_is(c, 0, "host:") || ic_call_is(c, 0, "post");
}

bool ic_dispatch_has_values(const struct ic_session *s, const struct ic_command *command,
                            uint32_t argc)
{
    return command->value != 0 && argc > command->value && !(s->multi && s->dirty_exec) &&
           (command->value_step == 0 || argc % 2 == 1);
}

void ic_dispatch_refuse(struct ic_session *s)
{
    char why[REASON_MAX];
    if (s->refused) {
        return;
    }
    s->call = (struct ic_call){
        .proxy = s->proxy, .session = s, .command = s->command, .out = &s->reply.out};
    begin_reply(s);
    (void)say_value_error(s, why); /* its request is not complete: it does not count as tried */
    reject(s, &s->call, why);
    end_reply(s, false);
    s->refused = true;
    drop_values(s); /* what follows is skipped */
}

void ic_dispatch_refuse_query(struct ic_session *s)
{
    s->sessions->stats.query_buffer_limit_refusals++;
    s->value_error = IC_ETOOBIG;
    snprintf(s->value_why, sizeof(s->value_why),
             "the request takes more memory than client-query-buffer-limit (%lld bytes)",
             (long long)s->proxy->config->client_query_buffer_limit);
    ic_dispatch_refuse(s);
    ic_transaction_drop_queue(s);
}

void ic_dispatch_request(struct ic_session *s)
{
    char why[REASON_MAX];
    struct ic_call *c = &s->call;
    if (s->refused) {
        finish(s, false);
        return;
    }
    if (!take_arguments(s)) {
        return;
    }
    if (is_http(c)) {
        ic_session_end_http(s);
        return;
    }
    s->begun_us = (int64_t)ic_clock_mono_us();
    begin_reply(s);
    bool good = check(s, c, why);
    s->last_command = c->command;
    if (!good) {
        count_work(s, 1);
        reject(s, c, why);
        finish(s, false);
    } else if (ic_dispatch_has_values(s, c->command, c->argc)) {
        s->command = c->command;
        s->state = IC_SESSION_SEALING;
        ic_dispatch_continue(s);
    } else {
        run(s, c);
    }
}

/* Puts the values of an inline request, whose bytes are arguments. False: no room now. */
static bool put_inline_values(struct ic_session *s)
{
    struct ic_call *c = &s->call;
    for (; s->inline_next < c->argc && s->value_error == 0; s->inline_next++) {
        uint32_t key, i = s->inline_next;
        if (ic_session_seals_enough(s)) {
            return false;
        }
        if (i == 0 || !ic_command_is_value(c->command, i, c->argc, &key)) {
            continue;
        }
        struct ic_slice bytes = c->argv[i].bytes;
        struct ic_value *v = ic_session_last_value(s);
        if (v == NULL || v->index != i) {
            v = ic_value_begin(s, i, c->argv[key].bytes, bytes.len);
        }
        while (v != NULL && v->left > 0) {
            size_t done = bytes.len - (size_t)v->left;
            if (ic_value_write(v, ic_slice(bytes.data + done, bytes.len - done)) == 0) {
                return false;
            }
        }
        if (v != NULL && c->command->value_step != 0) {
            ic_value_seal(v, 0);
        }
    }
    return true;
}

/* C was answered with an error after its request was complete: it ran, and has failed. */
static void tally_failed(struct ic_session *s, struct ic_call *c)
{
    ic_tally(s, c, (uint64_t)((int64_t)ic_clock_mono_us() - s->begun_us), s->command_mark);
}

/* Once: the arguments are looked at, and every value is sealed. False: refused, and replied. */
static bool prepare(struct ic_session *s)
{
    struct ic_call *c = &s->call;
    int64_t expires_ms = 0;
    s->prepared = true;
    if (!s->multi && c->command->prepare != NULL && !c->command->prepare(c, &expires_ms)) {
        tally_failed(s, c);
        return false;
    }
    IC_LIST_EACH (node, &s->values) {
        ic_value_seal(IC_CONTAINER(node, struct ic_value, node), expires_ms);
    }
    return true;
}

static void go_on_sealing(struct ic_session *s)
{
    char why[REASON_MAX];
    if (s->parser.is_inline && !put_inline_values(s) && s->value_error == 0) {
        return;
    }
    begin_reply(s);
    if (s->value_error == 0 && !s->prepared && !prepare(s)) {
        finish(s, true);
        return;
    }
    if (s->value_error != 0) {
        if (say_value_error(s, why) && !s->multi) {
            ic_call_error(&s->call, why);
            tally_failed(s, &s->call);
        } else {
            reject(s, &s->call, why);
        }
        finish(s, false);
    } else if (s->sealing == 0) {
        s->state = IC_SESSION_READING;
        run(s, &s->call);
    }
}

void ic_dispatch_continue(struct ic_session *s)
{
    if (s->gone) {
        return;
    }
    switch (s->state) {
    case IC_SESSION_SEALING:
        go_on_sealing(s);
        break;
    case IC_SESSION_WORKING:
        if (ic_list_empty(&s->worker.node)) { /* else it is not its turn */
            go_on_working(s);
        }
        break;
    case IC_SESSION_READING:
    case IC_SESSION_DELAYED:
    case IC_SESSION_CLOSING:
        break;
    }
}

/* ---- changes ---- */

static void say_undone(struct ic_session *s, bool first)
{
    char why[REASON_MAX];
    say_misconf(s, s->part_done && first, why);
    ic_stats_error(&s->sessions->stats, why);
    ic_resp_error(&s->reply.out, why);
}

static void say_if_failed(struct ic_session *s)
{
    uint32_t length;
    for (size_t at = 0; at < s->if_failed.len; at += sizeof length + length) {
        const uint8_t *reply = s->if_failed.data + at;
        memcpy(&length, reply, sizeof length);
        if (length == 0) {
            say_undone(s, at == 0);
        } else {
            ic_resp_raw(&s->reply.out, ic_slice(reply + sizeof length, length));
        }
    }
}

static void on_commit(void *ctx, int result)
{
    struct ic_session *s = ctx;
    s->commit_failed = s->commit_failed || result < 0;
    s->part_done = s->part_done || (result >= 0 && s->state == IC_SESSION_WORKING &&
                                    s->call.begun && writes(s, s->call.command));
    if (--s->commits > 0 || s->gone) {
        return;
    }
    if (s->commit_failed) {
        if (s->state == IC_SESSION_WORKING) {
            give_up_work(s);
        }
        ic_reply_rewind(&s->reply, s->commit_mark);
        say_if_failed(s);
        s->commit_failed = s->part_done = false;
    }
    ic_buf_deinit(&s->if_failed);
    ic_reply_release(&s->reply);
    ic_session_continue(s);
}

/* The drafts of CHANGES are the store's now. */
static void disown(struct ic_call *c, const struct ic_change *changes, size_t count)
{
    uint32_t last = (uint32_t)(2 * count), at = c->next > last ? c->next - last : 0;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].draft == NULL) {
            continue;
        }
        while (at < c->argc && c->argv[at].draft != changes[i].draft) {
            at++;
        }
        assert(at < c->argc); /* drafts are given in the order of the arguments */
        c->argv[at].draft = NULL;
    }
}

bool ic_call_commit(struct ic_call *c, const struct ic_change *changes, size_t count)
{
    struct ic_session *s = c->session;
    int result = ic_store_commit(s->proxy->store, changes, count, c->wall_ms, on_commit, s);
    if (result < 0) {
        char why[REASON_MAX];
        snprintf(why, sizeof(why), "%s", ic_error_text(result));
        if (result == IC_EIO) {
            say_misconf(s, s->part_done && !s->in_exec, why);
        }
        ic_reply_rewind(&s->reply, s->call_mark);
        ic_call_error(c, why);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        count_work(s, changes[i].draft != NULL ? PUT_UNITS : IC_CALL_CHANGE_UNITS);
    }
    disown(c, changes, count);
    hold_replies(s);
    return true;
}

bool ic_call_change(struct ic_call *c, struct ic_change change)
{
    return ic_call_commit(c, &change, 1);
}

void ic_call_object(struct ic_call *c, struct ic_object *o)
{
    ic_reply_object(&c->session->reply, o, 0, o->size, false);
}

void ic_call_range(struct ic_call *c, struct ic_object *o, uint64_t offset, uint64_t length)
{
    ic_reply_object(&c->session->reply, o, offset, length, true);
}

void ic_call_delay(struct ic_call *c, uint64_t delay_ms)
{
    uint64_t sum_ms = c->session->delay_ms + delay_ms;
    c->session->delay_ms = sum_ms < DELAY_MAX_MS ? sum_ms : DELAY_MAX_MS;
}
