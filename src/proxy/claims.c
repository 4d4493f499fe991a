/*
 * claims.c - see claims.h.
 */
#include "proxy/claims.h"

#include "base/config.h"
#include "proxy/store.h"
#include "proxy/window.h"

#include <assert.h>

enum {
    RETRY_MS = 10, /* between two looks whether drafts have given room back */
    JAM_MS = 50,   /* for which nobody has gone on: longer than what has come takes to be stored */
    ALONE_MS = 1000,  /* for which who is alone waits for what is read, copied or repaired */
    LATELY_MS = 250,  /* who got room so long ago is one to wait for */
    SMALL_MOST = 256, /* small values in line */
};

static uint64_t now_ms(const struct ic_claims *all)
{
    return ic_loop_now_ms(all->next.loop);
}

static struct ic_claim *first_of(const struct ic_list *line)
{
    return ic_list_empty(line) ? NULL : IC_CONTAINER(line->next, struct ic_claim, node);
}

static struct ic_claim *last_of(const struct ic_list *line)
{
    return IC_CONTAINER(line->prev, struct ic_claim, node);
}

static struct ic_claim *first_in_line(const struct ic_claims *all)
{
    struct ic_claim *first = NULL;
    for (int rank = 0; rank < IC_CLAIM_RANKS && first == NULL; rank++) {
        first = first_of(&all->line[rank]);
    }
    return first;
}

static bool holds_room(const struct ic_claim *c)
{
    return !ic_list_empty(&c->holder);
}

/* False: C has to wait on. */
static bool ask_again(struct ic_claims *all, struct ic_claim *c)
{
    all->asked = c;
    c->handler->again(c->ctx);
    bool answered = all->asked == NULL;
    all->asked = NULL;
    return answered;
}

/* The first of LINE, and whoever is the first after it, until one has to wait on. */
static void serve_line(struct ic_claims *all, const struct ic_list *line)
{
    while (!ic_list_empty(line) && ask_again(all, first_of(line))) {
    }
}

/* What room there is for those whose turn it is. */
static void serve_all(struct ic_claims *all)
{
    all->much = false;
    if (all->making != NULL) {
        (void)ask_again(all, all->making);
    }
    for (int rank = 0; rank < IC_CLAIM_RANKS && all->making == NULL && !all->much; rank++) {
        serve_line(all, &all->line[rank]);
    }
}

static bool uploads_wait(const struct ic_claims *all)
{
    return !ic_list_empty(&all->line[IC_CLAIM_BEGUN]) || !ic_list_empty(&all->line[IC_CLAIM_NEW]);
}

/* Somebody got room, or gave some back. What small values do is no help to uploads. */
static void note_move(struct ic_claims *all, bool is_small)
{
    if (!is_small || !uploads_wait(all)) {
        all->moved_ms = now_ms(all);
    }
}

/* For a small value nobody loses what has come only because the client is slow. */
static bool goes_on(const struct ic_claim *c)
{
    bool lately = now_ms(c->all) - c->claimed_ms < LATELY_MS || !uploads_wait(c->all);
    return !ic_claim_waits(c) && c->handler->goes_on(c->ctx, lately);
}

static bool has_only(const struct ic_list *list, const struct ic_list *node)
{
    return ic_list_empty(list) || (list->next == node && list->prev == node);
}

/* Nobody but C is in line, or has room. */
static bool is_alone(const struct ic_claim *c)
{
    const struct ic_claims *all = c->all;
    bool alone = has_only(&all->holders, &c->holder);
    for (int rank = 0; rank < IC_CLAIM_RANKS; rank++) {
        alone = alone && has_only(&all->line[rank], &c->node);
    }
    return alone;
}

