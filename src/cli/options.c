#include "cli/options.h"

#include "base/config.h"
#include "base/nearest.h"
#include "base/quantity.h"
#include "cli/commands.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ic_option *find(const struct ic_option *options, struct ic_slice name)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (ic_slice_equal(name, ic_slice_str(options->name))) {
            return options;
        }
    }
    return NULL;
}

/* The name in WORD, which begins with "--". */
static struct ic_slice name_of(const char *word)
{
    return ic_slice(word + 2, strcspn(word + 2, "="));
}

static bool is_directive(struct ic_slice name)
{
    return ic_slice_equal_nocase(name, "config") || ic_directive_find(name) != NULL;
}

static bool is_option(const struct ic_option *options, const char *word)
{
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0') {
        return false;
    }
    struct ic_slice name = name_of(word);
    return find(options, name) != NULL || is_directive(name) || ic_slice_equal_nocase(name, "help");
}

const char *ic_option_value(const struct ic_option *options, int argc, char **argv, int *index)
{
    const char *equals = strchr(argv[*index], '=');
    if (equals != NULL) {
        return equals + 1;
    }
    if (*index + 1 >= argc || is_option(options, argv[*index + 1])) {
        return NULL;
    }
    *index += 1;
    return argv[*index];
}

void ic_option_unknown(const struct ic_option *options, int scope, const char *command,
                       const char *word, char *why)
{
    struct ic_slice name = name_of(word);
    struct ic_nearest near;
    ic_nearest_init(&near, name);
    for (; options != NULL && options->name != NULL; options++) {
        ic_nearest_offer(&near, options->name);
    }
    ic_directives_offer(&near, scope);
    snprintf(why, IC_WHY_MAX, "there is no option --%.*s%s%s%s `infinicache help %s`",
             (int)(name.len > 100 ? 100 : name.len), (const char *)name.data,
             near.name == NULL ? "" : ", did you mean --", near.name == NULL ? "" : near.name,
             near.name == NULL ? "; see" : "? See", command);
}

/* Takes the option O at ARGV[*INDEX]. False after a complaint. */
static bool take(const struct ic_option *options, const struct ic_option *o, int argc, char **argv,
                 int *index)
{
    if (o->value == NULL) {
        ic_cli_fail("%s: --%s takes no value", argv[0], o->name);
        return false;
    }
    const char *value = ic_option_value(options, argc, argv, index);
    if (value == NULL) {
        ic_cli_fail("%s: %s needs a value", argv[0], argv[*index]);
        return false;
    }
    *o->value = value;
    return true;
}

/* Takes the option at ARGV[*INDEX], which must be in the table. False after a complaint. */
static bool take_known(const struct ic_option *options, int argc, char **argv, int *index)
{
    char why[IC_WHY_MAX];
    const struct ic_option *o = find(options, name_of(argv[*index]));
    if (o == NULL) {
        ic_option_unknown(options, 0, argv[0], argv[*index], why);
        ic_cli_fail("%s: %s", argv[0], why);
        return false;
    }
    return take(options, o, argc, argv, index);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

bool ic_options_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (is_help(argv[i])) {
            return true;
        }
    }
    return false;
}

int ic_options_read(const struct ic_option *options, int argc, char **argv, void (*help)(void))
{
    int words = 0;
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        if (!only_words && is_help(argv[i])) {
            help();
            return IC_OPTIONS_DONE;
        }
        if (only_words || strncmp(argv[i], "--", 2) != 0) {
            argv[++words] = argv[i];
        } else if (argv[i][2] == '\0') {
            only_words = true;
        } else if (!take_known(options, argc, argv, &i)) {
            return IC_OPTIONS_WRONG;
        }
    }
    return words;
}

/*
 * The directive at ARGV[*INDEX] moves, with its value, to the end of the *KEPT that stay. False
 * after a complaint.
 */
static bool keep(const struct ic_option *options, int argc, char **argv, int *index, int *kept)
{
    int first = *index;
    if (ic_option_value(options, argc, argv, index) == NULL) {
        ic_cli_fail("%s: %s needs a value", argv[0], argv[first]);
        return false;
    }
    for (int i = first; i <= *index; i++) {
        argv[(*kept)++] = argv[i];
    }
    return true;
}

