#include "proxy/rebuilder.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "core/listing.h"
#include "core/pool.h"
#include "net/net.h"
#include "proxy/functions.h"
#include "proxy/journal.h"
#include "proxy/store.h"

#include <inttypes.h>

enum {
    LOOK_MS = 10,            /* how often the functions are looked at */
    ASKED_MAX = 32,          /* functions asked at a time, as warm-ups are */
    PATIENCE_INVOKES = 3,    /* `invoke-timeout`s until a function has answered; */
    PATIENCE_MIN_MS = 15000, /* a lost Invoke is noticed, a stranger has left */
    SECOND_LOOK_MS = 6000,   /* a node that is not welcomed leaves after 5 s at most */
    LOG_INTERVAL_MS = 5000,
};

enum phase { GATHERING, FILLING, DONE, FAILED };
enum answer { WAITING, ASKED, ANSWERED, GIVEN_UP };

struct one { /* function */
    enum answer answer;
    uint64_t asked_ms;   /* ASKED: when it was */
    uint64_t looked_ms;  /* at it last, and of all that time */
    uint64_t put_off_ms; /* that in which it was not invoked */
    uint64_t since_ms;   /* an answer before that does not count */
    bool came;           /* a node of it, since then */
};

struct ic_rebuilder {
    struct ic_rebuilder_setup setup;
    enum phase phase;
    struct ic_timer timer;
    struct one *function;
    uint32_t count;
    uint32_t asked, answered, given_up, missing; /* missing: of those given up */
    bool looked_twice;
    uint64_t started_ms, ended_ms, logged_ms;
    int64_t started_wall_ms;
};

static uint64_t now(const struct ic_rebuilder *r)
{
    return ic_loop_now_ms(r->setup.loop);
}

static const struct ic_pool_instance *instance_of(const struct ic_rebuilder *r, uint16_t function)
{
    struct ic_pool *pool = ic_functions_pool(r->setup.functions);
    const struct ic_pool_instance *i =
        ic_pool_find(pool, function, ic_pool_function(pool, function)->current);
    return i == NULL || i->heard_ms == 0 ? NULL : i;
}

/* ---- log -------------------------------------------------------------------- */

const char *ic_rebuilder_note(void)
{
    return "the catalog is from the functions: deletes, flushes, renames, copies and changes of "
           "expiry since a value was stored, and overwrites whose chunks are lost, may be undone";
}

/* The one of those asked that is waited for longest; r->count: there is none. */
static uint32_t last_to_answer(const struct ic_rebuilder *r)
{
    uint32_t last = r->count;
    for (uint32_t i = 0; i < r->count; i++) {
        bool longer = last == r->count || r->function[i].asked_ms < r->function[last].asked_ms;
        last = r->function[i].answer == ASKED && longer ? i : last;
    }
    return last;
}

static void log_progress(struct ic_rebuilder *r)
{
    if (now(r) - r->logged_ms < LOG_INTERVAL_MS) {
        return;
    }
    r->logged_ms = now(r);
    struct ic_rebuilder_progress p = ic_rebuilder_progress(r);
    struct ic_store_rebuild_stats s = ic_store_rebuild_stats(r->setup.store);
    ic_log(IC_LOG_INFO, "rebuild-progress",
           "functions=%u answered=%u given_up=%u objects=%" PRIu64 " restored=%" PRIu64
           " waits_for=%s waits_ms=%" PRIu64 " listed=%" PRIu64,
           r->count, r->answered, r->given_up, s.objects, s.restored, p.waits_for, p.waits_ms,
           p.waits_listed);
}

static void log_end(const struct ic_rebuilder *r)
{
    struct ic_store_rebuild_stats s = ic_store_rebuild_stats(r->setup.store);
    bool empty = s.objects == 0 && s.dropped == 0 && s.contested == 0 && r->given_up == r->missing;
    ic_log(empty ? IC_LOG_INFO : IC_LOG_WARNING, "rebuild-done",
           "ms=%" PRIu64 " functions=%u answered=%u given_up=%u keys=%" PRIu64
           " unreadable=%" PRIu64 " expired=%" PRIu64 " contested=%" PRIu64 " dropped=%" PRIu64
           " note=\"%s\"",
           r->ended_ms - r->started_ms, r->count, r->answered, r->given_up, s.restored,
           s.unreadable, s.expired, s.contested, s.dropped,
           empty ? "the functions were empty" : ic_rebuilder_note());
}

/* ---- states ----------------------------------------------------------------- */