/* Nobody will soon give room back, or be stored, unless somebody is refused. */
static bool is_jam(const struct ic_claims *all)
{
    uint64_t jam_ms = is_alone(first_in_line(all)) ? ALONE_MS : JAM_MS;
    bool jam = now_ms(all) - all->moved_ms >= jam_ms;
    for (const struct ic_list *node = all->holders.next; jam && node != &all->holders;
         node = node->next) {
        jam = !goes_on(IC_CONTAINER(node, struct ic_claim, holder));
    }
    return jam;
}

static void hurry_holders(const struct ic_claims *all)
{
    IC_LIST_EACH (node, &all->holders) {
        const struct ic_claim *c = IC_CONTAINER(node, struct ic_claim, holder);
        c->handler->hurry(c->ctx);
    }
}

/* Who has the least to lose of those whose leaving helps: others have room that wait for window
 * memory, which those in line have. */
static struct ic_claim *least_to_lose(const struct ic_claims *all)
{
    const struct ic_list *begun = &all->line[IC_CLAIM_BEGUN], *new = &all->line[IC_CLAIM_NEW];
    bool only_first = begun->next == begun->prev; /* or nobody */
    if (!only_first || (ic_list_empty(new) && !ic_list_empty(begun))) {
        return last_of(begun);
    }
    if (!ic_list_empty(new)) {
        return last_of(new);
    }
    return ic_list_empty(&all->holders) ? last_of(&all->line[IC_CLAIM_SMALL])
                                        : IC_CONTAINER(all->holders.prev, struct ic_claim, holder);
}

static void serve(void *ctx)
{
    struct ic_claims *all = ctx;
    serve_all(all);
    if (first_in_line(all) == NULL) {
        return;
    }
    bool soon = all->making != NULL || all->much;
    if (!soon && is_jam(all)) {
        hurry_holders(all);
        struct ic_claim *c = least_to_lose(all);
        all->moved_ms = now_ms(all);
        c->handler->refuse(c->ctx);
        soon = true;
    }
    ic_timer_start(&all->next, soon ? 0 : RETRY_MS);
}

void ic_claims_init(struct ic_claims *all, struct ic_loop *loop, const struct ic_config *config)
{
    *all = (struct ic_claims){.config = config};
    for (int rank = 0; rank < IC_CLAIM_RANKS; rank++) {
        ic_list_init(&all->line[rank]);
    }
    ic_list_init(&all->holders);
    ic_timer_init(&all->next, loop, serve, all);
}

void ic_claims_deinit(struct ic_claims *all)
{
    assert(first_in_line(all) == NULL && ic_list_empty(&all->holders));
    ic_timer_stop(&all->next);
}

const struct ic_object *ic_claims_first(const struct ic_claims *all)
{
    const struct ic_claim *first = first_in_line(all);
    return first == NULL ? NULL : first->draft;
}

void ic_claim_init(struct ic_claim *c, struct ic_claims *all,
                   const struct ic_claim_handler *handler, void *ctx)
{
    *c = (struct ic_claim){.all = all, .handler = handler, .ctx = ctx};
    ic_list_init(&c->node);
    ic_list_init(&c->holder);
}

bool ic_claim_waits(const struct ic_claim *c)
{
    return !ic_list_empty(&c->node);
}

static enum ic_claim_rank rank_of(const struct ic_claim *c, const struct ic_object *draft)
{
    if (holds_room(c)) {
        return IC_CLAIM_BEGUN;
    }
    return ic_window_is_small(draft->size) ? IC_CLAIM_SMALL : IC_CLAIM_NEW;
}

static bool is_its_turn(const struct ic_claim *c, enum ic_claim_rank rank)
{
    const struct ic_claims *all = c->all;
    bool first = all->making == NULL || all->making == c;
    if (ic_claim_waits(c)) {
        return first && all->asked == c && !all->much;
    }
    if (rank == IC_CLAIM_SMALL) {
        return first; /* there may be room for it, if not for those before it, who lose nothing */
    }
    for (int before = 0; before <= (int)rank; before++) {
        first = first && ic_list_empty(&all->line[before]);
    }
    return first;
}

/* Those in line keep window memory that small values need which find room: no more of it than what
 * the window keeps for them in any case. */
