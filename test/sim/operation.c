#include "sim/operation.h"

#include "base/config.h"
#include "sim/report.h"
#include "sim/value.h"
#include "sim/world.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LIFE_MS_MAX = 3000,
    TURN_WORK_USUAL = 1000, /* above it none of these commands takes more than a turn */
};

/* Chances in all; the rest are PING. */
static const struct {
    enum sim_operation_kind kind;
    uint32_t weight;
} weights[] = {
    {SIM_GET, 260},      {SIM_SET, 180},    {SIM_SET_GET, 30}, {SIM_DEL, 50},    {SIM_GETDEL, 20},
    {SIM_GETRANGE, 100}, {SIM_STRLEN, 20},  {SIM_EXISTS, 20},  {SIM_MGET, 50},   {SIM_MSET, 40},
    {SIM_EXEC, 40},      {SIM_FLUSHALL, 6}, {SIM_SET_PX, 65},  {SIM_SET_NX, 25}, {SIM_SET_XX, 25},
    {SIM_EXPIRE, 15},    {SIM_PERSIST, 5},  {SIM_COPY, 30},    {SIM_RENAME, 15}, {SIM_EVICTION, 8},
};

/* ---- bytes ------------------------------------------------------------------------ */

static void must(int result)
{
    assert(result >= 0);
}

static void put_header(struct ic_buf *out, size_t words)
{
    must(ic_buf_printf(out, "*%zu\r\n", words));
}

static void put_word(struct ic_buf *out, const char *word)
{
    must(ic_buf_printf(out, "$%zu\r\n%s\r\n", strlen(word), word));
}

static void put_number(struct ic_buf *out, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    put_word(out, text);
}

static void put_key(struct ic_buf *out, uint32_t key)
{
    char name[SIM_KEY_BYTES];
    sim_key_name(key, name);
    put_word(out, name);
}

static void put_value(struct ic_buf *out, const struct sim_write *w)
{
    must(ic_buf_printf(out, "$%llu\r\n", (unsigned long long)w->size));
    must(ic_buf_reserve(out, w->size));
    sim_value_fill(w->key, w->version, 0, out->data + out->len, w->size);
    out->len += w->size;
    must(ic_buf_append(out, "\r\n", 2));
}

static struct sim_write *begin_write(struct sim_world *w, struct sim_operation *op, uint32_t index,
                                     bool empty, uint64_t size)
{
    op->write[index] = sim_model_begin(&w->model, op->key[index], empty, size);
    return op->write[index];
}

/* ---- making ----------------------------------------------------------------------- */

static uint64_t draw_size(struct sim_world *w)
{
    uint64_t most = w->settings.size_max;
    switch (sim_below(w, 8)) {
    case 0:
        return sim_below(w, 4);
    case 1:
        return sim_below(w, most) + 1;
    case 2:
    case 3:
        return sim_below(w, most / 8 + 1);
    default:
        return sim_below(w, most / 64 + 64);
    }
}

static void draw_keys(struct sim_world *w, struct sim_operation *op, uint32_t count)
{
    op->count = count;
    for (uint32_t i = 0; i < count; i++) {
        bool again;
        do {
            op->key[i] = (uint32_t)sim_below(w, w->model.keys);
            again = false;
            for (uint32_t j = 0; j < i; j++) {
                again = again || op->key[j] == op->key[i];
            }
        } while (again);
    }
}

static void make_read(struct sim_world *w, struct sim_operation *op, struct ic_buf *out)
{
    static const char *const names[] = {
        [SIM_GET] = "GET", [SIM_STRLEN] = "STRLEN", [SIM_EXISTS] = "EXISTS", [SIM_MGET] = "MGET"};
    (void)w;
    put_header(out, 1 + op->count);
    put_word(out, names[op->kind]);
    for (uint32_t i = 0; i < op->count; i++) {
        put_key(out, op->key[i]);
    }
}

static void make_range(struct sim_world *w, struct sim_operation *op, struct ic_buf *out)
{
    uint64_t most = sim_below(w, 2) == 0 ? w->settings.size_max : w->settings.size_max / 32 + 1;
    op->from = sim_below(w, most);
    op->to = op->from + sim_below(w, most);
    put_header(out, 4);
    put_word(out, "GETRANGE");
    put_key(out, op->key[0]);
    put_number(out, op->from);
    put_number(out, op->to);
}

