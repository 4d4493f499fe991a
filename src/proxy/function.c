#include "proxy/function.h"

#include "base/config.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    REPLY_MARGIN_MS = 15000, /* an Invoke's response may be so much later than its deadline */
    WARM_REPLY_MS = 30000,   /* a warm-up returns at once; a cold start takes up to 10 s */
    LEFT_GRACE_MS = 300,     /* from BYE_OK to the node's return, where no response will tell */
    REDIAL_MS = 3000,        /* a node without link leaves after 1 s; with room for its clock */
    FAREWELL_MS = 15000, /* before an invocation's end it is sent home, if it has not said BYE */
    STAGE_FAILED = 100,  /* r->stage: on the list of ic_functions_fail_later */
};

static uint64_t now(const struct ic_function *fn)
{
    return ic_loop_now_ms(fn->all->loop);
}

static const struct ic_pool_function *state_of(const struct ic_function *fn)
{
    return ic_pool_function(fn->all->pool, fn->index);
}

static enum ic_function_state event(struct ic_function *fn, enum ic_pool_event e)
{
    return ic_pool_event(fn->all->pool, fn->index, e, now(fn), ic_rng_next(&fn->all->rng));
}

static struct ic_pool_instance *attached_instance(struct ic_function *fn)
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

/* When a node whose link broke is given up; UINT64_MAX: its link is there, or that has been done.
 */
static uint64_t lost_at(const struct ic_function *fn)
{
    bool done = fn->given_up && state_of(fn)->response_due;
    return fn->link_lost_ms == 0 || done ? UINT64_MAX : fn->link_lost_ms + REDIAL_MS;
}

/* When an active node is to be sent home, that its invocation does not last too long. */
static uint64_t farewell_at(const struct ic_function *fn)
{
    uint64_t max_ms = ic_pool_invocation_max(fn->all->pool);
    uint64_t margin_ms = max_ms / 4 < FAREWELL_MS ? max_ms / 4 : FAREWELL_MS;
    return fn->leaving || !ic_link_attached(fn->link) ? UINT64_MAX
                                                      : state_of(fn)->deadline_ms - margin_ms;
}

bool ic_function_is_lost(const struct ic_function *fn)
{
    return state_of(fn)->state == IC_FUNCTION_ACTIVE && fn->given_up;
}

