/*
 * lambda.c - platform/lambda.h as the proxy sees it in the simulation: an Invoke that travels to
 * the platform's model, and a response that travels back, or does not.
 *
 *   ic_lambda_invoke --request--> sim_platform_invoke ... sim_lambda_respond --response--> done
 *        |  lost, late, twice; 429, 5xx, refused            |  lost, late
 *        '------- timeout, connection lost -----------------'---> done(error)
 */
#include "platform/lambda.h"

#include "base/alloc.h"
#include "sim/report.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TRIP_US = 3000, /* a request or a response travels so long, at most; a late one: */
    LATE_US = 4000000,
    DUPLICATE_US = 2000000, /* a second copy is so late, at most */
    BODY_MAX = 4096,
};

struct ic_lambda {
    struct ic_loop *loop;
    struct ic_list calls;
};

struct ic_lambda_call {
    struct ic_list node;
    struct ic_lambda *lambda;
    ic_lambda_done *done;
    void *ctx;
    struct ic_event timeout, reply;
    struct sim_invocation *copy[2]; /* under way for it; NULL where that is over */
    struct ic_sim_post post;
    uint16_t function;
    int error, status;
    bool function_error, answered;
    uint64_t billed_ms;
    size_t body_len;
    char body[BODY_MAX];
};

int ic_lambda_new(struct ic_loop *loop, const struct ic_lambda_settings *settings,
                  struct ic_lambda **out, char *why)
{
    (void)settings;
    struct ic_lambda *l = ic_calloc(1, sizeof *l);
    if (l == NULL) {
        snprintf(why, IC_LAMBDA_WHY_MAX, "out of memory");
        return IC_ENOMEM;
    }
    l->loop = loop;
    ic_list_init(&l->calls);
    *out = l;
    return 0;
}

/* What is still on its way for CALL goes on without it. */
static void forget(struct ic_lambda_call *call)
{
    struct ic_virtual_time *t = sim_time(sim_world());
    ic_event_stop(t, &call->timeout);
    ic_event_stop(t, &call->reply);
    ic_list_remove(&call->post.node);
    ic_list_remove(&call->node);
    for (int i = 0; i < 2; i++) {
        if (call->copy[i] != NULL) {
            call->copy[i]->call = NULL;
        }
    }
}

void ic_lambda_cancel(struct ic_lambda_call *call)
{
    forget(call);
    ic_free(call);
}

void ic_lambda_free(struct ic_lambda *l)
{
    if (l != NULL) {
        IC_LIST_EACH (node, &l->calls) {
            ic_lambda_cancel(IC_CONTAINER(node, struct ic_lambda_call, node));
        }
        ic_free(l);
    }
}

/* ---- the response ---------------------------------------------------------------- */

static void tell(void *ctx)
{
    struct ic_lambda_call *call = ctx;
    struct ic_slice body = ic_slice(call->body, call->body_len);
    struct ic_lambda_reply reply = {
        .error = call->error,
        .status = call->status,
        .body = body,
        .function_error = call->function_error,
        .reported = call->error == 0,
        .report = {.billed_ms = call->billed_ms, .duration_us = call->billed_ms * 1000},
    };
    if (call->error != 0 || call->status != 200) {
        sim_platform_hindered(&sim_world()->platform, call->function);
    }
    if (call->function_error) { /* from here on the proxy holds that memory for lost */
        sim_platform_lost(&sim_world()->platform, call->function);
        ic_lambda_function_error_decode(body, &reply.why);
    }
    forget(call);
    call->done(call->ctx, &reply);
    ic_free(call);
}

/* It is told in a turn of its owner's. */
static void reply_arrives(void *ctx)
{
    struct ic_lambda_call *call = ctx;
    ic_event_stop(sim_time(sim_world()), &call->timeout);
    ic_sim_post(call->lambda->loop, &call->post, tell, call);
}

static void settle(struct ic_lambda_call *call, int error, int status, uint64_t delay_us)
{
    if (!call->answered) {
        call->answered = true;
        call->error = error;
        call->status = status;
        ic_event_start(sim_time(sim_world()), &call->reply, delay_us);
    }
}

static void time_out(void *ctx)
{
    struct ic_lambda_call *call = ctx;
    sim_note("an Invoke times out");
    ic_event_stop(sim_time(sim_world()), &call->reply);
    call->error = IC_ETIMEOUT;
    call->status = 0;
    call->answered = true;
    call->function_error = false;
    reply_arrives(call);
}

/* INV is not under way any more. Returns who still waits for its answer, or NULL. */
static struct ic_lambda_call *part(struct sim_invocation *inv)
{
    struct ic_lambda_call *call = inv->call;
    for (int i = 0; call != NULL && i < 2; i++) {
        call->copy[i] = call->copy[i] == inv ? NULL : call->copy[i];
    }
    inv->call = NULL;
    return call == NULL || call->answered ? NULL : call;
}

