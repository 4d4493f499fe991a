/*
 * others.h - which InfiniCaches run beside the one that was asked for: `down` and its like say so
 * when their own folder has none.
 */
#ifndef IC_CLI_OTHERS_H
#define IC_CLI_OTHERS_H

/*
 * Prints a line to stdout for each folder but DIR (absolute, without links) in which a proxy or a
 * platform runs that this user may look at, with the words `infinicache COMMAND --dir FOLDER`.
 * Returns how many it named; it stops at 64.
 */
int ic_others_print(const char *dir, const char *command);

#endif
