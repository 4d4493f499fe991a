/*
 * command_set.c - commands that store values. The value is sealed when the handler
 * runs; conditions (NX, XX) are judged now, in the turn of the commit, and a draft
 * that loses is dropped with the request.
 */
#include "base/alloc.h"
#include "proxy/command_handlers.h"
#include "proxy/keys.h"

struct set_options {
    bool if_absent, if_present, return_old;
    struct ic_expiry expiry;
};

static bool parse_options(struct ic_call *c, struct set_options *o)
{
    *o = (struct set_options){0};
    for (uint32_t i = 3; i < c->argc;) {
        uint32_t taken = 1;
        if (ic_call_is(c, i, "NX") && !o->if_present) {
            o->if_absent = true;
        } else if (ic_call_is(c, i, "XX") && !o->if_absent) {
            o->if_present = true;
        } else if (ic_call_is(c, i, "GET")) {
            o->return_old = true;
        } else {
            taken = ic_expiry_option(&o->expiry, c, i, true);
        }
        if (taken == 0) {
            ic_call_syntax_error(c);
            return false;
        }
        i += taken;
    }
    return true;
}

/* The error of an option shows before the value is sealed. */
bool ic_command_prepare_set(struct ic_call *c, int64_t *expires_ms)
{
    struct set_options o;
    return parse_options(c, &o) && (!o.expiry.given || ic_expiry_time(c, &o.expiry, expires_ms));
}

/* Key 1 shows the value in argument VALUE from now on. */
static bool put(struct ic_call *c, uint32_t value, int64_t expires_ms)
{
    return ic_call_change(c, (struct ic_change){.kind = IC_CHANGE_PUT,
                                                .key = c->argv[1].bytes,
                                                .draft = c->argv[value].draft,
                                                .expires_ms = expires_ms});
}

void ic_command_set(struct ic_call *c)
{
    struct set_options o;
    int64_t expires_ms = 0;
    if (!parse_options(c, &o) || (o.expiry.given && !ic_expiry_time(c, &o.expiry, &expires_ms))) {
        return;
    }
    const struct ic_entry *old = o.return_old ? ic_key_read(c, 1) : ic_key_find(c, 1);
    if (o.return_old) {
        ic_key_reply(c, old);
    }
    if ((o.if_absent && old != NULL) || (o.if_present && old == NULL)) {
        if (!o.return_old) {
            ic_resp_null(c->out);
        }
        return;
    }
    if (o.expiry.keep && old != NULL) {
        expires_ms = old->expires_ms;
    }
    if (put(c, 2, expires_ms) && !o.return_old) {
        ic_call_ok(c);
    }
}

void ic_command_setnx(struct ic_call *c)
{
    if (ic_key_find(c, 1) != NULL) {
        ic_resp_int(c->out, 0);
    } else if (put(c, 2, 0)) {
        ic_resp_int(c->out, 1);
    }
}

static bool setex_time(struct ic_call *c, int64_t *expires_ms)
{
    enum ic_expiry_unit unit =
        c->command->handler == ic_command_psetex ? IC_EXPIRY_MS : IC_EXPIRY_SECONDS;
    struct ic_expiry x = {.given = true, .unit = unit, .index = 2};
    return ic_expiry_time(c, &x, expires_ms);
}

bool ic_command_prepare_setex(struct ic_call *c, int64_t *expires_ms)
{
    return setex_time(c, expires_ms);
}

void ic_command_setex(struct ic_call *c)
{
    int64_t expires_ms;
    if (setex_time(c, &expires_ms) && put(c, 3, expires_ms)) {
        ic_call_ok(c);
    }
}

void ic_command_psetex(struct ic_call *c)
{
    ic_command_setex(c);
}

void ic_command_getset(struct ic_call *c)
{
    ic_key_reply(c, ic_key_read(c, 1));
    put(c, 2, 0);
}

/* All keys and values at once: one change each, one commit. */
static bool put_all(struct ic_call *c)
{
    size_t count = (c->argc - 1) / 2;
    struct ic_change *changes = ic_calloc(count, sizeof(*changes));
    if (changes == NULL) {
        ic_call_error(c, "out of memory");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        changes[i] = (struct ic_change){.kind = IC_CHANGE_PUT,
                                        .key = c->argv[1 + 2 * i].bytes,
                                        .draft = c->argv[2 + 2 * i].draft};
    }
    bool done = ic_call_commit(c, changes, count);
    ic_free(changes);
    return done;
}

void ic_command_mset(struct ic_call *c)
{
    if (c->argc % 2 == 0) {
        ic_call_arity_error(c);
    } else if (put_all(c)) {
        ic_call_ok(c);
    }
}

void ic_command_msetnx(struct ic_call *c)
{
    if (c->argc % 2 == 0) {
        ic_call_arity_error(c);
        return;
    }
    for (uint32_t i = 1; i < c->argc; i += 2) {
        if (ic_key_find(c, i) != NULL) {
            ic_resp_int(c->out, 0);
            return;
        }
    }
    if (put_all(c)) {
        ic_resp_int(c->out, 1);
    }
}
