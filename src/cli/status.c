/*
 * status.c - `infinicache status`: what runs of one folder, where, and its memory.
 */
#include "cli/commands.h"

#include "cli/daemons.h"
#include "cli/local_api.h"
#include "cli/options.h"
#include "cli/others.h"
#include "cli/place.h"
#include "cli/settings.h"

#include <inttypes.h>
#include <stdio.h>

static void print_help(void)
{
    puts("usage: infinicache status [--dir DIR] [--config FILE]\n\n"
         "What `infinicache up` started in DIR (default: " IC_PLACE_DEFAULT_TEXT "),\n"
         "with process ids, addresses and resident memory. Exit status 0: all of it runs; 1: "
         "not.\n\n"
         "  --config FILE\n"
         "      The folder that `dir` of this file names, as given to `up`.");
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0);
}

static void print_daemon(const struct ic_process *p, const char *name, const char *addresses)
{
    if (p->pid == 0) {
        printf("%-10s not running\n", name);
        return;
    }
    printf("%-10s pid %-8d %8.1f MiB  %s\n", name, (int)p->pid, mib(ic_process_resident(p)),
           addresses);
}

/* True if every function has an instance. */
static bool print_pool(const struct ic_config *c)
{
    struct ic_pool_view v;
    int result = ic_pool_view_init(&v, c);
    if (result < 0) {
        printf("%-10s the platform does not answer (%s)\n", "functions", ic_error_text(result));
        return false;
    }
    printf("%-10s %" PRId64 " of %" PRId64 " MiB, %" PRId64 " with an instance; %" PRId64
           " instances, %" PRId64 " busy, %.1f MiB resident\n",
           "functions", v.functions, c->memory >> 20, v.with_instance, v.instances, v.busy,
           mib(v.resident_bytes));
    bool all = v.with_instance == v.functions;
    ic_pool_view_deinit(&v);
    return all;
}

static int print_status(const char *dir)
{
    struct ic_daemons d;
    char clients[512], platform[256];
    ic_daemons_look(&d, dir);
    const struct ic_process *proxy = &d.process[IC_DAEMON_PROXY];
    if (proxy->pid == 0 && d.process[IC_DAEMON_PLATFORM].pid == 0) {
        printf("Nothing runs in %s; `infinicache up` starts it.\n", dir);
        ic_others_print(dir, "status");
        return IC_CLI_NOT_FOUND;
    }
    struct ic_config *c = ic_settings_load(dir);
    if (c == NULL) {
        print_daemon(proxy, "proxy", "");
        print_daemon(&d.process[IC_DAEMON_PLATFORM], "platform", "");
        printf("%-10s %s; its `settings` cannot be read\n", "folder", dir);
        return IC_CLI_NOT_FOUND;
    }
    snprintf(clients, sizeof clients,
             "clients %.100s:%" PRId64 ", functions %.100s:%" PRId64 ", HTTP %.100s:%" PRId64,
             c->bind, c->port, c->node_bind, c->node_port, c->http_bind, c->http_port);
    snprintf(platform, sizeof platform, "Lambda API %.200s", c->platform_endpoint);
    print_daemon(proxy, "proxy", clients);
    print_daemon(&d.process[IC_DAEMON_PLATFORM], "platform", platform);
    bool all = print_pool(c) && proxy->pid != 0;
    printf("%-10s %s\n", "folder", dir);
    ic_config_free(c);
    return all ? IC_CLI_DONE : IC_CLI_NOT_FOUND;
}

int ic_cli_status(int argc, char **argv)
{
    char dir[IC_PLACE_MAX], why[IC_WHY_MAX];
    const char *given = NULL, *file = NULL;
    const struct ic_option options[] = {{"dir", &given}, {"config", &file}, {NULL, NULL}};
    int words = ic_options_read(options, argc, argv, print_help);
    if (words < 0) {
        return words == IC_OPTIONS_DONE ? IC_CLI_DONE : IC_CLI_FAILED;
    }
    if (words > 0) {
        return ic_cli_fail("status: unexpected argument '%s'", argv[1]);
    }
    return ic_settings_dir(given, file, dir, why) < 0 ? ic_cli_fail("status: %s", why)
                                                      : print_status(dir);
}
