/*
 * command.c - looks commands up in the table and helps their handlers.
 */
#include "proxy/command.h"

#include "base/alloc.h"
#include "base/glob.h"
#include "proxy/session.h"
#include "proxy/sessions.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    ROWS_MAX = 100,   /* of the table of commands */
    TEXT_MAX = 1024,  /* an error's text; longer ones are cut */
    ECHOED_MAX = 128, /* bytes of a name in an error, as Redis */
};

/* The table's rows by their names. */
static const struct ic_command *by_name[ROWS_MAX];

static int compare_rows(const void *a, const void *b)
{
    const struct ic_command *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

__attribute__((constructor)) static void sort_rows(void)
{
    assert(ic_command_count <= ROWS_MAX);
    for (size_t i = 0; i < ic_command_count; i++) {
        by_name[i] = &ic_command_table[i];
    }
    qsort(by_name, ic_command_count, sizeof(*by_name), compare_rows);
}

/* Of a struct ic_slice, in any case, and a row. */
static int compare_name(const void *key, const void *row)
{
    const struct ic_slice *text = key;
    const char *name = (*(const struct ic_command *const *)row)->name;
    size_t length = strlen(name), least = text->len < length ? text->len : length;
    int order = strncasecmp((const char *)text->data, name, least);
    return order != 0 ? order : (text->len > length) - (text->len < length);
}

const struct ic_command *ic_command_find(struct ic_slice name)
{
    if (name.len == 0) {
        return NULL;
    }
    const struct ic_command *const *row =
        bsearch(&name, by_name, ic_command_count, sizeof(*by_name), compare_name);
    return row == NULL ? NULL : *row;
}

const struct ic_command *ic_command_find_sub(const struct ic_command *c, struct ic_slice name)
{
    for (size_t i = 0; i < c->subcommand_count; i++) {
        const char *sub = strchr(c->subcommands[i].name, '|') + 1;
        if (ic_slice_equal_nocase(name, sub)) {
            return &c->subcommands[i];
        }
    }
    return NULL;
}

const struct ic_command *ic_command_find_full(struct ic_slice name)
{
    const uint8_t *bar = name.len == 0 ? NULL : memchr(name.data, '|', name.len);
    if (bar == NULL) {
        return ic_command_find(name);
    }
    size_t length = (size_t)(bar - name.data);
    const struct ic_command *c = ic_command_find(ic_slice(name.data, length));
    return c == NULL ? NULL : ic_command_find_sub(c, ic_slice(bar + 1, name.len - length - 1));
}

bool ic_command_arity_fits(const struct ic_command *c, uint64_t argc)
{
    return c->arity >= 0 ? argc == (uint64_t)c->arity : argc >= (uint64_t)-c->arity;
}

bool ic_command_is_value(const struct ic_command *c, uint32_t index, uint32_t total, uint32_t *key)
{
    (void)total;
    if (c->value == 0 || index < c->value) {
        return false;
    }
    if (c->value_step == 0) {
        *key = (uint32_t)c->key[0].first;
        return index == c->value;
    }
    *key = index - 1;
    return (index - c->value) % c->value_step == 0;
}

bool ic_command_is_key(const struct ic_command *c, uint32_t index, uint32_t total)
{
    for (size_t i = 0; i < sizeof(c->key) / sizeof(c->key[0]) && c->key[i].flags != NULL; i++) {
        const struct ic_command_key *k = &c->key[i];
        int64_t first = k->first;
        int64_t last = k->last < 0 ? (int64_t)total + k->last : first + k->last;
        if (index >= first && index <= last && (index - first) % k->step == 0) {
            return true;
        }
    }
    return false;
}

/* Subcommands of row i come after the rows, in the order of their rows. */
size_t ic_command_number(const struct ic_command *c)
{
    if (c >= ic_command_table && c < ic_command_table + ic_command_count) {
        return (size_t)(c - ic_command_table);
    }
    size_t number = ic_command_count;
    for (size_t i = 0; i < ic_command_count; i++) {
        const struct ic_command *parent = &ic_command_table[i];
        if (c >= parent->subcommands && c < parent->subcommands + parent->subcommand_count) {
            return number + (size_t)(c - parent->subcommands);
        }
        number += parent->subcommand_count;
    }
    assert(false); /* a command that is not in the table */
    return 0;
}

size_t ic_command_numbers(void)
{
    size_t count = ic_command_count;
    for (size_t i = 0; i < ic_command_count; i++) {
        count += ic_command_table[i].subcommand_count;
    }
    return count;
}

/* Text up to its first zero byte, as Redis prints what clients send. */
static int printed(struct ic_slice text, size_t most)
{
    size_t length = text.data == NULL ? 0 : strnlen((const char *)text.data, text.len);
    return (int)(length < most ? length : most);
}

static void say_unknown(const struct ic_call *c, char *why, size_t why_size)
{
    char args[ECHOED_MAX + 8];
    size_t length = 0;
    for (uint32_t i = 1; i < c->argc && length < ECHOED_MAX; i++) {
        struct ic_slice arg = c->argv[i].bytes;
        int shown = printed(arg, ECHOED_MAX - length);
        length += (size_t)snprintf(args + length, sizeof(args) - length, "'%.*s' ", shown,
                                   shown == 0 ? "" : (const char *)arg.data);
    }
    args[length < sizeof(args) ? length : sizeof(args) - 1] = '\0';
    struct ic_slice name = c->argv[0].bytes;
    snprintf(why, why_size, "unknown command '%.*s', with args beginning with: %s",
             printed(name, ECHOED_MAX), (const char *)name.data, args);
}

static void say_unknown_sub(const struct ic_call *c, char *why, size_t why_size)
{
    char name[ECHOED_MAX] = "";
    for (size_t i = 0; i < sizeof(name) - 1 && i < c->argv[0].bytes.len; i++) {
        name[i] = (char)toupper(c->argv[0].bytes.data[i]);
    }
    struct ic_slice sub = c->argv[1].bytes;
    snprintf(why, why_size, "unknown subcommand '%.*s'. Try %s HELP.", printed(sub, ECHOED_MAX),
             (const char *)sub.data, name);
}

bool ic_call_resolve(struct ic_call *c, char *why, size_t why_size)
{
    const struct ic_command *found = ic_command_find(c->argv[0].bytes);
    if (found == NULL) {
        say_unknown(c, why, why_size);
        return false;
    }
    c->command = found;
    if (found->subcommand_count == 0 || c->argc == 1) {
        return true;
    }
    c->command = ic_command_find_sub(found, c->argv[1].bytes);
    if (c->command == NULL) {
        say_unknown_sub(c, why, why_size);
    }
    return c->command != NULL;
}

/* ---- for the handlers ---- */

void ic_call_error(struct ic_call *c, const char *text)
{
    c->failed = true;
    if (!c->quiet) {
        ic_stats_error(&c->session->sessions->stats, text);
        ic_resp_error(c->out, text);
    }
}

void ic_call_errorf(struct ic_call *c, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ic_call_error(c, text);
}

void ic_call_syntax_error(struct ic_call *c)
{
    ic_call_error(c, "syntax error");
}

void ic_call_arity_error(struct ic_call *c)
{
    ic_call_errorf(c, "wrong number of arguments for '%s' command", c->command->name);
}

void ic_call_pattern_error(struct ic_call *c, uint64_t steps)
{
    ic_call_errorf(c, "matching the pattern takes more than %llu steps", (unsigned long long)steps);
}

static bool each(struct ic_call *c, uint32_t first, uint64_t units,
                 void (*one)(struct ic_call *c, uint32_t index),
                 bool (*goes_on)(struct ic_call *c, uint64_t units))
{
    bool more = true;
    c->next = c->next == 0 ? first : c->next;
    while (c->next < c->argc && more) {
        one(c, c->next++);
        more = goes_on(c, units);
    }
    return more;
}

bool ic_call_each(struct ic_call *c, uint32_t first, uint64_t units,
                  void (*one)(struct ic_call *c, uint32_t index))
{
    return each(c, first, units, one, ic_call_goes_on);
}

bool ic_call_each_alone(struct ic_call *c, uint32_t first, uint64_t units,
                        void (*one)(struct ic_call *c, uint32_t index))
{
    return each(c, first, units, one, ic_call_goes_on_alone);
}

static void gathering_free(void *job)
{
    struct ic_gathering *g = job;
    ic_buf_deinit(&g->buf);
    ic_free(g);
}

struct ic_gathering *ic_call_gather(struct ic_call *c)
{
    struct ic_gathering *g = c->job != NULL ? c->job : ic_malloc(sizeof(*g));
    if (g == NULL) {
        ic_call_error(c, "out of memory");
        return NULL;
    }
    if (c->job == NULL) {
        *g = (struct ic_gathering){
            .items = {.buf = &g->buf, .max = c->out->max, .version = c->out->version}};
        ic_buf_init(&g->buf);
        c->job = g;
        c->job_free = gathering_free;
    }
    c->job_memory = sizeof(*g) + g->buf.cap;
    return g;
}

void ic_call_gathered(struct ic_call *c, void (*head)(struct ic_resp_writer *w, size_t count))
{
    struct ic_gathering *g = c->job;
    if (g->items.failed) {
        ic_call_error(c, "out of memory");
        return;
    }
    head(c->out, c->count);
    ic_reply_take(&c->session->reply, &g->buf);
}

void ic_call_ok(struct ic_call *c)
{
    ic_resp_status(c->out, "OK");
}

void ic_call_help(struct ic_call *c, const char *const *lines)
{
    char head[TEXT_MAX], name[32] = "";
    for (size_t i = 0; i < sizeof(name) - 1 && i < c->argv[0].bytes.len; i++) {
        name[i] = (char)toupper(c->argv[0].bytes.data[i]);
    }
    size_t count = 0;
    while (lines[count] != NULL) {
        count++;
    }
    snprintf(head, sizeof(head),
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    ic_resp_array(c->out, count + 3);
    ic_resp_status(c->out, head);
    for (size_t i = 0; i < count; i++) {
        ic_resp_status(c->out, lines[i]);
    }
    ic_resp_status(c->out, "HELP");
    ic_resp_status(c->out, "    Print this help.");
}

bool ic_call_is(const struct ic_call *c, uint32_t index, const char *word)
{
    return ic_slice_equal_nocase(c->argv[index].bytes, word);
}

bool ic_call_integer(struct ic_call *c, uint32_t index, int64_t *out, const char *error)
{
    if (ic_resp_integer(c->argv[index].bytes, out) == 0) {
        return true;
    }
    ic_call_error(c, error != NULL ? error : "value is not an integer or out of range");
    return false;
}
