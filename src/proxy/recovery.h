/*
 * recovery.h - the journal at the proxy's start: opened as it is, or a fresh one in its
 * place. Nothing is deleted: what a fresh one replaces is set aside under another name.
 *
 *                                                  damaged, or of
 *   `rebuild`   missing      intact                another format          half rebuilt
 *     auto      rebuild      load it               set aside, rebuild      rebuild
 *     yes       rebuild      set aside, rebuild    set aside, rebuild      rebuild
 *     no        empty        load it               the start fails         empty
 *
 * An intact journal is also that of a pool that had another number of functions, or of other
 * memory; one of a pool of other names, or of another run of the platform, is loaded as well, and
 * was emptied (journal.h).
 */
#ifndef IC_PROXY_RECOVERY_H
#define IC_PROXY_RECOVERY_H

#include "proxy/journal.h"

struct ic_config;

struct ic_recovery {
    struct ic_journal *journal;
    struct ic_journal_meta meta; /* meta.rebuild: the catalog is to come from the functions ... */
    const char *reason;          /* ... and why, for the log */
    bool replaced;               /* a journal was set aside */
};

/* WHY: IC_JOURNAL_WHY_MAX bytes. The errors of ic_journal_open; IC_ECORRUPT and IC_ENOSYS only with
 * `rebuild no`. */
int ic_recovery_open(struct ic_recovery *r, const struct ic_config *config, char *why) IC_MUST_USE;
/*
 * The journal that was opened proved damaged while it was loaded, as WHY says: closes it and puts a
 * fresh one in its place. IC_ECORRUPT if `rebuild no` forbids that, else as ic_recovery_open.
 */
int ic_recovery_replace(struct ic_recovery *r, const struct ic_config *config,
                        char *why) IC_MUST_USE;

#endif
