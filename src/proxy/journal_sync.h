/*
 * journal_sync.h - fsync off the loop's thread, for `appendfsync everysec`: one thread, one
 * file, at most one fsync at a time.
 *
 *   loop: start --> [ thread: fdatasync ] --> loop: result
 */
#ifndef IC_PROXY_JOURNAL_SYNC_H
#define IC_PROXY_JOURNAL_SYNC_H

#include "base/error.h"

#include <stdbool.h>

struct ic_journal_sync;

/* Starts the thread. IC_ENOMEM, IC_EIO, IC_EUNAVAIL (no thread to be had). */
int ic_journal_sync_new(const char *path, struct ic_journal_sync **out) IC_MUST_USE;
void ic_journal_sync_free(struct ic_journal_sync *s);  /* waits for a running fsync; NULL is fine */
bool ic_journal_sync_start(struct ic_journal_sync *s); /* false: one is still running */
/* The errno of a failed fsync that was not asked for yet, else 0. */
int ic_journal_sync_result(struct ic_journal_sync *s);

#endif
