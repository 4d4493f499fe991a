/*
 * journal_sync.h - fsync off the loop's thread, for `appendfsync` everysec and no: one
 * thread, one file, at most one job at a time.
 *
 *   loop: start --> [ thread: fdatasync(journal), then write journal.safe ] --> loop: finished
 */
#ifndef IC_PROXY_JOURNAL_SYNC_H
#define IC_PROXY_JOURNAL_SYNC_H

#include "base/error.h"
#include "proxy/journal_safe.h"

#include <stdbool.h>

struct ic_journal_sync;

/* Starts the thread. IC_ENOMEM, IC_EIO, IC_EUNAVAIL (no thread to be had). */
int ic_journal_sync_new(const char *path, struct ic_journal_sync **out) IC_MUST_USE;
void ic_journal_sync_free(struct ic_journal_sync *s); /* waits for a running job; NULL is fine */
/* COPY goes to SAFE_FD after the journal is on the disk. No job may be running or uncollected. */
void ic_journal_sync_start(struct ic_journal_sync *s, int safe_fd, const struct ic_safe_copy *copy);
/* True once per job, when it is done: *RESULT is 0 or an errno. */
bool ic_journal_sync_finished(struct ic_journal_sync *s, int *result);
/* The same, but waits for the job if one is running; false: there was none. */
bool ic_journal_sync_wait(struct ic_journal_sync *s, int *result);

#endif
