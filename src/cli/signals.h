/*
 * signals.h - SIGINT, SIGTERM and SIGHUP held back while there is something to clean up:
 * waits ask whether one came, the command cleans up, and release lets it end the
 * process as if it had not been held.
 */
#ifndef IC_CLI_SIGNALS_H
#define IC_CLI_SIGNALS_H

#include <stdbool.h>

void ic_signals_hold(void);
bool ic_signals_arrived(void); /* one of them waits */
/* A descriptor of the caller's that is readable while one of those held now waits. */
int ic_signals_descriptor(void);
void ic_signals_release(void); /* does not return if one waits */

#endif