static void make_set(struct sim_world *w, struct sim_operation *op, uint64_t size,
                     struct ic_buf *out)
{
    put_header(out, op->kind == SIM_SET_PX ? 5 : op->kind == SIM_SET ? 3 : 4);
    put_word(out, "SET");
    put_key(out, op->key[0]);
    put_value(out, begin_write(w, op, 0, false, size));
    if (op->kind == SIM_SET_GET) {
        put_word(out, "GET");
    } else if (op->kind == SIM_SET_NX || op->kind == SIM_SET_XX) {
        put_word(out, op->kind == SIM_SET_NX ? "NX" : "XX");
    } else if (op->kind == SIM_SET_PX) {
        uint64_t life_ms = 1 + sim_below(w, LIFE_MS_MAX);
        put_word(out, "PX");
        put_number(out, life_ms);
        op->write[0]->may_expire_ms = sim_wall_us(w) / 1000 + (int64_t)life_ms;
        op->life_ms = life_ms;
    }
}

static void make_expire(struct sim_world *w, struct sim_operation *op, struct ic_buf *out)
{
    uint64_t life_ms = 1 + sim_below(w, LIFE_MS_MAX);
    bool never = op->kind == SIM_PERSIST;
    put_header(out, never ? 2 : 3);
    put_word(out, never ? "PERSIST" : "PEXPIRE");
    put_key(out, op->key[0]);
    if (!never) {
        put_number(out, life_ms);
    }
    op->expiry_ms = never ? INT64_MAX : sim_wall_us(w) / 1000 + (int64_t)life_ms;
    sim_model_expire(&w->model, op->key[0], op->expiry_ms);
}

static void make_copy(struct sim_world *w, struct sim_operation *op, struct ic_buf *out)
{
    put_header(out, op->kind == SIM_COPY ? 4 : 3);
    put_word(out, op->kind == SIM_COPY ? "COPY" : "RENAME");
    put_key(out, op->key[0]);
    put_key(out, op->key[1]);
    if (op->kind == SIM_COPY) {
        put_word(out, "REPLACE");
    }
    op->write[1] = sim_model_begin_copy(&w->model, op->key[0], op->key[1]);
    if (op->kind == SIM_RENAME) {
        begin_write(w, op, 0, true, 0);
    }
}

static void make_mset(struct sim_world *w, struct sim_operation *op, struct ic_buf *out)
{
    put_header(out, 1 + 2 * op->count);
    put_word(out, "MSET");
    for (uint32_t i = 0; i < op->count; i++) {
        put_key(out, op->key[i]);
        put_value(out, begin_write(w, op, i, false, draw_size(w) / 2));
    }
}

static void make_del(struct sim_world *w, struct sim_operation *op, const char *name,
                     struct ic_buf *out)
{
    put_header(out, 2);
    put_word(out, name);
    put_key(out, op->key[0]);
    begin_write(w, op, 0, true, 0);
}

static void make_exec(struct sim_world *w, struct sim_operation *op, struct ic_buf *out)
{
    op->replies = 6;
    put_header(out, 1);
    put_word(out, "MULTI");
    put_header(out, 3);
    put_word(out, "SET");
    put_key(out, op->key[0]);
    put_value(out, begin_write(w, op, 0, false, draw_size(w)));
    put_header(out, 2);
    put_word(out, "GET");
    put_key(out, op->key[1]);
    put_header(out, 2);
    put_word(out, "DEL");
    put_key(out, op->key[2]);
    begin_write(w, op, 2, true, 0);
    put_header(out, 2); /* of a client that may be gone by then */
    put_word(out, "CLIENT");
    put_word(out, "INFO");
    put_header(out, 1);
    put_word(out, "EXEC");
}

static void make_flush(struct sim_world *w, struct sim_operation *op, struct ic_buf *out)
{
    put_header(out, 1);
    put_word(out, "FLUSHALL");
    for (uint32_t key = 0; key < w->model.keys; key++) {
        op->write[key] = sim_model_begin(&w->model, key, true, 0);
    }
}

