/*
 * fleet_reclaim.c - instances the platform takes back: at a request, and as the model of
 * model/reclaim.h says, whose minutes go by `reclaim-speed` times faster than ours.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "platform/local/fleet_internal.h"
#include "platform/local/routing.h"

#include <inttypes.h>

struct reclaim {
    size_t count, left;
    ic_reclaim_done *done;
    void *ctx;
    struct ic_reap reap;
};

/* ---- at a request -------------------------------------------------------------- */

static void report_reclaim(void *ctx)
{
    struct reclaim *r = ctx;
    if (r->done != NULL) {
        r->done(r->ctx, r->count);
    }
    ic_free(r);
}

void ic_fleet_reclaimed(struct ic_fleet *fleet, struct reclaim *r)
{
    if (--r->left == 0) {
        ic_loop_reap(fleet->loop, &r->reap, report_reclaim, r);
    }
}

/* Ends the COUNT members at the INDEXes of TAKEN (NULL: the first COUNT). */
static int reclaim(struct ic_fleet *fleet, struct member **taken, const size_t *index, size_t count,
                   ic_reclaim_done *done, void *ctx)
{
    struct reclaim *r = ic_calloc(1, sizeof *r);
    if (r == NULL) {
        return IC_ENOMEM;
    }
    *r = (struct reclaim){.count = count, .left = count, .done = done, .ctx = ctx};
    for (size_t i = 0; i < count; i++) {
        struct member *m = taken[index == NULL ? i : index[i]];
        m->reclaim = r;
        ic_fleet_end_member(m, IC_END_RECLAIMED);
    }
    if (count == 0) {
        ic_loop_reap(fleet->loop, &r->reap, report_reclaim, r);
    }
    return 0;
}

/* Adds the members of F that may be taken to TAKEN; returns the new count. */
static size_t gather(struct function *f, struct member **taken, size_t count)
{
    IC_LIST_EACH (node, &f->members) {
        struct member *m = IC_CONTAINER(node, struct member, node);
        if (ic_fleet_may_take(m)) {
            taken[count++] = m;
        }
    }
    return count;
}

int ic_fleet_reclaim_function(struct ic_fleet *fleet, const char *name, ic_reclaim_done *done,
                              void *ctx)
{
    struct member **taken = ic_malloc(fleet->member_count * sizeof *taken);
    if (taken == NULL) {
        return IC_ENOMEM;
    }
    struct function *f = ic_fleet_find(fleet, name);
    size_t count = f == NULL ? 0 : gather(f, taken, 0);
    int result = reclaim(fleet, taken, NULL, count, done, ctx);
    ic_free(taken);
    return result;
}

int ic_fleet_reclaim_share(struct ic_fleet *fleet, double share, uint64_t seed,
                           ic_reclaim_done *done, void *ctx)
{
    if (!(share >= 0.0 && share <= 1.0)) {
        return IC_ERANGE;
    }
    struct function_list functions = {0};
    struct member **all = ic_malloc(fleet->member_count * sizeof *all);
    size_t *index = ic_malloc(fleet->member_count * sizeof *index);
    int result = IC_ENOMEM;
    if (all == NULL || index == NULL || ic_fleet_sorted(fleet, &functions) < 0) {
        goto out;
    }
    size_t count = 0;
    for (size_t i = 0; i < functions.count; i++) {
        count = gather(functions.item[i], all, count);
    }
    size_t take = ic_reclaim_count(count, share);
    ic_reclaim_choose(count, take, seed, index);
    result = reclaim(fleet, all, index, take, done, ctx);
out:
    ic_free(functions.item);
    ic_free(index);
    ic_free(all);
    return result;
}

/* ---- as the model says --------------------------------------------------------- */

static uint64_t model_ms(const struct ic_fleet *fleet, uint64_t since_ms)
{
    return (ic_loop_now_ms(fleet->loop) - since_ms) * fleet->options.reclaim_speed;
}

