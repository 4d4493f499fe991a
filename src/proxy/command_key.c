/*
 * command_key.c - commands about keys whose value does not matter: deletion, names,
 * listing. RENAME and COPY move no byte: names point to stored versions.
 */
#include "base/alloc.h"
#include "base/glob.h"
#include "proxy/command_handlers.h"
#include "proxy/keys.h"
#include "proxy/proxy.h"
#include "proxy/session.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

/* Deletes what there is of the next IC_CALL_CHANGES keys. False: replied with an error. */
static bool delete_some(struct ic_call *c)
{
    struct ic_change changes[IC_CALL_CHANGES];
    size_t count = 0;
    c->next = c->next == 0 ? 1 : c->next;
    for (uint32_t i = 0; i < IC_CALL_CHANGES && c->next < c->argc; i++, c->next++) {
        ic_call_worked(c, 1);
        if (ic_key_find(c, c->next) != NULL) {
            changes[count++] =
                (struct ic_change){.kind = IC_CHANGE_DELETE, .key = c->argv[c->next].bytes};
        }
    }
    /* A key named twice is deleted once. */
    uint64_t before = ic_store_count(c->proxy->store);
    bool done = count == 0 || ic_call_commit(c, changes, count);
    c->count += before - ic_store_count(c->proxy->store);
    return done;
}

void ic_command_del(struct ic_call *c)
{
    do {
        if (!delete_some(c)) {
            return;
        }
    } while (c->next < c->argc && ic_call_goes_on_alone(c, 0));
    if (!c->unfinished) {
        ic_resp_int(c->out, (int64_t)c->count);
    }
}

void ic_command_unlink(struct ic_call *c)
{
    ic_command_del(c);
}

static void count_key(struct ic_call *c, uint32_t index)
{
    c->count += ic_key_find(c, index) != NULL;
}

void ic_command_exists(struct ic_call *c)
{
    if (ic_call_each_alone(c, 1, 1, count_key)) {
        ic_resp_int(c->out, (int64_t)c->count);
    }
}

static void touch_key(struct ic_call *c, uint32_t index)
{
    struct ic_entry *e = ic_key_find(c, index);
    if (e != NULL) {
        ic_store_touch(c->proxy->store, e, c->wall_ms);
        c->count++;
    }
}

void ic_command_touch(struct ic_call *c)
{
    if (ic_call_each_alone(c, 1, 1, touch_key)) {
        ic_resp_int(c->out, (int64_t)c->count);
    }
}

void ic_command_type(struct ic_call *c)
{
    ic_resp_status(c->out, ic_key_find(c, 1) == NULL ? "none" : "string");
}

void ic_command_randomkey(struct ic_call *c)
{
    const struct ic_entry *e = ic_key_random(c);
    if (e == NULL) {
        ic_resp_null(c->out);
    } else {
        ic_resp_bulk(c->out, ic_entry_key(e));
    }
}

void ic_command_dbsize(struct ic_call *c)
{
    ic_resp_int(c->out, (int64_t)ic_store_count(c->proxy->store));
}

/* ---- names ---- */

static bool same_names(const struct ic_call *c)
{
    return ic_slice_equal(c->argv[1].bytes, c->argv[2].bytes);
}

static void rename_key(struct ic_call *c, bool if_free)
{
    if (ic_key_find(c, 1) == NULL) {
        ic_call_error(c, "no such key");
        return;
    }
    bool taken = same_names(c) || (if_free && ic_key_find(c, 2) != NULL);
    if (taken && if_free) {
        ic_resp_int(c->out, 0);
        return;
    }
    struct ic_change change = {
        .kind = IC_CHANGE_RENAME, .key = c->argv[1].bytes, .to = c->argv[2].bytes};
    if (!taken && !ic_call_change(c, change)) {
        return;
    }
    if (if_free) {
        ic_resp_int(c->out, 1);
    } else {
        ic_call_ok(c);
    }
}

void ic_command_rename(struct ic_call *c)
{
    rename_key(c, false);
}

void ic_command_renamenx(struct ic_call *c)
{
    rename_key(c, true);
}

