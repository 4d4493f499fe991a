/*
 * journal_safe.h - keeps the journal whole through a power failure although commits are
 * not forced to the disk one by one (`appendfsync` everysec and no).
 *
 * LMDB's commits write data pages and then one of two meta pages; without an fsync each
 * the disk may see them in any order, so that after a power failure a meta page may speak
 * of data that never arrived. Therefore, with each fsync:
 *
 *   loop:    pin state T by a reader (its pages are not reused), copy T's meta page
 *   thread:  fdatasync(journal): T is on the disk;  journal.safe <- copy;  fdatasync
 *   loop:    unpin the state of the fsync before
 *
 * At the first start after a reboot the copy replaces both meta pages: state T, at most a
 * second old, whole. A process that was merely killed finds its last commit: the file's pages are
 * the kernel's.
 *
 *   journal.safe   two slots of 1 KiB, written in turn: the newest that is intact counts
 */
#ifndef IC_PROXY_JOURNAL_SAFE_H
#define IC_PROXY_JOURNAL_SAFE_H

#include "base/error.h"

#include <limits.h>
#include <lmdb.h>
#include <stdint.h>

enum { IC_SAFE_META_BYTES = 512, IC_BOOT_ID_BYTES = 40 }; /* LMDB's meta takes 152 */

struct ic_safe_copy {
    uint64_t sequence;
    uint64_t page_bytes;
    char boot_id[IC_BOOT_ID_BYTES];
    uint8_t meta[IC_SAFE_META_BYTES];
    uint64_t check; /* over all before */
};

struct ic_journal_safe {
    char path[PATH_MAX];
    int fd;            /* -1: not open */
    uint64_t sequence; /* of the last copy */
    MDB_txn *pinned;   /* the state of the last fsync; NULL: none */
    MDB_txn *next;     /* the state of the running one */
};

/* JOURNAL is the path of the journal's file. */
void ic_journal_safe_init(struct ic_journal_safe *s, const char *journal);
/* Before the journal is opened: after a reboot, brings it back to the last copy. An errno. */
int ic_journal_safe_restore(struct ic_journal_safe *s, const char *journal);
/* Pins the last commit and copies its meta page. An errno or LMDB's code. */
int ic_journal_safe_take(struct ic_journal_safe *s, MDB_env *env, struct ic_safe_copy *copy);
/* Writes COPY durably; FD is s->fd. On whatever thread. An errno. */
int ic_journal_safe_write(int fd, const struct ic_safe_copy *copy);
/* The copy taken last is written, or it failed: unpins what is not needed. */
void ic_journal_safe_settle(struct ic_journal_safe *s, int result);
void ic_journal_safe_unpin(
    struct ic_journal_safe *s); /* before the environment is closed or moved */
/* No copy any more: every commit is forced to the disk, or the journal was closed. */
void ic_journal_safe_remove(struct ic_journal_safe *s);

#endif
