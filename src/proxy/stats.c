/*
 * stats.c - see stats.h.
 */
#include "proxy/stats.h"

#include "base/alloc.h"

#include <ctype.h>

int ic_stats_init(struct ic_stats *s)
{
    *s = (struct ic_stats){0};
    ic_list_init(&s->slow);
    s->command = ic_calloc(ic_command_numbers(), sizeof(*s->command));
    return s->command == NULL ? IC_ENOMEM : 0;
}

static void forget_commands(struct ic_stats *s)
{
    for (size_t i = 0; i < ic_command_numbers(); i++) {
        ic_free(s->command[i].times);
        s->command[i] = (struct ic_command_figures){0};
    }
}

void ic_stats_deinit(struct ic_stats *s)
{
    ic_stats_slow_reset(s);
    forget_commands(s);
    ic_free(s->command);
    s->command = NULL;
}

void ic_stats_reset(struct ic_stats *s)
{
    forget_commands(s);
    s->errors = s->unknowns = 0;
    s->unknown_others = 0;
    s->connections_received = s->connections_rejected = s->connections_cut = 0;
    s->output_buffer_limit_disconnections = s->query_buffer_limit_refusals = 0;
    s->evicted_clients = s->commands = s->error_replies = s->bytes_in = s->bytes_out = 0;
    s->sampled_commands = s->sampled_in = s->sampled_out = 0;
}

void ic_stats_called(struct ic_stats *s, const struct ic_command *c, uint64_t microseconds,
                     bool failed)
{
    struct ic_command_figures *f = &s->command[ic_command_number(c)];
    f->calls++;
    f->microseconds += microseconds;
    f->failed += failed;
    if (f->times == NULL) {
        f->times = ic_calloc(1, sizeof *f->times);
    }
    if (f->times != NULL) {
        ic_histogram_add(f->times, microseconds);
    }
    s->commands++;
}

void ic_stats_rejected(struct ic_stats *s, const struct ic_command *c)
{
    s->command[ic_command_number(c)].rejected++;
}

/* Appends WORD to NAME, in lower case. False: it does not fit, or is no word of a command's name.
 */
static bool append_word(char *name, size_t *length, struct ic_slice word)
{
    if (word.data == NULL || word.len == 0 || word.len >= IC_STATS_UNKNOWN_LEN - *length) {
        return false;
    }
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = word.data[i];
        if (!isalnum(c) && c != '.' && c != '_' && c != '-') {
            return false;
        }
        name[(*length)++] = (char)tolower(c);
    }
    name[*length] = '\0';
    return true;
}

void ic_stats_unknown(struct ic_stats *s, struct ic_slice name, struct ic_slice sub)
{
    struct ic_unknown_figures new = {.calls = 1};
    size_t length = 0;
    bool good = append_word(new.name, &length, name);
    if (good && sub.len > 0) {
        new.name[length++] = '|';
        good = append_word(new.name, &length, sub);
    }
    for (size_t i = 0; i < s->unknowns && good; i++) {
        if (strcmp(s->unknown[i].name, new.name) == 0) {
            s->unknown[i].calls++;
            return;
        }
    }
    if (good && s->unknowns < IC_STATS_UNKNOWN_MAX) {
        s->unknown[s->unknowns++] = new;
    } else {
        s->unknown_others++;
    }
}

void ic_stats_error(struct ic_stats *s, const char *text)
{
    struct ic_slice code = ic_slice_str("ERR");
    if (text[0] == '-') {
        size_t length = strcspn(text + 1, " ");
        if (length > 0 && length < IC_STATS_ERROR_LEN) {
            code = ic_slice(text + 1, length);
        }
    }
    s->error_replies++;
    for (size_t i = 0; i < s->errors; i++) {
        if (ic_slice_equal(ic_slice_str(s->error[i].code), code)) {
            s->error[i].count++;
            return;
        }
    }
    if (s->errors < IC_STATS_ERRORS_MAX) {
        struct ic_error_figures *e = &s->error[s->errors++];
        memcpy(e->code, code.data, code.len);
        e->code[code.len] = '\0';
        e->count = 1;
    }
}