static bool has_place(const struct ic_claims *all, enum ic_claim_rank rank)
{
    if (rank != IC_CLAIM_SMALL) {
        return true;
    }
    size_t part = ic_window_kept((size_t)all->config->window_memory, IC_WINDOW_SMALL_WRITE);
    size_t most = part / IC_WINDOW_SMALL_BYTES, count = 0;
    most = most < SMALL_MOST ? most : SMALL_MOST;
    const struct ic_list *line = &all->line[rank], *node = line->next;
    for (; node != line && count < most; node = node->next) {
        count++;
    }
    return count < most;
}

/* What C lacks is in drafts, or is being read (many who wait for that would be in others' way), and
 * it has not waited for too long. */
static bool may_wait(const struct ic_claim *c, enum ic_claim_rank rank,
                     const struct ic_store *store, const struct ic_object *draft)
{
    uint64_t longest_ms = (uint64_t)c->all->config->write_deadline;
    bool waits = ic_claim_waits(c), late = waits && now_ms(c->all) - c->since_ms >= longest_ms;
    bool soon = ic_store_others_hold_room(store, draft) || (ic_store_is_read(store) && is_alone(c));
    return soon && !late && (waits || has_place(c->all, rank));
}

/* Behind those of LINE that began before it. No more are in line than have window memory. */
static void insert_begun(struct ic_list *line, struct ic_claim *c)
{
    struct ic_list *at = line->prev;
    while (at != line && IC_CONTAINER(at, struct ic_claim, node)->begun > c->begun) {
        at = at->prev;
    }
    ic_list_insert_after(at, &c->node);
}

static void line_up(struct ic_claim *c, enum ic_claim_rank rank, const struct ic_object *draft)
{
    struct ic_claims *all = c->all;
    if (!ic_claim_waits(c)) {
        c->draft = draft;
        c->since_ms = now_ms(all);
        insert_begun(&all->line[rank], c);
    }
    if (all->making == c || !all->next.armed) {
        ic_timer_start(&all->next, 0);
    }
}

/* What is small has all that it needs, and is not waited for. */
static void give_room(struct ic_claim *c, enum ic_claim_rank rank)
{
    struct ic_claims *all = c->all;
    all->asked = all->asked == c ? NULL : all->asked;
    ic_list_remove(&c->node);
    if (rank == IC_CLAIM_NEW) {
        c->begun = ++all->count;
        ic_list_push_back(&all->holders, &c->holder);
    }
    c->claimed_ms = now_ms(all);
    note_move(all, rank == IC_CLAIM_SMALL);
}

int ic_claims_ask(struct ic_claim *c, struct ic_store *store, struct ic_object *draft,
                  uint64_t chunk_bytes)
{
    struct ic_claims *all = c->all;
    enum ic_claim_rank rank = rank_of(c, draft);
    int result = IC_EBUSY;
    all->much = ic_store_has_claimed_much(store);
    if (is_its_turn(c, rank)) {
        result = ic_store_claim(store, draft, chunk_bytes);
        all->making = result == IC_EBUSY ? c : NULL;
    }
    if (result == IC_ENOSPC && may_wait(c, rank, store, draft)) {
        result = IC_EBUSY;
    }
    if (result == IC_EBUSY) {
        line_up(c, rank, draft);
    } else if (result == 0) {
        give_room(c, rank);
    } else {
        ic_claim_leave(c);
    }
    return result;
}

void ic_claim_leave(struct ic_claim *c)
{
    struct ic_claims *all = c->all;
    if (!ic_claim_waits(c)) {
        note_move(all, !holds_room(c));
    }
    all->making = all->making == c ? NULL : all->making;
    all->asked = all->asked == c ? NULL : all->asked;
    ic_list_remove(&c->node);
    ic_list_remove(&c->holder);
    if (first_in_line(all) != NULL) {
        ic_timer_start(&all->next, 0);
    }
}