/* A busy one goes when its invocation is over: a cloud does not cut them short. */
static void take(struct ic_fleet *fleet, struct member *m)
{
    struct ic_instance_view view;
    ic_instance_view(m->instance, &view);
    ic_log(IC_LOG_INFO, "instance-reclaimed", "function=%s instance=%s state=%s minute=%" PRIu64,
           view.function, view.instance, ic_instance_state_name(view.state), fleet->model.minute);
    if (view.state == IC_INSTANCE_IDLE) {
        ic_fleet_end_member(m, IC_END_RECLAIMED);
    } else {
        m->outdated = true;
    }
}

struct candidates {
    struct member **member;
    struct ic_reclaim_subject *subject;
    bool *taken;
    size_t count;
};

static void add_candidates(const struct ic_fleet *fleet, struct function *f, struct candidates *c)
{
    IC_LIST_EACH (node, &f->members) {
        struct member *m = IC_CONTAINER(node, struct member, node);
        if (m->outdated || !ic_fleet_may_take(m)) {
            continue;
        }
        bool idle = ic_instance_state(m->instance) == IC_INSTANCE_IDLE;
        c->subject[c->count] = (struct ic_reclaim_subject){
            .age_ms = model_ms(fleet, m->started_ms),
            .idle_ms = idle ? model_ms(fleet, m->idle_since_ms) : 0,
        };
        c->member[c->count++] = m;
    }
}

/* IC_ENOMEM: the minute goes by without a reclaim. */
static int step(struct ic_fleet *fleet)
{
    struct function_list functions = {0};
    size_t most = fleet->member_count + 1;
    struct candidates c = {.member = ic_malloc(most * sizeof *c.member),
                           .subject = ic_malloc(most * sizeof *c.subject),
                           .taken = ic_malloc(most * sizeof *c.taken)};
    int result = IC_ENOMEM;
    if (c.member != NULL && c.subject != NULL && c.taken != NULL) {
        result = ic_fleet_sorted(fleet, &functions);
    }
    if (result == 0) {
        for (size_t i = 0; i < functions.count; i++) {
            add_candidates(fleet, functions.item[i], &c);
        }
        (void)ic_reclaim_model_step(&fleet->model, model_ms(fleet, fleet->model_begin_ms),
                                    c.subject, c.count, c.taken);
        for (size_t i = 0; i < c.count; i++) {
            if (c.taken[i]) {
                take(fleet, c.member[i]);
            }
        }
    }
    ic_free(functions.item);
    ic_free(c.member);
    ic_free(c.subject);
    ic_free(c.taken);
    return result;
}

static void wait_for_minute(struct ic_fleet *fleet)
{
    uint64_t speed = fleet->options.reclaim_speed;
    uint64_t passed_ms = model_ms(fleet, fleet->model_begin_ms) % IC_RECLAIM_MINUTE_MS;
    ic_timer_start(&fleet->reclaim_timer, (IC_RECLAIM_MINUTE_MS - passed_ms + speed - 1) / speed);
}

static void on_minute(void *ctx)
{
    struct ic_fleet *fleet = ctx;
    int result = step(fleet);
    if (result < 0) {
        ic_log(IC_LOG_WARNING, "reclaim", "reason=\"%s\"", ic_error_text(result));
    }
    wait_for_minute(fleet);
}

void ic_fleet_begin_reclaiming(struct ic_fleet *fleet)
{
    ic_timer_init(&fleet->reclaim_timer, fleet->loop, on_minute, fleet);
    fleet->model_begin_ms = ic_loop_now_ms(fleet->loop);
    if (fleet->options.reclaim != NULL && !ic_reclaim_model_none(fleet->options.reclaim)) {
        fleet->model = *fleet->options.reclaim;
        wait_for_minute(fleet);
    }
    fleet->options.reclaim = NULL; /* was borrowed */
}
