#include "proxy/turns.h"

#include <assert.h>

/* What was used is that of this turn. */
static void look_at_turn(struct ic_turns *t)
{
    uint64_t turn = ic_loop_turn_number(t->loop);
    if (t->turn != turn) {
        t->turn = turn;
        t->used = 0;
    }
}

/* Those of NOW that were not served are the first of LINE. */
static void put_back(struct ic_turns *t, struct ic_list *line, struct ic_list *now)
{
    ic_list_move_all(line, now);
    ic_list_move_all(now, line);
    if (!ic_list_empty(line)) {
        ic_timer_start(&t->next, 0);
    }
}

/* W, if it is in line, is the first of NOW. */
static void bring_forward(struct ic_worker *w, struct ic_list *now)
{
    if (w != NULL && !ic_list_empty(&w->node)) {
        ic_list_remove(&w->node);
        ic_list_push_front(now, &w->node);
    }
}

/* Those of LINE go on until MOST units of the turn are used. Those that line up again meanwhile
 * come in the next turn. */
static void serve(struct ic_turns *t, struct ic_list *line, uint64_t most)
{
    struct ic_list now, *node;
    ic_list_init(&now);
    ic_list_move_all(line, &now);
    if (line != &t->front) { /* the others wait for it */
        bring_forward(t->alone, &now);
    }
    t->served_most = most;
    while (t->used < most && (node = ic_list_pop_front(&now)) != NULL) {
        struct ic_worker *w = IC_CONTAINER(node, struct ic_worker, node);
        w->go(w->ctx);
    }
    t->served_most = 0;
    put_back(t, line, &now);
}

