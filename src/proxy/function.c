#include "proxy/function.h"

#include "base/alloc.h"
#include "base/config.h"
#include "base/log.h"
#include "proto/frame.h"
#include "proxy/books.h"
#include "proxy/function_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    LEFT_GRACE_MS = 300, /* from BYE_OK to the node's return, where no response will tell */
    REDIAL_MS = 3000,    /* a node without link leaves after 1 s; with room for its clock */
    PATIENCE_MS = 500,   /* a back-off that ends so soon is waited for */
    WAKINGS_MAX = 3, /* a node may leave before it has answered, and the next; then it is enough */
    STAGE_FAILED = 100, /* r->stage: on the list of ic_functions_fail_later */
};

struct ic_pool_instance *ic_function_attached(const struct ic_function *fn)
{
    return ic_pool_find(fn->all->pool, fn->index, ic_link_serial(fn->link));
}

/* ---- deadlines -------------------------------------------------------------- */

static struct ic_node_request *first_waiter(const struct ic_function *fn)
{
    return ic_list_empty(&fn->waiters)
               ? NULL
               : IC_CONTAINER(fn->waiters.next, struct ic_node_request, wait);
}

static void least(uint64_t *due_ms, uint64_t at_ms)
{
    if (at_ms < *due_ms) {
        *due_ms = at_ms;
    }
}

/* When a node whose link broke is given up: at once if it would dial in vain; UINT64_MAX: its link
 * is there, or that has been done. */
static uint64_t lost_at(const struct ic_function *fn)
{
    bool done = fn->given_up && ic_function_state(fn)->response_due;
    bool in_vain = !fn->given_up && ic_function_is_deaf_to(fn);
    uint64_t wait_ms = in_vain ? 0 : REDIAL_MS;
    return fn->link_lost_ms == 0 || done ? UINT64_MAX : fn->link_lost_ms + wait_ms;
}

/* When an active node is to be sent home, that its invocation does not last too long. */
static uint64_t farewell_at(const struct ic_function *fn)
{
    return fn->leaving || !ic_link_attached(fn->link)
               ? UINT64_MAX
               : ic_pool_farewell_ms(fn->all->pool, fn->index, fn->lane);
}

bool ic_function_is_lost(const struct ic_function *fn)
{
    return ic_function_state(fn)->state == IC_FUNCTION_ACTIVE && fn->given_up;
}

uint64_t ic_function_held_until(const struct ic_function *fn)
{
    uint64_t own_ms = fn->own->hold_until_ms, knocks_ms = fn->all->knocks_until_ms;
    return fn->begun ? 0 : own_ms > knocks_ms ? own_ms : knocks_ms;
}

/* When something is to be done if nothing happens; UINT64_MAX: never. */
static uint64_t due_at(const struct ic_function *fn)
{
    const struct ic_pool_run *p = ic_function_state(fn);
    const struct ic_node_request *r = first_waiter(fn);
    uint64_t due_ms = r == NULL ? UINT64_MAX : r->deadline_ms;
    if (!ic_function_is_peer(fn) && (r != NULL || fn->wanted)) {
        uint64_t at_ms = ic_pool_invoke_at(fn->all->pool, fn->index);
        uint64_t held_ms = ic_function_held_until(fn);
        least(&due_ms, at_ms < held_ms ? held_ms : at_ms);
    }
    switch (p->state) {
    case IC_FUNCTION_ACTIVE:
        least(&due_ms, farewell_at(fn));
        least(&due_ms, lost_at(fn));
        least(&due_ms, p->response_due ? UINT64_MAX : p->deadline_ms);
        break;
    case IC_FUNCTION_LEAVING:
    case IC_FUNCTION_UNKNOWN:
        if (!p->response_due) {
            least(&due_ms, p->deadline_ms);
            least(&due_ms, fn->left_ms == 0 ? UINT64_MAX : fn->left_ms);
            least(&due_ms, lost_at(fn));
        }
        break;
    case IC_FUNCTION_ABSENT:
    case IC_FUNCTION_ASLEEP:
    case IC_FUNCTION_INVOKING:
    case IC_FUNCTION_LOST:
        break;
    }
    if (!ic_function_is_peer(fn)) {
        least(&due_ms, ic_function_pace_at(fn));
    }
    return due_ms;
}

