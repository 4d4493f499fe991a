/*
 * config.c - `infinicache config`: the sample configuration file, from the directive table.
 */
#include "cli/commands.h"

#include "base/config.h"
#include "cli/options.h"

static void print_help(void)
{
    puts("usage: infinicache config\n\n"
         "Prints a configuration file with every directive, its default and what it means.");
}

int ic_cli_config(int argc, char **argv)
{
    const struct ic_option options[] = {{NULL, NULL}};
    int words = ic_options_read(options, argc, argv, print_help);
    if (words < 0) {
        return words == IC_OPTIONS_DONE ? IC_CLI_DONE : IC_CLI_FAILED;
    }
    if (words > 0) {
        return ic_cli_fail("config: unexpected argument '%s'", argv[1]);
    }
    ic_config_sample(stdout);
    return IC_CLI_DONE;
}
