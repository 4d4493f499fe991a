/*
 * claims.h - the line for room in the pool. A claim that takes the room of very many objects is
 * given it by and by, as many of them evicted in each turn as it has time for (store.h); until it
 * has it nobody else is given any, or others would have what was made for it. No more of those in
 * line go on in a turn than it has time for.
 *
 *   ask --there is room--> claimed
 *    '--not now--> in line --first, in a later turn--> again(): it asks again
 */
#ifndef IC_PROXY_CLAIMS_H
#define IC_PROXY_CLAIMS_H

#include "base/error.h"
#include "base/list.h"
#include "net/net.h"

struct ic_object;
struct ic_store;

struct ic_claims {
    struct ic_list line; /* of struct ic_claim, first come first served */
    struct ic_timer next;
};

/* Embedded in its owner. */
struct ic_claim {
    struct ic_list node; /* in line */
    void (*again)(void *ctx);
    void *ctx;
};

void ic_claims_init(struct ic_claims *all, struct ic_loop *loop);
void ic_claims_deinit(struct ic_claims *all); /* nobody is in line */

/* AGAIN(ctx) asks again, for the same, or leaves; it is never called on the stack of ic_claims_ask.
 */
void ic_claim_init(struct ic_claim *c, void (*again)(void *ctx), void *ctx);
/* As ic_store_claim. IC_EBUSY: C is in line. */
int ic_claims_ask(struct ic_claims *all, struct ic_claim *c, struct ic_store *store,
                  struct ic_object *draft, uint64_t chunk_bytes) IC_MUST_USE;
bool ic_claim_waits(const struct ic_claim *c);
void ic_claim_leave(struct ic_claim *c); /* fine if it is not in line */

#endif
