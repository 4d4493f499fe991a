#include "proxy/functions.h"

#include "base/alloc.h"
#include "base/config.h"
#include "base/log.h"
#include "base/random.h"
#include "proxy/books.h"
#include "proxy/function.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    WARM_LOOK_MS = 1000,  /* CONFIG SET warm-interval and peer-age are noticed within this */
    STRANGERS_MS = 10000, /* a node that is not welcomed leaves after 5 s at most */
    KNOCK_WAIT_MS = 250,  /* one whose proxy is gone dials every 50 ms */
    KNOCK_QUIET_MS = 500, /* it has left when it has not dialled for so long */
};

static struct ic_function *at(const struct ic_functions *f, uint16_t function)
{
    assert(function < ic_pool_count(f->pool));
    return &f->function[function];
}

/* ---- requests --------------------------------------------------------------- */

void ic_functions_submit(struct ic_functions *f, struct ic_node_request *r)
{
    ic_function_submit(at(f, r->function), r);
}

void ic_functions_cancel(struct ic_functions *f, struct ic_node_request *r)
{
    ic_function_cancel(at(f, r->function), r);
}

void ic_functions_fail_later(struct ic_functions *f, struct ic_node_request *r, int result)
{
    r->result = result;
    ic_list_push_back(&f->failed, &r->wait);
    if (!f->fail_timer.armed) {
        ic_timer_start(&f->fail_timer, 0);
    }
}

/* Only what has failed by now: `done` may submit again, and fail again, in turns to come. */
static void fail_now(void *ctx)
{
    struct ic_functions *f = ctx;
    struct ic_list now, *node;
    ic_list_init(&now);
    ic_list_move_all(&f->failed, &now);
    while ((node = ic_list_pop_front(&now)) != NULL) {
        struct ic_node_request *r = IC_CONTAINER(node, struct ic_node_request, wait);
        r->stage = 0;
        r->done(r, r->result);
    }
}

void ic_functions_wake(struct ic_functions *f, uint16_t function)
{
    struct ic_function *fn = at(f, function);
    enum ic_function_state state = ic_pool_function(f->pool, function)->state;
    if (state != IC_FUNCTION_ACTIVE && state != IC_FUNCTION_UNKNOWN) {
        fn->wanted = true;
        fn->curious = false;
        ic_function_pursue(fn);
    }
}

static enum ic_function_status present_status(const struct ic_functions *f, uint16_t function,
                                              uint32_t serial)
{
    const struct ic_pool_function *p = ic_pool_function(f->pool, function);
    if (serial != 0) {
        const struct ic_pool_instance *instance = ic_pool_find(f->pool, function, serial);
        if (instance == NULL) {
            return IC_STATUS_GONE;
        }
        if (ic_function_visits(at(f, function), serial)) {
            return IC_STATUS_AWAKE;
        }
        if (instance->away) {
            return IC_STATUS_AWAY;
        }
        if (serial == p->beside) {
            return ic_link_attached(at(f, function)->peer->link) ? IC_STATUS_AWAKE
                                                                 : IC_STATUS_WAKING;
        }
    }
    switch (p->state) {
    case IC_FUNCTION_ABSENT:
    case IC_FUNCTION_ASLEEP:
        return IC_STATUS_ASLEEP;
    case IC_FUNCTION_INVOKING:
    case IC_FUNCTION_LEAVING:
        return IC_STATUS_WAKING;
    case IC_FUNCTION_ACTIVE:
        return ic_link_attached(at(f, function)->link) ? IC_STATUS_AWAKE
               : ic_function_is_lost(at(f, function))  ? IC_STATUS_DOWN
                                                       : IC_STATUS_WAKING;
    case IC_FUNCTION_LOST:
        return p->retry_ms > ic_loop_now_ms(f->loop) ? IC_STATUS_DOWN : IC_STATUS_ASLEEP;
    case IC_FUNCTION_UNKNOWN:
        break;
    }
    return IC_STATUS_DOWN;
}

/* SERIAL, or whichever answers, has been slow or, not AWAKE, is late or comes late; and most
 * functions are not and do not. */
static bool is_slow(const struct ic_functions *f, uint16_t function, uint32_t serial, bool awake)
{
    const struct ic_function *fn = at(f, function);
    bool beside = serial != 0 && serial == ic_pool_function(f->pool, function)->beside;
    bool late = !awake && ic_function_is_late(beside ? fn->peer : fn);
    bool whose = fn->slow_serial == 0 ? !awake : serial == 0 || serial == fn->slow_serial;
    bool slow = whose && ic_slow_is(&fn->slow, ic_loop_now_ms(f->loop));
    return (slow || late) && 2 * ic_pool_slow_count(f->pool) <= ic_pool_count(f->pool);
}