static void enter(struct ic_rebuilder *r, enum phase phase, int result)
{
    r->phase = phase;
    switch (phase) {
    case GATHERING:
        r->started_ms = r->logged_ms = now(r);
        r->started_wall_ms = ic_clock_wall_ms();
        ic_log(IC_LOG_INFO, "rebuild-begins", "reason=%s functions=%u", r->setup.reason, r->count);
        ic_timer_start(&r->timer, 0);
        return;
    case FILLING:
        ic_timer_start(&r->timer, 0);
        return;
    case DONE:
        r->ended_ms = now(r);
        log_end(r);
        break;
    case FAILED:
        r->ended_ms = now(r);
        ic_log(IC_LOG_ERROR, "rebuild-failed", "error=\"%s\"", ic_error_text(result));
        break;
    }
    r->setup.done(r->setup.ctx, result);
}

/* ---- gathering -------------------------------------------------------------- */

/* FUNCTION's answer has been waited for for long enough. */
static bool is_late(const struct ic_rebuilder *r, uint16_t function)
{
    struct ic_listing l = ic_functions_listing(r->setup.functions, function);
    uint64_t ms = (uint64_t)r->setup.config->invoke_timeout * PATIENCE_INVOKES;
    l.put_off_ms += r->function[function].put_off_ms;
    return ic_listing_is_late(&l, ms < PATIENCE_MIN_MS ? PATIENCE_MIN_MS : ms,
                              now(r) - r->function[function].asked_ms);
}

static void give_up(struct ic_rebuilder *r, uint16_t i, const char *reason)
{
    r->function[i].answer = GIVEN_UP;
    r->asked--;
    r->given_up++;
    ic_log(IC_LOG_WARNING, "rebuild-given-up",
           "function=%s reason=%s waited_ms=%" PRIu64 " listed=%" PRIu64,
           ic_functions_name(r->setup.functions, i), reason, now(r) - r->function[i].asked_ms,
           ic_functions_listing(r->setup.functions, i).bytes);
}

static void give_up_late(struct ic_rebuilder *r, uint16_t i)
{
    const struct one *f = &r->function[i];
    uint64_t waited_ms = now(r) - f->asked_ms;
    bool refused = f->put_off_ms > waited_ms / 2; /* as the platform has said */
    if (!f->came && !refused) {
        ic_functions_note_silence(r->setup.functions, i, waited_ms);
    }
    give_up(r, i, f->came ? "slow" : refused ? "refused" : "silent");
}

/* Nothing was asked of it yet: the platform throttles, or its old node may still be there. */
static bool is_put_off(const struct ic_rebuilder *r, uint16_t i)
{
    enum ic_function_state s = ic_pool_function(ic_functions_pool(r->setup.functions), i)->state;
    return !r->function[i].came && (s == IC_FUNCTION_ABSENT || s == IC_FUNCTION_ASLEEP);
}

static void look_at(struct ic_rebuilder *r, uint16_t i)
{
    struct one *f = &r->function[i];
    if (f->answer == WAITING && r->asked < ASKED_MAX) {
        f->answer = ASKED;
        f->asked_ms = f->looked_ms = now(r);
        r->asked++;
    }
    if (f->answer != ASKED) {
        return;
    }
    const struct ic_pool_instance *instance = instance_of(r, i);
    bool there = instance != NULL && instance->heard_ms >= f->since_ms;
    f->came = f->came || there;
    if (there && instance->known) {
        f->answer = ANSWERED;
        r->asked--;
        r->answered++;
        ic_functions_dismiss(r->setup.functions, i);
    } else if (ic_functions_missing(r->setup.functions, i, f->since_ms)) {
        r->missing++;
        give_up(r, i, "missing");
    } else if (is_late(r, i)) {
        give_up_late(r, i);
    } else {
        ic_functions_wake(r->setup.functions, i);
        f->put_off_ms += is_put_off(r, i) ? now(r) - f->looked_ms : 0;
        f->looked_ms = now(r);
    }
}

static bool never_held(const struct ic_rebuilder *r, uint16_t i)
{
    const struct ic_pool_instance *instance = instance_of(r, i);
    return r->function[i].answer == ANSWERED && instance != NULL && instance->op_done == 0 &&
           instance->held_reported == 0;
}

/* Functions whose answer may hide another instance, if a proxy was there before. */
static uint32_t count_doubtful(const struct ic_rebuilder *r)
{
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        fresh += never_held(r, (uint16_t)i);
    }
    bool traces = fresh < r->answered || !r->setup.fresh ||
                  ic_functions_figures(r->setup.functions, -1).links_refused > 0;
    return traces ? fresh : 0;
}