void ic_function_schedule(struct ic_function *fn)
{
    uint64_t due_ms = due_at(fn);
    if (due_ms != UINT64_MAX && (!fn->timer.armed || fn->timer.due_ms > due_ms)) {
        ic_timer_start(&fn->timer, due_ms > ic_function_now(fn) ? due_ms - ic_function_now(fn) : 0);
    }
}

void ic_function_set_deadlines(struct ic_function *fn, int64_t timeout_ms)
{
    const struct ic_config *c = fn->all->config;
    uint64_t deadline_ms = ic_function_now(fn) + (uint64_t)timeout_ms;
    uint64_t longest_ms = WAKINGS_MAX * (uint64_t)(c->invoke_timeout + c->node_timeout);
    IC_LIST_EACH (node, &fn->waiters) {
        struct ic_node_request *r = IC_CONTAINER(node, struct ic_node_request, wait);
        r->deadline_ms = deadline_ms;
        least(&r->deadline_ms, r->submitted_ms + longest_ms);
    }
}

void ic_function_note_silence(struct ic_function *fn, uint64_t silent_ms)
{
    ic_function_note_trouble(
        fn, IC_OUTAGE_SILENT, silent_ms, "no node has dialled in within invoke-timeout",
        "can functions reach node-address, and does platform-endpoint answer?");
}

/* A link on which nothing has come for `node-timeout` although it was asked is no link. */
static void check_progress(struct ic_function *fn)
{
    uint64_t silent_ms = ic_function_now(fn) - ic_link_heard_ms(fn->link);
    if (ic_link_attached(fn->link) && silent_ms >= (uint64_t)fn->all->config->node_timeout) {
        ic_log(IC_LOG_WARNING, "link-stalled", "function=%s silent_ms=%llu", fn->name,
               (unsigned long long)silent_ms);
        ic_link_detach(fn->link);
        fn->link_lost_ms = ic_function_now(fn);
    }
}

static void expire(struct ic_function *fn)
{
    struct ic_node_request *r;
    while ((r = first_waiter(fn)) != NULL && r->deadline_ms <= ic_function_now(fn)) {
        bool active = ic_function_state(fn)->state == IC_FUNCTION_ACTIVE;
        if (active) {
            check_progress(fn);
        }
        if (ic_function_state(fn)->state == IC_FUNCTION_INVOKING) {
            ic_function_note_silence(fn, (uint64_t)fn->all->config->invoke_timeout);
        }
        ic_function_cancel(fn, r);
        r->done(r, active ? IC_ETIMEOUT : IC_EUNAVAIL);
    }
}

void ic_function_forget_link_loss(struct ic_function *fn)
{
    fn->link_lost_ms = 0;
    fn->given_up = fn->leaving = false;
}

/* Nobody waits for an active node without a link until it has dialled again or returned. */
static void give_up(struct ic_function *fn)
{
    fn->given_up = true;
    ic_function_step_meeting(fn);
    ic_link_fail(fn->link, IC_EUNAVAIL, true);
}

static void check_lost(struct ic_function *fn)
{
    if (ic_function_state(fn)->state == IC_FUNCTION_ACTIVE && lost_at(fn) <= ic_function_now(fn)) {
        ic_log(IC_LOG_WARNING, "node-lost", "function=%s", fn->name);
        give_up(fn);
    }
}

static void check_farewell(struct ic_function *fn)
{
    if (ic_function_state(fn)->state == IC_FUNCTION_ACTIVE &&
        farewell_at(fn) <= ic_function_now(fn)) {
        fn->leaving = true;
        ic_function_step_meeting(fn);
        ic_function_dismiss(fn);
    }
}

