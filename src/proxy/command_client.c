/*
 * command_client.c - CLIENT: the connections, listed, named, ended.
 */
#include "base/alloc.h"
#include "proxy/client_name.h"
#include "proxy/command_handlers.h"
#include "proxy/proxy.h"
#include "proxy/sessions.h"

#include <inttypes.h>

enum {                     /* units of work */
       LINE_UNITS = 4,     /* a client described, */
       KILL_UNITS = 40,    /* or ended; */
       OTHERS_A_UNIT = 32, /* looked at, and none of them that is meant */
};

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static void describe_flags(const struct ic_session *s, char *out)
{
    if (s->multi) {
        *out++ = 'x';
    }
    if (s->state == IC_SESSION_DELAYED) {
        *out++ = 'b';
    }
    if (s->dirty_exec) {
        *out++ = 'd';
    }
    if (s->state == IC_SESSION_CLOSING) {
        *out++ = 'c';
    }
    if (s->no_evict) {
        *out++ = 'e';
    }
    if (s->no_touch) {
        *out++ = 'T';
    }
    *out = '\0';
}

int ic_session_describe(const struct ic_session *s, struct ic_buf *out)
{
    char flags[8];
    uint64_t now_ms = ic_loop_now_ms(s->proxy->loop);
    size_t query = s->rest.len + s->parser.bytes.len;
    size_t tables = ic_session_query_bytes(s) - s->rest.cap - s->parser.bytes.cap -
                    s->queued_bytes - s->watched_bytes;
    describe_flags(s, flags);
    int result =
        ic_buf_printf(out,
                      "id=%" PRIu64 " addr=%s laddr=%s fd=-1 name=%s age=%" PRIu64 " idle=%" PRIu64
                      " flags=%s db=0 sub=0 psub=0 ssub=0 multi=%d",
                      s->id, s->peer, s->local, or_empty(s->name), (now_ms - s->created_ms) / 1000,
                      (now_ms - s->active_ms) / 1000, flags[0] == '\0' ? "N" : flags,
                      s->multi ? (int)s->queued_count : -1);
    if (result != 0) {
        return result;
    }
    return ic_buf_printf(
        out,
        " qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu rbs=0 rbp=0 obl=%zu oll=%u "
        "omem=%zu tot-mem=%zu events=r cmd=%s user=default redir=-1 resp=%d lib-name=%s "
        "lib-ver=%s",
        query, s->rest.cap + s->parser.bytes.cap - query, tables, s->queued_bytes,
        s->reply.tail.len + ic_stream_queued(s->stream), s->reply.part_count,
        ic_reply_memory(&s->reply), ic_session_memory(s),
        s->last_command == NULL ? "NULL" : s->last_command->name, s->reply.out.version,
        or_empty(s->library), or_empty(s->library_version));
}

void ic_command_client_id(struct ic_call *c)
{
    ic_resp_int(c->out, (int64_t)c->session->id);
}

static bool add_line(const struct ic_session *s, struct ic_buf *out)
{
    return ic_session_describe(s, out) == 0 && ic_buf_append_str(out, "\n") == 0;
}

/* Replies with the lines, and frees them. */
static void reply_lines(struct ic_call *c, struct ic_buf *lines, bool complete)
{
    if (complete) {
        ic_resp_verbatim(c->out, "txt", ic_buf_slice(lines));
    } else {
        ic_call_error(c, "out of memory");
    }
    ic_buf_deinit(lines);
}

void ic_command_client_info(struct ic_call *c)
{
    struct ic_buf lines;
    ic_buf_init(&lines);
    reply_lines(c, &lines, add_line(c->session, &lines));
}

/* Of Redis's types only "normal" has clients here. False: replied with an error. */
static bool parse_type(struct ic_call *c, uint32_t index, bool *is_normal)
{
    static const char *const others[] = {"slave", "replica", "pubsub", "master"};
    *is_normal = ic_call_is(c, index, "normal");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && !*is_normal; i++) {
        if (ic_call_is(c, index, others[i])) {
            return true;
        }
    }
    if (!*is_normal) {
        ic_call_errorf(c, "Unknown client type '%.*s'", IC_CALL_TEXT(c, index));
    }
    return *is_normal;
}

/* The line of S, which may be NULL. */
static void gather_line(struct ic_call *c, const struct ic_session *s)
{
    struct ic_gathering *g = ic_call_gather(c);
    if (s != NULL && !g->items.failed) {
        g->items.failed = !add_line(s, &g->buf);
    }
}

static void reply_gathered(struct ic_call *c)
{
    struct ic_gathering *g = c->job;
    if (g->items.failed) {
        ic_call_error(c, "out of memory");
    } else {
        ic_resp_verbatim_head(c->out, "txt", g->buf.len);
        ic_reply_take(&c->session->reply, &g->buf);
        ic_resp_raw(c->out, ic_slice_str("\r\n"));
    }
}

