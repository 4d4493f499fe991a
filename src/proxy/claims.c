/*
 * claims.c - see claims.h.
 */
#include "proxy/claims.h"

#include "proxy/store.h"

#include <assert.h>

/* The first, and whoever is the first after it, until one has to wait on. */
static void serve(void *ctx)
{
    struct ic_claims *all = ctx;
    struct ic_list *first = NULL;
    while (!ic_list_empty(&all->line) && all->line.next != first) {
        struct ic_claim *c = IC_CONTAINER(all->line.next, struct ic_claim, node);
        first = &c->node;
        c->again(c->ctx);
    }
    if (!ic_list_empty(&all->line)) {
        ic_timer_start(&all->next, 0);
    }
}

void ic_claims_init(struct ic_claims *all, struct ic_loop *loop)
{
    ic_list_init(&all->line);
    ic_timer_init(&all->next, loop, serve, all);
}

void ic_claims_deinit(struct ic_claims *all)
{
    assert(ic_list_empty(&all->line));
    ic_timer_stop(&all->next);
}

void ic_claim_init(struct ic_claim *c, void (*again)(void *ctx), void *ctx)
{
    *c = (struct ic_claim){.again = again, .ctx = ctx};
    ic_list_init(&c->node);
}

bool ic_claim_waits(const struct ic_claim *c)
{
    return !ic_list_empty(&c->node);
}

void ic_claim_leave(struct ic_claim *c)
{
    ic_list_remove(&c->node);
}

int ic_claims_ask(struct ic_claims *all, struct ic_claim *c, struct ic_store *store,
                  struct ic_object *draft, uint64_t chunk_bytes)
{
    bool first = all->line.next == &c->node && !ic_store_has_claimed_much(store);
    bool may = first || ic_list_empty(&all->line);
    int result = may ? ic_store_claim(store, draft, chunk_bytes) : IC_EBUSY;
    if (result != IC_EBUSY) {
        ic_claim_leave(c);
    } else if (!ic_claim_waits(c)) {
        ic_list_push_back(&all->line, &c->node);
        ic_timer_start(&all->next, 0);
    }
    return result;
}
