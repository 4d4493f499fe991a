/*
 * options.h - the options of the subcommands that are no directives: --name VALUE or
 * --name=VALUE, anywhere among the words.
 */
#ifndef IC_CLI_OPTIONS_H
#define IC_CLI_OPTIONS_H

struct ic_option {
    const char *name;   /* NULL ends a table */
    const char **value; /* set to the text given; untouched otherwise */
};

enum { IC_OPTIONS_DONE = -1, IC_OPTIONS_WRONG = -2 };

/*
 * Reads ARGV[1..argc-1]. Words that are no options are moved to the front of ARGV[1..] in their
 * order; after `--` all are words, and `-` alone is one. Returns how many there are;
 * IC_OPTIONS_DONE after --help, for which HELP was called; IC_OPTIONS_WRONG after a complaint.
 */
int ic_options_read(const struct ic_option *options, int argc, char **argv, void (*help)(void));

#endif
