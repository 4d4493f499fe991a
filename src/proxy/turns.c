#include "proxy/turns.h"

#include <assert.h>

static void end_turn(void *ctx)
{
    struct ic_turns *t = ctx;
    t->begun = false;
    t->turn++;
    t->most_used = t->used > t->most_used ? t->used : t->most_used;
    t->used = 0;
}

static void begin_turn(struct ic_turns *t)
{
    if (!t->begun) {
        t->begun = true;
        ic_loop_reap(t->loop, &t->end, end_turn, t);
    }
}

/* Those of NOW that were not served are the first of the line. */
static void put_back(struct ic_turns *t, struct ic_list *now)
{
    while (!ic_list_empty(now)) {
        struct ic_list *node = now->prev;
        ic_list_remove(node);
        ic_list_push_front(&t->line, node);
    }
    if (!ic_list_empty(&t->line)) {
        ic_timer_start(&t->next, 0);
    }
}

/* Those that line up again meanwhile come in the next turn. */
static void serve_line(void *ctx)
{
    struct ic_turns *t = ctx;
    struct ic_list now, *node;
    ic_list_init(&now);
    while ((node = ic_list_pop_front(&t->line)) != NULL) {
        ic_list_push_back(&now, node);
    }
    begin_turn(t);
    while (t->used < (uint64_t)*t->budget && (node = ic_list_pop_front(&now)) != NULL) {
        struct ic_worker *w = IC_CONTAINER(node, struct ic_worker, node);
        w->go(w->ctx);
    }
    put_back(t, &now);
}

void ic_turns_init(struct ic_turns *t, struct ic_loop *loop, const int64_t *budget)
{
    *t = (struct ic_turns){.loop = loop, .budget = budget, .turn = 1};
    ic_list_init(&t->line);
    ic_list_init(&t->end.node);
    ic_timer_init(&t->next, loop, serve_line, t);
}

void ic_turns_deinit(struct ic_turns *t)
{
    assert(ic_list_empty(&t->line));
    ic_timer_stop(&t->next);
    ic_list_remove(&t->end.node);
}

void ic_worker_init(struct ic_worker *w, void (*go)(void *ctx), void *ctx)
{
    *w = (struct ic_worker){.go = go, .ctx = ctx};
    ic_list_init(&w->node);
}

void ic_worker_leave(struct ic_worker *w)
{
    ic_list_remove(&w->node);
}

uint64_t ic_turns_at_once(const struct ic_turns *t)
{
    uint64_t units = IC_TURNS_AT_ONCE * (uint64_t)*t->budget;
    return units > IC_TURNS_AT_ONCE_LEAST ? units : IC_TURNS_AT_ONCE_LEAST;
}

bool ic_turns_may_work(struct ic_turns *t, struct ic_worker *w)
{
    uint64_t budget = (uint64_t)*t->budget;
    uint64_t used = w->turn == t->turn ? w->used : 0;
    return used <= budget / (t->used < budget ? IC_TURNS_SHARES : IC_TURNS_LEAST);
}

void ic_turns_worked(struct ic_turns *t, struct ic_worker *w, uint64_t units)
{
    begin_turn(t);
    w->used = w->turn == t->turn ? w->used + units : units;
    w->turn = t->turn;
    t->used += units;
}

void ic_turns_line_up(struct ic_turns *t, struct ic_worker *w)
{
    if (!ic_list_empty(&w->node)) {
        return;
    }
    if (ic_list_empty(&t->line)) {
        ic_timer_start(&t->next, 0);
    }
    ic_list_push_back(&t->line, &w->node);
    t->lined_up++;
}

void ic_turns_reset_figures(struct ic_turns *t)
{
    t->most_used = t->lined_up = 0;
}