/* False: replied with an error. */
static bool parse_copy(struct ic_call *c, bool *replace)
{
    int64_t database;
    for (uint32_t i = 3; i < c->argc; i++) {
        if (ic_call_is(c, i, "REPLACE")) {
            *replace = true;
        } else if (ic_call_is(c, i, "DB") && i + 1 < c->argc) {
            if (!ic_call_integer(c, i + 1, &database, NULL)) {
                return false;
            }
            if (database < INT_MIN || database > INT_MAX) {
                ic_call_errorf(c, "value is out of range, value must between %d and %d", INT_MIN,
                               INT_MAX);
                return false;
            }
            if (database != 0) {
                ic_call_error(c, "DB index is out of range");
                return false;
            }
            i++;
        } else {
            ic_call_syntax_error(c);
            return false;
        }
    }
    return true;
}

void ic_command_copy(struct ic_call *c)
{
    bool replace = false;
    if (!parse_copy(c, &replace)) {
        return;
    }
    if (same_names(c)) {
        ic_call_error(c, "source and destination objects are the same");
        return;
    }
    if (ic_key_find(c, 1) == NULL || (!replace && ic_key_find(c, 2) != NULL)) {
        ic_resp_int(c->out, 0);
        return;
    }
    if (ic_call_change(c, (struct ic_change){.kind = IC_CHANGE_COPY,
                                             .key = c->argv[1].bytes,
                                             .to = c->argv[2].bytes})) {
        ic_resp_int(c->out, 1);
    }
}

/* ---- listing ---- */

enum { SCAN_COUNT = 10 }; /* as Redis */

/* The keys found are written aside, because their number comes first. */
struct listing {
    struct ic_call *call;
    struct ic_store *store;
    struct ic_slice pattern;
    bool all, none; /* every key matches; none does */
    bool too_hard;  /* a key took more steps than are allowed */
    struct ic_buf buf;
    struct ic_resp_writer keys;
    uint64_t cursor;
    uint64_t steps;          /* buckets looked at */
    uint64_t units;          /* of work, not yet counted */
    uint64_t count, visited; /* keys found, and looked at */
    int64_t wanted;          /* to be looked at */
};

static bool matches(struct listing *l, struct ic_slice key)
{
    if (l->all || l->none) {
        return l->all && !l->none;
    }
    uint64_t steps = IC_GLOB_STEPS_MAX;
    bool found = !l->too_hard && ic_glob_match(l->pattern, key, false, &steps);
    l->units += (IC_GLOB_STEPS_MAX - steps) / IC_TURNS_STEPS;
    l->too_hard = l->too_hard || steps == 0;
    return found;
}

static void list_entry(struct ic_entry *e, void *ctx)
{
    struct listing *l = ctx;
    l->visited++;
    l->units++;
    if (ic_store_hidden(e, l->call->wall_ms) || !matches(l, ic_entry_key(e))) {
        return;
    }
    ic_resp_bulk(&l->keys, ic_entry_key(e));
    l->count++;
}

static void set_pattern(struct listing *l, struct ic_slice pattern)
{
    l->pattern = pattern;
    l->all = ic_slice_equal(pattern, ic_slice_str("*"));
}

static void listing_free(void *job)
{
    struct listing *l = job;
    ic_store_walk_end(l->store);
    ic_buf_deinit(&l->buf);
    ic_free(l);
}

/* The call's job from now on. NULL: replied with an error. */
static struct listing *listing_new(struct ic_call *c)
{
    struct listing *l = ic_calloc(1, sizeof(*l));
    if (l == NULL) {
        ic_call_error(c, "out of memory");
        return NULL;
    }
    *l = (struct listing){.call = c,
                          .store = c->proxy->store,
                          .all = true,
                          .wanted = SCAN_COUNT,
                          .keys = {.buf = &l->buf, .max = IC_REPLY_KEYS_MAX, .version = 2}};
    ic_buf_init(&l->buf);
    ic_store_walk_begin(l->store);
    c->job = l;
    c->job_free = listing_free;
    return l;
}

