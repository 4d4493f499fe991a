/*
 * claims.h - the line for room in the pool. A claim that takes the room of very many objects is
 * given it by and by, as many of them evicted in each turn as it has time for (store.h); until it
 * has it nobody else is given any, or others would have what was made for it. No more of those in
 * line go on in a turn than it has time for.
 *
 *   ask --there is room--> claimed
 *    '--not now--> in line --first, in a later turn--> again(): it asks again
 *                     '--late, or nobody can go on--> refused
 *
 * If what is missing is in drafts, they will soon be stored, and can be evicted, or be given up: a
 * claim waits for that, and when it is the first, `write-deadline` at most. Who is alone waits a
 * second for what is being read, copied or repaired. Small values go first, and do not wait for one
 * another: they need no more afterwards; and no more of them wait than a sixteenth of the window
 * has memory for. Then those that have room, which others wait for, whoever began first: it comes
 * to its end. What begins goes last. When nobody who has room will soon come to an end (each waits
 * for more, or for its client), they come first wherever else they wait, and the last to begin of
 * those in line is refused: it has the least to lose, and others go on with its room.
 */
#ifndef IC_PROXY_CLAIMS_H
#define IC_PROXY_CLAIMS_H

#include "base/error.h"
#include "base/list.h"
#include "net/net.h"

#include <stdbool.h>
#include <stdint.h>

struct ic_config;
struct ic_object;
struct ic_store;

enum ic_claim_rank {
    IC_CLAIM_SMALL, /* a value of at most IC_WINDOW_SMALL_BYTES */
    IC_CLAIM_BEGUN, /* has room */
    IC_CLAIM_NEW,
    IC_CLAIM_RANKS,
};

struct ic_claims {
    struct ic_list line[IC_CLAIM_RANKS]; /* of struct ic_claim; first come first served, or begun */
    struct ic_list holders;              /* the same, not small, who have room, as they began */
    uint64_t count;                      /* who have begun so far */
    struct ic_claim *making;             /* objects are being evicted for it; or NULL */
    struct ic_claim *asked;              /* of those in line, whose turn it is; or NULL */
    bool much;                           /* has been claimed in this turn: see store.h */
    uint64_t moved_ms; /* when one of those who wait went on, or somebody for them */
    const struct ic_config *config;
    struct ic_timer next;
};

struct ic_claim_handler {
    /* Asks again, for the same, or leaves; never called on the stack of ic_claims_ask. */
    void (*again)(void *ctx);
    /* It is about to be stored, or asks for more by itself, as it did if it got room LATELY: its
     * room is worth waiting for. */
    bool (*goes_on)(void *ctx, bool lately);
    /* It has room that nobody else comes to an end without: what it waits for itself, other than
     * room, it should have before those who have none. */
    void (*hurry)(void *ctx);
    /* IC_ENOSPC, whether it is in line or has room: leaves. Not on the stack of ic_claims_ask. */
    void (*refuse)(void *ctx);
};

/* Embedded in its owner. */
struct ic_claim {
    struct ic_list node;   /* in line */
    struct ic_list holder; /* has room, and may need more */
    struct ic_claims *all;
    const struct ic_object *draft; /* while in line */
    uint64_t since_ms;             /* in line */
    uint64_t begun;                /* its number among those that got room; 0: none */
    uint64_t claimed_ms;           /* when it got room last */
    const struct ic_claim_handler *handler;
    void *ctx;
};

void ic_claims_init(struct ic_claims *all, struct ic_loop *loop, const struct ic_config *config);
void ic_claims_deinit(struct ic_claims *all); /* nobody is in line, or has room */
/* The draft that is first in line; NULL: nobody waits. */
const struct ic_object *ic_claims_first(const struct ic_claims *all);

void ic_claim_init(struct ic_claim *c, struct ic_claims *all,
                   const struct ic_claim_handler *handler, void *ctx);
/* As ic_store_claim. IC_EBUSY: C is in line. */
int ic_claims_ask(struct ic_claim *c, struct ic_store *store, struct ic_object *draft,
                  uint64_t chunk_bytes) IC_MUST_USE;
bool ic_claim_waits(const struct ic_claim *c);
/* C is not in line, and whatever room it has is soon given back, or can be evicted. Fine if it
 * never asked. */
void ic_claim_leave(struct ic_claim *c);

#endif
