/*
 * command_string.c - commands that read values: they find the stored version and leave
 * a range of it in the reply.
 */
#include "proxy/command_handlers.h"
#include "proxy/keys.h"

void ic_command_get(struct ic_call *c)
{
    ic_key_reply(c, ic_key_read(c, 1));
}

static void read_key(struct ic_call *c, uint32_t index)
{
    ic_key_reply(c, ic_key_read(c, index));
}

void ic_command_mget(struct ic_call *c)
{
    if (c->next == 0) {
        ic_resp_array(c->out, c->argc - 1);
    }
    bool all = ic_call_each_alone(c, 1, 1, read_key);
    (void)all; /* nothing comes behind them */
}

void ic_command_strlen(struct ic_call *c)
{
    const struct ic_entry *e = ic_key_read(c, 1);
    ic_resp_int(c->out, e == NULL ? 0 : (int64_t)e->object->size);
}

/*
 * The part of SIZE bytes that START and END (both included, negative: from the end) mean.
 * False: none of it.
 */
static bool resolve_range(int64_t start, int64_t end, uint64_t size, uint64_t *offset,
                          uint64_t *length)
{
    int64_t total = (int64_t)size;
    if (start < 0 && end < 0 && start > end) {
        return false;
    }
    start = start < 0 ? total + start : start;
    end = end < 0 ? total + end : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= total ? total - 1 : end;
    if (start > end || total == 0) {
        return false;
    }
    *offset = (uint64_t)start;
    *length = (uint64_t)(end - start) + 1;
    return true;
}

void ic_command_getrange(struct ic_call *c)
{
    int64_t start, end;
    uint64_t offset, length;
    if (!ic_call_integer(c, 2, &start, NULL) || !ic_call_integer(c, 3, &end, NULL)) {
        return;
    }
    const struct ic_entry *e = ic_key_read(c, 1);
    if (e == NULL || !resolve_range(start, end, e->object->size, &offset, &length)) {
        ic_resp_bulk_str(c->out, "");
        return;
    }
    ic_call_range(c, e->object, offset, length);
}

void ic_command_substr(struct ic_call *c)
{
    ic_command_getrange(c);
}

void ic_command_getdel(struct ic_call *c)
{
    const struct ic_entry *e = ic_key_read(c, 1);
    if (e == NULL) {
        ic_resp_null(c->out);
        return;
    }
    ic_key_reply(c, e); /* pins the version before it goes */
    ic_call_change(c, (struct ic_change){.kind = IC_CHANGE_DELETE, .key = c->argv[1].bytes});
}

static bool parse_getex(struct ic_call *c, struct ic_expiry *x)
{
    for (uint32_t i = 2; i < c->argc;) {
        uint32_t taken = ic_expiry_option(x, c, i, false);
        if (taken == 0) {
            ic_call_syntax_error(c);
            return false;
        }
        i += taken;
    }
    return true;
}

void ic_command_getex(struct ic_call *c)
{
    struct ic_expiry x = {0};
    int64_t expires_ms = 0;
    if (!parse_getex(c, &x)) {
        return;
    }
    const struct ic_entry *e = ic_key_read(c, 1);
    if (e == NULL) {
        ic_resp_null(c->out);
        return;
    }
    if (x.given && !ic_expiry_time(c, &x, &expires_ms)) {
        return;
    }
    bool changes = x.given || (x.persist && e->expires_ms != 0);
    ic_key_reply(c, e);
    if (changes) {
        ic_call_change(c, (struct ic_change){.kind = IC_CHANGE_EXPIRE,
                                             .key = c->argv[1].bytes,
                                             .expires_ms = expires_ms});
    }
}
