/*
 * report.h - what a run says: the last events, kept in a ring and shown when an invariant is
 * violated, or all of them as they come with TRACE=1.
 */
#ifndef IC_SIM_REPORT_H
#define IC_SIM_REPORT_H

/* Something happened, in the words of printf; a line with the virtual time and whose turn it is. */
__attribute__((format(printf, 1, 2))) void sim_note(const char *format, ...);
/* An invariant is violated: says which, with the seed and the last events, and ends the process. */
__attribute__((format(printf, 1, 2), noreturn)) void sim_violation(const char *format, ...);
/* The last events, and the seed: also for a signal's handler. */
void sim_report_last(void);

/* A violation of the simulation itself: its memory, its own code. */
void *sim_alloc(unsigned long size); /* zeroed, never NULL; not the project's allocator */

#endif