void sim_lambda_cut_off(struct sim_invocation *inv)
{
    struct ic_lambda_call *call = part(inv);
    if (call != NULL) {
        settle(call, IC_ECLOSED, 0, sim_below(sim_world(), TRIP_US));
    }
}

void sim_lambda_respond(struct sim_invocation *inv, struct ic_slice body, bool function_error)
{
    struct sim_world *w = sim_world();
    struct ic_lambda_call *call = part(inv);
    if (call == NULL) {
        return;
    }
    if (sim_faults_draw(&w->faults, SIM_FAULT_RESPONSE_LOST)) {
        if (sim_below(w, 2) == 0) {
            settle(call, IC_ECLOSED, 0, sim_below(w, TRIP_US));
        }
        return; /* or it times out */
    }
    bool late = sim_faults_draw(&w->faults, SIM_FAULT_RESPONSE_LATE);
    call->function_error = function_error;
    call->body_len = body.len < BODY_MAX ? body.len : BODY_MAX;
    memcpy(call->body, body.data, call->body_len);
    call->billed_ms = (sim_now_us(w) - inv->begun_us) / 1000 + 1;
    settle(call, 0, 200, sim_below(w, late ? LATE_US : TRIP_US));
}

void sim_lambda_forget_all(void)
{
    const struct sim_host *host = &sim_world()->host;
    if (host->lambda != NULL) {
        IC_LIST_EACH (node, &host->lambda->calls) {
            forget(IC_CONTAINER(node, struct ic_lambda_call, node));
        }
    }
}

static uint16_t function_of(const char *name)
{
    const char *dash = strrchr(name, '-');
    return sim_platform_function((uint16_t)(dash == NULL ? 0 : atoi(dash + 1)));
}

/* ---- the request ----------------------------------------------------------------- */

static void request_arrives(void *ctx)
{
    struct sim_platform *p = &sim_world()->platform;
    struct sim_invocation *inv = ctx;
    if (sim_platform_is_down(p)) {
        sim_lambda_cut_off(inv);
        free(inv->payload);
        free(inv);
    } else {
        sim_platform_invoke(p, inv);
    }
}

static void send_copy(struct ic_lambda_call *call, int index, struct ic_slice payload,
                      uint64_t delay_us)
{
    struct sim_invocation *inv =
        sim_invocation_new(call->function, payload.data, payload.len, call);
    call->copy[index] = inv;
    ic_event_init(&inv->event, request_arrives, inv);
    ic_event_start(sim_time(sim_world()), &inv->event, delay_us);
}

/* False: it comes to nothing, which is settled already or by the timeout. */
static bool request_survives(struct ic_lambda_call *call)
{
    struct sim_world *w = sim_world();
    uint64_t trip_us = sim_below(w, TRIP_US);
    if (sim_platform_is_down(&w->platform) ||
        sim_faults_draw(&w->faults, SIM_FAULT_INVOKE_REFUSED)) {
        settle(call, IC_EUNAVAIL, 0, trip_us);
    } else if (w->platform.throttles_left > 0) {
        w->platform.throttles_left--;
        settle(call, IC_ETHROTTLED, 429, trip_us);
    } else if (sim_faults_draw(&w->faults, SIM_FAULT_THROTTLED)) {
        settle(call, IC_ETHROTTLED, 429, trip_us);
    } else if (sim_faults_draw(&w->faults, SIM_FAULT_SERVER_ERROR)) {
        settle(call, IC_EIO, 503, trip_us);
    } else if (sim_faults_draw(&w->faults, SIM_FAULT_REQUEST_LOST)) {
        if (sim_below(w, 2) == 0) {
            settle(call, IC_ECLOSED, 0, trip_us);
        }
    } else {
        return true;
    }
    return false;
}

int ic_lambda_invoke(struct ic_lambda *l, const char *name, struct ic_slice payload,
                     uint64_t timeout_ms, ic_lambda_done *done, void *ctx,
                     struct ic_lambda_call **out)
{
    struct sim_world *w = sim_world();
    ic_sim_act();
    struct ic_lambda_call *call = ic_calloc(1, sizeof *call);
    if (call == NULL) {
        return IC_ENOMEM;
    }
    w->host.lambda = l;
    call->lambda = l;
    call->done = done;
    call->ctx = ctx;
    call->function = function_of(name);
    ic_list_init(&call->post.node);
    ic_list_push_back(&l->calls, &call->node);
    ic_event_init(&call->timeout, time_out, call);
    ic_event_init(&call->reply, reply_arrives, call);
    ic_event_start(sim_time(w), &call->timeout, timeout_ms * 1000);
    if (request_survives(call)) {
        bool late = sim_faults_draw(&w->faults, SIM_FAULT_INVOKE_LATE);
        send_copy(call, 0, payload, sim_below(w, late ? LATE_US : TRIP_US));
        if (sim_faults_draw(&w->faults, SIM_FAULT_INVOKE_TWICE)) {
            send_copy(call, 1, payload, sim_below(w, DUPLICATE_US));
        }
    }
    if (out != NULL) {
        *out = call;
    }
    return 0;
}
