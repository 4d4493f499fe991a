/*
 * main.c - `infinicache SUBCOMMAND ...`: the one table of subcommands, from which the
 * help derives.
 */
#include "cli/commands.h"

#include "base/disk.h"
#include "base/nearest.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifndef IC_VERSION
#define IC_VERSION "unknown"
#endif

struct subcommand {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
};

static const struct subcommand subcommands[] = {
    {"up", "start the platform, the functions and the proxy on this machine", ic_cli_up},
    {"down", "stop what `up` started", ic_cli_down},
    {"status", "what runs, where, and how much memory it uses", ic_cli_status},
    {"top", "watch requests, memory, cost and every function, as top does", ic_cli_top},
    {"put", "store a file or standard input under a key", ic_cli_put},
    {"get", "read a key into a file or to standard output", ic_cli_get},
    {"bench", "measure throughput and latency of this or any Redis server", ic_cli_bench},
    {"replay", "ask this or any Redis server for what a trace asked for", ic_cli_replay},
    {"simulate", "what a pool of functions would do with a trace, and what it would cost",
     ic_cli_simulate},
    {"plan", "search the cheapest pool for a trace that meets targets", ic_cli_plan},
    {"proxy", "run the proxy in the foreground", ic_cli_proxy},
    {"platform", "run the local function platform in the foreground", ic_cli_platform},
    {"config", "print the sample configuration file, every directive with its default",
     ic_cli_config},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static void print_help(FILE *out)
{
    fputs("usage: infinicache SUBCOMMAND [OPTIONS]\n\n"
          "An object cache in the memory of cloud functions, spoken to as a Redis server.\n\n",
          out);
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        fprintf(out, "  %-9s  %s\n", subcommands[i].name, subcommands[i].summary);
    }
    fputs("\n`infinicache help SUBCOMMAND` says more of each; --version names this build.\n", out);
}

static const struct subcommand *find(const char *name)
{
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(subcommands[i].name, name) == 0) {
            return &subcommands[i];
        }
    }
    return NULL;
}

static int unknown(const char *name)
{
    struct ic_nearest near;
    ic_nearest_init(&near, ic_slice_str(name));
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        ic_nearest_offer(&near, subcommands[i].name);
    }
    return ic_cli_fail("there is no subcommand '%s'%s%s%s `infinicache --help` lists them", name,
                       near.name == NULL ? "" : ", did you mean ",
                       near.name == NULL ? "" : near.name, near.name == NULL ? ";" : "?");
}

static int help_about(char *name)
{
    const struct subcommand *s = find(name);
    char flag[] = "--help";
    char *argv[] = {name, flag, NULL};
    return s == NULL ? unknown(name) : s->run(2, argv);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return IC_CLI_FAILED;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("infinicache " IC_VERSION);
        return IC_CLI_DONE;
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2) {
        return help_about(argv[2]);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return IC_CLI_DONE;
    }
    const struct subcommand *s = find(argv[1]);
    return s == NULL ? unknown(argv[1]) : s->run(argc - 1, argv + 1);
}

/* What was printed has arrived, or it is said why not. */
static int finish(int status)
{
    char why[IC_DISK_WHY_MAX];
    bool failed = ferror(stdout) != 0;
    errno = EIO;
    if (fflush(stdout) == 0 && !failed) {
        return status;
    }
    return ic_cli_fail("cannot write %s", ic_disk_explain("/dev/stdout", errno, why));
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a full disk, not an end */
    return finish(run(argc, argv));
}