/* Where no response is to come: has the node gone all the same? */
static void check_left(struct ic_function *fn)
{
    const struct ic_pool_run *p = ic_function_state(fn);
    bool present = p->state == IC_FUNCTION_ACTIVE || p->state == IC_FUNCTION_LEAVING ||
                   p->state == IC_FUNCTION_UNKNOWN;
    if (!present || p->response_due) {
        return;
    }
    bool left = fn->left_ms != 0 && fn->left_ms <= ic_function_now(fn);
    bool lost = fn->link_lost_ms != 0 && fn->link_lost_ms + REDIAL_MS <= ic_function_now(fn);
    if (left || lost || p->deadline_ms <= ic_function_now(fn)) {
        ic_function_save_numbers(fn);
        ic_link_detach(fn->link);
        ic_function_forget_link_loss(fn);
        fn->left_ms = 0;
        ic_function_settle(fn, left || lost);
        ic_function_event(fn, left || lost ? IC_POOL_NODE_LEFT : IC_POOL_DEADLINE);
        ic_function_step_meeting(fn);
        ic_log(IC_LOG_INFO, "node-left", "function=%s response=none", fn->name);
    }
}

static void on_timer(void *ctx)
{
    struct ic_function *fn = ctx;
    ic_function_show_pace(fn);
    expire(fn);
    check_farewell(fn);
    check_left(fn);
    check_lost(fn);
    ic_function_pursue(fn);
}

/* ---- requests --------------------------------------------------------------- */

/* Why a request to an instance that is not attached cannot be served. */
static int elsewhere(const struct ic_function *fn, const struct ic_node_request *r)
{
    return ic_pool_holds(fn->all->pool, r->function, r->instance) ? IC_EAWAY : IC_ESTALE;
}

/* R waits no longer. */
static void leave_queue(struct ic_function *fn, struct ic_node_request *r)
{
    ic_list_remove(&r->wait);
    if (ic_list_empty(&fn->waiters)) {
        ic_lease_quiet(&fn->lease, ic_function_now(fn));
    }
}

void ic_function_refuse(struct ic_function *fn, struct ic_node_request *r, int result)
{
    ic_functions_fail_later(fn->all, r, result == 0 ? elsewhere(fn, r) : result);
    r->stage = STAGE_FAILED;
}

static bool is_awake(const struct ic_function *fn)
{
    return ic_function_state(fn)->state == IC_FUNCTION_ACTIVE;
}

/* The one of FN's two invocations that R is for. */
static struct ic_function *lane_of(struct ic_function *fn, const struct ic_node_request *r)
{
    uint32_t beside = ic_pool_function(fn->all->pool, fn->index)->beside;
    return fn->peer != NULL && r->instance != 0 && r->instance == beside ? fn->peer : fn;
}

void ic_function_submit(struct ic_function *fn, struct ic_node_request *r)
{
    assert(ic_node_request_is_idle(r));
    fn = lane_of(fn, r);
    r->beside = ic_function_is_peer(fn);
    const struct ic_config *c = fn->all->config;
    struct ic_pool_instance *instance = ic_pool_find(fn->all->pool, fn->index, r->instance);
    ic_list_init(&r->node);
    ic_list_init(&r->wait);
    r->slot = NULL;
    r->link = ic_function_dying_link(fn, r);
    if (r->link != NULL) {
        ic_link_submit(r->link, r);
        return;
    }
    r->link = fn->link;
    if (r->instance != 0 && (instance == NULL || instance->away)) {
        ic_function_refuse(fn, r, 0);
        return;
    }
    if (ic_function_state(fn)->state == IC_FUNCTION_UNKNOWN || fn->all->stopping ||
        ic_function_is_lost(fn)) {
        ic_function_refuse(fn, r, IC_EUNAVAIL);
        return;
    }
    r->submitted_ms = fn->figures.asked_ms = ic_function_now(fn);
    r->deadline_ms =
        ic_function_now(fn) + (uint64_t)(is_awake(fn) ? c->node_timeout : c->invoke_timeout);
    if (ic_list_empty(&fn->waiters) && r->cause == IC_COST_SERVE) {
        ic_function_lease_arrival(fn, r->nodes);
    }
    ic_list_push_back(&fn->waiters, &r->wait);
    if (is_awake(fn)) { /* else its HELLO will see to it */
        ic_link_set_lease(fn->link, ic_function_lease_ms(fn, false));
    }
    ic_link_submit(fn->link, r);
    ic_function_pursue(fn);
}