static void make_eviction(struct sim_world *w, struct ic_buf *out)
{
    static const char *const policies[] = {"gdsf", "sieve", "s3fifo", "lru", "clock"};
    put_header(out, 4);
    put_word(out, "CONFIG");
    put_word(out, "SET");
    put_word(out, "eviction");
    put_word(out, policies[sim_below(w, sizeof policies / sizeof *policies)]);
}

static void make(struct sim_world *w, struct sim_operation *op, uint64_t size, struct ic_buf *out)
{
    switch (op->kind) {
    case SIM_GET:
    case SIM_STRLEN:
    case SIM_EXISTS:
    case SIM_MGET:
        make_read(w, op, out);
        return;
    case SIM_GETRANGE:
        make_range(w, op, out);
        return;
    case SIM_EXPIRE:
    case SIM_PERSIST:
        make_expire(w, op, out);
        return;
    case SIM_COPY:
    case SIM_RENAME:
        make_copy(w, op, out);
        return;
    case SIM_SET:
    case SIM_SET_GET:
    case SIM_SET_NX:
    case SIM_SET_XX:
    case SIM_SET_PX:
        make_set(w, op, size, out);
        return;
    case SIM_MSET:
        make_mset(w, op, out);
        return;
    case SIM_DEL:
        make_del(w, op, "DEL", out);
        return;
    case SIM_GETDEL:
        make_del(w, op, "GETDEL", out);
        return;
    case SIM_EXEC:
        make_exec(w, op, out);
        return;
    case SIM_FLUSHALL:
        make_flush(w, op, out);
        return;
    case SIM_EVICTION:
        make_eviction(w, out);
        return;
    case SIM_PING:
    case SIM_OPERATION_KINDS:
        put_header(out, 1);
        put_word(out, "PING");
        return;
    }
}

static const char *kind_name(enum sim_operation_kind kind)
{
    static const char *const names[] = {
        "GET",     "SET",  "SET GET", "SET NX", "SET XX",   "SET PX",   "PEXPIRE",
        "PERSIST", "COPY", "RENAME",  "DEL",    "GETDEL",   "GETRANGE", "STRLEN",
        "EXISTS",  "MGET", "MSET",    "EXEC",   "FLUSHALL", "CONFIG",   "PING"};
    return names[kind];
}

static void tell(const struct sim_operation *op)
{
    const struct sim_write *w = op->write[0];
    sim_note("event %llu: %s key %u, %u keys, version %u, %llu bytes",
             (unsigned long long)op->begun, kind_name(op->kind), op->key[0], op->count,
             w == NULL ? 0 : w->version, w == NULL ? 0ULL : (unsigned long long)w->size);
}

static struct sim_operation *operation_new(struct sim_world *w, enum sim_operation_kind kind)
{
    struct sim_operation *op = sim_alloc(sizeof *op);
    *op = (struct sim_operation){.kind = kind, .replies = 1, .begun_us = sim_now_us(w)};
    ic_list_init(&op->node);
    op->begun = sim_model_event(&w->model);
    return op;
}

struct sim_operation *sim_operation_make(struct sim_world *w, enum sim_operation_kind kind,
                                         uint32_t key, uint64_t size, struct ic_buf *out)
{
    struct sim_operation *op = operation_new(w, kind);
    op->count = 1;
    op->key[0] = key;
    op->key[1] = sim_key_twin(&w->model, key);
    make(w, op, size, out);
    tell(op);
    return op;
}

static enum sim_operation_kind draw_kind(struct sim_world *w)
{
    uint64_t drawn = sim_below(w, 1000);
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        if (drawn < weights[i].weight) {
            return weights[i].kind;
        }
        drawn -= weights[i].weight;
    }
    return SIM_PING;
}

struct sim_operation *sim_operation_new(struct sim_world *w, struct ic_buf *out)
{
    struct sim_operation *op = operation_new(w, draw_kind(w));
    bool many = op->kind == SIM_MGET || op->kind == SIM_MSET;
    bool two = op->kind == SIM_COPY || op->kind == SIM_RENAME;
    uint32_t keys = op->kind == SIM_EXEC ? 3 : two ? 2 : many ? 1 + (uint32_t)sim_below(w, 4) : 1;
    draw_keys(w, op, keys);
    make(w, op, draw_size(w), out);
    tell(op);
    return op;
}