int ic_options_split(const struct ic_option *options, int scope, int *argc, char **argv,
                     const char **word, int words_max, void (*help)(void))
{
    char why[IC_WHY_MAX] = "";
    int words = 0, kept = 1;
    for (int i = 1; i < *argc; i++) {
        const struct ic_option *o;
        bool good = true;
        if (is_help(argv[i])) {
            help();
            return IC_OPTIONS_DONE;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            if (words == words_max) {
                ic_cli_fail("%s: unexpected argument '%s'; see `infinicache help %s`", argv[0],
                            argv[i], argv[0]);
                return IC_OPTIONS_WRONG;
            }
            word[words++] = argv[i];
        } else if ((o = find(options, name_of(argv[i]))) != NULL) {
            good = take(options, o, *argc, argv, &i);
        } else if (is_directive(name_of(argv[i]))) {
            good = keep(options, *argc, argv, &i, &kept);
        } else {
            ic_option_unknown(options, scope, argv[0], argv[i], why);
            ic_cli_fail("%s: %s", argv[0], why);
            good = false;
        }
        if (!good) {
            return IC_OPTIONS_WRONG;
        }
    }
    *argc = kept;
    return words;
}

bool ic_options_flag(int *argc, char **argv, const char *long_name, const char *short_name)
{
    int kept = 1;
    bool found = false, only_words = false;
    for (int i = 1; i < *argc; i++) {
        only_words |= strcmp(argv[i], "--") == 0;
        if (!only_words && (strcmp(argv[i], long_name) == 0 || strcmp(argv[i], short_name) == 0)) {
            found = true;
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    return found;
}

/* ---- values ----------------------------------------------------------------- */

int ic_option_complain(const char *command, const char *option, const char *text,
                       const char *wanted)
{
    return ic_cli_fail("%s: bad value '%.100s' for --%s: must be %s", command, text, option,
                       wanted);
}

int ic_option_number(const char *command, const char *option, const char *text, int64_t least,
                     int64_t most, uint64_t *out)
{
    int64_t value;
    if (text == NULL) {
        return 0;
    }
    if (ic_slice_to_i64(ic_slice_str(text), &value) < 0 || value < least || value > most) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "a number from %" PRId64 " to %" PRId64, least, most);
        return ic_option_complain(command, option, text, wanted);
    }
    *out = (uint64_t)value;
    return 0;
}

int ic_option_decimal(const char *command, const char *option, const char *text, double most,
                      double *out)
{
    char *end;
    if (text == NULL) {
        return 0;
    }
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > most) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "a number from 0 to %g", most);
        return ic_option_complain(command, option, text, wanted);
    }
    *out = value;
    return 0;
}

int ic_option_bytes(const char *command, const char *option, const char *text, uint64_t *out)
{
    int64_t value;
    if (text == NULL) {
        return 0;
    }
    if (ic_quantity_bytes(ic_slice_str(text), &value) < 0 || value < 0) {
        return ic_option_complain(command, option, text, "a size: 64kb, 1mb");
    }
    *out = (uint64_t)value;
    return 0;
}

int ic_option_time(const char *command, const char *option, const char *text, uint64_t *out_ms)
{
    int64_t value;
    if (text == NULL) {
        return 0;
    }
    if (ic_quantity_ms(ic_slice_str(text), &value) < 0 || value < 0) {
        return ic_option_complain(command, option, text, "a time: 250ms, 10s, 5m");
    }
    *out_ms = (uint64_t)value;
    return 0;
}

int ic_option_choice(const char *command, const char *option, const char *text, const char *choices,
                     int *out)
{
    const char *at = choices;
    for (int i = 0; text != NULL; i++) {
        size_t len = strcspn(at, "|");
        if (strlen(text) == len && strncmp(text, at, len) == 0) {
            *out = i;
            return 0;
        }
        if (at[len] == '\0') {
            return ic_option_complain(command, option, text, choices);
        }
        at += len + 1;
    }
    return 0;
}
