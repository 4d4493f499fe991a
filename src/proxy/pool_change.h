/*
 * pool_change.h - the pool is not the one that the journal was of last time: what that means for
 * the objects, in one line, for the log and for people.
 *
 *   fewer functions   chunks on those that are gone are lost, the others are where they were
 *   more functions    nothing is lost; new objects use all of them
 *   other memory      nothing is known to be lost; what the platform did to the instances shows
 *   other names       nothing is left (enum ic_journal_emptied)
 *   platform anew     nothing is left, either
 */
#ifndef IC_PROXY_POOL_CHANGE_H
#define IC_PROXY_POOL_CHANGE_H

struct ic_config;
struct ic_journal_meta;
struct ic_store;

enum { IC_POOL_CHANGE_MAX = 512 }; /* bytes of the text, the terminating zero included */

/* TEXT: what is to be said, which is logged, too; "" if the pool is as it was, and what it held is
 * not gone. STORE is loaded, or about to be rebuilt. */
void ic_pool_change_tell(const struct ic_journal_meta *meta, const struct ic_config *config,
                         const struct ic_store *store, char text[IC_POOL_CHANGE_MAX]);

#endif
