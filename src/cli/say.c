/*
 * say.c - how every subcommand complains: one line, the program's name before it.
 */
#include "cli/commands.h"

#include <stdarg.h>
#include <stdio.h>

int ic_cli_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fputs("infinicache: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return IC_CLI_FAILED;
}
