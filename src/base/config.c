/*
 * config.c - the table engine: text to typed field and back.
 * Reading and writing whole files is in config_file.c.
 */
#include "base/config.h"

#include "base/alloc.h"
#include "base/nearest.h"
#include "base/quantity.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

enum { FIXED = 0, RUNTIME = 1 };

static const struct ic_directive table[] = {
#define IC_DIRECTIVE_ROW(kind_, field, name_, default_, least_, most_, choices_, scope_, change_,  \
                         help_)                                                                    \
    {.name = name_,                                                                                \
     .default_text = default_,                                                                     \
     .choices = choices_,                                                                          \
     .help = help_,                                                                                \
     .least = least_,                                                                              \
     .most = most_,                                                                                \
     .offset = offsetof(struct ic_config, field),                                                  \
     .kind = IC_DIRECTIVE_##kind_,                                                                 \
     .scope = IC_SCOPE_##scope_,                                                                   \
     .runtime = change_},
    IC_DIRECTIVES(IC_DIRECTIVE_ROW)
#undef IC_DIRECTIVE_ROW
};

const struct ic_directive *ic_directives(size_t *count)
{
    *count = sizeof table / sizeof table[0];
    return table;
}

const struct ic_directive *ic_directive_find(struct ic_slice name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (ic_slice_equal_nocase(name, table[i].name)) {
            return &table[i];
        }
    }
    return NULL;
}

void ic_directives_offer(struct ic_nearest *near, int scope)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if ((table[i].scope & scope) != 0) {
            ic_nearest_offer(near, table[i].name);
        }
    }
}

/* The index of TEXT among "a|b|c"; IC_EINVAL if it is none of them. */
static int parse_choice(const char *choices, struct ic_slice text)
{
    int index = 0;
    while (true) {
        size_t len = strcspn(choices, "|");
        char word[32];
        assert(len < sizeof word);
        memcpy(word, choices, len);
        word[len] = '\0';
        if (ic_slice_equal_nocase(text, word)) {
            return index;
        }
        if (choices[len] == '\0') {
            return IC_EINVAL;
        }
        choices += len + 1;
        index++;
    }
}

static void *field_of(struct ic_config *c, const struct ic_directive *d)
{
    return (char *)c + d->offset;
}

static int set_number(struct ic_config *c, const struct ic_directive *d, struct ic_slice value)
{
    int64_t number = 0;
    int result;
    if (d->kind == IC_DIRECTIVE_INT) {
        result = ic_slice_to_i64(value, &number);
    } else {
        result = d->kind == IC_DIRECTIVE_TIME ? ic_quantity_ms(value, &number)
                                              : ic_quantity_bytes(value, &number);
    }
    if (result == 0 && (number < d->least || number > d->most)) {
        result = IC_ERANGE;
    }
    if (result == 0) {
        *(int64_t *)field_of(c, d) = number;
    }
    return result;
}

static int set_share(struct ic_config *c, const struct ic_directive *d, struct ic_slice value)
{
    if (value.len == 0 || value.data[value.len - 1] != '%') {
        return set_number(c, d, value);
    }
    int64_t percent = 0;
    int result = ic_slice_to_i64(ic_slice(value.data, value.len - 1), &percent);
    if (result == 0 && (percent < 0 || -percent < d->least)) {
        result = IC_ERANGE;
    }
    if (result == 0) {
        *(int64_t *)field_of(c, d) = -percent;
    }
    return result;
}

static int set_real(struct ic_config *c, const struct ic_directive *d, struct ic_slice value)
{
    double number = 0;
    int result = ic_slice_to_real(value, &number);
    if (result == 0 && (number < (double)d->least || number > (double)d->most)) {
        result = IC_ERANGE;
    }
    if (result == 0) {
        *(double *)field_of(c, d) = number;
    }
    return result;
}

static int set_string(struct ic_config *c, const struct ic_directive *d, struct ic_slice value)
{
    if (memchr(value.data == NULL ? (const void *)"" : value.data, '\0', value.len) != NULL) {
        return IC_EINVAL;
    }
    char *copy = ic_malloc(value.len + 1);
    if (copy == NULL) {
        return IC_ENOMEM;
    }
    if (value.len > 0) {
        memcpy(copy, value.data, value.len);
    }
    copy[value.len] = '\0';
    char **field = field_of(c, d);
    ic_free(*field);
    *field = copy;
    return 0;
}

static int set_name(struct ic_config *c, const struct ic_directive *d, struct ic_slice value)
{
    if ((int64_t)value.len < d->least || (int64_t)value.len > d->most) {
        return IC_ERANGE;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (!isalnum(value.data[i]) && value.data[i] != '-' && value.data[i] != '_') {
            return IC_EINVAL;
        }
    }
    return set_string(c, d, value);
}

