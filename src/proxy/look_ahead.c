/*
 * look_ahead.c - see look_ahead.h.
 */
#include "proxy/look_ahead.h"

#include "base/clock.h"
#include "proxy/dispatch.h"
#include "proxy/proxy.h"
#include "proxy/sessions.h"
#include "proxy/value.h"
#include "proxy/window.h"

#include <assert.h>

enum {
    ARGUMENTS_MAX = 16,              /* of a request with options, which decide about the value */
    REST_MAX = IC_SESSION_READ_SIZE, /* bytes that wait, and no more is read; one read beyond it */
    DROP_UNITS = 2,                  /* of work, of a value */
};

void ic_look_ahead_init(struct ic_look_ahead *a)
{
    *a = (struct ic_look_ahead){0};
    ic_list_init(&a->values);
}

void ic_look_ahead_consumed(struct ic_look_ahead *a, size_t length)
{
    a->at = a->at > length ? a->at - length : 0;
}

void ic_look_ahead_came(struct ic_look_ahead *a)
{
    a->stuck = false;
}

static struct ic_value *first_value(const struct ic_look_ahead *a)
{
    return ic_list_empty(&a->values) ? NULL : IC_CONTAINER(a->values.next, struct ic_value, node);
}

static void drop_first(struct ic_session *s)
{
    ic_turns_worked(&s->sessions->turns, &s->worker, DROP_UNITS);
    ic_value_free(first_value(&s->ahead));
}

void ic_look_ahead_drop(struct ic_session *s)
{
    while (!ic_list_empty(&s->ahead.values)) {
        drop_first(s);
    }
    s->ahead.next = 0;
}

void ic_look_ahead_pass(struct ic_session *s)
{
    struct ic_look_ahead *a = &s->ahead;
    while (!ic_list_empty(&a->values) && first_value(a)->request <= a->reading) {
        drop_first(s);
    }
    a->reading++;
}

bool ic_look_ahead_take(struct ic_session *s, uint32_t index)
{
    struct ic_value *v = first_value(&s->ahead);
    if (v == NULL || v->request != s->ahead.reading || v->index != index) {
        return false;
    }
    assert(v->size == s->parser.bulk_length); /* the same bytes, parsed twice */
    ic_value_adopt(v);
    return true;
}

/* The session waits for the values of a request, which are all with the functions, or for the turn
 * of one that is complete. */
static bool waits(const struct ic_session *s)
{
    bool complete = s->state == IC_SESSION_SEALING || s->state == IC_SESSION_WORKING;
    return !s->gone && complete && s->waiting == NULL && s->value_error == 0;
}

/* It goes on by itself, sooner or later: neither the client nor a clock is waited for. */
static bool goes_on(const struct ic_session *s)
{
    return s->state != IC_SESSION_DELAYED && s->state != IC_SESSION_CLOSING &&
           !ic_reply_full(&s->reply);
}

/* What goes ahead takes nothing that others could need. */
static bool there_is_plenty(const struct ic_proxy *p)
{
    struct ic_window_stats window = ic_window_stats(p->window);
    size_t limit = ic_client_memory_limit(p->config);
    return window.waiting == 0 && window.used < window.limit / 2 &&
           p->sessions->sealing < IC_SESSIONS_SEALING_MAX &&
           p->sessions->memory.total < limit - limit / 8;
}

/* As far as it is known now the values of what follows will be wanted. */
static bool wants_values(const struct ic_session *s)
{
    return waits(s) && goes_on(s) && s->authenticated && !(s->multi && s->dirty_exec) &&
           s->ahead.under_way < IC_LOOK_AHEAD_UNDER_WAY && s->ahead.count < IC_LOOK_AHEAD_VALUES &&
           there_is_plenty(s->proxy);
}

bool ic_look_ahead_wants_bytes(const struct ic_session *s)
{
    bool all = s->rest.len == 0 || s->ahead.stuck;
    bool fits = ic_session_query_fits(s, ic_session_query_bytes(s)); /* and refuses no request */
    return all && fits && s->rest.len < REST_MAX && wants_values(s);
}

