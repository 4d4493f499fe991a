/*
 * command_expire.c - when keys expire: setting, asking, removing. Rules and texts are
 * those of Redis 7.2's expire.c.
 */
#include "proxy/command_handlers.h"
#include "proxy/keys.h"

struct conditions {
    bool nx, xx, gt, lt;
};

static bool parse_conditions(struct ic_call *c, struct conditions *o)
{
    *o = (struct conditions){0};
    for (uint32_t i = 3; i < c->argc; i++) {
        if (ic_call_is(c, i, "NX")) {
            o->nx = true;
        } else if (ic_call_is(c, i, "XX")) {
            o->xx = true;
        } else if (ic_call_is(c, i, "GT")) {
            o->gt = true;
        } else if (ic_call_is(c, i, "LT")) {
            o->lt = true;
        } else {
            ic_call_errorf(c, "Unsupported option %.*s", IC_CALL_TEXT(c, i));
            return false;
        }
    }
    if (o->nx && (o->xx || o->gt || o->lt)) {
        ic_call_error(c, "NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (o->gt && o->lt) {
        ic_call_error(c, "GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* An expiry OLD_MS (0: none, which is later than any) may become NEW_MS. */
static bool allowed(const struct conditions *o, int64_t old_ms, int64_t new_ms)
{
    return !(o->nx && old_ms != 0) && !(o->xx && old_ms == 0) &&
           !(o->gt && (old_ms == 0 || new_ms <= old_ms)) &&
           !(o->lt && old_ms != 0 && new_ms >= old_ms);
}

static void expire(struct ic_call *c, int64_t base_ms, enum ic_expiry_unit unit)
{
    struct conditions o;
    int64_t number, when_ms;
    if (!parse_conditions(c, &o) || !ic_call_integer(c, 2, &number, NULL)) {
        return;
    }
    if (__builtin_mul_overflow(number, (int64_t)unit, &number) ||
        __builtin_add_overflow(number, base_ms, &when_ms)) {
        ic_call_errorf(c, "invalid expire time in '%s' command", c->command->name);
        return;
    }
    const struct ic_entry *e = ic_key_find(c, 1);
    if (e == NULL || !allowed(&o, e->expires_ms, when_ms)) {
        ic_resp_int(c->out, 0);
        return;
    }
    struct ic_change change = {
        .kind = IC_CHANGE_EXPIRE, .key = c->argv[1].bytes, .expires_ms = when_ms};
    if (when_ms <= c->wall_ms) {
        change.kind = IC_CHANGE_DELETE;
    }
    if (ic_call_change(c, change)) {
        ic_resp_int(c->out, 1);
    }
}

void ic_command_expire(struct ic_call *c)
{
    expire(c, c->wall_ms, IC_EXPIRY_SECONDS);
}

void ic_command_pexpire(struct ic_call *c)
{
    expire(c, c->wall_ms, IC_EXPIRY_MS);
}

void ic_command_expireat(struct ic_call *c)
{
    expire(c, 0, IC_EXPIRY_SECONDS);
}

void ic_command_pexpireat(struct ic_call *c)
{
    expire(c, 0, IC_EXPIRY_MS);
}

/* -2: no such key; -1: it does not expire; else when, from BASE_MS on. */
static void reply_expiry(struct ic_call *c, int64_t base_ms, enum ic_expiry_unit unit)
{
    const struct ic_entry *e = ic_key_find(c, 1);
    if (e == NULL || e->expires_ms == 0) {
        ic_resp_int(c->out, e == NULL ? -2 : -1);
        return;
    }
    int64_t left_ms = e->expires_ms > base_ms ? e->expires_ms - base_ms : 0;
    ic_resp_int(c->out, unit == IC_EXPIRY_MS ? left_ms : (left_ms + 500) / 1000);
}

void ic_command_ttl(struct ic_call *c)
{
    reply_expiry(c, c->wall_ms, IC_EXPIRY_SECONDS);
}

void ic_command_pttl(struct ic_call *c)
{
    reply_expiry(c, c->wall_ms, IC_EXPIRY_MS);
}

void ic_command_expiretime(struct ic_call *c)
{
    reply_expiry(c, 0, IC_EXPIRY_SECONDS);
}

void ic_command_pexpiretime(struct ic_call *c)
{
    reply_expiry(c, 0, IC_EXPIRY_MS);
}

void ic_command_persist(struct ic_call *c)
{
    const struct ic_entry *e = ic_key_find(c, 1);
    if (e == NULL || e->expires_ms == 0) {
        ic_resp_int(c->out, 0);
    } else if (ic_call_change(
                   c, (struct ic_change){.kind = IC_CHANGE_EXPIRE, .key = c->argv[1].bytes})) {
        ic_resp_int(c->out, 1);
    }
}
