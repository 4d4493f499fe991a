/*
 * function_invoke.c - Invoke: the payload that goes out, the event that its answer is, and
 * what it was billed.
 */
#include "base/config.h"
#include "base/log.h"
#include "proxy/books.h"
#include "proxy/function_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    REPLY_MARGIN_MS = 15000, /* an Invoke's response may be so much later than its deadline */
    WARM_REPLY_MS = 30000,   /* a warm-up returns at once; a cold start takes up to 10 s */
    CURIOUS_MS = 60000,
    CURIOUS_MAX_MS = 3600000,
};

/*
 * Enters in the books what E says about the Invoke's cost. A lost response leaves it open until
 * its node has left (ic_function_settle), since only then it is known how long it can have lasted.
 */
static void count_bill(struct ic_function *fn, enum ic_pool_event e,
                       const struct ic_lambda_reply *reply)
{
    struct ic_books *books = fn->all->books;
    if (!fn->outstanding) {
        return;
    }
    if (reply->reported && e != IC_POOL_THROTTLED && e != IC_POOL_FAILED) {
        ic_books_charge(books, fn->index, fn->cause, reply->report.billed_ms);
    } else if (e == IC_POOL_THROTTLED || e == IC_POOL_FAILED) {
        ic_books_not_run(books, fn->index);
    } else if (e != IC_POOL_RESPONSE_LOST) {
        ic_books_unreported(books, fn->index, ic_function_now(fn) - fn->invoked_ms);
    } else {
        return;
    }
    fn->outstanding = false;
}

void ic_function_settle(struct ic_function *fn, bool left)
{
    if (fn->outstanding) {
        fn->outstanding = false;
        ic_books_unreported(fn->all->books, fn->index,
                            left ? ic_function_now(fn) - fn->invoked_ms : UINT64_MAX);
    }
}

