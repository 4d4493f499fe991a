#include "core/pool.h"

#include "base/alloc.h"
#include "base/config.h"
#include "core/pool_internal.h"

#include <assert.h>
#include <string.h>

/*
 * An invocation that has no link is over after this: a cold start takes at most 10 s, a warm-up
 * returns at once, a node that cannot connect leaves after 1 s, one that is not welcomed after 5 s.
 */
enum { UNSEEN_MAX_MS = 20000 };
/* Doubling stops here: min << 16 is above any sensible maximum. */
enum { BACKOFF_SHIFT_MAX = 16 };
enum {
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 30000,
    THROTTLES_ALONE = 4,
    THROTTLE_MAX_MS = 1000,     /* requests wait meanwhile: some tries within `invoke-timeout` */
    INVOCATION_MAX_MS = 300000, /* whatever the functions' timeout */
    CAPACITY_PERCENT = 90,      /* of a function's memory, until its node has told its own figure */
    FAREWELL_MS = 15000,        /* before an invocation's end a node is sent home, if not by BYE */
    DOUBT_FORGOTTEN_MS = 600000, /* what is doubted so late is doubted for the first time */
};

struct ic_pool_settings ic_pool_settings_of(const struct ic_config *config)
{
    int64_t timeout_ms = config->function_timeout;
    return (struct ic_pool_settings){
        .functions = (uint32_t)config->functions,
        .capacity = (uint64_t)config->memory / 100 * CAPACITY_PERCENT,
        .capacity_max = (uint64_t)config->memory,
        .warm_interval_ms = (uint64_t)config->warm_interval,
        .invocation_max_ms =
            (uint64_t)(timeout_ms < INVOCATION_MAX_MS ? timeout_ms : INVOCATION_MAX_MS),
        .backoff_min_ms = BACKOFF_MIN_MS,
        .backoff_max_ms = BACKOFF_MAX_MS,
        .throttle_max_ms = THROTTLE_MAX_MS,
    };
}

struct ic_pool *ic_pool_new(const struct ic_pool_settings *settings, uint64_t now_ms)
{
    assert(settings->functions > 0 && settings->functions <= IC_POOL_FUNCTIONS_MAX);
    assert(settings->backoff_min_ms > 0 && settings->backoff_min_ms <= settings->backoff_max_ms);
    assert(settings->backoff_min_ms <= settings->throttle_max_ms);
    struct ic_pool *pool = ic_calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    pool->settings = *settings;
    pool->start_ms = now_ms;
    ic_heap_init(&pool->warm, ic_pool_warmed_before);
    pool->function = ic_calloc(settings->functions, sizeof *pool->function);
    bool failed = pool->function == NULL;
    for (uint32_t i = 0; !failed && i < settings->functions; i++) {
        pool->function[i].warm_due_ms = now_ms;
        for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
            ic_condemned_init(&pool->function[i].instance[k].condemned_queue);
        }
        failed = ic_heap_insert(&pool->warm, &pool->function[i].warm_node) < 0;
    }
    if (failed) {
        ic_heap_deinit(&pool->warm);
        ic_free(pool->function);
        ic_free(pool);
        return NULL;
    }
    return pool;
}

void ic_pool_free(struct ic_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (uint32_t i = 0; i < pool->settings.functions; i++) {
        for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
            ic_condemned_clear(&pool->function[i].instance[k].condemned_queue);
        }
    }
    ic_heap_deinit(&pool->warm);
    ic_free(pool->function);
    ic_free(pool);
}

uint32_t ic_pool_count(const struct ic_pool *pool)
{
    return pool->settings.functions;
}

void ic_pool_set_slow(struct ic_pool *pool, uint16_t function, bool slow)
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    pool->slow += slow;
    pool->slow -= f->slow;
    f->slow = slow;
}

uint32_t ic_pool_slow_count(const struct ic_pool *pool)
{
    return pool->slow;
}

uint64_t ic_pool_invocation_max(const struct ic_pool *pool)
{
    return pool->settings.invocation_max_ms;
}

const struct ic_pool_function *ic_pool_function(const struct ic_pool *pool, uint16_t function)
{
    return ic_pool_at(pool, function);
}