enum ic_function_status ic_functions_status(const struct ic_functions *f, uint16_t function,
                                            uint32_t serial)
{
    enum ic_function_status status = present_status(f, function, serial);
    bool awake = status == IC_STATUS_AWAKE;
    bool is_there = awake || status == IC_STATUS_ASLEEP || status == IC_STATUS_WAKING;
    return is_there && is_slow(f, function, serial, awake) ? IC_STATUS_SLOW : status;
}

size_t ic_functions_backlog(const struct ic_functions *f, uint16_t function)
{
    return ic_link_backlog(at(f, function)->link);
}

struct ic_pool *ic_functions_pool(struct ic_functions *f)
{
    return f->pool;
}

void ic_functions_condemned(struct ic_functions *f, uint16_t function)
{
    const struct ic_function *fn = at(f, function);
    ic_link_condemned(fn->link);
    if (fn->peer != NULL) {
        ic_link_condemned(fn->peer->link);
    }
}

void ic_functions_flush_deletes(struct ic_functions *f, uint16_t function)
{
    const struct ic_function *fn = at(f, function);
    ic_link_flush_deletes(fn->link);
    if (fn->peer != NULL) {
        ic_link_flush_deletes(fn->peer->link);
    }
}

int ic_functions_meet(struct ic_functions *f, struct ic_meeting *m)
{
    return ic_function_meet(at(f, m->function), m);
}

void ic_functions_part(struct ic_functions *f, struct ic_meeting *m)
{
    ic_function_part(at(f, m->function), m);
}

void ic_functions_release(struct ic_functions *f, uint16_t function, uint32_t serial)
{
    ic_function_release(at(f, function), serial);
}

/* ---- warm-up ---------------------------------------------------------------- */

static void warm(void *ctx)
{
    struct ic_functions *f = ctx;
    uint64_t now_ms = ic_loop_now_ms(f->loop);
    uint64_t next_ms = UINT64_MAX;
    int function = -1;
    ic_pool_set_warm_interval(f->pool, (uint64_t)f->config->warm_interval, now_ms);
    ic_pool_expire_away(f->pool, (uint64_t)f->config->peer_age, now_ms);
    bool affordable = ic_books_budget(f->books) < IC_BUDGET_NO_WARM;
    while (!f->stopping && affordable && f->warming < IC_POOL_WARMING_MAX &&
           (function = ic_pool_warm_next(f->pool, now_ms, &next_ms)) >= 0) {
        ic_function_warm(at(f, (uint16_t)function));
    }
    if (f->warming < IC_POOL_WARMING_MAX) {
        uint64_t delay_ms = next_ms > now_ms ? next_ms - now_ms : 0;
        ic_timer_start(&f->warm_timer, delay_ms < WARM_LOOK_MS ? delay_ms : WARM_LOOK_MS);
    }
}

void ic_functions_warm_ended(struct ic_functions *f)
{
    f->warming--;
    if (!f->stopping) {
        ic_timer_start(&f->warm_timer, 0);
    }
}

/* ---- the door --------------------------------------------------------------- */

static int find(void *ctx, struct ic_slice name)
{
    const struct ic_functions *f = ctx;
    size_t prefix_len = strlen(f->config->function_prefix);
    int64_t index;
    if (name.len <= prefix_len + 1 || memcmp(name.data, f->config->function_prefix, prefix_len) ||
        ic_slice_to_i64(ic_slice(name.data + prefix_len + 1, name.len - prefix_len - 1), &index) <
            0 ||
        index < 0 || index >= ic_pool_count(f->pool)) {
        return -1;
    }
    bool exact = ic_slice_equal(name, ic_slice_str(f->function[index].name));
    return exact ? (int)index : -1;
}

static enum ic_door_verdict judge(void *ctx, uint16_t function, const struct ic_hello *hello)
{
    return ic_function_judge(at(ctx, function), hello);
}

static void enter(void *ctx, uint16_t function, const struct ic_hello *hello,
                  struct ic_stream *stream)
{
    ic_function_enter(at(ctx, function), hello, stream);
}

static void refused(void *ctx)
{
    struct ic_functions *f = ctx;
    f->refused++;
}