void ic_function_count_double(struct ic_function *fn)
{
    if (memcmp(fn->doubled, fn->invocation, sizeof fn->doubled) != 0) {
        memcpy(fn->doubled, fn->invocation, sizeof fn->doubled);
        ic_books_invoke(fn->all->books, fn->index);
        ic_books_unreported(fn->all->books, fn->index, UINT64_MAX);
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

/* It has more chunks than we know of: it was silent when the catalog was rebuilt, or not heard to
 * its end, or has been away for long. Nothing would ask it, so that it would never be listed. */
static bool is_stranger(const struct ic_pool_instance *instance)
{
    return !instance->known &&
           instance->held_reported > instance->live + instance->in_flight + instance->condemned;
}

/* A stranger is woken at once, and, while it is not listed, again after a minute, two, ... an hour:
 * its node may never be heard. */
static bool is_to_be_woken(struct ic_function *fn, const struct ic_pool_instance *instance)
{
    uint64_t now_ms = ic_function_now(fn);
    if (!is_stranger(instance)) {
        fn->curious_tries = 0;
        return false;
    }
    if (fn->curious_tries > 0 && now_ms < fn->curious_ms) {
        return false;
    }
    uint64_t wait_ms = (uint64_t)CURIOUS_MS << fn->curious_tries;
    fn->curious_ms = now_ms + (wait_ms < CURIOUS_MAX_MS ? wait_ms : CURIOUS_MAX_MS);
    fn->curious_tries += wait_ms < CURIOUS_MAX_MS;
    return true;
}

/* Nobody waits for what has been invoked: that it is not heard keeps nobody from anything. */
static bool is_idle_curiosity(const struct ic_function *fn)
{
    return fn->curious && ic_list_empty(&fn->waiters);
}

/* The node's own words in a response: of a warm-up they are how the instance is heard. */
static void read_reply(struct ic_function *fn, enum ic_invoke_kind kind,
                       const struct ic_lambda_reply *reply)
{
    struct ic_invoke_reply node;
    if (ic_invoke_reply_decode(reply->body, &node) < 0) {
        ic_log(IC_LOG_WARNING, "invoke-foreign", "function=%s reason=not-a-node", fn->name);
        ic_function_note_trouble(fn, IC_OUTAGE_NO_NODE, 0, "what answers is no node",
                                 "are platform-endpoint and the function's code right?");
        return;
    }
    if (kind == IC_INVOKE_WARM) {
        ic_function_had(fn, true);
    } else if (!fn->greeted && !is_idle_curiosity(fn)) {
        ic_function_note_trouble(fn, IC_OUTAGE_NO_NODE, 0, "it ran, and its node was not heard",
                                 "can functions reach node-address?");
    }
    struct ic_pool *pool = fn->all->pool;
    if (node.epoch > fn->all->epoch) { /* no MAC is on it: the platform's word is taken */
        ic_function_saw_epoch(fn, node.epoch);
    }
    if (kind == IC_INVOKE_WARM && !fn->greeted) {
        const struct ic_pool_instance *heard =
            ic_pool_heard(pool, fn->index, node.instance, node.capacity, node.position, node.held,
                          ic_function_now(fn));
        if (!fn->wanted && is_to_be_woken(fn, heard)) {
            fn->wanted = fn->curious = true;
        }
        return;
    }
    struct ic_pool_instance *instance = ic_pool_find_id(pool, fn->index, node.instance);
    if (instance != NULL) {
        instance->held_reported = node.held;
    }
}

/* An error's text goes to clients in one line. */
void ic_function_note_trouble(struct ic_function *fn, enum ic_outage_cause cause, uint64_t for_ms,
                              const char *what, const char *advice)
{
    struct ic_functions *f = fn->all;
    uint64_t now_ms = ic_function_now(fn);
    snprintf(f->trouble, sizeof f->trouble, "%s: %s (%s)", fn->name, what, advice);
    for (char *c = f->trouble; *c != '\0'; c++) {
        *c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
    }
    f->trouble_ms = now_ms;
    ic_outage_failed(&f->outage, cause, now_ms, for_ms);
    uint64_t lasts_ms = ic_outage_ms(&f->outage, (uint64_t)f->config->invoke_timeout, now_ms);
    if (lasts_ms > 0 && !f->outage.told) {
        char reason[IC_TROUBLE_MAX + 16];
        f->outage.told = true;
        ic_log(IC_LOG_ERROR, "outage", "cause=%s ms=%llu reason=%s", ic_outage_cause_name(cause),
               (unsigned long long)lasts_ms,
               ic_log_quote(reason, sizeof reason, ic_slice_str(f->trouble)));
    }
}

void ic_function_had(struct ic_function *fn, bool warm)
{
    struct ic_functions *f = fn->all;
    uint64_t since_ms = f->outage.since_ms;
    if (ic_outage_over(&f->outage, warm)) {
        ic_log(IC_LOG_INFO, "outage-over", "ms=%llu function=%s",
               (unsigned long long)(ic_function_now(fn) - since_ms), fn->name);
    }
}

static const struct remedy {
    int error;
    enum ic_outage_cause cause;
    const char *advice;
} remedies[] = {
    {0, IC_OUTAGE_CRASHED, "the function failed: see its log"},
    {IC_EUNAVAIL, IC_OUTAGE_UNREACHABLE, "is platform-endpoint right, and the platform up?"},
    {IC_ECLOSED, IC_OUTAGE_SILENT, "is what answers at platform-endpoint the Lambda API?"},
    {IC_ETIMEOUT, IC_OUTAGE_SILENT, "is what answers at platform-endpoint the Lambda API?"},
    {IC_ETHROTTLED, IC_OUTAGE_THROTTLED,
     "throttled: allow more concurrent executions, or use fewer functions"},
    {IC_ENOENT, IC_OUTAGE_MISSING,
     "are the functions created, and function-prefix and region right?"},
    {IC_EPROTO, IC_OUTAGE_FAILED, "is what answers at platform-endpoint the Lambda API?"},
    {IC_EAUTH, IC_OUTAGE_DENIED,
     "are the credentials right, of credentials-file or of the environment?"},
};

static void note_failure(struct ic_function *fn, const struct ic_lambda_reply *reply)
{
    const char *what = reply->why.message[0] != '\0' ? reply->why.message
                       : reply->why.type[0] != '\0'  ? reply->why.type
                                                     : ic_error_text(reply->error);
    struct remedy r = {.cause = IC_OUTAGE_FAILED, .advice = "see the proxy's log"};
    for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++) {
        r = remedies[i].error == reply->error ? remedies[i] : r;
    }
    char status[32];
    if (what == ic_error_text(IC_EIO) && reply->status != 0) { /* without a word of Lambda's */
        snprintf(status, sizeof status, "HTTP status %d", reply->status);
        what = status;
        r.advice = "is what answers at platform-endpoint the Lambda API?";
    }
    ic_function_note_trouble(fn, r.cause, 0, what, r.advice);
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
    enum ic_invoke_kind kind = ic_function_state(fn)->kind;
    enum ic_pool_event e = event_of(fn, ic_function_state(fn)->state, reply);
    fn->call = NULL;
    fn->heard = true;
    fn->missing_ms = reply->error == IC_ENOENT ? ic_function_now(fn) : 0;
    ic_function_save_numbers(fn);
    log_reply(fn, reply);
    if ((reply->error < 0 || reply->function_error) && !is_idle_curiosity(fn)) {
        note_failure(fn, reply);
    }
    count_bill(fn, e, reply);
    if (e == IC_POOL_RESPONSE) {
        read_reply(fn, kind, reply);
    }
    if (e == IC_POOL_RESPONSE || e == IC_POOL_CRASHED) {
        ic_link_detach(fn->link);
        fn->left_ms = 0;
        ic_function_forget_link_loss(fn);
        fn->wanted = fn->wanted && kind == IC_INVOKE_WARM;
        fn->curious = fn->curious && fn->wanted;
    } else if (e == IC_POOL_FAILED) {
        fn->wanted = fn->curious = false;
    }
    ic_function_event(fn, e);
    ic_function_failed(fn);
    if (kind == IC_INVOKE_WARM) {
        ic_functions_warm_ended(fn->all);
    }
    ic_function_step_meeting(fn);
    ic_function_pursue(fn);
}

static const char *const kinds[] = {
    [IC_INVOKE_SERVE] = "serve", [IC_INVOKE_WARM] = "warm", [IC_INVOKE_PEER] = "peer"};

static int send_invoke(struct ic_function *fn, enum ic_invoke_kind kind)
{
    struct ic_functions *f = fn->all;
    struct ic_invoke_payload payload = {
        .kind = kinds[kind],
        .function = fn->name,
        .proxy = f->node_address,
        .epoch = f->epoch,
        .lease_ms = ic_function_lease_ms(fn, true),
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

/* Whoever asked first gives the invocation its cause; a meeting asks by itself. */
static enum ic_cost_cause cause_of(const struct ic_function *fn, enum ic_invoke_kind kind)
{
    bool asked = !fn->wanted && !ic_list_empty(&fn->waiters);
    const struct ic_meeting *meeting = fn->own->meeting;
    if (kind == IC_INVOKE_PEER || (meeting != NULL && ic_list_empty(&fn->waiters))) {
        return meeting->cause;
    }
    return asked ? IC_CONTAINER(fn->waiters.next, struct ic_node_request, wait)->cause
                 : IC_COST_SERVE;
}

void ic_function_invoke(struct ic_function *fn, enum ic_invoke_kind kind)
{
    static const enum ic_pool_event events[] = {[IC_INVOKE_SERVE] = IC_POOL_INVOKE_SERVE,
                                                [IC_INVOKE_WARM] = IC_POOL_INVOKE_WARM,
                                                [IC_INVOKE_PEER] = IC_POOL_INVOKE_PEER};
    ic_function_event(fn, events[kind]);
    ic_random_fill(fn->invocation, sizeof fn->invocation);
    for (int i = 0; i < 4; i++) {
        fn->invocation[i] = (uint8_t)(fn->all->epoch >> (24 - 8 * i));
    }
    ic_function_lease_invoked(fn);
    fn->greeted = false;
    fn->begun = true;
    fn->dial = 0;
    fn->left_ms = 0;
    ic_function_forget_link_loss(fn);
    fn->cause = kind == IC_INVOKE_WARM ? IC_COST_WARM : cause_of(fn, kind);
    fn->paid_until_ms = fn->invoked_ms;
    fn->outstanding = true;
    fn->fee_due = kind != IC_INVOKE_WARM;
    ic_books_invoke(fn->all->books, fn->index);
    if (kind == IC_INVOKE_WARM) {
        fn->figures.invocations_warm++;
        fn->all->warming++;
    } else if (kind == IC_INVOKE_PEER) {
        fn->figures.invocations_peer++;
    } else {
        fn->figures.invocations_serve++;
    }
    ic_log(IC_LOG_DEBUG, "invoke", "function=%s kind=%s", fn->name, kinds[kind]);
    if (send_invoke(fn, kind) < 0) {
        fn->call = NULL;
        fn->wanted = false;
        fn->figures.failures++;
        fn->outstanding = false;
        ic_books_not_run(fn->all->books, fn->index);
        ic_function_event(fn, IC_POOL_FAILED);
        ic_function_failed(fn);
        if (kind == IC_INVOKE_WARM) {
            ic_functions_warm_ended(fn->all);
        }
    }
}