/* Those that have waited to look at keys go on, the first first, until one of them goes alone. */
static void serve_waiting(struct ic_turns *t, uint64_t most)
{
    struct ic_list *node;
    t->served_most = most;
    while (t->used < most && t->alone == NULL && (node = ic_list_pop_front(&t->waiting)) != NULL) {
        t->entering = IC_CONTAINER(node, struct ic_worker, node);
        t->entering->go(t->entering->ctx);
    }
    t->entering = NULL;
    t->served_most = 0;
    if (t->alone == NULL && !ic_list_empty(&t->waiting)) {
        ic_timer_start(&t->next, 0);
    }
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Whatever this turn was used for, half of one is for those that come first, half for what is
 * under way, a quarter for who has waited for the keys, and half of one is the line's. */
static void serve_lines(void *ctx)
{
    struct ic_turns *t = ctx;
    uint64_t budget = (uint64_t)*t->budget;
    look_at_turn(t);
    serve(t, &t->front, t->used + budget / IC_TURNS_FRONT + 1);
    serve(t, &t->under_way, t->used + budget / IC_TURNS_UNDER_WAY + 1);
    serve_waiting(t, larger(t->used + budget / IC_TURNS_WAITING + 1, budget));
    serve(t, &t->line, larger(t->used + budget / IC_TURNS_LINE + 1, budget));
}

void ic_turns_init(struct ic_turns *t, struct ic_loop *loop, const int64_t *budget)
{
    *t = (struct ic_turns){.loop = loop, .budget = budget};
    ic_list_init(&t->front);
    ic_list_init(&t->under_way);
    ic_list_init(&t->line);
    ic_list_init(&t->waiting);
    ic_timer_init(&t->next, loop, serve_lines, t);
}

void ic_turns_deinit(struct ic_turns *t)
{
    assert(ic_list_empty(&t->front) && ic_list_empty(&t->under_way) && ic_list_empty(&t->line) &&
           ic_list_empty(&t->waiting) && t->alone == NULL);
    ic_timer_stop(&t->next);
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

uint64_t ic_turns_used_times(struct ic_turns *t)
{
    look_at_turn(t);
    return t->used / (uint64_t)*t->budget;
}

uint64_t ic_turns_left(struct ic_turns *t, uint64_t turns)
{
    uint64_t all = turns * (uint64_t)*t->budget;
    look_at_turn(t);
    return t->used < all ? all - t->used : 0;
}

bool ic_turns_used_up(struct ic_turns *t)
{
    return ic_turns_used_times(t) > 0;
}

/* What a share is of a turn, of which SHARES are one while there is something left. */
static uint64_t shares_of(struct ic_turns *t, uint64_t shares)
{
    uint64_t times = ic_turns_used_times(t);
    return times == 0 ? shares : times * IC_TURNS_LEAST;
}

/* Its turn has come, whatever others have used this one for: what takes long would else never go
 * on beside many who ask little each. */
static bool is_being_served(const struct ic_turns *t)
{
    return t->used < t->served_most;
}

/* The same of what takes many turns. */
static uint64_t long_shares_of(struct ic_turns *t, uint64_t shares)
{
    return is_being_served(t) ? shares : shares_of(t, shares);
}

/* When it has used MORE of this turn, too. */
static bool has_left(struct ic_turns *t, const struct ic_worker *w, uint64_t more, uint64_t shares)
{
    look_at_turn(t);
    uint64_t used = w->turn == t->turn ? w->used : 0;
    return used + more <= (uint64_t)*t->budget / shares;
}

uint64_t ic_turns_exec_units(const struct ic_turns *t)
{
    uint64_t units = IC_TURNS_EXEC * (uint64_t)*t->budget;
    return units > IC_TURNS_EXEC_LEAST ? units : IC_TURNS_EXEC_LEAST;
}

bool ic_turns_may_work(struct ic_turns *t, struct ic_worker *w)
{
    return has_left(t, w, 0, shares_of(t, IC_TURNS_SHARES));
}

bool ic_turns_may_go_on(struct ic_turns *t, struct ic_worker *w)
{
    return has_left(t, w, 0, long_shares_of(t, IC_TURNS_SHARES));
}

bool ic_turns_may_work_alone(struct ic_turns *t, struct ic_worker *w)
{
    return has_left(t, w, 0, long_shares_of(t, IC_TURNS_ALONE));
}

bool ic_turns_may_begin(struct ic_turns *t, struct ic_worker *w, uint64_t units)
{
    return !ic_turns_used_up(t) || is_being_served(t) || has_left(t, w, units, shares_of(t, 1));
}

void ic_turns_go_alone(struct ic_turns *t, struct ic_worker *w)
{
    assert(t->alone == NULL || t->alone == w);
    t->alone = w;
}

void ic_turns_end_alone(struct ic_turns *t, struct ic_worker *w)
{
    if (t->alone != w) {
        return;
    }
    t->alone = NULL;
    if (!ic_list_empty(&t->waiting)) {
        ic_timer_start(&t->next, 0);
    }
}

bool ic_turns_is_alone(const struct ic_turns *t, const struct ic_worker *w)
{
    return t->alone == w;
}

bool ic_turns_may_enter(const struct ic_turns *t, const struct ic_worker *w)
{
    bool first = ic_list_empty(&t->waiting) || t->entering == w;
    return t->alone == w || (t->alone == NULL && first);
}

void ic_turns_wait(struct ic_turns *t, struct ic_worker *w)
{
    assert(!ic_turns_may_enter(t, w));
    ic_list_remove(&w->node);
    ic_list_push_back(&t->waiting, &w->node);
}

void ic_turns_worked(struct ic_turns *t, struct ic_worker *w, uint64_t units)
{
    look_at_turn(t);
    w->used = w->turn == t->turn ? w->used + units : units;
    w->turn = t->turn;
    t->used += units;
    t->most_used = t->used > t->most_used ? t->used : t->most_used;
}

/* W, which is nowhere in line. False: it is. */
static bool enter(struct ic_turns *t, struct ic_worker *w)
{
    if (!ic_list_empty(&w->node)) {
        return false;
    }
    if (!t->next.armed) {
        ic_timer_start(&t->next, 0);
    }
    t->lined_up++;
    return true;
}

void ic_turns_line_up(struct ic_turns *t, struct ic_worker *w)
{
    if (enter(t, w)) {
        ic_list_push_back(&t->line, &w->node);
    }
}

void ic_turns_line_up_under_way(struct ic_turns *t, struct ic_worker *w)
{
    if (enter(t, w)) {
        ic_list_push_back(&t->under_way, &w->node);
    }
}

void ic_turns_line_up_in_front(struct ic_turns *t, struct ic_worker *w)
{
    if (enter(t, w)) {
        ic_list_push_back(&t->front, &w->node);
    }
}

void ic_turns_line_up_first(struct ic_turns *t, struct ic_worker *w)
{
    if (enter(t, w)) {
        ic_list_push_front(&t->front, &w->node);
    }
}

void ic_turns_reset_figures(struct ic_turns *t)
{
    t->most_used = t->lined_up = 0;
}