/* Looks at keys until it has seen COUNT of them, or the end. False: it is to be called again. */
static bool list_keys(struct listing *l, uint64_t count)
{
    /* Empty buckets count a tenth, so that the walk through a sparse table has an end, too. */
    uint64_t steps = count > UINT64_MAX / 10 ? UINT64_MAX : count * 10;
    for (;;) {
        l->units = 1;
        l->cursor = ic_store_scan(l->store, l->cursor, list_entry, l);
        l->steps++;
        if (l->cursor == 0 || l->steps > steps || l->visited >= count || l->keys.failed ||
            l->too_hard) {
            return true;
        }
        if (!ic_call_goes_on(l->call, l->units)) {
            l->call->job_memory = sizeof(*l) + l->buf.cap;
            return false;
        }
    }
}

static void reply_keys(struct listing *l)
{
    struct ic_resp_writer *out = l->call->out;
    if (l->keys.failed || l->too_hard) {
        ic_reply_rewind(&l->call->session->reply, l->call->session->call_mark);
        if (l->too_hard) {
            ic_call_pattern_error(l->call, IC_GLOB_STEPS_MAX);
        } else {
            ic_call_error(l->call, "the keys do not fit into one reply: use SCAN");
        }
        return;
    }
    ic_resp_array(out, l->count);
    ic_reply_take(&l->call->session->reply, &l->buf);
}

void ic_command_keys(struct ic_call *c)
{
    struct listing *l = c->job;
    if (l == NULL) {
        l = listing_new(c);
        if (l == NULL) {
            return;
        }
        set_pattern(l, c->argv[1].bytes);
    }
    if (list_keys(l, UINT64_MAX)) {
        reply_keys(l);
    }
}

/* As strtoul reads it: signs and all, but no blank before it. */
static bool parse_cursor(struct ic_call *c, uint64_t *cursor)
{
    char text[32] = "", *end;
    struct ic_slice arg = c->argv[1].bytes;
    if (arg.len < sizeof(text)) {
        memcpy(text, arg.data, arg.len);
        text[arg.len] = '\0';
    } else {
        text[0] = 'x';
    }
    errno = 0;
    *cursor = strtoull(text, &end, 10);
    if (isspace((unsigned char)text[0]) || *end != '\0' || errno == ERANGE) {
        ic_call_error(c, "invalid cursor");
        return false;
    }
    return true;
}

static bool parse_scan(struct ic_call *c, struct listing *l)
{
    for (uint32_t i = 2; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        if (more && ic_call_is(c, i, "COUNT")) {
            if (!ic_call_integer(c, i + 1, &l->wanted, NULL)) {
                return false;
            }
            if (l->wanted < 1) {
                ic_call_syntax_error(c);
                return false;
            }
        } else if (more && ic_call_is(c, i, "MATCH")) {
            set_pattern(l, c->argv[i + 1].bytes);
        } else if (more && ic_call_is(c, i, "TYPE")) {
            l->none = !ic_call_is(c, i + 1, "string");
        } else {
            ic_call_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Its job, and how much it shall see. NULL: replied with an error. */
static struct listing *begin_scan(struct ic_call *c)
{
    uint64_t cursor;
    if (!parse_cursor(c, &cursor)) {
        return NULL;
    }
    struct listing *l = listing_new(c);
    if (l == NULL) {
        return NULL;
    }
    l->cursor = cursor;
    return parse_scan(c, l) ? l : NULL;
}

void ic_command_scan(struct ic_call *c)
{
    struct listing *l = c->job != NULL ? c->job : begin_scan(c);
    if (l != NULL && list_keys(l, (uint64_t)l->wanted)) {
        ic_resp_array(c->out, 2);
        ic_resp_bulkf(c->out, "%" PRIu64, l->cursor);
        reply_keys(l);
    }
}

/* ---- everything ---- */

void ic_command_flushall(struct ic_call *c)
{
    bool known =
        c->argc == 1 || (c->argc == 2 && (ic_call_is(c, 1, "SYNC") || ic_call_is(c, 1, "ASYNC")));
    if (!known) {
        ic_call_syntax_error(c);
    } else if (ic_call_change(c, (struct ic_change){.kind = IC_CHANGE_FLUSH})) {
        ic_call_ok(c);
    }
}

void ic_command_flushdb(struct ic_call *c)
{
    ic_command_flushall(c);
}