static void gather_client(struct ic_call *c, uint32_t index)
{
    int64_t id;
    if (!c->failed && ic_call_integer(c, index, &id, "Invalid client ID")) {
        gather_line(c, ic_sessions_find(c->session->sessions, (uint64_t)id));
    }
}

static void list_by_id(struct ic_call *c)
{
    if (ic_call_gather(c) != NULL && ic_call_each(c, 3, LINE_UNITS, gather_client) && !c->failed) {
        reply_gathered(c);
    }
}

/* Calls ONE for each client that was there when the call began, and still is, in as many turns as
 * it takes; returns units of work. ONE may end it, and others with it. False: not for all of them
 * yet.
 */
static bool each_client(struct ic_call *c, uint64_t (*one)(struct ic_call *c, struct ic_session *s))
{
    struct ic_sessions *all = c->session->sessions;
    struct ic_session *s = ic_sessions_after(all, c->cursor);
    bool goes_on = true;
    c->end = c->cursor == 0 ? all->last_id : c->end;
    while (s != NULL && s->id <= c->end && goes_on) {
        c->cursor = s->id;
        const struct ic_session *next = ic_sessions_after(all, s->id);
        uint64_t next_id = next == NULL ? 0 : next->id;
        goes_on = ic_call_goes_on(c, one(c, s));
        s = ic_sessions_find(all, next_id);
        s = s != NULL ? s : ic_sessions_after(all, c->cursor);
    }
    return goes_on;
}

static uint64_t list_client(struct ic_call *c, struct ic_session *s)
{
    gather_line(c, s);
    return LINE_UNITS;
}

void ic_command_client_list(struct ic_call *c)
{
    bool shown = true;
    if (c->argc > 3 && ic_call_is(c, 2, "ID")) {
        list_by_id(c);
        return;
    }
    if (c->argc == 4 && ic_call_is(c, 2, "TYPE")) {
        if (!parse_type(c, 3, &shown)) {
            return;
        }
    } else if (c->argc != 2) {
        ic_call_syntax_error(c);
        return;
    }
    if (ic_call_gather(c) != NULL && (!shown || each_client(c, list_client))) {
        reply_gathered(c);
    }
}

/* ---- names ---- */

void ic_command_client_setname(struct ic_call *c)
{
    const char *fault = ic_client_name_fault(c->argv[2].bytes);
    if (fault != NULL) {
        ic_call_errorf(c, "Client names %s", fault);
    } else if (!ic_session_set_text(c->session, &c->session->name, c->argv[2].bytes)) {
        ic_call_error(c, "out of memory");
    } else {
        ic_call_ok(c);
    }
}

void ic_command_client_getname(struct ic_call *c)
{
    if (c->session->name == NULL) {
        ic_resp_null(c->out);
    } else {
        ic_resp_bulk_str(c->out, c->session->name);
    }
}

void ic_command_client_setinfo(struct ic_call *c)
{
    char **to;
    if (ic_call_is(c, 2, "LIB-NAME")) {
        to = &c->session->library;
    } else if (ic_call_is(c, 2, "LIB-VER")) {
        to = &c->session->library_version;
    } else {
        ic_call_errorf(c, "Unrecognized option '%.*s'", IC_CALL_TEXT(c, 2));
        return;
    }
    const char *fault = ic_client_name_fault(c->argv[3].bytes);
    if (fault != NULL) {
        ic_call_errorf(c, "%.*s %s", IC_CALL_TEXT(c, 2), fault);
    } else if (!ic_session_set_text(c->session, to, c->argv[3].bytes)) {
        ic_call_error(c, "out of memory");
    } else {
        ic_call_ok(c);
    }
}

/* ---- ending connections ---- */

struct filter {
    struct ic_slice address, local; /* data NULL: any */
    int64_t id;                     /* 0: any */
    bool normal, skip_me;
};

/* One option and its value, which is argument INDEX + 1. */
static bool parse_filter(struct ic_call *c, uint32_t index, struct filter *f)
{
    struct ic_slice value = c->argv[index + 1].bytes;
    if (ic_call_is(c, index, "ID")) {
        if (!ic_call_integer(c, index + 1, &f->id, "client-id should be greater than 0")) {
            return false;
        }
        if (f->id < 1) {
            ic_call_error(c, "client-id should be greater than 0");
        }
        return f->id >= 1;
    }
    if (ic_call_is(c, index, "TYPE")) {
        return parse_type(c, index + 1, &f->normal);
    }
    if (ic_call_is(c, index, "ADDR")) {
        f->address = value;
    } else if (ic_call_is(c, index, "LADDR")) {
        f->local = value;
    } else if (ic_call_is(c, index, "USER")) {
        if (!ic_slice_equal(value, ic_slice_str("default"))) {
            ic_call_errorf(c, "No such user '%.*s'", IC_CALL_TEXT(c, index + 1));
            return false;
        }
    } else if (ic_call_is(c, index, "SKIPME") &&
               (ic_call_is(c, index + 1, "YES") || ic_call_is(c, index + 1, "NO"))) {
        f->skip_me = ic_call_is(c, index + 1, "YES");
    } else {
        ic_call_syntax_error(c);
        return false;
    }
    return true;
}