void ic_function_cancel(struct ic_function *fn, struct ic_node_request *r)
{
    fn = r->beside ? fn->own->peer : fn;
    if (r->stage == STAGE_FAILED) {
        r->stage = 0;
        ic_list_remove(&r->wait);
    } else if (r->stage != 0) {
        ic_link_cancel(r->link, r);
        if (r->link == fn->link) {
            ic_function_note_pace(fn, ic_link_due_ms(fn->link), ic_slow_waits);
            leave_queue(fn, r);
        }
    }
}

/* ---- the link's words ------------------------------------------------------- */

/*
 * What R cost: the node's time from what earlier requests have paid until R's own lease is over,
 * and the invocation's fee if nobody has paid it. So the sum over requests is what serving costs,
 * but for the rounding of billed durations.
 */
static void price(struct ic_function *fn, struct ic_node_request *r)
{
    struct ic_rate rate = ic_cost_rate(ic_books_cost(fn->all->books));
    uint64_t until_ms = ic_function_now(fn) + fn->lease_ms;
    if (until_ms > fn->paid_until_ms) {
        r->dollars += (double)(until_ms - fn->paid_until_ms) * rate.per_ms;
        fn->paid_until_ms = until_ms;
    }
    if (fn->fee_due) {
        r->dollars += rate.per_invocation;
        fn->fee_due = false;
    }
}

static void on_answered(void *ctx, struct ic_node_request *r, int result)
{
    struct ic_function *fn = ctx;
    ic_function_note_pace(fn, ic_link_answer_ms(fn->link), ic_slow_took);
    price(fn, r);
    leave_queue(fn, r);
    r->done(r, result);
    if (ic_list_empty(&fn->waiters)) {
        ic_function_lease_quiet(fn);
    }
}

static void on_refused(void *ctx, struct ic_node_request *r, int result)
{
    leave_queue(ctx, r);
    ic_function_refuse(ctx, r, result);
}

static uint32_t on_bind(void *ctx, const struct ic_node_request *r, uint32_t serial)
{
    const struct ic_functions *f = ((struct ic_function *)ctx)->all;
    return f->handler->begin(f->ctx, r, serial);
}

static bool next_delete(void *ctx, struct ic_condemned *out)
{
    struct ic_pool_instance *instance = ic_function_attached(ctx);
    return instance != NULL && ic_condemned_pop(&instance->condemned_queue, out);
}

static void on_deleted(void *ctx, uint32_t serial, const struct ic_condemned *condemned)
{
    struct ic_function *fn = ctx;
    fn->figures.deletes_peer += ic_function_is_peer(fn);
    ic_pool_deleted(fn->all->pool, fn->index, serial, condemned);
}

static void on_not_deleted(void *ctx, uint32_t serial, const struct ic_condemned *condemned)
{
    struct ic_function *fn = ctx;
    ic_pool_condemned_return(fn->all->pool, fn->index, serial, condemned);
}

void ic_function_save_numbers(struct ic_function *fn)
{
    struct ic_pool_instance *instance = ic_function_attached(fn);
    if (instance != NULL) {
        instance->op_sent = ic_link_op_sent(fn->link);
        instance->op_done = ic_link_op_done(fn->link);
    }
}

