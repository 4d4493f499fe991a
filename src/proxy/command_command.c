/*
 * command_command.c - COMMAND: what the table says, in the shapes of Redis 7.2.
 */
#include "base/alloc.h"
#include "base/glob.h"
#include "proxy/command_handlers.h"
#include "proxy/session.h"

#include <ctype.h>

enum {
    WORD_MAX = 64,
    INFO_UNITS = 8,            /* of work: what is said of one command, or subcommand */
    NAMES_STEPS_MAX = 1 << 17, /* that a pattern may take with all names of commands */
};

/* Calls WRITE for each of TEXT's words; returns how many there are. TEXT may be NULL. */
static size_t each_word(const char *text, struct ic_resp_writer *w,
                        void (*write)(struct ic_resp_writer *w, struct ic_slice word))
{
    size_t count = 0;
    for (const char *at = text; at != NULL && *at != '\0'; count++) {
        size_t length = strcspn(at, " ");
        if (write != NULL) {
            write(w, ic_slice(at, length));
        }
        at += length + strspn(at + length, " ");
    }
    return count;
}

static void write_status(struct ic_resp_writer *w, struct ic_slice word)
{
    char text[WORD_MAX];
    size_t length = word.len < sizeof(text) - 1 ? word.len : sizeof(text) - 1;
    memcpy(text, word.data, length);
    text[length] = '\0';
    ic_resp_status(w, text);
}

static void write_flags(struct ic_resp_writer *w, const struct ic_command *c)
{
    size_t count = 0;
    for (size_t i = 0; i < IC_COMMAND_FLAGS; i++) {
        count += (c->flags >> i) & 1;
    }
    ic_resp_set(w, count);
    for (size_t i = 0; i < IC_COMMAND_FLAGS; i++) {
        if (((c->flags >> i) & 1) != 0) {
            ic_resp_status(w, ic_command_flag_names[i]);
        }
    }
}

/* Every access category of C, in Redis's order, each name only if FILTER is empty or it. */
static size_t categories(const struct ic_command *c, const char **names)
{
    bool admin = (c->flags & IC_COMMAND_ADMIN) != 0, fast = (c->flags & IC_COMMAND_FAST) != 0;
    const struct {
        const char *name;
        bool has;
    } all[] = {{"@keyspace", (c->categories & IC_CATEGORY_KEYSPACE) != 0},
               {"@read", (c->flags & IC_COMMAND_READONLY) != 0},
               {"@write", (c->flags & IC_COMMAND_WRITE) != 0},
               {"@string", (c->categories & IC_CATEGORY_STRING) != 0},
               {"@admin", admin},
               {"@fast", fast},
               {"@slow", !fast},
               {"@dangerous", admin || (c->categories & IC_CATEGORY_DANGEROUS) != 0},
               {"@connection", (c->categories & IC_CATEGORY_CONNECTION) != 0},
               {"@transaction", (c->categories & IC_CATEGORY_TRANSACTION) != 0}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].has) {
            names[count++] = all[i].name;
        }
    }
    return count;
}

enum { CATEGORIES_MAX = 10 };

static void write_categories(struct ic_resp_writer *w, const struct ic_command *c)
{
    const char *names[CATEGORIES_MAX];
    size_t count = categories(c, names);
    ic_resp_set(w, count);
    for (size_t i = 0; i < count; i++) {
        ic_resp_status(w, names[i]);
    }
}

static size_t key_count(const struct ic_command *c)
{
    return (size_t)(c->key[0].flags != NULL) + (c->key[1].flags != NULL);
}

static void write_key(struct ic_resp_writer *w, const struct ic_command_key *key)
{
    ic_resp_map(w, 3);
    ic_resp_bulk_str(w, "flags");
    ic_resp_set(w, each_word(key->flags, w, NULL));
    each_word(key->flags, w, write_status);
    ic_resp_bulk_str(w, "begin_search");
    ic_resp_map(w, 2);
    ic_resp_bulk_str(w, "type");
    ic_resp_bulk_str(w, "index");
    ic_resp_bulk_str(w, "spec");
    ic_resp_map(w, 1);
    ic_resp_bulk_str(w, "index");
    ic_resp_int(w, key->first);
    ic_resp_bulk_str(w, "find_keys");
    ic_resp_map(w, 2);
    ic_resp_bulk_str(w, "type");
    ic_resp_bulk_str(w, "range");
    ic_resp_bulk_str(w, "spec");
    ic_resp_map(w, 3);
    ic_resp_bulk_str(w, "lastkey");
    ic_resp_int(w, key->last);
    ic_resp_bulk_str(w, "keystep");
    ic_resp_int(w, key->step);
    ic_resp_bulk_str(w, "limit");
    ic_resp_int(w, 0);
}

