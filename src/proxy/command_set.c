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

/* All keys and values at once. False: it has replied with an error, or is to be called again. */
static bool put_all(struct ic_call *c)
{
    c->next = c->next == 0 ? 1 : c->next;
    do {
        struct ic_change changes[IC_CALL_CHANGES];
        size_t count = 0;
        for (; c->next < c->argc && count < IC_CALL_CHANGES; c->next += 2) {
            changes[count++] = (struct ic_change){.kind = IC_CHANGE_PUT,
                                                  .key = c->argv[c->next].bytes,
                                                  .draft = c->argv[c->next + 1].draft};
        }
        if (!ic_call_commit(c, changes, count)) {
            return false;
        }
    } while (c->next < c->argc && ic_call_goes_on_alone(c, 0));
    return !c->unfinished;
}

static void count_taken(struct ic_call *c, uint32_t index)
{
    bool is_key = index % 2 == 1;
    c->count += is_key && ic_key_find(c, index) != NULL;
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
    bool checked = c->cursor > 0;
    if (!checked && !ic_call_each_alone(c, 1, 1, count_taken)) {
        return;
    }
    if (c->count > 0) {
        ic_resp_int(c->out, 0);
        return;
    }
    c->next = checked ? c->next : 0;
    c->cursor = 1;
    if (put_all(c)) {
        ic_resp_int(c->out, 1);
    }
}