/* ---- replies ---------------------------------------------------------------------- */

static void judge_value(struct sim_world *w, const struct sim_operation *op, uint32_t key,
                        const struct sim_reply *reply)
{
    if (reply->type == '-') {
        w->model.errors++;
    } else if (reply->type != '$') {
        sim_violation("%s: a reply of type %c", kind_name(op->kind), reply->type);
    } else if (reply->null) {
        sim_model_saw_nothing(&w->model, key, op->begun);
    } else {
        sim_model_saw_bytes(&w->model, key, op->begun, reply->text, 0, SIM_NEVER);
    }
}

/* An empty string is a range of a short value, or of none. */
static void judge_range(struct sim_world *w, const struct sim_operation *op,
                        const struct sim_reply *reply)
{
    if (reply->type != '-' && (reply->type != '$' || reply->null)) {
        sim_violation("GETRANGE: a reply of type %c, not a string", reply->type);
    }
    if (reply->type == '$' && reply->text.len > 0) {
        sim_model_saw_bytes(&w->model, op->key[0], op->begun, reply->text, op->from, op->to);
    }
}

static void judge_number(struct sim_world *w, const struct sim_operation *op,
                         const struct sim_reply *reply)
{
    struct sim_model *m = &w->model;
    if (reply->type == ':' && op->kind == SIM_STRLEN && reply->number > 0) {
        sim_model_saw_size(m, op->key[0], op->begun, (uint64_t)reply->number);
    } else if (reply->type == ':' && op->kind == SIM_EXISTS && reply->number > 0) {
        sim_model_saw_something(m, op->key[0], op->begun);
    } else if (reply->type == ':' && op->kind == SIM_EXISTS) {
        sim_model_saw_nothing(m, op->key[0], op->begun);
    }
}

typedef void settle_write(struct sim_model *m, struct sim_write *w);

static void settle_writes(struct sim_world *w, const struct sim_operation *op, bool done,
                          settle_write *otherwise)
{
    for (uint32_t i = 0; i < SIM_KEYS_MAX; i++) {
        if (op->write[i] != NULL) {
            (done ? sim_model_done : otherwise)(&w->model, op->write[i]);
        }
    }
}

static void judge_delete(struct sim_world *w, const struct sim_operation *op,
                         const struct sim_reply *reply)
{
    bool error = reply->type == '-';
    bool nothing = !error && (reply->type == '$' ? reply->null : reply->number == 0);
    if (nothing) {
        sim_model_saw_nothing(&w->model, op->key[0], op->begun);
    } else if (reply->type == '$') {
        judge_value(w, op, op->key[0], reply);
    }
    settle_writes(w, op, !error, op->kind == SIM_DEL ? sim_model_failed : sim_model_unknown);
}

/* Whether it was done says whether there was a value; its own does not count. */
static void judge_condition(struct sim_world *w, const struct sim_operation *op,
                            const struct sim_reply *reply)
{
    bool done = reply->type == '+';
    if (reply->type != '-') {
        op->write[0]->failed = true;
        if (done == (op->kind == SIM_SET_NX)) {
            sim_model_saw_nothing(&w->model, op->key[0], op->begun);
        } else {
            sim_model_saw_something(&w->model, op->key[0], op->begun);
        }
        op->write[0]->failed = false;
    }
    settle_writes(w, op, done, sim_model_failed);
}

static void judge_copy(struct sim_world *w, const struct sim_operation *op,
                       const struct sim_reply *reply)
{
    bool nothing = (reply->type == ':' && reply->number == 0) ||
                   (reply->type == '-' && reply->text.len == 15 &&
                    memcmp(reply->text.data, "ERR no such key", 15) == 0);
    if (nothing) {
        sim_model_saw_nothing(&w->model, op->key[0], op->begun);
    }
    settle_writes(w, op, !nothing && reply->type != '-', sim_model_failed);
}

static void judge_expiring(struct sim_world *w, const struct sim_operation *op,
                           const struct sim_reply *reply)
{
    settle_writes(w, op, reply->type != '-', sim_model_failed);
    if (reply->type != '-') {
        sim_model_expires(&w->model, op->write[0], (int64_t)op->life_ms);
    }
}

