#include "cli/options.h"

#include "base/quantity.h"
#include "cli/commands.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ic_option *find(const struct ic_option *options, const char *name, size_t len)
{
    for (; options->name != NULL; options++) {
        if (strlen(options->name) == len && memcmp(options->name, name, len) == 0) {
            return options;
        }
    }
    return NULL;
}

/* Takes the option at ARGV[*INDEX] (after its dashes: TEXT). False after a complaint. */
static bool take(const struct ic_option *options, const char *command, int argc, char **argv,
                 int *index)
{
    const char *text = argv[*index] + 2;
    size_t len = strcspn(text, "=");
    const struct ic_option *o = find(options, text, len);
    if (o == NULL) {
        ic_cli_fail("%s: there is no option %s; see `infinicache help %s`", command, argv[*index],
                    command);
        return false;
    }
    if (text[len] == '=') {
        *o->value = text + len + 1;
    } else if (*index + 1 < argc) {
        *o->value = argv[++*index];
    } else {
        ic_cli_fail("%s: %s needs a value", command, argv[*index]);
        return false;
    }
    return true;
}

int ic_options_read(const struct ic_option *options, int argc, char **argv, void (*help)(void))
{
    int words = 0;
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        if (only_words || strncmp(argv[i], "--", 2) != 0) {
            argv[++words] = argv[i];
        } else if (argv[i][2] == '\0') {
            only_words = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            help();
            return IC_OPTIONS_DONE;
        } else if (!take(options, argv[0], argc, argv, &i)) {
            return IC_OPTIONS_WRONG;
        }
    }
    return words;
}

/* The directive at ARGV[*INDEX] moves, with its value, to the end of the *KEPT that stay. */
static void keep(int argc, char **argv, int *index, int *kept)
{
    bool has_value = strchr(argv[*index], '=') != NULL;
    argv[(*kept)++] = argv[*index];
    if (!has_value && *index + 1 < argc) {
        argv[(*kept)++] = argv[++*index];
    }
}

int ic_options_split(const struct ic_option *options, int *argc, char **argv, const char **word,
                     int words_max, void (*help)(void))
{
    int words = 0, kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
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
        } else if (find(options, argv[i] + 2, strcspn(argv[i] + 2, "=")) == NULL) {
            keep(*argc, argv, &i, &kept);
        } else if (!take(options, argv[0], *argc, argv, &i)) {
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
