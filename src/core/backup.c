#include "core/backup.h"

#include "base/alloc.h"

#include <assert.h>

enum {
    HURRY = 30,           /* parts of an interval that chunks out of reach, or a failure, wait */
    FAILURES_SHIFT = 4,   /* then 2, 4, 8, 16 parts */
    OLD_MS = 3600 * 1000, /* an instance is old: twice as often */
    AGE_STEP_MS = 600000, /* ages that differ by less are the same */
};

struct turn {
    uint64_t begun_ms; /* the last turn's begin, or what stands for it */
    uint64_t met_ms;   /* its two instances were together; 0: never */
    uint64_t look_ms;  /* as it is, not due before; 0: it has changed */
    uint32_t failures; /* in a row */
    bool asked, busy;
};

struct ic_backup_plan {
    uint32_t functions;
    bool spread; /* begun_ms is spread over an interval */
    uint64_t start_ms;
    struct turn turn[];
};

struct ic_backup_plan *ic_backup_plan_new(uint32_t functions, uint64_t now_ms)
{
    assert(functions > 0);
    struct ic_backup_plan *plan = ic_calloc(1, sizeof *plan + functions * sizeof plan->turn[0]);
    if (plan != NULL) {
        plan->functions = functions;
        plan->start_ms = now_ms;
    }
    return plan;
}

void ic_backup_plan_free(struct ic_backup_plan *plan)
{
    ic_free(plan);
}

static struct turn *turn_of(struct ic_backup_plan *plan, uint16_t function)
{
    assert(function < plan->functions);
    return &plan->turn[function];
}

/* The first turns lie evenly in the second half of the first interval; later ones keep that. */
static void spread(struct ic_backup_plan *plan, uint64_t interval_ms)
{
    for (uint32_t i = 0; !plan->spread && i < plan->functions; i++) {
        uint64_t phase_ms = interval_ms / 2 + interval_ms / 2 * i / plan->functions;
        if (plan->turn[i].begun_ms == 0) {
            plan->turn[i].begun_ms = plan->start_ms + phase_ms - interval_ms;
        }
    }
    plan->spread = true;
}

/* When function's next turn is, as it is now; UINT64_MAX: there is no reason for one. */
static uint64_t due_at(const struct turn *t, const struct ic_backup_settings *s,
                       const struct ic_backup_view *v)
{
    uint64_t hurry_ms = s->interval_ms / HURRY;
    if (t->failures > 0) {
        uint32_t shift = t->failures - 1 < FAILURES_SHIFT ? t->failures - 1 : FAILURES_SHIFT;
        return t->begun_ms + (hurry_ms << shift);
    }
    uint64_t due_ms = UINT64_MAX;
    if (v->uncopied > 0 || v->owed > 0) {
        due_ms = t->begun_ms + (v->age_ms >= OLD_MS ? s->interval_ms / 2 : s->interval_ms);
    }
    if (v->turned && t->begun_ms + hurry_ms < due_ms) {
        due_ms = t->begun_ms + hurry_ms;
    }
    uint64_t peer_ms = t->met_ms + s->peer_interval_ms;
    if (v->holds && t->met_ms != 0 && s->peer_interval_ms != 0 && peer_ms < due_ms) {
        due_ms = peer_ms;
    }
    return due_ms;
}

/* When to look at it again if nothing changes; an instance that grows old brings its turn on. */
static uint64_t look_at(const struct turn *t, const struct ic_backup_settings *s,
                        const struct ic_backup_view *v, uint64_t now_ms)
{
    enum { LOOK_MS = 1000 }; /* a function that cannot be invoked now */
    uint64_t due_ms = t->asked ? now_ms : due_at(t, s, v);
    if (due_ms <= now_ms) {
        return now_ms + (v->able ? 0 : LOOK_MS);
    }
    uint64_t old_ms = v->age_ms < OLD_MS ? now_ms + OLD_MS - v->age_ms : UINT64_MAX;
    return due_ms < old_ms ? due_ms : old_ms;
}

/* A is to come before B. */
static bool before(const struct ic_backup_view *a, const struct ic_backup_view *b)
{
    if (a->turned != b->turned) {
        return a->turned;
    }
    if (a->age_ms / AGE_STEP_MS != b->age_ms / AGE_STEP_MS) {
        return a->age_ms > b->age_ms;
    }
    return a->uncopied > b->uncopied;
}

int ic_backup_next(struct ic_backup_plan *plan, const struct ic_backup_settings *settings,
                   struct ic_backup_view (*view)(void *ctx, uint16_t function), void *ctx,
                   uint64_t now_ms, uint64_t *next_ms)
{
    struct ic_backup_view best = {0};
    int found = -1;
    if (settings->interval_ms > 0) {
        spread(plan, settings->interval_ms);
    }
    *next_ms = UINT64_MAX;
    for (uint32_t i = 0; i < plan->functions; i++) {
        struct turn *t = &plan->turn[i];
        if (t->busy || (settings->interval_ms == 0 && !t->asked)) {
            continue;
        }
        if (t->look_ms > now_ms) {
            *next_ms = t->look_ms < *next_ms ? t->look_ms : *next_ms;
            continue;
        }
        struct ic_backup_view v = view(ctx, (uint16_t)i);
        t->look_ms = look_at(t, settings, &v, now_ms);
        *next_ms = t->look_ms < *next_ms ? t->look_ms : *next_ms;
        bool due = t->asked || due_at(t, settings, &v) <= now_ms;
        if (v.able && due && (found < 0 || before(&v, &best))) {
            best = v;
            found = (int)i;
        }
    }
    return found;
}

void ic_backup_changed(struct ic_backup_plan *plan, uint16_t function)
{
    turn_of(plan, function)->look_ms = 0;
}

void ic_backup_ask(struct ic_backup_plan *plan, uint16_t function)
{
    turn_of(plan, function)->asked = true;
    turn_of(plan, function)->look_ms = 0;
}

void ic_backup_began(struct ic_backup_plan *plan, uint16_t function, uint64_t now_ms)
{
    struct turn *t = turn_of(plan, function);
    assert(!t->busy);
    t->busy = true;
    t->asked = false;
    t->begun_ms = now_ms;
}

void ic_backup_ended(struct ic_backup_plan *plan, uint16_t function, bool done, uint64_t now_ms)
{
    struct turn *t = turn_of(plan, function);
    assert(t->busy);
    t->busy = false;
    t->failures = done ? 0 : t->failures + 1;
    t->met_ms = done ? now_ms : t->met_ms;
    t->look_ms = 0;
}

void ic_backup_seen(struct ic_backup_plan *plan, uint16_t function, uint64_t at_ms)
{
    struct turn *t = turn_of(plan, function);
    if (at_ms > t->met_ms) {
        t->met_ms = at_ms;
        t->look_ms = 0;
    }
}