/* The request's options say when the value expires, or are wrong: false, nothing is begun. */
static bool look_at_options(struct ic_session *s, const struct ic_resp *r,
                            const struct ic_command *command, int64_t *expires_ms)
{
    struct ic_arg argv[ARGUMENTS_MAX] = {0};
    *expires_ms = 0;
    if (command->prepare == NULL || r->argc > ARGUMENTS_MAX) {
        return command->prepare == NULL;
    }
    for (uint32_t i = 0; i < r->argc; i++) {
        argv[i].bytes = ic_resp_arg(r, i);
    }
    struct ic_call c = {.proxy = s->proxy,
                        .session = s,
                        .command = command,
                        .argv = argv,
                        .argc = r->argc,
                        .wall_ms = ic_clock_wall_ms(),
                        .quiet = true};
    return command->prepare(&c, expires_ms);
}

/* One more may be begun; if only this turn has no time for it, in the next. */
static bool may_begin(struct ic_session *s)
{
    struct ic_turns *turns = &s->sessions->turns;
    if (!wants_values(s)) {
        return false;
    }
    bool may = ic_turns_may_work(turns, &s->worker) && !ic_store_has_claimed_much(s->proxy->store);
    if (!may) {
        ic_turns_line_up(turns, &s->worker);
    }
    return may;
}

/* Begins argument INDEX of the request in R for argument KEY. False: that cannot be now. */
static bool begin_value(struct ic_session *s, const struct ic_resp *r, uint32_t index, uint32_t key,
                        int64_t expires_ms)
{
    struct ic_slice name = ic_resp_arg(r, key);
    if (name.len > (size_t)s->proxy->config->max_key_size || !may_begin(s)) {
        return false;
    }
    ic_turns_worked(&s->sessions->turns, &s->worker, IC_VALUE_UNITS);
    return ic_value_begin_ahead(s, s->ahead.next, index, name, ic_resp_arg(r, index), expires_ms);
}

/* The request in R is complete: begins its values, if it has some. False: that cannot be now. */
static bool begin_values(struct ic_session *s, const struct ic_resp *r)
{
    const struct ic_command *c = r->is_inline ? NULL : ic_command_find(ic_resp_arg(r, 0));
    int64_t expires_ms;
    uint32_t key;
    if (c == NULL || !ic_command_arity_fits(c, r->argc) || !ic_dispatch_has_values(s, c, r->argc) ||
        !look_at_options(s, r, c, &expires_ms)) {
        return true;
    }
    for (uint32_t i = c->value; i < r->argc; i++) {
        if (ic_command_is_value(c, i, r->argc, &key) && !begin_value(s, r, i, key, expires_ms)) {
            return false;
        }
    }
    return true;
}

/* The next request, taken off the front of IN. False: not all of it has come. */
static bool next_request(struct ic_resp *r, struct ic_slice *in)
{
    enum ic_resp_event event;
    ic_resp_reset(r);
    do {
        event = ic_resp_feed(r, in);
    } while (event == IC_RESP_BULK);
    return event == IC_RESP_COMMAND;
}

static bool may_look_on(struct ic_session *s)
{
    return !s->ahead.stuck && s->ahead.at < s->rest.len && may_begin(s);
}

/* Goes through what waits, from where it was looked at the last time. */
static void look(struct ic_session *s)
{
    struct ic_look_ahead *a = &s->ahead;
    struct ic_resp r;
    bool more = true;
    ic_resp_init(&r, s->parser.max_bulk);
    while (more && may_look_on(s)) {
        struct ic_slice in = ic_slice(s->rest.data + a->at, s->rest.len - a->at);
        size_t before = in.len;
        a->stuck = !next_request(&r, &in);
        ic_turns_worked(&s->sessions->turns, &s->worker, (before - in.len) / IC_TURNS_PARSED);
        if (a->stuck) {
            break;
        }
        more = begin_values(s, &r);
        a->next++;
        a->at = s->rest.len - in.len;
    }
    ic_resp_deinit(&r);
}

void ic_look_ahead(struct ic_session *s)
{
    struct ic_look_ahead *a = &s->ahead;
    if (!goes_on(s)) {
        ic_look_ahead_drop(s);
    }
    if (waits(s) && a->next < a->reading) { /* what waits begins with the next request */
        a->next = a->reading;
        a->at = 0;
        a->stuck = false;
    }
    if (may_look_on(s)) {
        look(s);
    }
}