/* First and last key and the step between, as clients before Redis 7 know them. */
static void write_range(struct ic_resp_writer *w, const struct ic_command *c)
{
    size_t count = key_count(c);
    const struct ic_command_key *end = &c->key[count == 0 ? 0 : count - 1];
    int last = count == 0 ? 0 : end->last >= 0 ? end->first + end->last : end->last;
    ic_resp_int(w, c->key[0].first);
    ic_resp_int(w, last);
    ic_resp_int(w, c->key[0].step);
}

static void write_info(struct ic_resp_writer *w, const struct ic_command *c)
{
    ic_resp_array(w, 10);
    ic_resp_bulk_str(w, c->name);
    ic_resp_int(w, c->arity);
    write_flags(w, c);
    write_range(w, c);
    write_categories(w, c);
    ic_resp_array(w, each_word(c->tips, w, NULL));
    each_word(c->tips, w, ic_resp_bulk);
    ic_resp_set(w, key_count(c));
    for (size_t i = 0; i < key_count(c); i++) {
        write_key(w, &c->key[i]);
    }
    ic_resp_array(w, c->subcommand_count);
    for (size_t i = 0; i < c->subcommand_count; i++) {
        write_info(w, &c->subcommands[i]);
    }
}

static void write_all_info(struct ic_call *c)
{
    ic_resp_array(c->out, ic_command_count);
    for (size_t i = 0; i < ic_command_count; i++) {
        write_info(c->out, &ic_command_table[i]);
    }
}

void ic_command_command(struct ic_call *c)
{
    write_all_info(c);
}

void ic_command_command_count(struct ic_call *c)
{
    ic_resp_int(c->out, (int64_t)ic_command_count);
}

/* All of FOUND's subcommands are told of, too. */
static void count_family(struct ic_call *c, const struct ic_command *found)
{
    ic_call_worked(c, INFO_UNITS * (uint64_t)found->subcommand_count);
}

static void info_of(struct ic_call *c, uint32_t index)
{
    const struct ic_command *found = ic_command_find_full(c->argv[index].bytes);
    if (found == NULL) {
        ic_resp_null(c->out);
    } else {
        write_info(c->out, found);
        count_family(c, found);
    }
}

void ic_command_command_info(struct ic_call *c)
{
    if (c->argc == 2) {
        write_all_info(c);
        return;
    }
    if (c->next == 0) {
        ic_resp_array(c->out, c->argc - 2);
    }
    bool all = ic_call_each(c, 2, INFO_UNITS, info_of);
    (void)all; /* nothing comes behind them */
}

/* ---- docs ---- */

static void write_replaced(struct ic_resp_writer *w, const char *replaced)
{
    size_t length = strcspn(replaced, " ");
    ic_resp_bulk_str(w, "doc_flags");
    ic_resp_set(w, 1);
    ic_resp_status(w, "deprecated");
    ic_resp_bulk_str(w, "deprecated_since");
    ic_resp_bulk(w, ic_slice(replaced, length));
    ic_resp_pair_str(w, "replaced_by", replaced + length + 1);
}

static void write_docs(struct ic_resp_writer *w, const struct ic_command *c)
{
    ic_resp_map(w, (size_t)4 + (c->replaced != NULL ? 3 : 0) + (c->subcommand_count > 0));
    ic_resp_pair_str(w, "summary", c->summary);
    ic_resp_pair_str(w, "since", c->since);
    ic_resp_pair_str(w, "group", ic_command_group_names[c->group]);
    ic_resp_pair_str(w, "complexity", c->complexity);
    if (c->replaced != NULL) {
        write_replaced(w, c->replaced);
    }
    if (c->subcommand_count > 0) {
        ic_resp_bulk_str(w, "subcommands");
        ic_resp_map(w, c->subcommand_count);
        for (size_t i = 0; i < c->subcommand_count; i++) {
            ic_resp_bulk_str(w, c->subcommands[i].name);
            write_docs(w, &c->subcommands[i]);
        }
    }
}

static void gather_docs(struct ic_call *c, uint32_t index)
{
    const struct ic_command *found = ic_command_find_full(c->argv[index].bytes);
    struct ic_resp_writer *w = &ic_call_gather(c)->items;
    if (found != NULL) {
        c->count++;
        ic_resp_bulk_str(w, found->name);
        write_docs(w, found);
        count_family(c, found);
    }
}

void ic_command_command_docs(struct ic_call *c)
{
    if (c->argc == 2) {
        ic_resp_map(c->out, ic_command_count);
        for (size_t i = 0; i < ic_command_count; i++) {
            ic_resp_bulk_str(c->out, ic_command_table[i].name);
            write_docs(c->out, &ic_command_table[i]);
        }
        return;
    }
    if (ic_call_gather(c) != NULL && ic_call_each(c, 2, INFO_UNITS, gather_docs)) {
        ic_call_gathered(c, ic_resp_map);
    }
}