static int set_field(struct ic_config *c, const struct ic_directive *d, struct ic_slice value)
{
    switch (d->kind) {
    case IC_DIRECTIVE_INT:
    case IC_DIRECTIVE_SIZE:
    case IC_DIRECTIVE_TIME:
        return set_number(c, d, value);
    case IC_DIRECTIVE_REAL:
        return set_real(c, d, value);
    case IC_DIRECTIVE_BOOL: {
        int choice = parse_choice("no|yes", value);
        if (choice >= 0) {
            *(bool *)field_of(c, d) = choice == 1;
        }
        return choice < 0 ? choice : 0;
    }
    case IC_DIRECTIVE_ENUM: {
        int choice = parse_choice(d->choices, value);
        if (choice >= 0) {
            *(int *)field_of(c, d) = choice;
        }
        return choice < 0 ? choice : 0;
    }
    case IC_DIRECTIVE_STRING:
        return set_string(c, d, value);
    case IC_DIRECTIVE_NAME:
        return set_name(c, d, value);
    case IC_DIRECTIVE_SHARE:
        return set_share(c, d, value);
    case IC_DIRECTIVE_OUTPUT:
        return ic_output_limits_set(field_of(c, d), value);
    }
    return IC_EINVAL;
}

enum { BOUND_MAX = 32 }; /* bytes of a bound as text, the zero included */

/* In the unit of D; "?" without memory. */
static void print_bound(const struct ic_directive *d, int64_t bound, char out[BOUND_MAX])
{
    struct ic_buf text;
    ic_buf_init(&text);
    int result = d->kind == IC_DIRECTIVE_SIZE   ? ic_quantity_print_bytes(&text, bound)
                 : d->kind == IC_DIRECTIVE_TIME ? ic_quantity_print_ms(&text, bound)
                                                : ic_buf_printf(&text, "%" PRId64, bound);
    snprintf(out, BOUND_MAX, "%.*s", result < 0 ? 1 : (int)text.len,
             result < 0 ? "?" : (const char *)text.data);
    ic_buf_deinit(&text);
}

/* WHAT, from the least to the most that D takes. */
static void describe_range(const struct ic_directive *d, const char *what, char *out,
                           size_t out_size)
{
    char least[BOUND_MAX], most[BOUND_MAX];
    print_bound(d, d->least, least);
    print_bound(d, d->most, most);
    if (d->most == IC_NO_LIMIT) {
        snprintf(out, out_size, "%s of at least %s", what, least);
    } else {
        snprintf(out, out_size, "%s from %s to %s", what, least, most);
    }
}

/* What values D takes, in words; for error messages and the help text. */
static void describe_values(const struct ic_directive *d, char *out, size_t out_size)
{
    switch (d->kind) {
    case IC_DIRECTIVE_INT:
        describe_range(d, "a number", out, out_size);
        break;
    case IC_DIRECTIVE_REAL:
        describe_range(d, "a decimal number", out, out_size);
        break;
    case IC_DIRECTIVE_SIZE:
        describe_range(d, "a size in bytes, or with kb, mb or gb,", out, out_size);
        break;
    case IC_DIRECTIVE_TIME:
        describe_range(d, "a time with ms, s, m or h,", out, out_size);
        break;
    case IC_DIRECTIVE_BOOL:
        snprintf(out, out_size, "yes or no");
        break;
    case IC_DIRECTIVE_ENUM:
        snprintf(out, out_size, "one of %s", d->choices);
        break;
    case IC_DIRECTIVE_STRING:
        snprintf(out, out_size, "text");
        break;
    case IC_DIRECTIVE_NAME:
        snprintf(out, out_size, "%" PRId64 " to %" PRId64 " letters, digits, - or _", d->least,
                 d->most);
        break;
    case IC_DIRECTIVE_SHARE:
        snprintf(out, out_size,
                 "a size in bytes, or with kb, mb or gb, or a percentage from 0%% to %" PRId64 "%%",
                 -d->least);
        break;
    case IC_DIRECTIVE_OUTPUT:
        snprintf(
            out, out_size,
            "one or more of CLASS HARD SOFT SECONDS, where CLASS is normal, replica or pubsub");
        break;
    }
}

static int complain_unknown(struct ic_slice name, char *why)
{
    struct ic_nearest near;
    ic_nearest_init(&near, name);
    ic_directives_offer(&near, IC_SCOPE_PL | IC_SCOPE_U);
    snprintf(why, IC_WHY_MAX, "unknown directive '%.*s'%s%s%s `infinicache config` prints all",
             (int)(name.len > 100 ? 100 : name.len), (const char *)name.data,
             near.name == NULL ? "" : ", did you mean ", near.name == NULL ? "" : near.name,
             near.name == NULL ? ";" : "?");
    return IC_ENOENT;
}