const char *ic_function_state_name(enum ic_function_state state)
{
    static const char *const name[] = {"absent",  "asleep",  "invoking", "active",
                                       "leaving", "unknown", "lost"};
    return name[state];
}

/* ---- states ----------------------------------------------------------------- */

static struct ic_pool_run *run_of(struct ic_pool_function *f, enum ic_pool_lane lane)
{
    return lane == IC_LANE_PEER ? &f->peer : &f->serve;
}

/* The invocation of LANE is over. */
static enum ic_function_state at_rest(struct ic_pool_function *f, enum ic_pool_lane lane)
{
    if (lane == IC_LANE_SERVE && f->doubted) {
        f->retry_ms = f->deaf_ms;
        return IC_FUNCTION_LOST;
    }
    if (lane == IC_LANE_SERVE) {
        return f->current == 0 ? IC_FUNCTION_ABSENT : IC_FUNCTION_ASLEEP;
    }
    for (size_t k = 0; f->beside != 0 && k < IC_POOL_INSTANCES_MAX; k++) {
        if (f->instance[k].serial == f->beside) {
            f->instance[k].away = f->beside != f->current;
        }
    }
    f->beside = 0;
    return IC_FUNCTION_ABSENT;
}

/* The first failure waits half of MIN to MIN, each further one twice as long, up to MAX. */
static uint64_t backoff(uint64_t min_ms, uint64_t max_ms, uint32_t failures, uint64_t random)
{
    uint32_t shift = failures - 1 < BACKOFF_SHIFT_MAX ? failures - 1 : BACKOFF_SHIFT_MAX;
    uint64_t full = min_ms << shift;
    if (full > max_ms) {
        full = max_ms;
    }
    return full / 2 + random % (full / 2 + 1);
}

static void start_invocation(const struct ic_pool *pool, struct ic_pool_function *f,
                             struct ic_pool_run *run, enum ic_invoke_kind kind, uint64_t now_ms)
{
    run->from = run->state;
    run->kind = kind;
    f->runs = run == &f->serve ? f->current : f->runs;
    run->response_due = true;
    run->state = IC_FUNCTION_INVOKING;
    run->deadline_ms =
        now_ms + (kind == IC_INVOKE_WARM ? UNSEEN_MAX_MS : pool->settings.invocation_max_ms);
    f->used_ms = now_ms;
}

static void back_off(const struct ic_pool *pool, struct ic_pool_function *f, uint64_t now_ms,
                     uint64_t random)
{
    const struct ic_pool_settings *s = &pool->settings;
    f->failures++;
    f->retry_ms = now_ms + backoff(s->backoff_min_ms, s->backoff_max_ms, f->failures, random);
}

/* Once may be a mishap: it may dial again. From then on it is not heard for a while. */
static void doubt(const struct ic_pool *pool, struct ic_pool_run *run, uint64_t now_ms,
                  uint64_t random)
{
    const struct ic_pool_settings *s = &pool->settings;
    bool again = run->doubts > 0 && now_ms < run->deaf_ms + DOUBT_FORGOTTEN_MS;
    run->doubts = again ? run->doubts + 1 : 1;
    run->deaf_ms = now_ms;
    if (again) {
        run->deaf_ms += backoff(s->backoff_min_ms, s->backoff_max_ms, run->doubts - 1, random);
    }
    run->doubted = true;
}

/* A burst of Invokes that are throttled together is one refusal, not one each. */
static void throttle(struct ic_pool *pool, uint64_t now_ms, uint64_t random)
{
    const struct ic_pool_settings *s = &pool->settings;
    if (now_ms < pool->throttled_until_ms) {
        return;
    }
    pool->throttles++;
    pool->throttled_until_ms =
        now_ms + backoff(s->backoff_min_ms, s->throttle_max_ms, pool->throttles, random);
}

/* The platform runs F. */
static void note_had(struct ic_pool *pool, struct ic_pool_function *f)
{
    pool->throttles = 0;
    pool->had++;
    f->throttles = 0;
}

static void greet(struct ic_pool *pool, struct ic_pool_function *f, struct ic_pool_run *run,
                  uint64_t now_ms)
{
    note_had(pool, f);
    f->used_ms = now_ms;
    if (run->state != IC_FUNCTION_INVOKING) { /* adopted, or it runs after all */
        run->deadline_ms = now_ms + pool->settings.invocation_max_ms;
    }
    run->state = IC_FUNCTION_ACTIVE;
}

