/*
 * options.h - the options of the subcommands that are no directives: --name VALUE or
 * --name=VALUE, anywhere among the words.
 */
#ifndef IC_CLI_OPTIONS_H
#define IC_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct ic_option {
    const char *name;   /* NULL ends a table */
    const char **value; /* set to the text given; untouched otherwise; NULL: a flag (see below) */
};

enum { IC_OPTIONS_DONE = -1, IC_OPTIONS_WRONG = -2 };

/*
 * Reads ARGV[1..argc-1]. Words that are no options are moved to the front of ARGV[1..] in their
 * order; after `--` all are words, and `-` alone is one. Returns how many there are;
 * IC_OPTIONS_DONE after --help or -h, for which HELP was called; IC_OPTIONS_WRONG after a
 * complaint.
 */
int ic_options_read(const struct ic_option *options, int argc, char **argv, void (*help)(void));

/* Is --help, or -h, among ARGV[1..argc-1]? */
bool ic_options_help(int argc, char **argv);

/*
 * The same for a command that takes directives as well: those, and --config, stay in
 * ARGV[1..*ARGC-1], with their values, for ic_settings_apply. SCOPE are the directives that are
 * named if an unknown option is near one of them. Words go to WORD, WORDS_MAX at most.
 */
int ic_options_split(const struct ic_option *options, int scope, int *argc, char **argv,
                     const char **word, int words_max, void (*help)(void));

/*
 * The value of the option at ARGV[*INDEX], which begins with "--": what follows its `=`, or else
 * the next argument, to which *INDEX moves on. NULL if there is none, or if what follows is
 * itself an option (of the table OPTIONS, which may be NULL; a directive; --config; --help): then
 * the value was forgotten. A value that looks like an option can be given after `=`.
 */
const char *ic_option_value(const struct ic_option *options, int argc, char **argv, int *index);

/*
 * Writes to WHY (IC_WHY_MAX bytes) that COMMAND has no option WORD (with its dashes), and which
 * of the table OPTIONS (NULL: none) or of the directives of SCOPE may have been meant.
 */
void ic_option_unknown(const struct ic_option *options, int scope, const char *command,
                       const char *word, char *why);

/*
 * Takes the flag LONG_NAME ("--batch"; or SHORT_NAME, "-b"), which has no value, out of
 * ARGV[1..*ARGC-1], before ic_options_read sees it, whose table has it for those who misspell it.
 * True if it was there.
 */
bool ic_options_flag(int *argc, char **argv, const char *long_name, const char *short_name);

/*
 * The value TEXT of --OPTION of COMMAND. TEXT NULL (it was not given) leaves *OUT alone. 0, or
 * IC_CLI_FAILED after a complaint.
 */
int ic_option_number(const char *command, const char *option, const char *text, int64_t least,
                     int64_t most, uint64_t *out);
int ic_option_decimal(const char *command, const char *option, const char *text, double most,
                      double *out); /* from 0 to MOST */
int ic_option_bytes(const char *command, const char *option, const char *text, uint64_t *out);
int ic_option_time(const char *command, const char *option, const char *text, uint64_t *out_ms);
/* The index of TEXT among "a|b|c". */
int ic_option_choice(const char *command, const char *option, const char *text, const char *choices,
                     int *out);
/* "bad value ...: must be WANTED"; returns IC_CLI_FAILED. */
int ic_option_complain(const char *command, const char *option, const char *text,
                       const char *wanted);

#endif