static void stranger(void *ctx, uint16_t function)
{
    struct ic_functions *f = ctx;
    struct ic_function *fn = at(f, function);
    uint64_t now_ms = ic_loop_now_ms(f->loop);
    uint64_t until_ms = now_ms + KNOCK_QUIET_MS;
    if (until_ms > f->strangers_until_ms) {
        return;
    }
    f->knocks_until_ms = now_ms + KNOCK_WAIT_MS;
    if (until_ms > fn->hold_until_ms) {
        fn->hold_until_ms = until_ms;
    }
}

static const struct ic_door_handler door_handler = {
    .find = find, .judge = judge, .enter = enter, .refused = refused, .stranger = stranger};

/* ---- start and stop --------------------------------------------------------- */

static void on_gone(void *ctx, uint16_t function, uint32_t serial)
{
    struct ic_functions *f = ctx;
    ic_log(IC_LOG_INFO, "instance-gone", "function=%s serial=%u", f->function[function].name,
           serial);
    ic_function_gone(at(f, function), serial);
    f->handler->gone(f->ctx, function, serial);
}

static struct ic_pool *make_pool(struct ic_functions *f)
{
    struct ic_pool_settings settings = ic_pool_settings_of(f->config);
    settings.gone = on_gone;
    settings.ctx = f;
    return ic_pool_new(&settings, ic_loop_now_ms(f->loop));
}

static int make_lambda(struct ic_functions *f)
{
    char why[IC_LAMBDA_WHY_MAX];
    struct ic_lambda_settings settings = {.endpoint = f->config->platform_endpoint,
                                          .region = f->config->region,
                                          .credentials_file = f->config->credentials_file};
    int result = ic_lambda_new(f->loop, &settings, &f->lambda, why);
    if (result < 0) {
        ic_log(IC_LOG_ERROR, "platform-settings", "reason=\"%s\"", why);
    }
    return result;
}

int ic_functions_new(const struct ic_functions_setup *setup, struct ic_functions **out)
{
    if (setup->config->functions < 1 || setup->config->functions > IC_POOL_FUNCTIONS_MAX) {
        return IC_EINVAL;
    }
    struct ic_functions *f = ic_calloc(1, sizeof *f);
    if (f == NULL) {
        return IC_ENOMEM;
    }
    f->loop = setup->loop;
    f->config = setup->config;
    f->prices = setup->prices;
    f->measures = (struct ic_lease_measures){.wake_ms = IC_LEASE_WAKE_GUESS_MS,
                                             .startup_ms = IC_LEASE_STARTUP_GUESS_MS};
    f->books = setup->books;
    f->epoch = setup->epoch;
    f->adopt = setup->adopt;
    f->strangers = setup->strangers;
    f->rebuild = setup->rebuild;
    f->handler = setup->handler;
    f->ctx = setup->ctx;
    memcpy(f->secret, setup->secret, sizeof f->secret);
    ic_rng_init(&f->rng, ic_random_u64());
    ic_list_init(&f->dying);
    ic_list_init(&f->failed);
    ic_timer_init(&f->fail_timer, f->loop, fail_now, f);
    ic_timer_init(&f->warm_timer, f->loop, warm, f);
    int result = IC_ENOMEM;
    f->pool = make_pool(f);
    f->scratch = ic_malloc(IC_LINK_SCRATCH_BYTES);
    f->function = ic_calloc((size_t)f->config->functions, sizeof *f->function);
    if (f->pool == NULL || f->scratch == NULL || f->function == NULL ||
        (result = make_lambda(f)) < 0) {
        goto fail;
    }
    for (uint32_t i = 0; i < (uint32_t)f->config->functions; i++) {
        result = ic_function_init(&f->function[i], f, (uint16_t)i);
        if (result < 0) {
            goto fail;
        }
    }
    *out = f;
    return 0;
fail:
    ic_functions_free(f);
    return result;
}

int ic_functions_start(struct ic_functions *f)
{
    const struct ic_config *c = f->config;
    int result =
        ic_door_new(f->loop, c->node_bind, (uint16_t)c->node_port,
                    ic_slice(f->secret, sizeof f->secret), f->epoch, &door_handler, f, &f->door);
    if (result < 0) {
        return result;
    }
    if (c->node_address[0] != '\0') {
        snprintf(f->node_address, sizeof f->node_address, "%s", c->node_address);
    } else {
        bool v6 = strchr(c->node_bind, ':') != NULL;
        snprintf(f->node_address, sizeof f->node_address, v6 ? "[%s]:%u" : "%s:%u", c->node_bind,
                 ic_door_port(f->door));
    }
    uint64_t now_ms = ic_loop_now_ms(f->loop);
    uint64_t wait_ms = f->adopt ? (uint64_t)c->adopt_wait : f->strangers ? KNOCK_WAIT_MS : 0;
    for (uint32_t i = 0; i < ic_pool_count(f->pool); i++) {
        f->function[i].hold_until_ms = now_ms + wait_ms;
    }
    f->strangers_until_ms = f->strangers ? now_ms + STRANGERS_MS : 0;
    if (!f->rebuild) {
        ic_timer_start(&f->warm_timer, wait_ms);
    }
    return 0;
}

