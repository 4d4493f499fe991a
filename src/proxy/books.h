/*
 * books.h - keeps the ledger (core/cost.h) of this proxy: gives it the time, and saves it in the
 * journal, so that a proxy that is killed still knows what it had spent and which invocations it
 * was waiting for.
 *
 *   invoke, charge ... --> ledger --dirty--> schedule --turn's end--> save: queued in the journal
 *                                                                     --> the turn's one commit
 *
 * An Invoke is journalled as outstanding in the turn that sends it; its request leaves in a later
 * one. What only grows with time or traffic (bytes held, GETs, transfer) is saved along, and at
 * least every IC_BOOKS_SAVE_MS.
 */
#ifndef IC_PROXY_BOOKS_H
#define IC_PROXY_BOOKS_H

#include "core/cost.h"

struct ic_books;
struct ic_config;
struct ic_journal;

enum { IC_BOOKS_SAVE_MS = 60000, IC_BOOKS_WHY_MAX = 512 };

struct ic_books_setup {
    const struct ic_config *config; /* outlives the books, as do prices and journal */
    const struct ic_prices *prices;
    struct ic_journal *journal; /* NULL: nothing is kept */
    /* The accounts in the journal are of functions of other names: what was outstanding is
     * unreported, the rest is not theirs. */
    bool other_pool;
    /* Something is to be saved: call ic_books_save and _saved at this turn's end. May be NULL. */
    void (*schedule)(void *ctx);
    void *ctx;
};
/* Reads what was saved; what was outstanding is unreported now, also of functions that the pool has
 * not any more, whose accounts stay in the journal. IC_ENOMEM; IC_ECORRUPT, IC_EIO and WHY
 * (IC_BOOKS_WHY_MAX bytes) as ic_journal_load. */
int ic_books_new(const struct ic_books_setup *setup, struct ic_books **out, char *why) IC_MUST_USE;
void ic_books_free(struct ic_books *b); /* saves nothing; NULL is fine */

/* As the functions of core/cost.h, now. */
void ic_books_invoke(struct ic_books *b, uint16_t function);
void ic_books_charge(struct ic_books *b, uint16_t function, enum ic_cost_cause cause,
                     uint64_t billed_ms);
void ic_books_unreported(struct ic_books *b, uint16_t function, uint64_t lasted_ms);
void ic_books_not_run(struct ic_books *b, uint16_t function);
void ic_books_transfer(struct ic_books *b, uint64_t sent, uint64_t received);
void ic_books_get(struct ic_books *b, uint64_t bytes);
void ic_books_set(struct ic_books *b, uint64_t bytes);
/* Call every 100 ms or so: BYTES of objects are held. */
void ic_books_tick(struct ic_books *b, uint64_t bytes);

const struct ic_cost *ic_books_cost(const struct ic_books *b);
enum ic_budget_level ic_books_budget(const struct ic_books *b);
double ic_books_limit(const struct ic_books *b); /* `budget-per-hour` */
double ic_books_spent(const struct ic_books *b);
struct ic_cost_minute ic_books_hour(const struct ic_books *b);

/* The proxy stops: queues everything, whenever it was saved last. */
void ic_books_close(struct ic_books *b);
/* Queues in the journal what has changed. */
void ic_books_save(struct ic_books *b);
/* Commits it if nobody has; what did not get there is queued again later. */
void ic_books_saved(struct ic_books *b);

#endif