/* It is throttled, and others are not: time after time, between which they were had. */
static bool is_throttled_alone(const struct ic_pool *pool, struct ic_pool_function *f)
{
    f->throttles += f->throttles == 0 || pool->had != f->had_before;
    f->had_before = pool->had;
    return f->throttles >= THROTTLES_ALONE;
}

static enum ic_function_state after_throttle(struct ic_pool *pool, struct ic_pool_function *f,
                                             const struct ic_pool_run *run, uint64_t now_ms,
                                             uint64_t random)
{
    if (run == &f->serve && is_throttled_alone(pool, f)) {
        back_off(pool, f, now_ms, random);
        return IC_FUNCTION_LOST;
    }
    throttle(pool, now_ms, random);
    return run->from;
}

/* It served, but did not end as it should: once, it may be invoked again at once; time after time
 * it is a failing function. */
static enum ic_function_state after_mishap(struct ic_pool *pool, struct ic_pool_function *f,
                                           uint64_t now_ms, uint64_t random)
{
    if (f->failures > 0) {
        back_off(pool, f, now_ms, random);
        return IC_FUNCTION_LOST;
    }
    f->failures = 1;
    return at_rest(f, IC_LANE_SERVE);
}

/*
 * The state after an Invoke's answer. One that was to serve and never said HELLO has failed; one
 * whose node left without our BYE_OK had a mishap.
 */
static enum ic_function_state after_response(struct ic_pool *pool, struct ic_pool_function *f,
                                             enum ic_pool_lane lane, uint64_t now_ms,
                                             uint64_t random)
{
    struct ic_pool_run *run = run_of(f, lane);
    bool no_show = run->state == IC_FUNCTION_INVOKING && run->kind == IC_INVOKE_SERVE;
    bool left_early = run->state == IC_FUNCTION_ACTIVE && lane == IC_LANE_SERVE;
    run->response_due = false;
    f->used_ms = now_ms;
    note_had(pool, f);
    if (no_show) {
        back_off(pool, f, now_ms, random);
        return IC_FUNCTION_LOST;
    }
    if (left_early && !f->doubted) {
        return after_mishap(pool, f, now_ms, random);
    }
    run->failures = 0;
    return at_rest(f, lane);
}

static enum ic_function_state after_crash(struct ic_pool *pool, uint16_t function,
                                          enum ic_pool_lane lane, uint64_t now_ms, uint64_t random)
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    struct ic_pool_run *run = run_of(f, lane);
    bool served = run->state != IC_FUNCTION_INVOKING;
    run->response_due = false;
    f->used_ms = now_ms;
    note_had(pool, f);
    if (lane == IC_LANE_PEER) {
        ic_pool_gone(pool, function, f->beside);
        return at_rest(f, lane);
    }
    ic_pool_gone(pool, function, f->runs); /* not a sibling that took its place */
    if (!served) {
        back_off(pool, f, now_ms, random);
        return IC_FUNCTION_LOST;
    }
    return after_mishap(pool, f, now_ms, random);
}

/* No response is to come, but the invocation is over. */
static enum ic_function_state after_leaving(struct ic_pool_function *f, enum ic_pool_lane lane,
                                            uint64_t now_ms)
{
    struct ic_pool_run *run = run_of(f, lane);
    f->used_ms = now_ms;
    run->failures = run->state == IC_FUNCTION_UNKNOWN ? run->failures : 0;
    return at_rest(f, lane);
}

/* Nor is its node known to have left: one that was never heard has failed. */
static enum ic_function_state after_deadline(const struct ic_pool *pool, struct ic_pool_function *f,
                                             enum ic_pool_lane lane, uint64_t now_ms,
                                             uint64_t random)
{
    if (lane == IC_LANE_SERVE && f->state == IC_FUNCTION_UNKNOWN) {
        f->used_ms = now_ms;
        back_off(pool, f, now_ms, random);
        return IC_FUNCTION_LOST;
    }
    return after_leaving(f, lane, now_ms);
}