static bool matches(const struct filter *f, const struct ic_session *s, const struct ic_session *me)
{
    return (f->address.data == NULL || ic_slice_equal(f->address, ic_slice_str(s->peer))) &&
           (f->local.data == NULL || ic_slice_equal(f->local, ic_slice_str(s->local))) &&
           (f->id == 0 || s->id == (uint64_t)f->id) && f->normal && !(f->skip_me && s == me);
}

/* The call's job from now on. NULL: replied with an error. */
static struct filter *filter_new(struct ic_call *c)
{
    struct filter *f = ic_malloc(sizeof(*f));
    if (f == NULL) {
        ic_call_error(c, "out of memory");
        return NULL;
    }
    *f = (struct filter){.normal = true, .skip_me = c->argc > 3};
    c->job = f;
    c->job_free = ic_free;
    c->job_memory = sizeof(*f);
    if (c->argc == 3) {
        f->address = c->argv[2].bytes;
    }
    for (uint32_t i = 2; i < c->argc && c->argc > 3; i += 2) {
        if (i + 1 == c->argc) {
            ic_call_syntax_error(c);
            return NULL;
        }
        if (!parse_filter(c, i, f)) {
            return NULL;
        }
    }
    return f;
}

static uint64_t kill_client(struct ic_call *c, struct ic_session *s)
{
    if (!matches(c->job, s, c->session)) {
        return s->id % OTHERS_A_UNIT == 0;
    }
    ic_session_kill(s, c->session);
    c->count++;
    return KILL_UNITS;
}

/* False: not all of them yet. */
static bool kill_matching(struct ic_call *c, const struct filter *f)
{
    if (f->id == 0) {
        return each_client(c, kill_client);
    }
    struct ic_session *s = ic_sessions_find(c->session->sessions, (uint64_t)f->id);
    if (s != NULL) {
        kill_client(c, s);
    }
    return true;
}

void ic_command_client_kill(struct ic_call *c)
{
    struct filter *f = c->job != NULL ? c->job : filter_new(c);
    if (f == NULL || !kill_matching(c, f)) {
        return;
    }
    if (c->argc > 3) {
        ic_resp_int(c->out, (int64_t)c->count);
    } else if (c->count == 0) {
        ic_call_error(c, "No such client");
    } else {
        ic_call_ok(c);
    }
}

/* ---- modes ---- */

static void set_on_off(struct ic_call *c, bool *mode)
{
    if (ic_call_is(c, 2, "ON") || ic_call_is(c, 2, "OFF")) {
        *mode = ic_call_is(c, 2, "ON");
        ic_call_ok(c);
    } else {
        ic_call_syntax_error(c);
    }
}

void ic_command_client_no_evict(struct ic_call *c)
{
    set_on_off(c, &c->session->no_evict);
}

void ic_command_client_no_touch(struct ic_call *c)
{
    set_on_off(c, &c->session->no_touch);
}

/* The reply to this very request is said with ON, and else is not; that of a transaction is as when
 * it began. */
void ic_command_client_reply(struct ic_call *c)
{
    struct ic_session *s = c->session;
    bool on = ic_call_is(c, 2, "ON"), off = ic_call_is(c, 2, "OFF");
    if (!on && !off && !ic_call_is(c, 2, "SKIP")) {
        ic_call_syntax_error(c);
        return;
    }
    s->reply_skip_next = !on && !off && !s->reply_off;
    s->reply_off = off || (s->reply_off && !on);
    s->reply_skip = s->reply_skip && !on;
    s->reply.silent = s->in_exec ? s->reply.silent : !on;
    ic_call_ok(c);
}

void ic_command_client_help(struct ic_call *c)
{
    static const char *const lines[] = {
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current client connection.",
        "KILL <ip:port>",
        "    Kill connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Kill connections. Options are ADDR, LADDR, ID, TYPE, USER and SKIPME (YES|NO).",
        "LIST [TYPE <type> | ID <id> [<id> ...]]",
        "    Return information about client connections.",
        "REPLY (ON|OFF|SKIP)",
        "    Control the replies sent to the current connection.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Note the client's library or its version.",
        "NO-EVICT (ON|OFF)",
        "    Protect current client connection from eviction.",
        "NO-TOUCH (ON|OFF)",
        "    Leave the eviction order alone while this mode is on.",
        NULL};
    ic_call_help(c, lines);
}