static void judge_exec(struct sim_world *w, struct sim_operation *op, const struct sim_reply *reply)
{
    if (op->replies > 0) {
        op->refused = op->refused || reply->type == '-';
        return;
    }
    if (reply->type == '*' && (op->refused || reply->count != 4)) {
        sim_violation("EXEC: %u replies", reply->count);
    }
    if (reply->type == '*' && reply[1].type == '+') {
        judge_value(w, op, op->key[1], &reply[2]);
    }
    /* A command that fails does not stop the ones after it. */
    bool set = reply->type == '*' && reply[1].type != '-';
    bool deleted = reply->type == '*' && reply[3].type != '-';
    /* One that takes many turns may be done in part when the journal fails. */
    bool unknown =
        reply->type != '*' && !op->refused && w->host.config->turn_work < TURN_WORK_USUAL;
    settle_write *otherwise = unknown ? sim_model_unknown : sim_model_failed;
    (set ? sim_model_done : otherwise)(&w->model, op->write[0]);
    (deleted ? sim_model_done : otherwise)(&w->model, op->write[2]);
}

static void judge_many(struct sim_world *w, const struct sim_operation *op,
                       const struct sim_reply *reply)
{
    for (uint32_t i = 0; reply->type == '*' && i < reply->count; i++) {
        judge_value(w, op, op->key[i], &reply[1 + i]);
    }
}

static void judge(struct sim_world *w, struct sim_operation *op, const struct sim_reply *reply)
{
    switch (op->kind) {
    case SIM_GET:
        judge_value(w, op, op->key[0], reply);
        return;
    case SIM_SET_GET:
        judge_value(w, op, op->key[0], reply);
        settle_writes(w, op, reply->type != '-', sim_model_unknown);
        return;
    case SIM_SET_NX:
    case SIM_SET_XX:
        judge_condition(w, op, reply);
        return;
    case SIM_SET_PX:
        judge_expiring(w, op, reply);
        return;
    case SIM_COPY:
    case SIM_RENAME:
        judge_copy(w, op, reply);
        return;
    case SIM_SET:
    case SIM_MSET:
    case SIM_FLUSHALL:
        settle_writes(w, op, reply->type != '-', sim_model_failed);
        return;
    case SIM_DEL:
    case SIM_GETDEL:
        judge_delete(w, op, reply);
        return;
    case SIM_GETRANGE:
        judge_range(w, op, reply);
        return;
    case SIM_STRLEN:
    case SIM_EXISTS:
        judge_number(w, op, reply);
        return;
    case SIM_MGET:
        judge_many(w, op, reply);
        return;
    case SIM_EXEC:
        judge_exec(w, op, reply);
        return;
    case SIM_EXPIRE:
    case SIM_PERSIST:
        if (reply->type == ':' && reply->number > 0) {
            sim_model_saw_something(&w->model, op->key[0], op->begun);
        }
        sim_model_expire_done(&w->model, op->key[0], op->expiry_ms);
        return;
    case SIM_EVICTION:
        if (reply->type != '+' &&
            reply->type != '-') { /* an error: as the journal's, of its turn */
            sim_violation("CONFIG SET eviction: a reply of type %c", reply->type);
        }
        return;
    case SIM_PING:
    case SIM_OPERATION_KINDS:
        return;
    }
}

void sim_operation_give_up(struct sim_world *w, struct sim_operation *op)
{
    sim_note("no answer to event %llu", (unsigned long long)op->begun);
    if (op->kind == SIM_EXPIRE || op->kind == SIM_PERSIST) {
        sim_model_expire_unknown(&w->model, op->key[0], op->expiry_ms);
    }
}

void sim_operation_answer(struct sim_world *w, struct sim_operation *op,
                          const struct sim_reply *reply)
{
    int len = reply->text.len < 60 ? (int)reply->text.len : 60;
    bool shown = reply->type == '-' || reply->type == '+' || reply->type == ':';
    sim_note("reply to event %llu: %c%.*s (%zu bytes%s)", (unsigned long long)op->begun,
             reply->type, shown ? len : 0, (const char *)reply->text.data, reply->text.len,
             reply->null ? ", null" : "");
    op->replies--;
    judge(w, op, reply);
}