void ic_stats_sample(struct ic_stats *s, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms - s->sampled_ms;
    if (elapsed_ms == 0) {
        return;
    }
    s->ops_per_s = (s->commands - s->sampled_commands) * 1000 / elapsed_ms;
    s->in_per_s = (s->bytes_in - s->sampled_in) * 1000 / elapsed_ms;
    s->out_per_s = (s->bytes_out - s->sampled_out) * 1000 / elapsed_ms;
    s->sampled_commands = s->commands;
    s->sampled_in = s->bytes_in;
    s->sampled_out = s->bytes_out;
    s->sampled_ms = now_ms;
}

/* ---- slow log ---- */

static void slow_entry_free(struct ic_slow_entry *e)
{
    ic_buf_deinit(&e->args);
    ic_free(e->peer);
    ic_free(e->name);
    ic_free(e);
}

static void cut_to(struct ic_stats *s, uint64_t most)
{
    while (s->slow_count > most) {
        struct ic_slow_entry *e = IC_CONTAINER(s->slow.prev, struct ic_slow_entry, node);
        ic_list_remove(&e->node);
        slow_entry_free(e);
        s->slow_count--;
    }
}

void ic_stats_slow_reset(struct ic_stats *s)
{
    cut_to(s, 0);
}

/* An argument as the log shows it: its beginning, and how much more there is. */
static void write_argument(struct ic_resp_writer *w, const struct ic_arg *arg)
{
    size_t shown = arg->bytes.data == NULL ? 0 : arg->bytes.len;
    shown = shown > IC_SLOWLOG_ARG_LEN ? IC_SLOWLOG_ARG_LEN : shown;
    if (shown == arg->bytes.len) {
        ic_resp_bulk(w, ic_slice(arg->bytes.data, shown));
    } else {
        ic_resp_bulkf(w, "%.*s... (%zu more bytes)", (int)shown, (const char *)arg->bytes.data,
                      arg->bytes.len - shown);
    }
}

static void write_arguments(struct ic_buf *out, const struct ic_call *c)
{
    struct ic_resp_writer w = {.buf = out, .max = SIZE_MAX, .version = 2};
    uint32_t count = c->argc > IC_SLOWLOG_ARGS_MAX ? IC_SLOWLOG_ARGS_MAX : c->argc;
    ic_resp_array(&w, count);
    for (uint32_t i = 0; i < count; i++) {
        if (i == IC_SLOWLOG_ARGS_MAX - 1 && c->argc > count) {
            ic_resp_bulkf(&w, "... (%u more arguments)", c->argc - count + 1);
        } else if ((c->command->flags & IC_COMMAND_SECRET) != 0 && i > 0) {
            ic_resp_bulk_str(&w, "(redacted)");
        } else {
            write_argument(&w, &c->argv[i]);
        }
    }
}

struct ic_slow_entry *ic_stats_slow_new(const struct ic_call *c)
{
    struct ic_slow_entry *e = ic_calloc(1, sizeof(*e));
    if (e != NULL) {
        ic_list_init(&e->node);
        e->wall_s = c->wall_ms / 1000;
        ic_buf_init(&e->args);
        write_arguments(&e->args, c);
    }
    return e;
}

void ic_stats_slow_drop(struct ic_slow_entry *e)
{
    if (e != NULL) {
        slow_entry_free(e);
    }
}

/* At most MOST characters of TEXT: what a client calls itself may be long. */
static char *copy_text(const char *text, size_t most)
{
    size_t length = strnlen(text, most);
    char *copy = ic_malloc(length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

void ic_stats_slow_keep(struct ic_stats *s, struct ic_slow_entry *e, const char *peer,
                        const char *name, uint64_t most)
{
    if (most == 0) {
        slow_entry_free(e);
        return;
    }
    e->id = s->slow_next_id++;
    e->peer = ic_strdup(peer);
    e->name = copy_text(name, IC_SLOWLOG_ARG_LEN);
    ic_list_push_front(&s->slow, &e->node);
    s->slow_count++;
    cut_to(s, most);
}