int ic_config_set(struct ic_config *c, struct ic_slice name, struct ic_slice value, char *why)
{
    const struct ic_directive *d = ic_directive_find(name);
    if (d == NULL) {
        return complain_unknown(name, why);
    }
    int result = set_field(c, d, value);
    if (result < 0) {
        char values[160];
        describe_values(d, values, sizeof values);
        snprintf(why, IC_WHY_MAX, "bad value '%.*s' for %s: must be %s",
                 (int)(value.len > 100 ? 100 : value.len), (const char *)value.data, d->name,
                 values);
    }
    return result;
}

static int print_choice(struct ic_buf *out, const char *choices, int index)
{
    while (index-- > 0) {
        choices += strcspn(choices, "|") + 1;
    }
    return ic_buf_append(out, choices, strcspn(choices, "|"));
}

static int print_share(struct ic_buf *out, int64_t share)
{
    return share < 0 ? ic_buf_printf(out, "%" PRId64 "%%", -share)
                     : ic_buf_printf(out, "%" PRId64, share);
}

int ic_config_get(const struct ic_config *c, const struct ic_directive *d, struct ic_buf *out)
{
    const char *field = (const char *)c + d->offset;
    switch (d->kind) {
    case IC_DIRECTIVE_INT:
    case IC_DIRECTIVE_SIZE: /* in plain bytes, as Redis's CONFIG GET says it */
        return ic_buf_printf(out, "%" PRId64, *(const int64_t *)(const void *)field);
    case IC_DIRECTIVE_TIME:
        return ic_quantity_print_ms(out, *(const int64_t *)(const void *)field);
    case IC_DIRECTIVE_REAL: /* as many digits as text to double to text keeps */
        return ic_buf_printf(out, "%.15g", *(const double *)(const void *)field);
    case IC_DIRECTIVE_BOOL:
        return ic_buf_append_str(out, *(const bool *)field ? "yes" : "no");
    case IC_DIRECTIVE_ENUM:
        return print_choice(out, d->choices, *(const int *)(const void *)field);
    case IC_DIRECTIVE_STRING:
    case IC_DIRECTIVE_NAME:
        return ic_buf_append_str(out, *(char *const *)(const void *)field);
    case IC_DIRECTIVE_SHARE:
        return print_share(out, *(const int64_t *)(const void *)field);
    case IC_DIRECTIVE_OUTPUT:
        return ic_output_limits_print((const void *)field, out);
    }
    return IC_EINVAL;
}

int ic_config_show(const struct ic_config *c, const struct ic_directive *d, struct ic_buf *out)
{
    if (d->kind != IC_DIRECTIVE_SIZE && d->kind != IC_DIRECTIVE_SHARE) {
        return ic_config_get(c, d, out);
    }
    int64_t value = *(const int64_t *)(const void *)((const char *)c + d->offset);
    return value < 0 ? print_share(out, value) : ic_quantity_print_bytes(out, value);
}

struct ic_config *ic_config_new(void)
{
    struct ic_config *c = ic_must(ic_calloc(1, sizeof *c));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int result = set_field(c, &table[i], ic_slice_str(table[i].default_text));
        assert(result == 0); /* a default of ours is out of its own bounds */
    }
    return c;
}

static bool owns_text(const struct ic_directive *d)
{
    return d->kind == IC_DIRECTIVE_STRING || d->kind == IC_DIRECTIVE_NAME;
}

struct ic_config *ic_config_copy(const struct ic_config *c)
{
    struct ic_config *copy = ic_must(ic_malloc(sizeof *copy));
    *copy = *c;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (owns_text(&table[i])) {
            char **field = field_of(copy, &table[i]);
            *field = ic_must(ic_strdup(*field));
        }
    }
    copy->file = c->file == NULL ? NULL : ic_must(ic_strdup(c->file));
    return copy;
}

void ic_config_free(struct ic_config *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (owns_text(&table[i])) {
            ic_free(*(char **)field_of(c, &table[i]));
        }
    }
    ic_free(c->file);
    ic_free(c);
}

void ic_config_help(FILE *out, int scope)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct ic_directive *d = &table[i];
        if ((d->scope & scope) == 0) {
            continue;
        }
        char values[160];
        describe_values(d, values, sizeof values);
        fprintf(out, "  --%s VALUE\n      %s\n      %s; default: %s%s\n", d->name, d->help, values,
                d->default_text[0] == '\0' ? "(empty)" : d->default_text,
                d->runtime ? "; CONFIG SET changes it" : "");
    }
}

void ic_config_sample(FILE *out)
{
    fputs("# InfiniCache: every directive with its default. A line is `directive value`;\n"
          "# what follows # is a comment; text with blanks goes in double quotes. Sizes\n"
          "# take kb, mb, gb; times take ms, s, m, h.\n",
          out);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct ic_directive *d = &table[i];
        char values[160];
        describe_values(d, values, sizeof values);
        fprintf(out, "\n# %s\n# %s%s\n%s %s\n", d->help, values,
                d->runtime ? "; CONFIG SET changes it" : "", d->name,
                d->default_text[0] == '\0' ? "\"\"" : d->default_text);
    }
}