/* The Invoke was not run. A function that cannot be invoked is LOST; a peer is just not there. */
static enum ic_function_state after_failure(struct ic_pool *pool, struct ic_pool_function *f,
                                            enum ic_pool_lane lane, uint64_t now_ms,
                                            uint64_t random)
{
    struct ic_pool_run *run = run_of(f, lane);
    run->response_due = false;
    if (run->state != IC_FUNCTION_INVOKING) {
        return run->state;
    }
    if (lane == IC_LANE_PEER) {
        return at_rest(f, lane);
    }
    back_off(pool, f, now_ms, random);
    return IC_FUNCTION_LOST;
}

static uint64_t sooner(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static enum ic_function_state after_loss(struct ic_pool_run *run, uint64_t now_ms)
{
    run->response_due = false;
    if (run->state != IC_FUNCTION_INVOKING && run->state != IC_FUNCTION_LEAVING) {
        return run->state;
    }
    run->deadline_ms = sooner(run->deadline_ms, now_ms + UNSEEN_MAX_MS);
    return IC_FUNCTION_UNKNOWN;
}

enum ic_function_state ic_pool_event(struct ic_pool *pool, uint16_t function,
                                     enum ic_pool_event event, uint64_t now_ms, uint64_t random)
{
    return ic_pool_lane_event(pool, function, IC_LANE_SERVE, event, now_ms, random);
}

enum ic_function_state ic_pool_lane_event(struct ic_pool *pool, uint16_t function,
                                          enum ic_pool_lane lane, enum ic_pool_event event,
                                          uint64_t now_ms, uint64_t random)
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    struct ic_pool_run *run = run_of(f, lane);
    switch (event) {
    case IC_POOL_INVOKE_SERVE:
    case IC_POOL_INVOKE_WARM:
        assert(lane == IC_LANE_SERVE && ic_pool_may_invoke(pool, function, now_ms));
        start_invocation(pool, f, run,
                         event == IC_POOL_INVOKE_WARM ? IC_INVOKE_WARM : IC_INVOKE_SERVE, now_ms);
        break;
    case IC_POOL_INVOKE_PEER:
        assert(lane == IC_LANE_PEER && ic_pool_may_raise(pool, function, now_ms));
        start_invocation(pool, f, run, IC_INVOKE_PEER, now_ms);
        break;
    case IC_POOL_HELLO:
        assert(lane == IC_LANE_PEER ? ic_pool_may_meet(pool, function)
                                    : ic_pool_may_hello(pool, function));
        greet(pool, f, run, now_ms);
        break;
    case IC_POOL_DOUBTED:
        assert(run->state == IC_FUNCTION_ACTIVE);
        doubt(pool, run, now_ms, random);
        break;
    case IC_POOL_BELIEVED:
        assert(run->state == IC_FUNCTION_ACTIVE);
        run->doubted = false;
        break;
    case IC_POOL_GOODBYE:
        assert(run->state == IC_FUNCTION_ACTIVE);
        f->used_ms = now_ms;
        run->state = IC_FUNCTION_LEAVING;
        break;
    case IC_POOL_RESPONSE:
        assert(run->response_due);
        run->state = after_response(pool, f, lane, now_ms, random);
        break;
    case IC_POOL_CRASHED:
        assert(run->response_due);
        run->state = after_crash(pool, function, lane, now_ms, random);
        break;
    case IC_POOL_THROTTLED:
        assert(run->response_due && run->state == IC_FUNCTION_INVOKING);
        run->response_due = false;
        run->state = after_throttle(pool, f, run, now_ms, random);
        break;
    case IC_POOL_FAILED:
        assert(run->response_due);
        run->state = after_failure(pool, f, lane, now_ms, random);
        break;
    case IC_POOL_RESPONSE_LOST:
        assert(run->response_due);
        run->state = after_loss(run, now_ms);
        break;
    case IC_POOL_NODE_LEFT:
    case IC_POOL_DEADLINE:
        assert(!run->response_due);
        if (run->state == IC_FUNCTION_ACTIVE || run->state == IC_FUNCTION_LEAVING ||
            run->state == IC_FUNCTION_UNKNOWN) {
            run->state = event == IC_POOL_NODE_LEFT ? after_leaving(f, lane, now_ms)
                                                    : after_deadline(pool, f, lane, now_ms, random);
        }
        break;
    }
    return run->state;
}