/* When something is to be done if nothing happens; UINT64_MAX: never. */
static uint64_t due_at(const struct ic_function *fn)
{
    const struct ic_pool_function *p = state_of(fn);
    const struct ic_node_request *r = first_waiter(fn);
    uint64_t due_ms = r == NULL ? UINT64_MAX : r->deadline_ms;
    if (r != NULL || fn->wanted) {
        uint64_t at_ms = ic_pool_invoke_at(fn->all->pool, fn->index);
        bool adoptable = !fn->begun && at_ms < fn->all->adopt_until_ms;
        least(&due_ms, adoptable ? fn->all->adopt_until_ms : at_ms);
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
    return due_ms;
}

/* The timer fires no later than needed; moving it to a later time is left to its firing. */
static void schedule(struct ic_function *fn)
{
    uint64_t due_ms = due_at(fn);
    if (due_ms != UINT64_MAX && (!fn->timer.armed || fn->timer.due_ms > due_ms)) {
        ic_timer_start(&fn->timer, due_ms > now(fn) ? due_ms - now(fn) : 0);
    }
}

static void set_deadlines(struct ic_function *fn, int64_t timeout_ms)
{
    uint64_t deadline_ms = now(fn) + (uint64_t)timeout_ms;
    IC_LIST_EACH (node, &fn->waiters) {
        IC_CONTAINER(node, struct ic_node_request, wait)->deadline_ms = deadline_ms;
    }
}

/* A link on which nothing has come for `node-timeout` although it was asked is no link. */
static void check_progress(struct ic_function *fn)
{
    uint64_t silent_ms = now(fn) - ic_link_heard_ms(fn->link);
    if (ic_link_attached(fn->link) && silent_ms >= (uint64_t)fn->all->config->node_timeout) {
        ic_log(IC_LOG_WARNING, "link-stalled", "function=%s silent_ms=%llu", fn->name,
               (unsigned long long)silent_ms);
        ic_link_detach(fn->link);
        fn->link_lost_ms = now(fn);
    }
}

static void expire(struct ic_function *fn)
{
    struct ic_node_request *r;
    while ((r = first_waiter(fn)) != NULL && r->deadline_ms <= now(fn)) {
        bool active = state_of(fn)->state == IC_FUNCTION_ACTIVE;
        if (active) {
            check_progress(fn);
        }
        ic_function_cancel(fn, r);
        r->done(r, active ? IC_ETIMEOUT : IC_EUNAVAIL);
    }
}

static void forget_link_loss(struct ic_function *fn)
{
    fn->link_lost_ms = 0;
    fn->given_up = fn->leaving = false;
}

/* An active node that has not dialled again: nobody waits for it until it has returned. */
static void check_lost(struct ic_function *fn)
{
    if (state_of(fn)->state == IC_FUNCTION_ACTIVE && lost_at(fn) <= now(fn)) {
        ic_log(IC_LOG_WARNING, "node-lost", "function=%s", fn->name);
        fn->given_up = true;
        ic_link_fail(fn->link, IC_EUNAVAIL, true);
    }
}

static void check_farewell(struct ic_function *fn)
{
    if (state_of(fn)->state == IC_FUNCTION_ACTIVE && farewell_at(fn) <= now(fn)) {
        fn->leaving = true;
        ic_function_dismiss(fn);
    }
}

/* Where no response is to come: has the node gone all the same? */
static void check_left(struct ic_function *fn)
{
    const struct ic_pool_function *p = state_of(fn);
    bool present = p->state == IC_FUNCTION_ACTIVE || p->state == IC_FUNCTION_LEAVING ||
                   p->state == IC_FUNCTION_UNKNOWN;
    if (!present || p->response_due) {
        return;
    }
    bool left = fn->left_ms != 0 && fn->left_ms <= now(fn);
    bool lost = fn->link_lost_ms != 0 && fn->link_lost_ms + REDIAL_MS <= now(fn);
    if (left || lost || p->deadline_ms <= now(fn)) {
        ic_link_detach(fn->link);
        forget_link_loss(fn);
        fn->left_ms = 0;
        event(fn, left || lost ? IC_POOL_NODE_LEFT : IC_POOL_DEADLINE);
        ic_log(IC_LOG_INFO, "node-left", "function=%s response=none", fn->name);
    }
}

static void on_timer(void *ctx)
{
    struct ic_function *fn = ctx;
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

static void refuse(struct ic_function *fn, struct ic_node_request *r, int result)
{
    ic_list_remove(&r->wait);
    ic_functions_fail_later(fn->all, r, result == 0 ? elsewhere(fn, r) : result);
    r->stage = STAGE_FAILED;
}

static bool is_awake(const struct ic_function *fn)
{
    return state_of(fn)->state == IC_FUNCTION_ACTIVE;
}

void ic_function_submit(struct ic_function *fn, struct ic_node_request *r)
{
    const struct ic_config *c = fn->all->config;
    struct ic_pool_instance *instance = ic_pool_find(fn->all->pool, fn->index, r->instance);
    ic_list_init(&r->node);
    ic_list_init(&r->wait);
    r->slot = NULL;
    r->stage = 0;
    if (r->instance != 0 && (instance == NULL || instance->away)) {
        refuse(fn, r, 0);
        return;
    }
    if (state_of(fn)->state == IC_FUNCTION_UNKNOWN || fn->all->stopping ||
        ic_function_is_lost(fn)) {
        refuse(fn, r, IC_EUNAVAIL);
        return;
    }
    r->submitted_ms = now(fn);
    r->deadline_ms = now(fn) + (uint64_t)(is_awake(fn) ? c->node_timeout : c->invoke_timeout);
    ic_list_push_back(&fn->waiters, &r->wait);
    ic_link_set_lease(fn->link, (uint32_t)c->lease);
    ic_link_submit(fn->link, r);
    ic_function_pursue(fn);
}

void ic_function_cancel(struct ic_function *fn, struct ic_node_request *r)
{
    if (r->stage == STAGE_FAILED) {
        r->stage = 0;
    } else if (r->stage != 0) {
        ic_link_cancel(fn->link, r);
    } else {
        return;
    }
    ic_list_remove(&r->wait);
}

/* ---- the link's words ------------------------------------------------------- */

static void on_answered(void *ctx, struct ic_node_request *r, int result)
{
    (void)ctx;
    ic_list_remove(&r->wait);
    r->done(r, result);
}

static void on_refused(void *ctx, struct ic_node_request *r, int result)
{
    refuse(ctx, r, result);
}

static void on_bind(void *ctx, struct ic_node_request *r, uint32_t serial)
{
    struct ic_function *fn = ctx;
    r->instance = serial;
    if (r->first) {
        ic_pool_begin(fn->all->pool, fn->index, serial, r->cost);
    }
}

static struct ic_pool_condemned *next_delete(void *ctx)
{
    struct ic_pool_instance *instance = attached_instance(ctx);
    return instance == NULL ? NULL : ic_pool_condemned_pop(instance);
}

static void on_deleted(void *ctx, uint32_t serial, struct ic_pool_condemned *condemned)
{
    struct ic_function *fn = ctx;
    ic_pool_deleted(fn->all->pool, fn->index, serial, condemned);
}

static void on_not_deleted(void *ctx, uint32_t serial, struct ic_pool_condemned *condemned)
{
    struct ic_function *fn = ctx;
    ic_pool_condemned_return(fn->all->pool, fn->index, serial, condemned);
}

static void distrust(struct ic_function *fn, const char *reason);

static void on_listed(void *ctx, struct ic_slice items, bool last)
{
    struct ic_function *fn = ctx;
    struct ic_functions *f = fn->all;
    uint32_t serial = ic_link_serial(fn->link);
    struct ic_item item;
    int result;
    while ((result = ic_item_decode(&items, &item)) > 0) {
        f->handler->list_item(f->ctx, fn->index, serial, &item);
    }
    if (result < 0) {
        distrust(fn, "malformed-list");
        return;
    }
    struct ic_pool_instance *instance = attached_instance(fn);
    if (last && instance != NULL) {
        ic_pool_set_known(instance, true);
        f->handler->list_end(f->ctx, fn->index, serial);
        ic_log(IC_LOG_INFO, "node-listed", "function=%s live=%llu condemned=%llu", fn->name,
               (unsigned long long)instance->live, (unsigned long long)instance->condemned);
    }
}

/* The numbering of operations outlives the link's stay with an instance. */
static void save_numbers(struct ic_function *fn)
{
    struct ic_pool_instance *instance = attached_instance(fn);
    if (instance != NULL) {
        instance->op_sent = ic_link_op_sent(fn->link);
        instance->op_done = ic_link_op_done(fn->link);
    }
}

/* BYE_OK: from here until the next HELLO nothing is sent. */
static void say_goodbye(struct ic_function *fn)
{
    ic_link_goodbye(fn->link);
    event(fn, IC_POOL_GOODBYE);
    forget_link_loss(fn);
    fn->left_ms = now(fn) + LEFT_GRACE_MS;
    set_deadlines(fn, fn->all->config->invoke_timeout); /* of those that wait for the next one */
    schedule(fn);
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
        say_goodbye(fn);
    }
}

static void on_idle(void *ctx)
{
    say_goodbye(ctx);
}

static void on_broken(void *ctx, int error)
{
    struct ic_function *fn = ctx;
    ic_log(error == IC_ECLOSED ? IC_LOG_INFO : IC_LOG_WARNING, "link-broken",
           "function=%s error=\"%s\"", fn->name, ic_error_text(error));
    fn->link_lost_ms = now(fn);
    if (error == IC_ESTALE) {
        distrust(fn, "operation-numbers");
    }
    schedule(fn);
}

static const struct ic_link_handler link_handler = {
    .answered = on_answered,
    .bind = on_bind,
    .refused = on_refused,
    .next_delete = next_delete,
    .deleted = on_deleted,
    .not_deleted = on_not_deleted,
    .listed = on_listed,
    .bye = on_bye,
    .idle = on_idle,
    .broken = on_broken,
};

/* What we believe of the attached instance is wrong: forget it; it is listed when it dials again.
 */
static void distrust(struct ic_function *fn, const char *reason)
{
    ic_log(IC_LOG_WARNING, "instance-distrusted", "function=%s serial=%u reason=%s", fn->name,
           ic_link_serial(fn->link), reason);
    ic_link_detach(fn->link);
    fn->link_lost_ms = now(fn);
    ic_pool_gone(fn->all->pool, fn->index, ic_link_serial(fn->link));
    schedule(fn);
}

void ic_function_gone(struct ic_function *fn, uint32_t serial)
{
    ic_link_forget(fn->link, serial);
}

/* ---- HELLO ------------------------------------------------------------------ */

/* The first four bytes of an invocation id are the epoch that made it, so old ones are told apart.
 */
static uint32_t epoch_of(const uint8_t invocation[IC_INVOCATION_ID_BYTES])
{
    return (uint32_t)invocation[0] << 24 | (uint32_t)invocation[1] << 16 |
           (uint32_t)invocation[2] << 8 | invocation[3];
}

/* HELLO is of the invocation that is outstanding or active. */
static enum ic_door_verdict judge_current(const struct ic_function *fn,
                                          const struct ic_hello *hello)
{
    const struct ic_pool_function *p = state_of(fn);
    bool same = fn->greeted && memcmp(fn->instance, hello->instance, sizeof fn->instance) == 0;
    if (same && hello->dial <= fn->dial) {
        return IC_DOOR_REFUSE; /* a replay */
    }
    switch (p->state) {
    case IC_FUNCTION_INVOKING:
    case IC_FUNCTION_UNKNOWN:
    case IC_FUNCTION_ACTIVE:
        if (p->kind == IC_INVOKE_WARM && !fn->greeted) {
            return IC_DOOR_REFUSE;
        }
        return fn->greeted && !same ? IC_DOOR_DISMISS : IC_DOOR_ENTER;
    case IC_FUNCTION_LEAVING: /* BYE_OK was lost with the link, or a second instance */
        return IC_DOOR_DISMISS;
    case IC_FUNCTION_ABSENT:
    case IC_FUNCTION_ASLEEP:
    case IC_FUNCTION_LOST:
        break;
    }
    return IC_DOOR_REFUSE; /* that invocation is over */
}

enum ic_door_verdict ic_function_judge(struct ic_function *fn, const struct ic_hello *hello)
{
    struct ic_functions *f = fn->all;
    enum ic_door_verdict verdict;
    if (hello->highest_epoch > f->epoch || (hello->flags & IC_HELLO_DYING) != 0) {
        verdict = IC_DOOR_REFUSE;
    } else if ((fn->begun || fn->greeted) &&
               memcmp(fn->invocation, hello->invocation, sizeof fn->invocation) == 0) {
        verdict = judge_current(fn, hello);
    } else if (epoch_of(hello->invocation) >= f->epoch) {
        verdict = IC_DOOR_REFUSE; /* of this life, and not the current one; or of no life */
    } else {
        verdict = fn->begun || f->stopping ? IC_DOOR_DISMISS : IC_DOOR_ENTER; /* adopted */
    }
    fn->figures.hellos_refused += verdict == IC_DOOR_REFUSE;
    fn->figures.dismissed += verdict == IC_DOOR_DISMISS;
    if (verdict == IC_DOOR_DISMISS) {
        ic_log(IC_LOG_INFO, "node-dismissed", "function=%s", fn->name);
    }
    return verdict;
}

/* The position must lie between the last operation answered and the last sent. */
static bool position_fits(const struct ic_pool_instance *instance, uint64_t position)
{
    if (instance->heard_ms == 0) {
        return true; /* named by the journal, which knows no positions */
    }
    return position >= instance->op_done && position <= instance->op_sent;
}

/* What the node holds must be what we count, if nothing is under way; some of what is condemned may
 * never have arrived. */
static bool held_fits(const struct ic_function *fn, const struct ic_pool_instance *instance)
{
    uint64_t held = instance->held_reported;
    bool quiet = ic_link_idle(fn->link) && instance->in_flight == 0;
    return !quiet || (held >= instance->live && held <= instance->live + instance->condemned);
}

/* The record of the instance that says HELLO, forgotten and made anew if its position is not ours.
 */
static struct ic_pool_instance *meet(struct ic_function *fn, const struct ic_hello *hello,
                                     bool again)
{
    struct ic_pool *pool = fn->all->pool;
    struct ic_pool_instance *instance = ic_pool_find_id(pool, fn->index, hello->instance);
    if (instance != NULL && !position_fits(instance, hello->position)) {
        ic_log(IC_LOG_WARNING, "instance-distrusted",
               "function=%s serial=%u position=%llu done=%llu sent=%llu", fn->name,
               instance->serial, (unsigned long long)hello->position,
               (unsigned long long)instance->op_done, (unsigned long long)instance->op_sent);
        ic_pool_gone(pool, fn->index, instance->serial);
        instance = NULL;
    }
    if (instance == NULL || !again) {
        instance = ic_pool_heard(pool, fn->index, hello->instance, hello->capacity_bytes,
                                 hello->position, hello->held_bytes, now(fn));
    }
    instance->held_reported = hello->held_bytes;
    if (instance->known && !held_fits(fn, instance)) {
        ic_log(IC_LOG_WARNING, "instance-differs",
               "function=%s serial=%u held=%llu live=%llu condemned=%llu", fn->name,
               instance->serial, (unsigned long long)hello->held_bytes,
               (unsigned long long)instance->live, (unsigned long long)instance->condemned);
        ic_pool_set_known(instance, false);
    }
    return instance;
}

void ic_function_enter(struct ic_function *fn, const struct ic_hello *hello,
                       struct ic_stream *stream)
{
    struct ic_functions *f = fn->all;
    bool again = state_of(fn)->state == IC_FUNCTION_ACTIVE;
    save_numbers(fn);
    ic_link_detach(fn->link);
    if (!again) {
        event(fn, IC_POOL_HELLO);
    }
    memcpy(fn->invocation, hello->invocation, sizeof fn->invocation);
    memcpy(fn->instance, hello->instance, sizeof fn->instance);
    fn->dial = hello->dial;
    fn->greeted = fn->begun = fn->heard = true;
    fn->wanted = false;
    fn->left_ms = 0;
    forget_link_loss(fn);
    fn->figures.hellos++;
    fn->figures.redials += again;
    struct ic_pool_instance *instance = meet(fn, hello, again);
    ic_log(instance->known ? IC_LOG_DEBUG : IC_LOG_INFO, "node-hello",
           "function=%s serial=%u dial=%u held=%llu list=%s", fn->name, instance->serial,
           hello->dial, (unsigned long long)hello->held_bytes, instance->known ? "no" : "yes");
    if (!instance->known) {
        f->handler->list_begin(f->ctx, fn->index, instance->serial);
    }
    set_deadlines(fn, f->config->node_timeout);
    struct ic_link_attach a = {.stream = stream,
                               .serial = instance->serial,
                               .position = hello->position,
                               .lease_ms = (uint32_t)f->config->lease,
                               .list = !instance->known};
    memcpy(a.id, hello->instance, sizeof a.id);
    ic_link_attach(fn->link, &a);
    schedule(fn);
}

/* ---- Invoke ----------------------------------------------------------------- */

static void count_bill(struct ic_function *fn, enum ic_invoke_kind kind,
                       const struct ic_lambda_reply *reply)
{
    if (!reply->reported) {
        fn->figures.unreported++;
    } else if (kind == IC_INVOKE_WARM) {
        fn->figures.billed_warm_ms += reply->report.billed_ms;
    } else {
        fn->figures.billed_serve_ms += reply->report.billed_ms;
    }
}

/* The event that a reply is, given that the function is in STATE. */
static enum ic_pool_event event_of(struct ic_function *fn, enum ic_function_state state,
                                   const struct ic_lambda_reply *reply)
{
    switch (reply->error) {
    case 0:
        fn->figures.crashes += reply->function_error;
        return reply->function_error ? IC_POOL_CRASHED : IC_POOL_RESPONSE;
    case IC_ECLOSED:
    case IC_ETIMEOUT:
    case IC_ETOOBIG:
    case IC_ENOMEM:
        fn->figures.lost_responses++;
        return IC_POOL_RESPONSE_LOST;
    default:
        break;
    }
    if (state != IC_FUNCTION_INVOKING) {
        /* It was refused, but a node runs: the request went out twice. That answer is lost. */
        fn->figures.lost_responses++;
        return IC_POOL_RESPONSE_LOST;
    }
    if (reply->error == IC_ETHROTTLED) {
        fn->figures.throttles++;
        return IC_POOL_THROTTLED;
    }
    fn->figures.failures++;
    return IC_POOL_FAILED;
}

/* The node's own words in a response: of a warm-up they are how the instance is heard. */
static void read_reply(struct ic_function *fn, enum ic_invoke_kind kind,
                       const struct ic_lambda_reply *reply)
{
    struct ic_invoke_reply node;
    if (ic_invoke_reply_decode(reply->body, &node) < 0) {
        ic_log(IC_LOG_WARNING, "invoke-foreign", "function=%s reason=not-a-node", fn->name);
        return;
    }
    struct ic_pool *pool = fn->all->pool;
    if (kind == IC_INVOKE_WARM && !fn->greeted) {
        ic_pool_heard(pool, fn->index, node.instance, node.capacity, node.position, node.held,
                      now(fn));
        return;
    }
    struct ic_pool_instance *instance = ic_pool_find_id(pool, fn->index, node.instance);
    if (instance != NULL) {
        instance->held_reported = node.held;
    }
}

static void log_reply(const struct ic_function *fn, const struct ic_lambda_reply *reply)
{
    if (reply->error == 0 && !reply->function_error) {
        ic_log(IC_LOG_DEBUG, "invoke-done", "function=%s billed_ms=%llu", fn->name,
               (unsigned long long)reply->report.billed_ms);
        return;
    }
    char type[128];
    char message[400];
    ic_log(IC_LOG_WARNING, "invoke-failed", "function=%s status=%d error=\"%s\" type=%s message=%s",
           fn->name, reply->status,
           reply->function_error ? "function error" : ic_error_text(reply->error),
           ic_log_quote(type, sizeof type, ic_slice_str(reply->why.type)),
           ic_log_quote(message, sizeof message, ic_slice_str(reply->why.message)));
}

static void on_reply(void *ctx, const struct ic_lambda_reply *reply)
{
    struct ic_function *fn = ctx;
    enum ic_invoke_kind kind = state_of(fn)->kind;
    enum ic_pool_event e = event_of(fn, state_of(fn)->state, reply);
    fn->call = NULL;
    fn->heard = true;
    log_reply(fn, reply);
    if (e != IC_POOL_THROTTLED && e != IC_POOL_FAILED) {
        count_bill(fn, kind, reply);
    }
    if (e == IC_POOL_RESPONSE) {
        read_reply(fn, kind, reply);
    }
    if (e == IC_POOL_RESPONSE || e == IC_POOL_CRASHED) {
        ic_link_detach(fn->link);
        fn->left_ms = 0;
        forget_link_loss(fn);
        fn->wanted = fn->wanted && kind == IC_INVOKE_WARM;
    } else if (e == IC_POOL_FAILED) {
        fn->wanted = false;
    }
    event(fn, e);
    if (kind == IC_INVOKE_WARM) {
        ic_functions_warm_ended(fn->all);
    }
    ic_function_pursue(fn);
}

static int send_invoke(struct ic_function *fn, enum ic_invoke_kind kind)
{
    struct ic_functions *f = fn->all;
    struct ic_invoke_payload payload = {
        .kind = kind == IC_INVOKE_WARM ? "warm" : "serve",
        .function = fn->name,
        .proxy = f->node_address,
        .epoch = f->epoch,
        .lease_ms = (uint64_t)f->config->lease,
    };
    memcpy(payload.invocation, fn->invocation, sizeof payload.invocation);
    ic_link_key(ic_slice(f->secret, sizeof f->secret), ic_slice_str(fn->name), fn->invocation,
                payload.key);
    struct ic_buf body;
    ic_buf_init(&body);
    uint64_t timeout_ms = kind == IC_INVOKE_WARM
                              ? WARM_REPLY_MS
                              : (uint64_t)f->config->function_timeout + REPLY_MARGIN_MS;
    int result = ic_invoke_payload_encode(&payload, &body);
    if (result == 0) {
        result = ic_lambda_invoke(f->lambda, fn->name, ic_buf_slice(&body), timeout_ms, on_reply,
                                  fn, &fn->call);
    }
    ic_buf_deinit(&body);
    return result;
}

static void invoke(struct ic_function *fn, enum ic_invoke_kind kind)
{
    event(fn, kind == IC_INVOKE_WARM ? IC_POOL_INVOKE_WARM : IC_POOL_INVOKE_SERVE);
    ic_random_fill(fn->invocation, sizeof fn->invocation);
    for (int i = 0; i < 4; i++) {
        fn->invocation[i] = (uint8_t)(fn->all->epoch >> (24 - 8 * i));
    }
    fn->greeted = false;
    fn->begun = true;
    fn->dial = 0;
    fn->left_ms = 0;
    forget_link_loss(fn);
    if (kind == IC_INVOKE_WARM) {
        fn->figures.invocations_warm++;
        fn->all->warming++;
    } else {
        fn->figures.invocations_serve++;
    }
    ic_log(IC_LOG_DEBUG, "invoke", "function=%s kind=%s", fn->name,
           kind == IC_INVOKE_WARM ? "warm" : "serve");
    if (send_invoke(fn, kind) < 0) {
        fn->call = NULL;
        fn->wanted = false;
        fn->figures.failures++;
        event(fn, IC_POOL_FAILED);
        if (kind == IC_INVOKE_WARM) {
            ic_functions_warm_ended(fn->all);
        }
    }
}

void ic_function_pursue(struct ic_function *fn)
{
    const struct ic_pool_function *p = state_of(fn);
    bool asked = ic_link_asked(fn->link) || fn->wanted;
    bool adoptable = !fn->begun && now(fn) < fn->all->adopt_until_ms;
    if (asked && !adoptable && !fn->all->stopping &&
        ic_pool_may_invoke(fn->all->pool, fn->index, now(fn))) {
        invoke(fn, IC_INVOKE_SERVE);
    }
    if (p->state == IC_FUNCTION_LOST && p->retry_ms > now(fn)) {
        ic_link_fail(fn->link, IC_EUNAVAIL, true); /* others may serve in its place */
        fn->wanted = false;
    }
    schedule(fn);
}

void ic_function_warm(struct ic_function *fn)
{
    invoke(fn, IC_INVOKE_WARM);
    schedule(fn);
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
    *fn = (struct ic_function){.all = all, .index = index};
    ic_list_init(&fn->waiters);
    ic_timer_init(&fn->timer, all->loop, on_timer, fn);
    int len = snprintf(fn->name, sizeof fn->name, "%s-%u", all->config->function_prefix, index);
    if (len < 0 || (size_t)len >= sizeof fn->name) {
        return IC_EINVAL;
    }
    fn->link = ic_link_new(all->loop, all->scratch, &link_handler, fn);
    return fn->link == NULL ? IC_ENOMEM : 0;
}

void ic_function_deinit(struct ic_function *fn)
{
    ic_timer_stop(&fn->timer);
    ic_link_free(fn->link);
}
