/*
 * proxy.c - `infinicache proxy`: the proxy in the foreground, as `up` and service managers run it.
 */
#include "cli/commands.h"

#include "cli/daemons.h"
#include "cli/options.h"
#include "cli/settings.h"
#include "proxy/process.h"

static void print_help(void)
{
    puts(
        "usage: infinicache proxy --dir DIR [--config FILE] [--DIRECTIVE VALUE ...]\n\n"
        "Runs the proxy in the foreground until SIGTERM or SIGINT; it logs to standard error. The\n"
        "functions must exist on the platform that --platform-endpoint names.\n\n"
        "  --config FILE\n      Directives from a file; those on the command line win.");
    ic_config_help(stdout, IC_SCOPE_P);
}

int ic_cli_proxy(int argc, char **argv)
{
    char why[IC_WHY_MAX];
    if (ic_options_help(argc, argv)) {
        print_help();
        return IC_CLI_DONE;
    }
    struct ic_config *config = ic_config_new();
    int status = ic_settings_apply(config, argc, argv, IC_SCOPE_P, why) < 0
                     ? ic_cli_fail("proxy: %s", why)
                     : ic_proxy_run(config, ic_daemons_ready_fd());
    ic_config_free(config);
    return status;
}