uint64_t ic_pool_invoke_at(const struct ic_pool *pool, uint16_t function)
{
    const struct ic_pool_function *f = ic_pool_at(pool, function);
    if (f->peer.state != IC_FUNCTION_ABSENT || f->peer.response_due) {
        return UINT64_MAX;
    }
    switch (f->state) {
    case IC_FUNCTION_ABSENT:
    case IC_FUNCTION_ASLEEP:
        return pool->throttled_until_ms;
    case IC_FUNCTION_LOST:
        return f->retry_ms > pool->throttled_until_ms ? f->retry_ms : pool->throttled_until_ms;
    case IC_FUNCTION_INVOKING:
    case IC_FUNCTION_ACTIVE:
    case IC_FUNCTION_LEAVING:
    case IC_FUNCTION_UNKNOWN:
        break;
    }
    return UINT64_MAX;
}

bool ic_pool_may_invoke(const struct ic_pool *pool, uint16_t function, uint64_t now_ms)
{
    return ic_pool_invoke_at(pool, function) <= now_ms;
}

bool ic_pool_may_hello(const struct ic_pool *pool, uint16_t function)
{
    const struct ic_pool_function *f = ic_pool_at(pool, function);
    return f->state != IC_FUNCTION_LEAVING && f->state != IC_FUNCTION_ACTIVE &&
           !(f->state == IC_FUNCTION_INVOKING && f->kind == IC_INVOKE_WARM);
}

bool ic_pool_may_raise(const struct ic_pool *pool, uint16_t function, uint64_t now_ms)
{
    const struct ic_pool_function *f = ic_pool_at(pool, function);
    return f->state == IC_FUNCTION_ACTIVE && f->peer.state == IC_FUNCTION_ABSENT &&
           !f->peer.response_due && pool->throttled_until_ms <= now_ms;
}

uint64_t ic_pool_farewell_ms(const struct ic_pool *pool, uint16_t function, enum ic_pool_lane lane)
{
    const struct ic_pool_function *f = ic_pool_at(pool, function);
    uint64_t max_ms = pool->settings.invocation_max_ms;
    uint64_t margin_ms = max_ms / 4 < FAREWELL_MS ? max_ms / 4 : FAREWELL_MS;
    return (lane == IC_LANE_PEER ? f->peer.deadline_ms : f->deadline_ms) - margin_ms;
}

bool ic_pool_may_meet(const struct ic_pool *pool, uint16_t function)
{
    const struct ic_pool_run *peer = &ic_pool_at(pool, function)->peer;
    return peer->state == IC_FUNCTION_INVOKING || peer->state == IC_FUNCTION_UNKNOWN ||
           (peer->state == IC_FUNCTION_ABSENT && !peer->response_due);
}

/* ---- instances -------------------------------------------------------------- */

struct ic_pool_instance *ic_pool_find(const struct ic_pool *pool, uint16_t function,
                                      uint32_t serial)
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    for (size_t k = 0; serial != 0 && k < IC_POOL_INSTANCES_MAX; k++) {
        if (f->instance[k].serial == serial) {
            return &f->instance[k];
        }
    }
    return NULL;
}

static struct ic_pool_instance *find_id(struct ic_pool_function *f,
                                        const uint8_t id[IC_INSTANCE_ID_LEN])
{
    for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
        if (f->instance[k].serial != 0 && memcmp(f->instance[k].id, id, IC_INSTANCE_ID_LEN) == 0) {
            return &f->instance[k];
        }
    }
    return NULL;
}

struct ic_pool_instance *ic_pool_find_id(struct ic_pool *pool, uint16_t function,
                                         const uint8_t id[IC_INSTANCE_ID_LEN])
{
    return find_id(ic_pool_at(pool, function), id);
}

bool ic_pool_has_greeted(struct ic_pool *pool, uint16_t function,
                         const uint8_t id[IC_INSTANCE_ID_LEN])
{
    const struct ic_pool_function *f = ic_pool_at(pool, function);
    bool greeted = false;
    for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
        const struct ic_pool_instance *one = &f->instance[k];
        greeted = greeted || (one->greeted && memcmp(one->id, id, IC_INSTANCE_ID_LEN) == 0);
    }
    return greeted;
}