/* ---- list ---- */

enum filter_kind { ANY, BY_MODULE, BY_CATEGORY, BY_PATTERN };

struct filter {
    enum filter_kind kind;
    struct ic_slice word;
    uint64_t steps; /* that a pattern may still take; 0: it took too many */
};

static bool passes(const struct ic_command *c, struct filter *f)
{
    const char *names[CATEGORIES_MAX];
    switch (f->kind) {
    case ANY:
        return true;
    case BY_MODULE:
        return false; /* there are none */
    case BY_PATTERN:
        return ic_glob_match(f->word, ic_slice_str(c->name), true, &f->steps);
    case BY_CATEGORY:
        for (size_t i = 0, count = categories(c, names); i < count; i++) {
            if (ic_slice_equal_nocase(f->word, names[i] + 1)) {
                return true;
            }
        }
        return false;
    }
    return false;
}

/* The names that pass, subcommands too; with W NULL only counts them. */
static size_t list(struct ic_resp_writer *w, const struct ic_command *commands, size_t count,
                   struct filter *f)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ic_command *c = &commands[i];
        if (passes(c, f)) {
            found++;
            if (w != NULL) {
                ic_resp_bulk_str(w, c->name);
            }
        }
        found += list(w, c->subcommands, c->subcommand_count, f);
    }
    return found;
}

void ic_command_command_list(struct ic_call *c)
{
    struct filter f = {.kind = ANY, .steps = NAMES_STEPS_MAX};
    if (c->argc > 2) {
        bool shape = c->argc == 5 && ic_call_is(c, 2, "FILTERBY");
        f.kind = !shape                        ? ANY
                 : ic_call_is(c, 3, "MODULE")  ? BY_MODULE
                 : ic_call_is(c, 3, "ACLCAT")  ? BY_CATEGORY
                 : ic_call_is(c, 3, "PATTERN") ? BY_PATTERN
                                               : ANY;
        if (f.kind == ANY) {
            ic_call_syntax_error(c);
            return;
        }
        f.word = c->argv[4].bytes;
    }
    size_t found = list(NULL, ic_command_table, ic_command_count, &f);
    ic_call_worked(c, 2 * (NAMES_STEPS_MAX - f.steps) / IC_TURNS_STEPS);
    if (f.steps == 0) {
        ic_call_pattern_error(c, NAMES_STEPS_MAX);
        return;
    }
    f.steps = NAMES_STEPS_MAX;
    ic_resp_array(c->out, found);
    list(c->out, ic_command_table, ic_command_count, &f);
}

/* ---- keys ---- */

static const struct ic_command *find_command(const struct ic_call *c, uint32_t index)
{
    const struct ic_command *found = ic_command_find(c->argv[index].bytes);
    if (found == NULL || found->subcommand_count == 0 || index + 1 == c->argc) {
        return found;
    }
    return ic_command_find_sub(found, c->argv[index + 1].bytes);
}

/* The keys of the command in the arguments from 2 on; with W NULL only counts them. */
static size_t list_keys(const struct ic_call *c, const struct ic_command *found,
                        struct ic_resp_writer *w)
{
    size_t count = 0;
    uint32_t argc = c->argc - 2;
    for (size_t i = 0; i < key_count(found); i++) {
        const struct ic_command_key *key = &found->key[i];
        int64_t last = key->last >= 0 ? key->first + key->last : (int64_t)argc + key->last;
        for (int64_t at = key->first; at <= last; at += key->step, count++) {
            if (w != NULL) {
                ic_resp_bulk(w, c->argv[at + 2].bytes);
            }
        }
    }
    return count;
}

void ic_command_command_getkeys(struct ic_call *c)
{
    const struct ic_command *found = find_command(c, 2);
    if (found == NULL) {
        ic_call_error(c, "Invalid command specified");
    } else if (key_count(found) == 0) {
        ic_call_error(c, "The command has no key arguments");
    } else if (!ic_command_arity_fits(found, c->argc - 2)) {
        ic_call_error(c, "Invalid number of arguments specified for command");
    } else {
        ic_resp_array(c->out, list_keys(c, found, NULL));
        list_keys(c, found, c->out);
    }
}

void ic_command_command_help(struct ic_call *c)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return details about all commands.",
        "COUNT",
        "    Return the total number of commands.",
        "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <value>]",
        "    Return the names of commands.",
        "INFO [<command-name> ...]",
        "    Return details about multiple commands, or all.",
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple commands, or all.",
        "GETKEYS <full-command>",
        "    Return the keys from a full command.",
        NULL};
    ic_call_help(c, lines);
}