void ic_functions_share_turns(struct ic_functions *f, struct ic_turns *turns)
{
    f->turns = turns;
    for (uint32_t i = 0; turns == NULL && i < ic_pool_count(f->pool); i++) {
        ic_worker_leave(&f->function[i].lister);
        if (f->function[i].peer != NULL) {
            ic_worker_leave(&f->function[i].peer->lister);
        }
    }
}

void ic_functions_begin_warm_ups(struct ic_functions *f)
{
    f->rebuild = false;
    if (!f->stopping) {
        ic_timer_start(&f->warm_timer, 0);
    }
}

void ic_functions_set_epoch(struct ic_functions *f, uint32_t epoch)
{
    assert(epoch > f->epoch);
    f->epoch = epoch;
    ic_door_set_epoch(f->door, epoch);
}

bool ic_functions_missing(const struct ic_functions *f, uint16_t function, uint64_t since_ms)
{
    return at(f, function)->missing_ms > since_ms;
}

struct ic_listing ic_functions_listing(const struct ic_functions *f, uint16_t function)
{
    const struct ic_function *fn = at(f, function);
    struct ic_listing l = fn->listing;
    if (ic_link_holds_list(fn->link)) {
        l.put_off_ms += ic_loop_now_ms(f->loop) - fn->list_held_ms;
    }
    return l;
}

void ic_functions_dismiss(struct ic_functions *f, uint16_t function)
{
    bool gone = ic_function_dismiss(at(f, function));
    (void)gone; /* if not at once, then when it is idle */
}

static void stop_if_done(void *ctx)
{
    struct ic_functions *f = ctx;
    bool done = true;
    for (uint32_t i = 0; i < ic_pool_count(f->pool); i++) {
        struct ic_function *fn = &f->function[i];
        done = ic_function_dismiss(fn) && fn->call == NULL && done;
        if (fn->peer != NULL) {
            done = ic_function_dismiss(fn->peer) && fn->peer->call == NULL && done;
        }
    }
    enum { POLL_MS = 10 };
    if (done || f->stop_until_ms <= ic_loop_now_ms(f->loop)) {
        f->stopped(f->stopped_ctx);
    } else {
        ic_timer_start(&f->stop_timer, POLL_MS);
    }
}

void ic_functions_stop(struct ic_functions *f, uint64_t within_ms, void (*done)(void *ctx),
                       void *ctx)
{
    f->stopping = true;
    f->stopped = done;
    f->stopped_ctx = ctx;
    f->stop_until_ms = ic_loop_now_ms(f->loop) + within_ms;
    ic_timer_stop(&f->warm_timer);
    ic_functions_end_dying(f);
    ic_timer_init(&f->stop_timer, f->loop, stop_if_done, f);
    ic_timer_start(&f->stop_timer, 0);
}

void ic_functions_free(struct ic_functions *f)
{
    if (f == NULL) {
        return;
    }
    ic_functions_end_dying(f);
    ic_door_free(f->door);
    ic_lambda_free(f->lambda);
    for (int64_t i = 0; f->function != NULL && i < f->config->functions; i++) {
        if (f->function[i].link != NULL) {
            ic_function_deinit(&f->function[i]);
        }
    }
    ic_timer_stop(&f->fail_timer);
    ic_timer_stop(&f->warm_timer);
    if (f->stopping) {
        ic_timer_stop(&f->stop_timer);
    }
    ic_pool_free(f->pool);
    ic_free(f->function);
    ic_free(f->scratch);
    ic_free(f);
}

bool ic_functions_ready(const struct ic_functions *f)
{
    for (uint32_t i = 0; i < ic_pool_count(f->pool); i++) {
        if (!f->function[i].heard) {
            return false;
        }
    }
    return true;
}

uint16_t ic_functions_node_port(const struct ic_functions *f)
{
    return ic_door_port(f->door);
}

/* ---- figures ---------------------------------------------------------------- */

