/*
 * command_connection.c - PING, ECHO, HELLO and what else concerns one connection;
 * CLIENT is in command_client.c.
 */
#include "base/alloc.h"
#include "proxy/client_name.h"
#include "proxy/command_handlers.h"
#include "proxy/redis_version.h"
#include "proxy/sessions.h"

#include <limits.h>

/* BYTES as a bulk, which may be long: as much as this turn takes. */
static void say_bulk(struct ic_call *c, struct ic_slice bytes)
{
    enum { PIECE = 256 << 10 };
    if (c->cursor == 0) {
        ic_resp_bulk_header(c->out, bytes.len);
    }
    while (c->cursor < bytes.len) {
        size_t rest = bytes.len - (size_t)c->cursor, length = rest < PIECE ? rest : PIECE;
        ic_resp_raw(c->out, ic_slice(bytes.data + c->cursor, length));
        c->cursor += length;
        if (length < rest && !ic_call_goes_on(c, length / IC_TURNS_TEXT)) {
            return;
        }
    }
    ic_resp_raw(c->out, ic_slice_str("\r\n"));
}

void ic_command_ping(struct ic_call *c)
{
    if (c->argc > 2) {
        ic_call_arity_error(c);
    } else if (c->argc == 2) {
        say_bulk(c, c->argv[1].bytes);
    } else {
        ic_resp_status(c->out, "PONG");
    }
}

void ic_command_echo(struct ic_call *c)
{
    say_bulk(c, c->argv[1].bytes);
}

void ic_command_quit(struct ic_call *c)
{
    ic_call_ok(c);
    ic_session_close_after_reply(c->session);
}

void ic_command_select(struct ic_call *c)
{
    int64_t database;
    if (!ic_call_integer(c, 1, &database, NULL)) {
        return;
    }
    if (database < INT_MIN || database > INT_MAX) {
        ic_call_errorf(c, "value is out of range, value must between %d and %d", INT_MIN, INT_MAX);
    } else if (database != 0) {
        ic_call_error(c, "DB index is out of range");
    } else {
        ic_call_ok(c);
    }
}

/* READONLY, CLUSTER ...: the words by which a client of Redis knows that it talks to one server. */
void ic_command_no_cluster(struct ic_call *c)
{
    ic_call_error(c, "This instance has cluster support disabled");
}

/* ---- authentication ---- */

/* There is one user, "default". Without a password any will do, as in Redis. */
static bool authenticate(struct ic_call *c, struct ic_slice user, struct ic_slice password)
{
    struct ic_session *s = c->session;
    bool known = ic_slice_equal(user, ic_slice_str("default"));
    bool right =
        !ic_sessions_have_password(s->sessions) || ic_session_password_is(s->sessions, password);
    if (!known || !right) {
        ic_call_error(c, "-WRONGPASS invalid username-password pair or user is disabled.");
        return false;
    }
    s->authenticated = true;
    s->parser.unauthenticated = false;
    return true;
}

void ic_command_auth(struct ic_call *c)
{
    if (c->argc > 3) {
        ic_call_syntax_error(c);
        return;
    }
    if (c->argc == 2 && !ic_sessions_have_password(c->session->sessions)) {
        ic_call_error(c, "AUTH <password> called without any password configured for the default "
                         "user. Are you sure your configuration is correct?");
        return;
    }
    struct ic_slice user = c->argc == 2 ? ic_slice_str("default") : c->argv[1].bytes;
    if (authenticate(c, user, c->argv[c->argc - 1].bytes)) {
        ic_call_ok(c);
    }
}

struct hello {
    int64_t version;     /* 0: as it is */
    uint32_t user, name; /* indexes of arguments; 0: not given */
};

static bool parse_hello(struct ic_call *c, struct hello *h)
{
    *h = (struct hello){0};
    if (c->argc >= 2) {
        if (!ic_call_integer(c, 1, &h->version,
                             "Protocol version is not an integer or out of range")) {
            return false;
        }
        if (h->version < 2 || h->version > 3) {
            ic_call_error(c, "-NOPROTO unsupported protocol version");
            return false;
        }
    }
    for (uint32_t i = 2; i < c->argc; i++) {
        uint32_t more = c->argc - 1 - i;
        if (more >= 2 && ic_call_is(c, i, "AUTH")) {
            h->user = i + 1;
            i += 2;
        } else if (more >= 1 && ic_call_is(c, i, "SETNAME")) {
            const char *fault = ic_client_name_fault(c->argv[i + 1].bytes);
            if (fault != NULL) {
                ic_call_errorf(c, "Client names %s", fault);
                return false;
            }
            h->name = ++i;
        } else {
            ic_call_errorf(c, "Syntax error in HELLO option '%.*s'", IC_CALL_TEXT(c, i));
            return false;
        }
    }
    return true;
}

void ic_command_hello(struct ic_call *c)
{
    struct hello h;
    struct ic_session *s = c->session;
    if (!parse_hello(c, &h) ||
        (h.user != 0 && !authenticate(c, c->argv[h.user].bytes, c->argv[h.user + 1].bytes))) {
        return;
    }
    if (!s->authenticated) {
        ic_call_error(c, "-NOAUTH HELLO must be called with the client already authenticated, "
                         "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
                         "authenticate the client and select the RESP protocol version at the "
                         "same time");
        return;
    }
    if (h.name != 0) {
        ic_session_set_text(s, &s->name, c->argv[h.name].bytes);
    }
    c->out->version = h.version != 0 ? (int)h.version : c->out->version;
    ic_resp_map(c->out, 7);
    ic_resp_bulk_str(c->out, "server");
    ic_resp_bulk_str(c->out, "redis");
    ic_resp_bulk_str(c->out, "version");
    ic_resp_bulk_str(c->out, IC_REDIS_VERSION);
    ic_resp_bulk_str(c->out, "proto");
    ic_resp_int(c->out, c->out->version);
    ic_resp_bulk_str(c->out, "id");
    ic_resp_int(c->out, (int64_t)s->id);
    ic_resp_bulk_str(c->out, "mode");
    ic_resp_bulk_str(c->out, "standalone");
    ic_resp_bulk_str(c->out, "role");
    ic_resp_bulk_str(c->out, "master");
    ic_resp_bulk_str(c->out, "modules");
    ic_resp_array(c->out, 0);
}

void ic_command_reset(struct ic_call *c)
{
    struct ic_session *s = c->session;
    ic_transaction_discard(s);
    ic_session_set_text(s, &s->name, ic_slice(NULL, 0));
    s->no_evict = s->no_touch = s->reply_off = s->reply_skip_next = false;
    s->reply.silent = s->reply_skip; /* which is of this command, and stands, as in Redis */
    s->authenticated = !ic_sessions_have_password(s->sessions);
    s->parser.unauthenticated = !s->authenticated;
    c->out->version = 2;
    ic_resp_status(c->out, "RESET");
}
