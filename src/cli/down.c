/*
 * down.c - `infinicache down`: ends the proxy, the platform and every instance of one
 * folder, or the proxy alone; politely first, then with force. Returns when they are gone.
 */
#include "cli/commands.h"

#include "cli/daemons.h"
#include "cli/options.h"
#include "cli/others.h"
#include "cli/place.h"
#include "cli/settings.h"

#include <stdio.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 40000 }; /* an `up` that is at it ends within 30 s */

static void print_help(void)
{
    puts(
        "usage: infinicache down [--dir DIR] [--config FILE] [--keep-functions]\n\n"
        "Ends the proxy, the platform and the function instances that `infinicache up` started in\n"
        "DIR (default: " IC_PLACE_DEFAULT_TEXT "),\n"
        "and returns when they are gone and their ports are free. What the functions hold is gone\n"
        "with them. Nothing running is fine; but if InfiniCache runs elsewhere and no folder was\n"
        "named, it says where, and exits with 1.\n\n"
        "  --config FILE\n"
        "      The folder that `dir` of this file names, as given to `up`.\n"
        "  --keep-functions\n"
        "      Ends the proxy alone: the platform and the functions stay, and what they hold is "
        "served\n"
        "      again after the next `infinicache up`. For an upgrade, or other settings of the "
        "proxy.");
}

static int end_proxy(const char *dir, char *why)
{
    struct ic_daemons d;
    ic_daemons_look(&d, dir);
    bool platform = d.process[IC_DAEMON_PLATFORM].pid != 0;
    bool proxy = d.process[IC_DAEMON_PROXY].pid != 0;
    d.process[IC_DAEMON_PLATFORM].pid = 0; /* not to be ended */
    int result = ic_daemons_end(&d, dir);
    if (result < 0) {
        snprintf(why, IC_DAEMONS_WHY_MAX,
                 "the proxy did not end even when killed; see "
                 "`infinicache status --dir %.2000s`",
                 dir);
        return result;
    }
    printf("%s%s\n", proxy ? "The proxy is down." : "No proxy was running.",
           platform ? " The functions stay; `infinicache up` serves what they hold."
                    : " No platform is running: there are no functions to keep.");
    return 0;
}

static int end_all(const char *dir, bool *ended, char *why)
{
    struct ic_daemons d;
    ic_daemons_look(&d, dir);
    int running = (d.process[IC_DAEMON_PLATFORM].pid != 0) + (d.process[IC_DAEMON_PROXY].pid != 0);
    int result = ic_daemons_end(&d, dir);
    int left = result < 0 ? result : ic_daemons_kill_instances(dir);
    if (left < 0) {
        snprintf(why, IC_DAEMONS_WHY_MAX,
                 "some process did not end even when killed; see "
                 "`infinicache status --dir %.2000s`",
                 dir);
        return left;
    }
    *ended = running + left > 0;
    return 0;
}

/* Nothing ran in DIR. Whoever NAMED no folder may have meant another. */
static int tell_of_others(const char *dir, bool named)
{
    printf("Nothing was running in %s.\n", dir);
    return ic_others_print(dir, "down") > 0 && !named ? IC_CLI_NOT_FOUND : IC_CLI_DONE;
}

int ic_cli_down(int argc, char **argv)
{
    char dir[IC_PLACE_MAX], why[IC_DAEMONS_WHY_MAX];
    const char *given = NULL, *file = NULL;
    bool keep = ic_options_flag(&argc, argv, "--keep-functions", "--keep-functions");
    const struct ic_option options[] = {
        {"dir", &given}, {"config", &file}, {"keep-functions", NULL}, {NULL, NULL}};
    bool ended = true;
    int words = ic_options_read(options, argc, argv, print_help);
    if (words < 0) {
        return words == IC_OPTIONS_DONE ? IC_CLI_DONE : IC_CLI_FAILED;
    }
    if (words > 0) {
        return ic_cli_fail("down: unexpected argument '%s'", argv[1]);
    }
    if (ic_settings_dir(given, file, dir, why) < 0) {
        return ic_cli_fail("down: %s", why);
    }
    bool named = given != NULL || file != NULL;
    /* Without a lock (a disk that became read-only, a folder that is gone) it still ends what runs.
     */
    int lock = ic_daemons_lock(dir, LOCK_WAIT_MS, why);
    if (lock == IC_EBUSY) {
        return ic_cli_fail("down: %s", why);
    }
    int result = keep ? end_proxy(dir, why) : end_all(dir, &ended, why);
    if (lock >= 0) {
        close(lock);
    }
    if (result < 0) {
        return ic_cli_fail("down: %s", why);
    }
    if (!ended) {
        return tell_of_others(dir, named);
    }
    if (!keep) {
        puts("InfiniCache is down.");
    }
    return IC_CLI_DONE;
}
