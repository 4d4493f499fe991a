/*
 * journal_queue.h - the changes since the last commit, as ic_journal_put_object and the like
 * (journal.h) left them, for what keeps them: journal.c in LMDB, the simulation on its own disk.
 */
#ifndef IC_PROXY_JOURNAL_QUEUE_H
#define IC_PROXY_JOURNAL_QUEUE_H

#include "base/buf.h"
#include "proxy/journal.h"

struct ic_journal_queue {
    struct ic_buf bytes; /* header, record, header, ... */
};

enum ic_journal_op {
    IC_JOURNAL_PUT_OBJECT,
    IC_JOURNAL_DELETE_OBJECT,
    IC_JOURNAL_PUT_ENTRY,
    IC_JOURNAL_DELETE_ENTRY,
    IC_JOURNAL_FLUSH,
    IC_JOURNAL_PUT_LEDGER,
};

struct ic_journal_change {
    enum ic_journal_op op;
    uint64_t id;
    struct ic_slice record; /* in the queue */
};

void ic_journal_queue_init(struct ic_journal_queue *q);
void ic_journal_queue_deinit(struct ic_journal_queue *q);
bool ic_journal_queue_empty(const struct ic_journal_queue *q);
/* The change at *AT, which begins as 0 and moves on; false: there are no more. */
bool ic_journal_queue_next(const struct ic_journal_queue *q, size_t *at,
                           struct ic_journal_change *change);
/* A rare large turn gives its memory back. */
void ic_journal_queue_clear(struct ic_journal_queue *q);

/* Of whatever keeps the journal: where its changes wait, or NULL if it keeps nothing. */
struct ic_journal_queue *ic_journal_queue_of(struct ic_journal *j);

#endif