bool ic_pool_holds(const struct ic_pool *pool, uint16_t function, uint32_t serial)
{
    return ic_pool_find(pool, function, serial) != NULL;
}

static struct ic_pool_instance *heard_last(struct ic_pool_function *f)
{
    struct ic_pool_instance *last = NULL;
    for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
        struct ic_pool_instance *one = &f->instance[k];
        if (one->serial != 0 && (last == NULL || one->heard_ms > last->heard_ms)) {
            last = one;
        }
    }
    return last;
}

void ic_pool_gone(struct ic_pool *pool, uint16_t function, uint32_t serial)
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    struct ic_pool_instance *instance = ic_pool_find(pool, function, serial);
    if (instance == NULL) {
        return;
    }
    ic_condemned_clear(&instance->condemned_queue);
    struct ic_pool_instance forgotten = {.greeted = instance->greeted};
    memcpy(forgotten.id, instance->id, IC_INSTANCE_ID_LEN);
    *instance = forgotten;
    ic_condemned_init(&instance->condemned_queue);
    f->runs = f->runs == serial ? 0 : f->runs;
    if (f->current == serial) {
        f->current = 0;
        struct ic_pool_instance *heir = heard_last(f);
        if (heir != NULL) { /* the likeliest to answer next */
            f->current = heir->serial;
            heir->away = false;
        }
    }
    if (pool->settings.gone != NULL) {
        pool->settings.gone(pool->settings.ctx, function, serial);
    }
}

void ic_pool_expire_away(struct ic_pool *pool, uint64_t age_ms, uint64_t now_ms)
{
    for (uint32_t i = 0; i < pool->settings.functions; i++) {
        for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
            const struct ic_pool_instance *one = &pool->function[i].instance[k];
            uint64_t heard_ms = one->heard_ms > pool->start_ms ? one->heard_ms : pool->start_ms;
            if (one->serial != 0 && one->away && now_ms - heard_ms >= age_ms) {
                ic_pool_gone(pool, (uint16_t)i, one->serial);
            }
        }
    }
}

/* The lower, the sooner it gives way: never used, forgotten, heard longest ago. */
static uint64_t claim_of(const struct ic_pool_instance *one)
{
    return one->serial != 0 ? 2 + one->heard_ms : one->greeted;
}

/* A free slot, made free by forgetting the instance heard longest ago if need be; the two that may
 * be active last. */
static struct ic_pool_instance *new_instance(struct ic_pool *pool, uint16_t function,
                                             const uint8_t id[IC_INSTANCE_ID_LEN])
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    struct ic_pool_instance *oldest = NULL;
    for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
        struct ic_pool_instance *one = &f->instance[k];
        bool kept = one->serial != 0 && (one->serial == f->current || one->serial == f->beside);
        if (!kept && (oldest == NULL || claim_of(one) < claim_of(oldest))) {
            oldest = one;
        }
    }
    bool greeted = ic_pool_has_greeted(pool, function, id);
    ic_pool_gone(pool, function, oldest->serial);
    oldest->serial = ++pool->last_serial;
    oldest->greeted = greeted;
    memcpy(oldest->id, id, IC_INSTANCE_ID_LEN);
    oldest->capacity = pool->settings.capacity;
    return oldest;
}

/* The instance's record, brought up to date or made. */
static struct ic_pool_instance *hear(struct ic_pool *pool, uint16_t function,
                                     const uint8_t id[IC_INSTANCE_ID_LEN], uint64_t capacity,
                                     uint64_t position, uint64_t held, uint64_t now_ms)
{
    struct ic_pool_instance *instance = ic_pool_find_id(pool, function, id);
    if (instance == NULL) {
        instance = new_instance(pool, function, id);
        instance->known = held == 0;
        instance->op_sent = instance->op_done = position;
    } else if (instance->heard_ms == 0) {
        instance->op_sent = instance->op_done = position; /* restored: the journal has none */
    }
    instance->since_ms = instance->since_ms == 0 ? now_ms : instance->since_ms;
    instance->heard_ms = now_ms;
    uint64_t most = pool->settings.capacity_max;
    instance->capacity = most != 0 && capacity > most ? most : capacity;
    instance->held_reported = held;
    instance->misses = 0;
    instance->away = false;
    return instance;
}