static void add(struct ic_function_figures *sum, const struct ic_function_figures *one)
{
    sum->invocations_serve += one->invocations_serve;
    sum->invocations_warm += one->invocations_warm;
    sum->invocations_peer += one->invocations_peer;
    sum->deletes_peer += one->deletes_peer;
    sum->failures += one->failures;
    sum->throttles += one->throttles;
    sum->crashes += one->crashes;
    sum->lost_responses += one->lost_responses;
    sum->hellos += one->hellos;
    sum->hellos_refused += one->hellos_refused;
    sum->dismissed += one->dismissed;
    sum->redials += one->redials;
    sum->asked_ms = one->asked_ms > sum->asked_ms ? one->asked_ms : sum->asked_ms;
}

struct ic_function_figures ic_functions_figures(const struct ic_functions *f, int function)
{
    struct ic_function_figures sum = {0};
    uint32_t first = function < 0 ? 0 : (uint32_t)function;
    uint32_t end = function < 0 ? ic_pool_count(f->pool) : first + 1;
    for (uint32_t i = first; i < end; i++) {
        const struct ic_function *fn = at(f, (uint16_t)i);
        add(&sum, &fn->figures);
        if (fn->peer != NULL) {
            add(&sum, &fn->peer->figures);
        }
    }
    sum.links_refused = f->refused;
    return sum;
}

static uint64_t outstanding_ms(const struct ic_function *fn, uint64_t now_ms)
{
    return fn != NULL && fn->outstanding ? now_ms - fn->invoked_ms : 0;
}

uint64_t ic_functions_outstanding_ms(const struct ic_functions *f)
{
    uint64_t sum = 0, now_ms = ic_loop_now_ms(f->loop);
    for (uint32_t i = 0; i < ic_pool_count(f->pool); i++) {
        const struct ic_function *fn = at(f, (uint16_t)i);
        sum += outstanding_ms(fn, now_ms) + outstanding_ms(fn->peer, now_ms);
    }
    return sum;
}

const char *ic_functions_trouble(const struct ic_functions *f)
{
    bool fresh = ic_loop_now_ms(f->loop) - f->trouble_ms <= IC_OUTAGE_FRESH_MS;
    return fresh ? f->trouble : "";
}

struct ic_functions_outage ic_functions_outage(const struct ic_functions *f)
{
    uint64_t ms =
        ic_outage_ms(&f->outage, (uint64_t)f->config->invoke_timeout, ic_loop_now_ms(f->loop));
    return (struct ic_functions_outage){ms, ms > 0 ? f->outage.cause : IC_OUTAGE_NONE};
}

void ic_functions_note_silence(struct ic_functions *f, uint16_t function, uint64_t silent_ms)
{
    struct ic_function *fn = at(f, function);
    if (fn->call != NULL) { /* else what its Invoke came to is noted */
        ic_function_note_silence(fn, silent_ms);
    }
}

struct ic_function_stay ic_functions_stay(const struct ic_functions *f, uint16_t function)
{
    const struct ic_function *fn = at(f, function);
    return (struct ic_function_stay){.lease_ms = fn->lease_ms,
                                     .gap_ms = (uint64_t)fn->lease.gap_ms};
}

void ic_functions_count_transfer(struct ic_functions *f)
{
    uint64_t sent = 0, received = 0;
    for (uint32_t i = 0; i < ic_pool_count(f->pool); i++) {
        const struct ic_function *fn = &f->function[i];
        ic_link_take_traffic(fn->link, &sent, &received);
        if (fn->peer != NULL) {
            ic_link_take_traffic(fn->peer->link, &sent, &received);
        }
    }
    if (sent + received > 0) {
        ic_books_transfer(f->books, sent, received);
    }
}

struct ic_read_price ic_functions_read_price(const struct ic_functions *f, uint16_t function,
                                             bool asleep)
{
    const struct ic_function *fn = at(f, function);
    struct ic_rate rate = ic_cost_rate(ic_books_cost(f->books));
    uint64_t now_ms = ic_loop_now_ms(f->loop);
    double stay_ms = fn->lease_ms > 0 ? (double)fn->lease_ms : (double)f->config->lease;
    bool awake = ic_pool_function(f->pool, function)->state == IC_FUNCTION_ACTIVE;
    if (asleep || !awake) {
        return (struct ic_read_price){.invokes = true,
                                      .dollars = rate.per_invocation +
                                                 (f->measures.startup_ms + stay_ms) * rate.per_ms};
    }
    double paid_ms = fn->paid_until_ms > now_ms ? (double)(fn->paid_until_ms - now_ms) : 0;
    return (struct ic_read_price){.dollars =
                                      paid_ms < stay_ms ? (stay_ms - paid_ms) * rate.per_ms : 0};
}

const char *ic_functions_name(const struct ic_functions *f, uint16_t function)
{
    return at(f, function)->name;
}
