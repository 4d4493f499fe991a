/*
 * settings.h - what `up` is asked for, and what it was asked for when it started what
 * runs now (DIR/settings), so that a second `up` can tell the two apart.
 *
 *   defaults <- --config FILE <- --name value ...      a start from nothing
 *   DIR/settings <- the same                           something runs: must change nothing
 */
#ifndef IC_CLI_SETTINGS_H
#define IC_CLI_SETTINGS_H

#include "base/buf.h"
#include "base/config.h"

/*
 * Applies ARGV[1..] to C: first the file of --config, then --name value or --name=value in order.
 * Relative paths stay as they are. Errors as ic_config_set, with WHY (IC_WHY_MAX bytes), which
 * names the subcommand ARGV[0]'s help and, for an unknown option, what of SCOPE is near it.
 */
int ic_settings_apply(struct ic_config *c, int argc, char **argv, int scope, char *why) IC_MUST_USE;

/*
 * The folder that is meant: OUT (IC_PLACE_MAX bytes, cli/place.h) becomes DIR, or else what the
 * configuration FILE says, or else the default. NULL: not given. Errors as ic_config_load and
 * ic_place_dir, with WHY (IC_WHY_MAX bytes).
 */
int ic_settings_dir(const char *dir, const char *file, char *out, char *why) IC_MUST_USE;

/* Writes C to DIR/settings. IC_EIO, IC_ENOSPC with WHY. */
int ic_settings_save(const struct ic_config *c, const char *dir, char *why) IC_MUST_USE;
/* The settings saved in DIR, to be freed; NULL: there are none that can be read. */
struct ic_config *ic_settings_load(const char *dir);

/* The value of D in C as text, to be freed with ic_free. */
char *ic_settings_text(const struct ic_config *c, const struct ic_directive *d);

/* Appends "name (runs with X, asked for Y)", comma separated; nothing if A and B are equal in
 * all directives that COUNTS (NULL: all). */
int ic_settings_difference(const struct ic_config *running, const struct ic_config *wanted,
                           bool (*counts)(const struct ic_directive *d),
                           struct ic_buf *out) IC_MUST_USE;

/*
 * The arguments that make a daemon of SCOPE run with C: `--config FILE` if C came from one, and a
 * pair for each directive whose value the defaults and the file do not give already. A
 * NULL-terminated array after HEAD's two words; to be freed with ic_settings_free_arguments.
 */
char **ic_settings_arguments(const struct ic_config *c, int scope, const char *program,
                             const char *subcommand);
void ic_settings_free_arguments(char **arguments);

#endif