/* BYE_OK: from here until the next HELLO nothing is sent. */
static void say_goodbye(struct ic_function *fn)
{
    ic_function_save_numbers(fn);
    ic_link_goodbye(fn->link);
    ic_function_event(fn, IC_POOL_GOODBYE);
    ic_function_forget_link_loss(fn);
    fn->left_ms = ic_function_now(fn) + LEFT_GRACE_MS;
    fn->bye_held = false;
    ic_function_step_meeting(fn);
    ic_function_set_deadlines(
        fn, fn->all->config->invoke_timeout); /* of those that wait for the next one */
    ic_function_schedule(fn);
}

/* The link's instance is not there any more if it was dying. */
static void end_if_dying(struct ic_function *fn)
{
    if (ic_function_find_dying(fn, ic_link_serial(fn->link)) != NULL) {
        ic_pool_gone(fn->all->pool, fn->index, ic_link_serial(fn->link));
    }
}

static void on_bye(void *ctx, bool deadline_near, uint64_t left_ms)
{
    struct ic_function *fn = ctx;
    if (deadline_near) {
        ic_log(IC_LOG_INFO, "node-deadline", "function=%s left_ms=%llu", fn->name,
               (unsigned long long)left_ms);
        ic_link_drain(fn->link);
    }
    if (ic_link_idle(fn->link) && (deadline_near || !ic_link_asked(fn->link))) {
        if (!deadline_near && ic_function_is_kept(fn)) {
            fn->bye_held = true;
            return;
        }
        say_goodbye(fn);
    }
}

static void on_idle(void *ctx)
{
    struct ic_function *fn = ctx;
    say_goodbye(fn);
    end_if_dying(fn);
}

static void on_offered(void *ctx, struct ic_slice items, uint64_t left_ms)
{
    ic_function_offered(ctx, items, left_ms);
}

void ic_function_link_lost(struct ic_function *fn)
{
    fn->link_lost_ms = ic_function_now(fn);
    ic_function_schedule(fn);
}

static void on_broken(void *ctx, int error)
{
    struct ic_function *fn = ctx;
    ic_log(error == IC_ECLOSED ? IC_LOG_INFO : IC_LOG_WARNING, "link-broken",
           "function=%s error=\"%s\"", fn->name, ic_error_text(error));
    ic_function_link_lost(fn);
    if (error == IC_ESTALE) {
        ic_function_distrust(fn, "operation-numbers");
    }
    end_if_dying(fn);
}

static const struct ic_link_handler link_handler = {
    .answered = on_answered,
    .bind = on_bind,
    .refused = on_refused,
    .next_delete = next_delete,
    .deleted = on_deleted,
    .not_deleted = on_not_deleted,
    .items = ic_function_items,
    .listed = ic_function_listed,
    .bye = on_bye,
    .offered = on_offered,
    .idle = on_idle,
    .broken = on_broken,
};

void ic_function_distrust(struct ic_function *fn, const char *reason)
{
    ic_function_event(fn, IC_POOL_DOUBTED);
    ic_log(IC_LOG_WARNING, "instance-distrusted", "function=%s serial=%u reason=%s", fn->name,
           ic_link_serial(fn->link), reason);
    ic_link_detach(fn->link);
    ic_pool_gone(fn->all->pool, fn->index, ic_link_serial(fn->link));
    give_up(fn);
    ic_function_link_lost(fn);
}

void ic_function_gone(struct ic_function *fn, uint32_t serial)
{
    ic_function_dying_gone(fn, serial);
    ic_link_forget(fn->link, serial);
    if (fn->peer != NULL) {
        ic_link_forget(fn->peer->link, serial);
    }
    ic_function_step_meeting(fn);
}