static void look_twice(struct ic_rebuilder *r)
{
    ic_log(IC_LOG_INFO, "rebuild-looks-again", "functions=%u", count_doubtful(r));
    r->looked_twice = true;
    for (uint32_t i = 0; i < r->count; i++) {
        if (never_held(r, (uint16_t)i)) {
            r->function[i] = (struct one){.answer = WAITING, .since_ms = now(r)};
            r->answered--;
        }
    }
}

/* Nobody is there to say what there is: it must not pass for nothing. */
static void ask_again(struct ic_rebuilder *r)
{
    char why[IC_TROUBLE_MAX + 16];
    ic_log(IC_LOG_WARNING, "rebuild-waits", "reason=no-function-answers trouble=%s",
           ic_log_quote(why, sizeof why, ic_slice_str(ic_functions_trouble(r->setup.functions))));
    for (uint32_t i = 0; i < r->count; i++) {
        struct one *f = &r->function[i];
        bool missing = ic_functions_missing(r->setup.functions, (uint16_t)i, f->since_ms);
        *f = (struct one){.answer = WAITING, .since_ms = missing ? now(r) : f->since_ms};
    }
    r->given_up = r->missing = 0;
}

static void gather(struct ic_rebuilder *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        look_at(r, (uint16_t)i);
    }
    log_progress(r);
    int result = ic_store_rebuild_result(r->setup.store);
    if (result < 0) {
        enter(r, FAILED, result);
        return;
    }
    if (r->answered + r->given_up == r->count) {
        if (!r->looked_twice && count_doubtful(r) > 0) {
            if (now(r) - r->started_ms >= SECOND_LOOK_MS) {
                look_twice(r);
            }
        } else if (r->answered > 0) {
            enter(r, FILLING, 0);
            return;
        } else {
            ask_again(r);
        }
    }
    ic_timer_start(&r->timer, LOOK_MS);
}

/* ---- filling ---------------------------------------------------------------- */

static void fill(struct ic_rebuilder *r)
{
    int result = ic_store_rebuild_step(r->setup.store, ic_clock_wall_ms());
    log_progress(r);
    if (result > 0) {
        ic_timer_start(&r->timer, 0);
        return;
    }
    if (result == 0) {
        result = ic_journal_rebuilt(r->setup.journal);
    }
    enter(r, result < 0 ? FAILED : DONE, result);
}

static void on_timer(void *ctx)
{
    struct ic_rebuilder *r = ctx;
    if (r->phase == GATHERING) {
        gather(r);
    } else {
        fill(r);
    }
}

/* ---- life ------------------------------------------------------------------- */

struct ic_rebuilder *ic_rebuilder_new(const struct ic_rebuilder_setup *setup)
{
    struct ic_rebuilder *r = ic_calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->setup = *setup;
    r->count = ic_pool_count(ic_functions_pool(setup->functions));
    r->function = ic_calloc(r->count, sizeof *r->function);
    if (r->function == NULL) {
        ic_free(r);
        return NULL;
    }
    ic_timer_init(&r->timer, setup->loop, on_timer, r);
    enter(r, GATHERING, 0);
    return r;
}

void ic_rebuilder_free(struct ic_rebuilder *r)
{
    if (r != NULL) {
        ic_timer_stop(&r->timer);
        ic_free(r->function);
        ic_free(r);
    }
}

bool ic_rebuilder_loading(const struct ic_rebuilder *r)
{
    return r != NULL && r->phase != DONE;
}

struct ic_rebuilder_progress ic_rebuilder_progress(const struct ic_rebuilder *r)
{
    struct ic_rebuilder_progress p = {
        .started_wall_ms = r->started_wall_ms,
        .elapsed_ms = (ic_rebuilder_loading(r) ? now(r) : r->ended_ms) - r->started_ms,
        .functions = r->count,
        .answered = r->answered,
        .given_up = r->given_up,
        .waits_for = "",
    };
    uint32_t last = last_to_answer(r);
    if (last < r->count) {
        p.waits_for = ic_functions_name(r->setup.functions, (uint16_t)last);
        p.waits_ms = now(r) - r->function[last].asked_ms;
        p.waits_listed = ic_functions_listing(r->setup.functions, (uint16_t)last).bytes;
    }
    for (uint32_t i = 0; i < r->count; i++) {
        const struct ic_pool_instance *instance = instance_of(r, (uint16_t)i);
        p.bytes += instance == NULL ? 0 : instance->held_reported;
    }
    return p;
}
