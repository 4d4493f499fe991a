/*
 * keys.c - see keys.h. Rules and texts about expiry are those of Redis 7.2's t_string.c.
 */
#include "proxy/keys.h"

#include "proxy/books.h"
#include "proxy/proxy.h"
#include "proxy/session.h"

/* C has looked at keys, of which there were BEFORE. What was found to be expired or lost was
 * removed, which is more work than to look. */
static void count_removed(struct ic_call *c, uint64_t before)
{
    ic_call_worked(c, IC_CALL_CHANGE_UNITS * (before - ic_store_count(c->proxy->store)));
}

static struct ic_entry *look(struct ic_call *c, uint32_t index,
                             struct ic_entry *(*in)(struct ic_store *s, struct ic_slice key,
                                                    int64_t wall_ms))
{
    uint64_t before = ic_store_count(c->proxy->store);
    struct ic_entry *e = in(c->proxy->store, c->argv[index].bytes, c->wall_ms);
    count_removed(c, before);
    return e;
}

enum { BUCKETS_A_UNIT = 500 }; /* empty ones, of a table that has become sparse */

struct ic_entry *ic_key_find(struct ic_call *c, uint32_t index)
{
    return look(c, index, ic_store_find);
}

struct ic_entry *ic_key_read(struct ic_call *c, uint32_t index)
{
    return look(c, index, c->session->no_touch ? ic_store_find : ic_store_read);
}

struct ic_entry *ic_key_random(struct ic_call *c)
{
    uint64_t before = ic_store_count(c->proxy->store), looked = 0;
    struct ic_entry *e = ic_store_random(c->proxy->store, c->wall_ms, &looked);
    count_removed(c, before);
    ic_call_worked(c, looked / BUCKETS_A_UNIT);
    return e;
}

void ic_key_reply(struct ic_call *c, const struct ic_entry *e)
{
    if (e == NULL) {
        ic_resp_null(c->out);
    } else if (e->object->size == 0) {
        ic_resp_bulk_str(c->out, "");
        ic_books_get(c->proxy->books, 0);
    } else {
        ic_call_object(c, e->object);
    }
}

static uint32_t take(struct ic_expiry *x, uint32_t index, enum ic_expiry_unit unit, bool absolute)
{
    x->given = true;
    x->unit = unit;
    x->absolute = absolute;
    x->index = index + 1;
    return 2;
}

uint32_t ic_expiry_option(struct ic_expiry *x, const struct ic_call *c, uint32_t index, bool is_set)
{
    static const struct {
        const char *word;
        enum ic_expiry_unit unit;
        bool absolute;
    } options[] = {{"EX", IC_EXPIRY_SECONDS, false},
                   {"PX", IC_EXPIRY_MS, false},
                   {"EXAT", IC_EXPIRY_SECONDS, true},
                   {"PXAT", IC_EXPIRY_MS, true}};
    if (is_set && ic_call_is(c, index, "KEEPTTL") && !x->given && !x->persist) {
        x->keep = true;
        return 1;
    }
    if (!is_set && ic_call_is(c, index, "PERSIST") && !x->given && !x->keep) {
        x->persist = true;
        return 1;
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        /* The same option again is accepted, the last one counts. */
        bool clashes =
            x->keep || x->persist ||
            (x->given && (x->unit != options[i].unit || x->absolute != options[i].absolute));
        if (ic_call_is(c, index, options[i].word) && !clashes && index + 1 < c->argc) {
            return take(x, index, options[i].unit, options[i].absolute);
        }
    }
    return 0;
}

bool ic_expiry_time(struct ic_call *c, const struct ic_expiry *x, int64_t *expires_ms)
{
    int64_t number, base = x->absolute ? 0 : c->wall_ms;
    if (!ic_call_integer(c, x->index, &number, NULL)) {
        return false;
    }
    if (number <= 0 || __builtin_mul_overflow(number, (int64_t)x->unit, &number) ||
        __builtin_add_overflow(number, base, expires_ms)) {
        ic_call_errorf(c, "invalid expire time in '%s' command", c->command->name);
        return false;
    }
    return true;
}
