/*
 * commands.h - the subcommands of `infinicache`, one file each, and how they report.
 * main.c holds the table of them.
 */
#ifndef IC_CLI_COMMANDS_H
#define IC_CLI_COMMANDS_H

/* What the process exits with. */
enum ic_cli_status {
    IC_CLI_DONE = 0,
    IC_CLI_NOT_FOUND = 1, /* get: no such key; status: something does not run */
    IC_CLI_FAILED = 2,    /* anything else, wrong usage included */
};

/* Each takes its own name in ARGV[0] and returns the exit status. `--help` prints to stdout. */
int ic_cli_up(int argc, char **argv);
int ic_cli_down(int argc, char **argv);
int ic_cli_status(int argc, char **argv);
int ic_cli_top(int argc, char **argv);
int ic_cli_put(int argc, char **argv);
int ic_cli_get(int argc, char **argv);
int ic_cli_bench(int argc, char **argv);
int ic_cli_replay(int argc, char **argv);
int ic_cli_simulate(int argc, char **argv);
int ic_cli_plan(int argc, char **argv);
int ic_cli_proxy(int argc, char **argv);
int ic_cli_platform(int argc, char **argv);
int ic_cli_config(int argc, char **argv);

/* "infinicache: ..." and a newline to standard error; returns IC_CLI_FAILED. */
int ic_cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