/* An invocation, or a pair of them, has not shown SIBLING. */
static void miss(struct ic_pool *pool, uint16_t function, struct ic_pool_instance *sibling)
{
    if (++sibling->misses >= IC_POOL_MISSES_MAX) {
        ic_pool_gone(pool, function, sibling->serial);
    }
}

struct ic_pool_instance *ic_pool_heard(struct ic_pool *pool, uint16_t function,
                                       const uint8_t id[IC_INSTANCE_ID_LEN], uint64_t capacity,
                                       uint64_t position, uint64_t held, uint64_t now_ms)
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    struct ic_pool_instance *instance = hear(pool, function, id, capacity, position, held, now_ms);
    f->current = f->runs = instance->serial;
    for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
        struct ic_pool_instance *sibling = &f->instance[k];
        if (sibling->serial != 0 && sibling != instance && sibling->serial != f->beside) {
            sibling->away = true;
            if (!pool->peers) {
                miss(pool, function, sibling);
            }
        }
    }
    return instance;
}

struct ic_pool_instance *ic_pool_met(struct ic_pool *pool, uint16_t function,
                                     const uint8_t id[IC_INSTANCE_ID_LEN], uint64_t capacity,
                                     uint64_t position, uint64_t held, uint64_t now_ms)
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    struct ic_pool_instance *instance = hear(pool, function, id, capacity, position, held, now_ms);
    f->beside = instance->serial;
    for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
        struct ic_pool_instance *sibling = &f->instance[k];
        if (sibling->serial != 0 && sibling != instance && sibling->serial != f->current) {
            miss(pool, function, sibling);
        }
    }
    return instance;
}

void ic_pool_set_peers(struct ic_pool *pool, bool raised)
{
    pool->peers = raised;
}

const struct ic_pool_instance *ic_pool_sibling(const struct ic_pool *pool, uint16_t function)
{
    const struct ic_pool_function *f = ic_pool_at(pool, function);
    const struct ic_pool_instance *last = NULL;
    for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
        const struct ic_pool_instance *one = &f->instance[k];
        if (one->serial != 0 && one->serial != f->current &&
            (last == NULL || one->heard_ms > last->heard_ms)) {
            last = one;
        }
    }
    return last;
}

struct ic_pool_instance *ic_pool_restore(struct ic_pool *pool, uint16_t function,
                                         const uint8_t id[IC_INSTANCE_ID_LEN])
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    struct ic_pool_instance *instance = ic_pool_find_id(pool, function, id);
    if (instance == NULL) {
        instance = new_instance(pool, function, id);
        f->current = instance->serial;
        if (f->state == IC_FUNCTION_ABSENT) {
            f->state = IC_FUNCTION_ASLEEP;
        }
    }
    return instance;
}

/* The instance of F that holds the most; NULL: none is remembered. */
static const struct ic_pool_instance *fullest(const struct ic_pool_function *f)
{
    const struct ic_pool_instance *best = NULL;
    for (size_t k = 0; k < IC_POOL_INSTANCES_MAX; k++) {
        const struct ic_pool_instance *one = &f->instance[k];
        if (one->serial != 0 && (best == NULL || one->live > best->live)) {
            best = one;
        }
    }
    return best;
}

void ic_pool_restored(struct ic_pool *pool)
{
    for (uint32_t i = 0; i < pool->settings.functions; i++) {
        const struct ic_pool_instance *best = fullest(&pool->function[i]);
        pool->function[i].current = best == NULL ? 0 : best->serial;
    }
}

bool ic_pool_outdone(const struct ic_pool *pool, uint16_t function,
                     const uint8_t id[IC_INSTANCE_ID_LEN])
{
    struct ic_pool_function *f = ic_pool_at(pool, function);
    const struct ic_pool_instance *best = fullest(f);
    const struct ic_pool_instance *one = find_id(f, id);
    return best != NULL && best->live > (one == NULL ? 0 : one->live);
}

void ic_pool_set_known(struct ic_pool_instance *instance, bool known)
{
    instance->known = known;
}
