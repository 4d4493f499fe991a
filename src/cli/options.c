#include "cli/options.h"

#include "cli/commands.h"

#include <stdbool.h>
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