/* A peer's invocation is over: its instance is away, and the function may be invoked. */
static void pursue_peer(struct ic_function *fn)
{
    if (ic_function_state(fn)->state == IC_FUNCTION_ABSENT) {
        ic_link_fail(fn->link, 0, true);
        ic_function_pursue(fn->own);
    }
    ic_function_schedule(fn);
}

void ic_function_pursue(struct ic_function *fn)
{
    if (ic_function_is_peer(fn)) {
        pursue_peer(fn);
        return;
    }
    const struct ic_pool_run *p = ic_function_state(fn);
    bool asked = ic_link_asked(fn->link) || fn->wanted;
    if (asked && ic_function_held_until(fn) <= ic_function_now(fn) && !fn->all->stopping &&
        ic_pool_may_invoke(fn->all->pool, fn->index, ic_function_now(fn))) {
        ic_function_invoke(fn, IC_INVOKE_SERVE);
    }
    if (p->state == IC_FUNCTION_LOST && p->retry_ms > ic_function_now(fn)) {
        fn->wanted = false;
        if (p->retry_ms > ic_function_now(fn) + PATIENCE_MS) {
            ic_link_fail(fn->link, IC_EUNAVAIL, true);
        }
    }
    ic_function_schedule(fn);
}

void ic_function_failed(struct ic_function *fn)
{
    if (!fn->greeted && ic_function_state(fn)->state == IC_FUNCTION_LOST) {
        ic_link_fail(fn->link, IC_EUNAVAIL, true);
    }
}

void ic_function_warm(struct ic_function *fn)
{
    if (ic_function_state(fn)->doubted) { /* what it holds is to be heard, which no warm-up tells */
        fn->wanted = fn->curious = true;
        ic_function_pursue(fn);
        return;
    }
    ic_function_invoke(fn, IC_INVOKE_WARM);
    ic_function_schedule(fn);
}

bool ic_function_dismiss(struct ic_function *fn)
{
    if (!is_awake(fn) || !ic_link_attached(fn->link)) {
        return true;
    }
    ic_link_drain(fn->link);
    if (ic_link_idle(fn->link)) {
        say_goodbye(fn);
        return true;
    }
    return false;
}

/* ---- start and stop --------------------------------------------------------- */

int ic_function_init(struct ic_function *fn, struct ic_functions *all, uint16_t index)
{
    *fn = (struct ic_function){.all = all, .own = fn, .index = index, .lane = IC_LANE_SERVE};
    ic_list_init(&fn->waiters);
    ic_timer_init(&fn->timer, all->loop, on_timer, fn);
    ic_timer_init(&fn->meeting_timer, all->loop, ic_function_on_meeting_timer, fn);
    ic_worker_init(&fn->lister, ic_function_list_on, fn);
    int len = snprintf(fn->name, sizeof fn->name, "%s-%u", all->config->function_prefix, index);
    if (len < 0 || (size_t)len >= sizeof fn->name) {
        return IC_EINVAL;
    }
    fn->link = ic_link_new(all->loop, all->scratch, &link_handler, fn);
    return fn->link == NULL ? IC_ENOMEM : 0;
}

int ic_function_make_peer(struct ic_function *fn)
{
    if (fn->peer != NULL) {
        return 0;
    }
    struct ic_function *peer = ic_malloc(sizeof *peer);
    if (peer == NULL) {
        return IC_ENOMEM;
    }
    int result = ic_function_init(peer, fn->all, fn->index);
    if (result < 0) {
        ic_free(peer);
        return result;
    }
    peer->own = fn;
    peer->lane = IC_LANE_PEER;
    fn->peer = peer;
    return 0;
}

void ic_function_deinit(struct ic_function *fn)
{
    if (fn->peer != NULL) {
        ic_function_deinit(fn->peer);
        ic_free(fn->peer);
    }
    ic_timer_stop(&fn->timer);
    ic_timer_stop(&fn->meeting_timer);
    ic_worker_leave(&fn->lister);
    ic_link_free(fn->link);
}
